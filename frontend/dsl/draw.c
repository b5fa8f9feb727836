/* frontend/dsl/draw.c - chance.
 *
 * A draw's bits are Philox blocks: the key is the entry's seed with the hash of the place -
 * the chain of instances and calls, and where in its body the draw stands - and the counter
 * holds the element, the rounds of the loops around it, the step and the piece of its rows.
 * So bits do not depend on threads, tiles, the order of evaluation or on other draws. */
#include "train.h"

/* ---- bits ------------------------------------------------------------------- */

static dsl_region *outermost(dsl *cx)
{
    dsl_region *r = cx->region;

    while (r->outer)
        r = r->outer;
    return r;
}

/* The entry's seed, an input that it gets with its first draw; 0 where none is given. */
static ir_ref seed(dsl *cx)
{
    dsl_region *r = outermost(cx);
    dsl_value v = {.kind = DSL_TENSOR};
    const ir_type *t = type_scalar(&cx->m->types, DT_I64);

    if (cx->seed == IR_NONE)
        cx->seed = cx->train ? ir_input(r->b, "seed", t)
                             : ir_optional_input(r->b, "seed", const_int(cx->m, t, 0));
    v.tensor.ref = cx->seed;
    v.tensor.home = r;
    return dsl_ref(cx, &v);
}

static ir_ref key_word(dsl *cx, ir_ref s, uint32_t hash)
{
    ir_build *b = dsl_b(cx);
    ir_dim one = {1};
    ir_ref of_place = ir_int(b, DT_U32, hash);
    ir_ref word = ir_2(b, OP_XOR, ir_cast(b, s, DT_U32), of_place);

    return ir_reshape(b, word, &one, 1);
}

/* Two words of 32 bits, of the run's seed and of the place in the program, so that
 * each `~` draws numbers of its own and a program draws the same ones again. */
static ir_ref key(dsl *cx, uint64_t place)
{
    ir_build *b = dsl_b(cx);
    ir_ref s = seed(cx), high = ir_2(b, OP_SHR, s, ir_int(b, DT_I64, 32));
    ir_ref word[2] = {key_word(cx, s, (uint32_t)place),
                      key_word(cx, high, (uint32_t)(place >> 32))};

    return ir_concat(b, word, 2, 0);
}

/* Spreads small numbers over all 64 bits, as any odd number with mixed bits does: the factor of
 * xorshift64* (Vigna 2016, "An experimental exploration of Marsaglia's xorshift generators,
 * scrambled"). */
static const int64_t spread = 0x2545F4914F6CDD1D;

/* Another number for each pair; a null, which is none, leaves n as it is. */
static ir_ref stirred(dsl *cx, ir_ref n, const dsl_value *round)
{
    ir_build *b = dsl_b(cx);
    ir_ref by = ir_int(b, DT_I64, spread);

    return !round ? n : ir_2(b, OP_ADD, ir_2(b, OP_MUL, n, by),
                             ir_2(b, OP_ADD, dsl_ref(cx, round), ir_int(b, DT_I64, 1)));
}

/* The rounds of the loops around, the step and its piece, as one number. */
static ir_ref rounds(dsl *cx)
{
    const dsl_value *step = train_counter(cx, "step");
    ir_ref n = step ? dsl_ref(cx, step) : ir_int(dsl_b(cx), DT_I64, 0);

    n = stirred(cx, n, train_piece(cx));
    for (dsl_region *r = cx->region; r; r = r->outer)
        n = stirred(cx, n, r->round);
    return n;
}

/* RNG counts through `shape` from a counter whose second word is the number of the
 * round: draws in a loop differ from round to round. */
static ir_ref words(dsl *cx, uint64_t place, const ir_dim *shape, int rank)
{
    ir_build *b = dsl_b(cx);
    ir_dim one = {1};
    ir_ref counter[2] = {ir_int(b, DT_U64, 0), ir_cast(b, rounds(cx), DT_U64)};

    for (int i = 0; i < 2; i++)
        counter[i] = ir_reshape(b, counter[i], &one, 1);
    ir_ref in[2] = {key(cx, place), ir_concat(b, counter, 2, 0)};
    ir_attr a = {.RNG = {.shape = {rank, shape}}};
    return ir_make(b, OP_RNG, in, 2, &a);
}

/* ---- shapes ----------------------------------------------------------------- */

