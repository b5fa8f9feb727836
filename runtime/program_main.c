/* runtime/program_main.c - the program of an executable: what it has beside what
 * `ingot run` has, which is a model that is linked in, weights that may lie in a
 * file, and dims that only a run knows. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check_cpu.h"
#include "cleanup.h"
#include "options_rows.h"
#include "outputs.h"
#include "program_parts.h"

/* ---- command line ------------------------------------------------------------------- */

static bool add_shape(void *to, const cli_option *o, const char *value)
{
    program_given g = {0};
    const char *at = strrchr(value, '=');

    if (!at || !outputs_parse_shape(at + 1, &g.rank, g.extents))
        return cli_wrong("%s takes NAME=1x3x8, not '%s'", o->name, value);
    g.name = strndup(value, (size_t)(at - value));
    return program_append(to, g);
}

/* NAME=N; a dim may be called a=b, so the last sign counts. */
static bool add_dim(void *to, const cli_option *o, const char *value)
{
    const char *at = strrchr(value, '=');
    long long n;

    if (!at)
        return cli_wrong("%s takes NAME=N, not '%s'", o->name, value);
    if (!cli_number(o->name, at + 1, 0, INT32_MAX, &n))
        return false;
    return program_append(to, (program_given){.name = strndup(value, (size_t)(at - value)),
                                              .rank = 1, .extents = {n}});
}

#define AT(field) offsetof(program_options, field)

static const cli_option options[] = {
    {.more = program_rows},
    {"--shape", "NAME=1x3x8", "extents of an input that is made up", .set = add_shape,
     .at = AT(shapes)},
    {"--dim", "NAME=N", "a run-time dim of inputs that are made up", .set = add_dim,
     .at = AT(dims)},
    {"--weights", "FILE", "weights not built in (default: the program's name and .weights)",
     .set = cli_set_text, .at = AT(weights)},
    {"--version", NULL, "who made the program, and of which model", .set = cli_set_flag,
     .at = AT(version)},
    {0}};

/* ---- weights ------------------------------------------------------------------------- */

/* Mapped, not read: pages are loaded as kernels touch them, and processes share
 * them.  The hash tells a file of another build from this one's; it reads the file
 * once. */
static bool map_weights(const struct ingot_model *m, const char *path, const uint8_t **weights)
{
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
    *weights = p;
    return ingot_hash_weights(INGOT_HASH_START, p, m->weights_size) == m->weights_hash ||
           cli_wrong("%s: holds the weights of another model", path);
}

/* A file of the program's name and .weights, unless another is given. */
static bool find_weights(const program_options *o, const struct ingot_model *m,
                         const uint8_t **weights)
{
    static const char suffix[] = ".weights";
    char beside[4096 + sizeof suffix];

    *weights = m->weights;
    if (m->weights || !m->weights_size)
        return !o->weights || cli_wrong("--weights: the weights are in this program");
    if (o->weights)
        return map_weights(m, o->weights, weights);
    ssize_t n = readlink("/proc/self/exe", beside, sizeof beside - sizeof suffix);
    if (n < 0)
        return cli_wrong("the weights are in a file of their own: give --weights FILE");
    strcpy(beside + n, suffix);
    return map_weights(m, beside, weights);
}

static void release_weights(const struct ingot_model *m, const uint8_t *weights)
{
    if (weights && weights != m->weights)
        munmap((void *)(uintptr_t)weights, (size_t)m->weights_size);
}

/* ---- the program --------------------------------------------------------------------- */

/* The processor is asked before any other code of the model runs. */
static int run_linked(const program_options *o, const struct ingot_model *m, int threads)
{
    char error[TENSOR_ERROR_SIZE], missing[256];
    const uint8_t *weights = NULL;
    session s = {0};

    if (!check_cpu(m->cpu, missing, sizeof missing)) {
        cli_wrong("this CPU lacks %s, which the code is compiled for (%s)", missing, m->cpu);
        return CLI_FAILED;
    }
    bool ready = find_weights(o, m, &weights) &&
                 (session_open(&s, m, weights, threads, error) || cli_wrong("%s", error));
    int status = ready ? program_run(o, &s) : CLI_FAILED;
    session_close(&s);
    release_weights(m, weights);
    return status;
}

static int print_version(const struct ingot_model *m)
{
    printf("%s\nmodel %s\n", m->made_by ? m->made_by : "ingot", m->name);
    if (m->source)
        printf("sha256 %s\n", m->source);
    return CLI_OK;
}

/* Threads: the option, else what was built in, else all CPUs. */
static int obey(const program_options *o, const struct ingot_model *m)
{
    int threads = o->threads               ? (int)o->threads
                  : m->default_threads > 0 ? m->default_threads
                                           : thread_cpus();

    if (o->version)
        return print_version(m);
    int status = program_check(o, m);
    if (status != CLI_OK)
        return status;
    return o->info ? program_describe(o, m, threads) : run_linked(o, m, threads);
}

/* What --help says above the options; null without memory. */
static char *describe(const struct ingot_model *m)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return NULL;
    fprintf(f, "Runs the model '%s', which is compiled in.  Its entries:", m->name);
    program_list_entries(m, f);
    fclose(f);
    return text;
}

/* Whatever printed must have reached its file: an output that was lost is a
 * failure. */
int program_main(const struct ingot_model *m, int argc, char **argv)
{
    program_options o = {0};
    char usage[200], *about = describe(m);

    cleanup_catch_interrupt();
    snprintf(usage, sizeof usage, "%.100s [ENTRY] [OPTIONS]", program_invocation_short_name);
    int status = cli_parse(argc - 1, argv + 1, usage, about ? about : "", options, &o);
    if (status == CLI_OK)
        status = obey(&o, m);
    program_options_free(&o);
    free(about);
    return cli_finish(status);
}

void program_print_manual(void)
{
    cli_help("man", "model [ENTRY] [OPTIONS]",
             "A program that ingot build makes of a neural network, whatever its name.  It\n"
             "runs an entry of the network on inputs from files, and writes the outputs or\n"
             "prints a summary of them; it needs no other file.  --help lists its own entries,\n"
             "--info what it takes.",
             options);
}
