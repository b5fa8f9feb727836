/* ir/op/control.c - if, loop, call.  Operands, regions and results: ir.h. */
#include "op/join.h"

static bool takes(const ir_infer *in, const ir_fn *f, uint32_t params)
{
    return f->param.len == params || diag_error(in->b->d, in->b->loc, D_OPERANDS, in_name(in),
                                                (int)f->param.len, (int)params);
}

static const ir_type *param_type(const ir_fn *f, uint32_t i)
{
    return ir_type_of(f, f->param.at[i]);
}

static const ir_type *result_type(const ir_fn *f, uint32_t i)
{
    return ir_type_of(f, f->result.at[i]);
}

/* Operands from `arg` on are the parameters from `param` on. */
static bool passes(const ir_infer *in, const ir_fn *f, uint32_t arg, uint32_t param)
{
    for (; arg < in->narg; arg++, param++)
        if (!may_be(in, in_type(in, arg), param_type(f, param)))
            return in_types_differ(in, in_type(in, arg), param_type(f, param));
    return true;
}

static const ir_dim *known(const ir_fn *f, uint32_t result)
{
    return f->value.at[f->result.at[result]].elem;
}

/* ---- if ------------------------------------------------------------------------------- */

/* The extent of a result whose branches have a and b: where they differ, the symbol of a
 * size that is a in `yes` and b in `no`.  *ok becomes false if there is none. */
static ir_dim if_extent(const ir_infer *in, const ir_fn *yes, const ir_fn *no, ir_dim a, ir_dim b,
                        bool *ok)
{
    ir_dims syms = in->attr->IF.syms;
    uint32_t first = yes->result.len - (uint32_t)min_i64(syms.n, yes->result.len);

    for (uint32_t k = 0; !dim_same(a, b) && k < yes->result.len - first; k++) {
        const ir_dim *x = known(yes, first + k), *y = known(no, first + k);
        if (x && y && dim_same(*x, a) && dim_same(*y, b))
            return syms.at[k];
    }
    *ok = *ok && dim_same(a, b);
    return a;
}

/* The type of a result whose branches have types a and b; null if they do not fit. */
static const ir_type *if_type(const ir_infer *in, const ir_type *a, const ir_type *b)
{
    const ir_fn *yes = in->attr->IF.yes, *no = in->attr->IF.no;
    ir_dim dim[IR_MAX_RANK];
    bool ok = true;

    if (a->kind != TY_TENSOR || b->kind != TY_TENSOR)
        return join_elements(in, a, b);
    if (a->dtype != b->dtype || a->rank != b->rank)
        return NULL;
    for (int i = 0; i < a->rank; i++)
        dim[i] = if_extent(in, yes, no, a->dim[i], b->dim[i], &ok);
    return ok ? type_tensor(&in->b->m->types, a->dtype, a->rank, dim) : NULL;
}

/* in: condition, then what both sides take.  Results are of the sides' types
 * joined: extents that differ become the node's symbols; a side that is never
 * reached joins with anything. */
bool ir_infer_if(ir_infer *in)
{
    const ir_fn *yes = in->attr->IF.yes, *no = in->attr->IF.no;

    if (!in->narg)
        return diag_error(in->b->d, in->b->loc, D_OPERANDS, in_name(in), 1, 0);
    if (!yes || !no)
        return in_fail(in, "yes", "or no is missing");
    if (!in_rank(in, 0, 0) || !in_dtype(in, 0, DT_BOOL) || !takes(in, yes, in->narg - 1) ||
        !takes(in, no, in->narg - 1) || !passes(in, yes, 1, 0) || !passes(in, no, 1, 0))
        return false;
    if (yes->result.len != no->result.len || yes->result.len > IR_MAX_RESULTS)
        return in_fail(in, "yes", "and no have different or too many results");
    for (uint32_t i = 0; i < yes->result.len; i++) {
        const ir_type *a = result_type(yes, i), *b = result_type(no, i), *t;
        t = a->kind == TY_NEVER ? b : b->kind == TY_NEVER ? a : if_type(in, a, b);
        if (!t)
            return in_types_differ(in, a, b);
        in_type_result(in, t);
    }
    return true;
}

