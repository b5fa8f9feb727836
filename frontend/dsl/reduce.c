/* frontend/dsl/reduce.c - sum[i, ..] x[i] * w[i, o] and its kin.
 *
 * A reduction binds a product.  Its factors are evaluated one by one, so that a sum of
 * products becomes a contraction and the products are never in memory. */
#include "train.h"

enum { MAX_FACTORS = 16 };

/* The factors of a product, with what stands below the line. */
typedef struct product {
    dsl_view factor[MAX_FACTORS];
    int n;
    const dsl_value *scale;     /* number in front */
    const dsl_value *below[MAX_FACTORS];
    int nbelow;
} product;

/* ---- factors ---------------------------------------------------------------- */

/* A subscript stays a view, so that a window can be seen; numbers go in front. */
static bool add_factor(dsl *cx, product *p, const ast_expr *e)
{
    if (p->n == MAX_FACTORS)
        return false;
    if (e->kind == AST_SUBSCRIPT) {
        bool ok = dsl_view_of(cx, e, &p->factor[p->n]);
        p->n += ok;
        return ok;
    }
    const dsl_value *v = dsl_eval(cx, e);
    if (v->kind == DSL_NUMBER) {
        p->scale = dsl_binary(cx, AST_MUL, p->scale, v, e->at);
        return true;
    }
    p->factor[p->n++] = (dsl_view){.v = dsl_as_array(cx, v, e->at)};
    return !dsl_bad(p->factor[p->n - 1].v);
}

/* A divisor of the whole product. */
static bool add_below(dsl *cx, product *p, const ast_expr *e)
{
    const dsl_value *v = dsl_eval(cx, e);

    if (p->nbelow == MAX_FACTORS)
        return false;
    p->below[p->nbelow++] = v;
    return !dsl_bad(v);
}

/* Takes a product apart, a * -b / c: factors, divisors and a number in front, since
 * each factor may have other indices and a sum of products is a contraction. */
static bool collect(dsl *cx, product *p, const ast_expr *e)
{
    if (e->kind == AST_BINARY && e->binary.op == AST_MUL)
        return collect(cx, p, e->binary.left) && collect(cx, p, e->binary.right);
    if (e->kind == AST_BINARY && e->binary.op == AST_DIV)
        return collect(cx, p, e->binary.left) && add_below(cx, p, e->binary.right);
    if (e->kind == AST_UNARY && e->unary.op == AST_NEG) {
        p->scale = dsl_binary(cx, AST_MUL, p->scale, dsl_int(cx, -1), e->at);
        return collect(cx, p, e->unary.x);
    }
    return add_factor(cx, p, e);
}

/* bool counts. */
static bool factors_agree(dsl *cx, product *p, ir_loc at)
{
    const dsl_value *v[MAX_FACTORS];

    for (int i = 0; i < p->n; i++) {
        v[i] = p->factor[i].v;
        if (v[i]->tensor.elem == DSL_BOOL && p->n == 1)
            v[i] = dsl_cast(cx, v[i], DSL_INT);
    }
    if (!dsl_agree(cx, v, p->n, at, "*"))
        return false;
    for (int i = 0; i < p->n; i++)
        p->factor[i].v = v[i];
    return true;
}

/* ---- sums ------------------------------------------------------------------- */

static bool has_any(const dsl_value *v, const dsl_axes *l)
{
    for (int i = 0; dsl_is_tensor(v) && i < l->n; i++)
        if (dsl_find(v, l->at[i]) >= 0)
            return true;
    return false;
}

/* Carried by the view, or part of one of its windows? */
static bool view_has(const dsl_view *w, const dsl_axis *a)
{
    if (dsl_find(w->v, a) >= 0)
        return true;
    for (int i = 0; i < w->v->tensor.rank; i++)
        for (int k = 0; k < w->form[i].n; k++)
            if (w->form[i].term[k].axis == a)
                return true;
    return false;
}

/* How many terms the axes make that no factor has. */
static ir_dim repeats(dsl *cx, const product *p, const dsl_axes *over)
{
    ir_dim n = dim_int(cx->dims, 1);

    for (int i = 0; i < over->n; i++) {
        bool found = false;
        for (int k = 0; k < p->n; k++)
            found |= view_has(&p->factor[k], over->at[i]);
        if (!found)
            n = dim_mul(cx->dims, n, over->at[i]->extent);
    }
    return n;
}

/* The product as one array, where it cannot be contracted. */
static const dsl_value *multiplied(dsl *cx, const product *p, ir_loc at)
{
    const dsl_value *v = p->scale;

    for (int i = 0; i < p->n; i++)
        v = dsl_binary(cx, AST_MUL, v, dsl_view_plain(cx, &p->factor[i]), at);
    for (int i = 0; i < p->nbelow; i++)
        v = dsl_binary(cx, AST_DIV, v, p->below[i], at);
    return v;
}

