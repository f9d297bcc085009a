// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/time/clock.h"

namespace collector::remote_write {

enum class LogLevel { kInfo, kWarn, kError };

// How a remote is doing. Counters are since the start of the process.
//
// Thread safety: a value.
struct RemoteStatus {
  std::string name;
  std::string url;  // without its password

  std::uint64_t samples_sent = 0;      // in requests that were tried, each attempt counted
  std::uint64_t samples_taken = 0;     // in requests that were answered with 2xx
  std::uint64_t samples_failed = 0;    // refused for good, or less taken than sent
  std::uint64_t samples_retried = 0;   // in requests that failed and are sent again
  std::uint64_t samples_too_old = 0;   // dropped by sample_age_limit
  std::uint64_t samples_repeated = 0;  // of a pass that was repeated after a kill, refused: taken before
  std::uint64_t samples_pending = 0;   // in batches that are read and not answered
  std::uint64_t bytes = 0;             // of requests, each attempt counted
  std::uint64_t requests = 0;
  double request_seconds = 0;

  std::uint64_t overwritten_samples = 0;  // estimated: see Loss
  std::uint64_t overwritten_series = 0;
  std::int64_t overwritten_from_ms = 0;  // the last hole
  std::int64_t overwritten_to_ms = 0;

  std::uint64_t metadata_sent = 0;
  std::uint64_t metadata_failed = 0;
  std::uint64_t metadata_retried = 0;
  std::uint64_t metadata_bytes = 0;

  std::uint64_t series = 0;
  std::uint64_t series_dropped = 0;  // by relabelling
  std::uint64_t shards = 0;
  std::uint64_t shards_min = 0;
  std::uint64_t shards_max = 0;
  std::uint64_t capacity = 0;
  std::uint64_t samples_per_send_max = 0;
  std::uint64_t cursor_failures = 0;  // cursors that could not be stored

  std::int64_t covered_ms = 0;       // what was in the ring up to here is sent
  std::int64_t newest_sent_ms = 0;   // the newest sample that was taken, or refused for good
  std::int64_t last_success_ms = 0;  // when; 0: never
  std::string last_error;            // of the last request that failed; empty once one succeeds
};

}  // namespace collector::remote_write
