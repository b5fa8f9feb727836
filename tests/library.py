#!/usr/bin/env python3
"""Libraries as C and C++ programs use them, built by `ingot build --emit lib`
and `--emit shared`: small models written here, and the official cases given.

usage: library.py INGOT CASE...

A case is a folder with model.onnx, about.json and test_data_set_0.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
STRICT = ['-Wall', '-Wextra', '-Wpedantic', '-Werror', '-O1']
ALLOWED = {'memcpy', 'memset', 'memmove'}

COUNTER = """
const @first = f32[3] [1,2,3]
state @w : f32[3] = @first trainable
state @class : i64[]
entry step(%x: f32[n,3]) {
  %1 = state @w : f32[3]
  %2 = reduce %x {axes=[0], op=sum} : f32[3]
  %3 = add %1, %2 : f32[3]
  %4 = state @class : i64[]
  %5 = const 1 : i64[]
  %6 = add %4, %5 : i64[]
  return update @w=%3, @class=%6
}
entry read() {
  %1 = state @w : f32[3]
  %2 = state @class : i64[]
  return w=%1, "int"=%2
}
"""

# A result whose size is an input's value, between two of late memory.
LATE = """
dim n to 1000000
entry main(%count: i64[]) {
  %1 = bind %count {sym=n} : i64[]
  %2 = iota {shape=[n], dtype=f32} : f32[n]
  %3 = cumul %2 {op=sum} : f32[n]
  %4 = cumul %3 {op=sum} : f32[n]
  return y=%4
}
"""

LIMITS = """
const @w = f32[3,2] [1,-1,2,-1,3,1]
entry main(%x: f32[2,3]) {
  %1 = const @w : f32[3,2]
  %2 = dot %x, %1 {sum_a=[1], sum_b=[0]} : f32[2,2]
  return y=%2
}
"""

NAMES = """
dim "a b"
dim "a*b"
entry main(%"x:0": f32["a b",3], %"x/0": f32["a*b",3], %class: f32[2], %"9*/": f32[2], %"": f32[2]) {
  %1 = add %class, %"9*/" : f32[2]
  %2 = add %1, %"" : f32[2]
  %3 = concat %"x:0", %"x/0" {axis=0} : f32["a b"+"a*b",3]
  return "y:0"=%3, "y.0"=%2
}
"""


# Rows are summed, enough of them to be worth threads.
SUMS = """
entry main(%x: f32[n,64], %z: f32[4]) {
  %1 = exp %x : f32[n,64]
  %2 = reduce %1 {axes=[1], op=sum} : f32[n]
  %3 = neg %z : f32[4]
  return y=%2, "Y"=%3
}
"""

WORDS = """
entry main(%x: str[2]) {
  return y=%x
}
"""


class Failure(Exception):
    """What was expected, and what came."""


def run(*command, status=0):
    done = subprocess.run([str(c) for c in command], capture_output=True,
                          text=True, check=False, timeout=600)
    if done.returncode != status:
        lines = (done.stderr + done.stdout).strip().splitlines()
        raise Failure(f'{command[0]}: exit {done.returncode}: ' +
                      ' | '.join(lines[:6]))
    return done


def expect(ok, what):
    if not ok:
        raise Failure(what)


class Bench:
    """The compiler, and a folder to work in."""

    def __init__(self, ingot, folder):
        self.ingot, self.folder = ingot, folder

    def model(self, name, text):
        path = self.folder / f'{name}.ir'
        path.write_text(text)
        return path

    def build(self, model, name, *options, emit='lib'):
        out = self.folder / (f'lib{name}.' + ('a' if emit == 'lib' else 'so'))
        run(self.ingot, 'build', model, '--emit', emit, '-o', out, *options)
        return out

    def program(self, name, sources, libraries, *options, cc='cc'):
        out = self.folder / name
        run(cc, *STRICT, *options, '-I', self.folder, '-o', out, *sources,
            *libraries, '-lpthread', '-ldl')
        return out


def undefined_symbols(library):
    lines = run('nm', '-u', library).stdout.splitlines()
    return {line.split()[-1] for line in lines if ' U ' in line}


# ---- small models ----------------------------------------------------------


def states_and_entries(b):
    library = b.build(b.model('counter', COUNTER), 'counter')
    expect(undefined_symbols(library) <= ALLOWED, 'undefined symbols')
    for cc, language in ('cc', 'c'), ('c++', 'c++'):
        run(b.program('counter', ['-x', language, HERE / 'data/library/counter.c',
                                  '-x', 'none'], [library], cc=cc))


def late_memory(b):
    library = b.build(b.model('late', LATE), 'late')
    for cc, language in ('cc', 'c'), ('c++', 'c++'):
        run(b.program('late', ['-x', language, HERE / 'data/library/late.c',
                               '-x', 'none'], [library], cc=cc))


def no_alloc(b):
    out = b.folder / 'libnone.a'
    done = run(b.ingot, 'build', b.model('late', LATE), '--emit', 'lib',
               '--no-alloc', '-o', out, status=1)
    expect("'main'" in done.stderr and '--no-alloc' in done.stderr,
           f'no name in: {done.stderr}')
    expect(not out.exists() and not (b.folder / 'none.h').exists(),
           'a partial library')
    b.build(b.model('counter', COUNTER), 'fine', '--no-alloc')


def names(b):
    library = b.build(b.model('names', NAMES), '9-class')
    header = (b.folder / 'x_9_class.h').read_text()
    for word in ('int64_t a_b;', 'int64_t a_b_2;', '*x_0;', '*x_0_2;',
                 '*_class;', '*_9__;', '*_;', '*y_0;', '*y_0_2;',
                 'X_9_CLASS_OK', 'X_9_CLASS_SIZE_OF_Y_0_2 ((size_t)8)', 'x_9_class_size_of_y_0('):
        expect(word in header, f'no {word} in the header')
    for cc, language in ('cc', 'c'), ('c++', 'c++'):
        run(b.program('names', ['-x', language, HERE / 'data/library/names.c',
                                '-x', 'none'], [library], cc=cc))


def macro_names(b):
    """Names that the compiler or the header's headers may have as macros or types."""
    taken = ['INT64_MAX', 'UINT_LEAST8_MAX', 'SIZE_MAX', 'WCHAR_MIN', 'INTPTR_MIN', 'NULL',
             '_Bool', '_Static_assert', '__x86_64__', '__LINE__', ':LINE:', 'linux',
             'int64_t', 'size_t', 'uint8_t', 'for', ':class']
    params = ', '.join(f'%"{n}": f32["{n}"]' for n in taken)
    text = ''.join(f'  %{i + 1} = neg %"{n}" : f32["{n}"]\n' for i, n in enumerate(taken))
    results = ', '.join(f'"{n}"=%{i + 1}' for i, n in enumerate(taken))
    b.build(b.model('macros', f'entry main({params}) {{\n{text}  return {results}\n}}\n'), 'macros')
    for cc, language in ('cc', 'c'), ('c++', 'c++'):
        run(cc, *STRICT, '-x', language, '-fsyntax-only', b.folder / 'macros.h')


