// Any bytes as safetensors of a tiny model, with FP8 scales where they are.
#include "formats/hf_reader.h"
#include "touch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = pronk::parse_safetensors(std::as_bytes(std::span(data, size)));
  if (!file) return 0;
  pronk::ModelSource source;
  pronk::LlamaConfig& c = source.config;  // that of the seeds
  c.num_layers = 1, c.model_dim = 8, c.ffn_dim = 8, c.num_heads = 2, c.num_kv_heads = 1;
  c.head_dim = 4, c.vocab_size = 8;
  if (pronk::add_safetensors(std::span(&*file, 1), &source)) pronk::touch(source);
  return 0;
}
