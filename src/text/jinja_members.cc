// Members of values: attributes, items and slices, as Jinja's immutable sandbox gives them out.
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "text/jinja_loop.h"
#include "text/jinja_operators.h"
#include "text/jinja_unicode.h"

namespace pronk::jinja {
namespace {

// Methods that would change their object; the sandbox hands out an undefined in their place.
constexpr std::string_view kListChanges[] = {"append", "clear", "pop",    "reverse",
                                             "insert", "sort",  "extend", "remove"};
constexpr std::string_view kDictChanges[] = {"clear", "pop", "popitem", "setdefault", "update"};

// Every Python object has these, the undefined too.
constexpr std::string_view kOfEveryObject[] = {
    "__class__",  "__delattr__", "__dir__",           "__doc__",          "__eq__",
    "__format__", "__ge__",      "__getstate__",      "__getattribute__", "__gt__",
    "__hash__",   "__init__",    "__init_subclass__", "__le__",           "__lt__",
    "__module__", "__ne__",      "__new__",           "__reduce__",       "__reduce_ex__",
    "__repr__",   "__setattr__", "__sizeof__",        "__str__",          "__subclasshook__"};

bool is_internal(std::string_view name) { return name.starts_with("__") && name.ends_with("__"); }

bool among(std::string_view name, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_forbidden(const Value& object, std::string_view name) {
  const List* list = object.as_list();
  return (list && !list->tuple && among(name, kListChanges)) ||
         (object.as_dict() && among(name, kDictChanges));
}

Value forbidden(const Value& object, std::string_view name) {
  return Value::undefined(
      fmt::format("access to attribute '{}' of '{}' object is unsafe", name, type_name(object)));
}

Value missing(const Value& object, std::string_view name) {
  return Value::undefined(fmt::format("'{}{}' has no attribute '{}'", type_name(object),
                                      object.is_none() ? "" : " object", name));
}

// Plain data that an object shows under a name.
std::optional<Value> data_attribute(const Value& object, std::string_view name) {
  if (const Namespace* space = object.object<Namespace>()) {
    const Value* found = space->attributes.find_text(name);
    return found ? std::optional(*found) : std::nullopt;
  }
  if (const Cycler* cycler = object.object<Cycler>()) {
    if (name == "current") return cycler->items[cycler->position];
    if (name == "items") return Value::tuple(cycler->items);
    if (name == "pos") return Value::integer(static_cast<Int>(cycler->position));
  }
  if (const Joiner* joiner = object.object<Joiner>()) {
    if (name == "sep") return joiner->separator;
    if (name == "used") return Value(joiner->used);
  }
  if (const List* list = object.as_list(); list && list->group) {
    if (name == "grouper") return list->items[0];
    if (name == "list") return list->items[1];
  }
  if (const Range* range = object.get_if<Range>()) {
    if (name == "start") return Value::integer(range->start);
    if (name == "stop") return Value::integer(range->stop);
    if (name == "step") return Value::integer(range->step);
  }
  if (object.as_number()) {
    const bool whole = object.as_integer().has_value();
    if (name == "real" || (whole && name == "numerator"))
      return whole ? Value::integer(*object.as_integer()) : object;
    if (name == "imag") return whole ? Value::integer(0) : Value(0.0);
    if (whole && name == "denominator") return Value::integer(1);
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<Value>> get_own_attribute(Runtime& run, const Value& object,
                                               std::string_view name) {
  if (const Undefined* undefined = object.get_if<Undefined>();
      undefined && !among(name, kOfEveryObject))
    return run.undefined(*undefined);
  if (is_internal(name)) {
    const Dict* dict = object.as_dict();
    if (dict && dict->find_text(name)) return std::optional<Value>();
    return std::optional(forbidden(object, name));
  }
  if (is_forbidden(object, name)) return std::optional(forbidden(object, name));
  if (object.object<LoopState>()) return loop_attribute(run, object, name);
  if (const auto* macro = object.object<const MacroState>()) return macro_attribute(*macro, name);
  if (std::optional<Value> data = data_attribute(object, name)) return data;
  if (const auto method = find_method(object, name))
    return std::optional<Value>(
        PRONK_TRY(run.nested(std::make_shared<const Method>(Method{object, *method}))));
  return std::optional<Value>();
}

namespace {

// Where a Python index points to in a sequence of that length, if inside.
std::optional<std::size_t> place(Int index, std::int64_t length) {
  if (index < 0) index += length;
  if (index < 0 || index >= length) return std::nullopt;
  return static_cast<std::size_t>(index);
}

Value character_at(const Text& text, Int index) {
  std::size_t begin = 0;
  for (; index > 0; --index) begin += decode_char(text.view(), begin).size;
  return text.slice(begin, begin + decode_char(text.view(), begin).size);
}

// object[key] as Python has it; empty where Python raises TypeError or LookupError.
Result<std::optional<Value>> own_item(Runtime& run, const Value& object, const Value& key) {
  if (const Undefined* undefined = object.get_if<Undefined>()) return run.undefined(*undefined);
  if (const Dict* dict = object.as_dict()) {
    const auto hash = hash_key(run, key);
    if (!hash) {
      if (hash.error().code != Code::kFailed) return hash.error();
      return std::optional<Value>();
    }
    const Value* found = dict->find(*hash);
    return found ? std::optional(*found) : std::nullopt;
  }
  const auto index = key.as_integer();
  if (!index || !(object.as_text() || object.as_list() || object.is<Range>()))
    return std::optional<Value>();
  if (const Text* text = object.as_text()) PRONK_TRY(run.spend_bytes(text->size()));
  const auto at = place(*index, *length_of(object));
  if (!at) return std::optional<Value>();
  if (const List* list = object.as_list()) return std::optional(list->items[*at]);
  if (const Text* text = object.as_text())
    return std::optional(character_at(*text, static_cast<Int>(*at)));
  return std::optional(Value::integer(object.get_if<Range>()->at(static_cast<std::int64_t>(*at))));
}

}  // namespace

Result<Value> get_attribute(Runtime& run, const Value& object, std::string_view name) {
  if (std::optional<Value> found = PRONK_TRY(get_own_attribute(run, object, name)))
    return *std::move(found);
  if (const Dict* dict = object.as_dict())
    if (const Value* member = dict->find_text(name)) return *member;
  return missing(object, name);
}

Result<Value> get_item(Runtime& run, const Value& object, const Value& key) {
  if (std::optional<Value> found = PRONK_TRY(own_item(run, object, key))) return *std::move(found);
  if (const Text* name = key.as_text()) {
    if (std::optional<Value> found = PRONK_TRY(get_own_attribute(run, object, name->view())))
      return *std::move(found);
    return missing(object, name->view());
  }
  return Value::undefined(fmt::format("{} object has no element {}", type_name(object),
                                      PRONK_TRY(to_repr(run, key)).bytes()));
}

namespace {

// The indices that a slice picks, by Python's rules.
struct Picks {
  std::int64_t start, step, count;
};

Result<std::optional<Int>> bound(Runtime& run, const Value& value) {
  if (value.is_none()) return std::optional<Int>();
  const auto integer = value.as_integer();
  if (!integer)
    return run.fail(
        fmt::format("slice indices must be integers or None, not {}", type_name(value)));
  return std::optional(*integer);
}

Result<Picks> picks(Runtime& run, std::int64_t length, const Value& start, const Value& stop,
                    const Value& step) {
  const Int stride = PRONK_TRY(bound(run, step)).value_or(1);
  if (stride == 0) return run.fail("slice step cannot be zero");
  const Int lowest = stride > 0 ? 0 : -1, highest = stride > 0 ? length : length - 1;
  const auto clamped = [&](std::optional<Int> index, Int otherwise) {
    if (!index) return otherwise;
    if (*index < 0) return std::max(*index < -length ? lowest : *index + length, lowest);
    return std::min(*index, highest);
  };
  const Int from = clamped(PRONK_TRY(bound(run, start)), stride > 0 ? lowest : highest);
  const Int to = clamped(PRONK_TRY(bound(run, stop)), stride > 0 ? highest : lowest);
  const Int distance = stride > 0 ? to - from : from - to, size = stride > 0 ? stride : -stride;
  const Int count = distance > 0 ? (distance - 1) / size + 1 : 0;
  const Int limit = length + 1;  // with one pick or none, any longer step is as good
  return Picks{static_cast<std::int64_t>(from),
               static_cast<std::int64_t>(std::clamp(stride, -limit, limit)),
               static_cast<std::int64_t>(count)};
}

Result<Value> text_slice(Runtime& run, const Text& text, const Picks& pick) {
  PRONK_TRY(run.spend_bytes(text.size()));
  std::vector<std::size_t> offsets;  // of every character, and the end
  for (std::size_t i = 0; i < text.size(); i += decode_char(text.view(), i).size)
    offsets.push_back(i);
  offsets.push_back(text.size());
  const auto at = [&](std::int64_t i) { return offsets[static_cast<std::size_t>(i)]; };
  if (pick.count == 0) return Value(Text());
  if (pick.step == 1) return Value(text.slice(at(pick.start), at(pick.start + pick.count)));
  PRONK_TRY(run.spend(pick.count));
  Text out;
  for (std::int64_t i = 0, from = pick.start; i < pick.count; ++i, from += pick.step)
    out.append(text, at(from), at(from + 1));
  return Value(std::move(out));
}

}  // namespace

Result<Value> get_slice(Runtime& run, const Value& object, const Value& start, const Value& stop,
                        const Value& step) {
  if (const Undefined* undefined = object.get_if<Undefined>()) return run.undefined(*undefined);
  const List* list = object.as_list();
  const Range* range = object.get_if<Range>();
  if (!object.as_text() && !list && !range)
    return run.fail(fmt::format("'{}' object cannot be sliced", type_name(object)));
  const Picks pick = PRONK_TRY(picks(run, *length_of(object), start, stop, step));
  if (const Text* text = object.as_text()) return text_slice(run, *text, pick);
  if (range)
    return Value(Range{range->at(pick.start), range->at(pick.start + pick.count * pick.step),
                       range->step * pick.step});
  PRONK_TRY(run.spend(pick.count));
  std::vector<Value> items;
  for (std::int64_t i = 0; i < pick.count; ++i)
    items.push_back(list->items[static_cast<std::size_t>(pick.start + i * pick.step)]);
  return Value::list(std::move(items), list->tuple);
}

}  // namespace pronk::jinja
