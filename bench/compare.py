#!/usr/bin/env python3
"""Compares compiled models with ONNX Runtime: same inputs, same cores.

usage: compare.py [--ingot build/ingot] [--threads 1,2] [--rounds 3]
                  [--seconds 1] [--json FILE] [CASE...]

A CASE is a folder with model.onnx and test_data_set_0, or a .onnx file whose
named dims, if any, follow a colon, as in mlp.onnx:N=1.  Default: all
of build/data/real, build/data/light_random, and bench/make_models.py's models.
The two take turns, `rounds` times; the minimum over all runs counts.  Ratio
above 1: ONNX Runtime is faster.  Run it with build/venv/bin/python.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnx import numpy_helper
except ModuleNotFoundError as error:
    sys.exit(f'{error}: build/venv/bin/pip install --no-deps --require-hashes '
             '-r scripts/requirements.txt, then run this with build/venv/bin/python')

ROOT = pathlib.Path(__file__).resolve().parent.parent
NUMPY = {'tensor(float)': np.float32, 'tensor(int64)': np.int64,
         'tensor(int32)': np.int32}


class Case:
    """One model with inputs in a folder that both sides read."""

    def __init__(self, text, scratch):
        path, _, dims = text.partition(':')
        path = pathlib.Path(path)
        self.dims = dict(d.split('=') for d in dims.split(',') if d)
        if path.is_dir():
            self.name, self.model = path.name, path / 'model.onnx'
            self.data = path / 'test_data_set_0'
        else:
            self.name, self.model = path.stem + (f':{dims}' if dims else ''), path
            self.data = scratch / self.name.replace(':', '_')
        self.session_cache = {}

    def session(self, threads):
        if threads not in self.session_cache:
            options = ort.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            for name, size in self.dims.items():    # as --dim tells ingot
                options.add_free_dimension_override_by_name(name, int(size))
            self.session_cache[threads] = ort.InferenceSession(
                str(self.model), options, providers=['CPUExecutionProvider'])
        return self.session_cache[threads]

    def make_inputs(self):
        if self.data.exists():
            return
        self.data.mkdir(parents=True)
        rng = np.random.Generator(np.random.Philox(7))
        for i, value in enumerate(self.session(1).get_inputs()):
            shape = [self.dims.get(d, d) for d in value.shape]
            if not all(str(d).isdigit() for d in shape):
                sys.exit(f'{self.name}: {value.name} is {shape}: give its dims as in '
                         f'{self.model}:{[d for d in shape if not str(d).isdigit()][0]}=1')
            shape = [int(d) for d in shape]
            array = rng.random(shape).astype(NUMPY[value.type])
            tensor = numpy_helper.from_array(array, value.name)
            (self.data / f'input_{i}.pb').write_bytes(tensor.SerializeToString())

    def feed(self):
        return {value.name: numpy_helper.to_array(
            onnx.load_tensor(str(self.data / f'input_{i}.pb')))
            for i, value in enumerate(self.session(1).get_inputs())}


def time_runtime(case, threads, seconds):
    session, feed = case.session(threads), case.feed()
    session.run(None, feed)
    best, end, runs = float('inf'), time.perf_counter() + seconds, 0
    while runs < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, feed)
        best = min(best, time.perf_counter() - start)
        runs += 1
    return best * 1e3, runs


def time_ingot(case, ingot, threads, runs, scratch):
    out = scratch / 'bench.json'
    out.unlink(missing_ok=True)
    command = [str(ingot), 'bench', str(case.model), '--engine', 'compiled',
               '--threads', str(threads), '--runs', str(runs),
               '--test-data', str(case.data), '--json', str(out)]
    for name, size in case.dims.items():
        command += ['--dim', f'{name}={size}']
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode or not out.exists():
        lines = run.stderr.strip().splitlines() or ['no result']
        raise RuntimeError(lines[-1])
    found = [r['min_ms'] for r in json.loads(out.read_text())['runs']
             if r['engine'] == 'compiled' and r['threads'] == threads]
    return min(found)


def measure(case, threads, args, scratch):
    ours = theirs = float('inf')
    for _ in range(args.rounds):
        best, runs = time_runtime(case, threads, args.seconds)
        theirs = min(theirs, best)
        ours = min(ours, time_ingot(case, args.ingot, threads,
                                    min(runs, args.max_runs), scratch))
    return ours, theirs


def default_cases():
    data = ROOT / 'build/data'
    models = data / 'bench'
    subprocess.run([sys.executable, str(ROOT / 'bench/make_models.py'),
                    str(models)], check=True)
    folders = sorted((data / 'real').iterdir()) + sorted(
        (data / 'light_random').glob('light_*'))
    return [str(f) for f in folders] + [
        str(models / 'gemm_1024.onnx'), str(models / 'gemm_1024_inputs.onnx'),
        f'{models}/mlp.onnx:N=1',
        f'{models}/mlp.onnx:N=64']


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=argparse.SUPPRESS)
    parser.add_argument('cases', nargs='*', metavar='CASE')
    parser.add_argument('--ingot', type=pathlib.Path,
                        default=ROOT / 'build/ingot')
    parser.add_argument('--threads', default='1,2')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=1)
    parser.add_argument('--max-runs', type=int, default=2000)
    parser.add_argument('--json', type=pathlib.Path)
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    rows, failed = [], False
    print(f'{"model":30} thr {"ingot ms":>10} {"ORT ms":>10} {"ratio":>6}')
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        for text in args.cases or default_cases():
            case = Case(text, scratch)
            case.make_inputs()
            for threads in map(int, args.threads.split(',')):
                os.sched_setaffinity(0, cores[:threads])
                try:
                    ours, theirs = measure(case, threads, args, scratch)
                except RuntimeError as error:
                    print(f'{case.name:30} {threads:3} {error}', flush=True)
                    failed = True
                    continue
                rows.append({'model': case.name, 'threads': threads,
                             'ingot_ms': ours, 'ort_ms': theirs})
                print(f'{case.name:30} {threads:3} {ours:10.3f} {theirs:10.3f} '
                      f'{ours / theirs:6.2f}', flush=True)
            os.sched_setaffinity(0, cores)
    if args.json:
        args.json.write_text(json.dumps(
            {'onnxruntime': ort.__version__, 'rows': rows}, indent=1) + '\n')
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
