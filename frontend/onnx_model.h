/* frontend/onnx_model.h - one import in progress: the file, the scopes of
 * names.  Private to frontend/onnx_*.c. */
#ifndef INGOT_ONNX_MODEL_H
#define INGOT_ONNX_MODEL_H

#include "onnx.h"
#include "onnx_build.h"
#include "train_abi.h"

/* External data, mapped as long as the process runs. */
typedef struct onnx_file {
    const uint8_t *data;
    size_t size;
} onnx_file;

/* One import: the file as it was read, what the caller wants of it, the module in the making,
 * and what has to be bounded, since a short file may ask for endless work. */
typedef struct onnx_model {
    const char *name;               /* of the file, for messages */
    const char *folder;             /* of external data; null: none allowed */
    const uint8_t *data;
    size_t size;
    const import_options *options;
    ir_module *m;
    const char *function_name;      /* of what is made in a module that is there already */
    diag *d;
    Onnx__ModelProto *proto;
    names functions;                /* by key: the model's own functions */
    VEC(const Onnx__FunctionProto *) function;
    names initializers;             /* of the main graph, by name */
    VEC(const Onnx__TensorProto *) initializer;
    bool frees_rows;                /* first extents of inputs are `any_rows`, */
    ir_dim any_rows;
    int64_t rows;                   /* in place of this number of the file */
    names settings;                 /* values of the main graph that are never weights */
    names files;                    /* of external data, by location */
    VEC(onnx_file) file;
    bool *dim_used;                 /* by option --dim: does it name a dim? */
    uint64_t weights;               /* bytes referenced so far */
    uint64_t nodes;                 /* made so far, functions expanded */
    int depth;                      /* of inlined functions and subgraphs */
    int copies;                     /* continuations sunk into branches */
    uint32_t runs;                  /* the state that counts runs; IR_NONE: none does */
    names loose;                    /* outputs some of whose axes go where their extent is 1, */
    VEC(uint32_t) loose_axes;       /* those, a bit each */
    bool in_program;                /* one node of a program, at whose text messages stand */
    bool trains;                    /* its training_info is built, not the entry main: */
    const Onnx__GraphProto *step;   /* the graph of a step; null: the file has none */
    struct ingot_trainer *trainer;  /* what became of it, with one block */
    struct ingot_train_block *block;
    bool offers;                    /* weights that are listed as inputs are optional inputs */
} onnx_model;

/* Names of one graph (or function body).  What a scope does not know it looks up in its
 * parent, which makes nodes with the same builder, or, in the region of a node, in the
 * scope around that node: then the region captures it. */
struct onnx_scope {
    onnx_model *model;
    onnx_scope *parent;             /* null in a region */
    onnx_scope *around;             /* of the node whose region this is, or null */
    ir_captures *captures;          /* of that node, */
    int region;                     /* which has this as its region of this number */
    ir_build *b;
    names names;
    VEC(ir_ref) ref;                /* by name id; IR_NONE: could not be made */
    const Onnx__FunctionProto *function;    /* whose body this is, or null */
    const onnx_op *call;            /* the node that called it */
    /* the graph whose nodes are being made, and what is still to be made */
    const Onnx__GraphProto *graph;
    const uint32_t *order;
    uint32_t next;
    ir_ref *sunk;                   /* outputs, once the rest was sunk */
};

void scope_set(onnx_scope *s, const char *name, ir_ref r);
/* The value of that name; false if there is none.  It is IR_NONE if it could not be made. */
bool scope_find(onnx_scope *s, const char *name, ir_ref *r);
void scope_free(onnx_scope *s);
int64_t scope_version(const onnx_scope *s, const char *domain);

/* A text that a file may leave out is empty then. */
static inline const char *text_or(const char *s) { return s ? s : ""; }

/* A file in memory, as long as the process runs; null, and *why, if it cannot
 * be read or is empty. */
const uint8_t *onnx_map(const char *path, size_t *size, const char **why);
/* A message of `packed` bytes, whose memory is bounded by their number, since a few bytes can
 * stand for many messages; null if it is none.  onnx_free in any case. */
Onnx__ModelProto *onnx_unpack(const void *packed, size_t size);
void onnx_free(Onnx__ModelProto *p);
/* A tensor of the file as a constant of the module: index, or IR_NONE after an
 * error at loc. */
