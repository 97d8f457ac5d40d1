// Filters that give an iterator: items are worked out as they are read, and once.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "text/jinja_attribute_path.h"
#include "text/jinja_filters.h"
#include "text/jinja_operators.h"
#include "text/jinja_unicode.h"

namespace pronk::jinja {
namespace {

using Item = std::optional<Value>;

// An iterator over what `start` makes when the first item is asked for.
Result<Value> lazy(Runtime& run, const Value& source,
                   std::function<Result<std::function<Result<Item>()>>()> start) {
  auto generator = std::make_shared<Generator>();
  generator->depth = value_depth(source) + 1;
  generator->next = [start = std::move(start),
                     next = std::function<Result<Item>()>()]() mutable -> Result<Item> {
    if (!next) {
      if (!start) return Item();
      next = PRONK_TRY(std::exchange(start, nullptr)());
    }
    return next();
  };
  return run.nested(Value(std::move(generator)));
}

std::function<Result<Item>()> nothing() {
  return [] { return Result<Item>(Item()); };
}

Arguments without_first(const Arguments& arguments, std::size_t count) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<std::ptrdiff_t>(count));
  return rest;
}

Result<Value> filter_map(Runtime& run, const Value& value, const Arguments& arguments) {
  return lazy(run, value, [&run, value, arguments]() -> Result<std::function<Result<Item>()>> {
    if (!truth(value)) return nothing();
    const auto source = PRONK_TRY(iterate(run, value));
    if (arguments.positional.empty() && arguments.find("attribute")) {
      Parameters p = PRONK_TRY(Parameters::bind(run, "map", arguments, {"attribute", "default"}));
      AttributePath path = PRONK_TRY(AttributePath::make(run, *p[0]));
      path.otherwise = p[1];
      return std::function([&run, source, path]() -> Result<Item> {
        Item item = PRONK_TRY(source->next());
        return item ? Item(PRONK_TRY(path(run, *item))) : Item();
      });
    }
    const Text* name = arguments.positional.empty() ? nullptr : arguments.positional[0].as_text();
    if (!name) return run.fail("map requires a filter's name");
    return std::function(
        [&run, source, name = name->bytes(), rest = without_first(arguments, 1)]() -> Result<Item> {
          Item item = PRONK_TRY(source->next());
          return item ? Item(PRONK_TRY(apply_filter(run, name, *item, rest))) : Item();
        });
  });
}

// select, reject, selectattr, rejectattr: items (or their attribute) that pass a test, or fail it.
template <bool kAttribute, bool kWanted>
Result<Value> filter_select(Runtime& run, const Value& value, const Arguments& arguments) {
  return lazy(run, value, [&run, value, arguments]() -> Result<std::function<Result<Item>()>> {
    if (!truth(value)) return nothing();
    constexpr std::size_t kOffset = kAttribute ? 1 : 0;
    const std::vector<Value>& given = arguments.positional;
    if (given.size() < kOffset) return run.fail("missing parameter for attribute name");
    AttributePath path;
    if (kAttribute) path = PRONK_TRY(AttributePath::make(run, given[0]));
    std::optional<std::string> test;
    Arguments rest;
    if (given.size() > kOffset) {
      const Text* name = given[kOffset].as_text();
      if (!name) return run.fail("a test's name must be a string");
      test = name->bytes();
      rest = without_first(arguments, kOffset + 1);
    }
    const auto source = PRONK_TRY(iterate(run, value));
    return std::function([&run, source, path, test, rest]() -> Result<Item> {
      while (true) {
        PRONK_TRY(run.spend());
        Item item = PRONK_TRY(source->next());
        if (!item) return item;
        const Value looked_at = PRONK_TRY(path(run, *item));
        const bool passes =
            test ? PRONK_TRY(apply_test(run, *test, looked_at, rest)) : truth(looked_at);
        if (passes == kWanted) return item;
      }
    });
  });
}

Result<Value> filter_unique(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p =
      PRONK_TRY(Parameters::bind(run, "unique", arguments, {"case_sensitive", "attribute"}));
  AttributePath path = PRONK_TRY(AttributePath::make(run, p[1].value_or(Value())));
  path.ignore_case = !p.truth_or(0, false);
  return lazy(run, value, [&run, value, path]() -> Result<std::function<Result<Item>()>> {
    const auto source = PRONK_TRY(iterate(run, value));
    return std::function(
        [&run, source, path, seen = std::set<std::string>()]() mutable -> Result<Item> {
          while (true) {
            PRONK_TRY(run.spend());
            Item item = PRONK_TRY(source->next());
            if (!item) return item;
            const Value key = PRONK_TRY(path(run, *item));
            if (seen.insert(PRONK_TRY(hash_key(run, key))).second) return item;
          }
        });
  });
}

