"""ingot as a side of a comparison: a network's program as a trainer, in a folder of its own."""
import json
import pathlib
import re
import struct
import subprocess
import time

import numpy as np

from training.nets import NETS, PROGRAMS

WARM = 64                               # steps by which a trainer has found its pace
# Instead of an optimizer: what it would be given is kept, and the weights stay.
KEEP = """
optimizer keep()(w: [..], g: [..]) { state last: [..] = 0;  last <- g }
"""
RULE = re.compile(r'using (\w+)\(([^)]*)\)')


def read_safetensors(path):
    """The arrays of a file by their names."""
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack('<Q', data[:8])[0]
    kinds = {'F64': 'f8', 'F32': 'f4', 'I64': 'i8', 'I32': 'i4'}
    out = {}
    for name, info in json.loads(data[8:8 + size]).items():
        if name != '__metadata__' and info['dtype'] in kinds:
            begin, end = (8 + size + at for at in info['data_offsets'])
            out[name] = np.frombuffer(data[begin:end], kinds[info['dtype']]).reshape(info['shape'])
    return out


def program(name):
    """The text of a network's program, its optimizer and the rate."""
    text = (PROGRAMS / f'{NETS[name].program}.ingot').read_text()
    rule, rate = RULE.search(text).groups()
    return text, rule, float(rate)


def mix(x):
    """The finalizer of splitmix64, of an array."""
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xbf58476d1ce4e5b9)
    x = (x ^ x >> np.uint64(27)) * np.uint64(0x94d049bb133111eb)
    return x ^ x >> np.uint64(31)


def order(n, seed, epoch):
    """The rows of an epoch in a trainer's order, as runtime/train/order.c has it."""
    word = lambda v: np.array([v], np.uint64)
    bits = 1
    while 1 << 2 * bits < n:
        bits += 1
    mask, half = np.uint64((1 << bits) - 1), np.uint64(bits)
    key = mix(mix(word(seed + 1)) + word(epoch))

    def scramble(x):
        left, right = x >> half, x & mask
        for turn in range(4):
            left, right = right, left ^ (mix(key + word(turn << 56) + right) & mask)
        return left << half | right

    x = scramble(np.arange(n, dtype=np.uint64))
    while (x >= n).any():
        x = np.where(x >= n, scramble(x), x)
    return x.astype(np.int64)


def rows(name, batches, real):
    """Random rows for so many batches, x and y: something of x that can be learned."""
    net = NETS[name]
    random = np.random.default_rng(1)
    shape, bound = net.x
    shape, classes = (net.batch * batches, *shape), net.y[1]
    if bound:
        x = random.integers(0, bound, shape).astype(np.int32)
        return x, (x * 7 + 1) % classes                  # of each character the next
    x = random.standard_normal(shape).astype(real)
    flat = x.reshape(len(x), -1)
    if not classes:
        return x, (flat[:, 0] * flat[:, 1] > 0).astype(real)
    most = flat[:, :flat.shape[1] // classes * classes].reshape(len(x), classes, -1).sum(-1)
    return x, most.argmax(1).astype(np.int32)            # the part with the largest sum


class Trainer:
    """A network's trainer with its rows and first weights.  `folder` is an empty one."""

    def __init__(self, ingot, name, folder, batches, real='f32', text=None):
        self.folder, self.ingot, self.real = folder, ingot, real
        self.best, self.steps = {}, 32
        source = folder / 'net.ingot'
        source.write_text(text or program(name)[0])
        sets = [w for s in NETS[name].settings for w in ('--set', s)]
        begun = time.perf_counter()
        self.call([ingot, 'train', source, '-o', folder / 'trainer', *sets,
                   *(['--f64'] if real == 'f64' else [])])
        self.compile_seconds = time.perf_counter() - begun
        self.call([ingot, 'init', source, '--real', real, *sets, '-o',
                   folder / 'first.safetensors'])
        self.weights = read_safetensors(folder / 'first.safetensors')
        self.give(*rows(name, batches, {'f32': 'f4', 'f64': 'f8'}[real]))

    def give(self, x, y):
        """The rows that it trains on."""
        self.x, self.y = x, y
        np.save(self.folder / 'x.npy', self.x)
        np.save(self.folder / 'y.npy', self.y)

    def call(self, command):
        done = subprocess.run([str(w) for w in command], cwd=self.folder, capture_output=True,
                              text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip()[-600:])
        return done.stdout

    def train(self, steps, threads=1, *options):
        """Seconds that a run of so many steps takes, as a process."""
        begun = time.perf_counter()
        self.call(['./trainer', '--steps', steps, '--epochs', steps, '--threads', threads,
                   '--quiet', '--fresh',
                   *([] if '--save' in options else ['--save', 'at.safetensors']), *options])
        return time.perf_counter() - begun

    def fastest(self, threads, steps, runs=1):
        """Seconds of the fastest run so far of so many steps behind the first ones."""
        done = [self.train(WARM + steps, threads) for _ in range(runs)]
        self.best[threads, steps] = min([self.best.get((threads, steps), float('inf')), *done])
        return self.best[threads, steps]

    def milliseconds(self, threads, seconds):
        """Of a step: the fastest short run is taken from a longer one, of about so long."""
        short = self.fastest(threads, 0, 3)
        while True:
            more = self.fastest(threads, self.steps) - short
            if more > seconds / 2:
                return more / self.steps * 1e3
            self.steps = int(self.steps * min(100, max(2, seconds / max(more, 1e-4))))

    def trained(self, steps):
        """All states behind so many steps from the first weights."""
        self.train(steps, 1, '--init', 'first.safetensors')
        return read_safetensors(self.folder / 'at.safetensors')


def peak_gflops(ingot, folder, threads):
    """What the machine's multipliers reach, as `ingot bench` measures it."""
    source = folder / 'peak.ingot'
    source.write_text('entry main(x: [8, 8]) { y[n, m] = sum[k] x[n, k] * x[k, m] }')
    subprocess.run([ingot, 'bench', source, '--engine', 'compiled', '--threads', str(threads),
                    '--runs', '10', '--json', folder / 'peak.json'], check=True,
                   stdout=subprocess.DEVNULL)
    return json.loads((folder / 'peak.json').read_text())['runs'][-1]['peak_gflops']
