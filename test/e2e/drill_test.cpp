// SPDX-License-Identifier: Apache-2.0
// Drills of a real agent: a real process that is a unit of a stand-in for systemd, a port that nftables really blocks
// in a network namespace, a disk that is really full, and a pod of a stand-in for a cluster; detected by scrapes, told
// to a receiver, remedied, restored.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "test/e2e/agent_process.h"
#include "test/support/systemd_stand_in.h"
#include "test/unit/actions/remedy/fake_kubernetes.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using test_support::BackgroundProcess;
using test_support::eventually;
using test_support::http_get;
using test_support::http_post;
using test_support::SystemdStandIn;
using testing::HasSubstr;

constexpr const char* kPath = "/api/watchkeeper/v1/drills";

class Drill : public testing::Test {
 protected:
  void SetUp() override {
    work_ = test_support::fresh_folder(std::string("drill-") +
                                       testing::UnitTest::GetInstance()->current_test_info()->name());
    simulators_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{std::string(WATCHKEEPER_BINARY_DIR) + "/test/simulators", "--ports", "0"},
        work_ / "simulators.log");
    ASSERT_TRUE(eventually(seconds(10), [&] {
      ports_ = json::parse(simulators_->log_text(), nullptr, false);
      return ports_.is_object();
    })) << simulators_->log_text();
  }

  // One unit, one more that requires it, and perhaps others.
  void start_units(std::map<std::string, SystemdStandIn::Unit> more = {}) {
    const std::string address = "unix:path=" + (work_ / "bus").string();
    bus_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{"dbus-daemon", "--session", "--nofork", "--nopidfile", "--address=" + address},
        work_ / "bus.log");
    ASSERT_TRUE(eventually(seconds(10), [&] { return fs::exists(work_ / "bus"); })) << bus_->log_text();
    setenv("DBUS_SYSTEM_BUS_ADDRESS", address.c_str(), 1);
    geth_ = test_support::free_port();
    more["geth.service"].argv = exporter("127.0.0.1:" + std::to_string(geth_));
    units_ = std::make_unique<SystemdStandIn>(address, more, work_);
  }
  static std::vector<std::string> exporter(const std::string& address) {
    return {"prometheus-node-exporter", "--collector.disable-defaults", "--collector.time",
            "--web.listen-address=" + address};
  }

  // `target` is scraped as the job geth; `sections` are added at the end.
  void start_agent(const std::string& target, const std::string& sections, const std::string& rules = "") {
    test_support::write_file(
        work_ / "rules.yml",
        "groups:\n- name: g\n  rules:\n"
        "  - {alert: GethDown, expr: 'up{job=\"geth\"} == 0', for: 1s, labels: {severity: critical},"
        " annotations: {summary: 'Geth is down'}}\n" +
            rules);
    test_support::write_file(work_ / "watchkeeper.yml",
                             "global: {scrape_interval: 1s, scrape_timeout: 900ms, evaluation_interval: 1s}\n"
                             "ring: {size: 16MiB}\nrule_files: [rules.yml]\n"
                             "scrape_configs:\n- {job_name: geth, static_configs: [{targets: ['" +
                                 target +
                                 "']}]}\n"
                                 "route: {receiver: everyone, group_by: ['...'], group_wait: 0s, group_interval: 1s}\n"
                                 "receivers:\n- name: everyone\n  webhook_configs: [{url: 'http://127.0.0.1:" +
                                 std::to_string(ports_.at("webhook").get<int>()) + "/webhook'}]\n" + sections);
    agent_ = std::make_unique<AgentProcess>(work_ / "watchkeeper.yml", work_ / "data");
    ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
    ASSERT_TRUE(eventually(seconds(10), [&] { return value_of("up{job=\"geth\"}") == "1"; }));
  }
  std::string value_of(const std::string& expr) const {
    const json data = api_get(agent_->port(), "/api/v1/query?query=" + encode(expr));
    if (!data.is_object() || data["result"].empty()) return "";
    return data["result"][0]["value"][1];
  }

  json report(const std::string& drill) const {
    return api_get(agent_->port(), std::string(kPath) + "/" + drill + "/report");
  }
  bool reaches(const std::string& drill, const std::string& phase) const {
    return eventually(seconds(40), [&] {
      const json run = report(drill);
      return run.is_object() && run["phase"] == phase;
    });
  }
  // The exit status and the output of a command that asks the agent.
  std::pair<int, std::string> command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {AgentProcess::binary(), "drill"});
    arguments.insert(arguments.end(), {"--url", "http://127.0.0.1:" + std::to_string(agent_->port())});
    BackgroundProcess process(arguments, work_ / ("command-" + std::to_string(++commands_) + ".log"));
    const int status = process.wait(seconds(60)).value_or(-1);
    return {status, process.log_text()};
  }
  std::string told() const { return http_get(ports_.at("control"), "/received?receiver=webhook").body; }
  static std::vector<std::string> moments(const json& run) {
    std::vector<std::string> all;
    for (const json& each : run["timeline"]) all.push_back(each["what"]);
    return all;
  }

  fs::path work_;
  json ports_;
  int geth_ = 0;
  int commands_ = 0;
  std::unique_ptr<BackgroundProcess> simulators_;
  std::unique_ptr<BackgroundProcess> bus_;
  std::unique_ptr<SystemdStandIn> units_;
  std::unique_ptr<AgentProcess> agent_;
};

