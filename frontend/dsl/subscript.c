/* frontend/dsl/subscript.c - x[i, 2 * p + k, a:b, j]: reading an array at positions.
 *
 * An index carries its axis.  Numbers, slices and positions with one index become one
 * slice of the IR; a position with several indices stays a window until it is known who
 * reads it (window.c); an integer value gathers. */
#include "check.h"

typedef enum how { WHOLE, NUMBER, SLICE, INDEX, WINDOW, DATA } how;

/* What stands on one axis of the base.  Of x[3, 1:n:2, i, 2 * p + k, ids[j]]:
 *
 *    3        NUMBER  start 3, extent 1, and the axis goes away
 *    1:n      SLICE   start 1, step 1, extent n - 1, and the axis stays visible
 *    i        INDEX   form 1 * i + 0: a slice whose axis is carried as i
 *    2*p + k  WINDOW  form 2 * p + 1 * k: stays open until a reader takes it
 *    ids[j]   DATA    value: an integer of each j, gathered by */
typedef struct place {
    how how;
    ir_dim start, step, extent; /* NUMBER, SLICE, INDEX */
    dsl_affine form;            /* INDEX, WINDOW */
    const dsl_value *value;     /* DATA */
    ir_loc at;
} place;

/* The position on each of n axes; null: all of it.  False if there are too many. */
bool dsl_positions(const ast_exprs *p, int n, const ast_expr **out)
{
    int given = (int)p->len, rest = -1;

    for (int i = 0; i < given; i++)
        if (p->at[i]->kind == AST_REST)
            rest = i;
    if (given - (rest >= 0) > n)
        return false;
    for (int i = 0; i < n; i++)
        out[i] = NULL;
    for (int i = 0; i < given; i++)
        if (i != rest)
            out[rest >= 0 && i > rest ? n - given + i : i] = p->at[i];
    for (int i = 0; i < n; i++)
        if (out[i] && out[i]->kind == AST_SLICE && !out[i]->slice.low && !out[i]->slice.high)
            out[i] = NULL;
    return true;
}

/* ---- is it inside? ---------------------------------------------------------- */

/* A position of an index must be inside for all sizes; the message shows the range. */
static bool outside(dsl *cx, ir_dim lo, ir_dim hi, ir_dim extent, ir_loc at)
{
    dim_table *t = cx->dims;
    ir_dim last = dim_sub(t, extent, dim_int(t, 1));

    if (dsl_at_most(cx, dim_int(t, 0), lo) && dsl_at_most(cx, hi, last))
        return false;
    dsl_wrong(cx, at, "the position runs from %s to %s, the axis has %s elements (0 to %s)",
              dsl_dim_text(cx, lo), dsl_dim_text(cx, hi), dsl_dim_text(cx, extent),
              dsl_dim_text(cx, last));
    return true;
}

/* A number as position: outside when compiling, or checked by the run where that decides. */
static bool number_outside(dsl *cx, ir_dim at, ir_dim extent, ir_loc loc)
{
    dim_table *t = cx->dims;

    if (dim_hi(t, at) < 0 || dim_lo(t, dim_sub(t, at, extent)) >= 0)
        return outside(cx, at, at, extent, loc);
    const char *message = arena_printf(cx->mem, "the position %s is not in 0:%s",
                                       dsl_dim_text(cx, at), dsl_dim_text(cx, extent));
    message = dsl_of_line(cx, loc, message);
    ir_check_dims(dsl_b(cx), dim_le(t, dim_int(t, 0), at), message);
    ir_check_dims(dsl_b(cx), dim_lt(t, at, extent), message);
    return false;
}

/* Has an index of this form been found from it? */
static bool found_here(dsl *cx, const dsl_affine *f, ir_dim extent)
{
    for (int i = 0; i < f->n; i++) {
        const dsl_axis *a = f->term[i].axis;
        dsl_affine rest = *f;
        ir_dim lo, hi;
        rest.term[i] = rest.term[--rest.n];
        dsl_affine_range(cx, &rest, &lo, &hi);
        if (a->window && dsl_same(a->within, extent) && dsl_same(a->coef, f->term[i].coef) &&
            dsl_same(a->rest, hi) && dim_lo(cx->dims, lo) >= 0)
            return true;
    }
    return false;
}

