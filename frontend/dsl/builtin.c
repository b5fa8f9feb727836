/* frontend/dsl/builtin.c - what the language itself brings: functions that are an
 * op of the IR, or that take arrays of any rank.  A function is a row of
 * builtin.def - name, configuration, arguments, what runs it - and a builtin_<x>
 * here; what can be written in the language is in its prelude instead. */
#include <math.h>

#include "builtin.h"

#define BUILTIN(name, configs, least, most, run, op, fixed, signature, meaning)                    \
    {#name, configs, least, most, builtin_##run, op, fixed, signature, meaning},
static const dsl_builtin table[] = {
#include "builtin.def"
};

/* ---- helpers ---------------------------------------------------------------- */

static const dsl_value *array_arg(const dsl_builtin_call *c, uint32_t i)
{
    return dsl_as_array(c->cx, c->arg[i], c->at);
}

/* Where the last visible axis lies in memory; -1, with a message, if there is none. */
static int last_axis(const dsl_builtin_call *c, const dsl_value *v)
{
    int visible[IR_MAX_RANK], n = dsl_visible(v, visible);

    if (n)
        return visible[n - 1];
    dsl_wrong(c->cx, c->at, "%s needs an axis, this is %s", c->f->name, dsl_describe(c->cx, v));
    return -1;
}

static const dsl_value *same_axes(const dsl_builtin_call *c, const dsl_value *v, ir_ref x)
{
    return dsl_array_like(c->cx, v, x, v->tensor.rank, v->tensor.axis);
}

/* v without the axis at this place in memory. */
static const dsl_value *without_axis(const dsl_builtin_call *c, const dsl_value *v, int at,
                                     ir_ref x, dsl_elem elem)
{
    dsl_axis *left[IR_MAX_RANK];
    int rank = 0;

    for (int i = 0; i < v->tensor.rank; i++)
        if (i != at)
            left[rank++] = v->tensor.axis[i];
    return dsl_array(c->cx, x, elem, rank, left);
}

/* ---- scalar functions ------------------------------------------------------- */

const dsl_value *builtin_scalar(const dsl_builtin_call *c)
{
    if (dsl_is_params(c->arg[0]))
        return dsl_params_unary(c->cx, c->f->op, c->arg[0], c->at);
    return dsl_unary(c->cx, c->f->op, c->arg[0], c->at);
}

/* Whole numbers stay dims, so min(N, 4) is an extent.  Null: only the run knows. */
static const dsl_value *extreme_of_numbers(const dsl_builtin_call *c)
{
    const dsl_value *a = c->arg[0], *b = c->arg[1];
    bool least = c->f->op == OP_MIN;
    double x, y;

    if (a->number.whole && b->number.whole)
        return dsl_whole(c->cx, least ? dim_min(c->cx->dims, a->number.dim, b->number.dim)
                                      : dim_max(c->cx->dims, a->number.dim, b->number.dim));
    if (!dsl_number(c->cx, a, &x) || !dsl_number(c->cx, b, &y))
        return NULL;
    return (x < y) == least ? a : b;
}

/* min and max: of two, or of all elements. */
const dsl_value *builtin_extreme(const dsl_builtin_call *c)
{
    const dsl_value *v;

    if (c->n == 1) {
        ir_redop op = c->f->op == OP_MIN ? RED_MIN : RED_MAX;
        v = array_arg(c, 0);
        return dsl_bad(v) ? v : dsl_reduce_visible(c->cx, v, op);
    }
    if (c->arg[0]->kind == DSL_NUMBER && c->arg[1]->kind == DSL_NUMBER &&
        (v = extreme_of_numbers(c)))
        return v;
    if (dsl_is_params(c->arg[0]) || dsl_is_params(c->arg[1]))
        return dsl_params_scalar2(c->cx, c->f->op, c->f->name, c->arg[0], c->arg[1], c->at);
    return dsl_scalar2(c->cx, c->f->op, c->arg[0], c->arg[1], c->at, c->f->name);
}

/* ---- reductions ------------------------------------------------------------- */

/* bool counts in sums. */
static const dsl_value *countable(const dsl_builtin_call *c)
{
    const dsl_value *v = array_arg(c, 0);

    return !dsl_bad(v) && v->tensor.elem == DSL_BOOL ? dsl_cast(c->cx, v, DSL_INT) : v;
}

const dsl_value *builtin_sum(const dsl_builtin_call *c)
{
    if (dsl_is_params(c->arg[0]))
        return dsl_params_sum(c->cx, c->arg[0], c->at);
    const dsl_value *v = countable(c);
    return dsl_bad(v) ? v : dsl_reduce_visible(c->cx, v, RED_SUM);
}

/* Elements as the program sees them: carried axes count nothing. */
static ir_dim visible_count(dsl *cx, const dsl_value *v)
{
    int visible[IR_MAX_RANK], n = dsl_visible(v, visible);
    ir_dim d = dim_int(cx->dims, 1);

    for (int i = 0; i < n; i++)
        d = dim_mul(cx->dims, d, dsl_extent(v, visible[i]));
    return d;
}

/* Over all visible axes: mean(x) of x[b, i] with b carried is one number for each
 * b. */
const dsl_value *builtin_mean(const dsl_builtin_call *c)
{
    const dsl_value *v = countable(c);

    if (dsl_bad(v))
        return v;
    return dsl_binary(c->cx, AST_DIV, dsl_reduce_visible(c->cx, v, RED_SUM),
                      dsl_whole(c->cx, visible_count(c->cx, v)), c->at);
}

const dsl_value *builtin_prod(const dsl_builtin_call *c)
{
    const dsl_value *v = array_arg(c, 0);

    return dsl_bad(v) ? v : dsl_reduce_visible(c->cx, v, RED_PROD);
}

static const dsl_value *truths(const dsl_builtin_call *c, ir_redop op)
{
    const dsl_value *v = dsl_as(c->cx, c->arg[0], DSL_BOOL, c->at, c->f->name);

    return dsl_bad(v) ? v : dsl_reduce_visible(c->cx, v, op);
}

const dsl_value *builtin_any(const dsl_builtin_call *c) { return truths(c, RED_OR); }
const dsl_value *builtin_all(const dsl_builtin_call *c) { return truths(c, RED_AND); }

/* argmax, argmin: along the last axis. */
const dsl_value *builtin_position(const dsl_builtin_call *c)
{
    dsl *cx = c->cx;
    const dsl_value *v = array_arg(c, 0);
    int at = dsl_bad(v) ? -1 : last_axis(c, v);

    if (at < 0)
        return &dsl_poison;
    ir_attr a = {.ARGREDUCE = {.axis = at, .op = c->f->op == OP_MIN ? RED_MIN : RED_MAX}};
    ir_ref x = dsl_ref(cx, v);
    const dsl_value *y =
        without_axis(c, v, at, ir_make(dsl_b(cx), OP_ARGREDUCE, &x, 1, &a), DSL_INT);
    return dsl_bounded(cx, y, dim_int(cx->dims, 0),
                       dim_sub(cx->dims, dsl_extent(v, at), dim_int(cx->dims, 1)));
}

/* Bounds of an index do not hold for sums of it. */
static const dsl_value *running(const dsl_builtin_call *c, ir_redop op)
{
    const dsl_value *v = countable(c);
    int at = dsl_bad(v) ? -1 : last_axis(c, v);

    if (at < 0)
        return &dsl_poison;
    ir_attr a = {.CUMUL = {.axis = at, .op = op}};
    ir_ref x = dsl_ref(c->cx, v);
    dsl_value *w = arena_copy(c->cx->mem, v, sizeof *v);
    w->tensor.bounded = false;
    return same_axes(c, w, ir_make(dsl_b(c->cx), OP_CUMUL, &x, 1, &a));
}

const dsl_value *builtin_cumsum(const dsl_builtin_call *c) { return running(c, RED_SUM); }
const dsl_value *builtin_cumprod(const dsl_builtin_call *c) { return running(c, RED_PROD); }

/* ---- order ------------------------------------------------------------------ */

/* The positions along an axis, in v's shape. */
static ir_ref positions(dsl *cx, const dsl_value *v, int at)
{
    const ir_type *t = dsl_type(v);

    return ir_iota(dsl_b(cx), DT_I64, t->dim, t->rank, at);
}

/* Along the last visible axis, ascending. */
const dsl_value *builtin_sort(const dsl_builtin_call *c)
{
    const dsl_value *v = array_arg(c, 0);
    int at = dsl_bad(v) ? -1 : last_axis(c, v);

    if (at < 0)
        return &dsl_poison;
    ir_attr a = {.SORT = {.axis = at}};
    ir_ref x = dsl_ref(c->cx, v);
    return same_axes(c, v, ir_make(dsl_b(c->cx), OP_SORT, &x, 1, &a));
}

static const dsl_value *as_positions(const dsl_builtin_call *c, const dsl_value *v, int at,
                                     ir_ref x)
{
    const dsl_value *y = dsl_array(c->cx, x, DSL_INT, v->tensor.rank, v->tensor.axis);

    return dsl_bounded(c->cx, y, dim_int(c->cx->dims, 0),
                       dim_sub(c->cx->dims, dsl_extent(v, at), dim_int(c->cx->dims, 1)));
}

/* The positions that would sort x: SORT takes positions along as a second operand. */
const dsl_value *builtin_order(const dsl_builtin_call *c)
{
    const dsl_value *v = array_arg(c, 0);
    int at = dsl_bad(v) ? -1 : last_axis(c, v);

    if (at < 0)
        return &dsl_poison;
    ir_attr a = {.SORT = {.axis = at}};
    ir_ref x[2] = {dsl_ref(c->cx, v), positions(c->cx, v, at)};
    ir_ref y = ir_make(dsl_b(c->cx), OP_SORT, x, 2, &a);
    return y == IR_NONE ? &dsl_poison : as_positions(c, v, at, y + 1);
}

/* Two results: values and positions. */
const dsl_value *builtin_topk(const dsl_builtin_call *c)
{
    dsl *cx = c->cx;
    const dsl_value *v = array_arg(c, 0), **out = arena_array(cx->mem, const dsl_value *, 2);
    const char **name = arena_array(cx->mem, const char *, 2);
    int at = dsl_bad(v) ? -1 : last_axis(c, v);
    ir_dim k;

    if (at < 0)
        return &dsl_poison;
    if (!dsl_dim(cx, c->config[0], &k))
        return dsl_wrong(cx, c->at, "topk takes a whole number");
    ir_attr a = {.TOPK = {.axis = at, .k = k, .largest = true}};
    ir_ref x = dsl_ref(cx, v), y = ir_make(dsl_b(cx), OP_TOPK, &x, 1, &a);
    if (y == IR_NONE)
        return &dsl_poison;
    out[0] = same_axes(c, v, y);
    out[1] = as_positions(c, v, at, y + 1);
    name[0] = ast_name(&cx->pool, "values", 6), name[1] = ast_name(&cx->pool, "positions", 9);
    return dsl_list(cx, DSL_RESULTS, 2, out, name);
}

/* ---- shapes ----------------------------------------------------------------- */

/* Along the last axis; nothing to add is no node. */
const dsl_value *builtin_pad(const dsl_builtin_call *c)
{
    dsl *cx = c->cx;
    const dsl_value *v = array_arg(c, 0);
    const dsl_value *value = c->config[2] ? c->config[2] : dsl_int(cx, 0);
    int at = dsl_bad(v) ? -1 : last_axis(c, v);
    ir_dim low[IR_MAX_RANK], high[IR_MAX_RANK], zero = dim_int(cx->dims, 0);

    if (at < 0)
        return &dsl_poison;
    for (int i = 0; i < v->tensor.rank; i++)
        low[i] = high[i] = zero;
    if (!c->config[0] || !c->config[1] || !dsl_dim(cx, c->config[0], &low[at]) ||
        !dsl_dim(cx, c->config[1], &high[at]))
        return dsl_wrong(cx, c->at, "pad takes two whole numbers and a value");
    if (dsl_same(low[at], zero) && dsl_same(high[at], zero))
        return v;
    const dsl_value *with[2] = {v, value};
    if (!dsl_agree(cx, with, 2, c->at, "pad"))
        return &dsl_poison;
    ir_ref x = ir_pad(dsl_b(cx), dsl_ref(cx, with[0]), dsl_ref(cx, with[1]), low, high, NULL);
    return same_axes(c, dsl_join_bounds(cx, with[0], with[1]), x);
}

/* Arrays brought to the same axes but for the extent of the first visible one. */
static bool align_parts(dsl *cx, const dsl_value **v, int n, dsl_axes *hidden, ir_loc at)
{
    int visible[IR_MAX_RANK];

    for (int i = 0; i < n; i++) {
        int k = dsl_visible(v[i], visible);
        if (!k || (hidden->n && k - 1 != hidden->n))
            return dsl_wrong(cx, at, "concat: shapes %s and %s differ", dsl_describe(cx, v[0]),
                             dsl_describe(cx, v[i])), false;
        for (int a = 1; a < k; a++) {
            ir_dim d = dsl_extent(v[i], visible[a]);
            if (hidden->n < a)
                dsl_add_axis(hidden, dsl_axis_new(cx, ":", d));
            if (!dsl_same(hidden->at[a - 1]->extent, d))
                return dsl_wrong(cx, at, "concat: shapes %s and %s differ behind the first axis",
                                 dsl_describe(cx, v[0]), dsl_describe(cx, v[i])), false;
        }
    }
    return true;
}

/* The axes of all parts, carried ones first, then the joined one, whose extent is open. */
static bool joined_shape(dsl *cx, const dsl_value *const *v, int n, const dsl_axes *hidden,
                         dsl_shape *s)
{
    bool ok = true;

    for (int i = 0; ok && i < n; i++)
        ok = dsl_add_missing(cx, s, v[i]);
    ok = ok && dsl_add_to_shape(cx, s, NULL, dim_int(cx->dims, 0));
    for (int i = 0; ok && i < hidden->n; i++)
        ok = dsl_add_to_shape(cx, s, NULL, hidden->at[i]->extent);
    return ok;
}

/* One part in that shape, in which the joined axis stands at `at`. */
static ir_ref arranged_part(dsl *cx, const dsl_value *v, dsl_shape s, int at)
{
    int visible[IR_MAX_RANK];

    dsl_visible(v, visible);
    s.extent[at] = dsl_extent(v, visible[0]);
    v = dsl_arrange_as(cx, v, &s);
    return dsl_bad(v) ? IR_NONE : dsl_ref(cx, v);
}

/* Along the first visible axis; other axes are brought into line. */
const dsl_value *builtin_concat(const dsl_builtin_call *c)
{
    dsl *cx = c->cx;
    const dsl_value **v = arena_array(cx->mem, const dsl_value *, c->n);
    ir_ref *x = arena_array(cx->mem, ir_ref, c->n);
    dsl_axes hidden = {0};
    dsl_shape s = {0};
    int n = (int)c->n, at = 0;

    for (int i = 0; i < n; i++)
        v[i] = c->arg[i];
    if (!dsl_agree(cx, v, n, c->at, "concat") || !align_parts(cx, v, n, &hidden, c->at) ||
        !joined_shape(cx, v, n, &hidden, &s))
        return &dsl_poison;
    while (s.axis[at])
        at++;
    for (int i = 0; i < n; i++)
        if ((x[i] = arranged_part(cx, v[i], s, at)) == IR_NONE)
            return &dsl_poison;
    const dsl_value *like = v[0];
    for (int i = 1; i < n; i++)
        like = dsl_join_bounds(cx, like, v[i]);
    return dsl_array_like(cx, like, ir_concat(dsl_b(cx), x, n, at), s.rank, s.axis);
}

/* v with its visible axes behind the carried ones, as these extents. */
static const dsl_value *reshaped(dsl *cx, const dsl_value *v, const ir_dim *extent, int n)
{
    int visible[IR_MAX_RANK], k = dsl_visible(v, visible);
    dsl_shape from = {0}, to = {0};
    bool ok = dsl_add_missing(cx, &from, v) && dsl_add_missing(cx, &to, v);

    for (int i = 0; ok && i < k; i++)
        ok = dsl_add_to_shape(cx, &from, NULL, dsl_extent(v, visible[i]));
    for (int i = 0; ok && i < n; i++)
        ok = dsl_add_to_shape(cx, &to, NULL, extent[i]);
    v = ok ? dsl_arrange_as(cx, v, &from) : &dsl_poison;
    if (dsl_bad(v))
        return v;
    return dsl_array_like(cx, v, ir_reshape(dsl_b(cx), dsl_ref(cx, v), to.extent, to.rank), to.rank,
                          to.axis);
}

/* One visible axis for all; what is carried stays. */
const dsl_value *builtin_flatten(const dsl_builtin_call *c)
{
    const dsl_value *v = array_arg(c, 0);

    if (dsl_bad(v))
        return v;
    ir_dim n = visible_count(c->cx, v);
    return reshaped(c->cx, v, &n, 1);
}

/* Can so many visible elements have these extents?  Rows stay rows, and do not count. */
static bool fits(const dsl_builtin_call *c, ir_dim from, const ir_dim *extent, int n)
{
    dim_table *t = c->cx->dims;
    bool before = t->overflow;
    ir_dim to = dim_product(t, extent, n);
    bool differ = dim_differ(t, from, to) && !t->overflow;

    t->overflow = before;
    if (differ)
        dsl_wrong(c->cx, c->at, "reshape: %s elements cannot become %s",
                  dsl_dim_text(c->cx, from), dsl_dim_text(c->cx, to));
    return !differ;
}

/* reshape([A, B]): the function that waits for its data. */
static const dsl_value *reshape_to(const dsl_builtin_call *c)
{
    dsl_value *v = arena_new(c->cx->mem, dsl_value);

    v->kind = DSL_FUNCTION;
    v->function = *c->function;
    v->function.config = arena_copy(c->cx->mem, c->arg, sizeof *c->arg);
    return v;
}

/* reshape(x, [A, B]), or reshape([A, B]) as a stage that waits for its data. */
const dsl_value *builtin_reshape(const dsl_builtin_call *c)
{
    bool waits = c->n == 1 && !c->function->config && c->arg[0]->kind == DSL_LIST;
    const dsl_value *v = waits ? NULL : array_arg(c, 0);
    const dsl_value *shape = c->n > 1 ? c->arg[1] : c->function->config ? c->config[0] : NULL;
    ir_dim extent[IR_MAX_RANK];

    if (waits)
        return reshape_to(c);
    if (dsl_bad(v))
        return v;
    if (!shape || shape->kind != DSL_LIST || shape->list.n > IR_MAX_RANK)
        return dsl_wrong(c->cx, c->at, "reshape takes an array and a list of extents: reshape%s",
                         c->f->signature);
    for (uint32_t i = 0; i < shape->list.n; i++)
        if (!dsl_dim(c->cx, shape->list.at[i], &extent[i]))
            return dsl_wrong(c->cx, c->at, "reshape: an extent is %s",
                             dsl_describe(c->cx, shape->list.at[i]));
    if (!fits(c, visible_count(c->cx, v), extent, (int)shape->list.n))
        return &dsl_poison;
    return reshaped(c->cx, v, extent, (int)shape->list.n);
}

/* Of a list its length, of an array its elements: a number known as a formula of
 * dims. */
const dsl_value *builtin_size(const dsl_builtin_call *c)
{
    const dsl_value *v = c->arg[0];

    if (v->kind == DSL_LIST)
        return dsl_int(c->cx, v->list.n);
    v = array_arg(c, 0);
    return dsl_bad(v) ? v : dsl_whole(c->cx, visible_count(c->cx, v));
}

/* One int, whatever the run makes it: extents may mention it. */
const dsl_value *builtin_number(const dsl_builtin_call *c)
{
    if (c->arg[0]->kind == DSL_NUMBER)
        return c->arg[0];
    const dsl_value *v = dsl_as(c->cx, c->arg[0], DSL_INT, c->at, "number");

    if (dsl_bad(v))
        return v;
    if (v->tensor.rank)
        return dsl_wrong(c->cx, c->at, "number takes one int without rows, this is %s",
                         dsl_describe(c->cx, v));
    return dsl_run_number(c->cx, ir_bind(dsl_b(c->cx), dsl_ref(c->cx, v), "v"));
}

/* The positions of true elements. */
const dsl_value *builtin_which(const dsl_builtin_call *c)
{
    dsl *cx = c->cx;
    const dsl_value *v = dsl_as(cx, c->arg[0], DSL_BOOL, c->at, "which");

    if (dsl_bad(v))
        return v;
    if (v->tensor.rank != 1 || v->tensor.axis[0])
        return dsl_wrong(cx, c->at, "which takes bool[T] without rows, this is %s",
                         dsl_describe(cx, v));
    ir_dim n = dim_symbol_new(cx->dims, "which", 0, INT64_MAX);
    ir_attr a = {.NONZERO = {.sym = dim_symbol_id(cx->dims, n)}};
    ir_ref x = dsl_ref(cx, v), y = ir_make(dsl_b(cx), OP_NONZERO, &x, 1, &a);
    const dsl_value *p = dsl_array(cx, ir_reshape(dsl_b(cx), y, &n, 1), DSL_INT, 1, NULL);
    return dsl_bounded(cx, p, dim_int(cx->dims, 0),
                       dim_sub(cx->dims, dsl_extent(v, 0), dim_int(cx->dims, 1)));
}

/* ---- gradients -------------------------------------------------------------- */

const dsl_value *builtin_detach(const dsl_builtin_call *c)
{
    const dsl_value *v = c->arg[0]->kind == DSL_NUMBER ? c->arg[0] : array_arg(c, 0);

    return dsl_is_tensor(v) ? same_axes(c, v, ir_1(dsl_b(c->cx), OP_DETACH, dsl_ref(c->cx, v))) : v;
}

const dsl_value *builtin_eval(const dsl_builtin_call *c)
{
    if (c->arg[0]->kind != DSL_FUNCTION)
        return dsl_wrong(c->cx, c->at, "eval takes a net or layer");
    dsl_value *v = arena_copy(c->cx->mem, c->arg[0], sizeof *v);
    v->function.training_off = true;
    return v;
}

const dsl_value *builtin_grad(const dsl_builtin_call *c)
{
    return dsl_grad(c->cx, c->arg[0], c->arg[1], c->at);
}

/* ---- conversions ------------------------------------------------------------ */

/* int(x), real(x), bool(x), f16(x): bounds are kept from integer to integer. */
static const dsl_value *converted(const dsl_builtin_call *c, ir_dtype to, dsl_elem elem)
{
    dsl *cx = c->cx;
    const dsl_value *v = array_arg(c, 0);

    if (dsl_bad(v))
        return v;
    ir_ref x = ir_cast(dsl_b(cx), dsl_ref(cx, v), to);
    const dsl_value *y = dsl_array(cx, x, elem, v->tensor.rank, v->tensor.axis);
    bool bounded = elem == DSL_INT && v->tensor.bounded;
    return bounded ? dsl_bounded(cx, y, v->tensor.lo, v->tensor.hi) : y;
}

/* real, int, bool: the elements of the language. */
const dsl_value *builtin_convert(const dsl_builtin_call *c)
{
    return converted(c, dsl_elem_dtype(c->cx, (dsl_elem)c->f->op), (dsl_elem)c->f->op);
}

/* Those of files; u8(255.7) is 255. */
const dsl_value *builtin_convert_to(const dsl_builtin_call *c)
{
    return converted(c, (ir_dtype)c->f->op, DSL_OTHER);
}

/* ---- distributions ---------------------------------------------------------- */

/* normal(0, 1) computes nothing yet: `~` draws, in the shape of what it defines. */
const dsl_value *builtin_distribution(const dsl_builtin_call *c)
{
    dsl_value *v = arena_new(c->cx->mem, dsl_value);

    v->kind = DSL_DRAW;
    v->draw.how = (dsl_distribution)c->f->op;
    v->draw.at = c->at;
    v->draw.a = c->arg[0];
    v->draw.b = c->n > 1 ? c->arg[1] : NULL;
    return v;
}

/* ---- the table -------------------------------------------------------------- */

static void add(dsl *cx, const char *name, const dsl_value *v)
{
    dsl_define(cx, &cx->builtins, ast_name(&cx->pool, name, strlen(name)), v, (ir_loc){0});
}

/* Functions are templates without an item: call.c finds the row instead of a body. */
void dsl_add_builtins(dsl *cx)
{
    for (size_t i = 0; i < COUNT(table); i++) {
        dsl_template *t = arena_new(cx->mem, dsl_template);
        dsl_value *v = arena_new(cx->mem, dsl_value);
        t->name = table[i].name;
        t->builtin = &table[i];
        t->value = v;
        v->kind = DSL_FUNCTION;
        v->function.of = t;
        add(cx, t->name, v);
    }
    add(cx, "pi", dsl_fraction(cx, 3.141592653589793));
    add(cx, "inf", dsl_fraction(cx, INFINITY));
}

int dsl_builtin_configs(const dsl_builtin *b) { return b->configs; }
bool dsl_builtin_static(const dsl_builtin *b) { return b->fixed; }

/* Only `pad(1, 1, value = 0)` has a name worth writing. */
int dsl_builtin_position(const dsl_builtin *b, const char *name)
{
    return b->run == builtin_pad && !strcmp(name, "value") ? 2 : -1;
}

/* Numbers of arguments are checked here; what they are is the function's to say. */
const dsl_value *dsl_call_builtin(dsl *cx, const dsl_function *f, const dsl_value **arg,
                                  uint32_t n, ir_loc at)
{
    const dsl_builtin *b = f->of->builtin;
    static const dsl_value *const none[4];
    dsl_builtin_call c = {cx, b, f->config ? f->config : (const dsl_value **)none, f, arg, n, at};

    if ((int)n < b->least || (int)n > b->most)
        return dsl_wrong(cx, at, "%s takes %d%s, %u %s given: %s%s, %s", b->name, b->least,
                         b->most > b->least ? " or more" : "", n, n == 1 ? "is" : "are", b->name,
                         b->signature, b->meaning);
    for (uint32_t i = 0; i < n; i++)
        if (!arg[i])
            return dsl_wrong(cx, at, "%s: an argument is left out", b->name);
    return b->run(&c);
}
