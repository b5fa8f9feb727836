/* The tensor IR: text that reads back, errors with their place, the builder's
 * folding and sharing, rewriting, and the verifier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "build.h"

static const char *const whole[] = {
    /* sources, constants with chains, states, calls, branches, copies */
    "dim n to 64 hint 8\n"
    "dim k any\n"
    "const @w = f32[4,3] [0,1,2,3,4,5,6,7,8,9,10,0.1]\n"
    "const @1 = f32[] nan\n"
    "const @big = f16[2] x\"003c0040\" | reshape {shape=[1,2]} : f16[1,2] | cast {to=f32} : "
    "f32[1,2]\n"
    "const @scaled = f32[4,3] splat 3 | mul @w : f32[4,3] | pad @1 {low=[0,1], high=[0,0]} : "
    "f32[4,4]\n"
    "state @\"step count\" : i64[]\n"
    "state @weights : f32[4,3] = @w trainable\n"
    "fn square(%x: f32[n]) {\n"
    "  %1 = mul %x, %x : f32[n]\n"
    "  return %1\n"
    "}\n"
    "entry main(%x: f32[n,4], %\"in 1\": f32[n], %c: bool[], %k: i64[]) {\n"
    "  %1 = state @weights : f32[4,3]\n"
    "  %2 = dot %x, %1 {sum_a=[1], sum_b=[0]} : f32[n,3]\n"
    "  %3 = call %\"in 1\" {fn=square} : f32[n]\n"
    "  %4 = broadcast %3 {shape=[n,3], axes=[0]} : f32[n,3]\n"
    "  %5 = add#2 %2, %4 : f32[n,3]\n"
    "  %6 = bind %k {sym=k} : i64[]\n"
    "  %7 = const [1,2,-3] : i64[3]\n"
    "  %8 = const splat 0.5 : f32[2,2]\n"
    "  %9 = const @scaled : f32[4,4]\n"
    "  %10 = if %c, %5 yes(%a: f32[n,3]) {\n"
    "    %1 = neg %a : f32[n,3]\n"
    "    yield %1\n"
    "  } no(%a: f32[n,3]) {\n"
    "    yield %a\n"
    "  } : f32[n,3]\n"
    "  %11 = reduce %10 {axes=[0,1], op=sum} : f32[]\n"
    "  %12 = const @big : f32[1,2]\n"
    "  %13 = state @\"step count\" : i64[]\n"
    "  %14 = const 1 : i64[]\n"
    "  %15 = add %13, %14 : i64[]\n"
    "  check %c {message=\"say \\\"why\\\"\"}\n"
    "  return loss=%11, %9 update @\"step count\"=%15\n"
    "}\n",
    /* loops, sizes that depend on data, movement, sequences */
    "entry main(%x: f32[n,4], %h: f32[4], %s: f32[k], %z: i64[]) {\n"
    "  %1 = const 1 : bool[]\n"
    "  %2 = const [1,2,3] : i64[3]\n"
    "  %3, %4 = loop %1, %h, %x {trip=n, carries=1, slice_axes=[0], stack_axes=[0], trips=t}"
    " body(%i: i64[], %c: f32[4], %r: f32[4]) {\n"
    "    %1 = add %c, %r : f32[4]\n"
    "    %2 = const 1 : bool[]\n"
    "    yield %2, %1, %1\n"
    "  } : f32[4], f32[t,4]\n"
    "  %5 = nonzero %s {sym=nz} : i64[1,nz]\n"
    "  %6, %7 = topk %x {axis=1, k=2, largest=true} : f32[n,2], i64[n,2]\n"
    "  %8 = slice %x {start=[0,3], step=[1,-1], extent=[n,4]} : f32[n,4]\n"
    "  %9 = transpose %8 {perm=[1,0]} : f32[4,n]\n"
    "  %10 = const 0 : f32[]\n"
    "  %11 = pad %9, %10 {low=[0,1], high=[0,1], inner=[0,0]} : f32[4,n+2]\n"
    "  %12 = window %11 {size=[1,2], stride=[1,2], dil=[1,1], low=[0,0], high=[0,0], op=max}"
    " : f32[4,(n/2)+1]\n"
    "  %13 = cast %x {to=i32, saturate=true} : i32[n,4]\n"
    "  %14 = seq_new %x, %8 : seq<f32[n,4]>\n"
    "  %15 = seq_at %14, %z : f32[n,4]\n"
    "  %16 = opt_some %x : opt<f32[n,4]>\n"
    "  %17, %18, %19, %20 = unique %s {sym=u, flat=true} : f32[u], i64[u], i64[k], i64[u]\n"
    "  %21 = gather %x, %2 {axes=[1]} : f32[3,n]\n"
    "  return %3, %4, %5\n"
    "}\n",
};

