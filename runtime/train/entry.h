/* runtime/train/entry.h - an entry of a training program, run with the trained weights:
 *
 *   ./speaker sample prompt="ROMEO:" n=400
 *   ./gan draw n=64 -o sheet.pgm */
#ifndef INGOT_TRAIN_ENTRY_H
#define INGOT_TRAIN_ENTRY_H

#include "session.h"
#include "train_abi.h"

/* The entry of this name; null if the program has none. */
const struct ingot_train_entry *entry_named(const struct ingot_trainer *t, const char *name);
/* Runs it; the exit code.  Each given text is NAME=VALUE: a number, a list of numbers, a text
 * where the input's numbers stand for characters or words, or else a file.  Results go to `out`
 * if it is not null, pictures u8[n, h, w] as one sheet if that ends in .pgm; else they are
 * printed. */
int entry_run(const struct ingot_train_entry *e, session *s, const char *const *given, int32_t n,
              long long seed, const char *out);

#endif
