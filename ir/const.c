/* ir/const.c - the module's table of constants: equal ones are one. */
#include "const.h"

#include "num.h"

/* Bytes.  Hashing all weights of a large model would read the whole file before
 * anything is compiled; two equal big ones are rare, and then only cost memory. */
enum { COMPARED = 1 << 16 };    /* larger data is equal only at the same place */

/* Small data by its content, large data by its address; links by their interned
 * attributes, so by pointer. */
static uint64_t hash_const(const ir_const *k)
{
    bool by_content = k->size <= COMPARED;
    uint64_t h = hash_mix(hash_mix(k->source, k->type->id), k->source_type->id);

    h = by_content ? hash_bytes(k->data, k->size, h) : hash_mix(h, (uint64_t)(uintptr_t)k->data);
    for (uint32_t i = 0; i < k->links; i++) {
        h = hash_mix(hash_mix(h, k->link[i].op), (uint64_t)(uintptr_t)k->link[i].attr);
        h = hash_mix(hash_mix(h, k->link[i].other), k->link[i].type->id);
    }
    return h;
}

static bool same_links(const ir_const *a, const ir_const *b)
{
    if (a->links != b->links)
        return false;
    for (uint32_t i = 0; i < a->links; i++)
        if (a->link[i].op != b->link[i].op || a->link[i].attr != b->link[i].attr ||
            a->link[i].other != b->link[i].other || a->link[i].type != b->link[i].type)
            return false;
    return true;
}

static bool same_const(const ir_const *a, const ir_const *b)
{
    return a->type == b->type && a->source == b->source && a->source_type == b->source_type &&
           a->size == b->size && same_links(a, b) &&
           (a->data == b->data || (a->size <= COMPARED && !memcmp(a->data, b->data, a->size)));
}

static uint64_t link_cost(const ir_module *m, const ir_link *l)
{
    return ir_op_get(l->op)->nin == 2 ? 1 + (uint64_t)m->consts.at[l->other].cost : 1;
}

static uint32_t cost_of(const ir_module *m, const ir_const *k)
{
    uint64_t cost = 1;

    for (uint32_t i = 0; i < k->links; i++)
        cost += link_cost(m, &k->link[i]);
    return cost < UINT32_MAX ? (uint32_t)cost : UINT32_MAX;
}

/* Adds k unless there is an equal one; `copy`: its data is the caller's. */
static uint32_t intern(ir_module *m, ir_const k, bool copy)
{
    k.hash = hash_const(&k);
    for (uint32_t p = map_find(&m->const_map, k.hash); p != MAP_NONE;
         p = map_next(&m->const_map, k.hash, p))
        if (same_const(&m->consts.at[map_id(&m->const_map, p)], &k))
            return map_id(&m->const_map, p);
    if (copy)
        k.data = arena_copy(&m->mem, k.data, k.size);
    k.link = arena_copy(&m->mem, k.link, k.links * sizeof *k.link);
    k.cost = cost_of(m, &k);
    uint32_t id = m->consts.len;
    vec_push(&m->consts, k);
    map_add(&m->const_map, k.hash, id);
    return id;
}

static uint32_t add_bytes(ir_module *m, const ir_type *type, const void *data, size_t size,
                          bool copy)
{
    int64_t need = num_packed_size(type->dtype, type_count_const(&m->types, type));

    ICE_IF(need < 0 || (uint64_t)need > size, "constant data of %zu bytes is too short", size);
    return intern(m, (ir_const){.type = type, .source = SRC_BYTES, .source_type = type,
                                .data = data, .size = (size_t)need}, copy);
}

uint32_t const_bytes(ir_module *m, const ir_type *type, const void *data, size_t size)
{
    return add_bytes(m, type, data, size, false);
}

uint32_t const_copy(ir_module *m, const ir_type *type, const void *data, size_t size)
{
    return add_bytes(m, type, data, size, true);
}

/* `elements` as the evaluator has them, a byte each for types below a byte; a
 * constant holds them as a file does, packed. */
uint32_t const_copy_val(ir_module *m, const ir_type *type, const void *elements)
{
    int64_t n = type_count_const(&m->types, type);
    int64_t size = num_packed_size(type->dtype, n);

    ICE_IF(size < 0, "a constant without a known size");
    if (dt_bits(type->dtype) >= 8)
        return const_copy(m, type, elements, (size_t)size);
    uint8_t *packed = mem_alloc((size_t)size);
    for (int64_t i = 0; i < n; i++)
        num_pack(type->dtype, packed, i, (const uint8_t *)elements + i);
    uint32_t id = const_copy(m, type, packed, (size_t)size);
    mem_free(packed);
    return id;
}

