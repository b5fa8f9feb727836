/* export/onnx_graph.c - nodes, names, constants and dims of an ONNX file in the
 * making.  A dim of the IR is an i64 scalar in ONNX, computed by nodes from the
 * shapes of inputs; a symbol is read once, at the first value that has it as an
 * extent. */
#include "num.h"
#include "const.h"
#include "onnx_writer.h"

static arena *mem(ox *g)
{
    return &g->file->mem;
}

bool ox_gap(ox *g, const ir_node *n, const char *reason)
{
    const diag *d = g->file->d;
    const char *place = n->loc.file < d->place.len ? d->place.at[n->loc.file] : "";

    return diag_unsupported(g->file->d, ir_op_get(n->op)->text, "", place, reason);
}

/* ---- nodes ------------------------------------------------------------------------- */

/* v0, v1 .. that nothing in the file is called. */
const char *ox_new_name(ox *g)
{
    ox_file *f = g->file;

    for (;;) {
        const char *name = arena_printf(&f->mem, "v%u", f->counter++);
        uint32_t before = f->used.text.len;
        if (names_add(&f->used, name) == before)
            return name;
    }
}

/* Operands are copied; results get new names. */
Onnx__NodeProto *ox_add(ox *g, const char *op, const char *const *in, size_t nin, size_t nout)
{
    Onnx__NodeProto *p = arena_new(mem(g), Onnx__NodeProto);

    onnx__node_proto__init(p);
    p->op_type = (char *)op;
    p->n_input = nin;
    p->input = arena_array(mem(g), char *, nin + 1);
    memcpy(p->input, in, nin * sizeof *in);
    p->n_output = nout;
    p->output = arena_array(mem(g), char *, nout + 1);
    for (size_t i = 0; i < nout; i++)
        p->output[i] = (char *)ox_new_name(g);
    vec_push(&g->node, p);
    return p;
}

const char *ox_result(const Onnx__NodeProto *p)
{
    return p->output[0];
}

const char *ox_1(ox *g, const char *op, const char *x)
{
    return ox_result(ox_add(g, op, &x, 1, 1));
}

const char *ox_2(ox *g, const char *op, const char *x, const char *y)
{
    return ox_result(ox_add(g, op, (const char *const[]){x, y}, 2, 1));
}

const char *ox_3(ox *g, const char *op, const char *x, const char *y, const char *z)
{
    return ox_result(ox_add(g, op, (const char *const[]){x, y, z}, 3, 1));
}

/* One more attribute of p, of the given kind; the value is the caller's to set. */
static Onnx__AttributeProto *attribute(ox *g, Onnx__NodeProto *p, const char *name,
                                       Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a = arena_new(mem(g), Onnx__AttributeProto);
    Onnx__AttributeProto **list = arena_array(mem(g), Onnx__AttributeProto *, p->n_attribute + 1);

    onnx__attribute_proto__init(a);
    a->name = (char *)name;
    a->has_type = true;
    a->type = type;
    if (p->n_attribute)
        memcpy(list, p->attribute, p->n_attribute * sizeof *list);
    list[p->n_attribute++] = a;
    p->attribute = list;
    return a;
}

