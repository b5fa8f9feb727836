/* frontend/dsl/type.c - types of parameters are matched, those of results filled.
 *
 * `fn f(x: [B, T + 1])` called with [8, 17] binds B = 8 and T = 16: each extent of
 * the signature with one unbound name that it is affine in is solved for that name,
 * one with none is compared, one with several is a matter of the program.  Extents
 * with symbols must be equal for all sizes, or the program says so: `check N == M`.
 * `[..]` takes the axes that are left over: they are carried through the call as
 * its rows and given back behind it.
 *
 * A value without axes fits any type of a result: it is repeated in all places. */
#include "check.h"

static const ir_dtype dtypes[AST_ELEM_COUNT] = {
    [AST_ELEM_F64] = DT_F64, [AST_ELEM_F32] = DT_F32, [AST_ELEM_F16] = DT_F16,
    [AST_ELEM_BF16] = DT_BF16, [AST_ELEM_I64] = DT_I64, [AST_ELEM_I32] = DT_I32,
    [AST_ELEM_I16] = DT_I16, [AST_ELEM_I8] = DT_I8, [AST_ELEM_U64] = DT_U64,
    [AST_ELEM_U32] = DT_U32, [AST_ELEM_U16] = DT_U16, [AST_ELEM_U8] = DT_U8,
    [AST_ELEM_F8E4M3FN] = DT_F8E4M3FN, [AST_ELEM_F8E4M3FNUZ] = DT_F8E4M3FNUZ,
    [AST_ELEM_F8E5M2] = DT_F8E5M2, [AST_ELEM_F8E5M2FNUZ] = DT_F8E5M2FNUZ,
    [AST_ELEM_F8E8M0] = DT_F8E8M0, [AST_ELEM_F4E2M1] = DT_F4E2M1, [AST_ELEM_I4] = DT_I4,
    [AST_ELEM_I2] = DT_I2, [AST_ELEM_U4] = DT_U4, [AST_ELEM_U2] = DT_U2};

/* What the language computes with.  Types of an explicit width are `other`: they
 * are cast, stored, and not computed with. */
dsl_elem dsl_type_elem(const ast_type *t)
{
    switch (t->elem) {
    case AST_ELEM_REAL: return DSL_REAL;
    case AST_ELEM_INT: return DSL_INT;
    case AST_ELEM_BOOL: return DSL_BOOL;
    default: return DSL_OTHER;
    }
}

ir_dtype dsl_type_dtype(dsl *cx, const ast_type *t)
{
    dsl_elem e = dsl_type_elem(t);

    return e == DSL_OTHER ? dtypes[t->elem] : dsl_elem_dtype(cx, e);
}

/* Only the first extent can be `..`; the parser saw to that. */
static bool has_rest(const ast_type *t)
{
    return t->extents.len && t->extents.at[0]->kind == AST_REST;
}

/* ---- names in extents ------------------------------------------------------- */

/* While the parameters of a fn or layer are bound, names mean nothing from outside. */
static bool is_bound(const dsl_scope *s, const char *name)
{
    dsl_scope own = *s;

    if (s->closed)
        own.parent = NULL;
    return dsl_find_var(&own, name);
}

/* The name of e that has no value here, and how many such there are. */
static int unbound(const dsl_scope *s, const ast_expr *e, const char **name)
{
    switch (e->kind) {
    case AST_NAME:
        if (is_bound(s, e->name))
            return 0;
        if (*name == e->name)
            return 0;
        *name = e->name;
        return 1;
    case AST_UNARY: return unbound(s, e->unary.x, name);
    case AST_BINARY: return unbound(s, e->binary.left, name) + unbound(s, e->binary.right, name);
    case AST_CALL: {
        int n = 0;
        for (uint32_t i = 0; i < e->call.args.len; i++)
            n += unbound(s, e->call.args.at[i].value, name);
        return n;
    }
    default: return 0;
    }
}

/* e where the name is this number. */
static bool value_at(dsl *cx, const ast_expr *e, const char *name, int64_t x, ir_dim *out)
{
    dsl_scope *outer = cx->scope;

    cx->scope = dsl_scope_new(cx, outer);
    dsl_define(cx, cx->scope, name, dsl_int(cx, x), e->at);
    bool ok = dsl_eval_dim(cx, e, out, "an extent");
    cx->scope = outer;
    return ok;
}

