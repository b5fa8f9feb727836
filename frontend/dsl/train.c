/* frontend/dsl/train.c - train blocks become entries and a record (ir/train_abi.h).
 *
 * A block `train learn` becomes functions of the module, which are all of training
 * that is compiled: learn_step (a batch: forward, gradients, update),
 * learn_step_any (the same of a last batch that is shorter), learn_eval (sums over
 * rows, no parameter changes), learn_metrics (numbers out of the sums), learn_fit
 * where a layer learns from data once, and learn_gather1, learn_apply1, .. where a
 * step has several pieces: batches that are accumulated, or shards.  The record tells
 * the runtime, which owns the loop, in which order to call them, what to feed, and
 * where data come from. */
#include "train.h"

#include "file_kind.h"
#include "nearest.h"

/* ---- counters --------------------------------------------------------------------- */

/* What the loop counts and hands to entries that ask for it by name: `seed`,
 * `step`, .. */
typedef struct counter {
    const char *name;
    int32_t feed;
    bool real;
} counter;

enum { NAMELESS = 2 };              /* the first ones, which programs have no name for */

static const counter counters[TRAIN_COUNTERS] = {
    {"seed", INGOT_FEED_SEED, false},   {"step.piece", INGOT_FEED_PIECE, false},
    {"step", INGOT_FEED_STEP, false},
    {"epoch", INGOT_FEED_EPOCH, false}, {"steps", INGOT_FEED_STEPS, false},
    {"rows", INGOT_FEED_ROWS, false},   {"change", INGOT_FEED_CHANGE, true},
};

/* An input of the entry, which it gets with the first use of the counter. */
static const dsl_value *counter_input(dsl *cx, const counter *c)
{
    dsl_region *r = cx->region;
    dsl_value *v = arena_new(cx->mem, dsl_value);

    while (r->outer)
        r = r->outer;
    v->kind = DSL_TENSOR;
    v->tensor.elem = c->real ? DSL_REAL : DSL_INT;
    v->tensor.number = true;
    v->tensor.home = r;
    v->tensor.ref =
        ir_input(r->b, c->name, type_scalar(&cx->m->types, c->real ? cx->real : DT_I64));
    return v;
}

/* The i-th counter, an input from now on. */
static const dsl_value *ask(dsl *cx, int i)
{
    const dsl_value **c = &cx->train->counter[i];

    return *c ? *c : (*c = counter_input(cx, &counters[i]));
}

const dsl_value *train_piece(dsl *cx)
{
    return cx->train && cx->train->mode == TRAIN_GATHER ? ask(cx, 1) : NULL;
}

/* Null where the name is no counter, or none that is known in this mode: the one
 * that is a real number only metrics can ask for. */
const dsl_value *train_counter(dsl *cx, const char *name)
{
    struct dsl_train *k = cx->train;

    for (int i = NAMELESS; k && i < TRAIN_COUNTERS; i++) {
        bool known = !counters[i].real || k->mode == TRAIN_METRICS;
        if (!strcmp(counters[i].name, name) && known)
            return ask(cx, i);
    }
    return NULL;
}

/* ---- calls ------------------------------------------------------------------------ */

/* Columns are fed by their number, counters by their INGOT_FEED_*. */
static int32_t feed_of(const struct dsl_train *k, const char *input)
{
    for (int32_t i = 0; i < k->record->column_count; i++)
        if (!strcmp(k->record->columns[i].name, input))
            return i;
    for (int i = 0; i < TRAIN_COUNTERS; i++)
        if (!strcmp(counters[i].name, input))
            return counters[i].feed;
    return 0;
}

/* The call of an entry that is made: what its inputs are fed with. */
static struct ingot_train_call call_of(dsl *cx, const struct dsl_train *k, const ir_fn *f)
{
    int32_t *feeds = arena_array(cx->mem, int32_t, f->param.len + 1);

    for (uint32_t i = 0; i < f->param.len; i++)
        feeds[i] = feed_of(k, f->param_name.at[i]);
    return (struct ingot_train_call){f->name, (int32_t)f->param.len, feeds, 0, NULL};
}

/* The states that the entry that is made changes. */
static void note_written(dsl *cx, const dsl_making *k, struct ingot_train_call *c)
{
    int32_t *writes = arena_array(cx->mem, int32_t, k->region.written.len + 1);

    for (uint32_t i = 0; i < k->region.written.len; i++)
        if (k->region.written.at[i].cell->memory)
            writes[c->write_count++] = (int32_t)k->region.written.at[i].cell->memory->state;
    c->writes = writes;
}

