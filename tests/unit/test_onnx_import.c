/* The ONNX importer on models written by hand: what it builds, and what it
 * says about broken ones.  None may crash it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/resource.h>

#include "imported.h"

/* y = op(x) for x: f32[dims]. */
static text unary(const char *op, int rank, const int64_t *dims)
{
    text g = {0};

    wire_node(&g, op, "x", "y", NULL);
    wire_value(&g, 11, "x", rank, dims);
    wire_value(&g, 12, "y", rank, dims);
    return wire_model(&g, 17);
}

static void test_extents(void **state)
{
    int64_t unnamed[] = {WIRE_UNNAMED, -1, 3}, empty[] = {0, 3}, negative[] = {-2, 3};
    const char *bound[] = {"x_1"};
    int64_t value[] = {5};
    import_options dims = {.dim_name = bound, .dim_value = value, .dims = 1};
    import_shape shape = {"x", 3, {4, 6, 3}};
    import_options shapes = {.shape = &shape, .shapes = 1};
    (void)state;

    text m = unary("Relu", 3, unnamed);
    result_is(&m, NULL, "f32[x_0,x_1,3]");
    result_is(&m, &dims, "f32[x_0,5,3]");
    result_is(&m, &shapes, "f32[4,6,3]");
    text_free(&m);
    m = unary("Relu", 2, empty);
    result_is(&m, NULL, "f32[0,3]");
    text_free(&m);
    m = unary("Relu", 2, negative);
    refused(&m, "negative");
}

/* Nodes are numbered in the order of their operands, whatever the compiler. */
static void test_numbering(void **state)
{
    int64_t image[] = {1, 2, 4, 4};
    (void)state;

    text m = unary("GlobalLpPool", 4, image);
    imported_says(&m, "%1 = abs %x : f32[1,2,4,4]\n  %2 = const 2 ");
}

static void shape_refused(import_shape shape, const char *because)
{
    import_options o = {.shape = &shape, .shapes = 1};
    text m = unary("Relu", 2, square);
    diag d;

    diag_init(&d);
    assert_null(import(&m, &o, &d));
    expect(d.message.at[0].text, because);
    diag_free(&d);
    text_free(&m);
}

/* An extent that --shape gives holds wherever its name stands. */
static void test_shape_binds_a_name(void **state)
{
    import_shape shape = {"x", 1, {7}};
    import_options o = {.shape = &shape, .shapes = 1};
    text g = {0};
    (void)state;

    wire_node(&g, "Relu", "z", "y", NULL);
    named_value(&g, 11, "x", "N");
    named_value(&g, 11, "z", "N");
    named_value(&g, 12, "y", "N");
    text m = wire_model(&g, 17);
    result_is(&m, NULL, "f32[N]");
    result_is(&m, &o, "f32[7]");
    text_free(&m);
}

/* Names of dims may hold anything, and different ones are different dims. */
static void test_names_of_dims(void **state)
{
    text g = {0};
    (void)state;

    wire_node(&g, "Mul", "x x", "y", NULL);
    wire_node(&g, "Mul", "z z", "w", NULL);
    named_value(&g, 11, "x", "N-1");
    named_value(&g, 11, "z", "N 1");
    named_value(&g, 12, "w", "N 1");
    text m = wire_model(&g, 17);
    result_is(&m, NULL, "f32[\"N 1\"]");
    text_free(&m);
}

/* What must agree and is not known to is checked by the run. */
static void test_unproven_extents_are_checked(void **state)
{
    static const char *const op[] = {"MatMul", "Add"}, *const want[] = {"of operands differ",
                                                                       "cannot be broadcast"};
    (void)state;

    for (size_t i = 0; i < COUNT(op); i++) {
        text g = {0};
        wire_node(&g, op[i], "x z", "y", NULL);
        named_value(&g, 11, "x", "N");
        named_value(&g, 11, "z", "M");
        wire_value(&g, 12, "y", 0, NULL);
        text m = wire_model(&g, 17);
        imported_says(&m, want[i]);
    }
}

static void test_shape_option(void **state)
{
    import_shape same = {"x", 2, {2, 2}};
    import_options o = {.shape = &same, .shapes = 1};
    text m = unary("Relu", 2, square);
    (void)state;

    result_is(&m, &o, "f32[2,2]");
    text_free(&m);
    shape_refused((import_shape){"x", 2, {2, 3}}, "fixed to 2");
    shape_refused((import_shape){"x", 1, {2}}, "rank");
    shape_refused((import_shape){"z", 2, {2, 2}}, "--shape 'z' is unknown: give x");
}

