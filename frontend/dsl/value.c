/* frontend/dsl/value.c - making and asking values.
 *
 * A value is never changed once it is made, so that any number of names share it.
 * It lives in the arena of the check.  Numbers that are known when compiling are
 * values of their own kind and become nodes only where an array needs them
 * (convert.c). */
#include "check.h"

/* One poison and one nothing for all: both are compared by address or kind, and
 * have no parts. */
const dsl_value dsl_poison = {.kind = DSL_POISON}, dsl_nothing = {.kind = DSL_NOTHING};

static dsl_value *new_value(dsl *cx, dsl_kind kind)
{
    dsl_value *v = arena_new(cx->mem, dsl_value);

    v->kind = kind;
    return v;
}

/* A whole number is kept as a dim: a constant, or a formula of symbols, with which
 * one computes just as well. */
const dsl_value *dsl_whole(dsl *cx, ir_dim d)
{
    dsl_value *v = new_value(cx, DSL_NUMBER);

    v->number.whole = true;
    v->number.dim = d;
    return v;
}

const dsl_value *dsl_run_number(dsl *cx, ir_dim d)
{
    dsl_value *v = arena_copy(cx->mem, dsl_whole(cx, d), sizeof *v);

    v->number.run = true;
    return v;
}

const dsl_value *dsl_int(dsl *cx, int64_t n)
{
    return dsl_whole(cx, dim_int(cx->dims, n));
}

const dsl_value *dsl_fraction(dsl *cx, double r)
{
    dsl_value *v = new_value(cx, DSL_NUMBER);

    v->number.real = r;
    return v;
}

const dsl_value *dsl_truth(dsl *cx, bool truth)
{
    dsl_value *v = new_value(cx, DSL_TRUTH);

    v->truth = truth;
    return v;
}

const dsl_value *dsl_text(dsl *cx, const char *s)
{
    dsl_value *v = new_value(cx, DSL_TEXT);

    v->text = s;
    return v;
}

const dsl_value *dsl_list(dsl *cx, dsl_kind kind, uint32_t n, const dsl_value **at,
                          const char **name)
{
    dsl_value *v = new_value(cx, kind);

    v->list.n = n;
    v->list.at = at;
    v->list.name = name;
    return v;
}

/* ---- arrays ----------------------------------------------------------------- */

/* elem is what the language calls it (an index, a real), the width is the node's.
 * `axis` lists which axes are carried, null for visible ones; a null list means
 * that all are visible. */
const dsl_value *dsl_array(dsl *cx, ir_ref x, dsl_elem elem, int rank, dsl_axis *const *axis)
{
    if (x == IR_NONE)
        return &dsl_poison;
    ICE_IF(ir_type_of(dsl_b(cx)->fn, x)->rank != rank, "an array of other rank than its axes");
    dsl_value *v = new_value(cx, DSL_TENSOR);
    v->tensor.ref = x;
    v->tensor.home = cx->region;
    v->tensor.elem = elem;
    v->tensor.rank = rank;
    for (int i = 0; i < rank; i++)
        v->tensor.axis[i] = axis ? axis[i] : NULL;
    return v;
}

/* The element and what is known of its bounds are those of `like`: for movement,
 * which changes places and no values. */
const dsl_value *dsl_array_like(dsl *cx, const dsl_value *like, ir_ref x, int rank,
                                dsl_axis *const *axis)
{
    const dsl_value *v = dsl_array(cx, x, like->tensor.elem, rank, axis);

    if (dsl_bad(v))
        return v;
    dsl_value *w = new_value(cx, DSL_TENSOR);
    w->tensor = v->tensor;
    w->tensor.number = like->tensor.number;
    w->tensor.bounded = like->tensor.bounded;
    w->tensor.lo = like->tensor.lo;
    w->tensor.hi = like->tensor.hi;
    return w;
}

