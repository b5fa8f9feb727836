/* passes/grad_control.c - gradients of branches and loops.
 *
 * if: an `if` with the same condition; each side runs its forward part again (it is pure,
 * and gives the same bits) and then back.  Nothing is kept of the branch not taken.
 *
 * loop: the body is differentiated once, as one function with its adjoints, which tape.c
 * cuts in two.  The forward loop stacks what the cut asks for; the backward loop runs the
 * iterations from the last to the first.  It carries the adjoints of the carries, slices
 * the stacks and their adjoints, stacks the adjoints of slices, and sums up those of
 * captures:
 *
 *     h = loop(h0, x, w)    h' = f(h, x_t, w)         forward, stacks h and what f' needs
 *     dh0, dw, dx = loop(dh, 0, ..)                   backward, with dh = dL/dh at the end
 *         body(dh, dw, ..)  dh' = dh df/dh,  dw' = dw + dh df/dw,  dx_t = dh df/dx_t */
#include "control.h"
#include "grad.h"
#include "tape.h"

/* ---- branches -------------------------------------------------------------------- */

/* Does this operand of n get a gradient?  One that is given twice gets it once. */
static bool branch_wants(const grad_cx *cx, const ir_node *n, uint32_t i)
{
    ir_ref x = ir_arg(cx->b->fn, n, i);

    for (uint32_t j = 1; j < i; j++)
        if (ir_arg(cx->b->fn, n, j) == x)
            return false;
    return cx->on[x] && grad_flows(ir_type_of(cx->b->fn, x));
}

/* The adjoints gy of n's results as those of the values out of side k.  An extent that the
 * branches differ in has a symbol outside, and is the branch's own in it. */
static void seed_side(grad_cx *in, ir_branches *f, int k, const ir_node *n, const ir_ref *gy,
                      const ir_ref *out)
{
    for (uint32_t i = 0; i < n->nres; i++) {
        const ir_type *t = ir_type_of(in->b->fn, out[i]);
        if (gy[i] == IR_NONE || !grad_flows(t))
            continue;
        ir_ref g = ir_capture(&f->captured, k, "g", gy[i]);
        grad_add(in, out[i], ir_reshape(in->b, g, t->dim, t->rank));
    }
}

/* The forward part of side k, then the adjoints of what it captures. */
static bool branch_back(grad_cx *cx, ir_branches *f, int k, const ir_node *n, const ir_ref *gy)
{
    const ir_fn *branch = k ? n->attr->IF.no : n->attr->IF.yes;
    ir_ref *x = arena_array(&cx->pass->scratch, ir_ref, n->narg);
    ir_ref *out = arena_array(&cx->pass->scratch, ir_ref, n->nres);

    for (uint32_t i = 1; i < n->narg; i++)
        x[i] = ir_capture(&f->captured, k, branch->param_name.at[i - 1],
                          ir_arg(cx->b->fn, n, i));
    if (!ir_inline(&f->side[k], branch, x + 1, out))
        return false;
    grad_cx in = grad_open(cx->pass, cx->tapes, &f->side[k]);
    for (uint32_t i = 1; i < n->narg; i++)
        in.on[x[i]] = branch_wants(cx, n, i) || in.on[x[i]];
    seed_side(&in, f, k, n, gy, out);
    if (!grad_walk(&in))
        return false;
    for (uint32_t i = 1; i < n->narg; i++)
        if (branch_wants(cx, n, i))
            ir_if_yield(f, k, "dx", grad_or_zero(&in, x[i]));
    return true;
}

/* The new branch's results are the adjoints of the captures that want one, in
 * order. */
bool grad_if(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    ir_branches f;

    ir_if_begin(&f, cx->b, grad_arg(cx, n, 0));
    bool ok = branch_back(cx, &f, 0, &n, gy) && branch_back(cx, &f, 1, &n, gy);
    f.failed |= !ok;
    ir_ref dx = ir_if_end(&f);
    for (uint32_t i = 1; i < n.narg && dx != IR_NONE; i++)
        if (branch_wants(cx, &n, i))
            grad_add(cx, grad_arg(cx, n, i), dx++);
    return ok;
}