uint32_t const_splat(ir_module *m, const ir_type *type, const void *element)
{
    return intern(m, (ir_const){.type = type, .source = SRC_SPLAT, .source_type = type,
                                .data = element, .size = (size_t)dt_size(type->dtype)}, true);
}

uint32_t const_int(ir_module *m, const ir_type *type, int64_t value)
{
    uint8_t element[16] = {0};

    if (dt_is_float(type->dtype))
        num_store_flt(type->dtype, element, (double)value);
    else
        num_store_int(type->dtype, element, value);
    return const_splat(m, type, element);
}

uint32_t const_float(ir_module *m, const ir_type *type, double value)
{
    uint8_t element[16] = {0};

    if (dt_is_float(type->dtype))
        num_store_flt(type->dtype, element, value);
    else
        num_cast(DT_F64, &value, type->dtype, element, (num_mode){0});
    return const_splat(m, type, element);
}

/* ---- links ------------------------------------------------------------------------ */

/* A number repeated stays that number under any movement: only the type changes,
 * and no link is needed. */
static uint32_t moved_splat(ir_module *m, const ir_const *k, const ir_type *type)
{
    ir_const s = *k;

    s.name = NULL;
    s.type = s.source_type = type;
    return intern(m, s, false);
}

static uint32_t cast_splat(ir_module *m, const ir_const *k, const ir_link *l)
{
    uint8_t element[16] = {0};
    num_mode mode = {l->attr->CAST.saturate, (num_rounding)l->attr->CAST.rounding};

    num_cast(k->type->dtype, k->data, l->type->dtype, element, mode);
    return const_splat(m, l->type, element);
}

/* The constant with one link more.  Reshapes in a row become one, and one that gives back the
 * type it began with is none. */
static uint32_t appended(ir_module *m, const ir_const *k, ir_link link)
{
    uint32_t keep = k->links;
    ir_const n = *k;

    if (link.op == OP_RESHAPE && keep && k->link[keep - 1].op == OP_RESHAPE)
        keep--;
    const ir_type *below = keep ? k->link[keep - 1].type : k->source_type;
    ir_link *l = mem_alloc((keep + 1) * sizeof *l);
    if (keep)
        memcpy(l, k->link, keep * sizeof *l);
    n.name = NULL;
    n.type = link.type;
    n.link = l;
    n.links = keep;
    if (link.op != OP_RESHAPE || link.type != below)    /* else: back as it was */
        l[n.links++] = link;
    uint32_t id = intern(m, n, false);
    mem_free(l);
    return id;
}

bool const_can_link(const ir_module *m, uint32_t c, ir_link link)
{
    return m->consts.at[c].cost + link_cost(m, &link) <= CONST_MAX_COST;
}

/* What would lengthen the chain for nothing is done at once: a reshape to the same
 * type, movement and casts of one repeated number. */
uint32_t const_linked(ir_module *m, uint32_t c, ir_link link)
{
    ir_const k = m->consts.at[c];
    bool splat = k.source == SRC_SPLAT && !k.links;

    if (link.op == OP_RESHAPE && link.type == k.type)
        return c;
    if (splat && ir_op_moves(link.op))
        return moved_splat(m, &k, link.type);
    if (splat && link.op == OP_CAST)
        return cast_splat(m, &k, &link);
    return appended(m, &k, link);
}

uint32_t const_below(ir_module *m, uint32_t c)
{
    ir_const k = m->consts.at[c];

    ICE_IF(!k.links, "a constant without links");
    k.name = NULL;
    k.links--;
    k.type = k.links ? k.link[k.links - 1].type : k.source_type;
    return intern(m, k, false);
}

bool const_is_splat(const ir_module *m, uint32_t c, void *element)
{
    const ir_const *k = &m->consts.at[c];
    int64_t n = type_count_const(&m->types, k->type);

    if (k->source == SRC_SPLAT && !k->links)
        memcpy(element, k->data, (size_t)dt_size(k->type->dtype));
    else if (n == 1)
        const_read(m, c, 0, 1, element);
    else
        return false;
    return true;
}

int64_t const_bytes_of(const ir_module *m, uint32_t c)
{
    int64_t n = type_count_const(&m->types, m->consts.at[c].type), size;

    return n >= 0 && mul_ok(n, (int64_t)dt_size(m->consts.at[c].type->dtype), &size) ? size : -1;
}
