/* runtime/train/plot.c - the curves of a training as SVG: one diagram below the other. */
#include <math.h>
#include <string.h>

#include "journal.h"

/* Pixels, but for TICKS. */
enum { WIDE = 720, HIGH = 226, LEFT = 64, RIGHT = 90, TOP = 40, BOTTOM = 34, TICKS = 5 };

static const char *const colours[JOURNAL_PARTS] = {
    [INGOT_PART_TRAIN] = "#1f6fb4", [INGOT_PART_VALID] = "#d9711c", [INGOT_PART_TEST] = "#2f9247",
    [JOURNAL_STEP] = "#a8c4de"};

/* One diagram: number `i` of the records, over the steps. */
typedef struct diagram {
    const journal *j;
    FILE *f;
    int32_t i;
    double low, high, last;         /* of the number, and the last step */
    bool logarithmic;
    int top;                        /* where it stands, from above */
} diagram;

static double value_of(const diagram *d, const journal_record *r)
{
    double v = r->value[d->i];

    return d->logarithmic ? log10(v) : v;
}

static double x_of(const diagram *d, double step)
{
    return LEFT + (WIDE - LEFT - RIGHT) * step / d->last;
}

/* Behind the steps of the blocks before its own. */
static double step_of(const journal_record *r)
{
    return (double)(r->before + r->step);
}

static double y_of(const diagram *d, double v)
{
    return d->top + TOP + (HIGH - TOP - BOTTOM) * (d->high - v) / (d->high - d->low);
}

/* The range of the number; false if no record has it.  What falls by more than a factor of
 * 30 is shown by its logarithm. */
static bool measure(diagram *d)
{
    double low = INFINITY, high = -INFINITY;

    d->last = 1;
    for (int64_t k = 0; k < d->j->records; k++) {
        const journal_record *r = &d->j->record[k];
        d->last = fmax(d->last, step_of(r));
        if (isfinite(r->value[d->i])) {
            low = fmin(low, r->value[d->i]);
            high = fmax(high, r->value[d->i]);
        }
    }
    d->logarithmic = low > 0 && high > 30 * low;
    d->low = d->logarithmic ? log10(low) : low;
    d->high = d->logarithmic ? log10(high) : high;
    if (d->high - d->low < 1e-9 * fmax(1, fabs(d->high))) {
        double room = d->high != 0 ? fabs(d->high) / 2 : 0.5;
        d->low -= room;
        d->high += room;
    }
    return low <= high;
}

