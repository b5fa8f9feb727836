#!/usr/bin/env python3
"""The tables of docs/gradients.md, made of the list of cases: usage: gradients.py [--bless].

Every op of ir/ops.def and ir/scalar.def and every operator of frontend/onnx_ops.def must
have a case, or a row that says why it has none.  What stands between the marks of the
document must be what is made here; --bless writes it there.
"""
import csv
import re
import sys
import textwrap
from pathlib import Path

from columns import table_rows

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / 'docs/gradients.md'
BEGIN, END = '<!-- tables: tests/gradients.py -->', '<!-- end of tables -->'
# Ops that a pass takes away before gradients are made, or that are made by it.
NOT_ASKED = {'GRAD': 'the request itself; of another request the inner one comes first'}


def text_of(name):
    return (ROOT / name).read_text()


def fields(line):
    """The arguments of a row: NAME(a, "b, c", d) gives a, b, c and d as three texts."""
    inner = line[line.index('(') + 1:line.rindex(')')]
    return [a.strip() for a in next(csv.reader([inner], skipinitialspace=True))]


def rows(name, macro):
    return [fields(line) for line in text_of(name).splitlines() if line.startswith(macro + '(')]


def rules():
    """op -> zero, none or its rule."""
    return {row['NAME']: row['grad'] for name, macro in (('ir/ops.def', 'OP'), ('ir/scalar.def', 'SCALAR'))
            for row in table_rows(ROOT / name, macro)}


class Cases:
    """What the list of cases says of an op: (inputs, body, flags) each."""

    def __init__(self, macro):
        name = 'tests/grad_cases.def'
        self.of = {}
        for row in rows(name, macro):
            inputs, flags = row[-3], row[-1]
            self.of.setdefault(row[0], []).append((inputs, row[-2], flags))
        self.nothing = {w for r in rows(name, 'NOTHING') for w in r[0].split()}
        self.elsewhere = {w: r[1] for r in rows(name, 'ELSEWHERE') for w in r[0].split()}

    def line(self, op):
        cases = self.of[op]
        run_time = [c for c in cases if re.search(r'[\[,][a-z][\],]', c[0])]
        marks = [str(len(cases)), 'yes', *('yes' if any(f not in c[2] for c in cases) else 'no'
                                           for f in ('ONCE', 'INTERPRETED')),
                 'yes' if run_time else '']
        return f'| `{op}` | ' + ' | '.join(marks) + ' |'


HEAD = ('| {} | cases | gradient | second | compiled | run-time extents |\n'
        '|---|---|---|---|---|---|')


def said(op, why):
    return f'| `{op}` | {why} | | | | |'


def table_of_ops(cases):
    missing, lines = [], [HEAD.format('op')]
    for op, rule in rules().items():
        if op in cases.of:
            lines.append(cases.line(op))
        elif op in cases.elsewhere:
            lines.append(said(op, f'`{cases.elsewhere[op]}`'))
        elif op in NOT_ASKED:
            lines.append(said(op, NOT_ASKED[op]))
        elif rule == 'zero':
            lines.append(said(op, 'nothing flows'))
        elif rule == 'none':
            lines.append(said(op, 'an error'))
        else:
            missing.append(op)
    return lines, missing


def table_of_operators(cases):
    missing, lines = [], [HEAD.format('operator')]
    for op in sorted({r[1] for r in rows('frontend/onnx_ops.def', 'ONNX')}):
        if op in cases.of:
            lines.append(cases.line(op))
        elif op in cases.elsewhere:
            lines.append(said(op, f'`{cases.elsewhere[op]}`'))
        elif op not in cases.nothing:
            missing.append(op)
    return lines, missing


def kinks():
    lines = ['| function | at | gradient |', '|---|---|---|']
    for inputs, body, want in rows('tests/grad_cases.def', 'KINK'):
        lines.append(f'| `{body}` | `{inputs}` | {want} |')
    return lines


def main():
    ops, missing = table_of_ops(Cases('IR'))
    operators, without = table_of_operators(Cases('OPERATOR'))
    nothing = f"Nothing flows through: {', '.join(sorted(Cases('OPERATOR').nothing))}."
    made = '\n'.join(['', '### At kinks', '', *kinks(), '', '### Ops', '', *ops, '',
                      '### ONNX operators', '', *textwrap.wrap(nothing, 98), '', *operators, ''])
    text = DOCUMENT.read_text()
    before, after = text[:text.index(BEGIN) + len(BEGIN)], text[text.index(END):]
    failed = len(missing + without)
    for op in missing + without:
        print(f'{op}: no case in tests/grad_cases.def')
    if '--bless' in sys.argv[1:]:
        DOCUMENT.write_text(before + '\n' + made + after)
    elif text != before + '\n' + made + after:
        failed += 1
        print('docs/gradients.md is not current: tests/gradients.py --bless')
    print(f'{len(ops) + len(operators) - 2 - failed} passed, {failed} failed, 0 skipped')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
