/* runtime/train/trainer.c - the training program: its command line and what it does
 * before the first block.  An executable made by `ingot train`, and `ingot train`
 * itself while it runs one in memory, come here. */
#include "trainer.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check_cpu.h"
#include "checkpoint.h"
#include "entry.h"
#include "files.h"
#include "floating.h"
#include "knobs.h"
#include "states.h"
#include "training.h"
#include "use.h"
#include "weights.h"

const trainer_options trainer_defaults = {.keep = 3, .every = 300, .valid = -1, .seed = -1};

long long trainer_seed(const trainer_options *o)
{
    return o->seed < 0 ? 0 : o->seed;
}

/* ---- command line ----------------------------------------------------------------- */

bool trainer_add_block(void *to, const cli_option *o, const char *value)
{
    trainer_options *t = to;

    (void)o;
    if (t->blocks == TRAINER_GIVEN)
        return cli_wrong("more than %d blocks", TRAINER_GIVEN);
    t->block[t->blocks++] = value;
    return true;
}

/* --NAME VALUE of an entry's input: what is no option. */
static bool add_input(void *to, const char *name, size_t n, const char *value, const char *near)
{
    trainer_options *t = to;
    trainer_input *in = &t->input[t->inputs];

    if (!value)
        return cli_wrong("--%.*s takes a value", (int)n, name);
    if (t->inputs == TRAINER_GIVEN)
        return cli_wrong("more than %d inputs", TRAINER_GIVEN);
    if (asprintf(&in->text, "%.*s=%s", (int)n, name, value) < 0)
        return cli_wrong("no memory");
    in->near = near;
    t->inputs++;
    return true;
}

/* Have the columns of the last of n sources no other source?  False after a message. */
static bool are_new(const rows_given *list, int32_t n, const cli_option *o)
{
    const rows_given *last = &list[n - 1];
    size_t size;

    for (const char *at = last->columns; *at; at += size + (at[size] == ',')) {
        size = strcspn(at, ",");
        if (at[size] && rows_has_column(at + size + 1, at, size))
            return cli_wrong("%s %.*s is given twice, in '%s'", o->name, (int)size, at,
                             last->columns);
        for (int32_t i = 0; i < n - 1; i++)
            if (rows_has_column(list[i].columns, at, size))
                return cli_wrong("%s %.*s is given twice: '%s' and '%s'", o->name, (int)size, at,
                                 list[i].text, last->text);
    }
    return true;
}

/* NAME=SRC; the name ends at the first sign. */
static bool add_source(rows_given *list, int32_t *n, const cli_option *o, const char *value)
{
    const char *sign = strchr(value, '=');

    if (!sign || sign == value || !sign[1])
        return cli_wrong("%s takes NAME=FILE, not '%s'", o->name, value);
    if (*n == TRAINER_GIVEN)
        return cli_wrong("%s is given more than %d times", o->name, TRAINER_GIVEN);
    char *columns = strndup(value, (size_t)(sign - value));
    if (!columns)
        return cli_wrong("no memory");
    list[*n] = (rows_given){columns, sign + 1};
    ++*n;
    return are_new(list, *n, o);
}

static bool add_data(void *to, const cli_option *o, const char *value)
{
    trainer_options *t = to;

    return add_source(t->data, &t->datas, o, value);
}

static bool add_test(void *to, const cli_option *o, const char *value)
{
    trainer_options *t = to;

    return add_source(t->test, &t->tests, o, value);
}

/* --set NAME=V, of a config of the program. */
static bool add_setting(void *to, const cli_option *o, const char *value)
{
    trainer_options *t = to;
    const char *sign = strchr(value, '=');
    char *end;
    double v = sign ? strtod(sign + 1, &end) : 0;

    if (!sign || sign == value || end == sign + 1 || *end)
        return cli_wrong("%s takes NAME=NUMBER, not '%s'", o->name, value);
    if (t->sets == TRAINER_GIVEN)
        return cli_wrong("%s is given more than %d times", o->name, TRAINER_GIVEN);
    trainer_setting *set = &t->set[t->sets++];
    *set = (trainer_setting){strndup(value, (size_t)(sign - value)), v};
    if (!set->name)
        return cli_wrong("no memory");
    for (int32_t i = 0; i < t->sets - 1; i++)
        if (!strcmp(t->set[i].name, set->name))
            return cli_wrong("%s %s is given twice: %g and %g", o->name, set->name,
                             t->set[i].value, v);
    return true;
}