/* ---- loops ------------------------------------------------------------------------ */

/* A loop being differentiated.  Parameters of its body are numbered as the node's
 * operands: iteration 0, carries from 1 on, slices, captures. */
typedef struct back {
    grad_cx *cx;
    ir_node n;
    const struct ir_attr_LOOP *a;
    const ir_ref *gy;
    ir_dim trip;            /* iterations run */
    uint32_t carries, slices, stacks;
    bool *active;           /* by parameter: a gradient flows to it */
    uint32_t *seed;         /* by result of the body: the joint body's parameter that is its
                             * adjoint, 0: none */
    uint32_t *dx;           /* by parameter: the joint body's result that is its adjoint */
    ir_ref taped;           /* the loop that stacks more: its first result */
    uint32_t *stack;        /* by value of the joint body: result of `taped` that holds it */
    tape t;
} back;

static const ir_type *param_type(const back *k, uint32_t i)
{
    return ir_type_of(k->a->body, k->a->body->param.at[i]);
}

/* Marks what a gradient flows to: a carry is reached where its first or next value is. */
static void find_active(back *k)
{
    const ir_fn *body = k->a->body;
    bool *on = arena_array(&k->cx->pass->scratch, bool, body->value.len + 1), again;

    for (uint32_t i = 1; i < k->n.narg; i++)
        on[body->param.at[i]] = k->cx->on[grad_arg(k->cx, k->n, i)] && grad_flows(param_type(k, i));
    do {
        again = false;
        grad_reach(body, on);
        for (uint32_t i = 1; i <= k->carries; i++) {
            ir_ref p = body->param.at[i];
            bool reached = on[body->result.at[i]] && grad_flows(param_type(k, i)) && !on[p];
            on[p] |= reached;
            again |= reached;
        }
    } while (again);
    for (uint32_t i = 1; i < k->n.narg; i++)
        k->active[i] = on[body->param.at[i]];
}

/* Marks the values that one of those marked is made of. */
static void reach_back(const ir_fn *f, bool *on)
{
    for (uint32_t i = f->node.len; i-- > 0;) {
        const ir_node *n = &f->node.at[i];
        bool any = false;
        for (uint32_t j = 0; j < n->nres; j++)
            any |= on[n->first + j];
        for (uint32_t j = 0; any && j < n->narg; j++)
            on[ir_arg(f, n, j)] = true;
    }
}

/* Does the value matter to the objective?  Results with adjoints do, and next values of
 * carries that do.  Those of carries are k->seed's from 1 on. */
static void find_seeds(back *k)
{
    const ir_fn *body = k->a->body;
    bool *on = arena_array(&k->cx->pass->scratch, bool, body->value.len + 1), again;

    for (uint32_t i = 1; i < body->result.len; i++)
        k->seed[i] = k->gy[i - 1] != IR_NONE && (i > k->carries || k->active[i]);
    do {
        again = false;
        for (uint32_t i = 1; i < body->result.len; i++)
            on[body->result.at[i]] |= k->seed[i] != 0;
        reach_back(body, on);
        for (uint32_t i = 1; i <= k->carries; i++)
            if (k->active[i] && !k->seed[i] && on[body->param.at[i]])
                k->seed[i] = again = true;
    } while (again);
}

/* The body's parameters, then the adjoints of its results. */
static void joint_params(back *k, ir_build *b, ir_ref *x)
{
    const ir_fn *body = k->a->body;

    for (uint32_t i = 0; i < body->param.len; i++) {
        x[i] = ir_input(b, body->param_name.at[i], param_type(k, i));
        b->fn->value.at[x[i]].elem = body->value.at[body->param.at[i]].elem;
    }
    for (uint32_t i = 1; i < body->result.len; i++)
        if (k->seed[i]) {
            k->seed[i] = b->fn->param.len;
            ir_input(b, "g", i <= k->carries ? param_type(k, i)
                                             : ir_type_of(body, body->result.at[i]));
        }
}

