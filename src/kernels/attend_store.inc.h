// New keys and values into a page, in the order of attend_kernels.h.
namespace pronk::kernels::PRONK_ISA {
namespace {
namespace lanes {

void store_f32(const NewTokens& n, KvPage page) {
  const int width = padded_head_dim(n.head_dim);
  float* keys = (float*)page.keys + n.first_slot;
  float* values = (float*)page.values + (int64_t)n.first_slot * width;
  for (int d = 0; d < n.head_dim; ++d)
    for (int t = 0; t < n.num_tokens; ++t) keys[d * kPageKeys + t] = n.keys[t * n.stride + d];
  for (int t = 0; t < n.num_tokens; ++t)
    memcpy(values + (int64_t)t * width, n.values + t * n.stride, (size_t)n.head_dim * 4);
}

constexpr int kStretchDims = 64;  // of a head that are rounded at a time

// A key's pairs of dimensions are a column of the page.
void store_keys_bf16(const NewTokens& n, uint32_t* page) {
  for (int begin = 0; begin < n.head_dim; begin += kStretchDims) {
    const int count = n.head_dim - begin < kStretchDims ? n.head_dim - begin : kStretchDims;
    uint32_t pairs[kPageKeys][kStretchDims / 2];
    for (int t = 0; t < n.num_tokens; ++t)
      round_row<Bf16Terms>(n.keys + t * n.stride + begin, 1.0f, count, pairs[t]);
    for (int i = 0; i < count / 2; ++i)
      for (int t = 0; t < n.num_tokens; ++t)
        page[(begin / 2 + i) * kPageKeys + n.first_slot + t] = pairs[t][i];
  }
}

// A pair holds two tokens. Of one whose first token comes alone the second half becomes zero: it
// will be multiplied, by a weight of zero, until the second token comes.
void store_values_bf16(const NewTokens& n, uint32_t* pairs) {
  const int width = padded_head_dim(n.head_dim), end = n.first_slot + n.num_tokens;
  for (int slot = n.first_slot; slot < end; slot = slot / 2 * 2 + 2) {
    uint32_t* out = pairs + (int64_t)(slot / 2) * width;
    const float* v = n.values + (slot - n.first_slot) * n.stride;
    const bool both = slot % 2 == 0 && slot + 1 < end;
    for (int begin = 0; begin < n.head_dim; begin += kStretchDims) {
      const int count = n.head_dim - begin < kStretchDims ? n.head_dim - begin : kStretchDims;
      uint16_t first[kStretchDims], second[kStretchDims] = {};
      f32_to_bf16(v + begin, count, first);
      if (both) f32_to_bf16(v + n.stride + begin, count, second);
      for (int i = 0; i < count; ++i) {
        uint32_t& pair = out[begin + i];
        pair = slot % 2 ? (pair & 0xffffu) | (uint32_t)first[i] << 16
                        : first[i] | (uint32_t)second[i] << 16;
      }
    }
  }
}

void store_bf16(const NewTokens& n, KvPage page) {
  store_keys_bf16(n, (uint32_t*)page.keys);
  store_values_bf16(n, (uint32_t*)page.values);
}

void give_value(float* value, float factor, int head_dim, float* y) {
  scale_n(value, factor, head_dim, y);
}

}  // namespace lanes
}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
