/* codegen/loop/verify.c - is a kernel well formed?
 *
 * One walk in the order of the text checks that every name is used in its scope, that
 * every operand has the dtype that its function wants, and that loops, locals and
 * register buffers stand where the emitter can translate them. */
#include "loop.h"

enum {
    MAX_UNROLL = 4096,              /* iterations of an unrolled loop */
    MAX_REGISTERS = 1 << 16,        /* elements of a register buffer */
};

/* The walk.  At `acc[v % 8] += x` in `par i {.. vec masked v in 0..n step 8 {..}}`, par
 * and vec are these loops, var[v] and var[i] are set. */
typedef struct checker {
    lp_kernel *k;
    diag *d;
    ir_loc loc;                     /* of the statement at hand */
    const lp_stmt *par, *vec;       /* the loops around it, a vec loop of several lanes */
    bool has_par;                   /* the kernel has a parallel loop */
    bool over_dims;                 /* the expression may hold dims, but nothing else */
    bool *var, *buf;                /* by lp_var and lp_buf: is it in scope? */
    uint32_t *seen, now;            /* seen[e] == now: e was checked in this statement */
    lp_lanes lanes;
} checker;

static bool fail(checker *c, const char *what, const char *problem)
{
    return diag_error(c->d, c->loc, D_KERNEL, c->k->name, what, problem);
}

static bool fail_expr(checker *c, lp_expr e, const char *problem)
{
    text t = {0};

    lp_print_expr(c->k, e, &t);
    fail(c, t.at, problem);
    text_free(&t);
    return false;
}

static bool fail_buf(checker *c, lp_buf b, const char *problem)
{
    return fail(c, c->k->buf.at[b].name, problem);
}

/* ---- expressions ------------------------------------------------------------- */

static bool differs(checker *c, lp_expr e)
{
    return lp_differs(&c->lanes, e);
}

static ir_dtype arg_dtype(const checker *c, const lp_node *n, uint32_t i)
{
    return lp_dtype(c->k, c->k->arg.at[n->arg + i]);
}

static bool same_args(const checker *c, const lp_node *n, uint32_t from, ir_dtype d)
{
    for (uint32_t i = from; i < n->narg; i++)
        if (arg_dtype(c, n, i) != d)
            return false;
    return true;
}

/* Operands have one type but for a selection's condition; the row of scalar.def
 * says which. */
static bool scalar_types(const checker *c, const lp_node *n)
{
    const sc_info *info = sc_of((sc_op)n->op);
    ir_dtype last = n->narg ? arg_dtype(c, n, n->narg - 1) : DT_NONE;

    if (!n->op || n->narg != (uint32_t)info->args)
        return false;
    switch ((sc_op)n->op) {
    case SC_CAST: return true;
    case SC_BITCAST: return dt_size(n->dtype) == dt_size(last);
    case SC_SELECT:
        return arg_dtype(c, n, 0) == DT_BOOL && same_args(c, n, 1, last) && n->dtype == last;
    default:
        return sc_accepts((sc_op)n->op, last) && same_args(c, n, 0, last) &&
               n->dtype == (info->result == SC_BOOL ? DT_BOOL : last);
    }
}

/* One i64 for each axis, and a bool behind them if it is guarded. */
static bool load_types(const checker *c, const lp_node *n)
{
    uint32_t rank = (uint32_t)c->k->buf.at[n->ref].rank;

    if (n->narg != rank + n->guarded || n->dtype != c->k->buf.at[n->ref].dtype)
        return false;
    for (uint32_t i = 0; i < rank; i++)
        if (arg_dtype(c, n, i) != DT_I64)
            return false;
    return !n->guarded || arg_dtype(c, n, rank) == DT_BOOL;
}

static bool node_types(const checker *c, const lp_node *n)
{
    if (!lp_computes((ir_dtype)n->dtype))
        return false;
    switch ((lp_node_kind)n->kind) {
    case LX_LOAD: return load_types(c, n);
    case LX_SCALAR: return scalar_types(c, n);
    case LX_FLOORDIV: return n->dtype == DT_I64 && n->narg == 2 && same_args(c, n, 0, DT_I64);
    case LX_DOT4: return n->dtype == DT_I32 && n->narg == 3 && same_args(c, n, 0, DT_I32);
    case LX_DOT2:
        return n->dtype == DT_I32 && n->narg == 3 && arg_dtype(c, n, 0) == DT_I32 &&
               arg_dtype(c, n, 1) == DT_I32 && arg_dtype(c, n, 2) == DT_I16;
    default: return n->kind != LX_NONE;
    }
}

