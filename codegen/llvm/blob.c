/* codegen/llvm/blob.c - the weights: constants one behind the other, each at a
 * multiple of a cache line, streamed from their chains.  image_place gives each
 * constant that a plan reads its offset; image_write_weights reads each chain once,
 * CHUNK elements at a time, so that weights larger than memory can be written. */
#include "image.h"

#include "const.h"

enum { LINE = IMAGE_LINE, CHUNK = 1 << 16 };

static uint64_t whole_lines(uint64_t size)
{
    return (size + LINE - 1) & ~(uint64_t)(LINE - 1);
}

static void place_const(image *im, uint32_t c)
{
    if (im->offset[c] != UINT64_MAX || im->weights_size > im->max_weights)
        return;
    im->offset[c] = im->weights_size;
    im->weights_size += whole_lines((uint64_t)const_bytes_of(im->m, c));
    vec_push(&im->order, c);
}

/* The first values of states are constants among the weights; states themselves
 * have their own block, laid out here too. */
static void place_states(image *im)
{
    ir_module *m = im->m;

    im->state_offset = mem_alloc((m->state.len + 1) * sizeof *im->state_offset);
    for (uint32_t i = 0; i < m->state.len; i++) {
        im->state_offset[i] = im->state_size;
        im->state_size = (uint64_t)ir_state_end(m, i, (int64_t)im->state_size);
        if (m->state.at[i].init != IR_NONE)
            place_const(im, m->state.at[i].init);
    }
}

/* Only constants that some entry reads in memory get a place; those that kernels
 * have as literals do not. */
bool image_place(image *im, diag *d)
{
    if (!im->p->entry.len)
        return diag_error(d, (ir_loc){0}, D_GENERAL, "the model has no entry");
    im->offsets = im->m->consts.len;
    im->offset = mem_alloc((im->offsets + 1) * sizeof *im->offset);
    memset(im->offset, 0xff, (im->offsets + 1) * sizeof *im->offset);
    for (uint32_t i = 0; i < im->p->entry.len; i++) {
        const plan_entry *e = im->p->entry.at[i];
        for (uint32_t k = 0; k < e->input.len; k++)
            if (e->input.at[k].preset != PLAN_NONE)
                place_const(im, e->input.at[k].preset);
        for (uint32_t v = 0; v < e->value.len; v++)
            if (e->value.at[v].place == PLACE_CONST)
                place_const(im, e->value.at[v].of);
    }
    place_states(im);
    return im->weights_size <= im->max_weights ||
           diag_error(d, (ir_loc){0}, D_BUDGET, "the model", "the size of its weights",
                      (long long)im->max_weights);
}

void image_free(image *im)
{
    mem_free(im->offset);
    mem_free(im->state_offset);
    mem_free(im->least);
    mem_free(im->whole_entry);
    mem_free(im->whole);
    vec_free(&im->order);
}

/* Filled with zeros to the end of its last line: artifacts are the same bytes each
 * time. */
static bool write_const(const image *im, uint32_t c, uint8_t *buffer, image_put *put, void *cx)
{
    const ir_type *t = im->m->consts.at[c].type;
    int64_t n = type_count_const(&im->m->types, t), size = dt_size(t->dtype);

    for (int64_t i = 0; i < n; i += CHUNK) {
        int64_t part = min_i64(CHUNK, n - i);
        uint64_t bytes = (uint64_t)(part * size), lines = whole_lines(bytes);
        const_read(im->m, c, i, part, buffer);
        memset(buffer + bytes, 0, lines - bytes);
        if (!put(cx, buffer, lines))
            return false;
    }
    return true;
}

bool image_write_weights(const image *im, image_put *put, void *cx)
{
    uint8_t *buffer = mem_alloc(CHUNK * 16 + LINE);
    bool ok = true;

    for (uint32_t i = 0; i < im->order.len && ok; i++)
        ok = write_const(im, im->order.at[i], buffer, put, cx);
    mem_free(buffer);
    return ok;
}
