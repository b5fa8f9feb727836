/* ir/op/map.c - elementwise nodes: one scalar function over equal shapes.
 *
 * Values are computed in double or int64 and rounded after every op, which is
 * exact for + - * / sqrt in f32 and narrower.  Arrays of f32 have a typed loop
 * per function, generated from the same column. */
#include "eval_op.h"
#include "scalar_value.h"

static const char *expected(sc_op op)
{
    switch ((sc_types)sc_of(op)->types) {
    case SC_ANYN: return "numbers";
    case SC_FLT: return "floating point";
    case SC_INT: return "integers or bool";
    case SC_ALL: break;
    }
    return "any";
}

static bool same_shapes(const ir_infer *in)
{
    const ir_type *x = in_type(in, 0);

    for (uint32_t i = 1; i < in->narg; i++) {
        const ir_type *y = in_type(in, i);
        if (!in_rank(in, i, x->rank))
            return false;
        for (int k = 0; k < x->rank; k++)
            if (!in_equal(in, k, x->dim[k], y->dim[k]))
                return false;
    }
    return true;
}

/* All operands of one shape and type - nothing is broadcast in the IR -, but for
 * the condition of a select. */
bool ir_infer_scalar(ir_infer *in)
{
    sc_op op = (sc_op)in->op;
    uint32_t first = op == SC_SELECT;

    if (!in_tensors(in) || (first && !in_dtype(in, 0, DT_BOOL)))
        return false;
    for (uint32_t i = first; i < in->narg; i++)
        if (!sc_accepts(op, in_type(in, i)->dtype))
            return in_expect(in, i, expected(op));
        else if (!in_same_dtype(in, first, i))
            return false;
    if (!same_shapes(in))
        return false;
    const ir_type *x = in_type(in, first);
    ir_dtype to = sc_of(op)->result == SC_BOOL ? DT_BOOL : x->dtype;
    return in_type_result(in, type_with_dtype(&in->b->m->types, x, to));
}

/* Complex numbers and strings can be moved and compared, nothing else. */
static bool movement_only(ir_dtype d)
{
    return dt_class(d) == DC_S || dt_class(d) == DC_C;
}

/* A bitcast keeps the bits, so the widths agree. */
bool ir_infer_cast(ir_infer *in)
{
    ir_dtype to = in->op == OP_CAST ? in->attr->CAST.to : in->attr->BITCAST.to;

    if (!in_tensor(in, 0))
        return false;
    ir_dtype from = in_type(in, 0)->dtype;
    if (to == DT_NONE)
        return in_fail(in, "to", "is missing");
    if (from != to && (movement_only(from) || movement_only(to)))
        return in_expect(in, 0, "numbers or bool, cast to such");
    if (in->op == OP_BITCAST && dt_bits(from) != dt_bits(to))
        return in_expect(in, 0, "elements of as many bits");
    return in_type_result(in, type_with_dtype(&in->b->m->types, in_type(in, 0), to));
}

/* ---- evaluation ---------------------------------------------------------------- */

/* A scalar function of f32 by its row: computed as double, rounded once. */
static void map_f32(sc_op op, int64_t n, const float *x, const float *y, const float *z,
                    float *r)
{
    switch (op) {
#define SCALAR(NAME, text, args, types, result, cost, flags, flt, ...)         \
    case SC_##NAME:                                                            \
        for (int64_t i = 0; i < n; i++) {                                      \
            double a = x[i], b = y[i], c = z[i];                               \
            (void)a, (void)b, (void)c;                                         \
            r[i] = (float)(flt);                                               \
        }                                                                      \
        break;
#include "scalar.def"
    case SC_NONE:
    case SC_COUNT: break;
    }
}

/* f16 and the like are computed as doubles and rounded once at the end. */
static void map_flt(sc_op op, int64_t n, ir_val *const *x, uint32_t narg, ir_val *r)
{
    ir_dtype d = x[0]->dtype;
    double v[3] = {0};

    for (int64_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < narg; k++)
            v[k] = num_load_flt(d, val_at(x[k], i));
        double y = sc_eval_flt(op, v[0], v[1], v[2]);
        if (r->dtype == DT_BOOL)
            r->data[i] = y != 0;
        else
            num_store_flt(r->dtype, val_at(r, i), y);
    }
}