static bool reg_index(checker *c, lp_buf b, const lp_expr *idx);

/* A name is used where it is defined; where `over_dims` holds, only dims are. */
static bool check_name(checker *c, lp_expr e, const lp_node *n)
{
    if (n->kind == LX_VAR) {
        if (c->over_dims && c->k->var.at[n->ref].kind != LP_DIM)
            return fail_expr(c, e, "is not a dim");
        return c->var[n->ref] || fail_expr(c, e, "is used out of its scope");
    }
    if (c->over_dims)
        return fail_expr(c, e, "is no expression over dims");
    if (!c->buf[n->ref])
        return fail_buf(c, n->ref, "is used out of its scope");
    return c->k->buf.at[n->ref].space != LP_REG ||
           reg_index(c, n->ref, c->k->arg.at + n->arg);
}

/* Each node once a statement: shared parts would make a walk of the tree
 * exponential. */
static bool check_expr(checker *c, lp_expr e)
{
    if (c->seen[e] == c->now)
        return true;
    const lp_node *n = lp_at(c->k, e);
    c->seen[e] = c->now;
    for (uint32_t i = 0; i < n->narg; i++)
        if (!check_expr(c, c->k->arg.at[n->arg + i]))
            return false;
    if (!node_types(c, n))
        return fail_expr(c, e, "has operands of the wrong types");
    return (n->kind != LX_VAR && n->kind != LX_LOAD) || check_name(c, e, n);
}

static bool check_type(checker *c, lp_expr e, ir_dtype d)
{
    char problem[64];

    if (!check_expr(c, e))
        return false;
    snprintf(problem, sizeof problem, "is %s, not %s", dt_text(lp_dtype(c->k, e)), dt_text(d));
    return lp_dtype(c->k, e) == d || fail_expr(c, e, problem);
}

static bool check_list(checker *c, const lp_expr *e, int n)
{
    for (int i = 0; i < n; i++)
        if (!check_type(c, e[i], DT_I64))
            return false;
    return true;
}

/* Expressions of i64 over dims alone: extents, ranges of the parallel loop. */
static bool check_dims(checker *c, const lp_expr *e, int n)
{
    c->over_dims = true;
    bool ok = check_list(c, e, n);
    c->over_dims = false;
    return ok;
}

/* ---- buffers ----------------------------------------------------------------- */

static int64_t extent_of(const checker *c, lp_buf b, int axis)
{
    int64_t n;

    return lp_is_int(c->k, c->k->buf.at[b].dims[axis], &n) ? n : -1;
}

/* Is e the variable v, or v behind something that all lanes share? */
static bool is_shifted(checker *c, lp_expr e, lp_var v)
{
    const lp_node *n = lp_at(c->k, e);
    const lp_expr *a = c->k->arg.at + n->arg;

    if (n->kind == LX_VAR)
        return n->ref == v;
    return n->kind == LX_SCALAR && n->op == SC_ADD &&
           ((is_shifted(c, a[0], v) && !differs(c, a[1])) ||
            (is_shifted(c, a[1], v) && !differs(c, a[0])));
}

/* A vec loop's lanes stand side by side in a register row: v, perhaps behind other
 * elements of the row, or v % lanes, from a multiple of the lanes on. */
static bool lane_index(checker *c, lp_expr e, int64_t lanes, int64_t extent)
{
    const lp_node *n = lp_at(c->k, e), *lo = lp_at(c->k, c->vec->lo[0]);
    int64_t by;

    if (is_shifted(c, e, c->vec->var[0]))
        return lo->lo == 0 && lo->hi == 0 && lp_at(c->k, c->vec->hi[0])->hi <= lanes &&
               n->lo >= 0 && n->hi - lp_at(c->k, c->vec->hi[0])->hi < extent - lanes;
    if (n->kind != LX_SCALAR || n->op != SC_MOD || lo->divisor % lanes || extent != lanes)
        return false;
    const lp_node *v = lp_at(c->k, c->k->arg.at[n->arg]);
    return v->kind == LX_VAR && v->ref == c->vec->var[0] &&
           lp_is_int(c->k, c->k->arg.at[n->arg + 1], &by) && by == lanes;
}