/* Binds the name of which e is an affine expression, so that e is d. */
static bool solve(dsl *cx, const ast_expr *e, const char *name, ir_dim d, dsl_scope *s)
{
    dim_table *t = cx->dims;
    ir_dim base, next, x;

    if (!value_at(cx, e, name, 0, &base) || !value_at(cx, e, name, 1, &next))
        return false;
    ir_dim coef = dim_sub(t, next, base), rest = dim_sub(t, d, base);
    if (dim_is(t, coef, 0))
        return dsl_wrong(cx, e->at, "this extent does not tell %s", name), false;
    if (!dim_divides(t, coef, rest, &x)) {
        ir_dim over = dim_mod(t, rest, coef);
        if (dim_lo(t, over) > 0)
            return dsl_wrong(cx, e->at, "%s is not whole: %s is %s", name,
                             dsl_dim_text(cx, d), "given"), false;
        ir_check_dims(dsl_b(cx), dim_eq(t, over, dim_int(t, 0)), "an extent does not divide");
        x = dim_div(t, rest, coef);
    }
    dsl_define(cx, s, name, dsl_whole(cx, x), e->at);
    return true;
}

/* Makes extent e of the signature and d one. */
static bool unify(dsl *cx, const ast_expr *e, ir_dim d, dsl_scope *s, const char *what, ir_loc at)
{
    const char *name = NULL;
    ir_dim have;

    if (ast_is_any(e))
        return true;
    switch (unbound(s, e, &name)) {
    case 0: break;
    case 1: return solve(cx, e, name, d, s);
    default: return dsl_wrong(cx, e->at, "two names of this extent are not known"), false;
    }
    if (!dsl_eval_dim(cx, e, &have, "an extent"))
        return false;
    if (dsl_same(have, d))
        return true;
    if (dsl_apart(cx, have, d))
        return dsl_wrong(cx, at, "%s has an extent of %s where %s is wanted", what,
                         dsl_dim_text(cx, d), dsl_dim_text(cx, have)), false;
    return dsl_wrong(cx, at, "%s has an extent of %s where %s is wanted, which are not known to be "
                     "equal; %s", what, dsl_dim_text(cx, d), dsl_dim_text(cx, have),
                     dsl_equal_text(cx, d, have, NULL, NULL)), false;
}

/* ---- elements --------------------------------------------------------------- */

/* An integer for int<N>: bounded below N.  If N is unbound it becomes the value's own bound; if
 * it is known the value's must be at most that, and N is what is known of it from here on: a
 * table of N rows is one for all values of the type. */
static const dsl_value *index_below(dsl *cx, const ast_type *t, const dsl_value *v, dsl_scope *s,
                                    const char *what, ir_loc at)
{
    const char *name = NULL;
    dim_table *d = cx->dims;
    ir_dim one = dim_int(d, 1), bound;

    if (!v->tensor.bounded || dim_lo(d, v->tensor.lo) < 0)
        return dsl_wrong(cx, at, "%s is %s, an index is wanted: declare int<..>, or use clamp or "
                         "%%", what, dsl_describe(cx, v));
    ir_dim most = dim_add(d, v->tensor.hi, one);
    if (unbound(s, t->bound, &name))
        return unify(cx, t->bound, most, s, what, at) ? v : &dsl_poison;
    if (!dsl_eval_dim(cx, t->bound, &bound, "the bound of an index"))
        return &dsl_poison;
    int64_t known;
    bool below = dsl_at_most(cx, most, bound);
    if (!below && dim_const(d, most, &known) && !dim_const(d, bound, &known)) {
        ir_check_dims(dsl_b(cx), dim_le(d, most, bound), "an index is not below its bound");
        below = true;
    }
    if (below)
        return dsl_bounded(cx, v, dim_int(d, 0), dim_sub(d, bound, one));
    return dsl_wrong(cx, at, "%s is an index below %s, one below %s is wanted", what,
                     dsl_dim_text(cx, most), dsl_dim_text(cx, bound));
}

