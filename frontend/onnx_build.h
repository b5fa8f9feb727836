/* frontend/onnx_build.h - what an operator's builder sees.
 *
 * To add an operator: write `bool onnx_<name>(onnx_op *n)` in the family's
 * file under onnx/, and a row in onnx_ops.def for every version that changed
 * its meaning; one of a domain that is not the standard's needs a SIGNATURE
 * there, too.  The builder reads operands with onnx_in(n, i) (IR_NONE if
 * absent), attributes with onnx_int and its kin, makes nodes with build.h
 * through n->b, and ends with `return onnx_out(n, 0, x)`.  An error is
 * `return onnx_fail(n, ...)`, a gap in what we support onnx_gap(n, reason). */
#ifndef INGOT_ONNX_BUILD_H
#define INGOT_ONNX_BUILD_H

#include "control.h"
#include "onnx.pb-c.h"

typedef struct onnx_scope onnx_scope;

/* A node whose builder runs.  Example: `y = Clip(x)` of opset 13 has domain "", version 13,
 * since 11 (the row that serves it), nin 1, nout 1. */
typedef struct onnx_op {
    ir_build *b;
    onnx_scope *scope;
    const Onnx__NodeProto *p;
    const char *domain;
    int64_t version;        /* opset of the domain */
    int since;              /* of the row */
    int nin, nout;          /* as written, absent ones included */
    ir_ref *out;            /* nout refs, IR_NONE at first */
    const char *place;      /* "node 17 'conv1'" */
} onnx_op;

typedef bool onnx_builder(onnx_op *n);

/* Operand i, IR_NONE if absent. */
ir_ref onnx_in(onnx_op *n, int i);
static inline bool onnx_has(onnx_op *n, int i) { return onnx_in(n, i) != IR_NONE; }
/* Is output i read by nothing, but a result of the model?  Then its axes in `loose`, a bit
 * each, are left out by a run whose extents there are 1.  False: it is not. */
bool onnx_loose(onnx_op *n, int i, uint32_t loose);
bool onnx_wants(const onnx_op *n, int i);      /* is output i named? */
/* Sets output i; false if x is IR_NONE. */
bool onnx_out(onnx_op *n, int i, ir_ref x);

