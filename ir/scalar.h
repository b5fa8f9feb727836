/* ir/scalar.h - the scalar functions: one enum value per row of scalar.def.
 * Their values in double and in wrapping 64-bit integers are the meaning that
 * the tensor evaluator and the loop evaluator share. */
#ifndef INGOT_SCALAR_H
#define INGOT_SCALAR_H

#include "dtype.h"

typedef enum sc_op {
    SC_NONE,
#define SCALAR(NAME, ...) SC_##NAME,
#include "scalar.def"
    SC_COUNT
} sc_op;

typedef enum sc_types { SC_ANYN, SC_FLT, SC_INT, SC_ALL } sc_types;
typedef enum sc_result { SC_SAME, SC_BOOL, SC_ATTR } sc_result;

typedef struct sc_info {
    const char *text;
    int8_t args;
    int8_t types;                /* sc_types of the operands */
    int8_t result;               /* sc_result */
    int8_t cost;                 /* of an element, in additions */
} sc_info;

const sc_info *sc_of(sc_op op);
#define sc_text(op) (sc_of(op)->text)
sc_op sc_find(const char *text, size_t n);     /* SC_NONE if unknown */

/* Are operands of this dtype allowed?  (`select`: the last two operands.) */
bool sc_accepts(sc_op op, ir_dtype d);

/* Value over double, not yet rounded to the dtype.  Booleans are 0 and 1. */
double sc_eval_flt(sc_op op, double a, double b, double c);

/* Value over integers of dtype d (signed, unsigned or bool), wrapped to d's
 * width; u64 travels as its bits.  Division by zero gives 0, shift counts of
 * the width or more give 0 (-1 never: an arithmetic shift of a negative, too). */
int64_t sc_eval_int(sc_op op, ir_dtype d, int64_t a, int64_t b, int64_t c);

/* v cut to the width of d and extended again by its signedness. */
int64_t sc_wrap(ir_dtype d, int64_t v);

/* Double to integer dtype: saturates, NaN gives 0. */
int64_t sc_int_from_flt(ir_dtype d, double v);

#endif
