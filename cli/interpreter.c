/* cli/interpreter.c - the interpreter in the shape of a compiled model: a struct
 * ingot_model whose `run` evaluates the module (ir/eval.h). Values that compiled
 * code gets as data pointers come here as whole tensor_values, since sequences and
 * strings have no one pointer; `form` of the tables says so. */
#include "interpreter.h"

#include <stdlib.h>

#include "const.h"
#include "const_text.h"
#include "eval.h"

/* The model that is shown outside, and what its functions need: they find the
 * interpreter where compiled code has its weights. */
struct interpreter {
    struct ingot_model model;
    const ir_module *m;
    arena mem;
    const ir_fn **fn;               /* by entry */
    char error[TENSOR_ERROR_SIZE];  /* what the last run that failed says */
};

static tensor_kind kind_of(const ir_type *t)
{
    return t->kind == TY_SEQ ? TENSOR_SEQUENCE : t->kind == TY_OPT ? TENSOR_OPTIONAL : TENSOR_PLAIN;
}

/* ---- values of the evaluator ---------------------------------------------------- */

/* The value as the evaluator has it; null if it is too large. */
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

/* Copies: the evaluator's values end with the run.  False without memory; what was
 * made is the caller's to free. */
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

static bool wrong_input(interpreter *x, const char *name, const char *what)
{
    snprintf(x->error, sizeof x->error, "input '%s': %s", name, what);
    return false;
}

/* Checks kinds and element types.  The extents of a tensor as such were checked when
 * the call was prepared; those of items follow from no symbol. */
static bool check_value(interpreter *x, const ir_type *t, const tensor_value *v, const char *name)
{
    if (kind_of(t) != v->kind)
        return wrong_input(x, name,
                           "is a tensor, sequence or optional where the model has another");
    if (v->kind == TENSOR_PLAIN && dt_from_onnx(v->t.dtype) != t->dtype)
        return wrong_input(x, name, "has another element type than the model");
    if (v->kind == TENSOR_PLAIN && v->t.rank != t->rank)
        return wrong_input(x, name, "has another number of axes than the model");
    for (uint32_t i = 0; i < v->n; i++)
        if (!check_value(x, t->elem, &v->item[i], name))
            return false;
    return true;
}

/* The constant that parameter i is if it is left out. */
static ir_val *default_of(const interpreter *x, const ir_fn *fn, uint32_t i, arena *mem)
{
    uint32_t id = fn->param_default.at[i];
    const ir_type *t = x->m->consts.at[id].type;
    int64_t dims[IR_MAX_RANK];

    for (int a = 0; a < t->rank; a++)
        dim_const(&x->m->dims, t->dim[a], &dims[a]);
    ir_val *v = val_tensor(mem, t->dtype, t->rank, dims);
    if (v)
        const_read(x->m, id, 0, type_count_const(&x->m->types, t), v->data);
    return v;
}

/* Extents of an input are within the bounds of their symbols, or the message is that of compiled
 * code (codegen/llvm/run.c). */
static bool check_bounds(interpreter *x, const ir_type *t, const tensor *v, const char *name)
{
    for (int a = 0; a < t->rank; a++) {
        uint32_t id = dim_symbol_id(&x->m->dims, t->dim[a]);
        const dim_symbol *d = id == NAMES_NONE ? NULL : &x->m->dims.symbol.at[id];
        if (!d || (v->dims[a] >= d->lo && v->dims[a] <= d->hi))
            continue;
        text m = {0};
        dim_print_bounds(d, &m);
        snprintf(x->error, sizeof x->error, "input '%.100s', axis %d: %s", name, a, m.at);
        text_free(&m);
        return false;
    }
    return true;
}

/* Inputs as values of the evaluator, which reads them where they are. */
static int32_t take_inputs(interpreter *x, const ir_fn *fn, const struct ingot_call *c, arena *mem,
                           ir_val **args)
{
    for (uint32_t i = 0; i < fn->param.len; i++) {
        const tensor_value *v = c->inputs[i];
        if (!v) {
            args[i] = default_of(x, fn, i, mem);
            continue;
        }
        const ir_type *t = ir_type_of(fn, fn->param.at[i]);
        if (!check_value(x, t, v, fn->param_name.at[i]) ||
            (t->kind == TY_TENSOR && !check_bounds(x, t, &v->t, fn->param_name.at[i])))
            return INGOT_SHAPE;
        args[i] = val_from(mem, v);
        if (!args[i]) {
            wrong_input(x, fn->param_name.at[i], "is too large");
            return INGOT_MEMORY;
        }
    }
    return INGOT_OK;
}

/* ---- states ------------------------------------------------------------------------ */

/* `weights` is the interpreter itself: what the tables of a compiled model hand
 * through as a pointer to weights is free for that. */
static void init_states(void *states, const uint8_t *weights)
{
    const interpreter *x = (const void *)weights;

    memset(states, 0, x->model.state_size);
    for (uint32_t i = 0; i < x->m->state.len; i++) {
        const ir_state *s = &x->m->state.at[i];
        if (s->init != IR_NONE)
            const_read(x->m, s->init, 0, type_count_const(&x->m->types, s->type),
                       (char *)states + x->model.states[i].offset);
    }
}

