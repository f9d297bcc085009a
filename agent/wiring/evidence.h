// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "actions/remedy/remediation_config.h"
#include "actions/remedy/run.h"
#include "collector/probe/probe_runner.h"
#include "core/result.h"
#include "core/ring/ring.h"
#include "core/time/clock.h"
#include "rules/promql/engine.h"

namespace agent {

// What a remediation leaves for people to read: one JSON file for each run that has begun, written when it is over,
// with the run, its entries of the audit log, what its expressions and its target looked like around it, and what
// probes of the target saw. The newest stay, as many as the policy's limits allow.
//
// Thread safety: keep() on one thread at a time; read() on any.
class EvidenceStore {
 public:
  static constexpr std::size_t kSeriesMax = 100;  // of the target; what is beyond is counted in the file
  static constexpr std::size_t kFileBytesMax = 8 << 20;
  static constexpr core::Millis kBefore = std::chrono::minutes(15);

  struct Dependencies {
    std::string folder;        // made if it is not there
    std::string journal_path;  // of the remediations
    const core::ring::Reader& reader;
    const core::Clock& clock;
    rules::promql::EngineOptions options;
    std::function<collector::probe::ProbeHistory()> probes;
  };

  struct Stats {
    std::atomic<std::uint64_t> files{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> removed{0};   // since the start
    std::atomic<std::uint64_t> failures{0};  // likewise, files that could not be written
  };

  explicit EvidenceStore(Dependencies dependencies);

  // Never fails: what cannot be had is said in the file, and a file that cannot be written in the log.
  void keep(const actions::remedy::Run& run, const actions::remedy::Policy& policy);
  const Stats& stats() const { return stats_; }
  // kNotFound while the run has left none.
  core::Result<std::string> read(const std::string& run) const;

 private:
  std::string path_of(const std::string& run) const;
  std::string document(const actions::remedy::Run& run, const actions::remedy::Policy& policy) const;
  // Removes what is beyond the limits, the oldest first, and counts the rest.
  void tidy_up(const actions::remedy::EvidenceLimits& limits);

  const Dependencies with_;
  Stats stats_;
};

}  // namespace agent
