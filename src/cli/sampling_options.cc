#include "cli/sampling_options.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <limits>

#include "chat/default_sampling.h"

namespace pronk::cli {
namespace {

// "29871+1.5", "29871-inf", "29871=2", as llama.cpp writes it.
Status add_logit_bias(const std::string& text, std::map<TokenId, float>& biases) {
  const Error wrong = error(
      Code::kInvalidArgument,
      fmt::format("--logit-bias '{}': needs ID+BIAS or ID-BIAS, such as 29871-1.5 or 2-inf", text));
  const std::size_t sign = text.find_first_of("+-=");
  if (sign == std::string::npos) return wrong;
  const std::optional<std::int64_t> id = parse_integer(text.substr(0, sign));
  const std::optional<double> bias = parse_real(text.substr(sign + 1));
  if (!id || !bias || *id < 0 || *id > std::numeric_limits<TokenId>::max()) return wrong;
  const double value = text[sign] == '-' ? -*bias : *bias;
  biases[static_cast<TokenId>(*id)] = static_cast<float>(value);
  return Ok{};
}

Result<std::uint64_t> random_seed() {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != sizeof seed)
    return error(Code::kFailed, "seed: the system gives no random numbers; give --seed N");
  return seed;
}

}  // namespace

OptionGroup sampling_options() {
  constexpr auto kInt = ValueKind::kInt;
  constexpr auto kReal = ValueKind::kReal;
  return {"Sampling",
          {{.name = "temp",
            .kind = kReal,
            .value = "X",
            .help = "temperature; 0: always the likeliest",
            .min = 0},
           {.name = "top-k",
            .kind = kInt,
            .value = "N",
            .help = "of the N likeliest; 0: off",
            .min = 0},
           {.name = "top-p",
            .kind = kReal,
            .value = "X",
            .help = "of the likeliest that make up X; 1: off",
            .min = 0,
            .max = 1},
           {.name = "min-p",
            .kind = kReal,
            .value = "X",
            .help = "of those at least X as likely as the likeliest; 0: off",
            .min = 0,
            .max = 1},
           {.name = "typical",
            .kind = kReal,
            .value = "X",
            .fallback = "1",
            .help = "locally typical sampling; 1: off",
            .min = 0,
            .max = 1},
           {.name = "repeat-penalty",
            .kind = kReal,
            .value = "X",
            .help = "divides the logits of recent tokens; 1: off",
            .min = 0},
           {.name = "repeat-last-n",
            .kind = kInt,
            .value = "N",
            .fallback = "64",
            .help = "tokens that penalties look back on; -1: all",
            .min = -1},
           {.name = "presence-penalty",
            .kind = kReal,
            .value = "X",
            .fallback = "0",
            .help = "off the logits of recent tokens, once"},
           {.name = "frequency-penalty",
            .kind = kReal,
            .value = "X",
            .fallback = "0",
            .help = "off the logits of recent tokens, each time"},
           {.name = "dry-multiplier",
            .kind = kReal,
            .value = "X",
            .fallback = "0",
            .help = "DRY: strength; 0: off",
            .min = 0},
           {.name = "dry-base",
            .kind = kReal,
            .value = "X",
            .fallback = "1.75",
            .help = "DRY: growth for each repeated token",
            .min = 1},
           {.name = "dry-allowed-length",
            .kind = kInt,
            .value = "N",
            .fallback = "2",
            .help = "DRY: repeats that cost nothing",
            .min = 0},
           {.name = "dry-penalty-last-n",
            .kind = kInt,
            .value = "N",
            .fallback = "-1",
            .help = "DRY: tokens it looks back on; -1: all",
            .min = -1},
           {.name = "dry-sequence-breaker",
            .kind = ValueKind::kText,
            .value = "TEXT",
            .help = "DRY: text that ends a repeat, may be given again; none: no breaker (default "
                    "newline : \" *)",
            .repeats = true},
           {.name = "xtc-probability",
            .kind = kReal,
            .value = "X",
            .fallback = "0",
            .help = "XTC: how often the likeliest are left out; 0: off",
            .min = 0,
            .max = 1},
           {.name = "xtc-threshold",
            .kind = kReal,
            .value = "X",
            .fallback = "0.1",
            .help = "XTC: what counts as likely",
            .min = 0,
            .max = 1},
           {.name = "mirostat",
            .kind = ValueKind::kChoice,
            .value = "0|2",
            .fallback = "0",
            .help = "mirostat 2 in place of top-k, typical, top-p, min-p and XTC"},
           {.name = "mirostat-lr",
            .kind = kReal,
            .value = "X",
            .fallback = "0.1",
            .help = "mirostat: learning rate",
            .min = 0},
           {.name = "mirostat-ent",
            .kind = kReal,
            .value = "X",
            .fallback = "5",
            .help = "mirostat: surprise aimed at",
            .min = 0},
           {.name = "logit-bias",
            .kind = ValueKind::kText,
            .value = "ID+X",
            .help = "added to a token's logit, may be given again; ID-inf bans it",
            .repeats = true},
           {.name = "seed",
            .letter = 's',
            .kind = kInt,
            .value = "N",
            .help = "same seed, same tokens; -1: a random one",
            .min = -1,
            .max = 9.2e18}},
          /*brief=*/true};
}

Result<SamplingParams> sampling_of(const Options& options, const GenerationDefaults& defaults) {
  SamplingParams params = default_sampling(defaults);
  params.temperature = options.find_real("temp").value_or(params.temperature);
  params.top_k = static_cast<int>(options.find_integer("top-k").value_or(params.top_k));
  params.top_p = options.find_real("top-p").value_or(params.top_p);
  params.min_p = options.find_real("min-p").value_or(params.min_p);
  params.typical_p = options.real("typical");
  params.repeat_penalty = options.find_real("repeat-penalty").value_or(params.repeat_penalty);
  params.repeat_last_n = static_cast<int>(options.integer("repeat-last-n"));
  params.presence_penalty = options.real("presence-penalty");
  params.frequency_penalty = options.real("frequency-penalty");
  params.dry_multiplier = options.real("dry-multiplier");
  params.dry_base = options.real("dry-base");
  params.dry_allowed_length = static_cast<int>(options.integer("dry-allowed-length"));
  params.dry_penalty_last_n = static_cast<int>(options.integer("dry-penalty-last-n"));
  if (options.given("dry-sequence-breaker")) {
    params.dry_sequence_breakers = options.texts("dry-sequence-breaker");
    std::erase(params.dry_sequence_breakers, "none");
  }
  params.xtc_probability = options.real("xtc-probability");
  params.xtc_threshold = options.real("xtc-threshold");
  params.mirostat = options.text("mirostat") == "2" ? 2 : 0;
  params.mirostat_eta = options.real("mirostat-lr");
  params.mirostat_tau = options.real("mirostat-ent");
  for (const std::string& bias : options.texts("logit-bias"))
    PRONK_TRY(add_logit_bias(bias, params.logit_bias));
  const std::int64_t seed = options.find_integer("seed").value_or(-1);
  params.seed = static_cast<std::uint64_t>(seed);
  if (seed < 0) params.seed = PRONK_TRY(random_seed());
  return params;
}

}  // namespace pronk::cli
