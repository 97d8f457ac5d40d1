#include "base/file_faults.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>

namespace pronk {
namespace {

// What the handler looks through: it may not take a lock.
struct Slot {
  std::atomic<bool> taken{false};
  std::atomic<std::uintptr_t> begin{0}, end{0};  // begin 0: nothing is guarded
  std::atomic<bool> faulted{false};
};
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free);
static_assert(std::atomic<bool>::is_always_lock_free);

constexpr int kNumSlots = 1024;  // a model of 405B has 191 files
Slot slots[kNumSlots];
std::uintptr_t page_size;
struct sigaction handler_before;

// Zeros from the page of `address` to the end of its guarded mapping.
bool replace_by_zeros(std::uintptr_t address) {
  for (Slot& slot : slots) {
    const std::uintptr_t begin = slot.begin.load(), end = slot.end.load();
    if (begin == 0 || address < begin || address >= end || slot.begin.load() != begin) continue;
    const std::uintptr_t page = address / page_size * page_size;
    const std::uintptr_t size = (end - page + page_size - 1) / page_size * page_size;
    // The call itself: mmap() is not among the functions that POSIX allows in a handler.
    if (::syscall(SYS_mmap, page, size, PROT_READ,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0L) == -1)
      return false;
    slot.faulted = true;
    return true;
  }
  return false;
}

void on_fault(int signal, siginfo_t* info, void* context) {
  const int kept_errno = errno;
  if (!replace_by_zeros(reinterpret_cast<std::uintptr_t>(info->si_addr))) {
    if (handler_before.sa_flags & SA_SIGINFO)
      handler_before.sa_sigaction(signal, info, context);
    else if (handler_before.sa_handler != SIG_DFL && handler_before.sa_handler != SIG_IGN)
      handler_before.sa_handler(signal);
    else
      ::signal(signal, SIG_DFL);  // the same read faults again, and ends the process
  }
  errno = kept_errno;
}

void take_signal_over() {
  page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &handler_before);
}

int free_slot() {
  for (int i = 0; i < kNumSlots; ++i)
    if (!slots[i].taken.exchange(true)) return i;
  return -1;
}

}  // namespace

FaultGuard::FaultGuard(std::span<const std::byte> mapping) : slot_(free_slot()) {
  static std::once_flag once;
  std::call_once(once, take_signal_over);
  if (slot_ < 0) return;
  const auto begin = reinterpret_cast<std::uintptr_t>(mapping.data());
  slots[slot_].faulted = false;
  slots[slot_].end = begin + mapping.size();
  slots[slot_].begin = begin;
}

FaultGuard::~FaultGuard() {
  if (slot_ < 0) return;
  slots[slot_].begin = 0;
  slots[slot_].taken = false;
}

bool FaultGuard::faulted() const { return slot_ >= 0 && slots[slot_].faulted; }

}  // namespace pronk
