/* frontend/onnx/training.c - dropout, and ai.onnx.preview.training: gradients, optimizers.
 *
 * An optimizer takes a rate R, a step count T, then all tensors X, all their gradients G,
 * and all of each kind of their states; it gives the new tensors, then the new states, in
 * the same order. */
#include "../onnx_build.h"

#include <math.h>

/* ---- optimizers -------------------------------------------------------------------- */

/* One tensor's update in the making. */
typedef struct update {
    onnx_op *n;
    ir_ref x, g;                /* g with the part that keeps x small */
    ir_ref state[2];
    ir_ref rate;                /* as broadcast to x */
    ir_ref step;                /* T in x's type, a scalar */
} update;

static ir_ref op2(const update *u, unsigned op, ir_ref x, ir_ref y)
{
    return ir_b2(u->n->b, op, x, y);
}

static ir_ref times(const update *u, double c, ir_ref x)
{
    return ir_2(u->n->b, OP_MUL, onnx_splat_like(u->n, x, c), x);
}

static ir_ref plus(const update *u, ir_ref x, double c)
{
    return ir_2(u->n->b, OP_ADD, x, onnx_splat_like(u->n, x, c));
}

/* a * x + b * y */
static ir_ref mix(const update *u, double a, ir_ref x, double b, ir_ref y)
{
    return op2(u, OP_ADD, times(u, a, x), times(u, b, y));
}

static ir_ref square(const update *u, ir_ref x)
{
    return op2(u, OP_MUL, x, x);
}

static ir_ref root(const update *u, ir_ref x)
{
    return ir_1(u->n->b, OP_SQRT, x);
}

/* `now` from the second step on (T > 0), `first` before. */
static ir_ref behind_first(const update *u, ir_ref now, ir_ref first)
{
    ir_ref zero = onnx_splat_like(u->n, u->step, 0);

    return ir_select(u->n->b, ir_2(u->n->b, OP_LT, zero, u->step), now, first);
}

/* 1 - c^T */
static ir_ref bias_of(const update *u, double c)
{
    ir_build *b = u->n->b;
    ir_ref power = ir_2(b, OP_POW, onnx_splat_like(u->n, u->step, c), u->step);

    return ir_2(b, OP_SUB, onnx_splat_like(u->n, u->step, 1), power);
}

/* A step of one tensor: writes its states, and gives the tensor. */
typedef ir_ref step_fn(update *u);

/*    m = a m + (1 - a) g     v = b v + (1 - b) g^2
 *    x = (1 - post) (x - R sqrt(1 - b^T) / (1 - a^T) m / (sqrt(v) + epsilon))
 *
 * The correction of the bias counts from the second step on, as ONNX has it. */
static ir_ref step_adam(update *u)
{
    onnx_op *n = u->n;
    double alpha = onnx_float(n, "alpha", 0.9), beta = onnx_float(n, "beta", 0.999);

    u->state[0] = mix(u, alpha, u->state[0], 1 - alpha, u->g);
    u->state[1] = mix(u, beta, u->state[1], 1 - beta, square(u, u->g));
    ir_ref dev = plus(u, root(u, u->state[1]), onnx_float(n, "epsilon", 1e-6));
    ir_ref scale = op2(u, OP_DIV, root(u, bias_of(u, beta)), bias_of(u, alpha));
    ir_ref rate = behind_first(u, op2(u, OP_MUL, u->rate, scale), u->rate);
    ir_ref by = op2(u, OP_DIV, op2(u, OP_MUL, rate, u->state[0]), dev);
    return times(u, 1 - onnx_float(n, "norm_coefficient_post", 0), op2(u, OP_SUB, u->x, by));
}

/* s = s + g^2, x = x - R / (1 + T * decay) * g / (sqrt(s) + epsilon) */
static ir_ref step_adagrad(update *u)
{
    onnx_op *n = u->n;
    ir_ref decay = plus(u, times(u, onnx_float(n, "decay_factor", 0), u->step), 1);

    u->state[0] = op2(u, OP_ADD, u->state[0], square(u, u->g));
    ir_ref dev = plus(u, root(u, u->state[0]), onnx_float(n, "epsilon", 1e-6));
    ir_ref by = op2(u, OP_MUL, op2(u, OP_DIV, u->rate, decay), u->g);
    return op2(u, OP_SUB, u->x, op2(u, OP_DIV, by, dev));
}

/* v = a v + b g with b = 1 in the first step; x = x - R v, or of nesterov x - R (g
 * + a v). */
