// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "core/result.h"

namespace core::aws {

// The keys of a section of an INI file as AWS's tools read it; none if there is no such section.
std::map<std::string, std::string> read_profile(std::string_view text, std::string_view section);

// Of ~/.aws/credentials and ~/.aws/config, or the files that AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name: what
// they say of a profile, the credentials file first. kNotSupported if the profile wants what is not done here (another
// profile's role, single sign-on, a program).
Result<std::map<std::string, std::string>> read_shared_files(
    const std::string& profile, const std::function<std::string(const char*)>& environment);

// The content of a small file; kFailed with its name.
Result<std::string> read_small_file(const std::string& path);

}  // namespace core::aws
