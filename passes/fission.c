/* passes/fission.c - take out of a loop what no carry needs.
 *
 * What is made of slices alone goes in front, for all iterations at once, what only stacks
 * read goes behind; a carry c' = c + f that nobody else reads is a sum over all iterations
 * behind the loop.  Only products are worth it, and what stands between them and the loop:
 * a product for all iterations reads its weights once.  So the input product of a recurrent
 * layer stands in front, and the gradient by its weights is one product behind:
 *
 *     loop  h' = f(x_t W + h U)              z = x W;   loop  h' = f(z_t + h U)
 *     loop  dU' = dU + h_t dz_t      ->      loop stacks dz;   dU = sum_t h_t dz_t
 *
 * Loops whose bodies find out extents stay as they are. */
#include "control.h"
#include "lift.h"
#include "num.h"
#include "pass.h"
#include "rule.h"

enum { MOST = 8 };              /* elements newly stacked, for one that need not be computed */

typedef struct fission {
    pass_ctx *cx;
    ir_build *b;
    const struct ir_attr_LOOP *a;
    const ir_fn *body;
    const ir_ref *args;         /* the loop's operands, in b */
    ir_dim trip;                /* iterations that run */
    bool known;                 /* is that known before the loop? */
    uint32_t carries, slices, stacks;
    bool *summed;               /* by carry, from 1 on: a sum behind the loop */
    /* by value of the body: */
    bool *fixed;                /* the same in all iterations */
    bool *early;                /* made of slices and the iteration, and can be lifted */
    bool *front;                /* so, and has a product in it: made in front */
    bool *inner;                /* the next iteration depends on it */
    bool *behind;               /* made behind the loop */
    bool *stacked;              /* of the new loop; at stack[v] */
    ir_ref *stack;
    ir_ref *out;                /* lifted, or as it is if fixed; IR_NONE: not made yet */
} fission;

static const ir_node *node_of(const fission *f, ir_ref v)
{
    return ir_node_of(f->body, v);
}

static uint32_t param_of(const fission *f, ir_ref v)
{
    return (uint32_t)node_of(f, v)->attr->INPUT.index;
}

static bool is_input(const fission *f, ir_ref v) { return node_of(f, v)->op == OP_INPUT; }

/* Result of the body that is the next value of this carry; carries count from 1, as
 * result 0 is the condition. */
static ir_ref next_of(const fission *f, uint32_t carry)
{
    return f->body->result.at[carry];
}

static ir_ref stack_of(const fission *f, uint32_t k)
{
    return f->body->result.at[1 + f->carries + k];
}

/* ---- what can move ---------------------------------------------------------------- */

static bool all(const fission *f, const ir_node *n, const bool *flag)
{
    for (uint32_t i = 0; i < n->narg; i++)
        if (!flag[ir_arg(f->body, n, i)])
            return false;
    return true;
}

static bool any(const fission *f, const ir_node *n, const bool *flag)
{
    for (uint32_t i = 0; i < n->narg; i++)
        if (flag[ir_arg(f->body, n, i)])
            return true;
    return false;
}

/* What is put around x when it is padded must be one value. */
static bool can_lift(const fission *f, const ir_node *n)
{
    return lift_can(n) && (n->op != OP_PAD || f->fixed[ir_arg(f->body, n, 1)]) &&
           ir_type_of(f->body, n->first)->rank < IR_MAX_RANK;
}

/* One walk in order: operands stand before their node, so their flags are final.  A
 * value can be fixed and early at once; `front` asks for a product, since lifting
 * cheap maps would only cost memory. */
static void find_early(fission *f)
{
    const uint32_t captures = 1 + f->carries + f->slices;

    for (uint32_t i = 0; i < f->body->node.len; i++) {
        const ir_node *n = &f->body->node.at[i];
        for (uint32_t r = n->first; r < n->first + n->nres; r++) {
            bool input = n->op == OP_INPUT, source = !input && ir_op_source(n->op);
            uint32_t p = input ? param_of(f, r) : 0;
            f->fixed[r] = input ? p >= captures
                                : source || (lift_can(n) && all(f, n, f->fixed));
            f->early[r] = input ? p == 0 || p > f->carries
                                : source || (can_lift(f, n) && all(f, n, f->early));
            f->front[r] = f->known && f->early[r] && !f->fixed[r] && !input &&
                          (n->op == OP_DOT || any(f, n, f->front));
        }
    }
}

