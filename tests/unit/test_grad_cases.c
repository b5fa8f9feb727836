/* tests/unit/test_grad_cases.c - every case of tests/grad_cases.def: its gradient against
 * central differences, and the gradient of that gradient, in f64 by the interpreter; values
 * and gradients of compiled code, in f32, against the interpreter's. */
#include "grad_case.h"

#include "host.h"
#include "ingot.h"

static const grad_case cases[] = {
#define IR(op, inputs, body, flags) {op, inputs, body, 0, flags},
#define OPERATOR(op, opset, inputs, attributes, flags) {op, inputs, attributes, opset, flags},
#define KINK(...)
#include "../grad_cases.def"
};

/* A kink: f at these values has this gradient. */
typedef struct kink {
    const char *inputs, *body, *want;
} kink;

static const kink kinks[] = {
#define KINK(inputs, body, want) {inputs, body, want},
#include "../grad_cases.def"
};

/* ---- requests ---------------------------------------------------------------------- */

static ir_ref total(ir_build *b, ir_ref x)
{
    ir_dim count = type_count(&b->m->types, ir_type_of(b->fn, x));

    return ir_reduce(b, ir_reshape(b, x, &count, 1), RED_SUM, (int32_t[]){0}, 1);
}

/* sum of x * weights, which differ from element to element. */
static ir_ref weighted(ir_build *b, ir_ref x, double seed)
{
    const ir_type *t = ir_type_of(b->fn, x);
    ir_dim count = dim_product(&b->m->dims, t->dim, t->rank);
    ir_ref w = ir_cast(b, ir_iota(b, DT_I64, &count, 1, 0), t->dtype);

    w = ir_2(b, OP_MUL, w, ir_splat(b, ir_type_of(b->fn, w), 1.7));
    w = ir_2(b, OP_ADD, w, ir_splat(b, ir_type_of(b->fn, w), seed));
    w = ir_1(b, OP_SIN, w);
    x = ir_2(b, OP_MUL, ir_reshape(b, x, &count, 1), w);
    return ir_reduce(b, x, RED_SUM, (int32_t[]){0}, 1);
}

/* For the floating inputs of `of`: their adjoints' refs. */
static int request(ir_build *b, ir_ref of, const ir_ref *x, int n, ir_ref *dx)
{
    ir_ref args[MAX_INPUTS + 1] = {of};

    memcpy(args + 1, x, (size_t)n * sizeof *x);
    ir_ref first = ir_make(b, OP_GRAD, args, (uint32_t)n + 1, NULL);
    for (int i = 0; i < n; i++)
        dx[i] = first == IR_NONE ? IR_NONE : first + (ir_ref)i;
    return n;
}

/* f becomes main(x..) -> (loss, dloss/dx.., slope, dslope/dx.., y), where slope is a weighted
 * sum of the dloss/dx. */
static void add_requests(ir_module *m, diag *d, unsigned flags)
{
    ir_fn *f = m->fn.at[m->fn.len - 1];
    ir_ref x[MAX_INPUTS], dx[MAX_INPUTS], d2x[MAX_INPUTS], y[IR_MAX_RESULTS];
    ir_ref slope = IR_NONE;
    ir_build b;
    int n = (int)f->param.len;

    f->name = "f";
    f->entry = false;
    ir_build_init(&b, m, ir_fn_new(m, "main", true), d);
    for (int i = 0; i < n; i++)
        x[i] = ir_input(&b, f->param_name.at[i], ir_type_of(f, f->param.at[i]));
    assert_true(ir_inline(&b, f, x, y));
    ir_ref loss = flags & PLAIN ? total(&b, y[0]) : weighted(&b, y[0], 0.4);
    request(&b, loss, x, n, dx);
    for (int i = 0; i < n; i++) {
        ir_ref s = weighted(&b, dx[i], 0.9 + i);
        slope = slope == IR_NONE ? s : ir_2(&b, OP_ADD, slope, s);
    }
    if (!(flags & ONCE))
        request(&b, slope, x, n, d2x);
    ir_result(&b, "loss", loss);
    for (int i = 0; i < n; i++)
        ir_result(&b, "dx", dx[i]);
    ir_result(&b, "slope", slope);
    for (int i = 0; i < n && !(flags & ONCE); i++)
        ir_result(&b, "d2x", d2x[i]);
    ir_result(&b, "y", y[0]);
    ir_build_free(&b);
}

