// Every row of every tensor, against the model that the file was made of.
#pragma once
#include <gtest/gtest.h>

#include "formats/model_source.h"
#include "formats/synthetic_model.h"

namespace pronk::testing {

inline void expect_equal(const ModelSource& source, const SyntheticModel& model) {
  ASSERT_EQ(source.tensors.size(), model.tensors.size());
  for (const auto& [name, expected] : model.tensors) {
    const TensorSource& tensor = source.tensors.at(name);
    ASSERT_EQ(tensor.rows, expected.rows) << name;
    ASSERT_EQ(tensor.columns, expected.columns) << name;
    std::vector<float> row(static_cast<std::size_t>(expected.columns));
    for (std::int64_t r = 0; r < expected.rows; ++r) {
      tensor.read_row(r, row.data());
      for (std::int64_t c = 0; c < expected.columns; ++c)
        ASSERT_EQ(row[static_cast<std::size_t>(c)], expected.at(r, c))
            << name << " [" << r << ", " << c << "]";
    }
  }
  EXPECT_EQ(source.config.num_layers, model.config.num_layers);
  EXPECT_EQ(source.config.num_kv_heads, model.config.num_kv_heads);
  EXPECT_EQ(source.config.ffn_dim, model.config.ffn_dim);
  EXPECT_EQ(source.config.vocab_size, model.config.vocab_size);
  EXPECT_EQ(source.config.tied_output, model.config.tied_output);
}

}  // namespace pronk::testing
