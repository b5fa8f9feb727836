/* runtime/program_info.c - what --info says, and --help of the entries. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "check_cpu.h"
#include "program_parts.h"
#include "visible.h"

/* A number, a name, or .. for an expression too long to read. */
static void print_extent(FILE *f, const struct ingot_value_info *v, int32_t axis)
{
    enum { READABLE = 40 };
    const char *name = v->dim_names ? v->dim_names[axis] : NULL;

    if (v->dims[axis] >= 0)
        fprintf(f, "%lld", (long long)v->dims[axis]);
    else if (name && strlen(name) > READABLE)
        fputs("..", f);
    else
        visible_put(name && *name ? name : "?", f);
}

/* "x: f32[n,3]" */
static void print_value(FILE *f, const struct ingot_value_info *v)
{
    tensor_kind kind = bind_kind(v);

    visible_put(v->name, f);
    fputs(": ", f);
    if (kind != TENSOR_PLAIN) {
        fputs(bind_kind_name(v), f);
        return;
    }
    fprintf(f, "%s[", tensor_type_name(v->dtype));
    for (int32_t a = 0; a < v->rank; a++) {
        fputs(a ? "," : "", f);
        print_extent(f, v, a);
    }
    fputc(']', f);
    if (v->name_count && v->rank <= 1)
        fputs(v->rank ? " (a text)" : " (a word)", f);
}

static void print_values(const char *what, const struct ingot_value_info *v, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        printf("%-8s ", what);
        print_value(stdout, &v[i]);
        if (v[i].preset)
            printf(" = %s", v[i].preset);
        puts(v[i].late ? "  (size depends on data)" : v[i].optional ? "  (optional)" : "");
    }
}

/* Inputs with a default show it, as in a declaration. */
static void list_values(FILE *f, const struct ingot_value_info *v, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        fputs(i ? ", " : "", f);
        print_value(f, &v[i]);
        if (v[i].preset)
            fprintf(f, " = %s", v[i].preset);
        else if (v[i].optional)
            fputs(" = ..", f);
    }
}

/* "step(x: f32[n,3], rate: f32[] = 0.1) -> loss: f32[]" */
void program_list_entries(const struct ingot_model *m, FILE *f)
{
    for (int32_t i = 0; i < m->entry_count; i++) {
        const struct ingot_entry *e = &m->entries[i];
        fputs("\n  ", f);
        visible_put(e->name, f);
        fputc('(', f);
        list_values(f, e->inputs, e->input_count);
        fputs(e->output_count ? ") -> " : ")", f);
        list_values(f, e->outputs, e->output_count);
    }
}

static void print_dims(const program *p)
{
    for (int32_t s = 0; s < p->entry->dim_count; s++) {
        fputs("dim      ", stdout);
        visible_put(p->entry->dim_names[s], stdout);
        if (p->dims[s] != BIND_FREE)
            printf(" = %lld", (long long)p->dims[s]);
        printf("\n");
    }
}

/* What follows from the dims, if all are known. */
static void print_needs(const program *p)
{
    for (int32_t s = 0; s < p->entry->dim_count; s++)
        if (p->dims[s] == BIND_FREE) {
            printf("memory   workspace depends on the dims: give --dim or --shape\n");
            return;
        }
    size_t size = p->entry->workspace_size(p->dims, p->threads);
    if (size == SIZE_MAX)
        printf("memory   workspace overflows\n");
    else
        printf("memory   %zu bytes of workspace with %d threads\n", size, p->threads);
    uint64_t flops = p->entry->flops(p->dims);
    if (flops)
        printf("work     %.3f GFLOP in contractions\n", (double)flops / 1e9);
}

/* A line for each fact, its name first. */
bool program_info(const program *p)
{
    const struct ingot_model *m = p->model;
    char missing[256];
    bool runs = check_cpu(m->cpu, missing, sizeof missing);

    printf("model    %s\n", m->name);
    for (int32_t i = 0; i < m->entry_count && m->entry_count > 1; i++) {
        fputs("entry    ", stdout);
        visible_put(m->entries[i].name, stdout);
        puts(&m->entries[i] == p->entry ? "  (described here)" : "");
    }
    print_values("input", p->entry->inputs, p->entry->input_count);
    print_values("output", p->entry->outputs, p->entry->output_count);
    print_values("state", m->states, m->state_count);
    print_dims(p);
    print_needs(p);
    printf("weights  %llu bytes%s\n", (unsigned long long)m->weights_size,
           m->weights || !m->weights_size ? "" : " in a file");
    printf("cpu      %s: %s%s\n", m->cpu ? m->cpu : "any",
           runs ? "this machine runs it" : "this machine lacks ", runs ? "" : missing);
    printf("threads  %d\n", p->threads);
    return true;
}
