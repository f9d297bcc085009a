// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/time/clock.h"
#include "script.h"
#include "storage.h"

namespace promqltest {

enum class Verdict { kPassed, kFailed, kSkipped };

struct Outcome {
  Verdict verdict = Verdict::kPassed;
  std::string reason;
};

// Carries out one eval: the query as written and, for an instant one, again pinned by @ at other times and as the
// middle of range queries. Skipped only where native histograms are read or expected.
Outcome run_eval(const EvalCommand& eval, const Storage& storage, const core::Clock& clock);

}  // namespace promqltest
