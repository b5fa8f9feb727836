/* passes/plan_repeat.c - less memory: what can be made again is given up.
 *
 * The units of an entry run in their order.  Where the next one would not fit
 * the budget, pieces are given up until it does: those first that cost little
 * to make again, for the bytes that they take and the time until they are
 * read.  In front of a unit that reads what was given up its maker runs again,
 * and before that the makers of what that one lacks.  They are the same kernels
 * on the same numbers, so no result changes by a bit.
 *
 * This is Kirisame et al., Dynamic Tensor Rematerialization (2021), done ahead
 * of the run, where the reads to come are known. */
#include "plan_repeat.h"

#include <math.h>

enum { MANY_RUNS = 8 };         /* runs a unit, on the average, that are too many */

/* The entry while its steps are put in a new order.  A value that was given up has no holder;
 * when its maker runs again, it is held by a new value of the plan. */
typedef struct replay {
    planner *pl;
    const plan_units *u;
    plan_block *out;            /* the new order */
    int64_t budget, used;
    uint32_t now;               /* the unit whose turn it is */
    uint64_t runs;
    double sum, most;           /* the cost found so far, and from which on it is too high */
    /* by value of the plan as it was: */
    uint32_t *holder;           /* the value that has its elements now; PLAN_NONE: none */
    uint32_t *pins;             /* units that wait for it */
    uint32_t *next;             /* how many of its uses are over */
    uint32_t *need, *asked, time;   /* what needed_at said at that time */
    uint32_t *stamp, look;      /* the last look at a price that saw it */
} replay;

/* ---- what is given up -------------------------------------------------------------- */

static bool missing(const replay *r, uint32_t v)
{
    return r->holder[v] == PLAN_NONE && r->u->piece[v].maker <= r->now;
}

/* The first unit from the present one on that reads the piece. */
static uint32_t next_use(replay *r, uint32_t v)
{
    const piece_list *use = &r->u->piece[v].use;

    while (r->next[v] < use->n && use->at[r->next[v]] < r->now)
        r->next[v]++;
    return r->next[v] < use->n ? use->at[r->next[v]] : PLAN_NONE;
}

/* The first unit for which the piece has to be there: one that reads it, or one that needs
 * what was given up and is made of it.  PLAN_NONE: nobody needs it any more. */
static uint32_t needed_at(replay *r, uint32_t v)
{
    const piece_list *use = &r->u->piece[v].use;

    if (r->asked[v] == r->time)
        return r->need[v];
    uint32_t first = next_use(r, v);
    for (uint32_t i = 0; i < use->n && use->at[i] <= r->now; i++) {
        const piece_list *made = &r->u->unit.at[use->at[i]].made;
        for (uint32_t k = 0; k < made->n; k++) {
            uint32_t at = missing(r, made->at[k]) ? needed_at(r, made->at[k]) : PLAN_NONE;
            first = at < first ? at : first;
        }
    }
    r->asked[v] = r->time;
    return r->need[v] = first;
}

static void add_cost(replay *r, uint32_t v);

/* Adds those in the list that are missing and needed, and such around them. */
static void add_list(replay *r, const piece_list *l)
{
    for (uint32_t i = 0; i < l->n && r->sum < r->most; i++)
        if (missing(r, l->at[i]))
            add_cost(r, l->at[i]);
}

/* Adds what making the piece again costs, with all that was given up before and behind it
 * and would have to be made with it. */
static void add_cost(replay *r, uint32_t v)
{
    const plan_piece *p = &r->u->piece[v];
    const plan_unit *maker = &r->u->unit.at[p->maker];

    if (r->stamp[v] == r->look)
        return;
    r->stamp[v] = r->look;
    r->sum += (double)maker->cost;
    add_list(r, &maker->read);
    for (uint32_t i = 0; i < p->use.n && p->use.at[i] <= r->now && r->sum < r->most; i++)
        add_list(r, &r->u->unit.at[p->use.at[i]].made);
}

static bool can_go(replay *r, uint32_t v)
{
    const plan_piece *p = &r->u->piece[v];

    if (p->maker == PLAN_NONE || r->holder[v] == PLAN_NONE || r->pins[v])
        return false;
    uint32_t need = needed_at(r, v);
    return need == PLAN_NONE || (!p->firm && need <= p->until);
}

/* Cycles a byte and unit of time that giving the piece up costs; where that is `least` or
 * more, anything from `least` on. */
static double price_of(replay *r, uint32_t v, double least)
{
    uint32_t need = needed_at(r, v);
    double room = (double)r->u->piece[v].size * (need - r->now + 1);

    if (need == PLAN_NONE)
        return 0;
    r->look++;
    r->sum = 0;
    r->most = least * room;
    add_cost(r, v);
    return r->sum / room;
}

