/* export/program_expr.c - expressions: of whole arrays, and of their elements at
 * indices.  The latter is what codegen's body_at does, with text in place of loop
 * IR: movement only changes the indices, until something is reached that has a
 * name. */
#include <stdlib.h>

#include "axes.h"
#include "program_writer.h"

const char *px_wrap(px *g, px_expr e, px_level least)
{
    if (!e.at)
        return "_";
    return e.level >= least ? e.at : px_printf(g, "(%s)%s", e.at, "");
}

/* An expression that lets the rest be written, so that all gaps are found. */
px_expr px_gap(px *g, ir_ref r, const char *reason)
{
    const ir_node *n = px_node(g, r);
    const char *place = diag_node(g->file->d, n->loc);

    if (!*place)
        place = arena_printf(&g->file->mem, "%s:%u", g->fn->name, n->loc.line);
    diag_unsupported(g->file->d, ir_op_get(n->op)->text, "", place, reason);
    g->file->failed = true;
    return (px_expr){"_", PX_CALL, false};
}

/* ---- indices -------------------------------------------------------------------------- */

/* The k-th name that an index may have, and no value has. */
static const char *free_name(px *g, uint32_t k)
{
    static const char letters[] = "ijklmnpqrstuvabcde";
    char s[2] = {0};

    for (const char *p = letters; *p; p++) {
        s[0] = *p;
        if (names_find(&g->file->used, s) == NAMES_NONE && !k--)
            return arena_strdup(&g->file->mem, s);
    }
    return arena_printf(&g->file->mem, "i%u'", k);
}

const char *px_new_index(px *g, ir_dim extent)
{
    const char *s = free_name(g, g->index.len);

    vec_push(&g->index, (px_index){s, extent, false, false});
    return s;
}

static px_index *find_index(px *g, const char *s)
{
    for (uint32_t i = 0; i < g->index.len; i++)
        if (g->index.at[i].name == s)
            return &g->index.at[i];
    return NULL;
}

const char *px_index_text(px *g, const char *name)
{
    px_index *x = find_index(g, name);

    return x->alone && !x->given ? name : px_printf(g, "%s in %s", name,
                                       px_wrap(g, px_dim(g, x->extent), PX_SUM));
}

static bool is_number(const char *s)
{
    return s[strspn(s, "0123456789")] == '\0';
}

/* Indices are words, numbers, or sums. */
static px_expr position(px *g, const char *s)
{
    return (px_expr){s, find_index(g, s) || is_number(s) ? PX_CALL : PX_SUM, true};
}

/* start + step * idx */
static const char *along(px *g, ir_dim start, ir_dim step, const char *idx)
{
    const dim_table *t = &g->file->m->dims;
    bool whole = dim_is(t, start, 0), down = dim_hi(t, step) < 0;
    ir_dim by = down ? dim_neg(&g->file->m->dims, step) : step;
    const char *s = idx;

    if (is_number(idx)) {
        ir_dim i = dim_int(&g->file->m->dims, atoll(idx));
        return px_dim(g, dim_add(&g->file->m->dims, start, dim_mul(&g->file->m->dims, i, step))).at;
    }
    if (!dim_is(t, by, 1))
        s = px_printf(g, "%s * %s", px_wrap(g, position(g, idx), PX_TERM),
                      px_wrap(g, px_dim(g, by), PX_UNARY));
    else if (down)
        s = px_wrap(g, position(g, idx), PX_TERM);
    if (down)
        return px_printf(g, "%s - %s", px_wrap(g, px_dim(g, start), PX_SUM), s);
    return whole ? s : px_printf(g, "%s + %s", s, px_wrap(g, px_dim(g, start), PX_TERM));
}

/* ---- reshapes at indices -------------------------------------------------------------- */

static bool is_one(const px *g, ir_dim d)
{
    return dim_is(&g->file->m->dims, d, 1);
}

/* One axis of `wide` elements as axes [from, end) of t; 0 if it is not a product of those. */
static int split_end(px *g, ir_dim wide, const ir_type *t, int from)
{
    dim_table *d = &g->file->m->dims;
    ir_dim all = {1};

    for (int i = from; i < t->rank; i++) {
        all = dim_mul(d, all, t->dim[i]);
        if (dim_same(all, wide))
            return i + 1;
    }
    return 0;
}

