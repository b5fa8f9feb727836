/* export/program_scalar.c - scalar functions of the IR in the language.
 *
 * The language computes with real, int and bool; other elements are converted, computed with
 * and converted back: i32(int(a) + int(b)), which wraps as the IR does. */
#include "program_writer.h"

typedef enum how { NONE, INFIX, CALL, SPECIAL } how;

/* How a function of the IR is written: as an operator, as a call, by code of its
 * own; NONE is a gap. */
typedef struct row {
    how how;
    const char *word;
    px_level level;             /* of INFIX: that of the operator */
} row;

static const row rows[OP_SCALARS] = {
    [OP_ADD] = {INFIX, "+", PX_SUM}, [OP_SUB] = {INFIX, "-", PX_SUM},
    [OP_MUL] = {INFIX, "*", PX_TERM}, [OP_DIV] = {SPECIAL, "/", PX_TERM},
    [OP_MOD] = {INFIX, "%", PX_TERM}, [OP_REM] = {SPECIAL, 0, 0}, [OP_NEG] = {SPECIAL, 0, 0},
    [OP_POW] = {SPECIAL, 0, 0}, [OP_FMA] = {SPECIAL, 0, 0}, [OP_SELECT] = {SPECIAL, 0, 0},
    [OP_CAST] = {SPECIAL, 0, 0}, [OP_NOT] = {SPECIAL, 0, 0},
    [OP_EQ] = {INFIX, "==", PX_COMPARE}, [OP_NE] = {INFIX, "!=", PX_COMPARE},
    [OP_LT] = {INFIX, "<", PX_COMPARE}, [OP_LE] = {INFIX, "<=", PX_COMPARE},
    [OP_AND] = {SPECIAL, "and", PX_AND}, [OP_OR] = {SPECIAL, "or", PX_OR},
    [OP_XOR] = {SPECIAL, "!=", PX_COMPARE}, [OP_ABS] = {CALL, "abs", 0},
    [OP_SIGN] = {CALL, "sign", 0}, [OP_MIN] = {CALL, "min", 0}, [OP_MAX] = {CALL, "max", 0},
    [OP_SQRT] = {CALL, "sqrt", 0}, [OP_FLOOR] = {CALL, "floor", 0}, [OP_CEIL] = {CALL, "ceil", 0},
    [OP_TRUNC] = {CALL, "trunc", 0}, [OP_ROUND] = {CALL, "round", 0}, [OP_EXP] = {CALL, "exp", 0},
    [OP_EXPM1] = {CALL, "expm1", 0}, [OP_LOG] = {CALL, "log", 0}, [OP_LOG1P] = {CALL, "log1p", 0},
    [OP_SIN] = {CALL, "sin", 0}, [OP_COS] = {CALL, "cos", 0}, [OP_TAN] = {CALL, "tan", 0},
    [OP_ASIN] = {CALL, "asin", 0}, [OP_ACOS] = {CALL, "acos", 0}, [OP_ATAN] = {CALL, "atan", 0},
    [OP_SINH] = {CALL, "sinh", 0}, [OP_COSH] = {CALL, "cosh", 0}, [OP_TANH] = {CALL, "tanh", 0},
    [OP_ASINH] = {CALL, "asinh", 0}, [OP_ACOSH] = {CALL, "acosh", 0},
    [OP_ATANH] = {CALL, "atanh", 0}, [OP_ERF] = {CALL, "erf", 0},
    [OP_SIGMOID] = {CALL, "sigmoid", 0}, [OP_ISNAN] = {CALL, "isnan", 0},
    [OP_ISINF] = {CALL, "isinf", 0}, [OP_BITCAST] = {NONE, 0, 0},
    [OP_SHL] = {NONE, 0, 0}, [OP_SHR] = {NONE, 0, 0},
};

static bool is_own(ir_dtype dt)
{
    return dt == DT_F32 || dt == DT_I64 || dt == DT_BOOL;
}

static px_expr called(px *g, const char *word, const char *args)
{
    return (px_expr){px_printf(g, "%s(%s)", word, args), PX_CALL, false};
}