static bool is_zero(const fission *f, ir_ref v)
{
    const ir_node *n = node_of(f, v);
    uint8_t element[16];

    return n->op == OP_CONST && const_is_splat(f->cx->m, n->attr->CONST.id, element) &&
           num_load_flt(ir_type_of(f->body, v)->dtype, element) == 0;
}

/* Is the sum of v over the iterations one of products and reductions? */
static bool sums_up(const fission *f, ir_ref v)
{
    const ir_node *n = node_of(f, v);

    switch (n->op) {
    case OP_DOT:
        return !f->fixed[v];
    case OP_REDUCE:
        return n->attr->REDUCE.op == RED_SUM && !f->fixed[v];
    case OP_ADD: case OP_SUB:
        return sums_up(f, ir_arg(f->body, n, 0)) && sums_up(f, ir_arg(f->body, n, 1));
    case OP_PAD:
        return is_zero(f, ir_arg(f->body, n, 1)) && sums_up(f, ir_arg(f->body, n, 0));
    case OP_NEG: case OP_TRANSPOSE: case OP_RESHAPE: case OP_BROADCAST: case OP_SLICE:
        return sums_up(f, ir_arg(f->body, n, 0));
    default:
        return false;
    }
}

/* What is added to carry k in each iteration; IR_NONE if that is not all it is for. */
static ir_ref addend(const fission *f, uint32_t k, const uint32_t *uses)
{
    ir_ref p = f->body->param.at[k], y = next_of(f, k);
    const ir_node *n = node_of(f, y);

    if (n->op != OP_ADD || uses[p] != 1 || uses[y] != 1)
        return IR_NONE;
    ir_ref a = ir_arg(f->body, n, 0), b = ir_arg(f->body, n, 1);
    return a == p ? b : b == p ? a : IR_NONE;
}

static void find_sums(fission *f)
{
    const uint32_t *uses = ir_use_counts(f->body, &f->cx->scratch);

    for (uint32_t k = 1; k <= f->carries; k++) {
        ir_ref v = addend(f, k, uses);
        f->summed[k] = v != IR_NONE && sums_up(f, v);
    }
}

/* What the condition and the carries that stay are made of. */
static void find_inner(fission *f)
{
    f->inner[f->body->result.at[0]] = true;
    for (uint32_t k = 1; k <= f->carries; k++)
        if (!f->summed[k])
            f->inner[next_of(f, k)] = true;
    for (uint32_t i = f->body->node.len; i-- > 0;) {
        const ir_node *n = &f->body->node.at[i];
        bool needed = !ir_op_pure(n->op) && n->narg;
        for (uint32_t r = n->first; r < n->first + n->nres; r++)
            needed |= f->inner[r];
        for (uint32_t j = 0; needed && j < n->narg; j++)
            f->inner[ir_arg(f->body, n, j)] = true;
    }
}

static void find_behind(fission *f)
{
    for (uint32_t i = 0; i < f->body->node.len; i++) {
        const ir_node *n = &f->body->node.at[i];
        ir_ref v = n->first;
        if (n->nres == 1 && !f->inner[v] && !f->front[v] && !f->fixed[v] && can_lift(f, n))
            f->behind[v] = n->op == OP_DOT || any(f, n, f->behind);
    }
}

/* ---- what it costs ------------------------------------------------------------------ */

static double elements(const fission *f, ir_ref v)
{
    const ir_type *t = ir_type_of(f->body, v);
    double n = 1;

    for (int i = 0; i < t->rank; i++)
        n *= (double)dim_hint(&f->cx->m->dims, t->dim[i]);
    return n;
}

