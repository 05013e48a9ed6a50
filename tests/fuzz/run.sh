#!/usr/bin/env bash
# Fuzzes every target, or those named, for so many seconds each; finds are left in build/fuzz/finds.
#   tests/fuzz/run.sh [--grow] SECONDS [TARGET…]
# --grow: what was found to reach new code is added to the corpora, as little of it as does.
set -euo pipefail
cd "$(dirname "$0")/../.."

grow=false
if [ "${1:-}" = --grow ]; then grow=true; shift; fi
seconds=${1:?usage: tests/fuzz/run.sh [--grow] SECONDS [TARGET…]}
shift
if ! command -v clang++-14 > /dev/null; then
  echo "run.sh: clang++-14 is missing: apt-get install clang-14 libclang-rt-14-dev" >&2
  exit 1
fi
cmake --preset fuzz > /dev/null
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for folder in tests/fuzz/corpus/*/; do targets+=("$(basename "$folder")"); done
fi
cmake --build --preset fuzz --target "${targets[@]/%/_fuzz}" > build/fuzz/build.log || { tail -30 build/fuzz/build.log; exit 1; }
mkdir -p build/fuzz/finds
for target in "${targets[@]}"; do
  work=build/fuzz/grown/$target
  mkdir -p "$work"
  echo "== $target"
  build/fuzz/bin/"${target}"_fuzz "$work" tests/fuzz/corpus/"$target" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=2048 -artifact_prefix=build/fuzz/finds/"$target"- -print_final_stats=1 2> "$work.log" ||
    { tail -40 "$work.log"; exit 1; }
  grep -E "stat::number_of_executed_units|stat::peak_rss_mb" "$work.log"
  grep -E "cov: [0-9]+" "$work.log" | tail -1
  if $grow; then
    build/fuzz/bin/"${target}"_fuzz -merge=1 tests/fuzz/corpus/"$target" "$work" 2> /dev/null
  fi
done
echo "no finds"
