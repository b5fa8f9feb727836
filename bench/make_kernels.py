#!/usr/bin/env python3
"""Writes models of one kernel each (a convolution, a softmax, a product of 8-bit integers, ..),
and of small networks (recurrent, an encoder layer), for bench/compare.py, into a folder.

usage: make_kernels.py [DIR] [WORD...]   (default: build/data/kernels; names that hold a WORD)
"""
import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, shape_inference

from make_models import ROOT, save

RNG = np.random.Generator(np.random.Philox(3))


def floats(*shape, scale=1.0):
    return ((RNG.random(shape, np.float32) * 2 - 1) * np.float32(scale)).astype(np.float32)


def whole(dtype, *shape):
    info = np.iinfo(dtype)
    return RNG.integers(info.min, info.max + 1, shape, dtype)


class Model:
    """Nodes, inputs and weights of a model under construction."""

    def __init__(self, **inputs):
        kinds = {name: shape if isinstance(shape, tuple) else (shape, TensorProto.FLOAT)
                 for name, shape in inputs.items()}
        self.inputs = [helper.make_tensor_value_info(name, kind, shape)
                       for name, (shape, kind) in kinds.items()]
        self.nodes, self.weights, self.count = [], [], 0

    def weight(self, array):
        name = f'w{len(self.weights)}'
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, op, *operands, outputs=1, **attributes):
        names = [self.weight(o) if isinstance(o, (np.ndarray, np.generic)) else o for o in operands]
        made = [f'v{self.count + i}' for i in range(outputs)]
        self.count += outputs
        self.nodes.append(helper.make_node(op, names, made, **attributes))
        return made[0] if outputs == 1 else made

    def save(self, path, result, kind=TensorProto.FLOAT):
        out = helper.make_tensor_value_info(result, kind, None)
        whole = helper.make_model(helper.make_graph(self.nodes, 'm', self.inputs, [out],
                                                    initializer=self.weights),
                                  opset_imports=[helper.make_opsetid('', 17)])
        save(path, self.nodes, self.inputs, shape_inference.infer_shapes(whole).graph.output,
             self.weights)


