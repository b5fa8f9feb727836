/* tests/unit/test_tensor_io.c - tensor files: what is written is read back,
 * the typed fields of ONNX, files that are broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "names.h"
#include "tensor_io.h"
#include "tensor_types.h"

static char error[TENSOR_ERROR_SIZE];
static char folder[] = "/tmp/ingot_tensor_XXXXXX";

static const char *path_of(const char *name)
{
    static char path[200];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static tensor_value make(int32_t dtype, int32_t rank, const int64_t *dims)
{
    tensor_value v = {.kind = TENSOR_PLAIN};
    int bits = tensor_types[dtype].bits;

    assert_true(tensor_init(&v.t, dtype, rank, dims));
    uint8_t *p = v.t.data;
    for (int64_t i = 0; i < v.t.count * (int64_t)tensor_elem_size(dtype); i++) {
        p[i] = (uint8_t)(i * 37 + 11);
        if (dtype == TENSOR_BOOL)
            p[i] &= 1;
        else if (bits < 8)
            p[i] = (uint8_t)(p[i] & ((1 << bits) - 1));
        if (tensor_types[dtype].cls == 'i' && bits < 8 && p[i] >> (bits - 1))
            p[i] |= (uint8_t)(0xff << bits);
    }
    return v;
}

static tensor_value make_strings(void)
{
    const int64_t dims[] = {2, 2};
    const char *words[] = {"", "one", "two words", "\xc3\xa4"};
    tensor_value v = {.kind = TENSOR_PLAIN};

    assert_true(tensor_init(&v.t, TENSOR_STRING, 2, dims));
    for (int i = 0; i < 4; i++)
        ((tensor_string *)v.t.data)[i] = (tensor_string){strdup(words[i]), strlen(words[i])};
    return v;
}

static bool same(const tensor_value *a, const tensor_value *b)
{
    size_t size = (size_t)a->t.count * tensor_elem_size(a->t.dtype);

    if (a->kind != b->kind || a->n != b->n)
        return false;
    if (a->kind == TENSOR_PLAIN && a->t.dtype != TENSOR_STRING)
        return a->t.dtype == b->t.dtype && a->t.rank == b->t.rank && a->t.count == b->t.count &&
               !memcmp(a->t.dims, b->t.dims, (size_t)a->t.rank * 8) &&
               !memcmp(a->t.data, b->t.data, size);
    return tensor_compare(a, b, 0, 0).equal;
}

static void there_and_back(const tensor_value *v, bool npy)
{
    const char *path = path_of(npy ? "t.npy" : "t.pb");
    tensor_value back;

    if (!tensor_write(path, npy, "name", v, error) || !tensor_read(path, v->kind, &back, error))
        fail_msg("%s", error);
    assert_true(same(v, &back));
    tensor_value_free(&back);
}

static void all_types_are_read_back(void **state)
{
    const int64_t dims[] = {3, 1, 5};

    (void)state;
    for (int32_t k = 1; k < TENSOR_TYPES; k++)
        for (int32_t rank = 0; rank <= 3; rank++) {
            if (k == TENSOR_STRING)
                continue;
            tensor_value v = make(k, rank, dims);
            there_and_back(&v, false);
            if (tensor_npy_holds(&v))
                there_and_back(&v, true);
            tensor_value_free(&v);
        }
}

static void strings_and_empty_tensors_are_read_back(void **state)
{
    const int64_t dims[] = {0, 1000000000000, 1000000000};
    tensor_value v = make_strings(), none = {.kind = TENSOR_PLAIN};

    (void)state;
    there_and_back(&v, false);
    assert_false(tensor_npy_holds(&v));
    tensor_value_free(&v);
    assert_true(tensor_init(&none.t, TENSOR_F32, 3, dims));
    there_and_back(&none, true);
    there_and_back(&none, false);
    tensor_value_free(&none);
}

/* A sequence of optionals of sequences of tensors. */
static tensor_value make_nest(void)
{
    tensor_value inner = {.kind = TENSOR_SEQUENCE, .n = 2, .item = calloc(2, sizeof inner)};
    tensor_value some = {.kind = TENSOR_OPTIONAL, .n = 1, .item = calloc(1, sizeof inner)};
    tensor_value outer = {.kind = TENSOR_SEQUENCE, .n = 2, .item = calloc(2, sizeof inner)};

    inner.item[0] = make(TENSOR_F32, 1, (int64_t[]){4});
    inner.item[1] = make_strings();
    some.item[0] = inner;
    outer.item[0] = some;
    outer.item[1] = (tensor_value){.kind = TENSOR_OPTIONAL};
    return outer;
}

