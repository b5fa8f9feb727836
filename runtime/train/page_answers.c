/* runtime/train/page_answers.c - answers beside truths, on the page of a training. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "page.h"
#include "picture.h"
#include "tensor_file.h"

/* More classes than these make no readable table, nor do more columns of a sample. */
enum { MOST_CLASSES = 40, MOST_COLUMNS = 10, SAMPLES = 24, POINTS = 2000, SIDE = 380, BARS = 31 };

/* "sneaker", or the number of a class that has no name. */
static void put_class(FILE *f, const judge *j, double v)
{
    const struct ingot_train_column *c = j->target < 0 ? NULL : &j->b->columns[j->target];
    int64_t i = (int64_t)v;

    if (c && c->name_count && i >= 0 && i < c->name_count)
        page_text(f, c->names[i]);
    else
        fprintf(f, "%" PRId64, i);
}

/* ---- classes ---------------------------------------------------------------------- */

static bool is_class(const judge *j, double v)
{
    return v >= 0 && v < (double)j->classes;
}

static int64_t count_right(const judge *j)
{
    int64_t right = 0;

    for (int64_t i = 0; i < j->rows->count; i++)
        right += j->is[i] == j->said[i];
    return right;
}

/* count[is * classes + said]; null without memory. */
static int64_t *count_classes(const judge *j)
{
    int64_t *count = calloc((size_t)(j->classes * j->classes), sizeof *count);

    for (int64_t i = 0; count && i < j->rows->count; i++)
        if (is_class(j, j->is[i]) && is_class(j, j->said[i]))
            count[(int64_t)j->is[i] * j->classes + (int64_t)j->said[i]]++;
    return count;
}

static int64_t sum_of(const int64_t *count, int64_t n, int64_t stride)
{
    int64_t sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += count[i * stride];
    return sum;
}

static void put_cell(FILE *f, int64_t n, int64_t all, bool right)
{
    double share = all ? (double)n / (double)all : 0;

    fprintf(f, "<td style=\"background:rgba(%s,%.3f)%s\">", right ? "47,146,71" : "179,38,30",
            n ? 0.08 + 0.92 * share : 0, share > 0.6 ? ";color:#fff" : "");
    if (n)
        fprintf(f, "%" PRId64, n);
    fputs("</td>", f);
}

static void put_share(FILE *f, int64_t n, int64_t of)
{
    if (of)
        fprintf(f, "<td>%.1f %%</td>", 100 * (double)n / (double)of);
    else
        fputs("<td></td>", f);
}

/* A row for what is, a column for what was said; shades are shares of the row. */
static void put_matrix(FILE *f, const judge *j, const int64_t *count)
{
    int64_t n = j->classes;

    fputs("<p>A row for each class that is, a column for each that was said. Found: the share of "
          "a class that was said to be it (recall). True: the share of those said to be it that "
          "are (precision).</p>\n"
          "<div class=\"wide\"><table class=\"matrix\"><tr><th>is \\ said</th>", f);
    for (int64_t k = 0; k < n; k++) {
        fputs("<th>", f);
        put_class(f, j, (double)k);
        fputs("</th>", f);
    }
    fputs("<th>found</th></tr>\n", f);
    for (int64_t i = 0; i < n; i++) {
        int64_t all = sum_of(count + i * n, n, 1);
        fputs("<tr><td>", f);
        put_class(f, j, (double)i);
        fputs("</td>", f);
        for (int64_t k = 0; k < n; k++)
            put_cell(f, count[i * n + k], all, i == k);
        put_share(f, count[i * n + i], all);
        fputs("</tr>\n", f);
    }
    fputs("<tr><td>true</td>", f);
    for (int64_t k = 0; k < n; k++)
        put_share(f, count[k * n + k], sum_of(count + k, n, n));
    fputs("<td></td></tr></table></div>\n", f);
}

/* Many classes have their share of right answers, and no matrix. */
static void put_classes(FILE *f, const judge *j)
{
    int64_t right = count_right(j);
    int64_t *count = j->classes <= MOST_CLASSES ? count_classes(j) : NULL;

    fprintf(f, "<p>%" PRId64 " of %" PRId64 " are right: %.2f %%.</p>\n", right, j->rows->count,
            100 * (double)right / (double)j->rows->count);
    if (count)
        put_matrix(f, j, count);
    free(count);
}

/* ---- numbers ---------------------------------------------------------------------- */

/* Of the truths and the answers that are numbers: their range; of the differences, what is
 * usual to tell. */
