/* frontend/dsl/call.c - calls: configuration is given, data are bound, bodies evaluated.
 *
 * f(..) fills the first list of parameters that is open; a |> b is b(a), and only there a
 * template whose configuration is left out gets data. */
#include <math.h>

#include "check.h"

enum { MAX_DEPTH = 100, MAX_ARGS = 64 };

/* Arguments in the order of the parameters; null: not given. */
typedef struct arguments {
    const dsl_value *at[MAX_ARGS];
    uint32_t n;
} arguments;

static const ast_params *list_of(const dsl_template *t, bool config)
{
    return config ? &t->item->callable.config : &t->item->callable.params;
}

static bool has_config(const dsl_template *t)
{
    return t->item ? t->item->callable.configured : dsl_builtin_configs(t->builtin) > 0;
}

/* Is the next list that a call fills that of the configuration? */
static bool config_open(const dsl_function *f)
{
    return has_config(f->of) && !f->config;
}

/* ---- arguments -------------------------------------------------------------- */

static int position_of(const ast_params *l, const char *name)
{
    for (uint32_t i = 0; i < l->len; i++)
        if (l->at[i].name.text == name)
            return (int)i;
    return -1;
}

/* A name that no parameter has: those that there are, or what a habit means here. */
static void unknown_parameter(dsl *cx, const dsl_template *t, const ast_params *l, ast_word name)
{
    const char *habit = dsl_habit_text(cx, SYNTAX_ARGUMENT, name.text);
    text has = {0};

    for (uint32_t i = 0; !*habit && l && i < l->len; i++)
        text_add(&has, "%s%s", i ? ", " : "; it has ", l->at[i].name.text);
    dsl_wrong(cx, name.at, "%s has no parameter %s%s%s", t->name, name.text, habit,
              has.at ? has.at : "");
    text_free(&has);
}

/* Where argument i of the call goes; -1 after an error. */
static int place_of(dsl *cx, const dsl_template *t, const ast_params *l, const ast_arg *a,
                    uint32_t i)
{
    int at = (int)i;

    if (a->name.text)
        at = l ? position_of(l, a->name.text)
               : t->builtin ? dsl_builtin_position(t->builtin, a->name.text) : -1;
    if (at >= 0 && at < (l ? (int)l->len : MAX_ARGS))
        return at;
    if (a->name.text)
        unknown_parameter(cx, t, l, a->name);
    else
        dsl_wrong(cx, a->value->at, "%s takes %u, this is one more%s", t->name,
                  l ? l->len : MAX_ARGS, dsl_habit_text(cx, SYNTAX_EXTRA, t->name));
    return -1;
}

/* Evaluates the arguments of a call, each at the place of its parameter.  False
 * after an error. */
static bool read_arguments(dsl *cx, const dsl_template *t, const ast_params *l, const ast_args *a,
                           arguments *out)
{
    bool ok = true;

    *out = (arguments){.n = l ? l->len : 0};
    if (a->len > MAX_ARGS || out->n > MAX_ARGS)
        return dsl_wrong(cx, cx->at, "more than %d arguments", MAX_ARGS), false;
    for (uint32_t i = 0; i < a->len; i++) {
        int at = place_of(cx, t, l, &a->at[i], i);
        const dsl_value *v = dsl_eval(cx, a->at[i].value);
        ok &= at >= 0 && !dsl_bad(v);
        if (at < 0)
            continue;
        if (out->at[at])
            return dsl_wrong(cx, a->at[i].value->at, "%s: this is given twice", t->name), false;
        out->at[at] = v;
        out->n = (uint32_t)at >= out->n ? (uint32_t)at + 1 : out->n;
    }
    return ok;
}

/* ---- configuration ---------------------------------------------------------- */

static const struct {
    const char *name;
    double low, high;
    const char *words;
} bounds[] = {
#define CONFIG(name, low, high, words) {name, low, high, words},
#include "config.def"
};

/* Is a number of the library's configuration where its parameter may be? */
static bool within(dsl *cx, const dsl_template *t, const char *name, const dsl_value *v, ir_loc at)
{
    double x;

    for (size_t i = 0; i < COUNT(bounds) && v->kind == DSL_NUMBER && dsl_number(cx, v, &x); i++)
        if (!strcmp(bounds[i].name, name) && !(x >= bounds[i].low && x < bounds[i].high)) {
            dsl_wrong(cx, at, "%s: %s is %s, this is %s", t->name, name, bounds[i].words,
                      dsl_describe(cx, v));
            return false;
        }
    return true;
}

