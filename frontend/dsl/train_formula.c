/* frontend/dsl/train_formula.c - formulas of all rows: track r = sqrt(mean[..] e^2).
 *
 * The expression is evaluated twice.  While rows are used, each reduction over rows in it adds to a
 * sum, which has the axes that the reduction has there, those of indices around it among them.
 * Behind the rows the same expression is evaluated where there are none, and the reductions have
 * the values of their sums. */
#include "train.h"

/* ---- its parts -------------------------------------------------------------------- */

/* Does this reduction go over rows: `[..]`? */
static bool over_rows(const ast_expr *e)
{
    for (uint32_t i = 0; e->kind == AST_REDUCE && i < e->reduce.indices.len; i++)
        if (!e->reduce.indices.at[i].name)
            return true;
    return false;
}

static train_part *find_part(const struct dsl_train *k, const ast_expr *e)
{
    for (uint32_t i = 0; i < k->part.len; i++)
        if (k->part.at[i].e == e)
            return &k->part.at[i];
    return NULL;
}

/* The i-th reduction of a formula has the name "rmse.0". */
static const char *next_name(dsl *cx)
{
    const struct dsl_train *k = cx->train;
    uint32_t n = 0;

    for (uint32_t i = 0; i < k->part.len; i++)
        n += !strcmp(k->part.at[i].formula, k->formula.name);
    return arena_printf(cx->mem, "%s.%u", k->formula.name, n);
}

/* The part that the reduction is, whose sum has the axes of v. */
static train_part *part_of(dsl *cx, const ast_expr *e, const dsl_value *v)
{
    struct dsl_train *k = cx->train;
    train_part *old = find_part(k, e), p = {.e = e, .formula = k->formula.name};

    if (old)
        return old;
    p.type = dsl_type(v);
    p.name = next_name(cx);
    for (int i = 0; i < v->tensor.rank; i++)
        p.index[i] = v->tensor.axis[i] ? v->tensor.axis[i]->name : NULL;
    vec_push(&k->part, p);
    return &k->part.at[k->part.len - 1];
}

/* Where rows are visible, x: [N, 3], `[..]` has no axis to go over: it takes all there is. */
static bool rows_are_seen(const dsl *cx, const ast_expr *e)
{
    return over_rows(e) && e->reduce.indices.len == 1 && !cx->frame->carried.n &&
           cx->train->rows.set;
}

/* Does it go over visible rows by an index, mean[n] (y[n] - x[n])^2?  That is found out where the
 * number of rows is a symbol: as a number other axes may have it, too. */
static bool over_index_of_rows(dsl *cx, const ast_expr *e)
{
    const struct dsl_train *k = cx->train;
    bool any = false;
    int64_t n;

    if (!k->row_name || k->formula.inside || dim_const(cx->dims, k->row_count, &n) ||
        (e->reduce.how != AST_SUM && e->reduce.how != AST_MEAN))
        return false;
    for (uint32_t i = 0; i < e->reduce.indices.len; i++) {
        const dsl_axis *a = dsl_range_axis(cx, &e->reduce.indices.at[i]);
        any |= a->known && dsl_same(a->extent, k->row_count);
    }
    return any;
}

/* The sum of the reduction's body over the rows at hand. */
static const dsl_value *part_sum(dsl *cx, const ast_expr *e)
{
    ast_expr sum = *e;

    sum.reduce.how = AST_SUM;
    if (!rows_are_seen(cx, e))
        return train_real(cx, dsl_reduce_indices(cx, &sum), e->at, "a sum");
    const dsl_value *v = train_real(cx, dsl_eval(cx, e->reduce.body), e->at, "a sum");
    return dsl_bad(v) ? v : dsl_reduce_visible(cx, v, RED_SUM);
}

/* Of how many terms that is: a sum of ones. */
static const dsl_value *part_count(dsl *cx, const ast_expr *e)
{
    ast_expr one = {.kind = AST_NUMBER, .at = e->at,
                    .number = {.value = 1, .whole = 1, .is_whole = true}};
    ast_expr sum = *e;
    int visible[IR_MAX_RANK];
    ir_dim n = dim_int(cx->dims, 1);

    if (!rows_are_seen(cx, e)) {
        sum.reduce.how = AST_SUM;
        sum.reduce.body = &one;
        return train_real(cx, dsl_reduce_indices(cx, &sum), e->at, "a number");
    }
    const dsl_value *v = dsl_as_array(cx, dsl_eval(cx, e->reduce.body), e->at);
    for (int i = dsl_bad(v) ? 0 : dsl_visible(v, visible); i-- > 0;)
        n = dim_mul(cx->dims, n, dsl_extent(v, visible[i]));
    return train_real(cx, dsl_whole(cx, n), e->at, "a number of elements");
}

