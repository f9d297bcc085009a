// SPDX-License-Identifier: Apache-2.0
// The demonstration: agent and simulated nodes, four faults one after another, and for each how it is seen, alerted,
// remedied and over; whether what was backed up of one of them can be restored; and a host that dies and is replaced.
// Exit code 0 only if all of that came to pass. Everything it makes stays below build/demo.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/net/url.h"
#include "core/time/clock.h"
#include "test/demo/configuration.h"
#include "test/demo/hosts.h"
#include "test/demo/terminal.h"
#include "test/support/background_process.h"

namespace demo {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::seconds;
using test_support::BackgroundProcess;

namespace {

// How long each stage may take; a healthy run needs a few seconds for one.
constexpr seconds kStageLimit(40);

std::atomic<bool> interrupted{false};

json parse(const std::string& text) {
  json document = json::parse(text, nullptr, false);
  return document.is_discarded() ? json() : document;
}

// The first `limit` bytes, on one line.
std::string shortened(std::string text, std::size_t limit = 150) {
  for (char& c : text) c = c == '\n' ? ' ' : c;
  return text.size() <= limit ? text : text.substr(0, limit) + "...";
}

}  // namespace

// Thread safety: confined to one thread.
class Demonstration {
 public:
  Demonstration(const core::Clock& clock, fs::path folder) : clock_(clock), folder_(std::move(folder)) {}
  Demonstration(const Demonstration&) = delete;
  Demonstration& operator=(const Demonstration&) = delete;
  // The agent first: it would start what is stopped for a backup.
  ~Demonstration() {
    agent_.reset();
    if (!fs::exists(folder_ / "node.sh")) return;
    BackgroundProcess node({(folder_ / "node.sh").string(), "stop"}, folder_ / "node.log");
    (void)node.wait(seconds(10));
  }

  bool run() {
    if (!start()) return false;
    for (const Act& act : acts()) {
      if (!play(act)) return false;
    }
    return lose_host() && show_snapshots();
  }

 private:
  bool start();
  bool play(const Act& act);
  bool inject(const std::string& fault);
  // The stages of every fault.
  bool alerted(const Act& act);
  bool resolved(const Act& act);
  bool lose_host();
  bool spare_validators();
  bool show_snapshots();
  // Waits for a stage of the act; `reached` gives what to show for it once it has come.
  bool stage(const std::string& what, const std::function<std::optional<std::string>()>& reached);

  std::optional<std::string> seen(const Act& act) const;
  std::optional<std::string> told(const std::string& receiver, const Act& act, bool resolved) const;
  std::optional<std::string> remedied(const Act& act) const;
  std::optional<std::string> drilled(const Act& act) const;
  // The run of the hosts' group about that instance; null if there is none.
  json replacement_of(const std::string& instance) const;
  std::optional<std::string> backup_seen() const;
  std::optional<std::string> synced() const;
  bool try_restore(const Act& act);
  int port_of(const char* name) const { return ports_.at(name).get<int>(); }
  double elapsed() const { return std::chrono::duration<double>(clock_.steady_now() - injected_).count(); }

