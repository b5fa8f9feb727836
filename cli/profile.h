/* cli/profile.h - where the time of a run goes, kernel by kernel. */
#ifndef INGOT_PROFILE_H
#define INGOT_PROFILE_H

#include "bench.h"
#include "image.h"

/* A kernel's call in the plan, and what it took in the run at hand and in the fastest. */
typedef struct profile_row {
    const plan_step *step;
    double run_seconds, seconds;
    uint64_t run_calls, calls;
    double flops, bytes;            /* of one call: of contractions; of all it is given */
} profile_row;

/* A call, in seconds since the run began. */
typedef struct profile_event {
    uint32_t row;
    double begin, end;
} profile_event;

typedef VEC(profile_event) profile_events;

/* A profile in the making.  While a run is on, `now` gets an event for each call of
 * a kernel, and the call's row its time; as the run ends, both are kept if it was
 * the fastest. */
typedef struct profile {
    const ingot_engine *engine;
    const plan *plan;               /* of the engine's code */
    VEC(profile_row) row;           /* in the order of first calls */
    profile_events now, event;      /* of the run at hand; of the fastest */
    map place;                      /* of a step's row */
    bool listens;                   /* a run is on that counts: not one that tries extents */
    bool running;                   /* a call is: that of the last event at hand */
    double began;                   /* the run, of clock_now */
    size_t runs;
    double seconds;                 /* of the fastest run; 0: there was none */
    double gflops, gbytes;          /* what the machine reaches; no row is above them */
    size_t workspace_size;          /* bytes */
    VEC(double) live;               /* bytes that are in use, at each step of the entry */
} profile;

/* The `begins` of an image_watch, whose `cx` is a profile: a call begins, and the one
 * before it ends; a null step only ends. */
void profile_begins(void *cx, const plan_step *s);
/* Runs the engine's entry, which was compiled with that watch.  False after a message. */
bool profile_runs(profile *p, ingot_engine *e, const tensor_value *in, size_t runs, int threads);
void profile_free(profile *p);

/* How much of the machine a row uses, in percent: of its multiply-adds if it has
 * contractions, else of its memory.  `what` becomes the word for which. */
double profile_percent(const profile *p, const profile_row *r, const char **what);
const char *profile_kernel(const profile *p, const profile_row *r);
/* "node 3 'conv1' (Conv-11)" of the file, or "". */
const char *profile_node(const profile_row *r);

void profile_print_table(const profile *p);
/* Writes the fastest run in the form that chrome://tracing and Perfetto read. */
void profile_print_trace(const profile *p, FILE *f);
/* Adds table, timeline and memory to a page. */
void profile_print_html(const profile *p, FILE *f);

#endif
