/* What the test programs of libraries share: the line of what is wrong. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(x)                                                     \
    do {                                                             \
        if (!(x)) {                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);  \
            exit(1);                                                 \
        }                                                            \
    } while (0)

#endif