static ir_ref step_momentum(update *u)
{
    onnx_op *n = u->n;
    double alpha = onnx_float(n, "alpha", 0);
    bool nesterov = onnx_choice_index(n, "mode", "standard nesterov");
    ir_ref beta = behind_first(u, onnx_splat_like(n, u->step, onnx_float(n, "beta", 0)),
                               onnx_splat_like(n, u->step, 1));

    u->state[0] = op2(u, OP_ADD, times(u, alpha, u->state[0]), op2(u, OP_MUL, beta, u->g));
    ir_ref by = nesterov ? op2(u, OP_ADD, u->g, times(u, alpha, u->state[0])) : u->state[0];
    return op2(u, OP_SUB, u->x, op2(u, OP_MUL, u->rate, by));
}

/* Operand i, which must be a scalar, in x's type. */
static ir_ref scalar_like(onnx_op *n, int i, ir_ref x)
{
    return ir_cast(n->b, ir_reshape(n->b, onnx_in(n, i), NULL, 0), onnx_dtype(n, x));
}

/* Tensor i of `count`. */
static bool update_one(onnx_op *n, int states, step_fn *step, int i, int count)
{
    update u = {.n = n, .x = onnx_in(n, 2 + i)};

    ir_ref g = onnx_in(n, 2 + count + i);
    for (int s = 0; s < states; s++)
        u.state[s] = onnx_in(n, 2 + (2 + s) * count + i);
    if (u.x == IR_NONE || g == IR_NONE || u.state[0] == IR_NONE)
        return onnx_fail(n, "tensor %d lacks its gradient or state", i);
    u.rate = scalar_like(n, 0, u.x);
    u.step = scalar_like(n, 1, u.x);
    u.g = op2(&u, OP_ADD, times(&u, onnx_float(n, "norm_coefficient", 0), u.x), g);
    bool ok = onnx_out(n, i, step(&u));
    for (int s = 0; s < states; s++)
        ok &= onnx_out(n, (1 + s) * count + i, u.state[s]);
    return ok;
}

/* All tensors of a node with so many states each. */
static bool optimizer(onnx_op *n, int states, step_fn *step)
{
    int each = 2 + states, count = (n->nin - 2) / each;
    bool ok = true;

    if (n->nin < 2 + each || (n->nin - 2) % each || n->nout != count * (1 + states))
        return onnx_fail(n, "takes a rate, a count, and %d operands for each tensor", each);
    for (int i = 0; i < count; i++)
        ok &= update_one(n, states, step, i, count);
    return ok;
}

bool onnx_adam(onnx_op *n) { return optimizer(n, 2, step_adam); }
bool onnx_adagrad(onnx_op *n) { return optimizer(n, 1, step_adagrad); }
bool onnx_momentum(onnx_op *n) { return optimizer(n, 1, step_momentum); }

/* ---- gradients ---------------------------------------------------------------------- */

static const char *name_of(onnx_op *n, ProtobufCBinaryData text)
{
    return arena_strndup(&n->b->m->mem, (const char *)text.data, text.len);
}

/* The names of a list attribute from position `at` on; the new position. */
static int add_names(onnx_op *n, const char *attr, const char **name, int at, int room)
{
    const Onnx__AttributeProto *a = onnx_attr(n, attr);

    for (size_t i = 0; a && i < a->n_strings && at < room; i++)
        name[at++] = name_of(n, a->strings[i]);
    return at;
}

/* A scalar: the gradient of a tensor is that of the sum of its elements. */
static ir_ref sum_all(onnx_op *n, ir_ref x)
{
    int32_t axes[IR_MAX_RANK];

    for (int i = 0; i < onnx_rank(n, x); i++)
        axes[i] = i;
    return ir_reduce(n->b, x, RED_SUM, axes, onnx_rank(n, x));
}

/* Operands are the values of xs, then of zs: y is made again of them (which is the same
 * nodes, where they are the graph's own values).  A y of several elements is summed up. */
bool onnx_gradient(onnx_op *n)
{
    const char **name = arena_array(&n->b->m->mem, const char *, n->nin + 1);
    ir_ref *args = arena_array(&n->b->m->mem, ir_ref, n->nin + 1);
    int xs = add_names(n, "xs", name, 0, n->nin);
    int count = add_names(n, "zs", name, xs, n->nin);

    if (!xs || count != n->nin || n->nout > xs)
        return onnx_fail(n, "takes a value for each name of xs and zs");
    for (int i = 0; i < count; i++)
        args[1 + i] = onnx_in(n, i);
    args[0] = onnx_made_again(n, name, args + 1, count,
                              name_of(n, onnx_attr(n, "y")->s));
    if (args[0] == IR_NONE)
        return false;
    args[0] = sum_all(n, args[0]);
    ir_ref dx = ir_make(n->b, OP_GRAD, args, (uint32_t)xs + 1, NULL);
    for (int i = 0; i < n->nout && dx != IR_NONE; i++)
        n->out[i] = dx + (ir_ref)i;
    return dx != IR_NONE;
}

/* ---- dropout -------------------------------------------------------------------------- */

