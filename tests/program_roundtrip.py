#!/usr/bin/env python3
"""Programs printed as programs, at once and by way of ONNX: each entry gives what it gave.

usage: program_roundtrip.py [--reasons] INGOT [NAME..]

Each entry of each program in examples and tests/programs, with weights that `init` draws, is
printed as a program, and so is the ONNX model that it is written as; all run on the same input.
What ONNX or the printer has no words for is counted as skipped, and listed by reason with
--reasons.  Ends with a line `N passed, N failed, N skipped`.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

from programs import HERE, close, dims_of, random_input, run
from tally import Tally


def call(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def entries_of(text):
    """Name and inputs, as (name, type), of each entry but `init` in the text of a module."""
    for name, inputs in re.findall(r'^entry (\w+)\((.*)\) {$', text, re.M):
        if name != 'init':
            yield name, re.findall(r'%"?([^":]+)"?: (\S+\](?: = @\d+)?)', inputs)


def by_onnx(ingot, work, program, entry, options):
    """The entry as an ONNX model, to be printed; a message instead if none is made."""
    model = work / 'model.onnx'
    code, text = call(ingot, 'build', program, '--entry', entry, '--emit', 'onnx', '-o', model, *options)
    return text if code else [model]


def at_once(ingot, work, program, entry, options):
    return [program, '--entry', entry, *options]


WAYS = {'at once': at_once, 'by ONNX': by_onnx}


def printed(ingot, work, source):
    """The options that go with work/back.ingot; a message instead if none is printed."""
    weights = work / 'back.safetensors'
    weights.unlink(missing_ok=True)
    code, text = call(ingot, 'inspect', *source, '--format', 'ingot', '-o', work / 'back.ingot')
    return text if code else ['--weights', weights] if weights.exists() else []


def differ(want, got, inputs):
    """What is wrong with the results, by name; None: nothing.  An output of ONNX that is named
    like an input has another name."""
    taken = {name for name, _ in inputs}
    want = {key if key in got else key + '_2' * (key in taken): value for key, value in want.items()}
    if want.keys() != got.keys():
        return f'results {sorted(got)}, expected {sorted(want)}'
    return next((f'{key}: {fault}' for key in want if (fault := close(got[key], want[key]))), None)


def check_entry(ingot, work, program, entry, inputs, options):
    """What is wrong, or None, by each way."""
    rng = np.random.default_rng(3)
    values = {name: random_input(rng, kind) for name, kind in inputs}
    want = run(ingot, work, program, entry, 'interpreter', values, None, options)
    for way, source in WAYS.items():
        fault = want if isinstance(want, str) else source(ingot, work, program, entry, options)
        given = fault if isinstance(fault, str) else printed(ingot, work, fault)
        got = given
        if not isinstance(given, str):
            net = re.search(r'^net (\w+)\(', (work / 'back.ingot').read_text(), re.M)[1]
            got = run(ingot, work, work / 'back.ingot', net, 'interpreter', values, None, given)
        yield way, got if isinstance(got, str) else differ(want, got, inputs)


def check_program(ingot, work, program):
    """(entry, what is wrong or None) of each, by each way."""
    options = dims_of(program)
    code, text = call(ingot, 'inspect', program, *options)
    if code:
        yield '', text
        return
    if re.search(r'^entry init\(', text, re.M):
        weights = work / 'weights.safetensors'
        code, said = call(ingot, 'init', program, '--seed', '3', '-o', weights, *options)
        if code:
            yield 'init', said
            return
        options = ['--weights', weights]
    for entry, inputs in entries_of(text):
        for way, fault in check_entry(ingot, work, program, entry, inputs, options):
            yield f'{entry} {way}', fault


def main():
    p = argparse.ArgumentParser()
    p.add_argument('ingot')
    p.add_argument('--reasons', action='store_true')
    p.add_argument('names', nargs='*')
    args = p.parse_args()
    tally = Tally()
    programs = sorted((HERE.parent / 'examples').glob('*.ingot')) + sorted((HERE / 'programs').glob('*.ingot'))
    with tempfile.TemporaryDirectory() as folder:
        for program in programs:
            if (args.names and program.stem not in args.names) or '.onnx"' in program.read_text():
                continue
            for entry, fault in check_program(args.ingot, pathlib.Path(folder), program):
                lacks = sorted(set(re.findall(r'unsupported: (.*?)(?: \(.*\))?$', fault or '', re.M)))
                tally.add('skipped' if lacks else 'failed' if fault else 'passed',
                          f'{program.stem}, {entry}', '; '.join(lacks) or fault)
    return tally.report(args.reasons)


if __name__ == '__main__':
    sys.exit(main())
