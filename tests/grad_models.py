#!/usr/bin/env python3
"""`ingot grad`: whole networks with the gradients of a loss as outputs.

usage: grad_models.py INGOT [CASE [quick]]      run with build/venv/bin/python

Small networks are made here, in f64: both engines must agree, and so must ONNX Runtime on the
step as ONNX, where it is installed, and spot weights with central differences of the interpreter.
The model of a CASE, of the backend-test form, is run in its
own f32 on the inputs of the case, with the squared error of its first output as loss: engines
must agree on all gradients (unless `quick`), the slope along the gradient with differences.
Ends with a line `N passed, N failed, N skipped`.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

try:
    import onnxruntime
    onnxruntime.set_default_logger_severity(4)
except ImportError:
    onnxruntime = None


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


def recurrent(rng, op, gates, direction, lengths=()):
    """Sequences of 9 steps, or of these lengths."""
    ways = 2 if direction == 'bidirectional' else 1
    nodes = [node('Constant', '', 'n', value=numpy_helper.from_array(np.array(lengths, 'i4'))),
             node(op, 'x w r b n' if lengths else 'x w r b', 'all', hidden_size=3,
                  direction=direction), node('Mul', 'all all', 'y')]
    return case(f'{op}_{direction}_{len(lengths)}', nodes, {'x': rng.normal(size=(9, 2, 4))},
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


def sequence(rng):
    """Parts of x, some of them twice or not at all, on their way through a sequence."""
    nodes = [node('SplitToSequence', 'x two', 's', axis=0), node('SequenceAt', 's last', 'a'),
             node('MatMul', 'a w', 'm'), node('SequenceInsert', 's m zero', 't'),
             node('SequenceErase', 't one', 'u'), node('SequenceConstruct', 'm a', 'c'),
             node('ConcatFromSequence', 'u', 'p', axis=0), node('ConcatFromSequence', 'c', 'q', axis=0),
             node('Concat', 'p q', 'r', axis=0), node('Tanh', 'r', 'y')]
    return case('sequence', nodes, {'x': rng.normal(size=(6, 3))},
                {'w': weight(rng, 3, 3), 'two': np.array(2), 'last': np.array(-1), 'zero': np.array(0),
                 'one': np.array(1)}, 'mse')


def made():
    rng = np.random.Generator(np.random.Philox(7))
    yield from (mlp(rng, loss) for loss in ('cross_entropy', 'mse', 'bce', 'y'))
    yield recurrent(rng, 'LSTM', 4, 'forward')
    yield recurrent(rng, 'LSTM', 4, 'bidirectional')
    yield recurrent(rng, 'GRU', 3, 'reverse')
    yield recurrent(rng, 'RNN', 1, 'forward')
    yield recurrent(rng, 'LSTM', 4, 'bidirectional', (5, 9))
    yield recurrent(rng, 'GRU', 3, 'forward', (9, 4))
    yield scan(rng)
    yield loop(rng)
    yield attention(rng)
    yield sequence(rng)


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
        arrays['target'] = rng.random({'mlp': (7, 3), 'att': (2, 5, 4), 'seq': (10, 3)}[folder.name[:3]])
    for name, array in arrays.items():
        np.save(folder / f'{name}.npy', array)
    return {name: folder / f'{name}.npy' for name in arrays}


def tensors_of(graph):
    """The tensors of a graph and of those in it, with their names."""
    yield from ((t.name, t) for t in graph.initializer)
    for part in graph.node:
        for attribute in part.attribute:
            if part.op_type == 'Constant':
                yield part.output[0], attribute.t
            if attribute.HasField('g'):
                yield from tensors_of(attribute.g)


def file_name(name):
    """A value's name as that of the file that holds it."""
    return re.sub(r'[^\w.-]', '_', name)


