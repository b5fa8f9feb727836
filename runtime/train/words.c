/* runtime/train/words.c - numbers for texts: classes of a column, characters and
 * words of a text.  A hash table of slots that hold numbers, with open addressing;
 * the texts lie in an array by number.  Numbers are given in the order of first
 * uses, and sorted afterwards where they must not depend on the order of rows. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "hash.h"

/* How many bytes the character of UTF-8 has; 0 if it is none.  Bytes 0xc0 and 0xc1
 * would begin a longer form of what is one byte. */
size_t words_character(const char *at, const char *end)
{
    unsigned char c = (unsigned char)*at;
    size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

    if (n > (size_t)(end - at))
        return 0;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)at[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool words_is_utf8(const char *text, size_t size)
{
    const char *end = text + size;

    while (text < end) {
        size_t n = words_character(text, end);
        if (!n)
            return false;
        text += n;
    }
    return true;
}

static uint64_t hash(const char *text, size_t size)
{
    uint64_t h = hash_more(INGOT_HASH_START, text, size);

    return h ^ h >> 32;         /* slots are chosen by the low bits */
}

/* The slot that has the text, or the free one where it belongs. */
static int64_t *slot_of(const words *w, const char *text, size_t size)
{
    size_t at = (size_t)hash(text, size);

    for (;; at++) {
        int64_t *slot = &w->slot[at & (w->slots - 1)];
        if (*slot < 0 || (!strncmp(w->text[*slot], text, size) && !w->text[*slot][size]))
            return slot;
    }
}

/* Half of the slots stay free. */
static bool make_room(words *w)
{
    size_t room = w->slots ? 2 * w->slots : 64;

    if (w->slots > 2 * (size_t)w->n)
        return true;
    char **text = realloc(w->text, room * sizeof *text);
    w->text = text ? text : w->text;
    int64_t *uses = realloc(w->uses, room * sizeof *uses);
    w->uses = uses ? uses : w->uses;
    int64_t *slot = malloc(room * sizeof *slot);
    if (!text || !uses || !slot) {
        free(slot);
        return false;
    }
    free(w->slot);
    w->slot = slot;
    w->slots = room;
    memset(slot, -1, room * sizeof *slot);
    for (int64_t i = 0; i < w->n; i++)
        *slot_of(w, w->text[i], strlen(w->text[i])) = i;
    return true;
}

/* -1: no such text, and none may be added; -2: no memory. */
int64_t words_number(words *w, const char *text, size_t size)
{
    if (!w->fixed && !make_room(w))
        return -2;
    int64_t *slot = w->slots ? slot_of(w, text, size) : NULL;
    if (w->fixed && (!slot || *slot < 0))
        return -1;
    if (*slot < 0) {
        char *copy = strndup(text, size);
        if (!copy)
            return -2;
        w->text[w->n] = copy;
        w->uses[w->n] = 0;
        *slot = w->n++;
    }
    w->uses[*slot]++;
    return *slot;
}

/* What a trained model knows: nothing can be added, or numbers would mean something
 * else. */
bool words_fix(words *w, const char *const *text, int64_t n)
{
    *w = (words){0};
    for (int64_t i = 0; i < n; i++)
        if (words_number(w, text[i], strlen(text[i])) == -2)
            return false;
    w->fixed = true;
    return true;
}

typedef struct ranked {
    char *text;
    int64_t uses, old;
} ranked;

static int by_text(const void *a, const void *b)
{
    return strcmp(((const ranked *)a)->text, ((const ranked *)b)->text);
}

static int by_uses_first(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    return x->uses != y->uses ? (x->uses < y->uses ? 1 : -1) : by_text(a, b);
}

/* From number `first` on, those before it have their places already; to[old] is the
 * new one.  The slots are filled again, as they hold numbers. */
bool words_sort(words *w, int64_t first, bool by_uses, int64_t *to)
{
    ranked *r = malloc((size_t)(w->n + 1) * sizeof *r);

    if (!r)
        return false;
    for (int64_t i = 0; i < w->n; i++) {
        r[i] = (ranked){w->text[i], w->uses[i], i};
        to[i] = i;
    }
    qsort(r + first, (size_t)(w->n - first), sizeof *r, by_uses ? by_uses_first : by_text);
    for (int64_t i = first; i < w->n; i++) {
        w->text[i] = r[i].text;
        w->uses[i] = r[i].uses;
        to[r[i].old] = i;
    }
    free(r);
    for (size_t i = 0; i < w->slots; i++)
        w->slot[i] = -1;
    for (int64_t i = 0; i < w->n; i++)
        *slot_of(w, w->text[i], strlen(w->text[i])) = i;
    return true;
}

void words_free(words *w)
{
    for (int64_t i = 0; i < w->n; i++)
        free(w->text[i]);
    free(w->text);
    free(w->uses);
    free(w->slot);
    *w = (words){0};
}
