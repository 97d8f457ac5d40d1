#include "formats/advice.h"

namespace pronk {

Error advised(Error e) {
  if (e.code == Code::kCorruptData && e.message.find("; ") == std::string::npos)
    e.message += "; the file is damaged or badly made: get it again, or from elsewhere";
  return e;
}

}  // namespace pronk
