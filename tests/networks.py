#!/usr/bin/env python3
"""The networks that everyone knows, as programs and as ONNX models of ONNX's own operators.

usage: networks.py INGOT [NAME..]

A case is a program and a function that builds the same network with the weights that `ingot
init` draws for the program, under the paths that they have there.  ONNX Runtime runs the
model, both engines of ingot the program, and ingot the model; all must agree.  Batch norms get
means and variances as training leaves them.  Ends with a line `N passed, N failed`.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from safetensors_file import read_safetensors

CASES = {}


class Graph:
    """A model in the making: g('Relu', x) adds a node and names its result."""

    def __init__(self, weights, inputs):
        self.weights, self.nodes, self.arrays = weights, [], {}
        self.inputs = [helper.make_tensor_value_info(
            k, TensorProto.INT64 if v.dtype == np.int64 else TensorProto.FLOAT, v.shape)
            for k, v in inputs.items()]

    def __call__(self, op, *x, n=1, **attributes):
        names = [f'v{len(self.nodes)}_{i}' for i in range(n)]
        self.nodes.append(helper.make_node(op, [self.value(v) for v in x], names, **attributes))
        return names[0] if n == 1 else names

    def value(self, v):
        """A value's name; an array becomes an initializer."""
        if isinstance(v, str):
            return v
        v = np.asarray(v)
        v = v.astype(np.int64 if v.dtype.kind == 'i' else np.float32)
        name = f'c{len(self.arrays)}'
        self.arrays[name] = v
        return name

    def model(self, outputs):
        outputs = [outputs] if isinstance(outputs, str) else outputs
        graph = helper.make_graph(
            self.nodes, 'net', self.inputs,
            [onnx.ValueInfoProto(name=self('Identity', y)) for y in outputs],
            [numpy_helper.from_array(v, k) for k, v in self.arrays.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 21)], ir_version=10)
        return onnx.shape_inference.infer_shapes(model)

    # Layers of the library, by the path of their weights.

    def dense(self, x, path):
        y = self('MatMul', x, self.weights[path + '.w'])
        return self('Add', y, self.weights[path + '.b']) if path + '.b' in self.weights else y

    def conv(self, x, path, stride=1, pad=None):
        w = self.weights[path + '.w']
        pad = w.shape[2] // 2 if pad is None else pad
        b = [self.weights[path + '.b']] if path + '.b' in self.weights else []
        return self('Conv', x, w, *b, strides=[stride] * 2, pads=[pad] * 4)

    def batch_norm(self, x, path):
        return self('BatchNormalization', x, *(self.weights[f'{path}.{k}'] for k in ('scale', 'shift', 'mu', 'var')))

    def layer_norm(self, x, path):
        return self('LayerNormalization', x, self.weights[path + '.scale'], self.weights[path + '.shift'])

    def max_pool(self, x, size, stride=None, pad=0):
        return self('MaxPool', x, kernel_shape=[size] * 2, strides=[stride or size] * 2, pads=[pad] * 4)

    def gelu(self, x):
        return self('Gelu', x)

    def lstm(self, x, path):
        """[N, T, I] to [N, T, H]; gates are f, i, c, o in the library and i, o, f, c in ONNX."""
        w, u, b = (self.weights[f'{path}.f.{k}'] for k in 'wub')
        order, hidden = [1, 3, 0, 2], u.shape[1]
        y, *_ = self('LSTM', self('Transpose', x, perm=[1, 0, 2]), rows(w, order), rows(u, order),
                     np.concatenate([b[order].ravel(), np.zeros(4 * hidden)])[None], n=3, hidden_size=hidden)
        return self('Transpose', self('Squeeze', y, [1]), perm=[1, 0, 2])

    def gru_weights(self, path):
        """Gates are r, z, n in the library and z, r, n in ONNX."""
        w, u, b = (self.weights[f'{path}.{k}'] for k in 'wub')
        order = [1, 0, 2]
        return rows(w, order), rows(u, order), np.concatenate([b[order].ravel(), np.zeros(b.size)])[None]

    def gru(self, x, *paths):
        """[N, T, I] to [N, T, H], or with two paths in both directions."""
        each = [self.gru_weights(p + '.f') for p in paths]
        w, u, b = (np.concatenate(k) for k in zip(*each))
        y, _ = self('GRU', self('Transpose', x, perm=[1, 0, 2]), w, u, b, n=2, hidden_size=u.shape[2],
                    linear_before_reset=1, direction='bidirectional' if len(paths) > 1 else 'forward')
        y = self('Transpose', y, perm=[2, 0, 1, 3])                     # [N, T, D, H]
        return self('Reshape', y, [0, 0, -1])

    def heads(self, x, count, turned):
        return self('Transpose', self('Reshape', x, [0, 0, count, -1]), perm=[0, 2, 3, 1] if turned else [0, 2, 1, 3])

    def attention(self, x, path, count, length, causal):
        q, k, v = (self.dense(x, f'{path}.{p}') for p in 'qkv')
        width = self.weights[path + '.q.w'].shape[1] // count
        a = self('MatMul', self.heads(q, count, False), self.heads(k, count, True))
        a = self('Div', a, np.sqrt(width))
        if causal:
            a = self('Add', a, np.triu(np.full((length, length), -np.inf), 1))
        y = self('MatMul', self('Softmax', a), self.heads(v, count, False))
        return self.dense(self('Reshape', self('Transpose', y, perm=[0, 2, 1, 3]), [0, 0, -1]), path + '.o')

    def transformer(self, x, path, count, length, causal=False):
        y = self.attention(self.layer_norm(x, path + '.layer_norm1'), path + '.attention1', count, length, causal)
        x = self('Add', x, y)
        y = self.gelu(self.dense(self.layer_norm(x, path + '.layer_norm2'), path + '.dense1'))
        return self('Add', x, self.dense(y, path + '.dense2'))


