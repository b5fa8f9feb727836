/* frontend/onnx_helpers.c - operands and attributes for the operators' builders
 * (onnx_build.h): each reports what it finds wrong and gives something that the
 * builder can go on with, so that builders need no tests of their own between. */
#include "num.h"
#include "onnx_model.h"

ir_ref onnx_in(onnx_op *n, int i)
{
    ir_ref r;

    if (i >= n->nin || !*n->p->input[i] || !scope_find(n->scope, n->p->input[i], &r))
        return IR_NONE;
    return r;
}

bool onnx_wants(const onnx_op *n, int i)
{
    return i < n->nout && *n->p->output[i];
}

bool onnx_out(onnx_op *n, int i, ir_ref x)
{
    if (i < n->nout)
        n->out[i] = x;
    return x != IR_NONE;
}

const ir_type *onnx_type_in(ir_build *b, ir_ref x)
{
    if (x != IR_NONE)
        return ir_type_of(b->fn, x);
    if (!diag_failed(b->d))
        diag_error(b->d, b->loc, D_GENERAL, "an operand is missing");
    return type_scalar(&b->m->types, DT_F32);
}

const ir_type *onnx_type(onnx_op *n, ir_ref x)
{
    return onnx_type_in(n->b, x);
}

/* After an error it is 1, so that the builder comes to its end and the one message
 * stands. */
ir_dim onnx_dim(onnx_op *n, ir_ref x, int axis)
{
    const ir_type *t = onnx_type(n, x);

    if (axis >= 0 && axis < t->rank)
        return t->dim[axis];
    if (!diag_failed(n->b->d))
        onnx_fail(n, "an operand of rank %d has no axis %d", t->rank, axis);
    return (ir_dim){1};
}

/* In a function's body an attribute may stand for one of the calling node, or
 * for the function's default. */
static const Onnx__AttributeProto *resolve(const onnx_scope *s, const Onnx__AttributeProto *a)
{
    while (a && a->ref_attr_name && *a->ref_attr_name) {
        while (s && !s->function)
            s = s->parent;
        if (!s || !s->call)
            return NULL;
        const Onnx__AttributeProto *found = NULL;
        for (size_t i = 0; i < s->call->p->n_attribute && !found; i++)
            if (s->call->p->attribute[i]->name &&
                !strcmp(s->call->p->attribute[i]->name, a->ref_attr_name))
                found = s->call->p->attribute[i];
        for (size_t i = 0; i < s->function->n_attribute_proto && !found; i++)
            if (s->function->attribute_proto[i]->name &&
                !strcmp(s->function->attribute_proto[i]->name, a->ref_attr_name))
                found = s->function->attribute_proto[i];
        a = found;
        s = s->call->scope;
    }
    return a;
}

const Onnx__AttributeProto *onnx_attr(onnx_op *n, const char *name)
{
    for (size_t i = 0; i < n->p->n_attribute; i++)
        if (n->p->attribute[i]->name && !strcmp(n->p->attribute[i]->name, name))
            return resolve(n->scope, n->p->attribute[i]);
    return NULL;
}

/* Null where there is none, and after an error: a value of another type would be read as
 * zero.  The operator's signature has been checked before; it and its builder may differ. */
static const Onnx__AttributeProto *typed(onnx_op *n, const char *name,
                                         Onnx__AttributeProto__AttributeType type)
{
    const Onnx__AttributeProto *a = onnx_attr(n, name);

    return a && onnx_has_type(n, a, type) ? a : NULL;
}
#define TYPED(n, name, type) typed(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##type)

int64_t onnx_int(onnx_op *n, const char *name, int64_t otherwise)
{
    const Onnx__AttributeProto *a = TYPED(n, name, INT);

    return a ? a->i : otherwise;
}

double onnx_float(onnx_op *n, const char *name, double otherwise)
{
    const Onnx__AttributeProto *a = TYPED(n, name, FLOAT);

    return a ? (double)a->f : otherwise;
}

static const char *next_word(const char *s)
{
    s += strcspn(s, " ");
    return s + strspn(s, " ");
}

/* `choices` are words with blanks between; the first is what a node without the
 * attribute means. */
