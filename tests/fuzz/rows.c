/* tests/fuzz/rows.c - readers of training data take any bytes: the first one says which
 * of them gets the rest. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "csv.h"
#include "place.h"
#include "probe.h"
#include "rows.h"
#include "tensor_safetensors.h"

static const int64_t three[] = {3};
static const struct ingot_train_column
    numbers = {.name = "x", .dtype = TENSOR_F32, .rank = 1, .dims = three},
    label = {.name = "t", .dtype = TENSOR_I64, .bound = 10};

static void free_all(array *a, int n)
{
    for (int i = 0; i < n; i++)
        array_free(&a[i]);
}

static void read_rows(const char *source)
{
    const struct ingot_train_column *column[] = {&numbers, &label};
    char error[TENSOR_ERROR_SIZE];
    array a[2] = {0};

    if (rows_read_source(source, column, a, 2, error))
        free_all(a, 2);
    memset(a, 0, sizeof a);
    if (rows_read_source(source, column, a, 1, error))
        free_all(a, 1);
}

static void find_out(const char *source)
{
    int64_t open[] = {-1};
    struct ingot_train_column column[] = {numbers, label};
    char error[TENSOR_ERROR_SIZE];
    array a[2];

    column[1].bound = -1;
    probe_source(source, NULL, column, a, 2, error);
    free_all(a, 2);
    column[0].dims = open;
    probe_source(source, NULL, column, a, 1, error);
    free_all(a, 1);
}

static void read_weights(const char *path)
{
    char error[TENSOR_ERROR_SIZE];
    safetensors s;
    place p;

    if (safetensors_open(&s, path, error))
        place_read(&s, &p);
    safetensors_close(&s);
}

/* A name that says what is in the file; a link, that a file of memory has. */
static const char *named(const char *path)
{
    static char name[64];

    if (!*name) {
        snprintf(name, sizeof name, "/tmp/fuzz_rows_%d.safetensors", (int)getpid());
        unlink(name);
        if (symlink(path, name))
            *name = 0;
    }
    return name;
}

/* What stands around the path of the file. */
static const char *const before[] = {"\"", "csv(\"", "windows(chars(\"", "chars(\"",
                                     "windows(words(\"", "windows(bytes(\"", "windows(\"",
                                     "\"", "\""};
static const char *const behind[] = {"\"", "\", skip = 1)", "\"), 3)", "\", pad = true)",
                                     "\", 9), 3, step = 2)", "\"), 3)", "\", 3)",
                                     "\"[\"x\"]", "\"[\"x\"]"};
enum { READERS = sizeof before / sizeof *before, SAFETENSORS = READERS - 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char path[64], text[4096];

    if (!size)
        return 0;
    unsigned which = data[0] % (READERS + 2);
    if (which == READERS + 1) {
        snprintf(text, sizeof text, "%.*s", (int)(size - 1), (const char *)data + 1);
        read_rows(text);
        return 0;
    }
    if (fd < 0)
        fd = memfd_create("rows", 0);
    if (ftruncate(fd, 0) || pwrite(fd, data + 1, size - 1, 0) != (ssize_t)(size - 1))
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (which == READERS) {
        read_weights(path);
        return 0;
    }
    snprintf(text, sizeof text, "%s%s%s", before[which], which == SAFETENSORS ? named(path) : path,
             behind[which]);
    read_rows(text);
    find_out(text);
    return 0;
}
