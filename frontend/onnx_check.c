/* frontend/onnx_check.c - a node against its operator's signature: how many
 * operands and results it has, which attributes, of what kind; and how tables of
 * operators' versions are searched. */
#include <limits.h>

#include "nearest.h"
#include "onnx.h"
#include "onnx_model.h"

static int compare(const onnx_version *v, const char *domain, const char *op)
{
    int c = strcmp(v->domain, domain);

    return c ? c : strcmp(v->op, op);
}

/* The row of this operator whose version is the last that is not newer; null if
 * there is none.  Rows are sorted by domain, operator and version, and begin with
 * an onnx_version. */
const void *onnx_find_version(const void *table, size_t count, size_t size, const char *domain,
                              const char *op, int64_t version)
{
    const char *at = table;
    const onnx_version *v, *best = NULL;
    size_t lo = 0, hi = count;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (compare((const onnx_version *)(at + mid * size), domain, op) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < count; lo++) {
        v = (const onnx_version *)(at + lo * size);
        if (compare(v, domain, op) || v->since > version)
            break;
        best = v;
    }
    return best;
}

/* A row of a table of signatures.  "axis:i!  pads:is" says that `axis`, an integer,
 * must be there and `pads`, a list of integers, may be; -1 operands at most is any
 * number. */
typedef struct signature {
    onnx_version at;
    int min_in, max_in, min_out, max_out;
    const char *attributes;     /* "axis:i! pads:is", sorted by name */
} signature;

static const signature standard[] = {
#define SIGNATURE(domain, op, since, min_in, max_in, min_out, max_out, attributes) \
    {{domain, #op, since}, min_in, max_in, min_out, max_out, attributes},
#include "onnx_signatures.def"
};

static const signature others[] = {
#define SIGNATURE(domain, op, since, min_in, max_in, min_out, max_out, attributes) \
    {{domain, #op, since}, min_in, max_in, min_out, max_out, attributes},
#include "onnx_ops.def"
};

void onnx_each_signature(onnx_see *see, void *cx)
{
    for (size_t i = 0; i < COUNT(standard); i++)
        see(cx, standard[i].at.domain, standard[i].at.op, standard[i].at.since);
    for (size_t i = 0; i < COUNT(others); i++)
        see(cx, others[i].at.domain, others[i].at.op, others[i].at.since);
}

/* Null if the version has none. */
static const signature *find_signature(const char *domain, const char *op, int64_t version)
{
    const signature *s = ONNX_FIND(standard, domain, op, version);

    return s ? s : ONNX_FIND(others, domain, op, version);
}

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

/* One attribute of a signature's list. */
typedef struct entry {
    const char *name, *kind;
    int name_len, kind_len;
    bool required;
} entry;

/* Takes the next entry off the list; false at its end. */
static bool next_entry(const char **list, entry *e)
{
    const char *s = *list + strspn(*list, " ");

    e->name = s;
    e->name_len = (int)strcspn(s, ":");
    e->kind = s + e->name_len + 1;
    if (!*s)
        return false;
    e->kind_len = (int)strcspn(e->kind, "! ");
    e->required = e->kind[e->kind_len] == '!';
    *list = e->kind + e->kind_len + e->required;
    return true;
}

static bool is_called(const entry *e, const char *name)
{
    return name && strlen(name) == (size_t)e->name_len && !memcmp(name, e->name, strlen(name));
}

/* Does the attribute have a value of this type?  A file that sets `type` may omit a
 * value that is zero or an empty text, as protobuf allows. */
static bool has_value(const Onnx__AttributeProto *a, Onnx__AttributeProto__AttributeType type)
{
    switch (type) {
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT: return a->type || a->has_f;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT: return a->type || a->has_i;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING: return a->type || a->has_s;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR: return a->t;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH: return a->g;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR: return a->sparse_tensor;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO: return a->tp;
    default: return true;
    }
}

bool onnx_has_type(onnx_op *n, const Onnx__AttributeProto *a,
                   Onnx__AttributeProto__AttributeType type)
{
    size_t i = 0;

    while (i < COUNT(kinds) && kinds[i].type != type)
        i++;
    ICE_IF(i == COUNT(kinds), "an attribute of type %d is read", (int)type);
    return !a->type || a->type == type ||
           onnx_fail(n, "attribute '%s' must be %s", a->name, kinds[i].name);
}

/* A kind that the table of kinds does not know is a row of ours that is wrong. */
static bool check_kind(onnx_op *n, const Onnx__AttributeProto *a, const entry *e)
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (strlen(kinds[i].kind) != (size_t)e->kind_len ||
            memcmp(kinds[i].kind, e->kind, (size_t)e->kind_len))
            continue;
        return onnx_has_type(n, a, kinds[i].type) &&
               (has_value(a, kinds[i].type) ||
                onnx_fail(n, "attribute '%s' has no value", a->name));
    }
    ICE_IF(true, "a kind of attribute that is not in the table");
    return false;
}

/* The attributes of this entry: one at most, of its kind, there if required. */
static bool check_entry(onnx_op *n, const entry *e)
{
    const char *name = NULL;

    for (size_t i = 0; i < n->p->n_attribute; i++) {
        if (!is_called(e, n->p->attribute[i]->name))
            continue;
        if (name)
            return onnx_fail(n, "attribute '%s' is given twice", name);
        name = n->p->attribute[i]->name;
    }
    const Onnx__AttributeProto *a = name ? onnx_attr(n, name) : NULL;
    if (!a)
        return !e->required ||
               onnx_fail(n, "attribute '%.*s' is missing", e->name_len, e->name);
    return check_kind(n, a, e);
}

/* `list` is that of a signature, as "axis:i keepdims:i". */
static bool check_name(onnx_op *n, const char *list, const char *name)
{
    nearest near = nearest_to(name);
    entry e;

    while (next_entry(&list, &e)) {
        if (is_called(&e, name))
            return true;
        nearest_try(&near, arena_strndup(&n->b->m->mem, e.name, (size_t)e.name_len));
    }
    return onnx_fail(n, "the operator has no attribute '%s'%s%s%s", name,
                     near.best ? "; did you mean '" : "", near.best ? near.best : "",
                     near.best ? "'?" : "");
}

/* Unknown attributes are errors: one that is passed over might have changed the
 * result. */
static bool check_attributes(onnx_op *n, const char *list)
{
    entry e;

    for (size_t i = 0; i < n->p->n_attribute; i++) {
        if (!check_name(n, list, text_or(n->p->attribute[i]->name)))
            return false;
    }
    while (next_entry(&list, &e))
        if (!check_entry(n, &e))
            return false;
    return true;
}

/* False if the operator has no such attribute. */
bool onnx_attribute_kind(const char *domain, const char *op, int64_t version, const char *name,
                         char kind[4])
{
    const signature *s = find_signature(domain, op, version);
    const char *list = s ? s->attributes : "";
    entry e;

    while (next_entry(&list, &e))
        if (is_called(&e, name)) {
            snprintf(kind, 4, "%.*s", e.kind_len, e.kind);
            return true;
        }
    return false;
}

/* A max of INT_MAX is any number, as of Concat. */
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
    const signature *s = find_signature(domain, n->p->op_type, n->version);

    ICE_IF(!s, "%s of domain '%s' has no signature: a SIGNATURE of onnx_ops.def",
           n->p->op_type, domain);
    return check_count(n, "operand", n->nin, s->min_in, s->max_in) &&
           check_count(n, "result", n->nout, s->min_out, s->max_out) &&
           check_attributes(n, s->attributes);
}
