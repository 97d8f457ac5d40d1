// The methods that templates call: of strings, lists, dicts and a few others.
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "text/jinja_loop.h"
#include "text/jinja_operators.h"
#include "text/jinja_strings.h"
#include "text/jinja_unicode.h"

namespace pronk::jinja {
namespace {

using MethodFunction = Result<Value> (*)(Runtime&, const Value& self, const Arguments&);
struct Entry {
  std::string_view name;
  MethodFunction call;
};

Value list_of(const std::vector<Text>& parts) {
  std::vector<Value> items(parts.begin(), parts.end());
  return Value::list(std::move(items));
}

// ---- Strings. Most take positional arguments only.

Result<Parameters> positional(Runtime& run, std::string_view name, const Arguments& arguments,
                              std::initializer_list<std::string_view> names, int required = 0) {
  if (!arguments.named.empty())
    return run.fail(fmt::format("str.{}() takes no keyword arguments", name));
  return Parameters::bind(run, name, arguments, names, required);
}

template <Text (*kMap)(const Text&)>
Result<Value> mapped(Runtime& run, const Value& self, const Arguments& arguments) {
  PRONK_TRY(positional(run, "map", arguments, {}));
  PRONK_TRY(run.spend_bytes(self.as_text()->size() * 4));
  return Value(kMap(*self.as_text()));
}

template <Ends kEnds>
Result<Value> stripped(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(positional(run, "strip", arguments, {"chars"}));
  PRONK_TRY(run.spend_bytes(self.as_text()->size()));
  if (!p.has(0) || p[0]->is_none()) return Value(strip(*self.as_text(), kEnds, std::nullopt));
  const Text chars = PRONK_TRY(p.text_or(run, 0, ""));
  PRONK_TRY(run.spend_bytes(self.as_text()->size() / 8 * chars.size()));
  return Value(strip(*self.as_text(), kEnds, chars.view()));
}

template <bool kFromRight>
Result<Value> splits(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "split", arguments, {"sep", "maxsplit"}));
  const Text& text = *self.as_text();
  PRONK_TRY(run.spend_bytes(text.size() * 4));
  const std::int64_t most = PRONK_TRY(p.integer_or(run, 1, -1));
  std::optional<std::string_view> separator;
  Text given;
  if (p.has(0) && !p[0]->is_none()) {
    given = PRONK_TRY(p.text_or(run, 0, ""));
    if (given.empty()) return run.fail("empty separator");
    separator = given.view();
  }
  return list_of(kFromRight ? split_from_right(text, separator, most)
                            : split(text, separator, most));
}

Result<Value> split_into_lines(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "splitlines", arguments, {"keepends"}));
  PRONK_TRY(run.spend_bytes(self.as_text()->size() * 4));
  return list_of(split_lines(*self.as_text(), p.truth_or(0, false)));
}

template <bool kFromRight>
Result<Value> partition(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(positional(run, "partition", arguments, {"sep"}, 1));
  const Text separator = PRONK_TRY(p.text_or(run, 0, ""));
  if (separator.empty()) return run.fail("empty separator");
  const Text& text = *self.as_text();
  PRONK_TRY(run.spend_bytes(text.size()));
  const std::size_t found =
      kFromRight ? text.view().rfind(separator.view()) : text.view().find(separator.view());
  if (found == std::string_view::npos) {
    std::vector<Value> parts(3, Value(Text()));
    parts[kFromRight ? 2 : 0] = self;
    return Value::tuple(std::move(parts));
  }
  return Value::tuple(
      {text.slice(0, found), separator, text.slice(found + separator.size(), text.size())});
}

// The part of the text that the optional arguments start and end (characters) leave: byte offsets.
// Empty if start lies behind the end.
Result<std::optional<ByteRange>> window(Runtime& run, const Text& text, const Parameters& p) {
  PRONK_TRY(run.spend_bytes(text.size() * 2));
  const auto length = static_cast<std::int64_t>(count_chars(text.view()));
  const auto bound = [&](std::size_t i, std::int64_t otherwise) -> Result<std::int64_t> {
    if (!p.has(i) || p[i]->is_none()) return otherwise;
    const std::int64_t given = PRONK_TRY(p.integer_or(run, i, otherwise));
    return given < 0 ? std::max<std::int64_t>(given + length, 0) : given;
  };
  const std::int64_t start = PRONK_TRY(bound(1, 0)), end = PRONK_TRY(bound(2, length));
  if (start > length || start > end) return std::optional<ByteRange>();
  return std::optional(ByteRange{char_offset(text.view(), start), char_offset(text.view(), end)});
}

