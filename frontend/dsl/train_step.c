/* frontend/dsl/train_step.c - objectives: a mean, its gradients, and what optimizers make of
 * them.
 *
 * An optimizer is text of the language.  Its body is evaluated for each parameter, whose
 * axes are carried in it as `..`: w is that parameter, g its gradient, and its states are
 * states of the module under the path of the parameter, learn.adam.m/net.dense1.w. */
#include "train.h"

#include "nearest.h"

/* ---- which parameters ------------------------------------------------------------- */

/* A path, or what is before a dot in it, as the pattern has it; `*` is any part of it. */
static bool matches_text(const char *pattern, const char *path)
{
    if (!*pattern)
        return !*path || *path == '.';
    if (*pattern != '*')
        return *pattern == *path && matches_text(pattern + 1, path + 1);
    for (;; path++) {
        if (matches_text(pattern + 1, path))
            return true;
        if (!*path)
            return false;
    }
}

/* over encoder.*, decoder.w: any of the patterns. */
static bool matches(const ast_patterns *l, const char *path)
{
    for (uint32_t i = 0; i < l->len; i++)
        if (matches_text(l->at[i].text, path))
            return true;
    return false;
}

/* Marks, by node, of all that the value depends on.  Nodes stand behind what they
 * read, so that one walk backwards is enough. */
bool *train_ancestors(dsl *cx, const ir_fn *f, ir_ref of)
{
    bool *marks = arena_array(cx->mem, bool, f->node.len);

    marks[f->value.at[of].node] = true;
    for (uint32_t i = f->value.at[of].node + 1; i-- > 0;)
        for (uint32_t k = 0; marks[i] && k < f->node.at[i].narg; k++)
            marks[f->value.at[ir_arg(f, &f->node.at[i], k)].node] = true;
    return marks;
}

/* A parameter that an objective changes, and its gradient once that is known. */
typedef struct part {
    dsl_memory *m;
    const dsl_value *read;      /* as the objective read it */
    const dsl_value *grad;      /* while parts are sought: as it was read at first */
} part;
typedef VEC(part) parts;

/* The parameters that the objective is to change: those of the patterns, or all, that it
 * depends on. */
static void find_parts(dsl *cx, const ast_patterns *over, ir_ref loss, parts *out)
{
    const ir_fn *f = dsl_b(cx)->fn;
    uint32_t n = 0;

    for (uint32_t i = 0; i < cx->memory.len; i++) {     /* reading may add nodes: all at first */
        dsl_memory *m = cx->memory.at[i];
        if (m->trainable && (!over->len || matches(over, m->path)))
            vec_push(out, (part){m, dsl_read(cx, &m->cell), dsl_first_read(cx, &m->cell)});
    }
    for (uint32_t i = 0; i < out->len; i++)
        dsl_ref(cx, out->at[i].read), dsl_ref(cx, out->at[i].grad);
    bool *marks = train_ancestors(cx, f, loss);
    for (uint32_t i = 0; i < out->len; i++) {
        const dsl_value *now = out->at[i].read, *first = out->at[i].grad;
        const dsl_value *read = marks[f->value.at[dsl_ref(cx, now)].node] ? now : first;
        if (marks[f->value.at[dsl_ref(cx, read)].node])
            out->at[n++] = (part){out->at[i].m, read, NULL};
    }
    out->len = n;
}

/* Has the program parameters of this path at all?  If not, a net whose name comes near. */
static bool is_there(dsl *cx, const ast_patterns *over, nearest *near)
{
    bool found = false;

    for (uint32_t i = 0; i < cx->memory.len; i++) {
        const char *path = cx->memory.at[i]->path;
        found |= cx->memory.at[i]->trainable && matches(over, path);
        nearest_try(near, arena_strndup(cx->mem, path, strcspn(path, ".")));
    }
    return found;
}

