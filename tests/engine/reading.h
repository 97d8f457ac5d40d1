// A reply as the tests of exactness compare it.
#pragma once
#include <gtest/gtest.h>

#include <vector>

#include "pronk/engine.h"

namespace pronk {

// What was picked, and the bits of the logits behind it: a log probability hangs on all of them.
struct Reading {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
  bool operator==(const Reading&) const = default;
};

inline Reading reading_of(Stream& stream) {
  Reading r;
  while (const auto event = stream.next()) {
    if (event->error) ADD_FAILURE() << event->error->message;
    if (!event->token) continue;
    r.tokens.push_back(event->token->token);
    r.logprobs.push_back(event->token->logprob);
    for (const auto& [token, logprob] : event->token->top) {
      r.tokens.push_back(token);
      r.logprobs.push_back(logprob);
    }
  }
  return r;
}

}  // namespace pronk
