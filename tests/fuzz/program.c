/* Fuzz target: the checker of programs and of their train blocks.  Input is an error, or a
 * module that is right. */
#include <sys/mman.h>
#include <unistd.h>

#include "build.h"
#include "dsl/dsl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Are all extents of states known?  Those that a dim without a value leaves open are told
 * by whoever wants to run the module. */
static bool is_closed(const ir_module *m)
{
    int64_t extent;
    bool closed = true;

    for (uint32_t i = 0; i < m->state.len; i++)
        for (int k = 0; k < m->state.at[i].type->rank; k++)
            closed &= dim_const(&m->dims, m->state.at[i].type->dim[k], &extent);
    return closed;
}

/* The program's entries, or its train blocks. */
static void check(const char *path, bool training)
{
    const struct ingot_trainer *trainer = NULL;
    diag d;

    diag_init(&d);
    ir_module *m = training ? dsl_import_training(path, NULL, &trainer, &d)
                            : dsl_import(path, NULL, &d);
    ICE_IF(!m && !diag_failed(&d), "there is no module, and no message says why");
    ICE_IF(m && is_closed(m) && !ir_verify(m, &d, NULL), "the module is wrong");
    ir_module_free(m);
    diag_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("program", 0);
    char path[32];

    ICE_IF(fd < 0 || write(fd, data, size) != (ssize_t)size, "no file in memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    check(path, false);
    check(path, true);
    close(fd);
    return 0;
}