typedef struct residuals {
    int64_t rows;                   /* such rows; 0: nothing else is told */
    double low, high, rms, mean, deviation, explained;
} residuals;

static bool is_number(const judge *j, int64_t i)
{
    return isfinite(j->said[i]) && isfinite(j->is[i]);
}

static int64_t count_numbers(const judge *j)
{
    int64_t n = 0;

    for (int64_t i = 0; i < j->rows->count; i++)
        n += is_number(j, i);
    return n;
}

/* "Explained" is 1 - sum of squared errors / sum of squared distances from the
 * mean, often called R squared. */
static residuals measure(const judge *j)
{
    residuals r = {.rows = count_numbers(j), .low = INFINITY, .high = -INFINITY};
    double n = (double)r.rows, sum = 0, square = 0, is = 0, is_square = 0;

    for (int64_t i = 0; i < j->rows->count; i++) {
        double e = j->said[i] - j->is[i];
        if (!is_number(j, i))
            continue;
        r.low = fmin(r.low, fmin(j->said[i], j->is[i]));
        r.high = fmax(r.high, fmax(j->said[i], j->is[i]));
        r.deviation += fabs(e) / n;
        sum += e;
        square += e * e;
        is += j->is[i];
        is_square += j->is[i] * j->is[i];
    }
    r.mean = sum / n;
    r.rms = sqrt(square / n);
    r.explained = 1 - square / fmax(is_square - is * is / n, 1e-300);
    r.high = r.high > r.low ? r.high : r.low + 1;
    return r;
}

/* What was said over what is: on the line, they agree. */
static void put_points(FILE *f, const judge *j, const residuals *r)
{
    int64_t every = j->rows->count / POINTS + 1;
    double scale = SIDE / (r->high - r->low);

    fprintf(f, "<svg width=\"%d\" height=\"%d\" font-size=\"11\" fill=\"#333\">\n"
            "<line x1=\"40\" y1=\"%d\" x2=\"%d\" y2=\"10\" stroke=\"#bbb\"/>\n", SIDE + 70,
            SIDE + 40, SIDE + 10, SIDE + 40);
    for (int64_t i = 0; i < j->rows->count; i += every)
        if (is_number(j, i))
            fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2\" fill=\"#1f6fb4\" "
                    "fill-opacity=\"0.45\"/>\n", 40 + (j->is[i] - r->low) * scale,
                    10 + (r->high - j->said[i]) * scale);
    fprintf(f, "<text x=\"40\" y=\"%d\">%.4g</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">is, "
            "up to %.4g</text>\n<text x=\"44\" y=\"20\">said</text></svg>\n", SIDE + 28, r->low,
            SIDE + 40, SIDE + 28, r->high);
}

/* How often which difference: bars over three deviations to both sides. */
static void put_bars(FILE *f, const judge *j, const residuals *r)
{
    int64_t bar[BARS] = {0}, most = 1;
    double reach = 3 * fmax(r->rms, 1e-300), wide = (double)SIDE / BARS;

    for (int64_t i = 0; i < j->rows->count; i++) {
        if (!is_number(j, i))
            continue;
        double at = ((j->said[i] - j->is[i]) / reach + 1) / 2 * BARS;
        int k = (int)fmax(0, fmin(BARS - 1, at));
        most = ++bar[k] > most ? bar[k] : most;
    }
    fprintf(f, "<svg width=\"%d\" height=\"%d\" font-size=\"11\" fill=\"#333\">\n", SIDE + 30,
            SIDE + 40);
    for (int k = 0; k < BARS; k++) {
        double high = (double)SIDE * (double)bar[k] / (double)most;
        fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                "fill=\"#1f6fb4\"/>\n", 10 + k * wide, SIDE + 10 - high, wide - 1, high);
    }
    fprintf(f, "<text x=\"10\" y=\"%d\">%.3g</text><text x=\"%d\" y=\"%d\" text-anchor=\"middle\">"
            "said - is</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.3g</text></svg>\n",
            SIDE + 28, -reach, SIDE / 2 + 10, SIDE + 28, SIDE + 10, SIDE + 28, reach);
}

static void put_residuals(FILE *f, const judge *j)
{
    residuals r = measure(j);

    if (r.rows < j->rows->count)
        fprintf(f, "<p>%" PRId64 " of %" PRId64 " answers are no numbers, and are left out.</p>\n",
                j->rows->count - r.rows, j->rows->count);
    if (!r.rows)
        return;
    fprintf(f, "<p>The error, what was said minus what is, has a root of the mean square (RMSE) of "
            "%.5g, a mean size (MAE) of %.5g, and a mean of %.3g; %.2f %% of the variance is "
            "explained (R\u00b2).</p>\n", r.rms, r.deviation, r.mean, 100 * r.explained);
    put_points(f, j, &r);
    put_bars(f, j, &r);
}

