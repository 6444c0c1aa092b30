#!/usr/bin/env bash
# Unpacks lavapipe of Debian's backports into the folder $1, which Dawn takes where Debian 12's own is too old. Nothing is installed: package
# lists and files stay in the folder. Prints the driver's description. Fails where this is no Debian 12 or its mirror has no backports.
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
icd=$folder/lvp_icd.json
if [[ -e $icd ]]; then printf '%s\n' "$icd"; exit; fi
. /etc/os-release
[[ ${VERSION_CODENAME:-} == bookworm ]] || exit 1

mirror=$({ sed -n 's/^URIs: *\([^ ]*\/debian\)\/\? *$/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null || true
           sed -n 's/^deb .*\(http[^ ]*\/debian\)\/\? bookworm main.*/\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true; } | head -1)
[[ -n $mirror ]] || exit 1
mkdir -p "$folder"/{lists/partial,archives/partial,root}
printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s bookworm-backports main\n' "$mirror" > "$folder/sources.list"
apt=(-qq -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder"
     -o APT::Sandbox::User=root -o Acquire::Languages=none)
apt-get "${apt[@]}" update >&2
cd "$folder"
apt-get "${apt[@]}" download mesa-vulkan-drivers/bookworm-backports >&2
dpkg-deb -x mesa-vulkan-drivers_*.deb root
lib=$(find "$folder/root" -name libvulkan_lvp.so | head -1)
missing=$(ldd "$lib" | grep 'not found' || true)
[[ -z $missing ]] || { printf 'lavapipe of the backports lacks:\n%s\n' "$missing" >&2; exit 1; }
sed "s#\"library_path\": *\"[^\"]*\"#\"library_path\": \"$lib\"#" "$(find "$folder/root" -name 'lvp_icd*.json' | head -1)" > "$icd"
printf '%s\n' "$icd"
