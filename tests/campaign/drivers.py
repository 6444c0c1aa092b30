#!/usr/bin/env python3
"""`wgpo check` on several drivers: a table of its rows × the drivers.

    drivers.py [--program target/debug/wgpo] [--seconds S] [--json FILE] [--markdown] DRIVER …

A DRIVER is the description of a Vulkan driver (`lvp_icd.x86_64.json`), or a variable and its value (`WGPU_BACKEND=gl`), each with an optional
name before it: `mesa25:/path/lvp.json`. Every driver has a process of its own that sees no other. Rows that pass everywhere are counted, and
shown with --all. Exit code 1 if a driver has a row that fails, finds no adapter, takes longer than --seconds or dies. Standard library only.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time


def check(program, driver, seconds):
    """(adapter, rows by name, seconds, fault)."""
    environment = {key: value for key, value in os.environ.items() if key not in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES", "WGPU_BACKEND")}
    if "=" in driver:
        key, value = driver.split("=", 1)
        environment[key] = value
    else:
        environment.update(VK_DRIVER_FILES=os.path.abspath(driver), WGPU_BACKEND="vulkan")
    begin = time.monotonic()
    try:
        done = subprocess.run([program, "check", "--json"], env=environment, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return "", {}, seconds, f"no end within {seconds:g} s"
    taken = time.monotonic() - begin
    try:
        said = json.loads(done.stdout)
    except ValueError:
        words = done.stderr.decode(errors="replace").strip()[-300:]
        return "", {}, taken, f"exit code {done.returncode}: {words}"
    one = said[0] if isinstance(said, list) else said
    if "adapters" in one:
        one = one["adapters"][0]
    rows = {f"{row['kernel']} {row['shape']}": row for row in one["rows"]}
    return f"{one['adapter']}, {one['driver_info']}", rows, taken, None


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("drivers", nargs="+", metavar="DRIVER")
    parser.add_argument("--program", default=str(root / "target/debug/wgpo"))
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--all", action="store_true", help="also the rows that pass everywhere")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    results = {}
    for driver in args.drivers:
        name, colon, place = driver.partition(":")
        name, place = (name, place) if colon and "/" not in name and "=" not in name else (pathlib.Path(driver).name, driver)
        print(f"{name} …", file=sys.stderr, flush=True)
        results[name] = check(os.path.abspath(args.program), place, args.seconds)
    names = list(results)
    print("| driver | adapter | rows | pass | fail | largest error / tolerance | seconds |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name, (adapter, rows, taken, fault) in results.items():
        passed = sum(row["passed"] for row in rows.values())
        worst = max((row["worst_error"] / row["tolerance"] for row in rows.values() if row["tolerance"] and row["worst_error"] is not None),
                    default=0.0)
        print(f"| {name} | {adapter or fault} | {len(rows)} | {passed} | {len(rows) - passed} | {worst:.2f} | {taken:.0f} |")
    every = list(dict.fromkeys(row for _, rows, _, _ in results.values() for row in rows))
    shown = [row for row in every if args.all or any(not rows.get(row, {"passed": not rows})["passed"] for _, rows, _, _ in results.values())]
    if shown:
        print(f"\n| row | {' | '.join(names)} |\n| --- |{' --- |' * len(names)}")
    for row in shown:
        def cell(rows):
            if row not in rows:
                return "not there"
            one = rows[row]
            return ("pass" if one["passed"] else "FAIL") + f" {one['worst_error']} of {one['tolerance']}" + (f" {one['fault']}" if one["fault"] else "")
        print(f"| {row} | {' | '.join(cell(rows) for _, rows, _, _ in results.values())} |")
    print(f"\n{len(every) - len(shown)} of {len(every)} rows are not shown: they pass on every driver that ran" if not args.all else "")
    if args.json:
        args.json.write_text(json.dumps({name: {"adapter": a, "rows": list(r.values()), "seconds": t, "fault": f}
                                         for name, (a, r, t, f) in results.items()}, indent=1))
    return any(fault or not all(row["passed"] for row in rows.values()) for _, rows, _, fault in results.values())


if __name__ == "__main__":
    sys.exit(main())