/* Symbols syms[k] get the values of the last syms.n of `count` values. */
static bool define_sizes(ir_eval *e, ir_dims syms, ir_val *const *v, uint32_t count)
{
    for (int k = 0; k < syms.n && (uint32_t)syms.n <= count; k++) {
        uint32_t id = dim_symbol_id(&e->m->dims, syms.at[k]);
        const ir_val *size = v[count - (uint32_t)syms.n + (uint32_t)k];
        if (id != NAMES_NONE && !eval_symbol_set(e, id, val_int(size, 0)))
            return false;
    }
    return true;
}

bool ir_eval_if(ir_call *c)
{
    const struct ir_attr_IF *a = &c->attr->IF;

    return eval_region(c->e, c->in[0]->data[0] ? a->yes : a->no, c->in + 1, c->out) &&
           define_sizes(c->e, a->syms, c->out, c->n->nres);
}

/* ---- call ----------------------------------------------------------------------------- */

/* The callee's symbols are matched against the operands' extents: f(x: f32[n])
 * called with f32[8] gives results with 8 for n. */
bool ir_infer_call(ir_infer *in)
{
    const ir_fn *f = in->attr->CALL.fn;
    uint32_t n = in_table(in)->symbol.len;
    arena mem = {0};

    if (!f || f == in->b->fn)
        return in_fail(in, "fn", "is missing or the function itself");
    if (!takes(in, f, in->narg) || f->result.len > IR_MAX_RESULTS)
        return false;
    for (uint32_t i = 0; i < in->narg; i++) {
        const ir_type *x = in_type(in, i), *p = param_type(f, i);
        if (x->kind != p->kind || x->dtype != p->dtype || x->rank != p->rank)
            return in_types_differ(in, x, p);
    }
    ir_dim *to = arena_array(&mem, ir_dim, n + 1);
    bool *given = arena_array(&mem, bool, n + 1);
    const ir_type **types = arena_array(&mem, const ir_type *, in->narg + 1);
    for (uint32_t i = 0; i < in->narg; i++)
        types[i] = in_type(in, i);
    ir_match_dims(f, types, to, given);
    dim_subst s = {to, given, n};
    for (uint32_t i = 0; i < f->result.len; i++)
        in_type_result(in, type_apply(&in->b->m->types, &s, result_type(f, i)));
    arena_reset(&mem);
    return true;
}

bool ir_eval_call(ir_call *c)
{
    return eval_region(c->e, c->attr->CALL.fn, c->in, c->out);
}

/* ---- loop ------------------------------------------------------------------------------- */

/* Do the numbers of operands, carries and results agree with the body? */
static bool loop_counts(const ir_infer *in, const struct ir_attr_LOOP *a)
{
    uint32_t fixed = (uint32_t)a->carries + (uint32_t)a->slice_axes.n;

    if (!a->body)
        return in_fail(in, "body", "is missing");
    if (a->carries < 0 || a->carries > IR_MAX_RESULTS || a->syms.n > a->carries)
        return in_fail(in, "carries", "is out of range");
    if (in->narg < fixed + 1)
        return diag_error(in->b->d, in->b->loc, D_OPERANDS, in_name(in), (int)fixed + 1,
                          (int)in->narg);
    if (!takes(in, a->body, in->narg))
        return false;
    if (a->body->result.len != (uint32_t)a->carries + 1 + (uint32_t)a->stack_axes.n ||
        a->body->result.len > IR_MAX_RESULTS)
        return in_fail(in, "body", "has the wrong number of results");
    return true;
}

static bool is_scalar(const ir_type *t, ir_dtype d)
{
    return t->kind == TY_NEVER || (t->kind == TY_TENSOR && t->dtype == d && t->rank == 0);
}

