/* export/onnx_simple.c - writes sources, scalar functions and movement as ONNX. */
#include "const.h"
#include "onnx_writer.h"

bool ox_const(ox *g, const ir_node *n, const char **out)
{
    out[0] = ox_constant(g, n->attr->CONST.id);
    return true;
}

bool ox_dimval(ox *g, const ir_node *n, const char **out)
{
    out[0] = ox_dim(g, n->attr->DIMVAL.dim);
    return true;
}

bool ox_same(ox *g, const ir_node *n, const char **out)
{
    out[0] = ox_arg(g, n, 0);
    return true;
}

bool ox_bind(ox *g, const ir_node *n, const char **out)
{
    out[0] = g->file->symbol[n->attr->BIND.sym] = ox_arg(g, n, 0);
    return true;
}

bool ox_nothing(ox *g, const ir_node *n, const char **out)
{
    (void)g, (void)n, (void)out;
    return true;
}

bool ox_none(ox *g, const ir_node *n, const char **out)
{
    (void)out;
    return ox_gap(g, n, "ONNX has no operator for it");
}

/* A Range along its axis, expanded. */
bool ox_iota(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_IOTA *a = &n->attr->IOTA;
    ir_dim line[IR_MAX_RANK];

    for (int i = 0; i < a->shape.n; i++)
        line[i] = i == a->axis ? a->shape.at[i] : (ir_dim){1};
    const char *x = ox_3(g, "Range", ox_i64(g, 0), ox_dim(g, a->shape.at[a->axis]), ox_i64(g, 1));
    x = ox_reshape(g, ox_cast(g, x, a->dtype), line, a->shape.n);
    out[0] = ox_2(g, "Expand", x, ox_dims(g, a->shape.at, a->shape.n));
    return true;
}

/* ---- formulas: scalar functions that ONNX lacks, by those that it has ------------------------ */

static const char *mod_of(ox *g, const char *x, const char *y, bool sign_of_x)
{
    Onnx__NodeProto *p = ox_add(g, "Mod", (const char *const[]){x, y}, 2, 1);

    ox_int(g, p, "fmod", sign_of_x);
    return ox_result(p);
}

static const char *formula_rem(ox *g, const ir_node *n, ir_dtype dt)
{
    (void)dt;
    return mod_of(g, ox_arg(g, n, 0), ox_arg(g, n, 1), true);
}

/* Of floats ONNX has only the remainder that has the sign of x. */
static const char *formula_mod(ox *g, const ir_node *n, ir_dtype dt)
{
    const char *x = ox_arg(g, n, 0), *y = ox_arg(g, n, 1);

    if (!dt_is_float(dt))
        return mod_of(g, x, y, false);
    return mod_of(g, ox_2(g, "Add", mod_of(g, x, y, true), y), y, true);
}

/* 2 t / (1 - t) with t = tanh(x / 2), which is exact where x is small. */
static const char *formula_expm1(ox *g, const ir_node *n, ir_dtype dt)
{
    const char *x = ox_arg(g, n, 0);
    const char *one = ox_number(g, dt, 1), *two = ox_number(g, dt, 2);
    const char *t = ox_1(g, "Tanh", ox_2(g, "Div", x, two));
    const char *small = ox_2(g, "Div", ox_2(g, "Mul", two, t), ox_2(g, "Sub", one, t));
    const char *large = ox_2(g, "Sub", ox_1(g, "Exp", x), one);

    return ox_3(g, "Where", ox_2(g, "Less", ox_1(g, "Abs", x), one), small, large);
}

/* log(u) x / (u - 1) with u = 1 + x: the error of u is that of the quotient. */
static const char *formula_log1p(ox *g, const ir_node *n, ir_dtype dt)
{
    const char *x = ox_arg(g, n, 0);
    const char *one = ox_number(g, dt, 1), *u = ox_2(g, "Add", x, one);
    const char *d = ox_2(g, "Sub", u, one), *log = ox_1(g, "Log", u);
    const char *y = ox_2(g, "Mul", log, ox_2(g, "Div", x, d));
    const char *huge = ox_2(g, "Less", ox_number(g, dt, 1e4), x);

    y = ox_3(g, "Where", huge, log, y);
    return ox_3(g, "Where", ox_2(g, "Equal", u, one), x, y);
}

