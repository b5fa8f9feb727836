/* ir/control.c - loops and branches in the making.
 *
 * A body is a function of its own, built by a builder of its own, and knows nothing
 * outside but its parameters.  So every outer value that it reads becomes an
 * operand of the node and a parameter of the body (of both bodies of a branch),
 * once for each value: ir_capture.  The node itself is made last, when its operands
 * are known.  Operands of a loop are in this order: condition, carries, sliced
 * tensors, captures. */
#include "control.h"

/* ---- captures -------------------------------------------------------------------- */

/* Known elements go in with the value: a shape that is known outside is known
 * inside. */
static void add_capture(ir_captures *c, const char *name, ir_ref x)
{
    const ir_value v = c->outer->fn->value.at[x];

    map_add(&c->seen, hash_mix(0, x), c->ref.len);
    vec_push(&c->ref, x);
    for (int k = 0; k < c->regions; k++) {
        ir_ref in = ir_input(c->region[k], name, v.type);
        if (in != IR_NONE)
            c->region[k]->fn->value.at[in].elem = v.elem;
        vec_push(&c->inner, in);
    }
}

/* Constants are the module's, so a body names them itself and no parameter is
 * needed. */
ir_ref ir_capture(ir_captures *c, int k, const char *name, ir_ref x)
{
    if (x == IR_NONE)
        return x;
    const ir_node *n = ir_node_of(c->outer->fn, x);
    if (n->op == OP_CONST)
        return ir_const_ref(c->region[k], n->attr->CONST.id);
    if (map_find(&c->seen, hash_mix(0, x)) == MAP_NONE)
        add_capture(c, name, x);
    uint32_t at = map_id(&c->seen, map_find(&c->seen, hash_mix(0, x)));
    return c->inner.at[at * (uint32_t)c->regions + (uint32_t)k];
}

static void captures_free(ir_captures *c)
{
    vec_free(&c->ref);
    vec_free(&c->inner);
    map_free(&c->seen);
}

/* ---- loops ------------------------------------------------------------------------ */

/* How often a loop runs, if its type says so.  A loop that stacks results has a
 * symbol for it, since their extent is that number; else `trip` is exact only where
 * neither the condition before nor that in the body can end it early. */
bool ir_loop_runs(const ir_fn *fn, const struct ir_attr_LOOP *a, ir_ref first, ir_dim *out)
{
    const dim_table *d = &fn->module->dims;

    if (a->stack_axes.n && a->trips < d->symbol.len) {
        *out = d->symbol.at[a->trips].self;
        return true;
    }
    *out = a->trip;
    return !a->infinite && ir_is_true(fn, first) && ir_is_true(a->body, a->body->result.at[0]);
}

void ir_loop_begin(ir_loop *l, ir_build *outer, const char *name)
{
    *l = (ir_loop){.first = IR_NONE, .again = IR_NONE, .at = {.trips = NAMES_NONE}};
    l->at.body = ir_region_begin(outer, &l->body, name);
    l->captured = (ir_captures){.outer = outer, .region = {&l->body}, .regions = 1};
    l->i = ir_input(&l->body, "i", type_scalar(&outer->m->types, DT_I64));
}

/* The node's operand x and the body's parameter of this type for it. */
static ir_ref pass(ir_loop *l, const char *name, ir_ref x, const ir_type *type)
{
    ICE_IF(l->captured.ref.len, "a capture before the last carry or slice");
    vec_push(&l->operand, x);
    return ir_input(&l->body, name, type);
}

static ir_ref fail(ir_loop *l)
{
    l->failed = true;
    return IR_NONE;
}

ir_ref ir_loop_carry(ir_loop *l, const char *name, ir_ref init, const ir_type *type)
{
    ICE_IF(l->slice_axes.len, "a carry behind what is sliced");
    if (init == IR_NONE)
        return fail(l);
    l->at.carries++;
    return pass(l, name, init, type ? type : ir_type_of(l->captured.outer->fn, init));
}

/* In each run the body gets x without this axis, at the index of the run: a scan
 * over it. */
ir_ref ir_loop_slice(ir_loop *l, const char *name, ir_ref x, int axis)
{
    ir_dim shape[IR_MAX_RANK];
    int rank = 0;

    if (x == IR_NONE)
        return fail(l);
    const ir_type *t = ir_type_of(l->captured.outer->fn, x);
    for (int i = 0; i < t->rank; i++)
        if (i != axis)
            shape[rank++] = t->dim[i];
    vec_push(&l->slice_axes, axis);
    return pass(l, name, x, ir_ty(&l->body, t->dtype, shape, rank));
}

void ir_loop_next(ir_loop *l, ir_ref x)
{
    l->failed |= x == IR_NONE;
    vec_push(&l->next, x);
}

void ir_loop_stack(ir_loop *l, ir_ref x, int axis)
{
    l->failed |= x == IR_NONE;
    vec_push(&l->stacked, x);
    vec_push(&l->stack_axes, axis);
}

static ir_ref or_true(ir_build *b, ir_ref x)
{
    return x == IR_NONE ? ir_int(b, DT_BOOL, 1) : x;
}