/* Must the loop stack v, so that it is there behind it? */
static bool to_stack(const fission *f, ir_ref v)
{
    return !f->fixed[v] && !f->early[v] && !f->behind[v] && !f->stacked[v];
}

/* Does it pay to have the node behind?  Its operands may have to be stacked for it. */
static bool pays(const fission *f, const ir_node *n)
{
    double more = 0;

    for (uint32_t i = 0; i < n->narg; i++)
        if (to_stack(f, ir_arg(f->body, n, i)))
            more += elements(f, ir_arg(f->body, n, i));
    return more <= MOST * elements(f, n->first);
}

/* What lies behind and reads v needs all of its iterations: v is stacked, or, if v
 * is made behind as well, what it is made of. */
static void mark_stacked(fission *f, ir_ref v)
{
    const ir_node *n = node_of(f, v);

    if (f->fixed[v] || f->early[v])
        return;
    if (!f->behind[v])
        f->stacked[v] = true;
    for (uint32_t i = 0; f->behind[v] && i < n->narg; i++)
        mark_stacked(f, ir_arg(f->body, n, i));
}

/* Products that do not pay stay in the loop, and what is made of them as well. */
static void drop_behind(fission *f)
{
    for (uint32_t i = 0; i < f->body->node.len; i++) {
        const ir_node *n = &f->body->node.at[i];
        if (n->nres == 1 && f->behind[n->first])
            f->behind[n->first] = n->op == OP_DOT ? pays(f, n) : any(f, n, f->behind);
    }
}

/* A sum of products and reductions: each must pay by itself. */
static bool sum_pays(const fission *f, ir_ref v)
{
    const ir_node *n = node_of(f, v);

    if (n->op == OP_DOT)
        return pays(f, n);
    if (n->op == OP_REDUCE)
        return true;
    return sum_pays(f, ir_arg(f->body, n, 0)) &&
           ((n->op != OP_ADD && n->op != OP_SUB) || sum_pays(f, ir_arg(f->body, n, 1)));
}

/* Down to the products and reductions, whose operands are what is needed behind the
 * loop. */
static void mark_sum(fission *f, ir_ref v)
{
    const ir_node *n = node_of(f, v);

    if (n->op == OP_DOT || n->op == OP_REDUCE) {
        for (uint32_t i = 0; i < n->narg; i++)
            mark_stacked(f, ir_arg(f->body, n, i));
        return;
    }
    mark_sum(f, ir_arg(f->body, n, 0));
    if (n->op == OP_ADD || n->op == OP_SUB)
        mark_sum(f, ir_arg(f->body, n, 1));
}

static ir_ref addend_of(const fission *f, uint32_t k)
{
    const ir_node *n = node_of(f, next_of(f, k));
    ir_ref a = ir_arg(f->body, n, 0);

    return a == f->body->param.at[k] ? ir_arg(f->body, n, 1) : a;
}

/* Is result k of the stacks one that the new loop need not have? */
static bool lifted_stack(const fission *f, uint32_t k)
{
    ir_ref v = stack_of(f, k);

    return f->behind[v] || f->front[v];
}

/* Decides what moves, and what is stacked for it; false if nothing does. */
static bool choose(fission *f)
{
    bool moves = false;

    find_sums(f);
    for (uint32_t k = 1; k <= f->carries; k++)
        f->summed[k] = f->summed[k] && sum_pays(f, addend_of(f, k));
    find_inner(f);
    find_behind(f);
    drop_behind(f);
    for (uint32_t k = 0; k < f->stacks; k++) {
        moves |= lifted_stack(f, k);
        mark_stacked(f, stack_of(f, k));
    }
    for (uint32_t k = 1; k <= f->carries; k++)
        if (f->summed[k]) {
            moves = true;
            mark_sum(f, addend_of(f, k));
        }
    bool stacks = f->known;             /* else a stack tells how many iterations ran */
    for (ir_ref v = 0; v < f->body->value.len; v++) {
        moves |= f->front[v];
        stacks |= f->stacked[v];
    }
    return moves && stacks;
}

/* ---- outside of the loop -------------------------------------------------------------- */