/* The indices are checked; in a vec loop only the last may vary, if the buffer
 * is not one of each lane. */
static bool reg_index(checker *c, lp_buf b, const lp_expr *idx)
{
    int rank = c->k->buf.at[b].rank;

    for (int i = 0; i < rank; i++) {
        if (!differs(c, idx[i]))
            continue;
        if (c->lanes.buf[b] || i < rank - 1 || !c->vec)
            return fail_buf(c, b, "in registers has an index that differs between lanes");
        if (!lane_index(c, idx[i], c->vec->step[0], extent_of(c, b, i)))
            return fail_buf(c, b, "in registers has a row that is not the lanes of its loop");
    }
    return true;
}

/* Registers have constant extents. */
static bool reg_shape(checker *c, lp_buf b)
{
    int64_t count = 1, extent;
    const lp_buffer *buf = &c->k->buf.at[b];

    for (int i = 0; i < buf->rank; i++) {
        extent = extent_of(c, b, i);
        if (extent < 1 || !mul_ok(count, extent, &count) || count > MAX_REGISTERS)
            return fail_buf(c, b, "in registers needs small constant extents");
    }
    return true;
}

static bool is_local(const checker *c, lp_buf b)
{
    return c->k->buf.at[b].space == LP_ROW || c->k->buf.at[b].space == LP_REG;
}

/* Extents over dims alone, since the caller computes sizes with them. */
static bool check_buffer(checker *c, lp_buf b)
{
    const lp_buffer *buf = &c->k->buf.at[b];

    if (!lp_computes(buf->dtype))
        return fail_buf(c, b, "has an element type that is not computed with");
    if (!check_dims(c, buf->dims, buf->rank))
        return false;
    if (buf->alias && (is_local(c, b) || buf->alias >= b || is_local(c, buf->alias)))
        return fail_buf(c, b, "is an alias of no earlier parameter");
    return buf->space != LP_REG || reg_shape(c, b);
}

/* ---- statements -------------------------------------------------------------- */

static bool check_block(checker *c, const lp_stmt *s, int depth);

static bool check_access(checker *c, lp_buf b, const lp_expr *idx)
{
    if (!c->buf[b])
        return fail_buf(c, b, "is used out of its scope");
    if (!check_list(c, idx, c->k->buf.at[b].rank))
        return false;
    return c->k->buf.at[b].space != LP_REG || reg_index(c, b, idx);
}

/* What is written outside of the parallel loop of a kernel that has one would be
 * written once by each thread. */
static bool check_written(checker *c, lp_buf b, const lp_expr *idx)
{
    lp_space space = c->k->buf.at[b].space;

    if (!check_access(c, b, idx))
        return false;
    if (space == LP_IN || space == LP_CONST)
        return fail_buf(c, b, "is only read");
    return !c->has_par || c->par || is_local(c, b) ||
           fail_buf(c, b, "is written by every iteration of the parallel loop");
}

/* Does the store give an element of a register buffer, which all lanes share, a value
 * for each lane?  One of them would win. */
static bool store_differs(checker *c, const lp_stmt *s)
{
    const lp_buffer *buf = &c->k->buf.at[s->buf];

    if (!c->vec || buf->space != LP_REG || c->lanes.buf[s->buf])
        return false;
    bool row = buf->rank && differs(c, s->idx[buf->rank - 1]);
    return !row && (differs(c, s->value) || s->accum == SC_ADD || s->accum == SC_MUL);
}

static bool check_store(checker *c, const lp_stmt *s)
{
    ir_dtype d = c->k->buf.at[s->buf].dtype;

    if (!check_written(c, s->buf, s->idx) || !check_type(c, s->value, d))
        return false;
    if (s->accum && !sc_accepts(s->accum, d))
        return fail_buf(c, s->buf, "is updated by a function that its type does not have");
    return !store_differs(c, s) || fail_buf(c, s->buf, "in registers is shared by all lanes");
}