template <bool kAtStart>
Result<Value> starts_or_ends(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p =
      PRONK_TRY(positional(run, "startswith", arguments, {"prefix", "start", "end"}, 1));
  const auto range = PRONK_TRY(window(run, *self.as_text(), p));
  std::vector<Value> parts{*p[0]};
  if (const List* list = p[0]->as_list(); list && list->tuple) parts = list->items;
  for (const Value& part : parts) {
    const Text* text = part.as_text();
    if (!text)
      return run.fail(
          fmt::format("startswith() needs a string or a tuple of them, not {}", type_name(part)));
    if (!range) continue;
    const std::string_view view =
        self.as_text()->view().substr(range->begin, range->end - range->begin);
    if (kAtStart ? view.starts_with(text->view()) : view.ends_with(text->view()))
      return Value(true);
  }
  return Value(false);
}

template <bool kFromRight, bool kMustFind>
Result<Value> find_part(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(positional(run, "find", arguments, {"sub", "start", "end"}, 1));
  const Text part = PRONK_TRY(p.text_or(run, 0, ""));
  const auto range = PRONK_TRY(window(run, *self.as_text(), p));
  if (range) {
    const std::string_view view = self.as_text()->view().substr(0, range->end);
    const std::string_view inside = view.substr(range->begin);
    const std::size_t found = kFromRight ? inside.rfind(part.view()) : inside.find(part.view());
    if (found != std::string_view::npos)
      return Value::integer(char_index(view, range->begin + found));
  }
  if (kMustFind) return run.fail("substring not found");
  return Value::integer(-1);
}

Result<Value> count_parts(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(positional(run, "count", arguments, {"sub", "start", "end"}, 1));
  const Text part = PRONK_TRY(p.text_or(run, 0, ""));
  const auto range = PRONK_TRY(window(run, *self.as_text(), p));
  if (!range) return Value::integer(0);
  return Value::integer(count_of(
      self.as_text()->view().substr(range->begin, range->end - range->begin), part.view()));
}

Result<Value> replaced(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(positional(run, "replace", arguments, {"old", "new", "count"}, 2));
  const Text old = PRONK_TRY(p.text_or(run, 0, "")), with = PRONK_TRY(p.text_or(run, 1, ""));
  const std::int64_t most = PRONK_TRY(p.integer_or(run, 2, -1));
  return replace_within(run, *self.as_text(), old.view(), with, most);
}

Result<Value> join_items(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(positional(run, "join", arguments, {"iterable"}, 1));
  Text out;
  bool first = true;
  for (const Value& item : PRONK_TRY(to_items(run, *p[0]))) {
    const Text* text = item.as_text();
    if (!text) return run.fail(fmt::format("join() needs strings, found {}", type_name(item)));
    PRONK_TRY(run.check_size(out.size() + text->size() + self.as_text()->size()));
    PRONK_TRY(run.spend_bytes(text->size() + self.as_text()->size()));
    if (!std::exchange(first, false)) out.append(*self.as_text());
    out.append(*text);
  }
  return Value(std::move(out));
}

template <Align kAlign>
Result<Value> justified(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(positional(run, "center", arguments, {"width", "fillchar"}, 1));
  const std::int64_t width = PRONK_TRY(p.integer_or(run, 0, 0));
  const Text fill = PRONK_TRY(p.text_or(run, 1, " "));
  if (count_chars(fill.view()) != 1)
    return run.fail("the fill character must be exactly one character long");
  PRONK_TRY(run.spend_bytes(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)) * 16));
  return Value(padded(*self.as_text(), width, fill, kAlign));
}

Result<Value> zero_filled(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(positional(run, "zfill", arguments, {"width"}, 1));
  const std::int64_t width = PRONK_TRY(p.integer_or(run, 0, 0));
  PRONK_TRY(run.spend_bytes(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)) * 16));
  const Text& text = *self.as_text();
  const bool sign = text.view().starts_with('+') || text.view().starts_with('-');
  Text out = text.slice(0, sign ? 1 : 0);
  out.append(padded(text.slice(sign ? 1 : 0, text.size()), width - (sign ? 1 : 0), Text("0"),
                    Align::kRight));
  return Value(std::move(out));
}

template <bool kPrefix>
Result<Value> without_affix(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(positional(run, "removeprefix", arguments, {"prefix"}, 1));
  const Text affix = PRONK_TRY(p.text_or(run, 0, ""));
  const Text& text = *self.as_text();
  if (kPrefix && text.view().starts_with(affix.view()))
    return Value(text.slice(affix.size(), text.size()));
  if (!kPrefix && text.view().ends_with(affix.view()))
    return Value(text.slice(0, text.size() - affix.size()));
  return self;
}

