// SPDX-License-Identifier: Apache-2.0
// The agent's /probe beside a real blackbox_exporter: one file of modules for both, the same targets, the same answers.
// Debian's is release 0.23, older than some metrics; those that it cannot have are named here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/socket.h>

#include <map>
#include <set>
#include <thread>

#include "test/e2e/agent_process.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using test_support::BackgroundProcess;
using test_support::eventually;
using test_support::free_port;

constexpr const char* kModules = R"yaml(modules:
  plain: {prober: http, timeout: 2s}
  body: {prober: http, http: {fail_if_body_not_matches_regexp: ["hello"], fail_if_body_matches_regexp: ["b[au]d"]}}
  header: {prober: http, http: {fail_if_header_not_matches: [{header: X-Kind, regexp: "^good$"}]}}
  header_absent: {prober: http, http: {fail_if_header_matches: [{header: X-Absent, regexp: "a"}]}}
  header_allowed: {prober: http, http: {fail_if_header_matches: [{header: X-Absent, regexp: "a", allow_missing: true}]}}
  codes: {prober: http, http: {valid_status_codes: [404], method: POST, body: "x=1"}}
  stay: {prober: http, http: {follow_redirects: false, valid_status_codes: [302]}}
  stay_body: {prober: http, http: {follow_redirects: false, valid_status_codes: [302], fail_if_body_not_matches_regexp: [x]}}
  versions: {prober: http, http: {valid_http_versions: ["HTTP/2.0"]}}
  not_ssl: {prober: http, http: {fail_if_not_ssl: true}}
  limited: {prober: http, http: {body_size_limit: 5B}}
  gzip: {prober: http, http: {compression: gzip}}
  v4: {prober: http, http: {preferred_ip_protocol: ip4}}
  v6_only: {prober: http, http: {ip_protocol_fallback: false}}
  short: {prober: http, timeout: 300ms}
  auth: {prober: http, http: {basic_auth: {username: u, password: p}}}
  hosted: {prober: http, http: {headers: {Host: a.test}}}
  tls: {prober: http, http: {tls_config: {ca_file: CA}}}
  tls_named: {prober: http, http: {tls_config: {ca_file: CA, server_name: node.test}}}
  tls_any: {prober: http, http: {tls_config: {insecure_skip_verify: true}, fail_if_ssl: true}}
  tcp: {prober: tcp, timeout: 1s}
  tcp_tls: {prober: tcp, tcp: {tls: true, tls_config: {ca_file: CA}}}
  tcp_http:
    prober: tcp
    tcp:
      query_response:
      - send: "GET / HTTP/1.0\r\n\r"
      - expect: "^HTTP/1.\\d (?P<code>\\d+)"
  tcp_never: {prober: tcp, timeout: 1s, tcp: {query_response: [{send: "GET / HTTP/1.0\r\n\r"}, {expect: "^never"}]}}
  dns: {prober: dns, dns: {query_name: four.test, query_type: A}}
  dns_tcp: {prober: dns, dns: {query_name: alias.test, query_type: A, transport_protocol: tcp}}
  dns_none: {prober: dns, dns: {query_name: none.test, query_type: A}}
  dns_all: {prober: dns, dns: {query_name: alias.test, query_type: A,
    validate_answer_rrs: {fail_if_all_match_regexp: ["CNAME"]}}}
  dns_match: {prober: dns, dns: {query_name: text.test, query_type: TXT,
    validate_answer_rrs: {fail_if_not_matches_regexp: ['test\.\t\d+\tIN\tTXT\t"hello world"$']}}}
  dns_soa: {prober: dns, dns: {query_name: four.test, query_type: SOA,
    validate_additional_rrs: {fail_if_none_matches_regexp: ["x"]}}}
  icmp: {prober: icmp, timeout: 1s}
  grpc: {prober: grpc, grpc: {preferred_ip_protocol: ip4}}
)yaml";

// What Debian's release does not have yet, and what is ours.
const std::set<std::string> kOnlyOurs = {"probe_failed_due_to_bytes", "probe_failure_reason", "probe_timeout_seconds",
                                         "probe_tls_cipher_info", "probe_unknown"};

using Samples = std::map<std::string, double>;

std::string name_of(const std::string& series) { return series.substr(0, series.find('{')); }

Samples parse(const std::string& text) {
  Samples samples;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t space = line.rfind(' ');
    std::string series = line.substr(0, space);
    // A label that Debian's release does not have yet.
    if (const std::size_t serial = series.find("serialnumber=\""); serial != std::string::npos) {
      series.erase(serial, series.find("\",", serial) + 2 - serial);
    }
    samples[series] = std::stod(line.substr(space + 1));
  }
  return samples;
}

