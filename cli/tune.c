/* cli/tune.c - the training of an ONNX model, as a program in the language.  There is no other
 * way to train one: what this text cannot say, an edited one can.
 *
 *   import "m.onnx" as m
 *   net tuned(x: [N, 4]) = m(x)
 *   entry classify(x: [N, 4]) -> int<3>[N] = argmax(tuned(x))
 *   train learn(x: [N, 4], label: int<3>[N]) {
 *       data x = "x.npy", label = "y.npy"
 *       y = tuned(x)
 *       minimize cross_entropy(y, label) over "m.fc2.weight" using adam(1e-3)
 *       track accuracy = argmax(y) == label
 *       batch 32
 *   } */
#include "tune.h"

#include <ctype.h>
#include <stdlib.h>

#include "dsl/dsl.h"
#include "file_kind.h"
#include "lex.h"
#include "nearest.h"
#include "onnx.h"
#include "path.h"
#include "source.h"

/* ---- command line ----------------------------------------------------------------- */

/* Kept as written: NAME of a known one, or NAME=EXPRESSION of the language. */
static bool add_metric(void *to, const cli_option *option, const char *value)
{
    tune_options *o = to;

    if (o->metrics == TUNE_METRICS)
        return cli_wrong("more than %d times %s", TUNE_METRICS, option->name);
    o->metric[o->metrics++] = value;
    return true;
}

#define AT(field) offsetof(tune_options, field)

const cli_option tune_rows[] = {
    {"--loss", "LOSS", "of an ONNX model: cross_entropy, mse, bce, or another function of the "
     "prelude or expression before (y, target)", .set = cli_set_once, .at = AT(loss)},
    {"--optimizer", "OPT", "of an ONNX model: 'adamw(1e-4)', .. (default: adam)",
     .set = cli_set_once, .at = AT(optimizer)},
    {"--freeze", "PATTERN,..", "weights of an ONNX model that stay, by name; * is any part",
     .set = cli_set_once, .at = AT(freeze)},
    {"--metric", "METRIC", "of an ONNX model: accuracy, rmse, mae, or NAME=EXPRESSION of y and "
     "target or label", .set = add_metric},
    {"--until", "VALUE", "the value at which an ONNX model ends", .set = cli_set_once,
     .at = AT(until)},
    {"--classes", "N", "how many there are: an ONNX model with another number of results gets "
     "a layer", .set = cli_set_number, .at = AT(classes), .least = 2, .most = 1 << 30},
    {0}};

bool tune_is_given(const tune_options *o)
{
    return o->loss || o->optimizer || o->freeze || o->until || o->metrics || o->classes;
}

/* ---- the model -------------------------------------------------------------------- */

/* What rows are compared with. */
typedef enum goal_kind { GOAL_CLASS, GOAL_BIT, GOAL_NUMBER } goal_kind;

/* The text being written: what the model is (m, f, weights), what its values are
 * called in the program (taken, input, dim, net, goal), and what is learned of it.
 * For the text in the head of the file, input is {"x"}, goal is "label", kind
 * GOAL_CLASS with 3 classes. */
typedef struct tune {
    const tune_options *o;
    const trainer_options *t;
    ir_dtype real;              /* of the language */
    ir_module *m;
    const ir_fn *f;
    import_weights weights;     /* parameters of f behind the inputs */
    uint32_t inputs;
    names taken;                /* names of the program */
    const char **input;         /* columns, by input of the model */
    const char **dim;           /* by symbol of the model: N, or a dim; null: neither */
    const char *net, *goal;     /* names of the net and of the last column */
    goal_kind kind;
    int64_t classes;            /* of GOAL_CLASS */
    bool mean, head, scalar;    /* what the net adds: [N, C, H, W] becomes [N, C]; a layer; or
                                 * [N, 1] becomes [N] */
    int rank;                   /* of its result */
    text *out;
    diag *d;
} tune;

static bool wrong(const tune *x, const char *what)
{
    return diag_error(x->d, (ir_loc){0}, D_GENERAL, what);
}

static const ir_type *input_type(const tune *x, uint32_t i)
{
    return ir_type_of(x->f, x->f->param.at[i]);
}

static const ir_type *result_type(const tune *x)
{
    return ir_type_of(x->f, x->f->result.at[0]);
}

/* The extent of an axis; -1: only data know it. */
static int64_t extent(const tune *x, const ir_type *t, int axis)
{
    int64_t n;

    return dim_const(&x->m->dims, t->dim[axis], &n) ? n : -1;
}

