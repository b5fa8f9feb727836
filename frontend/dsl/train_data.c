/* frontend/dsl/train_data.c - columns and sources of train blocks, for the record
 * that the runtime reads, and dims that only data know.
 *
 * The compiler reads no data: a source goes into the record as text (train_source.c).
 * Where an extent depends on it - how many classes, how wide an image - the
 * compiler asks a function of its caller (cx->o->probe), for the columns that leave
 * something open. */
#include <math.h>

#include "lex.h"
#include "train.h"

/* ---- columns ---------------------------------------------------------------------- */

/* The parameters of the block are its columns. */
static const ast_params *columns_of(const struct dsl_train *k)
{
    return &k->t->item->callable.params;
}

static int column_named(const struct dsl_train *k, const char *name)
{
    const ast_params *l = columns_of(k);

    for (uint32_t i = 0; i < l->len; i++)
        if (!strcmp(l->at[i].name.text, name))
            return (int)i;
    return -1;
}

/* A column's rows stand in front: `..`, or the name of their number. */
static bool has_row_axis(dsl *cx, const ast_param *p)
{
    bool shaped = p->type && p->type->extents.len;

    if (shaped && p->type->extents.at[0]->kind != AST_NUMBER)
        return true;
    dsl_wrong(cx, shaped ? p->type->extents.at[0]->at : p->name.at,
              "%s is a column: its type begins with the rows, %s: [..%s]", p->name.text,
              p->name.text, shaped ? ", and what a row has" : "");
    return false;
}

/* Name, type and extents of one row: for `x: [.., 28, 28]` rank 2 with dims 28, 28.
 * Extents are numbers by now, as the runtime checks data by them; only where
 * nothing is trained (no probe to ask) they may stay open. */
static bool add_column(dsl *cx, const ast_param *p, struct ingot_train_column *c)
{
    const ast_type *t = p->type;
    int64_t *dims = arena_array(cx->mem, int64_t, IR_MAX_RANK);
    ir_dim d;

    if (!has_row_axis(cx, p))
        return false;
    c->name = arena_strdup(cx->mem, p->name.text);
    c->dtype = dt_of(dsl_type_dtype(cx, t))->onnx;
    c->rank = (int32_t)t->extents.len - 1;
    c->dims = dims;
    for (int32_t i = 0; i < c->rank; i++) {
        if (!dsl_eval_dim(cx, t->extents.at[i + 1], &d, "the extent of a column"))
            return false;
        if (!dim_const(cx->dims, d, &dims[i]) && cx->o->probe) {
            dsl_wrong(cx, t->extents.at[i + 1]->at, "%s is not known: no data or --dim give it",
                      dsl_dim_text(cx, d));
            return false;
        }
    }
    if (!t->bound)
        return true;
    if (!dsl_eval_bound(cx, t->bound, &d))
        return false;
    c->name_count = dsl_spelling(cx, t->bound, &c->names);
    if (dim_const(cx->dims, d, &c->bound) || !cx->o->probe)
        return true;        /* without data it may stay open: nothing is trained */
    dsl_wrong(cx, t->bound->at, "%s is not known: no data or --dim give it (int<%s>)",
              dsl_dim_text(cx, d), dsl_dim_text(cx, d));
    return false;
}

/* ---- clauses ---------------------------------------------------------------------- */

/* A number that is not negative; `what` names the clause in messages. */
static bool number_of(dsl *cx, const ast_expr *e, const char *what, double *out)
{
    const dsl_value *v = dsl_eval(cx, e);

    if (dsl_bad(v))
        return false;
    if (dsl_number(cx, v, out) && *out >= 0)
        return true;
    dsl_wrong(cx, e->at, "%s is a number, this is %s", what, dsl_describe(cx, v));
    return false;
}

/* A whole number that is at least 1: no clause means anything with 0 or less. */
static bool whole_of(dsl *cx, const ast_expr *e, const char *what, int64_t *out)
{
    double v;

    if (!number_of(cx, e, what, &v))
        return false;
    *out = (int64_t)v;
    if (v >= 1 && v == floor(v) && v < 1e15)
        return true;
    dsl_wrong(cx, e->at, "%s is a whole number above 0", what);
    return false;
}

/* A share of the rows, which leaves some to be trained on. */
static bool share_of(dsl *cx, const ast_expr *e, const char *what, double *out)
{
    if (!number_of(cx, e, what, out))
        return false;
    if (*out >= 1)
        dsl_wrong(cx, e->at, "%s is a share of the rows, below 1, this is %g; other rows: %s x = "
                  "\"f.npy\"", what, *out, what);
    return *out < 1;
}