/* The body's parameter of a sliced operand: the operand without the axis. */
static bool loop_slice(const ir_infer *in, const struct ir_attr_LOOP *a, int k)
{
    uint32_t arg = (uint32_t)(1 + a->carries + k);
    const ir_type *x = in_type(in, arg), *p = param_type(a->body, arg);
    int axis = a->slice_axes.at[k], n = 0;
    ir_dim dim[IR_MAX_RANK];

    if (!in_tensor(in, arg) || !in_axis(in, axis, x->rank))
        return false;
    if (a->infinite)
        return in_fail(in, "infinite", "leaves no extent for what is sliced");
    if (a->reverse && !in_agree(in, axis, x->dim[axis], a->trip))
        return false;
    if (dim_is(in_table(in), dim_lt(in_table(in), x->dim[axis], a->trip), 1))
        return in_fail(in, "trip", "is more than a sliced operand has");
    for (int i = 0; i < x->rank; i++)
        if (i != axis)
            dim[n++] = x->dim[i];
    const ir_type *t = type_tensor(&in->b->m->types, x->dtype, n, dim);
    return may_be(in, t, p) || in_types_differ(in, t, p);
}

/* Type p of a carry in the body, with sizes as `elem` of the values at..
 * of f (sizes that are not known stay). */
static const ir_type *with_sizes(const ir_infer *in, const ir_type *p, const ir_fn *f,
                                 const ir_ref *sizes)
{
    ir_dims syms = in->attr->LOOP.syms;
    uint32_t n = in_table(in)->symbol.len;
    ir_dim *to = mem_alloc((n + 1) * sizeof *to);
    bool *given = mem_alloc(n + 1);

    for (int k = 0; k < syms.n; k++) {
        uint32_t id = dim_symbol_id(in_table(in), syms.at[k]);
        const ir_dim *elem = f->value.at[sizes[k]].elem;
        if (id == NAMES_NONE || !elem)
            continue;
        to[id] = elem[0];
        given[id] = true;
    }
    const ir_type *t = type_apply(&in->b->m->types, &(dim_subst){to, given, n}, p);
    mem_free(to);
    mem_free(given);
    return t;
}

/* A carry has one type in the body, in which sizes are symbols: the first value and the one
 * yielded must be of that type with their own sizes put in. */
static bool loop_carry(ir_infer *in, const struct ir_attr_LOOP *a, int i)
{
    const ir_fn *f = a->body;
    const ir_type *p = param_type(f, (uint32_t)i + 1);
    int first = a->carries - a->syms.n;
    const ir_type *init = in_type(in, (uint32_t)i + 1), *next = result_type(f, (uint32_t)i + 1);

    if (i >= first && (!is_scalar(p, DT_I64) || !is_scalar(init, DT_I64)))
        return in_types_differ(in, p, type_scalar(&in->b->m->types, DT_I64));
    const ir_type *before = with_sizes(in, p, in->b->fn, in->args + 1 + first);
    const ir_type *after = with_sizes(in, p, f, f->result.at + 1 + first);
    if (!may_be(in, init, before))
        return in_types_differ(in, init, before);
    if (!may_be(in, next, after))
        return in_types_differ(in, next, after);
    return in_type_result(in, p);
}

/* The type of a stacked result: that of the body, with an axis more, as long as iterations
 * run. */
static bool loop_stack(ir_infer *in, const struct ir_attr_LOOP *a, int k)
{
    const ir_type *y = result_type(a->body, (uint32_t)(1 + a->carries + k));
    int axis = a->stack_axes.at[k], n = 0;
    ir_dim dim[IR_MAX_RANK + 1], extent = a->trip;

    if (y->kind == TY_NEVER)
        return in_type_result(in, y);
    if (y->kind != TY_TENSOR)
        return in_fail(in, "body", "stacks what is no tensor");
    if (a->trips < in_table(in)->symbol.len)
        extent = in_table(in)->symbol.at[a->trips].self;
    else if (a->infinite)
        return in_fail(in, "trips", "is missing");
    if (a->reverse && !dim_same(extent, a->trip))
        return in_fail(in, "trips", "is given to a reverse loop, which runs all iterations");
    if (!in_axis(in, axis, y->rank + 1))
        return false;
    for (int i = 0; i <= y->rank; i++)
        dim[i] = i == axis ? extent : y->dim[n++];
    return in_result(in, y->dtype, y->rank + 1, dim);
}

/* in: whether it begins, carries, operands that are sliced, captures.  The body
 * takes the round's number, carries, slices, captures, and gives whether it goes
 * on, carries, what is stacked. */
