/* ir/scalar.c - table and values of the scalar functions. */
#include "scalar.h"

#include <math.h>

#include "scalar_value.h"

#define TYPES_ANYN SC_ANYN
#define TYPES_FLT SC_FLT
#define TYPES_INT SC_INT
#define TYPES_ALL SC_ALL
#define RESULT_SAME SC_SAME
#define RESULT_BOOL SC_BOOL
#define RESULT_ATTR SC_ATTR

static const sc_info table[SC_COUNT] = {
    [SC_NONE] = {"none", 0, 0, 0, 0},
#define SCALAR(NAME, text, args, types, result, cost, ...)                     \
    [SC_##NAME] = {text, args, TYPES_##types, RESULT_##result, cost},
#include "scalar.def"
};

const sc_info *sc_of(sc_op op)
{
    ICE_IF((unsigned)op >= SC_COUNT, "scalar function %d", (int)op);
    return &table[op];
}

sc_op sc_find(const char *text, size_t n)
{
    for (int op = 1; op < SC_COUNT; op++)
        if (strlen(table[op].text) == n && !memcmp(table[op].text, text, n))
            return (sc_op)op;
    return SC_NONE;
}

bool sc_accepts(sc_op op, ir_dtype d)
{
    switch ((sc_types)sc_of(op)->types) {
    case SC_ANYN: return dt_is_float(d) || dt_is_int(d);
    case SC_FLT: return dt_is_float(d);
    case SC_INT: return dt_is_int(d) || d == DT_BOOL;
    case SC_ALL: return d != DT_NONE;
    }
    return false;
}

/* The row's `flt` column, compiled: a, b, c are the operands.  Missing operands are
 * 0. */
double sc_eval_flt(sc_op op, double a, double b, double c)
{
    switch (op) {
#define SCALAR(NAME, text, args, types, result, cost, flags, flt, ...)         \
    case SC_##NAME: return flt;
#include "scalar.def"
    case SC_NONE:
    case SC_COUNT: break;
    }
    ICE_IF(true, "scalar function %d", (int)op);
    return 0;
}

int64_t sc_wrap(ir_dtype d, int64_t v)
{
    int bits = d == DT_BOOL ? 1 : dt_bits(d);

    if (bits >= 64)
        return v;
    uint64_t u = (uint64_t)v << (64 - bits);
    return dt_is_signed(d) ? (int64_t)u >> (64 - bits)
                           : (int64_t)(u >> (64 - bits));
}

/* Where an unsigned operand above 2^63 makes a difference; the rest wraps alike,
 * and false says so. */
static bool eval_u64(sc_op op, uint64_t a, uint64_t b, uint64_t *r)
{
    switch (op) {
    case SC_DIV: *r = b ? a / b : 0; return true;
    case SC_REM:
    case SC_MOD: *r = b ? a % b : 0; return true;
    case SC_ABS: *r = a; return true;
    case SC_SIGN: *r = a != 0; return true;
    case SC_MIN: *r = a < b ? a : b; return true;
    case SC_MAX: *r = a > b ? a : b; return true;
    case SC_POW:
        for (*r = 1; b; b >>= 1, a *= a)
            *r *= b & 1 ? a : 1;
        return true;
    case SC_SHR: *r = b < 64 ? a >> b : 0; return true;
    case SC_LT: *r = a < b; return true;
    case SC_LE: *r = a <= b; return true;
    default: return false;
    }
}

/* The row's `int` column. */
static int64_t eval_i64(sc_op op, int64_t a, int64_t b, int64_t c)
{
    switch (op) {
#define SCALAR(NAME, text, args, types, result, cost, flags, flt, int_, ...)   \
    case SC_##NAME: return int_;
#include "scalar.def"
    case SC_NONE:
    case SC_COUNT: break;
    }
    ICE_IF(true, "scalar function %d", (int)op);
    return 0;
}

/* Computed in 64 bits and wrapped to the dtype, so overflow is that of two's
 * complement.  Shifts by more than the width are 0 in all engines, where C and LLVM
 * leave them open. */
int64_t sc_eval_int(sc_op op, ir_dtype d, int64_t a, int64_t b, int64_t c)
{
    uint64_t u;

    if ((op == SC_SHL || op == SC_SHR) && (b < 0 || b >= dt_bits(d)))
        return 0;
    if (!dt_is_signed(d) && eval_u64(op, (uint64_t)a, (uint64_t)b, &u))
        return (int64_t)u;
    int64_t v = eval_i64(op, a, b, c);
    return sc_of(op)->result == SC_BOOL ? v : sc_wrap(d, v);
}

/* Saturates and takes NaN as 0, as generated code does; C leaves both open. */
int64_t sc_int_from_flt(ir_dtype d, double v)
{
    int bits = d == DT_BOOL ? 1 : dt_bits(d);
    bool sign = dt_is_signed(d);
    double top = ldexp(1, sign ? bits - 1 : bits);

    if (isnan(v))
        return 0;
    if (d == DT_BOOL)
        return v != 0;
    if (v >= top)
        return bits == 64 ? (sign ? INT64_MAX : -1) : (int64_t)top - 1;
    if (v < (sign ? -top : 0))
        return !sign ? 0 : bits == 64 ? INT64_MIN : -(int64_t)top;
    return bits == 64 && !sign ? (int64_t)(uint64_t)v : (int64_t)v;
}
