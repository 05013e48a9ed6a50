// Our half of the comparison with ONNX Runtime (onnxruntime_oracle.js): numbers in, our codes and values out.
//
// Usage: onnxruntime_answers values FORMAT < RECORDS        {float x, float scale, int32 zero point} each
//        onnxruntime_answers tensor FORMAT ROWS ROW_SIZE < FLOATS
//
// The first writes a record {uint32 code, float of the scalar reference, float of the kernel} for each of
// its own. The second finds the scales itself, and writes the counts of values, scales, zero points and bytes
// of packed codes (uint32 each), and then these. All is little-endian, as the processors that Precis runs on.
#include <cstdint>
#include <cstring>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "supernet/formats/format.h"
#include "supernet/formats/kernels.h"
#include "supernet/formats/packing.h"
#include "supernet/formats/scalar.h"
#include "supernet/formats/tensor_quantizer.h"

namespace precis {
namespace {

struct Question {
  float x;
  float scale;
  int32_t zero_point;
};

struct Answer {
  uint32_t code;
  float scalar;
  float kernel;
};

template <typename T>
std::vector<T> ReadAll(std::istream& in) {
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::vector<T> all(bytes.size() / sizeof(T));
  std::memcpy(all.data(), bytes.data(), all.size() * sizeof(T));
  return all;
}

template <typename T>
void Write(const std::vector<T>& all) {
  std::cout.write(reinterpret_cast<const char*>(all.data()),
                  static_cast<std::streamsize>(all.size() * sizeof(T)));
}

Answer AnswerOf(const Format& format, const Question& q) {
  const ElementFormat& element = format.element;
  if (!format.scale.zero_point) {
    return {Encode(element, q.x / q.scale), QuantizeScaled(element, q.x, q.scale), 0};
  }
  // Under the scale 1 the value is the code less the zero point.
  const float code = QuantizeAffine(element, q.x / q.scale, 1.0f, q.zero_point) + q.zero_point;
  return {Encode(element, code), QuantizeAffine(element, q.x, q.scale, q.zero_point), 0};
}

void AnswerValues(const Format& format) {
  const auto questions = ReadAll<Question>(std::cin);
  std::vector<Answer> answers;
  std::vector<float> in, out(questions.size());
  for (const Question& q : questions) {
    answers.push_back(AnswerOf(format, q));
    in.push_back(q.x);
  }
  // The kernels take one scale a span.
  for (size_t begin = 0, end = 0; begin < questions.size(); begin = end) {
    const Question& q = questions[begin];
    while (end < questions.size() && questions[end].scale == q.scale &&
           questions[end].zero_point == q.zero_point) {
      ++end;
    }
    if (format.scale.zero_point) {
      QuantizeAffineSpan(format.element, q.scale, q.zero_point, &in[begin], &out[begin], end - begin);
    } else {
      QuantizeSpan(format.element, q.scale, &in[begin], &out[begin], end - begin);
    }
  }
  for (size_t i = 0; i < answers.size(); ++i) answers[i].kernel = out[i];
  Write(answers);
}

void AnswerTensor(const Format& format, size_t rows, size_t row_size) {
  const auto in = ReadAll<float>(std::cin);
  if (in.size() != rows * row_size) return;
  const QuantizedTensor quantized = QuantizeTensor(format, {}, in.data(), rows, row_size);
  const PackedTensor packed = PackTensor(format, {}, in.data(), rows, row_size);
  const std::vector<int32_t> zero_points(quantized.zero_points.begin(), quantized.zero_points.end());
  std::vector<uint32_t> counts;
  for (const size_t count :
       {quantized.values.size(), quantized.scales.size(), zero_points.size(), packed.codes.size()}) {
    counts.push_back(static_cast<uint32_t>(count));
  }
  Write(counts);
  Write(quantized.values);
  Write(quantized.scales);
  Write(zero_points);
  Write(packed.codes);
}

int Main(const std::vector<std::string>& arguments) {
  const std::string mode = arguments.empty() ? "" : arguments[0];
  if (arguments.size() != (mode == "tensor" ? 4 : 2) || (mode != "tensor" && mode != "values")) {
    std::cerr << "usage: onnxruntime_answers values FORMAT | tensor FORMAT ROWS ROW_SIZE\n";
    return 2;
  }
  const auto format = ParseFormat(arguments[1]);
  if (!format.ok()) {
    std::cerr << format.status() << '\n';
    return 2;
  }
  if (mode == "values") {
    AnswerValues(*format);
  } else {
    AnswerTensor(*format, std::stoul(arguments[2]), std::stoul(arguments[3]));
  }
  return std::cout.flush() ? 0 : 1;
}

}  // namespace
}  // namespace precis

int main(int argc, char** argv) { return precis::Main(std::vector<std::string>(argv + 1, argv + argc)); }
