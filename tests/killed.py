#!/usr/bin/env python3
"""A training that is killed again and again, or whose files are spoilt in between, ends with
the states and the log of one that was left alone.

usage: killed.py INGOT [--kills 8] [--seed 1]

Moments, threads and what is done to the files depend on the seed.  A full disk is a small
tmpfs, which is skipped where it cannot be mounted.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from trained import log, states

# Fitted states, random bits, moments, accumulation, two waits, a test: all that a place holds.
PROGRAM = """
net f(x: [.., 4]) -> [..] = x |> standardize |> dense(64) |> relu |> dense(64) |> relu |> dropout(0.1) |> dense(1) |> scalar
train learn(x: [.., 4], y: [..]) {
    data x, y = "rows.csv"
    e = f(x) - y
    minimize e^2 using adam(cosine(2e-3)) clip norm(1)
    track rmse = sqrt(mean[..] e^2)
    batch 8;  accumulate 2;  valid 0.2;  test 0.1;  epochs 200
    stop after 12 without lower valid.rmse;  stop after 50 without higher loss
}
train behind(x: [.., 4], y: [..]) {
    data x, y = "rows.csv"
    minimize (f(x) - y)^2 using adam(1e-3)
    batch 100;  epochs 5;  test 0.1
}
"""


def write_rows(path, rng):
    rows = [[rng.gauss(0, k + 1) for k in range(4)] for _ in range(4000)]
    with open(path, 'w') as f:
        f.write('a,b,c,d,y\n')
        for r in rows:
            f.write(','.join(f'{v:.6f}' for v in r) + f',{r[0] - r[1] * r[2] / 4:.6f}\n')


class Training:
    """A trainer's command on files of one name."""

    def __init__(self, folder, name):
        self.save, self.csv = folder / f'{name}.safetensors', folder / f'{name}.csv'
        self.command = [folder / 'learn', '--seed', '3', '--save', self.save, '--log', self.csv]
        self.folder = folder

    def start(self, *options, **how):
        """An option of its own stands in for that of the command, for none may be given twice."""
        own = [i for i in range(1, len(self.command), 2) if self.command[i] not in options]
        command = [self.command[0], *(word for i in own for word in self.command[i:i + 2])]
        return subprocess.Popen([*command, *options], cwd=self.folder, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **how)

    def run(self, *options, **how):
        """Exit code and words."""
        process = self.start(*options, **how)
        said = process.communicate(timeout=120)[0]
        return process.returncode, said

    def stop(self, files, *options):
        """Runs it until it has written the file of states so often, then ends it by Ctrl-C;
        whether it was ended so, or was at its end before."""
        process, seen = self.start(*options), set()
        while process.poll() is None and len(seen) < files:
            with contextlib.suppress(FileNotFoundError):
                seen.add(self.save.stat().st_ino)
            time.sleep(0.0005)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[0]
        return process.returncode in (0, 130), said

    def kill(self, rng, most):
        """Runs it for a while; was it still running?  Files are written often, so that many
        moments are among their writing."""
        process = self.start('--resume', '--every', str(rng.choice((1, 7, 60))), '--threads',
                             str(rng.choice((1, 2))))
        time.sleep(rng.uniform(0, most))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return process.returncode == -signal.SIGKILL


def spoil(rng, training):
    """One of what befalls files: the last one cut, changed or removed, the log removed behind it."""
    kind, data = rng.randrange(4), training.save.read_bytes()
    if kind == 0:
        training.save.write_bytes(data[:rng.randrange(len(data))])
    elif kind == 1:
        at = rng.randrange(len(data))
        training.save.write_bytes(data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:])
    elif kind == 2:
        training.save.unlink()
    else:
        with open(training.csv, 'a') as f:
            f.write('half a row')


class Checks:
    passed = failed = skipped = 0

    def check(self, ok, what, said=''):
        self.passed += bool(ok)
        self.failed += not ok
        if not ok:
            print(f'FAILED {what}: {said.strip()[-200:]}')

    def same(self, what, a, b):
        self.check(states(a.save) == states(b.save), f'{what}: the states')
        self.check(log(a.csv) == log(b.csv), f'{what}: the log')


def killed(c, rng, folder, whole, kills, seconds):
    """Kills spread over what a whole training takes."""
    t = Training(folder, 'killed')
    hits = sum(t.kill(rng, 2.5 * seconds / kills) for _ in range(kills))
    c.check(hits, f'killed: none of {kills} while it ran')
    code, said = t.run('--resume')
    c.check(code == 0, 'killed', said)
    c.same('killed', whole, t)


def fnv(data, start=0xcbf29ce484222325):
    for byte in data:
        start = (start ^ byte) * 0x100000001b3 % 2**64
    return start


