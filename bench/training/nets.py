"""The networks of the comparisons: a program each, and the same as a function of a peer's
operations `o`, of parameters `p` by their paths in the program, and of rows `x`, `y`."""
import collections
import functools
import pathlib

PROGRAMS = pathlib.Path(__file__).parent / 'programs'


def dense(p, path, x):
    return x @ p[path + '.w'] + p[path + '.b']


def xor(o, p, x, y):
    h = o.sigmoid(dense(p, 'f.dense1', x))
    return ((o.sigmoid(dense(p, 'f.dense2', h))[:, 0] - y) ** 2 / 2).mean()


def tabular(o, p, x, y):
    for i in 1, 2:
        x = o.relu(dense(p, f'f.dense{i}', x))
    return ((dense(p, 'f.dense3', x)[:, 0] - y) ** 2).mean()


def mlp(o, p, x, y):
    for i in 1, 2:
        x = o.relu(dense(p, f'f.dense{i}', x))
    return o.cross_entropy(dense(p, 'f.dense3', x), y)


def cnn(o, p, x, y):
    for i in 1, 2:
        x = o.relu(o.conv(x, p[f'f.conv{i}.w'], p[f'f.conv{i}.b']))
    x = o.max_pool(x, 2).reshape(x.shape[0], -1)
    return o.cross_entropy(dense(p, 'f.dense2', o.relu(dense(p, 'f.dense1', x))), y)


def cell(p, path):
    return [p[f'{path}.f.{name}'] for name in 'wub']


def recurrent(kind, o, p, x, y):
    h = getattr(o, kind)(p['f.embedding1.w'][x], *cell(p, f'f.{kind}1'))
    return o.cross_entropy(dense(p, 'f.dense1', h), y)


def bidirectional(o, p, x, y):
    x = p['f.embedding1.w'][x]
    a = o.lstm(x, *cell(p, 'f.bidirectional1.lstm1'))
    b = o.flip(o.lstm(o.flip(x, (1,)), *cell(p, 'f.bidirectional1.lstm2')), (1,))
    return o.cross_entropy(dense(p, 'f.dense1', o.concat([a, b])), y)


def norm(o, p, path, x):
    return o.norm(x, p[path + '.scale'], p[path + '.shift'])


def attention(o, p, path, x, heads=4):
    q, k, v = (dense(p, f'{path}.{n}', x).reshape(*x.shape[:2], heads, -1) for n in 'qkv')
    return dense(p, path + '.o', o.attend(q, k, v).reshape(x.shape))


def transformer(o, p, x, y):
    x = p['f.embedding1.w'][x] + p['f.place']
    for i in range(2):
        path = f'f.{i}.transformer1'
        x = x + attention(o, p, path + '.attention1', norm(o, p, path + '.layer_norm1', x))
        h = o.gelu(dense(p, path + '.dense1', norm(o, p, path + '.layer_norm2', x)))
        x = x + dense(p, path + '.dense2', h)
    return o.cross_entropy(dense(p, 'f.dense1', norm(o, p, 'f.layer_norm1', x)), y)


# One network: its program with settings, its function, rows of a batch, the rows' shapes and bounds
# (0: real), and its multiply-adds forward for a row: all, and those of data, whose gradient nobody
# wants.
Net = collections.namedtuple('Net', 'program settings loss batch x y work first')

TEXT = ((64,), 65)
PICTURE = 784 * 128
NETS = {
    'xor': Net('xor', [], xor, 4, ((2,), 0), ((), 0), 9, 6),
    'tabular': Net('tabular', [], tabular, 32, ((8,), 0), ((), 0), 73 * 64, 8 * 64),
    'mlp32': Net('mlp', [], mlp, 32, ((784,), 0), ((), 10), PICTURE + 138 * 64, PICTURE),
    'mlp256': Net('mlp', ['N=256'], mlp, 256, ((784,), 0), ((), 10), PICTURE + 138 * 64, PICTURE),
    'cnn': Net('cnn', [], cnn, 64, ((1, 28, 28), 0), ((), 10),
               9 * 32 * 26**2 + 288 * 64 * 24**2 + 9226 * 128, 9 * 32 * 26**2),
    'lstm': Net('lstm', [], functools.partial(recurrent, 'lstm'), 16, TEXT, TEXT,
                64 * (192 * 512 + 128 * 65), 0),
    'gru': Net('gru', [], functools.partial(recurrent, 'gru'), 16, TEXT, TEXT,
               64 * (192 * 384 + 128 * 65), 0),
    'bidirectional': Net('bidirectional', [], bidirectional, 16, TEXT, TEXT,
                         64 * (2 * 128 * 256 + 128 * 65), 0),
    'transformer': Net('transformer', [], transformer, 16, TEXT, TEXT,
                       64 * (2 * (12 * 128**2 + 2 * 64 * 128) + 128 * 65), 0),
}


def flops(net):
    """Of a step's products, forward and backward; the causal half of attention that is masked
    counts."""
    return 2 * net.batch * (3 * net.work - net.first)