/* The least and greatest of an affine form are at ends of its indices: constant +
 * sum of coef * (extent - 1), of the positive coefficients for the greatest, of the
 * negative ones for the least. */
static bool form_outside(dsl *cx, const place *p, ir_dim extent)
{
    ir_dim lo, hi;

    if (found_here(cx, &p->form, extent))
        return false;
    dsl_affine_range(cx, &p->form, &lo, &hi);
    return outside(cx, lo, hi, extent, p->at);
}

/* ---- what stands on an axis ------------------------------------------------- */

static bool slice_place(dsl *cx, const ast_expr *e, ir_dim extent, place *p)
{
    p->how = SLICE;
    p->step = dim_int(cx->dims, 1);
    return dsl_slice_ends(cx, e, extent, &p->start, &p->extent);
}

/* The first bare use of an index tells its extent: in sum[i] a[i] * b[i + 1] a has
 * it.  2 * i + 1 would not: many extents fit. */
static bool index_known(dsl *cx, const dsl_affine *f, ir_dim extent, ir_loc at)
{
    for (int i = 0; i < f->n; i++) {
        dsl_axis *a = f->term[i].axis;
        if (a->known)
            continue;
        if (f->n > 1 || !dim_is(cx->dims, f->constant, 0) ||
            !dim_is(cx->dims, f->term[i].coef, 1)) {
            dsl_wrong(cx, at, "%s has no extent, it never stands alone in a subscript; "
                      "write %s in N with its extent", a->name, a->name);
            return false;
        }
        a->extent = extent;
        a->known = true;
    }
    return true;
}

/* No index: a number, from the end if negative.  One: a slice with the coefficient
 * as its step.  More: a window. */
static bool affine_place(dsl *cx, place *p, ir_dim extent)
{
    dim_table *t = cx->dims;

    p->start = p->form.constant;
    p->step = dim_int(t, 1);
    if (!p->form.n) {
        if (dim_hi(t, p->start) < 0)
            p->form.constant = p->start = dim_add(t, extent, p->start);
        p->how = NUMBER;
        p->extent = dim_int(t, 1);
        return !number_outside(cx, p->start, extent, p->at);
    }
    if (!index_known(cx, &p->form, extent, p->at) || form_outside(cx, p, extent))
        return false;
    p->how = p->form.n == 1 ? INDEX : WINDOW;
    p->step = p->form.term[0].coef;
    p->extent = p->form.term[0].axis->extent;
    return true;
}

/* 1 where v has no elements. */
static ir_dim has_none(dsl *cx, const dsl_value *v)
{
    dim_table *t = cx->dims;
    ir_dim none = dim_int(t, 0);

    for (int i = 0; i < v->tensor.rank; i++)
        none = dim_max(t, none, dim_eq(t, dsl_extent(v, i), dim_int(t, 0)));
    return none;
}

/* Is every element of v a position of an axis that is not empty?  Whether it is empty the run
 * checks where that is not known: clamp(i, 0, D - 1) is -1 or 0 of an empty one, of which no
 * positions at all may be read. */
static bool is_inside(dsl *cx, const dsl_value *v, ir_dim extent)
{
    dim_table *t = cx->dims;
    ir_dim none = dim_int(t, 0), last = dim_sub(t, extent, dim_int(t, 1));

    if (!v->tensor.bounded || !dsl_at_most(cx, v->tensor.hi, dim_max(t, none, last)) ||
        !dsl_at_most(cx, dim_min(t, none, last), v->tensor.lo))
        return false;
    if (!dsl_at_most(cx, none, v->tensor.lo) || !dsl_at_most(cx, v->tensor.hi, last))
        ir_check_dims(dsl_b(cx), dim_max(t, dim_le(t, none, last), has_none(cx, v)),
                      "a position in an empty array");
    return true;
}

