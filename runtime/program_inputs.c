/* runtime/program_inputs.c - inputs from files and numbers, shapes, and made up. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind.h"
#include "made_up.h"
#include "outputs.h"
#include "program_parts.h"

/* Is `name` one of n names, of what the command line calls so?  False after a message
 * that lists them. */
static bool is_known(const char *what, const char *name, const char *const *names, int32_t n)
{
    const char **list = calloc((size_t)n + 1, sizeof *list);

    if (!list)
        return cli_wrong("no memory");
    for (int32_t i = 0; i < n; i++)
        list[i] = names[i];
    bool known = n ? cli_one_of(what, name, list)
                   : cli_wrong("%s '%s' is unknown: the model has none", what, name);
    free(list);
    return known;
}

bool program_is_input(const struct ingot_entry *e, const char *what, const char *name)
{
    const char **names = calloc((size_t)e->input_count + 1, sizeof *names);

    for (int32_t i = 0; names && i < e->input_count; i++)
        names[i] = e->inputs[i].name;
    bool known = names ? is_known(what, name, names, e->input_count) : cli_wrong("no memory");
    free(names);
    return known;
}

static bool bind_dim(program *p, const program_given *g)
{
    int32_t s = bind_find_dim(p->entry, g->name);

    if (p->dims[s] != BIND_FREE && p->dims[s] != g->extents[0])
        return cli_wrong("--dim %s is given twice, as %lld and %lld", g->name,
                         (long long)p->dims[s], (long long)g->extents[0]);
    p->dims[s] = g->extents[0];
    return true;
}

static bool bind_given_shape(program *p, const program_given *g)
{
    char error[TENSOR_ERROR_SIZE];
    int32_t index = bind_find_input(p->entry, g->name);

    return bind_shape(p->entry, index, g->rank, g->extents, p->dims, error) ||
           cli_wrong("--shape: %s", error);
}

/* --dim and --shape go before the files, so a file that disagrees is reported with
 * the option's name. */
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

/* False, after a message, if the value was given to what is near to an option. */
static bool is_meant(const program_given *g)
{
    return !g->near || cli_wrong("unknown option '--%s'; did you mean '%s'?", g->name, g->near);
}

bool program_are_meant(const program_options *o)
{
    for (int i = 0; i < o->inputs.n; i++)
        if (!is_meant(&o->inputs.at[i]))
            return false;
    return true;
}

/* Whatever can be said of --input without opening a file. */
static bool check_files(const program_options *o, const struct ingot_entry *e)
{
    for (int i = 0; i < o->inputs.n; i++) {
        const program_given *g = &o->inputs.at[i];
        const char *name = name_of(e, g);
        if (g->value && bind_find_input(e, name) < 0)
            return is_meant(g) && program_is_input(e, "option or input", name);
        if (g->value && !g->path)
            return cli_wrong("--%s takes a value: a number, a list as [1, 2], or a file", name);
        if (!name)
            return cli_wrong("%s takes NAME=FILE, not '%s': the model has %d inputs",
                             g->image ? "--image" : "--input", g->path, e->input_count);
        if (!program_is_input(e, "input", name))
            return false;
        for (int k = 0; k < i; k++)
            if (!strcmp(name_of(e, &o->inputs.at[k]), name))
                return cli_wrong("--input %s is given twice", name);
    }
    return true;
}

bool program_check_inputs(const program_options *o, const struct ingot_entry *e)
{
    for (int i = 0; i < o->shapes.n; i++)
        if (!program_is_input(e, "input", o->shapes.at[i].name))
            return false;
    for (int i = 0; i < o->dims.n; i++)
        if (!is_known("run-time dim", o->dims.at[i].name, e->dim_names, e->dim_count))
            return false;
    return check_files(o, e);
}

static bool has_other_type(const struct ingot_value_info *v, const tensor_value *in)
{
    return in->kind == TENSOR_PLAIN && in->t.dtype != v->dtype;
}

/* Makes the elements of a file those of the input, if that is asked for. */
static bool cast_input(const program_options *o, const struct ingot_value_info *v,
                       const char *path, tensor_value *in)
{
    char error[TENSOR_ERROR_SIZE];

    if (!has_other_type(v, in))
        return true;
    if (!o->cast)
        return cli_wrong("%s: input '%s' has type %s, expected %s (--cast converts it)", path,
                         v->name, tensor_type_name(in->t.dtype), tensor_type_name(v->dtype));
    return tensor_cast(&in->t, v->dtype, error) ||
           cli_wrong("%s: input '%s': %s", path, v->name, error);
}

/* Is `--input NAME=TEXT` given a value, not a file?  A file that is called so goes before. */
static bool is_value(const struct ingot_value_info *v, const program_given *g)
{
    return g->value ||
           (bind_kind(v) == TENSOR_PLAIN && program_is_value(g->path) && access(g->path, F_OK));
}

/* Reads an input from what is given. */
static bool read_given(const program_options *o, const struct ingot_value_info *v,
                       const program_given *g, tensor_value *in)
{
    program_reader *read = o->read_file ? o->read_file : tensor_read;
    char error[TENSOR_ERROR_SIZE];

    if (g->image)
        return o->read_image(o->how, v, g->path, in);
    if (is_value(v, g))
        return program_value(v, g->path, read, in) && cast_input(o, v, g->path, in);
    return (read(g->path, bind_kind(v), in, error) || cli_wrong("%s", error)) &&
           cast_input(o, v, g->path, in);
}

static bool load_file(program *p, const program_given *g)
{
    char error[TENSOR_ERROR_SIZE];
    int32_t i = bind_find_input(p->entry, name_of(p->entry, g));

    if (!read_given(p->o, &p->entry->inputs[i], g, &p->in[i]))
        return false;
    return p->in[i].kind != TENSOR_PLAIN || bind_tensor(p->entry, i, &p->in[i].t, p->dims, error) ||
           cli_wrong("%s: %s", g->path, error);
}

/* Has every input that the model needs a value? */
static bool none_missing(const program *p)
{
    for (int32_t i = 0; i < p->entry->input_count; i++) {
        const char *name = p->entry->inputs[i].name;
        if (!p->in[i].t.data && p->in[i].kind == TENSOR_PLAIN && !p->entry->inputs[i].optional)
            return cli_wrong("input '%s' is missing: give --%s VALUE, --input %s=FILE or "
                             "--random-inputs", name, name, name);
    }
    return true;
}

bool program_load_inputs(program *p, session *s)
{
    for (int i = 0; i < p->o->inputs.n; i++)
        if (!load_file(p, &p->o->inputs.at[i]))
            return false;
    return p->o->random
               ? made_up_inputs(s, p->entry, p->dims, (uint64_t)p->o->seed, true, p->in)
               : none_missing(p);
}
