/* cli/tune_classes.c - names of classes: of --classes cat,dog, or words in the data of `label`,
 * which get the order of their bytes, as in any program. */
#include "tune_parts.h"

#include <ctype.h>

#include "data_probe.h"
#include "file_kind.h"
#include "lex.h"
#include "source.h"

bool tune_set_classes(void *to, const cli_option *option, const char *value)
{
    tune_options *o = to;
    long long n = 1;

    if (o->classes)
        return cli_wrong("%s is given twice", option->name);
    if (value[strspn(value, "0123456789")] == '\0')
        return cli_number(option->name, value, option->least, option->most, &o->classes);
    for (const char *c = value; *c; c++)
        n += *c == ',';
    bool gap = *value == ',' || strstr(value, ",,") || (*value && value[strlen(value) - 1] == ',');
    if (n < option->least || gap)
        return cli_wrong("%s %s: is a number, or two names or more: cat,dog", option->name, value);
    o->classes = n;
    o->class_names = value;
    return true;
}

/* ---- what data say --------------------------------------------------------------- */

/* Column i of the block, as far as the model tells it; the last one is the goal. */
static void describe(const tune *x, uint32_t i, struct ingot_train_column *c)
{
    const ir_type *t = i < x->inputs ? tune_input(x, i) : tune_result(x);
    int64_t *dims = arena_array(&x->d->mem, int64_t, IR_MAX_RANK);

    *c = (struct ingot_train_column){.name = i < x->inputs ? x->input[i] : x->goal, .dims = dims,
                                     .missing = 1, .bound = i < x->inputs ? 0 : -1,
                                     .rank = i < x->inputs ? t->rank - 1 : x->rank - 2,
                                     .dtype = dt_of(i < x->inputs ? t->dtype : DT_I64)->onnx};
    for (int a = 0; a < c->rank; a++)
        if (!dim_const(&x->m->dims, t->dim[a + 1], &dims[a]))
            dims[a] = -1;
}

/* The words of `label` in one source.  What is wrong with it is told when it is trained on. */
static void find_words(tune *x, const rows_given *given)
{
    char why[TENSOR_ERROR_SIZE];
    struct ingot_train_column *all = arena_array(&x->d->mem, struct ingot_train_column,
                                                 x->inputs + 1), *c;
    const struct ingot_train_block b = {.name = "", .columns = all,
                                        .column_count = (int32_t)x->inputs + 1};
    int32_t *index = arena_array(&x->d->mem, int32_t, x->inputs + 1);
    const char *error;
    text source = {0};

    for (uint32_t i = 0; i <= x->inputs; i++)
        describe(x, i, &all[i]);
    int32_t n = rows_columns(&b, given->columns, index, why);
    c = arena_array(&x->d->mem, struct ingot_train_column, (size_t)max_i64(n, 0) + 1);
    for (int32_t i = 0; i < n; i++)
        c[i] = all[index[i]];
    if (source_is_path(given->text))
        text_add_string(&source, given->text);
    else
        text_add(&source, "%s", given->text);
    bool ok = n > 0 && data_probe(source.at, c, n, &x->d->mem, &error);
    for (int32_t i = 0; ok && i < n; i++)
        if (index[i] == (int32_t)x->inputs) {
            x->class_name = c[i].names;
            x->class_names = c[i].name_count;
        }
    text_free(&source);
}

/* ---- all ---------------------------------------------------------------------------- */

static void split(tune *x)
{
    char *rest = arena_strdup(&x->d->mem, x->o->class_names);
    const char **name = arena_array(&x->d->mem, const char *, (size_t)x->classes + 1);

    for (char *one; (one = strsep(&rest, ","));)
        name[x->class_names++] = one;
    x->class_name = name;
}

bool tune_find_classes(tune *x)
{
    if (x->kind != GOAL_CLASS)
        return !x->o->class_names || tune_wrong(x, "--classes has names, and this loss compares "
                                                "with no classes");
    if (x->o->class_names)
        split(x);
    for (int32_t i = 0; !x->class_names && i < x->t->datas; i++)
        if (rows_has_column(x->t->data[i].columns, x->goal, strlen(x->goal)))
            find_words(x, &x->t->data[i]);
    if (!x->class_names || x->class_names == x->classes)
        return true;
    return tune_wrong(x, arena_printf(&x->d->mem, x->class_names < x->classes ?
                                      "'%s' has %lld words, the model %lld classes: --classes "
                                      "NAME,NAME,.. says what each is called" :
                                      "'%s' has %lld words, the model %lld classes: --classes %lld "
                                      "gives it a layer for as many",
                                      x->goal, (long long)x->class_names, (long long)x->classes,
                                      (long long)x->class_names));
}
