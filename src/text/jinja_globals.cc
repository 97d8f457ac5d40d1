#include "text/jinja_globals.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace pronk::jinja {
namespace {

constexpr std::int64_t kMaxRange = 100'000;  // the sandbox's

Result<Value> make_range(Runtime& run, const Arguments& arguments) {
  if (!arguments.named.empty()) return run.fail("range() takes no keyword arguments");
  const Parameters p =
      PRONK_TRY(Parameters::bind(run, "range", arguments, {"start", "stop", "step"}, 1));
  Range range;
  const std::int64_t first = PRONK_TRY(p.integer_or(run, 0, 0));
  range.start = p.has(1) ? first : 0;
  range.stop = PRONK_TRY(p.integer_or(run, 1, first));
  range.step = PRONK_TRY(p.integer_or(run, 2, 1));
  constexpr std::int64_t kFar = std::int64_t{1} << 61;
  if (range.step == 0) return run.fail("range() arg 3 must not be zero");
  if (std::max({std::abs(range.start), std::abs(range.stop), std::abs(range.step)}) > kFar ||
      range.length() > kMaxRange)
    return run.fail(fmt::format("range too big: the sandbox allows {} items", kMaxRange));
  return Value(range);
}

// dict(mapping or pairs, name=value, ...).
Result<Dict> make_dict(Runtime& run, const Arguments& arguments) {
  Dict dict;
  if (arguments.positional.size() > 1)
    return run.fail("dict() takes at most one positional argument");
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (const Dict* other = source.as_dict()) {
      PRONK_TRY(run.spend(static_cast<std::int64_t>(other->entries.size())));
      dict = *other;
    } else {
      for (const Value& pair : PRONK_TRY(to_items(run, source))) {
        std::vector<Value> both = PRONK_TRY(to_items(run, pair));
        if (both.size() != 2) return run.fail("dict() needs pairs of key and value");
        dict.set(PRONK_TRY(hash_key(run, both[0])), both[0], both[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named)
    dict.set("s" + name, Value::text(name, true), value);
  return dict;
}

Result<Value> make_namespace(Runtime& run, const Arguments& arguments) {
  auto space = std::make_shared<Namespace>();
  const Dict dict = PRONK_TRY(make_dict(run, arguments));
  for (const DictEntry& entry : dict.entries) {
    const Text* name = entry.key.as_text();
    if (name)
      PRONK_TRY(set_attribute(run, *space, name->view(), entry.value));
    else
      space->attributes.set(PRONK_TRY(hash_key(run, entry.key)), entry.key, entry.value);
  }
  return Value(std::move(space));
}

Result<Value> make_joiner(Runtime& run, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "joiner", arguments, {"sep"}));
  auto joiner = std::make_shared<Joiner>();
  joiner->separator = p[0].value_or(Value::text(", "));
  return run.nested(Value(std::move(joiner)));
}

Result<Value> make_cycler(Runtime& run, const Arguments& arguments) {
  if (!arguments.named.empty()) return run.fail("cycler() takes no keyword arguments");
  if (arguments.positional.empty()) return run.fail("cycler(): at least one item has to be given");
  auto cycler = std::make_shared<Cycler>();
  cycler->items = arguments.positional;
  cycler->depth = value_depth(Value::list(arguments.positional));
  return run.nested(Value(std::move(cycler)));
}

Result<Value> raise_exception(Runtime& run, const Arguments& arguments) {
  const Parameters p =
      PRONK_TRY(Parameters::bind(run, "raise_exception", arguments, {"message"}, 1));
  return error(Code::kFailed, PRONK_TRY(to_text(run, *p[0])).bytes());
}

// Plain characters of the format stay the template's own.
Result<Value> strftime_now(Runtime& run, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "strftime_now", arguments, {"format"}, 1));
  const Text format = PRONK_TRY(p.text_or(run, 0, ""));
  const auto seconds = static_cast<std::time_t>(run.now);
  std::tm time{};
  gmtime_r(&seconds, &time);
  Text out;
  const std::string_view view = format.view();
  for (std::size_t i = 0; i < view.size(); ++i) {
    if (view[i] != '%' || i + 1 == view.size()) {
      out.append(format, i, i + 1);
      continue;
    }
    PRONK_TRY(run.spend());
    std::size_t end = i + 2;
    if (view[i + 1] == '-' && end < view.size()) ++end;
    const std::string one(view.substr(i, end - i));
    char buffer[128];
    if (one == "%f")
      out.append("000000");
    else if (one != "%z" && one != "%Z")  // a time without a zone
      out.append(
          std::string_view(buffer, std::strftime(buffer, sizeof buffer, one.c_str(), &time)));
    i = end - 1;
  }
  return Value(std::move(out));
}

struct Global {
  std::string_view name;
  Result<Value> (*call)(Runtime&, const Arguments&);
};
constexpr Global kGlobals[] = {
    {"cycler", make_cycler},
    {"dict",
     [](Runtime& run, const Arguments& arguments) -> Result<Value> {
       return run.nested(Value(std::make_shared<const Dict>(PRONK_TRY(make_dict(run, arguments)))));
     }},
    {"joiner", make_joiner},
    {"namespace", make_namespace},
    {"raise_exception", raise_exception},
    {"range", make_range},
    {"strftime_now", strftime_now},
};

}  // namespace

std::optional<Value> find_global(std::string_view name) {
  for (const Global& global : kGlobals)
    if (global.name == name) return Value(Builtin{global.name});
  return std::nullopt;
}

Result<Value> call_global(Runtime& run, std::string_view name, const Arguments& arguments) {
  for (const Global& global : kGlobals)
    if (global.name == name) return global.call(run, arguments);
  return run.fail(fmt::format("'{}' is not a function", name));
}

Status set_attribute(Runtime& run, Namespace& space, std::string_view name, Value value) {
  if (name.starts_with('_'))
    return run.fail(fmt::format(
        "chat templates cannot store underscore-prefixed attributes on a namespace: '{}'", name));
  const std::string key(name);
  space.attributes.set("s" + key, Value::text(key, true), std::move(value));
  return Ok{};
}

}  // namespace pronk::jinja