/* v with the type's element. */
static const dsl_value *element(dsl *cx, const ast_type *t, const dsl_value *v, dsl_scope *s,
                                const char *what, ir_loc at)
{
    dsl_elem e = dsl_type_elem(t);

    if (t->elem == AST_ELEM_ANY)
        return dsl_as_array(cx, v, at);
    if (e == DSL_OTHER) {
        v = dsl_as_array(cx, v, at);
        if (dsl_bad(v) || dsl_dtype(v) == dtypes[t->elem])
            return v;
        return dsl_wrong(cx, at, "%s is %s, %s is wanted", what, dsl_describe(cx, v),
                         dt_text(dtypes[t->elem]));
    }
    v = dsl_as(cx, v, e, at, what);
    return dsl_bad(v) || !t->bound ? v : index_below(cx, t, v, s, what, at);
}

/* ---- binding ---------------------------------------------------------------- */

/* The first n visible axes of v are carried, as the rows of the call. */
static const dsl_value *take_rows(dsl *cx, const dsl_value *v, int n, dsl_rows *rows,
                                  const char *what, ir_loc at)
{
    int visible[IR_MAX_RANK];

    dsl_visible(v, visible);
    if (!n)
        return v;
    if (!rows->set)
        for (int i = 0; i < n; i++)
            dsl_add_axis(&rows->axes, dsl_axis_new(cx, "..", dsl_extent(v, visible[i])));
    rows->set = true;
    if (rows->axes.n != n)
        return dsl_wrong(cx, at, "%s is %s with %d axes of rows, what stands before it has %d",
                         what, dsl_describe(cx, v), n, rows->axes.n);
    for (int i = 0; i < n; i++)
        if (!dsl_same(rows->axes.at[i]->extent, dsl_extent(v, visible[i])))
            return dsl_wrong(cx, at, "%s has %s rows, what stands before it has %s", what,
                             dsl_dim_text(cx, dsl_extent(v, visible[i])),
                             dsl_dim_text(cx, rows->axes.at[i]->extent));
    return dsl_carry(cx, v, rows->axes.at, n);
}

/* As it stands in the signature, for messages. */
static const char *extent_text(const ast_expr *e)
{
    return e->kind == AST_REST ? ".." : e->kind == AST_NAME ? e->name
         : e->kind == AST_NUMBER ? e->number.text : "_";
}

/* `what` takes, or gives, another number of axes. */
static const dsl_value *wrong_rank(dsl *cx, const ast_type *t, const dsl_value *v, const char *what,
                                   const char *verb, ir_loc at)
{
    int visible[IR_MAX_RANK], n = dsl_visible(v, visible);
    bool row = has_rest(t) && n == (int)t->extents.len;     /* one axis more: the rows, named */
    text shape = {0};

    for (uint32_t i = 0; i < t->extents.len; i++)
        text_add(&shape, "%s%s", i ? ", " : "", extent_text(t->extents.at[i]));
    dsl_wrong(cx, at, "%s %s [%s], this is %s%s", what, verb, shape.at ? shape.at : "",
              dsl_describe(cx, v),
              row ? "; where the first axis is the batch, write .. for it in all signatures" : "");
    text_free(&shape);
    return &dsl_poison;
}

/* Names bound on the way go into s.  `rows` gets the axes that `..` took; `what`
 * names the parameter in messages.  Poison after an error. */
const dsl_value *dsl_bind_type(dsl *cx, const ast_type *t, const dsl_value *v, dsl_scope *s,
                               dsl_rows *rows, const char *what, ir_loc at)
{
    int visible[IR_MAX_RANK], rest = has_rest(t), fixed = (int)t->extents.len - rest;

    if (!t->extents.len && !t->bound && v->kind == DSL_NUMBER)
        return v;               /* a number stays one, known when compiling */
    v = element(cx, t, v, s, what, at);
    if (dsl_bad(v))
        return v;
    int more = dsl_visible(v, visible) - fixed;
    if (more < 0 || (more && !rest))
        return wrong_rank(cx, t, v, what, "takes", at);
    for (int i = 0; i < fixed; i++)
        if (!unify(cx, t->extents.at[i + rest], dsl_extent(v, visible[more + i]), s, what, at))
            return &dsl_poison;
    return take_rows(cx, v, more, rows, what, at);
}

