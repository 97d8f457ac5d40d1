#include "hub/download.h"

#include <gmock/gmock.h>

#include <atomic>
#include <set>

#include "hub/fixture.h"
#include "support.h"

namespace pronk::hub {
namespace {

using testing::HasSubstr;

class DownloadTest : public HubTest {
 protected:
  Download file(const std::string& path) {
    return {.what = "f.bin",
            .url = server_.url(path),
            .headers = {},
            .path = folder_ / "f.bin",
            .size = -1,
            .digest = {}};
  }
  static DownloadOptions options(std::int64_t chunk_size = 64 << 10) {
    DownloadOptions o;
    o.http = quick();
    o.chunk_size = chunk_size;
    return o;
  }
  bool is_there() const { return std::filesystem::exists(folder_ / "f.bin"); }
  std::string bytes() const { return read_text(folder_ / "f.bin"); }
};

TEST_F(DownloadTest, FetchesPartsOverSeveralConnections) {
  const std::string body = random_bytes(1'000'003);
  server_.page("/f").body = body;
  server_.page("/f").delay_ms = 1;
  Download wanted = file("/f");
  wanted.size = static_cast<std::int64_t>(body.size());
  wanted.digest = sha256_digest(sha256_hex(body));
  std::set<std::int64_t> seen;
  DownloadOptions o = options();
  o.progress = [&](const Progress& p) { seen.insert(p.done); };
  const auto result = download(wanted, o);
  ASSERT_OK(result);
  EXPECT_EQ(bytes(), body);
  EXPECT_EQ(result->sha256, sha256_hex(body));
  EXPECT_EQ(server_.requests().size(), (body.size() + (64 << 10) - 1) / (64 << 10));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "f.bin.part"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "f.bin.state"));
  EXPECT_GE(seen.size(), 1u);
}

TEST_F(DownloadTest, TakesFilesOfEverySizeAroundAChunk) {
  for (const std::size_t size : {0u, 1u, 99u, 100u, 101u, 200u, 250u}) {
    const std::string body = random_bytes(size, size);
    server_.page("/f").body = body;
    Download wanted = file("/f");
    for (const std::int64_t announced : {std::int64_t{-1}, static_cast<std::int64_t>(size)}) {
      wanted.size = announced;
      const auto result = download(wanted, options(100));
      ASSERT_TRUE(result.has_value()) << size << ": " << result.error().message;
      EXPECT_EQ(bytes(), body) << size;
    }
  }
}

TEST_F(DownloadTest, WorksWithServersThatServeNoRanges) {
  for (const std::size_t size : {0u, 1u, 52u, 16'384u, 300'000u}) {  // in one piece, and in several
    const std::string body = random_bytes(size);
    server_.page("/f").body = body;
    server_.page("/f").ranges = false;
    Download wanted = file("/f");
    for (const std::int64_t announced : {std::int64_t{-1}, static_cast<std::int64_t>(size)}) {
      wanted.size = announced;
      ASSERT_OK(download(wanted, options()));
      EXPECT_EQ(bytes(), body) << size;
    }
  }
}

TEST_F(DownloadTest, GoesOnWhereItWasStopped) {
  const std::string body = random_bytes(2'000'000);
  server_.page("/f").body = body;
  server_.page("/f").delay_ms = 5;
  Download wanted = file("/f");
  wanted.digest = sha256_digest(sha256_hex(body));
  DownloadOptions o = options();
  o.http.cancelled = [&] { return server_.bytes_sent() > 1'000'000; };
  const auto stopped = download(wanted, o);
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, Code::kCancelled);
  EXPECT_FALSE(is_there());
  ASSERT_TRUE(std::filesystem::exists(folder_ / "f.bin.state"));

  const std::int64_t sent_before = server_.bytes_sent();
  server_.page("/f").delay_ms = 0;
  ASSERT_OK(download(wanted, options()));
  EXPECT_EQ(bytes(), body);
  EXPECT_LT(server_.bytes_sent() - sent_before, 1'600'000) << "it fetched again what it had";
}

