// SPDX-License-Identifier: Apache-2.0
// The kubernetes prober against an API server that wants a token, and gives a page of what it was asked for.
#include <nlohmann/json.hpp>

#include "loopback_servers.h"
#include "probe_fixture.h"
#include "test/support/background_process.h"
#include "test/unit/core/net/raw_server.h"

namespace collector::probe {
namespace {

using core::net::RawServer;
using nlohmann::json;
using testing::HasSubstr;

std::string pod_digest(char digit) { return "sha256:" + std::string(64, digit); }

json container(const std::string& name, const std::string& image_id, const std::string& state = "running") {
  return {{"name", name}, {"image", name + ":v1"}, {"imageID", image_id}, {"state", {{state, json::object()}}}};
}

json pod(const std::string& name, const std::string& name_space, const std::vector<json>& containers) {
  return {{"metadata", {{"name", name}, {"namespace", name_space}, {"uid", "u"}}},
          {"status", {{"phase", "Running"}, {"containerStatuses", containers}}}};
}

class ApiServer {
 public:
  std::map<std::string, std::string> pages;  // by path and query
  int status = 200;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }

 private:
  static std::string http(int status, const std::string& body) {
    return "HTTP/1.1 " + std::to_string(status) +
           " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  std::string answer(const std::string& request) const {
    const std::string begin = "GET ";
    const std::string asked = request.substr(0, request.find(" HTTP"));
    if (!asked.starts_with(begin)) return http(405, "");
    if (request.find("Authorization: Bearer t0ken\r\n") == std::string::npos) {
      return http(401, R"({"kind": "Status", "message": "Unauthorized"})");
    }
    const auto found = pages.find(asked.substr(begin.size()));
    if (found == pages.end()) return http(404, R"({"kind": "Status", "message": "not found"})");
    return http(status, found->second);
  }
  RawServer server_{[this](RawServer::Peer& peer) { peer.write(answer(peer.read_request())); }};
};

class KubernetesProberTest : public ProbeTest {
 protected:
  static std::string list(const std::vector<json>& pods, const std::string& next = "") {
    return json({{"kind", "PodList"}, {"metadata", {{"continue", next}}}, {"items", pods}}).dump();
  }
  ProbeResultPtr ask(const std::string& options) {
    return probe("{prober: kubernetes, kubernetes: {authorization: {credentials: t0ken}, " + options + "}}", api.url());
  }
  static std::string told(const ProbeResultPtr& result) { return metrics_text(*result, Audience::kRing); }

  ApiServer api;
};

TEST_F(KubernetesProberTest, ImagesOfAllPagesAreCompared) {
  json sidecar = pod("cl-0", "staking", {container("lighthouse", "docker.io/sigp/lighthouse@" + pod_digest('1'))});
  sidecar["status"]["initContainerStatuses"] =
      std::vector<json>{container("proxy", "docker-pullable://proxy@" + pod_digest('2')),
                        container("prepare", "p@" + pod_digest('2'), "terminated")};
  api.pages["/api/v1/pods?limit=100"] =
      list({sidecar, pod("pending", "staking", {container("geth", "", "waiting")})}, "n+1");
  api.pages["/api/v1/pods?continue=n%2B1&limit=100"] =
      list({pod("cl-1", "staking", {container("lighthouse", pod_digest('3')), container("other", pod_digest('4'))})});
  const auto result = ask("pinned: {lighthouse: ['" + pod_digest('1') + "'], staking/proxy: ['" + pod_digest('2') +
                          "'], geth: ['" + pod_digest('1') + "'], prepare: ['" + pod_digest('2') + "']}");
  EXPECT_EQ(reason(result), "none") << debug_text(*result);
  const std::string metrics = told(result);
  for (const char* const line :
       {"probe_container_image_pinned{container=\"lighthouse\",namespace=\"staking\",pod=\"cl-0\"} 1\n",
        "probe_container_image_pinned{container=\"lighthouse\",namespace=\"staking\",pod=\"cl-1\"} 0\n",
        "probe_container_image_pinned{container=\"proxy\",namespace=\"staking\",pod=\"cl-0\"} 1\n",
        "probe_container_running{container=\"geth\"} 0\n", "probe_container_running{container=\"prepare\"} 0\n",
        "probe_container_running{container=\"proxy\",namespace=\"staking\"} 1\n", "probe_container_images_known 1\n"}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
  EXPECT_THAT(metrics, testing::Not(HasSubstr("container=\"other\""))) << "nobody pinned it";
}

TEST_F(KubernetesProberTest, OnlyWhatIsWanted) {
  api.pages["/api/v1/namespaces/staking/pods?labelSelector=app%3Dlighthouse&limit=100"] =
      list({pod("cl-0", "staking", {container("lighthouse", "")})});
  const auto result =
      ask("namespace: staking, label_selector: app=lighthouse, pinned: {lighthouse: ['" + pod_digest('1') + "']}");
  EXPECT_EQ(reason(result), "image_unknown") << "it runs, and the image is not told";
  EXPECT_EQ(value(result, "probe_container_running", "lighthouse"), 1);
  EXPECT_TRUE(absent(result, "probe_container_image_pinned"));
}

TEST_F(KubernetesProberTest, AServerThatDoesNotTellIsUnknownOrFails) {
  auto result = probe("{prober: kubernetes}", api.url());
  EXPECT_EQ(reason(result), "forbidden");
  EXPECT_TRUE(result->report.unknown());
  EXPECT_THAT(result->report.failure().detail, HasSubstr("status 401 Unauthorized"));
  EXPECT_EQ(value(result, "probe_container_images_known"), 0);
  EXPECT_EQ(reason(ask("namespace: staking")), "http_status");
  for (const char* const body : {"[]", "<html>", R"({"kind": "PodList"})", R"({"items": 5})"}) {
    api.pages["/api/v1/pods?limit=100"] = body;
    EXPECT_EQ(reason(ask("")), "protocol") << body;
  }
  // A server that always has another page is not followed for ever.
  api.pages["/api/v1/pods?limit=100"] = list({}, "again");
  api.pages["/api/v1/pods?continue=again&limit=100"] = list({}, "again");
  EXPECT_EQ(reason(ask("")), "body_too_large");
  EXPECT_EQ(reason(probe("{prober: kubernetes}", "http://127.0.0.1:" + std::to_string(closed_port()))), "refused");
  for (const char* const target : {"127.0.0.1", "http://127.0.0.1/api", "in-cluster"}) {
    EXPECT_EQ(reason(probe("{prober: kubernetes}", target)), "bad_target") << target;
  }
}

}  // namespace
}  // namespace collector::probe
