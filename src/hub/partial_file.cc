#include "hub/partial_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "text/json.h"

namespace pronk::hub {
namespace {

constexpr std::int64_t kMaxChunks = 1 << 20;

Error disk_error(std::string_view step, const std::filesystem::path& path) {
  const int e = errno;
  const bool full = e == ENOSPC || e == EDQUOT || e == EFBIG;
  return error(full ? Code::kResourceExhausted : Code::kFailed,
               fmt::format("{} '{}': {}{}", step, path.string(), std::strerror(e),
                           full ? "; free some space and run it again, it goes on from here" : ""));
}

std::int64_t integer(const json::value& object, std::string_view key) {
  const json::value* value = find(object, key);
  return value && value->is_int64() ? value->get_int64() : -1;
}

}  // namespace

Result<PartialFile> PartialFile::open(const std::filesystem::path& path) {
  PartialFile file;
  file.part_ = path.string() + ".part";
  file.state_ = path.string() + ".state";
  file.fd_ = ::open(file.part_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (file.fd_ < 0) return disk_error("create", file.part_);
  file.load_state();
  return file;
}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : part_(std::move(other.part_)),
      state_(std::move(other.state_)),
      fd_(std::exchange(other.fd_, -1)),
      identity_(std::move(other.identity_)),
      size_(other.size_),
      chunk_size_(other.chunk_size_),
      done_(std::move(other.done_)),
      taken_(std::move(other.taken_)) {}

PartialFile::~PartialFile() {
  if (fd_ >= 0) ::close(fd_);
}

void PartialFile::load_state() {
  const Result<std::string> text = read_file(state_, 4u << 20);
  if (!text) return;
  const Result<json::value> state = parse_json(*text);
  if (!state) return;
  const json::string* identity = find_string(*state, "identity");
  const json::string* done = find_string(*state, "done");
  const std::int64_t size = integer(*state, "size"), chunk_size = integer(*state, "chunk_size");
  if (!identity || !done || size < 1 || chunk_size < 1) return;
  const std::int64_t num_chunks = (size - 1) / chunk_size + 1;
  if (num_chunks > kMaxChunks || static_cast<std::int64_t>(done->size()) != num_chunks) return;
  if (::lseek(fd_, 0, SEEK_END) != size) return;
  identity_ = std::string(*identity);
  size_ = size;
  chunk_size_ = chunk_size;
  done_ = taken_ = std::string(*done);
}

Status PartialFile::start(const std::string& identity, std::int64_t size, std::int64_t chunk_size) {
  const bool goes_on = identity == identity_ && size == size_ && size > 0;
  if (!goes_on) {
    identity_ = identity;
    size_ = size;
    chunk_size_ = std::max(chunk_size, size / kMaxChunks + 1);
    PRONK_TRY(restart());
  }
  taken_ = done_;
  return Ok{};
}

Status PartialFile::restart() {
  const std::int64_t num_chunks = size_ > 0 ? (size_ - 1) / chunk_size_ + 1 : 0;
  done_ = taken_ = std::string(static_cast<std::size_t>(num_chunks), '0');
  if (::ftruncate(fd_, 0) != 0 || ::ftruncate(fd_, std::max<std::int64_t>(size_, 0)) != 0)
    return disk_error("make room in", part_);
  return save_state();
}

std::optional<Chunk> PartialFile::take() {
  const std::lock_guard lock(mutex_);
  const std::size_t place = taken_.find('0');
  if (place == taken_.npos) return std::nullopt;
  taken_[place] = '1';
  const auto index = static_cast<std::int64_t>(place);
  return Chunk{index, index * chunk_size_, std::min(size_, (index + 1) * chunk_size_)};
}

Status PartialFile::write(std::int64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return disk_error("write", part_);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += n;
  }
  return Ok{};
}

Status PartialFile::finish(const Chunk& chunk) {
  const std::lock_guard lock(mutex_);
  done_[static_cast<std::size_t>(chunk.index)] = taken_[static_cast<std::size_t>(chunk.index)] =
      '1';
  return save_state();
}

int PartialFile::num_missing() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count(done_.begin(), done_.end(), '0'));
}

std::int64_t PartialFile::bytes_done() const {
  const std::lock_guard lock(mutex_);
  std::int64_t bytes = std::count(done_.begin(), done_.end(), '1') * chunk_size_;
  const bool last_is_done = !done_.empty() && done_.back() == '1';
  if (last_is_done) bytes -= static_cast<std::int64_t>(done_.size()) * chunk_size_ - size_;
  return bytes;
}

Status PartialFile::save_state() const {
  if (size_ < 1) return Ok{};
  const json::object state = {
      {"identity", identity_}, {"size", size_}, {"chunk_size", chunk_size_}, {"done", done_}};
  return write_file(state_, json::serialize(state));
}

Status PartialFile::set_size(std::int64_t size) {
  size_ = size;
  if (::ftruncate(fd_, size) != 0) return disk_error("cut", part_);
  return Ok{};
}

Status PartialFile::keep(const std::filesystem::path& path) {
  if (::fsync(fd_) != 0 && errno != EINVAL) return disk_error("flush", part_);
  if (::rename(part_.c_str(), path.c_str()) != 0) return disk_error("rename", part_);
  ::unlink(state_.c_str());
  return Ok{};
}

void PartialFile::remove() {
  ::unlink(part_.c_str());
  ::unlink(state_.c_str());
}

}  // namespace pronk::hub
