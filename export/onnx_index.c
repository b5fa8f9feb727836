/* export/onnx_index.c - writes gather, scatter, reductions and orders as ONNX. */
#include "axes.h"
#include "onnx_writer.h"

/* ---- gather, scatter -------------------------------------------------------------- */

/* The listed axes, then the others. */
static void axes_first(ir_ints axes, int rank, int32_t *perm)
{
    ir_axes rest = ir_free_axes(rank, axes, (ir_ints){0});

    for (int i = 0; i < axes.n; i++)
        perm[i] = axes.at[i];
    for (int i = 0; i < rest.n; i++)
        perm[axes.n + i] = rest.at[i];
}

static const char *in_bounds(ox *g, const char *x, ir_dim extent)
{
    dim_table *d = (dim_table *)&g->file->m->dims;
    const char *last = ox_dim(g, dim_sub(d, extent, (ir_dim){1}));

    return ox_2(g, "Max", ox_2(g, "Min", x, last), ox_i64(g, 0));
}

/* Does index i of the node, as i64, lie inside of its axis? */
static const char *is_inside(ox *g, const char *x, ir_dim extent)
{
    const char *low = ox_2(g, "LessOrEqual", ox_i64(g, 0), x);

    return ox_2(g, "And", low, ox_2(g, "Less", x, ox_dim(g, extent)));
}

/* The indices from operand 1 on, clamped; *inside: where all of them lie in their axes. */
static void clamped(ox *g, const ir_node *n, ir_ints axes, const char **index,
                    const char **inside)
{
    const ir_type *t = ox_type(g, n, 0);

    *inside = NULL;
    for (int i = 0; i < axes.n; i++) {
        ir_dim extent = t->dim[axes.at[i]];
        const char *x = ox_cast(g, ox_arg(g, n, 1 + (uint32_t)i), DT_I64);
        const char *in = is_inside(g, x, extent);
        *inside = *inside ? ox_2(g, "And", *inside, in) : in;
        index[i] = in_bounds(g, x, extent);
    }
}

/* Indices of this rank joined along one more axis, behind theirs. */
static const char *joined(ox *g, const char *const *index, int count, int rank)
{
    const char *part[IR_MAX_RANK], *behind = ox_i64s(g, (int64_t[]){rank}, 1);

    for (int i = 0; i < count; i++)
        part[i] = ox_2(g, "Unsqueeze", index[i], behind);
    Onnx__NodeProto *p = ox_add(g, "Concat", part, (size_t)count, 1);
    ox_int(g, p, "axis", rank);
    return ox_result(p);
}

/* A mask of the indices' shape, repeated along the `more` axes behind them. */
static const char *wider(ox *g, const char *mask, int rank, int more)
{
    int64_t axes[IR_MAX_RANK];

    for (int i = 0; i < more; i++)
        axes[i] = rank + i;
    return more ? ox_2(g, "Unsqueeze", mask, ox_i64s(g, axes, (size_t)more)) : mask;
}

/* GatherND takes indices of the leading axes: x is turned so that the gathered ones
 * lead, and indices are joined to vectors.  Out of bounds is clamped, or reads 0,
 * as in the IR. */
bool ox_gather(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_GATHER *a = &n->attr->GATHER;
    const ir_type *t = ox_type(g, n, 0);
    const char *index[IR_MAX_RANK], *inside;
    int32_t perm[IR_MAX_RANK];

    axes_first(a->axes, t->rank, perm);
    const char *x = ox_transpose(g, ox_arg(g, n, 0), perm, t->rank);
    int rank = ox_type(g, n, 1)->rank;
    clamped(g, n, a->axes, index, &inside);
    out[0] = ox_2(g, "GatherND", x, joined(g, index, a->axes.n, rank));
    if (a->zero) {
        inside = wider(g, inside, rank, t->rank - a->axes.n);
        out[0] = ox_3(g, "Where", inside, out[0], ox_number(g, t->dtype, 0));
    }
    return true;
}

static const char *const reductions[] = {
    [RED_SET] = "none", [RED_SUM] = "add", [RED_PROD] = "mul", [RED_MIN] = "min", [RED_MAX] = "max",
    [RED_AND] = NULL, [RED_OR] = NULL};

