// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "collector/exposition/entry.h"
#include "core/result.h"
#include "core/ring/labels.h"
#include "core/ring/sample.h"

namespace collector::remote_write {

// The labels of a series as they stand in a TimeSeries message. They are in the order that the protocol asks for: a
// label set is sorted by name.
std::string encode_labels(const core::ring::Labels& labels);

// What is known of a metric family.
struct FamilyText {
  std::string family;
  exposition::MetricType type = exposition::MetricType::kUnknown;
  std::string help;
  std::string unit;
  auto operator<=>(const FamilyText&) const = default;
};

// A prometheus.WriteRequest while it is put together. As Prometheus does, every TimeSeries carries one sample:
// receivers are used to that. Every bit of a value is kept, those of stale markers too.
//
// Thread safety: confined to one thread.
class WriteRequest {
 public:
  // `labels` came out of encode_labels().
  void add(std::string_view labels, core::ring::Sample sample);
  void add(const FamilyText& family);
  void clear() { bytes_.clear(); }

  bool empty() const { return bytes_.empty(); }
  std::size_t size() const { return bytes_.size(); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Snappy's block format, which is what the protocol sends and the store of cursors keeps.
std::string compress(std::string_view bytes);
// kInvalid if it is not that, or would be longer than `bytes_max`.
core::Result<std::string> decompress(std::string_view compressed, std::size_t bytes_max);

// Protobuf's and our own variable-length integers: seven bits a byte, the lowest first.
void put_varint(std::string& out, std::uint64_t value);

}  // namespace collector::remote_write