void page_answers(FILE *f, const judge *j)
{
    if (j->classes)
        put_classes(f, j);
    else
        put_residuals(f, j);
}

/* ---- samples ---------------------------------------------------------------------- */

/* Planes, height and width of a row that can be shown as a picture. */
typedef struct extents {
    int64_t planes, high, wide;
} extents;

/* Of [h, w], [1, h, w] or [3, h, w], and of a square number of elements, [784], if it is as
 * large as a small picture: numbers that are no picture are fewer. */
static bool find_extents(const struct ingot_train_column *c, extents *x)
{
    enum { LEAST = 8 };
    int64_t side = c->rank ? (int64_t)sqrt((double)c->dims[c->rank - 1]) : 0;

    *x = (extents){1, side, side};
    if (c->rank == 1)
        return side >= LEAST && side * side == c->dims[0];
    if (c->rank < 2 || c->rank > 3)
        return false;
    *x = (extents){c->rank == 3 ? c->dims[0] : 1, c->dims[c->rank - 2], c->dims[c->rank - 1]};
    return (x->planes == 1 || x->planes == 3) &&
           (c->dtype == TENSOR_U8 || (x->high >= LEAST && x->wide >= LEAST));
}

/* Bytes, or reals; others stand for something. */
static bool has_shades(const struct ingot_train_column *c)
{
    return c->dtype == TENSOR_U8 || c->dtype == TENSOR_F32 || c->dtype == TENSOR_F64;
}

/* The column that can be shown as pictures; -1. */
static int32_t picture_column(const judge *j)
{
    const struct ingot_train_column *c = j->b->columns;
    extents x;

    for (int32_t i = 0; i < j->b->column_count; i++)
        if (!j->rows->from->column[i].listed && has_shades(&c[i]) && find_extents(&c[i], &x))
            return i;
    return -1;
}

static void put_answer(FILE *f, const judge *j, double v)
{
    if (j->classes)
        put_class(f, j, v);
    else if (isfinite(v))
        fprintf(f, "%.5g", v);
    else
        fputs("no number", f);
}

/* The least element black, the largest white; null without memory. */
static uint8_t *shades(const array *a, int64_t at, int64_t n)
{
    const tensor t = {.dtype = a->dtype, .data = (void *)(uintptr_t)a->data};
    double low = INFINITY, high = -INFINITY;
    uint8_t *to = malloc((size_t)n + 1);

    for (int64_t i = 0; i < n; i++) {
        low = fmin(low, tensor_element(&t, at + i));
        high = fmax(high, tensor_element(&t, at + i));
    }
    for (int64_t i = 0; to && i < n; i++) {
        double v = (tensor_element(&t, at + i) - low) / (high > low ? high - low : 1);
        to[i] = v >= 0 && v <= 1 ? (uint8_t)(255 * v + 0.5) : 0;
    }
    return to;
}

/* Inline, as data of a PNG.  Bytes are shown as they are. */
static void put_picture(FILE *f, const judge *j, int32_t column, int64_t i)
{
    const array *a = &j->rows->from->column[column];
    int64_t at = choice_row(j->rows, NULL, i) * a->stride;
    uint8_t *own = a->dtype == TENSOR_U8 ? NULL : shades(a, at, array_row(a));
    const uint8_t *from = a->dtype == TENSOR_U8 ? (const uint8_t *)a->data + at : own;
    extents x;

    find_extents(&j->b->columns[column], &x);
    fputs("<img alt=\"\" src=\"", f);
    if (from)
        picture_write(f, from, x.planes, x.high, x.wide);
    fputs("\">", f);
    free(own);
}

/* Rows that are wrong first, as many as fill half of the places; then those that are
 * right.  Of numbers, rows as they stand. */
static int64_t choose(const judge *j, int64_t *chosen)
{
    int64_t n = 0;

    for (int64_t i = 0; j->classes && i < j->rows->count && n < SAMPLES / 2; i++)
        if (j->said[i] != j->is[i])
            chosen[n++] = i;
    for (int64_t i = 0; i < j->rows->count && n < SAMPLES; i++)
        if (!j->classes || j->said[i] == j->is[i])
            chosen[n++] = i;
    return n;
}

