/* frontend/dsl/scan.c - scan and while.
 *
 * The body of a scan or while is evaluated into the region of a loop.  Which cells it writes
 * and which axes they get is known only then, so that it is evaluated again until nothing
 * is added. */
#include "check.h"

/* An attempt adds at least one cell to the carries, or an axis to one of them, else
 * it is the last: a body settles within a few.  The limit is for the ones that
 * never would, such as one that gives its carry an axis more each time. */
enum { MAX_ATTEMPTS = 24 };

/* A cell that the loop carries: by `with`, or because its body writes it. */
typedef struct carry {
    dsl_cell *cell;
    const dsl_value *init;
    bool own;                   /* named by `with` */
} carry;

/* A loop in the making. */
typedef struct looping {
    const ast_stmt *s;
    ir_dim trip;
    bool infinite, stacks_rounds;
    VEC(carry) carry;
    ir_loop l;
    dsl_region region;
    dsl_scan scan;
    dsl_scope *scope;
    ir_dim trips;               /* of a while that stacks */
    bool again;                 /* something was added */
} looping;

/* ---- what is carried -------------------------------------------------------- */

/* A first value: in the declared type, or a real if it is a number but of the run's ints. */
static const dsl_value *first_value(dsl *cx, const ast_decl *d)
{
    const dsl_value *v = dsl_eval_top(cx, d->value);

    if (d->op == AST_DRAW)
        return dsl_draw(cx, d->type, v, d->name.at);
    if (dsl_bad(v))
        return v;
    if (d->type)
        v = dsl_fill_type(cx, d->type, v, d->name.text, d->name.at);
    else if (v->kind == DSL_NUMBER)
        v = dsl_as(cx, v, v->number.run ? DSL_INT : DSL_REAL, d->name.at, d->name.text);
    else
        v = dsl_as_array(cx, v, d->name.at);
    if (dsl_bad(v))
        return v;
    dsl_value *w = arena_copy(cx->mem, v, sizeof *v);
    w->tensor.number = false;
    w->tensor.bounded = d->type && d->type->bound;
    if (w->tensor.bounded) {
        w->tensor.lo = dim_int(cx->dims, 0);
        if (!dsl_eval_dim(cx, d->type->bound, &w->tensor.hi, "the bound of an index"))
            return &dsl_poison;
        w->tensor.hi = dim_sub(cx->dims, w->tensor.hi, dim_int(cx->dims, 1));
    }
    return w;
}

/* Cells of `with`, with their first values. */
static bool read_carried(dsl *cx, looping *k)
{
    const ast_decls *l = &k->s->loop.carried;

    for (uint32_t i = 0; i < l->len; i++) {
        dsl_cell *c = arena_new(cx->mem, dsl_cell);
        const dsl_value *v = first_value(cx, &l->at[i]);
        if (dsl_bad(v))
            return false;
        *c = (dsl_cell){.name = l->at[i].name.text, .home = &k->region, .at = l->at[i].name.at};
        vec_push(&k->carry, (carry){c, v, true});
    }
    return true;
}

/* A cell is carried once, however often and by whatever name it is written. */
static bool is_carried(const looping *k, const dsl_cell *c)
{
    for (uint32_t i = 0; i < k->carry.len; i++)
        if (k->carry.at[i].cell == c)
            return true;
    return false;
}

/* Cells from outside that the body wrote are carried, too: `n <- n + 1` in a body
 * needs no `with n = n`.  Their first value is what they were before the body,
 * which is put back so that the next attempt reads that. */
static void add_written(dsl *cx, looping *k)
{
    for (uint32_t i = 0; i < k->region.written.len; i++) {
        dsl_written w = k->region.written.at[i];
        if (is_carried(k, w.cell))
            continue;
        w.cell->now = w.before;
        vec_push(&k->carry, (carry){w.cell, dsl_read(cx, w.cell), false});
        k->again = true;
    }
}

/* ---- x[t] is handed in ------------------------------------------------------ */

static void find_slices(dsl *cx, looping *k, const ast_expr *e);

/* x[t] twice in a body is one slice of x. */
static void add_slice(looping *k, const dsl_value *x, int axis)
{
    for (uint32_t i = 0; i < k->scan.slices.len; i++)
        if (k->scan.slices.at[i].base == x && k->scan.slices.at[i].axis == axis)
            return;
    vec_push(&k->scan.slices, (dsl_slice){x, axis, NULL});
}

