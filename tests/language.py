#!/usr/bin/env python3
"""Programs in the language by their commands: what runs print, and what may not change it.

usage: language.py INGOT [NAME..]

A case is a function below that begins with `case_`; it returns what is wrong, or nothing.
Ends with a line `N passed, N failed, N skipped`.
"""
import gzip
import json
import pathlib
import struct
import subprocess
import sys
import tempfile


class Bench:
    """A folder with programs, and the command that is tested."""

    def __init__(self, ingot, folder):
        self.ingot, self.folder = ingot, folder

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return name

    def run(self, *command, program=None):
        done = subprocess.run([program or self.ingot, *map(str, command)], cwd=self.folder,
                              capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr


def case_numbers_of_other_domains_operators(b):
    """A whole number is a float where the operator has one, as alpha of FusedMatMul."""
    text = 'entry f(x: [1, 1]) = onnx.FusedMatMul(x, x, domain = "com.microsoft", alpha = %s)\n'
    said = [b.run('run', b.write('p.ingot', text % alpha), '--input', 'x=[[3]]') for alpha in ('2', '2.0', '2.5')]
    return None if [out.split()[-1].strip('[]') for _, out, _ in said] == ['18', '18', '22.5'] else said


def case_bits_of_draws_follow_the_text(b):
    """Comments, blanks and other items mean nothing to them."""
    texts = ['net f(x: [.., 4]) -> [.., 4] = x |> dense(4) |> dropout(0.5)\n'
             'entry g(n: int) { z: [n] ~ normal(0, 1);  w: [n] ~ normal(0, 1);  z, w }\n',
             '# of nothing\nfn other(x: [K]) { k: bool[K] ~ bernoulli(0.5);  if k then x else 0 }\n'
             'net f(x: [.., 4]) -> [.., 4] = x   # goes on\n    |> dense(4)\n    |> dropout(0.5)\n'
             'entry g(n: int) {\n    z: [n] ~ normal(0, 1)\n\n    w:  [n] ~ normal(0, 1)\n    z, w\n}\n']
    said = [b.run('inspect', b.write('p.ingot', t))[:2] for t in texts]
    return None if said[0] == said[1] and not said[0][0] else said


def case_draws_in_rounds_differ(b):
    """A function that draws, used in each round of `repeat`."""
    b.write('p.ingot', 'fn noise(x: [K]) -> [K] { z: [K] ~ uniform(0, 1);  x + z }\n'
            'entry g(x: [1]) { repeat i in 2 { y[i] = noise(x)[0] };  y[0] == y[1] }\n')
    said = b.run('run', 'p.ingot', '--random-inputs')
    return None if said == (0, 'y: bool[] 0\n', '') else said


def case_a_number_is_the_default_of_an_array(b):
    """In all its places, in both engines."""
    b.write('p.ingot', 'entry f(x: [2] = 1.5, k: int[2] = 3, on: bool[2] = true) = if on then x * real(k) else x\n')
    for engine in 'compiled', 'interpreter':
        said = b.run('run', 'p.ingot', '--engine', engine)
        if said[0] or '4.5 4.5' not in said[1].replace(',', ''):
            return said


SAMPLE = """config K = 4
entry sample(n: int = K * 2, bias: [3] = [1, 2, 4], on: bool = true, k: int<5> = 2) -> [n] {
    z: [n] ~ normal(0, 1)
    if on then 0 * z + bias[0] + real(k) else z
}
"""


def case_show(b):
    """On stderr in both engines and in executables, in loops and branches; not in libraries."""
    b.write('p.ingot', 'entry f(x: [4]) -> [] {\n    scan t in 2 with a = 0 { a <- a + x[t];  show a }\n'
            '    if a > 0 { b = a;  show b } else { b = -a }\n    y = sqrt(x);  show y, x > 0;  b\n}\n')
    want = (0, 'y: f32[] 3\n', 'a: f32[]: least 4, mean 4, most 4\na: f32[]: least 3, mean 3, most 3\n'
            'b: f32[]: least 3, mean 3, most 3\ny: f32[4]: least 0, mean 1, most 2, 2 NaN\n'
            'line 4: bool[4]: least 0, mean 0.25, most 1\n')
    x = ['--x', '[4, -1, 0, -1]']
    status, _, err = b.run('build', 'p.ingot', '-o', 'p')
    if status:
        return err
    for said in [b.run('run', 'p.ingot', *x, '--engine', e) for e in ('compiled', 'interpreter')] + [
            b.run(*x, program=b.folder / 'p')]:
        if said != want:
            return said
    b.run('build', 'p.ingot', '--emit', 'asm', '-o', 'p.s')
    return 'show in what is no executable' if 'kernel_show' in (b.folder / 'p.s').read_text() else None


def case_values_that_are_left_out(b):
    """Defaults of an entry, in `ingot run` and in executables, which list them; seed is 0."""
    b.write('s.ingot', SAMPLE)
    status, _, err = b.run('build', 's.ingot', '-o', 's')
    if status:
        return err
    for program, head in (None, ['run', 's.ingot']), ('./s', []):
        for more, want in [([], '[8] 3 3 3 3 3 3 3 3'), (['--n', 2, '--k=4', '--bias', '[0.5, 0,0]'], '[2] 4.5 4.5')]:
            said = b.run(*head, *more, program=program and b.folder / program)
            if said != (0, f'y: f32{want}\n', ''):
                return said
    random = [b.run('run', 's.ingot', '--on', 'false', *seed)[1] for seed in ([], ['--seed', 0], ['--seed', 1])]
    if random[0] != random[1] or random[0] == random[2]:
        return random
    listed = ('sample(n: i64[] = 8, bias: f32[3] = .., on: bool[] = 1, k: i64[] = 2, seed: i64[] = 0) -> '
              'y: f32[n]')
    return None if listed in b.run('--help', program=b.folder / 's')[1] else 'not in --help'


def case_values_that_are_wrong(b):
    b.write('s.ingot', SAMPLE)
    for more, says in [(['--bias', '[1, 2]'], 'bias'), (['--bias', '[[1]]'], "'bias' has 1 axes, 2 are given"),
                       (['--k', '1.5'], '1.5 is no i64'), (['--k', '7'], 'k: an index is not between 0 and '),
                       (['--bais', '[1]'], "option or input 'bais' is unknown: give n, bias, on, k or seed; did you mean 'bias'?"),
                       (['--bias'], '--bias takes a value'), (['--bias', '--cast'], '--bias takes a value'),
                       (['--tread'], "did you mean '--threads'?"), (['--treads', '3'], "did you mean '--threads'?"),
                       (['--n', 'many'], "takes a number, not 'many'"),
                       (['sample', 'nn=3'], "option or input 'nn' is unknown")]:
        status, out, err = b.run('run', 's.ingot', *more)
        if status not in (1, 2) or out or says not in err:
            return more, status, out, err
    return None


def weights(b, name, notes=None, **arrays):
    """A .safetensors file of (type, format, extents, numbers)."""
    head, data = {'__metadata__': notes} if notes else {}, b''
    for path, (dtype, form, shape, numbers) in arrays.items():
        more = struct.pack(f'<{len(numbers)}{form}', *numbers)
        head[path.replace('__', '.')] = {'dtype': dtype, 'shape': shape, 'data_offsets': [len(data), len(data) + len(more)]}
        data += more
    head = json.dumps(head).encode()
    (b.folder / name).write_bytes(struct.pack('<Q', len(head)) + head + data)


def case_weights_of_other_floats(b):
    """Halves become what they are, doubles are rounded, which is told; integers are refused."""
    b.write('p.ingot', 'net f(x: [2]) -> [1] { param w: [2, 1] = 0;  y[o] = sum[i] x[i] * w[i, o] }\n')
    for dtype, form, numbers, says in [('F16', 'e', (0.5, 2), ''), ('BF16', 'H', (0x3f00, 0x4000), ''), ('F64', 'd', (0.5, 2), 'w: its weights are f64, and are rounded to f32'),
                                       ('F32', 'f', (0.5, 2), '')]:
        weights(b, 'w', f__w=(dtype, form, [2, 1], numbers))
        status, out, err = b.run('run', 'p.ingot', '--weights', 'w', '--x', '[3, 5]')
        if (status, out) != (0, 'y: f32[1] 11.5\n') or says not in err or bool(err) != bool(says):
            return dtype, status, out, err
    weights(b, 'w', f__w=('I32', 'i', [2, 1], (1, 2)))
    status, _, err = b.run('run', 'p.ingot', '--weights', 'w', '--x', '[3, 5]')
    return None if status == 1 and 'w: f.w is i32[2, 1], the program has f32[2,1]' in err else err


TEXT = """dim V
dim K
net f(x: int<V>[.., T]) -> int<V>[.., T] { param w: [V, V] = 0;  y = w[x];  argmax(y) }
entry say(prompt: int<V>[L], n: int = 2) -> int<V>[n] { y = f(prompt);  out[t in n] = y[0];  out }
entry count(kind: int<K>, words: int<K>[L]) -> int { sum(kind == words) }
entry pick(i: int) -> int<K> = i % K
"""


def case_texts(b):
    """Characters and words that the weights know go in and out, in both engines, executables, text of the IR."""
    b.write('p.ingot', TEXT)
    weights(b, 'w.safetensors', {'dim.K': '3', 'dim.V': '3', 'names.V': '"a", "\\n", "\u00e9"', 'names.K': '"<unknown>", "cat", "mad dog"'},
            f__w=('F32', 'f', [3, 3], (0, 0, 1, 0, 0, 0, 1, 0, 0)))
    status, _, err = b.run('build', 'p.ingot', '--weights', 'w.safetensors', '-o', 'p')
    if status:
        return err
    said = b.run('inspect', 'p.ingot', '--weights', 'w.safetensors', '--full')
    b.write('p.ir', said[1])
    run = ['run', 'p.ingot', '--weights', 'w.safetensors']
    ways = [(None, run), (None, [*run, '--engine', 'interpreter']), (None, ['run', 'p.ir']), (b.folder / 'p', [])]
    for given, want in [(['say', '--prompt', 'a\u00e9'], '\u00e9\u00e9\n'), (['say', '--prompt', '[2, 0]', '--n', '3'], 'aaa\n'),
                        (['say', 'prompt=\u00e9', 'n=1'], 'a\n'), (['say', '--n=1', 'prompt=\u00e9'], 'a\n'), (['say', '--prompt', '\n', '--n', '1'], 'a\n'),
                        (['count', '--kind', 'cat', '--words', ' cat dog  cat '], 'y: i64[] 2\n'),
                        (['count', '--kind', '0', '--words', 'x y cat'], 'y: i64[] 2\n'), (['pick', '--i', '5'], 'mad dog\n'),
                        (['count', '--kind', 'mad dog', '--words', '"mad dog" cat "mad dog" x'], 'y: i64[] 2\n')]:
        for program, head in ways:
            said = b.run(*head, *given, program=program)
            if said != (0, want, ''):
                return given, program, said
    said = b.run('say', '--prompt', 'ab', program=b.folder / 'p')
    if said[0] == 0 or "prompt: 'b' is not in the alphabet" not in said[2]:
        return said
    weights(b, 'w.safetensors', {'dim.K': '3', 'dim.V': '3', 'names.V': '"a", "b", "c"', 'names.K': '"<unknown>", "cat", "\\u{1b}[2J\\n"'},
            f__w=('F32', 'f', [3, 3], (0, 0, 1, 0, 0, 0, 1, 0, 0)))
    said = b.run(*run, 'pick', '--i', '5')
    if said != (0, '\\x1b[2J\n\n', ''):
        return 'a terminal obeys', said
    weights(b, 'w.safetensors', {'dim.K': '3', 'dim.V': '3', 'names.V': '"a", "b", "c"', 'names.K': '"<unknown>", "cat", "say \\"hi\\" now"'},
            f__w=('F32', 'f', [3, 3], (0, 0, 1, 0, 0, 0, 1, 0, 0)))
    said = b.run(*run, 'count', '--kind', 'say "hi" now', '--words', '"say "hi" now" cat "say "hi" now"')
    if said[1] != 'y: i64[] 2\n':
        return 'a word with quotes', said
    return None if 'say(prompt: i64[L] (a text), n: i64[] = 2)' in b.run('--help', program=b.folder / 'p')[1] else 'not in --help'


def case_texts_of_a_training(b):
    """Its weights know the characters that it read, whatever they are; other notes are told."""
    line = 'a "b"\\\t{c}\n'
    b.write('book.txt', 40 * line)
    b.write('p.ingot', 'dim V\nnet f(x: int<V>[.., L]) -> [.., L, V] = x |> embedding(2) |> dense(V)\n'
            'train t(s: int<V>[.., 5]) { data s = windows(chars("book.txt"), 5)\n'
            '    minimize cross_entropy(f(s[:4]), s[1:]) using adam(1e-3) }\n'
            'entry same(x: int<V>[L]) -> int<V>[L] = x\n')
    said = b.run('train', 'p.ingot', '--run', '--steps', '1')
    if said[0]:
        return said
    said = b.run('run', 'p.ingot', '--weights', 'p.safetensors', 'same', '--x', line)
    if said != (0, line + '\n', ''):
        return said
    b.write('q.ingot', 'dim V\nentry e(x: int<V>[L]) -> int { sum(x) }\n')
    weights(b, 'w', {'dim.V': '2', 'names.V': '"a", "b'})
    said = b.run('run', 'q.ingot', '--weights', 'w', '--x', '[0, 1]')
    return None if said[:2] == (0, 'y: i64[] 1\n') and 'w: its note names.V is no list of texts' in said[2] else said


def case_dims_of_spoilt_data(b):
    """A dim that broken data would tell is not missing besides."""
    b.write('k.csv', 'k,y\na,1\nb\n')
    b.write('p.ingot', 'dim K\nnet f(k: int<K>[..]) -> [..] = k |> embedding(1) |> scalar\n'
            'train t(k: int<K>[..], y: [..]) { data k, y = csv("k.csv");  minimize (f(k) - y)^2 using sgd(0.1) }\n')
    said = b.run('train', 'p.ingot', '-o', 'p')
    return None if said[0] == 1 and 'k.csv:3: 1 field' in said[2] and said[2].count('error:') == 1 else said


def case_dims_that_nothing_gives(b):
    """What a dim of parameters needs is said alike by all who need it."""
    b.write('p.ingot', 'dim V\nnet f(x: int<V>[..]) -> [.., 2] = x |> embedding(2)\n')
    for command in (['build', 'p.ingot', '-o', 'p'], ['inspect', 'p.ingot', '--stage', 'summary'], ['init', 'p.ingot', '-o', 'w']):
        said = b.run(*command)
        if said[0] != 1 or 'p.ingot:2:37: error: f.embedding1.w is f32[V,2]; give its extents by --dim NAME=N' not in said[2]:
            return command, said
    return None


def case_arrays_that_are_no_rows(b):
    """They are read when a program is compiled, and checked; an artifact has them."""
    text = ('data a: [2, 3] = "a.csv", c: int<4>[2] = [3, 0]\ndata m: u8[2, 2] = [[1, 2], [3, 4]]\n'
            'net f(x: [.., 3]) -> [.., 2] { param w = 1;  y[i] = w * (sum[k] a[i, k] * x[k]) + real(c[i]) + real(m[i, 1]) }\n'
            'train t(x: [.., 3], y: [.., 2]) { data x, y = [[1, 1, 1, 23, 49]];  minimize sum((f(x) - y)^2) using sgd(1e-3);  epochs 99 }\n'
            'entry e(x: [.., 3]) -> int[.., 2] = int(0.5 + f(x))\n')
    b.write('a.csv', '1,2,3\n4,5,6\n')
    for options in (), ('--engine', 'interpreter'):
        said = learned(b, text, 'e', '--x', '[[1, 0, 2]]', *options)
        if said[1] != 'y: i64[1,2] 26 52\n':
            return said
    b.run('build', 'p.ingot', '--weights', 'p.safetensors', '--entry', 'e', '-o', 'e')
    (b.folder / 'a.csv').unlink()
    if b.run('check', 'p.ingot') != (0, '', ''):
        return 'check reads data'
    if b.run('--x', '[[1, 0, 2]]', program=b.folder / 'e')[1] != 'y: i64[1,2] 26 52\n':
        return 'the artifact has not the array'
    for old, new, wrong in (('[3, 0]', '[3, 4]', '4, must be below 4'), ('c: int<4>[2]', 'c: int<4>[3]', "has 2 rows, 'c' has 3"),
                            ('u8[2, 2]', 'u8[2, 3]', 'rows of 2 numbers, the columns take 3'), ('9', '8', 'a.csv: No such file')):
        said = b.run('train', b.write('p.ingot', text.replace(old, new)), '--run', '--fresh')
        if said[0] != 1 or wrong not in said[2]:
            return wrong, said
    return None


def case_checks_name_their_line(b):
    """What only a run knows is told by the program's line, in both engines."""
    b.write('p.ingot', 'fn cut(x: [T], n: int) -> [_] = x[:n]\nentry first(x: [T]) -> [4] {\n    x[:4]\n}\n'
            'entry some(x: [T], n: int) -> [_] {\n    check n > 0\n    cut(x, n)\n}\nentry one(x: [T]) -> real = x[3]\n')
    for entry, more, says in [('first', [], 'line 3: the slice 0:4 is not in 0:T'), ('some', ['--n', '5'], 'line 1: the slice 0:n is not in 0:T'),
                              ('some', ['--n', '0'], 'line 6: a check failed'), ('one', [], 'line 9: the position 3 is not in 0:T')]:
        for engine in ('compiled', 'interpreter'):
            said = b.run('run', 'p.ingot', entry, '--x', '[1, 2, 3]', '--engine', engine, *more)
            if said[0] != 1 or says not in said[2]:
                return entry, engine, said
    return None


def case_bounds_of_extents(b):
    """Both engines say which extents an input, and a number of the run, may have."""
    b.write('p.ir', 'dim N from 2 to 4\nentry axis(%x: f32[N]) {\n  %1 = neg %x : f32[N]\n  return y=%1\n}\n'
            'dim M from 2 to 4\nentry number(%n: i64[]) {\n  %1 = bind %n {sym=M} : i64[]\n'
            '  %2 = dimval {dim=M} : i64[]\n  return y=%2\n}\n')
    for engine in 'interpreter', 'compiled':
        for give, wrong in ((['axis', '--x', '[%s]'], "input 'x', axis 0: 'N' must be from 2 to 4\n"),
                            (['number', '--n', '%s'], ': a run-time extent is out of range\n')):
            for n in 1, 3, 5:
                value = n if 'number' in give else ','.join('1' * n)
                said = b.run('run', 'p.ir', '--engine', engine, *give[:2], give[2] % value)
                if said[2] and n == 3 or n != 3 and (said[0] != 1 or not said[2].endswith(wrong)):
                    return engine, n, said
    return None


def case_entries_that_are_misspelt(b):
    """The entry is told before weights are asked for."""
    b.write('p.ingot', 'net f(x: [.., 2]) -> [.., 1] = x |> dense(1)\nentry main(x: [.., 2]) = f(x)\n')
    said = b.run('run', 'p.ingot', 'mian')
    if said[0] != 2 or "entry 'mian' is unknown: give f, main or init; did you mean 'main'?" not in said[2]:
        return said
    said = b.run('run', 'p.ingot', 'main')
    return None if 'has no weights' in said[2] else said


def case_files_of_idx_and_gzip(b):
    """An IDX file is read by runs and executables, one that gzip has packed by runs alone."""
    b.write('p.ingot', 'entry main(x: [.., 2]) -> (y: [.., 2]) { y = 2 * x }\n')
    idx = struct.pack('>BBBBII', 0, 0, 13, 2, 1, 2) + struct.pack('>2f', 1.5, -4)
    packed = gzip.compress(idx)
    for name, data in (('x.idx', idx), ('x.gz', packed), ('cut.idx', idx[:-3]), ('cut.gz', packed[:-9]),
                       ('text.gz', gzip.compress(b'1.5, -4'))):
        (b.folder / name).write_bytes(data)
    b.run('build', 'p.ingot', '-o', 'p')
    for program, name, says in [(None, 'x.idx', 'y: f32[1,2] 3 -8'), (None, 'x.gz', 'y: f32[1,2] 3 -8'),
                                (None, 'cut.idx', 'cut off, 20 bytes expected, 17 found'), (None, 'cut.gz', 'cut.gz: cut off'),
                                (None, 'text.gz', 'what gzip packed in text.gz: looks like text'),
                                (b.folder / 'p', 'x.idx', 'y: f32[1,2] 3 -8'), (b.folder / 'p', 'x.gz', 'gzip, to be unpacked first (gunzip)')]:
        command = ['--input', f'x={name}'] if program else ['run', 'p.ingot', '--input', f'x={name}']
        status, out, err = b.run(*command, program=program)
        if says not in out + err or status != (1 if err else 0):
            return name, status, out, err
    return None


def case_zeros_that_fill_the_memory(b):
    """Members of gzip that make 1088 MB of 1 MB: no data, and read no further than to the bound."""
    b.write('p.ingot', 'entry main(x: [.., 2]) -> (y: [.., 2]) { y = 2 * x }\n')
    (b.folder / 'x.gz').write_bytes(17 * gzip.compress(bytes(64 << 20), 1))
    said = b.run('run', 'p.ingot', '--input', 'x=x.gz')
    return None if said[0] == 1 and 'inflate to more than 1073741824; if they are meant to, unpack' in said[2] else said


def case_nan_has_no_sign(b):
    b.write('p.ingot', 'entry main(x: [3]) -> (y: [3]) { y = x + 0 }\n')
    said = b.run('run', 'p.ingot', '--x', '[nan, -nan, -inf]')
    return None if said[1] == 'y: f32[3] nan nan -inf\n' else said


def learned(b, text, *entry):
    """What an entry prints of the weights that the program learns."""
    said = b.run('train', b.write('p.ingot', text), '--run', '--fresh', '--quiet')
    return b.run('run', 'p.ingot', '--weights', 'p.safetensors', *entry) if said[0] == 0 else said


def case_an_average_of_a_net(b):
    """It changes where only its update names it, and has the states of the net that it follows."""
    text = ('net f(x: [..]) -> [..] { state seen: int = 0;  param w = 0;  if training { seen <- seen + 1 };  w * x }\n'
            'net avg = f\n'
            'train t(x: [..], y: [..]) { data x, y = [[1, 1]];  epochs 2\n'
            '    minimize (f(x) - y)^2 using sgd(0.5)\n    %s }\n'
            'entry smooth(x: [..]) -> [..] = avg(x)\n')
    for update in ('avg <- 0.5 * avg + 0.5 * f', 'avg <- avg + 0.5 * (f - avg)',
                   'if step > 0 { avg <- (f + avg) / 2 }'):
        said = learned(b, text % update, 'smooth', '--x', '[1]')
        if said[1] != 'y: f32[1] 0.75\n':
            return update, said
    return None if b'"avg.seen"' in (b.folder / 'p.safetensors').read_bytes() else 'avg has no state'


def case_gradients_by_weights_of_a_file(b):
    """They are those by states, and named by path: what is made of weights is no constant then."""
    b.write('p.ingot', 'net f(x: [..]) -> [..] { param w = 1;  x * exp(w) }\nnet g(x: [..]) -> [..] = f(x)^2\n'
            'net h(x: [..]) -> [..] = [x] |> dense(1) |> scalar\n'
            'entry e(x: [..]) -> (all: real, one: real, at: real) { d = grad(sum[..] f(x), f)\n'
            '    y = h(x);  s = grad(sum[..] y, h);  sum(d), grad(sum[..] g(x), f.w), s.dense1.b[0] }\n')
    b.run('init', 'p.ingot', '-o', 'p.safetensors')
    for how in ('--states',), ('--weights',), ('--weights', '--engine=interpreter'):
        said = b.run('run', 'p.ingot', 'e', how[0], 'p.safetensors', '--x', '[1, 2]', *how[1:])
        if said[1] != 'all: f32[] 8.15485\none: f32[] 73.8906\nat: f32[] 2\n':
            return how, said
    return None


def case_an_extent_may_have_the_name_of_rows(b):
    """Rows are called N where nothing else is."""
    b.write('p.ingot', 'entry e(w: [N], x: [.., N]) -> [..] = sum(w * x)\n')
    said = b.run('run', 'p.ingot', '--w', '[1, 2]', '--x', '[[1, 1], [2, 0], [0, 5]]')
    return None if said == (0, 'y: f32[3] 3 2 10\n', '') else said


def case_functions_of_all_parameters(b):
    """clamp, min and max go over them name by name, as operators do."""
    text = ('net f(x: [..]) -> [..] { param a = 1, b = -1, c: [2] = [0.25, 7];  a * x + b + sum(c) }\n'
            'train t(x: [..]) { data x = [[1]];  epochs 1;  minimize f(x)^2 using sgd(0);  f <- clamp(f, -0.5, 0.5)\n'
            '    f <- max(f, 2 * f) }\n'
            'entry all(x: real) -> [4] { y = f(x);  [f.a + 0 * y, f.b, f.c[0], f.c[1]] }\n')
    said = learned(b, text, 'all', '--x', '1')
    return None if said[1] == 'y: f32[4] 1 -0.5 0.5 1\n' else said


def case_a_net_behind_an_objective(b):
    """It has the weights that the objective has changed; where a step has pieces, those of before."""
    text = ('net f(x: [..]) -> [..] { param w = 1;  w * x }\ntrain t(x: [..]) { data x = [1, 3];  epochs 1;  %s\n'
            '    y = f(x);  minimize f(x)^2 using sgd(0.05);  track above = y;  track behind = f(x) }\n')
    for clause, options, behind in (('batch 2', (), 1), ('batch 1;  accumulate 2', (), 2), ('batch 2', ('--shards', '2'), 2)):
        said = b.run('train', b.write('p.ingot', text % clause), '--run', '--fresh', *options)[1:]
        if f'above 2  behind {behind}\n' not in ''.join(said):
            return clause, options, said
    return None


def case_a_copy_of_a_copy(b):
    """It is read through what both say, in that order, and an average of it has all their parameters."""
    text = ('layer plus(x) { param a = 1;  x + a }\nfn twice(x) = 2 * x\nnet f(x: [..]) -> [..] { param w = 1;  w * x }\n'
            'net g = f with w |> plus\nnet h = g with w |> twice, w |> plus\nnet avg = h\n'
            'train t(x: [..], y: [..]) { data x, y = [[1, 1]];  epochs 1\n'
            '    minimize (h(x) - y)^2 using sgd(0.0625);  avg <- (avg + h) / 2 }\n'
            'entry all(x: [..]) -> (f: [..], g: [..], h: [..], avg: [..]) { f(x), g(x), h(x), avg(x) }\n')
    said = learned(b, text, 'all', '--x', '[1]')
    wanted = 'f: f32[1] 1\ng: f32[1] 2\nh: f32[1] 0.5\navg: f32[1] 2.75\n'
    return None if said == (0, wanted, '') and b'"avg.w.plus2.a"' in (b.folder / 'p.safetensors').read_bytes() else said


def case_a_stop_by_rows_of_validation(b):
    """It sees theirs, not the others', and there must be some."""
    text = ('net f(x: [..]) -> [..] { param w = 0;  w * x }\ntrain t(x: [..], y: [..]) { data x, y = [[1, 1], [1, 1]]\n'
            '    minimize (f(x) - y)^2 using sgd(0.25);  stop when valid.loss %s;  epochs 9;  batch 1\n%s }\n')
    rows = 'valid x, y = [[1, 3]]'
    within = text.replace('valid.loss %s', '(if valid.loss %s then true else false)')
    said = [b.run('train', b.write('p.ingot', form % case), '--run', '--fresh')
            for form, case in ((text, ('< 5', rows)), (text, ('< 2', rows)), (text, ('< 5', '')), (within, ('< 5', rows)))]
    wanted = ('saved p.safetensors, step 4', 'saved p.safetensors, step 18', 'no rows are kept for validation',
              'saved p.safetensors, step 4')
    return None if all(w in out + error for w, (_, out, error) in zip(wanted, said)) else said


def case_a_formula_of_nets_that_track(b):
    """Of several reductions in a number that is tracked all count, whatever the nets in them track."""
    said = b.run('train', b.write('p.ingot', 'net f(x: [.., 1]) -> [..] { param w = 1;  track size = x[0]^2;  x[0] * w }\n'
                 'train t(x: [.., 1]) { data x = [[1], [3]];  batch 1;  epochs 1;  minimize f(x)^2 using sgd(0)\n'
                 '    track all = (mean[..] x[0]) + (mean[..] f(x)^2) + (mean[..] x[0]) }\n'), '--run', '--fresh')
    return None if 'all 9' in said[2] else said


CENTER = ('layer center(x: [.., K]) -> [.., K] {\n    state rows = 0, total: [K] = 0\n'
          '    fit { s[k] = sum[..] x[k];  total <- total + s;  rows <- rows + sum[..] 1 }\n'
          '    x - total / max(rows, 1)\n}\n'
          'net f(x: [.., 1]) -> [.., 1] = x |> center |> dense(1)\nnet copy = f\n'
          'net g(x: [.., 1]) -> [.., 1] = x |> center |> dense(1)\n')
MAKE = 'net make(z: [.., 1]) -> [.., 1] = z |> dense(1)\n'


def case_fit_counts_each_row_once(b):
    """And in all nets that the block uses, also in track, and in copies."""
    for uses in ('minimize sum(f(x)^2) + 0 * sum(f(9 * x)) using sgd(1e-3);  track h = sum(g(x))',
                 'z: [.., 1] ~ normal(0, 1);  minimize sum(f(make(z))^2) + sum(f(x)^2) using sgd(1e-3)\n'
                 '    track r = sqrt(mean[..] sum(g(x))^2)',
                 'minimize sum(f(make(x))^2) + sum(f(x)^2) + sum(f(make(x))^2) using sgd(1e-3)\n    track h = sum(g(x))',
                 'f <- f - 1e-3 * grad(sum[..] sum(f(x)^2), f);  track h = sum(g(x));  if step > 0 { g <- f }'):
        said = learned(b, CENTER + MAKE * ('make' in uses) + 'train t(x: [.., 1]) { data x = [[1], [2], [3], [6]];  batch 1\n    ' + uses + ' }\n'
                       'entry e(x: [1, 1]) -> [3] { y = copy(x);  [f.center1.total[0] + 0 * y[0, 0], '
                       'g.center1.rows + 0 * sum(g(x)), copy.center1.total[0] + 0 * sum(f(x))] }\n', 'e', '--x', '[[0]]')
        if said[1] != 'y: f32[3] 12 4 12\n':
            return uses, said
    return None


def case_a_chain_is_fitted_link_by_link(b):
    """The second on what the first makes once that has seen all rows; as NumPy has it. A use that stands for another
    may wait, too; in a branch nothing is known, and it waits."""
    nets = ('net r(x: [.., 1]) -> [.., 1] = x |> rescale\nnet s(x: [.., 1]) -> [.., 1] = x |> standardize\n'
            'net d(x: [.., 1]) -> [.., 1] = x |> dense(1)\n'
            'net q(x: [.., 1]) -> [.., 1] { y = r(d(x)) + r(s(x));  if y[0] > 1e9 then y else x |> rescale }\n' + CENTER)
    chain = ('net f(x: [.., 1]) -> [.., 1] = x |> standardize |> rescale |> center |> dense(1)\nnet copy = f\n')
    nets = nets[:nets.index('net f(')] + chain
    said = learned(b, nets + 'train t(x: [.., 1]) { data x = [[1], [2], [3], [6]];  batch 1\n'
                   '    minimize sum(f(x)^2) + sum(q(x)^2) using sgd(1e-9);  track c = sum(copy(x)) }\n'
                   'entry e(x: [1, 1]) -> [7] { y = copy(x) + f(x) + q(x);  n = 0 * sum(y)\n'
                   '    1000 * [f.rescale1.low[0] + n, f.rescale1.high[0], f.center1.total[0] / 4, copy.center1.total[0] / 4,\n'
                   '            r.rescale1.low[0], r.rescale1.high[0], q.rescale1.high[0]] }\n', 'e', '--x', '[[0]]')
    return None if said[1] == 'y: f32[7] -1069.04 1603.57 400 400 -1069.04 1603.57 6000\n' else said


def main():
    ingot, wanted = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2:]
    passed = failed = 0
    for name, case in list(globals().items()):
        if not name.startswith('case_') or (wanted and name[5:] not in wanted):
            continue
        with tempfile.TemporaryDirectory() as folder:
            fault = case(Bench(ingot, pathlib.Path(folder)))
        passed, failed = passed + (not fault), failed + bool(fault)
        if fault:
            print(f'failed: {name[5:]}: {fault}')
    print(f'{passed} passed, {failed} failed, 0 skipped')
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
