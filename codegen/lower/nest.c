/* codegen/lower/nest.c - loop nests that templates of reductions share. */
#include "nest.h"

#include "axes.h"

void nest_merge(int rank, ir_ints axes, const lp_expr *out, const lp_expr *red, lp_expr *idx)
{
    for (int i = 0, o = 0, r = 0; i < rank; i++)
        idx[i] = ir_has_axis(axes, i) ? red[r++] : out[o++];
}

/* How many elements there are.  Kernels with much code, for more elements than are
 * written out one by one, take the number from the call, and numbers that they multiply by from
 * memory: they are one for all values of a module, as for the draws of its parameters. */
lp_expr nest_count(body *b, const ir_type *t, int64_t ops)
{
    enum { MUCH = 24, MANY = 128 };
    dim_table *d = &b->l->m->dims;
    ir_dim count = dim_product(d, t->dim, t->rank);
    int64_t n;

    b->shared = ops >= MUCH && dim_const(d, count, &n) && n >= MANY;
    return b->shared ? body_count(b, count) : body_dim(b, count);
}

/* Extents of the reduced axes, in order; returns how many. */
int nest_reduced(const ir_type *t, ir_ints axes, ir_dim *out)
{
    int n = 0;

    for (int i = 0; i < t->rank; i++)
        if (ir_has_axis(axes, i))
            out[n++] = t->dim[i];
    return n;
}

schedule nest_schedule(const job *j, const char *what, const problem *p, const ir_type *y,
                       const ir_dim *over, int n)
{
    text name = {0};

    text_add(&name, "%s", what);
    lower_name_extents(j->l, "y", y->dim, y->rank, &name);
    if (n)
        lower_name_extents(j->l, "over", over, n, &name);
    text_add(&name, " %s", dt_text(p->sums));
    schedule s = lower_schedule(j->l, &name, p);
    text_free(&name);
    return s;
}

schedule nest_of_rows(const job *j, const char *what, ir_dtype sums, const ir_type *y,
                      const ir_dim *over, int n)
{
    int64_t extent = dim_hint(&j->l->m->dims, over[n - 1]);
    problem p = {.kind = PROBLEM_ROWS, .sums = sums,
                 .many = schedule_fills(PROBLEM_ROWS, extent, lanes_of(j->l, sums))};

    return nest_schedule(j, what, &p, y, over, n);
}

void nest_open(body *b, const ir_dim *dims, int n, lp_expr *idx)
{
    static const char *const letter[] = {"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7",
                                         "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
    lp_expr zero = lp_int(b->k, 0);

    for (int i = 0; i < n; i++)
        idx[i] = lp_for(b->k, letter[i], zero, body_dim(b, dims[i]));
}

void nest_close(lp_kernel *k, int n)
{
    while (n-- > 0)
        lp_end(k);
}
