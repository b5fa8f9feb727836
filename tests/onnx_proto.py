#!/usr/bin/env python3
"""Compares frontend/onnx.proto with the onnx-ml.proto of the onnx wheel.

usage: onnx_proto.py OURS THEIRS

Both are read as text, because protoc's Python runtime cannot hold two files
that define the same names.  Compared is every declaration: messages, oneofs,
fields with label, type, number and options, enum values by their numbers.
"""
import re
import sys

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"[^"]*"|[\w.]+|[{}=;,\[\]]', re.S)


def declarations(text):
    """The set of (scope, words of one declaration)."""
    found, scope, words = set(), [], []
    for token in TOKEN.findall(text):
        if token.startswith(('//', '/*')):
            continue
        if token == '{':
            scope.append(' '.join(words))
            found.add(('/'.join(scope), ''))
        elif token == '}':
            scope.pop()
        elif token == ';':
            if words and words[0] not in ('option', 'reserved'):
                found.add(('/'.join(scope), ' '.join(words)))
        else:
            if token.startswith('0x'):
                token = str(int(token, 16))
            words.append(token)
            continue
        words = []
    return found


def main():
    ours, theirs = (declarations(open(p, encoding='utf-8').read())
                    for p in sys.argv[1:3])
    for scope, words in sorted(ours ^ theirs):
        where = 'only ours' if (scope, words) in ours else 'missing'
        print(f'{where}: {scope or "file"}: {words or "(block)"}')
    bad = bool(ours ^ theirs) or len(theirs) < 200
    print(f'{int(not bad)} passed, {int(bad)} failed, 0 skipped')
    return int(bad)


if __name__ == '__main__':
    sys.exit(main())
