/* tests/unit/test_states.c - a program with two entries whose model remembers: what
 * --states writes, reads and refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "program_run.h"
#include "states.h"

static char error[TENSOR_ERROR_SIZE];

/* ---- the model ---------------------------------------------------------------------- */

/* Entries step(x), which adds x to the state w and counts in n, and read(). */
typedef struct counter_states {
    float w[2];
    char padding[56];
    int64_t n[8];
} counter_states;

static void start_counting(void *states, const uint8_t *blob)
{
    (void)blob;
    *(counter_states *)states = (counter_states){.w = {1, 2}};
}

static int32_t run_step(struct ingot_call *c)
{
    counter_states *s = c->states;
    const float *x = c->inputs[0];

    s->w[0] += x[0];
    s->w[1] += x[1];
    s->n[0]++;
    return INGOT_OK;
}

static int32_t run_read(struct ingot_call *c)
{
    const counter_states *s = c->states;

    memcpy(c->outputs[0].data, s->w, sizeof s->w);
    memcpy(c->outputs[1].data, s->n, sizeof s->n[0]);
    c->outputs[0].dims[0] = 2;
    return INGOT_OK;
}

static size_t no_space(const int64_t *dims, int32_t threads)
{
    (void)dims, (void)threads;
    return 0;
}

static void read_dims(const int64_t *dims, int64_t *extents)
{
    (void)dims;
    extents[0] = 2;
}

static uint64_t no_flops(const int64_t *dims)
{
    (void)dims;
    return 0;
}

static const int64_t two[] = {2};
static const struct ingot_value_info
    counted[] = {{.name = "w", .dtype = TENSOR_F32, .rank = 1, .dims = two},
                 {.name = "n\"", .dtype = TENSOR_I64, .offset = 64}};
static const struct ingot_entry counting[] = {
    {.name = "step", .input_count = 1, .inputs = counted, .workspace_size = no_space,
     .run = run_step, .flops = no_flops},
    {.name = "read", .output_count = 2, .outputs = counted, .workspace_size = no_space,
     .output_dims = read_dims, .run = run_read, .flops = no_flops}};
static const struct ingot_model counter = {
    .abi = INGOT_ABI_VERSION, .name = "counter", .entry_count = 2, .entries = counting,
    .state_count = 2, .states = counted, .state_size = sizeof(counter_states),
    .init_states = start_counting};

/* ---- tests -------------------------------------------------------------------------- */

static void entries_are_named(void **state)
{
    (void)state;
    assert_int_equal(RUN_OF(&counter, "--random-inputs"), 2);
    assert_said("2 entries");
    assert_int_equal(RUN_OF(&counter, "raed"), 2);
    assert_said("did you mean 'read'?");
    assert_int_equal(RUN_OF(&counter, "read", "step"), 2);
    assert_int_equal(RUN_OF(&counter, "--help"), 0);
    assert_said("step(w: f32[2])");
    assert_said("read() -> w: f32[2], n\": i64[]");
    assert_int_equal(RUN_OF(&counter, "read"), 0);
    assert_said("w: f32[2] 1 2");
    assert_int_equal(RUN_OF(&counter, "step", "--random-inputs"), 0);
    assert_said("the states changed and are forgotten");
}

static void states_go_on(void **state)
{
    uint8_t once[400], twice[400];

    (void)state;
    assert_int_equal(RUN_OF(&counter, "step", "--random-inputs", "--steps=2",
                            arg("--states=", "once")), 0);
    assert_string_equal(said, "");
    for (int i = 0; i < 2; i++)
        assert_int_equal(RUN_OF(&counter, "step", "--random-inputs", arg("--states=", "twice")), 0);
    size_t n = read_file("once", (char *)once, sizeof once);
    assert_true(n > 16 && n < sizeof once);
    assert_int_equal(read_file("twice", (char *)twice, sizeof twice), n);
    assert_memory_equal(once, twice, n);
    assert_int_equal(RUN_OF(&counter, "step", "--bench=3"), 0);
    assert_int_equal(RUN_OF(&counter, "read", arg("--states=", "twice")), 0);
    assert_said("n\": i64[] 2");
    assert_int_equal(RUN_OF(&counter, "read", "--states=/no/such/folder/s"), 1);
    assert_int_equal(RUN_OF(&counter, "step", "--bench=3", arg("--states=", "twice")), 2);
    struct ingot_model forgetful = counter;
    forgetful.state_count = 0;
    assert_int_equal(RUN_OF(&forgetful, "read", arg("--states=", "twice")), 2);
    assert_said("the model has no states");
}

