/* ir/attr.c - field tables of the typed attributes, and the table in which equal
 * ones are one.
 *
 * A row of attr.def, say ATTR(CONCAT, FIELD(..axis..)), becomes the struct
 * ir_attr_CONCAT (attr.h) and here the list {"axis", AK_int, offset}. All that is
 * done with attributes in general - hashing, comparing, copying, renaming dims,
 * printing and parsing (attr_text.c) - walks that list, so a new attribute is a row
 * and nothing else. */
#include "ir.h"

const char *const ir_redop_text[] = {"sum", "prod", "min", "max", "and", "or", "set"};

#define FIELD(op, kind, name) {#name, AK_##kind, offsetof(struct ir_attr_##op, name)},
#define ATTR(op, fields) static const ir_field fields_##op[] = {fields {NULL, 0, 0}};
#include "attr.def"
#undef FIELD

static const ir_field *const table[OP_COUNT] = {
#define ATTR(op, fields) [OP_##op] = fields_##op,
#include "attr.def"
};

const ir_field *ir_fields(uint32_t op)
{
    return op < OP_COUNT ? table[op] : NULL;
}

/* ---- interning -------------------------------------------------------------- */

static const void *field_at(const union ir_attr *a, const ir_field *f)
{
    return (const char *)a + f->offset;
}

/* Mixes a field's content into h: lists and texts by what they hold, not where they lie. */
static uint64_t hash_field(uint64_t h, const union ir_attr *a, const ir_field *f)
{
    const void *p = field_at(a, f);

    switch (f->kind) {
    case AK_int: return hash_mix(h, (uint64_t)*(const int64_t *)p);
    case AK_bool: return hash_mix(h, *(const bool *)p);
    case AK_dim: return hash_mix(h, (uint64_t)((const ir_dim *)p)->v);
    case AK_dims: {
        const ir_dims *l = p;
        return hash_bytes(l->at, (size_t)l->n * sizeof *l->at, h);
    }
    case AK_ints: {
        const ir_ints *l = p;
        return hash_bytes(l->at, (size_t)l->n * sizeof *l->at, h);
    }
    case AK_dtype: return hash_mix(h, *(const ir_dtype *)p);
    case AK_redop: return hash_mix(h, *(const ir_redop *)p);
    case AK_str: {
        const char *s = *(const char *const *)p;
        return s ? hash_text(s, h) : h;
    }
    case AK_fn: return hash_mix(h, (uint64_t)(uintptr_t)*(struct ir_fn *const *)p);
    case AK_cid:
    case AK_sym: return hash_mix(h, *(const uint32_t *)p);
    }
    return h;
}

static bool same_list(int32_t n, const void *a, int32_t m, const void *b, size_t item)
{
    return n == m && (!n || !memcmp(a, b, (size_t)n * item));
}

/* Compares content, as hash_field sees it. */
static bool same_field(const union ir_attr *a, const union ir_attr *b, const ir_field *f)
{
    const void *p = field_at(a, f), *q = field_at(b, f);

    switch (f->kind) {
    case AK_int: return *(const int64_t *)p == *(const int64_t *)q;
    case AK_bool: return *(const bool *)p == *(const bool *)q;
    case AK_dim: return ((const ir_dim *)p)->v == ((const ir_dim *)q)->v;
    case AK_dims: {
        const ir_dims *l = p, *r = q;
        return same_list(l->n, l->at, r->n, r->at, sizeof *l->at);
    }
    case AK_ints: {
        const ir_ints *l = p, *r = q;
        return same_list(l->n, l->at, r->n, r->at, sizeof *l->at);
    }
    case AK_dtype: return *(const ir_dtype *)p == *(const ir_dtype *)q;
    case AK_redop: return *(const ir_redop *)p == *(const ir_redop *)q;
    case AK_str: {
        const char *s = *(const char *const *)p, *t = *(const char *const *)q;
        return s == t || (s && t && !strcmp(s, t));
    }
    case AK_fn: return *(struct ir_fn *const *)p == *(struct ir_fn *const *)q;
    case AK_cid:
    case AK_sym: return *(const uint32_t *)p == *(const uint32_t *)q;
    }
    return false;
}

static size_t size_of_op(unsigned op)
{
    switch (op) {
#define FIELD(op, kind, name)
#define ATTR(op, fields) case OP_##op: return sizeof(struct ir_attr_##op);
#include "attr.def"
#undef FIELD
    default: return 0;
    }
}

