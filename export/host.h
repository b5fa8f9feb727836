/* export/host.h - the machine that ingot itself runs on, as a target. */
#ifndef INGOT_HOST_H
#define INGOT_HOST_H

#include "target.h"

/* The highest level that this machine can run and all features that it has besides.
 * `half_as_fast` and the size of its second cache are its own, other facts the level's;
 * nothing is timed, so that equal machines make equal code. */
void host_target(target *out);

/* target_find, which also takes `native`. */
bool host_find(const char *name, target *out);

/* Can this machine run code for the architecture? */
bool host_runs(target_arch a);

#endif
