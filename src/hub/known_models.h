// Looking up the table of short names (hub.h has the table itself).
#pragma once
#include <string>
#include <string_view>

#include "hub/hub.h"

namespace pronk::hub {

// A short name, or a family's ("llama3.2"), which is its first model; null when it is neither.
const KnownModel* find_known(std::string_view name);

// The short name that is closest to what was typed; "" when none is close.
std::string nearest_known_name(std::string_view name);

}  // namespace pronk::hub