/* a op b, where b binds tighter than op, and a as tightly but for comparisons. */
static px_expr infix(px *g, const row *w, px_expr a, px_expr b)
{
    bool strict = w->level == PX_COMPARE;
    const char *x = px_wrap(g, a, w->level + strict), *y = px_wrap(g, b, w->level + 1);
    const char *op = w->word;

    if (*op == '+' && b.number && b.level == PX_UNARY && *y == '-') {
        op = "-";
        y++;
    }
    return (px_expr){arena_printf(&g->file->mem, "%s %s %s", x, op, y), w->level,
                     a.number && b.number && w->level >= PX_SUM};
}

/* What is made of numbers only gets the type that the value has. */
static px_expr typed(px *g, px_expr x, ir_dtype dt)
{
    if (!x.number || !is_own(dt))
        return x;
    return called(g, px_elem(dt), x.at);
}

/* An integer quotient that is rounded towards 0. */
static px_expr quotient(px *g, px_expr a, px_expr b)
{
    const char *x = px_wrap(g, a, PX_POWER), *y = px_wrap(g, b, PX_POWER);

    return (px_expr){arena_printf(&g->file->mem,
                                  "if (%s < 0) != (%s < 0) then -((-%s) // %s) else %s // %s", x, y,
                                  x, y, x, y), PX_CHOICE, false};
}

/* a - b * (a / b) of a quotient rounded towards 0. */
static px_expr remainder_of(px *g, px_expr a, px_expr b, ir_dtype dt)
{
    const char *x = px_wrap(g, a, PX_POWER), *y = px_wrap(g, b, PX_POWER);
    const char *q = dt_is_float(dt) ? arena_printf(&g->file->mem, "trunc(%s / %s)", x, y)
                                    : quotient(g, a, b).at;

    return (px_expr){arena_printf(&g->file->mem, "%s - (%s) * %s", x, q, y), PX_SUM, false};
}

static px_expr choice(px *g, ir_dtype dt, px_expr c, px_expr a, px_expr b)
{
    px_expr e = {arena_printf(&g->file->mem, "if %s then %s else %s", px_wrap(g, c, PX_OR),
                              px_wrap(g, a, PX_PIPE), px_wrap(g, b, PX_CHOICE)), PX_CHOICE, false};

    return a.number && b.number && dt != DT_BOOL ? called(g, px_elem(dt), e.at) : e;
}

/* Numbers turn into what they meet: only a fraction has to be cut. */
static px_expr cast_to(px *g, ir_dtype from, ir_dtype to, px_expr x)
{
    if (x.number && to == DT_F32 && from != DT_BOOL)
        return x;
    return called(g, px_elem(to), x.at);
}

static px_expr logical(px *g, ir_ref r, const row *w, const px_expr *x)
{
    if (px_type(g, r)->dtype != DT_BOOL)
        return px_gap(g, r, "the language has no bits of integers");
    if (px_node(g, r)->op != OP_NOT)
        return infix(g, w, x[0], x[1]);
    return (px_expr){px_printf(g, "not %s%s", px_wrap(g, x[0], PX_NOT), ""), PX_NOT, false};
}

/* Those that are neither a call nor an operator of the same meaning. */
static px_expr special(px *g, ir_ref r, const row *w, const px_expr *x, ir_dtype dt)
{
    static const row sum = {INFIX, "+", PX_SUM}, product = {INFIX, "*", PX_TERM};

    switch (px_node(g, r)->op) {
    case OP_DIV: return dt_is_float(dt) ? infix(g, w, x[0], x[1]) : quotient(g, x[0], x[1]);
    case OP_REM: return remainder_of(g, x[0], x[1], dt);
    case OP_NEG:
        return (px_expr){px_printf(g, "-%s%s", px_wrap(g, x[0], PX_UNARY), ""), PX_UNARY,
                         x->number};
    case OP_POW:
        return (px_expr){px_printf(g, "%s^%s", px_wrap(g, x[0], PX_CALL),
                                   px_wrap(g, x[1], PX_UNARY)), PX_POWER, false};
    case OP_FMA: return infix(g, &sum, infix(g, &product, x[0], x[1]), x[2]);
    default: return logical(g, r, w, x);
    }
}

