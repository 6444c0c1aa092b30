"""The rows of benches/cpu.rs, or with --off-policy of benches/off_policy.rs, beside the peers, in turns: `python compare.py [--turns N] [WORD…]` prints
a table.

Each turn runs the criterion bench and the peers one after the other, for a row at a time, so that what else the machine does meets
all of them. A figure is the median over turns of each turn's median. --python names the interpreter of a peer, where they are not installed in one place:
`--python off_policy_jax.py=/path/to/python`.
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


def peer(script, row, python):
    """Version and median in ms of one row; None where the peer is not installed."""
    run = subprocess.run([python, HERE / script, row], capture_output=True, text=True)
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


def build(name):
    """The bench's program, as cargo names it."""
    command = ["cargo", "bench", "--bench", name, "--no-run", "--message-format", "json"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--bench", help="the bench's program, if it is built")
    parser.add_argument("--off-policy", action="store_true", help="gradient steps of SAC, TD3 and DQN")
    parser.add_argument("--python", action="append", default=[], metavar="SCRIPT=PYTHON", help="the interpreter of a peer")
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    if args.off_policy:
        name = "off_policy"
        peers = {"JAX": "off_policy_jax.py", "PyTorch": "off_policy_torch.py", "SB3": "off_policy_sb3.py"}
        rows = [f"{kind}_update/{net}" for kind in ("sac", "td3", "dqn") for net in cases.CRITICS]
    else:
        name, peers = "cpu", {"JAX": "jax_bench.py", "PyTorch": "torch_bench.py"}
        nets = [f"{kind}/{net}" for kind in ("ppo_step", "fvp") for net in cases.NETS]
        rows = nets + [f"gae/{window}" for window in cases.WINDOWS]
    rows = [row for row in rows if not args.words or any(word in row for word in args.words)]
    pythons = dict(one.split("=", 1) for one in args.python)
    bench, folder = args.bench or build(name), ROOT / "target" / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    times, versions = {row: [[] for _ in range(1 + len(peers))] for row in rows}, {}
    for turn in range(args.turns):
        for row in rows:
            times[row][0].append(wgpo(bench, row, folder))
            for index, (who, script) in enumerate(peers.items(), 1):
                version, median = peer(script, row, pythons.get(script, sys.executable))
                if median is not None:
                    versions[who] = version
                    times[row][index].append(median)
        print(f"turn {turn + 1} of {args.turns}", file=sys.stderr)
    print(f"{args.turns} turns; {', '.join(f'{who} {versions.get(who)}' for who in peers)}; ms\n")
    print(f"{'row':22}{'wgpo':>10}" + "".join(f"{who:>10}" for who in peers) + "".join(f"{who + '/wgpo':>14}" for who in peers))
    for row, columns in times.items():
        own, *others = (statistics.median(column) if column else float("nan") for column in columns)
        print(f"{row:22}{own:10.3f}" + "".join(f"{ms:10.3f}" for ms in others) + "".join(f"{ms / own:14.2f}" for ms in others))


if __name__ == "__main__":
    main()