/* Errors at the node; always false. */
bool onnx_fail(onnx_op *n, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool onnx_gap(onnx_op *n, const char *reason);

/* Attributes: null or the default if absent. */
const Onnx__AttributeProto *onnx_attr(onnx_op *n, const char *name);
int64_t onnx_int(onnx_op *n, const char *name, int64_t otherwise);
double onnx_float(onnx_op *n, const char *name, double otherwise);
/* A text that must be one of `choices` ("none add mul"); the first if absent or
 * empty, and after an error. */
const char *onnx_choice(onnx_op *n, const char *name, const char *choices);
/* The same as a number, from 0. */
int onnx_choice_index(onnx_op *n, const char *name, const char *choices);
/* Integers of a list; *len = -1 if absent. */
const int64_t *onnx_ints(onnx_op *n, const char *name, int *len);
const float *onnx_floats(onnx_op *n, const char *name, int *len);

/* Types of operands.  A missing operand is an error at the node and looks like
 * a scalar, an axis that x has not is one and looks like 1: the builder goes
 * on, and what it makes is thrown away. */
const ir_type *onnx_type(onnx_op *n, ir_ref x);
const ir_type *onnx_type_in(ir_build *b, ir_ref x);     /* inside a region */
ir_dim onnx_dim(onnx_op *n, ir_ref x, int axis);
static inline int onnx_rank(onnx_op *n, ir_ref x) { return onnx_type(n, x)->rank; }
static inline ir_dtype onnx_dtype(onnx_op *n, ir_ref x) { return onnx_type(n, x)->dtype; }
static inline dim_table *onnx_dims(onnx_op *n) { return &n->b->m->dims; }
/* Are inputs read with any number of rows in place of the file's?  Those, and that. */
bool onnx_any_rows(const onnx_op *n, ir_dim *rows, int64_t *fixed);
/* -rank <= axis < rank to 0..; false with an error if not. */
bool onnx_axis(onnx_op *n, int64_t axis, int rank, int *out);
/* x in these extents: an error that names it if it has others, a check of the run
 * where they are not known to agree.  IR_NONE if x is that, or after an error. */
ir_ref onnx_shaped(onnx_op *n, const char *name, ir_ref x, const ir_dim *shape, int rank);
/* A list of constant integers: the attribute, or operand i if there is none.
 * -1 in *len: neither is there.  False if the operand is no constant. */
bool onnx_int_list(onnx_op *n, const char *attr, int i, int64_t *out, int max, int *len);
/* Elements of an integer operand as dims, each bound if it is not known; its
 * extent must be constant and at most max. */
bool onnx_dim_list(onnx_op *n, int i, ir_dim *out, int max, int *len);
/* Are the sizes of parts not negative, and their sum the extent?  Checked by the run where
 * only that knows. */
bool onnx_parts_fit(onnx_op *n, const ir_dim *size, int len, ir_dim extent);
/* x, or the constant that a weight is which a gradient is asked for by: for operands that
 * must be known. */
ir_ref onnx_plain(onnx_op *n, ir_ref x);
/* Is the bool[] x known?  What it is. */
bool onnx_known_bool(const ir_build *b, ir_ref x, bool *v);
/* A constant tensor operand's value as a double (scalar or one element). */
bool onnx_const_float(onnx_op *n, int i, double *out);

/* x as sums of it are kept: halves and bfloat16 in f32, others as they are.  What divides
 * or takes a root of a sum rounds once, when it goes back to x's type. */
ir_ref onnx_widened(onnx_op *n, ir_ref x);
/* What x of halves or bfloat16 was before it was rounded to them, moved as x is, in f32:
 * of reshape(cast y) it is reshape(y).  IR_NONE if x is no such value. */
ir_ref onnx_before_rounding(onnx_op *n, ir_ref x);
/* Sets output i to y in this element type. */
bool onnx_out_as(onnx_op *n, int i, ir_ref y, ir_dtype dt);
/* A scalar constant of x's type. */
ir_ref onnx_like(onnx_op *n, ir_ref x, double value);
/* The same broadcast to x's shape. */
ir_ref onnx_splat_like(onnx_op *n, ir_ref x, double value);
/* log(1 + exp(x)) as max(x, 0) + log1p(exp(-|x|)), which never overflows. */
ir_ref onnx_log1p_exp(ir_build *b, ir_ref x);
/* y where x is positive or NaN, else low: at 0 the slope is that of low. */
ir_ref onnx_if_positive(ir_build *b, ir_ref x, ir_ref y, ir_ref low);
/* max(x, 0) with slope 0 at 0. */
ir_ref onnx_relu_of(ir_build *b, ir_ref x);

/* The softmax of x along the axis, or its logarithm. */
ir_ref onnx_softmax_of(onnx_op *n, ir_ref x, int axis, bool log);
/* x * w + bias (or none), with the windows and groups of the node's attributes. */
ir_ref onnx_convolution(onnx_op *n, ir_ref x, ir_ref w, ir_ref bias);
/* The convolution u8[N,C,D..] * i8[K,C,R..] by the node's attributes as sums i32[N,O..,K],
 * with the u8[] `outside` around the image; IR_NONE where it has many small groups.  False
 * after an error. */
bool onnx_convolution_of_bytes(onnx_op *n, ir_ref x, ir_ref w, ir_ref outside, ir_ref *sum);

/* A tensor in the file as a constant; IR_NONE after an error. */
ir_ref onnx_tensor(onnx_op *n, const Onnx__TensorProto *t);
/* The same as the node's result, which may be a weight. */
ir_ref onnx_tensor_weight(onnx_op *n, const Onnx__TensorProto *t);

/* Is the model a function of a program, called where `training` is true or false? */
bool onnx_in_function(const onnx_op *n, bool *training);
/* How often the model ran before, u64[2], low word first, in steps of 2^64: a counter for
 * random numbers that differ from run to run. */
ir_ref onnx_runs(onnx_op *n);

/* Control flow (onnx_graph.c). */
const Onnx__GraphProto *onnx_graph_attr(onnx_op *n, const char *name);
/* Builds a graph's nodes in place, its inputs bound to `in`; its outputs go to
 * out (n_output refs). */
bool onnx_inline(onnx_op *n, const Onnx__GraphProto *g, const ir_ref *in, ir_ref *out);

/* The value of that name, made again by the nodes of the graph around n where `names`,
 * of its values, are `in`; IR_NONE after an error. */
ir_ref onnx_made_again(onnx_op *n, const char *const *names, const ir_ref *in, int count,
                       const char *name);

/* The scope of region number `region` of a control node in the making, to be freed by
 * scope_free: names of the graph around n are captured as the region asks for them. */
onnx_scope *onnx_region_scope(onnx_op *n, ir_captures *c, int region);
/* Makes a graph's nodes in a region, its inputs bound to `in`; its outputs go to out. */
bool onnx_region_graph(onnx_op *n, onnx_scope *s, const Onnx__GraphProto *g, const ir_ref *in,
                       ir_ref *out);

#define ONNX(domain, op, since, build) onnx_builder onnx_##build;
#include "onnx_ops.def"

#endif