/* A step of 1, 2 or 5 times a power of ten that cuts the range into about TICKS parts. */
static double tick_step(double range)
{
    double raw = range / TICKS, power = pow(10, floor(log10(raw))), lead = raw / power;

    return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

/* A line across where the number has this value. */
static void draw_level(const diagram *d, double shown)
{
    double y = y_of(d, d->logarithmic ? log10(shown) : shown);

    fprintf(d->f, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#e4e4e4\"/>\n"
            "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>\n", LEFT, WIDE - RIGHT, y, y,
            LEFT - 6, y + 4, shown);
}

/* Powers of ten; of fewer than three, twice and five times those, too, of many some. */
static void draw_powers(const diagram *d)
{
    static const double lead[] = {1, 2, 5};
    double range = d->high - d->low, step = ceil(range / 8);

    for (double power = floor(d->low / step) * step; power <= d->high; power += step)
        for (int i = 0; i < (range < 3 ? 3 : 1); i++) {
            double v = power + log10(lead[i]);
            if (v >= d->low && v <= d->high)
                draw_level(d, lead[i] * pow(10, power));
        }
}

/* Lines across for the number, numbers below for the steps. */
static void draw_ticks(const diagram *d)
{
    double step = tick_step(d->high - d->low);

    if (d->logarithmic)
        draw_powers(d);
    else
        for (double v = ceil(d->low / step) * step; v <= d->high; v += step)
            draw_level(d, fabs(v) < step / 1e6 ? 0 : v);
    step = fmax(1, tick_step(d->last));
    for (double v = 0; v <= d->last; v += step)
        fprintf(d->f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.0f</text>\n",
                x_of(d, v), d->top + HIGH - BOTTOM + 16, v);
}

/* Where a line ends that has so many points: a mark, if it would not be seen else. */
static void end_line(const diagram *d, const journal_record *last, int n)
{
    const char *colour = colours[last->part];

    fprintf(d->f, "\" stroke=\"%s\"/>\n", colour);
    if (n == 1 || last->part == INGOT_PART_TEST)
        fprintf(d->f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
                x_of(d, step_of(last)), y_of(d, value_of(d, last)), colour);
}

/* The lines of a part, one for each block. */
static void draw_part(const diagram *d, int32_t part)
{
    const journal_record *last = NULL;
    int n = 0;

    for (int64_t k = 0; k < d->j->records; k++) {
        const journal_record *r = &d->j->record[k];
        if (r->part != part || !isfinite(r->value[d->i]))
            continue;
        if (last && last->before != r->before) {
            end_line(d, last, n);
            n = 0;
        }
        fputs(n++ ? " " : "<polyline fill=\"none\" stroke-width=\"1.6\" points=\"", d->f);
        fprintf(d->f, "%.1f,%.1f", x_of(d, step_of(r)), y_of(d, value_of(d, r)));
        last = r;
    }
    if (last)
        end_line(d, last, n);
}

/* Pixels from where the block of record k begins to where the next one does. */
static double block_width(const diagram *d, int64_t k)
{
    double before = (double)d->j->record[k].before, end = d->last;

    for (int64_t i = k; i < d->j->records && end >= d->last; i++)
        if (d->j->record[i].before != d->j->record[k].before)
            end = (double)d->j->record[i].before;
    return x_of(d, end) - x_of(d, before);
}

/* Of several blocks, a line where each begins, and its name, if there is room. */
static void draw_blocks(const diagram *d)
{
    for (int64_t k = 0; d->j->t->block_count > 1 && k < d->j->records; k++) {
        const journal_record *r = &d->j->record[k];
        const char *name = d->j->t->blocks[r->block].name;
        double x = x_of(d, (double)r->before);
        if (k && r->before == r[-1].before)
            continue;
        if (r->before)
            fprintf(d->f, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#999\" "
                    "stroke-dasharray=\"4 3\"/>\n", x, x, d->top + TOP - 12,
                    d->top + HIGH - BOTTOM);
        if (block_width(d, k) > 7 * (double)strlen(name))
            fprintf(d->f, "<text x=\"%.1f\" y=\"%d\" fill=\"#777\">%s</text>\n", x + 4,
                    d->top + TOP - 3, name);
    }
}

/* What the colours stand for, with the last value of each part. */
static void draw_legend(const diagram *d)
{
    int y = d->top + TOP + 10;

    for (int32_t part = 0; part <= JOURNAL_STEP; part++) {
        const journal_record *last = NULL;
        for (int64_t k = 0; k < d->j->records; k++)
            if (d->j->record[k].part == part && isfinite(d->j->record[k].value[d->i]))
                last = &d->j->record[k];
        if (!last)
            continue;
        fprintf(d->f, "<text x=\"%d\" y=\"%d\" fill=\"%s\">%s %.3g</text>\n", WIDE - RIGHT + 8, y,
                colours[part], journal_part[part], last->value[d->i]);
        y += 16;
    }
}

/* Single steps first: the means of epochs are drawn over them. */
static void draw(const diagram *d)
{
    fprintf(d->f, "<text x=\"%d\" y=\"%d\" font-size=\"14\">%s</text>\n", LEFT, d->top + TOP - 18,
            d->j->name[d->i]);
    draw_ticks(d);
    draw_blocks(d);
    draw_part(d, JOURNAL_STEP);
    for (int32_t part = 0; part < JOURNAL_STEP; part++)
        draw_part(d, part);
    draw_legend(d);
    fprintf(d->f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">step</text>\n", WIDE - 8,
            d->top + HIGH - BOTTOM + 16);
}

/* A number that no record has gets no diagram. */
bool plot_write(const journal *j, FILE *f)
{
    diagram d = {.j = j, .f = f};
    int shown = 0;

    for (d.i = 0; d.i < j->names; d.i++)
        shown += measure(&d);
    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "font-family=\"sans-serif\" font-size=\"11\" fill=\"#333\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n", WIDE, shown * HIGH + 8);
    for (d.i = 0; d.i < j->names; d.i++)
        if (measure(&d)) {
            draw(&d);
            d.top += HIGH;
        }
    fputs("</svg>\n", f);
    return !ferror(f);
}
