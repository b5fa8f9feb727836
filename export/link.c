/* export/link.c - the system's compiler and linker at work.
 *
 * Objects come from codegen/, the runtime from an archive that was built beside
 * ingot.  Weights are put into the linked file afterwards (graft.c), so no program
 * reads gigabytes through an assembler or linker.  Everything lies in a workplace
 * until it is whole.  For another architecture the runtime is compiled from its
 * sources, with the system's cross compiler. */
#include "link.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "file_kind.h"
#include "graft.h"
#include "host.h"
#include "library.h"
#include "options.h"
#include "record.h"

/* fclose may be the first to say that the disk is full. */
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

/* ---- weights ---------------------------------------------------------------------- */

static bool put_file(void *f, const void *data, size_t size)
{
    return fwrite(data, 1, size, f) == size;
}

/* Nothing where weights are embedded, or there are none. */
bool link_write_weights(const workplace *w, const image *im)
{
    const char *path = w->file[WORK_WEIGHTS];

    if (!im->weights_size || !im->weights_apart)
        return true;
    w->step("writing %.1f MB of weights", (double)im->weights_size / 1e6);
    FILE *f = fopen(path, "wb");
    bool ok = f && image_write_weights(im, put_file, f);

    if (f && fclose(f))
        ok = false;
    return ok || cli_wrong("%s: cannot be written: %s", path, strerror(errno));
}

static bool put_weights(void *im, void *f)
{
    return image_write_weights(im, put_file, f);
}

/* Puts the weights into a file of code, if it is to have any; a message when it cannot
 * be written. */
static graft_result embed(const workplace *w, const char *path, const image *im)
{
    if (!im->weights_size || im->weights_apart)
        return GRAFT_DONE;
    w->step("writing %.1f MB of weights", (double)im->weights_size / 1e6);
    graft_result r = graft_weights(path, im->weights_size, put_weights, (void *)(uintptr_t)im);
    if (r == GRAFT_FAILED)
        cli_wrong("%s: cannot be written: %s", path, strerror(errno));
    return r;
}

/* The same in a file that no linker has laid out. */
static bool embed_object(const workplace *w, const char *path, const image *im)
{
    graft_result r = embed(w, path, im);

    ICE_IF(r == GRAFT_MISPLACED, "an object without the section of the weights");
    return r == GRAFT_DONE;
}

/* ---- programs and their arguments ----------------------------------------------------- */

/* What builds for an architecture: the system's programs, or those of its cross
 * compiler, as aarch64-linux-gnu-gcc. */
typedef struct tools {
    char cc[64], ld[64], ar[64], objcopy[64];
    bool cross;
} tools;

/* Debian's names. */
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

