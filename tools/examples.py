#!/usr/bin/env python3
"""Trains the programs of examples/ and says what they reach.

usage: examples.py INGOT [--short | --write] [--data FOLDER] [NAME..]

--short   as a test: those that take seconds, each to the result that its row names; ends
          with a line `N passed, N failed, N skipped`
--write   docs/examples.md, with results, times and pictures; of programs that are not named
          it keeps what it has
--data    where california_housing.csv and tiny_shakespeare.txt are, which no package
          has; without it their programs are left out

Pictures of clothes are of Debian's package dataset-fashion-mnist, installed or unpacked in
build/examples; tumours of the wheel of scikit-learn, fetched by pip; sentences and dates
are made here.  It goes on in build/venv, where tests have NumPy and onnx.  With --write
scikit-learn's net stands beside that of housing, in an environment of its own, build/sklearn."""
import argparse
import csv
import datetime
import gzip
import hashlib
import json
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / 'build/venv'
if Path(sys.prefix).resolve() != TOOLS.resolve():
    subprocess.run(['bash', '-c', '. scripts/setup.sh; install_python_tools'], cwd=ROOT, check=True)
    os.execv(TOOLS / 'bin/python', [TOOLS / 'bin/python', *sys.argv])

import numpy as np                                          # noqa: E402
import onnx                                                 # noqa: E402
from onnx import TensorProto, helper, numpy_helper          # noqa: E402

sys.path.insert(0, str(ROOT / 'tests'))
from safetensors_file import read_safetensors               # noqa: E402

PICTURES = ROOT / 'docs/pictures'
INSTALLED = Path('/usr/share/datasets/fashion-mnist')
SCIKIT = ('scikit-learn==1.7.2', 'cp312')
CANCER = 'fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed'


# ---- data ---------------------------------------------------------------------------------

def fashion(work, options):
    """The four files of Fashion-MNIST; false if the package cannot be had."""
    folder = INSTALLED
    if not folder.exists():
        folder = work.parent / 'package' / INSTALLED.relative_to('/')
        if not folder.exists():
            shutil.rmtree(work.parent / 'package', ignore_errors=True)
            (work.parent / 'package').mkdir()
            command = 'apt-get -qq download dataset-fashion-mnist && dpkg -x *.deb .'
            subprocess.run(command, shell=True, cwd=work.parent / 'package', check=False)
    for path in folder.glob('*.gz'):
        (work / path.name).symlink_to(path)
    return folder.exists()


def read_idx(path):
    data = gzip.open(path).read()
    dims = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], 'big') for i in range(data[3])]
    return np.frombuffer(data, 'u1', offset=4 + 4 * len(dims)).reshape(dims)


def given(name):
    """A file of --data."""
    def copy(work, options):
        path = options.data and options.data / name
        if path and path.exists():
            (work / name).symlink_to(path.resolve())
        return path and path.exists()
    return copy


def tumours(work, options):
    """breast_cancer.csv, which is scikit-learn's."""
    wheels = work.parent / 'wheels'
    found = list(wheels.glob('scikit_learn-*.whl'))
    if not found:
        requirement, python = SCIKIT
        subprocess.run([sys.executable, '-m', 'pip', 'download', '-q', '--no-deps',
                        '--disable-pip-version-check', '--only-binary=:all:',
                        '--implementation', 'cp', '--python-version', python[2:], '--abi', python,
                        '--platform', 'manylinux_2_28_x86_64',
                        '--platform', 'manylinux2014_x86_64', '--platform', 'any',
                        '-d', str(wheels), requirement], check=False)
        found = list(wheels.glob('scikit_learn-*.whl'))
    if not found:
        return False
    with zipfile.ZipFile(found[0]) as wheel:
        data = wheel.read('sklearn/datasets/data/breast_cancer.csv')
    (work / 'breast_cancer.csv').write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return digest == CANCER or sys.exit(f'breast_cancer.csv has the hash {digest}')


MONTHS = ('January', 'February', 'March', 'April', 'May', 'June', 'July', 'August',
          'September', 'October', 'November', 'December')
