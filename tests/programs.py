#!/usr/bin/env python3
"""Programs in the language: values of each construct against NumPy, by both engines.

usage: programs.py INGOT [NAME..]

A case is a program, inputs, and what NumPy says that its entry gives.  Programs of examples
and tests/programs have no such answer: their entries run with drawn weights, and the
engines must agree.  Ends with a line `N passed, N failed`.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).parent
ENGINES = 'interpreter', 'compiled'


def run(ingot, work, program, entry, engine, inputs, states=None, options=()):
    """The outputs of an entry by name; a message instead if it fails."""
    out = work / f'{entry}.{engine}'
    out.mkdir(exist_ok=True)
    for old in out.glob('*.npy'):
        old.unlink()
    command = [ingot, 'run', program, entry, '--engine', engine, '--output-dir', out, *options]
    for name, value in inputs.items():
        np.save(work / f'{name}.npy', value)
        command += ['--input', f'{name}={work / name}.npy']
    if states:
        command += ['--states', states]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        return done.stdout + done.stderr
    return {f.stem: np.load(f) for f in out.glob('*.npy')}


def close(a, b):
    if a.shape != b.shape:
        return f'shape {a.shape}, expected {b.shape}'
    if np.issubdtype(b.dtype, np.integer) or b.dtype == bool:
        return None if np.array_equal(a, b) else f'{a}, expected {b}'
    scale = 1e-5 + 1e-5 * np.max(np.abs(b), initial=0)
    with np.errstate(invalid='ignore'):
        worst = np.max(np.where(np.isfinite(b), np.abs(a - b), a != b), initial=0)
    return None if worst <= scale * 4 else f'off by {worst}'


class Cases:
    def __init__(self):
        self.all = []
        self.rng = np.random.default_rng(7)

    def real(self, *shape):
        return self.rng.standard_normal(shape).astype(np.float32)

    def add(self, name, program, inputs, *expected, entry='f'):
        self.all.append((name, program, inputs, expected, entry))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def conv(x, w, stride=1, pad=0, dil=1, groups=1):
    """x[N,C,H,W] by w[O,C/groups,R,S], the plain way."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    n, c, h, v = x.shape
    o, k, r, s = w.shape
    p, q = (h - (r - 1) * dil - 1) // stride + 1, (v - (s - 1) * dil - 1) // stride + 1
    y = np.zeros((n, o, p, q), np.float32)
    for g in range(groups):
        part = slice(g * o // groups, (g + 1) * o // groups)
        for i in range(r):
            for j in range(s):
                block = x[:, g * k:(g + 1) * k, i * dil:i * dil + (p - 1) * stride + 1:stride,
                          j * dil:j * dil + (q - 1) * stride + 1:stride]
                y[:, part] += np.einsum('ncpq,oc->nopq', block, w[part, :, i, j])
    return y


def subscript_cases(c):
    x, w, b = c.real(5, 4), c.real(4, 3), c.real(3)
    c.add('matrix product', 'entry f(x: [.., 4], w: [4, 3], b: [3]) -> [.., 3] '
          '{ y[o] = sum[i] x[i] * w[i, o] + b[o] }', dict(x=x, w=w, b=b), x @ w + b)
    c.add('outer product', 'entry f(x: [N], y: [M]) { z[i, j] = x[i] * y[j] }',
          dict(x=b, y=x[0]), np.outer(b, x[0]))
    c.add('transpose', 'entry f(x: [A, B]) { y[j, i] = x[i, j] }', dict(x=x), x.T)
    c.add('diagonal', 'entry f(x: [3, 3]) { y[i] = x[i, i] }', dict(x=x[:3, :3]), np.diag(x[:3, :3]))
    c.add('slices', 'entry f(x: [5, 4]) = x[1:4, -2:]', dict(x=x), x[1:4, -2:])
    c.add('element', 'entry f(x: [5, 4]) = x[-1, 2]', dict(x=x), x[-1, 2])
    c.add('last of any number', 'entry f(x: [T, 4]) = x[-1] + x[0] * x[T - 1, 1]', dict(x=x),
          x[-1] + x[0] * x[-1, 1])
    c.add('backwards', 'entry f(x: [5, 4]) { y[i in 5, :] = x[4 - i] }', dict(x=x), x[::-1])
    c.add('stride', 'entry f(x: [5, 4]) { y[i in 3, :] = x[2 * i] }', dict(x=x), x[::2])
    c.add('gather', 'entry f(x: [5, 4], i: int<5>[..]) -> [.., 4] = x[i]',
          dict(x=x, i=np.array([4, 0, 2])), x[[4, 0, 2]])
    c.add('clamped gather of any number',
          'entry f(x: [N, 4], i: int[3]) -> [3, 4] { y[k, j] = x[min(max(i[k], 0), N - 1), j] }',
          dict(x=x, i=np.array([-3, 2, 9])), x[[0, 2, 4]])
    c.add('clamped difference of what the run knows', 'entry e(x: [S, 2], h: int) -> [2] = x[min(max(h, 0), S - 1)]\n'
          'entry f(x: [S, 4], h: int) -> [S, 4] '
          '{ scan t in S { k = h - t;  y[t, :] = x[min(max(if h < 0 then k + S else k, 0), S - 1)] };  y }',
          dict(x=x, h=np.int64(3)), x[[3, 2, 1, 0, 0]])
    c.add('no positions in an empty array', 'entry f(x: [N], i: int[K]) -> [K] { y[k] = x[min(max(i[k], 0), N - 1)] }',
          dict(x=x[:0, 0], i=np.zeros(0, np.int64)), np.zeros(0, np.float32))
    c.add('cut to what there is', 'entry f(x: [N, 4]) -> [_, 4] { y[i in min(N, 9), j] = x[i, j] }',
          dict(x=x), x)
    many = np.arange(192).reshape(3, 64) % 5        # their check is in vectors of columns
    c.add('gather of many', 'entry f(x: [5], i: int<5>[.., 64]) -> [.., 64] = x[i]',
          dict(x=np.arange(5, dtype=np.float32), i=many), many.astype(np.float32))
    c.add('gather of a row', 'entry f(x: [.., 4], k: int<4>[..]) -> [..] = x[k]',
          dict(x=x, k=np.array([3, 1, 0, 2, 1])), x[np.arange(5), [3, 1, 0, 2, 1]])
    c.add('gather in the middle', 'entry f(x: [5, 4], k: int<4>[M]) = x[:, k]',
          dict(x=x, k=np.array([3, 1])), x[:, [3, 1]])
    c.add('split', 'entry f(x: [6]) { y[h in 2, e in 3] = x[h * 3 + e] }',
          dict(x=np.arange(6, dtype=np.float32)), np.arange(6, dtype=np.float32).reshape(2, 3))
    c.add('join', 'entry f(x: [2, 3]) { y[h * 3 + e] = x[h, e] }',
          dict(x=x[:2, :3]), x[:2, :3].reshape(6))
    c.add('join of others', 'entry f(x: [2, 5, 3]) { y[t, h * 3 + e] = x[h, t, e] }',
          dict(x=c.real(2, 5, 3)), lambda d: d['x'].transpose(1, 0, 2).reshape(5, 6))
    c.add('whole axes', 'entry f(x: [.., A, B]) { y[j, :] = x[:, j] }', dict(x=c.real(2, 3, 4)),
          lambda d: d['x'].transpose(0, 2, 1))
    c.add('for', 'entry f(x: [5, 4], k: int<4>[5]) = x[n, k[n]] for n',
          dict(x=x, k=np.array([0, 3, 1, 1, 2])), x[np.arange(5), [0, 3, 1, 1, 2]])
    c.add('index as a number', 'entry f(x: [5, 4]) { y[i, j] = if i > j then x[i, j] else 10 * i + j }',
          dict(x=x), np.where(np.arange(5)[:, None] > np.arange(4), x,
                              10 * np.arange(5)[:, None] + np.arange(4)).astype(np.float32))
    c.add('names taken apart', 'entry f(s: [4]) { a, b, c, d = s;  [d, c * a, b] }', dict(s=x[0]),
          np.array([x[0, 3], x[0, 2] * x[0, 0], x[0, 1]]))
    c.add('scatter', 'entry f(x: [5, 4], k: int<3>[5]) { y[k[n], i] += x[n, i];  y }',
          dict(x=x, k=np.array([0, 2, 2, 0, 2])),
          lambda d: np.stack([x[[0, 3]].sum(0), 0 * x[0], x[[1, 2, 4]].sum(0)]))
    c.add('scatter of rows', 'entry f(x: [.., 5], k: int<3>[5]) -> [.., 3] { y[k[n]] += x[n] }',
          dict(x=x.T.copy(), k=np.array([0, 2, 2, 0, 2])),
          lambda d: np.stack([x[[0, 3]].sum(0), 0 * x[0], x[[1, 2, 4]].sum(0)]).T)
    c.add('overlap and add', 'entry f(x: [4, 3]) { y[2 * p + i] += x[p, i];  y }', dict(x=x[:4, :3]),
          lambda d: sum(np.pad(x[p, :3], (2 * p, 6 - 2 * p)) for p in range(4)))


def sum_cases(c):
    x, y, z = c.real(5, 4), c.real(5, 4), c.real(4, 6)
    c.add('dot', 'entry f(x: [.., K], y: [.., K]) -> [..] = sum[k] x[k] * y[k]', dict(x=x, y=y),
          (x * y).sum(1))
    c.add('three factors', 'entry f(x: [A, K], y: [A, K], z: [K, B]) '
          '{ r[a, b] = sum[k] x[a, k] * y[a, k] * z[k, b] }', dict(x=x, y=y, z=z), (x * y) @ z)
    c.add('factor outside', 'entry f(x: [A, K], y: [A], z: [K, B]) '
          '{ r[a, b] = sum[k] x[a, k] * y[a] * z[k, b] / 2 }', dict(x=x, y=y[:, 0], z=z),
          x @ z * y[:, :1] / 2)
    c.add('quotient', 'entry f(x: [A, K], y: [A, K]) { r[a] = sum[k] x[a, k] / (y[a, k]^2 + 1) }',
          dict(x=x, y=y), (x / (y**2 + 1)).sum(1))
    c.add('mean of rows', 'entry f(x: [.., K]) -> [K] { m[k] = mean[..] x[k] }', dict(x=x), x.mean(0))
    c.add('rows counted', 'entry f(x: [.., K]) { n = sum[..] 1;  x / n }', dict(x=x), x / 5)
    c.add('max', 'entry f(x: [A, K]) { m[k] = max[a] x[a, k] }', dict(x=x), x.max(0))
    c.add('argmin', 'entry f(x: [A, K]) { m[k] = argmin[a] x[a, k] }', dict(x=x), x.argmin(0))
    c.add('any', 'entry f(x: [A, K]) { m[a] = any[k] (x[a, k] > 1) }', dict(x=x), (x > 1).any(1))
    c.add('count', 'entry f(x: [A, K]) { m[a] = sum[k] (x[a, k] > 0) }', dict(x=x), (x > 0).sum(1))
    c.add('triangle', 'entry f(x: [A, K]) { m[a] = sum[k] (if k <= a then x[a, k] else 0) }',
          dict(x=x), np.array([x[a, :a + 1].sum() for a in range(5)], np.float32))
    c.add('window', 'entry f(x: [N]) { y[p] = max[i in 3] x[2 * p + i] }', dict(x=x.reshape(-1)),
          np.array([x.reshape(-1)[2 * p:2 * p + 3].max() for p in range(9)]))
    c.add('moving mean', 'entry f(x: [.., 20]) -> [.., 17] { y[p] = mean[i in 4] x[p + i] }',
          dict(x=c.real(2, 20)), lambda d: np.stack([d['x'][:, p:p + 4].mean(1) for p in range(17)], 1))
    c.add('filter', 'entry f(x: [.., 20], w: [5]) { y[p] = sum[i] x[p + i] * w[i] }',
          dict(x=c.real(2, 20), w=c.real(5)),
          lambda d: np.stack([d['x'][:, p:p + 5] @ d['w'] for p in range(16)], 1))
    c.add('calls', 'entry f(x: [.., K]) -> [.., K] = softmax(x) + cumsum(x) + sort(x) + real(argmax(x))',
          dict(x=x), softmax(x) + x.cumsum(1) + np.sort(x, 1) + x.argmax(1)[:, None])
    c.add('concat', 'entry f(x: [.., T, K], y: [.., S, K]) = concat(x, y)',
          dict(x=c.real(2, 3, 4), y=c.real(2, 1, 4)), lambda d: np.concatenate([d['x'], d['y']], 1))
    c.add('concat of features', 'entry f(x: [T, K], y: [T, L]) { z[t, :] = concat(x[t], y[t]) }',
          dict(x=c.real(3, 4), y=c.real(3, 2)), lambda d: np.concatenate([d['x'], d['y']], 1))


def conv_cases(c):
    for name, kw, extra in [('plain', {}, ''), ('stride', dict(stride=2, pad=1), ', stride = 2'),
                            ('dilated', dict(dil=2, pad=1), ', dilation = 2'),
                            ('groups', dict(groups=2, pad=1), ', groups = 2'),
                            ('depthwise', dict(groups=4, pad=1), ', groups = 4')]:
        pad = kw.pop('pad', 1)
        groups = kw.get('groups', 1)
        c.add(f'convolution {name}', 'fn conv_of(O, size, stride = 1, pad = 1, dilation = 1, groups = 1)'
              '(x: [.., C, H, W], w: [O, C / groups, size, size]) {\n'
              '    x = border(pad)(x);  m = O / groups;  n = C / groups\n'
              '    y[g * m + o, p, q] = sum[c, i, j] x[g * n + c, p * stride + i * dilation, '
              'q * stride + j * dilation] * w[g * m + o, c, i, j]\n}\n'
              f'entry f(x: [.., 4, 9, 8], w: [4, 4 / {groups}, 3, 3]) = conv_of(4, 3{extra})(x, w)',
              dict(x=c.real(2, 4, 9, 8), w=c.real(4, 4 // groups, 3, 3)),
              lambda d, kw=kw, pad=pad: conv(d['x'], d['w'], pad=pad, **kw))
    c.add('points of a picture', 'entry f(x: [N, 4, 9, 8], w: [3, 4]) { y[n, o, p, q] = sum[c] x[n, c, p, q] * w[o, c] }',
          dict(x=c.real(2, 4, 9, 8), w=c.real(3, 4)), lambda d: np.einsum('ncpq,oc->nopq', d['x'], d['w']))
    c.add('points of one picture', 'entry f(x: [4, 9, 8], w: [4, 3]) { y[o, p, q] = sum[c] w[c, o] * x[c, p, q] }',
          dict(x=c.real(4, 9, 8), w=c.real(4, 3)), lambda d: np.einsum('cpq,co->opq', d['x'], d['w']))
    c.add('pools', 'entry f(x: [.., 4, 8, 8]) = concat(max_pool(2)(x), mean_pool(2)(x))',
          dict(x=c.real(2, 4, 8, 8)), lambda d: np.concatenate(
              [d['x'].reshape(2, 4, 4, 2, 4, 2).max((3, 5)),
               d['x'].reshape(2, 4, 4, 2, 4, 2).mean((3, 5))], 1))
    c.add('padded pool', 'entry f(x: [.., 2, 6, 6]) = max_pool(3, 2, pad = 1)(x)',
          dict(x=c.real(2, 2, 6, 6)), lambda d: np.stack([np.stack([
              np.pad(d['x'], ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
              [:, :, 2 * p:2 * p + 3, 2 * q:2 * q + 3].max((2, 3)) for q in range(3)], 2)
              for p in range(3)], 2))
    c.add('transposed', 'entry f(x: [.., 3, 4, 4], w: [3, 2, 3, 3]) '
          '{ y[o, 2 * p + i, 2 * q + j] += sum[c] x[c, p, q] * w[c, o, i, j];  y }',
          dict(x=c.real(2, 3, 4, 4), w=c.real(3, 2, 3, 3)), lambda d: spread(d['x'], d['w'], 2))


def spread(x, w, stride):
    n, c, h, v = x.shape
    o, r, s = w.shape[1:]
    y = np.zeros((n, o, (h - 1) * stride + r, (v - 1) * stride + s), np.float32)
    for p in range(h):
        for q in range(v):
            y[:, :, p * stride:p * stride + r, q * stride:q * stride + s] += np.einsum(
                'nc,coij->noij', x[:, :, p, q], w)
    return y


def control_cases(c):
    x = c.real(6, 3)
    c.add('scan', 'entry f(x: [T, K]) { scan t in T with h: [K] = 0 { h <- 0.5 * h + x[t];  y[t, :] = h };  y }',
          dict(x=x), lambda d: np.stack([sum(0.5**(t - s) * x[s] for s in range(t + 1)) for t in range(6)]))
    c.add('scan of rows', 'entry f(x: [.., T]) -> [..] { scan t in T with h = 0 { h <- h + x[t] * t };  h }',
          dict(x=x), x @ np.arange(3))
    c.add('scan down', 'entry f(r: [T]) { scan t in T down with g = 0 { g <- r[t] + 0.9 * g;  y[t] = g };  y }',
          dict(r=x[:, 0]), lambda d: np.array([sum(0.9**(s - t) * x[s, 0] for s in range(t, 6)) for t in range(6)],
                                              np.float32))
    c.add('while', 'entry f(x: []) -> [] { while h < 100 with h = x { h <- h * 2 };  h }',
          dict(x=np.float32(3)), np.float32(192))
    c.add('while with a limit', 'entry f(x: []) { while h < 100 with h = x limit t in 50 { h <- h * 2;  y[t] = h };  y }',
          dict(x=np.float32(3)), np.array([6, 12, 24, 48, 96, 192], np.float32))
    c.add('branch', 'entry f(x: [K]) -> [K] { if sum(x) > 0 { y = x * 2 } else { y = -x };  y }',
          dict(x=np.abs(x[0])), np.abs(x[0]) * 2)
    c.add('branch with value', 'entry f(x: [K]) -> [K] { if sum(x) > 0 { x * 2 } else { -x } }',
          dict(x=-np.abs(x[0])), np.abs(x[0]))
    c.add('branch in a loop', 'entry f(x: [T]) { scan t in T with h = 0, n = 0 { if x[t] > 0 { h <- h + x[t];  n <- n + 1 } };  [h, n] }',
          dict(x=x[:, 1]), lambda d: np.array([x[x[:, 1] > 0, 1].sum(), (x[:, 1] > 0).sum()], np.float32))
    c.add('repeat', 'entry f(x: [K]) { repeat i in 3 { x = x * 2 + i };  x }', dict(x=x[0]), x[0] * 8 + 4)
    c.add('repeat stacks', 'entry f(x: [K]) { repeat i in 3 { y[i, :] = x * i };  y }', dict(x=x[0]),
          np.stack([x[0] * i for i in range(3)]))
    c.add('loop in a loop', 'entry f(x: [A, B]) { scan a in A with s = 0 { scan b in B with s = s { s <- s * 0.5 + x[a, b] };  s <- s };  s }'
          .replace('scan b in B with s = s { s <- s', 'scan b in B with r = s { r <- r').replace('s <- s };  s }', 's <- r };  s }'),
          dict(x=x), lambda d: loop_of(x))
    c.add('reshape in a pipe', 'entry f(x: [.., 6]) = x |> reshape([2, 3]) |> reshape([3, 2])', dict(x=x.reshape(3, 6)),
          x.reshape(3, 3, 2))
    c.add('state', 'state n: [3] = 0\nentry f(x: [3]) { n <- n + x;  n * 2 }', dict(x=x[0]), x[0] * 2)
    c.add('index put into a state', 'state row: int<4>[6] = 0\nentry f(x: int<4>, i: int<6>) -> int<4>[6] '
          '{ row[i] <- x;  row <- row;  row }', dict(x=np.int64(3), i=np.int64(2)), np.eye(6, dtype=int)[2] * 3)


def model(path):
    """relu(x @ w + b) @ v, as an ONNX file; the value `h` is in the middle."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    rng = np.random.default_rng(5)
    arrays = {'fc.w': rng.standard_normal((4, 6)), 'fc.b': rng.standard_normal(6),
              'out.w': rng.standard_normal((6, 2))}
    arrays = {k: v.astype(np.float32) for k, v in arrays.items()}
    nodes = [helper.make_node('MatMul', ['x', 'fc.w'], ['xw']),
             helper.make_node('Add', ['xw', 'fc.b'], ['a']), helper.make_node('Relu', ['a'], ['h']),
             helper.make_node('MatMul', ['h', 'out.w'], ['y'])]
    graph = helper.make_graph(
        nodes, 'small', [helper.make_tensor_value_info('x', TensorProto.FLOAT, ['N', 4])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, ['N', 2])],
        [numpy_helper.from_array(v, k) for k, v in arrays.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 21)]), path)
    return arrays


def import_cases(c, work):
    a = model(work / 'small.onnx')
    x = c.real(3, 4)
    h = np.maximum(x @ a['fc.w'] + a['fc.b'], 0)
    head = 'import "small.onnx" as b\n'
    c.add('imported model', head + 'entry f(x: [N, 4]) = b(x)', dict(x=x), h @ a['out.w'])
    c.add('imported up to a value', head + 'entry f(x: [N, 4]) -> [N] { h = b.until("h")(x);  y[n] = sum[k] h[n, k] }',
          dict(x=x), h.sum(1))
    (work / 'blocks.ingot').write_text('config k = 3\nfn scaled(x: [.., K]) = x * k\n')
    c.add('imported file', 'import "blocks.ingot"\nentry f(x: [.., 4]) = blocks.scaled(x)', dict(x=x), x * 3)
    c.add('imported name', 'import "blocks.ingot" (scaled)\nentry f(x: [.., 4]) = scaled(x)', dict(x=x), x * 3)


def loop_of(x):
    s = 0
    for v in x.reshape(-1):
        s = s * 0.5 + v
    return np.float32(s)


def function_cases(c):
    x = c.real(4, 3, 5)
    c.add('attention', 'entry f(q: [.., A, K], k: [.., B, K], v: [.., B, E]) = attend(q, k, v)',
          dict(q=c.real(2, 3, 4), k=c.real(2, 5, 4), v=c.real(2, 5, 6)),
          lambda d: softmax(d['q'] @ d['k'].transpose(0, 2, 1) / 2) @ d['v'])
    c.add('causal', 'entry f(q: [A, K], k: [B, K], v: [B, E]) = attend(q, k, v, causal = true)',
          dict(q=c.real(4, 4), k=c.real(4, 4), v=c.real(4, 6)),
          lambda d: softmax(np.where(np.tri(4) > 0, d['q'] @ d['k'].T / 2, -np.inf)) @ d['v'])
    c.add('mapped by subscripts', 'fn norm(x: [K]) -> [K] = x / sqrt(sum(x^2))\n'
          'entry f(x: [A, B, K]) { y[b, a, :] = norm(x[a, b]) }', dict(x=x),
          (x / np.sqrt((x**2).sum(-1, keepdims=True))).transpose(1, 0, 2))
    c.add('mapped by ..', 'fn norm(x: [.., K]) -> [.., K] = x / sqrt(sum(x^2))\nentry f(x: [.., A, B, K]) = norm(x)',
          dict(x=x[None]), (x / np.sqrt((x**2).sum(-1, keepdims=True)))[None])
    c.add('solved extent', 'fn pairs(x: [.., 2 * M]) -> [.., M] { y[m] = x[2 * m] + x[2 * m + 1] }\n'
          'entry f(x: [.., 6]) = pairs(x)', dict(x=x.reshape(10, 6)),
          x.reshape(10, 3, 2).sum(-1))
    c.add('recursion', 'fn power(n)(x) = if n == 0 then 1 else x * power(n - 1)(x)\n'
          'entry f(x: [K]) = power(5)(x)', dict(x=x[0, 0]), x[0, 0]**5)
    c.add('functions as configuration', 'fn twice(f)(x) = x |> f |> f\nentry f(x: [K]) = x |> twice(tanh)',
          dict(x=x[0, 0]), np.tanh(np.tanh(x[0, 0])))
    c.add('cross entropy', 'entry f(x: [.., 5], t: int<5>[..]) = cross_entropy(x, t)',
          dict(x=x[0], t=np.array([4, 0, 2])),
          lambda d: -np.log(softmax(x[0])[np.arange(3), [4, 0, 2]]))
    c.add('gradient', 'entry f(x: [K]) = grad(sum(x^3), x)', dict(x=x[0, 0]), 3 * x[0, 0]**2)
    w = c.real(4, 4)
    slope = 1 - np.tanh(w @ x[0, 0, :4])**2
    c.add('gradients in a loop by all of what it reads by parts',
          'entry f(w: [4, 4], x: [4]) -> [4, 4] { scan i in 4 { s = tanh(sum[j] w[i, j] * x[j])\n'
          '    y[i, :] = grad(s + x[i], x) }\n    y }',
          dict(w=w, x=x[0, 0, :4]), slope[:, None] * w + np.eye(4))
    d = dict(e=c.real(3, 16), w=c.real(16, 70), x=np.array([2, 0, 0, 2, 0, 2, 0, 0]))
    back = 2 * (d['e'] @ d['w'])[d['x']]
    at = np.eye(3, dtype=np.float32)[d['x']]
    looked_up = ('entry f(e: [3, 16], w: [16, 70], x: int<3>[8]) '
                 '{ y[b, k] = sum[j] e[x[b], j] * w[j, k];  grad(sum(y^2), %s) }')
    c.add('gradient by a table', looked_up % 'e', d, at.T @ back @ d['w'].T)
    c.add('gradient by what multiplies rows of a table', looked_up % 'w', d, d['e'][d['x']].T @ back)
    c.add('a declared bound holds inside',
          'fn wide(s: int<7>[..]) -> [.., 7] = onehot(s)\n'
          'entry f(x: int<3>[..]) -> [.., 7] { z: int<7> = 3;  wide(x) + 0 * onehot(z) + 0 * wide(3) }',
          dict(x=np.array([2, 0])), np.eye(7, dtype=np.float32)[[2, 0]])
    c.add('one-hot', 'entry f(x: int<4>[..]) = onehot(x)', dict(x=np.array([2, 0, 3])),
          np.eye(4, dtype=np.float32)[[2, 0, 3]])
    c.add('bytes', 'entry f(x: u8[.., 4]) -> u8[.., 4] = u8(real(x) * 2)',
          dict(x=np.array([[1, 2, 100, 200]], np.uint8)), np.array([[2, 4, 200, 255]], np.uint8))
    c.add('integers', 'entry f(x: int[K]) -> int[K] = x // 3 + x % 3 * 100',
          dict(x=np.array([-7, -1, 0, 5])), np.array([-7, -1, 0, 5]) // 3 + np.array([-7, -1, 0, 5]) % 3 * 100)
    c.add('literals are exact', 'entry f(x: int[K]) -> int[K] = x * 0x7FFF_FFFF_FFFF_FFFF + 9007199254740993',
          dict(x=np.array([0, 1, -1])), np.array([0, 1, -1]) * (2**63 - 1) + np.array(2**53 + 1))
    c.add('integers beyond any extent wrap', 'entry f(a: int, b: int) -> int '
          '{ h = a;  repeat i in 70 { h = h * 31 + b };  h }', dict(a=np.int64(3), b=np.int64(-7)),
          np.int64(-1452087066544004317))
    c.add('extent that values choose', 'entry f(x: [2, 6], s: int[2]) -> [_, _] { a = number(s[0]);  b = number(s[1])\n'
          '    reshape(x, [if a == 0 then 2 else a, if not (b != -1) and a > 0 then 12 // a else b]) }',
          dict(x=np.arange(12, dtype=np.float32).reshape(2, 6), s=np.array([3, -1])),
          np.arange(12, dtype=np.float32).reshape(3, 4))
    c.add('an int of the run stays one in a loop', 'entry f(n: int) -> int '
          '{ while m > 1 with m = n - 1, k: int = 0 { m <- m // 2;  k <- k + 1 };  k }', dict(n=np.int64(2**62)),
          np.int64(61))
    c.add('an int is an extent', 'entry f(n: int) -> [n] { y[i in n] = real(i) * 2;  y }', dict(n=np.int64(4)),
          np.arange(4, dtype=np.float32) * 2)


def onnx_cases(c):
    x = c.real(3, 4)
    c.add('operator of ONNX', 'entry f(x: [N, 4]) = onnx.Softmax(onnx.Gemm(x, x, transB = 1), axis = 0)', dict(x=x),
          lambda d: softmax((x @ x.T).T).T)
    c.add('operator of an older set', 'entry f(x: [2, 6]) = onnx.Softmax(onnx.Reshape(x, [2, 3, 2]), axis = 1, '
          'version = 11) |> flatten', dict(x=x.reshape(2, 6)), softmax(x.reshape(2, 6)).reshape(-1))
    c.add('second result of an operator', 'entry f(x: [N, 4]) { v, i = onnx.TopK(x, [2], axis = 1);  i }', dict(x=x),
          np.argsort(-x, 1)[:, :2])
    c.add('operand left out', 'entry f(x: [1, 1, 3, 4]) = onnx.Resize(x, _, [1.0, 1.0, 2.0, 1.0], mode = "nearest")',
          dict(x=x[None, None]), x.repeat(2, 0)[None, None])
    c.add('tensor attribute', 'entry f(n: int) = onnx.ConstantOfShape([2, 3], value = [1.5])', dict(n=np.int64(1)),
          np.full((2, 3), 1.5, np.float32))


def check(ingot, work, case):
    name, source, inputs, expected, entry = case
    path = work / 'case.ingot'
    path.write_text(source + '\n')
    want = expected[0](inputs) if callable(expected[0]) else expected[0]
    states = None
    if 'state ' in source or '.onnx' in source:
        states = work / 'case.st'
    for engine in ENGINES:
        if states:
            states.unlink(missing_ok=True)
        got = run(ingot, work, path, entry, engine, inputs, states)
        if isinstance(got, str):
            return f'{engine}: {got}'
        fault = close(list(got.values())[0], np.asarray(want))
        if fault:
            return f'{engine}: {fault}'
    return None


# What the dims of these programs are.
DIMS = {'V': 11, 'W': 9, 'K': 5, 'P': 6}


def random_input(rng, line):
    """%x: f32[N,2] as an array, %n: i64[] = @1, too."""
    kind, _, rest = line.partition(' = ')[0].partition('[')
    dims = [d for d in rest.rstrip(']').split(',') if d]
    shape = [int(d) if d.isdigit() else 3 for d in dims]
    if kind.startswith('f'):
        return rng.standard_normal(shape).astype(kind.replace('f', 'float'))
    if kind == 'bool':
        return rng.random(shape) < 0.5
    return rng.integers(0, 3, shape).astype({'i': 'int', 'u': 'uint'}[kind[0]] + kind[1:])


def dims_of(program):
    """Options for the dims that the program leaves to its data."""
    left = re.findall(r'\w+', ' '.join(re.findall(r'^dim (.*)$', program.read_text(), re.M)))
    return [x for name in left if name in DIMS for x in ('--dim', f'{name}={DIMS[name]}')]


def check_program(ingot, work, program):
    """Every entry by both engines, with weights that `init` draws."""
    options = dims_of(program)
    text = subprocess.run([ingot, 'inspect', program, *options], capture_output=True, text=True)
    if text.returncode:
        return text.stdout + text.stderr
    heads = [line for line in text.stdout.splitlines() if line.startswith('entry ')]
    rng = np.random.default_rng(3)
    if any(h.startswith('entry init(') for h in heads):
        weights = work / 'weights.safetensors'
        done = subprocess.run([ingot, 'init', program, '--seed', '3', '-o', weights, *options],
                              capture_output=True, text=True)
        if done.returncode:
            return f'init: {done.stderr}'
        options = ['--weights', weights]
    for h in heads:
        name, _, rest = h[6:].partition('(')
        if name == 'init':
            continue
        inputs = {}
        for part in rest[:rest.index(')')].split(', %') if rest[0] != ')' else []:
            key, _, kind = part.strip('%').partition(': ')
            inputs[key.strip('"')] = random_input(rng, kind)
        results = [run(ingot, work, program, name, e, inputs, None, options) for e in ENGINES]
        for r in results:
            if isinstance(r, str):
                return f'{name}: {r}'
        for key in results[0]:
            fault = close(results[1][key], results[0][key])
            if fault:
                return f'{name}, {key}: {fault}'
    return None


def main():
    ingot = str(pathlib.Path(sys.argv[1]).resolve())
    wanted = sys.argv[2:]
    cases = Cases()
    for add in subscript_cases, sum_cases, conv_cases, control_cases, function_cases, onnx_cases:
        add(cases)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        import_cases(cases, work)
        tests = [(c[0], lambda c=c: check(ingot, work, c)) for c in cases.all]
        tests += [(p.stem, lambda p=p: check_program(ingot, work, p))
                  for folder in (HERE.parent / 'examples', HERE / 'programs')
                  for p in sorted(folder.glob('*.ingot')) if '.onnx"' not in p.read_text()]
        for name, test in tests:
            if wanted and name not in wanted:
                continue
            fault = test()
            passed, failed = passed + (not fault), failed + bool(fault)
            if fault:
                print(f'failed: {name}: {fault}')
    print(f'{passed} passed, {failed} failed, 0 skipped')
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