/* The function of elements that the language computes with. */
static px_expr plain(px *g, ir_ref r, const px_expr *x, ir_dtype dt)
{
    const ir_node *n = px_node(g, r);
    const row *w = &rows[n->op];
    const char *args = x[0].at;

    switch (w->how) {
    case INFIX: return infix(g, w, x[0], x[1]);
    case SPECIAL: return special(g, r, w, x, dt);
    case CALL:
        if (n->narg == 2)
            args = px_printf(g, "%s, %s", args, x[1].at);
        return called(g, w->word, args);
    default: return px_gap(g, r, "the language has no such function");
    }
}

/* Only moved and compared: any element will do. */
static bool any_element(unsigned op)
{
    return op == OP_EQ || op == OP_NE || op == OP_LT || op == OP_LE;
}

/* Numbers of other elements: converted, computed with, converted back. */
static px_expr foreign(px *g, ir_ref r, const px_expr *x, ir_dtype dt)
{
    ir_dtype to = px_type(g, r)->dtype;
    px_expr y[3];

    if (dt == DT_F64 || (dt == DT_U64 && px_node(g, r)->op >= OP_DIV))
        return px_gap(g, r, dt == DT_F64 ? "the language does not compute with f64 beside f32"
                                         : "the language does not compute with u64");
    for (uint32_t i = 0; i < px_node(g, r)->narg; i++)
        y[i] = x[i].number ? x[i] : called(g, dt_is_float(dt) ? "real" : "int", x[i].at);
    px_expr e = plain(g, r, y, dt);
    return is_own(to) ? e : called(g, px_elem(to), e.at);
}

/* The language's conversions saturate and round up where there is a choice. */
static bool is_other_cast(const ir_node *n)
{
    if (n->op != OP_CAST)
        return false;
    const struct ir_attr_CAST *a = &n->attr->CAST;
    return dt_is_float(a->to) && dt_bits(a->to) == 8 && (!a->saturate || a->rounding);
}

bool px_is_foreign(const px *g, const ir_node *n)
{
    ir_dtype dt = n->narg ? ir_type_of(g->fn, ir_arg(g->fn, n, 0))->dtype : DT_BOOL;
    bool logic = n->op == OP_AND || n->op == OP_OR || n->op == OP_XOR || n->op == OP_NOT;

    if (n->op == OP_REDUCE || n->op == OP_DOT)
        return dt == DT_F64;
    if (is_other_cast(n))
        return true;
    if (!ir_op_scalar(n->op) || n->op == OP_CAST || n->op == OP_SELECT || any_element(n->op))
        return false;
    return rows[n->op].how == NONE || (logic && dt != DT_BOOL) || dt == DT_F64 ||
           (dt == DT_U64 && n->op >= OP_DIV);
}

/* dim != 0: a comparison of extents. */
static bool is_question(const px *g, const ir_node *n)
{
    double flt;
    int64_t whole;

    return n->op == OP_NE && ir_node_of(g->fn, ir_arg(g->fn, n, 0))->op == OP_DIMVAL &&
           px_is_splat(g, ir_arg(g->fn, n, 1), &flt, &whole) && !whole;
}

/* The function of r at `given`, one expression an operand. */
px_expr px_scalar(px *g, ir_ref r, const px_expr *given)
{
    const ir_node *n = px_node(g, r);
    ir_dtype dt = px_type(g, px_arg(g, r, 0))->dtype, to = px_type(g, r)->dtype;
    px_expr x[3] = {{0}};

    for (uint32_t i = 0; i < n->narg && i < COUNT(x); i++)
        x[i] = given[i];
    if (!px_elem(dt) || !px_elem(to))
        return px_gap(g, r, "the language has no such elements");
    if (n->op == OP_KEEP || n->op == OP_DETACH)
        return n->op == OP_KEEP ? x[0] : called(g, "detach", x[0].at);
    if (n->op == OP_CAST)
        return cast_to(g, dt, to, x[0]);
    if (n->op == OP_SELECT)
        return choice(g, to, x[0], x[1], x[2]);
    if (is_question(g, n))
        return px_condition(g, px_node(g, px_arg(g, r, 0))->attr->DIMVAL.dim);
    if (n->narg == 2 && x[0].number && x[1].number && !any_element(n->op))
        x[0] = typed(g, x[0], dt);
    return is_own(dt) || any_element(n->op) ? plain(g, r, x, dt) : foreign(g, r, x, dt);
}
