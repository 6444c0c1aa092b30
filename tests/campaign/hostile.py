#!/usr/bin/env python3
"""Hostile sizes, settings, specs and files against the program: it must answer each within seconds, by its exit code and one line.

    hostile.py [--program target/debug/wgpo] [--adapter HANDLE] [--memory KIB] [--seconds S] [--only WORD] [--json FILE]

Every case runs in an empty folder under a limit of address space (`ulimit -v`), on the CPU, or on the adapter that is named. A case fails
if the program panics, is ended by a signal (an allocation that died among them), takes longer than --seconds, or ends with a
code other than 0 (done), 1 (refused: one line that begins with "error: ") or 2 (usage). What was accepted is counted, too: each
case that is no nonsense asks for little. Exit code 1 if any failed. Standard library only.
"""

import argparse
import collections
import json
import os
import pathlib
import resource
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import time

SIZES = ["0", "-1", "1", "2", "2147483647", "2147483648", "4294967295", "4294967296", "4294967297", "1099511627776",
         "9007199254740993", "4611686018427387904", "9223372036854775807", "9223372036854775808", "18446744073709551615",
         "18446744073709551616", "9" * 40, "1e3", "1.5", "0x10", "+3", " 3", "３", "NaN", "inf", "", "x", "--"]
HUGE = ["65536", "1000000", "2147483647", "4294967295", "4294967296", "9223372036854775807", "18446744073709551615"]
NUMBERS = ["0", "-1", "-0.0", "5e-324", "1e-45", "1e300", "-1e300", "1e400", "nan", "inf", "-inf", "0.5", "9223372036854775807",
           "-9223372036854775808", "18446744073709551615", "99999999999999999999999", '"off"', '"x"', '""', "true", "[]", "[1, 2]",
           "{}", "{ linear = { to = 1e39 } }", "1979-05-27", "'''\n'''"]
# Runs that are accepted are small ones.
SMALL = "--hidden 4 --eval-episodes 0 --pause-after 1"


def safetensors(metadata, tensors):
    """A file; `tensors` are name -> (dtype, shape, bytes), and shapes need not fit."""
    header, data = {"__metadata__": metadata}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def floats(*shape):
    count = 1
    for size in shape:
        count *= size
    return ("F32", list(shape), struct.pack(f"<{count}f", *([0.0] * count)))


def flags(*shape):
    dtype, shape, content = floats(*shape)
    return ("U32", shape, content)


SPEC = {"obs_dim": 3, "trunk": [], "policy_hidden": [2], "value_hidden": [2], "activation": "tanh",
        "head": {"kind": "categorical", "actions": 2}}


def policy(spec):
    tensors = {"policy.0.weight": floats(2, 3), "policy.0.bias": floats(2), "policy.1.weight": floats(2, 2), "policy.1.bias": floats(2),
               "value.0.weight": floats(2, 3), "value.0.bias": floats(2), "value.1.weight": floats(1, 2), "value.1.bias": floats(1)}
    text = spec if isinstance(spec, str) else json.dumps(spec)
    return safetensors({"format": "wgpo-1", "contents": "policy", "spec": text}, tensors)


def rollout():
    # Log-probabilities of two choices that are alike.
    logp = ("F32", [4, 2], struct.pack("<8f", *([-0.6931472] * 8)))
    return {"obs": floats(4, 2, 3), "actions": flags(4, 2), "logp": logp, "rewards": floats(4, 2), "values": floats(5, 2),
            "final_values": floats(4, 2), "terminated": flags(4, 2), "truncated": flags(4, 2)}