def older(c, folder, whole):
    """A file of the format before, whose hashes are byte by byte, is gone on from."""
    t = Training(folder, 'older')
    ok, said = t.stop(2, '--every', '10', '--keep', '0')
    data = t.save.read_bytes()
    size = struct.unpack('<Q', data[:8])[0]
    header, data = json.loads(data[8:8 + size]), data[8 + size:]
    notes = header['__metadata__']
    c.check(ok and notes['format'] == 'ingot checkpoint 3', 'older: a file', said)
    notes['format'] = 'ingot checkpoint 2'
    lines = (folder / 'rows.csv').read_text().splitlines()[1:]
    rows = b''.join(struct.pack('<5f', *map(float, line.split(','))) for line in lines)
    notes['data'] = str(struct.unpack('<q', struct.pack('<Q', fnv(rows)))[0])
    texts = b''.join(v.encode() + b'\0' for k, v in notes.items() if k != 'hash')
    for wrong in 1, 0:
        notes['hash'] = f'{fnv(data, fnv(texts)) ^ wrong:016x}'
        text = json.dumps(header).encode()
        t.save.write_bytes(struct.pack('<Q', len(text)) + text + data)
        code, said = t.run('--resume', '--keep', '0')
        c.check(code == wrong and ('its hash differs' in said) == wrong, f'older: {wrong}', said)
    c.same('older', whole, t)


def spoilt(c, rng, folder, whole, times):
    """Between two parts of a training its files are spoilt; the one before is gone on from."""
    t = Training(folder, 'spoilt')
    for part in range(times):
        ok, said = t.stop(4, '--resume', '--every', '10')
        c.check(ok, f'spoilt, part {part}', said)
        spoil(rng, t)
    code, said = t.run('--resume')
    c.check(code == 0, 'spoilt', said)
    c.same('spoilt', whole, t)


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of this size; None where it cannot be."""
    folder.mkdir()
    made = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'none', folder],
                          stderr=subprocess.DEVNULL).returncode == 0
    try:
        yield folder if made else None
    finally:
        if made:
            subprocess.run(['umount', folder], check=True)


def full(c, folder, whole):
    """Files that have no room: what was there is kept, and goes on when there is room."""
    with small_disk(folder / 'disk', '400k') as disk:
        if not disk:
            c.skipped += 1
            return
        t = Training(folder, 'full')
        t.save = disk / 'full.safetensors'
        t.command[t.command.index('--save') + 1] = t.save
        ok, said = t.stop(2, '--keep', '0', '--every', '10')
        c.check(ok, 'full: room', said)
        before, filler = states(t.save), disk / 'filler'
        with contextlib.suppress(OSError), open(filler, 'wb', buffering=0) as f:
            while f.write(bytes(4096)):
                pass
        code, said = t.run('--keep', '0', '--resume', '--every', '20')
        c.check(code == 1 and 'No space left' in said and 'the checkpoint before it is kept' in said,
                'full: told', said)
        c.check(states(t.save) == before, 'full: what was there')
        filler.unlink()
        code, said = t.run('--keep', '0', '--resume')
        c.check(code == 0, 'full: room again', said)
        c.same('full', whole, t)


def forbidden(c, folder):
    """A folder that cannot be written is told before anything is trained."""
    closed = folder / 'closed'
    closed.mkdir(mode=0o555)
    os.chmod(folder, 0o755)
    t = Training(folder, 'forbidden')
    nobody = {'user': 65534} if os.geteuid() == 0 else {}
    code, said = t.run('--save', closed / 'x.safetensors', **nobody)
    c.check(code == 1 and 'closed/x.safetensors: cannot be written: Permission denied' in said
            and 'epoch' not in said, 'an unwritable folder', said)


def lost_log(c, folder):
    """A log that has no room is told, and the weights are saved all the same."""
    t = Training(folder, 'lost')
    code, said = t.run('--log', '/dev/full', '--time', '0.1')
    c.check(code == 1 and 'warning: /dev/full: cannot be written: No space left on device' in said
            and t.save.exists(), 'a full log', said)


def twice(c, folder):
    """A second trainer is refused the file of the first, and its log."""
    t = Training(folder, 'twice')
    first = t.start()
    while first.poll() is None and not t.csv.exists():
        time.sleep(0.002)
    time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    code, said = t.run('--resume')
    c.check(code == 1 and 'twice.safetensors: another trainer is writing to it' in said, 'twice', said)
    code, said = t.run('--save', folder / 'other.safetensors')
    c.check(code == 1 and 'twice.csv: another trainer is writing to it' in said, 'twice: log', said)
    first.send_signal(signal.SIGINT)
    first.send_signal(signal.SIGCONT)
    said = first.communicate()[0]
    c.check(first.returncode == 130 and 'interrupted; saved' in said, 'Ctrl-C', said)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('ingot', type=pathlib.Path)
    p.add_argument('--kills', type=int, default=8)
    p.add_argument('--seed', type=int, default=1)
    o = p.parse_args()
    c, rng = Checks(), random.Random(o.seed)
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        write_rows(folder / 'rows.csv', rng)
        (folder / 'learn.ingot').write_text(PROGRAM)
        subprocess.run([o.ingot.resolve(), 'train', 'learn.ingot', '-o', 'learn'], cwd=folder, check=True)
        whole, begun = Training(folder, 'whole'), time.monotonic()
        code, said = whole.run()
        seconds = time.monotonic() - begun
        c.check(code == 0 and 'the weights are those of epoch' in said, 'left alone', said)
        killed(c, rng, folder, whole, o.kills, seconds)
        older(c, folder, whole)
        spoilt(c, rng, folder, whole, 4)
        full(c, folder, whole)
        forbidden(c, folder)
        lost_log(c, folder)
        twice(c, folder)
    finally:
        shutil.rmtree(folder)
    print(f'{c.passed} passed, {c.failed} failed, {c.skipped} skipped')
    return c.failed != 0


sys.exit(main())
