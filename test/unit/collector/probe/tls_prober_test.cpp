// SPDX-License-Identifier: Apache-2.0
// Certificates made with openssl, shown by openssl's own server: good, expired, self-signed, for another name, of a
// stranger's authority, and what is said of them.
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>

#include "loopback_servers.h"
#include "probe_fixture.h"
#include "test/support/background_process.h"
#include "test/unit/core/net/raw_server.h"

namespace collector::probe {
namespace {

namespace fs = std::filesystem;
using test_support::BackgroundProcess;

void openssl(std::vector<std::string> arguments, const fs::path& folder) {
  arguments.insert(arguments.begin(), "openssl");
  BackgroundProcess process(arguments, folder / "openssl.log");
  const auto status = process.wait(std::chrono::seconds(20));
  ASSERT_EQ(status, 0) << process.log_text();
}

class TlsProberTest : public ProbeTest {
 protected:
  static void SetUpTestSuite() {
    folder = test_support::fresh_folder("probe-tls");
    authority("ca");
    authority("stranger");
    certify("good", "ca", "DNS:node.test,DNS:*.wild.test,IP:127.0.0.1", "30");
    certify("expired", "ca", "DNS:node.test,IP:127.0.0.1", "-1");
    certify("other", "ca", "DNS:other.test", "30");
    certify("named", "ca", "", "30");  // a common name only
    openssl(
        {"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=self", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", file("self.key"), "-out", file("self.pem")},
        folder);
  }
  static void authority(const std::string& name) {
    openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "60",
             "-subj", "/CN=" + name, "-keyout", file(name + ".key"), "-out", file(name + ".pem")},
            folder);
  }
  static void certify(const std::string& name, const std::string& by, const std::string& names,
                      const std::string& days) {
    std::vector<std::string> request = {"req",
                                        "-newkey",
                                        "ec",
                                        "-pkeyopt",
                                        "ec_paramgen_curve:prime256v1",
                                        "-nodes",
                                        "-subj",
                                        "/C=CH/O=Acme/CN=127.0.0.1",
                                        "-keyout",
                                        file(name + ".key"),
                                        "-out",
                                        file(name + ".csr")};
    if (!names.empty()) request.insert(request.end(), {"-addext", "subjectAltName=" + names});
    openssl(request, folder);
    openssl({"x509", "-req", "-in", file(name + ".csr"), "-CA", file(by + ".pem"), "-CAkey", file(by + ".key"), "-days",
             days, "-copy_extensions", "copy", "-out", file(name + ".leaf"), "-set_serial", "0x0a1f"},
            folder);
  }
  static std::string file(const std::string& name) { return (folder / name).string(); }

  // openssl s_server showing a certificate and its chain; answers HTTP with a status page.
  std::string serve(const std::string& name, std::vector<std::string> more = {}) {
    const int port = test_support::free_port();
    const bool alone = name == "self";
    std::vector<std::string> argv = {"openssl", "s_server",
                                     "-accept", "127.0.0.1:" + std::to_string(port),
                                     "-cert",   file(name + (alone ? ".pem" : ".leaf")),
                                     "-key",    file(name + ".key"),
                                     "-www",    "-quiet"};
    if (!alone) argv.insert(argv.end(), {"-cert_chain", file("ca.pem")});
    argv.insert(argv.end(), more.begin(), more.end());
    servers_.push_back(std::make_unique<BackgroundProcess>(argv, folder / (name + ".log")));
    const std::string target = "127.0.0.1:" + std::to_string(port);
    EXPECT_TRUE(test_support::eventually(std::chrono::seconds(10), [&] {
      return probe("{prober: tcp}", target)->verdict() == Verdict::kUp;
    })) << servers_.back()->log_text();
    return target;
  }

  static std::string tls(const std::string& more = "") {
    return "{prober: tls, tls: {tls_config: {ca_file: " + file("ca.pem") + "}" + more + "}}";
  }
  static std::string https(const std::string& authority, const std::string& more = "") {
    return "{prober: http, http: {tls_config: {ca_file: " + file(authority + ".pem") + more + "}}}";
  }

