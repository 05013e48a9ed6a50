#!/usr/bin/env python3
"""A search of architecture and formats through the real server and worker, and the export of what it cuts out."""

import harness
import json
import re
import struct
import unittest

JOB = """\
model: {name: mobilenet_v2, width_multiplier: 0.25}
data: {name: fashion_mnist, search_images: 200}
space:
  formats: [int4, int8]
  architecture: {kernel: [3, 5], expansion: [3, 6], width: [0.5, 1], skip: true}
cost: {target: 0.4x int4}
training: {epochs: 0.05, batch_size: 64, recalibration_images: 64}
controller: {screening_images: 16}
finish: {sampled_candidates: 1}
seed: 7
threads: 1
device: cpu
"""


def tensor_names(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
    return {name for name in header if name != "__metadata__"}, header["__metadata__"]


class JointTest(harness.EndToEndTest):
    def test_the_answer_is_cut_out(self):
        self.serve()
        name = self.submit(JOB)
        self.precis("watch", name, code=0)
        job = self.job(name)
        self.assertEqual(job["state"], "succeeded", job["error"])
        self.assertEqual(job["spec"]["space"]["architecture"]["kernel"], [3, 5])
        candidates = self.precis("candidates", name, "-o", "json", code=0).json()
        final = next(c for c in candidates if c["name"] == job["result"]["final_candidate"])
        bops = next(c["value"] for c in final["costs"] if c["metric"] == "bops")
        self.assertLessEqual(bops, job["plan"]["target"])
        self.assertTrue(final["architecture"], "the network's own costs 2.5 times the target")

        document = json.loads(self.precis("export", name, code=0).out)
        model = self.folder / "cut_out.onnx"
        self.precis("export", name, "--format", "onnx", "-o", model, code=0)
        self.assertEqual(document["model"]["options"]["architecture"], final["architecture"])
        layers = {layer["name"] for layer in document["layers"]}
        self.assertEqual(layers, {layer["layer"] for layer in final["layers"]})
        skipped = [part.split("=")[0] for part in final["architecture"].split() if part.endswith("=skipped")]
        tensors, metadata = tensor_names(self.folder / "data" / "jobs" / name.split("/")[1] /
                                         document["provenance"]["weights_file"]["name"])
        self.assertEqual(metadata["architecture"], final["architecture"])
        onnx = model.read_bytes()
        self.assertTrue(all(f"{layer}.weight".encode() in onnx for layer in layers))
        for block in skipped:
            self.assertIsNone(re.search(rf"{re.escape(block)}\.[\w.]*\.(weight|bias|running)".encode(), onnx), block)
            self.assertFalse([each for each in tensors | layers if each.startswith(block + ".")], block)
        self.assertTrue({layer + ".weight" for layer in layers} <= tensors)

        other = next(c for c in candidates if c["architecture"] != final["architecture"])
        refused = self.precis("export", name, "--candidate", other["name"].split("/")[-1])
        self.assertNotEqual(refused.code, 0)
        self.assertIn("another architecture", refused.err)

    def test_a_model_of_one_architecture_is_refused(self):
        self.serve()
        answer = self.precis("submit", "-", stdin=JOB.replace("mobilenet_v2", "resnet8"))
        self.assertNotEqual(answer.code, 0)
        self.assertIn("space.architecture", answer.err)
        self.assertIn("mobilenet_v2", answer.err)


if __name__ == "__main__":
    unittest.main()