/* A model of this IR version that lists an initializer among its inputs has as many. */
static void check_listed_initializer(int ir_version, uint32_t inputs)
{
    text g = {0}, w = wire_tensor("w", 2, square, "0123456789abcdef", 16);
    diag d;

    wire_node(&g, "Add", "x w", "y", NULL);
    wire_message(&g, 5, &w);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 11, "w", 2, square);
    wire_value(&g, 12, "y", 2, square);
    text model = wire_model_of(&g, 17, ir_version);
    diag_init(&d);
    ir_module *m = import(&model, NULL, &d);
    assert_non_null(m);
    const ir_fn *f = ir_module_find(m, "main");
    assert_int_equal(f->param.len, inputs);
    for (uint32_t i = 0; i < inputs; i++)
        assert_int_equal(f->param_default.at[i] != IR_NONE, i > 0);
    ir_module_free(m);
    diag_free(&d);
    text_free(&model);
}

/* A constant in IR 3, then the input's default. */
static void test_initializer_is_input(void **state)
{
    (void)state;
    check_listed_initializer(3, 1);
    check_listed_initializer(4, 2);
}

static void test_order(void **state)
{
    text g = {0};
    (void)state;

    wire_node(&g, "Relu", "a", "y", NULL);       /* before its operand is made */
    wire_node(&g, "Abs", "x", "a", NULL);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 12, "y", 2, square);
    text m = wire_model(&g, 17);
    result_is(&m, NULL, "f32[2,2]");
    text_free(&m);
}

static void test_broken_graphs(void **state)
{
    static const struct { const char *op, *in, *out, *op2, *in2, *out2, *because; } broken[] = {
        {"Relu", "b", "y", "Abs", "y", "b", "cycle"},
        {"Relu", "y", "y", "Abs", "x", "b", "cycle"},
        {"Relu", "nowhere", "y", "Abs", "x", "b", "'nowhere' is made by no node"},
        {"Relu", "x", "y", "Abs", "x", "y", "made twice"},
        {"Relu", "x", "z", "Abs", "x", "b", "output 'y' is made by no node"},
        {"Add", "x", "y", "Abs", "x", "b", "Add-17"},
        {"Concat", "", "y", "Abs", "x", "b", "Concat-17"},
        {"Reshape", "x", "y", "Abs", "x", "b", "Reshape-17"},
        {"If", "x", "y", "Abs", "x", "b", "If-17"},
        {"Gemm", "x", "y", "Abs", "x", "b", "Gemm-17"},
        {"LSTM", "x x x", "y", "Abs", "x", "b", "LSTM-17"},
        {"Conv", "x x", "y", "Abs", "x", "b", "Conv-17"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(broken); i++) {
        text g = {0};
        wire_node(&g, broken[i].op, broken[i].in, broken[i].out, NULL);
        wire_node(&g, broken[i].op2, broken[i].in2, broken[i].out2, NULL);
        wire_value(&g, 11, "x", 2, square);
        wire_value(&g, 12, "y", 2, square);
        text m = wire_model(&g, 17);
        refused(&m, broken[i].because);
    }
}

/* Imported or refused with a reason, whatever the node looks like. */
static void import_node(text *node, int opset)
{
    text g = {0};
    diag d;

    wire_message(&g, 1, node);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 12, "y", 2, square);
    text m = wire_model(&g, opset);
    diag_init(&d);
    ir_module *made = import(&m, NULL, &d);
    assert_true(made || diag_failed(&d));
    ir_module_free(made);
    diag_free(&d);
    text_free(&m);
}

static void test_declared_type(void **state)
{
    text g = {0};
    (void)state;

    wire_node(&g, "IsNaN", "x", "y", NULL);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 12, "y", 2, square);
    text m = wire_model(&g, 17);
    refused(&m, "'y' is declared as f32, but is bool");
}

/* Every operator of the table with too few and too many operands and results,
 * absent ones between them, without attributes and with subgraphs that take
 * nothing, or something. */
