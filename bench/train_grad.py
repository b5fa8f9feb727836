#!/usr/bin/env python3
"""Times one forward and backward pass of small training steps, beside JAX.

usage: train_grad.py [--ingot build/ingot] [--threads 1] [--runs 20] [--rounds 3] [CASE...]

A CASE is mlp32, mlp256, cnn or transformer; all by default.  Networks are written as
tensor IR with a gradient request and, with equal values, as functions of JAX, which a
virtual environment must have.  Gradients are compared, each relative to its largest element
or a thousandth of the largest of all; then both take turns, and the minimum over all runs
counts.  JAX takes as many threads as the process may use CPUs.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

try:
    import jax
    import jax.numpy as jnp
    import numpy as np
except ModuleNotFoundError as error:
    sys.exit(f'{error}: pip install jax in a virtual environment, and run this with its python')


class Net:
    """A network in both forms: values carry their shape and the name in the IR."""

    def __init__(self):
        self.lines, self.params, self.weights, self.data = [], [], [], {}
        self.random = np.random.default_rng(1)

    def input(self, name, value, weight=False):
        kind = {'float32': 'f32', 'int32': 'i32'}[str(value.dtype)]
        shape = ','.join(map(str, value.shape))
        self.params.append(f'%{name}: {kind}[{shape}]')
        self.data[name] = value
        if weight:
            self.weights.append((name, f'{kind}[{shape}]'))
        return f'%{name}', value.shape

    def weight(self, *shape):
        scale = 0.5 / np.sqrt(max(np.prod(shape[:-1]), 1))
        value = (self.random.standard_normal(shape) * scale).astype(np.float32)
        return self.input(f'w{len(self.weights)}', value, weight=True)

    def op(self, text, shape, kind='f32'):
        name = f'%v{len(self.lines)}'
        self.lines.append(f'  {name} = {text} : {kind}[{",".join(map(str, shape))}]')
        return name, tuple(shape)

    def number(self, value, shape):
        c = self.op(f'const {value}', ())
        return self.op(f'broadcast {c[0]} {{shape={list(shape)}}}', shape)

    def spread(self, x, shape, axes):
        return self.op(f'broadcast {x[0]} {{shape={list(shape)}, axes={axes}}}', shape)

    def two(self, name, x, y):
        return self.op(f'{name} {x[0]}, {y[0]}', x[1])

    def one(self, name, x):
        return self.op(f'{name} {x[0]}', x[1])

    def reduce(self, x, axes, name='sum'):
        shape = [d for i, d in enumerate(x[1]) if i not in axes]
        return self.op(f'reduce {x[0]} {{axes={axes}, op={name}}}', shape)

    def reshape(self, x, shape):
        return self.op(f'reshape {x[0]} {{shape={list(shape)}}}', shape)

    def relu(self, x):
        zero = self.number(0, x[1])
        at = self.op(f'le {x[0]}, {zero[0]}', x[1], 'bool')
        return self.op(f'select {at[0]}, {zero[0]}, {x[0]}', x[1])

    def dense(self, x, width):
        n, k = x[1]
        w, b = self.weight(k, width), self.weight(width)
        y = self.op(f'dot {x[0]}, {w[0]} {{sum_a=[1], sum_b=[0]}}', (n, width))
        return self.two('add', y, self.spread(b, y[1], [1]))

    def softmax_parts(self, x):
        """x minus its maximum along the last axis, and the sums of its exponentials."""
        last = len(x[1]) - 1
        top = self.one('detach', self.reduce(x, [last], 'max'))
        x = self.two('sub', x, self.spread(top, x[1], list(range(last))))
        return x, self.reduce(self.one('exp', x), [last])

    def cross_entropy(self, x, label):
        n, k = x[1]
        x, total = self.softmax_parts(x)
        place = self.op(f'iota {{shape={[n, k]}, axis=1, dtype=i32}}', (n, k), 'i32')
        want = self.op(f'broadcast {label[0]} {{shape={[n, k]}, axes=[0]}}', (n, k), 'i32')
        hit = self.op(f'eq {place[0]}, {want[0]}', (n, k), 'bool')
        own = self.op(f'select {hit[0]}, {x[0]}, {self.number(0, x[1])[0]}', x[1])
        rows = self.two('sub', self.one('log', total), self.reduce(own, [1]))
        return self.two('mul', self.reduce(rows, [0]), self.op(f'const {1 / n}', ()))

    def text(self, loss):
        names = ', '.join('%' + n for n, _ in self.weights)
        grads = [f'%g{i}' for i in range(len(self.weights))]
        types = ', '.join(t for _, t in self.weights)
        results = ', '.join(f'{n}={g}' for (n, _), g in zip(self.weights, grads))
        return '\n'.join([f'entry main({", ".join(self.params)}) {{', *self.lines,
                          f'  {", ".join(grads)} = grad {loss[0]}, {names} : {types}',
                          f'  return loss={loss[0]}, {results}', '}', ''])


def labels(net, n, classes):
    return net.input('t', net.random.integers(0, classes, n).astype(np.int32))


def jax_dense(w, x):
    return x @ next(w) + next(w)


def jax_cross_entropy(x, t):
    x = x - jax.lax.stop_gradient(x.max(-1, keepdims=True))
    own = jnp.take_along_axis(x, t[:, None], 1)[:, 0]
    return (jnp.log(jnp.exp(x).sum(-1)) - own).mean()


# ---- networks: build(net) gives the loss, the function of (weights, data) the same ---------

def mlp(n):
    def build(net):
        x = net.input('x', net.random.random((n, 784)).astype(np.float32))
        t = labels(net, n, 10)
        x = net.relu(net.dense(x, 128))
        x = net.relu(net.dense(x, 64))
        return net.cross_entropy(net.dense(x, 10), t)

    def loss(weights, x, t):
        w = iter(weights)
        x = jax.nn.relu(jax_dense(w, x))
        x = jax.nn.relu(jax_dense(w, x))
        return jax_cross_entropy(jax_dense(w, x), t)

    return build, loss


def cnn_layer(net, x, width):
    n, c, h, _ = x[1]
    w, b = net.weight(width, c, 3, 3), net.weight(width)
    roles = 'xb=[0], xf=[1], xs=[2,3], wo=[0], wf=[1], ws=[2,3], yb=[0], yo=[1], ys=[2,3]'
    y = net.op(f'conv {x[0]}, {w[0]} {{{roles}}}', (n, width, h - 2, h - 2))
    return net.relu(net.two('add', y, net.spread(b, y[1], [1])))


def cnn(n):
    def build(net):
        x = net.input('x', net.random.random((n, 1, 28, 28)).astype(np.float32))
        t = labels(net, n, 10)
        x = cnn_layer(net, cnn_layer(net, x, 32), 64)
        box = 'size=[1,1,2,2], stride=[1,1,2,2], dil=[1,1,1,1], low=[0,0,0,0], high=[0,0,0,0]'
        x = net.op(f'window {x[0]} {{{box}, op=max}}', (n, 64, 12, 12))
        x = net.relu(net.dense(net.reshape(x, (n, 9216)), 128))
        return net.cross_entropy(net.dense(x, 10), t)

    def loss(weights, x, t):
        w = iter(weights)
        for _ in range(2):
            x = jax.lax.conv(x, next(w), (1, 1), 'VALID') + next(w)[:, None, None]
            x = jax.nn.relu(x)
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), 'VALID')
        x = jax.nn.relu(jax_dense(w, x.reshape(n, -1)))
        return jax_cross_entropy(jax_dense(w, x), t)

    return build, loss


def layer_norm(net, x):
    n, d = x[1]
    each = net.number(1 / d, (n,))
    mean = net.two('mul', net.reduce(x, [1]), each)
    x = net.two('sub', x, net.spread(mean, x[1], [0]))
    var = net.two('mul', net.reduce(net.two('mul', x, x), [1]), each)
    root = net.one('sqrt', net.two('add', var, net.number(1e-5, (n,))))
    x = net.two('div', x, net.spread(root, x[1], [0]))
    x = net.two('mul', x, net.spread(net.weight(d), x[1], [1]))
    return net.two('add', x, net.spread(net.weight(d), x[1], [1]))


def attention(net, x, b, t, heads):
    """Of the last b * t rows of x, t to a sequence: causal."""
    n, d = x[1]
    k = d // heads
    q, key, v = (net.reshape(net.dense(x, d), (b, t, heads, k)) for _ in range(3))
    full = (b, heads, t, t)
    s = net.op(f'dot {q[0]}, {key[0]} {{batch_a=[0,2], batch_b=[0,2], sum_a=[3], sum_b=[3]}}', full)
    s = net.two('mul', s, net.number(k ** -0.5, full))
    row, column = (net.op(f'iota {{shape={list(full)}, axis={a}, dtype=i32}}', full, 'i32')
                   for a in (2, 3))
    seen = net.op(f'le {column[0]}, {row[0]}', full, 'bool')
    s = net.op(f'select {seen[0]}, {s[0]}, {net.number(-1e9, full)[0]}', full)
    s, total = net.softmax_parts(s)
    p = net.two('div', net.one('exp', s), net.spread(total, full, [0, 1, 2]))
    o = net.op(f'dot {p[0]}, {v[0]} {{batch_a=[0,1], batch_b=[0,2], sum_a=[3], sum_b=[1]}}',
               (b, heads, t, k))
    o = net.op(f'transpose {o[0]} {{perm=[0,2,1,3]}}', (b, t, heads, k))
    return net.dense(net.reshape(o, (n, d)), d)


def gelu(net, x):
    e = net.one('erf', net.two('mul', x, net.number(0.5 ** 0.5, x[1])))
    e = net.two('add', e, net.number(1, x[1]))
    return net.two('mul', net.two('mul', x, net.number(0.5, x[1])), e)


def jax_norm(w, x):
    x = x - x.mean(-1, keepdims=True)
    return x / jnp.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * next(w) + next(w)


def jax_attention(w, x, b, t, heads):
    d = x.shape[1]
    q, k, v = (jax_dense(w, x).reshape(b, t, heads, -1) for _ in range(3))
    s = jnp.einsum('bthd,bshd->bhts', q, k) * (d // heads) ** -0.5
    s = jax.nn.softmax(jnp.where(jnp.tril(jnp.ones((t, t), bool)), s, -1e9))
    return jax_dense(w, jnp.einsum('bhts,bshd->bthd', s, v).reshape(b * t, d))


def transformer(b, t, d=128, heads=4, classes=65, layers=2):
    def build(net):
        x = net.input('x', net.random.standard_normal((b * t, d)).astype(np.float32))
        label = labels(net, b * t, classes)
        for _ in range(layers):
            x = net.two('add', x, attention(net, layer_norm(net, x), b, t, heads))
            y = gelu(net, net.dense(layer_norm(net, x), 4 * d))
            x = net.two('add', x, net.dense(y, d))
        return net.cross_entropy(net.dense(layer_norm(net, x), classes), label)

    def loss(weights, x, label):
        w = iter(weights)
        for _ in range(layers):
            x = x + jax_attention(w, jax_norm(w, x), b, t, heads)
            y = jax.nn.gelu(jax_dense(w, jax_norm(w, x)), approximate=False)
            x = x + jax_dense(w, y)
        return jax_cross_entropy(jax_dense(w, jax_norm(w, x)), label)

    return build, loss


CASES = {'mlp32': mlp(32), 'mlp256': mlp(256), 'cnn': cnn(64), 'transformer': transformer(16, 64)}


# ---- runs ----------------------------------------------------------------------------------

def write(net, loss, folder):
    model = folder / 'step.ir'
    model.write_text(net.text(loss))
    for name, value in net.data.items():
        np.save(folder / f'{name}.npy', value)
    return model


def gradients(ingot, model, net, folder):
    inputs = [a for n in net.data for a in ('--input', f'{n}={folder / n}.npy')]
    subprocess.run([ingot, 'run', model, *inputs, '--output-dir', folder / 'out'], check=True,
                   stdout=subprocess.DEVNULL)
    return [np.load(folder / 'out' / f'{n}.npy') for n, _ in net.weights]


def milliseconds(ingot, model, threads, runs):
    out = subprocess.run([ingot, 'bench', model, '--engine', 'compiled', '--threads', str(threads),
                          '--runs', str(runs)], check=True, capture_output=True, text=True).stdout
    return float(re.search(rf'compiled +{threads} +([\d.]+)', out)[1])


def jax_milliseconds(step, args, runs):
    best = float('inf')
    for _ in range(runs):
        start = time.perf_counter()
        jax.block_until_ready(step(*args))
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def measure(name, options):
    build, loss = CASES[name]
    net = Net()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        model = write(net, build(net), folder)
        step = jax.jit(jax.value_and_grad(loss))
        weights = [jnp.asarray(net.data[n]) for n, _ in net.weights]
        args = (weights, jnp.asarray(net.data['x']), jnp.asarray(net.data['t']))
        want = step(*args)[1]
        got = gradients(options.ingot, model, net, folder)
        least = 1e-3 * max(np.abs(w).max() for w in want)   # a bias of keys has the gradient 0
        apart = max(np.abs(g - w).max() / max(np.abs(w).max(), least) for g, w in zip(got, want))
        ours = peer = float('inf')
        for _ in range(options.rounds):
            ours = min(ours, milliseconds(options.ingot, model, options.threads, options.runs))
            peer = min(peer, jax_milliseconds(step, args, options.runs))
    print(f'{name:12} {ours:9.3f} {peer:9.3f} {ours / peer:6.2f} {apart:9.1e}', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--ingot', default='build/ingot')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--runs', type=int, default=20)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('case', nargs='*', default=[], help=f'of {", ".join(CASES)}')
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    print(f'{"":12} {"ingot ms":>9} {"JAX ms":>9} {"ratio":>6} {"apart":>9}')
    for name in options.case or CASES:
        measure(name, options)


if __name__ == '__main__':
    main()