class BesideBlackbox : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    work = test_support::fresh_folder("beside-blackbox");
    make_certificates();
    start_pages();
    std::string modules = kModules;
    for (std::size_t at = modules.find("CA}"); at != std::string::npos; at = modules.find("CA}", at)) {
      modules.replace(at, 2, (work / "node.pem").string());
    }
    for (std::size_t at = modules.find("CA,"); at != std::string::npos; at = modules.find("CA,", at)) {
      modules.replace(at, 2, (work / "node.pem").string());
    }
    test_support::write_file(work / "modules.yml", modules);
    // The same modules, and a schedule, which blackbox_exporter has not.
    test_support::write_file(work / "agent.yml",
                             modules +
                                 "  no_body: {prober: http, http: {body_file: /nonexistent/body}}\n"
                                 "probes:\n- {job_name: outside, module: plain, interval: 1s, timeout: 1s, "
                                 "static_configs: [{targets: [\"" +
                                 page("/") + "\", \"" + page("/broken") +
                                 "\"]}]}\n- {job_name: blind, module: no_body, interval: 1s, timeout: 1s, "
                                 "static_configs: [{targets: [\"https://127.0.0.1:1/\"]}]}\n");
    dns_port = free_port();
    start({"dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--listen-address=127.0.0.1",
           "--bind-interfaces", "--user=root", "--pid-file=", "--port=" + std::to_string(dns_port), "--local=/test/",
           "--host-record=four.test,192.0.2.4", "--cname=alias.test,four.test", "--txt-record=text.test,hello world"},
          "dnsmasq");
    tls_port = free_port();
    start({"openssl", "s_server", "-accept", "127.0.0.1:" + std::to_string(tls_port), "-cert",
           (work / "node.pem").string(), "-key", (work / "node.key").string(), "-www", "-quiet"},
          "s_server");
    blackbox_port = free_port();
    start({"prometheus-blackbox-exporter", "--config.file=" + (work / "modules.yml").string(),
           "--web.listen-address=127.0.0.1:" + std::to_string(blackbox_port)},
          "blackbox");
    agent = std::make_unique<AgentProcess>(work / "agent.yml", work / "data");
    ASSERT_TRUE(agent->ready()) << agent->process().log_text();
    ASSERT_TRUE(
        eventually(seconds(15), [] { return test_support::http_get(blackbox_port, "/-/healthy").status == 200; }));
    ASSERT_TRUE(eventually(seconds(15), [] {
      return ours("dns", "127.0.0.1:" + std::to_string(dns_port))["probe_success"] == 1 &&
             ours("tcp", "127.0.0.1:" + std::to_string(tls_port))["probe_success"] == 1;
    }));
  }
  static void TearDownTestSuite() {
    agent.reset();
    programs.clear();
    pages->stop();
    pages_thread.join();
  }

  static void start(const std::vector<std::string>& argv, const std::string& name) {
    programs.push_back(std::make_unique<BackgroundProcess>(argv, work / (name + ".log")));
  }

  static void make_certificates() {
    BackgroundProcess process(
        {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
         "30", "-subj", "/C=CH/O=Acme/CN=node", "-addext", "subjectAltName=DNS:node.test,IP:127.0.0.1", "-keyout",
         (work / "node.key").string(), "-out", (work / "node.pem").string()},
        work / "openssl.log");
    ASSERT_EQ(process.wait(seconds(20)), 0) << process.log_text();
  }

  static void start_pages() {
    pages = std::make_unique<httplib::Server>();
    const auto page = [](const char* path, int status, const char* body, httplib::Headers headers = {}) {
      const auto answer = [=](const httplib::Request&, httplib::Response& response) {
        response.status = status;
        for (const auto& [name, value] : headers) response.set_header(name.c_str(), value);
        if (*body != '\0') response.set_content(body, "text/plain");
      };
      pages->Get(path, answer);
      pages->Post(path, answer);
    };
    page("/", 200, "hello, world!\n", {{"X-Kind", "good"}, {"Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"}});
    page("/bad", 200, "hello, bad world\n", {{"X-Kind", "evil"}});
    page("/missing", 404, "no\n");
    page("/broken", 500, "no\n");
    page("/empty", 204, "");
    page("/away", 302, "", {{"Location", "/"}});
    page("/around", 302, "", {{"Location", "/around"}});
    page("/nowhere", 302, "");
    page("/lost", 302, "", {{"Location", "http://127.0.0.1:1/"}});
    pages->Get("/slow", [](const httplib::Request&, httplib::Response& response) {
      response.set_content_provider(100, "text/plain", [](std::size_t offset, std::size_t, httplib::DataSink& sink) {
        if (offset == 0) return sink.write("twenty bytes of text", 20);
        // Nothing more until the client gives up.
        return test_support::eventually(seconds(3), [&] { return !sink.is_writable(); }) && false;
      });
    });
    page_port = pages->bind_to_any_port("127.0.0.1");
    pages_thread = std::thread([] { pages->listen_after_bind(); });
  }

  static Samples ask(int port, const std::string& module, const std::string& target) {
    httplib::Client client("127.0.0.1", port);
    client.set_read_timeout(20);
    const auto answer = client.Get(("/probe?module=" + module + "&target=" + encode(target)).c_str(),
                                   {{"X-Prometheus-Scrape-Timeout-Seconds", "5"}});
    if (!answer || answer->status != 200) return {{"no answer", answer ? answer->status : 0}};
    return parse(answer->body);
  }
  static Samples ours(const std::string& module, const std::string& target) {
    return ask(agent->port(), module, target);
  }
  static Samples theirs(const std::string& module, const std::string& target) {
    return ask(blackbox_port, module, target);
  }

  // The same series, with the same values where those are no matter of time.
  static void expect_same(const std::string& module, const std::string& target, const std::set<std::string>& but = {}) {
    SCOPED_TRACE(module + " " + target);
    Samples own = ours(module, target);
    Samples other = theirs(module, target);
    std::erase_if(own, [&](const auto& each) {
      const std::string name = name_of(each.first);
      return (kOnlyOurs.contains(name) && !other.contains(each.first)) || but.contains(name);
    });
    std::erase_if(other, [&](const auto& each) { return but.contains(name_of(each.first)); });
    std::set<std::string> own_names;
    std::set<std::string> other_names;
    for (const auto& [series, value] : own) own_names.insert(series);
    for (const auto& [series, value] : other) other_names.insert(series);
    EXPECT_EQ(own_names, other_names);
    for (const auto& [series, value] : other) {
      const std::string name = name_of(series);
      const bool timed = name.ends_with("duration_seconds") || name == "probe_dns_lookup_time_seconds";
      if (!timed) {
        EXPECT_EQ(own[series], value) << series;
      } else if (series.find("resolve") == std::string::npos && name != "probe_dns_lookup_time_seconds") {
        EXPECT_EQ(own[series] > 0, value > 0) << series << ": " << own[series] << " and " << value;
      }
    }
  }

  static std::string page(const std::string& path) { return "http://127.0.0.1:" + std::to_string(page_port) + path; }
  static std::string local(int port) { return "127.0.0.1:" + std::to_string(port); }

  static inline fs::path work;
  static inline std::unique_ptr<httplib::Server> pages;
  static inline std::thread pages_thread;
  static inline int page_port = 0;
  static inline int dns_port = 0;
  static inline int tls_port = 0;
  static inline int blackbox_port = 0;
  static inline std::unique_ptr<AgentProcess> agent;
  static inline std::vector<std::unique_ptr<BackgroundProcess>> programs;
};

