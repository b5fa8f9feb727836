/* The importer on single operators: shapes and counts that do not fit, numbers
 * at the ends of their range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "imported.h"

/* A list of one integer, so many times. */
static text list_attribute(const char *name, int64_t value, int times)
{
    text a = {0};

    wire_text(&a, 1, name);
    for (int i = 0; i < times; i++)
        wire_int(&a, 8, value);
    wire_int(&a, 20, 7);
    return a;
}

/* There are fewer results than sizes. */
static void test_split_in_many(void **state)
{
    int64_t many[] = {3000};
    text g = {0}, split = list_attribute("split", 1, 3000);
    (void)state;

    wire_node(&g, "Split", "x", "y z", &split);
    wire_value(&g, 11, "x", 1, many);
    wire_value(&g, 12, "y", 1, (int64_t[]){1});
    text m = wire_model(&g, 11);
    result_is(&m, NULL, "f32[1]");
    text_free(&m);
}

/* i64[1] */
static void add_integer(text *graph, const char *name, int64_t value)
{
    text a = list_attribute("value_ints", value, 1);

    wire_node(graph, "Constant", "", name, &a);
}

static void test_least_step(void **state)
{
    int64_t extent[] = {30};
    text slice = {0}, range = {0};
    (void)state;

    add_integer(&slice, "from", 5);
    add_integer(&slice, "to", 0);
    add_integer(&slice, "axis", 0);
    add_integer(&slice, "step", INT64_MIN);
    wire_node(&slice, "Slice", "x from to axis step", "y", NULL);
    wire_value(&slice, 11, "x", 1, extent);
    wire_value(&slice, 12, "y", 1, extent);
    text m = wire_model(&slice, 17);
    result_is(&m, NULL, "f32[1]");
    text_free(&m);
    add_integer(&range, "from", 0);
    add_integer(&range, "to", -1);
    add_integer(&range, "step", INT64_MIN);
    wire_node(&range, "Range", "from to step", "y", NULL);
    wire_node(&range, "Relu", "x", "z", NULL);
    wire_value(&range, 11, "x", 1, extent);
    wire_value(&range, 12, "z", 1, extent);
    m = wire_model(&range, 17);
    refused(&m, "overflows");
}

/* x[from:to] of n elements has the type `want`. */
static void check_slice(int64_t from, int64_t to, const char *want)
{
    int64_t extent[] = {WIRE_UNNAMED};
    text g = {0};

    add_integer(&g, "from", from);
    add_integer(&g, "to", to);
    wire_node(&g, "Slice", "x from to", "y", NULL);
    wire_value(&g, 11, "x", 1, extent);
    wire_value(&g, 12, "y", 1, extent);
    text m = wire_model(&g, 17);
    result_is(&m, NULL, want);
    text_free(&m);
}

/* The largest numbers of 32 and of 64 bits mean the end. */
static void test_slice_to_the_end(void **state)
{
    (void)state;
    check_slice(0, INT64_MAX, "f32[x_0]");
    check_slice(0, INT32_MAX, "f32[x_0]");
    check_slice(-INT32_MAX, INT32_MAX, "f32[x_0]");
    check_slice(0, INT32_MAX - 1, "f32[min(2147483646,x_0)]");
}

/* x[.., 4] quantized in blocks of 2 along its last axis: the scales are [.., 2].
 * The others have this extent. */
static text quantize_blocks(int rank, int64_t extent)
{
    int64_t x[16], scale[16];
    text g = {0}, node = {0}, axis = attribute("axis", 2, "-1");
    text block = attribute("block_size", 2, "2"), to = attribute("to", 2, "1");

    for (int i = 0; i < rank; i++)
        x[i] = scale[i] = extent;
    x[rank - 1] = 4, scale[rank - 1] = 2;
    wire_words(&node, 1, "x s");
    wire_words(&node, 2, "y");
    wire_text(&node, 4, "QuantizeLinear");
    wire_message(&node, 5, &axis);
    wire_message(&node, 5, &block);
    wire_message(&g, 1, &node);
    wire_value(&g, 11, "x", rank, x);
    wire_value(&g, 11, "s", rank, scale);
    wire_node(&g, "Cast", "y", "z", &to);
    wire_value(&g, 12, "z", rank, x);
    return wire_model(&g, 21);
}

static void test_quantize_blocks(void **state)
{
    (void)state;

    text m = quantize_blocks(1, 0);
    result_is(&m, NULL, "f32[4]");
    text_free(&m);
    m = quantize_blocks(2, WIRE_UNNAMED);
    imported_says(&m, "blocks of scales: an extent is not as expected");
    m = quantize_blocks(16, 1);
    refused(&m, "with the most axes");
}

