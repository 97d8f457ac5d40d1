// "..." % values and "...".format(...).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja_operators.h"
#include "text/jinja_strings.h"
#include "text/jinja_unicode.h"

namespace pronk::jinja {
namespace {

// [[fill]align][sign][#][0][width][,][.precision][type], of both languages.
struct Spec {
  Text fill{" "};
  char align = 0;  // '<', '>', '^', '=' (padding after the sign); 0: by type
  char sign = '-';
  bool alternate = false, thousands = false;
  std::int64_t width = 0, precision = -1;
  char type = 0;
};

// Digits of a field's width or precision. Error: beyond what a text may hold.
Result<std::int64_t> read_number(Runtime& run, std::string_view text, std::size_t* i) {
  std::int64_t number = 0;
  for (; *i < text.size() && text[*i] >= '0' && text[*i] <= '9'; ++*i) {
    number = number * 10 + (text[*i] - '0');
    if (number > 1'000'000) return run.fail("a field wider than 1000000 characters");
  }
  return number;
}

std::string in_base(Int magnitude, char type) {
  const unsigned base = type == 'b' ? 2 : type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
  auto rest = static_cast<unsigned __int128>(magnitude);
  std::string digits;
  do {
    const auto digit = static_cast<unsigned>(rest % base);
    digits.push_back((type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[digit]);
    rest /= base;
  } while (rest != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string with_thousands(const std::string& number) {
  const std::size_t whole = std::min(number.find_first_not_of("0123456789"), number.size());
  std::string out = number.substr(whole);
  for (std::size_t end = whole; end > 0;) {
    const std::size_t begin = end > 3 ? end - 3 : 0;
    out.insert(0, number.substr(begin, end - begin));
    if (begin > 0) out.insert(0, ",");
    end = begin;
  }
  return out;
}

// The digits of |number|, without a sign.
std::string float_digits(double number, const Spec& spec) {
  const double magnitude = std::abs(number);
  if (spec.type == 0 && spec.precision < 0) return float_repr(magnitude);
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  switch (spec.type) {
    case 'f':
    case 'F':
      return fmt::format("{:.{}f}", magnitude, precision);
    case 'e':
      return fmt::format("{:.{}e}", magnitude, precision);
    case 'E':
      return fmt::format("{:.{}E}", magnitude, precision);
    case '%':
      return fmt::format("{:.{}f}%", magnitude * 100, precision);
    case 'G':
      return fmt::format("{:.{}G}", magnitude, precision);
    default: {
      std::string digits = fmt::format("{:.{}g}", magnitude, precision);
      const bool bare = digits.find_first_not_of("0123456789") == std::string::npos;
      return spec.type == 0 && bare ? digits + ".0" : digits;
    }
  }
}

Text sided(const Spec& spec, const std::string& sign, const Text& body, char default_align) {
  const char align = spec.align ? spec.align : default_align;
  Text whole(sign);
  if (align == '=') {
    whole.append(padded(body, spec.width - static_cast<std::int64_t>(sign.size()), spec.fill,
                        Align::kRight));
    return whole;
  }
  whole.append(body);
  if (align != '^')
    return padded(whole, spec.width, spec.fill, align == '>' ? Align::kRight : Align::kLeft);
  // Format centres with the odd one on the right.
  const auto length = static_cast<std::int64_t>(count_chars(whole.view()));
  const std::int64_t left = std::max<std::int64_t>(spec.width - length, 0) / 2;
  return padded(padded(whole, length + left, spec.fill, Align::kRight), spec.width, spec.fill,
                Align::kLeft);
}

Result<Text> format_number(Runtime& run, const Value& value, const Spec& spec) {
  const auto integer = value.as_integer();
  const bool as_float =
      value.is<double>() || std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
  const double number = *value.as_number();
  const bool negative = as_float ? std::signbit(number) && !std::isnan(number) : *integer < 0;
  std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  std::string digits;
  if (as_float) {
    digits = float_digits(number, spec);
  } else if (spec.type == 'c') {
    if (*integer < 0 || *integer > 0x10ffff) return run.fail("%c needs a character's code");
    append_utf8(static_cast<char32_t>(*integer), &digits);
    sign.clear();
  } else {
    if (spec.type != 0 && std::string_view("bdoxXn").find(spec.type) == std::string_view::npos)
      return run.fail(fmt::format("unknown format code '{}' for an integer", spec.type));
    digits = in_base(*integer < 0 ? -*integer : *integer, spec.type);
    if (spec.alternate && spec.type != 'd' && spec.type != 0) sign += std::string("0") + spec.type;
  }
  if (spec.thousands) digits = with_thousands(digits);
  return sided(spec, sign, Text(std::move(digits)), '>');
}

Result<Text> format_value(Runtime& run, const Value& value, const Spec& spec) {
  PRONK_TRY(run.spend_bytes(static_cast<std::size_t>(spec.width) * 16));
  const bool shows_as_text = spec.type == 's' || (value.is<bool>() && spec.type == 0);
  if (value.as_number() && !shows_as_text) return format_number(run, value, spec);
  if (spec.type != 0 && spec.type != 's')
    return run.fail(fmt::format("unknown format code '{}' for '{}'", spec.type, type_name(value)));
  Text text = PRONK_TRY(to_text(run, value));
  if (spec.precision >= 0) text = text.slice(0, char_offset(text.view(), spec.precision));
  return sided(spec, "", text, '<');
}

// ---- %

class PercentFormatter {
 public:
  PercentFormatter(Runtime& run, const Text& format, const Value& values)
      : run_(run), format_(format), view_(format.view()), values_(values) {
    const List* list = values.as_list();
    if (list && list->tuple)
      arguments_ = list->items;
    else
      arguments_ = {values};
    // What has members may stand for itself without being used up.
    lenient_ = values.as_dict() || (list && !list->tuple) || values.is_undefined();
  }

  Result<Value> format() {
    Text out;
    for (std::size_t i = 0; i < view_.size();) {
      const std::size_t percent = std::min(view_.find('%', i), view_.size());
      out.append(format_, i, percent);
      if (percent == view_.size()) break;
      i = percent + 1;
      if (i < view_.size() && view_[i] == '%') {
        out.append(format_, i, i + 1);
        ++i;
        continue;
      }
      out.append(PRONK_TRY(field(&i)));
      PRONK_TRY(run_.check_size(out.size()));
    }
    if (next_ < arguments_.size() && !lenient_)
      return run_.fail("not all arguments converted during string formatting");
    return Value(std::move(out));
  }

 private:
  Result<Value> next_argument() {
    if (next_ >= arguments_.size()) return run_.fail("not enough arguments for format string");
    return arguments_[next_++];
  }

  Result<Value> named_argument(std::size_t* i) {
    const Dict* dict = values_.as_dict();
    if (!dict) return run_.fail("format requires a mapping");
    const std::size_t end = view_.find(')', *i);
    if (end == std::string_view::npos) return run_.fail("incomplete format key");
    const Value* found = dict->find_text(view_.substr(*i + 1, end - *i - 1));
    if (!found) return run_.fail("format names a key that is missing");
    *i = end + 1;
    return *found;
  }

  Result<std::int64_t> number_or_star(std::size_t* i) {
    if (*i >= view_.size() || view_[*i] != '*') return read_number(run_, view_, i);
    ++*i;
    const auto integer = PRONK_TRY(next_argument()).as_integer();
    if (!integer || *integer < 0 || *integer > 1'000'000) return run_.fail("* wants an int");
    return static_cast<std::int64_t>(*integer);
  }

  Result<Text> field(std::size_t* i) {
    PRONK_TRY(run_.spend());
    std::optional<Value> value;
    if (*i < view_.size() && view_[*i] == '(') value = PRONK_TRY(named_argument(i));
    Spec spec;
    spec.align = '>';
    for (; *i < view_.size() && std::string_view("#0- +").find(view_[*i]) != std::string_view::npos;
         ++*i) {
      const char flag = view_[*i];
      if (flag == '#') spec.alternate = true;
      if (flag == '-') spec.align = '<';
      if (flag == '+' || (flag == ' ' && spec.sign == '-')) spec.sign = flag;
      if (flag == '0' && spec.align != '<') spec.align = '=';
    }
    spec.width = PRONK_TRY(number_or_star(i));
    if (*i < view_.size() && view_[*i] == '.') {
      ++*i;
      spec.precision = PRONK_TRY(number_or_star(i));
    }
    if (*i >= view_.size()) return run_.fail("incomplete format");
    spec.type = view_[(*i)++];
    if (!value) value = PRONK_TRY(next_argument());
    return converted(*value, spec);
  }

  Result<Text> converted(const Value& value, Spec spec) {
    const bool text = spec.type == 's' || spec.type == 'r';
    if (spec.align == '=') {
      if (!text) spec.fill = Text("0");
      if (text) spec.align = '>';
    }
    if (spec.type == 'r') {
      spec.type = 's';
      return format_value(run_, Value(PRONK_TRY(to_repr(run_, value))), spec);
    }
    if (text) return format_value(run_, value, spec);
    if (spec.type == 'c' && value.as_text()) {
      if (count_chars(value.as_text()->view()) != 1) return run_.fail("%c requires one character");
      spec.type = 's';
      return format_value(run_, value, spec);
    }
    if (std::string_view("diouxXeEfFgGc").find(spec.type) == std::string_view::npos)
      return run_.fail(fmt::format("unsupported format character '{}'", spec.type));
    if (!value.as_number())
      return run_.fail(
          fmt::format("%{} format: a number is required, not {}", spec.type, type_name(value)));
    if (spec.type == 'i' || spec.type == 'u') spec.type = 'd';
    if (spec.type != 'd' || !value.is<double>()) return format_value(run_, value, spec);
    const double number = *value.get_if<double>();
    if (!std::isfinite(number) || std::abs(number) > 0x1p126)
      return run_.fail("cannot convert that float to an integer");
    return format_value(run_, Value::integer(static_cast<Int>(number)), spec);
  }

  Runtime& run_;
  const Text& format_;
  const std::string_view view_;
  const Value& values_;
  std::vector<Value> arguments_;
  std::size_t next_ = 0;
  bool lenient_ = false;
};

// ---- format()

class BraceFormatter {
 public:
  BraceFormatter(Runtime& run, const Text& format, const Arguments& arguments)
      : run_(run), format_(format), view_(format.view()), arguments_(arguments) {}

  Result<Value> format() {
    Text out;
    for (std::size_t i = 0; i < view_.size();) {
      const std::size_t brace = std::min(view_.find_first_of("{}", i), view_.size());
      out.append(format_, i, brace);
      if (brace == view_.size()) break;
      i = brace + 1;
      if (i < view_.size() && view_[i] == view_[brace]) {
        out.append(format_, brace, i);
        ++i;
        continue;
      }
      if (view_[brace] == '}') return run_.fail("single '}' encountered in format string");
      const std::size_t end = closing(i);
      if (end == std::string_view::npos) return run_.fail("expected '}' before end of string");
      out.append(PRONK_TRY(field(view_.substr(i, end - i))));
      PRONK_TRY(run_.check_size(out.size()));
      i = end + 1;
    }
    return Value(std::move(out));
  }

 private:
  std::size_t closing(std::size_t i) const {
    for (int depth = 0; i < view_.size(); ++i) {
      if (view_[i] == '{') ++depth;
      if (view_[i] == '}' && depth-- == 0) return i;
    }
    return std::string_view::npos;
  }

  Result<Text> field(std::string_view field) {
    PRONK_TRY(run_.spend());
    const std::size_t name_end = std::min(field.find_first_of("!:"), field.size());
    Value value = PRONK_TRY(look_up(field.substr(0, name_end)));
    std::size_t i = name_end;
    if (i < field.size() && field[i] == '!') {
      if (i + 1 >= field.size()) return run_.fail("end of string while looking for conversion");
      const char conversion = field[i + 1];
      if (conversion != 's' && conversion != 'r')
        return run_.fail(fmt::format("unknown conversion '{}'", conversion));
      value = Value(PRONK_TRY(conversion == 'r' ? to_repr(run_, value) : to_text(run_, value)));
      i += 2;
    }
    if (i == field.size()) return to_text(run_, value);
    if (field[i] != ':') return run_.fail("expected ':' after conversion specifier");
    std::string spec_text(field.substr(i + 1));
    if (spec_text.find('{') != std::string::npos) spec_text = PRONK_TRY(nested(spec_text));
    if (spec_text.empty()) return to_text(run_, value);
    if (!value.as_text() && !value.as_number())
      return run_.fail(fmt::format("unsupported format string for '{}'", type_name(value)));
    const Spec spec = PRONK_TRY(read_spec(spec_text, value.as_number().has_value()));
    return format_value(run_, value, spec);
  }

  // A specification with fields of its own: "{:{width}}".
  Result<std::string> nested(const std::string& spec) {
    if (++depth_ > 1) return run_.fail("max string recursion exceeded");
    const Text text(spec);
    BraceFormatter inner(run_, text, arguments_);
    inner.depth_ = depth_;
    inner.automatic_ = automatic_;
    const Value out = PRONK_TRY(inner.format());
    automatic_ = inner.automatic_;
    --depth_;
    return out.as_text()->bytes();
  }

  Result<Value> look_up(std::string_view name) {
    const std::size_t end = std::min(name.find_first_of(".["), name.size());
    const std::string first(name.substr(0, end));
    Value value;
    if (first.empty() || first.find_first_not_of("0123456789") == std::string::npos) {
      const std::size_t index = first.empty() ? automatic_++ : std::stoul(first.substr(0, 9));
      if (index >= arguments_.positional.size())
        return run_.fail("replacement index out of range for positional arguments");
      value = arguments_.positional[index];
    } else {
      const Value* named = arguments_.find(first);
      if (!named) return run_.fail(fmt::format("format() has no argument '{}'", first));
      value = *named;
    }
    return members(std::move(value), name.substr(end));
  }

  Result<Value> members(Value value, std::string_view path) {
    while (!path.empty()) {
      if (path[0] == '.') {
        const std::size_t end = std::min(path.find_first_of(".[", 1), path.size());
        value = PRONK_TRY(get_attribute(run_, value, path.substr(1, end - 1)));
        path.remove_prefix(end);
        continue;
      }
      const std::size_t end = path.find(']');
      if (path[0] != '[' || end == std::string_view::npos || end == 1)
        return run_.fail("malformed field name in format string");
      const std::string key(path.substr(1, end - 1));
      const bool number =
          key.size() < 10 && key.find_first_not_of("0123456789") == std::string::npos;
      value = PRONK_TRY(
          get_item(run_, value, number ? Value::integer(std::stol(key)) : Value::text(key)));
      path.remove_prefix(end + 1);
    }
    return value;
  }

  Result<Spec> read_spec(std::string_view text, bool number) {
    Spec spec;
    const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
    std::size_t i = 0;
    const std::size_t fill = decode_char(text, 0).size;
    if (fill < text.size() && is_align(text[fill])) {
      spec.fill = Text(std::string(text.substr(0, fill)));
      spec.align = text[fill];
      i = fill + 1;
    } else if (is_align(text[0])) {
      spec.align = text[i++];
    }
    const auto take = [&](char c) { return i < text.size() && text[i] == c && ++i; };
    if (i < text.size() && (text[i] == '+' || text[i] == '-' || text[i] == ' '))
      spec.sign = text[i++];
    spec.alternate = take('#');
    if (take('0') && spec.align == 0) {
      spec.fill = Text("0");
      spec.align = number ? '=' : '<';
    }
    spec.width = PRONK_TRY(read_number(run_, text, &i));
    spec.thousands = take(',');
    if (take('.')) {
      const std::size_t digits = i;
      spec.precision = PRONK_TRY(read_number(run_, text, &i));
      if (i == digits) return run_.fail("format specifier missing precision");
    }
    if (i < text.size()) spec.type = text[i++];
    if (i != text.size() || (spec.align == '=' && !number))
      return run_.fail("invalid format specifier");
    return spec;
  }

  Runtime& run_;
  const Text& format_;
  const std::string_view view_;
  const Arguments& arguments_;
  std::size_t automatic_ = 0;  // fields without a name so far
  int depth_ = 0;
};

}  // namespace

Result<Value> percent_format(Runtime& run, const Text& format, const Value& values) {
  return PercentFormatter(run, format, values).format();
}

Result<Value> brace_format(Runtime& run, const Text& format, const Arguments& arguments) {
  return BraceFormatter(run, format, arguments).format();
}

}  // namespace pronk::jinja
