/* export/program_scalar.c - scalar functions of the IR in the language.
 *
 * The language computes with real, int and bool; other elements are converted, computed with
 * and converted back: i32(int(a) + int(b)), which wraps as the IR does. */
#include "program_writer.h"

/* How a function of the IR is written: the columns `say` and `word` of its row. */
typedef enum say { NAMED, FIXED, CALLED, INFIX, SPECIAL, UNSAID } say;
typedef struct phrase {
    say say;
    const char *word;
} phrase;

static const phrase phrases[OP_SCALARS] = {
#define SCALAR(NAME, text, args, types, result, cost, flags, flt, int_, flt_llvm, int_llvm, grad, \
               say, word, ...)                                                                    \
    [OP_##NAME] = {say, #word},
#include "scalar.def"
};

/* How tightly an operator binds. */
static px_level level_of(const char *op)
{
    switch (*op) {
    case '+':
    case '-': return PX_SUM;
    case '*':
    case '/':
    case '%': return PX_TERM;
    case 'a': return PX_AND;
    case 'o': return PX_OR;
    default: return PX_COMPARE;
    }
}

static bool is_own(ir_dtype dt)
{
    return dt == DT_F32 || dt == DT_I64 || dt == DT_BOOL;
}

static px_expr called(px *g, const char *word, const char *args)
{
    return (px_expr){px_printf(g, "%s(%s)", word, args), PX_CALL, false};
}

/* a op b, where b binds tighter than op, and a as tightly but for comparisons. */
static px_expr infix(px *g, const char *op, px_expr a, px_expr b)
{
    px_level level = level_of(op);
    bool strict = level == PX_COMPARE;
    const char *x = px_wrap(g, a, level + strict), *y = px_wrap(g, b, level + 1);

    if (*op == '+' && b.number && b.level == PX_UNARY && *y == '-') {
        op = "-";
        y++;
    }
    return (px_expr){arena_printf(&g->file->mem, "%s %s %s", x, op, y), level,
                     a.number && b.number && level >= PX_SUM};
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

static px_expr logical(px *g, ir_ref r, const char *op, const px_expr *x)
{
    if (px_type(g, r)->dtype != DT_BOOL)
        return px_gap(g, r, "the language has no bits of integers");
    if (px_node(g, r)->op != OP_NOT)
        return infix(g, op, x[0], x[1]);
    return (px_expr){px_printf(g, "not %s%s", px_wrap(g, x[0], PX_NOT), ""), PX_NOT, false};
}

/* Those that are neither a call nor an operator of the same meaning. */
static px_expr special(px *g, ir_ref r, const char *word, const px_expr *x, ir_dtype dt)
{
    switch (px_node(g, r)->op) {
    case OP_DIV: return dt_is_float(dt) ? infix(g, word, x[0], x[1]) : quotient(g, x[0], x[1]);
    case OP_REM: return remainder_of(g, x[0], x[1], dt);
    case OP_NEG:
        return (px_expr){px_printf(g, "-%s%s", px_wrap(g, x[0], PX_UNARY), ""), PX_UNARY,
                         x->number};
    case OP_POW:
        return (px_expr){px_printf(g, "%s^%s", px_wrap(g, x[0], PX_CALL),
                                   px_wrap(g, x[1], PX_UNARY)), PX_POWER, false};
    case OP_FMA: return infix(g, "+", infix(g, "*", x[0], x[1]), x[2]);
    default: return logical(g, r, word, x);
    }
}

/* The function of elements that the language computes with. */
static px_expr plain(px *g, ir_ref r, const px_expr *x, ir_dtype dt)
{
    const ir_node *n = px_node(g, r);
    const phrase *w = &phrases[n->op];
    const char *args = x[0].at;

    switch (w->say) {
    case INFIX: return infix(g, w->word, x[0], x[1]);
    case SPECIAL: return special(g, r, w->word, x, dt);
    case NAMED:
    case FIXED:
    case CALLED:
        if (n->narg == 2)
            args = px_printf(g, "%s, %s", args, x[1].at);
        return called(g, w->word, args);
    case UNSAID: break;
    }
    return px_gap(g, r, "the language has no such function");
}

/* Only moved and compared: any element will do. */
static bool any_element(unsigned op)
{
    return op == OP_EQ || op == OP_NE || op == OP_LT || op == OP_LE;
}

/* Does the function of integers give the same bits for signed and unsigned ones? */
static bool wraps_alike(unsigned op)
{
    return op == OP_ADD || op == OP_SUB || op == OP_MUL;
}

/* Numbers of other elements: converted, computed with, converted back. */
static px_expr foreign(px *g, ir_ref r, const px_expr *x, ir_dtype dt)
{
    ir_dtype to = px_type(g, r)->dtype;
    px_expr y[3];

    if (dt == DT_F64 || (dt == DT_U64 && !wraps_alike(px_node(g, r)->op)))
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
    return phrases[n->op].say == UNSAID || (logic && dt != DT_BOOL) || dt == DT_F64 ||
           (dt == DT_U64 && !wraps_alike(n->op));
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
