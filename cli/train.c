/* cli/train.c - `ingot train`: a program with train blocks becomes a trainer, which holds
 * loss, gradients, optimizer and the loop over the data, or is trained at once.  An ONNX model
 * is trained as the program that imports it (tune.h), or as its file says (train_info.h). */
#include <stdlib.h>
#include <sys/stat.h>

#include "code.h"
#include "command.h"
#include "data_probe.h"
#include "dsl/dsl.h"
#include "file_kind.h"
#include "floating.h"
#include "host.h"
#include "link.h"
#include "path.h"
#include "progress.h"
#include "save_onnx.h"
#include "thread.h"
#include "train_info.h"
#include "tensor_safetensors_text.h"
#include "trainer.h"
#include "training.h"
#include "tune.h"
#include "workplace.h"

/* The command line, and what comes of it. */
typedef struct train_options {
    model_options model;
    trainer_options trainer;
    tune_options tune;
    const char *file, *out, *name, *emit, *save_onnx;
    tuned tuned;                    /* what an ONNX model is trained as */
    data_given given;               /* of a program's dims, with --run */
    long long shards;
    bool run, wide, print, mpi, names;
    workplace work;
} train_options;

/* ---- command line ----------------------------------------------------------------- */

static const char *const kinds[] = {"exe", "lib", "shared", "obj", NULL};

#define AT(field) offsetof(train_options, field)

/* The program comes first, then blocks. */
static bool set_file_or_block(void *to, const cli_option *option, const char *value)
{
    train_options *o = to;

    if (o->file)
        return trainer_add_block(&o->trainer, option, value);
    o->file = value;
    return true;
}

static const cli_option options[] = {
    {"FILE", NULL, "a program, .ingot, or an .onnx model; with --run also blocks behind it "
     "(default: all)", .set = set_file_or_block},
    {"-o", "FILE", "the trainer that is made", .set = cli_set_output, .at = AT(out)},
    {"--emit", "KIND", "exe (default), or of the entries: lib, shared, obj", .set = cli_set_word,
     .at = AT(emit), .words = kinds},
    {"--name", "NAME", "of a library's functions (default: from -o)",
     .set = artifact_set_name, .at = AT(name)},
    {"--run", NULL, "train now, in this process", .set = cli_set_flag, .at = AT(run)},
    {"--print", NULL, "show the program that trains an ONNX model", .set = cli_set_flag,
     .at = AT(print)},
    {"--save-onnx", "FILE", "with --run: the trained model as ONNX, too", .set = cli_set_output,
     .at = AT(save_onnx)},
    {"--shards", "N", "neighbouring parts of a step's rows that are summed alone",
     .set = cli_set_number, .at = AT(shards), .least = 1, .most = 1 << 20},
    {"--mpi", NULL, "a trainer that mpirun starts in several processes, which deal out the shards",
     .set = cli_set_flag, .at = AT(mpi)},
    {"--names", NULL, "keep the names of kernels, by which profilers know them",
     .set = cli_set_flag, .at = AT(names)},
    {"--f64", NULL, "all reals have 64 bits", .set = cli_set_flag, .at = AT(wide)},
    {"--set", "NAME=VALUE", "another value of a config", .set = model_add_setting,
     .at = AT(model)},
    {.more = tune_rows, .at = AT(tune)},
    {.more = code_rows, .at = AT(model)},
    {.more = trainer_rows, .at = AT(trainer)},
    {0}};

/* ---- the program ------------------------------------------------------------------- */

static ir_dtype real_of(const train_options *o)
{
    return o->wide ? DT_F64 : DT_F32;
}

static bool tune_model(train_options *o, diag *d)
{
    return tune_program(o->file, &o->tune, &o->trainer, real_of(o), &o->tuned, d);
}

static dsl_options options_of(const train_options *o)
{
    return (dsl_options){.import = &o->model.o.import, .set = o->model.o.program.set,
                         .sets = o->model.o.program.sets,
                         .real = real_of(o), .probe = data_probe, .probing = &o->given,
                         .read = data_read,
                         .source = o->tuned.program, .shards = o->shards,
                         .judge = o->run || !strcmp(o->emit, "exe")};
}

