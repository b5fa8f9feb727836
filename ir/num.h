/* ir/num.h - one element of any dtype: load, store, round, cast, unpack.
 *
 * Numbers are computed in double or in 64-bit integers and rounded to the
 * dtype on store.  Memory elements: sub-byte types take a byte each (signed
 * ones sign-extended); a string is a num_str; complex numbers are two floats
 * and can only be moved and compared. */
#ifndef INGOT_NUM_H
#define INGOT_NUM_H

#include "dtype.h"

typedef struct num_str {
    const char *at;         /* not terminated */
    size_t n;
} num_str;

/* How a cast treats what does not fit.  Integers always saturate. */
typedef enum num_rounding { NUM_UP, NUM_DOWN, NUM_NEAREST } num_rounding;
typedef struct num_mode {
    bool saturate;          /* fp8: the greatest finite value, else NaN or inf */
    num_rounding rounding;  /* of f8e8m0 only */
} num_mode;

double num_load_flt(ir_dtype d, const void *p);      /* numeric dtypes and bool */
int64_t num_load_int(ir_dtype d, const void *p);     /* integers and bool; u64 as its bits */
void num_store_flt(ir_dtype d, void *p, double v);   /* floating: nearest even, not saturating */
void num_store_int(ir_dtype d, void *p, int64_t v);  /* integers and bool: wraps */
double num_round(ir_dtype d, double v);              /* to a value of a floating dtype */

/* One element converted: float to integer saturates (NaN: 0), integers wrap,
 * to bool is != 0.  Complex and strings only to themselves. */
void num_cast(ir_dtype from, const void *src, ir_dtype to, void *dst, num_mode mode);

/* Equality of elements of one dtype as `eq` sees it (NaN differs from itself). */
bool num_equal(ir_dtype d, const void *a, const void *b);

/* Element i of file-packed data as a memory element, and back (the low bits of
 * a byte come first).  pack needs zeroed bytes. */
void num_unpack(ir_dtype d, const uint8_t *packed, int64_t i, void *element);
void num_pack(ir_dtype d, uint8_t *packed, int64_t i, const void *element);
/* Bytes of n packed elements; -1 on overflow. */
int64_t num_packed_size(ir_dtype d, int64_t n);

#endif
