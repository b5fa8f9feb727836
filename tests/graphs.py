#!/usr/bin/env python3
"""Models as pictures: stacks of equal layers are drawn once, with how many there are.

usage: graphs.py INGOT
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

INGOT = pathlib.Path(sys.argv[1]).resolve()


def stack(layers, odd=None):
    """Layers that double, add what they began with, and negate; `odd` is the number of one that does not add."""
    lines, x, n = [], '%x', 0
    for layer in range(layers):
        a, b, c = (f'%{n + k}' for k in (1, 2, 3))
        lines += [f'  {a} = add {x}, {x} : f32[4]', f'  {b} = {"sub" if layer == odd else "add"} {a}, {x} : f32[4]',
                  f'  {c} = neg {b} : f32[4]']
        x, n = c, n + 3
    return 'entry main(%x: f32[4]) {\n' + '\n'.join(lines) + f'\n  return y={x}\n}}\n'


def narrower(layers):
    """Layers that negate and drop an element: no two are alike."""
    lines, x = [], '%x'
    for layer in range(layers):
        n, a = layers - layer, 2 * layer + 1
        lines += [f'  %{a} = neg {x} : f32[{n + 1}]', f'  %{a + 1} = slice %{a} {{start=[0], step=[1], extent=[{n}]}} : f32[{n}]']
        x = f'%{a + 1}'
    return f'entry main(%x: f32[{layers + 1}]) {{\n' + '\n'.join(lines) + f'\n  return y={x}\n}}\n'


# 16 * 16 weights and a bias of 16 in each of two layers: 1024 and 64 bytes.
BIASED = """entry main(%x: f32[8,16]) {
  %w = const splat 0.5 : f32[16,16]
  %b = const x"00000000000080400000000000008040000000000000804000000000000080400000000000008040000000000000804000000000000080400000000000008040" : f32[16]
  %1 = dot %x, %w {sum_a=[1], sum_b=[0]} : f32[8,16]
  %2 = broadcast %b {shape=[8,16], axes=[1]} : f32[8,16]
  %3 = add %1, %2 : f32[8,16]
  %4 = dot %3, %w {sum_a=[1], sum_b=[0]} : f32[8,16]
  return y=%4
}
"""


def weights_of_groups(folder):
    """A bias stands with the layer that it is added to."""
    return re.findall(r'weights ([^"\\]*)', picture(folder, BIASED, 'dot', '--stage', 'groups')) == ['1.1 kB', '1.0 kB']


def columns_of(folder):
    """A chain of 400 rows and more is cut at several places, whose heads stand side by side."""
    dot = picture(folder, narrower(200))
    heads = re.findall(r'rank=same; .*?; (n\d+(?: -> n\d+)+); }', dot)
    cuts = dot.count('color=gray40 constraint=false')
    return len(heads) == 1 and heads[0].count(' -> ') == cuts and 5 < cuts < 15


def picture(folder, text, form='dot', *options):
    (folder / 'm.ir').write_text(text)
    return subprocess.run([INGOT, 'inspect', 'm.ir', '--format', form, *options], cwd=folder, capture_output=True, text=True,
                          check=True, timeout=60).stdout


def facts(dot):
    """How often stretches repeat, and how many nodes and arrows back there are."""
    return ([int(n) for n in re.findall(r'label="(\d+) times"', dot)], len(re.findall(r'^  n\d+ \[label', dot, re.M)),
            dot.count('style=dashed constraint=false'))


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        cases = {'few layers are all drawn': (stack(40), ([], 121, 0)),
                 'a stack': (stack(80), ([80], 4, 3)),
                 'a layer that differs': (stack(80, 30), ([30, 49], 10, 4))}
        for what, (text, want) in cases.items():
            got = facts(picture(folder, text))
            passed, failed = passed + (got == want), failed + (got != want)
            if got != want:
                print(f'FAILED {what}: {got}, expected {want}')
        extents = ','.join(f'extent_{i}*{i}+1' for i in range(10))
        wide = picture(folder, f'entry main(%x: f32[{extents}]) {{\n  %y = neg %x : f32[{extents}]\n  return y=%y\n}}\n')
        ok = '..]' in wide and max(map(len, wide.replace('\\n', '\n').splitlines())) < 120
        passed, failed = passed + ok, failed + (not ok)
        if not ok:
            print(f'FAILED a formula makes the picture wide: {wide}')
        for what, right in {'columns': columns_of(folder), 'weights of groups': weights_of_groups(folder)}.items():
            passed, failed = passed + right, failed + (not right)
            if not right:
                print(f'FAILED {what}')
        if shutil.which('dot'):
            svg = xml.etree.ElementTree.fromstring(picture(folder, stack(80), 'svg'))
            ok = any('80 times' in (t.text or '') for t in svg.iter())
            passed, failed = passed + ok, failed + (not ok)
            if not ok:
                print('FAILED the picture does not say 80 times')
            subprocess.run([INGOT, 'inspect', 'm.ir', '--format', 'svg', '-o', 'm.svg'], cwd=folder, check=True, timeout=60)
            ok = (folder / 'm.svg').read_text() == picture(folder, stack(80), 'svg')
            passed, failed = passed + ok, failed + (not ok)
            if not ok:
                print('FAILED -o holds another picture than stdout')
    print(f'{passed} passed, {failed} failed, 0 skipped')
    return 1 if failed else 0


sys.exit(main())
