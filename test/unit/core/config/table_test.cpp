// SPDX-License-Identifier: Apache-2.0
#include "core/config/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace core::config {
namespace {

using std::chrono::milliseconds;

enum class Level { kLow, kHigh };
inline constexpr EnumName<Level> kLevelNames[] = {{Level::kLow, "low"}, {Level::kHigh, "high"}};

}  // namespace

template <>
struct Codec<Level> : EnumCodec<Level, kLevelNames> {};

namespace {

struct Login {
  std::string user;
  static const Table<Login>& fields() {
    static const auto table = Table<Login>("login", "Who.").field("user", &Login::user, {.help = "A name."});
    return table;
  }
};

struct Sample {
  std::string name;
  bool honor_labels = false;
  double ratio = 0.5;
  std::uint16_t port = 9780;
  milliseconds scrape_interval = std::chrono::minutes(1);
  ByteSize size{256ULL << 20};
  Level level = Level::kLow;
  Secret token;
  std::optional<std::int64_t> limit;
  std::vector<std::string> targets;
  std::map<std::string, std::string> labels;
  std::vector<Login> logins;
  Login inlined;

  static const Table<Sample>& fields() {
    static const auto table = Table<Sample>("sample", "Everything once.")
                                  .field("name", &Sample::name, {.help = "Its name.", .required = true})
                                  .field("honor_labels", &Sample::honor_labels, {})
                                  .field("ratio", &Sample::ratio, {})
                                  .field("port", &Sample::port, {})
                                  .field("scrape_interval", &Sample::scrape_interval, {})
                                  .field("size", &Sample::size, {})
                                  .field("level", &Sample::level, {})
                                  .field("token", &Sample::token, {})
                                  .field("limit", &Sample::limit, {})
                                  .field("targets", &Sample::targets, {})
                                  .field("labels", &Sample::labels, {})
                                  .field("logins", &Sample::logins, {})
                                  .embed(&Sample::inlined, Login::fields())
                                  .refuse("shards", "there is only one")
                                  .check([](const Sample& sample, const Node& node) -> Result<void> {
                                    if (sample.ratio > 1) return fail(node.find("ratio").error("a ratio is at most 1"));
                                    return {};
                                  });
    return table;
  }
};

Result<Sample> read(const std::string& text) {
  const auto node = Node::parse(text, "f.yml");
  if (!node) return fail(node.error());
  return Codec<Sample>::read(*node);
}

TEST(TableTest, ReadsEveryType) {
  const auto sample = read(
      "name: 5\nhonor_labels: true\nratio: 0.25\nport: 0x10\nscrape_interval: 1m30s\nsize: 1GB512MiB\nlevel: high\n"
      "token: 'p w'\nlimit: 1e3\ntargets: [a, 'b']\nlabels: {x: y, n: 1}\nlogins:\n- user: me\n- {}\nuser: inline\n");
  ASSERT_TRUE(sample) << sample.error().message;
  EXPECT_EQ(sample->name, "5");
  EXPECT_TRUE(sample->honor_labels);
  EXPECT_EQ(sample->ratio, 0.25);
  EXPECT_EQ(sample->port, 16);
  EXPECT_EQ(sample->scrape_interval, std::chrono::seconds(90));
  EXPECT_EQ(sample->size.bytes, (1ULL << 30) + (512ULL << 20));
  EXPECT_EQ(sample->level, Level::kHigh);
  EXPECT_EQ(sample->token.value, "p w");
  EXPECT_EQ(sample->limit, 1000);
  EXPECT_THAT(sample->targets, testing::ElementsAre("a", "b"));
  EXPECT_THAT(sample->labels, testing::ElementsAre(testing::Pair("n", "1"), testing::Pair("x", "y")));
  ASSERT_EQ(sample->logins.size(), 2U);
  EXPECT_EQ(sample->logins[0].user, "me");
  EXPECT_EQ(sample->inlined.user, "inline");
}

TEST(TableTest, AbsentAndNullKeysKeepTheDefault) {
  const auto sample = read("name: x\nport: ~\nsize:\ntargets: null\n");
  ASSERT_TRUE(sample) << sample.error().message;
  EXPECT_EQ(sample->port, 9780);
  EXPECT_EQ(sample->size.bytes, 256ULL << 20);
  EXPECT_TRUE(sample->targets.empty());
  EXPECT_EQ(sample->limit, std::nullopt);
}

struct BadTable {
  const char* text;
  const char* message;
};

class TableBad : public testing::TestWithParam<BadTable> {};

TEST_P(TableBad, NamesThePlaceAndWhatWasExpected) {
  const auto sample = read(GetParam().text);
  ASSERT_FALSE(sample);
  EXPECT_EQ(sample.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Table, TableBad,
    testing::Values(
        BadTable{"port: 1\n", "f.yml:1:1: sample: missing key \"name\""},
        BadTable{"name:\n", "f.yml:1:1: sample: missing key \"name\""},
        BadTable{"", "f.yml:1:1: sample: missing key \"name\""},
        BadTable{"- 1\n", "f.yml:1:1: expected a map (sample), got a list"},
        BadTable{"name: x\nscrape_intervall: 5s\n",
                 "f.yml:2:1: sample: unknown key \"scrape_intervall\" (did you mean \"scrape_interval\"?)"},
        BadTable{"name: x\nLevel: low\n", "f.yml:2:1: sample: unknown key \"Level\" (did you mean \"level\"?)"},
        BadTable{"name: x\nfrobnicate: 1\n", "f.yml:2:1: sample: unknown key \"frobnicate\""},
        BadTable{"name: x\nshards: 4\n", "f.yml:2:1: sample: key \"shards\" is not supported: there is only one"},
        BadTable{"name: x\nlogins:\n- usr: me\n", "f.yml:3:3: login: unknown key \"usr\" (did you mean \"user\"?)"},
        BadTable{"name: x\nlogins: {user: me}\n", "f.yml:2:9: expected a list, got a map"},
        BadTable{"name: [x]\n", "f.yml:1:7: expected a text, got a list"},
        BadTable{"name: x\ntoken: {a: secret}\n", "f.yml:2:8: expected a text, got a map"},
        BadTable{"name: x\nhonor_labels: 'true'\n", "f.yml:2:15: expected true or false, got \"true\""},
        BadTable{"name: x\nhonor_labels: 1\n", "f.yml:2:15: expected true or false, got \"1\""},
        BadTable{"name: x\nport: 65536\n", "f.yml:2:7: expected a whole number from 0 to 65535, got \"65536\""},
        BadTable{"name: x\nport: -1\n", "f.yml:2:7: expected a whole number from 0 to 65535, got \"-1\""},
        BadTable{"name: x\nport: '80'\n", "f.yml:2:7: expected a whole number from 0 to 65535, got \"80\""},
        BadTable{"name: x\nport: 010\n", "f.yml:2:7: expected a whole number from 0 to 65535, got \"010\""},
        BadTable{"name: x\nport: 1.5\n", "f.yml:2:7: expected a whole number from 0 to 65535, got \"1.5\""},
        BadTable{"name: x\nratio: half\n", "f.yml:2:8: expected a number, got \"half\""},
        BadTable{"name: x\nratio: nan\n", "f.yml:2:8: expected a number, got \"nan\""},
        BadTable{"name: x\nratio: 1.5\n", "f.yml:2:8: a ratio is at most 1"},
        BadTable{"name: x\nscrape_interval: 15\n", "f.yml:2:18: expected a duration such as 30s or 1h30m, got \"15\""},
        BadTable{"name: x\nscrape_interval: 5 s\n",
                 "f.yml:2:18: expected a duration such as 30s or 1h30m, got \"5 s\""},
        BadTable{"name: x\nsize: 512\n", "f.yml:2:7: expected a size such as 512MB or 1GiB, got \"512\""},
        BadTable{"name: x\nsize: 16EiB\n", "f.yml:2:7: expected a size such as 512MB or 1GiB, got \"16EiB\""},
        BadTable{"name: x\nsize: -1MB\n", "f.yml:2:7: expected a size such as 512MB or 1GiB, got \"-1MB\""},
        BadTable{"name: x\nlevel: medium\n", "f.yml:2:8: expected one of low, high, got \"medium\""},
        BadTable{"name: x\ntargets: a\n", "f.yml:2:10: expected a list, got \"a\""},
        BadTable{"name: x\ntargets: [a, [b]]\n", "f.yml:2:14: expected a text, got a list"},
        BadTable{"name: x\nlabels: [a]\n", "f.yml:2:9: expected a map, got a list"}));

TEST(TableTest, RefusedKeysAreToldApart) {
  EXPECT_EQ(read("name: x\nshards: 4\n").error().code, Errc::kNotSupported);
  EXPECT_EQ(read("name: x\nshard: 4\n").error().code, Errc::kInvalid);
}

TEST(CodecTest, WholeNumbers) {
  const auto whole = [](const std::string& text) {
    return read_integer(*Node::parse(text, "f"), std::numeric_limits<std::int64_t>::min(),
                        std::numeric_limits<std::int64_t>::max());
  };
  EXPECT_EQ(whole("0"), 0);
  EXPECT_EQ(whole("-0x1F"), -31);
  EXPECT_EQ(whole("0o17"), 15);
  EXPECT_EQ(whole("0b101"), 5);
  EXPECT_EQ(whole("+1_000"), 1000);
  EXPECT_EQ(whole("5.0"), 5);
  EXPECT_EQ(whole("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  for (const char* bad : {"9223372036854775808", "1e300", "1e-3", "--1", "0x", "-", "_", "1x", "0x-1"}) {
    EXPECT_FALSE(whole(bad)) << bad;
  }
}

TEST(CodecTest, SizesPrintAsTheyAreRead) {
  for (const char* text : {"0", "1B", "1023B", "1KiB", "512MiB", "3GiB", "1EiB"}) {
    const auto size = Codec<ByteSize>::read(*Node::parse(text, "f"));
    ASSERT_TRUE(size) << size.error().message;
    EXPECT_EQ(Codec<ByteSize>::print(*size), text);
  }
}

TEST(CodecTest, SecretsAreNeverPrinted) {
  EXPECT_EQ(Codec<Secret>::print(Secret{"hunter2"}), "<secret>");
  EXPECT_EQ(Codec<Secret>::print(Secret{}), "");
}

}  // namespace
}  // namespace core::config
