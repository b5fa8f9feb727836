/* runtime/train/page.c - the page of a training: one HTML file with curves, answers
 * and sizes in it, which needs no other file and no network.  Parts of blocks are
 * collected as text while these run; the page is put together at the end. */
#include "page.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "states.h"
#include "tensor_file.h"
#include "tensor_types.h"

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
    "body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 60rem;\n"
    "       margin: 2rem auto; padding: 0 1rem }\n"
    "h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }\n"
    "table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums }\n"
    "td, th { padding: .18rem .6rem; text-align: right; border-bottom: 1px solid #e4e4e4 }\n"
    "th { font-weight: 600; color: #555 } td:first-child, th:first-child { text-align: left }\n"
    ".wide { overflow-x: auto } svg { max-width: 100%; height: auto }\n"
    ".matrix td, .matrix th { text-align: center; min-width: 1.6rem; border: 1px solid #fff }\n"
    ".sheet { display: flex; flex-wrap: wrap; gap: .7rem }\n"
    ".sheet figure { margin: 0; width: 6.5rem; font-size: 12px; text-align: center }\n"
    ".sheet img { width: 100%; image-rendering: pixelated; border: 2px solid #2f9247 }\n"
    ".wrong { color: #b3261e } .sheet .wrong img { border-color: #b3261e }\n"
    ".faint { color: #777 }\n</style>\n";

void page_text(FILE *f, const char *text)
{
    for (; *text; text++)
        if (*text == '<' || *text == '>' || *text == '&')
            fprintf(f, "&#%d;", *text);
        else
            fputc(*text, f);
}

bool page_open(page *p)
{
    p->body = open_memstream(&p->text, &p->size);
    return p->body != NULL;
}

void page_free(page *p)
{
    if (p->body)
        fclose(p->body);
    free(p->text);
    *p = (page){0};
}

/* ---- blocks ----------------------------------------------------------------------- */

static const char *const parts[] = {
    [INGOT_PART_TRAIN] = "training", [INGOT_PART_VALID] = "validation", [INGOT_PART_TEST] = "test"};

/* The rows that the net knows least of: the test's, or else the validation's. */
static enum ingot_part part_to_judge(const block *k)
{
    int part = INGOT_PART_TEST;

    while (part > INGOT_PART_TRAIN && !k->part[part].count)
        part = part == INGOT_PART_TEST ? INGOT_PART_VALID : INGOT_PART_TRAIN;
    return (enum ingot_part)part;
}

/* Answers beside truths, or why there are none. */
static void put_answers(FILE *f, const struct ingot_trainer *t, const block *k)
{
    char error[TENSOR_ERROR_SIZE];
    enum ingot_part part = part_to_judge(k);
    judge j;

    if (!judge_open(&j, t, k, part, error)) {
        fputs("<p class=\"faint\">Nothing is judged: ", f);
        page_text(f, error);
        fputs("</p>\n", f);
    } else if (j.call.entry && j.rows->count) {
        fprintf(f, "<p>What %s<code>%s</code> %s the %s rows:</p>\n",
                j.compares ? "the objective of " : "", j.compares ? k->b->name : j.call.entry,
                j.compares ? "compares, on" : "says of", parts[part]);
        page_answers(f, &j);
        page_samples(f, &j);
    } else if (k->b->column_count) {
        fputs("<p class=\"faint\">An objective that compares a number or scores with what is, row "
              "by row, as <code>cross_entropy(y, label)</code> or <code>(y - t)^2</code>, or an "
              "<code>entry</code> that takes columns of the block and gives the one that is left "
              "would be judged here.</p>\n", f);
    }
    judge_close(&j);
}

/* Called when the block has ended, with its rows still there. */
void page_add_block(page *p, const struct ingot_trainer *t, const block *k, const place *at)
{
    if (!p->body)
        return;
    fputs("<h2>Block ", p->body);
    page_text(p->body, k->b->name);
    fprintf(p->body, "</h2>\n<p>%" PRId64 " steps of up to %" PRId64 " rows, %" PRId64 " epochs; ",
            at->step, at->batch, at->epoch - !at->position);
    fprintf(p->body, "%" PRId64 " rows for training, %" PRId64 " for validation, %" PRId64
            " for the test.</p>\n", k->part[0].count, k->part[INGOT_PART_VALID].count,
            k->part[INGOT_PART_TEST].count);
    put_answers(p->body, t, k);
}

/* ---- numbers ---------------------------------------------------------------------- */

static void put_record(FILE *f, const journal *j, const journal_record *r)
{
    fputs("</tr>\n<tr>", f);
    if (j->t->block_count > 1) {
        fputs("<td>", f);
        page_text(f, j->t->blocks[r->block].name);
        fputs("</td>", f);
    }
    fprintf(f, "<td>%s</td><td>%" PRId64 "</td>", parts[r->part], r->epoch);
    for (int32_t i = 0; i < j->names; i++)
        if (isnan(r->value[i]))
            fputs(r->given[i] ? "<td>no number</td>" : "<td></td>", f);
        else
            fprintf(f, "<td>%.5g</td>", r->value[i]);
}

