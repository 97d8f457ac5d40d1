// Filters that read a whole sequence.
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja_attribute_path.h"
#include "text/jinja_filters.h"
#include "text/jinja_operators.h"
#include "text/jinja_strings.h"
#include "text/jinja_unicode.h"

namespace pronk::jinja {

Result<AttributePath> AttributePath::make(Runtime& run, const Value& attribute) {
  AttributePath path;
  if (attribute.is_none()) return path;
  const Text* text = attribute.as_text();
  if (!text) {
    path.parts_.push_back(attribute);
    return path;
  }
  PRONK_TRY(run.spend_bytes(text->size()));
  for (const Text& part : split(*text, ".", -1)) {
    const std::string& bytes = part.bytes();
    const bool number = !bytes.empty() && bytes.size() < 18 &&
                        bytes.find_first_not_of("0123456789") == std::string::npos;
    path.parts_.push_back(number ? Value::integer(std::stoll(bytes)) : Value(part));
  }
  return path;
}

Result<Value> AttributePath::operator()(Runtime& run, Value item) const {
  for (const Value& part : parts_) {
    item = PRONK_TRY(get_item(run, item, part));
    if (item.is_undefined() && otherwise && !otherwise->is_none()) item = *otherwise;
  }
  const Text* text = ignore_case ? item.as_text() : nullptr;
  if (text) {
    PRONK_TRY(run.spend_bytes(text->size()));
    return Value(to_lower(*text));
  }
  return item;
}

namespace {

// Sorts items by their keys, equal ones in their order. Error: keys that have no order.
Result<std::vector<Value>> sorted(Runtime& run, const std::vector<Value>& items,
                                  const std::vector<Value>& keys, bool reverse) {
  std::vector<std::size_t> order(items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  Status status = Ok{};
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (!status) return false;
    const auto less = compare(run, Comparison::kLess, keys[reverse ? b : a], keys[reverse ? a : b]);
    if (!less) status = less.error();
    return less && *less;
  });
  PRONK_TRY(std::move(status));
  std::vector<Value> out;
  out.reserve(order.size());
  for (const std::size_t i : order) out.push_back(items[i]);
  return out;
}

Result<std::vector<Value>> keys_of(Runtime& run, const std::vector<Value>& items,
                                   const AttributePath& path) {
  std::vector<Value> keys;
  keys.reserve(items.size());
  for (const Value& item : items) keys.push_back(PRONK_TRY(path(run, item)));
  return keys;
}

Result<Value> filter_first(Runtime& run, const Value& value, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "first", arguments, {}));
  const auto items = PRONK_TRY(iterate(run, value));
  std::optional<Value> first = PRONK_TRY(items->next());
  return first ? *std::move(first) : Value::undefined("no first item, sequence was empty");
}

Result<Value> filter_last(Runtime& run, const Value& value, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "last", arguments, {}));
  if (!length_of(value))
    return run.fail(fmt::format("'{}' object is not reversible", type_name(value)));
  std::vector<Value> items = PRONK_TRY(to_items(run, value));
  return items.empty() ? Value::undefined("no last item, sequence was empty")
                       : std::move(items.back());
}

Result<Value> filter_list(Runtime& run, const Value& value, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "list", arguments, {}));
  return run.nested(Value::list(PRONK_TRY(to_items(run, value))));
}

Result<Value> filter_join(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "join", arguments, {"d", "attribute"}));
  const Text separator = p.has(0) ? PRONK_TRY(to_text(run, *p[0])) : Text();
  const AttributePath path = PRONK_TRY(AttributePath::make(run, p[1].value_or(Value())));
  Text out;
  bool first = true;
  for (const Value& item : PRONK_TRY(to_items(run, value))) {
    const Value shown = PRONK_TRY(path(run, item));
    const Text text = PRONK_TRY(to_text(run, shown));
    PRONK_TRY(run.check_size(out.size() + text.size() + separator.size()));
    PRONK_TRY(run.spend_bytes(text.size() + separator.size()));
    if (!std::exchange(first, false)) out.append(separator);
    out.append(text);
  }
  return Value(std::move(out));
}

// "a,b" sorts by a, then by b: a key is the list of both.
Result<std::vector<AttributePath>> paths_of(Runtime& run, const Value& attribute) {
  std::vector<AttributePath> paths;
  if (const Text* text = attribute.as_text()) {
    for (Text& part : split(*text, ",", -1))
      paths.push_back(PRONK_TRY(AttributePath::make(run, Value(std::move(part)))));
  } else {
    paths.push_back(PRONK_TRY(AttributePath::make(run, attribute)));
  }
  return paths;
}

