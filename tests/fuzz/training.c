/* tests/fuzz/training.c - of any bytes the training_info is a step that verifies, with a record
 * that fits its entries and gradients that can be taken or are refused, or an error. */
#include <string.h>

#include "onnx.h"
#include "pass.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The entry's inputs are columns of the block, each once. */
static void check_call(const ir_module *m, const struct ingot_train_block *b,
                       const struct ingot_train_call *c)
{
    const ir_fn *f = c->entry ? ir_module_find(m, c->entry) : NULL;

    if (!c->entry)
        return;
    ICE_IF(!f || !f->entry, "no entry '%s'", c->entry);
    ICE_IF(c->feed_count != (int32_t)f->param.len, "another number of inputs");
    for (int32_t i = 0; i < c->feed_count; i++)
        ICE_IF(c->feeds[i] < 0 || c->feeds[i] >= b->column_count ||
                   strcmp(b->columns[c->feeds[i]].name, f->param_name.at[c->feeds[i]]),
               "an input that is no column");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ingot_trainer *t;
    struct ingot_train_block *b;
    diag d;

    if (!size)
        return 0;
    diag_init(&d);
    ir_module *m = onnx_import_training_memory(data, size, "input", NULL, &t, &b, &d);
    ICE_IF(!m && !diag_failed(&d), "no module and no reason");
    if (m) {
        ICE_IF(!ir_verify(m, &d, "import"), "%s", d.message.at[0].text);
        ICE_IF(t->state_count != (int32_t)m->state.len, "states without a role");
        check_call(m, b, &b->step_any);
        check_call(m, b, &b->eval);
        check_call(m, b, &b->metrics);
        check_call(m, b, &t->init);
        pass_ctx cx = {.m = m, .d = &d};
        bool changed;
        bool ok = pass_one(&cx, &pass_table[PASS_ID_grad], &changed);
        ICE_IF(!ok && !diag_failed(&d), "no gradients and no reason");
        ICE_IF(ok && !ir_verify(m, &d, "grad"), "%s", d.message.at[0].text);
        ir_module_free(m);
    }
    diag_free(&d);
    return 0;
}
