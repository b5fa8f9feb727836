#!/usr/bin/env python3
"""`ingot grad`: whole networks with the gradients of a loss as outputs.

usage: grad_models.py INGOT [quick] [CASE..]      run with build/venv/bin/python

Small networks are made here, in f64: both engines must agree, and so must ONNX Runtime on the
step as ONNX, where it is installed, and spot weights with central differences of the interpreter.
The model of a CASE, of the backend-test form, is run on the inputs of the case, with the squared
error of its first output as loss: in its own f32 engines must agree on all gradients (unless
`quick`); with all of it in f64, spot weights with central differences of compiled code.
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


SPOTS = 20      # weights of a model of a CASE that are moved


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


def widen(graph, fixed):
    """All f32 of a graph and of those in it as f64, but for `fixed`, which operators want in f32."""
    wide = {TensorProto.FLOAT: TensorProto.DOUBLE}

    def widened(tensor):
        array = numpy_helper.to_array(tensor)
        return numpy_helper.from_array(array.astype(np.float64), tensor.name)

    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in fixed:
            tensor.CopyFrom(widened(tensor))
    for info in [*graph.input, *graph.output, *graph.value_info]:
        kind = info.type.tensor_type
        if info.name not in fixed:
            kind.elem_type = wide.get(kind.elem_type, kind.elem_type)
    for part in graph.node:
        for attribute in part.attribute:
            if part.op_type == 'Cast' and attribute.name == 'to':
                attribute.i = wide.get(attribute.i, attribute.i)
            elif attribute.HasField('t') and attribute.t.data_type == TensorProto.FLOAT:
                if part.output[0] not in fixed:
                    attribute.t.CopyFrom(widened(attribute.t))
            elif attribute.HasField('g'):
                widen(attribute.g, fixed)


def scales_of(graph):
    """Names of what operators want in f32."""
    at = {'Resize': 2, 'Upsample': 1}
    return {name for n in graph.node if n.op_type in at for name in n.input[at[n.op_type]:][:1]}


def movable(graph, moves, fixed):
    """Adds to each weight that has axes, of this graph and of those in it, an input: its move."""
    new, moved = [], {}

    def move(name, tensor):
        if tensor.data_type == TensorProto.DOUBLE and tensor.dims and name not in fixed:
            moved[name] = f'{name}.moved'
            moves[name] = numpy_helper.to_array(tensor)
            new.append(node('Add', f'{name} {name}.move', moved[name]))

    def read_moved(graph):
        for part in graph.node:
            part.input[:] = [moved.get(name, name) for name in part.input]
            for attribute in part.attribute:
                if attribute.HasField('g'):
                    read_moved(attribute.g)
        for info in graph.output:
            info.name = moved.get(info.name, info.name)

    for tensor in graph.initializer:
        move(tensor.name, tensor)
    for part in graph.node:
        for attribute in part.attribute:
            if part.op_type == 'Constant' and attribute.name == 'value':
                move(part.output[0], attribute.t)
            elif attribute.HasField('g'):
                movable(attribute.g, moves, fixed)
    constants = [n for n in graph.node if n.op_type == 'Constant']
    others = [n for n in graph.node if n.op_type != 'Constant']
    read_moved(graph)
    del graph.node[:]
    graph.node.extend(constants + new + others)


class Step:
    """An executable of a model's step, with inputs for what weights are moved by."""

    def __init__(self, ingot, model, files, folder):
        self.folder, self.weights = folder, {}      # weights by their names
        self.rest = 0                               # the loss where none is moved
        fixed = scales_of(model.graph)
        widen(model.graph, fixed)
        movable(model.graph, self.weights, fixed)
        model.graph.input.extend(
            helper.make_tensor_value_info(f'{n}.move', TensorProto.DOUBLE, w.shape)
            for n, w in self.weights.items())
        onnx.save(model, str(folder / 'wide.onnx'))
        call(ingot, 'grad', '--loss', 'mse', '-o', folder / 'step.ir', folder / 'wide.onnx')
        call(ingot, 'build', '-o', folder / 'step', folder / 'step.ir')
        self.files = dict(files)
        for i, (name, w) in enumerate(self.weights.items()):
            self.files[f'{name}.move'] = folder / f'zero{i}.npy'
            np.save(folder / f'zero{i}.npy', np.zeros(w.shape))

    def run(self, by):
        """All outputs, with weights moved: a dict of what is added to them."""
        given = dict(self.files)
        for i, (name, step) in enumerate(by.items()):
            given[f'{name}.move'] = self.folder / f'moved{i}.npy'
            np.save(self.folder / f'moved{i}.npy', step)
        out = self.folder / 'out'
        call(self.folder / 'step', '--output-dir', out,
             *(w for n, f in given.items() for w in ('--input', f'{n}={f}')))
        return {f.stem: np.load(f) for f in sorted(out.glob('*.npy'))}

    def loss(self, by):
        return float(self.run(by)['loss'])


