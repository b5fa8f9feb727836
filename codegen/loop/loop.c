/* codegen/loop/loop.c - the builder of kernels and statements of the loop IR, and the
 * facts that the plan asks of a kernel. */
#include "loop.h"

#include "loop_build.h"

/* An open block.  A loop or branch of which it is known how often it runs makes
 * no statement: what its block holds joins the block around it, for
 * `if true { A } else { B }` that is A, and B is dropped. */
struct lp_block {
    lp_block *up;
    lp_stmt *owner;              /* null for the kernel's body, and without statement */
    lp_stmt **tail;              /* where the next statement goes */
    bool otherwise;              /* no else may follow */
    bool joined;                 /* its statements join those around it */
    lp_stmt *dropped;            /* where those of a branch that never runs go */
};

static void open_block(lp_kernel *k, lp_stmt *owner, lp_stmt **tail)
{
    lp_block *b = arena_new(&k->mem, lp_block);

    *b = (lp_block){.up = k->open, .owner = owner, .tail = tail};
    k->open = b;
}

static void join_block(lp_kernel *k)
{
    k->open->joined = true;
    k->open->tail = k->open->up->tail;
}

static void drop_block(lp_kernel *k)
{
    k->open->joined = false;
    k->open->tail = &k->open->dropped;
}

/* What was appended to the innermost block is now in the one around it. */
static void end_joined(lp_kernel *k)
{
    if (k->open->joined)
        k->open->up->tail = k->open->tail;
}

const char *const lp_space_text[LP_SPACES] = {
#define SPACE(NAME, text) text,
#include "words.def"
};
const char *const lp_loop_text[LP_LOOP_KINDS] = {
#define LOOP(NAME, text) text,
#include "words.def"
};
const char *const lp_tail_text[LP_TAILS] = {
#define TAIL(NAME, text) text,
#include "words.def"
};

/* Words of the text form that a name must not be. */
static const char *const reserved[] = {
#define LOOP(NAME, text) text,
#include "words.def"
    "kernel", "dims", "local", "if", "else", "fold", "transpose", "prefetch", "far", "stream",
    "true", "false", "inf", "nan", "step", "alias",
};

bool lp_computes(ir_dtype d)
{
    switch (d) {
    case DT_F32: case DT_F64: case DT_F16: case DT_BF16: case DT_I8: case DT_U8: case DT_I16:
    case DT_U16: case DT_I32: case DT_U32: case DT_I64: case DT_U64: case DT_BOOL:
        return true;
    default:
        return false;
    }
}

/* Number 0 of buffers, variables and nodes is taken, so that 0 means none. */
lp_kernel *lp_kernel_new(const char *name)
{
    lp_kernel *k = mem_alloc(sizeof *k);

    k->name = arena_strdup(&k->mem, name);
    vec_push(&k->buf, (lp_buffer){0});
    vec_push(&k->var, (lp_variable){0});
    vec_push(&k->node, (lp_node){0});
    vec_push(&k->arg, 0);
    for (size_t i = 0; i < COUNT(reserved); i++)
        names_add(&k->names, reserved[i]);
    open_block(k, NULL, &k->body);
    return k;
}

void lp_kernel_free(lp_kernel *k)
{
    if (!k)
        return;
    vec_free(&k->buf);
    vec_free(&k->var);
    vec_free(&k->node);
    vec_free(&k->arg);
    vec_free(&k->param);
    vec_free(&k->dim);
    map_free(&k->exprs);
    names_free(&k->names);
    arena_reset(&k->mem);
    mem_free(k);
}

/* `name` as an identifier that nothing has yet: with other characters replaced, and
 * the first number appended that makes it unique. */
static const char *unique(lp_kernel *k, const char *name)
{
    bool digit = *name >= '0' && *name <= '9';
    char *base = arena_printf(&k->mem, "%s%s", digit || !*name ? "_" : "", name);

    for (char *p = base; *p; p++)
        if (!strchr(LP_NAME_CHARS, *p))
            *p = '_';
    const char *s = base;
    for (int i = 1; names_find(&k->names, s) != NAMES_NONE; i++)
        s = arena_printf(&k->mem, "%s%d", base, i);
    names_add(&k->names, s);
    return s;
}

/* The name is made unique; v.name is not looked at. */
static lp_var add_var(lp_kernel *k, const char *name, lp_variable v)
{
    v.name = unique(k, name);
    vec_push(&k->var, v);
    k->var.at[k->var.len - 1].self = lp_var_expr(k, k->var.len - 1);
    return k->var.len - 1;
}

