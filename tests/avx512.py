#!/usr/bin/env python3
"""Runs code for x86-64-v4 in an emulator, on a machine that has no AVX-512.

usage: avx512.py INGOT CASE...

Every case's model is built with `--cpu x86-64-v4`; Bochs boots a Debian kernel
that runs all executables on their inputs; their outputs are compared here.  A
case is a folder with model.onnx and test_data_set_0; a model that cannot be
built is skipped.  No part of test.sh: it takes minutes, and Debian's packages
bochs, bochsbios, busybox-static, cpio, grub-common, grub-pc-bin, mtools, xorriso.

Bochs up to 3.0 shifts a 16-bit mask by 15 to 0, where the processor keeps a
bit: models whose code has such a shift (masks of f16 compares, and of bools)
come out wrong there.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

TOOLS = ('bochs', 'busybox', 'cpio', 'grub-mkrescue', 'xorriso', 'mformat')
MODULES = ('crypto/crct10dif_common', 'crypto/crct10dif_generic', 'lib/crc-t10dif', 'lib/crc64',
           'crypto/crc64_rocksoft_generic', 'lib/crc64-rocksoft', 'block/t10-pi',
           'drivers/scsi/scsi_common', 'drivers/scsi/scsi_mod', 'drivers/ata/libata',
           'drivers/ata/ata_piix', 'drivers/scsi/sd_mod')
DISK = 512 << 20
TIMEOUT = 3600

# The guest: unpacks the first disk, runs what it holds, packs the second.
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /dev /w
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
mount -t tmpfs -o size=90% tmp /w
for m in {modules}; do insmod /m/$m.ko; done
while [ ! -b /dev/sdb ]; do sleep 1; done
grep -qw avx512f /proc/cpuinfo && echo AVX-512
cd /w && tar xf /dev/sda && sh run.sh
tar cf /dev/sdb out && sync
echo FINISHED
"""
# Bochs 2.7 gives the size of the standard XSAVE area where the kernel asks for
# the compact one: without XSAVES and XSAVEC (323, 321) the kernel takes AVX on.
GRUB = """set timeout=0
menuentry ingot {
  linux /boot/vmlinuz console=ttyS0,115200 quiet panic=-1 mitigations=off nokaslr nosmp acpi=off \
    noapic nolapic lpj=1000000 tsc=reliable clearcpuid=323,321
  initrd /boot/initrd.gz
}
"""
BOCHS = """megs: 1536
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, count=1, ips=40000000, reset_on_triple_fault=0
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path=in.img, mode=flat
ata0-slave: type=disk, path=out.img, mode=flat
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
ata1-master: type=cdrom, path=boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=serial.txt
display_library: rfb, options="timeout=0"
clock: sync=none
log: bochs.log
panic: action=fatal
"""


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False,
                          **options)
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).strip()[-300:])
    return done.stdout


def fetch_kernel(folder):
    depends = run('apt-cache', 'depends', 'linux-image-amd64')
    package = re.search(r'Depends: (linux-image-\S+)', depends).group(1)
    run('apt-get', 'download', package, cwd=folder, timeout=600)
    run('dpkg', '-x', next(folder.glob('linux-image-*.deb')), folder / 'kernel', timeout=600)
    return folder / 'kernel'


def copy_libraries(executable, root):
    for path in re.findall(r'(/\S+) \(0x', run('ldd', executable)):
        to = root / path[1:]
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(path), to)


def make_boot_disk(folder, executable):
    kernel, root, iso = fetch_kernel(folder), folder / 'root', folder / 'iso'
    (root / 'bin').mkdir(parents=True)
    (root / 'm').mkdir()
    (iso / 'boot/grub').mkdir(parents=True)
    shutil.copy(shutil.which('busybox'), root / 'bin/busybox')
    modules = next(kernel.glob('**/lib/modules/*')) / 'kernel'
    for m in MODULES:
        shutil.copy(modules / f'{m}.ko', root / 'm')
    copy_libraries(executable, root)
    (root / 'init').write_text(INIT.format(modules=' '.join(m.split('/')[-1] for m in MODULES)))
    (root / 'init').chmod(0o755)
    run('sh', '-c', 'find . | cpio -o -H newc | gzip -1 >../iso/boot/initrd.gz', cwd=root)
    shutil.copy(next((kernel / 'boot').glob('vmlinuz-*')), iso / 'boot/vmlinuz')
    (iso / 'boot/grub/grub.cfg').write_text(GRUB)
    run('grub-mkrescue', '-o', folder / 'boot.iso', iso, '-d', '/usr/lib/grub/i386-pc')