/* ---- a trainer, or a library of its entries -------------------------------------------- */

static bool is(const train_options *o, const char *kind)
{
    return !strcmp(o->emit, kind);
}

static bool is_library(const train_options *o)
{
    return is(o, "lib") || is(o, "shared");
}

/* An executable has the loop in it; object and library give their user the entries
 * and leave the loop to him. */
static bool link_parts(train_options *o, const image *im, const struct ingot_trainer *t)
{
    if (is(o, "exe"))
        return link_trainer(&o->work, im, t, o->mpi, !o->names);
    if (!link_kernels(&o->work, im))
        return false;
    return is(o, "obj") ? link_object(&o->work, im)
                        : link_library(&o->work, im, t, is(o, "shared"), false);
}

/* The header lies beside the library or object. */
static bool publish_header(train_options *o, const image *im)
{
    char *path = is(o, "exe") ? NULL : artifact_header(o->out, im->name);
    bool ok = is(o, "exe") || (path && workplace_publish(&o->work, WORK_HEADER, path));

    free(path);
    return ok;
}

/* As build.c does it for a model; the trainer's record is linked beside the code. */
static bool make(train_options *o, ir_module *m, const struct ingot_trainer *t, diag *d)
{
    const target own = model_target(&o->model);
    char *name = artifact_name(o->name, o->out);
    ingot_code_options co = {.name = name, .target = &own, .executable = is(o, "exe"),
                             .library = is_library(o), .weights_place = true,
                             .max_weights = import_max_weights(&o->model.o.import),
                             .schedules = o->model.o.schedules,
                             .memory_budget = o->model.o.memory_budget,
                             .watch = o->model.o.watch};
    ingot_code c;
    objects parts = {0};

    bool ok = code_make(&c, m, &co, d);
    progress_step("generating code");
    ok = ok && image_compile(&c.image, thread_cpus(), &parts, d) &&
         link_write_objects(&o->work, &parts) && link_parts(o, &c.image, t) &&
         publish_header(o, &c.image) && workplace_publish(&o->work, WORK_OUT, o->out);
    objects_free(&parts);
    code_free(&c);
    mem_free(name);
    return ok;
}

/* Takes the module. */
static bool build(train_options *o, ir_module *m, const struct ingot_trainer *t, diag *d)
{
    o->work.verbose = o->model.verbose;
    bool ok = workplace_open(&o->work, o->out);
    o->work.step = progress_step;
    ok = ok && make(o, m, t, d);
    progress_stop();
    workplace_close(&o->work);
    ir_module_free(m);
    return ok;
}

/* ---- training at once ------------------------------------------------------------- */

/* Parameters and states, as they are now, of roles up to the last one. */
static int trained_arrays(const session *s, const struct ingot_trainer *t, int32_t last,
                          import_array *w)
{
    const struct ingot_model *m = s->model;
    int n = 0;

    for (int32_t i = 0; i < m->state_count; i++) {
        const struct ingot_value_info *v = &m->states[i];
        if (t->roles[i] <= last)
            w[n++] = (import_array){v->name, dt_from_onnx(v->dtype), v->rank, v->dims,
                                    (const char *)s->states + v->offset,
                                    safetensors_bytes(v->dtype, v->rank, v->dims)};
    }
    return n;
}

/* Where a file says itself how it is trained, what its algorithm keeps is part of the file. */
static int32_t last_role(const train_options *o)
{
    return tune_is_given(&o->tune) ? INGOT_ROLE_FITTED : INGOT_ROLE_MOMENT;
}

static const import_array *array_named(const import_array *w, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(w[i].name, name))
            return &w[i];
    return NULL;
}

