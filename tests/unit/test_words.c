/* tests/unit/test_words.c - every word of the loop IR has code: each statement,
 * loop, space, tail and kind of expression, and each scalar function on every
 * element type that it takes, is emitted and passes LLVM's verifier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <unistd.h>

#include <llvm-c/Analysis.h>

#include "llvm_module.h"

/* One kernel that has all words. */
static const char everything[] =
    "kernel everything(x: f32[n, 32] in, w: i8[4, 8] const, y: f32[n, 32] out)"
    " dims n in 1..4096 {\n"
    "  par a in 0..n {\n"
    "    local t: f32[16, 16] row\n"
    "    local acc: f32[8] reg = 0:f32\n"
    "    for i in 0..16 {\n"
    "      unroll q in 0..4 {\n"
    "        t[i, q] = f32(w[q, i / 2])\n"
    "      }\n"
    "    }\n"
    "    vec masked v in 0..n step 8 {\n"
    "      c = x[a, v if lt(v, 32)]\n"
    "      acc[v % 8] += c\n"
    "      if lt(c, 0:f32) {\n"
    "        y[a, v] = c\n"
    "      } else {\n"
    "        y[a, v] max= c\n"
    "      }\n"
    "    }\n"
    "    vec exact e in 0..16 step 16 {\n"
    "      t[0, e] = f32(dot4(3:i32, i32(e), 5:i32))\n"
    "      t[0, e] = f32(dot2(3:i32, i32(e), 5:i16))\n"
    "      stream y[a, e] = 0:f32\n"
    "    }\n"
    "    s = fold add acc\n"
    "    transpose t[0, 0] t[8, 8] 8\n"
    "    prefetch x[a + 1, 0]\n"
    "    prefetch far x[a + 2, 0]\n"
    "    y[a, 0] = s\n"
    "  }\n"
    "}\n";

/* ---- which words a kernel has ------------------------------------------------- */

typedef struct words {
    bool op[LP_OPS], space[LP_SPACES], loop[LP_LOOP_KINDS], tail[LP_TAILS], node[LX_KINDS];
    bool guarded, stream;
} words;

static void see_block(words *w, const lp_stmt *s)
{
    for (; s; s = s->next) {
        w->op[s->op] = true;
        w->stream |= s->stream;
        if (s->op == LP_LOOP)
            w->loop[s->kind] = true;
        if (s->op == LP_LOOP && s->kind == LP_VEC)
            w->tail[s->tail] = true;
        see_block(w, s->body);
        see_block(w, s->other);
    }
}

static words words_of(const lp_kernel *k)
{
    words w = {.node[LX_NONE] = true};

    for (lp_buf b = 1; b < k->buf.len; b++)
        w.space[k->buf.at[b].space] = true;
    for (lp_expr e = 1; e < k->node.len; e++) {
        w.node[lp_at(k, e)->kind] = true;
        w.guarded |= lp_at(k, e)->guarded;
    }
    see_block(&w, k->body);
    return w;
}

static void expect_all(const bool *seen, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (!seen[i])
            fail_msg("the kernel has no %s number %zu", what, i);
}

/* ---- emission ----------------------------------------------------------------- */

static lp_kernel *parsed(const char *s)
{
    ir_loc loc = {.line = 1};
    diag d;

    diag_init(&d);
    lp_kernel *k = lp_parse(&s, &loc, &d);
    if (!k)
        fail_msg("%s", d.message.at[0].text);
    diag_free(&d);
    return k;
}

/* The text of the kernel's module, the caller's to free; fails if it is ill. */
static char *emitted(lp_kernel *k, const target *t)
{
    char *message = NULL;
    diag d;

    diag_init(&d);
    if (!lp_verify(k, &d))
        fail_msg("%s", d.message.at[0].text);
    diag_free(&d);
    LLVMContextRef cx = LLVMContextCreate();
    LLVMModuleRef m = LLVMModuleCreateWithNameInContext("words", cx);
    llvm_emit_kernel(m, k, t, false, &(lines){0});
    if (LLVMVerifyModule(m, LLVMReturnStatusAction, &message))
        fail_msg("%s: %s", k->name, message);
    LLVMDisposeMessage(message);
    char *out = LLVMPrintModuleToString(m);
    LLVMDisposeModule(m);
    LLVMContextDispose(cx);
    return out;
}

/* What is made of it, as assembly or as an object file, and a zero; the caller's to free. */
static uint8_t *code_of(lp_kernel *k, const target *t, bool assembly)
{
    LLVMContextRef cx = LLVMContextCreate();
    LLVMModuleRef m = LLVMModuleCreateWithNameInContext("words", cx);
    LLVMTargetMachineRef tm = llvm_machine(t);
    char *error = NULL;
    uint8_t *data = NULL;
    size_t size = 0;

    llvm_emit_kernel(m, k, t, false, &(lines){0});
    if (!llvm_optimize(m, tm, &error) || !llvm_generate(m, tm, assembly, &data, &size, &error))
        fail_msg("%s: %s", t->name, error);
    LLVMDisposeTargetMachine(tm);
    LLVMDisposeModule(m);
    LLVMContextDispose(cx);
    uint8_t *ended = mem_alloc(size + 1);
    memcpy(ended, data, size);
    ended[size] = 0;
    mem_free(data);
    return ended;
}