/* Nodes of the joint body: those of the body, then back. */
static bool joint_nodes(back *k, ir_build *b, const ir_ref *x)
{
    const ir_fn *body = k->a->body;
    ir_ref *out = arena_array(&k->cx->pass->scratch, ir_ref, body->result.len + 1);

    if (!ir_inline(b, body, x, out))
        return false;
    grad_cx in = grad_open(k->cx->pass, k->cx->tapes, b);
    for (uint32_t i = 1; i < body->param.len; i++)
        in.on[x[i]] = k->active[i];
    for (uint32_t i = 1; i < body->result.len; i++)
        if (k->seed[i])
            grad_add(&in, out[i], b->fn->param.at[k->seed[i]]);
    if (!grad_walk(&in))
        return false;
    for (uint32_t i = 0; i < body->result.len; i++)
        ir_result(b, "y", out[i]);
    for (uint32_t i = 1; i < body->param.len; i++)
        if (k->active[i] && in.adjoint[x[i]] != IR_NONE) {
            k->dx[i] = b->fn->result.len;
            ir_result(b, "dx", in.adjoint[x[i]]);
        }
    return true;
}

/* By value of the joint body: is it stacked along axis 0 anyway? */
static bool *stacked_anyway(const back *k, const ir_fn *j)
{
    bool *stacked = arena_array(&k->cx->pass->scratch, bool, j->value.len + 1);

    for (uint32_t s = 0; s < k->stacks; s++)
        stacked[j->result.at[1 + k->carries + s]] = k->a->stack_axes.at[s] == 0;
    return stacked;
}

/* The joint body, cut in two. */
static bool make_joint(back *k)
{
    ir_build b;
    arena *mem = &k->cx->pass->scratch;
    ir_ref *x = arena_array(mem, ir_ref, k->n.narg + 1);

    ir_build_init(&b, k->cx->b->m, ir_fn_region(k->cx->b->m, "joint"), k->cx->pass->d);
    b.loc = k->n.loc;
    joint_params(k, &b, x);
    bool ok = joint_nodes(k, &b, x);
    ir_build_free(&b);
    if (!ok)
        return false;
    tapes_merge(k->cx->tapes, k->cx->pass, b.fn);
    k->t = (tape){.joint = b.fn, .params = k->n.narg, .carries = k->carries,
                  .results = k->a->body->result.len, .stacked = stacked_anyway(k, b.fn)};
    tape_cut(&k->t, mem);
    return !k->cx->pass->d->errors;
}

/* What stands in a part for the joint body's values; IR_NONE at first. */
static ir_ref *empty_map(const back *k)
{
    uint32_t n = k->t.joint->value.len;
    ir_ref *map = arena_array(&k->cx->pass->scratch, ir_ref, n + 1);

    memset(map, 0xff, n * sizeof *map);
    return map;
}

static ir_ref joint_param(const back *k, uint32_t i)
{
    return k->t.joint->param.at[i];
}

static const char *param_name(const back *k, uint32_t i)
{
    return k->t.joint->param_name.at[i];
}

/* ---- the forward loop */

/* All operands of the loop again, in their order. */
static void forward_operands(back *k, ir_loop *l, ir_ref *map)
{
    uint32_t i = 1;

    map[joint_param(k, 0)] = l->i;
    for (; i <= k->carries; i++)
        map[joint_param(k, i)] =
            ir_loop_carry(l, param_name(k, i), grad_arg(k->cx, k->n, i), param_type(k, i));
    for (uint32_t s = 0; s < k->slices; s++, i++)
        map[joint_param(k, i)] = ir_loop_slice(l, param_name(k, i), grad_arg(k->cx, k->n, i),
                                               k->a->slice_axes.at[s]);
    for (; i < k->n.narg; i++)
        map[joint_param(k, i)] = ir_loop_capture(l, param_name(k, i), grad_arg(k->cx, k->n, i));
}

