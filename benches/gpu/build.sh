#!/usr/bin/env bash
# Builds a `wgpo` that runs on old Linux systems (glibc 2.17, x86-64), and packs it with visit.sh and the peers into target/gpu/wgpo-visit.tar.gz.
#
#   bash benches/gpu/build.sh [--glibc 2.17] [--program FILE] [--no-loader]
#
# Zig is the linker, whose copy of glibc's symbols goes back that far; it and cargo-zigbuild come from PyPI into target/gpu/venv. Vulkan's loader is
# opened at run time. The one of this machine is packed, too, for machines that have none (--no-loader leaves it out).
# --program packs a program that is built already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

glibc=2.17 program='' loader=1
while (($#)); do
    case $1 in
        --glibc) glibc=$2; shift 2 ;;
        --program) program=$2; shift 2 ;;
        --no-loader) loader=''; shift ;;
        *) sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
done
target=x86_64-unknown-linux-gnu

if [[ -z $program ]]; then
    venv=target/gpu/venv
    [[ -x $venv/bin/cargo-zigbuild ]] || { ${PYTHON:-python3} -m venv "$venv" && "$venv"/bin/pip install --quiet cargo-zigbuild==0.24.1 ziglang==0.17.1; }
    # A build of its own folder: other targets and flags would rebuild each other.
    PATH=$PWD/$venv/bin:$PATH cargo zigbuild --locked --release -p wgpo-cli --bin wgpo --target "$target.$glibc" --target-dir target/gpu/build
    program=target/gpu/build/$target/release/wgpo
fi

# needs FILE: the newest version of glibc that it asks for.
needs() { objdump -T "$1" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1; }
pack=target/gpu/wgpo-visit
rm -rf "$pack"
mkdir -p "$pack/peers"
cp "$program" "$pack/wgpo"
chmod +x "$pack/wgpo"
cp benches/gpu/visit.sh benches/gpu/visit_write.sh "$pack"
cp benches/peers/*.py benches/peers/requirements.txt "$pack/peers"
cp docs/gpu-record.md "$pack/README.md"
cp LICENSE-APACHE LICENSE-MIT "$pack"
if command -v objdump >/dev/null; then
    printf 'wgpo: %s; libraries:%s\n' "$(needs "$pack/wgpo")" "$(objdump -p "$pack/wgpo" | awk '$1 == "NEEDED" { printf " %s", $2 }')"
    newest=$(needs "$pack/wgpo")
    if [[ $(printf '%s\n' "GLIBC_$glibc" "$newest" | sort -V | tail -1) != "GLIBC_$glibc" ]]; then
        printf 'note: it asks for %s, more than %s: older systems cannot run it\n' "$newest" "$glibc" >&2
    fi
else
    printf 'note: no objdump (binutils) here: nobody has looked which glibc the program asks for\n' >&2
fi
library=$({ ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | awk '/libvulkan\.so\.1 .*x86-64/ { print $NF; exit }')
if [[ -n $loader && -n $library ]]; then
    mkdir -p "$pack/lib"
    cp -L "$library" "$pack/lib/libvulkan.so.1"
    ! command -v objdump >/dev/null || printf 'libvulkan.so.1 of this machine: %s\n' "$(needs "$library")"
fi
tar -czf "$pack.tar.gz" -C target/gpu wgpo-visit
printf '%s: %s bytes\n' "$pack.tar.gz" "$(wc -c <"$pack.tar.gz")"
