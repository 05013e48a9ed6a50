#!/usr/bin/env bash
# Installs, builds and runs every test from nothing. What CI runs.
set -euo pipefail
cd "$(dirname "$0")/.."

bash deploy/install-dependencies.sh
cmake --preset release
cmake --build --preset release

# A suite that shrinks unnoticed proves nothing: fail below a floor that is raised as tests are added.
floor=1350
count=$(ctest --test-dir build/release -N | sed -n 's/^Total Tests: //p')
echo "ctest knows ${count} tests (floor ${floor})"
if [ "${count:-0}" -lt "$floor" ]; then
  echo "test.sh: only ${count:-0} tests were found, at least ${floor} must be there." >&2
  exit 1
fi
ctest --test-dir build/release --output-on-failure --no-tests=error -j "$(nproc)"