/* All weights become inputs behind the model's own, to see which the loss can
 * change; `inputs` is how many are the model's. */
static bool read_model(tune *x, const char *path)
{
    import_options o = {.weights = &x->weights, .until = x->o->until};

    x->weights.inputs = true;
    x->m = onnx_import(path, &o, x->d);
    x->f = x->m ? ir_module_find(x->m, "main") : NULL;
    x->inputs = x->f ? x->f->param.len - x->weights.name.len : 0;
    return x->f && (x->f->result.len || wrong(x, "the model has no output"));
}

/* Rows are the first axis of all that is read, and of the result. */
static bool check_model(const tune *x)
{
    const ir_type *y = result_type(x);

    for (uint32_t i = 0; i < x->inputs; i++)
        if (input_type(x, i)->kind != TY_TENSOR || !input_type(x, i)->rank)
            return wrong(x, arena_printf(&x->d->mem, "input '%s' has no axis for rows: write a "
                                         "program that imports the model",
                                         x->f->param_name.at[i]));
    return (y->kind == TY_TENSOR && dt_is_float(y->dtype) && y->rank) ||
           wrong(x, arena_printf(&x->d->mem, "'%s' is no floating-point value with an axis for "
                                 "rows: --until chooses another", x->f->result_name.at[0]));
}

/* ---- names ------------------------------------------------------------------------- */

/* A name of the language, and not one of its own or of the file so far: "input.1" becomes
 * input_1. */
static const char *name_for(tune *x, const char *raw)
{
    char *name = arena_printf(&x->d->mem, "%s%s", isalpha((unsigned char)*raw) ? "" : "x_", raw);

    for (char *c = name; *c; c++)
        *c = isalnum((unsigned char)*c) ? *c : '_';
    while (dsl_is_word(name) || names_find(&x->taken, name) != NAMES_NONE)
        name = arena_printf(&x->d->mem, "%s_", name);
    names_add(&x->taken, name);
    return name;
}

/* The rows are N, all other extents that the model leaves open are dims. */
static void find_dims(tune *x)
{
    const dim_table *table = &x->m->dims;

    x->dim = arena_array(&x->d->mem, const char *, table->symbol.len + 1);
    for (int rest = 0; rest < 2; rest++)
        for (uint32_t i = 0; i < x->inputs; i++)
            for (int a = rest; a < (rest ? input_type(x, i)->rank : 1); a++) {
                uint32_t id = dim_symbol_id(table, input_type(x, i)->dim[a]);
                if (id != NAMES_NONE && !x->dim[id])
                    x->dim[id] = rest ? name_for(x, table->symbol.at[id].name) : "N";
            }
}

/* Names of the program that is written, none of which may be one of the model's. */
static void find_names(tune *x)
{
    x->input = arena_array(&x->d->mem, const char *, x->inputs + 1);
    names_add(&x->taken, "m");
    names_add(&x->taken, "y");
    names_add(&x->taken, "N");
    for (uint32_t i = 0; i < x->inputs; i++)
        x->input[i] = name_for(x, x->f->param_name.at[i]);
    find_dims(x);
    x->net = name_for(x, "tuned");
    x->goal = name_for(x, x->kind == GOAL_CLASS ? "label" : "target");
}

/* ---- what is learned --------------------------------------------------------------- */

static const struct {
    const char *loss;
    goal_kind kind;
} losses[] = {
    {"cross_entropy", GOAL_CLASS}, {"label_smoothed", GOAL_CLASS}, {"nll", GOAL_CLASS},
    {"bce", GOAL_BIT},
};

/* The kind of a loss by what is before its configuration: label_smoothed(0.1). */
static goal_kind kind_of(const char *loss)
{
    size_t n = strcspn(loss, "( ");

    for (size_t i = 0; i < COUNT(losses); i++)
        if (strlen(losses[i].loss) == n && !strncmp(losses[i].loss, loss, n))
            return losses[i].kind;
    return GOAL_NUMBER;
}

static bool wrong_floats(const tune *x, const char *name, ir_dtype dt)
{
    return wrong(x, arena_printf(&x->d->mem, "'%s' is of %s, and training computes in %s%s", name,
                                 dt_text(dt), dt_text(x->real),
                                 dt == DT_F64   ? ": give --f64"
                                 : dt == DT_F32 ? ": leave out --f64"
                                                : ""));
}