/* "90", "90s", "10m" or "2h" in seconds; false if it is none of these. */
static bool read_time(const char *value, double *seconds, char *unit)
{
    static const char units[] = "smh";
    static const double factor[] = {1, 60, 3600};
    char *end;

    *seconds = strtod(value, &end);
    *unit = *end;
    const char *at = *end ? strchr(units, *end) : units;
    if (end == value || !(*seconds > 0) || !at || (*end && end[1]))
        return false;
    *seconds *= factor[at - units];
    return true;
}

static bool set_time(void *to, const cli_option *o, const char *value)
{
    trainer_options *t = to;
    char unit;

    return read_time(value, &t->time, &unit) ||
           cli_wrong("%s takes a time, as 90s, 10m or 2h, not '%s'", o->name, value);
}

/* A time, or a number of steps. */
static bool set_every(void *to, const cli_option *o, const char *value)
{
    trainer_options *t = to;
    char unit;
    double amount;

    if (!read_time(value, &amount, &unit) ||
        (!unit && (amount != floor(amount) || amount > 0x1p53)))
        return cli_wrong("%s takes a time, as 5m, or a whole number of steps, not '%s'", o->name,
                         value);
    t->every = amount;
    t->every_steps = unit ? 0 : (long long)amount;
    return true;
}

static bool set_valid(void *to, const cli_option *o, const char *value)
{
    trainer_options *t = to;
    char *end;

    t->valid = strtod(value, &end);
    bool fits = t->valid >= 0 && (t->valid < 1 || t->valid == floor(t->valid));
    return (end != value && !*end && fits) ||
           cli_wrong("%s takes a share, as 0.1, or a number of rows, not '%s'", o->name, value);
}

#define AT(field) offsetof(trainer_options, field)

const cli_option trainer_clause_rows[] = {
    {"--data", "NAME=FILE", "other training data for a column (or NAME,NAME)", .set = add_data},
    {"--test", "NAME=FILE", "other test data for a column", .set = add_test},
    {"--epochs", "N", "how often all rows are used", .set = cli_set_number, .at = AT(epochs),
     .least = 1, .most = INT64_MAX},
    {"--batch", "N", "rows of a step", .set = cli_set_number, .at = AT(batch), .least = 1,
     .most = 1 << 30},
    {"--valid", "P", "share, or number, of rows kept for validation", .set = set_valid},
    {0}};

const cli_option trainer_loop_rows[] = {
    {.more = trainer_clause_rows},
    {"--steps", "N", "end after N steps in all", .set = cli_set_number, .at = AT(steps), .least = 1,
     .most = INT64_MAX},
    {"--time", "T", "end after so long: 90s, 10m, 2h", .set = set_time},
    {"--keep", "N", "earlier files to keep: FILE.1, FILE.2, .. (default 3)",
     .set = cli_set_number, .at = AT(keep), .least = 0, .most = 1000},
    {"--every", "T", "time, or steps, from file to file (default 5m)", .set = set_every},
    {"--resume", NULL, "go on from the file, if there is one", .set = cli_set_flag,
     .at = AT(resume)},
    {"--fresh", NULL, "begin anew where there is a file", .set = cli_set_flag, .at = AT(fresh)},
    {"--log", "FILE", "numbers of steps and epochs as CSV", .set = cli_set_output, .at = AT(log)},
    {"--plot", "FILE", "their curves as SVG", .set = cli_set_output, .at = AT(plot)},
    {"--report", "FILE", "a page of curves, answers, samples and sizes, as HTML",
     .set = cli_set_output, .at = AT(report)},
    {0}};

/* Shared with `ingot train`; what only a trainer has is trainer_own_rows. */
const cli_option trainer_rows[] = {
    {.more = trainer_loop_rows},
    {"--seed", "N", "of all that is random (default 0)", .set = cli_set_number, .at = AT(seed),
     .least = 0, .most = (1LL << 53) - 1},
    {"--threads", "N", "default: the CPUs; results are the same", .set = cli_set_number,
     .at = AT(threads), .least = 1, .most = 1024},
    {"--init", "FILE", "begin with the weights of a .safetensors file", .set = cli_set_text,
     .at = AT(init)},
    {"--save", "FILE", "where weights and place go (default: NAME.safetensors, NAME "
     "being that of the program or model, not of -o)",
     .set = cli_set_output, .at = AT(save)},
    {"--check-data", NULL, "read and check the data only", .set = cli_set_flag,
     .at = AT(check_data)},
    {"--info", NULL, "what is trained, and exit", .set = cli_set_flag, .at = AT(info)},
    {"--quiet", NULL, "say nothing but errors", .set = cli_set_flag, .at = AT(quiet)},
    {0}};

