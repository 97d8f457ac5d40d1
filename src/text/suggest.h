// "Did you mean ...?"
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pronk {

// Insertions, deletions, changes and swaps of neighbours that make b of a (Damerau-Levenshtein,
// each place edited once).
int edit_distance(std::string_view a, std::string_view b);

// The candidate that `word` most likely stands for: at most a third of its letters differ (and at
// least one may), or it begins one candidate alone.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace pronk
