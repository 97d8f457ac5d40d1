// An HTTP/1.1 server on 127.0.0.1 for tests: it serves what it is given, and misbehaves as it is
// told.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

struct TestRequest {
  std::string path;                            // "/a/b?c=d"
  std::map<std::string, std::string> headers;  // names in lower case
};

// One address of the server, and how it answers. `body` is served by ranges as RFC 9110 says,
// unless:
struct TestPage {
  std::string body;
  int status = 200;
  std::vector<std::string> headers;  // "Name: value"
  std::string etag = "\"v1\"";
  bool ranges = true;    // false: answers 200 and the whole to every range
  int num_failures = 0;  // so many requests get `failure_status` first
  int failure_status = 503;
  std::int64_t drop_after = -1;      // closes the connection after so many bytes of each answer
  int num_drops = 1 << 20;           // how many answers are dropped so
  bool stall = false;                // never sends the body
  std::int64_t claimed_length = -1;  // lies in Content-Length
  int delay_ms = 0;                  // before each 16 KiB
  std::string needs_token;           // 401 without "Authorization: Bearer <token>"
};

class HttpTestServer {
 public:
  HttpTestServer();
  ~HttpTestServer();
  HttpTestServer(const HttpTestServer&) = delete;
  HttpTestServer& operator=(const HttpTestServer&) = delete;

  std::string url(const std::string& path = "") const;  // "http://127.0.0.1:PORT/path"
  TestPage& page(const std::string& path);              // set it up before it is asked for
  void change(const std::string& path, const std::function<void(TestPage&)>& change);  // any time
  std::vector<TestRequest> requests() const;                                           // so far
  std::int64_t bytes_sent() const { return bytes_sent_; }

 private:
  void accept_all();
  void serve(int connection);
  void answer(int connection, const TestRequest& request);
  bool send_all(int connection, std::string_view bytes);

  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> bytes_sent_{0};
  mutable std::mutex mutex_;
  std::map<std::string, TestPage> pages_;
  std::vector<TestRequest> requests_;
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};
