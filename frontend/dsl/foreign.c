/* frontend/dsl/foreign.c - an ONNX model as a net: import "m.onnx" as b.
 *
 * The model is a function of the module, which calls are replaced by.  It keeps the file's
 * axes, the batch among them.  Float initializers with axes are its parameters, under their
 * names in the file, which has their first values, too. */
#include "../onnx.h"
#include "check.h"

struct dsl_foreign {
    const char *path, *until;   /* until: null if it ends where the file ends */
    const ir_fn *fn;            /* null: not read yet */
    uint32_t inputs;            /* without parameters */
    VEC(dsl_memory *) memory;   /* its parameters, in the order of the inputs behind them */
};

static const dsl_value *net_of(dsl *cx, dsl_file *f, const char *name, ir_loc at,
                               struct dsl_foreign *x)
{
    ast_item *item = arena_new(cx->mem, ast_item);
    dsl_template *t = arena_new(cx->mem, dsl_template);
    dsl_value *v = arena_new(cx->mem, dsl_value);

    item->kind = AST_ITEM_NET;
    item->at = at;
    item->name = (ast_word){at, name};
    *t = (dsl_template){.name = name, .item = item, .file = f, .value = v, .foreign = x};
    v->kind = DSL_FUNCTION;
    v->function.of = t;
    return v;
}

const dsl_value *dsl_import_onnx(dsl *cx, dsl_file *f, const char *path, ast_word name)
{
    struct dsl_foreign *x = arena_new(cx->mem, struct dsl_foreign);

    x->path = path;
    return net_of(cx, f, name.text, name.at, x);
}

const dsl_value *dsl_foreign_until(dsl *cx, const dsl_value *net, const dsl_value *name, ir_loc at)
{
    const dsl_template *t = net->function.of;
    struct dsl_foreign *x = arena_new(cx->mem, struct dsl_foreign);

    if (name->kind != DSL_TEXT)
        return dsl_wrong(cx, at, "until takes the name of a value of the file");
    x->path = t->foreign->path;
    x->until = name->text;
    return net_of(cx, t->file, t->name, at, x);
}

/* ---- reading ------------------------------------------------------------------ */

/* The parameter of this name; the same for all ends of the file. */
static dsl_memory *parameter(dsl *cx, const dsl_template *t, const char *name, uint32_t constant)
{
    const char *path = arena_printf(cx->mem, "%s.%s", dsl_net_path(cx, t), name);
    dsl_memory *m = dsl_memory_find(cx, path);

    if (m)
        return m;
    m = arena_new(cx->mem, dsl_memory);
    m->cell = (dsl_cell){.name = name, .memory = m, .at = t->item->at};
    m->path = path;
    m->type = cx->m->consts.at[constant].type;
    m->trainable = true;
    m->role = INGOT_ROLE_PARAM;
    m->first = constant;
    m->foreign = true;
    vec_push(&cx->memory, m);
    dsl_take_weight(cx, m);
    return m;
}

static bool read_model(dsl *cx, const dsl_template *t)
{
    struct dsl_foreign *x = t->foreign;
    import_weights w = {.inputs = true};
    import_options o = {.weights = &w, .until = x->until};
    const char *name = arena_printf(&cx->m->mem, "%s%s%s", t->name, x->until ? "." : "",
                                    x->until ? x->until : "");

    x->fn = ir_module_find(cx->m, name);
    if (!x->fn)
        x->fn = onnx_import_function(cx->m, name, x->path, &o, cx->d);
    for (uint32_t i = 0; x->fn && i < w.name.len; i++)
        vec_push(&x->memory, parameter(cx, t, w.name.at[i], w.constant.at[i]));
    x->inputs = x->fn ? x->fn->param.len - w.name.len : 0;
    vec_free(&w.name);
    vec_free(&w.ref);
    vec_free(&w.constant);
    return x->fn;
}

/* ---- calls -------------------------------------------------------------------- */

/* Extents that the file fixes must be known to be those. */
static bool fits(dsl *cx, const dsl_value *v, const ir_type *t)
{
    int64_t fixed;

    if (dsl_dtype(v) != t->dtype || v->tensor.rank != t->rank)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (v->tensor.axis[i] || (dim_const(cx->dims, t->dim[i], &fixed) &&
                                  !dsl_same(dsl_extent(v, i), t->dim[i])))
            return false;
    return true;
}

static bool is_carrying(const dsl_value *v)
{
    int skip[IR_MAX_RANK];

    return dsl_visible(v, skip) < v->tensor.rank;
}

static bool argument(dsl *cx, const dsl_template *t, uint32_t i, const dsl_value *v, ir_loc at,
                     ir_ref *out)
{
    const ir_fn *f = t->foreign->fn;
    const ir_type *want = ir_type_of(f, f->param.at[i]);

    v = dt_is_float(want->dtype) ? dsl_as(cx, v, DSL_REAL, at, f->param_name.at[i])
                                 : dsl_as_array(cx, v, at);
    if (dsl_bad(v))
        return false;
    if (!fits(cx, v, want)) {
        dsl_wrong(cx, at, "%s takes %s, this is %s%s", t->name, dsl_type_text(cx, want),
                  dsl_describe(cx, v),
                  is_carrying(v) ? " with carried rows; name them: x: [N, ..]" : "");
        return false;
    }
    *out = dsl_ref(cx, v);
    return true;
}

static dsl_elem elem_of(dsl *cx, const ir_type *t)
{
    return t->dtype == cx->real ? DSL_REAL : t->dtype == DT_I64 ? DSL_INT
           : t->dtype == DT_BOOL ? DSL_BOOL : DSL_OTHER;
}

const dsl_value *dsl_foreign_results(dsl *cx, uint32_t n, const ir_ref *r,
                                     const char *const *name, ir_loc at)
{
    const dsl_value **v = arena_array(cx->mem, const dsl_value *, n);

    for (uint32_t i = 0; i < n; i++) {
        const ir_type *t = ir_type_of(dsl_b(cx)->fn, r[i]);
        if (t->kind != TY_TENSOR)
            return dsl_wrong(cx, at, "a result is %s, which programs cannot hold",
                             dsl_type_text(cx, t));
        v[i] = dsl_array(cx, r[i], elem_of(cx, t), t->rank, NULL);
    }
    return n == 1 ? v[0] : dsl_list(cx, DSL_RESULTS, n, v, arena_copy(cx->mem, name, n * sizeof *name));
}

const dsl_value *dsl_call_foreign(dsl *cx, const dsl_template *t, const dsl_value **arg,
                                  uint32_t n, ir_loc at)
{
    struct dsl_foreign *x = t->foreign;

    if (!x->fn && !read_model(cx, t))
        return &dsl_poison;
    if (n != x->inputs)
        return dsl_wrong(cx, at, "%s takes %u, %u are given", t->name, x->inputs, n);
    ir_ref *in = arena_array(cx->mem, ir_ref, x->fn->param.len + 1);
    ir_ref *out = arena_array(cx->mem, ir_ref, x->fn->result.len + 1);
    for (uint32_t i = 0; i < n; i++)
        if (!argument(cx, t, i, arg[i], at, &in[i]))
            return &dsl_poison;
    for (uint32_t i = 0; i < x->memory.len; i++)
        in[n + i] = dsl_ref(cx, dsl_read(cx, &x->memory.at[i]->cell));
    dsl_b(cx)->loc = at;
    return ir_inline(dsl_b(cx), x->fn, in, out)
               ? dsl_foreign_results(cx, x->fn->result.len, out, x->fn->result_name.at, at)
               : &dsl_poison;
}
