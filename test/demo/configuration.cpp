// SPDX-License-Identifier: Apache-2.0
#include "test/demo/configuration.h"

#include <fmt/format.h>

#include "test/support/background_process.h"

namespace demo {

namespace fs = std::filesystem;

namespace {

std::string rules_text() {
  std::string text = "groups:\n- name: demo\n  rules:\n";
  for (const Act& act : acts()) {
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
         job("vault", "vault", "  metrics_path: /v1/sys/metrics\n  params: {format: [prometheus]}\n");
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
    backups += fmt::format("- name: {0}\n  source: {{paths: ['{1}']}}\n  repository: '{2}'\n  password_file: '{3}'\n",
                           act.backup, (folder / act.backup).string(), (folder / "restic").string(),
                           (folder / "restic.password").string());
    remediations += fmt::format(
        "- name: mend-{0}\n  match: ['alertname=\"{1}\"']\n  level: auto\n  steps:\n  - backup: {0}\n"
        "  - exec: {{argv: [/usr/bin/curl, -sSf, -X, DELETE, 'http://127.0.0.1:{2}/fault/{3}'], timeout: 10s}}\n",
        act.backup, act.alert, ports.at("control").get<int>(), act.fault);
  }
  return backups + remediations;
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
  };
  return all;
}

fs::path write_configuration(const fs::path& folder, const nlohmann::json& ports) {
  for (const Act& act : acts()) {
    fs::create_directories(folder / act.backup);
    test_support::write_file(folder / act.backup / "state", act.backup + " of a simulated node\n");
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