static void any_node(void *cx, const char *domain, const char *op, int since)
{
    static const char *const operands[] = {"", "x", "x x", "x x x", "-", "- x", "x - x"};
    static const char *const results[] = {"y", "y a b c", "y a b c d e f g h i j k l m n o p q"};
    enum { GRAPHS = 4 };

    (void)cx;
    for (size_t i = 0; i < COUNT(operands) * COUNT(results) * GRAPHS; i++) {
        text node = {0};
        int graphs = (int)(i / COUNT(operands) / COUNT(results));
        wire_words(&node, 1, operands[i % COUNT(operands)]);
        wire_words(&node, 2, results[i / COUNT(operands) % COUNT(results)]);
        wire_text(&node, 4, op);
        wire_text(&node, 7, domain);
        static const char *const names[] = {"body", "then_branch", "else_branch"};
        for (size_t k = 0; graphs && k < COUNT(names); k++)
            add_subgraph(&node, names[k], graphs - 1);
        import_node(&node, since);
    }
}

static void test_operators_on_wrong_operands(void **state)
{
    (void)state;
    onnx_each_operator(any_node, NULL);
}

/* An If of these branches, which are freed. */
static void add_if(text *graph, const char *cond, const char *out, text *yes, text *no)
{
    text node = {0}, *const branch[] = {yes, no};

    wire_words(&node, 1, cond);
    wire_words(&node, 2, out);
    wire_text(&node, 4, "If");
    for (size_t i = 0; i < COUNT(branch); i++) {
        text a = {0};
        wire_text(&a, 1, i ? "else_branch" : "then_branch");
        wire_message(&a, 6, branch[i]);
        wire_int(&a, 20, 5);
        wire_message(&node, 5, &a);
    }
    wire_message(graph, 1, &node);
}

/* A truth that only the run knows. */
static void add_condition(text *graph, const char *x, const char *out)
{
    wire_node(graph, "ReduceMax", x, "m", NULL);
    wire_node(graph, "IsNaN", "m", "n", NULL);
    wire_node(graph, "Squeeze", "n", out, NULL);
}

/* A branch: r, the operator of x, as each of its results. */
static text branch_of(const char *op, const char *x, int results)
{
    text g = {0};

    wire_node(&g, op, x, "r", NULL);
    for (int i = 0; i < results; i++)
        wire_value(&g, 12, "r", 0, NULL);
    return g;
}

static void test_branches_give_as_many_results(void **state)
{
    text g = {0}, yes = branch_of("Relu", "x", 40), no = branch_of("Abs", "x", 1);
    (void)state;

    add_condition(&g, "x", "c");
    add_if(&g, "c", "y", &yes, &no);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 12, "y", 2, square);
    text m = wire_model(&g, 17);
    refused(&m, "branches give 40 and 1 results");
}

/* What follows an If of different ranks is built twice; here one of the two
 * has an operator that is not supported. */
static void test_gap_in_one_copy(void **state)
{
    text g = {0}, yes = branch_of("Relu", "x", 1), no = {0};
    text fine = branch_of("Relu", "v", 1), bad = branch_of("NoSuchThing", "v", 1);
    (void)state;

    wire_node(&no, "ReduceMax", "x", "r", NULL);
    wire_node(&no, "Squeeze", "r", "s", NULL);
    wire_value(&no, 12, "s", 0, NULL);
    add_condition(&g, "x", "c");
    add_if(&g, "c", "v", &yes, &no);
    wire_node(&g, "Shape", "v", "d", NULL);
    wire_node(&g, "Size", "d", "rank", NULL);
    text to = attribute("to", 2, "9");
    wire_node(&g, "Cast", "rank", "matrix", &to);
    add_if(&g, "matrix", "y", &fine, &bad);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 12, "y", 2, square);
    text m = wire_model(&g, 17);
    refused(&m, "NoSuchThing");
}

static void test_gaps_come_together(void **state)
{
    text g = {0};
    (void)state;

    wire_node(&g, "NoSuchThing", "x", "a", NULL);
    wire_node(&g, "Relu", "a", "b", NULL);
    wire_node(&g, "NorThis", "b", "y", NULL);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 12, "y", 2, square);
    text m = wire_model(&g, 17);
    char *got = complaint(&m);
    expect(got, "NoSuchThing");
    expect(got, "NorThis");
    expect(got, "node 0 'a'");
    assert_null(strstr(got, "Relu"));
    free(got);
    m = unary("GroupNormalization", 2, square);     /* came with opset 18 */
    refused(&m, "this version");
}

static void test_no_model(void **state)
{
    text empty = {0}, m = {0};
    (void)state;

    text_add(&m, "not a model");
    refused(&m, "m.onnx");
    text_addn(&empty, "", 0);
    refused(&empty, "holds no graph");
}

