/* Two entries over one table of states. */
#include "counter.h"

#include "check.h"

int main(void)
{
    static const float x[6] = {1, 2, 3, 10, 20, 30};
    struct counter_states *s = (struct counter_states *)aligned_alloc(64, sizeof *s);
    struct counter_step_dims dims;
    struct counter_step_inputs in;
    struct counter_step_outputs none;
    struct counter_read_inputs nothing;
    struct counter_read_outputs out;
    float w[3];
    int64_t count;

    dims.n = 2;
    in.x = x;
    nothing.none = 0;
    out.w = w;
    out._int = &count;
    counter_init(s);
    CHECK(s->w[0] == 1 && s->w[2] == 3 && s->_class[0] == 0);
    size_t size = counter_step_workspace_size(&dims, 1) + COUNTER_READ_WORKSPACE_SIZE(1);
    void *workspace = aligned_alloc(64, size / 64 * 64 + 64);
    for (int i = 0; i < 2; i++)
        CHECK(counter_step_run(&in, &none, &dims, s, workspace, NULL) == COUNTER_OK);
    CHECK(none.message == NULL);
    CHECK(counter_read_workspace_size(1) == COUNTER_READ_WORKSPACE_SIZE(1));
    CHECK(counter_read_run(&nothing, &out, s, workspace, NULL) == COUNTER_OK);
    CHECK(w[0] == 1 + 22 && w[1] == 2 + 44 && w[2] == 3 + 66 && count == 2);
    dims.n = -1;
    CHECK(counter_step_run(&in, &none, &dims, s, workspace, NULL) == COUNTER_SHAPE);
    CHECK(none.message != NULL && s->_class[0] == 2);
    free(workspace);
    free(s);
    return 0;
}