lp_var lp_dim_add(lp_kernel *k, const char *name, int64_t lo, int64_t hi, int64_t divisor)
{
    lp_var v = add_var(k, name, (lp_variable){.kind = LP_DIM, .dtype = DT_I64, .lo = lo,
                                                 .hi = hi, .divisor = max_i64(divisor, 1)});

    vec_push(&k->dim, v);
    return v;
}

lp_expr lp_dim_range(lp_kernel *k, const char *name, int64_t lo, int64_t hi, int64_t divisor)
{
    lp_var v = lp_dim_add(k, name, lo, hi, divisor);

    return k->var.at[v].self;
}

lp_buf lp_buffer_add(lp_kernel *k, const char *name, lp_buffer b)
{
    b.name = unique(k, name);
    b.dims = arena_copy(&k->mem, b.dims, (size_t)b.rank * sizeof *b.dims);
    vec_push(&k->buf, b);
    return k->buf.len - 1;
}

static lp_buf buffer_new(lp_kernel *k, const char *name, ir_dtype dtype, int rank,
                         const lp_expr *dims, lp_space space)
{
    ICE_IF(rank < 0 || rank > LP_MAX_RANK, "buffer %s of rank %d", name, rank);
    return lp_buffer_add(k, name, (lp_buffer){.dtype = dtype, .rank = rank, .space = space,
                                              .dims = dims});
}

lp_buf lp_param(lp_kernel *k, const char *name, ir_dtype dtype, int rank,
                const lp_expr *dims, lp_space space)
{
    ICE_IF(space == LP_ROW || space == LP_REG, "parameter %s in a local space", name);
    lp_buf b = buffer_new(k, name, dtype, rank, dims, space);

    vec_push(&k->param, b);
    return b;
}

void lp_set_alias(lp_kernel *k, lp_buf b, lp_buf with)
{
    ICE_IF(with >= b, "alias of %u with %u", b, with);
    k->buf.at[b].alias = with;
}

/* ---- statements ------------------------------------------------------------- */

static lp_stmt *append(lp_kernel *k, lp_op op)
{
    ICE_IF(!k->open, "a statement behind the end");
    lp_stmt *s = arena_new(&k->mem, lp_stmt);

    s->op = op;
    *k->open->tail = s;
    k->open->tail = &s->next;
    return s;
}

lp_var lp_loop_var_add(lp_kernel *k, lp_loop_kind kind, const char *name, lp_expr lo,
                       lp_expr hi, int64_t step)
{
    const lp_node *l = lp_at(k, lo), *h = lp_at(k, hi);
    bool unknown = h->hi == INT64_MAX || h->hi == INT64_MIN;
    lp_variable v = {.kind = LP_LOOPVAR, .dtype = DT_I64, .lo = l->lo, .divisor = 1};

    v.hi = unknown ? INT64_MAX : max_i64(h->hi - 1, l->lo);
    if (kind != LP_VEC)         /* lanes run through all values */
        v.divisor = gcd_i64(l->divisor, step);
    if (l->lo >= 0)
        v.limit = hi;
    return add_var(k, name, v);
}

static lp_var loop_var(lp_kernel *k, lp_loop_kind kind, const char *name, lp_expr lo,
                       lp_expr hi, int64_t step)
{
    ICE_IF(lp_dtype(k, lo) != DT_I64 || lp_dtype(k, hi) != DT_I64 || step < 1,
           "range of loop %s", name);
    return lp_loop_var_add(k, kind, name, lo, hi, step);
}

/* Ranges of n variables, of which the last runs fastest; one loop, since iterations
 * of all of them are shared out together. */
void lp_par(lp_kernel *k, int n, const char *const *names, const lp_expr *lo,
            const lp_expr *hi, const int64_t *step, lp_expr *out)
{
    lp_var var[LP_MAX_RANK];
    int64_t steps[LP_MAX_RANK];

    ICE_IF(n < 1 || n > LP_MAX_RANK, "par over %d ranges", n);
    for (int i = 0; i < n; i++) {
        steps[i] = step ? step[i] : 1;
        var[i] = loop_var(k, LP_PAR, names[i], lo[i], hi[i], steps[i]);
        out[i] = k->var.at[var[i]].self;
    }
    lp_stmt *s = append(k, LP_LOOP);
    s->kind = LP_PAR;
    s->nvar = (uint32_t)n;
    s->var = arena_copy(&k->mem, var, (size_t)n * sizeof *var);
    s->lo = arena_copy(&k->mem, lo, (size_t)n * sizeof *lo);
    s->hi = arena_copy(&k->mem, hi, (size_t)n * sizeof *hi);
    s->step = arena_copy(&k->mem, steps, (size_t)n * sizeof *steps);
    open_block(k, s, &s->body);
}

