#!/usr/bin/env python3
"""Writes frontend/onnx_signatures.def from the operator schemas of the onnx wheel.

usage: signatures.py > frontend/onnx_signatures.def
"""
import textwrap

import onnx.defs

HEAD = """\
/* frontend/onnx_signatures.def - how many operands and results every operator
 * of the standard has, and its attributes.  Facts of onnx {version}, written by
 * scripts/signatures.py; a version that changed neither has no row.
 * SIGNATURE(domain, op, since, fewest operands, most, fewest results, most,
 * attributes): name:kind, with a ! if it must be there.  Kinds are those of
 * AttributeProto: i f s t g, is fs ss for lists, tp type, st sparse tensor. */
#ifndef SIGNATURE
#define SIGNATURE(...)
#endif
#define ANY INT_MAX
"""
KIND = {"INT": "i", "FLOAT": "f", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "INTS": "is",
        "FLOATS": "fs", "STRINGS": "ss", "TYPE_PROTO": "tp", "SPARSE_TENSOR": "st"}


def count(n):
    return "ANY" if n >= 2**31 - 1 else n


def signature(s):
    attributes = " ".join(f"{name}:{KIND[a.type.name]}{'!' if a.required else ''}"
                          for name, a in sorted(s.attributes.items()))
    return (count(s.min_input), count(s.max_input), count(s.min_output), count(s.max_output),
            attributes)


def row(s):
    """The row of a schema in lines of at most 100 columns."""
    *counts, attributes = signature(s)
    head = f'SIGNATURE("{s.domain}", {s.name}, {s.since_version}, {", ".join(map(str, counts))},'
    if len(head) + len(attributes) + 4 <= 100:
        return f'{head} "{attributes}")'
    lines = textwrap.wrap(attributes, 84)
    return head + ''.join(f'\n          "{x} "' for x in lines[:-1]) + f'\n          "{lines[-1]}")'


def main():
    print(HEAD.format(version=onnx.__version__), end="")
    before = None
    for s in sorted(onnx.defs.get_all_schemas_with_history(),
                    key=lambda s: (s.domain, s.name, s.since_version)):
        now = (s.domain, s.name, signature(s))
        if now == before:
            continue
        before = now
        print(row(s))
    print("#undef ANY\n#undef SIGNATURE")


main()