FORMS = (lambda d, m: f'{d.day} {m} {d.year}',
         lambda d, m: f'{m} {d.day}, {d.year}',
         lambda d, m: f'{m[:3].upper()} {d.day} {d.year}',
         lambda d, m: f'{d.day} {m[:3]} {d.year % 100:02}',
         lambda d, m: f'{d.day:02}.{d.month:02}.{d.year}',
         lambda d, m: f'{d.month}/{d.day}/{d.year}')


def dates(work, options):
    """20,000 dates between 1950 and 1999, in six forms."""
    chance = random.Random(1)
    first = datetime.date(1950, 1, 1)
    days = [first + datetime.timedelta(chance.randrange(50 * 365)) for _ in range(20000)]
    told = (chance.choice(FORMS)(d, MONTHS[d.month - 1]) for d in days)
    (work / 'dates.txt').write_text('\n'.join(told) + '\n')
    (work / 'iso.txt').write_text('\n'.join(d.isoformat() for d in days) + '\n')
    return True


def sentences(work, options):
    """4,000 sentences of up to 20 words, of which 1 opens and 2 closes.  The tag of a word is
    3 between the two, else 2 behind a word that is divisible by 3, else 1: it takes what
    stands to its left and to its right."""
    chance = np.random.default_rng(1)
    word = chance.integers(3, 40, (4000, 20))
    length = chance.integers(8, 21, 4000)
    tag = np.where(np.roll(word, 1, axis=1) % 3 == 0, 2, 1)
    tag[:, 0] = 1
    for row, (begin, end) in enumerate(np.sort(chance.integers(0, 20, (4000, 2)), axis=1)):
        if begin < end < length[row]:
            word[row, begin], word[row, end] = 1, 2
            tag[row] = np.where(np.roll(word[row], 1) % 3 == 0, 2, 1)
            tag[row, 0] = 1
            tag[row, begin:end + 1] = 3
    there = np.arange(20) < length[:, None]
    np.save(work / 'words.npy', word * there)
    np.save(work / 'tags.npy', tag * there)
    return True


BASE = '''net pictures(x: [.., 1, 28, 28]) -> [.., 5] = x
    |> conv(16, 3, stride = 2) |> relu |> conv(32, 3, stride = 2) |> relu
    |> flatten |> dense(64) |> relu |> dense(5)

train learn(x: u8[.., 28, 28], label: int<5>[..]) {
    data x = "old.npz"["x"], label = "old.npz"["label"]
    p[c in 1, i, j] = real(x[i, j]) / 255
    minimize cross_entropy(pictures(p), label) using adam(1e-3)
    batch 64
    epochs 1
}
'''


def base_model(weights):
    """The network of BASE as other tools write it."""
    def initial(name):
        return numpy_helper.from_array(weights['pictures.' + name].astype('f4'), name)
    half = {'kernel_shape': [3, 3], 'strides': [2, 2], 'pads': [1, 1, 1, 1]}
    nodes = [helper.make_node('Conv', ['x', 'conv1.w', 'conv1.b'], ['c1'], **half),
             helper.make_node('Relu', ['c1'], ['r1']),
             helper.make_node('Conv', ['r1', 'conv2.w', 'conv2.b'], ['c2'], **half),
             helper.make_node('Relu', ['c2'], ['r2']),
             helper.make_node('Flatten', ['r2'], ['flat']),
             helper.make_node('Gemm', ['flat', 'dense1.w', 'dense1.b'], ['d1']),
             helper.make_node('Relu', ['d1'], ['features']),
             helper.make_node('Gemm', ['features', 'dense2.w', 'dense2.b'], ['y'])]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, 'pictures',
                              [value('x', TensorProto.FLOAT, ['N', 1, 28, 28])],
                              [value('y', TensorProto.FLOAT, ['N', 5])],
                              [initial(f'{layer}.{part}') for part in 'wb'
                               for layer in ('conv1', 'conv2', 'dense1', 'dense2')])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)


