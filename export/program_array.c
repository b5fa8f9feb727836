/* export/program_array.c - statements for what is no function of elements: concatenations,
 * borders, windows, running sums, orders. */
#include <math.h>

#include "axes.h"
#include "program_writer.h"

/* `name[i, :, j]`: an index for each axis, but `:` for the given one; [from, rank) are left
 * away if `from` is that axis' end. */
static const char *rows_of(px *g, const char *name, int rank, int axis, const char *const *idx,
                           bool all)
{
    int n = all || axis < rank - 1 ? rank : axis;
    const char *s = name;

    for (int i = 0; i < n; i++)
        s = arena_printf(&g->file->mem, "%s%s%s", s, i ? ", " : "[", i == axis ? ":" : idx[i]);
    return n ? px_printf(g, "%s%s", s, "]") : name;
}

/* Index names for the axes of t; their extents are those of an operand's axes. */
static void axis_names(px *g, const ir_type *t, const char **idx)
{
    g->index.len = 0;
    for (int i = 0; i < t->rank; i++)
        idx[i] = px_new_index(g, t->dim[i]);
}

/* name[i, :] = f(x[i, :]): f of each row along the axis. */
static void along_axis(px *g, const char *name, const char *of, const ir_type *t, int axis,
                       const char *f, const char *shape)
{
    const char *idx[IR_MAX_RANK];

    axis_names(g, t, idx);
    const char *left = t->rank == 1 ? name : rows_of(g, name, t->rank, axis, idx, true);
    const char *x = t->rank == 1 ? of : rows_of(g, of, t->rank, axis, idx, false);
    px_line(g, arena_printf(&g->file->mem, "%s = %s(%s)", left, f, x), shape);
}

static const char *comment(px *g, ir_ref r)
{
    return px_shape_brief(g, px_type(g, r));
}

/* ---- borders -------------------------------------------------------------------------- */

/* Statements that put `value` around `name` of shape t; negative borders cut.  Returns the
 * name of what comes out, and its shape in `shape`. */
static const char *bordered(px *g, const char *name, const ir_type *t, ir_dims low, ir_dims high,
                            const char *value, ir_dim *shape)
{
    dim_table *d = &g->file->m->dims;

    memcpy(shape, t->dim, (size_t)t->rank * sizeof *shape);
    for (int i = 0; i < t->rank; i++) {
        if (dim_is(d, low.at[i], 0) && dim_is(d, high.at[i], 0))
            continue;
        const ir_type *now = type_tensor(&g->file->m->types, t->dtype, t->rank, shape);
        const char *to = px_name_new(g->file, "h");
        const char *f = arena_printf(&g->file->mem, "pad(%s, %s%s%s)", px_dim(g, low.at[i]).at,
                                     px_dim(g, high.at[i]).at, value ? ", " : "",
                                     value ? value : "");
        along_axis(g, to, name, now, i, f, NULL);
        shape[i] = dim_add(d, shape[i], dim_add(d, low.at[i], high.at[i]));
        name = to;
    }
    return name;
}

/* A number everywhere, as an array. */
static const char *filled(px *g, ir_ref r)
{
    const ir_type *t = px_type(g, r);
    const char *name = px_name_new(g->file, "h"), *left = "", *idx[IR_MAX_RANK];

    axis_names(g, t, idx);
    for (int i = 0; i < t->rank; i++)
        left = arena_printf(&g->file->mem, "%s%s%s", left, i ? ", " : "", px_index_text(g, idx[i]));
    px_line(g, arena_printf(&g->file->mem, "%s[%s] = %s(%s)", name, left, px_elem(t->dtype),
                            px_at(g, r, idx).at), NULL);
    return name;
}

/* What a statement defines has a name already; a number is made an array, a
 * constant a parameter, and anything else is said whole. */
const char *px_name_of(px *g, ir_ref r)
{
    double flt;
    int64_t whole;
    uint32_t c;

    if (g->name[r])
        return g->name[r];
    if (px_type(g, r)->rank && px_is_splat(g, r, &flt, &whole))
        return g->name[r] = filled(g, r);
    if (px_is_constant(g, r, &c))
        return px_constant(g, c);
    return px_whole(g, r).at;
}

