/* cli/link.c - the system's compiler and linker at work. */
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

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

/* The runtime's archive: beside the program, or where it is installed. */
static char *runtime_archive(void)
{
    static const char *const where[] = {"libingot_rt.a", "../" INGOT_LIBDIR "/ingot/libingot_rt.a"};
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

static bool link_with(const workplace *w, command *c, const char *archive)
{
    if (archive)
        add(c, archive);
    add_all(c, (const char *[]){"-Wl,--gc-sections", "-s", "-lm", "-lpthread", NULL});
    progress_step("linking");
    return run(w, c);
}

bool link_executable(const workplace *w, const image *im, bool is_static)
{
    command c = {0};
    char *archive = runtime_archive();

    if (!archive)
        return cli_wrong("libingot_rt.a is not beside the program nor installed");
    add_all(&c, (const char *[]){"cc", "-o", w->file[WORK_OUT], NULL});
    if (is_static)
        add(&c, "-static");
    add_files(&c, w, im, (workplace_file[]){WORK_BLOB, WORK_FILES});
    bool ok = write_blob(w, im) && link_with(w, &c, archive);
    free(archive);
    return ok;
}

/* Writes header and typed functions, compiles these: without optimization, for
 * a call fills in a few pointers, and where outputs are thousands a C compiler
 * takes a time that is the square of their number. */
static bool c_side(const workplace *w, const image *im)
{
    text header = {0}, source = {0};
    char *compile[] = {"cc", "-O0", "-fPIC", "-ffreestanding", "-fno-stack-protector", "-c", "-o",
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
    char *blob[] = {"cc", "-c", "-o", w->file[WORK_BLOB_OBJECT], w->file[WORK_BLOB], NULL};
    char *hide[] = {"objcopy", "--localize-hidden", w->file[to], NULL};
    command c = {0};

    add_all(&c, (const char *[]){"ld", "-r", "-o", w->file[to], NULL});
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
    char *whole = w->file[WORK_WHOLE];
    char *pack[] = {"ar", "rcsD", w->file[WORK_OUT], whole, NULL};
    static const workplace_file parts[] = {WORK_SOURCE_OBJECT, WORK_BLOB_OBJECT, WORK_FILES};

    return join(w, im, WORK_WHOLE, parts) && workplace_run(w, pack);
}

bool link_library(const workplace *w, const image *im, bool shared)
{
    command c = {0};

    if (!write_blob(w, im) || !c_side(w, im))
        return false;
    if (!shared)
        return make_archive(w, im);
    add_all(&c, (const char *[]){"cc", "-shared", "-o", w->file[WORK_OUT], NULL});
    add_files(&c, w, im, (workplace_file[]){WORK_BLOB, WORK_SOURCE_OBJECT, WORK_FILES});
    return link_with(w, &c, NULL);
}
