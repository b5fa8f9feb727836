"""Rows on which no unit stands at a kink: where rounding decides whether a ReLU passes its
operand on, or which element of a box is the greatest, gradients of one formula differ by as much
as that unit's part of them, however exactly they are computed."""
import numpy as np

from training import peers

MARGIN = 1e-6       # of a value's largest element: some ten roundings of f32


class Margins(peers.Torch):
    """A peer in f64 that notes, for each row, how near the nearest unit is to its kink."""

    def __init__(self):
        super().__init__('f64', 1)
        self.least = float('inf')

    def note(self, gap, x):
        rows = gap.reshape(gap.shape[0], -1).amin(1) / x.abs().max()
        self.least = np.minimum(self.least, self.host(rows))

    def relu(self, x):
        self.note(x.abs(), x)
        return self.torch.relu(x)

    def max_pool(self, x, size):
        """A box of zeros behind a ReLU gives nothing back, whichever is the greatest."""
        two = x.unfold(2, size, size).unfold(3, size, size).flatten(-2).topk(2).values
        first, second = two.unbind(-1)
        self.note(self.torch.where(first > 0, first - second, first.max()), x)
        return self.f.max_pool2d(x, size)


def rows_apart(net, weights, x, y):
    """Which rows keep MARGIN, as many as there are: those that do not give way to the others,
    from the first on."""
    side = Margins()
    wide = [a.astype('f8') if a.dtype.kind == 'f' else a for a in (x, y)]
    side_weights = {k: side.array(w.astype('f8')) for k, w in weights.items()}
    with side.torch.no_grad():
        net.loss(side, side_weights, *(side.array(a) for a in wide))
    good = np.flatnonzero(np.broadcast_to(side.least, len(x)) >= MARGIN)
    rows = np.arange(len(x))
    bad = np.setdiff1d(rows, good)
    rows[bad] = np.resize(good, len(bad))
    return rows
