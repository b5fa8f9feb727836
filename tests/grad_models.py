#!/usr/bin/env python3
"""`ingot grad`: whole networks with the gradients of a loss as outputs.

usage: grad_models.py INGOT [MODEL.onnx OUTPUT [NAME=1x3x8..]]
       run with build/venv/bin/python

Small networks are made here, in f64: both engines must agree, and spot weights with central
differences of the interpreter.  A MODEL that is named is run in its own f32: engines must
agree on all gradients of the sum of OUTPUT, spots within what differences in f32 can tell.
Ends with a line `N passed, N failed, N skipped`.
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SPOTS = 20


def weight(rng, *shape):
    return rng.normal(size=shape) * .4


def case(name, nodes, inputs, weights, loss, free=''):
    """A model of f64; `free` names run-time extents by the sizes they stand for."""
    dims = dict(part.split('=') for part in free.split())
    symbols = {int(v): k for k, v in dims.items()}
    shown = {n: [symbols.get(d, d) for d in a.shape] for n, a in inputs.items()}
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info(n, TensorProto.DOUBLE, shown[n]) for n in inputs],
        [helper.make_tensor_value_info('y', TensorProto.DOUBLE, None)],
        [numpy_helper.from_array(a, n) for n, a in weights.items()])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid('', 17)])
    return name, model, inputs, loss, [f'--dim={k}={v}' for k, v in dims.items()]


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), output.split(), **attributes)


def mlp(rng, loss):
    nodes = [node('Gemm', 'x w1 b1', 'h'), node('Tanh', 'h', 't'), node('Gemm', 't w2 b2', 'y')]
    return case(f'mlp_{loss}', nodes, {'x': rng.normal(size=(7, 5))},
                {'w1': weight(rng, 5, 6), 'b1': weight(rng, 6), 'w2': weight(rng, 6, 3),
                 'b2': weight(rng, 3)}, loss, 'n=7')


def recurrent(rng, op, gates, direction):
    ways = 2 if direction == 'bidirectional' else 1
    nodes = [node(op, 'x w r b', 'all', hidden_size=3, direction=direction),
             node('Mul', 'all all', 'y')]
    return case(f'{op}_{direction}', nodes, {'x': rng.normal(size=(9, 2, 4))},
                {'w': weight(rng, ways, gates * 3, 4), 'r': weight(rng, ways, gates * 3, 3),
                 'b': weight(rng, ways, gates * 6)}, 'y', 't=9')


def scan(rng):
    """A cell written out, in reverse, beside an output of each step."""
    body = helper.make_graph(
        [node('MatMul', 'h w', 'hw'), node('Add', 'hw x_t', 's'), node('Sigmoid', 's', 'h2'),
         node('Mul', 'h2 x_t', 'y_t')], 'cell',
        [helper.make_tensor_value_info(n, TensorProto.DOUBLE, [2, 3]) for n in ('h', 'x_t')],
        [helper.make_tensor_value_info(n, TensorProto.DOUBLE, [2, 3]) for n in ('h2', 'y_t')])
    nodes = [node('Scan', 'h0 x', 'last y', body=body, num_scan_inputs=1,
                  scan_input_directions=[1])]
    return case('scan', nodes, {'x': rng.normal(size=(6, 2, 3))},
                {'h0': weight(rng, 2, 3), 'w': weight(rng, 3, 3)}, 'y')


def loop(rng):
    """A loop that a condition ends, with a branch in its body."""
    then = helper.make_graph([node('Mul', 'h2 w', 'a')], 'then', [],
                             [helper.make_tensor_value_info('a', TensorProto.DOUBLE, [4])])
    other = helper.make_graph([node('Sin', 'h2', 'c')], 'else', [],
                              [helper.make_tensor_value_info('c', TensorProto.DOUBLE, [4])])
    body = helper.make_graph(
        [node('Add', 'h x', 'h2'), node('Less', 'i three', 'early'),
         node('If', 'early', 'h3', then_branch=then, else_branch=other),
         node('Less', 'i five', 'go'), node('Identity', 'h3', 'each')], 'body',
        [helper.make_tensor_value_info('i', TensorProto.INT64, []),
         helper.make_tensor_value_info('c0', TensorProto.BOOL, []),
         helper.make_tensor_value_info('h', TensorProto.DOUBLE, [4])],
        [helper.make_tensor_value_info('go', TensorProto.BOOL, []),
         helper.make_tensor_value_info('h3', TensorProto.DOUBLE, [4]),
         helper.make_tensor_value_info('each', TensorProto.DOUBLE, [4])])
    constants = [node('Constant', '', n, value=numpy_helper.from_array(np.array(v)))
                 for n, v in (('most', 100), ('three', 3), ('five', 5))]
    nodes = constants + [node('Loop', 'most  h0'.replace('  ', ' _ '), 'last y', body=body)]
    nodes[-1].input[1] = ''
    return case('loop', nodes, {'x': rng.normal(size=4)},
                {'h0': weight(rng, 4), 'w': weight(rng, 4)}, 'y')


def attention(rng):
    nodes = [node('MatMul', 'x wq', 'q'), node('MatMul', 'x wk', 'k'), node('MatMul', 'x wv', 'v'),
             node('Transpose', 'k', 'kt', perm=[0, 2, 1]), node('MatMul', 'q kt', 'a'),
             node('Softmax', 'a', 'p', axis=-1), node('MatMul', 'p v', 'o'),
             node('Add', 'o x', 's'), node('LayerNormalization', 's g b', 'y')]
    size = {n: weight(rng, 4, 4) for n in ('wq', 'wk', 'wv')}
    return case('attention', nodes, {'x': rng.normal(size=(2, 5, 4))},
                {**size, 'g': weight(rng, 4), 'b': weight(rng, 4)}, 'mse')


def made():
    rng = np.random.Generator(np.random.Philox(7))
    yield from (mlp(rng, loss) for loss in ('cross_entropy', 'mse', 'bce', 'y'))
    yield recurrent(rng, 'LSTM', 4, 'forward')
    yield recurrent(rng, 'LSTM', 4, 'bidirectional')
    yield recurrent(rng, 'GRU', 3, 'reverse')
    yield recurrent(rng, 'RNN', 1, 'forward')
    yield scan(rng)
    yield loop(rng)
    yield attention(rng)


class Failure(Exception):
    pass


def call(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(done.stderr.strip()[:400])


def outputs(ingot, model, inputs, engine, folder, options):
    """All outputs of a run."""
    out = folder / engine
    given = [w for n, f in inputs.items() for w in ('--input', f'{n}={f}')]
    call(ingot, 'run', '--engine', engine, *given, '--output-dir', out, *options, model)
    return {f.stem: np.load(f) for f in sorted(out.glob('*.npy'))}


def with_inputs(folder, arrays, loss, rng):
    """The inputs as files, with what the loss is compared with."""
    arrays = dict(arrays)
    if loss == 'cross_entropy':
        arrays['label'] = rng.integers(0, 3, 7)
    elif loss in ('mse', 'bce'):
        arrays['target'] = rng.random({'mlp': (7, 3), 'att': (2, 5, 4)}[folder.name[:3]])
    for name, array in arrays.items():
        np.save(folder / f'{name}.npy', array)
    return {name: folder / f'{name}.npy' for name in arrays}


def moved(model, name, index, by):
    """The model with one weight's element moved."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.name == name:
            array = numpy_helper.to_array(tensor).copy()
            array.flat[index] += by
            tensor.CopyFrom(numpy_helper.from_array(array, name))
    return copy