/* Copies a list or text to the module: the caller's lies on a stack, mostly. */
static void own_lists(ir_module *m, union ir_attr *a, const ir_field *f)
{
    void *p = (char *)a + f->offset;

    if (f->kind == AK_dims) {
        ir_dims *l = p;
        l->at = arena_copy(&m->mem, l->at, (size_t)l->n * sizeof *l->at);
    } else if (f->kind == AK_ints) {
        ir_ints *l = p;
        l->at = arena_copy(&m->mem, l->at, (size_t)l->n * sizeof *l->at);
    } else if (f->kind == AK_str && *(const char **)p) {
        *(const char **)p = arena_strdup(&m->mem, *(const char **)p);
    }
}

/* The list itself; one that was left out has n times this number. */
static ir_dims or_all(ir_dims list, int n, int64_t number, ir_dim *room)
{
    if (list.n)
        return list;
    for (int i = 0; i < n; i++)
        room[i] = (ir_dim){number};
    return (ir_dims){n, room};
}

/* What may be left out is written, so that readers find it: strides and borders of all
 * spatial axes.  `room` has five lists. */
static void complete(unsigned op, union ir_attr *a, ir_dim room[][IR_MAX_RANK])
{
    struct ir_attr_CONV *c = &a->CONV;

    if (op != OP_CONV || c->xs.n > IR_MAX_RANK)
        return;
    c->stride = or_all(c->stride, c->xs.n, 1, room[0]);
    c->low = or_all(c->low, c->xs.n, 0, room[1]);
    c->high = or_all(c->high, c->xs.n, 0, room[2]);
    c->ldil = or_all(c->ldil, c->xs.n, 1, room[3]);
    c->rdil = or_all(c->rdil, c->xs.n, 1, room[4]);
}

/* The attributes in the module that equal these, or a copy that the module owns.
 * Because equal attributes are one, nodes are compared by pointer when they are
 * shared. */
static const union ir_attr *intern(ir_module *m, unsigned op, const union ir_attr *a)
{
    const ir_field *fields = ir_fields(op), *f;
    uint64_t h = op;

    for (f = fields; f->name; f++)
        h = hash_field(h, a, f);
    for (uint32_t p = map_find(&m->attr_map, h); p != MAP_NONE; p = map_next(&m->attr_map, h, p)) {
        const union ir_attr *old = m->attrs.at[map_id(&m->attr_map, p)].attr;
        if (m->attrs.at[map_id(&m->attr_map, p)].op != op)
            continue;
        for (f = fields; f->name && same_field(old, a, f); f++)
            ;
        if (!f->name)
            return old;
    }
    union ir_attr *kept = arena_alloc(&m->mem, sizeof *kept);
    memcpy(kept, a, size_of_op(op));
    for (f = fields; f->name; f++)
        own_lists(m, kept, f);
    vec_push(&m->attrs, (ir_attr_entry){op, kept});
    map_add(&m->attr_map, h, m->attrs.len - 1);
    return kept;
}

const union ir_attr *ir_attr_intern(ir_module *m, unsigned op, const union ir_attr *a)
{
    ir_dim room[5][IR_MAX_RANK];
    union ir_attr whole;

    if (!ir_fields(op))
        return NULL;
    memcpy(&whole, a, size_of_op(op));
    complete(op, &whole, room);
    return intern(m, op, &whole);
}

/* The symbol that a node defines, where another symbol takes its place. */
static void rename_symbol(const ir_module *m, const dim_subst *s, uint32_t *id)
{
    uint32_t by = *id < s->n && s->given[*id] ? dim_symbol_id(&m->dims, s->to[*id]) : NAMES_NONE;

    if (by != NAMES_NONE)
        *id = by;
}

/* A list of dims is written to new memory even where nothing changes: the old one
 * belongs to the interned attributes, which other nodes hold.  Interning drops the
 * copy if it is equal. */
const union ir_attr *ir_attr_apply(ir_module *m, unsigned op,
                                   const union ir_attr *a, const dim_subst *s)
{
    const ir_field *fields = ir_fields(op);
    union ir_attr copy = {0};

    if (!fields)
        return NULL;
    memcpy(&copy, a, size_of_op(op));
    for (const ir_field *f = fields; f->name; f++) {
        void *p = (char *)&copy + f->offset;
        if (f->kind == AK_dim)
            *(ir_dim *)p = dim_apply(&m->dims, s, *(ir_dim *)p);
        if (f->kind == AK_sym)
            rename_symbol(m, s, p);
        if (f->kind != AK_dims)
            continue;
        ir_dims *l = p;
        ir_dim *to = arena_array(&m->mem, ir_dim, l->n);
        for (int i = 0; i < l->n; i++)
            to[i] = dim_apply(&m->dims, s, l->at[i]);
        l->at = to;
    }
    return ir_attr_intern(m, op, &copy);
}
