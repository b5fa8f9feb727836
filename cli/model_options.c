/* cli/model_options.c - the options that every command on a model takes, as rows
 * that the commands' tables include (`.more`): which dims and shapes are bound, for
 * which processor, within which bounds, what is shown on the way. */
#include <errno.h>
#include <stdlib.h>

#include "command.h"
#include "host.h"
#include "outputs.h"

/* What stands behind the last `=` of NAME=VALUE, since names may hold any character;
 * null if there is none. */
static const char *behind_name(const char *value)
{
    const char *at = strrchr(value, '=');

    return at ? at + 1 : NULL;
}

/* The name in NAME=VALUE; null after a message if the option had that name before. */
static char *new_name(model_options *m, const cli_option *o, const char *value,
                      const char *behind)
{
    char *name = arena_strndup(&m->names, value, (size_t)(behind - value - 1));
    const char *given = arena_printf(&m->names, "%s %s", o->name, name);

    if (names_find(&m->given, given) != NAMES_NONE) {
        cli_wrong("%s is given twice", given);
        return NULL;
    }
    names_add(&m->given, given);
    return name;
}

/* --dim N=4 */
static bool add_dim(void *to, const cli_option *o, const char *value)
{
    model_options *m = to;
    const char *number = behind_name(value);
    long long v;
    int i = m->o.import.dims;

    if (i == MODEL_MAX_GIVEN)
        return cli_wrong("more than %d times %s", i, o->name);
    if (!number)
        return cli_wrong("%s takes NAME=VALUE, not '%s'", o->name, value);
    if (!cli_number(o->name, number, 0, INT32_MAX, &v))
        return false;
    if (!(m->dim_name[i] = new_name(m, o, value, number)))
        return false;
    m->dim_value[i] = v;
    m->o.import.dim_name = m->dim_name;
    m->o.import.dim_value = m->dim_value;
    m->o.import.dims++;
    return true;
}

/* --shape x=1x3x224x224 */
static bool add_shape(void *to, const cli_option *o, const char *value)
{
    model_options *m = to;
    const char *list = behind_name(value);
    int i = m->o.import.shapes;
    import_shape *s = &m->shape[i];

    if (i == MODEL_MAX_GIVEN)
        return cli_wrong("more than %d times %s", i, o->name);
    if (!list || !outputs_parse_shape(list, &s->rank, s->dims))
        return cli_wrong("%s takes NAME=1x3x8, not '%s'", o->name, value);
    if (!(s->input = new_name(m, o, value, list)))
        return false;
    m->o.import.shape = m->shape;
    m->o.import.shapes++;
    return true;
}

/* --set WIDTH=64, a config of a program.  Texts hold =, so the first sign ends the
 * name. */
bool model_add_setting(void *to, const cli_option *o, const char *value)
{
    model_options *m = to;
    const char *equals = strchr(value, '='), *name;
    int i = m->o.program.sets;

    if (i == MODEL_MAX_GIVEN)
        return cli_wrong("more than %d times %s", i, o->name);
    if (!equals || equals == value)
        return cli_wrong("%s takes NAME=VALUE, not '%s'", o->name, value);
    if (!(name = new_name(m, o, value, equals + 1)))
        return false;
    m->setting[i] = (dsl_setting){name, equals + 1};
    m->o.program.set = m->setting;
    m->o.program.sets++;
    return true;
}

static bool set_real(void *to, const cli_option *o, const char *value)
{
    static const char *const known[] = {"f32", "f64", NULL};

    ((model_options *)to)->o.program.real = true;
    ((model_options *)to)->o.program.f64 = !strcmp(value, "f64");
    return cli_one_of(o->name, value, known);
}

/* Stores a size: bytes, or with k, M or G behind it powers of 1024; 64M is also 64MB. */
static bool set_size(void *to, const cli_option *o, const char *value)
{
    static const char units[] = "kMG";
    char *end;

    errno = 0;
    unsigned long long v = strtoull(value, &end, 10);
    const char *unit = *end ? strchr(units, *end == 'K' ? 'k' : *end) : NULL;
    bool more = unit && end[end[1] == 'B' ? 2 : 1];
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    if (errno || *value < '0' || *value > '9' || (*end && !unit) || more || !v ||
        v > UINT64_MAX >> 1 >> shift)
        return cli_wrong("%s takes a size such as 500M or 8G, not '%s'", o->name, value);
    *(uint64_t *)to = v << shift;
    return true;
}

bool model_is_pass(const char *option, const char *name, bool or_all)
{
    const char *known[PASS_COUNT + 2] = {0};

    for (int i = 0; i < PASS_COUNT; i++)
        known[i] = pass_table[i].name;
    known[PASS_COUNT] = or_all ? "all" : NULL;
    return cli_one_of(option, name, known);
}

static bool set_dump(void *to, const cli_option *o, const char *value)
{
    *(const char **)to = value;
    return model_is_pass(o->name, value, true);
}

static bool set_last(void *to, const cli_option *o, const char *value)
{
    *(const char **)to = value;
    return model_is_pass(o->name, value, false);
}

