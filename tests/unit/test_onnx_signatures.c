/* The importer on nodes whose operands, results and attributes are not those of their
 * operators, and the tables that say so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "imported.h"

static void test_signatures(void **state)
{
    static const struct {
        const char *op, *in, *out, *name, *value, *because;
        int type;
    } bad[] = {
        {"Relu", "x x", "y", NULL, NULL, "takes 1 operand, has 2", 0},
        {"Concat", "", "y", "axis", "0", "takes at least 1 operand, has 0", 2},
        {"Clip", "x x x x", "y", NULL, NULL, "takes 1 to 3 operands, has 4", 0},
        {"Relu", "x", "y z", NULL, NULL, "takes 1 result, has 2", 0},
        {"Relu", "x", "y", "alpha", "1", "no attribute 'alpha'", 1},
        {"Flatten", "x", "y", "axis", "1", "'axis' must be an integer", 1},
        {"Softmax", "x", "y", "axis", "foo", "'axis' must be an integer", 3},
        {"Concat", "x x", "y", NULL, NULL, "'axis' is missing", 0},
        {"ConstantOfShape", "x", "y", "value", NULL, "'value' has no value", 4},
        {"Flatten", "x", "y", "axis", NULL, "'axis' has no value", 0},
        {"BitShift", "x x", "y", "direction", "left", "not one of: LEFT RIGHT", 3},
        {"RNN", "x x x", "y", "activations", "Swish", "activation 'Swish' is unknown", 8},
        {"GRU", "x x x", "y", "activations", "Tanh", "has 1 activations, not 2", 8},
        {"Flatten", "x", "y", "axes", "1", "no attribute 'axes'; did you mean 'axis'?", 2},
        {"Flaten", "x", "y", NULL, NULL, "is not known; did you mean Flatten?", 0},
        {"", "x", "y", NULL, NULL, "the operator has no name", 0},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        text g = {0}, a = {0};
        if (bad[i].name)
            a = attribute(bad[i].name, bad[i].type, bad[i].value);
        wire_node(&g, bad[i].op, bad[i].in, bad[i].out, bad[i].name ? &a : NULL);
        wire_value(&g, 11, "x", 2, square);
        wire_value(&g, 12, "y", 2, square);
        text m = wire_model(&g, 17);
        refused(&m, bad[i].because);
    }
}

/* A model of the one node FusedMatMul(in), with the opset of its domain or without. */
static text fused_matmul(const char *op, const char *in, text *attr, bool imports)
{
    text g = {0}, node = {0}, set = {0};

    wire_words(&node, 1, in);
    wire_text(&node, 2, "y");
    wire_text(&node, 4, op);
    wire_text(&node, 7, "com.microsoft");
    if (attr)
        wire_message(&node, 5, attr);
    wire_message(&g, 1, &node);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 12, "y", 2, square);
    text m = wire_model(&g, 17);
    wire_text(&set, 1, "com.microsoft");
    wire_int(&set, 2, 1);
    if (imports)
        wire_message(&m, 8, &set);
    text_free(&set);
    return m;
}

/* Operators outside the standard are held to what they take as those within are. */
static void test_signatures_of_other_domains(void **state)
{
    static const struct {
        const char *op, *in, *name, *value, *because;
        int type;
        bool imports;
    } bad[] = {
        {"FusedMatMul", "x x", "alpha", "2", "'alpha' must be a float", 2, true},
        {"FusedMatMul", "x x", "alpha", "2", "'alpha' must be a float", 3, true},
        {"FusedMatMul", "x x", "alhpa", "2", "'alhpa'; did you mean 'alpha'?", 1, true},
        {"FusedMatMul", "x x x", NULL, NULL, "takes 2 operands, has 3", 0, true},
        {"FusedMatmul", "x x", NULL, NULL, "did you mean FusedMatMul?", 0, true},
        {"FusedMatMul", "x x", NULL, NULL, "which operator set it uses", 0, false},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        text a = {0};
        if (bad[i].name)
            a = attribute(bad[i].name, bad[i].type, bad[i].value);
        text m = fused_matmul(bad[i].op, bad[i].in, bad[i].name ? &a : NULL, bad[i].imports);
        refused(&m, bad[i].because);
    }
    text a = attribute("alpha", 1, "2"), m = fused_matmul("FusedMatMul", "x x", &a, true);
    imported_says(&m, "const 2 ");
}

