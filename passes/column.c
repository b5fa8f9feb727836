/* passes/column.c - products with a matrix of one column, as sums of products.
 *
 *   dot x[m,k], y[k,1]  ->  reduce sum over k of x * y', y' in all rows of x
 *
 * Tiles of a product lie along columns: of one column they use a sixteenth of each vector.
 * Sums lie along k, or along m where that is what lies together.  Short rows stay products:
 * to fold a vector takes longer than they do. */
#include "axes.h"
#include "rule.h"

enum { SHORT = 16 };

/* Do vectors find many elements of x side by side that they may sum, or sum to? */
static bool has_length(const ir_build *b, const ir_type *x, ir_ints sum)
{
    int last = x->rank - 1;

    return !ir_has_axis(sum, last) || dim_hint(&b->m->dims, x->dim[last]) >= SHORT;
}

/* Floats, of one column; batches of x come first, as they do in the result. */
static bool is_column(const ir_build *b, const ir_node *n, const ir_type *x, const ir_type *y)
{
    const struct ir_attr_DOT *d = &n->attr->DOT;
    ir_axes free = ir_free_axes(y->rank, d->batch_b, d->sum_b);
    bool is = (x->dtype == DT_F32 || x->dtype == DT_F64) && d->acc == DT_NONE && d->sum_a.n > 0 &&
              has_length(b, x, d->sum_a);

    for (int i = 0; i < free.n; i++)
        is &= dim_is(&b->m->dims, y->dim[free.at[i]], 1);
    for (int i = 0; i < d->batch_a.n; i++)
        is &= d->batch_a.at[i] == i;
    return is;
}

/* y along the axes of x that it shares, which end with its own, repeated along the others. */
static ir_ref spread(ir_build *b, const struct ir_attr_DOT *d, const ir_type *x, ir_ref y)
{
    ir_axes free = ir_free_axes(ir_type_of(b->fn, y)->rank, d->batch_b, d->sum_b);
    ir_axes perm = {0}, axes = {0};

    for (int32_t i = 0; i < x->rank; i++) {
        int batch = ir_find_axis(d->batch_a, i), sum = ir_find_axis(d->sum_a, i);
        bool own = i >= x->rank - free.n;
        if (!own && batch < 0 && sum < 0)
            continue;
        axes.at[axes.n++] = i;
        perm.at[perm.n++] = own        ? free.at[i - x->rank + free.n]
                            : sum >= 0 ? d->sum_b.at[sum]
                                       : d->batch_b.at[batch];
    }
    return ir_broadcast(b, ir_transpose(b, y, perm.at), x->dim, x->rank, axes.at);
}

/* x with the axes of the column behind its own, so that they are in the sum's place. */
static ir_ref with_column(ir_build *b, ir_ref x, int columns)
{
    const ir_type *t = ir_type_of(b->fn, x);
    ir_dim shape[2 * IR_MAX_RANK];

    for (int i = 0; i < t->rank + columns; i++)
        shape[i] = i < t->rank ? t->dim[i] : (ir_dim){1};
    return ir_reshape(b, x, shape, t->rank + columns);
}

static ir_ref rule(void *cx, ir_build *b, const ir_fn *old, const ir_node *n, const ir_ref *a)
{
    (void)cx, (void)old;
    if (n->op != OP_DOT)
        return IR_NONE;
    const ir_type *x = ir_type_of(b->fn, a[0]), *y = ir_type_of(b->fn, a[1]);
    const struct ir_attr_DOT *d = &n->attr->DOT;
    int columns = y->rank - d->batch_b.n - d->sum_b.n;
    if (!is_column(b, n, x, y) || x->rank + columns > IR_MAX_RANK)
        return IR_NONE;
    ir_ref rows = with_column(b, a[0], columns);
    ir_ref products = ir_2(b, OP_MUL, rows, spread(b, d, ir_type_of(b->fn, rows), a[1]));
    return ir_reduce(b, products, RED_SUM, d->sum_a.at, d->sum_a.n);
}

bool pass_column(pass_ctx *cx, ir_fn *fn)
{
    return ir_rewrite(cx->m, fn, cx->d, rule, NULL);
}