/* Configuration of the library is numbers, truths and functions: a text or a list is a habit
 * from elsewhere, and would be found out far from here. */
static bool fits_library(dsl *cx, const dsl_template *t, ast_word name, const dsl_value *v,
                         ir_loc at)
{
    if (!t->file->prelude)
        return true;
    int axis[IR_MAX_RANK];
    if (dsl_is_tensor(v) && dsl_visible(v, axis))
        return dsl_wrong(cx, at, "%s: %s is configuration, and this is %s; data go in by x |> %s, "
                         "or %s(..)(x)", t->name, name.text, dsl_describe(cx, v), t->name,
                         t->name), false;
    if (v->kind != DSL_TEXT && v->kind != DSL_LIST)
        return within(cx, t, name.text, v, at);
    const char *habit = v->kind == DSL_TEXT ? dsl_habit_text(cx, SYNTAX_VALUE, v->text)
                        : !strcmp(name.text, "size") ? "; windows are square: conv(32, 3)" : "";
    dsl_wrong(cx, at, "%s: %s is one number or truth, this is %s%s", t->name, name.text,
              dsl_describe(cx, v), habit);
    return false;
}

/* The values of the first list where it is left out in part; null after an error. */
static const dsl_value **fill_config(dsl *cx, const dsl_template *t, const arguments *a, ir_loc at)
{
    const ast_params *l = list_of(t, true);
    const dsl_value **v = arena_array(cx->mem, const dsl_value *, l->len + 1);
    dsl_scope *outer = cx->scope;
    bool ok = true;

    cx->scope = dsl_scope_new(cx, t->file->scope);
    for (uint32_t i = 0; ok && i < l->len; i++) {
        v[i] = i < a->n ? a->at[i] : NULL;
        if (!v[i] && !l->at[i].value)
            v[i] = dsl_wrong(cx, at, "%s: %s is not given", t->name, l->at[i].name.text);
        else if (!v[i])
            v[i] = dsl_eval(cx, l->at[i].value);
        ok = !dsl_bad(v[i]) && fits_library(cx, t, l->at[i].name, v[i], at);
        dsl_define(cx, cx->scope, l->at[i].name.text, v[i], at);
    }
    cx->scope = outer;
    return ok ? v : NULL;
}

/* dense(16) is a value: the function with its configuration, and an instance
 * (`use`) that owns the parameters, so that calling it twice shares them. */
static const dsl_value *configured(dsl *cx, const dsl_function *f, const dsl_value **config,
                                   ir_loc at)
{
    dsl_value *v = arena_new(cx->mem, dsl_value);

    v->kind = DSL_FUNCTION;
    v->function = *f;
    v->function.config = config;
    v->function.use = dsl_use_new(cx, at);
    return v;
}

/* f(64, 3) of a function whose first list is open: the same function, with that
 * list filled. */
static const dsl_value *configure(dsl *cx, const dsl_function *f, const ast_expr *e)
{
    arguments a;

    if (!read_arguments(cx, f->of, f->of->item ? list_of(f->of, true) : NULL, &e->call.args, &a))
        return &dsl_poison;
    const dsl_value **config;
    if (f->of->item)
        config = fill_config(cx, f->of, &a, e->at);
    else {
        config = arena_array(cx->mem, const dsl_value *, MAX_ARGS);
        memcpy(config, a.at, sizeof a.at);
    }
    return config ? configured(cx, f, config, e->at) : &dsl_poison;
}

/* ---- bodies ----------------------------------------------------------------- */

