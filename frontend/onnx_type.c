/* frontend/onnx_type.c - types as messages of ONNX. */
#include "onnx_type.h"

Onnx__TypeProto *onnx_type_proto(arena *mem, ir_dtype dt, int rank)
{
    Onnx__TypeProto *p = arena_new(mem, Onnx__TypeProto);
    Onnx__TypeProto__Tensor *tensor = arena_new(mem, Onnx__TypeProto__Tensor);
    Onnx__TensorShapeProto *shape = arena_new(mem, Onnx__TensorShapeProto);

    onnx__type_proto__init(p);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(shape);
    p->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    p->tensor_type = tensor;
    tensor->has_elem_type = true;
    tensor->elem_type = dt_of(dt)->onnx;
    tensor->shape = shape;
    shape->n_dim = (size_t)rank;
    shape->dim = arena_array(mem, Onnx__TensorShapeProto__Dimension *, rank + 1);
    for (int i = 0; i < rank; i++) {
        shape->dim[i] = arena_new(mem, Onnx__TensorShapeProto__Dimension);
        onnx__tensor_shape_proto__dimension__init(shape->dim[i]);
    }
    return p;
}