static void other_states_are_refused(void **state)
{
    struct ingot_value_info info[] = {counted[0], counted[1]};
    struct ingot_model other = counter;
    static const int64_t three[] = {3};

    (void)state;
    assert_int_equal(RUN_OF(&counter, "read", arg("--states=", "s")), 0);
    other.states = info;
    info[0].dims = three;
    assert_int_equal(RUN_OF(&other, "read", arg("--states=", "s")), 1);
    assert_said("state 'w' is f32[2] there, in the model it is f32[3]");
    info[0] = counted[0];
    info[1].dtype = TENSOR_U64;
    assert_int_equal(RUN_OF(&other, "read", arg("--states=", "s")), 1);
    assert_said("is i64[] there, in the model it is u64[]");
    info[1] = counted[1];
    info[0].name = "v";
    assert_int_equal(RUN_OF(&other, "read", arg("--states=", "s")), 1);
    assert_said("holds 'w', which is no state of this model");
    other.states = &info[1];
    other.state_count = 1;
    info[0] = counted[0];
    assert_int_equal(RUN_OF(&other, "read", arg("--states=", "other")), 0);
    assert_int_equal(RUN_OF(&counter, "read", arg("--states=", "other")), 1);
    assert_said("holds no state 'w'");
    info[1].dtype = TENSOR_STRING;
    assert_int_equal(RUN_OF(&other, "read", arg("--states=", "s")), 1);
    assert_said("which a file of states cannot hold");
}

/* Reads a file of this header and these data into a session of the model. */
static bool read_text(session *s, const char *header, const void *data, size_t size)
{
    uint64_t length = strlen(header);
    uint8_t file[400];

    memcpy(file, &length, 8);
    memcpy(file + 8, header, length);
    memcpy(file + 8 + length, data, size);
    write_file("foreign", file, 8 + length + size);
    return states_read(s, path_of("foreign"), error);
}

/* What others write: other orders, blanks, escapes, notes. */
static void foreign_states_are_read(void **state)
{
    static const struct { float w[2]; int64_t n; } data = {{7, 8}, 9};
    static const char text[] =
        " { \"__metadata__\" : {\"by\":\"h\\u00e4nd\", \"x\":\"\"}, \"n\\u0022\":{\"shape\":[ ],"
        "\"data_offsets\":[8 , 16],\"dtype\":\"I64\"},\n\"w\":{\"dtype\":\"F32\",\"shape\":[ 2 ],"
        "\"data_offsets\":[0,8]}}";
    session s;

    (void)state;
    assert_true(session_open(&s, &counter, NULL, 1, error));
    if (!read_text(&s, text, &data, sizeof data))
        fail_msg("%s", error);
    const counter_states *now = s.states;
    assert_true(now->w[0] == 7 && now->w[1] == 8 && now->n[0] == 9);
    session_close(&s);
}

/* A state of this name, as UTF-8, is found under what JSON writes for it. */
static bool is_name(const char *name, const char *escaped)
{
    struct ingot_value_info info = counted[0];
    struct ingot_model other = counter;
    char header[200];
    session s;

    info.name = name;
    other.states = &info;
    other.state_count = 1;
    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", escaped);
    assert_true(session_open(&s, &other, NULL, 1, error));
    bool ok = read_text(&s, header, (float[]){7, 8}, 8);
    session_close(&s);
    return ok;
}

/* Characters of more than 16 bits come in two halves, and never in one. */
static void escaped_characters_are_joined(void **state)
{
    (void)state;
    assert_true(is_name("a\x7f\xc2\x80", "\\u0061\\u007f\\u0080"));
    assert_true(is_name("\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", "\\u07ff\\u0800\\uffff"));
    assert_true(is_name("\xf0\x9f\x98\x80", "\\uD83D\\uDE00"));
    assert_true(is_name("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\\ud800\\udc00\\udbff\\udfff"));
    static const char *const halves[] = {"\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\n",
                                         "\\ud83d\\u0041", "\\ude00\\ud83d"};
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        assert_false(is_name("w", halves[i]));
        assert_non_null(strstr(error, "is no safetensors file, or is damaged"));
    }
}

/* Each byte changed, each length cut: read or refused, no more. */
static void damaged_states_are_refused(void **state)
{
    uint8_t good[400], bad[400];
    session s;

    (void)state;
    assert_int_equal(RUN_OF(&counter, "read", arg("--states=", "s")), 0);
    size_t n = read_file("s", (char *)good, sizeof good);
    assert_true(session_open(&s, &counter, NULL, 1, error));
    for (size_t i = 0; i < n; i++) {
        write_file("cut", good, i);
        assert_false(states_read(&s, path_of("cut"), error));
        for (int change = 1; change < 256; change *= 2) {
            memcpy(bad, good, n);
            bad[i] ^= (uint8_t)change;
            write_file("cut", bad, n);
            states_read(&s, path_of("cut"), error);
        }
    }
    assert_true(states_read(&s, path_of("s"), error));
    session_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_named),
        cmocka_unit_test(states_go_on),
        cmocka_unit_test(other_states_are_refused),
        cmocka_unit_test(foreign_states_are_read),
        cmocka_unit_test(escaped_characters_are_joined),
        cmocka_unit_test(damaged_states_are_refused),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_all);
}
