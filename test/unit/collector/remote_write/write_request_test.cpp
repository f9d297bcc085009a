// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/write_request.h"

#include <bit>
#include <limits>

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "test/support/write_request_reader.h"

namespace collector::remote_write {
namespace {

using core::ring::Labels;
using testing::HasSubstr;

TEST(WriteRequestTest, EveryBitArrives) {
  const std::string labels = encode_labels(Labels{{"__name__", "up"}, {"zone", "süd"}, {"A", "1"}});
  const std::vector<core::ring::Sample> samples = {
      {0, 0.0},
      {1'700'000'000'123, -0.0},
      {-5, core::ring::stale_marker()},
      {std::numeric_limits<std::int64_t>::max(), core::ring::normal_nan()},
      {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<double>::infinity()},
      {127, 0.1},
      {128, std::numeric_limits<double>::denorm_min()}};
  WriteRequest request;
  for (const auto& sample : samples) request.add(labels, sample);
  const auto read = test_support::read_write_request(compress(request.bytes()));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->samples.size(), samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(read->samples[i].time_ms, samples[i].time_ms);
    EXPECT_EQ(read->samples[i].bits, std::bit_cast<std::uint64_t>(samples[i].value));
    EXPECT_EQ(test_support::text_of(read->samples[i].labels), "up{A=\"1\",zone=\"süd\"}");
  }
}

// The bytes that prometheus/prometheus makes of this series, worked out by hand from prompb's tags.
TEST(WriteRequestTest, TheBytesAreThoseOfTheProtocol) {
  WriteRequest request;
  request.add(encode_labels(Labels{{"__name__", "up"}}), {1000, 1.0});
  const std::string expected(
      "\x0a\x1e"
      "\x0a\x0e\x0a\x08__name__\x12\x02up"
      "\x12\x0c\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x10\xe8\x07",
      32);
  EXPECT_EQ(request.bytes(), expected);
}

TEST(WriteRequestTest, LongLabelsHaveLongLengths) {
  const std::string value(70'000, 'x');
  WriteRequest request;
  request.add(encode_labels(Labels{{"__name__", "m"}, {"v", value}}), {1, 2});
  const auto read = test_support::read_write_request(compress(request.bytes()));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->samples[0].labels[1].second, value);
}

TEST(CompressTest, OtherBytesAreRefused) {
  EXPECT_FALSE(decompress("\xff\xff\xff\xff\xff\xff", 1000));
  EXPECT_FALSE(decompress(compress(std::string(1001, 'a')), 1000));
  EXPECT_EQ(*decompress(compress(std::string(1000, 'a')), 1000), std::string(1000, 'a'));
}

RC_GTEST_PROP(CompressTest, AnotherDecoderReadsIt, (const std::string& piece)) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += piece + std::to_string(i);
  RC_ASSERT(test_support::unsnap(compress(text)) == text);
}

}  // namespace
}  // namespace collector::remote_write
