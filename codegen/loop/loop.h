/* codegen/loop/loop.h - the loop IR: how a kernel computes.
 *
 * A kernel is scalar statements in annotated loops over buffers.  The body of a
 * `vec` loop is written for one element; the loop's step is the number of lanes to
 * which the emitter widens it.  A buffer in space `reg` lives in registers where its
 * indices are constants, unrolled variables and the vec variable.  Floating-point
 * operations are done in the order of the text.  y[i] = sum over j of x[i, j], with
 * partial sums in 16 lanes that a fold then adds up, is
 *
 *   kernel sum(x: f32[n, 64] in, y: f32[n] out) dims n {
 *     par i in 0..n {
 *       local acc: f32[16] reg = 0:f32
 *       vec exact v in 0..64 step 16 {
 *         acc[v % 16] += x[i, v]
 *       }
 *       s = fold add acc
 *       y[i] = s
 *     }
 *   }
 *
 * Expressions are hash-consed per kernel: equal expressions are equal handles.
 * The builder simplifies index arithmetic (i64) and leaves all other arithmetic as
 * it is.  Misuse of the builder is an internal error; text from outside goes through
 * lp_parse and lp_verify, which report what is wrong. */
#ifndef INGOT_LOOP_H
#define INGOT_LOOP_H

#include "diag.h"
#include "scalar.h"
#include "schedule.h"

enum {
    LP_MAX_RANK = 32,
    LP_MAX_LANES = 64,
    LP_MAX_PAR = 16,             /* variables of the parallel loop */
    LP_LINE = 64                 /* bytes of a line of the cache */
};

#define LP_NAME_CHARS                                                          \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

typedef uint32_t lp_expr;        /* 0: none */
typedef uint32_t lp_buf;         /* 0: none */
typedef uint32_t lp_var;         /* 0: none */

/* LP_IN, LP_FOR, LP_MASKED and so on: the words of words.def. */
typedef enum lp_space {
#define SPACE(NAME, text) LP_##NAME,
#include "words.def"
} lp_space;

typedef enum lp_loop_kind {
#define LOOP(NAME, text) LP_##NAME,
#include "words.def"
} lp_loop_kind;

typedef enum lp_tail {
#define TAIL(NAME, text) LP_##NAME,
#include "words.def"
} lp_tail;

/* How many there are: not in the enums, so that a switch has all cases. */
enum { LP_SPACES = LP_REG + 1, LP_LOOP_KINDS = LP_VEC + 1, LP_TAILS = LP_EXACT + 1 };

extern const char *const lp_space_text[LP_SPACES], *const lp_loop_text[LP_LOOP_KINDS],
    *const lp_tail_text[LP_TAILS];

/* A tensor in memory or in registers.  In `x: f32[n, 32] in` the dims are the
 * expressions n and 32, and element [i, j] lies i * 32 + j elements behind the first. */
typedef struct lp_buffer {
    const char *name;
    ir_dtype dtype;
    lp_space space;
    int32_t rank;
    const lp_expr *dims;         /* rank extents; elements lie row-major */
    lp_buf alias;                /* an earlier parameter whose memory it may be; 0: none */
    bool bytes;                  /* dot4 or dot2 reads it: its elements are bytes that lie
                                    together, anywhere */
} lp_buffer;

typedef enum lp_var_kind { LP_DIM, LP_LOOPVAR, LP_LETVAR } lp_var_kind;

/* A dim, the variable of a loop, or a let, and what is known of its values.  The i of
 * `for i in 0..n step 8`, for a dim n of 1 to 100, has lo 0, hi 99, divisor 8 and
 * limit n. */
typedef struct lp_variable {
    const char *name;
    lp_var_kind kind;
    ir_dtype dtype;              /* I64; of lets and folds that of the value */
    int64_t lo, hi, divisor;     /* bounds and a divisor of all its values */
    lp_expr limit;               /* where lo >= 0: its value is below this; 0: none */
    lp_expr self;                /* the expression that reads it */
    uint8_t open;                /* LP_OPEN bits of a let's value, as in lp_node */
} lp_variable;

