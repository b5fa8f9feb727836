/* ir/const_read.c - reading a constant's chain without materializing it.
 *
 * A view says which element of a chain's level each position of the result is:
 * the result's dims, each moving by a step along one axis of the level.  Going
 * down the chain, movements change the view, so that a run of them costs one
 * strided copy from the source.  A pad adds guards: positions outside are not
 * read, and get the pad value when the copy below is done.  Casts and
 * arithmetic work on what the level below gave.  Where a view cannot go below
 * a reshape (axes merged with carries), single elements are computed instead. */
#include "build.h"
#include "const_view.h"
#include "eval_op.h"
#include "num.h"

static const ir_type *level_type(const ir_const *k, uint32_t level)
{
    return level ? k->link[level - 1].type : k->source_type;
}

/* ---- walking a view ------------------------------------------------------------------ */

typedef struct cursor {
    const view *v;
    int64_t at[VIEW_DIMS], inner;   /* inner: extent of the last dim, 1 if none */
} cursor;

/* Multi-index of a row-major position of the view. */
static void seek(cursor *c, const view *v, int64_t position)
{
    *c = (cursor){.v = v, .inner = v->n ? v->dim[v->n - 1] : 1};
    for (int i = v->n - 1; i >= 0; position /= v->dim[i--])
        c->at[i] = position % v->dim[i];
}

/* Positions to the end of the innermost dim, at most `left`. */
static int64_t run_length(const cursor *c, int64_t left)
{
    return min_i64(left, c->v->n ? c->inner - c->at[c->v->n - 1] : 1);
}

/* Runs never cross the end of the innermost dim, so a carry is by one. */
static void advance(cursor *c, int64_t run)
{
    int i = c->v->n - 1;

    if (i < 0)
        return;
    for (c->at[i] += run; i > 0 && c->at[i] == c->v->dim[i]; i--) {
        c->at[i] = 0;
        c->at[i - 1]++;
    }
}

static int64_t dot_at(const cursor *c, const int64_t *step)
{
    int64_t r = 0;

    for (int i = 0; i < c->v->n; i++)
        r += c->at[i] * step[i];
    return r;
}

/* The part [*a,*b) of a run that satisfies guards first.. of the view. */
static void allowed(const cursor *c, int first, int64_t run, int64_t *a, int64_t *b)
{
    *a = 0;
    *b = run;
    for (int k = first; k < c->v->guards && *a < *b; k++) {
        const guard *g = &c->v->guard[k];
        int64_t x = g->base + dot_at(c, g->step), s = c->v->n ? g->step[c->v->n - 1] : 0;
        while (*a < *b && (x + s * *a < g->lo || x + s * *a >= g->hi))
            ++*a;
        while (*b > *a && (x + s * (*b - 1) < g->lo || x + s * (*b - 1) >= g->hi))
            --*b;
    }
}

/* n elements of the source from number `from` on, as they are in memory: sub-byte ones are
 * unpacked. */
static void copy_source(const ir_const *k, int64_t n, uint8_t *out, int64_t from, int64_t step)
{
    ir_dtype d = k->source_type->dtype;
    int size = dt_size(d);

    if (k->source == SRC_SPLAT)
        copy_run(n, size, out, size, k->data, 0);
    else if (dt_bits(d) >= 8)
        copy_run(n, size, out, size, k->data + from * size, step * size);
    else
        for (int64_t i = 0; i < n; i++)
            num_unpack(d, k->data, from + i * step, out + i);
}

/* Copies a view of the source in runs along its last dim; what guards keep out is 0 for now. */
static void read_source(const ir_module *m, const ir_const *k, const view *v, int64_t first,
                        int64_t n, uint8_t *out)
{
    int64_t dim[IR_MAX_RANK], times[IR_MAX_RANK] = {0}, step[VIEW_DIMS] = {0}, base = 0;
    int size = dt_size(k->source_type->dtype);
    cursor c;

    view_extents(m, k->source_type, dim);
    view_products(v->rank, dim, times);
    for (int j = 0; j < v->rank; j++)
        base += v->base[j] * times[j];
    for (int i = 0; i < v->n; i++)
        step[i] = v->step[i] * times[v->axis[i]];
    seek(&c, v, first);
    for (int64_t done = 0, run; done < n; done += run, advance(&c, run)) {
        int64_t a, b, s = v->n ? step[v->n - 1] : 0;
        run = run_length(&c, n - done);
        allowed(&c, 0, run, &a, &b);
        if (b - a < run)
            memset(out + done * size, 0, (size_t)(run * size));
        if (a < b)
            copy_source(k, b - a, out + (done + a) * size, base + dot_at(&c, step) + a * s, s);
    }
}