static bool is_grad_by(const ast_expr *e, const void *name)
{
    const ast_expr *by = e->kind == AST_CALL && e->call.args.len == 2 ? e->call.args.at[1].value
                                                                      : NULL;

    return by && ast_mentions(e->call.callee, "grad") && ast_mentions(by, name);
}

/* Does the body differentiate by the whole of x?  Then its parts are taken in the body. */
static bool differentiates(const ast_block *b, const char *name)
{
    for (uint32_t i = 0; i < b->stmts.len; i++) {
        const ast_stmt *s = b->stmts.at[i];
        if (s->kind == AST_DEFINE && ast_any(s->define.value, is_grad_by, name))
            return true;
        for (uint32_t k = 0; s->kind == AST_VALUE && k < s->values.len; k++)
            if (ast_any(s->values.at[k], is_grad_by, name))
                return true;
        if (s->kind == AST_REPEAT && differentiates(&s->loop.body, name))
            return true;
    }
    return false;
}

/* Is e the subscript x[.., t, ..] of an array from outside by the bare index of the
 * loop?  Then the loop hands the body that part of x, which costs no gather and has
 * a gradient that is a stack of parts. */
static void note_slice(dsl *cx, looping *k, const ast_expr *e)
{
    const ast_expr *base = e->subscript.base, *at[IR_MAX_RANK];
    const dsl_var *v = base->kind == AST_NAME ? dsl_find_var(cx->scope, base->name) : NULL;
    int visible[IR_MAX_RANK], n;

    if (!v || !v->value || !dsl_is_tensor(v->value) ||
        differentiates(&k->s->loop.body, base->name))
        return;
    n = dsl_visible(v->value, visible);
    if (!dsl_positions(&e->subscript.positions, n, at))
        return;
    for (int i = 0; i < n; i++)
        if (at[i] && at[i]->kind == AST_NAME && at[i]->name == k->scan.name) {
            add_slice(k, v->value, visible[i]);
            return;
        }
}

/* Branches and inner scans are not looked through: what they read of x is a gather. */
static void slices_of_block(dsl *cx, looping *k, const ast_block *b)
{
    for (uint32_t i = 0; i < b->stmts.len; i++) {
        const ast_stmt *s = b->stmts.at[i];
        switch (s->kind) {
        case AST_DEFINE: find_slices(cx, k, s->define.value); break;
        case AST_VALUE:
            for (uint32_t j = 0; j < s->values.len; j++)
                find_slices(cx, k, s->values.at[j]);
            break;
        case AST_REPEAT: slices_of_block(cx, k, &s->loop.body); break;
        default: break;
        }
    }
}

static void find_slices(dsl *cx, looping *k, const ast_expr *e)
{
    if (!e)
        return;
    switch (e->kind) {
    case AST_SUBSCRIPT:
        note_slice(cx, k, e);
        find_slices(cx, k, e->subscript.base);
        for (uint32_t i = 0; i < e->subscript.positions.len; i++)
            find_slices(cx, k, e->subscript.positions.at[i]);
        break;
    case AST_CALL:
        find_slices(cx, k, e->call.callee);
        for (uint32_t i = 0; i < e->call.args.len; i++)
            find_slices(cx, k, e->call.args.at[i].value);
        break;
    case AST_ARRAY:
        for (uint32_t i = 0; i < e->items.len; i++)
            find_slices(cx, k, e->items.at[i]);
        break;
    case AST_UNARY: find_slices(cx, k, e->unary.x); break;
    case AST_BINARY:
    case AST_PIPE: find_slices(cx, k, e->binary.left), find_slices(cx, k, e->binary.right); break;
    case AST_SELECT:
        find_slices(cx, k, e->select.cond);
        find_slices(cx, k, e->select.yes), find_slices(cx, k, e->select.no);
        break;
    case AST_REDUCE: find_slices(cx, k, e->reduce.body); break;
    case AST_FOR: find_slices(cx, k, e->each.body); break;
    case AST_MEMBER: find_slices(cx, k, e->member.base); break;
    default: break;
    }
}

