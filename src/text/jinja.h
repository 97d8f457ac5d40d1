// The part of Jinja2 that chat templates use, with Hugging Face's settings: trim_blocks,
// lstrip_blocks, loop controls, its tojson.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/result.h"
#include "pronk/types.h"
#include "text/json.h"

namespace pronk {

struct Rendered {
  std::string text;
  // The bytes that the template's own text and string literals wrote, ascending and merged: kept
  // through trim, tojson, slices and concatenation. Everything else came from the variables.
  std::vector<ByteRange> from_template;
};

struct JinjaLimits {
  std::size_t max_output_bytes = 64u << 20;
  std::int64_t max_steps = 20'000'000;  // evaluated nodes, and every 16 touched bytes
  int max_depth = 100;                  // nested expressions and statements; nested calls
};

// A compiled template. Immutable; any thread may render it.
class JinjaTemplate {
 public:
  // Errors: kInvalidArgument with the line, for what Jinja2 refuses and what is not built here.
  static Result<JinjaTemplate> parse(std::string_view source, const JinjaLimits& limits = {});
  // `variables` is an object. `now`: seconds since the epoch in local time, what strftime_now()
  // reads. Errors: kFailed with the message of raise_exception, or what Jinja2 would raise
  // (undefined attribute, wrong type, ...) and the line; kResourceExhausted.
  Result<Rendered> render(const json::object& variables, std::int64_t now) const;

 private:
  struct Impl;
  explicit JinjaTemplate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace pronk
