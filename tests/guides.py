#!/usr/bin/env python3
"""Runs every command of docs/guides as a new user would: those of add.md in the source
tree, all others in an empty folder with a model and a picture, with ingot installed; and
those of the README but for quickstart.sh, and of the first pages of docs/train.md on a few pictures
made up, in a folder that looks like the source tree.

usage: guides.py BUILD

A block of sh whose fence names a program (needs=perf) is skipped where that is missing.
"""
import gzip
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np
import onnx
from onnx import helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r'^```sh(?: needs=(\S+))?\n(.*?)^```$', re.S | re.M)


def classifier():
    """Pictures of 32x32 to four probabilities."""
    rng = np.random.default_rng(1)
    weights = {'w': rng.normal(0, .3, (8, 3, 3, 3)), 'v': rng.normal(0, .3, (8, 4))}
    nodes = [helper.make_node('Conv', ['x', 'w'], ['c'], name='conv', pads=[1, 1, 1, 1]),
             helper.make_node('Relu', ['c'], ['r'], name='relu'),
             helper.make_node('GlobalAveragePool', ['r'], ['p'], name='pool'),
             helper.make_node('Flatten', ['p'], ['f'], name='flatten'),
             helper.make_node('MatMul', ['f', 'v'], ['m'], name='classes'),
             helper.make_node('Softmax', ['m'], ['probabilities'], name='softmax')]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, 'classifier', [value('x', 1, [1, 3, 32, 32])], [value('probabilities', 1, [1, 4])],
                              [numpy_helper.from_array(w.astype(np.float32), n) for n, w in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)


def picture():
    """A PNG of 40x30 pixels."""
    def chunk(name, data):
        return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
    rows = b''.join(b'\0' + bytes(v for x in range(40) for v in (6 * x, 8 * y, 128)) for y in range(30))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 40, 30, 8, 2, 0, 0, 0)) +
            chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


def prepare(folder):
    onnx.save(classifier(), folder / 'model.onnx')
    (folder / 'photo.png').write_bytes(picture())
    (folder / 'labels.txt').write_text('cat\ndog\nowl\nfox\n')
    np.save(folder / 'x.npy', np.zeros((1, 3, 32, 32), np.float32))


def readme_commands():
    """The README's lines that are commands, in order; DIR... is a folder of cases."""
    lines = [line[4:].split('  ')[0] for line in (ROOT / 'README.md').read_text().splitlines()
             if re.match(r'    (build/ingot|\./(?!quickstart)) ?', line)]
    return [line.split(' # ')[0].replace('DIR...', 'cases') for line in lines]


def tutorial_commands():
    """The commands of "Train, look, deploy", but for those that install."""
    text = (ROOT / 'docs/train.md').read_text().split('## Train, look, deploy')[1].split('\nA library')[0]
    lines = [line[4:].split('  ')[0] for line in text.splitlines() if line.startswith('    ')]
    return [line for line in lines if not line.startswith(('apt', 'export'))]


def write_pictures(folder):
    """The four files of the digits example, of some pictures, and a grey PNG."""
    rng = np.random.default_rng(1)
    for part, n in ('train', 300), ('t10k', 40):
        label = rng.integers(0, 10, n, 'u1')
        x = np.repeat(label * 25, 784).astype('u1')
        (folder / f'{part}-images-idx3-ubyte.gz').write_bytes(
            gzip.compress(struct.pack('>4B3I', 0, 0, 8, 3, n, 28, 28) + x.tobytes()))
        (folder / f'{part}-labels-idx1-ubyte.gz').write_bytes(
            gzip.compress(struct.pack('>4BI', 0, 0, 8, 1, n) + label.tobytes()))


def readme_numbers(build):
    """What the README says of operators that `ingot ops` does not; None if they agree."""
    done = subprocess.run([sys.executable, ROOT / 'tools/operators.py', build / 'ingot', '--check'],
                          capture_output=True, text=True)
    return done.stdout.strip() if done.returncode else None


def prepare_tree(folder, build):
    """What the README's commands find: ingot in build/, examples, a model and a case of it."""
    folder.mkdir()
    prepare(folder)
    (folder / 'build').mkdir()
    (folder / 'build/ingot').symlink_to(build / 'ingot')
    (folder / 'examples').symlink_to(ROOT / 'examples')
    case = folder / 'cases/model/test_data_set_0'
    case.mkdir(parents=True)
    shutil.copy(folder / 'model.onnx', case.parent)
    subprocess.run([build / 'ingot', 'run', 'model.onnx', '--input', 'x.npy', '--output-dir', case, '--output-format', 'pb'],
                   cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (case / 'probabilities.pb').rename(case / 'output_0.pb')
    (case / 'input_0.pb').write_bytes(numpy_helper.from_array(np.load(folder / 'x.npy')).SerializeToString())


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory() as top:
        prefix = pathlib.Path(top) / 'prefix'
        subprocess.run(['cmake', '--install', build, '--prefix', prefix], check=True, stdout=subprocess.DEVNULL)
        env = {**os.environ, 'PATH': f'{prefix}/bin:{os.environ["PATH"]}', 'INGOT_PREFIX': str(prefix),
               'PKG_CONFIG_PATH': str(next(prefix.rglob('ingot.pc')).parent)}
        for guide in sorted((ROOT / 'docs/guides').glob('*.md')):
            folder = ROOT if guide.stem == 'add' else pathlib.Path(top) / guide.stem
            if folder != ROOT:
                folder.mkdir()
                prepare(folder)
            for needs, text in BLOCK.findall(guide.read_text()):
                if needs and not shutil.which(needs):
                    skipped += 1
                    continue
                done = subprocess.run(['bash', '-eu', '-c', text], cwd=folder, env=env, text=True,
                                      stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=600)
                passed += done.returncode == 0
                if done.returncode:
                    failed += 1
                    print(f'FAILED {guide.name}: {text.strip()}\n{(done.stdout + done.stderr)[-1000:]}', flush=True)
        prepare_tree(pathlib.Path(top) / 'tree', build)
        write_pictures(pathlib.Path(top) / 'tree')
        for command in readme_commands() + tutorial_commands():
            done = subprocess.run(['bash', '-eu', '-c', command], cwd=pathlib.Path(top) / 'tree', text=True, env=env,
                                  stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=600)
            passed += done.returncode == 0
            if done.returncode:
                failed += 1
                print(f'FAILED README or train.md: {command}\n{(done.stdout + done.stderr)[-1000:]}', flush=True)
    wrong = readme_numbers(build)
    failed, passed = failed + bool(wrong), passed + (not wrong)
    if wrong:
        print(f'FAILED {wrong}')
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return 1 if failed else 0


sys.exit(main())
