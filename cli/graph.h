/* cli/graph.h - a model as a picture. */
#ifndef INGOT_GRAPH_H
#define INGOT_GRAPH_H

#include "ir.h"

/* Adds the first function in the language of Graphviz.  Constants and their copies are
 * left out; bodies of control nodes are boxes around their nodes. */
void graph_print(const ir_module *m, text *out);

#endif