/* The position in an axis that was cut into axes [from, end) of t. */
static const char *joined(px *g, const ir_type *t, int from, int end, const char *const *idx)
{
    const char *s = NULL;

    for (int i = from; i < end; i++) {
        if (is_one(g, t->dim[i]) || (!s && !strcmp(idx[i], "0")))
            continue;
        const char *x = idx[i];
        if (s)
            x = arena_printf(&g->file->mem, "%s * %s + %s", px_wrap(g, position(g, s), PX_TERM),
                             px_wrap(g, px_dim(g, t->dim[i]), PX_UNARY), x);
        s = x;
    }
    return s ? s : "0";
}

/* Indices of a reshape's operand x for those of its result t: axes of extent 1 come and go,
 * an axis may be cut into several.  False if axes are joined.  Null idx: only asks. */
static bool reshape_indices(px *g, const ir_type *x, const ir_type *t, const char *const *idx,
                            const char **out)
{
    int j = 0;

    for (int i = 0; i < x->rank; i++) {
        if (is_one(g, x->dim[i])) {
            if (idx)
                out[i] = "0";
            continue;
        }
        while (j < t->rank && is_one(g, t->dim[j]))
            j++;
        int end = split_end(g, x->dim[i], t, j);
        if (!end)
            return false;
        if (idx)
            out[i] = joined(g, t, j, end, idx);
        j = end;
    }
    while (j < t->rank && is_one(g, t->dim[j]))
        j++;
    return j == t->rank;
}

/* ---- moved elements ------------------------------------------------------------------- */

static px_expr at_reshape(px *g, ir_ref r, const char *const *idx)
{
    const char *in[IR_MAX_RANK];

    reshape_indices(g, px_type(g, px_arg(g, r, 0)), px_type(g, r), idx, in);
    return px_at(g, px_arg(g, r, 0), in);
}

/* y[i, j] = x[j, i]: no node is written, the indices change places. */
static px_expr at_transpose(px *g, ir_ref r, const char *const *idx)
{
    const ir_ints perm = px_node(g, r)->attr->TRANSPOSE.perm;
    const char *in[IR_MAX_RANK];

    for (int i = 0; i < perm.n; i++)
        in[perm.at[i]] = idx[i];
    return px_at(g, px_arg(g, r, 0), in);
}

/* The position in an axis of extent `from` that is repeated, or has been found equal when
 * the model runs, to be `to`: then both are said by one formula. */
static const char *repeated(px *g, ir_dim from, ir_dim to, const char *idx)
{
    ir_dim last = dim_sub(&g->file->m->dims, from, (ir_dim){1});

    if (dim_same(from, to))
        return idx;
    if (is_one(g, from))
        return "0";
    return px_printf(g, "max(min(%s, %s), 0)", idx, px_dim(g, last).at);
}

/* An axis that is new has no index in x; one of extent 1 is read at 0. */
static px_expr at_broadcast(px *g, ir_ref r, const char *const *idx)
{
    const ir_ints axes = px_node(g, r)->attr->BROADCAST.axes;
    const ir_type *x = px_type(g, px_arg(g, r, 0)), *t = px_type(g, r);
    const char *in[IR_MAX_RANK];

    for (int i = 0; i < axes.n; i++)
        in[i] = repeated(g, x->dim[i], t->dim[axes.at[i]], idx[axes.at[i]]);
    return px_at(g, px_arg(g, r, 0), in);
}

/* The position in axis i of a slice; where it begins is not always seen to be inside. */
static const char *sliced(px *g, const struct ir_attr_SLICE *a, int i, ir_dim extent,
                          const char *idx)
{
    const char *s = along(g, a->start.at[i], a->step.at[i], idx);
    int64_t start;

    if (dim_const(&g->file->m->dims, a->start.at[i], &start) &&
        dim_lo(&g->file->m->dims, a->extent.at[i]) >= 0)
        return s;
    ir_dim last = dim_sub(&g->file->m->dims, extent, (ir_dim){1});
    return px_printf(g, "max(min(%s, %s), 0)", s, px_dim(g, last).at);
}

/* y[i] = x[start + step * i] */
static px_expr at_slice(px *g, ir_ref r, const char *const *idx)
{
    const struct ir_attr_SLICE *a = &px_node(g, r)->attr->SLICE;
    const char *in[IR_MAX_RANK];

    for (int i = 0; i < a->start.n; i++)
        in[i] = sliced(g, a, i, px_type(g, px_arg(g, r, 0))->dim[i], idx[i]);
    return px_at(g, px_arg(g, r, 0), in);
}

