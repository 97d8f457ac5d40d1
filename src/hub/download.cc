#include "hub/download.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "hub/partial_file.h"

namespace pronk::hub {
namespace {

constexpr std::int64_t kSmallestChunk = 4 << 20, kLargestChunk = 64 << 20;
constexpr std::int64_t kChunksPerFile = 256;
constexpr auto kPoll = std::chrono::milliseconds(50);

std::int64_t chunk_size_for(std::int64_t size) {
  return std::clamp(size / kChunksPerFile, kSmallestChunk, kLargestChunk);
}

std::optional<std::int64_t> parse_int(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

struct ContentRange {
  std::int64_t begin = 0, total = 0;
};

// "bytes 0-1023/4096"; empty when the server says no total.
std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const std::size_t dash = text.find('-'), slash = text.find('/');
  if (dash == text.npos || slash == text.npos || slash < dash) return std::nullopt;
  const auto begin = parse_int(text.substr(0, dash)), total = parse_int(text.substr(slash + 1));
  if (!begin || !total) return std::nullopt;
  return ContentRange{*begin, *total};
}

// Names one state of the file on the server; "" when nothing does.
std::string validator(const HttpResponse& head) {
  const std::string tag = head.header("etag");
  return tag.empty() ? head.header("last-modified") : tag;
}

// One download on its way: what its threads share.
class Transfer {
 public:
  Transfer(const Download& file, const DownloadOptions& options, PartialFile part)
      : file_(file), options_(options), part_(std::move(part)) {
    http_ = options.http;
    http_.cancelled = [this] { return stop_.load(); };
  }

  Result<FileDigest> run() {
    PRONK_TRY(run_threads(1, [this] { return first_chunk(); }));
    if (!complete_ && !single_stream_) {
      const int num_threads =
          std::clamp(part_.num_missing(), 1, std::clamp(options_.num_connections, 1, 32));
      PRONK_TRY(run_threads(num_threads, [this] { return work(); }));
    }
    if (single_stream_ && !complete_) PRONK_TRY(run_threads(1, [this] { return stream_whole(); }));
    return verify();
  }

 private:
  Status run_threads(int count, const std::function<Status()>& body);
  Status first_chunk();
  Status work();
  Status fetch(HttpClient& client, const Chunk& chunk);
  Status stream_whole();
  Result<FileDigest> verify();
  Error refused(const HttpResponse& response) const;
  void report(const std::string& what) const {
    if (options_.progress) options_.progress({what, done_.load(), part_.size()});
  }
  Status check_size(std::int64_t size) const {
    if (file_.size >= 0 && size != file_.size)
      return error(
          Code::kCorruptData,
          fmt::format("the server's file has {} bytes, {} were announced; pull it again later",
                      size, file_.size));
    return Ok{};
  }
  std::string identity(const HttpResponse& head) const {
    if (file_.digest.kind != Digest::Kind::kNone) return file_.digest.hex;
    const std::string mark = validator(head);
    return mark.empty() ? std::string() : url_without_secrets(file_.url) + " " + mark;
  }

  const Download& file_;
  const DownloadOptions& options_;
  HttpSettings http_;
  PartialFile part_;
  std::atomic<bool> stop_{false}, single_stream_{false};
  std::atomic<std::int64_t> done_{0};
  bool complete_ = false;
};

// Runs `body` on `count` threads; meanwhile this thread reports progress and listens for the
// caller's stop. The first error stops the others and is returned.
Status Transfer::run_threads(int count, const std::function<Status()>& body) {
  std::mutex mutex;
  std::condition_variable ended;
  std::optional<Error> failure;
  int running = count;
  std::vector<std::jthread> threads;
  threads.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&] {
      Status status = body();
      const std::lock_guard lock(mutex);
      if (!status) {
        if (!failure) failure = std::move(status).error();
        stop_ = true;
      }
      --running;
      ended.notify_one();
    });
  bool cancelled = false;
  std::unique_lock lock(mutex);
  while (running > 0) {
    ended.wait_for(lock, kPoll);
    lock.unlock();
    report(file_.what);
    if (!cancelled && options_.http.cancelled && options_.http.cancelled())
      cancelled = stop_ = true;
    lock.lock();
  }
  lock.unlock();
  threads.clear();  // joins
  if (cancelled) return error(Code::kCancelled, "stopped; the same pull goes on from here");
  if (failure) return std::move(*failure);
  return Ok{};
}