/* The rows of a block that begins behind so many steps, one for each part. */
static void put_block(FILE *f, const journal *j, int64_t before)
{
    for (int32_t part = 0; part < JOURNAL_STEP; part++) {
        const journal_record *last = NULL;
        for (const journal_record *r = j->record; r < j->record + j->records; r++)
            if (r->part == part && r->before == before)
                last = r;
        if (last)
            put_record(f, j, last);
    }
}

/* A row for each part of each block, a column for each number. */
static void put_numbers(FILE *f, const journal *j)
{
    fprintf(f, "<h2>Results</h2>\n<div class=\"wide\"><table><tr>%s<th>rows</th><th>epoch</th>",
            j->t->block_count > 1 ? "<th>block</th>" : "");
    for (int32_t i = 0; i < j->names; i++) {
        fputs("<th>", f);
        page_text(f, j->name[i]);
        fputs("</th>", f);
    }
    for (int64_t i = 0; i < j->records; i++)
        if (!i || j->record[i].before != j->record[i - 1].before)
            put_block(f, j, j->record[i].before);
    fputs("</tr></table></div>\n<h2>Curves</h2>\n", f);
}

/* ---- size ------------------------------------------------------------------------- */

/* "1,234,567" */
static void put_count(FILE *f, uint64_t n)
{
    if (n >= 1000) {
        put_count(f, n / 1000);
        fprintf(f, ",%03d", (int)(n % 1000));
    } else {
        fprintf(f, "%d", (int)n);
    }
}

static void put_row(FILE *f, const char *what, uint64_t n, const char *unit)
{
    fprintf(f, "<tr><td>%s</td><td>", what);
    put_count(f, n);
    fprintf(f, "%s</td></tr>\n", unit);
}

/* What states of some roles take, in bytes; their elements in *elements. */
static uint64_t bytes_of(const struct ingot_trainer *t, const struct ingot_model *m, int32_t first,
                         int32_t last, uint64_t *elements)
{
    uint64_t bytes = 0;

    *elements = 0;
    for (int32_t i = 0; i < m->state_count; i++) {
        if (t->roles[i] < first || t->roles[i] > last)
            continue;
        uint64_t n = state_elements(&m->states[i]);
        *elements += n;
        bytes += state_bytes(&m->states[i]);
    }
    return bytes;
}

/* A row for each parameter. */
static void put_parameters(FILE *f, const struct ingot_trainer *t, const struct ingot_model *m)
{
    fputs("<div class=\"wide\"><table><tr><th>parameter</th><th>shape</th><th>elements</th></tr>\n",
          f);
    for (int32_t i = 0; i < m->state_count; i++) {
        const struct ingot_value_info *v = &m->states[i];
        if (t->roles[i] != INGOT_ROLE_PARAM)
            continue;
        fputs("<tr><td>", f);
        page_text(f, v->name);
        fprintf(f, "</td><td>%s[", tensor_type_name(v->dtype));
        for (int32_t a = 0; a < v->rank; a++)
            fprintf(f, "%s%" PRId64, a ? ", " : "", v->dims[a]);
        fputs("]</td><td>", f);
        put_count(f, state_elements(v));
        fputs("</td></tr>\n", f);
    }
    fputs("</table></div>\n", f);
}

static void put_size(FILE *f, const struct ingot_trainer *t, const struct ingot_model *m)
{
    uint64_t n, parameters = bytes_of(t, m, INGOT_ROLE_PARAM, INGOT_ROLE_PARAM, &n), rest;

    fputs("<h2>The net</h2>\n<table>\n", f);
    put_row(f, "parameters", n, "");
    put_row(f, "memory of parameters", parameters, " bytes");
    put_row(f, "of other states of the net",
            bytes_of(t, m, INGOT_ROLE_STATE, INGOT_ROLE_FITTED, &rest), " bytes");
    put_row(f, "of the optimizers", bytes_of(t, m, INGOT_ROLE_MOMENT, INGOT_ROLE_MOMENT, &rest),
            " bytes");
    put_row(f, "all states of the training", m->state_size, " bytes");
    fputs("</table>\n", f);
    put_parameters(f, t, m);
}

/* ---- the page --------------------------------------------------------------------- */

/* False if f could not be written. */
static bool put_page(FILE *f, const page *p, const struct ingot_trainer *t, const session *s,
                     const journal *j)
{
    fputs(head, f);
    fputs("<title>", f);
    page_text(f, t->program);
    fputs("</title></head>\n<body>\n<h1>", f);
    page_text(f, t->program);
    fputs("</h1>\n", f);
    put_numbers(f, j);
    bool ok = plot_write(j, f);
    fwrite(p->text, 1, p->size, f);
    put_size(f, t, s->model);
    fputs("</body></html>\n", f);
    return ok && !ferror(f);
}

bool page_write(page *p, const char *path, const struct ingot_trainer *t, const session *s,
                const journal *j, char error[TENSOR_ERROR_SIZE])
{
    partial to;

    if (fflush(p->body))
        return tensor_fail(error, "no memory for a report");
    return partial_close(&to, partial_open(&to, path) && put_page(to.file, p, t, s, j)) ||
           tensor_fail(error, "%s: cannot be written: %s", path, strerror(errno));
}