constexpr const char* kDrillable =
    "drillable:\n- {name: geth, labels: {job: geth}, units: [geth.service, exporter.service]}\n";

constexpr const char* kStop =
    "drills:\n"
    "- name: stop\n  component: geth\n  inject: {systemd: {unit: geth.service, action: stop}}\n"
    "  expect:\n    alert: {match: ['alertname=\"GethDown\"'], within: 20s}\n    notified: 25s\n"
    "    remediation: {name: restart, state: succeeded, within: 30s}\n    resolved: 20s\n"
    "  require: ['up{job=\"geth\"} == 1']\n  max_duration: 1m\n"
    "- name: kill\n  component: geth\n  inject: {systemd: {unit: geth.service, action: kill}}\n"
    "  expect: {alert: {match: ['alertname=\"Nothing\"'], within: 1m}}\n  max_duration: 1m\n"
    "- name: blind\n  component: geth\n  inject: {systemd: {unit: geth.service}}\n"
    "  expect: {alert: {match: ['alertname=\"GethDown\"'], within: 10s}}\n  require: ['nothing == 1']\n";

constexpr const char* kRestart =
    "remediations:\n- name: restart\n  match: ['alertname=\"GethDown\"']\n  level: auto\n  limits: {cooldown: 1s}\n"
    "  steps: [{systemd: {unit: geth.service, action: start}}]\n"
    "  verify: {expr: 'up{job=\"geth\"} == 1', within: 20s}\n";

