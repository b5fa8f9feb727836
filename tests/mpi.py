#!/usr/bin/env python3
"""A training in several processes has the bits of one in one process that cuts its steps into as
many shards; where a process dies, it goes on with the same bits.

usage: mpi.py INGOT [--kills 4] [--seed 1]
"""
import argparse
import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from trained import log, states

# What shards have to do with: states that are fitted, that rows change, that an update without a
# gradient changes; several objectives and blocks; draws; waits, metrics by formulas, weights.
PROGRAMS = {
    'mlp': """
        net f(x: [.., 4]) -> [..] = x |> standardize |> dense(32) |> relu |> dense(1) |> scalar
        train learn(x: [.., 4], y: [..]) {
            data x, y = "rows.csv"
            e = f(x) - y
            minimize e^2 using adam(cosine(2e-3)) clip norm(1)
            track rmse = sqrt(mean[..] e^2)
            batch 30;  valid 0.2;  test 0.1;  epochs 6
            stop after 2 without lower valid.rmse
        }""",
    'pieces': """
        net f(x: [.., 4]) -> [..] = x |> dense(16) |> tanh |> dropout(0.3) |> dense(1) |> scalar
        train learn(x: [.., 4], y: [..]) {
            data x, y = "rows.csv"
            e = f(x) - y
            minimize e^2 weight (if x[0] < 0 then 0.5 else 2) using adamw(1e-3)
            track bias = mean[..] e
            batch 14;  accumulate 3;  epochs 3
        }""",
    'gan': """
        net gen(z: [.., 3]) -> [.., 4] = z |> dense(8) |> leaky_relu(0.2) |> dense(4)
        net disc(x: [.., 4]) -> [..] = x |> dense(8) |> leaky_relu(0.2) |> dropout(0.3) |> dense(1) |> scalar
        train play(x: [.., 4], y: [..]) {
            data x, y = "rows.csv"
            z: [.., 3] ~ normal(0, 1)
            minimize bce(disc(x + 0.01 * y), 0.9) + bce(disc(gen(z)), 0) over disc using adam(2e-3)
            minimize bce(disc(gen(z)), 1) over gen using adam(2e-3, beta1 = 0.5)
            batch 25;  epochs 3
        }""",
    'norm': """
        net f(x: [.., 1, 2, 2]) -> [..] = x |> random_flip |> conv(4, 1) |> batch_norm |> relu |> flatten |> dense(1) |> scalar
        state seen = 0, largest: int = 5
        train first(x: [.., 4], y: [..]) {
            data x, y = "rows.csv"
            minimize (f(reshape(x, [1, 2, 2])) - y)^2 over *.w, *.b using sgd(1e-3)
            seen <- seen + sum[..] 1
            largest <- largest
            batch 20;  valid 0.3;  epochs 2
        }
        train second(x: [.., 4], y: [..]) {
            data x, y = "rows.csv"
            minimize abs(f(reshape(x, [1, 2, 2])) - y) over f.batch_norm* using sgd(1e-3)
            batch 7;  valid 0.3;  epochs 2
        }""",
    'rule': """
        net neuron(x: [.., 4]) -> [..] { param w: [4] = 0;  heaviside(sum[i] x[i] * w[i]) }
        train rule(x: [.., 4], y: [..]) {
            data x, y = "rows.csv"
            e = heaviside(y) - neuron(x);  track errors = e != 0
            neuron.w[i] <- neuron.w[i] + 0.1 * sum[..] e * x[i]
            epochs 2
        }""",
}
# A step's numbers are the shards', so that an integer that depends on rows has none.
COUNTS = """
    net f(x: [.., 4]) -> [..] = x |> dense(1) |> scalar
    state most: int = 0
    train learn(x: [.., 4], y: [..]) {
        data x, y = "rows.csv"
        minimize (f(x) - y)^2 using sgd(1e-3)
        most <- max[..] int(x[0])
    }"""