/* ---- damage --------------------------------------------------------------------- */

/* Convolution by an If, attributes, an initializer over 1 kB: a bit of all. */
static text sample(void)
{
    static float weights[300];
    int64_t x[] = {1, 3, WIRE_UNNAMED, WIRE_UNNAMED}, w[] = {4, 3, 5, 5};
    text g = {0}, pads = {0}, yes = branch_of("Relu", "c", 1), no = branch_of("Relu", "c", 1);
    text tensor = wire_tensor("w", 4, w, weights, sizeof weights);

    wire_text(&pads, 1, "pads");
    for (int i = 0; i < 4; i++)
        wire_int(&pads, 8, 2);
    wire_int(&pads, 20, 7);
    wire_node(&g, "Conv", "x w", "c", &pads);
    add_condition(&g, "c", "cond");
    add_if(&g, "cond", "y", &yes, &no);
    wire_message(&g, 5, &tensor);
    wire_value(&g, 11, "x", 4, x);
    wire_value(&g, 12, "y", 4, x);
    return wire_model(&g, 17);
}

static void try_bytes(const uint8_t *p, size_t n)
{
    text t = {0};
    diag d;

    text_addn(&t, (const char *)p, n);
    diag_init(&d);
    ir_module_free(import(&t, NULL, &d));
    diag_free(&d);
    text_free(&t);
}

static void test_sample_imports(void **state)
{
    text m = sample();
    (void)state;

    result_is(&m, NULL, "f32[1,4,x_2,x_3]");
    text_free(&m);
}

static void test_cut_off(void **state)
{
    text m = sample();
    (void)state;

    for (size_t n = 0; n < m.len; n++)
        try_bytes((const uint8_t *)m.at, n);
    text_free(&m);
}

static void test_flipped_bytes(void **state)
{
    static const uint8_t flip[] = {0xff, 0x01, 0x80, 0x40};
    text m = sample();
    (void)state;

    for (size_t i = 0; i < m.len; i++)
        for (size_t k = 0; k < COUNT(flip); k++) {
            m.at[i] = (char)(m.at[i] ^ flip[k]);
            try_bytes((const uint8_t *)m.at, m.len);
            m.at[i] = (char)(m.at[i] ^ flip[k]);
        }
    text_free(&m);
}

static void test_nesting(void **state)
{
    text t = {0};
    (void)state;

    for (int i = 0; i < 6000; i++) {
        text attr = {0}, node = {0}, graph = {0};
        wire_message(&attr, 6, &t);
        wire_message(&node, 5, &attr);
        wire_message(&graph, 1, &node);
        t = graph;
    }
    text m = wire_model(&t, 17);
    refused(&m, "nested too deeply");
}

#if defined __has_feature
#define INSTRUMENTED __has_feature(address_sanitizer)
#elif defined __SANITIZE_ADDRESS__
#define INSTRUMENTED 1
#else
#define INSTRUMENTED 0
#endif

/* Two bytes a node: the messages are far larger than the file. */
static void test_memory_is_bounded(void **state)
{
    enum { NODES = 2 * 1000 * 1000 };
    struct rusage usage;
    text g = {0};
    diag d;
    (void)state;

    for (int i = 0; i < NODES; i++)
        text_addn(&g, "\x0a\x00", 2);
    text m = wire_model(&g, 17);
    diag_init(&d);
    assert_null(import(&m, NULL, &d));
    diag_free(&d);
    getrusage(RUSAGE_SELF, &usage);
    if (!INSTRUMENTED)
        assert_in_range(usage.ru_maxrss, 0, 16 * (m.len >> 10) + 256 * 1024);
    text_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extents),
        cmocka_unit_test(test_numbering),
        cmocka_unit_test(test_shape_option),
        cmocka_unit_test(test_shape_binds_a_name),
        cmocka_unit_test(test_names_of_dims),
        cmocka_unit_test(test_unproven_extents_are_checked),
        cmocka_unit_test(test_initializer_is_input),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_broken_graphs),
        cmocka_unit_test(test_declared_type),
        cmocka_unit_test(test_operators_on_wrong_operands),
        cmocka_unit_test(test_branches_give_as_many_results),
        cmocka_unit_test(test_gap_in_one_copy),
        cmocka_unit_test(test_gaps_come_together),
        cmocka_unit_test(test_no_model),
        cmocka_unit_test(test_sample_imports),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
