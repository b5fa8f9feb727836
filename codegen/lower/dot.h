/* codegen/lower/dot.h - what the files of the matrix product template share. */
#ifndef INGOT_DOT_H
#define INGOT_DOT_H

#include "axes.h"
#include "tile.h"

/* Where the inner loop finds B. */
typedef enum dot_source {
    DOT_PACKED,                 /* a constant, [N/NR, steps, NR] */
    DOT_TEMP,                   /* a temp, [batch, N/NR, steps, NR] */
    DOT_OWN,                    /* memory of the thread, [1, 1, steps, NR], which fills it for
                                 * the panel at hand */
    DOT_PLACE,                  /* in the tensor itself */
} dot_source;

/* A product as the template makes it: for each of `batch` the rows `m` of A by the columns `n`
 * of B, summed over `k`.  Example: f32[8,64,32] by constant f32[32,100], batch 8, m 64, n 100,
 * k 32; with lanes=16 vectors=4 B is DOT_PACKED in two panels of 64 columns, [2, 32, 64]. */
typedef struct dot {
    job *j;
    const struct ir_attr_DOT *at;
    ir_ref a, b;
    const ir_type *ta, *tb, *ty;
    ir_axes fa, fb;            /* axes of rows in A, of columns in B */
    schedule s;
    ir_dim batch, m, n, k;
    int together;               /* A is unsigned and B signed bytes, summed in i32: so many k are
                                 * read at once (bytes.h); 0: one */
    ir_dim steps;               /* of the inner loop: k, or as many as hold all of them */
    ir_dtype acc;
    dot_source source;
    uint32_t packed;            /* the constant or temp that holds B */
    bool scaled;                /* B is `packed` times constant `scale`, [N/NR, 1, NR] */
    uint32_t scale;
    bool turned, far;           /* as a problem's first operand (schedule.h) */
    bool copied;                /* A is read from temp a_temp, [batch, M, steps] */
    uint32_t a_temp;
} dot;

/* The panels of B that the inner loop reads; A as a matrix [batch, M, steps], 0 where it is read
 * through body_at. */
lp_buf dot_panels(const dot *d, body *b, ir_dim panels);
lp_buf dot_a_buffer(const dot *d, body *b);
/* B where it is stored, for DOT_PLACE. */
lp_buf dot_b_buffer(const dot *d, body *b);
/* The panel at hand, filled where `b` stands, for DOT_OWN. */
lp_buf dot_own_panel(const dot *d, body *b, lp_expr batch, lp_expr panel);
/* A's element at batch, row and k. */
lp_expr dot_a(const dot *d, body *b, lp_expr batch, lp_expr row, lp_expr k);
/* B's element at batch, k and column. */
lp_expr dot_b(const dot *d, body *b, lp_expr batch, lp_expr k, lp_expr column);

/* The kernel that computes the group's value. */
bool dot_kernel(dot *d);

#endif