  const core::Clock& clock_;
  fs::path folder_;
  Terminal terminal_;
  json ports_;
  int agent_port_ = 0;
  core::SteadyTime injected_;
  std::unique_ptr<BackgroundProcess> simulators_;
  std::unique_ptr<BackgroundProcess> agent_;
};

bool Demonstration::stage(const std::string& what, const std::function<std::optional<std::string>()>& reached) {
  std::optional<std::string> detail;
  test_support::eventually(kStageLimit, [&] {
    if (interrupted || !agent_->running() || !simulators_->running()) return true;
    detail = reached();
    if (!detail) terminal_.waiting(what, elapsed());
    return detail.has_value();
  });
  if (detail) {
    terminal_.done(what, elapsed(), *detail);
    return true;
  }
  const std::string reason = interrupted               ? "interrupted"
                             : !agent_->running()      ? "the agent ended"
                             : !simulators_->running() ? "the simulators ended"
                                                       : fmt::format("not within {} s", kStageLimit.count());
  terminal_.failed(fmt::format("{}: {}; see {}", what, reason, (folder_ / "agent.log").string()));
  return false;
}

bool Demonstration::start() {
  const std::string programs = WATCHKEEPER_BINARY_DIR;
  const char* chosen = std::getenv("WATCHKEEPER_BINARY");
  const std::string binary = chosen != nullptr ? chosen : programs + "/watchkeeper";
  for (const std::string& program : {binary, programs + "/test/simulators", std::string("/usr/bin/curl")}) {
    if (fs::exists(program)) continue;
    terminal_.failed(program + " is missing: build it, or install what ./dev asks for");
    return false;
  }
  terminal_.heading("Watchkeeper demonstration");
  injected_ = clock_.steady_now();
  // Slots of half a second: an epoch takes 16 s instead of 6.4 min.
  simulators_ = std::make_unique<BackgroundProcess>(
      std::vector<std::string>{programs + "/test/simulators", "--ports", "0", "--speed", "24", "--vault-open-metrics",
                               "--aws-hosts", std::to_string(kGroupSize)},
      folder_ / "simulators.log");
  test_support::eventually(seconds(10), [this] {
    ports_ = parse(simulators_->log_text());
    return ports_.is_object() || !simulators_->running();
  });
  if (!ports_.is_object()) {
    terminal_.failed("the simulators do not start: " + simulators_->log_text());
    return false;
  }
  const fs::path config = write_configuration(folder_, ports_);
  if (BackgroundProcess node({(folder_ / "node.sh").string(), "start"}, folder_ / "node.log");
      node.wait(seconds(10)) != 0) {
    terminal_.failed("the node with a disk does not start: " + node.log_text());
    return false;
  }
  use_account_keys(folder_);
  agent_port_ = test_support::free_port();
  agent_ = std::make_unique<BackgroundProcess>(
      std::vector<std::string>{binary, "run", "--config", config.string(), "--data-dir", (folder_ / "data").string(),
                               "--listen", fmt::format("127.0.0.1:{}", agent_port_)},
      folder_ / "agent.log");
  return stage("ready",
               [this]() -> std::optional<std::string> {
                 if (test_support::http_get(agent_port_, "/-/ready").status != 200) return std::nullopt;
                 return fmt::format("the page is at http://127.0.0.1:{}/", agent_port_);
               }) &&
         stage("scraped", [this]() -> std::optional<std::string> {
           const json answer = parse(test_support::http_get(agent_port_, "/api/v1/query?query=sum(up)").body);
           const json result = answer.value("/data/result/0/value/1"_json_pointer, json());
           if (result != std::to_string(4 + kHosts)) return std::nullopt;
           return fmt::format("beacon node, validator client, Geth, Vault and {} hosts in AWS", kHosts);
         });
}

std::optional<std::string> Demonstration::seen(const Act& act) const {
  std::string path = "/api/v1/query?query=";
  // cpp-httplib's client would escape a '+' once more; blanks therefore as %20.
  for (const char c : act.expression) path += c == ' ' ? "%20" : core::net::escape_query({&c, 1});
  const json answer = parse(test_support::http_get(agent_port_, path).body);
  const json value = answer.value("/data/result/0/value/1"_json_pointer, json());
  if (!value.is_string()) return std::nullopt;
  return fmt::format("{}  is {}", act.expression, value.get<std::string>());
}

std::optional<std::string> Demonstration::told(const std::string& receiver, const Act& act, bool resolved) const {
  const json inbox = parse(test_support::http_get(port_of("control"), "/received?receiver=" + receiver).body);
  for (const json& one : inbox.value("received", json::array())) {
    if (!one.value("accepted", false)) continue;
    const json& body = one["body"];
    if (receiver == "pagerduty") {
      // A resolve need not say what it resolves: it is the one with the key of the trigger before it.
      const bool about = body.dump().find(act.alert) != std::string::npos;
      if (!about || (body.value("event_action", "") == "resolve") != resolved) continue;
      return fmt::format("{} {} {}", body.value("event_action", ""), body.value("dedup_key", "").substr(0, 12),
                         shortened(body.value("/payload/summary"_json_pointer, std::string())));
    }
    const std::string title = body.value("/embeds/0/title"_json_pointer, body.value("content", std::string()));
    if (title.find(act.alert) == std::string::npos) continue;
    if ((title.find("RESOLVED") != std::string::npos) == resolved) return shortened(title);
  }
  return std::nullopt;
}

std::optional<std::string> Demonstration::remedied(const Act& act) const {
  const json answer = parse(test_support::http_get(agent_port_, "/api/watchkeeper/v1/remediations").body);
  const json data = answer.value("data", json());
  const json& runs = data.is_object() ? data.value("runs", json::array()) : data;
  for (const json& one : runs) {
    if (!one.is_object() || one.value("remediation", "") != "mend-" + act.backup) continue;
    if (one.value("state", "") != "succeeded") continue;
    std::string steps;
    for (const json& step : one.value("steps", json::array())) {
      steps += (steps.empty() ? "" : ", ") + shortened(step.value("step", ""), 60);
    }
    return steps;
  }
  return std::nullopt;
}

std::optional<std::string> Demonstration::drilled(const Act& act) const {
  const json answer = parse(test_support::http_get(agent_port_, "/api/watchkeeper/v1/backups").body);
  for (const json& one : answer.value("/data/backups"_json_pointer, json::array())) {
    const json drill = one.value("lastDrill", json());
    if (one.value("name", "") != act.backup || !drill.is_object() || drill.value("finished", json()).is_null())
      continue;
    if (!drill.value("succeeded", false)) return "failed: " + drill.value("error", "");
    return fmt::format("{} files in {} s; the backup: {}", drill.value("files", 0), drill.value("tookSeconds", 0.0),
                       one.value("/lastSuccess/note"_json_pointer, std::string()));
  }
  return std::nullopt;
}

bool Demonstration::try_restore(const Act& act) {
  if (!act.restarts) return true;
  const std::string path = "/api/watchkeeper/v1/backups/" + act.backup + "/drill";
  if (test_support::http_post(agent_port_, path, R"({"who": "demonstration"})").status != 200) {
    terminal_.failed("the agent refuses the restore drill of " + act.backup);
    return false;
  }
  std::string came_to;
  const bool ended = stage("drilled", [&]() -> std::optional<std::string> {
    const auto drill = drilled(act);
    if (drill) came_to = *drill;
    return drill;
  });
  return ended && !came_to.starts_with("failed");
}

bool Demonstration::inject(const std::string& fault) {
  injected_ = clock_.steady_now();
  if (test_support::http_post(port_of("control"), "/fault/" + fault).status == 200) return true;
  terminal_.failed("the simulators refuse the fault " + fault);
  return false;
}

bool Demonstration::alerted(const Act& act) {
  return stage("seen", [&] { return seen(act); }) && stage("Discord", [&] { return told("discord", act, false); }) &&
         stage("PagerDuty", [&] { return told("pagerduty", act, false); });
}

bool Demonstration::resolved(const Act& act) {
  return stage("resolved", [&]() -> std::optional<std::string> {
    const auto discord = told("discord", act, true);
    return discord && told("pagerduty", act, true) ? discord : std::nullopt;
  });
}

bool Demonstration::play(const Act& act) {
  terminal_.heading("Fault: " + act.title);
  return inject(act.fault) && alerted(act) && stage("remedied", [&] { return remedied(act); }) && resolved(act) &&
         try_restore(act);
}

json Demonstration::replacement_of(const std::string& instance) const {
  const json answer = parse(test_support::http_get(agent_port_, "/api/watchkeeper/v1/remediations").body);
  for (const json& one : answer.value("/data/runs"_json_pointer, json::array())) {
    if (one.value("remediation", "") != kHostGroup) continue;
    if (one.value("/alert/instance_id"_json_pointer, "") == instance) return one;
  }
  return nullptr;
}

// The instance that AWS launched: it is scraped, and has the chain's head.
std::optional<std::string> Demonstration::synced() const {
  const char* const query =
      "/api/v1/query?query=chain_head_header%7Brole%3D%22geth%22%7D-chain_head_block%20and%20on(instance_id)"
      "%20up%7Bimage%3D%22ami-00000000000000002%22%7D%3D%3D1";
  const json answer = parse(test_support::http_get(agent_port_, query).body);
  const json found = answer.value("/data/result/0"_json_pointer, json());
  if (!found.is_object()) return std::nullopt;
  return fmt::format("{} with {} runs in its place, {} blocks behind",
                     found.value("/metric/instance_id"_json_pointer, ""), found.value("/metric/image"_json_pointer, ""),
                     found.value("/value/1"_json_pointer, ""));
}

// Of a host that is gone no backup can be taken: the last one must be fresh, or nothing is begun.
std::optional<std::string> Demonstration::backup_seen() const {
  const json run = replacement_of(kLostHost);
  if (!run.is_object()) return std::nullopt;
  for (const json& one : run.value("findings", json::array())) {
    const std::string name = one.value("name", "");
    if (name.starts_with("fresh backup")) return name + ": " + one.value("verdict", "");
  }
  return run.value("final", false) ? std::optional(run.value("state", "")) : std::nullopt;
}

bool Demonstration::lose_host() {
  terminal_.heading("Fault: " + host_act().title);
  if (!inject(host_act().fault) || !alerted(host_act())) return false;
  std::string state;
  const bool ended =
      stage("backup", [&] { return backup_seen(); }) && stage("replaced", [&]() -> std::optional<std::string> {
        const json run = replacement_of(kLostHost);
        if (!run.is_object() || !run.value("final", false)) return std::nullopt;
        state = run.value("state", "");
        if (state != "succeeded") return state + ": " + run.value("reason", "");
        std::string shown;
        for (const json& step : run.value("steps", json::array())) {
          shown += (shown.empty() ? "" : "; ") + step.value("result", "");
        }
        return shown;
      });
  return ended && state == "succeeded" && stage("synced", [&] { return synced(); }) && resolved(host_act()) &&
         spare_validators();
}

// The same alert about the host with the validators: one that comes back beside its successor would be slashed.
bool Demonstration::spare_validators() {
  if (!inject(std::string(kValidatorHost) + "/gone")) return false;
  const bool spared = stage("refused", [&]() -> std::optional<std::string> {
    const json run = replacement_of(kValidatorHost);
    if (!run.is_object() || run.value("state", "") != "refused") return std::nullopt;
    return run.value("reason", "");
  });
  return spared && test_support::http_delete(port_of("control"), "/faults").status == 200;
}

bool Demonstration::show_snapshots() {
  terminal_.heading("Backups in " + (folder_ / "restic").string());
  BackgroundProcess restic({"restic", "--no-lock", "--json", "-r", (folder_ / "restic").string(), "-p",
                            (folder_ / "restic.password").string(), "snapshots"},
                           folder_ / "snapshots.json");
  if (restic.wait(seconds(30)) != 0) {
    terminal_.failed("restic snapshots: " + restic.log_text());
    return false;
  }
  const json snapshots = parse(restic.log_text());
  bool all = true;
  for (const Act& act : acts()) {
    const std::string path = (act.restarts ? folder_ / act.backup / "geth" : folder_ / act.backup).string();
    bool found = false;
    for (const json& one : snapshots) {
      if (one.value("/paths/0"_json_pointer, "") != path) continue;
      terminal_.line(fmt::format("{}  {}  {}", one.value("short_id", ""), one.value("time", "").substr(0, 19), path));
      found = true;
    }
    if (!found) terminal_.failed("no snapshot of " + path);
    all = all && found;
  }
  return all;
}

}  // namespace demo

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { demo::interrupted = true; });
  const core::SystemClock clock;
  const std::filesystem::path folder = std::filesystem::path(WATCHKEEPER_SOURCE_DIR) / "build" / "demo";
  std::error_code failure;
  std::filesystem::remove_all(folder, failure);
  if (!std::filesystem::create_directories(folder, failure)) {
    std::fprintf(stderr, "demo: cannot make %s: %s\n", folder.c_str(), failure.message().c_str());
    return 1;
  }
  demo::Demonstration demonstration(clock, folder);
  const bool passed = demonstration.run();
  std::printf("\n%s\n", passed ? "All four faults were seen, alerted, remedied and resolved, the restore was good, the "
                                 "lost host was replaced."
                               : "The demonstration failed; logs and configuration are in build/demo.");
  return passed ? 0 : 1;
}
