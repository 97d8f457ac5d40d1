// Every operation of ops.h that gives a value, once: how it is called, and what it means, in double
// precision. Whatever implements Ops is tested with this table (op_cases_test.cc).
#pragma once
#include <cmath>
#include <numeric>
#include <vector>

#include "ops/op_parts.h"

namespace pronk::testing {

struct OpShape {
  int tokens, heads, kv_heads, head_dim, vocab;
  int model_dim() const { return heads * head_dim; }
};

// Shapes that no vector's width divides, one token, and more keys than a page holds.
inline constexpr OpShape kOpShapes[] = {{1, 1, 1, 2, 3}, {5, 4, 2, 6, 17}, {45, 3, 1, 34, 40}};

// The operands of one call, made anew for each: some operations work in place.
struct OpInputs {
  explicit OpInputs(const OpShape& s, bool has_cache = true)
      : shape(s),
        matrix(DType::kF32, s.vocab, s.model_dim(), /*packed=*/false, 1),
        x(random_values(std::int64_t{s.tokens} * s.model_dim(), 2)),
        y(random_values(std::int64_t{s.tokens} * s.model_dim(), 3)),
        k(random_values(std::int64_t{s.tokens} * s.kv_heads * s.head_dim, 4)),
        v(random_values(std::int64_t{s.tokens} * s.kv_heads * s.head_dim, 5)),
        norm{"norm", s.model_dim(), random_values(s.model_dim(), 6)},
        kv_shape{1, s.kv_heads, s.head_dim, kernels::KvType::kF32},
        cache(has_cache ? *KvCache::create(kv_shape, num_pages()) : KvCache::counting(kv_shape)) {
    rotation.head_dim = s.head_dim;
    for (int i = 0; i < s.head_dim / 2; ++i)
      rotation.frequencies.push_back(std::ldexp(1.0f, -i));  // angles that float32 holds
    for (int i = 0; i < s.tokens; ++i) {
      tokens.push_back(static_cast<TokenId>((7 * i + 1) % s.vocab));
      positions.push_back(i);
      if (i % 3 == 0) rows.push_back(i);
    }
    for (int i = num_pages(); i-- > 0;) pages.push_back(i);  // in any order
    sequence = {0, s.tokens, 0, pages};
  }
  OpInputs(const OpInputs&) = delete;

  int num_pages() const { return (shape.tokens + kKvPageTokens - 1) / kKvPageTokens; }
  Tensor tensor(std::vector<float>& values) { return view(values, shape.tokens); }
  Batch batch() const { return {tokens, positions, {&sequence, 1}, rows}; }

