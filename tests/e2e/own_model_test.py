#!/usr/bin/env python3
"""A model from an ONNX file: searched as it is, finetuned, from scratch; refused where it does not fit."""

import json
import unittest

import harness
import onnx_file

JOB = """\
model: {path: small.onnx, start: START}
data: {name: fashion_mnist, search_images: 300, mean: [0.3], standard_deviation: [0.35]}
space: {formats: [int3, int4, int8]}
cost: {target: 1x int4}
controller: {screening_images: 100}
finish: {sampled_candidates: 3}
seed: 7
threads: 1
device: cpu
"""
POST_TRAINING = JOB.replace("START", "post_training") + "post_training: {calibration_images: 64}\n"
TRAINING = "training: {epochs: 0.05, batch_size: 64, recalibration_images: 64}\n"
LABELS = [f"kind {i}" for i in range(10)]


class OwnModelTest(harness.EndToEndTest):
    def setUp(self):
        super().setUp()
        self.serve()
        self.model = onnx_file.write(self.folder / "small.onnx")

    def submit_file(self, job, *arguments):
        """A relative model.path starts from the job file's folder, wherever precis and precisd run."""
        path = self.folder / "job.yaml"
        path.write_text(job)
        return self.precis("submit", path, *arguments, code=0).out.strip()

    def finished(self, name):
        self.precis("watch", name, code=0)
        return self.job(name)

    def candidates(self, name):
        keep = ("origin", "label", "search", "test", "costs", "layers")
        listed = self.precis("candidates", name, "-o", "json", code=0).json()
        return [{key: each.get(key) for key in keep} for each in listed]

    def test_post_training_trains_nothing(self):
        names = [self.submit_file(POST_TRAINING, "--set", f"model.labels=[{', '.join(LABELS)}]") for _ in range(2)]
        self.model.unlink()  # the jobs have copies
        job = self.finished(names[0])
        self.assertEqual(job["state"], "succeeded", job["error"])
        self.assertEqual(job["plan"]["total_steps"], 0)
        self.assertEqual(job["result"]["images_trained"], 0)
        self.assertEqual(job["spec"]["ranges"]["activations"], "mean_square_error")
        # The model agrees with itself.
        self.assertEqual(job["result"]["float_search"]["accuracy"], 1)
        self.assertLess(abs(job["result"]["float_search"]["loss"]), 1e-6)
        self.finished(names[1])
        self.assertEqual(self.candidates(names[0]), self.candidates(names[1]))
        by_label = {each["label"]: each for each in self.candidates(names[0])}
        self.assertLess(by_label["uniform int8"]["search"]["loss"], by_label["uniform int3"]["search"]["loss"])

        document = json.loads(self.precis("export", names[0], code=0).out)
        self.assertEqual(document["model"]["labels"], LABELS)
        self.assertEqual(document["model"]["name"], "small")
        self.assertAlmostEqual(document["model"]["preprocessing"]["mean"][0], 0.3, 6)
        self.assertEqual(document["model"]["preprocessing"]["channel_order"], "grey")
        chosen = self.precis("choose", names[0], "--target", "1.5x int4", code=0)
        self.assertIn("int8", self.precis("candidates", names[0], "-o", "wide", code=0).out)
        self.assertTrue(chosen.out)

    def test_techniques_keep_weights_of_answers(self):
        techniques = "post_training: {calibration_images: 64, techniques: [smooth, bias_correction, gptq]}"
        job = self.finished(self.submit_file(POST_TRAINING.replace("post_training: {calibration_images: 64}", techniques)))
        self.assertEqual(job["state"], "succeeded", job["error"])
        self.assertEqual(job["spec"]["post_training"]["techniques"], ["smooth", "bias_correction", "gptq"])
        for form in ("json", "onnx"):
            self.precis("export", job["name"], "--format", form, "--output", self.folder / form, code=0)
        other = next(each for each in self.precis("candidates", job["name"], "-o", "json", code=0).json()
                     if each["origin"] != "final")
        refused = self.precis("export", job["name"], "--candidate", other["name"].split("/")[-1])
        self.assertNotEqual(refused.code, 0)
        self.assertIn("weights are kept of answers alone", refused.err)
        refused = self.refusal(POST_TRAINING.replace("64}", "64, techniques: [gptq, learned_rounding]}"))
        self.assertIn("post_training.techniques", refused)
        self.assertIn("take one of them out", refused)

    def test_several_targets_without_training(self):
        targets = POST_TRAINING.replace("target: 1x int4", "targets: [2x int4, 1.2x int4, 0.9x int4]")
        job = self.finished(self.submit_file(targets))
        self.assertEqual(job["state"], "succeeded", job["error"])
        finals = [each for each in self.candidates(job["name"]) if each["origin"] == "final"]
        self.assertGreaterEqual(len(finals), 2)
        for each in finals:
            self.assertIn("accuracy", each["test"])

    def test_finetune_and_from_scratch_train_what_was_submitted(self):
        name = self.submit_file(JOB.replace("START", "finetune") + TRAINING)
        onnx_file.write(self.model, side=12)  # too late to matter
        job = self.finished(name)
        self.assertEqual(job["state"], "succeeded", job["error"])
        self.assertEqual(job["spec"]["training"]["learning_rate"], 0.01)
        self.assertGreater(job["plan"]["total_steps"], 0)
        self.precis("export", name, code=0)
        onnx_file.write(self.model)
        job = self.finished(self.submit_file(JOB.replace("START", "from_scratch") + TRAINING))
        self.assertEqual(job["state"], "succeeded", job["error"])
        self.assertEqual(job["spec"]["training"]["learning_rate"], 0.1)

    def refusal(self, job):
        path = self.folder / "job.yaml"
        path.write_text(job)
        refused = self.precis("validate", path)
        self.assertNotEqual(refused.code, 0)
        return refused.err

    def test_what_does_not_fit_is_refused_at_once(self):
        onnx_file.write(self.model, foreign=["Frobnicate", "Defenestrate"])
        refused = self.refusal(POST_TRAINING)
        self.assertIn("model.path", refused)
        self.assertIn("Frobnicate", refused)
        self.assertIn("Defenestrate", refused)
        onnx_file.write(self.model, channels=3, side=32, classes=7)
        refused = self.refusal(POST_TRAINING)
        self.assertIn("3x32x32", refused)
        self.assertIn("10 classes", refused)
        self.model.write_bytes(b"no model")
        self.assertIn("not a whole ONNX file", self.refusal(POST_TRAINING))
        self.model.unlink()
        self.assertIn("there is no such file", self.refusal(POST_TRAINING))

    def test_inspect_shows_what_a_job_would_find(self):
        text = self.precis("inspect", self.model, code=0).out
        self.assertIn("small: 1x28x28 to 10 classes, 4 layers", text)
        self.assertIn("classifier", text)
        seen = self.precis("inspect", self.model, "-o", "json", code=0).json()
        on_server = self.precis("inspect", "--on-server", self.model, "-o", "json", code=0).json()
        self.assertEqual(seen, on_server)
        self.assertEqual([layer["name"] for layer in seen["layers"]], ["conv0", "conv1", "conv2", "classifier"])
        self.assertEqual(sum(int(layer["macs"]) for layer in seen["layers"]), int(seen["macs"]))
        onnx_file.write(self.model, foreign=["Frobnicate", "Defenestrate"])
        refused = self.precis("inspect", self.model)
        self.assertNotEqual(refused.code, 0)
        self.assertIn("Frobnicate", refused.err)
        self.assertIn("Defenestrate", refused.err)
        self.assertNotEqual(self.precis("inspect", self.folder / "nothing.onnx").code, 0)

    def test_fields_that_exclude_each_other(self):
        job = POST_TRAINING.replace("{path:", "{name: resnet8, width_multiplier: 2, path:")
        refused = self.refusal(job + "training: {epochs: 1}\nranges: {weights: learned}\n")
        for field in ("model.name", "model.width_multiplier", "training.epochs", "ranges.weights"):
            self.assertIn(field, refused)
        self.assertIn("model.start", self.refusal(POST_TRAINING.replace("path: small.onnx", "name: resnet8")))


if __name__ == "__main__":
    unittest.main()