typedef enum lp_node_kind {
    LX_NONE,
    LX_LITERAL,                  /* bits */
    LX_VAR,                      /* var */
    LX_LOAD,                     /* buf, args: indices; + condition if guarded */
    LX_SCALAR,                   /* op, args; CAST and BITCAST: to dtype */
    LX_FLOORDIV,                 /* i64: text a / b, rounds down */
    LX_DOT4,                     /* i32 acc + sum of 4 u8*i8 products */
    LX_DOT2,                     /* i32 acc + sum of 2 i16*i8 products */
} lp_node_kind;
enum { LX_KINDS = LX_DOT2 + 1 };

/* Indices never wrap, for extents and offsets fit.  Elements of i64 tensors, and
 * what is computed from them, may, until an index or a number bounds them: they are
 * open on the sides that have no bound. */
enum { LP_OPEN_BELOW = 1, LP_OPEN_ABOVE = 2, LP_OPEN = 3 };

/* An expression: a function of its arguments, and what is known of its value if that
 * is an i64.  i * 8 + 3, for the i above, is the LX_SCALAR with op SC_ADD, of the
 * nodes of i * 8 and of the literal 3, with lo 3, hi 795, divisor 1. */
typedef struct lp_node {
    uint8_t kind, op;            /* lp_node_kind, sc_op */
    uint8_t dtype;               /* ir_dtype */
    bool guarded;                /* of a load: the last arg is its condition */
    uint8_t open;                /* LP_OPEN bits of an i64 on which arithmetic may wrap */
    uint32_t ref;                /* the lp_var or lp_buf that it reads */
    uint32_t arg, narg;          /* its arguments are kernel->arg[arg .. arg + narg) */
    uint64_t bits;               /* of a literal: as in memory; of an i64: the value */
    int64_t lo, hi, divisor;     /* of an i64: lo <= value <= hi, divisor | value */
    uint64_t vars;               /* bit v % 64 is set for each variable v in it */
} lp_node;

typedef enum lp_op {
    LP_LOOP, LP_LOCAL, LP_LET, LP_STORE, LP_IF, LP_FOLD, LP_TRANSPOSE,
    LP_PREFETCH
} lp_op;
enum { LP_OPS = LP_PREFETCH + 1 };

/* A statement; most fields belong to some ops only.  `vec masked v in 0..n step 8` is
 * a LOOP of kind LP_VEC with nvar 1, var v, lo 0, hi n and step 8, whose statements
 * are `body` and then along `next`; `acc[v] max= x[v]` is a STORE to buf acc with idx
 * v, accum SC_MAX and the load x[v] as value. */
typedef struct lp_stmt {
    lp_op op;
    lp_loop_kind kind;           /* LOOP */
    lp_tail tail;                /* LOOP vec */
    sc_op accum;                 /* STORE: NONE or as lp_update; FOLD: the operator */
    uint32_t nvar;               /* LOOP: several only in par */
    const lp_var *var;           /* LOOP; LET, FOLD: the one defined */
    const lp_expr *lo, *hi;      /* LOOP: lo <= var < hi */
    const int64_t *step;         /* LOOP: > 0; vec: lanes */
    lp_buf buf, from;            /* LOCAL, STORE, PREFETCH; FOLD, TRANSPOSE: from */
    const lp_expr *idx, *from_idx;
    lp_expr value;               /* STORE, LET; IF: condition; LOCAL: fill or 0 */
    int32_t size;                /* TRANSPOSE: W of the WxW tile */
    bool stream;                 /* STORE: will not be read soon (past the cache) */
    bool far;                    /* PREFETCH: to the second cache, not the first */
    ir_loc loc;                  /* in the text that it was read from, or will be printed as */
    struct lp_stmt *body, *other, *next;    /* LOOP, IF; else branch; sequence */
} lp_stmt;

typedef struct lp_block lp_block;           /* an open block of the builder */

/* A kernel: tables of its buffers, variables and expressions, which handles count from
 * 1, its parameters, and its statements.  In the kernel `sum` above, param holds the
 * buffers x and y, dim the variable n; acc is a buffer, i, v and s are variables. */
