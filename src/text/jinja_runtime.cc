#include "text/jinja_runtime.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja_unicode.h"

namespace pronk::jinja {

Status Runtime::spend(std::int64_t steps) {
  steps_left_ -= steps;
  if (steps_left_ < 0)
    return exhausted(fmt::format("the template takes more than {} steps", limits_.max_steps));
  return Ok{};
}

Status Runtime::check_size(std::size_t bytes) const {
  if (bytes > limits_.max_output_bytes)
    return exhausted(
        fmt::format("a text of {} bytes, the limit is {}", bytes, limits_.max_output_bytes));
  return Ok{};
}

Status Runtime::spend_bytes(std::size_t bytes) {
  PRONK_TRY(check_size(bytes));
  return spend(static_cast<std::int64_t>(bytes / kBytesPerStep));
}

Result<Value> Runtime::nested(Value value) const {
  if (value_depth(value) > kMaxValueDepth)
    return exhausted(fmt::format("a value of more than {} levels", kMaxValueDepth));
  return value;
}

Error Runtime::fail(std::string message) const {
  return error(Code::kFailed, fmt::format("line {}: {}", line, message));
}

Error Runtime::exhausted(std::string message) const {
  return error(Code::kResourceExhausted, fmt::format("line {}: {}", line, message));
}

const Value* Arguments::find(std::string_view name) const {
  for (const auto& [key, value] : named)
    if (key == name) return &value;
  return nullptr;
}

Result<Parameters> Parameters::bind(Runtime& run, std::string_view function,
                                    const Arguments& arguments,
                                    std::initializer_list<std::string_view> names, int required) {
  Parameters parameters;
  parameters.function_ = function;
  parameters.values_.resize(names.size());
  if (arguments.positional.size() > names.size())
    return run.fail(fmt::format("{}() takes at most {} arguments ({} given)", function,
                                names.size(), arguments.positional.size()));
  std::copy(arguments.positional.begin(), arguments.positional.end(), parameters.values_.begin());
  for (const auto& [name, value] : arguments.named) {
    const auto* place = std::find(names.begin(), names.end(), name);
    if (place == names.end())
      return run.fail(fmt::format("{}() got an unexpected keyword argument '{}'", function, name));
    auto& slot = parameters.values_[static_cast<std::size_t>(place - names.begin())];
    if (slot) return run.fail(fmt::format("{}() got two values for argument '{}'", function, name));
    slot = value;
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(required); ++i)
    if (!parameters.values_[i])
      return run.fail(fmt::format("{}() misses its argument '{}'", function, names.begin()[i]));
  return parameters;
}

bool Parameters::truth_or(std::size_t i, bool otherwise) const {
  return has(i) ? truth(*values_[i]) : otherwise;
}

Result<std::int64_t> Parameters::integer_or(Runtime& run, std::size_t i,
                                            std::int64_t otherwise) const {
  if (!has(i)) return otherwise;
  if (values_[i]->is_undefined()) return run.undefined(*values_[i]->get_if<Undefined>());
  const auto integer = values_[i]->as_integer();
  if (!integer)
    return run.fail(
        fmt::format("{}() needs an integer, not {}", function_, type_name(*values_[i])));
  constexpr Int kMost = INT64_MAX;
  return static_cast<std::int64_t>(std::clamp(*integer, -kMost, kMost));
}

Result<Text> Parameters::text_or(Runtime& run, std::size_t i, std::string_view otherwise) const {
  if (!has(i)) return Text(std::string(otherwise));
  const Text* text = values_[i]->as_text();
  if (!text)
    return run.fail(fmt::format("{}() needs a string, not {}", function_, type_name(*values_[i])));
  return *text;
}

namespace {

// Items 0 .. length-1 by their number; `keep` holds what they come from.
template <class At>
std::shared_ptr<Generator> counted(std::size_t length, int depth, At at) {
  auto generator = std::make_shared<Generator>();
  generator->depth = depth + 1;
  generator->next = [i = std::size_t{0}, length,
                     at = std::move(at)]() mutable -> Result<std::optional<Value>> {
    if (i >= length) return std::optional<Value>();
    return std::optional<Value>(at(i++));
  };
  return generator;
}

std::shared_ptr<Generator> characters(Value value) {
  auto generator = std::make_shared<Generator>();
  generator->next = [value = std::move(value),
                     i = std::size_t{0}]() mutable -> Result<std::optional<Value>> {
    const Text& text = *value.as_text();
    if (i >= text.size()) return std::optional<Value>();
    const std::size_t begin = i;
    i += decode_char(text.view(), i).size;
    return std::optional<Value>(text.slice(begin, i));
  };
  return generator;
}

std::shared_ptr<Generator> dict_items(std::shared_ptr<const Dict> dict, DictView::Kind kind) {
  const std::size_t length = dict->entries.size();
  const int depth = dict->depth;
  return counted(length, depth, [dict = std::move(dict), kind](std::size_t i) {
    const DictEntry& entry = dict->entries[i];
    if (kind == DictView::Kind::kKeys) return entry.key;
    if (kind == DictView::Kind::kValues) return entry.value;
    return Value::tuple({entry.key, entry.value});
  });
}

}  // namespace

bool is_iterable(const Value& value) {
  return value.is_undefined() || value.as_text() || value.as_list() || value.as_dict() ||
         value.is<DictView>() || value.is<Range>() || value.object<Generator>() ||
         value.object<LoopState>();
}

Result<std::shared_ptr<Generator>> iterate(Runtime& run, const Value& value) {
  if (const auto* generator = value.get_if<std::shared_ptr<Generator>>()) return *generator;
  if (value.is_undefined()) return counted(0, 0, [](std::size_t) { return Value(); });
  if (value.as_text()) return characters(value);
  if (const List* list = value.as_list())
    return counted(list->items.size(), list->depth,
                   [value](std::size_t i) { return value.as_list()->items[i]; });
  if (const auto* dict = value.get_if<std::shared_ptr<const Dict>>())
    return dict_items(*dict, DictView::Kind::kKeys);
  if (const DictView* view = value.get_if<DictView>()) return dict_items(view->dict, view->kind);
  if (const Range* range = value.get_if<Range>())
    return counted(static_cast<std::size_t>(range->length()), 0, [range = *range](std::size_t i) {
      return Value::integer(range.at(static_cast<std::int64_t>(i)));
    });
  return run.fail(fmt::format("'{}' object is not iterable", type_name(value)));
}

Result<std::vector<Value>> to_items(Runtime& run, const Value& value) {
  if (const List* list = value.as_list()) {
    PRONK_TRY(run.spend(static_cast<std::int64_t>(list->items.size())));
    return list->items;
  }
  const auto generator = PRONK_TRY(iterate(run, value));
  std::vector<Value> items;
  while (true) {
    PRONK_TRY(run.spend());
    std::optional<Value> item = PRONK_TRY(generator->next());
    if (!item) return items;
    items.push_back(*std::move(item));
  }
}

std::optional<std::int64_t> length_of(const Value& value) {
  const auto size = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  if (value.is_undefined()) return 0;
  if (const Text* text = value.as_text()) return size(count_chars(text->view()));
  if (const List* list = value.as_list()) return size(list->items.size());
  if (const Dict* dict = value.as_dict()) return size(dict->entries.size());
  if (const DictView* view = value.get_if<DictView>()) return size(view->dict->entries.size());
  if (const Range* range = value.get_if<Range>()) return range->length();
  return std::nullopt;
}

}  // namespace pronk::jinja
