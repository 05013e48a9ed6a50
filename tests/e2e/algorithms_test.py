"""Every algorithm through the real server and worker; and several targets from one training, each answer exported
with the weights that it was measured under."""

import harness
import hashlib
import json
import unittest

JOB = """\
model: {{name: resnet8, width_multiplier: 0.5}}
data: {{name: fashion_mnist, search_images: 500}}
space: {{formats: [int-s], overrides: [{{layers: classifier, pin: int8}}]}}
cost: {{{target}}}
reward: {{probe_images: 64}}
training: {{epochs: 0.06, recalibration_images: 256}}
controller: {{algorithm: {algorithm}, screening_images: 64}}
finish: {{sampled_candidates: 2}}
seed: 7
threads: 1
device: cpu
"""
ALGORITHMS = ("precis", "reinforce", "fliqs", "tunas", "random", "evolution", "sensitivity", "uniform")


def bops(candidate):
    return next(c["value"] for c in candidate["costs"] if c["metric"] == "bops")


class AlgorithmsTest(harness.EndToEndTest):
    def search(self, algorithm, target):
        name = self.submit(JOB.format(algorithm=algorithm, target=target))
        self.precis("watch", name, code=0)
        job = self.job(name)
        self.assertEqual(job["state"], "succeeded", job["error"])
        return job, self.precis("candidates", name, "-o", "json", code=0).json()

    def test_every_algorithm_answers(self):
        self.serve()
        for algorithm in ALGORITHMS:
            with self.subTest(algorithm):
                job, candidates = self.search(algorithm, "target: 1.5x int4")
                final = next(c for c in candidates if c["name"] == job["result"]["final_candidate"])
                self.assertLessEqual(bops(final), job["plan"]["target"])
                self.assertEqual(final["layers"][-1]["weight"], "int8", "as the job pins it")
                self.assertEqual(job["result"]["images_trained"], 128 * job["plan"]["total_steps"])
                self.assertGreater(job["result"]["images_evaluated"], 0)

    def test_every_answer_has_its_weights(self):
        self.serve()
        job, candidates = self.search("precis", "targets: [3x int4, 2x int4, 1.3x int4]")
        self.assertEqual(len(job["plan"]["targets"]), 3)
        finals = [c for c in candidates if c["origin"] == "final"]
        self.assertIn(job["result"]["final_candidate"], [c["name"] for c in finals])
        for target in job["plan"]["targets"]:
            self.assertTrue([c for c in finals if bops(c) <= target], "every target has an answer within it")
        folder = self.folder / "data" / "jobs" / job["name"].split("/")[1]
        hashes = set()
        for candidate in candidates:
            document = json.loads(self.precis("export", job["name"], "--candidate", candidate["name"].split("/")[-1],
                                              code=0).out)
            weights = document["provenance"]["weights_file"]
            bytes_there = (folder / weights["name"]).read_bytes()
            self.assertEqual(hashlib.sha256(bytes_there).hexdigest(), weights["sha256"])
            if candidate in finals:
                hashes.add(weights["sha256"])
                self.assertIsNotNone(candidate["test"])
        self.assertEqual(len(hashes), len(finals), "no two answers share weights")
        listed = self.precis("list", code=0).out
        self.assertIn("3 targets", listed)


if __name__ == "__main__":
    unittest.main()
