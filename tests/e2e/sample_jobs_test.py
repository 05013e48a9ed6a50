"""Every sample under deploy/jobs is accepted by the real server."""

import harness
import onnx_file
import unittest


class SampleJobsTest(harness.EndToEndTest):
    def setUp(self):
        super().setUp()
        self.serve("--worker", "/bin/false")  # nothing runs here

    def test_every_sample_is_valid(self):
        samples = sorted((harness.ROOT / "deploy/jobs").glob("*.yaml"))
        self.assertGreaterEqual(len(samples), 5)
        for sample in samples:
            with self.subTest(sample.name):
                options = []
                if "name: image_folder" in sample.read_text():  # somebody else's data
                    folder = harness.write_image_folder(self.folder / sample.stem, 300, 20)
                    options = ["--set", f"data.path={folder}", "--set", "data.search_images=200",
                               "--set", "training.recalibration_images=100"]
                trains = "start: post_training" not in sample.read_text()
                if "path: model.onnx" in sample.read_text():  # and somebody else's model
                    model = onnx_file.write(folder / "model.onnx", channels=3, side=32, classes=2)
                    options += ["--set", f"model.path={model}", "--set", "post_training.calibration_images=100"]
                plan = self.precis("validate", sample, *options, "-o", "json", code=0).json()["plan"]
                self.assertEqual(plan["total_steps"] > 0, trains)
                self.assertLess(plan["target"], plan["reachable_max"], "a target that leaves nothing to search")
                self.assertTrue(sample.read_text().startswith("#"), "a sample says what it is for")

    def test_nothing_was_stored(self):
        self.precis("validate", harness.ROOT / "deploy/jobs/quickstart.yaml", code=0)
        self.assertEqual(self.precis("list", "-o", "json", code=0).json(), [])


if __name__ == "__main__":
    unittest.main()