/* One of the block's numbers, by its word in words.def. */
static bool add_knob(dsl *cx, struct ingot_train_block *r, const ast_stmt *s, bool *given)
{
    const char *what = ast_knob_text[s->knob.which];

    if (*given) {
        dsl_wrong(cx, s->at, "%s is given twice", what);
        return false;
    }
    *given = true;
    switch (s->knob.which) {
    case AST_KNOB_VALID: return share_of(cx, s->knob.value, what, &r->valid);
    case AST_KNOB_TEST: return share_of(cx, s->knob.value, what, &r->test);
    case AST_KNOB_BATCH: return whole_of(cx, s->knob.value, what, &r->batch);
    case AST_KNOB_EPOCHS: return whole_of(cx, s->knob.value, what, &r->epochs);
    default: break;
    }
    return whole_of(cx, s->knob.value, what, &r->accumulate);
}

/* Another offset is no argument of windows, but who looks for one finds the step. */
static void warn_same_rows(dsl *cx, const struct dsl_train *k, const ast_source *from,
                           const struct ingot_train_source *s)
{
    const struct ingot_train_block *r = k->record;

    for (int32_t i = 0; i < r->source_count; i++)
        if (&r->sources[i] != s && r->sources[i].text && r->sources[i].part == s->part &&
            !strcmp(r->sources[i].text, s->text) &&
            !strncmp(s->text, "windows(", 8))
            dsl_warn(cx, from->columns.at[0].at, "%s gets the same rows as %s: windows takes "
                     "their length and the step from row to row; of rows of n + 1, s[:n] and "
                     "s[1:] are one apart", from->columns.at[0].text,
                     r->columns[r->sources[i].columns[0]].name);
}

/* `data x, y from ..`: which columns this source fills, by their position among the
 * block's. */
static bool add_source_of(dsl *cx, const struct dsl_train *k, const ast_stmt *s,
                          const ast_source *from, struct ingot_train_source *to)
{
    int32_t *index = arena_array(cx->mem, int32_t, from->columns.len + 1);

    *to = (struct ingot_train_source){.part = (int32_t)s->data.rows, .columns = index,
                                      .column_count = (int32_t)from->columns.len};
    for (uint32_t i = 0; i < from->columns.len; i++) {
        index[i] = column_named(k, from->columns.at[i].text);
        if (index[i] < 0) {
            dsl_wrong(cx, from->columns.at[i].at, "train %s has no column %s", k->t->name,
                      from->columns.at[i].text);
            return false;
        }
    }
    to->text = train_source_text(cx, from->value);
    if (to->text)
        warn_same_rows(cx, k, from, to);
    return to->text != NULL;
}

/* `stop after 10 without lower valid.loss`: the metric's name, and of which rows. */
static bool add_patience(dsl *cx, const ast_stmt *s, struct ingot_train_patience *p)
{
    const ast_words *m = &s->stop_after.metric;
    const ast_word *name = &m->at[m->len - 1];
    bool valid = m->len > 1 && !strcmp(m->at[0].text, "valid");

    *p = (struct ingot_train_patience){.metric = arena_strdup(cx->mem, name->text),
                                       .higher = s->stop_after.higher,
                                       .part = valid ? INGOT_PART_VALID : INGOT_PART_TRAIN};
    if (m->len > 1 && !valid && strcmp(m->at[0].text, "train")) {
        dsl_wrong(cx, m->at[0].at, "rows are train or valid");
        return false;
    }
    return whole_of(cx, s->stop_after.epochs, "a number of epochs", &p->patience);
}

static uint32_t count_sources(const ast_stmts *l)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->len; i++)
        n += l->at[i]->kind == AST_DATA ? l->at[i]->data.sources.len : 0;
    return n;
}

/* The rows of a table that is trained on; a file's are not known. */
static void settle_batch(struct ingot_train_block *r, const ast_stmt *s)
{
    for (uint32_t j = 0; s->data.rows == AST_ROWS_TRAIN && j < s->data.sources.len; j++) {
        const ast_expr *e = s->data.sources.at[j].value;
        if (e->kind == AST_ARRAY && e->items.len < r->batch)
            r->batch = e->items.len;
    }
}

/* A block that nothing ends has ten epochs.  All rows of a short table are one batch. */
static void settle(const struct dsl_train *k, int64_t shards, bool stops)
{
    const ast_stmts *l = &k->t->item->callable.body.stmts;
    struct ingot_train_block *r = k->record;

    r->batch = r->batch ? r->batch : 32;
    for (uint32_t i = 0; i < l->len; i++)
        if (l->at[i]->kind == AST_DATA)
            settle_batch(r, l->at[i]);
    r->accumulate = r->accumulate ? r->accumulate : 1;
    r->shards = shards > 1 ? shards : 1;
    if (!r->epochs && !stops && !r->patience_count)
        r->epochs = 10;
}

