// Reading a mapped file whose end was cut off, or that its disk cannot give, raises SIGBUS, which
// ends a process. Within a guarded range it does not: the reader gets zeros, and the guard knows.
// docs/adr/0004-faults-in-mapped-files.md says why this is the process's own signal handler.
#pragma once
#include <cstddef>
#include <span>

namespace pronk {

// Guards a read-only mapping from here to its end, which must come before it is unmapped. The first
// guard of a process takes the signal over; faults elsewhere go on to whoever had it.
class FaultGuard {
 public:
  explicit FaultGuard(std::span<const std::byte> mapping);
  ~FaultGuard();
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;

  // Whether a read met bytes that are no longer there: from that page on the mapping is zeros, and
  // whatever was computed of it since may be wrong. Any thread.
  bool faulted() const;

 private:
  int slot_;  // -1: there were too many, this one is not guarded
};

}  // namespace pronk
