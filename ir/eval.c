/* ir/eval.c - the evaluator's walk over functions, its values and dims.
 *
 * It is the slow, obviously right reading of the IR: the constant folder and the
 * interpreter use it, and tests compare generated code with it.  Node by node, each
 * op's ir_eval_* (ir/op/) makes its results.
 *
 * Intermediate values are counted references on the heap and are freed after their
 * last use, so that a large network needs only what is live.  Results are copied to
 * the arena of the caller. */
#include "eval.h"

#include <stdlib.h>

#include "eval_op.h"

/* Nested regions and calls, each of which is some frames of C. */
enum { MAX_DEPTH = 100 };
static const int64_t max_bytes = (int64_t)1 << 36;

void ir_eval_init(ir_eval *e, const ir_module *m, arena *mem)
{
    *e = (ir_eval){.m = m, .mem = mem, .steps = -1, .symbols = m->dims.symbol.len};
    e->symbol = mem_alloc(e->symbols * sizeof *e->symbol);
    e->symbol_known = mem_alloc(e->symbols * sizeof *e->symbol_known);
    e->state = arena_array(mem, ir_val *, m->state.len);
}

void ir_eval_free(ir_eval *e)
{
    mem_free(e->symbol);
    mem_free(e->symbol_known);
    vec_free(&e->trail);
}

/* Only the first error counts: later ones follow from it.  Returns false. */
bool eval_fail(ir_eval *e, const char *fmt, ...)
{
    text t = {0};
    va_list ap;

    if (e->error)
        return false;
    va_start(ap, fmt);
    text_addv(&t, fmt, ap);
    va_end(ap);
    e->error = arena_strdup(e->mem, t.at);
    text_free(&t);
    return false;
}

/* Takes n elements from the budget of steps; -1 is without limit.  The budget keeps
 * constant folding of a hostile file from running for ever, and is spent by work,
 * not time: results are the same on any machine. */
bool eval_charge(ir_eval *e, int64_t n)
{
    if (e->steps < 0)
        return true;
    if (n > e->steps) {
        e->steps = 0;
        return eval_fail(e, "the step budget is spent");
    }
    e->steps -= n;
    return true;
}

/* ---- values ------------------------------------------------------------------ */

/* Element count of dims; false if one is negative or the size too large. */
static bool count_of(ir_dtype dtype, int rank, const int64_t *dim, int64_t *count)
{
    int64_t size;

    *count = 1;
    for (int i = 0; i < rank; i++)
        if (dim[i] < 0 || !mul_ok(*count, dim[i], count))
            return false;
    return mul_ok(*count, (int64_t)dt_size(dtype), &size) && size <= max_bytes;
}

ir_val *val_tensor(arena *mem, ir_dtype dtype, int rank, const int64_t *dim)
{
    int64_t n;

    if (rank > IR_MAX_RANK || !count_of(dtype, rank, dim, &n))
        return NULL;
    ir_val *v = arena_new(mem, ir_val);
    *v = (ir_val){.dtype = dtype, .rank = rank};
    v->dim = arena_copy(mem, dim, (size_t)rank * sizeof *dim);
    v->data = arena_alloc(mem, (size_t)(n * dt_size(dtype)));
    return v;
}

int64_t val_count(const ir_val *v)
{
    int64_t n = 1;

    for (int i = 0; i < v->rank; i++)
        n *= v->dim[i];
    return n;
}

/* A value like `proto` with its extents and `size` bytes in one block, elements at a multiple
 * of 64 bytes; it has one reference. */
static ir_val *new_block(ir_eval *e, ir_val proto, const int64_t *dim, int64_t size)
{
    size_t head = (sizeof(ir_val) + (size_t)proto.rank * sizeof *dim + 63) & ~(size_t)63;
    ir_val *v = aligned_alloc(64, (head + (size_t)size + 63) & ~(size_t)63);

    if (!v) {
        eval_fail(e, "out of memory for a value of %lld bytes", (long long)size);
        return NULL;
    }
    *v = proto;
    v->refs = 1;
    v->dim = (int64_t *)(v + 1);
    if (dim)
        memcpy(v->dim, dim, (size_t)proto.rank * sizeof *dim);
    v->data = (uint8_t *)v + head;
    return v;
}

