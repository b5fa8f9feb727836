/* runtime/artifact_info.c - what --info says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "artifact.h"
#include "bind.h"
#include "check_cpu.h"

static void print_extent(const struct ingot_value_info *v, int32_t axis)
{
    enum { READABLE = 40 };
    const char *name = v->dim_names ? v->dim_names[axis] : NULL;

    if (axis)
        printf(",");
    if (v->dims[axis] >= 0)
        printf("%lld", (long long)v->dims[axis]);
    else if (name && strlen(name) > READABLE)
        printf("..");
    else
        printf("%s", name && *name ? name : "?");
}

static void print_values(const char *what, const struct ingot_value_info *v, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        printf("%-8s %s: %s[", what, v[i].name, tensor_type_name(v[i].dtype));
        for (int32_t a = 0; a < v[i].rank; a++)
            print_extent(&v[i], a);
        printf("]%s\n", v[i].late ? "  (size depends on data)" : "");
    }
}

static void print_dims(const artifact *a)
{
    for (int32_t s = 0; s < a->entry->dim_count; s++) {
        printf("dim      %s", a->entry->dim_names[s]);
        if (a->dims[s] != BIND_FREE)
            printf(" = %lld", (long long)a->dims[s]);
        printf("\n");
    }
}

/* What follows from the dims, if all are known. */
static void print_needs(const artifact *a)
{
    for (int32_t s = 0; s < a->entry->dim_count; s++)
        if (a->dims[s] == BIND_FREE) {
            printf("memory   workspace depends on the dims: give --dim or --shape\n");
            return;
        }
    size_t size = a->entry->workspace_size(a->dims, a->threads);
    if (size == SIZE_MAX)
        printf("memory   workspace overflows\n");
    else
        printf("memory   %zu bytes of workspace with %d threads\n", size, a->threads);
    uint64_t flops = a->entry->flops(a->dims);
    if (flops)
        printf("work     %.3f GFLOP in contractions\n", (double)flops / 1e9);
}

bool artifact_info(const artifact *a)
{
    const struct ingot_model *m = a->model;
    char missing[256];
    bool runs = check_cpu(m->cpu, missing, sizeof missing);

    printf("model    %s\n", m->name);
    print_values("input", a->entry->inputs, a->entry->input_count);
    print_values("output", a->entry->outputs, a->entry->output_count);
    print_values("state", m->states, m->state_count);
    print_dims(a);
    print_needs(a);
    printf("weights  %llu bytes%s\n", (unsigned long long)m->weights_size,
           m->weights || !m->weights_size ? "" : " in a file");
    printf("cpu      %s: %s%s\n", m->cpu ? m->cpu : "any",
           runs ? "this machine runs it" : "this machine lacks ", runs ? "" : missing);
    printf("threads  %d\n", a->threads);
    return true;
}
