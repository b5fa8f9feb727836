/* cli/bench_report.c - the reports of `ingot bench`. Rates are of the fastest run,
 * as noise only adds time; they count multiply-adds of contractions alone, as
 * they are computed (passes/plan_flops.c), and are shown as a share of the machine's peak, which
 * peak.c measures in the same process. */
#include "bench.h"

#include <inttypes.h>
#include <time.h>

#include "clock.h"
#include "json.h"
#include "profile.h"
#include "thread.h"

double bench_gflops(const bench_row *r)
{
    return r->t.min > 0 ? (double)r->t.flops / r->t.min / 1e9 : 0;
}

static double percent(const bench_row *r)
{
    return r->peak > 0 ? 100 * bench_gflops(r) / r->peak : 0;
}

static void print_ms(double seconds)
{
    printf(" %12.*f", clock_digits(1e3 * seconds), 1e3 * seconds);
}

/* For people: units and widths that stay in line. */
void bench_print_table(const bench *o)
{
    const bench_row *first = o->row.at;

    if (o->compiled)
        printf("code %.1f kB, weights %.3f MB, workspace %.3f MB\n", (double)o->code_size / 1e3,
               (double)o->weights_size / 1e6, (double)first->t.workspace_size / 1e6);
    if (first->t.flops)
        printf("contractions %.4f GFLOP a run, as computed; multiply-add peak of one thread "
               "%.1f GFLOP/s\n",
               (double)first->t.flops / 1e9, first->peak);
    if (o->compiled || first->t.flops)
        printf("\n");
    printf("%-12s %7s %12s %12s %12s %12s %10s %10s\n", "engine", "threads", "min ms",
           "median ms", "p90 ms", "p99 ms", "GFLOP/s", "% of peak");
    for (uint32_t i = 0; i < o->row.len; i++) {
        const bench_row *r = &o->row.at[i];
        printf("%-12s %7d", r->engine, r->threads);
        print_ms(r->t.min);
        print_ms(r->t.median);
        print_ms(r->t.p90);
        print_ms(r->t.p99);
        if (r->t.flops)
            printf(" %10.2f %10.1f", bench_gflops(r), percent(r));
        printf("\n");
    }
}

/* Milliseconds, bytes, operations: no number is rounded for reading. */
void bench_print_json(const bench *o, FILE *f)
{
    fputs("{\"model\":", f);
    json_write_text(f, o->file);
    fprintf(f, ",\"cpu\":\"%s\",\n \"runs\":[", model_target(&o->model).name);
    for (uint32_t i = 0; i < o->row.len; i++) {
        const bench_row *r = &o->row.at[i];
        fprintf(f, "%s\n {\"engine\":\"%s\",\"threads\":%d,\"runs\":%zu,\"min_ms\":%.6f,"
                   "\"median_ms\":%.6f,\"mean_ms\":%.6f,\"p90_ms\":%.6f,\"p99_ms\":%.6f,",
                i ? "," : "", r->engine, r->threads, r->t.runs, 1e3 * r->t.min, 1e3 * r->t.median,
                1e3 * r->t.mean, 1e3 * r->t.p90, 1e3 * r->t.p99);
        fprintf(f, "\"throughput\":%.6g,\"gflops\":%.4f,\"peak_gflops\":%.4f,"
                   "\"percent_of_peak\":%.4f,\"workspace_bytes\":%zu}",
                1 / r->t.mean, bench_gflops(r), r->peak, percent(r), r->t.workspace_size);
    }
    fprintf(
        f, "],\n \"flops\":%" PRIu64 ",\"code_bytes\":%" PRIu64 ",\"weights_bytes\":%" PRIu64 "}\n",
        o->row.at[0].t.flops, o->code_size, o->weights_size);
}

/* Bars are shares of the longest row. */
static void write_row(FILE *f, const bench_row *r, double longest)
{
    double median = 1e3 * r->t.median, min = 1e3 * r->t.min;

    fprintf(f, "<tr><td>%s<td>%d<td>%.*f<td>%.*f<td>", r->engine, r->threads,
            clock_digits(min), min, clock_digits(median), median);
    if (r->t.flops)
        fprintf(f, "%.1f", bench_gflops(r));
    fputs("<td>", f);
    if (r->t.flops)
        fprintf(f, "%.1f", percent(r));
    fprintf(f, "<td class=\"bar\"><div class=\"%s\" style=\"width:%.2f%%\"></div>\n",
            r->engine, longest > 0 ? 100 * r->t.median / longest : 0);
}

/* The machine, the day, the version. */
static void write_origin(FILE *f)
{
    char day[32], line[256], *model = NULL;
    time_t now = time(NULL);
    struct tm t;
    FILE *info = fopen("/proc/cpuinfo", "r");

    while (info && !model && fgets(line, sizeof line, info))
        if (!strncmp(line, "model name", 10) && (model = strchr(line, ':')))
            model[strcspn(model, "\n")] = 0;
    if (info)
        fclose(info);
    strftime(day, sizeof day, "%Y-%m-%d %H:%M", localtime_r(&now, &t));
    fprintf(f, "ingot " INGOT_VERSION ", %s, ", day);
    html_write_text(f, model ? model + 2 : "an unknown processor");
    fprintf(f, ", %d CPUs.\n", thread_cpus());
}

/* One file without scripts, so that it can be attached to a message. */
void bench_print_html(const bench *o, FILE *f)
{
    static const char head[] =
        "<!doctype html><meta charset=\"utf-8\"><title>ingot bench</title>\n"
        "<style>body{font-family:sans-serif;margin:2em}td,th{padding:.2em .8em;text-align:right;"
        "white-space:nowrap}"
        "td:first-child,th:first-child{text-align:left}.bar{width:24em;text-align:left}"
        ".bar div{height:1em;min-width:1px;background:#999}"
        ".bar .compiled{background:#2a6}</style>\n";
    double longest = 0;

    for (uint32_t i = 0; i < o->row.len; i++)
        longest = o->row.at[i].t.median > longest ? o->row.at[i].t.median : longest;
    fprintf(f, "%s<h1>", head);
    html_write_text(f, o->file);
    fputs("</h1>\n<p>", f);
    write_origin(f);
    fprintf(f, "<p>Code for %s, %.1f kB, weights %.3f MB.\n<table><tr><th>engine<th>threads"
               "<th>min ms<th>median ms<th>GFLOP/s<th>%% of peak<th class=\"bar\">median\n",
            model_target(&o->model).name, (double)o->code_size / 1e3,
            (double)o->weights_size / 1e6);
    for (uint32_t i = 0; i < o->row.len; i++)
        write_row(f, &o->row.at[i], longest);
    fputs("</table>\n", f);
    if (o->profile)
        profile_print_html(o->profile, f);
}
