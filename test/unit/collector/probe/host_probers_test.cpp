// SPDX-License-Identifier: Apache-2.0
// What AWS and Docker tell the host that this runs on: a metadata service and an engine as strict as theirs.
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <map>

#include "loopback_servers.h"
#include "probe_fixture.h"
#include "test/support/background_process.h"
#include "test/unit/core/net/raw_server.h"

namespace collector::probe {
namespace {

using core::net::RawServer;
using testing::HasSubstr;

std::string http(int status, const std::string& body = "") {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

// Version 2 only: nothing without the token that was given out, and a token only for who says how long.
class Metadata {
 public:
  std::map<std::string, std::string> parts = {{"ami-id", "ami-1"},
                                              {"instance-id", "i-1"},
                                              {"instance-life-cycle", "spot"},
                                              {"placement/availability-zone", "us-west-2a"}};
  std::map<std::string, int> failing;

  std::string target() const { return "127.0.0.1:" + std::to_string(server_.port()); }

 private:
  std::string answer(const std::string& request) const {
    if (request.starts_with("PUT /latest/api/token ")) {
      return request.find("X-aws-ec2-metadata-token-ttl-seconds: 60\r\n") == std::string::npos ? http(400)
                                                                                               : http(200, "T0ken==");
    }
    if (request.find("X-aws-ec2-metadata-token: T0ken==\r\n") == std::string::npos) return http(401);
    const std::string begin = "GET /latest/meta-data/";
    if (!request.starts_with(begin)) return http(405);
    const std::string path = request.substr(begin.size(), request.find(" HTTP") - begin.size());
    if (const auto status = failing.find(path); status != failing.end()) return http(status->second);
    const auto found = parts.find(path);
    return found == parts.end() ? http(404, "Not Found") : http(200, found->second);
  }
  RawServer server_{[this](RawServer::Peer& peer) { peer.write(answer(peer.read_request())); }};
};

class HostProbersTest : public ProbeTest {};

TEST_F(HostProbersTest, AQuietInstanceHasNothingToTell) {
  const Metadata metadata;
  const auto result = probe("{prober: ec2_metadata}", metadata.target());
  EXPECT_EQ(reason(result), "none") << debug_text(*result);
  EXPECT_EQ(value(result, "probe_ec2_spot_interruption"), 0);
  EXPECT_EQ(value(result, "probe_ec2_rebalance_recommended"), 0);
  EXPECT_EQ(value(result, "probe_ec2_scheduled_events"), 0);
  EXPECT_TRUE(absent(result, "probe_ec2_target_lifecycle_state"));
  EXPECT_TRUE(absent(result, "probe_ec2_image_wanted"));
  EXPECT_THAT(metrics_text(*result, Audience::kRing),
              HasSubstr("probe_ec2_info{availability_zone=\"us-west-2a\",image_id=\"ami-1\",instance_id=\"i-1\","
                        "life_cycle=\"spot\"} 1\n"));
}

TEST_F(HostProbersTest, WhatAwsIsAboutToDoIsTold) {
  Metadata metadata;
  metadata.parts["spot/instance-action"] = R"({"action": "terminate", "time": "2026-09-18T08:22:00Z"})";
  metadata.parts["events/recommendations/rebalance"] = R"({"noticeTime": "2026-09-18T08:00:00Z"})";
  metadata.parts["autoscaling/target-lifecycle-state"] = "Terminated";
  metadata.parts["events/maintenance/scheduled"] = R"([
      {"NotBefore": "21 Jan 2026 09:00:43 GMT", "Code": "system-reboot", "Description": "d",
       "EventId": "instance-event-1", "NotAfter": "21 Jan 2026 09:17:23 GMT", "State": "active"},
      {"NotBefore": "20 Jan 2026 09:00:43 GMT", "Code": "system-reboot", "EventId": "instance-event-0",
       "State": "completed"}])";
  auto result = probe("{prober: ec2_metadata, ec2_metadata: {image_id: ami-2}}", "http://" + metadata.target() + "/");
  EXPECT_EQ(reason(result), "none") << debug_text(*result);
  EXPECT_EQ(value(result, "probe_ec2_spot_interruption"), 1);
  EXPECT_EQ(value(result, "probe_ec2_spot_interruption_info", "terminate"), 1);
  EXPECT_EQ(value(result, "probe_ec2_spot_interruption_timestamp_seconds"), 1789719720);
  EXPECT_EQ(value(result, "probe_ec2_rebalance_recommended"), 1);
  EXPECT_EQ(value(result, "probe_ec2_target_lifecycle_state", "Terminated"), 1);
  EXPECT_EQ(value(result, "probe_ec2_scheduled_events"), 1);
  EXPECT_EQ(value(result, "probe_ec2_scheduled_event_timestamp_seconds", "system-reboot"), 1768986043);
  EXPECT_EQ(value(result, "probe_ec2_image_wanted"), 0);
  result = probe("{prober: ec2_metadata, ec2_metadata: {image_id: ami-1}}", metadata.target());
  EXPECT_EQ(value(result, "probe_ec2_image_wanted"), 1);
}

TEST_F(HostProbersTest, AMetadataServiceThatFailsTellsNothing) {
  EXPECT_EQ(reason(probe("{prober: ec2_metadata}", "127.0.0.1:" + std::to_string(closed_port()))), "refused");
  EXPECT_EQ(reason(probe("{prober: ec2_metadata}", "metadata.test")), "bad_target");
  EXPECT_EQ(reason(probe("{prober: ec2_metadata}", "https://127.0.0.1")), "bad_target");
  const RawServer hanging([](RawServer::Peer& peer) { peer.hang(); });
  EXPECT_EQ(reason(probe("{prober: ec2_metadata}", "127.0.0.1:" + std::to_string(hanging.port()),
                         std::chrono::milliseconds(200))),
            "timeout");
  Metadata metadata;
  metadata.failing["spot/instance-action"] = 503;
  auto result = probe("{prober: ec2_metadata}", metadata.target());
  EXPECT_EQ(reason(result), "http_status");
  EXPECT_TRUE(absent(result, "probe_ec2_spot_interruption")) << "not known is not none";
  metadata.failing.clear();
  metadata.parts["spot/instance-action"] = "<html>";
  EXPECT_EQ(reason(probe("{prober: ec2_metadata}", metadata.target())), "protocol");
  metadata.parts.erase("spot/instance-action");
  for (const char* const events : {"{}", "[1]", R"([{"Code": "x"}])", R"([{"NotBefore": "soon"}])", "["}) {
    metadata.parts["events/maintenance/scheduled"] = events;
    EXPECT_EQ(reason(probe("{prober: ec2_metadata}", metadata.target())), "protocol") << events;
  }
  metadata.parts.erase("events/maintenance/scheduled");
  metadata.parts.erase("ami-id");
  EXPECT_EQ(reason(probe("{prober: ec2_metadata}", metadata.target())), "protocol");
}

// An engine on a Unix socket that answers only what Docker's API has.
class Engine {
 public:
  std::map<std::string, std::string> answers;  // by path
  const std::string path = (test_support::fresh_folder("probe-docker") / "docker.sock").string();