  static inline fs::path folder;
  std::vector<std::unique_ptr<BackgroundProcess>> servers_;
};

TEST_F(TlsProberTest, AGoodChainIsDescribed) {
  const std::string target = serve("good");
  for (const std::string& module : {tls(), https("ca")}) {
    const bool http = module.find("prober: http") != std::string::npos;
    const auto result = probe(module, http ? "https://" + target : target);
    EXPECT_EQ(reason(result), "none") << debug_text(*result);
    const double now = static_cast<double>(clock_.unix_ms()) / 1000;
    constexpr double kDay = 86400;
    EXPECT_NEAR(value(result, "probe_ssl_earliest_cert_expiry"), now + 30 * kDay, 600);
    EXPECT_NEAR(value(result, "probe_ssl_last_chain_expiry_timestamp_seconds"), now + 30 * kDay, 600);
    EXPECT_EQ(value(result, "probe_tls_version_info", "TLS 1.3"), 1);
    EXPECT_EQ(value(result, "probe_tls_cipher_info", "TLS_AES_256_GCM_SHA384"), 1);
    const std::string text = metrics_text(*result, Audience::kExporter);
    EXPECT_THAT(text, testing::HasSubstr("issuer=\"CN=ca\",serialnumber=\"0a1f\",subject=\"CN=127.0.0.1,O=Acme,C=CH\","
                                         "subjectalternative=\"node.test,*.wild.test\"} 1\n"));
    EXPECT_EQ(result->report.evidence.tls.presented.size(), 2U);
    if (!http) continue;
    EXPECT_EQ(value(result, "probe_http_ssl"), 1);
    EXPECT_GT(value(result, "probe_http_duration_seconds", "tls"), 0);
  }
  EXPECT_EQ(reason(probe(tls(", min_validity: 2400h"), target)), "tls_expired");
  EXPECT_EQ(reason(probe("{prober: http, http: {fail_if_ssl: true, tls_config: {ca_file: " + file("ca.pem") + "}}}",
                         "https://" + target)),
            "http_ssl");
}

TEST_F(TlsProberTest, WhatIsWrongWithAChainIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"expired", "tls_expired"}, {"other", "tls_name"}, {"named", "tls_name"}, {"self", "tls_self_signed"}};
  for (const auto& [name, expected] : cases) {
    const std::string target = serve(name);
    auto result = probe(tls(), target);
    EXPECT_EQ(reason(result), expected) << debug_text(*result);
    EXPECT_FALSE(result->report.evidence.tls.presented.empty()) << "the certificate is evidence";
    EXPECT_TRUE(absent(result, "probe_ssl_earliest_cert_expiry"));
    result = probe(https("ca"), "https://" + target);
    EXPECT_EQ(reason(result), expected) << debug_text(*result);
    EXPECT_FALSE(result->report.evidence.tls.presented.empty());
    EXPECT_EQ(value(result, "probe_http_duration_seconds", "connect"), 0);
    const std::string starting = "{prober: tcp, tcp: {tls: true, tls_config: {ca_file: " + file("ca.pem") + "}}}";
    EXPECT_EQ(reason(probe(starting, target)), expected);
    result = probe(https("ca", ", insecure_skip_verify: true"), "https://" + target);
    EXPECT_EQ(reason(result), "none");
    EXPECT_EQ(value(result, "probe_ssl_last_chain_expiry_timestamp_seconds"), -62135596800);
  }
  const std::string target = serve("good");
  EXPECT_EQ(reason(probe(https("stranger"), "https://" + target)), "tls_verify");
  EXPECT_EQ(reason(probe(https("absent"), "https://" + target)), "local_file");
  EXPECT_EQ(reason(probe(https("ca", ", server_name: x.wild.test"), "https://" + target)), "none");
  EXPECT_EQ(reason(probe(https("ca", ", server_name: wild.test"), "https://" + target)), "tls_name");
  EXPECT_EQ(reason(probe(https("ca"), "https://" + target, std::chrono::seconds(5), "node.test")), "none");
  EXPECT_EQ(reason(probe(https("ca"), "https://" + target, std::chrono::seconds(5), "no.test")), "tls_name");
}

TEST_F(TlsProberTest, VersionsMustMeet) {
  const std::string target = serve("good", {"-tls1_2"});
  EXPECT_EQ(value(probe(tls(), target), "probe_tls_version_info", "TLS 1.2"), 1);
  EXPECT_EQ(reason(probe(https("ca", ", min_version: TLS13"), "https://" + target)), "tls_handshake");
  EXPECT_EQ(reason(probe(https("ca", ", max_version: TLS12"), "https://" + target)), "none");
}

TEST_F(TlsProberTest, CertificatesAndKeysMayBeTexts) {
  const auto text = [](const std::string& name) {
    std::ifstream in(file(name));
    std::string quoted = "\"";
    for (std::string line; std::getline(in, line);) quoted += line + "\\n";
    return quoted + "\"";
  };
  const auto module = [](const std::string& prober, const std::string& config) {
    return "{prober: " + prober + ", " + prober + ": {tls_config: {" + config + "}}}";
  };
  // Of TLS 1.2, because there the handshake itself fails if the client shows nothing.
  const std::string target =
      serve("good", {"-tls1_2", "-Verify", "1", "-verify_return_error", "-CAfile", file("ca.pem")});
  const std::string trusted = "ca: " + text("ca.pem");
  const std::string ours = ", cert: " + text("good.leaf") + ", key: " + text("good.key");
  for (const auto& [prober, url] :
       {std::pair<std::string, std::string>{"tls", target}, {"http", "https://" + target}}) {
    EXPECT_EQ(reason(probe(module(prober, trusted + ours), url)), "none");
    EXPECT_EQ(reason(probe(module(prober, trusted), url)), "tls_handshake");
    EXPECT_EQ(reason(probe(module(prober, "ca: " + text("stranger.pem") + ours), url)), "tls_verify");
    EXPECT_EQ(reason(probe(module(prober, "ca: nonsense" + ours), url)), "local_file");
    const std::string damaged = ", cert: " + text("good.leaf") + ", key: nonsense";
    EXPECT_EQ(reason(probe(module(prober, trusted + damaged), url)), "local_file");
    const std::string mismatched = ", cert: " + text("good.leaf") + ", key: " + text("ca.key");
    EXPECT_EQ(reason(probe(module(prober, trusted + mismatched), url)), "local_file");
  }
}

