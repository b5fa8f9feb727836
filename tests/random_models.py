#!/usr/bin/env python3
"""Random small models against ONNX Runtime: extents, strides, pads, groups and
run-time dims that no official case combines.

usage: random_models.py INGOT [--count N] [--seed S] [--keep DIR]

Every model is run by both engines on the same inputs; ONNX Runtime, without
optimizations, gives the expected outputs.  Prints the seed; ends with a line
`N passed, N failed, N skipped`.
"""
import argparse
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


class Model:
    """One node with its constants, and inputs whose extents may be symbolic."""

    def __init__(self, rng):
        self.rng = rng
        self.inputs, self.arrays, self.constants = [], {}, []

    def array(self, shape):
        return np.array([self.rng.uniform(-1, 1) for _ in range(int(np.prod(shape)))],
                        np.float32).reshape(shape)

    def input(self, name, shape, symbolic):
        """An input; axes in `symbolic` have a name instead of an extent."""
        dims = [f'{name}{i}' if i in symbolic else n for i, n in enumerate(shape)]
        self.inputs.append(helper.make_tensor_value_info(name, FLOAT, dims))
        self.arrays[name] = self.array(shape)
        return name

    def constant(self, name, shape):
        self.constants.append(numpy_helper.from_array(self.array(shape), name))
        return name

    def some_axes(self, axes):
        return {a for a in axes if self.rng.random() < 0.5}

    def finish(self, nodes):
        graph = helper.make_graph(nodes, 'random', self.inputs,
                                  [helper.make_tensor_value_info('y', FLOAT, None)],
                                  self.constants)
        return helper.make_model(graph, ir_version=9,
                                 opset_imports=[helper.make_opsetid('', 17)])


def window(rng, spatial, rank):
    """Attributes of a sliding window that fits into the image."""
    kernel = [rng.choice([1, 2, 3, 3, 5, 7]) for _ in range(rank)]
    dilation = [rng.choice([1, 1, 1, 2]) for _ in range(rank)]
    pads = [rng.randint(0, k) for k in kernel] + [rng.randint(0, k) for k in kernel]
    for i in range(rank):
        reach = (kernel[i] - 1) * dilation[i]
        spatial[i] = max(spatial[i], reach + 1)
    return {'kernel_shape': kernel, 'dilations': dilation, 'pads': pads,
            'strides': [rng.choice([1, 1, 2, 3]) for _ in range(rank)]}


def conv(rng, transposed):
    m = Model(rng)
    rank = rng.choice([1, 2, 2, 2])
    spatial = [rng.randint(1, 30) for _ in range(rank)]
    a = window(rng, spatial, rank)
    groups = rng.choice([1, 1, 1, 2, 4, 8])
    inside, outside = rng.choice([1, 2, 3, 8, 16]), rng.choice([1, 3, 4, 8, 16, 24])
    depthwise = rng.random() < 0.2
    if depthwise:
        groups, inside, outside = rng.choice([8, 12, 16]), 1, 1
    if transposed:
        a['pads'] = [rng.randint(0, k - 1) for k in a['kernel_shape']] * 2
        a['output_padding'] = [rng.randint(0, s - 1) for s in a['strides']]
        shape = [groups * inside, outside] + a['kernel_shape']
    else:
        shape = [groups * outside, inside] + a['kernel_shape']
    x = m.input('x', [rng.randint(1, 2), groups * inside] + spatial,
                m.some_axes([0] + list(range(2, 2 + rank))))
    nodes = [helper.make_node('ConvTranspose' if transposed else 'Conv',
                              [x, m.constant('w', shape), m.constant('b', [groups * outside])],
                              ['s'], group=groups, **a),
             helper.make_node(rng.choice(['Relu', 'Sigmoid', 'HardSwish', 'Identity']), ['s'], ['y'])]
    return m, nodes


def pool(rng):
    m = Model(rng)
    spatial = [rng.randint(1, 20) for _ in range(2)]
    a = window(rng, spatial, 2)
    a['pads'] = [rng.randint(0, k - 1) for k in a['kernel_shape']] * 2
    op = rng.choice(['MaxPool', 'AveragePool'])
    if op == 'AveragePool':
        del a['dilations']
    x = m.input('x', [rng.randint(1, 2), rng.choice([3, 8, 16])] + spatial, m.some_axes([0, 2, 3]))
    return m, [helper.make_node(op, [x], ['y'], **a)]


def matmul(rng):
    m = Model(rng)
    extents = [rng.choice([1, 2, 5, 6, 7, 13, 16, 33, 70]) for _ in range(3)]
    if rng.random() < 0.05:     # long rows: A goes through the cache in groups
        extents[:2] = rng.randint(50, 70), rng.randint(4000, 5000)
    batch = [rng.randint(1, 3)] if rng.random() < 0.4 else []
    n = len(batch)
    a = m.input('a', batch + [extents[0], extents[1]], m.some_axes(range(n + 1)))
    if rng.random() < 0.5:
        b = m.constant('b', [extents[1], extents[2]])
    else:
        b = m.input('b', batch + [extents[1], extents[2]], m.some_axes([n + 1]))
    return m, [helper.make_node('MatMul', [a, b], ['s']),
               helper.make_node(rng.choice(['Relu', 'Tanh', 'Identity']), ['s'], ['y'])]


MAKERS = [lambda r: conv(r, False), lambda r: conv(r, True), lambda r: conv(r, False), pool, matmul]


def write_case(folder, model, arrays):
    """The case's folder; false if ONNX Runtime refuses the model."""
    data = folder / 'test_data_set_0'
    data.mkdir(parents=True)
    onnx.save(model, str(folder / 'model.onnx'))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(str(folder / 'model.onnx'), options,
                                       providers=['CPUExecutionProvider'])
        result = session.run(None, arrays)[0]
    except Exception:           # ONNX Runtime has no one class for what it refuses
        return False
    for k, (name, v) in enumerate(arrays.items()):
        (data / f'input_{k}.pb').write_bytes(numpy_helper.from_array(v, name).SerializeToString())
    (data / 'output_0.pb').write_bytes(numpy_helper.from_array(result, 'y').SerializeToString())
    return True


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('ingot', type=pathlib.Path)
    p.add_argument('--count', type=int, default=200)
    p.add_argument('--seed', type=int, default=random.randrange(1 << 31))
    p.add_argument('--keep', type=pathlib.Path, help='where to leave the cases')
    args = p.parse_args()
    print(f'seed {args.seed}')
    rng = random.Random(args.seed)
    refused, passed, failed = 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        root = args.keep or pathlib.Path(scratch)
        for i in range(args.count):
            m, nodes = rng.choice(MAKERS)(rng)
            folder = root / f'case_{i}'
            if not write_case(folder, m.finish(nodes), m.arrays):
                refused += 1
                for f in folder.glob('*.onnx'):
                    f.unlink()
        for engine in ('compiled', 'interpreter'):
            cases = sorted(str(f.parent) for f in root.glob('case_*/model.onnx'))
            run = subprocess.run([str(args.ingot.resolve()), 'test', '--engine', engine,
                                  '--atol', '1e-4', '--jobs', '2', *cases],
                                 stdout=subprocess.PIPE, text=True)
            *lines, last = run.stdout.strip().splitlines()
            print('\n'.join(lines))
            counts = [int(w) for w in last.replace(',', '').split() if w.isdigit()]
            passed, failed = passed + counts[0], failed + counts[1] + counts[2]
    print(f'{passed} passed, {failed} failed, {2 * refused} skipped')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