/* A loss of scores x [2,5,3]. */
static text loss_of(int targets, const int64_t *target, int64_t weights)
{
    int64_t scores[] = {2, 5, 3};
    text g = {0}, to = attribute("to", 2, "7");

    wire_node(&g, "Cast", "t", "class", &to);
    wire_node(&g, "NegativeLogLikelihoodLoss", "x class w", "y", NULL);
    wire_value(&g, 11, "x", 3, scores);
    wire_value(&g, 11, "t", targets, target);
    wire_value(&g, 11, "w", 1, &weights);
    wire_value(&g, 12, "y", 0, NULL);
    return wire_model(&g, 17);
}

/* Images of another number of channels than the weights are told of once. */
static void test_channels_of_bytes(void **state)
{
    static const int64_t image[] = {1, 3, 4, 4}, filter[] = {2, 5, 1, 1};
    text g = {0}, to_u8 = attribute("to", 2, "2"), to_i8 = attribute("to", 2, "3");
    diag d;

    (void)state;
    wire_node(&g, "Cast", "x", "a", &to_u8);
    wire_node(&g, "Cast", "w", "b", &to_i8);
    wire_node(&g, "ConvInteger", "a b", "y", NULL);
    wire_value(&g, 11, "x", 4, image);
    wire_value(&g, 11, "w", 4, filter);
    wire_value(&g, 12, "y", 4, image);
    text m = wire_model(&g, 17);
    diag_init(&d);
    assert_null(import(&m, NULL, &d));
    assert_int_equal(d.errors, 1);
    expect(d.message.at[0].text, "has 3 channels, the weights expect 5");
    diag_free(&d);
    text_free(&m);
}

static void test_shapes_of_a_loss(void **state)
{
    const int64_t good[] = {2, 3}, turned[] = {3, 2};
    (void)state;

    text m = loss_of(2, good, 5);
    result_is(&m, NULL, "f32[]");
    text_free(&m);
    m = loss_of(2, turned, 5);
    refused(&m, "target: extent 3 at axis 0, expected 2");
    m = loss_of(2, good, 2);
    refused(&m, "weights: extent 2 at axis 0, expected 5");
}

/* Two steps of one row of three numbers, two hidden: an LSTM whose operand `name`
 * has other extents than it should. */
static text lstm_with(const char *name, int rank, const int64_t *dims)
{
    static const struct { const char *name; int rank; int64_t dims[3]; } operand[] = {
        {"x", 3, {2, 1, 3}}, {"w", 3, {1, 8, 3}}, {"r", 3, {1, 8, 2}}, {"b", 2, {1, 16}},
        {"len", 1, {1}}, {"h", 3, {1, 1, 2}}, {"c", 3, {1, 1, 2}}, {"p", 2, {1, 6}},
    };
    text g = {0}, to = attribute("to", 2, "6");

    wire_node(&g, "Cast", "len", "lens", &to);
    wire_node(&g, "LSTM", "x w r b lens h c p", "y", NULL);
    for (size_t i = 0; i < COUNT(operand); i++)
        if (strcmp(operand[i].name, name))
            wire_value(&g, 11, operand[i].name, operand[i].rank, operand[i].dims);
        else
            wire_value(&g, 11, name, rank, dims);
    wire_value(&g, 12, "y", 0, NULL);
    return wire_model(&g, 17);
}

static void test_shapes_of_a_recurrent_layer(void **state)
{
    static const struct {
        const char *name;
        int rank;
        int64_t dims[4];
        const char *because;
    } bad[] = {
        {"w", 3, {2, 8, 3}, "W: extent 2 at axis 0, expected 1"},
        {"r", 3, {1, 10, 2}, "R: extent 10 at axis 1, expected 8"},
        {"b", 2, {1, 18}, "B: extent 18 at axis 1, expected 16"},
        {"len", 1, {2}, "sequence_lens: extent 2 at axis 0, expected 1"},
        {"h", 4, {1, 1, 1, 2}, "initial_h: rank 4, expected 3"},
        {"c", 3, {1, 2, 1}, "initial_c: extent 2 at axis 1, expected 1"},
        {"p", 2, {1, 8}, "P: extent 8 at axis 1, expected 6"},
    };
    (void)state;

    text m = lstm_with("", 0, NULL);
    result_is(&m, NULL, "f32[2,1,1,2]");
    text_free(&m);
    for (size_t i = 0; i < COUNT(bad); i++) {
        m = lstm_with(bad[i].name, bad[i].rank, bad[i].dims);
        refused(&m, bad[i].because);
    }
}

