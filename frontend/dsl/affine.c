/* frontend/dsl/affine.c - positions that are sums of indices times numbers: 2 * p +
 * i - 1 is {p: 2, i: 1} and -1. Windows, strides and joined axes are told from such
 * forms; a position of any other form is computed, and read by a gather. */
#include "check.h"

/* False if there are more indices than a position can have. */
static bool add_term(dsl *cx, dsl_affine *f, dsl_axis *a, ir_dim coef)
{
    for (int i = 0; i < f->n; i++)
        if (f->term[i].axis == a) {
            f->term[i].coef = dim_add(cx->dims, f->term[i].coef, coef);
            return true;
        }
    if (f->n == (int)COUNT(f->term))
        return false;
    f->term[f->n].axis = a;
    f->term[f->n++].coef = coef;
    return true;
}

/* f += by * g; false if that has too many indices. */
static bool add_scaled(dsl *cx, dsl_affine *f, const dsl_affine *g, ir_dim by)
{
    dim_table *t = cx->dims;

    f->constant = dim_add(t, f->constant, dim_mul(t, g->constant, by));
    for (int i = 0; i < g->n; i++)
        if (!add_term(cx, f, g->term[i].axis, dim_mul(t, g->term[i].coef, by)))
            return false;
    return true;
}

/* Of a product one side must be without indices. */
static bool binary(dsl *cx, const ast_expr *e, dsl_affine *out)
{
    dsl_affine a = {0}, b = {0};
    ast_op op = e->binary.op;

    if (op != AST_ADD && op != AST_SUB && op != AST_MUL)
        return false;
    if (!dsl_affine_of(cx, e->binary.left, &a) || !dsl_affine_of(cx, e->binary.right, &b))
        return false;
    if (op == AST_MUL)
        return a.n ? !b.n && add_scaled(cx, out, &a, b.constant)
                   : add_scaled(cx, out, &b, a.constant);
    return add_scaled(cx, out, &a, dim_int(cx->dims, 1)) &&
           add_scaled(cx, out, &b, dim_int(cx->dims, op == AST_ADD ? 1 : -1));
}

static bool constant(dsl *cx, const ast_expr *e, dsl_affine *out)
{
    return dsl_is_static(cx, e) && dsl_dim(cx, dsl_eval(cx, e), &out->constant);
}

/* False: not of that form. */
bool dsl_affine_of(dsl *cx, const ast_expr *e, dsl_affine *out)
{
    const dsl_var *v = e->kind == AST_NAME ? dsl_find_var(cx->scope, e->name) : NULL;
    dsl_affine x = {0};

    *out = (dsl_affine){0};
    if (v && v->index)
        return add_term(cx, out, v->index, dim_int(cx->dims, 1));
    if (constant(cx, e, out))
        return true;
    if (e->kind == AST_UNARY && e->unary.op == AST_NEG)
        return dsl_affine_of(cx, e->unary.x, &x) &&
               add_scaled(cx, out, &x, dim_int(cx->dims, -1));
    return e->kind == AST_BINARY && binary(cx, e, out);
}

void dsl_affine_range(dsl *cx, const dsl_affine *f, ir_dim *lo, ir_dim *hi)
{
    dim_table *t = cx->dims;

    *lo = *hi = f->constant;
    for (int i = 0; i < f->n; i++) {
        ir_dim last = dim_sub(t, f->term[i].axis->extent, dim_int(t, 1));
        ir_dim far = dim_mul(t, f->term[i].coef, last);
        bool up = dim_lo(t, f->term[i].coef) >= 0;
        *(up ? hi : lo) = dim_add(t, up ? *hi : *lo, far);
    }
}