/* A loop of one variable; its block is open behind this. */
static lp_stmt *loop(lp_kernel *k, lp_loop_kind kind, const char *name, lp_expr lo, lp_expr hi,
                     int64_t step)
{
    lp_var v = loop_var(k, kind, name, lo, hi, step);
    lp_stmt *s = append(k, LP_LOOP);

    s->kind = kind;
    s->nvar = 1;
    s->var = arena_copy(&k->mem, &v, sizeof v);
    s->lo = arena_copy(&k->mem, &lo, sizeof lo);
    s->hi = arena_copy(&k->mem, &hi, sizeof hi);
    s->step = arena_copy(&k->mem, &step, sizeof step);
    open_block(k, s, &s->body);
    return s;
}

/* One turn that is unrolled is no loop: its variable is its first value. */
lp_expr lp_loop(lp_kernel *k, lp_loop_kind kind, const char *name, lp_expr lo, lp_expr hi,
                int64_t step)
{
    int64_t trips;

    if (kind == LP_UNROLL && lp_is_int(k, lp_sub(k, hi, lo), &trips) && trips == 1) {
        open_block(k, NULL, NULL);
        k->open->otherwise = true;
        join_block(k);
        return lo;
    }
    const lp_stmt *s = loop(k, kind, name, lo, hi, step);

    return k->var.at[s->var[0]].self;
}

lp_expr lp_unroll(lp_kernel *k, const char *name, int64_t n)
{
    lp_expr zero = lp_int(k, 0);

    return lp_loop(k, LP_UNROLL, name, zero, lp_int(k, n), 1);
}

lp_expr lp_vec(lp_kernel *k, const char *name, lp_expr lo, lp_expr hi, int lanes, lp_tail tail)
{
    ICE_IF(lanes < 1 || lanes > LP_MAX_LANES || (lanes & (lanes - 1)), "%d lanes", lanes);
    lp_stmt *s = loop(k, LP_VEC, name, lo, hi, lanes);

    s->tail = tail;
    return k->var.at[s->var[0]].self;
}

/* A condition that is known leaves one of the two blocks, and no statement. */
void lp_if(lp_kernel *k, lp_expr cond)
{
    ICE_IF(lp_dtype(k, cond) != DT_BOOL, "if of %s", dt_text(lp_dtype(k, cond)));
    const lp_node *c = lp_at(k, cond);

    if (c->kind == LX_LITERAL) {
        open_block(k, NULL, NULL);
        (c->bits ? join_block : drop_block)(k);
        return;
    }
    lp_stmt *s = append(k, LP_IF);
    s->value = cond;
    open_block(k, s, &s->body);
}

void lp_else(lp_kernel *k)
{
    lp_block *b = k->open;

    ICE_IF(!b->up || b->otherwise || (b->owner && b->owner->op != LP_IF), "else without if");
    end_joined(k);
    b->otherwise = true;
    if (b->owner)
        b->tail = &b->owner->other;
    else
        (b->joined ? drop_block : join_block)(k);
}

void lp_end(lp_kernel *k)
{
    ICE_IF(!k->open->up, "lp_end without a loop or if");
    end_joined(k);
    k->open = k->open->up;
}

/* A row is memory of the thread, a reg elements that the emitter keeps in
 * registers. */
lp_buf lp_local(lp_kernel *k, const char *name, ir_dtype dtype, int rank, const lp_expr *dims,
                lp_space space, lp_expr init)
{
    ICE_IF(space != LP_ROW && space != LP_REG, "local %s in no local space", name);
    ICE_IF(init && lp_dtype(k, init) != dtype, "local %s: fill of another dtype", name);
    lp_buf b = buffer_new(k, name, dtype, rank, dims, space);
    lp_stmt *s = append(k, LP_LOCAL);

    s->buf = b;
    s->value = init;
    return b;
}