/* ---- text -------------------------------------------------------------------- */

static char *printed(const ir_module *m)
{
    text t = {0};

    ir_print(m, &t);
    return t.at;
}

static ir_module *must_parse(const char *source, diag *d)
{
    ir_module *m = ir_parse(source, "test", d);

    if (!m)
        diag_print(d, stderr);
    assert_non_null(m);
    return m;
}

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(whole); i++) {
        diag d;
        diag_init(&d);
        ir_module *m = must_parse(whole[i], &d);
        char *s = printed(m);
        assert_string_equal(s, whole[i]);
        mem_free(s);
        ir_module_free(m);
        diag_free(&d);
    }
}

static void test_errors(void **state)
{
    static const char *const bad[][2] = {
        {"fn f(%x: f32[2]) {\n  %1 = neg %y : f32[2]\n  return %1\n}",
         "t:2:12: error: y: expected a value made before"},
        {"fn f(%x: f32[2]) {\n  %1 = frob %x : f32[2]\n", "t:2:8: error: frob: expected an op"},
        {"fn f(%x: f32[2]) {\n  %1 = neg %x : f32[3]\n", "t:2:3: error: neg: expected type f32[2]"},
        {"fn f(%x: f32[2]) {\n  %1 = neg %x {axis=1} : f32[2]\n",
         "t:2:16: error: axis=1}: expected an attribute of this op"},
        {"fn f(%x: f32[2], %x: f32[2]) { return }",
         "t:1:18: error: x: expected a new name, this one is taken"},
        {"fn f(%x: f32[2]) { return %x", "t:1:29: error: end of text: expected '}'"},
        {"const @a = f32[2] [1]",
         "t:1:21: error: ]: expected as many numbers as the type has elements"},
        {"const @a = u8[1] [256]",
         "t:1:22: error: ]: expected as many numbers as the type has elements"},
        {"const @a = f16[1] x\"00\"",
         "t:1:24: error: end of text: expected as many bytes as the type has"},
        {"state @s : f32[2] = @none", "t:1:21: error: none: expected a constant defined before"},
        {"dim n from 3 to 2", "t:1:5: error: dim: expected bounds in order"},
        {"fn f(%x: f32[9223372036854775807*n*9]) { return }",
         "t:1:10: error: type: size overflows"},
        {"nonsense", "t:1:1: error: nonsense: expected dim, const, state, fn, entry or names"},
        {"fn f(%x: i64[]) {\n  %1 = dimval {dim=q} : i64[]\n  return %1\n}",
         "dim q is used before it is defined"},
        {"fn f(%x: f32[2]) { return %x update @s=%x }", "s: expected a state"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        diag d;
        diag_init(&d);
        assert_null(ir_parse(bad[i][0], "t", &d));
        assert_true(d.message.len >= 1);
        if (!strstr(d.message.at[0].text, bad[i][1]))
            print_error("%s\n", d.message.at[0].text);
        assert_non_null(strstr(d.message.at[0].text, bad[i][1]));
        diag_free(&d);
    }
}

static void test_deep_text(void **state)
{
    text t = {0};
    diag d;

    (void)state;
    text_add(&t, "entry f(%%c: bool[]) {\n");
    for (int i = 0; i < 5000; i++)
        text_add(&t, "if %%c, %%c yes(%%c: bool[]) {\n");
    diag_init(&d);
    assert_null(ir_parse(t.at, "t", &d));
    assert_non_null(strstr(d.message.at[0].text, "nested less deep"));
    diag_free(&d);
    text_free(&t);
}

/* One to four places changed: an error or a module, which prints, reads back,
 * and is rebuilt into one that still verifies. */
static char *damaged(const char *source)
{
    static const char *const word[] = {
        "[", "]", "{", "0", "-1", "9223372036854775807", "n", "%1", "%x", "@w", ",",
        "f32[]", "i64[2,3]", "str[]", "u4[3]", "never", "99", "n/0", "16", "\"", "sum",
    };
    static const char end[] = " ,[]{}=:\n()";
    text t = {0};
    size_t n = strlen(source), at = (size_t)rand() % n, to = at;

    while (at && !strchr(end, source[at - 1]))
        at--;
    while (source[to] && !strchr(end, source[to]))
        to++;
    text_addn(&t, source, at);
    text_add(&t, "%s", word[(size_t)rand() % COUNT(word)]);
    text_add(&t, "%s", source + (to < at ? at : to));
    return t.at;
}

static void check_damaged(const char *source)
{
    diag d;

    diag_init(&d);
    ir_module *m = ir_parse(source, "t", &d);
    assert_true(m || d.message.len);
    if (m) {
        char *s = printed(m), *again;
        ir_module *n = must_parse(s, &d);
        again = printed(n);
        assert_string_equal(s, again);
        for (uint32_t i = 0; i < m->fn.len && !diag_failed(&d); i++)
            ir_rewrite(m, m->fn.at[i], &d, NULL, NULL);
        assert_true(diag_failed(&d) || ir_verify(m, &d, "rewrite"));
        mem_free(s);
        mem_free(again);
        ir_module_free(n);
        ir_module_free(m);
    }
    diag_free(&d);
}

static void test_damaged_text(void **state)
{
    unsigned seed = (unsigned)time(NULL);

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < 2000; i++) {
        char *s = damaged(whole[(size_t)i % COUNT(whole)]);
        for (int k = rand() % 4; k; k--) {
            char *next = damaged(s);
            mem_free(s);
            s = next;
        }
        check_damaged(s);
        mem_free(s);
    }
}

