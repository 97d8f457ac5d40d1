#include "pronk/tokenizer.h"

#include <gmock/gmock.h>

#include "tokenizer_sources.h"

namespace pronk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Tokenizer, SpecialsAreTextUnlessRecognised) {
  const Tokenizer t = data_tokenizer("llama3.json");
  const TokenId eot = t.find_special("<|eot_id|>").value();
  const std::string text = "free<|eot_id|>";
  EXPECT_EQ(t.encode(text, Specials::kRecognise).back(), eot);
  for (const TokenId id : t.encode(text)) EXPECT_NE(id, eot);
  EXPECT_EQ(*t.decode(t.encode(text)), text);
  EXPECT_EQ(*t.decode(t.encode(text, Specials::kRecognise)), text);
  EXPECT_EQ(*t.decode(t.encode(text, Specials::kRecognise), true), "free");
}

TEST(Tokenizer, SpecialsAreFoundOnlyWholeWithinARange) {
  const Tokenizer t = data_tokenizer("llama3.json");
  const TokenId eot = t.find_special("<|eot_id|>").value();
  const std::string text = "<|eot_id|>x<|eot_id|>";
  const auto count = [&](std::vector<ByteRange> ranges) {
    const auto ids = t.encode(text, ranges);
    EXPECT_EQ(*t.decode(ids), text);
    return std::count(ids.begin(), ids.end(), eot);
  };
  EXPECT_EQ(count({{0, 21}}), 2);
  EXPECT_EQ(count({{11, 21}}), 1);
  EXPECT_EQ(count({{0, 9}, {12, 21}}), 0);
  EXPECT_EQ(count({{0, 4}, {4, 10}}), 1);  // touching ranges are one
  EXPECT_EQ(count({{0, 4}, {5, 10}}), 0);
  EXPECT_EQ(count({}), 0);
  EXPECT_EQ(count({{30, 2}, {40, 50}}), 0);  // of no text
}

TEST(Tokenizer, TextBetweenSpecialsIsOnePieceWhereverItCameFrom) {
  const Tokenizer t = data_tokenizer("llama3.json");
  const TokenId eot = t.find_special("<|eot_id|>").value();
  // The template wrote "<|eot_id|>be", the user "ings".
  const auto ids = t.encode("<|eot_id|>beings", std::vector<ByteRange>{{0, 12}});
  std::vector<TokenId> expected{eot};
  for (const TokenId id : t.encode("beings")) expected.push_back(id);
  EXPECT_EQ(ids, expected);
}

TEST(Tokenizer, AllowedSpecialIsFoundInsideALongerOneThatIsNot) {
  TokenizerSource source = gguf_bytes("smollm");
  source.tokens.push_back("x<|im_end|>");
  source.token_types.push_back(3);
  const Tokenizer t = make(source);
  const std::string text = "x<|im_end|>";  // the user wrote x, the template the rest
  EXPECT_EQ(t.encode(text, std::vector<ByteRange>{{1, text.size()}}).back(), 1);
}

TEST(Tokenizer, IllFormedBytesComeBack) {
  std::string bytes;
  for (int i = 0; i < 3000; ++i) bytes.push_back(static_cast<char>(i * 7 + i / 256));
  for (const char* name : {"llama3.json", "llama3.tiktoken", "bpe.model"}) {
    const Tokenizer t = data_tokenizer(name);
    EXPECT_EQ(*t.decode(t.encode(bytes)), bytes) << name;
  }
}

TEST(Tokenizer, UnknownIdsAreNamed) {
  const Tokenizer t = data_tokenizer("llama3.tiktoken");
  for (const TokenId id : {-1, t.vocab_size()}) {
    const auto text = t.decode(std::vector<TokenId>{1, id});
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().code, Code::kInvalidArgument);
    EXPECT_THAT(text.error().message, HasSubstr(std::to_string(id)));
    EXPECT_EQ(t.piece(id), "");
    EXPECT_FALSE(t.is_special(id));
  }
}

TEST(Tokenizer, WholePieceIsLookedUpBeforeMerging) {
  const Tokenizer t = data_tokenizer("llama3.tiktoken");
  const auto ids = t.encode(" équité");  // a token that no pair of tokens spells
  ASSERT_EQ(ids.size(), 1u);
  EXPECT_EQ(t.piece(ids[0]), " équité");
  EXPECT_GT(t.encode(" équités").size(), 1u);
}

TEST(Tokenizer, EndTokensAreTheFilesAndThoseOfKnownNames) {
  TokenizerSource source = gguf_bytes("smollm");
  source.eos = 5;
  EXPECT_THAT(make(source).end_tokens(), ElementsAre(1, 5));
  source.end_tokens = {7};
  source.eot = 6;
  EXPECT_THAT(make(source).end_tokens(), ElementsAre(1, 5, 6, 7));
  source.eos = 100000;
  EXPECT_THAT(error_of(source, Code::kCorruptData), HasSubstr("100000"));
}

TEST(Tokenizer, AddsBosAsTheFileSays) {
  EXPECT_TRUE(data_tokenizer("llama3.json").adds_bos());  // its post_processor
  EXPECT_FALSE(data_tokenizer("smollm.json").adds_bos());
  TokenizerSource source = gguf_bytes("llama-bpe");
  EXPECT_FALSE(make(source).adds_bos());  // there is no BOS to add
  source.bos = 0;
  EXPECT_TRUE(make(source).adds_bos());  // llama-bpe's default
  source.add_bos = false;
  EXPECT_FALSE(make(source).adds_bos());
}

