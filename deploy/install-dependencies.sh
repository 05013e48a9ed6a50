#!/usr/bin/env bash
# Installs every Debian 12 package that building, running and testing Precis needs. Safe to run again:
# says nothing and changes nothing when all are there.
set -euo pipefail

packages=(
  # Build
  g++ cmake ninja-build ccache pkg-config git ca-certificates
  # Libraries
  libtorch-dev libopenblas0-pthread libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  libabsl-dev libsqlite3-dev zlib1g-dev libssl-dev libcli11-dev libspdlog-dev nlohmann-json3-dev
  libyaml-cpp-dev
  # Tests and checks
  libgtest-dev libgmock-dev libbenchmark-dev clang-format clang-tidy
  python3 python3-grpcio python3-grpc-tools python3-protobuf python3-jsonschema python3-gmpy2 libxsmm-dev
  # Data of the quick start and the tests
  dataset-fashion-mnist
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-dependencies.sh: ${#missing[@]} packages are missing and neither root nor sudo is at hand." >&2
    echo "As root, run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "Installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get update -q &&
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "install-dependencies.sh: apt-get failed; its last lines are above." >&2
  exit 1
fi