/* Before the region opens: the operand, cut to the rounds there are. */
static ir_ref slice_operand(dsl *cx, const looping *k, const dsl_slice *s)
{
    ir_ref x = dsl_ref(cx, s->base);
    dim_table *t = cx->dims;

    if (dsl_same(dsl_extent(s->base, s->axis), k->trip))
        return x;
    if (dsl_at_most(cx, k->trip, dsl_extent(s->base, s->axis)))
        return ir_slice_axis(dsl_b(cx), x, s->axis, dim_int(t, 0), dim_int(t, 1), k->trip);
    return IR_NONE;             /* told where it is read */
}

/* ---- an attempt ------------------------------------------------------------- */

/* Opens the loop: carries with their first values, then the slices, as operands and
 * as inputs of the body in the same order. */
static void begin(dsl *cx, looping *k)
{
    VEC(ir_ref) operand = {0};
    dsl_slice *s = k->scan.slices.at;
    uint32_t n = 0;

    for (uint32_t i = 0; i < k->scan.slices.len; i++) {     /* only those that can be */
        ir_ref x = slice_operand(cx, k, &s[i]);
        if (x == IR_NONE)
            continue;
        vec_push(&operand, x);
        s[n++] = s[i];
    }
    k->scan.slices.len = n;
    ir_loop_begin(&k->l, dsl_b(cx), "body");
    k->l.at.trip = k->trip;
    k->l.at.infinite = k->infinite;
    k->l.at.reverse = k->s->loop.down;
    if (k->stacks_rounds) {
        k->trips = dim_symbol_new(cx->dims, "rounds", 0, INT64_MAX);
        k->l.at.trips = dim_symbol_id(cx->dims, k->trips);
    }
    k->region = (dsl_region){.b = &k->l.body, .outer = cx->region, .captured = &k->l.captured,
                             .scan = &k->scan};
    k->l.body.loc = dsl_b(cx)->loc;
    k->l.body.checks = dsl_b(cx)->checks;
    for (uint32_t i = 0; i < k->carry.len; i++) {
        carry *c = &k->carry.at[i];
        ir_ref x = ir_loop_carry(&k->l, c->cell->name, dsl_ref(cx, c->init), NULL);
        cx->region = &k->region;
        c->cell->now = dsl_array_like(cx, c->init, x, c->init->tensor.rank, c->init->tensor.axis);
        cx->region = k->region.outer;
    }
    for (uint32_t i = 0; i < n; i++) {
        dsl_axis *axis[IR_MAX_RANK];
        int rank = 0;
        for (int a = 0; a < s[i].base->tensor.rank; a++)
            if (a != s[i].axis)
                axis[rank++] = s[i].base->tensor.axis[a];
        ir_ref x = ir_loop_slice(&k->l, "x", operand.at[i], s[i].axis);
        cx->region = &k->region;
        s[i].part = dsl_array_like(cx, s[i].base, x, rank, axis);
        cx->region = k->region.outer;
    }
    vec_free(&operand);
}

/* The index of the loop as a value of its body. */
static const dsl_value *loop_index(dsl *cx, const looping *k)
{
    dim_table *t = cx->dims;
    ir_dim last = dim_sub(t, k->trip, dim_int(t, 1));
    dsl_value like = {.tensor = {.elem = DSL_INT, .number = true, .bounded = !k->infinite,
                                 .lo = dim_int(t, 0), .hi = last}};
    ir_ref i = k->l.i;

    if (k->s->loop.down)
        i = ir_2(dsl_b(cx), OP_SUB, ir_dim_ref(dsl_b(cx), last), i);
    return dsl_array_like(cx, &like, i, 0, NULL);
}

/* Names of the body hide those outside; the carried names stand for their cells. */
static dsl_scope *body_scope(dsl *cx, looping *k, dsl_scope *outer)
{
    dsl_scope *s = dsl_scope_new(cx, outer);

    s->body = "round";
    for (uint32_t i = 0; i < k->carry.len; i++)
        if (k->carry.at[i].own)
            dsl_define_cell(cx, s, k->carry.at[i].cell);
    return s;
}

/* Axes that the next value has and the first has not are added to the first: true; the body
 * is evaluated again, or wrong. */
