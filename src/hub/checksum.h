// What is here, against the checksum that a URL asks for (#sha256=).
#pragma once
#include <filesystem>

#include "hub/digest.h"
#include "hub/source.h"

namespace pronk::hub {

// Whether the file that the checksum is of, beside `model`, below it or itself, has that checksum:
// kCorruptData when not. Ok without a checksum.
Status check_sha256(const Source& source, const std::filesystem::path& model,
                    const HashProgress& progress = {});

}  // namespace pronk::hub
