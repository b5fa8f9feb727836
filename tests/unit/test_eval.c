/* tests/unit/test_eval.c - the meaning of every op, against values by hand. */
#include "eval_text.h"

#define X23 "%x = const [1,2,3,4,5,6] : f32[2,3]\n"
#define IDX "%i = const [2,0] : i64[2]\n"

static void test_map(void **state)
{
    (void)state;
    EXPECT("%x = const [1,-2,0.5] : f32[3]\n%y = const [4,4,4] : f32[3]\n"
           "%a = add %x, %y : f32[3]\n%b = max %x, %y : f32[3]\n%c = lt %x, %y : bool[3]\n"
           "%d = select %c, %x, %y : f32[3]\nreturn %a, %b, %c, %d",
           5, 2, 4.5, 4, 4, 4, 1, 1, 1, 1, -2, 0.5);
    EXPECT("%x = const [7,-7,-128] : i8[3]\n%y = const [0,2,-1] : i8[3]\n"
           "%a = div %x, %y : i8[3]\n%b = mod %x, %y : i8[3]\nreturn %a, %b",
           0, -3, -128, 0, 1, 0);
    EXPECT("%x = const [300.5,-1e9,0.25] : f32[3]\n%a = cast %x {to=u8} : u8[3]\n"
           "%b = cast %x {to=bool} : bool[3]\n%c = cast %x {to=f16} : f16[3]\nreturn %a, %b, %c",
           255, 0, 0, 1, 1, 1, 300.5, -INFINITY, 0.25);
    EXPECT("%x = const [1.0] : f32[1]\n%a = bitcast %x {to=i32} : i32[1]\nreturn %a", 0x3f800000);
    EXPECT_ERROR(
        "%x = const [1.0] : f32[1]\n%y = const [1] : i32[1]\n%a = add %x, %y : f32[1]\nreturn %a",
        "differ");
}

static void test_move(void **state)
{
    (void)state;
    EXPECT(X23 "%a = reshape %x {shape=[3,2]} : f32[3,2]\n"
           "%b = transpose %a {perm=[1,0]} : f32[2,3]\nreturn %b", 1, 3, 5, 2, 4, 6);
    EXPECT("%x = const [1,2] : i32[2,1]\n"
           "%a = broadcast %x {shape=[2,2,3],axes=[0,2]} : i32[2,2,3]\nreturn %a",
           1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2);
    EXPECT(X23 "%a = slice %x {start=[1,2],step=[1,-2],extent=[1,2]} : f32[1,2]\nreturn %a", 6, 4);
    EXPECT("%x = const [1,2] : f32[2]\n%v = const 9 : f32[]\n"
           "%a = pad %x, %v {low=[1],high=[2],inner=[1]} : f32[6]\n"
           "%b = pad %x, %v {low=[-1],high=[1]} : f32[2]\n"
           "%c = pad %x, %v {low=[-2],high=[2]} : f32[2]\nreturn %a, %b, %c",
           9, 1, 9, 2, 9, 9, 2, 9, 9, 9);
    EXPECT(X23 "%y = const [7,8] : f32[2,1]\n%a = concat %x, %y {axis=1} : f32[2,4]\nreturn %a",
           1, 2, 3, 7, 4, 5, 6, 8);
    EXPECT("%x = const [1,2] : f32[2]\n%a = slice %x {start=[0],step=[1],extent=[0]} : f32[0]\n"
           "%b = concat %a, %x {axis=0} : f32[2]\nreturn %b", 1, 2);
    EXPECT_ERROR(X23 "%a = slice %x {start=[0,0],step=[1,1],extent=[3,1]} : f32[3,1]\nreturn %a",
                 "out of");
    EXPECT_ERROR(X23 "%a = reshape %x {shape=[7]} : f32[7]\nreturn %a", "differ");
}

