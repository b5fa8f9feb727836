#!/usr/bin/env python3
"""Compiles every example of docs/language.md, and looks whether its table of built-in
functions is that of ir/scalar.def and frontend/dsl/builtin.def.
usage: language_doc.py INGOT [--bless]"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from columns import table_rows

INGOT = Path(sys.argv[1]).resolve()
ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / 'docs/language.md'


BEGIN, END = '<!-- builtins:', '<!-- end -->'


def table():
    """The rows of both tables for people."""
    rows = [(r['word'], '(x)', r['meaning'].strip('"')) for r in table_rows(ROOT / 'ir/scalar.def', 'SCALAR')
            if r['say'] in ('NAMED', 'FIXED')]
    rows += [(r['name'], r['signature'].strip('"'), r['meaning'].strip('"'))
             for r in table_rows(ROOT / 'frontend/dsl/builtin.def', 'BUILTIN')]
    lines = ['', '| function | meaning |', '|---|---|']
    return '\n'.join(lines + ['| `%s%s` | %s |' % (n, s.replace('|', '\\|'), m) for n, s, m in rows]) + '\n\n'


def check_table():
    """Writes it with --bless; else whether it is current."""
    page = PAGE.read_text()
    start = page.index('\n', page.index(BEGIN)) + 1
    now = page[:start] + table() + page[page.index(END):]
    if '--bless' in sys.argv:
        PAGE.write_text(now)
    elif now != page:
        print('FAILED docs/language.md: the table of functions is not current: tests/language_doc.py INGOT --bless')
        return False
    return True


def main():
    failed = int(not check_table())
    examples = re.findall(r'^```ingot\n(.*?)^```', PAGE.read_text(), re.M | re.S)
    with tempfile.TemporaryDirectory() as folder:
        for example in examples:
            path = Path(folder, 'example.ingot')
            path.write_text(example)
            for command in (['check'], ['fmt', '--check']):
                done = subprocess.run([INGOT, *command, path], capture_output=True, text=True)
                if done.returncode:
                    print(f'FAILED {" ".join(command)}:\n{example}{done.stdout}{done.stderr}')
                    failed += 1
    print(f'{2 * len(examples) + 1 - failed} passed, {failed} failed, 0 skipped')
    return failed > 0


sys.exit(main())
