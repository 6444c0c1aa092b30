#!/usr/bin/env bash
# Clippy on the library and the modules for wasm32-unknown-unknown, with the compiler that web/build.sh takes; 3 where that has no clippy.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=wasm32-unknown-unknown
library=(--locked --package wgpo --no-default-features --features cpu,webgpu)
modules=(--locked --manifest-path web/Cargo.toml --workspace)
if compgen -G "$(rustc --print sysroot)/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null; then
    check() { cargo clippy --target $target --target-dir target/web "$@" -- -D warnings; }
elif [[ -x /usr/bin/clippy-driver && -x /usr/bin/rustc && -e $(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock ]]; then
    # What `cargo clippy` does, without asking another toolchain's cargo to do it: the word at the end of CLIPPY_ARGS is clippy's own mark between arguments.
    check() {
        RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTC_WORKSPACE_WRAPPER=/usr/bin/clippy-driver CLIPPY_ARGS=-Dwarnings__CLIPPY_HACKERY__ \
            cargo check --target $target --target-dir target/web -Zbuild-std=std,panic_abort "$@"
    }
else
    printf 'no clippy for %s: run `rustup target add %s`, or on Debian `apt-get install --no-install-recommends rust-web-clippy`\n' "$target" "$target"
    exit 3
fi
check "${library[@]}"
check "${modules[@]}"