/* ---- running ----------------------------------------------------------------------- */

static int failures;

enum { MAX_OUTPUTS = 2 * MAX_INPUTS + 3 };

typedef struct running {
    const grad_case *c;
    inputs in;
    int params;                         /* of the inputs, those that are parameters */
    ir_dtype dtype;
    tensor_value value[MAX_INPUTS], out[MAX_OUTPUTS];
    ingot_engine *engine;               /* null: the case cannot run */
    diag d;
    bool failed;                        /* what is wrong has been said */
} running;

/* Says once what is wrong with a case; the others go on. */
static void complain(running *r, const char *format, ...)
{
    va_list list;

    if (r->failed)
        return;
    r->failed = true;
    printf("FAILED %s %s %s: ", r->c->name, r->c->inputs, r->c->body);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    printf("\n");
}

static const char *said_by(const diag *d)
{
    return d->message.len ? d->message.at[0].text : d->gap.len ? d->gap.at[0].reason : "no message";
}

/* A number of the sequence that this state goes through, in 0 to 1. */
static double uniform(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) / (double)(1 << 24);
}

static double random_value(const input *x, uint32_t *state)
{
    double u = uniform(state);

    if (x->lo != x->hi)
        return x->lo + u * (x->hi - x->lo);
    return uniform(state) < 0.5 ? 0.15 + 0.75 * u : -0.15 - 0.75 * u;
}

static void make_values(running *r)
{
    uint32_t state = 11;

    for (int i = 0; i < r->in.n; i++) {
        const input *x = &r->in.at[i];
        if (is_constant(x) || *x->name == '-')
            continue;
        tensor *t = &r->value[r->params++].t;
        assert_true(tensor_init(t, dt_of(r->dtype)->onnx, x->rank, x->dim));
        for (int64_t k = 0; k < count_of(x); k++)
            num_store_flt(r->dtype, (uint8_t *)t->data + k * dt_size(r->dtype),
                          x->values ? x->value[k] : random_value(x, &state));
    }
}

static void open_case(running *r, const grad_case *c, ir_dtype dtype, ingot_engine_kind kind)
{
    const char *name = dt_text(dtype);

    *r = (running){.c = c, .in = read_inputs(c->inputs), .dtype = dtype};
    diag_init(&r->d);
    ir_module *m = c->opset ? imported_case(c, &r->in, name, &r->d)
                            : parsed(c, &r->in, name, &r->d);
    if (m)
        add_requests(m, &r->d, c->flags);
    if (m && !diag_failed(&r->d))
        r->engine = ingot_engine_open(kind, m, NULL, 1, &r->d);
    if (!r->engine)
        complain(r, "%s", said_by(&r->d));
    make_values(r);
}

static bool run(running *r)
{
    char error[TENSOR_ERROR_SIZE];

    for (int i = 0; i < MAX_OUTPUTS; i++)
        tensor_value_free(&r->out[i]);
    if (r->engine && !ingot_engine_run(r->engine, r->value, r->out, error))
        complain(r, "%s", error);
    return !r->failed;
}

static void close_case(running *r)
{
    for (int i = 0; i < MAX_OUTPUTS; i++)
        tensor_value_free(&r->out[i]);
    for (int i = 0; i < r->params; i++)
        tensor_value_free(&r->value[i]);
    if (r->engine)
        ingot_engine_close(r->engine);
    diag_free(&r->d);
    failures += r->failed;
}

/* Positions of the results. */
static int slope_of(const running *r) { return r->params + 1; }
static int outputs_of(const running *r)
{
    return r->params + 2 + (r->c->flags & ONCE ? 0 : r->params) + 1;
}

static double element(const tensor *t, int64_t i)
{
    ir_dtype dt = dt_from_onnx(t->dtype);

    return num_load_flt(dt, (const uint8_t *)t->data + i * dt_size(dt));
}

/* ---- checks ------------------------------------------------------------------------ */

