/* Training steps as native code: what an update does to the states, and a
 * network that learns XOR, for all batch sizes, against the interpreter and
 * against finite differences. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "build.h"
#include "engine.h"
#include "eval.h"
#include "host.h"
#include "lower.h"
#include "pass.h"
#include "plan_build.h"

static const uint32_t seed0 = 20240501;

static double uniform(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) / (double)(1 << 24) * 2 - 1;
}

/* ---- a module twice: compiled, and in the evaluator ----------------------------- */

enum { MAX_PORTS = 8 };

typedef struct pair {
    diag d;
    ingot_engine *e;            /* owns the module */
    session *s;
    const struct ingot_model *model;
    arena mem;
    ir_eval ev;
} pair;

static void open_pair(pair *p, ir_module *m)
{
    p->e = ingot_engine_open(ENGINE_COMPILED, m, &(ingot_options){0}, 2, &p->d);
    if (!p->e)
        diag_print(&p->d, stderr);
    assert_non_null(p->e);
    p->s = ingot_engine_session(p->e);
    p->model = p->s->model;
    p->mem = (arena){0};
    ir_eval_init(&p->ev, m, &p->mem);
}

static void close_pair(pair *p)
{
    ir_eval_free(&p->ev);
    arena_reset(&p->mem);
    ingot_engine_close(p->e);
    diag_free(&p->d);
}

/* One call of the compiled entry on the states of the pair's session. */
static void run_compiled(pair *p, const char *name, const tensor_value *in, tensor_value *out)
{
    char error[TENSOR_ERROR_SIZE];
    invoke v;

    if (!invoke_prepare(&v, p->s, session_entry(p->model, name), in, error) ||
        !invoke_run(&v, error) || !invoke_take(&v, out, error))
        fail_msg("%s: %s", name, error);
    invoke_free(&v);
}

static ir_val *val_of(arena *mem, const tensor_value *t)
{
    ir_val *v = val_tensor(mem, dt_from_onnx(t->t.dtype), t->t.rank, t->t.dims);

    memcpy(v->data, t->t.data, (size_t)t->t.count * tensor_elem_size(t->t.dtype));
    return v;
}

static void run_evaluator(pair *p, const char *name, const tensor_value *in, ir_val **out)
{
    const ir_fn *fn = ir_module_find(p->e->m, name);
    ir_val *args[MAX_PORTS];

    for (uint32_t i = 0; i < fn->param.len; i++)
        args[i] = val_of(&p->mem, &in[i]);
    if (!ir_eval_run(&p->ev, fn, args, out))
        fail_msg("%s: %s", name, p->ev.error);
}

static double element(int32_t dtype, const void *data, int64_t i)
{
    return dtype == TENSOR_F64 ? ((const double *)data)[i] : ((const float *)data)[i];
}

static void compare(const char *what, int32_t dtype, const void *got, const void *want, int64_t n,
                    double tolerance)
{
    for (int64_t i = 0; i < n; i++) {
        double x = element(dtype, got, i), y = element(dtype, want, i);
        if (!(fabs(x - y) <= tolerance * (1 + fabs(y))))
            fail_msg("%s[%d]: compiled %.9g, evaluated %.9g", what, (int)i, x, y);
    }
}

/* Runs the entry both ways: outputs and all states agree. */
static void step_both(pair *p, const char *name, const tensor_value *in, double tolerance)
{
    const struct ingot_entry *e = session_entry(p->model, name);
    tensor_value got[MAX_PORTS];
    ir_val *want[MAX_PORTS];

    run_compiled(p, name, in, got);
    run_evaluator(p, name, in, want);
    for (int32_t i = 0; i < e->output_count; i++) {
        assert_int_equal(got[i].t.count, val_count(want[i]));
        compare(e->outputs[i].name, got[i].t.dtype, got[i].t.data, want[i]->data, got[i].t.count,
                tolerance);
        tensor_value_free(&got[i]);
    }
    for (int32_t i = 0; i < p->model->state_count; i++) {
        const struct ingot_value_info *s = &p->model->states[i];
        if (p->ev.state[i])
            compare(s->name, s->dtype, (char *)p->s->states + s->offset, p->ev.state[i]->data,
                    val_count(p->ev.state[i]), tolerance);
    }
}

/* ---- updates ---------------------------------------------------------------------- */

