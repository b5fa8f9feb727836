#!/usr/bin/env python3
"""ONNX models are trained as the training_info of their files says, step by step as NumPy does it.

usage: training_info.py INGOT [--keep FOLDER]      run with build/venv/bin/python

--keep leaves the models there, from which tests/fuzz/training.c begins.
"""
import csv
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import safetensors_file
from tally import Tally

INGOT = str(pathlib.Path(sys.argv[1]).resolve())
KEEP = pathlib.Path(sys.argv[3]).resolve() if '--keep' in sys.argv[2:] else None
DOUBLE, INT64 = TensorProto.DOUBLE, TensorProto.INT64
PREVIEW = 'ai.onnx.preview.training'
rng = np.random.default_rng(1)
X, T = rng.normal(size=(12, 3)), rng.normal(size=(12, 1))
W, B = rng.normal(size=(3, 1)), np.array([0.25])
STEPS = 4
tally = Tally()
check = tally.check


def read_safetensors(name):
    return safetensors_file.read_safetensors(pathlib.Path(name))


def ingot(*arguments):
    done = subprocess.run([INGOT, *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr.strip()


def value(name, kind, *shape):
    return helper.make_tensor_value_info(name, kind, shape)


def arrays(named):
    return [numpy_helper.from_array(np.asarray(a), n) for n, a in named.items()]


def node(op, inputs, outputs, **rest):
    domain = PREVIEW if op in ('Gradient', 'Adam', 'Adagrad', 'Momentum') else ''
    return helper.make_node(op, inputs.split(), outputs.split(), domain=domain, **rest)


def save(name, nodes, own, outputs, bindings, rows='N', start=(), start_bindings=(), twice=False, more=()):
    """y = x W + B, whose loss is the mean of squares; behind it the nodes of the algorithm."""
    graph = helper.make_graph([node('MatMul', 'x W', 'h'), node('Add', 'h B', 'y')], 'line',
                              [value('x', DOUBLE, rows, 3)], [value('y', DOUBLE, rows, 1)],
                              arrays({'W': W, 'B': B}))
    loss = [node('Sub', 'y t', 'e'), node('Mul', 'e e', 'e2'), node('ReduceMean', 'e2', 'loss', keepdims=0),
            node('Gradient', 'W B x t', 'dW dB', xs=['W', 'B'], zs=['x', 't'], y='loss')]
    algorithm = helper.make_graph(loss + nodes, 'algorithm', [value('t', DOUBLE, rows, 1), *more], outputs,
                                  arrays(own))
    info = helper.make_training_info(algorithm, bindings,
                                     helper.make_graph(list(start), 'start', [], [value('first', DOUBLE, 3, 1)])
                                     if start else None, list(start_bindings) or None)
    if not start:
        info.ClearField('initialization')
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid('', 17),
                                                                  helper.make_opsetid(PREVIEW, 1)])
    model.training_info.extend([info] * (2 if twice else 1))
    onnx.save(model, name)


NEXT = node('Add', 'count one', 'next')
COUNT = {'one': np.int64(1), 'count': np.int64(0), 'rate': np.float64(0.1)}
LOSS, STEP = value('loss', DOUBLE), [('count', 'next'), ('W', 'W2'), ('B', 'B2')]
OUT = [LOSS, value('next', INT64), value('W2', DOUBLE, 3, 1), value('B2', DOUBLE, 1)]
ZEROS = {'mW': 0 * W, 'mB': 0 * B, 'vW': 0 * W, 'vB': 0 * B}


def moments(*names):
    return [value(n + '2', DOUBLE, *ZEROS[n].shape) for n in names], [(n, n + '2') for n in names]


def gradients(w, b, x=X, t=T):
    e = x @ w + b - t
    return (e ** 2).mean(), 2 * x.T @ e / len(x), 2 * e.mean(axis=0)


def plain(w, g, s, n):
    return w - 0.1 * g


def momentum(w, g, s, n):
    g = g + 0.01 * w
    s['m'] = 0.9 * s['m'] + (1 if n == 0 else 0.5) * g
    return w - 0.1 * s['m']


def adagrad(w, g, s, n):
    s['m'] = s['m'] + g ** 2
    return w - 0.1 / (1 + n * 0.25) * g / (np.sqrt(s['m']) + 1e-3)


