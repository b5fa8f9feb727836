/* frontend/dsl/train_judge.c - what an objective compares: for each row what the net says, and
 * what is, which a trainer puts on its page.
 *
 *   minimize cross_entropy(y, label)            scores y, of which the largest counts; label
 *   minimize bce(y, t)                          a logit, and 0 or 1
 *   minimize (y - t)^2 / 2, or mse(y, t)        two numbers
 *   e = y - t;  minimize e^2                    the same, in either order
 *
 * It is found in the text, where the two sides still are two; an objective of another form has
 * no such entry, nor has one whose sides are no number, or no scores, a row. */
#include "train.h"

typedef enum form { NUMBERS, SCORES, LOGITS } form;

/* The two sides of an objective. */
typedef struct sides {
    const ast_expr *said, *is;  /* of numbers, in the order of the text (turn) */
    form form;
} sides;

static const struct {
    const char *name;
    form form;
} losses[] = {{"cross_entropy", SCORES}, {"label_smoothed", SCORES}, {"bce", LOGITS},
              {"mse", NUMBERS},          {"mae", NUMBERS},           {"huber", NUMBERS}};

static bool any_changes(const ast_stmts *l, uint32_t from, const ast_expr *e);

/* May the statement give a name in the expression another value? */
static bool changes(const ast_stmt *s, const ast_expr *e)
{
    switch (s->kind) {
    case AST_DEFINE:
        for (uint32_t i = 0; i < s->define.targets.len; i++)
            if (ast_mentions(e, s->define.targets.at[i].path.at[0].text))
                return true;
        return false;
    case AST_IF:
        return any_changes(&s->branch.yes.stmts, 0, e) || any_changes(&s->branch.no.stmts, 0, e);
    case AST_SCAN:
    case AST_REPEAT:
    case AST_WHILE: return any_changes(&s->loop.body.stmts, 0, e);
    default: return false;
    }
}

static bool any_changes(const ast_stmts *l, uint32_t from, const ast_expr *e)
{
    for (uint32_t i = from; i < l->len; i++)
        if (changes(l->at[i], e))
            return true;
    return false;
}

/* `name = ..`, and nothing beside it. */
static bool defines(const ast_stmt *s, const char *name)
{
    if (s->kind != AST_DEFINE || s->define.op != AST_ASSIGN || s->define.targets.len != 1)
        return false;
    const ast_target *t = &s->define.targets.at[0];
    return !strcmp(t->path.at[0].text, name) && t->path.len == 1 && !t->subscripted;
}

/* The only value that the block gives a name, which is worth the same behind it: no name in it
 * changes there.  Null: it is no name, or has none. */
static const ast_expr *definition(const dsl *cx, const ast_expr *e)
{
    const ast_stmts *l = &cx->train->t->item->callable.body.stmts;
    uint32_t i = 0;

    while (e->kind == AST_NAME && i < l->len && !defines(l->at[i], e->name))
        i++;
    if (e->kind != AST_NAME || i == l->len)
        return NULL;
    const ast_expr *value = l->at[i]->define.value;
    return any_changes(l, i + 1, e) || any_changes(l, i + 1, value) ? NULL : value;
}

/* y - t, or t - y */
static bool find_difference(const dsl *cx, const ast_expr *e, sides *out)
{
    const ast_expr *to = definition(cx, e);

    e = to ? to : e;
    if (e->kind != AST_BINARY || e->binary.op != AST_SUB)
        return false;
    *out = (sides){e->binary.left, e->binary.right, NUMBERS};
    return true;
}

/* A function that the program itself calls mse is another one. */
static bool is_of_prelude(const dsl *cx, const char *name)
{
    return dsl_find_var(cx->scope, name) == dsl_find_var(&cx->prelude, name);
}

/* cross_entropy(y, t), label_smoothed(0.1)(y, t) */
static bool find_loss(const dsl *cx, const ast_expr *e, sides *out)
{
    const ast_expr *f = e->kind == AST_CALL ? e->call.callee : NULL;

    if (!f || e->call.args.len < 2 || e->call.args.at[0].name.text || e->call.args.at[1].name.text)
        return false;
    f = f->kind == AST_CALL ? f->call.callee : f;
    for (uint32_t i = 0; f->kind == AST_NAME && i < COUNT(losses); i++)
        if (!strcmp(losses[i].name, f->name) && is_of_prelude(cx, f->name)) {
            *out = (sides){e->call.args.at[0].value, e->call.args.at[1].value, losses[i].form};
            return true;
        }
    return false;
}

