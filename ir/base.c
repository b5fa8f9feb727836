/* ir/base.c - arenas, vectors, text, hashing.
 *
 * Memory that cannot be had ends the compiler here, in or_exit, so no caller tests
 * for null.  What the compiler keeps lies in arenas and is freed with them in one
 * go; vectors, maps and texts, which grow, are the only things with a free of their
 * own. */
#include "base.h"

#include <stdlib.h>

_Noreturn void ice(const char *file, int line, const char *func,
                   const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "ingot: internal error at %s:%d in %s: ", file, line, func);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}

void mem_exhausted(void)
{
    fputs("ingot: error: out of memory\n", stderr);
    exit(1);
}

static void *or_exit(void *p)
{
    if (!p)
        mem_exhausted();
    return p;
}

void *mem_alloc(size_t size)
{
    return or_exit(calloc(1, size ? size : 1));
}

void *mem_resize(void *p, size_t size)
{
    return or_exit(realloc(p, size ? size : 1));
}

void mem_free(void *p)
{
    free(p);
}

/* Blocks of an arena, the newest first; only the first is allocated from.  What a
 * block leaves free when a larger one is begun is lost, which doubling keeps below
 * half. */
struct arena_block {
    arena_block *next;
    size_t used, cap;
    _Alignas(16) unsigned char data[];
};

/* Bytes.  A small arena takes one block of 16 kB; the blocks of a large one double
 * up to 1 MB, from where on larger ones would save no time and waste more at the
 * end. */
enum { BLOCK_MIN = 1 << 14, BLOCK_MAX = 1 << 20 };

/* The first block if it has room for `size` bytes, else a new one that has. */
static arena_block *block_for(arena *a, size_t size)
{
    size_t cap = a->head ? a->head->cap * 2 : BLOCK_MIN;

    if (a->head && a->head->cap - a->head->used >= size)
        return a->head;
    cap = cap > BLOCK_MAX ? BLOCK_MAX : cap;
    cap = cap < size ? size : cap;
    arena_block *b = mem_alloc(sizeof *b + cap);
    b->cap = cap;
    b->next = a->head;
    return a->head = b;
}

/* Zeroed, since blocks come from calloc and are never reused: a zeroed struct is a
 * valid empty value everywhere.  Multiples of 16 keep all types aligned, vectors of
 * numbers too. */
void *arena_alloc(arena *a, size_t size)
{
    ICE_IF(size > SIZE_MAX / 2, "allocation of %zu bytes", size);
    size = (size + 15) & ~(size_t)15;
    arena_block *b = block_for(a, size);
    void *p = b->data + b->used;

    b->used += size;
    a->used += size;
    return p;
}

void *arena_copy(arena *a, const void *p, size_t size)
{
    void *q = arena_alloc(a, size);

    if (size)
        memcpy(q, p, size);
    return q;
}

char *arena_strndup(arena *a, const char *s, size_t n)
{
    char *q = arena_alloc(a, n + 1);

    if (n)
        memcpy(q, s, n);
    return q;
}

