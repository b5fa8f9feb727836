/* export/program_name.c - names, extents, numbers and constants of a program.  A
 * name of the model is kept as far as it is one of the language: other characters
 * become _, and numbers make it differ. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "const.h"
#include "num.h"
#include "program_writer.h"

/* ---- names ---------------------------------------------------------------------------- */

static bool is_free(px_file *f, const char *name)
{
    return names_find(&f->used, name) == NAMES_NONE && !f->o->is_word(name);
}

/* name, or name2, name3 .. */
static const char *unique(px_file *f, const char *name)
{
    const char *s = name;

    for (int i = 2; !is_free(f, s); i++)
        s = arena_printf(&f->mem, isdigit((unsigned char)name[strlen(name) - 1]) ? "%s_%d" : "%s%d",
                         name, i);
    names_add(&f->used, s);
    return s;
}

/* conv1/weights:0 is conv1_weights_0. */
const char *px_name_like(px_file *f, const char *like)
{
    char *s = arena_printf(&f->mem, "%s%s", isalpha((unsigned char)*like) ? "" : "x_", like);
    size_t n = 0;

    for (const char *p = s; *p; p++) {
        char c = *p;
        if (!isalnum((unsigned char)c))
            c = '_';
        if (c != '_' || (n && s[n - 1] != '_'))
            s[n++] = c;
    }
    while (n > 1 && s[n - 1] == '_')
        n--;
    s[n] = '\0';
    return unique(f, s);
}

/* x1, x2, ..: the next one that no name of the model is. */
const char *px_name_new(px_file *f, const char *kind)
{
    for (;;) {
        const char *name = arena_printf(&f->mem, "%s%u", kind, ++f->counter);
        if (is_free(f, name)) {
            names_add(&f->used, name);
            return name;
        }
    }
}

/* ---- extents -------------------------------------------------------------------------- */

static px_expr number(const char *at, px_level level)
{
    return (px_expr){at, level, true};
}

/* A product of atoms, times |coefficient|, which is that of the least number, too. */
static px_expr term(px *g, const dim_term *t)
{
    uint64_t coef = t->coef < 0 ? -(uint64_t)t->coef : (uint64_t)t->coef;
    px_expr x = {0};

    if (coef != 1 || !t->n)
        x = number(arena_printf(&g->file->mem, "%llu", (unsigned long long)coef), PX_CALL);
    for (uint32_t i = 0; i < t->n; i++) {
        px_expr atom = px_dim(g, t->atom[i]);
        x = x.at ? number(px_printf(g, "%s * %s", px_wrap(g, x, PX_TERM),
                                    px_wrap(g, atom, PX_UNARY)), PX_TERM)
                 : atom;
    }
    return x;
}

/* Terms with symbols come first, as people write them: N + 1. */
static px_expr sum_of(px *g, const dim_expr *e)
{
    uint32_t first = e->n > 1 && !e->term[0].n;
    const char *s = NULL;

    for (uint32_t i = 0; i < e->n; i++) {
        const dim_term *t = &e->term[(i + first) % e->n];
        px_expr x = term(g, t);
        if (!s && t->coef > 0 && e->n == 1)
            return x;
        if (!s)
            s = px_printf(g, "%s%s", t->coef < 0 ? "-" : "", px_wrap(g, x, PX_TERM));
        else
            s = arena_printf(&g->file->mem, "%s %s %s", s, t->coef < 0 ? "-" : "+",
                             px_wrap(g, x, PX_TERM));
    }
    return number(s, PX_SUM);
}

static const char *infix(px *g, const char *op, const dim_expr *e, px_level least)
{
    const char *a = px_wrap(g, px_dim(g, e->arg[0]), least);

    return arena_printf(&g->file->mem, "%s %s %s", a, op,
                        px_wrap(g, px_dim(g, e->arg[1]), least + 1));
}

/* Extents count as bools where a choice asks for them: min and max of comparisons
 * are `and` and `or`. */
px_expr px_condition(px *g, ir_dim d)
{
    static const char *const op[] = {[DIM_EQ] = "==", [DIM_LT] = "<", [DIM_LE] = "<="};
    const dim_expr *e = dim_get(&g->file->m->dims, d);

    if (e && dim_is_comparison(e->op))
        return (px_expr){infix(g, op[e->op], e, PX_SUM), PX_COMPARE, false};
    if (e && (e->op == DIM_MAX || e->op == DIM_MIN)) {
        px_level level = e->op == DIM_MAX ? PX_OR : PX_AND;
        const char *a = px_wrap(g, px_condition(g, e->arg[0]), level);
        const char *b = px_wrap(g, px_condition(g, e->arg[1]), level + 1);
        return (px_expr){arena_printf(&g->file->mem, "%s %s %s", a,
                                      e->op == DIM_MAX ? "or" : "and", b), level, false};
    }
    return (px_expr){px_printf(g, "%s != 0%s", px_wrap(g, px_dim(g, d), PX_SUM), ""), PX_COMPARE,
                     false};
}

