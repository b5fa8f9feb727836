/* runtime/artifact.c - an executable made from a model: its command line, and
 * the way from there to a run. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artifact.h"
#include "check_cpu.h"
#include "cleanup.h"
#include "invoke.h"
#include "options.h"
#include "outputs.h"

/* ---- command line ------------------------------------------------------------------- */

static bool append(artifact_list *l, artifact_given given)
{
    artifact_given *more = realloc(l->at, (size_t)(l->n + 1) * sizeof *more);

    if (!more)
        return cli_wrong("no memory");
    l->at = more;
    more[l->n++] = given;
    return true;
}

/* Names may hold `:` and `/`: files split at the first `=`, extents at the last. */
static bool add_input(void *to, const cli_option *o, const char *value)
{
    const char *at = strchr(value, '=');
    char *name = at ? strndup(value, (size_t)(at - value)) : NULL;

    (void)o;
    return append(to, (artifact_given){.name = name, .path = at ? at + 1 : value});
}

static bool add_shape(void *to, const cli_option *o, const char *value)
{
    artifact_given g = {0};
    const char *at = strrchr(value, '=');

    if (!at || !outputs_parse_shape(at + 1, &g.rank, g.extents))
        return cli_wrong("%s takes NAME=1x3x8, not '%s'", o->name, value);
    g.name = strndup(value, (size_t)(at - value));
    return append(to, g);
}

static bool add_dim(void *to, const cli_option *o, const char *value)
{
    const char *at = strrchr(value, '=');
    long long n;

    if (!at)
        return cli_wrong("%s takes NAME=N, not '%s'", o->name, value);
    if (!cli_number(o->name, at + 1, 0, INT32_MAX, &n))
        return false;
    return append(to, (artifact_given){.name = strndup(value, (size_t)(at - value)), .rank = 1,
                                       .extents = {n}});
}

static bool set_random(void *to, const cli_option *o, const char *value)
{
    artifact_options *a = to;

    a->random = true;
    return !value || cli_number(o->name, value, 0, INT32_MAX, &a->seed);
}

/* Times are taken with random inputs, unless inputs are given. */
static bool set_bench(void *to, const cli_option *o, const char *value)
{
    artifact_options *a = to;

    a->random = true;
    return cli_number(o->name, value, 1, 10000000, &a->bench);
}

static const char *const formats[] = {"npy", "pb", NULL};

#define AT(field) offsetof(artifact_options, field)

static const cli_option options[] = {
    {"--input", "NAME=FILE", "an input, from a .npy or .pb file; FILE if there is only one",
     .set = add_input, .at = AT(inputs)},
    {"--output-dir", "DIR", "write every output there (default: print a summary)",
     .set = cli_set_text, .at = AT(folder)},
    {"--output-format", "FORMAT", "npy (default) or pb", .set = cli_set_word, .at = AT(format),
     .words = formats},
    {"--random-inputs", "[=SEED]", "make up the inputs that are not given", .set = set_random},
    {"--shape", "NAME=1x3x8", "extents of an input that is made up", .set = add_shape,
     .at = AT(shapes)},
    {"--dim", "NAME=N", "a run-time dim of inputs that are made up", .set = add_dim,
     .at = AT(dims)},
    {"--info", NULL, "print inputs, outputs, dims, sizes, CPU", .set = cli_set_flag, .at = AT(info)},
    {"--bench", "N", "time N runs, with --random-inputs if need be", .set = set_bench},
    {"--json", "FILE", "write the times there too", .set = cli_set_text, .at = AT(json)},
    {"--threads", "N", "threads (default: the CPUs, or as built)", .set = cli_set_number,
     .at = AT(threads), .least = 1, .most = 1024},
    {"--weights", "FILE", "weights not built in (default: the program's name and .weights)",
     .set = cli_set_text, .at = AT(weights)},
    {0}};

/* ---- weights ------------------------------------------------------------------------- */

static bool map_weights(artifact *a, const char *path)
{
    const struct ingot_model *m = a->model;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st))
        return cli_wrong("%s: %s", path, strerror(errno));
    bool fits = (uint64_t)st.st_size == m->weights_size;
    void *p = fits ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    int why = errno;
    close(fd);
    if (!fits)
        return cli_wrong("%s: has %lld bytes, the weights of this model have %llu", path,
                         (long long)st.st_size, (unsigned long long)m->weights_size);
    if (p == MAP_FAILED)
        return cli_wrong("%s: %s", path, strerror(why));
    a->weights = p;
    return ingot_hash_weights(INGOT_HASH_START, p, m->weights_size) == m->weights_hash ||
           cli_wrong("%s: holds the weights of another model", path);
}

/* A file of the program's name and .weights, unless another is given. */
static bool find_weights(artifact *a)
{
    static const char suffix[] = ".weights";
    char beside[4096 + sizeof suffix];

    a->weights = a->model->weights;
    if (a->weights || !a->model->weights_size)
        return !a->o.weights || cli_wrong("--weights: the weights are in this program");
    if (a->o.weights)
        return map_weights(a, a->o.weights);
    ssize_t n = readlink("/proc/self/exe", beside, sizeof beside - sizeof suffix);
    if (n < 0)
        return cli_wrong("the weights are in a file of their own: give --weights FILE");
    strcpy(beside + n, suffix);
    return map_weights(a, beside);
}