/* A message where no gradient gets to any of them. */
static bool has_gradient(dsl *cx, const ast_stmt *s, ir_ref loss, const parts *l)
{
    ir_ref *param = arena_array(cx->mem, ir_ref, l->len);

    for (uint32_t i = 0; i < l->len; i++)
        param[i] = dsl_ref(cx, l->at[i].read);
    const char *stop = train_stopped(cx, loss, param, l->len);
    if (!stop)
        return true;
    const ast_patterns *over = &s->minimize.over;
    dsl_wrong(cx, over->len ? over->at[0].at : s->at, "the objective does not depend on a "
              "parameter%s%s: every way goes through %s, which has no gradient",
              over->len ? " of " : "", over->len ? over->at[0].text : "", stop);
    return false;
}

/* A message where there is nothing to change. */
static bool has_parts(dsl *cx, const ast_stmt *s, ir_ref loss, const parts *l)
{
    const ast_patterns *over = &s->minimize.over;
    nearest near = nearest_to(over->len ? over->at[0].text : "");

    if (l->len)
        return has_gradient(cx, s, loss, l);
    if (over->len && !is_there(cx, over, &near))
        dsl_wrong(cx, over->at[0].at, near.best ? "no parameter matches %s; did you mean %s?"
                                                : "no parameter matches %s",
                  near.name, near.best);
    else if (!over->len)
        dsl_wrong(cx, s->at, "the objective does not depend on a parameter");
    else
        dsl_wrong(cx, over->at[0].at, "the objective does not depend on a parameter of %s",
                  over->at[0].text);
    return false;
}

/* ---- gradients -------------------------------------------------------------------- */

/* One GRAD node for all parameters: passes/grad.c replaces it, in one walk
 * backwards. */
static void differentiate(dsl *cx, ir_ref loss, parts *l)
{
    ir_ref *in = arena_array(cx->mem, ir_ref, l->len + 1);

    in[0] = loss;
    for (uint32_t i = 0; i < l->len; i++)
        in[i + 1] = dsl_ref(cx, l->at[i].read);
    ir_ref g = ir_make(dsl_b(cx), OP_GRAD, in, l->len + 1, NULL);
    for (uint32_t i = 0; i < l->len; i++)
        l->at[i].grad = g == IR_NONE ? &dsl_poison
                                     : dsl_array_like(cx, l->at[i].read, g + i,
                                                      l->at[i].read->tensor.rank, NULL);
}

/* The root of the sum of all squares. */
static const dsl_value *norm(dsl *cx, const parts *l, ir_loc at)
{
    const dsl_value *sum = dsl_int(cx, 0);

    for (uint32_t i = 0; i < l->len; i++) {
        const dsl_value *g = l->at[i].grad;
        sum = dsl_binary(cx, AST_ADD, sum,
                         dsl_reduce_visible(cx, dsl_binary(cx, AST_MUL, g, g, at), RED_SUM), at);
    }
    return dsl_unary(cx, OP_SQRT, sum, at);
}

/* clip norm(c): gradients whose norm is above c are scaled down to it. */
static void clip(dsl *cx, const ast_expr *e, parts *l)
{
    bool by_norm = e->kind == AST_CALL && e->call.callee->kind == AST_NAME &&
                   !strcmp(e->call.callee->name, "norm") && e->call.args.len == 1;

    if (!by_norm) {
        dsl_wrong(cx, e->at, "gradients are clipped by norm(c); an optimizer may clamp its g");
        return;
    }
    const dsl_value *most = dsl_eval_top(cx, e->call.args.at[0].value), *n = norm(cx, l, e->at);
    double c;
    if (dsl_number(cx, most, &c) && !(c > 0))
        most = dsl_wrong(cx, e->call.args.at[0].value->at, "gradients are clipped to a norm above "
                         "0, this is %g", c);
    if (dsl_bad(most) || dsl_bad(n))
        return;
    ir_result(dsl_b(cx), "grad_norm", dsl_ref(cx, n));
    const dsl_value *scale =
        dsl_select(cx, dsl_binary(cx, AST_GT, n, most, e->at),
                   dsl_binary(cx, AST_DIV, most, n, e->at), dsl_int(cx, 1), e->at);
    for (uint32_t i = 0; i < l->len; i++)
        l->at[i].grad = dsl_binary(cx, AST_MUL, l->at[i].grad, scale, e->at);
}

