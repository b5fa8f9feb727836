/* tests/unit/train_model.h - a training program written by hand: its model, its blocks, and
 * trainings in this process or in a child.  Include <cmocka.h> first. */
#ifndef INGOT_TRAIN_MODEL_H
#define INGOT_TRAIN_MODEL_H

#include "engine.h"
#include "folder.h"
#include "trainer.h"

/* ---- the model -------------------------------------------------------------------- */

/* y = w x by least squares: each step goes down the gradient of the mean square. */
static const char module[] =
    "const @tenth = f32[] [0.1]\n"
    "state @net.w : f32[2] trainable\n"
    "state @rate : f32[] = @tenth\n"
    "state @sum.loss : f32[]\n"
    "state @sum.rows : f32[]\n"
    "state @net.fitted : f32[]\n"
    "state @net.m : f32[2,3]\n"
    "entry init(%seed: i64[]) {\n"
    "  %1 = cast %seed {to=f32} : f32[]\n"
    "  %2 = broadcast %1 {shape=[2]} : f32[2]\n"
    "  return update @net.w=%2\n}\n"
#define LOSS(dims)                                                             \
    "  %1 = state @net.w : f32[2]\n"                                           \
    "  %2 = dot %x, %1 {sum_a=[1], sum_b=[0]} : f32[" dims "]\n"               \
    "  %3 = sub %2, %t : f32[" dims "]\n"                                      \
    "  %4 = mul %3, %3 : f32[" dims "]\n"                                      \
    "  %5 = reduce %4 {axes=[0], op=sum} : f32[]\n"                            \
    "  %6 = dimval {dim=" dims "} : i64[]\n"                                   \
    "  %7 = cast %6 {to=f32} : f32[]\n"                                        \
    "  %8 = div %5, %7 : f32[]\n"                                              \
    "  %9 = state @sum.loss : f32[]\n"                                         \
    "  %10 = add %9, %5 : f32[]\n"                                             \
    "  %11 = state @sum.rows : f32[]\n"                                        \
    "  %12 = add %11, %7 : f32[]\n"
    "entry step(%x: f32[b,2], %t: f32[b]) {\n" LOSS("b")
    "  %13 = grad %8, %1 : f32[2]\n"
    "  %14 = state @rate : f32[]\n"
    "  %15 = broadcast %14 {shape=[2]} : f32[2]\n"
    "  %16 = mul %13, %15 : f32[2]\n"
    "  %17 = sub %1, %16 : f32[2]\n"
    "  return loss=%8 update @net.w=%17, @sum.loss=%10, @sum.rows=%12\n}\n"
    "entry eval(%x: f32[b,2], %t: f32[b]) {\n" LOSS("b")
    "  return update @sum.loss=%10, @sum.rows=%12\n}\n"
    "entry metrics(%change: f32[]) {\n"
    "  %1 = state @sum.loss : f32[]\n"
    "  %2 = state @sum.rows : f32[]\n"
    "  %3 = div %1, %2 : f32[]\n"
    "  %4 = const 1e-5 : f32[]\n"
    "  %5 = lt %change, %4 : bool[]\n"
    "  return loss=%3, stop=%5\n}\n"
    "entry fit(%x: f32[b,2]) {\n"
    "  %1 = state @net.fitted : f32[]\n"
    "  %2 = dimval {dim=b} : i64[]\n"
    "  %3 = cast %2 {to=f32} : f32[]\n"
    "  %4 = add %1, %3 : f32[]\n"
    "  return update @net.fitted=%4\n}\n"
    "entry apply1() {\n  %1 = const 2 : f32[]\n  return loss=%1\n}\n"
    "entry apply2() {\n  %1 = state @rate : f32[]\n  return loss2=%1\n}\n";

static const char table[] =
    "[[1, 0, 2], [0, 1, -1], [1, 1, 1], [2, 1, 3], [1, 2, 0], [3, 0, 6], [1, -1, 3], [0, 2, -2], "
    "[2, 2, 2], [1, 3, -1]]";
static const int64_t two[] = {2};
static const struct ingot_train_column columns[] = {
    {.name = "x", .dtype = TENSOR_F32, .rank = 1, .dims = two}, {.name = "t", .dtype = TENSOR_F32}};
static const int32_t both[] = {0, 1}, seed_feed[] = {INGOT_FEED_SEED},
                     change_feed[] = {INGOT_FEED_CHANGE},
                     step_feed[] = {INGOT_FEED_STEP},
                     roles[] = {INGOT_ROLE_PARAM, INGOT_ROLE_KNOB, INGOT_ROLE_SUM, INGOT_ROLE_SUM,
                                INGOT_ROLE_FITTED, INGOT_ROLE_STATE};
static const struct ingot_train_source sources[] = {
    {.column_count = 2, .columns = both, .text = table}};