static void test_index(void **state)
{
    (void)state;
    EXPECT(X23 IDX "%a = gather %x, %i {axes=[1]} : f32[2,2]\nreturn %a", 3, 6, 1, 4);
    EXPECT(X23 "%i = const [1,-1,5] : i32[3]\n%j = const [0,0,7] : i32[3]\n"
           "%a = gather %x, %i, %j {axes=[0,1]} : f32[3]\n"
           "%b = gather %x, %i, %j {axes=[0,1],zero=true} : f32[3]\nreturn %a, %b",
           4, 1, 6, 4, 0, 0);
    EXPECT("%x = const [0,0,0] : f32[3]\n%i = const [1,1,9] : i64[3]\n%u = const [5,6,7] : f32[3]\n"
           "%a = scatter %x, %i, %u {axes=[0],op=set} : f32[3]\n"
           "%b = scatter %x, %i, %u {axes=[0],op=sum} : f32[3]\nreturn %a, %b",
           0, 6, 0, 0, 11, 0);
    EXPECT("%x = const [1,2,3,4] : i8[2,2]\n%i = const [1] : i64[1]\n%u = const [3,9] : i8[1,2]\n"
           "%a = scatter %x, %i, %u {axes=[0],op=max} : i8[2,2]\nreturn %a", 1, 2, 3, 9);
}

static void test_reduce(void **state)
{
    (void)state;
    EXPECT(
        X23
        "%a = reduce %x {axes=[0],op=sum} : f32[3]\n%b = reduce %x {axes=[0,1],op=prod} : f32[]\n"
        "%c = reduce %x {axes=[1],op=max} : f32[2]\nreturn %a, %b, %c",
        5, 7, 9, 720, 3, 6);
    EXPECT("%x = const [1,nan,-3] : f32[3]\n%a = reduce %x {axes=[0],op=min} : f32[]\nreturn %a",
           NAN);
    EXPECT("%x = const [100,100] : i8[2]\n%a = reduce %x {axes=[0],op=sum} : i8[]\n"
           "%b = reduce %x {axes=[0],op=sum,acc=i32} : i32[]\nreturn %a, %b", -56, 200);
    EXPECT("%x = const [1,0] : bool[2]\n%a = reduce %x {axes=[0],op=and} : bool[]\n"
           "%b = reduce %x {axes=[0],op=or} : bool[]\nreturn %a, %b", 0, 1);
    EXPECT("%x = const [3,1,3,nan,2,nan] : f32[2,3]\n"
           "%a = argreduce %x {axis=1,op=max} : i64[2]\n%b = argreduce %x "
           "{axis=1,op=max,last=true} : i64[2]\n"
           "%c = argreduce %x {axis=0,op=min} : i64[3]\nreturn %a, %b, %c",
           0, 0, 2, 2, 1, 0, 1);
    EXPECT("%x = const [1,2,3] : i32[3]\n%a = cumul %x {axis=0,op=sum} : i32[3]\n"
           "%b = cumul %x {axis=0,op=sum,exclusive=true,reverse=true} : i32[3]\nreturn %a, %b",
           1, 3, 6, 5, 3, 0);
}

static void test_window(void **state)
{
    (void)state;
    EXPECT("%x = const [1,5,2,4] : f32[4]\n"
           "%a = window %x {size=[3],stride=[1],dil=[1],low=[1],high=[1],op=max} : f32[4]\n"
           "%b = windowarg %x {size=[2],stride=[2],dil=[2],low=[1],high=[0],op=max} : i64[2]\n"
           "%c = window %x {size=[2],stride=[2],dil=[1],low=[0],high=[0],op=sum} : f32[2]\n"
           "return %a, %b, %c", 5, 5, 5, 4, 1, 1, 6, 6);
}