/* Stacks the loop's own results, then what is kept and none of them.  A loop that stacks
 * nothing would not tell how often it ran. */
static void forward_stacks(back *k, ir_loop *l, const ir_ref *map)
{
    const ir_fn *j = k->t.joint;
    uint32_t next = k->carries + k->stacks;

    for (uint32_t s = 0; s < k->stacks; s++) {
        ir_ref y = j->result.at[1 + k->carries + s];
        ir_loop_stack(l, map[y], k->a->stack_axes.at[s]);
        if (k->a->stack_axes.at[s] == 0)
            k->stack[y] = k->carries + s;
    }
    for (ir_ref r = 0; r < j->value.len; r++)
        if (k->t.kept[r] && k->stack[r] == IR_NONE) {
            k->stack[r] = next++;
            ir_loop_stack(l, map[r], 0);
        }
    if (!l->stacked.len && l->at.trips != NAMES_NONE)
        ir_loop_stack(l, l->i, 0);
}

/* Remembers that `taped` stands for the loop, with which operand for which. */
static void remember(back *k)
{
    const ir_fn *f = k->cx->b->fn;
    const ir_node *now = ir_node_of(f, k->taped);
    uint32_t *arg = arena_array(&k->cx->pass->scratch, uint32_t, now->narg + 1);

    for (uint32_t i = 0; i < now->narg; i++)
        while (ir_arg(f, &k->n, arg[i]) != ir_arg(f, now, i))
            arg[i]++;
    tape_pair p = {.body = k->a->body, .taped = now->attr->LOOP.body, .attr = now->attr,
                   .narg = now->narg, .arg = arg};
    vec_push(&k->cx->tapes->pair, p);
}

/* The loop again, stacking more.  It defines the number of iterations itself only
 * where the old one did: a symbol has one place that defines it. */
static bool forward(back *k)
{
    const ir_fn *j = k->t.joint;
    ir_ref *map = empty_map(k);
    ir_loop l;

    ir_loop_begin(&l, k->cx->b, "forward");
    l.first = grad_arg(k->cx, k->n, 0);
    l.at.trip = k->a->trip;
    l.at.reverse = k->a->reverse;
    l.at.trips = dim_symbol_id(&k->cx->b->m->dims, k->trip);
    if (dim_same(k->trip, k->a->trip))
        l.at.trips = NAMES_NONE;
    forward_operands(k, &l, map);
    l.failed |= !ir_copy(&l.body, j, k->t.forward, map);
    l.again = map[j->result.at[0]];
    for (uint32_t i = 1; i <= k->carries; i++)
        ir_loop_next(&l, map[j->result.at[i]]);
    forward_stacks(k, &l, map);
    k->taped = ir_loop_end(&l);
    if (k->taped != IR_NONE)
        remember(k);
    return k->taped != IR_NONE;
}

/* ---- the backward loop */

/* What the backward part reads of the joint body, by value. */
static bool *back_reads(const back *k)
{
    const ir_fn *j = k->t.joint;
    bool *read = arena_array(&k->cx->pass->scratch, bool, j->value.len + 1);

    for (uint32_t i = k->t.results; i < j->result.len; i++)
        read[j->result.at[i]] = true;
    for (uint32_t i = 0; i < j->node.len; i++)
        for (uint32_t a = 0; k->t.back[i] && a < j->node.at[i].narg; a++)
            read[ir_arg(j, &j->node.at[i], a)] = true;
    return read;
}

static ir_ref zeros(ir_build *b, const ir_type *t)
{
    return ir_splat(b, t, 0);
}

/* Is parameter i a capture that the backward loop sums the adjoints of? */
static bool summed(const back *k, uint32_t i)
{
    return i > k->carries + k->slices && k->dx[i];
}

