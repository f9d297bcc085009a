// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test_support {

// A remote write request as a receiver reads it, written from the formats' descriptions (snappy format_description.txt,
// protobuf's encoding, prompb/remote.proto) and sharing nothing with what it is to judge.
struct ReceivedRequest {
  using Labels = std::vector<std::pair<std::string, std::string>>;
  struct Sample {
    Labels labels;
    std::int64_t time_ms = 0;
    std::uint64_t bits = 0;
    double value() const { return std::bit_cast<double>(bits); }
  };
  struct Family {
    std::uint64_t type = 0;
    std::string name;
    std::string help;
    std::string unit;
  };
  std::vector<Sample> samples;
  std::vector<Family> families;
};

// name{a="b"}, for maps and messages.
inline std::string text_of(const ReceivedRequest::Labels& labels) {
  std::string name;
  std::string rest;
  for (const auto& [key, value] : labels) {
    if (key == "__name__") {
      name = value;
    } else {
      rest += (rest.empty() ? "" : ",") + key + "=\"" + value + "\"";
    }
  }
  return name + "{" + rest + "}";
}

// Bytes of protobuf and of snappy, from the front. Any read past the end makes it bad for good.
//
// Thread safety: confined to one thread.
class WireBytes {
 public:
  explicit WireBytes(std::string_view bytes) : rest_(bytes) {}
  bool bad() const { return bad_; }
  bool more() const { return !bad_ && !rest_.empty(); }
  std::uint8_t byte() { return static_cast<std::uint8_t>(take(1).empty() ? 0 : last_.front()); }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t next = byte();
      value |= std::uint64_t{next & 0x7fU} << shift;
      if (bad_ || next < 0x80) return value;
    }
    bad_ = true;
    return 0;
  }
  std::uint64_t little_endian(std::size_t bytes) {
    const std::string_view given = take(bytes);
    std::uint64_t value = 0;
    for (std::size_t i = given.size(); i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(given[i]);
    return value;
  }
  std::string_view take(std::uint64_t count) {
    if (bad_ || count > rest_.size()) {
      bad_ = true;
      return last_ = {};
    }
    last_ = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return last_;
  }

 private:
  std::string_view rest_;
  std::string_view last_;
  bool bad_ = false;
};

inline std::optional<std::string> unsnap(std::string_view block) {
  WireBytes in(block);
  const std::uint64_t length = in.varint();
  std::string out;
  while (in.more()) {
    const std::uint8_t tag = in.byte();
    std::uint64_t count = tag >> 2;
    if ((tag & 3) == 0) {
      if (count >= 60) count = in.little_endian(count - 59);
      out += in.take(count + 1);
      continue;
    }
    std::uint64_t back = 0;
    if ((tag & 3) == 1) {
      count = (count & 7) + 4;
      back = std::uint64_t{tag & 0xe0U} << 3 | in.byte();
    } else {
      ++count;
      back = in.little_endian((tag & 3) == 2 ? 2 : 4);
    }
    if (in.bad() || back == 0 || back > out.size()) return std::nullopt;
    for (std::uint64_t i = 0; i < count; ++i) out += out[out.size() - back];
  }
  if (in.bad() || out.size() != length) return std::nullopt;
  return out;
}

inline bool read_labels(std::string_view message, ReceivedRequest::Labels& labels) {
  WireBytes in(message);
  auto& [name, value] = labels.emplace_back();
  while (in.more()) {
    const std::uint64_t tag = in.varint();
    const std::string_view text = in.take(in.varint());
    if (tag == 0x0a) name = text;
    if (tag == 0x12) value = text;
    if (tag != 0x0a && tag != 0x12) return false;
  }
  return !in.bad() && !name.empty() && !value.empty();
}

inline bool read_series(std::string_view message, ReceivedRequest& request) {
  WireBytes in(message);
  ReceivedRequest::Sample sample;
  int samples = 0;
  while (in.more()) {
    const std::uint64_t tag = in.varint();
    const std::string_view inner = in.take(in.varint());
    if (tag == 0x0a) {
      if (!read_labels(inner, sample.labels)) return false;
    } else if (tag == 0x12) {
      WireBytes bytes(inner);
      ++samples;
      while (bytes.more()) {
        const std::uint64_t field = bytes.varint();
        if (field == 0x09) {
          sample.bits = bytes.little_endian(8);
        } else if (field == 0x10) {
          sample.time_ms = static_cast<std::int64_t>(bytes.varint());
        } else {
          return false;
        }
      }
      if (bytes.bad()) return false;
    } else {
      return false;
    }
  }
  // Sorted by name and each once, a metric name among them, one sample.
  for (std::size_t i = 1; i < sample.labels.size(); ++i) {
    if (!(sample.labels[i - 1].first < sample.labels[i].first)) return false;
  }
  if (in.bad() || samples != 1 || sample.labels.empty()) return false;
  request.samples.push_back(std::move(sample));
  return true;
}

// None for anything that is not exactly such a request.
inline std::optional<ReceivedRequest> read_write_request(std::string_view body) {
  const auto bytes = unsnap(body);
  if (!bytes) return std::nullopt;
  ReceivedRequest request;
  WireBytes in(*bytes);
  while (in.more()) {
    const std::uint64_t tag = in.varint();
    const std::string_view message = in.take(in.varint());
    if (tag == 0x0a) {
      if (!read_series(message, request)) return std::nullopt;
    } else if (tag == 0x1a) {
      ReceivedRequest::Family& family = request.families.emplace_back();
      WireBytes fields(message);
      while (fields.more()) {
        const std::uint64_t field = fields.varint();
        if (field == 0x08) {
          family.type = fields.varint();
          continue;
        }
        const std::string_view text = fields.take(fields.varint());
        if (field == 0x12) family.name = text;
        if (field == 0x22) family.help = text;
        if (field == 0x2a) family.unit = text;
      }
      if (fields.bad()) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  if (in.bad()) return std::nullopt;
  return request;
}

}  // namespace test_support
