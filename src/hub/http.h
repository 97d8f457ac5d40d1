// HTTP GET through libcurl, for servers that may be slow, broken or hostile.
//
// Only http and https are spoken, redirects never leave https, and what a server can make us read
// is bounded. Proxies and certificates come from the environment: https_proxy, no_proxy,
// SSL_CERT_FILE, CURL_CA_BUNDLE, REQUESTS_CA_BUNDLE, PIP_CERT, SSL_CERT_DIR.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/result.h"

namespace pronk::hub {

struct HttpSettings {
  int connect_timeout_ms = 15'000;
  int stall_timeout_s = 30;  // gives up when no byte has come for so long
  int num_attempts = 5;
  int first_wait_ms = 500;          // before the second attempt; doubles each time
  std::string certificates;         // a file of those to trust, where the environment names none
  std::function<bool()> cancelled;  // asked about ten times a second, from the thread in get()
};

struct HttpRequest {
  std::string url;
  std::vector<std::string> headers;  // "Name: value"; Authorization goes to the first host only
  std::string range;                 // "0-1023", both ends included; empty: the whole
};

struct HttpResponse {
  long status = 0;
  std::string url;                             // after redirects
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // what no sink took; of an error, its first 4 KiB

  std::string header(const std::string& name) const;  // "" when absent
};

// What one attempt came to. A response of any status is a value; `transient`: trying again may
// help.
struct HttpOutcome {
  Result<HttpResponse> result;
  bool transient = false;
  int retry_after_s = 0;  // as the server asked
};

// Takes the body of a response with status 200 to 299, in order; the head is complete by then.
using HttpSink = std::function<Status(const HttpResponse& head, std::span<const std::byte> bytes)>;

// A connection that is kept between requests. One thread at a time.
class HttpClient {
 public:
  explicit HttpClient(HttpSettings settings);
  HttpClient(HttpClient&& other) noexcept;
  ~HttpClient();

  HttpOutcome attempt(const HttpRequest& request, const HttpSink& sink);
  // A page of at most max_bytes, tried again on transient failures. Errors: kNetwork, kCancelled.
  Result<HttpResponse> get(const HttpRequest& request, std::size_t max_bytes);
  const HttpSettings& settings() const { return settings_; }

 private:
  HttpSettings settings_;
  void* curl_;  // CURL*
};

// Waits between attempts, longer each time.
class Backoff {
 public:
  explicit Backoff(const HttpSettings& settings)
      : settings_(settings), wait_ms_(settings.first_wait_ms) {}
  // False when no attempt is left or the caller cancelled; else returns after the wait.
  bool wait(int at_least_s = 0);
  void reset() { attempt_ = 1, wait_ms_ = settings_.first_wait_ms; }

 private:
  const HttpSettings& settings_;
  int attempt_ = 1;
  int wait_ms_;
};

// `reference`, absolute or relative, as seen from the page `base`; empty when it is no http(s) URL.
std::string resolve_url(const std::string& base, const std::string& reference);
std::string url_host(const std::string& url);
// The URL without user and password, for messages and manifests.
std::string url_without_secrets(const std::string& url);
// Escapes what a path segment may not hold; '/' stays when keep_slashes.
std::string url_escape(std::string_view text, bool keep_slashes = false);
std::string url_unescape(std::string_view text);

}  // namespace pronk::hub