/* own.f(x) = Relu(x), a function of the file without attributes, called with one. */
static void test_attribute_of_a_function(void **state)
{
    text g = {0}, node = {0}, inner = {0}, f = {0}, set = {0}, a = attribute("alpha", 1, "2");
    (void)state;

    wire_words(&node, 1, "x");
    wire_text(&node, 2, "y");
    wire_text(&node, 4, "f");
    wire_message(&node, 5, &a);
    wire_text(&node, 7, "own");
    wire_message(&g, 1, &node);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 12, "y", 2, square);
    text m = wire_model(&g, 17);
    wire_text(&f, 1, "f");
    wire_text(&f, 4, "a");
    wire_text(&f, 5, "b");
    wire_text(&inner, 1, "a");
    wire_text(&inner, 2, "b");
    wire_text(&inner, 4, "Relu");
    wire_message(&f, 7, &inner);
    wire_int(&set, 2, 17);
    wire_message(&f, 9, &set);
    wire_text(&f, 10, "own");
    wire_message(&m, 25, &f);
    refused(&m, "function 'f' has no attribute 'alpha'");
}

/* What rows of the tables begin with. */
typedef struct row {
    const char *domain, *op;
    int since;
} row;

#define ROW(domain, op, since, ...) {domain, #op, since},
static const row operators[] = {
#define ONNX ROW
#include "onnx_ops.def"
};
static const row standard[] = {
#define SIGNATURE ROW
#include "onnx_signatures.def"
};
static const row others[] = {
#define SIGNATURE ROW
#include "onnx_ops.def"
};

static int compare(const row *a, const row *b)
{
    int c = strcmp(a->domain, b->domain);

    c = c ? c : strcmp(a->op, b->op);
    return c ? c : a->since - b->since;
}

/* Rows are found by halving: one out of order is not found, or hides another. */
static void check_order(const row *at, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (compare(&at[i - 1], &at[i]) >= 0)
            fail_msg("%s %s-%d stands before %s %s-%d", at[i - 1].domain, at[i - 1].op,
                     at[i - 1].since, at[i].domain, at[i].op, at[i].since);
}

static void test_rows_are_in_order(void **state)
{
    (void)state;

    check_order(operators, COUNT(operators));
    check_order(standard, COUNT(standard));
    check_order(others, COUNT(others));
}

/* Has the operator a signature from this version on? */
static bool is_among(const row *want, const row *at, size_t n)
{
    bool found = false;

    for (size_t i = 0; i < n; i++)
        found |= !strcmp(at[i].domain, want->domain) && !strcmp(at[i].op, want->op) &&
                 at[i].since <= want->since;
    return found;
}

static void test_each_operator_has_a_signature(void **state)
{
    (void)state;

    for (size_t i = 0; i < COUNT(operators); i++)
        if (!is_among(&operators[i], standard, COUNT(standard)) &&
            !is_among(&operators[i], others, COUNT(others)))
            fail_msg("%s-%d of '%s' has no signature: a SIGNATURE of onnx_ops.def",
                     operators[i].op, operators[i].since, operators[i].domain);
}

/* Writers that know proto3 leave a zero out. */
static void test_zero_attribute(void **state)
{
    text g = {0}, a = {0};
    (void)state;

    wire_text(&a, 1, "axis");
    wire_int(&a, 20, 2);
    wire_node(&g, "Concat", "x x", "y", &a);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 12, "y", 2, square);
    text m = wire_model(&g, 17);
    result_is(&m, NULL, "f32[4,2]");
    text_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_signatures_of_other_domains),
        cmocka_unit_test(test_attribute_of_a_function),
        cmocka_unit_test(test_rows_are_in_order),
        cmocka_unit_test(test_each_operator_has_a_signature),
        cmocka_unit_test(test_zero_attribute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
