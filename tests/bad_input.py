#!/usr/bin/env python3
"""Bad models, data, files and command lines: a message, an exit code, no partial file.

usage: bad_input.py INGOT

Writes its models byte by byte, so that it needs nothing but Python.  The last
line counts cases.
"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from limits import CLOCK, cpu_limit

LIMIT = 20                      # seconds of the processor: whatever takes longer hangs
INGOT = pathlib.Path(sys.argv[1]).resolve()
passed, failed, skipped = 0, 0, 0


# ---- models ------------------------------------------------------------------

def varint(n):
    n &= (1 << 64) - 1
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n)


def block(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def node(op, inputs, outputs, attributes=b'', domain='', name='n'):
    return block(1, b''.join(block(1, i) for i in inputs) +
                 b''.join(block(2, o) for o in outputs) + block(3, name) +
                 block(4, op) + attributes + (block(7, domain) if domain else b''))


def attribute(name, kind, value):
    return block(5, block(1, name) + value + number(20, kind))


def value(field, name, dims, elem=1):
    shape = b''.join(block(1, block(2, d) if isinstance(d, (str, bytes)) else number(1, d))
                     for d in dims)
    return block(field, block(1, name) +
                 block(2, block(1, number(1, elem) + block(2, shape))))


def tensor(name, dims, raw=b'', elem=1, extra=b''):
    return (b''.join(number(1, d) for d in dims) + number(2, elem) +
            block(8, name) + (block(9, raw) if raw else b'') + extra)


def external(name, dims, location):
    entry = block(13, block(1, 'location') + block(2, location))
    return tensor(name, dims, extra=entry + number(14, 1))


def model(graph, opset=17):
    return number(1, 8) + block(7, graph) + block(8, number(2, opset))


def relu(dims=(2, 3)):
    return model(node('Relu', ['x'], ['y']) + value(11, 'x', dims) + value(12, 'y', dims))


def with_constant(constant, dims=(2,)):
    return model(node('Add', ['x', 'w'], ['y']) + block(5, constant) +
                 value(11, 'x', dims) + value(12, 'y', dims))


def endless():
    """A loop that nobody waits for."""
    body = (node('Identity', ['c'], ['c_out']) + node('Neg', ['v'], ['v_out']) + block(2, 'body') +
            value(11, 'i', [], 7) + value(11, 'c', [], 9) + value(11, 'v', []) +
            value(12, 'c_out', [], 9) + value(12, 'v_out', []))
    trips = block(5, tensor('trips', [], struct.pack('<q', 1 << 40), 7))
    return model(node('Loop', ['trips', '', 'x'], ['y'], attribute('body', 5, block(6, body))) +
                 trips + value(11, 'x', []) + value(12, 'y', []))


def nested(depth):
    graph = b''
    for _ in range(depth):
        graph = node('If', ['x'], ['y'], attribute('then_branch', 5, block(6, graph)))
    return model(graph)


def npy(path, dims, kind='<f4', size=4):
    count = 1
    for d in dims:
        count *= d
    shape = ''.join(f'{d},' for d in dims)
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}"
    head = head.ljust(117) + '\n'
    path.write_bytes(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(head)) + head.encode() +
                     bytes(count * size))


# ---- checks ------------------------------------------------------------------

def report(name, problem):
    global passed, failed
    if problem:
        failed += 1
        print(f'FAILED {name}: {problem}')
    else:
        passed += 1


def names(folder):
    return {p.name for p in folder.iterdir()}


def run(command, folder, **options):
    try:
        return subprocess.run([str(c) for c in command], cwd=folder, capture_output=True, text=True,
                              errors='replace', check=False, timeout=CLOCK * LIMIT,
                              preexec_fn=cpu_limit(LIMIT), stdin=subprocess.DEVNULL, **options)
    except subprocess.TimeoutExpired:
        return None


def check(name, folder, command, code, *words, new=(), **options):
    """`code`: exit code, or several; `words` stand in the message; `new`: files."""
    before = names(folder)
    done = run(command, folder, **options)
    codes = code if isinstance(code, tuple) else (code,)
    appeared = names(folder) - before
    problem = None
    if done is None:
        problem = f'no end within {CLOCK * LIMIT} s'
    elif done.returncode == -signal.SIGXCPU:
        problem = f'no end within {LIMIT} s of the processor'
    elif done.returncode not in codes:
        problem = f'exit code {done.returncode}: {done.stderr.strip()[-300:]}'
    elif done.returncode and not (done.stderr + done.stdout).strip():
        problem = 'no message'
    elif any(w not in done.stderr for w in words):
        problem = f'the message is: {done.stderr.strip()[-300:]}'
    elif appeared != set(new):
        problem = f'files: {sorted(appeared)}'
    report(name, problem)


def peak_memory(command):
    """Largest resident set of a command, in bytes."""
    child = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss << 10


def interrupt(name, folder, command, wait_for, env=None):
    """Ctrl-C as soon as wait_for() is true: exit code 130, nothing left."""
    before = names(folder)
    child = subprocess.Popen([str(c) for c in command], cwd=folder, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    end = time.monotonic() + CLOCK * LIMIT
    while not wait_for(child) and child.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    try:
        child.communicate(timeout=CLOCK * LIMIT)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
    left = names(folder) - before
    report(name, f'exit code {child.returncode}' if child.returncode != 130 else
           f'files: {sorted(left)}' if left else None)


# ---- cases -------------------------------------------------------------------

def every_byte(folder):
    """One process for each length and each byte; whatever it says, it ends well."""
    whole = with_constant(tensor('w', [2], bytes(8)))
    path = folder / 'm.onnx'
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        check(f'cut off after {n}', folder, [INGOT, 'inspect', '--stage', 'optimized', path], (0, 1))
    for n in range(len(whole)):
        for mask in (0xff, 0x01):
            path.write_bytes(whole[:n] + bytes([whole[n] ^ mask]) + whole[n + 1:])
            check(f'byte {n} ^ {mask}', folder, [INGOT, 'inspect', '--stage', 'optimized', path], (0, 1))


def broken_models(folder):
    wide = value(11, 'x', [1 << 62, 1 << 62]) + value(12, 'y', [1 << 62, 1 << 62])
    cases = {
        'deep nesting': (nested(2000), 'nest'),
        'negative extent': (relu((-7, 2)), 'negative'),
        'no operator set': (relu()[:-len(block(8, number(2, 17)))], 'opset_import'),
        'negative extent of a tensor': (with_constant(tensor('w', [-2], bytes(8))), "'w'", 'negative'),
        'huge input': (model(node('Relu', ['x'], ['y']) + wide), 'too large'),
        'huge tensor': (with_constant(tensor('w', [1 << 40, 1 << 40])), "'w'", 'too large'),
        'too little data': (with_constant(tensor('w', [2], bytes(7))), "'w'", 'length'),
        'cycle': (model(node('Relu', ['b'], ['a']) + node('Relu', ['a'], ['b']) + value(12, 'b', [2])),
                  'cycle'),
        'missing operand': (model(node('Relu', ['z'], ['y']) + value(12, 'y', [2])), "'z'"),
        'missing output': (model(value(12, 'y', [2])), "'y'"),
        'value made twice': (model(node('Relu', ['x'], ['y']) * 2 + value(11, 'x', [2]) +
                                   value(12, 'y', [2])), "'y'", 'twice'),
        'unknown operator': (model(node('Rleu', ['x'], ['y']) + value(11, 'x', [2]) +
                                   value(12, 'y', [2])), "m.onnx: error: unsupported: Rleu-17: ", "(node 0 'n')"),
        'unknown operator without a name': (model(node('Rleu', ['x'], ['y'], name='') + value(11, 'x', [2]) +
                                                  value(12, 'y', [2])), '(node 0)'),
        'unknown domain': (model(node('Relu', ['x'], ['y'], domain='com.acme') + value(11, 'x', [2]) +
                                 value(12, 'y', [2])), 'unsupported', 'com.acme'),
        'unknown version': (model(node('Relu', ['x'], ['y']) + value(11, 'x', [2]) + value(12, 'y', [2]),
                                  opset=1000), 'unsupported', '1000'),
        'unknown element type': (model(node('Relu', ['x'], ['y']) + value(11, 'x', [2], 99)), "x"),
        'extents that differ': (with_constant(tensor('w', [3], bytes(12))), 'Add', 'n'),
        'weights beyond the limit': (
            model(node('ConstantOfShape', ['s'], ['w']) + node('Add', ['x', 'w'], ['y']) +
                  block(5, tensor('s', [2], struct.pack('<qq', 100000, 1000000), 7)) +
                  node('Relu', ['y'], ['z']) + value(11, 'x', [1]) + value(12, 'z', [100000, 1000000])), ),
        'external data above the folder': (with_constant(external('w', [2], '../out.bin')), 'folder'),
        'external data at a path': (with_constant(external('w', [2], '/etc/passwd')), 'folder'),
        'external data through a link': (with_constant(external('w', [2], 'link.bin')), 'folder'),
        'external data that is a folder': (with_constant(external('w', [2], 'sub')), 'regular'),
        'external data that is missing': (with_constant(external('w', [2], 'no.bin')), 'no.bin'),
        'empty file': (b'', 'empty'),
        'text': (b'This is not a model.\n' * 30, 'm.onnx: looks like text; an ONNX model is expected'),
        'cut off': (with_constant(tensor('w', [2], bytes(8)))[:-20], 'm.onnx: is no ONNX model, or is damaged: ', 'is it cut off?'),
        'picture': (b'\x89PNG\r\n' + bytes(99), 'a PNG picture'), 'page': (b'<!doctype html>', 'an HTML page'),
        'array': (b'\x93NUMPY' + bytes(99), 'a .npy file'), 'packed': (b'\x1f\x8b' + bytes(99), 'gzip, to be unpacked'),
        'junk': (b'\xff' * 99, 'is no ONNX model, or is damaged: offset'),
    }
    (folder.parent / 'out.bin').write_bytes(bytes(8))
    (folder / 'link.bin').symlink_to(folder.parent / 'out.bin')
    (folder / 'sub').mkdir()
    path = folder / 'm.onnx'
    for name, (data, *words) in cases.items():
        path.write_bytes(data)
        code = (0, 1) if name.startswith('weights') else 1
        check(name, folder, [INGOT, 'inspect', '--stage', 'optimized', path], code, *words)
    for command in ('build', 'run', 'bench', 'test'):
        path.write_bytes(cases['unknown operator'][0])
        extra = ['-o', 'out'] if command == 'build' else []
        if command != 'test':
            check(f'{command}: unknown operator', folder, [INGOT, command, path, *extra], 1, 'Rleu-17')


def hostile_names(folder):
    """Bytes that a terminal obeys, and bytes that are no text, reach none, whoever speaks."""
    wild = b'a\x1b[2J\xff\xc2\x9b\xe2\x80\xae\n'
    known = model(node('Relu', [wild], [wild + b'y'], name=wild) + value(11, wild, [wild + b'd', 3]) +
                  value(12, wild + b'y', [wild + b'd', 3]))
    (folder / 'm.onnx').write_bytes(known)
    (folder / 'op.onnx').write_bytes(model(node(wild, [wild], ['y'], name=wild) + value(11, wild, [2]) +
                                           value(12, 'y', [2])))
    (folder / 'input.onnx').write_bytes(model(node('Relu', [wild], ['y'], name=wild) + value(12, 'y', [2])))
    (folder / 'attribute.onnx').write_bytes(model(node('Relu', ['x'], ['y'], attribute(wild, 2, number(3, 1)), name=wild) +
                                                  value(11, 'x', [2]) + value(12, 'y', [2])))
    (folder / 'state.ir').write_text(r"""state @"a\x1b[2J\x9b.w" : f32[2,2] trainable
