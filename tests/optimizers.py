#!/usr/bin/env python3
"""Each optimizer and schedule of the prelude beside its formula in NumPy: four steps of a
linear model, all rows in each.
usage: optimizers.py INGOT"""
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from math import cos, pi
from pathlib import Path

import numpy as np

from safetensors_file import read_safetensors

INGOT = Path(sys.argv[1]).resolve()
PRELUDE = Path(__file__).parent.parent / 'frontend/prelude/optimizers.ingot'
STEPS = 4
X = np.array([[1, 2], [3, -1], [-2, 0.5], [0.25, 1]])
T = np.array([1, -1, 0.5, 2])
FIRST = np.array([0.5, -0.3])
PROGRAM = '''net n(x: [.., 2]) -> [..] {{ param w: [2] = [0.5, -0.3];  sum[i] x[i] * w[i] }}
train t(x: [.., 2], t: [..]) {{
    data x, t = [[1, 2, 1], [3, -1, -1], [-2, 0.5, 0.5], [0.25, 1, 2]]
    minimize mse(n(x), t) using {};  batch 4;  epochs 4
}}
'''


def adam_moments(s, g, b1=0.9, b2=0.999):
    s['m'] = b1 * s.get('m', 0) + (1 - b1) * g
    s['v'] = b2 * s.get('v', 0) + (1 - b2) * g ** 2
    return s['m'] / (1 - b1 ** s['step']), np.sqrt(s['v'] / (1 - b2 ** s['step']))


def sgd(lr, l1=0, l2=0):
    return lambda w, g, s: w - (lr(s['step']) if callable(lr) else lr) * (g + l1 * np.sign(w) + l2 * w)


def momentum(w, g, s):
    s['m'] = 0.9 * s.get('m', 0) + g + 0.1 * w
    return w - 0.05 * s['m']


def nesterov(w, g, s):
    s['m'] = 0.9 * s.get('m', 0) + g
    return w - 0.05 * (g + 0.9 * s['m'])


def adagrad(w, g, s):
    s['v'] = s.get('v', 0) + g ** 2
    return w - 0.1 * g / (np.sqrt(s['v']) + 1e-10)


def rmsprop(w, g, s):
    s['v'] = 0.99 * s.get('v', 0) + 0.01 * g ** 2
    return w - 0.01 * g / (np.sqrt(s['v']) + 1e-8)


def adam(w, g, s):
    m, v = adam_moments(s, g)
    return w - 0.1 * m / (v + 1e-8)


def adamw(w, g, s):
    m, v = adam_moments(s, g)
    return w * (1 - 0.1 * 0.01) - 0.1 * m / (v + 1e-8)


def lamb(w, g, s):
    m, v = adam_moments(s, g)
    u = m / (v + 1e-6) + 0.01 * w
    return w - 0.1 * np.sqrt((w ** 2).sum()) / np.sqrt((u ** 2).sum()) * u


def lion(w, g, s):
    old, s['m'] = s.get('m', 0), 0.99 * s.get('m', 0) + 0.01 * g
    return w * (1 - 0.01 * 0.1) - 0.01 * np.sign(0.9 * old + 0.1 * g)


def waves(step):
    return 0.1 * step / 2 if step < 2 else 0.01 + 0.09 * (0.5 + 0.5 * cos(pi * (step - 2) / (STEPS - 2)))


CASES = {
    'sgd(0.1, l1 = 0.2, l2 = 0.3)': sgd(0.1, 0.2, 0.3),
    'momentum(0.05, l2 = 0.1)': momentum,
    'nesterov(0.05)': nesterov,
    'adagrad(0.1)': adagrad,
    'rmsprop': rmsprop,
    'adam(0.1)': adam,
    'adamw(0.1)': adamw,
    'lamb(0.1)': lamb,
    'lion(0.01, decay = 0.1)': lion,
    'sgd(warmed(0.1, 3))': sgd(lambda step: 0.1 * min(step / 3, 1)),
    'sgd(stairs(0.1, 2, by = 0.5))': sgd(lambda step: 0.1 * 0.5 ** ((step - 1) // 2)),
    'sgd(exponential(0.1, 0.5))': sgd(lambda step: 0.1 * 0.5 ** (step - 1)),
    'sgd(cosine(0.1, warmup = 2, low = 0.01))': sgd(waves),
}


def verdict(using):
    """None, or what is wrong."""
    w, s = FIRST, {}
    for s['step'] in range(1, STEPS + 1):
        w = CASES[using](w, 2 * X.T @ (X @ w - T) / len(T), s)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, 'p.ingot').write_text(PROGRAM.format(using))
        done = subprocess.run([INGOT, 'train', 'p.ingot', '--run', '--threads', '1', '--save', 'w.safetensors'],
                              cwd=folder, capture_output=True, text=True)
        if done.returncode:
            return done.stderr
        got = read_safetensors(Path(folder, 'w.safetensors'))['n.w']
    off = abs(got - w).max()
    return None if off < 1e-5 else f'off by {off}'


def main():
    with ThreadPoolExecutor(2) as pool:
        wrong = dict(zip(CASES, pool.map(verdict, CASES)))
    used = ' '.join(CASES)
    for name in re.findall(r'^optimizer (\w+)', PRELUDE.read_text(), re.M):
        if name not in used:
            wrong[name] = 'has no case'
    for name, reason in wrong.items():
        if reason:
            print(f'FAILED {name}: {reason}')
    failed = sum(v is not None for v in wrong.values())
    print(f'{len(wrong) - failed} passed, {failed} failed, 0 skipped')
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
