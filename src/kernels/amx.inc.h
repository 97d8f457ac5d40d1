// The CPU's tiles: eight registers of up to 16 rows of 64 bytes, and products between them.
// Included once in a file, before what uses it.
namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr int kTileRows = 16;  // the most

// The instructions, named as the manual has them. The compilers' intrinsics take only literal tile
// numbers (g++ 12), and do not say that they read and write memory.
template <int kTile>
PRONK_INLINE void tile_zero() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
}
template <int kTile>
PRONK_INLINE void tile_load(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(kTile) : "memory");
}
// What will not soon be wanted again: it need not stay in the L1 cache.
template <int kTile>
PRONK_INLINE void tile_load_passing(const void* from, int64_t stride) {
  asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
PRONK_INLINE void tile_store(void* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(kTile) : "memory");
}
// kTo += activations · weights, int8 of both signs.
template <int kTo, int kX, int kW>
PRONK_INLINE void tile_dot_int8() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kTo), "i"(kX), "i"(kW));
}
// The same, one of them unsigned.
template <int kTo, int kX, int kW>
PRONK_INLINE void tile_dot_signed_unsigned() {
  asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kTo), "i"(kX), "i"(kW));
}
template <int kTo, int kX, int kW>
PRONK_INLINE void tile_dot_unsigned_signed() {
  asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kTo), "i"(kX), "i"(kW));
}
template <int kTo, int kX, int kW>
PRONK_INLINE void tile_dot_bf16() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kTo), "i"(kX), "i"(kW));
}
PRONK_INLINE void tile_release() { asm volatile("tilerelease"); }

// The operand of LDTILECFG: bytes in a row of each tile, and its rows.
struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0, unused[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  void set(int tile, int num_rows, int num_bytes) {
    rows[tile] = static_cast<uint8_t>(num_rows);
    row_bytes[tile] = static_cast<uint16_t>(num_bytes);
  }
  void load() const { asm volatile("ldtilecfg (%0)" : : "r"(this) : "memory"); }
};

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
