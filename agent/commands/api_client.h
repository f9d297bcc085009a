// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/result.h"

namespace agent {

inline constexpr const char* kDefaultUrl = "http://127.0.0.1:9780";

using FormFields = std::vector<std::pair<std::string, std::string>>;

// Asks a running agent, for the command line.
//
// Thread safety: immutable after construction.
class ApiClient {
 public:
  explicit ApiClient(std::string url) : url_(std::move(url)) {}

  // The body of the answer, whatever its status; an error only if there is none.
  core::Result<std::string> get(const std::string& path) const;
  core::Result<std::string> post(const std::string& path, const FormFields& fields) const;

 private:
  std::string url_;
};

// "data" of an answer, or the error it carries.
core::Result<nlohmann::json> data_of(const core::Result<std::string>& answer);

}  // namespace agent
