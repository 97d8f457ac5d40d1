// Llama 3's tokenizer.model: "base64(token) rank" lines; the special tokens are not in the file.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>

#include "formats/tokenizer_convert.h"

namespace pronk {
namespace {

Error corrupt(std::string what) { return error(Code::kCorruptData, std::move(what)); }

std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0;
  int num_bits = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<unsigned>(digit)) & 0xffffu;
    num_bits += 6;
    if (num_bits < 8) continue;
    num_bits -= 8;
    bytes.push_back(static_cast<char>(bits >> num_bits & 0xff));
  }
  return bytes;
}

// llama31.md, 25.
std::vector<std::string> meta_specials() {
  std::vector<std::string> names = {"<|begin_of_text|>",
                                    "<|end_of_text|>",
                                    "<|reserved_special_token_0|>",
                                    "<|reserved_special_token_1|>",
                                    "<|finetune_right_pad_id|>",
                                    "<|step_id|>",
                                    "<|start_header_id|>",
                                    "<|end_header_id|>",
                                    "<|eom_id|>",
                                    "<|eot_id|>",
                                    "<|python_tag|>"};
  constexpr int kNumSpecials = 256;
  for (int i = 2; std::ssize(names) < kNumSpecials; ++i)
    names.push_back(fmt::format("<|reserved_special_token_{}|>", i));
  return names;
}

}  // namespace

Result<TiktokenVocabulary> parse_tiktoken(std::string_view text) {
  TiktokenVocabulary vocabulary;
  vocabulary.specials = meta_specials();
  for (std::int64_t line_number = 1; !text.empty(); ++line_number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const std::size_t space = std::min(line.find(' '), line.size());
    const auto token = decode_base64(line.substr(0, space));
    std::int64_t rank = -1;
    if (space < line.size())
      std::from_chars(line.data() + space + 1, line.data() + line.size(), rank);
    if (!token || token->empty() || rank != std::ssize(vocabulary.tokens))
      return corrupt(
          fmt::format("tokenizer.model line {}: a base64 token and the rank {} are expected",
                      line_number, vocabulary.tokens.size()));
    vocabulary.tokens.push_back(*token);
  }
  return vocabulary;
}

std::string bytes_to_characters(std::string_view bytes) {
  static const std::array<std::string, 256> kCharacters = [] {
    std::array<std::string, 256> table;
    unsigned next = 256;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool printable =
          (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
      const unsigned code = printable ? byte : next++;
      std::string& character = table[byte];  // UTF-8 of a code point below 0x800
      if (code < 0x80) {
        character = static_cast<char>(code);
      } else {
        character = static_cast<char>(0xc0 | code >> 6);
        character += static_cast<char>(0x80 | (code & 0x3f));
      }
    }
    return table;
  }();
  std::string text;
  for (const char c : bytes) text += kCharacters[static_cast<unsigned char>(c)];
  return text;
}

}  // namespace pronk