# Each shard has one row, and the deviation of what is drawn would be 0 if all drew the same.
DRAWS = """
    net f(x: [.., 4]) -> [..] = x |> dense(1) |> scalar
    train learn(x: [.., 4], y: [..]) {
        data x, y = "rows.csv"
        z: [..] ~ normal(0, 1)
        minimize (f(x) - y * z)^2 using sgd(1e-3)
        track spread = sqrt((mean[..] z^2) - (mean[..] z)^2)
        batch 4;  epochs 1
    }"""
# A number that is none in one shard is none in all.
FALLS = """
    net f(x: [.., 4]) -> [..] = x |> dense(1) |> scalar
    train learn(x: [.., 4], y: [..]) {
        data x, y = "rows.csv"
        minimize (f(x) - y)^2 + sqrt(x[0] + 2) using sgd(1e-3)
    }"""
MPIRUN = ['mpirun', '--allow-run-as-root', '--oversubscribe']


def write_rows(path, rng, count):
    with open(path, 'w') as f:
        f.write('a,b,c,d,y\n')
        for _ in range(count):
            r = [rng.gauss(0, k + 1) for k in range(4)]
            f.write(','.join(f'{v:.6f}' for v in r) + f',{r[0] - r[1] * r[2] / 4:.6f}\n')


class Checks:
    passed = failed = 0

    def check(self, ok, what, said=''):
        self.passed += bool(ok)
        self.failed += not ok
        if not ok:
            print(f'FAILED {what}: {said.strip()[-300:]}')


class Bench:
    """A folder of programs, their trainers, and what these have written."""

    def __init__(self, ingot, folder):
        self.ingot, self.folder = ingot, folder

    def call(self, *command, **how):
        """Exit code and words."""
        done = subprocess.run([str(word) for word in command], cwd=self.folder, text=True, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **how)
        return done.returncode, done.stdout

    def make(self, name, program, shards, *options):
        """A trainer of this name and shards."""
        (self.folder / f'{name}.ingot').write_text(program)
        out = f'{name}-{shards}{"".join(options)}'
        code, said = self.call(self.ingot, 'train', f'{name}.ingot', '--shards', shards, '-o', out, *options)
        if code:
            sys.exit(f'{name}: {said}')
        return './' + out

    def files(self, name):
        return self.folder / f'{name}.safetensors', self.folder / f'{name}.csv'

    def options(self, name):
        save, csv = self.files(name)
        return ['--seed', '3', '--threads', '1', '--save', save, '--log', csv]

    def same(self, c, what, a, b):
        (save, csv), (other, other_csv) = self.files(a), self.files(b)
        c.check(save.exists() and other.exists() and states(save) == states(other), f'{what}: the states')
        c.check(csv.exists() and other_csv.exists() and log(csv) == log(other_csv), f'{what}: the log')


def compiles(c, b):
    """The one source that the build does not see."""
    source = b.ingot.parent / 'ingot_mpi/team_mpi.c'
    code, said = b.call('mpicc', '-std=c17', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Wpedantic', '-Werror',
                        '-fsyntax-only', source)
    c.check(code == 0, 'team_mpi.c', said)


def equal(c, b):
    """Ranks that take one, two or more shards, and shards that are no power of two."""
    for name, shards, ranks in [('mlp', 4, (4, 2)), ('mlp', 3, (3,)), ('mlp', 6, (3,)), ('pieces', 4, (4, 2)),
                                ('gan', 4, (4,)), ('norm', 4, (4, 2)), ('norm', 20, (5,)), ('rule', 2, (2,))]:
        one = b.make(name, PROGRAMS[name], shards)
        code, said = b.call(one, *b.options('one'), '--fresh')
        c.check(code == 0, f'{name}, {shards} shards', said)
        team = b.make(name, PROGRAMS[name], shards, '--mpi')
        for n in ranks:
            code, said = b.call(*MPIRUN, '-n', n, team, *b.options('team'), '--fresh')
            c.check(code == 0 and said.count('saved') == 1, f'{name}, {n} processes', said)
            b.same(c, f'{name}, {shards} shards, {n} processes', 'one', 'team')
        code, said = b.call(team, *b.options('team'), '--fresh')
        c.check(code == 0, f'{name}, without mpirun', said)
        b.same(c, f'{name}, {shards} shards, without mpirun', 'one', 'team')


