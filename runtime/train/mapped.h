/* runtime/train/mapped.h - files of data that are mapped into memory: one that becomes shorter
 * meanwhile ends the program with a message that names it, and not by a bus error. */
#ifndef INGOT_TRAIN_MAPPED_H
#define INGOT_TRAIN_MAPPED_H

#include <stddef.h>

/* Notes a mapping of the open file, or forgets it; where very many are noted, or without memory,
 * some are not. */
void mapped_note(const void *at, size_t size, const char *path, int fd);
void mapped_forget(const void *at);
/* Ends the program, in the same way, if a file is shorter now.  What it lost of its last page reads
 * as zeros, without a signal: to be called before what was computed is told or kept. */
void mapped_check(void);

#endif