/* The axes of a draw: carried ones, then visible ones; each carried one once. */
static bool add_axis(dsl *cx, dsl_shape *s, dsl_axis *a, ir_dim extent)
{
    for (int i = 0; a && i < s->rank; i++)
        if (s->axis[i] == a)
            return true;
    return dsl_add_to_shape(cx, s, a, extent);
}

/* x: [.., 3] ~ d has carried rows, then the extents of the type. */
static bool add_typed(dsl *cx, dsl_shape *s, const ast_type *t)
{
    ir_dim extent[IR_MAX_RANK];
    bool rest = t->extents.len && t->extents.at[0]->kind == AST_REST;

    for (int i = 0; rest && i < cx->frame->carried.n; i++) {
        dsl_axis *a = cx->frame->carried.at[i];
        if (!add_axis(cx, s, a, a->extent))
            return false;
    }
    int n = dsl_type_extents(cx, t, extent);
    for (int i = 0; i < n; i++)
        if (!add_axis(cx, s, NULL, extent[i]))
            return false;
    return n >= 0;
}

/* The visible axes of the arguments, but for the last `without`. */
static bool add_visible(dsl *cx, dsl_shape *s, const dsl_value *v, int without)
{
    int visible[IR_MAX_RANK], n = v ? dsl_visible(v, visible) - without : 0;

    for (int i = 0; i < n; i++)
        if (!add_axis(cx, s, NULL, dsl_extent(v, visible[i])))
            return false;
    return true;
}

/* Carried axes of the arguments and indices of the places, then the type's axes, or
 * else the visible ones of the arguments. */
static bool shape_of(dsl *cx, const ast_type *t, const dsl_value *how, dsl_shape *s)
{
    bool categorical = how->draw.how == DSL_CATEGORICAL;
    int skip[IR_MAX_RANK];

    *s = (dsl_shape){0};
    for (int i = 0; i < cx->draw_along.n; i++)
        if (!add_axis(cx, s, cx->draw_along.at[i], cx->draw_along.at[i]->extent))
            return false;
    for (int i = 0; i < 2; i++) {
        const dsl_value *v = i ? how->draw.b : how->draw.a;
        if (v && dsl_is_tensor(v) && !dsl_add_missing(cx, s, v))
            return false;
    }
    if (t)
        return add_typed(cx, s, t);
    const dsl_value *wide = dsl_visible(how->draw.a, skip) || !how->draw.b ? how->draw.a
                                                                           : how->draw.b;
    return add_visible(cx, s, wide, categorical);
}

/* ---- distributions ---------------------------------------------------------- */

static const dsl_value *as_drawn(dsl *cx, const dsl_shape *s, ir_ref x, dsl_elem elem)
{
    return dsl_array(cx, x, elem, s->rank, s->axis);
}

/* A real in (0, 1), from the upper bits of a word. */
static ir_ref unit(dsl *cx, ir_ref word)
{
    ir_build *b = dsl_b(cx);
    int drop = cx->real == DT_F64 ? 0 : 9;
    double scale = 1.0 / (double)((uint64_t)1 << (32 - drop));
    const ir_type *t = word == IR_NONE ? NULL : ir_type_of(b->fn, word);

    if (!t)
        return IR_NONE;
    if (drop)
        word = ir_2(b, OP_SHR, word, ir_splat(b, t, drop));
    ir_ref x = ir_cast(b, word, cx->real);
    const ir_type *r = ir_type_of(b->fn, x);
    x = ir_2(b, OP_ADD, x, ir_splat(b, r, 0.5));
    return ir_2(b, OP_MUL, x, ir_splat(b, r, scale));
}

static const dsl_value *uniform01(dsl *cx, uint64_t place, const dsl_shape *s)
{
    return as_drawn(cx, s, unit(cx, words(cx, place, s->extent, s->rank)), DSL_REAL);
}

/* Box and Muller: sqrt(-2 log u) cos(2 pi v). */
static const dsl_value *normal01(dsl *cx, uint64_t place, const dsl_shape *s)
{
    ir_loc at = cx->at;
    const dsl_value *u = uniform01(cx, place, s), *v = uniform01(cx, hash_mix(place, 1), s);
    const dsl_value *r = dsl_unary(cx, OP_LOG, u, at);

    r = dsl_unary(cx, OP_SQRT, dsl_binary(cx, AST_MUL, r, dsl_int(cx, -2), at), at);
    v = dsl_binary(cx, AST_MUL, v, dsl_fraction(cx, 6.283185307179586), at);
    return dsl_binary(cx, AST_MUL, r, dsl_unary(cx, OP_COS, v, at), at);
}