/* The same node with what is now known of its integers: lo <= v <= hi. */
const dsl_value *dsl_bounded(dsl *cx, const dsl_value *v, ir_dim lo, ir_dim hi)
{
    if (!dsl_is_tensor(v))
        return v;
    dsl_value *w = new_value(cx, DSL_TENSOR);
    w->tensor = v->tensor;
    w->tensor.bounded = true;
    w->tensor.lo = lo;
    w->tensor.hi = hi;
    return w;
}

/* v, where it may turn out to be w as well (the sides of a select): with the wider
 * bounds, and none if w has none. */
const dsl_value *dsl_join_bounds(dsl *cx, const dsl_value *v, const dsl_value *w)
{
    if (!dsl_is_tensor(v) || !dsl_is_tensor(w) || !v->tensor.bounded)
        return v;
    if (w->tensor.bounded)
        return dsl_bounded(cx, v, dim_min(cx->dims, v->tensor.lo, w->tensor.lo),
                           dim_max(cx->dims, v->tensor.hi, w->tensor.hi));
    dsl_value *free = arena_copy(cx->mem, v, sizeof *v);
    free->tensor.bounded = false;
    return free;
}

/* The node in `region` of what was made in `home`, which is that or around it. */
static ir_ref ref_in(const dsl_region *region, const dsl_region *home, ir_ref x)
{
    if (region == home)
        return x;
    ICE_IF(!region->outer, "a value is read outside of the region that made it");
    ir_ref outer = ref_in(region->outer, home, x);
    return ir_capture(region->captured, region->side, "v", outer);
}

ir_ref dsl_ref(dsl *cx, const dsl_value *v)
{
    return ref_in(cx->region, v->tensor.home, v->tensor.ref);
}

const ir_type *dsl_type(const dsl_value *v)
{
    return ir_type_of(v->tensor.home->b->fn, v->tensor.ref);
}

ir_dtype dsl_dtype(const dsl_value *v)
{
    return dsl_type(v)->dtype;
}

ir_dtype dsl_elem_dtype(dsl *cx, dsl_elem e)
{
    return e == DSL_REAL ? cx->real : e == DSL_INT ? DT_I64 : DT_BOOL;
}

/* Positions in memory of the axes that a subscript would count. */
int dsl_visible(const dsl_value *v, int *out)
{
    int n = 0;

    for (int i = 0; dsl_is_tensor(v) && i < v->tensor.rank; i++)
        if (!v->tensor.axis[i])
            out[n++] = i;
    return n;
}

bool dsl_is_rows(const dsl_axis *a)
{
    return a && !strcmp(a->name, "..");
}

int dsl_find(const dsl_value *v, const dsl_axis *a)
{
    for (int i = 0; i < v->tensor.rank; i++)
        if (v->tensor.axis[i] == a)
            return i;
    return -1;
}

/* ---- axes ------------------------------------------------------------------- */

/* Axes are compared by address: two indices of one name are two axes. */
dsl_axis *dsl_axis_new(dsl *cx, const char *name, ir_dim extent)
{
    dsl_axis *a = arena_new(cx->mem, dsl_axis);

    a->name = name;
    a->extent = extent;
    a->known = true;
    return a;
}

bool dsl_has_axis(const dsl_axes *l, const dsl_axis *a)
{
    for (int i = 0; i < l->n; i++)
        if (l->at[i] == a)
            return true;
    return false;
}

/* A list of axes has each once, in the order in which they were met. */
void dsl_add_axis(dsl_axes *l, dsl_axis *a)
{
    if (a && !dsl_has_axis(l, a) && l->n < IR_MAX_RANK)
        l->at[l->n++] = a;
}

void dsl_add_carried(dsl_axes *l, const dsl_value *v)
{
    for (int i = 0; dsl_is_tensor(v) && i < v->tensor.rank; i++)
        dsl_add_axis(l, v->tensor.axis[i]);
}

