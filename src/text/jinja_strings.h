// What Python's str methods do, on texts that remember which of their bytes are the template's own.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/jinja_runtime.h"
#include "text/jinja_text.h"
#include "text/jinja_unicode.h"

namespace pronk::jinja {

Text to_upper(const Text& text);
Text to_lower(const Text& text);
Text to_title(const Text& text);  // str.title(): a letter after no letter starts a word
Text to_capitalized(const Text& text);
Text swap_case(const Text& text);

enum Ends { kLeft = 1, kRight = 2, kBoth = 3 };
// Without the characters of `chars` (white space when there are none given) at its ends.
Text strip(const Text& text, Ends ends, std::optional<std::string_view> chars);

// str.split(sep, maxsplit) and str.rsplit; separator nullopt: runs of white space; max_splits < 0:
// all. `separator` is not empty.
std::vector<Text> split(const Text& text, std::optional<std::string_view> separator,
                        std::int64_t max_splits);
std::vector<Text> split_from_right(const Text& text, std::optional<std::string_view> separator,
                                   std::int64_t max_splits);
std::vector<Text> split_lines(const Text& text, bool keep_ends);

Text replace(const Text& text, std::string_view old, const Text& with, std::int64_t max_count);
// The same within a rendering's limits.
Result<Value> replace_within(Runtime& run, const Text& text, std::string_view old, const Text& with,
                             std::int64_t max_count);
std::int64_t count_of(std::string_view text, std::string_view part);

// str.islower() or str.isupper(): letters of one case, at least one, and none of the other.
bool has_only_case(std::string_view text, CharFlag wanted, CharFlag other);

// Byte offset <-> character index.
std::size_t char_offset(std::string_view text, std::int64_t index);
std::int64_t char_index(std::string_view text, std::size_t offset);

// `width` characters wide, with `fill` on the sides; str.center puts the odd one to the left of an
// odd width.
enum class Align { kLeft, kRight, kCenter };
Text padded(const Text& text, std::int64_t width, const Text& fill, Align align);

}  // namespace pronk::jinja
