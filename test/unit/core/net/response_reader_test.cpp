// SPDX-License-Identifier: Apache-2.0
#include "core/net/response_reader.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace core::net {
namespace {

using Event = ResponseReader::Event;
using Fault = ResponseReader::Fault;

struct Reading {
  std::string head;  // status, reason and headers
  std::string body;
  std::string trailers;
  bool ended = false;
  bool whole_at_close = false;
  bool keeps_alive = false;
  Fault fault = Fault::kNone;
  std::string left;  // not the answer's

  bool operator==(const Reading&) const = default;
};

std::string print(const Headers& headers) {
  std::string text;
  for (const auto& [name, value] : headers) text += "|" + name + "=" + value;
  return text;
}

// Reads `bytes` in the pieces that `size` gives, one after another.
Reading read(std::string_view bytes, const std::function<std::size_t()>& size, bool to_head = false) {
  ResponseReader reader(to_head);
  Reading seen;
  bool done = false;
  while (!bytes.empty() && !done) {
    // A copy that ends where the piece ends: reading past it is found by the sanitizers.
    const std::string piece(bytes.substr(0, size()));
    bytes.remove_prefix(piece.size());
    std::string_view input = piece;
    for (bool more = true; more;) {
      std::string_view part;
      switch (reader.next(input, part)) {
        case Event::kNeedsMore:
          EXPECT_EQ(input, "") << "what is not needed yet is kept by the reader";
          more = false;
          break;
        case Event::kHead:
          EXPECT_EQ(seen.head, "") << "a head comes once";
          seen.head = std::to_string(reader.status()) + " " + reader.reason() + print(reader.headers());
          break;
        case Event::kBody:
          EXPECT_FALSE(part.empty());
          seen.body += part;
          break;
        case Event::kEnd:
        case Event::kFault:
          seen.left = std::string(input) + std::string(bytes);
          done = true;
          more = false;
          break;
      }
    }
  }
  seen.trailers = print(reader.trailers());
  seen.ended = reader.ended();
  seen.whole_at_close = reader.whole_at_close();
  seen.keeps_alive = reader.ended() && reader.keeps_alive();
  seen.fault = reader.fault();
  if (seen.fault != Fault::kNone) seen.left.clear();  // how much of it was looked at is nobody's business
  return seen;
}

Reading read_at_once(std::string_view bytes, bool to_head = false) {
  return read(bytes, [&] { return bytes.size(); }, to_head);
}

constexpr std::string_view kAnswers[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX:y\r\n\r\nup 1\nHTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 5\n\nup 1\n",
    "HTTP/1.0 200\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.0 200 OK\r\n\r\nup 1\n",
    "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nrest",
    "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\nrest",
    "HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 Fine\r\nContent-Length: "
    "2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nup \r\nA;x=\"y\"\r\n1234567890\r\n000\r\nT: 1\r\nU: "
    "2\r\n\r\nrest",
    "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3 \nup \n2\n1\n\n0\n\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\tc\r\nno colon\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n1",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nup 1\nzz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nup 1\n\r\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nup 1\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nup 1\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "SSH-2.0-OpenSSH_9.2\r\n",
};

// Where the network cuts an answer says nothing about it.
TEST(ResponseReader, CutsDoNotMatter) {
  const unsigned seed = std::random_device{}();
  std::mt19937 dice(seed);
  for (const std::string_view answer : kAnswers) {
    const Reading whole = read_at_once(answer);
    EXPECT_EQ(read(answer, [] { return 1; }), whole) << answer;
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(read(answer, [&] { return std::uniform_int_distribution<std::size_t>(1, 20)(dice); }), whole)
          << answer << " with seed " << seed;
    }
  }
}

TEST(ResponseReader, LengthsEndBodiesAndWhatFollowsIsNoPartOfThem) {
  const Reading seen = read_at_once(kAnswers[0]);
  EXPECT_EQ(seen.head, "200 OK|Content-Length=5|X=y");
  EXPECT_EQ(seen.body, "up 1\n");
  EXPECT_EQ(seen.left, "HTTP/1.1 200 OK\r\n");
  EXPECT_TRUE(seen.ended && seen.keeps_alive);
  EXPECT_EQ(read_at_once(kAnswers[1]).body, "up 1\n") << "lines without CR";
}

TEST(ResponseReader, SomeAnswersHaveNoBody) {
  EXPECT_EQ(read_at_once(kAnswers[4]).left, "rest");
  EXPECT_EQ(read_at_once(kAnswers[5]).left, "rest");
  const Reading to_head = read_at_once("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nrest", true);
  EXPECT_TRUE(to_head.ended && to_head.keeps_alive);
  EXPECT_EQ(to_head.left, "rest");
}

TEST(ResponseReader, InterimAnswersArePassedOver) {
  const Reading seen = read_at_once(kAnswers[6]);
  EXPECT_EQ(seen.head, "200 Fine|Content-Length=2");
  EXPECT_EQ(seen.body, "ok");
  EXPECT_EQ(read_at_once(kAnswers[15]).fault, Fault::kMalformed) << "nobody asked to switch";
}

