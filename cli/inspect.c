/* cli/inspect.c - `ingot inspect` and `ingot opt`: a model as text or graph, as it
 * stands behind a stage.  Texts of kernels (.lp) and plans (.plan) are read and
 * printed again, which checks them.  Nothing that is printed depends on addresses
 * or time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "code.h"
#include "command.h"
#include "dsl/format.h"
#include "file.h"
#include "file_kind.h"
#include "fuse.h"
#include "graph.h"
#include "json.h"
#include "path.h"
#include "program_export.h"
#include "report.h"
#include "summary.h"
#include "train_load.h"

/* The command line; `ingot opt` is the same with all of long constants in the text,
 * which reads back. */
typedef struct inspect_options {
    model_options model;
    const char *file, *stage, *format, *passes, *out;
    bool full, trains;
    bool brief;                     /* a stage that nobody asked for */
    tune_options tune;
    const struct ingot_trainer *trainer;    /* of --train */
    partial weights;                /* of a program, until it is where it belongs */
} inspect_options;

static const char *const stages[] = {"import", "optimized", "groups", "schedules",
                                     "loops",  "plan",      "memory", "summary", NULL};
static const char *const formats[] = {"text", "dot", "svg", "json", "ingot", NULL};

#define AT(field) offsetof(inspect_options, field)

static const cli_option options[] = {
    {"MODEL", NULL, "an .onnx, .ingot or .ir file", .set = model_set_file, .at = AT(file)},
    {"--stage", "NAME",
     "import (default; with --train summary), optimized, groups, schedules, loops, plan, memory or "
     "summary",
     .set = cli_set_word, .at = AT(stage), .words = stages},
    {"--format", "NAME", "text (default), dot, svg, json, or ingot: a program",
     .set = cli_set_word, .at = AT(format), .words = formats},
    {"-o", "FILE", "write it there; for NAME.ingot the weights go to NAME.safetensors",
     .set = cli_set_output, .at = AT(out)},
    {"--full", NULL, "text with all of long constants, so that it reads back", .set = cli_set_flag,
     .at = AT(full)},
    {"--train", NULL, "the steps that train it, with their gradients, instead of what it computes",
     .set = cli_set_flag, .at = AT(trains)},
    {"-p", "PASS,..", "passes to run, in order", .set = cli_set_text, .at = AT(passes)},
    {.more = program_weights_rows, .at = AT(model)},
    {.more = entry_rows, .at = AT(model)},
    {.more = tune_rows, .at = AT(tune)},
    {.more = code_rows, .at = AT(model)},
    {0}};

/* ---- the plan ----------------------------------------------------------------------------- */

/* The bytes that any placement needs: the largest sum of values that live at one step,
 * of those whose size is constant. */
static int64_t least_peak(const ir_module *m, const plan_entry *e)
{
    int64_t most = 0, n;

    for (uint32_t i = 0; i < e->value.len; i++) {
        int64_t sum = 0;
        uint32_t at = e->value.at[i].first;
        for (uint32_t k = 0; k < e->value.len && e->value.at[i].place == PLACE_SLOT; k++) {
            const plan_value *v = &e->value.at[k];
            if (v->place == PLACE_SLOT && e->slot.at[v->of].fixed && v->first <= at &&
                at <= v->last && dim_const(&m->dims, e->slot.at[v->of].size.at[0], &n))
                sum += n;
        }
        most = max_i64(most, sum);
    }
    return most;
}

/* A line for each value in a slot: when it lives, where it lies, how long it is. */
static void print_memory(const plan *p, text *out)
{
    for (uint32_t i = 0; i < p->entry.len; i++) {
        const plan_entry *e = p->entry.at[i];
        text_add(out, "entry %s: %lld bytes of constant size, at least %lld needed\n", e->name,
                 (long long)e->fixed, (long long)least_peak(p->m, e));
        for (uint32_t v = 0; v < e->value.len; v++) {
            const plan_value *x = &e->value.at[v];
            if (x->place != PLACE_SLOT)
                continue;
            const plan_slot *s = &e->slot.at[x->of];
            text_add(out, "  steps %5u to %5u  ", x->first, x->last);
            if (s->fixed)
                text_add(out, "at %10lld  ", (long long)s->offset);
            else
                text_add(out, "slot %8u  ", x->of);
            text_add(out, "%-10s ", x->name);
            type_print(&p->m->types, x->type, out);
            text_add(out, "\n");
        }
    }
}

