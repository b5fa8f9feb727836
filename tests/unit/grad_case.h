/* tests/unit/grad_case.h - a case of tests/grad_cases.def: its inputs, and the model that it
 * means, as text of the tensor IR or as ONNX. */
#ifndef INGOT_GRAD_CASE_H
#define INGOT_GRAD_CASE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs some of these */
#include <cmocka.h>

#include "build.h"
#include "imported.h"
#include "num.h"

/* What a case does not hold for; its row says why. */
enum {
    ONCE = 1,           /* no second derivative */
    INTERPRETED = 2,    /* does not compile */
    PLAIN = 4           /* the loss is the sum of y, without weights */
};

typedef struct grad_case {
    const char *name, *inputs, *body;   /* of an ONNX operator: body has the attributes */
    int opset;                          /* 0: a case of the tensor IR */
    unsigned flags;
} grad_case;

/* ---- inputs ------------------------------------------------------------------------ */

enum { MAX_INPUTS = 8, MAX_ELEMENTS = 400 };

/* `x[2,n]`, `x[2]@1:3` or, a constant, `i=i64[2]{0,1}`. */
typedef struct input {
    char name[20], dtype[8];            /* dtype empty: a floating parameter */
    int rank;
    char symbol[IR_MAX_RANK];           /* 0: a number */
    int64_t dim[IR_MAX_RANK];
    double lo, hi;                      /* both 0: of either sign, away from 0 */
    double value[MAX_ELEMENTS];         /* of a constant; parameters with values: of kinks */
    int values;
} input;

typedef struct inputs {
    int n;
    input at[MAX_INPUTS];
} inputs;

/* Extents that only the run knows are named by letters: these. */
static int64_t value_of(char symbol)
{
    static const struct { char name; int64_t value; } known[] = {
        {'z', 0}, {'o', 1}, {'k', 2}, {'n', 3}, {'p', 3}, {'m', 4}};

    for (size_t i = 0; i < COUNT(known); i++)
        if (known[i].name == symbol)
            return known[i].value;
    fail_msg("extent %c has no value", symbol);
    return 0;
}

static const char *read_dims(const char *s, input *x)
{
    for (s++; *s != ']'; s += *s == ',') {
        char *end = (char *)s + 1;
        x->symbol[x->rank] = *s >= 'a' ? *s : 0;
        x->dim[x->rank] = *s >= 'a' ? value_of(*s) : strtol(s, &end, 10);
        x->rank++;
        s = end;
    }
    return s + 1;
}

static const char *read_values(const char *s, input *x)
{
    char *end;

    for (s++; *s != '}'; s = end + (*end == ','))
        x->value[x->values++] = strtod(s, &end);
    return s + 1;
}

static const char *read_input(const char *s, input *x)
{
    size_t n = strcspn(s, "[=");
    char *end;

    *x = (input){0};
    memcpy(x->name, s, n);
    s += n;
    if (*s == '=') {
        n = strcspn(++s, "[");
        memcpy(x->dtype, s, n);
        s += n;
    }
    s = read_dims(s, x);
    if (*s == '@') {
        x->lo = strtod(s + 1, &end);
        x->hi = strtod(end + 1, &end);
        s = end;
    }
    if (*s == '{')
        s = read_values(s, x);
    return s + strspn(s, " ");
}

static inputs read_inputs(const char *s)
{
    inputs in = {0};

    while (*s)
        s = read_input(s, &in.at[in.n++]);
    return in;
}

static int64_t count_of(const input *x)
{
    int64_t n = 1;

    for (int i = 0; i < x->rank; i++)
        n *= x->dim[i];
    return n;
}

static bool is_constant(const input *x) { return *x->dtype; }

static const input *first_parameter(const inputs *in)
{
    const input *x = in->at;

    while (is_constant(x))
        x++;
    return x;
}

/* ---- the model of a case ----------------------------------------------------------- */

