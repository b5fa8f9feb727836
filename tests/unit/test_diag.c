/* Messages: every row of diag.def that a model can bring about has a model
 * that does; gaps are grouped when printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "onnx.h"
#include "wire.h"

/* Two nodes over x: f32[2,3] and v: f32[5]; the second has an attribute of one
 * integer, if named.  What they make is y. */
typedef struct bad_model {
    diag_id id;
    const char *op, *in, *op2, *in2, *attr;
    int64_t value;
} bad_model;

static const bad_model bad[] = {
    {D_GENERAL, "Relu", "x", "Add", "a none", NULL, 0},
    {D_DTYPE, "Shape", "x", "Exp", "a", NULL, 0},
    {D_DTYPES_DIFFER, "Shape", "x", "Concat", "a v", "axis", 0},
    {D_RANK, "Relu", "x", "MatMul", "a s", NULL, 0},
    {D_SHAPE, "Relu", "x", "Add", "a v", NULL, 0},
    {D_SHAPE_INNER, "Relu", "x", "Gemm", "a a a", NULL, 0},
    {D_AXIS, "Relu", "x", "GatherElements", "a s", NULL, 0},
    {D_SIZE, "Relu", "x", "OneHot", "a a a", NULL, 0},
};

static text model_of(const bad_model *b)
{
    static const int64_t x[] = {2, 3}, v[] = {5};
    text g = {0}, attr = {0};

    if (b->attr) {
        wire_text(&attr, 1, b->attr);
        wire_int(&attr, 3, b->value);
        wire_int(&attr, 20, 2);
    }
    wire_node(&g, b->op, b->in, "a", NULL);
    wire_node(&g, b->op2, b->in2, "y", b->attr ? &attr : NULL);
    wire_value(&g, 11, "x", 2, x);
    wire_value(&g, 11, "v", 1, v);
    wire_value(&g, 11, "s", 0, x);
    wire_value(&g, 12, "y", 2, x);
    return wire_model(&g, 17);
}

static void first_message_is(text *m, diag_id id, const char *word)
{
    diag d;

    diag_init(&d);
    ir_module_free(onnx_import_memory((const uint8_t *)m->at, m->len, "m.onnx", NULL, &d));
    assert_true(d.message.len > 0);
    if (d.message.at[0].id != id)
        fail_msg("row %d, not %d: %s", d.message.at[0].id, id, d.message.at[0].text);
    assert_non_null(strstr(d.message.at[0].text, word));
    diag_free(&d);
    text_free(m);
}

static void test_rows(void **state)
{
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        text m = model_of(&bad[i]);
        first_message_is(&m, bad[i].id, bad[i].op2);
    }
}

static void test_no_model(void **state)
{
    text junk = {0};
    (void)state;

    text_add(&junk, "these are no fields");
    first_message_is(&junk, D_IO, "m.onnx");
}

static void test_budget(void **state)
{
    text g = {0};
    (void)state;

    wire_node(&g, "Relu", "x", "y", NULL);
    text m = wire_model(&g, 17);
    for (int i = 0; i < 2000; i++) {
        text set = {0};
        wire_int(&set, 2, 17);
        wire_message(&m, 8, &set);
    }
    first_message_is(&m, D_BUDGET, "operator sets");
}

/* Functions that call the next one twice, forty deep: 2^40 nodes. */
static void test_functions_do_not_explode(void **state)
{
    enum { DEEP = 40 };
    text g = {0};
    (void)state;

    wire_node(&g, "F0", "x", "y", NULL);
    text m = wire_model(&g, 17);
    for (int i = 0; i < DEEP; i++) {
        text f = {0}, calls = {0}, set = {0};
        char name[8], next[8];
        snprintf(name, sizeof name, "F%d", i);
        snprintf(next, sizeof next, i + 1 < DEEP ? "F%d" : "Relu", i + 1);
        wire_text(&f, 1, name);
        wire_text(&f, 4, "a");
        wire_text(&f, 5, "c");
        wire_node(&calls, next, "a", "b", NULL);
        wire_node(&calls, next, "b", "c", NULL);
        calls.at[0] = 7 << 3 | 2;               /* nodes are field 7 here, not 1 */
        calls.at[2 + calls.at[1]] = 7 << 3 | 2;
        text_addn(&f, calls.at, calls.len);
        text_free(&calls);
        wire_int(&set, 2, 17);
        wire_message(&f, 9, &set);
        wire_message(&m, 25, &f);
    }
    text x = {0};
    wire_value(&x, 11, "x", 0, NULL);
    wire_message(&m, 7, &x);                    /* merges with the graph */
    first_message_is(&m, D_BUDGET, "number of nodes");
}

