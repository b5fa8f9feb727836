/* cli/summary_memory.c - what calls of a model and steps of its training take in memory.
 *
 * The numbers are the plan's: the constants and states that an entry touches, and its workspace.
 * Gradients have no memory of their own unless a step has several pieces: it keeps each in its
 * workspace until the update that takes it, which may be the kernel that makes it. */
#include "summary.h"

#include "code.h"
#include "file_kind.h"
#include "train_load.h"

enum { OTHER = INGOT_ROLE_SUM };    /* what metrics and knobs keep */

/* What entries that run in turn take: all that one of them touches, the largest workspace. */
typedef struct taken {
    const plan *p;
    const int32_t *roles;           /* by state; null: a file without train blocks */
    int64_t rows;                   /* of a batch; 0: the least that an extent may be */
    bool *seen;                     /* by state, and behind them by constant */
    int64_t role[INGOT_ROLE_GRADIENT + 1];  /* bytes */
    int64_t trainable, workspace;
    int64_t constants;              /* of weights */
    int64_t operations;             /* of products and convolutions */
} taken;

/* ---- bytes of an entry ------------------------------------------------------------------- */

static int64_t bytes_of(const taken *k, const ir_type *t)
{
    return max_i64(0, type_count_const(&k->p->m->types, t)) * dt_bits(t->dtype) / 8;
}

static void add_state(taken *k, uint32_t id)
{
    const ir_state *s = &k->p->m->state.at[id];
    int32_t role = k->roles ? k->roles[id] : s->trainable ? INGOT_ROLE_PARAM : INGOT_ROLE_STATE;

    k->role[role == INGOT_ROLE_KNOB ? OTHER : role] += bytes_of(k, s->type);
    k->trainable += role == INGOT_ROLE_PARAM ? bytes_of(k, s->type) : 0;
}

/* A constant counts as weights. */
static void add_value(taken *k, const plan_value *v)
{
    const ir_module *m = k->p->m;
    bool state = v->place == PLACE_STATE;

    if (!state && v->place != PLACE_CONST)
        return;
    uint32_t id = state ? v->of : m->state.len + v->of;
    if (k->seen[id])
        return;
    k->seen[id] = true;
    if (state)
        add_state(k, v->of);
    else
        k->constants += bytes_of(k, v->type);
}

/* Values of the symbols: the rows of a batch are the first axis of an input. */
static int64_t *extents(const taken *k, const plan_entry *e)
{
    const dim_table *d = &k->p->m->dims;
    int64_t *x = mem_alloc(((size_t)d->symbol.len + 1) * sizeof *x);

    for (uint32_t i = 0; i < d->symbol.len; i++)
        x[i] = max_i64(1, d->symbol.at[i].lo);
    for (uint32_t i = 0; k->rows && i < e->input.len; i++) {
        const ir_type *t = e->input.at[i].type;
        uint32_t s = t->kind == TY_TENSOR && t->rank ? dim_symbol_id(d, t->dim[0]) : NAMES_NONE;
        if (s != NAMES_NONE)
            x[s] = k->rows;
    }
    return x;
}

static void add_entry(taken *k, const char *name)
{
    for (uint32_t i = 0; name && i < k->p->entry.len; i++) {
        const plan_entry *e = k->p->entry.at[i];
        if (strcmp(e->name, name))
            continue;
        for (uint32_t v = 0; v < e->value.len; v++)
            add_value(k, &e->value.at[v]);
        int64_t *extent = extents(k, e), n;
        for (uint32_t f = 0; f < e->flops.len; f++)
            k->operations += dim_eval(&k->p->m->dims, e->flops.at[f], extent, &n) ? n : 0;
        k->workspace = max_i64(k->workspace, plan_workspace(k->p, e, extent, 1));
        mem_free(extent);
    }
}

/* ---- lines ------------------------------------------------------------------------------- */

static void line(text *out, int64_t bytes, const char *of)
{
    if (bytes)
        text_add(out, "%14lld %s\n", (long long)bytes, of);
}