static void print_type(const input *x, const char *dtype, text *out)
{
    text_add(out, "%s[", dtype);
    for (int i = 0; i < x->rank; i++)
        x->symbol[i] ? text_add(out, "%s%c", i ? "," : "", x->symbol[i])
                     : text_add(out, "%s%d", i ? "," : "", (int)x->dim[i]);
    text_add(out, "]");
}

static void print_constant(const input *x, text *out)
{
    text_add(out, "  %%%s = const ", x->name);
    if (!x->rank)
        text_add(out, "%.17g", x->value[0]);
    for (int i = 0; x->rank && i < x->values; i++)
        text_add(out, "%s%.17g", i ? "," : "[", x->value[i]);
    text_add(out, x->rank ? "] : " : " : ");
    print_type(x, x->dtype, out);
    text_add(out, "\n");
}

/* A line of a body, n characters; one that names no type has that of parameter x. */
static void print_line(const char *line, size_t n, const input *x, const char *dtype, text *out)
{
    text_add(out, *line == '%' ? "  " : "  %%y = ");
    bool typed = memmem(line, n, " : ", 3) != NULL;
    for (size_t i = 0; i < n; i++)
        if (strncmp(line + i, "real[", 5))
            text_addn(out, line + i, 1);
        else {
            text_add(out, "%s", dtype);
            i += strlen("real") - 1;
        }
    if (!typed) {
        text_add(out, " : ");
        print_type(x, dtype, out);
    }
    text_add(out, "\n");
}

/* An expression, or lines divided by `;` of which one defines %y. */
static void print_body(const char *body, const input *x, const char *dtype, text *out)
{
    while (*body) {
        size_t n = strcspn(body, ";");
        print_line(body, n, x, dtype, out);
        body += n + strspn(body + n, "; ");
    }
    text_add(out, "  return y=%%y\n}\n");
}

static ir_module *parsed(const grad_case *c, const inputs *in, const char *dtype, diag *d)
{
    text t = {0};
    int n = 0;

    text_add(&t, "fn f(");
    for (int i = 0; i < in->n; i++)
        if (!is_constant(&in->at[i])) {
            text_add(&t, "%s%%%s: ", n++ ? ", " : "", in->at[i].name);
            print_type(&in->at[i], dtype, &t);
        }
    text_add(&t, ") {\n");
    for (int i = 0; i < in->n; i++)
        if (is_constant(&in->at[i]))
            print_constant(&in->at[i], &t);
    print_body(c->body, first_parameter(in), dtype, &t);
    ir_module *m = ir_parse(t.at, c->name, d);
    text_free(&t);
    return m;
}

static int onnx_type(const char *dtype)
{
    for (int d = 0; d < DT_COUNT; d++)
        if (!strcmp(dt_text((ir_dtype)d), dtype))
            return dt_of((ir_dtype)d)->onnx;
    fail_msg("no type %s", dtype);
    return 0;
}

static void add_parameter(text *graph, const input *x, const char *dtype)
{
    text shape = {0}, tensor = {0}, type = {0}, value = {0};

    for (int i = 0; i < x->rank; i++) {
        text dim = {0};
        x->symbol[i] ? wire_text(&dim, 2, (char[]){x->symbol[i], 0}) : wire_int(&dim, 1, x->dim[i]);
        wire_message(&shape, 1, &dim);
    }
    wire_int(&tensor, 1, onnx_type(dtype));
    wire_message(&tensor, 2, &shape);
    wire_message(&type, 1, &tensor);
    wire_text(&value, 1, x->name);
    wire_message(&value, 2, &type);
    wire_message(graph, 11, &value);
}

static void add_initializer(text *graph, const input *x, const char *dtype)
{
    uint8_t raw[MAX_ELEMENTS * 8];
    text t = {0};
    ir_dtype d = dt_from_onnx(onnx_type(dtype));

    for (int i = 0; i < x->rank; i++)
        wire_int(&t, 1, x->dim[i]);
    wire_int(&t, 2, onnx_type(dtype));
    wire_text(&t, 8, x->name);
    for (int i = 0; i < x->values; i++)
        dt_is_float(d) ? num_store_flt(d, raw + i * dt_size(d), x->value[i])
                       : num_store_int(d, raw + i * dt_size(d), (int64_t)x->value[i]);
    wire_bytes(&t, 9, raw, (size_t)(x->values * dt_size(d)));
    wire_message(graph, 5, &t);
}