/* The model's nodes with the new end behind them; *can is false where they cannot have it. */
static bool save_head(const train_options *o, const import_array *w, int n, bool *can, diag *d)
{
    onnx_head head = o->tuned.head;

    if (o->tuned.layer) {
        head.w = array_named(w, n, arena_printf(&d->mem, "%s.w", o->tuned.layer));
        head.b = array_named(w, n, arena_printf(&d->mem, "%s.b", o->tuned.layer));
    }
    *can = !o->tuned.layer || (head.w && head.b);
    return !*can || save_onnx_head(o->file, w, n, &head, o->save_onnx, can, d);
}

/* A model that is trained as it is keeps its graph and gets new weights; one with a new head
 * keeps what leads to it, or else is written anew. */
static bool save_onnx(const train_options *o, const session *s, const struct ingot_trainer *t,
                      diag *d)
{
    import_array *w = arena_array(&d->mem, import_array, s->model->state_count + 1);
    int n = trained_arrays(s, t, o->tuned.as_is ? last_role(o) : INGOT_ROLE_FITTED, w);

    if (o->tuned.as_is)
        return save_onnx_weights(o->file, w, n, o->save_onnx, d);
    bool can = false;
    if (o->tuned.program && (!save_head(o, w, n, &can, d) || can))
        return can && !diag_failed(d);
    dsl_options given = options_of(o);
    given.weight = w;
    given.weights = n;
    given.weights_file = "the training";
    ir_module *m = dsl_import(o->file, &given, d);
    bool ok = m && save_onnx_module(m, o->save_onnx, d);
    ir_module_free(m);
    return ok;
}

/* A trainer that is kept has entries, too. */
static int check_run(const train_options *o, const struct ingot_trainer *t)
{
    const char *block = o->trainer.blocks ? o->trainer.block[0] : NULL;
    int status = trainer_check(&o->trainer, t);

    if (status != CLI_OK || !block || training_block(t, block) >= 0)
        return status;
    cli_wrong("'%s' is an entry: ingot run %s %s", block, o->file, block);
    return CLI_USAGE;
}

/* m is taken over; the trainer runs in this process, on code that was never a file. */
static int run(train_options *o, ir_module *m, const struct ingot_trainer *t, diag *d)
{
    char *save = trainer_save(t);

    o->trainer.save = o->trainer.save ? o->trainer.save : save;
    o->trainer.program = o->file;
    o->trainer.save_onnx = o->save_onnx;
    int status = check_run(o, t);
    if (status != CLI_OK) {
        ir_module_free(m);
        free(save);
        return status;
    }
    floating_flush();
    ingot_engine *e =
        ingot_engine_open(ENGINE_COMPILED, m, &o->model.o, (int)o->trainer.threads, d);
    progress_stop();
    status = e ? trainer_run(&o->trainer, ingot_engine_session(e), t) : CLI_FAILED;
    if (status == CLI_OK && o->save_onnx && !save_onnx(o, ingot_engine_session(e), t, d))
        status = CLI_FAILED;
    ingot_engine_close(e);
    free(save);
    return status;
}

/* ---- the command ------------------------------------------------------------------ */

static bool is_program(const train_options *o)
{
    return has_suffix(o->file, ".ingot");
}

/* A model without a loss is trained as its file says. */
static bool by_file(const train_options *o)
{
    return !is_program(o) && !o->print && !tune_is_given(&o->tune);
}

/* The module of the program, of the file or made for a model; null after errors. */
static ir_module *load(train_options *o, const struct ingot_trainer **t, diag *d)
{
    o->tuned.as_is = by_file(o);
    if (by_file(o))
        return train_info_import(o->file, &o->model.o.import, &o->trainer, t, d);
    if (!is_program(o) && !tune_model(o, d))
        return NULL;
    if (is_program(o))
        o->given = (data_given){o->trainer.data, o->trainer.datas};
    dsl_options given = options_of(o);
    ir_module *m = dsl_import_training(o->file, &given, t, d);
    if (!m && o->tuned.program)
        diag_note(d, (ir_loc){0}, "the program is made of the options; --print shows it");
    return m;
}

