#!/usr/bin/env python3
"""Kills a job's worker or its server again and again, pauses it, drains it, and expects what an undisturbed job gives:
the same candidates, weights and export, bit for bit.

    tests/faults/resume_test.py [--kills 20] [--seed 1] [ResumeTest.test_a_search]
"""

import argparse
import hashlib
import os
import pathlib
import random
import re
import signal
import sys
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
os.environ.setdefault("PRECIS_BIN", str(TESTS.parent / "build/release/bin"))
sys.path.insert(0, str(TESTS / "e2e"))
import harness  # noqa: E402
import onnx_file  # noqa: E402

JOB = harness.TINY_JOB.replace("epochs: 0.3", "epochs: 1.0").replace(
    "cost: {target: 1.3x int4}", "cost: {range: {from: 1.8x int4, to: 1.2x int4, count: 2}}")
OWN_MODEL = """\
model: {path: MODEL, start: START}
data: {name: fashion_mnist, search_images: 6000}
space: {formats: [int3, int4, int5, int8]}
cost: {range: {from: 1.8x int4, to: 1.1x int4, count: 2}}
controller: {screening_images: 6000}
training: {epochs: 0.7, recalibration_images: 256}
post_training: {calibration_images: 256}
finish: {sampled_candidates: 4}
seed: 7
threads: 1
device: cpu
"""
OPTIONS = ("--checkpoint-interval", "0.5")
KILLS = 4
SEED = 1


class ResumeTest(harness.EndToEndTest):
    def outcome(self, name):
        """All that a job came to, without its name and the clock."""
        job = self.job(name)
        self.assertEqual(job["state"], "succeeded", job["error"])
        result = {key: value for key, value in job["result"].items() if key != "loader_wait_share"}
        candidates = self.precis("candidates", name, "-o", "json", code=0).out
        weights = {}
        for path in sorted((self.server.data_dir / name).glob("*.safetensors")):
            weights[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        export = self.folder / "export.json"
        export.unlink(missing_ok=True)
        self.precis("export", name, "-o", export, code=0)
        text = str((result, candidates, weights, export.read_text()))
        return re.sub(r"jobs/\w+", "jobs/NAME", text).replace(name.split("/")[-1], "NAME")

    def strike(self, dice, name):
        """One misfortune. The job may end meanwhile."""
        how = dice.choice(("worker", "worker", "server", "pause", "drain", "stop"))
        pids = self.server.worker_pids()
        if how in ("worker", "stop") and pids:
            os.kill(pids[0], signal.SIGKILL if how == "worker" else signal.SIGTERM)
        elif how == "pause" and self.precis("pause", name).code == 0:
            harness.wait_for("the pause", lambda: self.job(name)["state"] != "running")
            self.precis("resume", name)
        elif how in ("server", "drain"):
            self.server.stop(signal.SIGKILL if how == "server" else signal.SIGTERM)
            self.serve(*OPTIONS)
        return how

    def test_a_search(self):
        self.check(JOB, KILLS)

    def test_finetuning_a_model(self):
        self.check(self.own_model("finetune"), max(1, KILLS // 4))

    def test_what_trains_nothing(self):
        self.check(self.own_model("post_training"), max(1, KILLS // 4))

    def own_model(self, start):
        job = OWN_MODEL.replace("MODEL", str(onnx_file.write(self.folder / "small.onnx"))).replace("START", start)
        return re.sub("training: {epochs.*\n", "", job) if start == "post_training" else re.sub("post_training: .*\n", "", job)

    def check(self, job_file, kills):
        """A disturbed job gives what an undisturbed one gives."""
        self.serve(*OPTIONS)
        undisturbed = self.submit(job_file)
        self.precis("watch", undisturbed, code=0)
        begun = time.monotonic()
        expected = self.outcome(undisturbed)
        dice = random.Random(SEED)
        struck = []
        while len(struck) < kills:
            name = self.submit(job_file)
            while len(struck) < kills:
                time.sleep(dice.uniform(0.5, 4))
                if self.job(name)["state"] == "succeeded":
                    break
                struck.append(self.strike(dice, name))
            job = harness.wait_for("the end", lambda: self.ended(name), 20 * harness.DEADLINE_S)
            self.assertEqual(job["state"], "succeeded", job["error"])
            self.assertEqual(self.outcome(name), expected, struck)
            print(f"{len(struck)} misfortunes so far, {job['restarts']} restarts of the last job, "
                  f"{time.monotonic() - begun:.0f} s: the same", file=sys.stderr, flush=True)

    def ended(self, name):
        job = self.job(name)
        return job if job["state"] in ("succeeded", "failed", "cancelled") else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments, rest = parser.parse_known_args()
    KILLS, SEED = arguments.kills, arguments.seed
    unittest.main(argv=sys.argv[:1] + rest)