def rows(w, order):
    """[G, I, H] as ONNX's [1, G * H, I]."""
    return w[order].transpose(0, 2, 1).reshape(1, -1, w.shape[1])


def case(program, **inputs):
    """Registers a builder with its program and the shapes of its inputs, as inputs_of reads them."""
    def add(build):
        CASES[build.__name__] = program, inputs, build
        return build
    return add


@case('net f(x: [.., 784]) -> [.., 10] = x |> dense(128) |> relu |> dense(64) |> relu |> dense(10) |> softmax',
      x=(32, 784))
def mlp(g):
    h = g('Relu', g.dense('x', 'f.dense1'))
    return g('Softmax', g.dense(g('Relu', g.dense(h, 'f.dense2')), 'f.dense3'))


@case('''net f(x: [.., 3, 224, 224]) -> [.., 1000] = x
    |> conv(64, 11, stride = 4, pad = 2) |> relu |> max_pool(3, 2) |> conv(192, 5) |> relu |> max_pool(3, 2) |> conv(384, 3) |> relu
    |> conv(256, 3) |> relu |> conv(256, 3) |> relu |> max_pool(3, 2)
    |> flatten |> dropout(0.5) |> dense(1024) |> relu |> dropout(0.5) |> dense(1000)''', x=(1, 3, 224, 224))
def alexnet(g):
    h = g.max_pool(g('Relu', g.conv('x', 'f.conv1', 4, 2)), 3, 2)
    h = g.max_pool(g('Relu', g.conv(h, 'f.conv2')), 3, 2)
    for i in 3, 4, 5:
        h = g('Relu', g.conv(h, f'f.conv{i}'))
    h = g('Flatten', g.max_pool(h, 3, 2))
    return g.dense(g('Relu', g.dense(h, 'f.dense1')), 'f.dense2')


@case('net f(x: [.., 3, 32, 32]) = x |> vgg_stage(16, 2) |> vgg_stage(32, 3)', x=(2, 3, 32, 32))
def vgg(g):
    h = 'x'
    for stage, depth in (1, 2), (2, 3):
        for i in range(depth):
            h = g('Relu', g.conv(h, f'f.vgg_stage{stage}.{i}.conv1'))
        h = g.max_pool(h, 2)
    return h


@case('net f(x: [.., 8, 12, 12]) = x |> inception(4, 8, 4, 2) |> inception(8, 16, 8, 4)', x=(2, 8, 12, 12))
def inception(g):
    h = 'x'
    for i in 1, 2:
        p = f'f.inception{i}.conv'
        a = g('Relu', g.conv(h, p + '1'))
        b = g('Relu', g.conv(g('Relu', g.conv(h, p + '2')), p + '3'))
        c = g('Relu', g.conv(g('Relu', g.conv(h, p + '4')), p + '5'))
        d = g('Relu', g.conv(g.max_pool(h, 3, 1, 1), p + '6'))
        h = g('Concat', a, b, c, d, axis=1)
    return h


