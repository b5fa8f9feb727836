/* runtime/tensor_safetensors_text.h - the JSON text of a safetensors file. */
#ifndef INGOT_TENSOR_SAFETENSORS_TEXT_H
#define INGOT_TENSOR_SAFETENSORS_TEXT_H

#include "tensor_safetensors.h"

enum header_result { HEADER_READ, HEADER_DAMAGED, HEADER_NO_MEMORY };

/* Fills in the tensors and notes of s from s->text, which ends with a zero and whose
 * strings are decoded in place.  What is not JSON, or not of the format, is damaged; the
 * places of the tensors are not looked at. */
enum header_result safetensors_parse(safetensors *s);
/* The text for these tensors; blanks behind it bring the data to a multiple of 8 bytes.
 * Null without memory. */
char *safetensors_text(const safetensors_item *item, int32_t n, const safetensors_note *note,
                       int32_t notes, size_t *size);
/* The bytes of a tensor of this type and shape; UINT64_MAX when they are more than a
 * number holds. */
uint64_t safetensors_bytes(int32_t dtype, int32_t rank, const int64_t *dims);

#endif
