#!/usr/bin/env python3
"""Wrong programs and what is said of them.
usage: messages.py INGOT [--bless] [FILE...]

A file of tests/messages/ holds cases: a line `==== what is wrong`, the program, a line
`----`, and all that `ingot check` says: errors, warnings, or nothing where none is due.
--bless writes what it says now; review the diff."""
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ARGUMENTS = [a for a in sys.argv[1:] if a != '--bless']
BLESS = '--bless' in sys.argv
INGOT = Path(ARGUMENTS[0]).resolve()
FILES = [Path(a) for a in ARGUMENTS[1:]] or sorted(HERE.glob('messages/*.txt'))


def cases(path):
    """(title, program, messages) of each case."""
    for case in path.read_text().split('==== ')[1:]:
        title, rest = case.split('\n', 1)
        program, _, said = rest.partition('----\n')
        yield title, program, said


def say(program):
    """All that is said of a program, and the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, 'p.ingot').write_text(program)
        done = subprocess.run([INGOT, 'check', 'p.ingot'], cwd=folder, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr, done.returncode


def main():
    passed = failed = 0
    with ThreadPoolExecutor(2) as pool:
        for path in FILES:
            now, old = '', list(cases(path))
            for (title, program, said), (says, status) in zip(old, pool.map(say, [c[1] for c in old])):
                now += f'==== {title}\n{program}----\n{says}'
                fine = status == ('error: ' in says) and says == said
                if not fine and not BLESS:
                    print(f'FAILED {path.name}: {title}: exit code {status}, says\n{says}')
                passed += fine
                failed += not fine
            if BLESS:
                path.write_text(now)
    print(f'{passed} passed, {failed} failed, 0 skipped')
    return failed > 0


sys.exit(main())