/* All extents of the type as dims, -1 after an error.  `..` is left out, `_` is an
 * error here. */
int dsl_type_extents(dsl *cx, const ast_type *t, ir_dim *out)
{
    int n = 0;

    for (uint32_t i = 0; i < t->extents.len; i++) {
        if (t->extents.at[i]->kind == AST_REST)
            continue;
        if (n == IR_MAX_RANK || ast_is_any(t->extents.at[i])) {
            dsl_wrong(cx, t->extents.at[i]->at, "%s",
                      n == IR_MAX_RANK ? "this has more axes than there may be"
                                       : "an extent must be known here");
            return -1;
        }
        if (!dsl_eval_dim(cx, t->extents.at[i], &out[n++], "an extent"))
            return -1;
    }
    return n;
}

/* A value without visible axes, in all places of the type. */
static const dsl_value *fill(dsl *cx, const dsl_value *v, const ir_dim *extent, int n)
{
    dsl_axis *axis[IR_MAX_RANK];
    ir_dim shape[IR_MAX_RANK];
    int rank = v->tensor.rank;

    if (rank + n > IR_MAX_RANK)
        return dsl_wrong(cx, cx->at, "more than %d axes", IR_MAX_RANK);
    for (int i = 0; i < rank + n; i++) {
        axis[i] = i < rank ? v->tensor.axis[i] : NULL;
        shape[i] = i < rank ? dsl_extent(v, i) : extent[i - rank];
    }
    return dsl_arrange(cx, v, axis, shape, rank + n);
}

/* A parameter's default: one number for a parameter of rank 2 fills it; an array is
 * taken as it is and matched later. */
const dsl_value *dsl_fill_default(dsl *cx, const ast_type *t, const dsl_value *v,
                                  const char *what, ir_loc at)
{
    int visible[IR_MAX_RANK];
    ir_dim extent[IR_MAX_RANK];

    if (!t->extents.len || (dsl_is_tensor(v) && dsl_visible(v, visible)))
        return v;
    v = element(cx, t, v, cx->scope, what, at);
    if (dsl_bad(v) || dsl_visible(v, visible))
        return v;
    int n = dsl_type_extents(cx, t, extent);
    return n < 0 ? &dsl_poison : fill(cx, v, extent, n);
}

/* The extents that are declared are those that the value has, or an error. */
static bool fits(dsl *cx, const ast_type *t, const dsl_value *v, const char *what, ir_loc at)
{
    int visible[IR_MAX_RANK], rest = has_rest(t), fixed = (int)t->extents.len - rest;

    if (dsl_visible(v, visible) != fixed)
        return wrong_rank(cx, t, v, what, "is declared", at), false;
    for (int i = 0; i < fixed; i++)
        if (!unify(cx, t->extents.at[i + rest], dsl_extent(v, visible[i]), cx->scope, what, at))
            return false;
    return true;
}

const dsl_value *dsl_has_type(dsl *cx, const ast_type *t, const dsl_value *v, const char *what,
                              ir_loc at)
{
    v = element(cx, t, v, cx->scope, what, at);
    return dsl_bad(v) || fits(cx, t, v, what, at) ? v : &dsl_poison;
}

/* `y: [N] = 0` is N zeros; `y: [N] = x` checks that x has N elements. */
const dsl_value *dsl_fill_type(dsl *cx, const ast_type *t, const dsl_value *v, const char *what,
                               ir_loc at)
{
    int visible[IR_MAX_RANK];
    ir_dim extent[IR_MAX_RANK];

    v = element(cx, t, v, cx->scope, what, at);
    if (dsl_bad(v))
        return v;
    if (dsl_visible(v, visible) || (int)t->extents.len == has_rest(t))
        return fits(cx, t, v, what, at) ? v : &dsl_poison;
    int n = dsl_type_extents(cx, t, extent);
    return n < 0 ? &dsl_poison : fill(cx, v, extent, n);
}