void ox_int(ox *g, Onnx__NodeProto *p, const char *name, int64_t v)
{
    Onnx__AttributeProto *a =
        attribute(g, p, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

    a->has_i = true;
    a->i = v;
}

void ox_ints(ox *g, Onnx__NodeProto *p, const char *name, const int64_t *v, size_t n)
{
    Onnx__AttributeProto *a =
        attribute(g, p, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

    a->n_ints = n;
    a->ints = arena_copy(mem(g), v, n * sizeof *v);
}

void ox_text(ox *g, Onnx__NodeProto *p, const char *name, const char *v)
{
    Onnx__AttributeProto *a =
        attribute(g, p, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);

    a->has_s = true;
    a->s = (ProtobufCBinaryData){strlen(v), (uint8_t *)v};
}

void ox_graph(ox *g, Onnx__NodeProto *p, const char *name, Onnx__GraphProto *v)
{
    attribute(g, p, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH)->g = v;
}

/* ---- constants ----------------------------------------------------------------------- */

/* An initializer with these bytes; its name. */
static const char *tensor(ox *g, ir_dtype dt, const int64_t *dim, int rank, const void *data,
                          size_t size)
{
    Onnx__TensorProto *t = arena_new(mem(g), Onnx__TensorProto);

    onnx__tensor_proto__init(t);
    t->name = (char *)ox_new_name(g);
    t->n_dims = (size_t)rank;
    t->dims = rank ? arena_copy(mem(g), dim, (size_t)rank * sizeof *dim) : NULL;
    t->has_data_type = t->has_raw_data = true;
    t->data_type = dt_of(dt)->onnx;
    t->raw_data = (ProtobufCBinaryData){size, size ? arena_copy(mem(g), data, size) : NULL};
    vec_push(&g->file->init, t);
    return t->name;
}

const char *ox_i64(ox *g, int64_t v)
{
    return tensor(g, DT_I64, NULL, 0, &v, sizeof v);
}

const char *ox_i64s(ox *g, const int64_t *v, size_t n)
{
    int64_t dim = (int64_t)n;

    return tensor(g, DT_I64, &dim, 1, v, n * sizeof *v);
}

/* The name of a scalar constant of that type. */
const char *ox_number(ox *g, ir_dtype dt, double v)
{
    uint8_t element[16] = {0};

    if (dt_is_float(dt))
        num_store_flt(dt, element, v);
    else
        num_store_int(dt, element, (int64_t)v);
    return tensor(g, dt, NULL, 0, element, (size_t)dt_size(dt));
}

/* One element repeated is a scalar that is expanded: the file stays small. */
static const char *splat(ox *g, const ir_type *t, const void *element)
{
    const char *x = tensor(g, t->dtype, NULL, 0, element, (size_t)dt_size(t->dtype));

    return t->rank ? ox_2(g, "Expand", x, ox_dims(g, t->dim, t->rank)) : x;
}

/* Chains of movement and scaling are read out here: an ONNX file has plain data. */
const char *ox_constant(ox *g, uint32_t id)
{
    ox_file *f = g->file;
    const ir_type *t = f->m->consts.at[id].type;
    int64_t n = type_count_const(&f->m->types, t), dim[IR_MAX_RANK];
    uint8_t element[16];

    if (n > 16 && const_is_splat(f->m, id, element))
        return splat(g, t, element);
    if (!f->constant[id]) {
        void *data = mem_alloc((size_t)n * (size_t)dt_size(t->dtype) + 1);
        const_read(f->m, id, 0, n, data);
        for (int i = 0; i < t->rank; i++)
            dim_const(&f->m->dims, t->dim[i], &dim[i]);
        f->constant[id] = tensor(g, t->dtype, dim, t->rank, data,
                                 (size_t)n * (size_t)dt_size(t->dtype));
        mem_free(data);
    }
    return f->constant[id];
}

/* ---- dims ------------------------------------------------------------------------------ */

/* ONNX divides towards zero: a negative dividend is brought down to a multiple first. */
static const char *floor_div(ox *g, const dim_expr *e, const char *a, const char *b)
{
    const dim_table *t = &g->file->m->dims;

    if (dim_lo(t, e->arg[0]) < 0 || dim_lo(t, e->arg[1]) < 0)
        a = ox_2(g, "Sub", a, ox_2(g, "Mod", a, b));
    return ox_2(g, "Div", a, b);
}

/* A product of atoms, with its coefficient. */
static const char *term_value(ox *g, const dim_term *t)
{
    const char *x = t->n && t->coef == 1 ? NULL : ox_i64(g, t->coef);

    for (uint32_t i = 0; i < t->n; i++)
        x = x ? ox_2(g, "Mul", x, ox_dim(g, t->atom[i])) : ox_dim(g, t->atom[i]);
    return x;
}

static const char *sum_value(ox *g, const dim_expr *e)
{
    const char *x = term_value(g, &e->term[0]);

    for (uint32_t i = 1; i < e->n; i++)
        x = ox_2(g, "Add", x, term_value(g, &e->term[i]));
    return x;
}

/* A symbol is a number of the run: read off the extent of an input, once. */
static const char *symbol_value(ox *g, uint32_t id)
{
    const char *x = g->file->symbol[id];

    if (x)
        return x;
    diag_unsupported(g->file->d, "dim", "", g->file->m->dims.symbol.at[id].name,
                     "no input has it as an extent of its own");
    return "";
}

/* A comparison as bool[]; null if d is none. */
static const char *comparison(ox *g, ir_dim d)
{
    static const char *const op[] = {
        [DIM_EQ] = "Equal", [DIM_LT] = "Less", [DIM_LE] = "LessOrEqual"};
    const dim_expr *e = dim_get(&g->file->m->dims, d);

    if (!e || !dim_is_comparison(e->op))
        return NULL;
    return ox_2(g, op[e->op], ox_dim(g, e->arg[0]), ox_dim(g, e->arg[1]));
}

static const char *choice(ox *g, const dim_expr *e)
{
    const char *c = comparison(g, e->arg[0]);

    c = c ? c : ox_cast(g, ox_dim(g, e->arg[0]), DT_BOOL);
    return ox_3(g, "Where", c, ox_dim(g, e->arg[1]), ox_dim(g, e->arg[2]));
}

/* Quotient, remainder, minimum, maximum. */
static const char *atom_value(ox *g, const dim_expr *e)
{
    const char *a = ox_dim(g, e->arg[0]), *b = ox_dim(g, e->arg[1]);

    switch (e->op) {
    case DIM_DIV: return floor_div(g, e, a, b);
    case DIM_MOD: return ox_2(g, "Mod", a, b);
    case DIM_MIN: return ox_2(g, "Min", a, b);
    default: return ox_2(g, "Max", a, b);
    }
}

/* The name of an i64 scalar that the graph computes, as Add and Mul nodes of what
 * the symbols are. */
const char *ox_dim(ox *g, ir_dim d)
{
    const dim_table *t = &g->file->m->dims;
    const dim_expr *e = dim_get(t, d);
    int64_t v;

    if (dim_const(t, d, &v))
        return ox_i64(g, v);
    switch (e->op) {
    case DIM_SYM: return symbol_value(g, (uint32_t)e->value);
    case DIM_POLY: return sum_value(g, e);
    case DIM_SELECT: return choice(g, e);
    case DIM_EQ: case DIM_LT: case DIM_LE: return ox_cast(g, comparison(g, d), DT_I64);
    default: return atom_value(g, e);
    }
}

bool ox_known(const ox *g, ir_dims d, int64_t *v)
{
    for (int i = 0; i < d.n; i++)
        if (!dim_const(&g->file->m->dims, d.at[i], &v[i]))
            return false;
    return true;
}

/* A constant where all are numbers; readers with static shapes then see them. */
const char *ox_dims(ox *g, const ir_dim *d, int n)
{
    int64_t v[2 * IR_MAX_RANK];
    const char *part[2 * IR_MAX_RANK];

    if (ox_known(g, (ir_dims){n, d}, v))
        return ox_i64s(g, v, (size_t)n);
    const char *zero = ox_i64s(g, (int64_t[]){0}, 1);
    for (int i = 0; i < n; i++)
        part[i] = ox_2(g, "Unsqueeze", ox_dim(g, d[i]), zero);
    Onnx__NodeProto *p = ox_add(g, "Concat", part, (size_t)n, 1);
    ox_int(g, p, "axis", 0);
    return ox_result(p);
}

/* ---- usual nodes -------------------------------------------------------------------------- */

const char *ox_cast(ox *g, const char *x, ir_dtype dt)
{
    Onnx__NodeProto *p = ox_add(g, "Cast", &x, 1, 1);

    ox_int(g, p, "to", dt_of(dt)->onnx);
    return ox_result(p);
}

const char *ox_reshape(ox *g, const char *x, const ir_dim *d, int rank)
{
    const char *const in[2] = {x, ox_dims(g, d, rank)};
    Onnx__NodeProto *p = ox_add(g, "Reshape", in, 2, 1);

    ox_int(g, p, "allowzero", 1);
    return ox_result(p);
}

/* x itself if the order stays. */
const char *ox_transpose(ox *g, const char *x, const int32_t *perm, int rank)
{
    int64_t v[IR_MAX_RANK];
    bool same = true;

    for (int i = 0; i < rank; i++) {
        v[i] = perm[i];
        same &= perm[i] == i;
    }
    if (same)
        return x;
    Onnx__NodeProto *p = ox_add(g, "Transpose", &x, 1, 1);
    ox_ints(g, p, "perm", v, (size_t)rank);
    return ox_result(p);
}

const char *ox_extent(ox *g, const char *x, int axis)
{
    return ox_2(g, "Gather", ox_1(g, "Shape", x), ox_i64(g, axis));
}

const char *ox_pad(ox *g, const char *x, const char *low_high, const char *value)
{
    return ox_3(g, "Pad", x, low_high, value);
}