/* Index k of a gather, kept inside of its axis as the IR keeps it. */
static const char *inside(px *g, ir_ref r, int k, const char *const *idx)
{
    const struct ir_attr_GATHER *a = &px_node(g, r)->attr->GATHER;
    ir_ref x = px_arg(g, r, 1 + (uint32_t)k);
    dim_table *d = &g->file->m->dims;
    ir_dim last = dim_sub(d, px_type(g, px_arg(g, r, 0))->dim[a->axes.at[k]], (ir_dim){1});
    const char *at = px_at(g, x, idx).at;

    if (px_type(g, x)->dtype != DT_I64)
        at = px_printf(g, "int(%s)%s", at, "");
    return px_printf(g, "min(max(%s, 0), %s)", at, px_dim(g, last).at);
}

/* Axes that an operand indexes, and those that are passed on. */
static px_expr at_gather(px *g, ir_ref r, const char *const *idx)
{
    const struct ir_attr_GATHER *a = &px_node(g, r)->attr->GATHER;
    int rank = px_type(g, px_arg(g, r, 0))->rank;
    int many = a->axes.n ? px_type(g, px_arg(g, r, 1))->rank : 0;
    const char *in[IR_MAX_RANK];

    for (int i = 0; i < rank; i++) {
        int k = ir_find_axis(a->axes, i);
        in[i] = k >= 0 ? inside(g, r, k, idx) : idx[many++];
    }
    return px_at(g, px_arg(g, r, 0), in);
}

/* ---- reductions ----------------------------------------------------------------------- */

/* Elements that are computed with: those of this dtype as real, int or bool. */
static px_expr computed(px *g, px_expr x, ir_dtype dt)
{
    if (x.number || dt == DT_F32 || dt == DT_I64 || dt == DT_BOOL)
        return x;
    return (px_expr){px_printf(g, "%s(%s)", dt_is_float(dt) ? "real" : "int", x.at), PX_CALL,
                     false};
}

/* And back. */
static px_expr stored(px *g, px_expr x, ir_dtype dt)
{
    if (dt == DT_F32 || dt == DT_I64 || dt == DT_BOOL)
        return x;
    return (px_expr){px_printf(g, "%s(%s)", px_elem(dt), x.at), PX_CALL, false};
}

/* `word`[indices first to end - 1] x */
static px_expr reduced(px *g, const char *word, uint32_t first, uint32_t end, px_expr x)
{
    const char *s = px_printf(g, "%s[%s", word, "");

    for (uint32_t i = first; i < end; i++)
        s = arena_printf(&g->file->mem, "%s%s%s", s, i > first ? ", " : "",
                         px_index_text(g, g->index.at[i].name));
    return (px_expr){px_printf(g, "%s] %s", s, px_wrap(g, x, PX_TERM)), PX_SUM, false};
}

static const char *const reductions[] = {
    [RED_SUM] = "sum", [RED_PROD] = "prod", [RED_MIN] = "min", [RED_MAX] = "max",
    [RED_AND] = "all", [RED_OR] = "any", [RED_SET] = NULL};

/* sum[k in 3] x[i, k]: an index for each reduced axis. */
static px_expr at_reduce(px *g, ir_ref r, const char *const *idx)
{
    const struct ir_attr_REDUCE *a = &px_node(g, r)->attr->REDUCE;
    const ir_type *x = px_type(g, px_arg(g, r, 0));
    uint32_t first = g->index.len;
    const char *in[IR_MAX_RANK];

    for (int i = 0, k = 0; i < x->rank; i++)
        in[i] = ir_has_axis(a->axes, i) ? px_new_index(g, x->dim[i]) : idx[k++];
    uint32_t end = g->index.len;
    px_expr e = computed(g, px_at(g, px_arg(g, r, 0), in), x->dtype);
    if (x->dtype == DT_BOOL && px_type(g, r)->dtype != DT_BOOL)
        e = (px_expr){px_printf(g, "int(%s)%s", e.at, ""), PX_CALL, false};
    if (!a->axes.n)
        return stored(g, e, px_type(g, r)->dtype);
    return stored(g, reduced(g, reductions[a->op], first, end, e), px_type(g, r)->dtype);
}

/* The language's argmax takes the first of equals: for the last one the axis is run
 * backward. */
