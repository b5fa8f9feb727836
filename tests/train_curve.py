"""train_curve.py INGOT - a trained network beside the same arithmetic in NumPy: from the
weights and moments behind the first step, 99 steps of Adam end in the same weights."""
import csv
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

import numpy as np

PROGRAM = """
net f(x: [.., 3]) -> [..] = x |> dense(16) |> tanh |> dense(8) |> relu |> dense(1) |> scalar
train t(x: [.., 3], y: [..]) {
    data x, y = "rows.csv"
    minimize (f(x) - y)^2 using adam(1e-2)
    batch 500
}
"""
W1, B1, W2, B2, W3, B3 = NAMES = [f"f.dense{i}.{p}" for i in (1, 2, 3) for p in "wb"]
STEPS = 100


def load(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    types = {"F64": "f8", "F32": "f4"}
    out = {}
    for name, t in json.loads(data[8:8 + size]).items():
        if name in NAMES or name.startswith("t.adam."):
            begin, end = (8 + size + at for at in t["data_offsets"])
            out[name] = np.frombuffer(data[begin:end], types[t["dtype"]]).reshape(t["shape"])
    return {k: v.astype("f8") for k, v in out.items()}


def write_rows(path):
    random.seed(1)
    with open(path, "w") as f:
        for _ in range(500):
            a, b, c = (random.random() for _ in range(3))
            f.write(f"{a},{b},{c},{a * b - c}\n")


def gradients(w, x, y):
    h1 = np.tanh(x @ w[W1] + w[B1])
    z2 = h1 @ w[W2] + w[B2]
    h2 = np.maximum(z2, 0)
    e = (h2 @ w[W3] + w[B3])[:, 0] - y
    d3 = (2 * e / len(y))[:, None]
    d2 = d3 @ w[W3].T * (z2 > 0)
    d1 = d2 @ w[W2].T * (1 - h1 ** 2)
    return (e ** 2).mean(), {W3: h2.T @ d3, B3: d3.sum(0), W2: h1.T @ d2, B2: d2.sum(0),
                             W1: x.T @ d1, B1: d1.sum(0)}


def go_on(state, x, y):
    w = {p: state[p] for p in NAMES}
    m = {p: state["t.adam.m/" + p] for p in NAMES}
    v = {p: state["t.adam.v/" + p] for p in NAMES}
    for t in range(2, STEPS + 1):
        loss, g = gradients(w, x, y)
        for p in NAMES:
            m[p] = 0.9 * m[p] + 0.1 * g[p]
            v[p] = 0.999 * v[p] + 0.001 * g[p] ** 2
            w[p] = w[p] - 1e-2 * (m[p] / (1 - 0.9 ** t)) / (np.sqrt(v[p] / (1 - 0.999 ** t)) + 1e-8)
    return loss, w


def differences(ingot, options):
    """Of the last loss, and the largest of the weights, relative."""
    subprocess.run([ingot, "train", "curve.ingot", "-o", "curve", *options], check=True,
                   stdout=subprocess.DEVNULL)
    for steps in (1, STEPS):
        subprocess.run(["./curve", "--steps", str(steps), "--save", f"at{steps}", "--log", "log.csv",
                        "--fresh", "--quiet"], check=True)
    rows = np.array([[float(v) for v in r] for r in csv.reader(open("rows.csv"))])
    loss, w = go_on(load("at1"), rows[:, :3], rows[:, 3])
    got, end = float(list(csv.DictReader(open("log.csv")))[-1]["loss"]), load(f"at{STEPS}")
    worst = max(np.abs(w[p] - end[p]).max() / np.abs(end[p]).max() for p in NAMES)
    return abs(got - loss) / loss, worst


def main():
    ingot = os.path.realpath(sys.argv[1])
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        open("curve.ingot", "w").write(PROGRAM)
        write_rows("rows.csv")
        # The log has 9 digits; f32 rounds 99 steps long.
        for name, options, bounds in (("f64", ["--f64"], (1e-8, 1e-12)), ("f32", [], (1e-3, 1e-3))):
            got = differences(ingot, options)
            ok = all(g < b for g, b in zip(got, bounds))
            passed, failed = passed + ok, failed + (not ok)
            print(f"{name}: loss differs by {got[0]:.1e}, weights by {got[1]:.1e}"
                  f"{'' if ok else ' FAILED'}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed > 0


sys.exit(main())
