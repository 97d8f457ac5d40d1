// A pickle that executes nothing: PyTorch's checkpoints as plain values.
//
// A pickle is a program for a stack machine. The opcodes that build values are run; the two that
// call (REDUCE, BUILD) know the few callables that checkpoints need, and every other callable, by
// whatever opcode, is refused by its name.
#pragma once
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pronk/result.h"

namespace pronk {

struct PickleValue {
  enum class Kind {
    kNone,
    kBool,
    kInt,
    kFloat,
    kString,
    kSequence,  // tuple or list: items
    kDict,      // items are key, value, key, value, ...
    kGlobal,    // text is "module.name"
    kStorage,   // items are those of torch's persistent id: "storage", type, key, device, size
    kTensor,    // items are those of torch._utils._rebuild_tensor_v2 or _v3
  };
  Kind kind = Kind::kNone;
  std::int64_t integer = 0;  // kBool, kInt
  double real = 0;
  std::string text;
  std::vector<const PickleValue*> items;

  bool is(Kind k) const { return kind == k; }
};

// Owns every value; pointers stay valid while it lives and is not copied. Values may be shared and
// may even contain themselves: walk them to a fixed depth.
class Pickle {
 public:
  // Errors: kCorruptData; kUnsupported naming what it would have called, or the opcode.
  static Result<Pickle> parse(std::span<const std::byte> bytes);
  Pickle(Pickle&&) = default;
  Pickle& operator=(Pickle&&) = default;

  const PickleValue& root() const { return *root_; }

 private:
  friend class PickleMachine;
  Pickle() = default;
  std::deque<PickleValue> values_;
  const PickleValue* root_ = nullptr;
};

}  // namespace pronk