def adam(w, g, s, n):
    s['m'], s['v'] = 0.9 * s['m'] + 0.1 * g, 0.99 * s['v'] + 0.01 * g ** 2
    rate = 0.1 * (np.sqrt(1 - 0.99 ** n) / (1 - 0.9 ** n) if n else 1)
    return w - rate * s['m'] / (np.sqrt(s['v']) + 1e-6)


def models():
    """File, update in NumPy, names of states."""
    save('plain.onnx', [NEXT, node('Mul', 'rate dW', 'sW'), node('Sub', 'W sW', 'W2'),
                        node('Mul', 'rate dB', 'sB'), node('Sub', 'B sB', 'B2')], COUNT, OUT, STEP)
    yield 'plain', plain, {}
    outs, bound = moments('mW', 'mB')
    own = {**COUNT, 'mW': 0 * W, 'mB': 0 * B}
    save('momentum.onnx', [NEXT, node('Momentum', 'rate count W B dW dB mW mB', 'W2 B2 mW2 mB2', alpha=0.9,
                                      beta=0.5, mode='standard', norm_coefficient=0.01)],
         own, OUT + outs, STEP + bound)
    yield 'momentum', momentum, {'m': 'm'}
    save('adagrad.onnx', [NEXT, node('Adagrad', 'rate count W B dW dB mW mB', 'W2 B2 mW2 mB2', decay_factor=0.25,
                                     epsilon=1e-3)], own, OUT + outs, STEP + bound, rows=12)
    yield 'adagrad', adagrad, {'m': 'm'}
    outs, bound = moments('mW', 'mB', 'vW', 'vB')
    save('adam.onnx', [NEXT, node('Adam', 'rate count W B dW dB mW mB vW vB', 'W2 B2 mW2 mB2 vW2 vB2', alpha=0.9,
                                  beta=0.99, epsilon=1e-6)], {**COUNT, **ZEROS}, OUT + outs, STEP + bound)
    yield 'adam', adam, {'m': 'm', 'v': 'v'}


def close(a, b):
    return np.allclose(a, b, rtol=1e-6, atol=1e-7)      # rates and epsilons of ONNX are f32


def same(name, step, kept):
    """Each step, all rows in it."""
    rc, said = ingot('train', f'{name}.onnx', '--batch', len(X), '--data', 'x=x.npy', '--data', 't=t.npy', '-o',
                     name)
    check(name, rc == 0, said)
    w, b = W, B
    states = [{k: 0 * p for k in kept} for p in (w, b)]
    for n in range(STEPS):
        loss, dw, db = gradients(w, b)
        w, b = step(w, dw, states[0], n), step(b, db, states[1], n)
        done = subprocess.run([f'./{name}', '--fresh', '--steps', str(n + 1), '--log', 'log.csv', '--quiet'],
                              capture_output=True, text=True)
        check(f'{name}: {n + 1} steps', done.returncode == 0, done.stderr)
        got, log = read_safetensors(f'{name}.safetensors'), list(csv.DictReader(open('log.csv')))
        check(f'{name}: W and B of step {n + 1}', close(got['m.W'], w) and close(got['m.B'], b), (got['m.W'], w))
        check(f'{name}: the loss of step {n + 1}', abs(float(log[-1]['loss']) - loss) < 1e-6, log)
        check(f'{name}: the count', got['learn/count'] == n + 1)
        for k in kept:
            check(f'{name}: {k}', close(got[f'learn/{k}W'], states[0][k]) and
                  close(got[f'learn/{k}B'], states[1][k]))
    (pathlib.Path(f'{name}.safetensors')).rename('whole')
    rc, said = ingot('inspect', '--stage', 'summary', f'{name}.onnx')
    check(f'{name}: memory', rc == 0 and 'memory of a step of train learn' in said and
          f'{len(kept) * 32 + 8:14} states of the optimizer' in said, said)       # and the count
    for more in (2, STEPS):
        done = subprocess.run([f'./{name}', '--resume', '--steps', str(more), '--quiet'], capture_output=True)
    got, whole = read_safetensors(f'{name}.safetensors'), read_safetensors('whole')
    check(f'{name}: --resume', all(np.array_equal(got[k], whole[k]) for k in whole))


