/* The ONNX importer on models written by hand: what it builds, and what it
 * says about broken ones.  None may crash it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/resource.h>
#include <unistd.h>

#include "onnx.h"
#include "wire.h"

static const int64_t square[] = {2, 2};

static ir_module *import(const text *model, const onnx_options *o, diag *d)
{
    ir_module *m = onnx_import_memory((const uint8_t *)model->at, model->len, "m.onnx", o, d);

    assert_int_equal(m != NULL, !diag_failed(d));
    if (m)
        assert_true(ir_verify(m, d, "import"));
    return m;
}

/* What is printed about a model that must be refused; the model is freed. */
static char *complaint(text *model)
{
    diag d;
    char *out = NULL;
    size_t size;

    diag_init(&d);
    ir_module *m = import(model, NULL, &d);
    assert_null(m);
    FILE *f = open_memstream(&out, &size);
    diag_print(&d, f);
    fclose(f);
    diag_free(&d);
    text_free(model);
    return out;
}

static void expect(const char *got, const char *part)
{
    if (!strstr(got, part))
        fail_msg("'%s' does not say '%s'", got, part);
}

static void refused(text *model, const char *because)
{
    char *got = complaint(model);

    expect(got, because);
    free(got);
}

/* Type of the entry's first result; the model is kept. */
static void result_is(const text *model, const onnx_options *o, const char *want)
{
    diag d;
    text t = {0};

    diag_init(&d);
    ir_module *m = import(model, o, &d);
    if (!m)
        fail_msg("%s", d.message.len ? d.message.at[0].text : "unsupported");
    const ir_fn *f = ir_module_find(m, "main");
    type_print(&m->types, ir_type_of(f, f->result.at[0]), &t);
    assert_string_equal(t.at, want);
    text_free(&t);
    ir_module_free(m);
    diag_free(&d);
}

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
    onnx_options dims = {.dim_name = bound, .dim_value = value, .dims = 1};
    onnx_input_shape shape = {"x", 3, {4, 6, 3}};
    onnx_options shapes = {.shape = &shape, .shapes = 1};
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

static void shape_refused(onnx_input_shape shape, const char *because)
{
    onnx_options o = {.shape = &shape, .shapes = 1};
    text m = unary("Relu", 2, square);
    diag d;

    diag_init(&d);
    assert_null(import(&m, &o, &d));
    expect(d.message.at[0].text, because);
    diag_free(&d);
    text_free(&m);
}

/* f32[dim] */
static void named_value(text *graph, uint32_t field, const char *name, const char *dim)
{
    text extent = {0}, shape = {0}, tensor = {0}, type = {0}, value = {0};

    wire_text(&extent, 2, dim);
    wire_message(&shape, 1, &extent);
    wire_int(&tensor, 1, 1);
    wire_message(&tensor, 2, &shape);
    wire_message(&type, 1, &tensor);
    wire_text(&value, 1, name);
    wire_message(&value, 2, &type);
    wire_message(graph, field, &value);
}

