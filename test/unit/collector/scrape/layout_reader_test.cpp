// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/layout_reader.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "test/support/body_pairs.h"
#include "test/support/difference_reading.h"

namespace collector::scrape {
namespace {

using exposition::Format;
using test_support::ReadBody;

class LayoutReaderTest : public testing::Test {
 protected:
  // How many of the body's samples were read in full; it must be what the full parser makes of it.
  std::size_t read_in_full(std::string_view body, Format format = Format::kPrometheusText) {
    const ReadBody got = reading.read(body, format);
    EXPECT_EQ(got.text, test_support::read_in_full(body, format)) << body;
    return got.read_in_full;
  }

  test_support::DifferenceReading reading;
};

TEST_F(LayoutReaderTest, NothingIsReadInFullTwice) {
  const std::string_view head = "# HELP a What.\n# TYPE a counter\n";
  EXPECT_EQ(read_in_full(fmt::format("{}a{{x=\"1\"}} 1\na{{x=\"2\"}} 2\n\n# TYPE b gauge\nb 3\n", head)), 3U);
  EXPECT_EQ(read_in_full(fmt::format("{}a{{x=\"1\"}} 5\na{{x=\"2\"}} 2.5\n\n# TYPE b gauge\nb -3e4\n", head)), 0U);
}

TEST_F(LayoutReaderTest, LinesThatGoCostNothing) {
  read_in_full("a 1\nb 1\nc 1\nd 1\n");
  EXPECT_EQ(read_in_full("a 1\nd 1\n"), 0U);
  EXPECT_EQ(read_in_full("a 1\nd 1\n"), 0U);
}

TEST_F(LayoutReaderTest, ALineMoreCostsItself) {
  read_in_full("a 1\nb 1\nc 1\n");
  EXPECT_EQ(read_in_full("a 1\nnew 1\nb 1\nc 1\n"), 1U);
  EXPECT_EQ(read_in_full("a 1\nnew 1\nb 1\nc 1\n"), 0U);
}

TEST_F(LayoutReaderTest, AnotherOrderIsLearnt) {
  read_in_full("a 1\nb 1\nc 1\nd 1\n");
  read_in_full("d 1\nc 1\nb 1\na 1\n");
  EXPECT_EQ(read_in_full("d 2\nc 2\nb 2\na 2\n"), 0U);
}

TEST_F(LayoutReaderTest, ANameThatGoesOnIsAnotherName) {
  read_in_full("a 1\nb 1\n");
  EXPECT_EQ(read_in_full("a_total 1\nb 1\n"), 1U);
  EXPECT_EQ(read_in_full("a {x=\"1\"} 1\nb 1\n"), 1U);
}

TEST_F(LayoutReaderTest, NumbersOfEveryKind) {
  const std::string_view names = "abcdefghijkl";
  const std::vector<std::string> numbers = {"NaN", "+Inf", "-inf", "1e400", "0.1",   "-0", "12345678901234567890",
                                            "1_0", "5.",   ".5",   "0x10",  "1e-400"};
  for (int scrape = 0; scrape < 3; ++scrape) {
    for (std::size_t i = 0; i < numbers.size(); ++i) read_in_full(fmt::format("{} {}\n", names[i], numbers[i]));
  }
}

TEST_F(LayoutReaderTest, TimesOfTheirOwn) {
  EXPECT_EQ(read_in_full("a 1 1700000000000\nb 1\n"), 2U);
  EXPECT_EQ(read_in_full("a 2 1700000001000\nb 1 5\n"), 0U);
  EXPECT_EQ(read_in_full("a 2\nb 1 -5\n"), 0U);
  EXPECT_EQ(read_in_full("a 1 1700000000.5\n# EOF\n", Format::kOpenMetrics), 1U);
  EXPECT_EQ(read_in_full("a 1 1700000001.5\n# EOF\n", Format::kOpenMetrics), 1U);
}

// What is known of a line holds for the format it was read in.
TEST_F(LayoutReaderTest, AnotherFormatIsReadAnew) {
  read_in_full("a  {x=\"1\"} 1\nb 1\n");
  read_in_full("a  {x=\"1\"} 1\nb 1\n# EOF\n", Format::kOpenMetrics);
  read_in_full("b 1\n# EOF\n", Format::kOpenMetrics);
  EXPECT_EQ(read_in_full("b 1\n# EOF\n", Format::kOpenMetrics), 0U);
}

// What comes after it in memory, like the line that would be next, is not the body's.
TEST_F(LayoutReaderTest, ABodyEndsWhereItEnds) {
  const std::string_view memory = "a 1\nb 1\nc 1\nb 1\n";
  read_in_full(memory.substr(0, 12));
  EXPECT_EQ(read_in_full(memory.substr(0, 3)), 1U);
  read_in_full(memory.substr(0, 12));
  EXPECT_EQ(read_in_full(memory.substr(0, 7)), 1U);
}

// A type holds until the next, past lines that are known.
TEST_F(LayoutReaderTest, TypesHoldOverWhatIsKnown) {
  read_in_full("# TYPE h histogram\nh{le=\"1\"} 1\n# just so\nx 1\n");
  EXPECT_EQ(read_in_full("# TYPE h histogram\nh{le=\"1\"} 1\n# just so\nx 1\ny{le=\"1\"} 1\n"), 1U);
}

RC_GTEST_PROP(LayoutReaderProperty, AgreesWithTheFullParser, (std::uint64_t seed)) {
  test_support::BodyPairs bodies(seed);
  for (const Format format : {Format::kPrometheusText, Format::kOpenMetrics}) {
    test_support::DifferenceReading reading;
    std::string body = bodies.make(format);
    for (int scrape = 0; scrape < 8; ++scrape) {
      const std::string full = test_support::read_in_full(body, format);
      if (const ReadBody got = reading.read(body, format); got.text != full) {
        RC_FAIL(fmt::format("body:\n{}\nby difference:\n{}\nand full:\n{}", body, got.text, full));
      }
      body = bodies.changed(body);
    }
  }
}

}  // namespace
}  // namespace collector::scrape