def near(c, b):
    """Shards change roundings only, and draw numbers of their own."""
    losses = []
    for shards in (1, 4, 7):
        one = b.make('mlp', PROGRAMS['mlp'], shards, '--f64')
        code, said = b.call(one, *b.options('near'), '--fresh')
        losses.append([float(line.split(',')[3]) for line in log(b.files('near')[1])[1:]])
    for other in losses[1:]:
        c.check(len(other) == len(losses[0]) and
                all(abs(x - y) < 1e-7 * abs(x) for x, y in zip(losses[0], other)), f'shards change losses: {losses}')
    for shards, accumulate in ((4, 1), (1, 4)):
        program = DRAWS.replace('batch 4', f'batch {4 // accumulate};  accumulate {accumulate}')
        code, said = b.call(b.make(f'draws{accumulate}', program, shards), *b.options('draws'), '--fresh')
        spread = float(log(b.files('draws')[1])[-1].split(',')[4])
        c.check(code == 0 and 0.5 < spread < 1.5, f'draws of {shards} shards, {accumulate} batches: {spread}', said)


def wrong(c, b):
    """What cannot be is told, once."""
    team = b.make('mlp', PROGRAMS['mlp'], 4, '--mpi')
    code, said = b.call(*MPIRUN, '-n', 3, team)
    c.check(code and said.count('3 processes cannot share the 4 shards of a step') == 1, 'three of four', said)
    code, said = b.call(*MPIRUN, '-n', 2, team, '--data', 'x,y=none.csv')
    c.check(code and said.count('none.csv: No such file') == 1, 'no data', said)
    code, said = b.call(*MPIRUN, '-n', 1, team, '--fresh', ':', '-n', 1, team, '--fresh', '--data', 'x,y=short.csv')
    c.check(code and 'process 1: has other training data than process 0' in said, 'other data', said)
    code, said = b.call(*MPIRUN, '-n', 1, team, '--fresh', ':', '-n', 1, team, '--fresh', '--data', 'x,y=none.csv')
    c.check(code and 'process 1: ' in said and 'none.csv' in said, 'no data in one place', said)
    code, said = b.call(b.ingot, 'train', 'mlp.ingot', '--mpi', '--run')
    c.check(code == 2 and '--mpi makes an executable' in said, '--run', said)
    code, said = b.call(b.ingot, 'train', 'mlp.ingot', '--shards', 2, '--emit', 'lib', '-o', 'm.a')
    c.check(code == 2 and '--shards is for the loop of a trainer' in said, '--emit lib', said)
    bare = b.folder / 'bin'
    bare.mkdir()
    for tool in ('cc', 'ld', 'as'):
        (bare / tool).symlink_to(shutil.which(tool))
    code, said = b.call(b.ingot, 'train', 'mlp.ingot', '--shards', '2', '--mpi', '-o', 'm', env={'PATH': str(bare)})
    c.check(code == 1 and "the program 'mpicc', which is needed, cannot be run" in said, 'no mpicc', said)
    one = b.make('mlp', PROGRAMS['mlp'], 4)
    code, said = b.call(one, *b.options('one'), '--fresh', '--steps', '5')
    other = b.make('mlp', PROGRAMS['mlp'], 2)
    code, said = b.call(other, *b.options('one'), '--resume')
    c.check(code == 1 and 'another program' in said, 'other shards', said)
    for name, program, words in [('counts', COUNTS, "state 'most' is not the same in all shards"),
                                 ('falls', FALLS, '): loss is ')]:
        one, team = b.make(name, program, 4), b.make(name, program, 4, '--mpi')
        for command in ([one], [*MPIRUN, '-n', 2, team], [*MPIRUN, '-n', 4, team]):
            code, said = b.call(*command, '--fresh')
            c.check(code and said.count(words) == 1, f'{name}, {command}', said)


def children(pid):
    """Processes that a process has started."""
    return [int(child) for child in pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]


def rank_of(pid):
    with contextlib.suppress(OSError):
        for word in pathlib.Path(f'/proc/{pid}/environ').read_bytes().split(b'\0'):
            if word.startswith(b'OMPI_COMM_WORLD_RANK='):
                return int(word.split(b'=')[1])
    return None


