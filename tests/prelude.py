#!/usr/bin/env python3
"""Each function and layer of the prelude beside its formula in NumPy.
usage: prelude.py INGOT

tests/prelude.ingot uses every item once, in an entry t_ITEM; its parameters are drawn by
`init` and read here from the file of states."""
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from math import erf
from pathlib import Path

import numpy as np

from safetensors_file import read_safetensors

HERE = Path(__file__).parent
INGOT = Path(sys.argv[1]).resolve()
RNG = np.random.default_rng(1)
PROGRAM = HERE / 'prelude.ingot'


# ---- what is run

def ingot(entry, folder, *arguments):
    """The process of a run of an entry with the initial weights."""
    states = Path(folder, entry + '.safetensors')
    if weights_file.exists():
        states.write_bytes(weights_file.read_bytes())
    return subprocess.run([INGOT, 'run', PROGRAM, entry, '--engine', 'interpreter', '--states', states,
                           *arguments], capture_output=True, text=True)


def run(entry, inputs):
    """The outputs of an entry, by name; a message if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ['--output-dir', folder]
        for name, value in inputs.items():
            np.save(f'{folder}/in_{name}.npy', value)
            arguments += ['--input', f'{name}={folder}/in_{name}.npy']
        done = ingot(entry, folder, *arguments)
        if done.returncode:
            return done.stderr
        return {p.stem: np.load(p) for p in Path(folder).glob('*.npy') if not p.stem.startswith('in_')}


# ---- formulas

def reals(*shape):
    return RNG.standard_normal(shape).astype('f4')


def softplus(x):
    return np.log1p(np.exp(-abs(x))) + np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def log_softmax(x, axis=-1):
    m = x.max(axis, keepdims=True)
    return x - m - np.log(np.exp(x - m).sum(axis, keepdims=True))


def softmax(x):
    return np.exp(log_softmax(x))


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(erf)(x / np.sqrt(2)))


def elu(x, a):
    return np.where(x <= 0, a * np.expm1(x), x)


def norm(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def affine(y, w, name, axis=-1):
    shape = [1] * y.ndim
    shape[axis] = -1
    return y * w[name + '.scale'].reshape(shape) + w[name + '.shift'].reshape(shape)


def dense(x, w, name):
    return x @ w[name + '.w'] + w[name + '.b']


def windows(x, size, stride, dilation, axes):
    """x with an axis of `size` appended for each of `axes`, which become positions."""
    for axis in axes:
        count = (x.shape[axis] - (size - 1) * dilation - 1) // stride + 1
        at = np.arange(count)[:, None] * stride + np.arange(size) * dilation
        x = np.moveaxis(np.take(x, at.ravel(), axis).reshape(
            x.shape[:axis] + at.shape + x.shape[axis + 1:]), axis + 1, -1)
    return x


def conv(x, w, name, stride=1, pad=None, dilation=1, groups=1):
    k, b = w[name + '.w'], w.get(name + '.b', np.zeros(1))
    n = k.ndim - 2
    pad = k.shape[-1] // 2 if pad is None else pad
    v = windows(np.pad(x, [(0, 0)] * 2 + [(pad, pad)] * n), k.shape[-1], stride, dilation, range(2, n + 2))
    parts = [np.tensordot(a, c, (tuple([1, *range(n + 2, 2 * n + 2)]), tuple(range(1, n + 2))))
             for a, c in zip(np.split(v, groups, 1), np.split(k, groups, 0))]
    return np.moveaxis(np.concatenate(parts, -1), -1, 1) + b.reshape([-1] + [1] * n)


def conv_up(x, w, stride, pad):
    k = w['t_conv_up.conv_up1.w']
    n, _, h, v = x.shape
    y = np.zeros((n, k.shape[1], (h - 1) * stride + k.shape[2], (v - 1) * stride + k.shape[3]))
    for i in range(k.shape[2]):
        for j in range(k.shape[3]):
            y[:, :, i:i + h * stride:stride, j:j + v * stride:stride] += np.einsum(
                'ncpq,co->nopq', x, k[:, :, i, j])
    return y[:, :, pad:y.shape[2] - pad, pad:y.shape[3] - pad] + w['t_conv_up.conv_up1.b'].reshape(-1, 1, 1)


def pool(x, size, stride, axes, how, pad=0):
    widths = [(pad, pad) if a in axes else (0, 0) for a in range(x.ndim)]
    v = windows(np.pad(x, widths, constant_values=-np.inf if pad else 0), size, stride, 1, axes)
    return how(v, tuple(range(x.ndim, x.ndim + len(axes))))


def recurrent(x, cell, *carried):
    out = []
    for t in range(x.shape[1]):
        carried = cell(x[:, t], *carried)
        out.append(carried[0])
    return np.stack(out, 1)


def gates(x, h, w, name):
    return (np.einsum('ni,gih->gnh', x, w[name + '.w']) + w[name + '.b'][:, None],
            np.einsum('nj,gjh->gnh', h, w[name + '.u']))


def rnn(x, w, name):
    def cell(x, h):
        return (np.tanh(x @ w[name + '.w'] + h @ w[name + '.u'] + w[name + '.b']),)
    return recurrent(x, cell, np.zeros((x.shape[0], w[name + '.b'].size)))


def gru(x, w, name):
    def cell(x, h):
        a, v = gates(x, h, w, name)
        r, z = sigmoid(a[0] + v[0]), sigmoid(a[1] + v[1])
        return ((1 - z) * np.tanh(a[2] + r * v[2]) + z * h,)
    return recurrent(x, cell, np.zeros((x.shape[0], w[name + '.b'].shape[1])))


def lstm(x, w, name):
    def cell(x, h, c):
        a = sum(gates(x, h, w, name))
        c = sigmoid(a[0]) * c + sigmoid(a[1]) * np.tanh(a[2])
        return sigmoid(a[3]) * np.tanh(c), c
    zero = np.zeros((x.shape[0], w[name + '.b'].shape[1]))
    return recurrent(x, cell, zero, zero)


def rotary(x):
    half = x.shape[-1] // 2
    angle = np.arange(x.shape[-2])[:, None] * 10000.0 ** (-2 * np.arange(half) / x.shape[-1])
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], -1)


def attention(x, w, name, heads, m=None, there=None, causal=False, turn=lambda x: x):
    m = x if m is None else m

    def split(y):
        return y.reshape(*y.shape[:-1], heads, -1).swapaxes(-2, -3)
    q, k, v = (split(dense(y, w, f'{name}.{part}')) for y, part in ((x, 'q'), (m, 'k'), (m, 'v')))
    a = turn(q) @ turn(k).swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    if there is not None:
        a = np.where(there[:, None, None, :], a, -np.inf)
    if causal:
        a = np.where(np.tri(*a.shape[-2:]) > 0, a, -np.inf)
    y = (softmax(a) @ v).swapaxes(-2, -3)
    return dense(y.reshape(*x.shape), w, name + '.o')


def feed(x, w, name, first):
    return dense(gelu(dense(x, w, f'{name}.dense{first}')), w, f'{name}.dense{first + 1}')


def ctc(x, label, length, frames):
    """The sum over all ways to read each row's labels, by the recursion with blanks."""
    out = []
    for p, l, n, t in zip(log_softmax(x), label, length, frames):
        z = [0] + [v for c in l[:n].tolist() for v in (c, 0)]
        a = np.full(len(z), -np.inf)
        a[:2] = p[0, z[:2]]
        for row in p[1:t]:
            b = [np.logaddexp.reduce([a[s]] + [a[s - 1]] * (s > 0) +
                                     [a[s - 2]] * (s > 1 and z[s] != 0 and z[s] != z[s - 2]))
                 for s in range(len(z))]
            a = np.array(b) + row[z]
        out.append(-np.logaddexp.reduce(a[-2:]))
    return np.array(out)


