/* ir/dtype.c - the table of element types. */
#include "dtype.h"

static const dt_info table[DT_COUNT] = {
    [DT_NONE] = {"none", 0, 0, 0, 0},
#define DTYPE(NAME, text, onnx, bits, class, size)                             \
    [DT_##NAME] = {text, onnx, bits, size, DC_##class},
#include "dtype.def"
};

const dt_info *dt_of(ir_dtype d)
{
    ICE_IF((unsigned)d >= DT_COUNT, "dtype %d", (int)d);
    return &table[d];
}

ir_dtype dt_find(const char *text, size_t n)
{
    for (int d = 1; d < DT_COUNT; d++)
        if (strlen(table[d].text) == n && !memcmp(table[d].text, text, n))
            return (ir_dtype)d;
    return DT_NONE;
}

ir_dtype dt_from_onnx(int64_t number)
{
    for (int d = 1; d < DT_COUNT; d++)
        if (table[d].onnx == number)
            return (ir_dtype)d;
    return DT_NONE;
}
