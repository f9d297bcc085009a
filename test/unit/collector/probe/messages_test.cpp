// SPDX-License-Identifier: Apache-2.0
// The small codecs: DNS, NTP, ICMP, gRPC, durations, patterns, references.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "collector/probe/address.h"
#include "collector/probe/body_decoder.h"
#include "collector/probe/dns_message.h"
#include "collector/probe/grpc_message.h"
#include "collector/probe/icmp_message.h"
#include "collector/probe/module_checks.h"
#include "collector/probe/ntp_message.h"
#include "collector/probe/pattern.h"
#include "collector/probe/probe_runner.h"
#include "collector/probe/protobuf.h"
#include "collector/probe/url_reference.h"

namespace collector::probe {
namespace {

using testing::HasSubstr;

TEST(DnsMessageTest, NamesOnTheWire) {
  EXPECT_EQ(dns::encode_name("a.bc").value(), std::string("\1a\2bc\0", 6));
  EXPECT_EQ(dns::encode_name("a.bc.").value(), std::string("\1a\2bc\0", 6));
  EXPECT_EQ(dns::encode_name(".").value(), std::string("\0", 1));
  EXPECT_EQ(dns::encode_name("a\\.b").value(), std::string("\3a.b\0", 5));
  EXPECT_EQ(dns::encode_name("\\065").value(), std::string("\1A\0", 3));
  for (const std::string& bad :
       {std::string("a..b"), std::string(64, 'x'), std::string(".a"), std::string("\\999"), std::string("a\\")}) {
    EXPECT_FALSE(dns::encode_name(bad)) << bad;
  }
  std::string longest;
  for (int i = 0; i < 130; ++i) longest += "a.";
  EXPECT_FALSE(dns::encode_name(longest));
}

// An answer with a name that points back into the question.
std::string answer(const std::string& records, int count) {
  std::string message("\x12\x34\x81\x80\0\1\0\0\0\0\0\0", 12);
  message[7] = static_cast<char>(count);
  return message + std::string("\4node\4test\0\0\1\0\1", 15) + records;
}

TEST(DnsMessageTest, RecordsInWords) {
  const std::string a("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1", 16);
  const std::string mx("\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\x09\0\x0a\4mail\xc0\x11", 21);
  const std::string txt("\xc0\x0c\0\x10\0\1\0\0\0\x3c\0\6\5a\"b c", 18);
  const std::string other("\xc0\x0c\xff\x01\0\1\0\0\0\x3c\0\2\xab\xcd", 14);
  const auto message = dns::decode(answer(a + mx + txt + other, 4));
  ASSERT_TRUE(message) << message.error();
  EXPECT_TRUE(message->response);
  EXPECT_EQ(message->question, "node.test.");
  ASSERT_EQ(message->answer.size(), 4U);
  EXPECT_EQ(message->answer[0].to_string(), "node.test.\t60\tIN\tA\t127.0.0.1");
  EXPECT_EQ(message->answer[1].to_string(), "node.test.\t60\tIN\tMX\t10 mail.test.");
  EXPECT_EQ(message->answer[2].to_string(), "node.test.\t60\tIN\tTXT\t\"a\\\"b c\"");
  EXPECT_EQ(message->answer[3].to_string(), "node.test.\t60\tIN\tTYPE65281\t\\# 2 abcd");
}

TEST(DnsMessageTest, WhatIsBrokenIsRefused) {
  const std::string loop("\xc0\x1b\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1", 16);
  EXPECT_FALSE(dns::decode(answer(loop, 1))) << "a name that points at itself";
  const std::string beyond("\xff\xff\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1", 16);
  EXPECT_FALSE(dns::decode(answer(beyond, 1)));
  const std::string shorter("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\3\x7f\0\0", 15);
  EXPECT_FALSE(dns::decode(answer(shorter, 1))) << "an address of three bytes";
  const std::string good = answer(std::string("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1", 16), 1);
  EXPECT_TRUE(dns::decode(good));
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(dns::decode(good.substr(0, size))) << size;
  // Damage is never worse than an error.
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = good;
    for (int i = 0; i < 4; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    static_cast<void>(dns::decode(damaged));
  }
}

TEST(DnsMessageTest, Mnemonics) {
  EXPECT_EQ(dns::type_number("CAA"), 257);
  EXPECT_EQ(dns::type_number("TYPE1234"), 1234);
  EXPECT_FALSE(dns::type_number("aaaa"));
  EXPECT_EQ(dns::rcode_number("NXDOMAIN"), 3);
  EXPECT_EQ(dns::class_name(3), "CH");
  EXPECT_TRUE(dns::same_name("Node.Test.", "node.test"));
}

TEST(NtpMessageTest, OnlyTheAnswerToTheQuestionCounts) {
  const std::string request = ntp::encode_request(0x0102030405060708);
  ASSERT_EQ(request.size(), 48U);
  EXPECT_EQ(request.substr(40), "\1\2\3\4\5\6\7\x08");
  std::string reply(48, '\0');
  reply[0] = 0x24;
  reply[1] = 2;
  reply.replace(24, 8, request.substr(40));
  ASSERT_TRUE(ntp::decode_reply(reply, 0x0102030405060708));
  EXPECT_EQ(ntp::decode_reply(reply, 0x0102030405060708)->stratum, 2);
  EXPECT_FALSE(ntp::decode_reply(reply, 1));
  EXPECT_FALSE(ntp::decode_reply(reply.substr(0, 47), 0x0102030405060708));
  reply[0] = 0x23;
  EXPECT_FALSE(ntp::decode_reply(reply, 0x0102030405060708)) << "a client's message";
}

TEST(NtpMessageTest, TimesAcrossTheEndOfAnEra) {
  // 2036-02-07T06:28:16Z is second 0 of the next era.
  const core::WallTime before = core::from_unix_ms(2'085'978'495'500);
  EXPECT_DOUBLE_EQ(ntp::seconds_from(before, 0), 0.5);
  EXPECT_DOUBLE_EQ(ntp::seconds_from(before, 1ULL << 32 | 1ULL << 31), 2.0);
  const core::WallTime after = core::from_unix_ms(2'085'978'496'000);
  EXPECT_DOUBLE_EQ(ntp::seconds_from(after, 0xffffffffULL << 32), -1.0);
}

TEST(IcmpMessageTest, Echo) {
  const std::string request = icmp::encode_request({0x1234, 7, "abc"}, false);
  EXPECT_EQ(icmp::checksum(request), 0) << "a message with its checksum sums up to nothing";
  EXPECT_FALSE(icmp::decode_reply(request, false)) << "a request is no reply";
  std::string reply = request;
  reply[0] = 0;
  const auto echo = icmp::decode_reply(reply, false);
  ASSERT_TRUE(echo);
  EXPECT_EQ(echo->id, 0x1234);
  EXPECT_EQ(echo->sequence, 7);
  EXPECT_EQ(echo->payload, "abc");
  EXPECT_FALSE(icmp::without_ip_header("\x4f too short"));
  EXPECT_EQ(icmp::without_ip_header(std::string("\x45") + std::string(19, 'x') + "rest"), "rest");
}

TEST(GrpcMessageTest, HealthCheck) {
  EXPECT_EQ(grpc::encode_request(""), std::string(5, '\0'));
  EXPECT_EQ(grpc::encode_request("ab"), std::string("\0\0\0\0\4\x0a\2ab", 9));
  EXPECT_EQ(grpc::decode_response(std::string("\0\0\0\0\2\x08\1", 7)), 1);
  EXPECT_EQ(grpc::decode_response(std::string(5, '\0')), 0);
  EXPECT_EQ(grpc::decode_response(std::string("\0\0\0\0\6\x12\2xy\x08\2", 11)), 2) << "an unknown field before";
  EXPECT_FALSE(grpc::decode_response(std::string("\1\0\0\0\2\x08\1", 7))) << "compressed";
  EXPECT_FALSE(grpc::decode_response(std::string("\0\0\0\0\3\x08\1", 7))) << "cut off";
  EXPECT_FALSE(grpc::decode_response(std::string("\0\0\0\0\2\x08\x81", 7))) << "a number without its end";
}

TEST(ProtobufTest, FieldsAreReadOneAfterAnother) {
  std::string message;
  protobuf::put_number(message, 1, 300);
  protobuf::put_bytes(message, 18, "ab");
  EXPECT_EQ(message, std::string("\x08\xac\x02\x92\x01\2ab", 8));
  message += std::string("\x19 8 bytes", 9) + std::string("\x25 4 b", 5);
  protobuf::FieldReader reader(message);
  ASSERT_TRUE(reader.next());
  EXPECT_TRUE(reader.is_number(1));
  EXPECT_EQ(reader.number(), 300U);
  ASSERT_TRUE(reader.next());
  EXPECT_TRUE(reader.is_bytes(18));
  EXPECT_EQ(reader.bytes(), "ab");
  ASSERT_TRUE(reader.next());
  EXPECT_FALSE(reader.is_number(3) || reader.is_bytes(3)) << "64 bits are passed by";
  ASSERT_TRUE(reader.next());
  EXPECT_FALSE(reader.is_number(4) || reader.is_bytes(4)) << "32 bits are passed by";
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.broken());
  for (const std::string& broken :
       {std::string("\x0a\3ab", 4), std::string("\x08", 1), std::string("\x0b", 1), std::string("\x02\0", 2),
        std::string("\x09 1234567", 8), std::string(11, '\xff')}) {
    protobuf::FieldReader bad(broken);
    EXPECT_FALSE(bad.next()) << testing::PrintToString(broken);
    EXPECT_TRUE(bad.broken()) << testing::PrintToString(broken);
    EXPECT_FALSE(bad.next());
  }
}

TEST(GoDurationTest, AsGoWritesThem) {
  using std::chrono::milliseconds;
  EXPECT_EQ(parse_go_duration("300ms")->value, milliseconds(300));
  EXPECT_EQ(parse_go_duration("1m30s")->value, milliseconds(90'000));
  EXPECT_EQ(parse_go_duration("1.5s")->value, milliseconds(1500));
  EXPECT_EQ(parse_go_duration("-5s")->value, milliseconds(0));
  EXPECT_EQ(parse_go_duration("0")->value, milliseconds(0));
  for (const char* const bad : {"5", "1d", "1w", "", "s", "1e3s", "--1s", "99999999h", "1s "}) {
    EXPECT_FALSE(parse_go_duration(bad)) << bad;
  }
}

TEST(PatternTest, FindsAndExpands) {
  const Pattern pattern = Pattern::compile("^(?P<word>\\w+) (\\d+)").value();
  const auto groups = pattern.groups("port 25 open");
  ASSERT_TRUE(groups);
  EXPECT_EQ(pattern.expand("$word ${2} $2x $$ $none ${word} $", *groups), "port 25  $  port $");
  EXPECT_FALSE(pattern.found_in("a port 25x"));
  EXPECT_TRUE(Pattern::compile("a.c")->found_in("\xff abc"));
  EXPECT_TRUE(
      Pattern::compile("a.c")->found_in("a\xff"
                                        "c"))
      << "bytes that are not UTF-8 are characters too";
  EXPECT_FALSE(Pattern::compile("a.c")->found_in("a\nc"));
  EXPECT_FALSE(Pattern::compile("("));
  EXPECT_FALSE(Pattern::compile("\\C"));
}

TEST(UrlReferenceTest, LeadsWhereRfc3986Says) {
  const auto base = core::net::parse_url("http://a.test/b/c/d?q").value();
  const std::pair<const char*, const char*> cases[] = {
      {"g", "http://a.test/b/c/g"},           {"./g/", "http://a.test/b/c/g/"},  {"/g", "http://a.test/g"},
      {"//h.test", "http://h.test/"},         {"?y", "http://a.test/b/c/d?y"},   {"g?y", "http://a.test/b/c/g?y"},
      {"../g", "http://a.test/b/g"},          {"../../../g", "http://a.test/g"}, {"", "http://a.test/b/c/d?q"},
      {"https://x.test/", "https://x.test/"}, {"g#s", "http://a.test/b/c/g"},    {"..", "http://a.test/b/"}};
  for (const auto& [reference, expected] : cases) {
    const auto url = resolve_reference(base, reference);
    ASSERT_TRUE(url) << reference;
    EXPECT_EQ(url->to_string(), expected) << reference;
  }
  EXPECT_FALSE(resolve_reference(base, "ftp://a.test/"));
  EXPECT_TRUE(is_within("a.b.test", "b.test"));
  EXPECT_FALSE(is_within("ab.test", "b.test"));
  EXPECT_FALSE(is_within("1.127.0.0.1", "127.0.0.1.x"));
}

TEST(AddressTest, PartsAndHash) {
  EXPECT_EQ(Address::parse("127.0.0.1")->hash(), 3668918509U);
  EXPECT_EQ(Address::parse("::1")->hash(), 1751717746U);
  EXPECT_FALSE(Address::parse("::ffff:127.0.0.1")->is_v6());
  EXPECT_FALSE(Address::parse("localhost"));
  EXPECT_EQ(split_host_port("[::1]:80")->first, "::1");
  EXPECT_FALSE(split_host_port("::1:80"));
  EXPECT_FALSE(split_host_port("host"));
  EXPECT_FALSE(parse_port("65536"));
  EXPECT_FALSE(parse_port(""));
}

TEST(TimeoutTest, IsThatOfTheReference) {
  using std::chrono::milliseconds;
  const auto timeout = [](int asked, int module) {
    return std::chrono::duration_cast<milliseconds>(
               effective_timeout(milliseconds(asked), milliseconds(module), milliseconds(500)))
        .count();
  };
  EXPECT_EQ(timeout(120'000, 0), 119'500);
  EXPECT_EQ(timeout(10'000, 5'000), 5'000);
  EXPECT_EQ(timeout(5'000, 10'000), 4'500);
  EXPECT_EQ(timeout(500, 0), 0);
  EXPECT_EQ(timeout(200, 0), 0);
  EXPECT_EQ(timeout(200, 1'000), 1'000);
}

TEST(BodyDecoderTest, StopsAtItsLimit) {
  const auto plain = decode_body("identity", "abcdef", 4);
  EXPECT_TRUE(plain->too_big);
  EXPECT_EQ(plain->bytes, "abcd");
  EXPECT_FALSE(decode_body("lzma", "", 1));
  // "hello" as raw DEFLATE, and in Brotli.
  const std::string deflated("\xcb\x48\xcd\xc9\xc9\x07\x00", 7);
  EXPECT_EQ(decode_body("deflate", deflated, 100)->bytes, "hello");
  EXPECT_TRUE(decode_body("deflate", deflated, 100)->complete);
  EXPECT_FALSE(decode_body("deflate", deflated.substr(0, 4), 100)->complete);
  const std::string brotli("\x0b\x02\x80hello\x03", 9);
  EXPECT_EQ(decode_body("br", brotli, 100)->bytes, "hello");
  EXPECT_TRUE(decode_body("br", brotli, 100)->complete);
  EXPECT_FALSE(decode_body("br", "nonsense", 100)->complete);
}

}  // namespace
}  // namespace collector::probe
