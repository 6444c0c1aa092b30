#!/usr/bin/env bash
# Whether training on several ranks can be tested: with `mpicc` and `mpirun` of Open MPI or MPICH, and libclang to build with. What lacks
# is installed where apt-get and root are at hand. Ends with 0 if all is there; with 1, and a line that says what was left out, if not, and with 2
# if REQUIRE_MPI is set then.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Building needs libclang beside mpicc: its bindings are made from MPI's header.
clang_here() { [[ -n ${LIBCLANG_PATH:-} ]] || { ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep -q 'libclang.*\.so' \
    || compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null; }
mpi_here() { command -v mpicc >/dev/null && command -v mpirun >/dev/null && clang_here; }

left_out() {
    [[ -z ${REQUIRE_MPI:-} ]] || { printf 'error: %s\n' "$1" >&2; exit 2; }
    printf '\n== SKIPPED: training on several ranks (%s)\n' "$1"
    exit 1
}

if ! mpi_here; then
    command -v apt-get >/dev/null || left_out "no mpicc, mpirun or libclang here, and no apt-get"
    root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null || left_out "no mpicc, mpirun or libclang here; installing them needs root"
        root=(sudo)
    fi
    packages=(libclang-dev)
    command -v mpicc >/dev/null && command -v mpirun >/dev/null || packages+=(libopenmpi-dev openmpi-bin)
    ${root[@]+"${root[@]}"} apt-get update
    ${root[@]+"${root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}" \
        || left_out "Open MPI cannot be installed"
fi
mpirun --version | head -n 1
