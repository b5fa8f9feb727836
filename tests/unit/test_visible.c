/* What files say, fit for a terminal; what a file looks like; whole files and their hash. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "file.h"
#include "file_kind.h"
#include "sha256.h"

static void shows(const char *s, const char *want)
{
    char *to = malloc(visible_size(s) + 1);

    assert_non_null(to);
    visible_copy(to, s);
    assert_string_equal(to, want);
    assert_int_equal(visible_size(s), strlen(want));
    free(to);
}

static void text_is_shown(void **state)
{
    (void)state;
    shows("", "");
    shows("conv1/a:0 \\", "conv1/a:0 \\");
    shows("Gr\xc3\xb6\xc3\x9f" "e \xe2\x82\xac", "Gr\xc3\xb6\xc3\x9f" "e \xe2\x82\xac");
    shows("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
    shows("a\x1b[2J\n\x7f", "a\\x1b[2J\\x0a\\x7f");
    shows("\xff\xc3", "\\xff\\xc3");                    /* no UTF-8, and cut off */
    shows("\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf"); /* longer than needed */
    shows("\xed\xa0\x80\xf4\x90\x80\x80", "\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80");
    shows("\xc2\x9b" "1m", "\\xc2\\x9b1m");             /* a control character of C1 */
    shows("\xe2\x80\xae", "\\xe2\\x80\\xae");           /* from right to left */
}

static void looks(const char *bytes, size_t n, const char *want)
{
    const char *is = file_looks_like((const uint8_t *)bytes, n);

    if (!want)
        assert_null(is);
    else
        assert_string_equal(is, want);
}

static void files_are_recognized(void **state)
{
    (void)state;
    looks("\x89PNG\r\n", 6, "a PNG picture");
    looks("\x89PN", 3, NULL);
    looks("RIFF\0\0\0\0WEBP", 12, "a WebP picture");
    looks("\0\0\x08\3\0\0\0\1", 8, "an IDX file");
    looks("<!DOCTYPE html>", 15, "an HTML page");
    looks("1,2,3\n", 6, "text");
    looks("Gr\xc3\xb6\xc3", 5, NULL);                   /* ends within a character */
    looks("\x08\x08\x12\x04test", 8, NULL);             /* how models begin */
    looks("", 0, NULL);
}

static void suffixes(void **state)
{
    (void)state;
    assert_true(has_suffix("nets/a.ingot", ".ingot"));
    assert_false(has_suffix(".ingot", ".ingot"));
    assert_false(has_suffix("a.ingot.bak", ".ingot"));
    assert_false(has_suffix("", ".ingot"));
}

/* A folder opens as a file does: only reading it tells. */
static void whole_files(void **state)
{
    arena mem = {0};
    char path[] = "/tmp/ingot-file-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_string_equal(file_read(&mem, path), "");
    assert_int_equal(pwrite(fd, "net\n", 4, 0), 4);
    assert_string_equal(file_read(&mem, path), "net\n");
    close(fd);
    unlink(path);
    assert_null(file_read(&mem, path));
    assert_int_equal(errno, ENOENT);
    assert_null(file_read(&mem, "/tmp"));
    assert_int_equal(errno, EISDIR);
    arena_reset(&mem);
}

/* The examples of FIPS 180-4, and lengths about those of a block. */
static void hashes(void **state)
{
    static const struct {
        size_t n;
        const char *text, *hash;
    } cases[] = {
        {0, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {3, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {56, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {64, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
         "a8ae6e6ee929abea3afcfc5258c8ccd6f85273e0d4626d26c7279f3250f77c8e"},
    };
    char path[] = "/tmp/ingot-hash-XXXXXX", hex[65];
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, cases[i].text, cases[i].n, 0), cases[i].n);
        assert_true(sha256_file(path, hex));
        assert_string_equal(hex, cases[i].hash);
    }
    close(fd);
    unlink(path);
    assert_false(sha256_file(path, hex));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_shown),
        cmocka_unit_test(files_are_recognized),
        cmocka_unit_test(suffixes),
        cmocka_unit_test(whole_files),
        cmocka_unit_test(hashes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
