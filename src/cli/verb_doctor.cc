// pronk doctor: what this machine offers, and what stands in the way.
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/system.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "cli/version.h"
#include "hub/hub.h"
#include "kernels/isa.h"
#include "text/json.h"

namespace pronk::cli {
namespace {

// The CPU's features that kernels ask for, of all that /proc/cpuinfo lists.
std::vector<std::string> cpu_features() {
  constexpr std::string_view kOfInterest[] = {
      "avx2",        "fma",         "f16c",     "avx_vnni", "avx512f", "avx512bw", "avx512vl",
      "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "asimd",   "asimddp"};
  std::ifstream in("/proc/cpuinfo");
  std::vector<std::string> features;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("flags") && !line.starts_with("Features")) continue;  // x86-64, arm64
    std::istringstream words(line);
    for (std::string word; words >> word;)
      if (std::find(std::begin(kOfInterest), std::end(kOfInterest), word) != std::end(kOfInterest))
        features.push_back(word);
    break;
  }
  return features;
}

// "always [madvise] never" -> "madvise"
std::string huge_pages() {
  std::ifstream in("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string text;
  std::getline(in, text);
  const std::size_t begin = text.find('['), end = text.find(']');
  return begin == std::string::npos || end == std::string::npos
             ? "unknown"
             : text.substr(begin + 1, end - begin - 1);
}

struct StoreState {
  std::filesystem::path path;
  bool exists = false, writable = false;
  std::int64_t free_bytes = 0;  // of its disk, for this user
};

StoreState look_at_store() {
  StoreState store{.path = hub::store_root()};
  std::error_code ignored;
  store.exists = std::filesystem::exists(store.path, ignored);
  std::filesystem::path nearest = store.path;  // the nearest folder that exists
  while (!std::filesystem::exists(nearest, ignored) && nearest.has_parent_path() &&
         nearest != nearest.parent_path())
    nearest = nearest.parent_path();
  store.writable = ::access(nearest.c_str(), W_OK) == 0;
  struct statvfs disk {};
  if (::statvfs(nearest.c_str(), &disk) == 0)
    store.free_bytes =
        static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
  return store;
}

struct Findings {
  std::vector<std::string> kernels;  // usable, best first
  std::vector<std::string> features = cpu_features();
  std::int64_t memory_total = memory_total_bytes(), memory_available = memory_available_bytes();
  StoreState store = look_at_store();
  std::vector<hub::StoredModel> models;
  std::vector<std::string> problems;
};

Findings look_around() {
  Findings f;
  for (const kernels::KernelTable* table : kernels::usable_tables())
    f.kernels.push_back(table->name);
  if (f.kernels.size() == 1)
    f.problems.push_back("this CPU has neither AVX2 nor AVX-512: pronk will be slow");
  if (!f.store.writable)
    f.problems.push_back(
        fmt::format("the store {} cannot be written; check its permissions or set PRONK_HOME",
                    f.store.path.string()));
  if (Result<std::vector<hub::StoredModel>> models = hub::list())
    f.models = *std::move(models);
  else
    f.problems.push_back(models.error().message);
  return f;
}

json::object to_json(const Findings& f) {
  json::array models;
  for (const hub::StoredModel& m : f.models)
    models.push_back({{"name", m.name},
                      {"size_bytes", m.size_bytes},
                      {"fits", m.size_bytes < f.memory_available}});
  return {{"version", version_string()},
          {"commit", commit_string()},
          {"cpu", cpu_name()},
          {"cores", num_usable_cores()},
          {"features", json::array(f.features.begin(), f.features.end())},
          {"isa", kernels::table().name},
          {"usable_isas", json::array(f.kernels.begin(), f.kernels.end())},
          {"memory_total_bytes", f.memory_total},
          {"memory_available_bytes", f.memory_available},
          {"huge_pages", huge_pages()},
          {"store",
           {{"path", f.store.path.string()},
            {"exists", f.store.exists},
            {"writable", f.store.writable},
            {"free_bytes", f.store.free_bytes}}},
          {"models", models},
          {"problems", json::array(f.problems.begin(), f.problems.end())}};
}

std::string for_people(const Console& console, const Findings& f) {
  std::vector<std::vector<std::string>> rows = {
      {"pronk", fmt::format("{} ({})", version_string(), commit_string())},
      {"CPU", fmt::format("{}, {} cores to use", cpu_name(), num_usable_cores())},
      {"features", fmt::format("{}", fmt::join(f.features, " "))},
      {"kernels",
       fmt::format("{} (PRONK_ISA may be: {})", kernels::table().name, fmt::join(f.kernels, ", "))},
      {"memory", fmt::format("{} free of {}", format_bytes(f.memory_available),
                             format_bytes(f.memory_total))},
      {"huge pages", huge_pages()},
      {"store", fmt::format("{}, {}, {} free on its disk", f.store.path.string(),
                            !f.store.writable ? "not writable"
                            : f.store.exists  ? "writable"
                                              : "made by the first pull",
                            format_bytes(f.store.free_bytes))}};
  for (const hub::StoredModel& m : f.models)
    rows.push_back(
        {"model", fmt::format("{}, {}, {}", m.name, format_bytes(m.size_bytes),
                              m.size_bytes < f.memory_available ? "fits in memory"
                                                                : "too large for memory")});
  if (f.models.empty()) rows.push_back({"model", "none; try 'pronk pull smollm2:135m'"});
  std::string text = format_table(rows);
  for (const std::string& problem : f.problems)
    text += fmt::format("{} {}\n", console.paint(Style::kYellow, "problem:"), problem);
  if (f.problems.empty()) text += console.paint(Style::kGreen, "all is well") + "\n";
  return text;
}

Status run(Context& context) {
  const Findings findings = look_around();
  if (context.options.flag("json"))
    context.console.print_json(to_json(findings));
  else
    context.console.print(for_people(context.console, findings));
  if (findings.problems.empty()) return Ok{};
  return error(Code::kFailed,
               fmt::format("doctor: {} problems, named above", findings.problems.size()));
}

}  // namespace

const Verb kDoctorVerb = {
    .name = "doctor",
    .alias = {},
    .group = "Machine",
    .summary = "look at CPU, kernels, memory, store and permissions",
    .arguments = {},
    .groups = {{"Output", {{.name = "json", .help = "as a JSON object"}}}},
    .notes = "Exit code 1 when something stands in the way.",
    .run = run,
};

}  // namespace pronk::cli
