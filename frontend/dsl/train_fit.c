/* frontend/dsl/train_fit.c - `fit` blocks of layers: which rows they see, and what stays of them.
 *
 * NAME_fit is called with pieces of the training rows.  Each row is to count once, also where a
 * net is used several times, so one use of a layer is followed: the first in the block whose
 * input is made of data alone, else the first.  The others may see what an untrained generator
 * makes, or rows a second time. */
#include "train.h"

/* What a value of the entry is made from. */
typedef struct origin {
    bool rows, learned, fitted;     /* columns; parameters or draws; what was fitted so far */
} origin;

const dsl_memory *train_memory_read(const dsl *cx, const ir_node *n)
{
    for (uint32_t i = 0; n->op == OP_STATE && i < cx->memory.len; i++)
        if (cx->memory.at[i]->state == (uint32_t)n->attr->STATE.id)
            return cx->memory.at[i];
    return NULL;
}

static bool is_column(const struct dsl_train *k, const char *input)
{
    for (int32_t i = 0; i < k->record->column_count; i++)
        if (!strcmp(k->record->columns[i].name, input))
            return true;
    return false;
}

/* Of a value in a loop or branch nothing is known. */
static origin origin_of(dsl *cx, const dsl_value *v, const char *path)
{
    const ir_fn *f = dsl_b(cx)->fn;
    origin o = {0};
    size_t n = strlen(path);

    if (cx->region->outer)
        return (origin){.learned = true, .fitted = true};
    const bool *marks = train_ancestors(cx, f, dsl_ref(cx, v));
    for (uint32_t i = 0; i < f->param.len; i++)
        if (marks[f->value.at[f->param.at[i]].node]) {
            o.rows |= is_column(cx->train, f->param_name.at[i]);
            o.learned |= !strcmp(f->param_name.at[i], "seed");
        }
    for (uint32_t i = 0; i < f->node.len; i++) {
        const dsl_memory *m = marks[i] ? train_memory_read(cx, &f->node.at[i]) : NULL;
        o.learned |= m && m->trainable;
        o.fitted |= m && !strncmp(m->path, path, n) && m->path[n] == '.';
    }
    return o;
}

/* The statement of the block that changes a state, for messages. */
static ir_loc place_of(const ast_stmt *s, const char *name)
{
    for (uint32_t i = 0; i < s->fit.stmts.len; i++) {
        const ast_stmt *d = s->fit.stmts.at[i];
        for (uint32_t k = 0; d->kind == AST_DEFINE && k < d->define.targets.len; k++)
            if (!strcmp(d->define.targets.at[k].path.at[0].text, name))
                return d->at;
    }
    return s->at;
}

/* What is made of the rows at hand alone forgets those before. */
static void check_merges(dsl *cx, const ast_stmt *s, const dsl_memory *m, origin o)
{
    if (o.rows && !o.fitted)
        dsl_wrong(cx, place_of(s, m->cell.name), "fit sees the training rows in pieces, and of %s "
                  "only the last would stay: make it of what it was and of the rows at hand, as "
                  "in: low <- min(low, a)", m->cell.name);
}

/* Runs the block; which memories it changed are noted under its use.  Is what they become made
 * of data alone? */
static bool run(dsl *cx, const ast_stmt *s, const char *path)
{
    uint32_t n = cx->memory.len;
    const dsl_value **before = arena_array(cx->mem, const dsl_value *, n + 1);
    bool rows = false, learned = false;

    for (uint32_t i = 0; i < n; i++)
        before[i] = cx->memory.at[i]->cell.now;
    dsl_run(cx, &s->fit);
    for (uint32_t i = 0; i < n; i++) {
        dsl_memory *m = cx->memory.at[i];
        if (m->cell.now == before[i] || dsl_bad(m->cell.now))
            continue;
        origin o = origin_of(cx, m->cell.now, path);
        check_merges(cx, s, m, o);
        rows |= o.rows;
        learned |= o.learned;
        vec_push(&cx->train->fitted, m);
    }
    return rows && !learned;
}

/* The use of this block that is followed so far; null: it is the first. */
static train_fit *followed(struct dsl_train *k, const char *path, const ast_stmt *s)
{
    for (uint32_t i = 0; i < k->fit.len; i++)
        if (k->fit.at[i].s == s && !strcmp(k->fit.at[i].path, path))
            return &k->fit.at[i];
    return NULL;
}

/* The states of a use that is to be replaced are as the entry began; or again as that use left
 * them. */
static void exchange(struct dsl_train *k, const train_fit *f, const dsl_value **with)
{
    for (uint32_t i = 0; i < f->count; i++) {
        dsl_cell *c = &k->fitted.at[f->from + i]->cell;
        const dsl_value *now = c->now;
        c->now = with[i];
        with[i] = now;
    }
}

/* fit { .. } of a layer under `path`. */
static void fit(dsl *cx, const ast_stmt *s, const char *path)
{
    struct dsl_train *k = cx->train;
    train_fit *old = followed(k, path, s), use = {path, s, k->fitted.len, 0, false};

    if (old && old->alone)
        return;
    const dsl_value **kept = arena_array(cx->mem, const dsl_value *, old ? old->count + 1 : 1);
    if (old)
        exchange(k, old, kept);
    use.alone = run(cx, s, path);
    use.count = k->fitted.len - use.from;
    if (!old)
        vec_push(&k->fit, use);
    else if (use.alone)
        *old = use;
    else
        exchange(k, old, kept);
}

void train_fit_block(dsl *cx, const ast_stmt *s)
{
    const dsl_block *b = cx->frame->block;

    if (cx->train)
        cx->train->fits = true;
    if (cx->train && cx->frame->fit)
        fit(cx, s, b && b->path ? b->path : "");
}

/* ---- what stays ------------------------------------------------------------------ */

static bool is_fitted(const struct dsl_train *k, const dsl_memory *m)
{
    for (uint32_t i = 0; i < k->fitted.len; i++)
        if (k->fitted.at[i] == m)
            return true;
    return false;
}

/* What is fitted of b is that of net t = b, too, whether or not the block uses t. */
static void fit_copy(dsl *cx, const dsl_template *t)
{
    struct dsl_train *k = cx->train;

    for (uint32_t i = 0, n = k->fitted.len; i < n; i++) {
        dsl_memory *m = k->fitted.at[i];
        dsl_memory *c = m->net == t->base ? dsl_copy_memory(cx, t, m) : NULL;
        if (!c || c->type != m->type)
            continue;
        dsl_write(cx, &c->cell, m->cell.now, m->cell.at);
        vec_push(&k->fitted, c);
    }
}

void train_fit_copies(dsl *cx)
{
    for (uint32_t i = 0; i < cx->file.len; i++) {
        const ast_program *p = cx->file.at[i]->program;
        for (uint32_t j = 0; j < p->items.len && !cx->file.at[i]->prelude; j++) {
            const dsl_template *t =
                train_template(cx->file.at[i], p->items.at[j], AST_ITEM_NET_OF);
            if (t && t->base && !train_is_unused(p, t->name))
                fit_copy(cx, t);
        }
    }
}

bool train_keep_fitted(dsl *cx, dsl_memory *m)
{
    if (!m || !is_fitted(cx->train, m))
        return false;
    m->role = INGOT_ROLE_FITTED;
    return true;
}