static px_expr choice(px *g, const char *c, const char *yes, const char *no)
{
    return number(arena_printf(&g->file->mem, "if %s then %s else %s", c, yes, no), PX_CHOICE);
}

static px_expr call(px *g, const char *name, const dim_expr *e)
{
    return number(arena_printf(&g->file->mem, "%s(%s, %s)", name, px_dim(g, e->arg[0]).at,
                               px_dim(g, e->arg[1]).at), PX_CALL);
}

static px_expr dim_gap(px *g, const char *name, const char *reason)
{
    diag_unsupported(g->file->d, "dim", "", name, reason);
    g->file->failed = true;
    return number("_", PX_CALL);
}

/* A symbol without a name is one that only the run knows, for which the language
 * has no word: a gap. */
static px_expr symbol(px *g, uint32_t id)
{
    const char *name = g->file->symbol[id];

    if (name)
        return number(name, PX_CALL);
    return dim_gap(g, g->file->m->dims.symbol.at[id].name, "an extent that only the run knows");
}

/* `//` is the language's quotient of whole numbers. */
static px_expr formula(px *g, ir_dim d)
{
    const dim_table *t = &g->file->m->dims;
    const dim_expr *e = dim_get(t, d);
    int64_t v;

    if (dim_const(t, d, &v))
        return number(arena_printf(&g->file->mem, "%lld", (long long)v),
                      v < 0 ? PX_UNARY : PX_CALL);
    switch (e->op) {
    case DIM_SYM: return symbol(g, (uint32_t)e->value);
    case DIM_POLY: return sum_of(g, e);
    case DIM_DIV: return number(infix(g, "//", e, PX_TERM), PX_TERM);
    case DIM_MOD: return number(infix(g, "%", e, PX_TERM), PX_TERM);
    case DIM_MIN: return call(g, "min", e);
    case DIM_MAX: return call(g, "max", e);
    case DIM_SELECT:
        return choice(g, px_condition(g, e->arg[0]).at, px_dim(g, e->arg[1]).at,
                      px_dim(g, e->arg[2]).at);
    default: return choice(g, px_condition(g, d).at, "1", "0");
    }
}

/* Extents that are made of others, which are made of others, would grow beyond all bounds, in the
 * text and where it is read: a long one becomes a number of the run, under a name. */
px_expr px_dim(px *g, ir_dim d)
{
    enum { LONG = 200 };
    px_file *f = g->file;

    for (uint32_t i = 0; i < f->extent.len; i++)
        if (dim_same(f->extent.at[i].dim, d))
            return number(f->extent.at[i].name, PX_CALL);
    px_expr e = formula(g, d);
    if (strlen(e.at) <= LONG || g->inside || g->brief)
        return e;
    const char *name = px_name_new(f, "n");
    px_line(g, px_printf(g, "%s = number(int(%s))", name, e.at), NULL);
    vec_push(&f->extent, (px_extent){d, name});
    return number(name, PX_CALL);
}

const char *px_shape(px *g, const ir_type *t)
{
    const char *s = "[";

    for (int i = 0; i < t->rank; i++)
        s = arena_printf(&g->file->mem, "%s%s%s", s, i ? ", " : "",
                         px_wrap(g, px_dim(g, t->dim[i]), PX_SUM));
    return px_printf(g, "%s%s", s, "]");
}

typedef struct naming {
    const px *g;
    bool all;
} naming;

static void see_name(void *cx, uint32_t symbol)
{
    naming *n = cx;

    n->all &= n->g->file->symbol[symbol] != NULL;
}

/* Does the program name all symbols of d?  An extent that a value will have has none before. */
static bool is_named(const px *g, ir_dim d)
{
    naming n = {g, true};

    dim_each_symbol(&g->file->m->dims, d, see_name, &n);
    return n.all;
}

/* As px_shape, with _ for extents whose formula would be longer than anyone reads, or that have no
 * name yet. */