static bool is_one(dsl *cx, const dsl_value *v)
{
    double x;

    return dsl_number(cx, v, &x) && x == 1;
}

static const dsl_value *times(dsl *cx, const dsl_value *v, const dsl_value *by, ir_loc at)
{
    return is_one(cx, by) ? v : dsl_binary(cx, AST_MUL, v, by, at);
}

/* The sum of the product over the axes. */
static const dsl_value *sum_product(dsl *cx, product *p, const dsl_axes *over, ir_loc at)
{
    const dsl_value *v, *count = dsl_whole(cx, repeats(cx, p, over));
    bool below = false;

    for (int i = 0; i < p->nbelow; i++)
        below |= has_any(p->below[i], over);
    if (below)
        return times(cx, dsl_reduce(cx, multiplied(cx, p, at), RED_SUM, over), count, at);
    v = p->n ? dsl_contract(cx, p->factor, p->n, over) : dsl_int(cx, 1);
    if (dsl_bad(v))
        return v;
    v = times(cx, times(cx, v, p->scale, at), count, at);
    for (int i = 0; i < p->nbelow; i++)
        v = dsl_binary(cx, AST_DIV, v, p->below[i], at);
    return v;
}

static ir_dim count_of(dsl *cx, const dsl_axes *over)
{
    ir_dim n = dim_int(cx->dims, 1);

    for (int i = 0; i < over->n; i++)
        n = dim_mul(cx->dims, n, over->at[i]->extent);
    return n;
}

/* Of every index that is reduced over, before any node is made. */
static bool extents_known(dsl *cx, const dsl_axes *over, ir_loc at)
{
    for (int i = 0; i < over->n; i++)
        if (!over->at[i]->known) {
            dsl_wrong(cx, at, "%s has no extent, it never stands alone in a subscript; write "
                      "%s in N with its extent", over->at[i]->name, over->at[i]->name);
            return false;
        }
    return true;
}

/* Is it a sum of truths alone, which counts? */
static bool is_count(dsl *cx, const product *p)
{
    return p->n == 1 && !p->nbelow && is_one(cx, p->scale) &&
           p->factor[0].v->tensor.elem == DSL_BOOL;
}

/* Indices that no factor has count as often as they run. */
static const dsl_value *sum(dsl *cx, const ast_expr *e, const dsl_axes *over)
{
    product p = {.scale = dsl_int(cx, 1)};
    const ast_expr *body = e->reduce.body;

    if (!collect(cx, &p, body) || !extents_known(cx, over, e->at))
        return &dsl_poison;
    bool count = is_count(cx, &p);
    if (p.n && !factors_agree(cx, &p, e->at))
        return &dsl_poison;
    const dsl_value *v = sum_product(cx, &p, over, e->at);
    if (count && !dsl_bad(v))
        v = dsl_bounded(cx, v, dim_int(cx->dims, 0), count_of(cx, over));
    if (e->reduce.how == AST_MEAN)
        v = dsl_binary(cx, AST_DIV, v, dsl_whole(cx, count_of(cx, over)), e->at);
    return v;
}

/* ---- others ----------------------------------------------------------------- */

static ir_redop red_op(ast_reduction how)
{
    switch (how) {
    case AST_PROD: return RED_PROD;
    case AST_MAX: return RED_MAX;
    case AST_MIN: return RED_MIN;
    case AST_ANY: return RED_OR;
    case AST_ALL: return RED_AND;
    default: return RED_SUM;
    }
}

/* max[k] of a window is a WINDOW node (pooling); of anything else an ordinary
 * reduction. */
static const dsl_value *extreme(dsl *cx, const ast_expr *e, const dsl_axes *over)
{
    dsl_view w;
    ir_redop op = red_op(e->reduce.how);

    if (!dsl_view_of(cx, e->reduce.body, &w) || !extents_known(cx, over, e->at))
        return &dsl_poison;
    const dsl_value *v = dsl_reduce_window(cx, &w, op, over);
    return v ? v : dsl_reduce(cx, dsl_view_plain(cx, &w), op, over);
}

