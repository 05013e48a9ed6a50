// Hadamard rotation with random signs: spreads outliers over their neighbours before quantisation.
//
// Groups of n neighbours x become H D x / √n, H the Sylvester matrix of n = 2^k rows and D a diagonal of
// signs that `seed` draws, the same for every group. The product of two rotated operands over the rotated
// axis is the product of the originals; what is not multiplied is rotated back. In FP32, n log2 n additions
// in a fixed order and one product with FP32(1/√n). Groups do not cross rows; a row's last group shorter than
// n stays as it is.
//
// Threading: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace precis {

// size: a power of two, 2…4096 (checked). `count` values in rows of row_size, which divides it; 0: one row.
// in and out may be the same. NaN and infinities spread over their group.
void HadamardRotate(int size, uint64_t seed, const float* in, float* out, size_t count, size_t row_size = 0);

// The inverse: D H x / √n.
void HadamardRotateBack(int size, uint64_t seed, const float* in, float* out, size_t count,
                        size_t row_size = 0);

// Of position i in every group: +1 or -1.
float HadamardSign(uint64_t seed, uint32_t i);

}  // namespace precis
