/* frontend/onnx/rnn_activation.c - activation functions of recurrent layers.
 *
 * Attributes hold one list of alphas and one of betas for all functions of a
 * node: each function that has one takes the next. */
#include "rnn_activation.h"

static ir_ref splat(ir_build *b, ir_ref like, double value)
{
    return ir_splat(b, onnx_type_in(b, like), value);
}

static ir_ref with(ir_build *b, unsigned op, ir_ref x, double value)
{
    return ir_2(b, op, x, splat(b, x, value));
}

static ir_ref limit(ir_build *b, ir_ref x, double lo, double hi)
{
    return with(b, OP_MIN, with(b, OP_MAX, x, lo), hi);
}

/* All have one signature, so that a cell calls through a pointer; those without
 * alpha and beta say so. */
#define ACTIVATION(name) \
    static ir_ref name(ir_build *b, ir_ref x, double alpha, double beta)
#define UNUSED (void)alpha, (void)beta

ACTIVATION(relu) { UNUSED; return onnx_relu_of(b, x); }
ACTIVATION(tanh_of) { UNUSED; return ir_1(b, OP_TANH, x); }
ACTIVATION(sigmoid) { UNUSED; return ir_1(b, OP_SIGMOID, x); }
ACTIVATION(softplus) { UNUSED; return onnx_log1p_exp(b, x); }
ACTIVATION(softsign)
{
    UNUSED;
    return ir_2(b, OP_DIV, x, with(b, OP_ADD, ir_1(b, OP_ABS, x), 1));
}
ACTIVATION(affine) { return with(b, OP_ADD, with(b, OP_MUL, x, alpha), beta); }
ACTIVATION(hard_sigmoid) { return limit(b, affine(b, x, alpha, beta), 0, 1); }
ACTIVATION(scaled_tanh)
{
    return with(b, OP_MUL, ir_1(b, OP_TANH, with(b, OP_MUL, x, beta)), alpha);
}
ACTIVATION(leaky_relu)
{
    (void)beta;
    return onnx_if_positive(b, x, x, with(b, OP_MUL, x, alpha));
}
ACTIVATION(elu)
{
    (void)beta;
    return onnx_if_positive(b, x, x, with(b, OP_MUL, ir_1(b, OP_EXPM1, x), alpha));
}
ACTIVATION(thresholded_relu)
{
    (void)beta;
    ir_ref below = with(b, OP_LT, x, alpha);
    return ir_select(b, below, splat(b, x, 0), x);
}

/* Defaults are those of the operators of the same name. */
static const struct {
    const char *name;
    bool has_alpha, has_beta;
    rnn_activation f;
} table[] = {
    {"Affine", true, true, {affine, 1, 0}},
    {"Elu", true, false, {elu, 1, 0}},
    {"HardSigmoid", true, true, {hard_sigmoid, .2, .5}},
    {"LeakyRelu", true, false, {leaky_relu, .01, 0}},
    {"Relu", false, false, {relu, 0, 0}},
    {"ScaledTanh", true, true, {scaled_tanh, 1, 1}},
    {"Sigmoid", false, false, {sigmoid, 0, 0}},
    {"Softplus", false, false, {softplus, 0, 0}},
    {"Softsign", false, false, {softsign, 0, 0}},
    {"Tanh", false, false, {tanh_of, 0, 0}},
    {"ThresholdedRelu", true, false, {thresholded_relu, 1, 0}},
};

/* The row of a name of len characters; -1 if there is none. */
static int row_of(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i].name) == len && !memcmp(table[i].name, name, len))
            return (int)i;
    return -1;
}

/* What is left of a list of scales. */
typedef struct scales {
    const float *at;
    int len;
} scales;

static scales scales_of(onnx_op *n, const char *attr)
{
    scales s;

    s.at = onnx_floats(n, attr, &s.len);
    return s;
}

static double next_scale(scales *s, double otherwise)
{
    return s->len > 0 ? (s->len--, *s->at++) : otherwise;
}

/* Each direction gets the cell's usual ones, "Sigmoid Tanh Tanh". */
static void usual_activations(const char *usual, int total, rnn_activation *out)
{
    const char *at = usual;

    for (int i = 0; i < total; i++) {
        size_t len = strcspn(at, " ");
        out[i] = table[row_of(at, len)].f;
        at = at[len] ? at + len + 1 : usual;
    }
}

/* `count` functions of each direction into `out`, first all of direction 0.  False
 * after an error. */
bool rnn_activations(onnx_op *n, const char *usual, int count, int directions,
                     rnn_activation *out)
{
    const Onnx__AttributeProto *a = onnx_attr(n, "activations");
    int total = count * directions;

    usual_activations(usual, total, out);
    if (!a || !a->n_strings)
        return true;
    if (a->n_strings != (size_t)total)
        return onnx_fail(n, "has %zu activations, not %d", a->n_strings, total);
    scales alpha = scales_of(n, "activation_alpha"), beta = scales_of(n, "activation_beta");
    for (int i = 0; i < total; i++) {
        int row = row_of((const char *)a->strings[i].data, a->strings[i].len);
        if (row < 0)
            return onnx_fail(n, "activation '%.*s' is unknown", (int)a->strings[i].len,
                             (const char *)a->strings[i].data);
        out[i] = table[row].f;
        if (table[row].has_alpha)
            out[i].alpha = next_scale(&alpha, out[i].alpha);
        if (table[row].has_beta)
            out[i].beta = next_scale(&beta, out[i].beta);
    }
    return true;
}

ir_ref rnn_activate(ir_build *b, const rnn_activation *f, ir_ref x, double clip)
{
    return f->of(b, clip > 0 ? limit(b, x, -clip, clip) : x, f->alpha, f->beta);
}
