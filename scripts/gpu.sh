#!/usr/bin/env bash
# Proves and times the CUDA kernels on the GPU of this machine; needs CMake, a C++20 compiler and nvcc, no Node:
#   scripts/gpu.sh [folder for the build, default build/gpu]
# 1. builds the self-test, 2. runs every case on the CPU, on the emulation and on the GPU, 3. repeats kernels
# under compute-sanitizer (bad accesses, races, barriers, reads of what nobody wrote), 4. prints the table of
# kernels and whole bounds. Ends with a line for each part; the exit code counts parts that failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
folder=${1:-build/gpu}
failed=0
verdicts=()

part() {
  local name=$1 status=0 start=$SECONDS
  shift
  echo "=== $name: $*"
  "$@" || status=$?
  [ "$status" -eq 0 ] || failed=$((failed + 1))
  verdicts+=("$([ "$status" -eq 0 ] && echo ok || echo "FAILED ($status)")  $name, $((SECONDS - start)) s")
}

build() {
  cmake -S . -B "$folder" -DBULWARK_ADDON=OFF -DCMAKE_BUILD_TYPE=Release &&
    cmake --build "$folder" --parallel "$(nproc)"
}

# Without a GPU every case of it is skipped, which would look like success.
answers() {
  local cases
  cases=$("$folder/selftest" --seed 1 "copy [cuda]") && echo "$cases" && grep -q '^ok .*\[cuda\]' <<<"$cases"
}

sanitized() {
  local tool=$1
  shift
  for filter in "$@"; do
    compute-sanitizer --tool "$tool" --error-exitcode 9 "$folder/selftest" --seed 1 "$filter [cuda]" || return 1
  done
}

part build build
part "a GPU answers" answers
part "self-test" "$folder/selftest" --seed 1
if command -v compute-sanitizer >/dev/null; then
  kernels=(reluDual reluAscend "inputDual, clipped l2 ball" "inputDual, clipped l1 ball" "inputDual, whole balls"
    gather units norm2 ballBox "pack, unpack, fill" "attack: projected descent" "scale and index")
  part memcheck sanitized memcheck "${kernels[@]}" linear "conv, random geometry"
  part racecheck sanitized racecheck "${kernels[@]}" "conv, random geometry"
  part synccheck sanitized synccheck "${kernels[@]}"
  part initcheck sanitized initcheck "${kernels[@]}"
else
  echo "compute-sanitizer is not installed: bad accesses and races were not looked for"
fi
part bench "$folder/selftest" --bench

printf '%s\n' "=== in all" "${verdicts[@]}"
exit "$failed"