/* ---- builder ----------------------------------------------------------------- */

typedef struct world {
    diag d;
    ir_module *m;
    ir_build b;
    ir_dim n;
} world;

static void open_world(world *w)
{
    *w = (world){0};
    diag_init(&w->d);
    w->m = ir_module_new(&w->d);
    ir_build_init(&w->b, w->m, ir_fn_new(w->m, "main", true), &w->d);
    w->n = dim_symbol_new(&w->m->dims, "n", 0, INT64_MAX);
}

static void close_world(world *w)
{
    if (diag_failed(&w->d))
        diag_print(&w->d, stderr);
    assert_false(diag_failed(&w->d));
    assert_true(ir_verify(w->m, &w->d, "test"));
    ir_build_free(&w->b);
    ir_module_free(w->m);
    diag_free(&w->d);
}

static ir_ref input(world *w, const char *name, ir_dim a, ir_dim c)
{
    return ir_input(&w->b, name, ir_ty(&w->b, DT_F32, (ir_dim[]){a, c}, 2));
}

static unsigned op_of(const world *w, ir_ref r)
{
    return ir_node_of(w->b.fn, r)->op;
}

static void test_sharing(void **state)
{
    world w;

    (void)state;
    open_world(&w);
    ir_build *b = &w.b;
    ir_ref x = input(&w, "x", w.n, (ir_dim){4});
    ir_ref a = ir_1(b, OP_EXP, x);
    assert_int_equal(a, ir_1(b, OP_EXP, x));
    b->copy = 1;
    assert_int_not_equal(a, ir_1(b, OP_EXP, x));
    b->copy = 0;
    assert_int_equal(x, ir_transpose(b, x, (int32_t[]){0, 1}));
    assert_int_equal(x, ir_cast(b, x, DT_F32));
    assert_int_equal(x, ir_reshape(b, x, (ir_dim[]){w.n, {4}}, 2));
    assert_int_equal(x, ir_slice_axis(b, x, 1, (ir_dim){0}, (ir_dim){1}, (ir_dim){4}));
    assert_int_not_equal(x, ir_slice_axis(b, x, 1, (ir_dim){0}, (ir_dim){1}, (ir_dim){3}));
    assert_int_equal(x, ir_broadcast_to(b, x, (ir_dim[]){w.n, {4}}, 2));
    ir_ref zero = ir_float(b, DT_F32, 0);
    assert_int_equal(x, ir_pad(b, x, zero, (ir_dim[2]){{0}, {0}}, (ir_dim[2]){{0}, {0}}, NULL));
    close_world(&w);
}

