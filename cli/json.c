/* cli/json.c - text in reports and pages: quotes, control characters and what is no
 * UTF-8 must not end a string of JSON, or begin a tag in a page. */
#include "json.h"

#include "visible.h"

/* A byte that belongs to no character becomes the one of its number. */
void json_add_text(text *out, const char *s)
{
    text_add(out, "\"");
    while (*s) {
        uint32_t c = 0;
        int n = visible_character(s, strnlen(s, VISIBLE_MOST), &c);
        if (*s == '"' || *s == '\\')
            text_add(out, "\\");
        if (!n || visible_is_odd(c))
            text_add(out, "\\u%04x", n ? c : (unsigned char)*s);
        else
            text_addn(out, s, (size_t)n);
        s += n ? n : 1;
    }
    text_add(out, "\"");
}

void json_write_text(FILE *f, const char *s)
{
    text out = {0};

    json_add_text(&out, s);
    fputs(out.at, f);
    text_free(&out);
}

/* Names of a model may hold anything; here they are text and nothing else. */
void html_write_text(FILE *f, const char *s)
{
    char shown[VISIBLE_MOST + 1];

    while (*s) {
        int n = visible_next(&s, shown);
        switch (*shown) {
        case '<': fputs("&lt;", f); break;
        case '>': fputs("&gt;", f); break;
        case '&': fputs("&amp;", f); break;
        default: fwrite(shown, 1, (size_t)n, f);
        }
    }
}
