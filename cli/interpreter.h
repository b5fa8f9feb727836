/* cli/interpreter.h - the interpreter in the shape of a compiled model, so that
 * whatever runs compiled code runs it too. */
#ifndef INGOT_INTERPRETER_H
#define INGOT_INTERPRETER_H

#include "abi.h"
#include "ir.h"
#include "tensor_io.h"

typedef struct interpreter interpreter;

/* The module must outlive it, and must hold no requests for gradients when an
 * entry is run. */
interpreter *interpreter_open(const ir_module *m);
void interpreter_close(interpreter *x);     /* null is allowed */
/* Its entries take and give boxed values.  Its weights are the interpreter
 * itself; one run at a time. */
const struct ingot_model *interpreter_model(const interpreter *x);

#endif