/* The cheapest piece that can go; PLAN_NONE: none can. */
static uint32_t cheapest(replay *r)
{
    uint32_t best = PLAN_NONE;
    double least = INFINITY;

    for (uint32_t v = 0; v < r->u->values; v++) {
        if (!can_go(r, v))
            continue;
        double price = price_of(r, v, least);
        if (best == PLAN_NONE || price < least) {
            best = v;
            least = price;
        }
    }
    return best;
}

/* ---- units that run ------------------------------------------------------------------ */

static void give_up(replay *r, uint32_t v)
{
    r->holder[v] = PLAN_NONE;
    r->used -= r->u->piece[v].size;
    r->time++;
}

static bool make_room(replay *r, int64_t size)
{
    while (size > r->budget - r->used) {
        uint32_t v = cheapest(r);
        if (v == PLAN_NONE)
            return false;
        give_up(r, v);
    }
    return true;
}

/* The value to name where the step named v. */
static uint32_t holder_of(replay *r, uint32_t v)
{
    const plan_value x = r->pl->e->value.at[v];

    if (x.place == PLACE_SLOT)
        return r->holder[v] == PLAN_NONE ? v : r->holder[v];
    if (x.place != PLACE_ALIAS)
        return v;
    uint32_t of = holder_of(r, x.of);
    return of == x.of ? v : plan_value_add(r->pl, x.name, x.type, PLACE_ALIAS, of, x.offset);
}

/* Memory for what the unit makes; in a later run it is new, so that it lives anew. */
static void hold(replay *r, const piece_list *l, bool again)
{
    planner *pl = r->pl;

    for (uint32_t i = 0; i < l->n; i++) {
        uint32_t v = l->at[i];
        const char *name = arena_printf(pl->mem, "%s again", pl->e->value.at[v].name);
        const ir_type *t = pl->e->value.at[v].type;
        r->holder[v] = again ? plan_value_add(pl, name, t, PLACE_SLOT, PLAN_NONE, (ir_dim){0}) : v;
    }
}

/* Adds the step, which names values that are there now. */
static void add_step(replay *r, const plan_step *from, bool again)
{
    plan_step s = *from;
    arena *mem = r->pl->mem;

    if (s.op == STEP_RUN) {
        uint32_t *arg = arena_copy(mem, s.u.run.arg, s.u.run.narg * sizeof *arg);
        for (uint32_t i = 0; i < s.u.run.narg; i++)
            arg[i] = holder_of(r, arg[i]);
        s.u.run.arg = arg;
    }
    if (again)
        s.note = arena_printf(mem, "%s again", s.note);
    vec_push(&r->out->step, s);
}

static int64_t size_of(const replay *r, const piece_list *l)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < l->n; i++)
        sum += r->u->piece[l->at[i]].size;
    return sum;
}

static void add_steps(replay *r, const plan_unit *x, bool again)
{
    hold(r, &x->made, again);
    hold(r, &x->own, again);
    for (uint32_t i = x->from; i < x->to; i++)
        add_step(r, &r->u->old.step.at[i], again);
    r->used += size_of(r, &x->made);
    r->time++;
}

/* Runs the unit behind the makers of what it lacks.  False: no room. */
static bool run_unit(replay *r, uint32_t u, bool again)
{
    const plan_unit *x = &r->u->unit.at[u];
    bool ok = ++r->runs <= (uint64_t)MANY_RUNS * r->u->unit.len;

    for (uint32_t i = 0; i < x->read.n; i++)
        r->pins[x->read.at[i]]++;
    for (uint32_t i = 0; ok && i < x->read.n; i++)
        ok = r->holder[x->read.at[i]] != PLAN_NONE ||
             run_unit(r, r->u->piece[x->read.at[i]].maker, true);
    ok = ok && make_room(r, size_of(r, &x->made) + x->room);
    if (ok)
        add_steps(r, x, again);
    for (uint32_t i = 0; i < x->read.n; i++)
        r->pins[x->read.at[i]]--;
    return ok;
}

static bool run_all(replay *r)
{
    for (r->now = 0; r->now < r->u->unit.len; r->now++, r->time++)
        if (!run_unit(r, r->now, false))
            return false;
    return true;
}

bool plan_repeat(planner *pl, const plan_units *u, int64_t budget, plan_block *out)
{
    uint32_t values = u->values;
    arena mem = {0};
    replay r = {.pl = pl, .u = u, .out = out, .budget = budget,
                .holder = arena_array(&mem, uint32_t, values + 1),
                .pins = arena_array(&mem, uint32_t, values + 1),
                .next = arena_array(&mem, uint32_t, values + 1),
                .need = arena_array(&mem, uint32_t, values + 1),
                .asked = arena_array(&mem, uint32_t, values + 1), .time = 1,
                .stamp = arena_array(&mem, uint32_t, values + 1)};

    memset(r.holder, 0xff, values * sizeof *r.holder);
    bool ok = run_all(&r);
    arena_reset(&mem);
    return ok;
}
