// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/store/database.h"

namespace actions::backup {

// How far a set of keys has signed, as an export has it: for a comparison with where the chain is.
struct Watermarks {
  std::uint64_t keys = 0;
  std::uint64_t keys_without_history = 0;
  std::optional<std::uint64_t> slot;          // highest of any key
  std::optional<std::uint64_t> source_epoch;  // likewise
  std::optional<std::uint64_t> target_epoch;  // likewise
  bool operator==(const Watermarks&) const = default;
};

// Epochs of votes by public key (0x and 96 digits): the highest each.
using VotedEpochs = std::map<std::string, std::optional<std::uint64_t>>;

// What a database knows of its keys' votes, beside what the chain shows of them.
struct ChainComparison {
  std::uint64_t keys = 0;        // that both speak of
  std::uint64_t behind = 0;      // of these, with a later vote on the chain than the database knows of
  std::uint64_t epochs_max = 0;  // by so much the furthest of them
  std::string furthest;          // which is that
  bool operator==(const ChainComparison&) const = default;
};

// A key that is behind is voted for by somebody who does not write to this database. `chain` must be older than
// `database`: what the chain has was signed before.
ChainComparison compare(const VotedEpochs& database, const VotedEpochs& chain);

struct SignedBlock {
  std::uint64_t slot = 0;
  std::string signing_root;  // 0x and 64 digits; empty: not known
  bool operator==(const SignedBlock&) const = default;
};

struct SignedAttestation {
  std::uint64_t source_epoch = 0;
  std::uint64_t target_epoch = 0;
  std::string signing_root;  // likewise
  bool operator==(const SignedAttestation&) const = default;
};

struct SigningHistory {
  std::vector<SignedBlock> blocks;
  std::vector<SignedAttestation> attestations;
  bool operator==(const SigningHistory&) const = default;
};

// A slashing-protection interchange (EIP-3076, format version 5): what keys have signed, for the import into any
// client.
//
// Thread safety: a value.
struct Interchange {
  std::string genesis_validators_root;         // 0x and 64 digits; empty: not known, which no client imports
  std::map<std::string, SigningHistory> keys;  // by 0x and 96 digits

  // Reads a document of at most `kInterchangeBytesMax`. Entries of one key are joined, numbers must be decimal strings;
  // the root may be an empty text, as we write one that is not known.
  static core::Result<Interchange> parse(std::string_view text);
  // kLimitExceeded if it would be larger than may be read again.
  core::Result<std::string> to_json() const;
  // What refuses at least as much, in one block and one attestation a key: the highest slot, and the highest source
  // and target each, which may come from different attestations; without signing roots, so that nothing at these
  // heights is taken for a repetition.
  Interchange minified() const;
  Watermarks watermarks() const;
  VotedEpochs voted() const;
};

inline constexpr std::size_t kInterchangeBytesMax = std::size_t{256} << 20;

// 0x and `bytes` times two hexadecimal digits.
bool is_hex(std::string_view text, std::size_t bytes);
// The root of a public network by its name (mainnet, sepolia, hoodi, holesky, gnosis).
std::optional<std::string_view> genesis_validators_root_of(std::string_view network);

// Whether the tables are those of Lighthouse's slashing protection.
core::Result<bool> is_slashing_protection(core::store::Database& database);
// What Lighthouse's tables hold; all keys, also disabled ones. `minify`: only what minified() keeps, read without the
// rest. kInvalid for rows that are no keys, slots, epochs or roots.
core::Result<Interchange> read_slashing_protection(core::store::Database& database, bool minify);

}  // namespace actions::backup