/* ---- entries ---------------------------------------------------------------------- */

/* A statement that functions have, too. */
static bool is_plain(const ast_stmt *s)
{
    switch (s->kind) {
    case AST_MINIMIZE:
    case AST_STOP_WHEN:
    case AST_STOP_AFTER:
    case AST_KNOB:
    case AST_DATA: return false;
    default: return true;
    }
}

/* Clauses of data and of the loop are train_record's.  What a block itself updates, `x <- e`,
 * it updates in steps only, and once a step; nets that are used for it are fitted, too. */
static void statement(dsl *cx, const ast_stmt *s)
{
    train_mode mode = cx->train->mode;
    bool one = s->kind == AST_DEFINE && s->define.op == AST_UPDATE && s->define.targets.len == 1;
    bool once = mode == TRAIN_STEP || (mode == TRAIN_GATHER && cx->train->only == 1);

    if (s->kind == AST_MINIMIZE)
        train_minimize(cx, s);
    else if (one && mode == TRAIN_FIT)
        dsl_eval_top(cx, s->define.value);
    else if (is_plain(s) && !(one && !once))
        dsl_statement(cx, s, false);
}

/* Of what an entry wrote only this is kept: all in a step, sums where rows are looked at, what
 * is fitted where that is done. */
static void keep_written(dsl *cx, dsl_making *k)
{
    train_mode mode = cx->train->mode;
    bool looks = mode == TRAIN_EVAL || mode == TRAIN_JUDGE;
    uint32_t n = 0;

    for (uint32_t i = 0; i < k->region.written.len; i++) {
        dsl_memory *m = k->region.written.at[i].cell->memory;
        bool kept = mode == TRAIN_FIT ? train_keep_fitted(cx, m)
                    : looks           ? m && m->role == INGOT_ROLE_SUM
                                      : true;
        if (kept)
            k->region.written.at[n++] = k->region.written.at[i];
    }
    k->region.written.len = n;
}

/* The name of the rows where they are visible: `x: [N, 3]`; null: they are carried. */
static const ast_expr *row_name(dsl *cx, const ast_params *l)
{
    const ast_expr *e = l->len ? l->at[0].type->extents.at[0] : NULL;

    return e && e->kind == AST_NAME && !dsl_find_var(cx->scope, e->name) ? e : NULL;
}

static bool has_visible_rows(dsl *cx, const struct dsl_train *k)
{
    return row_name(cx, &k->t->item->callable.params) != NULL;
}

/* Rows of the entry, as many as `n` says. */
static void begin_rows(dsl *cx, ir_dim n)
{
    struct dsl_train *k = cx->train;
    const ast_params *l = &k->t->item->callable.params;
    const ast_expr *name = row_name(cx, l);

    k->rows = (dsl_rows){0};
    k->row_count = n;
    k->row_name = name ? name->name : NULL;
    if (!l->len)
        return;
    dsl_add_axis(&k->rows.axes, dsl_axis_new(cx, "..", n));
    k->rows.set = true;
    if (name)
        dsl_define(cx, cx->scope, name->name, dsl_whole(cx, n), name->at);
}

/* Columns that are asked for NaN may have empty fields. */
static void find_missing(dsl *cx, const struct dsl_train *k, const ir_fn *f)
{
    struct ingot_train_column *column = (struct ingot_train_column *)(uintptr_t)k->record->columns;

    for (uint32_t i = 0; i < f->node.len; i++) {
        if (f->node.at[i].op != OP_ISNAN)
            continue;
        const bool *marks = train_ancestors(cx, f, f->node.at[i].first);
        for (int32_t c = 0; c < k->record->column_count; c++)
            column[c].missing |= marks[f->value.at[f->param.at[c]].node];
    }
}

/* The objective that is gathered or applied. */
static const ast_stmt *objective(const struct dsl_train *k)
{
    const ast_stmts *l = &k->t->item->callable.body.stmts;
    uint32_t n = 0, i = 0;

    while (l->at[i]->kind != AST_MINIMIZE || ++n < k->only)
        i++;
    return l->at[i];
}

/* Is this the pass of a later objective, which has been evaluated?  The first one's pass has
 * written what comes behind it. */
static bool gathered_all(const struct dsl_train *k)
{
    return k->mode == TRAIN_GATHER && k->only > 1 && k->objectives == k->only;
}

