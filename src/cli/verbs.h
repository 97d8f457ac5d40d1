// Every verb, in the order of the help page, and what each is called with. One file per verb.
#pragma once
#include <span>
#include <string_view>

#include "cli/console.h"
#include "cli/options.h"

namespace pronk::cli {

struct Context {
  const Options& options;
  Console& console;
};

extern const Verb kRunVerb, kPullVerb, kListVerb, kShowVerb, kRemoveVerb, kCopyVerb, kTokenizeVerb,
    kDetokenizeVerb, kTemplateVerb, kLogitsVerb, kConvertVerb, kPackVerb, kPlanVerb, kBenchVerb,
    kDoctorVerb, kCompletionVerb, kVersionVerb, kHelpVerb;

std::span<const Verb* const> all_verbs();
const Verb* find_verb(std::string_view name);  // by name or alias; nullptr when there is none

// The whole program but for the process's own affairs: args without argv[0]; the exit status.
int run_program(std::span<const std::string> args);

}  // namespace pronk::cli