static void test_folding(void **state)
{
    world w;
    float out[4];
    const float v[4] = {1, 2, 3, 4};

    (void)state;
    open_world(&w);
    ir_build *b = &w.b;
    const ir_type *t = ir_ty(b, DT_F32, (ir_dim[]){{2}, {2}}, 2);
    ir_ref x = ir_const_ref(b, const_copy(w.m, t, v, sizeof v));
    ir_ref y = ir_transpose(b, ir_2(b, OP_ADD, x, x), (int32_t[]){1, 0});
    assert_int_equal(op_of(&w, y), OP_CONST);
    const_read(w.m, ir_node_of(b->fn, y)->attr->CONST.id, 0, 4, out);
    assert_true(out[0] == 2 && out[1] == 6 && out[2] == 4 && out[3] == 8);

    /* what would pass 64 kB becomes a longer chain */
    ir_ref big =
        ir_const_ref(b, const_float(w.m, ir_ty(b, DT_F32, (ir_dim[]){{300}, {100}}, 2), 1.5));
    ir_ref turned = ir_transpose(b, big, (int32_t[]){1, 0});
    assert_int_equal(op_of(&w, turned), OP_CONST);
    const_read(w.m, ir_node_of(b->fn, turned)->attr->CONST.id, 29999, 1, out);
    assert_true(out[0] == 1.5f);
    close_world(&w);
}

/* Shape arithmetic is carried as elements, and needs no node in the end. */
static void test_elements(void **state)
{
    world w;
    const ir_dim *elem;
    int64_t n;

    (void)state;
    open_world(&w);
    ir_build *b = &w.b;
    input(&w, "x", w.n, (ir_dim){4});
    ir_ref shape = ir_dims_ref(b, (ir_dim[]){w.n, {4}, {6}}, 3);
    ir_ref last = ir_slice_axis(b, shape, 0, (ir_dim){1}, (ir_dim){1}, (ir_dim){2});
    assert_int_equal(op_of(&w, last), OP_CONST);
    ir_ref product = ir_reduce(b, shape, RED_PROD, (int32_t[]){0}, 1);
    assert_true(ir_known(b, product, &elem, &n) && n == 1);
    assert_true(dim_same(elem[0], dim_mul(&w.m->dims, w.n, (ir_dim){24})));
    assert_true(dim_same(ir_bind(b, product, "p"), elem[0]));

    ir_ref k = ir_input(b, "k", type_scalar(&w.m->types, DT_I64));
    ir_dim d = ir_bind(b, k, "k");
    assert_int_not_equal(dim_symbol_id(&w.m->dims, d), NAMES_NONE);
    assert_true(dim_same(d, ir_bind(b, k, "again")));
    close_world(&w);
}

static void test_broadcast(void **state)
{
    world w;

    (void)state;
    open_world(&w);
    ir_build *b = &w.b;
    ir_dim m = dim_symbol_new(&w.m->dims, "m", 0, INT64_MAX);
    ir_ref x = input(&w, "x", w.n, (ir_dim){4}), y = input(&w, "y", m, (ir_dim){1});
    ir_ref sum = ir_b2(b, OP_ADD, x, y);
    const ir_type *t = ir_type_of(b->fn, sum);
    assert_true(dim_is(&w.m->dims, t->dim[1], 4));
    assert_false(dim_same(t->dim[0], w.n));
    int checks = 0;
    for (uint32_t i = 0; i < b->fn->node.len; i++)
        checks += b->fn->node.at[i].op == OP_CHECK;
    assert_int_equal(checks, 1);
    ir_result(b, "y", sum);

    ir_ref bad = ir_b2(b, OP_ADD, input(&w, "p", (ir_dim){2}, (ir_dim){3}),
                       input(&w, "q", (ir_dim){2}, (ir_dim){4}));
    assert_int_equal(bad, IR_NONE);
    assert_non_null(strstr(w.d.message.at[0].text, "extents differ at axis 1, 3 and 4"));
    w.d.errors = 0;
    close_world(&w);
}