lp_var lp_let_var_add(lp_kernel *k, const char *name, ir_dtype dtype, lp_expr value)
{
    lp_variable v = {.kind = LP_LETVAR, .dtype = dtype, .lo = INT64_MIN, .hi = INT64_MAX,
                     .divisor = 1};

    if (value && dtype == DT_I64) {
        v.lo = lp_at(k, value)->lo;
        v.hi = lp_at(k, value)->hi;
        v.divisor = lp_at(k, value)->divisor;
    }
    v.open = value ? lp_at(k, value)->open : LP_OPEN;
    return add_var(k, name, v);
}

static lp_expr define(lp_kernel *k, lp_stmt *s, const char *name, ir_dtype dtype, lp_expr value)
{
    lp_var var = lp_let_var_add(k, name, dtype, value);

    s->var = arena_copy(&k->mem, &var, sizeof var);
    s->nvar = 1;
    return k->var.at[var].self;
}

lp_expr lp_let(lp_kernel *k, const char *name, lp_expr value)
{
    lp_stmt *s = append(k, LP_LET);

    s->value = value;
    return define(k, s, name, lp_dtype(k, value), value);
}

static const lp_expr *index_list(lp_kernel *k, lp_buf b, const lp_expr *idx)
{
    ICE_IF(!b || b >= k->buf.len, "no buffer");
    int rank = k->buf.at[b].rank;

    for (int i = 0; i < rank; i++)
        ICE_IF(lp_dtype(k, idx[i]) != DT_I64, "an index of %s", dt_text(lp_dtype(k, idx[i])));
    return arena_copy(&k->mem, idx, (size_t)rank * sizeof *idx);
}

/* `op` combines the value with what is there; SC_NONE replaces it. */
static lp_stmt *store(lp_kernel *k, sc_op op, lp_buf b, const lp_expr *idx, lp_expr value)
{
    const lp_expr *list = index_list(k, b, idx);

    ICE_IF(lp_dtype(k, value) != k->buf.at[b].dtype, "store of %s to %s",
           dt_text(lp_dtype(k, value)), k->buf.at[b].name);
    lp_stmt *s = append(k, LP_STORE);
    s->accum = op;
    s->buf = b;
    s->idx = list;
    s->value = value;
    return s;
}

void lp_store(lp_kernel *k, lp_buf b, const lp_expr *idx, lp_expr value)
{
    store(k, SC_NONE, b, idx, value);
}

void lp_stream(lp_kernel *k, lp_buf b, const lp_expr *idx, lp_expr value)
{
    store(k, SC_NONE, b, idx, value)->stream = true;
}

void lp_update(lp_kernel *k, sc_op op, lp_buf b, const lp_expr *idx, lp_expr value)
{
    ICE_IF(op != SC_ADD && op != SC_MUL && op != SC_MIN && op != SC_MAX && op != SC_AND &&
               op != SC_OR,
           "update by %s", sc_text(op));
    store(k, op, b, idx, value);
}

lp_expr lp_fold(lp_kernel *k, const char *name, sc_op op, lp_buf b)
{
    lp_stmt *s = append(k, LP_FOLD);

    s->accum = op;
    s->from = b;
    return define(k, s, name, k->buf.at[b].dtype, 0);
}

static lp_stmt *prefetch(lp_kernel *k, lp_buf b, const lp_expr *idx)
{
    const lp_expr *list = index_list(k, b, idx);
    lp_stmt *s = append(k, LP_PREFETCH);

    s->buf = b;
    s->idx = list;
    return s;
}

void lp_prefetch(lp_kernel *k, lp_buf b, const lp_expr *idx)
{
    prefetch(k, b, idx);
}

/* One prefetch for each cache line of n elements. */
void lp_prefetch_row(lp_kernel *k, lp_buf b, const lp_expr *idx, int n, bool far)
{
    int last = k->buf.at[b].rank - 1, step = LP_LINE / dt_size(k->buf.at[b].dtype);
    lp_expr at[LP_MAX_RANK];

    memcpy(at, idx, (size_t)(last + 1) * sizeof *at);
    for (int i = 0; i < n; i += step) {
        at[last] = lp_add(k, idx[last], lp_int(k, i));
        prefetch(k, b, at)->far = far;
    }
}

