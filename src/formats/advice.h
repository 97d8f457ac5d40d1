// What to do about a damaged file.
#pragma once
#include <utility>

#include "pronk/result.h"

namespace pronk {

// The error of a damaged file ends with what to do, unless its message has advice of its own.
Error advised(Error e);

template <class T>
Result<T> advised(Result<T> result) {
  if (!result) return advised(std::move(result).error());
  return result;
}

}  // namespace pronk
