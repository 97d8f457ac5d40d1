// What an engine is made of.
#pragma once
#include <memory>
#include <optional>

#include "engine/capacity.h"
#include "model/runner.h"
#include "pronk/engine.h"
#include "pronk/tokenizer.h"

namespace pronk {

struct EngineParts {
  std::unique_ptr<Runner> runner;  // holds capacity.num_pages pages
  int vocab_size = 0;
  Capacity capacity;
  std::optional<Tokenizer> tokenizer;
  std::shared_ptr<const Model> model;  // none where the runner needs none
  EngineOptions options;
};

}  // namespace pronk