static const char *formula_trunc(ox *g, const ir_node *n, ir_dtype dt)
{
    const char *x = ox_arg(g, n, 0);
    const char *below = ox_2(g, "Less", x, ox_number(g, dt, 0));

    return ox_3(g, "Where", below, ox_1(g, "Ceil", x), ox_1(g, "Floor", x));
}

static const char *shifted(ox *g, const ir_node *n, const char *way)
{
    Onnx__NodeProto *p = ox_add(g, "BitShift",
                                (const char *const[]){ox_arg(g, n, 0), ox_arg(g, n, 1)}, 2, 1);

    ox_text(g, p, "direction", way);
    return ox_result(p);
}

static const char *formula_shl(ox *g, const ir_node *n, ir_dtype dt)
{
    (void)dt;
    return shifted(g, n, "LEFT");
}

static const char *formula_shr(ox *g, const ir_node *n, ir_dtype dt)
{
    (void)dt;
    return shifted(g, n, "RIGHT");
}

static const char *formula_fma(ox *g, const ir_node *n, ir_dtype dt)
{
    (void)dt;
    return ox_2(g, "Add", ox_2(g, "Mul", ox_arg(g, n, 0), ox_arg(g, n, 1)), ox_arg(g, n, 2));
}

static const char *formula_ne(ox *g, const ir_node *n, ir_dtype dt)
{
    (void)dt;
    return ox_1(g, "Not", ox_2(g, "Equal", ox_arg(g, n, 0), ox_arg(g, n, 1)));
}

/* Bytes of floats hold at most their greatest finite value, or infinity. */
static const char *formula_cast(ox *g, const ir_node *n, ir_dtype dt)
{
    const struct ir_attr_CAST *a = &n->attr->CAST;
    const char *y = ox_cast(g, ox_arg(g, n, 0), a->to);

    (void)dt;
    if (dt_is_float(a->to) && dt_bits(a->to) == 8)
        ox_int(g, g->node.at[g->node.len - 1], "saturate", a->saturate);
    return y;
}

/* ---- scalar functions ----------------------------------------------------------------- */

typedef enum how { NO, PLAIN, BITS, FORMULA } how;

/* The words of the column onnx of scalar.def: operators of the same name; of BITS: for bool,
 * with `Bitwise` before it for integers; functions above. */
#define no {NO, 0, 0}
#define same(name) {PLAIN, #name, 0}
#define bits(name) {BITS, #name, 0}
#define formula(name) {FORMULA, 0, formula_##name}
static const struct {
    how how;
    const char *op;
    const char *(*formula)(ox *g, const ir_node *n, ir_dtype dt);   /* of an operand's dtype */
} scalars[OP_SCALARS] = {
#define SCALAR(NAME, text, args, types, result, cost, flags, flt, int_, flt_llvm, int_llvm, grad, \
               say, word, meaning, onnx, ...)                                                     \
    [OP_##NAME] = onnx,
#include "scalar.def"
};
#undef no
#undef same
#undef bits
#undef formula

static const char *op_n(ox *g, const char *op, const ir_node *n)
{
    const char *in[3];

    for (uint32_t i = 0; i < n->narg; i++)
        in[i] = ox_arg(g, n, i);
    return ox_result(ox_add(g, op, in, n->narg, 1));
}

static const char *bits(ox *g, const ir_node *n, const char *op, ir_dtype dt)
{
    if (dt != DT_BOOL)
        op = arena_printf(&g->file->mem, "Bitwise%s", op);
    return op_n(g, op, n);
}

