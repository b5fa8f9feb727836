/* runtime/train/weights.c - weights of any safetensors file that has names of this program: of
 * a checkpoint, of another program, or of another tool. */
#include "weights.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "states.h"
#include "tensor_file.h"

/* A weight of the state's shape; reals of another width, as files that were made small have
 * them, become the state's. */
static bool take_weight(session *s, safetensors *f, const safetensors_entry *e, int32_t i,
                        char *error)
{
    const struct ingot_value_info *v = &s->model->states[i];
    tensor x = {0};

    if (e->dtype == v->dtype || !tensor_is_float(e->dtype) || !tensor_is_float(v->dtype) ||
        e->rank != v->rank ||
        (e->rank && memcmp(e->dims, v->dims, (size_t)e->rank * sizeof *e->dims)))
        return states_read_one(s, f, e, i, error);
    if (!tensor_init(&x, e->dtype, e->rank, e->dims))
        return tensor_init_failed(&x, "weight", e->name, error);
    bool ok = safetensors_read(f, e, x.data, error);
    for (int64_t k = 0; ok && k < x.count; k++)
        tensor_put_number(v->dtype, (char *)s->states + v->offset, k, tensor_element(&x, k));
    tensor_free(&x);
    return ok;
}

/* Is each element a number?  State i was just taken. */
static bool check_weight(const session *s, int32_t i, const char *path, char *error)
{
    const struct ingot_value_info *v = &s->model->states[i];
    const tensor t = {.dtype = v->dtype, .data = (char *)s->states + v->offset};
    int64_t n = tensor_is_float(v->dtype) ? (int64_t)state_elements(v) : 0;

    for (int64_t k = 0; k < n; k++)
        if (isnan(tensor_element(&t, k)))
            return tensor_fail(error, "%s: '%.200s': element %" PRId64 " is NaN", path, v->name, k);
    return true;
}

/* Tensors of the file that are states of nets here, by name; and, if asked for, the configs that
 * a training had. */
static bool take_all(const struct ingot_trainer *t, session *s, safetensors *f, bool knobs,
                     weights_taken *taken, char *error)
{
    bool ok = true;

    *taken = (weights_taken){0};
    for (int32_t i = 0; ok && i < s->model->state_count; i++) {
        const char *name = s->model->states[i].name;
        bool knob = t->roles[i] == INGOT_ROLE_KNOB;
        if (t->roles[i] > INGOT_ROLE_FITTED && !(knob && knobs))
            continue;
        const safetensors_entry *e = safetensors_find(f, name);
        ok = !e || (take_weight(s, f, e, i, error) && check_weight(s, i, f->path, error));
        taken->count += e && !knob;
        taken->fitted += e && t->roles[i] == INGOT_ROLE_FITTED;
        if (!e && t->roles[i] == INGOT_ROLE_PARAM && !taken->lacks++)
            taken->lacking = name;
    }
    return ok && (taken->count ||
                  tensor_fail(error, "%s: has none of the names of this program", f->path));
}

bool weights_take(const struct ingot_trainer *t, session *s, const char *path,
                  weights_taken *taken, char error[TENSOR_ERROR_SIZE])
{
    safetensors f;
    bool ok = safetensors_open(&f, path, error) && take_all(t, s, &f, false, taken, error);

    safetensors_close(&f);
    return ok;
}

/* Is each state there that the entry needs? */
static bool has_needed(const struct ingot_train_entry *e, const session *s, const safetensors *f,
                       char *error)
{
    const char *first = NULL;
    int32_t n = 0;

    for (int32_t i = 0; i < e->need_count; i++) {
        const char *name = s->model->states[e->needs[i]].name;
        if (!safetensors_find(f, name) && !n++)
            first = name;
    }
    return !n || tensor_fail(error, "%s: lacks %d of the parameters that '%s' uses: '%.200s'%s",
                             f->path, n, e->entry, first, n > 1 ? ", .." : "");
}

bool weights_take_needed(const struct ingot_trainer *t, const struct ingot_train_entry *e,
                         session *s, const char *path, char error[TENSOR_ERROR_SIZE])
{
    safetensors f;
    weights_taken taken;
    bool ok = safetensors_open(&f, path, error) && take_all(t, s, &f, true, &taken, error) &&
              has_needed(e, s, &f, error);

    safetensors_close(&f);
    return ok;
}
