#!/usr/bin/env bash
# Prepares one VNN-COMP instance. Nothing is converted or computed ahead of time, and nothing outlives
# run_instance.sh (it becomes the solver's process), so this only checks that the files are there.
# Arguments: v1 CATEGORY ONNX_FILE VNNLIB_FILE
set -euo pipefail

if [ "${1:-}" != v1 ]; then
  echo "prepare_instance.sh: expected the version string 'v1' as first argument, got '${1:-}'" >&2
  exit 1
fi
if [ "$#" -lt 4 ]; then
  echo "prepare_instance.sh: expected v1 CATEGORY ONNX_FILE VNNLIB_FILE" >&2
  exit 1
fi
for file in "$3" "$4"; do
  if [ ! -r "$file" ]; then
    echo "prepare_instance.sh: cannot read $file" >&2
    exit 1
  fi
done
