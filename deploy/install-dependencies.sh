#!/usr/bin/env bash
# Installs every Debian 12 package that building, running and testing Precis needs, and ONNX Runtime, a judge
# of the tests, which Debian 12 lacks. Safe to run again: says nothing and changes nothing when all are there.
# With --without-onnxruntime, and so without npm, for those who only want to build and run.
set -euo pipefail
with_onnxruntime=yes
case "${1:-}" in
  "") ;;
  --without-onnxruntime) with_onnxruntime=no ;;
  *)
    echo "install-dependencies.sh: unknown argument $1. Known: --without-onnxruntime." >&2
    exit 2
    ;;
esac
cd "$(dirname "$0")/.."

packages=(
  # Build
  g++ cmake ninja-build ccache pkg-config git ca-certificates
  # Libraries
  libtorch-dev libopenblas0-pthread libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  libabsl-dev libsqlite3-dev zlib1g-dev libssl-dev libcli11-dev libspdlog-dev nlohmann-json3-dev
  libyaml-cpp-dev prometheus-cpp-dev libopencv-imgcodecs-dev libopencv-imgproc-dev libonnx-dev
  # Tests and checks
  libgtest-dev libgmock-dev libbenchmark-dev clang-format clang-tidy
  python3 python3-grpcio python3-grpc-tools python3-protobuf python3-jsonschema python3-gmpy2 libxsmm-dev
  yosys openssl
  # Data of the quick start and the tests
  dataset-fashion-mnist libonnx-testdata
)

# Node 18 or later may have come from elsewhere, with an npm of its own that Debian's would conflict with.
if [ $with_onnxruntime = yes ]; then
  [ -x /usr/bin/node ] || packages+=(nodejs)
  [ -x /usr/bin/npm ] || packages+=(npm)
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
log=$(mktemp)
trap 'rm -f "$log"' EXIT

install_packages() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "install-dependencies.sh: ${#missing[@]} packages are missing and neither root nor sudo is at hand." >&2
      echo "As root, run: apt-get install ${missing[*]}" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  echo "Installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
  if ! { "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -q -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "install-dependencies.sh: apt-get failed; its last lines are above." >&2
    exit 1
  fi
}
[ ${#missing[@]} -eq 0 ] || install_packages

# ONNX Runtime, in the version that tests/onnxruntime pins, goes where tests/onnxruntime/runtime.js looks for it.
# No package may run a script: onnxruntime-node's would fetch CUDA libraries. Only one test needs it, so that
# Precis still builds and runs where it cannot be had.
install_onnxruntime() {
  local cache=${XDG_CACHE_HOME:-~/.cache}/precis version folder new
  version=$(sed -n 's/.*"onnxruntime-node": "\(.*\)".*/\1/p' tests/onnxruntime/package.json)
  folder=$cache/onnxruntime-node-$version
  cmp -s tests/onnxruntime/package-lock.json "$folder/package-lock.json" && return
  echo "Installing ONNX Runtime $version for the tests into $folder" >&2
  mkdir -p "$cache"
  new=$(mktemp -d "$cache/new.XXXXXX")
  cp tests/onnxruntime/package.json tests/onnxruntime/package-lock.json "$new"
  if ! (cd "$new" && /usr/bin/npm ci --ignore-scripts --no-audit --no-fund) >"$log" 2>&1; then
    rm -rf "$new"
    tail -n 20 "$log" >&2
    echo "install-dependencies.sh: npm failed; its last lines are above. The test supernet_formats.onnxruntime" \
      "will fail until this script is run again; all else works." >&2
    return
  fi
  rm -rf "$new"/node_modules/onnxruntime-node/bin/napi-v*/{darwin,win32} "$folder"
  chmod 755 "$new"
  mv -T "$new" "$folder"
}
[ $with_onnxruntime = no ] || install_onnxruntime
