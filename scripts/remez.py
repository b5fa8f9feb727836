#!/usr/bin/env python3
"""The polynomials of codegen/expand/*.c, by Remez exchange.

Needs mpmath.  Prints for each the coefficients, rounded to f64 or f32, and the
error before rounding.  usage: remez.py [NAME]
"""
import struct
import sys

from mpmath import (asin, atan, cos, erf, erfc, exp, expm1, log,
                    lu_solve, matrix, mp, mpf, pi, polyval, sin, sinh, sqrt,
                    tanh)

mp.prec = 200
GRID = 800


def reference(points, error, count):
    """`count` points where the error is extreme, with alternating signs."""
    out, best = [], 0
    for i in range(1, len(points)):
        if error[i] * error[best] <= 0:
            out.append(best)
            best = i
        elif abs(error[i]) > abs(error[best]):
            best = i
    out.append(best)
    while len(out) > count + 1:
        least = min(range(len(out) - 1), key=lambda i: max(
            abs(error[out[i]]), abs(error[out[i + 1]])))
        del out[least:least + 2]
    if len(out) > count:
        del out[0 if abs(error[out[0]]) < abs(error[out[-1]]) else -1]
    return out


def remez(f, low, high, count, weight):
    """Coefficients c0, c1.. that make max |(p - f) weight| least, and it."""
    points = [(low + high - (high - low) * cos(pi * i / GRID)) / 2
              for i in range(GRID + 1)]
    value = [f(x) for x in points]
    scale = [weight(x) for x in points]
    at = [round(GRID * i / count) for i in range(count + 1)]
    for _ in range(25):
        a, b = matrix(count + 1, count + 1), matrix(count + 1, 1)
        for row, i in enumerate(at):
            for j in range(count):
                a[row, j] = points[i]**j
            a[row, count] = (-1)**row / scale[i]
            b[row] = value[i]
        c = list(lu_solve(a, b))[:count]
        error = [(polyval(c[::-1], x) - v) * w
                 for x, v, w in zip(points, value, scale)]
        found = reference(points, error, count + 1)
        if found == at or len(found) < count + 1:
            break
        at = found
    return c, max(abs(e) for e in error)


def odd(f):
    """P(z) with f(x) = x + x^3 P(x^2)."""
    return lambda z: (f(sqrt(z)) / sqrt(z) - 1) / z


def log_tail(z):
    """P(z) with 2 atanh s = 2 s + s^3 P(s^2)."""
    s = sqrt(z)
    return (log((1 + s) / (1 - s)) / s - 2) / z


def erfcx(t):
    x = sqrt(mpf(6)) * (1 + t) / (1 - t)
    return exp(x * x) * erfc(x)


def relative(z):
    return 1 / (1 + ERF(z))


def falling(t):
    x = sqrt(mpf(6)) * (1 + t) / (1 - t)
    return exp(-x * x) + mpf(10)**-3


def near(f, zero=mpf(10)**-12):
    """f, which is a quotient, without 0/0."""
    return lambda x: f(x if abs(x) > zero else zero)


LN2 = log(2) / 2 * mpf('1.01')
QUARTER = (pi / 4 * mpf('1.001'))**2
EXP = near(lambda r: (expm1(r) - r) / r**2)
LOG = near(log_tail)
TAIL = near(lambda z: (log_tail(z) - mpf(2) / 3) / z)
COS = near(lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2, mpf(10)**-10)
ERF = near(lambda z: erf(sqrt(z)) / sqrt(z) - 1, mpf(10)**-30)
MID = mpf('2.49')
SIXTH = (sqrt(mpf(6)) - 1) / (sqrt(mpf(6)) + 1)


def argument(x):
    return abs(x) + mpf(10)**-20


def first(x):
    return abs(x) + mpf(10)**-6


def second(x):
    return x * x + mpf(10)**-6


def fourth(x):
    return x * x + mpf(10)**-8


def even(x):
    return mpf(1)


# name: function, interval, weight of the error, coefficients and type of each
TABLE = {
    'exp': (EXP, -LN2, LN2, argument, ((11, 'd'), (8, 'd'), (6, 'f'), (5, 'f'))),
    'sinh': (near(odd(sinh)), 0, 1, first, ((7, 'd'), (5, 'd'))),
    'tanh': (near(odd(tanh)), 0, mpf('0.3026'), first, ((11, 'd'),)),
    'tanh_f32': (near(odd(tanh)), 0, mpf('0.391'), first, ((5, 'f'),)),
    'erf': (ERF, 0, 1, even, ((13, 'd'),)),
    'erf_f32': (ERF, 0, mpf('1.05')**2, relative, ((7, 'f'),)),
    'erfcx': (erfcx, -SIXTH, SIXTH, falling, ((15, 'd'),)),
    'erfc_f32': (lambda t: erfc(t + MID), mpf('1.05') - MID, mpf('3.93') - MID,
                 even, ((15, 'f'),)),
    'log': (LOG, 0, mpf('0.0295'), first, ((7, 'd'), (5, 'd'), (3, 'f'))),
    'pow': (TAIL, 0, mpf('0.0295'), fourth, ((8, 'd'), (5, 'd'))),
    'sin': (near(odd(sin)), 0, QUARTER, first, ((7, 'd'), (4, 'd'))),
    'cos': (COS, 0, QUARTER, second, ((6, 'd'), (4, 'd'))),
    'asin': (near(odd(asin)), 0, mpf('0.2501'), first, ((13, 'd'), (8, 'd'))),
    'atan': (near(odd(atan)), 0, mpf('0.1717'), first, ((11, 'd'), (7, 'd'))),
}


def main(names):
    for name in names or TABLE:
        f, low, high, weight, kinds = TABLE[name]
        for count, kind in kinds:
            c, error = remez(f, mpf(low), mpf(high), count, weight)
            rounded = [struct.unpack(kind, struct.pack(kind, x))[0] for x in c]
            text = ['%.9g' % x if kind == 'f' else repr(x) for x in rounded]
            print(name, kind, 'error 2^%.1f' % log(error, 2))
            print('   ', ', '.join(text))


if __name__ == '__main__':
    main(sys.argv[1:])
