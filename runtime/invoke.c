/* runtime/invoke.c - calls of entries with tensors: invoke_prepare binds dims and
 * lays out memory once, invoke_run may then be called again and again without
 * allocating, and invoke_take hands the results over.  Outputs whose extents only
 * the run finds out come from the allocator, through give and take. */
#include "invoke.h"

#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "memory.h"
#include "tensor_file.h"

/* ---- memory ---------------------------------------------------------------------- */

static void *give(void *context, size_t size)
{
    (void)context;
    return memory_get(size);
}

static void take(void *context, void *memory)
{
    (void)context;
    free(memory);
}

/* ---- preparing -------------------------------------------------------------------- */

/* Compiled code is given the elements of a tensor, the interpreter the whole value; null
 * for an optional input without data. */
static bool bind_input(invoke *v, int32_t i, const tensor_value *in, char *error)
{
    const struct ingot_value_info *info = &v->entry->inputs[i];

    if (info->optional && in->kind == TENSOR_PLAIN && !in->t.data)
        return true;
    if (in->kind != bind_kind(info) || (in->kind == TENSOR_PLAIN && !in->t.data))
        return tensor_fail(error, "input '%s' is no %s", info->name, bind_kind_name(info));
    v->inputs[i] = info->form == INGOT_DENSE ? in->t.data : (const void *)in;
    return in->kind != TENSOR_PLAIN || bind_tensor(v->entry, i, &in->t, v->dims, error);
}

static bool bind_inputs(invoke *v, const tensor_value *in, char *error)
{
    bind_start(v->entry, v->dims);
    for (int32_t i = 0; i < v->entry->input_count; i++)
        if (!bind_input(v, i, &in[i], error))
            return false;
    return true;
}

/* Memory of output i, if its extents are known before the run.  The interpreter's
 * values (form not dense) are made by it. */
static bool place_output(invoke *v, int32_t i, int64_t *extents, char *error)
{
    const struct ingot_value_info *o = &v->entry->outputs[i];
    tensor *t = &v->held[i].t;

    v->outputs[i].dims = extents;
    if (o->form != INGOT_DENSE) {
        v->outputs[i].data = &v->held[i];
        return true;
    }
    if (o->rank > TENSOR_MAX_RANK)
        return tensor_fail(error, "output '%s' has more than %d axes", o->name, TENSOR_MAX_RANK);
    if (o->late) {
        *t = (tensor){.dtype = o->dtype, .rank = o->rank};
        return true;
    }
    if (!tensor_init(t, o->dtype, o->rank, extents))
        return tensor_init_failed(t, "output", o->name, error);
    v->outputs[i].data = t->data;
    return true;
}

/* Extents of all outputs stand behind each other in one list. */
static bool place_outputs(invoke *v, char *error)
{
    const struct ingot_entry *e = v->entry;
    int64_t *extents = v->extents;

    if (e->output_dims)
        e->output_dims(v->dims, extents);
    for (int32_t i = 0; i < e->output_count; extents += e->outputs[i++].rank)
        if (!place_output(v, i, extents, error))
            return false;
    return true;
}

/* All lists of pointers, one longer than need be, since calloc of nothing may give
 * null. */
static bool get_tables(invoke *v, char *error)
{
    const struct ingot_entry *e = v->entry;
    size_t axes = 0;

    for (int32_t i = 0; i < e->output_count; i++)
        axes += (size_t)e->outputs[i].rank;
    v->dims = calloc((size_t)e->dim_count + 1, sizeof *v->dims);
    v->inputs = calloc((size_t)e->input_count + 1, sizeof *v->inputs);
    v->outputs = calloc((size_t)e->output_count + 1, sizeof *v->outputs);
    v->held = calloc((size_t)e->output_count + 1, sizeof *v->held);
    v->extents = calloc(axes + 1, sizeof *v->extents);
    if (v->dims && v->inputs && v->outputs && v->held && v->extents)
        return true;
    return tensor_fail(error, "no memory");
}

/* SIZE_MAX is what compiled code says where a size does not fit. */
static bool get_scratch(invoke *v, char *error)
{
    size_t size = v->entry->workspace_size(v->dims, session_threads(v->s));

    if (size == SIZE_MAX)
        return tensor_fail(error, "the inputs are too large: their workspace overflows");
    v->workspace = memory_get(size);
    v->workspace_size = size;
    return v->workspace || tensor_fail(error, "no memory for a workspace of %zu bytes", size);
}

/* False with nothing left to free. */
bool invoke_prepare(invoke *v, session *s, const struct ingot_entry *e, const tensor_value *in,
                    char error[TENSOR_ERROR_SIZE])
{
    *v = (invoke){.s = s, .entry = e, .allocator = {NULL, give, take}};
    if (!get_tables(v, error) || !bind_inputs(v, in, error) || !place_outputs(v, error) ||
        !get_scratch(v, error)) {
        invoke_free(v);
        return false;
    }
    v->call = (struct ingot_call){.inputs = v->inputs, .outputs = v->outputs, .dims = v->dims,
                                  .states = s->states, .weights = s->weights,
                                  .workspace = v->workspace, .pool = session_pool(s), .entry = e};
    return true;
}

