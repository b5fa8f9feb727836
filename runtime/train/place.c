/* runtime/train/place.c - a place as notes of a checkpoint: a row for each field,
 * so that a new one is a row and a member of the struct.  Doubles are written as
 * %a, exactly. */
#include "place.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

typedef enum note_kind { WHOLE, REAL, WAITS, LOG } note_kind;

static const struct {
    const char *key;
    note_kind kind;
    size_t at;
} rows[] = {
    {"block", WHOLE, offsetof(place, block)},
    {"turn", WHOLE, offsetof(place, turn)},
    {"step", WHOLE, offsetof(place, step)},
    {"epoch", WHOLE, offsetof(place, epoch)},
    {"position", WHOLE, offsetof(place, position)},
    {"seed", WHOLE, offsetof(place, seed)},
    {"batch", WHOLE, offsetof(place, batch)},
    {"rows", WHOLE, offsetof(place, rows)},
    {"data", WHOLE, offsetof(place, data)},
    {"fit", WHOLE, offsetof(place, fit)},
    {"end", WHOLE, offsetof(place, end)},
    {"waits", WAITS, offsetof(place, wait)},
    {"log", LOG, offsetof(place, log)},
    {"log_untested", LOG, offsetof(place, untested)},
    {"seconds", REAL, offsetof(place, seconds)},
};
_Static_assert(sizeof rows / sizeof *rows == PLACE_NOTES, "a note for each row");

place place_begin(int64_t block, int64_t turn, int64_t seed, place_fit fit)
{
    place p = {.block = block, .turn = turn, .epoch = 1, .seed = seed, .fit = fit};

    for (int i = 0; i < PLACE_WAITS; i++)
        p.wait[i].best = NAN;
    return p;
}

/* ---- writing ---------------------------------------------------------------------- */

/* "0x1.8p-2 3 nan 0 ..": best and waited, one pair behind the other. */
static void write_waits(const place_wait *w, char *out)
{
    int n = 0;

    for (int i = 0; i < PLACE_WAITS; i++)
        n += snprintf(out + n, (size_t)(PLACE_NOTE_SIZE - n), "%s%a %" PRId64, i ? " " : "",
                      w[i].best, w[i].waited);
}

/* Text of one field, as read_field reads it. */
static void write_field(note_kind kind, const void *at, char *out)
{
    const place_log *log = at;

    if (kind == WHOLE)
        snprintf(out, PLACE_NOTE_SIZE, "%" PRId64, *(const int64_t *)at);
    else if (kind == REAL)
        snprintf(out, PLACE_NOTE_SIZE, "%a", *(const double *)at);
    else if (kind == LOG)
        snprintf(out, PLACE_NOTE_SIZE, "%" PRId64 " %016" PRIx64, log->size, log->hash);
    else
        write_waits(at, out);
}

void place_write(const place *p, place_notes *notes, safetensors_note *note)
{
    for (int i = 0; i < PLACE_NOTES; i++) {
        write_field(rows[i].kind, (const char *)p + rows[i].at, notes->text[i]);
        note[i] = (safetensors_note){rows[i].key, notes->text[i]};
    }
}

/* ---- reading ---------------------------------------------------------------------- */

/* Each takes a number and moves on behind it; false if there is none. */
static bool take_whole(const char **text, int64_t *out)
{
    char *end;

    *out = strtoll(*text, &end, 10);
    bool ok = end != *text;
    *text = end;
    return ok;
}

static bool take_real(const char **text, double *out)
{
    char *end;

    *out = strtod(*text, &end);
    bool ok = end != *text;
    *text = end;
    return ok;
}

/* SIZE HASH, the latter in hexadecimal. */
static bool take_log(const char **text, place_log *out)
{
    char *end;

    if (!take_whole(text, &out->size) || out->size < 0)
        return false;
    out->hash = strtoull(*text, &end, 16);
    bool ok = end != *text;
    *text = end;
    return ok;
}

static bool take_waits(const char **text, place_wait *out)
{
    for (int i = 0; i < PLACE_WAITS; i++)
        if (!take_real(text, &out[i].best) || !take_whole(text, &out[i].waited))
            return false;
    return true;
}

static bool read_field(note_kind kind, const char *text, void *at)
{
    bool ok = kind == WHOLE  ? take_whole(&text, at)
              : kind == REAL ? take_real(&text, at)
              : kind == LOG  ? take_log(&text, at)
                             : take_waits(&text, at);
    return ok && !*text;
}

/* Counters count from 0 or, epochs, from 1. */
static bool is_sound(const place *p)
{
    return p->block >= 0 && p->turn >= 0 && p->step >= 0 && p->epoch >= 1 && p->position >= 0 &&
           p->position <= p->rows;
}

bool place_read(const safetensors *f, place *p)
{
    for (int i = 0; i < PLACE_NOTES; i++) {
        const char *value = safetensors_note_of(f, rows[i].key);
        if (!value || !read_field(rows[i].kind, value, (char *)p + rows[i].at))
            return false;
    }
    return is_sound(p);
}
