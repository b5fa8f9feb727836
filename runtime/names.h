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

/* `base` if the set does not hold it, else the first of base_2, base_3.. that
 * is free; in the set from now on, which owns it.  Null without memory. */
const char *name_set_add(name_set *s, const char *base);
void name_set_free(name_set *s);

/* `name` with characters outside [A-Za-z0-9._-] as _, cut at 199 characters,
 * made to differ from the names in `s` in the same way. */
const char *name_set_add_file(name_set *s, const char *name);

#endif
