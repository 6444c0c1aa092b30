#!/usr/bin/env bash
# Builds the page: the library for wasm32-unknown-unknown, JavaScript around it, and web/dist, which any static server can serve.
#
#   bash web/build.sh            uses what is installed, and says what is missing
#   bash web/build.sh --install  installs that first: rustup's target, or Debian's packages (as root)
#
# Beside Rust it needs Node.js 20 or later with npm. Everything else stays below target/ and web/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'web: %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
target=wasm32-unknown-unknown
install=
case ${1:-} in
    --install) install=1 ;;
    '') ;;
    *) fail "$1 is no option; there is --install" ;;
esac

# A compiler that has the target's standard library, as rustup's has after `rustup target add`.
has_std() { command -v "$1" >/dev/null && compgen -G "$("$1" --print sysroot)/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null; }
# A compiler with the sources of its own standard library, from which cargo can build it: Debian's rustc-web with rust-web-src.
has_source() { [[ -x $1 && -e $("$1" --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock ]]; }
# The linker of that compiler's LLVM, or a later one.
linker() { compgen -c wasm-ld- | sort -t- -k3 -n | tail -1; }

if [[ -n $install ]] && ! has_std rustc && ! { has_source /usr/bin/rustc && [[ -n $(linker) ]]; }; then
    if command -v rustup >/dev/null && rustup target add $target; then
        say "rustup added $target for the whole toolchain"
    elif command -v apt-get >/dev/null; then
        root=()
        ((EUID == 0)) || root=(sudo)
        say "apt-get installs rustc-web, rust-web-src, rust-web-clippy and lld-22 for the whole machine"
        ${root[@]+"${root[@]}"} apt-get update
        ${root[@]+"${root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends rustc-web rust-web-src rust-web-clippy lld-22
    fi
fi

build=(cargo build --locked --release --target $target --manifest-path web/Cargo.toml --workspace --target-dir target/web)
if has_std rustc; then
    say "standard library of $target: the toolchain's own ($(rustc --version))"
elif has_source /usr/bin/rustc && [[ -n $(linker) ]]; then
    say "standard library of $target: built from the sources of $(/usr/bin/rustc --version), linked by $(linker)"
    build=(env RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$(linker)" "${build[@]}" -Zbuild-std=std,panic_abort)
else
    fail "no standard library for $target. Run \`rustup target add $target\`, or on Debian \
\`apt-get install --no-install-recommends rustc-web rust-web-src rust-web-clippy lld-22\`, or this script with --install"
fi
# A module holds the names of source files, for panics. Those of this machine are no visitor's business.
home=${CARGO_HOME:-$HOME/.cargo}
# Cargo's encoded form, since a folder's name may have a space.
flags=()
read -ra flags <<< "${RUSTFLAGS:-}"
flags+=("--remap-path-prefix=$home=cargo" "--remap-path-prefix=$PWD=wgpo")
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; printf '%s' "${flags[*]}") "${build[@]}"

version=$(sed -n 's/^wasm-bindgen-cli-support = "=\([0-9.]*\)".*/\1/p' web/bind/Cargo.toml)
bound=target/web/bound
rm -rf "$bound"
if [[ $(wasm-bindgen --version 2>/dev/null) == "wasm-bindgen $version" ]]; then
    say "JavaScript by wasm-bindgen $version, which is installed"
    bind() { wasm-bindgen --target web --out-dir "$bound" "$1"; }
else
    say "JavaScript by wasm-bindgen $version, which is built first"
    bind() { cargo run --locked --quiet --manifest-path web/bind/Cargo.toml --target-dir target/web/bind -- "$1" "$bound"; }
fi
for module in train measure; do
    bind target/web/$target/release/$module.wasm
done

command -v npm >/dev/null || fail "no npm: install Node.js 20 or later (Debian: nodejs npm)"
(cd web && npm ci --no-audit --no-fund --ignore-scripts)
say "smaller by $(node web/node_modules/.bin/wasm-opt --version)"
smaller=()
for module in train measure; do
    node web/node_modules/.bin/wasm-opt -Oz "$bound/${module}_bg.wasm" -o "$bound/$module.small" &
    smaller+=($!)
done
for process in "${smaller[@]}"; do wait "$process"; done
for module in train measure; do mv "$bound/$module.small" "$bound/${module}_bg.wasm"; done
node web/page/build.mjs "$bound"
for module in train measure; do
    size=$(wc -c < web/dist/${module}_bg.wasm)
    say "module $module: $((size / 1000)) kB before compression"
    # What a visitor waits for, on a phone, too.
    ((size < 2500000)) || fail "the module $module has 2.5 MB or more"
done
say "web/dist is there; look at it with"
say "  python3 -m http.server -d web/dist"
