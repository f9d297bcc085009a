// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/result.h"
#include "rules/template/functions.h"
#include "rules/template/syntax.h"

namespace rules::templates {

// Runs a parsed template on its data. kFailed, or kLimitExceeded for a bound:
// `template: NAME:LINE:COLUMN: executing "NAME" at <.X>: ...`.
core::Result<std::string> execute(const Template& parsed, FunctionContext& context);

}  // namespace rules::templates
