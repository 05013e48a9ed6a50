// Compares Precis with ONNX Runtime's QuantizeLinear and DequantizeLinear (CPU, opset 25, saturate = 1): codes
// and values of every integer and 8-bit float that both have. Not one bit may differ.
//
// Compared are the scalar reference and the kernels under given scales and zero points (one a tensor, and one a
// channel along each axis); what a whole tensor becomes under the scales that Precis finds (a row's, a
// block's, a tensor's); and the packed codes, which ONNX Runtime must read as Precis's own values. Inputs are
// random ones of all magnitudes, every grid point, every midpoint and the ends, each with its FP32 neighbours
// (of 16-bit grids a sample under most scales), subnormals, zeros, infinities.
//
// Left out, since there is nothing to agree with:
// - NaN in integers: ONNX leaves it undefined (ONNX Runtime stores its lowest code; Precis keeps NaN a NaN).
//   In FP8 it is compared as NaN, whatever its code.
// - INT2 and UINT2 where x / scale is 2^31 or more, infinities with it: ONNX Runtime 1.30 converts to int32
//   before it clamps there, and so sends +inf to the lowest code. All other types clamp first.
// - INT2 and UINT2 with channels along the last axis: ONNX Runtime 1.30 quantises three elements of every four
//   with the third one's scale.
// - FLOAT4E2M1: ONNX Runtime 1.30 has no such kernel for the CPU.
// - The code -Q-1, which ONNX's integers have and Precis's narrow ones do not: it counts as -Q.
// - Infinities in whole tensors: a scale found from them means nothing.
//
// Usage: onnxruntime_oracle.js ONNXRUNTIME_ANSWERS
"use strict";

const {spawnSync} = require("child_process");
const path = require("path");
const {TYPES, loadRuntime, packCodes, dequantize, quantize} =
    require(path.join(__dirname, "..", "..", "onnxruntime", "runtime.js"));

const RANDOM_VALUES = 100_000;  // a format at least
const LIMIT_OF_2_BITS = 2 ** 31;
const SCALES = [1, 0.1, 1 / 64, 1000 / 7, 3.1e-5, 1.1754943508222875e-38, 1e37].map(Math.fround);

function isNarrow(name) {
  return name === "dfp16" || /^int\d+(@|$)/.test(name);
}

// Precis's name, ONNX's type, and the zero points of the affine.
const ELEMENTS = [
  ["int2", "int2"], ["int2_full", "int2"], ["int4", "int4"], ["int4_full", "int4"], ["int8", "int8"],
  ["int8_full", "int8"], ["int16", "int16"], ["int16_full", "int16"],
  ["uint2", "uint2"], ["uint4", "uint4"], ["uint8", "uint8"], ["uint16", "uint16"],
  ["int2_affine", "int2", [-2, -1, 0, 1]], ["uint2_affine", "uint2", [0, 1, 2, 3]],
  ["int4_affine", "int4", [-8, -3, 0, 7]], ["uint4_affine", "uint4", [0, 5, 8, 15]],
  ["int8_affine", "int8", [-128, -1, 0, 77, 127]], ["uint8_affine", "uint8", [0, 1, 128, 201, 255]],
  ["int16_affine", "int16", [-32768, 12345, 32767]], ["uint16_affine", "uint16", [0, 32769, 65535]],
  ["e4m3fn", "float8e4m3fn"], ["e5m2", "float8e5m2"],
].map(([name, type, zeroPoints]) => ({
  name, type, zeroPoints: zeroPoints || [0], float: type.startsWith("float"), narrow: isNarrow(name),
}));