def cases():
    """(group, arguments, files) of every case; {backend} is put in later."""
    train = "train cartpole {backend}"
    # One size at a time, then together: products wrap.
    for option in ["--envs", "--rollout", "--steps", "--pause-after", "--seed", "--eval-episodes"]:
        others = {"--envs": "--envs 2", "--rollout": "--rollout 4", "--steps": "--steps 8", "--pause-after": "--pause-after 1",
                  "--eval-episodes": "--eval-episodes 0"}
        others.pop(option, None)
        for size in SIZES:
            # As many steps as an update takes, or a size alone would be refused for want of them; a seed may be anything, and episodes
            # are played after the one update.
            yield "sizes", f"{train} --hidden 4 {' '.join(others.values())} {option}={shlex.quote(size)}", {}
    for envs in HUGE:
        for steps in ["128", *HUGE]:
            yield "products", f"{train} {SMALL} --envs {envs} --rollout {steps} --steps 9223372036854775807", {}
    yield "products", f"{train} --steps 1 --envs 1000000", {}
    for first in ["1", "64", *HUGE]:
        yield "widths", f"{train} --envs 2 --rollout 4 --steps 8 --eval-episodes 0 --hidden={first if first not in ('1', '64') else first + ',' + HUGE[-1]}", {}
        for second in HUGE:
            yield "widths", f"{train} --envs 2 --rollout 4 --steps 8 --eval-episodes 0 --hidden {first},{second}", {}
    for size in SIZES:
        yield "widths", f"{train} --envs 2 --rollout 4 --steps 8 --eval-episodes 0 --hidden={shlex.quote(size)}", {}
    yield "widths", f"{train} --envs 2 --rollout 4 --steps 8 --eval-episodes 0 --hidden {','.join(['1'] * 500)}", {}
    for hidden in ["30000,30000", "60000,1", "1,60000", "5000,5000,5000,5000", "200000,100"]:
        yield "memory", f"{train} --envs 2 --rollout 4 --steps 8 --eval-episodes 0 --hidden {hidden}", {}
    for envs, steps in [(4000000, 128), (1, 400000000), (400000000, 1), (20000, 20000)]:
        yield "memory", f"{train} {SMALL} --envs {envs} --rollout {steps} --steps 9223372036854775807", {}
    for head in ["discretised:0", "discretised:1", "discretised:1025", "discretised:99999999999999999999", "discretised:", "discretised:-3",
                 "beta:3", "", ":", "discretised:2:2", "x" * 10000]:
        yield "heads", f"train pendulum {{backend}} {SMALL} --envs 2 --rollout 4 --steps 8 --head={shlex.quote(head)}", {}

    for option in ["obs", "hidden", "actions", "rows", "steps", "envs"]:
        for size in SIZES:
            if size not in ("1", "2"):
                yield "bench", f"bench --list {{backend}} --{option}={shlex.quote(size)}", {}
    for sizes in ["--obs 65536 --rows 4194304", "--hidden 16384,16384,16384,16384 --rows 4194304", "--steps 65536 --envs 1048576"]:
        yield "bench", f"bench {{backend}} {sizes} --only gae", {}

    # Settings of a file, one by one.
    integers = ["num_envs", "num_steps", "total_timesteps", "num_minibatches", "minibatch_size", "update_epochs", "adv_ddof"]
    reals = ["learning_rate", "gamma", "gae_lambda", "adv_eps", "clip_coef", "dual_clip", "clip_coef_vf", "ent_coef", "vf_coef",
             "max_grad_norm", "target_kl", "adam_eps", "adam_beta1", "weight_decay"]
    choices = ["algorithm", "preset", "value_loss", "optimizer", "shuffle", "norm_adv", "kl_penalty", "init", "advantage", "obs_norm",
               "reward_norm", "trust_region", "ent_coef_schedule"]
    for key in integers:
        for value in [*HUGE, *NUMBERS]:
            # Passes and minibatches by the billion are taken: they are what was asked for. So they have their own group.
            if key in ("num_minibatches", "minibatch_size", "total_timesteps") and value in HUGE:
                continue
            yield "settings", f"{train} {SMALL} --config c.toml", {"c.toml": f"preset = \"cleanrl\"\nnum_envs = 2\nnum_steps = 4\n".replace(
                f"{key} = {'2' if key == 'num_envs' else '4'}\n", "") + f"{key} = {value}\n"}
    for key in [*reals, *choices]:
        for value in NUMBERS:
            yield "settings", f"{train} {SMALL} --envs 2 --rollout 4 --steps 8 --config c.toml", {
                "c.toml": (f"{key} = {value}\n" if key == "preset" else f"preset = \"cleanrl\"\n{key} = {value}\n")}
    for key in ["cg_iterations", "line_search_steps", "fisher_subsample", "subsample", "max_kl", "damping", "cg_tolerance"]:
        for value in ["0", "-1", "4294967295", "4294967296", "18446744073709551615", "nan", "1e300", '"x"']:
            # Four billion iterations are taken, too, though they end when the residual is small.
            if key in ("cg_iterations", "line_search_steps") and value == "4294967295":
                continue
            yield "settings", f"{train} {SMALL} --envs 2 --rollout 4 --steps 8 --config c.toml", {
                "c.toml": f"algorithm = \"trpo\"\n[trust_region]\n{key} = {value}\n"}

    # Texts that are no settings.
    texts = {"empty": "", "blank": "\n" * 10000, "key": "=", "open": "[", "deep": "a = " + "[" * 20000, "tables": "[a." + "a." * 20000 + "a]",
             "long": "x = \"" + "y" * 1000000 + "\"", "many": "".join(f"k{i} = 1\n" for i in range(50000)), "twice": "gamma = 0.9\ngamma = 0.9",
             "nul": "gamma = 0.9\0", "bom": "\ufeffgamma = 0.9", "cr": "gamma = 0.9\r", "emoji": "\U0001f600 = 1", "dots": "a" + ".b" * 10000 + " = 1"}
    for text in texts.values():
        yield "texts", f"{train} {SMALL} --envs 2 --rollout 4 --steps 8 --config c.toml", {"c.toml": text}
    for data in [b"\xff\xfe\x00", b"\x80" * 1000, bytes(range(256)) * 100]:
        yield "texts", f"{train} {SMALL} --envs 2 --rollout 4 --steps 8 --config c.toml", {"c.toml": data}
    for path in ["/dev/zero", "/dev/null", "/", "/proc/self/mem", "."]:
        yield "texts", f"{train} {SMALL} --envs 2 --rollout 4 --steps 8 --config {path}", {}
        yield "files", f"update {path} --policy p.safetensors --config c.toml --out o.safetensors {{backend}}", {
            "p.safetensors": policy(SPEC), "c.toml": ""}
        yield "files", f"update r.safetensors --policy {path} --config c.toml --out o.safetensors {{backend}}", {
            "r.safetensors": safetensors({}, rollout()), "c.toml": ""}

    # Policies and rollouts that say what they are not. The first is one that is right.
    update = "update r.safetensors --policy p.safetensors --config c.toml --out o.safetensors {backend}"
    right = {"r.safetensors": safetensors({}, rollout()), "c.toml": "update_epochs = 1\nnum_minibatches = 1\n"}
    yield "specs", update, {"p.safetensors": policy(SPEC), **right}
    extreme = [0, 1, -1, 1.5, "3", None, True, 2**31, 2**32, 2**53 + 1, 2**63, 2**64 - 1, 2**64, [], {}]
    for size in extreme:
        for key in ["obs_dim", "trunk", "policy_hidden", "value_hidden"]:
            yield "specs", update, {"p.safetensors": policy({**SPEC, key: size if key == "obs_dim" else [size, size]}), **right}
        for head in [{"kind": "categorical", "actions": size}, {"kind": "categorical", "actions": size, "masked": True},
                     {"kind": "multi_discrete", "nvec": [size, size]}, {"kind": "bernoulli", "dims": size}, {"kind": "gaussian", "dims": size},
                     {"kind": "gaussian", "dims": size, "std": {"from_state": True}}, {"kind": size},
                     {"kind": "beta", "dims": size, "bounds": {"low": [-1], "high": [1]}},
                     {"kind": "discretised", "dims": size, "bins": size, "bounds": {"low": [-1], "high": [1]}}]:
            yield "specs", update, {"p.safetensors": policy({**SPEC, "head": head}), **right}
    for spec in ["", "null", "[]", "{}", "[" * 10000, json.dumps({**SPEC, "activation": "x"}), json.dumps({**SPEC, "head": "categorical"}),
                 json.dumps({**SPEC, "head": {"kind": "beta", "dims": 1, "bounds": {"low": [1e39], "high": [-1e39]}}})]:
        yield "specs", update, {"p.safetensors": policy(spec), **right}
    for shape in [[0, 2, 3], [2**63, 2, 3], [2**32, 2**32, 3], [4, 2], [4, 2, 3, 1], [], [1, 1, 2**64 - 1], [4, 2, 4]]:
        broken = rollout()
        broken["obs"] = (broken["obs"][0], shape, broken["obs"][2])
        yield "files", update, {**right, "p.safetensors": policy(SPEC), "r.safetensors": safetensors({}, broken)}
    for head in [b"", b"\0" * 7, b"\0" * 8, struct.pack("<Q", 2**64 - 1), struct.pack("<Q", 10**8), struct.pack("<Q", 10**8 + 1) + b"{}",
                 struct.pack("<Q", 2) + b"{}", struct.pack("<Q", 4) + b"[[[["]:
        yield "files", update, {**right, "p.safetensors": policy(SPEC), "r.safetensors": head}
        yield "files", update, {**right, "p.safetensors": head}


