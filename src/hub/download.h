// One file over several connections, continued where an earlier attempt was stopped.
//
// While it is on its way the bytes stand in PATH.part, at their places, and PATH.state says which
// chunks are complete:
//   {"identity": "...", "size": N, "chunk_size": N, "done": "1101000"}
// The identity is the digest that was announced, or else the URL and the server's ETag; another
// identity, or a server that cannot serve ranges, begins anew. PATH exists only once its size and
// digest are checked.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hub/digest.h"
#include "hub/http.h"
#include "hub/hub.h"

namespace pronk::hub {

struct Download {
  std::string what;  // its name for people
  std::string url;
  std::vector<std::string> headers;
  std::filesystem::path path;
  std::int64_t size = -1;  // as announced; -1: not known
  Digest digest;           // as announced
};

struct DownloadOptions {
  HttpSettings http;  // its `cancelled` is asked from the calling thread alone
  int num_connections = 4;
  std::int64_t chunk_size = 0;                    // bytes; 0: chosen by the file's size
  std::function<void(const Progress&)> progress;  // from the calling thread
};

// Errors: kNetwork, kNotFound (404), kCorruptData (size or digest is not what was announced; what
// came is removed), kResourceExhausted (disk), kCancelled (what came is kept for the next time).
Result<FileDigest> download(const Download& file, const DownloadOptions& options);

}  // namespace pronk::hub