static target cpu(const char *name)
{
    target t;

    assert_true(target_find(name, &t));
    return t;
}

static void expect_text(const char *ll, const char *part)
{
    if (!strstr(ll, part))
        fail_msg("no '%s' is emitted", part);
}

/* Hints leave no trace in results: the text must have them. */
static void test_everything(void **state)
{
    lp_kernel *k = parsed(everything);

    (void)state;
    words w = words_of(k);
    expect_all(w.op, LP_OPS, "statement");
    expect_all(w.space, LP_SPACES, "space");
    expect_all(w.loop, LP_LOOP_KINDS, "loop");
    expect_all(w.tail, LP_TAILS, "tail");
    expect_all(w.node, LX_KINDS, "expression");
    assert_true(w.guarded && w.stream);
    for (int i = 1; i <= 4; i++) {
        char name[] = "x86-64-v1";
        name[8] = (char)('0' + i);
        const target t = cpu(name);
        char *ll = emitted(k, &t);
        expect_text(ll, "i32 0, i32 3, i32 1)");
        expect_text(ll, "i32 0, i32 2, i32 1)");
        expect_text(ll, "!nontemporal");
        LLVMDisposeMessage(ll);
    }
    lp_kernel_free(k);
}

/* y[i] = op(x[i], ..) on type d, widened to w lanes. */
static lp_kernel *scalar_kernel(sc_op op, ir_dtype d, int lanes)
{
    const sc_info *s = sc_of(op);
    ir_dtype to = s->result == SC_SAME ? d : s->result == SC_BOOL ? DT_BOOL : DT_I32;
    lp_kernel *k = lp_kernel_new(s->text);
    lp_expr n = lp_dim_range(k, "n", 0, 1000, 1);
    lp_buf x = lp_param(k, "x", d, 1, LP(n), LP_IN), y;

    if (op == SC_BITCAST)
        to = dt_size(d) == 4 ? DT_U32 : d;
    y = lp_param(k, "y", to, 1, LP(n), LP_OUT);
    lp_expr i = lp_vec(k, "i", lp_int(k, 0), n, lanes, LP_MASKED), v = lp_load(k, x, &i);
    lp_expr r = op == SC_CAST      ? lp_cast(k, to, v)
                : op == SC_BITCAST ? lp_bitcast(k, to, v)
                : op == SC_SELECT  ? lp_select(k, lp_eq(k, v, v), v, v)
                : s->args == 1     ? lp_1(k, op, v)
                : s->args == 2     ? lp_2(k, op, v, v)
                                   : lp_3(k, op, v, v, v);
    lp_store(k, y, &i, r);
    lp_end(k);
    return k;
}

static void test_functions(void **state)
{
    const target narrow = cpu("x86-64-v1"), wide = cpu("x86-64-v4");

    (void)state;
    for (int op = SC_NONE + 1; op < SC_COUNT; op++)
        for (int d = DT_NONE + 1; d < DT_COUNT; d++)
            for (int c = 0; c < 4; c++) {
                if (!lp_computes((ir_dtype)d) || !sc_accepts((sc_op)op, (ir_dtype)d))
                    continue;
                lp_kernel *k = scalar_kernel((sc_op)op, (ir_dtype)d, c & 1 ? 8 : 1);
                LLVMDisposeMessage(emitted(k, c & 2 ? &wide : &narrow));
                lp_kernel_free(k);
            }
}

/* ---- features ----------------------------------------------------------------- */

/* Products of bytes, in as many lanes as instructions have. */
static const char bytes[] =
    "kernel bytes(x: i32[64] in, w: i32[64] in, v: i16[64] in, y: i32[64] out) {\n"
    "  vec exact a in 0..64 step 4 {\n"
    "    y[a] = dot4(y[a], x[a], w[a])\n"
    "  }\n"
    "  vec exact b in 0..64 step 8 {\n"
    "    y[b] = dot4(y[b], x[b], w[b])\n"
    "  }\n"
    "  vec exact c in 0..64 step 16 {\n"
    "    y[c] = dot4(y[c], x[c], w[c])\n"
    "  }\n"
    "  vec exact d in 0..64 step 8 {\n"
    "    y[d] = dot2(y[d], x[d], v[d])\n"
    "  }\n"
    "  for e in 0..64 {\n"
    "    y[e] = dot2(y[e], x[e], v[e])\n"
    "  }\n"
    "}\n";

static void expect_code(lp_kernel *k, const target *t)
{
    mem_free(code_of(k, t, false));
}

