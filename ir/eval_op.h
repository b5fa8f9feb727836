/* ir/eval_op.h - what the op families of ir/op/ share with the evaluator.
 *
 * An evaluation function reads c->in and sets every c->out to a value that it
 * owns one reference of (eval_new, eval_keep).  On failure it calls eval_fail
 * and returns false; results already set are dropped by the caller. */
#ifndef INGOT_EVAL_OP_H
#define INGOT_EVAL_OP_H

#include "build.h"
#include "eval.h"
#include "num.h"

/* One node being evaluated: in[i] are the values of its operands, out[i] become those of its
 * results. */
typedef struct ir_call {
    ir_eval *e;
    const ir_fn *fn;
    const ir_node *n;
    const ir_attr *attr;
    ir_val *const *in;
    uint32_t nin;
    ir_val **out;
    ir_val *const *param;           /* of the running function */
} ir_call;

#define OP(NAME, text, nin, nres, infer, eval, ...) bool ir_eval_##eval(ir_call *c);
#include "ops.def"
bool ir_eval_scalar(ir_call *c);

/* Sets e->error (the first one stays); always false. */
bool eval_fail(ir_eval *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Spends n steps of the budget. */
bool eval_charge(ir_eval *e, int64_t n);
/* Values of dims; false if a symbol is not known yet or on overflow. */
bool eval_dim(ir_eval *e, ir_dim d, int64_t *out);
bool eval_dims(ir_eval *e, ir_dims d, int64_t *out);
bool eval_dim_known(ir_eval *e, ir_dim d, int64_t *out);    /* no error if not known */
/* Symbols set after a mark are forgotten again. */
uint32_t eval_mark(const ir_eval *e);
void eval_forget(ir_eval *e, uint32_t mark);
bool eval_symbol_set(ir_eval *e, uint32_t symbol, int64_t value);
/* Runs a region or called function; out: one owned reference per result. */
bool eval_region(ir_eval *e, const ir_fn *fn, ir_val *const *in, ir_val **out);

/* A tensor with one reference, its data not set.  Null (with e->error) when an
 * extent is negative, the size is out of bounds or the budget spent. */
ir_val *eval_new(ir_eval *e, ir_dtype dtype, int rank, const int64_t *dim);
ir_val *eval_like(ir_eval *e, const ir_val *x, ir_dtype dtype);
/* The data of x seen with another shape of as many elements. */
ir_val *eval_view(ir_eval *e, ir_val *x, int rank, const int64_t *dim);
/* A sequence or optional of n items, the items kept. */
ir_val *eval_items(ir_eval *e, ir_kind kind, ir_val *const *item, uint32_t n);
ir_val *eval_keep(ir_val *v);
void eval_drop(ir_val *v);
/* Memory for temporaries, to be freed by mem_free; null (with e->error) when
 * it is too large. */
void *eval_scratch(ir_eval *e, int64_t count, int64_t size);

static inline uint8_t *val_at(const ir_val *v, int64_t i)
{
    return v->data + i * dt_size(v->dtype);
}

static inline int64_t val_int(const ir_val *v, int64_t i)
{
    return num_load_int(v->dtype, val_at(v, i));
}

/* ---- walking indices -------------------------------------------------------- */

/* Row-major strides in elements; returns the element count. */
int64_t strides_of(int rank, const int64_t *dim, int64_t *stride);

/* An odometer over dims with up to three linear offsets moved along. */
enum { WALKS = 3 };
typedef struct walk {
    int rank;
    int64_t left;                   /* positions still to come, this one included */
    int64_t dim[IR_MAX_RANK], at[IR_MAX_RANK];
    int64_t stride[WALKS][IR_MAX_RANK], off[WALKS];
} walk;
void walk_init(walk *w, int rank, const int64_t *dim);   /* strides zero */
void walk_next(walk *w);

/* n elements of `size` bytes from strides in bytes to strides in bytes. */
void copy_run(int64_t n, int size, uint8_t *dst, int64_t ds, const uint8_t *src, int64_t ss);
/* dst[i . dst_stride] = src[i . src_stride] for all i in dim; strides in
 * elements of `size` bytes. */
void copy_strided(int rank, const int64_t *dim, int size, uint8_t *dst,
                  const int64_t *dst_stride, const uint8_t *src,
                  const int64_t *src_stride);

/* x with low, high and inner (between each two) elements `value` added. */
ir_val *pad_value(ir_eval *e, const ir_val *x, const uint8_t *value, const int64_t *low,
                  const int64_t *high, const int64_t *inner);

/* ---- checking operands in ir_infer_* ------------------------------------------- */

const ir_type *in_type(const ir_infer *in, uint32_t i);
const char *in_name(const ir_infer *in);
bool in_fail(const ir_infer *in, const char *attr, const char *what); /* D_ATTR */
bool in_expect(const ir_infer *in, uint32_t i, const char *expected); /* D_DTYPE */
bool in_tensor(const ir_infer *in, uint32_t i);             /* operand is a tensor */
bool in_tensors(const ir_infer *in);                        /* all are */
bool in_rank(const ir_infer *in, uint32_t i, int rank);
bool in_dtype(const ir_infer *in, uint32_t i, ir_dtype d);
bool in_integer(const ir_infer *in, uint32_t i);
bool in_number(const ir_infer *in, uint32_t i);
bool in_same_dtype(const ir_infer *in, uint32_t i, uint32_t j);
bool in_axis(const ir_infer *in, int64_t axis, int rank);
/* Axes in range and each at most once; `expect` < 0: any number of them. */
bool in_axes(const ir_infer *in, const char *attr, ir_ints axes, int rank, int expect);
bool in_dims(const ir_infer *in, const char *attr, ir_dims d, int expect);
/* False (D_SHAPE at `axis`) when the dims are known to differ. */
bool in_agree(const ir_infer *in, int axis, ir_dim a, ir_dim b);
bool in_agree_or_1(const ir_infer *in, int axis, ir_dim a, ir_dim b);   /* a may be 1 */
bool in_inner(const ir_infer *in, ir_dim a, ir_dim b);      /* the same, D_SHAPE_INNER */
/* Of two dims that must be equal the more precise: a constant if there is one. */
ir_dim in_known_of(const ir_infer *in, ir_dim a, ir_dim b);
bool in_equal(const ir_infer *in, int axis, ir_dim a, ir_dim b); /* must be the same dim */
/* One result; checks the rank. */
bool in_result(ir_infer *in, ir_dtype dtype, int rank, const ir_dim *dim);
static inline bool in_type_result(ir_infer *in, const ir_type *t)
{
    in->out[in->nres++] = t;
    return true;
}
static inline dim_table *in_table(const ir_infer *in)
{
    return &in->b->m->dims;
}
#endif
