/* cli/profile_report.c - where the time goes: a table on the terminal, a trace in
 * Chrome's format, a part of bench's page.  How near a step comes to what the
 * machine reaches (peak.c) shows where something is left to gain. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "json.h"
#include "profile.h"
#include "visible.h"

/* ---- rows ----------------------------------------------------------------------------- */

static double seconds_of(const profile_row *r)
{
    return r->calls ? r->seconds / (double)r->calls : 0;
}

/* Contractions are compared with the peak of multiply-adds, all else with that of
 * memory; *what says which.  0 where nothing was counted. */
double profile_percent(const profile *p, const profile_row *r, const char **what)
{
    double seconds = seconds_of(r);
    bool contracts = r->flops > 0;
    double most = contracts ? p->gflops : p->gbytes;

    *what = contracts ? "FLOP" : "memory";
    return seconds > 0 && most > 0
               ? 100 * (contracts ? r->flops : r->bytes) / seconds / 1e9 / most : 0;
}

const char *profile_kernel(const profile *p, const profile_row *r)
{
    const char *name = r->step->op == STEP_RUN
                           ? ingot_engine_kernel(p->engine, r->step->u.run.kernel) : r->step->note;

    return strncmp(name, "model_", 6) ? name : name + 6;
}

const char *profile_node(const profile_row *r)
{
    const char *node = r->step->note ? strstr(r->step->note, "node ") : NULL;

    return node ? node : "";
}

static int by_time(const void *a, const void *b)
{
    const profile_row *const *x = a, *const *y = b;

    return ((*x)->seconds < (*y)->seconds) - ((*x)->seconds > (*y)->seconds);
}

/* The rows, the longest first; the caller frees the list. */
static const profile_row **sorted(const profile *p)
{
    const profile_row **list = mem_alloc((p->row.len + 1) * sizeof *list);

    for (uint32_t i = 0; i < p->row.len; i++)
        list[i] = &p->row.at[i];
    qsort(list, p->row.len, sizeof *list, by_time);
    return list;
}

/* The share of the run that a row takes, in percent. */
static double share_of(const profile *p, const profile_row *r)
{
    return p->seconds > 0 ? 100 * r->seconds / p->seconds : 0;
}

/* ---- table ---------------------------------------------------------------------------- */

/* Milliseconds, share, calls, rates, share of the roof that is nearer, kernel,
 * node. */
static void print_row(const profile *p, const profile_row *r)
{
    double seconds = seconds_of(r);
    const char *roof;
    double percent = profile_percent(p, r, &roof);

    printf("%10.4f %6.1f %6" PRIu64, 1e3 * r->seconds, share_of(p, r), r->calls);
    if (r->flops > 0 && seconds > 0)
        printf(" %9.1f", r->flops / seconds / 1e9);
    else
        printf(" %9s", "");
    printf(" %8.1f %6.1f %-6s %-22s ", seconds > 0 ? r->bytes / seconds / 1e9 : 0, percent, roof,
           profile_kernel(p, r));
    visible_put(profile_node(r), stdout);
    puts("");
}

/* Ends with the time that no kernel took. */
void profile_print_table(const profile *p)
{
    const profile_row **row = sorted(p);
    double all = 0;

    printf("\nkernels of the fastest of %zu runs; roofs: %.0f GFLOP/s, %.0f GB/s\n", p->runs,
           p->gflops, p->gbytes);
    printf("%10s %6s %6s %9s %8s %6s %-6s %-22s %s\n", "ms", "%", "calls", "GFLOP/s", "GB/s",
           "% of", "roof", "kernel", "node");
    for (uint32_t i = 0; i < p->row.len; i++) {
        print_row(p, row[i]);
        all += row[i]->seconds;
    }
    printf("%10.4f %6.1f        between kernels\n", 1e3 * (p->seconds - all),
           p->seconds > 0 ? 100 * (p->seconds - all) / p->seconds : 0);
    mem_free(row);
}

/* ---- trace ---------------------------------------------------------------------------- */

/* The Trace Event Format, in microseconds.  Both ends are rounded before they are subtracted:
 * events of a thread that overlap by a nanosecond are an error to viewers. */
