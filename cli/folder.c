/* cli/folder.c - `ingot data`: a folder of pictures by class becomes an archive of
 * arrays, which trainers read.
 *
 *    pictures/cat/1.png     x            u8[n, 3, height, width]
 *    pictures/cat/2.png     label        i64[n], 0 for cat, 1 for dog
 *    pictures/dog/3.png     label.names  a line for each class
 *
 * Names are sorted, so that the same folder gives the same archive on every
 * machine. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base.h"
#include "cleanup.h"
#include "command.h"
#include "file_kind.h"
#include "npz.h"
#include "picture.h"
#include "report.h"

/* A folder `pets` with cat/1.png and dog/2.png becomes x u8[2,3,H,W], label i64[2]
 * = 0 1, and the names cat and dog. */
typedef struct data_options {
    const char *folder, *out;
    int height, width;              /* 0: those of the first picture */
    bool gray;
} data_options;

/* ---- command line ----------------------------------------------------------------- */

/* 224 or 224x320; at most five digits, so that a product of sides fits. */
static bool set_size(void *to, const cli_option *o, const char *value)
{
    data_options *d = to;
    int end = 0;

    if (sscanf(value, "%5dx%5d%n", &d->height, &d->width, &end) == 2 && !value[end])
        return (d->height > 0 && d->width > 0) || cli_wrong("%s takes a size above 0", o->name);
    if (sscanf(value, "%5d%n", &d->height, &end) != 1 || value[end] || d->height < 1)
        return cli_wrong("%s takes 224 or HEIGHTxWIDTH, not '%s'", o->name, value);
    d->width = d->height;
    return true;
}

#define AT(field) offsetof(data_options, field)

static const cli_option options[] = {
    {"FOLDER", NULL, "has a folder of PNG and JPEG files for each class", .set = cli_set_once,
     .at = AT(folder)},
    {"-o", "FILE", "the .npz file: x u8[N,C,H,W], label i64[N], names of the classes",
     .set = cli_set_output, .at = AT(out)},
    {"--size", "N|HxW", "of the pictures (default: they have one size)", .set = set_size},
    {"--gray", NULL, "one channel instead of three", .set = cli_set_flag, .at = AT(gray)},
    {0}};

/* ---- the folder ------------------------------------------------------------------- */

/* What a folder holds of pictures: those of class 0, then of class 1, .. */
typedef struct listing {
    arena mem;
    VEC(const char *) name;         /* of classes, in the order of their bytes */
    VEC(const char *) path;         /* of pictures */
    VEC(int64_t) label;
    uint32_t others;                /* files and folders that are left out */
} listing;

static int visible(const struct dirent *e)
{
    return *e->d_name != '.';
}

static int in_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* By the ending only: whether it really is one is told when it is read. */
static bool is_picture(const char *name)
{
    static const char *const endings[] = {".png", ".PNG", ".jpg", ".JPG", ".jpeg", ".JPEG"};

    for (size_t i = 0; i < COUNT(endings); i++)
        if (has_suffix(name, endings[i]))
            return true;
    return false;
}

typedef bool each_entry(listing *l, const char *folder, const char *name);

