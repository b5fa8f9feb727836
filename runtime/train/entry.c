/* runtime/train/entry.c - entries of a training program. */
#include "entry.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "cleanup.h"
#include "csv.h"
#include "file_kind.h"
#include "invoke.h"
#include "options.h"
#include "outputs.h"
#include "packed.h"
#include "program_parts.h"
#include "spelling.h"
#include "tensor_file.h"

const struct ingot_train_entry *entry_named(const struct ingot_trainer *t, const char *name)
{
    for (int32_t i = 0; i < t->entry_count; i++)
        if (!strcmp(t->entries[i].entry, name))
            return &t->entries[i];
    return NULL;
}

/* ---- inputs --------------------------------------------------------------------------- */

/* What is given for an input, whose name has so many characters; null: nothing. */
static const char *value_of(const char *name, int size, const char *const *given, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (!strncmp(given[i], name, (size_t)size) && given[i][size] == '=')
            return given[i] + size + 1;
    return NULL;
}

static bool put_number(const struct ingot_value_info *info, double v, tensor *t, char *error)
{
    if (!tensor_init(t, info->dtype, 0, NULL))
        return tensor_init_failed(t, "input", info->name, error);
    return tensor_put_number(info->dtype, t->data, 0, v) ||
           tensor_fail(error, "%s=%g is no %s", info->name, v, tensor_type_name(info->dtype));
}

/* As executables take it; a file may be packed. */
static bool put_given(const struct ingot_value_info *info, const struct ingot_train_value *v,
                      const char *text, tensor_value *in)
{
    struct ingot_value_info spelled = *info;

    spelled.name_count = v->name_count;
    spelled.names = v->names;
    return program_value(&spelled, text, packed_read, in);
}

/* False after a message, which is in error if it was not told yet. */
static bool put_input(const struct ingot_value_info *info, const struct ingot_train_value *v,
                      const char *given, long long seed, tensor_value *in, char *error)
{
    if (given)
        return put_given(info, v, given, in);
    if (v->has_default)
        return put_number(info, v->value, &in->t, error);
    if (!strcmp(info->name, "seed") && !info->rank)
        return put_number(info, (double)seed, &in->t, error);
    return tensor_fail(error, "%s is not given: %s=VALUE", info->name, info->name);
}

/* ---- results -------------------------------------------------------------------------- */

/* Pictures side by side, about as many rows of them as columns. */
static bool write_sheet(FILE *f, const tensor *t)
{
    int64_t n = t->dims[0], h = t->dims[1], w = t->dims[2];
    int64_t across = (int64_t)ceil(sqrt((double)n)), down = across ? (n + across - 1) / across : 0;
    const uint8_t *at = t->data;

    fprintf(f, "P5\n%lld %lld\n255\n", (long long)(across * w), (long long)(down * h));
    for (int64_t y = 0; y < down * h; y++)
        for (int64_t x = 0; x < across * w; x++) {
            int64_t i = y / h * across + x / w;
            fputc(i < n ? at[(i * h + y % h) * w + x % w] : 0, f);
        }
    return !ferror(f);
}

/* By the ending of the path: .pgm is a sheet of pictures, anything else .npy. */
static bool write_result(const char *path, const char *name, const tensor_value *v, char *error)
{
    partial p;

    if (!has_suffix(path, ".pgm"))
        return tensor_write(path, true, name, v, error);
    if (v->t.rank != 3 || v->t.dtype != TENSOR_U8)
        return tensor_fail(error, "%s: '%s' is no u8[n, h, w]", path, name);
    return partial_close(&p, partial_open(&p, path) && write_sheet(p.file, &v->t)) ||
           tensor_fail(error, "%s: cannot be written: %s", path, strerror(errno));
}

static bool give_result(const struct ingot_value_info *info, const struct ingot_train_value *v,
                        const tensor_value *got, const char *out, char *error)
{
    if (out)
        return write_result(out, info->name, got, error);
    if (v->name_count)
        spelling_print((spelling){v->names, v->name_count}, &got->t, stdout);
    else
        outputs_show(info->name, got, &(labels){0});
    return true;
}

/* ---- the run -------------------------------------------------------------------------- */

/* Is each text the NAME=VALUE of another input?  False after a message. */
static bool are_inputs(const struct ingot_entry *e, const char *const *given, int32_t n)
{
    for (int32_t k = 0; k < n; k++) {
        int size = (int)strcspn(given[k], "=");
        if (!given[k][size])
            return cli_wrong("'%s' is no NAME=VALUE, as %s takes its inputs", given[k], e->name);
        char *name = strndup(given[k], (size_t)size);
        bool known = name ? program_is_input(e, "input", name) : cli_wrong("no memory");
        free(name);
        if (!known)
            return false;
        const char *before = value_of(given[k], size, given, k);
        if (before)
            return cli_wrong("input '%.*s' is given twice: '%s' and '%s'", size, given[k], before,
                             given[k] + size + 1);
    }
    return true;
}

/* Once, and each output to file or terminal. */
static bool call(const struct ingot_train_entry *t, const struct ingot_entry *e, session *s,
                 const tensor_value *in, const char *out, char *error)
{
    tensor_value *got = calloc((size_t)e->output_count + 1, sizeof *got);
    invoke v = {0};
    bool ok = (got || tensor_fail(error, "no memory")) && invoke_prepare(&v, s, e, in, error) &&
              invoke_run(&v, error) && invoke_take(&v, got, error);

    for (int32_t i = 0; got && i < e->output_count; i++) {
        ok = ok && give_result(&e->outputs[i], &t->outputs[i], &got[i], out, error);
        tensor_value_free(&got[i]);
    }
    invoke_free(&v);
    free(got);
    return ok;
}

/* An input of its own name, or what stands for it. */
static bool put_inputs(const struct ingot_train_entry *t, const struct ingot_entry *e,
                       const char *const *given, int32_t n, long long seed, tensor_value *in,
                       char *error)
{
    for (int32_t i = 0; i < e->input_count; i++) {
        const char *name = e->inputs[i].name;
        const char *text = value_of(name, (int)strlen(name), given, n);
        if (!put_input(&e->inputs[i], &t->inputs[i], text, seed, &in[i], error))
            return false;
    }
    return true;
}

/* `./trainer ENTRY NAME=VALUE ..`: the exit code. */
int entry_run(const struct ingot_train_entry *t, session *s, const char *const *given, int32_t n,
              long long seed, const char *out)
{
    const struct ingot_entry *e = session_entry(s->model, t->entry);
    char error[TENSOR_ERROR_SIZE] = "";

    if (!are_inputs(e, given, n))
        return CLI_USAGE;
    tensor_value *in = calloc((size_t)e->input_count + 1, sizeof *in);
    bool ok = (in || tensor_fail(error, "no memory")) &&
              put_inputs(t, e, given, n, seed, in, error) && call(t, e, s, in, out, error);
    if (!ok && *error)
        cli_wrong("%s", error);
    for (int32_t i = 0; in && i < e->input_count; i++)
        tensor_value_free(&in[i]);
    free(in);
    return ok ? CLI_OK : CLI_FAILED;
}
