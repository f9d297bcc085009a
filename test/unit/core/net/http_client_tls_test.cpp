// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "client_fixture.h"

extern char** environ;

namespace core::net {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Plain = LocalServer<httplib::Server>;
using Secure = LocalServer<httplib::SSLServer>;

void run(std::vector<std::string> argv) {
  std::vector<char*> pointers;
  for (std::string& argument : argv) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  ASSERT_EQ(posix_spawnp(&pid, pointers[0], &actions, nullptr, pointers.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_EQ(status, 0) << argv[0];
}

// Certificates of our own, made once: node.pem for node.test and 127.0.0.2, client.pem, and a stranger's.
class HttpClientTlsTest : public HttpClientTest {
 protected:
  static void SetUpTestSuite() {
    folder = std::filesystem::temp_directory_path() / ("net_tls_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    const auto make = [](const std::string& name, const std::string& subject, const std::string& names) {
      run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
           "1", "-subj", subject, "-addext", "subjectAltName=" + names, "-keyout", file(name + ".key"), "-out",
           file(name + ".pem")});
    };
    make("node", "/CN=node.test", "DNS:node.test,IP:127.0.0.2");
    make("local", "/CN=local", "IP:127.0.0.1");
    make("client", "/CN=client", "DNS:client");
    make("stranger", "/CN=stranger", "DNS:stranger");
    std::ofstream(file("garbage.pem")) << "not a certificate\n";
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder); }
  static std::string file(const std::string& name) { return (folder / name).string(); }

  Secure& start(const std::string& certificate, const std::string& client_authority = "") {
    auto& server = serve<Secure>(file(certificate + ".pem").c_str(), file(certificate + ".key").c_str(),
                                 client_authority.empty() ? nullptr : client_authority.c_str());
    server->Get("/", [](const httplib::Request& request, httplib::Response& response) {
      response.set_content("host " + request.get_header_value("Host"), "text/plain");
    });
    server.start();
    return server;
  }
  static Request request_to(const Secure& server) {
    Request request;
    request.url = server.url("/", "https");
    return request;
  }

  static inline std::filesystem::path folder;
};

TEST_F(HttpClientTlsTest, TrustsTheNamedAuthorityOnly) {
  Secure& server = start("local");
  Request request = request_to(server);
  auto response = fetch(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kUnavailable);
  EXPECT_EQ(
      error_of(response),
      "Get \"" + request.url + "\": tls: failed to verify certificate: x509: certificate signed by unknown authority");
  request.tls.ca_file = file("local.pem");
  response = fetch(request);
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->body, "host 127.0.0.1:" + std::to_string(server.port()));
  EXPECT_GT(response->timings.tls, Duration::zero());

  // A connection that was trusted for one request is not reused for another with other trust.
  request.tls.ca_file = file("stranger.pem");
  EXPECT_THAT(error_of(fetch(request)), HasSubstr("unknown authority"));
  request.tls = TlsOptions();
  request.tls.insecure_skip_verify = true;
  EXPECT_TRUE(fetch(request));
}

TEST_F(HttpClientTlsTest, ChecksTheHostUnlessAnotherNameIsGiven) {
  Secure& server = start("node");
  Request request = request_to(server);
  request.tls.ca_file = file("node.pem");
  EXPECT_THAT(error_of(fetch(request)), HasSubstr("x509: certificate is not valid for 127.0.0.1"));
  request.tls.server_name = "node.test";
  const auto response = fetch(request);
  ASSERT_TRUE(response) << error_of(response);
  EXPECT_EQ(response->body, "host 127.0.0.1:" + std::to_string(server.port()));
  EXPECT_EQ(response->remote_address, "127.0.0.1:" + std::to_string(server.port()));
  request.tls.server_name = "other.test";
  EXPECT_THAT(error_of(fetch(request)), HasSubstr("x509: certificate is not valid for other.test"));
}

