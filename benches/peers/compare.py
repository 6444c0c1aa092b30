"""The rows of benches/cpu.rs beside the peers, in turns: `python compare.py [--turns N] [WORD…]` prints a table.

Each turn runs the criterion bench, JAX and PyTorch one after the other, for a row at a time, so that what else the machine does meets
all of them. A figure is the median over turns of each turn's median.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

import cases

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent


def peer(script, row):
    """Version and median in ms of one row; None where the peer is not installed."""
    run = subprocess.run([sys.executable, HERE / script, row], capture_output=True, text=True)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode or len(lines) < 2:
        print(run.stderr, file=sys.stderr)
        return None, None
    return lines[0]["version"], lines[1]["median_ms"]


def wgpo(bench, row, folder):
    """Median in ms of one row of the criterion bench."""
    command = [bench, "--bench", "--noplot", "--warm-up-time", "0.5", "--measurement-time", "1.5", f"^{row}$"]
    subprocess.run(command, capture_output=True, check=True, cwd=folder, env={**os.environ, "CRITERION_HOME": str(folder)})
    return json.loads((folder / row / "new" / "estimates.json").read_text())["median"]["point_estimate"] * 1e-6


def build():
    """The bench's program, as cargo names it."""
    command = ["cargo", "bench", "--bench", "cpu", "--no-run", "--message-format", "json"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "cpu")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--bench", help="the bench's program, if it is built")
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    nets = [f"{kind}/{net}" for kind in ("ppo_step", "fvp") for net in cases.NETS]
    rows = nets + [f"gae/{window}" for window in cases.WINDOWS]
    rows = [row for row in rows if not args.words or any(word in row for word in args.words)]
    bench, folder = args.bench or build(), ROOT / "target" / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    times, versions = {row: ([], [], []) for row in rows}, {}
    for turn in range(args.turns):
        for row in rows:
            times[row][0].append(wgpo(bench, row, folder))
            for index, script in ((1, "jax_bench.py"), (2, "torch_bench.py")):
                version, median = peer(script, row)
                if median is not None:
                    versions[script] = version
                    times[row][index].append(median)
        print(f"turn {turn + 1} of {args.turns}", file=sys.stderr)
    print(f"{args.turns} turns; JAX {versions.get('jax_bench.py')}, PyTorch {versions.get('torch_bench.py')}; ms\n")
    print(f"{'row':22}{'wgpo':>10}{'JAX':>10}{'PyTorch':>10}{'JAX/wgpo':>10}{'PyTorch/wgpo':>14}")
    for row, columns in times.items():
        own, jax, torch = (statistics.median(column) if column else float("nan") for column in columns)
        print(f"{row:22}{own:10.3f}{jax:10.3f}{torch:10.3f}{jax / own:10.2f}{torch / own:14.2f}")


if __name__ == "__main__":
    main()
