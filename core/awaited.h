// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

namespace core {

// A value that another thread brings, once.
//
// Thread safety: any thread. Whoever brings the value may outlive whoever waits, so both share it (std::shared_ptr).
template <class T>
class Awaited {
 public:
  // Later values are dropped.
  void set(T value) {
    const std::scoped_lock lock(mutex_);
    if (value_) return;
    value_ = std::move(value);
    there_.notify_all();
  }

  // None if the stop request came first.
  std::optional<T> wait(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    there_.wait(lock, stop, [&] { return value_.has_value(); });
    return value_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any there_;
  std::optional<T> value_;
};

}  // namespace core
