/* cli/profile.c - times of kernels: compiled code calls back when one begins, and
 * the time until the next call is its own.  A row is a step of the plan, so a
 * kernel that is used ten times has ten rows, each with the node that it comes
 * from.  Rates are compared with roofs, which are measured on this machine; operations
 * are those that a kernel executes, fewer than a convolution's by Winograd's algorithm. */
#include "profile.h"

#include <stdlib.h>

#include "clock.h"
#include "dim.h"
#include "peak.h"

/* Of a run; more are not recorded one by one. */
enum { MOST_EVENTS = 1 << 20 };

/* ---- being told --------------------------------------------------------------------- */

/* By the address of the step: kernels that several steps share are told apart. */
static uint32_t row_of(profile *p, const plan_step *s)
{
    uint64_t hash = hash_bytes(&s, sizeof s, 0);

    for (uint32_t at = map_find(&p->place, hash); at != MAP_NONE;
         at = map_next(&p->place, hash, at))
        if (p->row.at[map_id(&p->place, at)].step == s)
            return map_id(&p->place, at);
    map_add(&p->place, hash, p->row.len);
    vec_push(&p->row, (profile_row){.step = s});
    return p->row.len - 1;
}

/* Ends the call at hand: the time up to now is its own. */
static void end_call(profile *p, double now)
{
    profile_event *e = &p->now.at[p->now.len - 1];

    e->end = now;
    p->row.at[e->row].run_seconds += now - e->begin;
    p->row.at[e->row].run_calls++;
    p->running = false;
}

/* The time that is spent here counts for no call. */
void profile_begins(void *cx, const plan_step *s)
{
    profile *p = cx;

    if (!p->listens)
        return;
    if (p->running)
        end_call(p, clock_now() - p->began);
    if (!s || p->now.len == MOST_EVENTS)
        return;
    uint32_t row = row_of(p, s);
    vec_push(&p->now, (profile_event){.row = row, .begin = clock_now() - p->began});
    p->running = true;
}

/* ---- work of a call ------------------------------------------------------------------ */

/* The values of all dims: those of the call, and typical ones of what only it knows. */
static int64_t *dim_values(const plan *p, const plan_entry *e, const int64_t *given)
{
    const dim_table *t = &p->m->dims;
    int64_t *value = mem_alloc(((size_t)t->symbol.len + 1) * sizeof *value);

    for (uint32_t i = 0; i < t->symbol.len; i++)
        value[i] = max_i64(1, t->symbol.at[i].lo);
    for (uint32_t i = 0; i < e->symbol.len; i++)
        value[e->symbol.at[i]] = given[i];
    return value;
}

static double number(const plan *p, ir_dim d, const int64_t *value)
{
    int64_t n;

    return dim_eval(&p->m->dims, d, value, &n) && n > 0 ? (double)n : 0;
}

/* The bytes of what a call reads and writes, each value once; of the runtime's kernels, all
 * that they are given. */
static double bytes_of(const plan *p, const plan_entry *e, const plan_step *s, const int64_t *value)
{
    bool run = s->op == STEP_RUN;
    uint32_t n = run ? s->u.run.narg : s->u.ext.narg;
    const uint32_t *arg = run ? s->u.run.arg : s->u.ext.arg;
    double sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        bool again = false;
        for (uint32_t k = 0; k < i; k++)
            again |= arg[k] == arg[i];
        const ir_type *t = e->value.at[arg[i]].type;
        if (!again && t->kind == TY_TENSOR)
            sum += number(p, run && s->u.run.bytes ? s->u.run.bytes[i] : plan_bytes(p->m, t),
                          value);
    }
    return sum;
}

/* Bytes of the slots that hold something at a step. */
static double live_at(const plan *p, const plan_entry *e, uint32_t step, const int64_t *value)
{
    double sum = 0;

    for (uint32_t i = 0; i < e->value.len; i++) {
        const plan_value *v = &e->value.at[i];
        if (v->place == PLACE_SLOT && v->type->kind == TY_TENSOR && v->first <= step &&
            step <= v->last)
            sum += number(p, plan_bytes(p->m, v->type), value);
    }
    return sum;
}

