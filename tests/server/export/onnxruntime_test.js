// Runs the exporter's models in ONNX Runtime (CPU) and holds them against what Precis computes.
//
// What an activation or a weight becomes must have the very bits; networks come as near as two orders of sums
// allow. Fusions of QuantizeLinear are off, as onnx_exporter.h tells users.
//
// Usage: onnxruntime_test.js ONNX_CASES
"use strict";

const {spawnSync} = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");
const {loadRuntime} = require(path.join(__dirname, "..", "..", "onnxruntime", "runtime.js"));

const OPTIONS = {extra: {session: {disable_quant_qdq: "1"}}, intraOpNumThreads: 2};

function readFloats(file) {
  const bytes = fs.readFileSync(file);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

// What is wrong with the outputs, or "".
function compare(actual, expected, {most, mean}) {
  if (actual.length !== expected.length) return `${actual.length} outputs instead of ${expected.length}`;
  let worst = 0;
  let at = 0;
  let squares = 0;
  let size = 0;
  for (let i = 0; i < expected.length; ++i) {
    const error = Math.abs(actual[i] - expected[i]);
    squares += error ** 2;
    size += expected[i] ** 2;
    if (!(error <= worst)) [worst, at] = [error, i];
  }
  const relative = Math.sqrt(squares / Math.max(size, 1e-30));
  const text = `output ${at} is ${actual[at]} instead of ${expected[at]}, relative error ${relative.toExponential(2)}`;
  return worst <= most && relative <= mean ? "" : text;
}

async function main() {
  const ort = loadRuntime();
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "precis-onnx-"));
  let failed = 0;
  let numbers = 0;
  try {
    const made = spawnSync(process.argv[2], [folder], {stdio: "inherit"});
    if (made.status !== 0) throw new Error(`onnx_cases ended with ${made.status || made.signal}`);
    const cases = JSON.parse(fs.readFileSync(path.join(folder, "cases.json")));
    for (const each of cases) {
      const file = (suffix) => path.join(folder, each.stem + suffix);
      let fault;
      try {
        const session = await ort.InferenceSession.create(file(".onnx"), OPTIONS);
        const input = new ort.Tensor("float32", readFloats(file(".in")), each.input);
        const {logits} = await session.run({input});
        fault = compare(logits.data, readFloats(file(".out")), each);
        numbers += logits.data.length;
        await session.release();
      } catch (error) {
        fault = String(error.message || error);
      }
      if (fault) {
        ++failed;
        console.log(`${each.name}: ${fault}`);
      }
    }
    console.log(`${cases.length} models, ${numbers} outputs, ${failed} models differ`);
    if (cases.length < 200) throw new Error("there are x");
  } finally {
    if (!process.env.PRECIS_KEEP) fs.rmSync(folder, {recursive: true});
  }
  process.exit(failed === 0 ? 0 : 1);
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