/* Makes the evaluator read and overwrite the states where the caller has them. */
static void show_states(const interpreter *x, void *states, ir_eval *ev, arena *mem)
{
    for (int32_t i = 0; i < x->model.state_count; i++) {
        const struct ingot_value_info *s = &x->model.states[i];
        ev->state[i] = arena_new(mem, ir_val);
        *ev->state[i] = (ir_val){.kind = TY_TENSOR, .dtype = dt_from_onnx(s->dtype),
                                 .rank = s->rank, .dim = (int64_t *)(uintptr_t)s->dims,
                                 .data = (uint8_t *)states + s->offset};
    }
}

/* ---- runs -------------------------------------------------------------------------- */

/* One call: inputs, run, outputs; a status of the ABI. */
static int32_t evaluate(interpreter *x, const ir_fn *fn, const struct ingot_call *c, arena *mem,
                        ir_eval *ev)
{
    ir_val **args = arena_array(mem, ir_val *, fn->param.len + 1);
    ir_val **results = arena_array(mem, ir_val *, fn->result.len + 1);
    int32_t status = take_inputs(x, fn, c, mem, args);

    if (status != INGOT_OK)
        return status;
    if (!ir_eval_run(ev, fn, args, results)) {
        snprintf(x->error, sizeof x->error, "%s", ev->error ? ev->error : "evaluation failed");
        return INGOT_CHECK;
    }
    for (uint32_t i = 0; i < fn->result.len; i++)
        if (!val_to(results[i], c->outputs[i].data)) {
            snprintf(x->error, sizeof x->error, "output '%s'", fn->result_name.at[i]);
            return INGOT_MEMORY;
        }
    return INGOT_OK;
}

/* The entry is found by its place in the table.  Memory of a run is that run's. */
static int32_t run(struct ingot_call *c)
{
    interpreter *x = (interpreter *)(uintptr_t)c->weights;
    arena mem = {0};
    ir_eval ev;

    ir_eval_init(&ev, x->m, &mem);
    show_states(x, c->states, &ev, &mem);
    int32_t status = evaluate(x, x->fn[c->entry - x->model.entries], c, &mem, &ev);
    ir_eval_free(&ev);
    arena_reset(&mem);
    c->message = status == INGOT_OK ? NULL : x->error;
    return status;
}

static size_t no_workspace(const int64_t *dims, int32_t threads)
{
    (void)dims, (void)threads;
    return 0;
}

static uint64_t not_counted(const int64_t *dims)
{
    (void)dims;
    return 0;
}

/* ---- the description --------------------------------------------------------------- */

/* The symbols that are extents of an entry's inputs, in the order they appear. */
typedef VEC(uint32_t) symbols;

static int64_t place_of(const symbols *s, uint32_t symbol)
{
    for (uint32_t i = 0; i < s->len; i++)
        if (s->at[i] == symbol)
            return i;
    return -1;
}

/* In the order in which inputs show them, which is the order of the table of dims. */
static void find_symbols(const ir_fn *fn, symbols *s)
{
    for (uint32_t i = 0; i < fn->param.len; i++) {
        const ir_type *t = ir_type_of(fn, fn->param.at[i]);
        for (int a = 0; t->kind == TY_TENSOR && a < t->rank; a++) {
            uint32_t id = dim_symbol_id(&fn->module->dims, t->dim[a]);
            if (id != NAMES_NONE && place_of(s, id) < 0)
                vec_push(s, id);
        }
    }
}

/* As abi.h has it: a number, a symbol of the entry, or INT64_MIN. */
static int64_t extent(const dim_table *dims, ir_dim d, const symbols *s)
{
    int64_t n, place = place_of(s, dim_symbol_id(dims, d));

    return dim_const(dims, d, &n) ? n : place >= 0 ? -1 - place : INT64_MIN;
}

/* An extent as messages of the runtime show it, such as n + 1. */
static const char *dim_words(interpreter *x, ir_dim d)
{
    text t = {0};

    dim_print(&x->m->dims, d, &t);
    const char *words = arena_strdup(&x->mem, t.at);
    text_free(&t);
    return words;
}

/* A row of the tables, as codegen/llvm/image.c has it for compiled models. */
static struct ingot_value_info value_info(interpreter *x, const char *name, const ir_type *t,
                                          const symbols *s)
{
    static const int32_t forms[] = {[TENSOR_PLAIN] = INGOT_TENSOR,
                                    [TENSOR_SEQUENCE] = INGOT_SEQUENCE,
                                    [TENSOR_OPTIONAL] = INGOT_OPTIONAL};
    struct ingot_value_info v = {.name = name, .form = forms[kind_of(t)]};

    if (t->kind != TY_TENSOR)
        return v;
    int64_t *dims = arena_array(&x->mem, int64_t, (size_t)t->rank + 1);
    const char **words = arena_array(&x->mem, const char *, (size_t)t->rank + 1);
    for (int a = 0; a < t->rank; a++) {
        dims[a] = extent(&x->m->dims, t->dim[a], s);
        words[a] = dims[a] < 0 ? dim_words(x, t->dim[a]) : NULL;
    }
    v.dtype = dt_of(t->dtype)->onnx;
    v.rank = t->rank;
    v.dims = dims;
    v.dim_names = words;
    return v;
}