def two_kinds(work, options):
    """features.onnx, trained on five classes, and 2,000 pictures of the other five."""
    if not fashion(work, options):
        return False
    x = read_idx(work / 'train-images-idx3-ubyte.gz')
    label = read_idx(work / 'train-labels-idx1-ubyte.gz').astype('i8')
    old, new = label < 5, np.where(label >= 5)[0][:2000]
    np.savez(work / 'old.npz', x=x[old], label=label[old])
    np.savez(work / 'new.npz', x=x[new], label=label[new] - 5)
    (work / 'base.ingot').write_text(BASE)
    subprocess.run([options.ingot, 'train', 'base.ingot', '--run', '--quiet'], cwd=work, check=True)
    onnx.save(base_model(read_safetensors(work / 'base.safetensors')), work / 'features.onnx')
    return True


# ---- pictures -----------------------------------------------------------------------------

def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def write_png(pgm, path):
    """The picture of a binary PGM file as PNG."""
    head, size, _, pixels = pgm.read_bytes().split(b'\n', 3)
    assert head == b'P5'
    w, h = map(int, size.split())
    rows = b''.join(b'\0' + pixels[y * w:(y + 1) * w] for y in range(h))
    path.write_bytes(b'\x89PNG\r\n\x1a\n'
                     + chunk(b'IHDR', struct.pack('>IIBBBBB', w, h, 8, 0, 0, 0, 0))
                     + chunk(b'IDAT', zlib.compress(rows, 9)) + chunk(b'IEND', b''))


# ---- what is looked at behind a training --------------------------------------------------

def entry(work, name, *arguments):
    """What an entry of the trained program prints."""
    done = subprocess.run([work / work.name, name, *arguments], cwd=work, capture_output=True,
                          text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.stdout.strip()


def sheet(name, *arguments):
    """A picture that an entry draws."""
    def look(work):
        entry(work, name, *arguments, '-o', 'sheet.pgm')
        return [work / 'sheet.pgm']
    return look


def quote(name, *arguments):
    """A text that an entry writes."""
    return lambda work: [entry(work, name, *arguments)]


def attention(text, written):
    """Where each character that is written looks, over the characters that are read, as SVG."""
    def look(work):
        signs = ['start', *text, 'end']
        entry(work, 'look', f'x={text}', '-o', 'look.npy')
        seen = np.load(work / 'look.npy')[0, ::16, ::16]
        cell, left, top = 26, 60, 60
        high = top + cell * len(seen) + 12
        marks = ''.join(
            f'<rect x="{left + cell * j}" y="{top + cell * i}" width="{cell}" height="{cell}" '
            f'fill="#1f6fb4" fill-opacity="{v / 255:.3f}" stroke="#e4e4e4"/>\n'
            for i, line in enumerate(seen) for j, v in enumerate(line))
        marks += ''.join(
            f'<text x="{left + cell * (j + 0.5)}" y="{top - 8}" text-anchor="middle">{c}</text>\n'
            for j, c in enumerate(signs))
        marks += ''.join(
            f'<text x="{left - 10}" y="{top + cell * i + 18}" text-anchor="end">{c}</text>\n'
            for i, c in enumerate(written))
        (work / 'look.svg').write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + cell * len(signs) + 12}" '
            f'height="{high}" font-family="sans-serif" font-size="12" fill="#333">\n'
            '<rect width="100%" height="100%" fill="white"/>\n'
            f'<text x="{left}" y="22">read: each column a character</text>\n'
            f'<text x="16" y="{high - 12}" transform="rotate(-90 16 {high - 12})">'
            f'written: each row a character</text>\n{marks}</svg>\n')
        return [work / 'look.svg']
    return look


def purity(work):
    """The share of test pictures that are of the most frequent class of their cluster."""
    x = read_idx(work / 't10k-images-idx3-ubyte.gz').reshape(10000, 784)
    label = read_idx(work / 't10k-labels-idx1-ubyte.gz')
    np.save(work / 'x.npy', x)
    entry(work, 'cluster', 'x=x.npy', '-o', 'cluster.npy')
    cluster = np.load(work / 'cluster.npy')
    most = sum(np.bincount(label[cluster == k], minlength=1).max() for k in range(10)
               if (cluster == k).any())
    return most / len(label)


def spread(x):
    """Mean and covariance of rows."""
    return x.mean(axis=0), np.cov(x, rowvar=False)