/* ---- the chain ------------------------------------------------------------------------- */

/* Elements of this level of the chain: those at positions [first, first + n) of the view, to
 * `out`.  The view is changed. */
static void read_view(const ir_module *m, const ir_const *k, uint32_t level, view *v,
                      int64_t first, int64_t n, uint8_t *out);

/* Second half of a pad: the copy below has left what the guards keep out untouched;
 * here those positions get the pad's value, at both ends of each run. */
static void pad_outside(const ir_module *m, const ir_link *l, const view *v, int guards,
                        int64_t first, int64_t n, uint8_t *out)
{
    uint8_t value[16] = {0};
    int size = dt_size(l->type->dtype);
    cursor c;

    const_read(m, l->other, 0, 1, value);
    seek(&c, v, first);
    for (int64_t done = 0, run; done < n; done += run, advance(&c, run)) {
        int64_t a, b;
        run = run_length(&c, n - done);
        allowed(&c, guards, run, &a, &b);
        copy_run(a, size, out + done * size, size, value, 0);
        copy_run(run - b, size, out + (done + b) * size, size, value, 0);
    }
}

/* Reads the level below as it is and casts what came. */
static void read_cast(const ir_module *m, const ir_const *k, uint32_t level, view *v,
                      int64_t first, int64_t n, uint8_t *out)
{
    const ir_link *l = &k->link[level - 1];
    ir_dtype from = level_type(k, level - 1)->dtype, to = l->type->dtype;
    num_mode mode = {l->attr->CAST.saturate, (num_rounding)l->attr->CAST.rounding};
    uint8_t *x = mem_alloc((size_t)(n * dt_size(from)));

    read_view(m, k, level - 1, v, first, n, x);
    for (int64_t i = 0; i < n; i++)
        num_cast(from, x + i * dt_size(from), to, out + i * dt_size(to), mode);
    mem_free(x);
}

static void apply(sc_op op, ir_dtype d, int64_t n, uint8_t *x, const uint8_t *y)
{
    for (int64_t i = 0, size = dt_size(d); i < n; i++, x += size, y += size)
        if (dt_is_float(d))
            num_store_flt(d, x, sc_eval_flt(op, num_load_flt(d, x), num_load_flt(d, y), 0));
        else
            num_store_int(d, x, sc_eval_int(op, d, num_load_int(d, x), num_load_int(d, y), 0));
}

/* Arithmetic with another constant, which is read through the same view. */
static void read_scalar(const ir_module *m, const ir_const *k, uint32_t level, view *v,
                        int64_t first, int64_t n, uint8_t *out)
{
    const ir_link *l = &k->link[level - 1];
    const ir_const *other = &m->consts.at[l->other];
    uint8_t *y = mem_alloc((size_t)(n * dt_size(l->type->dtype)));
    view *w = mem_alloc(sizeof *w);

    *w = *v;
    read_view(m, other, other->links, w, first, n, y);
    read_view(m, k, level - 1, v, first, n, out);
    apply((sc_op)l->op, l->type->dtype, n, out, y);
    mem_free(w);
    mem_free(y);
}

/* One element of a level, by its row-major index. */
static void read_one(const ir_module *m, const ir_const *k, uint32_t level, int64_t index,
                     view *room, uint8_t *out)
{
    int64_t dim[IR_MAX_RANK];
    const ir_type *t = level_type(k, level);

    view_extents(m, t, dim);
    *room = (view){.rank = t->rank};
    for (int i = t->rank - 1; i >= 0; index /= dim[i--])
        room->base[i] = index % dim[i];
    read_view(m, k, level, room, 0, 1, out);
}

/* Element by element, where the view has no form below the level's link. */
static void read_slow(const ir_module *m, const ir_const *k, uint32_t level, const view *v,
                      int64_t first, int64_t n, uint8_t *out)
{
    const ir_type *t = level_type(k, level);
    int64_t dim[IR_MAX_RANK], times[IR_MAX_RANK] = {0}, step[VIEW_DIMS], base = 0;
    int size = dt_size(t->dtype);
    view *room = mem_alloc(sizeof *room);
    cursor c;

    view_extents(m, t, dim);
    view_products(t->rank, dim, times);
    for (int j = 0; j < t->rank; j++)
        base += v->base[j] * times[j];
    for (int i = 0; i < v->n; i++)
        step[i] = v->step[i] * times[v->axis[i]];
    seek(&c, v, first);
    for (int64_t done = 0; done < n; done++, advance(&c, 1)) {
        int64_t a, b;
        allowed(&c, 0, 1, &a, &b);
        if (a < b)
            read_one(m, k, level, base + dot_at(&c, step), room, out + done * size);
        else
            memset(out + done * size, 0, (size_t)size);
    }
    mem_free(room);
}