/* An array of integers as a position.  Its bound must show that it is inside, since
 * a run that reads beyond memory is not to be; the message says by which means a
 * program gets such a bound. */
static bool data_place(dsl *cx, const ast_expr *e, ir_dim extent, place *p)
{
    uint32_t errors = cx->d->errors;
    const dsl_value *v = dsl_as(cx, dsl_eval(cx, e), DSL_INT, e->at, "a position");
    const char *last = dsl_dim_text(cx, dim_sub(cx->dims, extent, dim_int(cx->dims, 1)));

    if (cx->d->errors > errors && e->kind == AST_NAME)      /* it was meant as an index */
        diag_note(cx->d, (ir_loc){0}, "an index is introduced on the left, by sum[..] or for");
    if (dsl_bad(v))
        return false;
    p->how = DATA;
    p->value = v;
    if (is_inside(cx, v, extent))
        return true;
    dsl_wrong(cx, e->at, "the position may be outside of 0 to %s; clamp(.., 0, %s), .. %% %s, or "
              "declare int<%s>", last, last, dsl_dim_text(cx, extent), dsl_dim_text(cx, extent));
    return false;
}

/* Indices of extent 1 stand for 0. */
static void drop_ones(dsl *cx, dsl_affine *f)
{
    for (int i = 0; i < f->n && f->n > 1;)
        if (f->term[i].axis->known && dim_is(cx->dims, f->term[i].axis->extent, 1))
            f->term[i] = f->term[--f->n];
        else
            i++;
}

/* An expression that is affine in indices and dims is a position of one kind; any
 * other integer is DATA. */
static bool read_place(dsl *cx, const ast_expr *e, ir_dim extent, place *p)
{
    *p = (place){.how = WHOLE, .at = e ? e->at : cx->at};
    p->start = dim_int(cx->dims, 0), p->step = dim_int(cx->dims, 1), p->extent = extent;
    if (!e)
        return true;
    if (e->kind == AST_SLICE)
        return slice_place(cx, e, extent, p);
    if (!dsl_affine_of(cx, e, &p->form))
        return data_place(cx, e, extent, p);
    drop_ones(cx, &p->form);
    return affine_place(cx, p, extent);
}

/* ---- reading ---------------------------------------------------------------- */

/* The part of x that this iteration of the loop reads anyway; null: there is none. */
static const dsl_value *loop_slice(dsl *cx, const dsl_value *x, int axis, const dsl_value *index)
{
    for (const dsl_region *r = cx->region; r; r = r->outer) {
        if (!r->scan || r->scan->index != index)
            continue;
        for (uint32_t i = 0; i < r->scan->slices.len; i++) {
            const dsl_slice *s = &r->scan->slices.at[i];
            if (s->base == x && s->axis == axis)
                return s->part;
        }
    }
    return NULL;
}

static void remove_place(place *p, int *n, int at)
{
    for (--*n; at < *n; at++)
        p[at] = p[at + 1];
}

/* x[t] of a loop's index: the loop hands it in. */
static const dsl_value *take_slice(dsl *cx, const dsl_value *x, place *p, int *n)
{
    for (int i = 0; i < *n; i++) {
        const dsl_value *part =
            p[i].how == DATA ? loop_slice(cx, x, i, p[i].value) : NULL;
        if (part) {
            remove_place(p, n, i);
            return part;
        }
    }
    return x;
}

/* Numbers, slices and single indices: one slice, and the axes of numbers are gone. */
static const dsl_value *slice_places(dsl *cx, const dsl_value *x, place *p, int *n)
{
    ir_dim start[IR_MAX_RANK], step[IR_MAX_RANK], extent[IR_MAX_RANK], shape[IR_MAX_RANK];
    dsl_axis *axis[IR_MAX_RANK];
    int rank = 0;
    ir_ref y = dsl_ref(cx, x);

    for (int i = 0; i < *n; i++) {
        bool own = p[i].how == WINDOW || p[i].how == DATA;
        start[i] = own ? dim_int(cx->dims, 0) : p[i].start;
        step[i] = own ? dim_int(cx->dims, 1) : p[i].step;
        extent[i] = own ? dsl_extent(x, i) : p[i].extent;
    }
    y = ir_slice(dsl_b(cx), y, start, step, extent);
    for (int i = 0, m = *n; i < m; i++) {
        if (p[rank].how == NUMBER) {
            remove_place(p, n, rank);
            continue;
        }
        shape[rank] = extent[i];
        axis[rank++] = x->tensor.axis[i];
    }
    if (rank < x->tensor.rank)
        y = ir_reshape(dsl_b(cx), y, shape, rank);
    return dsl_array_like(cx, x, y, rank, axis);
}

