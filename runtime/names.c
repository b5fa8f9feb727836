/* runtime/names.c - a hash table with open addressing: each name with the
 * number to try next when it is wanted again. */
#include "names.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `next` is the number that a further use of the name tries first: after x, x_2 and
 * x_3 it is 4 in the slot of x. */
struct name_slot {
    char *name;
    uint32_t next;
};

/* FNV-1a (Fowler, Noll, Vo), of 32 bits. */
static uint32_t hash(const char *s)
{
    uint32_t h = 2166136261u;

    while (*s)
        h = (h ^ (unsigned char)*s++) * 16777619u;
    return h;
}

/* The slot that holds `name`, or else the empty slot where it would be put. */
static struct name_slot *find(const name_set *s, const char *name)
{
    uint32_t i = hash(name) & (s->room - 1);

    while (s->slot[i].name && strcmp(s->slot[i].name, name))
        i = (i + 1) & (s->room - 1);
    return &s->slot[i];
}

/* Keeps at least half of the slots empty, so that a search ends soon. */
static bool make_room(name_set *s)
{
    enum { FIRST = 16 };

    if (2 * (s->used + 1) <= s->room)
        return true;
    name_set larger = {.room = s->room ? 2 * s->room : FIRST, .used = s->used};
    larger.slot = calloc(larger.room, sizeof *larger.slot);
    if (!larger.slot)
        return false;
    for (uint32_t i = 0; i < s->room; i++)
        if (s->slot[i].name)
            *find(&larger, s->slot[i].name) = s->slot[i];
    free(s->slot);
    *s = larger;
    return true;
}

static const char *put(name_set *s, struct name_slot *at, const char *name)
{
    *at = (struct name_slot){.name = strdup(name), .next = 2};
    s->used += at->name != NULL;
    return at->name;
}

/* The name itself, or name_2, name_3 .. if it is taken; null without memory.  Owned
 * by the set. */
const char *name_set_add(name_set *s, const char *base)
{
    if (!make_room(s))
        return NULL;
    struct name_slot *first = find(s, base), *at = first;
    if (!first->name)
        return put(s, first, base);
    size_t size = strlen(base) + sizeof "_4294967295";
    char *name = malloc(size);
    while (name && at->name) {
        snprintf(name, size, "%s_%u", base, first->next++);
        at = find(s, name);
    }
    const char *own = name ? put(s, at, name) : NULL;
    free(name);
    return own;
}

void name_set_free(name_set *s)
{
    for (uint32_t i = 0; i < s->room; i++)
        free(s->slot[i].name);
    free(s->slot);
    *s = (name_set){0};
}

static bool file_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '_' || c == '-';
}

/* As a file name: other characters become _, and it is no longer than 199 bytes. */
const char *name_set_add_file(name_set *s, const char *name)
{
    char base[200];
    size_t len = 0;

    for (; name[len] && len + 1 < sizeof base; len++)
        base[len] = file_char(name[len]) ? name[len] : '_';
    if (!len)
        base[len++] = '_';
    base[len] = 0;
    return name_set_add(s, base);
}
