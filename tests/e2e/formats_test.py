"""Searches over every kind of format, with ranges of every rule, through the real server, worker and client: what is
found is what was allowed, and what is exported says how to store it."""

import harness
import json
import jsonschema
import math
import unittest

SCHEMA = json.loads((harness.ROOT / "server/export/precis-export-v1.schema.json").read_text(encoding="utf-8"))

JOB = """\
model: {{name: resnet8, width_multiplier: 0.5}}
data: {{name: fashion_mnist, search_images: 500}}
space: {{formats: [{formats}]}}
cost: {{target: {target}}}
ranges: {{weights: {weights}, activations: {activations}}}
reward: {{probe_images: 64}}
training: {{epochs: 0.12, recalibration_images: 256}}
controller: {{warmup_share: 0.5, screening_images: 64}}
finish: {{sampled_candidates: 3}}
seed: 7
threads: 1
device: cpu
"""


class FormatsTest(harness.EndToEndTest):
    def setUp(self):
        super().setUp()
        self.serve()

    def search(self, formats, target, weights="max_abs", activations="max_abs"):
        """The candidates, and the export of the answer."""
        job = JOB.format(formats=", ".join(formats), target=target, weights=weights, activations=activations)
        name = self.submit(job)
        self.precis("watch", name, code=0)
        self.assertEqual(self.job(name)["state"], "succeeded")
        document = json.loads(self.precis("export", name, code=0).out)
        jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft7Validator)
        return self.precis("candidates", name, "-o", "json", code=0).json(), document

    def test_block_formats(self):
        formats = ["mxfp4", "nvint4", "mxfp6", "mxint8"]
        candidates, document = self.search(formats, "1.2x mxfp4")
        labels = [c["label"] for c in candidates if c["origin"] in ("reference", "final")]
        for name in formats:
            self.assertIn(f"uniform {name}", labels)
        bops = {c["label"]: c["costs"][0]["value"] for c in candidates}
        macs = document["model"]["macs"]
        self.assertAlmostEqual(bops["uniform mxfp4"], macs * 4.25 ** 2)
        self.assertAlmostEqual(bops["uniform nvint4"], macs * 4.5 ** 2)
        for layer in document["layers"]:
            weight, activation = layer["weight"], layer["activation"]
            self.assertIn(weight["format"], formats)
            block = {"nvint4": 16}.get(weight["format"], 32)
            rows, row = weight["shape"][0], math.prod(weight["shape"][1:])
            self.assertEqual(weight["granularity"], "per_block")
            self.assertEqual(weight["block_size"], block)
            self.assertEqual(len(weight["scales"]), rows * math.ceil(row / block))
            self.assertEqual(weight["global_scale"] is None, block == 32)
            self.assertIsNone(activation["scale"])

    def test_unsigned_activations_and_learned_ranges(self):
        candidates, document = self.search(
            ["int4/uint4", "int4/int8_affine", "int8/uint8"], "1.6x int4", "learned", "learned")
        for candidate in candidates:
            first = candidate["layers"][0]
            self.assertEqual((first["weight"], first["activation"]), ("int4", "int8_affine"),
                             "images have both signs, so that no unsigned format suits the first layer")
        activation = document["layers"][0]["activation"]
        low, high = activation["range"]
        self.assertLess(low, 0)
        self.assertAlmostEqual((-128 - activation["zero_point"]) * activation["scale"], low, places=5)
        self.assertAlmostEqual((127 - activation["zero_point"]) * activation["scale"], high, places=5)
        for layer in document["layers"][1:]:
            if layer["activation"]["format"] in ("uint4", "uint8"):
                self.assertEqual(layer["activation"]["range"][0], 0)

    def test_rotation_random_rounding_and_other_rules(self):
        candidates, document = self.search(
            ["int4+hadamard4", "int4+sr8", "int8@fp32:tensor"], "1.3x int4", "mean_square_error", "moving_average")
        self.assertTrue(any(c["origin"] == "final" for c in candidates))
        granularity = {"int8@fp32:tensor": "per_tensor"}
        for layer in document["layers"]:
            expected = granularity.get(layer["weight"]["format"], "per_output_channel")
            self.assertEqual(layer["weight"]["granularity"], expected)

    def test_faults_name_what_suits(self):
        ran = self.precis("validate", "-", stdin=JOB.format(
            formats="uint8, int4/uint4", target="1.1x int4", weights="moving_average", activations="max_abs"))
        self.assertEqual(ran.code, 1)
        self.assertIn('as in "int8/uint8"', ran.err)
        self.assertIn("moving_average is for activations", ran.err)
        ran = self.precis("validate", "-", stdin=JOB.format(
            formats="int4/uint4, int8/uint8", target="1.1x int4", weights="max_abs", activations="max_abs"))
        self.assertEqual(ran.code, 1)
        self.assertIn("leaves 1 layer without an option (stem", ran.err)
        self.assertIn("int8/uint8_affine", ran.err)


if __name__ == "__main__":
    unittest.main()
