/* runtime/train/shard.c - sums over shards.
 *
 * Node (i, 1) of the tree is shard i alone, node (i, 2w) is node (i, w) plus node (i + w, w),
 * if there is one.  A process walks through its part of it, depth first, in the memory of the
 * states: of the sums that wait for their right half there is one a level.  Above that,
 * processes send theirs to the left, and the first one's is everybody's. */
#include "shard.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "states.h"
#include "tensor_file.h"

int64_t shard_begin(int64_t rows, int64_t shards, int64_t i)
{
    return rows / shards * i + rows % shards * i / shards;
}

bool shards_fit(const team *t, int64_t count)
{
    int64_t each = count / t->count;

    return t->count == 1 || (count % t->count == 0 && each && !(each & (each - 1)));
}

/* ---- memory ----------------------------------------------------------------------- */

static const struct ingot_value_info *info_of(const shards *x, int32_t state)
{
    return &x->s->model->states[state];
}

/* A state of the session, as bytes. */
static char *state_of(const shards *x, int32_t state)
{
    return (char *)x->s->states + info_of(x, state)->offset;
}

static size_t bytes_of(const shards *x, const struct ingot_train_call *c)
{
    size_t size = 0;

    for (int32_t i = 0; i < c->write_count; i++)
        size += (size_t)state_bytes(info_of(x, c->writes[i]));
    return size;
}

/* Shards of a process. */
static int64_t own_count(const shards *x)
{
    return x->count / x->team->count;
}

/* Levels whose nodes a process makes alone, but for that of one shard. */
static int own_levels(const shards *x)
{
    int n = 0;

    while ((int64_t)1 << n < own_count(x))
        n++;
    return n;
}

/* One level more is for what others send.  Behind each sum there is a byte: has it failed? */
bool shards_room(shards *x, const struct ingot_train_call *c, char error[TENSOR_ERROR_SIZE])
{
    size_t size = bytes_of(x, c);

    if (x->count == 1 || (x->before && size <= x->size))
        return true;
    x->size = x->size < size ? size : x->size;
    for (int i = -1; i <= own_levels(x); i++) {
        char **m = i < 0 ? &x->before : &x->level[i];
        free(*m);
        *m = memory_get(x->size + 1);
        if (!*m)
            return tensor_fail(error, "no memory for the sums of %lld shards",
                               (long long)own_count(x));
    }
    return true;
}

void shards_free(shards *x)
{
    free(x->before);
    for (int i = 0; i < SHARD_LEVELS; i++)
        free(x->level[i]);
    *x = (shards){0};
}

/* ---- states ----------------------------------------------------------------------- */

static bool grows(const shards *x, int32_t state)
{
    return x->roles[state] == INGOT_ROLE_SUM || x->roles[state] == INGOT_ROLE_GRADIENT;
}

static void save(const shards *x, const struct ingot_train_call *c, char *to)
{
    for (int32_t i = 0; i < c->write_count; i++) {
        size_t size = (size_t)state_bytes(info_of(x, c->writes[i]));
        memcpy(to, state_of(x, c->writes[i]), size);
        to += size;
    }
}

static void restore(const shards *x, const struct ingot_train_call *c, const char *from)
{
    for (int32_t i = 0; i < c->write_count; i++) {
        size_t size = (size_t)state_bytes(info_of(x, c->writes[i]));
        memcpy(state_of(x, c->writes[i]), from, size);
        from += size;
    }
}

/* What grows begins at zero in each shard, all else as it was. */
static void begin_shard(const shards *x, const struct ingot_train_call *c)
{
    restore(x, c, x->before);
    for (int32_t i = 0; i < c->write_count; i++)
        if (grows(x, c->writes[i]))
            memset(state_of(x, c->writes[i]), 0, (size_t)state_bytes(info_of(x, c->writes[i])));
}

/* to = a + b, element by element, to being one of them. */
static void add_reals(int32_t dtype, void *to, const void *a, const void *b, int64_t n)
{
    for (int64_t i = 0; i < n && dtype == TENSOR_F32; i++)
        ((float *)to)[i] = ((const float *)a)[i] + ((const float *)b)[i];
    for (int64_t i = 0; i < n && dtype == TENSOR_F64; i++)
        ((double *)to)[i] = ((const double *)a)[i] + ((const double *)b)[i];
}

static bool is_real(int32_t dtype)
{
    return dtype == TENSOR_F32 || dtype == TENSOR_F64;
}

