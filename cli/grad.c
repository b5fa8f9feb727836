/* cli/grad.c - `ingot grad`: a model with the gradients of a loss as ordinary
 * outputs.  The importer keeps weights as parameters (import_weights), objective.c
 * adds loss and requests, and the gradient pass expands them into ops that any ONNX
 * runtime has. */
#include <errno.h>

#include "cleanup.h"
#include "command.h"
#include "file_kind.h"
#include "nearest.h"
#include "objective.h"
#include "onnx_export.h"
#include "path.h"
#include "progress.h"

/* The command line: `ingot grad --loss mse --wrt "fc*" -o step.onnx model.onnx`. */
typedef struct grad_options {
    model_options model;
    const char *file, *loss, *wrt, *out;
} grad_options;

#define AT(field) offsetof(grad_options, field)

static const cli_option options[] = {
    {"MODEL", NULL, "an .onnx, .ingot or .ir file", .set = model_set_file, .at = AT(file)},
    {"--loss", "LOSS", "cross_entropy, mse or bce of the first output and a new input, which is "
     "label or target; or an output's name: the sum of its elements",
     .set = cli_set_once, .at = AT(loss)},
    {"--wrt", "PATTERN,..", "the weights, by name; * is any part of one (default: all that have "
     "axes)", .set = cli_set_once, .at = AT(wrt)},
    {"-o", "FILE", "what to write: an .ir or .onnx file", .set = cli_set_output, .at = AT(out)},
    {.more = model_rows, .at = AT(model)},
    {0}};

/* The output's form follows from its name. */
static bool check(const grad_options *o)
{
    if (!o->file || !o->loss || !o->out)
        return cli_wrong("%s is missing (see ingot grad --help)",
                         !o->file ? "the model" : !o->loss ? "--loss" : "-o");
    if (!has_suffix(o->out, ".ir") && !has_suffix(o->out, ".onnx"))
        return cli_wrong("-o takes an .ir or .onnx file, not '%s'", o->out);
    return path_apart(o->out, o->file);
}

static bool write_text(const ir_module *m, const char *path, diag *d)
{
    text t = {0};

    ir_print(m, &t);
    bool ok = partial_write(path, t.at, t.len) ||
              diag_error(d, (ir_loc){0}, D_IO, path, strerror(errno));
    text_free(&t);
    return ok;
}

static bool write_model(const ir_module *m, const char *path, diag *d)
{
    return has_suffix(path, ".ir") ? write_text(m, path, d) : onnx_export(m, path, d);
}

/* Does one of the patterns match some weight?  A mistyped one among others would leave out a
 * gradient without a word. */
static bool matches_some(const char *pattern, ir_module *m, const import_weights *w, diag *d)
{
    nearest near = nearest_to(pattern);

    for (uint32_t i = 0; i < w->name.len; i++)
        if (text_matches(pattern, w->name.at[i]))
            return true;
    for (uint32_t i = 0; i < m->state.len; i++) {
        if (m->state.at[i].trainable && text_matches(pattern, m->state.at[i].name))
            return true;
        nearest_try(&near, m->state.at[i].name);
    }
    for (uint32_t i = 0; i < w->name.len + w->other.len; i++)
        nearest_try(&near, i < w->name.len ? w->name.at[i] : w->other.at[i - w->name.len]);
    const char *hint = near.best ? arena_printf(&d->mem, "; did you mean '%s'?", near.best) : "";
    return diag_error(d, (ir_loc){0}, D_GENERAL,
                      arena_printf(&d->mem, "--wrt: no float weight is called '%s'%s", pattern,
                                   hint));
}

static bool wrt_fits(const grad_options *o, ir_module *m, const import_weights *w, diag *d)
{
    char *rest = o->wrt ? arena_strdup(&d->mem, o->wrt) : NULL, *pattern;
    bool ok = true;

    while (ok && (pattern = strsep(&rest, ",")))
        ok = matches_some(pattern, m, w, d);
    return ok;
}

/* Weights that are differentiated by become inputs with their values as defaults. */
static int run(grad_options *o)
{
    diag d;
    import_weights w = {.pattern = o->wrt};

    progress_start(o->model.verbose);
    diag_init(&d);
    o->model.o.import.weights = &w;
    ir_module *m = ingot_load(o->file, &o->model.o, &d);
    bool ok = m && wrt_fits(o, m, &w, &d) && objective_add(m, &w, o->loss, &d) &&
              write_model(m, o->out, &d);
    progress_stop();
    diag_print(&d, stderr);
    ir_module_free(m);
    vec_free(&w.name);
    vec_free(&w.ref);
    vec_free(&w.constant);
    vec_free(&w.other);
    int status = model_status(ok, &d);
    diag_free(&d);
    return status;
}

int command_grad(int argc, char **argv)
{
    grad_options o = {0};
    int status = cli_parse(argc, argv, "ingot grad --loss LOSS [OPTIONS] -o FILE MODEL",
                           "Adds a loss to a model, and the loss' gradient by each weight as an "
                           "output NAME.grad.", options, &o);

    if (status == CLI_OK)
        status = check(&o) ? run(&o) : CLI_USAGE;
    model_options_free(&o.model);
    return status;
}