/* The frame of a call: where its layers get paths, and whether it may have any. */
static dsl_frame *frame_new(dsl *cx, const dsl_function *f, ir_loc at)
{
    dsl_frame *n = arena_new(cx->mem, dsl_frame);
    const dsl_template *t = f->of;
    ast_item_kind kind = t->item->kind;

    n->caller = cx->frame;
    n->of = t;
    n->called = at;
    n->use = kind == AST_ITEM_LAYER ? f->use : NULL;
    n->training = cx->frame->training && !f->training_off;
    n->fit = cx->frame->fit;
    n->parameters = kind == AST_ITEM_LAYER || kind == AST_ITEM_NET || kind == AST_ITEM_OPTIMIZER;
    n->block = dsl_block_new(cx, kind == AST_ITEM_NET ? dsl_net_path(cx, t)
                                 : kind == AST_ITEM_LAYER ? dsl_use_path(cx, f) : NULL);
    n->place = dsl_round_place(cx, hash_text(t->name, cx->frame->place));
    n->place = hash_mix(hash_mix(n->place, f->use ? f->use->number : 0), dsl_call_number(cx, at));
    return n;
}

/* A parameter that is not given has its default, evaluated in the function's scope,
 * where earlier parameters stand. */
static bool bind_param(dsl *cx, const ast_param *p, const dsl_value *v, dsl_rows *rows, ir_loc at)
{
    if (!v && !p->value) {
        dsl_wrong(cx, at, "%s: %s is not given", cx->frame->of->name, p->name.text);
        return false;
    }
    bool filled = !v;
    if (!v)
        v = dsl_eval(cx, p->value);
    if (p->type && filled && !dsl_bad(v))
        v = dsl_fill_default(cx, p->type, v, p->name.text, p->name.at);
    if (p->type && !dsl_bad(v))
        v = dsl_bind_type(cx, p->type, v, cx->scope, rows,
                          arena_printf(cx->mem, "%s: %s", cx->frame->of->name, p->name.text), at);
    if (dsl_bad(v))
        return false;
    dsl_define(cx, cx->scope, p->name.text, v, p->name.at);
    dsl_add_carried(&cx->frame->carried, v);
    return true;
}

/* Rows that a type `[.., 3]` takes are noted in `rows`, and given back with the
 * result. */
static bool bind_params(dsl *cx, const dsl_template *t, const dsl_value **arg, uint32_t n,
                        dsl_rows *rows, ir_loc at)
{
    const ast_params *l = list_of(t, false);

    if (n > l->len) {
        dsl_wrong(cx, at, "%s takes %u, %u are given", t->name, l->len, n);
        return false;
    }
    for (uint32_t i = 0; i < l->len; i++)
        if (!bind_param(cx, &l->at[i], i < n ? arg[i] : NULL, rows, at))
            return false;
    return true;
}

/* Arrays in a configuration may carry axes of the caller, which the body then
 * carries, too. */
static void define_config(dsl *cx, const dsl_function *f)
{
    const ast_params *l = list_of(f->of, true);

    for (uint32_t i = 0; f->config && i < l->len; i++) {
        dsl_define(cx, cx->scope, l->at[i].name.text, f->config[i], l->at[i].name.at);
        dsl_add_carried(&cx->frame->carried, f->config[i]);
    }
}

/* A value that is returned has the type of the result: a number stands for an array of
 * it, a computed value must have the axes.  Rows become visible again. */
static const dsl_value *give_back(dsl *cx, const ast_type *t, const dsl_value *v,
                                  const dsl_rows *rows, const char *what, ir_loc at)
{
    if (t && !dsl_bad(v))
        v = dsl_is_tensor(v) ? dsl_has_type(cx, t, v, what, at)
                             : dsl_fill_type(cx, t, v, what, at);
    if (!dsl_is_tensor(v))
        return v;
    bool any = t && t->extents.len && t->extents.at[0]->kind == AST_REST;
    for (int i = 0; i < rows->axes.n; i++)
        any |= dsl_find(v, rows->axes.at[i]) >= 0;
    return any ? dsl_show(cx, v, &rows->axes) : v;
}

/* "; end with: mu, lv" where the results have names. */
static const char *ending(dsl *cx, const ast_results *r)
{
    text t = {0};

    text_add(&t, "; end with");
    for (uint32_t i = 0; i < r->len; i++)
        text_add(&t, "%s %s", i ? "," : ":", r->at[i].name.text ? r->at[i].name.text : "");
    const char *copy = r->len > 1 && r->at[0].name.text ? arena_strdup(cx->mem, t.at) : "";
    text_free(&t);
    return copy;
}

