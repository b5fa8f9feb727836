/* runtime/train/journal.c - log and progress of a training: numbers of steps and
 * epochs go to a CSV file, to curves (plot.c), to the page and to the terminal.  In
 * memory some thousands are kept, thinned out as they grow; the log has all of
 * them, and a training that goes on cuts it back to where the checkpoint stands, so
 * that it looks as if nobody had interrupted it. */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "hash.h"
#include "tensor_file.h"

/* Records that curves are drawn of. */
enum { MOST_RECORDS = 4096 };

const char *const journal_part[JOURNAL_PARTS] = {
    [INGOT_PART_TRAIN] = "train", [INGOT_PART_VALID] = "valid", [INGOT_PART_TEST] = "test",
    [JOURNAL_STEP] = "step"};

/* ---- names ------------------------------------------------------------------------ */

int32_t journal_index(const journal *j, const char *name)
{
    for (int32_t i = 0; i < j->names; i++)
        if (!strcmp(j->name[i], name))
            return i;
    return -1;
}

/* The numbers that a call gives; `stop` is none. */
static void add_names(journal *j, const struct ingot_model *m, const struct ingot_train_call *c)
{
    const struct ingot_entry *e = c->entry ? session_entry(m, c->entry) : NULL;

    for (int32_t i = 0; e && i < e->output_count; i++) {
        const struct ingot_value_info *o = &e->outputs[i];
        if (o->dtype != TENSOR_BOOL && journal_index(j, o->name) < 0 && j->names < JOURNAL_NAMES)
            j->name[j->names++] = o->name;
    }
}

/* ---- records ---------------------------------------------------------------------- */

/* NaN is what was not measured: an empty field in the log, a gap in the curve. */
journal_record journal_blank(int64_t step, int64_t epoch, int32_t part)
{
    journal_record r = {.step = step, .epoch = epoch, .part = part};

    for (int32_t i = 0; i < JOURNAL_NAMES; i++)
        r.value[i] = NAN;
    return r;
}

journal_record *journal_last(const journal *j, int32_t part)
{
    for (int64_t i = j->records; i-- > 0;)
        if (j->record[i].part == part)
            return &j->record[i];
    return NULL;
}

const journal_record *journal_next(const journal *j, const journal_record *r)
{
    for (const journal_record *next = r + 1; next < j->record + j->records; next++)
        if (next->part == r->part)
            return next;
    return NULL;
}

/* Is the last record of a part there only for being the last? */
static bool is_passing(const journal_curve *c)
{
    return c->made && (c->made - 1) & ((INT64_C(1) << c->thinned) - 1);
}

static int32_t longest_part(const journal *j)
{
    int32_t longest = 0;

    for (int32_t part = 1; part < JOURNAL_PARTS; part++)
        if (j->curve[part].kept > j->curve[longest].kept)
            longest = part;
    return longest;
}

/* Of the part that has most records every other one goes, but not the last of a block: there is
 * room for a plot of any number of epochs, and the few records of a test all stay. */
static void thin_out(journal *j)
{
    int32_t part = longest_part(j);
    journal_curve *c = &j->curve[part];
    int64_t n = 0, seen = 0;

    c->kept = 0;
    for (const journal_record *r = j->record; r < j->record + j->records; r++) {
        const journal_record *next = r->part == part ? journal_next(j, r) : NULL;
        bool last = !next || next->before != r->before;
        bool stays = r->part != part || seen++ % 2 == 0 || last;
        seen = r->part == part && last ? 0 : seen;
        c->kept += r->part == part && stays;
        if (stays)
            j->record[n++] = *r;
    }
    j->records = n;
    c->thinned++;
}

/* Another block than that of the newest record begins where that ends, and its curves anew. */
static void begin_curves(journal *j, const journal_record *r)
{
    if (j->records && (r->block != j->record[j->records - 1].block || r->step < j->newest)) {
        j->before += j->newest;
        for (int32_t part = 0; part < JOURNAL_PARTS; part++)
            j->curve[part].made = 0;
    }
    j->newest = r->step;
}

/* A plot without memory is a shorter one, no failure. */
static void keep_record(journal *j, journal_record *r)
{
    journal_curve *c = &j->curve[r->part];

    begin_curves(j, r);
    r->before = j->before;
    if (!j->record)
        j->record = malloc(MOST_RECORDS * sizeof *j->record);
    if (!j->record)
        return;
    if (j->records == MOST_RECORDS)
        thin_out(j);
    if (is_passing(c)) {
        *journal_last(j, r->part) = *r;
    } else {
        j->record[j->records++] = *r;
        c->kept++;
    }
    c->made++;
}

