/* runtime/cleanup.h - output files are written under another name beside the
 * final one and renamed when complete; what is half done when the program fails
 * or is interrupted is removed, so that no partial file is ever seen. */
#ifndef INGOT_CLEANUP_H
#define INGOT_CLEANUP_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* From now on SIGINT, SIGTERM and SIGHUP end the program with 128 + n, after ending
 * what was started and removing what was registered. */
void cleanup_catch_interrupt(void);
/* SIGHUP has this action, unless `nohup` has it ignored. */
void cleanup_catch_hangup(const struct sigaction *act);

/* Ends and removes what is registered, in the handler of a signal after which the program ends. */
void cleanup_now(void);

/* Puts interruptions off between the two calls, so that no file is made without
 * being registered. */
void cleanup_hold(sigset_t *before);
void cleanup_release(const sigset_t *before);

/* Registers a file or a folder to be removed, or the leader of a group of
 * processes to be ended; the text must live on.  A slot for cleanup_done, or -1
 * when too much is registered. */
int cleanup_path(const char *path);
int cleanup_group(pid_t leader);
void cleanup_done(int slot);
/* Removes a file, or a folder and the files in it, whoever made them. */
void cleanup_remove(const char *path);
/* To be called in a child after fork: what is registered belongs to the parent, and
 * the child must not remove it. */
void cleanup_forget(void);

/* One file under construction: written at `temp`, to be renamed to `path`.  `temp` is
 * null for a device or a pipe, which is written directly. */
typedef struct partial {
    FILE *file;
    char *temp;
    const char *path;
    int slot;
} partial;

/* Why `path` cannot be a regular file to be made or replaced; null if it can. */
const char *partial_refused(const char *path);
/* Begins a file; `path` must live until it is closed.  False with the reason in
 * errno. */
bool partial_open(partial *p, const char *path);
/* Can a file be made there?  One is begun, and removed; a device or a pipe is not touched.
 * False with the reason in errno. */
bool partial_possible(const char *path);
/* Gives the file its name if `keep` and all was written, else removes it.  False,
 * with the reason in errno, unless all is where it should be. */
bool partial_close(partial *p, bool keep);
/* The whole of a file at once, which is there whole or as it was before.  False with the
 * reason in errno. */
bool partial_write(const char *path, const void *bytes, size_t size);

#endif
