/* runtime/train/checkpoint.c - a training as a file. */
#include "checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "states.h"
#include "tensor_file.h"

static const char format[] = "ingot checkpoint 1";

/* ---- notes ------------------------------------------------------------------------ */

enum note {
    NOTE_FORMAT, NOTE_PROGRAM, NOTE_HASH, NOTE_BLOCK, NOTE_STEP, NOTE_EPOCH, NOTE_SEED, NOTE_BATCH,
    NOTE_ROWS, NOTE_POSITION, NOTE_WAITED, NOTE_BEST, NOTE_LOG, NOTE_SECONDS, NOTE_FINISHED,
    NOTE_STATES, NOTES
};
static const char *const keys[NOTES] = {
    "format", "program", "program_hash", "block", "step", "epoch", "seed", "batch", "rows",
    "position", "waited", "best", "log_size", "seconds", "finished", "states_hash",
};

/* A whole number of the place that a note holds; null for other notes. */
static int64_t *whole_of(checkpoint_place *p, enum note n)
{
    switch (n) {
    case NOTE_BLOCK: return &p->block;
    case NOTE_STEP: return &p->step;
    case NOTE_EPOCH: return &p->epoch;
    case NOTE_SEED: return &p->seed;
    case NOTE_BATCH: return &p->batch;
    case NOTE_ROWS: return &p->rows;
    case NOTE_POSITION: return &p->position;
    case NOTE_WAITED: return &p->waited;
    case NOTE_LOG: return &p->log_size;
    default: return NULL;
    }
}

enum { NOTE_SIZE = 200 };

/* Real numbers are hexadecimal, so that they come back as they were. */
static void write_note(enum note n, checkpoint_place *p, const struct ingot_trainer *t,
                       uint64_t states, char out[NOTE_SIZE])
{
    const int64_t *whole = whole_of(p, n);

    if (whole)
        snprintf(out, NOTE_SIZE, "%" PRId64, *whole);
    else if (n == NOTE_HASH || n == NOTE_STATES)
        snprintf(out, NOTE_SIZE, "%016" PRIx64, n == NOTE_HASH ? t->hash : states);
    else if (n == NOTE_BEST || n == NOTE_SECONDS)
        snprintf(out, NOTE_SIZE, "%a", n == NOTE_BEST ? p->best : p->seconds);
    else if (n == NOTE_FINISHED)
        snprintf(out, NOTE_SIZE, "%s", p->finished ? "yes" : "no");
    else
        snprintf(out, NOTE_SIZE, "%.150s", n == NOTE_FORMAT ? format : t->program);
}

static bool read_place(const safetensors *f, checkpoint_place *p)
{
    for (enum note n = 0; n < NOTES; n++) {
        const char *value = safetensors_note_of(f, keys[n]);
        int64_t *whole = whole_of(p, n);
        if (!value)
            return false;
        if (whole)
            *whole = strtoll(value, NULL, 10);
    }
    p->best = strtod(safetensors_note_of(f, keys[NOTE_BEST]), NULL);
    p->seconds = strtod(safetensors_note_of(f, keys[NOTE_SECONDS]), NULL);
    p->finished = !strcmp(safetensors_note_of(f, keys[NOTE_FINISHED]), "yes");
    return true;
}

/* ---- what is in the file ---------------------------------------------------------- */

/* Gradients that are accumulated are zero between two steps. */
static bool is_saved(const struct ingot_trainer *t, int32_t state)
{
    return t->roles[state] != INGOT_ROLE_GRADIENT;
}

/* Parameters as the epoch began are wanted by `change`. */
static bool has_start(const struct ingot_trainer *t, int32_t state)
{
    return t->roles[state] == INGOT_ROLE_PARAM;
}

static char *start_name(const char *path)
{
    char *name = NULL;

    return asprintf(&name, "epoch_start/%s", path) < 0 ? NULL : name;
}

