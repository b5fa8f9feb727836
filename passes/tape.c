/* passes/tape.c - what a loop keeps for its gradient, and what is computed again.
 *
 * Results of products, reductions, exponentials and the like are kept; a map or a movement
 * is computed again if what it is made of is there, but for one value at most: slices,
 * captures, the iteration, what is kept anyway.  So a cell like h' = tanh(x W + h U) keeps
 * h and h', which its gradient reads, and no sum.  What cannot be stacked, since its extents
 * are found out in the body, is computed again whatever it costs. */
#include "tape.h"

#include "cost.h"

/* The joint body being cut.  Example: h' = tanh(h U + z): `late` marks all that has
 * an adjoint in it; the backward part wants h' and h; h' is the loop's result, so
 * the forward loop stacks it and nothing is computed again. */
typedef struct cutting {
    tape *t;
    arena *mem;
    bool *late;                 /* by value: depends on an adjoint */
    bool *want;                 /* by value: the backward part reads it */
    bool *free;                 /* by value: there, or cheaply made of what is there */
    bool *given;                /* by value: so, before anything is kept */
    bool *local;                /* by symbol: defined in the joint body */
    bool *mentioned;            /* by symbol: in a type or attribute of the backward part */
} cutting;

static bool any(const bool *flag, const ir_node *n)
{
    for (uint32_t i = 0; i < n->nres; i++)
        if (flag[n->first + i])
            return true;
    return false;
}

/* What depends on an adjoint can only be computed backward. */
static void find_late(cutting *c)
{
    const ir_fn *f = c->t->joint;

    for (uint32_t i = c->t->params; i < f->param.len; i++)
        c->late[f->param.at[i]] = true;
    for (uint32_t i = 0; i < f->node.len; i++) {
        const ir_node *n = &f->node.at[i];
        bool late = false;
        for (uint32_t j = 0; j < n->narg; j++)
            late |= c->late[ir_arg(f, n, j)];
        for (uint32_t j = 0; late && j < n->nres; j++)
            c->late[n->first + j] = true;
    }
}

static void find_local(cutting *c)
{
    const ir_fn *f = c->t->joint;
    uint32_t id;

    for (uint32_t i = 0; i < f->node.len; i++)
        for (uint32_t k = 0; (id = ir_symbol_of(f->module, &f->node.at[i], k)) != NAMES_NONE; k++)
            c->local[id] = true;
}

static void see_local(void *vcx, uint32_t id)
{
    cutting *c = vcx;

    c->mentioned[id] |= c->local[id];
}

static bool defines_mentioned(const cutting *c, const ir_node *n)
{
    uint32_t id;

    for (uint32_t k = 0; (id = ir_symbol_of(c->t->joint->module, n, k)) != NAMES_NONE; k++)
        if (c->mentioned[id])
            return true;
    return false;
}

static void find_own(void *vcx, uint32_t id)
{
    cutting *c = vcx;

    c->mentioned[c->t->joint->module->dims.symbol.len] |= c->local[id];
}

/* Can values of all iterations lie in one tensor?  Their extents must be the loop's to know. */
static bool stackable(cutting *c, ir_ref r)
{
    const ir_type *t = ir_type_of(c->t->joint, r);
    const dim_table *d = &c->t->joint->module->dims;
    bool *found = &c->mentioned[d->symbol.len];

    *found = false;
    for (int i = 0; t->kind == TY_TENSOR && i < t->rank; i++)
        dim_each_symbol(d, t->dim[i], find_own, c);
    return t->kind == TY_TENSOR && t->rank < IR_MAX_RANK && !*found;
}

static bool all_stackable(cutting *c, const ir_node *n)
{
    for (uint32_t i = 0; i < n->nres; i++)
        if (c->want[n->first + i] && !stackable(c, n->first + i))
            return false;
    return true;
}

static bool cheap(const ir_node *n)
{
    const ir_op_info *info = ir_op_get(n->op);

    if (ir_op_scalar(n->op))
        return cost_of_node(n) <= COST_KEPT;
    return info->template == TEMPLATE_MAP || info->template == TEMPLATE_SOURCE ||
           n->op == OP_RNG || n->op == OP_BIND;
}

static bool is_carry(const tape *t, const ir_node *n)
{
    return n->op == OP_INPUT && n->attr->INPUT.index >= 1 &&
           n->attr->INPUT.index <= (int64_t)t->carries;
}

static bool all(const bool *flag, const cutting *c, const ir_node *n)
{
    for (uint32_t i = 0; i < n->narg; i++)
        if (!flag[ir_arg(c->t->joint, n, i)])
            return false;
    return true;
}

/* Marks what costs nothing to have: slices, captures, the iteration, what the loop stacks,
 * and cheap maps of these. */
