/* cli/tune_data.c - what columns hold: names of classes, of --classes cat,dog, or words in the data
 * of `label`, which get the order of their bytes, as in any program; whole numbers where the model
 * takes others, as pictures are; positions in a table. */
#include "tune_parts.h"

#include <ctype.h>

#include "data_probe.h"
#include "file_kind.h"
#include "lex.h"
#include "probe.h"
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
    bool input = i < x->inputs, classes = !input && x->kind == GOAL_CLASS;
    const ir_type *t = input ? tune_input(x, i) : tune_result(x);
    int64_t *dims = arena_array(&x->d->mem, int64_t, IR_MAX_RANK);

    *c = (struct ingot_train_column){.name = input ? x->input[i] : x->goal, .dims = dims,
                                     .missing = 1, .bound = classes ? -1 : 0,
                                     .rank = (input ? t->rank : x->rank) - 1 - classes,
                                     .dtype = dt_of(input ? t->dtype : DT_I64)->onnx};
    for (int a = 0; a < c->rank; a++)
        if (!dim_const(&x->m->dims, t->dim[a + 1], &dims[a]))
            dims[a] = -1;
}

/* As the language writes it. */
static const char *source_text(const tune *x, const rows_given *given)
{
    text t = {0};

    if (!source_is_path(given->text))
        return given->text;
    text_add_string(&t, given->text);
    const char *copy = arena_strdup(&x->d->mem, t.at);
    text_free(&t);
    return copy;
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

    for (uint32_t i = 0; i <= x->inputs; i++)
        describe(x, i, &all[i]);
    int32_t n = rows_columns(&b, given->columns, index, why);
    c = arena_array(&x->d->mem, struct ingot_train_column, (size_t)max_i64(n, 0) + 1);
    for (int32_t i = 0; i < n; i++)
        c[i] = all[index[i]];
    bool ok = n > 0 && data_probe(NULL, source_text(x, given), c, n, &x->d->mem, &error);
    for (int32_t i = 0; ok && i < n; i++)
        if (index[i] == (int32_t)x->inputs) {
            x->class_name = c[i].names;
            x->class_names = c[i].name_count;
        }
}

/* ---- what inputs hold ------------------------------------------------------------- */

/* The type of elements of the file that a column's data are, alone; DT_NONE: not known. */
static ir_dtype type_in_file(const tune *x, uint32_t i)
{
    const char *name = i < x->inputs ? x->input[i] : x->goal;
    char why[TENSOR_ERROR_SIZE];
    struct ingot_train_column c;
    ir_dtype dt = DT_NONE;
    array a;

    for (int32_t k = 0; k < x->t->datas; k++) {
        if (strcmp(x->t->data[k].columns, name))
            continue;
        describe(x, i, &c);
        if (probe_source(source_text(x, &x->t->data[k]), NULL, &c, &a, 1, why))
            dt = dt_from_onnx(a.dtype);
        array_free(&a);
    }
    return dt;
}

/* How many rows has the table that the input's numbers are positions in; 0: none.  It is found by
 * the select in front of the look-up, by which a file counts from the end below 0. */
static int64_t positions_in(const tune *x, uint32_t input)
{
    const ir_fn *f = x->f;
    int64_t least = 0, n;

    for (uint32_t i = 0; i < f->node.len; i++) {
        const ir_node *g = &f->node.at[i];
        if (g->op != OP_GATHER || g->attr->GATHER.axes.n != 1)
            continue;
        const ir_node *from = ir_node_of(f, ir_arg(f, g, 1));
        bool own = from->op == OP_SELECT && ir_arg(f, from, 2) == f->param.at[input];
        const ir_type *table = ir_type_of(f, ir_arg(f, g, 0));
        if (own && dim_const(&x->m->dims, table->dim[g->attr->GATHER.axes.at[0]], &n))
            least = least && least < n ? least : n;
    }
    return least;
}

/* Positions in a table of n rows. */
typedef struct positions {
    int64_t n;
    bool negative;              /* is there one that counts from the end? */
    const char *outside;        /* the first one beyond either end, for a message; null: none */
} positions;

/* Those of an input, if they stand alone in a file. */
static void look_at_positions(const tune *x, uint32_t input, const rows_given *given, int32_t count,
                              positions *p)
{
    char why[TENSOR_ERROR_SIZE];
    struct ingot_train_column c;
    array a;

    for (int32_t i = 0; i < count; i++) {
        if (strcmp(given[i].columns, x->input[input]))
            continue;
        describe(x, input, &c);
        bool ok = probe_source(source_text(x, &given[i]), NULL, &c, &a, 1, why) && a.rows;
        tensor t = {.dtype = a.dtype, .data = (void *)(uintptr_t)a.data};
        int64_t elements = ok ? (a.rows - 1) * a.stride + array_row(&a) : 0;
        for (int64_t k = 0; k < elements; k++) {
            double v = tensor_element(&t, k);
            p->negative |= v < 0;
            if (!p->outside && (v < (double)-p->n || v >= (double)p->n))
                p->outside = arena_printf(&x->d->mem, "%s: row %lld: %.0f, must be below %lld and "
                                          "at least -%lld", given[i].text,
                                          (long long)(k / a.stride) + 1, v, (long long)p->n,
                                          (long long)p->n);
        }
        array_free(&a);
    }
}

/* Do data have negative positions, which count from the end of the table?  Then they are looked at
 * here, and no bound is declared: that would refuse them. */
static bool counts_from_end(tune *x, uint32_t input, int64_t n)
{
    positions p = {.n = n};

    look_at_positions(x, input, x->t->data, x->t->datas, &p);
    look_at_positions(x, input, x->t->test, x->t->tests, &p);
    if (p.negative && p.outside)
        tune_wrong(x, p.outside);
    return p.negative;
}

void tune_find_elements(tune *x)
{
    for (uint32_t i = 0; i < x->inputs; i++) {
        ir_dtype dt = tune_input(x, i)->dtype, has = dt == x->real ? type_in_file(x, i) : DT_NONE;
        int64_t n = dt == DT_I64 ? positions_in(x, i) : 0;
        bool bounded = n && !counts_from_end(x, i, n);
        x->elem[i] = bounded ? arena_printf(&x->d->mem, "int<%lld>", (long long)n)
                             : tune_elem_text(x, dt_is_int(has) ? has : dt);
        x->converted[i] = dt_is_int(has);
        if (x->converted[i])
            diag_warning(x->d, (ir_loc){0}, "'%s' takes real numbers and its data are %s: they are "
                         "taken as they are, and not scaled; --print shows where to do so",
                         x->f->param_name.at[i], dt_text(has));
    }
    if (x->kind == GOAL_BIT && dt_is_float(type_in_file(x, x->inputs)))
        x->kind = GOAL_SHARE;
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