typedef struct update_case {
    const char *name, *body;
    uint32_t copies;            /* COPY steps in the plan */
} update_case;

static const char states_text[] =
    "const @one = f32[3,5] [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]\n"
    "const @two = f32[3,5] splat 0.5\n"
    "state @a : f32[3,5] = @one\nstate @b : f32[3,5] = @two\nstate @v : f32[5]\n"
    "entry main() {\n  %1 = state @a : f32[3,5]\n  %2 = state @b : f32[3,5]\n";

static const update_case update_cases[] = {
    {"swapped", "return update @a=%2, @b=%1\n}\n", 4},
    {"elementwise: in place", "%3 = mul %1, %2 : f32[3,5]\n return update @a=%3\n}\n", 0},
    {"both in place at once",
     "%3 = tanh %2 : f32[3,5]\n %4 = mul %1, %2 : f32[3,5]\n return update @a=%4, @b=%3\n}\n", 0},
    {"the old value is read later",
     "%3 = tanh %1 : f32[3,5]\n %4 = add %1, %2 : f32[3,5]\n %5 = tanh %4 : f32[3,5]\n"
     "return update @a=%3, @b=%5\n}\n",
     0},
    {"the new value is read later",
     "%3 = tanh %2 : f32[3,5]\n %4 = tanh %3 : f32[3,5]\n return update @b=%3, @a=%4\n}\n", 0},
    {"two new values of two old ones",
     "%3 = add %1, %2 : f32[3,5]\n %4 = sub %1, %2 : f32[3,5]\n return update @b=%3, @a=%4\n}\n",
     0},
    {"a new value of another new one",
     "%3 = tanh %1 : f32[3,5]\n %4 = sub %2, %3 : f32[3,5]\n return update @b=%4, @a=%3\n}\n", 0},
    {"one new value reads the other's state shifted",
     "%3 = tanh %1 : f32[3,5]\n %4 = slice %1 {start=[2,0], step=[-1,1], extent=[3,5]} : f32[3,5]\n"
     "%5 = mul %4, %2 : f32[3,5]\n %6 = mul %5, %1 : f32[3,5]\n return update @a=%3, @b=%6\n}\n",
     1},
    {"the old value is a result", "%3 = mul %1, %2 : f32[3,5]\n return y=%1 update @a=%3\n}\n", 2},
    {"the new value is a result", "%3 = mul %1, %2 : f32[3,5]\n return y=%3 update @a=%3\n}\n", 1},
    {"a reshape of the old value is a result",
     "%3 = mul %1, %2 : f32[3,5]\n %4 = reshape %1 {shape=[15]} : f32[15]\n return y=%4 update "
     "@a=%3\n}\n",
     2},
    {"a shifted old value: not element by element",
     "%3 = slice %1 {start=[2,0], step=[-1,1], extent=[3,5]} : f32[3,5]\n %4 = mul %3, %1 : "
     "f32[3,5]\n"
     "return update @a=%4\n}\n",
     1},
    {"a product that reads its own state",
     "%3 = dot %1, %1 {sum_a=[0], sum_b=[0]} : f32[5,5]\n %4 = dot %1, %3 {sum_a=[1], sum_b=[0]} : "
     "f32[3,5]\n"
     "return update @a=%4\n}\n",
     1},
    {"a product with the old value as epilogue",
     "%3 = dot %2, %2 {sum_a=[0], sum_b=[0]} : f32[5,5]\n %4 = dot %2, %3 {sum_a=[1], sum_b=[0]} : "
     "f32[3,5]\n"
     "%5 = sub %1, %4 : f32[3,5]\n return update @a=%5\n}\n",
     0},
    {"a reduction with the old value as epilogue",
     "%3 = reduce %1 {axes=[0], op=sum} : f32[5]\n %4 = state @v : f32[5]\n %5 = add %3, %4 : "
     "f32[5]\n"
     "return update @v=%5\n}\n",
     0},
    {"a check behind the update",
     "%3 = mul %1, %2 : f32[3,5]\n %4 = reduce %3 {axes=[0,1], op=sum} : f32[]\n %5 = const 0 : "
     "f32[]\n"
     "%6 = lt %5, %4 : bool[]\n check %6 {message=\"sum\"}\n return update @a=%3\n}\n",
     1},
    {"two states get one value", "%3 = mul %1, %2 : f32[3,5]\n return update @a=%3, @b=%3\n}\n", 1},
};

