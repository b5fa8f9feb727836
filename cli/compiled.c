/* cli/compiled.c - running a module as native code in this process. */
#include "engine.h"

bool engine_compile(ingot_engine *e, const ingot_options *o, diag *d)
{
    (void)e, (void)o;
    return diag_unsupported(d, "compiled engine", "", "", "not in this build yet");
}

bool engine_run_compiled(ingot_engine *e, const tensor_value *in, tensor_value *out, char *error)
{
    (void)e, (void)in, (void)out;
    snprintf(error, TENSOR_ERROR_SIZE, "not compiled");
    return false;
}

void engine_release(ingot_engine *e)
{
    (void)e;
}

bool ingot_engine_time(ingot_engine *e, const tensor_value *in, int runs, double *min,
                       double *median, char error[TENSOR_ERROR_SIZE])
{
    (void)e, (void)in, (void)runs, (void)min, (void)median;
    snprintf(error, TENSOR_ERROR_SIZE, "not compiled");
    return false;
}
