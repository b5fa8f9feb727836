"""JAX and PyTorch as sides of a comparison: the operations that bench/training/nets.py is
written in, gradients, and optimizers.

A value is an array of the side; parameters are a dict from the paths of an ingot program to
arrays.  Both sides compute in the type of the parameters.
"""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / 'build/peers'


def set_up():
    """Goes on in build/peers, a virtual environment with JAX and PyTorch of its own: some
    6 GB, for PyTorch brings libraries for accelerators that it does not run without."""
    wanted = ROOT / 'bench/training/requirements.txt'
    python, stamp = FOLDER / 'bin/python', FOLDER / 'requirements'
    if pathlib.Path(sys.prefix).resolve() == FOLDER.resolve():
        return
    if not stamp.exists() or stamp.read_bytes() != wanted.read_bytes():
        subprocess.run([sys.executable, '-m', 'venv', FOLDER], check=True)
        subprocess.run([python, '-m', 'pip', 'install', '-q', '--no-deps', '--require-hashes',
                        '--only-binary=:all:', '-r', wanted], check=True)
        stamp.write_bytes(wanted.read_bytes())
    os.execv(python, [python, *sys.argv])


class Jax:
    """XLA takes as many threads as the process may use CPUs when this is made."""
    name = 'JAX'

    def __init__(self, real, _threads):
        import jax
        jax.config.update('jax_enable_x64', real == 'f64')
        jax.config.update('jax_default_matmul_precision', 'highest')
        self.jax, self.numpy, self.real = jax, jax.numpy, real
        self.relu, self.sigmoid, self.exp = jax.nn.relu, jax.nn.sigmoid, jax.numpy.exp
        self.tanh = jax.numpy.tanh

    def array(self, value):
        return self.jax.numpy.asarray(value)

    @staticmethod
    def host(value):
        import numpy
        return numpy.asarray(value)

    def gelu(self, x):
        return self.jax.nn.gelu(x, approximate=False)

    def conv(self, x, w, b):
        return self.jax.lax.conv(x, w, (1, 1), 'VALID') + b[:, None, None]

    def max_pool(self, x, size):
        box = (1, 1, size, size)
        return self.jax.lax.reduce_window(x, -self.numpy.inf, self.jax.lax.max, box, box, 'VALID')

    def norm(self, x, scale, shift):
        x = x - x.mean(-1, keepdims=True)
        return x / self.numpy.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * scale + shift

    def attend(self, q, k, v):
        """Causal, of [B, T, heads, K]."""
        t, np = q.shape[1], self.numpy
        s = np.einsum('bthd,bshd->bhts', q, k) * q.shape[-1] ** -0.5
        p = self.jax.nn.softmax(np.where(np.tril(np.ones((t, t), bool)), s, -np.inf))
        return np.einsum('bhts,bshd->bthd', p, v)

    def over_time(self, cell, x, state):
        """The outputs of a cell over [B, T, I]; its step gives a new state, an output first."""
        def step(carried, x_t):
            carried = cell(x_t, *carried)
            return carried, carried[0]
        y = self.jax.lax.scan(step, state, x.swapaxes(0, 1))[1]
        return y.swapaxes(0, 1)

    def lstm(self, x, w, u, b):
        """Gates: forget, take in, new, give out; the products of x stand before the loop."""
        def cell(a, h, c):
            a = a + self.numpy.einsum('bj,gjk->bgk', h, u)
            c = self.sigmoid(a[:, 0]) * c + self.sigmoid(a[:, 1]) * self.tanh(a[:, 2])
            return self.sigmoid(a[:, 3]) * self.tanh(c), c
        zero = self.numpy.zeros((x.shape[0], u.shape[1]), x.dtype)
        return self.over_time(cell, self.numpy.einsum('bti,gik->btgk', x, w) + b, (zero, zero))

    def gru(self, x, w, u, b):
        """Gates: reset, keep, new."""
        def cell(a, h):
            v = self.numpy.einsum('bj,gjk->bgk', h, u)
            r, z = self.sigmoid(a[:, 0] + v[:, 0]), self.sigmoid(a[:, 1] + v[:, 1])
            return ((1 - z) * self.tanh(a[:, 2] + r * v[:, 2]) + z * h,)
        zero = self.numpy.zeros((x.shape[0], u.shape[1]), x.dtype)
        return self.over_time(cell, self.numpy.einsum('bti,gik->btgk', x, w) + b, (zero,))

    def flip(self, x, axis):
        return self.numpy.flip(x, axis)

    def concat(self, parts):
        return self.numpy.concatenate(parts, -1)

    def cross_entropy(self, x, label):
        x = x.reshape(-1, x.shape[-1])
        own = self.numpy.take_along_axis(x, label.reshape(-1, 1), 1)[:, 0]
        return (self.jax.nn.logsumexp(x, -1) - own).mean()

    def gradients(self, loss):
        """The function of (parameters, x, y) that gives the loss and its gradients, done."""
        step = self.jax.jit(self.jax.value_and_grad(lambda p, x, y: loss(self, p, x, y)))
        return lambda p, x, y: self.jax.block_until_ready(step(p, x, y))

    def update(self, rule, rate, w, g, moments, t):
        """One step of one parameter: the new one and its moments."""
        if rule == 'sgd':
            return w - rate * g, moments
        if rule == 'momentum':
            m = 0.9 * moments[0] + g
            return w - rate * m, (m,)
        if rule == 'adamw':
            w = w * (1 - rate * 0.01)
        m, v = 0.9 * moments[0] + 0.1 * g, 0.999 * moments[1] + 0.001 * g * g
        m_hat, v_hat = m / (1 - 0.9 ** t), v / (1 - 0.999 ** t)
        return w - rate * m_hat / (self.numpy.sqrt(v_hat) + 1e-8), (m, v)

    def start(self, p):
        """What training carries: parameters, moments, steps so far."""
        zero = {k: (self.numpy.zeros_like(w),) * 2 for k, w in p.items()}
        return p, zero, self.numpy.zeros((), p[next(iter(p))].dtype)

    def trainer(self, loss, rule, rate):
        """The step: (what is carried, x, y) to that and the loss."""
        def step(carried, rows):
            p, moments, t = carried
            value, g = self.jax.value_and_grad(lambda q: loss(self, q, *rows))(p)
            new = {k: self.update(rule, rate, p[k], g[k], moments[k][:COUNT[rule]], t + 1)
                   for k in p}
            p = {k: w for k, (w, _) in new.items()}
            kept = {k: (*m, *moments[k][len(m):]) for k, (_, m) in new.items()}
            return (p, kept, t + 1), value
        return step

    def trained(self, loss, rule, rate, loop=False):
        """The function of (carried, all x, all y) that goes over batches on the first axis and
        gives carried and losses: a call each, or one compiled loop."""
        step = self.trainer(loss, rule, rate)
        if loop:
            scan = self.jax.jit(lambda c, x, y: self.jax.lax.scan(step, c, (x, y)))
            return lambda c, x, y: self.jax.block_until_ready(scan(c, x, y))
        once = self.jax.jit(step)

        def each(carried, x, y):
            losses = []
            for rows in zip(x, y):
                carried, value = once(carried, rows)
                losses.append(value)
            return self.jax.block_until_ready((carried, losses))
        return each


