#!/usr/bin/env python3
"""ONNX models are trained: by `ingot train M.onnx`, to a stated result.

usage: tune.py INGOT      run with build/venv/bin/python

Ends with a line `N passed, N failed, N skipped`.
"""
import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from safetensors_file import read_safetensors
from tally import Tally

INGOT = str(pathlib.Path(sys.argv[1]).resolve())
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
tally = Tally()
check = tally.check


def ingot(*arguments):
    done = subprocess.run([INGOT, *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr.strip()


def train(name, model, *arguments):
    """Trains at once; the last numbers of each column of the log."""
    rc, _, said = ingot('train', model, '--run', '--fresh', '--quiet', '--log', 'log.csv',
                        *arguments)
    check(name, rc == 0, said)
    rows = list(csv.DictReader(open('log.csv'))) if rc == 0 else [{}]
    return rows[-1]


def refuse(name, text, *arguments):
    rc, _, said = ingot(*arguments)
    check(name, rc in (1, 2) and text in said, said)


def save(name, nodes, inputs, outputs, weights, version=17, **rest):
    """inputs and outputs: name to (type, shape)."""
    infos = [[helper.make_tensor_value_info(n, *t) for n, t in d.items()]
             for d in (inputs, outputs)]
    graph = helper.make_graph(nodes, name, *infos,
                              [numpy_helper.from_array(a, n) for n, a in weights.items()])
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid('', version)],
                              **rest)
    onnx.save(model, name)
    return weights


def normal(*shape, scale=0.5, seed=3):
    return np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)


# ---- models -----------------------------------------------------------------------------


def mlp(name, rows, results=3):
    nodes = [helper.make_node('Gemm', ['x', 'fc1.weight', 'fc1.bias'], ['h']),
             helper.make_node('Relu', ['h'], ['features']),
             helper.make_node('Gemm', ['features', 'fc2.weight', 'fc2.bias'], ['logits'])]
    return save(name, nodes, {'x': (FLOAT, [rows, 4])}, {'logits': (FLOAT, [rows, results])},
                {'fc1.weight': normal(4, 16), 'fc1.bias': normal(16),
                 'fc2.weight': normal(16, results), 'fc2.bias': normal(results)})


def conv_net(name):
    """As exporters write it for one picture: a fixed batch, and a shape that holds it."""
    nodes = [helper.make_node('Conv', ['image', 'conv.weight'], ['c'], pads=[1, 1, 1, 1]),
             helper.make_node('BatchNormalization', ['c', 'bn.scale', 'bn.bias', 'bn.mean',
                                                     'bn.var'], ['b']),
             helper.make_node('Relu', ['b'], ['r']),
             helper.make_node('MaxPool', ['r'], ['p'], kernel_shape=[2, 2], strides=[2, 2]),
             helper.make_node('Reshape', ['p', 'shape'], ['flat']),
             helper.make_node('Gemm', ['flat', 'fc.weight', 'fc.bias'], ['logits'], transB=1)]
    return save(name, nodes, {'image': (FLOAT, [1, 1, 8, 8])}, {'logits': (FLOAT, [1, 2])},
                {'conv.weight': normal(4, 1, 3, 3), 'bn.scale': np.ones(4, np.float32),
                 'bn.bias': normal(4), 'bn.mean': normal(4), 'bn.var': normal(4) ** 2 + 1,
                 'shape': np.array([1, -1]), 'fc.weight': normal(2, 64, scale=0.1),
                 'fc.bias': normal(2)})


def words_net(name):
    """Tokens of rows of any length, embedded and averaged; names that are no names here."""
    nodes = [helper.make_node('Gather', ['table', 'input.1'], ['e']),
             helper.make_node('ReduceMean', ['e'], ['m'], axes=[1], keepdims=0),
             helper.make_node('MatMul', ['m', 'onnx::MatMul_9'], ['score'])]
    return save(name, nodes, {'input.1': (INT64, ['batch size', 'sequence'])},
                {'score': (FLOAT, ['batch size', 1])},
                {'table': normal(6, 5), 'onnx::MatMul_9': normal(5, 1)})