/* x with axis `from` first, of as many elements as iterations run. */
static ir_ref slice_first(fission *f, ir_ref x, int from)
{
    if (!dim_same(ir_type_of(f->b->fn, x)->dim[from], f->trip))
        x = ir_slice_axis(f->b, x, from, (ir_dim){0}, (ir_dim){1}, f->trip);
    return ir_axis_first(f->b, x, from);
}

/* Iterations in the order of slices and stacks. */
static ir_ref iterations(fission *f)
{
    ir_build *b = f->b;
    ir_ref i = ir_iota(b, DT_I64, &f->trip, 1, 0);

    if (!f->a->reverse)
        return i;
    ir_dim last = dim_sub(&f->cx->m->dims, f->trip, (ir_dim){1});
    return ir_2(b, OP_SUB, ir_broadcast(b, ir_dim_ref(b, last), &f->trip, 1, NULL), i);
}

static ir_ref param_out(fission *f, uint32_t p)
{
    if (p == 0)
        return iterations(f);
    if (p > f->carries + f->slices)
        return f->args[p];
    return slice_first(f, f->args[p], f->a->slice_axes.at[p - f->carries - 1]);
}

static ir_ref lift(fission *f, ir_ref v);

static lifted *operands(fission *f, const ir_node *n)
{
    lifted *arg = arena_array(&f->cx->scratch, lifted, n->narg + 1u);

    for (uint32_t i = 0; i < n->narg; i++) {
        ir_ref v = ir_arg(f->body, n, i);
        arg[i] = (lifted){lift(f, v), !f->fixed[v]};
    }
    return arg;
}

/* What is fixed is made as it is, everything else with the axis of iterations in
 * front. */
static ir_ref node_out(fission *f, const ir_node *n)
{
    lifted *arg = operands(f, n);

    f->b->loc = n->loc;
    if (!f->fixed[n->first])
        return lift_node(f->b, n, arg, f->trip);
    ir_ref *x = arena_array(&f->cx->scratch, ir_ref, n->narg + 1u);
    for (uint32_t i = 0; i < n->narg; i++)
        x[i] = arg[i].x;
    return ir_make(f->b, n->op, x, n->narg, n->attr);
}

/* v of all iterations, outside of the loop; as it is if it is fixed. */
static ir_ref lift(fission *f, ir_ref v)
{
    const ir_node *n = node_of(f, v);

    if (f->out[v] == IR_NONE)
        f->out[v] = f->stack[v] != IR_NONE ? f->stack[v]
                    : is_input(f, v)       ? param_out(f, param_of(f, v))
                                           : node_out(f, n) + (v - n->first);
    return f->out[v];
}

/* The sum of v over all iterations. */
static ir_ref sum_out(fission *f, ir_ref v)
{
    const ir_node *n = node_of(f, v);
    ir_ref x[2];

    if (n->op == OP_DOT || n->op == OP_REDUCE)
        return lift_sum(f->b, n, operands(f, n));
    x[0] = sum_out(f, ir_arg(f->body, n, 0));
    if (n->narg == 2)
        x[1] = n->op == OP_PAD ? lift(f, ir_arg(f->body, n, 1))
                               : sum_out(f, ir_arg(f->body, n, 1));
    return ir_make(f->b, n->op, x, n->narg, n->attr);
}

/* ---- the loop that is left ---------------------------------------------------------------- */

/* The new body's nodes, by node: down to parameters and what is made in front. */
static bool *taken(fission *f, ir_ref *there)
{
    const ir_fn *body = f->body;
    bool *take = arena_array(&f->cx->scratch, bool, body->node.len + 1);

    for (ir_ref v = 0; v < body->value.len; v++) {
        there[v] = is_input(f, v) || f->front[v] ? 0 : IR_NONE;
        if (there[v] == IR_NONE && f->stacked[v])
            take[body->value.at[v].node] = true;
    }
    for (uint32_t k = 0; k <= f->carries; k++)
        if (!f->summed[k] && there[body->result.at[k]] == IR_NONE)
            take[body->value.at[body->result.at[k]].node] = true;
    for (uint32_t i = 0; i < body->node.len; i++)
        take[i] |= !ir_op_pure(body->node.at[i].op) && body->node.at[i].narg;
    ir_needed(body, there, take);
    return take;
}

