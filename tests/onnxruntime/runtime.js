// ONNX Runtime and the models it is asked to run: QuantizeLinear and DequantizeLinear, encoded by hand, since
// Debian's onnx is older than the types at stake. Field numbers are those of onnx.proto3.
"use strict";

const fs = require("fs");
const os = require("os");
const path = require("path");

const OPSET = 25;  // the first with INT2 and UINT2
const IR_VERSION = 13;

// TensorProto.DataType, bits, and whether a tensor of it may leave ONNX Runtime for JavaScript.
const TYPES = {
  uint8: {id: 2, bits: 8, direct: true}, int8: {id: 3, bits: 8, direct: true},
  uint16: {id: 4, bits: 16, direct: true}, int16: {id: 5, bits: 16, direct: true},
  float8e4m3fn: {id: 17, bits: 8, direct: false}, float8e5m2: {id: 19, bits: 8, direct: false},
  uint4: {id: 21, bits: 4, direct: false}, int4: {id: 22, bits: 4, direct: false},
  float4e2m1: {id: 23, bits: 4, direct: false},
  uint2: {id: 25, bits: 2, direct: false}, int2: {id: 26, bits: 2, direct: false},
};
const FLOAT = 1;

// The package that deploy/install-dependencies.sh put beside no source tree, in the version that package.json
// pins. Throws with what to do if it is not there.
function loadRuntime() {
  const version = JSON.parse(fs.readFileSync(path.join(__dirname, "package.json"))).dependencies["onnxruntime-node"];
  const cache = process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
  const folder = path.join(cache, "precis", `onnxruntime-node-${version}`, "node_modules", "onnxruntime-node");
  let installed;
  try {
    installed = JSON.parse(fs.readFileSync(path.join(folder, "package.json"))).version;
  } catch (error) {
    throw new Error(`ONNX Runtime is not in ${folder} (${error.code || error.message}); ` +
                    "run: bash deploy/install-dependencies.sh");
  }
  if (installed !== version) {
    throw new Error(`${folder} holds version ${installed}, not ${version}; remove it and ` +
                    "run: bash deploy/install-dependencies.sh");
  }
  return require(folder);
}

// Protobuf, as much of it as a model needs.
function varint(value) {
  const bytes = [];
  for (let rest = BigInt(value); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
}
const integer = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
function bytes(field, ...parts) {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([varint(field << 3 | 2), varint(content.length), content]);
}

const tensor = (name, type, dims, raw) =>
    bytes(5, ...dims.map((dim) => integer(1, dim)), integer(2, type), bytes(8, name), bytes(9, raw));
const shape = (dims) => bytes(2, ...dims.map((dim) => bytes(1, integer(1, dim))));
const valueInfo = (field, name, type, dims) =>
    bytes(field, bytes(1, name), bytes(2, bytes(1, integer(1, type), shape(dims))));
const node = (operation, inputs, output, attributes) =>
    bytes(1, ...inputs.map((input) => bytes(1, input)), bytes(2, output), bytes(4, operation),
          ...Object.entries(attributes).map(([name, value]) =>
              bytes(5, bytes(1, name), integer(3, value), integer(20, 2))));

function model(parts) {
  return Buffer.concat([integer(1, IR_VERSION), bytes(7, bytes(2, "g"), ...parts), bytes(8, integer(2, OPSET))]);
}

const floats = (values) => {
  const array = Float32Array.from(values);
  return Buffer.from(array.buffer);
};

// Codes (as unsigned or signed numbers) as TensorProto.raw_data: low bits first.
function packCodes(type, codes) {
  const {bits} = TYPES[type];
  const raw = Buffer.alloc(Math.ceil(codes.length * bits / 8));
  for (let i = 0; i < codes.length; ++i) {
    const code = codes[i] & (2 ** bits - 1);
    if (bits === 16) raw.writeUInt16LE(code, 2 * i);
    else raw[Math.floor(i * bits / 8)] |= code << (i * bits % 8);
  }
  return raw;
}

async function runModel(runtime, parts, feeds) {
  const session = await runtime.InferenceSession.create(model(parts), {
    executionProviders: ["cpu"], graphOptimizationLevel: "disabled", intraOpNumThreads: 1, logSeverityLevel: 3});
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

// The initializers s and z. layout.scale: {dims, values}; zeroPoints: one a scale, 0 if not given.
function scaleParts(type, layout, zeroPoints) {
  const {dims, values} = layout.scale;
  return [tensor("s", FLOAT, dims, floats(values)),
          tensor("z", TYPES[type].id, dims, packCodes(type, zeroPoints || values.map(() => 0)))];
}

// What DequantizeLinear makes of codes that lie packed in `raw`.
// layout: {dims, scale: {dims, values}, attributes: {axis, block_size}}.
async function dequantize(runtime, type, layout, zeroPoints, raw) {
  const outputs = await runModel(runtime, [
    node("DequantizeLinear", ["c", "s", "z"], "y", layout.attributes || {}), ...scaleParts(type, layout, zeroPoints),
    tensor("c", TYPES[type].id, layout.dims, raw), valueInfo(12, "y", FLOAT, layout.dims)], {});
  return outputs.y.data;
}

// QuantizeLinear (saturating) and back: {codes, values}. `codes` are what DequantizeLinear makes of them under
// the scale 1 and the zero point 0, or the very tensor where JavaScript can hold it.
async function quantize(runtime, type, layout, zeroPoints, x) {
  const {id, direct} = TYPES[type];
  const attributes = layout.attributes || {};
  const float8 = type.startsWith("float8");
  const parts = [
    node("QuantizeLinear", ["x", "s", "z"], "q", float8 ? {...attributes, saturate: 1} : attributes),
    node("DequantizeLinear", ["q", "s", "z"], "y", attributes), ...scaleParts(type, layout, zeroPoints)];
  if (!direct) {
    parts.push(node("DequantizeLinear", ["q", "one", "zero"], "codes", {}), tensor("one", FLOAT, [], floats([1])),
               tensor("zero", id, [], packCodes(type, [0])));
  }
  parts.push(valueInfo(11, "x", FLOAT, layout.dims), valueInfo(12, "y", FLOAT, layout.dims),
             direct ? valueInfo(12, "q", id, layout.dims) : valueInfo(12, "codes", FLOAT, layout.dims));
  const outputs = await runModel(runtime, parts, {x: new runtime.Tensor("float32", x, layout.dims)});
  return {codes: (direct ? outputs.q : outputs.codes).data, values: outputs.y.data};
}

module.exports = {TYPES, loadRuntime, packCodes, dequantize, quantize};
