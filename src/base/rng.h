// Random numbers as a pure function of (seed, position): the same wherever and whenever they are
// asked for.
#pragma once
#include <cstdint>

namespace pronk {

// splitmix64's finalizer (Steele, Lea, Flood 2014) over both words; draws in [0, 2^64).
inline std::uint64_t random_bits(std::uint64_t seed, std::uint64_t position) {
  std::uint64_t z = seed + 0x9e3779b97f4a7c15u * (position + 1);
  for (int round = 0; round < 2; ++round) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    z += seed;
  }
  return z;
}

// In [0, 1), 53 bits.
inline double random_unit(std::uint64_t seed, std::uint64_t position) {
  return static_cast<double>(random_bits(seed, position) >> 11) * 0x1.0p-53;
}

}  // namespace pronk
