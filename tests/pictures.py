#!/usr/bin/env python3
"""Pictures as inputs of `ingot run`, and labels for what comes out.

usage: pictures.py INGOT
"""
import base64
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib

INGOT = pathlib.Path(sys.argv[1]).resolve()

# 8x8 pixels of (200, 100, 50).
JPEG = base64.b64decode('/9j/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wAARCAAIAAgDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAT/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAABwj/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCQAHqQf//Z')


def png(rows, kind=2, bits=8):
    """A picture of rows of pixels, tuples of channels: 2 is RGB, 6 has transparency, 0 is grey.  With
    16 bits a channel is two numbers, the high one first."""
    def chunk(name, data):
        return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
    head = struct.pack('>IIBBBBB', len(rows[0]), len(rows), bits, kind, 0, 0, 0)
    data = b''.join(b'\0' + bytes(c for pixel in row for c in pixel) for row in rows)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(data)) +
            chunk(b'IEND', b''))


def npy(path):
    """Extents and values of a .npy file of f32 or u8."""
    data = path.read_bytes()
    size = struct.unpack('<H', data[8:10])[0]
    head = eval(data[10:10 + size])     # a dict that ingot wrote
    kind = {'<f4': 'f', '|u1': 'B'}[head['descr']]
    return head['shape'], list(struct.unpack(f'<{len(data[10 + size:]) // struct.calcsize(kind)}{kind}', data[10 + size:]))


def model(kind):
    return f'entry main(%x: {kind}) {{\n  return y=%x\n}}\n'


class Work:
    def __init__(self, folder):
        self.folder, self.passed, self.failed = folder, 0, 0

    def run(self, *arguments):
        return subprocess.run([str(INGOT), *map(str, arguments)], cwd=self.folder, capture_output=True,
                              text=True, check=False, timeout=60)

    def report(self, name, problem):
        self.passed, self.failed = self.passed + (not problem), self.failed + bool(problem)
        if problem:
            print(f'FAILED {name}: {problem}')

    def gives(self, kind, image, options, shape, values):
        """The input of this type that becomes of an image, to within a half of 1/255."""
        (self.folder / 'm.ir').write_text(model(kind))
        done = self.run('run', 'm.ir', '--image', image, '--output-dir', 'out', *options)
        name = f'{kind} {image} {options}'
        if done.returncode:
            return self.report(name, done.stderr)
        got_shape, got = npy(self.folder / 'out/y.npy')
        near = len(got) == len(values) and all(abs(a - b) < 0.002 for a, b in zip(got, values))
        return self.report(name, None if got_shape == shape and near else f'{got_shape} {got}')

    def refuses(self, kind, image, options, code, *words):
        (self.folder / 'm.ir').write_text(model(kind))
        done = self.run('run', 'm.ir', '--image', image, *options)
        bad = done.returncode != code or any(w not in done.stderr for w in words)
        self.report(f'{kind} {image} {options}', f'exit {done.returncode}: {done.stderr}' if bad else None)


PROGRAM = '''
dim K
net color(x: u8[.., 3, H, W]) -> [.., K] = real(x) / 255 |> global_mean |> dense(K)
entry which(x: u8[.., 3, 4, 6]) -> int<K>[..] = argmax(color(x))
train learn(x: u8[.., 3, 4, 6], label: int<K>[..]) {
    data x = "colors.npz"["x"], label = "colors.npz"["label"]
    y = color(x)
    minimize cross_entropy(y, label) using adam(0.3)
    track accuracy = argmax(y) == label
    epochs 60
}
'''


def data_that_fail(w):
    """An archive that is there stays; there is one message, and no class is left out."""
    whole = (w.folder / 'colors.npz').read_bytes()
    bad = w.folder / 'colors' / 'rose' / 'cut.png'
    bad.write_bytes(b'PNG')
    for name, size in ('a bad picture', ['--size', '4x6']), ('a bad picture and no size', []):
        done = w.run('data', 'colors', '-o', 'colors.npz', *size)
        w.report(name, None if done.returncode == 1 and done.stderr.count('\n') == 1 else done.stderr)
    bad.unlink()
    w.report('the archive stays', None if (w.folder / 'colors.npz').read_bytes() == whole else 'differs')
    w.report('no other file', None if not list(w.folder.glob('*.part')) else 'there is one')
    (w.folder / 'colors' / 'sea').symlink_to('sea')
    done = w.run('data', 'colors', '-o', 'colors.npz', '--size', '4x6')
    w.report('a class that cannot be read', None if done.returncode == 1 and 'colors/sea: ' in done.stderr else done.stderr)
    (w.folder / 'colors' / 'sea').unlink()
    (w.folder / 'colors' / 'list.csv').write_text('no class')
    os.mkfifo(w.folder / 'pipe.npz')
    done = w.run('data', 'colors', '-o', 'pipe.npz', '--size', '4x6')
    w.report('a pipe stays', None if 'not a regular file' in done.stderr and (w.folder / 'pipe.npz').is_fifo() else done.stderr)


