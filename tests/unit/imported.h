/* tests/unit/imported.h - models written by hand: what the importer makes of them,
 * or says.  Include <cmocka.h> first. */
#ifndef INGOT_IMPORTED_H
#define INGOT_IMPORTED_H

#include "onnx.h"
#include "wire.h"

static const int64_t square[] = {2, 2};

static inline ir_module *import(const text *model, const import_options *o, diag *d)
{
    ir_module *m = onnx_import_memory((const uint8_t *)model->at, model->len, "m.onnx", o, d);

    assert_int_equal(m != NULL, !diag_failed(d));
    if (m)
        assert_true(ir_verify(m, d, "import"));
    return m;
}

/* What is printed about a model that must be refused; the model is freed. */
static inline char *complaint(text *model)
{
    diag d;
    char *out = NULL;
    size_t size;

    diag_init(&d);
    ir_module *m = import(model, NULL, &d);
    assert_null(m);
    FILE *f = open_memstream(&out, &size);
    diag_print(&d, f);
    fclose(f);
    diag_free(&d);
    text_free(model);
    return out;
}

static inline void expect(const char *got, const char *part)
{
    if (!strstr(got, part))
        fail_msg("'%s' does not say '%s'", got, part);
}

static inline void refused(text *model, const char *because)
{
    char *got = complaint(model);

    expect(got, because);
    free(got);
}

/* Type of the entry's first result; the model is kept. */
static inline void result_is(const text *model, const import_options *o, const char *want)
{
    diag d;
    text t = {0};

    diag_init(&d);
    ir_module *m = import(model, o, &d);
    if (!m)
        fail_msg("%s", d.message.len ? d.message.at[0].text : "unsupported");
    const ir_fn *f = ir_module_find(m, "main");
    type_print(&m->types, ir_type_of(f, f->result.at[0]), &t);
    assert_string_equal(t.at, want);
    text_free(&t);
    ir_module_free(m);
    diag_free(&d);
}

/* The model's IR says this; the model is freed. */
static inline void imported_says(text *model, const char *part)
{
    text t = {0};
    diag d;

    diag_init(&d);
    ir_module *m = import(model, NULL, &d);
    assert_non_null(m);
    ir_print(m, &t);
    expect(t.at, part);
    text_free(&t);
    ir_module_free(m);
    diag_free(&d);
    text_free(model);
}

/* An attribute of a type: a float, an integer, a text or a list of one text,
 * others without value. */
static inline text attribute(const char *name, int type, const char *value)
{
    text a = {0};

    wire_text(&a, 1, name);
    if (type == 2)
        wire_int(&a, 3, atoi(value));
    if (type == 3)
        wire_text(&a, 4, value);
    if (type == 8)
        wire_text(&a, 9, value);
    if (type == 1) {
        float f = strtof(value, NULL);
        wire_varint(&a, 2 << 3 | 5);
        text_addn(&a, (const char *)&f, sizeof f);
    }
    wire_int(&a, 20, type);
    return a;
}

/* A subgraph attribute: as many inputs, the Relu of the first or of x. */
static inline void add_subgraph(text *node, const char *name, int inputs)
{
    text g = {0}, a = {0};

    wire_node(&g, "Relu", inputs ? "p" : "x", "r", NULL);
    for (int i = 0; i < inputs; i++)
        wire_value(&g, 11, (char[]){(char)('p' + i), 0}, 2, square);
    wire_value(&g, 12, "r", 2, square);
    wire_text(&a, 1, name);
    wire_message(&a, 6, &g);
    wire_int(&a, 20, 5);
    wire_message(node, 5, &a);
}

/* f32[dim] */
static inline void named_value(text *graph, uint32_t field, const char *name, const char *dim)
{
    text extent = {0}, shape = {0};

    wire_text(&extent, 2, dim);
    wire_message(&shape, 1, &extent);
    wire_value_of(graph, field, name, &shape);
}

#endif