/* Carries: the adjoints of the carries, then the sums of those of captures, at sum[i]. */
static void back_carries(back *k, ir_loop *l, ir_ref *map, ir_ref *sum)
{
    for (uint32_t i = 1; i <= k->carries; i++)
        if (k->seed[i]) {
            ir_ref g = k->gy[i - 1];
            const ir_type *t = param_type(k, i);
            map[joint_param(k, k->seed[i])] =
                ir_loop_carry(l, "g", g == IR_NONE ? zeros(k->cx->b, t) : g, t);
        }
    for (uint32_t i = k->carries + k->slices + 1; i < k->n.narg; i++)
        if (summed(k, i))
            sum[i] = ir_loop_carry(l, "sum", zeros(k->cx->b, param_type(k, i)), NULL);
}

/* The part of sliced operand x that iterations have read. */
static ir_ref iterated(const back *k, ir_ref x, int axis)
{
    const ir_type *t = ir_type_of(k->cx->b->fn, x);

    if (dim_same(t->dim[axis], k->trip))
        return x;
    return ir_slice_axis(k->cx->b, x, axis, (ir_dim){0}, (ir_dim){1}, k->trip);
}

/* Slices: adjoints of stacks, what is kept, and the body's own slices. */
static void back_slices(back *k, ir_loop *l, ir_ref *map, const bool *read)
{
    for (uint32_t s = 0; s < k->stacks; s++)
        if (k->seed[1 + k->carries + s])
            map[joint_param(k, k->seed[1 + k->carries + s])] =
                ir_loop_slice(l, "g", k->gy[k->carries + s], k->a->stack_axes.at[s]);
    for (ir_ref r = 0; r < k->t.joint->value.len; r++)
        if (k->t.kept[r])
            map[r] = ir_loop_slice(l, "kept", k->taped + k->stack[r], 0);
    for (uint32_t s = 0, i = k->carries + 1; s < k->slices; s++, i++) {
        int axis = k->a->slice_axes.at[s];
        if (read[joint_param(k, i)])
            map[joint_param(k, i)] = ir_loop_slice(
                l, param_name(k, i), iterated(k, grad_arg(k->cx, k->n, i), axis), axis);
    }
}

/* The iteration that is undone, and captures. */
static void back_captures(back *k, ir_loop *l, ir_ref *map, const bool *read)
{
    ir_dim last = dim_sub(&k->cx->b->m->dims, k->trip, (ir_dim){1});

    if (read[joint_param(k, 0)])
        map[joint_param(k, 0)] = ir_2(&l->body, OP_SUB, ir_dim_ref(&l->body, last), l->i);
    for (uint32_t i = k->carries + k->slices + 1; i < k->n.narg; i++)
        if (read[joint_param(k, i)])
            map[joint_param(k, i)] =
                ir_loop_capture(l, param_name(k, i), grad_arg(k->cx, k->n, i));
}

static ir_ref adjoint_in(const back *k, ir_loop *l, const ir_ref *map, uint32_t i)
{
    return k->dx[i] ? map[k->t.joint->result.at[k->dx[i]]] : zeros(&l->body, param_type(k, i));
}

/* In the order of back_carries and back_slices. */
static void back_results(back *k, ir_loop *l, const ir_ref *map, const ir_ref *sum)
{
    for (uint32_t i = 1; i <= k->carries; i++)
        if (k->seed[i])
            ir_loop_next(l, adjoint_in(k, l, map, i));
    for (uint32_t i = k->carries + k->slices + 1; i < k->n.narg; i++)
        if (summed(k, i))
            ir_loop_next(l, ir_2(&l->body, OP_ADD, sum[i], adjoint_in(k, l, map, i)));
    for (uint32_t s = 0; s < k->slices; s++)
        if (k->dx[1 + k->carries + s])
            ir_loop_stack(l, adjoint_in(k, l, map, 1 + k->carries + s), k->a->slice_axes.at[s]);
}

