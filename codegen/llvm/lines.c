/* codegen/llvm/lines.c - line tables.
 *
 * They name the text's file without a folder, and `.` as the folder that the compiler ran
 * in: the same model gives the same bytes wherever it is built, and a debugger that is
 * started beside the text finds it. */
#include "lines.h"

#include <llvm-c/Core.h>

enum { DWARF_VERSION = 4 };             /* 5 is read by no perf before 2021 */

static void add_flag(LLVMModuleRef m, const char *name, unsigned value)
{
    LLVMContextRef cx = LLVMGetModuleContext(m);
    LLVMValueRef v = LLVMConstInt(LLVMInt32TypeInContext(cx), value, false);

    LLVMAddModuleFlag(m, LLVMModuleFlagBehaviorWarning, name, strlen(name),
                      LLVMValueAsMetadata(v));
}

lines lines_open(LLVMModuleRef m, const char *file, const char *made_by)
{
    lines l = {.cx = LLVMGetModuleContext(m)};

    if (!file)
        return (lines){0};
    made_by = made_by ? made_by : "";
    add_flag(m, "Debug Info Version", LLVMDebugMetadataVersion());
    add_flag(m, "Dwarf Version", DWARF_VERSION);
    l.b = LLVMCreateDIBuilder(m);
    l.file = LLVMDIBuilderCreateFile(l.b, file, strlen(file), ".", 1);
    /* No language has a number for loop IR; of those that have one, C promises least. */
    LLVMDIBuilderCreateCompileUnit(l.b, LLVMDWARFSourceLanguageC, l.file, made_by, strlen(made_by),
                                   true, "", 0, 0, "", 0, LLVMDWARFEmissionLineTablesOnly, 0, false,
                                   false, "", 0, "", 0);
    l.type = LLVMDIBuilderCreateSubroutineType(l.b, l.file, NULL, 0, LLVMDIFlagZero);
    return l;
}

void lines_close(lines *l)
{
    if (!l->b)
        return;
    LLVMDIBuilderFinalize(l->b);
    LLVMDisposeDIBuilder(l->b);
}

LLVMMetadataRef lines_function(const lines *l, LLVMValueRef f, const char *name, uint32_t line)
{
    if (!l->b)
        return NULL;
    size_t n = strlen(name);
    LLVMMetadataRef made = LLVMDIBuilderCreateFunction(l->b, l->file, name, n, name, n, l->file,
                                                       line, l->type, true, true, line,
                                                       LLVMDIFlagZero, true);
    LLVMSetSubprogram(f, made);
    return made;
}

void lines_at(const lines *l, LLVMBuilderRef b, LLVMMetadataRef function, uint32_t line)
{
    if (l->b)
        LLVMSetCurrentDebugLocation2(
            b, LLVMDIBuilderCreateDebugLocation(l->cx, line, 0, function, NULL));
}
