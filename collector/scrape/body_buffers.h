// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace collector::scrape {

// Memory that bodies are received into, handed on from scrape to scrape: the few that are under way at once need no
// more of it, however many targets there are, and none has to be found, zeroed and given back for each.
//
// Thread safety: any thread.
class BodyBuffers {
 public:
  static constexpr std::size_t kKeptMax = 2;
  static constexpr std::size_t kKeptBytesMax = 4 << 20;  // of each; larger ones are given back

  std::string take() {
    const std::lock_guard lock(mutex_);
    if (kept_.empty()) return {};
    std::string buffer = std::move(kept_.back());
    kept_.pop_back();
    return buffer;
  }

  void give_back(std::string buffer) {
    if (buffer.capacity() > kKeptBytesMax) return;
    const std::lock_guard lock(mutex_);
    if (kept_.size() < kKeptMax) {
      kept_.push_back(std::move(buffer));
      return;
    }
    const auto smallest = std::ranges::min_element(kept_, {}, [](const std::string& each) { return each.capacity(); });
    if (smallest->capacity() < buffer.capacity()) smallest->swap(buffer);
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> kept_;  // guarded by mutex_
};

}  // namespace collector::scrape
