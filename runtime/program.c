/* runtime/program.c - a model as a program: its command line, and the way from
 * there to a run. */
#include "program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "outputs.h"
#include "program_parts.h"
#include "report.h"
#include "spelling.h"
#include "states.h"
#include "visible.h"

/* ---- command line ------------------------------------------------------------------- */

bool program_append(program_list *l, program_given given)
{
    program_given *more = realloc(l->at, (size_t)(l->n + 1) * sizeof *more);

    if (!more)
        return cli_wrong("no memory");
    l->at = more;
    more[l->n++] = given;
    return true;
}

/* Names may hold `:` and `/`: files split at the first `=`, extents at the last. */
bool program_add_input(void *to, const cli_option *o, const char *value)
{
    const char *at = strchr(value, '=');
    char *name = at ? strndup(value, (size_t)(at - value)) : NULL;

    (void)o;
    return program_append(to, (program_given){.name = name, .path = at ? at + 1 : value});
}

/* --NAME VALUE, of an input.  Names of options mean options. */
static bool add_value(void *to, const char *name, size_t n, const char *value, const char *near)
{
    return program_append(to, (program_given){.name = strndup(name, n), .path = value,
                                              .value = true, .near = near});
}

/* An entry, or NAME=VALUE, which is --NAME VALUE as the entries of trainers take it. */
static bool add_operand(void *to, const cli_option *o, const char *value)
{
    program_options *p = to;
    const char *sign = strchr(value, '=');

    return sign ? add_value(&p->inputs, value, (size_t)(sign - value), sign + 1, NULL)
                : cli_set_once(&p->entry, o, value);
}

static bool set_random(void *to, const cli_option *o, const char *value)
{
    program_options *p = to;

    p->random = true;
    return !value || cli_number(o->name, value, 0, INT32_MAX, &p->seed);
}

/* Times are taken with random inputs, unless inputs are given. */
static bool set_bench(void *to, const cli_option *o, const char *value)
{
    program_options *p = to;
    long long runs = 0;

    p->random = p->bench = true;
    if (value && !cli_number(o->name, value, 1, 10000000, &runs))
        return false;
    p->timing.runs = (size_t)runs;
    return true;
}

/* Stores seconds from a number of them, or of thousandths. */
static bool set_time(void *to, const cli_option *o, const char *value)
{
    char *end;
    double v = strtod(value, &end);

    if (!*value || *end || !(v >= 0 && v <= 1e6))
        return cli_wrong("%s takes a time, not '%s'", o->name, value);
    *(double *)to = strcmp(o->value, "MS") ? v : v / 1e3;
    return true;
}

/* Shared with `ingot bench`. */
const cli_option program_timing_rows[] = {
    {"--duration", "S", "seconds of runs, at least 10, where their number is open (default 1)",
     .set = set_time, .at = offsetof(invoke_timing, seconds)},
    {"--warm-up", "MS", "milliseconds of runs before (default: 200, or one run before N)",
     .set = set_time, .at = offsetof(invoke_timing, warm_up)},
    {0}};

static const char *const formats[] = {"npy", "pb", NULL};

#define AT(field) offsetof(program_options, field)

/* All that `ingot run` and executables have in common. */
const cli_option program_rows[] = {
    {"ENTRY", NULL, "what to run (default: main, or the only entry); NAME=VALUE is --NAME VALUE",
     .set = add_operand},
    {"--input", "NAME=FILE",
     "an input, from a .npy, .pb or IDX file or - (stdin), or a value as [1, 2]; FILE if only one",
     .set = program_add_input, .at = AT(inputs)},
    {"--NAME", "VALUE", "the input NAME: a number, a list as [1, 2], or a file",
     .set_any = add_value, .at = AT(inputs)},
    {"--output-dir", "DIR", "write every output there (default: print a summary)",
     .set = cli_set_output, .at = AT(folder)},
    {"--output-format", "FORMAT", "npy (default) or pb", .set = cli_set_word, .at = AT(format),
     .words = formats},
    {"--random-inputs", "[=SEED]", "make up the inputs that are not given", .set = set_random},
    {"--cast", NULL, "convert inputs of another element type", .set = cli_set_flag,
     .at = AT(cast)},
    {"--labels", "FILE", "names of the elements of an output, a line each, for the summary",
     .set = cli_set_text, .at = AT(labels)},
    {"--states", "FILE", "read the states there, if it exists, and write them at the end",
     .set = cli_set_output, .at = AT(states)},
    {"--steps", "N", "run N times, one after the other, on the same inputs",
     .set = cli_set_number, .at = AT(steps), .least = 1, .most = INT64_MAX},
    {"--info", NULL, "print inputs, outputs, dims, sizes, CPU", .set = cli_set_flag,
     .at = AT(info)},
    {"--bench", "[N]", "time N runs, or those of a second, with --random-inputs if need be",
     .set = set_bench},
    {.more = program_timing_rows, .at = AT(timing)},
    {"--json", "FILE", "write the times there too", .set = cli_set_output, .at = AT(json)},
    {"--threads", "N", "threads (default: the CPUs, or as built)", .set = cli_set_number,
     .at = AT(threads), .least = 1, .most = 1024},
    {0}};

