/* export/graft.h - weights are written once, straight into the linked file.
 *
 * The image's code holds a section .lrodata.weights of one cache line.  Linkers lay
 * it out behind everything else; so the weights, which take its place, can be put at
 * the end of the file, and need not pass through assembler and linker. */
#ifndef INGOT_GRAFT_H
#define INGOT_GRAFT_H

#include <stdbool.h>
#include <stdint.h>

typedef enum graft_result {
    GRAFT_DONE,
    GRAFT_FAILED,               /* reading or writing: see errno */
    GRAFT_MISPLACED,            /* the linker put something behind the section */
} graft_result;

/* Gives the weights to the image's section in an object file, an executable, a
 * shared object, or the last member of an archive: `size` bytes, a multiple of 64,
 * which `write` writes to the file.  Nothing is changed if they are misplaced. */
typedef bool graft_write(void *cx, void *file);
graft_result graft_weights(const char *path, uint64_t size, graft_write *write, void *cx);

#endif
