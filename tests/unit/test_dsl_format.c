/* The formatter: what stands between tokens, what it keeps, and that it changes nothing twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dsl/format.h"
#include "dsl/prelude.h"
#include "dsl/token.h"

/* As it comes, and as it should look. */
static const struct {
    const char *source, *want;
} cases[] = {
    {"fn f(x)=-x ^ 2+a[ 1 : ,:]*-3", "fn f(x) = -x^2 + a[1:, :] * -3\n"},
    {"fn f(x){x};\n\n\n\nfn g(x) =x", "fn f(x) { x }\n\nfn g(x) = x\n"},
    {"fn f(x) {\nif x{\nx\n}\nelse\n{\ny ;\n}\n}",
     "fn f(x) {\n    if x {\n        x\n    }\n    else\n    {\n        y\n    }\n}\n"},
    {"fn f (x:int<2*k+1> [..],b:bool=true)->[ .. ] = sum[i,..](x [i])-1",
     "fn f(x: int<2 * k + 1>[..], b: bool = true) -> [..] = sum[i, ..] (x[i]) - 1\n"},
    {"state a: int<2>=0,b:[3]~ normal(0,1) # why",
     "state a: int<2> = 0, b: [3] ~ normal(0, 1)  # why\n"},
    {"fn f(x) {\n  y = x   # one\n  # two  \n  y+1       # three\n}",
     "fn f(x) {\n    y = x  # one\n    # two\n    y + 1   # three\n}\n"},
    {"train t() {\nminimize -a weight (b)\nusing adam (1) on *.b , head.* , conv*\n over *;\nbatch "
     "4}",
     "train t() {\n    minimize -a weight (b)\n        using adam(1) on *.b, head.*, conv*\n"
     "        over *\n    batch 4 }\n"},
    {"net n = b.until (\"x\")with *.w|>lora( 8 )", "net n = b.until(\"x\") with *.w |> lora(8)\n"},
    {"load l(w=\"f\"){repeat i in 3{a . {i} . w[p,q]<-w[\"k{i}\"] [q , p]}}",
     "load l(w = \"f\") { repeat i in 3 { a.{i}.w[p, q] <- w[\"k{i}\"][q, p] } }\n"},
    {"fn f(x) = g(\nx,\ny\n)", "fn f(x) = g(\n    x,\n    y\n)\n"},
    {"fn f(x) {\n a\n    - b\n}", "fn f(x) {\n    a\n    -b\n}\n"},
    {"fn f(x)=x\n|>g\n  |>h", "fn f(x) = x\n    |> g\n    |> h\n"},
    {"entry f(batch: int) = batch  -  1 + batch-1",
     "entry f(batch: int) = batch - 1 + batch - 1\n"},
    {"", ""},
};

static text formatted(const char *source)
{
    diag d;
    text out = {0};

    diag_init(&d);
    if (!dsl_format(source, "p.ingot", &d, &out))
        fail_msg("%s", d.message.at[0].text);
    diag_free(&d);
    return out;
}

static void test_cases(void **state)
{
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        text once = formatted(cases[i].source), twice = formatted(once.at);
        assert_string_equal(once.at, cases[i].want);
        assert_string_equal(twice.at, cases[i].want);
        text_free(&once);
        text_free(&twice);
    }
}

static void test_prelude(void **state)
{
    (void)state;

    for (int i = 0; i < PRELUDE_FILES; i++) {
        text once = formatted(prelude[i].text);
        assert_string_equal(once.at, prelude[i].text);
        text_free(&once);
    }
}

/* The source with a blank wherever two tokens of a line do not touch, three blanks elsewhere. */
static char *spread(const char *source, arena *mem)
{
    ast_pool pool = {0};
    tokens t = {0};
    text out = {0};
    diag d;

    diag_init(&d);
    token_read(&pool, source, 0, &d, &t);
    for (uint32_t i = 0; i < t.len; i++) {
        text_add(&out, t.at[i].first && i ? "\n" : t.at[i].glued ? "" : "   ");
        text_addn(&out, source + t.at[i].start, t.at[i].size);
    }
    char *copy = arena_strdup(mem, out.at);
    text_free(&out);
    vec_free(&t);
    ast_pool_free(&pool);
    diag_free(&d);
    return copy;
}

/* Blanks decide nothing but where words of statements stand. */
static void test_blanks(void **state)
{
    arena mem = {0};
    (void)state;

    for (int i = 0; i < PRELUDE_FILES; i++) {
        text once = formatted(spread(prelude[i].text, &mem)), twice = formatted(once.at);
        assert_string_equal(once.at, twice.at);
        text_free(&once);
        text_free(&twice);
    }
    arena_reset(&mem);
}

static void test_wrong(void **state)
{
    diag d;
    text out = {0};
    (void)state;

    diag_init(&d);
    assert_false(dsl_format("fn f(x) = )", "p.ingot", &d, &out));
    assert_int_equal(out.len, 0);
    diag_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_prelude),
        cmocka_unit_test(test_blanks),
        cmocka_unit_test(test_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
