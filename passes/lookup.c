/* passes/lookup.c - a table is multiplied in front of the look-up of its rows.
 *
 *   dot(gather(table[v,k], index[n]), w[k,m])  ->  gather(dot(table, w), index)
 *
 * That is v*k*m products in place of n*k*m.  Of 1,024 characters of an alphabet of 65, embedded
 * for a recurrent layer, it leaves a sixteenth; and as grad runs behind this pass, a sixteenth
 * of both gradients: what comes back is summed by character before it is multiplied.  A row
 * that no index names is multiplied too, so that one with inf gives NaN to the gradient of w. */
#include "axes.h"
#include "rule.h"

enum {
    REUSE = 2,                  /* rows looked up, for one of the table, at the least */
    DEPTH = 16                  /* products an element: of fewer, the gather takes as long */
};

/* An operand of a product: the result of gather, its axes permuted. */
typedef struct looked_up {
    const ir_node *gather;
    ir_axes from;               /* axis i of the operand is axis from.at[i] of the result */
    int indices;                /* so many axes of the result are those of the index */
} looked_up;

/* Is x rows of a table? */
static bool is_looked_up(const ir_build *b, ir_ref x, looked_up *l)
{
    const ir_node *n = rule_node(b, x);

    l->from.n = ir_type_of(b->fn, x)->rank;
    for (int i = 0; i < l->from.n; i++)
        l->from.at[i] = i;
    for (; n->op == OP_TRANSPOSE; n = rule_node(b, ir_arg(b->fn, n, 0)))
        for (int i = 0; i < l->from.n; i++)
            l->from.at[i] = n->attr->TRANSPOSE.perm.at[l->from.at[i]];
    l->gather = n;
    if (n->op != OP_GATHER || n->attr->GATHER.axes.n != 1 || n->attr->GATHER.zero)
        return false;
    l->indices = ir_type_of(b->fn, ir_arg(b->fn, n, 1))->rank;
    return true;
}

/* Are the axes summed all those of a row? */
static bool sums_rows(const looked_up *l, ir_ints sum)
{
    bool is = sum.n == l->from.n - l->indices;

    for (int i = 0; i < sum.n; i++)
        is &= l->from.at[sum.at[i]] >= l->indices;
    return is;
}

static bool is_worth_it(const ir_build *b, const looked_up *l)
{
    const dim_table *d = &b->m->dims;
    const ir_type *table = ir_type_of(b->fn, ir_arg(b->fn, l->gather, 0));
    const ir_type *index = ir_type_of(b->fn, ir_arg(b->fn, l->gather, 1));
    int32_t axis = l->gather->attr->GATHER.axes.at[0];
    int64_t row = 1, rows = type_count_const(&b->m->types, index), v;

    for (int i = 0; i < table->rank; i++)
        row *= i == axis ? 1 : dim_lo(d, table->dim[i]);
    return dt_is_float(table->dtype) && row >= DEPTH && dim_const(d, table->dim[axis], &v) &&
           rows >= REUSE * v;
}

/* The index, its axes in the order in which the operand has them. */
static ir_ref index_of(ir_build *b, const looked_up *l)
{
    ir_axes perm = {0};

    for (int i = 0; i < l->from.n; i++)
        if (l->from.at[i] < l->indices)
            perm.at[perm.n++] = l->from.at[i];
    return ir_transpose(b, ir_arg(b->fn, l->gather, 1), perm.at);
}

/* The product of the table and w: its rows first. */
static ir_ref multiplied(ir_build *b, const looked_up *l, ir_ints sum, ir_ref w, ir_ints sum_w)
{
    int32_t axis = l->gather->attr->GATHER.axes.at[0];
    ir_axes sum_t = {.n = sum.n};

    for (int i = 0; i < sum.n; i++) {
        int32_t other = l->from.at[sum.at[i]] - l->indices;
        sum_t.at[i] = other + (other >= axis);
    }
    return ir_dot(b, ir_arg(b->fn, l->gather, 0), w, (ir_ints){0}, (ir_ints){0},
                  (ir_ints){sum_t.n, sum_t.at}, sum_w);
}

/* x with its first axes, so many, behind the others. */
static ir_ref first_last(ir_build *b, ir_ref x, int first)
{
    int32_t rank = ir_type_of(b->fn, x)->rank, perm[IR_MAX_RANK];

    for (int i = 0; i < rank; i++)
        perm[i] = (i + first) % rank;
    return ir_transpose(b, x, perm);
}

static ir_ref rule(void *cx, ir_build *b, const ir_fn *old, const ir_node *n, const ir_ref *a)
{
    looked_up l;
    const int32_t first = 0;

    (void)cx, (void)old;
    if (n->op != OP_DOT || n->attr->DOT.acc != DT_NONE || n->attr->DOT.batch_a.n)
        return IR_NONE;
    for (int k = 0; k < 2; k++) {
        ir_ints sum = k ? n->attr->DOT.sum_b : n->attr->DOT.sum_a;
        ir_ints sum_w = k ? n->attr->DOT.sum_a : n->attr->DOT.sum_b;
        if (!is_looked_up(b, a[k], &l) || !sums_rows(&l, sum) || !is_worth_it(b, &l))
            continue;
        ir_ref index = index_of(b, &l);
        ir_ref y = ir_gather(b, multiplied(b, &l, sum, a[1 - k], sum_w), &index, &first, 1, false);
        return k ? first_last(b, y, l.indices) : y;
    }
    return IR_NONE;
}

bool pass_lookup(pass_ctx *cx, ir_fn *fn)
{
    return ir_rewrite(cx->m, fn, cx->d, rule, NULL);
}