/* Zeroed.  Null, with the error set, if the size or the budget says no. */
ir_val *eval_new(ir_eval *e, ir_dtype dtype, int rank, const int64_t *dim)
{
    int64_t n;

    if (rank > IR_MAX_RANK || !count_of(dtype, rank, dim, &n)) {
        eval_fail(e, "a value has a negative extent or is too large");
        return NULL;
    }
    if (!eval_charge(e, n))
        return NULL;
    return new_block(e, (ir_val){.dtype = dtype, .rank = rank}, dim, n * dt_size(dtype));
}

ir_val *eval_like(ir_eval *e, const ir_val *x, ir_dtype dtype)
{
    return eval_new(e, dtype, x->rank, x->dim);
}

ir_val *eval_view(ir_eval *e, ir_val *x, int rank, const int64_t *dim)
{
    ir_val *v = new_block(e, (ir_val){.dtype = x->dtype, .rank = rank}, dim, 0);

    if (v) {
        v->owner = eval_keep(x);
        v->data = x->data;
    }
    return v;
}

/* A sequence or optional of n items, each with one reference more. */
ir_val *eval_items(ir_eval *e, ir_kind kind, ir_val *const *item, uint32_t n)
{
    ir_val *v = eval_charge(e, n) ? new_block(e, (ir_val){.kind = kind, .n = n}, NULL,
                                              (int64_t)(n * sizeof *item)) : NULL;

    if (!v)
        return NULL;
    v->item = (ir_val **)(void *)v->data;
    for (uint32_t i = 0; i < n; i++)
        v->item[i] = eval_keep(item[i]);
    return v;
}

ir_val *eval_keep(ir_val *v)
{
    v->refs += v->refs > 0;
    return v;
}

void eval_drop(ir_val *v)
{
    if (!v || !v->refs || --v->refs)
        return;
    for (uint32_t i = 0; i < v->n; i++)
        eval_drop(v->item[i]);
    eval_drop(v->owner);
    free(v);
}

void *eval_scratch(ir_eval *e, int64_t count, int64_t size)
{
    int64_t bytes;
    void *p = count >= 0 && mul_ok(count, size, &bytes) && bytes <= max_bytes
                  ? malloc((size_t)bytes + 1) : NULL;

    if (!p)
        eval_fail(e, "out of memory for a temporary value");
    return p;
}

/* The value in the arena, for good. */
static ir_val *settle(ir_eval *e, const ir_val *v)
{
    if (v->kind == TY_TENSOR) {
        ir_val *t = val_tensor(e->mem, v->dtype, v->rank, v->dim);
        int64_t n = val_count(v);
        if (n)
            memcpy(t->data, v->data, (size_t)(n * dt_size(v->dtype)));
        return t;
    }
    ir_val *s = arena_copy(e->mem, v, sizeof *v);
    s->refs = 0;
    s->owner = NULL;
    s->dim = NULL;
    s->data = NULL;
    s->item = arena_array(e->mem, ir_val *, v->n);
    for (uint32_t i = 0; i < v->n; i++)
        s->item[i] = settle(e, v->item[i]);
    return s;
}

/* ---- dims -------------------------------------------------------------------- */