/* ---- optimizers ------------------------------------------------------------------- */

/* The optimizer with its numbers, those left out being the defaults. */
static const dsl_value *configured(dsl *cx, const ast_expr *e)
{
    ast_expr call = {.kind = AST_CALL, .at = e->at, .call = {.callee = (ast_expr *)e}};
    const dsl_value *v = dsl_eval_top(cx, e);
    bool is = v->kind == DSL_FUNCTION && v->function.of->item &&
              v->function.of->item->kind == AST_ITEM_OPTIMIZER;

    if (dsl_bad(v))
        return v;
    if (!is)
        return dsl_wrong(cx, e->at, "%s is no optimizer", dsl_describe(cx, v));
    return v->function.config ? v : dsl_eval_top(cx, &call);
}

/* A state of an optimizer while its body is evaluated: the axes of the parameter are
 * carried in it. */
typedef struct moment {
    dsl_cell cell;
    dsl_memory *m;
} moment;

enum { MAX_MOMENTS = 16 };
/* An optimizer at work on one parameter: the parameter is `of[0]`, its states
 * follow in the order in which the body declares them.  For adam: w, m, v. */
typedef struct moments {
    const part *p;
    const char *prefix;         /* of its states: "learn.adam" */
    dsl_axes axes;
    moment of[MAX_MOMENTS];     /* the first is the parameter itself */
    int n;
} moments;

/* A cell of the body that begins as the module's state is now. */
static void add_moment(dsl *cx, moments *u, const char *name, dsl_memory *m, ir_loc at)
{
    if (u->n == MAX_MOMENTS) {
        dsl_wrong(cx, at, "an optimizer with more than %d states", MAX_MOMENTS - 1);
        return;
    }
    moment *x = &u->of[u->n++];
    const dsl_value *now = dsl_carry(cx, dsl_read(cx, &m->cell), u->axes.at, u->axes.n);
    *x = (moment){{.name = name, .now = now, .home = cx->region, .at = at}, m};
    dsl_define_cell(cx, cx->scope, &x->cell);
}

/* `state m: [..] = 0`: of the shape of the parameter, and zeros at first. */
static void declare_moments(dsl *cx, moments *u, const ast_stmt *s)
{
    for (uint32_t i = 0; i < s->decls.len; i++) {
        const ast_decl *d = &s->decls.at[i];
        const char *path =
            arena_printf(cx->mem, "%s.%s/%s", u->prefix, d->name.text, u->p->m->path);
        add_moment(cx, u, d->name.text, train_memory(cx, path, u->p->m->type, INGOT_ROLE_MOMENT),
                   d->name.at);
    }
}

/* The body's cells go back to the module's, their axes visible again. */
static void store_moments(dsl *cx, moments *u)
{
    for (int i = 0; i < u->n; i++) {
        const dsl_value *v = dsl_as(cx, u->of[i].cell.now, DSL_REAL, u->of[i].cell.at, "a state");
        if (!dsl_bad(v))
            dsl_write(cx, &u->of[i].m->cell, dsl_show(cx, v, &u->axes), u->of[i].cell.at);
    }
}

/* The axes of the parameter, new ones, are carried by all cells of the body, so
 * that `..` means them and scalar formulas work elementwise. */
static void begin_moments(dsl *cx, moments *u, const part *p)
{
    int visible[IR_MAX_RANK], n = dsl_visible(p->grad, visible);

    u->p = p;
    for (int i = 0; i < n; i++)
        dsl_add_axis(&u->axes, dsl_axis_new(cx, "..", dsl_extent(p->grad, visible[i])));
}

/* The body of an optimizer sees its configuration, the parameter under the name of
 * its first parameter, the gradient under that of its second, and nothing of the
 * block. */