static bool is_positive(const px *g, ir_dims d)
{
    for (int i = 0; i < d.n; i++)
        if (dim_lo(&g->file->m->dims, d.at[i]) < 0)
            return false;
    return true;
}

static bool is_zero(const px *g, ir_dims d)
{
    for (int i = 0; i < d.n; i++)
        if (!dim_is(&g->file->m->dims, d.at[i], 0))
            return false;
    return true;
}

/* pad(low, high) of the language works on the last axis: a statement an axis. */
static px_expr write_pad(px *g, ir_ref r)
{
    const struct ir_attr_PAD *a = &px_node(g, r)->attr->PAD;
    ir_dim shape[IR_MAX_RANK];
    double flt;
    int64_t whole;
    ir_dtype dt = px_type(g, r)->dtype;

    const char *value = px_is_splat(g, px_arg(g, r, 1), &flt, &whole)
                            ? px_number(g, dt, flt, whole).at : NULL;
    if (!value || !is_positive(g, a->low) || !is_positive(g, a->high) || !is_zero(g, a->inner))
        return px_onnx(g, r);
    if (!flt && dt == DT_F32 && !signbit(flt))
        value = NULL;
    const char *name = bordered(g, px_name_of(g, px_arg(g, r, 0)), px_type(g, px_arg(g, r, 0)),
                                a->low, a->high, value, shape);
    return (px_expr){name, PX_CALL, false};
}

/* ---- windows -------------------------------------------------------------------------- */

/* What a border of a window holds: nothing that its reduction would see. */
static const char *neutral(px *g, ir_redop op, ir_dtype dt)
{
    if (op == RED_SUM)
        return NULL;
    double value = op == RED_MAX ? -INFINITY : op == RED_MIN ? INFINITY : op == RED_PROD;
    return px_number(g, dt, value, 0).at;
}

/* Where index `p` of the result and a new one of the window stand in axis i: `p * 2 + k`. */
static const char *window_position(px *g, const struct ir_attr_WINDOW *a, int i, const char *p)
{
    const dim_table *d = &g->file->m->dims;
    const char *k;

    if (!dim_is(d, a->stride.at[i], 1))
        p = px_printf(g, "%s * %s", p, px_wrap(g, px_dim(g, a->stride.at[i]), PX_UNARY));
    if (dim_is(d, a->size.at[i], 1))
        return p;
    k = px_new_index(g, a->size.at[i]);
    if (!dim_is(d, a->dil.at[i], 1))
        k = px_printf(g, "%s * %s", k, px_wrap(g, px_dim(g, a->dil.at[i]), PX_UNARY));
    return px_printf(g, "%s + %s", p, k);
}

/* Indices [from, to) of the statement with their extents: `i in 3, j in 3`. */
static const char *introduced(px *g, uint32_t from, uint32_t to)
{
    const char *s = "";

    for (uint32_t i = from; i < to; i++)
        s = arena_printf(&g->file->mem, "%s%s%s", s, i > from ? ", " : "",
                         px_index_text(g, g->index.at[i].name));
    return s;
}

/* y[i, j] = max[a in 2, b in 2] x[i * 2 + a, j * 2 + b], over what was bordered
 * before. */