/* ---- rewriting --------------------------------------------------------------- */

static ir_ref neg_neg(void *cx, ir_build *b, const ir_fn *old, const ir_node *n, const ir_ref *a)
{
    (void)cx, (void)old;
    const ir_node *in = n->op == OP_NEG ? ir_node_of(b->fn, a[0]) : NULL;

    return in && in->op == OP_NEG ? ir_arg(b->fn, in, 0) : IR_NONE;
}

static void becomes(const char *before, ir_rule *rule, bool changed, const char *after)
{
    diag d;

    diag_init(&d);
    ir_module *m = must_parse(before, &d);
    assert_int_equal(ir_rewrite(m, m->fn.at[0], &d, rule, NULL), changed);
    if (diag_failed(&d))
        diag_print(&d, stderr);
    assert_false(diag_failed(&d));
    assert_true(ir_verify(m, &d, "test"));
    char *s = printed(m);
    assert_string_equal(s, after);
    mem_free(s);
    ir_module_free(m);
    diag_free(&d);
}

static void test_rewrite(void **state)
{
    (void)state;
    becomes("fn f(%x: f32[2]) { %1 = neg %x : f32[2] %2 = neg %1 : f32[2] return %2 }", neg_neg,
            true, "fn f(%x: f32[2]) {\n  return %x\n}\n");
    becomes("fn f(%x: f32[2]) { %1 = neg %x : f32[2] return %x }", NULL, true,
            "fn f(%x: f32[2]) {\n  return %x\n}\n");
    becomes("fn f(%x: f32[2]) {\n  return %x\n}\n", NULL, false,
            "fn f(%x: f32[2]) {\n  return %x\n}\n");
    /* inside a region, too */
    becomes("fn f(%c: bool[], %x: f32[2]) {\n"
            "  %1 = if %c, %x yes(%x: f32[2]) { %1 = neg %x : f32[2] %2 = neg %1 : f32[2] %3 = exp "
            "%2 : f32[2]"
            " yield %3 } no(%x: f32[2]) { yield %x } : f32[2]\n  return %1\n}\n",
            neg_neg, true,
            "fn f(%c: bool[], %x: f32[2]) {\n  %1 = if %c, %x yes(%x: f32[2]) {\n"
            "    %1 = exp %x : f32[2]\n    yield %1\n"
            "  } no(%x: f32[2]) {\n    yield %x\n  } : f32[2]\n  return %1\n}\n");
    /* a bind of what is known now puts the value in every type */
    becomes(
        "dim s any\n"
        "fn f(%x: f32[n]) {\n  %1 = dimval {dim=n+1} : i64[]\n  %2 = bind %1 {sym=s} : i64[]\n"
        "  %3 = iota {shape=[s], dtype=i64} : i64[s]\n  return %3\n}\n",
        NULL, true,
        "fn f(%x: f32[n]) {\n  %1 = iota {shape=[n+1], dtype=i64} : i64[n+1]\n  return %1\n}\n");
}

static void test_rewrite_dims(void **state)
{
    diag d;
    bool found;

    (void)state;
    diag_init(&d);
    ir_module *m =
        must_parse("fn f(%x: f32[n,2*n]) {\n  %1 = reshape %x {shape=[2*n*n]} : f32[2*n*n]\n"
                   "  return %1\n}\n",
                   &d);
    ir_dim to[1] = {{3}};
    assert_int_equal(dim_symbol_id(&m->dims, dim_symbol_named(&m->dims, "n", &found)), 0);
    dim_subst s = {to, (bool[]){true}, 1};
    assert_true(ir_rewrite_dims(m, m->fn.at[0], &d, &s));
    char *t = printed(m);
    assert_string_equal(
        t, "fn f(%x: f32[3,6]) {\n  %1 = reshape %x {shape=[18]} : f32[18]\n  return %1\n}\n");
    mem_free(t);
    ir_module_free(m);
    diag_free(&d);
}