uint32_t onnx_load_tensor(onnx_model *x, const Onnx__TensorProto *t, ir_loc loc);
static inline bool onnx_is_external(const Onnx__TensorProto *t)
{
    return t->has_data_location && t->data_location == 1;
}
/* The bytes of such a tensor, in a file of the model's folder that stays mapped; false after an
 * error. */
bool onnx_external_data(onnx_model *x, const Onnx__TensorProto *t, const uint8_t **data,
                        size_t *size);
/* Where files of external data lie: the folder of `path`, in d's memory. */
const char *onnx_folder_of(const char *path, diag *d);
/* Constant `id` as a value of s, by the name it has in the file; apart from constants where
 * gradients are asked for by it. */
ir_ref onnx_weight(onnx_scope *s, const char *name, uint32_t id);
/* The input of a function that tells its calls apart, as a value of s; IR_NONE: in a region of a
 * model-local function there is no way to it. */
ir_ref onnx_runs_input(onnx_scope *s);
/* Lists the values of a graph that are never weights, as running variances. */
void onnx_list_settings(onnx_model *x, const Onnx__GraphProto *g);
/* Type of a value_info; `input` names unnamed extents.  Null after an error. */
const ir_type *onnx_load_type(onnx_model *x, const Onnx__TypeProto *t, const char *input,
                              ir_loc loc);

/* Lists the initializers of the main graph by name. */
void onnx_list_initializers(onnx_model *x, const Onnx__GraphProto *g);
/* Has the graph inputs that are initializers where they are left out? */
bool onnx_offers_defaults(const onnx_model *x, const Onnx__GraphProto *g);
/* Adds the entry's parameters: the inputs that are no constants, nor known to the scope. */
bool onnx_load_inputs(onnx_scope *s, const Onnx__GraphProto *g, ir_loc loc);
/* Does each --dim name a dim?  After the inputs are loaded. */
bool onnx_check_dims(onnx_model *x);
/* One more run of an entry, for operators that draw. */
void onnx_count_run(onnx_model *x, ir_build *b);
/* Builds the graph as the entry `main`; false if anything is wrong or missing. */
bool onnx_build_main(onnx_model *x, const Onnx__GraphProto *g);

/* Puts the head into p, of which nothing but p itself is changed (onnx_head.c); false: it
 * cannot. */
bool onnx_end_with(Onnx__ModelProto *p, const onnx_head *head, arena *mem);

/* The graph of a step of the file's training; null: it has none. */
const Onnx__GraphProto *onnx_step_graph(onnx_model *x);
/* Builds the entries of its training, and x->trainer. */
bool onnx_build_step(onnx_model *x);

/* A version of an operator: how a row of a table about operators begins. */
typedef struct onnx_version {
    const char *domain, *op;
    int since;
} onnx_version;

/* The row with the greatest `since` that the version reaches, in a table of
 * `count` rows of `size` bytes sorted by domain, operator, since; or null. */
const void *onnx_find_version(const void *table, size_t count, size_t size, const char *domain,
                              const char *op, int64_t version);
#define ONNX_FIND(table, domain, op, version) \
    onnx_find_version(table, COUNT(table), sizeof *(table), domain, op, version)

/* Has the node the operands, results and attributes of its operator? */
bool onnx_check_node(onnx_op *n, const char *domain);
/* Is the attribute of this type?  An error at the node if not. */
bool onnx_has_type(onnx_op *n, const Onnx__AttributeProto *a,
                   Onnx__AttributeProto__AttributeType type);
/* The kind of an attribute ("f", "is", ..) by the operator's signature; false if it has
 * none of this name. */
bool onnx_attribute_kind(const char *domain, const char *op, int64_t version, const char *name,
                         char kind[4]);
/* Builds the node, whose operands are there, by the row of its operator. */
bool onnx_dispatch(onnx_op *n);

/* Before any graph is run. */
void onnx_list_functions(onnx_model *x);
bool onnx_run_graph(onnx_scope *s, const Onnx__GraphProto *g, ir_ref *out);
/* The nodes from s->next on, then the outputs. */
bool onnx_run_rest(onnx_scope *s, ir_ref *out);

#endif
