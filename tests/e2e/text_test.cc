// tokenize, detokenize, template, logits, run: what scripts rely on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "base/file.h"
#include "e2e/models.h"
#include "e2e/process.h"
#include "support.h"
#include "text/json.h"

namespace pronk::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// One line on stderr, as every error is.
void expect_error(const Outcome& outcome, int status, const std::string& part) {
  EXPECT_EQ(outcome.status, status) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("pronk: "));
  EXPECT_THAT(outcome.err, HasSubstr(part));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

class WithModel : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!usable_model()) GTEST_SKIP() << "needs models/tiny.gguf, or SmolLM2 by PRONK_SMOLLM2";
    model_ = usable_model()->string();
  }
  std::string model_;
};

TEST_F(WithModel, TokenizeAndDetokenizeAreInverses) {
  const std::string text = "Once upon a time, <|im_end|> \n\tdéjà vu 模型";
  const Outcome ids = run_pronk({"tokenize", model_, "--json"}, text);
  ASSERT_EQ(ids.status, 0) << ids.err;
  EXPECT_THAT(ids.err, IsEmpty());
  const Result<json::value> array = parse_json(ids.out);
  ASSERT_OK(array);
  ASSERT_TRUE(array->is_array());
  EXPECT_GT(array->get_array().size(), 5u);
  const Outcome bytes = run_pronk({"detokenize", model_}, ids.out);
  EXPECT_EQ(bytes.status, 0) << bytes.err;
  EXPECT_EQ(bytes.out, text);
  std::string spaced;
  for (const json::value& id : array->get_array()) spaced += json::serialize(id) + " ";
  EXPECT_EQ(run_pronk({"detokenize", model_}, spaced).out, text);
}

TEST(Tokenize, SaysWhatTheVocabularyLacks) {
  const std::filesystem::path path = scratch() / "tokenizer.json";
  ASSERT_OK(write_file(path, R"({"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},
                                 "model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]}})"));
  const Outcome ids = run_pronk({"tokenize", path.string(), "--json", "--quiet"},
                                "a\xff\xfe"
                                "b");
  EXPECT_EQ(ids.status, 0);
  EXPECT_EQ(ids.out, "[0, 1]\n");
  EXPECT_THAT(ids.err, StartsWith("2 of 4 bytes are left out"));
}

// The model, as a folder, with a vocabulary of four letters.
void make_few_tokens(const std::string& model, const std::string& folder) {
  ASSERT_EQ(run_pronk({"convert", model, folder, "-q"}).status, 0);
  ASSERT_OK(write_file(std::filesystem::path(folder) / "tokenizer.json",
                       R"({"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},
                           "model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"d":3},"merges":[]}})"));
}

TEST_F(WithModel, AChatSaysWhatTheVocabularyLacks) {
  const std::string folder = scratch() / "few-tokens-of-a-chat";
  make_few_tokens(model_, folder);
  Process chat({"run", folder, "-n", "1"},
               {.environment = {}, .stdout_path = "", .terminal = true});
  ASSERT_TRUE(chat.wait_for(">>> "));
  chat.type("/set system abx\r");
  EXPECT_TRUE(chat.wait_for("1 of 3 bytes are left out"));
  ASSERT_TRUE(chat.wait_for(">>> "));
  chat.type("axyz\r");
  EXPECT_TRUE(chat.wait_for("3 of 4 bytes are left out"));
  ASSERT_TRUE(chat.wait_for(">>> "));
  chat.type("/bye\r");
  EXPECT_EQ(chat.wait().status, 0);
}

TEST_F(WithModel, EveryReaderOfATextSaysWhatTheVocabularyLacks) {
  const std::string folder = scratch() / "few-tokens";
  make_few_tokens(model_, folder);
  const std::string text =
      "a\xff\xfe"
      "b";
  const std::string warning = "2 of 4 bytes are left out";
  const std::vector<std::string> run = {"run", folder, "-n", "1", "-q", "-p", text};
  const auto with = [](std::vector<std::string> args, const std::vector<std::string>& more) {
    args.insert(args.end(), more.begin(), more.end());
    return run_pronk(args);
  };
  EXPECT_THAT(with(run, {}).err, StartsWith(warning));
  EXPECT_THAT(with(run, {"--raw"}).err, StartsWith(warning));
  EXPECT_THAT(with(run, {"--system", "\xff"}).err, StartsWith("1 of 1 bytes"));
  const std::string out = scratch() / "logits.npy";
  EXPECT_THAT(run_pronk({"logits", folder, "-q", "--prompt", text, "--out", out}).err,
              StartsWith(warning));
}

