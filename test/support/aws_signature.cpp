// SPDX-License-Identifier: Apache-2.0
#include "test/support/aws_signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <ctime>
#include <sstream>
#include <vector>

namespace test_support {
namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string hex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string sha256(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return {digest.begin(), digest.begin() + size};
}

std::string hmac(const std::string& key, const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), digest.data(), &size);
  return {digest.begin(), digest.begin() + size};
}

// Without blanks at both ends, and with single ones within.
std::string canonical_value(const std::string& value) {
  std::istringstream in(value);
  std::string result;
  for (std::string word; in >> word;) result += (result.empty() ? "" : " ") + word;
  return result;
}

std::string part(const std::string& text, const std::string& name) {
  const std::size_t at = text.find(name + "=");
  if (at == std::string::npos) return {};
  const std::size_t start = at + name.size() + 1;
  return text.substr(start, text.find_first_of(", ", start) - start);
}

std::string header(const SignedRequest& request, const std::string& name) {
  for (const auto& [key, value] : request.headers) {
    if (lower(key) == name) return value;
  }
  return {};
}

std::time_t seconds_of(const std::string& date) {
  std::tm time{};
  return strptime(date.c_str(), "%Y%m%dT%H%M%SZ", &time) == nullptr ? 0 : timegm(&time);
}

}  // namespace

std::string check_aws_signature(const SignedRequest& request, const std::string& region, const std::string& service,
                                const std::string& access_key, const std::string& secret_key,
                                const std::string& session_token, const std::string& now) {
  const std::string authorization = header(request, "authorization");
  if (!authorization.starts_with("AWS4-HMAC-SHA256 ")) return "no AWS4-HMAC-SHA256 authorization";
  const std::string date = header(request, "x-amz-date");
  if (date.size() != 16) return "no X-Amz-Date";
  if (std::llabs(static_cast<long long>(seconds_of(date) - seconds_of(now))) > 300) return "the date is off: " + date;
  const std::string day = date.substr(0, 8);
  const std::string scope = day + "/" + region + "/" + service + "/aws4_request";
  if (part(authorization, "Credential") != access_key + "/" + scope) {
    return "another credential: " + part(authorization, "Credential");
  }
  if (header(request, "x-amz-security-token") != session_token) return "another session token";

  std::vector<std::string> names;
  std::istringstream list(part(authorization, "SignedHeaders"));
  for (std::string name; std::getline(list, name, ';');) names.push_back(name);
  if (!std::is_sorted(names.begin(), names.end())) return "the signed headers are not sorted";
  for (const auto& [key, value] : request.headers) {
    const std::string name = lower(key);
    const bool must = name == "host" || name == "content-type" || name.starts_with("x-amz-");
    if (must && std::find(names.begin(), names.end(), name) == names.end()) return name + " is not signed";
  }

  std::string canonical = request.method + "\n" + request.path + "\n" + request.query + "\n";
  for (const std::string& name : names) canonical += name + ":" + canonical_value(header(request, name)) + "\n";
  canonical += "\n" + part(authorization, "SignedHeaders") + "\n" + hex(sha256(request.body));
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + hex(sha256(canonical));
  const std::string key = hmac(hmac(hmac(hmac("AWS4" + secret_key, day), region), service), "aws4_request");
  return hex(hmac(key, to_sign)) == part(authorization, "Signature") ? "" : "SignatureDoesNotMatch for\n" + canonical;
}

}  // namespace test_support
