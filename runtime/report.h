/* runtime/report.h - a file of results that an option asks for: opened before the
 * work, so that one that cannot be is told at once. */
#ifndef INGOT_REPORT_H
#define INGOT_REPORT_H

#include "cleanup.h"

/* Begins the file.  A null path asks for no file, and succeeds.  False after a
 * message. */
bool report_open(partial *p, const char *path);
/* Puts the file in its place if it is to be kept, else removes it.  False if it was
 * not to be kept, or after a message. */
bool report_close(partial *p, const char *path, bool keep);

#endif
