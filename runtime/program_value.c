/* runtime/program_value.c - `--n 400`, `--input n=400`, `--weights '[0.2, 0.8]'`: an input of
 * the entry as the command line has it, a number, a list of numbers or a file. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file_kind.h"
#include "program_parts.h"
#include "spelling.h"
#include "tensor_file.h"

/* A number, and where it begins: a double does not hold all integers of 64 bits. */
typedef struct number_text {
    double v;
    const char *text;
} number_text;

/* Numbers read so far, and the extents of the lists around them: -1 until one ends. */
typedef struct reading {
    const char *at;
    number_text *v;
    int64_t n, dims[TENSOR_MAX_RANK];
    int32_t rank;
} reading;

static void skip(reading *r)
{
    while (isspace((unsigned char)*r->at))
        r->at++;
}

static bool keep(reading *r, double v, const char *text)
{
    if (!(r->n & (r->n - 1))) {     /* doubled at each power of two */
        number_text *more = realloc(r->v, (size_t)(r->n ? 2 * r->n : 1) * sizeof *more);
        if (!more)
            return cli_wrong("no memory");
        r->v = more;
    }
    r->v[r->n++] = (number_text){v, text};
    return true;
}

/* number = "true" | "false" | what strtod reads */
static bool number(reading *r)
{
    static const char *const truth[] = {"false", "true"};
    char *end;

    for (int i = 0; i < 2; i++)
        if (!strncmp(r->at, truth[i], strlen(truth[i]))) {
            r->at += strlen(truth[i]);
            return keep(r, i, truth[i]);
        }
    double v = strtod(r->at, &end);
    if (end == r->at)
        return false;
    const char *text = r->at;
    r->at = end;
    return keep(r, v, text);
}

/* value = number | "[" [value {"," value}] "]"; all lists of one depth are of one length. */
static bool value(reading *r, int32_t depth)
{
    int64_t n = 0;

    skip(r);
    if (*r->at != '[')
        return depth >= r->rank && number(r) && (r->rank = depth, true);
    if (depth == TENSOR_MAX_RANK || (r->n && depth >= r->rank))
        return false;
    if (r->rank <= depth)
        r->rank = depth + 1, r->dims[depth] = -1;
    do {
        r->at++;                        /* "[" or "," */
        skip(r);
        if (*r->at == ']' && !n)
            break;
        if (!value(r, depth + 1))
            return false;
        n++;
        skip(r);
    } while (*r->at == ',');
    if (*r->at++ != ']' || (r->dims[depth] >= 0 && r->dims[depth] != n))
        return false;
    r->dims[depth] = n;
    return true;
}

/* The number as element i of a type of integers of 64 bits, digit by digit; false if it is
 * no such element or not written so. */
static bool put_digits(int32_t dtype, void *data, int64_t i, const char *text)
{
    char *end;

    errno = 0;
    if (dtype == TENSOR_I64)
        ((int64_t *)data)[i] = strtoll(text, &end, 10);
    else if (dtype == TENSOR_U64 && *text != '-')
        ((uint64_t *)data)[i] = strtoull(text, &end, 10);
    else
        return false;
    return end != text && !errno && !isalnum((unsigned char)*end) && *end != '.';
}

/* The numbers as elements of the input's type; one that has no place in it is an
 * error. */
static bool store(const struct ingot_value_info *info, const reading *r, tensor *t)
{
    char error[TENSOR_ERROR_SIZE];

    if (r->rank != info->rank)
        return cli_wrong("input '%s' has %d axes, %d are given", info->name, info->rank, r->rank);
    if (!tensor_init(t, info->dtype, r->rank, r->dims))
        return tensor_init_failed(t, "input", info->name, error) || cli_wrong("%s", error);
    for (int64_t i = 0; i < r->n; i++)
        if (!put_digits(info->dtype, t->data, i, r->v[i].text) &&
            !tensor_put_number(info->dtype, t->data, i, r->v[i].v))
            return cli_wrong("input '%s': %g is no %s", info->name, r->v[i].v,
                             tensor_type_name(info->dtype));
    return true;
}

/* Reads all of the text as a value. */
static bool is_list(reading *r)
{
    bool ok = value(r, 0);

    skip(r);
    return ok && !*r->at;
}

bool program_is_value(const char *text)
{
    reading r = {.at = text};
    bool is = is_list(&r);

    free(r.v);
    return is;
}

/* Is it meant as characters or words that the input's numbers stand for?  Lists of numbers and
 * names of files are not. */
static bool is_spelled(const struct ingot_value_info *info, const char *text, const reading *r,
                       bool list)
{
    return info->name_count && info->rank <= 1 && !(list && r->rank == info->rank) &&
           !has_suffix(text, ".npy") && !has_suffix(text, ".pb");
}

/* A text that is no list of numbers is the path of a file, unless numbers stand for texts. */
bool program_value(const struct ingot_value_info *info, const char *text, program_reader *read,
                   tensor_value *in)
{
    char error[TENSOR_ERROR_SIZE];
    reading r = {.at = text};
    bool ok = is_list(&r);

    if (is_spelled(info, text, &r, ok))
        ok = spelling_read((spelling){info->names, info->name_count}, info->name, info->rank, text,
                           &in->t, error) || cli_wrong("%s", error);
    else if (ok)
        ok = store(info, &r, &in->t);
    else if (*text == '[' || !*text || !info->rank)
        cli_wrong("--%s takes a number%s, not '%s'", info->name,
                  info->rank ? ", a list or a file" : "", text);
    else
        ok = read(text, TENSOR_PLAIN, in, error) || cli_wrong("%s", error);
    free(r.v);
    return ok;
}
