/* Initializers of models written by hand: broken ones, and ones in files beside the
 * model, which must not lead out of its folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <unistd.h>

#include "imported.h"

/* x + w with this initializer w, of `bytes` zeros. */
static text with_tensor(const int64_t *dims, int rank, size_t bytes)
{
    static const char raw[64];
    text g = {0}, w = wire_tensor("w", rank, dims, raw, bytes);

    wire_node(&g, "Add", "x w", "y", NULL);
    wire_message(&g, 5, &w);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 12, "y", 2, square);
    return wire_model(&g, 17);
}

static void test_broken_tensors(void **state)
{
    const int64_t huge[] = {INT64_MAX, INT64_MAX}, wraps[] = {(int64_t)1 << 59},
                  negative[] = {-2, -2};
    (void)state;

    text m = with_tensor(huge, 2, 16);
    refused(&m, "too large");
    m = with_tensor(wraps, 1, 0);
    refused(&m, "tensor 'w'");
    m = with_tensor(negative, 2, 16);
    refused(&m, "negative");
    m = with_tensor(square, 2, 12);
    refused(&m, "wrong length");
}

/* ---- external data -------------------------------------------------------------- */

static char folder[] = "/tmp/ingot_import_XXXXXX";

static const char *path_of(const char *name)
{
    static char path[200];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Writes inner/m.onnx, whose initializer is 16 bytes of the file at `location`. */
static void external_model(const char *location, const char *offset)
{
    const char *const pair[][2] = {{"location", location}, {"offset", offset}, {"length", "16"}};
    text g = {0}, w = wire_tensor("w", 2, square, "", 0);

    for (size_t i = 0; i < COUNT(pair); i++) {
        text e = {0};
        wire_text(&e, 1, pair[i][0]);
        wire_text(&e, 2, pair[i][1]);
        wire_message(&w, 13, &e);
    }
    wire_int(&w, 14, 1);
    wire_node(&g, "Add", "x w", "y", NULL);
    wire_message(&g, 5, &w);
    wire_value(&g, 11, "x", 2, square);
    wire_value(&g, 12, "y", 2, square);
    text m = wire_model(&g, 17);
    write_file(path_of("inner/m.onnx"), m.at, m.len);
    text_free(&m);
}

/* "" if the model loads, else what is said. */
static void external_says(const char *location, const char *offset, const char *because)
{
    diag d;

    external_model(location, offset);
    diag_init(&d);
    ir_module *m = onnx_import(path_of("inner/m.onnx"), NULL, &d);
    assert_int_equal(m != NULL, !*because);
    if (!m)
        expect(d.message.at[0].text, because);
    ir_module_free(m);
    diag_free(&d);
}

static void test_external_data(void **state)
{
    static const char raw[24] = "0123456789abcdefghijklm";
    char command[240];
    (void)state;

    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command, "mkdir -p %s/inner/sub", folder);
    assert_int_equal(system(command), 0);
    write_file(path_of("outside"), raw, sizeof raw);
    write_file(path_of("inner/in"), raw, sizeof raw);
    write_file(path_of("inner/sub/in"), raw, sizeof raw);
    assert_int_equal(symlink("../outside", path_of("inner/link")), 0);
    external_says("in", "8", "");
    external_says("sub/in", "0", "");
    external_says("in", "9", "ends before");
    external_says("in", "18446744073709551615", "ends before");
    external_says("in", "-1", "is no number");
    external_says("missing", "0", "tensor 'w'");
    external_says("../outside", "0", "not in the model's folder");
    external_says("sub/../../outside", "0", "not in the model's folder");
    external_says(path_of("inner/in"), "0", "not in the model's folder");
    external_says("link", "0", "not in the model's folder");
    external_says("sub", "0", "not a regular file");
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_tensors),
        cmocka_unit_test(test_external_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
