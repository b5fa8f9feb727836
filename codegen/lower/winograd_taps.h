/* codegen/lower/winograd_taps.h - Winograd's algorithm along one axis, and the taps' numbers. */
#ifndef INGOT_WINOGRAD_TAPS_H
#define INGOT_WINOGRAD_TAPS_H

#include "winograd.h"

enum { WINOGRAD_TAPS = 3, WINOGRAD_REACH = 6, WINOGRAD_SQUARE = 4 };

/* Along one axis; rows and columns beyond reach and square are zeros. */
typedef struct winograd_form {
    int square, reach;
    double taps[WINOGRAD_REACH][WINOGRAD_TAPS], image[WINOGRAD_REACH][WINOGRAD_REACH];
    double back[WINOGRAD_SQUARE][WINOGRAD_REACH];
} winograd_form;

/* The form for squares of this side. */
const winograd_form *winograd_form_of(int square);
/* The sum of row[i] * x[i], of what takes no multiplication first. */
lp_expr winograd_weighted(lp_kernel *k, const double *row, const lp_expr *x, int n);
/* A local buffer of vectors of f32. */
lp_buf winograd_local(lp_kernel *k, const char *name, int rows, int columns, int lanes);
/* Opens the loop over `extent` elements, whole vectors or less than one. */
lp_expr winograd_vectors(const conv *c, lp_kernel *k, int extent);

/* Panels of the weights' numbers. */
ir_dim winograd_panels(const conv *c);
/* These, in the kernel at hand: [1, panels, reach * reach, features, channels]. */
lp_buf winograd_weights(const conv *c, body *b, bool write);
/* The kernel that makes them of weights that only the run knows. */
bool winograd_turn_weights(conv *c);

#endif