/* ---- verifier ---------------------------------------------------------------- */

static void breaks(void (*edit)(ir_fn *f), const char *want)
{
    diag d;

    diag_init(&d);
    ir_module *m = must_parse("fn f(%x: f32[2]) {\n  %1 = neg %x : f32[2]\n  %2 = exp %1 : f32[2]\n"
                              "  return %2\n}\n", &d);
    edit(m->fn.at[0]);
    assert_false(ir_verify(m, &d, "some pass"));
    if (!strstr(d.message.at[0].text, want))
        print_error("%s\n", d.message.at[0].text);
    assert_non_null(strstr(d.message.at[0].text, want));
    assert_non_null(strstr(d.message.at[0].text, "after some pass"));
    ir_module_free(m);
    diag_free(&d);
}

static void late_operand(ir_fn *f) { f->args.at[f->node.at[1].arg] = 2; }
static void wrong_type(ir_fn *f) { f->value.at[1].type = type_scalar(&f->module->types, DT_F32); }
static void lost_result(ir_fn *f) { f->result.at[0] = 99; }
static void wrong_op(ir_fn *f) { f->node.at[2].op = OP_COUNT; }
static void no_operand(ir_fn *f) { f->node.at[2].narg = 0; }

static void test_verifier(void **state)
{
    (void)state;
    breaks(late_operand, "node 1 (neg): operand 0 is not made before it");
    breaks(wrong_type, "node 1 (neg): result 0 is not of the type that follows");
    breaks(lost_result, "result 0 is not made");
    breaks(wrong_op, "op ");
    breaks(no_operand, "node 2 (exp): 0 operands");
}

/* The elements of v twice, added, as whether it folds. */
static bool folds_sum(ir_build *b, float v)
{
    const float x[4] = {v, v, v, v};
    const ir_type *t = type_tensor(&b->m->types, DT_F32, 1, (ir_dim[]){{4}});
    ir_ref c = ir_const_ref(b, const_copy(b->m, t, x, sizeof x));

    return ir_node_of(b->fn, ir_2(b, OP_ADD, c, c))->op == OP_CONST;
}

static void test_fold_budget(void **state)
{
    diag d;
    ir_build b, inner;

    (void)state;
    diag_init(&d);
    ir_module *m = ir_module_new(&d);
    ir_build_init(&b, m, ir_fn_new(m, "main", true), &d);
    m->fold_budget = 10;
    assert_true(folds_sum(&b, 1));
    ir_region_begin(&b, &inner, "yes");
    assert_true(folds_sum(&inner, 2));
    ir_region_end(&inner);
    ir_region_begin(&b, &inner, "no");
    assert_false(folds_sum(&inner, 3));
    ir_region_end(&inner);
    assert_false(folds_sum(&b, 4));
    ir_build_free(&b);
    ir_module_free(m);
    diag_free(&d);
}

static void test_find(void **state)
{
    diag d;

    (void)state;
    diag_init(&d);
    ir_module *m = ir_module_new(&d);
    ir_fn *f = ir_fn_new(m, "f", false), *g = ir_fn_new(m, "g", true);
    ir_fn_region(m, "region");
    assert_ptr_equal(ir_module_find(m, "f"), f);
    assert_ptr_equal(ir_module_find(m, "g"), g);
    assert_null(ir_module_find(m, "region"));
    ir_module_free(m);
    diag_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_errors),
        cmocka_unit_test(test_deep_text),    cmocka_unit_test(test_damaged_text),
        cmocka_unit_test(test_sharing),      cmocka_unit_test(test_folding),
        cmocka_unit_test(test_elements),     cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_rewrite),      cmocka_unit_test(test_rewrite_dims),
        cmocka_unit_test(test_verifier),     cmocka_unit_test(test_fold_budget),
        cmocka_unit_test(test_find),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