TEST_F(Drill, AUnitIsStoppedDetectedToldRemediedAndRestored) {
  start_units({{"exporter.service", {{"/bin/sleep", "1000"}}}});
  start_agent("127.0.0.1:" + std::to_string(geth_), std::string(kDrillable) + kStop + kRestart);
  const auto [planned, plan] = command({"plan", "stop"});
  EXPECT_EQ(planned, 0) << plan;
  EXPECT_THAT(plan, HasSubstr("needs    require up{job=\"geth\"} == 1: yes"));
  const auto [status, output] = command({"run", "stop", "--who", "ann"});
  EXPECT_EQ(status, 0) << output << agent_->process().log_text();
  const json run = report("stop");
  EXPECT_EQ(run["result"], "passed") << run.dump(1);
  EXPECT_THAT(moments(run),
              testing::IsSupersetOf({"begun", "injected", "first bad sample", "pending", "firing", "notified",
                                     "remediation begun", "remediation step", "verified", "restored", "resolved"}));
  EXPECT_TRUE(units_->active("geth.service"));
  EXPECT_EQ(units_->calls().front(), "StopUnit geth.service");

  // People see a drill; the labels are those of every other time.
  ASSERT_TRUE(eventually(seconds(10), [&] { return told().find("resolved") != std::string::npos; }));
  EXPECT_THAT(told(), HasSubstr("DRILL stop: Geth is down"));
  const json received = json::parse(told());
  const json alert = received["received"][0]["body"]["alerts"][0];
  EXPECT_EQ(alert["annotations"]["drill_run"], run["id"]);
  EXPECT_FALSE(alert["labels"].contains("drill"));

  const std::string metrics = http_get(agent_->port(), "/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("watchkeeper_drill_runs_ended_total{result=\"passed\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("watchkeeper_drill_detection_seconds{drill=\"stop\"}"));
  EXPECT_THAT(metrics, HasSubstr("watchkeeper_drill_last_success_timestamp_seconds{drill=\"stop\"}"));

  // What is not a drill's is not called one.
  agent_->process().signal(0);
  EXPECT_EQ(command({"report", "stop"}).first, 0);
  const auto [blind, why] = command({"run", "blind"});
  EXPECT_EQ(blind, 1);
  EXPECT_THAT(why, HasSubstr("require nothing == 1: unknown: no samples"));
  EXPECT_EQ(command({"run", "nothing"}).first, 1);
  EXPECT_THAT(command({"list"}).second, HasSubstr("refused"));
}

TEST_F(Drill, AKilledAgentRestoresWhenItComesBack) {
  start_units();
  start_agent(
      "127.0.0.1:" + std::to_string(geth_),
      std::string(kDrillable) + kStop + "remediations: [{name: restart, match: ['a=\"b\"'], steps: [wait: 1s]}]\n",
      "  - {alert: Nothing, expr: 'vector(0) == 1'}\n");
  ASSERT_EQ(command({"run", "kill", "--no-wait"}).first, 0);
  ASSERT_TRUE(reaches("kill", "watching")) << report("kill").dump(1);
  EXPECT_FALSE(units_->active("geth.service"));
  EXPECT_EQ(command({"run", "stop"}).first, 1) << "one at a time";
  agent_->process().signal(SIGKILL);
  ASSERT_EQ(agent_->process().wait(seconds(5)), 128 + SIGKILL);
  EXPECT_FALSE(units_->active("geth.service"));
  agent_->start();
  ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  ASSERT_TRUE(reaches("kill", "over"));
  EXPECT_TRUE(units_->active("geth.service"));
  EXPECT_EQ(report("kill")["result"], "interrupted");
  EXPECT_THAT(units_->calls(), testing::ElementsAre("KillUnit geth.service", "StartUnit geth.service"));

  // One that is cancelled, and one that is under way when the agent is told to end.
  ASSERT_TRUE(eventually(seconds(20), [&] { return command({"run", "kill", "--no-wait"}).first == 0; }))
      << command({"plan", "kill"}).second;
  ASSERT_TRUE(reaches("kill", "watching"));
  EXPECT_EQ(http_post(agent_->port(), std::string(kPath) + "/kill/cancel?who=bob").status, 200);
  ASSERT_TRUE(reaches("kill", "over"));
  EXPECT_EQ(report("kill")["reason"], "cancelled by bob");
  EXPECT_TRUE(units_->active("geth.service"));
  ASSERT_TRUE(eventually(seconds(20), [&] { return command({"run", "kill", "--no-wait"}).first == 0; }));
  ASSERT_TRUE(reaches("kill", "watching"));
  agent_->process().signal(SIGTERM);
  ASSERT_EQ(agent_->process().wait(seconds(30)), 0) << agent_->process().log_text();
  EXPECT_TRUE(units_->active("geth.service"));
}

TEST_F(Drill, AValidatorThatWouldStopAlongIsAnObjection) {
  start_units({{"lighthouse-vc.service", {{"/bin/sleep", "1000"}}}, {"geth.service", {{}, {"lighthouse-vc.service"}}}});
  start_agent("127.0.0.1:" + std::to_string(geth_), std::string(kDrillable) + kStop + kRestart);
  const auto [status, output] = command({"run", "stop"});
  EXPECT_EQ(status, 1);
  EXPECT_THAT(output, HasSubstr("lighthouse-vc.service would stop with geth.service, and it names a validator"));
  EXPECT_TRUE(units_->active("geth.service"));
  EXPECT_TRUE(units_->active("lighthouse-vc.service"));
  EXPECT_THAT(units_->calls(), testing::IsEmpty());
}

TEST_F(Drill, AScratchDiskIsFilled) {
  const fs::path scratch = work_ / "scratch";
  fs::create_directories(scratch);
  if (::mount("tmpfs", scratch.c_str(), "tmpfs", 0, "size=16m") != 0) GTEST_SKIP() << "no tmpfs may be mounted here";
  const std::string path = scratch.string();
  // Looks at the disk itself, because the host's own metrics are of the mounts of process 1.
  const int port = test_support::free_port();
  test_support::write_file(work_ / "exporter.py",
                           "import http.server, os, sys\n"
                           "class Disk(http.server.BaseHTTPRequestHandler):\n"
                           "    def do_GET(self):\n"
                           "        disk = os.statvfs(sys.argv[2])\n"
                           "        self.send_response(200)\n"
                           "        self.send_header('Content-Type', 'text/plain')\n"
                           "        self.end_headers()\n"
                           "        self.wfile.write(b'disk_free_bytes %d\\n' % (disk.f_bavail * disk.f_frsize))\n"
                           "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Disk).serve_forever()\n");
  const BackgroundProcess exporter({"python3", (work_ / "exporter.py").string(), std::to_string(port), path},
                                   work_ / "exporter.log");
  start_agent("127.0.0.1:" + std::to_string(port),
              "drillable:\n- {name: disk, labels: {job: geth}, scratch: ['" + path +
                  "']}\n"
                  "drills:\n- name: fill\n  component: disk\n  inject: {fill: {folder: '" +
                  path +
                  "', size: 1GiB}}\n"
                  "  expect: {alert: {match: ['alertname=\"DiskFull\"'], within: 20s}, notified: 25s, resolved: 20s}\n",
              "  - {alert: DiskFull, expr: 'disk_free_bytes < 1e6'}\n");
  const auto [status, output] = command({"run", "fill"});
  EXPECT_EQ(status, 0) << output << agent_->process().log_text();
  EXPECT_THAT(output, HasSubstr("took 16MiB"));
  EXPECT_THAT(told(), HasSubstr("DRILL fill: DiskFull"));
  EXPECT_TRUE(fs::is_empty(scratch));
  agent_.reset();
  EXPECT_EQ(::umount(scratch.c_str()), 0);
}

// Serves metrics while its pod, of a simulated cluster, is ready.
class PodExporter {
 public:
  PodExporter(actions::remedy::FakeKubernetes& cluster, std::string pod) {
    server_.Get("/metrics", [&cluster, pod](const httplib::Request&, httplib::Response& response) {
      const std::lock_guard lock(cluster.mutex);
      const auto found = cluster.pods.find(pod);
      const bool serves = found != cluster.pods.end() && found->second.looks < 0 &&
                          found->second.object["status"]["conditions"][0]["status"] == "True";
      if (serves) return response.set_content("geth_head 1\n", "text/plain");
      response.status = 503;
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    serving_ = std::thread([this] { server_.listen_after_bind(); });
  }
  ~PodExporter() {
    server_.stop();
    serving_.join();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  httplib::Server server_;
  int port_ = 0;
  std::thread serving_;
};

TEST_F(Drill, APodIsKilledAndAnotherOneIsReadyInItsPlace) {
  actions::remedy::FakeKubernetes cluster;
  cluster.looks_to_end = 1;
  auto& pod = cluster.add_pod("geth-0", "n1");
  pod.comes_back = "uid-new";
  pod.unready = 2;
  cluster.add_pod("geth-1", "n1", /*owner=*/"");
  const PodExporter geth(cluster, "geth-0");
  test_support::write_file(work_ / "token", cluster.token);
  const auto drill = [&](const std::string& name, const std::string& pod_name) {
    return "- name: " + name + "\n  component: geth\n  inject: {pod: {namespace: eth, name: " + pod_name +
           ", grace_period: 1s, api_server: '" + cluster.url() + "', token_file: '" + (work_ / "token").string() +
           "'}}\n  expect: {alert: {match: ['alertname=\"GethDown\"'], within: 20s}, notified: 25s, resolved: 20s}\n";
  };
  start_agent(geth.address(), "drillable:\n- {name: geth, labels: {job: geth}, pods: ['eth/geth-*']}\ndrills:\n" +
                                  drill("kill", "geth-0") + drill("orphan", "geth-1"));
  const auto [planned, plan] = command({"plan", "kill"});
  EXPECT_EQ(planned, 0) << plan;
  EXPECT_THAT(plan, testing::AllOf(HasSubstr("delete the pod eth/geth-0 within 1s"), HasSubstr("kills    geth-0")));
  const auto [refused, why] = command({"run", "orphan"});
  EXPECT_EQ(refused, 1);
  EXPECT_THAT(why, HasSubstr("nothing makes eth/geth-1 anew"));
  const auto [status, output] = command({"run", "kill"});
  EXPECT_EQ(status, 0) << output << agent_->process().log_text();
  EXPECT_THAT(output, testing::AllOf(HasSubstr("eth/geth-0 is gone"), HasSubstr("eth/geth-0 is ready in its place")));
  EXPECT_THAT(told(), HasSubstr("DRILL kill: Geth is down"));
  agent_.reset();
  EXPECT_THAT(cluster.done, testing::ElementsAre("delete geth-0"));
  EXPECT_THAT(cluster.violations, testing::IsEmpty());
}

// A host of its own behind a pair of interfaces; gone with its namespace.
class DrillNetwork : public Drill {
 protected:
  bool make_network() {
    name_ = "wk-e2e-" + std::to_string(::getpid());
    const std::string near = "wke" + std::to_string(::getpid());
    const std::string far = near + "p";
    return run_tool({"ip", "netns", "add", name_}) &&
           run_tool({"ip", "netns", "exec", name_, "nft", "list", "tables"}) &&
           run_tool({"ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name_}) &&
           run_tool({"ip", "address", "add", "198.51.100.1/30", "dev", near}) &&
           run_tool({"ip", "link", "set", near, "up"}) &&
           run_tool({"ip", "-n", name_, "address", "add", "198.51.100.2/30", "dev", far}) &&
           run_tool({"ip", "-n", name_, "link", "set", far, "up"});
  }
  bool run_tool(const std::vector<std::string>& argv) {
    BackgroundProcess process(argv, work_ / "tools.log");
    return process.wait(seconds(10)) == 0;
  }
  void TearDown() override {
    agent_.reset();
    if (!name_.empty()) run_tool({"ip", "netns", "del", name_});
  }

  std::string name_;
};

TEST_F(DrillNetwork, APortIsBlocked) {
  if (!make_network())
    GTEST_SKIP() << "no network namespace with nftables here: " << test_support::read_file(work_ / "tools.log");
  std::vector<std::string> argv = exporter("198.51.100.2:9100");
  argv.insert(argv.begin(), {"nsenter", "--net=/run/netns/" + name_});
  const BackgroundProcess geth(argv, work_ / "geth.log");
  start_agent(
      "198.51.100.2:9100",
      "drillable:\n- {name: geth, labels: {job: geth}, namespaces: [" + name_ +
          "]}\n"
          "drills:\n- name: block\n  component: geth\n  inject: {port: {namespace: " +
          name_ +
          ", port: 9100}}\n"
          "  expect: {alert: {match: ['alertname=\"GethDown\"'], within: 20s}, notified: 25s, resolved: 20s}\n");
  const auto [status, output] = command({"run", "block", "--output", "json"});
  EXPECT_EQ(status, 0) << output << agent_->process().log_text();
  const json run = json::parse(output, nullptr, false);
  ASSERT_TRUE(run.is_object()) << output;
  EXPECT_EQ(run["result"], "passed");
  EXPECT_GT(run["expectations"][0]["tookSeconds"], 0.5);
  EXPECT_TRUE(run_tool({"ip", "netns", "exec", name_, "sh", "-c", "test -z \"$(nft list ruleset)\""}));
}

}  // namespace
}  // namespace e2e
