/* ir/schedule_text.c - schedules as text: schedule{lanes=16 rows=14 vectors=2 pack=1}. */
#include "schedule.h"

#include "lex.h"

/* A row of schedule.def each: its name in text, place and greatest value. */
static const struct {
    const char *name;
    size_t offset;
    int64_t most;
} fields[] = {
#define SCHEDULE(field, most, readers) {#field, offsetof(schedule, field), most},
#include "schedule.def"
};

static int32_t *field_at(const schedule *s, size_t i)
{
    return (int32_t *)((char *)s + fields[i].offset);
}

bool schedule_is_none(const schedule *s)
{
    for (size_t i = 0; i < COUNT(fields); i++)
        if (*field_at(s, i))
            return false;
    return true;
}

/* Fields of 0 are left out: schedule{lanes=16 rows=14 vectors=2 pack=1}. */
void schedule_print(const schedule *s, text *out)
{
    const char *between = "";

    text_add(out, "schedule{");
    for (size_t i = 0; i < COUNT(fields); i++)
        if (*field_at(s, i)) {
            text_add(out, "%s%s=%d", between, fields[i].name, *field_at(s, i));
            between = " ";
        }
    text_add(out, "}");
}

/* NAME=NUMBER */
static bool parse_field(const char **s, schedule *out, const char **want)
{
    int64_t v;

    for (size_t i = 0; i < COUNT(fields); i++) {
        if (!lex_word(s, fields[i].name))
            continue;
        *want = "'='";
        if (!lex_char(s, '='))
            return false;
        *want = "a number that the field takes";
        lex_space(s);
        const char *at = *s;
        if (!lex_int(s, &v) || v < 0 || v > fields[i].most) {
            *s = at;
            return false;
        }
        *field_at(out, i) = (int32_t)v;
        return true;
    }
    *want = "a field of a schedule or '}'";
    return false;
}

bool schedule_parse(const char **s, schedule *out, const char **want)
{
    *out = (schedule){0};
    *want = "'schedule{'";
    if (!lex_word(s, "schedule") || !lex_char(s, '{'))
        return false;
    while (!lex_char(s, '}'))
        if (!parse_field(s, out, want))
            return false;
    return true;
}