  Engine() : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    CHECK(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "a fresh path");
    CHECK(::listen(listener_, 16) == 0, "a bound socket can listen");
    thread_ = std::thread([this] { serve(); });
  }
  ~Engine() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

 private:
  void serve() const {
    while (true) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      std::string request;
      char byte = 0;
      while (!request.ends_with("\r\n\r\n") && ::recv(client, &byte, 1, 0) == 1) request += byte;
      const std::string begin = "GET /v1.24";
      const std::string asked = request.substr(0, request.find(" HTTP"));
      const auto found = asked.starts_with(begin) ? answers.find(asked.substr(begin.size())) : answers.end();
      const std::string reply =
          found == answers.end() ? http(404, R"({"message":"no such"})") : http(200, found->second);
      static_cast<void>(::send(client, reply.data(), reply.size(), MSG_NOSIGNAL));
      ::close(client);
    }
  }
  int listener_;
  std::thread thread_;
};

std::string digest(char digit) { return "sha256:" + std::string(64, digit); }

TEST_F(HostProbersTest, ImagesAreComparedByDigest) {
  Engine engine;
  engine.answers["/containers/json"] = R"([
      {"Id": "1", "Names": ["/geth"], "Image": "ethereum/client-go:v1.17.0", "ImageID": ")" +
                                       digest('a') + R"("},
      {"Id": "2", "Names": ["/lighthouse"], "Image": "sigp/lighthouse:latest", "ImageID": ")" +
                                       digest('b') + R"("},
      {"Id": "3", "Names": ["/other"], "Image": "local", "ImageID": ")" +
                                       digest('c') + R"("}])";
  engine.answers["/images/" + digest('a') + "/json"] =
      R"({"RepoDigests": ["ethereum/client-go@)" + digest('1') + "\"]}";
  engine.answers["/images/" + digest('b') + "/json"] = R"({"RepoDigests": ["sigp/lighthouse@)" + digest('2') + "\"]}";
  engine.answers["/images/" + digest('c') + "/json"] = R"({"RepoDigests": []})";
  const std::string module = "{prober: docker, docker: {pinned: {geth: ['" + digest('9') + "', '" + digest('1') +
                             "'], lighthouse: ['" + digest('1') + "'], other: ['" + digest('c') + "'], gone: ['" +
                             digest('1') + "']}}}";
  const auto result = probe(module, engine.path);
  EXPECT_EQ(reason(result), "none") << debug_text(*result);
  EXPECT_EQ(value(result, "probe_container_image_pinned", "geth"), 1);
  EXPECT_EQ(value(result, "probe_container_image_pinned", "lighthouse"), 0);
  EXPECT_EQ(value(result, "probe_container_image_pinned", "other"), 1) << "by the image's own digest";
  EXPECT_TRUE(std::isnan(value(result, "probe_container_image_pinned", "gone")));
  EXPECT_EQ(value(result, "probe_container_running", "geth"), 1);
  EXPECT_EQ(value(result, "probe_container_running", "gone"), 0);
  EXPECT_EQ(value(result, "probe_container_images_known"), 1);
  EXPECT_THAT(metrics_text(*result, Audience::kRing),
              HasSubstr("probe_container_info{container=\"geth\",digest=\"" + digest('1') +
                        "\",image=\"ethereum/client-go:v1.17.0\"} 1\n"));
}