/* Is it zero everywhere? */
static bool is_zero(const ox *g, ir_ref r)
{
    const ir_node *n = ir_node_of(g->fn, r);
    char element[16] = {0}, zero[16] = {0};

    while (n->op == OP_BROADCAST)
        n = ir_node_of(g->fn, ir_arg(g->fn, n, 0));
    return n->op == OP_CONST && const_is_splat(g->file->m, n->attr->CONST.id, element) &&
           !memcmp(element, zero, sizeof zero);
}

/* select(x <= 0, 0, x), which is how Relu is read. */
static bool is_relu(const ox *g, const ir_node *n)
{
    const ir_node *le = n->op == OP_SELECT ? ir_node_of(g->fn, ir_arg(g->fn, n, 0)) : NULL;

    return le && le->op == OP_LE && ir_arg(g->fn, le, 0) == ir_arg(g->fn, n, 2) &&
           ir_arg(g->fn, le, 1) == ir_arg(g->fn, n, 1) && is_zero(g, ir_arg(g->fn, n, 1)) &&
           dt_is_float(ox_type(g, n, 2)->dtype);
}

/* By the table: the same operator, one with `Bitwise` before it, a formula, or a
 * gap. */
bool ox_scalar(ox *g, const ir_node *n, const char **out)
{
    ir_dtype dt = ox_type(g, n, 0)->dtype;

    if ((n->op == OP_SHL || n->op == OP_SHR) && dt_is_signed(dt))
        return ox_gap(g, n, "ONNX shifts unsigned integers only");
    if (is_relu(g, n)) {
        out[0] = ox_1(g, "Relu", ox_arg(g, n, 2));
        return true;
    }
    switch (scalars[n->op].how) {
    case PLAIN: out[0] = op_n(g, scalars[n->op].op, n); break;
    case BITS: out[0] = bits(g, n, scalars[n->op].op, dt); break;
    case FORMULA: out[0] = scalars[n->op].formula(g, n, dt); break;
    default: return ox_gap(g, n, "ONNX has no operator for it");
    }
    return true;
}

/* ---- movement ---------------------------------------------------------------------------- */

bool ox_reshape_node(ox *g, const ir_node *n, const char **out)
{
    const ir_dims s = n->attr->RESHAPE.shape;

    out[0] = ox_reshape(g, ox_arg(g, n, 0), s.at, s.n);
    return true;
}

bool ox_transpose_node(ox *g, const ir_node *n, const char **out)
{
    const ir_ints p = n->attr->TRANSPOSE.perm;

    out[0] = ox_transpose(g, ox_arg(g, n, 0), p.at, p.n);
    return true;
}

/* New axes of extent 1 first, then all as long as they should be. */
bool ox_broadcast(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_BROADCAST *a = &n->attr->BROADCAST;
    const char *x = ox_arg(g, n, 0);
    int64_t fresh[IR_MAX_RANK];
    size_t count = 0;

    for (int i = 0, j = 0; i < a->shape.n; i++) {
        if (j < a->axes.n && a->axes.at[j] == i)
            j++;
        else
            fresh[count++] = i;
    }
    if (count && ox_type(g, n, 0)->rank)
        x = ox_2(g, "Unsqueeze", x, ox_i64s(g, fresh, count));
    out[0] = a->shape.n ? ox_2(g, "Expand", x, ox_dims(g, a->shape.at, a->shape.n)) : x;
    return true;
}

/* Along one axis, whatever the step: positions start + i * step are gathered. */
static const char *picked(ox *g, const char *x, const struct ir_attr_SLICE *a, int axis)
{
    const char *i = ox_3(g, "Range", ox_i64(g, 0), ox_dim(g, a->extent.at[axis]), ox_i64(g, 1));

    i = ox_2(g, "Add", ox_2(g, "Mul", i, ox_dim(g, a->step.at[axis])),
             ox_dim(g, a->start.at[axis]));
    Onnx__NodeProto *p = ox_add(g, "Gather", (const char *const[]){x, i}, 2, 1);
    ox_int(g, p, "axis", axis);
    return ox_result(p);
}

/* Is the axis taken as a whole? */
static bool whole(const ox *g, const struct ir_attr_SLICE *a, const ir_type *t, int i)
{
    const dim_table *d = &g->file->m->dims;

    return dim_is(d, a->start.at[i], 0) && dim_is(d, a->step.at[i], 1) &&
           dim_same(a->extent.at[i], t->dim[i]);
}

