/* frontend/onnx_head.c - a model's file with another end: the nodes that lead to a value stay as
 * they are, all others go, and behind it come the nodes of a new last layer.
 *
 *   .. -> features -> [GlobalAveragePool -> Flatten] -> [MatMul -> Add] -> [Reshape] -> y
 *
 * Messages of the file are shared with the new one, which lives in an arena. */
#include <string.h>

#include "onnx_model.h"
#include "onnx_type.h"

typedef struct ending {
    Onnx__GraphProto *g;            /* the new one */
    const onnx_head *head;
    arena *mem;
    names wanted;                   /* values that nodes read which stay */
} ending;

/* ---- what stays ------------------------------------------------------------------------ */

static void want(ending *e, const char *name)
{
    if (name && *name)
        names_add(&e->wanted, name);
}

/* What a node reads, and nodes of its graphs, whose own values do no harm. */
static void want_operands(ending *e, const Onnx__NodeProto *n)
{
    for (size_t i = 0; i < n->n_input; i++)
        want(e, n->input[i]);
    for (size_t i = 0; i < n->n_attribute; i++) {
        const Onnx__GraphProto *g = n->attribute[i]->g;
        for (size_t k = 0; g && k < g->n_node; k++)
            want_operands(e, g->node[k]);
        for (size_t k = 0; g && k < g->n_output; k++)
            want(e, g->output[k]->name);
    }
}

static bool is_wanted(const ending *e, const char *name)
{
    return name && names_find(&e->wanted, name) != NAMES_NONE;
}

static bool gives_wanted(const ending *e, const Onnx__NodeProto *n)
{
    for (size_t i = 0; i < n->n_output; i++)
        if (is_wanted(e, n->output[i]))
            return true;
    return false;
}

/* The nodes that lead to the value, in their order, with room for those of the head. */
static void keep_nodes(ending *e)
{
    enum { HEAD = 5 };
    size_t n = e->g->n_node, kept = 0, before;
    Onnx__NodeProto **all = arena_array(e->mem, Onnx__NodeProto *, n + HEAD);

    want(e, e->head->until);
    do {                            /* once more only where nodes are in no order */
        before = e->wanted.text.len;
        for (size_t i = n; i-- > 0;)
            if (gives_wanted(e, e->g->node[i]))
                want_operands(e, e->g->node[i]);
    } while (e->wanted.text.len != before);
    for (size_t i = 0; i < n; i++)
        if (gives_wanted(e, e->g->node[i]))
            all[kept++] = e->g->node[i];
    e->g->node = all;
    e->g->n_node = kept;
}

static void keep_values(ending *e)
{
    enum { HEAD = 3 };
    Onnx__TensorProto **t = arena_array(e->mem, Onnx__TensorProto *, e->g->n_initializer + HEAD);
    Onnx__ValueInfoProto **v = arena_array(e->mem, Onnx__ValueInfoProto *, e->g->n_input + 1);
    size_t tensors = 0, inputs = 0;

    for (size_t i = 0; i < e->g->n_initializer; i++)
        if (is_wanted(e, e->g->initializer[i]->name))
            t[tensors++] = e->g->initializer[i];
    for (size_t i = 0; i < e->g->n_input; i++)
        if (is_wanted(e, e->g->input[i]->name))
            v[inputs++] = e->g->input[i];
    e->g->initializer = t;
    e->g->n_initializer = tensors;
    e->g->input = v;
    e->g->n_input = inputs;
    e->g->n_value_info = 0;         /* advice, of values some of which are gone */
}

/* ---- rows ------------------------------------------------------------------------------ */

static bool is_initializer(const ending *e, const char *name)
{
    for (size_t i = 0; i < e->g->n_initializer; i++)
        if (!strcmp(text_or(e->g->initializer[i]->name), text_or(name)))
            return true;
    return false;
}

static bool has_fixed_rows(const ending *e, const Onnx__ValueInfoProto *v)
{
    const Onnx__TensorShapeProto *s =
        !is_initializer(e, v->name) && v->type &&
                v->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE
            ? v->type->tensor_type->shape : NULL;

    return s && s->n_dim &&
           s->dim[0]->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
}

/* Operators that may know how many rows there are by a constant. */
static bool knows_rows(const Onnx__NodeProto *n)
{
    static const char *const ops[] = {"Reshape", "Expand", "Tile", "ConstantOfShape", "Resize",
                                      "Upsample", "LSTM", "GRU", "RNN", "Loop", "Scan", "If"};

    for (size_t i = 0; i < COUNT(ops); i++)
        if (!strcmp(text_or(n->op_type), ops[i]))
            return true;
    return *text_or(n->domain) && strcmp(n->domain, "ai.onnx");
}

