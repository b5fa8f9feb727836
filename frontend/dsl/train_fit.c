/* frontend/dsl/train_fit.c - `fit` blocks of layers: which rows they see, and what stays of them.
 *
 * NAME_fit is called with pieces of the training rows.  Each row is to count once, also where a
 * net is used several times, so one use of a layer is followed: the first in the block whose
 * input is made of data alone, else the first.  The others may see what an untrained generator
 * makes, or rows a second time.
 *
 * In standardize |> rescale the second is to see what the first makes when that has seen all rows:
 * it waits for another pass, NAME_fit2.  The first pass finds out which use is followed. */
#include "train.h"

/* What a value of the entry is made from. */
typedef struct origin {
    bool rows, learned, fitted;     /* columns; parameters or draws; what was fitted so far */
    bool waits;                     /* what another block fills, in this pass or a later one */
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

/* The use of this block that is followed so far; null: it is the first. */
static train_fit *followed(struct dsl_train *k, const char *path, const ast_stmt *s)
{
    for (uint32_t i = 0; i < k->fit.len; i++)
        if (k->fit.at[i].s == s && !strcmp(k->fit.at[i].path, path))
            return &k->fit.at[i];
    return NULL;
}

/* The i-th memory that a use fills in this pass or a later one; null: there are no more, or an
 * earlier one has filled them. */
static dsl_memory *memory_of(const struct dsl_train *k, const train_fit *f, uint32_t i)
{
    if (i >= f->count || (f->pass && f->pass != k->pass))
        return NULL;
    return f->pass ? k->fitted.at[f->from + i] : k->waiting.at[f->from + i];
}

/* The use, but for this one, that fills the memory in this pass or a later one; null: none. */
static const train_fit *filler(const struct dsl_train *k, const train_fit *but, const dsl_memory *m)
{
    for (uint32_t i = 0; i < k->fit.len; i++)
        for (uint32_t j = 0; &k->fit.at[i] != but && memory_of(k, &k->fit.at[i], j); j++)
            if (memory_of(k, &k->fit.at[i], j) == m)
                return &k->fit.at[i];
    return NULL;
}

/* Is there a use, but for this one, that fills something in this pass or a later one? */
static bool any_filler(const struct dsl_train *k, const train_fit *but)
{
    bool any = false;

    for (uint32_t i = 0; i < k->fit.len; i++)
        any |= &k->fit.at[i] != but && memory_of(k, &k->fit.at[i], 0);
    return any;
}

static void see_memory(const struct dsl_train *k, const train_fit *but, const dsl_memory *m,
                       origin *o)
{
    const train_fit *by = filler(k, but, m);

    o->learned |= m->trainable || (by && !by->alone);
    o->waits |= by != NULL;
}

/* Of a value in a branch nothing is known. */
static origin origin_of(dsl *cx, const dsl_value *v, const char *path, const ast_stmt *s)
{
    struct dsl_train *k = cx->train;
    const train_fit *self = followed(k, path, s);
    const ir_fn *f = dsl_b(cx)->fn;
    origin o = {0};
    size_t n = strlen(path);

    if (cx->region->outer)
        return (origin){.learned = true, .fitted = true, .waits = any_filler(k, self)};
    const bool *marks = train_ancestors(cx, f, dsl_ref(cx, v));
    for (uint32_t i = 0; i < f->param.len; i++)
        if (marks[f->value.at[f->param.at[i]].node]) {
            o.rows |= is_column(k, f->param_name.at[i]);
            o.learned |= !strcmp(f->param_name.at[i], "seed");
        }
    for (uint32_t i = 0; i < f->node.len; i++) {
        const dsl_memory *m = marks[i] ? train_memory_read(cx, &f->node.at[i]) : NULL;
        if (!m)
            continue;
        see_memory(k, self, m, &o);
        o.fitted |= !strncmp(m->path, path, n) && m->path[n] == '.';
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

/* What the first n memories are; null: as the entry began. */
static const dsl_value **values(dsl *cx, uint32_t n)
{
    const dsl_value **v = arena_array(cx->mem, const dsl_value *, n + 1);

    for (uint32_t i = 0; i < n; i++)
        v[i] = cx->memory.at[i]->cell.now;
    return v;
}

/* The first n memories are so again.  A branch that has written one yields it, so that it is
 * read. */
static void restore(dsl *cx, const dsl_value *const *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        dsl_cell *c = &cx->memory.at[i]->cell;
        if (c->now != v[i])
            c->now = v[i] || !cx->region->outer ? v[i] : dsl_first_read(cx, c);
    }
}

/* Runs the block; which memories it changed are noted under its use.  One that waits has changed
 * nothing. */
static void run(dsl *cx, train_fit *use)
{
    struct dsl_train *k = cx->train;
    uint32_t n = cx->memory.len;
    const dsl_value **before = values(cx, n);
    origin all = {0};

    use->from = k->fitted.len;
    dsl_run(cx, &use->s->fit);
    for (uint32_t i = 0; i < n; i++) {
        dsl_memory *m = cx->memory.at[i];
        if (m->cell.now == before[i] || dsl_bad(m->cell.now))
            continue;
        origin o = origin_of(cx, m->cell.now, use->path, use->s);
        check_merges(cx, use->s, m, o);
        all.rows |= o.rows;
        all.learned |= o.learned;
        all.waits |= o.waits;
        vec_push(&k->fitted, m);
    }
    use->count = k->fitted.len - use->from;
    use->alone = all.rows && !all.learned;
    use->pass = all.waits ? 0 : k->pass;
    if (!all.waits)
        return;
    restore(cx, before, n);
    k->fitted.len = use->from;
    use->from = k->waiting.len;
    for (uint32_t i = 0; i < use->count; i++)
        vec_push(&k->waiting, k->fitted.at[k->fitted.len + i]);
}

/* The states of a use that is to be replaced are as the entry began. */
static void forget(struct dsl_train *k, const train_fit *f)
{
    for (uint32_t i = 0; f->pass && i < f->count; i++)
        k->fitted.at[f->from + i]->cell.now = NULL;
}

/* It fills nothing in this pass. */
static void drop(struct dsl_train *k, const train_fit *f)
{
    for (uint32_t i = 0; f->pass && i < f->count; i++)
        k->fitted.at[f->from + i] = NULL;
}

/* In the first pass each use is tried: it may be the one to follow. */
static void try_use(dsl *cx, train_fit *use)
{
    struct dsl_train *k = cx->train;
    uint32_t n = cx->memory.len;
    const dsl_value **before = values(cx, n);
    train_fit *old = followed(k, use->path, use->s);

    if (old)
        forget(k, old);
    run(cx, use);
    old = followed(k, use->path, use->s);
    if (!old) {
        vec_push(&k->fit, *use);
    } else if (use->alone) {
        drop(k, old);
        *old = *use;
    } else {
        restore(cx, before, n);
        k->fitted.len = use->pass ? use->from : k->fitted.len;
    }
}

static bool in_loop(const dsl *cx)
{
    const dsl_region *r = cx->region;

    while (r && !r->scan)
        r = r->outer;
    return r != NULL;
}

/* fit { .. } of a layer under `path`. */
static void fit(dsl *cx, const ast_stmt *s, const char *path)
{
    struct dsl_train *k = cx->train;
    train_fit *old = followed(k, path, s), use = {.path = path, .s = s, .uses = 1};

    if (old) {
        old->uses++;
        use.uses = old->uses;
    }
    use.chosen = use.uses;
    if (k->pass > 1) {
        if (!old || old->pass || old->uses != old->chosen)
            return;
        run(cx, &use);
        *followed(k, path, s) = use;
    } else if (!old && in_loop(cx)) {
        dsl_wrong(cx, s->at, "fit does not see the rounds of a loop: use the layer above it, on "
                  "all that they take");
    } else if (!old || (!old->alone && !in_loop(cx))) {
        try_use(cx, &use);
    }
}

void train_fit_block(dsl *cx, const ast_stmt *s)
{
    const dsl_block *b = cx->frame->block;

    if (cx->train)
        cx->train->fits = true;
    if (cx->train && cx->frame->fit)
        fit(cx, s, b && b->path ? b->path : "");
}

bool train_fit_pass(dsl *cx)
{
    struct dsl_train *k = cx->train;
    bool left = !k->pass, went = left;

    for (uint32_t i = 0; i < k->fit.len; i++) {
        left |= !k->fit.at[i].pass;
        went |= k->fit.at[i].pass == k->pass;
        k->fit.at[i].uses = 0;
    }
    if (left && !went)
        dsl_wrong(cx, k->t->item->name.at, "fit blocks of %s wait for what each other fills",
                  k->t->name);
    k->pass++;
    k->fitted.len = 0;
    return left && went;
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
        dsl_memory *c = m && m->net == t->base ? dsl_copy_memory(cx, t, m) : NULL;
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