def model_names(b):
    model = b.model('counter', COUNTER)
    for out, name in (('libnet.a', 'net'), ('while.a', 'x_while'), ('xor.so', 'x_xor'),
                      ('lib3d-net.a', 'x_3d_net'), ('_a__b_.o.a', 'a_b')):
        kind = 'shared' if out.endswith('.so') else 'lib'
        run(b.ingot, 'build', model, '--emit', kind, '-o', b.folder / out)
        text = (b.folder / f'{name}.h').read_text()
        expect(f'int {name}_step_run(' in text, f'{out}: not {name}')


def shared_names(b):
    """Outputs of one folder and one name would have one header: the second is refused."""
    model, out = b.model('counter', COUNTER), b.folder / 'libother.a'
    b.build(model, 'net')
    b.build(model, 'net', emit='shared')
    done = run(b.ingot, 'build', model, '--emit', 'lib', '-o', out, '--name', 'net', status=2)
    expect("net.h: is the header of 'net'" in done.stderr and not out.exists(), done.stderr)
    soname = run('readelf', '-d', b.folder / 'libnet.so').stdout
    expect('[libnet.so]' in soname, 'no SONAME')


def pointers(b):
    """What is NULL or lies at a wrong place is told, whatever it is; sizes are told before."""
    libraries = [b.build(b.model(name, text), name, *options)
                 for name, text, options in (('sums', SUMS, ()), ('counter', COUNTER, ()),
                                             ('limits', LIMITS, ('--weights', 'file')))]
    for cc, language in ('cc', 'c'), ('c++', 'c++'):
        run(b.program('pointers', ['-x', language, HERE / 'data/library/pointers.c', '-x', 'none'],
                      libraries, cc=cc))


