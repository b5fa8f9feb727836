/* frontend/dsl/foreign.c - an ONNX model as a net: import "m.onnx" as b.
 *
 * The model is a function of the module, which calls are replaced by.  It keeps the file's
 * axes, the batch among them.  Float initializers with axes are its parameters, under their
 * names in the file, which has their first values, too. */
#include "../onnx.h"
#include "check.h"

/* The file as a function. */
typedef struct reading {
    const ir_fn *fn;            /* null: not read yet */
    uint32_t inputs, params;
    uint32_t runs;              /* the parameter that tells calls apart; UINT32_MAX: none does */
    dsl_memory **param;         /* in the order of the inputs behind those of the file */
} reading;

struct dsl_foreign {
    const char *path, *until;   /* until: null if it ends where the file ends */
    reading of[2][2];           /* by `training`; with the file's extents, or the first axes of
                                 * inputs being rows, any number of them */
    const dsl_value *shorter;   /* nets that end before the file does, a list by this member */
};

/* A net of this name whose body is the model. */
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

/* The net that ends with this value of the file; the same net for the same name. */
const dsl_value *dsl_foreign_until(dsl *cx, const dsl_value *net, const dsl_value *name, ir_loc at)
{
    const dsl_template *t = net->function.of;
    struct dsl_foreign *whole = t->foreign, *x;

    if (name->kind != DSL_TEXT)
        return dsl_wrong(cx, at, "until takes the name of a value of the file");
    for (const dsl_value *v = whole->shorter; v; v = x->shorter) {
        x = v->function.of->foreign;
        if (!strcmp(x->until, name->text))
            return v;
    }
    x = arena_new(cx->mem, struct dsl_foreign);
    *x = (struct dsl_foreign){.path = whole->path, .until = name->text, .shorter = whole->shorter};
    whole->shorter = net_of(cx, t->file, t->name, at, x);
    return whole->shorter;
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
    dsl_memory_enter(cx, m);
    dsl_take_weight(cx, m);
    return m;
}

/* A name that no function has: that of the net, and what tells its readings apart. */
static const char *function_name(dsl *cx, const dsl_template *t, const import_options *o)
{
    const char *until = t->foreign->until;
    const char *name = arena_printf(&cx->m->mem, "%s%s%s%s%s", t->name, until ? "." : "",
                                    until ? until : "", o->any_rows ? " of rows" : "",
                                    o->training ? " in training" : "");

    while (ir_module_find(cx->m, name))
        name = arena_printf(&cx->m->mem, "%s'", name);
    return name;
}

/* False after an error.  Weights are parameters behind the file's inputs. */
static bool read_model(dsl *cx, const dsl_template *t, bool training, bool any_rows)
{
    const struct dsl_foreign *x = t->foreign;
    reading *r = &t->foreign->of[training][any_rows];
    import_weights w = {.inputs = true, .runs = IR_NONE};
    import_options o = {.weights = &w, .until = x->until, .training = training,
                        .any_rows = any_rows};

    r->fn = onnx_import_function(cx->m, function_name(cx, t, &o), x->path, &o, cx->d);
    if (!r->fn)
        diag_note(cx->d, t->item->at, "imported here");
    r->params = w.name.len;
    r->param = arena_array(cx->mem, dsl_memory *, w.name.len + 1);
    for (uint32_t i = 0; r->fn && i < w.name.len; i++)
        r->param[i] = parameter(cx, t, w.name.at[i], w.constant.at[i]);
    r->inputs = r->fn ? r->fn->param.len - w.name.len - (w.runs != IR_NONE) : 0;
    r->runs = UINT32_MAX;
    for (uint32_t i = 0; r->fn && i < r->fn->param.len; i++)
        r->runs = r->fn->param.at[i] == w.runs ? i : r->runs;
    vec_free(&w.name);
    vec_free(&w.ref);
    vec_free(&w.constant);
    return r->fn;
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

/* Argument i as the model's input has it. */
static bool argument(dsl *cx, const dsl_template *t, const ir_fn *f, uint32_t i,
                     const dsl_value *v, ir_loc at, ir_ref *out)
{
    const ir_type *want = ir_type_of(f, f->param.at[i]);

    v = want->dtype == cx->real ? dsl_as(cx, v, DSL_REAL, at, f->param_name.at[i])
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

/* Is an argument of the type but for its number of rows?  Most files fix that to 1. */
static bool wants_rows(dsl *cx, const ir_type *t, const dsl_value *v)
{
    int64_t fixed;

    return dsl_is_tensor(v) && t->rank && v->tensor.rank == t->rank && !v->tensor.axis[0] &&
           dim_const(cx->dims, t->dim[0], &fixed) && !dsl_same(dsl_extent(v, 0), t->dim[0]);
}

/* The reading of the file that arguments ask for; null after an error. */
static const reading *reading_for(dsl *cx, const dsl_template *t, const dsl_value **arg,
                                  uint32_t n, bool training_off)
{
    bool rows = n > 0, training = cx->frame->training && !training_off;
    const reading *r = t->foreign->of[training];

    if (!r[0].fn && !read_model(cx, t, training, false))
        return NULL;
    for (uint32_t i = 0; i < n && i < r[0].inputs; i++)
        rows &= wants_rows(cx, ir_type_of(r[0].fn, r[0].fn->param.at[i]), arg[i]);
    if (!rows || n != r[0].inputs)
        return &r[0];
    return r[1].fn || read_model(cx, t, training, true) ? &r[1] : NULL;
}

static dsl_elem elem_of(dsl *cx, const ir_type *t)
{
    return t->dtype == cx->real ? DSL_REAL : t->dtype == DT_I64 ? DSL_INT
           : t->dtype == DT_BOOL ? DSL_BOOL : DSL_OTHER;
}

/* One value, or as many as the file has outputs, under their names. */
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
    return n == 1 ? v[0]
                  : dsl_list(cx, DSL_RESULTS, n, v, arena_copy(cx->mem, name, n * sizeof *name));
}

/* The model's nodes in place of the call. */
const dsl_value *dsl_call_foreign(dsl *cx, const dsl_function *call, const dsl_value **arg,
                                  uint32_t n, ir_loc at)
{
    const dsl_template *t = call->of;
    const reading *r = reading_for(cx, t, arg, n, call->training_off);

    if (!r)
        return &dsl_poison;
    if (n != r->inputs)
        return dsl_wrong(cx, at, "%s takes %u, %u are given", t->name, r->inputs, n);
    ir_ref *in = arena_array(cx->mem, ir_ref, r->fn->param.len + 1);
    ir_ref *out = arena_array(cx->mem, ir_ref, r->fn->result.len + 1);
    for (uint32_t i = 0; i < n; i++)
        if (!argument(cx, t, r->fn, i, arg[i], at, &in[i]))
            return &dsl_poison;
    for (uint32_t i = 0, k = n; i < r->params; i++) {
        k += k == r->runs;
        in[k++] = dsl_ref(cx, dsl_read(cx, &r->param[i]->cell));
    }
    if (r->runs != UINT32_MAX)
        in[r->runs] = dsl_draw_counter(cx, at);
    dsl_b(cx)->loc = at;
    return ir_inline(dsl_b(cx), r->fn, in, out)
               ? dsl_foreign_results(cx, r->fn->result.len, out, r->fn->result_name.at, at)
               : &dsl_poison;
}
