/* cli/check_grad.c - `ingot check --grad`: the gradients of a program against differences.
 *
 * A train block is made as if its step had several pieces: then each objective has an entry
 * that adds the sum of its losses and the gradient of that to states, and updates nothing.
 * An engine runs it in 64 bits on random rows and the first weights.  One run gives
 * all gradients; for each parameter, runs with that moved along random directions give the
 * differences.  Draws depend on seed and step, which stay, so that each run has the same. */
#include "check_grad.h"

#include <math.h>

#include "data_probe.h"
#include "slope.h"
#include "states.h"
#include "tensor_file.h"
#include "tensor_types.h"
#include "use.h"

enum { DIRECTIONS = 2 };    /* of each parameter */

/* What is checked, of which program. */
typedef struct checking {
    const char *path;
    const ingot_options *o;
    const check_grad_options *how;
    session *s;
    diag *d;
    bool right;             /* no gradient was off so far */
    char error[TENSOR_ERROR_SIZE];
} checking;

/* One objective at work.  `base` are all states as they are drawn, `gradients` those behind a
 * run of them. */
typedef struct objective {
    checking *k;
    const struct ingot_train_block *block;
    int32_t number;         /* from 1 */
    use call;
    char *base, *gradients;
    const struct ingot_value_info *sum, *moved;
    const double *direction;    /* of length 1, as many elements as `moved` has */
} objective;

/* ---- the program ------------------------------------------------------------------ */

enum { GUESSED_EXTENT = 8 };

/* Extents and bounds that only data know are found out from them where they are, else
 * guessed: gradients do not depend on them. */
static bool probe_or_guess(const void *context, const char *source, struct ingot_train_column *c,
                           int32_t n, arena *mem, const char **error)
{
    if (data_probe(context, source, c, n, mem, error))
        return true;
    *error = NULL;
    for (int32_t i = 0; i < n; i++) {
        int64_t *dims = (int64_t *)(uintptr_t)c[i].dims;
        for (int32_t a = 0; a < c[i].rank; a++)
            dims[a] = dims[a] < 0 ? GUESSED_EXTENT : dims[a];
        c[i].bound = c[i].bound < 0 ? GUESSED_EXTENT : c[i].bound;
    }
    return true;
}

static ir_module *load(const checking *k, const struct ingot_trainer **t)
{
    const dsl_options given = {.import = &k->o->import, .set = k->o->program.set,
                               .sets = k->o->program.sets, .real = DT_F64, .silent = true,
                               .probe = probe_or_guess, .read = data_read, .gather = true};

    return dsl_import_training(k->path, &given, t, k->d);
}

/* ---- random numbers --------------------------------------------------------------- */

/* The i-th number of a stream, in [0,1). */
static double random_number(uint64_t seed, uint64_t stream, int64_t i)
{
    uint64_t h = hash_mix(hash_mix(hash_mix(0, seed), stream), (uint64_t)i);

    return (double)(hash_mix(h, stream) >> 11) * 0x1p-53;
}

/* An element of a column: an index below its bound, a truth, a byte or a small number, or a
 * real in [-1,1). */
static double random_element(const struct ingot_train_column *c, double r)
{
    double most = c->bound ? (double)c->bound : 256;

    if (!c->bound && tensor_types[c->dtype].cls == 'f')
        return 2 * r - 1;
    if (!c->bound && c->dtype != TENSOR_U8)
        most = tensor_types[c->dtype].cls == 'b' ? 2 : 8;
    return floor(r * most);
}

/* Elements of a column do not depend on which entry takes it. */
static void fill_columns(const checking *k, const struct ingot_train_block *b, use *u)
{
    for (int32_t i = 0; i < u->entry->input_count; i++) {
        int32_t column = u->call->feeds[i];
        const tensor *t = &u->in[i].t;
        for (int64_t e = 0; column >= 0 && e < t->count; e++) {
            double r = random_number((uint64_t)k->how->seed, (uint64_t)column, e);
            tensor_put_number(t->dtype, t->data, e, random_element(&b->columns[column], r));
        }
    }
}

/* A direction of length 1. */
static void draw_direction(double *v, int64_t n, uint64_t seed, uint64_t stream)
{
    double squares = 0;

    for (int64_t i = 0; i < n; i++) {
        v[i] = 2 * random_number(seed, ~stream, i) - 1;
        squares += v[i] * v[i];
    }
    for (int64_t i = 0; i < n; i++)
        v[i] /= sqrt(squares);
}

/* ---- runs ------------------------------------------------------------------------- */