static void test_dot(void **state)
{
    (void)state;
    EXPECT(X23 "%y = const [1,0,0,1,1,1] : f32[3,2]\n"
           "%a = dot %x, %y {sum_a=[1],sum_b=[0]} : f32[2,2]\nreturn %a", 4, 5, 10, 11);
    EXPECT("%x = const [1,2,3,4] : f32[2,2]\n%y = const [5,6,7,8] : f32[2,2]\n"
           "%a = dot %x, %y {batch_a=[0],batch_b=[1],sum_a=[1],sum_b=[0]} : f32[2]\n"
           "%b = dot %x, %y {} : f32[2,2,2,2]\n%c = slice %b "
           "{start=[1,1,0,0],step=[1,1,1,1],extent=[1,1,2,2]} : f32[1,1,2,2]\n"
           "return %a, %c",
           19, 50, 20, 24, 28, 32);
    EXPECT("%x = const [-100,100] : i8[1,2]\n%y = const [200,255] : u8[2,1]\n"
           "%a = dot %x, %y {sum_a=[1],sum_b=[0],acc=i32} : i32[1,1]\nreturn %a", 5500);
    EXPECT_ERROR(X23 "%a = dot %x, %x {sum_a=[1],sum_b=[0]} : f32[2,3]\nreturn %a", "inner");
}

#define CONV "xb=[0],xf=[1],xs=[2],wo=[0],wf=[1],ws=[2],yb=[0],yo=[1],ys=[2]"

static void test_conv(void **state)
{
    (void)state;
    EXPECT("%x = const [1,2,3,4] : f32[1,1,4]\n%w = const [1,10,100] : f32[1,1,3]\n"
           "%a = conv %x, %w {" CONV "} : f32[1,1,2]\n"
           "%b = conv %x, %w {" CONV ",low=[1],high=[1],stride=[2]} : f32[1,1,2]\n"
           "%c = conv %x, %w {" CONV ",low=[2],high=[2],rdil=[2]} : f32[1,1,4]\n"
           "%d = conv %x, %w {" CONV ",ldil=[2]} : f32[1,1,5]\nreturn %a, %b, %c, %d",
           321, 432, 210, 432, 310, 420, 31, 42, 201, 20, 302, 30, 403);
    /* two groups, two channels each, one output each, channels last */
    EXPECT("%x = const [1,2,3,4] : f32[1,1,2,2]\n%w = const [1,10,100,1000] : f32[2,1,2,1]\n"
           "%a = conv %x, %w {xb=[0],xs=[1],xg=[2],xf=[3],wg=[0],wo=[1],wf=[2],ws=[3],"
           "yb=[0],ys=[1],yg=[2],yo=[3]} : f32[1,1,2,1]\nreturn %a", 21, 4300);
}

static void test_order(void **state)
{
    (void)state;
    EXPECT("%x = const [2,nan,1,2] : f32[4]\n%p = const [0,1,2,3] : i32[4]\n"
           "%a, %b = sort %x, %p {axis=0} : f32[4], i32[4]\n"
           "%c, %d = sort %x, %p {axis=0,desc=true} : f32[4], i32[4]\nreturn %a, %b, %c, %d",
           1, 2, 2, NAN, 2, 0, 3, 1, 2, 2, 1, NAN, 0, 3, 2, 1);
    EXPECT("%x = const [1,9,9,3,2,1] : i32[3,2]\n"
           "%a, %b = topk %x {axis=0,k=2,largest=true} : i32[2,2], i64[2,2]\nreturn %a, %b",
           9, 9, 2, 3, 1, 0, 2, 1);
    EXPECT("%x = const [0,3,0,4] : i32[2,2]\n%a = nonzero %x {sym=n} : i64[2,n]\nreturn %a", 0, 1,
           1, 1);
    EXPECT("%x = const [3,1,3,2] : i32[4]\n"
           "%a, %b, %c, %d = unique %x {sym=n,flat=true} : i32[n], i64[n], i64[4], i64[n]\n"
           "return %a, %b, %c, %d", 1, 2, 3, 1, 3, 0, 2, 0, 2, 1, 1, 1, 2);
    EXPECT("%x = const [3,1,3,2] : i32[4]\n"
           "%a, %b, %c, %d = unique %x {sym=n,flat=true,unsorted=true} : i32[n], i64[n], i64[4], "
           "i64[n]\n"
           "return %a, %b, %c, %d",
           3, 1, 2, 0, 1, 3, 0, 1, 0, 2, 2, 1, 1);
    EXPECT("%x = const [2,1,2,5,6,5] : i32[2,3]\n"
           "%a, %b, %c, %d = unique %x {sym=n,axis=1} : i32[2,n], i64[n], i64[3], i64[n]\n"
           "return %a, %b, %c, %d", 1, 2, 6, 5, 1, 0, 1, 0, 1, 1, 2);
    EXPECT("%b = const [0,0,1,1, 0,0.1,1,1.1, 0,10,1,11] : f32[1,3,4]\n"
           "%s = const [0.9,0.75,0.6] : f32[1,1,3]\n%m = const 3 : i64[]\n%o = const 0.5 : f32[]\n"
           "%l = const 0 : f32[]\n%a = nms %b, %s, %m, %o, %l {sym=n} : i64[n,3]\nreturn %a",
           0, 0, 0, 0, 0, 2);
}

