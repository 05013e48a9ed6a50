#!/usr/bin/env bash
# From a fresh clone to a searched network: installs, builds, starts a server, searches formats for ResNet-8
# on Fashion-MNIST, prints the Pareto front and exports the chosen configuration. The last line printed is
# the path of the export. Results stay in build/quickstart.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*" >&2; }

say "1/5 Debian packages"
bash deploy/install-dependencies.sh --without-onnxruntime

say "2/5 Build (preset release; a few minutes the first time)"
configure_log=$(mktemp)
cmake --preset release >"$configure_log" 2>&1 || { cat "$configure_log" >&2; exit 1; }
rm -f "$configure_log"
cmake --build --preset release --target precisd precis-worker precis

bin=build/release/bin
home=build/quickstart
run=$home/run
mkdir -p "$run"
rm -f "$run/port"

say "3/5 Server"
"$bin/precisd" --data-dir "$home/data" --listen 127.0.0.1:0 --port-file "$run/port" >"$run/precisd.log" 2>&1 &
server=$!
stop() {
  if kill -0 "$server" 2>/dev/null; then
    kill -TERM "$server"
    wait "$server" || true
  fi
}
trap stop EXIT
for _ in $(seq 100); do
  [ -s "$run/port" ] && break
  kill -0 "$server" 2>/dev/null || { cat "$run/precisd.log" >&2; exit 1; }
  sleep 0.1
done
[ -s "$run/port" ] || { echo "quickstart.sh: the server did not start; see $run/precisd.log" >&2; exit 1; }
PRECIS_SERVER=127.0.0.1:$(cat "$run/port")
export PRECIS_SERVER
echo "precisd listens on $PRECIS_SERVER, its data are in $home/data" >&2

say "4/5 Search: resnet8 on Fashion-MNIST over int2, int3, int4, int8 (deploy/jobs/quickstart.yaml)"
job=$("$bin/precis" submit deploy/jobs/quickstart.yaml)
"$bin/precis" watch "$job" >&2

say "5/5 Pareto front (cost against accuracy), the simple answers beside it, and the export"
"$bin/precis" pareto "$job"
export_file=$PWD/$home/$(basename "$job").json
"$bin/precis" export "$job" --format json -o "$export_file"
echo "The chosen configuration is in:" >&2
echo "$export_file"
