/* export/onnx_writer.h - what the writers of nodes share.
 *
 * A writer turns one node of the tensor IR into nodes of ONNX: it names operands by
 * ox_arg, adds nodes by ox_1 .. ox_3 or ox_add, and puts the names of the results into
 * `out`.  Names are unique in the file, so that a region sees what is around it by name. */
#ifndef INGOT_ONNX_WRITER_H
#define INGOT_ONNX_WRITER_H

#include "ir.h"
#include "onnx.pb-c.h"

/* What all graphs of a file share.  A constant or symbol that was written once is
 * named from then on, regions included, since those see the names around them. */
typedef struct ox_file {
    const ir_module *m;
    diag *d;
    arena mem;
    names used;                         /* all names of the file */
    uint32_t counter;
    const char **constant;              /* by constant: its initializer, or null */
    const char **symbol;                /* by symbol: an i64[] value that holds it, or null */
    VEC(Onnx__TensorProto *) init;
} ox_file;

/* A graph in the making: of the entry or of a region. */
typedef struct ox {
    ox_file *file;
    const ir_fn *fn;
    const char **name;                  /* by value of fn */
    VEC(Onnx__NodeProto *) node;
} ox;

/* Writes node n; its results' names go to out.  False after ox_gap. */
typedef bool ox_writer(ox *g, const ir_node *n, const char **out);
/* The writer of n's op, if there is one and the types of n's values can be said. */
bool ox_node(ox *g, const ir_node *n, const char **out);
/* Reports what ONNX cannot say; false. */
bool ox_gap(ox *g, const ir_node *n, const char *reason);

static inline const char *ox_arg(const ox *g, const ir_node *n, uint32_t i)
{
    return g->name[ir_arg(g->fn, n, i)];
}
static inline const ir_type *ox_type(const ox *g, const ir_node *n, uint32_t i)
{
    return ir_type_of(g->fn, ir_arg(g->fn, n, i));
}

/* A new name; a node of one result, or of more, and attributes of it. */
const char *ox_new_name(ox *g);
Onnx__NodeProto *ox_add(ox *g, const char *op, const char *const *in, size_t nin, size_t nout);
const char *ox_result(const Onnx__NodeProto *p);
const char *ox_1(ox *g, const char *op, const char *x);
const char *ox_2(ox *g, const char *op, const char *x, const char *y);
const char *ox_3(ox *g, const char *op, const char *x, const char *y, const char *z);
void ox_int(ox *g, Onnx__NodeProto *p, const char *name, int64_t v);
void ox_ints(ox *g, Onnx__NodeProto *p, const char *name, const int64_t *v, size_t n);
void ox_text(ox *g, Onnx__NodeProto *p, const char *name, const char *v);
void ox_graph(ox *g, Onnx__NodeProto *p, const char *name, Onnx__GraphProto *v);

/* Constants: i64[], i64[n], and a scalar of any dtype. */
const char *ox_i64(ox *g, int64_t v);
const char *ox_i64s(ox *g, const int64_t *v, size_t n);
const char *ox_number(ox *g, ir_dtype dt, double v);
/* A constant of the module. */
const char *ox_constant(ox *g, uint32_t id);
/* A dim as i64[]; dims as i64[n]. */
const char *ox_dim(ox *g, ir_dim d);
const char *ox_dims(ox *g, const ir_dim *d, int n);
/* Are all of them numbers?  v gets these. */
bool ox_known(const ox *g, ir_dims d, int64_t *v);

/* Usual nodes. */
const char *ox_cast(ox *g, const char *x, ir_dtype dt);
const char *ox_reshape(ox *g, const char *x, const ir_dim *d, int rank);
const char *ox_transpose(ox *g, const char *x, const int32_t *perm, int rank);
/* Extents of x at this axis, i64[]. */
const char *ox_extent(ox *g, const char *x, int axis);
/* x with `value` around it; negative numbers cut. */
const char *ox_pad(ox *g, const char *x, const char *low_high, const char *value);

/* x of this shape with `inner` values between neighbours along the axis: an axis behind it is
 * padded and joined with it, then the last ones are cut off.  The shape follows. */
const char *ox_spread(ox *g, const char *x, ir_dim *shape, int rank, int axis, ir_dim inner,
                      const char *value);

/* Graphs (onnx_export.c): that of region f, its parameters named by `param`, its nodes
 * written in *inner, null after gaps; nodes of g's function; one more input or output of a
 * graph; the nodes into the graph, which ends g. */
Onnx__GraphProto *ox_region(ox *g, const ir_fn *f, const char *const *param, ox *inner);
bool ox_run(ox *g);
void ox_region_io(ox *g, Onnx__ValueInfoProto ***list, size_t *n, const char *name,
                  const ir_type *t);
void ox_finish(ox *g, Onnx__GraphProto *p, const char *name);

/* How nodes are written: scalar functions by ox_scalar, others as the column onnx of ops.def
 * says. */
ox_writer ox_scalar;
#define OP(NAME, text, nin, nres, infer, eval, grad, onnx, ...) ox_writer ox_##onnx;
#include "ops.def"

#endif
