#include "hub/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

namespace pronk::hub {
namespace {

constexpr std::size_t kMaxHeaderBytes = 256u << 10, kMaxErrorBytes = 4u << 10;
constexpr long kMaxRedirects = 10;

void start_curl_once() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// What the callbacks of one attempt share.
struct Attempt {
  const HttpSettings& settings;
  const HttpSink& sink;
  HttpResponse response;
  std::size_t header_bytes = 0;
  std::optional<Error> failure;
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::strchr(" \t\r\n", text.front())) text.remove_prefix(1);
  while (!text.empty() && std::strchr(" \t\r\n", text.back())) text.remove_suffix(1);
  return text;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& attempt = *static_cast<Attempt*>(user);
  const std::size_t length = size * count;
  attempt.header_bytes += length;
  if (attempt.header_bytes > kMaxHeaderBytes) {
    attempt.failure = error(Code::kNetwork, fmt::format("more than {} bytes of headers; the server "
                                                        "is broken",
                                                        kMaxHeaderBytes));
    return 0;
  }
  const std::string_view line(data, length);
  if (line.starts_with("HTTP/")) {  // a new response: after a redirect, or after "100 Continue"
    attempt.response.headers.clear();
    const std::size_t space = line.find(' ');
    attempt.response.status =
        space == line.npos ? 0 : std::strtol(std::string(line.substr(space)).c_str(), nullptr, 10);
  } else if (const std::size_t colon = line.find(':'); colon != line.npos) {
    attempt.response.headers[lower(trim(line.substr(0, colon)))] = trim(line.substr(colon + 1));
  }
  return length;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& attempt = *static_cast<Attempt*>(user);
  const std::size_t length = size * count;
  HttpResponse& response = attempt.response;
  if (response.status < 200 || response.status >= 300) {
    if (response.body.size() < kMaxErrorBytes)
      response.body.append(data, std::min(length, kMaxErrorBytes - response.body.size()));
    return length;
  }
  if (Status taken = attempt.sink(response, std::as_bytes(std::span(data, length))); !taken) {
    attempt.failure = std::move(taken).error();
    return 0;
  }
  return length;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& attempt = *static_cast<Attempt*>(user);
  return attempt.settings.cancelled && attempt.settings.cancelled() ? 1 : 0;
}

// The first of these that names a file; "" stands for curl's built-in bundle.
std::string certificate_file(const HttpSettings& settings) {
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT"}) {
    const char* value = std::getenv(name);
    std::error_code ignored;
    if (value && *value && std::filesystem::is_regular_file(value, ignored)) return value;
  }
  return settings.certificates;
}

void configure(CURL* curl, const HttpRequest& request, const HttpSettings& settings) {
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "pronk/" PRONK_VERSION);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  const bool secure = lower(request.url.substr(0, 6)) == "https:";
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(settings.connect_timeout_ms));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(settings.stall_timeout_s));
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10);
  if (const std::string file = certificate_file(settings); !file.empty())
    curl_easy_setopt(curl, CURLOPT_CAINFO, file.c_str());
  if (const char* folder = std::getenv("SSL_CERT_DIR"); folder && *folder)
    curl_easy_setopt(curl, CURLOPT_CAPATH, folder);
  if (!request.range.empty()) curl_easy_setopt(curl, CURLOPT_RANGE, request.range.c_str());
}

// Whether another try may end better: the connection broke, rather than was refused for good.
bool is_transient(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      return false;
    default:
      return true;
  }
}

bool is_transient_status(long status) {
  return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501);
}

Error transport_error(CURLcode code, const char* detail, const HttpRequest& request) {
  std::string advice = "check the network, and https_proxy if there is one";
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
    advice = "its certificate is not trusted; SSL_CERT_FILE names the certificates to trust";
  else if (code == CURLE_UNSUPPORTED_PROTOCOL)
    advice = "only http and https are followed, and from https only https";
  else if (code == CURLE_TOO_MANY_REDIRECTS)
    advice = fmt::format("it redirects more than {} times", kMaxRedirects);
  const std::string said = *detail ? detail : curl_easy_strerror(code);
  return error(Code::kNetwork,
               fmt::format("get '{}': {}; {}", url_without_secrets(request.url), said, advice));
}

}  // namespace

std::string HttpResponse::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

HttpClient::HttpClient(HttpSettings settings) : settings_(std::move(settings)) {
  start_curl_once();
  curl_ = curl_easy_init();
  PRONK_CHECK(curl_ != nullptr, "libcurl gives no handle");
}