int onnx_choice_index(onnx_op *n, const char *name, const char *choices)
{
    const Onnx__AttributeProto *a = TYPED(n, name, STRING);
    size_t len = a ? a->s.len : 0;
    const char *c = choices;
    int i = 0;

    for (; *c && len && (strcspn(c, " ") != len || memcmp(c, a->s.data, len)); i++)
        c = next_word(c);
    if (*c)
        return i;
    onnx_fail(n, "attribute '%s' is '%.*s', not one of: %s", name, len > 64 ? 64 : (int)len,
              (const char *)a->s.data, choices);
    return 0;
}

const char *onnx_choice(onnx_op *n, const char *name, const char *choices)
{
    const char *c = choices;

    for (int i = onnx_choice_index(n, name, choices); i; i--)
        c = next_word(c);
    return arena_strndup(&n->b->m->mem, c, strcspn(c, " "));
}

const int64_t *onnx_ints(onnx_op *n, const char *name, int *len)
{
    const Onnx__AttributeProto *a = TYPED(n, name, INTS);

    *len = a ? (int)a->n_ints : -1;
    return a ? a->ints : NULL;
}

const float *onnx_floats(onnx_op *n, const char *name, int *len)
{
    const Onnx__AttributeProto *a = TYPED(n, name, FLOATS);

    *len = a ? (int)a->n_floats : -1;
    return a ? a->floats : NULL;
}

const Onnx__GraphProto *onnx_graph_attr(onnx_op *n, const char *name)
{
    const Onnx__AttributeProto *a = TYPED(n, name, GRAPH);

    return a ? a->g : NULL;
}

