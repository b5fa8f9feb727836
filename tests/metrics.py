#!/usr/bin/env python3
"""What train blocks report against NumPy, which makes it of all rows at once.

usage: metrics.py INGOT [SEED]

The last batch is smaller than the others, and validation has several.  Formulas are written
down, or made up: their reductions over rows stand in lists, branches, subscripts, arguments
and sums over other indices.  Ends with a line `N passed, N failed, N skipped`.
"""
import csv
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from tally import Tally

W = np.array([1, -2, 0.5])
PROGRAM = '''config one = 1
fn root(x) = sqrt(x)
fn part(by = 2)(x) = x / by
net f(x: [.., 3]) -> [..] { param w: [3] = [1, -2, 0.5];  sum[i] w[i] * x[i] }
train t(x: [%(rows)s, 3], y: [%(rows)s], c: int<3>[%(rows)s]) {
    data x = "x.npy", y = "y.npy", c = "c.npy"
    valid x = "vx.npy", y = "vy.npy", c = "vc.npy"
    p = f(x);  four = 4
    minimize (p - y)^2 using sgd(0);  batch 8;  epochs 1;  accumulate %(pieces)d
'''


class Rows:
    """The columns, and what is made of them row by row."""

    def __init__(self, rng, n):
        self.x = rng.standard_normal((n, 3)).astype(np.float32)
        self.y = (rng.standard_normal(n) + 0.5).astype(np.float32)
        self.c = rng.integers(0, 3, n)

    def wide(self):
        """x, y, c and f(x) in 64 bits."""
        x = self.x.astype(float)
        return x, self.y.astype(float), self.c, x @ W


CARRIED = [
    ('y', lambda x, y, c, p: y.mean()),
    ('x', lambda x, y, c, p: x.mean()),
    ('(y - p)^2', lambda x, y, c, p: ((y - p)**2).mean()),
    ('argmax(x) == c', lambda x, y, c, p: (x.argmax(1) == c).mean()),
    ('p weight y^2', lambda x, y, c, p: (p * y**2).sum() / (y**2).sum()),
    ('sqrt(sum[k] x[k]^2)', lambda x, y, c, p: np.sqrt((x**2).sum(1)).mean()),
    ('root(mean[..] (y - f(x))^2)', lambda x, y, c, p: np.sqrt(((y - p)**2).mean())),
    ('(mean[..] (y - p)^2) |> root', lambda x, y, c, p: np.sqrt(((y - p)**2).mean())),
    ('part(by = mean[..] y)(four)', lambda x, y, c, p: 4 / y.mean()),
    ('1 - (sum[..] (y - p)^2) / ((sum[..] y^2) - (sum[..] y)^2 / sum[..] 1)',
     lambda x, y, c, p: 1 - ((y - p)**2).sum() / ((y**2).sum() - y.sum()**2 / len(y))),
    ('[mean[..] y, sqrt(sum[..] y^2)][one]', lambda x, y, c, p: np.sqrt((y**2).sum())),
    ('max([mean[..] y, (mean[..] y^2)^2])', lambda x, y, c, p: max(y.mean(), (y**2).mean()**2)),
    ('if (mean[..] y^2) > 0.5 then sqrt(mean[..] y^2) else 2',
     lambda x, y, c, p: np.sqrt((y**2).mean()) if (y**2).mean() > 0.5 else 2),
    ('sum[..] (if y > 0 then x[0] else x[c])',
     lambda x, y, c, p: np.where(y > 0, x[:, 0], x[np.arange(len(c)), c]).sum()),
    ('sqrt(mean[.., k] x[k]^2)', lambda x, y, c, p: np.sqrt((x**2).mean())),
    ('max[k] mean[..] x[k]', lambda x, y, c, p: x.mean(0).max()),
    ('sum[k in 3] k * (mean[..] x[k])^2', lambda x, y, c, p: (x.mean(0)**2 * np.arange(3)).sum()),
    ('sum((mean[..] x)^2)', lambda x, y, c, p: (x.mean(0)**2).sum()),
    ('(mean[..] onehot(c))[1]', lambda x, y, c, p: (c == 1).mean()),
    ('sum(sqrt(mean[..] x[i]^2) for i in 3)', lambda x, y, c, p: np.sqrt((x**2).mean(0)).sum()),
    ('(sum[..] (c == 1 and argmax(x) == 1)) / (sum[..] (argmax(x) == 1))',
     lambda x, y, c, p: ((c == 1) & (x.argmax(1) == 1)).sum() / (x.argmax(1) == 1).sum()),
]
VISIBLE = [
    ('y', lambda x, y, c, p: y.mean()),
    ('argmax(x) == c', lambda x, y, c, p: (x.argmax(1) == c).mean()),
    ('mean[n] y[n]', lambda x, y, c, p: y.mean()),
    ('sqrt(mean[n] (y[n] - p[n])^2)', lambda x, y, c, p: np.sqrt(((y - p)**2).mean())),
    ('[sum[n] y[n], sqrt(mean[..] (y - p)^2)][1]', lambda x, y, c, p: np.sqrt(((y - p)**2).mean())),
    ('sqrt(mean[n, k] x[n, k]^2)', lambda x, y, c, p: np.sqrt((x**2).mean())),
    ('sum[k] (mean[n] x[n, k])^2', lambda x, y, c, p: (x.mean(0)**2).sum()),
    ('sum[k] sqrt(mean[..] x[:, k]^2)', lambda x, y, c, p: np.sqrt((x**2).mean(0)).sum()),
    ('mean[n] real(argmax(x[n]) == c[n])', lambda x, y, c, p: (x.argmax(1) == c).mean()),
]