  OpShape shape;
  Matrix matrix;
  std::vector<float> x, y, k, v;
  NormWeight norm;
  KvShape kv_shape;
  KvCache cache;
  Rotation rotation;
  std::vector<TokenId> tokens;
  std::vector<int> positions, rows, pages;
  BatchSequence sequence;
};

using Doubles = std::vector<double>;

struct EmbedCase {
  static constexpr const char* kName = "embed";
  template <Ops O>
  static Tensor run(O& op, OpInputs& in) {
    return op.embed(in.matrix.handle, in.tokens);
  }
  static Doubles meaning(const OpInputs& in) {
    Doubles out;
    for (const TokenId token : in.tokens)
      for (int i = 0; i < in.shape.model_dim(); ++i)
        out.push_back(in.matrix.values[static_cast<std::size_t>(token * in.shape.model_dim() + i)]);
    return out;
  }
};

struct LinearCase {
  static constexpr const char* kName = "linear";
  template <Ops O>
  static Tensor run(O& op, OpInputs& in) {
    return op.linear(in.tensor(in.x), in.matrix.handle);
  }
  static Doubles meaning(const OpInputs& in) {
    Doubles out;
    const int width = in.shape.model_dim();
    for (int t = 0; t < in.shape.tokens; ++t)
      for (int r = 0; r < in.shape.vocab; ++r)
        out.push_back(std::inner_product(in.x.begin() + t * width, in.x.begin() + (t + 1) * width,
                                         in.matrix.values.begin() + r * width, 0.0));
    return out;
  }
};

struct RmsNormCase {
  static constexpr const char* kName = "rms_norm";
  static constexpr float kEps = 1e-5f;
  template <Ops O>
  static Tensor run(O& op, OpInputs& in) {
    return op.rms_norm(in.tensor(in.x), in.norm, kEps);
  }
  static Doubles meaning(const OpInputs& in) {
    Doubles out;
    const auto width = static_cast<std::size_t>(in.shape.model_dim());
    for (std::size_t row = 0; row < in.x.size(); row += width) {
      double squares = 0;
      for (std::size_t i = 0; i < width; ++i) squares += double{in.x[row + i]} * in.x[row + i];
      const double length = std::sqrt(squares / static_cast<double>(width) + kEps);
      for (std::size_t i = 0; i < width; ++i)
        out.push_back(in.x[row + i] / length * in.norm.values[i]);
    }
    return out;
  }
};

struct RopeCase {
  static constexpr const char* kName = "rope";
  template <Ops O>
  static Tensor run(O& op, OpInputs& in) {
    return op.rope(in.tensor(in.x), in.positions, in.rotation);
  }
  static Doubles meaning(const OpInputs& in) {
    Doubles out(in.x.begin(), in.x.end());
    const auto half = static_cast<std::size_t>(in.shape.head_dim / 2);
    for (std::size_t head = 0; head < out.size(); head += 2 * half)
      for (std::size_t i = 0; i < half; ++i) {
        const auto token = head / static_cast<std::size_t>(in.shape.model_dim());
        const double angle = in.positions[token] * double{in.rotation.frequencies[i]};
        const double a = out[head + i], b = out[head + half + i];
        out[head + i] = a * std::cos(angle) - b * std::sin(angle);
        out[head + half + i] = b * std::cos(angle) + a * std::sin(angle);
      }
    return out;
  }
};

struct AttendCase {
  static constexpr const char* kName = "attend";
  template <Ops O>
  static Tensor run(O& op, OpInputs& in) {
    return op.attend(in.tensor(in.x), in.tensor(in.k), in.tensor(in.v), in.batch(), in.cache[0]);
  }
  static Doubles meaning(const OpInputs& in) {
    const OpShape& s = in.shape;
    Doubles out;
    for (int t = 0; t < s.tokens; ++t)
      for (int h = 0; h < s.heads; ++h) {
        Doubles sum(static_cast<std::size_t>(s.head_dim));
        double weights = 0;
        const auto query = in.x.begin() + (t * s.heads + h) * s.head_dim;
        for (int key = 0; key <= t; ++key) {
          const int at = (key * s.kv_heads + h / (s.heads / s.kv_heads)) * s.head_dim;
          const double score =
              std::inner_product(query, query + s.head_dim, in.k.begin() + at, 0.0);
          const double weight = std::exp(score / std::sqrt(double{1} * s.head_dim));
          weights += weight;
          for (int i = 0; i < s.head_dim; ++i)
            sum[static_cast<std::size_t>(i)] += weight * in.v[static_cast<std::size_t>(at + i)];
        }
        for (const double value : sum) out.push_back(value / weights);
      }
    return out;
  }
};

struct SwigluCase {
  static constexpr const char* kName = "swiglu";
  template <Ops O>
  static Tensor run(O& op, OpInputs& in) {
    return op.swiglu(in.tensor(in.x), in.tensor(in.y));
  }
  static Doubles meaning(const OpInputs& in) {
    Doubles out;
    for (std::size_t i = 0; i < in.x.size(); ++i)
      out.push_back(in.x[i] / (1 + std::exp(-double{in.x[i]})) * in.y[i]);
    return out;
  }
};

struct AddCase {
  static constexpr const char* kName = "add";
  template <Ops O>
  static Tensor run(O& op, OpInputs& in) {
    op.embed(in.matrix.handle, in.tokens);  // makes the residual stream that a sum goes to
    return op.add(in.tensor(in.x), in.tensor(in.y));
  }
  static Doubles meaning(const OpInputs& in) {
    Doubles out;
    for (std::size_t i = 0; i < in.x.size(); ++i) out.push_back(double{in.x[i]} + in.y[i]);
    return out;
  }
};

struct SelectRowsCase {
  static constexpr const char* kName = "select_rows";
  template <Ops O>
  static Tensor run(O& op, OpInputs& in) {
    return op.select_rows(in.tensor(in.x), in.rows);
  }
  static Doubles meaning(const OpInputs& in) {
    Doubles out;
    for (const int row : in.rows)
      for (int i = 0; i < in.shape.model_dim(); ++i)
        out.push_back(in.x[static_cast<std::size_t>(row * in.shape.model_dim() + i)]);
    return out;
  }
};

// f(Case{}) for each of them.
template <class F>
void for_each_op_case(const F& f) {
  f(EmbedCase{}), f(LinearCase{}), f(RmsNormCase{}), f(RopeCase{}), f(AttendCase{});
  f(SwigluCase{}), f(AddCase{}), f(SelectRowsCase{});
}

}  // namespace pronk::testing
