#!/usr/bin/env python3
"""Draws the losses of a trainer's log as a curve of characters.

usage: curve.py LOG.csv"""
import csv
import sys

WIDTH, HEIGHT = 60, 12


def columns(values):
    """The means of WIDTH parts of the values, or each of them where they are fewer."""
    n = min(WIDTH, len(values))
    parts = (values[i * len(values) // n:(i + 1) * len(values) // n] for i in range(n))
    return [sum(part) / len(part) for part in parts]


def draw(steps, losses):
    """Lines of text: the largest loss is the top one, the smallest the lowest."""
    means = columns(losses)
    low, high = min(means), max(means)
    scale = (HEIGHT - 1) / (high - low) if high > low else 0
    rows = [round((v - low) * scale) for v in means]
    for row in reversed(range(HEIGHT)):
        named = row in (0, HEIGHT - 1)
        value = f'{low + row / scale if scale else low:8.3g}' if named else ' ' * 8
        yield value + ' |' + ''.join('*' if at == row else ' ' for at in rows).rstrip()
    yield ' ' * 9 + '+' + '-' * len(means)
    yield f'{"":10}loss of {len(losses)} steps up to step {steps[-1]}'


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith('-'):
        sys.exit(__doc__.strip() if '--help' in sys.argv else 'usage: curve.py LOG.csv')
    with open(sys.argv[1], newline='', encoding='utf-8') as f:
        rows = [r for r in csv.DictReader(f) if r['part'] == 'step']
    if not rows:
        sys.exit(f'{sys.argv[1]}: has no steps')
    print('\n'.join(draw([int(r['step']) for r in rows], [float(r['loss']) for r in rows])))


if __name__ == '__main__':
    main()
