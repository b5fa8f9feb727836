/* runtime/session.h - a model at work: its weights, its states and its threads,
 * for any number of calls.
 *
 * What one call has of its own, an entry with inputs and outputs, is an
 * `invoke` (invoke.h); of the session it changes the states alone.  Training,
 * for example, is a session, one call of the entry `step` that is prepared once
 * and run often, and at times a call of `loss`, which sees the same states. */
#ifndef INGOT_SESSION_H
#define INGOT_SESSION_H

#include <stdbool.h>

#include "abi.h"
#include "tensor_io.h"
#include "thread.h"

typedef struct session {
    const struct ingot_model *model;
    const uint8_t *weights;         /* the caller's: model->weights, or a mapped file */
    void *states;                   /* the state block; null: the model has none */
    thread_pool *pool;              /* null: the calling thread works alone */
} session;

/* The model and the weights must outlive the session.  The states get their
 * initial values.  `threads` 0: all CPUs.  False with a message; session_close
 * is allowed in any case. */
bool session_open(session *s, const struct ingot_model *m, const uint8_t *weights, int threads,
                  char error[TENSOR_ERROR_SIZE]);
void session_close(session *s);
/* For calls that are prepared from now on; 0: all CPUs. */
void session_set_threads(session *s, int threads);
int session_threads(const session *s);
/* The pool as compiled code sees it; null: none. */
const struct ingot_pool *session_pool(const session *s);

/* The entry of this name; of a null name, `main` or else the only one beside `init`, which
 * programs have for their first weights.  Null if there is none. */
const struct ingot_entry *session_entry(const struct ingot_model *m, const char *name);

/* A copy of the state block, in *copy, which session_restore puts back and
 * frees; null if there is none.  False without memory. */
bool session_save(const session *s, void **copy);
void session_restore(session *s, void *copy);

#endif
