/* frontend/dsl/gather.c - elements at integer positions. */
#include "check.h"

/* A gather in the making: a position for each of the axes that are read. */
typedef struct gather {
    int n, axis[IR_MAX_RANK];
    const dsl_value *index[IR_MAX_RANK];
} gather;

/* Axes that array and positions both carry are read where they are. */
static void add_shared(dsl *cx, const dsl_value *x, gather *g)
{
    int given = g->n;

    for (int i = 0; i < x->tensor.rank; i++) {
        dsl_axis *a = x->tensor.axis[i];
        bool shared = false;
        for (int k = 0; k < given; k++)
            shared |= a && dsl_find(g->index[k], a) >= 0;
        if (shared) {
            g->axis[g->n] = i;
            g->index[g->n++] = dsl_index_value(cx, a);
        }
    }
}

static bool is_read(const gather *g, int axis)
{
    for (int k = 0; k < g->n; k++)
        if (g->axis[k] == axis)
            return true;
    return false;
}

/* The result's axes are those of the positions, then the others of x.  Visible ones of x
 * in front of the first that was read have to stand in front of the positions' again. */
static const dsl_value *order(dsl *cx, const dsl_value *x, const gather *g, int first, ir_ref y)
{
    const dsl_value *p = g->index[0];
    dsl_axis *axis[IR_MAX_RANK], *moved[IR_MAX_RANK];
    int32_t perm[IR_MAX_RANK];
    int rank = p->tensor.rank, n = 0, skip[IR_MAX_RANK];
    bool early[IR_MAX_RANK] = {false}, any = false;

    for (int i = 0; i < rank; i++)
        axis[i] = p->tensor.axis[i];
    for (int i = 0; i < x->tensor.rank; i++)
        if (!is_read(g, i)) {
            early[rank] = !x->tensor.axis[i] && i < first;
            any |= early[rank];
            axis[rank++] = x->tensor.axis[i];
        }
    if (!any || !dsl_visible(p, skip))
        return dsl_array_like(cx, x, y, rank, axis);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < rank; i++)
            if (early[i] == (pass == 0)) {
                moved[n] = axis[i];
                perm[n++] = i;
            }
    return dsl_array_like(cx, x, ir_transpose(dsl_b(cx), y, perm), rank, moved);
}

/* x at index[k] along axis[k], which are places in memory. */
const dsl_value *dsl_gather(dsl *cx, const dsl_value *x, const int *axis,
                            const dsl_value *const *index, int n, ir_loc at)
{
    gather g = {.n = n};
    ir_ref ref[IR_MAX_RANK];
    int32_t axes[IR_MAX_RANK];
    int first = IR_MAX_RANK;

    for (int k = 0; k < n; k++) {
        g.axis[k] = axis[k];
        g.index[k] = dsl_as(cx, index[k], DSL_INT, at, "a position");
        if (dsl_bad(g.index[k]))
            return &dsl_poison;
        first = axis[k] < first ? axis[k] : first;
    }
    add_shared(cx, x, &g);
    if (!dsl_align(cx, g.index, g.n, at, "positions"))
        return &dsl_poison;
    for (int k = 0; k < g.n; k++) {
        ref[k] = dsl_ref(cx, g.index[k]);
        axes[k] = g.axis[k];
    }
    ir_ref y = ir_gather(dsl_b(cx), dsl_ref(cx, x), ref, axes, g.n, false);
    return y == IR_NONE ? &dsl_poison : order(cx, x, &g, first, y);
}