/* All clauses of a block, in the order in which they stand.  False after an error. */
bool train_record(dsl *cx, struct dsl_train *k)
{
    const ast_stmts *l = &k->t->item->callable.body.stmts;
    const ast_params *columns = columns_of(k);
    struct ingot_train_block *r = k->record;
    struct ingot_train_column *c =
        arena_array(cx->mem, struct ingot_train_column, columns->len + 1);
    struct ingot_train_source *src =
        arena_array(cx->mem, struct ingot_train_source, count_sources(l) + 1);
    struct ingot_train_patience *p = arena_array(cx->mem, struct ingot_train_patience, l->len + 1);
    bool ok = true, stops = false, given[AST_KNOB_COUNT] = {false};

    r->name = arena_strdup(cx->mem, k->t->name);
    r->columns = c;
    r->sources = src;
    r->patience = p;
    for (uint32_t i = 0; i < columns->len; i++)
        ok &= add_column(cx, &columns->at[i], &c[r->column_count++]);
    for (uint32_t i = 0; i < l->len; i++) {
        const ast_stmt *s = l->at[i];
        stops |= s->kind == AST_STOP_WHEN;
        if (s->kind == AST_KNOB)
            ok &= add_knob(cx, r, s, &given[s->knob.which]);
        if (s->kind == AST_STOP_AFTER)
            ok &= add_patience(cx, s, &p[r->patience_count++]);
        for (uint32_t j = 0; s->kind == AST_DATA && j < s->data.sources.len; j++)
            ok &= add_source_of(cx, k, s, &s->data.sources.at[j], &src[r->source_count++]);
    }
    settle(k, cx->o->shards, stops);
    return ok;
}

/* ---- dims that data decide -------------------------------------------------------- */

/* The dim of a file that this name is, as long as nobody knows it. */
static dsl_open_dim *open_dim(dsl *cx, const ast_expr *e)
{
    for (uint32_t i = 0; e && e->kind == AST_NAME && i < cx->open.len; i++)
        if (cx->open.at[i].name.text == e->name)
            return &cx->open.at[i];
    return NULL;
}

/* From now on the name means the number, for types and everything below them; of one that
 * data failed to tell nothing more is said. */
static void close_dim(dsl *cx, const ast_expr *e, const dsl_value *number)
{
    dsl_open_dim *d = open_dim(cx, e);

    if (!d)
        return;
    dsl_find_var(cx->scope, e->name)->value = number;
    *d = cx->open.at[--cx->open.len];
}

/* A name that only a column's extent has is found out, too: [.., T]. */
static void open_extents(dsl *cx, const ast_type *t)
{
    for (uint32_t i = 1; t && i < t->extents.len; i++) {
        const ast_expr *e = t->extents.at[i];
        if (e->kind != AST_NAME || dsl_find_var(cx->scope, e->name))
            continue;
        ir_dim d = dim_symbol_new(cx->dims, e->name, 0, INT64_MAX);
        dsl_define(cx, cx->scope, e->name, dsl_whole(cx, d), e->at);
        vec_push(&cx->open, (dsl_open_dim){{e->at, e->name}, d});
    }
}

/* Does the type have an extent or bound that data would tell? */
static bool wants(dsl *cx, const ast_type *t)
{
    bool any = t && open_dim(cx, t->bound);

    for (uint32_t i = 1; t && i < t->extents.len; i++)
        any |= open_dim(cx, t->extents.at[i]) != NULL;
    return any;
}

/* The column as far as it is known; what is not is -1. */
static bool sketch(dsl *cx, const ast_param *p, struct ingot_train_column *c)
{
    const ast_type *t = p->type;
    int64_t *dims = arena_array(cx->mem, int64_t, IR_MAX_RANK);
    ir_dim d;

    if (!has_row_axis(cx, p))
        return false;
    *c = (struct ingot_train_column){.name = p->name.text, .dims = dims, .missing = 1,
                                     .dtype = dt_of(dsl_type_dtype(cx, t))->onnx,
                                     .rank = (int32_t)t->extents.len - 1};
    for (int32_t i = 0; i < c->rank; i++)
        if (open_dim(cx, t->extents.at[i + 1]))
            dims[i] = -1;
        else if (!dsl_eval_dim(cx, t->extents.at[i + 1], &d, "the extent of a column") ||
                 !dim_const(cx->dims, d, &dims[i]))
            return false;
    if (t->bound)
        c->bound = open_dim(cx, t->bound) ? -1 : 0;
    return true;
}