/* Evaluates the block's body as a function `<block>_<suffix>` with rows as `n`
 * says.  The body is the same for each mode; what minimize, track and using make of
 * it differs. */
static struct ingot_train_call make_entry(dsl *cx, const char *suffix, train_mode mode, ir_dim n)
{
    struct dsl_train *k = cx->train;
    const ast_item *item = k->t->item;
    dsl_making making;
    dsl_scope *outer = cx->scope;
    dsl_frame *frame = cx->frame;

    k->mode = mode;
    k->objectives = 0;
    memset(k->counter, 0, sizeof k->counter);
    dsl_begin(cx, &making, arena_printf(cx->mem, "%s_%s", k->t->name, suffix), true);
    cx->frame = dsl_outer_frame(cx, k->t);
    cx->frame->training = mode == TRAIN_STEP || mode == TRAIN_GATHER;
    cx->frame->fit = mode == TRAIN_FIT;
    cx->scope = dsl_scope_new(cx, k->scope);
    begin_rows(cx, n);
    if (mode == TRAIN_APPLY)
        train_apply(cx, objective(k));
    else if (dsl_read_inputs(cx, &item->callable.params, &k->rows, false))
        for (uint32_t i = 0; i < item->callable.body.stmts.len && !gathered_all(k); i++)
            statement(cx, item->callable.body.stmts.at[i]);
    if (mode == TRAIN_FIT && !diag_failed(cx->d))
        train_fit_copies(cx);
    if (!k->names)
        k->names = cx->scope;
    keep_written(cx, &making);
    if (!diag_failed(cx->d) && mode != TRAIN_APPLY)
        find_missing(cx, k, making.fn);
    struct ingot_train_call c = call_of(cx, k, making.fn);
    if (mode == TRAIN_GATHER || mode == TRAIN_EVAL)
        note_written(cx, &making, &c);
    dsl_end(cx, &making);
    cx->frame = frame;
    cx->scope = outer;
    k->first = k->first && (mode == TRAIN_GATHER || mode == TRAIN_APPLY);
    return c;
}

/* An entry without rows: it reads sums and makes numbers of them, once an epoch. */
static struct ingot_train_call make_metrics(dsl *cx)
{
    struct dsl_train *k = cx->train;
    const char *name = arena_printf(cx->mem, "%s_metrics", k->t->name);
    dsl_frame *frame = cx->frame;

    k->mode = TRAIN_METRICS;
    memset(k->counter, 0, sizeof k->counter);
    cx->frame = dsl_outer_frame(cx, k->t);
    train_metrics(cx, name);
    cx->frame = frame;
    return call_of(cx, k, ir_module_find(cx->m, name));
}

/* ---- blocks ----------------------------------------------------------------------- */

/* Layers with `fit` (a mean and deviation of the data, a vocabulary) see all rows
 * before the first step, in as many passes as they stand behind each other. */
static void make_fits(dsl *cx, struct ingot_train_block *r, ir_dim any)
{
    VEC(struct ingot_train_call) fits = {0};

    while (!diag_failed(cx->d) && train_fit_pass(cx)) {
        const char *name = fits.len ? arena_printf(cx->mem, "fit%u", fits.len + 1) : "fit";
        vec_push(&fits, make_entry(cx, name, TRAIN_FIT, any));
    }
    r->fits = arena_copy(cx->mem, fits.at, fits.len * sizeof *fits.at);
    r->fit_count = (int32_t)fits.len;
    vec_free(&fits);
}

/* Two objectives (a generator and its critic) are two updates in one step, one
 * after the other. */
static int32_t count_objectives(const dsl_template *t)
{
    const ast_stmts *l = &t->item->callable.body.stmts;
    int32_t n = 0;

    for (uint32_t i = 0; i < l->len; i++)
        n += l->at[i]->kind == AST_MINIMIZE;
    return n;
}

/* A step of several pieces: each objective sees all of them before it updates. */
static void make_passes(dsl *cx, struct ingot_train_block *r, ir_dim any)
{
    struct dsl_train *k = cx->train;
    struct ingot_train_call *at =
        arena_array(cx->mem, struct ingot_train_call, 2 * (size_t)r->objective_count + 1);

    r->gather = at;
    r->apply = at + r->objective_count;
    for (int32_t i = 0; i < r->objective_count && !diag_failed(cx->d); i++) {
        k->only = (uint32_t)i + 1;
        at[i] = make_entry(cx, arena_printf(cx->mem, "gather%d", i + 1), TRAIN_GATHER, any);
        if (!diag_failed(cx->d))        /* else nobody knows whose gradients there are */
            at[r->objective_count + i] =
                make_entry(cx, arena_printf(cx->mem, "apply%d", i + 1), TRAIN_APPLY, any);
    }
}

