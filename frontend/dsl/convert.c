/* frontend/dsl/convert.c - numbers become arrays, and elements agree.
 *
 * Numbers - literals, configuration, extents, indices - take the element of their partner;
 * nothing else is converted without being asked for. */
#include <math.h>

#include "check.h"

static const char *const elem_text[] = {
    [DSL_REAL] = "real", [DSL_INT] = "int", [DSL_BOOL] = "bool", [DSL_OTHER] = "another type"};

/* Is v a whole number?  2^53 is about 9e15: beyond it a double skips whole numbers. */
bool dsl_dim(dsl *cx, const dsl_value *v, ir_dim *out)
{
    if (v->kind != DSL_NUMBER)
        return false;
    if (!v->number.whole) {
        if (v->number.real != floor(v->number.real) || fabs(v->number.real) > 9e15)
            return false;
        *out = dim_int(cx->dims, (int64_t)v->number.real);
        return true;
    }
    *out = v->number.dim;
    return true;
}

/* False for a number that only the run knows. */
bool dsl_number(dsl *cx, const dsl_value *v, double *out)
{
    int64_t whole;

    if (v->kind != DSL_NUMBER)
        return false;
    if (!v->number.whole) {
        *out = v->number.real;
        return true;
    }
    if (!dim_const(cx->dims, v->number.dim, &whole))
        return false;
    *out = (double)whole;
    return true;
}

/* A number as an i64, or a real if it has a fraction; it still takes its partner's element. */
static const dsl_value *number_array(dsl *cx, const dsl_value *v)
{
    ir_build *b = dsl_b(cx);
    bool whole = v->number.whole;
    ir_ref x = whole ? ir_dim_ref(b, v->number.dim) : ir_float(b, cx->real, v->number.real);
    dsl_value like = {.tensor = {.elem = whole ? DSL_INT : DSL_REAL, .number = true}};

    if (whole) {
        like.tensor.bounded = true;
        like.tensor.lo = like.tensor.hi = v->number.dim;
    }
    return dsl_array_like(cx, &like, x, 0, NULL);
}

/* [a, b, c] as an array whose first visible axis is the list. */
static const dsl_value *list_array(dsl *cx, const dsl_value *v, ir_loc at)
{
    uint32_t n = v->list.n;
    const dsl_value **item = arena_array(cx->mem, const dsl_value *, n + 1);

    if (!n)
        return dsl_wrong(cx, at, "an empty list has no element");
    for (uint32_t i = 0; i < n; i++)
        if (dsl_bad(item[i] = dsl_as_array(cx, v->list.at[i], at)))
            return &dsl_poison;
    if (!dsl_agree(cx, item, (int)n, at, "list") || !dsl_align(cx, item, (int)n, at, "list"))
        return &dsl_poison;
    int first = item[0]->tensor.rank;
    for (int i = first - 1; i >= 0; i--)
        first = item[0]->tensor.axis[i] ? first : i;
    const dsl_value *like = item[0];
    for (uint32_t i = 1; i < n; i++)
        like = dsl_join_bounds(cx, like, item[i]);
    const dsl_value *all = dsl_stacked(cx, item, n, first);
    return dsl_bad(all) ? all : dsl_array_like(cx, like, dsl_ref(cx, all), all->tensor.rank,
                                               all->tensor.axis);
}

static const char *const distribution[] = {
    [DSL_NORMAL] = "normal", [DSL_UNIFORM] = "uniform", [DSL_BERNOULLI] = "bernoulli",
    [DSL_CATEGORICAL] = "categorical", [DSL_INDEX] = "index",
};

/* Poison after a message. */
const dsl_value *dsl_as_array(dsl *cx, const dsl_value *v, ir_loc at)
{
    switch (v->kind) {
    case DSL_TENSOR:
    case DSL_POISON: return v;
    case DSL_NUMBER: return number_array(cx, v);
    case DSL_TRUTH: return dsl_array(cx, ir_int(dsl_b(cx), DT_BOOL, v->truth), DSL_BOOL, 0, NULL);
    case DSL_LIST: return list_array(cx, v, at);
    case DSL_FUNCTION:
    case DSL_PIPE:
        return dsl_wrong(cx, at, "%s has not got its data; write x |> f", dsl_describe(cx, v));
    case DSL_DRAW:
        if (v->draw.at.file > cx->prelude_end)
            at = v->draw.at;
        return dsl_wrong(cx, at, "a distribution has no elements; ~ draws them: write c ~ %s(..)",
                         distribution[v->draw.how]);
    default: return dsl_wrong(cx, at, "%s is no array", dsl_describe(cx, v));
    }
}

const dsl_value *dsl_cast(dsl *cx, const dsl_value *v, dsl_elem elem)
{
    ir_ref x = ir_cast(dsl_b(cx), dsl_ref(cx, v), dsl_elem_dtype(cx, elem));

    return dsl_array(cx, x, elem, v->tensor.rank, v->tensor.axis);
}

