/* codegen/loop/interpret.c - a kernel executed as its text says, one element
 * at a time: what the emitter is compared with.
 *
 * Every access is checked against its buffer.  A value is computed once in a
 * statement, as in compiled code.  The bytes of a local are 0xff at first, so that a
 * read in front of the first write gives a wrong result. */
#include "loop.h"
#include "num.h"

/* A value: f of a floating dtype, i of an integer or bool. */
typedef union element {
    double f;
    int64_t i;
} element;

/* Where a buffer is. */
typedef struct memory {
    uint8_t *at;
    uint8_t *owned;                 /* the same if it is a local's, to be freed */
    int64_t count;                  /* elements */
    int64_t stride[LP_MAX_RANK];    /* in elements */
} memory;

/* The state of a run: what each buffer and variable holds, and values that were computed.
 * `now` counts statements and changes of variables.  value[e], computed at seen[e], is that
 * of expression e until the newest variable changes that e is made of: older ones are of
 * loops around that one's.  What reads memory holds for its statement only. */
typedef struct machine {
    const lp_kernel *k;
    diag *d;
    const int64_t *dims;            /* the values of the i64 parameters */
    int64_t begin, end;             /* iterations of the parallel loop to run */
    memory *buf;                    /* by lp_buf */
    element *var, *value;           /* by lp_var, by lp_expr */
    lp_var *newest;                 /* by lp_expr; READS: it is made of a load */
    uint64_t *changed;              /* by lp_var; of 0, the beginning */
    uint64_t *seen, now, statement; /* the latter: when the one at hand began */
    bool failed;                    /* an error was reported */
} machine;

static const lp_var READS = UINT32_MAX;

/* ---- elements ---------------------------------------------------------------- */

static element get(ir_dtype d, const void *p)
{
    return dt_is_float(d) ? (element){.f = num_load_flt(d, p)} : (element){.i = num_load_int(d, p)};
}

static void put(ir_dtype d, void *p, element v)
{
    if (dt_is_float(d))
        num_store_flt(d, p, v.f);
    else
        num_store_int(d, p, v.i);
}

/* A function of operands of dtype d. */
static element apply(sc_op op, ir_dtype d, const element *a)
{
    if (!dt_is_float(d))
        return (element){.i = sc_eval_int(op, d, a[0].i, a[1].i, a[2].i)};
    double v = sc_eval_flt(op, a[0].f, a[1].f, a[2].f);
    return sc_of(op)->result == SC_BOOL ? (element){.i = v != 0} : (element){.f = num_round(d, v)};
}

static element cast(ir_dtype from, ir_dtype to, element v, bool bits)
{
    uint64_t in = 0, out = 0;

    put(from, &in, v);
    if (bits)
        return get(to, &in);
    num_cast(from, &in, to, &out, (num_mode){false, NUM_NEAREST});
    return get(to, &out);
}

static element dot4(const element *a)
{
    int64_t sum = a[0].i;

    for (int i = 0; i < 4; i++)
        sum += (uint8_t)(a[1].i >> 8 * i) * (int64_t)(int8_t)(uint8_t)(a[2].i >> 8 * i);
    return (element){.i = sc_wrap(DT_I32, sum)};
}

static element dot2(const element *a)
{
    int64_t sum = a[0].i;

    for (int i = 0; i < 2; i++)
        sum += (int16_t)(uint16_t)(a[1].i >> 16 * i) * (int64_t)(int8_t)(uint8_t)(a[2].i >> 8 * i);
    return (element){.i = sc_wrap(DT_I32, sum)};
}

/* ---- memory ------------------------------------------------------------------ */

static void fail(machine *m, lp_buf b, const char *problem)
{
    if (!m->failed)
        diag_error(m->d, (ir_loc){0}, D_KERNEL, m->k->name, m->k->buf.at[b].name, problem);
    m->failed = true;
}

/* Finds a buffer's strides and the number of its elements. */
static void shape(machine *m, lp_buf b)
{
    const lp_buffer *buf = &m->k->buf.at[b];
    memory *mem = &m->buf[b];

    mem->count = 1;
    for (int i = buf->rank - 1; i >= 0; i--) {
        int64_t n = lp_eval_dims(m->k, buf->dims[i], m->dims);
        mem->stride[i] = mem->count;
        mem->count *= max_i64(n, 0);
    }
}

/* The element at an offset; null after an error. */
static uint8_t *at_offset(machine *m, lp_buf b, int64_t offset)
{
    char problem[96];

    if (offset >= 0 && offset < m->buf[b].count)
        return m->buf[b].at + offset * dt_size(m->k->buf.at[b].dtype);
    snprintf(problem, sizeof problem, "has no element at %lld, it ends at %lld", (long long)offset,
             (long long)m->buf[b].count);
    fail(m, b, problem);
    return NULL;
}

static element eval(machine *m, lp_expr e);