Result<Value> filter_items(Runtime& run, const Value& value, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "items", arguments, {}));
  return lazy(run, value, [&run, value]() -> Result<std::function<Result<Item>()>> {
    if (value.is_undefined()) return nothing();
    const auto* dict = value.get_if<std::shared_ptr<const Dict>>();
    if (!dict) return run.fail("can only get item pairs from a mapping");
    const auto source = PRONK_TRY(iterate(run, Value(DictView{*dict, DictView::Kind::kItems})));
    return source->next;
  });
}

Result<Value> filter_batch(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p =
      PRONK_TRY(Parameters::bind(run, "batch", arguments, {"linecount", "fill_with"}, 1));
  const std::int64_t size = PRONK_TRY(p.integer_or(run, 0, 0));
  const Value fill = p[1].value_or(Value());
  return lazy(run, value, [&run, value, size, fill]() -> Result<std::function<Result<Item>()>> {
    const auto source = PRONK_TRY(iterate(run, value));
    return std::function([&run, source, size, fill, waiting = Item()]() mutable -> Result<Item> {
      std::vector<Value> batch;
      if (waiting) batch.push_back(*std::exchange(waiting, std::nullopt));
      while (true) {
        PRONK_TRY(run.spend());
        Item item = PRONK_TRY(source->next());
        if (!item) break;
        if (static_cast<std::int64_t>(batch.size()) == size) {
          waiting = std::move(item);
          return Item(PRONK_TRY(run.nested(Value::list(std::move(batch)))));
        }
        batch.push_back(*std::move(item));
      }
      if (batch.empty()) return Item();
      const std::int64_t lacking = size - static_cast<std::int64_t>(batch.size());
      if (!fill.is_none() && lacking > 0) {
        PRONK_TRY(run.spend(lacking));
        batch.insert(batch.end(), static_cast<std::size_t>(lacking), fill);
      }
      return Item(PRONK_TRY(run.nested(Value::list(std::move(batch)))));
    });
  });
}

Result<Value> filter_slice(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p =
      PRONK_TRY(Parameters::bind(run, "slice", arguments, {"slices", "fill_with"}, 1));
  const std::int64_t slices = PRONK_TRY(p.integer_or(run, 0, 0));
  const Value fill = p[1].value_or(Value());
  return lazy(run, value, [&run, value, slices, fill]() -> Result<std::function<Result<Item>()>> {
    const std::vector<Value> items = PRONK_TRY(to_items(run, value));
    if (slices == 0) return run.fail("integer division or modulo by zero");
    if (slices < 0) return nothing();
    const auto length = static_cast<std::int64_t>(items.size());
    return std::function([&run, items, slices, fill, each = length / slices,
                          longer = length % slices, i = std::int64_t{0},
                          begin = items.begin() - items.begin()]() mutable -> Result<Item> {
      PRONK_TRY(run.spend());
      if (i >= slices) return Item();
      const std::int64_t end = begin + each + (i < longer ? 1 : 0);
      std::vector<Value> part(items.begin() + begin, items.begin() + end);
      if (!fill.is_none() && i >= longer) part.push_back(fill);
      begin = end;
      ++i;
      return Item(PRONK_TRY(run.nested(Value::list(std::move(part)))));
    });
  });
}

Result<Value> filter_reverse(Runtime& run, const Value& value, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "reverse", arguments, {}));
  if (value.as_text()) {
    return get_slice(run, value, Value(), Value(), Value::integer(-1));
  }
  std::vector<Value> items = PRONK_TRY(to_items(run, value));
  std::reverse(items.begin(), items.end());
  Value list = PRONK_TRY(run.nested(Value::list(std::move(items))));
  if (value.object<Generator>()) return list;
  return lazy(run, list, [&run, list]() -> Result<std::function<Result<Item>()>> {
    return PRONK_TRY(iterate(run, list))->next;
  });
}

constexpr Filter kLazyFilters[] = {
    {"batch", filter_batch},
    {"items", filter_items},
    {"map", filter_map},
    {"reject", filter_select<false, false>},
    {"rejectattr", filter_select<true, false>},
    {"reverse", filter_reverse},
    {"select", filter_select<false, true>},
    {"selectattr", filter_select<true, true>},
    {"slice", filter_slice},
    {"unique", filter_unique},
};

}  // namespace

std::span<const Filter> lazy_filters() { return kLazyFilters; }

}  // namespace pronk::jinja
