/* cli/test_case.c - one case: its model, its data, the comparison.  A case is a
 * folder with model.onnx and test_data_set_0, 1 .. in each of which input_0.pb and
 * output_0.pb are values in order.  A model that the compiler has gaps for is
 * skipped, not failed, unless it has other errors. */
#include "test_case.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "bind.h"

/* ---- files ------------------------------------------------------------------------- */

static bool exists(const char *folder, const char *name)
{
    char *path;
    bool found = asprintf(&path, "%s/%s", folder, name) > 0 && !access(path, R_OK);

    free(path);
    return found;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names that begin so, sorted; null and 0 for none. */
char **test_list(const char *folder, const char *prefix, int *count)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    VEC(char *) names = {0};

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.' && !strncmp(e->d_name, prefix, strlen(prefix)))
            vec_push(&names, strdup(e->d_name));
    if (d)
        closedir(d);
    *count = (int)names.len;
    if (names.len)
        qsort(names.at, names.len, sizeof *names.at, by_name);
    return names.at;
}

void test_list_free(char **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    mem_free(names);
}

static bool has_data(const char *folder)
{
    int count;
    char **sets = test_list(folder, "test_data_set_", &count);

    test_list_free(sets, count);
    return count > 0;
}

bool test_is_case(const char *folder, bool model_given)
{
    return has_data(folder) && (model_given || exists(folder, "model.onnx"));
}

bool test_is_half(const char *folder)
{
    return has_data(folder) || exists(folder, "model.onnx");
}

/* ---- tolerances ---------------------------------------------------------------------- */

/* Finds the number behind "key" in a small JSON file of the case. */
static bool json_number(const char *folder, const char *file, const char *key, double *out)
{
    char *path, buffer[8192], quoted[64];
    bool found = false;

    if (asprintf(&path, "%s/%s", folder, file) < 0)
        return false;
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(buffer, 1, sizeof buffer - 1, f) : 0;
    buffer[n] = 0;
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    const char *p = strstr(buffer, quoted);
    if (p && (p = strchr(p + strlen(quoted), ':')))
        found = sscanf(p + 1, "%lf", out) == 1;
    if (f)
        fclose(f);
    free(path);
    return found;
}

/* --rtol and --atol, else what the case says in one of its files, else the usual
 * one. */
static double tolerance(const char *folder, const char *key, double given, double usual)
{
    double v;

    if (given >= 0)
        return given;
    if (json_number(folder, "data.json", key, &v) || json_number(folder, "about.json", key, &v))
        return v;
    return usual;
}

/* ---- data --------------------------------------------------------------------------- */

/* One side of a set: files `prefix`0.pb, 1.pb .. belong to the inputs or outputs
 * of an entry in order. */
typedef struct values {
    const char *prefix, *what;
    const struct ingot_value_info *info;
    uint32_t want, count;       /* values of the entry; files that are there */
    tensor_value *at;
} values;

static values inputs_of(const struct ingot_entry *e)
{
    return (values){"input_", "input", e->inputs, (uint32_t)e->input_count, 0, NULL};
}

static values outputs_of(const struct ingot_entry *e)
{
    return (values){"output_", "output", e->outputs, (uint32_t)e->output_count, 0, NULL};
}

static void values_free(values *v)
{
    for (uint32_t i = 0; v->at && i < v->want; i++)
        tensor_value_free(&v->at[i]);
    mem_free(v->at);
    v->at = NULL;
}

/* Reads as many files as there are; one more than the entry has values is an error. */
static bool load(const char *folder, const char *set, values *v, char *error)
{
    bool ok = true, there = true;

    v->at = mem_alloc((v->want + 1) * sizeof *v->at);
    while (ok && there) {
        char *path;
        if (asprintf(&path, "%s/%s/%s%u.pb", folder, set, v->prefix, v->count) < 0)
            return false;
        there = !access(path, F_OK);
        if (there && v->count == v->want) {
            snprintf(error, TENSOR_ERROR_SIZE, "%s: belongs to no %s: the model has %u", path,
                     v->what, v->want);
            ok = false;
        } else if (there) {
            ok = tensor_read(path, bind_kind(&v->info[v->count]), &v->at[v->count], error);
            v->count += ok;
        }
        free(path);
    }
    return ok;
}

/* ---- a set --------------------------------------------------------------------------- */

/* All outputs that differ are told, each with its first element and largest error. */
static bool compare_all(const test_settings *s, const char *folder, const values *want,
                        const tensor_value *got, text *why)
{
    double rtol = tolerance(folder, "rtol", s->rtol, 1e-3);
    double atol = tolerance(folder, "atol", s->atol, 1e-7);
    bool ok = true;

    for (uint32_t i = 0; i < want->count; i++) {
        tensor_diff d = tensor_compare(&got[i], &want->at[i], rtol, atol);
        if (d.equal)
            continue;
        text_add(why, "%soutput %u '%s': %s", ok ? "" : "; ", i, want->info[i].name, d.text);
        if (d.max_abs > 0)
            text_add(why, ", largest error %.3g absolute, %.3g relative", d.max_abs, d.max_rel);
        ok = false;
    }
    return ok;
}

/* Adds to `why` what went wrong. */
static bool run_and_compare(const test_settings *s, const char *folder, ingot_engine *e,
                            const values *in, const values *want, text *why)
{
    uint32_t n = want->want;
    tensor_value *got = mem_alloc((n + 1) * sizeof *got);
    char error[TENSOR_ERROR_SIZE] = "";
    bool ran = ingot_engine_run(e, in->at, got, error);
    bool ok = ran && compare_all(s, folder, want, got, why);

    if (!ran)
        text_add(why, "%s", error);
    for (uint32_t i = 0; ran && i < n; i++)
        tensor_value_free(&got[i]);
    mem_free(got);
    return ok;
}