/* The offset of b[idx] in elements; -1 if it does not fit. */
static int64_t offset_of(machine *m, lp_buf b, const lp_expr *idx)
{
    int64_t sum = 0, part;

    for (int i = 0; i < m->k->buf.at[b].rank; i++)
        if (!mul_ok(eval(m, idx[i]).i, m->buf[b].stride[i], &part) || !add_ok(sum, part, &sum))
            return -1;
    return sum;
}

/* ---- expressions ------------------------------------------------------------- */

static element load(machine *m, const lp_node *n, const lp_expr *args)
{
    ir_dtype d = (ir_dtype)n->dtype;
    bool wanted = !n->guarded || eval(m, args[n->narg - 1]).i;
    int64_t offset = offset_of(m, n->ref, args);
    const uint8_t *p = wanted ? at_offset(m, n->ref, offset) : NULL;

    return p ? get(d, p) : dt_is_float(d) ? (element){.f = 0} : (element){.i = 0};
}

/* Operands are evaluated in order; a load that a selection does not take is
 * evaluated all the same, as vectors do. */
static element scalar(machine *m, const lp_node *n, const lp_expr *args)
{
    element a[3] = {{0}, {0}, {0}};
    ir_dtype d = lp_dtype(m->k, args[0]);

    for (uint32_t i = 0; i < n->narg; i++)
        a[i] = eval(m, args[i]);
    if (n->kind == LX_FLOORDIV)
        return (element){.i = floor_div_i64(a[0].i, a[1].i)};
    if (n->kind == LX_DOT4)
        return dot4(a);
    if (n->kind == LX_DOT2)
        return dot2(a);
    switch ((sc_op)n->op) {
    case SC_SELECT: return a[0].i ? a[1] : a[2];
    case SC_CAST:
    case SC_BITCAST: return cast(d, (ir_dtype)n->dtype, a[0], n->op == SC_BITCAST);
    default: return apply((sc_op)n->op, d, a);
    }
}

/* Operands have smaller numbers than what they are operands of, and variables that are
 * defined later greater ones; parameters never change. */
static void find_newest(machine *m)
{
    for (lp_expr e = 1; e < m->k->node.len; e++) {
        const lp_node *n = lp_at(m->k, e);
        bool changes = n->kind == LX_VAR && m->k->var.at[n->ref].kind != LP_DIM;
        lp_var newest = n->kind == LX_LOAD ? READS : changes ? n->ref : 0;
        for (uint32_t i = 0; i < n->narg; i++) {
            lp_var of = m->newest[m->k->arg.at[n->arg + i]];
            newest = newest > of ? newest : of;
        }
        m->newest[e] = newest;
    }
}

static void set(machine *m, lp_var v, element x)
{
    m->var[v] = x;
    m->changed[v] = ++m->now;
}

static bool is_known(const machine *m, lp_expr e)
{
    lp_var v = m->newest[e];

    return m->seen[e] >= (v == READS ? m->statement : m->changed[v]);
}

/* Loads see stores of earlier statements only. */
static element eval(machine *m, lp_expr e)
{
    const lp_node *n = lp_at(m->k, e);

    if (n->kind == LX_VAR)
        return m->var[n->ref];
    if (is_known(m, e))
        return m->value[e];
    const lp_expr *args = m->k->arg.at + n->arg;
    element v = n->kind == LX_LITERAL ? get((ir_dtype)n->dtype, &n->bits)
                : n->kind == LX_LOAD  ? load(m, n, args)
                                      : scalar(m, n, args);
    m->seen[e] = m->now;
    return m->value[e] = v;
}

/* ---- statements -------------------------------------------------------------- */

static void run_block(machine *m, const lp_stmt *s);

/* A local in a loop is a new one in each turn. */
static void run_local(machine *m, const lp_stmt *s)
{
    ir_dtype d = m->k->buf.at[s->buf].dtype;
    memory *mem = &m->buf[s->buf];

    shape(m, s->buf);
    size_t bytes = (size_t)(mem->count * dt_size(d));
    mem->at = mem->owned = mem_resize(mem->owned, bytes + 1);
    memset(mem->at, 0xff, bytes);
    for (int64_t i = 0; s->value && i < mem->count; i++)
        put(d, mem->at + i * dt_size(d), eval(m, s->value));
}

static void run_store(machine *m, const lp_stmt *s)
{
    ir_dtype d = m->k->buf.at[s->buf].dtype;
    element v = eval(m, s->value);
    uint8_t *p = at_offset(m, s->buf, offset_of(m, s->buf, s->idx));

    if (p)
        put(d, p, s->accum ? apply(s->accum, d, (element[]){get(d, p), v, {0}}) : v);
}

/* Combines the second half with the first, until one element is left. */
static void run_fold(machine *m, const lp_stmt *s)
{
    ir_dtype d = m->k->buf.at[s->from].dtype;
    element v[LP_MAX_LANES];
    int64_t n = min_i64(m->buf[s->from].count, LP_MAX_LANES);

    for (int64_t i = 0; i < n; i++)
        v[i] = get(d, at_offset(m, s->from, i));
    while (n > 1) {
        n /= 2;
        for (int64_t i = 0; i < n; i++)
            v[i] = apply(s->accum, d, (element[]){v[i], v[i + n], {0}});
    }
    set(m, s->var[0], v[0]);
}

