#include "hub/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <thread>

#include "base/file.h"
#include "hub/digest.h"
#include "hub/environment.h"
#include "hub/http.h"
#include "hub/source.h"
#include "text/json.h"

namespace pronk::hub {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kSpeakable = ":@+";  // stay as they are in folder names

std::string folder_name(const std::string& name) {
  std::string out;
  for (const char c : name)
    out += kSpeakable.find(c) != kSpeakable.npos ? std::string(1, c)
                                                 : url_escape(std::string_view(&c, 1));
  if (out.starts_with('.')) out.replace(0, 1, "%2E");
  return out;
}

Error corrupt(const fs::path& path, std::string_view what) {
  return error(Code::kCorruptData,
               fmt::format("read '{}': {}; remove the model with 'pronk rm' and pull it again",
                           path.string(), what));
}

std::string text_of(const json::value& object, std::string_view key) {
  const json::string* text = find_string(object, key);
  return text ? std::string(*text) : std::string();
}

std::int64_t integer_of(const json::value& object, std::string_view key) {
  const json::value* value = find(object, key);
  return value && value->is_int64() ? value->get_int64() : 0;
}

json::object to_json(const Manifest& m) {
  json::array files, licences;
  for (const StoredFile& file : m.files)
    files.push_back({{"name", file.name}, {"size", file.size}, {"sha256", file.sha256}});
  for (const std::string& name : m.licence_files) licences.emplace_back(name);
  return {{"name", m.name},       {"source", m.source},        {"revision", m.revision},
          {"licence", m.licence}, {"linked", m.linked},        {"entry", m.entry},
          {"files", files},       {"licence_files", licences}, {"modified", m.modified}};
}

Result<Manifest> parse_manifest(const fs::path& path) {
  const std::string text = PRONK_TRY(read_file(path, 64u << 20));
  const Result<json::value> value = parse_json(text);
  if (!value) return corrupt(path, value.error().message);
  Manifest m;
  m.name = text_of(*value, "name");
  m.source = text_of(*value, "source");
  m.licence = text_of(*value, "licence");
  m.revision = text_of(*value, "revision");
  m.entry = text_of(*value, "entry");
  m.modified = integer_of(*value, "modified");
  const json::value* linked = find(*value, "linked");
  m.linked = linked && linked->is_bool() && linked->get_bool();
  const json::array* files = find_array(*value, "files");
  if (m.name.empty() || !files) return corrupt(path, "it has no name or no files");
  for (const json::value& file : *files)
    m.files.push_back({text_of(file, "name"), integer_of(file, "size"), text_of(file, "sha256")});
  if (const json::array* licences = find_array(*value, "licence_files"))
    for (const json::value& name : *licences)
      if (name.is_string()) m.licence_files.emplace_back(name.get_string());
  if (!m.linked && !m.entry.empty() && !is_safe_relative(m.entry))
    return corrupt(path, "its entry leads out of the store");
  return m;
}

}  // namespace

fs::path store_root() {
  if (const std::string chosen = env("PRONK_HOME"); !chosen.empty()) return chosen;
  if (const std::string data = env("XDG_DATA_HOME"); !data.empty()) return fs::path(data) / "pronk";
  return home() / ".local" / "share" / "pronk";
}

fs::path model_folder(const std::string& name) {
  return store_root() / "models" / folder_name(name);
}
fs::path partial_folder(const std::string& name) {
  return store_root() / "partial" / folder_name(name);
}

std::int64_t Manifest::size_bytes() const {
  std::int64_t sum = 0;
  for (const StoredFile& file : files) sum += file.size;
  return sum;
}

std::string Manifest::digest() const {
  if (files.empty() || files[0].sha256.empty()) return {};
  const auto counts = [&](const StoredFile& file) {
    return std::find(licence_files.begin(), licence_files.end(), file.name) == licence_files.end();
  };
  std::vector<std::string> lines;
  std::string only;
  for (const StoredFile& file : files)
    if (counts(file))
      lines.push_back(fmt::format("{}  {}\n", file.sha256, file.name)), only = file.sha256;
  std::sort(lines.begin(), lines.end());
  return "sha256:" +
         (lines.size() == 1 ? only : sha256_hex(fmt::format("{}", fmt::join(lines, ""))));
}

Status make_folder(const fs::path& path) {
  std::error_code failed;
  fs::create_directories(path, failed);
  if (!failed) return Ok{};
  const bool full = failed == std::errc::no_space_on_device;
  return error(full ? Code::kResourceExhausted : Code::kFailed,
               fmt::format("make folder '{}': {}; PRONK_HOME names another place for models",
                           path.string(), failed.message()));
}

Status make_store() {
  const fs::path root = store_root();
  std::error_code ignored;
  const bool is_new = !fs::exists(root, ignored);
  for (const char* part : {"models", "partial", "locks"}) PRONK_TRY(make_folder(root / part));
  if (is_new) fs::permissions(root, fs::perms::owner_all, ignored);
  return Ok{};
}

Result<std::optional<Manifest>> read_manifest(const std::string& name) {
  const fs::path path = model_folder(name) / "manifest.json";
  std::error_code ignored;
  if (name.empty() || !fs::exists(path, ignored)) return std::optional<Manifest>();
  Manifest manifest = PRONK_TRY(parse_manifest(path));
  return std::optional<Manifest>(std::move(manifest));
}

StoredModel stored_model(const Manifest& m) {
  fs::path path = m.entry;
  if (!m.linked)
    path =
        m.entry.empty() ? model_folder(m.name) / "files" : model_folder(m.name) / "files" / m.entry;
  return {.name = m.name,
          .path = std::move(path),
          .size_bytes = m.size_bytes(),
          .source = m.linked ? m.source + " (linked)" : m.source,
          .digest = m.digest(),
          .licence = m.licence,
          .modified = m.modified};
}