typedef struct lp_kernel {
    const char *name;
    schedule schedule;           /* that its template followed; all 0: none */
    arena mem;
    VEC(lp_buffer) buf;          /* [0] unused */
    VEC(lp_variable) var;        /* [0] unused */
    VEC(lp_node) node;           /* [0] unused */
    VEC(lp_expr) arg;            /* the nodes' arguments; [0] unused */
    VEC(lp_buf) param;           /* the buffers that are parameters, in order */
    VEC(lp_var) dim;             /* i64 parameters in order */
    lp_stmt *body;
    map exprs;                   /* from hashes to nodes */
    names names;                 /* of buffers and variables, and reserved words */
    lp_block *open;              /* builder: innermost open block */
} lp_kernel;

/* Is it an element type that kernels compute with? */
bool lp_computes(ir_dtype d);
/* Has an element the same bits in registers as in memory?  16-bit floats are f32 there, and
 * a bool is a bit. */
static inline bool lp_keeps_bits(ir_dtype d)
{
    return d != DT_F16 && d != DT_BF16 && d != DT_BOOL;
}

/* ---- kernel, parameters ------------------------------------------------ */

/* Parameters may be added at any time, so that a template can ask for one where
 * it first reads it.  Their order is that of the calls, which is part of the
 * kernel's text. */

lp_kernel *lp_kernel_new(const char *name);
void lp_kernel_free(lp_kernel *k);

/* An i64 parameter, a symbolic extent: within bounds, a multiple of the divisor. */
lp_expr lp_dim_range(lp_kernel *k, const char *name, int64_t lo, int64_t hi,
                     int64_t divisor);
/* A buffer parameter; dims (rank of them) over dims and integers only. */
lp_buf lp_param(lp_kernel *k, const char *name, ir_dtype dtype, int rank,
                const lp_expr *dims, lp_space space);
/* Parameter b may be the memory of the earlier parameter `with`: the kernel
 * works in place. */
void lp_set_alias(lp_kernel *k, lp_buf b, lp_buf with);

/* ---- expressions -------------------------------------------------------- */

#define LP(...) ((const lp_expr[]){__VA_ARGS__})     /* an index list */

lp_expr lp_int(lp_kernel *k, int64_t v);                      /* i64 */
lp_expr lp_const_int(lp_kernel *k, ir_dtype d, int64_t v);    /* wrapped */
lp_expr lp_const_flt(lp_kernel *k, ir_dtype d, double v);     /* rounded; ints too */
lp_expr lp_const_bits(lp_kernel *k, ir_dtype d, uint64_t bits);
#define lp_bool(k, v) lp_const_int(k, DT_BOOL, v)

lp_expr lp_load(lp_kernel *k, lp_buf b, const lp_expr *idx);
/* b[idx] where the bool `cond` holds, else 0 of the dtype; then nothing is
 * read and the indices may be out of range. */
lp_expr lp_load_if(lp_kernel *k, lp_buf b, const lp_expr *idx, lp_expr cond);

lp_expr lp_1(lp_kernel *k, sc_op op, lp_expr a);
lp_expr lp_2(lp_kernel *k, sc_op op, lp_expr a, lp_expr b);
lp_expr lp_3(lp_kernel *k, sc_op op, lp_expr a, lp_expr b, lp_expr c);
lp_expr lp_cast(lp_kernel *k, ir_dtype d, lp_expr a);         /* same dtype: a */
lp_expr lp_bitcast(lp_kernel *k, ir_dtype d, lp_expr a);      /* same size */
#define lp_add(k, a, b) lp_2(k, SC_ADD, a, b)
#define lp_sub(k, a, b) lp_2(k, SC_SUB, a, b)
#define lp_mul(k, a, b) lp_2(k, SC_MUL, a, b)
#define lp_min(k, a, b) lp_2(k, SC_MIN, a, b)
#define lp_max(k, a, b) lp_2(k, SC_MAX, a, b)
#define lp_mod(k, a, b) lp_2(k, SC_MOD, a, b)   /* floor modulo: text a % b */
#define lp_lt(k, a, b) lp_2(k, SC_LT, a, b)
#define lp_le(k, a, b) lp_2(k, SC_LE, a, b)
#define lp_eq(k, a, b) lp_2(k, SC_EQ, a, b)
#define lp_and(k, a, b) lp_2(k, SC_AND, a, b)
#define lp_select(k, c, a, b) lp_3(k, SC_SELECT, c, a, b)
#define lp_fma(k, a, b, c) lp_3(k, SC_FMA, a, b, c)
lp_expr lp_div(lp_kernel *k, lp_expr a, lp_expr b);           /* i64, rounds down */
lp_expr lp_ceildiv(lp_kernel *k, lp_expr a, int64_t b);
lp_expr lp_dot4(lp_kernel *k, lp_expr acc, lp_expr u8x4, lp_expr s8x4); /* i32 each */
lp_expr lp_dot2(lp_kernel *k, lp_expr acc, lp_expr s16x2, lp_expr s8x2);  /* i32, i32, i16 */

