// The public kernels: checks, the choice of an instruction set, and stores that go past the caches.
#include "supernet/formats/kernels.h"

#ifdef __x86_64__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <cmath>

#include "supernet/formats/check.h"
#include "supernet/formats/scalar.h"

namespace precis {
namespace {

// From here on a result does not fit a cache that will be read before it is evicted, and a store that first
// reads its line from memory would cost a third of the traffic.
constexpr size_t kStreamFrom = size_t{4} << 20;  // elements
constexpr size_t kStreamChunk = 2048;            // elements, on the stack and in the nearest cache

const KernelSet& BestSet() {
  static const KernelSet& best = SupportedKernelSets().back();
  return best;
}

// A copy whose stores leave the caches alone.
void Stream(const float* from, float* to, size_t count) {
#ifdef __x86_64__
  size_t i = 0;
  while (i < count && reinterpret_cast<uintptr_t>(to + i) % 16 != 0) {
    to[i] = from[i];
    ++i;
  }
  for (; i + 16 <= count; i += 16) {
    _mm_stream_ps(to + i, _mm_loadu_ps(from + i));
    _mm_stream_ps(to + i + 4, _mm_loadu_ps(from + i + 4));
    _mm_stream_ps(to + i + 8, _mm_loadu_ps(from + i + 8));
    _mm_stream_ps(to + i + 12, _mm_loadu_ps(from + i + 12));
  }
  std::copy(from + i, from + count, to + i);
#else
  std::copy(from, from + count, to);
#endif
}

// Calls run(begin, count, to) over all elements: at once, or in chunks of a multiple of `unit` through a
// buffer where the result is large.
template <typename Run>
void RunStreaming(const float* in, float* out, size_t count, size_t unit, const Run& run) {
  if (count < kStreamFrom || in == out || unit > kStreamChunk) {
    run(0, count, out);
    return;
  }
  alignas(64) float buffer[kStreamChunk];
  const size_t chunk = kStreamChunk / unit * unit;
  for (size_t begin = 0; begin < count; begin += chunk) {
    const size_t here = std::min(chunk, count - begin);
    run(begin, here, buffer);
    Stream(buffer, out + begin, here);
  }
#ifdef __x86_64__
  _mm_sfence();
#endif
}

#ifdef __x86_64__
// What KernelSet::straight_through does, its results stored past the caches straight from the registers. With
// two inputs and next to nothing to compute, to fill a buffer and write it out in turns takes twice as long:
// the reads wait for the writes. SSE keeps up with memory, hence one body for all sets. grad_in is neither in
// nor grad_out.
void StreamStraightThrough(float low, float high, const float* in, const float* grad_out, float* grad_in,
                           size_t count) {
  const auto plain = BestSet().straight_through;
  const size_t misaligned = reinterpret_cast<uintptr_t>(grad_in) % 16 / sizeof(float);
  size_t i = std::min(count, (4 - misaligned) % 4);
  plain(low, high, in, grad_out, grad_in, i);
  const __m128 lowest = _mm_set1_ps(low);
  const __m128 highest = _mm_set1_ps(high);
  for (; i + 4 <= count; i += 4) {
    const __m128 value = _mm_loadu_ps(in + i);
    const __m128 inside = _mm_and_ps(_mm_cmpge_ps(value, lowest), _mm_cmple_ps(value, highest));
    _mm_stream_ps(grad_in + i, _mm_and_ps(inside, _mm_loadu_ps(grad_out + i)));
  }
  plain(low, high, in + i, grad_out + i, grad_in + i, count - i);
  _mm_sfence();
}
#endif

RandomStream Advance(RandomStream random, size_t by) {
  random.first_index += by;
  return random;
}

void CheckStream(const RandomStream& random, size_t count) {
  PRECIS_CHECK(count == 0 || (random.first_index >> 32) == ((random.first_index + count - 1) >> 32));
}

void QuantizeElements(const ElementRounding& rounding, float scale, const float* in, float* out,
                      size_t count) {
  PRECIS_CHECK(scale > 0 && std::isfinite(scale));
  RunStreaming(in, out, count, 1, [&](size_t begin, size_t here, float* to) {
    ElementRounding part = rounding;
    part.random = Advance(rounding.random, begin);
    BestSet().quantize(part, scale, in + begin, to, here);
  });
}

}  // namespace

float MaxAbs(const float* in, size_t count) { return BestSet().max_abs(in, count); }

float MaxAbsFinite(const float* in, size_t count) { return BestSet().max_abs_finite(in, count); }

void QuantizeSpan(const ElementFormat& element, float scale, const float* in, float* out, size_t count) {
  QuantizeElements({.element = element, .random = {}}, scale, in, out, count);
}

void QuantizeAffineSpan(const ElementFormat& element, float scale, int zero_point, const float* in,
                        float* out, size_t count) {
  PRECIS_CHECK(element.kind == ElementKind::kInteger && zero_point >= MinFinite(element) &&
               zero_point <= MaxFinite(element));
  QuantizeElements({.element = element, .zero_point = zero_point, .random = {}}, scale, in, out, count);
}

void QuantizeStochasticSpan(const ElementFormat& element, float scale, int bits, const RandomStream& random,
                            const float* in, float* out, size_t count) {
  PRECIS_CHECK(bits >= 1 && bits <= 16 && element.mantissa_bits < 23);
  CheckStream(random, count);
  QuantizeElements({.element = element, .stochastic_bits = bits, .random = random}, scale, in, out, count);
}

void QuantizeRows(const Format& format, const RandomStream& random, const float* in, float* out, size_t rows,
                  size_t row_size, float* scales) {
  PRECIS_CHECK(!IsBlockScaled(format) && !format.scale.zero_point);
  const bool whole = format.scale.extent == ScaleExtent::kTensor && rows != 0;
  if (whole) {
    row_size *= rows;
    rows = 1;
  }
  for (size_t row = 0; row < rows; ++row) {
    const size_t begin = row * row_size;
    float scale = 1;
    if (IsScaled(format)) {
      const float range = MaxAbs(in + begin, row_size);
      scale = range > 0 && std::isfinite(range) ? ScaleForMaxAbs(format, range) : 0;
    }
    if (scales != nullptr) scales[row] = scale;
    if (scale == 0) {
      if (in != out) std::copy_n(in + begin, row_size, out + begin);
      continue;
    }
    QuantizeElements({format.element, 0, format.stochastic_bits, Advance(random, begin)}, scale, in + begin,
                     out + begin, row_size);
  }
}

void QuantizeBlocksSpan(const Format& format, const GlobalScale& global, const RandomStream& random,
                        const float* in, float* out, size_t count) {
  PRECIS_CHECK(IsBlockScaled(format));
  if (format.stochastic_bits != 0) CheckStream(random, count);
  const auto block = static_cast<size_t>(format.scale.block);
  RunStreaming(in, out, count, block, [&](size_t begin, size_t here, float* to) {
    BestSet().quantize_blocks(format, global, Advance(random, begin), in + begin, to, here);
  });
}

void StraightThroughSpan(float low, float high, const float* in, const float* grad_out, float* grad_in,
                         size_t count) {
#ifdef __x86_64__
  if (count >= kStreamFrom && grad_in != in && grad_in != grad_out) {
    StreamStraightThrough(low, high, in, grad_out, grad_in, count);
    return;
  }
#endif
  BestSet().straight_through(low, high, in, grad_out, grad_in, count);
}

}  // namespace precis