// Whether the text is not empty and all its characters have one of these flags.
template <int kFlags>
Result<Value> all_chars(Runtime& run, const Value& self, const Arguments& arguments) {
  PRONK_TRY(positional(run, "isalpha", arguments, {}));
  const std::string_view view = self.as_text()->view();
  PRONK_TRY(run.spend_bytes(view.size()));
  for (std::size_t i = 0; i < view.size();) {
    const DecodedChar c = decode_char(view, i);
    if (!(char_flags(c.code) & kFlags)) return Value(false);
    i += c.size;
  }
  return Value(!view.empty() || kFlags == kPrintable);
}

Result<Value> is_ascii(Runtime& run, const Value& self, const Arguments& arguments) {
  PRONK_TRY(positional(run, "isascii", arguments, {}));
  const std::string_view view = self.as_text()->view();
  return Value(std::all_of(view.begin(), view.end(), [](char c) { return (c & 0x80) == 0; }));
}

template <CharFlag kWanted, CharFlag kOther>
Result<Value> all_cased(Runtime& run, const Value& self, const Arguments& arguments) {
  PRONK_TRY(positional(run, "islower", arguments, {}));
  return Value(has_only_case(self.as_text()->view(), kWanted, kOther));
}

Result<Value> is_title(Runtime& run, const Value& self, const Arguments& arguments) {
  PRONK_TRY(positional(run, "istitle", arguments, {}));
  const std::string_view view = self.as_text()->view();
  bool in_word = false, any = false;
  for (std::size_t i = 0; i < view.size();) {
    const DecodedChar c = decode_char(view, i);
    const bool starts = (char_flags(c.code) & (kUpper | kTitle)) != 0;
    if ((starts && in_word) || ((char_flags(c.code) & kLower) && !in_word)) return Value(false);
    in_word = is_cased(c.code);
    any = any || in_word;
    i += c.size;
  }
  return Value(any);
}

Result<Value> is_identifier(Runtime& run, const Value& self, const Arguments& arguments) {
  PRONK_TRY(positional(run, "isidentifier", arguments, {}));
  const std::string_view view = self.as_text()->view();
  for (std::size_t i = 0; i < view.size();) {
    const DecodedChar c = decode_char(view, i);
    if (!(char_flags(c.code) & (i == 0 ? kIdentifierStart : kIdentifierContinue)))
      return Value(false);
    i += c.size;
  }
  return Value(!view.empty());
}

Result<Value> format_braces(Runtime& run, const Value& self, const Arguments& arguments) {
  return brace_format(run, *self.as_text(), arguments);
}

constexpr Entry kTextMethods[] = {
    {"capitalize", mapped<to_capitalized>},
    {"center", justified<Align::kCenter>},
    {"count", count_parts},
    {"endswith", starts_or_ends<false>},
    {"find", find_part<false, false>},
    {"format", format_braces},
    {"index", find_part<false, true>},
    {"isalnum", all_chars<kAlpha | kDecimal | kDigit | kNumeric>},
    {"isalpha", all_chars<kAlpha>},
    {"isascii", is_ascii},
    {"isdecimal", all_chars<kDecimal>},
    {"isdigit", all_chars<kDigit>},
    {"isidentifier", is_identifier},
    {"islower", all_cased<kLower, kUpper>},
    {"isnumeric", all_chars<kNumeric>},
    {"isprintable", all_chars<kPrintable>},
    {"isspace", all_chars<kSpace>},
    {"istitle", is_title},
    {"isupper", all_cased<kUpper, kLower>},
    {"join", join_items},
    {"ljust", justified<Align::kLeft>},
    {"lower", mapped<to_lower>},
    {"lstrip", stripped<kLeft>},
    {"partition", partition<false>},
    {"removeprefix", without_affix<true>},
    {"removesuffix", without_affix<false>},
    {"replace", replaced},
    {"rfind", find_part<true, false>},
    {"rindex", find_part<true, true>},
    {"rjust", justified<Align::kRight>},
    {"rpartition", partition<true>},
    {"rsplit", splits<true>},
    {"rstrip", stripped<kRight>},
    {"split", splits<false>},
    {"splitlines", split_into_lines},
    {"startswith", starts_or_ends<true>},
    {"strip", stripped<kBoth>},
    {"swapcase", mapped<swap_case>},
    {"title", mapped<to_title>},
    {"upper", mapped<to_upper>},
    {"zfill", zero_filled},
};

// ---- Lists, tuples, ranges

