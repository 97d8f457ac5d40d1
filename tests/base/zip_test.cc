#include "base/zip.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <string>
#include <vector>

#include "support.h"

namespace pronk {
namespace {

std::span<const std::byte> as_bytes(const std::string& s) { return std::as_bytes(std::span(s)); }

template <class T>
void put(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string deflate_raw(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct Member {
  std::string name, text;
  std::uint16_t method = ZipMember::kStored;
  std::uint16_t flags = 0;
  std::uint64_t claimed_size = 0;  // 0: the true one
};

// With zip64, sizes and offsets stand in the extra field and in the zip64 end record.
std::string make_zip(const std::vector<Member>& members, bool zip64 = false) {
  std::string out, directory;
  for (const Member& m : members) {
    const std::string data = m.method == ZipMember::kDeflated ? deflate_raw(m.text) : m.text;
    const auto crc = static_cast<std::uint32_t>(
        crc32_z(0, reinterpret_cast<const Bytef*>(m.text.data()), m.text.size()));
    const std::uint64_t size = m.claimed_size ? m.claimed_size : m.text.size();
    const std::uint64_t offset = out.size();
    std::string common;
    for (const int v : {20, int{m.flags}, int{m.method}, 0, 0})
      put(&common, static_cast<std::uint16_t>(v));
    put(&common, crc);
    std::string extra;
    if (zip64) {
      put<std::uint16_t>(&extra, 1), put<std::uint16_t>(&extra, 24);
      put(&extra, size), put<std::uint64_t>(&extra, data.size()), put(&extra, offset);
    }
    put(&common, zip64 ? ~0u : static_cast<std::uint32_t>(data.size()));
    put(&common, zip64 ? ~0u : static_cast<std::uint32_t>(size));
    put(&common, static_cast<std::uint16_t>(m.name.size()));
    out += "PK\3\4" + common;
    put<std::uint16_t>(&out, 0);
    out += m.name + data;
    directory += "PK\1\2";
    put<std::uint16_t>(&directory, 20);
    directory += common;
    put(&directory, static_cast<std::uint16_t>(extra.size()));
    directory += std::string(10, '\0');
    put(&directory, zip64 ? ~0u : static_cast<std::uint32_t>(offset));
    directory += m.name + extra;
  }
  const std::uint64_t at = out.size();
  out += directory;
  if (zip64) {
    const std::uint64_t record = out.size();
    out += "PK\6\6";
    put<std::uint64_t>(&out, 44), put<std::uint32_t>(&out, 0), put<std::uint64_t>(&out, 0);
    for (int i = 0; i < 2; ++i) put<std::uint64_t>(&out, members.size());
    put<std::uint64_t>(&out, directory.size()), put(&out, at);
    out += "PK\6\7";
    put<std::uint32_t>(&out, 0), put(&out, record), put<std::uint32_t>(&out, 1);
  }
  out += "PK\5\6" + std::string(4, '\0');
  for (int i = 0; i < 2; ++i)
    put(&out, zip64 ? std::uint16_t{0xffff} : static_cast<std::uint16_t>(members.size()));
  put(&out, zip64 ? ~0u : static_cast<std::uint32_t>(directory.size()));
  put(&out, zip64 ? ~0u : static_cast<std::uint32_t>(at));
  put<std::uint16_t>(&out, 0);
  return out;
}

const std::string kLong(100000, 'x');

TEST(Zip, ReadsStoredAndDeflatedMembers) {
  for (const bool zip64 : {false, true}) {
    const std::string bytes =
        make_zip({{"a/stored", "hello"}, {"deflated", kLong, ZipMember::kDeflated}}, zip64);
    const auto zip = ZipArchive::open(as_bytes(bytes));
    ASSERT_OK(zip);
    ASSERT_EQ(zip->members().size(), 2u);
    const ZipMember* stored = zip->find("a/stored");
    ASSERT_TRUE(stored);
    const auto in_place = zip->stored(*stored);
    ASSERT_OK(in_place);
    EXPECT_EQ(in_place->data(), as_bytes(bytes).data() + stored->data_offset);
    EXPECT_EQ(*zip->read(*stored, 100), "hello");
    EXPECT_EQ(*zip->read(*zip->find("deflated"), kLong.size()), kLong);
    EXPECT_FALSE(zip->stored(*zip->find("deflated")));
    EXPECT_EQ(zip->find("missing"), nullptr);
  }
}

TEST(Zip, RefusesMembersLongerThanTheLimit) {
  const std::string bytes = make_zip({{"bomb", kLong, ZipMember::kDeflated}});
  const auto zip = ZipArchive::open(as_bytes(bytes));
  ASSERT_OK(zip);
  const auto text = zip->read(zip->members()[0], 1000);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Code::kResourceExhausted);
}

TEST(Zip, StopsAtTheSizeThatTheDirectoryClaims) {
  const std::string bytes = make_zip(
      {{.name = "liar", .text = kLong, .method = ZipMember::kDeflated, .claimed_size = 10}});
  const auto zip = ZipArchive::open(as_bytes(bytes));
  ASSERT_OK(zip);
  const auto text = zip->read(zip->members()[0], 1u << 20);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Code::kCorruptData);
}

TEST(Zip, RefusesMembersThatShareBytes) {
  std::string bytes = make_zip({{"a", "0123456789"}, {"b", "0123456789"}});
  const std::size_t second = bytes.rfind("PK\1\2");
  bytes.replace(second + 42, 4, std::string(4, '\0'));  // b's data is a's
  const auto zip = ZipArchive::open(as_bytes(bytes));
  ASSERT_FALSE(zip);
  EXPECT_NE(zip.error().message.find("share bytes"), std::string::npos);
}

TEST(Zip, RefusesEncryptionAndOtherMethodsByName) {
  const auto encrypted =
      ZipArchive::open(as_bytes(make_zip({{.name = "a", .text = "x", .flags = 1}})));
  ASSERT_FALSE(encrypted);
  EXPECT_EQ(encrypted.error().code, Code::kUnsupported);
  const std::string bytes = make_zip({{.name = "a", .text = "x", .method = 14}});
  const auto lzma = ZipArchive::open(as_bytes(bytes));
  ASSERT_FALSE(lzma);
  EXPECT_NE(lzma.error().message.find("method 14"), std::string::npos);
}

TEST(Zip, NoticesChangedBytes) {
  std::string bytes = make_zip({{"a", "hello"}});
  bytes[bytes.find("hello")] = 'j';
  const auto zip = ZipArchive::open(as_bytes(bytes));
  ASSERT_OK(zip);
  const auto text = zip->read(zip->members()[0], 100);
  ASSERT_FALSE(text);
  EXPECT_NE(text.error().message.find("checksum"), std::string::npos);
}

TEST(Zip, SurvivesEveryTruncationAndHugeNumber) {
  for (const bool zip64 : {false, true}) {
    const std::string whole =
        make_zip({{"a", "hello"}, {"b", "hello hello", ZipMember::kDeflated}}, zip64);
    const auto try_all = [](const std::string& bytes) {
      const auto zip = ZipArchive::open(as_bytes(bytes));
      if (!zip) return false;
      for (const ZipMember& member : zip->members()) (void)zip->read(member, 1000).has_value();
      return true;
    };
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_FALSE(try_all(std::string(whole.data(), size))) << size;
    for (std::size_t at = 0; at + 8 <= whole.size(); ++at)
      for (const std::uint64_t value :
           {~std::uint64_t{0}, std::uint64_t{1} << 63, std::uint64_t{0x7fffffff}}) {
        std::string changed = whole;
        std::memcpy(&changed[at], &value, sizeof value);
        try_all(changed);
      }
  }
}

}  // namespace
}  // namespace pronk