/* Bits of a draw for each element of x, anew in every run; the key is the node's seed and
 * place. */
static ir_ref draw_like(onnx_op *n, ir_ref x)
{
    const ir_type *t = onnx_type(n, x), *pair = ir_ty(n->b, DT_U32, (ir_dim[]){{2}}, 1);
    const uint32_t key[2] = {(uint32_t)onnx_int(n, "seed", 0),
                             (uint32_t)hash_text(n->place, 0)};
    ir_ref args[2] = {ir_const_ref(n->b, const_copy(n->b->m, pair, key, sizeof key)),
                      onnx_runs(n)};
    const ir_attr a = {.RNG = {.shape = {t->rank, t->dim}}};

    return ir_make(n->b, OP_RNG, args, 2, &a);
}

/* f64 scalar v as elements of x's shape and a type. */
static ir_ref spread(onnx_op *n, ir_ref v, ir_ref x, ir_dtype to)
{
    const ir_type *t = onnx_type(n, x);

    return ir_broadcast_to(n->b, ir_cast(n->b, v, to), t->dim, t->rank);
}

/* A ratio that only the run knows, as f64; it is moved into [0, 1) instead of being refused. */
static ir_ref ratio_of_run(onnx_op *n)
{
    ir_ref r = ir_cast(n->b, onnx_in(n, 1), DT_F64);

    r = ir_2(n->b, OP_MAX, r, onnx_splat_like(n, r, 0));
    return ir_2(n->b, OP_MIN, r, onnx_splat_like(n, r, 1 - 0x1p-32));
}

/* Does the node drop?  Of a file that runs by itself as the file says; in a program where
 * `training` is true, unless the file says that it is for inference.  *known: or else its third
 * operand says so. */
static bool drops(onnx_op *n, bool *known)
{
    bool training, program = onnx_in_function(n, &training);
    double mode = program && !onnx_int(n, "is_test", 0);

    *known = !onnx_has(n, 2) || onnx_const_float(n, 2, &mode) || (program && !training);
    return !*known || (mode != 0 && (training || !program));
}

/* The share that a node drops, an f64 scalar, of inference 0; IR_NONE: nothing in any run.
 * False: a gap or an error. */
static bool dropped_share(onnx_op *n, ir_ref *out)
{
    double ratio = onnx_float(n, "ratio", 0.5);
    bool mode_known, training;

    *out = IR_NONE;
    if (n->since >= 6 && n->since < 7 && onnx_attr(n, "is_test") && !onnx_int(n, "is_test", 0) &&
        !onnx_in_function(n, &training))
        return onnx_gap(n, "training mode before version 12");
    if (!drops(n, &mode_known))
        return true;
    bool ratio_known = !onnx_has(n, 1) || onnx_const_float(n, 1, &ratio);
    if (ratio_known && !(ratio >= 0 && ratio < 1))
        return onnx_fail(n, "the ratio %g is not in [0, 1)", ratio);
    if (ratio_known && ratio == 0)
        return true;
    *out = ratio_known ? ir_splat(n->b, ir_ty(n->b, DT_F64, NULL, 0), ratio) : ratio_of_run(n);
    if (!mode_known)
        *out = ir_select(n->b, onnx_in(n, 2), *out, onnx_splat_like(n, *out, 0));
    return *out != IR_NONE;
}

/* In training what is kept, each element with probability 1 - ratio, is scaled by
 * 1 / (1 - ratio); in inference the identity. */
bool onnx_dropout(onnx_op *n)
{
    ir_ref x = onnx_in(n, 0), share, mask, y = x;

    if (!dropped_share(n, &share))
        return false;
    if (share == IR_NONE) {
        const ir_type *t = onnx_type(n, x);
        mask = ir_splat(n->b, ir_ty(n->b, DT_BOOL, t->dim, t->rank), 1);
    } else {
        ir_ref bits = draw_like(n, x), one = onnx_splat_like(n, share, 1);
        ir_ref end = ir_2(n->b, OP_MUL, share, onnx_splat_like(n, share, 0x1p32));
        mask = ir_2(n->b, OP_LE, spread(n, ir_1(n->b, OP_FLOOR, end), x, DT_U32), bits);
        ir_ref scale = ir_2(n->b, OP_DIV, one, ir_2(n->b, OP_SUB, one, share));
        ir_ref kept = ir_2(n->b, OP_MUL, x, spread(n, scale, x, onnx_dtype(n, x)));
        y = ir_select(n->b, mask, kept, onnx_splat_like(n, x, 0));
    }
    if (mask == IR_NONE || y == IR_NONE)
        return false;
    onnx_out(n, 1, n->since >= 10 ? mask : ir_cast(n->b, mask, onnx_dtype(n, x)));
    return onnx_out(n, 0, y);
}