/* The reduced 3, 3 as an extent. */
static void reduced_is(const char *op, const char *want)
{
    text g = {0}, threes = list_attribute("value_ints", 3, 2);

    wire_node(&g, "Constant", "", "t", &threes);
    wire_node(&g, op, "t", "d", NULL);
    wire_node(&g, "ConstantOfShape", "d", "y", NULL);
    wire_value(&g, 11, "x", 0, NULL);
    wire_value(&g, 12, "y", 0, NULL);
    text m = wire_model(&g, 17);
    result_is(&m, NULL, want);
    text_free(&m);
}

static void test_reduce_integers(void **state)
{
    (void)state;
    reduced_is("ReduceL2", "f32[4]");
    reduced_is("ReduceLogSum", "f32[1]");
    reduced_is("ReduceLogSumExp", "f32[3]");
}

/* f32[r] for the rank r of x[2,2] reduced along axes N and M, the lengths of other
 * inputs. */
static text reduced_along(const char *n, const char *m)
{
    text g = {0}, axis = attribute("axis", 2, "0"), keep = attribute("keepdims", 2, "0");
    text node = {0};

    wire_node(&g, "Shape", "a", "na", NULL);
    wire_node(&g, "Shape", "b", "nb", NULL);
    wire_node(&g, "Concat", "na nb", "axes", &axis);
    wire_words(&node, 1, "x axes");
    wire_words(&node, 2, "r");
    wire_text(&node, 4, "ReduceSum");
    wire_message(&node, 5, &keep);
    wire_message(&g, 1, &node);
    wire_node(&g, "Shape", "r", "s", NULL);
    wire_node(&g, "Shape", "s", "rank", NULL);
    wire_node(&g, "ConstantOfShape", "rank", "y", NULL);
    wire_value(&g, 11, "x", 2, square);
    named_value(&g, 11, "a", n);
    named_value(&g, 11, "b", m);
    wire_value(&g, 12, "y", 0, NULL);
    return wire_model(&g, 17);
}

static void test_axes_listed_twice(void **state)
{
    (void)state;

    text m = reduced_along("N", "N");
    result_is(&m, NULL, "f32[1]");
    text_free(&m);
    m = reduced_along("N", "M");
    imported_says(&m, "an axis is listed twice");
}

static void test_resize_too_far(void **state)
{
    int64_t extents[] = {1, 1 << 20};
    text g = {0}, sizes = list_attribute("value_ints", (int64_t)1 << 62, 2);
    text policy = attribute("keep_aspect_ratio_policy", 3, "not_smaller");
    (void)state;

    wire_node(&g, "Constant", "", "s", &sizes);
    wire_node(&g, "Resize", "x - - s", "y", &policy);
    wire_value(&g, 11, "x", 2, extents);
    wire_value(&g, 12, "y", 2, extents);
    text m = wire_model(&g, 19);
    refused(&m, "gives an extent of 4.6");
}

/* A count that 32 bits do not hold is not cut to what they do: here to the least
 * of all, to 0 and to 1. */
static void test_far_counts(void **state)
{
    static const struct { const char *op, *in, *attribute; int64_t value; } bad[] = {
        {"Scan", "x", "num_scan_inputs", INT64_C(1) << 31},
        {"Scan", "x", "num_scan_inputs", (INT64_C(1) << 32) + 1},
        {"GatherND", "x i", "batch_dims", INT64_C(1) << 32},
        {"Split", "x", "num_outputs", (INT64_C(1) << 32) + 1},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        text g = {0}, node = {0}, a = {0}, index = list_attribute("value_ints", 0, 1);
        wire_text(&a, 1, bad[i].attribute);
        wire_int(&a, 3, bad[i].value);
        wire_int(&a, 20, 2);
        wire_words(&node, 1, bad[i].in);
        wire_words(&node, 2, "y");
        wire_text(&node, 4, bad[i].op);
        wire_message(&node, 5, &a);
        if (!strcmp(bad[i].op, "Scan"))
            add_subgraph(&node, "body", 1);
        wire_message(&g, 1, &node);
        wire_node(&g, "Constant", "", "i", &index);
        wire_value(&g, 11, "x", 2, square);
        wire_value(&g, 12, "y", 2, square);
        text m = wire_model(&g, 18);
        refused(&m, bad[i].op);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_in_many),
        cmocka_unit_test(test_least_step), cmocka_unit_test(test_slice_to_the_end),
        cmocka_unit_test(test_quantize_blocks),
        cmocka_unit_test(test_channels_of_bytes),
        cmocka_unit_test(test_shapes_of_a_loss),
        cmocka_unit_test(test_shapes_of_a_recurrent_layer),
        cmocka_unit_test(test_reduce_integers),
        cmocka_unit_test(test_axes_listed_twice),
        cmocka_unit_test(test_resize_too_far),
        cmocka_unit_test(test_far_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