static void free_list(program_list *l)
{
    for (int i = 0; i < l->n; i++)
        free(l->at[i].name);
    free(l->at);
}

void program_options_free(program_options *o)
{
    free_list(&o->inputs);
    free_list(&o->shapes);
    free_list(&o->dims);
    *o = (program_options){0};
}

/* Options that would do nothing are refused. */
static bool fit_together(const program_options *o)
{
    if ((o->json || o->timing.seconds || o->timing.warm_up) && !o->bench)
        return cli_wrong("--json, --duration and --warm-up go with --bench");
    if (o->labels && o->folder)
        return cli_wrong("--labels is for the summary: it does not go with --output-dir");
    if (o->format && !o->folder)
        return cli_wrong("--output-format goes with --output-dir");
    if (o->bench && (o->steps || o->states))
        return cli_wrong("--bench changes no states: --steps and --states do not go with it");
    return !o->info || (!o->bench && !o->folder && !o->steps && !o->states) ||
           cli_wrong("--info runs nothing: --bench, --output-dir, --steps and --states do not go "
                     "with it");
}

/* ---- the entry ----------------------------------------------------------------------- */

/* Says which there are. */
static bool no_entry(const program_options *o, const struct ingot_model *m)
{
    const char **names = calloc((size_t)m->entry_count + 1, sizeof *names);

    for (int32_t i = 0; names && i < m->entry_count; i++)
        names[i] = m->entries[i].name;
    if (!names)
        cli_wrong("no memory");
    else if (o->entry && !access(o->entry, F_OK))
        cli_wrong("'%s' is a file, not an entry: --input NAME=FILE or --NAME FILE takes one",
                  o->entry);
    else if (o->entry)
        cli_one_of("entry", o->entry, names);
    else
        cli_wrong("the model has %d entries, none of them 'main': name one, such as '%s'",
                  m->entry_count, m->entry_count ? names[0] : "");
    free(names);
    return false;
}

/* The entry that is meant; null if that is not clear.  --info describes the first then,
 * and lists all. */
static const struct ingot_entry *find_entry(const program_options *o, const struct ingot_model *m)
{
    const struct ingot_entry *e = session_entry(m, o->entry);

    return !e && o->info && !o->entry && m->entry_count ? m->entries : e;
}

/* CLI_OK, or what is wrong with options or model before anything is loaded. */
int program_check(const program_options *o, const struct ingot_model *m)
{
    if (!fit_together(o))
        return CLI_USAGE;
    if (m->abi != INGOT_ABI_VERSION) {
        cli_wrong("runtime and model do not fit together");
        return CLI_FAILED;
    }
    const struct ingot_entry *e = find_entry(o, m);
    bool ok = e ? program_check_inputs(o, e) : no_entry(o, m);
    ok = ok && (!o->states || m->state_count || cli_wrong("--states: the model has no states"));
    return ok ? CLI_OK : CLI_USAGE;
}

/* ---- states -------------------------------------------------------------------------- */

/* What of the states is kept in a file, or would be lost. */
typedef struct keeping {
    partial file;
    uint64_t before;                /* hash, where no file is given */
} keeping;

static uint64_t hash_states(const session *s)
{
    return s->states ? ingot_hash_weights(INGOT_HASH_START, s->states, s->model->state_size) : 0;
}

/* The new file is begun before the run: if it cannot be, that is told at once. */
static bool begin_states(keeping *k, const program_options *o, session *s)
{
    char error[TENSOR_ERROR_SIZE];
    bool there = o->states && !access(o->states, F_OK);

    *k = (keeping){.before = o->states ? 0 : hash_states(s)};
    if ((o->states && !states_storable(s->model, error)) ||
        (there && !states_read(s, o->states, error)))
        return cli_wrong("%s", error);
    return report_open(&k->file, o->states);
}

/* `ok`: the run succeeded. */
static bool end_states(keeping *k, const program_options *o, const session *s, bool ok)
{
    if (ok && !o->states && hash_states(s) != k->before)
        fprintf(stderr, "%s: the states changed and are forgotten: --states FILE keeps them\n",
                program_invocation_short_name);
    if (ok && o->states && !states_write(s, k->file.file))
        ok = cli_wrong("no memory for the states' file");
    return report_close(&k->file, o->states, ok);
}

/* ---- running --------------------------------------------------------------------------- */

