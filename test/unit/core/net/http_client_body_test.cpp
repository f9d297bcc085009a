// SPDX-License-Identifier: Apache-2.0
// Bodies: how they are packed, and what they may take.
#include <zlib.h>
#include <zstd.h>

#include "client_fixture.h"
#include "core/byte_budget.h"
#include "raw_server.h"

namespace core::net {
namespace {

using ::testing::HasSubstr;
using Peer = RawServer::Peer;

std::string zstd(const std::string& text, int window_log = 0) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  std::string out(ZSTD_compressBound(text.size()), '\0');
  // As a stream: a single block would name its size instead of a window.
  ZSTD_inBuffer in{text.data(), text.size(), 0};
  ZSTD_outBuffer made{out.data(), out.size(), 0};
  while (ZSTD_compressStream2(context, &made, &in, ZSTD_e_continue) != 0 && in.pos < in.size) {
  }
  while (ZSTD_compressStream2(context, &made, &in, ZSTD_e_end) != 0) {
  }
  ZSTD_freeCCtx(context);
  out.resize(made.pos);
  return out;
}

std::string answer(const std::string& headers, const std::string& body) {
  return "HTTP/1.1 200 OK\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class HttpClientBodyTest : public HttpClientTest {
 protected:
  Request request(std::string bytes) {
    auto& server = serve<RawServer>([bytes = std::move(bytes)](Peer& peer) {
      peer.read_request();
      peer.write(bytes);
    });
    Request request;
    request.url = server.url("/m");
    request.accept_zstd = true;
    return request;
  }
  Error error_for(Request wanted) {
    const auto response = fetch(std::move(wanted));
    EXPECT_FALSE(response);
    return response ? Error{} : response.error();
  }
};

TEST_F(HttpClientBodyTest, ZstdIsAskedForWhereItIsWanted) {
  std::string asked;
  auto& server = serve<RawServer>([&asked](Peer& peer) {
    asked = peer.read_request();
    peer.write(answer("", ""));
  });
  const auto encoding = [&](bool gzip, bool zstd) {
    Request wanted;
    wanted.url = server.url();
    wanted.accept_gzip = gzip;
    wanted.accept_zstd = zstd;
    EXPECT_TRUE(fetch(wanted));
    const std::size_t at = asked.find("Accept-Encoding: ");
    return at == std::string::npos ? "" : asked.substr(at + 17, asked.find('\r', at) - at - 17);
  };
  EXPECT_EQ(encoding(true, true), "zstd, gzip");
  EXPECT_EQ(encoding(true, false), "gzip");
  EXPECT_EQ(encoding(false, true), "zstd");
  EXPECT_EQ(encoding(false, false), "");
}

TEST_F(HttpClientBodyTest, ZstdIsUnpacked) {
  const std::string text = "up 1\n" + std::string(300'000, ' ');
  const std::string packed = zstd(text) + zstd("two 2\n");  // frames may follow one another
  const auto response = fetch(request(answer("Content-Encoding: zstd\r\n", packed)));
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->body, text + "two 2\n");
  EXPECT_EQ(response->wire_bytes, packed.size());
  EXPECT_EQ(response->coding, Coding::kIdentity);
}

TEST_F(HttpClientBodyTest, ZstdThatWasNotWantedStaysAsItIs) {
  Request wanted = request(answer("Content-Encoding: zstd\r\n", zstd("up 1\n")));
  wanted.accept_zstd = false;
  const auto response = fetch(wanted);
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->body, zstd("up 1\n"));
}

TEST_F(HttpClientBodyTest, ZstdThatIsABombOrCutOrNone) {
  const std::string headers = "Content-Encoding: zstd\r\n";
  Request bomb = request(answer(headers, zstd(std::string(64 << 20, '\0'))));
  bomb.body_limit = 1 << 20;
  EXPECT_EQ(error_for(bomb), (Error{Errc::kLimitExceeded, "body size limit exceeded"}));
  const std::string packed = zstd("up 1\nup 2\n");
  EXPECT_EQ(error_for(request(answer(headers, packed.substr(0, packed.size() - 3)))),
            (Error{Errc::kUnavailable, "unexpected EOF"}));
  EXPECT_EQ(error_for(request(answer(headers, "up 1\n"))),
            (Error{Errc::kUnavailable, "zstd: invalid data in the body"}));
  // A header alone may ask for a window of any size.
  EXPECT_EQ(error_for(request(answer(headers, zstd(std::string(1 << 20, 'x'), 27)))),
            (Error{Errc::kUnavailable, "zstd: invalid data in the body"}));
}

