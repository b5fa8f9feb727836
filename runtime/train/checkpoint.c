/* runtime/train/checkpoint.c - a training as a file: safetensors, so that other
 * programs can read the weights, with notes that say where the training stands
 * (place.c). It is written beside and renamed, after the data have reached the
 * disk: whatever happens, the file of this name is whole.  --keep older ones stay
 * as PATH.1 and so on, and a file whose hash is wrong gives way to them. */
#include "checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "hash.h"
#include "team.h"
#include "tensor_file.h"
#include "tensor_safetensors_text.h"

/* Files of the first are read still: all of its hashes are byte by byte. */
static const char bytewise_format[] = "ingot checkpoint 2", format[] = "ingot checkpoint 3";

/* ---- notes ------------------------------------------------------------------------ */

/* What the file notes beside the place.  The hash is that of all other notes and of all
 * data, so that a file with a wrong bit is known to be damaged. */
enum note { NOTE_FORMAT, NOTE_PROGRAM, NOTE_PROGRAM_HASH, NOTE_PAST, NOTE_HASH, OWN_NOTES };
enum { NOTES = PLACE_NOTES + OWN_NOTES, PAST_SIZE = 200 };
static const char *const keys[OWN_NOTES] = {"format", "program", "program_hash", "past", "hash"};

/* The notes of a file, those of the program last. */
typedef struct notes {
    safetensors_note *note;
    int32_t n;
    place_notes place;
    char program_hash[20], past[PAST_SIZE], hash[20];
} notes;

static void write_hash(char out[20], uint64_t hash)
{
    snprintf(out, 20, "%016" PRIx64, hash);
}

/* "epoch_start best1": the past that is there. */
static void write_past(char out[PAST_SIZE], const checkpoint_past *past, int32_t n)
{
    int at = 0;

    *out = 0;
    for (int32_t i = 0; i < n; i++)
        if (past[i].states && at < PAST_SIZE)
            at += snprintf(out + at, (size_t)(PAST_SIZE - at), "%s%s", at ? " " : "",
                           past[i].name);
}

/* Is this name a word of the note? */
static bool has_past(const char *note, const char *name)
{
    size_t size = strlen(name);

    for (const char *at = note; (at = strstr(at, name)); at += size)
        if ((at == note || at[-1] == ' ') && (!at[size] || at[size] == ' '))
            return true;
    return false;
}

/* All but the hash.  False without memory; the caller frees to->note. */
static bool write_notes(notes *to, const struct ingot_trainer *t, const place *p,
                        const checkpoint_past *past, int32_t n)
{
    const char *value[OWN_NOTES] = {format, t->program, to->program_hash, to->past, to->hash};

    to->n = NOTES + t->note_count;
    to->note = calloc((size_t)to->n, sizeof *to->note);
    if (!to->note)
        return false;
    place_write(p, &to->place, to->note);
    write_hash(to->program_hash, t->hash);
    write_past(to->past, past, n);
    for (enum note i = 0; i < OWN_NOTES; i++)
        to->note[PLACE_NOTES + i] = (safetensors_note){keys[i], value[i]};
    for (int32_t i = 0; i < t->note_count; i++)
        to->note[NOTES + i] = (safetensors_note){t->notes[i].key, t->notes[i].value};
    return true;
}

static uint64_t hash_notes(const safetensors_note *note, int32_t n)
{
    uint64_t hash = INGOT_HASH_START;

    for (int32_t i = 0; i < n; i++)
        if (strcmp(note[i].key, keys[NOTE_HASH]))
            hash = hash_more(hash, note[i].value, strlen(note[i].value) + 1);
    return hash;
}

/* ---- what is in the file ---------------------------------------------------------- */

/* Gradients that are accumulated are zero between two steps. */
static bool is_saved(const struct ingot_trainer *t, int32_t state)
{
    return t->roles[state] != INGOT_ROLE_GRADIENT;
}

