// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "collector/staking/canonical_chain.h"
#include "collector/staking/duty_facts.h"

namespace collector::staking {

// How an attestation duty was done. A wrong source cannot be included in a block at all: it shows as missed.
enum class AttestationGrade : std::uint8_t {
  kMade,
  kLate,  // right, but a reward was lost to the delay
  kWrongHead,
  kWrongTarget,
  kMissed,
  kUnknown,  // not seen, where not every block could be looked at
};

struct AttestationVerdict {
  std::uint32_t watched = 0;
  std::uint64_t slot = 0;
  AttestationGrade grade = AttestationGrade::kUnknown;
  std::uint64_t delay = 0;      // slots until the first block that has it
  bool source_late = false;     // the delay cost the reward for the source too
  bool voted_parent = false;    // the wrong head is the block before
  bool blocks_missing = false;  // no block between the duty and the one that has it: not the attester's fault
};

struct AttestationTally {
  std::uint64_t due = 0;
  std::uint64_t missed = 0;
  std::uint64_t late = 0;
  std::uint64_t source_late = 0;
  std::uint64_t wrong_head = 0;
  std::uint64_t wrong_target = 0;
  std::uint64_t unknown = 0;
  void add(AttestationGrade grade, bool late_source);
};

struct AttestationJudgement {
  std::vector<AttestationVerdict> watched;
  AttestationTally network;   // of everybody, the watched among them
  std::uint64_t misfits = 0;  // votes that do not fit the committees: these are of another branch or epoch
  std::uint64_t blocks_unread = 0;
};

// What the attesters of slots [from, to] did, as far as `chain` has their votes. Final for an epoch once the last slot
// of the epoch after it is on the chain, for until then blocks may include its votes (EIP-7045).
// REQUIRES: `committees` are those of an epoch with all of these slots.
AttestationJudgement judge_attestations(const DutySpec& spec, const CanonicalChain& chain, const Committees& committees,
                                        std::uint64_t from, std::uint64_t to);

}  // namespace collector::staking
