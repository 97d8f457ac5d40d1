#include "base/system.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

namespace pronk {
namespace {

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

// "MemAvailable:   123 kB" of /proc/meminfo, in bytes; -1 when there is no such line.
std::int64_t meminfo_bytes(const std::string& key) {
  std::ifstream in("/proc/meminfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key + ":")) return std::stoll(line.substr(key.size() + 1)) * 1024;
  return -1;
}

// A number in a cgroup v2 or v1 file; kNoLimit when there is none ("max").
std::int64_t cgroup_bytes(const char* v2, const char* v1) {
  for (const char* path : {v2, v1}) {
    std::ifstream in(path);
    std::int64_t n;
    if (in >> n) return n;
  }
  return kNoLimit;
}

std::int64_t cgroup_limit() {
  return cgroup_bytes("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes");
}

}  // namespace

int num_usable_cores() {
  cpu_set_t set;
  int cores = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  std::ifstream in("/sys/fs/cgroup/cpu.max");  // "QUOTA PERIOD" or "max PERIOD"
  double quota, period;
  if (in >> quota >> period && period > 0)
    cores = std::min(cores, static_cast<int>(std::ceil(quota / period)));
  return std::max(cores, 1);
}

std::int64_t memory_total_bytes() { return std::min(meminfo_bytes("MemTotal"), cgroup_limit()); }

std::int64_t memory_available_bytes() {
  const std::int64_t free = meminfo_bytes("MemAvailable");
  const std::int64_t limit = cgroup_limit();
  if (limit == kNoLimit) return free;
  const std::int64_t used =
      cgroup_bytes("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes");
  if (used == kNoLimit) return std::min(free, limit);
  return std::min(free, std::max<std::int64_t>(0, limit - used));
}

std::int64_t memory_peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown CPU";
}

}  // namespace pronk
