// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace rules::templates {

// The string functions of templates that need more than a line.

core::Result<bool> matches_anywhere(std::string_view pattern, std::string_view text);
// Every match replaced; $1, ${1}, $name and $$ in the replacement as in Go's regexp.Expand.
core::Result<std::string> replace_all(std::string_view pattern, std::string_view replacement, std::string_view text,
                                      std::size_t max_bytes);

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
// The first letter of each word in upper case, the rest as it is.
std::string to_title(std::string_view text);

std::string strip_port(std::string_view host_port);
std::string strip_domain(std::string_view host_port);
std::string query_escape(std::string_view text);  // as in a form: a space is +
std::string html_escape(std::string_view text);
std::string js_escape(std::string_view text);
std::string path_of_url(std::string_view url);

}  // namespace rules::templates