def run(program, backend, arguments, files, memory, seconds):
    """(verdict, exit code, seconds, last words)."""
    def limits():
        resource.setrlimit(resource.RLIMIT_AS, (memory * 1024, memory * 1024))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            pathlib.Path(folder, name).write_bytes(data)
        command = [program, *shlex.split(arguments.replace("{backend}", backend))]
        begin = time.monotonic()
        child = subprocess.Popen(command, cwd=folder, preexec_fn=limits, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, start_new_session=True)
        try:
            said = child.communicate(timeout=seconds)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            said = child.communicate()[0].decode(errors="replace")
            return "no answer", child.returncode, seconds, said
        taken, code = time.monotonic() - begin, child.returncode
    if "panicked at" in said:
        return "panic", code, taken, said
    if code < 0:
        return f"signal {-code}", code, taken, said
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    verdict = {0: "done", 1: "refused", 2: "usage"}.get(code, "other code")
    if verdict == "refused" and len(errors) != 1:
        verdict = "no one line"
    return verdict, code, taken, said


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(root / "target/debug/wgpo"))
    parser.add_argument("--adapter", help="as `wgpo info` writes it [default: the CPU]")
    parser.add_argument("--memory", type=int, default=4 << 20, help="KiB of address space")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", help="a group, or a part of the arguments")
    parser.add_argument("--every", type=int, default=1, help="only every N-th case")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    backend = f"--adapter {shlex.quote(args.adapter)}" if args.adapter else "--backend cpu"
    program = os.path.abspath(args.program)
    fine = {"done", "refused", "usage"}
    counts, slowest, results = collections.defaultdict(collections.Counter), 0.0, []
    chosen = [case for case in cases() if not args.only or args.only == case[0] or args.only in case[1]]
    for group, arguments, files in chosen[:: args.every]:
        verdict, code, taken, said = run(program, backend, arguments, files, args.memory, args.seconds)
        counts[group][verdict] += 1
        slowest = max(slowest, taken)
        results.append({"group": group, "arguments": arguments[:200], "verdict": verdict, "code": code, "seconds": round(taken, 3),
                        "said": said[-300:]})
        if verdict not in fine:
            shown = {name: (content if isinstance(content, str) else repr(content))[:200] for name, content in files.items()}
            print(f"{verdict}: wgpo {arguments[:300]} {shown}\n    {said[-500:].strip()}", flush=True)
    verdicts = sorted({verdict for counter in counts.values() for verdict in counter})
    print(f"{'':10} {'cases':>6} " + " ".join(f"{verdict:>12}" for verdict in verdicts))
    for group, counter in [*counts.items(), ("all", sum(counts.values(), collections.Counter()))]:
        print(f"{group:10} {sum(counter.values()):6} " + " ".join(f"{counter[verdict]:12}" for verdict in verdicts))
    print(f"slowest answer: {slowest:.1f} s; limit {args.seconds:g} s, {args.memory >> 10} MiB; {backend}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    return any(result["verdict"] not in fine for result in results)


if __name__ == "__main__":
    sys.exit(main())