/* What an artifact says of a node does not tell where the model lay. */
static void test_nodes_without_files(void **state)
{
    diag d;

    (void)state;
    diag_init(&d);
    d.file = "a/net.onnx";
    ir_loc conv = {.file = diag_place(&d, "a/net.onnx: node 17 'conv1' (Conv-11)"), .line = 18};
    ir_loc text = {.file = diag_place(&d, "net.ir"), .line = 3, .col = 1};
    assert_string_equal(diag_node(&d, conv), "node 17 'conv1' (Conv-11)");
    ir_loc wild = {.file = diag_place(&d, "a/net.onnx: node 1 'a\n\x1b[2J' (Add-14)"), .line = 2};
    assert_string_equal(diag_node(&d, wild), "node 1 'a\\x0a\\x1b[2J' (Add-14)");
    assert_string_equal(diag_node(&d, text), "");
    assert_string_equal(diag_node(&d, (ir_loc){0}), "");
    diag_free(&d);
}

static void test_gaps_are_grouped(void **state)
{
    diag d;
    char *out = NULL;
    size_t size;
    (void)state;

    diag_init(&d);
    for (int i = 0; i < 5; i++) {
        diag_unsupported(&d, "Foo", "3", i ? "net.onnx: node" : "first", "why");
        diag_unsupported(&d, "Bar", "", "net.onnx", "because");
    }
    d.file = "net.onnx";
    FILE *f = open_memstream(&out, &size);
    diag_print(&d, f);
    fclose(f);
    assert_string_equal(out,
                        "net.onnx: error: unsupported: Foo-3: why (first, node, node and 2 more)\n"
                        "net.onnx: error: unsupported: Bar: because (5 times)\n");
    free(out);
    diag_free(&d);
}

/* The source stands under the message and under its note, what hides in it made visible. */
static void test_carets(void **state)
{
    diag d;
    (void)state;

    diag_init(&d);
    uint32_t a = diag_source(&d, "a.ingot", "one\n\tθ = \x1b[2J x\r\n");
    uint32_t b = diag_source(&d, "b", "bee");
    diag_error(&d, (ir_loc){a, 2, 4}, D_PROGRAM, "what\x07");
    diag_note(&d, (ir_loc){b, 1, 3}, "also %s", "here");
    assert_string_equal(d.message.at[0].text, "a.ingot:2:4: error: what\\x07\n"
                                              "     θ = \\x1b[2J x\n       ^\n"
                                              "b:1:3: note: also here\n    bee\n      ^");
    diag_free(&d);
}

/* A second error of one place is not kept, and its note does not hang on what came before. */
static void test_dropped_notes(void **state)
{
    diag d;
    (void)state;

    diag_init(&d);
    uint32_t a = diag_source(&d, "a.ingot", "one\n");
    diag_error(&d, (ir_loc){a, 1, 1}, D_PROGRAM, "first");
    diag_error(&d, (ir_loc){a, 1, 2}, D_PROGRAM, "second");
    diag_error(&d, (ir_loc){a, 1, 1}, D_PROGRAM, "first");
    diag_note(&d, (ir_loc){0}, "of the first");
    assert_int_equal(d.message.len, 2);
    assert_string_equal(d.message.at[1].text, "a.ingot:1:2: error: second\n    one\n     ^");
    assert_int_equal(d.errors, 3);
    diag_warning(&d, (ir_loc){a, 1, 3}, "third");
    diag_note(&d, (ir_loc){0}, "of the third");
    assert_string_equal(d.message.at[2].text,
                        "a.ingot:1:3: warning: third\n    one\n      ^\nnote: of the third");
    diag_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_no_model),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_functions_do_not_explode),
        cmocka_unit_test(test_nodes_without_files),
        cmocka_unit_test(test_gaps_are_grouped),
        cmocka_unit_test(test_carets),
        cmocka_unit_test(test_dropped_notes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