/* A single position below a pad with gaps: outside or in a gap is the value. */
static void read_pad_one(const ir_module *m, const ir_const *k, uint32_t level, view *v,
                         uint8_t *out)
{
    const ir_link *l = &k->link[level - 1];
    const ir_type *x = level_type(k, level - 1);
    int64_t dim[IR_MAX_RANK];

    view_extents(m, x, dim);
    for (int j = 0; j < x->rank; j++) {
        int64_t low = 0, inner = 0;
        dim_const(&m->dims, l->attr->PAD.low.at[j], &low);
        if (l->attr->PAD.inner.n)
            dim_const(&m->dims, l->attr->PAD.inner.at[j], &inner);
        int64_t i = v->base[j] - low;
        v->base[j] = i / (inner + 1);
        if (i < 0 || i % (inner + 1) || v->base[j] >= dim[j]) {
            const_read(m, l->other, 0, 1, out);
            return;
        }
    }
    read_view(m, k, level - 1, v, 0, 1, out);
}

/* Reads below the pad in one go if the view has a form there, and then fills in the pad's
 * value; else element by element. */
static void read_pad(const ir_module *m, const ir_const *k, uint32_t level, view *v,
                     int64_t first, int64_t n, uint8_t *out)
{
    const ir_link *l = &k->link[level - 1];
    view *below = mem_alloc(sizeof *below);

    *below = *v;
    if (v->n == 0) {
        read_pad_one(m, k, level, v, out);
    } else if (view_below_pad(m, below, &l->attr->PAD, level_type(k, level - 1))) {
        view *kept = mem_alloc(sizeof *kept);
        *kept = *below;
        read_view(m, k, level - 1, below, first, n, out);
        pad_outside(m, l, kept, v->guards, first, n, out);
        mem_free(kept);
    } else {
        read_slow(m, k, level, v, first, n, out);
    }
    mem_free(below);
}

/* The view is tried below the reshape; a view is some kB, too much for a recursion
 * on the stack. */
static void read_reshape(const ir_module *m, const ir_const *k, uint32_t level, view *v,
                         int64_t first, int64_t n, uint8_t *out)
{
    view *below = mem_alloc(sizeof *below);

    *below = *v;
    if (view_below_reshape(m, below, level_type(k, level), level_type(k, level - 1)))
        read_view(m, k, level - 1, below, first, n, out);
    else
        read_slow(m, k, level, v, first, n, out);
    mem_free(below);
}

/* ---- products with a matrix -------------------------------------------------------- */

/* The dim of the view that moves along the last axis; -1 if none does, -2 if that is not
 * so simple. */
static int last_dim(const view *v)
{
    int found = -1;

    for (int i = 0; i < v->n; i++)
        if (v->axis[i] == v->rank - 1 && v->step[i])
            found = found == -1 ? i : -2;
    for (int g = 0; g < v->guards && found >= 0; g++)
        if (v->guard[g].step[found])
            found = -2;
    return found;
}

/* A level whose element [.., p] is the sum over s of matrix[p, s] * below[.., s]. */
typedef struct product {
    int64_t rows, columns;
    float *matrix;
    float *x;                   /* by s: what is read below */
} product;

/* Positions [first, first + n) of the view at all elements of the last axis below: those
 * at s go to x[s * n ..]. */
static void read_columns(const ir_module *m, const ir_const *k, uint32_t level, const view *v,
                         int64_t first, int64_t n, const product *p)
{
    view *below = mem_alloc(sizeof *below);

    for (int64_t s = 0; s < p->columns; s++) {
        *below = *v;
        below->base[v->rank - 1] = s;
        read_view(m, k, level, below, first, n, (uint8_t *)(p->x + s * n));
    }
    mem_free(below);
}

