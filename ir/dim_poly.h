/* ir/dim_poly.h - what the files of the dim table share: interning, ranges,
 * polynomials. */
#ifndef INGOT_DIM_POLY_H
#define INGOT_DIM_POLY_H

#include "dim.h"

/* Bounds that no model comes near: terms of a sum, atoms of a term, parts of an
 * expression written as a tree, and choices among which dim_ops.c looks on. */
enum { MAX_TERMS = 128, MAX_ATOMS = 8, MAX_SIZE = 2000, MAX_BRANCHES = 64 };

/* A sum of terms, in order; atoms within a term are sorted, older first. */
typedef struct poly {
    int n;
    struct { int64_t coef; uint32_t n; ir_dim atom[MAX_ATOMS]; } term[MAX_TERMS];
} poly;

/* INT64_MIN and INT64_MAX stand for unbounded. */
typedef struct dim_range { int64_t lo, hi; } dim_range;

/* Sets the table's flag, for the caller of the builder to see; gives the dim 0. */
ir_dim dim_overflow(dim_table *t);
/* The entry equal to e, perhaps a new one; e.term is copied. */
ir_dim dim_intern(dim_table *t, dim_expr e);

void poly_of(const dim_table *t, ir_dim d, poly *p);
ir_dim poly_dim(dim_table *t, const poly *p);
/* Adds coef * atoms (sorted) to p; false when a bound is passed. */
bool poly_add(poly *p, int64_t coef, const ir_dim *atom, uint32_t n);
int poly_compare(const ir_dim *a, uint32_t na, const ir_dim *b, uint32_t nb);

int64_t dim_sat_add(int64_t a, int64_t b);

static inline dim_range dim_range_of(const dim_table *t, ir_dim d)
{
    return (dim_range){dim_lo(t, d), dim_hi(t, d)};
}

static inline uint32_t dim_size(const dim_table *t, ir_dim d)
{
    return d.v < 0 ? dim_get(t, d)->size : 1;
}

#endif
