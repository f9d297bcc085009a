// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time/clock.h"

namespace bench {

// A proof-of-stake network as large as mainnet, as a pure function of time, and what a Lighthouse of the Electra fork
// says of it, in its order and with all its fields. Each epoch gives every validator a seat in a committee, elsewhere
// than in the one before. Of a hundred slots one has no block, of a hundred votes one names another head, one comes a
// slot late or more, and one in three hundred never does; a block has the eight aggregates that it may have, each with
// the bits of all committees of a slot.
//
// Thread safety: immutable after construction.
class FullNetwork {
 public:
  struct Options {
    std::uint64_t validators = 1'000'000;
    std::int64_t slot_ms = 12'000;
  };
  static constexpr std::uint64_t kSlotsPerEpoch = 32;
  static constexpr std::uint64_t kSyncSize = 512;
  static constexpr std::uint64_t kEpochsPerSyncPeriod = 256;

  // In the first slot of an epoch.
  FullNetwork(const core::Clock& clock, Options options);

  std::uint64_t validators() const { return options_.validators; }
  std::uint64_t wall_slot() const;
  // Of the slot whose block the node has: it comes a seventh of a slot after the slot began.
  std::uint64_t head_slot() const;
  core::WallTime start_of(std::uint64_t slot) const;
  bool has_block(std::uint64_t slot) const;
  // The last slot with a block up to `slot`.
  std::uint64_t last_block(std::uint64_t slot) const;
  std::string root(std::uint64_t slot) const;
  // None: no block has it.
  std::optional<std::uint64_t> slot_of(std::string_view root) const;
  std::uint64_t proposer(std::uint64_t slot) const;
  static std::string public_key(std::uint64_t validator);
  std::optional<std::uint64_t> validator_of(std::string_view public_key) const;

  // The answers, whole.
  std::string spec() const;
  std::string genesis() const;
  std::string syncing() const;
  std::string header(std::uint64_t slot) const;
  std::string finality() const;
  std::string block(std::uint64_t slot) const;  // a blinded one
  std::string committees(std::uint64_t epoch) const;
  std::string records(const std::vector<std::uint64_t>& validators) const;
  std::string proposers(std::uint64_t epoch) const;
  std::string sync_duties(std::uint64_t epoch, const std::vector<std::uint64_t>& validators) const;
  std::string rewards(std::uint64_t epoch, const std::vector<std::uint64_t>& validators) const;
  std::string liveness(std::uint64_t epoch, const std::vector<std::uint64_t>& validators) const;
  // A block that became the head, as its two events.
  std::string events_of(std::uint64_t slot) const;

 private:
  struct Vote {
    std::uint64_t delay;  // slots until a block may have it; 0: it is never cast
    bool right_head;
  };
  static Vote vote_of(std::uint64_t epoch, std::uint64_t validator);
  std::uint64_t member(std::uint64_t epoch, std::uint64_t seat) const;
  std::uint64_t committees_of_slot() const;
  // Seats of the epoch before a slot's: the slots share them evenly, and so do the committees of a slot.
  std::uint64_t seats_before(std::uint64_t slot_offset) const;
  std::uint64_t next_block(std::uint64_t slot) const;
  std::string aggregate(std::uint64_t slot, bool right_head, const std::vector<bool>& voters) const;
  void append_votes(std::string& text, std::uint64_t block) const;

  const core::Clock& clock_;
  const Options options_;
  const std::int64_t genesis_s_;
  std::uint64_t stride_ = 1;  // from seat to seat, without a common factor with the number of validators
};

}  // namespace bench