TEST_F(TlsProberTest, WhatIsNoTls) {
  const core::net::RawServer plain([](core::net::RawServer::Peer& peer) {
    peer.write("220 not TLS\r\n");
    peer.hang();
  });
  const std::string target = "127.0.0.1:" + std::to_string(plain.port());
  EXPECT_EQ(reason(probe(tls(), target)), "tls_handshake");
  EXPECT_EQ(reason(probe(https("ca"), "https://" + target)), "tls_handshake");
  const core::net::RawServer silent([](core::net::RawServer::Peer& peer) { peer.hang(); });
  const auto result = probe(tls(), "127.0.0.1:" + std::to_string(silent.port()), std::chrono::milliseconds(200));
  EXPECT_EQ(reason(result), "timeout");
  EXPECT_GT(value(result, "probe_tls_duration_seconds", "tls"), 0.1);
  EXPECT_EQ(reason(probe(tls(), "127.0.0.1:" + std::to_string(closed_port()))), "refused");
  EXPECT_EQ(reason(probe(tls(), "a:b:c")), "bad_target");
}

TEST_F(TlsProberTest, FilesAreReadWithoutAServer) {
  const auto write = [](const std::string& name, const std::string& text) { std::ofstream(file(name)) << text; };
  const auto read = [](const std::string& name) {
    std::ifstream stream(file(name));
    return std::string(std::istreambuf_iterator<char>(stream), {});
  };
  // A key, a chain and words between them, as ACME clients leave them.
  write("chain.crt", read("good.key") + "some words\n" + read("good.leaf") + read("ca.pem"));
  auto result = probe("{prober: certificate_file}", file("chain.crt"));
  EXPECT_EQ(reason(result), "none") << debug_text(*result);
  const double now = static_cast<double>(clock_.unix_ms()) / 1000;
  EXPECT_EQ(value(result, "x509_read_errors"), 0);
  const std::string text = metrics_text(*result, Audience::kRing);
  const std::string labels = "{filename=\"chain.crt\",filepath=\"" + file("chain.crt") + "\",issuer_CN=\"ca\",";
  EXPECT_THAT(
      text, testing::HasSubstr("x509_cert_expired" + labels + "serial_number=\"0a1f\",subject_CN=\"127.0.0.1\"} 0\n"));
  EXPECT_THAT(text, testing::ContainsRegex("x509_cert_not_after.*subject_CN=\"ca\""));
  EXPECT_NEAR(value(result, "x509_cert_not_after"), now + 30.0 * 86400, 600);
  EXPECT_NEAR(value(result, "x509_cert_not_before"), now, 600);
  EXPECT_EQ(reason(probe("{prober: certificate_file, certificate_file: {min_validity: 1000h}}", file("chain.crt"))),
            "tls_expired");
  result = probe("{prober: certificate_file}", file("*.leaf"));
  EXPECT_EQ(reason(result), "tls_expired");
  EXPECT_EQ(value(result, "x509_cert_expired", "expired.leaf"), 1);
  EXPECT_EQ(value(result, "x509_cert_expired", "good.leaf"), 0);
}

TEST_F(TlsProberTest, FilesThatCannotBeReadAreUnknown) {
  std::ofstream(file("cut.crt")) << "-----BEGIN CERTIFICATE-----\nMIIB\n";
  std::ofstream(file("none.crt")) << "nothing\n";
  std::ofstream(file("large.crt")) << std::string((1 << 20) + 1, 'x');
  ASSERT_EQ(::mkfifo(file("pipe.crt").c_str(), 0600), 0);
  for (const char* const name : {"cut.crt", "none.crt", "large.crt", "pipe.crt", "absent.crt"}) {
    const auto result = probe("{prober: certificate_file}", file(name));
    EXPECT_EQ(reason(result), "local_file") << name;
    EXPECT_EQ(result->verdict(), Verdict::kUnknown);
    EXPECT_EQ(value(result, "x509_read_errors"), 1) << name;
  }
  EXPECT_EQ(reason(probe("{prober: certificate_file}", "relative.pem")), "bad_target");
  for (const char* const name : {"cut.crt", "none.crt", "large.crt", "pipe.crt"}) fs::remove(file(name));
}

}  // namespace
}  // namespace collector::probe