HttpClient::HttpClient(HttpClient&& other) noexcept
    : settings_(std::move(other.settings_)), curl_(std::exchange(other.curl_, nullptr)) {}

HttpClient::~HttpClient() {
  if (curl_) curl_easy_cleanup(static_cast<CURL*>(curl_));
}

HttpOutcome HttpClient::attempt(const HttpRequest& request, const HttpSink& sink) {
  CURL* curl = static_cast<CURL*>(curl_);
  configure(curl, request, settings_);
  Attempt attempt{settings_, sink, {}, 0, {}};
  char detail[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &attempt);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &attempt);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &attempt);
  curl_slist* list = nullptr;
  for (const std::string& header : request.headers) list = curl_slist_append(list, header.c_str());
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(list, curl_slist_free_all);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());

  const CURLcode code = curl_easy_perform(curl);
  if (attempt.failure) return {std::move(*attempt.failure)};
  if (code == CURLE_ABORTED_BY_CALLBACK)
    return {error(Code::kCancelled,
                  fmt::format("get '{}': stopped", url_without_secrets(request.url)))};
  if (code != CURLE_OK) return {transport_error(code, detail, request), is_transient(code)};
  const char* final_url = nullptr;
  curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &final_url);
  attempt.response.url = final_url ? final_url : request.url;
  curl_off_t retry_after = 0;
  curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
  const bool transient = is_transient_status(attempt.response.status);
  return {std::move(attempt.response), transient,
          static_cast<int>(std::clamp<curl_off_t>(retry_after, 0, 30))};
}

Result<HttpResponse> HttpClient::get(const HttpRequest& request, std::size_t max_bytes) {
  for (Backoff backoff(settings_);;) {
    std::string body;
    HttpOutcome outcome =
        attempt(request, [&](const HttpResponse&, std::span<const std::byte> bytes) -> Status {
          if (bytes.size() > max_bytes - body.size())
            return error(Code::kNetwork,
                         fmt::format("get '{}': more than {} bytes, the limit for such a page",
                                     url_without_secrets(request.url), max_bytes));
          body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
          return Ok{};
        });
    if (outcome.transient && backoff.wait(outcome.retry_after_s)) continue;
    if (outcome.result && !body.empty()) outcome.result->body = std::move(body);
    return std::move(outcome.result);
  }
}

bool Backoff::wait(int at_least_s) {
  using Clock = std::chrono::steady_clock;
  if (attempt_++ >= settings_.num_attempts) return false;
  const auto until =
      Clock::now() + std::chrono::milliseconds(std::max(wait_ms_, at_least_s * 1000));
  wait_ms_ *= 2;
  while (Clock::now() < until) {
    if (settings_.cancelled && settings_.cancelled()) return false;
    std::this_thread::sleep_for(
        std::min<Clock::duration>(std::chrono::milliseconds(50), until - Clock::now()));
  }
  return true;
}

namespace {

using Url = std::unique_ptr<CURLU, void (*)(CURLU*)>;

Url parse_url(const std::string& text) {
  Url url(curl_url(), curl_url_cleanup);
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) url.reset();
  return url;
}

std::string url_part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (!url || curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

}  // namespace

std::string resolve_url(const std::string& base, const std::string& reference) {
  const Url url = parse_url(base);
  if (!url || curl_url_set(url.get(), CURLUPART_URL, reference.c_str(), 0) != CURLUE_OK) return {};
  const std::string scheme = url_part(url.get(), CURLUPART_SCHEME);
  return scheme == "http" || scheme == "https" ? url_part(url.get(), CURLUPART_URL) : std::string();
}

std::string url_host(const std::string& text) {
  const Url url = parse_url(text);
  return url_part(url.get(), CURLUPART_HOST);
}

std::string url_without_secrets(const std::string& text) {
  const Url url = parse_url(text);
  if (!url) return text;
  for (const CURLUPart part :
       {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT})
    curl_url_set(url.get(), part, nullptr, 0);
  return url_part(url.get(), CURLUPART_URL);
}

std::string url_escape(std::string_view text, bool keep_slashes) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       (c != '\0' && std::strchr("-._~", c)) || (c == '/' && keep_slashes);
    if (plain)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string url_unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string digits(text.substr(i + 1, 2));
    if (text[i] == '%' && digits.size() == 2 &&
        digits.find_first_not_of("0123456789abcdefABCDEF") == digits.npos) {
      out += static_cast<char>(std::stoi(digits, nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace pronk::hub
