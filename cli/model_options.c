/* cli/model_options.c - --dim and --shape. */
#include <stdlib.h>

#include "command.h"

/* Splits NAME=VALUE at the last `=` for dims and shapes: names may hold any
 * other character. */
static char *split(const char *value, const char **rest)
{
    const char *at = strrchr(value, '=');
    char *name = at ? strndup(value, (size_t)(at - value)) : NULL;

    *rest = at ? at + 1 : NULL;
    return name;
}

bool model_option_dim(model_options *m, const char *value)
{
    const char *number;
    long long v;
    int i = m->o.onnx.dims;

    m->dim_name[i] = split(value, &number);
    if (!m->dim_name[i] || i == 31)
        return cli_wrong("--dim takes NAME=VALUE, not '%s'", value);
    if (!cli_number("--dim", number, 0, INT32_MAX, &v))
        return false;
    m->dim_value[i] = v;
    m->o.onnx.dim_name = m->dim_name;
    m->o.onnx.dim_value = m->dim_value;
    m->o.onnx.dims++;
    return true;
}

bool model_option_shape(model_options *m, const char *value)
{
    const char *list;
    int i = m->o.onnx.shapes;
    onnx_input_shape *s = &m->shape[i];

    s->input = split(value, &list);
    if (!s->input || i == 31)
        return cli_wrong("--shape takes NAME=1x3x8, not '%s'", value);
    for (s->rank = 0; *list; list += *list == 'x') {
        char *end;
        long long v = strtoll(list, &end, 10);
        if (end == list || v < 0 || v > INT32_MAX || (*end && *end != 'x') || s->rank == IR_MAX_RANK)
            return cli_wrong("--shape takes NAME=1x3x8, not '%s'", value);
        s->dims[s->rank++] = v;
        list = end;
    }
    m->o.onnx.shape = m->shape;
    m->o.onnx.shapes++;
    return true;
}