def strangeness(work):
    """How far drawn pictures are from the test's: the Frechet distance of both at 7x7, as a share
    of the test's variance.  It is 0 for the same distribution, 1 for one mean picture."""
    entry(work, 'draw', 'n=10000', '-o', 'drawn.npy')
    both = (np.load(work / 'drawn.npy'), read_idx(work / 't10k-images-idx3-ubyte.gz'))
    (m, c), (n, d) = (spread(x.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(-1, 49))
                      for x in both)
    root = np.sqrt(np.linalg.eigvals(c @ d).real.clip(0)).sum()
    return float((((m - n) ** 2).sum() + np.trace(c) + np.trace(d) - 2 * root) / np.trace(d))


def greedy(work):
    """Steps that the trained cart stays up, of 500, on average."""
    entry(work, 'play', '-o', 'steps.npy')
    return float(np.load(work / 'steps.npy').mean())


def scikit(work):
    """What scikit-learn's net of this size has on these rows in as many epochs."""
    venv, (requirement, _) = ROOT / 'build/sklearn', SCIKIT
    if not (venv / 'bin/python').exists():
        subprocess.run([sys.executable, '-m', 'venv', venv], check=True)
        subprocess.run([venv / 'bin/pip', 'install', '-q', requirement], check=True)
    with open(work / 'log.csv', newline='') as f:
        epochs = max(int(r['epoch']) for r in csv.DictReader(f))
    done = subprocess.run([venv / 'bin/python', ROOT / 'tools/sklearn_mlp.py',
                           work / 'california_housing.csv', str(epochs)], check=True,
                          capture_output=True, text=True)
    return f"scikit-learn's {float(done.stdout):.4g}"


# ---- the programs -------------------------------------------------------------------------

@dataclass
class Example:
    """A row of the table.  `want`: what is read of the log, (part, column), or a function of
    the folder; `least` or `most`: what it must reach; `short`: arguments with which it
    takes seconds, and the bound for those; `program` where that has another name; `beside`: what
    another tool reaches."""
    name: str
    network: str
    what: str
    want: object
    least: float = None
    most: float = None
    data: object = None
    arguments: tuple = ()
    short: tuple = None
    look: list = field(default_factory=list)
    program: str = None
    beside: object = None