ROWS = [('y', lambda x, y, c, p: y), ('(y - p)^2', lambda x, y, c, p: (y - p)**2),
        ('x[1] * y', lambda x, y, c, p: x[:, 1] * y), ('abs(x[2])', lambda x, y, c, p: abs(x[:, 2])),
        ('real(c == 2)', lambda x, y, c, p: c == 2), ('max(x)', lambda x, y, c, p: x.max(1))]
BINARY = [('(%s + %s)', np.add), ('(%s - %s)', np.subtract), ('(%s * %s)', np.multiply),
          ('max(%s, %s)', np.maximum), ('max([%s, %s])', np.maximum),
          ('[%s, %s][one]', lambda a, b: b), ('sum([%s, %s])', np.add),
          ('(if %s > 0.5 then 1 else %s)', lambda a, b: 1. if a > 0.5 else b)]
UNARY = [('tanh(%s)', np.tanh), ('(-%s)', np.negative), ('part(4)(%s)', lambda a: a / 4),
         ('(%s |> abs |> root)', lambda a: np.sqrt(abs(a)))]


def made_up(rng, depth):
    """A formula, and the same of NumPy."""
    kind = rng.integers(4) if depth else 3
    if kind < 2:
        form, f = BINARY[rng.integers(len(BINARY))]
        (a, g), (b, h) = made_up(rng, depth - 1), made_up(rng, depth - 1)
        return form % (a, b), lambda *l: f(g(*l), h(*l))
    if kind == 2:
        form, f = UNARY[rng.integers(len(UNARY))]
        a, g = made_up(rng, depth - 1)
        return form % a, lambda *l: f(g(*l))
    a, g = ROWS[rng.integers(len(ROWS))]
    if rng.integers(2):
        return f'(mean[..] {a})', lambda *l: g(*l).mean()
    return f'((sum[..] {a}) / 50)', lambda *l: g(*l).sum() / 50


def reported(ingot, work, text):
    """The numbers of the log by part of the rows; a message if the training fails."""
    (work / 'p.ingot').write_text(text)
    done = subprocess.run([ingot, 'train', 'p.ingot', '--run', '--fresh', '--log', 'p.csv'], cwd=work,
                          capture_output=True, text=True)
    if done.returncode:
        return done.stdout + done.stderr
    with open(work / 'p.csv') as f:
        return {r['part']: r for r in csv.DictReader(f) if r['part'] in ('train', 'valid')}


def check(tally, said, formulas, parts, what):
    for i, (text, value) in enumerate(formulas):
        for part, rows in parts.items():
            is_, want = float(said[part][f'q{i}']), value(*rows.wide())
            tally.check(f'{what}: {text}, of {part}', abs(is_ - want) < 1e-4 * (1 + abs(want)),
                        f'{is_}, NumPy says {want}')


def main():
    ingot = str(pathlib.Path(sys.argv[1]).resolve())
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    tally, parts = Tally(), {'train': Rows(rng, 37), 'valid': Rows(rng, 23)}
    random = [made_up(rng, 3) for _ in range(30)]
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for part, rows in parts.items():
            for name in 'xyc':
                np.save(work / f'{"v" * (part == "valid")}{name}.npy', getattr(rows, name))
        for rows, pieces, formulas in (('..', 1, CARRIED), ('..', 3, CARRIED), ('N', 1, VISIBLE),
                                       ('N', 3, VISIBLE), ('..', 1, random)):
            text = PROGRAM % {'rows': rows, 'pieces': pieces}
            text += ''.join(f'    track q{i} = {t}\n' for i, (t, _) in enumerate(formulas)) + '}\n'
            said, what = reported(ingot, work, text), f'rows {rows}, {pieces} pieces'
            if isinstance(said, str):
                tally.check(what, False, said)
            else:
                check(tally, said, formulas, parts, what)
    return tally.report()


if __name__ == '__main__':
    sys.exit(main())