static void find_given(cutting *c)
{
    const ir_fn *f = c->t->joint;

    for (uint32_t i = 0; i < f->node.len; i++) {
        const ir_node *n = &f->node.at[i];
        for (uint32_t r = n->first; r < n->first + n->nres; r++)
            c->given[r] = !c->late[r] && !is_carry(c->t, n) &&
                          (c->t->stacked[r] || (cheap(n) && all(c->given, c, n)));
    }
}

static size_t size_of(const cutting *c, ir_ref r)
{
    return dt_size(ir_type_of(c->t->joint, r)->dtype);
}

/* Is the node a map that needs one more value than there is, of no more bytes? */
static bool of_one(const cutting *c, const ir_node *n)
{
    ir_ref one = IR_NONE;

    for (uint32_t i = 0; i < n->narg; i++) {
        ir_ref x = ir_arg(c->t->joint, n, i);
        if (c->given[x] || x == one)
            continue;
        if (one != IR_NONE || size_of(c, x) > size_of(c, n->first))
            return false;
        one = x;
    }
    return cheap(n) && !is_carry(c->t, n);
}

/* Must what is wanted of the node be made from its operands? */
static bool forced(cutting *c, const ir_node *n)
{
    return any(c->late, n) || of_one(c, n) || defines_mentioned(c, n) ||
           (any(c->want, n) && !all_stackable(c, n));
}

static bool effect(const ir_node *n)
{
    return !ir_op_pure(n->op) && n->op != OP_INPUT;
}

static bool late_effect(const cutting *c, const ir_node *n)
{
    return effect(n) && c->late[ir_arg(c->t->joint, n, 0)];
}

/* Does the backward part have to have it, or read it? */
static bool needed(cutting *c, const ir_node *n)
{
    return any(c->want, n) || late_effect(c, n) || defines_mentioned(c, n);
}

/* From the adjoints back: what the backward part reads, through nodes that it has to have. */
static void find_wants(cutting *c)
{
    const ir_fn *f = c->t->joint;

    for (uint32_t i = c->t->results; i < f->result.len; i++)
        c->want[f->result.at[i]] = true;
    for (uint32_t i = f->node.len; i-- > 0;) {
        const ir_node *n = &f->node.at[i];
        if (!needed(c, n) || !(forced(c, n) || late_effect(c, n)))
            continue;
        ir_each_symbol(f, n, see_local, c);
        for (uint32_t j = 0; j < n->narg; j++)
            c->want[ir_arg(f, n, j)] = true;
    }
}

/* Keeps what is wanted and not free; a carry is never free of charge.  What a forced node is
 * made of is wanted only if the node is needed: else it is free where all that is. */
static void choose(cutting *c)
{
    const ir_fn *f = c->t->joint;

    for (uint32_t i = 0; i < f->node.len; i++) {
        const ir_node *n = &f->node.at[i];
        bool carry = is_carry(c->t, n);
        bool made = (cheap(n) && all(c->free, c, n)) || (needed(c, n) && forced(c, n));
        bool again = !carry && made;
        for (uint32_t r = n->first; !any(c->late, n) && r < n->first + n->nres; r++) {
            c->t->kept[r] = c->want[r] && (!again || c->t->stacked[r]);
            c->free[r] = again || c->t->kept[r] || c->t->stacked[r];
        }
    }
}

/* The backward part's nodes: from its results down to parameters and what is kept. */
static void take_back(cutting *c, const ir_ref *there)
{
    const ir_fn *f = c->t->joint;

    for (uint32_t i = c->t->results; i < f->result.len; i++)
        if (there[f->result.at[i]] == IR_NONE)
            c->t->back[f->value.at[f->result.at[i]].node] = true;
    for (uint32_t i = 0; i < f->node.len; i++)
        c->t->back[i] |= late_effect(c, &f->node.at[i]);
    ir_needed(f, there, c->t->back);
}

/* Kept is what the backward part came to read, of what was chosen and of what the loop stacks:
 * a carry may be read by nodes that were free since it is stacked. */
static void drop_unread(cutting *c)
{
    const ir_fn *f = c->t->joint;
    bool *read = arena_array(c->mem, bool, f->value.len + 1);

    for (uint32_t i = c->t->results; i < f->result.len; i++)
        read[f->result.at[i]] = true;
    for (uint32_t i = 0; i < f->node.len; i++)
        for (uint32_t j = 0; c->t->back[i] && j < f->node.at[i].narg; j++)
            read[ir_arg(f, &f->node.at[i], j)] = true;
    for (uint32_t r = 0; r < f->value.len; r++)
        c->t->kept[r] = (c->t->kept[r] || c->t->stacked[r]) && read[r];
}

/* The body's results, what is kept, and checks that have nothing to do with
 * adjoints. */