/* A copy of the input whose rows are any number. */
static Onnx__ValueInfoProto *any_rows(const ending *e, const Onnx__ValueInfoProto *v)
{
    Onnx__ValueInfoProto *to = arena_copy(e->mem, v, sizeof *v);
    Onnx__TypeProto *type = to->type = arena_copy(e->mem, v->type, sizeof *v->type);
    Onnx__TypeProto__Tensor *t = arena_copy(e->mem, type->tensor_type, sizeof *t);
    Onnx__TensorShapeProto *s = arena_copy(e->mem, t->shape, sizeof *s);

    type->tensor_type = t;
    t->shape = s;
    s->dim = arena_copy(e->mem, s->dim, s->n_dim * sizeof *s->dim);
    s->dim[0] = arena_copy(e->mem, s->dim[0], sizeof *s->dim[0]);
    s->dim[0]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    s->dim[0]->dim_param = (char *)"N";
    return to;
}

/* Was the file written for a number of rows?  Then it is freed of it, or cannot be. */
static bool free_rows(ending *e)
{
    bool ok = true;

    for (size_t i = 0; i < e->g->n_input; i++) {
        if (!has_fixed_rows(e, e->g->input[i]))
            continue;
        for (size_t k = 0; k < e->g->n_node; k++)
            ok &= !knows_rows(e->g->node[k]);
        e->g->input[i] = any_rows(e, e->g->input[i]);
    }
    return ok;
}

/* ---- the head -------------------------------------------------------------------------- */

/* A name that nothing has that stays. */
static char *new_name(ending *e, const char *name)
{
    while (is_wanted(e, name))
        name = arena_printf(e->mem, "%s_", name);
    want(e, name);
    return arena_strdup(e->mem, name);
}

/* y = op(x) or op(x, z). */
static char *add_node(ending *e, const char *op, char *x, char *z)
{
    Onnx__NodeProto *n = arena_new(e->mem, Onnx__NodeProto);

    onnx__node_proto__init(n);
    n->op_type = (char *)op;
    n->input = arena_array(e->mem, char *, 2);
    n->input[0] = x;
    n->input[1] = z;
    n->n_input = z ? 2 : 1;
    n->output = arena_array(e->mem, char *, 1);
    n->output[0] = new_name(e, arena_printf(e->mem, "head.%s", op));
    n->n_output = 1;
    e->g->node[e->g->n_node++] = n;
    return n->output[0];
}

static char *add_array(ending *e, const char *name, const import_array *a)
{
    Onnx__TensorProto *t = arena_new(e->mem, Onnx__TensorProto);

    onnx__tensor_proto__init(t);
    t->name = new_name(e, name);
    t->has_data_type = true;
    t->data_type = dt_of(a->dtype)->onnx;
    t->n_dims = (size_t)a->rank;
    t->dims = arena_copy(e->mem, a->dims, (size_t)(a->rank + 1) * sizeof *a->dims);
    t->has_raw_data = true;
    t->raw_data = (ProtobufCBinaryData){a->size, (uint8_t *)(uintptr_t)a->data};
    e->g->initializer[e->g->n_initializer++] = t;
    return t->name;
}

/* The result, of a rank; rows and extents between are not said. */
static void add_output(ending *e, char *name)
{
    Onnx__ValueInfoProto *v = arena_new(e->mem, Onnx__ValueInfoProto);

    onnx__value_info_proto__init(v);
    v->name = name;
    v->type = onnx_type_proto(e->mem, e->head->real, e->head->rank);
    e->g->output = arena_array(e->mem, Onnx__ValueInfoProto *, 1);
    e->g->output[0] = v;
    e->g->n_output = 1;
}

static void add_head(ending *e)
{
    static const int64_t line[] = {-1}, one[] = {1};
    const import_array shape = {.dtype = DT_I64, .rank = 1, .dims = one, .data = line,
                                .size = sizeof line};
    const onnx_head *h = e->head;
    char *x = arena_strdup(e->mem, h->until);

    if (h->mean)
        x = add_node(e, "Flatten", add_node(e, "GlobalAveragePool", x, NULL), NULL);
    if (h->w)
        x = add_node(e, "MatMul", x, add_array(e, h->w->name, h->w));
    if (h->b)
        x = add_node(e, "Add", x, add_array(e, h->b->name, h->b));
    if (h->scalar)
        x = add_node(e, "Reshape", x, add_array(e, "head.shape", &shape));
    add_output(e, x);
}

bool onnx_end_with(Onnx__ModelProto *p, const onnx_head *head, arena *mem)
{
    ending e = {.g = arena_copy(mem, p->graph, sizeof *p->graph), .head = head, .mem = mem};

    keep_nodes(&e);
    keep_values(&e);
    bool ok = free_rows(&e);
    if (ok)
        add_head(&e);
    names_free(&e.wanted);
    p->graph = e.g;
    p->n_training_info = 0;
    return ok;
}
