#include "hub/http_test_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace {

constexpr std::size_t kPiece = 16 << 10;

// Waits until the socket has something to read; false when the server is stopping.
bool wait_readable(int socket, const std::atomic<bool>& stop) {
  while (!stop) {
    pollfd poll_for{socket, POLLIN, 0};
    if (poll(&poll_for, 1, 20) > 0) return true;
  }
  return false;
}

TestRequest parse_request(const std::string& head) {
  TestRequest request;
  const std::size_t first = head.find(' '), second = head.find(' ', first + 1);
  request.path = head.substr(first + 1, second - first - 1);
  std::size_t at = head.find("\r\n") + 2;
  while (at < head.size()) {
    const std::size_t end = std::min(head.find("\r\n", at), head.size());
    const std::string line = head.substr(at, end - at);
    if (const std::size_t colon = line.find(": "); colon != line.npos) {
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return std::tolower(c); });
      request.headers[name] = line.substr(colon + 2);
    }
    at = end + 2;
  }
  return request;
}

}  // namespace

HttpTestServer::HttpTestServer() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool good = bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                    listen(listener_, 64) == 0 &&
                    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (!good) std::abort();
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

HttpTestServer::~HttpTestServer() {
  stop_ = true;
  acceptor_.join();
  for (std::thread& connection : connections_) connection.join();
  close(listener_);
}

std::string HttpTestServer::url(const std::string& path) const {
  return fmt::format("http://127.0.0.1:{}{}", port_, path);
}

void HttpTestServer::change(const std::string& path, const std::function<void(TestPage&)>& change) {
  const std::lock_guard lock(mutex_);
  change(pages_[path]);
}

TestPage& HttpTestServer::page(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return pages_[path];
}

std::vector<TestRequest> HttpTestServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void HttpTestServer::accept_all() {
  while (wait_readable(listener_, stop_)) {
    const int connection = accept(listener_, nullptr, nullptr);
    if (connection >= 0) connections_.emplace_back([this, connection] { serve(connection); });
  }
}

void HttpTestServer::serve(int connection) {
  std::string buffer;
  char bytes[4096];
  while (wait_readable(connection, stop_)) {
    const ssize_t n = recv(connection, bytes, sizeof bytes, 0);
    if (n <= 0) break;
    buffer.append(bytes, static_cast<std::size_t>(n));
    const std::size_t end = buffer.find("\r\n\r\n");
    if (end == buffer.npos) continue;
    const TestRequest request = parse_request(buffer.substr(0, end + 2));
    buffer.erase(0, end + 4);
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    answer(connection, request);
  }
  close(connection);
}

bool HttpTestServer::send_all(int connection, std::string_view bytes) {
  while (!bytes.empty() && !stop_) {
    const ssize_t n = send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return bytes.empty();
}

void HttpTestServer::answer(int connection, const TestRequest& request) {
  TestPage page;
  {
    const std::lock_guard lock(mutex_);
    const auto found = pages_.find(request.path);
    if (found == pages_.end()) {
      page.status = 404;
    } else {
      page = found->second;
      if (found->second.num_failures > 0) {
        --found->second.num_failures;
        page.status = page.failure_status;
      } else if (found->second.drop_after >= 0 && found->second.num_drops-- <= 0) {
        page.drop_after = -1;
      }
    }
  }
  const auto token = request.headers.find("authorization");
  if (!page.needs_token.empty() &&
      (token == request.headers.end() || token->second != "Bearer " + page.needs_token))
    page.status = 401;

  std::string_view body = page.body;
  std::string head;
  const auto range = request.headers.find("range");
  if (page.status == 200 && page.ranges && range != request.headers.end()) {
    long long begin = 0, end = 0;
    std::sscanf(range->second.c_str(), "bytes=%lld-%lld", &begin, &end);
    end = std::min<long long>(end, static_cast<long long>(body.size()) - 1);
    if (begin > end) {
      page.status = 416;
      body = {};
    } else {
      head += fmt::format("Content-Range: bytes {}-{}/{}\r\n", begin, end, body.size());
      body =
          body.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin + 1));
      page.status = 206;
    }
  }
  if (page.status >= 400) body = "no";
  const auto length =
      page.claimed_length >= 0 ? page.claimed_length : static_cast<std::int64_t>(body.size());
  head = fmt::format("HTTP/1.1 {} Test\r\nContent-Length: {}\r\n{}", page.status, length, head);
  if (!page.etag.empty()) head += "ETag: " + page.etag + "\r\n";
  for (const std::string& header : page.headers) head += header + "\r\n";
  send_all(connection, head + "\r\n");
  if (page.stall) {
    while (!stop_) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return;
  }
  const bool drops =
      page.drop_after >= 0 && page.drop_after < static_cast<std::int64_t>(body.size());
  if (drops) body = body.substr(0, static_cast<std::size_t>(page.drop_after));
  while (!body.empty() && !stop_) {
    if (page.delay_ms) std::this_thread::sleep_for(std::chrono::milliseconds(page.delay_ms));
    const std::string_view piece = body.substr(0, kPiece);
    if (!send_all(connection, piece)) break;
    bytes_sent_ += static_cast<std::int64_t>(piece.size());
    body.remove_prefix(piece.size());
  }
  if (drops || page.claimed_length >= 0) shutdown(connection, SHUT_RDWR);
}
