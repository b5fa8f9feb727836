/* cli/build.c - `ingot build`: a model becomes a file of native code.  Load, passes
 * and plan (code.c), objects (codegen/), linking (export/link.c); everything is
 * made in a workplace and published by renames, the output last, so that an output
 * which exists is whole and has its header and weights beside it. */
#include <stdlib.h>

#include "cleanup.h"
#include "code.h"
#include "command.h"
#include "file_kind.h"
#include "link.h"
#include "path.h"
#include "program_load.h"
#include "progress.h"
#include "save_onnx.h"
#include "sha256.h"
#include "thread.h"
#include "workplace.h"

/* The command line, and where the work is done.  `ingot build net.onnx -o libnet.a
 * --emit lib` makes libnet.a and, beside it, net.h. */
typedef struct build_options {
    model_options model;
    const char *file, *out, *emit, *name, *weights;
    bool is_static, no_alloc, strip, lines;
    long long threads, jobs;
    workplace work;
} build_options;

static const char *const kinds[] = {"exe", "lib", "shared", "obj", "onnx", "llvm", "asm", NULL};
static const char *const places[] = {"embed", "file", NULL};

#define AT(field) offsetof(build_options, field)

/* Where weights go, or where those of a program come from. */
static bool set_weights(void *to, const cli_option *o, const char *value)
{
    static const char *const known[] = {"embed", "file", "WEIGHTS.safetensors", NULL};
    build_options *b = to;

    if (!has_suffix(value, ".safetensors")) {
        b->weights = value;
        return cli_one_of(o->name, value, known);
    }
    return cli_set_once(&b->model.o.program.weights, o, value);
}

static const cli_option options[] = {
    {"MODEL", NULL, "an .onnx, .ingot or .ir file", .set = model_set_file, .at = AT(file)},
    {"-o", "FILE", "the output", .set = cli_set_output, .at = AT(out)},
    {"--emit", "KIND", "exe (default), lib, shared, obj, onnx, or text: llvm, asm",
     .set = cli_set_word,
     .at = AT(emit), .words = kinds},
    {"--static", NULL, "an executable without shared libraries", .set = cli_set_flag,
     .at = AT(is_static)},
    {"--strip", NULL, "leave out the names of kernels, by which profilers know them",
     .set = cli_set_flag, .at = AT(strip)},
    {"-g", NULL, "debug lines: write the kernels' loop IR to FILE.lp, and which instruction is "
     "of which line of it", .set = cli_set_flag, .at = AT(lines)},
    {"--name", "NAME", "of the model in symbols (default: from -o)",
     .set = artifact_set_name, .at = AT(name)},
    {"--threads", "N", "default of an executable (else the CPUs), maximum of a library",
     .set = cli_set_number, .at = AT(threads), .least = 1, .most = 1024},
    {"--weights", "WHERE", "embed (default), or file: beside the output, FILE.weights; or "
     "weights that were trained, a .safetensors file", .set = set_weights, .words = places},
    {"--no-alloc", NULL, "refuse a model that needs memory whose size depends on data",
     .set = cli_set_flag, .at = AT(no_alloc)},
    {"--jobs", "N", "threads that compile (default: all CPUs); the output is the same",
     .set = cli_set_number, .at = AT(jobs), .least = 1, .most = 1024},
    {.more = program_option_rows, .at = AT(model)},
    {.more = entry_rows, .at = AT(model)},
    {.more = code_rows, .at = AT(model)},
    {0}};

static bool is(const build_options *o, const char *kind)
{
    return !strcmp(o->emit, kind);
}

static bool is_library(const build_options *o)
{
    return is(o, "lib") || is(o, "shared");
}

static bool has_header(const build_options *o)
{
    return is_library(o) || is(o, "obj");
}

static bool weights_apart(const build_options *o)
{
    return !strcmp(o->weights, "file");
}

/* The path of a file beside the output that is called so behind the output's name. */
static char *path_beside(const build_options *o, const char *suffix)
{
    char *path = NULL;

    return asprintf(&path, "%s%s", o->out, suffix) < 0 ? NULL : path;
}

static char *weights_path(const build_options *o)
{
    return path_beside(o, ".weights");
}

static char *lines_path(const build_options *o)
{
    return path_beside(o, ".lp");
}