/* What the loop of a trainer feeds in its first step. */
static use_feeds feeds_of(const checking *k)
{
    use_feeds f = {{0}};

    f.value[-1 - INGOT_FEED_SEED] = (double)k->how->seed;
    f.value[-1 - INGOT_FEED_STEP] = f.value[-1 - INGOT_FEED_EPOCH] = 1;
    f.value[-1 - INGOT_FEED_STEPS] = 1;
    f.value[-1 - INGOT_FEED_ROWS] = (double)k->how->rows;
    return f;
}

static bool run_once(checking *k, const struct ingot_train_call *c,
                     const struct ingot_train_block *b)
{
    use_feeds f = feeds_of(k);
    use u;
    bool ok = use_prepare(&u, k->s, c, b, k->how->rows, k->error);

    if (ok && b)
        fill_columns(k, b, &u);
    ok = ok && use_run(&u, &f, k->error);
    use_free(&u);
    return ok;
}

static double *elements(const session *s, const struct ingot_value_info *v)
{
    return (double *)(void *)((char *)s->states + v->offset);
}

/* The objective's sum with its parameter moved. */
static bool value_at(void *cx, double step, double *out)
{
    objective *o = cx;
    session *s = o->k->s;
    use_feeds f = feeds_of(o->k);
    double *w = elements(s, o->moved);

    memcpy(s->states, o->base, (size_t)s->model->state_size);
    for (uint64_t i = 0; i < state_elements(o->moved); i++)
        w[i] += step * o->direction[i];
    if (!use_run(&o->call, &f, o->k->error))
        return false;
    *out = elements(s, o->sum)[0];
    return true;
}

static const struct ingot_value_info *state_named(const session *s, const char *name)
{
    for (int32_t i = 0; i < s->model->state_count; i++)
        if (!strcmp(s->model->states[i].name, name))
            return &s->model->states[i];
    return NULL;
}

/* The state in which the objective gathers `what`: a path, or "sum". */
static const struct ingot_value_info *gathered(const objective *o, const char *what)
{
    char *name = arena_printf(&o->k->d->mem, "%s.%d.gathered/%s", o->block->name, o->number, what);

    return state_named(o->k->s, name);
}

/* ---- parameters that hide ----------------------------------------------------------- */

/* Marks of the nodes that depend on the parameter by way of a `detach`.  Nodes stand behind
 * what they read. */
static bool *mark_hidden(const ir_fn *f, uint32_t state)
{
    bool *reads = mem_alloc(f->node.len + 1), *hidden = mem_alloc(f->node.len + 1);

    for (uint32_t i = 0; i < f->node.len; i++) {
        const ir_node *n = &f->node.at[i];
        reads[i] = n->op == OP_STATE && (uint32_t)n->attr->STATE.id == state;
        hidden[i] = false;
        for (uint32_t a = 0; a < n->narg; a++) {
            uint32_t from = f->value.at[ir_arg(f, n, a)].node;
            reads[i] |= reads[from];
            hidden[i] |= hidden[from];
        }
        hidden[i] |= reads[i] && n->op == OP_DETACH;
    }
    mem_free(reads);
    return hidden;
}

/* Does the objective's sum depend on the parameter by way of a `detach`, which differences
 * see through and gradients do not?  What is stored is itself detached, last of all.  The
 * program is read again: passes have changed the engine's module. */
static bool is_detached(const objective *o, uint32_t state)
{
    const struct ingot_trainer *t;
    ir_module *m = load(o->k, &t);
    const ir_fn *f = ir_module_find(m, o->call.call->entry);
    uint32_t sum = (uint32_t)(o->sum - o->k->s->model->states);
    bool *hidden = mark_hidden(f, state), found = false;

    for (uint32_t i = 0; i < f->update.len; i++) {
        const ir_node *n = &f->node.at[f->value.at[f->update.at[i].value].node];
        if (f->update.at[i].state != sum)
            continue;
        ir_ref stored = n->op == OP_DETACH ? ir_arg(f, n, 0) : f->update.at[i].value;
        found = hidden[f->value.at[stored].node];
    }
    mem_free(hidden);
    ir_module_free(m);
    return found;
}

/* ---- one parameter ------------------------------------------------------------------ */

