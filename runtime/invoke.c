/* runtime/invoke.c - calls of compiled entries with tensors. */
#include "invoke.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bind.h"
#include "tensor_file.h"

enum { LINE = 64, HUGE_PAGE = 2 << 20 };

/* ---- memory ---------------------------------------------------------------------- */

static void *give(void *context, size_t size)
{
    (void)context;
    return size > SIZE_MAX / 2 ? NULL : aligned_alloc(LINE, (size + LINE) & ~(size_t)(LINE - 1));
}

static void take(void *context, void *memory)
{
    (void)context;
    free(memory);
}

/* Large ones stand on huge pages where the system has them: a workspace is
 * walked from end to end in every run. */
static void *get_workspace(size_t size)
{
    if (size < HUGE_PAGE)
        return aligned_alloc(LINE, (size + LINE) & ~(size_t)(LINE - 1));
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t whole = (size + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    void *p = aligned_alloc(HUGE_PAGE, whole);
#ifdef MADV_HUGEPAGE
    if (p)
        madvise(p, whole, MADV_HUGEPAGE);
#endif
    return p;
}

/* ---- preparing -------------------------------------------------------------------- */

const struct ingot_entry *invoke_entry(const struct ingot_model *m)
{
    for (int32_t i = 0; i < m->entry_count; i++)
        if (!strcmp(m->entries[i].name, "main"))
            return &m->entries[i];
    return m->entry_count ? m->entries : NULL;
}

static bool bind_inputs(invoke *v, const tensor_value *in, char *error)
{
    const struct ingot_entry *e = v->entry;

    bind_start(e, v->dims);
    for (int32_t i = 0; i < e->input_count; i++) {
        if (in[i].kind != TENSOR_PLAIN || !in[i].t.data)
            return tensor_fail(error, "input '%s' is no tensor", e->inputs[i].name);
        if (!bind_tensor(e, i, &in[i].t, v->dims, error))
            return false;
        v->inputs[i] = in[i].t.data;
    }
    return true;
}

static bool place_output(invoke *v, int32_t i, int64_t *extents, char *error)
{
    const struct ingot_value_info *o = &v->entry->outputs[i];

    if (o->rank > TENSOR_MAX_RANK)
        return tensor_fail(error, "output '%s' has more than %d axes", o->name, TENSOR_MAX_RANK);
    v->outputs[i].dims = extents;
    if (o->late) {
        v->held[i] = (tensor){.dtype = o->dtype, .rank = o->rank};
        return true;
    }
    if (!tensor_init(&v->held[i], o->dtype, o->rank, extents))
        return tensor_init_failed(&v->held[i], "output", o->name, error);
    v->outputs[i].data = v->held[i].data;
    return true;
}

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

static bool get_states(invoke *v, const struct ingot_model *m, const uint8_t *weights,
                       char *error)
{
    if (!m->state_size)
        return true;
    v->states = m->state_size > SIZE_MAX / 2 ? NULL : get_workspace((size_t)m->state_size);
    if (!v->states)
        return tensor_fail(error, "no memory for %llu bytes of states",
                           (unsigned long long)m->state_size);
    m->init_states(v->states, weights);
    return true;
}

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

static bool get_scratch(invoke *v, const struct ingot_pool *pool, char *error)
{
    size_t size = v->entry->workspace_size(v->dims, pool ? pool->threads : 1);

    if (size == SIZE_MAX)
        return tensor_fail(error, "the inputs are too large: their workspace overflows");
    v->workspace = get_workspace(size);
    v->workspace_size = size;
    return v->workspace || tensor_fail(error, "no memory for a workspace of %zu bytes", size);
}

bool invoke_prepare(invoke *v, const struct ingot_model *m, const struct ingot_entry *e,
                    const uint8_t *weights, const struct ingot_pool *pool, const tensor_value *in,
                    char error[TENSOR_ERROR_SIZE])
{
    *v = (invoke){.entry = e, .allocator = {NULL, give, take}};
    bool ok = get_tables(v, error) && bind_inputs(v, in, error) && place_outputs(v, error) &&
              get_scratch(v, pool, error) && get_states(v, m, weights, error);
    if (!ok) {
        invoke_free(v);
        return false;
    }
    v->call = (struct ingot_call){.inputs = v->inputs, .outputs = v->outputs, .dims = v->dims,
                                  .states = v->states, .weights = weights,
                                  .workspace = v->workspace, .pool = pool};
    return true;
}

/* ---- running ------------------------------------------------------------------------ */

/* Of an earlier run. */
static void drop_late(invoke *v)
{
    for (int32_t i = 0; i < v->entry->output_count; i++)
        if (v->entry->outputs[i].late) {
            free(v->outputs[i].data);
            v->outputs[i].data = NULL;
        }
}

bool invoke_run(invoke *v, char error[TENSOR_ERROR_SIZE])
{
    static const char *const what[] = {
        [INGOT_CHECK] = "a check of the model failed",
        [INGOT_SHAPE] = "the shapes of the inputs do not fit the model",
        [INGOT_MEMORY] = "no memory for a value whose size depends on data",
        [INGOT_CPU] = "this CPU cannot run the code",
    };

    drop_late(v);
    v->call.allocator = &v->allocator;
    v->call.message = NULL;
    int32_t status = v->entry->run(&v->call);
    if (status == INGOT_OK)
        return true;
    bool known = status > 0 && status <= INGOT_CPU;
    return tensor_fail(error, "%s%s%s", known ? what[status] : "the run failed",
                       v->call.message ? ": " : "", v->call.message ? v->call.message : "");
}

static bool take_one(invoke *v, int32_t i, tensor *t)
{
    int64_t room = v->held[i].count, count = 1;
    bool late = v->entry->outputs[i].late;

    *t = v->held[i];
    t->data = v->outputs[i].data;
    v->held[i].data = v->outputs[i].data = NULL;
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

bool invoke_take(invoke *v, tensor_value *out, char error[TENSOR_ERROR_SIZE])
{
    for (int32_t i = 0; i < v->entry->output_count; i++) {
        out[i] = (tensor_value){.kind = TENSOR_PLAIN};
        if (take_one(v, i, &out[i].t))
            continue;
        free(out[i].t.data);
        out[i].t = (tensor){0};
        return tensor_fail(error, "output '%s' cannot be read", v->entry->outputs[i].name);
    }
    return true;
}

void invoke_free(invoke *v)
{
    if (v->outputs && v->held)
        for (int32_t i = 0; i < v->entry->output_count; i++)
            free(v->entry->outputs[i].late ? v->outputs[i].data : v->held[i].data);
    free(v->dims);
    free(v->inputs);
    free(v->outputs);
    free(v->held);
    free(v->extents);
    free(v->states);
    free(v->workspace);
    *v = (invoke){0};
}