/* Gives a file of the workplace its final name, which is freed. */
static bool publish_at(const build_options *o, workplace_file f, char *path)
{
    const char *refused = path ? partial_refused(path) : "no memory";
    bool ok = refused ? cli_wrong("%s: %s", path ? path : o->out, refused)
                      : workplace_publish(&o->work, f, path);

    free(path);
    return ok;
}

/* Do all files that are made have names of their own?  None may replace the model. */
static bool names_differ(const build_options *o, const char *header)
{
    char *beside[] = {header ? strdup(header) : NULL, weights_apart(o) ? weights_path(o) : NULL,
                      o->lines ? lines_path(o) : NULL};
    const char *clash = path_same(o->out, o->file) ? o->out : NULL;

    for (size_t i = 0; i < COUNT(beside); i++)
        if (beside[i] && (path_same(beside[i], o->out) || path_same(beside[i], o->file)))
            clash = beside[i];
    if (clash)
        cli_wrong("%s: would be written over the model or another output", clash);
    for (size_t i = 0; i < COUNT(beside); i++)
        free(beside[i]);
    return !clash;
}

/* Is the header of a former build, if there is one, this output's?  Another output of
 * the folder with the same --name would lose its own. */
static bool header_is_ours(const build_options *o, const char *path)
{
    char head[512] = "", owner[200] = "";
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(head, 1, sizeof head - 1, f) : 0;

    if (f)
        fclose(f);
    const char *at = strstr(head, "It belongs to the output '");
    if (!n || !at || sscanf(at, "It belongs to the output '%199[^']", owner) != 1)
        return true;
    char *stem = workplace_stem(o->out);
    bool ours = !strcmp(owner, stem);
    free(stem);
    return ours || cli_wrong("%s: is the header of '%s': give another --name", path, owner);
}

/* Would one file be written over another, or over a header that somebody wrote by
 * hand? */
static bool files_fit(const build_options *o)
{
    char *name = artifact_name(o->name, o->out);
    char *header = has_header(o) ? artifact_header(o->out, name) : NULL;
    bool ok = names_differ(o, header) && (!header || header_is_ours(o, header));

    free(header);
    mem_free(name);
    return ok;
}

/* The output gets its name last: where what it needs cannot, it does not appear. */
static bool publish(const build_options *o, const image *im)
{
    return (!has_header(o) || publish_at(o, WORK_HEADER, artifact_header(o->out, im->name))) &&
           (!im->weights_apart || publish_at(o, WORK_WEIGHTS, weights_path(o))) &&
           (!im->lines || publish_at(o, WORK_LINES, lines_path(o))) &&
           workplace_publish(&o->work, WORK_OUT, o->out);
}

/* Makes object code, and links it unless only that is asked for. */
static bool make_binary(build_options *o, ingot_code *c, diag *d)
{
    objects parts;

    progress_step("generating code");
    bool ok = image_compile(&c->image, (int)o->jobs, &parts, d) &&
              link_write_objects(&o->work, &parts);
    objects_free(&parts);
    if (!ok || (!is(o, "exe") && !link_kernels(&o->work, &c->image)))
        return false;
    if (is(o, "obj"))
        return link_object(&o->work, &c->image);
    return is_library(o) ? link_library(&o->work, &c->image, NULL, is(o, "shared"), o->strip)
                         : link_executable(&o->work, &c->image, o->is_static, o->strip);
}

/* Text holds no weights: it refers to the symbol NAME_weights, unless they stay apart. */
static bool make_text(const build_options *o, ingot_code *c, diag *d)
{
    text out = {0};

    progress_step("generating text");
    bool ok = image_print(&c->image, is(o, "asm"), &out, d) &&
              link_write_file(o->work.file[WORK_OUT], out.at, out.len);
    text_free(&out);
    return ok;
}

static bool is_text(const build_options *o)
{
    return is(o, "llvm") || is(o, "asm");
}

/* Writes the text that line tables refer to, if there are any. */
static bool write_lines(const build_options *o, image *im)
{
    text kernels = {0};

    if (!im->lines)
        return true;
    image_print_kernels(im, &kernels);
    bool ok = link_write_file(o->work.file[WORK_LINES], kernels.at ? kernels.at : "", kernels.len);
    text_free(&kernels);
    return ok;
}

