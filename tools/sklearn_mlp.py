#!/usr/bin/env python3
"""The network of examples/housing.ingot by scikit-learn's MLPRegressor, on the same rows.

usage: sklearn_mlp.py california_housing.csv [EPOCHS]

64-64-1, Adam at 1e-3, batches of 32, no decay; the same rows for training, validation and test
as a trainer takes with seed 0, numbers standardized by those for training, a missing one at the
mean.  As there, the weights are those of the epoch whose validation was best.  Prints the test's
RMSE in 100,000 $.  tools/examples.py runs it in an environment that has scikit-learn."""
import csv
import sys
import warnings

import numpy as np
from sklearn.neural_network import MLPRegressor

MASK = 2**64 - 1


def mix(x):
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & MASK
    x = (x ^ x >> 27) * 0x94d049bb133111eb & MASK
    return x ^ x >> 31


def order(n, seed, epoch):
    """Places of 0 .. n - 1, as runtime/train/order.c has them."""
    key, bits = mix((mix(seed + 1) + epoch) & MASK), 1
    while 1 << 2 * bits < n:
        bits += 1
    for x in range(n):
        while True:
            left, right = x >> bits, x & (1 << bits) - 1
            for i in range(4):
                step = mix((key + (i << 56) + right) & MASK) & (1 << bits) - 1
                left, right = right, left ^ step
            x = left << bits | right
            if x < n:
                break
        yield x


def read(path):
    """Eight numbers and a column for each place; prices in 100,000 $."""
    with open(path, newline='') as f:
        rows = list(csv.reader(f))[1:]
    places = sorted({r[9] for r in rows})
    x = np.array([[float(v) if v else np.nan for v in r[:8]] for r in rows])
    near = np.array([[r[9] == p for p in places] for r in rows], float)
    return x, near, np.array([float(r[8]) for r in rows]) / 1e5


def rmse(net, x, y):
    return float(np.sqrt(np.mean((net.predict(x) - y) ** 2)))


def main():
    x, near, y = read(sys.argv[1])
    n, kept = len(y), int(len(y) * 0.1 + 0.5)
    rows = np.array(list(order(n, 0, -1)))
    train, test, valid = np.split(rows, [n - 2 * kept, n - kept])
    mean, deviation = np.nanmean(x[train], axis=0), np.nanstd(x[train], axis=0)
    x = np.concatenate([np.nan_to_num((x - mean) / deviation), near], axis=1)
    net = MLPRegressor(hidden_layer_sizes=(64, 64), batch_size=32, alpha=0,
                       learning_rate_init=1e-3, random_state=0)
    warnings.simplefilter('ignore')
    best = (np.inf, None)
    for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 100):
        net.partial_fit(x[train], y[train])
        best = min(best, (rmse(net, x[valid], y[valid]), rmse(net, x[test], y[test])))
    print(best[1])


if __name__ == '__main__':
    main()