typedef struct contents {
    safetensors_item *item;
    char **name;                    /* those that were made */
    int32_t n, names;
} contents;

static void add_item(contents *c, const struct ingot_value_info *v, const char *name,
                     const void *states)
{
    c->item[c->n++] = (safetensors_item){name, v->dtype, v->rank, v->dims,
                                         (const char *)states + v->offset};
}

static bool gather_contents(contents *c, const struct ingot_trainer *t, const session *s,
                            const void *start)
{
    const struct ingot_model *m = s->model;

    *c = (contents){.item = calloc(2 * (size_t)m->state_count + 1, sizeof *c->item),
                    .name = calloc((size_t)m->state_count + 1, sizeof *c->name)};
    if (!c->item || !c->name)
        return false;
    for (int32_t i = 0; i < m->state_count; i++)
        if (is_saved(t, i))
            add_item(c, &m->states[i], m->states[i].name, s->states);
    for (int32_t i = 0; start && i < m->state_count; i++) {
        if (!has_start(t, i))
            continue;
        char *name = c->name[c->names++] = start_name(m->states[i].name);
        if (!name)
            return false;
        add_item(c, &m->states[i], name, start);
    }
    return true;
}

static void free_contents(contents *c)
{
    for (int32_t i = 0; c->name && i < c->names; i++)
        free(c->name[i]);
    free(c->name);
    free(c->item);
}

