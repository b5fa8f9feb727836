/* An object's record, read and run. */
#include <string.h>

#include "check.h"
#include "net.h"

int main(void)
{
    static float x[64], z[4], y[1], minus[4];
    const struct ingot_entry *e = net_model.entries;
    const void *inputs[2];
    struct ingot_buffer outputs[2];
    struct ingot_call call;
    int64_t dims[1] = {1}, extents[2][1];

    inputs[0] = x, inputs[1] = z;
    outputs[0].data = y, outputs[0].dims = extents[0];
    outputs[1].data = minus, outputs[1].dims = extents[1];
    CHECK(net_model.abi == INGOT_ABI_VERSION && net_model.entry_count == 1);
    CHECK(!strcmp(e->name, "main") && !strcmp(e->inputs[0].name, "x"));
    memset(&call, 0, sizeof call);
    call.inputs = inputs, call.outputs = outputs, call.dims = dims;
    call.weights = net_model.weights;
    call.workspace = aligned_alloc(64, e->workspace_size(dims, 1) / 64 * 64 + 64);
    CHECK(e->run(&call) == INGOT_OK && y[0] == 64 && extents[0][0] == 1);
    free(call.workspace);
    return 0;
}
