/* passes/plan_units.c - what may run again: units of steps, and the pieces between them.
 *
 * Only calls of kernels run again, and only while all that they read is as it was: an
 * operand that lies in a state or an output until somebody writes there, one that is
 * firm until its last use. */
#include "plan_repeat.h"

/* Rough speeds of one core: two vectors of eight multiply-adds, and a vector of
 * memory every few cycles.  Only the order of prices matters, not their size. */
enum { FLOPS_A_CYCLE = 32, BYTES_A_CYCLE = 8 };

/* Fills plan_units (plan_repeat.h). */
typedef struct finder {
    planner *pl;
    plan_units *out;
    uint32_t *first, *uses;     /* by value: the first unit that touches it, how many do */
    uint32_t *result;           /* by unit: the root that its group stores; or PLAN_NONE */
    VEC(uint32_t) seen;         /* roots that the unit at hand touches, each once */
    uint32_t *stamp, now;       /* by value: the last look at a unit that saw it */
} finder;

/* ---- units ----------------------------------------------------------------------- */

static void add_unit(finder *f, uint32_t from, uint32_t to, uint32_t result)
{
    vec_push(&f->out->unit, (plan_unit){.from = from, .to = to});
    f->result[f->out->unit.len - 1] = result;
}

/* The groups that were noted, and the steps between them one by one. */
static void cut_units(finder *f)
{
    const planner *pl = f->pl;
    uint32_t steps = f->out->old.step.len, at = 0;

    f->result = arena_array(&f->out->mem, uint32_t, steps + 1);
    for (uint32_t g = 0; g <= pl->group.len; g++) {
        bool end = g == pl->group.len;
        for (uint32_t to = end ? steps : pl->group.at[g].from; at < to; at++)
            add_unit(f, at, at + 1, PLAN_NONE);
        if (end)
            break;
        at = pl->group.at[g].to;
        uint32_t result = pl->group.at[g].result;
        add_unit(f, pl->group.at[g].from, at,
                 result == PLAN_NONE ? result : plan_root(pl->e, result));
    }
}

/* ---- what units touch -------------------------------------------------------------- */

static void see(void *cx, uint32_t v)
{
    finder *f = cx;
    uint32_t root = plan_root(f->pl->e, v);

    if (f->stamp[root] == f->now)
        return;
    f->stamp[root] = f->now;
    vec_push(&f->seen, root);
}

/* Whatever steps inside of a step touch, the step touches. */
static void see_block(finder *f, const plan_block *b)
{
    for (uint32_t i = 0; i < b->step.len; i++) {
        const plan_step *s = &b->step.at[i];
        plan_each_value(s, see, f);
        if (s->op == STEP_IF) {
            see_block(f, s->u.branch.yes);
            see_block(f, s->u.branch.no);
        } else if (s->op == STEP_LOOP) {
            see_block(f, s->u.loop.body);
            if (s->u.loop.again.value != PLAN_NONE)
                see(f, s->u.loop.again.value);
        }
    }
}

/* All roots that unit u touches. */
static void look_at(finder *f, uint32_t u)
{
    const plan_unit *x = &f->out->unit.at[u];
    const plan_block part = {.step = {.at = f->out->old.step.at + x->from,
                                      .len = x->to - x->from}};

    f->seen.len = 0;
    f->now++;
    see_block(f, &part);
}

static void count_touched(finder *f, uint32_t u)
{
    for (uint32_t i = 0; i < f->seen.len; i++)
        if (!f->uses[f->seen.at[i]]++)
            f->first[f->seen.at[i]] = u;
}

static bool is_slot(const finder *f, uint32_t root)
{
    return f->pl->e->value.at[root].place == PLACE_SLOT;
}

static void append(finder *f, piece_list *l, uint32_t most, uint32_t x)
{
    l->at = l->at ? l->at : arena_array(&f->out->mem, uint32_t, most);
    l->at[l->n++] = x;
}

/* Bytes of these values at once: the most at the beginning of one of them. */
static int64_t room_of(planner *pl, const piece_list *l)
{
    int64_t most = 0;

    for (uint32_t i = 0; i < l->n; i++) {
        int64_t sum = 0;
        uint32_t at = pl->e->value.at[l->at[i]].first;
        for (uint32_t k = 0; k < l->n; k++) {
            const plan_value *v = &pl->e->value.at[l->at[k]];
            sum += v->first <= at && at <= v->last ? plan_slot_bytes(pl, l->at[k]) : 0;
        }
        most = max_i64(most, sum);
    }
    return most;
}

/* Sorts what the unit touches into what it reads, makes and has for itself. */
static void sort_touched(finder *f, uint32_t u)
{
    plan_unit *x = &f->out->unit.at[u];
    uint32_t n = f->seen.len;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t root = f->seen.at[i];
        plan_piece *p = &f->out->piece[root];
        if (!is_slot(f, root))
            continue;
        if (f->uses[root] == 1) {
            append(f, &x->own, n, root);
        } else if (f->first[root] == u) {
            append(f, &x->made, n, root);
            p->maker = u;
            p->size = plan_slot_bytes(f->pl, root);
        } else {
            append(f, &x->read, n, root);
            append(f, &p->use, f->uses[root], u);
        }
    }
    x->room = room_of(f->pl, &x->own);
}

/* ---- what may run again -------------------------------------------------------------- */

/* Cycles of a run of the step, by the hints of its dims; 1 at least, so that
 * nothing is free to repeat. */