static uint32_t copies_in(ir_module *m, diag *d)
{
    lower l;
    target host;
    plan_options o = {.lower = lower_group, .lower_cx = &l, .target = &host};
    uint32_t n = 0;

    host_target(&host);
    lower_init(&l, m, o.target, "m", d);
    plan *p = plan_build(m, &o, d);
    assert_non_null(p);
    const plan_block *b = p->entry.at[0]->body;
    for (uint32_t i = 0; i < b->step.len; i++)
        n += b->step.at[i].op == STEP_COPY;
    plan_free(p);
    lower_free(&l);
    return n;
}

static void updates_happen_at_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(update_cases); i++) {
        const update_case *c = &update_cases[i];
        pair p;
        char source[2000];
        snprintf(source, sizeof source, "%s%s", states_text, c->body);
        diag_init(&p.d);
        ir_module *m = ir_parse(source, c->name, &p.d);
        if (!m)
            diag_print(&p.d, stderr);
        assert_non_null(m);
        uint32_t copies = copies_in(m, &p.d);
        if (copies != c->copies)
            fail_msg("%s: %u copies, not %u", c->name, copies, c->copies);
        open_pair(&p, m);
        for (int step = 0; step < 2; step++)
            step_both(&p, "main", NULL, 1e-6);
        close_pair(&p);
    }
}

/* A step whose check fails leaves the states as they were. */
static void failed_step_changes_nothing(void **state)
{
    static const char source[] = "state @a : f32[4]\nentry main(%x: f32[4]) {\n  %1 = state @a : "
                                 "f32[4]\n  %2 = add %1, %x : f32[4]\n"
                                 "  %3 = reduce %2 {axes=[0], op=sum} : f32[]\n  %4 = const 100 : "
                                 "f32[]\n  %5 = lt %3, %4 : bool[]\n"
                                 "  check %5 {message=\"too large\"}\n  return update @a=%2\n}\n";
    char error[TENSOR_ERROR_SIZE];
    tensor_value x = {0};
    invoke v;
    pair p;

    (void)state;
    diag_init(&p.d);
    open_pair(&p, ir_parse(source, "check", &p.d));
    assert_true(tensor_init(&x.t, TENSOR_F32, 1, (int64_t[]){4}));
    for (int i = 0; i < 4; i++)
        ((float *)x.t.data)[i] = 20;
    assert_true(invoke_prepare(&v, p.s, session_entry(p.model, "main"), &x, error));
    assert_true(invoke_run(&v, error));
    assert_false(invoke_run(&v, error));
    for (int i = 0; i < 4; i++)
        assert_true(((float *)p.s->states)[i] == 20);
    invoke_free(&v);
    tensor_value_free(&x);
    close_pair(&p);
}

/* ---- a network ------------------------------------------------------------------------ */

enum { IN = 2, HIDDEN = 9, PARAMETERS = 4 };

/* x tanh(x w1 + b1) w2 + b2, the mean square of what is missed. */
typedef struct net {
    ir_build b;
    ir_dtype dt;
    ir_ref x, want, y, loss, w[PARAMETERS];
} net;

static const int shape_of[PARAMETERS][2] = {{IN, HIDDEN}, {HIDDEN, 0}, {HIDDEN, 1}, {1, 0}};
static const char *const name_of[PARAMETERS] = {"w1", "b1", "w2", "b2"};

static void add_states(ir_module *m, ir_dtype dt)
{
    uint32_t seed = seed0;

    for (int i = 0; i < PARAMETERS; i++) {
        int rank = shape_of[i][1] ? 2 : 1, n = shape_of[i][0] * (rank == 2 ? shape_of[i][1] : 1);
        ir_dim dim[2] = {dim_int(&m->dims, shape_of[i][0]), dim_int(&m->dims, shape_of[i][1])};
        const ir_type *t = type_tensor(&m->types, dt, rank, dim);
        float f[IN * HIDDEN];
        double d[IN * HIDDEN];
        for (int k = 0; k < n; k++)
            d[k] = f[k] = (float)uniform(&seed);
        ir_state s = {.name = name_of[i], .type = t, .trainable = true};
        s.init = dt == DT_F64 ? const_copy(m, t, d, (size_t)n * sizeof *d)
                              : const_copy(m, t, f, (size_t)n * sizeof *f);
        vec_push(&m->state, s);
    }
}

