/* cli/engine.c - running a module by the interpreter. */
#include <stdlib.h>

#include "engine.h"
#include "eval.h"
#include "pass.h"

tensor_kind ingot_kind_of(const ir_type *t)
{
    return t->kind == TY_SEQ ? TENSOR_SEQUENCE : t->kind == TY_OPT ? TENSOR_OPTIONAL : TENSOR_PLAIN;
}

/* ---- values of the evaluator ---------------------------------------------------- */

/* Null: too large. */
static ir_val *val_from(arena *mem, const tensor_value *v)
{
    if (v->kind == TENSOR_PLAIN) {
        ir_val *x = val_tensor(mem, dt_from_onnx(v->t.dtype), v->t.rank, v->t.dims);
        if (x && v->t.count)
            memcpy(x->data, v->t.data, (size_t)v->t.count * tensor_elem_size(v->t.dtype));
        return x;
    }
    ir_val *x = arena_new(mem, ir_val);
    x->kind = v->kind == TENSOR_SEQUENCE ? TY_SEQ : TY_OPT;
    x->n = v->n;
    x->item = arena_array(mem, ir_val *, v->n + 1);
    for (uint32_t i = 0; i < v->n; i++)
        if (!(x->item[i] = val_from(mem, &v->item[i])))
            return NULL;
    return x;
}

static bool val_to(const ir_val *x, tensor_value *out)
{
    *out = (tensor_value){0};
    if (x->kind == TY_TENSOR) {
        if (!tensor_init(&out->t, dt_of(x->dtype)->onnx, x->rank, x->dim))
            return false;
        size_t bytes = (size_t)out->t.count * tensor_elem_size(out->t.dtype);
        if (bytes)
            memcpy(out->t.data, x->data, bytes);
        return x->dtype != DT_STR || tensor_own_strings(&out->t);
    }
    out->kind = x->kind == TY_SEQ ? TENSOR_SEQUENCE : TENSOR_OPTIONAL;
    out->item = calloc(x->n + 1u, sizeof *out->item);
    for (uint32_t i = 0; out->item && i < x->n; i++, out->n++)
        if (!val_to(x->item[i], &out->item[i]))
            return false;
    return out->item != NULL;
}

/* ---- inputs ------------------------------------------------------------------------ */

static bool fail(char *error, const char *name, const char *what)
{
    snprintf(error, TENSOR_ERROR_SIZE, "input '%s': %s", name, what);
    return false;
}

static bool check_tensor(const dim_table *d, const ir_type *t, const tensor *v, const char *name,
                         char *error)
{
    char what[200];
    int64_t want;

    if (dt_from_onnx(v->dtype) != t->dtype) {
        snprintf(what, sizeof what, "has type %s, the model wants %s", tensor_type_name(v->dtype),
                 dt_text(t->dtype));
        return fail(error, name, what);
    }
    if (v->rank != t->rank) {
        snprintf(what, sizeof what, "has %d axes, the model wants %d", v->rank, t->rank);
        return fail(error, name, what);
    }
    for (int a = 0; a < t->rank; a++)
        if (dim_const(d, t->dim[a], &want) && want != v->dims[a]) {
            snprintf(what, sizeof what, "has extent %lld at axis %d, the model wants %lld",
                     (long long)v->dims[a], a, (long long)want);
            return fail(error, name, what);
        }
    return true;
}

static bool check_value(const dim_table *d, const ir_type *t, const tensor_value *v,
                        const char *name, char *error)
{
    if (ingot_kind_of(t) != v->kind)
        return fail(error, name, "is a tensor, sequence or optional where the model has another");
    if (v->kind == TENSOR_PLAIN)
        return check_tensor(d, t, &v->t, name, error);
    for (uint32_t i = 0; i < v->n; i++)
        if (!check_value(d, t->elem, &v->item[i], name, error))
            return false;
    return true;
}

bool ingot_check_input(const ir_fn *fn, int i, const tensor_value *v,
                       char error[TENSOR_ERROR_SIZE])
{
    return check_value(&fn->module->dims, ir_type_of(fn, fn->param.at[i]), v,
                       fn->param_name.at[i], error);
}

/* ---- the interpreter ------------------------------------------------------------------ */

static bool interpret(const ingot_engine *e, const tensor_value *in, tensor_value *out, char *error)
{
    arena mem = {0};
    ir_eval ev;
    const ir_fn *fn = e->fn;
    ir_val **args = arena_array(&mem, ir_val *, fn->param.len + 1);
    ir_val **results = arena_array(&mem, ir_val *, fn->result.len + 1);
    bool ok = true;

    ir_eval_init(&ev, e->m, &mem);
    for (uint32_t i = 0; ok && i < fn->param.len; i++) {
        args[i] = val_from(&mem, &in[i]);
        ok = args[i] != NULL;
    }
    if (!ok)
        snprintf(error, TENSOR_ERROR_SIZE, "an input is too large");
    else if (!ir_eval_run(&ev, fn, args, results))
        ok = false,
        snprintf(error, TENSOR_ERROR_SIZE, "%s", ev.error ? ev.error : "evaluation failed");
    for (uint32_t i = 0; ok && i < fn->result.len; i++)
        if (!val_to(results[i], &out[i]))
            ok = false, snprintf(error, TENSOR_ERROR_SIZE, "no memory for output %u", i);
    ir_eval_free(&ev);
    arena_reset(&mem);
    return ok;
}

/* A request for a gradient has no value of its own; it is none through a call. */
static bool expand_gradients(ir_module *m, diag *d)
{
    pass_ctx cx = {.m = m, .d = d};
    bool changed;

    return pass_one(&cx, pass_find("inline"), &changed) &&
           pass_one(&cx, pass_find("grad"), &changed);
}

ingot_engine *ingot_engine_open(ingot_engine_kind kind, ir_module *m, const ingot_options *o,
                                int threads, diag *d)
{
    static const ingot_options plain;
    ingot_engine *e = mem_alloc(sizeof *e);

    o = o ? o : &plain;
    *e = (ingot_engine){.kind = kind, .m = m, .fn = m->fn.at[0], .threads = threads};
    if (!(kind == ENGINE_COMPILED ? engine_compile(e, o, d) : expand_gradients(m, d))) {
        ingot_engine_close(e);
        return NULL;
    }
    return e;
}

void ingot_engine_close(ingot_engine *e)
{
    if (!e)
        return;
    engine_release(e);
    ir_module_free(e->m);
    mem_free(e);
}

const ir_fn *ingot_engine_entry(const ingot_engine *e)
{
    return e->fn;
}

bool ingot_engine_run(ingot_engine *e, const tensor_value *in, tensor_value *out,
                      char error[TENSOR_ERROR_SIZE])
{
    for (uint32_t i = 0; i < e->fn->param.len; i++)
        if (!ingot_check_input(e->fn, (int)i, &in[i], error))
            return false;
    return e->kind == ENGINE_INTERPRETER ? interpret(e, in, out, error)
                                         : engine_run_compiled(e, in, out, error);
}