static void sequences_are_read_back(void **state)
{
    tensor_value v = make_nest();

    (void)state;
    there_and_back(&v, false);
    tensor_value_free(&v);
}

/* ---- hand-written protobuf -------------------------------------------------------- */

static bool read_bytes(const void *bytes, size_t n, tensor_value *v)
{
    uint8_t *copy = malloc(n + !n);     /* its own block: the sanitizer sees every overrun */

    memcpy(copy, bytes, n);
    bool ok = tensor_read_memory("memory", copy, n, TENSOR_PLAIN, v, error);
    free(copy);
    return ok;
}

#define READ(v, ...) \
    read_bytes((uint8_t[]){__VA_ARGS__}, sizeof(uint8_t[]){__VA_ARGS__}, v)

static void typed_fields_follow_the_packing_rules(void **state)
{
    tensor_value v;

    (void)state;
    /* f32[2] in float_data, packed: 1, -2 */
    assert_true(READ(&v, 8, 2, 16, 1, 34, 8, 0, 0, 128, 63, 0, 0, 0, 192));
    assert_float_equal(tensor_element(&v.t, 1), -2, 0);
    tensor_value_free(&v);
    /* the same, not packed */
    assert_true(READ(&v, 8, 2, 16, 1, 37, 0, 0, 128, 63, 37, 0, 0, 0, 192));
    assert_float_equal(tensor_element(&v.t, 0), 1, 0);
    tensor_value_free(&v);
    /* f16[1]: the bits 0x3c00 in int32_data */
    assert_true(READ(&v, 8, 1, 16, 10, 42, 2, 0x80, 0x78));
    assert_float_equal(tensor_element(&v.t, 0), 1, 0);
    tensor_value_free(&v);
    /* i8[1] = -1: a varint of ten bytes */
    assert_true(READ(&v, 8, 1, 16, 3, 42, 10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1));
    assert_float_equal(tensor_element(&v.t, 0), -1, 0);
    tensor_value_free(&v);
    /* i4[3] = 1, -1, 2: two in the first number */
    assert_true(READ(&v, 8, 3, 16, 22, 42, 3, 0xf1, 0x01, 2));
    assert_float_equal(tensor_element(&v.t, 0), 1, 0);
    assert_float_equal(tensor_element(&v.t, 1), -1, 0);
    assert_float_equal(tensor_element(&v.t, 2), 2, 0);
    tensor_value_free(&v);
    /* bool[2] raw, 2 means true */
    assert_true(READ(&v, 8, 2, 16, 9, 74, 2, 2, 0));
    assert_int_equal(((uint8_t *)v.t.data)[0], 1);
    tensor_value_free(&v);
}

