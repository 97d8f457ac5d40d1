// The names that a block mentions, as Jinja's compiler sees them.
//
// Jinja decides before a template runs what a name means in a block: one that the block assigns
// before it reads it is the block's own, and unset until then, whatever it is around the block. So
// in {% for i in a %}{{ s }}{% endfor %}{% set s = 1 %} the loop finds no s, even where the caller
// passes one. Loops, macros, filter, set, with and call blocks are blocks of their own; the
// branches of an `if` belong to the block around them.
#pragma once
#include <map>
#include <string_view>
#include <vector>

#include "text/jinja_ast.h"

namespace pronk::jinja {

// Name -> whether the block's first mention of it is an assignment.
using MentionedNames = std::map<std::string_view, bool>;

// `set_before`: what the block finds set, such as a macro's parameters.
MentionedNames names_of(const Body& body, const std::vector<std::string_view>& set_before);

}  // namespace pronk::jinja