/* An extent that --shape gives holds wherever its name stands. */
static void test_shape_binds_a_name(void **state)
{
    onnx_input_shape shape = {"x", 1, {7}};
    onnx_options o = {.shape = &shape, .shapes = 1};
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

/* The model's IR says this; the model is freed. */
static void imported_says(text *model, const char *part)
{
    text t = {0};
    diag d;

    diag_init(&d);
    ir_module *m = import(model, NULL, &d);
    assert_non_null(m);
    ir_print(m, &t);
    expect(t.at, part);
    text_free(&t);
    ir_module_free(m);
    diag_free(&d);
    text_free(model);
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
    onnx_input_shape same = {"x", 2, {2, 2}};
    onnx_options o = {.shape = &same, .shapes = 1};
    text m = unary("Relu", 2, square);
    (void)state;

    result_is(&m, &o, "f32[2,2]");
    text_free(&m);
    shape_refused((onnx_input_shape){"x", 2, {2, 3}}, "fixed to 2");
    shape_refused((onnx_input_shape){"x", 1, {2}}, "rank");
    shape_refused((onnx_input_shape){"z", 2, {2, 2}}, "no input 'z'");
}

/* IR 3: an initializer is listed among the inputs, and is a constant. */
static void test_initializer_is_input(void **state)
{
    text g = {0}, w = wire_tensor("w", 2, square, "0123456789abcdef", 16);
    diag d;
    (void)state;

    wire_node(&g, "Add", "x w", "y", NULL);
    wire_message(&g, 5, &w);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 11, "w", 2, square);
    wire_value(&g, 12, "y", 2, square);
    text model = wire_model(&g, 17);
    diag_init(&d);
    ir_module *m = import(&model, NULL, &d);
    assert_non_null(m);
    assert_int_equal(ir_module_find(m, "main")->param.len, 1);
    ir_module_free(m);
    diag_free(&d);
    text_free(&model);
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

/* A subgraph attribute: as many inputs, the Relu of the first or of x. */
static void add_subgraph(text *node, const char *name, int inputs)
{
    text g = {0}, a = {0};

    wire_node(&g, "Relu", inputs ? "p" : "x", "r", NULL);
    for (int i = 0; i < inputs; i++)
        wire_value(&g, 11, (char[]){(char)('p' + i), 0}, 2, square);
    wire_value(&g, 12, "r", 2, square);
    wire_text(&a, 1, name);
    wire_message(&a, 6, &g);
    wire_int(&a, 20, 5);
    wire_message(node, 5, &a);
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

/* An attribute of a type: a float, an integer, a text or a list of one text,
 * others without value. */
static text attribute(const char *name, int type, const char *value)
{
    text a = {0};

    wire_text(&a, 1, name);
    if (type == 2)
        wire_int(&a, 3, atoi(value));
    if (type == 3)
        wire_text(&a, 4, value);
    if (type == 8)
        wire_text(&a, 9, value);
    if (type == 1) {
        float f = strtof(value, NULL);
        wire_varint(&a, 2 << 3 | 5);
        text_addn(&a, (const char *)&f, sizeof f);
    }
    wire_int(&a, 20, type);
    return a;
}

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

static text with_tensor(const int64_t *dims, int rank, size_t bytes)
{
    static const char raw[64];
    text g = {0}, w = wire_tensor("w", rank, dims, raw, bytes);

    wire_node(&g, "Add", "x w", "y", NULL);
    wire_message(&g, 5, &w);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 12, "y", 2, square);
    return wire_model(&g, 17);
}

static void test_broken_tensors(void **state)
{
    const int64_t huge[] = {INT64_MAX, INT64_MAX}, wraps[] = {(int64_t)1 << 59},
                  negative[] = {-2, -2};
    (void)state;

    text m = with_tensor(huge, 2, 16);
    refused(&m, "too large");
    m = with_tensor(wraps, 1, 0);
    refused(&m, "tensor 'w'");
    m = with_tensor(negative, 2, 16);
    refused(&m, "negative");
    m = with_tensor(square, 2, 12);
    refused(&m, "wrong length");
}

/* ---- external data -------------------------------------------------------------- */

static char folder[] = "/tmp/ingot_import_XXXXXX";

static const char *path_of(const char *name)
{
    static char path[200];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void external_model(const char *location, const char *offset)
{
    const char *const pair[][2] = {{"location", location}, {"offset", offset}, {"length", "16"}};
    text g = {0}, w = wire_tensor("w", 2, square, "", 0);

    for (size_t i = 0; i < COUNT(pair); i++) {
        text e = {0};
        wire_text(&e, 1, pair[i][0]);
        wire_text(&e, 2, pair[i][1]);
        wire_message(&w, 13, &e);
    }
    wire_int(&w, 14, 1);
    wire_node(&g, "Add", "x w", "y", NULL);
    wire_message(&g, 5, &w);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 12, "y", 2, square);
    text m = wire_model(&g, 17);
    write_file(path_of("inner/m.onnx"), m.at, m.len);
    text_free(&m);
}

/* "" if the model loads, else what is said. */
static void external_says(const char *location, const char *offset, const char *because)
{
    diag d;

    external_model(location, offset);
    diag_init(&d);
    ir_module *m = onnx_import(path_of("inner/m.onnx"), NULL, &d);
    assert_int_equal(m != NULL, !*because);
    if (!m)
        expect(d.message.at[0].text, because);
    ir_module_free(m);
    diag_free(&d);
}

static void test_external_data(void **state)
{
    static const char raw[24] = "0123456789abcdefghijklm";
    char command[240];
    (void)state;

    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command, "mkdir -p %s/inner/sub", folder);
    assert_int_equal(system(command), 0);
    write_file(path_of("outside"), raw, sizeof raw);
    write_file(path_of("inner/in"), raw, sizeof raw);
    write_file(path_of("inner/sub/in"), raw, sizeof raw);
    assert_int_equal(symlink("../outside", path_of("inner/link")), 0);
    external_says("in", "8", "");
    external_says("sub/in", "0", "");
    external_says("in", "9", "ends before");
    external_says("in", "18446744073709551615", "ends before");
    external_says("in", "-1", "is no number");
    external_says("missing", "0", "tensor 'w'");
    external_says("../outside", "0", "not in the model's folder");
    external_says("sub/../../outside", "0", "not in the model's folder");
    external_says(path_of("inner/in"), "0", "not in the model's folder");
    external_says("link", "0", "not in the model's folder");
    external_says("sub", "0", "not a regular file");
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
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
        cmocka_unit_test(test_shape_option),
        cmocka_unit_test(test_shape_binds_a_name),
        cmocka_unit_test(test_names_of_dims),
        cmocka_unit_test(test_unproven_extents_are_checked),
        cmocka_unit_test(test_initializer_is_input),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_broken_graphs),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_zero_attribute),
        cmocka_unit_test(test_split_in_many),
        cmocka_unit_test(test_least_step),
        cmocka_unit_test(test_quantize_blocks),
        cmocka_unit_test(test_reduce_integers),
        cmocka_unit_test(test_axes_listed_twice),
        cmocka_unit_test(test_resize_too_far),
        cmocka_unit_test(test_far_counts),
        cmocka_unit_test(test_shapes_of_a_loss),
        cmocka_unit_test(test_shapes_of_a_recurrent_layer),
        cmocka_unit_test(test_declared_type),
        cmocka_unit_test(test_operators_on_wrong_operands),
        cmocka_unit_test(test_branches_give_as_many_results),
        cmocka_unit_test(test_gap_in_one_copy),
        cmocka_unit_test(test_gaps_come_together),
        cmocka_unit_test(test_no_model),
        cmocka_unit_test(test_broken_tensors),
        cmocka_unit_test(test_external_data),
        cmocka_unit_test(test_sample_imports),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