/* A local is in scope behind its statement, to the end of the block. */
static bool check_local(checker *c, const lp_stmt *s)
{
    lp_space space = c->k->buf.at[s->buf].space;

    if (!is_local(c, s->buf))
        return fail_buf(c, s->buf, "is local: row or reg");
    if (!check_buffer(c, s->buf))
        return false;
    if (space == LP_ROW && (c->vec || s->value))
        return fail_buf(c, s->buf, c->vec ? "is a row inside a vec loop" : "is a row with a fill");
    c->buf[s->buf] = true;
    return !s->value || check_type(c, s->value, c->k->buf.at[s->buf].dtype);
}

static bool check_let(checker *c, const lp_stmt *s)
{
    c->var[s->var[0]] = check_expr(c, s->value);
    return c->var[s->var[0]];
}

/* Folding halves the row again and again, so its length is a power of two. */
static bool check_fold(checker *c, const lp_stmt *s)
{
    const lp_buffer *buf = &c->k->buf.at[s->from];
    const sc_info *op = sc_of(s->accum);
    int64_t n = buf->rank == 1 ? extent_of(c, s->from, 0) : 0;

    if (!c->buf[s->from] || c->lanes.buf[s->from])
        return fail_buf(c, s->from, "is folded out of its scope");
    if (buf->space != LP_REG || n < 1 || n > LP_MAX_LANES || (n & (n - 1)))
        return fail_buf(c, s->from, "is folded, but no register row of 1, 2, 4 .. elements");
    if (op->args != 2 || op->result != SC_SAME || !sc_accepts(s->accum, buf->dtype))
        return fail_buf(c, s->from, "is folded by a function that its type does not have");
    c->var[s->var[0]] = true;
    return true;
}

static bool check_transpose(checker *c, const lp_stmt *s)
{
    const lp_buffer *to = &c->k->buf.at[s->buf], *from = &c->k->buf.at[s->from];

    if (!check_written(c, s->buf, s->idx) || !check_access(c, s->from, s->from_idx))
        return false;
    if (to->rank < 2 || from->rank < 2 || to->dtype != from->dtype || c->vec)
        return fail_buf(c, s->buf, "gets a transposed tile of another type, or in a vec loop");
    if ((to->space == LP_REG || from->space == LP_REG) && !lp_keeps_bits(to->dtype))
        return fail_buf(c, s->buf, "gets a tile in registers of a type that has other bits there");
    return (s->size > 1 && s->size <= LP_MAX_LANES && !(s->size & (s->size - 1))) ||
           fail_buf(c, s->buf, "gets a tile whose size is not 2, 4, 8 .. 64");
}

/* ---- loops ------------------------------------------------------------------- */

/* `exact` promises that the range ends with a whole vector; the divisor of its
 * length must prove it. */
static bool check_vec(checker *c, const lp_stmt *s, const char *name)
{
    int64_t lanes = s->step[0];

    if (c->vec)
        return fail(c, name, "is a vec loop in a vec loop");
    if (lanes > LP_MAX_LANES || (lanes & (lanes - 1)))
        return fail(c, name, "has lanes that are not 1, 2, 4 .. 64");
    lp_expr span = lp_sub(c->k, s->hi[0], s->lo[0]);
    return s->tail != LP_EXACT || lp_at(c->k, span)->divisor % lanes == 0 ||
           fail(c, name, "is exact, but not known to end with its last lane");
}

/* The parallel loop stands outermost. */
static bool check_loop_kind(checker *c, const lp_stmt *s, int depth, const char *name)
{
    int64_t lo, hi;

    if (s->nvar != 1 && (s->kind != LP_PAR || s->nvar > LP_MAX_PAR))
        return fail(c, name, "is one of too many variables");
    switch (s->kind) {
    case LP_PAR:
        return (!depth && !c->par && !c->vec) || fail(c, name, "is a par loop inside a block");
    case LP_VEC: return check_vec(c, s, name);
    case LP_UNROLL:
        if (!lp_is_int(c->k, s->lo[0], &lo) || !lp_is_int(c->k, s->hi[0], &hi))
            return fail(c, name, "is unrolled without constant bounds");
        return lp_at(c->k, lp_sub(c->k, s->hi[0], s->lo[0]))->hi <= MAX_UNROLL ||
               fail(c, name, "is unrolled too often");
    default: return true;
    }
}