static int64_t cost_of(planner *pl, const plan_step *s)
{
    dim_table *dt = &pl->m->dims;
    int64_t bytes = 0;

    if (s->op != STEP_RUN)
        return 0;
    for (uint32_t i = 0; i < s->u.run.narg; i++)
        bytes += dim_hint(dt, plan_bytes(pl->m, pl->e->value.at[s->u.run.arg[i]].type));
    int64_t flops = s->u.run.flops ? dim_hint(dt, *s->u.run.flops) : 0;
    return 1 + flops / FLOPS_A_CYCLE + bytes / BYTES_A_CYCLE;
}

/* Late memory comes and goes by steps of its own. */
static bool stays(const finder *f, uint32_t root)
{
    plan_place place = f->pl->e->value.at[root].place;

    return place != PLACE_LATE && place != PLACE_NONE;
}

/* A group may, if it stores one whole piece and needs no memory but of the workspace. */
static bool may_repeat(finder *f, uint32_t u)
{
    const plan_unit *x = &f->out->unit.at[u];
    uint32_t result = f->result[u];
    bool ok = result != PLAN_NONE && is_slot(f, result) && f->first[result] == u;

    for (uint32_t i = x->from; ok && i < x->to; i++)
        ok = f->out->old.step.at[i].op == STEP_RUN &&
             f->out->old.step.at[i].u.run.late == PLAN_NONE;
    for (uint32_t i = 0; ok && i < f->seen.len; i++)
        ok = stays(f, f->seen.at[i]);
    return ok;
}

/* What is made by a unit that runs once, or changed behind its maker, must stay; a unit
 * that is no group may change whatever it touches. */
static void mark_firm(finder *f, uint32_t u)
{
    const plan_unit *x = &f->out->unit.at[u];
    bool group = f->result[u] != PLAN_NONE;

    for (uint32_t i = 0; i < x->made.n; i++)
        f->out->piece[x->made.at[i]].firm |= !x->again;
    for (uint32_t i = 0; i < x->read.n; i++)
        f->out->piece[x->read.at[i]].firm |= !group || x->read.at[i] == f->result[u];
}

/* From the last unit to the first: `writer` has, by value, the next unit that may write
 * where several may.  A unit that reads there runs again only in front of that one. */
static void limit_by_writers(finder *f, uint32_t u, uint32_t *writer, uint32_t *limit)
{
    const plan_entry *e = f->pl->e;

    for (uint32_t i = 0; i < f->seen.len; i++)
        limit[u] = limit[u] < writer[f->seen.at[i]] ? limit[u] : writer[f->seen.at[i]];
    for (uint32_t i = 0; i < f->seen.len; i++) {
        uint32_t root = f->seen.at[i];
        plan_place place = e->value.at[root].place;
        if ((place == PLACE_STATE || place == PLACE_OUTPUT) &&
            (f->result[u] == PLAN_NONE || f->result[u] == root))
            writer[root] = u;
    }
}

/* From the first unit to the last: no piece outlasts what its maker reads. */
static void limit_by_pieces(finder *f, uint32_t u, const uint32_t *limit)
{
    plan_piece *piece = f->out->piece;
    const plan_unit *x = &f->out->unit.at[u];
    uint32_t until = limit[u];

    for (uint32_t i = 0; i < x->read.n; i++) {
        const plan_piece *p = &piece[x->read.at[i]];
        uint32_t end = p->firm ? p->use.at[p->use.n - 1] : p->until;
        until = until < end ? until : end;
    }
    for (uint32_t i = 0; i < x->made.n; i++)
        piece[x->made.at[i]].until = until;
}

static void find_limits(finder *f)
{
    uint32_t units = f->out->unit.len, values = f->pl->e->value.len;
    uint32_t *writer = arena_array(&f->out->mem, uint32_t, values + 1);
    uint32_t *limit = arena_array(&f->out->mem, uint32_t, units + 1);

    memset(writer, 0xff, values * sizeof *writer);
    memset(limit, 0xff, units * sizeof *limit);
    for (uint32_t u = units; u-- > 0;) {
        look_at(f, u);
        limit_by_writers(f, u, writer, limit);
    }
    for (uint32_t u = 0; u < units; u++)
        limit_by_pieces(f, u, limit);
}

/* ---- all -------------------------------------------------------------------------------- */

/* Each stage needs the one before of all units, hence the separate walks. */
static void find(finder *f)
{
    plan_units *out = f->out;

    cut_units(f);
    for (uint32_t u = 0; u < out->unit.len; u++) {
        look_at(f, u);
        count_touched(f, u);
    }
    for (uint32_t u = 0; u < out->unit.len; u++) {
        look_at(f, u);
        sort_touched(f, u);
        out->unit.at[u].again = may_repeat(f, u);
        for (uint32_t i = out->unit.at[u].from; i < out->unit.at[u].to; i++)
            out->unit.at[u].cost += cost_of(f->pl, &f->out->old.step.at[i]);
    }
    for (uint32_t u = 0; u < out->unit.len; u++)
        mark_firm(f, u);
    find_limits(f);
}

void plan_units_find(planner *pl, plan_units *out)
{
    uint32_t values = pl->e->value.len + 1;
    *out = (plan_units){.values = pl->e->value.len, .old = *pl->e->body};
    finder f = {.pl = pl, .out = out,
                .first = arena_array(&out->mem, uint32_t, values),
                .uses = arena_array(&out->mem, uint32_t, values),
                .stamp = arena_array(&out->mem, uint32_t, values)};

    out->piece = arena_array(&out->mem, plan_piece, values);
    for (uint32_t v = 0; v < values; v++)
        out->piece[v].maker = PLAN_NONE;
    find(&f);
    vec_free(&f.seen);
}

void plan_units_free(plan_units *u)
{
    vec_free(&u->unit);
    arena_reset(&u->mem);
}