static px_expr write_window(px *g, ir_ref r)
{
    static const char *const word[] = {[RED_SUM] = "sum", [RED_PROD] = "prod", [RED_MIN] = "min",
                                       [RED_MAX] = "max"};
    const struct ir_attr_WINDOW *a = &px_node(g, r)->attr->WINDOW;
    const ir_type *t = px_type(g, px_arg(g, r, 0));
    const char *idx[IR_MAX_RANK], *name = px_name_new(g->file, "h"), *at = "";
    ir_dim shape[IR_MAX_RANK];

    if (a->op > RED_MAX || t->dtype != DT_F32)
        return px_onnx(g, r);
    const char *x = bordered(g, px_name_of(g, px_arg(g, r, 0)), t, a->low, a->high,
                             neutral(g, a->op, t->dtype), shape);
    axis_names(g, px_type(g, r), idx);
    for (int i = 0; i < t->rank; i++)
        at = arena_printf(&g->file->mem, "%s%s%s", at, i ? ", " : "",
                          window_position(g, a, i, idx[i]));
    uint32_t rank = (uint32_t)t->rank;
    const char *over = "";
    if (g->index.len > rank)                    /* else the window's one element is the value */
        over = px_printf(g, "%s[%s] ", word[a->op], introduced(g, rank, g->index.len));
    px_line(g, arena_printf(&g->file->mem, "%s[%s] = %s%s[%s]", name, introduced(g, 0, rank), over,
                            x, at), comment(g, r));
    return (px_expr){name, PX_CALL, false};
}

/* ---- rows ----------------------------------------------------------------------------- */

/* `name[i, :, :]`, or `name[i]`: an index for each axis in front of the given one. */
static const char *parts_of(px *g, const char *name, int rank, int axis, const char *const *idx,
                            bool all)
{
    const char *s = name;

    for (int i = 0; i < (all ? rank : axis); i++)
        s = arena_printf(&g->file->mem, "%s%s%s", s, i ? ", " : "[", i < axis ? idx[i] : ":");
    return axis ? px_printf(g, "%s%s", s, "]") : name;
}

/* The language joins first axes: another is the first of parts, y[i, :, :] = concat(a[i], b[i]),
 * which moves nothing. */
static px_expr write_concat(px *g, ir_ref r)
{
    const ir_node *n = px_node(g, r);
    const ir_type *t = px_type(g, r);
    int axis = (int)n->attr->CONCAT.axis;
    const char *idx[IR_MAX_RANK], *list = "", *name = px_name_new(g->file, "h");

    g->index.len = 0;
    for (int i = 0; i < axis; i++)
        idx[i] = px_new_index(g, t->dim[i]);
    for (uint32_t i = 0; i < n->narg; i++) {
        const char *x = px_name_of(g, ir_arg(g->fn, n, i));
        list = arena_printf(&g->file->mem, "%s%s%s", list, i ? ", " : "",
                            parts_of(g, x, t->rank, axis, idx, false));
    }
    px_line(g, arena_printf(&g->file->mem, "%s = concat(%s)",
                            axis ? parts_of(g, name, t->rank, axis, idx, true) : name, list),
            comment(g, r));
    return (px_expr){name, PX_CALL, false};
}

/* A running sum or product: exclusive ones are shifted, reverse ones turned. */
static px_expr write_cumul(px *g, ir_ref r)
{
    const struct ir_attr_CUMUL *a = &px_node(g, r)->attr->CUMUL;
    const char *name = px_name_new(g->file, "h");

    if (a->exclusive || a->reverse || (a->op != RED_SUM && a->op != RED_PROD))
        return px_onnx(g, r);
    along_axis(g, name, px_name_of(g, px_arg(g, r, 0)), px_type(g, r), (int)a->axis,
               a->op == RED_SUM ? "cumsum" : "cumprod", comment(g, r));
    return (px_expr){name, PX_CALL, false};
}

/* ---- the table ------------------------------------------------------------------------ */

static px_expr (*const writers[OP_COUNT])(px *, ir_ref) = {
    [OP_PAD] = write_pad, [OP_WINDOW] = write_window, [OP_CONCAT] = write_concat,
    [OP_CUMUL] = write_cumul, [OP_BIND] = px_write_bind, [OP_IF] = px_write_if,
    [OP_LOOP] = px_write_loop};

/* False where an op has no form as a whole array; it may still have one by
 * elements. */
bool px_array(px *g, ir_ref r)
{
    unsigned op = px_node(g, r)->op;

    if (!writers[op])
        return false;
    g->name[r] = writers[op](g, r).at;
    g->last = op == OP_IF || op == OP_LOOP ? NULL : g->name[r];
    return true;
}
