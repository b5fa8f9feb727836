/* frontend/onnx.h - ONNX files to tensor IR. */
#ifndef INGOT_ONNX_H
#define INGOT_ONNX_H

#include "build.h"
#include "import.h"
#include "train_abi.h"

/* The model as a module with the entry `main`.  Null after errors; what is
 * unsupported was recorded for the whole model at once.  The file stays mapped
 * as long as the process runs: constants refer to it. */
ir_module *onnx_import(const char *path, const import_options *o, diag *d);
/* The training_info of the model: entries of its step, and the record of what to call when, which
 * has one block, `learn`, without sources of data; both live as long as the module.  Rows are the
 * first axis of inputs, and any.  Null after errors. */
ir_module *onnx_import_training(const char *path, const import_options *o,
                                struct ingot_trainer **trainer, struct ingot_train_block **block,
                                diag *d);
/* From memory that outlives the module; external data are refused. */
ir_module *onnx_import_training_memory(const uint8_t *data, size_t size, const char *name,
                                       const import_options *o, struct ingot_trainer **trainer,
                                       struct ingot_train_block **block, diag *d);
/* A file's model as one more function of a module, not an entry.  Null after errors. */
ir_fn *onnx_import_function(ir_module *m, const char *name, const char *path,
                            const import_options *o, diag *d);
/* From memory that outlives the module; external data is refused. */
ir_module *onnx_import_memory(const uint8_t *data, size_t size, const char *name,
                              const import_options *o, diag *d);
/* The same of what a file would hold at `path`, beside which its external data lie. */
ir_module *onnx_import_changed(const uint8_t *data, size_t size, const char *path,
                               const import_options *o, diag *d);

/* An attribute of a call: numbers, or texts where `text` is not null; one of them, or a
 * list. */
typedef struct onnx_number {
    bool is_whole;
    int64_t whole;
    double real;                /* set in both cases */
} onnx_number;
typedef struct onnx_argument {
    const char *name;
    bool list;
    uint32_t n;
    const onnx_number *number;
    const char *const *text;
} onnx_argument;

/* A call of an operator: version `version` of its domain, on operands that are values of the
 * builder, or IR_NONE where left out. */
typedef struct onnx_call {
    const char *domain, *op;
    int64_t version;
    const ir_ref *operand;
    uint32_t operands;
    const onnx_argument *argument;
    uint32_t arguments;
    uint32_t results;           /* that are wanted, the first ones */
} onnx_call;

/* Makes the operator's nodes; its results go to out.  False after an error at b->loc. */
bool onnx_apply(ir_build *b, const onnx_call *c, ir_ref *out);
/* Is there a version of it that is supported?  Else *nearest is a name like it, first
 * of all the one that differs in capitals alone, or null. */
bool onnx_has_operator(const char *domain, const char *op, const char **nearest);
/* Is it one of the standard, supported or not? */
bool onnx_is_standard(const char *domain, const char *op);

/* Adds the file to *out with arrays in place of elements of the main graph's initializers and
 * constants that have their names, behind the prefix "m." of a net or without it; all else
 * stays as it is, but that external data become part of the file if it is to be `whole`.  False
 * after errors: an array of another type, or none that fits. */
bool onnx_replace(const char *path, const import_array *w, int n, bool whole, text *out, diag *d);

/* What comes behind a value of a file: pictures of features are averaged, a layer x w + b is
 * added, [N, 1] becomes [N]. */
typedef struct onnx_head {
    const char *until;
    bool mean, scalar;
    const import_array *w, *b;      /* or null */
    ir_dtype real;                  /* of the result, */
    int rank;
} onnx_head;

/* onnx_replace of the nodes that lead to a value, with a head behind it.  *can is false, and
 * nothing is an error, where the file is for a number of rows that its nodes may know. */
bool onnx_replace_end(const char *path, const import_array *w, int n, bool whole,
                      const onnx_head *head, bool *can, text *out, diag *d);

/* Is told of an operator's version, in the order of domains, names and versions. */
typedef void onnx_see(void *cx, const char *domain, const char *op, int since);
/* The versions that are supported, where they changed the meaning; and those of the
 * standard, supported or not, where they changed what a node may have, and after these what
 * operators of other domains may have. */
void onnx_each_operator(onnx_see *see, void *cx);
void onnx_each_signature(onnx_see *see, void *cx);

/* The newest version of a domain whose operators the tables know; INT64_MAX where that
 * is not bounded. */
int64_t onnx_newest_version(const char *domain);

#endif
