/* cli/json.c - text in reports. */
#include "json.h"

void json_add_text(text *out, const char *s)
{
    text_add(out, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            text_add(out, "\\");
        if ((unsigned char)*s < 32)
            text_add(out, "\\u%04x", *s);
        else
            text_addn(out, s, 1);
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
