// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace collector::host {

// Writes Prometheus text, so that what the agent measures itself takes the way of every scrape.
//
// Thread safety: confined to one thread.
class ExpositionWriter {
 public:
  using Pairs = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // REQUIRES: the samples of a family stand together.
  void family(std::string_view name, std::string_view type, std::string_view help);
  // Of the last family. Bytes of a label's value that are not UTF-8 become "?".
  void sample(Pairs labels, double value);

  std::string take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

}  // namespace collector::host
