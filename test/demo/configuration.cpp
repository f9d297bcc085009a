// SPDX-License-Identifier: Apache-2.0
#include "test/demo/configuration.h"

#include <fmt/format.h>

#include "test/demo/hosts.h"
#include "test/support/background_process.h"

namespace demo {

namespace fs = std::filesystem;

namespace {

std::string rules_text() {
  std::string text = "groups:\n- name: demo\n  rules:\n";
  std::vector<Act> all = acts();
  all.push_back(host_act());
  for (const Act& act : all) {
    text += fmt::format(
        "  - alert: {}\n    expr: '{}'\n    for: 2s\n    labels: {{severity: critical}}\n"
        "    annotations: {{summary: '{}'}}\n",
        act.alert, act.expression, act.summary);
  }
  return text;
}

std::string scrape_text(const nlohmann::json& ports) {
  const auto job = [&ports](const char* name, const char* port, const char* more) {
    return fmt::format("- job_name: {}\n  static_configs: [{{targets: ['127.0.0.1:{}']}}]\n{}", name,
                       ports.at(port).get<int>(), more);
  };
  return job("lighthouse_beacon", "beacon_metrics", "") + job("lighthouse_validator", "validator_metrics", "") +
         job("geth", "geth_metrics", "  metrics_path: /debug/metrics/prometheus\n") +
         job("vault", "vault", "  metrics_path: /v1/sys/metrics\n  params: {format: [prometheus]}\n") +
         host_scrape_text(ports);
}

std::string receivers_text(const nlohmann::json& ports) {
  return fmt::format(
      "route: {{receiver: everyone, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n"
      "receivers:\n- name: everyone\n"
      "  discord_configs: [{{webhook_url: 'http://127.0.0.1:{}/api/webhooks/112233445566778899/simulated-token'}}]\n"
      "  pagerduty_configs: [{{routing_key: 0123456789abcdef0123456789abcdef, url: "
      "'http://127.0.0.1:{}/v2/enqueue'}}]\n",
      ports.at("discord").get<int>(), ports.at("pagerduty").get<int>());
}

// Each alert saves what is precious of its node, then mends the node: here, by asking the simulator to end the fault.
std::string remediations_text(const fs::path& folder, const nlohmann::json& ports) {
  std::string backups = "backups:\n";
  std::string remediations = "remediations:\n";
  for (const Act& act : acts()) {
    const std::string data = (folder / act.backup).string();
    backups += fmt::format("- name: {}\n  repository: '{}'\n  password_file: '{}'\n  source: ", act.backup,
                           (folder / "restic").string(), (folder / "restic.password").string());
    remediations +=
        fmt::format("- name: mend-{0}\n  match: ['alertname=\"{1}\"']\n  level: auto\n  steps:\n  - backup: {0}\n",
                    act.backup, act.alert);
    if (act.restarts) {
      const std::string program = (folder / "node.sh").string();
      backups += fmt::format(
          "{{geth: {{data_dir: '{0}', start: ['{1}', start], stop: ['{1}', stop], check: ['{1}', check],"
          " require: ['up{{job=\"lighthouse_beacon\"}} == 1'], copy_ahead: false}}}}\n",
          data, program);
    } else {
      backups += fmt::format("{{paths: ['{}']}}\n", data);
      remediations += fmt::format(
          "  - exec: {{argv: [/usr/bin/curl, -sSf, -X, DELETE, 'http://127.0.0.1:{}/fault/{}'], timeout: 10s}}\n",
          ports.at("control").get<int>(), act.fault);
    }
    if (!act.verify.empty()) remediations += fmt::format("  verify: {{expr: '{}', within: 30s}}\n", act.verify);
  }
  return backups + remediations + host_replace_text(ports);
}

// A Geth as far as its disk goes: a database and frozen tables with a process that writes all the time, and the program
// that starts and stops it. Its start ends the fault, as that of a real one often does.
void write_node(const fs::path& folder, const fs::path& data, int control_port, const std::string& fault) {
  const fs::path chain = data / "geth" / "chaindata";
  const fs::path ancient = chain / "ancient" / "chain";
  fs::create_directories(ancient);
  test_support::write_file(chain / "CURRENT", "MANIFEST-000001\n");
  test_support::write_file(chain / "MANIFEST-000001", "of a simulated node\n");
  test_support::write_file(ancient / "headers.cidx", std::string("\0\0\0\0\0\0\0\0\0\0\0\5", 12));
  test_support::write_file(ancient / "headers.0000.cdat", "block");
  test_support::write_file(folder / "node.sh", fmt::format(R"(#!/bin/sh
pid=$(cat {0}/node.pid 2>/dev/null)
runs() {{ [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }}
case $1 in
check) runs || exit 1 ;;
stop)
  runs && kill "$pid"
  while runs; do sleep 0.1; done ;;
start)
  runs && exit 0
  setsid sh -c 'while [ -d {1} ]; do date >>{1}/000002.log; sleep 0.2; done' >/dev/null 2>&1 &
  echo $! >{0}/node.pid
  curl -sSf -X DELETE http://127.0.0.1:{2}/fault/{3} ;;
esac
)",
                                                           folder.string(), chain.string(), control_port, fault));
  fs::permissions(folder / "node.sh", fs::perms::owner_all);
}

}  // namespace

const std::vector<Act>& acts() {
  static const std::vector<Act> all = {
      {"the beacon node's head stalls", "beacon/head-stalls", "BeaconHeadStalled",
       "slotclock_present_slot - beacon_head_slot > 6", "{{ $labels.instance }} is {{ $value }} slots behind",
       "beacon-database"},
      {"Vault seals itself", "vault/sealed", "VaultSealed", "max without (cluster) (vault_core_unsealed) == 0",
       "Vault at {{ $labels.instance }} is sealed", "vault-snapshot"},
      {"the validators miss attestations", "validator/missed-attestations", "AttestationsMissed",
       "increase(validator_monitor_prev_epoch_on_chain_attester_miss{validator=\"total\"}[6s]) > 1",
       "{{ $value }} attestations missed in 6 s", "slashing-protection"},
      {"Geth falls behind", "geth/head-stalls", "GethStuck", "changes(chain_head_block{job=\"geth\"}[5s]) == 0",
       "{{ $labels.instance }} takes no blocks", "geth-data", "changes(chain_head_block{job=\"geth\"}[5s]) > 0", true},
  };
  return all;
}

fs::path write_configuration(const fs::path& folder, const nlohmann::json& ports) {
  for (const Act& act : acts()) {
    fs::create_directories(folder / act.backup);
    if (act.restarts) {
      write_node(folder, folder / act.backup, ports.at("control").get<int>(), act.fault);
    } else {
      test_support::write_file(folder / act.backup / "state", act.backup + " of a simulated node\n");
    }
  }
  const fs::path password = folder / "restic.password";
  test_support::write_file(password, "demonstration\n");
  fs::permissions(password, fs::perms::owner_read | fs::perms::owner_write);
  test_support::write_file(folder / "rules.yml", rules_text());
  const fs::path config = folder / "watchkeeper.yml";
  test_support::write_file(config,
                           "global: {scrape_interval: 1s, scrape_timeout: 900ms, evaluation_interval: 1s}\n"
                           "ring: {size: 64MiB}\nscrape_configs:\n" +
                               scrape_text(ports) + "rule_files: [rules.yml]\n" + receivers_text(ports) +
                               remediations_text(folder, ports));
  return config;
}

}  // namespace demo
