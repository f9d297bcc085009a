// SPDX-License-Identifier: Apache-2.0
#include "core/net/plain_transfer.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "core/check.h"
#include "core/net/url.h"

namespace core::net {
namespace {

std::string answer(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Both ends of a TCP connection.
struct TcpPair {
  TcpPair() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    CHECK(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0, "port 0 can be bound");
    CHECK(::listen(listener, 1) == 0, "a bound socket can listen");
    CHECK(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0, "a bound socket has a name");
    CHECK(::connect(near, reinterpret_cast<sockaddr*>(&address), size) == 0, "somebody listens");
    far = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    ::close(listener);
  }
  ~TcpPair() {
    ::close(near);
    ::close(far);
  }
  void say(std::string_view text) const {
    CHECK(::send(far, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()), "there is room");
  }
  // Whether there is enough to be read.
  bool readable(int within_ms) const {
    pollfd watched{near, POLLIN, 0};
    return ::poll(&watched, 1, within_ms) == 1;
  }
  int low_water() const {
    int value = 0;
    socklen_t size = sizeof value;
    ::getsockopt(near, SOL_SOCKET, SO_RCVLOWAT, &value, &size);
    return value;
  }

  int near = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int far = -1;
};

TEST(PlainTransfer, TheRestOfABodyWakesItOnceAndAShortAnswerIsNotMissed) {
  using Progress = PlainTransfer::Progress;
  const SystemClock clock;
  const TcpPair pair;
  std::array<char, 64 << 10> scratch{};
  const std::string body(50'000, 'x');
  const std::string text = answer(body);
  for (const std::string& next : {text, answer("short")}) {
    Request wanted;
    wanted.url = "http://127.0.0.1/";
    PlainTransfer transfer(clock, 1, wanted, nullptr);
    ASSERT_TRUE(transfer.prepare(*parse_url(wanted.url), "test"));
    transfer.begin("127.0.0.1:80", true, {});
    EXPECT_EQ(transfer.write(pair.near), Progress::kNeedsRead);
    if (next == text) {
      pair.say(text.substr(0, 10'000));
      ASSERT_TRUE(pair.readable(10'000));
      EXPECT_EQ(transfer.read(pair.near, scratch), Progress::kNeedsRead);
      EXPECT_EQ(pair.low_water(), static_cast<int>(text.size()) - 10'000);
      pair.say(text.substr(10'000, 1'000));
      EXPECT_FALSE(pair.readable(20)) << "more is to come";
      pair.say(text.substr(11'000));
    } else {
      pair.say(next);
    }
    ASSERT_TRUE(pair.readable(10'000));
    EXPECT_EQ(transfer.read(pair.near, scratch), Progress::kEnded);
    const auto response = transfer.finish();
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->body, next == text ? body : "short");
    EXPECT_EQ(pair.low_water(), 1);
  }
}

}  // namespace
}  // namespace core::net