// Whole tensors: Precis's name, ONNX's type, and the block along a row (0: a scale a row, -1: one in all).
const TENSORS = [
  ["int4", "int4", 0], ["int8", "int8", 0], ["int16", "int16", 0], ["int8_full", "int8", 0], ["uint8", "uint8", 0],
  ["e4m3fn", "float8e4m3fn", 0], ["e5m2", "float8e5m2", 0], ["int8_affine", "int8", 0], ["uint8_affine", "uint8", 0],
  ["uint4_affine", "uint4", 0], ["uint16_affine", "uint16", 0], ["int8@fp32:tensor", "int8", -1],
  ["dfp16", "int16", -1], ["int4@fp32:32", "int4", 32], ["e4m3fn@fp32:16", "float8e4m3fn", 16],
  ["int2@fp32:8", "int2", 8], ["int8@e8m0:32", "int8", 32], ["e5m2@fp32:128", "float8e5m2", 128],
  ["mxfp8", "float8e4m3fn", 32], ["mxfp8_e5m2", "float8e5m2", 32],
];

let checked = 0, differences = 0;

function same(a, b) {
  return Object.is(a, b);  // tells -0 from 0, and NaN is NaN
}

function compare(what, x, ours, theirs) {
  if (ours.length !== theirs.length || x.length !== ours.length || x.length === 0) {
    throw new Error(`${what}: ${ours.length} answers of ours, ${theirs.length} of theirs to ${x.length} values`);
  }
  checked += x.length;
  for (let i = 0; i < x.length; ++i) {
    if (!same(ours[i], theirs[i]) && ++differences <= 20) {
      console.log(`${what}: ${x[i]} gives ${ours[i]}, ONNX Runtime says ${theirs[i]}`);
    }
  }
}

let state = 29;
function random() {  // 32 bits: mulberry32
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ state >>> 15, 1 | state);
  t = (t + Math.imul(t ^ t >>> 7, 61 | t)) ^ t;
  return (t ^ t >>> 14) >>> 0;
}
const uniform = () => random() / 2 ** 32;

const word = new Uint32Array(1), wordAsFloat = new Float32Array(word.buffer);
function floatOfBits(bits) {
  word[0] = bits;
  return wordAsFloat[0];
}
function neighbours(x) {
  wordAsFloat[0] = x;
  const bits = word[0];
  const magnitude = bits & 0x7fffffff, sign = bits & 0x80000000;
  if (magnitude === 0) return [x, floatOfBits(1), floatOfBits(0x80000001)];
  return [x, floatOfBits((sign | magnitude - 1) >>> 0), magnitude < 0x7f800000 ? floatOfBits(bits + 1) : x];
}

// What is on the grid, between its points and just past its ends, in units of the scale.
function landmarks(grid, zeroPoint) {
  const points = [...new Set(grid.filter(Number.isFinite))].map((value) => value - zeroPoint).sort((a, b) => a - b);
  const last = points.length - 1;
  const marks = [...points, points[0] - (points[1] - points[0]) / 2,
                 points[last] + (points[last] - points[last - 1]) / 2];
  for (let i = 0; i < last; ++i) marks.push((points[i] + points[i + 1]) / 2);
  return {marks, largest: Math.max(-points[0], points[last])};
}

const SPECIALS = [0, -0, Infinity, -Infinity, 2 ** -149, -(2 ** -149), 2 ** -126, 2 ** -126 * (1 - 2 ** -23),
                  3.4028234663852886e38, -3.4028234663852886e38, 2 ** 31, -(2 ** 31), 2 ** 32, 1e9, -1e9];

function inputs(element, grid, scale, zeroPoint, randoms) {
  const {marks, largest} = landmarks(grid, zeroPoint);
  const fits = (value) => TYPES[element.type].bits !== 2 || Math.abs(Math.fround(value / scale)) < LIMIT_OF_2_BITS;
  const x = [...SPECIALS, ...(element.float ? [NaN] : [])];
  const whole = scale === 1 || scale === SCALES[1] && zeroPoint === element.zeroPoints[0];
  const sampled = grid.length > 256 && !whole;
  for (const mark of marks) {
    if (!sampled || random() % 16 === 0) x.push(...neighbours(Math.fround(mark * scale)));
  }
  for (let drawn = 0; drawn < randoms;) {
    const sign = random() % 2 === 0 ? 1 : -1, kind = random() % 4;
    let value = sign * largest * scale * 1.2 * uniform();
    if (kind === 0) value = floatOfBits(random());                                      // any FP32 number
    if (kind === 1) value = sign * largest * scale * 2 ** (8 - 24 * uniform());  // about the format's range
    value = Math.fround(value);
    if (Number.isNaN(value) || !fits(value)) continue;
    x.push(value);
    ++drawn;
  }
  return Float32Array.from(x.filter((value) => Number.isNaN(value) || fits(value)));
}