static ir_ref affine(net *n, ir_ref x, int w)
{
    return ir_b2(&n->b, OP_ADD, ir_matmul(&n->b, x, n->w[w]), n->w[w + 1]);
}

/* An entry whose batch size is the symbol `batch`. */
static void begin_entry(net *n, ir_module *m, const char *name, diag *d)
{
    ir_fn *fn = ir_fn_new(m, name, true);
    bool found;
    ir_dim batch = dim_symbol_named(&m->dims, "batch", &found);

    if (!found)
        batch = dim_symbol_new(&m->dims, "batch", 0, INT64_MAX);
    ir_build_init(&n->b, m, fn, d);
    n->x = ir_input(&n->b, "x", ir_ty(&n->b, n->dt, (ir_dim[]){batch, dim_int(&m->dims, IN)}, 2));
    n->want =
        ir_input(&n->b, "want", ir_ty(&n->b, n->dt, (ir_dim[]){batch, dim_int(&m->dims, 1)}, 2));
    for (uint32_t i = 0; i < PARAMETERS; i++)
        n->w[i] = ir_state_ref(&n->b, i);
    n->y = affine(n, ir_1(&n->b, OP_TANH, affine(n, n->x, 0)), 2);
    ir_ref miss = ir_2(&n->b, OP_SUB, n->y, n->want);
    ir_ref sum = ir_reduce(&n->b, ir_2(&n->b, OP_MUL, miss, miss), RED_SUM, (int32_t[]){0, 1}, 2);
    n->loss = ir_2(&n->b, OP_DIV, sum, ir_cast(&n->b, ir_dim_ref(&n->b, batch), n->dt));
    ir_result(&n->b, "loss", n->loss);
}

/* Entries: step(x, want, rate) -> loss, with w -= rate * dloss/dw; loss(x, want). */
static ir_module *make_net(ir_dtype dt, diag *d)
{
    ir_module *m = ir_module_new(d);
    net n = {.dt = dt};
    ir_ref args[1 + PARAMETERS];

    add_states(m, dt);
    begin_entry(&n, m, "step", d);
    ir_ref rate = ir_input(&n.b, "rate", ir_ty(&n.b, dt, NULL, 0));
    args[0] = n.loss;
    memcpy(args + 1, n.w, sizeof n.w);
    ir_ref g = ir_make(&n.b, OP_GRAD, args, 1 + PARAMETERS, NULL);
    for (uint32_t i = 0; i < PARAMETERS; i++)
        ir_update_state(&n.b, i, ir_2(&n.b, OP_SUB, n.w[i], ir_b2(&n.b, OP_MUL, g + i, rate)));
    ir_build_free(&n.b);
    begin_entry(&n, m, "loss", d);
    ir_build_free(&n.b);
    assert_false(diag_failed(d));
    return m;
}

static void random_batch(tensor_value in[3], int64_t n, int32_t dtype, double rate, uint32_t *seed)
{
    int64_t dims[2][2] = {{n, IN}, {n, 1}};

    memset(in, 0, 3 * sizeof *in);
    for (int i = 0; i < 3; i++) {
        assert_true(tensor_init(&in[i].t, dtype, i < 2 ? 2 : 0, i < 2 ? dims[i] : NULL));
        for (int64_t k = 0; k < in[i].t.count; k++) {
            double x = i < 2 ? uniform(seed) : rate;
            if (dtype == TENSOR_F64)
                ((double *)in[i].t.data)[k] = x;
            else
                ((float *)in[i].t.data)[k] = (float)x;
        }
    }
}

static void free_batch(tensor_value in[3])
{
    for (int i = 0; i < 3; i++)
        tensor_value_free(&in[i]);
}

static void compiled_step_is_the_interpreters(void **state)
{
    static const int64_t batch[] = {1, 2, 3, 5, 16, 33, 100};
    uint32_t seed = seed0;
    tensor_value in[3];
    pair p;

    (void)state;
    print_message("seed %u\n", seed);
    diag_init(&p.d);
    open_pair(&p, make_net(DT_F32, &p.d));
    assert_int_equal(copies_in(p.e->m, &p.d), 0);
    for (size_t i = 0; i < COUNT(batch); i++) {
        random_batch(in, batch[i], TENSOR_F32, 0.1, &seed);
        step_both(&p, "step", in, 2e-5);
        step_both(&p, "loss", in, 2e-5);
        free_batch(in);
    }
    close_pair(&p);
}