@case('''net f(x: [.., 3, 32, 32]) -> [.., 10] {
    x = x |> conv(16, 3) |> batch_norm |> relu
    repeat C in [16, 32] { x = x |> residual(C, if C == 16 then 1 else 2) |> residual(C) }
    x |> bottleneck(8) |> global_mean |> dense(10)
}''', x=(2, 3, 32, 32))
def resnet(g):
    def normed(x, path, i, stride=1):
        return g.batch_norm(g.conv(x, f'{path}.conv{i}', stride), f'{path}.batch_norm{i}')

    def block(x, path, stride, convs):
        h = x
        for i in range(1, convs + 1):
            h = normed(h, path, i, stride if i == convs - 1 else 1)
            h = g('Relu', h) if i < convs else h
        skip = normed(x, path, convs + 1, stride) if f'{path}.conv{convs + 1}.w' in g.weights else x
        return g('Relu', g('Add', h, skip))

    h = g('Relu', normed('x', 'f', 1))
    for k, stride in (0, 1), (1, 2):
        h = block(block(h, f'f.{k}.residual1', stride, 2), f'f.{k}.residual2', 1, 2)
    h = block(h, 'f.bottleneck1', 1, 3)
    return g.dense(g('Flatten', g('GlobalAveragePool', h)), 'f.dense1')


@case('net f(x: [.., T, 12]) -> [.., T, 20] = x |> lstm(16) |> lstm(20)', x=(3, 15, 12))
def lstm(g):
    return g.lstm(g.lstm('x', 'f.lstm1'), 'f.lstm2')


@case('net f(x: [.., T, 12]) -> [.., T, 20] = x |> gru(20)', x=(3, 15, 12))
def gru(g):
    return g.gru('x', 'f.gru1')


@case('net f(x: int<50>[.., T]) -> [.., T, 7] = x |> embedding(12) |> bidirectional(gru, 10) |> dense(7)', x=(3, 15, 50))
def bidirectional(g):
    h = g('Gather', g.weights['f.embedding1.w'], 'x')
    return g.dense(g.gru(h, 'f.bidirectional1.gru1', 'f.bidirectional1.gru2'), 'f.dense1')


@case('''net encoder(x: int<30>[.., S]) -> [.., S, 16] = x |> embedding(8) |> bidirectional(gru, 8)
net decoder(y: int<20>[..], h: [.., 16], m: [.., S, 16]) -> (p: [.., 20], h: [.., 16]) {
    e[s] = sum[k] h[k] * m[s, k];  a = softmax(e);  c[k] = sum[s] a[s] * m[s, k]
    h = gru_cell(16)(concat(embedding(8)(y), c), h);  dense(20)(h), h
}
entry f(x: int<30>[.., S]) -> [.., 6, 20] {
    m = encoder(x);  scan t in 6 with h: [16] = 0, y: int<20> = 1 { p, h <- decoder(y, h, m);  y <- argmax(p);  q[t, :] = p };  q
}''', x=(2, 9, 30))
def seq2seq(g):
    m = g.gru(g('Gather', g.weights['encoder.embedding1.w'], 'x'), 'encoder.bidirectional1.gru1',
              'encoder.bidirectional1.gru2')
    w, u, b = g.gru_weights('decoder.gru_cell1')
    h, y, all_p = g('Expand', [[0.]], [2, 16]), g('Expand', [1], [2]), []
    for _ in range(6):
        a = g('Softmax', g('MatMul', m, g('Unsqueeze', h, [2])), axis=1)                    # [N, S, 1]
        c = g('ReduceSum', g('Mul', a, m), [1], keepdims=0)
        x = g('Concat', g('Gather', g.weights['decoder.embedding1.w'], y), c, axis=1)
        _, h = g('GRU', g('Unsqueeze', x, [0]), w, u, b, '', g('Unsqueeze', h, [0]), n=2, hidden_size=16,
                 linear_before_reset=1)
        h = g('Squeeze', h, [0])
        p = g.dense(h, 'decoder.dense1')
        y = g('ArgMax', p, axis=1, keepdims=0)
        all_p.append(g('Unsqueeze', p, [1]))
    return g('Concat', *all_p, axis=1)


@case('''net f(x: int<40>[.., 24]) -> [.., 24, 40] {
    param place: [24, 32] ~ normal(0, 0.02)
    embedding(32)(x) + place |> transformer(4) |> transformer(4, causal = true) |> layer_norm |> dense(40)
}''', x=(2, 24, 40))
def transformer(g):
    h = g('Add', g('Gather', g.weights['f.embedding1.w'], 'x'), g.weights['f.place'])
    h = g.transformer(h, 'f.transformer1', 4, 24)
    h = g.transformer(h, 'f.transformer2', 4, 24, causal=True)
    return g.dense(g.layer_norm(h, 'f.layer_norm1'), 'f.dense1')