/* Gumbel: the argmax of logits - log(-log(u)). */
static const dsl_value *categorical(dsl *cx, uint64_t place, const dsl_shape *s,
                                    const dsl_value *logits)
{
    int visible[IR_MAX_RANK], n = dsl_visible(logits, visible);
    dsl_shape wide = *s;
    ir_loc at = cx->at;

    if (!n || !add_axis(cx, &wide, NULL, dsl_extent(logits, visible[n - 1])))
        return dsl_wrong(cx, at, "categorical takes logits along the last axis");
    const dsl_value *u = uniform01(cx, place, &wide);
    for (int i = 0; i < 2; i++)
        u = dsl_unary(cx, OP_NEG, dsl_unary(cx, OP_LOG, u, at), at);
    const dsl_value *f = dsl_lookup(cx, ast_name(&cx->pool, "argmax", 6), at);
    const dsl_value *x = dsl_binary(cx, AST_ADD, logits, u, at);
    return dsl_apply(cx, f, &x, 1, at);
}

/* (word * n) >> 32, below n. */
static const dsl_value *below(dsl *cx, uint64_t place, const dsl_shape *s, const dsl_value *n)
{
    ir_build *b = dsl_b(cx);
    ir_loc at = cx->at;
    const dsl_value *most = dsl_as(cx, n, DSL_INT, at, "index");
    ir_ref w = ir_cast(b, words(cx, place, s->extent, s->rank), DT_I64);
    const dsl_value *x = as_drawn(cx, s, w, DSL_INT);

    if (dsl_bad(most) || dsl_bad(x))
        return &dsl_poison;
    x = dsl_binary(cx, AST_MUL, x, most, at);
    if (dsl_bad(x))
        return x;
    ir_ref r = ir_2(b, OP_SHR, dsl_ref(cx, x), ir_splat(b, dsl_type(x), 32));
    x = dsl_array(cx, r, DSL_INT, x->tensor.rank, x->tensor.axis);
    if (!most->tensor.bounded)
        return x;
    return dsl_bounded(cx, x, dim_int(cx->dims, 0),
                       dim_sub(cx->dims, most->tensor.hi, dim_int(cx->dims, 1)));
}

/* Each distribution from uniform or normal numbers, in the order of
 * docs/language.md. */
static const dsl_value *sample(dsl *cx, uint64_t place, const dsl_shape *s, const dsl_value *how)
{
    const dsl_value *a = how->draw.a, *b = how->draw.b, *x;
    ir_loc at = cx->at;

    switch (how->draw.how) {
    case DSL_NORMAL:
        x = dsl_binary(cx, AST_MUL, normal01(cx, place, s), b, at);
        return dsl_binary(cx, AST_ADD, x, a, at);
    case DSL_UNIFORM:
        x = dsl_binary(cx, AST_MUL, uniform01(cx, place, s), dsl_binary(cx, AST_SUB, b, a, at), at);
        return dsl_binary(cx, AST_ADD, x, a, at);
    case DSL_BERNOULLI: return dsl_binary(cx, AST_LT, uniform01(cx, place, s), a, at);
    case DSL_CATEGORICAL: return categorical(cx, place, s, a);
    default: return below(cx, place, s, a);
    }
}

uint64_t dsl_round_place(const dsl *cx, uint64_t place)
{
    for (const dsl_rounds *r = cx->rounds; r; r = r->outer)
        place = hash_mix(place, r->round);
    return place;
}

/* Where the draw stands. */
static uint64_t place_of(dsl *cx, ir_loc at)
{
    uint64_t h = hash_mix(cx->frame->place, dsl_draw_number(cx, at));
    const char *path = cx->frame->block ? cx->frame->block->path : NULL;

    h = dsl_round_place(cx, h);
    return path ? hash_text(path, h) : h;
}

ir_ref dsl_draw_counter(dsl *cx, ir_loc at)
{
    ir_build *b = dsl_b(cx);
    ir_ref word[2] = {ir_int(b, DT_U64, 0), rounds(cx)};
    ir_ref by = ir_int(b, DT_I64, spread);
    uint64_t call = hash_mix(place_of(cx, at), dsl_call_number(cx, at));
    ir_ref place = ir_int(b, DT_U64, (int64_t)call);
    ir_dim one = {1};

    word[1] = ir_2(b, OP_ADD, ir_2(b, OP_MUL, word[1], by), seed(cx));
    word[1] = ir_2(b, OP_XOR, ir_cast(b, word[1], DT_U64), place);
    for (int i = 0; i < 2; i++)
        word[i] = ir_reshape(b, word[i], &one, 1);
    return ir_concat(b, word, 2, 0);
}

