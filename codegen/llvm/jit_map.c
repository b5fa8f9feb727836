/* codegen/llvm/jit_map.c - the names of functions in memory, for profilers.
 *
 * Linux's perf reads /tmp/perf-PID.map: lines of address, size and name.  LLVM knows the
 * addresses of functions that other objects see; the others of an object lie at the
 * same distance from those in memory as in the object. */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Object.h>

#include "jit_parts.h"

/* A function of an object: where it stands in the section of code. */
typedef struct function {
    char *name;
    uint64_t at, size;
} function;

typedef VEC(function) functions;

/* Is the symbol in the section of code?  `section` is an iterator to ask with. */
static bool is_code(LLVMSectionIteratorRef section, LLVMSymbolIteratorRef symbol)
{
    LLVMMoveToContainingSection(section, symbol);
    const char *name = LLVMGetSectionName(section);
    return name && !strcmp(name, ".text");
}

static void list_functions(LLVMBinaryRef object, functions *list)
{
    LLVMSymbolIteratorRef at = LLVMObjectFileCopySymbolIterator(object);
    LLVMSectionIteratorRef section = LLVMObjectFileCopySectionIterator(object);

    for (; !LLVMObjectFileIsSymbolIteratorAtEnd(object, at); LLVMMoveToNextSymbol(at))
        if (LLVMGetSymbolSize(at) && is_code(section, at))
            vec_push(list, (function){strdup(LLVMGetSymbolName(at)), LLVMGetSymbolAddress(at),
                                      LLVMGetSymbolSize(at)});
    LLVMDisposeSectionIterator(section);
    LLVMDisposeSymbolIterator(at);
}

/* Finds what to add to a place in the section to get an address. */
static bool find_base(LLVMOrcLLJITRef orc, const functions *list, uint64_t *base)
{
    LLVMOrcExecutorAddress address;

    for (uint32_t i = 0; i < list->len; i++) {
        const function *f = &list->at[i];
        LLVMErrorRef e = LLVMOrcLLJITLookup(orc, &address, f->name);
        if (!e) {
            *base = address - f->at;
            return true;
        }
        LLVMConsumeError(e);
    }
    return false;
}

/* No line is written of an object whose functions nobody outside sees. */
static void map_object(LLVMOrcLLJITRef orc, const object *o, FILE *f)
{
    LLVMMemoryBufferRef buffer =
        LLVMCreateMemoryBufferWithMemoryRange((const char *)o->data, o->size, "", false);
    char *error = NULL;
    LLVMBinaryRef binary = LLVMCreateBinary(buffer, NULL, &error);
    functions list = {0};
    uint64_t base = 0;

    if (binary)
        list_functions(binary, &list);
    bool found = find_base(orc, &list, &base);
    for (uint32_t i = 0; i < list.len; i++) {
        if (found)
            fprintf(f, "%" PRIx64 " %" PRIx64 " %s\n", base + list.at[i].at, list.at[i].size,
                    list.at[i].name);
        free(list.at[i].name);
    }
    vec_free(&list);
    if (binary)
        LLVMDisposeBinary(binary);
    LLVMDisposeMessage(error);
    LLVMDisposeMemoryBuffer(buffer);
}

bool jit_write_map(const jit *j, const objects *o)
{
    char path[64];

    snprintf(path, sizeof path, "/tmp/perf-%ld.map", (long)getpid());
    FILE *f = fopen(path, "w");
    for (uint32_t i = 0; f && i < o->len; i++)
        map_object(j->orc, &o->at[i], f);
    return f && !fclose(f);
}
