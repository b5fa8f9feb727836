#!/usr/bin/env python3
"""Compares compiled models with ONNX Runtime and OpenVINO: same inputs, same cores.

usage: compare.py [--ingot build/ingot] [--against INGOT] [--threads 1,2] [--rounds 3]
                  [--seconds 1] [--dynamic] [--peers onnxruntime,openvino]
                  [--json FILE] [CASE...]

A CASE is a folder with model.onnx and test_data_set_0, or a .onnx file whose
named dims, if any, follow a colon, as in mlp.onnx:N=1.  Default: all
of build/data/real, build/data/light_random, and bench/make_models.py's models.
All take turns, `rounds` times; the minimum over all runs counts.  Each side is
given the inputs' extents when it compiles; with --dynamic none is.
Ratio: ingot beside the better peer, above 1 the peer is faster.  --against names
another build of ingot; its column is this build's time beside that one's.
OpenVINO computes in f32 (no dynamic quantization).
It sets up what it needs in build/venv, once, and goes on there.
"""
import argparse
import importlib.util
import json
import math
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def set_up():
    """Goes on in build/venv, where all packages are, or as many as can be had."""
    needed = 'numpy', 'onnx', 'onnxruntime', 'openvino'
    if all(importlib.util.find_spec(n) for n in needed) or 'INGOT_COMPARE' in os.environ:
        return
    subprocess.run(['bash', '-euc', '. scripts/setup.sh; make_venv; install_python_tools\n'
                    'build/venv/bin/pip install -q --no-deps --require-hashes -r bench/requirements.txt'],
                   cwd=ROOT, check=False)
    python = str(ROOT / 'build/venv/bin/python')
    os.execve(python, [python, *sys.argv], {**os.environ, 'INGOT_COMPARE': '1'})


set_up()
import numpy as np
import onnx
from onnx import numpy_helper


class Case:
    """One model with inputs in a folder that all sides read."""

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
        graph = onnx.load(str(self.model), load_external_data=False).graph
        weights = {w.name for w in graph.initializer}
        self.inputs = [v for v in graph.input if v.name not in weights]
        if not self.data.exists():
            self.make_inputs()
        self.feed = {v.name: numpy_helper.to_array(onnx.load_tensor(str(self.data / f'input_{i}.pb')))
                     for i, v in enumerate(self.inputs)}

    def make_inputs(self):
        self.data.mkdir(parents=True)
        rng = np.random.Generator(np.random.Philox(7))
        for i, value in enumerate(self.inputs):
            kind = value.type.tensor_type
            shape = [int(self.dims.get(d.dim_param, d.dim_value)) for d in kind.shape.dim]
            if 0 in shape:
                sys.exit(f'{self.name}: give the dims of {value.name}, as in '
                         f'{self.model}:{kind.shape.dim[shape.index(0)].dim_param}=1')
            array = rng.random(shape).astype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
            tensor = numpy_helper.from_array(array, value.name)
            (self.data / f'input_{i}.pb').write_bytes(tensor.SerializeToString())

    def bound(self):
        """The model with its inputs' extents as they are at hand: bytes, or its path where
        it has no others."""
        free = [(d, size) for value in self.inputs
                for d, size in zip(value.type.tensor_type.shape.dim, self.feed[value.name].shape)
                if not d.dim_value]
        if not free:
            return str(self.model)
        for d, size in free:
            d.dim_value = size
        model = onnx.load(str(self.model))
        inputs = {v.name: v for v in self.inputs}
        for value in model.graph.input:
            if value.name in inputs:
                value.CopyFrom(inputs[value.name])
        return model.SerializeToString()


def best_of(run, seconds):
    """The minimum of runs for so many seconds, at least three, in ms."""
    run()
    best, end, runs = float('inf'), time.perf_counter() + seconds, 0
    while runs < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        runs += 1
    return best * 1e3


class OnnxRuntime:
    def __init__(self, case, threads, dynamic):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            str(case.model) if dynamic else case.bound(), options,
            providers=['CPUExecutionProvider'])
        self.feed = case.feed

    def time(self, seconds):
        return best_of(lambda: self.session.run(None, self.feed), seconds)


class OpenVino:
    def __init__(self, case, threads, dynamic):
        import openvino
        core = openvino.Core()
        model = core.read_model(str(case.model))
        names = {port.any_name: port for port in model.inputs}
        if not dynamic:
            model.reshape({port: list(case.feed[name].shape) for name, port in names.items()})
        self.request = core.compile_model(model, 'CPU', {
            'INFERENCE_PRECISION_HINT': 'f32', 'DYNAMIC_QUANTIZATION_GROUP_SIZE': '0',
            'INFERENCE_NUM_THREADS': str(threads), 'NUM_STREAMS': '1',
            'PERFORMANCE_HINT': 'LATENCY'}).create_infer_request()
        self.feed = {name: case.feed[name] for name in names}

    def time(self, seconds):
        return best_of(lambda: self.request.infer(self.feed, share_inputs=True,
                                                  share_outputs=True), seconds)


