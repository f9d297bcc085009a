// SPDX-License-Identifier: Apache-2.0
#include "actions/receivers/http_post.h"

#include <fstream>

#include "core/net/url.h"

namespace actions::receivers {
namespace {

constexpr std::size_t kSecretFileBytesMax = 64 << 10;

}  // namespace

core::Result<core::net::Request> json_post(std::string url, std::string body,
                                           const std::optional<core::net::HttpClientConfig>& http,
                                           core::Millis timeout) {
  core::net::Request request;
  request.method = "POST";
  request.url = std::move(url);
  request.body = std::move(body);
  request.headers.emplace_back("Content-Type", "application/json");
  request.timeout = timeout > core::Millis(0) ? timeout : kDefaultTimeout;
  request.body_limit = kAnswerBytesMax;
  const core::net::HttpClientConfig defaults;
  if (auto applied = (http ? *http : defaults).apply(request); !applied) return core::fail(applied.error());
  return request;
}

core::Result<std::string> read_secret(const core::config::Secret& secret, const std::string& file) {
  if (file.empty()) return secret.value;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return core::fail(core::Errc::kFailed, "unable to read file {}: cannot open it", file);
  std::string text(kSecretFileBytesMax + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > kSecretFileBytesMax) {
    return core::fail(core::Errc::kFailed, "unable to read file {}: more than {} bytes", file, kSecretFileBytesMax);
  }
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string::npos) return core::fail(core::Errc::kFailed, "file {} is empty", file);
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string url_problem(std::string_view url) {
  const std::size_t colon = url.find("://");
  const std::string_view scheme = colon == std::string_view::npos ? std::string_view() : url.substr(0, colon);
  if (scheme != "http" && scheme != "https") return fmt::format("unsupported scheme \"{}\" for URL", scheme);
  const std::string_view rest = url.substr(colon + 3);
  if (rest.empty() || rest.starts_with('/') || rest.starts_with(':')) return "missing host for URL";
  if (auto parsed = core::net::parse_url(url); !parsed) return parsed.error().message;
  return "";
}

}  // namespace actions::receivers
