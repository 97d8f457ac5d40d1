// pull() with its network settings in the open, for tests.
#pragma once
#include "hub/http.h"
#include "hub/hub.h"

namespace pronk::hub {

Result<StoredModel> pull_with(const std::string& name, const PullOptions& options,
                              HttpSettings http);

}  // namespace pronk::hub
