// SPDX-License-Identifier: Apache-2.0
#include "actions/protection/validator_words.h"

#include <algorithm>
#include <array>
#include <string>

namespace actions::protection {
namespace {

// Anywhere in a word: nimbusvalidator, validators, keymanagerd.
constexpr std::array<std::string_view, 5> kParts = {"validator", "keymanager", "signer", "slashing", "keystore"};

// Whole words. The names of clients before "vc" are those of units that people have; vouch, dirk, charon and ssv are
// programs that validate or sign by those names.
constexpr std::array<std::string_view, 10> kWords = {"vc",      "vouch",        "dirk",    "charon",     "ssv",
                                                     "ssvnode", "lighthousevc", "prysmvc", "lodestarvc", "tekuvc"};

bool is_validator_word(std::string word) {
  // vc1, validator02: the number behind the name is not part of it.
  while (!word.empty() && word.back() >= '0' && word.back() <= '9') word.pop_back();
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end() ||
         std::any_of(kParts.begin(), kParts.end(),
                     [&](std::string_view part) { return word.find(part) != std::string::npos; });
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool names_a_validator(std::string_view text) {
  std::string word;
  for (const char each : text) {
    const char c = lower(each);
    const bool letter = c >= 'a' && c <= 'z';
    if (letter || (c >= '0' && c <= '9')) {
      word += c;
      continue;
    }
    if (is_validator_word(word)) return true;
    word.clear();
  }
  return is_validator_word(word);
}

}  // namespace actions::protection
