/* frontend/dsl/train_metric.c - numbers that are reported, over all rows of an epoch.
 *
 * While rows are used, sums grow; behind them an entry without rows makes numbers of the
 * sums.  A `track` without a reduction over rows is a mean; one with some is a formula
 * (train_formula.c). */
#include "train.h"

dsl_memory *train_memory(dsl *cx, const char *path, const ir_type *t, int role)
{
    dsl_memory *m = dsl_memory_find(cx, path);

    return m ? m : dsl_memory_add(cx, path, t, role);
}

/* ---- sums ------------------------------------------------------------------------- */

/* A sum's state: "learn.sum/accuracy"; a path with / in it is the training's alone. */
static dsl_memory *sum_memory(dsl *cx, const char *name, const ir_type *t)
{
    const char *path = arena_printf(cx->mem, "%s.sum/%s", cx->train->t->name, name);

    return train_memory(cx, path, t, INGOT_ROLE_SUM);
}

static const ir_type *number_type(dsl *cx)
{
    return type_scalar(&cx->m->types, cx->real);
}

const dsl_value *train_sum(dsl *cx, const char *name, const ir_type *t)
{
    return dsl_read(cx, &sum_memory(cx, name, t ? t : number_type(cx))->cell);
}

/* A sum is a state of the module, so that it lives on from batch to batch. */
void train_add(dsl *cx, const char *name, const dsl_value *v, ir_loc at)
{
    if (dsl_bad(v))
        return;
    dsl_memory *m = sum_memory(cx, name, v->kind == DSL_TENSOR ? dsl_type(v) : number_type(cx));
    dsl_write(cx, &m->cell, dsl_binary(cx, AST_ADD, dsl_read(cx, &m->cell), v, at), at);
}

/* All elements of v, whatever they carry, as one number. */
static const dsl_value *total(dsl *cx, const dsl_value *v)
{
    dsl_axes all = {0};

    if (dsl_bad(v))
        return v;
    dsl_add_carried(&all, v);
    return dsl_reduce_visible(cx, dsl_reduce(cx, v, RED_SUM, &all), RED_SUM);
}

/* How many elements v has, as a real. */
static const dsl_value *count(dsl *cx, const dsl_value *v, ir_loc at)
{
    ir_dim n = dim_int(cx->dims, 1);

    for (int i = 0; i < v->tensor.rank; i++)
        n = dim_mul(cx->dims, n, dsl_extent(v, i));
    return dsl_as(cx, dsl_as_array(cx, dsl_whole(cx, n), at), DSL_REAL, at, "a number of elements");
}

/* Sums that are reported have no gradient: without that the step would
 * differentiate them, too. */
static const dsl_value *detached(dsl *cx, const dsl_value *v)
{
    ir_ref x = ir_1(dsl_b(cx), OP_DETACH, dsl_ref(cx, v));

    return dsl_array_like(cx, v, x, v->tensor.rank, v->tensor.axis);
}

/* v w and w with the same axes; w is detached. */
static bool weigh(dsl *cx, const dsl_value **v, const dsl_value **w, ir_loc at)
{
    *w = dsl_as(cx, *w, DSL_REAL, at, "a weight");
    if (dsl_bad(*w))
        return false;
    const dsl_value *both[2] = {*v, detached(cx, *w)};
    if (!dsl_align(cx, both, 2, at, "weight"))
        return false;
    *w = both[1];
    *v = dsl_binary(cx, AST_MUL, both[0], both[1], at);
    return !dsl_bad(*v);
}

/* sum / of, and 0 where no rows have been counted: an empty part of the data
 * reports 0, not NaN. */
const dsl_value *train_quotient(dsl *cx, const dsl_value *sum, const dsl_value *of, ir_loc at)
{
    const dsl_value *zero = dsl_int(cx, 0);

    return dsl_select(cx, dsl_binary(cx, AST_EQ, of, zero, at), zero,
                      dsl_binary(cx, AST_DIV, sum, of, at), at);
}

void train_warn_weight(dsl *cx, const ast_expr *e, const dsl_value *w, bool step)
{
    double n;
    bool one = w && (dsl_number(cx, w, &n) || (step && dsl_is_tensor(w) && !w->tensor.rank));

    if (one && cx->train->first)
        dsl_warn(cx, e->at, "a weight that all rows share changes nothing: the mean over the rows "
                 "is sum(weight * e) / sum(weight); a factor is written in front of e");
}

