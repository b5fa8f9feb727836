/* tests/unit/folder.h - a folder of the test's own, its files, and children whose words
 * are kept in it.  Include <cmocka.h> first. */
#ifndef INGOT_TEST_FOLDER_H
#define INGOT_TEST_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/ingot_test_XXXXXX";

/* The path of a file in that folder; of the last eight calls it stays valid. */
static inline char *path_of(const char *name)
{
    static char path[8][300];
    static int next;
    char *p = path[next++ % 8];

    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

/* "--option=" and such a path. */
static inline char *arg(const char *option, const char *file)
{
    static char text[8][400];
    static int next;
    char *p = text[next++ % 8];

    snprintf(p, sizeof text[0], "%s%s", option, path_of(file));
    return p;
}

static inline char *write_file(const char *name, const void *data, size_t size)
{
    char *path = path_of(name);
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
    return path;
}

/* At most room - 1 bytes of the file, ended by a zero; their number.  0: there is none. */
static inline size_t read_file(const char *name, char *to, size_t room)
{
    FILE *f = fopen(path_of(name), "rb");
    size_t n = f ? fread(to, 1, room - 1, f) : 0;

    if (f)
        fclose(f);
    to[n] = 0;
    return n;
}

/* What the last child said. */
static char said[8000];

/* The exit code of a program in a child process; its words are in `said`. */
static inline int run_child(int (*program)(void *cx), void *cx)
{
    FILE *f = fopen(path_of("said"), "w+");
    int status;
    pid_t child = fork();

    if (!child) {
        dup2(fileno(f), 1);
        dup2(fileno(f), 2);
        int code = program(cx);
        fflush(stdout);
        _exit(code);
    }
    waitpid(child, &status, 0);
    rewind(f);
    said[fread(said, 1, sizeof said - 1, f)] = 0;
    fclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void assert_said(const char *words)
{
    if (!strstr(said, words))
        fail_msg("'%s' is not in: %s", words, said);
}

static inline void assert_not_said(const char *words)
{
    if (strstr(said, words))
        fail_msg("'%s' is in: %s", words, said);
}

/* Before and after all tests. */
static inline int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_all(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

#endif