static void take_forward(cutting *c, const ir_ref *params)
{
    const ir_fn *f = c->t->joint;
    bool *take = c->t->forward;

    for (uint32_t i = 0; i < c->t->results; i++)
        take[f->value.at[f->result.at[i]].node] = true;
    for (uint32_t r = 0; r < f->value.len; r++)
        take[f->value.at[r].node] |= c->t->kept[r];
    for (uint32_t i = 0; i < f->node.len; i++)
        take[i] = (take[i] || (effect(&f->node.at[i]) && !late_effect(c, &f->node.at[i]))) &&
                  f->node.at[i].op != OP_INPUT;
    ir_needed(f, params, take);
}

/* By value: 0 for parameters, and for what is kept or stacked if it counts; else IR_NONE. */
static ir_ref *there(const tape *t, arena *mem, bool kept)
{
    const ir_fn *f = t->joint;
    ir_ref *on = arena_array(mem, ir_ref, f->value.len + 1);

    for (uint32_t r = 0; r < f->value.len; r++)
        on[r] = ir_node_of(f, r)->op == OP_INPUT || (kept && (t->kept[r] || t->stacked[r]))
                    ? 0
                    : IR_NONE;
    return on;
}

/* In stages, each of which reads the flags of those before. */
void tape_cut(tape *t, arena *mem)
{
    uint32_t values = t->joint->value.len + 1, nodes = t->joint->node.len + 1;
    uint32_t symbols = t->joint->module->dims.symbol.len + 1;
    cutting c = {.t = t, .mem = mem,
                 .late = arena_array(mem, bool, values), .want = arena_array(mem, bool, values),
                 .free = arena_array(mem, bool, values),
                 .given = arena_array(mem, bool, values), .local = arena_array(mem, bool, symbols),
                 .mentioned = arena_array(mem, bool, symbols)};

    t->kept = arena_array(mem, bool, values);
    t->forward = arena_array(mem, bool, nodes);
    t->back = arena_array(mem, bool, nodes);
    find_late(&c);
    find_local(&c);
    find_given(&c);
    find_wants(&c);
    choose(&c);
    take_back(&c, there(t, mem, true));
    drop_unread(&c);
    take_forward(&c, there(t, mem, false));
}

/* ---- one loop for two ------------------------------------------------------------ */

/* Context of the expansion that puts the longer loop in the place of both. */
typedef struct merging {
    tapes *t;
    pass_ctx *cx;
} merging;

static bool merge(void *vcx, ir_build *b, const ir_fn *old, const ir_node *n,
                  const ir_ref *args, ir_ref *out);

/* The loop with more stacks, of the operands of the other; loops in its body come first. */
static ir_ref make_taped(merging *m, ir_build *b, const tape_pair *p, const ir_ref *args)
{
    ir_ref *arg = arena_array(&m->cx->scratch, ir_ref, p->narg + 1);

    for (uint32_t i = 0; i < p->narg; i++)
        arg[i] = args[p->arg[i]];
    ir_expand(m->cx->m, (ir_fn *)p->taped, m->cx->d, merge, m);
    return ir_make(b, OP_LOOP, arg, p->narg, p->attr);
}

/* The loop as it was and its taped twin compute the same: one is made where the
 * first stood, the taped one, and gives the results of both. */
static bool merge(void *vcx, ir_build *b, const ir_fn *old, const ir_node *n,
                  const ir_ref *args, ir_ref *out)
{
    merging *m = vcx;

    (void)old;
    for (uint32_t i = 0; n->op == OP_LOOP && i < m->t->pair.len; i++) {
        tape_pair *p = &m->t->pair.at[i];
        if (!p->there || (n->attr->LOOP.body != p->body && n->attr->LOOP.body != p->taped))
            continue;
        if (n->attr->LOOP.body == p->taped && p->made == IR_NONE)
            return false;               /* nobody needs the other */
        if (n->attr->LOOP.body == p->body)
            p->made = make_taped(m, b, p, args);
        for (uint32_t k = 0; k < n->nres; k++)
            out[k] = p->made + k;
        return true;
    }
    return false;
}

static bool has_region(const ir_fn *f, const ir_fn *wanted)
{
    ir_fn *region[2];

    for (uint32_t i = 0; i < f->node.len; i++)
        for (uint32_t k = ir_regions(&f->node.at[i], region); k-- > 0;)
            if (region[k] == wanted || has_region(region[k], wanted))
                return true;
    return false;
}

/* Only where both loops are still in the function: one may have been dropped as
 * unused. */
void tapes_merge(tapes *t, pass_ctx *cx, ir_fn *f)
{
    merging m = {t, cx};
    bool any_there = false;

    for (uint32_t i = 0; i < t->pair.len; i++) {
        tape_pair *p = &t->pair.at[i];
        p->there = has_region(f, p->body) && has_region(f, p->taped);
        p->made = IR_NONE;
        any_there |= p->there;
    }
    if (any_there && !diag_failed(cx->d))
        ir_expand(cx->m, f, cx->d, merge, &m);
}
