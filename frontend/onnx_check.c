/* frontend/onnx_check.c - a node against its operator's signature: how many
 * operands and results it has, which attributes, of what kind. */
#include <limits.h>

#include "onnx_model.h"

typedef struct signature {
    onnx_version at;
    int min_in, max_in, min_out, max_out;
    const char *attributes;     /* "axis:i! pads:is", sorted by name */
} signature;

static const signature signatures[] = {
#define SIGNATURE(domain, op, since, min_in, max_in, min_out, max_out, attributes) \
    {{domain, #op, since}, min_in, max_in, min_out, max_out, attributes},
#include "onnx_signatures.def"
};

/* What an attribute's type is called in the table, and in messages. */
static const struct {
    Onnx__AttributeProto__AttributeType type;
    const char *kind, *name;
} kinds[] = {
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, "f", "a float"},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, "i", "an integer"},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, "s", "a text"},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR, "t", "a tensor"},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH, "g", "a graph"},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR, "st", "a sparse tensor"},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO, "tp", "a type"},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS, "fs", "a list of floats"},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, "is", "a list of integers"},
    {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS, "ss", "a list of texts"},
};

/* Is the value there?  A zero and an empty text need not be written. */
static bool has_value(const Onnx__AttributeProto *a, Onnx__AttributeProto__AttributeType type)
{
    switch (type) {
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR: return a->t;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH: return a->g;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR: return a->sparse_tensor;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO: return a->tp;
    default: return true;
    }
}

static bool check_kind(onnx_op *n, const Onnx__AttributeProto *a, const char *kind, size_t len)
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (strlen(kinds[i].kind) != len || strncmp(kinds[i].kind, kind, len))
            continue;
        if (a->type && a->type != kinds[i].type)
            return onnx_fail(n, "attribute '%s' must be %s", a->name, kinds[i].name);
        return has_value(a, kinds[i].type) || onnx_fail(n, "attribute '%s' has no value", a->name);
    }
    ICE_IF(true, "a kind of attribute that is not in the table");
    return false;
}

/* The kind of an attribute in a signature's list, or null. */
static const char *find_kind(const char *list, const char *name)
{
    size_t len = strlen(name);

    while (*list) {
        if (!strncmp(list, name, len) && list[len] == ':')
            return list + len + 1;
        list += strcspn(list, " ");
        list += *list == ' ';
    }
    return NULL;
}

static bool check_given(onnx_op *n, const signature *s)
{
    for (size_t i = 0; i < n->p->n_attribute; i++) {
        const char *name = n->p->attribute[i]->name;
        const char *kind = name ? find_kind(s->attributes, name) : NULL;
        if (!kind)
            return onnx_fail(n, "the operator has no attribute '%s'", name ? name : "");
        for (size_t j = 0; j < i; j++)
            if (!strcmp(n->p->attribute[j]->name, name))
                return onnx_fail(n, "attribute '%s' is given twice", name);
        const Onnx__AttributeProto *a = onnx_attr(n, name);
        if (a && !check_kind(n, a, kind, strcspn(kind, "! ")))
            return false;
    }
    return true;
}

static bool check_required(onnx_op *n, const signature *s)
{
    char name[64];

    for (const char *at = s->attributes; (at = strchr(at, '!')); at++) {
        const char *colon = at, *from;
        while (*colon != ':')
            colon--;
        for (from = colon; from > s->attributes && from[-1] != ' ';)
            from--;
        snprintf(name, sizeof name, "%.*s", (int)(colon - from), from);
        if (!onnx_attr(n, name))
            return onnx_fail(n, "attribute '%s' is missing", name);
    }
    return true;
}

static bool check_count(onnx_op *n, const char *what, int has, int min, int max)
{
    if (has >= min && has <= max)
        return true;
    if (max == INT_MAX)
        return onnx_fail(n, "takes at least %d %s%s, has %d", min, what, min == 1 ? "" : "s", has);
    if (min == max)
        return onnx_fail(n, "takes %d %s%s, has %d", min, what, min == 1 ? "" : "s", has);
    return onnx_fail(n, "takes %d to %d %ss, has %d", min, max, what, has);
}

bool onnx_check_node(onnx_op *n, const char *domain)
{
    const signature *s = ONNX_FIND(signatures, domain, n->p->op_type, n->version);

    return !s || (check_count(n, "operand", n->nin, s->min_in, s->max_in) &&
                  check_count(n, "result", n->nout, s->min_out, s->max_out) &&
                  check_given(n, s) && check_required(n, s));
}
