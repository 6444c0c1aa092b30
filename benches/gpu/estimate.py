"""Registers, spills and occupancy of every kernel on GPUs that are not here, as a driver's compiler says: a table for benches/record/estimates.

    python3 benches/gpu/estimate.py --program target/release/wgpo --tool "COMMAND" >benches/record/estimates/2026-01-31.txt

`wgpo info --wgsl` writes the composed kernels. COMMAND is a program that compiles WGSL for an AMD chip, given `--family NAME --unchecked --json
[--override NAME=VALUE …] FILE…`, and prints `{"kernels": [{"file", "entry", "vgprs", "spilled", "lds_bytes", "occupancy", "instructions",
"inverse_throughput"}, …]}`: what Vulkan's VK_KHR_pipeline_executable_properties tells. Ours asks Mesa's RADV, which compiles for chips that are not in
the machine (RADV_FORCE_FAMILY). The exit code is 1 if a kernel spills.
"""

import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

# The chip, and the driver's name of a family that has it.
CHIPS = {
    "gfx1100": "GFX1100",
    "gfx1102": "GFX1102",
    "gfx1030": "NAVI21",
    "gfx1010": "NAVI10",
    "gfx90a": "ALDEBARAN",
    "gfx900": "VEGA10",
}
TANH, SILU = 1, 4
# How a tiled product loads (shaders/parts/tile.wgsl): rows of vectors, rows that begin at vectors (of two kernels), or anything.
LOADS = {"whole": (1, 1), "rows": (2, 1), "windows": (0, 0)}


def ways(kernel, text):
    """Names and overrides of the ways in which a kernel is compiled."""
    has = set(re.findall(r"^override (\w+)", text, re.M))
    silu = {name: value for name, value in {"ACTIVATION": SILU, "INPUT_ACTIVATION": SILU, "KEEPS_PREACTIVATION": 1}.items() if name in has}
    tanh = {"ACTIVATION": TANH} if "ACTIVATION" in has else {}
    if "COLUMN_LANES" not in has:
        yield "tanh" if tanh else "", tanh
        if silu:
            yield "SiLU", silu
        return
    for name, (rows, columns) in LOADS.items():
        if name == "rows" and kernel not in ("mlp_forward_tiled", "mlp_jvp_tiled"):
            continue
        own = {**tanh, "ROWS_WHOLE": rows, "COLUMNS_WHOLE": columns}
        yield f"staged, {name}", {**own, "STAGED": 1, "TILE_VECTORS": 128, "COLUMN_LANES": 8}
        for lanes in (8, 1):
            yield f"direct {8 * lanes} wide, {name}", {**own, "STAGED": 0, "TILE_VECTORS": 1, "COLUMN_LANES": lanes}
        if silu:
            yield f"staged SiLU, {name}", {**own, **silu, "STAGED": 1, "TILE_VECTORS": 128, "COLUMN_LANES": 8}


def figures(tool, family, files, overrides):
    """Rows of the tool, by file."""
    flags = [word for item in overrides.items() for word in ("--override", "{}={}".format(*item))]
    run = subprocess.run([*tool, "--family", family, "--unchecked", "--json", *flags, *files], capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stdout + run.stderr)
    return {row["file"]: row for row in json.loads(run.stdout)["kernels"]}


def compiled(tool, folder):
    """{(kernel, way): {chip: figures}}"""
    groups = {}
    for path in sorted(folder.iterdir()):
        for way, overrides in ways(path.name.split(".")[0], path.read_text()):
            groups.setdefault(tuple(overrides.items()), []).append((path, way))
    found = {}
    for overrides, members in groups.items():
        files = [str(path) for path, _ in members]
        for chip, family in CHIPS.items():
            rows = figures(tool, family, files, dict(overrides))
            for path, way in members:
                found.setdefault((path.stem, way), {})[chip] = rows[path.name]
        print(f"{len(found)} pipelines", file=sys.stderr)
    return dict(sorted(found.items()))


def table(found):
    """A row per pipeline: registers, spilled ones, waves a SIMD of every chip."""
    print(f"{'kernel':50}{'way':25}{'LDS B':>6}" + "".join(f"{chip:>14}" for chip in CHIPS))
    for (kernel, way), chips in found.items():
        cells = (f"{one['vgprs']:>4}{one['spilled']:>4}{one['occupancy']:>4}" for one in chips.values())
        print(f"{kernel:50}{way:25}{chips['gfx1100']['lds_bytes']:6}" + "".join(f"{cell:>14}" for cell in cells))


def tiles(found):
    """Ways of the tiled products, each chip's own cycles a wave over those of the staged one."""
    print(f"{'kernel':50}{'way':31}" + "".join(f"{chip:>14}" for chip in CHIPS))
    for (kernel, way), chips in found.items():
        if way.startswith("direct"):
            staged = found[kernel, "staged, " + way.rpartition(", ")[2]]
            cells = (f"{one['inverse_throughput'] / staged[chip]['inverse_throughput']:.2f}" for chip, one in chips.items())
            print(f"{kernel:50}{way:31}" + "".join(f"{cell:>14}" for cell in cells))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/wgpo")
    parser.add_argument("--tool", required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([args.program, "info", "--wgsl", folder], check=True, capture_output=True)
        found = compiled(shlex.split(args.tool), pathlib.Path(folder))
    version = subprocess.run([args.program, "--version"], capture_output=True, text=True).stdout.strip()
    print(f"{version}: {len(found)} pipelines, on each chip vector registers, spilled ones, waves a SIMD\n")
    table(found)
    print("\nTiled products: estimated cycles of a wave over those of the staged way with the same loads\n")
    tiles(found)
    spills = [key for key, chips in found.items() if any(one["spilled"] or one["scratch_bytes"] for one in chips.values())]
    print(f"\nspilled: {spills or 'none'}")
    sys.exit(bool(spills))


if __name__ == "__main__":
    main()
