// SPDX-License-Identifier: Apache-2.0
#include "core/aws/shared_files.h"

#include <fstream>
#include <sstream>

namespace core::aws {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

}  // namespace

Result<std::string> read_small_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::kFailed, "unable to read file {}: cannot open it", path);
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return fail(Errc::kFailed, "unable to read file {}: read error", path);
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kFileBytesMax) return fail(Errc::kFailed, "{} has more than {} bytes", path, kFileBytesMax);
  return text;
}

std::map<std::string, std::string> read_profile(std::string_view text, std::string_view section) {
  std::map<std::string, std::string> values;
  std::istringstream in{std::string(text)};
  bool within = false;
  for (std::string line; std::getline(in, line);) {
    const std::string stripped = trimmed(line);
    if (stripped.empty() || stripped.starts_with('#') || stripped.starts_with(';')) continue;
    if (stripped.starts_with('[')) {
      within = trimmed(std::string_view(stripped).substr(1, stripped.find(']') - 1)) == section;
      continue;
    }
    const std::size_t equals = stripped.find('=');
    // An indented line belongs to the nested settings of the line before; none of them is of use here.
    if (!within || equals == std::string::npos || line.front() == ' ' || line.front() == '\t') continue;
    values[trimmed(std::string_view(stripped).substr(0, equals))] =
        trimmed(std::string_view(stripped).substr(equals + 1));
  }
  return values;
}

Result<std::map<std::string, std::string>> read_shared_files(
    const std::string& profile, const std::function<std::string(const char*)>& environment) {
  const auto path = [&](const char* variable, const char* name) {
    const std::string named = environment(variable);
    return named.empty() ? environment("HOME") + "/.aws/" + name : named;
  };
  std::map<std::string, std::string> values;
  if (const auto text = read_small_file(path("AWS_SHARED_CREDENTIALS_FILE", "credentials"))) {
    values = read_profile(*text, profile);
  }
  if (const auto text = read_small_file(path("AWS_CONFIG_FILE", "config"))) {
    // What the credentials file has said already stays.
    values.merge(read_profile(*text, profile == "default" ? profile : "profile " + profile));
  }
  for (const char* const key :
       {"source_profile", "credential_source", "sso_session", "sso_start_url", "credential_process", "role_arn"}) {
    if (values.contains(key)) {
      return fail(Errc::kNotSupported, "{} in AWS profile {} is not supported", key, profile);
    }
  }
  return values;
}

}  // namespace core::aws
