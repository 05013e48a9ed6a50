#!/usr/bin/env bash
# Runs clang-tidy with the tree's .clang-tidy over every source outside tests that the build in $1 compiles; of $3 equal
# shares of them over the one numbered $2, from 0, with one process; without shares over all, with all cores.
# Files that include LibTorch's headers are left out: each costs a minute, and the checks' finds there are
# LibTorch's. The analyzer follows an eleventh of its usual paths through a function (TIDY_MAX_NODES=225000 for all of
# them), which more than halves its time.
set -euo pipefail
build=$1
share=${2:-0}
shares=${3:-1}
cd "$(dirname "$0")/../.."
mapfile -t files < <(git ls-files 'client/*.cc' 'search/*.cc' 'server/*.cc' 'supernet/*.cc' |
  grep -v -E '^supernet/(quantizers|execution)/')
[ "${#files[@]}" -gt 20 ] || { echo "clang_tidy.sh: only ${#files[@]} files found" >&2; exit 1; }
processes=$([ "$shares" -gt 1 ] && echo 1 || nproc)
for i in "${!files[@]}"; do
  if [ $((i % shares)) -eq "$share" ]; then printf '%s\0' "${files[$i]}"; fi
done | xargs -0 -n 4 -P "$processes" clang-tidy --quiet -p "$build" \
  --extra-arg={-Xclang,-analyzer-config,-Xclang,max-nodes="${TIDY_MAX_NODES:-20000}"}