/* What training changes of a net. */
static bool is_of_past(const struct ingot_trainer *t, int32_t state)
{
    return t->roles[state] <= INGOT_ROLE_STATE;
}

/* The tensors of a file: states of now under their own names, those of a past
 * moment as "best1/w". */
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

/* Only what training changes of the nets: an optimizer's moments of that time are
 * of no use. */
static bool add_past(contents *c, const struct ingot_trainer *t, const struct ingot_model *m,
                     const checkpoint_past *past)
{
    for (int32_t i = 0; i < m->state_count; i++) {
        char *name = NULL;
        if (!is_of_past(t, i))
            continue;
        if (asprintf(&name, "%s/%s", past->name, m->states[i].name) < 0)
            return false;
        c->name[c->names++] = name;
        add_item(c, &m->states[i], name, past->states);
    }
    return true;
}

/* Pointers into the states, nothing is copied.  False without memory. */
static bool gather_contents(contents *c, const struct ingot_trainer *t, const session *s,
                            const checkpoint_past *past, int32_t n)
{
    const struct ingot_model *m = s->model;
    size_t most = (size_t)m->state_count * ((size_t)n + 1) + 1;
    bool ok = true;

    *c = (contents){.item = calloc(most, sizeof *c->item), .name = calloc(most, sizeof *c->name)};
    if (!c->item || !c->name)
        return false;
    for (int32_t i = 0; i < m->state_count; i++)
        if (is_saved(t, i))
            add_item(c, &m->states[i], m->states[i].name, s->states);
    for (int32_t i = 0; ok && i < n; i++)
        ok = !past[i].states || add_past(c, t, m, &past[i]);
    return ok;
}

static void free_contents(contents *c)
{
    for (int32_t i = 0; c->name && i < c->names; i++)
        free(c->name[i]);
    free(c->name);
    free(c->item);
}

static uint64_t item_size(const safetensors_item *t)
{
    return safetensors_bytes(t->dtype, t->rank, t->dims);
}

static uint64_t hash_contents(uint64_t hash, const contents *c, hash_fn *more)
{
    for (int32_t i = 0; i < c->n; i++)
        hash = more(hash, c->item[i].data, item_size(&c->item[i]));
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
static bool fill(FILE *f, const contents *c, const notes *with)
{
    uint64_t size = 4096;

    for (int32_t i = 0; i < with->n; i++)
        size += strlen(with->note[i].value);
    for (int32_t i = 0; i < c->n; i++)
        size += item_size(&c->item[i]) + strlen(c->item[i].name) + 100;
    errno = posix_fallocate(fileno(f), 0, (off_t)size);
    if (errno && errno != EOPNOTSUPP && errno != EINVAL)
        return false;
    if (!safetensors_write(f, c->item, c->n, with->note, with->n) || fflush(f) || ferror(f))
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

/* Closes f.  Old files move on only when the new one is written. */
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
        return tensor_fail(error, "%s: cannot be written: %s; %s", c->path, strerror(why),
                           access(c->path, F_OK) ? "there is no checkpoint before it"
                                                 : "the checkpoint before it is kept");
    }
    sync_folder(c->path);
    return true;
}

/* False leaves the file before as it was; the training goes on. */
bool checkpoint_write(checkpoint *c, const session *s, const checkpoint_past *past, int32_t n,
                      const place *p, char error[TENSOR_ERROR_SIZE])
{
    notes to = {0};
    contents all;
    char *temp = beside(c->path, ".tmp");
    bool ok = gather_contents(&all, c->trainer, s, past, n) && temp &&
              write_notes(&to, c->trainer, p, past, n);
    FILE *f = ok ? fopen(temp, "wb") : NULL;

    if (!ok) {
        tensor_fail(error, "no memory for a checkpoint");
    } else if (!f) {
        ok = tensor_fail(error, "%s: cannot be written: %s", temp, strerror(errno));
    } else {
        write_hash(to.hash, hash_contents(hash_notes(to.note, to.n), &all, hash_bulk));
        ok = publish(c, temp, f, fill(f, &all, &to), error);
    }
    free(to.note);
    free_contents(&all);
    free(temp);
    return ok;
}

