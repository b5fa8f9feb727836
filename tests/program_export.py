#!/usr/bin/env python3
"""Models as programs: each is printed, read back, and gives what it should.

usage: program_export.py INGOT [--every N] [--engine NAME] [--rtol X] [--reasons] DIR..

A DIR has model.onnx and test_data_set_*.  `inspect --format ingot` prints the model, `fmt
--check` finds nothing to change in it, and `test` runs the program on the data.  A model that
cannot be printed says why: these are counted as skipped, and listed by reason with --reasons.
Models that cannot be imported are left out.  Ends with a line `N passed, N failed, N skipped`.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

from tally import Tally


def call(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def reason_of(text):
    """What the language lacks, without the places."""
    found = re.search(r'unsupported: (.*)', text)
    return re.sub(r' \((node|main|v)?.*\)$', '', found[1]) if found else text.strip().splitlines()[-1:]


def check(args, work, case):
    """'passed', 'skipped' or 'failed', and why."""
    program, weights = work / 'model.ingot', work / 'model.safetensors'
    weights.unlink(missing_ok=True)
    code, _ = call(args.ingot, 'inspect', case / 'model.onnx')
    if code:
        return 'left out', ''
    code, text = call(args.ingot, 'inspect', case / 'model.onnx', '--format', 'ingot', '-o', program)
    if code:
        return ('skipped' if 'unsupported:' in text else 'failed'), text
    given = ['--weights', weights] if weights.exists() else []
    given += ['--rtol', args.rtol] if args.rtol else []
    code, text = call(args.ingot, 'fmt', '--check', program)
    if not code:
        code, text = call(args.ingot, 'test', '--engine', args.engine, '--timeout', 300, '--model', program,
                          *given, case)
    return ('failed' if code else 'passed'), text


def main():
    p = argparse.ArgumentParser()
    p.add_argument('ingot')
    p.add_argument('--every', type=int, default=1)
    p.add_argument('--engine', default='interpreter')
    p.add_argument('--rtol', help='relative tolerance, where that of the case is not meant')
    p.add_argument('--reasons', action='store_true')
    p.add_argument('dirs', nargs='+')
    args = p.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory() as work:
        for case in args.dirs[::args.every]:
            result, text = check(args, pathlib.Path(work), pathlib.Path(case))
            if result != 'left out':
                tally.add(result, case, str(reason_of(text)) if result == 'skipped' else text)
    return tally.report(args.reasons)


if __name__ == '__main__':
    sys.exit(main())
