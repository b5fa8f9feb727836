/* runtime/made_up.c - inputs that nobody gave: random numbers of the right type and
 * shape.
 *
 * Run-time dims that nothing binds are tried: 1 everywhere, then powers of two,
 * with one row and with as many, until the model runs.  Many nets have a least size
 * of image, or a patch that must divide it, and --bench shall work for who does not
 * know it.  A size is also too small where a window finds no element left and all of a
 * result is the mean of nothing. */
#include "made_up.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bind.h"
#include "invoke.h"
#include "options.h"
#include "outputs.h"
#include "tensor_file.h"
#include "tensor_types.h"

/* Longer inputs are not tried, nor such of more elements: a guess may not take minutes.  Where
 * it runs already and only numbers are missing, the search ends earlier. */
enum { LONGEST = 1024, LONGEST_FOR_NUMBERS = 256, MOST_ELEMENTS = 1 << 22 };

/* What is being made up. */
typedef struct making {
    session *s;
    const struct ingot_entry *e;
    int64_t *dims;
    bool *open;                     /* by symbol: nobody gave it */
    bool *mine;                     /* by input: it is made up */
    tensor_value *in;
    uint64_t seed;
    char first[TENSOR_ERROR_SIZE];  /* what is wrong at the least extents */
    bool numbers;                   /* the last run left some in each result that is of floats */
} making;

/* ---- values ----------------------------------------------------------------------- */

/* Its dims are all bound.  Seeds differ by input, so that two inputs are not the
 * same numbers. */
static bool make_input(making *k, int32_t i, char *error)
{
    const struct ingot_value_info *v = &k->e->inputs[i];
    int64_t extents[TENSOR_MAX_RANK];

    if (bind_kind(v) != TENSOR_PLAIN)
        return tensor_fail(error, "input '%s' is no tensor: --random-inputs cannot make it",
                           v->name);
    if (!bind_extents(k->e, i, k->dims, extents, error))
        return false;
    if (!tensor_init(&k->in[i].t, v->dtype, v->rank, extents))
        return tensor_init_failed(&k->in[i].t, "input", v->name, error);
    outputs_random(&k->in[i].t, k->seed + (uint64_t)i);
    return true;
}

static void drop_inputs(making *k)
{
    for (int32_t i = 0; i < k->e->input_count; i++)
        if (k->mine[i])
            tensor_value_free(&k->in[i]);
}

static bool make_inputs(making *k, char *error)
{
    for (int32_t i = 0; i < k->e->input_count; i++)
        if (k->mine[i] && !make_input(k, i, error))
            return false;
    return true;
}

/* Have the inputs, with the dims as they are, few enough elements for a try? */
static bool is_small(const making *k)
{
    char error[TENSOR_ERROR_SIZE];
    int64_t extents[TENSOR_MAX_RANK], sum = 0;

    for (int32_t i = 0; i < k->e->input_count; i++) {
        int64_t n = k->mine[i] && bind_extents(k->e, i, k->dims, extents, error);
        for (int32_t a = 0; n && a < k->e->inputs[i].rank; a++)
            if (__builtin_mul_overflow(n, extents[a], &n))
                return false;
        if (__builtin_add_overflow(sum, n, &sum))
            return false;
    }
    return sum <= MOST_ELEMENTS;
}

/* ---- extents ---------------------------------------------------------------------- */

/* Is the symbol the first axis of an input?  That is mostly the number of rows. */
static bool counts_rows(const struct ingot_entry *e, int32_t symbol)
{
    for (int32_t i = 0; i < e->input_count; i++)
        if (e->inputs[i].rank && e->inputs[i].dims[0] == -1 - (int64_t)symbol)
            return true;
    return false;
}

static void set_open(making *k, int64_t rows, int64_t rest)
{
    for (int32_t s = 0; s < k->e->dim_count; s++)
        if (k->open[s])
            k->dims[s] = counts_rows(k->e, s) ? rows : rest;
}

/* What a model shows on stderr in a try is of no run that anybody asked for.  What stderr
 * was; -1 if it stays. */
static int hush(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC), was;

    fflush(stderr);
    was = null < 0 ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (was >= 0)
        dup2(null, STDERR_FILENO);
    if (null >= 0)
        close(null);
    return was;
}

static void speak(int was)
{
    if (was < 0)
        return;
    fflush(stderr);
    dup2(was, STDERR_FILENO);
    close(was);
}