static bool widen(dsl *cx, looping *k, carry *c, const dsl_value *v)
{
    dsl_shape s = {0};

    for (int i = 0; i < v->tensor.rank; i++)
        if (v->tensor.axis[i] && dsl_find(c->init, v->tensor.axis[i]) < 0 &&
            !dsl_add_to_shape(cx, &s, v->tensor.axis[i], v->tensor.axis[i]->extent))
            return true;
    if (!s.rank)
        return false;
    if (!dsl_add_axes(cx, &s, c->init))
        return true;
    dsl_region *inner = cx->region;
    cx->region = k->region.outer;
    c->init = dsl_arrange_as(cx, c->init, &s);
    cx->region = inner;
    return k->again = true;
}

/* Visible axes have the same extents in every round: a loop's memory does not grow. */
static bool same_shape(dsl *cx, const carry *c, const dsl_value *v)
{
    int a[IR_MAX_RANK], b[IR_MAX_RANK], n = dsl_visible(c->init, a);
    bool same = dsl_visible(v, b) == n;

    for (int i = 0; same && i < n; i++)
        same = dsl_same(dsl_extent(c->init, a[i]), dsl_extent(v, b[i]));
    if (!same)
        dsl_wrong(cx, c->cell->at, "%s starts as %s and is %s after one round", c->cell->name,
                  dsl_describe(cx, c->init), dsl_describe(cx, v));
    return same;
}

/* An index that is carried keeps to its declared bound in every round: what reads
 * x[i] relies on it and checks nothing. */
static bool within(dsl *cx, const carry *c, const dsl_value *v)
{
    const dsl_tensor *a = &c->init->tensor, *b = &v->tensor;

    if (!a->bounded)
        return true;
    if (b->bounded && dsl_at_most(cx, a->lo, b->lo) && dsl_at_most(cx, b->hi, a->hi))
        return true;
    dsl_wrong(cx, c->cell->at, "%s is %s and may be anything after one round; use clamp or %%",
              c->cell->name, dsl_describe(cx, c->init));
    return false;
}

/* What the carry is in the next round; IR_NONE if it did not fit. */
static ir_ref next_value(dsl *cx, looping *k, carry *c)
{
    const dsl_value *v = c->cell->now;

    if (c->own)
        v = dsl_as(cx, v, c->init->tensor.elem, c->cell->at, c->cell->name);
    if (dsl_bad(v) || widen(cx, k, c, v) || !within(cx, c, v))
        return IR_NONE;
    if (!dsl_visible(v, (int[IR_MAX_RANK]){0}) && c->init->tensor.rank > v->tensor.rank) {
        ir_dim extent[IR_MAX_RANK];     /* a number in all places */
        for (int i = 0; i < c->init->tensor.rank; i++)
            extent[i] = dsl_extent(c->init, i);
        v = dsl_arrange(cx, v, c->init->tensor.axis, extent, c->init->tensor.rank);
        return dsl_bad(v) ? IR_NONE : dsl_ref(cx, v);
    }
    if (!same_shape(cx, c, v))
        return IR_NONE;
    ir_dim extent[IR_MAX_RANK];
    for (int i = 0; i < c->init->tensor.rank; i++)
        extent[i] = dsl_extent(c->init, i);
    v = dsl_arrange(cx, v, c->init->tensor.axis, extent, c->init->tensor.rank);
    return dsl_bad(v) ? IR_NONE : dsl_ref(cx, v);
}

/* Carried axes first, then the visible ones, among them the loop's. */
static void stack_result(dsl *cx, looping *k, dsl_stack *s)
{
    int visible[IR_MAX_RANK], n = dsl_visible(s->value, visible);
    dsl_shape to = {0}, stacked = {0};
    bool ok = dsl_add_missing(cx, &to, s->value);
    int carried = to.rank;

    for (int i = 0; ok && i < n; i++)
        ok = dsl_add_to_shape(cx, &to, NULL, dsl_extent(s->value, visible[i]));
    s->value = ok ? dsl_arrange_as(cx, s->value, &to) : &dsl_poison;
    if (!dsl_bad(s->value) && (!dsl_add_axes(cx, &stacked, s->value) ||
                               !dsl_add_to_shape(cx, &stacked, NULL, k->trip)))
        s->value = &dsl_poison;
    ir_loop_stack(&k->l, dsl_bad(s->value) ? IR_NONE : dsl_ref(cx, s->value),
                  carried + s->position);
}

