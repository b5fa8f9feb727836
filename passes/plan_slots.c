/* passes/plan_slots.c - how long values live, and which bytes they share.
 *
 * Steps are numbered in the order of the text, a loop's body inside the loop.
 * What a step in a loop touches lives through the whole loop unless it belongs
 * to that loop.  Constant sizes are placed best fit, the largest first; others
 * share slots with values that live at other times. */
#include "planner.h"

#include <stdlib.h>

/* Bytes: a cache line, and the widest vector. */
enum { ALIGN = 64 };

/* ---- liveness ------------------------------------------------------------------ */

/* The walk over all steps that numbers them. */
typedef struct walk {
    planner *pl;
    uint32_t now, loop;         /* step, innermost loop */
    uint32_t last_loop;         /* loops are met in the order they were made */
    bool measure;               /* first walk: extents of loops */
} walk;

/* Value v is needed by the step at hand.  Where the step is in
 * loops that v does not belong to, v lives through the outermost of them, since their next
 * iterations touch it again. */
static void touch(void *cx, uint32_t v)
{
    walk *w = cx;

    if (v == PLAN_NONE || w->measure)
        return;
    plan_entry *e = w->pl->e;
    uint32_t root = plan_root(e, v), first = w->now, last = w->now, at = w->loop;
    uint32_t home = w->pl->home.at[root];
    while (at != home && at != 0) {
        first = w->pl->nest.at[at].start;
        last = w->pl->nest.at[at].end;
        at = w->pl->nest.at[at].parent;
    }
    plan_value *x = &e->value.at[root];
    if (x->first > first)
        x->first = first;
    if (x->last < last)
        x->last = last;
}

static void walk_block(walk *w, const plan_block *b);

/* The first walk finds where loops begin and end, the second lets values live by that. */
static void walk_loop(walk *w, const plan_step *s)
{
    uint32_t outer = w->loop, number = ++w->last_loop;
    plan_nest *nest = &w->pl->nest.at[number];

    w->loop = number;
    nest->start = w->measure ? w->now : nest->start;
    walk_block(w, s->u.loop.body);
    touch(w, s->u.loop.again.value);
    w->now++;
    nest->end = w->measure ? w->now : nest->end;
    w->loop = outer;
}

static void walk_step(walk *w, const plan_step *s)
{
    w->now++;
    plan_each_value(s, touch, w);
    if (s->op == STEP_IF) {
        walk_block(w, s->u.branch.yes);
        walk_block(w, s->u.branch.no);
    } else if (s->op == STEP_LOOP) {
        walk_loop(w, s);
    }
}

static void walk_block(walk *w, const plan_block *b)
{
    for (uint32_t i = 0; i < b->step.len; i++)
        walk_step(w, &b->step.at[i]);
}

/* Twice: a value that is touched before its loop ends must already know where that
 * is. */
void plan_liveness(planner *pl)
{
    walk w = {.pl = pl, .measure = true};

    for (uint32_t i = 0; i < pl->e->value.len; i++) {
        pl->e->value.at[i].first = UINT32_MAX;
        pl->e->value.at[i].last = 0;
    }
    walk_block(&w, pl->e->body);
    w = (walk){.pl = pl};
    walk_block(&w, pl->e->body);
}

/* ---- slots --------------------------------------------------------------------- */

/* A value that wants a slot. */
typedef struct item {
    uint32_t value;
    int64_t size;               /* fixed: rounded up; else by hints */
    ir_dim exact;
    int64_t offset;
} item;

typedef struct items {
    VEC(item) of;
} items;

static int larger_first(const void *a, const void *b)
{
    const item *x = a, *y = b;

    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return x->value < y->value ? -1 : x->value > y->value;
}

