/* ir/dim.h - dims: extents and positions, known or symbolic.
 *
 * A dim is a constant or an interned canonical expression:
 *   dim  := const | polynomial: sum of coef * product of atoms
 *   atom := symbol | floordiv | mod | min | max | select | eq | lt | le
 * Equal dims have the same handle; different handles are "not known equal".
 * Division and modulo round down (floor); by zero they give 0, but a quotient
 * that is known to be exact, N*M / N, is simplified as if N were not 0.
 *
 * A constant that would pass 64 bits, or an expression over the bounds of
 * dim.c, makes the table's `overflow` true and the dim 0; the caller reports
 * and clears it (the builder does after every node).  Questions (dim_differ,
 * dim_eq ..) never set it.  That a symbol is a multiple of k is said by putting
 * k times another symbol in its place. */
#ifndef INGOT_DIM_H
#define INGOT_DIM_H

#include "base.h"

typedef struct ir_dim {
    int64_t v; /* >= 0: the constant itself; < 0: ~index into the table */
} ir_dim;

typedef struct ir_dims {
    int32_t n;
    const ir_dim *at;
} ir_dims;

typedef enum dim_op {
    DIM_CONST, DIM_POLY, DIM_SYM, DIM_DIV, DIM_MOD, DIM_MIN, DIM_MAX,
    DIM_SELECT, /* a ? b : c */
    DIM_EQ, DIM_LT, DIM_LE
} dim_op;

/* Is it a comparison, which is 0 or 1? */
static inline bool dim_is_comparison(dim_op op)
{
    return op == DIM_EQ || op == DIM_LT || op == DIM_LE;
}

typedef struct dim_term {
    int64_t coef;
    uint32_t n;             /* atoms, sorted; a repeated atom is a power */
    const ir_dim *atom;
} dim_term;

/* An interned expression.  CONST: value (negative ones only); POLY: terms,
 * the constant term (n = 0) first if any; SYM: symbol id; others: arg[]. */
typedef struct dim_expr {
    dim_op op;
    uint32_t n;             /* terms of POLY */
    int64_t value;          /* CONST value, SYM id */
    ir_dim arg[3];
    const dim_term *term;
    int64_t lo, hi;         /* range, inclusive; INT64_MIN/MAX: unbounded */
    uint32_t size;          /* nodes as a tree; bounded, see dim.c */
} dim_expr;

typedef struct dim_symbol {
    const char *name;       /* unique in the table */
    int64_t lo, hi;         /* bounds known when it was made */
    int64_t hint;           /* likely value, for planning; 0: none */
    uint32_t copies;        /* names made from this one by a suffix */
    ir_dim self;
} dim_symbol;

/* All dims of a module.  Constants from 0 on are their own handles; any other is an index into
 * `expr`, where each expression stands once: n + 1 and 1 + n are one. */
typedef struct dim_table {
    arena *mem;
    VEC(dim_expr) expr;
    VEC(dim_symbol) symbol;
    map map;                /* structural hash to index in expr */
    names names;            /* symbol name to symbol id */
    bool overflow;          /* set once a constant overflowed */
} dim_table;

void dim_init(dim_table *t, arena *mem);
void dim_free(dim_table *t);

static inline bool dim_same(ir_dim a, ir_dim b) { return a.v == b.v; }
ir_dim dim_int(dim_table *t, int64_t value);          /* any constant */
/* A new symbol; `name` is made unique by a suffix _2, _3.. if it is taken. */
ir_dim dim_symbol_new(dim_table *t, const char *name, int64_t lo, int64_t hi);
/* Tighter bounds; only before any expression of it is made. */
void dim_symbol_bound(dim_table *t, uint32_t id, int64_t lo, int64_t hi, int64_t hint);
uint32_t dim_symbol_id(const dim_table *t, ir_dim d); /* NAMES_NONE if d is no symbol */
/* "'N' must be from 1 to 64": which extents a symbol may have. */
void dim_print_bounds(const dim_symbol *d, text *out);
ir_dim dim_symbol_named(const dim_table *t, const char *name, bool *found);

bool dim_const(const dim_table *t, ir_dim d, int64_t *value); /* true: a constant */
bool dim_is(const dim_table *t, ir_dim d, int64_t value);     /* known to be value */
int64_t dim_lo(const dim_table *t, ir_dim d);
int64_t dim_hi(const dim_table *t, ir_dim d);
int64_t dim_hint(const dim_table *t, ir_dim d); /* value with hints for symbols (default 16) */
const dim_expr *dim_get(const dim_table *t, ir_dim d); /* null for constants >= 0 */

ir_dim dim_add(dim_table *t, ir_dim a, ir_dim b);
ir_dim dim_sub(dim_table *t, ir_dim a, ir_dim b);
ir_dim dim_neg(dim_table *t, ir_dim a);
ir_dim dim_mul(dim_table *t, ir_dim a, ir_dim b);
ir_dim dim_div(dim_table *t, ir_dim a, ir_dim b);     /* floor */
ir_dim dim_ceildiv(dim_table *t, ir_dim a, ir_dim b);
ir_dim dim_mod(dim_table *t, ir_dim a, ir_dim b);     /* sign of b */
ir_dim dim_min(dim_table *t, ir_dim a, ir_dim b);
ir_dim dim_max(dim_table *t, ir_dim a, ir_dim b);
ir_dim dim_eq(dim_table *t, ir_dim a, ir_dim b);      /* 1 or 0 */
ir_dim dim_lt(dim_table *t, ir_dim a, ir_dim b);
ir_dim dim_le(dim_table *t, ir_dim a, ir_dim b);
ir_dim dim_select(dim_table *t, ir_dim c, ir_dim a, ir_dim b);
/* The operator on its operands (none of CONST, POLY, SYM). */
ir_dim dim_make(dim_table *t, dim_op op, const ir_dim *arg);
ir_dim dim_product(dim_table *t, const ir_dim *d, int n);
/* True if b divides a for certain; *quotient = a / b. */
bool dim_divides(dim_table *t, ir_dim b, ir_dim a, ir_dim *quotient);
/* True if known: a == b (same handle), a != b (ranges or difference apart). */
bool dim_differ(dim_table *t, ir_dim a, ir_dim b);
/* Known that a == b only where symbols are 0, as L and 4*L are? */
bool dim_equal_empty(dim_table *t, ir_dim a, ir_dim b);

/* Calls visit for every symbol that d mentions, perhaps more than once. */
typedef void dim_visit(void *cx, uint32_t symbol);
void dim_each_symbol(const dim_table *t, ir_dim d, dim_visit *visit, void *cx);

/* Replaces symbols: to[id] where given[id]; others stay. */
typedef struct dim_subst {
    const ir_dim *to;
    const bool *given;
    uint32_t n;
} dim_subst;
ir_dim dim_apply(dim_table *t, const dim_subst *s, ir_dim d);

/* Value with value[id] for every symbol; false on overflow. */
bool dim_eval(const dim_table *t, ir_dim d, const int64_t *value, int64_t *out);

/* Text: `3`, `N`, `2*N+1`, `(H+1)/2` (floor), `H%8`, `min(a,b)`, `max(a,b)`,
 * `select(c,a,b)`, `eq(a,b)`.  The parser makes unknown symbols. */
void dim_print(const dim_table *t, ir_dim d, text *out);
/* Parses at *s, moves it behind; false (and *s at the error) if malformed or
 * nested deeper than 200. */
bool dim_parse(dim_table *t, const char **s, ir_dim *out);

#endif
