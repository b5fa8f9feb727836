/* runtime/labels.h - names of the classes that a model tells apart. */
#ifndef INGOT_LABELS_H
#define INGOT_LABELS_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: there are none. */
typedef struct labels {
    char *text;                     /* of the file, cut into lines */
    const char **at;
    int64_t n;
} labels;

/* Reads a label from each line of a file.  False with a message of TENSOR_ERROR_SIZE
 * bytes at most. */
bool labels_read(labels *l, const char *path, char *error);
void labels_free(labels *l);

#endif
