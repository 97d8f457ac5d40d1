// Models loaded for a test, and the logits of a few tokens.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "model/runner.h"
#include "pronk/model.h"
#include "support.h"

namespace pronk {

inline std::shared_ptr<const Model> load(std::shared_ptr<const ModelSource> source,
                                         LoadOptions options = {}) {
  const auto model = Model::from_source(std::move(source), options);
  EXPECT_OK(model);
  return *model;
}

// Of five tokens of one prompt, all rows.
inline std::vector<float> logits_of(const std::shared_ptr<const Model>& model) {
  const auto runner = *make_cpu_runner(model, {.num_threads = 2, .num_kv_pages = 1});
  const std::vector<TokenId> tokens = {1, 69, 31, 32, 7};
  std::vector<int> rows(tokens.size());
  std::iota(rows.begin(), rows.end(), 0);
  const std::vector<int> pages = {0};
  const BatchSequence sequence{0, static_cast<int>(tokens.size()), 0, pages};
  const auto logits = runner->step({tokens, rows, {&sequence, 1}, rows});
  EXPECT_OK(logits);
  return {logits->begin(), logits->end()};
}

}  // namespace pronk
