"""A network of twelve formats, exported as ONNX and run by ONNX Runtime over the test images: it classifies them as
Precis measured."""

import harness
import json
import subprocess
import unittest

# Of every layer of resnet8: weight and input.
FORMATS = {
    "stem.conv": "int8/bf16",
    "stage1.block0.conv1": "int4/int4",
    "stage1.block0.conv2": "e2m1/e4m3",
    "stage2.block0.conv1": "mxfp4/mxint8",
    "stage2.block0.conv2": "e4m3/e3m2",
    "stage2.block0.shortcut.conv": "int3/int5",
    "stage3.block0.conv1": "nvfp4/nvfp4",
    "stage3.block0.conv2": "e3m2/e5m2",
    "stage3.block0.shortcut.conv": "e5m2/mxfp4",
    "classifier": "int2/e2m1",
}
WITHIN = 2  # images of 10,000

JOB = """\
model: {{name: resnet8, width_multiplier: 0.5}}
data: {{name: fashion_mnist, search_images: 500}}
space: {{formats: [int8], overrides: [{pins}]}}
cost: {{target: 2x int8}}
controller: {{algorithm: uniform}}
training: {{epochs: 0.4, recalibration_images: 256}}
seed: 7
threads: 1
device: cpu
"""


class OnnxExportTest(harness.EndToEndTest):
    def test_runs_as_it_was_measured(self):
        self.serve()
        pins = ", ".join(f"{{layers: {layer}, pin: {pair}}}" for layer, pair in FORMATS.items())
        name = self.submit(JOB.format(pins=pins))
        self.precis("watch", name, code=0)
        measured = json.loads(self.precis("export", name, code=0).out)["accuracy"]["candidate"]["test"]
        self.assertEqual(measured["images"], 10000)
        self.assertGreater(measured["accuracy"], 0.3, "or nothing has been learnt that could go wrong")
        for style in ("onnx", "onnx_fake"):
            model = self.folder / f"{style}.onnx"
            self.precis("export", name, "--format", style, "-o", model, code=0)
            ran = subprocess.run(
                ["/usr/bin/node", harness.ROOT / "tests/onnxruntime/classify.js", model,
                 harness.FASHION_MNIST / "t10k-images-idx3-ubyte.gz", harness.FASHION_MNIST / "t10k-labels-idx1-ubyte.gz"],
                capture_output=True, text=True, timeout=harness.DEADLINE_S, check=False)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            result = json.loads(ran.stdout)
            self.assertEqual(result["images"], 10000)
            correct = round(measured["accuracy"] * 10000)
            print(f"{style}: {result['correct']} right, measured {correct}")
            self.assertLessEqual(abs(result["correct"] - correct), WITHIN, style)
        self.check_other_exports(name)

    def check_other_exports(self, name):
        sizes = {}
        for form in ("onnx_float", "packed", "safetensors"):
            file = self.folder / f"export.{form}"
            self.precis("export", name, "--format", form, "-o", file, code=0)
            sizes[form] = file.stat().st_size
        self.assertLess(sizes["packed"], 0.4 * sizes["safetensors"], "weights of 2 to 8 bits")
        refused = self.precis("export", name, "--format", "aimet", "-o", self.folder / "refused").err
        for layer in ("stage1.block0.conv2", "stage2.block0.conv1"):
            self.assertIn(f"layer {layer}: ", refused)
        self.assertFalse((self.folder / "refused").exists())


if __name__ == "__main__":
    unittest.main()