/* n elements of row `row`, from columns that lie `stride` apart, the first at `at`. */
static void add_columns(const product *p, int64_t row, int64_t at, int64_t stride, int64_t n,
                        float *out)
{
    enum { AT_ONCE = 64 };
    double sum[AT_ONCE];

    ICE_IF(row < 0 || row >= p->rows, "row %lld of a matrix", (long long)row);
    for (int64_t i = 0; i < n; i += AT_ONCE) {
        int64_t part = min_i64(AT_ONCE, n - i);
        memset(sum, 0, sizeof sum);
        for (int64_t s = 0; s < p->columns; s++) {
            const float *x = p->x + s * stride + at + i;
            double times = (double)p->matrix[row * p->columns + s];
            for (int64_t j = 0; j < part; j++)
                sum[j] += times * (double)x[j];
        }
        for (int64_t j = 0; j < part; j++)
            out[i + j] = (float)sum[j];
    }
}

/* What is read below serves all rows of the matrix: the positions behind the dim that
 * moves along them are a block of it. */
static void read_blocks(const ir_module *m, const ir_const *k, uint32_t level, view *v,
                        int along, int64_t first, int64_t n, product *p, float *out)
{
    int64_t base = v->base[v->rank - 1], step = v->step[along], rows = v->dim[along];
    int64_t block = 1, seen = -1;

    for (int i = along + 1; i < v->n; i++)
        block *= v->dim[i];
    v->step[along] = 0, v->dim[along] = 1;
    p->x = mem_alloc((size_t)(p->columns * block) * sizeof *p->x);
    for (int64_t done = 0, run; done < n; done += run) {
        int64_t at = first + done, outer = at / (block * rows), row = at / block % rows;
        run = min_i64(block - at % block, n - done);
        if (outer != seen)
            read_columns(m, k, level, v, outer * block, block, p);
        seen = outer;
        add_columns(p, base + step * row, at % block, block, run, out + done);
    }
}

/* Result element [.., p] of the link is sum over s of matrix[p, s] * below[.., s]
 * (Winograd's transforms of weights). If the view moves along p, blocks of what
 * lies below serve all rows of the matrix; if it stays at one p, one row does; else
 * (-2) each element is computed alone. */
static void read_dot(const ir_module *m, const ir_const *k, uint32_t level, view *v,
                     int64_t first, int64_t n, uint8_t *out)
{
    uint32_t matrix = k->link[level - 1].other;
    int64_t extent[2], row = v->base[v->rank - 1];
    float *to = (float *)(void *)out;
    int along = last_dim(v);

    if (along == -2) {
        read_slow(m, k, level, v, first, n, out);
        return;
    }
    view_extents(m, m->consts.at[matrix].type, extent);
    product p = {.rows = extent[0], .columns = extent[1]};
    p.matrix = mem_alloc((size_t)(p.rows * p.columns) * sizeof *p.matrix);
    const_read(m, matrix, 0, p.rows * p.columns, p.matrix);
    if (along >= 0) {
        read_blocks(m, k, level - 1, v, along, first, n, &p, to);
    } else {
        p.x = mem_alloc((size_t)(p.columns * n) * sizeof *p.x);
        read_columns(m, k, level - 1, v, first, n, &p);
        add_columns(&p, row, 0, n, n, to);
    }
    mem_free(p.x);
    mem_free(p.matrix);
}

/* Movements are taken into the view in turn, and the loop goes on below them.
 * Whatever computes hands over to a function that reads what it needs below itself
 * and is done. */
static void read_view(const ir_module *m, const ir_const *k, uint32_t level, view *v,
                      int64_t first, int64_t n, uint8_t *out)
{
    for (; level; level--) {
        const ir_link *l = &k->link[level - 1];
        switch (l->op) {
        case OP_TRANSPOSE: view_below_transpose(v, l->attr->TRANSPOSE.perm); break;
        case OP_BROADCAST:
            view_below_broadcast(m, v, l->attr->BROADCAST.axes, level_type(k, level - 1));
            break;
        case OP_SLICE: view_below_slice(m, v, &l->attr->SLICE); break;
        case OP_RESHAPE: read_reshape(m, k, level, v, first, n, out); return;
        case OP_PAD: read_pad(m, k, level, v, first, n, out); return;
        case OP_CAST: read_cast(m, k, level, v, first, n, out); return;
        case OP_DOT: read_dot(m, k, level, v, first, n, out); return;
        default: read_scalar(m, k, level, v, first, n, out); return;
        }
    }
    read_source(m, k, v, first, n, out);
}

void const_read(const ir_module *m, uint32_t c, int64_t first, int64_t n, void *out)
{
    const ir_const *k = &m->consts.at[c];
    view *v;

    if (n <= 0)
        return;
    v = mem_alloc(sizeof *v);
    view_whole(m, k->type, v);
    read_view(m, k, k->links, v, first, n, out);
    mem_free(v);
}
