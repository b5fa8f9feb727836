"""A network that finds objects in an image of run-time height and width, at random weights.

It is built as the detectors of one stage are that people export with free height and
width: convolutions with SiLU in blocks whose halves are split, computed and concatenated; pooling over
growing squares; two ways of features, up by repetition and down by strides; at three
scales a head with 16 sums for each side of a box, and 18 classes.  The grid of anchors
follows from the shapes of the features, as exporters write it.  Multiples of 32 are
good for H and W.
"""
import numpy as np
from onnx import helper, numpy_helper

CLASSES, SIDE = 18, 16


class Graph:
    """Nodes and weights, as they are added; values are names."""

    def __init__(self):
        self.nodes, self.weights = [], []
        self.rng = np.random.Generator(np.random.Philox(3))

    def constant(self, array):
        name = f'c{len(self.weights)}'
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, op, *inputs, outputs=1, **attributes):
        names = [f'v{len(self.nodes)}_{i}' for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names


def plain_conv(g, x, inputs, outputs, size=1, stride=1, scale=2.0):
    w = g.rng.standard_normal((outputs, inputs, size, size), np.float32)
    w *= np.float32((scale / (inputs * size * size)) ** 0.5)
    bias = g.rng.standard_normal(outputs, np.float32) * np.float32(0.1)
    return g.add('Conv', x, g.constant(w), g.constant(bias), kernel_shape=[size, size],
                 strides=[stride, stride], pads=[size // 2] * 4)


def conv(g, x, inputs, outputs, size=1, stride=1):
    x = plain_conv(g, x, inputs, outputs, size, stride)
    return g.add('Mul', x, g.add('Sigmoid', x))


def split_block(g, x, inputs, outputs, repeats, shortcut):
    """Halves of a 1x1 convolution; the second goes through pairs of 3x3, all are joined."""
    half = outputs // 2
    x = conv(g, x, inputs, outputs)
    parts = g.add('Split', x, g.constant(np.array([half, half])), axis=1, outputs=2)
    for _ in range(repeats):
        y = conv(g, conv(g, parts[-1], half, half, 3), half, half, 3)
        parts.append(g.add('Add', parts[-1], y) if shortcut else y)
    x = g.add('Concat', *parts, axis=1)
    return conv(g, x, (2 + repeats) * half, outputs)


def pooled_squares(g, x, channels):
    half = channels // 2
    parts = [conv(g, x, channels, half)]
    for _ in range(3):
        parts.append(g.add('MaxPool', parts[-1], kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1]))
    return conv(g, g.add('Concat', *parts, axis=1), 4 * half, channels)


def doubled(g, x):
    return g.add('Resize', x, '', g.constant(np.array([1, 1, 2, 2], np.float32)), mode='nearest',
                 coordinate_transformation_mode='asymmetric', nearest_mode='floor')


def features(g, x):
    """Three values of 64, 128 and 256 channels, at strides 8, 16 and 32."""
    x = conv(g, conv(g, x, 3, 16, 3, 2), 16, 32, 3, 2)
    x = conv(g, split_block(g, x, 32, 32, 1, True), 32, 64, 3, 2)
    fine = split_block(g, x, 64, 64, 2, True)
    middle = split_block(g, conv(g, fine, 64, 128, 3, 2), 128, 128, 2, True)
    coarse = split_block(g, conv(g, middle, 128, 256, 3, 2), 256, 256, 1, True)
    coarse = pooled_squares(g, coarse, 256)
    up = split_block(g, g.add('Concat', doubled(g, coarse), middle, axis=1), 384, 128, 1, False)
    fine = split_block(g, g.add('Concat', doubled(g, up), fine, axis=1), 192, 64, 1, False)
    down = g.add('Concat', conv(g, fine, 64, 64, 3, 2), up, axis=1)
    middle = split_block(g, down, 192, 128, 1, False)
    down = g.add('Concat', conv(g, middle, 128, 128, 3, 2), coarse, axis=1)
    return fine, middle, split_block(g, down, 384, 256, 1, False)


def extent(g, shape, axis):
    return g.add('Gather', shape, g.constant(np.array(axis)), axis=0)


def middles(g, n):
    """0.5, 1.5, .. of so many cells."""
    count = g.add('Range', g.constant(np.array(0)), n, g.constant(np.array(1)))
    return g.add('Add', g.add('Cast', count, to=1), g.constant(np.float32(0.5)))


def grid(g, x):
    """Two values [1, H * W]: the middle of each cell, across and down."""
    shape = g.add('Shape', x)
    height, width = extent(g, shape, 2), extent(g, shape, 3)
    one = g.constant(np.array([0]))
    both = g.add('Concat', g.add('Unsqueeze', height, one), g.add('Unsqueeze', width, one), axis=0)
    across = g.add('Unsqueeze', middles(g, width), one)
    down = g.add('Unsqueeze', middles(g, height), g.constant(np.array([1])))
    flat = g.constant(np.array([1, -1]))
    return [g.add('Reshape', g.add('Expand', v, both), flat) for v in (across, down)]


def head(g, x, channels, stride):
    """Sides and classes [1, C, A], anchors [2, A], strides [1, A] of one scale."""
    sides = conv(g, conv(g, x, channels, 64, 3), 64, 64, 3)
    classes = conv(g, conv(g, x, channels, 64, 3), 64, 64, 3)
    both = g.add('Concat', plain_conv(g, sides, 64, 4 * SIDE, scale=1),
                 plain_conv(g, classes, 64, CLASSES, scale=1), axis=1)
    flat = g.add('Reshape', both, g.constant(np.array([1, 4 * SIDE + CLASSES, -1])))
    across, down = grid(g, both)
    zero = g.add('Mul', across, g.constant(np.float32(0)))
    return flat, g.add('Concat', across, down, axis=0), g.add('Add', zero, g.constant(np.float32(stride)))


def expected_side(g, sums):
    """[1, 4, A]: of each side the mean of 0 .. 15 under the softmax of its sums."""
    split = g.add('Reshape', sums, g.constant(np.array([1, 4, SIDE, -1])))
    share = g.add('Softmax', g.add('Transpose', split, perm=[0, 2, 1, 3]), axis=1)
    weight = g.constant(np.arange(SIDE, dtype=np.float32).reshape(1, SIDE, 1, 1))
    mean = g.add('Conv', share, weight, kernel_shape=[1, 1])
    return g.add('Reshape', mean, g.constant(np.array([1, 4, -1])))


def detector_graph():
    g = Graph()
    scales = zip(features(g, 'images'), (64, 128, 256), (8, 16, 32))
    heads = [head(g, x, channels, stride) for x, channels, stride in scales]
    flat, anchors, strides = (g.add('Concat', *parts, axis=-1) for parts in zip(*heads))
    sums, classes = g.add('Split', flat, g.constant(np.array([4 * SIDE, CLASSES])), axis=1,
                          outputs=2)
    near, far = g.add('Split', expected_side(g, sums), g.constant(np.array([2, 2])), axis=1,
                      outputs=2)
    low, high = g.add('Sub', anchors, near), g.add('Add', anchors, far)
    middle = g.add('Mul', g.add('Add', low, high), g.constant(np.float32(0.5)))
    boxes = g.add('Mul', g.add('Concat', middle, g.add('Sub', high, low), axis=1), strides)
    g.nodes.append(helper.make_node('Concat', [boxes, g.add('Sigmoid', classes)], ['boxes'], axis=1))
    return g
