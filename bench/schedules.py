#!/usr/bin/env python3
"""Looks for better schedules of a model on this machine, by measuring.

usage: schedules.py [--trials N] [--seconds S] [-o FILE] INGOT MODEL [OPTION..]

The options, as --cpu or --dim, go to `ingot inspect` and `ingot bench` alike.  It begins with
what ingot chooses, and changes one number of one problem's schedule at a time, the largest
problems first; what ingot refuses, or what is not faster by 1 % twice, is undone.  FILE
(default: schedules) gets the lines that are better, for `--schedule FILE`.
"""
import argparse
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

FIELD = re.compile(r'(\w+)=(\d+)')
# Steps that differ by one; all other numbers are halved and doubled.
SINGLE = {'rows', 'vectors', 'chunks'}
GAIN = 0.99


def parse(text):
    """Problems, and their fields: 'map y=8 f32' to {'lanes': 16, 'run': 512}."""
    lines = (line.rstrip('}').split(' schedule{') for line in text.splitlines())
    return {problem: {f: int(v) for f, v in FIELD.findall(fields)} for problem, fields in lines}


def said(schedules):
    return ''.join(f"{problem} schedule{{{' '.join(f'{f}={v}' for f, v in s.items())}}}\n"
                   for problem, s in schedules.items())


def work(problem):
    """About how large a problem is: the product of its extents."""
    return math.prod(int(n) for n in re.findall(r'\d+', re.sub(r'\w*f\d+|i\d+', '', problem)) if int(n))


def neighbours(field, value):
    """Other numbers for a field, near ones."""
    if field == 'pack':
        return [1 - value]
    if field == 'square':
        return [n for n in (0, 2, 4) if n != value]
    steps = (value - 1, value + 1) if field in SINGLE else (value // 2, value * 2)
    return [n for n in steps if n > 0]


class Search:
    def __init__(self, o, chosen):
        self.o, self.left = o, o.trials
        self.chosen, self.best = chosen, {p: dict(s) for p, s in chosen.items()}
        self.folder = tempfile.TemporaryDirectory()

    def measure(self, schedules):
        """Milliseconds of the fastest run; infinite if ingot refuses one of them."""
        given, out = (pathlib.Path(self.folder.name) / n for n in ('schedules', 'times.json'))
        given.write_text(said(schedules))
        done = subprocess.run([self.o.ingot, 'bench', self.o.model, '--engine', 'compiled', '--duration',
                               str(self.o.seconds), '--schedule', given, '--json', out, *self.o.option],
                              capture_output=True, text=True)
        return json.loads(out.read_text())['runs'][0]['min_ms'] if done.returncode == 0 else math.inf

    def is_better(self, other):
        """Is it faster than the best one, both measured in turns?"""
        self.left -= 1
        return all(self.measure(other) < GAIN * self.measure(self.best) for _ in range(2))

    def attempt(self, problem, field, value):
        other = {**self.best, problem: {**self.best[problem], field: value}}
        if self.left <= 0 or not self.is_better(other):
            return False
        print(f'{problem}: {field}={value} for {self.best[problem][field]}', flush=True)
        self.best = other
        return True

    def improve(self, problem):
        """Moves each field on, one way and the other, for as long as that helps."""
        for field in self.chosen[problem]:
            for value in neighbours(field, self.best[problem][field]):
                while value is not None and self.attempt(problem, field, value):
                    up = value > self.chosen[problem][field]
                    value = next((n for n in neighbours(field, value) if (n > value) == up), None)

    def changed(self):
        return {p: s for p, s in self.best.items() if s != self.chosen[p]}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--trials', type=int, default=100)
    a.add_argument('--seconds', type=float, default=0.3, help='of each measurement')
    a.add_argument('-o', dest='out', default='schedules')
    a.add_argument('ingot')
    a.add_argument('model')
    a.add_argument('option', nargs=argparse.REMAINDER)
    o = a.parse_args()
    listed = subprocess.run([o.ingot, 'inspect', o.model, '--stage', 'schedules', *o.option],
                            capture_output=True, text=True)
    if listed.returncode:
        sys.exit(listed.stderr)
    search = Search(o, parse(listed.stdout))
    for problem in sorted(search.chosen, key=work, reverse=True):
        search.improve(problem)
    pathlib.Path(o.out).write_text(said(search.changed()))
    print(f'{len(search.changed())} of {len(search.chosen)} schedules changed, '
          f'{o.trials - search.left} trials')


if __name__ == '__main__':
    main()