def under_way(process, rng, csv):
    """Waits for some lines of the log, and a random time."""
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end and (not csv.exists() or csv.stat().st_size < 300):
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.3))


def end_one(process, rng, csv, rank, how):
    """Once the training is under way, one of its processes gets a signal; was there one?"""
    under_way(process, rng, csv)
    pids = [pid for pid in children(process.pid) if rank_of(pid) == rank] if process.poll() is None else []
    for pid in pids:
        os.kill(pid, how)
    return bool(pids)


def killed(c, b, rng, kills):
    """Any of the processes is killed, also the one that writes, or all are interrupted."""
    name, epochs = 'long', ['--epochs', '1500']
    program = PROGRAMS['mlp'].replace('epochs 6', 'epochs 1500').replace('stop after 2', 'stop after 2000')
    team, one = b.make(name, program, 4, '--mpi'), b.make(name, program, 4)
    code, said = b.call(one, *b.options('whole'), *epochs)
    c.check(code == 0, 'left alone', said)
    for i in range(kills):
        rank, how = i % 4, signal.SIGTERM if i == 4 else signal.SIGKILL
        save, csv = b.files('killed')
        for old in b.folder.glob('killed.*'):
            old.unlink()
        every = ['--every', '7'] if rank == 0 else []
        process = subprocess.Popen([*MPIRUN, '-n', '4', team, *map(str, b.options('killed')), *every],
                                   cwd=b.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        hit = end_one(process, rng, csv, rank, how)
        said = process.communicate(timeout=120)[0]
        c.check(hit and process.returncode, f'process {rank} ends', said)
        c.check(save.exists() and (rank == 0 or 'saved' in said), f'process {rank} ends: a checkpoint', said)
        resumed = [*MPIRUN, '-n', '4', team] if i % 2 else [one]
        code, said = b.call(*resumed, *b.options('killed'), '--resume')
        c.check(code == 0, f'process {rank} ended: --resume', said)
        b.same(c, f'process {rank} ended', 'whole', 'killed')


def interrupted(c, b, rng):
    """Ctrl-C on mpirun, which gives the processes time for it, leaves a checkpoint of a whole step."""
    name = 'rest'
    program = PROGRAMS['mlp'].replace('epochs 6', 'epochs 1500').replace('stop after 2', 'stop after 2000')
    team = b.make(name, program, 4, '--mpi')
    save, csv = b.files(name)
    patient = [*MPIRUN, '--mca', 'odls_base_sigkill_timeout', '60', '-n', '4', team]
    process = subprocess.Popen([*patient, *map(str, b.options(name))], cwd=b.folder, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    under_way(process, rng, csv)
    c.check(not save.exists(), 'Ctrl-C: no checkpoint before')
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[0]
    c.check(process.returncode and save.exists() and 'saved' in said, 'Ctrl-C: a checkpoint', said)
    code, said = b.call(*patient, *b.options(name), '--resume')
    c.check(code == 0, 'Ctrl-C: --resume', said)
    code, said = b.call(b.make(name, program, 4), *b.options('one'), '--fresh')
    b.same(c, 'Ctrl-C', 'one', name)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('ingot', type=pathlib.Path)
    p.add_argument('--kills', type=int, default=5)
    p.add_argument('--seed', type=int, default=1)
    o = p.parse_args()
    if not all(map(shutil.which, ('mpicc', 'mpirun'))):
        print('no mpicc or no mpirun\n0 passed, 0 failed, 1 skipped')
        return 0
    c, rng = Checks(), random.Random(o.seed)
    folder = pathlib.Path(tempfile.mkdtemp())
    b = Bench(o.ingot.resolve(), folder)
    try:
        write_rows(folder / 'rows.csv', rng, 463)
        write_rows(folder / 'short.csv', rng, 100)
        compiles(c, b)
        equal(c, b)
        near(c, b)
        wrong(c, b)
        interrupted(c, b, rng)
        o.kills and killed(c, b, rng, o.kills)
    finally:
        shutil.rmtree(folder)
    print(f'{c.passed} passed, {c.failed} failed, 0 skipped')
    return c.failed != 0


sys.exit(main())