static void test_control(void **state)
{
    (void)state;
    EXPECT("%c = const 0 : bool[]\n%x = const [1,2] : f32[2]\n"
           "%y = if %c, %x yes(%a: f32[2]) { yield %a } no(%a: f32[2]) {\n%n = neg %a : "
           "f32[2]\nyield %n } : f32[2]\n"
           "return %y",
           -1, -2);
    /* branches of different extents: the size is a result, too */
    EXPECT("%c = const 0 : bool[]\n%x = const [1,2] : f32[2]\n"
           "%y, %n = if %c, %x {syms=[S]} yes(%a: f32[2]) {\n%d = const 2 : i64[]\nyield %a, %d }"
           " no(%a: f32[2]) {\n%b = concat %a, %a {axis=0} : f32[4]\n%d = const 4 : i64[]\n"
           "yield %b, %d } : f32[S], i64[]\n%e = dimval {dim=S} : i64[]\nreturn %y, %n, %e",
           1, 2, 1, 2, 4, 4);
    EXPECT_ERROR("%c = const 0 : bool[]\n%x = const [1,2] : f32[2]\n"
                 "%y = if %c, %x yes(%a: f32[2]) { yield %a } no(%a: f32[2]) {\n"
                 "%b = concat %a, %a {axis=0} : f32[4]\nyield %b } : f32[2]\nreturn %y", "differ");
    /* sums of a sliced operand, stacked backwards */
    EXPECT(
        "%c = const 1 : bool[]\n%z = const 0 : f32[]\n%x = const [1,2,3] : f32[3]\n"
        "%s, %t = loop %c, %z, %x {trip=3,reverse=true,carries=1,slice_axes=[0],stack_axes=[0]}\n"
        "body(%i: i64[], %a: f32[], %e: f32[]) {\n%b = add %a, %e : f32[]\n%go = const 1 : bool[]\n"
        "yield %go, %b, %b } : f32[], f32[3]\nreturn %s, %t",
        6, 6, 5, 3);
    /* ends by its condition; what was run is counted */
    EXPECT("%c = const 1 : bool[]\n%z = const 1 : i64[]\n"
           "%s, %t = loop %c, %z {infinite=true,carries=1,stack_axes=[0],trips=n}\n"
           "body(%i: i64[], %a: i64[]) {\n%b = add %a, %a : i64[]\n%m = const 20 : i64[]\n"
           "%go = lt %b, %m : bool[]\nyield %go, %b, %i } : i64[], i64[n]\n"
           "%d = dimval {dim=n} : i64[]\nreturn %s, %t, %d", 32, 0, 1, 2, 3, 4, 5);
    /* a carry that grows: its size is a carry, too */
    EXPECT(
        "%c = const 1 : bool[]\n%x = const [7] : f32[1]\n%one = const 1 : i64[]\n"
        "%y, %n = loop %c, %x, %one {trip=3,carries=2,syms=[N]}\n"
        "body(%i: i64[], %a: f32[N], %s: i64[] = [N]) {\n%b = concat %a, %a {axis=0} : f32[2*N]\n"
        "%d = dimval {dim=2*N} : i64[]\n%go = const 1 : bool[]\nyield %go, %b, %d } : f32[N], "
        "i64[]\n"
        "return %y, %n",
        7, 7, 7, 7, 7, 7, 7, 7, 8);
    EXPECT_ERROR("%c = const 0 : bool[]\ncheck %c {message=\"as it must\"}\nreturn", "as it must");
    expect_values(
        "fn twice(%x: f32[A]) {\n%y = add %x, %x : f32[A]\nreturn %y\n}\n"
        "entry main() {\n%x = const [1,2] : f32[2]\n%z = const [5] : f32[1]\n"
        "%y = call %x {fn=twice} : f32[2]\n%w = call %z {fn=twice} : f32[1]\nreturn %y, %w\n}\n",
        (const double[]){2, 4, 10}, 3);
}

