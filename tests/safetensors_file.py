"""Arrays of a .safetensors file."""
import json
import struct

import numpy as np

DTYPES = {'F32': '<f4', 'F64': '<f8', 'I64': '<i8', 'U64': '<u8', 'U32': '<u4', 'BOOL': '?'}


def read_safetensors(path):
    raw = path.read_bytes()
    n, = struct.unpack('<Q', raw[:8])
    return {name: np.frombuffer(raw[8 + n + t['data_offsets'][0]:8 + n + t['data_offsets'][1]],
                                DTYPES[t['dtype']]).reshape(t['shape']).astype('f8')
            for name, t in json.loads(raw[8:8 + n]).items() if name != '__metadata__'}
