/* cli/check_grad.h - `ingot check --grad`. */
#ifndef INGOT_CHECK_GRAD_H
#define INGOT_CHECK_GRAD_H

#include "ingot.h"

/* `ingot check --grad --seed 7 --rows 2 --engine compiled`. */
typedef struct check_grad_options {
    bool wanted;
    long long seed, rows;
    ingot_engine_kind engine;
} check_grad_options;

/* Checks the gradients of each objective of a program's train blocks against differences, on
 * random rows and the weights that `init` draws, all reals of 64 bits, and prints a line for
 * each parameter.  False if one is off, or after an error in d. */
bool check_gradients(const char *path, const ingot_options *o, const check_grad_options *how,
                     diag *d);

#endif