/* The position along the one axis of the greatest or least. */
static const dsl_value *position(dsl *cx, const ast_expr *e, const dsl_axes *over)
{
    const dsl_value *v = dsl_as_array(cx, dsl_eval(cx, e->reduce.body), e->at);
    dsl_axis *left[IR_MAX_RANK];
    int rank = 0;

    if (dsl_bad(v) || !extents_known(cx, over, e->at))
        return &dsl_poison;
    int at = over->n == 1 ? dsl_find(v, over->at[0]) : -1;
    if (at < 0)
        return dsl_wrong(cx, e->at, "a position is along one index of its body");
    for (int i = 0; i < v->tensor.rank; i++)
        if (i != at)
            left[rank++] = v->tensor.axis[i];
    ir_redop op = e->reduce.how == AST_ARGMAX ? RED_MAX : RED_MIN;
    ir_attr a = {.ARGREDUCE = {.axis = at, .op = op}};
    ir_ref x = dsl_ref(cx, v);
    const dsl_value *y =
        dsl_array(cx, ir_make(dsl_b(cx), OP_ARGREDUCE, &x, 1, &a), DSL_INT, rank, left);
    return dsl_bounded(cx, y, dim_int(cx->dims, 0),
                       dim_sub(cx->dims, over->at[0]->extent, dim_int(cx->dims, 1)));
}

static const dsl_value *reduce(dsl *cx, const ast_expr *e, const dsl_axes *over)
{
    switch (e->reduce.how) {
    case AST_SUM:
    case AST_MEAN: return sum(cx, e, over);
    case AST_ARGMAX:
    case AST_ARGMIN: return position(cx, e, over);
    default: return extreme(cx, e, over);
    }
}

static bool is_one_term(const ast_expr *extent)
{
    return extent && extent->kind == AST_NUMBER && extent->number.is_whole &&
           extent->number.whole == 1;
}

/* An index of which the body knows nothing is a slip, as each term would be the same; numbers
 * are counted by it: sum[p in H] 1.  One term is itself: a program that is printed of a model
 * says sum[p in 1] where an axis of one element is reduced. */
static bool indices_used(dsl *cx, const ast_expr *e)
{
    for (uint32_t i = 0; i < e->reduce.indices.len; i++) {
        const ast_index *x = &e->reduce.indices.at[i];
        if (x->name && !ast_mentions(e->reduce.body, x->name) && !is_one_term(x->extent) &&
            !dsl_is_static(cx, e->reduce.body)) {
            dsl_wrong(cx, x->at, "%s[%s]: what stands behind it does not use %s",
                      ast_reduction_text[e->reduce.how], x->name, x->name);
            return false;
        }
    }
    return true;
}

/* The axes of the reduction; its indices are in scope then. */
static void open_indices(dsl *cx, const ast_expr *e, dsl_axes *over)
{
    for (uint32_t i = 0; i < e->reduce.indices.len; i++) {
        const ast_index *x = &e->reduce.indices.at[i];
        if (!x->name) {
            for (int k = 0; k < cx->frame->carried.n; k++)
                dsl_add_axis(over, cx->frame->carried.at[k]);
            continue;
        }
        dsl_axis *a = dsl_range_axis(cx, x);
        dsl_add_axis(over, a);
        dsl_define_index(cx, cx->scope, x->name, a, x->at);
    }
}

static bool is_product(const ast_expr *e)
{
    return e->kind == AST_BINARY && e->binary.op == AST_MUL;
}

/* Is e a product of two, or the sum of one?  factor and over are filled. */
bool dsl_two_factors(dsl *cx, const ast_expr *e, const dsl_value *factor[2], dsl_axes *over)
{
    bool sum = e->kind == AST_REDUCE && e->reduce.how == AST_SUM;
    const ast_expr *p = sum ? e->reduce.body : e;
    dsl_scope *outer = cx->scope;

    if (!is_product(p) || is_product(p->binary.left) || is_product(p->binary.right))
        return false;
    cx->scope = dsl_scope_new(cx, outer);
    *over = (dsl_axes){0};
    if (sum)
        open_indices(cx, e, over);
    factor[0] = dsl_as_array(cx, dsl_eval(cx, p->binary.left), e->at);
    factor[1] = dsl_as_array(cx, dsl_eval(cx, p->binary.right), e->at);
    cx->scope = outer;
    return true;
}

const dsl_value *dsl_reduce_indices(dsl *cx, const ast_expr *e)
{
    dsl_axes over = {0};
    dsl_scope *outer = cx->scope;

    if (!indices_used(cx, e))
        return &dsl_poison;
    cx->scope = dsl_scope_new(cx, outer);
    open_indices(cx, e, &over);
    const dsl_value *v = reduce(cx, e, &over);
    cx->scope = outer;
    return v;
}

/* One over the rows of a `track` has a sum of its own. */
const dsl_value *dsl_eval_reduce(dsl *cx, const ast_expr *e)
{
    const dsl_value *part = train_part_value(cx, e);

    return part ? part : dsl_reduce_indices(cx, e);
}