def moved(model, steps):
    """The model with weights moved: a dict of what is added to them."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for name, tensor in tensors_of(copy.graph):
        by = steps.get(file_name(name))
        if by is not None:
            array = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array((array + by).astype(array.dtype), name))
    return copy


def loss_at(ingot, model, files, name, by, folder, loss, options):
    """The loss with a weight moved, in f64."""
    onnx.save(moved(model, {name: by}), str(folder / 'moved.onnx'))
    call(ingot, 'grad', '--loss', loss, '--wrt', name, '-o', folder / 'moved.ir',
         folder / 'moved.onnx')
    return float(outputs(ingot, folder / 'moved.ir', files, 'interpreter', folder,
                         options)['loss'])


def engines_agree(got, tolerance):
    """Relative to the largest element of each; what is 0 but for rounding, as the gradient of a
    bias of keys is, has errors of the size of what cancels."""
    largest = max((np.abs(array).max(initial=0) for array in got[1].values()), default=0)
    for name, array in got[0].items():
        scale = max(np.abs(got[1][name]).max(initial=0), 1e-3 * largest)
        if not np.allclose(array, got[1][name], rtol=tolerance, atol=tolerance * scale):
            raise Failure(f'{name}: engines differ by {np.abs(array - got[1][name]).max():g}')


def step(ingot, model, files, loss, options, folder, engine):
    onnx.save(model, str(folder / 'model.onnx'))
    call(ingot, 'grad', '--loss', loss, '-o', folder / 'step.ir', folder / 'model.onnx')
    return outputs(ingot, folder / 'step.ir', files, engine, folder, options)


def in_runtime(ingot, files, loss, folder):
    """The step as ONNX, run by ONNX Runtime."""
    call(ingot, 'grad', '--loss', loss, '-o', folder / 'step.onnx', folder / 'model.onnx')
    onnx.checker.check_model(str(folder / 'step.onnx'), full_check=True)
    session = onnxruntime.InferenceSession(str(folder / 'step.onnx'),
                                           providers=['CPUExecutionProvider'])
    got = session.run(None, {i.name: np.load(files[i.name]) for i in session.get_inputs()})
    return {file_name(o.name): array for o, array in zip(session.get_outputs(), got)}


def check_made(ingot, model, files, loss, options, folder):
    """In f64, by the interpreter."""
    got = [step(ingot, model, files, loss, options, folder, engine)
           for engine in ('compiled', 'interpreter')]
    engines_agree(got, 1e-9)
    if onnxruntime:
        engines_agree([in_runtime(ingot, files, loss, folder), got[1]], 1e-9)
    rng = np.random.Generator(np.random.Philox(3))
    names = [n for n in got[1] if n.endswith('.grad')]
    for _ in range(3):
        name = names[rng.integers(len(names))]
        by = np.zeros(got[1][name].shape)
        by.flat[rng.integers(by.size)] = 1e-5
        ends = [loss_at(ingot, model, files, name[:-5], sign * by, folder, loss, options)
                for sign in (1, -1)]
        want, have = (ends[0] - ends[1]) / 2e-5, float((got[1][name] * by).sum() / 1e-5)
        if abs(want - have) > 1e-6 * (1 + abs(want)):
            raise Failure(f'{name}: an element is {have:g}, the difference quotient {want:g}')


def check_case(ingot, case, folder, quick):
    """In f32: all weights are moved along the gradient, so far that the loss changes by a
    part of it.  A large part is curved, a small one lost in rounding: one of them must fit."""
    model = onnx.load(str(case / 'model.onnx'))
    known = {t.name for t in model.graph.initializer}
    files = {}
    for i, info in enumerate(v for v in model.graph.input if v.name not in known):
        data = (case / 'test_data_set_0' / f'input_{i}.pb').read_bytes()
        files[info.name] = folder / f'{i}.npy'
        np.save(files[info.name], numpy_helper.to_array(onnx.TensorProto.FromString(data)))
    data = (case / 'test_data_set_0' / 'output_0.pb').read_bytes()
    y = numpy_helper.to_array(onnx.TensorProto.FromString(data)).astype(np.float32)
    files['target'] = folder / 'target.npy'
    np.save(files['target'], y + np.random.Generator(np.random.Philox(1)).normal(size=y.shape)
            .astype(np.float32) * (np.abs(y).mean() + .1))
    got = step(ingot, model, files, 'mse', [], folder, 'compiled')
    if not quick:
        engines_agree([got, step(ingot, model, files, 'mse', [], folder, 'interpreter')], 2e-3)
    grads = {n[:-5]: g for n, g in got.items() if n.endswith('.grad')}
    square = sum(float((g.astype(np.float64) ** 2).sum()) for g in grads.values())
    if not np.isfinite(square):
        raise Failure('a gradient is not finite')
    target = np.load(files.pop('target')).astype(np.float64)
    slopes = []
    for part in (1e-2, 1e-3, 1e-4, 1e-5):
        h, ends = part * float(got['loss']) / square, []
        for by in (h, -h):
            onnx.save(moved(model, {n: by * g for n, g in grads.items()}),
                      str(folder / 'moved.onnx'))
            y = outputs(ingot, folder / 'moved.onnx', files, 'compiled', folder / 'moved', [])
            first = y[file_name(model.graph.output[0].name)].astype(np.float64)
            ends.append(((first - target) ** 2).mean())
        slopes.append((ends[0] - ends[1]) / (2 * h))
        if abs(slopes[-1] - square) <= .05 * square:
            return
    raise Failure(f'along the gradient the slope is {square:g}, by differences {slopes}')


def run_made(ingot, root):
    rng = np.random.Generator(np.random.Philox(11))
    for name, model, arrays, loss, options in made():
        folder = root / name
        folder.mkdir()
        files = with_inputs(folder, arrays, loss, rng)
        yield name, lambda: check_made(ingot, model, files, loss, options, folder)


def main():
    ingot = str(pathlib.Path(sys.argv[1]).resolve())
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        cases = run_made(ingot, root)
        if len(sys.argv) > 2:
            case = pathlib.Path(sys.argv[2])
            cases = [(case.name, lambda: check_case(ingot, case, root, len(sys.argv) > 3))]
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