TEST_F(DownloadTest, BeginsAnewWhenTheFileChangedMeanwhile) {
  server_.page("/f").body = random_bytes(500'000, 1);
  server_.page("/f").delay_ms = 5;
  DownloadOptions o = options();
  o.http.cancelled = [&] { return server_.bytes_sent() > 200'000; };
  ASSERT_FALSE(download(file("/f"), o).has_value());
  const std::string now = random_bytes(500'000, 2);
  server_.page("/f").body = now;
  server_.page("/f").etag = "\"v2\"";
  ASSERT_OK(download(file("/f"), options()));
  EXPECT_EQ(bytes(), now);
}

TEST_F(DownloadTest, IgnoresADamagedState) {
  const std::string body = random_bytes(200'000);
  server_.page("/f").body = body;
  for (const char* state :
       {"", "{", "[]", R"({"identity":"x","size":-1,"chunk_size":0,"done":""})",
        R"({"identity":"x","size":9223372036854775807,"chunk_size":1,"done":"1"})"}) {
    write_text(folder_ / "f.bin.part", "garbage");
    write_text(folder_ / "f.bin.state", state);
    ASSERT_OK(download(file("/f"), options()));
    EXPECT_EQ(bytes(), body);
  }
}

TEST_F(DownloadTest, RefusesADigestThatDiffersAndKeepsNothing) {
  server_.page("/f").body = random_bytes(100'000);
  Download wanted = file("/f");
  wanted.digest = sha256_digest(std::string(64, 'a'));
  const auto result = download(wanted, options());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::kCorruptData);
  EXPECT_THAT(result.error().message, HasSubstr("sha-256"));
  EXPECT_FALSE(is_there());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "f.bin.part"));
}

TEST_F(DownloadTest, ChecksGitHashesOfSmallFiles) {
  server_.page("/f").body = "hello\n";  // git hash-object: ce013625030ba8dba906f756967f9e9ca394464a
  Download wanted = file("/f");
  wanted.digest = git_blob_digest("ce013625030ba8dba906f756967f9e9ca394464a");
  ASSERT_OK(download(wanted, options()));
  wanted.digest = git_blob_digest("ce013625030ba8dba906f756967f9e9ca394464b");
  EXPECT_FALSE(download(wanted, options()).has_value());
}

TEST_F(DownloadTest, RefusesAnotherSizeThanAnnounced) {
  server_.page("/f").body = random_bytes(1000);
  for (const bool ranges : {true, false})
    for (const std::int64_t announced : {999, 1001}) {
      server_.page("/f").ranges = ranges;
      Download wanted = file("/f");
      wanted.size = announced;
      const auto result = download(wanted, options());
      ASSERT_FALSE(result.has_value()) << ranges << announced;
      EXPECT_THAT(result.error().message, HasSubstr("announced"));
      EXPECT_FALSE(is_there());
    }
}

TEST_F(DownloadTest, OutlivesConnectionsThatBreak) {
  const std::string body = random_bytes(400'000);
  for (const bool ranges : {true, false}) {
    TestPage& page = server_.page("/f");
    page.body = body;
    page.ranges = ranges;
    page.drop_after = 30'000;
    page.num_drops = 3;
    ASSERT_OK(download(file("/f"), options()));
    EXPECT_EQ(bytes(), body);
  }
}

TEST_F(DownloadTest, GivesUpOnAServerThatAlwaysBreaksOff) {
  TestPage& page = server_.page("/f");
  page.body = random_bytes(400'000);
  page.ranges = false;
  page.drop_after = 1000;
  const auto result = download(file("/f"), options());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::kNetwork);
  EXPECT_FALSE(is_there());
}

TEST_F(DownloadTest, TriesAgainAfter429And503) {
  TestPage& page = server_.page("/f");
  page.body = random_bytes(1000);
  page.num_failures = 3;
  page.failure_status = 429;
  ASSERT_OK(download(file("/f"), options()));
  page.num_failures = 100;
  page.failure_status = 503;
  const auto result = download(file("/f"), options());
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("503"));
}

TEST_F(DownloadTest, TellsMissingFromRefused) {
  const auto missing = download(file("/nothing"), options());
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  server_.page("/secret").body = "x";
  server_.page("/secret").needs_token = "t";
  const auto refused = download(file("/secret"), options());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kNetwork);
  EXPECT_THAT(refused.error().message, HasSubstr("401"));
}

TEST_F(DownloadTest, GivesUpOnAStalledServer) {
  TestPage& page = server_.page("/f");
  page.body = random_bytes(1000);
  page.stall = true;
  DownloadOptions o = options();
  o.http.num_attempts = 1;
  const auto result = download(file("/f"), o);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::kNetwork);
}

TEST_F(DownloadTest, StopsAStalledTransferWhenCancelled) {
  TestPage& page = server_.page("/f");
  page.body = random_bytes(1000);
  page.stall = true;
  DownloadOptions o = options();
  o.http.stall_timeout_s = 60;
  o.http.cancelled = [&] { return !server_.requests().empty(); };
  const auto result = download(file("/f"), o);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::kCancelled);
}

TEST_F(DownloadTest, FollowsRedirectsButOnlyToHttp) {
  server_.page("/target").body = "found";
  TestPage& page = server_.page("/f");
  page.status = 302;
  page.headers = {"Location: " + server_.url("/target")};
  ASSERT_OK(download(file("/f"), options()));
  EXPECT_EQ(bytes(), "found");
  for (const char* target : {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"}) {
    std::filesystem::remove(folder_ / "f.bin");
    page.headers = {std::string("Location: ") + target};
    const auto result = download(file("/f"), options());
    ASSERT_FALSE(result.has_value()) << target;
    EXPECT_FALSE(is_there());
  }
}

TEST_F(DownloadTest, EndsARedirectLoop) {
  TestPage& page = server_.page("/f");
  page.status = 302;
  page.headers = {"Location: /f"};
  const auto result = download(file("/f"), options());
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("redirects"));
}

TEST_F(DownloadTest, RefusesHeadersWithoutEnd) {
  TestPage& page = server_.page("/f");
  page.body = "x";
  page.headers.assign(500, "X-Filler: " + std::string(1000, 'x'));
  const auto result = download(file("/f"), options());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::kNetwork);
}

}  // namespace
}  // namespace pronk::hub
