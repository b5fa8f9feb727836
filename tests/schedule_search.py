#!/usr/bin/env python3
"""bench/schedules.py finds what there is to be found: beside a program that tells times as
ingot would, of which the best schedule is known, and with ingot itself.

usage: schedule_search.py INGOT

Ends with a line `N passed, N failed, N skipped`.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

from tally import Tally

ROOT = pathlib.Path(__file__).resolve().parent.parent
INGOT = str(pathlib.Path(sys.argv[1]).resolve())
tally = Tally()
# Its times are least for 4 rows, 3 vectors and runs of 128; over 8 rows it refuses.
FAKE = '''#!/usr/bin/env python3
import json, re, sys
if sys.argv[1] == 'inspect':
    print('dot m=64 n=64 k=8 f32 schedule{rows=6 vectors=2 lanes=16}')
    print('map y=4 f32 schedule{lanes=16 run=512}')
    sys.exit()
text = open(sys.argv[sys.argv.index('--schedule') + 1]).read()
n = {f: int(v) for f, v in re.findall(r'(rows|vectors|lanes|run)=(\\d+)', text)}
if n['rows'] > 8 or n['lanes'] != 16:
    sys.exit(1)
ms = 10 + abs(n['rows'] - 4) + abs(n['vectors'] - 3) + abs(n['run'] - 128) / 128
json.dump({'runs': [{'min_ms': ms}]}, open(sys.argv[sys.argv.index('--json') + 1], 'w'))
'''
PROGRAM = 'entry f(x: [40, 50]) -> [50, 40] {\n    y[j, i] = x[i, j] + 1\n    y\n}\n'


def search(*arguments):
    done = subprocess.run([sys.executable, ROOT / 'bench/schedules.py', *arguments],
                          capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        fake = pathlib.Path('fake')
        fake.write_text(FAKE)
        fake.chmod(0o755)
        rc, text = search('./fake', 'm')
        found = pathlib.Path('schedules').read_text().splitlines() if rc == 0 else []
        tally.check('the best', found == ['dot m=64 n=64 k=8 f32 schedule{rows=4 vectors=3 lanes=16}',
                                          'map y=4 f32 schedule{lanes=16 run=128}'], text)
        rc, text = search('--trials', '1', '-o', 'one', './fake', 'm')
        tally.check('trials end', rc == 0 and text.endswith('1 of 2 schedules changed, 1 trials\n') and
                    pathlib.Path('one').read_text().count('\n') == 1, text)
        pathlib.Path('t.ingot').write_text(PROGRAM)
        rc, text = search('--trials', '3', '--seconds', '0.01', '-o', 'real', INGOT, 't.ingot')
        tally.check('ingot', rc == 0 and text.endswith('3 trials\n'), text)
        rc, text = search(INGOT, 'none.ingot')
        tally.check('no model', rc == 1 and 'none.ingot' in text, text)
    return tally.report()


if __name__ == '__main__':
    sys.exit(main())