/* Times or by a number, an objective is the same. */
static bool find_sides(const dsl *cx, const ast_expr *e, sides *out)
{
    const ast_expr *to = definition(cx, e);

    e = to ? to : e;
    if (e->kind != AST_BINARY)
        return find_loss(cx, e, out);
    const ast_expr *l = e->binary.left, *r = e->binary.right;
    switch (e->binary.op) {
    case AST_DIV: return r->kind == AST_NUMBER && find_sides(cx, l, out);
    case AST_MUL: return (r->kind == AST_NUMBER && find_sides(cx, l, out)) ||
                         (l->kind == AST_NUMBER && find_sides(cx, r, out));
    case AST_POW:
        return r->kind == AST_NUMBER && r->number.value == 2 && find_difference(cx, l, out);
    default: return false;
    }
}

/* With rows as the first of so many axes; null: it has others. */
static const dsl_value *by_rows(dsl *cx, const ast_expr *e, int rank)
{
    const struct dsl_train *k = cx->train;
    const dsl_value *v = dsl_eval_top(cx, e);
    int visible[IR_MAX_RANK];

    v = dsl_bad(v) ? v : dsl_as_array(cx, v, e->at);
    if (dsl_bad(v) || !k->rows.axes.n)
        return NULL;
    if (dsl_visible(v, visible) < rank)
        v = dsl_show(cx, v, &k->rows.axes);
    bool fits = dsl_visible(v, visible) == rank && v->tensor.rank == rank &&
                dim_same(dsl_extent(v, visible[0]), k->row_count);
    return fits ? v : NULL;
}

static const dsl_value *is_above(dsl *cx, const dsl_value *v, int64_t twice, ir_loc at)
{
    return dsl_binary(cx, AST_GT, dsl_binary(cx, AST_MUL, v, dsl_int(cx, 2), at),
                      dsl_int(cx, twice), at);
}

/* The column that what is was made of, and what the net says was not; -1: none. */
static int32_t column_behind(dsl *cx, const ir_fn *f, ir_ref said, ir_ref is)
{
    const bool *of_said = train_ancestors(cx, f, said), *of_is = train_ancestors(cx, f, is);

    for (int32_t c = 0; c < cx->train->record->column_count; c++) {
        uint32_t node = f->value.at[f->param.at[c]].node;
        if (of_is[node] && !of_said[node])
            return c;
    }
    return -1;
}

/* Does the value depend on a parameter that objectives change? */
static bool is_learned(dsl *cx, const ir_fn *f, ir_ref of)
{
    const bool *marks = train_ancestors(cx, f, of);
    bool any = false;

    for (uint32_t i = 0; i < f->node.len; i++) {
        const dsl_memory *m = marks[i] ? train_memory_read(cx, &f->node.at[i]) : NULL;
        any |= m && m->trainable;
    }
    return any;
}

/* Of two numbers, the net says the one that is learned, on whichever side it stands. */
static void turn(dsl *cx, const dsl_value **said, const dsl_value **is)
{
    const dsl_value *first = *said;
    ir_ref a = dsl_ref(cx, first), b = dsl_ref(cx, *is);
    const ir_fn *f = dsl_b(cx)->fn;

    if (is_learned(cx, f, a) || !is_learned(cx, f, b))
        return;
    *said = *is;
    *is = first;
}

bool train_judge(dsl *cx, const ast_stmt *s)
{
    struct dsl_train *k = cx->train;
    sides two;

    if (!find_sides(cx, s->minimize.objective, &two))
        return false;
    const dsl_value *said = by_rows(cx, two.said, two.form == SCORES ? 2 : 1);
    const dsl_value *is = said ? by_rows(cx, two.is, 1) : NULL;
    if (!is || (two.form == SCORES && is->tensor.elem != DSL_INT))
        return false;
    if (k->mode != TRAIN_JUDGE)
        return true;
    if (two.form == LOGITS) {
        said = is_above(cx, said, 0, s->at);
        is = is_above(cx, is, 1, s->at);
    }
    if (two.form == NUMBERS)
        turn(cx, &said, &is);
    k->record->judged = column_behind(cx, dsl_b(cx)->fn, dsl_ref(cx, said), dsl_ref(cx, is));
    ir_result(dsl_b(cx), "said", dsl_ref(cx, said));
    ir_result(dsl_b(cx), "is", dsl_ref(cx, is));
    return true;
}