/* The states become the sum of two nodes, of which they are one. */
static bool add(const shards *x, const struct ingot_train_call *c, const char *other,
                bool other_left, char *error)
{
    for (int32_t i = 0; i < c->write_count; i++) {
        const struct ingot_value_info *v = info_of(x, c->writes[i]);
        char *own = state_of(x, c->writes[i]);
        if (is_real(v->dtype))
            add_reals(v->dtype, own, other_left ? other : own, other_left ? own : other,
                      (int64_t)state_elements(v));
        else if (memcmp(own, other, (size_t)state_bytes(v)))
            return tensor_fail(error, "state '%s' is not the same in all shards, and no real "
                               "number, of which the mean is taken", v->name);
        other += state_bytes(v);
    }
    return true;
}

static void divide(int32_t dtype, void *x, int64_t n, int64_t by)
{
    for (int64_t i = 0; i < n && dtype == TENSOR_F32; i++)
        ((float *)x)[i] /= (float)by;
    for (int64_t i = 0; i < n && dtype == TENSOR_F64; i++)
        ((double *)x)[i] /= (double)by;
}

/* Of the sum of all n shards: what grows is added to what was, of all else this is the mean. */
static void finish(const shards *x, const struct ingot_train_call *c, int64_t n)
{
    const char *was = x->before;

    for (int32_t i = 0; i < c->write_count; i++) {
        const struct ingot_value_info *v = info_of(x, c->writes[i]);
        char *own = state_of(x, c->writes[i]);
        if (grows(x, c->writes[i]))
            add_reals(v->dtype, own, was, own, (int64_t)state_elements(v));
        else
            divide(v->dtype, own, (int64_t)state_elements(v), n);
        was += state_bytes(v);
    }
}

/* ---- the tree --------------------------------------------------------------------- */

/* A sum at work. */
typedef struct summing {
    shards *x;
    const struct ingot_train_call *call;
    int64_t n;                      /* shards in all */
    shard_run *run;
    void *cx;
} summing;

/* The states become node (first, 1 << level). */
static bool sum_own(const summing *k, int64_t first, int level, char *error)
{
    shards *x = k->x;
    int64_t right = level ? first + ((int64_t)1 << (level - 1)) : 0;

    if (!level) {
        begin_shard(x, k->call);
        return k->run(k->cx, first, error);
    }
    if (!sum_own(k, first, level - 1, error))
        return false;
    if (right >= k->n)
        return true;
    save(x, k->call, x->level[level]);
    return sum_own(k, right, level - 1, error) &&
           add(x, k->call, x->level[level], true, error);
}

/* Sends a node to the left, where there is a process for its sum; *ok: it is one. */
static bool send_left(const summing *k, int step, size_t size, bool ok)
{
    shards *x = k->x;
    char *node = x->level[0];

    save(x, k->call, node);
    node[size] = ok;
    return team_send(x->team, x->team->rank - step, node, size + 1);
}

/* Adds what comes from the right. */
static bool add_right(const summing *k, int step, size_t size, bool *ok, char *error)
{
    shards *x = k->x;
    char *node = x->level[0];

    if (!team_receive(x->team, x->team->rank + step, node, size + 1))
        return false;
    if (*ok && !node[size])
        *error = 0;                     /* it has the message */
    *ok = *ok && node[size] && add(x, k->call, node, false, error);
    return true;
}

/* The nodes of all processes, then to all.  Also where this one has failed. */
static bool sum_team(const summing *k, bool ok, char *error)
{
    shards *x = k->x;
    team *t = x->team;
    int64_t each = own_count(x);
    size_t size = bytes_of(x, k->call);
    char *all = x->level[0];

    for (int step = 1; step < t->count; step *= 2) {
        bool sends = t->rank & step, there = (t->rank + step) * each < k->n;
        if (sends && t->rank * each < k->n && !send_left(k, step, size, ok))
            return team_misses(error);
        if (sends)
            break;
        if (t->rank + step < t->count && there && !add_right(k, step, size, &ok, error))
            return team_misses(error);
    }
    save(x, k->call, all);
    all[size] = ok;
    if (!team_share(t, all, size + 1))
        return team_misses(error);
    if (ok && !all[size])
        *error = 0;
    restore(x, k->call, all);
    return all[size];
}

bool shard_sum(shards *x, const struct ingot_train_call *c, int64_t n, shard_run *run, void *cx,
               char error[TENSOR_ERROR_SIZE])
{
    const summing k = {x, c, n, run, cx};
    int64_t first = x->team->rank * own_count(x);

    if (x->count == 1)
        return run(cx, 0, error);
    save(x, c, x->before);
    bool ok = first >= n || sum_own(&k, first, own_levels(x), error);
    if (x->team->count > 1)
        ok = sum_team(&k, ok, error);
    if (ok)
        finish(x, c, n);
    return ok;
}