/* Adds what Graphviz draws of a graph that stands in this file. */
static bool add_drawn(FILE *graph, text *out)
{
    char piece[4096], command[40];
    size_t n;

    snprintf(command, sizeof command, "dot -Tsvg < /dev/fd/%d", fileno(graph));
    FILE *f = popen(command, "r");
    if (!f)
        return cli_wrong("dot (Graphviz) cannot be run");
    while ((n = fread(piece, 1, sizeof piece, f)))
        text_addn(out, piece, n);
    return pclose(f) == 0 || cli_wrong("dot (Graphviz) failed; is it installed?");
}

/* A pipe leads one way only: Graphviz reads from a file, so that we read what it writes. */
static bool draw_svg(const text *graph, text *out)
{
    FILE *f = tmpfile();

    bool ok = f && fwrite(graph->at, 1, graph->len, f) == graph->len && !fflush(f);
    if (ok) {
        rewind(f);
        ok = add_drawn(f, out);
    } else {
        cli_wrong("no temporary file for dot (Graphviz) can be written");
    }
    if (f)
        fclose(f);
    return ok;
}

static bool is_picture(const inspect_options *o)
{
    return !strcmp(o->format, "svg") || !strcmp(o->format, "dot");
}

/* The first function as a picture: its nodes, coloured by group, or the groups. */
static bool print_picture(const inspect_options *o, const ir_module *m, bool of_groups, text *out)
{
    const target t = model_target(&o->model);
    ir_groups groups = {0};
    text graph = {0};

    fuse(m->fn.at[0], &t, false, &groups);
    if (of_groups)
        graph_print_groups(m, &groups, &graph);
    else
        graph_print(m, &groups, &graph);
    bool ok = true;
    if (!strcmp(o->format, "svg"))
        ok = draw_svg(&graph, out);
    else
        text_addn(out, graph.at, graph.len);
    text_free(&graph);
    fuse_free(&groups);
    return ok;
}

/* The passes of -p, in that order, whatever the pipeline would do.  check() has
 * seen that they exist. */
static bool run_passes(ir_module *m, const target *target, const char *list)
{
    pass_ctx cx = {.m = m, .d = m->diag, .target = target};
    char *copy = strdup(list), *rest = copy, *name;
    bool changed, ok = true;

    while (ok && (name = strsep(&rest, ","))) {
        const pass_info *p = pass_find(name);
        ok = pass_one(&cx, p, &changed);
    }
    free(copy);
    return ok;
}

static void print_kernels(const lower *l, text *out)
{
    for (uint32_t i = 0; i < l->kernel.len; i++) {
        text_add(out, i ? "\n" : "");
        lp_print(l->kernel.at[i], out);
    }
}

/* Adds the groups of each entry: what is computed together, and why it ends there. */
static bool print_groups(const inspect_options *o, ir_module *m, text *out)
{
    const target t = model_target(&o->model);

    if (!code_passes(m, &t, &o->model.o.watch))
        return false;
    if (is_picture(o))
        return print_picture(o, m, true, out);
    for (uint32_t i = 0; i < m->fn.len; i++) {
        ir_groups groups = {0};
        if (!m->fn.at[i]->entry)
            continue;
        fuse(m->fn.at[i], &t, false, &groups);
        text_add(out, "entry %s\n", m->fn.at[i]->name);
        fuse_print(m, &groups, out);
        fuse_free(&groups);
    }
    return true;
}

/* Adds what the stages behind the passes leave: kernels, plan or memory. */
static bool print_code(const inspect_options *o, ir_module *m, diag *d, text *out)
{
    const target t = model_target(&o->model);
    const ingot_code_options options = {
        .name = "model", .target = &t, .schedules = o->model.o.schedules,
        .memory_budget = o->model.o.memory_budget, .watch = o->model.o.watch};
    ingot_code c;

    bool ok = code_plan(&c, m, &options, d);
    if (ok && !strcmp(o->stage, "loops"))
        print_kernels(&c.l, out);
    else if (ok && !strcmp(o->stage, "schedules"))
        schedules_print(&c.l.chosen, out);
    else if (ok && !strcmp(o->stage, "memory"))
        print_memory(c.p, out);
    else if (ok)
        plan_print(c.p, out);
    code_free(&c);
    return ok;
}

