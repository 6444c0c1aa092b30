#!/usr/bin/env bash
# Measures wgpo on a machine that is here for some minutes only: what it is, whether every kernel is right on it, how fast training, updates and kernels
# are, and PyTorch and JAX beside them where they are installed. Needs bash and a prebuilt `wgpo` (build.sh), no Rust and no network.
#
#   bash visit.sh [--minutes N] [--out FOLDER] [--adapter NAME] [--small] [--only PART,…]
#
# --minutes   in all, at most [6]; each part has a limit of its own besides, and the most valuable ones come first
# --out       folder of the results [visit-DATE]: visit.txt begins with a summary, visit.json has everything; both are whole after each part
# --adapter   as `wgpo info` writes it; without it a hardware GPU, else the CPU reference
# --small     small sizes: shows that everything runs, not how fast
# --only      parts by name or by its beginning (`train,bench-fused`)
#
# WGPO names the program [wgpo beside this file, else target/release/wgpo], PYTHON the interpreter of the peers [python3].
set -u
export LC_ALL=C COLUMNS=160
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

minutes=6 out='' adapter='' small='' only=''
while (($#)); do
    case $1 in
        --minutes) minutes=$2; shift 2 ;;
        --out) out=$2; shift 2 ;;
        --adapter) adapter=$2; shift 2 ;;
        --small) small=1; shift ;;
        --only) only=$2; shift 2 ;;
        *) sed -n '2,/^set -u/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
done
[[ $minutes =~ ^[0-9]+$ ]] || { printf 'error: --minutes %s is not a whole number\n' "$minutes" >&2; exit 2; }

# The program, the peers and the driver
wgpo=${WGPO:-}
for file in "$here/wgpo" "$here/../../target/release/wgpo"; do
    [[ -n $wgpo || ! -x $file ]] || wgpo=$file
