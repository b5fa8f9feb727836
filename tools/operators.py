#!/usr/bin/env python3
"""Numbers of operators in the README, from `ingot ops`.
usage: operators.py INGOT [--check]"""
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / 'README.md'


def current(ingot, text):
    """The text with the numbers of the table."""
    rows = subprocess.run([ingot, 'ops'], capture_output=True, text=True, check=True).stdout.splitlines()
    have, standard = map(int, re.match(r'(\d+) of the (\d+) operators', rows[-1]).groups())
    text = re.sub(r'\d+ operators \(`ingot ops`\)', f'{len(rows) - 1} operators (`ingot ops`)', text)
    return re.sub(r'\d+ of(\s+)the \d+ operators of the default domain',
                  rf'{standard - have} of\1the {standard} operators of the default domain', text)


def main():
    text = README.read_text()
    made = current(sys.argv[1], text)
    if '--check' not in sys.argv:
        README.write_text(made)
    elif made != text:
        print('FAILED README.md: numbers of operators are not current: tools/operators.py INGOT')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