void profile_print_trace(const profile *p, FILE *f)
{
    static const char begin[] =
        "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
        "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"tid\":1,\"ts\":0,"
        "\"args\":{\"name\":\"ingot\"}},\n"
        "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":1,\"ts\":0,"
        "\"args\":{\"name\":\"kernels of one run\"}}";

    fputs(begin, f);
    for (uint32_t i = 0; i < p->event.len; i++) {
        const profile_event *e = &p->event.at[i];
        const profile_row *r = &p->row.at[e->row];
        double from = round(1e9 * e->begin), to = round(1e9 * e->end);
        fputs(",\n{\"name\":", f);
        json_write_text(f, profile_kernel(p, r));
        fprintf(f, ",\"cat\":\"kernel\",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":%.3f,\"dur\":%.3f,"
                "\"args\":{\"node\":", from / 1e3, (to - from) / 1e3);
        json_write_text(f, profile_node(r));
        fprintf(f, ",\"flops\":%.0f,\"bytes\":%.0f}}", r->flops, r->bytes);
    }
    fputs("\n]}\n", f);
}

/* ---- page ------------------------------------------------------------------------------ */

/* A colour by kernel, far from those of its neighbours. */
static unsigned hue_of(const profile_event *e)
{
    return e->row * 137 % 360;
}

/* The table's row, as HTML. */
static void html_row(const profile *p, const profile_row *r, FILE *f)
{
    double seconds = seconds_of(r), share = share_of(p, r);
    const char *roof;
    double percent = profile_percent(p, r, &roof);

    fprintf(f, "<tr><td>");
    html_write_text(f, profile_kernel(p, r));
    fprintf(f, "<td>%.4f<td>%.1f<td>", 1e3 * r->seconds, share);
    if (r->flops > 0 && seconds > 0)
        fprintf(f, "%.1f", r->flops / seconds / 1e9);
    fprintf(f, "<td>%.1f<td>%.1f of %s<td class=\"bar\">"
               "<div class=\"compiled\" style=\"width:%.1f%%\"></div><td class=\"bar\">",
            seconds > 0 ? r->bytes / seconds / 1e9 : 0, percent, roof,
            share);
    html_write_text(f, profile_node(r));
    fputc('\n', f);
}

/* The fastest run, a rectangle for each call; names appear under the pointer. */
static void html_timeline(const profile *p, FILE *f)
{
    double end = p->event.len ? p->event.at[p->event.len - 1].end : 0;

    fprintf(f, "<h2>Timeline of the fastest run, %.4f ms</h2>\n<svg viewBox=\"0 0 1000 40\" "
               "width=\"100%%\" height=\"40\" preserveAspectRatio=\"none\">\n", 1e3 * end);
    for (uint32_t i = 0; i < p->event.len && end > 0; i++) {
        const profile_event *e = &p->event.at[i];
        const profile_row *r = &p->row.at[e->row];
        fprintf(f, "<rect x=\"%.3f\" width=\"%.3f\" height=\"40\" "
                   "fill=\"hsl(%u,60%%,65%%)\"><title>",
                1000 * e->begin / end, 1000 * (e->end - e->begin) / end, hue_of(e));
        html_write_text(f, profile_kernel(p, r));
        fprintf(f, " %.4f ms ", 1e3 * (e->end - e->begin));
        html_write_text(f, profile_node(r));
        fputs("</title></rect>\n", f);
    }
    fputs("</svg>\n", f);
}

/* What is in use at each step, of the whole workspace. */
static void html_memory(const profile *p, FILE *f)
{
    double most = 1;

    for (uint32_t i = 0; i < p->live.len; i++)
        most = fmax(most, p->live.at[i]);
    fprintf(f, "<h2>Memory, step by step: %.3f MB of workspace, %.3f MB in use at most</h2>\n"
               "<svg viewBox=\"0 0 %u 100\" width=\"100%%\" height=\"100\" "
               "preserveAspectRatio=\"none\">\n", (double)p->workspace_size / 1e6, most / 1e6,
            p->live.len ? p->live.len : 1);
    for (uint32_t i = 0; i < p->live.len; i++) {
        double height = 100 * p->live.at[i] / most;
        fprintf(f, "<rect x=\"%u\" y=\"%.2f\" width=\"1\" height=\"%.2f\" fill=\"#7ac\"/>\n", i,
                100 - height, height);
    }
    fputs("</svg>\n", f);
}

/* A part of bench_print_html's page. */
void profile_print_html(const profile *p, FILE *f)
{
    const profile_row **row = sorted(p);

    html_timeline(p, f);
    html_memory(p, f);
    fprintf(f, "<h2>Kernels of the fastest of %zu runs; roofs: %.0f GFLOP/s, %.0f GB/s</h2>\n"
               "<table><tr><th>kernel<th>ms<th>%%<th>GFLOP/s<th>GB/s<th>%% of roof"
               "<th class=\"bar\">share<th class=\"bar\">node\n", p->runs, p->gflops, p->gbytes);
    for (uint32_t i = 0; i < p->row.len; i++)
        html_row(p, row[i], f);
    fputs("</table>\n", f);
    mem_free(row);
}
