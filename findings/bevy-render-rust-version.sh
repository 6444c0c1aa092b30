#!/usr/bin/env bash
# bevy_render 0.20.1 states no rust-version, and what it always depends on needs Rust 1.97.1. The facade `bevy` 0.20.1 does state 1.97.1, so
# that cargo, which picks versions by rust-version, treats the two differently. A package with rust-version 1.95 that allows 0.19 to 0.20.1:
#   of bevy:        cargo locks 0.19.1, the newest one for Rust 1.95
#   of bevy_render: cargo locks 0.20.1, "to latest Rust 1.95 compatible versions", and with it wesl 0.6.0, which requires Rust 1.97.1
# The build is then refused by Rust 1.95 to 1.97.0 ("rustc 1.95.0 is not supported by the following packages: wesl@0.6.0 requires rustc 1.97.1"),
# though all that the allowed 0.19.1 brings along states 1.95.0 or less. wesl comes by way of bevy_shader, which is neither optional nor behind a feature or a target.
# Other crates of the same release state 1.95.0 (bevy_ecs) or 1.94.0 (bevy_math): no one number holds for Bevy. An engine that uses bevy_render
# without the facade has to name an older version, or to build with --ignore-rust-version. Seen with cargo 1.95.0:
#   bevy: locked 0.19.1, bevy_render: locked 0.20.1
#   stated: bevy_ecs 1.95.0, bevy_math 1.94.0, bevy_render none, bevy_shader none, wesl 1.97.1
#   bevy_render -> bevy_shader -> wesl ^0.6.0, always
# Exit code 0 as long as it is so. Needs cargo 1.84 or later, python3 and crates.io. Nothing is compiled.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for name in bevy bevy_render; do
    mkdir -p "$folder/$name/src"
    echo 'fn main() {}' > "$folder/$name/src/main.rs"
    cat > "$folder/$name/Cargo.toml" <<TOML
[package]
name = "any"
version = "0.1.0"
edition = "2024"
rust-version = "1.95"

[dependencies]
$name = { version = ">=0.19, <=0.20.1", default-features = false }
TOML
    (cd "$folder/$name" && CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback cargo generate-lockfile 2> lock.txt)
done
grep "Locking" "$folder/bevy_render/lock.txt" || true
(cd "$folder/bevy_render" && cargo metadata --locked --format-version 1 > metadata.json 2> metadata.txt)
python3 - "$folder" <<'PYTHON'
import json
import sys
import tomllib

folder = sys.argv[1]
locked = {}
for name in ["bevy", "bevy_render"]:
    with open(f"{folder}/{name}/Cargo.lock", "rb") as file:
        locked[name] = next(p["version"] for p in tomllib.load(file)["package"] if p["name"] == name)
print(", ".join(f"{name}: locked {version}" for name, version in locked.items()))
with open(f"{folder}/bevy_render/metadata.json") as file:
    packages = {p["name"]: p for p in json.load(file)["packages"]}
stated = {name: packages[name]["rust_version"] for name in ["bevy_ecs", "bevy_math", "bevy_render", "bevy_shader", "wesl"]}
print("stated:", ", ".join(f"{name} {version or 'none'}" for name, version in stated.items()))


def always(name, needs):
    return any(d["name"] == needs and not d["optional"] and d["target"] is None and d["kind"] is None for d in packages[name]["dependencies"])


chain = always("bevy_render", "bevy_shader") and always("bevy_shader", "wesl")
print("bevy_render -> bevy_shader -> wesl, always:", chain)
right = locked["bevy"].startswith("0.19.") and locked["bevy_render"] == "0.20.1" and chain
right = right and stated["bevy_render"] is None and stated["bevy_shader"] is None and stated["wesl"] == "1.97.1"
sys.exit(0 if right else "the behaviour has changed")
PYTHON
if cargo --version | grep -qE ' 1\.(8[5-9]|9[0-6])\.| 1\.97\.0'; then
    refusal=$(cd "$folder/bevy_render" && cargo check --locked 2>&1 || true)
    echo "$refusal" | grep -E 'is not supported|wesl@' || { echo "the build is no longer refused"; exit 1; }
fi
