// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "collector/staking/duty_facts.h"
#include "collector/staking/json_rows.h"

namespace collector::staking {

// Reads one kind of answer of the Beacon API as it comes: of what is large only what is needed stays in memory.
//
// Thread safety: confined to one thread.
class AnswerReader {
 public:
  virtual ~AnswerReader() = default;
  // False ends the answer: it is not what it should be.
  bool feed(std::string_view piece) {
    bytes_ += piece.size();
    return bytes_ <= kBytesMax && rows().feed(piece);
  }
  // kInvalid: the answer cannot be used.
  core::Result<void> finish();

  // Of any answer; the validators of a whole network are half of it.
  static constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 30;
  // Elements of any list.
  static constexpr std::size_t kRowsMax = 4'000'000;

 protected:
  virtual JsonRows& rows() = 0;
  virtual core::Result<void> judge() { return {}; }

 private:
  std::uint64_t bytes_ = 0;
};

// /eth/v1/beacon/states/{state}/validators. Validators that `wanted` refuses are passed over.
class ValidatorsReader final : public AnswerReader {
 public:
  explicit ValidatorsReader(std::function<bool(const PublicKey&)> wanted);
  std::vector<ValidatorRecord> records;

 protected:
  JsonRows& rows() override { return rows_; }

 private:
  bool take(const JsonRow& row);
  std::function<bool(const PublicKey&)> wanted_;
  JsonRows rows_;
};

// The watched validators by their index, for lists of a whole network.
class WatchedIndices {
 public:
  void add(std::uint64_t validator, std::uint32_t watched) { pairs_.emplace_back(validator, watched); }
  // After the last add().
  void seal();
  std::optional<std::uint32_t> find(std::uint64_t validator) const;
  const std::vector<std::pair<std::uint64_t, std::uint32_t>>& pairs() const { return pairs_; }

 private:
  std::vector<std::pair<std::uint64_t, std::uint32_t>> pairs_;
  std::vector<bool> there_;  // by index, as far as the last of them
};

// /eth/v1/beacon/states/{state}/committees?epoch=. An answer with slots of another epoch is refused: nodes have given
// those at an epoch's boundary. One that has the slot in its epoch for the index, and the index for the slot, as
// Lodestar 1.5 gives it, is read for what it means.
class CommitteesReader final : public AnswerReader {
 public:
  CommitteesReader(const DutySpec& spec, std::uint64_t epoch, const WatchedIndices& watched);
  Committees committees;

 protected:
  JsonRows& rows() override { return rows_; }
  core::Result<void> judge() override;

 private:
  struct CommitteeSeat {
    std::uint32_t slot_offset;
    std::uint32_t committee;
    std::uint32_t position;
    std::uint32_t watched;
  };
  bool take(const JsonRow& row);
  const std::uint64_t first_slot_;
  const std::uint64_t slots_;
  const WatchedIndices& watched_;
  std::optional<bool> swapped_;  // slot and index; by the first row
  std::vector<CommitteeSeat> seats_;
  JsonRows rows_;
};

// /eth/v1/validator/duties/proposer/{epoch}
class ProposersReader final : public AnswerReader {
 public:
  ProposersReader(const DutySpec& spec, std::uint64_t epoch);
  std::vector<ProposerDuty> duties;

 protected:
  JsonRows& rows() override { return rows_; }

 private:
  JsonRows rows_;
};

// /eth/v1/validator/duties/sync/{epoch}
class SyncDutiesReader final : public AnswerReader {
 public:
  SyncDutiesReader(const DutySpec& spec, const WatchedIndices& watched);
  std::vector<SyncSeat> seats;

 protected:
  JsonRows& rows() override { return rows_; }

 private:
  JsonRows rows_;
};

// /eth/v1/beacon/rewards/attestations/{epoch}
class RewardsReader final : public AnswerReader {
 public:
  RewardsReader();
  RewardAnswer rewards;

 protected:
  JsonRows& rows() override { return rows_; }

 private:
  JsonRows rows_;
};

// /eth/v1/validator/liveness/{epoch}
class LivenessReader final : public AnswerReader {
 public:
  LivenessReader();
  std::vector<Liveness> list;

 protected:
  JsonRows& rows() override { return rows_; }

 private:
  JsonRows rows_;
};

// /eth/v1/beacon/blinded_blocks/{block} and /eth/v2/beacon/blocks/{block}; the root is what was asked for.
class BlockReader final : public AnswerReader {
 public:
  BlockReader();
  Block block;

 protected:
  JsonRows& rows() override { return rows_; }
  core::Result<void> judge() override;

 private:
  JsonRows rows_;
};

// /eth/v2/beacon/blocks/{block}/attestations
class BlockAttestationsReader final : public AnswerReader {
 public:
  BlockAttestationsReader();
  std::vector<Attestation> attestations;

 protected:
  JsonRows& rows() override { return rows_; }

 private:
  JsonRows rows_;
};

// Whom the two halves of a slashing name, as they are sent in events and stand in blocks.
std::vector<std::uint64_t> named_by_both(const std::vector<std::uint64_t>& one,
                                         const std::vector<std::uint64_t>& other);

}  // namespace collector::staking
