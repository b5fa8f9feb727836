/* cli/picture_input.c - a picture becomes the tensor that an input wants: resized,
 * each value v as (v - mean) * scale, laid out by channels first or last.  What is
 * not said is taken from the input's type: its extents are the size, and where 1 or
 * 3 stands are the channels. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "picture.h"

/* ---- command line ------------------------------------------------------------------- */

/* Reads one number or three, for red, green and blue. */
static bool read_three(const cli_option *o, const char *value, double to[3])
{
    const char *at = value;
    int n = 0;

    for (char *end; n < 3; at = end + 1) {
        to[n++] = strtod(at, &end);
        if (end == at || (*end && (*end != ',' || n == 3)))
            return cli_wrong("%s takes one number or three, as in 1,2,3, not '%s'", o->name, value);
        if (!*end)
            break;
    }
    if (n == 1)
        to[1] = to[2] = to[0];
    return n != 2 || cli_wrong("%s takes one number or three, not two", o->name);
}

static bool set_mean(void *to, const cli_option *o, const char *value)
{
    return read_three(o, value, ((picture_options *)to)->mean);
}

static bool set_scale(void *to, const cli_option *o, const char *value)
{
    picture_options *p = to;

    p->has_scale = true;
    return read_three(o, value, p->scale);
}

static bool set_resize(void *to, const cli_option *o, const char *value)
{
    picture_options *p = to;
    int end = 0;

    if (sscanf(value, "%5dx%5d%n", &p->height, &p->width, &end) < 2 || value[end] ||
        p->height < 1 || p->width < 1)
        return cli_wrong("%s takes HEIGHTxWIDTH, not '%s'", o->name, value);
    return true;
}

static const char *const layouts[] = {"nchw", "nhwc", NULL};

const cli_option picture_rows[] = {
    {"--resize", "HxW", "of a picture (default: what the input has, or none)", .set = set_resize},
    {"--mean", "M[,M,M]", "of a picture's values, 0 to 255 (default 0)", .set = set_mean},
    {"--scale", "S[,S,S]", "factor behind the mean (default 1/255; 1 for integers)",
     .set = set_scale},
    {"--layout", "NAME", "of a picture: nchw or nhwc (default: as the input has 1 or 3 channels)",
     .set = cli_set_word, .at = offsetof(picture_options, layout), .words = layouts},
    {0}};

/* ---- the tensor ---------------------------------------------------------------------- */

/* What an input wants of a picture. */
typedef struct wanted {
    const picture_options *how;
    bool last;                      /* channels lie innermost */
    int channels, height, width;
    double mean[3], scale[3];
} wanted;

static int64_t extent(const struct ingot_value_info *v, int axis)
{
    int skipped = v->rank == 4;     /* the batch */

    return v->dims[axis + skipped];
}

static bool are_channels(int64_t n)
{
    return n == 1 || n == 3;
}

/* Three axes of which the first is free are rows of grey pictures, [N,H,W]: channels are a
 * number of the network, or else --layout tells that they are there. */
static bool is_grey_batch(const wanted *w, const struct ingot_value_info *v)
{
    return v->rank == 3 && !w->how->layout && !w->last && v->dims[0] < 0;
}

/* Decides the layout; false after a message. */
static bool find_layout(wanted *w, const struct ingot_value_info *v, const char *path)
{
    if (v->rank != 3 && v->rank != 4)
        return cli_wrong("%s: input '%s' has %d axes: a picture needs 3, or 4 with a batch", path,
                         v->name, v->rank);
    w->last = w->how->layout ? !strcmp(w->how->layout, "nhwc")
                             : !are_channels(extent(v, 0)) && are_channels(extent(v, 2));
    int64_t channels = extent(v, w->last ? 2 : 0);
    w->channels = channels == 1 || is_grey_batch(w, v) ? 1 : 3;
    return channels < 0 || are_channels(channels) ||
           cli_wrong("%s: input '%s' has %lld channels: a picture has 1 or 3", path, v->name,
                     (long long)channels);
}

static int side(int64_t fixed, int asked, int own)
{
    return asked ? asked : fixed > 0 && fixed < 100000 ? (int)fixed : own;
}

/* The size is what --resize says, else the input's where that is a number, else the
 * picture's own. */
static bool find_wanted(wanted *w, const struct ingot_value_info *v, const picture *p,
                        const char *path)
{
    if (!find_layout(w, v, path))
        return false;
    w->height = side(extent(v, w->last ? 0 : 1), w->how->height, p->height);
    w->width = side(extent(v, w->last ? 1 : 2), w->how->width, p->width);
    for (int c = 0; c < 3; c++) {
        w->mean[c] = w->how->mean[c];
        w->scale[c] = w->how->has_scale ? w->how->scale[c] : v->dtype == TENSOR_U8 ? 1 : 1 / 255.0;
    }
    return true;
}

