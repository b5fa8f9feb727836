#!/usr/bin/env python3
"""Programs in the language beside the same networks as ONNX models: how fast they run, how long
they take to compile.

usage: programs.py INGOT [--rounds N] [--runs N] [--prefix COMMAND] [DIR..]

The networks of tests/networks.py, with the same extents, and the model.onnx of each DIR beside the program that
`inspect --format ingot` prints of it.  Each pair is timed in turns, and the least time of all
rounds counts.  Ends with the geometric mean of program over model and the worst.  --prefix is
put before each timing: taskset -c 1 chrt -f 50.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / 'tests'))
import networks  # noqa: E402


def call(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f'{command}: {done.stdout}{done.stderr}')
    return done.stdout


def least(args, work, model, options):
    """Milliseconds of the fastest run."""
    to = work / 'bench.json'
    call(*args.prefix.split(), args.ingot, 'bench', model, *options, '--engine', 'compiled', '--threads', 1,
         '--runs', args.runs, '--json', to)
    return min(e['min_ms'] for e in find(json.loads(to.read_text()), 'min_ms'))


def find(data, key):
    """All objects in the data that have the key."""
    if isinstance(data, dict):
        if key in data:
            yield data
        data = list(data.values())
    for x in data if isinstance(data, list) else []:
        yield from find(x, key)


def seconds(*command):
    begin = time.perf_counter()
    call(*command)
    return time.perf_counter() - begin


def compare(args, work, name, model, program):
    """Program over model, in time."""
    a = b = math.inf
    for _ in range(args.rounds):
        a = min(a, least(args, work, model, []))
        b = min(b, least(args, work, program[0], program[1:]))
    build = [min(seconds(args.ingot, 'build', x[0], *x[1:], '--emit', 'obj', '-o', work / 'm.o') for _ in range(2))
             for x in ([model], [p for p in program if p != 'f'])]
    check = min(seconds(args.ingot, 'check', program[0]) for _ in range(3))
    print(f'{name:20} {a:10.3f} {b:10.3f} {b / a:8.3f} {build[0]:8.2f} {build[1]:8.2f} {check * 1e3:8.1f}', flush=True)
    return b / a


def pairs(args, work):
    """Name, ONNX file, and the program with the options that it takes."""
    weights = ['--weights', work / 'net.safetensors']
    for name in networks.CASES:
        inputs = networks.write(name, args.ingot, work)
        shapes = [x for k, v in inputs.items() for x in ('--shape', f'{k}=' + 'x'.join(map(str, v.shape)))]
        yield name, work / 'net.onnx', [work / 'net.ingot', 'f', *weights, *shapes]
    for folder in args.dirs:
        call(args.ingot, 'inspect', folder / 'model.onnx', '--format', 'ingot', '-o', work / 'net.ingot')
        yield folder.name, folder / 'model.onnx', [work / 'net.ingot', *weights]


def main():
    p = argparse.ArgumentParser()
    p.add_argument('ingot')
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--runs', type=int, default=30)
    p.add_argument('--prefix', default='')
    p.add_argument('dirs', nargs='*', type=pathlib.Path)
    args = p.parse_args()
    print(f'{"":20} {"ONNX ms":>10} {"program ms":>10} {"ratio":>8} {"build s":>8} {"build s":>8} {"check ms":>8}')
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        ratios = {name: compare(args, work, name, model, program) for name, model, program in pairs(args, work)}
    mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
    print(f'geometric mean {mean:.3f}, worst {max(ratios.values()):.3f} ({max(ratios, key=ratios.get)})')


if __name__ == '__main__':
    main()