function ask(program, args, input, size) {
  const run = spawnSync(program, args, {input, maxBuffer: 2 ** 30});
  if (run.status !== 0) throw new Error(`${program} ${args.join(" ")}: ${run.stderr || run.error}`);
  if (size !== undefined && run.stdout.length !== size) {
    throw new Error(`${args.join(" ")}: ${run.stdout.length} bytes, not ${size}`);
  }
  return new Uint8Array(run.stdout).buffer;
}

// Ours for values with a scale and a zero point each: {codes, scalar, kernel}.
function ourValues(program, element, x, scaleOf, zeroPointOf) {
  const questions = new Float32Array(3 * x.length), zeroPoints = new Int32Array(questions.buffer);
  for (let i = 0; i < x.length; ++i) {
    questions[3 * i] = x[i];
    questions[3 * i + 1] = scaleOf(i);
    zeroPoints[3 * i + 2] = zeroPointOf(i);
  }
  const reply = ask(program, ["values", element.name], Buffer.from(questions.buffer), 12 * x.length);
  const floats = new Float32Array(reply), words = new Uint32Array(reply);
  const pick = (array, offset) => Array.from(x, (_, i) => array[3 * i + offset]);
  return {codes: pick(words, 0), scalar: pick(floats, 1), kernel: pick(floats, 2)};
}

// Their {codes, values} with the code -Q-1 taken for -Q, if Precis's format is narrow.
function narrowed(narrow, type, {codes, values}, scaleOf) {
  if (!narrow) return {codes, values};
  const lowest = 1 - 2 ** (TYPES[type].bits - 1);
  return {
    codes: codes.map((code) => Math.max(code, lowest)),
    values: values.map((value, i) => codes[i] < lowest ? Math.fround(lowest * scaleOf(i)) : value),
  };
}

async function compareValues(what, runtime, program, element, grid, layout, zeroPoints, x, channelOf) {
  const scales = layout.scale.values;
  const theirs = narrowed(element.narrow, element.type, await quantize(runtime, element.type, layout, zeroPoints, x),
                          (i) => scales[channelOf(i)]);
  const ours = ourValues(program, element, x, (i) => scales[channelOf(i)], (i) => zeroPoints[channelOf(i)]);
  compare(`${what}, code`, x, ours.codes.map((code) => grid[code]), theirs.codes);
  compare(`${what}, reference`, x, ours.scalar, theirs.values);
  compare(`${what}, kernel`, x, ours.kernel, theirs.values);
}

async function compareElement(runtime, program, element) {
  const count = 2 ** TYPES[element.type].bits;
  const all = Array.from({length: count}, (_, code) => code);
  const grid = Array.from(await dequantize(runtime, element.type, {dims: [count], scale: {dims: [], values: [1]}}, null,
                                           packCodes(element.type, all)));
  const before = checked, randoms = Math.ceil(RANDOM_VALUES / (SCALES.length * element.zeroPoints.length));
  for (const zeroPoint of element.zeroPoints) {
    for (const scale of SCALES) {
      const x = inputs(element, grid, scale, zeroPoint, randoms);
      await compareValues(`${element.name}, scale ${scale}, zero point ${zeroPoint}`, runtime, program, element, grid,
                          {dims: [x.length], scale: {dims: [], values: [scale]}}, [zeroPoint], x, () => 0);
    }
  }
  await compareChannels(runtime, program, element, grid);
  return checked - before;
}

