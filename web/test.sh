#!/usr/bin/env bash
# Tests of the page in web/dist (bash web/build.sh makes it): types, then a real Chromium with WebGPU on SwiftShader, then the same module
# under Node with Dawn.
#
# CHROMIUM names the browser (default /usr/bin/chromium). Node takes SwiftShader, too; with --lavapipe it takes lavapipe of Debian's backports,
# unpacked in target/lavapipe (Dawn refuses Mesa before 23). LLVM compiles some kernels for 10 to 20 s each, so the first such run takes long.
# DAWN_DRIVER names any other Vulkan driver's description.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

[[ -e dist/train_bg.wasm && -e dist/measure_bg.wasm ]] || fail "web/dist has no modules; make it by bash web/build.sh"
[[ -x ${CHROMIUM:-/usr/bin/chromium} ]] || fail "no Chromium: install it (Debian: chromium), or name one with CHROMIUM"
[[ -d node_modules ]] || npm ci --silent
npx tsc -p .

# What is asked here is whether it works, not how fast. Two files at a time: the oracles have one thread, and so leave half of two cores idle.
if [[ ${1:-} == --lavapipe ]]; then
    DAWN_DRIVER=$(bash tests/lavapipe.sh ../target/lavapipe) || fail "no lavapipe that Dawn takes is to be had here"
    export DAWN_DRIVER LP_NUM_THREADS=0
fi
node --test --test-concurrency=2 --test-reporter=spec tests/*.test.mjs
