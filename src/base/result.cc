#include "pronk/result.h"

#include <cstdio>
#include <cstdlib>

namespace pronk {

int exit_code(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return 2;
    case Code::kUnsupported:
      return 3;
    case Code::kNotFound:
      return 4;
    case Code::kResourceExhausted:
      return 5;
    case Code::kNetwork:
      return 6;
    case Code::kCorruptData:
      return 7;
    case Code::kFailed:
      return 1;
    case Code::kCancelled:
      return 130;
    case Code::kInternal:
      return 70;
  }
  return 70;
}

int http_status(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return 400;
    case Code::kUnsupported:
      return 501;
    case Code::kNotFound:
      return 404;
    case Code::kResourceExhausted:
      return 503;
    case Code::kNetwork:
      return 502;
    case Code::kCancelled:
      return 499;
    case Code::kCorruptData:
    case Code::kFailed:
    case Code::kInternal:
      return 500;
  }
  return 500;
}

void check_failed(const char* condition, const char* message, const char* file, int line) {
  std::fprintf(stderr, "pronk: internal error: %s (%s) at %s:%d; please report this\n", message,
               condition, file, line);
  std::abort();
}

}  // namespace pronk