def pools(b):
    """One pool for all models: threads of its own, or those of OpenMP."""
    runtime = HERE.parent / 'runtime'
    headers = b.folder / 'ingot'
    headers.mkdir()
    shutil.copy(HERE.parent / 'ir/abi.h', headers)
    libraries = [b.build(b.model(name, SUMS), name) for name in ('sums', 'more')]
    sources = [HERE / 'data/library/pools.c', runtime / 'ingot_pool.c', runtime / 'thread.c', runtime / 'clock.c']
    run(b.program('pools', sources, libraries, '-fopenmp', '-D_GNU_SOURCE', f'-I{runtime}', f'-I{headers}'))
    run('c++', *STRICT, '-fopenmp', '-fsyntax-only', '-x', 'c++', f'-I{b.folder}', runtime / 'ingot_pool.h')


def objects(b):
    """The record of abi.h, for callers that want no functions of C."""
    out = b.folder / 'net.o'
    run(b.ingot, 'build', b.model('sums', SUMS), '--emit', 'obj', '-o', out)
    for cc, language in ('cc', 'c'), ('c++', 'c++'):
        run(b.program('object', ['-x', language, HERE / 'data/library/object.c', '-x', 'none'], [out], cc=cc))


def alike(b):
    """Entries whose names differ in case, a name that LLVM knows."""
    text = ''.join(f'entry {name}(%x: f32[{n}]) {{\n  %1 = exp %x : f32[{n}]\n'
                   f'  return y=%1\n}}\n' for name, n in (('step', 4), ('Step', 9)))
    b.build(b.model('alike', text), 'alike', '--name', 'llvm')
    header = (b.folder / 'llvm.h').read_text()
    macros = re.findall(r'#define (\w+_WORKSPACE_SIZE)', header)
    expect(len(set(macros)) == 2, f'macros {macros}')


def shared(b):
    b.build(b.model('late', LATE), 'late', emit='shared')
    program = b.program('dynamic', [HERE / 'data/library/late.c'], [],
                        '-DDYNAMIC', f'-DPLACE="{b.folder}/liblate.so"')
    run(program)


def limits(b):
    """Weights apart, --threads as a maximum, code for another processor."""
    model, weights = b.model('limits', LIMITS), b.folder / 'liblimits.a.weights'
    flags = pathlib.Path('/proc/cpuinfo').read_text()
    for cpu in 'x86-64', 'x86-64-v4':
        library = b.build(model, 'limits', '--weights', 'file', '--threads', '2',
                          '--cpu', cpu)
        expect(undefined_symbols(library) <= ALLOWED, 'undefined symbols')
        lacking = cpu == 'x86-64-v4' and not re.search(r'\bavx512vl\b', flags)
        program = b.program('limits', [HERE / 'data/library/limits.c'], [library])
        run(program, weights, *['lacking'] * lacking)


def weights_of_executables(b):
    """Found beside the program, or given; those of another model refused."""
    model, program = b.model('limits', LIMITS), b.folder / 'apart'
    run(b.ingot, 'build', model, '--weights', 'file', '-o', program)
    expect('weights' in run(program, '--info').stdout, '--info without weights')
    run(program, '--random-inputs')
    moved = (b.folder / 'apart.weights').rename(b.folder / 'w')
    done = run(program, '--random-inputs', status=1)
    expect('apart.weights' in done.stderr, f'no file name in: {done.stderr}')
    run(program, '--random-inputs', '--weights', moved)
    data = bytearray(moved.read_bytes())
    data[3] ^= 1
    moved.write_bytes(data)
    done = run(program, '--random-inputs', '--weights', moved, status=1)
    expect('another model' in done.stderr, f'wrong weights: {done.stderr}')
    other = b.folder / 'whole.o'
    run(b.ingot, 'build', model, '--emit', 'obj', '-o', other)
    expect(undefined_symbols(other) <= ALLOWED, 'an object without its weights')


def names_of_weights(b):
    """OUT.weights, whatever OUT is: artifacts of one folder keep their own."""
    limits, counter = b.model('limits', LIMITS), b.model('counter', COUNTER)
    for out, emit, model in (('net', 'exe', limits), ('net.so', 'shared', counter),
                             ('net.o', 'obj', limits), ('libnet.a', 'lib', counter)):
        run(b.ingot, 'build', model, '--weights', 'file', '--emit', emit, '-o', b.folder / out)
        expect((b.folder / f'{out}.weights').exists(), f'no {out}.weights')
    run(b.folder / 'net', '--random-inputs')


