/* runtime/program_inputs.c - inputs from files, shapes, and made up. */
#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "outputs.h"
#include "program_parts.h"

static bool no_such(const char *what, const char *name, const char *const *names, int n)
{
    const char *near = cli_nearest(name, names, n);

    return cli_wrong("the model has no %s '%s'%s%s%s", what, name, near ? "; did you mean '" : "",
                     near ? near : "", near ? "'?" : "");
}

static bool find_input(const struct ingot_entry *e, const char *name, int32_t *index)
{
    *index = bind_find_input(e, name);
    if (*index >= 0)
        return true;
    const char **names = calloc((size_t)e->input_count + 1, sizeof *names);
    for (int32_t i = 0; names && i < e->input_count; i++)
        names[i] = e->inputs[i].name;
    no_such("input", name, names, names ? e->input_count : 0);
    free(names);
    return false;
}

static bool bind_dim(program *p, const program_given *g)
{
    const struct ingot_entry *e = p->entry;
    int32_t s = bind_find_dim(e, g->name);

    if (s < 0)
        return no_such("run-time dim", g->name, e->dim_names, e->dim_count);
    if (p->dims[s] != BIND_FREE && p->dims[s] != g->extents[0])
        return cli_wrong("--dim %s is given twice, as %lld and %lld", g->name,
                         (long long)p->dims[s], (long long)g->extents[0]);
    p->dims[s] = g->extents[0];
    return true;
}

static bool bind_given_shape(program *p, const program_given *g)
{
    char error[TENSOR_ERROR_SIZE];
    int32_t index;

    if (!find_input(p->entry, g->name, &index))
        return false;
    return bind_shape(p->entry, index, g->rank, g->extents, p->dims, error) ||
           cli_wrong("--shape: %s", error);
}

bool program_bind(program *p)
{
    bind_start(p->entry, p->dims);
    for (int i = 0; i < p->o->dims.n; i++)
        if (!bind_dim(p, &p->o->dims.at[i]))
            return false;
    for (int i = 0; i < p->o->shapes.n; i++)
        if (!bind_given_shape(p, &p->o->shapes.at[i]))
            return false;
    return true;
}

/* `--input FILE` is enough where there is one input. */
static const char *name_of(const struct ingot_entry *e, const program_given *g)
{
    return g->name ? g->name : e->input_count == 1 ? e->inputs[0].name : NULL;
}

bool program_check_inputs(const program_options *o, const struct ingot_entry *e)
{
    for (int i = 0; i < o->inputs.n; i++) {
        const program_given *g = &o->inputs.at[i];
        const char *name = name_of(e, g);
        if (!name)
            return cli_wrong("--input takes NAME=FILE, not '%s': the model has %d inputs", g->path,
                             e->input_count);
        for (int k = 0; k < i; k++)
            if (!strcmp(name_of(e, &o->inputs.at[k]), name))
                return cli_wrong("--input %s is given twice", name);
    }
    return true;
}

static bool load_file(program *p, const program_given *g)
{
    char error[TENSOR_ERROR_SIZE];
    int32_t i;

    if (!find_input(p->entry, name_of(p->entry, g), &i))
        return false;
    if (!tensor_read(g->path, bind_kind(&p->entry->inputs[i]), &p->in[i], error))
        return cli_wrong("%s", error);
    return p->in[i].kind != TENSOR_PLAIN || bind_tensor(p->entry, i, &p->in[i].t, p->dims, error) ||
           cli_wrong("%s: %s", g->path, error);
}

bool program_random_input(const struct ingot_entry *e, int32_t i, const int64_t *dims,
                          uint64_t seed, tensor_value *v)
{
    const struct ingot_value_info *info = &e->inputs[i];
    char error[TENSOR_ERROR_SIZE];
    int64_t extents[TENSOR_MAX_RANK];

    if (bind_kind(info) != TENSOR_PLAIN)
        return cli_wrong("input '%s' is no tensor: --random-inputs cannot make it", info->name);
    if (!bind_extents(e, i, dims, extents, error))
        return cli_wrong("%s", error);
    if (!tensor_init(&v->t, info->dtype, info->rank, extents))
        return tensor_init_failed(&v->t, "input", info->name, error) || cli_wrong("%s", error);
    outputs_random(&v->t, seed + (uint64_t)i);
    return true;
}

bool program_load_inputs(program *p)
{
    for (int i = 0; i < p->o->inputs.n; i++)
        if (!load_file(p, &p->o->inputs.at[i]))
            return false;
    for (int32_t i = 0; i < p->entry->input_count; i++) {
        const char *name = p->entry->inputs[i].name;
        if (p->in[i].t.data || p->in[i].kind != TENSOR_PLAIN)
            continue;
        if (!p->o->random)
            return cli_wrong("input '%s' is missing: give --input %s=FILE or --random-inputs",
                             name, name);
        if (!program_random_input(p->entry, i, p->dims, (uint64_t)p->o->seed, &p->in[i]))
            return false;
    }
    return true;
}
