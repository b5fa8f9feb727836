/* tests/fuzz/states.c - a file of states takes any bytes.  Those that are read are the
 * model's, and are written as they were read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "states.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { F32 = 1, I64 = 7, BOOL = 9 };    /* element types, by ONNX's numbers */

static const struct ingot_value_info states[] = {
    {.name = "w", .dtype = F32, .rank = 2, .dims = (const int64_t[]){2, 3}},
    {.name = "steps", .dtype = I64, .offset = 64},
    {.name = "mask", .dtype = BOOL, .rank = 1, .dims = (const int64_t[]){5}, .offset = 128},
};

static const struct ingot_model model = {
    .abi = INGOT_ABI_VERSION, .name = "model", .state_count = 3, .states = states,
    .state_size = 192,
};

/* The bytes as a file, for the readers take a path. */
static int open_bytes(const uint8_t *data, size_t size, char path[64])
{
    int fd = memfd_create("states", 0);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

/* Writes the states and reads them into another session. */
static void write_and_read(const session *s)
{
    char block[192] = {0}, path[64], error[TENSOR_ERROR_SIZE], *text = NULL;
    session again = {.model = &model, .states = block};
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    if (!f || !states_write(s, f) || fclose(f))
        abort();
    int fd = open_bytes((const uint8_t *)text, size, path);
    if (!states_read(&again, path, error) || memcmp(block, s->states, sizeof block) != 0)
        abort();
    close(fd);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char block[192] = {0}, path[64], error[TENSOR_ERROR_SIZE];
    session s = {.model = &model, .states = block};
    int fd = open_bytes(data, size, path);

    if (states_read(&s, path, error))
        write_and_read(&s);
    close(fd);
    return 0;
}