/* Carries the axes of single indices.  One that is carried already - x[i, i] - is read by
 * its positions. */
static const dsl_value *label_places(dsl *cx, const dsl_value *x, place *p)
{
    dsl_axis *axis[IR_MAX_RANK];

    for (int i = 0; i < x->tensor.rank; i++)
        axis[i] = x->tensor.axis[i];
    for (int i = 0; i < x->tensor.rank; i++) {
        if (p[i].how != INDEX)
            continue;
        bool twice = false;
        for (int j = 0; j < x->tensor.rank; j++)
            twice |= axis[j] == p[i].form.term[0].axis;
        if (twice) {
            p[i].how = DATA;
            p[i].value = dsl_index_value(cx, p[i].form.term[0].axis);
        } else
            axis[i] = p[i].form.term[0].axis;
    }
    return dsl_array_like(cx, x, dsl_ref(cx, x), x->tensor.rank, axis);
}

/* All DATA places at once: x[i, ids[j], ids2[j]] is one gather with two index
 * operands. */
static const dsl_value *gather_places(dsl *cx, const dsl_value *x, place *p, ir_loc at)
{
    const dsl_value *index[IR_MAX_RANK];
    int axis[IR_MAX_RANK], n = 0;

    for (int i = 0; i < x->tensor.rank; i++)
        if (p[i].how == DATA) {
            axis[n] = i;
            index[n++] = p[i].value;
        }
    return n ? dsl_gather(cx, x, axis, index, n, at) : x;
}

static const dsl_value *window_value(dsl *cx, const dsl_affine *f, ir_loc at);

/* The view of x at the places, one for each axis in memory. */
static bool view_places(dsl *cx, const dsl_value *x, place *p, ir_loc at, dsl_view *out)
{
    int n = x->tensor.rank;
    bool data = false;

    x = take_slice(cx, x, p, &n);
    x = slice_places(cx, x, p, &n);
    if (!dsl_bad(x))
        x = label_places(cx, x, p);
    if (dsl_bad(x))
        return false;
    for (int i = 0; i < n; i++)
        data |= p[i].how == DATA;
    for (int i = 0; i < n; i++)
        if (p[i].how == WINDOW && data) {       /* all axes at once */
            p[i].how = DATA;
            p[i].value = window_value(cx, &p[i].form, at);
        } else if (p[i].how == WINDOW)
            out->form[i] = p[i].form;
    out->v = gather_places(cx, x, p, at);
    return !dsl_bad(out->v);
}

static bool too_many(dsl *cx, const ast_expr *e, const dsl_value *x, int n)
{
    dsl_wrong(cx, e->at, "%s has %d axes, %u subscripts stand here", dsl_describe(cx, x), n,
              e->subscript.positions.len);
    return false;
}

/* softmax[j](s[i, j]), with an index of the axis. */
static bool is_indexed(dsl *cx, const ast_expr *e)
{
    const ast_expr *p = e->subscript.positions.len ? e->subscript.positions.at[0] : NULL;
    const dsl_var *v = p && p->kind == AST_NAME ? dsl_find_var(cx->scope, p->name) : NULL;

    return e->subscript.base->kind == AST_NAME && p && p->kind == AST_NAME && (!v || v->index);
}

