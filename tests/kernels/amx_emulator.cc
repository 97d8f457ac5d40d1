#include "kernels/amx_emulator.h"

#if defined(__x86_64__) && defined(__linux__)
#include <signal.h>
#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace pronk::kernels {
namespace {

constexpr int kTiles = 8, kRows = 16, kColumns = 16;  // columns of 32 bits

struct Tile {
  uint32_t cells[kRows][kColumns];  // what is beyond the shape, no instruction can show
  int rows, row_bytes;              // 0: there is no such tile
};

// Of the models of thread-local data, one whose first use in a thread never allocates.
[[gnu::tls_model("initial-exec")]] constinit thread_local Tile tiles[kTiles] = {};

// Null where the CPU would refuse to use it.
Tile* usable_tile(int number) {
  const bool usable = number < kTiles && tiles[number].rows > 0 && tiles[number].row_bytes % 4 == 0;
  return usable ? &tiles[number] : nullptr;
}

struct Instruction {
  int operation;             // 0x1000 if nothing is in memory, 0x100 · VEX's prefix, the opcode
  int reg, rm, vvvv;         // as the manual names them
  bool has_sib;              // in what has a stride, it must be there
  uint64_t address, stride;  // of what is in memory: base and displacement, and index
  const uint8_t* end;
};

// False if it cannot be one of the instructions. Reads no bytes after it, which may be unreadable.
bool decode(const gregset_t& registers, Instruction& x) {
  x = {};
  x.end = reinterpret_cast<const uint8_t*>(registers[REG_RIP]);
  if (*x.end++ != 0xC4) return false;  // VEX of three bytes
  const int high_bits_map = *x.end++;
  if ((high_bits_map & 0x1F) != 2) return false;  // the map of opcodes 0F 38
  const int w_vvvv_l_prefix = *x.end++;
  if ((w_vvvv_l_prefix & 0x84) != 0) return false;  // W and L
  const int opcode = *x.end++;
  if (opcode != 0x49 && opcode != 0x4B && opcode != 0x5C && opcode != 0x5E) return false;
  const int modrm = *x.end++, mod = modrm >> 6;

  const int high_bits = ~high_bits_map;  // of reg, index and rm: stored inverted, as vvvv is
  x.operation = (mod == 3 ? 0x1000 : 0) | (w_vvvv_l_prefix & 3) << 8 | opcode;
  x.reg = (high_bits >> 4 & 8) | (modrm >> 3 & 7);
  x.rm = (high_bits >> 2 & 8) | (modrm & 7);
  x.vvvv = ~w_vvvv_l_prefix >> 3 & 15;
  if (mod == 3) return true;

  const auto value = [&](int number) {
    constexpr int kFirst[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX,
                              REG_RSP, REG_RBP, REG_RSI, REG_RDI};
    return static_cast<uint64_t>(registers[number < 8 ? kFirst[number] : REG_R8 + number - 8]);
  };
  int base = x.rm;
  x.has_sib = (base & 7) == 4;
  if (x.has_sib) {
    const int sib = *x.end++, index = (high_bits >> 3 & 8) | (sib >> 3 & 7);
    base = (base & 8) | (sib & 7);
    if (index != 4) x.stride = value(index) << (sib >> 6);
  }
  if (mod == 0 && (base & 7) == 5) return false;  // no base
  int32_t displacement = 0;
  if (mod == 1) displacement = (*x.end ^ 0x80) - 0x80;  // its sign extended
  if (mod == 2) std::memcpy(&displacement, x.end, 4);
  x.end += mod == 0 ? 0 : mod == 1 ? 1 : 4;
  x.address = value(base) + static_cast<uint64_t>(displacement);
  return true;
}

bool load_config(uint64_t address) {
  uint8_t config[64];
  std::copy_n(reinterpret_cast<const uint8_t*>(address), sizeof config, config);
  const auto is_zero = [&](int begin, int end) {
    return std::all_of(config + begin, config + end, [](uint8_t byte) { return byte == 0; });
  };
  std::fill_n(tiles, kTiles, Tile{});
  if (config[0] == 0) return true;
  if (config[0] != 1 || !is_zero(1, 16) || !is_zero(32, 48) || !is_zero(56, 64)) return false;
  for (int i = 0; i < kTiles; ++i) {
    const int rows = config[48 + i], row_bytes = config[16 + 2 * i] | config[17 + 2 * i] << 8;
    if (rows > kRows || row_bytes > 4 * kColumns || (rows == 0) != (row_bytes == 0)) return false;
    tiles[i].rows = rows;
    tiles[i].row_bytes = row_bytes;
  }
  return true;
}

bool move(const Instruction& x, bool to_memory) {
  Tile* tile = usable_tile(x.reg);
  if (tile == nullptr || !x.has_sib || x.vvvv != 0) return false;
  for (int row = 0; row < tile->rows; ++row) {
    void* memory = reinterpret_cast<void*>(x.address + static_cast<uint64_t>(row) * x.stride);
    void* cells = tile->cells[row];
    std::memcpy(to_memory ? memory : cells, to_memory ? cells : memory,
                static_cast<size_t>(tile->row_bytes));
  }
  return true;
}

// A, B: int8_t or uint8_t. This and the next compute all columns, whatever the shape, for the
// compiler to make vectors of.
template <typename A, typename B>
[[gnu::target("avx2")]] void dot_int8(const Tile& a, const Tile& b, Tile& to) {
  for (int m = 0; m < to.rows; ++m) {
    int sums[kColumns] = {};
    for (int k = 0; k < b.rows; ++k) {
      for (int shift = 0; shift < 32; shift += 8) {
        const auto byte = static_cast<A>(a.cells[m][k] >> shift);
        for (int n = 0; n < kColumns; ++n) {
          sums[n] += byte * static_cast<B>(b.cells[k][n] >> shift);
        }
      }
    }
    for (int n = 0; n < kColumns; ++n) to.cells[m][n] += static_cast<uint32_t>(sums[n]);
  }
}

float low_bf16(uint32_t cell) { return std::bit_cast<float>(cell << 16); }
float high_bf16(uint32_t cell) { return std::bit_cast<float>(cell & 0xFFFF0000); }

[[gnu::target("avx2,fma")]] void dot_bf16(const Tile& a, const Tile& b, Tile& to) {
  // Round to nearest, denormals are zeros, no exceptions. The handler's return restores what was.
  constexpr uint32_t kMxcsr = 0x9FC0;
  asm volatile("ldmxcsr %0" : : "m"(kMxcsr) : "memory");
  for (int m = 0; m < to.rows; ++m) {
    float even[kColumns] = {}, odd[kColumns] = {};
    for (int k = 0; k < b.rows; ++k) {
      const float even_a = low_bf16(a.cells[m][k]), odd_a = high_bf16(a.cells[m][k]);
      for (int n = 0; n < kColumns; ++n) {
        even[n] = std::fma(even_a, low_bf16(b.cells[k][n]), even[n]);
        odd[n] = std::fma(odd_a, high_bf16(b.cells[k][n]), odd[n]);
      }
    }
    for (int n = 0; n < kColumns; ++n) {
      const float sum = std::bit_cast<float>(to.cells[m][n]) + (even[n] + odd[n]);
      to.cells[m][n] = std::bit_cast<uint32_t>(sum);
    }
  }
}

bool multiply(const Instruction& x, void (*dot)(const Tile& a, const Tile& b, Tile& to)) {
  Tile *to = usable_tile(x.reg), *a = usable_tile(x.rm), *b = usable_tile(x.vvvv);
  if (to == nullptr || a == nullptr || b == nullptr || to == a || to == b || a == b) return false;
  if (to->rows != a->rows || to->row_bytes != b->row_bytes || a->row_bytes != 4 * b->rows) {
    return false;
  }
  dot(*a, *b, *to);
  return true;
}

// False if it is none of the instructions, or if the CPU would refuse it.
bool execute(const Instruction& x) {
  switch (x.operation) {
    case 0x0049:  // LDTILECFG
      return x.reg == 0 && x.vvvv == 0 && load_config(x.address + x.stride);
    case 0x1049:  // TILERELEASE
      if (x.reg != 0 || x.rm != 0 || x.vvvv != 0) return false;
      std::fill_n(tiles, kTiles, Tile{});
      return true;
    case 0x1349:  // TILEZERO
      if (usable_tile(x.reg) == nullptr || x.rm != 0 || x.vvvv != 0) return false;
      std::memset(tiles[x.reg].cells, 0, sizeof tiles[x.reg].cells);
      return true;
    case 0x034B:  // TILELOADD
    case 0x014B:  // TILELOADDT1
      return move(x, false);
    case 0x024B:  // TILESTORED
      return move(x, true);
    case 0x105E:  // TDPBUUD
      return multiply(x, dot_int8<uint8_t, uint8_t>);
    case 0x115E:  // TDPBUSD
      return multiply(x, dot_int8<uint8_t, int8_t>);
    case 0x125E:  // TDPBSUD
      return multiply(x, dot_int8<int8_t, uint8_t>);
    case 0x135E:  // TDPBSSD
      return multiply(x, dot_int8<int8_t, int8_t>);
    case 0x125C:  // TDPBF16PS
      return multiply(x, dot_bf16);
    default:
      return false;
  }
}

void on_illegal_instruction(int, siginfo_t*, void* context) {
  gregset_t& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const greg_t first = registers[REG_RIP];
  // A signal takes longer than what it asks for: one serves all that follow without others between.
  for (Instruction x; decode(registers, x) && execute(x);) {
    registers[REG_RIP] = reinterpret_cast<greg_t>(x.end);
  }
  // Refused: the instruction faults again, which ends the process.
  if (registers[REG_RIP] == first) signal(SIGILL, SIG_DFL);
}

}  // namespace

void emulate_amx() {
  struct sigaction action {};
  action.sa_sigaction = on_illegal_instruction;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &action, nullptr);
}

}  // namespace pronk::kernels

#else
namespace pronk::kernels {
void emulate_amx() {}
}  // namespace pronk::kernels
#endif
