#!/usr/bin/env python3
"""What surrounds the magika network: bytes of a file in, label out.

usage: magika_io.py encode FILE OUT.npy       the network's input, i32[1,2048]
       magika_io.py decode SCORES.npy         the three most probable labels

The input holds the first and the last 1024 bytes, white space stripped from the
ends, 256 where there is none.  Needs only Python's standard library.
"""
import array
import json
import pathlib
import struct
import sys

CONFIG = (pathlib.Path(__file__).resolve().parent.parent
          / 'build/data/models/magika__config.min.json')
SIZE, BLOCK, PADDING = 1024, 4096, 256


def write_npy(path, shape, values):
    head = f"{{'descr': '<i4', 'fortran_order': False, 'shape': {shape}, }}"
    head = head.ljust((len(head) + 11 + 63) // 64 * 64 - 11) + '\n'
    with open(path, 'wb') as f:
        f.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(head)))
        f.write(head.encode() + struct.pack(f'<{len(values)}i', *values))


def read_npy_floats(path):
    raw = pathlib.Path(path).read_bytes()
    start = 10 + struct.unpack('<H', raw[8:10])[0]
    if b"'<f4'" not in raw[:start]:
        sys.exit(f'{path}: holds no 32-bit floats')
    return array.array('f', raw[start:])


def encode(path, out):
    content = pathlib.Path(path).read_bytes()
    small = len(content) <= BLOCK
    begin, end = content[:BLOCK], content[-BLOCK:]
    begin = (begin.strip() if small else begin.lstrip())[:SIZE]
    end = (end.strip() if small else end.rstrip())[-SIZE:]
    write_npy(out, (1, 2 * SIZE),
              list(begin) + [PADDING] * (SIZE - len(begin))
              + [PADDING] * (SIZE - len(end)) + list(end))


def decode(path):
    labels = json.loads(CONFIG.read_text())['target_labels_space']
    scores = read_npy_floats(path)
    if len(scores) != len(labels):
        sys.exit(f'{path}: {len(scores)} scores for {len(labels)} labels')
    for score, label in sorted(zip(scores, labels), reverse=True)[:3]:
        print(f'  {label:12} {score:7.2%}')


if __name__ == '__main__':
    if len(sys.argv) == 4 and sys.argv[1] == 'encode':
        encode(sys.argv[2], sys.argv[3])
    elif len(sys.argv) == 3 and sys.argv[1] == 'decode':
        decode(sys.argv[2])
    else:
        sys.exit(__doc__)
