#!/usr/bin/env python3
"""Damaged models and tensors, made with a seed, through build, inspect, run and test:
exit code 0 or 1, under 4 GB and 60 s of the processor, and no byte that a terminal would obey
in what is said.

usage: damaged.py INGOT [--count 100] [--seed 1] [--keep DIR] CASE...

A case is a folder with model.onnx and test_data_set_0.  What fails is kept in DIR.
"""
import argparse
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading

from limits import CLOCK, cpu_limit

SECONDS, MEMORY = 60, 4 << 30
WILD = [b'\x1b[2J', b'\xff\xfe', b'\xc2\x9b', b'\x00', b'\xe2\x80\xae', b'\xff' * 10, b'\x80\x80\x80\x80\x7f']


def damage(rng, data):
    """A few changes: bytes flipped, cut, repeated, moved, or replaced by what is worst."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 1, 2, 3, 10))):
        if not data:
            break
        at, n = rng.randrange(len(data)), rng.choice((1, 2, 8, 64))
        kind = rng.randrange(7)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.randrange(256)
        elif kind == 2:
            del data[at:at + n]
        elif kind == 3:
            data[at:at] = data[at:at + n]
        elif kind == 4:
            piece = rng.choice(WILD)
            data[at:at + len(piece)] = piece
        elif kind == 5:
            other = rng.randrange(len(data))
            data[at:at + n], data[other:other + n] = data[other:other + n], data[at:at + n]
        elif rng.randrange(8) == 0:
            del data[at:]
    return bytes(data)


def odd(said):
    """Characters that no message may hold."""
    text = said.decode(errors='surrogateescape')
    return [c for c in text if (c < ' ' and c != '\n') or '\x7f' <= c < '\xa0' or '\udc80' <= c <= '\udcff' or
            c in '\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069']


def run(command, folder):
    """Exit code (that of a signal is negative), what was said, the largest memory."""
    out = folder / 'said'
    with out.open('wb') as said:
        child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                 preexec_fn=cpu_limit(SECONDS))
        killer = threading.Timer(CLOCK * SECONDS, child.kill)
        killer.start()
        _, status, usage = os.wait4(child.pid, 0)
        killer.cancel()
    child.returncode = code = os.waitstatus_to_exitcode(status)
    return code, out.read_bytes(), usage.ru_maxrss << 10


def prepare(rng, case, folder):
    """The case with its model or a tensor damaged; what to do with it."""
    data = folder / 'case/test_data_set_0'
    shutil.copytree(case, folder / 'case')
    model, tensors = folder / 'case/model.onnx', sorted(data.glob('*.pb'))
    command = rng.choice(('build', 'inspect', 'run', 'test'))
    victim = rng.choice(tensors) if command == 'test' and tensors and rng.randrange(2) else model
    victim.write_bytes(damage(rng, victim.read_bytes()))
    return {'build': ['build', 'case/model.onnx', '-o', 'made', '--jobs', '1'],
            'inspect': ['inspect', 'case/model.onnx', '--stage', rng.choice(('import', 'optimized', 'groups', 'loops', 'plan'))],
            'run': ['run', 'case/model.onnx', '--random-inputs', '--threads', '1'],
            'test': ['test', 'case', '-v', '--jobs', '1', '--timeout', '30',
                     '--engine', rng.choice(('compiled', 'interpreter'))]}[command]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('ingot', type=pathlib.Path)
    parser.add_argument('--count', type=int, default=100)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--keep', type=pathlib.Path)
    parser.add_argument('cases', nargs='+', type=pathlib.Path)
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ingot, passed, failed, good = given.ingot.resolve(), 0, 0, 0
    for i in range(given.count):
        rng = random.Random(given.seed * 1000003 + i)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            command = prepare(rng, rng.choice(given.cases), folder)
            code, said, memory = run([ingot, *command], folder)
            problem = (f'exit code {code}' if code not in (0, 1) else f'{memory >> 20} MB' if memory > MEMORY else
                       f'says {odd(said)[:3]}' if odd(said) else None)
            passed, failed, good = passed + (not problem), failed + bool(problem), good + (code == 0)
            if problem:
                print(f'FAILED {i}: {" ".join(command)}: {problem}: {said[-200:]!r}', flush=True)
                if given.keep:
                    shutil.copytree(folder, given.keep / str(i), dirs_exist_ok=True)
    print(f'{good} of them were still whole enough')
    print(f'{passed} passed, {failed} failed, 0 skipped')
    return 1 if failed else 0


sys.exit(main())
