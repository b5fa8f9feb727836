/* frontend/onnx_type.h - types as messages of ONNX, for what writes files. */
#ifndef INGOT_ONNX_TYPE_H
#define INGOT_ONNX_TYPE_H

#include "base.h"
#include "dtype.h"
#include "onnx.pb-c.h"

/* A tensor of so many axes, of whose extents nothing is said. */
Onnx__TypeProto *onnx_type_proto(arena *mem, ir_dtype dt, int rank);

#endif
