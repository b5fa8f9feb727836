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
#include "tune_parts.h"

#include <ctype.h>
#include <stdlib.h>

#include "dsl/dsl.h"
#include "onnx.h"

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
    {"--loss", "LOSS", "of an ONNX model: cross_entropy, mse, bce, another function of (y, target) "
     "of the prelude, or an expression of y and target or label",
     .set = cli_set_once, .at = AT(loss)},
    {"--optimizer", "OPT", "of an ONNX model: 'adamw(1e-4)', .. (default: adam)",
     .set = cli_set_once, .at = AT(optimizer)},
    {"--freeze", "PATTERN,..", "weights of an ONNX model that stay, by name; * is any part",
     .set = cli_set_once, .at = AT(freeze)},
    {"--metric", "METRIC", "of an ONNX model: accuracy, rmse, mae, or NAME=EXPRESSION of y and "
     "target or label", .set = add_metric},
    {"--until", "VALUE", "the value at which an ONNX model ends", .set = cli_set_once,
     .at = AT(until)},
    {"--classes", "N|NAME,..", "how many there are, or their names in order: an ONNX model with "
     "another number of results gets a layer", .set = tune_set_classes, .least = 2,
     .most = 1 << 30},
    {0}};

bool tune_is_given(const tune_options *o)
{
    return o->loss || o->optimizer || o->freeze || o->until || o->metrics || o->classes;
}

/* ---- the model -------------------------------------------------------------------- */

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
    return x->f && (x->f->result.len || tune_wrong(x, "the model has no output"));
}

/* Rows are the first axis of all that is read, and of the result. */
static bool check_model(const tune *x)
{
    const ir_type *y = tune_result(x);

    for (uint32_t i = 0; i < x->inputs; i++)
        if (tune_input(x, i)->kind != TY_TENSOR || !tune_input(x, i)->rank)
            return tune_wrong(x, arena_printf(&x->d->mem, "input '%s' has no axis for rows: write "
                                              "a program that imports the model",
                                              x->f->param_name.at[i]));
    return (y->kind == TY_TENSOR && dt_is_float(y->dtype) && y->rank) ||
           tune_wrong(x, arena_printf(&x->d->mem, "'%s' is no floating-point value with an axis "
                                      "for rows: --until chooses another",
                                      x->f->result_name.at[0]));
}

/* ---- names ------------------------------------------------------------------------- */

const char *tune_name(tune *x, const char *raw)
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
            for (int a = rest; a < (rest ? tune_input(x, i)->rank : 1); a++) {
                uint32_t id = dim_symbol_id(table, tune_input(x, i)->dim[a]);
                if (id != NAMES_NONE && !x->dim[id])
                    x->dim[id] = rest ? tune_name(x, table->symbol.at[id].name) : "N";
            }
}

/* Names of the program that is written, none of which may be one of the model's. */
static void find_names(tune *x)
{
    x->input = arena_array(&x->d->mem, const char *, x->inputs + 1);
    x->elem = arena_array(&x->d->mem, const char *, x->inputs + 1);
    x->converted = arena_array(&x->d->mem, bool, x->inputs + 1);
    names_add(&x->taken, "m");
    names_add(&x->taken, "y");
    names_add(&x->taken, "N");
    for (uint32_t i = 0; i < x->inputs; i++)
        x->input[i] = tune_name(x, x->f->param_name.at[i]);
    find_dims(x);
    x->net = tune_name(x, "tuned");
    x->goal = tune_name(x, x->kind == GOAL_CLASS ? "label" : "target");
    x->kinds = tune_name(x, "kinds");
}

/* What the program calls a column that is given by its name in the model or there; null. */
static const char *column_named(const tune *x, const char *name)
{
    for (uint32_t i = 0; i < x->inputs; i++)
        if (!strcmp(x->f->param_name.at[i], name))
            return x->input[i];
    for (uint32_t i = 0; i < x->inputs; i++)
        if (!strcmp(x->input[i], name))
            return x->input[i];
    return strcmp(x->goal, name) ? NULL : x->goal;
}

static void no_column(const tune *x, const char *path, const char *option, const char *name)
{
    names known = {0};

    for (uint32_t i = 0; i < x->inputs; i++)
        names_add(&known, x->f->param_name.at[i]);
    names_add(&known, x->goal);
    import_unknown(x->d, path, option, name, &known);
    names_free(&known);
}

/* "input.1,label" with the columns' names instead; what is at `names` is written to.  Null after a
 * message; else to be freed. */
static char *columns_of(const tune *x, const char *path, const char *option, char *names)
{
    text all = {0};
    char *one;

    for (const char *sign = ""; (one = strsep(&names, ",")); sign = ",") {
        const char *column = column_named(x, one);
        if (!column) {
            text_free(&all);
            no_column(x, path, option, one);
            return NULL;
        }
        text_add(&all, "%s%s", sign, column);
    }
    char *copy = strdup(all.at);
    text_free(&all);
    if (!copy)
        tune_wrong(x, "no memory");
    return copy;
}

/* --data input.1,label=..: columns by the model's names for its inputs.  The trainer's options
 * own their texts. */
static bool name_columns(const tune *x, const char *path, const char *option, rows_given *l,
                         int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        char *names = arena_strdup(&x->d->mem, l[i].columns);
        char *columns = columns_of(x, path, option, names);
        if (!columns)
            return false;
        free((char *)(uintptr_t)l[i].columns);
        l[i].columns = columns;
    }
    return true;
}