/* A function that is not applied: its value at standard normal noise. */
static const dsl_value *of_noise(dsl *cx, const ast_type *t, const dsl_value *f, ir_loc at)
{
    const dsl_value zero = {.kind = DSL_NUMBER, .number = {.whole = true}};
    const dsl_value noise = {.kind = DSL_DRAW,
                             .draw = {.how = DSL_NORMAL, .a = &zero, .b = dsl_int(cx, 1)}};
    const dsl_value *z = dsl_draw(cx, t, &noise, at);

    return dsl_bad(z) ? z : dsl_apply(cx, f, &z, 1, at);
}

/* ---- draws that lack the rows ------------------------------------------------- */

static bool has_rows(const dsl_value *v)
{
    for (int i = 0; i < v->tensor.rank; i++)
        if (dsl_is_rows(v->tensor.axis[i]))
            return true;
    return false;
}

static const dsl_rowless *find_rowless(const dsl *cx, const dsl_value *v)
{
    for (uint32_t i = 0; dsl_is_tensor(v) && i < cx->rowless.len; i++)
        if (cx->rowless.at[i].ref == v->tensor.ref && cx->rowless.at[i].home == v->tensor.home)
            return &cx->rowless.at[i];
    return NULL;
}

/* Are there rows that the draw could have had? */
static void note_rowless(dsl *cx, const dsl_value *v, ir_loc at)
{
    bool rows = false;

    for (int i = 0; i < cx->frame->carried.n; i++)
        rows |= dsl_is_rows(cx->frame->carried.at[i]);
    if (rows && dsl_is_tensor(v) && !has_rows(v))
        vec_push(&cx->rowless, (dsl_rowless){v->tensor.ref, v->tensor.home, at});
}

void dsl_still_rowless(dsl *cx, const dsl_value *v, const dsl_value *y)
{
    const dsl_rowless *r = find_rowless(cx, v);

    if (r && dsl_is_tensor(y))
        vec_push(&cx->rowless, (dsl_rowless){y->tensor.ref, y->tensor.home, r->at});
}

/* Has v as many axes as w, apart from rows?  Noise on weights, which has more of them than
 * the rows that they are applied to, is one for all. */
static bool as_wide(const dsl_value *v, const dsl_value *w)
{
    int n = v->tensor.rank;

    for (int i = 0; i < v->tensor.rank; i++)
        n -= dsl_is_rows(v->tensor.axis[i]);
    return n >= w->tensor.rank;
}

/* "[.., 8]" of a draw [8]. */
static const char *with_rows(dsl *cx, const dsl_value *v)
{
    const char *s = dsl_describe(cx, v), *bracket = strchr(s, '[');

    if (!bracket)
        return arena_printf(cx->mem, "%s[..]", v->tensor.elem == DSL_REAL ? "" : s);
    return arena_printf(cx->mem, "%.*s[.., %s", (int)(bracket - s), s, bracket + 1);
}

void dsl_meet_rows(dsl *cx, const dsl_value *a, const dsl_value *b, ir_loc at)
{
    const dsl_rowless *r = find_rowless(cx, a);

    if (!r) {
        const dsl_value *swap = a;
        a = b, b = swap;
        r = find_rowless(cx, a);
    }
    if (!r || !has_rows(b) || !as_wide(b, a))
        return;
    if (dsl_warn(cx, r->at, "all rows get the same numbers, as this draw has no ..: draw %s, or "
                 "let the arguments have the rows: z[k] ~ normal(mu[k], 1)", with_rows(cx, a)) &&
        at.line != r->at.line)
        diag_note(cx->d, at, "the rows that it meets");
}

/* t: the type that the statement gives, or null. */
const dsl_value *dsl_draw(dsl *cx, const ast_type *t, const dsl_value *how, ir_loc at)
{
    dsl_shape s;

    if (dsl_bad(how))
        return how;
    if (dsl_is_function(how))
        return of_noise(cx, t, how, at);
    if (how->kind != DSL_DRAW)
        return dsl_wrong(cx, at, "right of ~ stands a distribution, this is %s",
                         dsl_describe(cx, how));
    if (!shape_of(cx, t, how, &s))
        return &dsl_poison;
    const dsl_value *x = sample(cx, place_of(cx, at), &s, how);
    if (t && !dsl_bad(x))
        x = dsl_fill_type(cx, t, x, "the draw", at);
    note_rowless(cx, x, at);
    return x;
}
