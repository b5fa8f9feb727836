/* tests/unit/eval_text.h - runs a module given as text and compares results. */
#ifndef EVAL_TEXT_H
#define EVAL_TEXT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "build.h"
#include "eval.h"
#include "num.h"

static inline double val_flt(const ir_val *v, int64_t i)
{
    const uint8_t *p = v->data + i * dt_size(v->dtype);

    return dt_is_float(v->dtype) ? num_load_flt(v->dtype, p) : (double)num_load_int(v->dtype, p);
}

/* Elements of all results one after the other; -1 after an error (text: *error). */
static inline int eval_text(const char *source, ir_val *const *in, double *out, int room,
                            char *error)
{
    diag d;
    arena mem = {0};
    ir_val *result[64];
    ir_eval e;
    int n = 0;

    diag_init(&d);
    *error = 0;
    ir_module *m = ir_parse(source, "test", &d);
    if (!m) {
        snprintf(error, 200, "%s", d.message.len ? d.message.at[0].text : "no message");
        diag_free(&d);
        return -1;
    }
    ir_eval_init(&e, m, &mem);
    const ir_fn *f = m->fn.at[m->fn.len - 1];
    if (!ir_verify(m, &d, "parse")) {
        snprintf(error, 200, "%s", d.message.at[0].text);
        n = -1;
    } else if (!ir_eval_run(&e, f, in, result)) {
        snprintf(error, 200, "%s", e.error);
        n = -1;
    }
    for (uint32_t i = 0; n >= 0 && i < f->result.len; i++)
        for (int64_t k = 0; result[i]->kind == TY_TENSOR && k < val_count(result[i]) && n < room;
             k++)
            out[n++] = val_flt(result[i], k);
    ir_eval_free(&e);
    arena_reset(&mem);
    ir_module_free(m);
    diag_free(&d);
    return n;
}

static inline void expect_values(const char *source, const double *want, int count)
{
    double got[256];
    char error[200];
    int n = eval_text(source, NULL, got, 256, error);

    if (n < 0)
        fail_msg("%s\nin:\n%s", error, source);
    if (n != count)
        fail_msg("%d values, expected %d, in:\n%s", n, count, source);
    for (int i = 0; i < n; i++)
        if (!(isnan(want[i]) ? isnan(got[i]) : got[i] == want[i]))
            fail_msg("value %d is %.9g, expected %.9g, in:\n%s", i, got[i], want[i], source);
}

/* Nodes of a parameterless function, then the values of its results. */
#define EXPECT(body, ...)                                                      \
    expect_values("entry main() {\n" body "\n}\n", (const double[]){__VA_ARGS__}, \
                  (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)))

static inline void expect_error(const char *source, const char *part)
{
    double got[64];
    char error[200];

    assert_int_equal(eval_text(source, NULL, got, 64, error), -1);
    if (!strstr(error, part))
        fail_msg("error is '%s', expected '%s', in:\n%s", error, part, source);
}
#define EXPECT_ERROR(body, part) expect_error("entry main() {\n" body "\n}\n", part)

#endif
