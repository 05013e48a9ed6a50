// What is known about formats without running a network: signal to noise, where integers and floats cross,
// how long a chain of products an accumulator holds.
//
// Threading: pure functions.
#pragma once

#include <cstddef>
#include <optional>

#include "supernet/formats/format.h"

namespace precis {

// Signal to quantisation noise in dB: -10 log10(Σ (x - q)² / Σ x²), summed in double. Infinity where q equals
// x; nothing where x is all zero or where either holds a NaN or an infinity.
std::optional<double> SignalToNoise(const float* x, const float* q, size_t count);

// The model of Chen 2025 (arXiv 2510.25602) for N(0, σ²) values in blocks of crest factor κ = max|x| / σ.
struct CrestModel {
  double overhead = 1.5;  // ρ: mean ratio of the scale used to the ideal one; 1.5 for E8M0, 1.05 for E4M3
                          // (with 1, as that text has it, its own crossover for 4 bits is not met)
  int block = 0;  // of an exactly scaled largest element, which then adds no noise (E4M3 scales); 0: none
};

// 4.78 + 6.02 bits - 20 log10 ρ - 20 log10 κ, with Q taken as 2^(bits-1), and + 10 log10(g / (g-1)) for a
// block of g.
double IntegerSignalToNoise(int bits, double crest, const CrestModel& model);

// -10 log10(α · normals + β (ρκ)² · subnormals): the shares of values in the element's normal and subnormal
// range, α = 1 / (24 · 4^M), β = 4^(1-bias-M) / (12 Q²).
double FloatSignalToNoise(const ElementFormat& element, double crest, const CrestModel& model);

// The crest factor below which the integer is better, between 1 and 64; nothing if they do not cross there.
std::optional<double> CrossoverCrest(int integer_bits, const ElementFormat& element, const CrestModel& model);

// How many products of two int16 values, with this many top bits left free in each (0…14), an int32
// accumulator always holds: floor((2^31 - 1) / (largest · largest)). 2, 4, 8, 32, 128 for (0, 0), (1, 0),
// (1, 1), (2, 2), (3, 3).
int LongestSafeChain(int headroom_a, int headroom_b);

}  // namespace precis