/* What is trained is computed in the reals of the program. */
static bool check_floats(const tune *x)
{
    const import_weights *w = &x->weights;

    for (uint32_t i = 0; i < w->name.len; i++) {
        ir_dtype dt = x->m->consts.at[w->constant.at[i]].type->dtype;
        if (dt != x->real && !(x->o->freeze && text_matches(x->o->freeze, w->name.at[i])))
            return wrong_floats(x, w->name.at[i], dt);
    }
    return result_type(x)->dtype == x->real ||
           wrong_floats(x, x->f->result_name.at[0], result_type(x)->dtype);
}

/* What the loss compares with follows from the loss: classes, bits or numbers;
 * pictures of features are averaged first, and a layer is added where the number of
 * classes is another. */
static bool find_goal(tune *x)
{
    const ir_type *y = result_type(x);

    x->kind = kind_of(x->o->loss);
    x->mean = x->kind != GOAL_NUMBER && y->rank == 4;
    x->rank = x->mean ? 2 : y->rank;
    int64_t last = extent(x, y, x->rank - 1);
    x->classes = x->o->classes ? x->o->classes : last;
    x->head = x->o->classes && last != x->o->classes;
    x->scalar = !x->head && x->kind != GOAL_CLASS && x->rank == 2 && last == 1;
    x->rank -= x->scalar;
    if (x->head && x->rank < 2)
        return wrong(x, "a row of the result is one number, which no layer makes classes of: "
                     "--until chooses another value");
    return x->kind != GOAL_CLASS || x->classes > 0 ||
           wrong(x, "how many classes there are is not known: give --classes");
}

/* ---- types as text ----------------------------------------------------------------- */

/* An extent behind the rows: a number, or a dim of the program. */
static void add_extent(tune *x, ir_dim d)
{
    const dim_table *table = &x->m->dims;
    uint32_t id = dim_symbol_id(table, d);
    int64_t n;

    if (dim_const(table, d, &n))
        text_add(x->out, ", %lld", (long long)n);
    else if (id != NAMES_NONE && x->dim[id])
        text_add(x->out, ", %s", x->dim[id]);
    else
        wrong(x, "an extent of the model's result is computed: write a program that imports it");
}

static const char *elem_text(const tune *x, ir_dtype dt)
{
    return dt == x->real ? "" : dt == DT_I64 ? "int" : dt_text(dt);
}

/* "int[N, 4]", of the first `rank` axes. */
static void add_type(tune *x, const char *elem, const ir_type *t, int rank)
{
    text_add(x->out, "%s[N", elem);
    for (int i = 1; i < rank; i++)
        add_extent(x, t->dim[i]);
    text_add(x->out, "]");
}

static void add_columns(tune *x)
{
    for (uint32_t i = 0; i < x->inputs; i++) {
        const ir_type *t = input_type(x, i);
        text_add(x->out, "%s%s: ", i ? ", " : "", x->input[i]);
        add_type(x, elem_text(x, t->dtype), t, t->rank);
    }
}

/* The axes of the net's result, the classes apart, are those of what it is compared with. */
static void add_goal_type(tune *x)
{
    char elem[40] = "";

    if (x->kind == GOAL_CLASS)
        snprintf(elem, sizeof elem, "int<%lld>", (long long)x->classes);
    else if (x->kind == GOAL_BIT)
        snprintf(elem, sizeof elem, "int<2>");
    add_type(x, elem, result_type(x), x->rank - (x->kind == GOAL_CLASS));
}

static void add_arguments(tune *x)
{
    for (uint32_t i = 0; i < x->inputs; i++)
        text_add(x->out, "%s%s", i ? ", " : "", x->input[i]);
}

/* ---- items ------------------------------------------------------------------------- */

/* Data, or --dim, decide them. */
static void add_dims(tune *x)
{
    for (uint32_t i = 0; i < x->m->dims.symbol.len; i++)
        if (x->dim[i] && strcmp(x->dim[i], "N"))
            text_add(x->out, "dim %s\n", x->dim[i]);
}

/* net tuned(x: ..) = m(x), with what the goal needs behind it. */
static void add_net(tune *x)
{
    bool many = x->f->result.len > 1 || x->o->until;

    text_add(x->out, "net %s(", x->net);
    add_columns(x);
    text_add(x->out, ") = m");
    if (many) {
        text_add(x->out, ".until(");
        text_add_string(x->out, x->f->result_name.at[0]);
        text_add(x->out, ")");
    }
    text_add(x->out, "(");
    add_arguments(x);
    text_add(x->out, ")%s", x->mean ? " |> global_mean" : "");
    if (x->head)
        text_add(x->out, " |> dense(%lld)", (long long)x->o->classes);
    text_add(x->out, "%s\n", x->scalar ? " |> scalar" : "");
}

