#include "base/hasher.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "pronk/result.h"

namespace pronk {

struct Hasher::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(evp); }
};

Hasher::Hasher(Kind kind) : context_(std::make_unique<Context>()) {
  const EVP_MD* digest = kind == Kind::kSha1 ? EVP_sha1() : EVP_sha256();
  PRONK_CHECK(context_->evp && EVP_DigestInit_ex(context_->evp, digest, nullptr) == 1,
              "OpenSSL offers no such digest");
}
Hasher::~Hasher() = default;

void Hasher::add(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size());
}

std::string Hasher::bytes() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context_->evp, digest, &size);
  return std::string(reinterpret_cast<const char*>(digest), size);
}

std::string Hasher::hex() {
  std::string out;
  for (const char c : bytes()) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

}  // namespace pronk
