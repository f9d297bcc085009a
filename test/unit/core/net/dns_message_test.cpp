// SPDX-License-Identifier: Apache-2.0
#include "core/net/dns_message.h"

#include <random>

#include <gtest/gtest.h>

#include "core/net/resolver_config.h"

namespace core::net {
namespace {

using std::string_literals::operator""s;

// The head of an answer to "a.b. A" with `answers` records.
std::string head(char answers, char flags = '\x81') {
  return "\x12\x34"s + flags + "\x80\0\1\0"s + answers + "\0\0\0\0\1a\1b\0\0\1\0\1"s;
}

TEST(DnsMessage, AQueryIsAsTheStandardHasIt) {
  EXPECT_EQ(encode_dns_query(0x1234, "a.bc.", DnsType::kSrv), "\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\2bc\0\0\x21\0\1"s);
  for (const std::string& name : {std::string(64, 'x') + ".", "a..b."s, std::string(".a.")}) {
    EXPECT_FALSE(encode_dns_query(1, name, DnsType::kA)) << name;
  }
  std::string longest;
  while (longest.size() < 256) longest += "abcdefgh.";
  EXPECT_FALSE(encode_dns_query(1, longest, DnsType::kA));
}

TEST(DnsMessage, ReadsRecordsAndCompressedNames) {
  const auto reply =
      parse_dns_reply(head(3) + "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"s +
                      "\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\7\0\x0a\2m.\xc0\x0e"s + "\xc0\x0c\0\x63\0\1\0\0\0\x3c\0\2??"s);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->id, 0x1234);
  EXPECT_EQ(reply->name, "a.b.");
  ASSERT_EQ(reply->answers.size(), 2U);  // the third is of a type that nobody asks for
  EXPECT_EQ(reply->answers[0].value, "192.0.2.1");
  EXPECT_EQ(reply->answers[0].ttl_seconds, 60U);
  EXPECT_EQ(reply->answers[1].value, "m\\..b.");
  EXPECT_EQ(reply->answers[1].priority, 10);
}

TEST(DnsMessage, RefusesWhatIsNoAnswer) {
  const std::string cases[] = {
      "",
      "\x12\x34",
      head(0, '\x01'),                                        // a query
      head(1),                                                // a record too few
      head(1) + "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\5\xc0\0\2\1"s,  // a record cut off
      head(1) + "\xc0\x1c\0\5\0\1\0\0\0\x3c\0\2\xc0\x1c"s,    // a name that leads to itself
      head(1) + "\xc0\xff\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"s,  // a name that leads nowhere
      head(1) + "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\1\3xyz\0"s,     // a record that holds more than it says
      head(1) + "\x40\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"s,      // a label of an unknown kind
  };
  for (const std::string& bytes : cases) EXPECT_FALSE(parse_dns_reply(bytes)) << testing::PrintToString(bytes);
  // What was cut off on purpose says so.
  const auto cut = parse_dns_reply(head(9, '\x83'));
  ASSERT_TRUE(cut);
  EXPECT_TRUE(cut->truncated);
}

TEST(DnsMessage, AnyBytesAreReadToAnEnd) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::minstd_rand random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = head(static_cast<char>(random() % 4)) + "\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\x09\0\1\0\2\0\3\1x\0"s;
    for (auto k = random() % 6; k > 0; --k) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (const auto reply = parse_dns_reply(bytes.substr(0, random() % (bytes.size() + 1)))) {
      EXPECT_LE(reply->answers.size(), 4U);
    }
  }
}

TEST(ResolverConfig, ReadsWhatItKnows) {
  const auto config = parse_resolver_config(
      "# a comment\nnameserver 192.0.2.1\nnameserver ::1\ndomain x\nsearch a.test. b.test\noptions rotate ndots:3\n"
      "sortlist 1.2.3.4\n");
  EXPECT_EQ(config.servers, (std::vector<std::string>{"192.0.2.1", "::1"}));
  EXPECT_EQ(config.search, (std::vector<std::string>{"a.test", "b.test"}));
  EXPECT_EQ(config.ndots, 3);
  EXPECT_EQ(parse_resolver_config("").servers, (std::vector<std::string>{"127.0.0.1"}));
}

TEST(ResolverConfig, NamesAreAskedForInOrder) {
  const ResolverConfig config{.servers = {}, .search = {"s", "t.u"}, .ndots = 2};
  EXPECT_EQ(names_to_ask("a.b", config), (std::vector<std::string>{"a.b.s.", "a.b.t.u.", "a.b."}));
  EXPECT_EQ(names_to_ask("a.b.c", config), (std::vector<std::string>{"a.b.c.", "a.b.c.s.", "a.b.c.t.u."}));
  EXPECT_EQ(names_to_ask("a.", config), (std::vector<std::string>{"a."}));
}

}  // namespace
}  // namespace core::net
