// Hugging Face: GET /api/models/ORG/NAME/revision/REV?blobs=true lists the files with their sizes
// and hashes (LFS files by SHA-256, small ones by git's SHA-1); /ORG/NAME/resolve/COMMIT/FILE is a
// file.
#include <fmt/format.h>

#include "hub/environment.h"
#include "hub/fetch_plan.h"
#include "text/json.h"

namespace pronk::hub {
namespace {

constexpr std::size_t kMaxListing = 64u << 20;

std::string access_advice(const Source& source, bool has_token) {
  const std::string page = fmt::format("{}/{}", hf_endpoint(), source.place);
  if (has_token)
    return fmt::format(
        "your token may not read it: accept its licence at {} with the same account, or use a "
        "token with "
        "read access to gated models",
        page);
  return fmt::format(
      "it is gated or private, or does not exist: accept its licence at {}, make a token at "
      "{}/settings/tokens, and run again with HF_TOKEN=... set",
      page, hf_endpoint());
}

Result<json::value> fetch_listing(const Source& source, HttpClient& http,
                                  const std::vector<std::string>& headers,
                                  const std::string& access) {
  const std::string revision = source.revision.empty() ? "main" : source.revision;
  const std::string url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", hf_endpoint(),
                                      source.place, url_escape(revision));
  const HttpResponse response = PRONK_TRY(http.get({url, headers, ""}, kMaxListing));
  if (response.status == 401 || response.status == 403)
    return error(Code::kNetwork, fmt::format("the hub answers {}: {}", response.status, access));
  if (response.status == 404)
    return error(Code::kNotFound,
                 fmt::format("the hub has no '{}' with revision '{}'; check the name at {}",
                             source.place, revision, hf_endpoint()));
  if (response.status != 200)
    return error(Code::kNetwork, fmt::format("'{}' answers {}; try again later",
                                             url_without_secrets(url), response.status));
  return parse_json(response.body);
}

std::string licence_of(const json::value& listing) {
  const json::value* card = find(listing, "cardData");
  const json::string* licence = card ? find_string(*card, "license") : nullptr;
  const json::string* name = card ? find_string(*card, "license_name") : nullptr;
  if (licence && *licence == "other" && name) licence = name;
  return licence ? std::string(*licence) : std::string();
}

RemoteFile remote_file(const json::value& sibling, const std::string& name) {
  RemoteFile file;
  file.name = name;
  if (const json::value* size = find(sibling, "size"); size && size->is_int64())
    file.size = size->get_int64();
  if (const json::string* blob = find_string(sibling, "blobId"))
    file.digest = git_blob_digest(std::string_view(*blob));
  if (const json::value* lfs = find(sibling, "lfs"); lfs && lfs->is_object()) {
    const json::string* sha256 = find_string(*lfs, "sha256");
    file.digest = sha256 ? sha256_digest(std::string_view(*sha256)) : Digest{};
    if (const json::value* size = find(*lfs, "size"); size && size->is_int64())
      file.size = size->get_int64();
  }
  return file;
}

}  // namespace

Result<FetchPlan> plan_hugging_face(const Source& source, HttpClient& http) {
  FetchPlan plan;
  const std::string token = PRONK_TRY(hf_token());
  if (!token.empty()) plan.headers.push_back("Authorization: Bearer " + token);
  plan.how_to_get_access = access_advice(source, !token.empty());
  const json::value listing =
      PRONK_TRY(fetch_listing(source, http, plan.headers, plan.how_to_get_access));
  const json::string* commit = find_string(listing, "sha");
  const json::array* siblings = find_array(listing, "siblings");
  if (!commit || !siblings)
    return error(Code::kNetwork,
                 fmt::format("'{}' sends no list of files; is HF_ENDPOINT right?", hf_endpoint()));
  plan.revision = std::string(*commit);
  if (!is_safe_relative(plan.revision))
    return error(Code::kCorruptData, "the hub names an impossible commit");
  plan.licence = licence_of(listing);
  std::vector<std::string> names;
  for (const json::value& sibling : *siblings)
    if (const json::string* name = find_string(sibling, "rfilename")) names.emplace_back(*name);
  const Choice choice = PRONK_TRY(choose_files(source, names));
  plan.entry = choice.entry;
  for (const std::string& name : choice.files)
    for (const json::value& sibling : *siblings)
      if (const json::string* found = find_string(sibling, "rfilename"); found && *found == name) {
        RemoteFile file = remote_file(sibling, name);
        file.url = fmt::format("{}/{}/resolve/{}/{}", hf_endpoint(), source.place, plan.revision,
                               url_escape(name, true));
        plan.files.push_back(std::move(file));
        break;
      }
  Source pinned = source;
  pinned.revision = plan.revision;
  if (const auto cached = find_in_hf_cache(pinned)) plan.cached = *cached;
  return plan;
}

}  // namespace pronk::hub