static inline const lp_node *lp_at(const lp_kernel *k, lp_expr e) { return &k->node.at[e]; }
static inline ir_dtype lp_dtype(const lp_kernel *k, lp_expr e)
{
    return (ir_dtype)lp_at(k, e)->dtype;
}
bool lp_is_int(const lp_kernel *k, lp_expr e, int64_t *v);    /* an i64 literal? */
bool lp_depends(const lp_kernel *k, lp_expr e, lp_var v);
lp_var lp_var_of(const lp_kernel *k, lp_expr e);              /* of an LX_VAR */
/* e = base + stride * v with a stride that does not depend on v, e of i64:
 * gives the stride (an expression, often a literal); false if not linear. */
bool lp_linear_in(lp_kernel *k, lp_expr e, lp_var v, lp_expr *stride);
/* The node e over other operands. */
lp_expr lp_rebuild(lp_kernel *k, lp_expr e, const lp_expr *args);
lp_expr lp_var_expr(lp_kernel *k, lp_var v);

/* ---- statements: appended to the innermost open block -------------------- */

/* Loops return their variable; lp_end closes loop or if.  An unrolled loop of one
 * trip and an `if` of a literal make no statement: the variable is then the
 * literal, and what the text would leave out is dropped. */
lp_expr lp_loop(lp_kernel *k, lp_loop_kind kind, const char *name, lp_expr lo,
                lp_expr hi, int64_t step);
lp_expr lp_vec(lp_kernel *k, const char *name, lp_expr lo, lp_expr hi,
               int lanes, lp_tail tail);
#define lp_for(k, name, lo, hi) lp_loop(k, LP_FOR, name, lo, hi, 1)
lp_expr lp_unroll(lp_kernel *k, const char *name, int64_t n);  /* 0..n */
/* Parallel over the flattened product of n ranges; the outermost loop, one per
 * kernel.  step may be null (all 1); out takes n variables. */
void lp_par(lp_kernel *k, int n, const char *const *names, const lp_expr *lo,
            const lp_expr *hi, const int64_t *step, lp_expr *out);
void lp_if(lp_kernel *k, lp_expr cond);
void lp_else(lp_kernel *k);
void lp_end(lp_kernel *k);

/* A buffer for the rest of the block; filled with `init` unless 0. */
lp_buf lp_local(lp_kernel *k, const char *name, ir_dtype dtype, int rank,
                const lp_expr *dims, lp_space space, lp_expr init);
lp_expr lp_let(lp_kernel *k, const char *name, lp_expr value);
void lp_store(lp_kernel *k, lp_buf b, const lp_expr *idx, lp_expr value);
/* The same, of what no cache will hold until it is read. */
void lp_stream(lp_kernel *k, lp_buf b, const lp_expr *idx, lp_expr value);
/* b[idx] op= value, op in ADD MUL MIN MAX AND OR. */
void lp_update(lp_kernel *k, sc_op op, lp_buf b, const lp_expr *idx, lp_expr value);
/* All elements of a reg buffer, combined in halves: n/2 pairs (i, i + n/2),
 * and so on; n a power of two. */
lp_expr lp_fold(lp_kernel *k, const char *name, sc_op op, lp_buf b);
void lp_prefetch(lp_kernel *k, lp_buf b, const lp_expr *idx);
/* All lines of n elements from b[idx] on along the last axis; far: no nearer than to the second
 * cache, for what is read later than the first one would hold it. */
void lp_prefetch_row(lp_kernel *k, lp_buf b, const lp_expr *idx, int n, bool far);
/* b[idx + (i, j)] = from[from_idx + (j, i)] for i, j < size, on the last two axes; the
 * last of both is contiguous. */
void lp_transpose(lp_kernel *k, lp_buf b, const lp_expr *idx, lp_buf from, const lp_expr *from_idx,
                  int size);

