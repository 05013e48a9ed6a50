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

// Calls rotate(in, out) for every whole group of every row, and copies what is left.
template <typename Rotate>
void ForEachGroup(size_t n, const float* in, float* out, size_t count, size_t row_size,
                  const Rotate& rotate) {
  if (row_size == 0) row_size = count;
  PRECIS_CHECK(count == 0 || count % row_size == 0);
  for (size_t row = 0; row < count; row += row_size) {
    size_t i = 0;
    for (; i + n <= row_size; i += n) rotate(in + row + i, out + row + i);
    for (; i < row_size; ++i) out[row + i] = in[row + i];
  }
}

}  // namespace

float HadamardSign(uint64_t seed, uint32_t i) {
  return (CounterBits(MakeCounterKey(seed ^ kSignStream, 0), i) >> 31) != 0 ? -1.0f : 1.0f;
}

void HadamardRotate(int size, uint64_t seed, const float* in, float* out, size_t count, size_t row_size) {
  const std::vector<float> factors = Factors(size, seed);
  const size_t n = factors.size();
  ForEachGroup(n, in, out, count, row_size, [&](const float* from, float* to) {
    for (size_t i = 0; i < n; ++i) to[i] = from[i] * factors[i];
    Transform(to, n);
  });
}

void HadamardRotateBack(int size, uint64_t seed, const float* in, float* out, size_t count, size_t row_size) {
  const std::vector<float> factors = Factors(size, seed);
  const size_t n = factors.size();
  ForEachGroup(n, in, out, count, row_size, [&](const float* from, float* to) {
    for (size_t i = 0; i < n; ++i) to[i] = from[i];
    Transform(to, n);
    for (size_t i = 0; i < n; ++i) to[i] *= factors[i];
  });
}

}  // namespace precis
