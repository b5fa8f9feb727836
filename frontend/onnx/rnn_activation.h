/* frontend/onnx/rnn_activation.h - activation functions of recurrent layers. */
#ifndef INGOT_RNN_ACTIVATION_H
#define INGOT_RNN_ACTIVATION_H

#include "../onnx_build.h"

typedef struct rnn_activation {
    ir_ref (*of)(ir_build *b, ir_ref x, double alpha, double beta);
    double alpha, beta;
} rnn_activation;

/* The functions that the node names, `count` for each of its directions, else
 * the `usual` ones ("Sigmoid Tanh").  False after an error at the node. */
bool rnn_activations(onnx_op *n, const char *usual, int count, int directions,
                     rnn_activation *out);

/* The function of x within [-clip, clip]; clip 0 is none. */
ir_ref rnn_activate(ir_build *b, const rnn_activation *f, ir_ref x, double clip);

#endif
