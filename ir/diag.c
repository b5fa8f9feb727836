/* ir/diag.c - collecting and printing messages about bad input. */
#include "diag.h"

#include "visible.h"

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

/* A copy in which nothing is left that a terminal would obey: the names in it are the
 * file's. */
static const char *shown(diag *d, const char *s)
{
    char *copy = arena_alloc(&d->mem, visible_size(s) + 1);

    visible_copy(copy, s);
    return copy;
}

uint32_t diag_place(diag *d, const char *place)
{
    vec_push(&d->place, shown(d, place));
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
static void add_caret(diag *d, ir_loc loc, text *out)
{
    const char *s = d->source;

    if (!s || !loc.col)
        return;
    for (uint32_t line = 1; line < loc.line && *s; s++)
        line += *s == '\n';
    char *source = arena_strndup(&d->mem, s, strcspn(s, "\n"));
    for (char *tab = source; (tab = strchr(tab, '\t'));)
        *tab = ' ';
    const char *before = shown(d, arena_strndup(&d->mem, source, strnlen(source, loc.col - 1)));
    text_add(out, "\n    %s\n    %*s", shown(d, source), (int)strlen(before) + 1, "^");
}

static void add(diag *d, ir_loc loc, diag_id id, va_list ap)
{
    text line = {0};

    if (d->message.len >= MAX_KEPT)
        return;
    add_place(d, loc, &line);
    text_add(&line, "error: ");
    text_addv(&line, format[id], ap);
    text message = {0};
    text_add(&message, "%s", shown(d, line.at));
    add_caret(d, loc, &message);
    vec_push(&d->message, (diag_message){id, arena_strdup(&d->mem, message.at)});
    text_free(&message);
    text_free(&line);
}

bool diag_error(diag *d, ir_loc loc, diag_id id, ...)
{
    va_list ap;

    va_start(ap, id);
    add(d, loc, id, ap);
    va_end(ap);
    d->errors++;
    return false;
}

/* A copy of s that can be shown, or the last gap's, which is mostly the same. */
static const char *keep(diag *d, const char *s, const char *last)
{
    return last && !strcmp(s, last) ? last : shown(d, s);
}

bool diag_unsupported(diag *d, const char *op, const char *version,
                      const char *node, const char *reason)
{
    diag_gap last = d->gap.len ? d->gap.at[d->gap.len - 1] : (diag_gap){0};

    vec_push(&d->gap, (diag_gap){keep(d, op, last.op), keep(d, version, last.version),
                                 keep(d, reason, last.reason), keep(d, node, last.node)});
    return false;
}

/* Gaps of one operator, version and reason. */
enum { NAMED = 3 };
typedef struct gap_group {
    const diag_gap *named[NAMED];   /* the first of them */
    uint32_t count;
} gap_group;

/* A node's place without the file, which stands before it already. */
static const char *in_file(const diag *d, const char *node)
{
    size_t n = d->file ? strlen(d->file) : 0;

    if (!n || strncmp(node, d->file, n) || (node[n] && node[n] != ':'))
        return node;
    return node + n + strspn(node + n, ": ");
}

const char *diag_node(const diag *d, ir_loc loc)
{
    const char *node = loc.file && loc.file < d->place.len ? in_file(d, d->place.at[loc.file]) : "";

    return strncmp(node, "node ", 5) ? "" : node;
}

static void print_group(const diag *d, const gap_group *g, FILE *out)
{
    const diag_gap *first = g->named[0];
    bool any = false;

    if (d->file)
        fprintf(out, "%s: ", d->file);
    fprintf(out, "error: unsupported: %s%s%s: %s", first->op, *first->version ? "-" : "",
            first->version, first->reason);
    for (uint32_t i = 0; i < g->count && i < NAMED; i++) {
        const char *node = in_file(d, g->named[i]->node);
        if (!*node)
            continue;
        fprintf(out, "%s%s", any ? ", " : " (", node);
        any = true;
    }
    if (any && g->count > NAMED)
        fprintf(out, " and %u more", g->count - NAMED);
    else if (!any && g->count > 1)
        fprintf(out, " (%u times", g->count);
    fprintf(out, "%s\n", any || g->count > 1 ? ")" : "");
}

/* In order of first appearance. */
static void print_gaps(const diag *d, FILE *out)
{
    arena mem = {0};
    names keys = {0};
    VEC(gap_group) group = {0};

    for (uint32_t i = 0; i < d->gap.len; i++) {
        const diag_gap *g = &d->gap.at[i];
        uint32_t id =
            names_add(&keys, arena_printf(&mem, "%s\n%s\n%s", g->op, g->version, g->reason));
        if (id == group.len)
            vec_push(&group, (gap_group){0});
        if (group.at[id].count < NAMED)
            group.at[id].named[group.at[id].count] = g;
        group.at[id].count++;
    }
    for (uint32_t i = 0; i < group.len; i++)
        print_group(d, &group.at[i], out);
    vec_free(&group);
    names_free(&keys);
    arena_reset(&mem);
}

void diag_print(const diag *d, FILE *out)
{
    for (uint32_t i = 0; i < d->message.len && i < MAX_PRINTED; i++)
        fprintf(out, "%s\n", d->message.at[i].text);
    if (d->message.len > MAX_PRINTED)
        fprintf(out, "and %u more messages\n", d->message.len - MAX_PRINTED);
    print_gaps(d, out);
}