#define CALL(name, n, feeds) {name, n, feeds, 0, NULL}
/* A block of this name; `feed` is what `metrics` gets as the change. */
#define BLOCK(block_name, feed, ...)                                                      \
    {.name = block_name, .column_count = 2, .columns = columns, .source_count = 1,        \
     .sources = sources, .step_any = CALL("step", 2, both),                               \
     .eval = CALL("eval", 2, both),                                                       \
     .metrics = CALL("metrics", 1, feed), .batch = 4, __VA_ARGS__}
#define TRAINER(list)                                                                     \
    {.version = INGOT_TRAIN_VERSION, .program = "line", .hash = 77, .state_count = 6,     \
     .roles = roles, .init = CALL("init", 1, seed_feed),                                  \
     .block_count = sizeof list / sizeof *list, .blocks = list}

/* The second one never stops: the step is a change that gets no smaller. */
static const struct ingot_train_block blocks[] = {BLOCK("fit", change_feed, .epochs = 0)};
static const struct ingot_train_block endless_blocks[] = {BLOCK("fit", step_feed, .epochs = 0)};
static const struct ingot_trainer trainer = TRAINER(blocks);
static const struct ingot_trainer endless __attribute__((unused)) = TRAINER(endless_blocks);

static ingot_engine *engine;
static float weights[2];

static inline void parse(trainer_options *o, int argc, char **argv)
{
    static const cli_option rows[] = {{.more = trainer_rows}, {.more = trainer_own_rows}, {0}};

    *o = trainer_defaults;
    assert_int_equal(cli_parse(argc, argv, "", "", rows, o), CLI_OK);
}

/* The block to be trained; null: all. */
static const char *only;

/* Trains in this process, from new states. */
static inline int train_here(const struct ingot_trainer *t, int argc, char **argv)
{
    session *s = ingot_engine_session(engine);
    trainer_options o;

    parse(&o, argc, argv);
    o.block[0] = only;
    o.blocks = only != NULL;
    s->model->init_states(s->states, s->weights);
    int status = trainer_run(&o, s, t);
    trainer_options_free(&o);
    memcpy(weights, s->states, sizeof weights);
    return status;
}

struct training {
    const struct ingot_trainer *t;
    int argc;
    char **argv;
};

static inline int train_one(void *cx)
{
    struct training *k = cx;

    return train_here(k->t, k->argc, k->argv);
}

/* Trains in a child; its words are in `said`. */
static inline int train_args(const struct ingot_trainer *t, int argc, char **argv)
{
    return run_child(train_one, &(struct training){t, argc, argv});
}

static inline int train_block(const struct ingot_trainer *t, const char *name, int argc,
                              char **argv)
{
    only = name;
    int status = train_args(t, argc, argv);
    only = NULL;
    return status;
}

#define COUNT_OF(...) (int)(sizeof(char *[]){__VA_ARGS__} / sizeof(char *))
#define TRAIN(t, ...) train_args(t, COUNT_OF(__VA_ARGS__), (char *[]){__VA_ARGS__, NULL})
#define TRAIN_BLOCK(t, name, ...) \
    train_block(t, name, COUNT_OF(__VA_ARGS__), (char *[]){__VA_ARGS__, NULL})
#define HERE(t, ...) train_here(t, COUNT_OF(__VA_ARGS__), (char *[]){__VA_ARGS__, NULL})

/* ---- what is left of a training --------------------------------------------------- */

/* Have two files of weights the same data?  What stands in front tells times, too. */
static inline void assert_same_states(const char *a, const char *b)
{
    char one[8000], other[8000];
    size_t n = read_file(a, one, sizeof one), m = read_file(b, other, sizeof other);
    size_t at = 8 + *(uint64_t *)(void *)one, there = 8 + *(uint64_t *)(void *)other;

    assert_true(at < n && n - at == m - there);
    assert_memory_equal(one + at, other + there, n - at);
}

/* A log without its last column, which is the time. */
static inline void read_log(const char *name, char *to, size_t room)
{
    char *out = to, *comma = NULL;
    size_t n = read_file(name, to, room);

    for (size_t i = 0; i < n; i++) {
        comma = to[i] == ',' ? out : comma;
        if (to[i] == '\n' && comma)
            out = comma;
        *out++ = to[i];
    }
    *out = 0;
}

/* Before and after all tests. */
static inline int begin_training(void **state)
{
    static const ingot_options none;
    static diag d;

    diag_init(&d);
    ir_module *m = ir_parse(module, "line", &d);
    engine = m ? ingot_engine_open(ENGINE_COMPILED, m, &none, 1, &d) : NULL;
    if (!engine)
        diag_print(&d, stderr);
    return engine ? make_folder(state) : -1;
}

static inline int end_training(void **state)
{
    ingot_engine_close(engine);
    return remove_all(state);
}

#endif
