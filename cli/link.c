/* cli/link.c - the system's compiler and linker at work. */
#include "link.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "host.h"
#include "library.h"
#include "options.h"
#include "progress.h"

bool link_write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(data, 1, size, f) == size;

    if (f && fclose(f))
        ok = false;
    return ok || cli_wrong("%s: cannot be written: %s", path, strerror(errno));
}

bool link_write_objects(workplace *w, const objects *o)
{
    bool ok = true;

    for (uint32_t i = 0; i < o->len && ok; i++) {
        const char *path = workplace_object(w);
        ok = path && link_write_file(path, o->at[i].data, o->at[i].size);
    }
    return ok;
}

static bool put_file(void *f, const void *data, size_t size)
{
    return fwrite(data, 1, size, f) == size;
}

bool link_write_weights(const workplace *w, const image *im)
{
    const char *path = w->file[WORK_WEIGHTS];

    if (!im->weights_size)
        return true;
    progress_step("writing %.1f MB of weights", (double)im->weights_size / 1e6);
    FILE *f = fopen(path, "wb");
    bool ok = f && image_write_weights(im, put_file, f);

    if (f && fclose(f))
        ok = false;
    return ok || cli_wrong("%s: cannot be written: %s", path, strerror(errno));
}

/* Are weights linked in? */
static bool embedded(const image *im)
{
    return im->weights_size && !im->weights_apart;
}

/* The weights, and assembler text that includes them where they are linked in. */
static bool write_blob(const workplace *w, const image *im)
{
    const char *assembly = w->file[WORK_BLOB], *weights = w->file[WORK_WEIGHTS];

    if (!link_write_weights(w, im))
        return false;
    if (!embedded(im))
        return true;
    FILE *f = fopen(assembly, "w");
    if (!f)
        return cli_wrong("%s: cannot be written: %s", assembly, strerror(errno));
    fprintf(f, ".section .rodata.weights,\"a\",@progbits\n.balign 64\n.globl %s_weights\n"
               ".hidden %s_weights\n%s_weights:\n.incbin \"", im->name, im->name, im->name);
    for (const char *p = weights; *p; p++)
        fprintf(f, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
    fputs("\"\n.section .note.GNU-stack,\"\",@progbits\n", f);
    return !fclose(f) || cli_wrong("%s: cannot be written: %s", assembly, strerror(errno));
}

/* ---- programs and their arguments ----------------------------------------------------- */

/* What builds for an architecture: the system's programs, or those of its cross
 * compiler, as aarch64-linux-gnu-gcc. */
typedef struct tools {
    char cc[64], ld[64], ar[64], objcopy[64];
    bool cross;
} tools;

static tools tools_for(const target *t)
{
    const char *triple = target_triple(t->arch);
    tools x = {"cc", "ld", "ar", "objcopy", !host_runs(t->arch)};

    if (x.cross) {
        snprintf(x.cc, sizeof x.cc, "%s-gcc", triple);
        snprintf(x.ld, sizeof x.ld, "%s-ld", triple);
        snprintf(x.ar, sizeof x.ar, "%s-ar", triple);
        snprintf(x.objcopy, sizeof x.objcopy, "%s-objcopy", triple);
    }
    return x;
}

/* Arguments of a program. */
typedef VEC(char *) command;

static void add(command *c, const char *arg)
{
    vec_push(c, (char *)(uintptr_t)arg);
}

static void add_all(command *c, const char *const *args)
{
    for (; *args; args++)
        add(c, *args);
}

/* Runs it; then it is empty. */
static bool run(const workplace *w, command *c)
{
    add(c, NULL);
    bool ok = workplace_run(w, c->at);
    vec_free(c);
    return ok;
}

/* The model's code, and those of the workplace's files that there are: WORK_FILES
 * ends the list. */
static void add_files(command *c, const workplace *w, const image *im,
                      const workplace_file *inputs)
{
    for (uint32_t i = 0; i < w->object.len; i++)
        add(c, w->object.at[i]);
    for (; *inputs != WORK_FILES; inputs++)
        if (embedded(im) || (*inputs != WORK_BLOB && *inputs != WORK_BLOB_OBJECT))
            add(c, w->file[*inputs]);
}

/* ---- the runtime ------------------------------------------------------------------------ */

/* Its path beside the program, as built, or where it is installed; null after a message. */
static const char *runtime_path(arena *mem, const char *built, const char *installed)
{
    const char *where[] = {built, installed};
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n > 0) {
        self[n] = 0;
        *strrchr(self, '/') = 0;
        for (size_t i = 0; i < COUNT(where); i++) {
            const char *path = arena_printf(mem, "%s/%s", self, where[i]);
            if (!access(path, R_OK))
                return path;
        }
    }
    cli_wrong("%s is not beside the program nor installed", built);
    return NULL;
}

static int is_source(const struct dirent *e)
{
    const char *dot = strrchr(e->d_name, '.');

    return dot && !strcmp(dot, ".c");
}

