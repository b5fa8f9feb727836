/* cli/tune_text.c - the text of the program that trains an ONNX model: types, items, the block, in
 * the order of the example in tune.c. */
#include "tune_parts.h"

#include <ctype.h>
#include <stdlib.h>

#include "file_kind.h"
#include "lex.h"
#include "nearest.h"
#include "source.h"

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
        tune_wrong(x, "an extent of the model's result is computed: write a program that imports "
                   "it");
}

const char *tune_elem_text(const tune *x, ir_dtype dt)
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

/* As data are, or as the model takes them. */
static void add_columns(tune *x, bool data)
{
    for (uint32_t i = 0; i < x->inputs; i++) {
        const ir_type *t = tune_input(x, i);
        text_add(x->out, "%s%s: ", i ? ", " : "", x->input[i]);
        add_type(x, data ? x->elem[i] : tune_elem_text(x, t->dtype), t, t->rank);
    }
}

/* The axes of the net's result, the classes apart, are those of what it is compared with. */
static void add_goal_type(tune *x)
{
    char elem[40] = "";

    if (x->class_names)
        snprintf(elem, sizeof elem, "int<%s>", x->kinds);
    else if (x->kind == GOAL_CLASS)
        snprintf(elem, sizeof elem, "int<%lld>", (long long)x->classes);
    else if (x->kind == GOAL_BIT)
        snprintf(elem, sizeof elem, "int<2>");
    add_type(x, elem, tune_result(x), x->rank - (x->kind == GOAL_CLASS));
}

static void add_arguments(tune *x, bool data)
{
    for (uint32_t i = 0; i < x->inputs; i++)
        text_add(x->out, "%s%s%s%s", i ? ", " : "", data && x->converted[i] ? "real(" : "",
                 x->input[i], data && x->converted[i] ? ")" : "");
}

/* ---- items ------------------------------------------------------------------------- */

/* Data, or --dim, decide them. */
static void add_dims(tune *x)
{
    for (uint32_t i = 0; i < x->m->dims.symbol.len; i++)
        if (x->dim[i] && strcmp(x->dim[i], "N"))
            text_add(x->out, "dim %s\n", x->dim[i]);
    for (int64_t i = 0; i < x->class_names; i++) {
        text_add(x->out, i ? ", " : "dim %s = [", x->kinds);
        text_add_string(x->out, x->class_name[i]);
    }
    text_add(x->out, x->class_names ? "]\n" : "");
}

/* net tuned(x: ..) = m(x), with what the goal needs behind it. */
static void add_net(tune *x)
{
    bool many = x->f->result.len > 1 || x->o->until;

    text_add(x->out, "net %s(", x->net);
    add_columns(x, false);
    text_add(x->out, ") = m");
    if (many) {
        text_add(x->out, ".until(");
        text_add_string(x->out, x->f->result_name.at[0]);
        text_add(x->out, ")");
    }
    text_add(x->out, "(");
    add_arguments(x, false);
    text_add(x->out, ")%s", x->mean ? " |> global_mean" : "");
    if (x->head)
        text_add(x->out, " |> dense(%lld)", (long long)x->o->classes);
    text_add(x->out, "%s\n", x->scalar ? " |> scalar" : "");
}

/* An entry whose results are classes. */
static void add_entry(tune *x)
{
    text_add(x->out, "entry %s(", tune_name(x, "classify"));
    add_columns(x, true);
    text_add(x->out, ") -> ");
    add_goal_type(x);
    text_add(x->out, " = argmax(%s(", x->net);
    add_arguments(x, true);
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
    return tune_wrong(x, arena_printf(&x->d->mem, near.best ? "--freeze: %s is no weight that is "
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
        tune_wrong(x, "--freeze leaves no weight to train");
}

/* Is the name a word of the text? */
static bool mentions(const char *s, const char *name)
{
    size_t n;

    for (; *s; s += n ? n : 1) {
        n = strspn(s, "0123456789.");
        n = n ? n + strspn(s + n, "abcdefghijklmnopqrstuvwxyz") : tune_word_length(s);
        if (n == strlen(name) && !strncmp(s, name, n))
            return true;
    }
    return false;
}

/* A loss is a function that is given result and goal, or a formula that has them in it. */
static void add_objective(tune *x)
{
    const char *goal = x->kind == GOAL_BIT ? arena_printf(&x->d->mem, "real(%s)", x->goal)
                                           : x->goal;

    text_add(x->out, "    y = %s(", x->net);
    add_arguments(x, true);
    text_add(x->out, ")\n    minimize %s", x->o->loss);
    if (!mentions(x->o->loss, "y"))
        text_add(x->out, "(y, %s)", goal);
    add_over(x);
    text_add(x->out, " using %s\n", x->o->optimizer ? x->o->optimizer : "adam");
}

/* Metrics that have a name here; @ is what y is compared with. */
static const struct {
    const char *name, *of[GOALS];       /* by goal_kind; null: it has no meaning */
} metrics[] = {
    {"accuracy", {"argmax(y) == @", "(y > 0) == (@ == 1)", "(y > 0) == (@ > 0.5)", NULL}},
    {"rmse", {NULL, NULL, NULL, "sqrt(mean[..] (y - @)^2)"}},
    {"mae", {NULL, NULL, NULL, "abs(y - @)"}},
};

/* `of` is a row's text, in which @ stands for the goal. */
static void add_metric_of(tune *x, const char *name, const char *of)
{
    text_add(x->out, "    track %s = ", name);
    for (; *of; of++)
        if (*of == '@')
            text_add(x->out, "%s", x->goal);
        else
            text_add(x->out, "%c", *of);
    text_add(x->out, "\n");
}

/* By the kind of goal: `accuracy` of classes is another formula than that of bits. */
static void add_known_metric(tune *x, const char *name)
{
    const char *known = "";

    for (size_t i = 0; i < COUNT(metrics); i++) {
        const char *of = metrics[i].of[x->kind];
        if (of)
            known = arena_printf(&x->d->mem, "%s%s, ", known, metrics[i].name);
        if (of && !strcmp(metrics[i].name, name)) {
            add_metric_of(x, name, of);
            return;
        }
    }
    tune_wrong(x, arena_printf(&x->d->mem, "--metric %s is not known with this loss: give "
                               "%sor NAME=EXPRESSION", name, known));
}

size_t tune_word_length(const char *s)
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
        size_t n = tune_word_length(metric), sign = n + strspn(metric + n, " ");
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

static void add_block(tune *x)
{
    text_add(x->out, "train %s(", tune_name(x, "learn"));
    add_columns(x, true);
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

/* ---- the file ------------------------------------------------------------------------- */

void tune_write(tune *x, const char *path)
{
    text_add(x->out, "import ");
    text_add_string(x->out, path_base(path));
    text_add(x->out, " as m\n");
    add_dims(x);
    add_net(x);
    if (x->kind == GOAL_CLASS)
        add_entry(x);
    add_block(x);
}