static void test_sequence(void **state)
{
    (void)state;
    EXPECT(
        "%x = const [1,2] : f32[2]\n%y = const [3,4] : f32[2]\n%s = seq_new %x, %y : seq<f32[2]>\n"
        "%m = const -1 : i64[]\n%a = seq_at %s, %m : f32[2]\n%t = seq_insert %s, %a, %m : "
        "seq<f32[2]>\n"
        "%n = seq_len %t : i64[]\n%j = seq_join %t {axis=0,sym=N} : f32[N]\n"
        "%k = seq_join %t {axis=1,stack=true,sym=M} : f32[2,M]\n%u = seq_erase %t, %m : "
        "seq<f32[2]>\n"
        "%l = seq_len %u : i64[]\nreturn %a, %n, %j, %k, %l",
        3, 4, 3, 1, 2, 3, 4, 3, 4, 1, 3, 3, 2, 4, 4, 2);
    EXPECT("%x = const [1,2] : f32[2]\n%y = const [3] : f32[1]\n%s = seq_new %x, %y : "
           "seq<f32[\"?\"]>\n"
           "%m = const 1 : i64[]\n%a = seq_at %s, %m {syms=[q]} : f32[q]\n%d = dimval {dim=q} : "
           "i64[]\n"
           "return %a, %d",
           3, 1);
    EXPECT("%x = const 5 : f32[]\n%o = opt_some %x : opt<f32[]>\n%e = opt_none : opt<never>\n"
           "%a = opt_has %o : bool[]\n%b = opt_has %e : bool[]\n%c = opt_get %o : f32[]\nreturn "
           "%a, %b, %c",
           1, 0, 5);
    EXPECT_ERROR("%x = const 5 : f32[]\n%s = seq_new %x : seq<f32[]>\n%m = const 1 : i64[]\n"
                 "%a = seq_at %s, %m : f32[]\nreturn %a", "out of range");
}

/* Element 4 is the first word of the next block, whose counter is one more: 128 bits carry. */
static void test_random(void **state)
{
    (void)state;
    EXPECT("%k = const [0,0] : u32[2]\n%c = const [0,0] : u64[2]\n"
           "%r = rng %k, %c {shape=[2]} : u32[2]\nreturn %r",
           0x6627e8d5, 0xe169c58d);
    EXPECT("%k = const [1,2] : u32[2]\n%c = const [18446744073709551615,0] : u64[2]\n"
           "%d = const [0,1] : u64[2]\n"
           "%r = rng %k, %c {shape=[5]} : u32[5]\n%s = rng %k, %d {shape=[1]} : u32[1]\n"
           "%t = slice %r {start=[4],step=[1],extent=[1]} : u32[1]\n%e = eq %s, %t : "
           "bool[1]\nreturn %e",
           1);
}

/* ---- dims of inputs ------------------------------------------------------------ */

