// What the machine offers this process: cores, memory, limits of its container.
#pragma once
#include <cstdint>
#include <string>

namespace pronk {

int num_usable_cores();  // by affinity and cgroup quota, at least 1
std::int64_t
memory_available_bytes();  // what can be taken now without swapping, within the cgroup's limit
std::int64_t memory_total_bytes();  // the machine's, or the cgroup's limit
std::int64_t memory_peak_bytes();   // this process's largest resident size so far
std::string cpu_name();

}  // namespace pronk