bool ir_infer_loop(ir_infer *in)
{
    const struct ir_attr_LOOP *a = &in->attr->LOOP;
    const ir_type *flag = type_scalar(&in->b->m->types, DT_BOOL);

    if (!loop_counts(in, a))
        return false;
    if (!is_scalar(in_type(in, 0), DT_BOOL) || !is_scalar(result_type(a->body, 0), DT_BOOL))
        return in_types_differ(in, in_type(in, 0), flag);
    if (!is_scalar(param_type(a->body, 0), DT_I64))
        return in_types_differ(in, param_type(a->body, 0), type_scalar(&in->b->m->types, DT_I64));
    for (int i = 0; i < a->carries; i++)
        if (!loop_carry(in, a, i))
            return false;
    for (int k = 0; k < a->slice_axes.n; k++)
        if (!loop_slice(in, a, k))
            return false;
    uint32_t first = (uint32_t)(1 + a->carries + a->slice_axes.n);
    if (!passes(in, a->body, first, first))
        return false;
    for (int k = 0; k < a->stack_axes.n; k++)
        if (!loop_stack(in, a, k))
            return false;
    return true;
}

/* A running loop.  `arg`: the body's operands; `stacked`: items in the order
 * of iterations, stack_axes.n of each iteration. */
typedef struct running {
    ir_call *c;
    const struct ir_attr_LOOP *a;
    int64_t trip, count;
    VEC(ir_val *) arg, result, stacked;
} running;

/* The elements of x at position `at` of the axis, which vanishes. */
static ir_val *slice_of(ir_eval *e, const ir_val *x, int axis, int64_t at)
{
    int64_t dim[IR_MAX_RANK], from[IR_MAX_RANK], own[IR_MAX_RANK], stride[IR_MAX_RANK];
    int n = 0;

    if (at < 0 || at >= x->dim[axis]) {
        eval_fail(e, "loop: iteration %lld is out of a sliced operand", (long long)at);
        return NULL;
    }
    strides_of(x->rank, x->dim, from);
    for (int i = 0; i < x->rank; i++)
        if (i != axis) {
            dim[n] = x->dim[i];
            stride[n++] = from[i];
        }
    ir_val *r = eval_new(e, x->dtype, n, dim);
    if (r && strides_of(n, dim, own))
        copy_strided(n, dim, dt_size(x->dtype), r->data, own, val_at(x, at * from[axis]), stride);
    return r;
}

static bool set_arg(running *r, uint32_t i, ir_val *v)
{
    eval_drop(r->arg.at[i]);
    r->arg.at[i] = v;
    return v != NULL;
}

static bool set_operands(running *r)
{
    const struct ir_attr_LOOP *a = r->a;
    int64_t at = a->reverse ? r->trip - 1 - r->count : r->count;
    ir_val *i = eval_new(r->c->e, DT_I64, 0, NULL);

    if (!set_arg(r, 0, i))
        return false;
    num_store_int(DT_I64, i->data, r->count);
    for (int k = 0; k < a->slice_axes.n; k++) {
        uint32_t n = (uint32_t)(1 + a->carries + k);
        if (!set_arg(r, n, slice_of(r->c->e, r->c->in[n], a->slice_axes.at[k], at)))
            return false;
    }
    return true;
}

/* One iteration; *go: the condition it yields. */
static bool iterate(running *r, bool *go)
{
    const struct ir_attr_LOOP *a = r->a;
    uint32_t carries = (uint32_t)a->carries, mark = eval_mark(r->c->e);

    memset(r->result.at, 0, r->result.len * sizeof *r->result.at);
    if (!set_operands(r) || !define_sizes(r->c->e, a->syms, r->arg.at + 1, carries) ||
        !eval_region(r->c->e, a->body, r->arg.at, r->result.at))
        return false;
    eval_forget(r->c->e, mark);
    *go = r->result.at[0]->data[0];
    eval_drop(r->result.at[0]);
    for (uint32_t i = 0; i < carries; i++)
        set_arg(r, i + 1, r->result.at[i + 1]);
    for (int k = 0; k < a->stack_axes.n; k++)
        vec_push(&r->stacked, r->result.at[1 + carries + (uint32_t)k]);
    r->count++;
    return true;
}

