#!/usr/bin/env python3
"""Writes gemm_1024.onnx (C = A B, 1024 cubed, B a constant, as in a network),
gemm_1024_inputs.onnx (both are inputs), mlp.onnx (784-128-64-10, relu,
softmax; batch N) and detector.onnx (boxes and classes of an image of H by W; see
detector.py) into a folder.

usage: make_models.py [DIR]      (default: build/data/bench)
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from detector import detector_graph

ROOT = pathlib.Path(__file__).resolve().parent.parent


def tensor(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def save(path, nodes, inputs, outputs, weights=()):
    graph = helper.make_graph(nodes, path.stem, inputs, outputs,
                              initializer=weights)
    model = helper.make_model(graph, ir_version=8, producer_name='ingot bench',
                              opset_imports=[helper.make_opsetid('', 17)])
    onnx.checker.check_model(model)
    onnx.save(model, path)


def write_gemm(folder, n):
    rng = np.random.Generator(np.random.Philox(2))
    node = helper.make_node('MatMul', ['a', 'b'], ['c'])
    a, b, c = (tensor(name, [n, n]) for name in 'abc')
    values = rng.random((n, n), np.float32) * 2 - 1
    save(folder / f'gemm_{n}.onnx', [node], [a], [c], [numpy_helper.from_array(values, 'b')])
    save(folder / f'gemm_{n}_inputs.onnx', [node], [a, b], [c])


def write_mlp(folder):
    rng = np.random.Generator(np.random.Philox(1))
    sizes, nodes, weights, x = [784, 128, 64, 10], [], [], 'x'
    for i, (k, n) in enumerate(zip(sizes, sizes[1:])):
        scale = np.float32((6 / k) ** 0.5)
        w = (rng.random((k, n), np.float32) * 2 - 1) * scale
        b = (rng.random(n, np.float32) * 2 - 1) * np.float32(0.1)
        weights += [numpy_helper.from_array(w, f'w{i}'),
                    numpy_helper.from_array(b, f'b{i}')]
        nodes.append(helper.make_node('Gemm', [x, f'w{i}', f'b{i}'], [f'z{i}']))
        x = f'z{i}'
        if n != sizes[-1]:
            nodes.append(helper.make_node('Relu', [x], [f'h{i}']))
            x = f'h{i}'
    nodes.append(helper.make_node('Softmax', [x], ['y'], axis=-1))
    save(folder / 'mlp.onnx', nodes, [tensor('x', ['N', 784])],
         [tensor('y', ['N', 10])], weights)


def write_detector(folder):
    graph = detector_graph()
    save(folder / 'detector.onnx', graph.nodes, [tensor('images', [1, 3, 'H', 'W'])],
         [tensor('boxes', [1, 22, 'A'])], graph.weights)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else ROOT / 'build/data/bench')
    folder.mkdir(parents=True, exist_ok=True)
    write_gemm(folder, 1024)
    write_mlp(folder)
    write_detector(folder)


if __name__ == '__main__':
    main()
