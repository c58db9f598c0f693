#!/usr/bin/env bash
# Proves and times the CUDA kernels on the GPU of this machine; needs CMake, a C++20 compiler and nvcc 12 or
# later, no Node and no network:
#   scripts/gpu.sh [folder for the build, default build/gpu] [part...]
# The parts, all of them by default, in this order, so that the first minutes tell most:
#   tools       what there is: GPU, driver, compilers, compute-sanitizer
#   build       the self-test
#   gpu         whether a GPU answers
#   kernels     every case that runs on a GPU
#   cublas      what goes through NVIDIA's library of products instead, where the system has it
#   bench       the table: kernels beside the device's ceilings, whole bounds, with graphs and without
#   memcheck, racecheck, synccheck, initcheck
#               kernels again under compute-sanitizer: bad accesses, races, barriers, reads of what nobody wrote
#   everything  every case on the CPU, on the emulation and on the GPU
# Ends with a line for each part, and what was left out and why; the exit code counts parts that failed. Where no
# GPU answers, the parts that are about one are left out, the last line says so, and the exit code is not 0,
# whatever was asked but tools and build. All of it also goes to gpu-report.txt in the folder, or in $OUT where
# that is set.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
folder=${1:-build/gpu}
shift $(($# > 0 ? 1 : 0))
wanted=("$@")
known=(tools build gpu kernels cublas bench memcheck racecheck synccheck initcheck everything)
for part in ${wanted[@]+"${wanted[@]}"}; do
  if [[ " ${known[*]} " != *" $part "* ]]; then
    echo "no part is called $part; there are: ${known[*]}" >&2
    exit 2
  fi
done
mkdir -p "$folder" "${OUT:-$folder}" || exit 1
exec > >(tee -a "${OUT:-$folder}/gpu-report.txt") 2>&1
report=$!

# Where toolkits are installed, for shells whose PATH does not say so.
for found in "${CUDA_HOME:-/usr/local/cuda}" /usr/local/cuda /opt/cuda; do
  for bin in "$found/bin" "$found/compute-sanitizer"; do
    [ -d "$bin" ] && PATH=$PATH:$bin
  done
done

failed=0
verdicts=()
asked() { [ "${#wanted[@]}" -eq 0 ] || [[ " ${wanted[*]} " == *" $1 "* ]]; }
leftOut() {
  echo "=== $1: LEFT OUT, $2"
  verdicts+=("LEFT OUT  $1: $2")
}
part() {
  local name=$1 status=0 start=$SECONDS
  shift
  asked "$name" || return 0
  echo "=== $name: $*"
  "$@" || status=$?
  [ "$status" -eq 0 ] || failed=$((failed + 1))
  verdicts+=("$([ "$status" -eq 0 ] && echo ok || echo "FAILED ($status)")  $name, $((SECONDS - start)) s")
  return "$status"
}
finish() {
  printf '%s\n' "=== in all" ${verdicts[@]+"${verdicts[@]}"}
  [ -z "${absent-}" ] || echo "NOTHING WAS PROVEN OR TIMED ON A GPU: $absent"
  exec >/dev/null 2>&1
  wait "$report" # has written all of it
  exit "$failed"
}

tools() {
  date
  uname -srm
  local tool
  for tool in "cmake --version" "c++ --version" "nvcc --version" "compute-sanitizer --version" \
    "nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit --format=csv"; do
    if command -v "${tool%% *}" >/dev/null; then
      # shellcheck disable=SC2086
      $tool 2>&1 | sed -n '1,4p'
    else
      echo "${tool%% *}: not found"
    fi
  done
  local release
  release=$(nvcc --version 2>/dev/null | sed -n 's/.*release \([0-9]*\)\..*/\1/p')
  if [ -z "$release" ]; then
    echo "without nvcc the build has no CUDA kernels: put its folder into PATH, or set CUDA_HOME"
    return 1
  fi
  if [ "$release" -lt 12 ]; then
    echo "nvcc $release knows no C++20: take 12 or later"
    return 1
  fi
}

build() {
  cmake -S . -B "$folder" -DBULWARK_ADDON=OFF -DCMAKE_BUILD_TYPE=Release &&
    cmake --build "$folder" --parallel "$(nproc)"
}

# Without a GPU every case of it is skipped, which would look like success. `absent`: why there is none.
answers() {
  local cases
  cases=$("$folder/selftest" --seed 1 "copy [cuda]")
  echo "$cases"
  grep -q '^ok .*\[cuda\]' <<<"$cases" && return
  absent=$(sed -n 's/^skip [^:]*: //p' <<<"$cases" | head -n 1)
  absent=${absent:-its first case failed, see above}
  return 1
}

# `filter [cuda]` ends the name of at least one case each: a filter that meets none fails.
sanitized() {
  local tool=$1 filter status=0
  shift
  for filter in "$@"; do
    echo "--- $tool: $filter"
    compute-sanitizer --tool "$tool" --error-exitcode 9 "$folder/selftest" --seed 1 "$filter [cuda]" ||
      { echo "--- $tool: $filter FAILED ($?)" && status=1; }
  done
  return "$status"
}

part tools tools
if ! part build build; then
  echo "nothing else can be run"
  finish
fi
for each in "${known[@]:2}"; do
  asked "$each" && needed=1
done
if [ -z "${needed-}" ]; then
  finish
fi
if [ ! -x "$folder/selftest" ]; then
  echo "$folder/selftest is not built: run the part build"
  failed=1
  finish
fi
if asked gpu; then
  part gpu answers
elif ! answers >/dev/null; then
  failed=$((failed + 1))
fi
if [ -n "${absent-}" ]; then
  for each in kernels cublas bench memcheck racecheck synccheck initcheck; do
    asked "$each" && leftOut "$each" "$absent"
  done
  part everything "$folder/selftest" --seed 1
  finish
fi
part kernels "$folder/selftest" --seed 1 "[cuda]"
if asked cublas; then
  if absence=$("$folder/selftest" --seed 1 "linear [cublas]" | sed -n 's/^skip [^:]*: //p') && [ -n "$absence" ]; then
    leftOut cublas "$absence"
  else
    part cublas "$folder/selftest" --seed 1 "[cublas]"
  fi
fi
part bench "$folder/selftest" --bench
kernels=(reluDual reluAscend "inputDual, clipped l2 ball" "inputDual, clipped l1 ball" "inputDual, whole balls"
  gather units norm2 ballBox "pack, unpack, fill" "attack: projected descent" "scale and index"
  "a recorded stretch" "dense device: products" "dense device: a sign step along a product"
  "dense device: sums over axes" "dense device: rows of logits" "dense device: entries by index"
  "dense device: lengths of vectors" "dense device: convolutions")
for tool in memcheck racecheck synccheck initcheck; do
  asked "$tool" || continue
  if ! command -v compute-sanitizer >/dev/null; then
    leftOut "$tool" "compute-sanitizer is not installed"
  elif [ "$tool" = memcheck ]; then
    part "$tool" sanitized "$tool" "${kernels[@]}" linear "conv, random geometry"
  elif [ "$tool" = racecheck ]; then
    part "$tool" sanitized "$tool" "${kernels[@]}" "conv, random geometry"
  else
    part "$tool" sanitized "$tool" "${kernels[@]}"
  fi
done
part everything "$folder/selftest" --seed 1
finish