/* Reads and checks a text of kernels, and adds it as it prints. */
static bool print_kernel_file(const char *path, diag *d, text *out)
{
    const char *s = file_read_told(path, d);
    ir_loc loc = {.file = s ? diag_source(d, path, s) : 0, .line = 1};
    bool ok = s != NULL, first = true;

    while (ok && *s) {
        lp_kernel *k = lp_parse(&s, &loc, d);
        ok = k && lp_verify(k, d) && lp_disjoint(k, d);
        if (ok) {
            text_add(out, first ? "" : "\n");
            lp_print(k, out);
        }
        first = false;
        lp_kernel_free(k);
    }
    return ok;
}

/* Reads and checks the text of a plan, and adds it as it prints. */
static bool print_plan_file(const char *path, diag *d, text *out)
{
    const char *source = file_read_told(path, d);
    ir_module *m = ir_module_new(d);
    plan *p = source ? plan_parse(m, source, path, d) : NULL;

    if (p)
        plan_print(p, out);
    plan_free(p);
    ir_module_free(m);
    return p != NULL;
}

/* Where the weights of a program go: beside the output; null if that is no program. */
static const char *weights_path(inspect_options *o)
{
    bool apart = o->out && has_suffix(o->out, ".ingot") && !strcmp(o->format, "ingot");

    return apart ? arena_printf(&o->model.names, "%.*s.safetensors", (int)strlen(o->out) - 6,
                                o->out)
                 : NULL;
}

/* Adds the model as a program in the language; its weights go beside the output. */
static bool print_program(inspect_options *o, ir_module *m, diag *d, text *out)
{
    program_export_options to = {.title = path_base(o->file), .is_word = dsl_is_word,
                                 .weights = weights_path(o), .file = &o->weights};
    text raw = {0};

    bool ok = code_expand(m, d) && program_export(m, &to, &raw, d) &&
              dsl_format(raw.at, to.title, d, out);
    text_free(&raw);
    return ok;
}

/* Adds the layers, and what a call and a step of training take. */
static bool print_summary(const inspect_options *o, ir_module *m, diag *d, text *out)
{
    const target t = model_target(&o->model);
    ingot_options given = o->model.o;

    given.target = &t;
    if (o->trains ? !run_passes(m, &t, "inline") : !code_expand(m, d))
        return false;
    if (o->trains)
        summary_print_steps(m, o->trainer, out);
    else
        summary_print(m, out);
    summary_memory(o->file, &given, &o->tune, out);
    if (o->brief)
        text_add(out, "the steps themselves: --stage import, optimized, groups, schedules, loops, "
                 "plan or memory\n");
    return true;
}

/* Adds the module as the stage leaves it, or what the stage makes of it. */
static bool print_stage(inspect_options *o, ir_module *m, diag *d, text *out)
{
    if (!strcmp(o->stage, "summary"))
        return print_summary(o, m, d, out);
    if (strcmp(o->stage, "import") && strcmp(o->stage, "optimized"))
        return strcmp(o->stage, "groups") ? print_code(o, m, d, out) : print_groups(o, m, out);
    const target t = model_target(&o->model);
    if (o->passes ? !run_passes(m, &t, o->passes)
                  : !strcmp(o->stage, "optimized") && !code_passes(m, &t, &o->model.o.watch))
        return false;
    if (is_picture(o))
        return print_picture(o, m, false, out);
    if (!strcmp(o->format, "ingot"))
        return print_program(o, m, d, out);
    if (!strcmp(o->format, "json"))
        json_add_module(out, m);
    else if (o->full)
        ir_print(m, out);
    else
        ir_print_brief(m, out);
    return true;
}

/* A list with commas between its names. */
static bool passes_exist(const char *list)
{
    char *copy = strdup(list), *rest = copy, *name;
    bool ok = true;

    while (ok && (name = strsep(&rest, ",")))
        ok = model_is_pass("-p", name, false);
    free(copy);
    return ok;
}

/* Nothing that is read is replaced. */
static bool outputs_fit(inspect_options *o)
{
    const char *out[] = {o->out, weights_path(o)}, *in[] = {o->file, o->model.o.program.weights};

    for (size_t i = 0; i < COUNT(out); i++)
        for (size_t k = 0; k < COUNT(in); k++)
            if (!path_apart(out[i], in[k]))
                return false;
    return true;
}