TEST_F(BesideBlackbox, Http) {
  for (const char* const path : {"/", "/bad", "/missing", "/broken", "/empty", "/away", "/around", "/nowhere"}) {
    for (const char* const module : {"plain", "body", "header", "header_absent", "header_allowed", "codes", "stay",
                                     "stay_body", "versions", "not_ssl", "limited", "v4", "auth", "hosted"}) {
      expect_same(module, page(path));
    }
  }
  expect_same("gzip", page("/"));
  expect_same("v6_only", page("/"));
  expect_same("short", page("/slow"));
  expect_same("plain", local(page_port));
  expect_same("plain", "http://127.0.0.1:1/");
  expect_same("plain", page("/lost"));
  expect_same("plain", "http://does-not-exist.invalid/");
  expect_same("plain", "http://[::1/");
}

TEST_F(BesideBlackbox, Tls) {
  const std::string target = "https://" + local(tls_port) + "/";
  // The page tells what the client offers: its length differs.
  for (const char* const module : {"tls", "tls_named", "tls_any"}) {
    expect_same(module, target, {"probe_http_uncompressed_body_length"});
  }
  expect_same("plain", target);  // a stranger's authority
  expect_same("not_ssl", target);
  expect_same("tls", "https://" + local(page_port) + "/");
  expect_same("tcp_tls", local(tls_port));
  expect_same("tcp_tls", local(page_port));
}