static uint64_t hash_bytes(uint64_t hash, const uint8_t *at, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t item_size(const safetensors_item *t)
{
    uint64_t n = tensor_elem_size(t->dtype);

    for (int32_t a = 0; a < t->rank; a++)
        n *= (uint64_t)t->dims[a];
    return n;
}

static uint64_t hash_contents(const contents *c)
{
    uint64_t hash = INGOT_HASH_START;

    for (int32_t i = 0; i < c->n; i++)
        hash = hash_bytes(hash, c->item[i].data, item_size(&c->item[i]));
    return hash;
}

/* ---- writing ---------------------------------------------------------------------- */

/* PATH.tmp, or PATH.3; null without memory. */
static char *beside(const char *path, const char *suffix)
{
    char *text = NULL;

    return asprintf(&text, "%s%s", path, suffix) < 0 ? NULL : text;
}

static char *older(const char *path, int64_t n)
{
    char suffix[32];

    snprintf(suffix, sizeof suffix, ".%" PRId64, n);
    return beside(path, suffix);
}

/* Room for the whole file first: a full disk is told before anything is changed. */
static bool fill(FILE *f, const contents *c, const safetensors_note *note)
{
    uint64_t size = 4096;

    for (int32_t i = 0; i < c->n; i++)
        size += item_size(&c->item[i]) + strlen(c->item[i].name) + 100;
    errno = posix_fallocate(fileno(f), 0, (off_t)size);
    if (errno && errno != EOPNOTSUPP && errno != EINVAL)
        return false;
    if (!safetensors_write(f, c->item, c->n, note, NOTES) || fflush(f) || ferror(f))
        return false;
    return !ftruncate(fileno(f), ftello(f)) && !fsync(fileno(f));
}

/* The name in a folder lasts when the folder is written, too. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

/* PATH.1 becomes PATH.2, and so on; PATH becomes PATH.1 by a second name, so that there
 * is a file of its own name at any time. */
static void rotate(const checkpoint *c)
{
    for (int64_t n = c->keep; n > 0; n--) {
        char *to = older(c->path, n), *from = n > 1 ? older(c->path, n - 1) : NULL;
        if (to && n > 1 && from)
            rename(from, to);
        else if (to && n == 1 && (!unlink(to) || errno == ENOENT))
            (void)!link(c->path, to);
        free(to);
        free(from);
    }
}

static bool publish(const checkpoint *c, const char *temp, FILE *f, bool filled, char *error)
{
    int why = errno;
    bool ok = filled;

    if (fclose(f) && ok) {
        why = errno;
        ok = false;
    }
    if (ok)
        rotate(c);
    if (ok && rename(temp, c->path)) {
        why = errno;
        ok = false;
    }
    if (!ok) {
        unlink(temp);
        return tensor_fail(error, "%s: cannot be written: %s; the checkpoint before it is kept",
                           c->path, strerror(why));
    }
    sync_folder(c->path);
    return true;
}

bool checkpoint_write(checkpoint *c, const session *s, const void *start,
                      const checkpoint_place *p, char error[TENSOR_ERROR_SIZE])
{
    char text[NOTES][NOTE_SIZE];
    safetensors_note note[NOTES];
    checkpoint_place place = *p;
    contents all;
    char *temp = beside(c->path, ".tmp");
    bool ok = gather_contents(&all, c->trainer, s, start) && temp;
    uint64_t hash = ok ? hash_contents(&all) : 0;
    FILE *f = ok ? fopen(temp, "wb") : NULL;

    for (enum note n = 0; n < NOTES; n++) {
        write_note(n, &place, c->trainer, hash, text[n]);
        note[n] = (safetensors_note){keys[n], text[n]};
    }
    if (!ok)
        tensor_fail(error, "no memory for a checkpoint");
    else if (!f)
        ok = tensor_fail(error, "%s: cannot be written: %s", temp, strerror(errno));
    else
        ok = publish(c, temp, f, fill(f, &all, note), error);
    free_contents(&all);
    free(temp);
    return ok;
}

/* ---- reading ---------------------------------------------------------------------- */

/* Is it a checkpoint of this program?  Anything else is no damage, and nothing older
 * helps. */
static bool belongs(const checkpoint *c, const safetensors *f, char *error)
{
    const char *is = safetensors_note_of(f, keys[NOTE_FORMAT]);
    const char *hash = safetensors_note_of(f, keys[NOTE_HASH]);

    if (!is || strcmp(is, format) || !hash)
        return tensor_fail(error, "%s: is no checkpoint; --init takes weights from such a file",
                           f->path);
    if (strtoull(hash, NULL, 16) != c->trainer->hash)
        return tensor_fail(error, "%s: is of another program, '%.100s', or of another version of "
                           "this one; --init takes its weights, --fresh replaces it", f->path,
                           safetensors_note_of(f, keys[NOTE_PROGRAM]));
    return true;
}

/* Reads one item to where its data are; the item's memory is the caller's own. */
static bool read_item(safetensors *f, const safetensors_item *t, char *error)
{
    const safetensors_entry *e = safetensors_find(f, t->name);

    if (!e || e->dtype != t->dtype || e->size != item_size(t))
        return tensor_fail(error, "%s: lacks '%.200s'", f->path, t->name);
    return safetensors_read(f, e, (void *)(uintptr_t)t->data, error);
}

static bool read_contents(const checkpoint *c, safetensors *f, session *s, void *start,
                          char *error)
{
    contents all;
    bool ok = gather_contents(&all, c->trainer, s, start) || tensor_fail(error, "no memory");

    for (int32_t i = 0; ok && i < all.n; i++)
        ok = read_item(f, &all.item[i], error);
    if (ok && strtoull(safetensors_note_of(f, keys[NOTE_STATES]), NULL, 16) != hash_contents(&all))
        ok = tensor_fail(error, "%s: is damaged: its hash differs", f->path);
    free_contents(&all);
    return ok;
}

/* `other`: the file is whole, but not of this program. */
static bool read_one(const checkpoint *c, const char *path, session *s, void *start,
                     checkpoint_place *p, bool *other, char *error)
{
    safetensors f;
    bool ok = safetensors_open(&f, path, error);

    *other = ok && !belongs(c, &f, error);
    ok = ok && !*other &&
         (read_place(&f, p) || tensor_fail(error, "%s: is damaged: it lacks a note", path)) &&
         read_contents(c, &f, s, p->position ? start : NULL, error);
    safetensors_close(&f);
    return ok;
}

bool checkpoint_read(const checkpoint *c, session *s, void *start, checkpoint_place *p,
                     char error[TENSOR_ERROR_SIZE])
{
    char first[TENSOR_ERROR_SIZE];
    bool other, ok = read_one(c, c->path, s, start, p, &other, error);

    for (int64_t n = 1; !ok && !other && n <= c->keep; n++) {
        char *path = older(c->path, n);
        memcpy(first, error, sizeof first);
        ok = path && !access(path, F_OK) && read_one(c, path, s, start, p, &other, error);
        if (ok)
            fprintf(stderr, "%s\ngoing on from %s\n", first, path);
        else
            memcpy(error, first, sizeof first);
        free(path);
    }
    return ok;
}

int32_t checkpoint_take_weights(const struct ingot_trainer *t, session *s, const char *path,
                                int32_t *fitted, char error[TENSOR_ERROR_SIZE])
{
    safetensors f;
    int32_t taken = 0;
    bool ok = safetensors_open(&f, path, error);

    *fitted = 0;
    for (int32_t i = 0; ok && i < s->model->state_count; i++) {
        bool wanted = t->roles[i] <= INGOT_ROLE_FITTED;
        const safetensors_entry *e =
            wanted ? safetensors_find(&f, s->model->states[i].name) : NULL;
        ok = !e || states_read_one(s, &f, e, i, error);
        taken += e != NULL;
        *fitted += e && t->roles[i] == INGOT_ROLE_FITTED;
    }
    if (ok && !taken)
        ok = tensor_fail(error, "%s: has none of the names of this program", path);
    safetensors_close(&f);
    return ok ? taken : -1;
}

/* ---- locking ---------------------------------------------------------------------- */

/* A trainer that ends removes its file: one that was opened before, and locked after, is
 * nobody else's any more. */
static bool is_named_so(int fd, const char *path)
{
    struct stat open_one, named;

    return !fstat(fd, &open_one) && !stat(path, &named) && open_one.st_ino == named.st_ino;
}

/* The descriptor of the locked file; -1 with the reason in errno, which is EWOULDBLOCK
 * where another process has it. */
static int lock_file(const char *path)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0)
            return -1;
        if (!flock(fd, LOCK_EX | LOCK_NB) && is_named_so(fd, path))
            return fd;
        int why = errno;
        bool taken = is_named_so(fd, path);
        close(fd);
        errno = why;
        if (taken)
            return -1;
    }
}

bool checkpoint_open(checkpoint *c, const char *path, const struct ingot_trainer *t, int64_t keep,
                     char error[TENSOR_ERROR_SIZE])
{
    char *lock = beside(path, ".lock");

    *c = (checkpoint){.path = path, .trainer = t, .keep = keep, .lock = -1};
    if (!lock)
        return tensor_fail(error, "no memory");
    c->lock = lock_file(lock);
    int why = errno;
    free(lock);
    if (c->lock >= 0)
        return true;
    if (why == EWOULDBLOCK)
        return tensor_fail(error, "%s: another trainer is writing to it", path);
    return tensor_fail(error, "%s: cannot be written: %s", path, strerror(why));
}

void checkpoint_close(checkpoint *c)
{
    char *lock = c->lock >= 0 ? beside(c->path, ".lock") : NULL;

    if (lock)
        unlink(lock);
    if (c->lock >= 0)
        close(c->lock);
    free(lock);
    c->lock = -1;
}

bool checkpoint_exists(const checkpoint *c)
{
    bool found = !access(c->path, F_OK);

    for (int64_t n = 1; !found && n <= c->keep; n++) {
        char *path = older(c->path, n);
        found = path && !access(path, F_OK);
        free(path);
    }
    return found;
}
