// A rotation that spreads what is large in few dimensions of a head over all: the Walsh-Hadamard
// transform of blocks of 2^n dimensions, 2^n being the largest power of two that divides head_dim.
// Not normalized: it is its own inverse times 2^n. Queries and keys are turned alike, which leaves
// their products; values are turned back at the end (QuaRot, arXiv 2404.00456).
namespace pronk::kernels::PRONK_ISA {
namespace {
namespace lanes {

constexpr int rotation_block(int head_dim) { return head_dim & -head_dim; }

// (a, b) -> (a + b, a - b) for lanes kDistance apart.
template <int kDistance>
PRONK_INLINE Lanes butterfly(Lanes x) {
  alignas(64) float signs[16];
  for (int i = 0; i < 16; ++i) signs[i] = i & kDistance ? -1.0f : 1.0f;
  return fma(x, load(signs), exchange<kDistance>(x));  // exact products: an addition
}

// x [n], n a power of two; the same additions in the same order whichever way.
void rotate_block(float* x, int n) {
  int distance = 1;
  if (n >= 16) {
    for (int i = 0; i < n; i += 16)
      store(x + i, butterfly<8>(butterfly<4>(butterfly<2>(butterfly<1>(load(x + i))))));
    distance = 16;
  }
  for (; distance < n; distance *= 2)
    for (int begin = 0; begin < n; begin += 2 * distance) {
      float *a = x + begin, *b = a + distance;
      if (distance < 16) {
        for (int i = 0; i < distance; ++i) {
          const float sum = a[i] + b[i], difference = a[i] - b[i];
          a[i] = sum;
          b[i] = difference;
        }
        continue;
      }
      for (int i = 0; i < distance; i += 16) {
        const Lanes u = load(a + i), v = load(b + i);
        store(a + i, add(u, v));
        store(b + i, sub(u, v));
      }
    }
}

void rotate(float* x, int head_dim) {
  const int block = rotation_block(head_dim);
  for (int begin = 0; begin < head_dim; begin += block) rotate_block(x + begin, block);
}

}  // namespace lanes
}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