/* False after a message. */
static bool can_be_part(dsl *cx, const ast_expr *e)
{
    if (cx->train->formula.inside)
        return dsl_wrong(cx, e->at, "rows are reduced in what is reduced over rows: the one inside "
                         "is known only behind all rows; mean[..] (y - mean[..] y)^2 is "
                         "(mean[..] y^2) - (mean[..] y)^2"), false;
    if (cx->frame->caller)
        return dsl_wrong(cx, e->at, "in nets and layers a mean is tracked; rows are reduced in the "
                         "block"), false;
    if (e->reduce.how != AST_SUM && e->reduce.how != AST_MEAN)
        return dsl_wrong(cx, e->at, "in track, rows are reduced by sum and mean"), false;
    return true;
}

/* The sum of a part grows by v, that of how many terms it is by `of`, null for a sum. */
static void add_part(dsl *cx, const ast_expr *e, const dsl_value *v, const dsl_value *of)
{
    dsl_axis *none[IR_MAX_RANK] = {NULL};
    train_part *p = part_of(cx, e, v);

    if (p->added || cx->train->mode == TRAIN_FIT)
        return;
    p->added = true;
    if (!type_static(&cx->m->types, p->type)) {
        dsl_wrong(cx, e->at, "a sum over rows is kept, and has extents known when compiling; this "
                  "is %s", dsl_describe(cx, v));
        return;
    }
    train_add(cx, p->name, dsl_array_like(cx, v, dsl_ref(cx, v), v->tensor.rank, none), e->at);
    if (of)
        train_add(cx, arena_printf(cx->mem, "%s.of", p->name), of, e->at);
}

/* Of the rows at hand, by which the sums grow. */
static const dsl_value *grown_part(dsl *cx, const ast_expr *e)
{
    struct dsl_train *k = cx->train;

    k->formula.parts++;
    if (!can_be_part(cx, e))
        return &dsl_poison;
    k->formula.inside = true;
    const dsl_value *v = part_sum(cx, e);
    const dsl_value *of = e->reduce.how == AST_MEAN && !dsl_bad(v) ? part_count(cx, e) : NULL;
    k->formula.inside = false;
    if (dsl_bad(v) || (of && dsl_bad(of)))
        return &dsl_poison;
    add_part(cx, e, v, of);
    return of ? train_quotient(cx, v, of, e->at) : v;
}

/* What the i-th axis of the part is of, if that is an index in scope; else null. */
static const dsl_var *index_of(const dsl *cx, const train_part *p, int i)
{
    return p->index[i] ? dsl_find_var(cx->scope, p->index[i]) : NULL;
}

/* Of all rows: the sum, or a mean of it, its axes being of the indices in scope. */
static const dsl_value *known_part(dsl *cx, const train_part *p)
{
    dsl_axis *axis[IR_MAX_RANK] = {NULL};
    const dsl_value *v = train_sum(cx, p->name, p->type);

    for (int i = 0; i < p->type->rank; i++) {
        const dsl_var *index = index_of(cx, p, i);
        axis[i] = index ? index->index : NULL;
    }
    v = dsl_array_like(cx, v, dsl_ref(cx, v), p->type->rank, axis);
    if (p->e->reduce.how != AST_MEAN)
        return v;
    const char *of = arena_printf(cx->mem, "%s.of", p->name);
    return train_quotient(cx, v, train_sum(cx, of, NULL), p->e->at);
}

const dsl_value *train_part_value(dsl *cx, const ast_expr *e)
{
    const struct dsl_train *k = cx->train;

    if (!k || !k->formula.name || k->formula.frame != cx->frame)
        return NULL;
    const train_part *p = find_part(k, e);
    if (k->mode == TRAIN_METRICS)
        return p ? known_part(cx, p) : NULL;
    return p || over_rows(e) || over_index_of_rows(cx, e) ? grown_part(cx, e) : NULL;
}

bool train_part_extents(dsl *cx, const ast_expr *e)
{
    const train_part *p =
        cx->train && cx->train->mode == TRAIN_METRICS ? find_part(cx->train, e) : NULL;

    for (int i = 0; p && i < p->type->rank; i++) {
        const dsl_var *v = index_of(cx, p, i);
        if (!v || !v->index || v->index->known)
            continue;
        v->index->extent = p->type->dim[i];
        v->index->known = true;
    }
    return p != NULL;
}

/* ---- the whole ------------------------------------------------------------------- */