TEST_F(HostProbersTest, AnEngineThatFailsTellsNothing) {
  EXPECT_EQ(reason(probe("{prober: docker}", "docker.sock")), "bad_target");
  EXPECT_EQ(probe("{prober: docker}", "/nonexistent/docker.sock")->report.failed(), true);
  Engine engine;
  EXPECT_EQ(reason(probe("{prober: docker}", engine.path)), "http_status");
  EXPECT_EQ(value(probe("{prober: docker}", engine.path), "probe_container_images_known"), 0);
  for (const char* const list : {"{}", "nothing", "[1]", R"([{"ImageID": "x"}])", R"([{"Names": [], "ImageID": "x"}])",
                                 R"([{"Names": ["/a"]}])", R"([{"Names": ["/a"], "ImageID": "../x"}])"}) {
    engine.answers["/containers/json"] = list;
    const auto result = probe("{prober: docker}", engine.path);
    EXPECT_EQ(reason(result), "protocol") << list;
    EXPECT_TRUE(absent(result, "probe_container_info"));
  }
  engine.answers["/containers/json"] = R"([{"Names": ["/a"], "ImageID": "sha256:12"}])";
  EXPECT_EQ(reason(probe("{prober: docker}", engine.path)), "http_status") << "the image cannot be had";
}

}  // namespace
}  // namespace collector::probe