def strings(b):
    """A string is a pointer and a length; outputs point to the bytes of inputs."""
    library = b.build(b.model('words', WORDS), 'words')
    for cc, language in ('cc', 'c'), ('c++', 'c++'):
        run(b.program('words', ['-x', language, HERE / 'data/library/words.c',
                                '-x', 'none'], [library], cc=cc))


def odd_folders(b):
    model = b.model('limits', LIMITS)
    for name in '"', "'", '\\', ' ', '-':
        folder = b.folder / f'a{name}b'
        folder.mkdir()
        for emit in 'exe', 'obj', 'lib', 'shared':
            run(b.ingot, 'build', model, '--emit', emit, '-o', folder / f'x{emit}')


def linkers(b):
    """Each lays the weights out in its own way; the program is the same."""
    model, results = b.model('limits', LIMITS), set()
    for name in 'bfd', 'gold', 'lld':
        if not shutil.which(f'ld.{name}'):
            continue
        folder = b.folder / name
        folder.mkdir()
        (folder / 'cc').write_text(f'#!/bin/sh\nexec {shutil.which("cc")} -fuse-ld={name} "$@"\n')
        (folder / 'cc').chmod(0o755)
        for options in ('--name', 'x'), ('--name', 'x', '--static'):
            run('env', f'PATH={folder}:{os.environ["PATH"]}', b.ingot, 'build', model,
                '-o', folder / 'x', *options)
            results.add(run(folder / 'x', '--random-inputs').stdout)
    expect(len(results) == 1, f'results {results}')


def kernels_have_names(b):
    """Profilers know kernels by the symbols of a program, or by the map of code in memory."""
    model = b.model('sums', SUMS)
    for emit in 'exe', 'shared':
        run(b.ingot, 'build', model, '--emit', emit, '-o', b.folder / emit)
        run(b.ingot, 'build', model, '--emit', emit, '-o', b.folder / 'bare', '--strip')
        expect(f' {emit}_k0_' in run('nm', b.folder / emit).stdout, f'{emit}: no kernel has a name')
        expect('_k0_' not in run('nm', b.folder / 'bare').stdout, f'{emit}: --strip leaves names')
        (b.folder / 'x.h').unlink(missing_ok=True)
        (b.folder / 'bare.h').unlink(missing_ok=True)
    child = subprocess.Popen([b.ingot, 'run', model, '--random-inputs', '--perf-map'], stdout=subprocess.DEVNULL)
    path = pathlib.Path(f'/tmp/perf-{child.pid}.map')
    expect(child.wait(60) == 0 and re.search('^[0-9a-f]+ [0-9a-f]+ model_k0_', path.read_text(), re.M), 'no map')
    path.unlink()
    run('env', f'JITDUMPDIR={b.folder}', b.ingot, 'run', model, '--random-inputs', '--perf-dump', b.folder / 'sums.lp')
    dump = b''.join(p.read_bytes() for p in b.folder.rglob('jit-*.dump'))
    expect('kernel ' in (b.folder / 'sums.lp').read_text(), 'no text of the kernels')
    expect(dump[:4] == b'DTiJ' and b'model_k0_' in dump and b'sums.lp' in dump, 'no dump with lines for perf')


def same_bytes(b):
    other = b.folder / 'other'
    other.mkdir()
    model = b.model('names', NAMES)
    for emit, suffix in ('lib', 'a'), ('shared', 'so'):
        first = b.build(model, 'same', emit=emit).read_bytes()
        expect(b.build(model, 'same', emit=emit).read_bytes() == first,
               f'{emit}: other bytes the second time')
        out = other / f'libsame.{suffix}'
        run(b.ingot, 'build', model, '--emit', emit, '-o', out)
        expect(out.read_bytes() == first, f'{emit}: other bytes elsewhere')


# ---- real models -----------------------------------------------------------


def members(header, struct):
    body = re.search(r'struct \w+_%s \{(.*?)\n\};' % struct, header, re.S)
    return re.findall(r'^    (?:const )?\w+ \*?(\w+)(?:\[\d+\])?;',
                      body.group(1), re.M) if body else []


def dim_values(header, inputs):
    """Values of the dims, from the extents in the comments of the inputs."""
    body = re.search(r'struct \w+_inputs \{(.*?)\n\};', header, re.S).group(1)
    found = {}
    for text, array in zip(re.findall(r'\[([^]]*)\] \*/', body), inputs):
        for name, extent in zip(text.split(','), array.shape):
            found[re.sub(r'\W', '_', name)] = extent
    return [found[d] for d in members(header, 'dims')]