/* By value: does the new body read it, or give it as a result? */
static bool *read_by(fission *f, const bool *take)
{
    const ir_fn *body = f->body;
    bool *read = arena_array(&f->cx->scratch, bool, body->value.len + 1);

    for (uint32_t i = 0; i < body->node.len; i++)
        for (uint32_t j = 0; take[i] && j < body->node.at[i].narg; j++)
            read[ir_arg(body, &body->node.at[i], j)] = true;
    for (uint32_t k = 0; k <= f->carries; k++)
        read[body->result.at[k]] |= !f->summed[k];
    for (ir_ref v = 0; v < body->value.len; v++)
        read[v] |= f->stacked[v];
    return read;
}

/* In the order that ir_loop asks for: carries, slices (those made in front are slices now, and
 * all are along the outermost axis, where an iteration reads them in place), captures. */
static void new_params(fission *f, ir_loop *l, const bool *read, ir_ref *map)
{
    const ir_fn *body = f->body;
    uint32_t p = 1;

    map[body->param.at[0]] = l->i;
    for (; p <= f->carries; p++)
        if (!f->summed[p])
            map[body->param.at[p]] = ir_loop_carry(l, body->param_name.at[p], f->args[p],
                                                   ir_type_of(body, body->param.at[p]));
    for (ir_ref v = 0; v < body->value.len; v++)
        if (f->front[v] && read[v])
            map[v] = ir_loop_slice(l, "front", lift(f, v), 0);
    for (uint32_t s = 0; s < f->slices; s++, p++)
        if (read[body->param.at[p]])
            map[body->param.at[p]] = ir_loop_slice(l, body->param_name.at[p],
                ir_axis_first(f->b, f->args[p], f->a->slice_axes.at[s]), 0);
    for (; p < body->param.len; p++)
        if (read[body->param.at[p]])
            map[body->param.at[p]] = ir_loop_capture(l, body->param_name.at[p], f->args[p]);
}

/* Results of the new loop: carries that stay, then what is stacked, at its own axis if the
 * loop stacked it before.  Positions go to `at`, by value, and by carry. */
static void new_results(fission *f, ir_loop *l, const ir_ref *map, uint32_t *carry_at)
{
    uint32_t n = 0;

    l->again = map[f->body->result.at[0]];
    for (uint32_t k = 1; k <= f->carries; k++)
        if (!f->summed[k]) {
            carry_at[k] = n++;
            ir_loop_next(l, map[next_of(f, k)]);
        }
    for (ir_ref v = 0; v < f->body->value.len; v++)
        if (f->stacked[v]) {
            f->stack[v] = n++;
            ir_loop_stack(l, map[v], 0);
        }
}

/* The loop, if anything is left of it: stack[v] becomes the ref that holds v, carry_at[k]
 * that of carry k. */
static bool make_loop(fission *f, uint32_t *carry_at)
{
    uint32_t n = f->body->value.len;
    ir_ref *map = arena_array(&f->cx->scratch, ir_ref, n + 1);
    ir_ref *there = arena_array(&f->cx->scratch, ir_ref, n + 1);
    bool *take = taken(f, there), *read = read_by(f, take);
    ir_loop l;

    memset(map, 0xff, n * sizeof *map);
    ir_loop_begin(&l, f->b, "body");
    l.first = f->args[0];
    l.at.trip = f->a->trip;
    l.at.reverse = f->a->reverse;
    l.at.trips = f->known ? NAMES_NONE : f->a->trips;
    new_params(f, &l, read, map);
    l.failed |= !ir_copy(&l.body, f->body, take, map);
    new_results(f, &l, map, carry_at);
    bool left = l.next.len || l.stacked.len, failed = l.failed;
    l.failed |= !left;
    ir_ref end = ir_loop_end(&l), y = left ? end : 0;
    for (uint32_t k = 1; k <= f->carries; k++)
        carry_at[k] += y;
    for (ir_ref v = 0; v < n; v++)
        f->stack[v] = f->stacked[v] ? f->stack[v] + y : IR_NONE;
    return !failed && y != IR_NONE;
}

