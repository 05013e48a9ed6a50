#!/usr/bin/env python3
"""Kills a job's worker or its server again and again, pauses it, drains it, and expects what an undisturbed job gives:
the same candidates, weights and export, bit for bit.

    tests/faults/resume_test.py [--kills 20] [--seed 1]
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

JOB = harness.TINY_JOB.replace("epochs: 0.3", "epochs: 1.0").replace(
    "cost: {target: 1.3x int4}", "cost: {range: {from: 1.8x int4, to: 1.2x int4, count: 2}}")
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

    def test_a_disturbed_job_gives_what_an_undisturbed_one_gives(self):
        self.serve(*OPTIONS)
        undisturbed = self.submit(JOB)
        self.precis("watch", undisturbed, code=0)
        begun = time.monotonic()
        expected = self.outcome(undisturbed)
        dice = random.Random(SEED)
        struck = []
        while len(struck) < KILLS:
            name = self.submit(JOB)
            while len(struck) < KILLS:
                time.sleep(dice.uniform(0.5, 4))
                if self.job(name)["state"] == "succeeded":
                    break
                struck.append(self.strike(dice, name))
            job = harness.wait_for("the end", lambda: self.ended(name), 20 * harness.DEADLINE_S)
            self.assertEqual(job["state"], "succeeded", job["error"])
            self.assertEqual(self.outcome(name), expected, struck)
            restarts = job["restarts"]
            print(f"{len(struck)} misfortunes so far, {restarts} restarts of the last job, "
                  f"{time.monotonic() - begun:.0f} s: the same", file=sys.stderr, flush=True)
        self.assertGreater(len(set(struck)), 1)

    def ended(self, name):
        job = self.job(name)
        return job if job["state"] in ("succeeded", "failed", "cancelled") else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    KILLS, SEED = arguments.kills, arguments.seed
    unittest.main(argv=sys.argv[:1])
