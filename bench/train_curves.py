#!/usr/bin/env python3
"""A hundred steps of training beside JAX and PyTorch: same weights, rows, order and optimizer.

usage: train_curves.py [--ingot build/ingot] [--real f32] [NET...]

A NET is one of bench/training/nets.py; all by default.  Each step has rows of its own, in a
trainer's order; the program writes the loss of each into a state.  `apart` is the largest
relative difference of a step's loss from a peer's, behind it how far the peers are from each
other: where a unit is switched by rounding, they part.  It is at most 1e-9 in f64, in f32 1e-3 or
twice what the peers are apart.  Then the first loss and the last.
It sets up what it needs in build/peers, once.
"""
import argparse
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from training import peers
peers.set_up()
import numpy as np
from training import ours
from training.nets import NETS

BOUND = {'f32': 1e-3, 'f64': 1e-9}
STEPS = 100


def with_curve(text):
    """A program that keeps the loss of each step."""
    head, rest = text.split('    minimize ')
    loss, rest = rest.split(' using ', 1)
    return (f'state curve: [{STEPS}] = 0\n{head}    e = {loss}\n    now = mean[..] mean(e)\n'
            f'    curve[i] <- if i == step - 1 then now else curve[i]\n    minimize e using {rest}')


def batches(trainer, batch):
    """The rows of each step, x and y: [STEPS, batch, ..]."""
    at = ours.order(len(trainer.x), 0, 1)
    return [a[at].reshape(STEPS, batch, *a.shape[1:]) for a in (trainer.x, trainer.y)]


def peer_curve(kind, name, trainer, real):
    ops = kind(real, 1)
    text, rule, rate = ours.program(name)
    x, y = (ops.array(a) for a in batches(trainer, NETS[name].batch))
    weights = ops.start({k: ops.array(w) for k, w in trainer.weights.items()})
    losses = ops.trained(NETS[name].loss, rule, rate)(weights, x, y)[1]
    return np.array([float(v) for v in losses])


def apart(one, other):
    return np.max(np.abs(one - other) / np.abs(other))


def measure(name, folder, options):
    """A line of the table; true if the curves agree."""
    text = with_curve(ours.program(name)[0])
    trainer = ours.Trainer(options.ingot, name, folder, STEPS, options.real, text)
    own = trainer.trained(STEPS)['curve']
    beside = [peer_curve(kind, name, trainer, options.real) for kind in (peers.Jax, peers.Torch)]
    far = max(apart(own, p) for p in beside)
    between = apart(*beside)
    ok = far <= BOUND[options.real] or (options.real == 'f32' and far <= 2 * between)
    print(f'{name:14} {far:9.1e} {between:9.1e} {"ok" if ok else "FAR":>4} '
          f'{own[0]:9.4f} {own[-1]:9.4f}', flush=True)
    return ok


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--ingot', type=pathlib.Path, default=peers.ROOT / 'build/ingot')
    parser.add_argument('--real', choices=BOUND, default='f32')
    parser.add_argument('nets', nargs='*', metavar='NET', help=f'of {", ".join(NETS)}')
    options = parser.parse_args()
    options.ingot = options.ingot.resolve()
    print(f'{"":14} {"apart":>9} {"peers":>9} {"":4} {"first":>9} {"last":>9}')
    done = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.nets or NETS:
            folder = pathlib.Path(scratch) / name
            folder.mkdir()
            done.append(measure(name, folder, options))
    return int(not all(done))


if __name__ == '__main__':
    sys.exit(main())
