/* Files, memory and two threads for the callers of real models. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <stddef.h>
#include <stdint.h>

void *get(size_t size);                 /* 64-byte aligned */
void *read_file(const char *path, size_t size);
void write_file(const char *path, const void *data, size_t size);
/* A pool's run: halves, on two threads. */
void in_halves(void *context, void (*body)(void *arg, int64_t begin, int64_t end, int32_t thread),
               void *arg, int64_t n);
/* Calls f(a) and f(b) at the same time. */
void at_once(void *(*f)(void *), void *a, void *b);

#endif