/* Visits what is in a folder, in order, until a visit fails.  False after a message. */
static bool for_entries(listing *l, const char *folder, each_entry *f)
{
    struct dirent **list;
    int n = scandir(folder, &list, visible, in_bytes);
    bool ok = n >= 0 || cli_wrong("%s: %s", folder, strerror(errno));

    for (int i = 0; i < n; i++) {
        ok = ok && f(l, folder, list[i]->d_name);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    return ok;
}

/* Its class is the folder that is being listed, the last of the names. */
static bool add_picture(listing *l, const char *folder, const char *name)
{
    if (!is_picture(name)) {
        l->others++;
        return true;
    }
    vec_push(&l->path, arena_printf(&l->mem, "%s/%s", folder, name));
    vec_push(&l->label, (int64_t)l->name.len);
    return true;
}

/* A folder with pictures is a class; files beside the classes are left out. */
static bool add_class(listing *l, const char *folder, const char *name)
{
    const char *path = arena_printf(&l->mem, "%s/%s", folder, name);
    uint32_t before = l->path.len;
    struct stat st;

    if (!stat(path, &st) && !S_ISDIR(st.st_mode)) {
        l->others++;
        return true;
    }
    if (!for_entries(l, path, add_picture))
        return false;
    if (l->path.len > before)
        vec_push(&l->name, arena_strdup(&l->mem, name));
    return true;
}

static bool list_folder(listing *l, const char *folder)
{
    return for_entries(l, folder, add_class) &&
           (l->path.len || cli_wrong("%s: has no folders with pictures; each is a class", folder));
}

static void free_listing(listing *l)
{
    vec_free(&l->name);
    vec_free(&l->path);
    vec_free(&l->label);
    arena_reset(&l->mem);
}

/* ---- the archive ------------------------------------------------------------------ */

/* Adds a picture at the size; the first one says it where nobody has. */
static bool add_pixels(npz *z, const data_options *o, const char *path, uint8_t *pixels)
{
    picture p;

    if (!picture_read(&p, path))
        return false;
    bool ok = picture_resize(&p, o->gray ? 1 : 3, o->height, o->width, pixels) ||
              cli_wrong("%s: no memory", path);
    picture_free(&p);
    if (ok)
        npz_add(z, pixels, (size_t)(o->gray ? 1 : 3) * (size_t)o->height * (size_t)o->width);
    return ok;
}

/* All pictures have the size that is asked for, or one and the same. */
static bool find_size(data_options *o, const listing *l)
{
    bool asked = o->height;

    for (uint32_t i = 0; !asked && i < l->path.len; i++) {
        picture p;
        if (!picture_read(&p, l->path.at[i]))
            return false;
        bool same = !i || (p.height == o->height && p.width == o->width);
        o->height = p.height;
        o->width = p.width;
        picture_free(&p);
        if (!same)
            return cli_wrong("%s: has another size than %s: give --size", l->path.at[i],
                             l->path.at[i - 1]);
    }
    return true;
}

/* One picture at a time in memory, however many there are. */
static bool add_pictures(npz *z, const data_options *o, const listing *l)
{
    const int64_t dims[] = {l->path.len, o->gray ? 1 : 3, o->height, o->width};
    uint8_t *pixels = malloc((size_t)(dims[1] * dims[2] * dims[3]));
    bool ok = pixels || cli_wrong("no memory");

    npz_begin(z, "x", "|u1", 4, dims);
    for (uint32_t i = 0; ok && i < l->path.len; i++)
        ok = add_pixels(z, o, l->path.at[i], pixels);
    free(pixels);
    return ok;
}

/* Numbers of classes, and their names as a text of lines: numpy has no strings of
 * its own without Python's pickle. */
static void add_labels(npz *z, const listing *l)
{
    const int64_t n = l->path.len;

    npz_begin(z, "label", "<i8", 1, &n);
    npz_add(z, l->label.at, l->label.len * sizeof *l->label.at);
    npz_begin(z, "label.names", NULL, 0, NULL);
    for (uint32_t i = 0; i < l->name.len; i++) {
        npz_add(z, l->name.at[i], strlen(l->name.at[i]));
        npz_add(z, "\n", 1);
    }
}

/* Fills the open file.  False after a message. */
static bool fill_archive(FILE *file, const data_options *o, const listing *l)
{
    npz z = {.file = file};

    if (!add_pictures(&z, o, l))
        return false;
    add_labels(&z, l);
    return npz_end(&z) || cli_wrong("%s: would be larger than 4 GB", o->out);
}

/* An archive that is there stays until another one is whole. */
static bool write_archive(const data_options *o, const listing *l)
{
    partial p;
    const char *refused = partial_refused(o->out);

    if (refused)
        return cli_wrong("%s: %s", o->out, refused);
    if (!report_open(&p, o->out) || !report_close(&p, o->out, fill_archive(p.file, o, l)))
        return false;
    printf("%s: %u pictures of %dx%d in %u classes", o->out, l->path.len, o->height, o->width,
           l->name.len);
    if (l->others)
        printf("; %u left out that are not named .png or .jpg", l->others);
    printf("\n");
    return true;
}

/* The order of the archive is that of the names' bytes: the same on every machine. */
int command_data(int argc, char **argv)
{
    data_options o = {0};
    listing l = {0};
    int status = cli_parse(argc, argv, "ingot data FOLDER -o FILE.npz [OPTIONS]",
                           "Reads pictures, the folder of each being its class, and makes them\n"
                           "arrays for a trainer: \"f.npz\"[\"x\"] and \"f.npz\"[\"label\"].",
                           options, &o);

    if (status)
        return status;
    if (!o.folder || !o.out) {
        cli_wrong("%s (see ingot data --help)", o.folder ? "no output given: -o FILE"
                                                         : "no folder given");
        return CLI_USAGE;
    }
    if (!has_suffix(o.out, ".npz")) {
        cli_wrong("-o takes FILE.npz, an archive of x and label, not '%s'", o.out);
        return CLI_USAGE;
    }
    bool ok = list_folder(&l, o.folder) && find_size(&o, &l) && write_archive(&o, &l);
    free_listing(&l);
    return ok ? CLI_OK : CLI_FAILED;
}