// A scale and a zero point a channel, the channels along each axis of a tensor of three.
async function compareChannels(runtime, program, element, grid) {
  const dims = [5, 6, 7];
  const axes = TYPES[element.type].bits === 2 ? [0, 1] : [0, 1, 2];
  for (const axis of axes) {
    const channels = dims[axis], inner = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
    const channelOf = (i) => Math.floor(i / inner) % channels;
    const scales = Array.from({length: channels}, (_, c) => Math.fround(0.003 * 3.7 ** c));
    const zeroPoints = scales.map((_, c) => element.zeroPoints[c % element.zeroPoints.length]);
    const {largest} = landmarks(grid, 0);
    const x = Float32Array.from({length: 5 * 6 * 7}, (_, i) =>
        (2 * uniform() - 1) * 1.3 * largest * scales[channelOf(i)]);
    await compareValues(`${element.name}, axis ${axis}`, runtime, program, element, grid,
                        {dims, scale: {dims: [channels], values: scales}, attributes: {axis}}, zeroPoints, x,
                        channelOf);
  }
}

// A tensor under the scales that Precis finds.
async function compareTensor(runtime, program, [name, type, block]) {
  const before = checked, rows = 24, rowSize = 640;
  const x = Float32Array.from({length: rows * rowSize}, (_, i) => {
    const normal = Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    return normal * 10 ** (Math.floor(i / rowSize) / 3 - 4) * (random() % 97 === 0 ? 30 : 1);
  });
  const reply = ask(program, ["tensor", name, String(rows), String(rowSize)], Buffer.from(x.buffer));
  const [values, scales, zeroPoints, bytes] = new Uint32Array(reply, 0, 4);
  const scaleDims = block > 0 ? [rows, rowSize / block] : block === 0 ? [rows] : [];
  if (values !== x.length || scales !== scaleDims.reduce((product, dim) => product * dim, 1) ||
      reply.byteLength !== 16 + 4 * (values + scales + zeroPoints) + bytes) {
    throw new Error(`${name}: ${values} values, ${scales} scales, ${zeroPoints} zero points, ${bytes} bytes`);
  }
  const ours = new Float32Array(reply, 16, values);
  const ourScales = Array.from(new Float32Array(reply, 16 + 4 * values, scales));
  const ourZeroPoints = zeroPoints ? Array.from(new Int32Array(reply, 16 + 4 * (values + scales), zeroPoints)) : null;
  const codes = Buffer.from(reply, reply.byteLength - bytes);
  const attributes = block > 0 ? {axis: 1, block_size: block} : block === 0 ? {axis: 0} : {};
  const layout = {dims: [rows, rowSize], scale: {dims: scaleDims, values: ourScales}, attributes};
  const scaleOf = (i) => ourScales[block > 0 ? Math.floor(i / block) : block === 0 ? Math.floor(i / rowSize) : 0];
  const theirs = await quantize(runtime, type, layout, ourZeroPoints, x);
  compare(`tensor ${name}`, x, ours, narrowed(isNarrow(name), type, theirs, scaleOf).values);
  compare(`packed ${name}`, x, ours, await dequantize(runtime, type, layout, ourZeroPoints, codes));
  return checked - before;
}

async function main() {
  const program = process.argv[2];
  const runtime = loadRuntime();
  for (const element of ELEMENTS) {
    console.log(`${element.name}: ${await compareElement(runtime, program, element)} comparisons`);
  }
  for (const tensor of TENSORS) {
    console.log(`tensor ${tensor[0]}: ${await compareTensor(runtime, program, tensor)} comparisons`);
  }
  console.log(`ONNX Runtime ${runtime.env.versions.node}: ${checked} comparisons, ${differences} differences`);
  if (checked < 3 * RANDOM_VALUES * ELEMENTS.length) throw new Error("too few comparisons to believe this");
  return differences === 0 ? 0 : 1;
}

main().then((status) => process.exit(status), (error) => {
  console.log(error.message);
  process.exit(1);
});
