/* frontend/dsl/weights.c - arrays of a file that stand for parameters and states.
 *
 * A program with weights is checked twice.  The first time tells its parameters and their
 * types, so that extents of `dim` are found from the file, and which of them its entries
 * change: all others are constants of the module. */
#include "check.h"
#include "nearest.h"
#include "num.h"

const dsl_weight *dsl_weight_of(const dsl *cx, const char *path)
{
    for (int i = 0; cx->o && i < cx->o->weights; i++)
        if (!strcmp(cx->o->weight[i].name, path))
            return &cx->o->weight[i];
    return NULL;
}

/* Floats of a file may have another width than the program's. */
static bool is_converted(const dsl *cx, const dsl_weight *w, const ir_type *t)
{
    bool float16 = w->dtype == DT_F16 || w->dtype == DT_BF16;

    return w->dtype != t->dtype && t->dtype == cx->real &&
           (float16 || w->dtype == DT_F32 || w->dtype == DT_F64);
}

/* Are they of one type, or converted to it, and of the same extents?  By the second check the
 * program's are numbers. */
static bool fits(dsl *cx, const dsl_weight *w, const ir_type *t)
{
    if ((w->dtype != t->dtype && !is_converted(cx, w, t)) || w->rank != t->rank)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (!dim_is(cx->dims, t->dim[i], w->dims[i]))
            return false;
    return true;
}

static const char *weight_text(dsl *cx, const dsl_weight *w)
{
    text t = {0};

    text_add(&t, "%s[", dt_text(w->dtype));
    for (int i = 0; i < w->rank; i++)
        text_add(&t, "%s%lld", i ? ", " : "", (long long)w->dims[i]);
    text_add(&t, "]");
    const char *copy = arena_strdup(cx->mem, t.at);
    text_free(&t);
    return copy;
}

/* The constant of w's elements in the program's type.  Of what loses digits a warning is given,
 * once a file. */
static uint32_t constant_of(dsl *cx, const dsl_weight *w, const ir_type *t)
{
    int64_t n = type_count_const(&cx->m->types, t);
    int64_t from = dt_size(w->dtype), to = dt_size(t->dtype);

    if (!is_converted(cx, w, t))
        return const_bytes(cx->m, t, w->data, w->size);
    if (to < from)
        diag_warning(cx->d, (ir_loc){0}, "%s: its weights are %s, and are rounded to %s",
                     cx->o->weights_file, dt_text(w->dtype), dt_text(t->dtype));
    char *data = arena_alloc(cx->mem, (size_t)(n * to) + 1);
    for (int64_t i = 0; i < n; i++)
        num_store_flt(t->dtype, data + i * to,
                      num_load_flt(w->dtype, (const char *)w->data + i * from));
    return const_bytes(cx->m, t, data, (size_t)(n * to));
}

/* A parameter with weights that nobody writes is a constant; one that an entry
 * updates is a state with that constant as its first value; one without is a state
 * that is drawn.  The mistake of a wrong shape is told with both shapes. */
void dsl_take_weight(dsl *cx, dsl_memory *m)
{
    const dsl_weight *w = dsl_weight_of(cx, m->path);

    m->weights = m->state = IR_NONE;
    m->updated = cx->known && names_find(&cx->known->updated, m->path) != NAMES_NONE;
    if (w && cx->known && !fits(cx, w, m->type)) {
        dsl_wrong(cx, m->cell.at, "%s: %s is %s, the program has %s", cx->o->weights_file, m->path,
                  weight_text(cx, w), dsl_type_text(cx, m->type));
        w = NULL;
    }
    if (w && cx->known)
        m->weights = constant_of(cx, w, m->type);
    if (m->weights != IR_NONE && !m->updated)
        return;
    uint32_t init = m->weights != IR_NONE || !m->foreign ? m->weights : m->first;
    m->state = cx->m->state.len;
    vec_push(&cx->m->state, (ir_state){arena_strdup(&cx->m->mem, m->path), m->type, init,
                                       m->trainable, dsl_b(cx)->loc});
}