static void broken_protobuf_is_refused(void **state)
{
    tensor_value v;

    (void)state;
    assert_false(READ(&v, 8, 2, 16, 1, 34, 4, 0, 0, 128, 63));
    assert_non_null(strstr(error, "fewer elements"));
    assert_false(READ(&v, 8, 1, 16, 1, 34, 8, 0, 0, 128, 63, 0, 0, 0, 192));
    assert_non_null(strstr(error, "more elements"));
    assert_false(READ(&v, 8, 1, 16, 7, 34, 4, 0, 0, 128, 63));
    assert_non_null(strstr(error, "another type"));
    assert_false(READ(&v, 8, 1, 16, 1, 74, 3, 0, 0, 0));
    assert_non_null(strstr(error, "wrong length"));
    assert_false(READ(&v, 8, 1, 16, 1, 74, 100, 0, 0, 0));
    assert_non_null(strstr(error, "longer than the file"));
    assert_false(READ(&v, 8, 1, 16, 99));
    assert_non_null(strstr(error, "element type"));
    assert_false(READ(&v, 8, 1, 16, 1, 112, 1));
    assert_non_null(strstr(error, "external data"));
    assert_false(READ(&v, 8, 1, 16, 1, 26, 0));
    assert_non_null(strstr(error, "segmented"));
    /* dims 2^62 and 2^62, then -1 */
    assert_false(READ(&v, 8, 128, 128, 128, 128, 128, 128, 128, 128, 64, 8, 128, 128, 128, 128,
                      128, 128, 128, 128, 64, 16, 1));
    assert_non_null(strstr(error, "overflow"));
    assert_false(READ(&v, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 16, 1));
    assert_non_null(strstr(error, "negative"));
    /* f32[2^31] without data */
    assert_false(READ(&v, 8, 128, 128, 128, 128, 8, 16, 1));
    assert_non_null(strstr(error, "more data than the file"));
    assert_false(READ(&v, 8, 1, 16, 1, 3));
    assert_non_null(strstr(error, "offset"));
}

/* Every prefix and every changed byte of a file either reads or is an error. */
static void hurt_file(const char *path, tensor_kind kind)
{
    FILE *f = fopen(path, "rb");
    uint8_t data[2000];
    size_t n = fread(data, 1, sizeof data, f);
    const uint8_t flips[] = {0x01, 0x80, 0xff};

    fclose(f);
    for (size_t cut = 0; cut < n; cut++) {
        tensor_value v;
        uint8_t *copy = malloc(cut + !cut);
        memcpy(copy, data, cut);
        if (tensor_read_memory("cut", copy, cut, kind, &v, error))
            tensor_value_free(&v);
        free(copy);
    }
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            tensor_value v;
            data[i] ^= flips[k];
            if (tensor_read_memory("flipped", data, n, kind, &v, error))
                tensor_value_free(&v);
            data[i] ^= flips[k];
        }
}

static void broken_files_never_crash(void **state)
{
    tensor_value a = make(TENSOR_F32, 2, (int64_t[]){3, 5}), b = make_nest();

    (void)state;
    assert_true(tensor_write(path_of("a.npy"), true, "", &a, error));
    hurt_file(path_of("a.npy"), TENSOR_PLAIN);
    assert_true(tensor_write(path_of("a.pb"), false, "a", &a, error));
    hurt_file(path_of("a.pb"), TENSOR_PLAIN);
    assert_true(tensor_write(path_of("b.pb"), false, "b", &b, error));
    hurt_file(path_of("b.pb"), TENSOR_SEQUENCE);
    hurt_file(path_of("b.pb"), TENSOR_OPTIONAL);
    tensor_value_free(&a);
    tensor_value_free(&b);
}

/* ---- .npy ---------------------------------------------------------------------------- */

static bool read_npy(const char *dict, const void *data, size_t size, tensor_value *v)
{
    uint8_t bytes[400] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)strlen(dict)};

    memcpy(bytes + 10, dict, strlen(dict));
    memcpy(bytes + 10 + strlen(dict), data, size);
    return read_bytes(bytes, 10 + strlen(dict) + size, v);
}

static void npy_headers(void **state)
{
    const uint8_t data[] = {1, 2, 3, 4, 5, 6};
    tensor_value v;

    (void)state;
    assert_true(read_npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}", data, 6, &v));
    assert_memory_equal(v.t.data, ((uint8_t[]){1, 3, 5, 2, 4, 6}), 6);
    tensor_value_free(&v);
    assert_false(read_npy("{'descr': '>u2', 'fortran_order': False, 'shape': (3,)}", data, 6, &v));
    assert_non_null(strstr(error, "big-endian"));
    assert_false(read_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (7,)}", data, 6, &v));
    assert_non_null(strstr(error, "shape needs 7"));
    assert_false(read_npy("{'descr': '|u1', 'fortran_order': False, "
                          "'shape': (4294967296, 4294967296), }", data, 6, &v));
    assert_non_null(strstr(error, "too large"));
    assert_false(read_npy("{'descr': '|O', 'fortran_order': False, 'shape': (6,), }", data, 6, &v));
    assert_false(read_npy("{'fortran_order': False}", data, 6, &v));
}

