#!/usr/bin/env python3
"""Small whole files of every kind that readers of training data take, behind the byte that
tells fuzz_rows which reader gets them.

usage: rows_seeds.py FOLDER
"""
import gzip
import io
import json
import pathlib
import struct
import sys
import zipfile

FILE, CSV, CHARS, LINES, WORDS, BYTES, WINDOWS, MEMBER, SAFETENSORS, WEIGHTS, SOURCE = range(11)


def npy(version=1):
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".ljust(117) + b'\n'
    return (b'\x93NUMPY' + bytes((version, 0)) + struct.pack('<H' if version == 1 else '<I', len(head)) +
            head + struct.pack('<6f', *range(6)))


def npz(method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', method) as z:
        z.writestr('x.npy', npy())
    return out.getvalue()


def safetensors(notes):
    head = json.dumps({'__metadata__': notes,
                       'x': {'dtype': 'F32', 'shape': [2, 3], 'data_offsets': [0, 24]}}).encode()
    return struct.pack('<Q', len(head)) + head + struct.pack('<6f', *range(6))


IDX = bytes((0, 0, 13, 2, 0, 0, 0, 2, 0, 0, 0, 3)) + struct.pack('>6f', *range(6))
TABLE = b'a,b,"c c"\n1,2,3\n"4",5e-1,\n-6,,NaN\n'
TEXT = 'to be,\r\nor n\u00f6t to be\n'.encode()
PLACE = {k: '1' for k in 'block turn step epoch position seed batch rows data fit end'.split()} | {
    'waits': ' '.join(['0x1p+1 3', 'nan 0'] * 4), 'log': '9 0123456789abcdef',
    'log_untested': '9 0123456789abcdef', 'seconds': '0x1.8p+1'}

SEEDS = [(FILE, IDX), (FILE, gzip.compress(IDX)), (FILE, npy()), (FILE, npy(2)), (FILE, npz(zipfile.ZIP_STORED)),
         (FILE, npz(zipfile.ZIP_DEFLATED)), (MEMBER, npz(zipfile.ZIP_DEFLATED)), (WINDOWS, IDX), (CSV, TABLE),
         (CSV, gzip.compress(TABLE)), (CSV, TABLE.replace(b',', b';')), (CHARS, TEXT), (LINES, TEXT), (WORDS, TEXT),
         (BYTES, TEXT), (SAFETENSORS, safetensors({})), (WEIGHTS, safetensors(PLACE)),
         (SOURCE, b'csv("f.csv", skip = 1)["a":"c", "e"]'), (SOURCE, b'windows(words("f", 9), 3, step = 2)'),
         (SOURCE, b'[[0, 1, 2, 3], [1e3, -2, .5, 0x1p3]]')]

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for i, (reader, data) in enumerate(SEEDS):
    (folder / f'seed-{i}').write_bytes(bytes((reader,)) + data)