XOR = ('--epochs', '1000', '--data', 'x,t=[[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]')
ACCURACY = ('test', 'accuracy')
EXAMPLES = [
    Example('perceptron', '2 weights and a bias, heaviside', 'AND: share of errors',
            ('train', 'errors'), most=0, short=((), 0)),
    Example('perceptron_xor', 'the same', 'XOR, which no line separates: share of errors',
            ('train', 'errors'), least=0.25, program='perceptron', short=(XOR, 0.25),
            arguments=XOR),
    Example('xor', '2-3-1, sigmoid, plain backpropagation', 'XOR: loss when no weight moves by 1e-6',
            ('train', 'loss'), most=1e-5, short=((), 1e-5)),
    Example('digits', '784-128-64-10', 'Fashion-MNIST: test accuracy', ACCURACY, least=0.875,
            data=fashion, short=(('--epochs', '1'), 0.82)),
    Example('digits_conv', 'two convolutions, 128 hidden', 'Fashion-MNIST: test accuracy', ACCURACY,
            least=0.915, data=fashion),
    Example('fashion_alexnet', 'AlexNet at 28x28', 'Fashion-MNIST: test accuracy', ACCURACY,
            least=0.85, data=fashion),
    Example('fashion_vgg', 'VGG at 28x28', 'Fashion-MNIST: test accuracy', ACCURACY, least=0.88,
            data=fashion),
    Example('fashion_googlenet', 'GoogLeNet at 28x28', 'Fashion-MNIST: test accuracy', ACCURACY,
            least=0.88, data=fashion),
    Example('fashion_resnet', 'ResNet of 9 layers, flips', 'Fashion-MNIST: test accuracy', ACCURACY,
            least=0.93, data=fashion),
    Example('housing', '9 numbers and a category, 64-64-1', 'test RMSE in 100,000 $',
            ('test', 'rmse'), most=0.57, data=given('california_housing.csv'),
            beside=scikit),
    Example('tumour', '30-32-16-1', 'breast cancer: test accuracy', ACCURACY, least=0.94,
            data=tumours, short=((), 0.94)),
    Example('recurrent', 'RNN, LSTM, GRU of 128', 'characters: test loss of the GRU',
            ('test', 'loss'), most=1.9, data=given('tiny_shakespeare.txt')),
    Example('speaker', 'LSTM of 128', 'characters: validation loss', ('valid', 'loss'), most=1.8,
            data=given('tiny_shakespeare.txt'),
            look=[quote('sample', 'prompt=ROMEO:', 'n=200', 'warmth=0.7')]),
    Example('transformer', '2 blocks, 4 heads, 128 wide', 'characters: loss', ('train', 'loss'),
            most=1.9, data=given('tiny_shakespeare.txt')),
    Example('tagger', 'GRU of 64 in both directions', 'tags: test accuracy', ACCURACY, least=0.95,
            data=sentences, short=((), 0.95)),
    Example('dates', 'GRU with attention to GRU', 'dates: share without a fault',
            ('test', 'exact'), least=0.98, data=dates, short=(('--epochs', '3'), 0.9),
            look=[quote('iso', 'x=7 March 1994'), attention('7 March 1994', '1994-03-07')]),
    Example('autoencoder', '784-128-16-128-784, k-means of codes', 'purity of ten clusters', purity,
            least=0.45, data=fashion, arguments=('--epochs', '3'),
            short=(('--epochs', '1'), 0.4)),
    Example('gan', '64-256-512-784 against 784-512-256-1',
            'Frechet distance of drawn pictures; one mean picture has 1', strangeness, most=0.1,
            data=fashion, arguments=('--epochs', '5'), look=[sheet('draw', 'n=64')]),
    Example('cartpole', '4-64-2, REINFORCE', 'steps on average', ('train', 'length'), least=475),
    Example('cartpole_dqn', '4-64-64-2, double Q-learning', 'steps of 500, greedy', greedy,
            least=475, short=((), 475)),
    Example('finetune', 'features of an ONNX file, a new layer', 'new classes: test accuracy',
            ACCURACY, least=0.85, data=two_kinds, short=((), 0.85)),
]


# ---- runs ---------------------------------------------------------------------------------

def last(work, part, column):
    """The last value of a column of the log among the rows of a part."""
    with open(work / 'log.csv', newline='') as f:
        rows = [r for r in csv.DictReader(f) if r['part'] == part]
    return float(rows[-1][column]), int(rows[-1]['step'])


def reached(e, work):
    return e.want(work) if callable(e.want) else last(work, *e.want)[0]