/* ---- reading ---------------------------------------------------------------------- */

static bool is_bytewise(const safetensors *f)
{
    return !strcmp(safetensors_note_of(f, keys[NOTE_FORMAT]), bytewise_format);
}

/* Is it a checkpoint of this program?  Anything else is no damage, and nothing older
 * helps. */
static bool belongs(const checkpoint *c, const safetensors *f, char *error)
{
    const char *is = safetensors_note_of(f, keys[NOTE_FORMAT]);
    const char *hash = safetensors_note_of(f, keys[NOTE_PROGRAM_HASH]);
    const char *program = safetensors_note_of(f, keys[NOTE_PROGRAM]);

    if (!is || (strcmp(is, format) && !is_bytewise(f)) || !hash)
        return tensor_fail(error, "%s: is no checkpoint; --init takes weights from such a file",
                           f->path);
    if (strtoull(hash, NULL, 16) != c->trainer->hash)
        return tensor_fail(error, "%s: is of another program, '%.100s', or of another version of "
                           "this one; --init takes its weights, --fresh replaces it", f->path,
                           program ? program : "");
    return true;
}

/* Reads one item to where its data are; the item's memory is the caller's own. */
static bool read_item(safetensors *f, const safetensors_item *t, char *error)
{
    const safetensors_entry *e = safetensors_find(f, t->name);
    char has[SAFETENSORS_SHAPE_SIZE], wanted[SAFETENSORS_SHAPE_SIZE];

    if (!e)
        return tensor_fail(error, "%s: lacks '%.200s': it is damaged, or another version of ingot "
                           "made the trainer that wrote it; --init takes its weights", f->path,
                           t->name);
    if (e->dtype != t->dtype || e->rank != t->rank ||
        (t->rank && memcmp(e->dims, t->dims, (size_t)t->rank * sizeof *t->dims)))
        return tensor_fail(error, "%s: '%.200s' is %.150s, the program has %.150s", f->path,
                           t->name, safetensors_shape(e->type, e->rank, e->dims, has),
                           safetensors_shape(tensor_type_name(t->dtype), t->rank, t->dims, wanted));
    return safetensors_read(f, e, (void *)(uintptr_t)t->data, error);
}

/* Of the past that the caller has room for, what the file has; its number. */
static int32_t find_past(const safetensors *f, const checkpoint_past *past, int32_t n,
                         checkpoint_past *found)
{
    const char *note = safetensors_note_of(f, keys[NOTE_PAST]);
    int32_t count = 0;

    for (int32_t i = 0; note && i < n; i++)
        if (past[i].states && has_past(note, past[i].name))
            found[count++] = past[i];
    return count;
}

/* Reads into the session's states directly: after a failure they are undefined, and
 * the caller reads an older file or begins anew. */
static bool read_contents(const checkpoint *c, safetensors *f, session *s,
                          const checkpoint_past *past, int32_t n, char *error)
{
    const char *hash = safetensors_note_of(f, keys[NOTE_HASH]);
    checkpoint_past *found = calloc((size_t)n + 1, sizeof *found);
    contents all = {0};
    int32_t there = found ? find_past(f, past, n, found) : 0;
    bool ok = (found && gather_contents(&all, c->trainer, s, found, there)) ||
              tensor_fail(error, "no memory");

    for (int32_t i = 0; ok && i < all.n; i++)
        ok = read_item(f, &all.item[i], error);
    if (ok && (!hash || strtoull(hash, NULL, 16) !=
                            hash_contents(hash_notes(f->note, f->note_count), &all,
                                          is_bytewise(f) ? hash_more : hash_bulk)))
        ok = tensor_fail(error, "%s: is damaged: its hash differs", f->path);
    free_contents(&all);
    free(found);
    return ok;
}

