/* frontend/dsl/items.h - what a file holds: its items, entries that become functions of the
 * module, models of other formats, nets made of nets, nets as values.  A part of check.h, which
 * includes it. */
#ifndef INGOT_DSL_ITEMS_H
#define INGOT_DSL_ITEMS_H

/* ---- files and entries (file.c, entry.c) */

/* Reads the items of a file, and of those it imports. */
dsl_file *dsl_open(dsl *cx, const char *path, const char *source, bool prelude);
/* Has a file of the program, not the prelude, this config? */
bool dsl_has_config(const dsl *cx, const char *name);
/* Adds the names of all configs of the program. */
void dsl_config_names(const dsl *cx, names *out);
/* The number of the draw, or call, at this place among those of the body that is evaluated,
 * from 1, in order of text: what bits of draws depend on, so that comments, blanks and other
 * items mean nothing to them. */
uint32_t dsl_draw_number(const dsl *cx, ir_loc at);
uint32_t dsl_call_number(const dsl *cx, ir_loc at);
/* Tells which --set names no config; and, when the entries are made, which --dim names no
 * `dim` and no extent of an input.  `path` is the program's. */
void dsl_check_settings(dsl *cx, const char *path);
void dsl_check_dims(dsl *cx, const char *path);
/* An ONNX file as a net (foreign.c), the same up to a value, and a call of it. */
const dsl_value *dsl_import_onnx(dsl *cx, dsl_file *f, const char *path, ast_word name);
const dsl_value *dsl_foreign_until(dsl *cx, const dsl_value *net, const dsl_value *name, ir_loc at);
const dsl_value *dsl_call_foreign(dsl *cx, const dsl_function *call, const dsl_value **arg,
                                  uint32_t n, ir_loc at);
/* Results of nodes that the language did not make, by their types. */
const dsl_value *dsl_foreign_results(dsl *cx, uint32_t n, const ir_ref *r,
                                     const char *const *name, ir_loc at);
/* Is it onnx.Op?  What is wrong with one, or a call of one, that stands for a function. */
bool dsl_is_onnx_name(const dsl *cx, const ast_expr *e);
const dsl_value *dsl_onnx_uncalled(dsl *cx, const ast_expr *e);
/* Is it onnx.Op(..)?  Its value; as many results as are wanted. */
bool dsl_is_onnx_op(const dsl *cx, const ast_expr *e);
const dsl_value *dsl_call_onnx_op(dsl *cx, const ast_expr *e);
/* Is there an operator of this name, as a fn's annotation says?  False after a message. */
bool dsl_check_onnx_name(dsl *cx, const ast_word *name);
/* Opens a function of the module; nodes are made in it until dsl_end, which records the
 * states that were written. */
void dsl_begin(dsl *cx, dsl_making *k, const char *name, bool entry);
void dsl_end(dsl *cx, dsl_making *k);
/* Inputs of the entry: a row axis `rows`, which is made if it is not set.  Labels are
 * checked, if wanted.  False after an error. */
bool dsl_read_inputs(dsl *cx, const ast_params *l, dsl_rows *rows, bool checked);
/* The entry of an `entry` or net. */
void dsl_make_entry(dsl *cx, const dsl_template *t);
/* The entry that gives all parameters and states their first values. */
void dsl_make_init(dsl *cx);
/* The frame of what nothing calls. */
dsl_frame *dsl_outer_frame(dsl *cx, const dsl_template *t);
/* The results of the body of a function whose parameters are bound. */
const dsl_value *dsl_body_value(dsl *cx, const dsl_template *t, const dsl_rows *rows);

/* ---- data items (data.c) */

/* Defines the arrays in the scope that is open. */
void dsl_add_data(dsl *cx, const ast_decls *l);

/* ---- paths and nets as values (params.c) */

/* base.part: a result, a parameter, an item of a file. */
const dsl_value *dsl_member(dsl *cx, const ast_expr *e);
/* Is it a value for each parameter, as a net is? */
bool dsl_is_params(const dsl_value *v);
const dsl_value *dsl_params_unary(dsl *cx, unsigned op, const dsl_value *x, ir_loc at);
const dsl_value *dsl_params_binary(dsl *cx, ast_op op, const dsl_value *a, const dsl_value *b,
                                   ir_loc at);
/* The same of a scalar function of this name, min or max. */
const dsl_value *dsl_params_scalar2(dsl *cx, unsigned op, const char *name, const dsl_value *a,
                                    const dsl_value *b, ir_loc at);
/* The sum of all elements of all parameters. */
const dsl_value *dsl_params_sum(dsl *cx, const dsl_value *x, ir_loc at);
/* The gradient of y by a value, or by each parameter of a net. */
const dsl_value *dsl_grad(dsl *cx, const dsl_value *y, const dsl_value *x, ir_loc at);
/* The cell of a path such as `neuron.w`; null, with a message, if there is none. */
dsl_cell *dsl_path_cell(dsl *cx, const ast_path *path, ir_loc at);

/* ---- nets of nets (net_of.c) */

/* What is read for the parameter in net a = b with ..; null: itself. */
const dsl_value *dsl_hooked(dsl *cx, dsl_memory *m);
/* Notes whose parameter it is. */
void dsl_find_net(dsl *cx, dsl_memory *m);
/* The parameter of b for one of a, where a's net is net a = b; else null. */
dsl_memory *dsl_base_memory(dsl *cx, const dsl_memory *m);
/* The memory of net t = b for m of b. */
dsl_memory *dsl_copy_memory(dsl *cx, const dsl_template *t, const dsl_memory *m);
/* Of net t = b: makes those parameters, or states, that b has and no call of t has made so far;
 * nothing if t is none. */
void dsl_copy_memories(dsl *cx, const dsl_template *t, bool trainable);
/* Of net t = b: its states that nothing has changed in this entry become b's. */
void dsl_follow_states(dsl *cx, const dsl_template *t, ir_loc at);

#endif