static void loop_results(ir_loop *l)
{
    ir_result(&l->body, "go", or_true(&l->body, l->again));
    for (uint32_t i = 0; i < l->next.len; i++)
        ir_result(&l->body, "carry", l->next.at[i]);
    for (uint32_t i = 0; i < l->stacked.len; i++)
        ir_result(&l->body, "stack", l->stacked.at[i]);
}

/* Every carry of ir_loop_carry needs its ir_loop_next by now. */
static ir_ref loop_node(ir_loop *l)
{
    ir_build *b = l->captured.outer;
    VEC(ir_ref) args = {0};

    ICE_IF(l->next.len != (uint32_t)l->at.carries, "a carry has no next value");
    loop_results(l);
    l->at.slice_axes = (ir_ints){(int)l->slice_axes.len, l->slice_axes.at};
    l->at.stack_axes = (ir_ints){(int)l->stack_axes.len, l->stack_axes.at};
    vec_push(&args, or_true(b, l->first));
    for (uint32_t i = 0; i < l->operand.len; i++)
        vec_push(&args, l->operand.at[i]);
    for (uint32_t i = 0; i < l->captured.ref.len; i++)
        vec_push(&args, l->captured.ref.at[i]);
    ir_ref r = ir_make(b, OP_LOOP, args.at, args.len, &(ir_attr){.LOOP = l->at});
    vec_free(&args);
    return r;
}

/* Frees what was collected, also behind an error. */
ir_ref ir_loop_end(ir_loop *l)
{
    ir_ref r = l->failed ? IR_NONE : loop_node(l);

    ir_region_end(&l->body);
    captures_free(&l->captured);
    vec_free(&l->operand);
    vec_free(&l->next);
    vec_free(&l->stacked);
    vec_free(&l->slice_axes);
    vec_free(&l->stack_axes);
    return r;
}

/* ---- branches ----------------------------------------------------------------------- */

void ir_if_begin(ir_branches *f, ir_build *outer, ir_ref cond)
{
    *f = (ir_branches){.cond = cond, .failed = cond == IR_NONE};
    f->captured = (ir_captures){
        .outer = outer, .region = {&f->side[0], &f->side[1]}, .regions = 2};
    ir_region_begin(outer, &f->side[0], "then");
    ir_region_begin(outer, &f->side[1], "else");
}

void ir_if_yield(ir_branches *f, int k, const char *name, ir_ref x)
{
    f->failed |= x == IR_NONE;
    ir_result(&f->side[k], name, x);
}

/* Pairs of extents, of one side and the other, that have a symbol. */
typedef struct extents {
    VEC(ir_dim) yes, no, sym;
} extents;

/* One symbol for each pair: sides that give [N,4] and [M,4] twice have one extent
 * outside, so that what is computed of both results still fits. */
static void name_extent(extents *e, dim_table *t, ir_dim yes, ir_dim no)
{
    if (dim_same(yes, no))
        return;
    for (uint32_t i = 0; i < e->sym.len; i++)
        if (dim_same(e->yes.at[i], yes) && dim_same(e->no.at[i], no))
            return;
    vec_push(&e->yes, yes);
    vec_push(&e->no, no);
    vec_push(&e->sym, dim_symbol_new(t, "extent", 0, INT64_MAX));
}

/* Where the sides' extents of a result differ, both give theirs as a result of its own,
 * and a symbol names it outside: each pair of extents once. */
static void name_extents(ir_branches *f, extents *e)
{
    const ir_fn *yes = f->side[0].fn, *no = f->side[1].fn;

    for (uint32_t i = 0; i < yes->result.len && i < no->result.len; i++) {
        const ir_type *x = ir_type_of(yes, yes->result.at[i]);
        const ir_type *y = ir_type_of(no, no->result.at[i]);
        bool alike = x->kind == TY_TENSOR && y->kind == TY_TENSOR && x->rank == y->rank;
        for (int k = 0; alike && k < x->rank; k++)
            name_extent(e, &f->captured.outer->m->dims, x->dim[k], y->dim[k]);
    }
    for (uint32_t i = 0; i < e->sym.len; i++) {
        ir_result(&f->side[0], "extent", ir_dim_ref(&f->side[0], e->yes.at[i]));
        ir_result(&f->side[1], "extent", ir_dim_ref(&f->side[1], e->no.at[i]));
    }
}

/* Operands are the condition and the captures, which both sides take in the same
 * order. */
static ir_ref if_node(ir_branches *f)
{
    VEC(ir_ref) args = {0};
    extents e = {0};

    name_extents(f, &e);
    vec_push(&args, f->cond);
    for (uint32_t i = 0; i < f->captured.ref.len; i++)
        vec_push(&args, f->captured.ref.at[i]);
    const ir_attr a = {.IF = {.syms = {(int)e.sym.len, e.sym.at},
                              .yes = f->side[0].fn, .no = f->side[1].fn}};
    ir_ref r = ir_make(f->captured.outer, OP_IF, args.at, args.len, &a);
    vec_free(&args);
    vec_free(&e.yes);
    vec_free(&e.no);
    vec_free(&e.sym);
    return r;
}

ir_ref ir_if_end(ir_branches *f)
{
    ir_ref r = f->failed ? IR_NONE : if_node(f);

    ir_if_drop(f);
    return r;
}

void ir_if_drop(ir_branches *f)
{
    ir_region_end(&f->side[0]);
    ir_region_end(&f->side[1]);
    captures_free(&f->captured);
}
