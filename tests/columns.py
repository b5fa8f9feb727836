#!/usr/bin/env python3
"""Has every column of every table in a .def file a reader?
usage: columns.py [ROOT]

A table is read where its row macro is defined anew:
    #define ROW(name, size, unit) {name, size},
reads two of three columns here.  A column that only fills a field of a struct is
read where that field is.  Columns are named in the table's head: ROW(name, size, unit);
the last name stands for any number with two dots behind it."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(sys.argv[1] if __name__ == '__main__' and len(sys.argv) > 1 else Path(__file__).parent.parent)
# Columns that state what a test measures and a document says.
STATED = {('SCALAR', 'ulp32'), ('SCALAR', 'ulp64')}
COMMENT = re.compile(r'/\*.*?\*/', re.S)
WORD = re.compile(r'\w+')


def sources():
    """Text of all C files and tables by path; tests are no readers."""
    files = subprocess.run(['git', '-C', ROOT, 'ls-files', '-co', '--exclude-standard', '*.c', '*.h', '*.def'],
                           capture_output=True, text=True, check=True).stdout.split()
    return {f: (ROOT / f).read_text() for f in files
            if not f.startswith('tests/') and (ROOT / f).exists()}


def split(args):
    """The parts between the commas that stand in no bracket and no string."""
    parts, depth, quoted = [''], 0, False
    for c in args:
        quoted ^= c == '"'
        if not quoted:
            depth += (c in '([{') - (c in ')]}')
            if c == ',' and not depth:
                parts.append('')
                continue
        parts[-1] += c
    return [p.strip() for p in parts]


def bracket(text, start):
    """What is in the bracket that opens at `start`."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] in '([{') - (text[i] in ')]}')
        if not depth:
            return text[start + 1:i]
    raise ValueError(f'open bracket: {text[start:start + 40]}')


def head_columns(text, macro):
    """The names in the head comment, or None."""
    for comment in COMMENT.findall(text):
        m = re.search(rf'\b{macro}\(', comment)
        if m:
            flat = re.sub(r'\n \*', ' ', comment)
            return split(bracket(flat, flat.index(f'{macro}(') + len(macro)))
    return None


def tables(text):
    """Row macros of a table file with the number of columns of their rows."""
    rows = {}
    bare = COMMENT.sub('', text)
    for m in re.finditer(r'^(\w+)\(', bare, re.M):
        rows.setdefault(m[1], len(split(bracket(bare, m.end() - 1))))
    return rows


def table_rows(path, macro):
    """The rows of a table, each a dictionary by the names of its columns."""
    text = path.read_text()
    names = head_columns(text, macro)
    bare = COMMENT.sub('', text)
    return [dict(zip(names, split(bracket(bare, m.end() - 1))))
            for m in re.finditer(rf'^{macro}\(', bare, re.M)]


def readers(text, macro):
    """(parameters, body, what stands before) of each definition."""
    joined = text.replace('\\\n', ' ')
    for m in re.finditer(rf'^#define {macro}\(([^)]*)\)(.*)$', joined, re.M):
        yield split(m[1]), m[2], joined[:m.start()]


def struct_fields(all_text, name):
    m = re.search(rf'struct {name} \{{', all_text)
    if not m:
        return []
    fields = []
    for line in bracket(all_text, m.end() - 1).split(';'):
        if '(*' in line:
            fields.append(re.search(r'\(\*(\w+)\)', line)[1])
        elif line.strip():
            parts = [re.sub(r'\[.*?\]', '', p) for p in line.split(',')]
            fields += [WORD.findall(p)[-1] for p in parts]
    return fields


def filled(body, before, all_text):
    """Columns of a struct initializer by the field that they fill."""
    table = re.findall(r'\bconst (?:struct )?(\w+) \w+\[[^\]]*\] = \{', before)
    if not table or '{' not in body:
        return {}
    fields = struct_fields(all_text, table[-1])
    values = split(bracket(body, body.index('{')))
    pairs = {}
    for field, value in zip(fields, values):
        designated = re.match(r'\.(\w+) = (.*)', value)
        pairs[designated[1] if designated else field] = designated[2] if designated else value
    return pairs


def is_read(field, all_text):
    return re.search(rf'(?:\.|->){field}\b(?!\s*=[^=])', all_text) is not None


def column_reads(params, body, before, all_text, count):
    """Positions of the columns that this definition reads."""
    pairs = filled(body, before, all_text)
    for i, p in enumerate(params):
        if p == '...':
            yield from range(i, count if '__VA_ARGS__' in body else i)
            return
        if not re.search(rf'\b{p}\b', body):
            continue
        only = [f for f, value in pairs.items() if re.search(rf'\b{p}\b', value)]
        if not only or any(is_read(f, all_text) for f in only):
            yield i


def main():
    files = sources()
    all_text = COMMENT.sub('', '\n'.join(files.values()))
    passed, failed = 0, 0
    for path, text in files.items():
        if not path.endswith('.def'):
            continue
        for macro, count in tables(text).items():
            names = head_columns(text, macro)
            if names and names[-1].endswith('..'):
                names += names[-1:] * (count - len(names))
            users = [t for t in files.values() if f'"{Path(path).name}"' in t]
            read = {i for t in users for r in readers(t, macro)
                    for i in column_reads(*r, all_text, count)}
            problems = [f'column {names[i] if names and i < len(names) else i} has no reader'
                        for i in range(count) if i not in read and
                        not (names and i < len(names) and (macro, names[i]) in STATED)]
            if not names or len(names) != count:
                problems.append(f'its head names {len(names or [])} columns, a row has {count}')
            for p in problems:
                print(f'FAILED {path}: {macro}: {p}')
            passed += count - len(problems)
            failed += len(problems)
    print(f'{passed} passed, {failed} failed, 0 skipped')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
