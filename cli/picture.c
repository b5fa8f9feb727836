/* cli/picture.c - files of PNG and JPEG, by libpng and libjpeg-turbo, as rows of
 * red, green and blue bytes.  Either library may be missing when ingot is built:
 * the message says so.  Files are told apart by their first bytes. */
#include "picture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef INGOT_PNG
#include <png.h>
#endif
#ifdef INGOT_JPEG
#include <jpeglib.h>
#include <jerror.h>
#endif

/* No more pixels than these: a few bytes can claim any number. */
enum { MOST_PIXELS = 100 * 1000 * 1000 };

void picture_free(picture *p)
{
    free(p->rgb);
    *p = (picture){0};
}

/* Takes the memory for the pixels. */
static bool make_room(picture *p, const char *path, unsigned width, unsigned height)
{
    if (!width || !height || width > MOST_PIXELS || height > MOST_PIXELS / width)
        return cli_wrong("%s: a picture of %ux%u pixels is too large", path, width, height);
    *p = (picture){.width = (int)width, .height = (int)height,
                   .rgb = malloc((size_t)3 * width * height)};
    return p->rgb || cli_wrong("%s: no memory for its pixels", path);
}

/* Both libraries say it in words of their own, and libjpeg goes on with grey. */
static const char cut_off[] = "is cut off: the file ends before the picture does";

#ifdef INGOT_PNG
/* Transparency is dropped, not blended with anything; grey stands in all three channels. */
static void drop_alpha(picture *p, const unsigned char *from)
{
    for (size_t i = 0; i < (size_t)p->width * (size_t)p->height; i++)
        if (p->grey)
            memset(p->rgb + 3 * i, from[2 * i], 3);
        else
            memcpy(p->rgb + 3 * i, from + 4 * i, 3);
}

/* What libpng could not read further, behind the end of the file or before it. */
static bool wrong_png(const png_image *image, const char *path, FILE *f)
{
    return cli_wrong("%s: %s", path, feof(f) ? cut_off : image->message);
}

static bool read_png(picture *p, const char *path, FILE *f)
{
    png_image image = {.version = PNG_IMAGE_VERSION};

    if (!png_image_begin_read_from_stdio(&image, f))
        return wrong_png(&image, path, f);
    image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;   /* unless the file says that it is linear */
    bool grey = !(image.format & PNG_FORMAT_FLAG_COLOR);
    image.format = grey ? PNG_FORMAT_GA : PNG_FORMAT_RGBA;
    bool room = make_room(p, path, image.width, image.height);
    unsigned char *pixels = room ? malloc(PNG_IMAGE_SIZE(image)) : NULL;
    bool ok = pixels && png_image_finish_read(&image, NULL, pixels, 0, NULL);
    p->grey = grey;
    if (ok)
        drop_alpha(p, pixels);
    else if (room)
        pixels ? wrong_png(&image, path, f) : cli_wrong("%s: no memory for its pixels", path);
    png_image_free(&image);
    free(pixels);
    return ok;
}
#else
static bool read_png(picture *p, const char *path, FILE *f)
{
    (void)p, (void)f;
    return cli_wrong("%s: this ingot was built without libpng", path);
}
#endif

#ifdef INGOT_JPEG
/* libjpeg leaves by a jump where the file is bad. */
typedef struct jpeg_failure {
    struct jpeg_error_mgr face;
    jmp_buf out;
    char why[JMSG_LENGTH_MAX];
} jpeg_failure;

/* Where libjpeg calls exit by default. */
static void leave(j_common_ptr cx)
{
    jpeg_failure *failure = (jpeg_failure *)cx->err;

    if (cx->err->msg_code == JWRN_JPEG_EOF)
        strcpy(failure->why, cut_off);
    else
        failure->face.format_message(cx, failure->why);
    longjmp(failure->out, 1);
}

/* Of what libjpeg warns, an early end alone is a failure: half a picture is none. */
static void warn(j_common_ptr cx, int level)
{
    if (level < 0 && cx->err->msg_code == JWRN_JPEG_EOF)
        leave(cx);
}

/* In a function of its own, since locals of one that calls setjmp are lost behind
 * the jump. */
static bool read_rows(struct jpeg_decompress_struct *cx, picture *p, const char *path, FILE *f)
{
    jpeg_create_decompress(cx);
    jpeg_stdio_src(cx, f);
    jpeg_read_header(cx, TRUE);
    cx->out_color_space = JCS_RGB;
    jpeg_start_decompress(cx);
    if (!make_room(p, path, cx->output_width, cx->output_height))
        return false;
    p->grey = cx->jpeg_color_space == JCS_GRAYSCALE;
    while (cx->output_scanline < cx->output_height) {
        unsigned char *row = p->rgb + (size_t)3 * cx->output_width * cx->output_scanline;
        jpeg_read_scanlines(cx, &row, 1);
    }
    jpeg_finish_decompress(cx);
    return true;
}

static bool read_jpeg(picture *p, const char *path, FILE *f)
{
    struct jpeg_decompress_struct cx = {0};
    jpeg_failure failure;
    bool ok;

    cx.err = jpeg_std_error(&failure.face);
    failure.face.error_exit = leave;
    failure.face.emit_message = warn;
    if (setjmp(failure.out))
        ok = cli_wrong("%s: %s", path, failure.why);
    else
        ok = read_rows(&cx, p, path, f);
    jpeg_destroy_decompress(&cx);
    return ok;
}
#else
static bool read_jpeg(picture *p, const char *path, FILE *f)
{
    (void)p, (void)f;
    return cli_wrong("%s: this ingot was built without libjpeg", path);
}
#endif

/* False after a message; p holds nothing then. */
bool picture_read(picture *p, const char *path)
{
    FILE *f = fopen(path, "rb");
    unsigned char begin[2] = {0};
    bool ok;

    *p = (picture){0};
    if (!f)
        return cli_wrong("%s: %s", path, strerror(errno));
    size_t n = fread(begin, 1, sizeof begin, f);
    rewind(f);
    if (n == 2 && begin[0] == 0x89 && begin[1] == 'P')
        ok = read_png(p, path, f);
    else if (n == 2 && begin[0] == 0xff && begin[1] == 0xd8)
        ok = read_jpeg(p, path, f);
    else
        ok = cli_wrong("%s: is no picture of PNG or JPEG", path);
    fclose(f);
    if (!ok)
        picture_free(p);
    return ok;
}
