// Guesses at what follows a text. They are verified in one step and change its speed, never a
// token.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "pronk/sampling.h"
#include "pronk/types.h"

namespace pronk {

inline constexpr int kMostDraftTokens = 15;  // with the token before them one block of 16 rows

struct DraftRequest {
  std::uint64_t id = 0;                 // of the text, rising: later texts have higher ones
  std::span<const TokenId> tokens;      // so far; from call to call it only grows
  std::span<const TokenRange> prompts;  // in it (Sequence::prompts)
  std::string_view cache_namespace;
  const Sampler* sampler = nullptr;       // has accepted the tokens
  int most = 0;                           // guesses wanted, at least 1
  std::vector<TokenId>* draft = nullptr;  // empty; what comes next, as far as it is guessed
  // Set by the drafter where it was tried on tokens that had come already: on how many, and how
  // many of them it would have guessed.
  int num_tried = 0, num_true = 0;
};

// What guessing took, apart from the reading of text that came before.
struct DraftCost {
  int num_guesses = 0;  // 0: nothing to learn from this call
  double seconds = 0;
};

// One thread (the engine's).
class Drafter {
 public:
  virtual ~Drafter() = default;
  // One call for all texts of a step, each at most once.
  virtual DraftCost propose(std::span<DraftRequest> requests) = 0;
  virtual void forget(std::uint64_t id) = 0;  // the text has ended; it may be unknown
  // What one guess is expected to take, as a share of a plain step: holds until it was measured.
  virtual double expected_cost() const = 0;
};

}  // namespace pronk
