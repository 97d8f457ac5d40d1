// Broken and lying files: an error that names what is wrong, never a crash.
#include <gmock/gmock.h>

#include <chrono>

#include "tokenizer_sources.h"

namespace pronk {
namespace {

using testing::HasSubstr;
using Kind = TokenizerSource::Kind;

// Whatever a cut leaves is refused or is a tokenizer that works.
void expect_cuts_are_survived(const TokenizerSource& whole, std::size_t step = 1) {
  for (std::size_t size = 0; size < whole.bytes.size(); size += step) {
    const auto t = Tokenizer::from_source(source_of(whole.kind, whole.bytes.substr(0, size)));
    if (t) {
      EXPECT_OK(t->decode(t->encode("free and equal 12 人")));
    } else {
      EXPECT_FALSE(t.error().message.empty());
      EXPECT_EQ(t.error().message.find('\n'), std::string::npos);
    }
  }
}

TEST(Hostile, TruncatedAtEveryByte) {
  for (const char* name : {"bpe.model", "unigram.model", "llama3.tiktoken"})
    expect_cuts_are_survived(data_source(name));
  for (const char* name : {"llama3.json", "smollm.json", "metaspace.json"})
    expect_cuts_are_survived(data_source(name), 7);
}

TEST(Hostile, ChangedBytesAreSurvived) {
  for (const char* name : {"bpe.model", "unigram.model", "llama3.tiktoken", "smollm.json"}) {
    const TokenizerSource whole = data_source(name);
    for (std::size_t i = 0; i < whole.bytes.size(); i += 11) {
      TokenizerSource broken = whole;
      broken.bytes[i] = static_cast<char>(broken.bytes[i] ^ (1 << i % 8));
      if (const auto t = Tokenizer::from_source(broken)) (void)t->encode("free == the 12");
    }
  }
}

std::string tiktoken_of(const std::string& from, const std::string& to) {
  std::string bytes = data_source("llama3.tiktoken").bytes;
  return bytes.replace(bytes.find(from), from.size(), to);
}

TEST(Hostile, TiktokenFilesNameTheLine) {
  const auto message = [](const std::string& bytes) {
    return error_of(source_of(Kind::kTiktoken, bytes), Code::kCorruptData);
  };
  EXPECT_THAT(message(""), HasSubstr("0 tokens"));
  EXPECT_THAT(message("IQ== 0\nIg== 0\n"), HasSubstr("line 2: rank 0 a second time"));
  EXPECT_THAT(message("IQ== 0\nIQ== 1\n"), HasSubstr("ranks 0 and 1 have the same bytes"));
  EXPECT_THAT(message("IQ== 1\n"), HasSubstr("leaves a gap"));
  EXPECT_THAT(message("IQ== 99999999999999999999\n"), HasSubstr("no number"));
  EXPECT_THAT(message("I?== 0\n"), HasSubstr("not base64"));
  EXPECT_THAT(message("IQ==0\n"), HasSubstr("no space"));
  EXPECT_THAT(message("IQ== 0\n"), HasSubstr("no token for the byte 0x00"));
  EXPECT_THAT(message(tiktoken_of("IQ== 0\n", std::string(8000, 'A') + " 0\n")),
              HasSubstr("the limit is 512"));
}

TEST(Hostile, GgufListsMustAgree) {
  const auto broken = [](auto change) {
    TokenizerSource source = gguf_bytes("smollm");
    change(source);
    return error_of(source, Code::kCorruptData);
  };
  EXPECT_THAT(broken([](auto& s) { s.tokens.clear(); }), HasSubstr("0 tokens"));
  EXPECT_THAT(broken([](auto& s) { s.token_types.pop_back(); }), HasSubstr("types for"));
  EXPECT_THAT(broken([](auto& s) { s.scores = {1}; }), HasSubstr("1 scores for"));
  EXPECT_THAT(broken([](auto& s) { s.token_types[3] = 77; }), HasSubstr("token 3 has type 77"));
  EXPECT_THAT(broken([](auto& s) { s.merges.push_back("ab"); }), HasSubstr("merge 4 'ab'"));
  EXPECT_THAT(broken([](auto& s) { s.merges.push_back("x y"); }), HasSubstr("not in"));
  EXPECT_THAT(broken([](auto& s) { s.merges.push_back("東 y"); }), HasSubstr("no byte"));
}

TEST(Hostile, UnknownGgufKindsAreNamed) {
  TokenizerSource source = gguf_bytes("smollm");
  source.gguf_pre = "klingon";
  EXPECT_THAT(error_of(source, Code::kUnsupported), HasSubstr("'klingon'"));
  EXPECT_THAT(error_of(source, Code::kUnsupported), HasSubstr("llama-bpe"));
  source.gguf_model = "bert";
  EXPECT_THAT(error_of(source, Code::kUnsupported), HasSubstr("'bert'"));
}

std::string json_with(const std::string& from, const std::string& to) {
  std::string bytes = data_source("smollm.json").bytes;
  const std::size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return bytes.replace(at, from.size(), to);
}

TEST(Hostile, UnknownJsonComponentsAreNamed) {
  const auto message = [](const std::string& from, const std::string& to) {
    return error_of(source_of(Kind::kHuggingFaceJson, json_with(from, to)), Code::kUnsupported);
  };
  EXPECT_THAT(message("\"normalizer\":null", "\"normalizer\":{\"type\":\"Lowercase\"}"),
              HasSubstr("normalizer 'Lowercase'"));
  EXPECT_THAT(message("\"type\":\"Digits\"", "\"type\":\"UnicodeScripts\""),
              HasSubstr("pre_tokenizer 'UnicodeScripts'"));
  EXPECT_THAT(message("\"type\":\"BPE\"", "\"type\":\"WordPiece\""), HasSubstr("'WordPiece'"));
  EXPECT_THAT(message("\"end_of_word_suffix\":null", "\"end_of_word_suffix\":\"</w>\""),
              HasSubstr("'</w>'"));
  EXPECT_THAT(message("\"dropout\":null", "\"dropout\":0.5"), HasSubstr("dropout"));
}

TEST(Hostile, LyingJsonIsRefused) {
  const auto message = [](const std::string& bytes) {
    return error_of(source_of(Kind::kHuggingFaceJson, bytes), Code::kCorruptData);
  };
  EXPECT_THAT(message("{}"), HasSubstr("tokenizer.json"));
  EXPECT_THAT(message("[1,2"), HasSubstr("line 1"));
  EXPECT_THAT(message(json_with("\"!\":3", "\"!\":4")), HasSubstr("same id 4"));
  EXPECT_THAT(message(json_with("\"!\":3", "\"!\":4000000000")), HasSubstr("4000000000"));
  EXPECT_THAT(message(json_with("\"!\":3", "\"!\":-3")), HasSubstr("-3"));
  EXPECT_THAT(message(json_with("\"!\":3", "\"!\":\"3\"")), HasSubstr("the id \"3\""));
  EXPECT_THAT(message(json_with("\"merges\":[", "\"merges\":[[\"q\"],")), HasSubstr("merge 0"));
  EXPECT_THAT(message(json_with("\"merges\":[", "\"merges\":[\"q qqq\",")),
              HasSubstr("not in the vocabulary"));
}

TEST(Hostile, SentencePieceNeedsItsUnknownToken) {
  // ModelProto { pieces { piece: "a" } }
  const std::string model(
      "\x0A\x03\x0A\x01"
      "a",
      5);
  EXPECT_THAT(error_of(source_of(Kind::kSentencePiece, model), Code::kCorruptData),
              HasSubstr("no unknown token"));
  // A length far beyond the file, and a number without an end.
  for (const std::string& bytes :
       {std::string("\x0A\xFF\xFF\xFF\xFF\x0F"), std::string(12, '\xFF')})
    EXPECT_THAT(error_of(source_of(Kind::kSentencePiece, bytes), Code::kCorruptData),
                HasSubstr("protobuf"));
}

TEST(Hostile, Llama2cLengthsStayInTheFile) {
  std::string bytes(4, '\0');
  bytes += std::string(4, '\0') + std::string("\xFF\xFF\xFF\x7F", 4);
  EXPECT_THAT(error_of(source_of(Kind::kLlama2c, bytes), Code::kCorruptData),
              HasSubstr("token 0: byte 12: 2147483647 bytes expected, 0 left"));
  EXPECT_THAT(error_of(source_of(Kind::kLlama2c, std::string(4, '\0')), Code::kCorruptData),
              HasSubstr("0 tokens"));
}

TEST(Hostile, MessagesStayOneLineWhateverTheFileSays) {
  TokenizerSource source = gguf_bytes("smollm");
  source.merges.push_back("a\n\x1B[31m" + std::string(5000, 'b'));
  const std::string message = error_of(source, Code::kCorruptData);
  EXPECT_THAT(message, HasSubstr("a\\x0A\\x1B[31mbbb"));
  EXPECT_LT(message.size(), 300u);
}

TEST(Hostile, NoTokenizerSaysWhatToDo) {
  EXPECT_THAT(error_of({}, Code::kNotFound), HasSubstr("tokenizer.json"));
}

// A quadratic merge or split would take minutes here.
TEST(Hostile, LongRunsTakeLinearTime) {
  const auto begin = std::chrono::steady_clock::now();
  for (const char* name : {"llama3.tiktoken", "smollm.json", "bpe.model", "unigram.model"}) {
    const Tokenizer t = data_tokenizer(name);
    for (const char* unit : {"a", " ", "\n", "=", "1", "\xFF", "人", "the", "<|"}) {
      std::string text;
      while (text.size() < 300'000) text += unit;
      EXPECT_OK(t.decode(t.encode(text, Specials::kRecognise)));
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

}  // namespace
}  // namespace pronk
