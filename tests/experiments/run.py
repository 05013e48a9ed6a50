#!/usr/bin/env python3
"""Runs a named experiment through a real server and prints a Markdown table: mean and spread over seeds, images, time.

    tests/experiments/run.py rivals [--seeds 1 2 3] [--only precis sensitivity] [--set training.epochs=1]

Experiments:
  rivals      every algorithm on the targets of rivals.yaml, from one training each
  many        eight targets in one job, with the epochs of one and with 1.4 times these, and each in a job of its own
  spaces      at the cost of uniform int4: precis over integers, floats and both; the uniform formats; and float, unbounded
  served      the answer of a job against its assignment trained from scratch for as long

Networks and data sets are settings: --set model.name=resnet20.

Accuracy is of the test split, of the best answer within each target, averaged over the targets. The hypervolume is that of
the answers, as a share of the rectangle from no cost at full accuracy to the largest target at accuracy 0.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
BIN = HERE.parents[1] / "build/release/bin"
ALGORITHMS = ("precis", "sensitivity", "evolution", "random", "reinforce", "tunas", "fliqs", "uniform")
RANGE = (1.5, 0.9 * (3 / 4) ** 2)  # of rivals.yaml, in costs of uniform int4
COUNT = 4
MANY = 8
SPACES = {"INT": "[int2, int3, int-l]", "FP": "[e2m0, fp-l]", "mixed": "[int2, int3, e2m0, mixed]"}


def precis(*arguments):
    return subprocess.run([BIN / "precis", *map(str, arguments)], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout


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
    sys.exit(f"the server did not start; see {log.name}")


def search(file, seed, settings):
    """What a job came to: its targets, answers as (cost, test accuracy), images and seconds."""
    flags = [flag for setting in [f"seed={seed}", *settings] for flag in ("--set", setting)]
    begin = time.monotonic()
    name = precis("submit", HERE / file, *flags).strip()
    precis("watch", name)
    job = json.loads(precis("get", name, "-o", "json"))
    if job["state"] != "succeeded":
        sys.exit(f"{name} ({settings}) {job['state']}: {job['error']}")
    candidates = json.loads(precis("candidates", name, "-o", "json"))
    metric = job["plan"]["constrained_metric"]
    answers = [(next(c["value"] for c in each["costs"] if c["metric"] == metric), each["test"]["accuracy"])
               for each in candidates if each["origin"] == "final"]
    print(f"{file} {' '.join(settings)} seed {seed}: {answers}, {job['result'].get('rejected_steps', 0)} steps rejected", file=sys.stderr, flush=True)
    return {"targets": job["plan"]["targets"], "answers": answers,
            "layers": next(each["layers"] for each in candidates if each["name"] == job["result"]["final_candidate"]),
            "trained": int(job["result"]["images_trained"]), "evaluated": int(job["result"]["images_evaluated"]),
            "seconds": time.monotonic() - begin}


def together(outcomes):
    """Several jobs as one."""
    return {"targets": sorted((t for o in outcomes for t in o["targets"]), reverse=True),
            "answers": [a for o in outcomes for a in o["answers"]],
            **{key: sum(o[key] for o in outcomes) for key in ("trained", "evaluated", "seconds")}}


def mean_accuracy(outcome):
    return statistics.mean(max(accuracy for cost, accuracy in outcome["answers"] if cost <= target)
                           for target in outcome["targets"])


def hypervolume(outcome):
    most = max(outcome["targets"])
    area, best = 0.0, 0.0
    points = sorted(outcome["answers"])
    for (cost, accuracy), (next_cost, _) in zip(points, points[1:] + [(most, 0)]):
        best = max(best, accuracy)
        area += best * (next_cost - cost)
    return area / most


def experiments(name):
    """Rows: label, and the jobs of one seed as (file, settings)."""
    if name == "rivals":
        return {a: [("rivals.yaml", [f"controller.algorithm={a}"])] for a in ALGORITHMS}
    if name == "many":
        span = f"{{metric: bops, range: {{from: {RANGE[0]}x int4, to: {RANGE[1]}x int4, count: {MANY}}}}}"
        ratio = (RANGE[1] / RANGE[0]) ** (1 / (MANY - 1))
        targets = [f"{RANGE[0] * ratio ** i:.4f}x int4" for i in range(MANY)]
        return {"one job, 1.4 times the epochs": [("many.yaml", [f"cost={span}", "training.epochs=2.8"])],
                "one job, the same epochs": [("many.yaml", [f"cost={span}"])],
                "a job for each target": [("many.yaml", [f"cost={{metric: bops, target: {t}}}"]) for t in targets]}
    if name == "spaces":
        within = "cost={metric: bops, target: 1x %s}"
        rows = {f"precis, {kind}": [("spaces.yaml", [f"space.formats={formats}", within % "int4"])]
                for kind, formats in SPACES.items()}
        return rows | {f"uniform {each}": [("spaces.yaml", [f"space.formats=[{each}]", within % each,
                                                            "controller.algorithm=uniform"])]
                       for each in ("int4", "e2m1", "fp32")}
    sys.exit(f"there is no experiment {name}: give rivals, many, spaces or served")


def served(seed, settings):
    """The answer of a job, and its assignment trained from scratch with the job's whole budget."""
    found = search("spaces.yaml", seed, settings)
    pins = ", ".join(f"{{layers: {layer['layer']}, pin: {layer['weight']}/{layer['activation']}}}" for layer in found["layers"])
    return {"precis": found, "its answer from scratch": search("spaces.yaml", seed, settings + [
        "controller.algorithm=uniform", "space.formats=[int8]", f"space.overrides=[{pins}]"])}


def spread(values, scale, digits):
    mean = statistics.mean(values) * scale
    text = f"{mean:.{digits}f}"
    return text if len(values) < 2 else f"{text} ± {statistics.stdev(values) * scale:.{digits}f}"


def outcomes_of(arguments):
    """Label and outcomes by seed, row by row."""
    if arguments.experiment == "served":
        pairs = [served(seed, arguments.settings) for seed in arguments.seeds]
        yield from ((label, [pair[label] for pair in pairs]) for label in pairs[0])
        return
    rows = experiments(arguments.experiment)
    for label in arguments.only or rows:
        yield label, [together([search(file, seed, settings + arguments.settings) for file, settings in rows[label]])
                      for seed in arguments.seeds]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", help="rows to run")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="passed on to precis submit")
    arguments = parser.parse_args()
    print("| what | seeds | mean test accuracy over targets, % | hypervolume | images trained | images evaluated | seconds |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        server = start_server(pathlib.Path(folder))
        try:
            for label, outcomes in outcomes_of(arguments):
                print(f"| {label} | {len(outcomes)} | {spread([mean_accuracy(o) for o in outcomes], 100, 2)} | "
                      f"{spread([hypervolume(o) for o in outcomes], 1, 4)} | "
                      f"{outcomes[0]['trained']:,} | {statistics.mean(o['evaluated'] for o in outcomes):,.0f} | "
                      f"{spread([o['seconds'] for o in outcomes], 1, 0)} |", flush=True)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
