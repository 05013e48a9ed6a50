"""A search on a folder of images: found at submission, the same however it is read, corrupt files named or skipped."""

import harness
import unittest

JOB = """\
model: {name: resnet8, width_multiplier: 0.25}
data: {name: image_folder, path: %s, search_images: 40, augment: {crop_padding: 2, flip: true}}
space: {formats: [int4, int8]}
cost: {target: 1.3x int4}
reward: {probe_images: 20}
training: {epochs: 4, batch_size: 20, recalibration_images: 40}
finish: {sampled_candidates: 2}
seed: 7
threads: 1
device: cpu
"""


class ImageFolderTest(harness.EndToEndTest):
    def setUp(self):
        super().setUp()
        self.serve()
        self.images = harness.write_image_folder(self.folder / "images", 100, 30)

    def run_job(self, *options):
        ran = self.precis("submit", "-", *options, stdin=JOB % self.images, code=0)
        return self.wait_for_state(ran.out.strip(), "succeeded", "failed", "cancelled")

    def accuracies(self, job):
        candidates = self.precis("candidates", job["name"], "-o", "json", code=0).json()
        return [{key: value for key, value in c.items() if key != "name"} for c in candidates]

    def test_a_search_the_same_from_memory_and_from_files(self):
        job = self.run_job("--set", "data.loader_threads=1")
        self.assertEqual(job["state"], "succeeded", job["error"])
        found = job["spec"]["data"]["found"]
        self.assertEqual((found["classes"], found["train_images"], found["test_images"], found["image_size"]),
                         (2, 200, 60, 16))
        self.assertEqual(job["result"]["skipped_images"], 0)
        self.assertGreater(job["result"]["loader_wait_share"], 0)
        self.assertLess(job["result"]["loader_wait_share"], 1)
        self.assertIn("training waited", self.precis("get", job["name"], code=0).out)
        files = self.run_job("--set", "data.memory_mib=0", "--set", "data.loader_threads=3")
        self.assertEqual(files["plan"]["fingerprint"], job["plan"]["fingerprint"])
        self.assertEqual(self.accuracies(files), self.accuracies(job))

    def test_corrupt_files(self):
        harness.write_png(self.images / "train/dark/00007.png", 16, None)
        harness.write_png(self.images / "val/bright/00003.png", 16, None)
        failed = self.run_job()
        self.assertEqual(failed["state"], "failed")
        for part in ("2 of the 260 images", "train/dark/00007.png", "val/bright/00003.png", "data.corrupt_files"):
            self.assertIn(part, failed["error"])
        skipped = self.run_job("--set", "data.corrupt_files=skip")
        self.assertEqual(skipped["state"], "succeeded", skipped["error"])
        self.assertEqual(skipped["result"]["skipped_images"], 2)
        self.assertEqual(skipped["result"]["float_test"]["images"], 59)
        self.assertIn("2 corrupt images skipped", self.precis("get", skipped["name"], code=0).out)

    def test_a_folder_that_is_none_is_refused_at_once(self):
        for path, part in ((self.folder / "nowhere", "does not exist"), (self.images / "train", "There is no folder")):
            ran = self.precis("validate", "-", stdin=JOB % path)
            self.assertEqual(ran.code, 1)
            self.assertIn(part, ran.err)
            self.assertIn(str(path), ran.err)
            self.assertNotIn("have not been looked at", ran.err)


if __name__ == "__main__":
    unittest.main()
