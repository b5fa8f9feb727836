/* cli/summary.h - a model's layers in a table. */
#ifndef INGOT_SUMMARY_H
#define INGOT_SUMMARY_H

#include "ingot.h"
#include "train_abi.h"
#include "tune.h"

/* Adds a table of each entry of m but `init`: the layers that have weights or are products, in
 * their order, each with the type of its result, its weights and the operations of its
 * products; behind it the sums.  Extents that only the run knows count as the least that they
 * may be.  m is as it was read, with calls and gradients resolved. */
void summary_print(const ir_module *m, text *out);
/* The same of the steps of t, from a module whose gradients are not resolved: what a step does
 * before it goes back, on the rows of its batch where it has a number of them. */
void summary_print_steps(const ir_module *m, const struct ingot_trainer *t, text *out);
/* Adds what each entry of the file but `init` takes in memory, on one thread and with extents as
 * above, and what a step of its training does on a batch: of a program those of all train blocks,
 * of an ONNX model by a loss, or by the training_info of the file.  Told are the operations of a
 * step, with its gradients, and bytes of weights, of
 * other states by what they are for, of the workspace.  The file is read anew, and planned for
 * o->target; where that fails, the reason is told in place of numbers. */
void summary_memory(const char *path, const ingot_options *o, const tune_options *tune,
                    text *out);

#endif