namespace {

// An interrupted pull may leave its own records beside the files.
void remove_all_but(const std::vector<StoredFile>& files, const fs::path& folder) {
  std::vector<fs::path> extra;
  std::error_code failed;
  for (fs::recursive_directory_iterator it(folder, failed), end; !failed && it != end;
       it.increment(failed)) {
    const std::string name = it->path().lexically_relative(folder).generic_string();
    const bool known = std::any_of(files.begin(), files.end(),
                                   [&](const StoredFile& f) { return f.name == name; });
    if (!it->is_directory(failed) && !known) extra.push_back(it->path());
  }
  for (const fs::path& path : extra) fs::remove(path, failed);
}

}  // namespace

Status commit(const Manifest& manifest) {
  const fs::path from = partial_folder(manifest.name), to = model_folder(manifest.name);
  fs::path old = from;
  old += ".old";
  PRONK_TRY(write_file(from / "manifest.json", json::serialize(to_json(manifest)) + "\n"));
  std::error_code failed;
  fs::remove(from / "source.txt", failed);
  remove_all_but(manifest.files, from / "files");
  fs::remove_all(old, failed);
  fs::rename(to, old, failed);  // fails when there is none
  fs::rename(from, to, failed);
  if (failed)
    return error(Code::kFailed, fmt::format("store '{}': rename to '{}': {}", manifest.name,
                                            to.string(), failed.message()));
  fs::remove_all(old, failed);
  return Ok{};
}

Result<StoreLock> StoreLock::acquire(const std::string& name,
                                     const std::function<bool()>& cancelled,
                                     const std::function<void()>& on_wait) {
  PRONK_TRY(make_store());
  const fs::path path = store_root() / "locks" / folder_name(name);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return error(Code::kFailed,
                 fmt::format("lock '{}': {}; PRONK_HOME names another place for models",
                             path.string(), std::strerror(errno)));
  StoreLock lock(fd);
  for (bool waited = false; ::flock(fd, LOCK_EX | LOCK_NB) != 0;) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return error(Code::kFailed,
                   fmt::format("lock '{}': {}", path.string(), std::strerror(errno)));
    if (!std::exchange(waited, true) && on_wait) on_wait();
    if (cancelled && cancelled())
      return error(Code::kCancelled, fmt::format("pull '{}': stopped", name));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return lock;
}

StoreLock::~StoreLock() {
  if (fd_ >= 0) ::close(fd_);  // unlocks
}

Result<std::vector<StoredModel>> list() {
  std::vector<StoredModel> models;
  std::error_code failed;
  for (const fs::directory_entry& entry : fs::directory_iterator(store_root() / "models", failed)) {
    const Result<Manifest> manifest = parse_manifest(entry.path() / "manifest.json");
    if (manifest) {
      models.push_back(stored_model(*manifest));
    } else {
      models.emplace_back().name = url_unescape(entry.path().filename().string());
      models.back().source = "damaged; remove it and pull it again";
    }
  }
  std::sort(models.begin(), models.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return models;
}

Status remove(const std::string& typed) {
  std::string name = typed;
  std::error_code failed;
  if (!fs::exists(model_folder(name), failed))
    if (const Result<Source> source = parse_source(typed)) name = source->name;
  if (!fs::exists(model_folder(name), failed) && !fs::exists(partial_folder(name), failed))
    return error(
        Code::kNotFound,
        fmt::format("remove '{}': the store has no such model; 'pronk list' shows what it has",
                    typed));
  const StoreLock lock = PRONK_TRY(StoreLock::acquire(name));
  fs::remove_all(partial_folder(name), failed);
  const fs::path gone = partial_folder(name).string() + ".old";
  fs::remove_all(gone, failed);
  fs::rename(model_folder(name), gone, failed);  // from here it is not seen any more
  fs::remove_all(fs::exists(gone) ? gone : model_folder(name), failed);
  if (failed) return error(Code::kFailed, fmt::format("remove '{}': {}", typed, failed.message()));
  return Ok{};
}

Status copy(const std::string& from, const std::string& to) {
  const StoredModel model = PRONK_TRY(show(from));
  Manifest manifest = *PRONK_TRY(read_manifest(model.name));
  const bool good_name =
      !to.empty() && to.size() < 200 &&
      std::all_of(to.begin(), to.end(), [](char c) { return c > ' ' && c < 127 && c != '\\'; });
  if (!good_name)
    return error(
        Code::kInvalidArgument,
        fmt::format("copy to '{}': a name is 1 to 199 printable characters without spaces", to));
  const StoreLock lock = PRONK_TRY(StoreLock::acquire(to));
  if (PRONK_TRY(read_manifest(to)))
    return error(Code::kInvalidArgument,
                 fmt::format("copy to '{}': there is a model of that name; remove it first", to));
  const fs::path source = model_folder(model.name) / "files", target = partial_folder(to) / "files";
  std::error_code failed;
  fs::remove_all(partial_folder(to), failed);
  PRONK_TRY(make_folder(partial_folder(to)));
  if (!manifest.linked)  // the same bytes under two names
    fs::copy(source, target, fs::copy_options::recursive | fs::copy_options::create_hard_links,
             failed);
  if (failed)
    return error(Code::kFailed, fmt::format("copy '{}' to '{}': {}", from, to, failed.message()));
  manifest.name = to;
  manifest.modified = std::time(nullptr);
  return commit(manifest);
}

}  // namespace pronk::hub
