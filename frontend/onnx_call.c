/* frontend/onnx_call.c - one operator on values that are there: onnx.GridSample(x, g) of a
 * program.  The call becomes a node as a file would have it, which the operator's builder
 * cannot tell from others. */

#include "nearest.h"
#include "onnx.h"
#include "onnx_model.h"

/* Attributes are of the model's arena: they are read while the node is built, and
 * no protobuf-c allocation has to be freed. */
static Onnx__AttributeProto *attribute_new(arena *mem, const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a = arena_new(mem, Onnx__AttributeProto);

    onnx__attribute_proto__init(a);
    a->name = arena_strdup(mem, name);
    a->type = type;
    a->has_type = true;
    return a;
}

static int64_t *whole_list(arena *mem, const onnx_argument *x)
{
    int64_t *v = arena_array(mem, int64_t, x->n + 1);

    for (uint32_t i = 0; i < x->n; i++)
        v[i] = x->number[i].whole;
    return v;
}

static float *real_list(arena *mem, const onnx_argument *x)
{
    float *v = arena_array(mem, float, x->n + 1);

    for (uint32_t i = 0; i < x->n; i++)
        v[i] = (float)x->number[i].real;
    return v;
}

static bool is_whole(const onnx_argument *x)
{
    for (uint32_t i = 0; i < x->n; i++)
        if (!x->number[i].is_whole)
            return false;
    return true;
}

static ProtobufCBinaryData text_data(arena *mem, const char *s)
{
    return (ProtobufCBinaryData){strlen(s), (uint8_t *)arena_strdup(mem, s)};
}

/* A list of numbers as a tensor of one axis: i64 if all are whole, else f32. */
static Onnx__TensorProto *tensor_of(arena *mem, const onnx_argument *x)
{
    Onnx__TensorProto *t = arena_new(mem, Onnx__TensorProto);
    int64_t n = x->n;

    onnx__tensor_proto__init(t);
    t->has_data_type = true;
    t->n_dims = 1;
    t->dims = arena_copy(mem, &n, sizeof n);
    t->data_type = dt_of(is_whole(x) ? DT_I64 : DT_F32)->onnx;
    if (is_whole(x)) {
        t->n_int64_data = x->n;
        t->int64_data = whole_list(mem, x);
    } else {
        t->n_float_data = x->n;
        t->float_data = real_list(mem, x);
    }
    return t;
}

static ProtobufCBinaryData *text_list(arena *mem, const onnx_argument *x)
{
    ProtobufCBinaryData *v = arena_array(mem, ProtobufCBinaryData, x->n + 1);

    for (uint32_t i = 0; i < x->n; i++)
        v[i] = text_data(mem, x->text[i]);
    return v;
}

/* What an operator without a signature is given: by the value alone. */
static const char *own_kind(const onnx_argument *x)
{
    static const char *const kind[2][3] = {{"f", "i", "s"}, {"fs", "is", "ss"}};

    return kind[x->list][x->text ? 2 : is_whole(x)];
}

/* The attribute as the operator has it, in which a number may stand for a list of one;
 * null if it is of another kind. */
static Onnx__AttributeProto *attribute(arena *mem, const onnx_argument *x, const char *kind)
{
#define NEW(type) attribute_new(mem, x->name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##type)
    Onnx__AttributeProto *a = NULL;
    bool one = x->n == 1 && !x->list;

    if (!strcmp(kind, "f") && one && !x->text) {
        a = NEW(FLOAT);
        a->has_f = true;
        a->f = (float)x->number->real;
    } else if (!strcmp(kind, "i") && one && !x->text && is_whole(x)) {
        a = NEW(INT);
        a->has_i = true;
        a->i = x->number->whole;
    } else if (!strcmp(kind, "s") && one && x->text) {
        a = NEW(STRING);
        a->has_s = true;
        a->s = text_data(mem, *x->text);
    } else if (!strcmp(kind, "t") && !x->text) {
        a = NEW(TENSOR);
        a->t = tensor_of(mem, x);
    } else if (!strcmp(kind, "fs") && !x->text) {
        a = NEW(FLOATS);
        a->n_floats = x->n;
        a->floats = real_list(mem, x);
    } else if (!strcmp(kind, "is") && !x->text && is_whole(x)) {
        a = NEW(INTS);
        a->n_ints = x->n;
        a->ints = whole_list(mem, x);
    } else if (!strcmp(kind, "ss") && (x->text || !x->n)) {
        a = NEW(STRINGS);
        a->n_strings = x->n;
        a->strings = text_list(mem, x);
    }
    return a;
#undef NEW
}

