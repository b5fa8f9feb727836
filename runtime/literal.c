/* runtime/literal.c - inputs as numbers on the command line. */
#include "literal.h"

#include <stdlib.h>

#include "bind.h"
#include "tensor_file.h"

/* Reads a number and what stands behind it, the next comma or the end; null if there is
 * none. */
static const char *take_number(const char *at, double *v)
{
    char *end;

    *v = strtod(at, &end);
    return end == at || (*end && *end != ',') ? NULL : end;
}

/* How many numbers the text is; 0 if it is something else. */
static int64_t count_numbers(const char *text)
{
    double v;
    int64_t n = 0;

    do {
        text = take_number(text, &v);
        n++;
    } while (text && *text++);
    return text ? n : 0;
}

bool literal_is(const char *text)
{
    return count_numbers(text) > 0;
}

static bool put_numbers(const char *text, tensor *t, char *error)
{
    double v;

    for (int64_t i = 0; i < t->count; i++) {
        const char *end = take_number(text, &v);
        if (!tensor_put_number(t->dtype, t->data, i, v))
            return tensor_fail(error, "'%.*s' is no %s", (int)(end - text), text,
                               tensor_type_name(t->dtype));
        text = end + 1;
    }
    return true;
}

bool literal_read(const char *text, const struct ingot_entry *e, int32_t index,
                  const int64_t *dims, tensor *out, char error[TENSOR_ERROR_SIZE])
{
    const struct ingot_value_info *v = &e->inputs[index];
    int64_t extents[TENSOR_MAX_RANK];

    if (!bind_count(e, index, count_numbers(text), dims, extents, error))
        return false;
    if (!tensor_init(out, v->dtype, v->rank, extents))
        return tensor_init_failed(out, "input", v->name, error);
    return put_numbers(text, out, error);
}