/* `name=1`, `name=0.5`, `name=word` or `name=[1,2]` */
static const char *add_attribute(text *node, const char *s)
{
    size_t n = strcspn(s, "=");
    char name[40] = {0}, value[80] = {0};
    text a = {0};

    memcpy(name, s, n);
    s += n + 1;
    n = *s == '[' ? strcspn(s, "]") + 1 : strcspn(s, " ");
    memcpy(value, s, n);
    wire_text(&a, 1, name);
    if (*value == '[') {
        bool flt = strchr(value, '.') != NULL;
        char *p = value;
        do {
            float f = strtof(p + 1, NULL);
            flt ? wire_varint(&a, 7 << 3 | 5), text_addn(&a, (const char *)&f, 4)
                : wire_int(&a, 8, strtol(p + 1, &p, 10));
            p = flt ? p + 1 + strcspn(p + 1, ",]") : p;
        } while (*p == ',');
        wire_int(&a, 20, flt ? 6 : 7);
    } else if (strchr("-0123456789", *value)) {
        float f = strtof(value, NULL);
        bool flt = strchr(value, '.') != NULL;
        flt ? wire_varint(&a, 2 << 3 | 5), text_addn(&a, (const char *)&f, 4)
            : wire_int(&a, 3, strtol(value, NULL, 10));
        wire_int(&a, 20, flt ? 1 : 2);
    } else {
        wire_text(&a, 4, value);
        wire_int(&a, 20, 3);
    }
    wire_message(node, 5, &a);
    return s + n + strspn(s + n, " ");
}

/* Names of the results: `y`, and more if the attributes begin with `results=N`, which is cut
 * off then. */
static void add_results(text *node, const char **attributes)
{
    int n = 1, used = 0;

    if (sscanf(*attributes, "results=%d %n", &n, &used) == 1)
        *attributes += used;
    for (int i = 0; i < n; i++) {
        char name[20];
        snprintf(name, sizeof name, i ? "y%d" : "y", i);
        wire_text(node, 2, name);
    }
}

/* The domain, if the attributes begin with `domain=D`, which is cut off then; its operator
 * set, the first one, is added to `sets`. */
static void add_domain(text *node, text *sets, const char **attributes)
{
    char domain[40];
    text set = {0};
    int used = 0;

    if (sscanf(*attributes, "domain=%39s %n", domain, &used) != 1)
        return;
    wire_text(node, 7, domain);
    wire_text(&set, 1, domain);
    wire_int(&set, 2, 1);
    wire_message(sets, 8, &set);
    *attributes += used;
}

/* The operator with all inputs in order; its first result, `y`, is the case's. */
static ir_module *imported_case(const grad_case *c, const inputs *in, const char *dtype, diag *d)
{
    text graph = {0}, node = {0}, value = {0}, sets = {0}, model;
    const char *attributes = c->body;

    for (int i = 0; i < in->n; i++) {
        const input *x = &in->at[i];
        wire_text(&node, 1, *x->name == '-' ? "" : x->name);
        if (is_constant(x) && *x->name != '-')
            add_initializer(&graph, x, strcmp(x->dtype, "real") ? x->dtype : dtype);
        else if (*x->name != '-')
            add_parameter(&graph, x, dtype);
    }
    add_domain(&node, &sets, &attributes);
    add_results(&node, &attributes);
    wire_text(&node, 4, c->name);
    while (*attributes)
        attributes = add_attribute(&node, attributes);
    wire_message(&graph, 1, &node);
    wire_text(&value, 1, "y");
    wire_message(&graph, 12, &value);
    model = wire_model(&graph, c->opset);
    if (sets.len)
        text_addn(&model, sets.at, sets.len);
    ir_module *m = onnx_import_memory((const uint8_t *)model.at, model.len, "m.onnx", NULL, d);
    text_free(&sets);
    text_free(&model);
    return m;
}

#endif