def tensors(case, kind):
    count = len(json.loads((case / 'about.json').read_text())[kind + 's'])
    return [numpy_helper.to_array(onnx.load_tensor(
        str(case / f'test_data_set_0/{kind}_{i}.pb'))) for i in range(count)]


def caller(name, header, inputs, outputs):
    """C code that fills in the structs of a model from files."""
    dims = dim_values(header, inputs)
    put = []
    for member, array in zip(members(header, 'inputs'), inputs):
        put.append(f'in.{member} = read_file("{name}.{member}", {array.nbytes});')
    data = [m for m in members(header, 'outputs')
            if f'*{m};' in header and m != 'message']
    give = [f'out->{m} = get({a.nbytes});' for m, a in zip(data, outputs)]
    same = [f'memcmp(a->{m}, b->{m}, {a.nbytes}) == 0'
            for m, a in zip(data, outputs)]
    keep = [f'write_file("{name}.{m}.out", out->{m}, {a.nbytes});'
            for m, a in zip(data, outputs)]
    template = (HERE / 'data/library/real.c.in').read_text()
    for key, value in (('NAME', name), ('DIMS', ', '.join(map(str, dims))),
                       ('DIM0', members(header, 'dims')[0]),
                       ('PUT', '\n    '.join(put)),
                       ('GIVE', '\n    '.join(give)),
                       ('SAME', ' && '.join(same)),
                       ('KEEP', '\n    '.join(keep))):
        template = template.replace(f'@{key}@', value)
    return template, data


def real_models(b, cases):
    """All in one process, each alone, by two callers, and with two threads."""
    libraries, sources, calls, wanted = [], [], [], []
    for i, case in enumerate(cases):
        name = f'm{i}'
        library = b.build(case / 'model.onnx', name)
        first = library.read_bytes()
        expect(b.build(case / 'model.onnx', name, '--jobs', '1').read_bytes() == first,
               f'{case.name}: other bytes by one thread')
        left = undefined_symbols(library) - ALLOWED
        expect(not left, f'{case.name}: undefined {sorted(left)}')
        header = (b.folder / f'{name}.h').read_text()
        inputs, outputs = tensors(case, 'input'), tensors(case, 'output')
        for member, array in zip(members(header, 'inputs'), inputs):
            (b.folder / f'{name}.{member}').write_bytes(array.tobytes())
        text, data = caller(name, header, inputs, outputs)
        source = b.folder / f'{name}_call.c'
        source.write_text(text)
        sources.append(source)
        libraries.append(library)
        calls.append(f'int test_{name}(void);')
        wanted.append((case, name, data, outputs))
    main = b.folder / 'main.c'
    main.write_text('\n'.join(calls) + '\nint main(void)\n{\n    return ' +
                    ' || '.join(c[4:-7] + '()' for c in calls) + ';\n}\n')
    program = b.program('real', [main, HERE / 'data/library/support.c', *sources],
                        libraries, '-I', HERE / 'data/library')
    done = subprocess.run([program], cwd=b.folder, capture_output=True,
                          text=True, check=False, timeout=600)
    expect(done.returncode == 0, f'exit {done.returncode}: {done.stderr}')
    for case, name, data, outputs in wanted:
        about = json.loads((case / 'about.json').read_text())
        for member, want in zip(data, outputs):
            got = np.fromfile(b.folder / f'{name}.{member}.out', want.dtype)
            expect(np.allclose(got.reshape(want.shape), want, about['rtol'],
                               about['atol'], True),
                   f'{case.name} {member}: wrong values')


def main():
    ingot = pathlib.Path(sys.argv[1]).resolve()
    cases = [pathlib.Path(c) for c in sys.argv[2:]]
    tests = [(t.__name__, t) for t in (states_and_entries, late_memory, no_alloc,
                                       names, macro_names, model_names, shared_names, pointers,
                                       pools, objects, alike,
                                       shared, limits,
                                       weights_of_executables, names_of_weights, odd_folders, strings,
                                       linkers, kernels_have_names, same_bytes)]
    if cases:
        tests.append(('real_models', lambda b: real_models(b, cases)))
    failed = 0
    for name, test in tests:
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(Bench(ingot, pathlib.Path(folder)))
            except (Failure, OSError, subprocess.TimeoutExpired) as error:
                failed += 1
                print(f'FAILED {name}: {error}', flush=True)
    print(f'{len(tests) - failed} passed, {failed} failed, 0 skipped')
    return int(failed > 0)


if __name__ == '__main__':
    sys.exit(main())
