// SPDX-License-Identifier: Apache-2.0
// Bodies that are taken piece by piece, signatures and proxies.
#include <condition_variable>
#include <mutex>

#include "client_fixture.h"
#include "core/config/node.h"
#include "core/net/http_client_config.h"
#include "core/time/duration.h"
#include "raw_server.h"
#include "test/support/aws_signature.h"

namespace core::net {
namespace {

using ::testing::HasSubstr;
using Plain = LocalServer<httplib::Server>;

class HttpClientStreamTest : public HttpClientTest {};

TEST_F(HttpClientStreamTest, PiecesComeWhileTheAnswerGoesOn) {
  RawServer server([](RawServer::Peer& peer) {
    const std::string request = peer.read_request();
    EXPECT_THAT(request, testing::Not(HasSubstr("Accept-Encoding")));
    peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n");
    peer.hang();  // until the client has had enough
  });
  Request request;
  request.url = server.url();
  std::string got;
  request.on_body = [&](std::string_view piece) {
    got += piece;
    return false;
  };
  const auto response = fetch(request);
  EXPECT_EQ(got, "first\n");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kCancelled);
}

TEST_F(HttpClientStreamTest, AStreamHasNoLimitAndItsEndIsAnAnswer) {
  auto& server = serve<Plain>();
  server->Get("/", [](const httplib::Request&, httplib::Response& response) {
    response.set_content(std::string(1 << 20, 'x'), "text/plain");
  });
  server.start();
  Request request;
  request.url = server.url();
  request.body_limit = 10;
  std::size_t got = 0;
  request.on_body = [&](std::string_view piece) {
    got += piece.size();
    return true;
  };
  const auto response = fetch(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(got, 1U << 20);
  EXPECT_EQ(response->body, "");
}

TEST_F(HttpClientStreamTest, AnAnswerThatIsNotTheStreamIsGatheredWithinItsLimit) {
  auto& server = serve<Plain>();
  server->Get("/", [](const httplib::Request&, httplib::Response& response) {
    response.status = 410;
    response.set_content("gone", "text/plain");
  });
  server.start();
  Request request;
  request.url = server.url();
  request.on_body = [](std::string_view) {
    ADD_FAILURE() << "this is not the stream";
    return true;
  };
  const auto response = fetch(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 410);
  EXPECT_EQ(response->body, "gone");
}

TEST_F(HttpClientStreamTest, SignsAsAwsDescribesIt) {
  auto& server = serve<Plain>();
  std::string wrong = "no request";
  std::string now;
  for (const char c : format_rfc3339(clock.wall_now()).substr(0, 19)) {
    if (c != '-' && c != ':') now += c;
  }
  server->Post("/", [&](const httplib::Request& request, httplib::Response&) {
    test_support::SignedRequest seen{"POST", "/", "", {}, request.body};
    for (const auto& [name, value] : request.headers) seen.headers.emplace(name, value);
    wrong = test_support::check_aws_signature(seen, "eu-west-1", "ec2", "AKID", "secret/+", "token==", now + "Z");
  });
  server.start();
  Request request;
  request.method = "POST";
  request.url = server.url();
  request.body = "Action=Describe&Name=a%2Fb";
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}, {"X-Amz-Meta", "a  b"}};
  request.aws_signature = {"eu-west-1", "ec2", "AKID", "secret/+", "token=="};
  ASSERT_TRUE(fetch(request));
  EXPECT_EQ(wrong, "");
  request.aws_signature->secret_key = "another";
  ASSERT_TRUE(fetch(request));
  EXPECT_THAT(wrong, HasSubstr("SignatureDoesNotMatch"));
  request.aws_signature->session_token = "a\r\nX-Injected: 1";
  EXPECT_FALSE(fetch(request));
}

Request through_proxy(const std::string& url, const std::string& yaml) {
  const auto node = config::Node::parse(yaml, "p.yml");
  const auto http = HttpClientConfig::fields().read(*node);
  Request request;
  request.url = url;
  EXPECT_TRUE(http) << http.error().message;
  if (http) {
    EXPECT_TRUE(http->apply(request));
  }
  return request;
}

TEST_F(HttpClientStreamTest, AProxyIsAskedForEveryHostButThoseNamed) {
  std::string seen;
  RawServer proxy([&](RawServer::Peer& peer) {
    seen = peer.read_request();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy");
  });
  auto& direct = serve<Plain>();
  direct->Get("/", [](const httplib::Request&, httplib::Response& r) { r.set_content("direct", "text/plain"); });
  direct.start();
  const std::string port = std::to_string(proxy.port());

  auto response = fetch(through_proxy("http://node.test/metrics", "{proxy_url: 'http://u:p@127.0.0.1:" + port + "'}"));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "proxy");
  EXPECT_THAT(seen, HasSubstr("GET http://node.test/metrics HTTP/1.1"));
  EXPECT_THAT(seen, HasSubstr("Proxy-Authorization: Basic dTpw"));

  response = fetch(
      through_proxy(direct.url(), "{proxy_url: 'http://127.0.0.1:" + port + "', no_proxy: 'node.test,127.0.0.0/8'}"));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "direct");

  // Of the environment, and only if asked to; this machine is never asked for through a proxy.
  ::setenv("HTTP_PROXY", ("http://127.0.0.1:" + port).c_str(), 1);
  response = fetch(through_proxy("http://node.test/", "{proxy_from_environment: true}"));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "proxy");
  response = fetch(through_proxy(direct.url(), "{proxy_from_environment: true}"));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "direct");
  response = fetch(through_proxy(direct.url(), "{}"));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "direct");
  ::unsetenv("HTTP_PROXY");
}

}  // namespace
}  // namespace core::net
