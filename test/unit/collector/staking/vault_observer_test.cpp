// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/vault_observer.h"

#include "staking_world.h"

namespace collector::staking {
namespace {

class VaultObserverTest : public StakingWorld {
 protected:
  VaultObserverTest() {
    client.configure(read(R"({vaults: [{name: v, url: "https://v:8200", token_file: /t}]})"));
    nodes.on(base + "sys/health", health("false", "false"));
    nodes.on(base + "sys/leader", R"({"ha_enabled":true,"is_self":true,"leader_address":"https://v:8200"})");
    nodes.on(base + "sys/seal-status", R"({"sealed":false,"progress":0})");
    nodes.on(base + "sys/storage/raft/autopilot/state", R"({"data":{"healthy":true,"failure_tolerance":1}})");
    nodes.on(base + "sys/ha-status", R"({"data":{"nodes":[{"hostname":"v","active_node":true},{"hostname":"w",)"
                                     R"("active_node":false},{"hostname":"x"}]}})");
    nodes.on(base + "auth/token/lookup-self", R"({"data":{"ttl":2764800,"expire_time":"2026-12-01T00:00:00Z"}})");
  }
  static std::string health(const char* sealed, const char* standby) {
    return fmt::format(R"({{"initialized":true,"sealed":{},"standby":{},"performance_standby":false,)"
                       R"("server_time_utc":1700000003,"version":"1.15.6"}})",
                       sealed, standby);
  }
  Seen ask() { return round("/vault/v"); }
  const std::string base = "GET https://v:8200/v1/";
};

TEST_F(VaultObserverTest, TellsWhatAnActiveOneSays) {
  const std::map<std::string, std::string> expected = {
      {"watchkeeper_vault_up", "1"},
      {"watchkeeper_vault_unknown", "0"},
      {R"(watchkeeper_vault_state{state="active"})", "1"},
      {"watchkeeper_vault_initialized", "1"},
      {"watchkeeper_vault_sealed", "0"},
      {"watchkeeper_vault_standby", "0"},
      {"watchkeeper_vault_clock_offset_seconds", "2.98"},
      {R"(watchkeeper_vault_info{version="1.15.6"})", "1"},
      {"watchkeeper_vault_unseal_progress", "0"},
      {"watchkeeper_vault_ha_enabled", "1"},
      {"watchkeeper_vault_leader", "1"},
      {"watchkeeper_vault_leader_known", "1"},
      {"watchkeeper_vault_raft_autopilot_healthy", "1"},
      {"watchkeeper_vault_raft_failure_tolerance", "1"},
      {"watchkeeper_vault_ha_members", "3"},
      {"watchkeeper_vault_ha_active_members", "1"},
      {"watchkeeper_vault_token_valid", "1"},
      {"watchkeeper_vault_token_ttl_seconds", "2764800"},
  };
  const Seen seen = ask();
  EXPECT_EQ(seen.samples(), expected);
  expect_documented(seen);
  for (const auto& request : nodes.requests) {
    const bool secret = request.url.find("autopilot") != std::string::npos ||
                        request.url.find("ha-status") != std::string::npos ||
                        request.url.find("lookup") != std::string::npos;
    EXPECT_EQ(request.credentials.token_file, secret ? "/t" : "") << request.url;
  }
}

TEST_F(VaultObserverTest, StatusAndBodyTogetherAreTheState) {
  struct Case {
    int status;
    std::string body;
    const char* up;
    const char* reason;  // "" if up
  };
  const std::vector<Case> cases = {
      {200, health("false", "false"), "1", ""},
      {429, health("false", "true"), "1", ""},
      {472, health("false", "false"), "1", ""},
      {473, R"({"initialized":true,"sealed":false,"standby":false,"performance_standby":true})", "1", ""},
      {474, health("false", "true"), "1", ""},
      {501, R"({"initialized":false,"sealed":true,"standby":true})", "0", "not_initialized"},
      {503, health("true", "true"), "0", "sealed"},
      {200, health("true", "false"), "0", "sealed"},
      {530, health("false", "true"), "0", "removed"},
      {503, health("false", "false"), "none", "bad_answer"},
      {429, health("false", "false"), "none", "bad_answer"},
      {429, "Too Many Requests", "none", "not_json"},
      {503, "<html>Service Unavailable</html>", "none", "not_json"},
      {200, "<html>", "none", "not_json"},
      {200, "{}", "none", "bad_answer"},
      {200, R"({"initialized":"true","sealed":"false"})", "none", "bad_answer"},
      {502, "bad gateway", "none", "http_status"},
      {404, "{}", "none", "not_offered"},
      {403, "{}", "none", "unauthorized"},
  };
  for (const Case& each : cases) {
    nodes.on(base + "sys/health", answer(each.status, each.body));
    const Seen seen = ask();
    const std::string what = fmt::format("{} {}", each.status, each.body);
    EXPECT_EQ(seen["watchkeeper_vault_up"], each.up) << what;
    EXPECT_EQ(seen["watchkeeper_vault_unknown"], std::string(each.up) == "none" ? "1" : "0") << what;
    if (*each.reason != '\0') {
      EXPECT_EQ(seen[fmt::format("watchkeeper_vault_failure_reason{{reason=\"{}\"}}", each.reason)], "1") << what;
    }
  }
  nodes.on(base + "sys/health", broken("dial tcp v: connect: connection refused"));
  EXPECT_EQ(ask()["watchkeeper_vault_up"], "0");
  nodes.on(base + "sys/health", broken("tls: failed to verify certificate: x509: unknown authority"));
  EXPECT_EQ(ask()["watchkeeper_vault_up"], "none");
}

TEST_F(VaultObserverTest, TokensEndOrDoNotOrAreRefused) {
  const std::string token = base + "auth/token/lookup-self";
  nodes.on(token, R"({"data":{"ttl":0,"expire_time":null}})");
  EXPECT_EQ(ask()["watchkeeper_vault_token_ttl_seconds"], "inf");
  nodes.on(token, R"({"data":{"ttl":0,"expire_time":"2026-12-01T00:00:00Z"}})");
  EXPECT_EQ(ask()["watchkeeper_vault_token_ttl_seconds"], "0");
  nodes.on(token, answer(403));
  EXPECT_EQ(ask()["watchkeeper_vault_token_valid"], "0");
  nodes.on(token, answer(500));
  EXPECT_EQ(ask()["watchkeeper_vault_token_valid"], "none");
  nodes.on(base + "sys/storage/raft/autopilot/state", answer(403));
  EXPECT_EQ(ask()["watchkeeper_vault_raft_autopilot_healthy"], "none");
  nodes.on(base + "sys/ha-status", answer(403));
  EXPECT_EQ(ask()["watchkeeper_vault_ha_members"], "none");
  nodes.on(base + "sys/ha-status", R"({"nodes":[{"active_node":true},{"active_node":true}]})");
  EXPECT_EQ(ask()["watchkeeper_vault_ha_active_members"], "2") << "the older form, and two clusters";
  EXPECT_EQ(ask()["watchkeeper_vault_up"], "1");
}

TEST_F(VaultObserverTest, OnlyTheTokenIsLookedUpInItsNamespace) {
  client.configure(read(R"({vaults: [{name: v, url: "https://v:8200", token_file: /t, namespace: staking/one}]})"));
  EXPECT_EQ(ask()["watchkeeper_vault_token_valid"], "1");
  for (const auto& request : nodes.requests) {
    EXPECT_EQ(core::net::find_header(request.headers, "X-Vault-Namespace"),
              request.url.ends_with("lookup-self") ? "staking/one" : "")
        << request.url;
  }
  EXPECT_NE(problem(R"({vaults: [{name: v, url: "https://v:8200", namespace: "a\r\nb"}]})").find("path of a namespace"),
            std::string::npos);
}

}  // namespace
}  // namespace collector::staking
