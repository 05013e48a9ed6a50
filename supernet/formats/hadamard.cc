// The fast Walsh-Hadamard transform, group by group.
#include "supernet/formats/hadamard.h"

#include <bit>
#include <cmath>
#include <vector>

#include "supernet/formats/check.h"
#include "supernet/formats/counter_random.h"

namespace precis {
namespace {

// Not a stream that stochastic rounding draws from with the same seed.
constexpr uint64_t kSignStream = 0x5349474E53;  // "SIGNS"

void Transform(float* group, size_t size) {
  for (size_t half = 1; half < size; half *= 2) {
    for (size_t begin = 0; begin < size; begin += 2 * half) {
      for (size_t i = begin; i < begin + half; ++i) {
        const float a = group[i], b = group[i + half];
        group[i] = a + b;
        group[i + half] = a - b;
      }
    }
  }
}

std::vector<float> Factors(int size, uint64_t seed) {
  PRECIS_CHECK(size >= 2 && size <= 4096 && std::has_single_bit(static_cast<unsigned>(size)));
  const auto root = static_cast<float>(1 / std::sqrt(static_cast<double>(size)));
  std::vector<float> factors(static_cast<size_t>(size));
  for (uint32_t i = 0; i < factors.size(); ++i) factors[i] = HadamardSign(seed, i) * root;
  return factors;
}

void CopyTail(const float* in, float* out, size_t begin, size_t count) {
  for (size_t i = begin; i < count; ++i) out[i] = in[i];
}

}  // namespace

float HadamardSign(uint64_t seed, uint32_t i) {
  return (CounterBits(MakeCounterKey(seed ^ kSignStream, 0), i) >> 31) != 0 ? -1.0f : 1.0f;
}

void HadamardRotate(int size, uint64_t seed, const float* in, float* out, size_t count) {
  const std::vector<float> factors = Factors(size, seed);
  const size_t n = factors.size(), whole = count / n * n;
  for (size_t begin = 0; begin < whole; begin += n) {
    for (size_t i = 0; i < n; ++i) out[begin + i] = in[begin + i] * factors[i];
    Transform(out + begin, n);
  }
  CopyTail(in, out, whole, count);
}

void HadamardRotateBack(int size, uint64_t seed, const float* in, float* out, size_t count) {
  const std::vector<float> factors = Factors(size, seed);
  const size_t n = factors.size(), whole = count / n * n;
  for (size_t begin = 0; begin < whole; begin += n) {
    for (size_t i = 0; i < n; ++i) out[begin + i] = in[begin + i];
    Transform(out + begin, n);
    for (size_t i = 0; i < n; ++i) out[begin + i] *= factors[i];
  }
  CopyTail(in, out, whole, count);
}

}  // namespace precis
