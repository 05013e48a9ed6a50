// Random bits that are a function of a seed and an index, so that they depend neither on the order in which
// elements are visited nor on the number of threads that share them.
//
// Not for secrets. Uniformity over indices and seeds is tested; the mixing steps are those of a 32-bit hash
// with low bias (multipliers 0x7feb352d and 0x846ca68b, found by C. Wellons' search) with a second key word
// between them, because the first alone would give every seed the same words in another order.
//
// Threading: pure functions.
#pragma once

#include <cstdint>

namespace precis {

// The words that one run of 2^32 indices is mixed with.
struct CounterKey {
  uint32_t first = 0;
  uint32_t second = 0;
};

// Of the run that `index` lies in.
inline CounterKey MakeCounterKey(uint64_t seed, uint64_t index) {
  // The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
  uint64_t x = seed + 0x9e3779b97f4a7c15 * ((index >> 32) + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  x ^= x >> 31;
  return {static_cast<uint32_t>(x), static_cast<uint32_t>(x >> 32)};
}

// 32 random bits for the index whose lower half is `index`.
inline uint32_t CounterBits(CounterKey key, uint32_t index) {
  uint32_t x = index ^ key.first;
  x ^= x >> 16;
  x *= 0x7feb352d;
  x ^= x >> 15;
  x += key.second;
  x *= 0x846ca68b;
  x ^= x >> 16;
  return x;
}

}  // namespace precis
