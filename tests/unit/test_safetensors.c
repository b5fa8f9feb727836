/* tests/unit/test_safetensors.c - named tensors in a file: written, found, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tensor_safetensors.h"

static char error[TENSOR_ERROR_SIZE], path[] = "/tmp/ingot_safetensors_XXXXXX";

static const float w[6] = {1, 2, 3, 4, 5, 6};
static const uint8_t on[3] = {1, 0, 1};
static const safetensors_item items[] = {
    {"net.dense1.w", TENSOR_F32, 2, (int64_t[]){2, 3}, w},
    {"a \"name\"\n\xc3\xa4", TENSOR_BOOL, 1, (int64_t[]){3}, on},
    {"none", TENSOR_F64, 2, (int64_t[]){0, 7}, w},
};
static const safetensors_note notes[] = {{"format", "ingot"}, {"step", "40"}};

static void write_text(const char *header, size_t data)
{
    FILE *f = fopen(path, "wb");
    uint64_t length = strlen(header);

    assert_non_null(f);
    fwrite(&length, sizeof length, 1, f);
    fputs(header, f);
    for (size_t i = 0; i < data; i++)
        fputc(2, f);
    fclose(f);
}

static void what_is_written_is_read(void **state)
{
    FILE *f = fopen(path, "wb");
    safetensors s;
    float got[6];
    uint8_t bools[3];

    (void)state;
    assert_true(safetensors_write(f, items, 3, notes, 2));
    fclose(f);
    if (!safetensors_open(&s, path, error))
        fail_msg("%s", error);
    assert_int_equal(s.tensor_count, 3);
    assert_string_equal(safetensors_note_of(&s, "step"), "40");
    assert_null(safetensors_note_of(&s, "epoch"));
    assert_int_equal(s.data % 8, 0);
    const safetensors_entry *e = safetensors_find(&s, items[0].name);
    assert_true(e && e->rank == 2 && e->dims[1] == 3 && e->size == sizeof w);
    assert_true(safetensors_read(&s, e, got, error));
    assert_memory_equal(got, w, sizeof w);
    e = safetensors_find(&s, items[1].name);
    assert_true(e && safetensors_read(&s, e, bools, error));
    assert_memory_equal(bools, on, sizeof on);
    assert_null(safetensors_find(&s, "net.dense1"));
    safetensors_close(&s);
}

/* A type that has no name here is told as the file has it; its bytes can be read. */
static void unknown_types_are_told(void **state)
{
    safetensors s;

    (void)state;
    write_text("{\"q\":{\"dtype\":\"I3\",\"shape\":[8],\"data_offsets\":[0,3]}}", 3);
    assert_true(safetensors_open(&s, path, error));
    assert_int_equal(s.tensor[0].dtype, 0);
    assert_string_equal(s.tensor[0].type, "I3");
    safetensors_close(&s);
}

/* Bytes of a file that are no 0 or 1 are true. */
static void bools_are_settled(void **state)
{
    safetensors s;
    uint8_t got[3];

    (void)state;
    write_text("{\"b\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]}}", 3);
    assert_true(safetensors_open(&s, path, error));
    assert_true(safetensors_read(&s, &s.tensor[0], got, error));
    assert_memory_equal(got, ((uint8_t[]){1, 1, 1}), 3);
    safetensors_close(&s);
}

static void damage_is_refused(void **state)
{
#define W "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":"
    static const char *const headers[] = {
        "", "{", "[]", "{\"w\"}", "{" W "[0,8]}", "{" W "[0,8}}}",
        "{" W "[0,4]}}", "{" W "[8,0]}}", "{" W "[4,12]}}", "{" W "[0,8]}," W "[0,8]}}",
        "{" W "[-8,0]}}", "{\"w\":{\"dtype\":\"F32\",\"shape\":[2]}}",
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,16],\"data_offsets\":[0,0]}}",
        "{\"w\":{\"shape\":[2],\"data_offsets\":[0,8]}}", "{\"__metadata__\":{\"a\":1}}",
    };
    safetensors s;

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        write_text(headers[i], 8);
        bool ok = safetensors_open(&s, path, error);
        safetensors_close(&s);
        if (ok)
            fail_msg("%s is taken", headers[i]);
    }
    write_text("{}", 0);
    assert_true(safetensors_open(&s, path, error));
    safetensors_close(&s);
    assert_false(safetensors_open(&s, "/no/such/file", error));
    safetensors_close(&s);
}

static int make_file(void **state)
{
    (void)state;
    return mkstemp(path) < 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(unknown_types_are_told),
        cmocka_unit_test(bools_are_settled),
        cmocka_unit_test(damage_is_refused),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