entry main(%x: f32[3,2]) {
  %1 = state @"a\x1b[2J\x9b.w" : f32[2,2]
  %2 = dot %x, %1 {sum_a=[1], sum_b=[0]} : f32[3,2]
  return y=%2
}
""")
    (folder / 'm.ir').write_bytes(b'fn main(%x: f32[2]) {\n  \t%1 = ' + wild)
    case = folder / 'case/test_data_set_0'
    case.mkdir(parents=True)
    (folder / 'case/model.onnx').write_bytes(known)
    (case / 'input_0.pb').write_bytes(tensor(wild, [9], bytes(4)))
    (case / 'output_0.pb').write_bytes(tensor('', [9], bytes(4)))
    run([INGOT, 'build', 'm.onnx', '-o', 'm'], folder)
    stages = ('import', 'optimized', 'groups', 'schedules', 'loops', 'plan', 'memory')
    commands = [[INGOT, 'inspect', 'm.onnx', '--stage', stage] for stage in stages]
    commands += [[INGOT, 'inspect', 'state.ir', '--stage', stage] for stage in ('import', 'memory', 'summary')]
    commands += [[INGOT, 'inspect', 'm.onnx', '--format', form] for form in ('dot', 'svg', 'json')]
    commands += [[INGOT, command, file, *(['-o', 'out'] if command == 'build' else [])] for command in ('build', 'run', 'inspect')
                 for file in ('m.onnx', 'op.onnx', 'input.onnx', 'attribute.onnx', 'm.ir')]
    for program in ([folder / 'm'], [INGOT, 'run', 'm.onnx']):
        commands += [[*program, *words] for words in (['--info'], ['--help'], ['--random-inputs'], ['--input', 'x=none'],
                                                      ['--input', 'case/test_data_set_0/input_0.pb'])]
    commands += [[INGOT, 'test', 'case', '-v'], [INGOT, 'run', os.fsdecode(wild)], [os.fsencode('./m'), wild], [INGOT, wild],
                 [INGOT, 'run', 'm.onnx', b'--' + wild]]
    for command in commands:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False,
                              timeout=CLOCK * LIMIT, preexec_fn=cpu_limit(LIMIT))
        said = (done.stdout + done.stderr).decode(errors='surrogateescape')
        odd = [c for c in said if c != '\n' and (c < ' ' or '\x7f' <= c < '\xa0' or '\udc80' <= c <= '\udcff' or c == '\u202e')]
        report(f'names: {command[1:]}', f'{odd[:4]} in {said[:300]!r}' if odd or done.returncode not in (0, 1, 2) else None)


def memory(folder):
    """Under 16 times the file plus 256 MB, and soon."""
    path = folder / 'm.onnx'
    io = value(11, 'x', [2]) + value(12, 'y', [2])
    chain = b''.join(node('Relu', [f'{i}' if i else 'x'], [f'{i + 1}']) for i in range(50000))
    gaps = b''.join(node(f'Op{i}', ['x'], [f'{i}']) for i in range(50000))
    cases = {
        'many nodes': (model(chain + value(11, 'x', [2]) + value(12, '50000', [2])), 0),
        'many unknown operators': (model(gaps + io), 1),
        'many empty nodes': (model(block(1, b'') * 500000), 1),
        'many constants': (model(block(5, tensor('w', [0])) * 200000), (0, 1)),
        'many opsets': (number(1, 8) + block(7, node('Relu', ['x'], ['y']) + io) + block(8, number(2, 17)) * 300000, (0, 1)),
        'zeros': (bytes(4 << 20), 1),
    }
    for name, (data, code) in cases.items():
        path.write_bytes(data)
        limit = 16 * len(data) + (256 << 20)
        command = [INGOT, 'inspect', path]
        check(name, folder, ['/bin/sh', '-c', 'exec "$@" >/dev/null', 'sh', *command], code)
        peak = peak_memory(command)
        report(f'{name}: memory', f'{peak >> 20} MB for {len(data) >> 10} kB'
               if peak > limit else None)


def bad_data(folder):
    (folder / 'm.onnx').write_bytes(relu())
    npy(folder / 'good.npy', [2, 3])
    npy(folder / 'type.npy', [2, 3], '<f8', 8)
    npy(folder / 'shape.npy', [3, 2])
    npy(folder / 'rank.npy', [6])
    (folder / 'cut.npy').write_bytes((folder / 'good.npy').read_bytes()[:-1])
    (folder / 'archive.npz').write_bytes(b'PK\3\4' + bytes(99))
    (folder / 'junk.pb').write_bytes(b'\xff' * 99)
    (folder / 'text.npy').write_bytes(b'1,2,3\n')
    (folder / 'empty.npy').write_bytes(b'')
    (folder / 'photo.png').write_bytes(b'\x89PNG\r\n\x1a\n' + bytes(99))
    (folder / 'page.npy').write_bytes(b'<!DOCTYPE html><html>')
    check('build', folder, [INGOT, 'build', 'm.onnx', '-o', 'm'], 0, new=['m'])
    engines = {'compiled': [INGOT, 'run', 'm.onnx'], 'executable': [folder / 'm'],
               'interpreter': [INGOT, 'run', 'm.onnx', '--engine=interpreter']}
    for engine, command in engines.items():
        for data, *words in (('type.npy', "type.npy: input 'x'", 'f64', '--cast converts'), ('shape.npy', "shape.npy: input 'x'", '3'),
                             ('rank.npy', "rank.npy: input 'x'", 'the batch missing'),
                             ('cut.npy', 'cut.npy'), ('junk.pb', 'junk.pb'), ('text.npy', 'text.npy: looks like text; one tensor is expected'),
                             ('empty.npy', 'empty.npy: is empty'), ('/dev/null', '/dev/null: is empty'), ('.', 'directory'),
                             ('archive.npz', 'archive such as .npz'), ('photo.png', 'a PNG picture'), ('page.npy', 'an HTML page'), ('m.onnx', 'an ONNX model'), ('none.npy', 'none.npy')):
            check(f'{engine}: {data}', folder, [*command, '--input', f'x={data}', '--output-dir', 'out'], 1, *words)
        check(f'{engine}: --cast', folder, [*command, '--input=type.npy', '--cast'], 0)
        check(f'{engine}: missing input', folder, command, 1, "'x'")
        check(f'{engine}: unknown input', folder, [*command, '--input', 'xx=good.npy'], 2, "'xx' is unknown: give x")
        check(f'{engine}: standard output as a folder', folder, [*command, '--input=x=good.npy', '--output-dir', '-'], 2, 'a name')
        check(f'{engine}: good', folder, [*command, '--input=x=good.npy', '--output-dir', f'{engine}/a/b'],
              0, new=[engine])
        check(f'{engine}: from a pipe', folder, ['/bin/sh', '-c', 'cat good.npy | "$@"', 'sh', *command, '--input=x=/dev/stdin'], 0)
        check(f'{engine}: standard input', folder, ['/bin/sh', '-c', '"$@" <good.npy', 'sh', *command, '--input=-'], 0)
        check(f'{engine}: folder is a file', folder, [*command, '--input=x=good.npy', '--output-dir', 'm.onnx'],
              1, 'm.onnx')


def inputs_given(folder):
    """`ingot run` and executables take the same, and refuse the same in the same way."""
    for name, dims, has in (('first', (1, 3, 4, 5), (1, 4, 5, 3)), ('last', ('N', 4, 5, 3), (1, 3, 4, 5))):
        (folder / f'{name}.onnx').write_bytes(relu(dims))
        npy(folder / f'{name}.npy', has)
        check(f'layout: {name}', folder, [INGOT, 'run', f'{name}.onnx', '--input', f'{name}.npy'], 1,
              f"and the model wants {'NCHW' if name == 'first' else 'NHWC'}")
    (folder / 'one.onnx').write_bytes(relu())
    (folder / 'two.onnx').write_bytes(model(node('Add', ['x', 'z'], ['y']) + value(11, 'x', [2, 3]) +
                                            value(11, 'z', [2, 3]) + value(12, 'y', [2, 3])))
    npy(folder / 'x.npy', [2, 3])
    npy(folder / 'type.npy', [2, 3], '<f8', 8)
    cases = (('one', ['--input', 'x.npy'], 0), ('one', ['--input', 'x.npy', '--input', 'x=x.npy'], 2, '--input x', 'twice'),
             ('two', ['--input', 'x.npy'], 2, 'NAME=FILE', "'x.npy'", '2 inputs'),
             ('two', ['--input=x=x.npy', '--input=x=type.npy'], 2, '--input x', 'twice'),
             ('two', ['--input=x=x.npy', '--input=z=x.npy'], 0),
             ('one', ['--input=x.npy', '--output-format', 'pb'], 2, '--output-format goes with --output-dir'))
    for name in ('one', 'two'):
        check('build', folder, [INGOT, 'build', f'{name}.onnx', '-o', name], 0, new=[name])
    cases += (('one', ['--x', 'type.npy'], 1, 'type.npy', 'has type f64, expected f32 (--cast converts it)'),
              ('one', ['--x', 'type.npy', '--cast'], 0))
    for name, arguments, code, *words in cases:
        for command in ([folder / name], [INGOT, 'run', f'{name}.onnx']):
            check(f'{command[0].name} {name}: {arguments}', folder, [*command, *arguments], code, *words)
    said, model_hash = run([folder / 'one', '--version'], folder).stdout, hashlib.sha256((folder / 'one.onnx').read_bytes()).hexdigest()
    report('executable: --version', None if 'ingot 0' in said and model_hash in said else said)
    for kind, number_ in ((7, '9007199254740993'), (7, '-9223372036854775808'), (13, '18446744073709551615')):
        (folder / 'same.onnx').write_bytes(model(node('Identity', ['x'], ['y']) + value(11, 'x', [2], kind) + value(12, 'y', [2], kind)))
        said = run([INGOT, 'run', 'same.onnx', '--x', f'[1, {number_}]'], folder).stdout
        report(f'all digits of {number_}', None if number_ in said else said)
    check('no such integer', folder, [INGOT, 'run', 'same.onnx', '--x', '[1, 18446744073709551616]'], 1, 'is no u64')
    for arguments in (['--bench=3'], ['--output-dir', 'out']):
        check(f'executable: --info {arguments}', folder, [folder / 'one', '--info', *arguments], 2, '--info')


def names_of_no_part(folder):
    """--dim, --shape and --set of what the model does not have: wrong usage, with the names there are."""
    (folder / 'rows.onnx').write_bytes(relu(('Rows', 3)))
    (folder / 'rows.ir').write_text('dim rows\nentry main(%x: f32[rows,3]) {\n  %y = neg %x : f32[rows,3]\n  return %y\n}\n')
    (folder / 'rows.ingot').write_text('dim Rows\nconfig Depth = 2\nnet f(x: [Rows, 3]) -> [Rows, 3] = x * Depth\n')
    for command in (['inspect'], ['build', '-o', 'out'], ['run', '--random-inputs'], ['bench'], ['check'],
                    ['grad', '--loss', 'l2', '-o', 'out.onnx'], ['init', '-o', 'out.safetensors']):
        files = ['rows.ingot'] if command[0] == 'init' else ['rows.onnx'] if command[0] == 'grad' else ['rows.onnx', 'rows.ir', 'rows.ingot']
        for file in files:
            said = 'give rows' if file == 'rows.ir' else "give Rows; did you mean 'Rows'?"
            check(f'{command[0]} {file}: unknown dim', folder, [INGOT, *command, file, '--dim', 'Row=2'], 2, "--dim 'Row' is unknown", said)
            check(f'{command[0]} {file}: unknown input', folder, [INGOT, *command, file, '--shape', 'z=2x3'], 2, "--shape 'z' is unknown: give x")
    (folder / 'learns.ingot').write_text('net f(x: [.., 3]) -> [.., 1] = x |> dense(1)\ntrain fit(x: [.., 3], t: [.., 1]) {\n'
                                         '  data x, t = [[0, 0, 0, 1], [1, 0, 1, 0]]\n  minimize (f(x) - t)^2 using sgd(1)\n  epochs 2\n}\n')
    for option in (['--run'], ['-o', 'out']):
        check(f'train {option[0]}: unknown input', folder, [INGOT, 'train', 'learns.ingot', '--shape', 'z=2x3', *option], 2,
              "--shape 'z' is unknown: give x")
    learns = [INGOT, 'train', 'learns.ingot']
    check('train: a block', folder, [*learns, 'fit', '--run', '--save', 'out'], 0, 'saved out', new=['out'])
    for name, rest, said in (('no block', ['fir', '--run'], "'fir'; did you mean 'fit'?"), ('an entry', ['f', '--run'], "'f' is an entry"),
                             ('a block, to make a trainer', ['fit', '-o', 'a'], 'takes the names of blocks')):
        check(f'train: {name}', folder, [*learns, *rest], 2, said)
    check('a trainer', folder, [*learns, '-o', 'trainer'], 0, new=['trainer'])
    for arguments in (['--info'], ['--help'], ['f', 'x=[[1, 2, 3]]', '--init', 'out']):
        check(f'full disk: a trainer with {arguments[0]}', folder,
              ['/bin/sh', '-c', 'exec "$@" >/dev/full', 'sh', './trainer', *arguments], 1, 'output cannot be written')
    (folder / 'many.ingot').write_text('entry f(n: int) -> [n] {\n  scan t in n { y[t] = real(t) }\n  y\n}\n')
    check('fewer than none', folder, [INGOT, 'run', 'many.ingot', 'n=-3'], 1, "'y' would have fewer elements than none")
    case = folder / 'case/test_data_set_0'
    case.mkdir(parents=True)
    (folder / 'case/model.onnx').write_bytes(relu(('Rows', 3)))
    for file in ('input_0.pb', 'output_0.pb'):
        (case / file).write_bytes(tensor('', [2, 3], bytes(24)))
    for option, known in ((['--dim', 'Row=2'], 'give Rows'), (['--shape', 'z=2x3'], 'give x')):
        done = run([INGOT, 'test', 'case', *option], folder)
        report(f'test {option}', None if done.returncode == 2 and known in done.stdout and '1 failed' in done.stdout else done.stdout)
    (folder / 'weight.onnx').write_bytes(with_constant(tensor('w', [2], bytes(8))))
    for names, code, *said in (('w', 0), ('W', 1, "called 'W'; did you mean 'w'?"), ('w,scale', 1, "called 'scale'"), ('w,w*', 0)):
        check(f'gradients by {names}', folder, [INGOT, 'grad', '--loss', 'y', '--wrt', names, 'weight.onnx', '-o', 'g.ir'], code, *said,
              new=['g.ir'] if not code else ())
        (folder / 'g.ir').unlink(missing_ok=True)
    said = run([INGOT, 'grad', '--loss', 'mse', 'rows.onnx', '-o', 'g.ir'], folder).stderr
    report('gradients without weights: one message', None if said == 'error: the model has no float weight\n' else said)
    check('empty schedules', folder, [INGOT, 'bench', 'rows.onnx', '--schedule', '/dev/null'], 1, '/dev/null: holds no schedule')
    check('fmt of a model', folder, [INGOT, 'fmt', 'rows.onnx'], 1, 'rows.onnx: is no program, which is text')
    said = run([INGOT, 'fmt', 'rows.onnx'], folder).stderr
    report('fmt of a model: one message', None if said.count('\n') == 1 else said)
    (folder / 'images.npy').write_bytes(b'\x93NUMPY\1\0')
    check('build of data', folder, [INGOT, 'build', 'images.npy', '-o', 'out'], 1, 'ends in .ingot or .ir')
    zeros = [INGOT, 'run', 'learns.ingot', '--random-inputs']
    check('no weights', folder, zeros, 1, 'give --weights FILE')
    (folder / 'learns.safetensors').write_bytes(b'')
    check('weights beside', folder, zeros, 1, 'give --weights learns.safetensors')
    check('unknown config', folder, [INGOT, 'check', 'rows.ingot', '--set', 'depth=3'], 2, "--set 'depth' is unknown: give Depth; did you mean 'Depth'?")


def notes_of_weights(folder):
    """Dims that a weights file notes are extents, or the file is refused."""
    (folder / 'rows.ingot').write_text('dim Rows\nnet f(x: [Rows, 3]) -> [Rows, 3] = x\n')
    for noted, code in (('7', 0), ('-7', 1), ('abc', 1), ('', 1), ('3.5', 1), ('9' * 20, 1)):
        header = json.dumps({'__metadata__': {'dim.Rows': noted}}).encode()
        (folder / 'rows.safetensors').write_bytes(struct.pack('<Q', len(header)) + header)
        check(f'a noted dim: {noted!r}', folder, [INGOT, 'build', 'rows.ingot', '--weights', 'rows.safetensors', '-o', 'rows'], code,
              *([f"rows.safetensors: the note dim.Rows is '{noted}', no extent"] if code else []), new=() if code else ('rows',))


def replaced_weights(folder):
    """--weights takes the place of what the file or the data beside it hold; what it lacks stays."""
    graph = (node('Add', ['x', 'w'], ['s']) + node('Mul', ['s', 'v'], ['y']) + block(5, external('w', [2], 'w.bin')) +
             block(5, external('v', [2], 'v.bin')) + value(11, 'x', [2]) + value(12, 'y', [2]))
    (folder / 'sub').mkdir()
    (folder / 'sub/m.onnx').write_bytes(model(graph))
    (folder / 'sub/w.bin').write_bytes(struct.pack('<2f', 1, 2))
    (folder / 'sub/v.bin').write_bytes(struct.pack('<2f', 10, 100))
    header = json.dumps({'w': {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]}}).encode()
    (folder / 'w.safetensors').write_bytes(struct.pack('<Q', len(header)) + header + struct.pack('<2f', 5, 6))
    said = run([INGOT, 'run', 'sub/m.onnx', '--weights', 'w.safetensors', '--x', '[0, 1]'], folder)
    report('some of the external data replaced', None if '50 700' in said.stdout else said.stdout + said.stderr)


def shown_once(folder):
    """A model that shows a value shows it once for a run, whatever is tried to find its extents."""
    (folder / 'shows.ir').write_text('dim n\nentry main(%x: f32[n,n]) {\n  show %x {name="x"}\n  return y=%x\n}\n')
    for engine in ('compiled', 'interpreter'):
        said = run([INGOT, 'run', 'shows.ir', '--random-inputs', '--engine', engine], folder).stderr
        report(f'shown once: {engine}', None if said.count('x: f32[') == 1 else said)


def little_memory(folder):
    """An input that is too large for the memory is not too large for the model."""
    (folder / 'm.onnx').write_bytes(relu(('N', 1000)))
    check('build', folder, [INGOT, 'build', 'm.onnx', '-o', 'm'], 0, new=['m'])
    for command in ([folder / 'm'], [INGOT, 'run', 'm.onnx']):
        check(f'little memory: {command[0].name}', folder, ['/bin/sh', '-c', 'ulimit -v 4000000; exec "$@"', 'sh', *command,
                                                            '--random-inputs', '--dim', 'N=10000000'],
              1, "no memory for the 40000000000 bytes of input 'x'")


def unwritable(folder):
    (folder / 'm.onnx').write_bytes(with_constant(tensor('w', [1 << 18], bytes(1 << 20)), [1 << 18]))
    (folder / 'sub').mkdir()
    build = [INGOT, 'build', 'm.onnx', '-o']
    check('output is a folder', folder, [*build, 'sub'], 1, 'sub', 'folder')
    check('output is a device', folder, [*build, '/dev/full'], 1, '/dev/full')
    check('output under a file', folder, [*build, 'm.onnx/m'], 1, 'm.onnx/m')
    check('header is a folder', folder, ['/bin/sh', '-c', 'mkdir sub/net.h && exec "$@"', 'sh', *build,
                                         'sub/net.a', '--emit', 'lib'], 1, 'sub/net.h')
    report('header is a folder: no library', 'there is one' if (folder / 'sub/net.a').exists() else None)
    check('full disk: stdout', folder, ['/bin/sh', '-c', 'exec "$@" >/dev/full', 'sh', INGOT, 'inspect', 'm.onnx'],
          1, 'No space')
    check('full disk: all of a model', folder,
          ['/bin/sh', '-c', 'exec "$@" >/dev/full', 'sh', INGOT, 'inspect', '--full', 'm.onnx'], 1, 'output cannot be written', 'No space')
    check('full disk: json', folder, [INGOT, 'bench', 'm.onnx', '--engine=compiled', '--runs=1', '--json', '/dev/full'],
          1, '/dev/full', 'No space')
    (folder / 'w.onnx').write_bytes(with_constant(tensor('w', [2], struct.pack('<2f', 1, 2))))
    check('program is a folder', folder, ['/bin/sh', '-c', 'mkdir sub/p.ingot && exec "$@"', 'sh', INGOT, 'inspect', 'w.onnx',
                                          '--format', 'ingot', '-o', 'sub/p.ingot'], 1, 'sub/p.ingot')
    report('program is a folder: no weights', 'there are some' if (folder / 'sub/p.safetensors').exists() else None)
    for kind in ('exe', 'obj', 'lib'):
        check(f'file size limit: {kind}', folder,
              ['/bin/sh', '-c', 'ulimit -f 20; exec "$@"', 'sh', *build, 'm', '--emit', kind],
              1, 'File too large')
    (folder / 'long.ir').write_text('entry main(%x: f32[2]) {\n' + ''.join(f'  %{i + 1} = neg {f"%{i}" if i else "%x"} : f32[2]\n' for i in range(900)) +
                                    '  return y=%900\n}\n')
    check('file size limit: text', folder, ['/bin/sh', '-c', 'ulimit -f 1; exec "$@"', 'sh', INGOT, 'inspect', 'long.ir', '-o', 'long.txt'],
          1, 'long.txt: cannot be written: File too large')
    unformatted = 'entry f(x: [2]) -> [2] =  x  # %s\n' % ('.' * 2000)
    (folder / 'f.ingot').write_text(unformatted)
    check('file size limit: fmt', folder, ['/bin/sh', '-c', 'ulimit -f 1; exec "$@"', 'sh', INGOT, 'fmt', 'f.ingot'],
          1, 'File too large')
    report('file size limit: fmt leaves the file', (folder / 'f.ingot').read_text() != unformatted or None)
    full_disk(folder, build)


def reports(folder):
    """A report that cannot be written is refused at once; a report names its model."""
    (folder / 'loop.onnx').write_bytes(endless())
    (folder / 'm.onnx').write_bytes(relu())
    case = folder / 'case/test_data_set_0'
    case.mkdir(parents=True)
    (folder / 'case/model.onnx').write_bytes(endless())
    for name, command in (('bench', [INGOT, 'bench', 'loop.onnx', '--random-inputs']), ('test', [INGOT, 'test', 'case'])):
        for path in ('none/x.json', 'case'):
            check(f'{name} --json {path}', folder, [*command, '--json', path], 1, path)
    check('build', folder, [INGOT, 'build', 'loop.onnx', '-o', 'loop'], 0, new=['loop'])
    check('executable --json', folder, [folder / 'loop', '--bench=1', '--json', 'none/x.json'], 1, 'none/x.json')
    check('bench: report', folder, [INGOT, 'bench', 'm.onnx', '--runs=1', '--json', 'b.json'], 0, new=['b.json'])
    check('bench: page', folder, [INGOT, 'bench', 'm.onnx', '--runs=1', '--html', 'b.html'], 0, new=['b.html'])
    check('full disk: page', folder, [INGOT, 'bench', 'm.onnx', '--engine=compiled', '--runs=1', '--html', '/dev/full'],
          1, 'cannot be written')
    report_of = json.loads((folder / 'b.json').read_text())
    report('bench: names in the report', None if report_of['model'] == 'm.onnx' and 'x86-64' in report_of['cpu'] else report_of)
    check('bench: profile', folder, [INGOT, 'bench', 'm.onnx', '--engine=compiled', '--profile', '--trace', 't.json', '--html', 'p.html'],
          0, new=['t.json', 'p.html'])
    trace = json.loads((folder / 't.json').read_text())
    events = [e for e in trace['traceEvents'] if e['ph'] == 'X']
    report('bench: form of the trace', wrong_trace(trace))
    page = (folder / 'p.html').read_text()
    report('bench: trace', None if events and events[0]['name'] == 'k0_map' and events[0]['args']['bytes'] == 48 else events)
    report('bench: page of kernels', None if all(w in page for w in ('k0_map', 'Timeline', 'Memory', 'CPUs', 'ingot 0')) else page[:300])
    roles = 'xb=[0], xg=[], xf=[1], xs=[2,3], wg=[], wo=[0], wf=[1], ws=[2,3], yb=[0], yg=[], yo=[1], ys=[2,3]'
    (folder / 'square.ir').write_text('entry main(%x: f32[1,64,28,28]) {\n  %w = const splat 0.5 : f32[64,64,3,3]\n'
                                      f'  %y = conv %x, %w {{{roles}, low=[1,1], high=[1,1]}} : f32[1,64,28,28]\n  return y=%y\n}}\n')
    check('bench: profile of squares', folder, [INGOT, 'bench', 'square.ir', '--engine=compiled', '--runs=1', '--cpu', 'x86-64-v3',
                                                '--profile', '--trace', 's.json'], 0, new=['s.json'])
    work = [e['args']['flops'] for e in json.loads((folder / 's.json').read_text())['traceEvents'] if 'winograd' in e['name']]
    report('bench: what squares execute', None if work == [2 * 64 * 64 * 28 * 28 * 9 / 4] else work)
    (folder / 'table.ir').write_text('entry main(%t: f32[4096,64], %i: i64[3], %x: f32[3,64]) {\n'
                                     '  %g = gather %t, %i {axes=[0]} : f32[3,64]\n  %y = mul %g, %x : f32[3,64]\n  return y=%y\n}\n')
    check('bench: profile of a table', folder, [INGOT, 'bench', 'table.ir', '--engine=compiled', '--runs=1', '--profile', '--trace', 's.json'],
          0)
    read = [e['args']['bytes'] for e in json.loads((folder / 's.json').read_text())['traceEvents'] if 'k0' in e['name']]
    report('bench: bytes read of a table', None if read == [3 * (3 * 64 * 4 + 8)] else read)
    check('bench: trace of no profile', folder, [INGOT, 'bench', 'm.onnx', '--trace', 'x.json'], 2, '--profile')
    said = run([INGOT, 'bench', 'm.onnx', '--runs=1', '--engine=interpreter'], folder).stdout
    report('bench: interpreter alone', None if said.startswith('engine') else said)
    said = run([INGOT, 'bench', 'm.onnx', '--runs=1'], folder).stdout
    report('bench: short times', None if re.search(r'compiled +1 +0\.\d{6}', said) else said)


def wrong_trace(trace):
    """What breaks the Trace Event Format: fields, their types, events that overlap on a thread; None if nothing does."""
    kinds = {'name': str, 'cat': str, 'ph': str, 'pid': int, 'tid': int, 'ts': (int, float), 'dur': (int, float), 'args': dict}
    if set(trace) - {'traceEvents', 'displayTimeUnit'} or trace['displayTimeUnit'] not in ('ms', 'ns'):
        return trace
    ends = {}
    for e in trace['traceEvents']:
        need = {'name', 'ph', 'pid', 'tid', 'ts', 'args'} | ({'cat', 'dur'} if e['ph'] == 'X' else set())
        named = e['ph'] != 'M' or (e['name'] in ('process_name', 'thread_name') and set(e['args']) == {'name'})
        if set(e) != need or e['ph'] not in 'XM' or not named or any(not isinstance(v, kinds[k]) for k, v in e.items()):
            return e
        if e['ph'] == 'X' and (e['dur'] < 0 or round(1e3 * e['ts']) < ends.get(e['tid'], 0)):
            return e
        ends[e['tid']] = round(1e3 * (e['ts'] + e.get('dur', 0)))
    return None


def full_disk(folder, build):
    global skipped
    disk = folder / 'disk'
    disk.mkdir()
    if os.geteuid() or run(['mount', '-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', disk], folder).returncode:
        skipped += 1
        return
    try:
        for kind in ('exe', 'lib', 'shared'):
            check(f'full disk: {kind}', folder, [*build, 'disk/m', '--emit', kind], 1)
            report(f'full disk: {kind}: nothing left', str(names(disk)) if names(disk) else None)
        npy(folder / 'x.npy', [1 << 18])
        check('full disk: outputs', folder, [INGOT, 'run', 'm.onnx', '--input=x=x.npy', '--output-dir', 'disk'],
              1, 'No space')
        report('full disk: outputs: nothing left', str(names(disk)) if names(disk) else None)
    finally:
        run(['umount', disk], folder)


def interruptions(folder):
    (folder / 'm.onnx').write_bytes(relu())
    (folder / 'loop.onnx').write_bytes(endless())
    case = folder / 'case/test_data_set_0'
    case.mkdir(parents=True)
    (folder / 'case/model.onnx').write_bytes(endless())
    for file in ('input_0.pb', 'output_0.pb'):
        (case / file).write_bytes(tensor('', [], bytes(4)))
    slow = folder / 'slow'              # a compiler that takes its time
    slow.mkdir()
    (slow / 'cc').write_text('#!/bin/sh\necho busy >"$INGOT_TEST_MARK"\nsleep 100\n')
    (slow / 'cc').chmod(0o755)
    mark = folder.parent / 'mark'
    env = dict(os.environ, PATH=f'{slow}:{os.environ["PATH"]}', INGOT_TEST_MARK=str(mark))
    interrupt('Ctrl-C: build', folder, [INGOT, 'build', 'm.onnx', '-o', 'm'], lambda _: mark.exists(), env)

    def working(child):                 # has used the CPU for a while
        fields = pathlib.Path(f'/proc/{child.pid}/stat').read_text().split()
        return int(fields[13]) > 40

    def has_child(child):
        tasks = pathlib.Path(f'/proc/{child.pid}/task/{child.pid}/children')
        return tasks.exists() and tasks.read_text().strip()

    for engine in ('compiled', 'interpreter'):
        interrupt(f'Ctrl-C: run {engine}', folder, [INGOT, 'run', 'loop.onnx', '--random-inputs', '--engine', engine,
                                                    '--output-dir', 'out'], working)
        interrupt(f'Ctrl-C: bench {engine}', folder, [INGOT, 'bench', 'loop.onnx', '--engine', engine,
                                                      '--json', 'b.json'], working)
    interrupt('Ctrl-C: test', folder, [INGOT, 'test', 'case', '--json', 't.json'], has_child)
    check('time is up', folder, [INGOT, 'test', 'case', '--timeout', '1', '--engine', 'interpreter'], 1)


def test_folders(folder):
    """Half a case fails, and a run that tests nothing says why."""
    unknown = model(node('Rleu', ['x'], ['y']) + value(11, 'x', [2]) + value(12, 'y', [2]))
    for name, data in (('model', relu()), ('data', None), ('whole', relu()), ('a', unknown), ('b', unknown)):
        files = folder / name / 'test_data_set_0'
        files.mkdir(parents=True)
        for file in ('input_0.pb', 'output_0.pb'):
            (files / file).write_bytes(tensor('', [2, 3], bytes(24)))
        if data:
            (folder / name / 'model.onnx').write_bytes(data)
    shutil.rmtree(folder / 'model/test_data_set_0')
    shutil.copytree(folder / 'whole', folder / 'more')
    shutil.copy(folder / 'more/test_data_set_0/output_0.pb', folder / 'more/test_data_set_0/output_1.pb')
    for arguments, *words in ((['.'], 'model: there is no test_data_set_*', 'data: there is no model.onnx',
                               'output_1.pb: belongs to no output: the model has 1', '1 passed, 3 failed, 2 skipped'), (['whole'], '1 passed, 0 failed'),
                              (['a', 'b'], 'skipped a: ', 'Rleu-17', '(2 cases)', '0 passed, 0 failed, 2 skipped')):
        said = run([INGOT, 'test', *arguments], folder).stdout
        report(f'test {arguments}', None if all(w in said for w in words) and 'skipped b' not in said else said)


def command_lines(folder):
    (folder / 'm.onnx').write_bytes(relu(('N', 3)))
    (folder / 'fixed.onnx').write_bytes(relu())
    (folder / 'net.weights').write_bytes(relu())
    usage = {
        'no command': [], 'typo in a command': ['biuld'], 'typo in an option': ['build', '--emti', 'exe'],
        'no model': ['build', '-o', 'm'], 'no output': ['build', 'm.onnx'], 'no value': ['build', 'm.onnx', '-o'],
        'two models': ['run', 'm.onnx', 'm.onnx'], 'bad kind': ['build', 'm.onnx', '-o', 'm', '--emit', 'exo'],
        'bad cpu': ['build', 'm.onnx', '-o', 'm', '--cpu', 'z80'], 'bad shape': ['inspect', 'm.onnx', '--shape', 'x=2y3'],
        'bad number': ['bench', 'm.onnx', '--runs', '0'], 'flag with a value': ['build', 'm.onnx', '--static=1'],
        'unknown pass': ['opt', '-p', 'movement,simplfy', 'm.onnx'], 'unknown loss': ['grad', '--loss', 'msee', 'm.onnx', '-o', 'g.onnx'],
        'a typo before the model': ['run', '--wieghts', 'm.onnx'], 'a name that C has not': ['build', 'm.onnx', '-o', 'a', '--name', '9x'],
        'a trainer\'s name': ['train', 'm.onnx', '--name', 'face-net'],
        'training of a text': ['inspect', 'm.ir', '--train'], 'training by a loss that is not asked for': ['inspect', 'm.onnx', '--loss', 'mse'],
        'training with weights': ['inspect', 'm.ingot', '--train', '--weights', 'w.safetensors'],
        'picture of loops': ['inspect', 'm.onnx', '--stage', 'loops', '--format', 'svg'],
        'unknown entry': ['bench', 'fixed.onnx', 'mian'], 'an input twice': ['run', 'm.onnx', '--input', 'x=a', '--input', 'x=b'],
        'an output twice': ['build', 'm.onnx', '-o', 'a', '-o', 'b'],
        'a config twice': ['build', 'm.ingot', '-o', 'a', '--set', 'k=1', '--set', 'k=2'],
        'a config of a trainer twice': ['train', 'm.ingot', '-o', 'a', '--set', 'k=1', '--set', 'k=2'],
        'a dim twice': ['inspect', 'm.onnx', '--dim', 'N=1', '--dim', 'N=2'],
        'a shape twice': ['inspect', 'm.onnx', '--shape', 'x=1x3', '--shape', 'x=2x3'],
        'a training\'s option, to make a trainer': ['train', 'm.ingot', '-o', 'a', '--set=k=1', '--epochs=5'],
        'a log, to make a model\'s trainer': ['train', 'm.onnx', '-o', 'a', '--loss', 'mse', '--epochs', '5', '--log', 'l'],
        'trainer and training': ['train', 'm.ingot', '-o', 'a', '--run'],
        'a kind of training': ['train', 'm.ingot', '--run', '--emit', 'lib'],
        'a name of training': ['train', 'm.ingot', '--run', '--name', 'net'],
        'a training library as .so': ['train', 'm.ingot', '--emit', 'lib', '-o', 'libnet.so'],
        'a share above 1': ['train', 'm.ingot', '--run', '--valid', '1.5'],
        'epochs in words': ['train', 'm.ingot', '--run', '--epochs', 'ten'],
        'data twice': ['train', 'm.ingot', '--run', '--data', 'x,t=a.npy', '--data', 't=b.npy'],
        'data without a file': ['train', 'm.ingot', '--run', '--data', 'x='],
        'a name twice': ['build', 'm.onnx', '-o', 'a', '--name', 'b', '--name=c'],
        'an operator that is none': ['ops', 'Convv'], 'bad place': ['build', 'm.onnx', '-o', 'a', '--weights', 'foo'], 'bad level': ['inspect', 'm.onnx', '--cpu', 'x86-64-v5'],
        'output over the model': ['build', 'm.onnx', '-o', './m.onnx'],
        'library over its header': ['build', 'm.onnx', '--emit', 'lib', '-o', 'net.h'],
        'text over the model': ['inspect', 'm.onnx', '-o', './m.onnx'],
        'gradients over the model': ['grad', '--loss', 'l2', 'm.onnx', '-o', 'm.onnx'],
        'trained weights over the model': ['train', 'm.onnx', '--loss', 'mse', '--run', '--save-onnx', 'm.onnx'],
        'a program\'s weights over its own': ['inspect', 'm.ingot', '--format', 'ingot', '--weights', 'net.safetensors', '-o', 'net.ingot'],
        'weights over the model': ['build', 'net.weights', '--weights', 'file', '-o', 'net'],
        'a config of a model': ['build', 'm.onnx', '--set', 'a=1', '-o', 'a'], 'real of a model': ['run', 'm.onnx', '--real', 'f64'],
        'the default real of a model': ['run', 'm.onnx', '--real', 'f32'], 'weights of a text': ['run', 'm.ir', '--weights', 'w.safetensors'],
        'a static library as .so': ['build', 'm.onnx', '--emit', 'lib', '-o', 'libnet.so'],
        'a shared library as .a': ['build', 'm.onnx', '--emit', 'shared', '-o', 'libnet.a'],
        'a static library': ['build', 'm.onnx', '--emit', 'lib', '--static', '-o', 'm.a'],
        'passes of no pass': ['inspect', 'm.onnx', '--stage', 'import', '--dump', 'all'],
        'bad size': ['inspect', 'm.onnx', '--max-weights', 'many'], 'bad engine': ['run', 'm.onnx', '--engine', 'x'],
    }
    hints = {'a config twice': '--set k is given twice', 'a config of a trainer twice': '--set k is given twice',
             'a dim twice': '--dim N is given twice', 'a shape twice': '--shape x is given twice',
             'a training\'s option, to make a trainer': '--epochs is for the training',
             'a log, to make a model\'s trainer': '--log is for the training', 'trainer and training': 'give one of them',
             'a kind of training': '--emit is for what -o makes', 'a name of training': '--name is for what -o makes',
             'a training library as .so': '--emit shared', 'a share above 1': "not '1.5'",
             'epochs in words': "takes a whole number, at least 1, not 'ten'",
             'data twice': "--data t is given twice: 'a.npy' and 'b.npy'", 'data without a file': "takes NAME=FILE, not 'x='",
             'an operator that is none': "did you mean 'Conv'?", 'a config of a model': 'm.onnx: is no program', 'real of a model': '--real', 'weights of a text': 'has its weights in it', 'a static library as .so': '--emit shared',
             'a shared library as .a': '--emit lib', 'unknown pass': "did you mean 'simplify'?", 'unknown loss': "give cross_entropy, mse, bce or y; did you mean 'mse'?",
             'a typo before the model': "did you mean '--weights'?", 'a name that C has not': "'x_9x' can", 'a trainer\'s name': "'face_net' can",
             'training of a text': 'an .ir file', 'training by a loss that is not asked for': '--train', 'training with weights': '--weights',
             'unknown entry': "did you mean 'main'?", 'typo in a command': 'build', 'typo in an option': '--emit', 'bad kind': "or asm; did you mean 'exe'?",
             'bad cpu': 'native, x86-64, x86-64-v1, x86-64-v2, x86-64-v3, x86-64-v4 or aarch64', 'bad place': 'embed, file or WEIGHTS.safetensors',
             'bad engine': 'compiled or interpreter', 'bad level': 'x86-64-v4', 'an output twice': "'b'", 'a name twice': "'c'"}
    for name, arguments in usage.items():
        check(f'usage: {name}', folder, [INGOT, *arguments], 2, hints.get(name, ''))
    for command in (['build', 'm.onnx', '-o'], ['build', 'm.onnx', '--emit', 'lib', '-o'], ['inspect', 'm.onnx', '-o'], ['init', 'm.ingot', '-o'],
                    ['grad', '--loss', 'l2', 'm.onnx', '-o'], ['train', 'm.ingot', '-o'], ['data', 'sub', '-o'], ['test', '.', '--json'],
                    ['bench', 'm.onnx', '--json'], ['bench', 'm.onnx', '--html'], ['run', 'm.onnx', '--bench', '--json'], ['run', 'm.onnx', '--states']):
        check(f'usage: {command} -', folder, [INGOT, *command, '-'], 2, 'takes a name, not standard output')
    wrong = {'shape that differs': (['--shape', 'x=4x4'], '3'), 'shape of another rank': (['--shape', 'x=4'], 'rank')}
    for name, (arguments, word) in wrong.items():
        check(name, folder, [INGOT, 'inspect', 'm.onnx', *arguments], 1, word)
    right = {'shape': ['m.onnx', '--shape', 'x=4x3'], 'shape with =': ['--shape=x=4x3', 'm.onnx'],
             'equal shape': ['fixed.onnx', '--shape', 'x=2x3'], 'dim': ['--dim=N=4', 'm.onnx'], 'after --': ['--', 'm.onnx'],
             'size': ['m.onnx', '--max-weights', '1K']}
    for name, arguments in right.items():
        check(f'right: {name}', folder, [INGOT, 'inspect', *arguments], 0)
    check('test: no such folder', folder, [INGOT, 'test', 'none'], 1, 'none')
    for command in ('run', 'bench'):
        check(f'{command}: free dim', folder, [INGOT, command, 'm.onnx', '--random-inputs'], 0)
    said = run([INGOT, 'bench', 'm.onnx'], folder).stderr
    report('bench: free dim is said once', None if said.count("dim 'N' is taken as 1 (--dim N=N sets it)") == 1 else said)
    check('bench: profile of a free dim', folder, [INGOT, 'bench', 'm.onnx', '--engine=compiled', '--profile', '--runs=2'], 0)
    check('run: seed', folder, [INGOT, 'run', '--random-inputs=7', 'm.onnx', '--dim', 'N=2'], 0)
    check('test: tolerance', folder, [INGOT, 'test', '--atol=-1', '.'], 2, 'from 0 up')
    (folder / 'data').mkdir()
    (folder / 'data/input_0.pb').write_bytes(tensor('', [3], bytes(12)))
    check('bench: another shape', folder, [INGOT, 'bench', 'm.onnx', '--test-data', 'data'], 1, "data/input_0.pb: input 'x'")
    check('bench: no seed', folder, [INGOT, 'bench', '--random-inputs', 'm.onnx', '--dim', 'N=2', '--runs=1'], 0)
    check('build: to a new folder', folder, [INGOT, 'build', 'm.onnx', '--emit=lib', '-o', 'net/a/libnet.a'], 0, new=['net'])
    report('build: what is written', None if names(folder / 'net/a') == {'libnet.a', 'net.h'} else str(names(folder / 'net/a')))
    check('build: no new folder', folder, [INGOT, 'build', 'net.onnx', '-o', 'net2/a/net'], 1, 'net.onnx')
    said = run([INGOT, 'ops'], folder).stdout, run([INGOT, 'ops', '--missing'], folder).stdout
    report('ops', None if re.search(r'^Relu +1 to 27$', said[0], re.M) and re.search(r'^Scan +9 to 27, missing 8 to 8$', said[1], re.M) and
           'Relu' not in said[1] and said[0].splitlines()[-1] == said[1].splitlines()[-1] else said[0][:200])
    for command in ('build', 'run', 'bench', 'test', 'inspect', 'ops', 'opt'):
        check(f'help: {command}', folder, [INGOT, command, '--help'], 0)


def long_constants(folder):
    """Shown as a few bytes, unless all of them are asked for."""
    weights = struct.pack('<1000f', *range(1000))
    (folder / 'm.onnx').write_bytes(with_constant(tensor('w', [1000], weights), [1000]))
    for arguments, want in (([], False), (['--stage', 'optimized'], False), (['--full'], True)):
        text = run([INGOT, 'inspect', 'm.onnx', *arguments], folder).stdout
        whole = weights.hex() in text
        report(f'inspect {arguments}', None if whole == want and ('4000 bytes' in text) != want else text[:300])


def many_quotients(folder):
    """A bound that is not known to hold is given up on in time."""
    dims = [f'N{i}' for i in range(60)]
    halves = ' + '.join(f'2 * ({d} // 2)' for d in dims)
    rows = ', '.join(f'x{d}: [{d}]' for d in dims)
    for position, code, *said in (('argmax(z) + 1', 1, 'the position may be outside'), ('argmax(z)', 0)):
        (folder / 'm.ingot').write_text(f'net f({rows}, z: [{" + ".join(dims)}]) = z[clamp({position}, 0, {halves})]\n')
        check(f'many quotients: {position}', folder, [INGOT, 'check', 'm.ingot'], code, *said)


def pictures(folder):
    """Boxes tell names, shapes and weights; rows of groups are folded where there are many."""
    weights = block(5, tensor('w', [64], bytes(256)))
    (folder / 'm.onnx').write_bytes(model(node('Add', ['x', 'w'], ['y'], name='my_add') + weights + value(11, 'x', [2, 64]) + value(12, 'y', [2, 64])))
    for stage in ('import', 'optimized', 'groups'):
        dot = run([INGOT, 'inspect', 'm.onnx', '--stage', stage, '--format', 'dot'], folder).stdout
        report(f'picture of {stage}', None if all(w in dot for w in ('my_add', 'f32[2,64]', 'weights 256 B', 'fillcolor')) else dot)
    chain = b''.join(node('CumSum', [f'{i}' if i else 'x', 'axis'], [f'{i + 1}'], name=f'sum{i}') for i in range(200))
    axis = block(5, tensor('axis', [], bytes(8), 7))
    (folder / 'long.onnx').write_bytes(model(chain + axis + value(11, 'x', [9]) + value(12, '200', [9])))
    dot = run([INGOT, 'inspect', 'long.onnx', '--stage', 'groups', '--format', 'dot'], folder).stdout
    (folder / 'pool.onnx').write_bytes(model(node('AveragePool', ['x'], ['y'], attribute('kernel_shape', 7, number(8, 3))) +
                                             value(11, 'x', [1, 1, 'n']) + value(12, 'y', [1, 1, 'm'])))
    pool = run([INGOT, 'inspect', 'pool.onnx', '--stage', 'groups', '--format', 'dot'], folder).stdout
    report('a result hangs on who makes it', None if '-> r0;' in pool else pool)
    (folder / 'wide.ir').write_text("""dim some_rows