TEST(ResponseReader, ChunksOfAnySizeAndTheirTrailers) {
  const Reading seen = read_at_once(kAnswers[7]);
  EXPECT_EQ(seen.body, "up 1234567890");
  EXPECT_EQ(seen.trailers, "|T=1|U=2");
  EXPECT_EQ(seen.left, "rest");
  EXPECT_TRUE(seen.keeps_alive);
  EXPECT_EQ(read_at_once(kAnswers[8]).body, "up 1\n");
  for (const std::size_t broken : {10, 11, 12}) EXPECT_EQ(read_at_once(kAnswers[broken]).fault, Fault::kBadChunk);
  const std::string endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + std::string(5000, 'x');
  EXPECT_EQ(read_at_once(endless).fault, Fault::kBadChunk);
  const std::string huge = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n";
  EXPECT_EQ(read_at_once(huge).fault, Fault::kBadChunk) << "more than 64 bits";
}

TEST(ResponseReader, HeadersMayBeFoldedRepeatedAndEmptyOfSense) {
  EXPECT_EQ(read_at_once(kAnswers[9]).head, "200 OK|X=a b c|Content-Length=1|Content-Length=1");
}

TEST(ResponseReader, WhatIsNotHttpIsMalformed) {
  const std::string_view wrong[] = {
      kAnswers[13],
      kAnswers[14],
      kAnswers[16],
      "\r\n\r\n",
      "up 1\n",
      "HTTP/2 200\r\n",
      "HTTP/1.1 20\r\n",
      "HTTP/1.1 099 No\r\n",
      "HTTP/1.1 2000 OK\r\n",
      "HTTP/1.1200 OK\r\n",
      "HTTP/1.1 200 OK\r\n folded\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
      std::string_view("HTTP/1.1 200 OK\r\nX: \0\r\n\r\n", 26),
  };
  for (const std::string_view text : wrong) EXPECT_EQ(read_at_once(text).fault, Fault::kMalformed) << text;
}

TEST(ResponseReader, WithoutALengthTheConnectionsEndIsTheBodys) {
  const Reading seen = read_at_once(kAnswers[3]);
  EXPECT_EQ(seen.body, "up 1\n");
  EXPECT_FALSE(seen.ended);
  EXPECT_TRUE(seen.whole_at_close);
  EXPECT_FALSE(read_at_once("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nup 1\n").whole_at_close);
  EXPECT_FALSE(read_at_once("HTTP/1.1 200 OK\r\nContent-Le").whole_at_close);
}

TEST(ResponseReader, SaysWhetherTheConnectionStays) {
  const auto keeps = [](const std::string& version, const std::string& headers) {
    return read_at_once("HTTP/" + version + " 200 OK\r\n" + headers + "\r\n").keeps_alive;
  };
  const std::string empty = "Content-Length: 0\r\n";
  EXPECT_TRUE(keeps("1.1", empty));
  EXPECT_FALSE(keeps("1.1", empty + "Connection: x, Close\r\n"));
  EXPECT_FALSE(keeps("1.0", empty));
  EXPECT_TRUE(keeps("1.0", empty + "connection: Keep-Alive\r\n"));
  const Reading both =
      read_at_once("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  EXPECT_TRUE(both.ended);
  EXPECT_FALSE(both.keeps_alive) << "two ends of which another server may see the other";
}

TEST(ResponseReader, HeadsAreBounded) {
  const std::string line = "X-Filler: " + std::string(1000, 'x') + "\r\n";
  std::string many = "HTTP/1.1 200 OK\r\n";
  while (many.size() <= kHeaderBytesMax) many += line;
  EXPECT_EQ(read_at_once(many).fault, Fault::kHeadersTooLarge);
  EXPECT_EQ(read(many, [] { return 4096; }).fault, Fault::kHeadersTooLarge);
  EXPECT_EQ(read_at_once("HTTP/1.1 200 " + std::string(kHeaderBytesMax, 'x')).fault, Fault::kHeadersTooLarge);
  std::string small = "HTTP/1.1 200 OK\r\n";
  while (small.size() < kHeaderBytesMax / 2) small += ":\n";
  EXPECT_EQ(read_at_once(small).fault, Fault::kHeadersTooLarge) << "lines that take more memory than bytes";
  std::string interim;
  while (interim.size() <= kHeaderBytesMax) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(read_at_once(interim).fault, Fault::kHeadersTooLarge) << "interim answers without end";
  std::string trailers = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
  while (trailers.size() <= kHeaderBytesMax + 100) trailers += line;
  EXPECT_EQ(read_at_once(trailers).fault, Fault::kHeadersTooLarge);
}

TEST(ResponseReader, ABodyOfKnownLengthMayBeReadPastIt) {
  ResponseReader reader(false);
  std::string_view input = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nup";
  std::string_view piece;
  EXPECT_EQ(reader.bytes_left(), 0U);
  EXPECT_EQ(reader.next(input, piece), Event::kHead);
  EXPECT_EQ(reader.next(input, piece), Event::kBody);
  EXPECT_EQ(piece, "up");
  EXPECT_EQ(reader.bytes_left(), 8U);
  reader.skip(5);
  EXPECT_FALSE(reader.ended());
  reader.skip(3);
  EXPECT_TRUE(reader.ended());
  std::string_view huge = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n";
  ResponseReader another(false);
  EXPECT_EQ(another.next(huge, piece), Event::kHead);
  EXPECT_EQ(another.bytes_left(), std::numeric_limits<std::uint64_t>::max());
}

}  // namespace
}  // namespace core::net
