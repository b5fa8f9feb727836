/* ir/dtype.h - element types: one enum value per row of dtype.def. */
#ifndef INGOT_DTYPE_H
#define INGOT_DTYPE_H

#include "base.h"

typedef enum ir_dtype {
    DT_NONE,
#define DTYPE(NAME, text, onnx, bits, class, size) DT_##NAME,
#include "dtype.def"
    DT_COUNT
} ir_dtype;

typedef enum dt_class {
    DC_F = 'F', DC_I = 'I', DC_U = 'U', DC_B = 'B', DC_S = 'S', DC_C = 'C'
} dt_class;

typedef struct dt_info {
    const char *text;
    int16_t onnx;                /* TensorProto.DataType */
    int16_t bits;                /* of an element as packed in a file */
    int16_t size;                /* bytes of an element in memory */
    char cls;                    /* dt_class */
} dt_info;

const dt_info *dt_of(ir_dtype d);
#define dt_text(d) (dt_of(d)->text)
#define dt_size(d) (dt_of(d)->size)
#define dt_bits(d) (dt_of(d)->bits)
#define dt_class(d) (dt_of(d)->cls)

ir_dtype dt_find(const char *text, size_t n);  /* DT_NONE if unknown */
ir_dtype dt_from_onnx(int64_t number);         /* DT_NONE if unknown */

static inline bool dt_is_float(ir_dtype d) { return dt_class(d) == 'F'; }
static inline bool dt_is_signed(ir_dtype d) { return dt_class(d) == 'I'; }
static inline bool dt_is_int(ir_dtype d)       /* bool is not one */
{
    return dt_class(d) == 'I' || dt_class(d) == 'U';
}

#endif
