/* ir/file.h - whole text files: programs, IR, schedules. */
#ifndef INGOT_FILE_H
#define INGOT_FILE_H

#include "diag.h"

/* The bytes of the file with a zero behind them, in `mem`.  Null with errno set where it
 * cannot be opened or read; a folder is such, although it opens. */
char *file_read(arena *mem, const char *path);
/* The same in memory of the diag, which is told why there is none. */
char *file_read_told(const char *path, diag *d);

#endif
