#include "engine/model_drafter.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "formats/llama_config.h"

namespace pronk {

using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kLeastRead = 16;   // of a text's end
constexpr std::size_t kTrialTokens = 8;  // of a reply

}  // namespace

ModelDrafter::ModelDrafter(Parts parts)
    : parts_(std::move(parts)),
      pool_(parts_.num_pages),
      scheduler_(pool_, parts_.limits),
      allowance_(parts_.expected_cost > 0 ? 0 : static_cast<std::size_t>(parts_.context)) {}

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
  waiting_.erase(id);
  const auto text = texts_.find(id);
  if (text == texts_.end()) return;
  scheduler_.remove(*text->second);
  texts_.erase(text);
}

// The text as it is now, with room for guesses; or with what it is tried on as a draft.
void ModelDrafter::take_in(DraftRequest& request) {
  const int room = parts_.context - static_cast<int>(request.tokens.size());
  if (room <= 0) return forget(request.id);
  Text* text = text_of(request);
  if (!text) return;
  text->guesses.clear();
  text->num_kept = 0;
  text->request = &request;
  if (text->trial) {
    const auto reply = request.tokens.subspan(text->begin + text->tokens.size());
    text->draft.assign(reply.begin(), reply.end());
  } else {
    text->draft.assign(static_cast<std::size_t>(std::min(request.most, room)), 0);
  }
}

// None while it waits for its trial.
ModelDrafter::Text* ModelDrafter::text_of(const DraftRequest& request) {
  const std::size_t num_tokens = request.tokens.size();
  const auto known = texts_.find(request.id);
  if (known == texts_.end())
    return allowance_ < kLeastRead ? begin_trial(request)
                                   : begin_text(request, num_tokens, allowance_);
  Text& text = *known->second;
  if (text.trial) return &text;
  grow(text, request);
  const bool pays = allowance_ >= std::min(num_tokens, 2 * text.tokens.size());
  return text.begin > 0 && pays ? begin_text(request, num_tokens, allowance_) : &text;
}

// The text up to `end`, of which most_tokens are read at most; what was read before is dropped.
ModelDrafter::Text* ModelDrafter::begin_text(const DraftRequest& request, std::size_t end,
                                             std::size_t most_tokens) {
  forget(request.id);
  std::unique_ptr<Text>& text = texts_[request.id];
  text = std::make_unique<Text>();
  text->id = request.id;
  text->cache_namespace = request.cache_namespace;
  text->begin = end - std::min(most_tokens, end);
  const auto tokens = request.tokens.subspan(text->begin, end - text->begin);
  text->tokens.assign(tokens.begin(), tokens.end());
  const int begin = static_cast<int>(text->begin);
  for (const TokenRange& range : request.prompts)
    if (range.end > begin)
      text->prompts.push_back({std::max(0, range.begin - begin), range.end - begin});
  if (parts_.expected_cost > 0) allowance_ -= std::min(allowance_, tokens.size());
  scheduler_.add(*text);
  return text.get();
}

ModelDrafter::Text* ModelDrafter::begin_trial(const DraftRequest& request) {
  const auto [waiting, is_new] =
      waiting_.try_emplace(request.id, Waiting{request.tokens.size(), request.sampler->fork()});
  const std::size_t num_tokens = waiting->second.num_tokens;
  if (request.tokens.size() - num_tokens < kTrialTokens) return nullptr;
  Sampler sampler = std::move(waiting->second.sampler);
  Text* text = begin_text(request, num_tokens, kLeastRead);
  text->trial = std::move(sampler);
  text->prompts.clear();  // so that it is read at once, with what it is tried on
  return text;
}

// By what came since the last call: some of it was guessed, and is in the cache.
void ModelDrafter::grow(Text& text, const DraftRequest& request) {
  const auto grown = request.tokens.subspan(text.begin + text.tokens.size());
  text.tokens.insert(text.tokens.end(), grown.begin(), grown.end());
  const std::size_t num_true = static_cast<std::size_t>(
      std::mismatch(grown.begin(), grown.end(), text.guesses.begin(), text.guesses.end()).first -
      grown.begin());
  earn(num_true);
  // The last token is read again in any case: its logits are what is wanted.
  const std::size_t last = std::max<std::size_t>(grown.size(), 1) - 1;
  const std::size_t num_computed = std::min({num_true, last, text.num_kept});
  if (num_computed > 0) scheduler_.computed({&text, static_cast<int>(num_computed)});
}

// A true guess saves most of a step of the model. Reading a token takes about an eighth of a
// guess's time, so this spends a quarter of a step.
void ModelDrafter::earn(std::size_t num_true_guesses) {
  if (parts_.expected_cost == 0) return;
  const double tokens = static_cast<double>(num_true_guesses) * 2 / parts_.expected_cost;
  allowance_ = std::min(allowance_ + static_cast<std::size_t>(tokens),
                        static_cast<std::size_t>(parts_.context));
}

// One step of reading; the trials in it, and the first guess at every other text that is read to
// its end. How many tokens were read.
Result<int> ModelDrafter::read(std::vector<Guesser>& guessers) {
  struct Trial {
    Text* text;
    int num_tokens;
    std::size_t row;
  };
  std::vector<Trial> trials;
  StepPlan plan = scheduler_.plan();
  if (plan.shares.empty()) return 0;
  int num_read = 0;
  std::size_t num_rows = 0;
  for (Share& share : plan.shares) {
    Text& text = static_cast<Text&>(*share.sequence);
    text.num_kept = 0;  // it may have given way since, and come back
    num_read += share.num_tokens;
    const int most = text.trial ? share.num_draft : std::exchange(share.num_draft, 0);
    if (!share.completes()) continue;
    if (text.trial)
      trials.push_back({&text, most, num_rows});
    else if (text.request && most > 0)
      guessers.push_back(
          {&text, text.request->sampler->fork(), static_cast<std::size_t>(most), num_rows});
    num_rows += 1 + static_cast<std::size_t>(share.num_draft);
  }
  gathered_.gather(plan.shares);
  const std::span<float> logits = PRONK_TRY(parts_.runner->step(gathered_.batch()));
  for (const Share& share : plan.shares) scheduler_.computed({share.sequence, share.num_tokens});
  const auto vocab_size = static_cast<std::size_t>(parts_.vocab_size);
  for (const Trial& trial : trials)
    judge(*trial.text, trial.num_tokens, logits.subspan(trial.row * vocab_size));
  pick(guessers, logits);
  return num_read;
}

// By the logits before each of the tokens that it is tried on. They are part of the text then.
void ModelDrafter::judge(Text& text, int num_tokens, std::span<float> logits) {
  const auto vocab_size = static_cast<std::size_t>(parts_.vocab_size);
  int num_true = 0;
  for (int i = 0; i < num_tokens; ++i) {
    const TokenId token = text.draft[static_cast<std::size_t>(i)];
    const auto picked =
        text.trial->pick(logits.subspan(static_cast<std::size_t>(i) * vocab_size, vocab_size));
    if (picked && picked->token == token) ++num_true;
    text.trial->accept(token);
    text.tokens.push_back(token);
  }
  text.trial.reset();
  if (num_tokens == 0) return;
  scheduler_.computed({&text, num_tokens});
  earn(static_cast<std::size_t>(num_true));
  text.request->num_tried = num_tokens;
  text.request->num_true = num_true;
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