/* The names that numbers below a dim stand for, for every column with that bound. */
static void keep_names(dsl *cx, const ast_expr *bound, const struct ingot_train_column *c)
{
    if (c->name_count)
        vec_push(&cx->names, (dsl_names){bound->name, c->name_count, c->names});
}

/* Asks whoever reads data for what the columns of one source leave open. */
static void ask(dsl *cx, const struct dsl_train *k, const ast_stmt *s, const ast_source *from)
{
    const ast_params *l = columns_of(k);
    struct ingot_train_source to;
    struct ingot_train_column *c = arena_array(cx->mem, struct ingot_train_column, l->len + 1);
    const char *error = NULL;
    bool any = false;

    if (!add_source_of(cx, k, s, from, &to))
        return;
    for (int32_t i = 0; i < to.column_count; i++) {
        any |= wants(cx, l->at[to.columns[i]].type);
        if (!sketch(cx, &l->at[to.columns[i]], &c[i]))
            return;
    }
    if (any && !cx->o->probe(cx->o->probing, to.text, c, to.column_count, cx->mem, &error))
        dsl_wrong(cx, s->at, "%s", error);
    for (int32_t i = 0; any && i < to.column_count; i++) {
        const ast_type *t = l->at[to.columns[i]].type;
        for (int32_t a = 0; a < c[i].rank; a++)
            close_dim(cx, t->extents.at[a + 1], error ? &dsl_poison : dsl_int(cx, c[i].dims[a]));
        if (t->bound && open_dim(cx, t->bound)) {
            if (!error)
                keep_names(cx, t->bound, &c[i]);
            close_dim(cx, t->bound, error ? &dsl_poison : dsl_int(cx, c[i].bound));
        }
    }
}

/* Rows of training decide; those of validation must fit what was found. */
void train_find_dims(dsl *cx, const struct dsl_train *k)
{
    const ast_stmts *l = &k->t->item->callable.body.stmts;

    for (uint32_t i = 0; i < columns_of(k)->len; i++)
        open_extents(cx, columns_of(k)->at[i].type);
    for (uint32_t i = 0; cx->o->probe && i < l->len; i++)
        for (uint32_t j = 0; l->at[i]->kind == AST_DATA && j < l->at[i]->data.sources.len; j++)
            if (cx->open.len && l->at[i]->data.rows == AST_ROWS_TRAIN)
                ask(cx, k, l->at[i], &l->at[i]->data.sources.at[j]);
}

/* ---- notes ------------------------------------------------------------------------ */

/* "a", "b": as strings of the language. */
static const char *list_text(dsl *cx, const dsl_names *l)
{
    text t = {0};

    for (int64_t i = 0; i < l->count; i++) {
        text_add(&t, i ? ", " : "");
        text_add_string(&t, l->names[i]);
    }
    const char *copy = arena_strdup(cx->mem, t.at ? t.at : "");
    text_free(&t);
    return copy;
}

/* "dim.classes" = "3": notes are few, so that the list is copied for each. */
static void add_note(dsl *cx, struct ingot_trainer *t, const char *kind, const char *dim,
                     const char *value)
{
    struct ingot_train_note *more =
        arena_array(cx->mem, struct ingot_train_note, (size_t)t->note_count + 1);

    if (t->note_count)
        memcpy(more, t->notes, (size_t)t->note_count * sizeof *more);
    more[t->note_count++] =
        (struct ingot_train_note){arena_printf(cx->mem, "%s.%s", kind, dim), value};
    t->notes = more;
}

/* Dims that data decided, and the names that classes have, go into the model file
 * as notes, so that who runs it can say "cat" for 3. */
static void note_dim(dsl *cx, const dsl_file *f, ast_word name, struct ingot_trainer *t)
{
    const dsl_var *v = dsl_find_var(f->scope, name.text);
    double n;

    if (!v || !v->value || !dsl_number(cx, v->value, &n))
        return;
    add_note(cx, t, "dim", name.text, arena_printf(cx->mem, "%.0f", n));
    for (uint32_t i = 0; i < cx->names.len; i++)
        if (!strcmp(cx->names.at[i].dim, name.text)) {
            add_note(cx, t, "names", name.text, list_text(cx, &cx->names.at[i]));
            return;
        }
}

void train_notes(dsl *cx, const dsl_file *f, struct ingot_trainer *t)
{
    const ast_program *p = f->program;

    for (uint32_t i = 0; i < p->items.len; i++)
        for (uint32_t k = 0; p->items.at[i]->kind == AST_ITEM_DIM && k < p->items.at[i]->dims.len;
             k++)
            note_dim(cx, f, p->items.at[i]->dims.at[k], t);
}
