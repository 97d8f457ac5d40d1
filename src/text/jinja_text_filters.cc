// Filters that work on a text.
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja_filters.h"
#include "text/jinja_operators.h"
#include "text/jinja_strings.h"
#include "text/jinja_unicode.h"

namespace pronk::jinja {
namespace {

template <Text (*kMap)(const Text&)>
Result<Value> filter_mapped(Runtime& run, const Value& value, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "upper", arguments, {}));
  const Text text = PRONK_TRY(to_text(run, value));
  PRONK_TRY(run.spend_bytes(text.size() * 4));
  return Value(kMap(text));
}

// A word begins after any of "-({[<" or white space, otherwise than str.title().
Text title_words(const Text& text) {
  Text out;
  std::size_t begin = 0;  // of the piece that is being read
  bool separators = false;
  const auto flush = [&](std::size_t end) {
    const Text piece = text.slice(begin, end);
    const std::size_t first = piece.empty() ? 0 : decode_char(piece.view(), 0).size;
    out.append(to_upper(piece.slice(0, first)));
    out.append(to_lower(piece.slice(first, piece.size())));
    begin = end;
  };
  for (std::size_t i = 0; i < text.size();) {
    const DecodedChar c = decode_char(text.view(), i);
    const bool separator =
        is_space(c.code) ||
        (c.code < 0x80 &&
         std::string_view("-({[<").find(static_cast<char>(c.code)) != std::string_view::npos);
    if (separator != separators) flush(i);
    separators = separator;
    i += c.size;
  }
  flush(text.size());
  return out;
}

Result<Value> filter_trim(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "trim", arguments, {"chars"}));
  const Text text = PRONK_TRY(to_text(run, value));
  if (!p.has(0) || p[0]->is_none()) return Value(strip(text, kBoth, std::nullopt));
  const Text chars = PRONK_TRY(p.text_or(run, 0, ""));
  PRONK_TRY(run.spend_bytes(text.size() / 8 * chars.size()));
  return Value(strip(text, kBoth, chars.view()));
}

Result<Value> filter_replace(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p =
      PRONK_TRY(Parameters::bind(run, "replace", arguments, {"old", "new", "count"}, 2));
  const Text text = PRONK_TRY(to_text(run, value));
  const Text old = PRONK_TRY(to_text(run, *p[0])), with = PRONK_TRY(to_text(run, *p[1]));
  const bool all = p.has(2) && p[2]->is_none();
  return replace_within(run, text, old.view(), with,
                        all ? -1 : PRONK_TRY(p.integer_or(run, 2, -1)));
}

Result<Text> text_operand(Runtime& run, const Value& value, std::string_view filter) {
  if (const Undefined* undefined = value.get_if<Undefined>()) return run.undefined(*undefined);
  const Text* text = value.as_text();
  if (!text) return run.fail(fmt::format("{} needs a string, not {}", filter, type_name(value)));
  return *text;
}

Result<Value> filter_indent(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p =
      PRONK_TRY(Parameters::bind(run, "indent", arguments, {"width", "first", "blank"}));
  Text text = PRONK_TRY(text_operand(run, value, "indent"));
  Text indention;
  if (p.has(0) && p[0]->as_text()) {
    indention = *p[0]->as_text();
  } else {
    const std::int64_t width = std::max<std::int64_t>(PRONK_TRY(p.integer_or(run, 0, 4)), 0);
    PRONK_TRY(run.check_size(static_cast<std::size_t>(width)));
    indention.append(std::string(static_cast<std::size_t>(width), ' '));
  }
  text.append("\n");
  const std::vector<Text> lines = split_lines(text, false);
  PRONK_TRY(run.spend_bytes(text.size() * 4 + lines.size() * (indention.size() + 16)));
  Text out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.append("\n");
    const bool indented = i == 0 ? p.truth_or(1, false) : p.truth_or(2, false) || !lines[i].empty();
    if (indented) out.append(indention);
    out.append(lines[i]);
  }
  return Value(std::move(out));
}

Result<Value> filter_center(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "center", arguments, {"width"}));
  const std::int64_t width = PRONK_TRY(p.integer_or(run, 0, 80));
  PRONK_TRY(run.spend_bytes(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)) * 16));
  return Value(padded(PRONK_TRY(to_text(run, value)), width, Text(" "), Align::kCenter));
}

Result<Value> filter_truncate(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(
      Parameters::bind(run, "truncate", arguments, {"length", "killwords", "end", "leeway"}));
  const std::int64_t length = PRONK_TRY(p.integer_or(run, 0, 255));
  const Text end = PRONK_TRY(p.text_or(run, 2, "..."));
  const bool default_leeway = p.has(3) && p[3]->is_none();
  const std::int64_t leeway = default_leeway ? 5 : PRONK_TRY(p.integer_or(run, 3, 5));
  const auto end_length = static_cast<std::int64_t>(count_chars(end.view()));
  if (length < end_length) return run.fail(fmt::format("expected length >= {}", end_length));
  if (leeway < 0) return run.fail("expected leeway >= 0");
  const auto full_length = length_of(value);
  if (full_length && *full_length - length <= leeway) return value;  // also a list, or undefined
  const Text text = PRONK_TRY(text_operand(run, value, "truncate"));
  PRONK_TRY(run.spend_bytes(text.size()));
  Text out = text.slice(0, char_offset(text.view(), length - end_length));
  if (!p.truth_or(1, false)) out = split_from_right(out, " ", 1).front();
  out.append(end);
  return Value(std::move(out));
}