/* A number with this element, without a node for the other. */
static const dsl_value *number_as(dsl *cx, const dsl_value *v, dsl_elem elem)
{
    double r;

    if (elem == DSL_REAL && dsl_number(cx, v, &r))
        return dsl_array(cx, ir_float(dsl_b(cx), cx->real, r), DSL_REAL, 0, NULL);
    const dsl_value *x = number_array(cx, v);
    return dsl_bad(x) || elem == x->tensor.elem ? x : dsl_cast(cx, x, elem);
}

static const dsl_value *wrong_elem(dsl *cx, const dsl_value *v, dsl_elem elem, ir_loc at,
                                   const char *what)
{
    if (v->kind == DSL_NUMBER && elem == DSL_INT)
        return dsl_wrong(cx, at, "%s is %s, which is no int", what, dsl_describe(cx, v));
    return dsl_wrong(cx, at, "%s is %s, %s is wanted; write %s(..)", what, dsl_describe(cx, v),
                     elem_text[elem], elem_text[elem]);
}

/* v with this element: numbers adapt, a computed array must have it already.
 * `what` names it in messages. */
const dsl_value *dsl_as(dsl *cx, const dsl_value *v, dsl_elem elem, ir_loc at, const char *what)
{
    ir_dim d;

    if (v->kind == DSL_NUMBER && elem == DSL_INT && !v->number.whole) {
        if (!dsl_dim(cx, v, &d))
            return wrong_elem(cx, v, elem, at, what);
        v = dsl_whole(cx, d);
    }
    if (v->kind == DSL_NUMBER && elem < DSL_BOOL)
        return number_as(cx, v, elem);
    const dsl_value *x = dsl_as_array(cx, v, at);
    if (dsl_bad(x) || x->tensor.elem == elem)
        return x;
    if (!x->tensor.number || elem > DSL_INT || x->tensor.elem == DSL_REAL)
        return wrong_elem(cx, x, elem, at, what);
    return dsl_cast(cx, x, elem);
}

/* What n values become together: that of those which are no numbers; else real, if one
 * of them has a fraction. */
static const dsl_value *partner(dsl *cx, const dsl_value **v, int n)
{
    const dsl_value *p = NULL;

    (void)cx;
    for (int i = 0; i < n; i++) {
        bool number = v[i]->kind == DSL_NUMBER || (dsl_is_tensor(v[i]) && v[i]->tensor.number);
        if (!number && (!p || !dsl_is_tensor(p)))
            p = v[i];
    }
    return p;
}

static bool has_fraction(const dsl_value *v)
{
    return v->kind == DSL_NUMBER ? !v->number.whole : v->tensor.elem == DSL_REAL;
}

/* Numbers among themselves: real if one has a fraction.  The result is a number
 * still, and takes its partner's element later. */
static bool numbers_agree(dsl *cx, const dsl_value **v, int n, ir_loc at, const char *what)
{
    dsl_elem elem = DSL_INT;

    for (int i = 0; i < n; i++)
        if (has_fraction(v[i]))
            elem = DSL_REAL;
    for (int i = 0; i < n; i++) {
        const dsl_value *x = dsl_as(cx, v[i], elem, at, what);
        if (dsl_bad(x))
            return false;
        dsl_value *w = arena_copy(cx->mem, x, sizeof *x);
        w->tensor.number = true;
        v[i] = w;
    }
    return true;
}

/* Elements of files are no numbers to compute with. */
static bool is_foreign(dsl *cx, const dsl_value *p, ir_loc at, const char *what)
{
    if (p->tensor.elem != DSL_OTHER)
        return false;
    dsl_wrong(cx, at, "%s: %s is as a file has it, and only moved and converted; write real(..) or "
              "int(..)", what, dsl_describe(cx, p));
    return true;
}

/* The mistake that beginners make most, an integer array times a real one, gets a
 * hint. */
static bool wrong_partner(dsl *cx, const dsl_value *p, const dsl_value *v, ir_loc at,
                          const char *what)
{
    const char *hint = p->tensor.elem == DSL_REAL || v->tensor.elem == DSL_REAL
                           ? "; write real(..)" : "";

    dsl_wrong(cx, at, "%s: %s and %s do not mix%s", what, dsl_describe(cx, p),
              dsl_describe(cx, v), hint);
    return false;
}

/* All of v become arrays with one element, that of those which are no numbers. */
bool dsl_agree(dsl *cx, const dsl_value **v, int n, ir_loc at, const char *what)
{
    for (int i = 0; i < n; i++) {
        if (v[i]->kind != DSL_NUMBER && dsl_bad(v[i] = dsl_as_array(cx, v[i], at)))
            return false;
    }
    const dsl_value *p = partner(cx, v, n);
    if (!p)
        return numbers_agree(cx, v, n, at, what);
    for (int i = 0; i < n; i++) {
        bool number = v[i]->kind == DSL_NUMBER || v[i]->tensor.number;
        if (!number && (v[i]->tensor.elem != p->tensor.elem || dsl_dtype(v[i]) != dsl_dtype(p)))
            return wrong_partner(cx, p, v[i], at, what);
        if (number && is_foreign(cx, p, at, what))
            return false;
        if (number && dsl_bad(v[i] = dsl_as(cx, v[i], p->tensor.elem, at, what)))
            return false;
    }
    return true;
}
