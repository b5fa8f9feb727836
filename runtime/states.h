/* runtime/states.h - the states of a session in a file, so that a model goes on
 * where an earlier process ended.
 *
 * The format is safetensors, which NumPy and the frameworks read and write. */
#ifndef INGOT_STATES_H
#define INGOT_STATES_H

#include "session.h"
#include "tensor_safetensors.h"

/* Bytes and elements of a state: its extents are constant. */
uint64_t state_bytes(const struct ingot_value_info *v);
uint64_t state_elements(const struct ingot_value_info *v);

/* Replaces the states by those of the file, which must have exactly the model's
 * names, element types and shapes.  False with a message that says what
 * differs; the states may then be changed in part.  Nothing of the file is
 * trusted. */
bool states_read(session *s, const char *path, char error[TENSOR_ERROR_SIZE]);
/* State i becomes tensor `t` of a file that is open.  False with a message. */
bool states_read_one(session *s, safetensors *file, const safetensors_entry *t, int32_t i,
                     char error[TENSOR_ERROR_SIZE]);
/* Does the format have the types of all states?  If not, the message says which
 * it lacks. */
bool states_storable(const struct ingot_model *m, char error[TENSOR_ERROR_SIZE]);
/* Writes states that are storable.  False without memory; errors of `f` are left
 * to its owner. */
bool states_write(const session *s, FILE *f);

#endif
