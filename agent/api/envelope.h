// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "agent/api/http_message.h"
#include "core/error.h"
#include "rules/promql/value.h"

namespace agent {

// The errorType of an answer; each has its HTTP status.
enum class ErrorType { kBadData, kExecution, kTimeout, kCanceled, kInternal, kNotFound, kUnavailable };

// {"status":"success","data":<data>}, with at most ten warnings and ten infos behind it.
ApiResponse success(std::string_view data, const rules::promql::Annotations& annotations = {});

// {"status":"error","errorType":...,"error":...}
ApiResponse failure(ErrorType type, std::string_view message);
// bad_data: invalid parameter "name": reason
ApiResponse bad_parameter(std::string_view name, std::string_view reason);

// What a failed query answers: the error's code decides the type.
ApiResponse query_failure(const core::Error& error);

}  // namespace agent
