#!/usr/bin/env python3
"""Runs a job for several seeds through a real server and prints, as a Markdown table, what was found: cost
against target, accuracy on the test split beside the best simple answer of no greater cost under the same
weights, and the same configurations trained from scratch with the job's whole budget.

    tests/bench/search_quality.py [--seeds 1 2 3] [--job deploy/jobs/quickstart.yaml] [--no-scratch]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "build/release/bin"


def run(command, **kwargs):
    return subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, text=True, **kwargs).stdout


def start_server(folder):
    port_file = folder / "port"
    log = open(folder / "precisd.log", "w", encoding="utf-8")
    server = subprocess.Popen([BIN / "precisd", "--data-dir", folder / "data", "--listen", "127.0.0.1:0",
                               "--port-file", port_file], stdout=log, stderr=log)
    for _ in range(100):
        if port_file.exists() and port_file.read_text().strip():
            os.environ["PRECIS_SERVER"] = "127.0.0.1:" + port_file.read_text().strip()
            return server
        time.sleep(0.1)
    server.kill()
    sys.exit("the server did not start; see " + str(folder / "precisd.log"))


def formats_of(candidate):
    return ",".join(layer["weight"] for layer in candidate["layers"])


def from_scratch(candidate, seed, arguments):
    if arguments.no_scratch:
        return float("nan")
    ranges = [f for f in ("--weight-range", "--activation-range") for f in (f, arguments.ranges)]
    return json.loads(run([BIN / "train_assignment", "--assignment", formats_of(candidate), "--seed", seed, *ranges],
                          stderr=subprocess.DEVNULL))["test"]["accuracy"]


def cost_of(candidate):
    return candidate["costs"][0]["value"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", default=ROOT / "deploy/jobs/quickstart.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--set", dest="settings", action="append", default=[], help="passed on to precis submit")
    parser.add_argument("--ranges", default="learned", help="how ranges are found, in the search and from scratch")
    parser.add_argument("--no-scratch", action="store_true", help="leave out the trainings from scratch")
    arguments = parser.parse_args()

    print("| seed | found (test %) | cost / target | best simple answer of no greater cost (test %) | "
          "found, from scratch | simple, from scratch | seconds | configuration |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        server = start_server(pathlib.Path(name))
        try:
            for seed in arguments.seeds:
                report(seed, arguments)
        finally:
            server.terminate()
            server.wait()


def report(seed, arguments):
    ranges = [f"ranges.{operand}={arguments.ranges}" for operand in ("weights", "activations")]
    settings = [s for setting in [*ranges, *arguments.settings] for s in ("--set", setting)]
    begin = time.monotonic()
    job = run([BIN / "precis", "submit", arguments.job, "--set", f"seed={seed}", *settings]).strip()
    run([BIN / "precis", "watch", job], stderr=subprocess.DEVNULL)
    seconds = time.monotonic() - begin
    details = json.loads(run([BIN / "precis", "get", job, "-o", "json"]))
    candidates = json.loads(run([BIN / "precis", "candidates", job, "-o", "json"]))
    final = next(c for c in candidates if c["origin"] == "final")
    simple = [c for c in candidates
              if c.get("label", "").startswith(("uniform ", "ends ")) and cost_of(c) <= cost_of(final)]
    best = max(simple, key=lambda c: c["test"]["accuracy"])
    print(f"| {seed} | {100 * final['test']['accuracy']:.2f} | {cost_of(final) / details['plan']['target']:.3f} | "
          f"{best['label']}: {100 * best['test']['accuracy']:.2f} | {100 * from_scratch(final, seed, arguments):.2f} | "
          f"{100 * from_scratch(best, seed, arguments):.2f} | {seconds:.0f} | {formats_of(final)} |", flush=True)


if __name__ == "__main__":
    main()
