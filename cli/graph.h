/* cli/graph.h - a model as a picture, in the language of Graphviz. */
#ifndef INGOT_GRAPH_H
#define INGOT_GRAPH_H

#include "group.h"

/* Adds the first function, node by node.  Constants and their copies are left out, but
 * the weights that a node reads are told; bodies of control nodes are boxes around
 * their nodes.  Nodes that are computed together, by `groups` of the function, have
 * one colour; `groups` may be null.  In a long graph, equal stretches that follow each
 * other are drawn once. */
void graph_print(const ir_module *m, const ir_groups *groups, text *out);
/* Adds the groups of a function: what each computes and stores, which nodes of the file
 * that was, its weights.  In a long graph, groups in a row that only feed each other
 * are one box. */
void graph_print_groups(const ir_module *m, const ir_groups *groups, text *out);

/* Adds text that stands between quotes. */
void graph_add_text(const char *s, text *out);
/* Adds a type in a line of a box: a formula of an extent that would make all boxes wide is
 * cut, and ends with "..". */
void graph_add_type(const ir_module *m, const ir_type *t, text *out);
/* Adds the name of a node of a file: "node 17 'conv1' (Conv-11)" gives conv1. */
void graph_add_name(const diag *d, ir_loc loc, text *out);
/* Adds a size: "1.5 kB". */
void graph_add_size(int64_t bytes, text *out);

#endif