/* ---- the log ---------------------------------------------------------------------- */

static void count_in(place_log *w, const char *text, size_t size)
{
    w->hash = hash_more(w->hash, text, size);
    w->size += (int64_t)size;
}

/* Writes to the log, and counts what was written.  The reason of a failure is kept here: the
 * buffer may be written at any row, long before anyone asks. */
__attribute__((format(printf, 2, 3))) static void put(journal *j, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    size_t size = n < (int)sizeof text ? (size_t)n : sizeof text - 1;
    if (fwrite(text, 1, size, j->log) < size && !j->log_lost)
        j->log_lost = errno;
    count_in(&j->written, text, size);
}

static const place_log nothing = {.hash = INGOT_HASH_START};

static void begin_log(journal *j)
{
    j->written = nothing;
    put(j, "%sstep,epoch,part", j->log_blocks ? "block," : "");
    for (int32_t i = 0; i < j->names; i++)
        put(j, ",%s", j->name[i]);
    put(j, ",seconds\n");
}

/* Has the file these bytes at its beginning? */
static bool begins_with(FILE *f, const place_log *at)
{
    place_log is = nothing;
    char text[4096];

    while (is.size < at->size) {
        size_t left = (size_t)(at->size - is.size);
        size_t n = fread(text, 1, left < sizeof text ? left : sizeof text, f);
        if (!n)
            return false;
        count_in(&is, text, n);
    }
    return is.hash == at->hash;
}

static bool cannot_write(const char *path, char *error)
{
    return tensor_fail(error, "%s: cannot be written: %s", path, strerror(errno));
}

/* The part of this name, which a comma ends; JOURNAL_PARTS: none. */
static int32_t part_of(const char *text)
{
    int32_t part = 0;

    while (part < JOURNAL_PARTS && (strncmp(text, journal_part[part], strlen(journal_part[part])) ||
                            text[strlen(journal_part[part])] != ','))
        part++;
    return part;
}

/* The block whose name begins the row, and *at behind it; -1: none, or it has no such column. */
static int32_t parse_block(const journal *j, char **at)
{
    size_t size = j->log_blocks ? strcspn(*at, ",") : 0;

    for (int32_t i = 0; size && i < j->t->block_count; i++)
        if (!strncmp(j->t->blocks[i].name, *at, size) && !j->t->blocks[i].name[size]) {
            *at += size + ((*at)[size] == ',');
            return i;
        }
    return -1;
}

/* A row of the log as the record that it was.  False: it is none, such as the first line. */
static bool parse_record(const journal *j, char *line, journal_record *r)
{
    char *at = line;
    int32_t block = parse_block(j, &at);
    int64_t step = strtoll(at, &at, 10), epoch = *at == ',' ? strtoll(at + 1, &at, 10) : 0;
    int32_t part = *at == ',' ? part_of(at + 1) : JOURNAL_PARTS;

    if (part == JOURNAL_PARTS || (j->log_blocks && block < 0))
        return false;
    *r = journal_blank(step, epoch, part);
    r->block = block < 0 ? 0 : block;
    at = strchr(at + 1, ',');
    for (int32_t i = 0; at && i < j->names; i++) {
        char *end, *field = at + 1;
        float v = strtof(field, &end);
        r->given[i] = end != field;
        r->value[i] = r->given[i] ? v : NAN;
        at = strchr(field, ',');
    }
    return true;
}

/* What an earlier process logged is drawn with what is to come. */
static void recall(journal *j)
{
    char *line = NULL;
    size_t room = 0;
    journal_record r;

    rewind(j->log);
    while (getline(&line, &room, j->log) > 0)
        if (parse_record(j, line, &r))
            keep_record(j, &r);
    free(line);
    fseeko(j->log, (off_t)j->written.size, SEEK_SET);
}

/* The last number of the rows that the log has: the seconds of the training. */
static double last_seconds(FILE *log, int64_t size)
{
    char tail[64];
    int64_t most = sizeof tail - 1, n = size < most ? size : most;

    if (fseeko(log, (off_t)(size - n), SEEK_SET) || fread(tail, 1, (size_t)n, log) < (size_t)n)
        return 0;
    tail[n] = 0;
    const char *comma = strrchr(tail, ',');
    double v = comma ? strtod(comma + 1, NULL) : 0;
    return v > 0 ? v : 0;
}