/* All of its sources, to be compiled for another architecture. */
static bool add_sources(command *c, arena *mem)
{
    const char *folder = runtime_path(mem, "ingot_rt", "../" INGOT_DATADIR "/ingot/runtime");
    struct dirent **entry;
    int n = folder ? scandir(folder, &entry, is_source, alphasort) : -1;

    if (n < 0)
        return false;
    add_all(c, (const char *[]){"-O2", "-ffunction-sections", "-fdata-sections", "-D_GNU_SOURCE",
                                NULL});
    for (int i = 0; i < n; i++) {
        add(c, arena_printf(mem, "%s/%s", folder, entry[i]->d_name));
        free(entry[i]);
    }
    free(entry);
    return true;
}

static bool add_runtime(command *c, const tools *t, arena *mem)
{
    if (t->cross)
        return add_sources(c, mem);
    const char *archive =
        runtime_path(mem, "libingot_rt.a", "../" INGOT_LIBDIR "/ingot/libingot_rt.a");
    if (archive)
        add(c, archive);
    return archive;
}

/* ---- linking ------------------------------------------------------------------------------ */

static bool link_with(const workplace *w, command *c)
{
    add_all(c, (const char *[]){"-Wl,--gc-sections", "-s", "-lm", "-lpthread", NULL});
    progress_step("linking");
    return run(w, c);
}

bool link_executable(const workplace *w, const image *im, bool is_static)
{
    const tools t = tools_for(im->target);
    command c = {0};
    arena mem = {0};

    add_all(&c, (const char *[]){t.cc, "-o", w->file[WORK_OUT], NULL});
    if (is_static)
        add(&c, "-static");
    add_files(&c, w, im, (workplace_file[]){WORK_BLOB, WORK_FILES});
    bool ok = add_runtime(&c, &t, &mem) && write_blob(w, im) && link_with(w, &c);
    vec_free(&c);
    arena_reset(&mem);
    return ok;
}

/* Writes header and typed functions, compiles these: without optimization, for
 * a call fills in a few pointers, and where outputs are thousands a C compiler
 * takes a time that is the square of their number. */
static bool c_side(const workplace *w, const image *im)
{
    tools t = tools_for(im->target);
    text header = {0}, source = {0};
    char *compile[] = {t.cc, "-O0", "-fPIC", "-ffreestanding", "-fno-stack-protector", "-c", "-o",
                       w->file[WORK_SOURCE_OBJECT], w->file[WORK_SOURCE], NULL};

    library_header(im, &header);
    text_add(&source, "#line 1 \"library.c\"\n");  /* cc gives the assembler the path as it is */
    text_addn(&source, header.at, header.len);
    library_source(im, &source);
    bool ok = link_write_file(w->file[WORK_SOURCE], source.at, source.len) &&
              workplace_run(w, compile) &&
              link_write_file(w->file[WORK_HEADER], header.at, header.len);
    text_free(&header);
    text_free(&source);
    return ok;
}

/* The model's code and these files of the workplace as one relocatable object, whose
 * hidden symbols, by which its parts refer to each other, are local. */
static bool join(const workplace *w, const image *im, workplace_file to,
                 const workplace_file *inputs)
{
    tools t = tools_for(im->target);
    char *blob[] = {t.cc, "-c", "-o", w->file[WORK_BLOB_OBJECT], w->file[WORK_BLOB], NULL};
    char *hide[] = {t.objcopy, "--localize-hidden", w->file[to], NULL};
    command c = {0};

    add_all(&c, (const char *[]){t.ld, "-r", "-o", w->file[to], NULL});
    add_files(&c, w, im, inputs);
    bool ok = (!embedded(im) || workplace_run(w, blob)) && run(w, &c);
    return ok && workplace_run(w, hide);
}

bool link_object(const workplace *w, const image *im)
{
    return write_blob(w, im) &&
           join(w, im, WORK_OUT, (workplace_file[]){WORK_BLOB_OBJECT, WORK_FILES});
}

/* One object in an archive. */
static bool make_archive(const workplace *w, const image *im)
{
    tools t = tools_for(im->target);
    char *whole = w->file[WORK_WHOLE];
    char *pack[] = {t.ar, "rcsD", w->file[WORK_OUT], whole, NULL};
    static const workplace_file parts[] = {WORK_SOURCE_OBJECT, WORK_BLOB_OBJECT, WORK_FILES};

    return join(w, im, WORK_WHOLE, parts) && workplace_run(w, pack);
}

bool link_library(const workplace *w, const image *im, bool shared)
{
    const tools t = tools_for(im->target);
    command c = {0};

    if (!write_blob(w, im) || !c_side(w, im))
        return false;
    if (!shared)
        return make_archive(w, im);
    add_all(&c, (const char *[]){t.cc, "-shared", "-o", w->file[WORK_OUT], NULL});
    add_files(&c, w, im, (workplace_file[]){WORK_BLOB, WORK_SOURCE_OBJECT, WORK_FILES});
    return link_with(w, &c);
}
