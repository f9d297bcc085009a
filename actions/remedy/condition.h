// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/ring/ring.h"
#include "core/time/clock.h"
#include "rules/promql/engine.h"

namespace actions::remedy {

// Three values, because not seeing is not seeing that all is well. Only kYes lets anything happen.
enum class Verdict { kNo, kUnknown, kYes };

std::string_view to_string(Verdict verdict);

// Something that must be so before a run starts, or after its steps.
struct Question {
  enum class Kind {
    kCondition,  // text: PromQL that must hold
    kNumber,     // text: PromQL with one value
    kBackupAge,  // text: a backup; the value is its age in seconds
  };
  Kind kind = Kind::kCondition;
  std::string name;  // for people: "require: min(up) == 1"
  std::string text;
  double at_least = 0;                                       // of kNumber, before what decisions take off
  double at_most = std::numeric_limits<double>::infinity();  // of kBackupAge

  bool operator==(const Question&) const = default;
};

struct Answer {
  Verdict verdict = Verdict::kUnknown;
  double value = std::numeric_limits<double>::quiet_NaN();  // of kNumber and kBackupAge
  std::string why;                                          // a no, or why nobody knows
};

// Who looks at the world for decisions.
//
// Thread safety: any thread; answer() blocks for as long as looking takes, which is bounded.
class Lookout {
 public:
  virtual ~Lookout() = default;
  // Samples older than `fresh_within` do not count. Never fails: what cannot be told is unknown.
  virtual Answer answer(const Question& question, core::Duration fresh_within, std::stop_token stop) = 0;
};

// Whether the text is PromQL whose value is a number or a vector: for use when the configuration is loaded.
core::Result<void> check_condition(std::string_view text);

// The one that evaluates PromQL over the ring and knows the backups.
//
// What holds: of a comparison between series, that of every pair of series that it compares; of any other expression,
// every value not being zero. No series, NaN on either side, or an error is unknown. Samples are looked for no further
// back than `fresh_within`, so old ones are none (ranges, offsets and @ look where they say).
class RingLookout final : public Lookout {
 public:
  // The age of the last good backup; none if there is none, or nobody can tell.
  using BackupAge = std::function<std::optional<core::Duration>(const std::string& name)>;

  RingLookout(const core::ring::Reader& reader, const core::Clock& clock, rules::promql::EngineOptions options,
              BackupAge backup_age)
      : reader_(reader), clock_(clock), options_(options), backup_age_(std::move(backup_age)) {}

  Answer answer(const Question& question, core::Duration fresh_within, std::stop_token stop) override;

 private:
  const core::ring::Reader& reader_;
  const core::Clock& clock_;
  const rules::promql::EngineOptions options_;
  const BackupAge backup_age_;
};

}  // namespace actions::remedy