Result<Value> count_items(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "count", arguments, {"value"}, 1));
  Int count = 0;
  for (const Value& item : PRONK_TRY(to_items(run, self)))
    if (PRONK_TRY(equal(run, item, *p[0]))) ++count;
  return Value::integer(count);
}

Result<Value> index_of(Runtime& run, const Value& self, const Arguments& arguments) {
  const Parameters p =
      PRONK_TRY(Parameters::bind(run, "index", arguments, {"value", "start", "stop"}, 1));
  const std::vector<Value> items = PRONK_TRY(to_items(run, self));
  const auto length = static_cast<std::int64_t>(items.size());
  const auto bound = [&](std::size_t i, std::int64_t otherwise) -> Result<std::int64_t> {
    const std::int64_t given = PRONK_TRY(p.integer_or(run, i, otherwise));
    return std::clamp<std::int64_t>(given < 0 ? given + length : given, 0, length);
  };
  const std::int64_t start = PRONK_TRY(bound(1, 0)), stop = PRONK_TRY(bound(2, length));
  for (std::int64_t i = start; i < stop; ++i)
    if (PRONK_TRY(equal(run, items[static_cast<std::size_t>(i)], *p[0]))) return Value::integer(i);
  return run.fail("index(): the value is not in the list");
}

Result<Value> copy(Runtime& run, const Value& self, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "copy", arguments, {}));
  return self;  // it never changes
}

constexpr Entry kListMethods[] = {{"copy", copy}, {"count", count_items}, {"index", index_of}};
constexpr Entry kTupleMethods[] = {{"count", count_items}, {"index", index_of}};

// ---- Dicts

template <DictView::Kind kKind>
Result<Value> view(Runtime& run, const Value& self, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "items", arguments, {}));
  return Value(DictView{*self.get_if<std::shared_ptr<const Dict>>(), kKind});
}

Result<Value> get(Runtime& run, const Value& self, const Arguments& arguments) {
  if (!arguments.named.empty()) return run.fail("dict.get() takes no keyword arguments");
  const Parameters p = PRONK_TRY(Parameters::bind(run, "get", arguments, {"key", "default"}, 1));
  const Value* found = self.as_dict()->find(PRONK_TRY(hash_key(run, *p[0])));
  return found ? *found : p[1].value_or(Value());
}

constexpr Entry kDictMethods[] = {{"copy", copy},
                                  {"get", get},
                                  {"items", view<DictView::Kind::kItems>},
                                  {"keys", view<DictView::Kind::kKeys>},
                                  {"values", view<DictView::Kind::kValues>}};

// ---- Others

Result<Value> is_whole(Runtime& run, const Value& self, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "is_integer", arguments, {}));
  const double number = *self.get_if<double>();
  return Value(number ==
               static_cast<double>(static_cast<Int>(std::clamp(number, -0x1p100, 0x1p100))));
}

Result<Value> next_of(Runtime& run, const Value& self, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "next", arguments, {}));
  Cycler& cycler = *self.object<Cycler>();
  const std::size_t now = cycler.position;
  cycler.position = (now + 1) % cycler.items.size();
  return cycler.items[now];
}

Result<Value> reset(Runtime& run, const Value& self, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "reset", arguments, {}));
  self.object<Cycler>()->position = 0;
  return Value();
}

constexpr Entry kFloatMethods[] = {{"is_integer", is_whole}};
constexpr Entry kCyclerMethods[] = {{"next", next_of}, {"reset", reset}};

std::span<const Entry> methods_of(const Value& object) {
  if (object.as_text()) return kTextMethods;
  if (const List* list = object.as_list()) {
    if (list->tuple) return kTupleMethods;
    return kListMethods;
  }
  if (object.as_dict()) return kDictMethods;
  if (object.is<Range>()) return kTupleMethods;
  if (object.is<double>()) return kFloatMethods;
  if (object.object<Cycler>()) return kCyclerMethods;
  return {};
}

}  // namespace

std::optional<std::string_view> find_method(const Value& object, std::string_view name) {
  for (const Entry& entry : methods_of(object))
    if (entry.name == name) return entry.name;
  return std::nullopt;
}

Result<Value> call_method(Runtime& run, const Method& method, const Arguments& arguments) {
  if (LoopState* loop = method.self.object<LoopState>())
    return call_loop_method(run, *loop, method.name, arguments);
  for (const Entry& entry : methods_of(method.self))
    if (entry.name == method.name) return entry.call(run, method.self, arguments);
  return run.fail(fmt::format("'{}' is not callable", method.name));
}

}  // namespace pronk::jinja
