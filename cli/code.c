/* cli/code.c - from a loaded module to an image: passes, then the plan with its
 * kernels, then the layout of weights.  Commands that show a stage stop behind it
 * (code_passes, code_plan); build, run and bench go on to code_make. */
#include "code.h"

#include "abi.h"
#include "clock.h"
#include "file.h"
#include "pass.h"
#include "progress.h"

/* What is shown of the passes, and when the one that runs began: passes themselves
 * look at no clock. */
typedef struct shown_passes {
    const ingot_watch *watch;
    double begun;                   /* seconds, of clock_now */
} shown_passes;

/* The module behind a pass, on stderr: --dump PASS or all.  `note` says that the
 * pass changed nothing; then its text is that of the pass before. */
static void dump(const ingot_watch *w, int step, const pass_info *p, const ir_module *m,
                 const char *note)
{
    text t = {0};

    if (!w->dump || (strcmp(w->dump, "all") && strcmp(w->dump, p->name)))
        return;
    fprintf(stderr, "# %d %s: %s%s\n", step, p->name, p->purpose, note);
    if (!*note)
        ir_print(m, &t);
    fputs(t.at ? t.at : "", stderr);
    text_free(&t);
}

/* Called behind every pass.  The time is from the end of the one before, so that
 * printing counts to nobody. */
static void show_pass(void *cx, int step, const pass_info *p, const ir_module *m, bool changed)
{
    shown_passes *shown = cx;
    const char *note = changed ? "" : "  (unchanged)";
    double seconds = clock_now() - shown->begun;

    if (shown->watch->times)
        fprintf(stderr, "%2d %-12s %9.3f ms  %s%s\n", step, p->name, 1e3 * seconds, p->purpose,
                note);
    dump(shown->watch, step, p, m, note);
    shown->begun = clock_now();
}

/* The whole pipeline, or up to the pass --stop-after. */
bool code_passes(ir_module *m, const target *t, const ingot_watch *w)
{
    shown_passes shown = {w, clock_now()};
    pass_watch watch = {&shown, show_pass, w->stop_after};

    return pass_pipeline(m, t, &watch);
}

/* Only what the exporters need gone: functions that are called, and requests for
 * gradients.  The rest of a module stays as it was written. */
bool code_expand(ir_module *m, diag *d)
{
    static const int passes[] = {PASS_ID_inline, PASS_ID_grad};
    pass_ctx cx = {.m = m, .d = d};
    bool changed;

    for (size_t i = 0; i < COUNT(passes); i++)
        if (!pass_one(&cx, &pass_table[passes[i]], &changed))
            return false;
    return true;
}

/* The schedules in a file, for the lowering to follow. */
static bool read_schedules(ingot_code *c, const char *path, diag *d)
{
    const char *source = file_read_told(path, d);

    if (!source || !schedules_parse(&c->given, source, diag_source(d, path, source), d))
        return false;
    return c->given.entry.len || diag_error(d, (ir_loc){0}, D_IO, path, "holds no schedule");
}

static void begin_lower(ingot_code *c, ir_module *m, const ingot_code_options *o, diag *d)
{
    lower_init(&c->l, m, o->target, o->name, d);
    c->l.given = c->given.entry.len ? &c->given : NULL;
}

/* Within a budget: with the groups that are the fastest, if they fit; else with such as may
 * run again. */
static plan *plan_within(ingot_code *c, ir_module *m, const ingot_code_options *o,
                         plan_options *po, diag *d)
{
    bool over = false;

    po->over = &over;
    plan *p = plan_build(m, po, d);
    if (!p || !over)
        return p;
    plan_free(p);
    lower_free(&c->l);
    begin_lower(c, m, o, d);
    po->over = NULL;
    return plan_build(m, po, d);
}

/* Kernels are made while the plan is: the planner calls lower_group for each group.  What
 * has several entries, as a trainer has, has kernels that differ in counts alone.
 * A schedule of the user's list that nothing asked for is an error, as it is mostly
 * a mistyped one. */
bool code_plan(ingot_code *c, ir_module *m, const ingot_code_options *o, diag *d)
{
    plan_options po = {.lower = lower_group, .lower_cx = &c->l, .target = o->target,
                       .budget = (int64_t)o->memory_budget, .no_alloc = o->no_alloc};

    *c = (ingot_code){0};
    if (o->schedules && !read_schedules(c, o->schedules, d))
        return false;
    begin_lower(c, m, o, d);
    progress_step("running passes");
    if (!code_passes(m, o->target, &o->watch))
        return false;
    progress_step("choosing kernels");
    c->p = po.budget ? plan_within(c, m, o, &po, d) : plan_build(m, &po, d);
    if (c->p && c->p->entry.len > 1)
        lower_alike(&c->l, c->p);
    return c->p && schedules_used(&c->given, d) && !diag_failed(d);
}

/* Weights are hashed as they are written, piece by piece: they may be larger than
 * memory. */
static bool hash_piece(void *hash, const void *data, size_t size)
{
    uint64_t *h = hash;

    *h = ingot_hash_weights(*h, data, size);
    return true;
}

/* Weights that stand in a file of their own have a hash in the code, which tells a
 * wrong file. */
static bool place(ingot_code *c, ir_module *m, const ingot_code_options *o, diag *d)
{
    c->image = (image){.m = m, .p = c->p, .l = &c->l, .name = o->name, .target = o->target,
                      .made_by = "ingot " INGOT_VERSION, .source = o->source,
                      .watch = o->kernels, .lines = o->lines,
                      .threads = o->threads, .executable = o->executable, .library = o->library,
                      .weights_place = o->weights_place,
                      .max_weights = o->max_weights};
    if (!image_place(&c->image, d))
        return false;
    if (!o->weights_apart || !c->image.weights_size)
        return true;
    c->image.weights_apart = true;
    c->image.weights_hash = INGOT_HASH_START;
    return image_write_weights(&c->image, hash_piece, &c->image.weights_hash);
}

bool code_make(ingot_code *c, ir_module *m, const ingot_code_options *o, diag *d)
{
    return code_plan(c, m, o, d) && place(c, m, o, d);
}

/* The plan refers to kernels, the image to both: freed from the top down. */
void code_free(ingot_code *c)
{
    image_free(&c->image);
    plan_free(c->p);
    lower_free(&c->l);
    schedules_free(&c->given);
    *c = (ingot_code){0};
}
