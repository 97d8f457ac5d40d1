// ModelScope: GET /api/v1/models/ORG/NAME/repo/files lists the files with sizes and SHA-256;
// /api/v1/models/ORG/NAME/repo?FilePath=FILE is a file.
#include <fmt/format.h>

#include "hub/environment.h"
#include "hub/fetch_plan.h"
#include "text/json.h"

namespace pronk::hub {

Result<FetchPlan> plan_model_scope(const Source& source, HttpClient& http) {
  constexpr std::size_t kMaxListing = 64u << 20;
  FetchPlan plan;
  plan.revision = source.revision.empty() ? "master" : source.revision;
  plan.how_to_get_access =
      fmt::format("it may be private; see {}/models/{}", ms_endpoint(), source.place);
  const std::string api = fmt::format("{}/api/v1/models/{}/repo", ms_endpoint(), source.place);
  const std::string url =
      fmt::format("{}/files?Revision={}&Recursive=true", api, url_escape(plan.revision));
  const HttpResponse response = PRONK_TRY(http.get({url, {}, ""}, kMaxListing));
  if (response.status == 404)
    return error(Code::kNotFound, fmt::format("ModelScope has no '{}'; check the name at {}",
                                              source.place, ms_endpoint()));
  if (response.status != 200)
    return error(Code::kNetwork,
                 fmt::format("ModelScope answers {}; {}", response.status, plan.how_to_get_access));
  const json::value listing = PRONK_TRY(parse_json(response.body));
  const json::value* data = find(listing, "Data");
  const json::array* files = data && data->is_object() ? find_array(*data, "Files") : nullptr;
  if (!files)
    return error(
        Code::kNetwork,
        fmt::format("'{}' sends no list of files; is MODEL_ENDPOINT right?", ms_endpoint()));
  std::vector<std::string> names;
  for (const json::value& file : *files) {
    const json::string* type = find_string(file, "Type");
    const json::string* path = find_string(file, "Path");
    if (path && !(type && *type == "tree")) names.emplace_back(*path);
  }
  const Choice choice = PRONK_TRY(choose_files(source, names));
  plan.entry = choice.entry;
  for (const std::string& name : choice.files)
    for (const json::value& file : *files) {
      const json::string* path = find_string(file, "Path");
      if (!path || *path != name) continue;
      RemoteFile remote;
      remote.name = name;
      remote.url = fmt::format("{}?Revision={}&FilePath={}", api, url_escape(plan.revision),
                               url_escape(name));
      if (const json::value* size = find(file, "Size"); size && size->is_int64())
        remote.size = size->get_int64();
      if (const json::string* sha256 = find_string(file, "Sha256"))
        remote.digest = sha256_digest(std::string_view(*sha256));
      plan.files.push_back(std::move(remote));
      break;
    }
  return plan;
}

Result<FetchPlan> plan_url(const Source& source) {
  FetchPlan plan;
  plan.how_to_get_access = "the server wants a name and password: https://NAME:PASSWORD@host/...";
  plan.entry = source.file;
  plan.files.push_back({source.file, source.place, -1, {}});
  return plan;
}

}  // namespace pronk::hub
