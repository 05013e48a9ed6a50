// Runs an exported model on a data set in IDX files and prints {"images": …, "correct": …}.
//
// Usage: classify.js MODEL.onnx IMAGES.idx.gz LABELS.idx.gz   (pixels are normalised as the model's metadata say)
"use strict";

const fs = require("fs");
const path = require("path");
const zlib = require("zlib");
const {loadRuntime} = require(path.join(__dirname, "runtime.js"));

const OPTIONS = {extra: {session: {disable_quant_qdq: "1"}}, intraOpNumThreads: 2};
const BATCH = 500;

// A value of the model's metadata: in protobuf's bytes the key, then the tag and the length of the value.
function metadata(bytes, key) {
  const at = bytes.indexOf(key) + key.length;
  if (at < key.length) throw new Error(`the model has no ${key}`);
  return bytes.toString("utf8", at + 2, at + 2 + bytes[at + 1]);
}

function readIdx(file) {
  const bytes = zlib.gunzipSync(fs.readFileSync(file));
  const dims = [];
  for (let i = 0; i < bytes[3]; ++i) dims.push(bytes.readUInt32BE(4 + 4 * i));
  return {dims, data: bytes.subarray(4 + 4 * dims.length)};
}

async function main() {
  const [model, imageFile, labelFile] = process.argv.slice(2);
  const bytes = fs.readFileSync(model);
  const mean = Math.fround(metadata(bytes, "precis.pixel_mean"));
  const deviation = Math.fround(metadata(bytes, "precis.pixel_stddev"));
  const images = readIdx(imageFile);
  const labels = readIdx(labelFile).data;
  const [count, height, width] = images.dims;
  const ort = loadRuntime();
  const session = await ort.InferenceSession.create(model, OPTIONS);
  let correct = 0;
  for (let begin = 0; begin < count; begin += BATCH) {
    const size = Math.min(BATCH, count - begin);
    const pixels = Float32Array.from(images.data.subarray(begin * height * width, (begin + size) * height * width),
                                     (pixel) => (pixel / 255 - mean) / deviation);
    const input = new ort.Tensor("float32", pixels, [size, 1, height, width]);
    const {logits} = await session.run({input});
    const classes = logits.dims[1];
    for (let i = 0; i < size; ++i) {
      const row = logits.data.subarray(i * classes, (i + 1) * classes);
      if (row.indexOf(Math.max(...row)) === labels[begin + i]) ++correct;
    }
  }
  console.log(JSON.stringify({images: count, correct}));
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
