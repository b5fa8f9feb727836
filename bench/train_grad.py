#!/usr/bin/env python3
"""Gradients of small networks beside JAX and PyTorch, and the time of forward and backward.

usage: train_grad.py [--ingot build/ingot] [--threads 1] [--real f32] [--rounds 3]
                     [--seconds 0.3] [--check] [NET...]

A NET is one of bench/training/nets.py; all by default.  ingot's are those of a trainer whose
optimizer keeps gradients.  `apart` is the largest difference from a peer of any gradient,
relative to that gradient's largest element; behind it stands how far the peers are from each
other.  It is at most 1e-9 in f64, 1e-5 in f32.  Rows on which rounding may switch a unit, on
which the peers part as well, give way to others (training/kinks.py).
All take turns, `rounds` times, and the minimum counts; --check leaves the clock alone.
`% peak` is the share of the machine's peak that ingot's products are.
It sets up what it needs in build/peers, once.
"""
import argparse
import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from training import peers
peers.set_up()
import numpy as np
from training import kinks
from training import ours
from training.nets import NETS, flops

BOUND = {'f32': 1e-5, 'f64': 1e-9}


def apart(one, other):
    """The largest difference of two dicts of gradients, each relative to its largest element; one
    that is 0 but for rounding, as the bias of keys has it, to the largest of all."""
    sizes = {k: np.abs(g).max() for k, g in other.items()}
    top = max(sizes.values())
    return max(np.abs(one[k] - g).max() / (sizes[k] if sizes[k] > 1e-6 * top else top)
               for k, g in other.items())


class Peer:
    def __init__(self, kind, net, trainer, options):
        self.ops = kind(options.real, options.threads)
        self.args = ({k: self.ops.array(w) for k, w in trainer.weights.items()},
                     self.ops.array(trainer.x), self.ops.array(trainer.y))
        self.step = self.ops.gradients(net.loss)
        self.gradients = {k: self.ops.host(g) for k, g in self.step(*self.args)[1].items()}

    def milliseconds(self, seconds):
        best, end = float('inf'), time.perf_counter() + seconds
        while time.perf_counter() < end:
            begun = time.perf_counter()
            self.step(*self.args)
            best = min(best, time.perf_counter() - begun)
        return best * 1e3


class Ours:
    def __init__(self, name, folder, options):
        text = ours.RULE.sub('using keep()', ours.program(name)[0]) + ours.KEEP
        self.trainer = ours.Trainer(options.ingot, name, folder, 1, options.real, text)
        self.threads = options.threads
        rows = kinks.rows_apart(NETS[name], self.trainer.weights, self.trainer.x, self.trainer.y)
        self.trainer.give(self.trainer.x[rows], self.trainer.y[rows])
        states = self.trainer.trained(1)
        self.gradients = {k: states[f't.keep.last/{k}'] for k in self.trainer.weights}

    def milliseconds(self, seconds):
        return self.trainer.milliseconds(self.threads, seconds)


def measure(name, folder, options):
    """A line of the table; true if the gradients agree."""
    side = Ours(name, folder, options)
    beside = [Peer(kind, NETS[name], side.trainer, options) for kind in (peers.Jax, peers.Torch)]
    far = max(apart(side.gradients, p.gradients) for p in beside)
    between = apart(*(p.gradients for p in beside))
    ok = far <= BOUND[options.real]
    line = f'{name:14} {far:9.1e} {between:9.1e} {"ok" if ok else "FAR":>4}'
    if not options.check:
        best = [float('inf')] * 3
        for _ in range(options.rounds):
            best = [min(b, s.milliseconds(options.seconds)) for b, s in zip(best, (side, *beside))]
        line += ' '.join(f'{t:11.4f}' for t in best) + f' {best[0] / min(best[1:]):6.2f}'
        line += f' {flops(NETS[name]) / best[0] / 1e4 / options.peak:6.0f}'
    print(line, flush=True)
    return ok


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--ingot', type=pathlib.Path, default=peers.ROOT / 'build/ingot')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--real', choices=BOUND, default='f32')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=.3)
    parser.add_argument('--check', action='store_true')
    parser.add_argument('nets', nargs='*', metavar='NET', help=f'of {", ".join(NETS)}')
    options = parser.parse_args()
    options.ingot = options.ingot.resolve()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        if not options.check:
            options.peak = ours.peak_gflops(options.ingot, root, options.threads)
            print(f'peak of {options.threads} threads in f32: {options.peak:.1f} GFLOP/s')
        print(f'{"":14} {"apart":>9} {"peers":>9} {"":4}' + ('' if options.check else
              f'{"ingot ms":>11} {"JAX":>11} {"PyTorch":>11} {"ratio":>6} % peak'))
        done = []
        for name in options.nets or NETS:
            (root / name).mkdir()
            done.append(measure(name, root / name, options))
    return int(not all(done))


if __name__ == '__main__':
    sys.exit(main())