static void print_taken(const taken *k, text *out)
{
    int64_t all = k->workspace + k->constants;

    for (size_t i = 0; i < COUNT(k->role); i++)
        all += k->role[i];
    line(out, k->role[INGOT_ROLE_PARAM] + k->constants, "weights");
    if (k->constants && !k->roles)
        text_add(out, "%14s (constants as kernels read them: packed, padded, folded)\n", "");
    line(out, k->role[INGOT_ROLE_STATE] + k->role[INGOT_ROLE_FITTED], "other states of the model");
    line(out, k->role[INGOT_ROLE_MOMENT], "states of the optimizer");
    line(out, k->role[OTHER], "sums for metrics, and numbers that may be set");
    line(out, k->role[INGOT_ROLE_GRADIENT], "gradients, accumulated");
    line(out, k->workspace, "workspace");
    if (k->rows && k->trainable && !k->role[INGOT_ROLE_GRADIENT])
        text_add(out, "%14s (gradients lie in it, %lld if all are there at once)\n", "",
                 (long long)k->trainable);
    text_add(out, "%14lld all\n", (long long)all);
}

static taken taken_new(const plan *p, const struct ingot_trainer *t, int64_t rows)
{
    const ir_module *m = p->m;

    return (taken){.p = p, .roles = t ? t->roles : NULL, .rows = rows,
                   .seen = mem_alloc((size_t)m->state.len + m->consts.len + 1)};
}

static void print_calls(const plan *p, text *out)
{
    for (uint32_t i = 0; i < p->entry.len; i++) {
        const char *name = p->entry.at[i]->name;
        taken k = taken_new(p, NULL, 0);
        if (strcmp(name, "init")) {
            add_entry(&k, name);
            text_add(out, "memory of a call of %s, bytes\n", name);
            print_taken(&k, out);
        }
        mem_free(k.seen);
    }
}

/* The calls of a step: one, or with accumulation several. */
static void print_steps(const plan *p, const struct ingot_trainer *t, text *out)
{
    for (int32_t i = 0; i < t->block_count; i++) {
        const struct ingot_train_block *b = &t->blocks[i];
        taken k = taken_new(p, t, b->batch);
        add_entry(&k, b->step.entry ? b->step.entry : b->step_any.entry);
        for (int32_t o = 0; b->gather && o < b->objective_count; o++) {
            add_entry(&k, b->gather[o].entry);
            add_entry(&k, b->apply[o].entry);
        }
        text_add(out, "operations of a step of train %s on %lld rows, with its gradients: %lld\n",
                 b->name, (long long)b->batch, (long long)k.operations);
        text_add(out, "memory of a step of train %s on %lld rows, bytes\n", b->name,
                 (long long)b->batch);
        print_taken(&k, out);
        mem_free(k.seen);
    }
}

/* ---- the file as it is planned ------------------------------------------------------------- */

/* Takes m, which may be null; t: of its train blocks, or null. */
static void print_planned(ir_module *m, const struct ingot_trainer *t, const ingot_options *o,
                          text *out, diag *d)
{
    const ingot_code_options options = {.name = "model", .target = o->target,
                                        .schedules = o->schedules,
                                        .memory_budget = o->memory_budget};
    ingot_code c = {0};

    if (m && code_plan(&c, m, &options, d)) {
        if (t)
            print_steps(c.p, t, out);
        else
            print_calls(c.p, out);
    }
    if (m)
        code_free(&c);
    ir_module_free(m);
}

/* Is there nothing to be trained?  That is no failure. */
static bool lacks_training(const diag *d)
{
    for (uint32_t i = 0; i < d->message.len; i++)
        if (d->message.at[i].id == D_NO_TRAINING)
            return true;
    return false;
}

/* The first line of the first error, whose source is not shown. */
static void print_reason(const char *of, const diag *d, text *out)
{
    const char *why = "an operator is not supported";

    for (uint32_t i = d->message.len; i-- > 0;)
        if (!strstr(d->message.at[i].text, ": warning: "))
            why = d->message.at[i].text;

    if (diag_failed(d))
        text_add(out, "memory of %s: not known: %.*s\n", of, (int)strcspn(why, "\n"), why);
}

void summary_memory(const char *path, const ingot_options *o, const tune_options *tune, text *out)
{
    const struct ingot_trainer *t = NULL;
    diag d;

    diag_init(&d);
    print_planned(ingot_load(path, o, &d), NULL, o, out, &d);
    print_reason("calls", &d, out);
    diag_free(&d);
    if (has_suffix(path, ".ir"))
        return;
    diag_init(&d);
    ir_module *m = train_load(path, o, tune, &t, &d);
    print_planned(m, t, o, out, &d);
    if (!lacks_training(&d))
        print_reason("training", &d, out);
    else if (has_suffix(path, ".ingot"))
        text_add(out, "no train block: nothing is trained\n");
    diag_free(&d);
}
