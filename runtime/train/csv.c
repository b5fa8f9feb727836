/* runtime/train/csv.c - tables of text.  Source: RFC 4180, with any of , ; tab and
 * | as separator, as many files have them.  Numbers go to the columns of the
 * program as they stand in the line; texts, where a class is wanted, are numbered
 * in the order of their bytes.  Every message has file and line, and the column's
 * name if there is a header. */
#include "csv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor_file.h"
#include "tensor_types.h"

/* A file that is walked through, field by field. */
typedef struct csv {
    const source *s;
    const char *at, *end;
    char separator;
    long line;                      /* of the field at hand */
    char *field;                    /* decoded, ended by a zero; room for the longest */
    size_t size;
    bool last;                      /* the field is the last of its line */
    char *error;
} csv;

/* ---- fields ----------------------------------------------------------------------- */

static void add_char(csv *c, char x)
{
    c->field[c->size++] = x;
}

/* What is between quotes; "" in it is one quote. */
static bool take_quoted(csv *c)
{
    long line = c->line;

    for (c->at++; c->at < c->end; c->at++) {
        if (*c->at == '"' && (c->at + 1 == c->end || c->at[1] != '"'))
            return c->at++, true;
        c->at += *c->at == '"';
        c->line += *c->at == '\n';
        add_char(c, *c->at);
    }
    return tensor_fail(c->error, "%s:%ld: a quote is not closed", c->s->path, line);
}

static bool ends_field(const csv *c)
{
    return c->at == c->end || *c->at == c->separator || *c->at == '\n';
}

/* Blanks around a field, and the return before the end of a line, are no part of it. */
static void trim(csv *c)
{
    size_t lead = 0;

    while (c->size && strchr(" \r\t", c->field[c->size - 1]))
        c->size--;
    while (lead < c->size && strchr(" \t", c->field[lead]))
        lead++;
    c->size -= lead;
    memmove(c->field, c->field + lead, c->size);
}

/* Reads a field and the separator or line end behind it. */
static bool take_field(csv *c)
{
    c->size = 0;
    if (c->at < c->end && *c->at == '"' && !take_quoted(c))
        return false;
    while (!ends_field(c))
        add_char(c, *c->at++);
    trim(c);
    c->field[c->size] = 0;
    c->last = c->at == c->end || *c->at == '\n';
    c->at += c->at < c->end;
    return true;
}

/* Lines without anything in them are no rows. */
static void skip_empty_lines(csv *c)
{
    while (c->at < c->end && (*c->at == '\n' || (*c->at == '\r' && c->at + 1 < c->end &&
                                                 c->at[1] == '\n'))) {
        c->at += *c->at == '\r' ? 2 : 1;
        c->line++;
    }
}

static void end_line(csv *c)
{
    c->line++;
    skip_empty_lines(c);
}

/* ---- the beginning of a file ------------------------------------------------------ */

/* The separator that the first line has most of. */
static char find_separator(const char *at, const char *end)
{
    static const char candidates[] = ",;\t|";
    int count[4] = {0}, best = 0;
    bool quoted = false;

    for (; at < end && (quoted || *at != '\n'); at++) {
        quoted ^= *at == '"';
        const char *found = quoted || !*at ? NULL : strchr(candidates, *at);
        if (found)
            count[found - candidates]++;
    }
    for (int i = 1; i < 4; i++)
        if (count[i] > count[best])
            best = i;
    return candidates[best];
}