/* The evaluator's loss, in double. */
static double loss_of(pair *p, const tensor_value *in)
{
    ir_val *out[1];

    run_evaluator(p, "loss", in, out);
    return *(double *)out[0]->data;
}

/* What the compiled step subtracts from each weight, by its rate, is the
 * difference quotient of the loss. */
static void compiled_step_follows_the_gradient(void **state)
{
    const double h = 1e-5, rate = 0.5;
    uint32_t seed = seed0 + 1;
    tensor_value in[3], wide[3], out[1];
    pair p, exact;

    (void)state;
    diag_init(&p.d);
    diag_init(&exact.d);
    open_pair(&p, make_net(DT_F32, &p.d));
    open_pair(&exact, make_net(DT_F64, &exact.d));
    random_batch(wide, 7, TENSOR_F64, rate, &seed);
    seed = seed0 + 1;
    random_batch(in, 7, TENSOR_F32, rate, &seed);
    void *before = malloc(p.model->state_size);
    memcpy(before, p.s->states, p.model->state_size);
    run_compiled(&p, "step", in, out);
    loss_of(&exact, wide);
    for (int i = 0; i < PARAMETERS; i++) {
        size_t at = p.model->states[i].offset;
        const float *was = (const float *)((char *)before + at),
                    *is = (const float *)((char *)p.s->states + at);
        const ir_state *s = &exact.e->m->state.at[i];
        int64_t n = type_count_const(&exact.e->m->types, s->type);
        double *w = arena_array(&exact.mem, double, (size_t)n);
        ir_val v = {.kind = TY_TENSOR, .dtype = DT_F64, .rank = s->type->rank,
                    .dim = (int64_t[]){shape_of[i][0], shape_of[i][1]}, .data = (uint8_t *)w};
        for (int64_t k = 0; k < n; k++)
            w[k] = was[k];
        exact.ev.state[i] = &v;
        for (int64_t k = 0; k < n; k++) {
            double keep = w[k], loss[2];
            for (int side = 0; side < 2; side++) {
                w[k] = keep + (side ? h : -h);
                loss[side] = loss_of(&exact, wide);
            }
            w[k] = keep;
            double slope = (loss[1] - loss[0]) / (2 * h), got = ((double)was[k] - is[k]) / rate;
            if (!(fabs(got - slope) <= 1e-5 * (1 + fabs(slope))))
                fail_msg("%s[%d]: gradient %g, difference quotient %g", name_of[i], (int)k, got,
                         slope);
        }
        exact.ev.state[i] = NULL;
    }
    tensor_value_free(&out[0]);
    free(before);
    free_batch(in);
    free_batch(wide);
    close_pair(&p);
    close_pair(&exact);
}

static void xor_is_learned(void **state)
{
    static const float x[] = {0, 0, 0, 1, 1, 0, 1, 1}, want[] = {0, 1, 1, 0};
    enum { STEPS = 2000 };
    char error[TENSOR_ERROR_SIZE];
    uint32_t seed = seed0;
    tensor_value in[3];
    invoke v;
    pair p;

    (void)state;
    diag_init(&p.d);
    open_pair(&p, make_net(DT_F32, &p.d));
    random_batch(in, 4, TENSOR_F32, 0.2, &seed);
    memcpy(in[0].t.data, x, sizeof x);
    memcpy(in[1].t.data, want, sizeof want);
    assert_true(invoke_prepare(&v, p.s, session_entry(p.model, "step"), in, error));
    for (int i = 0; i < STEPS; i++)
        assert_true(invoke_run(&v, error));
    float loss = *(const float *)v.outputs[0].data;
    print_message("seed %u: loss %g after %d steps\n", seed0, loss, STEPS);
    assert_true(loss < 1e-3f);
    invoke_free(&v);
    free_batch(in);
    close_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_happen_at_the_end),
        cmocka_unit_test(failed_step_changes_nothing),
        cmocka_unit_test(compiled_step_is_the_interpreters),
        cmocka_unit_test(compiled_step_follows_the_gradient),
        cmocka_unit_test(xor_is_learned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
