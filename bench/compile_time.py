#!/usr/bin/env python3
"""How long `ingot build` takes, beside another build of ingot.

usage: compile_time.py [--ingot build/ingot] [--against INGOT] [--jobs 0,1] [--rounds 3]
                       [--limit RATIO] [CASE...]

A CASE is a folder with model.onnx, or a model, that is built as its file says it: what dims
are of the run stay so.  Default: all of build/data/real and build/data/light, and the
detector of bench/make_models.py.  All take turns, `rounds` times; the least wall time
counts, that of the other build with as many jobs as it takes by itself.  Jobs of 0 are one
for each CPU.  The output of all jobs is compared.  Ends with the geometric means of this build's
first jobs beside the other; exit code 1 if outputs differ or a model is over the limit.
"""
import argparse
import math
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def default_cases():
    models = ROOT / 'build/data/bench'
    subprocess.run([sys.executable, str(ROOT / 'bench/make_models.py'), str(models)], check=True)
    return [*sorted((ROOT / 'build/data/real').iterdir()),
            *sorted((ROOT / 'build/data/light').iterdir()), models / 'detector.onnx']


def build(ingot, model, to, options):
    """Seconds, and what was written."""
    begin = time.perf_counter()
    done = subprocess.run([str(ingot), 'build', str(model), '-o', str(to), *options],
                          capture_output=True, text=True, check=False)
    took = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f"{ingot} build {model}: {done.stderr.strip()}")
    return took, to.read_bytes()


def measure(args, model, folder):
    """The least seconds for each number of jobs, then of the other build; whether all jobs
    wrote the same."""
    sides = [(args.ingot, ['--jobs', jobs] if jobs != '0' else []) for jobs in args.jobs]
    sides += [(args.against, [])] if args.against else []
    least, same = [math.inf] * len(sides), True
    for _ in range(args.rounds):
        written = []
        for i, (ingot, options) in enumerate(sides):
            took, output = build(ingot, model, folder / 'model', options)
            least[i] = min(least[i], took)
            written += [output] if i < len(args.jobs) else []
        same &= all(w == written[0] for w in written)
    return least, same


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=argparse.SUPPRESS)
    parser.add_argument('cases', nargs='*', metavar='CASE', type=pathlib.Path)
    parser.add_argument('--ingot', type=pathlib.Path, default=ROOT / 'build/ingot')
    parser.add_argument('--against', type=pathlib.Path)
    parser.add_argument('--jobs', default='0,1', type=lambda text: text.split(','))
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--limit', type=float, default=math.inf)
    return parser.parse_args()


def main():
    args, ratios, failed = arguments(), [], False
    columns = [f'jobs={j}' for j in args.jobs] + (['against', 'ratio'] if args.against else [])
    print(f'{"model":24}' + ''.join(f'{c:>10}' for c in columns))
    with tempfile.TemporaryDirectory() as folder:
        for case in args.cases or default_cases():
            model = case / 'model.onnx' if case.is_dir() else case
            name = case.name if case.is_dir() else case.stem
            least, same = measure(args, model, pathlib.Path(folder))
            ratio = [least[0] / least[-1]] if args.against else []
            ratios += ratio
            late = any(r > args.limit for r in ratio)
            failed |= late or not same
            print(f'{name:24}' + ''.join(f'{v:10.3f}' for v in least + ratio) +
                  ('' if same else '  outputs differ') + ('  over the limit' if late else ''),
                  flush=True)
    if ratios:
        print(f'geometric mean: {math.exp(sum(map(math.log, ratios)) / len(ratios)):.3f}')
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