def conv(channels, outputs, size, kernel=3, stride=1, times=1, group=1):
    m = Model(x=[1, channels, size, size])
    x = 'x'
    for _ in range(times):
        w = floats(outputs, channels // group, kernel, kernel, scale=(3 / (channels * kernel**2))**.5)
        x = m.add('Conv', x, w, floats(outputs), strides=[stride] * 2, group=group,
                  pads=[kernel // 2] * 4)
    return m, x


def deconv(channels, outputs, size):
    m = Model(x=[1, channels, size, size])
    return m, m.add('ConvTranspose', 'x', floats(channels, outputs, 2, 2), strides=[2, 2])


def one(op, shape, **attributes):
    m = Model(x=list(shape))
    return m, m.add(op, 'x', **attributes)


def reduce(op, shape, axes, keep=0):
    m = Model(x=list(shape))
    if op == 'ReduceSum':
        return m, m.add(op, 'x', np.array(axes, np.int64), keepdims=keep)
    return m, m.add(op, 'x', axes=axes, keepdims=keep)


def gelu(n):
    m = Model(x=[n])
    e = m.add('Erf', m.add('Mul', 'x', np.float32(.5**.5)))
    return m, m.add('Mul', m.add('Mul', 'x', m.add('Add', e, np.float32(1))), np.float32(.5))


def power(n):
    m = Model(x=[n])
    return m, m.add('Pow', m.add('Abs', 'x'), np.float32(1.7))


def chain(n):
    m = Model(x=[n])
    v = m.add('Mul', 'x', np.float32(1.1))
    for op, c in ('Add', .3), ('Relu', 0), ('Mul', .7), ('Sub', .2), ('Abs', 0), ('Add', 1), \
                 ('Sqrt', 0), ('Mul', 2), ('Neg', 0):
        v = m.add(op, v, np.float32(c)) if c else m.add(op, v)
    return m, v


def layer_norm(rows, n):
    m = Model(x=[rows, n])
    return m, m.add('LayerNormalization', 'x', floats(n), floats(n), axis=-1)


def instance_norm(channels, size):
    m = Model(x=[1, channels, size, size])
    return m, m.add('InstanceNormalization', 'x', floats(channels), floats(channels))


def top_k(rows, n, k):
    m = Model(x=[rows, n])
    return m, m.add('TopK', 'x', np.array([k], np.int64), outputs=2)[0]


def gemm(n, constant=True):
    m = Model(x=[n, n]) if constant else Model(x=[n, n], y=[n, n])
    return m, m.add('MatMul', 'x', floats(n, n) if constant else 'y')


def gemv(n):
    m = Model(x=[1, n])
    return m, m.add('MatMul', 'x', floats(n, n))


def recurrent(op, batch, steps=64, inputs=64, hidden=128):
    gates = {'LSTM': 4, 'GRU': 3}[op]
    m = Model(x=[steps, batch, inputs])
    more = {'linear_before_reset': 1} if op == 'GRU' else {}
    outputs = 3 if op == 'LSTM' else 2
    return m, m.add(op, 'x', floats(1, gates * hidden, inputs, scale=.1),
                    floats(1, gates * hidden, hidden, scale=.1),
                    floats(1, 2 * gates * hidden, scale=.1), outputs=outputs, hidden_size=hidden,
                    **more)[0]


def normed(m, x, d):
    return m.add('LayerNormalization', x, floats(d), floats(d), axis=-1)


def dense(m, x, k, n):
    return m.add('Add', m.add('MatMul', x, floats(k, n, scale=k**-.5)), floats(n, scale=.1))


def encoder(tokens=128, d=256, heads=4):
    m = Model(x=[1, tokens, d])
    split = np.array([0, 0, heads, d // heads], np.int64)
    q, k, v = (m.add('Reshape', dense(m, 'x', d, d), split) for _ in range(3))
    q, v = (m.add('Transpose', t, perm=[0, 2, 1, 3]) for t in (q, v))
    score = m.add('MatMul', q, m.add('Transpose', k, perm=[0, 2, 3, 1]))
    score = m.add('Softmax', m.add('Mul', score, np.float32((d // heads)**-.5)), axis=-1)
    mixed = m.add('Transpose', m.add('MatMul', score, v), perm=[0, 2, 1, 3])
    mixed = m.add('Reshape', mixed, np.array([0, 0, d], np.int64))
    x = normed(m, m.add('Add', 'x', dense(m, mixed, d, d)), d)
    h = dense(m, x, d, 4 * d)
    e = m.add('Add', m.add('Erf', m.add('Mul', h, np.float32(.5**.5))), np.float32(1))
    h = m.add('Mul', m.add('Mul', h, e), np.float32(.5))
    return m, normed(m, m.add('Add', x, dense(m, h, 4 * d, d)), d)


def qlinear_matmul(n):
    m = Model(x=([n, n], TensorProto.UINT8))
    return m, m.add('QLinearMatMul', 'x', np.float32(.02), np.uint8(120), whole(np.int8, n, n),
                    np.float32(.01), np.int8(0), np.float32(3), np.uint8(128)), TensorProto.UINT8


def matmul_integer(n):
    m = Model(x=([n, n], TensorProto.UINT8))
    return m, m.add('MatMulInteger', 'x', whole(np.int8, n, n), np.uint8(120)), TensorProto.INT32


def qlinear_conv(channels, outputs, size, kernel=3, stride=1):
    m = Model(x=([1, channels, size, size], TensorProto.UINT8))
    w = whole(np.int8, outputs, channels, kernel, kernel)
    return m, m.add('QLinearConv', 'x', np.float32(.02), np.uint8(120), w, np.float32(.01),
                    np.int8(0), np.float32(2), np.uint8(128), whole(np.int32, outputs) // 2**16,
                    strides=[stride] * 2, pads=[kernel // 2] * 4), TensorProto.UINT8


def conv_integer(channels, size):
    m = Model(x=([1, channels, size, size], TensorProto.UINT8))
    return m, m.add('ConvInteger', 'x', whole(np.int8, channels, channels, 3, 3), np.uint8(120),
                    pads=[1] * 4), TensorProto.INT32


POOL = {'kernel_shape': [3, 3], 'strides': [2, 2], 'pads': [1] * 4}
MODELS = {
    'conv_64': lambda: conv(64, 64, 56),
    'conv_64_x5': lambda: conv(64, 64, 56, times=5),
    'conv_20': lambda: conv(20, 20, 56),
    'conv_36': lambda: conv(36, 36, 56),
    'conv_20_x5': lambda: conv(20, 20, 56, times=5),
    'conv_36_x5': lambda: conv(36, 36, 56, times=5),
    'conv_1x1_64_256': lambda: conv(64, 256, 56, 1),
    'conv_1x1_256_64': lambda: conv(256, 64, 56, 1),
    'conv_7x7_first': lambda: conv(3, 64, 224, 7, 2),
    'conv_3x3_first': lambda: conv(3, 16, 320, 3, 2),
    'conv_3x3_s2': lambda: conv(128, 128, 56, 3, 2),
    'depthwise': lambda: conv(96, 96, 112, group=96),
    'depthwise_x5': lambda: conv(96, 96, 112, times=5, group=96),
    'deconv_2x2': lambda: deconv(64, 32, 56),
    'max_pool': lambda: one('MaxPool', (1, 64, 112, 112), **POOL),
    'avg_pool': lambda: one('AveragePool', (1, 64, 112, 112), **POOL),
    'instance_norm': lambda: instance_norm(64, 112),
    'layer_norm': lambda: layer_norm(4096, 1024),
    'softmax': lambda: one('Softmax', (4096, 1024), axis=-1),
    'chain_10': lambda: chain(1 << 22),
    'transpose_4096': lambda: one('Transpose', (4096, 4096), perm=[1, 0]),
    'sum_rows': lambda: reduce('ReduceSum', (4096, 4096), [1]),
    'sum_columns': lambda: reduce('ReduceSum', (4096, 4096), [0]),
    'sum_all': lambda: reduce('ReduceSum', (2048, 2048), [0, 1]),
    'max_all': lambda: reduce('ReduceMax', (2048, 2048), [0, 1]),
    'argmax': lambda: (*one('ArgMax', (1024, 1024), axis=-1), TensorProto.INT64),
    'top_k': lambda: top_k(128, 4096, 16),
    'exp': lambda: one('Exp', (65536,)),
    'tanh': lambda: one('Tanh', (65536,)),
    'sigmoid': lambda: one('Sigmoid', (65536,)),
    'erf': lambda: one('Erf', (65536,)),
    'gelu': lambda: gelu(65536),
    'log': lambda: one('Log', (65536,)),
    'pow': lambda: power(65536),
    'gemm_1024': lambda: gemm(1024),
    'gemm_1024_inputs': lambda: gemm(1024, False),
    'gemv_4096': lambda: gemv(4096),
    'lstm_1': lambda: recurrent('LSTM', 1),
    'lstm_16': lambda: recurrent('LSTM', 16),
    'gru_1': lambda: recurrent('GRU', 1),
    'gru_16': lambda: recurrent('GRU', 16),
    'encoder': encoder,
    'qlinear_matmul': lambda: qlinear_matmul(1024),
    'matmul_integer': lambda: matmul_integer(1024),
    'qlinear_conv_64': lambda: qlinear_conv(64, 64, 56),
    'qlinear_conv_first': lambda: qlinear_conv(3, 64, 224, 7, 2),
    'qlinear_conv_1x1': lambda: qlinear_conv(64, 256, 56, 1),
    'conv_integer': lambda: conv_integer(64, 56),
}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / 'build/data/kernels')
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in MODELS.items():
        if len(sys.argv) > 2 and not any(word in name for word in sys.argv[2:]):
            continue
        model, result, *kind = make()
        model.save(folder / f'{name}.onnx', result, *kind)


if __name__ == '__main__':
    main()