/* What is subscripted.  x |> lstm(16)[-1] would read an element of the layer. */
static const dsl_value *base_of(dsl *cx, const ast_expr *e)
{
    const dsl_value *x = dsl_eval(cx, e->subscript.base);

    if (dsl_is_function(x) && is_indexed(cx, e))
        return dsl_wrong(cx, e->at, "%s is a function, and has no indices; its argument has: "
                         "y[n, :] = %s(x[n])", dsl_describe(cx, x), dsl_describe(cx, x));
    if (dsl_is_function(x))
        return dsl_wrong(cx, e->at, "%s is a function, and has no elements; name what it gives: "
                         "h = x |> %s, then h[-1]", dsl_describe(cx, x), dsl_describe(cx, x));
    return dsl_as_array(cx, x, e->at);
}

/* Reads the places of the visible axes; carried ones stay whole. */
static bool view_subscript(dsl *cx, const ast_expr *e, dsl_view *out)
{
    const dsl_value *x = base_of(cx, e);
    const ast_expr *position[IR_MAX_RANK];
    place p[IR_MAX_RANK];
    int visible[IR_MAX_RANK], n = dsl_visible(x, visible);

    if (dsl_bad(x))
        return false;
    if (!dsl_positions(&e->subscript.positions, n, position))
        return too_many(cx, e, x, n);
    for (int i = 0; i < x->tensor.rank; i++)
        if (x->tensor.axis[i] && !read_place(cx, NULL, dsl_extent(x, i), &p[i]))
            return false;
    for (int i = 0; i < n; i++)
        if (!read_place(cx, position[i], dsl_extent(x, visible[i]), &p[visible[i]]))
            return false;
    return view_places(cx, x, p, e->at, out);
}

/* An element of a list of the configuration; null if it is no such list. */
static const dsl_value *list_element(dsl *cx, const ast_expr *e)
{
    const dsl_var *v = e->subscript.base->kind == AST_NAME
                           ? dsl_find_var(cx->scope, e->subscript.base->name) : NULL;
    int64_t i;
    ir_dim d;

    if (!v || !v->value || v->value->kind != DSL_LIST || e->subscript.positions.len != 1 ||
        !dsl_is_static(cx, e->subscript.positions.at[0]))
        return NULL;
    if (!dsl_dim(cx, dsl_eval(cx, e->subscript.positions.at[0]), &d) ||
        !dim_const(cx->dims, d, &i))
        return NULL;
    i += i < 0 ? v->value->list.n : 0;
    if (i < 0 || i >= v->value->list.n)
        return dsl_wrong(cx, e->at, "the list has %u elements", v->value->list.n);
    return v->value->list.at[i];
}

/* A view keeps windows open: whoever reads it may make a convolution of them.
 * Anyone else calls dsl_view_plain. */
bool dsl_view_of(dsl *cx, const ast_expr *e, dsl_view *out)
{
    *out = (dsl_view){0};
    if (e->kind == AST_SUBSCRIPT && !list_element(cx, e)) {
        ir_loc before = cx->at;
        dsl_stand(cx, e->at);
        bool ok = view_subscript(cx, e, out);
        cx->at = before;
        return ok;
    }
    out->v = dsl_as_array(cx, dsl_eval(cx, e), e->at);
    return !dsl_bad(out->v);
}

/* A list of the configuration is read now, an array by nodes. */
const dsl_value *dsl_subscript(dsl *cx, const ast_expr *e)
{
    const dsl_value *item = list_element(cx, e);
    dsl_view w;

    if (item)
        return item;
    return dsl_view_of(cx, e, &w) ? dsl_view_plain(cx, &w) : &dsl_poison;
}

/* ---- windows read by others than windows ------------------------------------ */

/* The position as a value of its indices. */
static const dsl_value *window_value(dsl *cx, const dsl_affine *f, ir_loc at)
{
    const dsl_value *sum = dsl_whole(cx, f->constant);

    for (int i = 0; i < f->n; i++) {
        const dsl_value *x = dsl_index_value(cx, f->term[i].axis);
        x = dsl_binary(cx, AST_MUL, x, dsl_whole(cx, f->term[i].coef), at);
        sum = dsl_binary(cx, AST_ADD, sum, x, at);
    }
    return sum;
}