/* Have all symbols of d a value in this run? */
static bool dim_known(const ir_eval *e, ir_dim d)
{
    const dim_expr *x = dim_get(&e->m->dims, d);

    if (!x || x->op == DIM_CONST)
        return true;
    if (x->op == DIM_SYM)
        return x->value < e->symbols && e->symbol_known[x->value];
    if (x->op == DIM_POLY) {
        for (uint32_t i = 0; i < x->n; i++)
            for (uint32_t j = 0; j < x->term[i].n; j++)
                if (!dim_known(e, x->term[i].atom[j]))
                    return false;
        return true;
    }
    return dim_known(e, x->arg[0]) && dim_known(e, x->arg[1]) &&
           (x->op != DIM_SELECT || dim_known(e, x->arg[2]));
}

bool eval_dim(ir_eval *e, ir_dim d, int64_t *out)
{
    *out = d.v;
    if (d.v >= 0)
        return true;
    if (!dim_known(e, d))
        return eval_fail(e, "a dim is used before its value is known");
    return dim_eval(&e->m->dims, d, e->symbol, out) || eval_fail(e, "a dim overflows");
}

bool eval_dims(ir_eval *e, ir_dims d, int64_t *out)
{
    for (int i = 0; i < d.n; i++)
        if (!eval_dim(e, d.at[i], &out[i]))
            return false;
    return true;
}

static void grow_symbols(ir_eval *e)
{
    uint32_t n = e->m->dims.symbol.len;

    e->symbol = mem_resize(e->symbol, n * sizeof *e->symbol);
    e->symbol_known = mem_resize(e->symbol_known, n * sizeof *e->symbol_known);
    memset(e->symbol_known + e->symbols, 0, (n - e->symbols) * sizeof *e->symbol_known);
    e->symbols = n;
}

/* The trail lists what was set, so that a region's symbols can be forgotten when it
 * ends: in the next run of a loop's body they may have other values. */
bool eval_symbol_set(ir_eval *e, uint32_t symbol, int64_t value)
{
    if (symbol >= e->symbols)
        grow_symbols(e);
    if (e->symbol_known[symbol])
        return e->symbol[symbol] == value ||
               eval_fail(e, "dim %s is both %lld and %lld",
                         e->m->dims.symbol.at[symbol].name,
                         (long long)e->symbol[symbol], (long long)value);
    e->symbol[symbol] = value;
    e->symbol_known[symbol] = true;
    vec_push(&e->trail, symbol);
    return true;
}

bool eval_dim_known(ir_eval *e, ir_dim d, int64_t *out)
{
    return dim_known(e, d) && eval_dim(e, d, out);
}

uint32_t eval_mark(const ir_eval *e)
{
    return e->trail.len;
}

void eval_forget(ir_eval *e, uint32_t mark)
{
    while (e->trail.len > mark)
        e->symbol_known[e->trail.at[--e->trail.len]] = false;
}

/* One extent, as `unify` says: a symbol alone takes it, an expression must agree. */
static bool unify_dim(ir_eval *e, ir_dim d, int64_t actual, bool define)
{
    uint32_t symbol = dim_symbol_id(&e->m->dims, d);
    int64_t v;

    if (symbol != NAMES_NONE)
        return !define || eval_symbol_set(e, symbol, actual);
    if (define || !dim_known(e, d))
        return true;
    if (!eval_dim(e, d, &v))
        return false;
    return v == actual || eval_fail(e, "an extent is %lld, expected %lld",
                                    (long long)actual, (long long)v);
}

/* define: symbols get the extents; else: expressions must agree with them. */
static bool unify(ir_eval *e, const ir_type *t, const ir_val *v, bool define)
{
    if (t->kind != TY_TENSOR)
        return t->kind == TY_NEVER || t->kind == v->kind ||
               eval_fail(e, "a value is of the wrong kind");
    if (v->kind != TY_TENSOR || v->rank != t->rank || v->dtype != t->dtype)
        return eval_fail(e, "a value has another element type or rank than expected");
    for (int i = 0; i < t->rank; i++)
        if (!unify_dim(e, t->dim[i], v->dim[i], define))
            return false;
    return true;
}

