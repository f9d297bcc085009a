// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/write_request.h"

#include <snappy.h>

#include <bit>

namespace collector::remote_write {
namespace {

// Tags of prometheus/prometheus prompb/remote.proto and types.proto: number of the field << 3 | how it is encoded.
constexpr char kVarint = 0;
constexpr char kFixed64 = 1;
constexpr char kBytes = 2;
constexpr char tag(int field, char encoding) { return static_cast<char>(field << 3 | encoding); }

constexpr char kRequestTimeSeries = tag(1, kBytes);
constexpr char kRequestMetadata = tag(3, kBytes);
constexpr char kSeriesLabel = tag(1, kBytes);
constexpr char kSeriesSample = tag(2, kBytes);
constexpr char kLabelName = tag(1, kBytes);
constexpr char kLabelValue = tag(2, kBytes);
constexpr char kSampleValue = tag(1, kFixed64);
constexpr char kSampleTime = tag(2, kVarint);
constexpr char kMetadataType = tag(1, kVarint);
constexpr char kMetadataFamily = tag(2, kBytes);
constexpr char kMetadataHelp = tag(4, kBytes);
constexpr char kMetadataUnit = tag(5, kBytes);

std::size_t varint_bytes(std::uint64_t value) { return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7; }

void put_text(std::string& out, char field, std::string_view text) {
  if (text.empty()) return;  // as proto3 has it: the default is left out
  out += field;
  put_varint(out, text.size());
  out += text;
}

std::uint64_t type_number(exposition::MetricType type) {
  using exposition::MetricType;
  switch (type) {
    case MetricType::kUnknown:
      return 0;
    case MetricType::kCounter:
      return 1;
    case MetricType::kGauge:
      return 2;
    case MetricType::kHistogram:
      return 3;
    case MetricType::kGaugeHistogram:
      return 4;
    case MetricType::kSummary:
      return 5;
    case MetricType::kInfo:
      return 6;
    case MetricType::kStateset:
      return 7;
  }
  return 0;
}

}  // namespace

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

std::string encode_labels(const core::ring::Labels& labels) {
  std::string out;
  std::string label;
  for (const core::ring::Label& each : labels) {
    label.clear();
    put_text(label, kLabelName, each.name);
    put_text(label, kLabelValue, each.value);
    put_text(out, kSeriesLabel, label);
  }
  return out;
}

void WriteRequest::add(std::string_view labels, core::ring::Sample sample) {
  const auto time = static_cast<std::uint64_t>(sample.time_ms);
  const std::size_t sample_bytes = 1 + 8 + 1 + varint_bytes(time);
  bytes_ += kRequestTimeSeries;
  put_varint(bytes_, labels.size() + 2 + sample_bytes);
  bytes_ += labels;
  bytes_ += kSeriesSample;
  bytes_ += static_cast<char>(sample_bytes);  // at most 20
  bytes_ += kSampleValue;
  auto bits = std::bit_cast<std::uint64_t>(sample.value);
  for (int i = 0; i < 8; ++i, bits >>= 8) bytes_ += static_cast<char>(bits);
  bytes_ += kSampleTime;
  put_varint(bytes_, time);
}

void WriteRequest::add(const FamilyText& family) {
  std::string message;
  if (const std::uint64_t type = type_number(family.type); type != 0) {
    message += kMetadataType;
    put_varint(message, type);
  }
  put_text(message, kMetadataFamily, family.family);
  put_text(message, kMetadataHelp, family.help);
  put_text(message, kMetadataUnit, family.unit);
  put_text(bytes_, kRequestMetadata, message);
}

std::string compress(std::string_view bytes) {
  std::string compressed;
  snappy::Compress(bytes.data(), bytes.size(), &compressed);
  return compressed;
}

core::Result<std::string> decompress(std::string_view compressed, std::size_t bytes_max) {
  std::size_t length = 0;
  std::string bytes;
  if (!snappy::GetUncompressedLength(compressed.data(), compressed.size(), &length) || length > bytes_max ||
      !snappy::Uncompress(compressed.data(), compressed.size(), &bytes)) {
    return core::fail(core::Errc::kInvalid, "not a snappy block of at most {} bytes", bytes_max);
  }
  return bytes;
}

}  // namespace collector::remote_write