/* One value for each result of the signature. */
static const dsl_value *give_back_all(dsl *cx, const dsl_template *t, const dsl_value *v,
                                      const dsl_rows *rows, ir_loc at)
{
    const ast_results *r = &t->item->callable.results;
    uint32_t n = v->kind == DSL_RESULTS ? v->list.n : 1;

    if (v->kind == DSL_NOTHING && r->len)
        return dsl_wrong(cx, at, "%s has no value: its last statement is none%s", t->name,
                         ending(cx, r));
    if (r->len && r->len != n)
        return dsl_wrong(cx, at, "%s has %u result%s, its signature names %u%s", t->name, n,
                         n == 1 ? "" : "s", r->len, ending(cx, r));
    if (v->kind != DSL_RESULTS)
        return give_back(cx, r->len ? r->at[0].type : NULL, v, rows, t->name, at);
    const dsl_value **out = arena_array(cx->mem, const dsl_value *, n);
    const char **name = arena_array(cx->mem, const char *, n);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = give_back(cx, r->len ? r->at[i].type : NULL, v->list.at[i], rows, t->name, at);
        name[i] = r->len ? r->at[i].name.text : NULL;
        if (dsl_bad(out[i]))
            return &dsl_poison;
    }
    return dsl_list(cx, DSL_RESULTS, n, out, name);
}

const dsl_value *dsl_body_value(dsl *cx, const dsl_template *t, const dsl_rows *rows)
{
    const ast_block *b = &t->item->callable.body;
    const dsl_value *v = dsl_run_here(cx, b);

    uint32_t n = b->stmts.len;

    return dsl_bad(v) ? v : give_back_all(cx, t, v, rows, n ? b->stmts.at[n - 1]->at : b->at);
}

/* The body in a frame and scope of its own, in the file of the function.
 * Everything that was changed in the context is put back, after an error as well. */
static const dsl_value *evaluate(dsl *cx, const dsl_function *f, const dsl_value **arg, uint32_t n,
                                 ir_loc at)
{
    dsl_rows rows = {0};
    dsl_frame *outer = cx->frame;
    dsl_scope *scope = cx->scope;
    dsl_rounds *rounds = cx->rounds;
    ast_item_kind kind = f->of->item->kind;
    const dsl_value *v = &dsl_poison;

    cx->frame = frame_new(cx, f, at);
    cx->scope = dsl_scope_new(cx, f->of->file->scope);
    cx->rounds = NULL;
    cx->scope->closed = kind == AST_ITEM_FN || kind == AST_ITEM_LAYER;
    define_config(cx, f);
    bool bound = bind_params(cx, f->of, arg, n, &rows, at);
    for (int i = 0; i < rows.axes.n; i++)
        dsl_add_axis(&cx->frame->carried, rows.axes.at[i]);
    cx->scope->closed = false;
    if (bound)
        v = dsl_body_value(cx, f->of, &rows);
    cx->frame = outer;
    cx->scope = scope;
    cx->rounds = rounds;
    return v;
}

/* With a bound on how deep functions call themselves. */
static const dsl_value *call_item(dsl *cx, const dsl_function *f, const dsl_value **arg,
                                  uint32_t n, ir_loc at)
{
    dsl_template *t = (dsl_template *)f->of;

    dsl_warn_misfit(cx, t, n ? arg[0] : NULL, at);
    if (t->depth == MAX_DEPTH)
        return dsl_wrong(cx, at, "%s calls itself %d deep; what ends it is "
                         "known when compiling, or another function is meant", t->name, MAX_DEPTH);
    t->depth++;
    const dsl_value *v = evaluate(cx, f, arg, n, at);
    t->depth--;
    return v;
}

/* ---- application ------------------------------------------------------------ */

/* A configuration that was left out has its defaults now: x |> dense is x |>
 * dense(..). */
static const dsl_value *apply_function(dsl *cx, const dsl_value *v, const dsl_value **arg,
                                       uint32_t n, ir_loc at)
{
    if (config_open(&v->function) && v->function.of->item) {
        arguments none = {0};
        const dsl_value **config = fill_config(cx, v->function.of, &none, at);
        if (!config)
            return &dsl_poison;
        dsl_value *w = arena_copy(cx->mem, v, sizeof *v);
        w->function.config = config;
        v = w;
    }
    v = dsl_with_use(cx, v, at);
    const dsl_template *base = v->function.of;
    for (uint32_t i = 0; i < n; i++)
        if (arg[i] && dsl_bad(arg[i]))
            return &dsl_poison;
    if (base->foreign)
        return dsl_call_foreign(cx, &v->function, arg, n, at);
    return base->builtin ? dsl_call_builtin(cx, &v->function, arg, n, at)
                         : call_item(cx, &v->function, arg, n, at);
}