/* ---- facts of a kernel ---------------------------------------------------- */

/* An emitted kernel is `void NAME(void *arg, int64_t begin, int64_t end,
 * int32_t thread)` (ingot_body of ir/abi.h).  arg: 8-byte words: scratch base,
 * scratch bytes per thread, one pointer per buffer parameter, one i64 per dim. */

/* The par loop; null if there is none. */
const lp_stmt *lp_find_par(const lp_kernel *k);
/* Iterations of the par loop, over dims; literal 1 without one. */
lp_expr lp_kernel_trip(lp_kernel *k);
/* Time of one of them, as cost_time tells it, about and at most; INT64_MAX where extents
 * that only the run knows decide. */
int64_t lp_iteration_cost(const lp_kernel *k);
/* Vector and scalar operations of the emitted code, about. */
int64_t lp_text_size(const lp_kernel *k);
/* The same where all loops are written out, element by element; at most `most`. */
int64_t lp_whole_size(const lp_kernel *k, int64_t most);
/* So many iterations, at least 2, are worth that threads begin and end a loop, which
 * takes them fork_ns. */
int64_t lp_least_parallel(const lp_kernel *k, int32_t fork_ns);
/* The same where an iteration takes so long. */
int64_t lp_least_of(int64_t cost, int32_t fork_ns);
/* Bytes of scratch per thread, over dims (a multiple of 64). */
lp_expr lp_kernel_scratch(lp_kernel *k);
/* Value of an i64 expression over dims; values in the order of k->dim. */
int64_t lp_eval_dims(const lp_kernel *k, lp_expr e, const int64_t *values);
/* Which expressions differ between the lanes of the vec loop around them.  In
 * `vec v in 0..n step 8 { let x = a[v]; .. }` v, x and v % 4 do, n and a[n] do not. */
typedef struct lp_lanes {
    const lp_kernel *k;          /* expressions may be added to it */
    bool *var, *buf;             /* by lp_var, lp_buf: a lane's own */
    VEC(uint8_t) expr;           /* what lp_differs remembers */
} lp_lanes;
void lp_lanes_open(lp_lanes *l, const lp_kernel *k);
void lp_lanes_close(lp_lanes *l);
bool lp_differs(lp_lanes *l, lp_expr e);
/* What e loads; false if it is no load.  A copy, for the kernel's own list of indices moves
 * when it grows. */
bool lp_load_of(const lp_kernel *k, lp_expr e, lp_buf *b, lp_expr idx[LP_MAX_RANK]);
/* Offset in elements of b[idx]: the sum of index times stride. */
lp_expr lp_offset(lp_kernel *k, lp_buf b, const lp_expr *idx);
/* Elements between neighbours along the axis. */
lp_expr lp_stride(lp_kernel *k, lp_buf b, int axis);

/* ---- text, checks, evaluation ---------------------------------------------- */

void lp_print(const lp_kernel *k, text *out);
void lp_print_expr(const lp_kernel *k, lp_expr e, text *out);
/* The text without the kernel's name: equal kernels have equal text. */
void lp_print_anonymous(const lp_kernel *k, text *out);
/* Gives the statements the lines that lp_print writes them on, if the kernel's first line is
 * `line`.  The line behind the kernel. */
uint32_t lp_number_lines(lp_kernel *k, uint32_t line);
/* Reads one kernel at *s, which stands at *loc of its file; both end behind it
 * and the space that follows.  Checks names and the form only: lp_verify does
 * the rest.  Null and a message on bad text. */
lp_kernel *lp_parse(const char **s, ir_loc *loc, diag *d);
/* Scoping, dtypes, constant shapes of reg buffers, placement of loops.  False
 * and a message at the first fault. */
bool lp_verify(lp_kernel *k, diag *d);
/* Of a verified kernel: do parallel iterations store different elements?  False
 * and a message, too, where that could not be shown. */
bool lp_disjoint(lp_kernel *k, diag *d);
/* Interprets iterations [begin,end) on real memory, the oracle of the emitter.
 * Same arguments as the compiled kernel, but scratch is its own.  False and a
 * message where an index leaves its buffer. */
bool lp_interpret(const lp_kernel *k, void *const *arg, int64_t begin,
                  int64_t end, diag *d);

#endif