def epochs():
    """Means of batches, also of a short one, weighed by rows; rows that are only looked at."""
    rc, said = ingot('train', 'plain.onnx', '--run', '--fresh', '--data', 'x=x.npy', '--data', 't=t.npy', '--test',
                     'x=x.npy', '--test', 't=t.npy', '--batch', 5, '--epochs', 1, '--log', 'log.csv', '--save',
                     'epoch.safetensors', '--save-onnx', 'learnt.onnx')
    check('an epoch', rc == 0, said)
    got = read_safetensors('epoch.safetensors')
    rows = {row['part']: float(row['loss']) for row in csv.DictReader(open('log.csv'))}
    check('an epoch: test', abs(rows['test'] - gradients(got['m.W'], got['m.B'])[0]) < 1e-6, rows)
    check('an epoch: three steps', got['learn/count'] == 3)
    weights = {t.name: numpy_helper.to_array(t) for t in onnx.load('learnt.onnx').graph.initializer}
    check('--save-onnx', np.array_equal(weights['W'], got['m.W']) and np.array_equal(weights['B'], got['m.B']))
    rc, said = ingot('build', 'plain.onnx', '--weights', 'epoch.safetensors', '-o', 'line')
    check('build --weights', rc == 0, said)
    done = subprocess.run(['./line', '--input', 'x=x.npy', '--output-dir', '.'], capture_output=True, text=True)
    check('build --weights: run', done.returncode == 0 and close(np.load('y.npy'), X @ got['m.W'] + got['m.B']),
          done.stderr)


def goes_on():
    """The file that is written has the states of the algorithm, too: training goes on from it."""
    data = ['--run', '--fresh', '--batch', len(X), '--data', 'x=x.npy', '--data', 't=t.npy', '--quiet']
    rc, said = ingot('train', 'adam.onnx', *data, '--epochs', 3, '--save-onnx', 'three.onnx')
    check('goes on: 3 epochs', rc == 0, said)
    rc, said = ingot('train', 'three.onnx', *data, '--epochs', 2, '--save', 'five.safetensors')
    check('goes on: 2 more', rc == 0, said)
    rc, said = ingot('train', 'adam.onnx', *data, '--epochs', 5, '--save', 'all.safetensors')
    five, whole = read_safetensors('five.safetensors'), read_safetensors('all.safetensors')
    check('goes on: are 5', all(close(five[k], whole[k]) for k in whole if k.startswith(('m.', 'learn/'))) and
          five['learn/count'] == 5, five)


def initialized():
    """First values that an initialization graph computes."""
    start = [helper.make_node('Constant', [], ['w'], value=numpy_helper.from_array(W)), node('Exp', 'w', 'first')]
    save('begun.onnx', [NEXT, node('Sub', 'W dW', 'W2'), node('Sub', 'B dB', 'B2')], COUNT, OUT, STEP, start=start,
         start_bindings=[('W', 'first')])
    rc, said = ingot('train', 'begun.onnx', '--run', '--fresh', '--data', 'x=x.npy', '--data', 't=t.npy', '--batch', 12,
                     '--steps', 1, '--save', 'begun.safetensors')
    check('initialization', rc == 0, said)
    got = read_safetensors('begun.safetensors')
    _, dw, db = gradients(np.exp(W), B)
    check('initialization: a step', close(got['m.W'], np.exp(W) - dw) and close(got['m.B'], B - db), got)
    save('given.onnx', [NEXT], COUNT, OUT[:2], STEP[:1], start=[*start, node('Add', 'w u', 'other')],
         start_bindings=[('W', 'first')])
    rc, said = ingot('train', 'given.onnx', '--run', '--data', 'x=x.npy', '--data', 't=t.npy')
    check('initialization: an operand', rc == 1 and "operand 'u' is made by no node" in said, said)


def apart():
    """Data beside a model, of its algorithm too, come along to another folder."""
    save('all.onnx', [NEXT, node('Sub', 'W dW', 'W2'), node('Sub', 'B dB', 'B2')], COUNT, OUT, STEP)
    model, kept = onnx.load('all.onnx'), b''
    for t in [*model.graph.initializer, *model.training_info[0].algorithm.initializer]:
        raw = t.raw_data
        t.ClearField('raw_data')
        t.data_location = TensorProto.EXTERNAL
        for key, entry in ('location', 'all.data'), ('offset', len(kept)), ('length', len(raw)):
            t.external_data.add(key=key, value=str(entry))
        kept += raw
    pathlib.Path('beside').mkdir()
    pathlib.Path('beside/all.onnx').write_bytes(model.SerializeToString())
    pathlib.Path('beside/all.data').write_bytes(kept)
    pathlib.Path('far').mkdir()
    data = '--run', '--fresh', '--data', 'x=x.npy', '--data', 't=t.npy', '--steps', 1
    rc, said = ingot('train', 'beside/all.onnx', *data, '--save-onnx', 'far/all.onnx')
    check('--save-onnx to another folder', rc == 0, said)
    rc, said = ingot('train', 'far/all.onnx', *data)
    check('.. trains there', rc == 0, said)


