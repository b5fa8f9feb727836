/* ir/type.c - interned types: equal types are one pointer, so comparing them is
 * comparing pointers. */
#include "type.h"

void type_init(type_table *t, arena *mem, dim_table *dims)
{
    *t = (type_table){.mem = mem, .dims = dims};
}

void type_free(type_table *t)
{
    vec_free(&t->type);
    map_free(&t->map);
}

static uint64_t hash_type(const ir_type *x)
{
    uint64_t h = hash_mix(hash_mix(x->kind, x->dtype), (uint64_t)x->rank);

    h = hash_mix(h, x->elem ? x->elem->id + 1u : 0);
    for (int i = 0; i < x->rank; i++)
        h = hash_mix(h, (uint64_t)x->dim[i].v);
    return h;
}

static bool same(const ir_type *a, const ir_type *b)
{
    return a->kind == b->kind && a->dtype == b->dtype && a->rank == b->rank &&
           a->elem == b->elem &&
           (!a->rank || !memcmp(a->dim, b->dim, (size_t)a->rank * sizeof(ir_dim)));
}

/* Copies x's dims only if the type is new. */
static const ir_type *intern(type_table *t, ir_type x)
{
    uint64_t h = hash_type(&x);

    for (uint32_t p = map_find(&t->map, h); p != MAP_NONE; p = map_next(&t->map, h, p))
        if (same(t->type.at[map_id(&t->map, p)], &x))
            return t->type.at[map_id(&t->map, p)];
    x.id = t->type.len;
    x.dim = arena_copy(t->mem, x.dim, (size_t)x.rank * sizeof(ir_dim));
    const ir_type *kept = arena_copy(t->mem, &x, sizeof x);
    vec_push(&t->type, kept);
    map_add(&t->map, h, x.id);
    return kept;
}

const ir_type *type_tensor(type_table *t, ir_dtype dtype, int rank, const ir_dim *dim)
{
    ICE_IF(rank < 0 || rank > IR_MAX_RANK, "rank %d", rank);
    return intern(t, (ir_type){.kind = TY_TENSOR, .dtype = dtype, .rank = rank, .dim = dim});
}

const ir_type *type_scalar(type_table *t, ir_dtype dtype)
{
    return type_tensor(t, dtype, 0, NULL);
}

const ir_type *type_seq(type_table *t, const ir_type *elem)
{
    return intern(t, (ir_type){.kind = TY_SEQ, .elem = elem});
}

const ir_type *type_opt(type_table *t, const ir_type *elem)
{
    return intern(t, (ir_type){.kind = TY_OPT, .elem = elem});
}

const ir_type *type_never(type_table *t)
{
    return intern(t, (ir_type){.kind = TY_NEVER});
}

const ir_type *type_with_dtype(type_table *t, const ir_type *x, ir_dtype dtype)
{
    return type_tensor(t, dtype, x->rank, x->dim);
}

/* The type with symbols replaced, items of sequences and optionals too. */
const ir_type *type_apply(type_table *t, const dim_subst *s, const ir_type *x)
{
    ir_dim dim[IR_MAX_RANK];
    ir_type y = *x;

    if (x->elem)
        y.elem = type_apply(t, s, x->elem);
    for (int i = 0; i < x->rank; i++)
        dim[i] = dim_apply(t->dims, s, x->dim[i]);
    y.dim = dim;
    return intern(t, y);
}

ir_dim type_count(type_table *t, const ir_type *x)
{
    return dim_product(t->dims, x->dim, x->rank);
}

/* Elements, -1 if the count is not known or so large that sizes in bytes (16 at
 * most for one element) would leave 64 bits. */
int64_t type_count_const(const type_table *t, const ir_type *x)
{
    int64_t n = 1, e;

    for (int i = 0; i < x->rank; i++)
        if (!dim_const(t->dims, x->dim[i], &e) || e < 0)
            return -1;
        else if (e == 0)
            return type_static(t, x) ? 0 : -1;
        else if (!mul_ok(n, e, &n) || n > INT64_MAX / 16)
            return -1;
    return n;
}

bool type_static(const type_table *t, const ir_type *x)
{
    int64_t e;

    for (int i = 0; i < x->rank; i++)
        if (!dim_const(t->dims, x->dim[i], &e))
            return false;
    return true;
}

/* ---- text ------------------------------------------------------------------ */

/* f32[N,3,224,224], i64[] for a scalar, seq<f32[4]>, opt<..>, never. */
void type_print(const type_table *t, const ir_type *x, text *out)
{
    switch (x->kind) {
    case TY_NEVER:
        text_add(out, "never");
        return;
    case TY_SEQ:
    case TY_OPT:
        text_add(out, x->kind == TY_SEQ ? "seq<" : "opt<");
        type_print(t, x->elem, out);
        text_add(out, ">");
        return;
    case TY_TENSOR:
        text_add(out, "%s[", dt_text(x->dtype));
        for (int i = 0; i < x->rank; i++) {
            text_add(out, i ? "," : "");
            dim_print(t->dims, x->dim[i], out);
        }
        text_add(out, "]");
    }
}

static bool parse(type_table *t, const char **s, const ir_type **out, int depth);

/* ('seq<' | 'opt<') type '>' */
static bool parse_wrapped(type_table *t, const char **s, const ir_type **out,
                          int depth, bool seq)
{
    const ir_type *elem;

    *s += 4;
    if (!parse(t, s, &elem, depth + 1) || **s != '>')
        return false;
    ++*s;
    *out = seq ? type_seq(t, elem) : type_opt(t, elem);
    return true;
}

/* DTYPE '[' [dim {',' dim}] ']' */
static bool parse_tensor(type_table *t, const char **s, const ir_type **out)
{
    size_t n = strcspn(*s, "[ ,:>)\n");
    ir_dtype dtype = dt_find(*s, n);
    ir_dim dim[IR_MAX_RANK];
    int rank = 0;

    if (dtype == DT_NONE || (*s)[n] != '[')
        return false;
    *s += n + 1;
    while (**s != ']') {
        if (rank == IR_MAX_RANK || !dim_parse(t->dims, s, &dim[rank++]))
            return false;
        *s += strspn(*s, " ");
        if (**s == ',')
            ++*s;
        else if (**s != ']')
            return false;
    }
    ++*s;
    *out = type_tensor(t, dtype, rank, dim);
    return true;
}

/* type := DTYPE '[' [dim {',' dim}] ']' | 'seq<' type '>' | 'opt<' type '>' | 'never' */
static bool parse(type_table *t, const char **s, const ir_type **out, int depth)
{
    enum { MAX_DEPTH = 32 };

    if (depth > MAX_DEPTH)
        return false;
    *s += strspn(*s, " ");
    if (!strncmp(*s, "seq<", 4) || !strncmp(*s, "opt<", 4))
        return parse_wrapped(t, s, out, depth, **s == 's');
    if (!strncmp(*s, "never", 5)) {
        *s += 5;
        *out = type_never(t);
        return true;
    }
    return parse_tensor(t, s, out);
}

bool type_parse(type_table *t, const char **s, const ir_type **out)
{
    return parse(t, s, out, 0);
}