/* What is out of bounds is dropped: it goes to one more place along the first axis. */
bool ox_scatter(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_SCATTER *a = &n->attr->SCATTER;
    const ir_type *t = ox_type(g, n, 0);
    const char *index[IR_MAX_RANK], *inside, *zero = ox_number(g, t->dtype, 0);
    int32_t perm[IR_MAX_RANK], back[IR_MAX_RANK];
    ir_dim pads[2 * IR_MAX_RANK] = {0};
    dim_table *d = (dim_table *)&g->file->m->dims;

    if (!reductions[a->op])
        return ox_gap(g, n, "ONNX has no operator for it");
    axes_first(a->axes, t->rank, perm);
    for (int i = 0; i < t->rank; i++)
        back[perm[i]] = i;
    clamped(g, n, a->axes, index, &inside);
    index[0] = ox_3(g, "Where", inside, index[0], ox_dim(g, t->dim[perm[0]]));
    const char *where = joined(g, index, a->axes.n, ox_type(g, n, 1)->rank);
    pads[t->rank] = (ir_dim){1};
    const char *base = ox_transpose(g, ox_arg(g, n, 0), perm, t->rank);
    base = ox_pad(g, base, ox_dims(g, pads, 2 * t->rank), zero);
    Onnx__NodeProto *p = ox_add(g, "ScatterND", (const char *const[]){
        base, where, ox_arg(g, n, n->narg - 1u)}, 3, 1);
    ox_text(g, p, "reduction", reductions[a->op]);
    pads[t->rank] = dim_int(d, -1);
    out[0] = ox_pad(g, ox_result(p), ox_dims(g, pads, 2 * t->rank), zero);
    out[0] = ox_transpose(g, out[0], back, t->rank);
    return true;
}

/* ---- reductions -------------------------------------------------------------------------- */

static const char *const reducers[] = {
    [RED_SUM] = "ReduceSum", [RED_PROD] = "ReduceProd", [RED_MIN] = "ReduceMin",
    [RED_MAX] = "ReduceMax", [RED_AND] = "ReduceMin", [RED_OR] = "ReduceMax"};

/* noop_with_empty_axes: no axes means none, where ONNX would else take all. */
static const char *reduced(ox *g, const char *op, const char *x, ir_ints axes)
{
    int64_t v[IR_MAX_RANK];

    for (int i = 0; i < axes.n; i++)
        v[i] = axes.at[i];
    Onnx__NodeProto *p = ox_add(g, op, (const char *const[]){x, ox_i64s(g, v, (size_t)axes.n)},
                                2, 1);
    ox_int(g, p, "keepdims", 0);
    ox_int(g, p, "noop_with_empty_axes", 1);
    return ox_result(p);
}

/* Integers narrower than 32 bits, and bool, have no reductions of their own everywhere. */
bool ox_reduce(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_REDUCE *a = &n->attr->REDUCE;
    ir_dtype dt = ox_type(g, n, 0)->dtype, to = ir_type_of(g->fn, n->first)->dtype;
    ir_dtype by = dt_is_float(to) || dt_bits(to) >= 32 ? to : DT_I32;
    const char *x = ox_arg(g, n, 0);

    x = reduced(g, reducers[a->op], by == dt ? x : ox_cast(g, x, by), a->axes);
    out[0] = by == to ? x : ox_cast(g, x, to);
    return true;
}

/* NaN wins in the IR, and is left open by ONNX. */
bool ox_argreduce(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_ARGREDUCE *a = &n->attr->ARGREDUCE;
    const char *x = ox_arg(g, n, 0);

    Onnx__NodeProto *p = ox_add(g, a->op == RED_MIN ? "ArgMin" : "ArgMax", &x, 1, 1);
    ox_int(g, p, "axis", a->axis);
    ox_int(g, p, "keepdims", 0);
    ox_int(g, p, "select_last_index", a->last);
    out[0] = ox_result(p);
    return true;
}

/* 0, 1, .. along an axis, with axes of extent 1 behind it. */
static const char *counted(ox *g, ir_dim extent, int behind)
{
    const char *i = ox_3(g, "Range", ox_i64(g, 0), ox_dim(g, extent), ox_i64(g, 1));
    int64_t axes[IR_MAX_RANK + 1];

    for (int k = 0; k < behind; k++)
        axes[k] = k + 1;
    return behind ? ox_2(g, "Unsqueeze", i, ox_i64s(g, axes, (size_t)behind)) : i;
}

/* Running products are younger than opset 21: each is the product of all elements, with 1 in
 * the place of those that it does not reach. */