Error Transfer::refused(const HttpResponse& response) const {
  const bool missing = response.status == 404 || response.status == 410;
  return error(missing ? Code::kNotFound : Code::kNetwork,
               fmt::format("the server answers {}{} to '{}'", response.status,
                           missing ? " (not there)" : "", url_without_secrets(file_.url)));
}

// Asks for the first bytes that are missing: the answer shows the size, what the server calls this
// state of the file, and whether it serves ranges.
Status Transfer::first_chunk() {
  HttpClient client(http_);
  const std::int64_t chunk_size = options_.chunk_size
                                      ? options_.chunk_size
                                      : chunk_size_for(std::max<std::int64_t>(file_.size, 0));
  // One byte tells enough where an earlier attempt left its chunks.
  const std::int64_t asked = part_.size() > 0 ? 1 : chunk_size;
  if (file_.size == 0) {
    complete_ = true;
    return part_.set_size(0);
  }
  for (Backoff backoff(http_);;) {
    bool started = false;
    std::int64_t position = 0;
    const HttpOutcome outcome = client.attempt(
        {file_.url, file_.headers, fmt::format("0-{}", asked - 1)},
        [&](const HttpResponse& head, std::span<const std::byte> bytes) -> Status {
          if (!started) {
            started = true;
            const auto range = parse_content_range(head.header("content-range"));
            if (head.status != 206 || !range || range->begin != 0) {
              single_stream_ = true;  // the whole file comes, to be taken in one stream
              return error(Code::kCancelled, "no ranges");
            }
            PRONK_TRY(check_size(range->total));
            PRONK_TRY(part_.start(identity(head), range->total, chunk_size));
            if (identity(head).empty()) PRONK_TRY(part_.restart());
          }
          const auto room = static_cast<std::size_t>(std::min(asked, part_.size()) - position);
          if (bytes.size() > room)
            return error(Code::kNetwork, "the server sends more than it was asked for");
          if (asked > 1) PRONK_TRY(part_.write(position, bytes));
          position += static_cast<std::int64_t>(bytes.size());
          done_ = std::max(part_.bytes_done(), position);
          return Ok{};
        });
    if (single_stream_) return Ok{};
    if (outcome.transient && backoff.wait(outcome.retry_after_s)) continue;
    if (!outcome.result) return outcome.result.error();
    if (outcome.result->status == 416 || (outcome.result->status < 300 && !started)) {
      single_stream_ = true;  // an empty file, or a server that dislikes the range
      return Ok{};
    }
    if (outcome.result->status >= 300) return refused(*outcome.result);
    if (asked > 1 && position == std::min(part_.chunk_size(), part_.size()))
      PRONK_TRY(part_.finish({0, 0, position}));
    done_ = part_.bytes_done();
    complete_ = part_.num_missing() == 0;
    return Ok{};
  }
}

Status Transfer::work() {
  HttpClient client(http_);
  while (!stop_ && !single_stream_) {
    const std::optional<Chunk> chunk = part_.take();
    if (!chunk) return Ok{};
    PRONK_TRY(fetch(client, *chunk));
  }
  return Ok{};
}