static void run_body(dsl *cx, moments *u, const dsl_function *f)
{
    const ast_item *item = f->of->item;
    const ast_params *config = &item->callable.config, *data = &item->callable.params;

    for (uint32_t i = 0; i < config->len; i++)
        dsl_define(cx, cx->scope, config->at[i].name.text, f->config[i], config->at[i].name.at);
    add_moment(cx, u, data->at[0].name.text, u->p->m, item->at);
    dsl_define(cx, cx->scope, data->at[1].name.text,
               dsl_carry(cx, u->p->grad, u->axes.at, u->axes.n), item->at);
    for (uint32_t i = 0; i < item->callable.body.stmts.len; i++) {
        const ast_stmt *s = item->callable.body.stmts.at[i];
        if (s->kind == AST_STATE)
            declare_moments(cx, u, s);
        else
            dsl_statement(cx, s, false);
    }
    store_moments(cx, u);
}

/* One parameter goes the optimizer's way. */
static void optimize(dsl *cx, const dsl_function *f, const part *p, const char *prefix, ir_loc at)
{
    moments u = {.prefix = prefix};
    dsl_frame *outer = cx->frame, frame = *outer;
    dsl_scope *scope = cx->scope;

    if (f->of->item->callable.params.len != 2) {
        dsl_wrong(cx, at, "an optimizer takes a parameter and its gradient");
        return;
    }
    begin_moments(cx, &u, p);
    frame.caller = outer;
    frame.of = f->of;
    frame.called = at;
    frame.carried = u.axes;
    cx->frame = &frame;
    cx->scope = dsl_scope_new(cx, f->of->file->scope);
    run_body(cx, &u, f);
    cx->frame = outer;
    cx->scope = scope;
}

/* "learn.adam", of the second objective "learn.2.adam". */
static const char *prefix_of(dsl *cx, const dsl_function *f)
{
    const char *block = cx->train->t->name;
    uint32_t objective = cx->train->objectives;

    return objective > 1 ? arena_printf(cx->mem, "%s.%u.%s", block, objective, f->of->name)
                         : arena_printf(cx->mem, "%s.%s", block, f->of->name);
}

/* A rate that changes from step to step is told. */
static void give_rate(dsl *cx, const dsl_function *f)
{
    const ast_params *l = &f->of->item->callable.config;
    int visible[IR_MAX_RANK];

    for (uint32_t i = 0; i < l->len && cx->train->objectives == 1; i++)
        if (!strcmp(l->at[i].name.text, "lr") && dsl_is_tensor(f->config[i]) &&
            f->config[i]->tensor.elem == DSL_REAL && !dsl_visible(f->config[i], visible))
            ir_result(dsl_b(cx), "lr", dsl_ref(cx, f->config[i]));
}

/* The last `using` that is for this parameter, from 1; 0: none. */
static uint32_t using_of(const ast_stmt *s, const part *p)
{
    uint32_t k = s->minimize.updates.len;

    while (k > 0 && s->minimize.updates.at[k - 1].on.len &&
           !matches(&s->minimize.updates.at[k - 1].on, p->m->path))
        k--;
    return k;
}

/* A message for a pattern behind `on` that no parameter has which the objective changes. */
static bool has_all(dsl *cx, const ast_stmt *s, const parts *l)
{
    for (uint32_t i = 0; i < s->minimize.updates.len; i++)
        for (uint32_t k = 0; k < s->minimize.updates.at[i].on.len; k++) {
            const ast_pattern *p = &s->minimize.updates.at[i].on.at[k];
            bool any = false;
            for (uint32_t j = 0; j < l->len; j++)
                any |= matches_text(p->text, l->at[j].m->path);
            if (!any) {
                dsl_wrong(cx, p->at, "this objective changes no parameter of %s", p->text);
                return false;
            }
        }
    return true;
}

