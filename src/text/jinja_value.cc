#include "text/jinja_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja_loop.h"
#include "text/jinja_runtime.h"
#include "text/jinja_unicode.h"

namespace pronk::jinja {

const Value* Dict::find(const std::string& hash_key) const {
  const auto found = index.find(hash_key);
  return found == index.end() ? nullptr : &entries[found->second].value;
}

const Value* Dict::find_text(std::string_view key) const { return find("s" + std::string(key)); }

void Dict::set(std::string hash_key, Value key, Value value) {
  depth = std::max({depth, value_depth(key) + 1, value_depth(value) + 1});
  const auto [place, added] = index.try_emplace(std::move(hash_key), entries.size());
  if (added)
    entries.push_back({std::move(key), std::move(value)});
  else
    entries[place->second].value = std::move(value);
}

std::int64_t Range::length() const {
  if (step > 0) return start < stop ? (stop - start - 1) / step + 1 : 0;
  return start > stop ? (start - stop - 1) / -step + 1 : 0;
}

Value Value::undefined(std::string message) {
  return Undefined{std::make_shared<const std::string>(std::move(message))};
}

Value Value::list(std::vector<Value> items, bool tuple) {
  auto list = std::make_shared<List>();
  for (const Value& item : items) list->depth = std::max(list->depth, value_depth(item) + 1);
  list->items = std::move(items);
  list->tuple = tuple;
  return std::shared_ptr<const List>(std::move(list));
}

std::optional<Int> Value::as_integer() const {
  if (const bool* b = get_if<bool>()) return Int{*b};
  if (const Int* i = get_if<Int>()) return *i;
  return std::nullopt;
}

std::optional<double> Value::as_number() const {
  if (const double* d = get_if<double>()) return *d;
  if (const auto i = as_integer()) return static_cast<double>(*i);
  return std::nullopt;
}

int value_depth(const Value& value) {
  if (const List* list = value.as_list()) return list->depth;
  if (const Dict* dict = value.as_dict()) return dict->depth;
  if (const DictView* view = value.get_if<DictView>()) return view->dict->depth;
  if (const Generator* generator = value.object<Generator>()) return generator->depth;
  if (const Cycler* cycler = value.object<Cycler>()) return cycler->depth;
  if (const Joiner* joiner = value.object<Joiner>()) return value_depth(joiner->separator) + 1;
  if (const LoopState* loop = value.object<LoopState>()) return value_depth(loop->iterable) + 1;
  if (const Method* method = value.object<const Method>()) return value_depth(method->self) + 1;
  return 0;
}

bool truth(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (const bool* b = value.get_if<bool>()) return *b;
  if (const Int* i = value.get_if<Int>()) return *i != 0;
  if (const double* d = value.get_if<double>()) return *d != 0;
  const std::optional<std::int64_t> length = length_of(value);
  return !length || *length > 0;
}

std::string_view type_name(const Value& value) {
  struct Names {
    std::string_view operator()(const Undefined&) const { return "Undefined"; }
    std::string_view operator()(const None&) const { return "NoneType"; }
    std::string_view operator()(bool) const { return "bool"; }
    std::string_view operator()(Int) const { return "int"; }
    std::string_view operator()(double) const { return "float"; }
    std::string_view operator()(const std::shared_ptr<const Text>&) const { return "str"; }
    std::string_view operator()(const std::shared_ptr<const List>& list) const {
      return list->tuple ? "tuple" : "list";
    }
    std::string_view operator()(const std::shared_ptr<const Dict>&) const { return "dict"; }
    std::string_view operator()(const DictView& view) const {
      constexpr std::string_view kNames[] = {"dict_keys", "dict_values", "dict_items"};
      return kNames[static_cast<int>(view.kind)];
    }
    std::string_view operator()(const Range&) const { return "range"; }
    std::string_view operator()(const std::shared_ptr<Generator>&) const { return "generator"; }
    std::string_view operator()(const std::shared_ptr<Namespace>&) const { return "Namespace"; }
    std::string_view operator()(const std::shared_ptr<Joiner>&) const { return "Joiner"; }
    std::string_view operator()(const std::shared_ptr<Cycler>&) const { return "Cycler"; }
    std::string_view operator()(const std::shared_ptr<LoopState>&) const { return "LoopContext"; }
    std::string_view operator()(const std::shared_ptr<const MacroState>&) const { return "Macro"; }
    std::string_view operator()(const std::shared_ptr<const Method>&) const { return "method"; }
    std::string_view operator()(const Builtin&) const { return "function"; }
  };
  return std::visit(Names{}, value.held());
}

std::string integer_text(Int integer) { return fmt::format("{}", integer); }

// Python's repr: the shortest digits that read back as the same number; an exponent below 1e-4 and
// from 1e16 on.
std::string float_repr(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end =
      std::to_chars(buffer, std::end(buffer), number, std::chars_format::scientific).ptr;
  const std::string_view scientific(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = scientific.find('e');
  int exponent = 0;
  const char* digits_of_exponent = buffer + e + (scientific[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, end, exponent);
  if (exponent < -4 || exponent >= 16) return std::string(scientific);

  std::string digits;
  for (const char c : scientific.substr(0, e))
    if (c >= '0' && c <= '9') digits.push_back(c);
  const std::string sign(std::signbit(number) ? 1 : 0, '-');
  if (exponent < 0)
    return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

namespace {

Text text_repr(const Text& text) {
  const std::string_view bytes = text.view();
  const bool has_single = bytes.find('\'') != std::string_view::npos;
  const char quote = has_single && bytes.find('"') == std::string_view::npos ? '"' : '\'';
  Text out;
  out.append(std::string_view(&quote, 1));
  OwnCursor own(text);
  for (std::size_t i = 0; i < bytes.size();) {
    const DecodedChar c = decode_char(bytes, i);
    const auto code = static_cast<unsigned>(c.code);
    std::string shown(bytes.substr(i, c.size));
    if (c.code == '\\' || c.code == static_cast<unsigned char>(quote)) {
      shown.insert(0, 1, '\\');
    } else if (c.code == '\n' || c.code == '\r' || c.code == '\t') {
      shown = c.code == '\n' ? "\\n" : c.code == '\r' ? "\\r" : "\\t";
    } else if (code < 0x110000 && !(char_flags(c.code) & kPrintable)) {
      shown = code < 0x100     ? fmt::format("\\x{:02x}", code)
              : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                               : fmt::format("\\U{:08x}", code);
    }
    out.append(shown, own.at(i));
    i += c.size;
  }
  out.append(std::string_view(&quote, 1));
  return out;
}

// Appends repr(value).
class ReprWriter {
 public:
  explicit ReprWriter(Runtime& run) : run_(run) {}

  Status write(const Value& value, int depth) {
    PRONK_TRY(run_.spend());
    if (depth > Runtime::kMaxValueDepth) return run_.exhausted("a value nested too deeply");
    if (const Text* text = value.as_text()) return write_text(*text);
    if (const List* list = value.as_list()) return write_list(*list, depth);
    if (const Dict* dict = value.as_dict()) return write_dict(*dict, depth);
    if (const DictView* view = value.get_if<DictView>()) {
      out_.append(std::string(type_name(value)) + "(");
      List items;
      items.items = PRONK_TRY(to_items(run_, *view));
      PRONK_TRY(write_list(items, depth));
      out_.append(")");
    } else if (const Namespace* space = value.object<Namespace>()) {
      out_.append("<Namespace ");
      PRONK_TRY(write_dict(space->attributes, depth));
      out_.append(">");
    } else {
      out_.append(plain(value));
    }
    return Ok{};
  }

  Text take() { return std::move(out_); }

 private:
  static std::string plain(const Value& value) {
    if (value.is_none()) return "None";
    if (const bool* b = value.get_if<bool>()) return *b ? "True" : "False";
    if (const Int* i = value.get_if<Int>()) return integer_text(*i);
    if (const double* d = value.get_if<double>()) return float_repr(*d);
    if (const Range* r = value.get_if<Range>())
      return r->step == 1 ? fmt::format("range({}, {})", r->start, r->stop)
                          : fmt::format("range({}, {}, {})", r->start, r->stop, r->step);
    if (value.is_undefined()) return "Undefined";
    return fmt::format("<{} object>", type_name(value));
  }

  Status write_text(const Text& text) {
    PRONK_TRY(run_.spend_bytes(text.size() + out_.size() / 16));
    out_.append(text_repr(text));
    return Ok{};
  }

  Status write_list(const List& list, int depth) {
    out_.append(list.tuple ? "(" : "[");
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out_.append(", ");
      PRONK_TRY(write(list.items[i], depth + 1));
    }
    out_.append(list.tuple ? (list.items.size() == 1 ? ",)" : ")") : "]");
    return run_.spend_bytes(out_.size() / 16);
  }

  Status write_dict(const Dict& dict, int depth) {
    out_.append("{");
    bool first = true;
    for (const DictEntry& entry : dict.entries) {
      if (!std::exchange(first, false)) out_.append(", ");
      PRONK_TRY(write(entry.key, depth + 1));
      out_.append(": ");
      PRONK_TRY(write(entry.value, depth + 1));
    }
    out_.append("}");
    return run_.spend_bytes(out_.size() / 16);
  }

  Runtime& run_;
  Text out_;
};

}  // namespace

Result<Text> to_repr(Runtime& run, const Value& value) {
  ReprWriter writer(run);
  PRONK_TRY(writer.write(value, 0));
  return writer.take();
}

Result<Text> to_text(Runtime& run, const Value& value) {
  if (const Text* text = value.as_text()) {
    PRONK_TRY(run.spend_bytes(text->size()));
    return *text;
  }
  if (value.is_undefined()) return Text();
  return to_repr(run, value);
}

Result<std::string> hash_key(Runtime& run, const Value& value) {
  PRONK_TRY(run.spend());
  if (const Text* text = value.as_text()) {
    PRONK_TRY(run.spend_bytes(text->size()));
    return "s" + text->bytes();
  }
  if (const auto integer = value.as_integer()) return "i" + integer_text(*integer);
  if (const double* d = value.get_if<double>()) {
    const bool whole = std::isfinite(*d) && std::abs(*d) < 0x1p100 && std::trunc(*d) == *d;
    return whole ? "i" + integer_text(static_cast<Int>(*d)) : "f" + float_repr(*d);
  }
  if (value.is_none()) return std::string("n");
  if (value.is_undefined()) return std::string("u");
  const List* list = value.as_list();
  if (list && list->tuple) {
    std::string key = "t";
    for (const Value& item : list->items) {
      const std::string part = PRONK_TRY(hash_key(run, item));
      key += fmt::format("{}:", part.size()) + part;
    }
    return key;
  }
  return run.fail(fmt::format("unhashable type: '{}'", type_name(value)));
}

namespace {

bool equal_numbers(const Value& a, const Value& b) {
  const auto ia = a.as_integer(), ib = b.as_integer();
  if (ia && ib) return *ia == *ib;
  return *a.as_number() == *b.as_number();
}

Result<bool> equal_dicts(Runtime& run, const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, place] : a.index) {
    const Value* other = b.find(key);
    if (!other || !PRONK_TRY(equal(run, a.entries[place].value, *other))) return false;
  }
  return true;
}

}  // namespace

Result<bool> equal(Runtime& run, const Value& a, const Value& b) {
  PRONK_TRY(run.spend());
  if (a.as_number() && b.as_number()) return equal_numbers(a, b);
  if (a.held().index() != b.held().index()) return false;
  if (a.is_undefined() || a.is_none()) return true;
  if (const Text* text = a.as_text()) {
    PRONK_TRY(run.spend_bytes(text->size()));
    return text->view() == b.as_text()->view();
  }
  if (const List* list = a.as_list()) {
    const List& other = *b.as_list();
    if (list == &other) return true;
    if (list->tuple != other.tuple || list->items.size() != other.items.size()) return false;
    for (std::size_t i = 0; i < list->items.size(); ++i)
      if (!PRONK_TRY(equal(run, list->items[i], other.items[i]))) return false;
    return true;
  }
  if (const Dict* dict = a.as_dict()) return equal_dicts(run, *dict, *b.as_dict());
  if (const Range* r = a.get_if<Range>()) {
    const Range& other = *b.get_if<Range>();
    const std::int64_t n = r->length();
    return n == other.length() && (n == 0 || r->start == other.start) &&
           (n <= 1 || r->step == other.step);
  }
  if (const Builtin* builtin = a.get_if<Builtin>())
    return builtin->name == b.get_if<Builtin>()->name;
  if (const DictView* view = a.get_if<DictView>()) {
    const DictView& other = *b.get_if<DictView>();
    if (view->kind != other.kind || view->kind == DictView::Kind::kValues) return false;
    if (view->kind == DictView::Kind::kItems) return equal_dicts(run, *view->dict, *other.dict);
    return view->dict->entries.size() == other.dict->entries.size() &&
           std::all_of(view->dict->index.begin(), view->dict->index.end(),
                       [&](const auto& entry) { return other.dict->find(entry.first); });
  }
  // Two objects without a value of their own are equal when they are the same.
  return std::visit(
      [&](const auto& held) {
        using T = std::decay_t<decltype(held)>;
        if constexpr (requires { held.get(); }) return held == std::get<T>(b.held());
        return false;
      },
      a.held());
}

namespace {

Result<Value> convert(Runtime& run, const json::value& value, int depth);

Result<Value> convert(Runtime& run, const json::object& object, int depth) {
  if (depth > Runtime::kMaxValueDepth) return run.exhausted("variables nested too deeply");
  auto dict = std::make_shared<Dict>();
  dict->entries.reserve(object.size());
  dict->index.reserve(object.size());
  for (const auto& member : object) {
    PRONK_TRY(run.spend_bytes(member.key().size()));
    const std::string key(member.key());
    Value converted = PRONK_TRY(convert(run, member.value(), depth + 1));
    dict->set("s" + key, Value::text(key), std::move(converted));
  }
  return Value(std::shared_ptr<const Dict>(std::move(dict)));
}

Result<Value> convert(Runtime& run, const json::value& value, int depth) {
  PRONK_TRY(run.spend());
  switch (value.kind()) {
    case json::kind::null:
      return Value();
    case json::kind::bool_:
      return Value(value.get_bool());
    case json::kind::int64:
      return Value::integer(value.get_int64());
    case json::kind::uint64:
      return Value::integer(value.get_uint64());
    case json::kind::double_:
      return Value(value.get_double());
    case json::kind::string: {
      const json::string& text = value.get_string();
      PRONK_TRY(run.spend_bytes(text.size()));
      return Value::text(std::string(text.data(), text.size()));
    }
    case json::kind::object:
      return convert(run, value.get_object(), depth);
    case json::kind::array:
      break;
  }
  if (depth > Runtime::kMaxValueDepth) return run.exhausted("variables nested too deeply");
  std::vector<Value> items;
  items.reserve(value.get_array().size());
  for (const json::value& item : value.get_array())
    items.push_back(PRONK_TRY(convert(run, item, depth + 1)));
  return Value::list(std::move(items));
}

}  // namespace

Result<Value> from_json(Runtime& run, const json::value& value) { return convert(run, value, 1); }
Result<Value> from_json(Runtime& run, const json::object& object) {
  return convert(run, object, 1);
}

}  // namespace pronk::jinja