/* A batch of fixed size and one of any: the first is compiled for its extents and
 * is the faster one, the second takes the rows that are left over.  Where rows are visible it is
 * made before the other: which reductions go over them is found out there. */
static void make_steps(dsl *cx, struct ingot_train_block *r, ir_dim any)
{
    bool pieces = (r->accumulate > 1 || r->shards > 1) && r->column_count;

    if ((pieces || cx->o->gather) && r->objective_count) {
        make_passes(cx, r, any);
        return;
    }
    r->accumulate = 1;                  /* without rows, or gradients, there is nothing to cut */
    if (has_visible_rows(cx, cx->train))
        r->step_any = make_entry(cx, "step_any", TRAIN_STEP, any);
    if (!diag_failed(cx->d))
        r->step = make_entry(cx, "step", TRAIN_STEP, dim_int(cx->dims, r->batch));
    if (r->column_count && !r->step_any.entry && !diag_failed(cx->d))
        r->step_any = make_entry(cx, "step_any", TRAIN_STEP, any);
}

/* Is what `stop after` looks at among the numbers that the block reports? */
static void check_patience(dsl *cx, const struct dsl_train *k, const ast_stmt *s)
{
    const ast_words *m = &s->stop_after.metric;
    const ast_word *name = &m->at[m->len - 1];
    nearest near = nearest_to(name->text);
    bool found = false;

    for (uint32_t i = 0; i < k->number.len; i++) {
        found |= !strcmp(k->number.at[i].name, name->text);
        nearest_try(&near, k->number.at[i].name);
    }
    if (!found)
        dsl_wrong(cx, name->at,
                  near.best ? "no metric %s; did you mean %s?" : "no metric %s: track it",
                  name->text, near.best);
}

/* Rows of a batch, at most: some models count as if there were a largest extent. */
enum { MOST_ROWS = 1000000000 };

/* A number of rows for which a batch is the likely one: kernels of entries for any number are
 * laid out as those of the batch are, so that more of them are the same. */
static ir_dim any_rows(dsl *cx, const struct ingot_train_block *r)
{
    ir_dim any = dim_symbol_new(cx->dims, "N", 1, MOST_ROWS);

    dim_symbol_bound(cx->dims, dim_symbol_id(cx->dims, any), 1, MOST_ROWS, r->batch);
    return any;
}

/* The entries of a block.  Those for any number of rows share a symbol. */
static void make_block(dsl *cx, const dsl_template *t, struct ingot_train_block *r)
{
    struct dsl_train k = {.t = t, .record = r, .first = true};
    dsl_scope *outer = cx->scope;

    k.scope = cx->scope = dsl_scope_new(cx, t->file->scope);
    train_find_dims(cx, &k);
    cx->train = &k;
    if (train_record(cx, &k)) {
        ir_dim any = any_rows(cx, r);
        r->objective_count = count_objectives(t);
        make_steps(cx, r, any);
        k.first = false;
        if (r->column_count && !diag_failed(cx->d))
            r->eval = make_entry(cx, "eval", TRAIN_EVAL, any);
        if (k.judged && !diag_failed(cx->d))
            r->judge = make_entry(cx, "judge", TRAIN_JUDGE, any);
        if (k.fits && !diag_failed(cx->d))
            make_fits(cx, r, any);
        if (k.number.len && !diag_failed(cx->d))
            r->metrics = make_metrics(cx);
        const ast_stmts *l = &t->item->callable.body.stmts;
        for (uint32_t i = 0; i < l->len; i++)
            if (l->at[i]->kind == AST_STOP_AFTER && !diag_failed(cx->d))
                check_patience(cx, &k, l->at[i]);
    }
    vec_free(&k.number);
    vec_free(&k.part);
    vec_free(&k.gathered);
    vec_free(&k.fit);
    vec_free(&k.fitted);
    vec_free(&k.waiting);
    cx->train = NULL;
    cx->scope = outer;
}

const dsl_template *train_template(const dsl_file *f, const ast_item *item, ast_item_kind kind)
{
    const dsl_var *v = item->kind == kind ? dsl_find_own(f->scope, item->name.text) : NULL;

    return v && v->value && v->value->kind == DSL_FUNCTION ? v->value->function.of : NULL;
}