def spread(values, low, high, deviation):
    """Is a sample within bounds and of this deviation?"""
    return values.min() >= low and values.max() <= high and abs(values.std() / deviation - 1) < 0.05


# ---- cases: inputs and what comes out of them

def cases(w):
    x9, t9 = reals(9), reals(9)
    x, t, u = reals(3, 5), reals(3, 5), reals(3, 5)
    two, picture, series = reals(2, 5), reals(2, 4, 6, 6), reals(2, 6, 8)
    label = RNG.integers(0, 5, 3)
    rows = np.arange(3)
    seq, memory = reals(2, 6, 5), reals(2, 5, 3)

    def one(name, x, want, **more):
        return name, {'x': x, **more}, want

    yield one('dense', two, dense(two, w, 't_dense.dense1'))
    words = RNG.integers(0, 7, (2, 4))
    yield one('embedding', words, w['t_embedding.embedding1.w'][words])
    p = reals(2, 4, 7, 6)
    yield one('conv', p, conv(p, w, 't_conv.conv1', 2, 1, 2, 2))
    p = reals(2, 4, 9)
    yield one('conv1', p, conv(p, w, 't_conv1.conv1_1', 2, groups=2))
    p = reals(2, 2, 5, 4, 6)
    yield one('conv3', p, conv(p, w, 't_conv3.conv3_1', 2))
    p = reals(2, 3, 4, 5)
    yield one('conv_up', p, conv_up(p, w, 2, 1))
    yield one('depthwise', picture, conv(picture, w, 't_depthwise.depthwise1.conv1', groups=4))
    y = conv(picture, w, 't_separable.separable1.depthwise1.conv1', groups=4)
    yield one('separable', picture, conv(y, w, 't_separable.separable1.conv1'))
    yield one('edge', two, np.pad(two, ((0, 0), (2, 2)), constant_values=1))
    p = reals(2, 3, 4)
    yield one('border', p, np.pad(p, ((0, 0), (1, 1), (1, 1))))
    yield one('resize_up', p, p.repeat(2, 1).repeat(2, 2))
    p = reals(2, 6, 5)
    yield one('crop', p, p[:, 2:4, 2:3])
    p = reals(2, 3, 7, 8)
    yield one('max_pool', p, pool(p, 3, 2, (2, 3), np.max, 1))
    yield one('mean_pool', p, pool(p, 2, 2, (2, 3), np.mean))
    p = reals(2, 3, 7)
    yield one('max_pool1', p, pool(p, 3, 2, (2,), np.max))
    yield one('global_mean1', p, p.mean(2))
    yield one('global_max1', p, p.max(2))
    p = reals(2, 3, 8)
    yield one('mean_pool1', p, pool(p, 2, 2, (2,), np.mean))
    p = reals(2, 3, 4, 5)
    yield one('global_mean', p, p.mean((2, 3)))
    yield one('global_max', p, p.max((2, 3)))
    yield one('random_crop', p, p)
    yield one('random_flip', p, p)
    yield one('random_noise', p, p)
    stack = reals(2, 3, 4)
    left, sigma, right = np.linalg.svd(stack, full_matrices=False)
    by = 0.5 * sigma - 2 * sigma**3 + 3 * sigma**5
    yield one('singular', stack, left * by[:, None] @ right)
    yield one('batch_norm', p, affine(p / np.sqrt(1 + 1e-5), w, 't_batch_norm.batch_norm1', 1))
    p = reals(2, 3, 7)
    yield one('batch_norm_series', p, affine(p / np.sqrt(1 + 1e-5), w,
                                             't_batch_norm_series.batch_norm_series1.batch_norm1', 1))
    p = reals(2, 3)
    yield one('batch_norm1', p, affine(p / np.sqrt(1 + 1e-5), w, 't_batch_norm1.batch_norm1_1'))
    p = reals(3, 4)
    yield one('dropout', p, p)
    yield one('skip', two, two + dense(two, w, 't_skip.dense1'))
    yield one('same', two, two)
    p = reals(4, 1)
    yield one('scalar', p, p[:, 0])
    classes = RNG.integers(0, 5, (2, 3))
    yield one('onehot', classes, np.eye(5)[classes])
    p = reals(2, 4, 3)
    yield one('reverse', p, p[:, ::-1])
    yield one('layer_norm', two, affine(norm(two, -1), w, 't_layer_norm.layer_norm1'))
    yield one('rms_norm', two, two / np.sqrt((two ** 2).mean(-1, keepdims=True) + 1e-6)
              * w['t_rms_norm.rms_norm1.scale'])
    p = reals(2, 4, 3, 5)
    yield one('group_norm', p, affine(norm(p.reshape(2, 2, -1), -1).reshape(p.shape), w,
                                      't_group_norm.group_norm1', 1))
    yield one('instance_norm', p, affine(norm(p, (2, 3)), w, 't_instance_norm.instance_norm1', 1))
    yield one('rnn', seq, rnn(seq, w, 't_rnn.rnn1.f'))
    yield one('gru', seq, gru(seq, w, 't_gru.gru1.f'))
    yield one('lstm', seq, lstm(seq, w, 't_lstm.lstm1.f'))
    both = 't_bidirectional.bidirectional1.lstm'
    yield one('bidirectional', seq, np.concatenate(
        [lstm(seq, w, both + '1.f'), lstm(seq[:, ::-1], w, both + '2.f')[:, ::-1]], -1))
    yield one('attention', series, attention(series, w, 't_attention.attention1', 2, causal=True))
    there = np.arange(5) < [[3], [5]]
    yield one('cross', series, attention(series, w, 't_cross.attention1', 2, memory, there), m=memory, there=there)
    yield one('turned', series, attention(series, w, 't_turned.attention1', 2, turn=rotary))
    yield one('rotary', series, rotary(series))
    place = np.arange(6)[:, None] / 10000 ** (np.arange(8) // 2 * 2 / 8)
    yield one('sinusoid', series, series + np.where(np.arange(8) % 2 == 0, np.sin(place), np.cos(place)))
    name = 't_transformer.transformer1'
    y = series + attention(affine(norm(series, -1), w, name + '.layer_norm1'), w, name + '.attention1', 2)
    yield one('transformer', series, y + feed(affine(norm(y, -1), w, name + '.layer_norm2'), w, name, 1))
    name = 't_decoder_block.decoder_block1'
    y = series + attention(affine(norm(series, -1), w, name + '.layer_norm1'), w,
                           name + '.attention1', 2, causal=True)
    y = y + attention(affine(norm(y, -1), w, name + '.layer_norm2'), w, name + '.attention2', 2, memory)
    yield one('decoder_block', series, y + feed(affine(norm(y, -1), w, name + '.layer_norm3'), w, name, 1), m=memory)
    yield from blocks(w, picture)
    yield one('heaviside', x9, x9 > 0)
    yield one('linear', x9, x9)
    yield one('relu', x9, np.maximum(x9, 0))
    yield one('leaky_relu', x9, np.where(x9 <= 0, 0.2 * x9, x9))
    yield one('prelu', two, np.where(two <= 0, 0.25 * two, two))
    yield one('elu', x9, elu(x9, 0.5))
    yield one('selu', x9, 1.0507009873554805 * elu(x9, 1.6732632423543772))
    yield one('gelu', x9, gelu(x9))
    yield one('silu', x9, x9 * sigmoid(x9))
    yield one('mish', x9, x9 * np.tanh(softplus(x9)))
    yield one('softplus', x9, softplus(x9))
    yield one('softsign', x9, x9 / (1 + abs(x9)))
    yield one('logsumexp', two, np.log(np.exp(two).sum(-1)))
    yield one('softmax', two, softmax(two))
    yield one('log_softmax', two, log_softmax(two))
    yield one('clamp', x9, x9.clip(-0.5, 0.7))
    yield one('straight', x9, x9 > 0)
    e = abs(x9 - t9)
    yield one('mse', x9, e ** 2, t=t9)
    yield one('mae', x9, e, t=t9)
    yield one('huber', x9, np.where(e < 1, e ** 2 / 2, e - 0.5), t=t9)
    yield one('bce', x9, softplus(x9) - x9 * t9, t=t9)
    yield one('hinge', x9, np.maximum(1 - t9 * x9, 0), t=t9)
    logs = log_softmax(x)
    yield one('cross_entropy', x, -logs[rows, label], label=label)
    yield one('cross_entropy_of', x, -(t * logs).sum(-1), p=t)
    yield one('label_smoothed', x, -0.9 * logs[rows, label] - 0.1 * logs.mean(-1), label=label)
    yield one('nll', x, -x[rows, label], label=label)
    yield one('kl', x, (np.exp(x) * (x - t)).sum(-1), t=t)
    yield one('triplet', x, np.maximum(((x - t) ** 2 - (x - u) ** 2).sum(-1) + 1, 0), t=t, u=u)
    x, label = reals(2, 7, 5), np.array([[1, 1, 2], [3, 4, 0]])
    yield one('ctc', x, ctc(x, label, [3, 2], [7, 5]), label=label, length=np.array([3, 2]), frames=np.array([7, 5]))
    yield one('standardize', two, two / np.sqrt(1e-8))
    yield one('rescale', two, np.zeros((2, 5)))


def blocks(w, x):
    """The cases of pictures' blocks; batch norms are as they begin."""
    def normed(x, name):
        return affine(x / np.sqrt(1 + 1e-5), w, name, 1)

    def relu(x):
        return np.maximum(x, 0)

    def residual(x, name, stride, aside):
        y = relu(normed(conv(x, w, name + '.conv1', stride), name + '.batch_norm1'))
        y = normed(conv(y, w, name + '.conv2'), name + '.batch_norm2')
        return relu(y + (normed(conv(x, w, name + '.conv3', stride), name + '.batch_norm3') if aside else x))
    name = 't_residual.residual'
    yield 'residual', {'x': x}, residual(residual(x, name + '1', 1, False), name + '2', 2, True)
    name = 't_bottleneck.bottleneck1'
    y = relu(normed(conv(x, w, name + '.conv1'), name + '.batch_norm1'))
    y = relu(normed(conv(y, w, name + '.conv2', 2), name + '.batch_norm2'))
    y = normed(conv(y, w, name + '.conv3'), name + '.batch_norm3')
    yield 'bottleneck', {'x': x}, relu(y + normed(conv(x, w, name + '.conv4', 2), name + '.batch_norm4'))
    c = [lambda x, i=i: relu(conv(x, w, f't_inception.inception1.conv{i}')) for i in range(1, 7)]
    yield 'inception', {'x': x}, np.concatenate(
        [c[0](x), c[2](c[1](x)), c[4](c[3](x)), c[5](pool(x, 3, 1, (2, 3), np.max, 1))], 1)
    p, name = reals(2, 3, 8, 8), 't_vgg_stage.vgg_stage1'
    y = relu(conv(relu(conv(p, w, name + '.0.conv1')), w, name + '.1.conv1'))
    yield 'vgg_stage', {'x': p}, pool(y, 2, 2, (2, 3), np.max)


def first_values(w):
    """The cases of initializers: name and verdict."""
    bound = np.sqrt(6 / 160)
    yield 'glorot', spread(w['t_glorot.w'], -bound, bound, bound / np.sqrt(3))
    yield 'he', spread(w['t_he.w'], -9, 9, np.sqrt(2 / 90))
    yield 'lecun', spread(w['t_lecun.w'], -9, 9, np.sqrt(1 / 90))
    q = w['t_orthogonal.w']
    yield 'orthogonal', abs(q.T @ q - np.eye(20)).max() < 1e-4


def verdict(case):
    """None, or what is wrong with a case."""
    name, inputs, want = case
    got = run('t_' + name, inputs)
    if isinstance(got, str):
        return got
    y = next(iter(got.values()))
    want = np.asarray(want, 'f8')
    if y.shape != want.shape:
        return f'shape {y.shape}, not {want.shape}'
    off = abs(y - want).max()
    return None if off <= 1e-4 * max(1, abs(want).max()) else f'off by {off}'


def items():
    """The functions and layers of the prelude that a program can use."""
    for path in sorted((HERE.parent / 'frontend/prelude').glob('*.ingot')):
        yield from re.findall(r'^(?:fn|layer) (\S+?)\(', path.read_text(), re.M)


TRAINED = {'warmed', 'stairs', 'exponential', 'cosine', 'heads', 'attend', 'rnn_cell', 'lstm_cell', 'gru_cell'}

with tempfile.TemporaryDirectory() as top:
    weights_file = Path(top, 'weights.safetensors')
    made = subprocess.run([INGOT, 'run', PROGRAM, 'init', '--random-inputs', '--engine', 'interpreter',
                           '--states', weights_file], capture_output=True, text=True)
    if made.returncode:
        sys.exit(f'{made.stderr}\n0 passed, 1 failed, 0 skipped')
    weights = read_safetensors(weights_file)
    todo = list(cases(weights))
    with ThreadPoolExecutor(2) as pool_of_two:
        wrong = {case[0]: v for case, v in zip(todo, pool_of_two.map(verdict, todo))}
    wrong.update({name: None if ok else 'not as drawn' for name, ok in first_values(weights)})
    wrong.update({name: 'has no case' for name in items() if name not in wrong and name not in TRAINED})
    for name, reason in wrong.items():
        if reason:
            print(f'FAILED {name}: {reason}')
    failed = sum(v is not None for v in wrong.values())
    print(f'{len(wrong) - failed} passed, {failed} failed, 0 skipped')
    sys.exit(failed > 0)