static bool overlap(const plan_value *a, const plan_value *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* a + b bytes; more than an int64 holds is an error of the whole plan. */
static int64_t add_bytes(planner *pl, int64_t a, int64_t b)
{
    int64_t sum;

    if (add_ok(a, b, &sum))
        return sum;
    pl->m->dims.overflow = true;
    return 0;
}

static int64_t rounded_up(planner *pl, int64_t n)
{
    return n % ALIGN ? add_bytes(pl, n - n % ALIGN, ALIGN) : n;
}

int64_t plan_slot_bytes(planner *pl, uint32_t v)
{
    ir_dim size;

    ICE_IF(!plan_reserve(pl, pl->e->value.at[v].type, &size), "a slot of unknown size");
    return rounded_up(pl, dim_hint(&pl->m->dims, size));
}

/* All values in slots, those of constant size apart.  One that no step touches lives at the
 * first step alone. */
static void collect(planner *pl, items *fixed, items *varying)
{
    dim_table *dt = &pl->m->dims;

    for (uint32_t i = 0; i < pl->e->value.len; i++) {
        plan_value *v = &pl->e->value.at[i];
        ir_dim size;
        int64_t n;
        if (v->place != PLACE_SLOT)
            continue;
        if (v->first > v->last)
            v->first = v->last = 0;
        ICE_IF(!plan_reserve(pl, v->type, &size), "a slot of unknown size");
        if (dim_const(dt, size, &n))
            vec_push(&fixed->of, (item){i, rounded_up(pl, n), size, 0});
        else
            vec_push(&varying->of, (item){i, dim_hint(dt, size), size, 0});
    }
}

/* Bytes that a value takes while it lives. */
typedef struct span {
    int64_t from, to;
    uint32_t first, last;
} span;

/* By where they begin. */
typedef struct spans {
    VEC(span) of;
} spans;

/* The smallest gap that fits between those that live at the same time. */
static int64_t best_fit(const spans *taken, const plan_value *v, int64_t size)
{
    int64_t end = 0, best = -1, best_gap = INT64_MAX;

    for (uint32_t i = 0; i < taken->of.len; i++) {
        const span *y = &taken->of.at[i];
        if (v->first > y->last || y->first > v->last)
            continue;
        int64_t gap = y->from - end;
        if (gap >= size && gap < best_gap) {
            best = end;
            best_gap = gap;
        }
        end = max_i64(end, y->to);
    }
    return best >= 0 ? best : end;
}

static void take(spans *taken, const plan_value *v, int64_t from, int64_t to)
{
    uint32_t i = taken->of.len;

    vec_push(&taken->of, (span){from, to, v->first, v->last});
    for (; i && taken->of.at[i - 1].from > from; i--)
        taken->of.at[i] = taken->of.at[i - 1];
    taken->of.at[i] = (span){from, to, v->first, v->last};
}

static void give_slot(planner *pl, const item *x, bool fixed)
{
    ir_dim *size = arena_new(pl->mem, ir_dim);
    plan_slot slot = {.size = {1, size}, .fixed = fixed, .offset = x->offset};

    *size = x->exact;
    pl->e->value.at[x->value].of = pl->e->slot.len;
    vec_push(&pl->e->slot, slot);
}

/* Gives each value of constant size a slot at an offset, in the order of the list. */
static void place_fixed(planner *pl, items *fixed)
{
    spans taken = {0};

    for (uint32_t i = 0; i < fixed->of.len; i++) {
        item *x = &fixed->of.at[i];
        const plan_value *v = &pl->e->value.at[x->value];
        x->offset = best_fit(&taken, v, x->size);
        int64_t end = add_bytes(pl, x->offset, x->size);
        if (!end)               /* refused; nothing is added to it any more */
            x->offset = x->size = 0;
        if (x->size)
            take(&taken, v, x->offset, end);
        pl->e->fixed = max_i64(pl->e->fixed, end);
        give_slot(pl, x, true);
    }
    vec_free(&taken.of);
}

/* Notes in `busy`, by slot, that item n has no room there: one of those before it lives at the
 * same time. */
static void find_busy(const plan_entry *e, const items *done, uint32_t n, uint32_t *busy)
{
    const plan_value *x = &e->value.at[done->of.at[n].value];

    for (uint32_t i = 0; i < n; i++) {
        const plan_value *v = &e->value.at[done->of.at[i].value];
        if (overlap(v, x))
            busy[v->of] = n;
    }
}

static int64_t slot_hint(const planner *pl, const plan_slot *s)
{
    int64_t size = 0;

    for (int i = 0; i < s->size.n; i++)
        size = max_i64(size, dim_hint(&pl->m->dims, s->size.at[i]));
    return size;
}

/* Lets the value share a slot, which becomes large enough for its size, too. */
static void join_slot(planner *pl, uint32_t slot, const item *x)
{
    plan_slot *s = &pl->e->slot.at[slot];

    pl->e->value.at[x->value].of = slot;
    for (int i = 0; i < s->size.n; i++)
        if (dim_same(s->size.at[i], x->exact))
            return;
    ir_dim *size = arena_array(pl->mem, ir_dim, s->size.n + 1);
    memcpy(size, s->size.at, (size_t)s->size.n * sizeof *size);
    size[s->size.n] = x->exact;
    s->size = (ir_dims){s->size.n + 1, size};
}

/* Larger ones came before, so every free slot is large enough by the hints:
 * the smallest is taken. */
static void place_varying(planner *pl, items *varying)
{
    uint32_t first = pl->e->slot.len, most = first + varying->of.len;
    uint32_t *busy = mem_alloc((most + 1) * sizeof *busy);
    int64_t *hint = mem_alloc((most + 1) * sizeof *hint);

    for (uint32_t s = 0; s < most; s++)
        busy[s] = PLAN_NONE;
    for (uint32_t i = 0; i < varying->of.len; i++) {
        const item *x = &varying->of.at[i];
        uint32_t best = PLAN_NONE;
        int64_t least = INT64_MAX;
        find_busy(pl->e, varying, i, busy);
        for (uint32_t s = first; s < pl->e->slot.len; s++)
            if (busy[s] != i && hint[s] < least) {
                best = s;
                least = hint[s];
            }
        if (best == PLAN_NONE)
            give_slot(pl, x, false);
        else
            join_slot(pl, best, x);
        best = pl->e->value.at[x->value].of;
        hint[best] = slot_hint(pl, &pl->e->slot.at[best]);
    }
    mem_free(busy);
    mem_free(hint);
}

int64_t plan_slots_taken(planner *pl)
{
    int64_t sum = pl->e->fixed;

    for (uint32_t i = 0; i < pl->e->slot.len; i++)
        if (!pl->e->slot.at[i].fixed)
            sum = add_bytes(pl, sum, slot_hint(pl, &pl->e->slot.at[i]));
    return sum;
}

/* Largest first: small ones then fill the gaps that large ones leave, which wastes
 * least. */
void plan_slots(planner *pl)
{
    items fixed = {0}, varying = {0};

    pl->e->slot.len = 0;
    pl->e->fixed = 0;
    collect(pl, &fixed, &varying);
    if (fixed.of.len)
        qsort(fixed.of.at, fixed.of.len, sizeof(item), larger_first);
    if (varying.of.len)
        qsort(varying.of.at, varying.of.len, sizeof(item), larger_first);
    place_fixed(pl, &fixed);
    place_varying(pl, &varying);
    vec_free(&fixed.of);
    vec_free(&varying.of);
}