/* An entry whose results are classes. */
static void add_entry(tune *x)
{
    text_add(x->out, "entry %s(", name_for(x, "classify"));
    add_columns(x);
    text_add(x->out, ") -> ");
    add_goal_type(x);
    text_add(x->out, " = argmax(%s(", x->net);
    add_arguments(x);
    text_add(x->out, "))\n");
}

/* ---- the block --------------------------------------------------------------------- */

/* A path stands in quotes; what is a source of the language is written as it is. */
static void add_source(tune *x, const char *source)
{
    if (source_is_path(source))
        text_add_string(x->out, source);
    else
        text_add(x->out, "%s", source);
}

static void add_data(tune *x, const char *clause, const rows_given *list, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        text_add(x->out, i ? ", %s = " : "    %s %s = ", i ? list[i].columns : clause,
                 list[i].columns);
        add_source(x, list[i].text);
    }
    text_add(x->out, n ? "\n" : "");
}

/* Some names of weights, for a message. */
static const char *some_weights(const tune *x)
{
    enum { SOME = 6 };
    const char *list = "none";

    for (uint32_t i = 0; i < x->weights.name.len && i < SOME; i++)
        list = i ? arena_printf(&x->d->mem, "%s, %s", list, x->weights.name.at[i])
                 : x->weights.name.at[i];
    return x->weights.name.len > SOME ? arena_printf(&x->d->mem, "%s, ..", list) : list;
}

/* A pattern that matches nothing is mistyped. */
static bool freezes_some(const tune *x, const char *pattern)
{
    nearest near = nearest_to(pattern);

    for (uint32_t i = 0; i < x->weights.name.len; i++) {
        if (text_matches(pattern, x->weights.name.at[i]))
            return true;
        nearest_try(&near, x->weights.name.at[i]);
    }
    return wrong(x, arena_printf(&x->d->mem, near.best ? "--freeze: %s is no weight that is "
                                 "trained; did you mean %s?" : "--freeze: %s is no weight that is "
                                 "trained; there are %s", pattern,
                                 near.best ? near.best : some_weights(x)));
}

/* A pattern that freezes nothing is a mistake. */
static bool freeze_is_right(const tune *x)
{
    char *rest = arena_strdup(&x->d->mem, x->o->freeze), *pattern;
    bool ok = true;

    while ((pattern = strsep(&rest, ",")))
        ok &= !*pattern || freezes_some(x, pattern);
    return ok;
}

/* What is trained, if some weights are not. */
static void add_over(tune *x)
{
    const char *sign = " over ";

    if (!x->o->freeze || !freeze_is_right(x))
        return;
    for (uint32_t i = 0; i < x->weights.name.len; i++) {
        if (text_matches(x->o->freeze, x->weights.name.at[i]))
            continue;
        text_add(x->out, "%s", sign);
        text_add_string(x->out, arena_printf(&x->d->mem, "m.%s", x->weights.name.at[i]));
        sign = ", ";
    }
    if (x->head)
        text_add(x->out, "%s%s", sign, x->net);
    else if (*sign == ' ')
        wrong(x, "--freeze leaves no weight to train");
}

static void add_objective(tune *x)
{
    const char *goal = x->kind == GOAL_BIT ? arena_printf(&x->d->mem, "real(%s)", x->goal)
                                           : x->goal;

    text_add(x->out, "    y = %s(", x->net);
    add_arguments(x);
    text_add(x->out, ")\n    minimize %s(y, %s)", x->o->loss, goal);
    add_over(x);
    text_add(x->out, " using %s\n", x->o->optimizer ? x->o->optimizer : "adam");
}

/* Metrics that have a name here; @ is what y is compared with, # an index for each axis, as
 * rows are reduced by their index. */
static const struct {
    const char *name, *of[3];           /* by goal_kind; null: it has no meaning */
} metrics[] = {
    {"accuracy", {"argmax(y) == @", "(y > 0) == (@ == 1)", NULL}},
    {"rmse", {NULL, NULL, "sqrt(mean[#] (y[#] - @[#])^2)"}},
    {"mae", {NULL, NULL, "abs(y - @)"}},
};

static void add_indices(tune *x)
{
    for (int i = 0; i < x->rank; i++)
        text_add(x->out, i ? ", i%d" : "i%d", i);
}

