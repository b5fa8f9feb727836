#include "support.h"

#include <pthread.h>

#include "check.h"

void *get(size_t size)
{
    void *p = aligned_alloc(64, size / 64 * 64 + 64);

    CHECK(p);
    return p;
}

void *read_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "rb");
    void *p = get(size);

    CHECK(f && fread(p, 1, size, f) == size);
    fclose(f);
    return p;
}

void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");

    CHECK(f && fwrite(data, 1, size, f) == size && !fclose(f));
}

struct half {
    void (*body)(void *, int64_t, int64_t, int32_t);
    void *arg;
    int64_t begin, end;
};

static void *run_half(void *p)
{
    struct half *h = p;

    h->body(h->arg, h->begin, h->end, 1);
    return NULL;
}

void in_halves(void *context, void (*body)(void *arg, int64_t begin, int64_t end, int32_t thread),
               void *arg, int64_t n)
{
    struct half second = {body, arg, n / 2, n};
    pthread_t t;

    (void)context;
    CHECK(!pthread_create(&t, NULL, run_half, &second));
    body(arg, 0, n / 2, 0);
    pthread_join(t, NULL);
}

void at_once(void *(*f)(void *), void *a, void *b)
{
    pthread_t t;

    CHECK(!pthread_create(&t, NULL, f, a));
    f(b);
    pthread_join(t, NULL);
}