/* Numbers that stand for a text as that; with its name where there are several outputs.  Were the
 * labels of use? */
static bool show_output(const struct ingot_entry *e, int32_t i, const tensor_value *v,
                        const labels *l)
{
    const struct ingot_value_info *info = &e->outputs[i];

    if (!info->name_count || info->rank > 1 || l->n)
        return outputs_show(info->name, v, l);
    if (e->output_count > 1) {
        visible_put(info->name, stdout);
        fputs(": ", stdout);
    }
    spelling_print((spelling){info->names, info->name_count}, &v->t, stdout);
    return false;
}

/* To files, or as a summary to people. */
static bool give_outputs(const program *p)
{
    const struct ingot_entry *e = p->entry;
    bool pb = p->o->format && !strcmp(p->o->format, "pb");
    char error[TENSOR_ERROR_SIZE];

    if (p->o->folder) {
        const char **names = calloc((size_t)e->output_count + 1, sizeof *names);
        for (int32_t i = 0; names && i < e->output_count; i++)
            names[i] = e->outputs[i].name;
        bool ok = names && outputs_write(p->o->folder, pb, names, p->out, e->output_count, error);
        free(names);
        return ok || cli_wrong("%s", names ? error : "no memory");
    }
    labels names = {0};
    if (p->o->labels && !labels_read(&names, p->o->labels, error))
        return cli_wrong("%s", error);
    bool named = !p->o->labels;
    for (int32_t i = 0; i < e->output_count; i++)
        named |= show_output(e, i, &p->out[i], &names);
    if (!named)
        cli_wrong("%s has %lld labels, and no output is one row of as many floats", p->o->labels,
                  (long long)names.n);
    labels_free(&names);
    return named;
}

/* All steps; the outputs are those of the last. */
static bool run_steps(const program *p, invoke *v)
{
    char error[TENSOR_ERROR_SIZE];
    long long steps = p->o->steps ? p->o->steps : 1, done = 0;

    while (done < steps && invoke_run(v, error))
        done++;
    if (p->o->ended)
        p->o->ended();
    if (done < steps)
        return steps > 1 ? cli_wrong("step %lld: %s", done + 1, error) : cli_wrong("%s", error);
    return invoke_take(v, p->out, error) ? give_outputs(p) : cli_wrong("%s", error);
}

/* --bench alone shows no outputs: those of made-up inputs mean nothing. */
static bool run_prepared(const program *p, invoke *v)
{
    keeping k;

    if (p->o->bench && !program_bench(p, v))
        return false;
    if (p->o->bench && !p->o->folder)
        return true;
    if (!begin_states(&k, p->o, v->s))
        return false;
    return end_states(&k, p->o, v->s, run_steps(p, v));
}

/* Inputs are read before memory for the run is taken: errors in them come soon. */
static bool run(program *p, session *s)
{
    char error[TENSOR_ERROR_SIZE];
    invoke v;

    if (!program_load_inputs(p, s))
        return false;
    bool ok = invoke_prepare(&v, s, p->entry, p->in, error) ? run_prepared(p, &v)
                                                            : cli_wrong("%s", error);
    invoke_free(&v);
    return ok;
}

/* ---- the program ------------------------------------------------------------------------- */

static bool open_program(program *p)
{
    const struct ingot_entry *e = p->entry;

    p->dims = calloc((size_t)e->dim_count + 1, sizeof *p->dims);
    p->in = calloc((size_t)e->input_count + 1, sizeof *p->in);
    p->out = calloc((size_t)e->output_count + 1, sizeof *p->out);
    return (p->dims && p->in && p->out) || cli_wrong("no memory");
}

static void close_program(program *p)
{
    for (int32_t i = 0; p->in && i < p->entry->input_count; i++)
        tensor_value_free(&p->in[i]);
    for (int32_t i = 0; p->out && i < p->entry->output_count; i++)
        tensor_value_free(&p->out[i]);
    free(p->in);
    free(p->out);
    free(p->dims);
}

/* Opens the program, does something with it, closes it; the exit code. */
static int with_program(program p, bool (*act)(program *p, session *s), session *s)
{
    p.entry = find_entry(p.o, p.model);
    bool ok = open_program(&p) && program_bind(&p) && act(&p, s);

    close_program(&p);
    return ok ? CLI_OK : CLI_FAILED;
}

static bool show(program *p, session *s)
{
    (void)s;
    return program_info(p);
}

int program_describe(const program_options *o, const struct ingot_model *m, int threads)
{
    return with_program((program){.o = o, .model = m, .threads = threads}, show, NULL);
}

int program_run(const program_options *o, session *s)
{
    return with_program((program){.o = o, .model = s->model, .threads = session_threads(s)}, run,
                        s);
}
