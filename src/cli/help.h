// The help pages, made of the option tables.
#pragma once
#include <string>

#include "cli/options.h"

namespace pronk::cli {

enum class HelpDetail {
  kBrief,  // fits a screen: groups marked brief are only named
  kAll,
};

std::string overview();  // `pronk help`: the verbs
std::string verb_help(const Verb& verb, HelpDetail detail);
std::string exit_code_help();      // `pronk help exit-codes`
std::string environment_help();    // `pronk help environment`
std::string markdown_reference();  // what docs/cli.md holds between its marks

}  // namespace pronk::cli
