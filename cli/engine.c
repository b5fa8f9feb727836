/* cli/engine.c - a module that runs, compiled or by the interpreter.  Both show
 * themselves as a struct ingot_model (ir/abi.h), so from here on nobody asks which
 * one it is: the same session, inputs and comparisons serve both, and a test of one
 * is a test of the other. */
#include "engine.h"

#include "pass.h"

/* The interpreter cannot run a request for a gradient, which has no value of its own.
 * Calls go first, since there is no gradient through them. */
static bool expand_gradients(ir_module *m, diag *d)
{
    pass_ctx cx = {.m = m, .d = d};
    bool changed;

    return pass_one(&cx, pass_find("inline"), &changed) &&
           pass_one(&cx, pass_find("grad"), &changed);
}

/* The model that the session is to run, and what its calls want as weights; null
 * after errors. */
static const struct ingot_model *make_model(ingot_engine *e, const ingot_options *o,
                                            const uint8_t **weights, diag *d)
{
    if (e->kind == ENGINE_COMPILED)
        return engine_compile(e, o, d) ? engine_model(e, weights) : NULL;
    if (!expand_gradients(e->m, d))
        return NULL;
    e->interpreter = interpreter_open(e->m);
    const struct ingot_model *model = interpreter_model(e->interpreter);
    *weights = model->weights;
    return model;
}

/* The interpreter knows one thread. */
static bool open_session(ingot_engine *e, const ingot_options *o, int threads, diag *d)
{
    const uint8_t *weights = NULL;
    const struct ingot_model *model = make_model(e, o, &weights, d);
    int used = e->kind == ENGINE_COMPILED ? threads : 1;
    char error[TENSOR_ERROR_SIZE];

    if (!model)
        return false;
    if (!session_open(&e->session, model, weights, used, error))
        return diag_error(d, (ir_loc){0}, D_GENERAL, arena_strdup(&d->mem, error));
    e->entry = session_entry(model, NULL);
    e->entry = e->entry ? e->entry : model->entries;
    return true;
}

/* The engine owns the module from here on, also where null is returned. */
ingot_engine *ingot_engine_open(ingot_engine_kind kind, ir_module *m, const ingot_options *o,
                                int threads, diag *d)
{
    static const ingot_options plain;
    ingot_engine *e = mem_alloc(sizeof *e);

    *e = (ingot_engine){.kind = kind, .m = m};
    if (!open_session(e, o ? o : &plain, threads, d)) {
        ingot_engine_close(e);
        return NULL;
    }
    return e;
}

/* In the opposite order of opening: the session's threads may use all below it. */
void ingot_engine_close(ingot_engine *e)
{
    if (!e)
        return;
    session_close(&e->session);
    interpreter_close(e->interpreter);
    engine_release(e);
    ir_module_free(e->m);
    mem_free(e);
}

session *ingot_engine_session(ingot_engine *e)
{
    return &e->session;
}

const struct ingot_entry *ingot_engine_entry(const ingot_engine *e)
{
    return e->entry;
}

/* False, and nothing changes, if there is no such entry. */
bool ingot_engine_choose(ingot_engine *e, const char *name)
{
    const struct ingot_entry *entry = session_entry(e->session.model, name);

    e->entry = entry ? entry : e->entry;
    return entry;
}

/* Prepared anew for each run: extents may be others each time. */
bool ingot_engine_run(ingot_engine *e, const tensor_value *in, tensor_value *out,
                      char error[TENSOR_ERROR_SIZE])
{
    invoke v;
    bool ok = invoke_prepare(&v, &e->session, e->entry, in, error) && invoke_run(&v, error) &&
              invoke_take(&v, out, error);

    invoke_free(&v);
    return ok;
}

bool ingot_engine_time(ingot_engine *e, const tensor_value *in, const invoke_timing *how,
                       invoke_times *t, char error[TENSOR_ERROR_SIZE])
{
    invoke v;
    bool ok = invoke_prepare(&v, &e->session, e->entry, in, error) &&
              invoke_time(&v, how, t, error);

    invoke_free(&v);
    return ok;
}