bool onnx_axis(onnx_op *n, int64_t axis, int rank, int *out)
{
    if (axis < -rank || axis >= rank)
        return onnx_fail(n, "axis %lld is out of range for rank %d", (long long)axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

static bool extent_fails(onnx_op *n, const char *name, int axis, ir_dim has, ir_dim want)
{
    text x = {0}, y = {0};

    dim_print(onnx_dims(n), has, &x);
    dim_print(onnx_dims(n), want, &y);
    onnx_fail(n, "%s: extent %s at axis %d, expected %s", name, x.at, axis, y.at);
    text_free(&x);
    text_free(&y);
    return false;
}

/* Extents that are not known to agree are checked by the run, and are those of
 * `shape` from here on. */
ir_ref onnx_shaped(onnx_op *n, const char *name, ir_ref x, const ir_dim *shape, int rank)
{
    dim_table *t = onnx_dims(n);

    if (x == IR_NONE || onnx_type(n, x)->kind == TY_NEVER)
        return x;
    const ir_type *ty = onnx_type(n, x);
    if (ty->kind != TY_TENSOR || ty->rank != rank)
        return onnx_fail(n, "%s: rank %d, expected %d", name, ty->rank, rank), IR_NONE;
    for (int i = 0; i < rank; i++) {
        if (dim_differ(t, ty->dim[i], shape[i]))
            return extent_fails(n, name, i, ty->dim[i], shape[i]), IR_NONE;
        ir_check_dims(n->b, dim_eq(t, ty->dim[i], shape[i]),
                      arena_printf(&n->b->m->mem, "%s: an extent is not as expected", name));
    }
    return ir_reshape(n->b, x, shape, rank);
}

/* Lists such as a shape have as many elements as there are axes, which must be
 * known now: rank is part of a type. */
static bool vector_extent(onnx_op *n, ir_ref x, int max, int *len)
{
    int64_t count = type_count_const(&n->b->m->types, onnx_type(n, x));

    if (onnx_type(n, x)->kind != TY_TENSOR || onnx_rank(n, x) > 1 || count < 0 || count > max)
        return onnx_gap(n, "a list operand has no constant length, or one that is too large");
    *len = (int)count;
    return true;
}

/* From the attribute, as old versions have it, or from operand i.  *len is -1 where
 * neither is given. */
bool onnx_int_list(onnx_op *n, const char *attr, int i, int64_t *out, int max, int *len)
{
    const int64_t *list = attr ? onnx_ints(n, attr, len) : NULL;
    ir_dim dims[IR_MAX_RANK * 4];
    ir_ref x = onnx_in(n, i);

    if (list || (attr && *len == 0)) {
        if (*len > max)
            return onnx_fail(n, "attribute '%s' has %d elements", attr, *len);
        for (int k = 0; k < *len; k++)
            out[k] = list[k];
        return true;
    }
    *len = -1;
    if (x == IR_NONE)
        return true;
    if (max > (int)COUNT(dims) || !onnx_dim_list(n, i, dims, max, len))
        return false;
    for (int k = 0; k < *len; k++)
        if (!dim_const(onnx_dims(n), dims[k], &out[k]))
            return onnx_gap(n, "a list operand is computed at run time");
    return true;
}

/* *len is -1 where the operand is absent.  Elements that the graph computes from
 * extents are formulas, others are symbols of the run. */
bool onnx_dim_list(onnx_op *n, int i, ir_dim *out, int max, int *len)
{
    ir_ref x = onnx_in(n, i);

    *len = -1;
    if (x == IR_NONE)
        return true;
    return vector_extent(n, x, max, len) && ir_elements(n->b, x, out, *len);
}

ir_ref onnx_widened(onnx_op *n, ir_ref x)
{
    ir_dtype dt = onnx_dtype(n, x);

    return dt_is_float(dt) && dt_bits(dt) < 32 ? ir_cast(n->b, x, DT_F32) : x;
}

/* x before it was rounded to halves, IR_NONE if it never was wider.  Movement
 * between is made again of the wide value. */
ir_ref onnx_before_rounding(onnx_op *n, ir_ref x)
{
    ir_node p = *ir_node_of(n->b->fn, x);       /* building moves the nodes */
    ir_ref y = p.narg ? ir_arg(n->b->fn, &p, 0) : IR_NONE;

    if (p.op == OP_RESHAPE || p.op == OP_TRANSPOSE) {
        y = onnx_before_rounding(n, y);
        return y == IR_NONE ? y : ir_make(n->b, p.op, &y, 1, p.attr);
    }
    bool rounded = p.op == OP_CAST && dt_bits(onnx_dtype(n, x)) == 16 &&
                   dt_is_float(onnx_dtype(n, x)) && onnx_dtype(n, y) == DT_F32;
    return rounded ? y : IR_NONE;
}

bool onnx_out_as(onnx_op *n, int i, ir_ref y, ir_dtype dt)
{
    return onnx_out(n, i, ir_cast(n->b, y, dt));
}

/* Decided now, as conditions on ranks and extents mostly are? */
bool onnx_known_bool(const ir_build *b, ir_ref x, bool *v)
{
    const ir_dim *elem;
    int64_t count, k;

    if (!ir_known(b, x, &elem, &count) || count != 1 || !dim_const(&b->m->dims, elem[0], &k))
        return false;
    *v = k != 0;
    return true;
}

/* False if the operand is not known when the model is read: most attributes that
 * became operands are. */
bool onnx_const_float(onnx_op *n, int i, double *out)
{
    ir_ref x = onnx_plain(n, onnx_in(n, i));
    const ir_node *p = x == IR_NONE ? NULL : ir_node_of(n->b->fn, x);
    uint8_t element[16];

    if (!p || p->op != OP_CONST || type_count_const(&n->b->m->types, onnx_type(n, x)) != 1 ||
        (size_t)dt_size(onnx_dtype(n, x)) > sizeof(double))
        return false;
    const_read(n->b->m, p->attr->CONST.id, 0, 1, element);
    *out = num_load_flt(onnx_dtype(n, x), element);
    return true;
}

ir_ref onnx_like(onnx_op *n, ir_ref x, double value)
{
    return ir_float(n->b, onnx_dtype(n, x), value);
}

ir_ref onnx_splat_like(onnx_op *n, ir_ref x, double value)
{
    return ir_splat(n->b, onnx_type(n, x), value);
}

ir_ref onnx_tensor_weight(onnx_op *n, const Onnx__TensorProto *t)
{
    uint32_t id = onnx_load_tensor(n->scope->model, t, n->b->loc);

    if (id == IR_NONE || type_count_const(&n->b->m->types, n->b->m->consts.at[id].type) < 2)
        return id == IR_NONE ? id : ir_const_ref(n->b, id);
    return onnx_weight(n->scope, n->p->output[0], id);
}

ir_ref onnx_tensor(onnx_op *n, const Onnx__TensorProto *t)
{
    uint32_t id = onnx_load_tensor(n->scope->model, t, n->b->loc);

    return id == IR_NONE ? IR_NONE : ir_const_ref(n->b, id);
}