/* ---- what the first time tells ---------------------------------------------- */

/* The number of a dim P, if a parameter has the extent P or P + 8. */
static void learn_dim(dsl *cx, dsl_known *k, ir_dim d, int64_t value)
{
    int64_t more;

    for (uint32_t i = 0; i < cx->open.len; i++) {
        const dsl_open_dim *o = &cx->open.at[i];
        if (!dim_const(cx->dims, dim_sub(cx->dims, d, o->dim), &more) ||
            names_find(&k->dims, o->name.text) != NAMES_NONE)
            continue;
        names_add(&k->dims, arena_strdup(&k->mem, o->name.text));
        vec_push(&k->value, value - more);
    }
}

/* Called behind the first check, whose module is thrown away: what entries update,
 * and the dims that extents in the file give. */
void dsl_learn(dsl *cx, dsl_known *k)
{
    for (uint32_t i = 0; i < cx->memory.len; i++) {
        const dsl_memory *m = cx->memory.at[i];
        const dsl_weight *w = dsl_weight_of(cx, m->path);
        if (m->updated)
            names_add(&k->updated, arena_strdup(&k->mem, m->path));
        for (int a = 0; w && w->rank == m->type->rank && a < w->rank; a++)
            learn_dim(cx, k, m->type->dim[a], w->dims[a]);
    }
}

void dsl_known_free(dsl_known *k)
{
    names_free(&k->dims);
    names_free(&k->updated);
    vec_free(&k->value);
    arena_reset(&k->mem);
}

/* ---- names -------------------------------------------------------------------- */

/* These messages are about another file: they are not left out because of an
 * earlier one at the same place (cx->told). */
static void tell_missing(dsl *cx, const dsl_memory *m)
{
    nearest s = nearest_to(m->path);

    for (int i = 0; i < cx->o->weights; i++)
        nearest_try(&s, cx->o->weight[i].name);
    cx->told = (ir_loc){0};
    dsl_wrong(cx, (ir_loc){.line = 1}, s.best ? "%s: there is no %s; nearest is %s"
                                              : "%s: there is no %s",
              cx->o->weights_file, m->path, s.best);
}

static void tell_surplus(dsl *cx, const char *name)
{
    nearest s = nearest_to(name);

    for (uint32_t i = 0; i < cx->memory.len; i++)
        nearest_try(&s, cx->memory.at[i]->path);
    cx->told = (ir_loc){0};
    dsl_wrong(cx, (ir_loc){.line = 1}, s.best ? "%s: the program has no %s; nearest is %s"
                                      : "%s: the program has no %s",
              cx->o->weights_file, name, s.best);
}

/* Is it a state of a train block, `learn.sum.loss` or, with a slash, `learn.adam.m/mlp.dense1.w`,
 * or a config that trainers take?  Files that they write have them beside the weights. */
static bool is_trainers(const dsl *cx, const char *name)
{
    size_t n = strcspn(name, ".");

    if (strchr(name, '/') || dsl_has_config(cx, name))
        return true;
    for (uint32_t i = 0; i < cx->file.len; i++) {
        const ast_program *p = cx->file.at[i]->program;
        for (uint32_t k = 0; k < p->items.len; k++)
            if (p->items.at[k]->kind == AST_ITEM_TRAIN &&
                !strncmp(p->items.at[k]->name.text, name, n) && !p->items.at[k]->name.text[n])
                return true;
    }
    return false;
}

/* Every parameter has weights, and all weights a parameter, but for what trainers
 * keep beside them. */
void dsl_check_weights(dsl *cx)
{
    for (uint32_t i = 0; i < cx->memory.len; i++)
        if (!dsl_weight_of(cx, cx->memory.at[i]->path) && !cx->memory.at[i]->foreign)
            tell_missing(cx, cx->memory.at[i]);
    for (int i = 0; i < cx->o->weights; i++)
        if (!dsl_memory_find(cx, cx->o->weight[i].name) && !is_trainers(cx, cx->o->weight[i].name))
            tell_surplus(cx, cx->o->weight[i].name);
}