/* The adjoint of a sliced operand: zeros behind what iterations have read. */
static ir_ref widened(const back *k, ir_ref g, uint32_t i, int axis)
{
    const ir_type *t = ir_type_of(k->cx->b->fn, grad_arg(k->cx, k->n, i));
    ir_dim low[IR_MAX_RANK] = {0}, high[IR_MAX_RANK] = {0};

    if (dim_same(t->dim[axis], k->trip))
        return g;
    high[axis] = dim_sub(&k->cx->b->m->dims, t->dim[axis], k->trip);
    return ir_pad(k->cx->b, g, ir_float(k->cx->b, t->dtype, 0), low, high, NULL);
}

/* Results of the backward loop, from r on, to the operands whose adjoints they are. */
static void hand_out(back *k, ir_ref r)
{
    for (uint32_t i = 1; i <= k->carries; i++)
        if (k->seed[i])
            grad_add(k->cx, grad_arg(k->cx, k->n, i), r++);
    for (uint32_t i = k->carries + k->slices + 1; i < k->n.narg; i++)
        if (summed(k, i))
            grad_add(k->cx, grad_arg(k->cx, k->n, i), r++);
    for (uint32_t s = 0, i = k->carries + 1; s < k->slices; s++, i++)
        if (k->dx[i])
            grad_add(k->cx, grad_arg(k->cx, k->n, i),
                     widened(k, r++, i, k->a->slice_axes.at[s]));
}

/* Iterations in the reverse order.  It always runs as often as the forward loop
 * did, so it needs no condition. */
static bool backward(back *k)
{
    ir_ref *map = empty_map(k), *sum = arena_array(&k->cx->pass->scratch, ir_ref, k->n.narg);
    bool *read = back_reads(k);
    ir_loop l;

    ir_loop_begin(&l, k->cx->b, "back");
    l.at.trip = k->trip;
    l.at.reverse = !k->a->reverse;
    back_carries(k, &l, map, sum);
    back_slices(k, &l, map, read);
    back_captures(k, &l, map, read);
    l.failed |= !ir_copy(&l.body, k->t.joint, k->t.back, map);
    back_results(k, &l, map, sum);
    ir_ref r = ir_loop_end(&l);
    if (r != IR_NONE)
        hand_out(k, r);
    return r != IR_NONE;
}

/* ---- the rule */

/* Iterations run: known, or a symbol that the forward loop is going to define. */
static ir_dim iterations(const grad_cx *cx, const ir_node *n)
{
    ir_dim runs;

    if (ir_loop_runs(cx->b->fn, &n->attr->LOOP, ir_arg(cx->b->fn, n, 0), &runs))
        return runs;
    return dim_symbol_new(&cx->b->m->dims, "trips", 0, INT64_MAX);
}

/* Forward the loop also stacks what its body's gradient needs to read (tape), then
 * a loop backward in time takes it off again.  Its trip count must be bounded, as
 * stacks have extents. */
bool grad_loop(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    const struct ir_attr_LOOP *a = &n.attr->LOOP;
    arena *mem = &cx->pass->scratch;

    if (a->infinite)
        return grad_lacks(cx, &n, "a loop without a bound has no gradient");
    if (a->syms.n)
        return grad_lacks(cx, &n, "a loop whose carries change extents has no gradient");
    back k = {.cx = cx, .n = n, .a = a, .gy = gy, .trip = iterations(cx, &n),
              .carries = (uint32_t)a->carries, .slices = (uint32_t)a->slice_axes.n,
              .stacks = (uint32_t)a->stack_axes.n,
              .active = arena_array(mem, bool, n.narg + 1u),
              .dx = arena_array(mem, uint32_t, n.narg + 1u),
              .seed = arena_array(mem, uint32_t, a->body->result.len + 1)};
    find_active(&k);
    find_seeds(&k);
    if (!make_joint(&k))
        return false;
    k.stack = empty_map(&k);
    return forward(&k) && backward(&k);
}
