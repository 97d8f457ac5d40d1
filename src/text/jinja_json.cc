// tojson as Hugging Face defines it: Python's json.dumps, without HTML escapes.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja_filters.h"
#include "text/jinja_operators.h"
#include "text/jinja_unicode.h"

namespace pronk::jinja {
namespace {

struct Style {
  bool ascii = false, sort_keys = false;
  std::optional<Text> indent;
  Text between_items, after_key;
};

class JsonWriter {
 public:
  JsonWriter(Runtime& run, const Style& style) : run_(run), style_(style) {}

  Status write(const Value& value, int depth) {
    PRONK_TRY(run_.spend());
    PRONK_TRY(run_.check_size(out_.size()));
    if (depth > Runtime::kMaxValueDepth) return run_.exhausted("tojson: nested too deeply");
    if (const Text* text = value.as_text()) return write_text(*text);
    if (const List* list = value.as_list()) return write_list(*list, depth);
    if (const Dict* dict = value.as_dict()) return write_dict(*dict, depth);
    const std::optional<std::string> plain = plain_text(value);
    if (!plain)
      return run_.fail(fmt::format("object of type {} is not JSON serializable", type_name(value)));
    out_.append(*plain);
    return Ok{};
  }

  Text take() { return std::move(out_); }

 private:
  static std::optional<std::string> plain_text(const Value& value) {
    if (value.is_none()) return "null";
    if (const bool* b = value.get_if<bool>()) return *b ? "true" : "false";
    if (const Int* i = value.get_if<Int>()) return integer_text(*i);
    const double* d = value.get_if<double>();
    if (!d) return std::nullopt;
    if (std::isnan(*d)) return "NaN";
    if (std::isinf(*d)) return *d < 0 ? "-Infinity" : "Infinity";
    return float_repr(*d);
  }

  Status write_text(const Text& text) {
    PRONK_TRY(run_.spend_bytes(text.size() * 2));
    out_.append("\"");
    std::size_t begin = 0;  // of what is copied as it stands
    for (std::size_t i = 0; i < text.size();) {
      const DecodedChar c = decode_char(text.view(), i);
      const std::string escape = escape_of(c.code);
      if (!escape.empty()) {
        out_.append(text, begin, i);
        out_.append(escape);
        begin = i + c.size;
      }
      i += c.size;
    }
    out_.append(text, begin, text.size());
    out_.append("\"");
    return Ok{};
  }

  // Empty: the character stands for itself.
  std::string escape_of(char32_t c) const {
    constexpr std::string_view kPlain = "\"\\\n\r\t\f\b", kLetters = "\"\\nrtfb";
    if (c < 0x80) {
      const std::size_t simple = kPlain.find(static_cast<char>(c));
      if (simple != std::string_view::npos) return {'\\', kLetters[simple]};
      if (c >= 0x20 && (c < 0x7f || !style_.ascii)) return "";
    } else if (!style_.ascii || c > 0x10ffff) {
      return "";
    }
    const auto code = static_cast<unsigned>(c);
    if (code < 0x10000) return fmt::format("\\u{:04x}", code);
    return fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((code - 0x10000) >> 10),
                       0xdc00 + ((code - 0x10000) & 0x3ff));
  }

  Status line_break(int depth) {
    if (!style_.indent) return Ok{};
    PRONK_TRY(run_.spend_bytes(style_.indent->size() * static_cast<std::size_t>(depth)));
    out_.append("\n");
    for (int i = 0; i < depth; ++i) out_.append(*style_.indent);
    return Ok{};
  }

  Status write_list(const List& list, int depth) {
    out_.append("[");
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out_.append(style_.between_items);
      PRONK_TRY(line_break(depth + 1));
      PRONK_TRY(write(list.items[i], depth + 1));
    }
    if (!list.items.empty()) PRONK_TRY(line_break(depth));
    out_.append("]");
    return Ok{};
  }

  Status write_dict(const Dict& dict, int depth) {
    std::vector<const DictEntry*> entries;
    for (const DictEntry& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) PRONK_TRY(sort(&entries));
    out_.append("{");
    bool first = true;
    for (const DictEntry* entry : entries) {
      if (!std::exchange(first, false)) out_.append(style_.between_items);
      PRONK_TRY(line_break(depth + 1));
      PRONK_TRY(write_key(entry->key));
      out_.append(style_.after_key);
      PRONK_TRY(write(entry->value, depth + 1));
    }
    if (!entries.empty()) PRONK_TRY(line_break(depth));
    out_.append("}");
    return Ok{};
  }

  Status write_key(const Value& key) {
    if (const Text* text = key.as_text()) return write_text(*text);
    const std::optional<std::string> plain = plain_text(key);
    if (!plain)
      return run_.fail(fmt::format("tojson: keys must be str, int, float, bool or None, not {}",
                                   type_name(key)));
    return write_text(Text(*plain));
  }

  Status sort(std::vector<const DictEntry*>* entries) {
    Status status = Ok{};
    std::stable_sort(entries->begin(), entries->end(), [&](const auto* a, const auto* b) {
      if (!status) return false;
      const auto less = compare(run_, Comparison::kLess, a->key, b->key);
      if (!less) status = less.error();
      return less && *less;
    });
    return status;
  }

  Runtime& run_;
  const Style& style_;
  Text out_;
};

Result<Style> read_style(Runtime& run, const Parameters& p) {
  Style style;
  style.ascii = p.truth_or(0, false);
  style.sort_keys = p.truth_or(3, false);
  if (p.has(1) && p[1]->as_text()) {
    style.indent = *p[1]->as_text();
  } else if (p.has(1) && !p[1]->is_none()) {
    const std::int64_t width = std::max<std::int64_t>(PRONK_TRY(p.integer_or(run, 1, 0)), 0);
    PRONK_TRY(run.check_size(static_cast<std::size_t>(width)));
    style.indent = Text(std::string(static_cast<std::size_t>(width), ' '));
  }
  style.between_items = Text(style.indent ? "," : ", ");
  style.after_key = Text(": ");
  if (!p.has(2) || p[2]->is_none()) return style;
  const std::vector<Value> separators = PRONK_TRY(to_items(run, *p[2]));
  if (separators.size() != 2 || !separators[0].as_text() || !separators[1].as_text())
    return run.fail("tojson: separators must be two strings");
  style.between_items = *separators[0].as_text();
  style.after_key = *separators[1].as_text();
  return style;
}

}  // namespace

Result<Value> filter_tojson(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(
      run, "tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  const Style style = PRONK_TRY(read_style(run, p));
  JsonWriter writer(run, style);
  PRONK_TRY(writer.write(value, 0));
  return Value(writer.take());
}

}  // namespace pronk::jinja