/* Warns of what the objective is to change and no `using` is for. */
static void warn_idle(dsl *cx, const ast_stmt *s, const parts *l)
{
    uint32_t n = 0;
    const char *one = NULL;

    for (uint32_t i = 0; i < l->len; i++)
        if (!using_of(s, &l->at[i])) {
            one = l->at[i].m->path;
            n++;
        }
    if (!n || !cx->train->first)
        return;
    const char *more = n > 1 ? arena_printf(cx->mem, " and %u more stay as they are", n - 1)
                             : " stays as it is";
    dsl_warn(cx, s->at, "%s%s, without a using: over .. says which parameters are meant", one,
             more);
}

/* The last `using` that matches a parameter updates it. */
static void update_all(dsl *cx, const ast_stmt *s, const parts *l)
{
    uint32_t n = s->minimize.updates.len;
    const dsl_value **how = arena_array(cx->mem, const dsl_value *, n + 1);

    for (uint32_t i = 0; i < n; i++)
        if (dsl_bad(how[i] = configured(cx, s->minimize.updates.at[i].optimizer)))
            return;
    if (!n || !has_all(cx, s, l))
        return;
    warn_idle(cx, s, l);
    give_rate(cx, &how[0]->function);
    for (uint32_t i = 0; i < l->len; i++) {
        uint32_t k = using_of(s, &l->at[i]);
        if (k)
            optimize(cx, &how[k - 1]->function, &l->at[i], prefix_of(cx, &how[k - 1]->function),
                     s->at);
    }
}

/* ---- minimize --------------------------------------------------------------------- */

/* "loss", then "loss2", .. */
static const char *loss_name(dsl *cx)
{
    uint32_t n = cx->train->objectives;

    return n > 1 ? arena_printf(&cx->m->mem, "loss%u", n) : "loss";
}

/* Clips gradients, and lets the optimizers have them. */
static void update(dsl *cx, const ast_stmt *s, parts *l)
{
    for (uint32_t i = 0; i < s->minimize.clips.len; i++)
        clip(cx, s->minimize.clips.at[i], l);
    if (!s->minimize.updates.len)
        dsl_wrong(cx, s->at, "the objective has no optimizer: using adam");
    update_all(cx, s, l);
}

/* An objective in an ordinary step: the batch's mean, gradients, update, all in one
 * entry. */
static void step(dsl *cx, const ast_stmt *s, const dsl_value *mean)
{
    parts l = {0};
    ir_ref loss = dsl_ref(cx, mean);

    ir_result(dsl_b(cx), loss_name(cx), loss);
    find_parts(cx, &s->minimize.over, loss, &l);
    if (has_parts(cx, s, loss, &l)) {
        differentiate(cx, loss, &l);
        update(cx, s, &l);
    }
    vec_free(&l);
}

/* ---- several batches a step ------------------------------------------------------------- */

/* "learn.2.gathered/net.dense1.w": the gradients of the second objective, added up. */
static dsl_memory *gathered(dsl *cx, const char *name, const ir_type *t)
{
    const char *path = arena_printf(cx->mem, "%s.%u.gathered/%s", cx->train->t->name,
                                    cx->train->objectives, name);

    return train_memory(cx, path, t, INGOT_ROLE_GRADIENT);
}

/* A number that is gathered along: the objective's sum and what it is a sum of. */
static dsl_memory *gathered_number(dsl *cx, const char *name)
{
    return gathered(cx, name, type_scalar(&cx->m->types, cx->real));
}

/* m <- m + by */
static void grow(dsl *cx, dsl_memory *m, const dsl_value *by, ir_loc at)
{
    if (!dsl_bad(by))
        dsl_write(cx, &m->cell, dsl_binary(cx, AST_ADD, dsl_read(cx, &m->cell), by, at), at);
}

