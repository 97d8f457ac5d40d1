// Continues a text with a model: load, start an engine, submit a prompt, read its stream.
//
//   complete MODEL.gguf "Once upon a time"
#include <cstdio>

#include "pronk/engine.h"
#include "pronk/model.h"

namespace {

pronk::Status complete(const char* path, const char* text) {
  const auto model = PRONK_TRY(pronk::Model::load(path));
  const auto engine = PRONK_TRY(pronk::Engine::start(model, {.context = 512, .max_sequences = 1}));
  pronk::Prompt prompt;
  prompt.tokens = model->tokenizer().encode(text);
  prompt.sampling.temperature = 0;  // the likeliest token each time
  prompt.max_tokens = 32;
  pronk::Stream stream = PRONK_TRY(engine->submit(std::move(prompt)));
  while (auto event = stream.next()) {
    if (event->error) return *event->error;
    std::fputs(event->text.c_str(), stdout);
    std::fflush(stdout);
  }
  return pronk::Ok{};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s MODEL TEXT\n", argv[0]);
    return 2;
  }
  const pronk::Status status = complete(argv[1], argv[2]);
  if (!status) {
    std::fprintf(stderr, "%s: %s\n", argv[0], status.error().message.c_str());
    return pronk::exit_code(status.error().code);
  }
  std::puts("");
  return 0;
}
