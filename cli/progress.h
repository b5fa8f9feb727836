/* cli/progress.h - what a long command is busy with: a line on a terminal once
 * it has lasted a second; with -v every step and its time. */
#ifndef INGOT_PROGRESS_H
#define INGOT_PROGRESS_H

#include <stdbool.h>

void progress_start(bool verbose);
/* Says what begins now.  Before progress_start nothing happens. */
void progress_step(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Ends the last step and clears the line. */
void progress_stop(void);

#endif