static bool is_all_nan(const tensor_value *v)
{
    const tensor *t = &v->t;
    bool nan = v->kind == TENSOR_PLAIN && t->data && t->count > 0 &&
               tensor_types[t->dtype].cls == 'f';

    for (int64_t i = 0; nan && i < t->count; i++)
        nan = isnan(tensor_element(t, i));
    return nan;
}

static bool has_numbers(const invoke *v)
{
    for (int32_t i = 0; i < v->entry->output_count; i++)
        if (is_all_nan(&v->held[i]))
            return false;
    return true;
}

/* Does the entry run on the inputs? */
static bool runs(making *k, char *error)
{
    int said = hush();
    void *states = NULL;
    invoke v = {0};
    bool ok = session_save(k->s, &states) || tensor_fail(error, "no memory for the states");

    ok = ok && invoke_prepare(&v, k->s, k->e, k->in, error) && invoke_run(&v, error);
    k->numbers = ok && has_numbers(&v);
    invoke_free(&v);
    session_restore(k->s, states);
    speak(said);
    return ok;
}

static bool runs_with(making *k, int64_t rows, int64_t rest, char *error)
{
    set_open(k, rows, rest);
    if ((rest == 1 || is_small(k)) && make_inputs(k, error) && runs(k, error))
        return true;
    drop_inputs(k);
    return false;
}

/* Does it run, and give numbers?  The first extents at which it runs are kept for a model that
 * never gives any. */
static bool suits(making *k, int64_t rows, int64_t rest, char *error, int64_t fallback[2])
{
    if (!runs_with(k, rows, rest, error))
        return false;
    if (!fallback[0])
        fallback[0] = rows, fallback[1] = rest;
    if (!k->numbers)
        drop_inputs(k);
    return k->numbers;
}

/* The least extents at which it runs; false with what is wrong at 1. */
static bool find_extents(making *k)
{
    char later[TENSOR_ERROR_SIZE];
    int64_t fallback[2] = {0};

    if (suits(k, 1, 1, k->first, fallback))
        return true;
    for (int64_t n = 2; n <= (fallback[0] ? LONGEST_FOR_NUMBERS : LONGEST); n *= 2)
        if (suits(k, 1, n, later, fallback) || suits(k, n, n, later, fallback))
            return true;
    return fallback[0] && runs_with(k, fallback[0], fallback[1], later);
}

static void say_extents(const making *k)
{
    for (int32_t s = 0; s < k->e->dim_count; s++)
        if (k->open[s])
            cli_wrong("dim '%s' is taken as %lld (--dim %s=N sets it)", k->e->dim_names[s],
                      (long long)k->dims[s], k->e->dim_names[s]);
}

/* ---- all of it -------------------------------------------------------------------- */

/* Finds what is to be made up.  Are extents to be found? */
static bool find_missing(making *k)
{
    bool any = false;

    for (int32_t i = 0; i < k->e->input_count; i++) {
        k->mine[i] = !k->in[i].t.data && k->in[i].kind == TENSOR_PLAIN && !k->e->inputs[i].optional;
        for (int32_t s; k->mine[i] && (s = bind_free_dim(k->e, i, k->dims)) >= 0; any = true) {
            k->open[s] = true;
            k->dims[s] = 1;
        }
    }
    return any;
}

/* The message at the least extents is the one that is told: those of larger ones
 * follow from it. */
static bool make(making *k, bool say)
{
    if (!find_missing(k))
        return make_inputs(k, k->first) || cli_wrong("%s", k->first);
    if (!find_extents(k)) {
        cli_wrong("%s", k->first);
        return cli_wrong("so it is with dims of 1, and no power of 2 up to %d suits the model: "
                         "--dim or --shape sets them", LONGEST);
    }
    if (say)
        say_extents(k);
    return true;
}

bool made_up_inputs(session *s, const struct ingot_entry *e, int64_t *dims, uint64_t seed,
                    bool say, tensor_value *in)
{
    making k = {.s = s, .e = e, .dims = dims, .seed = seed, .in = in,
                .open = calloc((size_t)e->dim_count + 1, sizeof *k.open),
                .mine = calloc((size_t)e->input_count + 1, sizeof *k.mine)};
    bool ok = (k.open && k.mine) ? make(&k, say) : cli_wrong("no memory");

    free(k.open);
    free(k.mine);
    return ok;
}
