/* export/graft.c - the section of the weights in ELF files, grown at the file's end.
 *
 * In a relocatable file only the section's header changes.  In a linked file the
 * section lies in a segment of its own, the last one in memory; the segment moves to
 * the end of the file as well:
 *
 *   before   ... | lead, 64 bytes | symbols | section headers
 *   after    ... | (unused)       | symbols | section headers | gap, lead | weights
 *
 * `lead` are bytes of the segment in front of the section's one line, mostly none. */
#include "graft.h"

#include <ar.h>
#include <elf.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 64 };

/* An ELF file, perhaps inside an archive. */
typedef struct elf {
    FILE *f;
    long member;                /* place of the archive member's header; 0: no archive */
    long base;                  /* where the ELF file begins */
    Elf64_Ehdr head;
    Elf64_Shdr section;         /* the one of the weights */
    Elf64_Phdr segment;         /* that holds it; p_type is PT_NULL in relocatable files */
    long section_at, segment_at;    /* places of their headers, from the base */
} elf;

static bool read_at(const elf *e, long at, void *to, size_t size)
{
    return !fseek(e->f, at, SEEK_SET) && fread(to, size, 1, e->f) == 1;
}

static bool write_at(const elf *e, long at, const void *from, size_t size)
{
    return !fseek(e->f, at, SEEK_SET) && fwrite(from, size, 1, e->f) == 1;
}

/* ---- finding it -------------------------------------------------------------------- */

/* The last member of an archive is the ELF file. */
static bool find_member(elf *e)
{
    char magic[SARMAG];
    struct ar_hdr h;

    if (!read_at(e, 0, magic, SARMAG))
        return false;
    for (long at = SARMAG; !memcmp(magic, ARMAG, SARMAG) && read_at(e, at, &h, sizeof h);) {
        e->member = at;
        e->base = at + (long)sizeof h;
        at = e->base + (atol(h.ar_size) + 1) / 2 * 2;
    }
    return true;
}

static bool read_section(elf *e, int i)
{
    e->section_at = (long)e->head.e_shoff + i * (long)sizeof e->section;
    return read_at(e, e->base + e->section_at, &e->section, sizeof e->section);
}

/* Linkers call it .lrodata, or leave it its name. */
static bool find_section(elf *e)
{
    static const char begin[] = ".lrodata";
    char name[sizeof begin - 1];

    if (!read_section(e, e->head.e_shstrndx))
        return false;
    long names = e->base + (long)e->section.sh_offset;
    for (int i = 1; i < e->head.e_shnum; i++)
        if (!read_section(e, i) ||
            (read_at(e, names + e->section.sh_name, name, sizeof name) &&
             !memcmp(name, begin, sizeof name)))
            return !ferror(e->f) && e->section.sh_size >= LINE;
    return false;
}

/* The last segment in memory, if it ends with the section and is only read. */
static bool find_segment(elf *e)
{
    uint64_t end = e->section.sh_addr + e->section.sh_size;
    bool found = false;
    Elf64_Phdr p;

    for (int i = 0; i < e->head.e_phnum; i++) {
        long at = (long)e->head.e_phoff + i * (long)sizeof p;
        if (!read_at(e, e->base + at, &p, sizeof p))
            return false;
        if (p.p_type != PT_LOAD)
            continue;
        if (p.p_vaddr + p.p_memsz > end)
            return false;
        if (p.p_vaddr + p.p_filesz == end && p.p_flags == PF_R) {
            e->segment = p;
            e->segment_at = at;
            found = true;
        }
    }
    return found;
}

static bool find(elf *e)
{
    return find_member(e) && read_at(e, e->base, &e->head, sizeof e->head) && find_section(e) &&
           (e->head.e_type == ET_REL || find_segment(e));
}

/* ---- growing it --------------------------------------------------------------------- */

/* Place of the weights, from the base: behind everything else and, to be mapped, as
 * far into a page as they are in memory. */
static uint64_t place(const elf *e, uint64_t end)
{
    uint64_t address = e->section.sh_addr + e->section.sh_size - LINE;
    bool linked = e->segment.p_type == PT_LOAD;
    uint64_t unit = linked ? e->segment.p_align : LINE, phase = address % unit;
    uint64_t lead = address - (linked ? e->segment.p_vaddr : e->section.sh_addr);
    uint64_t at = (end + lead) / unit * unit + phase;

    return at < end + lead ? at + unit : at;
}

/* The segment keeps its address in memory, and gets another place and size in the
 * file: offset and address must agree modulo the page. */
static void move_headers(elf *e, uint64_t at, uint64_t size)
{
    uint64_t line = e->section.sh_size - LINE;      /* in the section */

    if (e->segment.p_type == PT_LOAD) {
        e->segment.p_offset = at - (e->section.sh_addr + line - e->segment.p_vaddr);
        e->segment.p_filesz = e->segment.p_memsz = e->segment.p_filesz - LINE + size;
    }
    e->section.sh_offset = at - line;
    e->section.sh_size = line + size;
}

static bool write_headers(const elf *e)
{
    bool ok = write_at(e, e->base + e->section_at, &e->section, sizeof e->section);

    if (e->segment.p_type == PT_LOAD)
        ok = ok && write_at(e, e->base + e->segment_at, &e->segment, sizeof e->segment);
    return ok;
}

/* An archive knows the size of its member. */
static bool write_member_size(const elf *e, uint64_t size)
{
    char digits[sizeof((struct ar_hdr *)0)->ar_size + 1];
    long at = e->member + (long)offsetof(struct ar_hdr, ar_size);

    if (!e->member)
        return true;
    snprintf(digits, sizeof digits, "%-10llu", (unsigned long long)size);
    return write_at(e, at, digits, sizeof digits - 1);
}

/* At the end of the file, so that nothing else moves.  False with errno set. */
static bool grow(elf *e, uint64_t size, graft_write *write, void *cx)
{
    if (fseek(e->f, 0, SEEK_END))
        return false;
    uint64_t at = place(e, (uint64_t)(ftell(e->f) - e->base));
    move_headers(e, at, size);
    return write_headers(e) && write_member_size(e, at + size) &&
           !fseek(e->f, e->base + (long)at, SEEK_SET) && write(cx, e->f);
}

/* GRAFT_MISPLACED leaves the file as it is: the caller then links the weights in
 * the usual way, which takes as much memory as they have bytes. */
graft_result graft_weights(const char *path, uint64_t size, graft_write *write, void *cx)
{
    elf e = {.f = fopen(path, "r+b")};
    graft_result r = GRAFT_FAILED;

    if (!e.f)
        return r;
    if (!find(&e))
        r = ferror(e.f) ? GRAFT_FAILED : GRAFT_MISPLACED;
    else if (grow(&e, size, write, cx))
        r = GRAFT_DONE;
    return fclose(e.f) ? GRAFT_FAILED : r;
}
