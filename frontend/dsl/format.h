/* frontend/dsl/format.h - programs as they should look. */
#ifndef INGOT_DSL_FORMAT_H
#define INGOT_DSL_FORMAT_H

#include "diag.h"

/* Adds the program with its blanks set right: the same tokens on the same lines, with four
 * blanks a block and one empty line at most.  Comments keep their columns where there is
 * room.  What it adds, it would not change again.  False, after messages, if the program
 * does not parse; `name` is its place in them. */
bool dsl_format(const char *source, const char *name, diag *d, text *out);

#endif