dim rows_of_the_other
entry main(%x: f32[some_rows,4], %z: f32[rows_of_the_other,4]) {
  %1 = concat %x, %x, %x, %z, %z {axis=0} : f32[3*some_rows+2*rows_of_the_other,4]
  %2 = concat %1, %x, %x, %1, %1, %1, %1, %1, %1, %1, %1, %1 {axis=0} : f32[32*some_rows+20*rows_of_the_other,4]
  %3 = dimval {dim=some_rows} : i64[]
  %4 = const 3 : i64[]
  %5 = lt %3, %4 : bool[]
  check %5 {message="too many"}
  %6 = reduce %x {axes=[0,1], op=max} : f32[]
  %7 = lt %6, %6 : bool[]
  check %7 {message="of data"}
  return y=%2
}
""")
    wide = run([INGOT, 'inspect', 'wide.ir', '--stage', 'groups', '--format', 'dot'], folder)
    report('wide picture', None if '"1 check of extents"' in wide.stdout and ': check' in wide.stdout and 'f32[?,4]' in wide.stdout
           else wide.stdout + wide.stderr)
    (folder / 'both.ir').write_text("""dim n
entry main(%x: f32[n,4]) {
  %1 = iota {axis=0, dtype=i64, shape=[n]} : i64[n]
  %2 = reduce %1 {axes=[0], op=max} : i64[]
  %3 = cast %2 {to=f32} : f32[]
  %4 = reduce %x {axes=[0,1], op=max} : f32[]
  %5 = lt %3, %4 : bool[]
  check %5 {message="of both"}
  return y=%x
}
""")
    both = run([INGOT, 'inspect', 'both.ir', '--stage', 'groups', '--format', 'dot'], folder).stdout
    bare = set(re.findall(r'(\w+) ->', both)) - set(re.findall(r'(\w+) \[label', both))
    report('arrows come from boxes', f'{bare} in {both}' if bare or '->' not in both else None)
    report('long picture', None if 'groups in a row' in dot and dot.count('[label') < 9 else dot[:300])


def foreign_cpu(folder):
    """Each level runs where the CPU has it, and says what is missing where not."""
    flags = pathlib.Path('/proc/cpuinfo').read_text().split()
    (folder / 'm.onnx').write_bytes(relu())
    for level, feature in (('v2', 'sse4_2'), ('v3', 'avx2'), ('v4', 'avx512f')):
        out = folder / level
        check(f'cpu {level}: build', folder, [INGOT, 'build', 'm.onnx', '-o', out, '--cpu', f'x86-64-{level}'], 0,
              new=[level])
        if feature in flags:
            check(f'cpu {level}: run', folder, [out, '--random-inputs'], 0)
        else:
            check(f'cpu {level}: run', folder, [out, '--random-inputs'], 1, feature)


def main():
    with tempfile.TemporaryDirectory() as top:
        for part in (every_byte, broken_models, hostile_names, memory, bad_data, inputs_given, names_of_no_part, replaced_weights, shown_once, notes_of_weights, little_memory, unwritable, reports, interruptions, test_folders, command_lines, long_constants, many_quotients,
                     pictures, foreign_cpu):
            folder = pathlib.Path(top) / part.__name__ / 'work'
            folder.mkdir(parents=True)
            start = time.monotonic()
            part(folder)
            print(f'{part.__name__}: {time.monotonic() - start:.1f} s')
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return 1 if failed else 0


sys.exit(main())