/* A pipe is a function: (f |> g)(x) is g(f(x)). */
const dsl_value *dsl_apply(dsl *cx, const dsl_value *f, const dsl_value **arg, uint32_t n,
                           ir_loc at)
{
    if (dsl_bad(f))
        return f;
    if (f->kind == DSL_PIPE) {
        const dsl_value *x = dsl_apply(cx, f->pipe.first, arg, n, at);
        return dsl_bad(x) ? x : dsl_apply(cx, f->pipe.then, &x, 1, at);
    }
    if (f->kind != DSL_FUNCTION)
        return dsl_wrong(cx, at, "%s is no function", dsl_describe(cx, f));
    return apply_function(cx, f, arg, n, at);
}

/* b.until("name") of an imported model; null if it is no such call. */
static const dsl_value *until(dsl *cx, const ast_expr *e)
{
    const ast_expr *f = e->call.callee;

    if (f->kind != AST_MEMBER || strcmp(f->member.part.text, "until") || e->call.args.len != 1)
        return NULL;
    const dsl_value *net = dsl_eval(cx, f->member.base);
    if (net->kind != DSL_FUNCTION || !net->function.of->foreign)
        return NULL;
    return dsl_foreign_until(cx, net, dsl_eval(cx, e->call.args.at[0].value), e->at);
}

/* In this order: an ONNX operator, an end of an imported net, configuration, data. */
const dsl_value *dsl_call(dsl *cx, const ast_expr *e)
{
    if (dsl_is_onnx_op(cx, e))
        return dsl_call_onnx_op(cx, e);
    const dsl_value *net = until(cx, e);
    if (net)
        return net;
    const dsl_value *f = dsl_eval(cx, e->call.callee);
    arguments a;

    if (dsl_bad(f))
        return f;
    if (f->kind == DSL_FUNCTION && config_open(&f->function))
        return configure(cx, &f->function, e);
    const dsl_template *t = f->kind == DSL_FUNCTION ? f->function.of : NULL;
    const ast_params *l = t && t->item && !t->foreign ? list_of(t, false) : NULL;
    static const dsl_template nameless = {.name = "the function"};
    if (!read_arguments(cx, t ? t : &nameless, l, &e->call.args, &a))
        return &dsl_poison;
    return dsl_apply(cx, f, a.at, a.n, e->at);
}

/* linear(10) is 10, as linear is the identity: perhaps another library's name is meant. */
static const dsl_value *no_stage(dsl *cx, const ast_expr *e, const dsl_value *v)
{
    bool named = e->kind == AST_CALL && e->call.callee->kind == AST_NAME;

    return dsl_wrong(cx, e->at, "right of |> stands a function, this is %s%s",
                     dsl_describe(cx, v),
                     named ? dsl_habit_text(cx, SYNTAX_NAME, e->call.callee->name) : "");
}

/* a |> f with an array is a call, with a function a function of both. */
const dsl_value *dsl_pipe(dsl *cx, const ast_expr *e)
{
    if (dsl_is_onnx_op(cx, e->binary.right))
        return dsl_onnx_uncalled(cx, e->binary.right);
    const dsl_value *a = dsl_eval(cx, e->binary.left);
    const dsl_value *b = dsl_eval(cx, e->binary.right);

    if (dsl_bad(a) || dsl_bad(b))
        return &dsl_poison;
    if (!dsl_is_function(b))
        return no_stage(cx, e->binary.right, b);
    if (!dsl_is_function(a))
        return dsl_apply(cx, b, &a, 1, e->at);
    dsl_value *v = arena_new(cx->mem, dsl_value);
    v->kind = DSL_PIPE;
    v->pipe.first = dsl_with_use(cx, a, e->binary.left->at);
    v->pipe.then = dsl_with_use(cx, b, e->binary.right->at);
    return v;
}