/* `of` is a row's text: # stands for the indices, @ for the goal. */
static void add_metric_of(tune *x, const char *name, const char *of)
{
    text_add(x->out, "    track %s = ", name);
    for (; *of; of++)
        if (*of == '#')
            add_indices(x);
        else if (*of == '@')
            text_add(x->out, "%s", x->goal);
        else
            text_add(x->out, "%c", *of);
    text_add(x->out, "\n");
}

/* By the kind of goal: `accuracy` of classes is another formula than that of bits. */
static void add_known_metric(tune *x, const char *name)
{
    const char *near = NULL;

    for (size_t i = 0; i < COUNT(metrics); i++) {
        const char *of = metrics[i].of[x->kind];
        near = near || !of ? near : metrics[i].name;
        if (of && !strcmp(metrics[i].name, name)) {
            add_metric_of(x, name, of);
            return;
        }
    }
    wrong(x, arena_printf(&x->d->mem, "--metric %s: with this loss %s is known; or NAME=EXPRESSION",
                          name, near));
}

/* The bytes of the name that a text begins with. */
static size_t name_length(const char *s)
{
    size_t n = 0;

    while (isalnum((unsigned char)s[n]) || s[n] == '_')
        n++;
    return isdigit((unsigned char)*s) ? 0 : n;
}

/* Accuracy is tracked unasked, where it means something. */
static void add_metrics(tune *x)
{
    if (!x->o->metrics && x->kind != GOAL_NUMBER)
        add_known_metric(x, "accuracy");
    for (int i = 0; i < x->o->metrics; i++) {
        const char *metric = x->o->metric[i];
        size_t n = name_length(metric), sign = n + strspn(metric + n, " ");
        if (n && metric[sign] == '=' && metric[sign + 1] != '=')
            text_add(x->out, "    track %.*s = %s\n", (int)n, metric, metric + sign + 1);
        else
            add_known_metric(x, metric);
    }
}

/* In the fewest digits that read back. */
static void add_share(tune *x, double share)
{
    char s[40];
    int digits = 1;

    do
        snprintf(s, sizeof s, "%.*g", digits, share);
    while (strtod(s, NULL) != share && ++digits <= 17);
    text_add(x->out, "    valid %s\n", s);
}

/* Only what was given: the language has defaults for the rest. */
static void add_clauses(tune *x)
{
    const trainer_options *t = x->t;

    if (t->batch)
        text_add(x->out, "    batch %lld\n", t->batch);
    if (t->valid >= 0)
        add_share(x, t->valid);
    if (t->epochs)
        text_add(x->out, "    epochs %lld\n", t->epochs);
}

/* The program, part by part in the order of the example at the top of this file. */
static void add_block(tune *x)
{
    text_add(x->out, "train %s(", name_for(x, "learn"));
    add_columns(x);
    text_add(x->out, ", %s: ", x->goal);
    add_goal_type(x);
    text_add(x->out, ") {\n");
    add_data(x, "data", x->t->data, x->t->datas);
    add_data(x, "test", x->t->test, x->t->tests);
    add_objective(x);
    add_metrics(x);
    add_clauses(x);
    text_add(x->out, "}\n");
}

/* ---- the program -------------------------------------------------------------------- */

static bool add_program(tune *x, const char *path)
{
    if (!x->o->loss)
        return wrong(x, "an ONNX model is trained by a loss: give --loss cross_entropy, mse, ..");
    if (!read_model(x, path) || !check_model(x) || !check_floats(x) || !find_goal(x))
        return false;
    find_names(x);
    text_add(x->out, "import ");
    text_add_string(x->out, path_base(path));
    text_add(x->out, " as m\n");
    add_dims(x);
    add_net(x);
    if (x->kind == GOAL_CLASS)
        add_entry(x);
    add_block(x);
    return !diag_failed(x->d);
}

/* to->program is text in d's memory.  as_is: its net is the model and nothing more,
 * so that the model's file can be written again with new weights. */
bool tune_program(const char *path, const tune_options *o, const trainer_options *t,
                  ir_dtype real, tuned *to, diag *d)
{
    text out = {0};
    tune x = {.o = o, .t = t, .real = real, .d = d, .out = &out};
    bool ok = add_program(&x, path);

    *to = (tuned){.as_is = !x.head && !o->until};
    if (ok)
        to->program = arena_strdup(&d->mem, out.at);
    names_free(&x.taken);
    vec_free(&x.weights.name);
    vec_free(&x.weights.ref);
    vec_free(&x.weights.constant);
    ir_module_free(x.m);
    text_free(&out);
    return ok;
}
