"""Peak memory of one update of PPO: 16,384 rows of the net `humanoid`, 4 epochs of 4 minibatches, in f32 on the CPU, by wgpo, JAX (jitted) and
PyTorch (eager). `python memory.py` prints a table.

Each runs in a process of its own, twice: with the update, and `idle`, which stops when libraries are loaded and rows and parameters made. What is counted
is the largest resident size of the whole process as Linux has it (VmHWM of /proc/self/status, read by the process at its end): its code, libraries,
interpreter, inputs, and what the update took. The third column is the difference of the two.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

from compare import build

HERE = pathlib.Path(__file__).parent


def run(command, words, cwd=None):
    """What a process printed: its peer, version and peak in MiB."""
    lines = subprocess.run([*command, *words], capture_output=True, text=True, check=True, cwd=cwd).stdout.splitlines()
    row = json.loads(lines[-1])
    return row["peer"], row["version"], row["steps"], int(row["peak"].split()[0]) / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--bench", help="the program of benches/memory.rs, if it is built")
    parser.add_argument("--python", action="append", default=[], metavar="SCRIPT=PYTHON", help="the interpreter of a peer")
    args = parser.parse_args()
    pythons = dict(one.split("=", 1) for one in args.python)
    bench = args.bench or build("memory")
    peers = [[bench]] + [[pythons.get(script, sys.executable), str(HERE / script)] for script in ("memory_jax.py", "memory_torch.py")]
    peaks = [([], []) for _ in peers]
    names = [None] * len(peers)
    for _ in range(args.turns):
        for index, command in enumerate(peers):
            for words, own in zip(([], ["idle"]), peaks[index]):
                peer, version, steps, peak = run(command, words, HERE)
                names[index] = f"{peer} {version}"
                assert steps == (0 if words else 16), f"{peer} took {steps} steps"
                own.append(peak)
    print(f"{args.turns} turns, medians of the peak resident size, MiB\n")
    print(f"{'':24}{'update':>10}{'idle':>10}{'more':>10}{'× wgpo':>10}{'more, ×':>10}")
    first = None
    for name, (update, idle) in zip(names, peaks):
        update, idle = statistics.median(update), statistics.median(idle)
        first = first or (update, update - idle)
        print(f"{name:24}{update:10.1f}{idle:10.1f}{update - idle:10.1f}{update / first[0]:10.2f}{(update - idle) / first[1]:10.2f}")


if __name__ == "__main__":
    main()
