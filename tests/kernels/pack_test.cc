// The fast packing against its plain twin: the same bytes for every type and shape; and the way
// back.
#include "kernels/pack.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "kernels/linear_cases.h"
#include "kernels/plain_pack.h"

namespace pronk::kernels {
namespace {

using Bytes = std::vector<std::byte>;

class Packing : public testing::TestWithParam<int> {
 protected:
  DType type() const { return static_cast<DType>(GetParam()); }

  // Rows that end where their memory ends, so that a sanitizer sees what is read past them.
  std::vector<Bytes> random_rows(int columns) {
    std::vector<Bytes> rows(kPanelRows);
    for (Bytes& row : rows) {
      row.resize(static_cast<std::size_t>(row_bytes(type(), columns)));
      for (std::byte& b : row) b = static_cast<std::byte>(rng_());
      row.shrink_to_fit();
    }
    return rows;
  }

  void expect_equal_to_plain(int columns, int num_rows) {
    const std::vector<Bytes> stored = random_rows(columns);
    PanelRows rows{};
    for (std::size_t r = 0; r < static_cast<std::size_t>(num_rows); ++r) rows[r] = stored[r].data();
    const auto size = static_cast<std::size_t>(panel_bytes(type(), columns));
    Bytes fast(size + 1, std::byte{0xa5}), expected(size, std::byte{0x5a});
    pack_panel(type(), rows, columns, fast.data());
    plain::pack_panel(type(), rows, columns, expected.data());
    EXPECT_EQ(fast.back(), std::byte{0xa5}) << "a byte past the panel was written";
    fast.pop_back();
    ASSERT_EQ(fast, expected) << columns << " columns, " << num_rows << " rows";
    expect_rows_back(fast, stored, columns, num_rows);
  }

  void expect_rows_back(const Bytes& panel, const std::vector<Bytes>& stored, int columns,
                        int num_rows) {
    for (int r = 0; r < num_rows; ++r) {
      const Bytes& expected = stored[static_cast<std::size_t>(r)];
      Bytes row(expected.size() + 1, std::byte{0xa5});
      unpack_row(type(), panel.data(), r, columns, row.data());
      EXPECT_EQ(row.back(), std::byte{0xa5}) << "a byte past the row was written";
      row.pop_back();
      ASSERT_EQ(row, expected) << columns << " columns, row " << r << " of " << num_rows;
    }
  }

  std::mt19937 rng_{11};
};

TEST_P(Packing, EqualsItsPlainTwin) {
  const int block = info(type()).block_size;
  for (const int num_blocks : {1, 2, 3, 5, 8})
    for (const int num_rows : {32, 31, 16, 3, 1, 0})
      expect_equal_to_plain(block * num_blocks, num_rows);
}

// Rows of single values end anywhere within a word or a register.
TEST_P(Packing, EndsWhereRowsEnd) {
  if (info(type()).block_size > 1) return;
  for (int columns = 1; columns <= 40; ++columns) expect_equal_to_plain(columns, 32);
}

INSTANTIATE_TEST_SUITE_P(Types, Packing, testing::ValuesIn(panel_types()),
                         [](const testing::TestParamInfo<int>& parameter) {
                           const auto type = static_cast<DType>(parameter.param);
                           return std::string(pronk::info(type).name);
                         });

}  // namespace
}  // namespace pronk::kernels
