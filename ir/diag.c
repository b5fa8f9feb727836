/* ir/diag.c - collecting and printing messages about bad input. */
#include "diag.h"

static const char *const format[DIAG_COUNT] = {
#define DIAG(id, fmt) fmt,
#include "diag.def"
};

enum { MAX_PRINTED = 20, MAX_KEPT = 1000 };

void diag_init(diag *d)
{
    *d = (diag){0};
    vec_push(&d->place, "");
}

void diag_free(diag *d)
{
    vec_free(&d->message);
    vec_free(&d->gap);
    vec_free(&d->place);
    arena_reset(&d->mem);
}

uint32_t diag_place(diag *d, const char *place)
{
    vec_push(&d->place, arena_strdup(&d->mem, place));
    return d->place.len - 1;
}

static void add_place(const diag *d, ir_loc loc, text *out)
{
    if (!loc.file || loc.file >= d->place.len)
        return;
    text_add(out, "%s:", d->place.at[loc.file]);
    if (loc.col)
        text_add(out, "%u:%u:", loc.line, loc.col);
    text_add(out, " ");
}

/* The source line and a caret under the column. */
static void add_caret(const diag *d, ir_loc loc, text *out)
{
    const char *s = d->source;

    if (!s || !loc.col)
        return;
    for (uint32_t line = 1; line < loc.line && *s; s++)
        line += *s == '\n';
    text_add(out, "\n    %.*s\n    %*s", (int)strcspn(s, "\n"), s, (int)loc.col, "^");
}

static void add(diag *d, ir_loc loc, diag_id id, bool warning, va_list ap)
{
    text line = {0};

    if (d->message.len >= MAX_KEPT)
        return;
    add_place(d, loc, &line);
    text_add(&line, warning ? "warning: " : "error: ");
    text_addv(&line, format[id], ap);
    add_caret(d, loc, &line);
    vec_push(&d->message, (diag_message){id, warning, arena_strdup(&d->mem, line.at)});
    text_free(&line);
}

bool diag_error(diag *d, ir_loc loc, diag_id id, ...)
{
    va_list ap;

    va_start(ap, id);
    add(d, loc, id, false, ap);
    va_end(ap);
    d->errors++;
    return false;
}

void diag_warn(diag *d, ir_loc loc, diag_id id, ...)
{
    va_list ap;

    va_start(ap, id);
    add(d, loc, id, true, ap);
    va_end(ap);
}

bool diag_unsupported(diag *d, const char *op, const char *version,
                      const char *node, const char *reason)
{
    vec_push(&d->gap, (diag_gap){arena_strdup(&d->mem, op), arena_strdup(&d->mem, version),
                                 arena_strdup(&d->mem, reason), arena_strdup(&d->mem, node)});
    return false;
}

static bool same_group(const diag_gap *a, const diag_gap *b)
{
    return !strcmp(a->op, b->op) && !strcmp(a->version, b->version) &&
           !strcmp(a->reason, b->reason);
}

/* Gap i stands for its group if no earlier one does. */
static bool leads(const diag *d, uint32_t i)
{
    for (uint32_t j = 0; j < i; j++)
        if (same_group(&d->gap.at[i], &d->gap.at[j]))
            return false;
    return true;
}

static void print_gap(const diag *d, uint32_t i, FILE *out)
{
    enum { NAMED = 3 };
    const diag_gap *g = &d->gap.at[i];
    uint32_t count = 0;

    fprintf(out, "error: unsupported: %s%s%s: %s", g->op, *g->version ? "-" : "",
            g->version, g->reason);
    for (uint32_t j = i; j < d->gap.len; j++) {
        if (!same_group(g, &d->gap.at[j]))
            continue;
        if (count < NAMED && *d->gap.at[j].node)
            fprintf(out, "%s%s", count ? ", " : " (", d->gap.at[j].node);
        count++;
    }
    if (count > NAMED)
        fprintf(out, " and %u more", count - NAMED);
    fprintf(out, "%s\n", *g->node ? ")" : "");
}

void diag_print(const diag *d, FILE *out)
{
    for (uint32_t i = 0; i < d->message.len && i < MAX_PRINTED; i++)
        fprintf(out, "%s\n", d->message.at[i].text);
    if (d->message.len > MAX_PRINTED)
        fprintf(out, "and %u more messages\n", d->message.len - MAX_PRINTED);
    for (uint32_t i = 0; i < d->gap.len; i++)
        if (leads(d, i))
            print_gap(d, i, out);
}
