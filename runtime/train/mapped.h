/* runtime/train/mapped.h - files of data that are mapped into memory: one that becomes shorter
 * meanwhile ends the program with a message that names it, and not by a bus error. */
#ifndef INGOT_TRAIN_MAPPED_H
#define INGOT_TRAIN_MAPPED_H

#include <stddef.h>

/* Notes a mapping, or forgets it; where very many are noted, or without memory, some are not. */
void mapped_note(const void *at, size_t size, const char *path);
void mapped_forget(const void *at);

#endif
