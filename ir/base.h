/* ir/base.h - what every folder stands on: arenas, vectors, hashing, text
 * buffers, and the two ways to stop (out of memory, internal error). */
#ifndef INGOT_BASE_H
#define INGOT_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Aborts with the place when `cond` holds: a bug of ours, never of the input. */
#define ICE_IF(cond, ...)                                                      \
    do {                                                                       \
        if (cond)                                                              \
            ice(__FILE__, __LINE__, __func__, __VA_ARGS__);                    \
    } while (0)
_Noreturn void ice(const char *file, int line, const char *func,
                   const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Ends the program with exit code 1: memory is out. */
_Noreturn void mem_exhausted(void);
/* malloc that does so. */
void *mem_alloc(size_t size);            /* zeroed */
void *mem_resize(void *p, size_t size);
void mem_free(void *p);

/* A region allocator: memory is zeroed, freed all at once. */
typedef struct arena_block arena_block;
typedef struct arena {
    arena_block *head;
    size_t used;                         /* bytes handed out in all */
} arena;
void *arena_alloc(arena *a, size_t size);      /* 16-byte aligned, zeroed */
void *arena_copy(arena *a, const void *p, size_t size);
char *arena_strdup(arena *a, const char *s);
char *arena_strndup(arena *a, const char *s, size_t n);
char *arena_printf(arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
void arena_reset(arena *a);              /* frees all blocks */
#define arena_new(a, T) ((T *)arena_alloc(a, sizeof(T)))
#define arena_array(a, T, n) ((T *)arena_alloc(a, sizeof(T) * (size_t)(n)))

/* A growable array on the heap: VEC(int) v = {0}; vec_push(&v, 3); v.at[0];
 * vec_free(&v). */
#define VEC(T)                                                                 \
    struct {                                                                   \
        T *at;                                                                 \
        uint32_t len, cap;                                                     \
    }
#define vec_push(v, ...)                                                       \
    (vec_reserve((void **)&(v)->at, &(v)->cap, (v)->len + 1, sizeof *(v)->at), \
     (v)->at[(v)->len++] = (__VA_ARGS__))
#define vec_resize(v, n)                                                       \
    (vec_reserve((void **)&(v)->at, &(v)->cap, (n), sizeof *(v)->at),          \
     (v)->len = (n))
#define vec_free(v) (mem_free((v)->at), (v)->at = NULL, (v)->len = (v)->cap = 0)
void vec_reserve(void **at, uint32_t *cap, uint32_t need, size_t item); /* new part zeroed */

/* Growing text, always terminated. */
typedef struct text {
    char *at;
    size_t len, cap;
} text;
void text_add(text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_addv(text *t, const char *fmt, va_list ap);
void text_addn(text *t, const char *s, size_t n);
void text_free(text *t);

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);
uint64_t hash_text(const char *s, uint64_t seed);       /* its length counts, as of bytes */
static inline uint64_t hash_mix(uint64_t h, uint64_t v)
{
    h ^= v + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
    h *= 0xff51afd7ed558ccdu;
    return h ^ (h >> 32);
}

/* Open-addressing map from a 64-bit hash to 32-bit ids; the caller compares
 * candidates: for (it = map_find(m, h); it != MAP_NONE; it = map_next(m, h, it))
 * gives positions, map_id(m, it) the id. */
typedef struct map_slot {
    uint64_t hash;
    uint32_t id;
    uint32_t full;
} map_slot;
typedef struct map {
    map_slot *slot;
    uint32_t len, cap;
} map;
#define MAP_NONE UINT32_MAX
uint32_t map_find(const map *m, uint64_t hash);
uint32_t map_next(const map *m, uint64_t hash, uint32_t pos);
#define map_id(m, pos) ((m)->slot[pos].id)
void map_add(map *m, uint64_t hash, uint32_t id);
void map_free(map *m);

/* String to id, for names. */
typedef struct names {
    map map;
    VEC(const char *) text;              /* by id; owned by the caller's arena */
} names;
#define NAMES_NONE UINT32_MAX
uint32_t names_find(const names *n, const char *s);
uint32_t names_add(names *n, const char *s);   /* id of s, added if new */
void names_free(names *n);

/* Is s like one of the patterns, which commas separate?  `*` stands for any characters:
 * "layer1.*,fc.weight". */
bool text_matches(const char *patterns, const char *s);

/* Checked size arithmetic: false on overflow. */
#define mul_ok(a, b, out) (!__builtin_mul_overflow((a), (b), (out)))
#define add_ok(a, b, out) (!__builtin_add_overflow((a), (b), (out)))

#define COUNT(array) (sizeof(array) / sizeof *(array))
static inline int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
/* The greatest common divisor; of 0 and a number, that number. */
static inline int64_t gcd_i64(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a < 0 ? -a : a;
}
/* Division that rounds down; by 0 both are 0, and least / -1 wraps. */
static inline int64_t floor_div_i64(int64_t a, int64_t b)
{
    if (b == 0)
        return 0;
    if (b == -1)
        return a == INT64_MIN ? a : -a;
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static inline int64_t floor_mod_i64(int64_t a, int64_t b)
{
    if (b == 0 || b == -1)
        return 0;
    int64_t m = a % b;
    return m && (m < 0) != (b < 0) ? m + b : m;
}

#endif
