#!/usr/bin/env python3
"""Models that go out as ONNX again: onnx.checker takes them, and they compute the same.

usage: onnx_export.py INGOT CASE..      run with build/venv/bin/python

Each case, of the backend-test form, is imported, exported, checked in full, and run by the
interpreter on its own import, and in ONNX Runtime where that is installed.  What ONNX cannot
say is skipped.  Ends with a line `N passed, N failed, N skipped`.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

try:
    import onnxruntime
    onnxruntime.set_default_logger_severity(4)
except ImportError:
    onnxruntime = None


class Failure(Exception):
    pass


def tensors(case, what, infos):
    """The arrays of input or output files, by the names of the model."""
    found = {}
    for i, info in enumerate(infos):
        path = case / 'test_data_set_0' / f'{what}_{i}.pb'
        found[info.name] = numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))
    return found


def same(name, got, want):
    if got.dtype != want.dtype or got.shape != want.shape:
        raise Failure(f'{name}: {got.dtype}{got.shape}, expected {want.dtype}{want.shape}')
    if got.dtype.kind not in 'fiub':
        return
    got, want = got.astype(np.float64), want.astype(np.float64)
    if not np.allclose(got, want, rtol=2e-3, atol=1e-5, equal_nan=True):
        raise Failure(f'{name}: differs by {np.nanmax(np.abs(got - want)):g}')


def in_runtime(path, case, model):
    """Runs the exported model in ONNX Runtime; False if that lacks a kernel for a type."""
    try:
        session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        return False
    types = {i.type.split('(')[-1] for i in (*session.get_inputs(), *session.get_outputs())}
    if any(t.startswith(('float8', 'bfloat16')) for t in types):
        return False                    # which NumPy has not
    inputs = tensors(case, 'input', model.graph.input)
    wanted = {i.name for i in session.get_inputs()}
    got = session.run(None, {n: a for n, a in inputs.items() if n in wanted})
    want = tensors(case, 'output', model.graph.output)
    for name, array in zip((o.name for o in session.get_outputs()), got):
        same(name, np.asarray(array), want[name])
    return True


def check(ingot, case, scratch):
    """True: passed; False: skipped."""
    out = scratch / 'case'
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(case, out)
    path = out / 'model.onnx'
    run = subprocess.run([ingot, 'build', '--emit', 'onnx', '-o', path.with_name('new.onnx'),
                          case / 'model.onnx'], capture_output=True, text=True, check=False)
    if run.returncode:
        if 'unsupported' in run.stderr:
            return False
        raise Failure(run.stderr[:300])
    path.with_name('new.onnx').rename(path)
    model = onnx.load(str(case / 'model.onnx'))
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as why:
        raise Failure(f'checker: {str(why)[:300]}') from why
    run = subprocess.run([ingot, 'test', '--engine', 'interpreter', out], capture_output=True,
                         text=True, check=False)
    if 'size overflows or is too large' in run.stdout:
        pass            # extents that data decide, of which the importer knows no bounds
    elif run.returncode or '1 passed' not in run.stdout:
        raise Failure(f'own import: {run.stdout[:300]}')
    if onnxruntime:
        try:
            return in_runtime(path, case, model)
        except Failure:
            raise
        except Exception as why:
            raise Failure(f'ONNX Runtime: {str(why)[:300]}') from why
    return True


def main():
    ingot = str(pathlib.Path(sys.argv[1]).resolve())
    counts = [0, 0, 0]
    with tempfile.TemporaryDirectory() as scratch:
        for case in map(pathlib.Path, sys.argv[2:]):
            try:
                counts[0 if check(ingot, case, pathlib.Path(scratch)) else 2] += 1
            except Failure as why:
                counts[1] += 1
                print(f'FAILED {case.name}: {why}')
    print('{} passed, {} failed, {} skipped'.format(*counts))
    return int(counts[1] > 0)


if __name__ == '__main__':
    sys.exit(main())