static void add_code(command *c, const workplace *w)
{
    for (uint32_t i = 0; i < w->object.len; i++)
        add(c, w->object.at[i]);
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

static int is_kernel(const struct dirent *e)
{
    return is_source(e) && !strncmp(e->d_name, "kernel_", 7);
}

/* Sources of it, to be compiled for another architecture. */
static bool add_sources(command *c, arena *mem, int (*which)(const struct dirent *e))
{
    const char *folder = runtime_path(mem, "ingot_rt", "../" INGOT_DATADIR "/ingot/runtime");
    struct dirent **entry;
    int n = folder ? scandir(folder, &entry, which, alphasort) : -1;

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

/* An archive of the runtime, beside the build or in the folder of the installation. */
static bool add_archive(command *c, arena *mem, const char *name)
{
    const char *archive =
        runtime_path(mem, name, arena_printf(mem, "../" INGOT_LIBDIR "/ingot/%s", name));

    if (archive)
        add(c, archive);
    return archive;
}

static bool add_runtime(command *c, const tools *t, arena *mem)
{
    return t->cross ? add_sources(c, mem, is_source) : add_archive(c, mem, "libingot_rt.a");
}

/* Does the plan call kernels?  Adds arguments that fetch those from the archive. */
static bool add_called(command *c, const plan *p, arena *mem)
{
    uint32_t before = c->len;

    for (uint32_t i = 0; i < p->block.len; i++)
        for (uint32_t k = 0; k < p->block.at[i]->step.len; k++) {
            const plan_step *s = &p->block.at[i]->step.at[k];
            if (s->op == STEP_EXTERN)
                add(c, arena_printf(mem, "-Wl,-u,ingot_kernel_%s", s->note));
        }
    return c->len > before;
}

/* -r: the kernels that the plan calls become one object, and no other part of the
 * archive. */
bool link_kernels(workplace *w, const image *im)
{
    tools t = tools_for(im->target);
    command c = {0};
    arena mem = {0};
    bool ok = true;

    add_all(&c, (const char *[]){t.cc, "-r", "-nostdlib", "-fPIC", NULL});
    if (add_called(&c, im->p, &mem)) {
        const char *object = workplace_object(w);
        add_all(&c, (const char *[]){"-o", object, NULL});
        ok = object && (t.cross ? add_sources(&c, &mem, is_kernel) : add_runtime(&c, &t, &mem));
        add(&c, NULL);
        ok = ok && workplace_run(w, c.at);
    }
    vec_free(&c);
    arena_reset(&mem);
    return ok;
}

/* ---- linking ------------------------------------------------------------------------------ */

static bool link_embedded(const workplace *w, const image *im, const command *c)
{
    return embed_object(w, w->object.at[0], im) && workplace_run(w, c->at);
}

/* Links, and puts the weights into the result.  If their place there is of no use, and
 * on machines without a section for large data, the code has them when it is linked. */
static bool link_with(const workplace *w, const image *im, bool strip, command *c)
{
    add_all(c, (const char *[]){"-Wl,--gc-sections", "-lm", "-lpthread", NULL});
    if (strip || !im->lines)
        add(c, strip ? "-s" : "-Wl,-S");
    add(c, NULL);
    w->step("linking");
    if (!target_has_large_data(im->target->arch))
        return link_embedded(w, im, c);
    if (!workplace_run(w, c->at))
        return false;
    graft_result r = embed(w, w->file[WORK_OUT], im);
    return r == GRAFT_DONE || (r == GRAFT_MISPLACED && link_embedded(w, im, c));
}

/* The system's cc knows where start files and libc are. */
bool link_executable(const workplace *w, const image *im, bool is_static, bool strip)
{
    const tools t = tools_for(im->target);
    command c = {0};
    arena mem = {0};

    add_all(&c, (const char *[]){t.cc, "-o", w->file[WORK_OUT], NULL});
    if (is_static)
        add(&c, "-static");
    add_code(&c, w);
    bool ok = add_runtime(&c, &t, &mem) && link_with(w, im, strip, &c);
    vec_free(&c);
    arena_reset(&mem);
    return ok;
}

/* Compiles the record, to another object of the workplace. */
static bool compile_record(workplace *w, const tools *t, const struct ingot_trainer *trainer)
{
    const char *object = workplace_object(w);
    char *compile[] = {(char *)(uintptr_t)t->cc, "-O0", "-c", "-o", (char *)(uintptr_t)object,
                       w->file[WORK_SOURCE], NULL};
    text source = {0};

    record_source(trainer, &source);
    bool ok = object && link_write_file(w->file[WORK_SOURCE], source.at, source.len) &&
              workplace_run(w, compile);
    text_free(&source);
    return ok;
}

/* Exchange between processes, in front of the archive, which has that of one process. */
static bool add_mpi(command *c, arena *mem)
{
    const char *source = runtime_path(mem, "ingot_mpi/team_mpi.c",
                                      "../" INGOT_DATADIR "/ingot/mpi/team_mpi.c");

    add_all(c, (const char *[]){"-O2", "-D_GNU_SOURCE", NULL});
    if (source)
        add(c, source);
    return source;
}

/* The trainer's loop, the runtime and the record of the program; for this machine
 * only, as nobody trains on another one. */
bool link_trainer(workplace *w, const image *im, const struct ingot_trainer *t, bool mpi,
                  bool strip)
{
    const tools own = tools_for(im->target);
    command c = {0};
    arena mem = {0};

    if (own.cross)
        return cli_wrong("a trainer is made for this machine only");
    if (!compile_record(w, &own, t))
        return false;
    /* At one address: tables of pointers take no relocations. */
    add_all(&c, (const char *[]){mpi ? "mpicc" : own.cc, "-no-pie", "-o", w->file[WORK_OUT], NULL});
    add_code(&c, w);
    bool ok = (!mpi || add_mpi(&c, &mem)) && add_archive(&c, &mem, "libingot_trainer.a") &&
              add_runtime(&c, &own, &mem) && link_with(w, im, strip, &c);
    vec_free(&c);
    arena_reset(&mem);
    return ok;
}

/* Writes header and typed functions, compiles these: without optimization, for
 * a call fills in a few pointers, and where outputs are thousands a C compiler
 * takes a time that is the square of their number. */
static bool c_side(const workplace *w, const image *im, const struct ingot_trainer *t)
{
    tools own = tools_for(im->target);
    char *stem = workplace_stem(w->out);
    text header = {0}, source = {0};
    char *compile[] = {own.cc, "-O0", "-fPIC", "-ffreestanding", "-fno-stack-protector", "-c", "-o",
                       w->file[WORK_SOURCE_OBJECT], w->file[WORK_SOURCE], NULL};

    library_header(im, t, stem, &header);
    free(stem);
    text_add(&source, "#line 1 \"library.c\"\n");  /* cc gives the assembler the path as it is */
    text_addn(&source, header.at, header.len);
    library_source(im, t, &source);
    bool ok = link_write_file(w->file[WORK_SOURCE], source.at, source.len) &&
              workplace_run(w, compile) &&
              link_write_file(w->file[WORK_HEADER], header.at, header.len);
    text_free(&header);
    text_free(&source);
    return ok;
}

/* The model's code as one relocatable object, with `more` unless that is null;
 * hidden symbols, by which its parts refer to each other, are local. */
static bool join(const workplace *w, tools *t, const char *more, workplace_file to)
{
    char *hide[] = {t->objcopy, "--localize-hidden", w->file[to], NULL};
    command c = {0};

    add_all(&c, (const char *[]){t->ld, "-r", "-o", w->file[to], more, NULL});
    add_code(&c, w);
    add(&c, NULL);
    bool ok = workplace_run(w, c.at) && workplace_run(w, hide);
    vec_free(&c);
    return ok;
}

/* Code alone, for who links by hand: header, and one object without any of the
 * runtime. */
bool link_object(const workplace *w, const image *im)
{
    tools t = tools_for(im->target);
    char *stem = workplace_stem(w->out);
    text header = {0};

    library_object_header(im, stem, &header);
    bool ok = link_write_file(w->file[WORK_HEADER], header.at, header.len) &&
              join(w, &t, NULL, WORK_OUT) && embed_object(w, w->file[WORK_OUT], im);
    text_free(&header);
    free(stem);
    return ok;
}

/* One object in an archive. */
static bool make_archive(const workplace *w, const image *im, tools *t)
{
    char *pack[] = {t->ar, "rcsD", w->file[WORK_OUT], w->file[WORK_WHOLE], NULL};

    return join(w, t, w->file[WORK_SOURCE_OBJECT], WORK_WHOLE) && workplace_run(w, pack) &&
           embed_object(w, w->file[WORK_OUT], im);
}

/* An archive has one object.  A shared object has a soname, its file name, so that
 * programs find it by that. */
bool link_library(const workplace *w, const image *im, const struct ingot_trainer *trainer,
                  bool shared, bool strip)
{
    tools t = tools_for(im->target);
    command c = {0};

    if (!c_side(w, im, trainer))
        return false;
    if (!shared)
        return make_archive(w, im, &t);
    add_all(&c, (const char *[]){t.cc, "-shared", "-Xlinker", "-soname", "-Xlinker",
                                 path_base(w->out), "-o", w->file[WORK_OUT],
                                 w->file[WORK_SOURCE_OBJECT], NULL});
    add_code(&c, w);
    bool ok = link_with(w, im, strip, &c);
    vec_free(&c);
    return ok;
}
