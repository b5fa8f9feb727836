/* runtime/artifact_inputs.c - inputs from files, shapes, and made up. */
#include <stdlib.h>
#include <string.h>

#include "artifact.h"
#include "bind.h"
#include "options.h"
#include "outputs.h"

static bool no_such(const char *what, const char *name, const char *const *names, int n)
{
    const char *near = cli_nearest(name, names, n);

    return cli_wrong("the model has no %s '%s'%s%s%s", what, name, near ? "; did you mean '" : "",
                     near ? near : "", near ? "'?" : "");
}

static bool find_input(const artifact *a, const char *name, int32_t *index)
{
    *index = bind_find_input(a->entry, name);
    if (*index >= 0)
        return true;
    const char **names = calloc((size_t)a->entry->input_count + 1, sizeof *names);
    for (int32_t i = 0; names && i < a->entry->input_count; i++)
        names[i] = a->entry->inputs[i].name;
    no_such("input", name, names, names ? a->entry->input_count : 0);
    free(names);
    return false;
}

static bool bind_dim(artifact *a, const artifact_given *g)
{
    const struct ingot_entry *e = a->entry;
    int32_t s = bind_find_dim(e, g->name);

    if (s < 0)
        return no_such("run-time dim", g->name, e->dim_names, e->dim_count);
    if (a->dims[s] != BIND_FREE && a->dims[s] != g->extents[0])
        return cli_wrong("--dim %s is given twice, as %lld and %lld", g->name,
                         (long long)a->dims[s], (long long)g->extents[0]);
    a->dims[s] = g->extents[0];
    return true;
}

static bool bind_given_shape(artifact *a, const artifact_given *g)
{
    char error[TENSOR_ERROR_SIZE];
    int32_t index;

    if (!find_input(a, g->name, &index))
        return false;
    return bind_shape(a->entry, index, g->rank, g->extents, a->dims, error) ||
           cli_wrong("--shape: %s", error);
}

bool artifact_bind(artifact *a)
{
    bind_start(a->entry, a->dims);
    for (int i = 0; i < a->o.dims.n; i++)
        if (!bind_dim(a, &a->o.dims.at[i]))
            return false;
    for (int i = 0; i < a->o.shapes.n; i++)
        if (!bind_given_shape(a, &a->o.shapes.at[i]))
            return false;
    return true;
}

/* `--input FILE` is enough where there is one input. */
static const char *name_of(const artifact *a, const artifact_given *g)
{
    return g->name ? g->name : a->entry->input_count == 1 ? a->entry->inputs[0].name : NULL;
}

bool artifact_check_inputs(const artifact *a)
{
    for (int i = 0; i < a->o.inputs.n; i++) {
        const artifact_given *g = &a->o.inputs.at[i];
        const char *name = name_of(a, g);
        if (!name)
            return cli_wrong("--input takes NAME=FILE, not '%s': the model has %d inputs", g->path,
                             a->entry->input_count);
        for (int k = 0; k < i; k++)
            if (!strcmp(name_of(a, &a->o.inputs.at[k]), name))
                return cli_wrong("--input %s is given twice", name);
    }
    return true;
}

static bool load_file(artifact *a, const artifact_given *g)
{
    char error[TENSOR_ERROR_SIZE];
    int32_t i;

    if (!find_input(a, name_of(a, g), &i))
        return false;
    if (!tensor_read(g->path, TENSOR_PLAIN, &a->in[i], error))
        return cli_wrong("%s", error);
    return bind_tensor(a->entry, i, &a->in[i].t, a->dims, error) ||
           cli_wrong("%s: %s", g->path, error);
}

static bool make_up(artifact *a, int32_t i)
{
    const struct ingot_value_info *v = &a->entry->inputs[i];
    char error[TENSOR_ERROR_SIZE];
    int64_t extents[TENSOR_MAX_RANK];

    if (!bind_extents(a->entry, i, a->dims, extents, error))
        return cli_wrong("%s", error);
    if (!tensor_init(&a->in[i].t, v->dtype, v->rank, extents))
        return tensor_init_failed(&a->in[i].t, "input", v->name, error) || cli_wrong("%s", error);
    outputs_random(&a->in[i].t, (uint64_t)a->o.seed + (uint64_t)i);
    return true;
}

bool artifact_load_inputs(artifact *a)
{
    for (int i = 0; i < a->o.inputs.n; i++)
        if (!load_file(a, &a->o.inputs.at[i]))
            return false;
    for (int32_t i = 0; i < a->entry->input_count; i++) {
        const char *name = a->entry->inputs[i].name;
        if (a->in[i].t.data)
            continue;
        if (!a->o.random)
            return cli_wrong("input '%s' is missing: give --input %s=FILE or --random-inputs",
                             name, name);
        if (!make_up(a, i))
            return false;
    }
    return true;
}