def folder_of_pictures(w):
    """A folder for each class becomes rows to train on; their names are those of the classes."""
    colors = {'blue sky': (10, 20, 200), 'grass': (20, 180, 30), 'rose': (220, 30, 40)}
    for name, color in colors.items():
        (w.folder / 'colors' / name).mkdir(parents=True)
        for i in range(5):
            pixel = tuple(c + i for c in color)
            (w.folder / 'colors' / name / f'{i}.png').write_bytes(png([[pixel] * 6] * 4))
    (w.folder / 'colors' / 'rose' / 'photo.jpg').write_bytes(JPEG)
    (w.folder / 'colors' / 'rose' / 'notes.txt').write_text('no picture')
    done = w.run('data', 'colors', '-o', 'colors.npz')
    w.report('two sizes', None if done.returncode == 1 and 'give --size' in done.stderr else done.stderr)
    done = w.run('data', 'colors', '-o', 'colors.npz', '--size', '4x6')
    w.report('data', None if '16 pictures of 4x6 in 3 classes; 1 left out' in done.stdout else done.stdout + done.stderr)
    done = w.run('data', 'colors', '-o', 'colors.npy', '--size', '4x6')
    w.report('no array', None if done.returncode == 2 and '-o takes FILE.npz' in done.stderr and not (w.folder / 'colors.npy').exists() else done.stderr)
    with zipfile.ZipFile(w.folder / 'colors.npz') as z:
        w.report('archive', z.testzip())
        w.report('names', None if z.read('label.names') == b'blue sky\ngrass\nrose\n' else 'differ')
        x = z.read('x.npy')
        w.report('pixels', None if x[-72:] == bytes(c for v in (200, 100, 50) for c in [v] * 24) or
                 all(abs(a - b) < 3 for a, b in zip(x[-72:], [200] * 24 + [100] * 24 + [50] * 24))
                 else list(x[-72:]))
    data_that_fail(w)
    (w.folder / 'colors.ingot').write_text(PROGRAM)
    done = w.run('train', 'colors.ingot', '--run', '--log', 'log.csv')
    w.report('trained', done.stderr if done.returncode else None)
    last = (w.folder / 'log.csv').read_text().split()[-1].split(',')
    w.report('accuracy', None if float(last[4]) == 1 else last)
    w.run('train', 'colors.ingot', '-o', 'trainer')
    (w.folder / 'colors' / 'rose').rename(w.folder / 'colors' / 'alga')
    w.run('data', 'colors', '-o', 'other.npz', '--size', '4x6')
    done = subprocess.run(['./trainer', '--check-data', '--data', 'x="other.npz"["x"]', '--data', 'label="other.npz"["label"]'],
                          cwd=w.folder, capture_output=True, text=True, check=False)
    w.report('other classes', None if done.returncode == 1 and "other.npz: 'alga', which 0 stands for, is none of the 3 categories" in done.stderr
             else done.stderr)
    for name in 'alga', 'blue sky':
        (w.folder / 'colors' / name).rename(w.folder / name)
    w.run('data', 'colors', '-o', 'grass.npz', '--size', '4x6')
    for program in PROGRAM, PROGRAM.replace('dim K', '').replace('K', '3'):
        (w.folder / 'colors.ingot').write_text(program)
        w.run('train', 'colors.ingot', '--run', '--fresh', '--log', 'log.csv', '--test', 'x="grass.npz"["x"]', '--test', 'label="grass.npz"["label"]')
        last = (w.folder / 'log.csv').read_text().split()[-1].split(',')
        w.report('a class has another number where it is alone', None if last[2] == 'test' and float(last[4]) == 1 else last)
        done = w.run('train', 'colors.ingot', '--run', '--fresh', '--test', 'x="other.npz"["x"]', '--test', 'label="other.npz"["label"]')
        w.report('another class in the test', None if done.returncode == 1 and "'alga', which 0 stands for" in done.stderr else done.stderr)
    done = w.run('data', 'colors', '-o', 'gray.npz', '--size', '2', '--gray')
    w.report('gray', None if done.returncode == 0 and (w.folder / 'gray.npz').stat().st_size < 1000 else done.stderr)
    done = w.run('data', 'none', '-o', 'x.npz')
    w.report('no folder', None if done.returncode == 1 and 'none: No such file' in done.stderr else done.stderr)
    (w.folder / 'empty').mkdir()
    done = w.run('data', 'empty', '-o', 'x.npz')
    w.report('no class', None if done.returncode == 1 and 'no folders with pictures' in done.stderr else done.stderr)


def labels_of_classes(w):
    (w.folder / 'labels').write_text('cat\r\ndog\nowl\n')
    for shape, names in ('1,3', True), ('3', True), ('1,3,1,1', True), ('3,1', False):
        text = f'%1 = reshape %x {{shape=[{shape}]}} : f32[{shape}]\n  return y=%1'
        (w.folder / 'm.ir').write_text(model('f32[3,1,1]').replace('return y=%x', text))
        done = w.run('run', 'm.ir', '--image', 'clear.png', '--labels', 'labels')
        named = '1. cat (1.0000)\n  2. owl (0.2000)' in done.stdout
        said = 'labels has 3 labels, and no output' in done.stderr
        good = done.returncode == (0 if names else 1) and named == names and said != names
        w.report(f'labels of [{shape}]', None if good else done.stdout + done.stderr)
    done = w.run('run', 'm.ir', '--image', 'clear.png', '--labels', 'none')
    w.report('no labels', None if done.returncode == 1 and 'none: No such file' in done.stderr else done.stderr)


