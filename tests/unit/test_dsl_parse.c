/* The language's lexer and parser: what a tree looks like, and what is told where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dsl/ast.h"

typedef struct parsed {
    diag d;
    ast_pool pool;
    ast_program *program;
} parsed;

static parsed parse(const char *source)
{
    parsed p = {0};

    diag_init(&p.d);
    p.program = ast_parse(&p.pool, source, diag_source(&p.d, "p.ingot", source), &p.d);
    return p;
}

static void release(parsed *p)
{
    ast_pool_free(&p->pool);
    diag_free(&p->d);
}

static void test_tree(void **state)
{
    parsed p = parse("# Adds.\nfn f(a = 1)(x: int<V>[.., T + 1]) -> [T] onnx Foo = -x^2 |> g\n");
    (void)state;

    assert_int_equal(p.d.errors, 0);
    assert_int_equal(p.program->items.len, 1);
    const ast_item *f = p.program->items.at[0];
    assert_int_equal(f->kind, AST_ITEM_FN);
    assert_string_equal(f->doc, "Adds.");
    assert_true(f->callable.configured);
    const ast_type *t = f->callable.params.at[0].type;
    assert_int_equal(t->elem, AST_ELEM_INT);
    assert_string_equal(t->bound->name, "V");
    assert_int_equal(t->extents.at[0]->kind, AST_REST);
    assert_int_equal(t->extents.at[1]->binary.op, AST_ADD);
    const ast_expr *e = f->callable.body.stmts.at[0]->values.at[0];
    assert_int_equal(e->kind, AST_PIPE);
    assert_int_equal(e->binary.left->unary.op, AST_NEG);
    assert_int_equal(e->binary.left->unary.x->binary.op, AST_POW);
    assert_int_equal(e->at.col, 58);
    release(&p);
}

/* A program in which one thing is wrong, and how its message begins. */
static const struct {
    const char *source, *message;
} wrong[] = {
    {"fn f(x) = x @ x", "p.ingot:1:13: error: no operator @: write sum[k] a[i, k] * b[k, j]"},
    {"fn f(x) = 0 < x < 1", "p.ingot:1:17: error: comparisons do not chain"},
    {"fn f(x: f33) = x", "p.ingot:1:9: error: unknown type f33; did you mean f32?"},
    {"leyer f(x) = x", "p.ingot:1:1: error: no item begins with leyer; did you mean layer?"},
    {"fn f(x) {\n    x + )\n}", "p.ingot:2:9: error: an expression is expected here, not )"},
    {"fn f(x) { batch 4 }", "p.ingot:1:11: error: batch stands in a train block"},
    {"train t() { minimize e usng sgd(1) }",
     "p.ingot:1:24: error: unknown clause usng; did you mean using?"},
    {"fn f(x) { chek x == 1;  x }",
     "p.ingot:1:11: error: unknown statement chek; did you mean check?"},
    {"fn f(x) = 3x", "p.ingot:1:11: error: 3x is neither a number nor a name"},
    {"fn f(x) = g(x, \"a", "p.ingot:1:16: error: this string has no end on its line"},
    {"fn f(x) = x\xE2\x80\xAE", "p.ingot:1:12: error: control character U+202E"},
    {"fn f(x) = \xFF", "p.ingot:1:11: error: this is no text in UTF-8"},
};

static void test_wrong(void **state)
{
    (void)state;

    for (size_t i = 0; i < COUNT(wrong); i++) {
        parsed p = parse(wrong[i].source);
        if (p.d.message.len != 1)
            fail_msg("%s: %u messages", wrong[i].source, p.d.message.len);
        if (strncmp(p.d.message.at[0].text, wrong[i].message, strlen(wrong[i].message)))
            fail_msg("%s", p.d.message.at[0].text);
        release(&p);
    }
}

/* Each faulty statement and item has one message; what lies between them parses. */
static void test_recovery(void **state)
{
    parsed p = parse("fn a(x) {\n    y = (x +\n    z = 2\n    w = * 3\n    if x > { y }\n    y\n}\n"
                     "net b(x {\n    x\n}\n"
                     "fn c(x) = x\nfn d(x) { x\nfn e(x) = x\n");
    (void)state;

    assert_int_equal(p.d.message.len, 5);
    assert_int_equal(p.program->items.len, 3);
    release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_recovery),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
