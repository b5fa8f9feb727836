#!/usr/bin/env python3
"""What docs/ir.md says of the scalar functions, made of ir/scalar.def.
usage: scalars.py [--bless]

The names of all, and the errors of those that are compiled to code of our own; --bless writes
them between the marks of the document."""
import sys
import textwrap
from pathlib import Path

from columns import table_rows

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / 'docs/ir.md'


def between(text, name, made):
    """The text with what is made in place of what stands between its marks."""
    start = text.index('\n', text.index(f'<!-- {name}:')) + 1
    return text[:start] + made + text[text.index(f'<!-- end of {name} -->'):]


def names(rows):
    said = ' '.join(r['text'].strip('"') for r in rows)
    return '`' + '\n'.join(textwrap.wrap(said, 98)) + '`\n'


def errors(rows):
    """One line for all functions of the same two errors, those of other code behind them."""
    groups = {}
    for r in rows:
        if r['flt_llvm'].startswith(('expand', 'wide')):
            groups.setdefault((r['ulp32'], r['ulp64']), []).append(f"`{r['text'].strip(chr(34))}`")
    lines = ['| function | f32 | f64 |', '|---|---|---|']
    for (f32, f64), group in groups.items():
        f32, f64 = ('exact' if u == '0' else u for u in (f32, f64))
        lines.append(f"| {' '.join(group)} | {f32} | {f64} |")
    return '\n'.join(lines) + '\n'


def main():
    rows = table_rows(ROOT / 'ir/scalar.def', 'SCALAR')
    text = DOCUMENT.read_text()
    made = between(between(text, 'functions', names(rows)), 'errors', errors(rows))
    current = text == made
    if '--bless' in sys.argv[1:]:
        DOCUMENT.write_text(made)
    elif not current:
        print('FAILED docs/ir.md is not current: tests/scalars.py --bless')
    failed = not current and '--bless' not in sys.argv[1:]
    print(f'{2 - failed} passed, {int(failed)} failed, 0 skipped')
    return failed


if __name__ == '__main__':
    sys.exit(main())