/* Do the coefficients tile 0 .. total - 1 without gap and overlap?  As in 12 * a +
 * 4 * b + c with extents .., 3, 4: sorted by size each is the product of the
 * extents below it.  The form's terms are sorted so, largest first, and *total is
 * the product of all extents. */
bool dsl_tile(dsl *cx, dsl_affine *f, ir_dim *total)
{
    ir_dim next = dim_int(cx->dims, 1);

    drop_ones(cx, f);
    if (!dim_is(cx->dims, f->constant, 0))
        return false;
    if (f->n == 1 && dim_is(cx->dims, f->term[0].axis->extent, 1))
        f->term[0].coef = next;
    for (int i = f->n - 1; i >= 0; i--) {
        int k = -1;
        for (int j = 0; j <= i; j++)
            if (dsl_same(f->term[j].coef, next))
                k = j;
        if (k < 0)
            return false;
        dsl_axis *a = f->term[k].axis;
        f->term[k] = f->term[i];
        f->term[i].axis = a;
        f->term[i].coef = next;
        next = dim_mul(cx->dims, next, a->extent);
    }
    *total = next;
    return true;
}

/* An axis of just that extent is read by a reshape; no element is moved. */
static bool tiles(dsl *cx, dsl_affine *f, ir_dim extent)
{
    ir_dim total;

    return dsl_tile(cx, f, &total) && dsl_same(total, extent);
}

/* The axis at memory position i taken apart into those of its tile. */
static const dsl_value *split(dsl *cx, const dsl_value *x, int at, const dsl_affine *f)
{
    ir_dim shape[IR_MAX_RANK];
    dsl_axis *axis[IR_MAX_RANK];
    int rank = 0;

    if (x->tensor.rank + f->n - 1 > IR_MAX_RANK)
        return dsl_wrong(cx, cx->at, "more than %d axes", IR_MAX_RANK);
    for (int i = 0; i < x->tensor.rank; i++)
        for (int k = 0; k < (i == at ? f->n : 1); k++) {
            shape[rank] = i == at ? f->term[k].axis->extent : dsl_extent(x, i);
            axis[rank++] = i == at ? f->term[k].axis : x->tensor.axis[i];
        }
    return dsl_array_like(cx, x, ir_reshape(dsl_b(cx), dsl_ref(cx, x), shape, rank), rank, axis);
}

static bool is_carried(const dsl_value *x, const dsl_affine *f)
{
    for (int i = 0; i < f->n; i++)
        if (dsl_find(x, f->term[i].axis) >= 0)
            return true;
    return false;
}

/* x[4 * a + b] of an axis of extent 4 * A becomes x[a, b] of a reshaped x. */
bool dsl_view_split(dsl *cx, dsl_view *w, int at)
{
    dsl_affine f = w->form[at];

    if (is_carried(w->v, &f) || !tiles(cx, &f, dsl_extent(w->v, at)))
        return false;
    w->v = split(cx, w->v, at, &f);
    if (dsl_bad(w->v))
        return false;
    for (int i = IR_MAX_RANK - 1; i >= at + f.n; i--)
        w->form[i] = w->form[i - f.n + 1];
    for (int i = at; i < at + f.n; i++)
        w->form[i] = (dsl_affine){0};
    return true;
}

/* Windows that nobody took: those that tile their axis are reshapes, the rest
 * become gathers by computed positions, which is right and slow. */
const dsl_value *dsl_view_plain(dsl *cx, const dsl_view *view)
{
    dsl_view w = *view;
    const dsl_value *index[IR_MAX_RANK];
    int axis[IR_MAX_RANK], n = 0;

    for (int i = 0; i < w.v->tensor.rank; i++)
        if (w.form[i].n)
            dsl_view_split(cx, &w, i);
    for (int i = 0; !dsl_bad(w.v) && i < w.v->tensor.rank; i++)
        if (w.form[i].n) {
            axis[n] = i;
            index[n++] = window_value(cx, &w.form[i], cx->at);
        }
    return n && !dsl_bad(w.v) ? dsl_gather(cx, w.v, axis, index, n, cx->at) : w.v;
}
