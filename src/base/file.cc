#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pronk {
namespace {

Error errno_error(std::string_view step, const std::filesystem::path& path) {
  const int e = errno;
  Code code = Code::kFailed;
  std::string advice;
  if (e == ENOENT || e == ENOTDIR) code = Code::kNotFound, advice = "; check the path";
  if (e == ENOSPC || e == EDQUOT || e == ENOMEM || e == EFBIG)
    code = Code::kResourceExhausted, advice = "; free some space and run it again";
  if (e == EACCES || e == EPERM) advice = "; check its permissions";
  return error(code, fmt::format("{} '{}': {}{}", step, path.string(), std::strerror(e), advice));
}

std::int64_t modified_ns(const struct stat& s) {
  return std::int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec;
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::filesystem::path& path) {
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  // A pipe without a writer would keep the program waiting, only to be refused.
  file->fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file->fd_ < 0) return errno_error("open", path);
  struct stat s {};
  if (::fstat(file->fd_, &s) != 0) return errno_error("stat", path);
  if (!S_ISREG(s.st_mode))
    return error(Code::kInvalidArgument,
                 fmt::format("open '{}': not a regular file", path.string()));
  file->size_ = static_cast<std::size_t>(s.st_size);
  file->modified_ns_ = modified_ns(s);
  file->device_ = s.st_dev;
  file->inode_ = s.st_ino;
  if (file->size_ > 0) {
    void* p = ::mmap(nullptr, file->size_, PROT_READ, MAP_SHARED, file->fd_, 0);
    if (p == MAP_FAILED) return errno_error("map", path);
    file->data_ = static_cast<const std::byte*>(p);
    file->guard_.emplace(file->bytes());
  }
  return std::shared_ptr<const MappedFile>(std::move(file));
}

MappedFile::~MappedFile() {
  guard_.reset();
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
  if (fd_ >= 0) ::close(fd_);
}

bool MappedFile::still_intact() const {
  struct stat s {};
  if (::fstat(fd_, &s) != 0 || static_cast<std::size_t>(s.st_size) != size_ ||
      modified_ns(s) != modified_ns_ || (guard_ && guard_->faulted()) ||
      copy_failed_.load(std::memory_order_relaxed))
    return false;
  const bool path_is_free = ::stat(path_.c_str(), &s) != 0;  // deleted, yet ours to read
  return path_is_free || (s.st_dev == device_ && s.st_ino == inode_);
}

void MappedFile::copy(std::span<const std::byte> range, std::byte* out) const {
  auto offset = range.data() - data_;
  for (std::size_t left = range.size(); left > 0;) {
    const ssize_t n = ::pread(fd_, out, left, offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      std::memset(out, 0, left);
      copy_failed_.store(true, std::memory_order_relaxed);
      return;
    }
    out += n;
    offset += n;
    left -= static_cast<std::size_t>(n);
  }
}

void MappedFile::forget(std::span<const std::byte> range) const {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(range.data()) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(range.data()) + range.size()) / page * page;
  if (end > begin) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno_error("open", path);
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      Error e = errno_error("read", path);
      ::close(fd);
      return e;
    }
    if (n == 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.size() > max_bytes) {
      ::close(fd);
      return error(Code::kResourceExhausted,
                   fmt::format("read '{}': longer than {} bytes, the limit for this kind of file",
                               path.string(), max_bytes));
    }
  }
  ::close(fd);
  return text;
}

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& path) {
  AtomicFile file;
  file.path_ = path;
  file.partial_ = path;
  file.partial_ += fmt::format(".partial-{}", ::getpid());
  file.fd_ = ::open(file.partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file.fd_ < 0) return errno_error("create", path);
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept { *this = std::move(other); }

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this != &other) {
    discard();
    path_ = std::move(other.path_);
    partial_ = std::move(other.partial_);
    size_ = other.size_;
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(partial_.c_str());
  fd_ = -1;
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), std::min<std::size_t>(bytes.size(), 1u << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write", path_);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    size_ += static_cast<std::uint64_t>(n);
  }
  return Ok{};
}

Status AtomicFile::commit() {
  if (::fsync(fd_) != 0 && errno != EINVAL) return errno_error("flush", path_);
  if (::rename(partial_.c_str(), path_.c_str()) != 0) return errno_error("rename to", path_);
  ::close(std::exchange(fd_, -1));
  return Ok{};
}

Status write_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file = PRONK_TRY(AtomicFile::create(path));
  PRONK_TRY(file.write(text));
  return file.commit();
}

}  // namespace pronk