def quotient(ingot, model, files, spot, folder, loss, options, h):
    """The central difference of the loss by one element."""
    value = []
    for sign in (1, -1):
        onnx.save(moved(model, *spot, sign * h), str(folder / 'moved.onnx'))
        call(ingot, 'grad', '--loss', loss, '--wrt', spot[0], '-o', folder / 'moved.ir',
             folder / 'moved.onnx')
        value.append(outputs(ingot, folder / 'moved.ir', files, 'interpreter', folder,
                             options)['loss'].astype(np.float64))
    return float((value[0] - value[1]) / (2 * h))


def check(ingot, model, files, loss, options, folder, spots, h, tolerance):
    onnx.save(model, str(folder / 'model.onnx'))
    call(ingot, 'grad', '--loss', loss, '-o', folder / 'step.ir', folder / 'model.onnx')
    got = [outputs(ingot, folder / 'step.ir', files, engine, folder, options)
           for engine in ('compiled', 'interpreter')]
    for name, array in got[0].items():
        scale = np.abs(got[1][name]).max(initial=0) if array.size else 0
        if not np.allclose(array, got[1][name], rtol=tolerance, atol=tolerance * scale):
            raise Failure(f'{name}: engines differ by {np.abs(array - got[1][name]).max():g}')
    rng = np.random.Generator(np.random.Philox(3))
    names = [n for n in got[1] if n.endswith('.grad')]
    for _ in range(spots):
        name = names[rng.integers(len(names))]
        index = int(rng.integers(got[1][name].size))
        want = quotient(ingot, model, files, (name[:-5], index), folder, loss, options, h)
        have = float(got[1][name].flat[index])
        if abs(want - have) > max(1e-6, tolerance * 10) * (1 + abs(want)):
            raise Failure(f'{name}[{index}] is {have:g}, the difference quotient {want:g}')


def run_made(ingot, root):
    rng = np.random.Generator(np.random.Philox(11))
    for name, model, arrays, loss, options in made():
        folder = root / name
        folder.mkdir()
        files = with_inputs(folder, arrays, loss, rng)
        yield name, lambda: check(ingot, model, files, loss, options, folder, 3, 1e-5, 1e-9)


def run_named(ingot, root, path, loss, shapes):
    """A model of the user's, on random inputs."""
    rng = np.random.Generator(np.random.Philox(13))
    model = onnx.load(path)
    kinds = {i.name: i.type.tensor_type for i in model.graph.input}
    weights = {t.name for t in model.graph.initializer}
    given = dict(s.split('=') for s in shapes)
    arrays = {}
    for name, kind in kinds.items():
        if name in weights:
            continue
        shape = [int(d) for d in given[name].split('x') if d] if name in given else \
            [d.dim_value or 1 for d in kind.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        arrays[name] = rng.normal(size=shape).astype(dtype) if dtype.kind == 'f' else \
            np.ones(shape, dtype)
    files = with_inputs(root, arrays, loss, rng)
    yield path, lambda: check(ingot, model, files, loss, [], root, SPOTS, 1e-2, 2e-3)


def main():
    ingot = str(pathlib.Path(sys.argv[1]).resolve())
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        cases = run_named(ingot, root, sys.argv[2], sys.argv[3], sys.argv[4:]) \
            if len(sys.argv) > 2 else run_made(ingot, root)
        for name, run in cases:
            try:
                run()
                passed += 1
            except Failure as why:
                failed += 1
                print(f'FAILED {name}: {why}')
    print(f'{passed} passed, {failed} failed, 0 skipped')
    return int(failed > 0)


if __name__ == '__main__':
    sys.exit(main())