/* Extents of stack k without its axis: of an item, or of the type if none ran. */
static bool item_dims(running *r, int k, int *rank, int64_t *dim)
{
    const ir_type *t = result_type(r->a->body, (uint32_t)(1 + r->a->carries + k));

    if (r->count) {
        const ir_val *v = r->stacked.at[k];
        *rank = v->rank;
        memcpy(dim, v->dim, (size_t)v->rank * sizeof *dim);
        return true;
    }
    *rank = t->rank;
    for (int i = 0; i < t->rank; i++)
        if (!eval_dim_known(r->c->e, t->dim[i], &dim[i]))
            dim[i] = 0;
    return t->kind == TY_TENSOR;
}

/* Copies v to position `at` of the axis of y that v lacks. */
static bool place_item(running *r, const ir_val *v, int axis, int64_t at, ir_val *y)
{
    int64_t all[IR_MAX_RANK], stride[IR_MAX_RANK], own[IR_MAX_RANK];
    int n = 0;

    strides_of(y->rank, y->dim, all);
    for (int i = 0; i < y->rank; i++)
        if (i != axis) {
            if (v->rank != y->rank - 1 || v->dim[n] != y->dim[i])
                return eval_fail(r->c->e, "loop: stacked results differ in shape");
            stride[n++] = all[i];
        }
    if (strides_of(n, v->dim, own))
        copy_strided(n, v->dim, dt_size(y->dtype), val_at(y, at * all[axis]), stride, v->data, own);
    return true;
}

/* The k-th stacked result from the items of all iterations, the last first if in reverse. */
static ir_val *stack(running *r, int k)
{
    int64_t dim[IR_MAX_RANK], full[IR_MAX_RANK + 1];
    int axis = r->a->stack_axes.at[k], rank, n = 0, each = r->a->stack_axes.n;

    if (!item_dims(r, k, &rank, dim) || axis > rank)
        return NULL;
    for (int i = 0; i <= rank; i++)
        full[i] = i == axis ? r->count : dim[n++];
    ir_val *y = eval_new(r->c->e, result_type(r->a->body, (uint32_t)(1 + r->a->carries + k))->dtype,
                         rank + 1, full);
    for (int64_t i = 0; y && i < r->count; i++)
        if (!place_item(r, r->stacked.at[i * each + k], axis,
                        r->a->reverse ? r->count - 1 - i : i, y)) {
            eval_drop(y);
            return NULL;
        }
    return y;
}

/* Hands over carries and stacks, and defines the symbols of trips and sizes. */
static bool finish(running *r)
{
    const struct ir_attr_LOOP *a = r->a;
    ir_call *c = r->c;
    uint32_t n = 0;

    for (int i = 0; i < a->carries; i++)
        c->out[n++] = eval_keep(r->arg.at[i + 1]);
    for (int k = 0; k < a->stack_axes.n; k++)
        if (!(c->out[n++] = stack(r, k)))
            return eval_fail(c->e, "loop: stacked results do not fit");
    if (a->stack_axes.n && a->trips < c->e->m->dims.symbol.len &&
        !eval_symbol_set(c->e, a->trips, r->count))
        return false;
    return define_sizes(c->e, a->syms, c->out, (uint32_t)a->carries);
}

/* Counts up to the trip count or until the body says no; reverse only turns around
 * which slice a round gets and where its result is stacked. */
bool ir_eval_loop(ir_call *c)
{
    running r = {.c = c, .a = &c->attr->LOOP};
    bool go = c->in[0]->data[0];
    bool ok = r.a->infinite || eval_dim(c->e, r.a->trip, &r.trip);

    vec_resize(&r.arg, c->nin);
    vec_resize(&r.result, r.a->body->result.len);
    for (uint32_t i = 1; i < c->nin; i++)
        r.arg.at[i] = eval_keep(c->in[i]);
    while (ok && go && (r.a->infinite || r.count < r.trip))
        ok = iterate(&r, &go);
    ok = ok && finish(&r);
    for (uint32_t i = 0; i < r.arg.len; i++)
        eval_drop(r.arg.at[i]);
    for (uint32_t i = 0; i < r.stacked.len; i++)
        eval_drop(r.stacked.at[i]);
    vec_free(&r.arg);
    vec_free(&r.result);
    vec_free(&r.stacked);
    return ok;
}
