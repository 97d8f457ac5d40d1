#include "tokenizer/vocabulary.h"

#include <cstring>
#include <limits>

namespace pronk {

namespace {

std::uint64_t load64(const char* p) {
  std::uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}

std::uint64_t load32(const char* p) {
  std::uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// memcmp() == 0, without the call for the short strings that most tokens are.
bool equal(const char* a, const char* b, std::size_t size) {
  if (size > 16) return std::memcmp(a, b, size) == 0;
  if (size >= 8)
    return ((load64(a) ^ load64(b)) | (load64(a + size - 8) ^ load64(b + size - 8))) == 0;
  if (size >= 4)
    return ((load32(a) ^ load32(b)) | (load32(a + size - 4) ^ load32(b + size - 4))) == 0;
  for (std::size_t i = 0; i < size; ++i)
    if (a[i] != b[i]) return false;
  return true;
}

constexpr std::uint64_t kSecretA = 0xa0761d6478bd642f, kSecretB = 0xe7037ed1a0b428db;

}  // namespace

std::uint64_t hash_bytes(std::string_view bytes) {
  const char* p = bytes.data();
  std::size_t n = bytes.size();
  std::uint64_t seed = kSecretA ^ n;
  for (; n > 16; p += 16, n -= 16) seed = mix(load64(p) ^ kSecretB, load64(p + 8) ^ seed);
  std::uint64_t a = 0, b = 0;  // the last 0 to 16 bytes; loads may overlap
  if (n >= 8) {
    a = load64(p);
    b = load64(p + n - 8);
  } else if (n >= 4) {
    a = load32(p);
    b = load32(p + n - 4);
  } else if (n > 0) {
    const auto at = [&](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(p[i])}; };
    a = at(0) << 16 | at(n / 2) << 8 | at(n - 1);
  }
  return mix(a ^ kSecretB, b ^ seed);
}

Vocabulary::Vocabulary() : ends_{0}, slots_(64) {}

void Vocabulary::reserve(std::size_t num_tokens, std::size_t num_bytes) {
  arena_.reserve(num_bytes);
  ends_.reserve(num_tokens + 1);
  types_.reserve(num_tokens);
}

void Vocabulary::add(std::string_view bytes, TokenType type, bool findable) {
  const TokenId id = size();
  arena_ += bytes;
  ends_.push_back(arena_.size());
  types_.push_back(type);
  if (arena_.size() > std::numeric_limits<std::uint32_t>::max()) return;  // no file is as large
  const std::uint64_t hash = hash_bytes(bytes);
  if (!findable || find(bytes, hash) != kNoToken) return;
  if (2 * ++num_findable_ > slots_.size()) grow();
  std::size_t i = hash & (slots_.size() - 1);
  while (slots_[i].id != kNoToken) i = (i + 1) & (slots_.size() - 1);
  slots_[i] = {static_cast<std::uint32_t>(hash >> 32), id,
               static_cast<std::uint32_t>(arena_.size() - bytes.size()),
               static_cast<std::uint32_t>(bytes.size())};
}

void Vocabulary::grow() {
  std::vector<Slot> old(2 * slots_.size());
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id == kNoToken) continue;
    std::size_t i = hash_bytes(bytes(slot.id)) & (slots_.size() - 1);
    while (slots_[i].id != kNoToken) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = slot;
  }
}

TokenId Vocabulary::find(std::string_view bytes, std::uint64_t hash) const {
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  for (std::size_t i = hash & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[i];
    if (slot.id == kNoToken) return kNoToken;
    if (slot.tag == tag && slot.size == bytes.size() &&
        equal(arena_.data() + slot.begin, bytes.data(), bytes.size()))
      return slot.id;
  }
}

bool has_space_inside(const Vocabulary& vocabulary) {
  for (TokenId t = 0; t < vocabulary.size(); ++t) {
    const TokenType type = vocabulary.type(t);
    if (type == TokenType::kControl || type == TokenType::kByte || type == TokenType::kUnknown)
      continue;
    const std::string_view bytes = vocabulary.bytes(t);
    const std::size_t word = bytes.find_first_not_of(' ');
    if (word != std::string_view::npos && bytes.find(' ', word) != std::string_view::npos)
      return true;
  }
  return false;
}

}  // namespace pronk