def cut_anywhere(w):
    """A picture that ends early, wherever that is, is said to be cut off and never half used."""
    (w.folder / 'm.ir').write_text(model('f32[1,3,8,8]'))
    for whole, kind in (png([[(1, 2, 3)] * 8] * 8), 'png'), (JPEG, 'jpg'):
        end = len(whole) - (12 if kind == 'png' else 0)     # what comes behind the pixels may be missing
        for n in {2, 7, 20, 33, 60, len(whole) // 2, end - 3}:
            (w.folder / f'part.{kind}').write_bytes(whole[:n])
            done = w.run('run', 'm.ir', '--image', f'part.{kind}')
            said = done.stderr == f'ingot: part.{kind}: is cut off: the file ends before the picture does\n'
            w.report(f'{kind} of {n} bytes', None if done.returncode == 1 and said else f'exit {done.returncode}: {done.stderr}')


def main():
    with tempfile.TemporaryDirectory() as name:
        w = Work(pathlib.Path(name))
        (w.folder / 'two.png').write_bytes(png([[(255, 0, 51), (0, 102, 255)]]))
        (w.folder / 'clear.png').write_bytes(png([[(255, 0, 51, 0)]], 6))
        (w.folder / 'grey.png').write_bytes(png([[(51,)]], 0))
        (w.folder / 'deep.png').write_bytes(png([[(0x80, 1), (0xff, 0xff)]], 0, 16))
        (w.folder / 'row.png').write_bytes(png([[(v,) for v in range(256)]], 0))
        (w.folder / 'photo.jpg').write_bytes(JPEG)
        (w.folder / 'cut.png').write_bytes(png([[(1, 2, 3)] * 99] * 99)[:90])
        (w.folder / 'cut.jpg').write_bytes(JPEG[:60])
        (w.folder / 'huge.png').write_bytes(png([[(1, 2, 3)]]).replace(struct.pack('>II', 1, 1), struct.pack('>II', 1 << 30, 1 << 30)))
        w.gives('f32[1,3,1,2]', 'two.png', [], (1, 3, 1, 2), [1, 0, 0, 0.4, 0.2, 1])
        w.gives('f32[1,1,2,3]', 'x=two.png', [], (1, 1, 2, 3), [0.3218, 0.3353, 0.3488] * 2)
        w.gives('f32[1,2,3]', 'two.png', ['--layout', 'nhwc'], (1, 2, 3), [1, 0, 0.2, 0, 0.4, 1])
        w.gives('u8[1,h,w,3]', 'two.png', [], (1, 1, 2, 3), [255, 0, 51, 0, 102, 255])
        w.gives('f32[n,3,h,w]', 'two.png', ['--resize', '1x1'], (1, 3, 1, 1), [0.5, 0.2, 0.6])
        w.gives('f32[3,1,1]', 'clear.png', ['--mean', '55,0,1', '--scale', '0.1'], (3, 1, 1), [20, 0, 5])
        w.gives('f32[3,1,1]', 'grey.png', [], (3, 1, 1), [0.2, 0.2, 0.2])
        w.gives('u8[n,h,w]', 'deep.png', [], (1, 1, 2), [128, 255])
        w.gives('u8[n,h,w]', 'row.png', [], (1, 1, 256), list(range(256)))
        w.gives('f32[n,h,w]', 'row.png', ['--scale', '1'], (1, 1, 256), list(range(256)))
        w.gives('u8[n,1,1]', 'two.png', ['--layout', 'nchw'], (3, 1, 1), [128, 51, 153])
        w.gives('f32[1,3,1,1]', 'photo.jpg', [], (1, 3, 1, 1), [c / 255 for c in (200, 100, 50)])
        w.refuses('f32[3]', 'two.png', [], 1, '1 axes')
        w.refuses('f32[1,7,4,4]', 'two.png', [], 1, '7 channels')
        cut_anywhere(w)
        for file in 'cut.png', 'cut.jpg', 'huge.png', 'm.ir', 'none.png':
            w.refuses('f32[1,3,4,4]', file, [], 1, file)
        w.refuses('f32[1,3,4,4]', 'two.png', ['--mean', '1,2'], 2, '--mean')
        w.refuses('f32[1,3,4,4]', 'two.png', ['--resize', '4'], 2, '--resize')
        w.refuses('f32[1,3,4,4]', 'z=two.png', [], 2, "give x")
        labels_of_classes(w)
        folder_of_pictures(w)
    print(f'{w.passed} passed, {w.failed} failed, 0 skipped')
    return 1 if w.failed else 0


sys.exit(main())
