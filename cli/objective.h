/* cli/objective.h - a model made a training step: a loss, and its gradients as outputs. */
#ifndef INGOT_OBJECTIVE_H
#define INGOT_OBJECTIVE_H

#include "import.h"

/* Adds to m's entry `main`, or its only one: the result `loss`, a scalar, and for each
 * weight that the reader kept apart a result NAME.grad, the loss' gradient by it; states
 * that are trainable and like `w->pattern` have one, too.
 *   loss   cross_entropy: of the first output, logits [.., K], and a new input `label`,
 *          i64[..]; mse: of it and `target`, of its type; bce: so, of logits; each the mean
 *          over all that it compares.  Else the name of an output, which is summed up.
 * The gradients are expanded, the weights constants again.  False after errors. */
bool objective_add(ir_module *m, import_weights *w, const char *loss, diag *d);

#endif
