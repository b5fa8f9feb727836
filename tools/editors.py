#!/usr/bin/env python3
"""Colours for editors, from the one list of the language's words.
usage: editors.py [--check]

Writes editors/ingot.tmLanguage.json (TextMate, VS Code) and editors/ingot.vim from
frontend/dsl/words.def; with --check says whether they are current."""
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROW = re.compile(r'^(RESERVED|HEAD|CLAUSE|KNOB|REDUCTION|ELEM)\((?:\w+,\s*)?"(\w+)"\)', re.M)
LETTER = r'A-Za-z_\u00C0-\uD7FF'
NUMBER = r"\b(?:0x[0-9A-Fa-f_]+|[0-9][0-9_]*(?:\.[0-9][0-9_]*)?(?:[eE][-+]?[0-9]+)?)\b"


def words():
    """Words by kind: {'RESERVED': ['import', ..], ..}."""
    by_kind = {}
    for kind, word in ROW.findall((ROOT / 'frontend/dsl/words.def').read_text()):
        by_kind.setdefault(kind, []).append(word)
    return by_kind


def textmate(w):
    """Words that are special in their places are keywords where a statement may begin with
    them, or behind a blank."""
    def any_of(kind):
        return '|'.join(w[kind])

    places = '|'.join(w['HEAD'] + w['KNOB'])
    patterns = [
        {'name': 'comment.line.number-sign.ingot', 'match': '#.*$'},
        {'name': 'string.quoted.double.ingot', 'begin': '"', 'end': '"|$', 'patterns': [
            {'name': 'constant.character.escape.ingot', 'match': r'\\(?:["\\n]|u\{[0-9A-Fa-f]+\})'},
            {'name': 'variable.other.ingot', 'match': rf'\{{[{LETTER}][{LETTER}0-9]*\}}'}]},
        {'match': rf"\b(fn|layer|net|entry|train|optimizer)\s+([{LETTER}][{LETTER}0-9]*'*)",
         'captures': {'1': {'name': 'keyword.declaration.ingot'}, '2': {'name': 'entity.name.function.ingot'}}},
        {'name': 'constant.language.ingot', 'match': r'\b(?:true|false)\b'},
        {'name': 'keyword.control.ingot', 'match': rf"\b(?:{any_of('RESERVED')})\b(?!')"},
        {'name': 'keyword.control.ingot', 'match': rf'(?:^|[{{;])\s*(?:{places})(?=\s+[^\s=<~,:+.\[])'},
        {'name': 'keyword.other.ingot', 'match': rf"\s(?:{any_of('CLAUSE')})(?=\s)"},
        {'name': 'support.function.ingot', 'match': rf"\b(?:{any_of('REDUCTION')})(?=[\[(])"},
        {'name': 'storage.type.ingot', 'match': rf"\b(?:{any_of('ELEM')})\b"},
        {'name': 'constant.numeric.ingot', 'match': NUMBER},
        {'name': 'keyword.operator.ingot', 'match': r'\|>|->|<-|\+=|[=!<>]=|//|\.\.|[-+*/%^=~<>]'},
    ]
    grammar = {'name': 'ingot', 'scopeName': 'source.ingot', 'fileTypes': ['ingot'], 'patterns': patterns}
    return json.dumps(grammar, indent=2, ensure_ascii=True) + '\n'


def vim(w):
    lines = [
        '" Vim syntax file of the language of ingot; made by tools/editors.py.',
        'if exists("b:current_syntax") | finish | endif',
        "syn iskeyword @,48-57,_,',192-255",
        'syn keyword ingotKeyword ' + ' '.join(x for x in w['RESERVED'] if x not in ('true', 'false')),
        'syn keyword ingotBoolean true false',
        'syn keyword ingotType ' + ' '.join(x for x in w['ELEM'] if x != '_'),
        r'syn match ingotStatement /\%(^\|[{;]\)\s*\zs\%(' + r'\|'.join(w['HEAD'] + w['KNOB'])
        + r'\)\ze\s\+[^[:blank:]=<~,:+.\[]/',
        r'syn match ingotClause /\s\zs\%(' + r'\|'.join(w['CLAUSE']) + r'\)\ze\s/',
        r'syn match ingotFunction /\<\%(' + r'\|'.join(w['REDUCTION']) + r'\)\ze[\[(]/',
        r'syn match ingotNumber /\<\%(0x[0-9A-Fa-f_]\+\|\d[0-9_]*\%(\.\d[0-9_]*\)\?\%([eE][-+]\?\d\+\)\?\)\>/',
        r'syn match ingotOperator /|>\|->\|<-\|+=\|[=!<>]=\|\/\/\|\.\.\|[-+*\/%^=~<>]/',
        r'syn match ingotEscape contained /\\\%(["\\n]\|u{\x\+}\)/',
        'syn region ingotString start=/"/ skip=/\\\\./ end=/"/ oneline contains=ingotEscape',
        'syn match ingotComment /#.*$/',
    ]
    links = [('Keyword', 'Keyword'), ('Boolean', 'Boolean'), ('Type', 'Type'), ('Statement', 'Statement'),
             ('Clause', 'Keyword'), ('Function', 'Function'), ('Number', 'Number'), ('Operator', 'Operator'),
             ('Escape', 'SpecialChar'), ('String', 'String'), ('Comment', 'Comment')]
    lines += [f'hi def link ingot{a} {b}' for a, b in links]
    lines += ['let b:current_syntax = "ingot"']
    return '\n'.join(lines) + '\n'


def main():
    made = {'editors/ingot.tmLanguage.json': textmate(words()), 'editors/ingot.vim': vim(words())}
    failed = 0
    for name, text in made.items():
        path = ROOT / name
        if '--check' not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            print(f'FAILED {name}: run tools/editors.py')
            failed += 1
    if '--check' in sys.argv:
        print(f'{len(made) - failed} passed, {failed} failed, 0 skipped')
    return failed > 0


sys.exit(main())