/* mean = sum(w v) / sum(w), w being 1 where it is left out.  The sum over the batch
 * grows `name`, the sum of weights `name.of`; *out has both and their quotient in
 * this batch. */
bool train_mean(dsl *cx, const char *name, const dsl_value *v, const dsl_value *w, ir_loc at,
                train_total *out)
{
    if (w && !weigh(cx, &v, &w, at))
        return false;
    out->sum = total(cx, v);
    out->of = w ? total(cx, w) : count(cx, v, at);
    if (dsl_bad(out->sum) || dsl_bad(out->of))
        return false;
    train_add(cx, name, detached(cx, out->sum), at);
    train_add(cx, arena_printf(cx->mem, "%s.of", name), out->of, at);
    out->mean = w ? train_quotient(cx, out->sum, out->of, at)
                  : dsl_binary(cx, AST_DIV, out->sum, out->of, at);
    return !dsl_bad(out->mean);
}

const dsl_value *train_real(dsl *cx, const dsl_value *v, ir_loc at, const char *what)
{
    v = dsl_bad(v) ? v : dsl_as_array(cx, v, at);
    if (dsl_bad(v) || v->tensor.elem == DSL_REAL)
        return v;
    return v->tensor.number ? dsl_as(cx, v, DSL_REAL, at, what) : dsl_cast(cx, v, DSL_REAL);
}

/* ---- track ------------------------------------------------------------------------ */

/* A net that is used twice adds to the same sums. */
static void note(dsl *cx, const char *name, ir_loc at)
{
    if (!cx->train->first)
        return;
    for (uint32_t i = 0; i < cx->train->number.len; i++)
        if (!strcmp(cx->train->number.at[i].name, name)) {
            if (cx->train->number.at[i].at.line != at.line)
                dsl_wrong(cx, at, "%s is tracked twice", name);
            return;
        }
    vec_push(&cx->train->number, (train_number){name, NULL, at, false});
}

/* Are sums growing, and is this the pass of a step in which they do? */
static bool tracks(const dsl *cx)
{
    const struct dsl_train *k = cx->train;

    return k && k->mode != TRAIN_FIT && k->mode < TRAIN_APPLY &&
           (k->mode != TRAIN_GATHER || k->only == 1);
}

/* "entropy", or in a net or layer "vit.2.attention1.entropy". */
static const char *tracked_name(dsl *cx, const ast_stmt *s)
{
    const dsl_block *b = cx->frame->block;

    return b && b->path ? arena_printf(cx->mem, "%s.%s", b->path, s->track.name.text)
                        : arena_strdup(cx->mem, s->track.name.text);
}

/* The number has a formula of its sums. */
static void note_formula(dsl *cx, const char *name, const ast_stmt *s)
{
    for (uint32_t i = 0; i < cx->train->number.len; i++)
        if (!strcmp(cx->train->number.at[i].name, name))
            cx->train->number.at[i].value = s->track.value;
    if (s->track.weight)
        dsl_wrong(cx, s->track.weight->at, "a weight is that of a mean; in a formula of rows it is "
                  "written where it belongs: (sum[..] w * e) / (sum[..] w)");
}

/* track name = expr.  In nets and layers, which know no rows, it is a mean; in a
 * block it may have reductions over rows of its own, of which each is summed apart.  Nets that are
 * looked at only are fitted, too: they are called, which is all. */
void train_track(dsl *cx, const ast_stmt *s)
{
    bool fit = cx->train && cx->train->mode == TRAIN_FIT;
    uint32_t parts;
    train_total t;

    if (!fit && !tracks(cx))
        return;
    const char *name = tracked_name(cx, s);
    note(cx, name, s->at);
    const dsl_value *v = train_tracked(cx, name, s->track.value, &parts);
    const dsl_value *w = s->track.weight ? dsl_eval_top(cx, s->track.weight) : NULL;
    if (fit)
        return;
    train_warn_batches(cx, name, s, v);
    if (parts) {
        note_formula(cx, name, s);
        return;
    }
    v = train_real(cx, v, s->at, name);
    train_warn_weight(cx, s->track.weight, w, false);
    if (!dsl_bad(v) && !(w && dsl_bad(w)))
        train_mean(cx, name, v, w, s->at, &t);
}

/* ---- the numbers at the end ------------------------------------------------------- */

/* A tracked mean: its sum over how much it is of. */
static const dsl_value *quotient(dsl *cx, const char *name, ir_loc at)
{
    const dsl_value *of = train_sum(cx, arena_printf(cx->mem, "%s.of", name), NULL);

    return train_quotient(cx, train_sum(cx, name, NULL), of, at);
}

