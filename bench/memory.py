#!/usr/bin/env python3
"""Shows the memory of training steps beside what must be kept for the way back.

usage: memory.py [--ingot build/ingot] [--loss NAME] [--budget SIZE] STEP...

A STEP is a model whose output NAME (default: loss) is the loss that its other outputs are
gradients of, as `ingot grad` writes one; or a program (.ingot), of whose first train block the
step is taken.  `kept` are the bytes of the values that are made
before the loss and read behind it: the least that a step needs which computes nothing twice.
"""
import argparse
import pathlib
import re
import subprocess
import tempfile

SIZES = {'f64': 8, 'i64': 8, 'u64': 8, 'f32': 4, 'i32': 4, 'u32': 4, 'f16': 2, 'bf16': 2,
         'i16': 2, 'u16': 2, 'i8': 1, 'u8': 1, 'bool': 1}
VALUE = re.compile(r'  value (\d+) "(?:[^"\\]|\\.)*" : (\w+)\[(.*?)\] (.*)')
STEP = re.compile(r' +(run|extern|store|bind|let|check|copy|alloc|grow|free|move|give|if|loop) ')


def size(dtype, extents):
    """Bytes of a value; extents must be numbers."""
    count = SIZES[dtype]
    for extent in filter(None, extents.split(',')):
        count *= int(extent)
    return count


def read(plan, loss):
    """(lives and bytes of the values in slots, the step that makes the loss, fixed bytes)."""
    outputs = re.findall(r'  output "(.*?)" :', plan)
    slots, shows, steps = [], {}, []
    for line in plan.splitlines():
        value = VALUE.match(line)
        if value:
            place = value[4].split()
            shows[int(value[1])] = place
            if place[0] == 'slot':
                slots.append((int(place[3]), int(place[4]), size(value[2], value[3])))
        elif STEP.match(line):
            steps.append(line)

    def is_loss(v):
        while shows[v][0] == 'in':
            v = int(shows[v][1])
        return shows[v] == ['output', str(outputs.index(loss))]

    made = max(i for i, line in enumerate(steps, 1) for v in
               re.findall(r'\d+', (re.search(r' args ([\d, ]+)', line) or ['', ''])[1])
               if is_loss(int(v)))
    return slots, made, int(re.search(r'late \d+ fixed (\d+)', plan)[1])


def entry_of_program(ingot, program, folder):
    """The module of a trainer as a file, and the options that choose a step of it."""
    done = subprocess.run([ingot, 'train', program, '-o', folder / 'trainer', '--dump', 'grad'],
                          check=True, capture_output=True, text=True)
    module = folder / 'step.ir'
    module.write_text(done.stderr)
    return ['--entry', re.search(r'^entry (\w+_step)\(', done.stderr, re.M)[1], module]


def plan_of(options, step, folder):
    chosen = entry_of_program(options.ingot, step, folder) if step.endswith('.ingot') else [step]
    return subprocess.run([options.ingot, 'inspect', '--stage', 'plan', '--memory-budget',
                           options.budget, *chosen], check=True, capture_output=True,
                          text=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--ingot', default='build/ingot')
    parser.add_argument('--loss', default='loss')
    parser.add_argument('--budget', default='1G')
    parser.add_argument('step', nargs='+')
    options = parser.parse_args()
    print(f'{"workspace":>12} {"kept":>12} {"ratio":>6}')
    for step in options.step:
        with tempfile.TemporaryDirectory() as folder:
            plan = plan_of(options, step, pathlib.Path(folder))
        slots, made, fixed = read(plan, options.loss)
        kept = sum(n for first, last, n in slots if first < made < last)
        print(f'{fixed:12} {kept:12} {fixed / max(kept, 1):6.2f}  {step}')


if __name__ == '__main__':
    main()
