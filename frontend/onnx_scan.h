/* frontend/onnx_scan.h - a walk over the wire format before protobuf-c sees it. */
#ifndef INGOT_ONNX_SCAN_H
#define INGOT_ONNX_SCAN_H

#include "diag.h"

/* Field number of TensorProto that the scan fills: 12 (doc_string), which it
 * drops otherwise.  Text: "field offset length" of the payload left out. */
enum { ONNX_PAYLOAD_FIELD = 12 };

/* Checks nesting (64), lengths and counts of a ModelProto and writes the same
 * message to *out without tensor payloads over 1 kB: each becomes a doc_string
 * that says where it stands in the file.  protobuf-c has no bound on nesting
 * and copies every bytes field.  False after an error at `name`. */
bool onnx_scan(const uint8_t *data, size_t size, const char *name, text *out, diag *d);

#endif