TEST_F(BesideBlackbox, Tcp) {
  for (const char* const module : {"tcp", "tcp_http", "tcp_never"}) {
    expect_same(module, local(page_port));
    // Debian's release shows this before there is a connection, newer ones afterwards.
    const std::set<std::string> flag = {"probe_failed_due_to_regex"};
    expect_same(module, "127.0.0.1:1", flag);
    expect_same(module, "127.0.0.1", flag);
    expect_same(module, "does-not-exist.invalid:80", flag);
  }
}

TEST_F(BesideBlackbox, Dns) {
  for (const char* const module : {"dns", "dns_tcp", "dns_none", "dns_all", "dns_match", "dns_soa"}) {
    expect_same(module, local(dns_port));
    expect_same(module, "127.0.0.1:1");
  }
}

TEST_F(BesideBlackbox, Icmp) { expect_same("icmp", "127.0.0.1"); }

TEST_F(BesideBlackbox, GrpcRefused) {
  // Their phase "check" ends with the deadline of a call that waits for a connection; ours with the refusal.
  expect_same("grpc", "127.0.0.1:1", {"probe_grpc_duration_seconds", "probe_ssl_earliest_cert_expiry"});
}

TEST_F(BesideBlackbox, ParametersAreJudgedAlike) {
  for (const char* const query : {"", "?module=nope&target=x", "?module=plain",
                                  "?target=", "?module=hosted&target=127.0.0.1:1&hostname=b.test"}) {
    const std::string path = std::string("/probe") + query;
    EXPECT_EQ(test_support::http_get(agent->port(), path).status, test_support::http_get(blackbox_port, path).status)
        << path;
  }
  httplib::Client client("127.0.0.1", agent->port());
  const auto answer = client.Get("/probe?module=plain&target=x", {{"X-Prometheus-Scrape-Timeout-Seconds", "soon"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 500);
  const auto debug =
      test_support::http_get(agent->port(), "/probe?module=plain&debug=true&target=" + encode(page("/away")));
  EXPECT_EQ(debug.status, 200);
  EXPECT_THAT(debug.body, testing::HasSubstr("redirected to"));
  EXPECT_THAT(debug.body, testing::HasSubstr("probe_success 1\n"));
}

TEST_F(BesideBlackbox, ScheduledProbesLandInTheRing) {
  const auto value = [](const std::string& query) -> std::string {
    const json data = api_get(agent->port(), "/api/v1/query?query=" + encode(query));
    if (!data.is_object() || data["result"].size() != 1) return "";
    return data["result"][0]["value"][1];
  };
  const std::string good = "{job=\"outside\",module=\"plain\",instance=\"" + page("/") + "\"}";
  const std::string bad = "{job=\"outside\",module=\"plain\",instance=\"" + page("/broken") + "\"}";
  EXPECT_TRUE(eventually(seconds(15), [&] { return value("probe_success" + good) == "1"; }));
  EXPECT_TRUE(eventually(seconds(15), [&] { return value("probe_success" + bad) == "0"; }));
  EXPECT_EQ(value("probe_http_status_code" + bad), "500");
  EXPECT_EQ(value("probe_unknown" + bad), "0");
  EXPECT_EQ(value("up" + bad), "1");
  EXPECT_EQ(value("count(probe_failure_reason{reason=\"http_status\",job=\"outside\"})"), "1");
  // What could not be tried is neither up nor down.
  EXPECT_TRUE(eventually(seconds(15), [&] { return value("probe_unknown{job=\"blind\"}") == "1"; }));
  EXPECT_EQ(value("probe_success{job=\"blind\"}"), "");
  EXPECT_EQ(value("probe_failure_reason{job=\"blind\",reason=\"local_file\"}"), "1");
}

TEST_F(BesideBlackbox, FailuresAreKept) {
  ours("plain", page("/broken"));
  const json data = api_get(agent->port(), "/api/watchkeeper/v1/probes");
  ASSERT_TRUE(data.is_object());
  const auto found = std::ranges::find_if(data["failures"], [](const json& each) { return each["status"] == 500; });
  ASSERT_NE(found, data["failures"].end());
  EXPECT_EQ((*found)["reason"], "http_status");
  EXPECT_EQ((*found)["replyStart"], "no\n");
  EXPECT_EQ((*found)["address"], "127.0.0.1");
  EXPECT_GT((*found)["phases"]["processing"], 0);
}

}  // namespace
}  // namespace e2e
