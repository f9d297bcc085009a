// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace collector::host {

// Writes Prometheus text, so that what the agent measures itself takes the way of every scrape.
//
// Thread safety: confined to one thread.
class ExpositionWriter {
 public:
  using Pair = std::pair<std::string_view, std::string_view>;

  // A family without samples leaves no trace. REQUIRES: the samples of a family stand together.
  void family(std::string_view name, std::string_view type, std::string_view help);
  // Of the last family. Bytes of a label's value that are not UTF-8 become "?".
  void sample(std::initializer_list<Pair> labels, double value) { write_sample(labels.begin(), labels.size(), value); }
  void sample(const std::vector<Pair>& labels, double value) { write_sample(labels.data(), labels.size(), value); }
  // A family of one sample without labels.
  void single(std::string_view name, std::string_view type, std::string_view help, double value);
  // A whole family that someone else has written and checked; `type` and `help` may be empty.
  void lines(std::string_view name, std::string_view type, std::string_view help, std::string_view text);
  // Whether a family of this name has been written. Costs a walk over the text.
  bool has_family(std::string_view name) const;

  std::size_t size() const { return text_.size(); }
  // Takes back what was written since size() was this: what a source wrote before it failed.
  void take_back(std::size_t size);

  std::string take() { return std::move(text_); }

 private:
  void write_sample(const Pair* labels, std::size_t count, double value);

  std::string name_, type_, help_;
  bool announced_ = false;
  std::string text_;
};

}  // namespace collector::host