/* --run compiles in memory and trains at once, which needs no linker. */
static int train(train_options *o, diag *d)
{
    const struct ingot_trainer *t = NULL;

    progress_start(o->model.verbose);
    ir_module *m = load(o, &t, d);
    if (m && o->run)
        return run(o, m, t, d);
    return model_status(m && build(o, m, t, d), d);
}

static int print(train_options *o, diag *d)
{
    bool ok = tune_model(o, d);

    if (ok)
        printf("%s", o->tuned.program);
    return model_status(ok, d);
}

/* Messages are printed in one place, whatever was wanted. */
static int obey(train_options *o)
{
    diag d;

    diag_init(&d);
    int status = o->print ? print(o, &d) : train(o, &d);
    progress_stop();
    diag_print(&d, stderr);
    diag_free(&d);
    return status;
}

/* What is made now and what is trained later have options of their own; a model's program says
 * what a block's clauses say. */
static bool has_use(const train_options *o, int argc, char **argv)
{
    const char *later =
        o->run ? NULL
               : cli_given(argc, argv, trainer_rows, is_program(o) ? NULL : trainer_clause_rows);

    if (o->run && o->out)
        return cli_wrong("-o makes a trainer, --run trains at once: give one of them");
    if (o->run && (o->name || !is(o, "exe")))
        return cli_wrong("--%s is for what -o makes, and --run makes nothing",
                         o->name ? "name" : "emit");
    if (!o->run && o->trainer.blocks)
        return cli_wrong("'%s': the trainer that is made takes the names of blocks, and so does "
                         "--run", o->trainer.block[0]);
    return !later || cli_wrong("%s is for the training: give it to the trainer that is made, or "
                               "--run to train at once", later);
}

/* CLI_OK, or CLI_USAGE after a message. */
static int check(const train_options *o)
{
    bool ok = true;

    if (!o->file || (!o->print && !o->out && !o->run))
        ok = cli_wrong(!o->file ? "no program given (see ingot train --help)"
                                : "give -o TRAINER, or --run to train at once");
    else if (o->names && o->run)
        ok = cli_wrong("--names are those in a trainer that -o makes");
    else if (o->mpi && (o->run || !is(o, "exe")))
        ok = cli_wrong("--mpi makes an executable, for mpirun");
    else if (o->mpi && !o->shards)
        ok = cli_wrong("--mpi deals out the parts of a step's rows: give --shards N, as many as "
                       "processes or more");
    else if (o->shards > 1 && !o->run && !is(o, "exe"))
        ok = cli_wrong("--shards is for the loop of a trainer, which a library leaves to its user");
    else if (by_file(o) && (o->wide || o->model.o.program.sets || o->shards > 1 || o->mpi))
        ok = cli_wrong("%s: --f64, --set, --shards and --mpi are of programs and of a --loss",
                       o->file);
    else if (o->save_onnx && !o->run)
        ok = cli_wrong("--save-onnx goes with --run; ingot build FILE --weights W --emit onnx "
                       "writes what a trainer has trained");
    else if (is_program(o) && (tune_is_given(&o->tune) || o->print))
        ok = cli_wrong("%s is a program, which says itself what it learns", o->file);
    else
        ok = path_apart(o->save_onnx, o->file) && path_apart(o->out, o->file) &&
             (!o->out || artifact_kind_fits(o->emit, o->out));
    return ok ? CLI_OK : CLI_USAGE;
}

int command_train(int argc, char **argv)
{
    train_options o = {.trainer = trainer_defaults, .emit = "exe"};
    int status = cli_parse(argc, argv, "ingot train FILE (-o TRAINER | --run [BLOCK..]) [OPTIONS]",
                           "Makes a program with train blocks, or an ONNX model with a --loss, a\n"
                           "trainer: one executable with loss, gradients, optimizer and data\n"
                           "loop; or trains at once.  A trainer takes the options from --data on\n"
                           "when it runs.",
                           options, &o);

    if (!status)
        status = check(&o);
    if (!status && !has_use(&o, argc, argv))
        status = CLI_USAGE;
    if (!status)
        status = obey(&o);
    trainer_options_free(&o.trainer);
    model_options_free(&o.model);
    return status;
}
