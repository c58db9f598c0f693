#!/usr/bin/env bash
# Installs bulwark for VNN-COMP: Node.js 20 or newer, a C++20 compiler and CMake if missing, then
# the package's dependencies and its build.
# Arguments: v1
set -euo pipefail

if [ "${1:-}" != v1 ]; then
  echo "install_tool.sh: expected the version string 'v1' as first argument, got '${1:-}'" >&2
  exit 1
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

node_major() {
  command -v node >/dev/null && node -p 'process.versions.node.split(".")[0]' || echo 0
}

need=()
command -v c++ >/dev/null || need+=(build-essential)
command -v cmake >/dev/null || need+=(cmake)
[ "$(node_major)" -ge 20 ] || need+=(nodejs npm)
if [ "${#need[@]}" -gt 0 ]; then
  sudo=$([ "$(id -u)" -eq 0 ] || echo sudo)
  $sudo apt-get update
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y "${need[@]}"
fi
if [ "$(node_major)" -lt 20 ]; then
  echo "install_tool.sh: bulwark needs Node.js 20 or newer, found $(node --version)" >&2
  exit 1
fi

cd "$root"
# The package's prepare script builds the addon and the command line.
npm ci
node dist/cli/main.js --version
