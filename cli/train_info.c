/* cli/train_info.c - the training of an ONNX model by the training_info of its file: what the
 * file does not say is on the command line. */
#include "train_info.h"

#include "lex.h"
#include "onnx.h"
#include "source.h"

/* A path stands in quotes in a record. */
static const char *source_text(arena *mem, const char *given)
{
    text t = {0};

    if (source_is_path(given))
        text_add_string(&t, given);
    else
        text_add(&t, "%s", given);
    const char *copy = arena_strdup(mem, t.at);
    text_free(&t);
    return copy;
}

/* The sources of a part, behind the n that there are; -1 after a message. */
static int32_t add_sources(const struct ingot_train_block *b, struct ingot_train_source *to,
                           int32_t n, const rows_given *given, int32_t count, int32_t part,
                           arena *mem, char *error)
{
    for (int32_t i = 0; i < count; i++) {
        int32_t *index = arena_array(mem, int32_t, b->column_count + 1);
        int32_t columns = rows_columns(b, given[i].columns, index, error);
        if (columns < 0)
            return -1;
        to[n++] = (struct ingot_train_source){part, columns, index,
                                              source_text(mem, given[i].text)};
    }
    return n;
}

/* Data, and the numbers of clauses. */
static bool add_given(struct ingot_train_block *b, const trainer_options *o, arena *mem,
                      char *error)
{
    struct ingot_train_source *s =
        arena_array(mem, struct ingot_train_source, o->datas + o->tests + 1);
    int32_t n = add_sources(b, s, 0, o->data, o->datas, INGOT_PART_TRAIN, mem, error);

    n = n < 0 ? n : add_sources(b, s, n, o->test, o->tests, INGOT_PART_TEST, mem, error);
    if (n < 0)
        return false;
    b->sources = s;
    b->source_count = n;
    b->batch = o->batch ? o->batch : b->batch;
    b->epochs = o->epochs ? o->epochs : b->epochs;
    b->valid = o->valid >= 0 ? o->valid : 0;
    return true;
}

ir_module *train_info_import(const char *path, const import_options *o,
                             const trainer_options *given, const struct ingot_trainer **trainer,
                             diag *d)
{
    char error[TENSOR_ERROR_SIZE];
    struct ingot_train_block *block;
    struct ingot_trainer *t;
    ir_module *m = onnx_import_training(path, o, &t, &block, d);

    *trainer = t;
    if (!m || add_given(block, given, &m->mem, error))
        return m;
    diag_error(d, (ir_loc){0}, D_GENERAL, arena_strdup(&d->mem, error));
    ir_module_free(m);
    return NULL;
}
