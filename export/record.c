/* export/record.c - struct ingot_trainer as the text of its initializer.
 *
 * Members stand in the order of ir/train_abi.h without their names; arrays are compound
 * literals, which at file scope live as long as the program. */
#include "record.h"

#include <inttypes.h>
#include <string.h>

extern const char abi_text[], train_abi_text[];

/* "text", or 0; bytes that a string cannot show are octal. */
static void add_string(text *out, const char *s)
{
    if (!s) {
        text_add(out, "0");
        return;
    }
    text_add(out, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 32 || c > 126 || c == '"' || c == '\\' || c == '?')
            text_add(out, "\\%03o", c);
        else
            text_add(out, "%c", c);
    }
    text_add(out, "\"");
}

static void add_i32s(text *out, const int32_t *at, int64_t n)
{
    text_add(out, n ? "(const int32_t[]){" : "0");
    for (int64_t i = 0; i < n; i++)
        text_add(out, "%" PRId32 ",", at[i]);
    text_add(out, n ? "}" : "");
}

static void add_i64s(text *out, const int64_t *at, int64_t n)
{
    text_add(out, n ? "(const int64_t[]){" : "0");
    for (int64_t i = 0; i < n; i++)
        text_add(out, "%" PRId64 ",", at[i]);
    text_add(out, n ? "}" : "");
}

/* A list of texts, 0 for an empty one: C has no arrays of no elements. */
static void add_strings(text *out, const char *const *at, int64_t n)
{
    text_add(out, n ? "(const char *const[]){" : "0");
    for (int64_t i = 0; i < n; i++) {
        add_string(out, at[i]);
        text_add(out, ",");
    }
    text_add(out, n ? "}" : "");
}

static void add_call(text *out, const struct ingot_train_call *c)
{
    text_add(out, "{");
    add_string(out, c->entry);
    text_add(out, ",%" PRId32 ",", c->feed_count);
    add_i32s(out, c->feeds, c->feed_count);
    text_add(out, ",%" PRId32 ",", c->write_count);
    add_i32s(out, c->writes, c->write_count);
    text_add(out, "}");
}

static void add_calls(text *out, const struct ingot_train_call *at, int32_t n)
{
    text_add(out, at && n ? "(const struct ingot_train_call[]){" : "0");
    for (int32_t i = 0; at && i < n; i++) {
        add_call(out, &at[i]);
        text_add(out, ",");
    }
    text_add(out, at && n ? "}" : "");
}

/* Struct by struct as in ir/train_abi.h: name, dtype, rank, dims, bound, names,
 * missing. */
static void add_columns(text *out, const struct ingot_train_block *b)
{
    text_add(out, b->column_count ? "(const struct ingot_train_column[]){" : "0");
    for (int32_t i = 0; i < b->column_count; i++) {
        const struct ingot_train_column *c = &b->columns[i];
        text_add(out, "\n  {");
        add_string(out, c->name);
        text_add(out, ",%" PRId32 ",%" PRId32 ",", c->dtype, c->rank);
        add_i64s(out, c->dims, c->rank);
        text_add(out, ",%" PRId64 ",%" PRId64 ",", c->bound, c->name_count);
        add_strings(out, c->names, c->name_count);
        text_add(out, ",%" PRId32 "},", c->missing);
    }
    text_add(out, b->column_count ? "}" : "");
}

static void add_sources(text *out, const struct ingot_train_block *b)
{
    text_add(out, b->source_count ? "(const struct ingot_train_source[]){" : "0");
    for (int32_t i = 0; i < b->source_count; i++) {
        const struct ingot_train_source *s = &b->sources[i];
        text_add(out, "\n  {%" PRId32 ",%" PRId32 ",", s->part, s->column_count);
        add_i32s(out, s->columns, s->column_count);
        text_add(out, ",");
        add_string(out, s->text);
        text_add(out, "},");
    }
    text_add(out, b->source_count ? "}" : "");
}

static void add_patience(text *out, const struct ingot_train_block *b)
{
    text_add(out, b->patience_count ? "(const struct ingot_train_patience[]){" : "0");
    for (int32_t i = 0; i < b->patience_count; i++) {
        const struct ingot_train_patience *p = &b->patience[i];
        text_add(out, "{");
        add_string(out, p->metric);
        text_add(out, ",%" PRId32 ",%" PRId32 ",%" PRId64 "},", p->part, p->higher, p->patience);
    }
    text_add(out, b->patience_count ? "}" : "");
}