void lp_transpose(lp_kernel *k, lp_buf b, const lp_expr *idx, lp_buf from, const lp_expr *from_idx,
                  int size)
{
    const lp_expr *to = index_list(k, b, idx), *source = index_list(k, from, from_idx);
    lp_stmt *s = append(k, LP_TRANSPOSE);

    s->buf = b;
    s->idx = to;
    s->from = from;
    s->from_idx = source;
    s->size = size;
}

/* ---- facts -------------------------------------------------------------------- */

lp_expr lp_stride(lp_kernel *k, lp_buf b, int axis)
{
    lp_buffer buf = k->buf.at[b];
    lp_expr s = lp_int(k, 1);

    for (int i = buf.rank - 1; i > axis; i--)
        s = lp_mul(k, buf.dims[i], s);
    return s;
}

bool lp_load_of(const lp_kernel *k, lp_expr e, lp_buf *b, lp_expr idx[LP_MAX_RANK])
{
    const lp_node *n = lp_at(k, e);

    if (n->kind != LX_LOAD)
        return false;
    *b = n->ref;
    memcpy(idx, k->arg.at + n->arg, (size_t)k->buf.at[n->ref].rank * sizeof *idx);
    return true;
}

lp_expr lp_offset(lp_kernel *k, lp_buf b, const lp_expr *idx)
{
    lp_expr sum = lp_int(k, 0);

    /* from the last axis on, where the places of one axis that was split lie side by side */
    for (int i = k->buf.at[b].rank - 1; i >= 0; i--)
        sum = lp_add(k, sum, lp_mul(k, idx[i], lp_stride(k, b, i)));
    return sum;
}

const lp_stmt *lp_find_par(const lp_kernel *k)
{
    const lp_stmt *s = k->body;

    while (s && !(s->op == LP_LOOP && s->kind == LP_PAR))
        s = s->next;
    return s;
}

/* Iterations of the parallel loop, over the dims; 1 without one. */
lp_expr lp_kernel_trip(lp_kernel *k)
{
    const lp_stmt *s = lp_find_par(k);
    lp_expr n = lp_int(k, 1);

    for (uint32_t i = 0; s && i < s->nvar; i++) {
        lp_expr len = lp_sub(k, s->hi[i], s->lo[i]);
        len = lp_max(k, len, lp_int(k, 0));
        n = lp_mul(k, n, lp_ceildiv(k, len, s->step[i]));
    }
    return n;
}

/* Bytes of all elements of a buffer. */
static lp_expr buffer_bytes(lp_kernel *k, lp_buf b)
{
    lp_buffer buf = k->buf.at[b];
    lp_expr n = lp_int(k, dt_size(buf.dtype));

    for (int i = 0; i < buf.rank; i++)
        n = lp_mul(k, n, buf.dims[i]);
    return n;
}

/* Bytes of a thread's rows, each in whole cache lines.  All of them at once, though
 * rows of blocks that follow each other could share: they are small. */
lp_expr lp_kernel_scratch(lp_kernel *k)
{
    lp_expr sum = lp_int(k, 0), line = lp_int(k, LP_LINE);

    for (lp_buf b = 1; b < k->buf.len; b++)
        if (k->buf.at[b].space == LP_ROW) {
            lp_expr lines = lp_ceildiv(k, buffer_bytes(k, b), LP_LINE);
            sum = lp_add(k, sum, lp_mul(k, lines, line));
        }
    return sum;
}

/* The number of an extent where values[i] is dim i. */
int64_t lp_eval_dims(const lp_kernel *k, lp_expr e, const int64_t *values)
{
    const lp_node *n = lp_at(k, e);
    int64_t v[3] = {0};

    if (n->kind == LX_LITERAL)
        return (int64_t)n->bits;
    if (n->kind == LX_VAR) {
        for (uint32_t i = 0; i < k->dim.len; i++)
            if (k->dim.at[i] == n->ref)
                return values[i];
        ICE_IF(true, "%s is not a dim", k->var.at[n->ref].name);
    }
    ICE_IF(n->narg > 3 || n->kind == LX_LOAD, "not an expression over dims");
    for (uint32_t i = 0; i < n->narg; i++)
        v[i] = lp_eval_dims(k, k->arg.at[n->arg + i], values);
    if (n->kind == LX_FLOORDIV)
        return floor_div_i64(v[0], v[1]);
    ir_dtype d = lp_dtype(k, k->arg.at[n->arg + n->narg - 1]);
    return sc_eval_int((sc_op)n->op, d, v[0], v[1], v[2]);
}