/* d with x in the place of `atom`, which it has `coef` times. */
static ir_dim replaced(dim_table *t, ir_dim d, int64_t coef, ir_dim atom, ir_dim x)
{
    return dim_add(t, d, dim_mul(t, dim_int(t, coef), dim_sub(t, x, atom)));
}

static bool is_positive(dim_table *t, ir_dim d, int *tries);

/* Is d the greater of what it is with either operand of its minimum or maximum in its place?
 * So it is of -min and +max, and the lesser of both of +min and -max. */
static bool is_greater(const dim_table *t, ir_dim atom, int64_t coef)
{
    return (dim_get(t, atom)->op == DIM_MIN) == (coef < 0);
}

/* The lesser is positive if both are, the greater surely if one of them always is. */
static bool by_extreme(dim_table *t, ir_dim d, int64_t coef, ir_dim atom, int *tries)
{
    const dim_expr *e = dim_get(t, atom);
    bool greater = is_greater(t, atom, coef);
    ir_dim x = e->arg[0], y = e->arg[1];
    bool first = is_positive(t, replaced(t, d, coef, atom, x), tries);

    return first == greater ? first : is_positive(t, replaced(t, d, coef, atom, y), tries);
}

/* c * (x // (c * k)) is at most x // k. */
static bool by_quotient(dim_table *t, ir_dim d, int64_t coef, ir_dim atom, int *tries)
{
    const dim_expr *e = dim_get(t, atom);
    ir_dim x = e->arg[0];
    int64_t by;

    if (coef >= -1 || !dim_const(t, e->arg[1], &by) || by % -coef)
        return false;
    ir_dim finer = dim_div(t, x, dim_int(t, by / -coef));
    return is_positive(t, dim_sub(t, replaced(t, d, coef, atom, dim_int(t, 0)), finer), tries);
}

/* The first term with a minimum or maximum of which the sum is the lesser; null: none has. */
static const dim_term *lesser_in(dim_table *t, const dim_term *term, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const dim_expr *atom = term[i].n == 1 ? dim_get(t, term[i].atom[0]) : NULL;
        if (atom && (atom->op == DIM_MIN || atom->op == DIM_MAX) &&
            !is_greater(t, term[i].atom[0], term[i].coef))
            return &term[i];
    }
    return NULL;
}

/* Is d >= 0 for certain, if its minima, maxima and quotients are looked into?  Those of which d
 * is the lesser come first, as nothing is lost by them.  One question has so many tries in all:
 * each of the others may be replaced or not, and with thirty of them the ways are too many to
 * go through. */
static bool is_positive(dim_table *t, ir_dim d, int *tries)
{
    const dim_expr *e = dim_get(t, d);

    if (dim_lo(t, d) >= 0)
        return true;
    if (!e || e->op == DIM_CONST || !*tries)
        return false;
    --*tries;
    dim_term one = {1, 1, &d};
    const dim_term *term = e->op == DIM_POLY ? e->term : &one;
    uint32_t terms = e->op == DIM_POLY ? e->n : 1;
    const dim_term *both = lesser_in(t, term, terms);
    if (both)
        return by_extreme(t, d, both->coef, both->atom[0], tries);
    for (uint32_t i = 0; i < terms; i++) {
        const dim_expr *atom = term[i].n == 1 ? dim_get(t, term[i].atom[0]) : NULL;
        bool quotient = atom && atom->op == DIM_DIV;
        bool extreme = atom && (atom->op == DIM_MIN || atom->op == DIM_MAX);
        if ((quotient && by_quotient(t, d, term[i].coef, term[i].atom[0], tries)) ||
            (extreme && by_extreme(t, d, term[i].coef, term[i].atom[0], tries)))
            return true;
    }
    return false;
}

/* Is a <= b for all sizes?  False means: not certain. */
bool dsl_at_most(dsl *cx, ir_dim a, ir_dim b)
{
    int tries = 64;

    return dim_is(cx->dims, dim_le(cx->dims, a, b), 1) ||
           is_positive(cx->dims, dim_sub(cx->dims, b, a), &tries);
}
