// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "actions/remedy/step.h"
#include "core/result.h"

namespace actions::remedy {

// The one JSON form of a step: an object with its kind, what it does, and all its settings. Keys are sorted, so that
// the same step is the same text.
std::string step_json_text(const Step& step);

// kInvalid with what is missing or unknown. Other keys are ignored.
core::Result<Step> step_from_json_text(std::string_view text);

}  // namespace actions::remedy