/* The options of the command as those of the code; the hash of the model's file
 * goes into the artifact, for --version. */
static bool compile(build_options *o, ir_module *m, diag *d)
{
    char *name = artifact_name(o->name, o->out), source[65];
    char *lines = o->lines ? lines_path(o) : NULL;
    const target t = model_target(&o->model);
    ingot_code_options co = {.name = name, .target = &t,
                             .source = sha256_file(o->file, source) ? source : NULL,
                             .threads = (int32_t)o->threads,
                             .executable = is(o, "exe"), .library = is_library(o),
                             .no_alloc = o->no_alloc, .weights_apart = weights_apart(o),
                             .weights_place = !is_text(o),
                             .max_weights = import_max_weights(&o->model.o.import),
                             .schedules = o->model.o.schedules,
                             .memory_budget = o->model.o.memory_budget, .watch = o->model.o.watch,
                             .lines = lines ? path_base(lines) : NULL};
    ingot_code c;
    bool ok = code_make(&c, m, &co, d) && write_lines(o, &c.image) &&
              (is_text(o) ? make_text(o, &c, d) : make_binary(o, &c, d)) &&
              link_write_weights(&o->work, &c.image) && publish(o, &c.image);

    code_free(&c);
    mem_free(name);
    free(lines);
    return ok;
}

static bool write_onnx(build_options *o, ir_module *m, diag *d)
{
    return save_onnx_module(m, o->work.file[WORK_OUT], d) &&
           workplace_publish(&o->work, WORK_OUT, o->out);
}

static void warn_of_zeros(const char *program, const ir_module *m, diag *d)
{
    const ir_fn *init = ir_module_find(m, "init");

    fprintf(stderr, "ingot: %s has no weights (%s, ..): they are zeros%s; --weights %s builds "
            "them in\n", program, program_unset(m),
            init && init->entry ? " until its entry `init` has run" : "",
            program_weights_beside(program, d));
}

/* Messages are printed when the line of progress is gone. */
static int build(build_options *o)
{
    diag d;

    diag_init(&d);
    progress_start(o->model.verbose);
    ir_module *m = workplace_open(&o->work, o->out) ? ingot_load(o->file, &o->model.o, &d) : NULL;
    o->work.verbose = o->model.verbose;
    o->work.step = progress_step;
    bool ok = m && (is(o, "onnx") ? write_onnx(o, m, &d) : compile(o, m, &d));
    progress_stop();
    if (ok && has_suffix(o->file, ".ingot") && program_unset(m))
        warn_of_zeros(o->file, m, &d);
    workplace_close(&o->work);
    diag_print(&d, stderr);
    ir_module_free(m);
    int status = model_status(ok, &d);
    diag_free(&d);
    return status;
}

/* Which options go together: told before anything is read. */
static bool check(const build_options *o)
{
    if (!o->file || !o->out)
        return cli_wrong(o->file ? "no output given: -o FILE"
                                 : "no model given (see ingot build --help)");
    if (o->strip && !is(o, "exe") && !is(o, "shared"))
        return cli_wrong("--strip goes with --emit exe and shared");
    if (o->lines && (o->strip || is(o, "onnx")))
        return cli_wrong("-g goes neither with --strip nor with --emit onnx");
    return (!o->is_static || is(o, "exe") || cli_wrong("--static goes with --emit exe")) &&
           artifact_kind_fits(o->emit, o->out) && files_fit(o);
}

/* The defaults are those of somebody who wants to run the model: an executable with
 * its weights in it. */
int command_build(int argc, char **argv)
{
    build_options o = {.emit = "exe", .weights = "embed", .jobs = thread_cpus()};
    int status = cli_parse(argc, argv, "ingot build MODEL -o FILE [OPTIONS]",
                           "Compiles a model to native code.  The texts of --emit llvm and asm\n"
                           "hold the kernels and the model's record of ir/abi.h only: no weights,\n"
                           "and none of the functions of a library's header.",
                           options, &o);

    o.model.o.program.silent = !is(&o, "exe");      /* libraries print nothing */
    if (status == CLI_OK)
        status = check(&o) ? build(&o) : CLI_USAGE;
    model_options_free(&o.model);
    return status;
}
