// A chat template from outside: its source, then after a zero byte the variables as JSON.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "text/jinja.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pronk;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = std::min(input.find('\0'), size);
  const JinjaLimits limits{.max_output_bytes = 1 << 16, .max_steps = 20'000, .max_depth = 50};
  const auto compiled = JinjaTemplate::parse(input.substr(0, zero), limits);
  if (!compiled) return 0;
  json::object variables = {{"a", 1},
                            {"s", "text"},
                            {"l", json::array{1, "b", nullptr}},
                            {"d", json::object{{"k", 2.5}}}};
  if (zero < size)
    if (auto given = parse_json(input.substr(zero + 1)); given && given->is_object())
      variables = std::move(given->get_object());
  const auto rendered = compiled->render(variables, 1721988000);
  if (!rendered) return 0;
  std::size_t last = 0;
  for (const ByteRange& range : rendered->from_template) {
    if (range.begin >= range.end || range.end > rendered->text.size() || range.begin < last)
      std::abort();
    last = range.end;
  }
  return 0;
}
