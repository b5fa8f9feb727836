/* cli/model_options.c - the options that every command on a model takes. */
#include <errno.h>
#include <stdlib.h>

#include "command.h"

/* NAME=VALUE is split at the last `=`: names may hold any other character.
 * What stands behind it; null if there is none. */
static const char *behind_name(const char *value)
{
    const char *at = strrchr(value, '=');

    return at ? at + 1 : NULL;
}

static char *name_of(model_options *m, const char *value, const char *behind)
{
    return arena_strndup(&m->names, value, (size_t)(behind - value - 1));
}

static bool add_dim(model_options *m, const char *value)
{
    const char *number = behind_name(value);
    long long v;
    int i = m->o.import.dims;

    if (i == MODEL_MAX_GIVEN)
        return cli_wrong("more than %d times --dim", i);
    if (!number)
        return cli_wrong("--dim takes NAME=VALUE, not '%s'", value);
    if (!cli_number("--dim", number, 0, INT32_MAX, &v))
        return false;
    m->dim_name[i] = name_of(m, value, number);
    m->dim_value[i] = v;
    m->o.import.dim_name = m->dim_name;
    m->o.import.dim_value = m->dim_value;
    m->o.import.dims++;
    return true;
}

static bool add_shape(model_options *m, const char *value)
{
    const char *list = behind_name(value);
    int i = m->o.import.shapes;
    import_shape *s = &m->shape[i];

    if (i == MODEL_MAX_GIVEN)
        return cli_wrong("more than %d times --shape", i);
    if (!list || !outputs_parse_shape(list, &s->rank, s->dims))
        return cli_wrong("--shape takes NAME=1x3x8, not '%s'", value);
    s->input = name_of(m, value, list);
    m->o.import.shape = m->shape;
    m->o.import.shapes++;
    return true;
}

/* Bytes, or with k, M or G behind: powers of 1024. */
static bool set_max_weights(model_options *m, const char *value)
{
    static const char units[] = "kMG";
    char *end;

    errno = 0;
    unsigned long long v = strtoull(value, &end, 10);
    const char *unit = *end ? strchr(units, *end == 'K' ? 'k' : *end) : NULL;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    if (errno || *value < '0' || *value > '9' || (*end && (!unit || end[1])) || !v ||
        v > UINT64_MAX >> 1 >> shift)
        return cli_wrong("--max-weights takes a size such as 500M or 8G, not '%s'", value);
    m->o.import.max_weights = v << shift;
    return true;
}

static bool is_pass(const char *name, bool or_all)
{
    const char *known[PASS_COUNT + 1];

    for (int i = 0; i < PASS_COUNT; i++)
        known[i] = pass_table[i].name;
    known[PASS_COUNT] = "all";
    return command_one_of("pass", name, known, PASS_COUNT + or_all);
}

static bool set_cpu(model_options *m, const char *value)
{
    static const char *const known[] = {"native",    "x86-64",    "x86-64-v1",
                                        "x86-64-v2", "x86-64-v3", "x86-64-v4"};

    m->o.target = target_find(value);
    return m->o.target || command_one_of("--cpu", value, known, COUNT(known));
}

bool model_option(model_options *m, int index, const char *value)
{
    switch (index) {
    case 0: return set_cpu(m, value);
    case 1: return add_dim(m, value);
    case 2: return add_shape(m, value);
    case 3: return set_max_weights(m, value);
    case 4: return m->o.watch.times = true;
    case 5: return is_pass(m->o.watch.dump = value, true);
    case 6: return is_pass(m->o.watch.stop_after = value, false);
    default: return m->verbose = true;
    }
}

void model_options_free(model_options *m)
{
    arena_reset(&m->names);
}

const target *model_target(const model_options *m)
{
    return m->o.target ? m->o.target : target_host();
}

bool model_option_file(const char **file, const char *value)
{
    if (*file)
        return cli_wrong("one model at a time: '%s' and '%s'", *file, value);
    *file = value;
    return true;
}

/* "a, b or c" */
static void list_words(const char *const *word, size_t n, text *out)
{
    for (size_t i = 0; i < n; i++)
        text_add(out, "%s%s", !i ? "" : i + 1 < n ? ", " : " or ", word[i]);
}

bool command_one_of(const char *what, const char *value, const char *const *known, size_t n)
{
    text choices = {0};

    for (size_t i = 0; i < n; i++)
        if (!strcmp(value, known[i]))
            return true;
    const char *near = cli_nearest(value, known, (int)n);
    list_words(known, n, &choices);
    if (near)
        text_add(&choices, "; did you mean '%s'?", near);
    cli_wrong("%s '%s' is unknown: give %s", what, value, choices.at);
    text_free(&choices);
    return false;
}

bool model_option_engine(const char *value, ingot_engine_kind *out)
{
    static const char *const known[] = {"compiled", "interpreter"};

    *out = *value == 'c' ? ENGINE_COMPILED : ENGINE_INTERPRETER;
    return command_one_of("--engine", value, known, COUNT(known));
}