class Ingot:
    def __init__(self, ingot, case, threads, dynamic):
        self.threads = threads
        self.command = [str(ingot), 'bench', str(case.model), '--engine', 'compiled',
                        '--threads', str(threads), '--test-data', str(case.data)]
        for name, array in ({} if dynamic else case.feed).items():
            if array.ndim:
                self.command += ['--shape', f'{name}={"x".join(map(str, array.shape))}']
        self.last = None

    def time(self, seconds):
        runs = 20 if self.last is None else min(2000, max(5, int(seconds * 1e3 / self.last)))
        with tempfile.NamedTemporaryFile(suffix='.json') as out:
            run = subprocess.run(self.command + ['--runs', str(runs), '--json', out.name],
                                 capture_output=True, text=True, check=False)
            if run.returncode:
                raise RuntimeError((run.stderr.strip().splitlines() or ['no result'])[-1])
            rows = json.loads(pathlib.Path(out.name).read_text())['runs']
        self.last = min(r['min_ms'] for r in rows
                        if r['engine'] == 'compiled' and r['threads'] == self.threads)
        return self.last


PEERS = {'onnxruntime': OnnxRuntime, 'openvino': OpenVino}


def prepared(name, make):
    """A side, or None where it cannot take the model."""
    try:
        return make()
    except Exception as error:          # each peer has errors of its own
        print(f'  {name}: {str(error).strip().splitlines()[0][:90]}', file=sys.stderr)
        return None


def measure(case, threads, args):
    sides = {'ingot': prepared('ingot', lambda: Ingot(args.ingot, case, threads, args.dynamic))}
    if args.against:
        sides['against'] = prepared(
            'against', lambda: Ingot(args.against, case, threads, args.dynamic))
    for peer in args.peers:
        sides[peer] = prepared(peer, lambda: PEERS[peer](case, threads, args.dynamic))
    best = dict.fromkeys(sides, math.nan)
    for _ in range(args.rounds):
        for name in [n for n, side in sides.items() if side]:
            try:
                best[name] = min(sides[name].time(args.seconds), best[name], key=lambda t:
                                 math.inf if math.isnan(t) else t)
            except Exception as error:
                print(f'  {name}: {str(error).strip().splitlines()[0][:90]}', file=sys.stderr)
                sides[name] = None
    return best


def measure_on(cores, case, threads, args):
    """measure, in a process that has only ever seen these cores: a peer sizes its pool of
    threads once, by those of the process at its first use."""
    with multiprocessing.get_context('fork').Pool(
            1, os.sched_setaffinity, (0, cores[:threads])) as pool:
        return pool.apply(measure, (case, threads, args))


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


def better_peer(best, peers):
    return min((best[p] for p in peers if not math.isnan(best[p])), default=math.nan)


def geometric_mean(values):
    values = [v for v in values if not math.isnan(v)]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=argparse.SUPPRESS)
    parser.add_argument('cases', nargs='*', metavar='CASE')
    parser.add_argument('--ingot', type=pathlib.Path, default=ROOT / 'build/ingot')
    parser.add_argument('--against', type=pathlib.Path)
    parser.add_argument('--threads', default='1,2')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=1)
    parser.add_argument('--dynamic', action='store_true')
    parser.add_argument('--peers', default='onnxruntime,openvino',
                        type=lambda text: [p for p in text.split(',') if p])
    parser.add_argument('--json', type=pathlib.Path)
    args = parser.parse_args()
    unknown = [p for p in args.peers if p not in PEERS]
    if unknown:
        parser.error(f'no such peer: {unknown[0]} (of {", ".join(PEERS)})')
    return args


def main():
    args = arguments()
    cores = sorted(os.sched_getaffinity(0))
    rows, failed = [], False
    columns = ['ingot'] + (['against'] if args.against else []) + args.peers
    print(f'{"model":28} thr ' + ' '.join(f'{c:>11}' for c in columns) + '  ratio' +
          ('  against' if args.against else ''))
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        for text in args.cases or default_cases():
            case = Case(text, scratch)
            for threads in map(int, args.threads.split(',')):
                best = measure_on(cores, case, threads, args)
                failed |= math.isnan(best['ingot'])
                ratio = best['ingot'] / better_peer(best, args.peers)
                own = best['ingot'] / best.get('against', math.nan)
                rows.append({'model': case.name, 'threads': threads, 'ms': best, 'ratio': ratio,
                             'against': own})
                print(f'{case.name:28} {threads:3} ' +
                      ' '.join(f'{best[c]:11.4f}' for c in columns) + f' {ratio:6.2f}' +
                      (f' {own:8.3f}' if args.against else ''), flush=True)
    print(f'geometric mean: {geometric_mean([r["ratio"] for r in rows]):.3f}' +
          (f', against: {geometric_mean([r["against"] for r in rows]):.3f}'
           if args.against else ''))
    if args.json:
        args.json.write_text(json.dumps({'dynamic': args.dynamic, 'rows': rows}, indent=1) + '\n')
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