/* The condition of a while on what the cells hold now: before the first round and
 * behind each. */
static ir_ref condition(dsl *cx, const looping *k)
{
    const dsl_value *v = dsl_as(cx, dsl_eval_top(cx, k->s->loop.cond), DSL_BOOL,
                                k->s->loop.cond->at, "a condition");

    if (dsl_bad(v))
        return IR_NONE;
    if (v->tensor.rank)
        return dsl_wrong(cx, k->s->loop.cond->at, "a loop needs one condition, this is %s",
                         dsl_describe(cx, v)), IR_NONE;
    return dsl_ref(cx, v);
}

/* The condition as the first round begins. */
static bool first_condition(dsl *cx, looping *k)
{
    dsl_scope *outer = cx->scope;

    for (uint32_t i = 0; i < k->carry.len; i++)
        k->carry.at[i].cell->now = k->carry.at[i].init;
    cx->scope = body_scope(cx, k, outer);
    k->l.first = condition(cx, k);
    cx->scope = outer;
    return k->l.first != IR_NONE;
}

/* One evaluation of the body into the region of the loop.  Errors stay; what a
 * wrong attempt built is thrown away with the region. */
static bool run_body(dsl *cx, looping *k)
{
    const ast_stmt *s = k->s;
    const dsl_value *v;

    cx->region = &k->region;
    k->scan.stacks.len = 0;
    k->scan.index = loop_index(cx, k);
    k->region.round = s->loop.down
                          ? dsl_array(cx, k->l.i, DSL_INT, 0, NULL) : k->scan.index;
    k->scope = body_scope(cx, k, cx->scope);
    if (s->loop.name.text)
        dsl_define(cx, k->scope, s->loop.name.text, k->scan.index, s->loop.name.at);
    dsl_scope *outer = cx->scope;
    ir_loc around = cx->frame->loop;
    cx->scope = k->scope;
    cx->frame->loop = s->at;
    v = dsl_run_here(cx, &s->loop.body);
    cx->frame->loop = around;
    add_written(cx, k);
    if (!dsl_bad(v) && !k->again)
        for (uint32_t i = 0; i < k->carry.len; i++)
            ir_loop_next(&k->l, next_value(cx, k, &k->carry.at[i]));
    if (!dsl_bad(v) && !k->again)
        for (uint32_t i = 0; i < k->scan.stacks.len; i++)
            stack_result(cx, k, &k->scan.stacks.at[i]);
    if (!dsl_bad(v) && !k->again && s->kind == AST_WHILE)
        k->l.again = condition(cx, k);
    cx->scope = outer;
    cx->region = k->region.outer;
    return !dsl_bad(v);
}

/* Makes the whole loop once.  *out is its first result, IR_NONE where it failed;
 * k->again says that the carries turned out to be more than were known, and that
 * this loop is of no use. */
static bool attempt(dsl *cx, looping *k, ir_ref *out)
{
    uint32_t errors = cx->d->errors;
    ir_ref first = IR_NONE;

    k->again = false;
    if (k->s->kind == AST_WHILE) {
        if (!first_condition(cx, k))
            return false;
        first = k->l.first;
    }
    begin(cx, k);
    k->l.first = first;
    bool ok = run_body(cx, k);
    if (!ok || k->again || cx->d->errors > errors)
        k->l.failed = true;
    *out = ir_loop_end(&k->l);
    vec_free(&k->region.written);
    return ok && cx->d->errors == errors;
}

/* ---- behind the loop -------------------------------------------------------- */

/* Behind the loop the names of `with` are defined as the last values; cells from
 * outside are written, as a body without a loop would have done. */
static void give_carried(dsl *cx, const looping *k, ir_ref r)
{
    for (uint32_t i = 0; i < k->carry.len; i++) {
        const carry *c = &k->carry.at[i];
        const dsl_value *v =
            dsl_array_like(cx, c->init, r + i, c->init->tensor.rank, c->init->tensor.axis);
        if (c->own) {
            c->cell->now = v;
            dsl_define(cx, cx->scope, c->cell->name, v, c->cell->at);
        } else {
            c->cell->now = c->init;
            dsl_set_cell(cx, c->cell, v);
        }
    }
}

