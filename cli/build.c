/* cli/build.c - `ingot build`: a model becomes a file of native code. */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "code.h"
#include "command.h"
#include "library.h"

typedef struct build_options {
    model_options model;
    const char *file, *out, *emit, *cpu, *name;
    bool is_static, verbose, no_alloc;
    long long threads;
} build_options;

/* Temporary files beside the output: removed at the end, and after Ctrl-C. */
enum { TEMP_OBJECT, TEMP_BLOB, TEMP_WEIGHTS, TEMP_OUT, TEMP_SOURCE, TEMP_C_OBJECT, TEMP_BLOB_OBJECT, TEMPS };
static char *temps[TEMPS];

static void remove_temps(void)
{
    for (int i = 0; i < TEMPS; i++)
        if (temps[i])
            unlink(temps[i]);
}

static void interrupted(int signal)
{
    (void)signal;
    remove_temps();
    _exit(130);
}

static bool see(void *cx, int index, const char *value)
{
    build_options *o = cx;

    switch (index) {
    case 0: o->out = value; return true;
    case 1: o->emit = value; return true;
    case 2: o->cpu = value; return true;
    case 3: o->is_static = true; return true;
    case 4: o->name = value; return true;
    case 5: return cli_number("--threads", value, 1, 1024, &o->threads);
    case 6: o->verbose = true; return true;
    case 7: return model_option_dim(&o->model, value);
    case 8: return model_option_shape(&o->model, value);
    case 9: o->no_alloc = true; return true;
    default:
        if (o->file)
            return cli_wrong("one model at a time: '%s' and '%s'", o->file, value);
        o->file = value;
        return true;
    }
}

/* OUT's base name without `lib` and suffix, made a C identifier. */
static char *identifier(const build_options *o)
{
    const char *base = o->name ? o->name : strrchr(o->out, '/') ? strrchr(o->out, '/') + 1 : o->out;
    bool lib = !o->name && !strncmp(base, "lib", 3) && base[3];
    char *s = NULL;

    base += lib ? 3 : 0;
    size_t n = o->name ? strlen(base) : strcspn(base, ".");
    if (asprintf(&s, "%s%.*s", isdigit((unsigned char)*base) ? "_" : "", (int)n, base) < 0)
        return NULL;
    for (char *p = s; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_')
            *p = '_';
    return s;
}

static bool run_command(const build_options *o, char *const *argv)
{
    int status;
    pid_t pid;

    if (o->verbose) {
        for (int i = 0; argv[i]; i++)
            fprintf(stderr, "%s ", argv[i]);
        fputc('\n', stderr);
    }
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return cli_wrong("%s: %s", argv[0], strerror(errno));
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) || cli_wrong("%s failed", argv[0]);
}

/* The runtime's archive: beside the program, or where it is installed. */
static char *runtime_archive(void)
{
    static const char *const where[] = {"libingot_rt.a", "../lib/ingot/libingot_rt.a",
                                        "../lib/x86_64-linux-gnu/ingot/libingot_rt.a",
                                        "../lib64/ingot/libingot_rt.a"};
    char self[4096], *path;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n <= 0)
        return NULL;
    self[n] = 0;
    *strrchr(self, '/') = 0;
    for (size_t i = 0; i < COUNT(where); i++) {
        if (asprintf(&path, "%s/%s", self, where[i]) < 0)
            return NULL;
        if (!access(path, R_OK))
            return path;
        free(path);
    }
    return NULL;
}

static bool write_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(data, 1, size, f) == size;

    if (f && fclose(f))
        ok = false;
    return ok || cli_wrong("%s: %s", path, strerror(errno));
}

static bool put_file(void *f, const void *data, size_t size)
{
    return fwrite(data, 1, size, f) == size;
}