/* ---- writing, comparing, naming --------------------------------------------------------- */

static void a_full_disk_is_reported(void **state)
{
    tensor_value v = make(TENSOR_F32, 1, (int64_t[]){4000});
    struct rlimit old, small;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){1000, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    bool ok = tensor_write(path_of("full.npy"), true, "", &v, error);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(ok);
    assert_non_null(strstr(error, "too large"));
    tensor_value_free(&v);
}

static void press_interrupt(int number)
{
    (void)number;
    raise(SIGINT);
}

/* The limit on file sizes gives a signal in the middle of a write. */
static void an_interrupt_leaves_no_partial_file(void **state)
{
    tensor_value v = make(TENSOR_F32, 1, (int64_t[]){4000});
    int status;
    char part[300];
    pid_t child = fork();

    (void)state;
    if (!child) {
        cleanup_catch_interrupt();
        signal(SIGXFSZ, press_interrupt);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){1000, RLIM_INFINITY});
        tensor_write(path_of("cut.npy"), true, "", &v, error);
        _exit(0);
    }
    waitpid(child, &status, 0);
    tensor_value_free(&v);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 130);
    snprintf(part, sizeof part, "%s.%ld.part", path_of("cut.npy"), (long)child);
    assert_int_not_equal(access(part, F_OK), 0);
    assert_int_not_equal(access(path_of("cut.npy"), F_OK), 0);
}

/* Source: the description beside the MNIST files. */
static void idx_is_read(void **state)
{
    static const uint8_t file[] = {0, 0, 11, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 255, 254};
    tensor_value v;

    (void)state;
    assert_true(tensor_read_memory("s.idx", file, sizeof file, TENSOR_PLAIN, &v, error));
    assert_int_equal(v.t.dtype, TENSOR_I16);
    assert_int_equal(v.t.rank, 2);
    assert_int_equal(((int16_t *)v.t.data)[0], 258);
    assert_int_equal(((int16_t *)v.t.data)[1], -2);
    tensor_value_free(&v);
    for (size_t size = 4; size < sizeof file; size++)
        assert_false(tensor_read_memory("s.idx", file, size, TENSOR_PLAIN, &v, error));
    assert_non_null(strstr(error, "s.idx: cut off, 16 bytes expected, 15 found"));
}

static void paths_that_cannot_be(void **state)
{
    tensor_value v = make(TENSOR_F32, 1, (int64_t[]){4});

    (void)state;
    assert_false(tensor_write(path_of("no/such/t.npy"), true, "", &v, error));
    assert_non_null(strstr(error, "cannot be written"));
    tensor_value_free(&v);
    assert_false(tensor_read(path_of("none.npy"), TENSOR_PLAIN, &v, error));
    assert_false(tensor_read(folder, TENSOR_PLAIN, &v, error));
    assert_non_null(strstr(error, "directory"));
}

static tensor_diff compare_two(float got, float want)
{
    tensor_value g = make(TENSOR_F32, 0, NULL), w = make(TENSOR_F32, 0, NULL);

    memcpy(g.t.data, &got, 4);
    memcpy(w.t.data, &want, 4);
    tensor_diff d = tensor_compare(&g, &w, 1e-3, 1e-7);
    tensor_value_free(&g);
    tensor_value_free(&w);
    return d;
}

static void comparison(void **state)
{
    (void)state;
    assert_true(compare_two(1.0009f, 1).equal);
    assert_false(compare_two(1.002f, 1).equal);
    assert_true(compare_two(NAN, NAN).equal);
    assert_false(compare_two(NAN, 1).equal);
    assert_false(compare_two(1, NAN).equal);
    assert_true(compare_two(INFINITY, INFINITY).equal);
    assert_false(compare_two(3e38f, INFINITY).equal);
    assert_false(compare_two(-INFINITY, INFINITY).equal);
    tensor_diff d = compare_two(3, 1);
    assert_int_equal(d.first, 0);
    assert_float_equal(d.max_abs, 2, 0);
    assert_string_equal(d.text, "element 0 is 3, expected 1");
    tensor_value a = make(TENSOR_I64, 1, (int64_t[]){3}), b = make(TENSOR_I32, 1, (int64_t[]){3});
    d = tensor_compare(&a, &b, 0, 0);
    assert_string_equal(d.text, "is i64[3], expected i32[3]");
    tensor_value_free(&a);
    tensor_value_free(&b);
}

