/* passes/grad_scalar.c - gradients of the scalar functions, from the grad
 * column of scalar.def: each row's expression is compiled here as calls of the
 * builder, over gy, the operands a b c and the result y.  Of a masked gradient gy
 * is what the mask lets through, and all shares but gy itself are masked again. */
#include "grad.h"
#include "rule.h"

/* A value in a column's expression.  A ref alone is a number to C, which would multiply two
 * of them for gy * a, and take tanh of one where a macro is missing: neither compiles of a
 * struct. */
typedef struct term {
    ir_ref ref;
} term;

/* The words `zero` and `none` of the column, as refs that no value has. */
#define ZERO ((term){(ir_ref)-1})
#define MISSING ((term){(ir_ref)-2})

/* An operand of a column's expression: a term, or a literal made a constant of
 * y's type. */
static ir_ref from_term(grad_cx *cx, term y, term x)
{
    (void)cx, (void)y;
    return x.ref;
}

static ir_ref from_double(grad_cx *cx, term y, double v)
{
    return ir_splat(cx->b, ir_type_of(cx->b->fn, y.ref), v);
}

static ir_ref from_int(grad_cx *cx, term y, int v)
{
    return from_double(cx, y, v);
}

/* A row's expression is C text.  mul(gy, sub(1, mul(y, y))) for tanh becomes, by
 * the macros below, nodes of the builder; R makes a ref of whatever an operand is.  These
 * are all the words of the column: another is a line here. */
#define R(x) _Generic((x), term: from_term, double: from_double, int: from_int)(cx, y, x)
#define f1(op, x) ((term){ir_1(cx->b, op, R(x))})
#define f2(op, x, z) ((term){ir_2(cx->b, op, R(x), R(z))})
#define add(x, z) f2(OP_ADD, x, z)
#define sub(x, z) f2(OP_SUB, x, z)
#define mul(x, z) f2(OP_MUL, x, z)
#define div(x, z) f2(OP_DIV, x, z)
#define pow(x, z) f2(OP_POW, x, z)
#define le(x, z) f2(OP_LE, x, z)
#define neg(x) f1(OP_NEG, x)
#define eq(x, z) f2(OP_EQ, x, z)
#define floor(x) f1(OP_FLOOR, x)
#define trunc(x) f1(OP_TRUNC, x)
#define sign(x) f1(OP_SIGN, x)
#define sqrt(x) f1(OP_SQRT, x)
#define exp(x) f1(OP_EXP, x)
#define log(x) f1(OP_LOG, x)
#define sin(x) f1(OP_SIN, x)
#define cos(x) f1(OP_COS, x)
#define sinh(x) f1(OP_SINH, x)
#define cosh(x) f1(OP_COSH, x)
#define select(k, x, z) ((term){ir_select(cx->b, R(k), R(x), R(z))})
#define cast(x) ((term){ir_cast(cx->b, R(x), ir_type_of(cx->b->fn, a.ref)->dtype)})
/* Both operands of min and max have half a share where they are equal. */
#define part(x, z) select(eq(x, z), 0.5, 1)
#define zero (ZERO)
#define none (MISSING)
/* A row with fewer than three operands has fewer shares: the rest is ZERO. */
#define LIST(...) ir_ref share[] = {LIST_N(__VA_ARGS__, ZERO, ZERO, ZERO)}
#define LIST_N(p, q, r, ...) R(p), R(q), R(r)
#define APPLY(f, list) f list

/* A share that is gy itself keeps its mask, so that it is not masked twice. */
#define SCALAR(NAME, text, args, types, result, cost, flags, flt, int_, flt_llvm, int_llvm, grad, \
               ...)                                                           \
    static bool grad_of_##NAME(grad_cx *cx, term a, term b, term c, term y, ir_ref masked) \
    {                                                                         \
        ir_ref mask;                                                          \
        const term gy = {grad_unmask(cx->b, masked, &mask)};                  \
        (void)a, (void)b, (void)c, (void)gy;                                  \
        APPLY(LIST, grad);                                                    \
        const ir_ref operand[] = {a.ref, b.ref, c.ref};                       \
        if (share[0] == MISSING.ref)                                          \
            return false;                                                     \
        for (int i = 0; i < args; i++)                                        \
            if (share[i] == gy.ref)                                           \
                grad_add(cx, operand[i], masked);                             \
            else if (share[i] != ZERO.ref)                                    \
                grad_add(cx, operand[i], grad_mask(cx->b, mask, share[i]));   \
        return true;                                                          \
    }
#include "scalar.def"

typedef bool scalar_rule(grad_cx *cx, term a, term b, term c, term y, ir_ref gy);
static scalar_rule *const rules[] = {
    NULL,
#define SCALAR(NAME, ...) grad_of_##NAME,
#include "scalar.def"
};

/* Of y = select(x <= k, k, x), like relu: the mask is made of y, which is greater than k where
 * x is, so that x need not be kept. */
static bool grad_relu(grad_cx *cx, ir_node n, ir_ref gy)
{
    ir_build *b = cx->b;
    ir_ref k = grad_arg(cx, n, 1), x = grad_arg(cx, n, 2);
    const ir_node *c = rule_is(b, grad_arg(cx, n, 0), OP_LE);
    double v;

    if (!c || ir_arg(b->fn, c, 0) != x || ir_arg(b->fn, c, 1) != k || !rule_splat(b, k, &v))
        return false;
    ir_ref above = ir_1(b, OP_NOT, ir_2(b, OP_LE, n.first, k));
    grad_add(cx, x, grad_mask(b, above, gy));
    return true;
}

bool grad_scalar(grad_cx *cx, ir_node n, const ir_ref *gy)
{
    term arg[3] = {{IR_NONE}, {IR_NONE}, {IR_NONE}};

    if (n.op == OP_SELECT && grad_relu(cx, n, gy[0]))
        return true;

    for (uint32_t i = 0; i < n.narg && i < 3; i++)
        arg[i].ref = grad_arg(cx, n, i);
    return rules[n.op](cx, arg[0], arg[1], arg[2], (term){n.first}, gy[0]);
}