/* Assembler text that includes the weights file. */
static bool write_blob(const artifact *a, const char *assembly, const char *weights)
{
    FILE *w = fopen(weights, "wb");
    bool ok = w && artifact_write_weights(a, put_file, w);

    if (w && fclose(w))
        ok = false;
    if (!ok)
        return cli_wrong("%s: %s", weights, strerror(errno));
    FILE *f = fopen(assembly, "w");
    if (!f)
        return cli_wrong("%s: %s", assembly, strerror(errno));
    fprintf(f, ".section .rodata.weights,\"a\",@progbits\n.balign 64\n.globl %s_weights\n"
               ".hidden %s_weights\n%s_weights:\n.incbin \"", a->name, a->name, a->name);
    for (const char *p = weights; *p; p++)
        fprintf(f, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
    fputs("\"\n.section .note.GNU-stack,\"\",@progbits\n", f);
    return !fclose(f) || cli_wrong("%s: %s", assembly, strerror(errno));
}

static bool is_library(const build_options *o)
{
    return !strcmp(o->emit, "lib") || !strcmp(o->emit, "shared");
}

/* OUT's name with `lib` and suffix gone and .h behind it, in the same folder. */
static char *header_path(const build_options *o, const char *name)
{
    const char *slash = strrchr(o->out, '/');
    char *path = NULL;

    if (asprintf(&path, "%.*s%s.h", slash ? (int)(slash - o->out + 1) : 0, o->out, name) < 0)
        return NULL;
    return path;
}

static const ir_fn *first_entry(const ir_module *m)
{
    uint32_t i = 0;

    while (!m->fn.at[i]->entry)
        i++;
    return m->fn.at[i];
}

/* Writes header and typed functions, compiles these. */
static bool c_side(const build_options *o, const artifact *a)
{
    text header = {0}, source = {0};
    char *path = header_path(o, a->name);

    library_header(first_entry(a->m), a->name, &header);
    text_addn(&source, header.at, header.len);
    library_source(first_entry(a->m), a->name, &source);
    bool ok = path && write_file(temps[TEMP_SOURCE], (uint8_t *)source.at, source.len) &&
              run_command(o, (char *[]){"cc", "-O2", "-fPIC", "-c", "-o", temps[TEMP_C_OBJECT],
                                        temps[TEMP_SOURCE], NULL}) &&
              (!a->weights_size ||
               run_command(o, (char *[]){"cc", "-c", "-o", temps[TEMP_BLOB_OBJECT], temps[TEMP_BLOB], NULL})) &&
              write_file(path, (uint8_t *)header.at, header.len);
    text_free(&header);
    text_free(&source);
    free(path);
    return ok;
}

/* One relocatable object, inner symbols made local, in an archive. */
static bool make_archive(const build_options *o, const artifact *a, const char *target_path)
{
    char *blob = a->weights_size ? temps[TEMP_BLOB_OBJECT] : NULL, *whole = temps[TEMP_BLOB];

    return run_command(o, (char *[]){"ld", "-r", "-o", whole, temps[TEMP_OBJECT], temps[TEMP_C_OBJECT], blob, NULL}) &&
           run_command(o, (char *[]){"objcopy", "--localize-hidden", whole, NULL}) &&
           run_command(o, (char *[]){"ar", "rcsD", (char *)target_path, whole, NULL});
}

static bool link_files(const build_options *o, const artifact *a, const char *target_path)
{
    char *archive = runtime_archive(), *argv[24], *blob = a->weights_size ? temps[TEMP_BLOB] : NULL;
    bool exe = !strcmp(o->emit, "exe"), shared = !strcmp(o->emit, "shared");
    int n = 0;

    if (is_library(o) && !c_side(o, a)) {
        free(archive);
        return false;
    }
    if (!strcmp(o->emit, "lib")) {
        free(archive);
        return make_archive(o, a, target_path);
    }
    if (exe && !archive)
        return cli_wrong("libingot_rt.a is not beside the program nor installed");
    argv[n++] = "cc";
    if (shared)
        argv[n++] = "-shared";
    if (o->is_static)
        argv[n++] = "-static";
    argv[n++] = "-o";
    argv[n++] = (char *)target_path;
    argv[n++] = temps[TEMP_OBJECT];
    if (blob)
        argv[n++] = blob;
    if (exe)
        argv[n++] = archive;
    if (shared)
        argv[n++] = temps[TEMP_C_OBJECT];
    argv[n++] = "-Wl,--gc-sections";
    argv[n++] = "-s";
    argv[n++] = "-lm";
    argv[n++] = "-lpthread";
    argv[n] = NULL;
    bool ok = run_command(o, argv);
    free(archive);
    return ok;
}

static bool finish(const build_options *o, const ingot_code *c, diag *d)
{
    const artifact *a = &c->a;
    LLVMModuleRef m = c->llvm;
    LLVMTargetMachineRef tm = c->machine;
    uint8_t *data = NULL;
    size_t size = 0;
    bool text = !strcmp(o->emit, "llvm"), assembly = !strcmp(o->emit, "asm"), ok;
    char *target_path = temps[TEMP_OUT];

    if (text) {
        char *ll = LLVMPrintModuleToString(m);
        ok = write_file(target_path, (const uint8_t *)ll, strlen(ll));
        LLVMDisposeMessage(ll);
    } else if (assembly || !strcmp(o->emit, "obj")) {
        ok = llvm_object(m, tm, assembly, &data, &size, d) && write_file(target_path, data, size);
    } else {
        ok = llvm_object(m, tm, false, &data, &size, d) && write_file(temps[TEMP_OBJECT], data, size) &&
             (!a->weights_size || write_blob(a, temps[TEMP_BLOB], temps[TEMP_WEIGHTS])) && link_files(o, a, target_path);
    }
    mem_free(data);
    if (ok && rename(target_path, o->out))
        ok = cli_wrong("%s: %s", o->out, strerror(errno));
    return ok;
}

static bool compile(const build_options *o, ir_module *m, const target *t, diag *d)
{
    char *name = identifier(o);
    ingot_code_options co = {.name = name, .target = t, .threads = (int32_t)o->threads,
                             .executable = !strcmp(o->emit, "exe"), .library = is_library(o),
                             .no_alloc = o->no_alloc};
    ingot_code c;
    bool ok = code_make(&c, m, &co, d) && finish(o, &c, d);

    code_free(&c);
    free(name);
    return ok;
}

static bool check_emit(const build_options *o)
{
    static const char *const known[] = {"exe", "lib", "shared", "obj", "llvm", "asm"};

    for (size_t i = 0; i < COUNT(known); i++)
        if (!strcmp(o->emit, known[i]))
            return true;
    return cli_wrong("--emit is exe, lib, shared, obj, llvm or asm, not '%s'", o->emit);
}

static bool make_temps(const build_options *o)
{
    static const char *const suffix[TEMPS] = {"o", "s", "weights", "part", "c", "c.o", "s.o"};

    for (int i = 0; i < TEMPS; i++)
        if (asprintf(&temps[i], "%s.ingot.%s", o->out, suffix[i]) < 0)
            return false;
    signal(SIGINT, interrupted);
    signal(SIGTERM, interrupted);
    return true;
}

int command_build(int argc, char **argv)
{
    static const cli_option options[] = {
        {"-o", "FILE", "the output"},
        {"--emit", "KIND", "exe (default), lib, shared, obj, llvm or asm"},
        {"--cpu", "NAME", "native (default), x86-64-v2, -v3 or -v4"},
        {"--static", NULL, "an executable without shared libraries"},
        {"--name", "NAME", "of the model in symbols (default: from -o)"},
        {"--threads", "N", "default of the executable (default: the CPUs)"},
        {"-v", NULL, "show the commands that are run"},
        {"--dim", "NAME=N", "bind a run-time dim"},
        {"--shape", "INPUT=1x3x8", "bind an input's extents"},
        {"--no-alloc", NULL, "refuse a model that needs memory whose size depends on data"},
        {NULL, NULL, NULL}};
    build_options o = {.emit = "exe", .cpu = "native"};
    diag d;

    int status = cli_parse(argc, argv, "ingot build MODEL -o FILE [OPTIONS]",
                           "Compiles a model to native code.", options, see, &o);
    if (status)
        return status == CLI_HELP ? CLI_OK : status;
    const target *t = target_find(o.cpu);
    if (!o.file || !o.out) {
        cli_wrong(o.file ? "no output given: -o FILE" : "no model given (see ingot build --help)");
        return CLI_USAGE;
    }
    if (!check_emit(&o) || (!t && !cli_wrong("--cpu '%s' is unknown", o.cpu)))
        return CLI_USAGE;
    diag_init(&d);
    ir_module *m = ingot_load(o.file, &o.model.o, &d);
    bool ok = m && make_temps(&o) && compile(&o, m, t, &d);
    remove_temps();
    diag_print(&d, stderr);
    ir_module_free(m);
    diag_free(&d);
    return ok ? CLI_OK : CLI_FAILED;
}