/* The lifted v as result of a loop that stacked it along this axis. */
static ir_ref with_axis(fission *f, ir_ref v, int axis)
{
    ir_ref x = lift_varying(f->b, (lifted){lift(f, v), !f->fixed[v]}, f->trip);
    int32_t perm[IR_MAX_RANK];
    int rank = ir_type_of(f->b->fn, x)->rank;

    for (int i = 0; i < rank; i++)
        perm[i] = i < axis ? i + 1 : i == axis ? 0 : i;
    return ir_transpose(f->b, x, perm);
}

/* In the order of the old loop's results; a carry that became a sum adds what it
 * began with, if that is not zero. */
static void results(fission *f, const uint32_t *carry_at, ir_ref *out)
{
    double zero;

    for (uint32_t k = 1; k <= f->carries; k++) {
        if (!f->summed[k]) {
            out[k - 1] = carry_at[k];
            continue;
        }
        ir_ref sum = sum_out(f, addend_of(f, k));
        bool from_zero = rule_splat(f->b, f->args[k], &zero) && zero == 0;
        out[k - 1] = from_zero ? sum : ir_2(f->b, OP_ADD, f->args[k], sum);
    }
    for (uint32_t k = 0; k < f->stacks; k++)
        out[f->carries + k] = with_axis(f, stack_of(f, k), f->a->stack_axes.at[k]);
}

/* ---- the pass ------------------------------------------------------------------------------- */

static bool finds_extents(const ir_fn *body)
{
    for (uint32_t i = 0; i < body->node.len; i++)
        if (ir_symbol_of(body->module, &body->node.at[i], 0) != NAMES_NONE)
            return true;
    return false;
}

/* Nothing is known at first: flags are false, refs IR_NONE (all bits set). */
static void open(fission *f)
{
    arena *mem = &f->cx->scratch;
    uint32_t n = f->body->value.len + 1;
    bool **flags[] = {&f->fixed, &f->early, &f->front, &f->inner, &f->behind, &f->stacked};

    for (size_t i = 0; i < COUNT(flags); i++)
        *flags[i] = arena_array(mem, bool, n);
    f->summed = arena_array(mem, bool, f->carries + 1);
    f->stack = arena_array(mem, ir_ref, n);
    f->out = arena_array(mem, ir_ref, n);
    memset(f->stack, 0xff, n * sizeof *f->stack);
    memset(f->out, 0xff, n * sizeof *f->out);
}

/* The expansion for one node; false leaves the loop as it is. */
static bool split(void *vcx, ir_build *b, const ir_fn *old, const ir_node *n,
                  const ir_ref *args, ir_ref *out)
{
    const struct ir_attr_LOOP *a = n->op == OP_LOOP ? &n->attr->LOOP : NULL;

    (void)old;
    if (!a || a->syms.n || a->infinite || finds_extents(a->body))
        return false;
    fission f = {.cx = vcx, .b = b, .a = a, .body = a->body, .args = args,
                 .carries = (uint32_t)a->carries, .slices = (uint32_t)a->slice_axes.n,
                 .stacks = (uint32_t)a->stack_axes.n};
    if (!ir_loop_runs(b->fn, a, args[0], &f.trip))
        return false;
    f.known = dim_same(f.trip, a->trip);
    open(&f);
    find_early(&f);
    if (!choose(&f))
        return false;
    uint32_t *carry_at = arena_array(&f.cx->scratch, uint32_t, f.carries + 1);
    if (!make_loop(&f, carry_at))
        return false;
    results(&f, carry_at, out);
    return true;
}

bool pass_fission(pass_ctx *cx, ir_fn *fn)
{
    return pass_has(fn, OP_LOOP) && ir_expand(cx->m, fn, cx->d, split, cx);
}
