// SPDX-License-Identifier: Apache-2.0
// The grpc prober against the real gRPC library (Debian's python3-grpcio), and against servers that are none.
#include "loopback_servers.h"
#include "probe_fixture.h"
#include "test/support/background_process.h"
#include "test/unit/core/net/raw_server.h"

namespace collector::probe {
namespace {

namespace fs = std::filesystem;
using test_support::BackgroundProcess;

// grpc.health.v1.Health with the messages written by hand: what the generated code would do for these two fields.
constexpr const char* kServer = R"(
import sys, grpc
from concurrent import futures

STATUS = {b'': 1, b'down': 2, b'odd': 3}

def check(request, context):
    name = request[2:]
    if name == b'slow':
        import threading
        threading.Event().wait(5)
    if dict(context.invocation_metadata()).get('x-token') == 'wrong':
        context.abort(grpc.StatusCode.UNAUTHENTICATED, 'wrong token')
    if name not in STATUS:
        context.abort(grpc.StatusCode.NOT_FOUND, 'unknown service')
    return bytes([8, STATUS[name]])

server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler('grpc.health.v1.Health', {
    'Check': grpc.unary_unary_rpc_method_handler(check)}),))
server.add_insecure_port('127.0.0.1:' + sys.argv[1])
if len(sys.argv) > 3:
    key, certificate = (open(name, 'rb').read() for name in sys.argv[3:5])
    server.add_secure_port('127.0.0.1:' + sys.argv[2], grpc.ssl_server_credentials([(key, certificate)]))
server.start()
server.wait_for_termination()
)";

class GrpcProberTest : public ProbeTest {
 protected:
  void SetUp() override {
    folder_ = test_support::fresh_folder("probe-grpc");
    BackgroundProcess openssl({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                               "-nodes", "-days", "2", "-subj", "/CN=node", "-addext", "subjectAltName=IP:127.0.0.1",
                               "-keyout", (folder_ / "key.pem").string(), "-out", (folder_ / "cert.pem").string()},
                              folder_ / "openssl.log");
    ASSERT_EQ(openssl.wait(std::chrono::seconds(20)), 0) << openssl.log_text();
    test_support::write_file(folder_ / "server.py", kServer);
    plain_ = test_support::free_port();
    secure_ = test_support::free_port();
    server_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{"/usr/bin/python3", (folder_ / "server.py").string(), std::to_string(plain_),
                                 std::to_string(secure_), (folder_ / "key.pem").string(),
                                 (folder_ / "cert.pem").string()},
        folder_ / "server.log");
    ASSERT_TRUE(test_support::eventually(std::chrono::seconds(20), [&] {
      return reason(probe("{prober: grpc}", at(plain_), std::chrono::seconds(2))) == "none";
    })) << server_->log_text();
  }
  static std::string at(int port) { return "127.0.0.1:" + std::to_string(port); }

  fs::path folder_;
  int plain_ = 0;
  int secure_ = 0;
  std::unique_ptr<BackgroundProcess> server_;
};

TEST_F(GrpcProberTest, Calls) {
  auto result = probe("{prober: grpc}", "http://" + at(plain_));
  EXPECT_EQ(reason(result), "none") << debug_text(*result);
  EXPECT_EQ(value(result, "probe_grpc_status_code"), 0);
  EXPECT_EQ(value(result, "probe_grpc_healthcheck_response", "SERVING"), 1);
  EXPECT_EQ(value(result, "probe_grpc_healthcheck_response", "NOT_SERVING"), 0);
  EXPECT_EQ(value(result, "probe_grpc_ssl"), 0);
  EXPECT_GT(value(result, "probe_grpc_duration_seconds", "check"), 0);
  result = probe("{prober: grpc, grpc: {service: down}}", at(plain_));
  EXPECT_EQ(reason(result), "grpc_not_serving");
  EXPECT_EQ(value(result, "probe_grpc_healthcheck_response", "NOT_SERVING"), 1);
  result = probe("{prober: grpc, grpc: {service: nope}}", at(plain_));
  EXPECT_EQ(reason(result), "grpc_status");
  EXPECT_EQ(value(result, "probe_grpc_status_code"), 5);
  EXPECT_THAT(result->report.evidence.reply_start, testing::HasSubstr("unknown service"));
  result = probe("{prober: grpc, grpc: {metadata: {x-token: [wrong]}}}", at(plain_));
  EXPECT_EQ(value(result, "probe_grpc_status_code"), 16);
  result = probe("{prober: grpc, grpc: {service: slow}}", at(plain_), std::chrono::milliseconds(300));
  EXPECT_THAT(reason(result), testing::AnyOf("timeout", "grpc_status"));
  EXPECT_EQ(value(result, "probe_grpc_status_code"), 4) << "the deadline, ours or the server's";
}

TEST_F(GrpcProberTest, OverTls) {
  const std::string ca = (folder_ / "cert.pem").string();
  auto result = probe("{prober: grpc, grpc: {tls: true, tls_config: {ca_file: " + ca + "}}}", at(secure_));
  EXPECT_EQ(reason(result), "none") << debug_text(*result);
  EXPECT_EQ(value(result, "probe_grpc_ssl"), 1);
  EXPECT_GT(value(result, "probe_ssl_earliest_cert_expiry"), 0);
  EXPECT_TRUE(absent(result, "probe_ssl_last_chain_expiry_timestamp_seconds"));
  result = probe("{prober: grpc, grpc: {tls: true}}", at(secure_));
  EXPECT_EQ(reason(result), "tls_self_signed");
  EXPECT_EQ(value(result, "probe_grpc_status_code"), 14);
}

TEST_F(GrpcProberTest, WhatIsNoGrpc) {
  auto result = probe("{prober: grpc}", at(closed_port()));
  EXPECT_EQ(reason(result), "refused");
  EXPECT_EQ(value(result, "probe_grpc_status_code"), 14);
  EXPECT_EQ(value(result, "probe_grpc_healthcheck_response", "SERVING"), 0);
  const core::net::RawServer http1([](core::net::RawServer::Peer& peer) {
    peer.read_request();
    peer.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    peer.hang();
  });
  result = probe("{prober: grpc}", at(http1.port()));
  // libcurl takes bytes that are no frames of HTTP/2 for no answer at all.
  EXPECT_THAT(reason(result), testing::AnyOf("protocol", "closed")) << debug_text(*result);
  EXPECT_EQ(value(result, "probe_grpc_status_code"), 14);
}

}  // namespace
}  // namespace collector::probe