/* Inputs up to the last one that may not be left out. */
static uint32_t required(const struct ingot_entry *e)
{
    uint32_t n = (uint32_t)e->input_count;

    while (n > 0 && e->inputs[n - 1].optional)
        n--;
    return n;
}

/* Outputs must all be there; inputs with a default may be left out at the end. */
static bool run_set(const test_settings *s, const char *folder, const char *set, ingot_engine *e,
                    text *why)
{
    const struct ingot_entry *entry = ingot_engine_entry(e);
    values in = inputs_of(entry), want = outputs_of(entry);
    char error[TENSOR_ERROR_SIZE] = "";
    bool ok = false;

    if (!load(folder, set, &in, error) || !load(folder, set, &want, error))
        text_add(why, "%s", error);
    else if (in.count < required(entry))
        text_add(why, "%s: there are %u input files for %u inputs", set, in.count, in.want);
    else if (want.count < want.want)
        text_add(why, "%s: there are %u output files for %u outputs", set, want.count, want.want);
    else
        ok = run_and_compare(s, folder, e, &in, &want, why);
    values_free(&in);
    values_free(&want);
    return ok;
}

/* ---- a case --------------------------------------------------------------------------- */

/* The first few messages, or what is not supported if that alone was wrong. */
static void explain(const diag *d, text *why)
{
    for (uint32_t i = 0; i < d->message.len && i < 3; i++)
        text_add(why, "%s%s", i ? "; " : "", d->message.at[i].text);
    for (uint32_t i = 0; i < d->gap.len && i < 5 && !d->errors; i++) {
        const diag_gap *g = &d->gap.at[i];
        text_add(why, "%s%s%s%s: %s", i ? "; " : "", g->op, *g->version ? "-" : "", g->version,
                 g->reason);
    }
}

/* Adds to the options, behind the shapes that are given, the extents that the inputs
 * have in this set. */
static bool bind_shapes(const struct ingot_entry *e, const char *folder, const char *set,
                        import_options *o, diag *d)
{
    values in = inputs_of(e);
    char error[TENSOR_ERROR_SIZE];
    bool ok = load(folder, set, &in, error) || diag_error(d, (ir_loc){0}, D_GENERAL, error);
    import_shape *shape =
        arena_array(&d->mem, import_shape, (size_t)o->shapes + in.count + 1);
    int n = o->shapes;

    if (n)
        memcpy(shape, o->shape, (size_t)n * sizeof *shape);
    for (uint32_t i = 0; ok && i < in.count; i++) {
        const tensor *t = &in.at[i].t;
        if (in.at[i].kind != TENSOR_PLAIN)
            continue;
        shape[n].input = arena_strdup(&d->mem, e->inputs[i].name);
        shape[n].rank = t->rank;
        memcpy(shape[n++].dims, t->dims, (size_t)t->rank * sizeof *t->dims);
    }
    o->shape = shape;
    o->shapes = n;
    values_free(&in);
    return ok;
}

/* The model, bound to the extents of `set` if asked for. */
static ir_module *load_model(const test_settings *s, const char *path, const char *folder,
                             const char *set, diag *d)
{
    ingot_options o = s->model;
    ir_module *m = ingot_load(path, &o, d);

    if (!m || !s->bind)
        return m;
    interpreter *x = interpreter_open(m);
    bool ok = bind_shapes(interpreter_model(x)->entries, folder, set, &o.import, d);
    interpreter_close(x);
    ir_module_free(m);
    return ok ? ingot_load(path, &o, d) : NULL;
}

/* Does it draw random numbers?  The standard does not say which, so that what another
 * program drew cannot be expected. */
static bool draws(const ir_module *m)
{
    for (uint32_t i = 0; i < m->all_fns.len; i++)
        for (uint32_t k = 0; k < m->all_fns.at[i]->node.len; k++)
            if (m->all_fns.at[i]->node.at[k].op == OP_RNG)
                return true;
    return false;
}

/* The engine is opened once for all sets, unless each binds dims of its own. */
static test_outcome run_sets(const test_settings *s, const char *path, const char *folder,
                             char **sets, int count, text *why)
{
    ingot_engine *e = NULL;
    test_outcome r = PASSED;
    bool random = false;
    diag d;

    diag_init(&d);
    for (int i = 0; i < count && r == PASSED; i++) {
        if (s->bind || !e) {
            ingot_engine_close(e);
            ir_module *m = load_model(s, path, folder, sets[i], &d);
            random = m && draws(m);
            e = m ? ingot_engine_open(s->engine, m, &s->model, s->threads, &d) : NULL;
        }
        if (!e) {
            explain(&d, why);
            r = d.gap.len && !d.errors ? SKIPPED : d.usage ? MISUSED : FAILED;
        } else if (!run_set(s, folder, sets[i], e, why)) {
            r = random ? SKIPPED : FAILED;
            if (random) {
                why->len = 0;
                text_add(why, "it draws random numbers, which are each program's own");
            }
        }
    }
    ingot_engine_close(e);
    diag_free(&d);
    return r;
}

/* Half a case, with a model but no data, fails. */
test_outcome test_case_run(const test_settings *s, const char *folder, text *why)
{
    char *path = NULL;
    int count;

    if (!test_is_case(folder, s->file != NULL)) {
        text_add(why, has_data(folder) ? "there is no model.onnx" : "there is no test_data_set_*");
        return FAILED;
    }
    if (asprintf(&path, "%s/model.onnx", folder) < 0)
        return FAILED;
    char **sets = test_list(folder, "test_data_set_", &count);
    test_outcome r = run_sets(s, s->file ? s->file : path, folder, sets, count, why);
    test_list_free(sets, count);
    free(path);
    return r;
}