/* By the operator's signature, which says whether 1 is meant as integer, float or
 * list. */
static bool add_attributes(onnx_op *n, const onnx_call *c, Onnx__NodeProto *p)
{
    arena *mem = &n->b->m->mem;

    p->attribute = arena_array(mem, Onnx__AttributeProto *, c->arguments + 1);
    for (uint32_t i = 0; i < c->arguments; i++) {
        const onnx_argument *x = &c->argument[i];
        char kind[4] = "";
        bool known = onnx_attribute_kind(c->domain, c->op, c->version, x->name, kind);
        Onnx__AttributeProto *a = attribute(mem, x, known ? kind : own_kind(x));
        if (!a)
            return onnx_fail(n, "%s takes another kind of value (%s of ONNX)", x->name, kind);
        p->attribute[p->n_attribute++] = a;
    }
    return true;
}

/* Names for operands and results: a file has nothing else. */
static char **names_of(arena *mem, const char *what, uint32_t n)
{
    char **v = arena_array(mem, char *, n + 1);

    for (uint32_t i = 0; i < n; i++)
        v[i] = arena_printf(mem, "%s%u", what, i);
    return v;
}

/* The node, and a scope in which its operands have the names that it uses. */
static bool build(onnx_scope *s, const onnx_call *c, ir_ref *out)
{
    arena *mem = &s->b->m->mem;
    Onnx__NodeProto p = ONNX__NODE_PROTO__INIT;
    onnx_op n = {.b = s->b, .scope = s, .p = &p, .domain = c->domain, .version = c->version,
                 .nin = (int)c->operands, .nout = (int)c->results, .out = out, .place = c->op};

    p.op_type = arena_strdup(mem, c->op);
    p.domain = arena_strdup(mem, c->domain);
    p.n_input = c->operands;
    p.input = names_of(mem, "x", c->operands);
    p.n_output = c->results;
    p.output = names_of(mem, "y", c->results);
    for (uint32_t i = 0; i < c->operands; i++)
        if (c->operand[i] == IR_NONE)
            p.input[i] = "";
        else
            scope_set(s, p.input[i], c->operand[i]);
    for (uint32_t i = 0; i < c->results; i++)
        out[i] = IR_NONE;
    return add_attributes(&n, c, &p) && onnx_dispatch(&n);
}

/* False after an error; out has the results' refs.  The scope `around` stands for
 * the model that there is none of. */
bool onnx_apply(ir_build *b, const onnx_call *c, ir_ref *out)
{
    Onnx__ModelProto proto = ONNX__MODEL_PROTO__INIT;
    onnx_model x = {.name = "onnx", .m = b->m, .d = b->d, .proto = &proto, .runs = IR_NONE,
                    .in_program = true};
    onnx_scope around = {.model = &x, .b = b}, s = {.model = &x, .b = b, .parent = &around};
    ir_loc loc = b->loc;
    bool ok = build(&s, c, out) && !diag_failed(b->d);

    for (uint32_t i = 0; ok && i < c->results; i++)
        ok = out[i] != IR_NONE;
    b->loc = loc;
    scope_free(&s);
    scope_free(&around);
    names_free(&x.functions);
    names_free(&x.loose);
    vec_free(&x.loose_axes);
    return ok;
}

/* ---- names ---------------------------------------------------------------------- */

/* A look through all rows for one operator, or for what comes near it. */
typedef struct search {
    const char *domain, *op;
    nearest near;
    bool found;
} search;

/* Called for every row of onnx_ops.def: an operator of another spelling, or a near
 * one, is what a message proposes. */
static void look(void *cx, const char *domain, const char *op, int since)
{
    search *s = cx;

    (void)since;
    if (strcmp(domain, s->domain))
        return;
    s->found |= !strcmp(op, s->op);
    nearest_try(&s->near, op);
}

bool onnx_has_operator(const char *domain, const char *op, const char **nearest)
{
    search s = {.domain = domain, .op = op, .near = nearest_to(op)};

    onnx_each_operator(look, &s);
    *nearest = s.near.best;
    return s.found;
}

bool onnx_is_standard(const char *domain, const char *op)
{
    search s = {.domain = domain, .op = op, .near = nearest_to(op)};

    onnx_each_signature(look, &s);
    return s.found;
}
