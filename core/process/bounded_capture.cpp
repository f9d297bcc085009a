// SPDX-License-Identifier: Apache-2.0
#include "core/process/bounded_capture.h"

#include <algorithm>

#include <fmt/format.h>

namespace core::process {

void BoundedCapture::append(std::string_view bytes) {
  total_ += bytes.size();
  const std::size_t to_head = std::min(bytes.size(), head_limit_ - head_.size());
  head_.append(bytes.substr(0, to_head));
  bytes.remove_prefix(to_head);
  if (bytes.size() > tail_limit_) bytes.remove_prefix(bytes.size() - tail_limit_);
  tail_.append(bytes);
  if (tail_.size() > 2 * tail_limit_) tail_.erase(0, tail_.size() - tail_limit_);
}

std::string BoundedCapture::text() const {
  const std::string_view tail =
      std::string_view(tail_).substr(tail_.size() > tail_limit_ ? tail_.size() - tail_limit_ : 0);
  const std::uint64_t kept = head_.size() + tail.size();
  if (kept == total_) return head_ + std::string(tail);
  return fmt::format("{}\n[... {} bytes left out ...]\n{}", head_, total_ - kept, tail);
}

}  // namespace core::process