/* All symbols first: an expression may stand before its symbols. */
static bool unify_results(ir_eval *e, const ir_fn *fn, const ir_node *n, ir_val *const *v)
{
    for (int define = 1; define >= 0; define--)
        for (uint32_t i = 0; i < n->nres; i++)
            if (!unify(e, ir_type_of(fn, n->first + i), v[i], define))
                return false;
    return true;
}

static bool unify_params(ir_eval *e, const ir_fn *fn, ir_val *const *v)
{
    for (int define = 1; define >= 0; define--)
        for (uint32_t i = 0; i < fn->param.len; i++)
            if (!unify(e, ir_type_of(fn, fn->param.at[i]), v[i], define))
                return false;
    return true;
}

/* ---- functions ------------------------------------------------------------------ */

typedef bool eval_fn(ir_call *c);
static eval_fn *const table[OP_COUNT] = {
#define SCALAR(NAME, ...) [OP_##NAME] = ir_eval_scalar,
#include "scalar.def"
#define OP(NAME, text, nin, nres, infer, eval, ...) [OP_##NAME] = ir_eval_##eval,
#include "ops.def"
};

bool ir_eval_none(ir_call *c)
{
    return eval_fail(c->e, "%s has no value before it is expanded",
                     ir_op_get(c->n->op)->text);
}

/* One call or region at work. */
typedef struct frame {
    ir_val **slot;          /* by ref: the value while it is used */
    uint32_t *uses;         /* by ref: uses still to come */
    VEC(ir_val *) args, out;
} frame;

static void count_uses(const ir_fn *fn, uint32_t *uses)
{
    for (uint32_t i = 0; i < fn->args.len; i++)
        uses[fn->args.at[i]]++;
    for (uint32_t i = 0; i < fn->result.len; i++)
        uses[fn->result.at[i]]++;
    for (uint32_t i = 0; i < fn->update.len; i++)
        uses[fn->update.at[i].value]++;
}

static void drop_use(frame *f, ir_ref r)
{
    if (f->uses[r] && --f->uses[r])
        return;
    eval_drop(f->slot[r]);
    f->slot[r] = NULL;
}

static bool call_op(ir_eval *e, const ir_fn *fn, const ir_node *n, ir_val *const *args,
                    ir_val **out, ir_val *const *param)
{
    ir_call c = {e, fn, n, n->attr, args, n->narg, out, param};

    return eval_charge(e, 1) && table[n->op](&c);
}

/* Evaluates node n on the frame's values, and drops those that no later node reads. */
static bool run_node(ir_eval *e, const ir_fn *fn, const ir_node *n, frame *f,
                     ir_val *const *param)
{
    vec_resize(&f->args, n->narg + 1u);
    vec_resize(&f->out, n->nres + 1u);
    memset(f->out.at, 0, (n->nres + 1u) * sizeof *f->out.at);
    for (uint32_t i = 0; i < n->narg; i++)
        f->args.at[i] = f->slot[ir_arg(fn, n, i)];
    bool ok = call_op(e, fn, n, f->args.at, f->out.at, param) &&
              unify_results(e, fn, n, f->out.at);
    for (uint32_t i = 0; i < n->nres; i++)
        f->slot[n->first + i] = f->out.at[i];
    if (!ok)
        return eval_fail(e, "%s cannot be evaluated", ir_op_get(n->op)->text);
    if (e->watch)
        e->watch(e->watch_cx, fn, n, f->out.at);
    for (uint32_t i = 0; i < n->narg; i++)
        drop_use(f, ir_arg(fn, n, i));
    for (uint32_t i = 0; i < n->nres; i++)
        if (!f->uses[n->first + i])
            drop_use(f, n->first + i);
    return true;
}