static void complex_numbers_have_tolerance(void **state)
{
    tensor_value a = make(TENSOR_C64, 0, NULL), b = make(TENSOR_C64, 0, NULL);

    (void)state;
    memcpy(a.t.data, (float[]){1, 2}, 8);
    memcpy(b.t.data, (float[]){1, 2.0001f}, 8);
    assert_true(tensor_compare(&a, &b, 1e-3, 0).equal);
    assert_false(tensor_compare(&a, &b, 1e-6, 0).equal);
    tensor_value_free(&a);
    tensor_value_free(&b);
}

static void file_names(void **state)
{
    static const char *const names[][2] = {
        {"a_b", "a_b"}, {"a_b_2", "a_b_2"}, {"a/b", "a_b_3"}, {"x:0", "x_0"},  {"", "_"},
        {"/", "__2"},   {"a b", "a_b_4"},   {"a_b_2", "a_b_2_2"}, {"-.Z9", "-.Z9"}};
    name_set s = {0};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(name_set_add_file(&s, names[i][0]), names[i][1]);
    name_set_free(&s);
}

/* Names stay where they are, and differ, while the table grows. */
static void many_equal_names(void **state)
{
    enum { MANY = 1000 };
    const char *name[MANY];
    name_set s = {0};
    char want[20];

    (void)state;
    for (int i = 0; i < MANY; i++)
        name[i] = name_set_add(&s, "y");
    assert_string_equal(name[0], "y");
    for (int i = 1; i < MANY; i++) {
        snprintf(want, sizeof want, "y_%d", i + 1);
        assert_string_equal(name[i], want);
    }
    name_set_free(&s);
}

