#include "hub/simple_index.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "hub/http.h"
#include "text/json.h"

namespace pronk::hub {
namespace {

// "&amp;" and the like, as far as they occur in URLs and file names.
std::string unescape_html(std::string_view text) {
  constexpr std::pair<std::string_view, char> kEntities[] = {{"&amp;", '&'},  {"&lt;", '<'},
                                                             {"&gt;", '>'},   {"&quot;", '"'},
                                                             {"&#39;", '\''}, {"&#x27;", '\''}};
  std::string out;
  while (!text.empty()) {
    bool found = false;
    for (const auto& [entity, character] : kEntities)
      if (text.starts_with(entity)) {
        out += character;
        text.remove_prefix(entity.size());
        found = true;
        break;
      }
    if (found) continue;
    out += text.front();
    text.remove_prefix(1);
  }
  return out;
}

// name="value" or name='value' within a tag.
std::string attribute(std::string_view tag, std::string_view name) {
  for (std::size_t at = tag.find(name); at != tag.npos; at = tag.find(name, at + 1)) {
    std::size_t i = at + name.size();
    if (at == 0 || !std::isspace(static_cast<unsigned char>(tag[at - 1])) || i + 1 >= tag.size() ||
        tag[i] != '=')
      continue;
    const char quote = tag[++i];
    const std::size_t end = quote == '"' || quote == '\'' ? tag.find(quote, i + 1) : tag.npos;
    if (end != tag.npos) return unescape_html(tag.substr(i + 1, end - i - 1));
  }
  return {};
}

std::vector<IndexedFile> parse_html(std::string_view page) {
  std::vector<IndexedFile> files;
  for (std::size_t at = page.find("<a"); at != page.npos; at = page.find("<a", at + 2)) {
    const std::size_t end = page.find('>', at), close = page.find("</a", at);
    if (end == page.npos || close == page.npos || close < end) continue;
    const std::string_view tag = page.substr(at, end - at);
    IndexedFile file;
    file.url = attribute(tag, "href");
    file.yanked = tag.find(" data-yanked") != tag.npos;
    const std::size_t hash = file.url.find('#');
    if (hash != file.url.npos) {
      if (file.url.compare(hash, 8, "#sha256=") == 0) file.sha256 = file.url.substr(hash + 8);
      file.url.resize(hash);
    }
    const std::string path = file.url.substr(0, file.url.find('?'));
    file.name = url_unescape(path.substr(path.find_last_of('/') + 1));
    if (!file.url.empty()) files.push_back(std::move(file));
  }
  return files;
}

Result<std::vector<IndexedFile>> parse_json_page(std::string_view page) {
  const json::value value = PRONK_TRY(parse_json(page));
  const json::array* entries = find_array(value, "files");
  if (!entries) return error(Code::kCorruptData, "package index: its page has no list of files");
  std::vector<IndexedFile> files;
  for (const json::value& entry : *entries) {
    const json::string* name = find_string(entry, "filename");
    const json::string* url = find_string(entry, "url");
    if (!name || !url) continue;
    IndexedFile file;
    file.name = std::string(*name);
    file.url = std::string(*url);
    const json::value* hashes = find(entry, "hashes");
    if (const json::string* sha256 =
            hashes && hashes->is_object() ? find_string(*hashes, "sha256") : nullptr)
      file.sha256 = std::string(*sha256);
    if (const json::value* size = find(entry, "size"); size && size->is_int64())
      file.size = size->get_int64();
    if (const json::value* yanked = find(entry, "yanked"))
      file.yanked = yanked->is_string() || (yanked->is_bool() && yanked->get_bool());
    files.push_back(std::move(file));
  }
  return files;
}

// "package-version-python-abi-platform.whl" cut at its dashes; fewer than 5 parts: not a wheel.
std::vector<std::string_view> wheel_parts(std::string_view name) {
  if (!name.ends_with(".whl")) return {};
  name.remove_suffix(4);
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t dash = name.find('-');
    parts.push_back(name.substr(0, dash));
    if (dash == name.npos) break;
    name.remove_prefix(dash + 1);
  }
  return parts.size() >= 5 ? parts : std::vector<std::string_view>();
}

// Release numbers compared one by one; a version with letters (a pre-release) sorts before the same
// without.
bool older(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    long x = 0, y = 0;
    const auto end_a = std::from_chars(a.data(), a.data() + a.size(), x).ptr;
    const auto end_b = std::from_chars(b.data(), b.data() + b.size(), y).ptr;
    if (x != y) return x < y;
    a.remove_prefix(static_cast<std::size_t>(end_a - a.data()));
    b.remove_prefix(static_cast<std::size_t>(end_b - b.data()));
    const bool letters_a = !a.empty() && a[0] != '.', letters_b = !b.empty() && b[0] != '.';
    if (letters_a || letters_b) return letters_a && (!letters_b || a < b);
    if (!a.empty()) a.remove_prefix(1);
    if (!b.empty()) b.remove_prefix(1);
  }
  return false;
}

}  // namespace

Result<std::vector<IndexedFile>> parse_simple_index(std::string_view page,
                                                    std::string_view content_type) {
  if (content_type.find("json") != content_type.npos) return parse_json_page(page);
  return parse_html(page);
}

std::string normalized_package(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool separates = c == '-' || c == '_' || c == '.';
    if (separates && !out.empty() && out.back() == '-') continue;
    out += separates ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

std::string wheel_version(std::string_view file_name) {
  const auto parts = wheel_parts(file_name);
  return parts.empty() ? std::string() : std::string(parts[1]);
}

std::optional<IndexedFile> choose_wheel(const std::vector<IndexedFile>& files,
                                        std::string_view package, std::string_view version) {
  std::optional<IndexedFile> best;
  for (const IndexedFile& file : files) {
    const auto parts = wheel_parts(file.name);
    if (parts.empty() || normalized_package(parts[0]) != normalized_package(package)) continue;
    if (version.empty() ? file.yanked : parts[1] != version) continue;
    if (!best || older(wheel_version(best->name), parts[1])) best = file;
  }
  return best;
}

}  // namespace pronk::hub