def train(e, work, ingot, arguments):
    """Trains; seconds of processor time.  Raises with what went wrong."""
    program = ROOT / f'examples/{e.program or e.name}.ingot'
    for other in (ROOT / 'examples').glob('*.ingot'):       # what it imports
        if not (work / other.name).exists():
            shutil.copy(other, work)
    commands = ([ingot, 'train', program.name, '-o', e.name],
                [f'./{e.name}', '--fresh', '--log', 'log.csv', '--plot', 'plot.svg', *arguments])
    for command in commands:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=work, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError((done.stderr or done.stdout).strip()[-300:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def is_good(e, value, bound):
    return value >= bound if e.least is not None else value <= bound


def folder_for(e):
    work = ROOT / 'build/examples' / e.name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    return work


def run_short(options, chosen):
    count = {'passed': 0, 'failed': 0, 'skipped': 0}
    for e in chosen:
        if not e.short:
            continue
        work = folder_for(e)
        verdict, told = 'skipped', 'its data cannot be had here'
        if not e.data or e.data(work, options):
            arguments, bound = e.short
            try:
                train(e, work, options.ingot, arguments)
                value = reached(e, work)
                verdict = 'passed' if is_good(e, value, bound) else 'failed'
                told = f'{e.what} {value:.4g}, wanted {bound:g}'
            except RuntimeError as error:
                verdict, told = 'failed', str(error)
        count[verdict] += 1
        print(f'{verdict} {e.name}: {told}', flush=True)
    print(', '.join(f'{n} {word}' for word, n in count.items()))
    return count['failed'] > 0


HEAD = '''# What the examples reach

The programs of `examples/`, trained by `tools/examples.py INGOT --write`, which wrote this
page, too.
Seconds are of processor time, reading and test included.

| program | network | what | result | wanted | steps | seconds |
|---|---|---|---|---|---|---|
'''
RESULTS = PICTURES / 'results.json'


def machine():
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return line.split(':', 1)[1].strip()
    return 'another machine'


def rounded(value):
    """Two digits, or all in front of the point."""
    return f'{value:.0f}' if value >= 10 else f'{value:.2g}'


def gallery(e, work):
    """What the trained program says or draws: texts, and names of pictures, which are put
    beside the page."""
    PICTURES.mkdir(exist_ok=True)
    shutil.copy(work / 'plot.svg', PICTURES / f'{e.name}.svg')
    shown = [f'{e.name}.svg']
    for look in e.look:
        for seen in look(work):
            if isinstance(seen, Path) and seen.suffix == '.svg':
                shutil.copy(seen, PICTURES / f'{e.name}_{seen.name}')
                shown.append(f'{e.name}_{seen.name}')
            elif isinstance(seen, Path):
                write_png(seen, PICTURES / f'{e.name}.png')
                shown.append(f'{e.name}.png')
            else:
                shown.append(seen.splitlines())
    return shown


def section(name, result):
    """The curve and the results of an example, as text of the page."""
    text = f'\n## {name}\n\n{result["machine"]}, {result["date"]}.\n'
    for shown in result['shown']:
        text += f'\n![{shown}](pictures/{shown})\n' if isinstance(shown, str) else \
            '\n' + ''.join(f'    {line}\n' for line in shown)
    return text


def row(e, result):
    bound = e.least if e.least is not None else e.most
    beside = f'; {result["beside"]}' if result and result.get('beside') else ''
    tail = f'not trained | {bound:g} | - | -'
    if result:
        tail = (f'{result["value"]:.4g}{beside} | {bound:g} | {result["steps"]:,} | '
                f'{rounded(result["seconds"])}')
    return f'| `{e.program or e.name}.ingot` | {e.network} | {e.what} | {tail} |\n'


def write_page(results):
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + '\n')
    page = HEAD + ''.join(row(e, results.get(e.name)) for e in EXAMPLES)
    page += ''.join(section(e.name, results[e.name]) for e in EXAMPLES if e.name in results)
    (ROOT / 'docs/examples.md').write_text(page)


def run_whole(options, chosen):
    results, failed = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}, 0
    for e in chosen:
        work = folder_for(e)
        bound = e.least if e.least is not None else e.most
        if e.data and not e.data(work, options):
            print(f'skipped {e.name}: its data are not here')
            continue
        try:
            seconds = train(e, work, options.ingot, e.arguments)
            value = reached(e, work)
            results[e.name] = {'value': value, 'steps': last(work, 'train', 'step')[1],
                               'seconds': seconds, 'machine': machine(),
                               'date': str(datetime.date.today()),
                               'beside': e.beside(work) if e.beside and options.write else None,
                               'shown': gallery(e, work) if options.write else []}
        except RuntimeError as error:
            failed += 1
            print(f'failed {e.name}: {error}', flush=True)
            continue
        failed += not is_good(e, value, bound)
        print(f'{e.name}: {e.what} {value:.4g}, wanted {bound:g}, {seconds:.1f} s', flush=True)
        if options.write:
            write_page(results)
    return failed > 0


def main():
    parser = argparse.ArgumentParser(description='trains the programs of examples/')
    parser.add_argument('ingot', type=lambda p: Path(p).resolve())
    parser.add_argument('names', nargs='*')
    parser.add_argument('--short', action='store_true')
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--data', type=Path)
    options = parser.parse_intermixed_args()
    known = {e.name for e in EXAMPLES}
    for name in options.names:
        if name not in known:
            parser.error(f'no example {name}; there are {", ".join(sorted(known))}')
    chosen = [e for e in EXAMPLES if not options.names or e.name in options.names]
    sys.exit(run_short(options, chosen) if options.short else run_whole(options, chosen))


if __name__ == '__main__':
    main()