TEST_F(HttpClientBodyTest, APackedBodyIsLeftToWhoWantsIt) {
  const std::string text(5000, 'x');
  const std::string packed = zstd(text);
  Request wanted = request(answer("Content-Encoding: zstd\r\n", packed));
  wanted.unpack = false;
  wanted.body_limit = 1000;  // of what came
  const auto response = fetch(wanted);
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->coding, Coding::kZstd);
  EXPECT_EQ(response->body, packed);
  std::string unpacked = "from before";
  ASSERT_TRUE(decompress(response->coding, response->body, 5000, unpacked));
  EXPECT_EQ(unpacked, text);
  EXPECT_EQ(decompress(response->coding, response->body, 4999, unpacked).error().code, Errc::kLimitExceeded);
  ASSERT_TRUE(decompress(Coding::kIdentity, "as it is", 8, unpacked));
  EXPECT_EQ(unpacked, "as it is");
  EXPECT_FALSE(decompress(Coding::kGzip, "", 8, unpacked)) << "a stream of nothing was cut";
}

// Not a byte of the body is waited for.
TEST_F(HttpClientBodyTest, ALengthPastTheLimitIsEnough) {
  auto& server = serve<RawServer>([](Peer& peer) {
    peer.read_request();
    if (peer.write("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\nu")) peer.hang();
  });
  Request wanted;
  wanted.url = server.url();
  wanted.body_limit = 1000;
  EXPECT_EQ(error_for(wanted), (Error{Errc::kLimitExceeded, "body size limit exceeded"}));
}

TEST_F(HttpClientBodyTest, WhatIsPastACutIsNoError) {
  Request wanted = request(answer("", std::string(100'000, 'x')));
  wanted.body_limit = 1000;
  wanted.cut_body = true;
  const auto response = fetch(wanted);
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->body, std::string(1000, 'x'));
}

// However the rest of the transfer goes: it hangs, it is large, it is cut.
TEST_F(HttpClientBodyTest, AnErrorsStatusIsAllThereIs) {
  // Static: a server may be looking at it when the client has its answer already.
  static const std::string head = "HTTP/1.1 503 Busy\r\nContent-Length: 100000000\r\n\r\n";
  const std::vector<std::function<void(Peer&)>> scripts = {
      [](Peer& peer) {
        if (peer.write(head)) peer.hang();
      },
      [](Peer& peer) { peer.write(head + std::string(1 << 20, 'x')); },
      [](Peer& peer) { peer.write(head + "cut"); },
      [&](Peer& peer) { peer.write("HTTP/1.1 503 Busy\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"); },
  };
  for (std::size_t i = 0; i < scripts.size(); ++i) {
    auto& server = serve<RawServer>([script = scripts[i]](Peer& peer) {
      peer.read_request();
      script(peer);
    });
    Request wanted;
    wanted.url = server.url();
    wanted.timeout = std::chrono::milliseconds(300);
    wanted.body_limit = 1000;
    wanted.only_ok_body = true;
    const auto response = fetch(wanted);
    ASSERT_TRUE(response) << i << ": " << error_of(response);
    EXPECT_EQ(response->status, 503) << i;
    EXPECT_EQ(response->reason, "Busy") << i;
    EXPECT_EQ(response->body, "") << i;
    wanted.only_ok_body = false;
    EXPECT_FALSE(fetch(wanted)) << i;
  }
}

TEST_F(HttpClientBodyTest, LargeBodiesShareABudget) {
  const auto budget = std::make_shared<ByteBudget>(8 << 20);
  const std::string large(3 << 20, 'x');
  Request wanted = request(answer("", large));
  wanted.budget = budget;
  auto first = fetch(wanted);
  ASSERT_TRUE(first) << error_of(first);
  EXPECT_EQ(budget->used(), 3U << 20) << "as long as somebody has the body";
  // Five are left: one of three would leave less than it takes.
  EXPECT_EQ(error_for(wanted).code, Errc::kLimitExceeded);
  EXPECT_THAT(error_for(wanted).message, HasSubstr("no memory left for the body"));
  EXPECT_EQ(budget->used(), 3U << 20) << "what failed holds nothing";
  Request small = request(answer("", std::string(kBodyBytesFree, 'x')));
  small.budget = budget;
  EXPECT_TRUE(fetch(small)) << "a small one needs none of it";
  first = fail(Errc::kCancelled, "not wanted any more");
  EXPECT_EQ(budget->used(), 0U);
  EXPECT_TRUE(fetch(wanted));
}

TEST(ByteBudget, NobodyTakesMoreThanIsLeft) {
  const auto budget = std::make_shared<ByteBudget>(100);
  ByteHold one(budget);
  EXPECT_TRUE(one.grow_to(50));
  EXPECT_FALSE(one.grow_to(51));
  ByteHold two(budget);
  EXPECT_TRUE(two.grow_to(25));
  EXPECT_FALSE(two.grow_to(26));
  one.shrink_to(10);
  EXPECT_TRUE(two.grow_to(45));
  EXPECT_EQ(budget->used(), 55U);
  budget->set_limit(40);
  EXPECT_FALSE(one.grow_to(11)) << "more is held than there is now";
  EXPECT_TRUE(one.grow_to(10));
}

}  // namespace
}  // namespace core::net
