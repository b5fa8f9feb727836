/* The walk over the wire format: what it keeps, leaves out and refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "onnx_scan.h"
#include "wire.h"

static bool scan(const text *in, text *out, char *why, size_t size)
{
    diag d;

    diag_init(&d);
    bool ok = onnx_scan((const uint8_t *)in->at, in->len, "m.onnx", out, &d);
    assert_int_equal(ok, !d.errors);
    snprintf(why, size, "%s", ok ? "" : d.message.at[0].text);
    diag_free(&d);
    return ok;
}

static void refused(text *in, const char *because)
{
    text out = {0};
    char why[200];

    assert_false(scan(in, &out, why, sizeof why));
    if (!strstr(why, because))
        fail_msg("'%s' does not say '%s'", why, because);
    text_free(&out);
    text_free(in);
}

static bool holds(const text *t, const char *s)
{
    return t->len && memmem(t->at, t->len, s, strlen(s));
}

static text model_of(const void *raw, size_t bytes)
{
    int64_t dims[] = {(int64_t)bytes / 4};
    text graph = {0}, tensor = wire_tensor("w", 1, dims, raw, bytes);

    wire_message(&graph, 5, &tensor);
    return wire_model(&graph, 13);
}

static void test_small_payload_stays(void **state)
{
    text out = {0}, in = model_of("12345678", 8);
    char why[200];
    (void)state;

    assert_true(scan(&in, &out, why, sizeof why));
    assert_int_equal(in.len, out.len);
    assert_memory_equal(in.at, out.at, in.len);
    text_free(&in);
    text_free(&out);
}

static void test_large_payload_is_referenced(void **state)
{
    static char raw[4096];
    char why[200], where[80];
    text out = {0};
    (void)state;

    memset(raw, 'x', sizeof raw);
    text in = model_of(raw, sizeof raw);
    assert_true(scan(&in, &out, why, sizeof why));
    assert_true(out.len < 200);
    const char *at = memmem(in.at, in.len, raw, sizeof raw);
    snprintf(where, sizeof where, "9 %zu 4096", (size_t)(at - in.at));
    assert_true(holds(&out, where));
    text_free(&in);
    text_free(&out);
}

/* A file must not be able to forge such a reference. */
static void test_written_reference_is_dropped(void **state)
{
    int64_t dims[] = {2};
    text graph = {0}, out = {0}, tensor = wire_tensor("w", 1, dims, "12345678", 8);
    char why[200];
    (void)state;

    wire_text(&tensor, ONNX_PAYLOAD_FIELD, "9 99999999 8");
    wire_message(&graph, 5, &tensor);
    text in = wire_model(&graph, 13);
    assert_true(scan(&in, &out, why, sizeof why));
    assert_false(holds(&out, "99999999"));
    text_free(&in);
    text_free(&out);
}

static void test_nesting(void **state)
{
    text t = {0};
    (void)state;

    for (int i = 0; i < 6000; i++) {     /* graph in attribute in node in graph .. */
        text attr = {0}, node = {0}, graph = {0};
        wire_message(&attr, 6, &t);
        wire_message(&node, 5, &attr);
        wire_message(&graph, 1, &node);
        t = graph;
    }
    text in = wire_model(&t, 13);
    assert_true(in.len > 34000);
    refused(&in, "nested too deeply");
}

static void test_types_nest_too(void **state)
{
    text type = {0}, value = {0}, graph = {0};
    (void)state;

    for (int i = 0; i < 100; i++) {      /* sequence of sequence of .. */
        text wrap = {0}, outer = {0};
        wire_message(&wrap, 1, &type);
        wire_message(&outer, 4, &wrap);
        type = outer;
    }
    wire_message(&value, 2, &type);
    wire_message(&graph, 11, &value);
    text in = wire_model(&graph, 13);
    refused(&in, "nested too deeply");
}

static text literal(const char *bytes, size_t n)
{
    text t = {0};

    text_addn(&t, bytes, n);
    return t;
}

static void test_broken_wire(void **state)
{
    static const struct { const char *bytes; size_t n; const char *because; } broken[] = {
        {"\x08", 1, "ends within a number"},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "longer than 10 bytes"},
        {"\x3a\x03\x0a\x05\x00", 5, "longer than what holds it"},
        {"\x3a\x05\x0a", 3, "is it cut off?"},
        {"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "is it cut off?"},
        {"\x02\x00", 2, "no valid number"},
        {"\x09\x01\x02", 3, "ends within a field"},
        {"\x0b", 1, "unknown wire type"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(broken); i++) {
        text in = literal(broken[i].bytes, broken[i].n);
        refused(&in, broken[i].because);
    }
}

static void test_every_cut(void **state)
{
    text in = model_of("12345678", 8);
    char why[200];
    (void)state;

    for (size_t n = 0; n < in.len; n++) {
        text cut = literal(in.at, n), out = {0};
        scan(&cut, &out, why, sizeof why);
        assert_true(out.len <= n);
        text_free(&cut);
        text_free(&out);
    }
    text_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_payload_stays),
        cmocka_unit_test(test_large_payload_is_referenced),
        cmocka_unit_test(test_written_reference_is_dropped),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_types_nest_too),
        cmocka_unit_test(test_broken_wire),
        cmocka_unit_test(test_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