/* ---- running --------------------------------------------------------------------------- */

static bool give_outputs(artifact *a)
{
    const struct ingot_entry *e = a->entry;
    bool pb = a->o.format && !strcmp(a->o.format, "pb");
    char error[TENSOR_ERROR_SIZE];

    if (a->o.folder) {
        const char **names = calloc((size_t)e->output_count + 1, sizeof *names);
        for (int32_t i = 0; names && i < e->output_count; i++)
            names[i] = e->outputs[i].name;
        bool ok = names && outputs_write(a->o.folder, pb, names, a->out, e->output_count, error);
        free(names);
        return ok || cli_wrong("%s", names ? error : "no memory");
    }
    for (int32_t i = 0; i < e->output_count; i++)
        outputs_show(e->outputs[i].name, &a->out[i]);
    return true;
}

static bool run_prepared(artifact *a, invoke *v)
{
    char error[TENSOR_ERROR_SIZE];

    if (a->o.bench && !artifact_bench(a, v))
        return false;
    if (a->o.bench && !a->o.folder)
        return true;
    if (!a->o.bench && !invoke_run(v, error))
        return cli_wrong("%s", error);
    return invoke_take(v, a->out, error) ? give_outputs(a) : cli_wrong("%s", error);
}

static bool run(artifact *a)
{
    char error[TENSOR_ERROR_SIZE], missing[256];
    invoke v;

    if (!check_cpu(a->model->cpu, missing, sizeof missing))
        return cli_wrong("this CPU lacks %s, which the code is compiled for (%s)", missing,
                         a->model->cpu);
    if (!find_weights(a) || !artifact_load_inputs(a))
        return false;
    thread_pool *pool = a->threads > 1 ? thread_pool_open(a->threads) : NULL;
    bool ok = invoke_prepare(&v, a->model, a->entry, a->weights, thread_pool_of(pool), a->in,
                             error);
    if (!ok)
        cli_wrong("%s", error);
    ok = ok && run_prepared(a, &v);
    invoke_free(&v);
    thread_pool_close(pool);
    return ok;
}

/* ---- the program ------------------------------------------------------------------------- */

static bool open_artifact(artifact *a)
{
    const struct ingot_model *m = a->model;

    a->entry = m->abi == INGOT_ABI_VERSION ? invoke_entry(m) : NULL;
    if (!a->entry)
        return cli_wrong("runtime and model do not fit together");
    a->threads = a->o.threads ? (int)a->o.threads
                 : m->default_threads > 0 ? m->default_threads
                                          : thread_cpus();
    a->dims = calloc((size_t)a->entry->dim_count + 1, sizeof *a->dims);
    a->in = calloc((size_t)a->entry->input_count + 1, sizeof *a->in);
    a->out = calloc((size_t)a->entry->output_count + 1, sizeof *a->out);
    return (a->dims && a->in && a->out) || cli_wrong("no memory");
}

static void close_list(artifact_list *l)
{
    for (int i = 0; i < l->n; i++)
        free(l->at[i].name);
    free(l->at);
}

static void close_artifact(artifact *a)
{
    for (int32_t i = 0; a->in && i < a->entry->input_count; i++)
        tensor_value_free(&a->in[i]);
    for (int32_t i = 0; a->out && i < a->entry->output_count; i++)
        tensor_value_free(&a->out[i]);
    if (a->weights && a->weights != a->model->weights)
        munmap((void *)(uintptr_t)a->weights, (size_t)a->model->weights_size);
    free(a->in);
    free(a->out);
    free(a->dims);
    close_list(&a->o.inputs);
    close_list(&a->o.shapes);
    close_list(&a->o.dims);
}

/* Options that would do nothing are refused. */
static bool fit_together(const artifact_options *o)
{
    if (o->json && !o->bench)
        return cli_wrong("--json goes with --bench");
    if (o->format && !o->folder)
        return cli_wrong("--output-format goes with --output-dir");
    return !o->info || (!o->bench && !o->folder) ||
           cli_wrong("--info runs nothing: --bench and --output-dir do not go with it");
}

static int open_and_run(artifact *a)
{
    if (!fit_together(&a->o))
        return CLI_USAGE;
    if (!open_artifact(a))
        return CLI_FAILED;
    if (!artifact_check_inputs(a))
        return CLI_USAGE;
    return artifact_bind(a) && (a->o.info ? artifact_info(a) : run(a)) ? CLI_OK : CLI_FAILED;
}

int artifact_main(const struct ingot_model *m, int argc, char **argv)
{
    artifact a = {.model = m};
    char usage[200], about[200];

    cleanup_catch_interrupt();
    snprintf(usage, sizeof usage, "%.100s [OPTIONS]", program_invocation_short_name);
    snprintf(about, sizeof about, "Runs the model '%.100s', which is compiled in.", m->name);
    int status = cli_parse(argc - 1, argv + 1, usage, about, options, &a.o);
    if (status == CLI_OK)
        status = open_and_run(&a);
    close_artifact(&a);
    if ((status == CLI_OK || status == CLI_HELP) && (fflush(stdout) || ferror(stdout))) {
        cli_wrong("standard output cannot be written: %s", strerror(errno));
        return CLI_FAILED;
    }
    return status == CLI_HELP ? CLI_OK : status;
}
