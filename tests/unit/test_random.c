/* tests/unit/test_random.c - random words: the published vectors of Philox-4x32-10, and
 * compiled code beside the evaluator for every length, width of vectors and number of
 * threads, with a counter that carries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the first of these */
#include <cmocka.h>

#include "host.h"
#include "ingot.h"

enum { MAX = 70000 };

/* The words of rng(key, counter) of this shape. */
static void run(ingot_engine_kind kind, const char *cpu, int threads, const char *shape,
                const uint32_t key[2], const uint64_t counter[2], uint32_t *words, int64_t count)
{
    static const int64_t two[1] = {2};
    tensor_value in[2] = {0}, out[1] = {0};
    char error[TENSOR_ERROR_SIZE];
    text source = {0};
    target t;
    diag d;

    diag_init(&d);
    assert_true(host_find(cpu, &t));
    const ingot_options o = {.target = &t};
    text_add(&source, "entry main(%%k: u32[2], %%c: u64[2]) {\n"
                      "  %%1 = rng %%k, %%c {shape=%s} : u32%s\n  return %%1\n}\n", shape, shape);
    ir_module *m = ir_parse(source.at, "random", &d);
    assert_non_null(m);
    ingot_engine *e = ingot_engine_open(kind, m, &o, threads, &d);
    assert_non_null(e);
    assert_true(tensor_init(&in[0].t, dt_of(DT_U32)->onnx, 1, two));
    assert_true(tensor_init(&in[1].t, dt_of(DT_U64)->onnx, 1, two));
    memcpy(in[0].t.data, key, 8);
    memcpy(in[1].t.data, counter, 16);
    assert_true(ingot_engine_run(e, in, out, error));
    memcpy(words, out[0].t.data, (size_t)count * sizeof *words);
    tensor_value_free(&out[0]);
    tensor_value_free(&in[0]);
    tensor_value_free(&in[1]);
    ingot_engine_close(e);
    text_free(&source);
    diag_free(&d);
}

/* Source: kat_vectors of Random123 1.14. */
static void published(void **state)
{
    static const struct {
        uint64_t counter[2];
        uint32_t key[2], want[4];
    } known[] = {
        {{0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{UINT64_MAX, UINT64_MAX}, {UINT32_MAX, UINT32_MAX},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x85a308d3243f6a88, 0x0370734413198a2e}, {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    uint32_t got[4];

    (void)state;
    for (size_t i = 0; i < COUNT(known); i++) {
        run(ENGINE_INTERPRETER, "native", 1, "[4]", known[i].key, known[i].counter, got, 4);
        assert_memory_equal(got, known[i].want, sizeof got);
    }
}

/* The counter is a block before its low word carries, and before it wraps. */
static void compiled(void **state)
{
    static const struct {
        const char *shape;
        int64_t count;
    } c[] = {{"[]", 1}, {"[0]", 0}, {"[1]", 1}, {"[7]", 7}, {"[5,13]", 65}, {"[3,7,11]", 231},
             {"[70000]", MAX}};
    static const char *const cpu[] = {"x86-64", "x86-64-v3", "native"};
    static const uint64_t counter[2] = {UINT64_MAX, UINT64_MAX};
    static const uint32_t key[2] = {7, 0x80000001};
    static uint32_t want[MAX], got[MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(c); i++) {
        run(ENGINE_INTERPRETER, "native", 1, c[i].shape, key, counter, want, c[i].count);
        for (size_t k = 0; k < COUNT(cpu) * 2; k++) {
            run(ENGINE_COMPILED, cpu[k / 2], k % 2 ? 2 : 1, c[i].shape, key, counter, got,
                c[i].count);
            assert_memory_equal(got, want, (size_t)c[i].count * sizeof *got);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(published), cmocka_unit_test(compiled)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