static void small_floats(void **state)
{
    const struct {
        int32_t dtype;
        uint8_t bits;
        double value;
    } cases[] = {
        {TENSOR_F8E4M3FN, 0x7e, 448},   {TENSOR_F8E4M3FN, 0x7f, NAN}, {TENSOR_F8E4M3FN, 1, 0x1p-9},
        {TENSOR_F8E5M2, 0x7b, 57344},   {TENSOR_F8E5M2, 0xfc, -INFINITY},
        {TENSOR_F8E4M3FNUZ, 0x7f, 240}, {TENSOR_F8E4M3FNUZ, 0x80, NAN},
        {TENSOR_F8E5M2FNUZ, 0x7f, 57344}, {TENSOR_F8E8M0, 127, 1},    {TENSOR_F8E8M0, 255, NAN},
        {TENSOR_F4E2M1, 0x0f, -6},      {TENSOR_F4E2M1, 0x03, 1.5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tensor_value v = make(cases[i].dtype, 0, NULL);
        *(uint8_t *)v.t.data = cases[i].bits;
        double x = tensor_element(&v.t, 0);
        assert_true(x == cases[i].value || (isnan(x) && isnan(cases[i].value)));
        tensor_value_free(&v);
    }
}

static int make_folder(void **state)
{
    (void)state;
    return !mkdtemp(folder);
}

static int remove_folder(void **state)
{
    const char *files[] = {"t.npy", "t.pb", "a.npy", "a.pb", "b.pb"};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(path_of(files[i]));
    return rmdir(folder);
}

static void casts(int32_t from, int32_t to, const void *in, const void *want, int64_t n)
{
    tensor t;

    assert_true(tensor_init(&t, from, 1, &n));
    memcpy(t.data, in, (size_t)n * tensor_elem_size(from));
    assert_true(tensor_cast(&t, to, error));
    assert_true(t.dtype == to && t.count == n);
    assert_memory_equal(t.data, want, (size_t)n * tensor_elem_size(to));
    tensor_free(&t);
}

/* 65519.9 is the largest number that rounds to a half that is not infinite; 2^-25 lies
 * in the middle between 0 and the least half. */
static void test_cast(void **state)
{
    const double d[] = {1, -0.5, 65519.9, 65520, 0x1p-24, 0x1p-25, 0x1.8p-25, -0.0};
    const uint16_t half[] = {0x3c00, 0xb800, 0x7bff, 0x7c00, 1, 0, 1, 0x8000};
    const float f[] = {1.99f, -1.99f, 200};
    tensor t;

    (void)state;
    casts(TENSOR_F64, TENSOR_F16, d, half, 8);
    casts(TENSOR_F64, TENSOR_BF16, (double[]){1, 3.4e38, 1.00390625, 1e39},
          (uint16_t[]){0x3f80, 0x7f80, 0x3f80, 0x7f80}, 4);
    casts(TENSOR_F16, TENSOR_F32, half, (float[]){1, -0.5f}, 2);
    casts(TENSOR_F32, TENSOR_I16, f, (int16_t[]){1, -1, 200}, 3);
    casts(TENSOR_F32, TENSOR_BOOL, f, (uint8_t[]){1, 1, 1}, 3);
    casts(TENSOR_I64, TENSOR_U64, (int64_t[]){INT64_MAX}, (uint64_t[]){INT64_MAX}, 1);
    casts(TENSOR_U8, TENSOR_F32, (uint8_t[]){0, 255}, (float[]){0, 255}, 2);
    assert_true(tensor_init(&t, TENSOR_F32, 1, (int64_t[]){3}));
    memcpy(t.data, f, sizeof f);
    assert_false(tensor_cast(&t, TENSOR_I8, error));
    assert_string_equal(error, "element 2, which is 200, does not fit into i8");
    assert_false(tensor_cast(&t, TENSOR_STRING, error));
    assert_int_equal(t.dtype, TENSOR_F32);
    tensor_free(&t);
}

static bool puts_number(int32_t dtype, double v, double want)
{
    uint64_t bits[2] = {0};
    const tensor t = {.dtype = dtype, .count = 2, .data = bits};

    return tensor_put_number(dtype, bits, 1, v) && tensor_element(&t, 1) == want &&
           tensor_element(&t, 0) == 0;
}

static void numbers_are_put(void **state)
{
    uint64_t bits = 0;

    (void)state;
    assert_true(puts_number(TENSOR_F32, 0.1, (double)0.1f));
    assert_true(puts_number(TENSOR_F64, 0.1, 0.1));
    assert_true(puts_number(TENSOR_F16, 65504, 65504));
    assert_true(puts_number(TENSOR_U8, 255, 255));
    assert_true(puts_number(TENSOR_I16, -32768, -32768));
    assert_true(puts_number(TENSOR_BOOL, 1, 1));
    assert_false(tensor_put_number(TENSOR_U8, &bits, 0, 256));
    assert_false(tensor_put_number(TENSOR_U8, &bits, 0, 2.5));
    assert_false(tensor_put_number(TENSOR_I64, &bits, 0, NAN));
    assert_false(tensor_put_number(TENSOR_BOOL, &bits, 0, 2));
    assert_false(tensor_put_number(TENSOR_STRING, &bits, 0, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cast),
        cmocka_unit_test(all_types_are_read_back),
        cmocka_unit_test(strings_and_empty_tensors_are_read_back),
        cmocka_unit_test(sequences_are_read_back),
        cmocka_unit_test(typed_fields_follow_the_packing_rules),
        cmocka_unit_test(broken_protobuf_is_refused),
        cmocka_unit_test(broken_files_never_crash),
        cmocka_unit_test(npy_headers),
        cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test(an_interrupt_leaves_no_partial_file),
        cmocka_unit_test(idx_is_read),
        cmocka_unit_test(paths_that_cannot_be),
        cmocka_unit_test(comparison),
        cmocka_unit_test(complex_numbers_have_tolerance),
        cmocka_unit_test(file_names),
        cmocka_unit_test(many_equal_names),
        cmocka_unit_test(small_floats),
        cmocka_unit_test(numbers_are_put),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