static void map_int(sc_op op, int64_t n, ir_val *const *x, uint32_t narg, ir_val *r)
{
    ir_dtype d = x[0]->dtype;
    int64_t v[3] = {0};

    for (int64_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < narg; k++)
            v[k] = num_load_int(d, val_at(x[k], i));
        num_store_int(r->dtype, val_at(r, i), sc_eval_int(op, d, v[0], v[1], v[2]));
    }
}

static void map_select(int64_t n, ir_val *const *x, ir_val *r)
{
    size_t size = (size_t)dt_size(r->dtype);

    for (int64_t i = 0; i < n; i++)
        memcpy(val_at(r, i), val_at(x[x[0]->data[i] ? 1 : 2], i), size);
}

static void map_cast(int64_t n, const ir_val *x, ir_val *r, const struct ir_attr_CAST *a)
{
    num_mode mode = {a->saturate, (num_rounding)a->rounding};

    for (int64_t i = 0; i < n; i++)
        num_cast(x->dtype, val_at(x, i), r->dtype, val_at(r, i), mode);
}

/* Sub-byte types and their unsigned bits differ by sign extension. */
static void map_bitcast(int64_t n, const ir_val *x, ir_val *r)
{
    int bits = dt_bits(r->dtype);

    memcpy(r->data, x->data, (size_t)(n * dt_size(r->dtype)));
    for (int64_t i = 0; bits < 8 && i < n; i++) {
        int64_t v = r->data[i] & ((1 << bits) - 1);
        r->data[i] = (uint8_t)(dt_is_int(r->dtype) ? sc_wrap(r->dtype, v) : v);
    }
}

static void map_equal(sc_op op, int64_t n, ir_val *const *x, ir_val *r)
{
    for (int64_t i = 0; i < n; i++)
        r->data[i] = num_equal(x[0]->dtype, val_at(x[0], i), val_at(x[1], i)) == (op == SC_EQ);
}

static bool equal_extents(ir_call *c)
{
    for (uint32_t i = 1; i < c->nin; i++)
        for (int k = 0; k < c->in[0]->rank; k++)
            if (c->in[i]->dim[k] != c->in[0]->dim[k])
                return eval_fail(c->e, "%s: operand extents differ", sc_text((sc_op)c->n->op));
    return true;
}

/* The right loop for the op and the dtype.  Missing operands point at x, and the
 * row ignores them. */
static void map_any(ir_call *c, sc_op op, int64_t n, ir_val *r)
{
    ir_val *const *x = c->in;
    ir_dtype d = x[0]->dtype;
    const void *p[3] = {x[0]->data, x[c->nin > 1]->data, x[c->nin > 2 ? 2 : 0]->data};

    if (op == SC_SELECT)
        map_select(n, x, r);
    else if (op == SC_CAST)
        map_cast(n, x[0], r, &c->attr->CAST);
    else if (op == SC_BITCAST)
        map_bitcast(n, x[0], r);
    else if (movement_only(d))
        map_equal(op, n, x, r);
    else if (d == DT_F32 && r->dtype == DT_F32)
        map_f32(op, n, p[0], p[1], p[2], (float *)(void *)r->data);
    else if (dt_is_float(d))
        map_flt(op, n, x, c->nin, r);
    else
        map_int(op, n, x, c->nin, r);
}

/* select's first operand is the condition: the result is like the second. */
bool ir_eval_scalar(ir_call *c)
{
    sc_op op = (sc_op)c->n->op;
    const ir_val *x = c->in[op == SC_SELECT];
    ir_dtype to = op == SC_CAST ? c->attr->CAST.to
                  : op == SC_BITCAST ? c->attr->BITCAST.to
                  : sc_of(op)->result == SC_BOOL ? DT_BOOL : x->dtype;

    if (!equal_extents(c))
        return false;
    c->out[0] = eval_like(c->e, x, to);
    if (!c->out[0])
        return false;
    map_any(c, op, val_count(x), c->out[0]);
    return true;
}