static double product(const double *a, const double *b, uint64_t n)
{
    double sum = 0;

    for (uint64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The worst of all directions. */
static bool find_slope(objective *o, const struct ingot_value_info *gradient, slope *worst)
{
    uint64_t n = state_elements(o->moved);
    const double *g = (const double *)(const void *)(o->gradients + gradient->offset);
    double *v = mem_alloc((size_t)(n + 1) * sizeof *v);
    bool ok = true;

    *worst = (slope){0};
    o->direction = v;
    for (int i = 0; ok && i < DIRECTIONS; i++) {
        slope s;
        draw_direction(v, (int64_t)n, (uint64_t)o->k->how->seed, o->moved->offset + (uint64_t)i);
        ok = slope_check(product(g, v, n), value_at, o, &s);
        if (ok && (s.kind > worst->kind || (s.kind == worst->kind && s.error >= worst->error)))
            *worst = s;
    }
    mem_free(v);
    return ok;
}

static void print_slope(const char *path, const slope *s, bool detached, int width)
{
    if (s->kind == SLOPE_OK)
        printf("  %-*s ok        %.1e\n", width, path, s->error);
    else if (s->kind == SLOPE_KINK)
        printf("  %-*s kink      gradient %.6g, slopes %.6g and %.6g\n", width, path, s->gradient,
               s->below, s->above);
    else
        printf("  %-*s %-9s %.1e: gradient %.6g, difference %.6g\n", width, path,
               detached ? "detached" : "off", s->error, s->gradient, s->difference);
}

static bool check_parameter(objective *o, int32_t state, const struct ingot_value_info *gradient,
                            int width)
{
    slope s;

    o->moved = &o->k->s->model->states[state];
    if (!find_slope(o, gradient, &s))
        return false;
    bool detached = s.kind == SLOPE_OFF && is_detached(o, (uint32_t)state);
    print_slope(o->moved->name, &s, detached, width);
    fflush(stdout);
    o->k->right &= s.kind != SLOPE_OFF || detached;
    return true;
}

/* ---- objectives ----------------------------------------------------------------------- */

/* Those that the objective changes, in the order of the model's states. */
static bool check_parameters(objective *o)
{
    const struct ingot_model *m = o->k->s->model;
    int width = 0;
    bool ok = true;

    for (int32_t i = 0; i < m->state_count; i++)
        if (gathered(o, m->states[i].name) && (int)strlen(m->states[i].name) > width)
            width = (int)strlen(m->states[i].name);
    for (int32_t i = 0; ok && i < m->state_count; i++) {
        const struct ingot_value_info *g = gathered(o, m->states[i].name);
        if (g)
            ok = check_parameter(o, i, g, width);
    }
    return ok;
}

/* The run that gives the gradients; false also where the loss is no number. */
static bool find_gradients(objective *o)
{
    session *s = o->k->s;
    use_feeds f = feeds_of(o->k);

    memcpy(s->states, o->base, (size_t)s->model->state_size);
    if (!use_run(&o->call, &f, o->k->error))
        return false;
    memcpy(o->gradients, s->states, (size_t)s->model->state_size);
    return isfinite(elements(s, o->sum)[0]) || tensor_fail(o->k->error, "the loss is no number");
}

static bool check_objective(checking *k, const struct ingot_train_block *b, int32_t number)
{
    size_t size = (size_t)k->s->model->state_size;
    objective o = {.k = k, .block = b, .number = number,
                   .base = mem_alloc(size), .gradients = mem_alloc(size)};

    o.sum = gathered(&o, "sum");
    memcpy(o.base, k->s->states, size);
    bool ok = use_prepare(&o.call, k->s, &b->gather[number - 1], b, k->how->rows, k->error);
    if (ok) {
        fill_columns(k, b, &o.call);
        printf("%s, objective %d:\n", b->name, number);
    }
    ok = ok && find_gradients(&o) && check_parameters(&o);
    memcpy(k->s->states, o.base, size);
    use_free(&o.call);
    mem_free(o.base);
    mem_free(o.gradients);
    return ok;
}

/* Layers with `fit` have seen the rows. */
static bool check_block(checking *k, const struct ingot_train_block *b)
{
    bool ok = true;

    for (int32_t i = 0; ok && i < b->fit_count; i++)
        ok = run_once(k, &b->fits[i], b);
    for (int32_t i = 0; ok && i < b->objective_count; i++)
        ok = check_objective(k, b, i + 1);
    return ok || diag_error(k->d, (ir_loc){0}, D_GENERAL,
                            arena_printf(&k->d->mem, "train %s: %s", b->name, k->error));
}

/* The first weights, then block by block. */
static bool check_blocks(checking *k, const struct ingot_trainer *t)
{
    bool ok = !t->init.entry || run_once(k, &t->init, NULL) ||
              diag_error(k->d, (ir_loc){0}, D_GENERAL, arena_strdup(&k->d->mem, k->error));

    for (int32_t i = 0; ok && i < t->block_count; i++)
        ok = check_block(k, &t->blocks[i]);
    return ok;
}

bool check_gradients(const char *path, const ingot_options *o, const check_grad_options *how,
                     diag *d)
{
    const struct ingot_trainer *t = NULL;
    checking k = {.path = path, .o = o, .how = how, .d = d, .right = true};
    ir_module *m = load(&k, &t);
    ingot_engine *e = m ? ingot_engine_open(how->engine, m, o, 0, d) : NULL;

    if (!e)
        return false;
    k.s = ingot_engine_session(e);
    bool ok = check_blocks(&k, t);
    ingot_engine_close(e);
    return ok && k.right;
}
