/* runtime/names.h - names that differ from one another. */
#ifndef INGOT_NAMES_H
#define INGOT_NAMES_H

#include <stdint.h>

struct name_slot;

/* A set of names; all zero is the empty one. */
typedef struct name_set {
    struct name_slot *slot;
    uint32_t room, used;        /* room is 0 or a power of two */
} name_set;

/* Adds a name and returns it: `base` if the set does not hold it, else the first of
 * base_2, base_3, .. that it does not hold.  The set owns the text.  Null without
 * memory. */
const char *name_set_add(name_set *s, const char *base);
void name_set_free(name_set *s);

/* The same for the name of a file: characters of `name` outside [A-Za-z0-9._-]
 * become _, and at most 199 of them are kept.  "x:0" becomes "x_0". */
const char *name_set_add_file(name_set *s, const char *name);

#endif