/* `other`: the file is whole, but not of this program. */
static bool read_one(const checkpoint *c, const char *path, session *s,
                     const checkpoint_past *past, int32_t n, place *p, bool *other, char *error)
{
    safetensors f;
    bool ok = safetensors_open(&f, path, error);

    *other = ok && !belongs(c, &f, error);
    p->bytewise = ok && !*other && is_bytewise(&f);
    ok = ok && !*other &&
         ((place_read(&f, p) && p->block < c->trainer->block_count) ||
          tensor_fail(error, "%s: is damaged: a note is missing or wrong", path)) &&
         read_contents(c, &f, s, past, n, error);
    safetensors_close(&f);
    return ok;
}

/* The file, else the newest older one that is whole; if none is, the error of the
 * first.  A file of another program is told at once. */
bool checkpoint_read(const checkpoint *c, session *s, const checkpoint_past *past, int32_t n,
                     place *p, char error[TENSOR_ERROR_SIZE])
{
    char first[TENSOR_ERROR_SIZE];
    bool other, ok = read_one(c, c->path, s, past, n, p, &other, error);

    for (int64_t k = 1; !ok && !other && k <= c->keep; k++) {
        char *path = older(c->path, k);
        memcpy(first, error, sizeof first);
        ok = path && !access(path, F_OK) && read_one(c, path, s, past, n, p, &other, error);
        if (ok)
            fprintf(stderr, "%s\ngoing on from %s\n", first, path);
        else
            memcpy(error, first, sizeof first);
        free(path);
    }
    return ok;
}

/* Where there is none, whoever reads it says so. */
bool checkpoint_of_other(const struct ingot_trainer *t, const char *path,
                         char error[TENSOR_ERROR_SIZE])
{
    safetensors f;
    bool open = safetensors_open(&f, path, error);
    const char *hash = open ? safetensors_note_of(&f, keys[NOTE_PROGRAM_HASH]) : NULL;
    const char *program = open ? safetensors_note_of(&f, keys[NOTE_PROGRAM]) : NULL;
    bool other = hash && strtoull(hash, NULL, 16) != t->hash;

    if (other)
        tensor_fail(error, "%s: is of another program, '%.100s', or of another version of this "
                    "one; --init takes its weights, --save FILE those of another training", path,
                    program ? program : "");
    safetensors_close(&f);
    return other;
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

/* PATH.lock is held as long as the checkpoint is open: two trainers would overwrite
 * each other's files. */
bool checkpoint_open(checkpoint *c, const char *path, const struct ingot_trainer *t, int64_t keep,
                     char error[TENSOR_ERROR_SIZE])
{
    const char *refused = partial_refused(path);
    char *lock = refused ? NULL : beside(path, ".lock");

    *c = (checkpoint){.path = path, .trainer = t, .keep = keep, .lock = -1, .lock_path = lock,
                      .slot = -1};
    if (refused)
        return tensor_fail(error, "%s: %s", path, refused);
    if (!lock)
        return tensor_fail(error, "no memory");
    c->lock = lock_file(lock);
    int why = errno;
    if (c->lock >= 0) {
        c->slot = cleanup_path(lock);
        return true;
    }
    if (why == EWOULDBLOCK)
        return tensor_fail(error, "%s: another trainer is writing to it%s", path,
                           team_hint());
    return tensor_fail(error, "%s: cannot be written: %s", path, strerror(why));
}

/* Removed before it is let go, so that nobody locks a file without a name. */
void checkpoint_close(checkpoint *c)
{
    if (c->lock >= 0) {
        unlink(c->lock_path);
        cleanup_done(c->slot);
        close(c->lock);
    }
    free(c->lock_path);
    c->lock_path = NULL;
    c->lock = -1;
}

int64_t checkpoint_newest(const checkpoint *c)
{
    if (!access(c->path, F_OK))
        return 0;
    for (int64_t n = 1; n <= c->keep; n++) {
        char *path = older(c->path, n);
        bool found = path && !access(path, F_OK);
        free(path);
        if (found)
            return n;
    }
    return -1;
}