TEST_F(WithModel, DetokenizeNamesWhatIsNoId) {
  expect_error(run_pronk({"detokenize", model_}, "1 two"), 2, "'two'");
  EXPECT_THAT(run_pronk({"detokenize", model_}, "999999999").err, HasSubstr("999999999"));
  EXPECT_NE(run_pronk({"detokenize", model_}, "999999999").status, 0);
}

TEST_F(WithModel, RawContinuationIsTheSameForAnyNumberOfThreads) {
  const std::vector<std::string> args = {
      "run", model_, "-p", "Once upon a time", "--raw", "-n", "12", "--temp", "0", "-q", "-t"};
  std::vector<std::string> one = args, two = args;
  one.push_back("1");
  two.push_back("2");
  const Outcome first = run_pronk(one), second = run_pronk(two);
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_THAT(first.err, IsEmpty()) << "--quiet";
  EXPECT_FALSE(first.out.empty());
  EXPECT_EQ(first.out, second.out);
  EXPECT_THAT(first.out, ::testing::Not(StartsWith("Once"))) << "the prompt is not repeated";
}

TEST_F(WithModel, SameSeedSameText) {
  const std::vector<std::string> args = {"run", model_,   "-p",  "The",    "--raw", "-n",
                                         "16",  "--temp", "1.5", "--seed", "7"};
  const Outcome first = run_pronk(args), second = run_pronk(args);
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_EQ(first.out, second.out);
}

TEST_F(WithModel, RawTextComesFromAPipeToo) {
  const std::vector<std::string> rest = {"--raw", "-n", "8", "--temp", "0"};
  std::vector<std::string> given = {"run", model_, "-p", "Once upon a time"},
                           piped = {"run", model_};
  given.insert(given.end(), rest.begin(), rest.end());
  piped.insert(piped.end(), rest.begin(), rest.end());
  EXPECT_EQ(run_pronk(given).out, run_pronk(piped, "Once upon a time").out);
}

TEST_F(WithModel, NothingToSayIsAUsageError) {
  expect_error(run_pronk({"run", model_}), 2, "no prompt");
}

TEST_F(WithModel, WrongSamplingIsSaidBeforeTheModelLoads) {
  expect_error(run_pronk({"run", model_, "hi", "--logit-bias", "x"}), 2, "--logit-bias 'x'");
  expect_error(run_pronk({"run", model_, "hi", "--date", "someday"}), 2, "--date 'someday'");
}

TEST_F(WithModel, AClosedPipeEndsItQuietly) {
  Process process({"run", model_, "-p", "Once", "--raw", "-n", "2000", "--ignore-eos", "-q"});
  process.close_input();
  process.close_output();
  const Outcome outcome = process.wait();
  EXPECT_EQ(outcome.status, 128 + SIGPIPE);
  EXPECT_THAT(outcome.err, IsEmpty());
}

TEST_F(WithModel, AClosedStdinIsEmpty) {
  const Setting closed = {.environment = {}, .stdout_path = {}, .closed_fd = STDIN_FILENO};
  const std::vector<std::string> args = {"run", model_, "-p",     "Once upon", "--raw",
                                         "-n",  "4",    "--temp", "0"};
  const Outcome outcome = run_pronk(args, "", closed);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, run_pronk(args).out);
  EXPECT_EQ(run_pronk({"tokenize", model_, "--json"}, "", closed).out, "[]\n");
}

TEST_F(WithModel, AFullDiskIsExitFive) {
  const Outcome outcome = run_pronk({"tokenize", model_, "--json"}, "hello",
                                    {.environment = {}, .stdout_path = "/dev/full"});
  expect_error(outcome, 5, "No space left");
}

