#!/usr/bin/env python3
"""Times steps of training beside JAX and PyTorch, and what a trainer is beside its speed.

usage: train.py [--ingot build/ingot] [--threads 1] [--rounds 2] [--seconds 0.5] [--own] [NET...]

A NET is one of bench/training/nets.py; all by default.  Microseconds a step, update and loop
included: ingot's trainer as a process, JAX as a loop of 100 steps that it compiles (not of
convolutions, for which that takes minutes) and with a call a step, PyTorch with its fused
optimizers.  All take turns, `rounds` times, and the minimum counts.
`faster`: the better peer's time by ours, beside what is aimed at.  Then the seconds that it
takes to compile the trainer, its size, what it holds in memory besides its data, the
milliseconds from its start to the beginning of the first step, and those that it takes to save:
a run of one step, with neither that step nor its one save; a file is saved to memory, behind
each step and not.  --own leaves the peers out.
It sets up what it needs in build/peers, once.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from training import peers
peers.set_up()
import numpy as np
from training import ours
from training.nets import NETS

STEPS = 100
SLOW_LOOPS = {'cnn'}
# How much faster than the better peer, by threads.
AIMS = {'xor': (10, 10), 'tabular': (2, 2), 'mlp32': (1.5, 1.5), 'mlp256': (1.3, 1.5),
        'cnn': (2, 2), 'lstm': (1.7, 2), 'transformer': (1.7, 2)}


class Ours:
    def __init__(self, name, folder, options):
        batches = 1 if name == 'xor' else STEPS
        self.trainer = ours.Trainer(options.ingot, name, folder, batches)
        self.threads = options.threads

    def microseconds(self, seconds):
        return self.trainer.milliseconds(self.threads, seconds) * 1e3

    def held(self):
        """Resident MB besides the data: a running trainer is looked at, then ended.  It gives way
        where this runs as a real-time process."""
        def ordinary():
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        command = ['./trainer', '--quiet', '--fresh', '--save', 'at.safetensors', '--threads',
                   str(self.threads), '--time', '10s', '--epochs', '1000000000']
        with subprocess.Popen(command, cwd=self.trainer.folder, preexec_fn=ordinary) as run:
            time.sleep(1)
            status = pathlib.Path(f'/proc/{run.pid}/status').read_text()
            run.terminate()
        most = int(status.split('VmHWM:')[1].split()[0]) / 1024
        return most - (self.trainer.x.nbytes + self.trainer.y.nbytes) / 2**20

    def start(self, step):
        """Milliseconds to the first step, of so many milliseconds, and those of a save."""
        steps, to = 16, ['--save', '/dev/shm/ingot-bench.safetensors']
        best = lambda steps, *more: min(self.trainer.train(steps, self.threads, *to, *more)
                                        for _ in range(10)) * 1e3
        save = (best(steps, '--every', '1') - best(steps)) / (steps - 1)
        start = best(1) - step - save
        for path in pathlib.Path('/dev/shm').glob('ingot-bench.*'):
            path.unlink()
        return start, save

    def facts(self, step):
        size = (self.trainer.folder / 'trainer').stat().st_size / 1000
        start, save = self.start(step)
        return (f'{self.trainer.compile_seconds:8.2f} {size:6.0f} {self.held():6.1f} '
                f'{start:8.1f} {save:7.1f}')


class Peer:
    """A peer at work, with a call a step or one for all."""

    def __init__(self, kind, name, trainer, options, **how):
        self.ops = kind('f32', options.threads)
        _, rule, rate = ours.program(name)
        x, y = (np.broadcast_to(a.reshape(-1, NETS[name].batch, *a.shape[1:]),
                                (STEPS, NETS[name].batch, *a.shape[1:]))
                for a in (trainer.x, trainer.y))
        self.rows = [self.ops.array(a) if how else [self.ops.array(b) for b in a] for a in (x, y)]
        self.state = self.ops.start({k: self.ops.array(w) for k, w in trainer.weights.items()})
        self.run = self.ops.trained(NETS[name].loss, rule, rate, **how)
        self.whole = bool(how)
        self.one_pass(STEPS if self.whole else 2)

    def one_pass(self, steps):
        """Seconds of so many steps."""
        begun = time.perf_counter()
        self.state = self.run(self.state, *(a[:steps] for a in self.rows))[0]
        return time.perf_counter() - begun

    def microseconds(self, seconds):
        steps, best, end = STEPS, float('inf'), time.perf_counter() + seconds
        if not self.whole:
            steps = int(min(STEPS, max(2, seconds / 4 / (self.one_pass(2) / 2))))
        while best == float('inf') or time.perf_counter() < end:
            best = min(best, self.one_pass(steps) / steps)
        return best * 1e6


def sides(name, trainer, options):
    """The peers: JAX's compiled loop, its calls, PyTorch; None where one is left out."""
    if options.own:
        return [None] * 3
    loop = None if name in SLOW_LOOPS else Peer(peers.Jax, name, trainer, options, loop=True)
    return [loop, Peer(peers.Jax, name, trainer, options),
            Peer(peers.Torch, name, trainer, options)]


def measure(name, folder, options):
    own = Ours(name, folder, options)
    all_sides = [own, *sides(name, own.trainer, options)]
    best = [float('inf')] * 4
    for _ in range(options.rounds):
        best = [min(b, s.microseconds(options.seconds)) if s else b
                for b, s in zip(best, all_sides)]
    facts = own.facts(best[0] / 1e3)
    aim = AIMS[name][min(options.threads, 2) - 1] if name in AIMS else 0
    print(f'{name:14}' + ' '.join(f'{t:10.2f}' for t in best) +
          f' {min(best[1:]) / best[0]:6.2f} {aim:5.1f} {facts}', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--ingot', type=pathlib.Path, default=peers.ROOT / 'build/ingot')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--seconds', type=float, default=.5)
    parser.add_argument('--own', action='store_true')
    parser.add_argument('nets', nargs='*', metavar='NET', help=f'of {", ".join(NETS)}')
    options = parser.parse_args()
    options.ingot = options.ingot.resolve()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    print(f'{"microseconds":14}' + ' '.join(f'{c:>10}' for c in
          ('ingot', 'JAX loop', 'JAX call', 'PyTorch')) + f' {"faster":>6} {"aim":>5} {"build s":>8} '
          f'{"kB":>6} {"MB":>6} {"start ms":>8} {"save ms":>7}')
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.nets or NETS:
            folder = pathlib.Path(scratch) / name
            folder.mkdir()
            measure(name, folder, options)


if __name__ == '__main__':
    sys.exit(main())
