/* cli/json_module.c - a model as JSON: functions with their nodes in order;
 * operands and results are numbers of values, counted through the function.  For
 * tools; the text form (.ir) is what reads back. */
#include "attr_text.h"
#include "diag.h"
#include "json.h"

static void add_key(text *out, const char *key, const char *value)
{
    text_add(out, "\"%s\":", key);
    json_add_text(out, value ? value : "");
}

static void add_type(text *out, const ir_module *m, const ir_type *type)
{
    text t = {0};

    type_print(&m->types, type, &t);
    add_key(out, "type", t.at);
    text_free(&t);
}

static void add_function(text *out, const ir_fn *f);

/* As text, in the words of the IR: {axis=1}. */
static void add_attributes(text *out, const ir_module *m, const ir_node *n)
{
    const char *place = diag_node(m->diag, n->loc);
    text t = {0};

    if (n->attr)
        ir_attr_print(m, n->op, n->attr, &t);
    if (t.len) {
        text_add(out, ",");
        add_key(out, "attributes", t.at + strspn(t.at, " "));
    }
    if (*place) {
        text_add(out, ",");
        add_key(out, "place", place);
    }
    text_free(&t);
}

/* Bodies are functions within the node; a called function stands with the others. */
static void add_regions(text *out, const ir_node *n)
{
    ir_fn *region[2];
    uint32_t count = ir_regions(n, region);

    if (n->op == OP_CALL || !count)
        return;
    text_add(out, ",\"regions\":[");
    for (uint32_t i = 0; i < count; i++) {
        text_add(out, i ? "," : "");
        add_function(out, region[i]);
    }
    text_add(out, "]");
}

/* {"op":.., "args":[..], "results":[{"value":.., "type":..}], "attributes":..,
 * "place":..} */
static void add_node(text *out, const ir_fn *f, const ir_node *n)
{
    text_add(out, "{");
    add_key(out, "op", ir_op_get(n->op)->text);
    text_add(out, ",\"args\":[");
    for (uint32_t i = 0; i < n->narg; i++)
        text_add(out, "%s%u", i ? "," : "", ir_arg(f, n, i));
    text_add(out, "],\"results\":[");
    for (uint32_t i = 0; i < n->nres; i++) {
        text_add(out, "%s{\"value\":%u,", i ? "," : "", n->first + i);
        add_type(out, f->module, ir_type_of(f, n->first + i));
        text_add(out, "}");
    }
    text_add(out, "]");
    add_attributes(out, f->module, n);
    add_regions(out, n);
    text_add(out, "}");
}

/* [{"name":.., "value":..}, ..] */
static void add_values(text *out, const char *key, const ir_ref *value, const char *const *name,
                       uint32_t n)
{
    text_add(out, ",\n \"%s\":[", key);
    for (uint32_t i = 0; i < n; i++) {
        text_add(out, "%s{", i ? "," : "");
        add_key(out, "name", name ? name[i] : NULL);
        text_add(out, ",\"value\":%u}", value[i]);
    }
    text_add(out, "]");
}

/* Parameters, results, updates of states, nodes. */
static void add_function(text *out, const ir_fn *f)
{
    bool named = f->result_name.len == f->result.len;

    text_add(out, "{");
    add_key(out, "name", f->name);
    text_add(out, ",\"entry\":%s", f->entry ? "true" : "false");
    add_values(out, "params", f->param.at, f->param_name.at, f->param.len);
    add_values(out, "results", f->result.at, named ? f->result_name.at : NULL, f->result.len);
    text_add(out, ",\n \"updates\":[");
    for (uint32_t i = 0; i < f->update.len; i++) {
        text_add(out, "%s{", i ? "," : "");
        add_key(out, "state", f->module->state.at[f->update.at[i].state].name);
        text_add(out, ",\"value\":%u}", f->update.at[i].value);
    }
    text_add(out, "],\n \"nodes\":[");
    for (uint32_t i = 0; i < f->node.len; i++) {
        text_add(out, i ? ",\n  " : "\n  ");
        add_node(out, f, &f->node.at[i]);
    }
    text_add(out, "]}");
}

/* States first, as functions name them. */
void json_add_module(text *out, const ir_module *m)
{
    text_add(out, "{\"states\":[");
    for (uint32_t i = 0; i < m->state.len; i++) {
        text_add(out, "%s{", i ? "," : "");
        add_key(out, "name", m->state.at[i].name);
        text_add(out, ",");
        add_type(out, m, m->state.at[i].type);
        text_add(out, ",\"trainable\":%s}", m->state.at[i].trainable ? "true" : "false");
    }
    text_add(out, "],\n\"functions\":[");
    for (uint32_t i = 0; i < m->fn.len; i++) {
        text_add(out, i ? ",\n" : "");
        add_function(out, m->fn.at[i]);
    }
    text_add(out, "]}\n");
}
