#!/usr/bin/env python3
"""docs/prelude.md from the comments of frontend/prelude/.
usage: prelude_doc.py [--check]

Each item of a file of the prelude has its comment directly above it; the file's own comment
stands first, with an empty line behind it.  An item's head is its text up to its body."""
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAD = re.compile(r'^(fn|layer|optimizer)\s+(\S+?)(?=\()')
PAGE = ROOT / 'docs/prelude.md'
WIDTH = 100     # of the page's prose


def themes():
    """The files in the order in which the build puts them together."""
    made = (ROOT / 'frontend/CMakeLists.txt').read_text()
    return re.search(r'foreach\(theme ([^)]*)\)', made).group(1).split()


def head(line):
    """`fn f(a = 1)(x: [..]) -> [..]` of an item that begins with this line."""
    depth = 0
    for i, c in enumerate(line):
        depth += (c in '([') - (c in ')]')
        if not depth and (c in '{=' or line[i:].startswith(' onnx ')):
            return line[:i].rstrip()
    return line.rstrip()


def entries(text):
    """(comment, first line) of each item; the file's comment comes with no line."""
    comment = []
    for line in text.splitlines():
        if line.startswith('#'):
            comment.append(line[1:].strip())
            continue
        if HEAD.match(line) or (comment and not line):
            yield ' '.join(comment), line
        comment = []


def page():
    out = ['# The prelude', '',
           'The library of the language, written in it: `frontend/prelude/`. This page is made from its',
           'comments by `tools/prelude_doc.py`. Everything is written for one example; further axes are',
           'carried through ([language.md](language.md)). Of two lists the first is configuration.', '']
    missing = []
    for theme in themes():
        out += [f'## {theme.capitalize()}', '']
        for comment, line in entries((ROOT / f'frontend/prelude/{theme}.ingot').read_text()):
            if not line:
                out += [*textwrap.wrap(comment, WIDTH), '']
                continue
            if not comment:
                missing.append(head(line))
            out += ['```ingot', head(line), '```', *textwrap.wrap(comment, WIDTH), '']
    return '\n'.join(out).rstrip() + '\n', missing


def main():
    text, missing = page()
    wrong = [f'{m}: has no comment' for m in missing]
    if '--check' not in sys.argv:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        wrong.append('docs/prelude.md: run tools/prelude_doc.py')
    for w in wrong:
        print('FAILED', w)
    if '--check' in sys.argv:
        print(f'{text.count("```ingot") - len(missing)} passed, {len(wrong)} failed, 0 skipped')
    return len(wrong) > 0


sys.exit(main())