static struct ingot_value_info *value_infos(interpreter *x, const ir_fn *fn, const ir_ref *ref,
                                            const char *const *name, uint32_t n, const symbols *s)
{
    struct ingot_value_info *v = arena_array(&x->mem, struct ingot_value_info, n + 1);

    for (uint32_t i = 0; i < n; i++)
        v[i] = value_info(x, name[i], ir_type_of(fn, ref[i]), s);
    return v;
}

static void spell(const interpreter *x, const ir_fn *fn, struct ingot_value_info *v, bool result)
{
    const ir_spelling *s = ir_spelling_of(x->m, fn->name, v->name, result);

    v->name_count = s ? s->n : 0;
    v->names = s ? s->names : NULL;
}

/* What a compiled model has as constant tables is built here when it opens. */
static const struct ingot_value_info *inputs_of(interpreter *x, const ir_fn *fn, const symbols *s)
{
    struct ingot_value_info *v =
        value_infos(x, fn, fn->param.at, fn->param_name.at, fn->param.len, s);

    for (uint32_t i = 0; i < fn->param.len; i++) {
        uint32_t id = fn->param_default.at[i];
        v[i].optional = id != IR_NONE;
        v[i].preset = id != IR_NONE ? const_number_text(x->m, id, &x->mem) : NULL;
        spell(x, fn, &v[i], false);
    }
    return v;
}

/* `loose`: axes of extent 1 may be left out of it (frontend/onnx/shape.c). */
static const struct ingot_value_info *outputs_of(interpreter *x, const ir_fn *fn, const symbols *s)
{
    struct ingot_value_info *v =
        value_infos(x, fn, fn->result.at, fn->result_name.at, fn->result.len, s);

    for (uint32_t i = 0; i < fn->result.len; i++) {
        v[i].loose = (int32_t)fn->result_loose.at[i];
        spell(x, fn, &v[i], true);
    }
    return v;
}

/* Dims are those of the inputs, in the order in which they appear. */
static struct ingot_entry entry_of(interpreter *x, const ir_fn *fn)
{
    symbols s = {0};

    find_symbols(fn, &s);
    const char **names = arena_array(&x->mem, const char *, s.len + 1);
    for (uint32_t i = 0; i < s.len; i++)
        names[i] = x->m->dims.symbol.at[s.at[i]].name;
    struct ingot_entry e = {
        .name = fn->name, .input_count = (int32_t)fn->param.len,
        .output_count = (int32_t)fn->result.len, .dim_count = (int32_t)s.len,
        .inputs = inputs_of(x, fn, &s),
        .outputs = outputs_of(x, fn, &s),
        .dim_names = names, .workspace_size = no_workspace, .run = run, .flops = not_counted};
    vec_free(&s);
    return e;
}

/* Functions that can be called from outside. */
static void describe_entries(interpreter *x)
{
    struct ingot_entry *e = arena_array(&x->mem, struct ingot_entry, x->m->fn.len + 1);
    int32_t n = 0;

    x->fn = arena_array(&x->mem, const ir_fn *, x->m->fn.len + 1);
    for (uint32_t i = 0; i < x->m->fn.len; i++)
        if (x->m->fn.at[i]->entry) {
            x->fn[n] = x->m->fn.at[i];
            e[n++] = entry_of(x, x->m->fn.at[i]);
        }
    x->model.entries = e;
    x->model.entry_count = n;
}

/* The layout of the state block is that of compiled code, so a file of states fits
 * both. */
static void describe_states(interpreter *x)
{
    const ir_module *m = x->m;
    struct ingot_value_info *v = arena_array(&x->mem, struct ingot_value_info, m->state.len + 1);
    const symbols none = {0};
    int64_t end = 0;

    for (uint32_t i = 0; i < m->state.len; i++) {
        v[i] = value_info(x, m->state.at[i].name, m->state.at[i].type, &none);
        v[i].offset = (uint64_t)end;
        end = ir_state_end(m, i, end);
    }
    x->model.state_size = (uint64_t)end;
    x->model.states = v;
    x->model.state_count = (int32_t)m->state.len;
}

/* One thread: the interpreter is for being right, not for being fast. */
interpreter *interpreter_open(const ir_module *m)
{
    interpreter *x = mem_alloc(sizeof *x);

    *x = (interpreter){.m = m};
    x->model = (struct ingot_model){.abi = INGOT_ABI_VERSION, .name = "model",
                                    .init_states = init_states,
                                    .weights = (const uint8_t *)x, .default_threads = 1};
    describe_entries(x);
    describe_states(x);
    return x;
}

void interpreter_close(interpreter *x)
{
    if (x)
        arena_reset(&x->mem);
    mem_free(x);
}

const struct ingot_model *interpreter_model(const interpreter *x)
{
    return &x->model;
}