/* The gradients of a sum over the batch are added to those of the batches before. */
static void gather(dsl *cx, const ast_stmt *s, const train_total *t)
{
    parts l = {0};
    ir_ref sum = dsl_ref(cx, t->sum);

    find_parts(cx, &s->minimize.over, sum, &l);
    if (has_parts(cx, s, sum, &l))
        differentiate(cx, sum, &l);
    cx->train->gathered.len = 0;
    for (uint32_t i = 0; i < l.len; i++) {
        vec_push(&cx->train->gathered, l.at[i].m);
        if (l.at[i].grad)
            grow(cx, gathered(cx, l.at[i].m->path, l.at[i].m->type), l.at[i].grad, s->at);
    }
    grow(cx, gathered_number(cx, "sum"), t->sum, s->at);
    grow(cx, gathered_number(cx, "of"), t->of, s->at);
    vec_free(&l);
}

/* Reads what was gathered, and leaves zeros. */
static const dsl_value *take(dsl *cx, dsl_memory *m, ir_loc at)
{
    const dsl_value *v = dsl_read(cx, &m->cell);

    dsl_write(cx, &m->cell, dsl_int(cx, 0), at);
    return v;
}

/* The second half of a step of several batches: gradient of the mean = sum of
 * gradients of sums / sum of weights, which is what one large batch would have
 * given, exactly, also where batches differ in size. */
void train_apply(dsl *cx, const ast_stmt *s)
{
    struct dsl_train *k = cx->train;
    parts l = {0};

    k->objectives = k->only;
    const dsl_value *of = take(cx, gathered_number(cx, "of"), s->at);
    const dsl_value *sum = take(cx, gathered_number(cx, "sum"), s->at);
    ir_result(dsl_b(cx), loss_name(cx), dsl_ref(cx, train_quotient(cx, sum, of, s->at)));
    for (uint32_t i = 0; i < k->gathered.len; i++) {
        dsl_memory *m = k->gathered.at[i];
        const dsl_value *g = take(cx, gathered(cx, m->path, m->type), s->at);
        vec_push(&l, (part){m, dsl_read(cx, &m->cell), train_quotient(cx, g, of, s->at)});
    }
    update(cx, s, &l);
    vec_free(&l);
}

/* The pass of the first objective has written what stands around the objectives: in those of the
 * others it only gives values, and states that they read are as that pass left them. */
static void forget_written(dsl *cx)
{
    dsl_region *r = cx->region;

    for (uint32_t i = 0; i < r->written.len; i++)
        r->written.at[i].cell->now = r->written.at[i].before;
    r->written.len = 0;
}

/* ---- any mode ----------------------------------------------------------------------------- */

/* minimize v [weight w] over .. using ..  By the mode: a step updates, gather adds
 * gradients up, eval only adds to sums, fit only calls the nets. */
void train_minimize(dsl *cx, const ast_stmt *s)
{
    struct dsl_train *k = cx->train;
    train_total t;

    k->objectives++;
    if (k->mode == TRAIN_JUDGE) {
        if (k->objectives == k->judged)
            train_judge(cx, s);
        return;
    }
    if (k->mode == TRAIN_GATHER && k->objectives != k->only)
        return;
    if (k->mode == TRAIN_GATHER && k->only > 1)
        forget_written(cx);
    const dsl_value *v = dsl_eval_top(cx, s->minimize.objective);
    const dsl_value *w = s->minimize.weight ? dsl_eval_top(cx, s->minimize.weight) : NULL;
    if (k->mode == TRAIN_FIT)
        return;                         /* the nets in it were called, which is all */
    train_warn_weight(cx, s->minimize.weight, w, true);
    if (k->mode == TRAIN_EVAL && cx->o->judge && !k->judged && train_judge(cx, s))
        k->judged = k->objectives;
    if (k->first)
        vec_push(&k->number, (train_number){loss_name(cx), NULL, s->at, true});
    v = dsl_bad(v) ? v : dsl_as(cx, dsl_as_array(cx, v, s->at), DSL_REAL, s->at, "the objective");
    if (dsl_bad(v) || (w && dsl_bad(w)) || !train_mean(cx, loss_name(cx), v, w, s->at, &t))
        return;
    if (k->mode == TRAIN_STEP)
        step(cx, s, t.mean);
    if (k->mode == TRAIN_GATHER)
        gather(cx, s, &t);
}
