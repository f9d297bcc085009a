// SPDX-License-Identifier: Apache-2.0
// The tcp and unix probers: dialogues with servers that behave exactly as told.
#include <sys/un.h>

#include "loopback_servers.h"
#include "probe_fixture.h"
#include "test/support/background_process.h"
#include "test/unit/core/net/raw_server.h"

namespace collector::probe {
namespace {

using core::net::RawServer;

class DialogueTest : public ProbeTest {
 protected:
  static std::string target(const RawServer& server) { return "127.0.0.1:" + std::to_string(server.port()); }
};

TEST_F(DialogueTest, ConnectingIsEnoughWithoutADialogue) {
  const RawServer server([](RawServer::Peer& peer) { peer.hang(); });
  const auto result = probe("{prober: tcp}", target(server));
  EXPECT_EQ(reason(result), "none");
  EXPECT_EQ(value(result, "probe_failed_due_to_regex"), 0);
  EXPECT_EQ(value(result, "probe_ip_protocol"), 4);
}

TEST_F(DialogueTest, SaysWhatWasFound) {
  std::string received;
  const RawServer server([&](RawServer::Peer& peer) {
    peer.write("220-hello\r\n220 mail.test ESMTP Postfix\r\n");
    received = peer.read_request();
    peer.write(std::string("\0\1\2rest", 7));
    peer.hang();
  });
  const auto result = probe(R"({prober: tcp, tcp: {query_response: [
      {expect: '^220 (\S+) (?P<kind>\w+)', labels: [{name: host, value: '$1'}, {name: kind, value: '${kind}'}],
       send: "EHLO $1\r\n\r"},
      {expect_bytes: "\0\x01\x02re"}]}})",
                            target(server));
  EXPECT_EQ(reason(result), "none") << debug_text(*result);
  EXPECT_EQ(received, "EHLO mail.test\r\n\r\n");
  EXPECT_THAT(metrics_text(*result, Audience::kExporter),
              testing::HasSubstr("probe_expect_info{host=\"mail.test\",kind=\"ESMTP\"} 1\n"));
  EXPECT_EQ(value(result, "probe_failed_due_to_bytes"), 0);
}

TEST_F(DialogueTest, WhatIsWrongIsNamed) {
  const RawServer closing([](RawServer::Peer& peer) { peer.write("bye\n"); });
  auto result = probe("{prober: tcp, tcp: {query_response: [{expect: '^hello'}]}}", target(closing));
  EXPECT_EQ(reason(result), "reply_mismatch");
  EXPECT_EQ(value(result, "probe_failed_due_to_regex"), 1);
  EXPECT_EQ(result->report.evidence.reply_start, "bye");

  const RawServer staying([](RawServer::Peer& peer) {
    peer.write("bye\n");
    peer.hang();
  });
  result = probe("{prober: tcp, tcp: {query_response: [{expect: '^hello'}]}}", target(staying),
                 std::chrono::milliseconds(200));
  EXPECT_EQ(reason(result), "timeout");
  EXPECT_EQ(value(result, "probe_failed_due_to_regex"), 0);

  result = probe("{prober: tcp, tcp: {query_response: [{expect_bytes: 'bya'}]}}", target(staying));
  EXPECT_EQ(reason(result), "reply_mismatch");
  EXPECT_EQ(value(result, "probe_failed_due_to_bytes"), 1);

  const RawServer endless([](RawServer::Peer& peer) {
    const std::string piece(4096, 'x');
    while (peer.write(piece)) {
    }
  });
  result = probe("{prober: tcp, tcp: {query_response: [{expect: '^hello'}]}}", target(endless));
  EXPECT_EQ(reason(result), "protocol") << "a line without an end";

  const RawServer resetting([](RawServer::Peer& peer) { peer.reset_on_close(); });
  result = probe("{prober: tcp, tcp: {query_response: [{expect: '^hello'}]}}", target(resetting));
  EXPECT_EQ(reason(result), "reset");

  EXPECT_EQ(reason(probe("{prober: tcp}", "127.0.0.1:" + std::to_string(closed_port()))), "refused");
  const BlackHole hole;
  EXPECT_EQ(reason(probe("{prober: tcp}", "127.0.0.1:" + std::to_string(hole.port()), std::chrono::milliseconds(200))),
            "timeout");
  result = probe("{prober: tcp}", "127.0.0.1");
  EXPECT_EQ(reason(result), "bad_target");
  EXPECT_TRUE(absent(result, "probe_ip_protocol"));
  EXPECT_EQ(reason(probe("{prober: tcp, tcp: {tls: true}}", target(endless))), "tls_handshake");
  EXPECT_EQ(reason(probe("{prober: tcp, tcp: {source_ip_address: 192.0.2.77}}", target(closing))), "no_source_address");
}

// A listener on a Unix socket that greets whoever connects.
TEST_F(DialogueTest, OverAUnixSocket) {
  const std::string path = (test_support::fresh_folder("probe-unix") / "s").string();
  auto result = probe("{prober: unix}", path);
  EXPECT_EQ(reason(result), "refused") << "there is no socket yet";
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener, 8), 0);
  std::thread greeter([listener] {
    for (int i = 0; i < 2; ++i) {
      const int peer = ::accept(listener, nullptr, nullptr);
      std::array<char, 4096> request{};
      const std::string_view text = i == 0 ? "ready\n" : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
      if (i == 1) static_cast<void>(::recv(peer, request.data(), request.size(), 0));
      static_cast<void>(::send(peer, text.data(), text.size(), MSG_NOSIGNAL));
      ::close(peer);
    }
  });
  result = probe("{prober: unix, unix: {query_response: [{expect: ready}]}}", path);
  EXPECT_EQ(reason(result), "none") << debug_text(*result);
  EXPECT_TRUE(absent(result, "probe_ip_protocol"));
  result = probe("{prober: unix, unix: {http: {fail_if_body_not_matches_regexp: [ok]}}}", path + ":/health");
  EXPECT_EQ(reason(result), "none") << debug_text(*result);
  EXPECT_EQ(value(result, "probe_http_status_code"), 200);
  greeter.join();
  ::close(listener);
}

}  // namespace
}  // namespace collector::probe