def inputs_of(model):
    graph = onnx.load(str(model), load_external_data=False).graph
    constants = {i.name for i in graph.initializer}
    return [i.name for i in graph.input if i.name not in constants], [o.name for o in graph.output]


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def add_case(ingot, case, index, work):
    """Builds one case; its lines of the guest's script."""
    folder = work / str(index)
    folder.mkdir(parents=True)
    run(ingot, 'build', case / 'model.onnx', '--cpu', 'x86-64-v4', '-o', folder / 'exe',
        timeout=300)
    run('strip', folder / 'exe')
    words = ['./exe --threads 1 --output-format pb --output-dir', f'/w/out/{index}']
    for k, name in enumerate(inputs_of(case / 'model.onnx')[0]):
        data = case / f'test_data_set_0/input_{k}.pb'
        if data.exists():
            shutil.copy(data, folder)
            words += ['--input', quoted(f'{name}=input_{k}.pb')]
    return (f'cd /w/{index}\n{" ".join(words)} >/w/out/{index}.txt 2>&1\n'
            f'echo "exit $?" >>/w/out/{index}.txt\nrm exe\n')


def emulate(folder):
    (folder / 'bochsrc').write_text(BOCHS)
    (folder / 'commands').write_text('c\n')
    with open(folder / 'in.img', 'r+b') as disk:
        disk.truncate(DISK)
    with open(folder / 'out.img', 'wb') as disk:
        disk.truncate(DISK)
    command = ['bochs', '-q', '-f', 'bochsrc', '-rc', 'commands']
    serial = folder / 'serial.txt'
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as bochs:
        try:
            for _ in range(TIMEOUT):
                said = serial.read_text(errors='replace') if serial.exists() else ''
                if 'FINISHED' in said:
                    break
                if bochs.poll() is not None:
                    raise RuntimeError(f'bochs ended: {said[-300:]}')
                try:
                    bochs.wait(1)
                except subprocess.TimeoutExpired:
                    pass
            else:
                raise RuntimeError(f'no end after {TIMEOUT} s: {said[-300:]}')
        finally:
            bochs.kill()
    if 'AVX-512\n' not in said.replace('\r', ''):
        raise RuntimeError('the emulated processor has no AVX-512')
    tarfile.open(folder / 'out.img').extractall(folder)


def tolerances(case):
    found = {'rtol': 1e-3, 'atol': 1e-7}
    for name in ('data.json', 'about.json'):
        if (case / name).exists():
            told = json.loads((case / name).read_text())
            found.update({k: float(told[k]) for k in found if k in told})
    return found


def compare(case, out):
    """Why the outputs differ from the case's; None if they do not."""
    said = pathlib.Path(f'{out}.txt').read_text(errors='replace').strip().splitlines()
    if said[-1] != 'exit 0':
        return ': '.join(said[-2:])
    for k, name in enumerate(inputs_of(case / 'model.onnx')[1]):
        expected = case / f'test_data_set_0/output_{k}.pb'
        if not expected.exists():
            continue
        want = numpy_helper.to_array(onnx.load_tensor(str(expected)))
        file = out / (re.sub(r'[^A-Za-z0-9._-]', '_', name) + '.pb')
        if not file.exists():
            return f'{name}: no {file.name}'
        got = numpy_helper.to_array(onnx.load_tensor(str(file)))
        if got.shape != want.shape or got.dtype != want.dtype:
            return f'{name}: {got.dtype}{got.shape}, not {want.dtype}{want.shape}'
        if want.dtype.kind in 'biu':
            same = np.array_equal(got, want)
        else:
            same = np.allclose(got.astype('f8'), want.astype('f8'), equal_nan=True,
                               **tolerances(case))
        if not same:
            return f'{name}: values differ'
    return None


def main():
    missing = [t for t in TOOLS if not shutil.which(t)]
    if missing or len(sys.argv) < 3:
        sys.exit(f'missing: {" ".join(missing)}\n{__doc__}' if missing else __doc__)
    ingot, cases, built = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        script = 'mkdir out\n'
        for case in map(pathlib.Path, cases):
            try:
                script += add_case(ingot, case, len(built), folder / 'w')
                built.append(case)
            except RuntimeError as error:
                print(f'skipped {case.name}: {error}', flush=True)
                shutil.rmtree(folder / 'w' / str(len(built)))
        if not built:
            sys.exit('no model can be built')
        (folder / 'w/run.sh').write_text(script + 'cd /w\n')
        make_boot_disk(folder, folder / 'w/0/exe')
        run('tar', 'cf', folder / 'in.img', '-C', folder / 'w', '.')
        print(f'{len(built)} executables built, booting', flush=True)
        emulate(folder)
        failed = 0
        for i, case in enumerate(built):
            why = compare(case, folder / 'out' / str(i))
            if why:
                failed += 1
                print(f'FAILED {case.name}: {why}', flush=True)
    print(f'{len(built) - failed} passed, {failed} failed, {len(cases) - len(built)} skipped')
    return int(failed > 0)


if __name__ == '__main__':
    sys.exit(main())
