#!/usr/bin/env bash
# Tests of the page in web/dist (bash web/build.sh makes it): types, then a real Chromium with WebGPU on SwiftShader, then the same module
# under Node with Dawn.
#
# CHROMIUM names the browser (default /usr/bin/chromium). DAWN_DRIVER names the Vulkan driver for Node; without it lavapipe of Debian's backports is
# unpacked in target/lavapipe where it is to be had, because Dawn refuses Mesa before 23; else SwiftShader is taken.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

[[ -e dist/wgpo_web_bg.wasm ]] || fail "web/dist has no module; make it by bash web/build.sh"
[[ -d node_modules ]] || npm ci --silent
npx tsc -p .

# What is measured here is whether it works; tests run one after the other, so that each has the machine.
driver=${DAWN_DRIVER:-$(bash tests/lavapipe.sh ../target/lavapipe)} || driver=
[[ -z $driver ]] || export DAWN_DRIVER=$driver
node --test --test-concurrency=1 --test-reporter=spec tests/*.test.mjs