TEST_F(HttpClientTlsTest, ShowsTheClientCertificate) {
  Secure& server = start("local", file("client.pem"));
  Request request = request_to(server);
  request.tls.ca_file = file("local.pem");
  EXPECT_FALSE(fetch(request));
  request.tls.cert_file = file("client.pem");
  request.tls.key_file = file("client.key");
  const auto response = fetch(request);
  EXPECT_TRUE(response) << error_of(response);
  request.tls.cert_file = file("stranger.pem");
  request.tls.key_file = file("stranger.key");
  EXPECT_FALSE(fetch(request));
}

TEST_F(HttpClientTlsTest, CertificatesMayBeTexts) {
  const auto text = [](const std::string& name) {
    std::ifstream in(file(name));
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  Secure& server = start("local", file("client.pem"));
  Request request = request_to(server);
  request.tls.ca = text("local.pem");
  EXPECT_FALSE(fetch(request));
  request.tls.cert = text("client.pem");
  request.tls.key = text("client.key");
  const auto response = fetch(request);
  EXPECT_TRUE(response) << error_of(response);
  request.tls.ca = text("stranger.pem");
  EXPECT_THAT(error_of(fetch(request)), HasSubstr("certificate signed by unknown authority"));
}

TEST_F(HttpClientTlsTest, VersionsAreBounded) {
  Secure& server = start("local");
  SSL_CTX_set_max_proto_version(server->ssl_context(), TLS1_2_VERSION);
  Request request = request_to(server);
  request.tls.ca_file = file("local.pem");
  EXPECT_TRUE(fetch(request));
  request.tls.least = TlsVersion::kTls13;
  EXPECT_THAT(error_of(fetch(request)), HasSubstr("tls: "));
  request.tls.least = TlsVersion::kTls12;
  request.tls.most = TlsVersion::kTls12;
  request.http2 = false;
  EXPECT_TRUE(fetch(request));
}

TEST_F(HttpClientTlsTest, BadFilesAreNamed) {
  Secure& server = start("local");
  Request request = request_to(server);
  request.tls.ca_file = file("garbage.pem");
  auto response = fetch(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kUnavailable);
  EXPECT_THAT(error_of(response), HasSubstr(file("garbage.pem")));
  request.tls.ca_file = file("local.pem");
  request.tls.cert_file = file("absent.pem");
  request.tls.key_file = file("client.key");
  response = fetch(request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kUnavailable);
  EXPECT_THAT(error_of(response), HasSubstr(file("absent.pem")));
}

TEST_F(HttpClientTlsTest, TlsAndPlainDoNotMeet) {
  Plain& plain = serve<Plain>();
  plain.start();
  const std::string url = plain.url("/", "https");
  EXPECT_EQ(error_of(fetch(url)), "Get \"" + url + "\": http: server gave HTTP response to HTTPS client");
  Secure& secure = start("local");
  EXPECT_FALSE(fetch(secure.url("/", "http")));
}

TEST_F(HttpClientTlsTest, RefusesTlsOlderThan12) {
  auto& server = serve<Secure>([](SSL_CTX& context) {
    SSL_CTX_set_security_level(&context, 0);  // or OpenSSL would refuse by itself what we are to refuse
    SSL_CTX_set_max_proto_version(&context, TLS1_1_VERSION);
    return SSL_CTX_use_certificate_file(&context, file("local.pem").c_str(), SSL_FILETYPE_PEM) == 1 &&
           SSL_CTX_use_PrivateKey_file(&context, file("local.key").c_str(), SSL_FILETYPE_PEM) == 1;
  });
  server->Get("/", [](const httplib::Request&, httplib::Response&) {});
  server.start();
  Request request = request_to(server);
  request.tls.insecure_skip_verify = true;
  EXPECT_THAT(error_of(fetch(request)), HasSubstr("tls: "));
}

}  // namespace
}  // namespace core::net
