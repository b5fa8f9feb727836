/* frontend/dsl/onnx_op.c - ONNX's operators as functions: onnx.GridSample(x, g, mode = "linear").
 *
 * Operands stand in the operator's order, `_` for one that is left out; attributes have
 * names.  `version = 11` asks for the operator as it was in that operator set, `domain = ".."`
 * for one of another domain.  Axes are those of the array: carried ones have no place among
 * ONNX's, which go by number. */
#include "../onnx.h"
#include "check.h"

bool dsl_is_onnx_name(const dsl *cx, const ast_expr *e)
{
    return e->kind == AST_MEMBER && e->member.base->kind == AST_NAME &&
           !strcmp(e->member.base->name, "onnx") && !dsl_find_var(cx->scope, "onnx");
}

bool dsl_is_onnx_op(const dsl *cx, const ast_expr *e)
{
    return e->kind == AST_CALL && dsl_is_onnx_name(cx, e->call.callee);
}

const dsl_value *dsl_onnx_uncalled(dsl *cx, const ast_expr *e)
{
    const ast_part *name = e->kind == AST_CALL ? &e->call.callee->member.part : &e->member.part;

    return dsl_wrong(cx, name->at, "onnx.%s takes its operands in parentheses: onnx.%s(x, ..)",
                     name->text, name->text);
}

/* ---- operands ----------------------------------------------------------------- */

/* The array itself; whole numbers are ONNX's int64. */
static bool operand(dsl *cx, const ast_expr *e, const char *op, ir_ref *out)
{
    int visible[IR_MAX_RANK];

    *out = IR_NONE;
    if (ast_is_any(e))
        return true;
    const dsl_value *v = dsl_as_array(cx, dsl_eval(cx, e), e->at);
    if (dsl_bad(v))
        return false;
    if (dsl_visible(v, visible) < v->tensor.rank)
        return dsl_wrong(cx, e->at, "onnx.%s takes whole arrays, this is %s with carried rows; "
                         "name them: x: [N, ..]", op, dsl_describe(cx, v)), false;
    *out = dsl_ref(cx, v);
    return true;
}

/* ---- attributes --------------------------------------------------------------- */

/* Numbers and bools; false for what an attribute cannot be. */
static bool number_of(dsl *cx, const dsl_value *v, onnx_number *x)
{
    ir_dim d;

    if (v->kind == DSL_TRUTH) {
        *x = (onnx_number){true, v->truth, v->truth};
        return true;
    }
    if (!dsl_number(cx, v, &x->real))
        return false;
    x->is_whole = dsl_dim(cx, v, &d) && dim_const(cx->dims, d, &x->whole);
    return true;
}

/* A number, a text, or a list of either. */
static bool attribute(dsl *cx, const ast_arg *a, onnx_argument *x)
{
    const dsl_value *v = dsl_eval(cx, a->value), *const *item = &v;

    if (dsl_bad(v))
        return false;
    *x = (onnx_argument){.name = a->name.text, .list = v->kind == DSL_LIST, .n = 1};
    if (x->list) {
        x->n = v->list.n;
        item = v->list.at;
    }
    bool texts = x->n && item[0]->kind == DSL_TEXT, ok = true;
    onnx_number *number = arena_array(cx->mem, onnx_number, x->n + 1);
    const char **s = arena_array(cx->mem, const char *, x->n + 1);
    for (uint32_t i = 0; ok && i < x->n; i++) {
        ok = texts ? item[i]->kind == DSL_TEXT : number_of(cx, item[i], &number[i]);
        if (ok && texts)
            s[i] = item[i]->text;
    }
    x->number = number;
    x->text = texts ? s : NULL;
    if (!ok)
        dsl_wrong(cx, a->value->at, "%s is %s; an attribute is a number, a text or a list of them, "
                  "known when compiling", a->name.text, dsl_describe(cx, v));
    return ok;
}