Result<Value> filter_wordcount(Runtime& run, const Value& value, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "wordcount", arguments, {}));
  const Text text = PRONK_TRY(to_text(run, value));
  Int words = 0;
  bool in_word = false;
  for (std::size_t i = 0; i < text.size();) {
    const DecodedChar c = decode_char(text.view(), i);
    if (is_word(c.code) && !in_word) ++words;
    in_word = is_word(c.code);
    i += c.size;
  }
  return Value::integer(words);
}

Result<Value> filter_format(Runtime& run, const Value& value, const Arguments& arguments) {
  const Text text = PRONK_TRY(to_text(run, value));
  if (arguments.named.empty()) return percent_format(run, text, Value::tuple(arguments.positional));
  if (!arguments.positional.empty())
    return run.fail("format takes positional or keyword arguments, not both");
  auto dict = std::make_shared<Dict>();
  for (const auto& [name, argument] : arguments.named)
    dict->set("s" + name, Value::text(name), argument);
  return percent_format(run, text, Value(std::shared_ptr<const Dict>(std::move(dict))));
}

// Replaces single bytes of a text by what `change` gives for them (nullptr: they stay).
template <class Change>
Result<Text> replace_bytes(Runtime& run, const Text& text, Change change) {
  PRONK_TRY(run.spend_bytes(text.size() * 2));
  Text out;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string changed = change(text.view()[i]);
    if (changed.empty()) continue;
    out.append(text, begin, i);
    out.append(changed);
    begin = i + 1;
  }
  out.append(text, begin, text.size());
  return out;
}

Result<Text> escaped(Runtime& run, const Text& text) {
  return replace_bytes(run, text, [](char c) -> std::string {
    switch (c) {
      case '&':
        return "&amp;";
      case '<':
        return "&lt;";
      case '>':
        return "&gt;";
      case '"':
        return "&#34;";
      case '\'':
        return "&#39;";
      default:
        return "";
    }
  });
}

Result<Value> filter_escape(Runtime& run, const Value& value, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "escape", arguments, {}));
  const Text text = PRONK_TRY(to_text(run, value));
  return Value(PRONK_TRY(escaped(run, text)));
}

Result<Text> url_quoted(Runtime& run, const Value& value, bool query) {
  return replace_bytes(run, PRONK_TRY(to_text(run, value)), [query](char c) -> std::string {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !query);
    if (plain) return "";
    return query && c == ' ' ? "+" : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  });
}

Result<Value> filter_urlencode(Runtime& run, const Value& value, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "urlencode", arguments, {}));
  if (value.as_text() || !is_iterable(value))
    return Value(PRONK_TRY(url_quoted(run, value, false)));
  std::vector<Value> pairs;
  if (const auto* dict = value.get_if<std::shared_ptr<const Dict>>())
    pairs = PRONK_TRY(to_items(run, Value(DictView{*dict, DictView::Kind::kItems})));
  else
    pairs = PRONK_TRY(to_items(run, value));
  Text out;
  for (const Value& pair : pairs) {
    const std::vector<Value> both = PRONK_TRY(to_items(run, pair));
    if (both.size() != 2) return run.fail("urlencode needs pairs");
    if (!out.empty()) out.append("&");
    out.append(PRONK_TRY(url_quoted(run, both[0], true)));
    out.append("=");
    out.append(PRONK_TRY(url_quoted(run, both[1], true)));
  }
  return Value(std::move(out));
}

Result<Value> filter_xmlattr(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "xmlattr", arguments, {"autospace"}));
  const Dict* dict = value.as_dict();
  if (!dict) return run.fail(fmt::format("xmlattr needs a dict, not {}", type_name(value)));
  Text out;
  for (const DictEntry& entry : dict->entries) {
    if (entry.value.is_none() || entry.value.is_undefined()) continue;
    const Text* key = entry.key.as_text();
    if (!key || key->view().find_first_of(" \t\n\r\f\v/>=") != std::string_view::npos)
      return run.fail("invalid character in attribute name");
    if (!out.empty() || p.truth_or(0, true)) out.append(" ");
    out.append(PRONK_TRY(escaped(run, *key)));
    out.append("=\"");
    const Text shown = PRONK_TRY(to_text(run, entry.value));
    out.append(PRONK_TRY(escaped(run, shown)));
    out.append("\"");
  }
  return Value(std::move(out));
}

constexpr Filter kTextFilters[] = {
    {"capitalize", filter_mapped<to_capitalized>},
    {"center", filter_center},
    {"e", filter_escape},
    {"escape", filter_escape},
    {"forceescape", filter_escape},
    {"format", filter_format},
    {"indent", filter_indent},
    {"lower", filter_mapped<to_lower>},
    {"replace", filter_replace},
    {"title", filter_mapped<title_words>},
    {"trim", filter_trim},
    {"truncate", filter_truncate},
    {"upper", filter_mapped<to_upper>},
    {"urlencode", filter_urlencode},
    {"wordcount", filter_wordcount},
    {"xmlattr", filter_xmlattr},
};

}  // namespace

std::span<const Filter> text_filters() { return kTextFilters; }

}  // namespace pronk::jinja