static bool find_columns(const tune *x, const char *path)
{
    const char *usual = x->kind == GOAL_CLASS ? "label" : "target";

    if (strcmp(x->goal, usual))
        diag_warning(x->d, (ir_loc){0}, "%s: has an input '%s', so that what it is compared with "
                     "is the column %s", path, usual, x->goal);
    return name_columns(x, path, "--data", x->t->data, x->t->datas) &&
           name_columns(x, path, "--test", x->t->test, x->t->tests);
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
    const char *advice = dt == DT_F64   ? ": give --f64"
                         : dt == DT_F32 ? ": leave out --f64"
                                        : ": export the model in f32, and make it smaller when it "
                                          "is trained";

    return tune_wrong(x, arena_printf(&x->d->mem, "'%s' is of %s, and training computes in %s%s",
                                      name, dt_text(dt), dt_text(x->real), advice));
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
    return tune_result(x)->dtype == x->real ||
           wrong_floats(x, x->f->result_name.at[0], tune_result(x)->dtype);
}

/* What the loss compares with follows from the loss: classes, bits or numbers;
 * pictures of features are averaged first, and a layer is added where the number of
 * classes is another. */
static bool find_goal(tune *x)
{
    const ir_type *y = tune_result(x);

    x->kind = kind_of(x->o->loss);
    x->mean = x->kind != GOAL_NUMBER && y->rank == 4;
    x->rank = x->mean ? 2 : y->rank;
    int64_t last = extent(x, y, x->rank - 1);
    x->classes = x->o->classes ? x->o->classes : last;
    x->head = x->o->classes && last != x->o->classes;
    x->scalar = !x->head && x->kind != GOAL_CLASS && x->rank == 2 && last == 1;
    x->rank -= x->scalar;
    if (x->head && x->rank < 2)
        return tune_wrong(x, "a row of the result is one number, which no layer makes classes of: "
                     "--until chooses another value");
    return x->kind != GOAL_CLASS || x->classes > 0 ||
           tune_wrong(x, "how many classes there are is not known: give --classes");
}

/* ---- words of the library ----------------------------------------------------------- */

/* A value such as label_smoothed(0.1) begins with a function of the language, or else it is
 * mistyped: said here, for the program that it would stand in is not the user's text.  `file`
 * and `head` are where the library defines such. */
static bool check_word(const tune *x, const char *path, const char *option, const char *value,
                       const char *file, const char *head)
{
    const char *name = value ? arena_strndup(&x->d->mem, value, tune_word_length(value)) : "";
    names known = {0};

    if (!*name || dsl_is_word(name))
        return true;
    dsl_library_names(file, head, &x->d->mem, &known);
    import_unknown(x->d, path, option, name, &known);
    names_free(&known);
    return false;
}

static bool check_words(const tune *x, const char *path)
{
    return check_word(x, path, "--loss", x->o->loss, "losses", "fn ") &&
           check_word(x, path, "--optimizer", x->o->optimizer, "optimizers", "optimizer ");
}

/* One output is trained; the file may have more. */
static void tell_outputs(const tune *x, const char *path)
{
    const char *all = "";

    if (x->f->result.len < 2)
        return;
    for (uint32_t i = 1; i < x->f->result.len; i++)
        all = arena_printf(&x->d->mem, "%s%s%s", all, *all ? ", " : "", x->f->result_name.at[i]);
    diag_warning(x->d, (ir_loc){0}, "%s: its first output '%s' is trained; --until %s chooses "
                 "another%s%s", path, x->f->result_name.at[0], x->f->result_name.at[1],
                 x->f->result.len > 2 ? ", of " : "", x->f->result.len > 2 ? all : "");
}

/* ---- the program -------------------------------------------------------------------- */

static bool add_program(tune *x, const char *path)
{
    if (!x->o->loss)
        return tune_wrong(x, "an ONNX model is trained by a loss: give --loss cross_entropy, "
                          "mse, ..");
    if (!check_words(x, path) || !read_model(x, path) || !check_model(x) || !check_floats(x) ||
        !find_goal(x))
        return false;
    find_names(x);
    if (!find_columns(x, path) || !tune_find_classes(x))
        return false;
    tune_find_elements(x);
    tell_outputs(x, path);
    tune_write(x, path);
    return !diag_failed(x->d);
}

/* to->program is text in d's memory.  as_is: its net is the model and nothing more,
 * so that the model's file can be written again with new weights. */
bool tune_program(const char *path, const tune_options *o, trainer_options *t,
                  ir_dtype real, tuned *to, diag *d)
{
    text out = {0};
    tune x = {.o = o, .t = t, .real = real, .d = d, .out = &out};
    bool ok = add_program(&x, path);

    *to = (tuned){.as_is = !x.head && !o->until};
    if (ok) {
        to->program = arena_strdup(&d->mem, out.at);
        to->layer = x.head ? arena_printf(&d->mem, "%s.dense1", x.net) : NULL;
        to->head = (onnx_head){.until = arena_strdup(&d->mem, x.f->result_name.at[0]),
                               .mean = x.mean, .scalar = x.scalar, .real = real, .rank = x.rank};
    }
    names_free(&x.taken);
    vec_free(&x.weights.name);
    vec_free(&x.weights.ref);
    vec_free(&x.weights.constant);
    ir_module_free(x.m);
    text_free(&out);
    return ok;
}