/* onnx.Gelu(x, version = 20): which operator set's meaning is wanted. */
static bool read_version(dsl *cx, const ast_expr *e, onnx_call *c)
{
    const dsl_value *v = dsl_eval(cx, e);
    ir_dim d;

    if (dsl_bad(v))
        return false;
    if (dsl_dim(cx, v, &d) && dim_const(cx->dims, d, &c->version) && c->version > 0)
        return true;
    return dsl_wrong(cx, e->at, "version is a whole number from 1, known when compiling"), false;
}

static bool read_domain(dsl *cx, const ast_expr *e, onnx_call *c)
{
    const dsl_value *v = dsl_eval(cx, e);

    if (dsl_bad(v))
        return false;
    if (v->kind != DSL_TEXT)
        return dsl_wrong(cx, e->at, "domain is a text, this is %s", dsl_describe(cx, v)), false;
    c->domain = v->text;
    return true;
}

/* `version` and `domain` say which operator is meant, other names are its attributes. */
static bool named(dsl *cx, const ast_arg *a, onnx_argument *attributes, onnx_call *c)
{
    if (!strcmp(a->name.text, "version"))
        return read_version(cx, a->value, c);
    if (!strcmp(a->name.text, "domain"))
        return read_domain(cx, a->value, c);
    return attribute(cx, a, &attributes[c->arguments++]);
}

/* Operands without names, everything else with one. */
static bool read_arguments(dsl *cx, const ast_args *l, onnx_call *c)
{
    ir_ref *in = arena_array(cx->mem, ir_ref, l->len + 1);
    onnx_argument *attribute_at = arena_array(cx->mem, onnx_argument, l->len + 1);
    bool ok = true;

    for (uint32_t i = 0; i < l->len; i++) {
        const ast_arg *a = &l->at[i];
        ok &= a->name.text ? named(cx, a, attribute_at, c)
                           : operand(cx, a->value, c->op, &in[c->operands++]);
    }
    if (!c->version)
        c->version = onnx_newest_version(c->domain);
    c->operand = in;
    c->argument = attribute_at;
    return ok;
}

/* ---- the call ----------------------------------------------------------------- */

/* False after a message that tells a version, a missing operator and a mistyped one
 * apart. */
static bool is_operator(dsl *cx, const ast_word *name, const onnx_call *c)
{
    int64_t newest = onnx_newest_version(c->domain);
    const char *near;

    if (c->version > newest)
        return dsl_wrong(cx, name->at, "operator set %lld is not known, the newest is %lld",
                         (long long)c->version, (long long)newest), false;
    if (onnx_has_operator(c->domain, c->op, &near))
        return true;
    if (onnx_is_standard(c->domain, c->op))
        return dsl_wrong(cx, name->at, "onnx.%s is not supported (`ingot ops` lists what is)",
                         c->op), false;
    dsl_wrong(cx, name->at, "ONNX has no operator %s%s%s%s", name->text,
              near ? "; did you mean onnx." : "", near ? near : "", near ? "?" : "");
    return false;
}

bool dsl_check_onnx_name(dsl *cx, const ast_word *name)
{
    return is_operator(cx, name, &(onnx_call){.domain = "", .op = name->text});
}

/* As many results as the statement has names for. */
const dsl_value *dsl_call_onnx_op(dsl *cx, const ast_expr *e)
{
    const ast_part *part = &e->call.callee->member.part;
    const ast_word name = {part->at, part->text};
    onnx_call c = {.domain = "", .op = name.text, .results = cx->wanted ? cx->wanted : 1};
    ir_ref *out = arena_array(cx->mem, ir_ref, c.results);

    cx->wanted = 0;
    if (!read_arguments(cx, &e->call.args, &c) || !is_operator(cx, &name, &c))
        return &dsl_poison;
    dsl_stand(cx, e->at);
    if (!onnx_apply(dsl_b(cx), &c, out))
        return diag_failed(cx->d) ? &dsl_poison
                                  : dsl_wrong(cx, e->at, "onnx.%s cannot be made of this", c.op);
    const char *const *none = arena_array(cx->mem, const char *, c.results);
    return dsl_foreign_results(cx, c.results, out, none, e->at);
}