def slope_fits(step, name, by, want, size):
    """Is the slope of the loss along `by` the one that is wanted, up to a part of `size`?  Where
    units are switched within a step, a shorter one ends before them; rounding of the loss allows
    for a thousandth.  None where the slopes of both halves of the shortest differ, too: the loss
    bends at this very place, or next to it."""
    for part in (1, .1, .01, .001):
        low, high = (step.loss({name: part * sign * by}) for sign in (-1, 1))
        if abs(high - low - 2 * part * want) <= 2e-4 * part * size:
            return True
    return None if abs(high - 2 * step.rest + low) > 1e-4 * part * size else False


def check_spots(step, grads):
    """Weights drawn at random against central differences.  Where the loss bends another is drawn,
    at most 5 times, which is said."""
    rng = np.random.Generator(np.random.Philox(5))
    names, drawn, again = sorted(n for n in grads if grads[n].size), 0, 0
    while drawn < SPOTS:
        name = names[rng.integers(len(names))]
        at = tuple(rng.integers(extent) for extent in grads[name].shape)
        by = np.zeros(grads[name].shape)
        by[at] = 1e-5 * max(abs(step.weights[name]).max(), 1e-3)
        most = max(abs(grads[name]).max() * by[at], 1e-12)
        fits = slope_fits(step, name, by, float(grads[name][at] * by[at]), most)
        if fits is False:
            raise Failure(f'{name}{[int(i) for i in at]}: {grads[name][at]:g} is not the slope there')
        drawn += bool(fits)
        again += fits is None
        if again > 5:
            raise Failure('the loss bends wherever a weight is moved')
    if again:
        print(f'{again} weights at which the loss bends were drawn again')


def inputs_of(case, model, folder):
    """Files of a case's inputs by their names, and of what its first output is compared with."""
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
    return files


def check_case(ingot, case, folder, quick):
    """In f32 engines agree; in f64 gradients are slopes."""
    model = onnx.load(str(case / 'model.onnx'))
    files = inputs_of(case, model, folder)
    if not quick:
        engines_agree([step(ingot, model, files, 'mse', [], folder, engine)
                       for engine in ('compiled', 'interpreter')], 2e-3)
    for file in files.values():
        array = np.load(file)
        if array.dtype == np.float32:
            np.save(file, array.astype(np.float64))
    own = Step(ingot, model, files, folder)
    names = {file_name(n): n for n in own.weights}
    got = own.run({})
    own.rest = float(got['loss'])
    grads = {names[n[:-5]]: g for n, g in got.items() if n.endswith('.grad') and n[:-5] in names}
    if not all(np.isfinite(g).all() for g in grads.values()):
        raise Failure('a gradient is not finite')
    check_spots(own, grads)


def run_made(ingot, root):
    rng = np.random.Generator(np.random.Philox(11))
    for name, model, arrays, loss, options in made():
        folder = root / name
        folder.mkdir()
        files = with_inputs(folder, arrays, loss, rng)
        yield name, lambda: check_made(ingot, model, files, loss, options, folder)


def run_cases(ingot, cases, root, quick):
    for case in map(pathlib.Path, cases):
        folder = root / case.name
        folder.mkdir()
        yield case.name, lambda: check_case(ingot, case, folder, quick)


def main():
    ingot = str(pathlib.Path(sys.argv[1]).resolve())
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        given = sys.argv[2:]
        quick = given[:1] == ['quick']
        cases = run_cases(ingot, given[quick:], root, quick) if given else run_made(ingot, root)
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
