/* runtime/train/knobs.c - configs of the program that a trainer takes anew: numbers that are
 * states. */
#include "knobs.h"

#include <string.h>

#include "tensor_file.h"

/* What --set names is no knob: it may be compiled in, or another one is meant, of either kind. */
static bool unknown_knob(const struct ingot_trainer *t, const session *s, const char *name,
                         char *error)
{
    const char *known[2 * TRAINER_GIVEN], *near;
    int32_t n = 0;

    for (int32_t i = 0; i < t->fixed_count; i++)
        if (!strcmp(t->fixed[i], name))
            return tensor_fail(error, "--set: '%s' is compiled into the trainer: give it to "
                               "`ingot train`", name);
    for (int32_t i = 0; i < s->model->state_count && n < TRAINER_GIVEN; i++)
        if (t->roles[i] == INGOT_ROLE_KNOB)
            known[n++] = s->model->states[i].name;
    for (int32_t i = 0; i < t->fixed_count && n < 2 * TRAINER_GIVEN; i++)
        known[n++] = t->fixed[i];
    near = cli_nearest(name, known, n);
    return tensor_fail(error, "--set: the program has no config '%s'%s%s%s", name,
                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* --set NAME=V: a state of that name whose role is a knob. */
bool knobs_set(const trainer_options *o, const struct ingot_trainer *t, session *s,
               char error[TENSOR_ERROR_SIZE])
{
    const struct ingot_model *m = s->model;

    for (int32_t k = 0; k < o->sets; k++) {
        const trainer_setting *set = &o->set[k];
        int32_t i = 0;
        while (i < m->state_count && (t->roles[i] != INGOT_ROLE_KNOB ||
                                      strcmp(m->states[i].name, set->name)))
            i++;
        if (i == m->state_count)
            return unknown_knob(t, s, set->name, error);
        if (!tensor_put_number(m->states[i].dtype, (char *)s->states + m->states[i].offset, 0,
                       set->value))
            return tensor_fail(error, "--set: %s is no whole number", set->name);
    }
    return true;
}