Result<Value> filter_sort(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(
      Parameters::bind(run, "sort", arguments, {"reverse", "case_sensitive", "attribute"}));
  std::vector<AttributePath> paths = PRONK_TRY(paths_of(run, p[2].value_or(Value())));
  for (AttributePath& path : paths) path.ignore_case = !p.truth_or(1, false);
  const std::vector<Value> items = PRONK_TRY(to_items(run, value));
  std::vector<Value> keys;
  for (const Value& item : items) {
    std::vector<Value> key;
    key.reserve(paths.size());
    for (const AttributePath& path : paths) key.push_back(PRONK_TRY(path(run, item)));
    keys.push_back(Value::list(std::move(key)));
  }
  return Value::list(PRONK_TRY(sorted(run, items, keys, p.truth_or(0, false))));
}

Result<Value> filter_dictsort(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p =
      PRONK_TRY(Parameters::bind(run, "dictsort", arguments, {"case_sensitive", "by", "reverse"}));
  const Text by = PRONK_TRY(p.text_or(run, 1, "key"));
  if (by.view() != "key" && by.view() != "value")
    return run.fail("dictsort sorts by 'key' or 'value'");
  if (const Undefined* undefined = value.get_if<Undefined>()) return run.undefined(*undefined);
  const Dict* dict = value.as_dict();
  if (!dict) return run.fail(fmt::format("dictsort needs a dict, not {}", type_name(value)));
  AttributePath path;
  path.ignore_case = !p.truth_or(0, false);
  std::vector<Value> items, keys;
  for (const DictEntry& entry : dict->entries) {
    items.push_back(Value::tuple({entry.key, entry.value}));
    keys.push_back(PRONK_TRY(path(run, by.view() == "key" ? entry.key : entry.value)));
  }
  return Value::list(PRONK_TRY(sorted(run, items, keys, p.truth_or(2, false))));
}

template <bool kMax>
Result<Value> filter_extreme(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p =
      PRONK_TRY(Parameters::bind(run, "min", arguments, {"case_sensitive", "attribute"}));
  AttributePath path = PRONK_TRY(AttributePath::make(run, p[1].value_or(Value())));
  path.ignore_case = !p.truth_or(0, false);
  const std::vector<Value> items = PRONK_TRY(to_items(run, value));
  if (items.empty()) return Value::undefined("no aggregated item, sequence was empty");
  const std::vector<Value> keys = PRONK_TRY(keys_of(run, items, path));
  std::size_t best = 0;
  for (std::size_t i = 1; i < items.size(); ++i)
    if (PRONK_TRY(compare(run, Comparison::kLess, keys[kMax ? best : i], keys[kMax ? i : best])))
      best = i;
  return items[best];
}

Result<Value> filter_sum(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "sum", arguments, {"attribute", "start"}));
  const AttributePath path = PRONK_TRY(AttributePath::make(run, p[0].value_or(Value())));
  Value total = p[1].value_or(Value::integer(0));
  if (total.as_text()) return run.fail("sum() can't sum strings");
  for (const Value& item : PRONK_TRY(to_items(run, value))) {
    const Value addend = PRONK_TRY(path(run, item));
    total = PRONK_TRY(arithmetic(run, Arithmetic::kAdd, total, addend));
  }
  return total;
}

Result<Value> filter_groupby(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(
      Parameters::bind(run, "groupby", arguments, {"attribute", "default", "case_sensitive"}, 1));
  AttributePath shown = PRONK_TRY(AttributePath::make(run, *p[0]));
  shown.otherwise = p[1];
  AttributePath path = shown;
  path.ignore_case = !p.truth_or(2, false);
  std::vector<Value> items = PRONK_TRY(to_items(run, value));
  std::vector<Value> keys = PRONK_TRY(keys_of(run, items, path));
  items = PRONK_TRY(sorted(run, items, keys, false));
  keys = PRONK_TRY(keys_of(run, items, path));
  std::vector<Value> groups;
  for (std::size_t begin = 0, end = 0; begin < items.size(); begin = end) {
    while (end < items.size() && PRONK_TRY(equal(run, keys[begin], keys[end]))) ++end;
    if (end == begin) ++end;  // a key that does not equal itself
    auto group = std::make_shared<List>();
    std::vector<Value> members(items.begin() + static_cast<std::ptrdiff_t>(begin),
                               items.begin() + static_cast<std::ptrdiff_t>(end));
    group->items = {PRONK_TRY(shown(run, items[begin])), Value::list(std::move(members))};
    group->tuple = group->group = true;
    group->depth = std::max(value_depth(group->items[0]), value_depth(group->items[1])) + 1;
    groups.push_back(PRONK_TRY(run.nested(Value(std::shared_ptr<const List>(std::move(group))))));
  }
  return Value::list(std::move(groups));
}

constexpr Filter kSequenceFilters[] = {
    {"dictsort", filter_dictsort}, {"first", filter_first},        {"groupby", filter_groupby},
    {"join", filter_join},         {"last", filter_last},          {"list", filter_list},
    {"max", filter_extreme<true>}, {"min", filter_extreme<false>}, {"sort", filter_sort},
    {"sum", filter_sum},
};

}  // namespace

std::span<const Filter> sequence_filters() { return kSequenceFilters; }

}  // namespace pronk::jinja