static px_expr at_argreduce(px *g, ir_ref r, const char *const *idx)
{
    const struct ir_attr_ARGREDUCE *a = &px_node(g, r)->attr->ARGREDUCE;
    const ir_type *x = px_type(g, px_arg(g, r, 0));
    dim_table *d = &g->file->m->dims;
    ir_dim last = dim_sub(d, x->dim[a->axis], (ir_dim){1});
    uint32_t first = g->index.len;
    const char *in[IR_MAX_RANK], *k = px_new_index(g, x->dim[a->axis]);

    for (int i = 0, j = 0; i < x->rank; i++)
        in[i] = i == a->axis ? k : idx[j++];
    if (a->last)
        in[a->axis] = along(g, last, dim_int(d, -1), k);
    px_expr e = computed(g, px_at(g, px_arg(g, r, 0), in), x->dtype);
    e = reduced(g, a->op == RED_MIN ? "argmin" : "argmax", first, first + 1, e);
    if (a->last)
        e.at = px_printf(g, "%s - (%s)", px_wrap(g, px_dim(g, last), PX_SUM), e.at);
    return e;
}

/* The sum of products; without summed axes the product. */
static px_expr at_dot(px *g, ir_ref r, const char *const *idx)
{
    const struct ir_attr_DOT *a = &px_node(g, r)->attr->DOT;
    const ir_type *x = px_type(g, px_arg(g, r, 0)), *w = px_type(g, px_arg(g, r, 1));
    const ir_axes xf = ir_free_axes(x->rank, a->batch_a, a->sum_a);
    const ir_axes wf = ir_free_axes(w->rank, a->batch_b, a->sum_b);
    const char *in[IR_MAX_RANK], *of[IR_MAX_RANK];
    uint32_t first = g->index.len;
    int at = 0;

    for (int i = 0; i < a->batch_a.n; i++)
        in[a->batch_a.at[i]] = of[a->batch_b.at[i]] = idx[at++];
    for (int i = 0; i < xf.n; i++)
        in[xf.at[i]] = idx[at++];
    for (int i = 0; i < wf.n; i++)
        of[wf.at[i]] = idx[at++];
    for (int i = 0; i < a->sum_a.n; i++)
        in[a->sum_a.at[i]] = of[a->sum_b.at[i]] = px_new_index(g, x->dim[a->sum_a.at[i]]);
    uint32_t end = g->index.len;
    px_expr p = computed(g, px_at(g, px_arg(g, r, 0), in), x->dtype);
    px_expr q = computed(g, px_at(g, px_arg(g, r, 1), of), w->dtype);
    px_expr e = {px_printf(g, "%s * %s", px_wrap(g, p, PX_TERM), px_wrap(g, q, PX_UNARY)), PX_TERM,
                 false};
    if (a->sum_a.n)
        e = reduced(g, "sum", first, end, e);
    return stored(g, e, px_type(g, r)->dtype);
}

/* ---- elements ------------------------------------------------------------------------- */

/* name[i, j], with a note for each index whether the axis says its extent. */
static px_expr at_name(px *g, const char *name, const ir_type *t, const char *const *idx)
{
    const char *s = name;

    for (int i = 0; i < t->rank; i++) {
        px_index *x = find_index(g, idx[i]);
        if (x)
            *(dim_same(x->extent, t->dim[i]) ? &x->alone : &x->given) = true;
        s = arena_printf(&g->file->mem, "%s%s%s", s, i ? ", " : "[", idx[i]);
    }
    return (px_expr){t->rank ? px_printf(g, "%s%s", s, "]") : name, PX_CALL, false};
}

/* By the op; what is no movement is a function of the operands' elements. */
static px_expr at_op(px *g, ir_ref r, const char *const *idx)
{
    const ir_node *n = px_node(g, r);
    px_expr x[3];

    switch (n->op) {
    case OP_IOTA: return position(g, idx[n->attr->IOTA.axis]);
    case OP_DIMVAL: return px_dim(g, n->attr->DIMVAL.dim);
    case OP_RESHAPE: return at_reshape(g, r, idx);
    case OP_TRANSPOSE: return at_transpose(g, r, idx);
    case OP_BROADCAST: return at_broadcast(g, r, idx);
    case OP_SLICE: return at_slice(g, r, idx);
    case OP_GATHER: return at_gather(g, r, idx);
    case OP_REDUCE: return at_reduce(g, r, idx);
    case OP_ARGREDUCE: return at_argreduce(g, r, idx);
    case OP_DOT: return at_dot(g, r, idx);
    default: break;
    }
    for (uint32_t i = 0; i < n->narg && i < COUNT(x); i++)
        x[i] = px_at(g, px_arg(g, r, i), idx);
    return px_scalar(g, r, x);
}