/* A loop whose last lanes are masked, and doubles as floats: what LLVM has instructions for
 * that one feature takes for granted of another. */
static const char tail[] =
    "kernel tail(x: f32[n] in, z: f64[n] in, y: f32[n] out) dims n in 1..4096 {\n"
    "  vec masked a in 0..n step 16 {\n"
    "    y[a] = max(x[a], f32(z[a]))\n"
    "  }\n"
    "}\n";

/* Each feature that can be added to a level has code there. */
static void test_extras(void **state)
{
    lp_kernel *k = parsed(bytes), *masked = parsed(tail);
    const target first = cpu("x86-64-v1");
    diag d;

    (void)state;
    char *ll = emitted(k, &first);
    expect_text(ll, ", align 1\n");
    LLVMDisposeMessage(ll);
    diag_init(&d);
    for (int i = 0; target_names[i]; i++)
        for (int f = 0; f < TARGET_FEATURES; f++) {
            char name[64];
            target t;
            snprintf(name, sizeof name, "%s+%s", target_names[i], target_features[f].name);
            if (!target_find(name, &t) || !t.extra || !llvm_start(t.arch, &d))
                continue;
            expect_code(masked, &t);
            if (target_features[f].extra)
                expect_code(k, &t);
        }
    diag_free(&d);
    lp_kernel_free(k);
    lp_kernel_free(masked);
}

/* What LLVM prints on stderr when it is asked for code of this target. */
static void said_of(const target *t, char *out, int size)
{
    FILE *f = tmpfile();
    int kept = dup(STDERR_FILENO);

    assert_true(f && kept >= 0);
    dup2(fileno(f), STDERR_FILENO);
    LLVMDisposeTargetMachine(llvm_machine(t));
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(f);
    out[fread(out, 1, (size_t)size - 1, f)] = 0;
    fclose(f);
}

/* LLVM passes over a name that it does not know, and says so. */
static void test_names_of_features(void **state)
{
    char said[400];
    diag d;

    (void)state;
    diag_init(&d);
    for (int i = 0; target_names[i]; i++)
        for (int f = 0; f < TARGET_FEATURES; f++) {
            char name[64];
            target t;
            snprintf(name, sizeof name, "%s+%s", target_names[i], target_features[f].name);
            if (!target_find(name, &t))
                continue;
            assert_true(llvm_start(t.arch, &d));
            said_of(&t, said, sizeof said);
            assert_string_equal(said, "");
        }
    diag_free(&d);
}

/* Rows are read where the loop over columns is not: their addresses are one value to
 * that loop. */
static const char rows[] =
    "kernel rows(x: f32[n, m] in, y: f32[n] out) dims n in 1..4096, m in 1..4096 {\n"
    "  par a in 0..n {\n"
    "    for i in 0..m {\n"
    "      y[a] += x[a, i]\n"
    "    }\n"
    "  }\n"
    "}\n";

static void test_frozen(void **state)
{
    lp_kernel *k = parsed(rows);
    const target t = cpu("x86-64-v3");
    LLVMContextRef cx = LLVMContextCreate();
    LLVMModuleRef m = LLVMModuleCreateWithNameInContext("words", cx);
    char *error = NULL;
    diag d;

    (void)state;
    diag_init(&d);
    assert_true(llvm_start(t.arch, &d));
    diag_free(&d);
    LLVMTargetMachineRef tm = llvm_machine(&t);
    llvm_emit_kernel(m, k, &t, false, &(lines){0});
    if (!llvm_optimize(m, tm, &error))
        fail_msg("%s", error);
    char *ll = LLVMPrintModuleToString(m);
    expect_text(ll, "freeze ptr");
    LLVMDisposeMessage(ll);
    LLVMDisposeTargetMachine(tm);
    LLVMDisposeModule(m);
    LLVMContextDispose(cx);
    lp_kernel_free(k);
}

/* Tiles are turned by shuffles that need no index vectors: those would take registers from the
 * loops that follow. */
static void test_turned(void **state)
{
    static const char *const type[] = {"u8", "i16", "f32", "f64"};
    const target t = cpu("x86-64-v4");
    diag d;

    (void)state;
    diag_init(&d);
    assert_true(llvm_start(t.arch, &d));
    diag_free(&d);
    for (int i = 0; i < 4; i++) {
        char source[200];
        int w = 64 >> i;
        snprintf(source, sizeof source, "kernel turned(x: %s[%d, %d] in, y: %s[%d, %d] out) {\n"
                 "  transpose y[0, 0] x[0, 0] %d\n}\n", type[i], w, w, type[i], w, w, w);
        lp_kernel *k = parsed(source);
        char *code = (char *)code_of(k, &t, true);
        assert_non_null(strstr(code, "vpunpckl"));
        assert_null(strstr(code, "vperm"));
        mem_free(code);
        lp_kernel_free(k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_extras),
        cmocka_unit_test(test_names_of_features),
        cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_turned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