@case('''net encode(x: [.., 784]) -> [.., 16] = x |> dense(128) |> relu |> dense(16)
net decode(z: [.., 16]) -> [.., 784] = z |> dense(128) |> relu |> dense(784) |> sigmoid
entry f(x: [.., 784]) -> [.., 784] = decode(encode(x))''', x=(8, 784))
def autoencoder(g):
    z = g.dense(g('Relu', g.dense('x', 'encode.dense1')), 'encode.dense2')
    return g('Sigmoid', g.dense(g('Relu', g.dense(z, 'decode.dense1')), 'decode.dense2'))


@case('''net f(z: [.., 64]) -> [.., 784] =
    z |> dense(256) |> leaky_relu(0.2) |> dense(512) |> leaky_relu(0.2) |> dense(784) |> tanh''', z=(16, 64))
def gan_generator(g):
    h = g('LeakyRelu', g.dense('z', 'f.dense1'), alpha=0.2)
    return g('Tanh', g.dense(g('LeakyRelu', g.dense(h, 'f.dense2'), alpha=0.2), 'f.dense3'))


# ---- running ------------------------------------------------------------------------------


def call(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


def lived_in(path, rng):
    """Means and variances of batch norms as after training, in the file of weights."""
    raw = bytearray(path.read_bytes())
    n = int.from_bytes(raw[:8], 'little')
    for name, t in json.loads(raw[8:8 + n]).items():
        if name.rsplit('.', 1)[-1] in ('mu', 'var', 'scale', 'shift'):
            a, b = (8 + n + k for k in t['data_offsets'])
            raw[a:b] = rng.uniform(0.5, 1.5, t['shape']).astype('<f4').tobytes()
    path.write_bytes(raw)


def inputs_of(program, shapes, rng):
    """Arrays of these shapes; of an `int<50>` the last number of the shape is the bound."""
    return {k: rng.integers(0, s[-1], s[:-1]) if f'{k}: int' in program
            else rng.standard_normal(s).astype(np.float32) for k, s in shapes.items()}


def write(name, ingot, work, seed=3):
    """net.ingot, net.safetensors, net.onnx and an input of each name in the folder; the inputs."""
    program, shapes, build = CASES[name]
    rng = np.random.default_rng(seed)
    (work / 'net.ingot').write_text(program + '\n')
    call(ingot, 'init', work / 'net.ingot', '--seed', seed, '-o', work / 'net.safetensors')
    lived_in(work / 'net.safetensors', rng)
    inputs = inputs_of(program, shapes, rng)
    g = Graph(read_safetensors(work / 'net.safetensors'), inputs)
    model = g.model(build(g))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, work / 'net.onnx')
    for k, v in inputs.items():
        np.save(work / f'{k}.npy', v)
    return inputs


def outputs(ingot, work, model, engine, inputs, *options):
    out = work / 'out'
    out.mkdir(exist_ok=True)
    for old in out.glob('*.npy'):
        old.unlink()
    call(ingot, 'run', model, *options, '--engine', engine, '--output-dir', out,
         *(x for k in inputs for x in ('--input', f'{k}={work / k}.npy')))
    return np.load(next(out.glob('*.npy')))


def check(name, ingot, work):
    """None, or what differs."""
    inputs = write(name, ingot, work)
    want = onnxruntime.InferenceSession(str(work / 'net.onnx')).run(None, inputs)[0]
    program = [work / 'net.ingot', 'f'], ['--weights', work / 'net.safetensors']
    for what, got in (('interpreter', outputs(ingot, work, program[0][0], 'interpreter', inputs, 'f', *program[1])),
                      ('compiled', outputs(ingot, work, program[0][0], 'compiled', inputs, 'f', *program[1])),
                      ('ONNX', outputs(ingot, work, work / 'net.onnx', 'compiled', inputs))):
        off = np.max(np.abs(got - want)) if got.shape == want.shape else got.shape
        if got.shape != want.shape or off > 1e-5 + 1e-4 * np.max(np.abs(want)):
            return f'{what}: off by {off}'
    return None


def main():
    ingot, names = sys.argv[1], sys.argv[2:] or list(CASES)
    passed = 0
    for name in names:
        with tempfile.TemporaryDirectory() as work:
            try:
                wrong = check(name, ingot, pathlib.Path(work))
            except Exception as e:
                wrong = str(e)[-900:]
        passed += wrong is None
        if wrong:
            print(f'FAILED {name}: {wrong}')
    print(f'{passed} passed, {len(names) - passed} failed, 0 skipped')
    return passed < len(names)


if __name__ == '__main__':
    sys.exit(main())