/* Options that would do nothing for this stage are refused. */
static bool check(inspect_options *o)
{
    bool tensors = !strcmp(o->stage, "import") || !strcmp(o->stage, "optimized");

    if (!o->file)
        return cli_wrong("no model given");
    if (!tensors && strcmp(o->format, "text") && !(is_picture(o) && !strcmp(o->stage, "groups")))
        return cli_wrong("--format %s is for the stages import and optimized%s", o->format,
                         is_picture(o) ? ", and groups" : "");
    if (!strcmp(o->stage, "import") &&
        (o->model.o.watch.dump || o->model.o.watch.stop_after || o->model.o.watch.times))
        return cli_wrong("--dump, --stop-after and --time-passes are for the stages behind import");
    if (tune_is_given(&o->tune) &&
        ((strcmp(o->stage, "summary") && !o->trains) || !has_suffix(o->file, ".onnx")))
        return cli_wrong("--loss and what goes with it are for --stage summary or --train, of an "
                         ".onnx model");
    if (o->trains && has_suffix(o->file, ".ir"))
        return cli_wrong("--train is for programs and .onnx models: an .ir file has its entries");
    if (o->trains && (o->model.o.program.weights || o->model.o.entry))
        return cli_wrong("--train goes with neither --weights nor --entry");
    if (o->passes && !tensors)
        return cli_wrong("-p is for the stages import and optimized");
    return (!o->passes || passes_exist(o->passes)) && outputs_fit(o);
}

/* Writes what was printed to the output. */
static bool put(const inspect_options *o, const text *out)
{
    partial p;

    if (!o->out)
        return fputs(out->at ? out->at : "", stdout) >= 0 ||
               cli_wrong("standard output cannot be written: %s", strerror(errno));
    if (!report_open(&p, o->out))
        return false;
    fwrite(out->at ? out->at : "", 1, out->len, p.file);    /* the stream keeps an error .. */
    return report_close(&p, o->out, true);                  /* .. and this tells it */
}

/* For a table of its layers a model's weights are kept as they are. */
static ir_module *load_summary(inspect_options *o, diag *d)
{
    import_weights w = {.trained = true};
    ingot_options given = o->model.o;

    given.import.weights = &w;
    ir_module *m = ingot_load(o->file, &given, d);
    vec_free(&w.name);
    vec_free(&w.ref);
    vec_free(&w.constant);
    vec_free(&w.other);
    return m;
}

static ir_module *load(inspect_options *o, diag *d)
{
    if (o->trains)
        return train_load(o->file, &o->model.o, &o->tune, &o->trainer, d);
    return strcmp(o->stage, "summary") ? ingot_load(o->file, &o->model.o, d) : load_summary(o, d);
}

/* By the ending of the file: kernels, a plan, or a model. */
static int finish(inspect_options *o)
{
    diag d;
    text out = {0};
    ir_module *m = NULL;
    bool ok;

    if (!check(o))
        return CLI_USAGE;
    diag_init(&d);
    if (has_suffix(o->file, ".lp")) {
        ok = print_kernel_file(o->file, &d, &out);
    } else if (has_suffix(o->file, ".plan")) {
        ok = print_plan_file(o->file, &d, &out);
    } else {
        m = load(o, &d);
        ok = m && print_stage(o, m, &d, &out);
    }
    diag_print(&d, stderr);
    ok = ok && !diag_failed(&d) && put(o, &out);
    if (o->weights.file)
        ok = report_close(&o->weights, o->weights.path, ok);
    text_free(&out);
    ir_module_free(m);
    int status = model_status(ok, &d);
    diag_free(&d);
    return status;
}

/* The steps of a training are hundreds of lines: who names no stage, and asks for nothing that
 * one prints, gets a page, and the names of the stages. */
static void choose_stage(inspect_options *o)
{
    const ingot_watch *w = &o->model.o.watch;
    bool asks = strcmp(o->format, "text") || o->full || o->passes || w->dump || w->stop_after ||
                w->times;

    o->brief = !o->stage && o->trains && !asks;
    o->stage = o->stage ? o->stage : o->brief ? "summary" : "import";
}

static int inspect(int argc, char **argv, const char *usage, const char *about, bool full)
{
    inspect_options o = {.format = "text", .full = full,
                         .weights = {.slot = -1}};
    int status = cli_parse(argc, argv, usage, about, options, &o);

    choose_stage(&o);
    status = status ? status : finish(&o);
    model_options_free(&o.model);
    return status;
}

int command_inspect(int argc, char **argv)
{
    return inspect(argc, argv, "ingot inspect [OPTIONS] MODEL",
                   "Shows a model, or reads and prints kernels (.lp) or a plan (.plan).", false);
}

int command_opt(int argc, char **argv)
{
    return inspect(argc, argv, "ingot opt -p PASS[,PASS..] MODEL",
                   "Runs passes over a model (.ir or .onnx) and prints it, all of it.", true);
}
