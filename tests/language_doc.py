#!/usr/bin/env python3
"""Compiles every example of docs/language.md.
usage: language_doc.py INGOT"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

INGOT = Path(sys.argv[1]).resolve()
PAGE = Path(__file__).parent.parent / 'docs/language.md'


def main():
    failed = 0
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
    print(f'{2 * len(examples) - failed} passed, {failed} failed, 0 skipped')
    return failed > 0


sys.exit(main())
