/* runtime/bind.c - run-time dims from the extents of inputs.
 *
 * An entry of x: f32[N,3] and y: f32[N,M] has two symbols, N and M. Each input that
 * is given binds those that nobody bound before, and must agree with those that
 * are: the message for y: f32[5,7] behind x: f32[4,3] names both inputs. */
#include "bind.h"

#include <string.h>

#include "tensor_file.h"

tensor_kind bind_kind(const struct ingot_value_info *v)
{
    return v->form == INGOT_SEQUENCE   ? TENSOR_SEQUENCE
           : v->form == INGOT_OPTIONAL ? TENSOR_OPTIONAL
                                       : TENSOR_PLAIN;
}

const char *bind_kind_name(const struct ingot_value_info *v)
{
    static const char *const names[] = {[TENSOR_PLAIN] = "tensor", [TENSOR_SEQUENCE] = "sequence",
                                        [TENSOR_OPTIONAL] = "optional"};

    return names[bind_kind(v)];
}

void bind_start(const struct ingot_entry *e, int64_t *dims)
{
    for (int32_t s = 0; s < e->dim_count; s++)
        dims[s] = BIND_FREE;
}

int32_t bind_find_input(const struct ingot_entry *e, const char *name)
{
    for (int32_t i = 0; i < e->input_count; i++)
        if (!strcmp(e->inputs[i].name, name))
            return i;
    return -1;
}

int32_t bind_find_dim(const struct ingot_entry *e, const char *name)
{
    for (int32_t s = 0; s < e->dim_count; s++)
        if (!strcmp(e->dim_names[s], name))
            return s;
    return -1;
}

/* The symbol that is the extent of an axis; -1: it is a number, or computed. */
static int32_t symbol_of(const struct ingot_entry *e, const struct ingot_value_info *v,
                         int32_t axis)
{
    int64_t d = v->dims[axis];

    return d < 0 && d >= -(int64_t)e->dim_count ? (int32_t)(-1 - d) : -1;
}

/* Finds where a symbol's value came from: the first axis of an input before `index`
 * whose extent it is. */
static bool find_origin(const struct ingot_entry *e, int32_t symbol, int32_t index,
                        const char **name, int32_t *axis)
{
    for (int32_t i = 0; i < index; i++)
        for (*axis = 0; *axis < e->inputs[i].rank; ++*axis)
            if (symbol_of(e, &e->inputs[i], *axis) == symbol) {
                *name = e->inputs[i].name;
                return true;
            }
    return false;
}

/* "input 'y', axis 0: has extent 5, but 'N' is 4 by input 'x', axis 0" */
static bool conflict(const struct ingot_entry *e, int32_t index, int32_t axis, int64_t extent,
                     int32_t symbol, int64_t value, char *error)
{
    const char *name = NULL;
    int32_t other = 0;
    char from[200] = "";

    if (find_origin(e, symbol, index, &name, &other))
        snprintf(from, sizeof from, " by input '%.100s', axis %d", name, other);
    return tensor_fail(error, "input '%s', axis %d: has extent %lld, but '%s' is %lld%s",
                       e->inputs[index].name, axis, (long long)extent, e->dim_names[symbol],
                       (long long)value, from);
}

/* Would the extents fit with their axes in this order? */
static bool fits_in_order(const struct ingot_value_info *v, const int64_t *extents,
                          const int *order)
{
    for (int32_t a = 0; a < v->rank; a++)
        if (v->dims[a] >= 0 && v->dims[a] != extents[order[a]])
            return false;
    return true;
}

/* What is likely to be wrong with extents that do not fit, to stand behind a message. */
static const char *shape_hint(const struct ingot_value_info *v, int32_t rank,
                              const int64_t *extents)
{
    static const int to_first[] = {0, 3, 1, 2}, to_last[] = {0, 2, 3, 1};

    if (rank == 4 && v->rank == 4 && fits_in_order(v, extents, to_first))
        return "; it is NHWC, and the model wants NCHW: transpose it by (0,3,1,2)";
    if (rank == 4 && v->rank == 4 && fits_in_order(v, extents, to_last))
        return "; it is NCHW, and the model wants NHWC: transpose it by (0,2,3,1)";
    return rank + 1 == v->rank ? "; is the axis of the batch missing?" : "";
}

/* Binds free symbols of input `index` in dims; false with the reason in error. */
bool bind_shape(const struct ingot_entry *e, int32_t index, int32_t rank, const int64_t *extents,
                int64_t *dims, char error[TENSOR_ERROR_SIZE])
{
    const struct ingot_value_info *v = &e->inputs[index];

    if (rank != v->rank)
        return tensor_fail(error, "input '%.200s' has %d axes, expected %d%s", v->name, rank,
                           v->rank, shape_hint(v, rank, extents));
    for (int32_t a = 0; a < rank; a++) {
        int32_t s = symbol_of(e, v, a);
        if (extents[a] < 0)
            return tensor_fail(error, "input '%s', axis %d: has a negative extent", v->name, a);
        if (s >= 0 && dims[s] == BIND_FREE)
            dims[s] = extents[a];
        if (s >= 0 && dims[s] != extents[a])
            return conflict(e, index, a, extents[a], s, dims[s], error);
        if (s < 0 && v->dims[a] >= 0 && v->dims[a] != extents[a])
            return tensor_fail(error, "input '%.200s', axis %d: has extent %lld, expected %lld%s",
                               v->name, a, (long long)extents[a], (long long)v->dims[a],
                               shape_hint(v, rank, extents));
    }
    return true;
}

/* Dims that are free so far take the tensor's extents, others must agree. */
bool bind_tensor(const struct ingot_entry *e, int32_t index, const tensor *t, int64_t *dims,
                 char error[TENSOR_ERROR_SIZE])
{
    const struct ingot_value_info *v = &e->inputs[index];

    if (t->dtype != v->dtype)
        return tensor_fail(error, "input '%s' has type %s, expected %s", v->name,
                           tensor_type_name(t->dtype), tensor_type_name(v->dtype));
    return bind_shape(e, index, t->rank, t->dims, dims, error);
}

/* The first symbol of the input that nothing has bound; -1: none. */
int32_t bind_free_dim(const struct ingot_entry *e, int32_t index, const int64_t *dims)
{
    const struct ingot_value_info *v = &e->inputs[index];

    for (int32_t a = 0; a < v->rank; a++) {
        int32_t s = symbol_of(e, v, a);
        if (s >= 0 && dims[s] == BIND_FREE)
            return s;
    }
    return -1;
}

/* The input's extents with the symbols as they are bound, for an input that is made
 * up.  A computed extent, as N + 1, is -1 in the table and no one can be made up of
 * it. */
bool bind_extents(const struct ingot_entry *e, int32_t index, const int64_t *dims,
                  int64_t *extents, char error[TENSOR_ERROR_SIZE])
{
    const struct ingot_value_info *v = &e->inputs[index];

    for (int32_t a = 0; a < v->rank; a++) {
        int32_t s = symbol_of(e, v, a);
        extents[a] = s >= 0 ? dims[s] : v->dims[a];
        if (extents[a] < 0)
            return tensor_fail(error, "input '%s', axis %d: extent is not known", v->name, a);
    }
    return true;
}