/* Axes that are cut with positive steps by one Slice, others by Gather. */
bool ox_slice(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_SLICE *a = &n->attr->SLICE;
    dim_table *d = (dim_table *)&g->file->m->dims;
    const ir_type *t = ox_type(g, n, 0);
    ir_dim start[IR_MAX_RANK], end[IR_MAX_RANK], step[IR_MAX_RANK];
    const char *x = ox_arg(g, n, 0);
    int64_t axes[IR_MAX_RANK];
    int count = 0;

    for (int i = 0; i < t->rank; i++) {
        if (whole(g, a, t, i))
            continue;
        if (dim_lo(d, a->step.at[i]) < 1) {
            x = picked(g, x, a, i);
            continue;
        }
        start[count] = a->start.at[i];
        step[count] = a->step.at[i];
        end[count] = dim_add(d, a->start.at[i], dim_mul(d, a->extent.at[i], a->step.at[i]));
        axes[count++] = i;
    }
    if (count)
        x = ox_result(ox_add(g, "Slice", (const char *const[]){
            x, ox_dims(g, start, count), ox_dims(g, end, count),
            ox_i64s(g, axes, (size_t)count), ox_dims(g, step, count)}, 5, 1));
    out[0] = x;
    return true;
}

/* [.., d, ..] gets an axis behind d, is padded there by `inner`, and joined: each
 * element is followed by `inner` values.  The last ones are cut off again. */
const char *ox_spread(ox *g, const char *x, ir_dim *shape, int rank, int axis, ir_dim inner,
                      const char *value)
{
    dim_table *d = (dim_table *)&g->file->m->dims;
    ir_dim pads[2 * (IR_MAX_RANK + 1)] = {0};

    x = ox_2(g, "Unsqueeze", x, ox_i64s(g, (int64_t[]){axis + 1}, 1));
    pads[rank + 1 + axis + 1] = inner;
    x = ox_pad(g, x, ox_dims(g, pads, 2 * (rank + 1)), value);
    shape[axis] = dim_mul(d, shape[axis], dim_add(d, inner, (ir_dim){1}));
    x = ox_reshape(g, x, shape, rank);
    memset(pads, 0, sizeof pads);
    pads[rank + axis] = dim_neg(d, inner);
    shape[axis] = dim_sub(d, shape[axis], inner);
    return ox_pad(g, x, ox_dims(g, pads, 2 * rank), value);
}

/* Values between neighbours first, then borders around all. */
bool ox_pad_node(ox *g, const ir_node *n, const char **out)
{
    const struct ir_attr_PAD *a = &n->attr->PAD;
    const ir_type *t = ox_type(g, n, 0);
    const char *x = ox_arg(g, n, 0), *value = ox_arg(g, n, 1);
    ir_dim pads[2 * IR_MAX_RANK], shape[IR_MAX_RANK];

    for (int i = 0; i < t->rank; i++) {
        shape[i] = t->dim[i];
        pads[i] = a->low.at[i];
        pads[t->rank + i] = a->high.at[i];
    }
    for (int i = 0; i < a->inner.n; i++)
        if (!dim_is(&g->file->m->dims, a->inner.at[i], 0))
            x = ox_spread(g, x, shape, t->rank, i, a->inner.at[i], value);
    out[0] = ox_pad(g, x, ox_dims(g, pads, 2 * t->rank), value);
    return true;
}

bool ox_concat(ox *g, const ir_node *n, const char **out)
{
    const char **in = arena_array(&g->file->mem, const char *, n->narg + 1u);

    for (uint32_t i = 0; i < n->narg; i++)
        in[i] = ox_arg(g, n, i);
    Onnx__NodeProto *p = ox_add(g, "Concat", in, n->narg, 1);
    ox_int(g, p, "axis", n->attr->CONCAT.axis);
    out[0] = ox_result(p);
    return true;
}