# Moments that a rule keeps.
COUNT = {'sgd': 0, 'momentum': 1, 'adam': 2, 'adamw': 2}


class Torch:
    name = 'PyTorch'

    def __init__(self, real, threads):
        import torch
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        self.torch, self.f, self.real = torch, torch.nn.functional, real
        self.sigmoid, self.tanh, self.gelu = torch.sigmoid, torch.tanh, self.f.gelu

    def array(self, value):
        return self.torch.from_numpy(value.copy())

    @staticmethod
    def host(value):
        return value.detach().numpy()

    def relu(self, x):
        return self.torch.relu(x)

    def max_pool(self, x, size):
        return self.f.max_pool2d(x, size)

    def conv(self, x, w, b):
        return self.f.conv2d(x, w, b)

    def norm(self, x, scale, shift):
        return self.f.layer_norm(x, scale.shape, scale, shift)

    def attend(self, q, k, v):
        q, k, v = (a.transpose(1, 2) for a in (q, k, v))
        return self.f.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)

    def recurrent(self, kind, x, w, u, b, order):
        """PyTorch's own layer; its gates stand in another order, its matrices the other way."""
        w, u = (a[order].transpose(1, 2).reshape(-1, a.shape[1]) for a in (w, u))
        b = b[order].reshape(-1)
        zero = x.new_zeros(1, x.shape[0], u.shape[1])
        state = (zero, zero) if kind == 'lstm' else zero
        args = state, (w, u, b, self.torch.zeros_like(b)), True, 1, 0., True, False, True
        return getattr(self.torch._VF, kind)(x, *args)[0]

    def lstm(self, x, w, u, b):
        return self.recurrent('lstm', x, w, u, b, [1, 0, 2, 3])

    def gru(self, x, w, u, b):
        return self.recurrent('gru', x, w, u, b, [0, 1, 2])

    def flip(self, x, axis):
        return x.flip(axis)

    def concat(self, parts):
        return self.torch.cat(parts, -1)

    def cross_entropy(self, x, label):
        return self.f.cross_entropy(x.reshape(-1, x.shape[-1]), label.reshape(-1).long())

    def gradients(self, loss):
        def step(p, x, y):
            for w in p.values():
                w.requires_grad_(True)
                w.grad = None
            value = loss(self, p, x, y)
            value.backward()
            return value, {k: w.grad for k, w in p.items()}
        return step

    def start(self, p):
        """What training carries: parameters alone, moments are the optimizer's."""
        return {k: w.clone().requires_grad_(True) for k, w in p.items()}

    def optimizer(self, rule, rate, weights):
        make = {'sgd': lambda w: self.torch.optim.SGD(w, rate, fused=True),
                'momentum': lambda w: self.torch.optim.SGD(w, rate, momentum=0.9, fused=True),
                'adam': lambda w: self.torch.optim.Adam(w, rate, fused=True),
                'adamw': lambda w: self.torch.optim.AdamW(w, rate, weight_decay=0.01, fused=True)}
        return make[rule](list(weights))

    def trained(self, loss, rule, rate):
        """As Jax.trained, with calls; the optimizer begins anew in each."""
        def each(p, x, y):
            optimizer, losses = self.optimizer(rule, rate, p.values()), []
            for rows in zip(x, y):
                optimizer.zero_grad()
                value = loss(self, p, *rows)
                value.backward()
                optimizer.step()
                losses.append(value.detach())
            return p, losses
        return each
