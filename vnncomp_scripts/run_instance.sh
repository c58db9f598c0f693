#!/usr/bin/env bash
# Decides one VNN-COMP instance and writes sat (with its counterexample), unsat, unknown, timeout or
# error to the results file.
# Arguments: v1 CATEGORY ONNX_FILE VNNLIB_FILE RESULTS_FILE TIMEOUT_SECONDS
set -euo pipefail

if [ "${1:-}" != v1 ]; then
  echo "run_instance.sh: expected the version string 'v1' as first argument, got '${1:-}'" >&2
  exit 1
fi
if [ "$#" -ne 6 ]; then
  echo "run_instance.sh: expected v1 CATEGORY ONNX_FILE VNNLIB_FILE RESULTS_FILE TIMEOUT_SECONDS" >&2
  exit 1
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

exec node "$root/dist/cli/main.js" vnnlib "$3" "$4" --timeout "$6" --result "$5"
