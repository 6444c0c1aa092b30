#!/usr/bin/env bash
# Builds and runs the examples that are packages of their own: inside Bevy, beside Burn. The first build compiles an engine and a framework, five minutes
# each on two cores; run.sh runs Bevy's. What they compile lies in their own target folders, or in CARGO_TARGET_DIR.
#
# Like the tests they run on Mesa's software Vulkan driver (lavapipe); name another with VK_DRIVER_FILES=/usr/share/vulkan/icd.d/….json
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../examples"

if [[ -z ${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}} ]]; then
    VK_DRIVER_FILES=$(find /usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/share/vulkan/icd.d -name 'lvp_icd*.json' -print -quit 2>/dev/null || true)
    [[ -n $VK_DRIVER_FILES ]] || { echo "error: no lavapipe; tests/run.sh installs it" >&2; exit 1; }
    export VK_DRIVER_FILES
fi
if [[ -z ${XDG_RUNTIME_DIR:-} ]]; then
    XDG_RUNTIME_DIR=$(mktemp -d) # the Vulkan loader complains without one
    trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT
    export XDG_RUNTIME_DIR
fi

# Each says by its exit status whether it learned; none takes longer than a few minutes once it is built.
for example in ${*:-burn bevy}; do
    printf '\n== %s\n' "$example"
    (
        cd "$example"
        cargo fmt --check
        # Bevy states a newer Rust than it needs, see bevy/README.md.
        cargo build --locked --ignore-rust-version
        timeout 600 cargo run --locked --ignore-rust-version --quiet
    )
done
printf '\n== Learned\n'
