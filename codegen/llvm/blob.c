/* codegen/llvm/blob.c - the weights: constants one behind the other, each at a
 * multiple of a cache line, streamed from their chains. */
#include "artifact_emit.h"

#include "const.h"

enum { LINE = 64, CHUNK = 1 << 16 };

static uint64_t whole_lines(uint64_t size)
{
    return (size + LINE - 1) & ~(uint64_t)(LINE - 1);
}

static void place_const(artifact *a, uint32_t c)
{
    if (a->offset[c] != UINT64_MAX || a->weights_size > a->max_weights)
        return;
    a->offset[c] = a->weights_size;
    a->weights_size += whole_lines((uint64_t)const_bytes_of(a->m, c));
    vec_push(&a->order, c);
}

/* False if their bytes go beyond a quarter of the address space. */
static bool place_states(artifact *a)
{
    ir_module *m = a->m;

    a->state_offset = mem_alloc((m->state.len + 1) * sizeof *a->state_offset);
    for (uint32_t i = 0; i < m->state.len; i++) {
        const ir_state *s = &m->state.at[i];
        int64_t n = type_count_const(&m->types, s->type);
        const int64_t most = INT64_MAX / 4;
        if (n < 0 || n > most / dt_size(s->type->dtype) || a->state_size > (uint64_t)most)
            return false;
        a->state_offset[i] = a->state_size;
        a->state_size += whole_lines((uint64_t)n * (uint64_t)dt_size(s->type->dtype));
        if (s->init != IR_NONE)
            place_const(a, s->init);
    }
    return true;
}

bool artifact_place(artifact *a, diag *d)
{
    a->offsets = a->m->consts.len;
    a->offset = mem_alloc((a->offsets + 1) * sizeof *a->offset);
    memset(a->offset, 0xff, (a->offsets + 1) * sizeof *a->offset);
    for (uint32_t i = 0; i < a->p->entry.len; i++) {
        const plan_entry *e = a->p->entry.at[i];
        for (uint32_t v = 0; v < e->value.len; v++)
            if (e->value.at[v].place == PLACE_CONST)
                place_const(a, e->value.at[v].of);
    }
    if (!place_states(a))
        return diag_error(d, (ir_loc){0}, D_SIZE, "the model", "the bytes of its states");
    return a->weights_size <= a->max_weights ||
           diag_error(d, (ir_loc){0}, D_BUDGET, "the model", "the size of its weights",
                      (long long)a->max_weights);
}

void artifact_free(artifact *a)
{
    mem_free(a->offset);
    mem_free(a->state_offset);
    vec_free(&a->order);
}

static bool write_const(const artifact *a, uint32_t c, uint8_t *buffer, artifact_put *put, void *cx)
{
    const ir_type *t = a->m->consts.at[c].type;
    int64_t n = type_count_const(&a->m->types, t), size = dt_size(t->dtype);

    for (int64_t i = 0; i < n; i += CHUNK) {
        int64_t part = min_i64(CHUNK, n - i);
        uint64_t bytes = (uint64_t)(part * size), lines = whole_lines(bytes);
        const_read(a->m, c, i, part, buffer);
        memset(buffer + bytes, 0, lines - bytes);
        if (!put(cx, buffer, lines))
            return false;
    }
    return true;
}

bool artifact_write_weights(const artifact *a, artifact_put *put, void *cx)
{
    uint8_t *buffer = mem_alloc(CHUNK * 16 + LINE);
    bool ok = true;

    for (uint32_t i = 0; i < a->order.len && ok; i++)
        ok = write_const(a, a->order.at[i], buffer, put, cx);
    mem_free(buffer);
    return ok;
}