const char *px_shape_brief(px *g, const ir_type *t)
{
    enum { MANY = 30 };
    const char *s = "[";

    g->brief = true;
    for (int i = 0; i < t->rank; i++) {
        const char *d = "_";
        if (is_named(g, t->dim[i]))
            d = px_wrap(g, px_dim(g, t->dim[i]), PX_SUM);
        s = arena_printf(&g->file->mem, "%s%s%s", s, i ? ", " : "", strlen(d) > MANY ? "_" : d);
    }
    g->brief = false;
    return px_printf(g, "%s%s", s, "]");
}

/* ---- types, numbers ------------------------------------------------------------------- */

/* Null for what the language has no type for. */
const char *px_elem(ir_dtype dt)
{
    char class = dt_class(dt);

    if (dt == DT_F32)
        return "real";
    if (dt == DT_I64)
        return "int";
    return class == 'S' || class == 'C' ? NULL : dt_text(dt);
}

/* Reals are not named: [3, 4] are reals, and [] is one.  Null where the language
 * has no such type. */
const char *px_type_text(px *g, const ir_type *t)
{
    const char *elem = t->kind == TY_TENSOR ? px_elem(t->dtype) : NULL;

    if (!elem)
        return NULL;
    if (!t->rank && t->dtype != DT_F32)
        return elem;
    return px_printf(g, "%s%s", t->dtype == DT_F32 ? "" : elem, px_shape(g, t));
}

/* The shortest decimal that reads back as v, of single or double precision. */
static const char *shortest(px *g, double v, bool is_double)
{
    char s[40];

    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (is_double ? strtod(s, NULL) == v : strtof(s, NULL) == (float)v)
            break;
    }
    return arena_strdup(&g->file->mem, s);
}

static px_expr real_number(px *g, double v, bool is_double)
{
    if (isnan(v))
        return number("inf - inf", PX_SUM);
    if (isinf(v))
        return number(v < 0 ? "-inf" : "inf", v < 0 ? PX_UNARY : PX_CALL);
    return number(shortest(g, v, is_double), signbit(v) ? PX_UNARY : PX_CALL);
}

/* An integer.  The least has no literal, as the sign is none of its digits. */
static px_expr whole_number(px *g, int64_t v)
{
    if (v == INT64_MIN)
        return (px_expr){"int(-2147483648) * 4294967296", PX_TERM, false};
    return number(arena_printf(&g->file->mem, "%lld", (long long)v), v < 0 ? PX_UNARY : PX_CALL);
}

/* A number of type f32 or i64 stands by itself, any other is a conversion of it. */
px_expr px_number(px *g, ir_dtype dt, double flt, int64_t whole)
{
    if (dt == DT_BOOL)
        return (px_expr){whole ? "true" : "false", PX_CALL, true};
    px_expr x = dt_is_float(dt) ? real_number(g, flt, dt == DT_F64) : whole_number(g, whole);
    if (dt == DT_F32 || dt == DT_I64)
        return x;
    return (px_expr){px_printf(g, "%s(%s)", px_elem(dt), x.at), PX_CALL, false};
}

/* ---- constants ------------------------------------------------------------------------ */

/* Has the constant equal elements?  Few are looked at. */
static bool is_filled(const ir_module *m, uint32_t c, uint8_t element[32])
{
    enum { FEW = 64 };
    const ir_type *t = m->consts.at[c].type;
    int64_t n = type_static(&m->types, t) ? type_count_const(&m->types, t) : -1;
    uint8_t at[32];

    if (const_is_splat(m, c, element))
        return true;
    if (n < 1 || n > FEW)
        return false;
    const_read(m, c, 0, 1, element);
    for (int64_t i = 1; i < n; i++) {
        const_read(m, c, i, 1, at);
        if (memcmp(at, element, (size_t)dt_size(t->dtype)))
            return false;
    }
    return true;
}

/* Repetitions and reshapes of one number are that number. */
bool px_is_splat(const px *g, ir_ref r, double *flt, int64_t *whole)
{
    const ir_node *n = px_node(g, r);
    ir_dtype dt = px_type(g, r)->dtype;
    uint8_t element[32];

    while (n->op == OP_BROADCAST || n->op == OP_RESHAPE)
        n = ir_node_of(g->fn, ir_arg(g->fn, n, 0));
    if (n->op != OP_CONST || dt_class(dt) == 'S' || dt_class(dt) == 'C' ||
        !is_filled(g->file->m, n->attr->CONST.id, element))
        return false;
    *flt = num_load_flt(dt, element);
    *whole = dt_is_float(dt) ? 0 : num_load_int(dt, element);
    return true;
}

bool px_is_constant(px *g, ir_ref r, uint32_t *constant)
{
    const ir_node *n = px_node(g, r);

    *constant = n->op == OP_CONST ? n->attr->CONST.id : IR_NONE;
    return n->op == OP_CONST && type_static(&g->file->m->types, px_type(g, r));
}

