// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tl/expected.hpp>

#include "core/error.h"

namespace core {

// A value or an Error. Expected failures (network, disk, outside input) travel in it; exceptions of
// third-party libraries stop in the file that wraps the library.
template <class T>
using Result = tl::expected<T, Error>;

// `return fail(Errc::kInvalid, "bad port {}", port);` in a function that returns a Result.
template <class... Args>
tl::unexpected<Error> fail(Errc code, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(error(code, format, std::forward<Args>(args)...));
}

inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace core
