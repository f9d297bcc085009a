// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

// The parts of the generated example that a default cannot show: a staking host as it usually is. A block that starts
// with
// '#' is a comment in the example.
namespace agent::example {

inline constexpr std::string_view kGlobal = R"(
  scrape_interval: 10s
  evaluation_interval: 10s
  #external_labels: {site: home}  # on every alert that leaves this host
)";

inline constexpr std::string_view kScrapeConfigs = R"(
  - job_name: watchkeeper
    static_configs:
      - targets: ["127.0.0.1:9780"]
  - job_name: lighthouse_beacon
    static_configs:
      - targets: ["127.0.0.1:5054"]
  - job_name: lighthouse_validator
    static_configs:
      - targets: ["127.0.0.1:5064"]
  - job_name: geth
    metrics_path: /debug/metrics/prometheus
    static_configs:
      - targets: ["127.0.0.1:6060"]
  - job_name: vault
    metrics_path: /v1/sys/metrics
    params:
      format: [prometheus]
    static_configs:
      - targets: ["127.0.0.1:8200"]
    # Vault wants a token here, unless its listener allows unauthenticated_metrics_access.
    #authorization:
    #  credentials_file: /etc/watchkeeper/vault-metrics-token
)";

inline constexpr std::string_view kRemoteWrite = R"(#remote_write:
#  - url: https://metrics.example.org/api/v1/write
#    name: central
#    basic_auth: {username: watch, password_file: /etc/watchkeeper/remote-password}
)";

inline constexpr std::string_view kModules = R"(#modules:
#  http_2xx:
#    prober: http
#  certificate:
#    prober: tls
#    tls: {min_validity: 336h}
)";

inline constexpr std::string_view kProbes = R"(#probes:
#  - job_name: outside
#    module: http_2xx
#    interval: 15s
#    timeout: 5s
#    static_configs:
#      - targets: ["https://www.example.org/"]
)";

inline constexpr std::string_view kRuleFiles = R"(
  # The packs for what is scraped above: all but the two that begin with an o, which are for other setups. Those are
  # other_clients.yml for Prysm, Nimbus, Teku and Lodestar, and observers.yml for probes from several vantages.
  - /usr/share/watchkeeper/rules/[^o]*.yml  # as the package installs them
  - ../rules/packs/[^o]*.yml  # in the source tree
)";

inline constexpr std::string_view kRoute = R"(#route:
#  receiver: on-call
#  group_by: [alertname, instance]
#  routes:
#    - matchers: ['severity="warning"']
#      receiver: chat
)";

inline constexpr std::string_view kReceivers = R"(#receivers:
#  - name: on-call
#    pagerduty_configs:
#      - routing_key_file: /etc/watchkeeper/pagerduty-key
#  - name: chat
#    discord_configs:
#      - webhook_url_file: /etc/watchkeeper/discord-url
#  - name: program
#    webhook_configs:
#      - url: http://127.0.0.1:8080/alerts
)";

inline constexpr std::string_view kAlerting = R"(#alerting:
#  alertmanagers:
#    - static_configs:
#        - targets: ["127.0.0.1:9093"]
)";

inline constexpr std::string_view kHost = R"(
  enabled: true
  interval: 10s
)";

inline constexpr std::string_view kStaking = R"(#staking:
#  network: mainnet
#  beacon_nodes:
#    - {name: bn-a, url: "http://127.0.0.1:5052", zone: a}
#  execution_nodes:
#    - {name: geth-a, url: "http://127.0.0.1:8545", zone: a}
#  validator_clients:
#    - name: vc-a
#      keymanager: {url: "http://127.0.0.1:5062", token_file: /etc/watchkeeper/vc-a.token}
#  vaults:
#    - {name: vault-a, url: "https://127.0.0.1:8200", ca_file: /etc/vault/ca.pem}
#  signers:
#    - {name: signer-a, url: "http://127.0.0.1:9000", metrics: "http://127.0.0.1:9001/metrics"}
#  # validators: {keys_file: /etc/watchkeeper/keys.yml}  # public key to the name of its group; read at once
)";

inline constexpr std::string_view kBackups = R"(#backups:
#  - name: configuration
#    source:
#      paths: [/etc]  # not a validator's slashing protection: that has a source of its own, sqlite
#    repository: /var/backups/watchkeeper
#    password_file: /etc/watchkeeper/restic-password
#    schedule: 6h
)";

inline constexpr std::string_view kRemediations = R"(#remediations:
#  - name: restart-stalled-geth
#    match: ['alertname="GethHeadStalled"']
#    level: approve  # observe, propose, approve or auto
#    require: ['min(up{job="beacon"}) == 1']  # unknown is no
#    limits: {cooldown: 30m, runs: 2, window: 6h}
#    steps:
#      - backup: configuration
#      - systemd: {unit: geth.service, action: restart}
#    verify: {expr: 'changes(chain_head_block[1m]) > 0', within: 10m}
)";

inline constexpr std::string_view kDrillable = R"(#drillable:
#  - name: geth-a
#    labels: {instance: "127.0.0.1:6060"}  # of its alerts
#    units: [geth.service]
)";

inline constexpr std::string_view kDrills = R"(#drills:
#  - name: geth-stops
#    component: geth-a
#    inject: {systemd: {unit: geth.service, action: stop}}
#    expect:
#      alert: {match: ['alertname="GethSeriesMissing"'], within: 2m}
#      notified: 3m
#    max_duration: 10m
)";

}  // namespace agent::example
