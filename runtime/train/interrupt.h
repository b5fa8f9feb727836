/* runtime/train/interrupt.h - signals that end a training behind the step at hand. */
#ifndef INGOT_TRAIN_INTERRUPT_H
#define INGOT_TRAIN_INTERRUPT_H

#include <signal.h>

/* From now on SIGINT, SIGTERM and SIGHUP are noted, and a second one ends the process.  The number
 * is what interrupt_seen gives. */
const volatile sig_atomic_t *interrupt_catch(void);
/* Which one came first; 0: none. */
int interrupt_seen(void);
/* Another process has had one: here it is SIGINT, unless there was one. */
void interrupt_join(void);

#endif