const cli_option trainer_own_rows[] = {
    {"--set", "NAME=V", "another value of a config", .set = add_setting},
    {"-o", "FILE", "where the result of an entry goes: .npy, or pictures as .pgm",
     .set = cli_set_output, .at = AT(out)},
    {0}};

/* Blocks have no inputs: what is given to one was meant as an option. */
static bool no_inputs(const trainer_options *o)
{
    const trainer_input *in = o->input;

    return !o->inputs || cli_wrong("unknown option '--%.*s'%s%s%s", (int)strcspn(in->text, "="),
                                   in->text, in->near ? "; did you mean '" : " (see --help)",
                                   in->near ? in->near : "", in->near ? "'?" : "");
}

/* Names of blocks, options that exclude each other, and files that are one. */
int trainer_check(const trainer_options *o, const struct ingot_trainer *t)
{
    const char *names[TRAINER_GIVEN];
    int32_t n = t->block_count < TRAINER_GIVEN ? t->block_count : TRAINER_GIVEN;

    for (int32_t i = 0; i < n; i++)
        names[i] = t->blocks[i].name;
    if (o->blocks && entry_named(t, o->block[0]))
        return files_apart(o, t) ? CLI_OK : CLI_USAGE;
    if (!no_inputs(o))
        return CLI_USAGE;
    if (o->out) {
        cli_wrong("-o is for the result of an entry; --save is where the weights go");
        return CLI_USAGE;
    }
    for (int32_t i = 0; i < o->blocks; i++)
        if (training_block(t, o->block[i]) < 0) {
            const char *near = cli_nearest(o->block[i], names, n);
            cli_wrong("the program has no block or entry '%s'%s%s%s", o->block[i],
                      near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
            return CLI_USAGE;
        }
    if (o->resume && o->fresh) {
        cli_wrong("--resume and --fresh exclude each other");
        return CLI_USAGE;
    }
    return files_apart(o, t) ? CLI_OK : CLI_USAGE;
}

/* ---- what is told ----------------------------------------------------------------- */

/* "x: u8[.., 28, 28]  label: i64[..] below 10" */
static void print_columns(const struct ingot_train_block *b)
{
    for (int32_t i = 0; i < b->column_count; i++) {
        const struct ingot_train_column *c = &b->columns[i];
        printf("  %s: %s[..", c->name, tensor_type_name(c->dtype));
        for (int32_t a = 0; a < c->rank; a++)
            printf(", %" PRId64, c->dims[a]);
        printf(c->bound ? "] below %" PRId64 "\n" : "]\n", c->bound);
    }
}

/* Parameters, then blocks with their columns. */
static int print_info(const struct ingot_trainer *t, const struct ingot_model *m)
{
    uint64_t parameters = 0;

    for (int32_t i = 0; i < m->state_count; i++)
        if (t->roles[i] == INGOT_ROLE_PARAM)
            parameters += state_elements(&m->states[i]);
    printf("%s: %" PRIu64 " parameters, %" PRIu64 " bytes of states\n", t->program, parameters,
           m->state_size);
    for (int32_t i = 0; i < m->state_count; i++) {
        if (t->roles[i] != INGOT_ROLE_PARAM)
            continue;
        printf("  %s: %s[", m->states[i].name, tensor_type_name(m->states[i].dtype));
        for (int32_t a = 0; a < m->states[i].rank; a++)
            printf("%s%" PRId64, a ? ", " : "", m->states[i].dims[a]);
        printf("]\n");
    }
    for (int32_t i = 0; i < t->block_count; i++) {
        const struct ingot_train_block *b = &t->blocks[i];
        printf("train %s: batches of %" PRId64 ", ", b->name, b->batch);
        printf(b->epochs ? "%" PRId64 " epochs\n" : "until it stops\n", b->epochs);
        print_columns(b);
    }
    return CLI_OK;
}

/* ---- the program ------------------------------------------------------------------ */

/* An entry uses the weights that were saved, or those of --init.  A file that lacks some may be
 * that of its net alone.  What no file need have begins as the program says. */
static int run_entry(const trainer_options *o, session *s, const struct ingot_trainer *t)
{
    const struct ingot_train_entry *e = entry_named(t, o->block[0]);
    const char *weights = o->init ? o->init : o->save;
    const char *given[2 * TRAINER_GIVEN];
    char error[TENSOR_ERROR_SIZE];
    int32_t n = 0;

    if (weights && !o->init && checkpoint_of_other(t, weights, error))
        return cli_wrong("%s", error), CLI_FAILED;
    if (!weights)
        return cli_wrong("no weights are given: --init FILE"), CLI_FAILED;
    if (!use_init(s, t, trainer_seed(o), error) ||
        !weights_take_needed(t, e, s, weights, error) || !knobs_set(o, t, s, error))
        return cli_wrong("%s", error), CLI_FAILED;
    for (int32_t i = 1; i < o->blocks; i++)
        given[n++] = o->block[i];
    for (int32_t i = 0; i < o->inputs; i++)
        given[n++] = o->input[i].text;
    return entry_run(e, s, given, n, trainer_seed(o), o->out);
}

int trainer_run(const trainer_options *o, session *s, const struct ingot_trainer *t)
{
    if (o->info)
        return print_info(t, s->model);
    if (o->check_data)
        return training_check_data(o, s, t);
    if (o->blocks && entry_named(t, o->block[0]))
        return run_entry(o, s, t);
    return training_run(o, s, t);
}

static const cli_option options[] = {
    {"BLOCK", NULL, "train blocks to run (default: all), or an entry and its NAME=VALUE",
     .set = trainer_add_block},
    {"--NAME", "VALUE", "the input NAME of an entry, as NAME=VALUE", .set_any = add_input},
    {.more = trainer_rows},
    {.more = trainer_own_rows},
    {0}};

char *trainer_save(const struct ingot_trainer *t)
{
    char *path = NULL;

    return asprintf(&path, "%s.safetensors", t->program) < 0 ? NULL : path;
}

/* floating_flush before any thread is started: they inherit it. */
static int obey(trainer_options *o, const struct ingot_model *m, const struct ingot_trainer *t)
{
    char error[TENSOR_ERROR_SIZE], missing[256], *save = trainer_save(t);
    session s = {0};

    o->save = o->save ? o->save : save;
    int status = trainer_check(o, t);
    if (status == CLI_OK && !check_cpu(m->cpu, missing, sizeof missing)) {
        cli_wrong("this CPU lacks %s, which the code is compiled for (%s)", missing, m->cpu);
        status = CLI_FAILED;
    }
    floating_flush();
    if (status == CLI_OK) {
        bool open = session_open(&s, m, m->weights, (int)o->threads, error);
        status = open ? trainer_run(o, &s, t) : (cli_wrong("%s", error), CLI_FAILED);
    }
    session_close(&s);
    free(save);
    return status;
}

/* An entry trains nothing.  CLI_OK, or CLI_USAGE after a message. */
static int check_entry(const trainer_options *o, const struct ingot_trainer *t, int argc,
                       char **argv)
{
    const char *loop = o->blocks && entry_named(t, o->block[0])
                           ? cli_given(argc, argv, trainer_loop_rows, NULL)
                           : NULL;

    if (!loop)
        return CLI_OK;
    cli_wrong("%s is for a training, and '%s' is an entry", loop, o->block[0]);
    return CLI_USAGE;
}

void trainer_options_free(trainer_options *o)
{
    for (int32_t i = 0; i < o->datas; i++)
        free((char *)(uintptr_t)o->data[i].columns);
    for (int32_t i = 0; i < o->tests; i++)
        free((char *)(uintptr_t)o->test[i].columns);
    for (int32_t i = 0; i < o->sets; i++)
        free((char *)(uintptr_t)o->set[i].name);
    for (int32_t i = 0; i < o->inputs; i++)
        free(o->input[i].text);
}

int trainer_main(const struct ingot_model *m, const struct ingot_trainer *t, int argc,
                 char **argv)
{
    trainer_options o = trainer_defaults;
    char usage[200], about[300];

    snprintf(usage, sizeof usage, "%.100s [BLOCK..] [OPTIONS]", program_invocation_short_name);
    snprintf(about, sizeof about, "Trains '%.200s', which is compiled in.", t->program);
    int status = cli_parse(argc - 1, argv + 1, usage, about, options, &o);
    if (status == CLI_OK)
        status = check_entry(&o, t, argc - 1, argv + 1);
    if (status == CLI_OK)
        status = obey(&o, m, t);
    trainer_options_free(&o);
    return cli_finish(status);
}