/* A value of each round, `y[t] = ..`, becomes an array with an axis for t.  Carried
 * axes stand in front and stay carried; the axis of the rounds is visible like the
 * others. */
static void give_stacks(dsl *cx, const looping *k, ir_ref r)
{
    for (uint32_t i = 0; i < k->scan.stacks.len; i++) {
        const dsl_stack *s = &k->scan.stacks.at[i];
        dsl_axis *axis[IR_MAX_RANK];
        int carried = 0, rank = s->value->tensor.rank + 1;
        while (carried < rank - 1 && s->value->tensor.axis[carried])
            carried++;
        for (int a = 0; a < rank; a++)
            axis[a] = a < carried ? s->value->tensor.axis[a] : NULL;
        const dsl_value *v = dsl_array_like(cx, s->value, r + i, rank, axis);
        dsl_define(cx, cx->scope, s->name, v, s->at);
    }
}

/* What a round names with `=` ends with it. */
static void lose_names(dsl *cx, const looping *k)
{
    for (const dsl_var *v = k->scope->vars; v; v = v->next)
        if (v->value && v->name != k->s->loop.name.text)
            dsl_lose(cx, v->name, arena_printf(cx->mem, "ends with each round of line %u; carry it "
                                               "(with %s = ..) or stack it (%s[t] = ..)",
                                               k->s->at.line, v->name, v->name));
}

/* The names that a loop which failed would have defined: of them nothing more is said. */
static void give_poison(dsl *cx, const looping *k)
{
    for (uint32_t i = 0; i < k->carry.len; i++)
        dsl_define(cx, cx->scope, k->carry.at[i].cell->name, &dsl_poison, k->s->at);
    for (uint32_t i = 0; i < k->s->loop.body.stmts.len; i++) {
        const ast_stmt *s = k->s->loop.body.stmts.at[i];
        const ast_target *t = s->kind == AST_DEFINE ? &s->define.targets.at[0] : NULL;
        if (t && t->subscripted && !dsl_find_var(cx->scope, t->path.at[0].text))
            dsl_define(cx, cx->scope, t->path.at[0].text, &dsl_poison, t->at);
    }
}

/* Attempts until nothing is added.  For `scan t in T with h = zeros` with a body
 * that also writes a cell c, the first attempt carries h, the second h and c. */
static void make_loop(dsl *cx, looping *k)
{
    ir_ref r = IR_NONE;

    if (!read_carried(cx, k))
        return;
    k->scan.name = k->s->loop.name.text;
    if (k->scan.name && k->s->kind == AST_SCAN)
        slices_of_block(cx, k, &k->s->loop.body);
    for (int i = 0; i < MAX_ATTEMPTS; i++) {
        if (!attempt(cx, k, &r))
            break;
        if (k->again)
            continue;
        if (r != IR_NONE) {
            give_carried(cx, k, r);
            give_stacks(cx, k, r + k->carry.len);
            lose_names(cx, k);
        }
        break;
    }
    if (r == IR_NONE)
        give_poison(cx, k);
    vec_free(&k->carry);
    vec_free(&k->scan.slices);
    vec_free(&k->scan.stacks);
}

/* scan t in N with h: type = first, ... : the trip count is an extent, known before
 * the loop. */
void dsl_scan_stmt(dsl *cx, const ast_stmt *s)
{
    looping *k = arena_new(cx->mem, looping);

    k->s = s;
    if (dsl_eval_dim(cx, s->loop.count, &k->trip, "the number of rounds"))
        make_loop(cx, k);
}

/* while cond with ..: the rounds end when the condition does, or at the limit, if
 * there is one.  A list of what the rounds made has an extent that only the run
 * knows. */
void dsl_while_stmt(dsl *cx, const ast_stmt *s)
{
    looping *k = arena_new(cx->mem, looping);

    k->s = s;
    k->infinite = !s->loop.count;
    k->trip = dim_int(cx->dims, 0);
    k->stacks_rounds = s->loop.name.text != NULL;
    if (!s->loop.count || dsl_eval_dim(cx, s->loop.count, &k->trip, "the limit"))
        make_loop(cx, k);
}