char *arena_strdup(arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(arena *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *s = arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

void arena_reset(arena *a)
{
    for (arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *a = (arena){0};
}

/* Behind VEC's macros: room for `need` items of `item` bytes.  Doubling makes a
 * push cost constant time on average; new items are zero. */
void vec_reserve(void **at, uint32_t *cap, uint32_t need, size_t item)
{
    if (need <= *cap)
        return;
    uint32_t grown = *cap ? *cap * 2 : 8;
    grown = grown < need ? need : grown;
    char *p = mem_resize(*at, grown * item);
    memset(p + *cap * item, 0, (grown - *cap) * item);
    *at = p;
    *cap = grown;
}

static void text_room(text *t, size_t n)
{
    if (t->len + n + 1 <= t->cap)
        return;
    t->cap = (t->len + n + 1) * 2;
    t->at = mem_resize(t->at, t->cap);
}

void text_addn(text *t, const char *s, size_t n)
{
    text_room(t, n);
    memcpy(t->at + t->len, s, n);
    t->at[t->len += n] = 0;
}

/* Formats twice: once to measure, once into the room for it and the closing zero. */
void text_addv(text *t, const char *fmt, va_list ap)
{
    va_list again;

    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    text_room(t, (size_t)n);
    vsnprintf(t->at + t->len, (size_t)n + 1, fmt, ap);
    t->len += (size_t)n;
}

void text_add(text *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    text_addv(t, fmt, ap);
    va_end(ap);
}

void text_free(text *t)
{
    free(t->at);
    *t = (text){0};
}

/* Eight bytes at a time, the rest filled with zeros.  The length goes into the
 * seed: else texts that differ in trailing zero bytes would be equal.  Only tables
 * in memory depend on the value, never text or artifacts. */
uint64_t hash_bytes(const void *p, size_t n, uint64_t seed)
{
    const unsigned char *s = p;
    uint64_t h = seed ^ (n * 0x9e3779b97f4a7c15u), word;

    for (; n >= 8; s += 8, n -= 8) {
        memcpy(&word, s, 8);
        h = hash_mix(h, word);
    }
    word = 0;
    if (n)
        memcpy(&word, s, n);
    return hash_mix(h, word);
}

uint64_t hash_text(const char *s, uint64_t seed)
{
    return hash_bytes(s, strlen(s), seed);
}

/* The first position from `pos` on that is empty or has this hash.  Different
 * things may have one hash: callers compare what the id stands for and go on with
 * map_next. */
static uint32_t probe(const map *m, uint64_t hash, uint32_t pos)
{
    for (; m->slot[pos].full; pos = (pos + 1) & (m->cap - 1))
        if (m->slot[pos].hash == hash)
            return pos;
    return MAP_NONE;
}

uint32_t map_find(const map *m, uint64_t hash)
{
    return m->cap ? probe(m, hash, (uint32_t)hash & (m->cap - 1)) : MAP_NONE;
}

uint32_t map_next(const map *m, uint64_t hash, uint32_t pos)
{
    return probe(m, hash, (pos + 1) & (m->cap - 1));
}

static void map_put(map *m, uint64_t hash, uint32_t id)
{
    uint32_t pos = (uint32_t)hash & (m->cap - 1);

    while (m->slot[pos].full)
        pos = (pos + 1) & (m->cap - 1);
    m->slot[pos] = (map_slot){hash, id, 1};
}

/* At most half of the slots are full, so that a search meets an empty one soon. */
void map_add(map *m, uint64_t hash, uint32_t id)
{
    if (m->len * 2 >= m->cap) {
        map grown = {.len = m->len, .cap = m->cap ? m->cap * 2 : 64};
        grown.slot = mem_alloc(grown.cap * sizeof *grown.slot);
        for (uint32_t i = 0; i < m->cap; i++)
            if (m->slot[i].full)
                map_put(&grown, m->slot[i].hash, m->slot[i].id);
        mem_free(m->slot);
        *m = grown;
    }
    map_put(m, hash, id);
    m->len++;
}

void map_free(map *m)
{
    mem_free(m->slot);
    *m = (map){0};
}

uint32_t names_find(const names *n, const char *s)
{
    uint64_t h = hash_text(s, 1);

    for (uint32_t p = map_find(&n->map, h); p != MAP_NONE; p = map_next(&n->map, h, p))
        if (!strcmp(n->text.at[map_id(&n->map, p)], s))
            return map_id(&n->map, p);
    return NAMES_NONE;
}

uint32_t names_add(names *n, const char *s)
{
    uint32_t id = names_find(n, s);

    if (id != NAMES_NONE)
        return id;
    vec_push(&n->text, s);
    map_add(&n->map, hash_text(s, 1), n->text.len - 1);
    return n->text.len - 1;
}

void names_free(names *n)
{
    map_free(&n->map);
    vec_free(&n->text);
}

/* Is s like the pattern of n characters? */
static bool is_like(const char *pattern, size_t n, const char *s)
{
    for (; n && *pattern != '*'; pattern++, n--, s++)
        if (*s != *pattern)
            return false;
    if (!n)
        return !*s;
    for (;; s++) {
        if (is_like(pattern + 1, n - 1, s))
            return true;
        if (!*s)
            return false;
    }
}

bool text_matches(const char *patterns, const char *s)
{
    for (size_t n; *patterns; patterns += n + (patterns[n] == ',')) {
        n = strcspn(patterns, ",");
        if (n && is_like(patterns, n, s))
            return true;
    }
    return false;
}
