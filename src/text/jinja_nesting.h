// Counts nested evaluation, so that a template cannot use up the stack.
#pragma once
#include "text/jinja_runtime.h"

namespace pronk::jinja {

constexpr int kMaxFrames = 1000;

class Nesting {
 public:
  explicit Nesting(int* depth) : depth_(depth) { ++*depth_; }
  ~Nesting() { --*depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

  Status check(const Runtime& run, int most) const {
    if (*depth_ <= most) return Ok{};
    return run.exhausted("nested too deeply");
  }

 private:
  int* depth_;
};

}  // namespace pronk::jinja
