#!/usr/bin/env python3
"""Writes light_*_random: the light models with weights worth computing with.

usage: light_random.py [--out build/data] [--only NAME,...] [--bless]

The light models fill every weight with one value, so their outputs are flat.
Here each ConstantOfShape weight becomes an initializer: uniform of He's variance
for Conv and Gemm, small biases, batch norms with scale, shift, mean and variance
all different.  A factor on the last layer's weights keeps the softmax from saturating.  The numbers are Philox's raw bits, scaled exactly, so that every
machine writes the same bytes; the hash of the input is checked.

Expected outputs come from ONNX Runtime without graph optimization; --bless
computes them anew into tests/data/light_random (needs onnxruntime), other runs
only copy them.  Models that are there already are not written again.
"""
import argparse
import hashlib
import json
import pathlib
import shutil
import sys
import zlib

import numpy as np
import onnx
from onnx import numpy_helper

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXPECTED = ROOT / 'tests' / 'data' / 'light_random'
MOVES = ('Reshape', 'Unsqueeze', 'Identity', 'Transpose')
VERSION = 2         # of the recipe: a new one writes all models again


def uniform(key, count):
    """count floats in [-1, 1), multiples of 2^-23."""
    bits = np.random.Philox(key=key).random_raw((count + 1) // 2)
    words = bits.view(np.uint32)[:count]
    return (words >> 8).astype(np.float32) * np.float32(2 ** -23) - np.float32(1)


def key_of(case, name):
    return zlib.crc32(f'{case}/{name}'.encode())


def uses(graph):
    """Value name -> (node, input index) of its first use."""
    first = {}
    for node in graph.node:
        for i, name in enumerate(node.input):
            first.setdefault(name, (node, i))
    return first


def weight(case, name, dims, node, index):
    """The array for `name`, by the place where it is used."""
    count = int(np.prod(dims, dtype=np.int64))
    u = uniform(key_of(case, name), count).reshape(dims)
    if node.op_type == 'BatchNormalization':
        base, spread = [(0, 0), (1, .25), (0, .2), (0, .3), (1, .5)][index]
        return u * np.float32(spread) + np.float32(base)
    if index == 2 or len(dims) < 2:         # a bias
        return u * np.float32(0.1)
    fan_in = count // dims[0]
    if node.op_type in ('Gemm', 'MatMul') and not any(
            a.name == 'transB' and a.i for a in node.attribute):
        fan_in = dims[0]
    return u * np.float32((6.0 / fan_in) ** 0.5)


def last_layer(graph):
    """Name of the weight of the last Conv or Gemm before the output."""
    nodes = [n for n in graph.node if n.op_type in ('Conv', 'Gemm', 'MatMul')]
    made_by = {o: n for n in graph.node for o in n.output}
    name = nodes[-1].input[1]
    while name in made_by and made_by[name].op_type in MOVES:
        name = made_by[name].input[0]
    return name


def randomize(model, case):
    """Replaces ConstantOfShape nodes that make weights by initializers."""
    graph = model.graph
    known = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    first, keep, last = uses(graph), [], last_layer(graph)
    made = {}
    for node in graph.node:
        if node.op_type != 'ConstantOfShape' or node.input[0] not in known:
            keep.append(node)
            continue
        name = node.output[0]
        user, index = first[through(graph, first, name)]
        dims = [int(d) for d in known[node.input[0]]]
        made[name] = weight(case, name, dims, user, index)
    if last in made:
        made[last] *= np.float32(LAST.get(case, 1.0))
    del graph.node[:]
    graph.node.extend(keep)
    shapes = {n for n in known if n not in uses(graph)}
    kept = [t for t in graph.initializer if t.name not in shapes]
    inputs = [v for v in graph.input if v.name not in shapes]
    del graph.initializer[:], graph.input[:]
    graph.initializer.extend(kept)
    graph.input.extend(inputs)
    for name, array in made.items():
        graph.initializer.append(numpy_helper.from_array(array, name))


def through(graph, first, name):
    """Follows a weight through nodes that only reshape it."""
    while first[name][0].op_type in MOVES:
        name = first[name][0].output[0]
    return name


# Factor on the last layer's weights where He's variance saturates the softmax
# or leaves it nearly flat.
LAST = {
    'light_bvlc_alexnet_random': 0.5,
    'light_inception_v1_random': 8.0,
    'light_inception_v2_random': 16.0,
    'light_resnet50_random': 7e-5,
    'light_shufflenet_random': 2e-6,
    'light_vgg19_random': 0.5,
}


def input_tensor(case, about):
    (name, dims), = about['inputs'].items()
    count = int(np.prod(dims))
    array = uniform(key_of(case, name), count).reshape(dims)
    return numpy_helper.from_array(array, name)


def run_reference(model, feed):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(str(model), options,
                                   providers=['CPUExecutionProvider'])
    return session.run(None, feed)


def bless(case, folder, about, tensor):
    names = list(about['outputs'])
    array = numpy_helper.to_array(tensor)
    results = run_reference(folder / 'model.onnx', {tensor.name: array})
    target = EXPECTED / case
    target.mkdir(parents=True, exist_ok=True)
    for i, (name, value) in enumerate(zip(names, results)):
        (target / f'output_{i}.pb').write_bytes(
            numpy_helper.from_array(value, name).SerializeToString())
    about = {'file': f'{case}.onnx', 'rtol': about['rtol'], 'atol': about['atol'],
             'input_sha256': hashlib.sha256(array.tobytes()).hexdigest(),
             'inputs': about['inputs'], 'outputs': about['outputs']}
    (target / 'about.json').write_text(json.dumps(about, indent=1) + '\n')
    flat = results[0].ravel()
    print(f'{case}: outputs from {flat.min():.3g} to {flat.max():.3g}, '
          f'median {np.median(flat):.3g}')


def write_case(source, out, renew):
    case = f'{source.name}_random'
    folder = out / 'light_random' / case
    mark = folder / 'written'
    stamp = f'{VERSION} {LAST.get(case, 1.0)}'
    about = json.loads((source / 'about.json').read_text())
    tensor = input_tensor(case, about)
    if not mark.exists() or mark.read_text() != stamp:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / 'test_data_set_0').mkdir(parents=True)
        model = onnx.load(out / 'models' / about['file'])
        randomize(model, case)
        onnx.save(model, folder / 'model.onnx')
        (folder / 'test_data_set_0' / 'input_0.pb').write_bytes(
            tensor.SerializeToString())
        mark.write_text(stamp)
    if renew:
        bless(case, folder, about, tensor)
    want = json.loads((EXPECTED / case / 'about.json').read_text())
    array = numpy_helper.to_array(tensor)
    if hashlib.sha256(array.tobytes()).hexdigest() != want['input_sha256']:
        sys.exit(f'{case}: the generator gives another input than it should')
    shutil.copy(EXPECTED / case / 'about.json', folder)
    for path in (EXPECTED / case).glob('output_*.pb'):
        shutil.copy(path, folder / 'test_data_set_0')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=pathlib.Path, default=ROOT / 'build/data')
    parser.add_argument('--only', help='comma-separated case names')
    parser.add_argument('--bless', action='store_true')
    args = parser.parse_args()
    for source in sorted((ROOT / 'tests/data/reference').glob('light_*')):
        if not args.only or source.name in args.only.split(','):
            write_case(source, args.out, args.bless)


if __name__ == '__main__':
    main()