/* Counts first, then the lists that they count. */
static void add_block(text *out, const struct ingot_train_block *b)
{
    text_add(out, " {");
    add_string(out, b->name);
    text_add(out, ",%" PRId32 ",%" PRId32 ",%" PRId32 ",%" PRId32 ",%" PRId32 ",", b->column_count,
             b->source_count, b->patience_count, b->fit_count, b->objective_count);
    add_columns(out, b);
    text_add(out, ",\n  ");
    add_sources(out, b);
    text_add(out, ",\n  ");
    add_patience(out, b);
    text_add(out, ",\n  ");
    add_calls(out, b->fits, b->fit_count);
    text_add(out, ",");
    add_call(out, &b->step);
    text_add(out, ",");
    add_call(out, &b->step_any);
    text_add(out, ",\n  ");
    add_calls(out, b->gather, b->objective_count);
    text_add(out, ",");
    add_calls(out, b->apply, b->objective_count);
    text_add(out, ",");
    add_call(out, &b->eval);
    text_add(out, ",");
    add_call(out, &b->metrics);
    text_add(out, ",");
    add_call(out, &b->judge);
    text_add(out, ",%" PRId32 ",\n  ", b->judged);
    text_add(out, "%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%a,%a},\n", b->batch,
             b->epochs, b->accumulate, b->shards, b->valid, b->test);
}

/* Reals are written as hexadecimal floats, which lose nothing. */
static void add_values(text *out, const struct ingot_train_value *at, int32_t n)
{
    text_add(out, n ? "(const struct ingot_train_value[]){" : "0");
    for (int32_t i = 0; i < n; i++) {
        text_add(out, "{%" PRId64 ",", at[i].name_count);
        add_strings(out, at[i].names, at[i].name_count);
        text_add(out, ",%" PRId32 ",%a},", at[i].has_default, at[i].value);
    }
    text_add(out, n ? "}" : "");
}

/* Entries that a trainer can be asked to run. */
static void add_entries(text *out, const struct ingot_trainer *t)
{
    text_add(out, t->entry_count ? "(const struct ingot_train_entry[]){" : "0");
    for (int32_t i = 0; i < t->entry_count; i++) {
        const struct ingot_train_entry *e = &t->entries[i];
        text_add(out, "\n {");
        add_string(out, e->entry);
        text_add(out, ",%" PRId32 ",%" PRId32 ",%" PRId32 ",", e->net, e->input_count,
                 e->output_count);
        add_values(out, e->inputs, e->input_count);
        text_add(out, ",");
        add_values(out, e->outputs, e->output_count);
        text_add(out, ",%" PRId32 ",", e->need_count);
        add_i32s(out, e->needs, e->need_count);
        text_add(out, "},");
    }
    text_add(out, t->entry_count ? "}" : "");
}

static void add_notes(text *out, const struct ingot_trainer *t)
{
    text_add(out, t->note_count ? "(const struct ingot_train_note[]){" : "0");
    for (int32_t i = 0; i < t->note_count; i++) {
        text_add(out, "{");
        add_string(out, t->notes[i].key);
        text_add(out, ",");
        add_string(out, t->notes[i].value);
        text_add(out, "},");
    }
    text_add(out, t->note_count ? "}" : "");
}

/* The two headers as one text: the second includes the first, which is not a file here. */
static void add_headers(text *out)
{
    const char include[] = "#include \"abi.h\"\n", *at = strstr(train_abi_text, include);

    text_add(out, "%s", abi_text);
    text_addn(out, train_abi_text, (size_t)(at - train_abi_text));
    text_add(out, "%s", at + sizeof include - 1);
}

/* The order of the fields is that of the struct: a field that is added there is
 * added here. */
void record_source(const struct ingot_trainer *t, text *out)
{
    add_headers(out);
    text_add(out, "extern const struct ingot_trainer ingot_artifact_trainer;\n"
                  "const struct ingot_trainer ingot_artifact_trainer = {%" PRIu32 ",", t->version);
    add_string(out, t->program);
    text_add(out, ",0x%" PRIx64 "u,%" PRId32 ",\n ", t->hash, t->state_count);
    add_i32s(out, t->roles, t->state_count);
    text_add(out, ",");
    add_call(out, &t->init);
    text_add(out, ",%" PRId32 ",%" PRId32 ",%" PRId32 ",\n (const struct ingot_train_block[]){\n",
             t->block_count, t->entry_count, t->note_count);
    for (int32_t i = 0; i < t->block_count; i++)
        add_block(out, &t->blocks[i]);
    text_add(out, "},\n ");
    add_entries(out, t);
    text_add(out, ",");
    add_notes(out, t);
    text_add(out, ",%" PRId32 ",", t->fixed_count);
    add_strings(out, t->fixed, t->fixed_count);
    text_add(out, "};\n");
}