/* to[i, j] = from[j, i] of a square tile. */
static void run_transpose(machine *m, const lp_stmt *s)
{
    int to_rank = m->k->buf.at[s->buf].rank, from_rank = m->k->buf.at[s->from].rank;
    const int64_t *to = m->buf[s->buf].stride + to_rank - 2;
    const int64_t *from = m->buf[s->from].stride + from_rank - 2;
    int64_t to_base = offset_of(m, s->buf, s->idx), from_base = offset_of(m, s->from, s->from_idx);
    ir_dtype d = m->k->buf.at[s->buf].dtype;

    for (int i = 0; i < s->size; i++)
        for (int j = 0; j < s->size; j++) {
            uint8_t *dst = at_offset(m, s->buf, to_base + i * to[0] + j * to[1]);
            const uint8_t *src = at_offset(m, s->from, from_base + j * from[0] + i * from[1]);
            if (!dst || !src)
                return;
            memcpy(dst, src, (size_t)dt_size(d));
        }
}

/* Iterations [begin, end) of the product of all ranges, in which the last one runs
 * fastest. */
static void run_par(machine *m, const lp_stmt *s)
{
    int64_t lo[LP_MAX_RANK], extent[LP_MAX_RANK];

    for (uint32_t i = 0; i < s->nvar; i++) {
        lo[i] = eval(m, s->lo[i]).i;
        int64_t span = eval(m, s->hi[i]).i - lo[i];
        extent[i] = max_i64(floor_div_i64(span + s->step[i] - 1, s->step[i]), 1);
    }
    for (int64_t n = m->begin; n < m->end && !m->failed; n++) {
        int64_t rest = n;
        for (uint32_t i = s->nvar; i-- > 0;) {
            set(m, s->var[i], (element){.i = lo[i] + (i ? rest % extent[i] : rest) * s->step[i]});
            rest /= extent[i];
        }
        run_block(m, s->body);
    }
}

/* A vec loop is a loop over its elements. */
static void run_loop(machine *m, const lp_stmt *s)
{
    int64_t lo, hi, step = s->kind == LP_VEC ? 1 : s->step[0];

    if (s->kind == LP_PAR) {
        run_par(m, s);
        return;
    }
    lo = eval(m, s->lo[0]).i;
    hi = eval(m, s->hi[0]).i;
    for (int64_t i = lo; i < hi && !m->failed; i += step) {
        set(m, s->var[0], (element){.i = i});
        run_block(m, s->body);
    }
}

static void run_block(machine *m, const lp_stmt *s)
{
    for (; s && !m->failed; s = s->next) {
        m->statement = ++m->now;
        switch (s->op) {
        case LP_LOOP: run_loop(m, s); break;
        case LP_LOCAL: run_local(m, s); break;
        case LP_LET: set(m, s->var[0], eval(m, s->value)); break;
        case LP_STORE: run_store(m, s); break;
        case LP_IF: run_block(m, eval(m, s->value).i ? s->body : s->other); break;
        case LP_FOLD: run_fold(m, s); break;
        case LP_TRANSPOSE: run_transpose(m, s); break;
        case LP_PREFETCH: break;
        }
    }
}

/* `arg` is as a kernel's: workspace and scratch bytes, which are not used here,
 * then buffers and dims.  False after an error. */
bool lp_interpret(const lp_kernel *k, void *const *arg, int64_t begin, int64_t end, diag *d)
{
    machine m = {.k = k, .d = d, .begin = begin, .end = end, .now = 1,
                 .dims = (const int64_t *)(arg + 2 + k->param.len)};

    m.buf = mem_alloc(k->buf.len * sizeof *m.buf);
    m.var = mem_alloc(k->var.len * sizeof *m.var);
    m.value = mem_alloc(k->node.len * sizeof *m.value);
    m.seen = mem_alloc(k->node.len * sizeof *m.seen);
    m.newest = mem_alloc(k->node.len * sizeof *m.newest);
    m.changed = mem_alloc((k->var.len + 1) * sizeof *m.changed);
    m.changed[0] = m.now;
    find_newest(&m);
    for (uint32_t i = 0; i < k->dim.len; i++)
        m.var[k->dim.at[i]].i = m.dims[i];
    for (uint32_t i = 0; i < k->param.len; i++) {
        shape(&m, k->param.at[i]);
        m.buf[k->param.at[i]].at = arg[2 + i];
    }
    run_block(&m, k->body);
    for (lp_buf b = 1; b < k->buf.len; b++)
        mem_free(m.buf[b].owned);
    mem_free(m.buf);
    mem_free(m.var);
    mem_free(m.value);
    mem_free(m.seen);
    mem_free(m.newest);
    mem_free(m.changed);
    return !m.failed;
}
