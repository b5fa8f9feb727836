#!/usr/bin/env python3
"""Builds an executable from each case's model, runs it, compares its outputs.

usage: executables.py [--cpu NAME] [--emulator COMMAND] INGOT CASE...

An emulator runs what is built for another processor.  One executable serves all cases that share a model, with whatever extents the
data have.  A case is a folder with model.onnx, about.json and test_data_set_0.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper


def file_name(name):
    return re.sub(r'[^A-Za-z0-9._-]', '_', name)


def run(command):
    done = subprocess.run([str(c) for c in command], capture_output=True,
                          text=True, check=False, timeout=600)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f'exit {done.returncode}')


def check(run_it, case, scratch):
    about = json.loads((case / 'about.json').read_text())
    data, out = case / 'test_data_set_0', scratch / 'out' / case.name
    command = [*run_it, '--output-dir', out]
    for i, name in enumerate(about['inputs']):
        command += ['--input', f'{name}={data}/input_{i}.pb']
    run(command)
    for i, name in enumerate(about['outputs']):
        want = numpy_helper.to_array(
            onnx.load_tensor(str(data / f'output_{i}.pb')))
        got = np.load(out / f'{file_name(name)}.npy')
        if got.shape != want.shape or got.dtype != want.dtype:
            raise RuntimeError(f'{name}: {got.dtype}{got.shape}, '
                               f'not {want.dtype}{want.shape}')
        if not np.allclose(got, want, about['rtol'], about['atol'], True):
            raise RuntimeError(f'{name}: off by {np.abs(got - want).max()}')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--cpu', default='native')
    parser.add_argument('--emulator', default='')
    parser.add_argument('ingot')
    parser.add_argument('cases', nargs='+', type=pathlib.Path)
    given = parser.parse_args()
    built, passed, failed, skipped = {}, 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        for case in given.cases:
            model = (case / 'model.onnx').resolve()
            try:
                if model not in built:
                    built[model] = scratch / f'model{len(built)}'
                    run([given.ingot, 'build', model, '--cpu', given.cpu, '-o', built[model]])
                check([*given.emulator.split(), built[model]], case, scratch)
                passed += 1
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                if 'unsupported' in str(error) or 'interpreter only' in str(error):
                    skipped += 1
                    print(f'skipped {case.name}: {error}', flush=True)
                else:
                    failed += 1
                    print(f'FAILED {case.name}: {error}', flush=True)
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return int(failed > 0)


if __name__ == '__main__':
    sys.exit(main())