/* Skips the mark of UTF-8 and the lines that `skip` says. */
static bool open_text(csv *c, const bytes *b)
{
    const char *text = (const char *)b->data;

    if (b->size >= 2 && ((b->data[0] == 0xff && b->data[1] == 0xfe) ||
                         (b->data[0] == 0xfe && b->data[1] == 0xff)))
        return tensor_fail(c->error, "%s: is UTF-16; save it as UTF-8", c->s->path);
    if (memchr(text, 0, b->size))
        return tensor_fail(c->error, "%s: holds a byte 0: it is no text", c->s->path);
    c->at = text;
    c->end = text + b->size;
    c->line = 1;
    if (b->size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        c->at += 3;
    for (int64_t i = 0; i < c->s->skip && c->at < c->end; c->line++, i++) {
        const char *line_end = memchr(c->at, '\n', (size_t)(c->end - c->at));
        c->at = line_end ? line_end + 1 : c->end;
    }
    skip_empty_lines(c);
    c->separator = find_separator(c->at, c->end);
    c->field = malloc(b->size + 1);
    if (!c->field)
        return tensor_fail(c->error, "%s: no memory", c->s->path);
    return c->at < c->end || tensor_fail(c->error, "%s: has no rows", c->s->path);
}

/* ---- which fields go where -------------------------------------------------------- */

enum { MOST_FIELDS = 65536 };

/* Field f of a line is element `slot[f].element` of a row of column `slot[f].column`; -1:
 * it is of no use. */
typedef struct slot {
    int32_t column;
    int64_t element;
    char *name;                     /* of the header; empty: there is none */
} slot;

/* The file and where its fields go: column k of the program is array a[k]. */
typedef struct table {
    csv c;
    const struct ingot_train_column *const *column;
    array *a;
    int32_t n, fields;
    slot *slot;
    bool header;
} table;

static bool is_category(const struct ingot_train_column *c)
{
    return c->name_count > 0 || c->bound == CSV_FIND_OUT;
}

static bool is_missing(const char *text)
{
    return !*text || !strcasecmp(text, "nan") || !strcmp(text, "NA") || !strcmp(text, "?");
}

static bool is_number(const char *text, double *v)
{
    char *end;

    *v = strtod(text, &end);
    return end != text && !*end;
}

/* The names of the first line, in case it is a header. */
static bool read_names(table *t)
{
    csv *c = &t->c;

    for (c->last = false; !c->last; t->fields++) {
        if (t->fields == MOST_FIELDS || !take_field(c))
            return t->fields < MOST_FIELDS ||
                   tensor_fail(c->error, "%s: has more than %d columns", c->s->path, MOST_FIELDS);
        slot *more = realloc(t->slot, (size_t)(t->fields + 1) * sizeof *more);
        if (!more)
            return tensor_fail(c->error, "%s: no memory", c->s->path);
        t->slot = more;
        more[t->fields] = (slot){-1, 0, strdup(c->field)};
    }
    return true;
}

static int32_t field_named(const table *t, const char *name)
{
    for (int32_t f = 0; f < t->fields; f++)
        if (t->slot[f].name && !strcmp(t->slot[f].name, name))
            return f;
    return -1;
}

/* The file's columns that are used, in order; their number, or -1 after a message. */
static int32_t choose(const table *t, int32_t *chosen)
{
    const source *s = t->c.s;
    int32_t n = 0;

    for (int32_t f = 0; !s->selects && f < t->fields; f++)
        chosen[n++] = f;
    for (int32_t i = 0; i < s->selects; i++) {
        const source_select *sel = &s->select[i];
        int32_t first = field_named(t, sel->first);
        int32_t last = sel->last ? field_named(t, sel->last) : first;
        if (first < 0 || last < first) {
            tensor_fail(t->c.error, "%s: has no column '%s'%s", s->path,
                        first < 0 ? sel->first : sel->last, first < 0 ? "" : " behind the first");
            return -1;
        }
        for (int32_t f = first; f <= last && n < t->fields; f++)
            chosen[n++] = f;
    }
    return n;
}

/* Deals them out from the left. */
static bool deal(table *t, const int32_t *chosen, int32_t n)
{
    int64_t wanted = 0;
    int32_t at = 0;

    for (int32_t k = 0; k < t->n; k++)
        wanted += array_row(&t->a[k]);
    if (n != wanted)
        return tensor_fail(t->c.error, "%s: %d columns, the program takes %lld", t->c.s->path, n,
                           (long long)wanted);
    for (int32_t f = 0; f < t->fields; f++)
        t->slot[f].column = -1;
    for (int32_t k = 0; k < t->n; k++)
        for (int64_t e = 0; e < array_row(&t->a[k]); e++, at++) {
            if (t->slot[chosen[at]].column >= 0)
                return tensor_fail(t->c.error, "%s: column '%s' is chosen twice", t->c.s->path,
                                   t->slot[chosen[at]].name);
            t->slot[chosen[at]].column = k;
            t->slot[chosen[at]].element = e;
        }
    return true;
}

/* Does the program take a number where this field of the first line has something? */
static bool wants_number(const table *t, int32_t f)
{
    return t->slot[f].column >= 0 && !is_category(t->column[t->slot[f].column]) &&
           !is_missing(t->slot[f].name);
}

/* Has this field of the first line, where a class is wanted, the name of the column itself? */
static bool names_column(const table *t, int32_t f)
{
    int32_t k = t->slot[f].column;

    return k >= 0 && is_category(t->column[k]) && !strcmp(t->slot[f].name, t->column[k]->name);
}

/* Columns that are chosen by name need a header.  Else the first line is one if it has texts
 * where numbers are wanted, or no number there and the name of a column of classes; one that has
 * both there is a row with a mistake. */
static bool find_header(table *t)
{
    bool named = false;
    int32_t text = -1, number = -1;
    double v;

    for (int32_t f = t->fields - 1; f >= 0 && !t->c.s->selects; f--) {
        named |= names_column(t, f);
        if (wants_number(t, f))
            *(is_number(t->slot[f].name, &v) ? &number : &text) = f;
    }
    t->header = t->c.s->selects || text >= 0 || (named && number < 0);
    return text < 0 || number < 0 ||
           tensor_fail(t->c.error, "%s:%ld: column %d: '%.100s' is no number, and column %d has "
                       "one, '%.100s'; csv(\"%.100s\", skip = 1) leaves a header out",
                       t->c.s->path, t->c.line, text + 1, t->slot[text].name, number + 1,
                       t->slot[number].name, t->c.s->path);
}

/* No column that is used has the name of another one. */
static bool names_differ(const table *t)
{
    words seen = {0};
    bool ok = true;

    for (int32_t f = 0; ok && f < t->fields; f++)
        ok = words_number(&seen, t->slot[f].name, strlen(t->slot[f].name)) != -2 ||
             tensor_fail(t->c.error, "%s: no memory", t->c.s->path);
    seen.fixed = true;
    for (int32_t f = 0; ok && f < t->fields; f++) {
        const char *name = t->slot[f].name;
        int64_t i = words_number(&seen, name, strlen(name));
        ok = t->slot[f].column < 0 || !*name || seen.uses[i] == 2 ||
             tensor_fail(t->c.error, "%s:%ld: the header has '%.100s' twice", t->c.s->path,
                         t->c.line, name);
        seen.uses[i]--;
    }
    words_free(&seen);
    return ok;
}

/* Columns that are not chosen by name have an order of their own in each file: where the header
 * of the training data is known for all of them, this one has the same names. */
static bool choose_alike(const table *t, int32_t *chosen)
{
    for (int32_t k = 0; k < t->n; k++)
        if (!t->a[k].fields.n)
            return true;
    for (int32_t k = 0, at = 0; k < t->n; k++)
        for (int64_t e = 0; e < t->a[k].fields.n; e++, at++) {
            const char *name = t->a[k].fields.text[e];
            chosen[at] = field_named(t, name);
            if (chosen[at] < 0)
                return tensor_fail(t->c.error, "%s: has no column '%.100s', as the training data "
                                   "have; columns may be chosen: \"%.100s\"[\"%.100s\", ..]",
                                   t->c.s->path, name, t->c.s->path, t->slot[0].name);
        }
    return true;
}

/* The names of the columns that are used, unless some of them have none: by half of them no other
 * file could be dealt out. */
static bool keep_names(table *t, const int32_t *chosen, int32_t n)
{
    const char **name = malloc((size_t)n * sizeof *name + 1);
    bool named = true, ok = name != NULL;

    for (int32_t i = 0; ok && i < n; i++) {
        name[i] = t->slot[chosen[i]].name;
        named = named && *name[i];
    }
    for (int64_t k = 0, at = 0; ok && k < t->n; at += array_row(&t->a[k++])) {
        words_free(&t->a[k].fields);
        ok = !named || words_fix(&t->a[k].fields, name + at, array_row(&t->a[k]));
    }
    free(name);
    return ok || tensor_fail(t->c.error, "%s: no memory", t->c.s->path);
}

/* Columns by position tell whether there is a header, whose names may tell better. */
static bool lay_out(table *t, int32_t *chosen)
{
    int32_t n = choose(t, chosen);

    if (n < 0 || !deal(t, chosen, n) || !find_header(t))
        return false;
    if (!t->header)
        return true;
    return names_differ(t) &&
           (t->c.s->selects || (choose_alike(t, chosen) && deal(t, chosen, n))) &&
           keep_names(t, chosen, n);
}

/* Finds out the layout, and goes to the first row. */
static bool begin_rows(table *t)
{
    const char *start = t->c.at;
    long line = t->c.line;

    if (!read_names(t))
        return false;
    int32_t *chosen = malloc((size_t)t->fields * sizeof *chosen);
    bool ok = chosen ? lay_out(t, chosen) : tensor_fail(t->c.error, "%s: no memory", t->c.s->path);
    free(chosen);
    if (!ok)
        return false;
    if (t->header) {
        end_line(&t->c);
    } else {
        t->c.at = start;
        t->c.line = line;
    }
    return true;
}

/* ---- cells ------------------------------------------------------------------------ */

/* "housing.csv:208: total_bedrooms" or, without a header, "column 5" */
static bool bad_cell(const table *t, int32_t field, const char *what)
{
    char column[100];

    if (t->header)
        snprintf(column, sizeof column, "%.90s", t->slot[field].name);
    else
        snprintf(column, sizeof column, "column %d", field + 1);
    return tensor_fail(t->c.error, "%s:%ld: %s: %s", t->c.s->path, t->c.line, column, what);
}

/* The number that the text is where no name is one, and numbers are taken, too; else -1. */
static int64_t own_number(const table *t, int32_t field)
{
    const slot *s = &t->slot[field];
    double v;
    bool taken = t->a[s->column].numbered && is_number(t->c.field, &v) && v >= 0 &&
                 v == floor(v) && v < (double)t->column[s->column]->bound;

    return taken ? (int64_t)v : -1;
}

/* Row i gets the number of the text, a new one if the program does not know the
 * classes.  Names last: they go to the trainer and into its files. */
static bool put_category(table *t, int32_t field, int64_t i)
{
    const slot *s = &t->slot[field];
    array *a = &t->a[s->column];
    char what[200];

    if (!t->c.size)
        return bad_cell(t, field, "empty, where a category is wanted");
    if (!words_is_utf8(t->c.field, t->c.size))
        return bad_cell(t, field, "is no UTF-8; save the file as UTF-8");
    int64_t number = words_number(&a->names, t->c.field, t->c.size);
    if (number == -2)
        return tensor_fail(t->c.error, "%s: no memory", t->c.s->path);
    number = number < 0 ? own_number(t, field) : number;
    if (number >= 0 && tensor_put_number(a->dtype, a->held.owned, i, (double)number))
        return true;
    snprintf(what, sizeof what, "'%.100s' is none of the %lld categories that the program knows",
             t->c.field, (long long)a->names.n);
    return bad_cell(t, field, what);
}

/* 1e39 is a number, but no f32. */
static bool is_finite(const array *a, int64_t i)
{
    const tensor t = {.dtype = a->dtype, .count = i + 1, .data = a->held.owned};

    return isfinite(tensor_element(&t, i));
}

/* Integers may have a bound: is it kept? */
static bool check_index(const table *t, int32_t field, double v)
{
    const struct ingot_train_column *c = t->column[t->slot[field].column];
    char what[100];

    if (c->bound <= 0 || (v >= 0 && v < (double)c->bound))
        return true;
    snprintf(what, sizeof what, "%.0f, must be below %lld and not negative", v,
             (long long)c->bound);
    return bad_cell(t, field, what);
}

/* An empty field is NaN where the program deals with missing values, else an error. */
static bool put_number(table *t, int32_t field, int64_t i)
{
    const struct ingot_train_column *c = t->column[t->slot[field].column];
    array *a = &t->a[t->slot[field].column];
    char what[200];
    double v;

    if (is_missing(t->c.field)) {
        if (c->missing && tensor_put_number(a->dtype, a->held.owned, i, NAN))
            return true;
        snprintf(what, sizeof what, "%s, and '%.80s' makes no use of missing values (NaN)",
                 *t->c.field ? "no number" : "empty", c->name);
        return bad_cell(t, field, what);
    }
    bool number = is_number(t->c.field, &v), real = tensor_types[a->dtype].cls == 'f';
    if (number && tensor_put_number(a->dtype, a->held.owned, i, v) && (!real || is_finite(a, i)))
        return real || check_index(t, field, v);
    snprintf(what, sizeof what, "'%.100s' is no %s%s", t->c.field, real && number ? "finite " : "",
             real && !number ? "number" : tensor_type_name(a->dtype));
    return bad_cell(t, field, what);
}

/* Makes room for row a->rows; the room doubles. */
static bool room_for_row(array *a)
{
    size_t row = array_row_bytes(a);

    if (a->rows & (a->rows - 1))
        return true;
    void *more = realloc(a->held.owned, (a->rows ? 2 * (size_t)a->rows : 1) * row + 1);
    if (more)
        a->data = a->held.owned = more;
    return more != NULL;
}

/* All lines have as many fields as the first one: a line with another number is a
 * file that is broken there. */
static bool read_row(table *t)
{
    csv *c = &t->c;
    int32_t f = 0;

    for (int32_t k = 0; k < t->n; k++)
        if (!room_for_row(&t->a[k]))
            return tensor_fail(c->error, "%s: no memory", c->s->path);
    for (c->last = false; !c->last; f++) {
        if (!take_field(c))
            return false;
        const slot *s = f < t->fields ? &t->slot[f] : NULL;
        if (!s || s->column < 0)
            continue;
        int64_t i = t->a[s->column].rows * array_row(&t->a[s->column]) + s->element;
        if (is_category(t->column[s->column]) ? !put_category(t, f, i) : !put_number(t, f, i))
            return false;
    }
    if (f != t->fields)
        return tensor_fail(c->error, "%s:%ld: %d fields, the %s has %d", c->s->path, c->line, f,
                           t->header ? "header" : "first line", t->fields);
    for (int32_t k = 0; k < t->n; k++)
        t->a[k].rows++;
    end_line(c);
    return true;
}

/* Categories that were found get the order of their bytes. */
static bool settle_names(table *t, int32_t k)
{
    array *a = &t->a[k];
    int64_t *to = malloc((size_t)(a->names.n + 1) * sizeof *to), n = a->rows * array_row(a);
    tensor cells = {.dtype = a->dtype, .count = n, .data = a->held.owned};

    if (!to || !words_sort(&a->names, 0, false, to)) {
        free(to);
        return tensor_fail(t->c.error, "%s: no memory", t->c.s->path);
    }
    for (int64_t i = 0; i < n; i++)
        tensor_put_number(a->dtype, a->held.owned, i,
                          (double)to[(int64_t)tensor_element(&cells, i)]);
    free(to);
    return true;
}

/* ---- files ------------------------------------------------------------------------ */

/* To the end of the file. */
static bool read_rows(table *t)
{
    while (t->c.at < t->c.end)
        if (!read_row(t))
            return false;
    if (!t->a[0].rows)
        return tensor_fail(t->c.error, "%s: has no rows", t->c.s->path);
    for (int32_t k = 0; k < t->n; k++)
        if (t->column[k]->bound == CSV_FIND_OUT && !settle_names(t, k))
            return false;
    return true;
}

/* Elements of the column's own type, no row yet. */
static bool begin_array(array *a, const struct ingot_train_column *c)
{
    *a = (array){.dtype = c->dtype, .rank = c->rank, .numbered = a->numbered,
                 .fields = a->fields};
    for (int32_t i = 0; i < c->rank; i++)
        a->dims[i] = c->dims[i];
    a->stride = array_row(a);
    return !c->name_count || words_fix(&a->names, c->names, c->name_count);
}

/* On failure the arrays are empty. */
bool csv_read(const source *s, const struct ingot_train_column *const *column, array *a, int32_t n,
              char error[TENSOR_ERROR_SIZE])
{
    table t = {.c = {.s = s, .error = error}, .column = column, .a = a, .n = n};
    bytes b = {0};
    bool ok = true;

    for (int32_t k = 0; k < n; k++)
        ok = begin_array(&a[k], column[k]) && ok;
    ok = ok ? bytes_read(&b, s->path, error) && open_text(&t.c, &b) && begin_rows(&t) &&
                  read_rows(&t)
            : tensor_fail(error, "%s: no memory", s->path);
    for (int32_t k = 0; k < n && !ok; k++)
        array_free(&a[k]);
    for (int32_t f = 0; f < t.fields; f++)
        free(t.slot[f].name);
    free(t.slot);
    free(t.c.field);
    bytes_free(&b);
    return ok;
}