def nameless():
    """An output without a name, which an initializer has not either, is not told."""
    save('nameless.onnx', [NEXT, node('Sub', 'W dW', 'W2'), node('Sub', 'B dB', 'B2')],
         {**COUNT, '': np.float64(1)}, [*OUT, value('', DOUBLE)], STEP)
    rc, said = ingot('train', 'nameless.onnx', '--run', '--fresh', '--data', 'x=x.npy', '--data', 't=t.npy',
                     '--steps', 1, '--log', 'log.csv')
    check('an output without a name', rc == 0, said)
    check('.. is not told', list(csv.DictReader(open('log.csv')))[-1].keys() == {'step', 'epoch', 'part', 'loss',
                                                                                   'seconds'}, said)


def wrong():
    def refuse(name, text, *arguments):
        rc, said = ingot('train', *arguments, '--run', '--data', 'x=x.npy', '--data', 't=t.npy')
        check(name, rc in (1, 2) and text in said, said)

    nodes = [NEXT, node('Sub', 'W dW', 'W2'), node('Sub', 'B dB', 'B2')]
    save('twice.onnx', nodes, COUNT, OUT, STEP, twice=True)
    refuse('two of them', 'has several training_info, steps that follow each other: one is supported', 'twice.onnx')
    save('key.onnx', nodes, COUNT, OUT, [('V', 'W2')])
    refuse('no initializer', "'V' is bound, but is no initializer", 'key.onnx')
    save('value.onnx', nodes, COUNT, OUT, [('W', 'W3')])
    refuse('no value', "'W3' is bound to an initializer, but is made by no node", 'value.onnx')
    save('type.onnx', nodes, COUNT, OUT, [('W', 'B2')])
    refuse('another type', "'W' has another type than what it is bound to", 'type.onnx')
    save('double.onnx', nodes, COUNT, OUT, [('W', 'W2'), ('W', 'W2')])
    refuse('bound twice', "'W' is bound twice", 'double.onnx')
    save('scalar.onnx', [*nodes, node('Mul', 'loss r', 'r2')], COUNT, OUT, STEP, more=[value('r', DOUBLE)])
    refuse('a scalar input', "'r' is an input that has no axis for rows, and no initializer", 'scalar.onnx')
    save('open.onnx', [*nodes, node('Mul', 'z z', 'z2')], COUNT, OUT, STEP, more=[value('z', DOUBLE, 'N', 'K')])
    refuse('an open axis', "'z' is an input whose axis 1 is not known: give --dim or --shape", 'open.onnx')
    save('none.onnx', nodes, COUNT, OUT, STEP, start_bindings=[('W', 'first')])
    refuse('no initialization', "'W' is bound by an initialization, of which there is no graph", 'none.onnx')
    save('operator.onnx', [*nodes, helper.make_node('Nothing', ['loss'], ['none'])], COUNT, OUT, STEP)
    refuse('an operator', 'Nothing', 'operator.onnx')
    refuse('shards', '--shards and --mpi are of programs and of a --loss', 'plain.onnx', '--shards', 2)
    refuse('too many columns', "--data x is given twice, in 'x,t,x'", 'plain.onnx', '--data', 'x,t,x=x.npy')
    refuse('another column', "no column 'u'", 'plain.onnx', '--data', 'u=x.npy')


def main():
    if KEEP:
        KEEP.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        np.save('x.npy', X)
        np.save('t.npy', T)
        for model in models():
            same(*model)
        for test in epochs, goes_on, initialized, apart, nameless, wrong:
            test()
        for path in pathlib.Path().glob('*.onnx') if KEEP else ():
            shutil.copy(path, KEEP)
    return tally.report()


if __name__ == '__main__':
    sys.exit(main())