def points():
    """Three classes that a hidden layer separates."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(600, 4)).astype(np.float32)
    np.save('x.npy', x)
    np.save('y.npy', (np.abs(x) @ rng.normal(size=(4, 3))).argmax(1))


def stripes():
    """Pictures with one bright row, or one bright column."""
    rng = np.random.default_rng(2)
    kind, x = rng.integers(0, 2, 400), rng.random((400, 1, 8, 8)).astype(np.float32) * 0.5
    for i, k in enumerate(kind):
        at = rng.integers(0, 8)
        x[(i, 0, slice(None), at) if k else (i, 0, at)] += 1
    np.save('images.npy', x)
    np.save('kinds.npy', kind)


# ---- tests ------------------------------------------------------------------------------

POINTS = ['--loss', 'cross_entropy', '--data', 'x=x.npy', '--data', 'label=y.npy']


def classes():
    mlp('mlp.onnx', 'batch')
    mlp('one.onnx', 1)
    options = [*POINTS, '--optimizer', 'adam(1e-2)', '--epochs', 40, '--valid', '0.2']
    free = train('classes', 'mlp.onnx', *options, '--save', 'free.safetensors')
    check('classes: accuracy', float(free.get('accuracy', 0)) > 0.85, free)
    one = train('one row', 'one.onnx', *options, '--save', 'one.safetensors')
    check('one row: as any number', one.get('loss') == free.get('loss'), (one, free))


def printed():
    _, text, _ = ingot('train', 'mlp.onnx', *POINTS, '--print')
    pathlib.Path('printed.ingot').write_text(text)
    program = train('printed', 'printed.ingot', '--save', 'p.safetensors')
    direct = train('direct', 'mlp.onnx', *POINTS, '--save', 'd.safetensors')
    check('the program is what is trained', program.get('loss') == direct.get('loss'), text)
    rc, _, said = ingot('build', 'printed.ingot', '--weights', 'p.safetensors', '-o', 'net')
    check('inference', rc == 0, said)


def frozen():
    before = mlp('mlp.onnx', 'batch')
    train('frozen', 'mlp.onnx', *POINTS, '--freeze', 'fc1.*', '--epochs', 1, '--save',
          'f.safetensors')
    after = read_safetensors(pathlib.Path('f.safetensors'))
    check('frozen stay', all((after[f'm.{n}'] == before[n]).all()
                             for n in ('fc1.weight', 'fc1.bias')))
    check('others do not', (after['m.fc2.weight'] != before['fc2.weight']).any())
    refuse('all are frozen', 'leaves no weight', 'train', 'mlp.onnx', *POINTS, '--freeze', '*',
           '--run')


def new_head():
    mlp('five.onnx', 1, 5)
    options = ['--optimizer', 'adam(1e-2)', '--epochs', 30]
    head = train('a new head', 'five.onnx', *POINTS, *options, '--until', 'features',
                 '--classes', 3, '--save', 'h.safetensors')
    check('a new head: accuracy', float(head.get('accuracy', 0)) > 0.85, head)


def pictures():
    before = conv_net('conv.onnx')
    last = train('pictures', 'conv.onnx', '--loss', 'cross_entropy', '--data',
                 'image=images.npy', '--data', 'label=kinds.npy', '--optimizer', 'adam(1e-2)',
                 '--epochs', 12, '--save', 'c.safetensors')
    check('pictures: accuracy', float(last.get('accuracy', 0)) > 0.95, last)
    after = read_safetensors(pathlib.Path('c.safetensors'))
    check('statistics are no weights', 'm.bn.scale' in after and 'm.bn.mean' not in after)
    check('weights are', (after['m.conv.weight'] != before['conv.weight']).any())


def all_rows():
    """A root of a mean is that of all rows, whatever the batch, for results of any number of axes."""
    w = mlp('wide.onnx', 'batch')
    x, goal = np.load('x.npy'), normal(600, 3)
    np.save('goal.npy', goal)
    y = np.maximum(x @ w['fc1.weight'] + w['fc1.bias'], 0) @ w['fc2.weight'] + w['fc2.bias']
    want = np.sqrt(((y - goal) ** 2).mean())
    for batch in 7, 600:
        last = train(f'rmse of {batch} rows', 'wide.onnx', '--loss', 'mse', '--metric', 'rmse', '--batch', batch,
                     '--data', 'x=x.npy', '--data', 'target=goal.npy', '--optimizer', 'sgd(0)', '--epochs', 1)
        check(f'rmse of {batch} rows: of all', abs(float(last.get('rmse', 0)) - want) < 1e-5, (last, want))


def words_for_classes():
    """Words in the column of labels, in the order of their bytes or as --classes says."""
    mlp('mlp.onnx', 'batch')
    kinds = ['lynx', 'ant', 'cow']
    with open('kinds.csv', 'w') as f:
        f.write('a,b,c,d,kind\n')
        for x, y in zip(np.load('x.npy'), np.load('y.npy')):
            f.write(','.join(map(str, x)) + f',{kinds[y]}\n')
    table = ['--loss', 'cross_entropy', '--data', 'x,label=kinds.csv']
    rest = ['--epochs', 30, '--optimizer', 'adam(1e-2)']
    last = train('words', 'mlp.onnx', *table, *rest, '--report', 'kinds.html')
    check('words: accuracy', float(last.get('accuracy', 0)) > 0.85, last)
    pathlib.Path('two.csv').write_text('1,2,3,4,cow\n1,2,3,4,ant\n')
    pathlib.Path('named.ingot').write_text('dim K = ["a", "b"]\nentry f(x: [2]) -> int<K> = argmax(x)\n')
    check('words: in the report', 'lynx' in pathlib.Path('kinds.html').read_text())
    check('words: in order', 'dim kinds = ["ant", "cow", "lynx"]' in ingot('train', 'mlp.onnx', *table, '--print')[1])
    alone = ['--loss', 'cross_entropy', '--data', 'x=x.npy', '--data', 'label=label.csv']
    labels = ''.join(f'{kinds[y]}\n' for y in np.load('y.npy'))
    for name, text in ('a header', 'label\n' + labels), ('none', labels):
        pathlib.Path('label.csv').write_text(text)
        got = train(f'words alone, {name}', 'mlp.onnx', *alone, *rest)
        check(f'words alone, {name}: the same', got.get('loss') == last.get('loss'), (got, last))
    own = [*table, '--classes', ','.join(kinds)]
    named = train('words in the order of the model', 'mlp.onnx', *own, *rest, '--save', 'kinds.safetensors')
    plain = train('numbers', 'mlp.onnx', *POINTS, *rest, '--save', 'plain.safetensors')
    check('words: as numbers', named.get('loss') == plain.get('loss'), (named, plain))
    pathlib.Path('kinds.ingot').write_text(ingot('train', 'mlp.onnx', *own, '--print')[1])
    rc, _, said = ingot('build', 'kinds.ingot', '--weights', 'kinds.safetensors', '--entry', 'classify', '-o', 'kinds')
    check('words: built', rc == 0, said)
    row = str(np.load('x.npy')[:4].tolist())
    said = subprocess.run(['./kinds', f'x={row}'], capture_output=True, text=True).stdout.split()
    check('words: answers', sum(a == kinds[b] for a, b in zip(said, np.load('y.npy'))) > 2, said)
    refuse('words: fewer', 'has 2 words, the model 3 classes', 'train', 'mlp.onnx', '--loss', 'cross_entropy',
           '--data', 'x,label=two.csv', '--run')
    refuse('words: a name alone', 'two names or more', 'train', 'mlp.onnx', *POINTS, '--classes', 'cat', '--run')
    refuse('words: twice', "'cow' is there twice", 'train', 'mlp.onnx', *POINTS, '--classes', 'cow,ant,cow', '--run')
    refuse('words: of numbers', 'compares with no classes', 'train', 'mlp.onnx', '--loss', 'mse', '--classes',
           'cow,ant,cat', '--run')
    refuse('words: another number', 'K has 2 names and is given as 3', 'check', 'named.ingot', '--dim', 'K=3')


def dropout():
    """Drops where rows are trained on, unless the file says that it never does; else nothing."""
    np.save('ones.npy', np.ones((400, 64), np.float32))
    w = np.ones(64, np.float32)
    drops = {'absent': (['x', 'ratio'], 13, {}), 'true': (['x', 'ratio', 'yes'], 13, {}),
             'false': (['x', 'ratio', 'no'], 13, {}), 'old': (['x'], 11, {'ratio': 0.25})}
    for name, (operands, version, attributes) in drops.items():
        nodes = [helper.make_node('Dropout', operands, ['d'], **attributes), helper.make_node('Mul', ['d', 'w'], ['y'])]
        settings = {'ratio': np.float32(0.25), 'yes': np.array(True), 'no': np.array(False)}
        save(f'{name}.onnx', nodes, {'x': (FLOAT, ['N', 64])}, {'y': (FLOAT, ['N', 64])},
             {'w': w, **{n: settings[n] for n in operands if n in settings}}, version=version)
        train(f'dropout: {name}', f'{name}.onnx', '--loss', 'mse', '--data', 'x=ones.npy', '--data',
              'target=ones.npy', '--optimizer', 'sgd(0)', '--metric', 'dropped=y == 0', '--metric', 'mean=y',
              '--epochs', 2, '--valid', '0.5', '--batch', 30)
        rows = list(csv.DictReader(open('log.csv')))
        got = [[float(r['dropped']), float(r['mean'])] for r in rows if r['part'] == 'train' and r['dropped']]
        share = 0 if name == 'false' else 0.25
        check(f'dropout: {name}: in training', all(abs(d - share) < 0.02 and abs(m - 1) < 0.03 for d, m in got), got)
        check(f'dropout: {name}: others each time', share == 0 or got[0] != got[1], got)
        got = [[float(r['dropped']), float(r['mean'])] for r in rows if r['part'] == 'valid']
        check(f'dropout: {name}: not elsewhere', got and all(g == [0, 1] for g in got), got)
    shutil.copy('true.onnx', 'twin.onnx')
    for name, other in ('one file', 'true'), ('two files', 'twin'):
        pathlib.Path('calls.ingot').write_text(
            f'import "true.onnx" as m\nimport "{other}.onnx" as n\n'
            'train learn(x: [N, 64]) {\n    data x = "ones.npy"\n    a = m(x);  b = n(x);  c = x |> n\n'
            '    minimize mean[i] (a[i] - 2)^2 using sgd(0)\n'
            '    track ab = a == b\n    track ac = a == c\n    track bc = b == c\n    epochs 1\n}\n')
        last = train(f'dropout: calls of {name}', 'calls.ingot')
        same = [float(last.get(n, 1)) for n in ('ab', 'ac', 'bc')]
        check(f'dropout: calls of {name}: others each', all(abs(s - 0.625) < 0.02 for s in same), same)


def tokens():
    words_net('words.onnx')
    rng = np.random.default_rng(4)
    x = rng.integers(0, 6, (300, 7))
    np.save('tokens.npy', x)
    np.save('bits.npy', ((x == 2).sum(1) > (x == 4).sum(1)).astype(int))
    np.save('counts.npy', (x == 2).mean(1).astype(np.float32))
    data = ['--data', 'input_1=tokens.npy', '--optimizer', 'adam(2e-2)', '--epochs', 20]
    last = train('bits', 'words.onnx', '--loss', 'bce', '--data', 'target=bits.npy', *data)
    check('bits: accuracy', float(last.get('accuracy', 0)) > 0.95, last)
    for real in np.float32, np.float64, np.float16:
        np.save('shares.npy', np.load('bits.npy').astype(real))
        got = train(f'bits as {real.__name__}', 'words.onnx', '--loss', 'bce', '--data', 'target=shares.npy', *data)
        check(f'bits as {real.__name__}: the same', last and {**got, 'seconds': 0} == {**last, 'seconds': 0}, got)
    last = train('numbers', 'words.onnx', '--loss', 'mse', '--data', 'target=counts.npy',
                 '--metric', 'rmse', '--metric', 'bias=mean[i] (y[i] - target[i])', *data)
    check('numbers: rmse', float(last.get('rmse', 1)) < 0.02, last)
    check('numbers: a metric', abs(float(last.get('bias', 1))) < 0.02, last)


def run_onnx(model, x):
    """By a program that is built of the model."""
    np.save('in.npy', x)
    shutil.rmtree('out', ignore_errors=True)
    rc, _, said = ingot('run', model, '--input', 'in.npy', '--output-dir', 'out')
    check(f'{model} runs', rc == 0, said)
    return np.load(sorted(pathlib.Path('out').glob('*.npy'))[0])


def written():
    """Trained weights go back to where they came from, or into a net of another form."""
    mlp('mlp.onnx', 'batch')
    x = np.load('x.npy')[:5]
    train('save', 'mlp.onnx', *POINTS, '--epochs', 2, '--save-onnx', 'new.onnx')
    was, now = onnx.load('mlp.onnx'), onnx.load('new.onnx')
    check('save: the same graph', was.graph.node == now.graph.node)
    w = {t.name: numpy_helper.to_array(t) for t in now.graph.initializer}
    after = read_safetensors(pathlib.Path('mlp.safetensors'))
    check('save: weights', all((w[n] == after[f'm.{n}']).all() for n in w))
    y = np.maximum(x @ w['fc1.weight'] + w['fc1.bias'], 0) @ w['fc2.weight'] + w['fc2.bias']
    check('save: results', np.allclose(run_onnx('new.onnx', x), y, atol=1e-5))
    rc, _, said = ingot('build', 'mlp.onnx', '--weights', 'mlp.safetensors', '--emit', 'onnx',
                        '-o', 'built.onnx')
    check('save: by build', rc == 0 and np.allclose(run_onnx('built.onnx', x), y, atol=1e-5), said)
    train('save a head', 'mlp.onnx', *POINTS, '--until', 'features', '--classes', 3, '--epochs',
          1, '--save-onnx', 'head.onnx')
    check('save a head: results', run_onnx('head.onnx', x).shape == (5, 3))
    ends = onnx.load('head.onnx')
    check('save a head: its nodes', [n.op_type for n in ends.graph.node] == ['Gemm', 'Relu', 'MatMul', 'Add'] and
          {t.name for t in ends.graph.initializer} == {'fc1.weight', 'fc1.bias', 'tuned.dense1.w', 'tuned.dense1.b'})
    w = {t.name: numpy_helper.to_array(t) for t in ends.graph.initializer}
    y = np.maximum(x @ w['fc1.weight'] + w['fc1.bias'], 0) @ w['tuned.dense1.w'] + w['tuned.dense1.b']
    check('save a head: its weights', np.allclose(run_onnx('head.onnx', x), y, atol=1e-5))
    conv_net('conv.onnx')
    pictures = ['--loss', 'cross_entropy', '--data', 'image=images.npy', '--data', 'label=kinds.npy', '--epochs', 1]
    train('save pictures', 'conv.onnx', *pictures, '--until', 'r', '--classes', 2, '--save-onnx', 'p.onnx')
    ends = onnx.load('p.onnx')
    onnx.checker.check_model(ends, full_check=True)
    check('save pictures: nodes', [n.op_type for n in ends.graph.node][3:] == ['GlobalAveragePool', 'Flatten', 'MatMul', 'Add'])
    check('save pictures: any rows', run_onnx('p.onnx', np.load('images.npy')[:3]).shape == (3, 2))
    train('save rows', 'conv.onnx', *pictures, '--until', 'flat', '--classes', 2, '--save-onnx', 'rows.onnx')
    anew = onnx.load('rows.onnx').graph
    kinds = {n.op_type for n in anew.node}
    check('save rows: Relu', 'Relu' in kinds and 'Where' not in kinds, kinds)
    check('save rows: nothing that none reads', {t.name for t in anew.initializer} <=
          {name for n in anew.node for name in n.input})
    check('save rows: written anew', run_onnx('rows.onnx', np.load('images.npy')[:3]).shape == (3, 2))
    refuse('others', "none of its weights", 'build', 'conv.onnx', '--weights', 'mlp.safetensors',
           '-o', 'other')


def apart():
    """Weights in files beside the model follow it into another folder, and stay where it stays."""
    conv_net('conv.onnx')
    pathlib.Path('beside').mkdir()
    pathlib.Path('apart').mkdir()
    onnx.save(onnx.load('conv.onnx'), 'beside/conv.onnx', save_as_external_data=True, size_threshold=0, location='conv.data')
    options = ['--loss', 'cross_entropy', '--data', 'image=images.npy', '--data', 'label=kinds.npy', '--epochs', 1,
               '--save', 'apart.safetensors', '--fresh']
    train('save apart', 'beside/conv.onnx', *options, '--save-onnx', 'apart/conv.onnx')
    train('save beside', 'beside/conv.onnx', *options, '--save-onnx', 'beside/new.onnx')
    x = np.load('images.npy')[:1]
    check('save apart: results', np.array_equal(run_onnx('apart/conv.onnx', x), run_onnx('beside/new.onnx', x)))
    mean, = (t for t in onnx.load('beside/new.onnx', load_external_data=False).graph.initializer if t.name == 'bn.mean')
    check('save beside: refers to the data', mean.data_location == TensorProto.EXTERNAL)


PROGRAM = '''
dim T, K
net mean_of(x: [.., T]) -> [..] {
    param w = 0.5
    w * mean(x)
}
entry widened(x: [.., T], kind: int<K>[..]) -> [.., K] {
    y[k in K] = mean_of(x)
    y * onehot(kind)
}
train learn(x: [.., T], kind: int<K>[..], y: [..]) {
    data x = "wide.npy", kind, y = "kinds.csv"
    minimize (mean_of(x) + 0 * sum(widened(x, kind)) - y)^2 using adam
}
'''


def dims():
    """What data decided, which no weight shows, comes with the weights."""
    np.save('wide.npy', np.ones((8, 6), np.float32))
    pathlib.Path('kinds.csv').write_text('kind,y\n' + '"a,""b",1\nc,1\n' * 4)
    pathlib.Path('dims.ingot').write_text(PROGRAM)
    train('dims', 'dims.ingot', '--epochs', 1)
    rc, _, said = ingot('build', 'dims.ingot', '--weights', 'dims.safetensors', '-o', 'dims')
    check('dims: built', rc == 0, said)
    said = ingot('build', 'dims.ingot', '-o', 'dims', '--dim', 'T=6', '--dim', 'K=2')[2]
    check('zeros: the file beside is named', '--weights dims.safetensors builds' in said, said)
    text = subprocess.run(['./dims', '--help'], capture_output=True, text=True).stdout
    check('dims: extents', 'x: f32[N,6]' in text and 'f32[N,2]' in text, text)
    header = json.loads(pathlib.Path('dims.safetensors').read_bytes()[8:].split(b'}}')[0] + b'}}')
    notes = header['__metadata__']
    check('dims: names', notes.get('names.K') == '"a,\\"b", "c"', notes)


def other_types():
    """An input of other floats than those of the weights is one of the program."""
    nodes = [helper.make_node('Cast', ['x'], ['real'], to=FLOAT),
             helper.make_node('MatMul', ['real', 'w'], ['y'])]
    save('half.onnx', nodes, {'x': (TensorProto.FLOAT16, ['N', 4])}, {'y': (FLOAT, ['N', 3])},
         {'w': normal(4, 3)})
    np.save('half.npy', np.load('x.npy').astype(np.float16))
    options = ['--loss', 'cross_entropy', '--data', 'label=y.npy', '--epochs', 1]
    train('an f16 input', 'half.onnx', *options, '--data', 'x=half.npy')
    nodes = [helper.make_node('MatMul', ['x', 'w'], ['y'])]
    for kind, bits, said in (('FLOAT16', 'float16', "computes in f32: export the model in f32"),
                             ('DOUBLE', 'float64', 'give --f64')):
        t = getattr(TensorProto, kind)
        save(f'{bits}.onnx', nodes, {'x': (t, ['N', 4])}, {'y': (t, ['N', 3])},
             {'w': normal(4, 3).astype(bits)})
        refuse(f'{bits} weights', said, 'train', f'{bits}.onnx', *POINTS, '--run')
    np.save('double.npy', np.load('x.npy').astype(np.float64))
    train('f64', 'float64.onnx', *options, '--f64', '--data', 'x=double.npy')
    refuse('f64 of f32', 'leave out --f64', 'train', 'mlp.onnx', *POINTS, '--f64', '--run')


def names():
    """Names that mean something in the language, paths with parentheses, odd weights."""
    nodes = [helper.make_node('MatMul', ['dense', 'a\n"b"'], ['h']),
             helper.make_node('MatMul', ['h', 'w'], ['adam'])]
    save('names.onnx', nodes, {'dense': (FLOAT, ['N', 4])}, {'adam': (FLOAT, ['N', 3])},
         {'a\n"b"': normal(4, 5), 'w': normal(5, 3)})
    np.save('a(1).npy', np.load('x.npy'))
    options = ['names.onnx', '--loss', 'cross_entropy', '--data', 'dense_=a(1).npy', '--data',
               'label=y.npy', '--freeze', 'w', '--valid', '0.12345678', '--epochs', 1]
    train('names', *options)
    rc, text, said = ingot('train', *options, '--print')
    check('names: the share is exact', rc == 0 and '    valid 0.12345678\n' in text, text + said)
    refuse('a metric without a name', 'give accuracy', 'train', *options, '--metric',
           'argmax(y)==label', '--run')
    save('odd.onnx', [helper.make_node('Gemm', ['input.1', 'w'], ['h']), helper.make_node('Add', ['h', 'label'], ['y'])],
         {'input.1': (FLOAT, ['N', 4]), 'label': (FLOAT, ['N', 3])}, {'y': (FLOAT, ['N', 3])}, {'w': normal(4, 3)})
    np.save('shift.npy', np.zeros((600, 3), np.float32))
    rc, _, said = ingot('train', 'odd.onnx', '--loss', 'cross_entropy', '--data', 'input.1=x.npy', '--data',
                        'label=shift.npy', '--data', 'label_=y.npy', '--valid', '0.2', '--epochs', 1, '--run', '--fresh')
    check("names: the model's own", rc == 0 and 'is the column label_' in said, said)
    refuse('names: none', "--data 'image' is unknown: give input.1, label or label_", 'train', 'odd.onnx', '--loss',
           'cross_entropy', '--data', 'image=x.npy', '--run')
    refuse('a comparison', 'give accuracy', 'train', *options, '--metric', 'y==label', '--run')


def memory():
    """What a step of the training takes, beside a call."""
    rc, text, said = ingot('inspect', '--stage', 'summary', 'mlp.onnx', '--loss', 'cross_entropy')
    call, step = text.partition('memory of a step of train learn on 32 rows')[::2]
    trained = sum(a.size * 4 for a in map(numpy_helper.to_array, onnx.load('mlp.onnx').graph.initializer))
    check('memory', rc == 0 and 'memory of a call of main' in call, text + said)
    check('memory: two states of Adam a weight',
          f'{2 * trained:14} states of the optimizer' in step, step)
    rc, text, said = ingot('inspect', '--stage', 'summary', 'mlp.onnx')
    check('memory: no training', rc == 0 and 'step of' not in text and 'training' not in text, text + said)
    refuse('memory: another stage', 'are for --stage summary', 'inspect', 'mlp.onnx', '--loss', 'mse')


def hints():
    """What data are for a model, which of its outputs is trained, and losses that are formulas."""
    conv_net('conv.onnx')
    np.save('bytes.npy', (np.load('images.npy') * 100).astype(np.uint8))
    options = ['--loss', 'cross_entropy', '--data', 'image=bytes.npy', '--data', 'label=kinds.npy', '--epochs', 1]
    rc, _, said = ingot('train', 'conv.onnx', *options, '--run', '--fresh', '--save', 'u8.safetensors')
    check('bytes are taken', rc == 0 and "its data are u8" in said, said)
    np.save('floats.npy', np.load('bytes.npy').astype(np.float32))
    of_bytes = train('bytes', 'conv.onnx', *options)
    of_floats = train('floats', 'conv.onnx', *options[:2], '--data', 'image=floats.npy', *options[4:])
    check('bytes are numbers', of_bytes.get('loss') == of_floats.get('loss'), (of_bytes, of_floats))
    words_net('words.onnx')
    wrong_ids = np.load('tokens.npy')
    wrong_ids[7, 2] = 9
    np.save('wrong.npy', wrong_ids)
    ends = np.load('tokens.npy')
    np.save('ends.npy', np.where(ends == 5, -1, ends))
    np.save('before.npy', np.where(ends == 5, -7, ends))
    of = {name: train(f'positions: {name}', 'words.onnx', '--loss', 'bce', '--data', f'input_1={name}.npy', '--data',
                      'target=bits.npy', '--epochs', 2) for name in ('tokens', 'ends')}
    check('positions from the end of a table', of['ends'].get('loss') == of['tokens'].get('loss'), of)
    refuse('a position before a table', '-7, must be below 6 and at least -6', 'train', 'words.onnx', '--loss', 'bce',
           '--data', 'input_1=before.npy', '--data', 'target=bits.npy', '--run')
    refuse('a position behind a table', 'wrong.npy: row 8: 9, must be below 6', 'train', 'words.onnx', '--loss', 'bce',
           '--data', 'input.1=wrong.npy', '--data', 'target=bits.npy', '--run', '--fresh')
    save('outputs.onnx', [helper.make_node('MatMul', ['x', 'a'], ['p']), helper.make_node('MatMul', ['x', 'b'], ['q'])],
         {'x': (FLOAT, ['N', 4])}, {'p': (FLOAT, ['N', 3]), 'q': (FLOAT, ['N', 2])}, {'a': normal(4, 3), 'b': normal(4, 2)})
    rc, text, said = ingot('train', 'outputs.onnx', *POINTS, '--print')
    check('outputs: the first', "its first output 'p' is trained; --until q chooses another" in said, said)
    rc, text, said = ingot('train', 'outputs.onnx', *POINTS, '--print', '--until', 'q', '--classes', 3)
    check('outputs: another', 'm.until("q")' in text and not said, text + said)
    mlp('mlp.onnx', 'batch')
    plain = train('a function', 'mlp.onnx', *POINTS, '--epochs', 1)
    formula = train('a formula', 'mlp.onnx', '--loss', 'nll(log_softmax(y), label)', *POINTS[2:], '--epochs', 1)
    check('a formula: the same', abs(float(plain.get('loss', 0)) - float(formula.get('loss', 1))) < 1e-5, (plain, formula))


def layers():
    """A row for each node, all that the file holds in it, and what a loss would train."""
    nodes = [helper.make_node('Conv', ['x', 'c'], ['h'], kernel_shape=[1, 1]),
             helper.make_node('BatchNormalization', ['h', 's', 'b', 'm', 'v'], ['n']),
             helper.make_node('ReduceMean', ['n'], ['r'], axes=[2], keepdims=0),
             helper.make_node('Transpose', ['r'], ['t'], perm=[2, 0, 1]),
             helper.make_node('LSTM', ['t', 'W', 'R', 'B'], ['', 'l'], hidden_size=3),
             helper.make_node('Squeeze', ['l', 'first'], ['q']), helper.make_node('Gemm', ['q', 'g'], ['y']),
             helper.make_node('Gemm', ['y', 'k'], ['z'])]
    weights = {'c': normal(8, 4, 1, 1), 's': np.ones(8, np.float32), 'b': np.ones(8, np.float32),
               'm': normal(8), 'v': normal(8) ** 2 + 1, 'W': normal(1, 12, 8),
               'R': normal(1, 12, 3), 'B': normal(1, 24), 'g': normal(3, 5), 'k': normal(5, 2)}
    save('layers.onnx', nodes, {'x': (FLOAT, ['rows', 4, 6, 7])}, {'z': (FLOAT, ['rows', 2])},
         {**weights, 'first': np.array([0])})
    rc, text, said = ingot('inspect', '--stage', 'summary', 'layers.onnx')
    rows = [line.split() for line in text.split('memory')[0].splitlines()[2:]]
    check('layers', [(r[0], r[-1]) for r in rows[:5]] == [
        ('32', 'f32[rows,8,6,7]'), ('32', 'f32[rows,8,6,7]'), (str(96 + 36 + 24), 'f32[7,1,rows,3]'),
        ('15', 'f32[rows,5]'), ('10', 'f32[rows,2]')], text + said)
    check('layers: all', rows[5][0] == '245' and rows[5][-2] == '229', text)       # 16 are statistics
    check('layers: open', '(counted with rows = 1;' in text and '(constants as kernels read them' in text, text)
    pathlib.Path('norm.ingot').write_text('layer unused(x) { x }\nnet f(x: [.., 3, 5, 5]) -> [.., 4, 5, 5] = '
                                          'x |> conv(4, 1) |> batch_norm |> conv(4, 3)\n')
    text = ingot('inspect', '--stage', 'summary', 'norm.ingot')[1]
    rows = [line.split() for line in text.splitlines()[2:5]]
    check('layers: of a program', [r[0] for r in rows] == ['16', '16', '148'] and
          all(r[-1] == 'f32[N,4,5,5]' for r in rows) and rows[0][1] == '600', text)
    check('layers: no block', 'no train block' in text and 'not known' not in text, text)


def wrong():
    refuse('no loss', 'give --loss', 'train', 'mlp.onnx', '--run')
    refuse('a misspelt optimizer', "did you mean 'adam'?", 'train', 'mlp.onnx', '--run', *POINTS,
           '--optimizer', 'adm(1e-3)')
    refuse('a misspelt schedule', 'made of the options; --print shows it', 'train', 'mlp.onnx', '--run', *POINTS,
           '--optimizer', 'adam(cosin(1e-3))')
    refuse('no such value', "has no value 'nothing'", 'train', 'mlp.onnx', *POINTS, '--until',
           'nothing', '--run')
    refuse('a value that is near', "error: mlp.onnx: has no value 'featurs'; did you mean 'features'?", 'train',
           'mlp.onnx', *POINTS, '--until', 'featurs', '--run')
    refuse('no such metric', 'give accuracy', 'train', 'mlp.onnx', *POINTS, '--metric',
           'rmse', '--run')
    refuse('a loss that is none', "did you mean 'cross_entropy'?", 'train', 'mlp.onnx', '--loss',
           'cross_entropie', '--run')
    refuse('frozen: near', 'fc1.wieght is no weight that is trained; did you mean fc1.weight?', 'train',
           'mlp.onnx', *POINTS, '--freeze', 'fc2.*,fc1.wieght', '--run')
    refuse('frozen: none', 'conv.* is no weight that is trained; there are fc1.weight, fc1.bias', 'train',
           'mlp.onnx', *POINTS, '--freeze', 'conv.*,fc1.*', '--run')
    save('flat.onnx', [helper.make_node('ReduceMean', ['x'], ['y'], axes=[1], keepdims=0)],
         {'x': (FLOAT, ['N', 4])}, {'y': (FLOAT, ['N'])}, {})
    refuse('a number for classes', 'is one number', 'train', 'flat.onnx', *POINTS, '--classes', 3,
           '--run')
    refuse('a program', 'says itself what it learns', 'train', 'printed.ingot', '--loss', 'mse',
           '--run')


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        points()
        stripes()
        for test in classes, printed, frozen, new_head, pictures, all_rows, words_for_classes, dropout, tokens, written, apart, dims, \
                other_types, names, memory, hints, layers, wrong:
            test()
    return tally.report()


if __name__ == '__main__':
    sys.exit(main())