done
[[ -n $wgpo ]] || { printf 'error: no program: name it with WGPO (benches/gpu/build.sh builds it)\n' >&2; exit 2; }
[[ $wgpo == */* ]] && wgpo=$(cd "$(dirname "$wgpo")" && pwd)/$(basename "$wgpo")
python=${PYTHON:-python3}
peers=$here/peers
[[ -d $peers ]] || peers=$here/../peers

date=$(date -u +%Y-%m-%d)
out=${out:-visit-$date}
mkdir -p "$out/parts" "$out/runs" || exit 2
out=$(cd "$out" && pwd)
rm -f "$out"/parts/* "$out"/visit.*
cd "$out/runs" || exit 2
. "$here/visit_write.sh"

deadline=$((minutes * 60)) began=$SECONDS number=0
left() { echo $((deadline - (SECONDS - began))); }
wanted() {
    local word
    [[ -z $only ]] && return
    for word in ${only//,/ }; do
        [[ $1 == "$word"* ]] && return
    done
    return 1
}

# Runs a command for so many seconds at most; 124 where it took longer.
limited() {
    local limit=$1 pid watcher code
    shift
    if command -v timeout >/dev/null; then
        timeout -k 5 "$limit" "$@"
        return
    fi
    "$@" &
    pid=$!
    (sleep "$limit" && kill $pid && sleep 5 && kill -9 $pid) >/dev/null 2>&1 &
    watcher=$!
    wait $pid
    code=$?
    # A watcher that has acted is gone, or waits to act again.
    ((code == 143 || code == 137)) && code=124
    kill $watcher 2>/dev/null
    return $code
}

# part NAME LIMIT COMMAND…: its output in parts/NN-NAME.txt; a JSON object that it leaves in record.json in parts/NN-NAME.json.
part() {
    local name=$1 limit=$2 from code said file rest
    shift 2
    wanted "$name" || return 0
    number=$((number + 1))
    file=$out/parts/$(printf '%02d' "$number")-$name
    rest=$(($(left) - 3)) # for the files
    ((limit <= rest)) || limit=$rest
    if ((limit < 5)); then
        skipped "$name" "the time is up"
        return
    fi
    printf '%4d s  %s\n' $((SECONDS - began)) "$name" >&2
    rm -f record.json
    from=$SECONDS
    limited "$limit" "$@" >said.txt 2>wrong.txt </dev/null
    code=$?
    said='done'
    ((code == 0)) || said="failed with code $code"
    ((code != 124 && code != 137)) || said="stopped at its limit of $limit s"
    ((code != 127 && code != 126)) || said="cannot be run: $(tail -1 wrong.txt)"
    { cat said.txt; ((code == 0)) || tail -4 wrong.txt; } | clean >"$file.txt"
    [[ ! -s record.json ]] || mv record.json "$file.json"
    shown "$@" >"$file.command"
    printf '%s\t%s\t%s\t%s\n' "$name" "$((SECONDS - from))" "$code" "$said" >"$file.end"
    [[ $said == 'done' ]] || printf '        %s: %s\n' "$name" "$said" >&2
    write
}

# skipped NAME WHY
skipped() {
    wanted "$1" || return 0
    number=$((number + 1))
    printf '%s\t0\tnull\tleft out: %s\n' "$1" "$2" >"$out/parts/$(printf '%02d' "$number")-$1.end"
}

# The Vulkan loader, and a description of NVIDIA's driver, which containers often lack.
has_library() { { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | grep -q "$1"; }
vulkan='the one of the system'
if ! has_library 'libvulkan\.so\.1'; then
    vulkan='none: no libvulkan.so.1 on this machine'
    if [[ -e $here/lib/libvulkan.so.1 ]]; then
        vulkan='none on this machine: the one that came with this script'
        export LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    fi
fi
described() { ls /usr/share/vulkan/icd.d/"$1"* /etc/vulkan/icd.d/"$1"* /usr/local/share/vulkan/icd.d/"$1"* >/dev/null 2>&1; }
if [[ -z ${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-} ]] && ! described nvidia; then
    given=$(ls /usr/local/nvidia/share/vulkan/icd.d/nvidia*.json 2>/dev/null | head -1)
    if [[ -z $given ]] && has_library 'libGLX_nvidia\.so\.0'; then
        given=$out/runs/nvidia.json
        printf '{"file_format_version":"1.0.0","ICD":{"library_path":"libGLX_nvidia.so.0","api_version":"1.3.0"}}\n' >"$given"
    fi
    if [[ -n $given ]]; then
        export VK_DRIVER_FILES=$given VK_ICD_FILENAMES=$given # the second name is the one that old loaders know
        vulkan="$vulkan; NVIDIA's driver described by ${given##*/}"
    fi
fi
if [[ -z ${XDG_RUNTIME_DIR:-} ]]; then
    mkdir -p xdg && chmod 700 xdg && export XDG_RUNTIME_DIR=$PWD/xdg
fi

machine() {
    printf 'system: %s, %s\n' "$(uname -srm)" "$(ldd --version 2>&1 | head -1)"
    printf 'processor: %s, %s cores, %s\n' "$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -1)" \
        "$(getconf _NPROCESSORS_ONLN 2>/dev/null)" "$(sed -n 's/^MemTotal: *//p' /proc/meminfo 2>/dev/null)"
    printf 'Vulkan loader: %s\n' "$vulkan"
    if command -v nvidia-smi >/dev/null; then
        nvidia-smi --query-gpu=name,driver_version,memory.total,power.limit,clocks.sm,clocks.max.sm,clocks.mem,utilization.gpu,temperature.gpu \
            --format=csv 2>&1 | head -9
    fi
    ! command -v rocm-smi >/dev/null || rocm-smi --showproductname --showdriverversion 2>&1 | grep -v '^=' | head -12
    "$wgpo" info
}
export -f machine 2>/dev/null
export wgpo vulkan

# 1. What is here, and whether it is right
part info 20 bash -c machine
hardware=$(sed -n 's/^`--backend auto` takes //p' "$out"/parts/*-info.txt 2>/dev/null | grep -v 'the CPU reference')
[[ -n $hardware || -s $out/parts/01-info.txt ]] || hardware=$("$wgpo" info 2>/dev/null | sed -n 's/^`--backend auto` takes //p' | grep -v 'the CPU reference')
if [[ -n $adapter ]]; then
    place=(--adapter "$adapter") gpu=1
elif [[ -n $hardware ]]; then
    place=(--backend gpu) gpu=1
else
    place=(--backend cpu) gpu=''
    printf '        no hardware GPU: what follows is the CPU reference\n' >&2
    note 'no hardware GPU was found: what follows is the CPU reference'
fi
size=(--seconds 0.2) steps=() pace=0.3
if [[ -n $small ]]; then
    size=(--quick) steps=(--steps 2048 --eval-episodes 5) pace=0.1
    note "small sizes: no measure of speed, and wgpo's are smaller than the peers'"
fi
part check 75 "$wgpo" check ${adapter:+--adapter "$adapter"}

# 2. Where the peers are
device=cpu torch='' jax=''
if ! command -v "$python" >/dev/null; then
    why="no $(basename "$python") here"
elif [[ ! -e $peers/cases.py ]]; then
    why="no peers beside this script"
else
    why=''
    asked=$(limited 40 "$python" -c '
import importlib.util as find
for name in ("torch", "jax", "numpy"):
    print(name, bool(find.find_spec(name)))
print("jax_gpu", any(find.find_spec("jax_" + name) for name in ("cuda13_plugin", "cuda12_plugin", "rocm7_plugin", "rocm60_plugin")))
try:
    import torch
    print("device", "cuda" if torch.cuda.is_available() else "cpu", "hip" if torch.version.hip else "")
except Exception:
    pass
' 2>/dev/null </dev/null)
    if [[ $asked == *'numpy True'* ]]; then
        [[ $asked != *'torch True'* ]] || torch=1
        [[ $asked != *'jax True'* ]] || jax=1
        [[ $asked != *'device cuda'* ]] || device=cuda
        # Without PyTorch nobody has said what JAX will find.
        [[ -n $torch ]] || ! command -v nvidia-smi >/dev/null || device=cuda
    fi
fi
jax_device=$device
[[ $device != cpu || -n $why ]] || note "the peers compute on the CPU; where other processes use it, PyTorch's threads wait for each other, many times too long"
[[ ${asked:-} != *hip* ]] || jax_device=rocm
rows=(ppo_step fvp gae) compiled=(ppo_step/cartpole ppo_step/ant fvp/cartpole fvp/ant gae)
[[ -z $small ]] || rows=(ppo_step/cartpole fvp/cartpole gae/wide) compiled=(ppo_step/cartpole)

# peer NAME LIMIT SCRIPT …
peer() {
    local name=$1 limit=$2 script=$3 where=$device
    shift 3
    [[ $name != jax* ]] || where=$jax_device
    if [[ -n $why ]]; then
        skipped "$name" "$why"
    elif [[ $name == jax* && -z $jax ]]; then
        skipped "$name" 'no JAX in this Python'
    elif [[ $name == jax* && $device != cpu && $asked != *'jax_gpu True'* ]]; then
        skipped "$name" 'JAX in this Python has no plugin for GPUs'
    elif [[ $name == torch* && -z $torch ]]; then
        skipped "$name" 'no PyTorch in this Python'
    elif [[ ! -e $peers/$script ]]; then
        skipped "$name" "no $script here"
    else
        part "$name" "$limit" env PEER_DEVICE=$where PEER_SECONDS=$pace "$python" -W ignore "$peers/$script" "$@"
    fi
}

# bench NAME LIMIT KERNELS ROW… [OPTION…]: a path of kernels, `auto` for what the device has by default.
bench() {
    local name=$1 limit=$2 kernels=$3
    shift 3
    local words=()
    while (($#)) && [[ $1 != -* ]]; do
        words+=(--only "$1")
        shift
    done
    words+=("$@")
    if [[ -z $gpu && ($kernels != auto || $name == bench-kernels) ]]; then
        skipped "$name" 'no GPU to compare kernels on'
        return
    fi
    [[ -z $gpu ]] || words+=(--kernels "$kernels")
    part "$name" "$limit" "$wgpo" bench "${place[@]}" "${size[@]}" ${words[@]+"${words[@]}"} --json record.json
}

# 3. wgpo and the peers in turns, learning, and each kind of kernels
whole=("${rows[@]}" train/cartpole)
bench bench-1 60 auto "${whole[@]}"
peer jax-1 45 jax_bench.py "${rows[@]}"
peer torch-1 40 torch_bench.py "${rows[@]}"
train() {
    local kernels=$1 task
    shift
    for task in cartpole pendulum; do
        if [[ $kernels == auto ]]; then
            part "train-$task" 30 "$wgpo" train "$task" "${place[@]}" ${steps[@]+"${steps[@]}"} --out "$task" --force
        elif [[ -z $gpu ]]; then
            skipped "train-$task-$kernels" 'no GPU to compare kernels on'
        else
            local words=(--kernels "$kernels")
            [[ $kernels != tuned ]] || words+=(--tuning tuning.json)
            part "train-$task-$kernels" 20 "$wgpo" train "$task" "${place[@]}" ${steps[@]+"${steps[@]}"} "${words[@]}" \
                --out "$task-$kernels" --force
        fi
    done
}
train auto
peer jax-train 30 jax_train.py train/256x128
peer torch-train 25 torch_train.py train/256x128
peer torch-graph 75 torch_bench.py --compile "${compiled[@]}"
peer torch-train-graph 45 torch_train.py --compile train/256x128
for kernels in direct staged fused plain; do
    bench "bench-$kernels" 30 "$kernels" "${rows[0]}" "${rows[1]}" train/cartpole
done
bench bench-2 50 auto "${whole[@]}"
peer jax-2 45 jax_bench.py "${rows[@]}"
peer torch-2 40 torch_bench.py "${rows[@]}"
for kernels in tuned direct staged fused plain; do
    train "$kernels"
done

# 4. The rest
if [[ -n $small ]]; then
    bench bench-updates 30 auto rollout/cartpole
    bench bench-kernels 30 auto kernel/advantage_gae/wide
else
    bench bench-updates 60 auto ppo_update/cartpole ppo_update/halfcheetah trpo_update/cartpole trpo_update/halfcheetah rollout sac_update td3_update dqn_update
    bench bench-kernels 90 auto kernel/
fi
write
printf '%4d s  written: %s\n' $((SECONDS - began)) "$(basename "$out")/visit.txt, visit.json" >&2
cat "$out/visit.txt" | sed '/^== parts$/,$d'