static void expect_close(running *r, const char *what, int input, int64_t i, double got,
                         double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * (1 + fabs(want))))
        complain(r, "%s %d, element %d: %.9g, expected %.9g", what, input, (int)i, got, want);
}

/* Results `loss` and `slope` move as dx and d2x say when element i of input p does. */
static void check_element(running *r, int p, int64_t i)
{
    const double h = 1e-5;
    double *at = (double *)r->value[p].t.data + i, was = *at, loss[2], slope[2];
    bool twice = !(r->c->flags & ONCE);

    if (!run(r))
        return;
    double dx = element(&r->out[1 + p].t, i);
    double d2x = twice ? element(&r->out[slope_of(r) + 1 + p].t, i) : 0;
    for (int s = 0; s < 2; s++) {
        *at = was + (s ? h : -h);
        run(r);
        loss[s] = element(&r->out[0].t, 0);
        slope[s] = element(&r->out[slope_of(r)].t, 0);
    }
    *at = was;
    expect_close(r, "gradient of input", p, i, dx, (loss[1] - loss[0]) / (2 * h), 2e-6);
    if (twice)
        expect_close(r, "second gradient of input", p, i, d2x, (slope[1] - slope[0]) / (2 * h),
                     5e-6);
}

static void check_differences(const grad_case *c)
{
    running r;

    open_case(&r, c, DT_F64, ENGINE_INTERPRETER);
    run(&r);
    for (int p = 0; p < r.params; p++)
        for (int64_t i = 0, n = r.value[p].t.count; i < n && !r.failed; i++)
            check_element(&r, p, i);
    close_case(&r);
}

static void check_compiled(const grad_case *c)
{
    running want, got;

    open_case(&want, c, DT_F32, ENGINE_INTERPRETER);
    open_case(&got, c, DT_F32, ENGINE_COMPILED);
    for (int k = 0, n = run(&want) && run(&got) ? outputs_of(&want) : 0; k < n; k++) {
        const tensor *t = &want.out[k].t;
        for (int64_t i = 0; i < t->count; i++)
            expect_close(&got, "compiled result", k, i, element(&got.out[k].t, i),
                         element(t, i), 1e-4);
    }
    close_case(&want);
    close_case(&got);
}

/* Name of the cases to run; null: all. */
static const char *only;

static bool is_chosen(const grad_case *c)
{
    return !only || !strcmp(c->name, only);
}

static void differences(void **state)
{
    (void)state;
    failures = 0;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (is_chosen(&cases[i]))
            check_differences(&cases[i]);
    assert_int_equal(failures, 0);
}

static void compiled(void **state)
{
    (void)state;
    failures = 0;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (is_chosen(&cases[i]) && !(cases[i].flags & INTERPRETED))
            check_compiled(&cases[i]);
    assert_int_equal(failures, 0);
}

/* Gradients of the sum of f at its kinks, by both engines. */
static void check_kink(const kink *k, ingot_engine_kind kind)
{
    const grad_case c = {"kink", k->inputs, k->body, 0, ONCE | PLAIN};
    const char *want = k->want;
    running r;

    open_case(&r, &c, DT_F32, kind);
    for (int p = 0; run(&r) && p < r.params; p++)
        for (int64_t i = 0; i < r.out[1 + p].t.count; i++) {
            char *end;
            double w = strtod(want, &end);
            expect_close(&r, "gradient of input", p, i, element(&r.out[1 + p].t, i), w, 1e-6);
            want = end;
        }
    close_case(&r);
}

static void at_kinks(void **state)
{
    (void)state;
    failures = 0;
    for (size_t i = 0; i < COUNT(kinks) && !only; i++) {
        check_kink(&kinks[i], ENGINE_INTERPRETER);
        check_kink(&kinks[i], ENGINE_COMPILED);
    }
    assert_int_equal(failures, 0);
}

/* With an argument: only the cases of this op or operator. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(differences), cmocka_unit_test(compiled),
                                       cmocka_unit_test(at_kinks)};

    only = argc > 1 ? argv[1] : NULL;
    printf("%zu cases, %zu kinks\n", COUNT(cases), COUNT(kinks));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
