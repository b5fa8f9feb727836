/* runtime/session.c - a model at work: its weights, its states and its pool of
 * threads, apart from any call.  Two calls of one session share states; two
 * sessions of one model do not. */
#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "tensor_file.h"

/* First values are the model's; zero where it has none. */
static bool get_states(session *s, char *error)
{
    const struct ingot_model *m = s->model;

    if (!m->state_size)
        return true;
    s->states = m->state_size > SIZE_MAX / 2 ? NULL : memory_get((size_t)m->state_size);
    if (!s->states)
        return tensor_fail(error, "no memory for %llu bytes of states",
                           (unsigned long long)m->state_size);
    m->init_states(s->states, s->weights);
    return true;
}

/* States begin as the model says; `weights` stay the caller's and must outlive the
 * session. */
bool session_open(session *s, const struct ingot_model *m, const uint8_t *weights, int threads,
                  char error[TENSOR_ERROR_SIZE])
{
    *s = (session){.model = m, .weights = weights};
    if (!get_states(s, error))
        return false;
    session_set_threads(s, threads);
    return true;
}

void session_close(session *s)
{
    thread_pool_close(s->pool);
    free(s->states);
    *s = (session){0};
}

void session_set_threads(session *s, int threads)
{
    int n = threads ? threads : thread_cpus();

    thread_pool_close(s->pool);
    s->pool = n > 1 ? thread_pool_open(n) : NULL;
}

const struct ingot_pool *session_pool(const session *s)
{
    return s->pool ? thread_pool_of(s->pool) : NULL;
}

int session_threads(const session *s)
{
    const struct ingot_pool *p = session_pool(s);

    return p ? p->threads : 1;
}

static const struct ingot_entry *find_entry(const struct ingot_model *m, const char *name)
{
    for (int32_t i = 0; i < m->entry_count; i++)
        if (!strcmp(m->entries[i].name, name))
            return &m->entries[i];
    return NULL;
}

/* The entry of this name.  Without a name it is `main`, or the only one there is
 * beside `init`; null if that is not clear. */
const struct ingot_entry *session_entry(const struct ingot_model *m, const char *name)
{
    const struct ingot_entry *e = find_entry(m, name ? name : "main");
    const struct ingot_entry *init = find_entry(m, "init");

    if (e || name)
        return e;
    if (m->entry_count == 2 && init)
        return init == m->entries ? init + 1 : m->entries;
    return m->entry_count == 1 ? m->entries : NULL;
}

/* *copy is null if the model has no states, which is no failure. */
bool session_save(const session *s, void **copy)
{
    size_t size = (size_t)s->model->state_size;

    *copy = s->states ? malloc(size) : NULL;
    if (*copy)
        memcpy(*copy, s->states, size);
    return *copy || !s->states;
}

void session_restore(session *s, void *copy)
{
    if (copy)
        memcpy(s->states, copy, (size_t)s->model->state_size);
    free(copy);
}
