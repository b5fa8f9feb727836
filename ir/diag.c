/* ir/diag.c - collecting and printing messages about bad input. */
#include "diag.h"

#include "visible.h"

static const char *const format[DIAG_COUNT] = {
#define DIAG(id, fmt) fmt,
#include "diag.def"
};

/* After 20 messages the rest helps nobody; beyond 1000 nothing is kept, so that a
 * hostile file cannot fill memory with its errors.  Notes belong to the message
 * before them. */
enum { MAX_PRINTED = 20, MAX_KEPT = 1000 };

void diag_init(diag *d)
{
    *d = (diag){0};
    vec_push(&d->place, "");
    vec_push(&d->source, NULL);
}

void diag_free(diag *d)
{
    vec_free(&d->message);
    vec_free(&d->gap);
    vec_free(&d->place);
    vec_free(&d->source);
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
    vec_push(&d->source, NULL);
    return d->place.len - 1;
}

uint32_t diag_source(diag *d, const char *place, const char *source)
{
    uint32_t id = diag_place(d, place);

    d->source.at[id] = arena_strdup(&d->mem, source);
    return id;
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

/* Adds a character of the source as it is shown, and steps over it; the columns it takes. */
static int add_char(text *out, const char **s)
{
    char shown[VISIBLE_MOST + 1];

    if (**s == '\t') {
        text_add(out, " ");
        ++*s;
        return 1;
    }
    bool plain = visible_length(*s, strnlen(*s, VISIBLE_MOST));
    int n = visible_next(s, shown);
    text_addn(out, shown, (size_t)n);
    return plain ? 1 : n;
}

/* The source line, and a caret under the column, which counts characters. */
static void add_caret(const diag *d, ir_loc loc, text *out)
{
    const char *s = loc.file < d->source.len ? d->source.at[loc.file] : NULL;
    int before = 0;

    if (!s || !loc.col)
        return;
    for (uint32_t line = 1; line < loc.line && *s; s++)
        line += *s == '\n';
    if (!*s)
        return;
    text_add(out, "\n    ");
    for (uint32_t col = 1; *s && *s != '\n' && strncmp(s, "\r\n", 2); col++) {
        int width = add_char(out, &s);
        before += col < loc.col ? width : 0;
    }
    text_add(out, "\n    %*s", before + 1, "^");
}

/* A message or note, as it is printed. */
static char *worded(diag *d, ir_loc loc, const char *kind, const char *fmt, va_list ap)
{
    text line = {0}, message = {0};

    add_place(d, loc, &line);
    text_add(&line, "%s: ", kind);
    text_addv(&line, fmt, ap);
    text_add(&message, "%s", shown(d, line.at));
    add_caret(d, loc, &message);
    char *copy = arena_strdup(&d->mem, message.at);
    text_free(&message);
    text_free(&line);
    return copy;
}

/* Is it there, perhaps with notes behind it? */
static bool has_message(const diag *d, const char *text)
{
    size_t n = strlen(text);

    for (uint32_t i = 0; i < d->message.len; i++)
        if (!strncmp(d->message.at[i].text, text, n) && strchr("\n", d->message.at[i].text[n]))
            return true;
    return false;
}

/* Words a message, which is done at once: its arguments live shorter than it does.  Is it kept?
 * Not if there are too many, nor if it is there already and `once` is all that it is told. */
static bool keep_worded(diag *d, ir_loc loc, diag_id id, const char *kind, bool once,
                        const char *fmt, va_list ap)
{
    d->dropped = d->message.len >= MAX_KEPT;
    if (d->dropped)
        return false;
    const char *text = worded(d, loc, kind, fmt, ap);
    d->dropped = once && has_message(d, text);
    if (!d->dropped)
        vec_push(&d->message, (diag_message){id, text});
    return !d->dropped;
}

/* Always false, so that a caller can write `return diag_error(..)`.  What has a place in a text
 * is told once. */
bool diag_verror(diag *d, ir_loc loc, diag_id id, const char *fmt, va_list ap)
{
    d->errors++;
    keep_worded(d, loc, id, "error", loc.col, fmt, ap);
    return false;
}

bool diag_error(diag *d, ir_loc loc, diag_id id, ...)
{
    va_list ap;

    va_start(ap, id);
    diag_verror(d, loc, id, format[id], ap);
    va_end(ap);
    return false;
}

/* A program is read more than once: for its entries, for its training. */
bool diag_vwarning(diag *d, ir_loc loc, const char *fmt, va_list ap)
{
    return keep_worded(d, loc, D_GENERAL, "warning", true, fmt, ap);
}

bool diag_warning(diag *d, ir_loc loc, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    bool kept = diag_vwarning(d, loc, fmt, ap);
    va_end(ap);
    return kept;
}

void diag_note(diag *d, ir_loc loc, const char *fmt, ...)
{
    va_list ap;

    if (!d->message.len || d->dropped)
        return;
    va_start(ap, fmt);
    diag_message *last = &d->message.at[d->message.len - 1];
    last->text = arena_printf(&d->mem, "%s\n%s", last->text, worded(d, loc, "note", fmt, ap));
    va_end(ap);
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

void diag_add(diag *d, const diag *other)
{
    uint32_t gaps = d->gap.len ? 0 : other->gap.len;

    for (uint32_t i = 0; i < other->message.len && d->message.len < MAX_KEPT; i++) {
        diag_message m = other->message.at[i];
        if (!has_message(d, m.text))
            vec_push(&d->message, (diag_message){m.id, arena_strdup(&d->mem, m.text)});
    }
    for (uint32_t i = 0; i < gaps; i++) {
        const diag_gap *g = &other->gap.at[i];
        diag_unsupported(d, g->op, g->version, g->node, g->reason);
    }
    d->errors += other->errors;
    d->usage |= other->usage;
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

/* "model.onnx: error: unsupported: Loop-13: reason (node 'a', node 'b' and 4 more)" */
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