/* A value whose memory is its own, so that a state may be overwritten. */
static ir_val *detached(ir_eval *e, ir_val *v)
{
    if (v->kind != TY_TENSOR || (v->refs && !v->owner))
        return eval_keep(v);
    ir_val *copy = new_block(e, (ir_val){.dtype = v->dtype, .rank = v->rank}, v->dim,
                             val_count(v) * dt_size(v->dtype));
    if (copy && val_count(v))
        memcpy(copy->data, v->data, (size_t)(val_count(v) * dt_size(v->dtype)));
    return copy;
}

static void set_state(ir_eval *e, ir_val **s, const ir_val *v)
{
    if (*s && v->kind == TY_TENSOR && (*s)->dtype == v->dtype && val_count(*s) == val_count(v))
        memcpy((*s)->data, v->data, (size_t)(val_count(v) * dt_size(v->dtype)));
    else
        *s = settle(e, v);
}

/* State values are replaced only now, when nothing reads the old ones. */
static bool update_states(ir_eval *e, const ir_fn *fn, const frame *f)
{
    ir_val **v = mem_alloc((fn->update.len + 1) * sizeof *v);
    bool ok = true;

    for (uint32_t i = 0; ok && i < fn->update.len; i++)
        ok = (v[i] = detached(e, f->slot[fn->update.at[i].value])) != NULL;
    for (uint32_t i = 0; i < fn->update.len; i++) {
        if (ok)
            set_state(e, &e->state[fn->update.at[i].state], v[i]);
        eval_drop(v[i]);
    }
    mem_free(v);
    return ok;
}

/* Evaluates a function or region.  Results are references (`keep`), or copied to the
 * evaluator's memory, which outlives the frame. */
static bool run_fn(ir_eval *e, const ir_fn *fn, ir_val *const *in, ir_val **out, bool keep)
{
    frame f = {mem_alloc(fn->value.len * sizeof *f.slot),
               mem_alloc(fn->value.len * sizeof *f.uses), {0}, {0}};
    bool ok = unify_params(e, fn, in);

    count_uses(fn, f.uses);
    for (uint32_t i = 0; ok && i < fn->node.len; i++)
        ok = run_node(e, fn, &fn->node.at[i], &f, in);
    for (uint32_t i = 0; ok && i < fn->result.len; i++) {
        ir_val *v = f.slot[fn->result.at[i]];
        out[i] = keep ? eval_keep(v) : settle(e, v);
    }
    ok = ok && update_states(e, fn, &f);
    for (uint32_t i = 0; i < fn->value.len; i++)
        eval_drop(f.slot[i]);
    mem_free(f.slot);
    mem_free(f.uses);
    vec_free(&f.args);
    vec_free(&f.out);
    return ok;
}

/* `in` and `out` are references; out's are the caller's to drop. */
bool eval_region(ir_eval *e, const ir_fn *fn, ir_val *const *in, ir_val **out)
{
    uint32_t mark = e->trail.len;

    if (e->depth >= MAX_DEPTH)
        return eval_fail(e, "calls are nested too deeply");
    e->depth++;
    bool ok = run_fn(e, fn, in, out, true);
    e->depth--;
    eval_forget(e, mark);
    return ok;
}

bool ir_eval_run(ir_eval *e, const ir_fn *fn, ir_val *const *in, ir_val **out)
{
    uint32_t mark = e->trail.len;
    bool ok = run_fn(e, fn, in, out, false);

    eval_forget(e, mark);
    return ok;
}

/* For the constant folder: one node alone, on values that it has. */
bool ir_eval_node(ir_eval *e, const ir_fn *fn, const ir_node *n, ir_val *const *args, ir_val **out)
{
    uint32_t mark = e->trail.len;
    ir_val *v[IR_MAX_RESULTS] = {NULL};
    bool ok = n->nres <= COUNT(v) && call_op(e, fn, n, args, v, NULL);

    for (uint32_t i = 0; i < n->nres && i < COUNT(v); i++) {
        if (ok)
            out[i] = settle(e, v[i]);
        eval_drop(v[i]);
    }
    eval_forget(e, mark);
    return ok;
}
