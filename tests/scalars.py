#!/usr/bin/env python3
"""Is each scalar function of ir/scalar.def in the lists beside it that name functions?
usage: scalars.py

A function that a list leaves out is no error of the compiler: a table of the exporters then
has a zero for it, the language no word.  What is left out on purpose stands below."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORM = re.compile(r'\b(expand|wide)\(')
# What the language says by operators, types and `if`; what it has no word for.
OPERATORS = set('ADD SUB MUL DIV REM MOD NEG POW AND OR XOR NOT EQ NE LT LE SELECT CAST'.split())
WORDLESS = {'FMA', 'SHL', 'SHR', 'BITCAST'}


def functions():
    """(NAME, text, args, its forms in LLVM) of each row."""
    table = (ROOT / 'ir/scalar.def').read_text()
    rows = re.findall(r'^SCALAR\((\w+), *"(\w+)", *(\d), *(\w+),(.*)$', table, re.M)
    return [(name, text, types, bool(FORM.search(rest))) for name, text, _, types, rest in rows]


def named(path, pattern):
    return set(re.findall(pattern, (ROOT / path).read_text()))


def words(path, start, end):
    """All words between two marks of a file."""
    text = (ROOT / path).read_text()
    at = text.index(start)
    return set(re.findall(r'\w+', text[at:text.index(end, at)]))


def missing():
    """'PLACE: what it lacks' for each function and list."""
    exporters = ('export/program_scalar.c', 'export/onnx_simple.c')
    rows = {p: named(p, r'\[OP_(\w+)\] *=') for p in exporters}
    language = named('frontend/dsl/builtin.def', r'\bOP_(\w+)') | OPERATORS | WORDLESS
    measured = named('tests/unit/test_expand.c', r'\{"(\w+)", ')
    document = words('docs/ir.md', 'Elementwise nodes take operands', '`. `select`')
    symbols = words('tests/symbols.sh', 'unary=', 'casts()')
    for name, text, types, expanded in functions():
        for path in exporters:
            if name not in rows[path]:
                yield f'{path}: [OP_{name}]'
        if name not in language:
            yield f'frontend/dsl/builtin.def: OP_{name}, or a word in {Path(__file__).name}'
        if expanded and text not in measured:
            yield f'tests/unit/test_expand.c: "{text}" and its bound'
        if text not in document:
            yield f'docs/ir.md: {text}'
        if types in ('ANYN', 'FLT') and text not in symbols:
            yield f'tests/symbols.sh: {text}'


def main():
    lacks = list(missing())
    for place in lacks:
        print('FAILED', place)
    print(f'{len(functions())} passed, {len(lacks)} failed, 0 skipped')
    return 1 if lacks else 0


if __name__ == '__main__':
    sys.exit(main())