/* Wrong ones have a red frame and say what is right. */
static void put_sheet(FILE *f, const judge *j, int32_t column, const int64_t *chosen, int64_t n)
{
    fputs("<div class=\"sheet\">\n", f);
    for (int64_t k = 0; k < n; k++) {
        int64_t i = chosen[k];
        bool wrong = j->classes && j->said[i] != j->is[i];
        fprintf(f, "<figure%s>", wrong ? " class=\"wrong\"" : "");
        put_picture(f, j, column, i);
        put_answer(f, j, j->said[i]);
        if (wrong || !j->classes) {
            fputs(", is ", f);
            put_answer(f, j, j->is[i]);
        }
        fputs("</figure>\n", f);
    }
    fputs("</div>\n", f);
}

/* A missing value is an empty cell. */
static void put_number(FILE *f, double v)
{
    fputs("<td>", f);
    if (!isnan(v))
        fprintf(f, "%.4g", v);
    fputs("</td>", f);
}

/* Is the k-th input a column that the answer is made of? */
static bool is_seen(const judge *j, int32_t k)
{
    return j->call.feeds[k] >= 0 && j->call.feeds[k] != j->target;
}

/* Does the entry see more elements of a row than are shown? */
static bool sees_more(const judge *j)
{
    int64_t n = 0;

    for (int32_t k = 0; k < j->call.feed_count; k++)
        n += is_seen(j, k) ? array_row(&j->rows->from->column[j->call.feeds[k]]) : 0;
    return n > MOST_COLUMNS;
}

/* Over the first elements of what the entry sees: the names of the columns, "x[3]" where one has
 * several elements. */
static void put_heads(FILE *f, const judge *j)
{
    int64_t left = MOST_COLUMNS;

    for (int32_t k = 0; k < j->call.feed_count; k++) {
        if (!is_seen(j, k))
            continue;
        const array *a = &j->rows->from->column[j->call.feeds[k]];
        for (int64_t e = 0; e < array_row(a) && left; e++, left--) {
            const char *name = e < a->fields.n ? a->fields.text[e] : NULL;
            fputs("<th>", f);
            page_text(f, name ? name : j->b->columns[j->call.feeds[k]].name);
            if (!name && array_row(a) > 1)
                fprintf(f, "[%" PRId64 "]", e);
            fputs("</th>", f);
        }
    }
    fputs(sees_more(j) ? "<th>..</th>" : "", f);
}

/* The first elements of what the entry sees. */
static void put_inputs(FILE *f, const judge *j, int64_t i)
{
    int64_t left = MOST_COLUMNS;

    for (int32_t k = 0; k < j->call.feed_count; k++) {
        if (!is_seen(j, k))
            continue;
        const array *a = &j->rows->from->column[j->call.feeds[k]];
        const tensor t = {.dtype = a->dtype, .data = (void *)(uintptr_t)a->data};
        int64_t at = choice_row(j->rows, NULL, i) * a->stride;
        for (int64_t e = 0; e < array_row(a) && left; e++, left--)
            put_number(f, tensor_element(&t, at + e));
    }
    fputs(sees_more(j) ? "<td>..</td>" : "", f);
}

/* The same for rows that are no pictures. */
static void put_table(FILE *f, const judge *j, const int64_t *chosen, int64_t n)
{
    fputs("<div class=\"wide\"><table><tr><th>said</th><th>is</th>", f);
    put_heads(f, j);
    fputs("</tr>\n", f);
    for (int64_t k = 0; k < n; k++) {
        int64_t i = chosen[k];
        fprintf(f, "<tr%s><td>", j->classes && j->said[i] != j->is[i] ? " class=\"wrong\"" : "");
        put_answer(f, j, j->said[i]);
        fputs("</td><td>", f);
        put_answer(f, j, j->is[i]);
        fputs("</td>", f);
        put_inputs(f, j, i);
        fputs("</tr>\n", f);
    }
    fputs("</table></div>\n", f);
}

/* A page shows what the net gets wrong before what it gets right. */
void page_samples(FILE *f, const judge *j)
{
    int64_t chosen[SAMPLES], n = choose(j, chosen);
    int32_t pictures = picture_column(j);

    fputs(j->classes ? "<h2>Samples, wrong ones first</h2>\n" : "<h2>Samples</h2>\n", f);
    if (pictures >= 0)
        put_sheet(f, j, pictures, chosen, n);
    else
        put_table(f, j, chosen, n);
}