Status Transfer::fetch(HttpClient& client, const Chunk& chunk) {
  std::int64_t position = chunk.begin;
  for (Backoff backoff(http_);;) {
    const std::int64_t begin = position;
    const HttpOutcome outcome = client.attempt(
        {file_.url, file_.headers, fmt::format("{}-{}", begin, chunk.end - 1)},
        [&](const HttpResponse& head, std::span<const std::byte> bytes) -> Status {
          const auto range = parse_content_range(head.header("content-range"));
          if (head.status != 206 || !range || range->begin != begin) {
            single_stream_ = true;
            return error(Code::kCancelled, "no ranges");
          }
          if (range->total != part_.size() ||
              (file_.digest.kind == Digest::Kind::kNone && identity(head) != part_.identity()))
            return error(Code::kCorruptData,
                         "the file on the server changed meanwhile; pull it again");
          if (static_cast<std::int64_t>(bytes.size()) > chunk.end - position)
            return error(Code::kNetwork, "the server sends more than it was asked for");
          PRONK_TRY(part_.write(position, bytes));
          position += static_cast<std::int64_t>(bytes.size());
          done_ += static_cast<std::int64_t>(bytes.size());
          return Ok{};
        });
    if (single_stream_) return Ok{};
    if (position == chunk.end) return part_.finish(chunk);
    if (position > begin) backoff.reset();  // it moves
    const bool cut_short = outcome.result && outcome.result->status < 300;
    if ((outcome.transient || cut_short) && backoff.wait(outcome.retry_after_s)) continue;
    if (!outcome.result) return outcome.result.error();
    if (cut_short)
      return error(Code::kNetwork, "the server sends less than it announces; pull it again later");
    return refused(*outcome.result);
  }
}

// Without ranges: from the first byte to the last, on one connection, and anew when it breaks.
Status Transfer::stream_whole() {
  HttpClient client(http_);
  for (Backoff backoff(http_);;) {
    std::int64_t position = 0;
    bool started = false;
    PRONK_TRY(part_.set_size(0));
    done_ = 0;
    const HttpOutcome outcome = client.attempt(
        {file_.url, file_.headers, ""},
        [&](const HttpResponse& head, std::span<const std::byte> bytes) -> Status {
          if (!std::exchange(started, true))
            if (const auto length = parse_int(head.header("content-length")))
              PRONK_TRY(check_size(*length));
          if (file_.size >= 0 && position + static_cast<std::int64_t>(bytes.size()) > file_.size)
            return error(Code::kNetwork, "the server sends more than it announced");
          PRONK_TRY(part_.write(position, bytes));
          position += static_cast<std::int64_t>(bytes.size());
          done_ = position;
          return Ok{};
        });
    const bool whole = outcome.result && outcome.result->status < 300 &&
                       (file_.size < 0 || position == file_.size);
    if (whole) {
      complete_ = true;
      return part_.set_size(position);
    }
    const bool cut_short = outcome.result && outcome.result->status < 300;
    if ((outcome.transient || cut_short) && backoff.wait(outcome.retry_after_s)) continue;
    if (!outcome.result) return outcome.result.error();
    if (cut_short) return check_size(position);
    return refused(*outcome.result);
  }
}

Result<FileDigest> Transfer::verify() {
  const std::string what = "check " + file_.what;
  auto digest = hash_file(part_.part_path(), file_.digest, [&](std::int64_t done) -> Status {
    if (options_.http.cancelled && options_.http.cancelled())
      return error(Code::kCancelled, "stopped; the same pull goes on from here");
    if (options_.progress) options_.progress({what, done, part_.size()});
    return Ok{};
  });
  if (!digest) {
    if (digest.error().code == Code::kCorruptData) part_.remove();
    return std::move(digest).error();
  }
  PRONK_TRY(check_size(digest->size));
  PRONK_TRY(part_.keep(file_.path));
  return digest;
}

}  // namespace

Result<FileDigest> download(const Download& file, const DownloadOptions& options) {
  const std::string step = fmt::format("fetch '{}'", file.what);
  PartialFile part = PRONK_TRY_IN(step, PartialFile::open(file.path));
  return PRONK_TRY_IN(step, Transfer(file, options, std::move(part)).run());
}

}  // namespace pronk::hub
