// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "core/result.h"
#include "rules/template/functions.h"
#include "rules/template/value.h"

namespace rules::templates {

// What a time or a duration answers without arguments: .Year, .Unix, .Seconds, ... Absent for other names and values.
std::optional<Value> time_member(const Value& value, std::string_view name);

// Whether a method of this name wants arguments: Format.
bool takes_arguments(std::string_view name);

core::Result<Value> call_time_method(const Value& value, std::string_view name, const Arguments& arguments);

// Go's layouts, written as the time Mon Jan 2 15:04:05 MST 2006 would be.
std::string format_time(TimePoint time, std::string_view layout);

}  // namespace rules::templates