/* ---- running ------------------------------------------------------------------------ */

/* Frees results of an earlier run that the next one makes anew. */
static void drop_results(invoke *v)
{
    for (int32_t i = 0; i < v->entry->output_count; i++)
        if (v->entry->outputs[i].form != INGOT_DENSE) {
            tensor_value_free(&v->held[i]);
        } else if (v->entry->outputs[i].late) {
            free(v->outputs[i].data);
            v->outputs[i].data = NULL;
        }
}

/* The message of a check is the model's own; states are as they were before if it
 * fails. */
bool invoke_run(invoke *v, char error[TENSOR_ERROR_SIZE])
{
    static const char *const what[] = {
        [INGOT_CHECK] = "a check of the model failed",
        [INGOT_SHAPE] = "the shapes of the inputs do not fit the model",
        [INGOT_MEMORY] = "no memory for a value whose size depends on data",
        [INGOT_CPU] = "this CPU cannot run the code",
    };

    drop_results(v);
    v->call.allocator = &v->allocator;
    v->call.message = NULL;
    int32_t status = v->entry->run(&v->call);
    if (status == INGOT_OK)
        return true;
    bool known = status > 0 && status <= INGOT_CPU;
    return tensor_fail(error, "%s%s%s", known ? what[status] : "the run failed",
                       v->call.message ? ": " : "", v->call.message ? v->call.message : "");
}

/* ---- results ------------------------------------------------------------------------- */

/* Moves a dense output to *t.  False if the model gave it extents that cannot be. */
static bool take_dense(invoke *v, int32_t i, tensor *t)
{
    int64_t room = v->held[i].t.count, count = 1;
    bool late = v->entry->outputs[i].late;

    *t = v->held[i].t;
    t->data = v->outputs[i].data;
    v->held[i].t.data = v->outputs[i].data = NULL;
    for (int32_t a = 0; a < t->rank; a++) {
        t->dims[a] = v->outputs[i].dims[a];
        if (t->dims[a] < 0 || __builtin_mul_overflow(count, t->dims[a], &count))
            return false;
    }
    if (!late && count > room)
        return false;
    t->count = count;
    if (!t->data && !tensor_init(t, t->dtype, t->rank, t->dims))
        return false;
    return t->dtype != TENSOR_STRING || tensor_own_strings(t);
}

/* Leaves out the axes that do not count where their extent is 1. */
static void tighten(tensor *t, int32_t loose)
{
    int32_t rank = 0;

    for (int32_t a = 0; a < t->rank; a++)
        if (t->dims[a] != 1 || !(loose >> a & 1))
            t->dims[rank++] = t->dims[a];
    t->rank = rank;
}

/* Compiled code wrote arrays to the caller's memory; sequences and strings are
 * handed over. */
static bool take_one(invoke *v, int32_t i, tensor_value *out)
{
    if (v->entry->outputs[i].form == INGOT_DENSE) {
        *out = (tensor_value){.kind = TENSOR_PLAIN};
        return take_dense(v, i, &out->t);
    }
    *out = v->held[i];
    v->held[i] = (tensor_value){0};
    return true;
}

/* What was taken is the caller's, even behind an error for those before it. */
bool invoke_take(invoke *v, tensor_value *out, char error[TENSOR_ERROR_SIZE])
{
    for (int32_t i = 0; i < v->entry->output_count; i++) {
        if (take_one(v, i, &out[i])) {
            tighten(&out[i].t, v->entry->outputs[i].loose);
            continue;
        }
        free(out[i].t.data);
        out[i] = (tensor_value){0};
        return tensor_fail(error, "output '%s' would have fewer elements than none, or more than "
                           "there is memory for", v->entry->outputs[i].name);
    }
    return true;
}

/* The strings of a dense output are not freed: they belong to the model or to the
 * inputs. */
static void free_output(invoke *v, int32_t i)
{
    const struct ingot_value_info *o = &v->entry->outputs[i];

    if (o->form != INGOT_DENSE)
        tensor_value_free(&v->held[i]);
    else
        free(o->late ? v->outputs[i].data : v->held[i].t.data);
}

/* Also after a prepare that failed half-way: what is null has not been made. */
void invoke_free(invoke *v)
{
    for (int32_t i = 0; v->outputs && v->held && i < v->entry->output_count; i++)
        free_output(v, i);
    free(v->dims);
    free(v->inputs);
    free(v->outputs);
    free(v->held);
    free(v->extents);
    free(v->workspace);
    *v = (invoke){0};
}
