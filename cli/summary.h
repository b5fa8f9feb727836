/* cli/summary.h - a model's layers in a table. */
#ifndef INGOT_SUMMARY_H
#define INGOT_SUMMARY_H

#include "ir.h"

/* Adds a table of each entry of m but `init`: the layers that have weights or are products, in
 * their order, each with the type of its result, its weights and the operations of its
 * products; behind it the sums.  Extents that only the run knows count as the least that they
 * may be.  m is as it was read, with calls and gradients resolved. */
void summary_print(const ir_module *m, text *out);

#endif