/* All lanes run the same turns. */
static bool check_bounds(checker *c, const lp_stmt *s, const char *name)
{
    int n = (int)s->nvar;

    for (int i = 0; i < n; i++)
        if (s->step[i] < 1)
            return fail(c, name, "has a step below 1");
    if (s->kind == LP_PAR)
        return check_dims(c, s->lo, n) && check_dims(c, s->hi, n);
    if (!check_list(c, s->lo, n) || !check_list(c, s->hi, n))
        return false;
    return (!differs(c, s->lo[0]) && !differs(c, s->hi[0])) ||
           fail(c, name, "has bounds that differ between lanes");
}

/* The loop's variables mean something inside of it only. */
static bool check_loop(checker *c, const lp_stmt *s, int depth)
{
    const lp_stmt *par = c->par, *vec = c->vec;
    const char *name = c->k->var.at[s->var[0]].name;

    if (!check_bounds(c, s, name) || !check_loop_kind(c, s, depth, name))
        return false;
    if (s->kind == LP_PAR)
        c->par = s;
    if (s->kind == LP_VEC && s->step[0] > 1)
        c->vec = s;
    for (uint32_t i = 0; i < s->nvar; i++)
        c->var[s->var[i]] = true;
    bool ok = check_block(c, s->body, depth + 1);
    for (uint32_t i = 0; i < s->nvar; i++)
        c->var[s->var[i]] = false;
    c->par = par;
    c->vec = vec;
    return ok;
}

static bool check_statement(checker *c, const lp_stmt *s, int depth)
{
    c->loc = s->loc;
    c->now++;
    switch (s->op) {
    case LP_LOOP: return check_loop(c, s, depth);
    case LP_LOCAL: return check_local(c, s);
    case LP_LET: return check_let(c, s);
    case LP_STORE: return check_store(c, s);
    case LP_IF:
        return check_type(c, s->value, DT_BOOL) && check_block(c, s->body, depth + 1) &&
               check_block(c, s->other, depth + 1);
    case LP_FOLD: return check_fold(c, s);
    case LP_TRANSPOSE: return check_transpose(c, s);
    case LP_PREFETCH: return check_access(c, s->buf, s->idx);
    }
    return false;
}

/* Behind the block its names are unknown again. */
static bool check_block(checker *c, const lp_stmt *s, int depth)
{
    const lp_stmt *first = s;

    for (; s; s = s->next)
        if (!check_statement(c, s, depth))
            return false;
    for (s = first; s; s = s->next) {
        if (s->op == LP_LOCAL)
            c->buf[s->buf] = false;
        if (s->op == LP_LET || s->op == LP_FOLD)
            c->var[s->var[0]] = false;
    }
    return true;
}

/* ---- kernels ----------------------------------------------------------------- */

static bool check_head(checker *c)
{
    c->now++;
    for (uint32_t i = 0; i < c->k->dim.len; i++)
        c->var[c->k->dim.at[i]] = true;
    for (uint32_t i = 0; i < c->k->param.len; i++) {
        lp_buf b = c->k->param.at[i];
        if (!check_buffer(c, b))
            return false;
        if (is_local(c, b))
            return fail_buf(c, b, "is a parameter: in, out or const");
        c->buf[b] = true;
    }
    return true;
}

bool lp_verify(lp_kernel *k, diag *d)
{
    checker c = {.k = k, .d = d};
    size_t nodes = k->node.len;

    c.var = mem_alloc(k->var.len);
    c.buf = mem_alloc(k->buf.len);
    c.seen = mem_alloc(nodes * sizeof *c.seen);
    lp_lanes_open(&c.lanes, k);
    for (const lp_stmt *s = k->body; s; s = s->next)
        c.has_par |= s->op == LP_LOOP && s->kind == LP_PAR;
    bool ok = check_head(&c) && check_block(&c, k->body, 0);
    mem_free(c.var);
    mem_free(c.buf);
    mem_free(c.seen);
    lp_lanes_close(&c.lanes);
    return ok;
}