const dsl_value *train_tracked(dsl *cx, const char *name, const ast_expr *e, uint32_t *parts)
{
    struct dsl_train *k = cx->train;
    train_formula outer = k->formula;

    for (uint32_t i = 0; i < k->part.len; i++)
        k->part.at[i].added = false;
    k->formula = (train_formula){.name = name, .frame = cx->frame};
    const dsl_value *v = dsl_eval_top(cx, e);
    *parts = k->formula.parts;
    k->formula = outer;
    return v;
}

static bool is_over_rows(const ast_expr *e, const void *what)
{
    (void)what;
    return over_rows(e);
}

/* mean(e), sum(e) of visible rows */
static bool is_total(const ast_expr *e, const void *what)
{
    const ast_expr *f = e->kind == AST_CALL ? e->call.callee
                        : e->kind == AST_PIPE ? e->binary.right : NULL;

    (void)what;
    return f && f->kind == AST_NAME && (!strcmp(f->name, "mean") || !strcmp(f->name, "sum"));
}

/* A name of the expression that the block gives to what it reduces over rows: mse of
 * mse = mean[..] e^2. */
static const char *reduced_above(const dsl *cx, const ast_expr *e)
{
    const ast_stmts *l = &cx->train->t->item->callable.body.stmts;

    for (uint32_t i = 0; i < l->len; i++) {
        const ast_targets *t = &l->at[i]->define.targets;
        if (l->at[i]->kind == AST_DEFINE && l->at[i]->define.op == AST_ASSIGN && t->len == 1 &&
            !t->at[0].subscripted && ast_mentions(e, t->at[0].path.at[0].text) &&
            ast_any(l->at[i]->define.value, is_over_rows, NULL))
            return t->at[0].path.at[0].text;
    }
    return NULL;
}

void train_warn_batches(dsl *cx, const char *name, const ast_stmt *s, const dsl_value *v)
{
    const struct dsl_train *k = cx->train;
    bool number = !dsl_bad(v) && (!dsl_is_tensor(v) || !v->tensor.rank);

    if (!k->first || cx->frame->caller || !number || ast_mentions(s->track.value, "grad"))
        return;
    const char *above = reduced_above(cx, s->track.value);
    if (above)
        dsl_warn(cx, s->at, "%s is of the rows of a batch, so that %s is made of batches; a "
                 "mean[..] or sum[..] in track itself goes over all rows", above, name);
    else if (k->row_name && ast_any(s->track.value, is_total, NULL))
        dsl_warn(cx, s->at, "%s is a mean of batches; with mean[..] e or sum[..] e in the place of "
                 "mean(e) and sum(e) it is of all rows", name);
}

static bool is_fixed(dsl *cx, const dsl_value *v);

/* Null stands for what is not given. */
static bool all_fixed(dsl *cx, const dsl_value *const *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (v[i] && !is_fixed(cx, v[i]))
            return false;
    return true;
}

/* Is the configuration?  An array in it would be a value of another entry. */
static bool is_fixed_function(dsl *cx, const dsl_function *f)
{
    const dsl_template *of = f->of;

    if (!f->config)
        return true;
    return all_fixed(cx, f->config, of->item ? of->item->callable.config.len
                                             : (uint32_t)dsl_builtin_configs(of->builtin));
}

/* Is it known when compiling, the same for any number of rows? */
static bool is_fixed(dsl *cx, const dsl_value *v)
{
    int64_t n;

    switch (v->kind) {
    case DSL_NUMBER: return !v->number.whole || dim_const(cx->dims, v->number.dim, &n);
    case DSL_TRUTH:
    case DSL_TEXT: return true;
    case DSL_LIST: return all_fixed(cx, v->list.at, v->list.n);
    case DSL_FUNCTION: return is_fixed_function(cx, &v->function);
    case DSL_PIPE: return is_fixed(cx, v->pipe.first) && is_fixed(cx, v->pipe.then);
    default: return false;
    }
}

/* Has the block given the name another meaning behind this one? */
static bool is_hidden(const dsl_scope *s, const dsl_var *v)
{
    const dsl_var *later = s->vars;

    while (later != v && later->name != v->name)
        later = later->next;
    return later != v;
}

void train_fixed_names(dsl *cx)
{
    const struct dsl_train *k = cx->train;

    for (const dsl_var *v = k->names ? k->names->vars : NULL; v; v = v->next) {
        if (is_hidden(k->names, v))
            continue;
        if (v->value && is_fixed(cx, v->value) && v->name != k->row_name)
            dsl_define(cx, cx->scope, v->name, v->value, v->at);
        else
            dsl_lose(cx, v->name, "is of the rows of a batch; what track makes of all rows is a "
                     "formula of mean[..] and sum[..]");
    }
}