static const char *running_product(ox *g, const ir_node *n)
{
    const struct ir_attr_CUMUL *a = &n->attr->CUMUL;
    const ir_type *t = ox_type(g, n, 0);
    int32_t from = a->axis + 1;
    int behind = t->rank - a->axis;
    const char *x = ox_2(g, "Unsqueeze", ox_arg(g, n, 0), ox_i64s(g, (int64_t[]){a->axis}, 1));
    const char *i = counted(g, t->dim[a->axis], behind);
    const char *j = counted(g, t->dim[a->axis], behind - 1);
    const char *reaches = ox_2(g, a->exclusive ? "Less" : "LessOrEqual", a->reverse ? i : j,
                               a->reverse ? j : i);

    x = ox_3(g, "Where", reaches, x, ox_number(g, t->dtype, 1));
    return reduced(g, "ReduceProd", x, (ir_ints){1, &from});
}

bool ox_cumul(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_CUMUL *a = &n->attr->CUMUL;

    if (a->op == RED_PROD)
        return (out[0] = running_product(g, n)) != NULL;
    if (a->op != RED_SUM)
        return ox_gap(g, n, "opset 21 has running sums and products only");
    Onnx__NodeProto *p = ox_add(g, "CumSum", (const char *const[]){
        ox_arg(g, n, 0), ox_i64(g, a->axis)}, 2, 1);
    ox_int(g, p, "exclusive", a->exclusive);
    ox_int(g, p, "reverse", a->reverse);
    out[0] = ox_result(p);
    return true;
}

/* ---- orders -------------------------------------------------------------------------------- */

/* TopK takes its count as a vector of one element. */
static Onnx__NodeProto *top_of(ox *g, const char *x, ir_dim k, int64_t axis, bool largest)
{
    const char *count = ox_2(g, "Unsqueeze", ox_dim(g, k), ox_i64s(g, (int64_t[]){0}, 1));
    Onnx__NodeProto *p = ox_add(g, "TopK", (const char *const[]){x, count}, 2, 2);

    ox_int(g, p, "axis", axis);
    ox_int(g, p, "largest", largest);
    return p;
}

bool ox_topk(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_TOPK *a = &n->attr->TOPK;
    Onnx__NodeProto *p = top_of(g, ox_arg(g, n, 0), a->k, a->axis, a->largest);

    out[0] = p->output[0];
    out[1] = p->output[1];
    return true;
}

/* All elements as the first of them; payloads follow their positions. */
bool ox_sort(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_SORT *a = &n->attr->SORT;
    ir_dim all = ox_type(g, n, 0)->dim[a->axis];
    Onnx__NodeProto *p = top_of(g, ox_arg(g, n, 0), all, a->axis, a->desc);

    out[0] = p->output[0];
    for (uint32_t i = 1; i < n->narg; i++) {
        Onnx__NodeProto *q = ox_add(g, "GatherElements", (const char *const[]){
            ox_arg(g, n, i), p->output[1]}, 2, 1);
        ox_int(g, q, "axis", a->axis);
        out[i] = ox_result(q);
    }
    return true;
}

bool ox_nonzero(ox *g, const ir_node *n, const char **out)
{
    out[0] = ox_1(g, "NonZero", ox_arg(g, n, 0));
    return true;
}

/* All four results, in the order of ONNX. */
bool ox_unique(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_UNIQUE *a = &n->attr->UNIQUE;
    const char *x = ox_arg(g, n, 0);
    Onnx__NodeProto *p = ox_add(g, "Unique", &x, 1, 4);

    if (!a->flat)
        ox_int(g, p, "axis", a->axis);
    ox_int(g, p, "sorted", !a->unsorted);
    for (int i = 0; i < 4; i++)
        out[i] = p->output[i];
    return true;
}

/* ONNX wants the three numbers as vectors of one element. */
bool ox_nms(ox *g, const ir_node *n, const char **out)
{
    const char *in[5];

    for (uint32_t i = 0; i < 5; i++)
        in[i] = i < 2 ? ox_arg(g, n, i) : ox_reshape(g, ox_arg(g, n, i), (ir_dim[]){{1}}, 1);
    Onnx__NodeProto *p = ox_add(g, "NonMaxSuppression", in, 5, 1);
    ox_int(g, p, "center_point_box", n->attr->NMS.center);
    out[0] = ox_result(p);
    return true;
}