static struct ingot_train_block *make_blocks(dsl *cx, dsl_file *f, int32_t *n)
{
    const ast_program *p = f->program;
    struct ingot_train_block *at = arena_array(cx->mem, struct ingot_train_block, p->items.len + 1);

    *n = 0;
    for (uint32_t i = 0; i < p->items.len && !diag_failed(cx->d); i++)
        if (train_template(f, p->items.at[i], AST_ITEM_TRAIN))
            make_block(cx, train_template(f, p->items.at[i], AST_ITEM_TRAIN), &at[(*n)++]);
    return at;
}

/* ---- programs --------------------------------------------------------------------- */

/* The text without blanks and comments: what they say changes nothing. */
static uint64_t hash_source(uint64_t hash, const char *source)
{
    bool quoted = false;

    for (const char *s = source; *s; s++) {
        quoted ^= *s == '"' && !(quoted && s[-1] == '\\');
        if (*s == '#' && !quoted)
            s += strcspn(s, "\n");
        if (!*s)
            break;
        if (quoted || !strchr(" \t\r\n", *s))
            hash = hash_mix(hash, (unsigned char)*s);
    }
    return hash;
}

/* What a checkpoint goes on with: the file and those that it imports, what was set, dims and
 * what numbers stand for. */
static uint64_t hash_program(const dsl *cx, const struct ingot_trainer *t)
{
    uint64_t hash = 0;

    for (uint32_t i = 0; i < cx->file.len; i++)
        if (!cx->file.at[i]->prelude)
            hash = hash_source(hash, cx->file.at[i]->source);
    if (cx->o->shards > 1)
        hash = hash_mix(hash, (uint64_t)cx->o->shards);
    for (int i = 0; i < cx->o->sets; i++)
        hash = hash_text(cx->o->set[i].value, hash_text(cx->o->set[i].name, hash));
    for (int32_t i = 0; i < t->note_count; i++)
        hash = hash_text(t->notes[i].value, hash_text(t->notes[i].key, hash));
    return hash;
}

static const char *program_name(dsl *cx, const char *path)
{
    const char *name = path_base(path);

    return arena_strndup(cx->mem, name, strcspn(name, "."));
}

static const int32_t *roles(dsl *cx)
{
    int32_t *role = arena_array(cx->mem, int32_t, cx->m->state.len + 1);

    for (uint32_t i = 0; i < cx->memory.len; i++)
        role[cx->memory.at[i]->state] = cx->memory.at[i]->role;
    return role;
}

/* Configs that are numbers of the trainer are states; the others were compiled in. */
static void note_fixed(dsl *cx, struct ingot_trainer *t)
{
    names all = {0};

    dsl_config_names(cx, &all);
    const char **fixed = arena_array(cx->mem, const char *, all.text.len + 1);
    for (uint32_t i = 0; i < all.text.len; i++)
        if (!cx->knobs || names_find(cx->knobs, all.text.at[i]) == NAMES_NONE)
            fixed[t->fixed_count++] = arena_strdup(cx->mem, all.text.at[i]);
    t->fixed = fixed;
    names_free(&all);
}

/* Null after an error, or if the file has no block.  The hash is that of the
 * program with all that was set: a checkpoint of another program is refused. */
const struct ingot_trainer *train_program(dsl *cx, dsl_file *f)
{
    struct ingot_trainer *t = arena_new(cx->mem, struct ingot_trainer);
    struct dsl_train none = {.record = arena_new(cx->mem, struct ingot_train_block)};

    *t = (struct ingot_trainer){.version = INGOT_TRAIN_VERSION,
                                .program = program_name(cx, f->path)};
    t->blocks = make_blocks(cx, f, &t->block_count);
    if (diag_failed(cx->d))
        return NULL;
    if (!t->block_count) {
        diag_error(cx->d, (ir_loc){0}, D_NO_TRAINING, f->path, "has no train block");
        return NULL;
    }
    train_entries(cx, f, t);
    train_notes(cx, f, t);
    note_fixed(cx, t);
    t->hash = hash_program(cx, t);
    dsl_make_init(cx);
    const ir_fn *init = ir_module_find(cx->m, "init");
    if (init)
        t->init = call_of(cx, &none, init);
    t->state_count = (int32_t)cx->m->state.len;
    t->roles = roles(cx);
    return t;
}