/* What was logged behind the place will be logged again. */
static bool cut_log(journal *j, const place_log *at, char *error)
{
    if (!begins_with(j->log, at))
        return tensor_fail(error, "%s: is not the log of this training; another --log FILE leaves "
                           "it alone", j->log_path);
    rewind(j->log);
    j->log_blocks = fgetc(j->log) == 'b';       /* one of an ingot that knew no such column */
    j->seconds = last_seconds(j->log, at->size);
    if (ftruncate(fileno(j->log), (off_t)at->size) || fseeko(j->log, (off_t)at->size, SEEK_SET))
        return cannot_write(j->log_path, error);
    j->kept = j->written = *at;
    if (j->keeps)
        recall(j);
    return true;
}

/* A log has one writer: it stays locked while it is open.  A device or a pipe is neither
 * locked nor cut. */
static bool open_log(journal *j, const place_log *at, char *error)
{
    int fd = open(j->log_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    struct stat st;

    j->log = fd < 0 || fstat(fd, &st) ? NULL : fdopen(fd, "r+b");
    if (!j->log)
        return cannot_write(j->log_path, error);
    if (S_ISREG(st.st_mode) && flock(fd, LOCK_EX | LOCK_NB))
        return tensor_fail(error, "%s: another trainer is writing to it", j->log_path);
    if (at->size && st.st_size)
        return cut_log(j, at, error);
    if (S_ISREG(st.st_mode) && ftruncate(fd, 0))
        return cannot_write(j->log_path, error);
    begin_log(j);
    return true;
}

/* The columns are all numbers that any block gives, in order of appearance. */
bool journal_open(journal *j, const struct ingot_trainer *t, const struct ingot_model *m,
                  const char *log, const char *plot, bool keeps, const place_log *at,
                  char error[TENSOR_ERROR_SIZE])
{
    *j = (journal){.t = t, .log_path = log, .plot_path = plot, .keeps = plot || keeps,
                   .log_blocks = t->block_count > 1, .kept = *at, .terminal = isatty(STDERR_FILENO),
                   .begun = clock_now()};
    for (int32_t i = 0; i < t->block_count; i++) {
        add_names(j, m, &t->blocks[i].metrics);
        for (int32_t k = 0; t->blocks[i].apply && k < t->blocks[i].objective_count; k++)
            add_names(j, m, &t->blocks[i].apply[k]);
        add_names(j, m, t->blocks[i].step.entry ? &t->blocks[i].step : &t->blocks[i].step_any);
    }
    return !log || open_log(j, at, error);
}

/* All that was logged goes to the disk.  A pipe has none, which is no failure. */
static bool sync_log(const journal *j)
{
    return !fflush(j->log) &&
           (!fsync(fileno(j->log)) || errno == EINVAL || errno == EROFS || errno == ENOTSUP);
}

/* Length and hash of what the log has now, for the checkpoint.  A log that cannot
 * be written ends with a warning: the training is worth more. */
place_log journal_written(journal *j)
{
    if (j->log && !sync_log(j) && !j->log_lost)
        j->log_lost = errno;
    if (j->log && j->log_lost) {
        fprintf(stderr, "warning: %s: cannot be written: %s\n", j->log_path,
                strerror(j->log_lost));
        fclose(j->log);
        j->log = NULL;
    }
    if (j->log)
        j->kept = j->written;
    return j->kept;
}

place_log journal_mark(const journal *j)
{
    return j->log ? j->written : j->kept;
}

/* Nine digits are enough for any f32 to be read back as it was. */
static void log_record(journal *j, const journal_record *r, double seconds)
{
    if (j->log_blocks)
        put(j, "%s,", j->t->blocks[r->block].name);
    put(j, "%" PRId64 ",%" PRId64 ",%s", r->step, r->epoch, journal_part[r->part]);
    for (int32_t i = 0; i < j->names; i++)
        if (!r->given[i])
            put(j, ",");
        else if (isnan(r->value[i]))
            put(j, ",nan");
        else
            put(j, ",%.9g", r->value[i]);
    put(j, ",%.3f\n", seconds);
}

void journal_put(const journal *j, journal_record *r, const char *name, double value)
{
    int32_t at = journal_index(j, name);

    if (at >= 0) {
        r->value[at] = (float)value;
        r->given[at] = true;
    }
}

void journal_add(journal *j, const journal_record *r, double seconds)
{
    journal_record own = *r;

    own.block = j->block;
    if (j->log)
        log_record(j, &own, seconds);
    if (j->keeps)
        keep_record(j, &own);
}

/* ---- progress --------------------------------------------------------------------- */

static int width(void)
{
    struct winsize w;

    return !ioctl(STDERR_FILENO, TIOCGWINSZ, &w) && w.ws_col > 20 ? w.ws_col : 80;
}

/* "loss 0.312  accuracy 0.887" */
static int put_numbers(const journal *j, const journal_record *r, char *out, int room)
{
    int n = 0;

    *out = 0;
    for (int32_t i = 0; i < j->names && n < room; i++)
        if (r->given[i])
            n += snprintf(out + n, (size_t)(room - n), "  %s %.4g", j->name[i],
                          isnan(r->value[i]) ? NAN : r->value[i]);
    return n < room ? n : room - 1;
}

/* Eight characters, of which `share` are thick. */
static void put_bar(double share, char out[64])
{
    int done = (int)(share * 16 + 0.5), n = 0;

    for (int i = 0; i < 8; i++)
        n += snprintf(out + n, 64 - (size_t)n, "%s",
                      done >= 2 * i + 2 ? "\u2501" : done == 2 * i + 1 ? "\u2578" : " ");
}

static void clear_line(journal *j)
{
    if (j->drawn)
        fputs("\r\033[K", stderr);
    j->drawn = false;
}

/* "48 k rows/s  0:07 left" */
static int put_pace(char *out, int room, double rate, const char *unit, double left)
{
    const char *prefix = rate >= 1e6 ? "M " : rate >= 1e3 ? "k " : "";
    double shown = rate >= 1e6 ? rate / 1e6 : rate >= 1e3 ? rate / 1e3 : rate;
    int n = snprintf(out, (size_t)room, "  %.3g %s%s/s", shown, prefix, unit);

    if (left >= 0 && n < room)
        n += snprintf(out + n, (size_t)(room - n), "  %d:%02d left", (int)left / 60,
                      (int)left % 60);
    return n < room ? n : room - 1;
}

/* The seconds that are left, from the share of all epochs that is done; below 0 where
 * their number is not known. */
static double time_left(const journal *j, int64_t epoch, int64_t epochs, double share)
{
    double done = epochs ? ((double)(epoch - 1) + share) / (double)epochs : 0;

    return done > 0 ? (clock_now() - j->begun) * (1 - done) / done : -1;
}

/* A line that is drawn over on a terminal, ten times a second; a line every ten
 * seconds elsewhere. */
void journal_progress(journal *j, const journal_record *r, int64_t epochs, double share,
                      double rate, const char *unit)
{
    const double pause = j->terminal ? 0.1 : 10;
    char line[400], bar[64], of[32] = "";
    double now = clock_now();

    if (j->quiet || now - (j->told ? j->told : j->begun) < pause)
        return;
    j->told = now;
    put_bar(share, bar);
    if (epochs)
        snprintf(of, sizeof of, "/%" PRId64, epochs);
    int n = snprintf(line, sizeof line, "epoch %" PRId64 "%s %s %3.0f%%", r->epoch, of,
                     j->terminal ? bar : "", share * 100);
    n += put_numbers(j, r, line + n, (int)sizeof line - n);
    put_pace(line + n, (int)sizeof line - n, rate, unit, time_left(j, r->epoch, epochs, share));
    clear_line(j);
    fprintf(stderr, j->terminal ? "%.*s" : "%.*s\n", width() + (j->terminal ? 16 : 400), line);
    j->drawn = j->terminal;
}

/* Numbers of a finished epoch or test, which stay. */
void journal_line(journal *j, const char *what, const journal_record *r)
{
    char line[400];

    if (j->quiet)
        return;
    put_numbers(j, r, line, sizeof line);
    clear_line(j);
    fprintf(stderr, "%s%s\n", what, line);
    j->told = clock_now();
}

/* Anything else; the line of progress makes way. */
void journal_say(journal *j, const char *fmt, ...)
{
    va_list args;

    if (j->quiet)
        return;
    clear_line(j);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

/* ---- the end ---------------------------------------------------------------------- */

/* The first error that writing met, which may be long ago. */
static bool close_log(journal *j, char *error)
{
    journal_written(j);
    if (j->log && fclose(j->log))
        j->log_lost = errno;
    j->log = NULL;
    errno = j->log_lost;
    return !j->log_lost || cannot_write(j->log_path, error);
}

/* Writes the plot, if one is wanted. */
bool journal_close(journal *j, char error[TENSOR_ERROR_SIZE])
{
    bool ok = close_log(j, error);
    partial p;

    clear_line(j);
    if (ok && j->plot_path && j->records)
        ok = partial_close(&p, partial_open(&p, j->plot_path) && plot_write(j, p.file)) ||
             cannot_write(j->plot_path, error);
    free(j->record);
    j->record = NULL;
    return ok;
}