/* Says which word of a name is no level or no feature of its architecture. */
static bool wrong_cpu(model_options *m, const char *option, const char *value)
{
    static const char *const levels[] = {"native",
#define TARGET(arch, name, ...) name,
#define ALIAS(name, level) name,
#include "targets.def"
        NULL};
    const char *feature[TARGET_FEATURES + 1] = {NULL}, *rest = value + strcspn(value, "+");
    const char *level = arena_strndup(&m->names, value, (size_t)(rest - value));
    size_t n = 0;
    target t;

    if (!host_find(level, &t))
        return cli_one_of(option, level, levels);
    for (int i = 0; i < TARGET_FEATURES; i++)
        if (target_features[i].arch == t.arch)
            feature[n++] = target_features[i].name;
    while (*rest) {
        const char *word = arena_strndup(&m->names, rest + 1, strcspn(rest + 1, "+"));
        if (!cli_one_of("--cpu: feature", word, feature))
            return false;
        rest += 1 + strlen(word);
    }
    return cli_wrong("--cpu %s: a feature needs a higher level", value);
}

static bool set_cpu(void *to, const cli_option *o, const char *value)
{
    model_options *m = to;
    target *t = arena_new(&m->names, target);

    m->o.target = t;
    return host_find(value, t) || wrong_cpu(m, o->name, value);
}

/* Levels and features from their tables: a row there is in the help. */
static const char cpu_help[] = "native (default)"
#define TARGET(arch, name, ...) ", " name
#define ALIAS(name, level) ", " name
#include "targets.def"
                               "; and features:"
#define HELP_PART(name) ""
#define HELP_EXTRA(name) " +" name
#define FEATURE(arch, name, level, kind, ...) HELP_##kind(name)
#include "features.def"
    ;

#define AT(field) offsetof(model_options, field)

const cli_option program_option_rows[] = {
    {"--set", "NAME=VALUE", "a config of a program", .set = model_add_setting},
    {"--real", "TYPE", "of a program: f32 (default) or f64", .set = set_real},
    {0}};

const cli_option program_weights_rows[] = {
    {"--weights", "FILE", "of a program: a .safetensors file, as ingot init writes it",
     .set = cli_set_once, .at = AT(o.program.weights)},
    {.more = program_option_rows},
    {0}};

const cli_option entry_rows[] = {
    {"--entry", "NAME", "of a program's entries only this one", .set = cli_set_once,
     .at = AT(o.entry)},
    {0}};

const cli_option perf_rows[] = {
    {"--perf-map", NULL, "write /tmp/perf-PID.map, by which Linux's perf names kernels",
     .set = cli_set_flag, .at = AT(o.perf_map)},
    {"--perf-dump", "FILE", "write the kernels' loop IR, and what `perf inject --jit` reads for "
     "its lines", .set = cli_set_output, .at = AT(o.perf_dump)},
    {0}};

const cli_option model_rows[] = {
    {"--cpu", "NAME", cpu_help, .set = set_cpu},
    {"--dim", "NAME=N", "bind a run-time dim", .set = add_dim},
    {"--shape", "INPUT=1x3x8", "bind an input's extents", .set = add_shape},
    {"--max-weights", "SIZE", "refuse a model with larger weights (default: 8G)",
     .set = set_size, .at = AT(o.import.max_weights)},
    {"--time-passes", NULL, "show the time of each pass", .set = cli_set_flag,
     .at = AT(o.watch.times)},
    {"--dump", "PASS", "print the model after this pass, or all, to stderr", .set = set_dump,
     .at = AT(o.watch.dump)},
    {"--stop-after", "PASS", "the last pass to run", .set = set_last, .at = AT(o.watch.stop_after)},
    {"--schedule", "FILE", "schedules to follow, as inspect --stage schedules prints",
     .set = cli_set_text, .at = AT(o.schedules)},
    {"-v", NULL, "say what is done", .set = cli_set_flag, .at = AT(verbose)},
    {0}};

const cli_option code_rows[] = {
    {.more = model_rows},
    {"--memory-budget", "SIZE", "of a call's workspace: computes values again instead of keeping "
     "them", .set = set_size, .at = AT(o.memory_budget)},
    {0}};

void model_options_free(model_options *m)
{
    names_free(&m->given);
    arena_reset(&m->names);
}

/* The processor of this machine unless --cpu names another. */
target model_target(const model_options *m)
{
    target host;

    if (m->o.target)
        return *m->o.target;
    host_target(&host);
    return host;
}

int model_status(bool ok, const diag *d)
{
    return ok ? CLI_OK : d->usage ? CLI_USAGE : CLI_FAILED;
}

/* The one argument without a dash. */
bool model_set_file(void *to, const cli_option *o, const char *value)
{
    const char **file = to;

    (void)o;
    if (*file)
        return cli_wrong("one model at a time: '%s' and '%s'", *file, value);
    *file = value;
    return true;
}

bool model_set_engine(void *to, const cli_option *o, const char *value)
{
    static const char *const known[] = {"compiled", "interpreter", NULL};

    *(ingot_engine_kind *)to = *value == 'c' ? ENGINE_COMPILED : ENGINE_INTERPRETER;
    return cli_one_of(o->name, value, known);
}
