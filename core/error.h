// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace core {

// A code exists only where some caller acts on it; everything else is kFailed.
enum class Errc {
  kFailed,         // no caller tells it apart
  kInvalid,        // the input is wrong: the same call can never succeed
  kNotFound,       // the thing asked for does not exist
  kTimeout,        // a deadline passed; whether the effect happened is not known
  kUnavailable,    // the other side is down or refused for now: trying later may help
  kLimitExceeded,  // a named bound was hit
  kCancelled,      // the caller took the request back
  kNotSupported,   // known and refused by name
};

// What went wrong, in words for a person: the message names the place (file:line:column, URL, field)
// and what was expected.
//
// Thread safety: a value.
struct Error {
  Errc code = Errc::kFailed;
  std::string message;

  // Puts "<context>: " before the message, formatted as by fmt.
  template <class... Args>
  Error with_context(fmt::format_string<Args...> format, Args&&... args) const {
    return {code, fmt::format(format, std::forward<Args>(args)...) + ": " + message};
  }

  bool operator==(const Error&) const = default;
};

// error(Errc::kInvalid, "no such field {}", name)
template <class... Args>
Error error(Errc code, fmt::format_string<Args...> format, Args&&... args) {
  return {code, fmt::format(format, std::forward<Args>(args)...)};
}

}  // namespace core
