#include "engine/model_drafter.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "formats/llama_config.h"

namespace pronk {

using Clock = std::chrono::steady_clock;

ModelDrafter::ModelDrafter(Parts parts)
    : parts_(std::move(parts)), pool_(parts_.num_pages), scheduler_(pool_, parts_.limits) {}

DraftCost ModelDrafter::propose(std::span<DraftRequest> requests) {
  if (failed_) return {};
  const auto before = Clock::now();
  for (DraftRequest& request : requests) take_in(request);
  std::vector<Guesser> guessers;
  const Result<int> num_read = read(guessers);
  failed_ = !num_read || !guess_on(guessers);
  DraftCost cost;
  for (auto& [id, text] : texts_) {
    if (text->request) *text->request->draft = text->guesses;
    if (text->request) cost.num_guesses += static_cast<int>(text->guesses.size());
    text->request = nullptr;
    text->draft.clear();
  }
  // What came true last time and the token after it are read in any case.
  if (failed_ || *num_read > 2 * static_cast<int>(requests.size())) return {};
  cost.seconds = std::chrono::duration<double>(Clock::now() - before).count();
  return cost;
}

void ModelDrafter::forget(std::uint64_t id) {
  const auto text = texts_.find(id);
  if (text == texts_.end()) return;
  scheduler_.remove(*text->second);
  texts_.erase(text);
}

// The text as it is now, with room for guesses.
void ModelDrafter::take_in(DraftRequest& request) {
  const int room = parts_.context - static_cast<int>(request.tokens.size());
  if (room <= 0) return forget(request.id);
  std::unique_ptr<Text>& text = texts_[request.id];
  if (!text) {
    text = std::make_unique<Text>();
    text->id = request.id;
    text->cache_namespace = request.cache_namespace;
    text->tokens.assign(request.tokens.begin(), request.tokens.end());
    scheduler_.add(*text);
  } else {
    const auto grown = request.tokens.subspan(text->tokens.size());
    text->tokens.insert(text->tokens.end(), grown.begin(), grown.end());
    // The last token is read again in any case: its logits are what is wanted.
    const std::size_t last = std::max<std::size_t>(grown.size(), 1) - 1;
    std::size_t num_true = 0;
    while (num_true < std::min(last, text->num_kept) && grown[num_true] == text->guesses[num_true])
      ++num_true;
    if (num_true > 0) scheduler_.computed({text.get(), static_cast<int>(num_true)});
  }
  text->guesses.clear();
  text->num_kept = 0;
  text->draft.assign(static_cast<std::size_t>(std::min(request.most, room)), 0);
  text->request = &request;
}

// One step of reading, and the first guess at every text that is read to its end. How many tokens
// were read.
Result<int> ModelDrafter::read(std::vector<Guesser>& guessers) {
  StepPlan plan = scheduler_.plan();
  if (plan.shares.empty()) return 0;
  int num_read = 0;
  std::size_t num_rows = 0;
  for (Share& share : plan.shares) {
    Text& text = static_cast<Text&>(*share.sequence);
    text.num_kept = 0;  // it may have given way since, and come back
    num_read += share.num_tokens;
    const int most = std::exchange(share.num_draft, 0);
    if (!share.completes()) continue;
    if (text.request && most > 0)
      guessers.push_back(
          {&text, text.request->sampler->fork(), static_cast<std::size_t>(most), num_rows});
    ++num_rows;
  }
  gathered_.gather(plan.shares);
  const std::span<float> logits = PRONK_TRY(parts_.runner->step(gathered_.batch()));
  for (const Share& share : plan.shares) scheduler_.computed(share);
  pick(guessers, logits);
  return num_read;
}

// The guesses after the first, one of each text a step.
Status ModelDrafter::guess_on(std::vector<Guesser>& guessers) {
  while (!guessers.empty()) {
    std::vector<TokenId> tokens;
    std::vector<int> positions, rows;
    std::vector<BatchSequence> sequences;
    for (Guesser& g : guessers) {
      const int position = g.text->num_tokens() + static_cast<int>(g.text->guesses.size()) - 1;
      const int row = static_cast<int>(rows.size());
      tokens.push_back(g.text->guesses.back());
      positions.push_back(position);
      rows.push_back(row);
      sequences.push_back({row, 1, position, g.text->pages});
      g.row = static_cast<std::size_t>(row);
      ++g.text->num_kept;
    }
    pick(guessers, PRONK_TRY(parts_.runner->step({tokens, positions, sequences, rows})));
  }
  return Ok{};
}

// One more guess at each; done with those that have enough, or where there is nothing to pick.
void ModelDrafter::pick(std::vector<Guesser>& guessers, std::span<float> logits) {
  const auto vocab_size = static_cast<std::size_t>(parts_.vocab_size);
  std::erase_if(guessers, [&](Guesser& g) {
    const auto picked = g.sampler.pick(logits.subspan(g.row * vocab_size, vocab_size));
    if (!picked) return true;
    g.sampler.accept(picked->token);
    g.text->guesses.push_back(picked->token);
    return g.text->guesses.size() == g.most;
  });
}

Status check_same_tokens(const Model& model, const Model& draft) {
  const auto refuse = [](std::string what) {
    return error(Code::kInvalidArgument,
                 "speculate: the draft model " + std::move(what) +
                     "; it must have the model's own tokenizer, --speculate ngram needs none");
  };
  const int vocab_size = model.config().vocab_size;
  if (draft.config().vocab_size != vocab_size)
    return refuse(
        fmt::format("has {} tokens, the model {}", draft.config().vocab_size, vocab_size));
  if (!model.has_tokenizer() || !draft.has_tokenizer()) return Ok{};
  const Tokenizer &a = model.tokenizer(), &b = draft.tokenizer();
  for (TokenId id = 0; id < vocab_size; ++id)
    if (a.piece(id) != b.piece(id) || a.is_special(id) != b.is_special(id))
      return refuse(fmt::format("reads token {} as \"{}\", the model as \"{}\"", id, b.piece(id),
                                a.piece(id)));
  return Ok{};
}

}  // namespace pronk