static void test_symbols(void **state)
{
    const char *text =
        "entry main(%x: f32[N,2], %y: f32[N]) {\n%d = dimval {dim=3*N+1} : i64[]\n"
        "%b = bind %d {sym=S} : i64[]\n%i = iota {shape=[S],axis=0,dtype=i32} : i32[S]\n"
        "return %i\n}\n";
    arena mem = {0};
    double got[32];
    char error[200];
    ir_val *in[2] = {val_tensor(&mem, DT_F32, 2, (int64_t[]){2, 2}),
                     val_tensor(&mem, DT_F32, 1, (int64_t[]){2})};

    (void)state;
    assert_int_equal(eval_text(text, in, got, 32, error), 7);
    assert_true(got[6] == 6);
    in[1] = val_tensor(&mem, DT_F32, 1, (int64_t[]){3});
    assert_int_equal(eval_text(text, in, got, 32, error), -1);
    assert_non_null(strstr(error, "N is both 2 and 3"));
    arena_reset(&mem);
}

static void test_hostile_sizes(void **state)
{
    (void)state;
    EXPECT_ERROR("%a = iota {shape=[4611686018427387904,4],axis=0,dtype=f32} : "
                 "f32[4611686018427387904,4]\nreturn %a",
                 "");
    EXPECT_ERROR("%x = const 1 : f32[]\n%a = broadcast %x {shape=[1000000,1000000]} : "
                 "f32[1000000,1000000]\nreturn %a",
                 "too large");
}

static void test_states(void **state)
{
    diag d;
    arena mem = {0};
    ir_eval e;
    ir_val *out[1];

    (void)state;
    diag_init(&d);
    ir_module *m = ir_parse("const @c = f32[2] [1,2]\nstate @w : f32[2] = @c\n"
                            "entry main() {\n%w = state @w : f32[2]\n%y = add %w, %w : f32[2]\n"
                            "return %w update @w = %y\n}\n", "test", &d);
    if (!m)
        fail_msg("%s", d.message.at[0].text);
    ir_eval_init(&e, m, &mem);
    for (int step = 0; step < 3; step++) {
        assert_true(ir_eval_run(&e, m->fn.at[0], NULL, out));
        assert_true(val_flt(out[0], 1) == 2 << step);
    }
    ir_eval_free(&e);
    arena_reset(&mem);
    ir_module_free(m);
    diag_free(&d);
}

/* Two states change places: both read the old values. */
static void test_states_swap(void **state)
{
    diag d;
    arena mem = {0};
    ir_eval e;
    ir_val *out[1];

    (void)state;
    diag_init(&d);
    ir_module *m = ir_parse("const @c = f32[1] [1]\nconst @d = f32[1] [2]\n"
                            "state @a : f32[1] = @c\nstate @b : f32[1] = @d\n"
                            "entry main() {\n%a = state @a : f32[1]\n%b = state @b : f32[1]\n"
                            "return %a update @a = %b, @b = %a\n}\n", "test", &d);
    if (!m)
        fail_msg("%s", d.message.at[0].text);
    ir_eval_init(&e, m, &mem);
    for (int step = 0; step < 4; step++) {
        assert_true(ir_eval_run(&e, m->fn.at[0], NULL, out));
        assert_true(val_flt(out[0], 0) == 1 + step % 2);
    }
    ir_eval_free(&e);
    arena_reset(&mem);
    ir_module_free(m);
    diag_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map), cmocka_unit_test(test_move), cmocka_unit_test(test_index),
        cmocka_unit_test(test_reduce), cmocka_unit_test(test_window), cmocka_unit_test(test_dot),
        cmocka_unit_test(test_conv), cmocka_unit_test(test_order), cmocka_unit_test(test_control),
        cmocka_unit_test(test_sequence), cmocka_unit_test(test_random),
        cmocka_unit_test(test_symbols), cmocka_unit_test(test_hostile_sizes),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_states_swap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