TEST_F(WithModel, CtrlCStopsAReply) {
  Process process(
      {"run", model_, "-p", "Once upon", "--raw", "-n", "100000", "--ignore-eos", "--temp", "1"});
  process.close_input();
  ASSERT_TRUE(process.wait_for(" "));
  process.send(SIGINT);
  EXPECT_EQ(process.wait().status, 130);
}

TEST_F(WithModel, SigtermIsExit143) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer keeps a signal back while read() waits";
#endif
  Process process({"tokenize", model_});  // waits for stdin
  ::usleep(300'000);
  process.send(SIGTERM);
  EXPECT_EQ(process.wait().status, 143);
}

TEST_F(WithModel, LogitsAreANumpyMatrix) {
  const std::filesystem::path out = scratch() / "logits.npy";
  const Outcome outcome =
      run_pronk({"logits", model_, "--ids", "1,2,3", "--out", out.string(), "--precision", "fp32"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, IsEmpty());
  const Result<std::string> bytes = read_file(out);
  ASSERT_OK(bytes);
  EXPECT_THAT(*bytes, HasSubstr("'shape': (3, "));
  // The same from the safetensors file, and position 2 of a longer prompt.
  const std::filesystem::path other = scratch() / "logits.safetensors";
  ASSERT_EQ(run_pronk({"logits", model_, "--ids", "[1, 2, 3]", "-o", other.string(), "--precision",
                       "fp32"})
                .status,
            0);
  const Result<std::string> same = read_file(other);
  ASSERT_OK(same);
  const std::size_t num_bytes = bytes->size() / 2 / 4 * 4;
  EXPECT_EQ(bytes->substr(bytes->size() - num_bytes), same->substr(same->size() - num_bytes));
}

TEST_F(WithModel, TokensOfAStepAndThePrefixCacheChangeNoBit) {
  const std::filesystem::path out = scratch() / "steps.npy";
  const auto logits = [&](const char* max_batch_tokens) {
    const Outcome outcome =
        run_pronk({"logits", model_, "-p", "Once upon a time, there was a little girl", "-o",
                   out.string(), "--max-batch-tokens", max_batch_tokens});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    const Result<std::string> bytes = read_file(out);
    EXPECT_OK(bytes);
    return bytes ? *bytes : std::string();
  };
  const std::string whole = logits("512");
  EXPECT_EQ(logits("1"), whole);
  EXPECT_EQ(logits("7"), whole);

  std::vector<std::string> args = {
      "run", model_,   "-p", "Once upon a time, there was a little girl", "--raw", "-n",
      "20",  "--temp", "0"};
  const Outcome plain = run_pronk(args);
  args.insert(args.end(), {"--max-batch-tokens", "3", "--no-prefix-cache"});
  const Outcome in_threes = run_pronk(args);
  EXPECT_EQ(in_threes.status, 0) << in_threes.err;
  EXPECT_EQ(in_threes.out, plain.out);
  args.insert(args.end(), {"--speculate", "ngram"});
  EXPECT_EQ(run_pronk(args).out, plain.out);
  args.back() = model_;  // guesses for itself
  const Outcome drafted = run_pronk(args);
  EXPECT_EQ(drafted.out, plain.out) << drafted.err;
  args.back() = "no-such-model";
  expect_error(run_pronk(args), 4, "speculate: ");
  expect_error(run_pronk({"run", model_, "hi", "--max-batch-tokens", "0"}), 2,
               "--max-batch-tokens");
}

TEST_F(WithModel, LogitsRefuseUnknownIdsAndLeaveNoFile) {
  const std::filesystem::path folder = scratch() / "refused";
  std::filesystem::create_directories(folder);
  expect_error(
      run_pronk({"logits", model_, "--ids", "1,99999999", "--out", (folder / "a.npy").string()}), 2,
      "99999999");
  expect_error(run_pronk({"logits", model_, "--out", (folder / "a.npy").string()}), 2, "--ids");
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(WithModel, AContextThatIsTooLargeIsRefused) {
  const Outcome outcome =
      run_pronk({"run", model_, "-p", "a", "--raw", "-n", "1", "-c", "2000000000"});
  EXPECT_TRUE(outcome.status == 5 || outcome.status == 2) << outcome.status;
  EXPECT_THAT(outcome.err, HasSubstr("pronk: "));
  EXPECT_THAT(outcome.err, HasSubstr("context"));
}

TEST_F(WithModel, TruncatedFilesAreCorrupt) {
  const Result<std::string> whole = read_file(model_, std::size_t{1} << 30);
  ASSERT_OK(whole);
  const std::filesystem::path cut = scratch() / "cut.gguf";
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{3}, std::size_t{100}, whole->size() / 2, whole->size() - 1}) {
    ASSERT_OK(write_file(cut, std::string_view(*whole).substr(0, size)));
    const Outcome outcome = run_pronk({"run", cut.string(), "-p", "a", "--raw", "-n", "1"});
    EXPECT_GT(outcome.status, 0) << size;
    EXPECT_LT(outcome.status, 128) << size << ": " << outcome.err;
    EXPECT_THAT(outcome.err, StartsWith("pronk: ")) << size;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
}

TEST_F(WithModel, BenchPrintsOneObject) {
  const Outcome outcome = run_pronk({"bench", model_, "-p", "8", "-n", "4", "-t", "2", "-b", "2",
                                     "-r", "1", "--json", "--max-batch-tokens", "3"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Result<json::value> object = parse_json(outcome.out);
  ASSERT_OK(object);
  for (const char* key : {"prefill_tps", "decode_tps", "first_token_ms", "load_ms", "peak_bytes",
                          "isa", "threads", "prefill_percent_of_limit", "decode_percent_of_limit",
                          "prefill_limited_by", "decode_limited_by", "model", "commit"})
    EXPECT_NE(find(*object, key), nullptr) << key;
  for (const char* key : {"decode_tps", "prefill_percent_of_limit", "decode_percent_of_limit",
                          "prefill_ops_per_s", "decode_bytes_per_s"})
    EXPECT_GT(find(*object, key)->to_number<double>(), 0) << key;
  EXPECT_EQ(find(*object, "max_batch_tokens")->to_number<int>(), 3);
}

TEST_F(WithModel, BenchTimesSpeculationOnATextOfOnesOwn) {
  const std::string text = (scratch() / "list.txt").string();
  std::ofstream(text) << "one two three, one two three, one two three,";
  for (const std::string& drafter : {std::string("ngram"), model_}) {
    const Outcome outcome = run_pronk({"bench", model_, "--prompt-file", text, "-n", "30", "-r",
                                       "1", "--json", "--speculate", drafter});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const Result<json::value> object = parse_json(outcome.out);
    ASSERT_OK(object);
    EXPECT_GT(find(*object, "prompt_tokens")->to_number<int>(), 5);
    const json::value* speculation = find(*object, "speculation");
    ASSERT_NE(speculation, nullptr);
    EXPECT_GT(find(*speculation, "plain_decode_tps")->to_number<double>(), 0);
    EXPECT_GT(find(*speculation, "gain")->to_number<double>(), 0);
  }
  EXPECT_NE(run_pronk({"bench", model_, "--prompt-file", text + ".not"}).status, 0);
}

TEST_F(WithModel, PlanSaysWhatFits) {
  const Outcome outcome = run_pronk({"plan", model_, "--json", "-c", "64"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Result<json::value> object = parse_json(outcome.out);
  ASSERT_OK(object);
  EXPECT_EQ(find(*object, "fits")->as_bool(), true);
  EXPECT_EQ(find(*object, "context")->to_number<int>(), 64);
  const Outcome lines = run_pronk({"plan", model_, "-c", "64"});
  EXPECT_THAT(lines.out, HasSubstr("tokens/s for the first 256"));
  EXPECT_THAT(lines.out, HasSubstr("tokens/s at the end of 64 tokens of context"));
}

TEST_F(WithModel, ConvertKeepsTheReply) {
  const std::filesystem::path out = scratch() / "converted.gguf";
  const Outcome converted = run_pronk({"convert", model_, out.string()});
  ASSERT_EQ(converted.status, 0) << converted.err;
  const std::vector<std::string> rest = {"-p",     "Once upon", "--raw",       "-n",  "8",
                                         "--temp", "0",         "--precision", "fp32"};
  std::vector<std::string> before = {"run", model_}, after = {"run", out.string()};
  before.insert(before.end(), rest.begin(), rest.end());
  after.insert(after.end(), rest.begin(), rest.end());
  EXPECT_EQ(run_pronk(before).out, run_pronk(after).out);
  expect_error(run_pronk({"convert", model_, (scratch() / "x.gguf").string(), "--type", "Q9"}), 2,
               "'Q9'");
}

TEST_F(WithModel, APackedFileStandsForItsModel) {
  const std::string out = (scratch() / "model.pronk").string();
  const Outcome packed = run_pronk({"pack", model_, out});
  ASSERT_EQ(packed.status, 0) << packed.err;
  const auto same_output = [&](std::vector<std::string> args, const std::string& input = "") {
    args.insert(args.begin() + 1, model_);
    const Outcome before = run_pronk(args, input);
    args[1] = out;
    const Outcome after = run_pronk(args, input);
    EXPECT_EQ(before.status, 0) << before.err;
    EXPECT_EQ(after.status, 0) << after.err;
    EXPECT_EQ(before.out, after.out) << args[0];
  };
  for (const char* precision : {"fast", "high", "fp32"})
    same_output(
        {"run", "-p", "Once upon", "--raw", "-n", "8", "--seed", "1", "--precision", precision});
  same_output({"run", "-p", "Once upon", "--raw", "-n", "8", "--seed", "1", "--check"});
  same_output({"tokenize", "--json"}, "Hello <|im_end|> there");
  same_output({"detokenize"}, "3 1 4");
  EXPECT_EQ(run_pronk({"bench", out, "-p", "4", "-n", "2", "-r", "1", "--json"}).status, 0);
  EXPECT_EQ(run_pronk({"plan", out, "--json"}).status, 0);
  const Outcome shown = run_pronk({"show", out, "--json"});
  EXPECT_THAT(shown.out, HasSubstr("pronk packed v1"));
  expect_error(run_pronk({"pack", model_, out}), 2, "exists");
}

TEST_F(WithModel, ACutPackedFileIsExitSeven) {
  const std::filesystem::path out = scratch() / "cut.pronk";
  ASSERT_EQ(run_pronk({"pack", model_, out.string()}).status, 0);
  std::filesystem::resize_file(out, std::filesystem::file_size(out) - 1);
  expect_error(run_pronk({"show", out.string()}), 7, "cut short");
  expect_error(run_pronk({"run", out.string(), "text"}), 7, "cut short");
}

// The weights vanish under the reply: an error, no crash, and no more text.
TEST_F(WithModel, APackedFileCutUnderAReplyIsExitSeven) {
  const std::filesystem::path out = scratch() / "vanishing.pronk";
  ASSERT_EQ(run_pronk({"pack", model_, out.string()}).status, 0);
  Process process({"run", out.string(), "-p", "Once upon a time", "--raw", "-n", "1000000",
                   "--ignore-eos", "--temp", "0"});
  ASSERT_TRUE(process.wait_for(" "));
  std::filesystem::resize_file(out, 8192);
  const Outcome outcome = process.wait();
  EXPECT_EQ(outcome.status, 7) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("was changed while it was in use"));
}

TEST_F(WithModel, ShowIsOneObject) {
  const Outcome outcome = run_pronk({"show", model_, "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Result<json::value> object = parse_json(outcome.out);
  ASSERT_OK(object);
  EXPECT_GT(find(*object, "parameters")->to_number<std::int64_t>(), 0);
  EXPECT_EQ(find(*object, "config")->at("num_heads").to_number<int>() %
                find(*object, "config")->at("num_kv_heads").to_number<int>(),
            0);
}

// Real models, where they are.

TEST(Stories260K, RawTextBeginsWithBosAsItsFileSays) {
  PRONK_NEEDS_SHARED(folder, "models/stories260K");
  for (const char* name : {"stories260K.gguf", "stories260K.bin"}) {
    const std::string model = (folder / name).string();
    const std::vector<std::string> args = {"run", model,    "-p", "Once upon a time", "--raw", "-n",
                                           "20",  "--temp", "0",  "--precision",      "fp32"};
    EXPECT_THAT(run_pronk(args).out, StartsWith(", there was a little girl named Lily.")) << name;
    const std::filesystem::path out = scratch() / "stories.npy";
    ASSERT_EQ(run_pronk({"logits", model, "-p", "Once upon a time", "-o", out.string()}).status, 0);
    const Result<std::string> bytes = read_file(out);
    ASSERT_OK(bytes);
    EXPECT_THAT(*bytes, HasSubstr("'shape': (5, 512)")) << "four tokens and BOS";
  }
}

TEST(SmolLM2, AnswersAndTakesAPipeBeforeThePrompt) {
  const char* model = std::getenv("PRONK_SMOLLM2");
  if (!model) GTEST_SKIP() << "needs PRONK_SMOLLM2, the path of SmolLM2-135M-Instruct.Q4_1.gguf";
  const Outcome answer = run_pronk({"run", model, "--temp", "0", "What is the capital of France?"});
  EXPECT_EQ(answer.status, 0) << answer.err;
  EXPECT_EQ(answer.out, "The capital of France is Paris.\n");
  const Outcome piped =
      run_pronk({"run", model, "--temp", "0", "-n", "16"}, "What is the capital of France?\n");
  EXPECT_EQ(piped.out, answer.out);
  const Outcome both = run_pronk(
      {"run", model, "--temp", "0", "-n", "24", "capital", "of", "France?"}, "What is the\n");
  EXPECT_THAT(both.out, HasSubstr("Paris"));
}

// The chat at a terminal.

TEST_F(WithModel, ChatAnswersObeysAndLeaves) {
  Process chat({"run", model_, "-n", "8", "--temp", "0", "--verbose"},
               {.environment = {}, .stdout_path = "", .terminal = true});
  ASSERT_TRUE(chat.wait_for(">>> "));
  chat.type("Hello\r");
  ASSERT_TRUE(chat.wait_for("prompt tokens")) << "the timings end the reply";
  ASSERT_TRUE(chat.wait_for("% of the "));
  ASSERT_TRUE(chat.wait_for(">>> "));
  chat.type("/set temp 3x\r");
  ASSERT_TRUE(chat.wait_for("needs a number"));
  chat.type("/set threads 1\r");
  ASSERT_TRUE(chat.wait_for("/set threads: settled when the chat began"));
  chat.type("/set system Be brief.\r");
  ASSERT_TRUE(chat.wait_for(">>> "));
  chat.type("/show system\r");
  ASSERT_TRUE(chat.wait_for("Be brief."));
  ASSERT_TRUE(chat.wait_for("Be brief."));
  chat.type("/save mine\r");
  ASSERT_TRUE(chat.wait_for("saved as"));
  chat.type("/clear\r");
  ASSERT_TRUE(chat.wait_for("forgotten"));
  chat.type("/load mine\r");
  ASSERT_TRUE(chat.wait_for("2 messages are back"));
  chat.type("/stow\r");
  ASSERT_TRUE(chat.wait_for("did you mean '/show'"));
  chat.type("\"\"\"one\r");
  ASSERT_TRUE(chat.wait_for("... "));
  chat.type("two\"\"\"\r");
  ASSERT_TRUE(chat.wait_for("prompt tokens"));
  chat.type("/show messages\r");
  ASSERT_TRUE(chat.wait_for("user: one\r\ntwo"));
  chat.type("/bye\r");
  EXPECT_EQ(chat.wait().status, 0);
  const std::filesystem::path history = scratch() / "home/.local/state/pronk/history";
  ASSERT_TRUE(std::filesystem::exists(history));
  EXPECT_EQ(std::filesystem::status(history).permissions() & std::filesystem::perms::all,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(WithModel, CtrlCStopsTheReplyAndTwiceLeaves) {
  // As slowly as it can: the small model fills its context in 0.05 s otherwise.
  Process chat(
      {"run", model_, "--ignore-eos", "--temp", "1", "--precision", "fp32", "-t", "1", "--verbose"},
      {.environment = {{"PRONK_ISA", "scalar"}}, .stdout_path = "", .terminal = true});
  ASSERT_TRUE(chat.wait_for(">>> "));
  chat.type("Tell me a long story\r");
  ASSERT_TRUE(chat.wait_for("story"));
  ::usleep(100'000);
  chat.type("\x03");
  ASSERT_TRUE(chat.wait_for("prompt tokens"));
  ASSERT_TRUE(chat.wait_for(">>> "));
  chat.type("\x03");
  ASSERT_TRUE(chat.wait_for("Ctrl-C again"));
  chat.type("\x03");
  EXPECT_EQ(chat.wait().status, 130);
}

TEST_F(WithModel, CtrlDLeaves) {
  Process chat({"run", model_}, {.environment = {}, .stdout_path = "", .terminal = true});
  ASSERT_TRUE(chat.wait_for(">>> "));
  chat.type("\x04");
  EXPECT_EQ(chat.wait().status, 0);
}

TEST_F(WithModel, ADumbTerminalWillDo) {
  Process chat({"run", model_, "-n", "2", "--verbose"},
               {.environment = {{"TERM", "dumb"}}, .stdout_path = "", .terminal = true});
  ASSERT_TRUE(chat.wait_for(">>> "));
  chat.type("Hello\n");
  ASSERT_TRUE(chat.wait_for("prompt tokens"));
  chat.type("/bye\n");
  const Outcome outcome = chat.wait();
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos) << "no escape sequences";
}

// Templates need no weights.

std::string jinja_file(const std::string& text) {
  const std::filesystem::path path = scratch() / "t.jinja";
  EXPECT_OK(write_file(path, text));
  return path.string();
}

TEST(Template, RendersTheRequestExactly) {
  const std::string file = jinja_file(
      "{% for m in messages %}<{{ m.role }}>{{ m['content'] | trim }}\n{% endfor %}{{ bos_token "
      "}}");
  const Outcome outcome =
      run_pronk({"template", file, "--json"},
                R"({"messages": [{"role": "user", "content": " hé "}], "bos_token": "<s>"})");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "<user>hé\n<s>");
}

TEST(Template, ARaiseIsExitOneWithItsMessage) {
  const Outcome outcome = run_pronk(
      {"template", jinja_file("{{ raise_exception('roles must alternate') }}"), "--json"}, "{}");
  expect_error(outcome, 1, "roles must alternate");
  EXPECT_THAT(outcome.out, IsEmpty());
}

TEST(Template, ARequestThatIsNoObjectIsRefused) {
  expect_error(run_pronk({"template", jinja_file("x"), "--json"}, "[1]"), 2, "JSON object");
  expect_error(run_pronk({"template", jinja_file("x"), "--json"}, "{"), 2, "line 1");
}

TEST(Template, DatesAreThatOfTheFlag) {
  const Outcome outcome = run_pronk(
      {"template", jinja_file("{{ strftime_now('%d %b %Y') }}"), "--json", "--date", "2024-07-26"},
      "{}");
  EXPECT_EQ(outcome.out, "26 Jul 2024") << outcome.err;
}

TEST(Template, ADayThatTheMonthLacksIsRefused) {
  const std::string file = jinja_file("{{ strftime_now('%d %b %Y') }}");
  const auto dated = [&](const char* date) {
    return run_pronk({"template", file, "--json", "--date", date}, "{}");
  };
  EXPECT_EQ(dated("2024-02-29").out, "29 Feb 2024");
  EXPECT_EQ(dated("31 Dec 2024").out, "31 Dec 2024");
  for (const char* date : {"2024-02-30", "2023-02-29", "31 Apr 2024", "2024-13-01"})
    expect_error(dated(date), 2, std::string("--date '") + date + "'");
}

}  // namespace
}  // namespace pronk::e2e