/* A place between two pixels of a row or a column: the centres of pixels are mapped. */
typedef struct between {
    int low, high;
    double weight;                  /* of `high` */
} between;

/* Pixels are areas: the middle of pixel i of `to` lies at (i + 1/2) * from / to -
 * 1/2, as in ONNX's half_pixel. */
static between place(int i, int to, int from)
{
    double at = (i + 0.5) * from / to - 0.5;
    int low = at < 0 ? 0 : (int)at;
    int high = low + 1 < from ? low + 1 : from - 1;

    low = low < from ? low : from - 1;
    return (between){low, high, at < 0 ? 0 : at - low};
}

static double pixel(const picture *p, int y, int x, int c)
{
    return p->rgb[3 * ((size_t)y * (size_t)p->width + (size_t)x) + (size_t)c];
}

static double interpolated(const picture *p, between y, between x, int c)
{
    double left = 1 - x.weight, right = x.weight;
    double top = pixel(p, y.low, x.low, c) * left + pixel(p, y.low, x.high, c) * right;
    double bottom = pixel(p, y.high, x.low, c) * left + pixel(p, y.high, x.high, c) * right;

    return top * (1 - y.weight) + bottom * y.weight;
}

/* A channel of a picture there; grey is what ITU-R 601 makes of colours, and of
 * a grey picture its own values. */
static double value_at(const picture *p, const wanted *w, between y, between x, int c)
{
    static const double grey[] = {0.299, 0.587, 0.114};
    double sum = 0;

    if (w->channels == 3 || p->grey)
        return interpolated(p, y, x, c);
    for (int i = 0; i < 3; i++)
        sum += grey[i] * interpolated(p, y, x, i);
    return sum;
}

/* Bilinear, with centres of pixels mapped on each other, as image libraries do it
 * without antialiasing. */
static void fill(tensor *t, const picture *p, const wanted *w)
{
    float *out = t->data;
    size_t pixels = (size_t)w->height * (size_t)w->width, channels = (size_t)w->channels;

    for (int i = 0; i < w->height; i++)
        for (int k = 0; k < w->width; k++) {
            between y = place(i, w->height, p->height), x = place(k, w->width, p->width);
            size_t at = (size_t)i * (size_t)w->width + (size_t)k;
            for (size_t c = 0; c < channels; c++) {
                double v = value_at(p, w, y, x, (int)c);
                out[w->last ? at * channels + c : c * pixels + at] =
                    (float)((v - w->mean[c]) * w->scale[c]);
            }
        }
}

/* Makes a tensor of f32 and converts it to the input's type. */
static bool make_tensor(const picture *p, const wanted *w, const struct ingot_value_info *v,
                        tensor *t, char *error)
{
    int64_t dims[4] = {1, w->channels, w->height, w->width};

    if (w->last)
        dims[1] = w->height, dims[2] = w->width, dims[3] = w->channels;
    if (!tensor_init(t, TENSOR_F32, v->rank, dims + (v->rank == 3)))
        return tensor_init_failed(t, "input", v->name, error);
    fill(t, p, w);
    if (v->dtype == TENSOR_U8)
        for (int64_t i = 0; i < t->count; i++)
            ((float *)t->data)[i] = rintf(((float *)t->data)[i]);
    return v->dtype == TENSOR_F32 || tensor_cast(t, v->dtype, error);
}

/* Bytes, channels first, for `ingot data`. */
bool picture_resize(const picture *p, int channels, int height, int width, unsigned char *to)
{
    size_t n = (size_t)channels * (size_t)height * (size_t)width;
    wanted w = {.channels = channels, .height = height, .width = width, .scale = {1, 1, 1}};
    tensor t = {.data = malloc(n * sizeof(float))};

    if (!t.data)
        return false;
    fill(&t, p, &w);
    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)lrintf(((float *)t.data)[i]);
    free(t.data);
    return true;
}

/* Reads the file into v, in the input's element type; false after a message. */
bool picture_input(const void *how, const struct ingot_value_info *input, const char *path,
                   tensor_value *v)
{
    wanted w = {.how = how};
    char error[TENSOR_ERROR_SIZE];
    picture p;

    if (bind_kind(input) != TENSOR_PLAIN)
        return cli_wrong("input '%s' is no tensor", input->name);
    if (!picture_read(&p, path))
        return false;
    bool ok = find_wanted(&w, input, &p, path) && (make_tensor(&p, &w, input, &v->t, error) ||
                                                   cli_wrong("%s: %s", path, error));
    picture_free(&p);
    return ok;
}