/* Operations and bytes follow from the plan, once for all runs. */
static void count_work(profile *p, const plan_entry *e, const int64_t *dims)
{
    int64_t *value = dim_values(p->plan, e, dims);

    for (uint32_t i = 0; i < e->body->step.len; i++)
        vec_push(&p->live, live_at(p->plan, e, i, value));

    for (uint32_t i = 0; i < p->row.len; i++) {
        profile_row *r = &p->row.at[i];
        const ir_dim *flops = r->step->op == STEP_RUN ? r->step->u.run.flops : NULL;
        r->flops = flops ? number(p->plan, *flops, value) : 0;
        r->bytes = bytes_of(p->plan, e, r->step, value);
    }
    mem_free(value);
}

/* What was reached is within what the machine can reach. */
static void raise_peaks(profile *p)
{
    for (uint32_t i = 0; i < p->row.len; i++) {
        const profile_row *r = &p->row.at[i];
        double seconds = r->seconds / (double)(r->calls ? r->calls : 1);
        if (seconds <= 0)
            continue;
        if (r->flops > 0 && r->flops / seconds / 1e9 > p->gflops)
            p->gflops = r->flops / seconds / 1e9;
        if (r->flops <= 0 && r->bytes / seconds / 1e9 > p->gbytes)
            p->gbytes = r->bytes / seconds / 1e9;
    }
}

/* ---- runs ----------------------------------------------------------------------------- */

/* What the run took is what is shown, if no run was faster: others of this machine's
 * programs make a run slow at times. */
static void keep_run(profile *p, double seconds)
{
    bool fastest = p->seconds == 0 || seconds < p->seconds;
    profile_events other = p->event;

    for (uint32_t i = 0; i < p->row.len; i++) {
        profile_row *r = &p->row.at[i];
        if (fastest)
            r->seconds = r->run_seconds, r->calls = r->run_calls;
        r->run_seconds = 0, r->run_calls = 0;
    }
    if (!fastest)
        return;
    p->seconds = seconds;
    p->event = p->now;
    p->now = other;
}

/* Events of the run are kept only if it is the fastest so far (keep_run), so that
 * the trace shows a run that nothing disturbed. */
static bool run_once(profile *p, invoke *v, char *error)
{
    p->now.len = 0;
    p->listens = true;
    p->began = clock_now();
    bool ok = invoke_run(v, error);
    profile_begins(p, NULL);
    p->listens = false;
    keep_run(p, clock_now() - p->began);
    p->runs++;
    return ok;
}

static bool run_all(profile *p, invoke *v, size_t runs, char *error)
{
    bool ok = true;

    while (ok && p->runs < runs + 2)    /* two to warm up */
        ok = run_once(p, v, error);
    return ok;
}

static const plan_entry *entry_of(const plan *p, const struct ingot_entry *e)
{
    for (uint32_t i = 0; i < p->entry.len; i++)
        if (!strcmp(p->entry.at[i]->name, e->name))
            return p->entry.at[i];
    return p->entry.at[0];
}

/* The fastest run is what is shown.  States are as before afterwards. */
bool profile_runs(profile *p, ingot_engine *e, const tensor_value *in, size_t runs, int threads)
{
    session *s = ingot_engine_session(e);
    const struct ingot_entry *entry = ingot_engine_entry(e);
    char error[TENSOR_ERROR_SIZE];
    void *states = NULL;
    invoke v;

    p->engine = e;
    p->plan = ingot_engine_plan(e);
    session_set_threads(s, threads);
    p->gflops = peak_gflops(threads);
    p->gbytes = peak_gbytes();
    bool ok = session_save(s, &states) && invoke_prepare(&v, s, entry, in, error);
    if (ok) {
        ok = run_all(p, &v, runs, error);
        p->workspace_size = v.workspace_size;
        count_work(p, entry_of(p->plan, entry), v.dims);
        raise_peaks(p);
        invoke_free(&v);
    }
    session_restore(s, states);
    return ok || cli_wrong("%s", error);
}

void profile_free(profile *p)
{
    vec_free(&p->row);
    vec_free(&p->event);
    vec_free(&p->now);
    vec_free(&p->live);
    map_free(&p->place);
}
