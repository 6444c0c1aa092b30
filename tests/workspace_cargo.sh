#!/usr/bin/env bash
# Cargo for maturin in run.sh (as CARGO). maturin asks for python/'s library alone, which resolves other features of the dependencies than
# `cargo test --workspace` does: every dependency would be compiled a second time, some 12 minutes of a CPU. This builds the same library among the whole
# workspace, so that all that the tests compiled is used again. Other calls, and other systems (whose linkers maturin gives words of its own), are cargo's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo=$(type -P cargo)
if [[ ${1:-} != rustc || $(uname) != Linux ]]; then
    exec "$cargo" "$@"
fi
# What is built is the development profile's, for this machine, whatever maturin asks for.
for word in "$@"; do
    case $word in
        --release | release | --target*) echo "error: workspace_cargo.sh builds neither '$word' nor for another machine" >&2; exit 1 ;;
    esac
done
# PyO3's build scripts run anew where these differ from before.
unset VIRTUAL_ENV "${!PYO3_@}"
# A test program among what is built brings the development dependencies' features in; this one the tests have just linked.
exec "$cargo" build --locked --workspace --lib --test structure --message-format json-render-diagnostics