TEST(Tokenizer, GgufSplitRulesDiffer) {
  const auto pieces = [](const char* pre, std::string_view text) {
    const Tokenizer t = make(gguf_bytes(pre));
    std::vector<std::string> out;
    for (const TokenId id : t.encode(text)) out.emplace_back(t.piece(id));
    return out;
  };
  EXPECT_THAT(pieces("smollm", "12 ab"), ElementsAre("1", "2", " ab"));
  EXPECT_THAT(pieces("gpt-2", "12 ab"), ElementsAre("12", " ab"));
  EXPECT_THAT(pieces("qwen2", "12ab"), ElementsAre("1", "2", "ab"));
  EXPECT_THAT(pieces("llama-bpe", "12ab"), ElementsAre("12", "ab"));
}

TEST(Tokenizer, UserDefinedTokensAreFoundInAnyText) {
  TokenizerSource source = gguf_bytes("gpt-2");
  source.tokens.push_back("a b");
  source.token_types.push_back(4);
  const Tokenizer t = make(source);
  EXPECT_EQ(t.encode("xa bx")[1], t.vocab_size() - 1);
}

// What tokenizers 0.23.3 gives: the pre-tokenizer puts its space before what lies between them.
TEST(Tokenizer, AddedTokensAreFoundBeforeAPreTokenizersSpace) {
  TokenizerSource source;
  source.kind = TokenizerSource::Kind::kHuggingFaceJson;
  source.bytes = R"({"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true},
    "added_tokens":[{"id":4,"content":"the","single_word":true,"normalized":true},
                    {"id":5,"content":"..","rstrip":true,"normalized":true}],
    "model":{"type":"BPE","vocab":{"Ġ":0,"a":1,"t":2,"Ġa":3,"the":4},"merges":["Ġ a"]}})";
  const Tokenizer t = make(source);
  EXPECT_THAT(t.encode("the"), ElementsAre(4));
  EXPECT_THAT(t.encode(" the "), ElementsAre(0, 4, 0));
  EXPECT_THAT(t.encode("a thea the"), ElementsAre(3, 0, 2, 1, 0, 4));  // no token for h and e
  EXPECT_THAT(t.encode("a.. a"), ElementsAre(3, 5, 3));
}

TEST(Tokenizer, SentencePieceDropsTheSpaceItAdded) {
  const Tokenizer t = data_tokenizer("bpe.model");
  const auto ids = t.encode("born free");
  EXPECT_EQ(t.piece(ids[0]).front(), ' ');
  EXPECT_EQ(*t.decode(ids), "born free");
  EXPECT_EQ(*t.decode(t.encode(" born")), " born");
  const TokenId bos = t.find_special("<s>").value();
  std::vector<TokenId> with_bos{bos};
  with_bos.insert(with_bos.end(), ids.begin(), ids.end());
  EXPECT_EQ(*t.decode(with_bos, true), "born free");
}

// Long pieces take the heap, short ones the scan: the same merges.
TEST(Tokenizer, LongPiecesMergeAsShortOnesDo) {
  const Tokenizer t = data_tokenizer("llama3.tiktoken");
  const auto one = t.encode("gleich");
  std::string text;
  for (int i = 0; i < 200; ++i) text += "gleich";
  EXPECT_EQ(*t.decode(t.encode(text)), text);
  EXPECT_LE(t.encode(text).size(), 200 * one.size());
}

TEST(Detokenizer, NeverSplitsACharacter) {
  for (const char* name : {"llama3.tiktoken", "bpe.model"}) {
    const Tokenizer t = data_tokenizer(name);
    const std::string text = "a 人\U0001F468\u200D\U0001F469 é\n";
    Detokenizer d(t);
    std::string joined;
    for (const TokenId id : t.encode(text)) {
      const std::string part = d.push(id);
      for (std::size_t i = 0; i < part.size();) {  // whole characters
        const auto first = static_cast<unsigned char>(part[i]);
        const std::size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
        ASSERT_NE(first & 0xC0, 0x80);
        ASSERT_LE(i + length, part.size());
        i += length;
      }
      joined += part;
    }
    EXPECT_EQ(joined + d.finish(), text) << name;
  }
}

TEST(Detokenizer, PassesIllFormedBytesThrough) {
  const Tokenizer t = data_tokenizer("llama3.tiktoken");
  const std::string text = "\xE4\xB8x\xFF\xF0\x9F\x98";
  Detokenizer d(t);
  std::string joined;
  for (const TokenId id : t.encode(text)) joined += d.push(id);
  EXPECT_EQ(joined, "\xE4\xB8x\xFF");  // the rest may yet become an emoji
  EXPECT_EQ(d.finish(), "\xF0\x9F\x98");
  EXPECT_EQ(d.finish(), "");
}

TEST(Detokenizer, SkipsSpecialsAndUnknownIds) {
  const Tokenizer t = data_tokenizer("llama3.tiktoken");
  const TokenId eot = t.find_special("<|eot_id|>").value();
  Detokenizer skips(t), shows(t, false);
  EXPECT_EQ(skips.push(eot), "");
  EXPECT_EQ(shows.push(eot), "<|eot_id|>");
  EXPECT_EQ(skips.push(-1), "");
  EXPECT_EQ(skips.push(1 << 30), "");
}

}  // namespace
}  // namespace pronk