static px_expr applied(px *g, const px_said *s, px_expr x)
{
    return (px_expr){px_printf(g, "%s(%s)", s->text, x.at), PX_CALL, false};
}

/* What has a name is indexed, a number stays a number, and everything else is said
 * on the spot. */
px_expr px_at(px *g, ir_ref r, const char *const *idx)
{
    double flt;
    int64_t whole;
    uint32_t c;

    if (g->name[r])
        return at_name(g, g->name[r], px_type(g, r), idx);
    if (px_is_splat(g, r, &flt, &whole))
        return px_number(g, px_type(g, r)->dtype, flt, whole);
    if (px_is_constant(g, r, &c))
        return at_name(g, px_constant(g, c), px_type(g, r), idx);
    if (g->said[r].how == PX_FUNCTION)
        return applied(g, &g->said[r], px_at(g, g->said[r].in, idx));
    return at_op(g, r, idx);
}

/* False: it needs a statement of its own, or a whole array around it. */
bool px_is_element(px *g, ir_ref r)
{
    const ir_node *n = px_node(g, r);

    switch (n->op) {
    case OP_IOTA: case OP_DIMVAL: case OP_TRANSPOSE: case OP_BROADCAST: case OP_SLICE: case OP_DOT:
    case OP_KEEP: case OP_DETACH: case OP_ARGREDUCE:
        return true;
    case OP_GATHER: return !n->attr->GATHER.zero;
    case OP_REDUCE: return reductions[n->attr->REDUCE.op] != NULL;
    case OP_RESHAPE:
        return reshape_indices(g, px_type(g, px_arg(g, r, 0)), px_type(g, r), NULL, NULL);
    default: return ir_op_scalar(n->op);
    }
}

/* ---- whole arrays --------------------------------------------------------------------- */

/* x |> stage: a chain goes on, and what is no chain is one term of it. */
static px_expr staged(px *g, ir_ref r)
{
    const px_said *s = &g->said[r];
    px_expr x = px_whole(g, s->in);
    const char *stage = s->text;

    px_take_weights(g, s);
    x = (px_expr){px_printf(g, "%s |> %s", px_wrap(g, x, PX_PIPE), stage), PX_PIPE, false};
    if (s->reshaped)
        x = (px_expr){px_printf(g, "reshape(%s, %s)", x.at, px_shape(g, px_type(g, r))), PX_CALL,
                      false};
    return x;
}

/* A function behind a chain is a stage of it. */
static px_expr of_function(px *g, ir_ref r)
{
    px_expr x = px_whole(g, g->said[r].in);

    if (x.level != PX_PIPE)
        return applied(g, &g->said[r], x);
    return (px_expr){px_printf(g, "%s |> %s", x.at, g->said[r].text), PX_PIPE, false};
}

/* A reshape of a reshape is one. */
static px_expr whole_reshape(px *g, ir_ref r)
{
    ir_ref x = px_arg(g, r, 0);

    while (!g->name[x] && px_node(g, x)->op == OP_RESHAPE && g->said[x].how == PX_OP)
        x = px_arg(g, x, 0);
    if (px_type(g, x) == px_type(g, r))
        return px_whole(g, x);
    return (px_expr){px_printf(g, "reshape(%s, %s)", px_whole(g, x).at,
                               px_shape(g, px_type(g, r))), PX_CALL, false};
}

/* Names, numbers, functions and layers of the library, then the op itself. */
px_expr px_whole(px *g, ir_ref r)
{
    const ir_node *n = px_node(g, r);
    double flt;
    int64_t whole;
    uint32_t c;
    px_expr x[3];

    if (g->name[r])
        return (px_expr){g->name[r], PX_CALL, false};
    if (px_is_splat(g, r, &flt, &whole))
        return px_number(g, px_type(g, r)->dtype, flt, whole);
    if (px_is_constant(g, r, &c))
        return (px_expr){px_constant(g, c), PX_CALL, false};
    if (g->said[r].how == PX_FUNCTION)
        return of_function(g, r);
    if (g->said[r].how == PX_LAYER)
        return staged(g, r);
    if (n->op == OP_DIMVAL)
        return px_dim(g, n->attr->DIMVAL.dim);
    if (n->op == OP_RESHAPE)
        return whole_reshape(g, r);
    for (uint32_t i = 0; i < n->narg && i < COUNT(x); i++)
        x[i] = px_whole(g, px_arg(g, r, i));
    return px_scalar(g, r, x);
}