/* The formula, in which each reduction over rows has the value of all rows. */
static const dsl_value *formula(dsl *cx, const train_number *n)
{
    uint32_t parts;

    return train_tracked(cx, n->name, n->value, &parts);
}

/* A result of the metrics entry.  Its name is defined, too, so that later formulas
 * and `stop when` can use it. */
static void give_number(dsl *cx, const train_number *n)
{
    const dsl_value *v = n->value ? formula(cx, n) : quotient(cx, n->name, n->at);
    int visible[IR_MAX_RANK];

    v = train_real(cx, v, n->at, n->name);
    if (dsl_bad(v))
        return;
    if (dsl_visible(v, visible)) {
        dsl_wrong(cx, n->at, "%s is %s, a number is tracked", n->name, dsl_describe(cx, v));
        return;
    }
    ir_result(dsl_b(cx), n->name, dsl_ref(cx, v));
    dsl_define(cx, cx->scope, ast_name(&cx->pool, n->name, strlen(n->name)), v, n->at);
}

/* Has a condition numbers of the rows that are trained on? */
static bool is_of_train(const struct dsl_train *k, const ast_expr *cond)
{
    bool any = ast_mentions(cond, "change");

    for (uint32_t i = 0; i < k->number.len; i++)
        any |= ast_mentions(cond, k->number.at[i].name);
    return any;
}

/* valid.loss */
static bool is_part(const ast_expr *e, const void *name)
{
    return e->kind == AST_MEMBER && e->member.base->kind == AST_NAME &&
           !strcmp(e->member.base->name, name);
}

/* `valid`: the numbers by their names. */
static void define_valid(dsl *cx, ir_loc at)
{
    const struct dsl_train *k = cx->train;
    const dsl_value **v = arena_array(cx->mem, const dsl_value *, k->number.len + 1);
    const char **name = arena_array(cx->mem, const char *, k->number.len + 1);

    for (uint32_t i = 0; i < k->number.len; i++) {
        name[i] = k->number.at[i].name;
        v[i] = dsl_lookup(cx, ast_name(&cx->pool, name[i], strlen(name[i])), at);
    }
    dsl_define(cx, cx->scope, ast_name(&cx->pool, "valid", strlen("valid")),
               dsl_list(cx, DSL_RESULTS, k->number.len, v, name), at);
}

/* `stop when cond`: a result that is true as soon as the run should end.  Sums are those of one
 * part of the rows at a time, and so is the condition. */
static void give_stop(dsl *cx, const ast_stmt *s)
{
    dsl_scope *outer = cx->scope;
    bool valid = ast_any(s->stop_when.cond, is_part, "valid");

    if (valid && is_of_train(cx->train, s->stop_when.cond)) {
        dsl_wrong(cx, s->at, "the rows of valid are measured behind those that are trained on: a "
                  "condition has numbers of one of them; write a second stop when");
        return;
    }
    cx->scope = dsl_scope_new(cx, outer);
    if (valid)
        define_valid(cx, s->at);
    const dsl_value *v = dsl_eval_top(cx, s->stop_when.cond);
    cx->scope = outer;
    v = dsl_bad(v) ? v : dsl_as(cx, dsl_as_array(cx, v, s->at), DSL_BOOL, s->at, "a condition");
    if (!dsl_bad(v))
        ir_result(dsl_b(cx), valid ? "stop.valid" : "stop", dsl_ref(cx, v));
}

/* Objectives come first: what is tracked may use their names. */
void train_metrics(dsl *cx, const char *name)
{
    const ast_stmts *l = &cx->train->t->item->callable.body.stmts;
    dsl_scope *outer = cx->scope;
    dsl_making k;

    dsl_begin(cx, &k, name, true);
    cx->scope = dsl_scope_new(cx, cx->train->scope);
    train_fixed_names(cx);
    cx->scope = dsl_scope_new(cx, cx->scope);
    for (int objective = 1; objective >= 0; objective--)
        for (uint32_t i = 0; i < cx->train->number.len; i++)
            if (cx->train->number.at[i].objective == objective)
                give_number(cx, &cx->train->number.at[i]);
    for (uint32_t i = 0; i < l->len; i++)
        if (l->at[i]->kind == AST_STOP_WHEN)
            give_stop(cx, l->at[i]);
    dsl_end(cx, &k);
    cx->scope = outer;
}
