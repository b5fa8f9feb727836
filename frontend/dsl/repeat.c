/* frontend/dsl/repeat.c - repeat: its body again and again, in the scope around.
 *
 * The parameters that a round makes lie under its number: lm.2.attention1.q.w. */
#include "check.h"

enum { MAX_ROUNDS = 10000 };    /* of all repeats of a program */

/* Takes a name out of a scope, that of a finished repeat's index. */
static void forget(dsl_scope *s, const dsl_var *v)
{
    for (dsl_var **p = &s->vars; *p; p = &(*p)->next)
        if (*p == v) {
            *p = v->next;
            return;
        }
}

static const dsl_value *round_value(dsl *cx, const dsl_value *count, uint32_t i)
{
    return count->kind == DSL_LIST ? count->list.at[i] : dsl_int(cx, i);
}

/* False after a message. */
static bool number_of_rounds(dsl *cx, const dsl_value *count, ir_loc at, uint32_t *n)
{
    ir_dim d;
    int64_t v;

    if (count->kind == DSL_LIST) {
        *n = count->list.n;
        return true;
    }
    if (dsl_bad(count))
        return false;
    if (!dsl_dim(cx, count, &d) || !dim_const(cx->dims, d, &v) || v < 0 ||
        v + cx->rounds_unrolled > MAX_ROUNDS) {
        dsl_wrong(cx, at, "repeat takes a list or a number known when compiling, of %d rounds in "
                  "all; this is %s", MAX_ROUNDS, dsl_describe(cx, count));
        return false;
    }
    *n = (uint32_t)v;
    return true;
}

/* What the rounds define under one name, one behind the other. */
static void join_stacks(dsl *cx, dsl_rounds *r, uint32_t from)
{
    const dsl_stack *first = &r->stacks.at[from];
    uint32_t n = 0;
    const dsl_value **v = arena_array(cx->mem, const dsl_value *, r->stacks.len);

    for (uint32_t i = from; i < r->stacks.len; i++)
        if (r->stacks.at[i].name == first->name)
            v[n++] = r->stacks.at[i].value;
    if (!dsl_agree(cx, v, (int)n, first->at, first->name) ||
        !dsl_align(cx, v, (int)n, first->at, first->name))
        return;
    int rank = v[0]->tensor.rank, at = 0, seen = 0;
    for (; at < rank && (v[0]->tensor.axis[at] || seen < first->position); at++)
        seen += !v[0]->tensor.axis[at];
    dsl_define(cx, cx->scope, first->name, dsl_stacked(cx, v, n, at), first->at);
}

/* What the rounds stacked, y[r] = .., by its name: all parts of one name are one
 * array. */
static void give_rounds(dsl *cx, dsl_rounds *r)
{
    for (uint32_t i = 0; i < r->stacks.len; i++) {
        bool seen = false;
        for (uint32_t j = 0; j < i; j++)
            seen |= r->stacks.at[j].name == r->stacks.at[i].name;
        if (!seen)
            join_stacks(cx, r, i);
    }
    vec_free(&r->stacks);
}

/* One round, in the scope around, under a path of its own. */
static bool run_round(dsl *cx, const ast_stmt *s, dsl_rounds *r, const dsl_value *index)
{
    dsl_block *outer = cx->frame->block;
    dsl_var *v = dsl_define(cx, cx->scope, s->loop.name.text, index, s->loop.name.at);

    r->index = index;
    if (outer && outer->path)
        cx->frame->block =
            dsl_block_new(cx, arena_printf(cx->mem, "%s.%u", outer->path, r->round));
    bool ok = !dsl_bad(dsl_run_here(cx, &s->loop.body));
    cx->frame->block = outer;
    forget(cx->scope, v);
    return ok;
}

/* Each round is evaluated anew: a repeat is unrolled, and layers in it have weights
 * of their own in each round. */
void dsl_repeat_stmt(dsl *cx, const ast_stmt *s)
{
    const dsl_value *count = dsl_eval_top(cx, s->loop.count);
    dsl_rounds r = {.name = s->loop.name.text, .outer = cx->rounds};
    uint32_t n = 0;

    if (!number_of_rounds(cx, count, s->loop.count->at, &n))
        return;
    cx->rounds_unrolled += n;
    cx->rounds = &r;
    for (r.round = 0; r.round < n; r.round++)
        if (!run_round(cx, s, &r, round_value(cx, count, r.round)))
            break;
    cx->rounds = r.outer;
    give_rounds(cx, &r);
}