static uint32_t linked(px *g, uint32_t c, ir_link link)
{
    return const_can_link(g->file->m, c, link) ? const_linked(g->file->m, c, link) : IR_NONE;
}

/* One more link of the constant's chain: nothing is copied. */
uint32_t px_turned(px *g, uint32_t c, const int32_t *perm)
{
    ir_module *m = g->file->m;
    const ir_type *t = m->consts.at[c].type;
    ir_attr a = {.TRANSPOSE.perm = {t->rank, perm}};
    ir_dim dim[IR_MAX_RANK];
    bool same = true;

    for (int i = 0; i < t->rank; i++) {
        dim[i] = t->dim[perm[i]];
        same &= perm[i] == i;
    }
    if (same)
        return c;
    return linked(g, c, (ir_link){OP_TRANSPOSE, ir_attr_intern(m, OP_TRANSPOSE, &a), IR_NONE,
                                  type_tensor(&m->types, t->dtype, t->rank, dim)});
}

/* A constant of the same bytes with other extents; a link, nothing is copied. */
uint32_t px_reshaped(px *g, uint32_t c, const int64_t *extent, int rank)
{
    ir_module *m = g->file->m;
    ir_dim dim[IR_MAX_RANK];

    for (int i = 0; i < rank; i++)
        dim[i] = dim_int(&m->dims, extent[i]);
    const ir_type *t = type_tensor(&m->types, m->consts.at[c].type->dtype, rank, dim);
    ir_attr a = {.RESHAPE.shape = {rank, dim}};
    if (t == m->consts.at[c].type)
        return c;
    return linked(g, c, (ir_link){OP_RESHAPE, ir_attr_intern(m, OP_RESHAPE, &a), IR_NONE, t});
}

/* Few numbers in one row are written as such. */
static bool is_short(const px *g, const ir_type *t)
{
    enum { MANY = 8 };
    int64_t n = type_count_const(&g->file->m->types, t);

    return t->rank == 1 && n > 0 && n <= MANY &&
           (t->dtype == DT_F32 || t->dtype == DT_I64 || t->dtype == DT_BOOL);
}

/* [1, 2, 3] */
static const char *list_of(px *g, uint32_t c, const ir_type *t)
{
    int64_t n = type_count_const(&g->file->m->types, t);
    const char *s = "[";
    uint8_t e[16];

    for (int64_t i = 0; i < n; i++) {
        const_read(g->file->m, c, i, 1, e);
        px_expr x = px_number(g, t->dtype, num_load_flt(t->dtype, e),
                              dt_is_float(t->dtype) ? 0 : num_load_int(t->dtype, e));
        s = arena_printf(&g->file->mem, "%s%s%s", s, i ? ", " : "", x.at);
    }
    return px_printf(g, "%s%s", s, "]");
}

/* The first value of a parameter, which the file of weights replaces. */
static const char *nothing_of(px *g, ir_dtype dt)
{
    if (dt == DT_F32 || dt == DT_I64)
        return "0";
    return dt == DT_BOOL ? "false" : px_printf(g, "%s(0)%s", px_elem(dt), "");
}

/* Short lists stand in the program, as numbers that a reader wants to see; long
 * ones are parameters, whose first values come from the file of weights. */
static void declare(px *g, uint32_t c, const char *name, const ir_type *t)
{
    px_file *f = g->file;
    const char *type = px_type_text(g, t);

    if (is_short(g, t)) {
        text_add(&f->declared, "    %s: %s = %s\n", name, type, list_of(g, c, t));
        return;
    }
    text_add(&f->declared, "    %s %s: %s = %s\n", t->dtype == DT_F32 ? "param" : "state", name,
             type, nothing_of(g, t->dtype));
    vec_push(&f->weight, (px_weight){arena_printf(&f->mem, "%s.%s", f->net, name), c});
}

/* Matching makes new constants, so the table grows. */
const char *px_constant(px *g, uint32_t c)
{
    px_file *f = g->file;
    const ir_type *t = f->m->consts.at[c].type;

    if (c >= f->constants) {
        uint32_t more = f->m->consts.len + 64;
        const char **at = arena_array(&f->mem, const char *, more);
        if (f->constants)
            memcpy(at, f->constant, f->constants * sizeof *at);
        f->constant = at;
        f->constants = more;
    }
    if (!f->constant[c]) {
        f->constant[c] = px_name_new(f, t->dtype == DT_F32 ? "w" : "t");
        declare(g, c, f->constant[c], t);
    }
    return f->constant[c];
}
