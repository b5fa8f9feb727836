/* Names that are no identifiers, or are equal as such; extents of outputs. */
#include "x_9_class.h"

#include "check.h"

int main(void)
{
    static const float x[6] = {1, 2, 3, 4, 5, 6}, two[2] = {1, 2};
    float y[9], sum[2];
    struct x_9_class_dims dims = {2, 1};
    struct x_9_class_inputs in = {x, x, two, two, two};
    struct x_9_class_outputs out;

    out.y_0 = y;
    out.y_0_2 = sum;
    x_9_class_output_dims(&dims, &out);
    CHECK(out.y_0_dims[0] == 3 && out.y_0_dims[1] == 3);
    void *workspace = aligned_alloc(64, x_9_class_workspace_size(&dims, 1) / 64 * 64 + 64);
    out.y_0_dims[0] = 0;
    CHECK(x_9_class_run(&in, &out, &dims, workspace, NULL) == X_9_CLASS_OK);
    CHECK(out.y_0_dims[0] == 3 && y[5] == 6 && y[8] == 3 && sum[1] == 6);
    dims.a_b = -1;
    CHECK(x_9_class_run(&in, &out, &dims, workspace, NULL) == X_9_CLASS_SHAPE);
    free(workspace);
    return 0;
}
