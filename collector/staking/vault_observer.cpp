// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/vault_observer.h"

#include <algorithm>
#include <array>
#include <limits>

namespace collector::staking {
namespace {

constexpr std::uint64_t kVaultBytesMax = 1 << 20;

// The statuses of sys/health (Vault's API documentation, "Read health information"); none is an HTTP status by meaning.
struct HealthState {
  int status;
  std::string_view name;
  bool standby;
  bool sealed;
};

constexpr std::array<HealthState, 8> kHealthStates = {{
    {200, "active", false, false},
    {429, "standby", true, false},
    {472, "dr_secondary", false, false},
    {473, "performance_standby", true, false},
    {474, "standby_without_active", true, false},
    {501, "not_initialized", false, true},
    {503, "sealed", false, true},
    {530, "removed", false, false},
}};

struct VaultHealth {
  Reason reason = Reason::kOther;
  const HealthState* state = nullptr;  // none: not known
  std::optional<Json> body;
};

// What the body says about `state` must not contradict the status.
Reason judge_body(const HealthState& state, const Json& body) {
  const auto initialized = body.flag("initialized");
  const auto sealed = body.flag("sealed");
  if (!initialized || !sealed) return Reason::kBadAnswer;
  if (state.name == "removed") return Reason::kRemoved;
  if (!*initialized) return Reason::kNotInitialized;
  if (*sealed) return Reason::kSealed;
  if (state.sealed) return Reason::kBadAnswer;
  if (state.standby && body.flag("standby") == false && body.flag("performance_standby") != true) {
    return Reason::kBadAnswer;
  }
  return Reason::kNone;
}

VaultHealth vault_health_of(const Answers& answers) {
  const Answer* answer = find(answers, "health");
  if (answer == nullptr) return {};
  VaultHealth health;
  if (!answer->response) {
    health.reason = reason_of(answer->response.error());
    return health;
  }
  const int status = answer->response->status;
  const auto state = std::ranges::find(kHealthStates, status, &HealthState::status);
  if (state == kHealthStates.end()) {
    health.reason = reason_of_status(status);
    // Vault itself has no other status of 500 or more here: a proxy before it has.
    if (health.reason == Reason::kServerError) health.reason = Reason::kHttpStatus;
    return health;
  }
  auto body = Json::parse(answer->response->body);
  if (!body) {
    health.reason = Reason::kNotJson;
    return health;
  }
  health.reason = judge_body(*state, *body);
  if (health.reason == Reason::kBadAnswer) return health;
  health.state = &*state;
  health.body = std::move(*body);
  return health;
}

}  // namespace

std::vector<Question> VaultObserver::questions(core::SteadyTime) {
  std::vector<Question> result;
  const auto add = [&](const char* name, const char* path, bool with_token) {
    Question question;
    question.name = name;
    question.request.url = join_url(config_.url, path);
    question.request.body_limit = kVaultBytesMax;
    question.request.tls.ca_file = config_.ca_file.path;
    question.request.tls.server_name = config_.server_name;
    // Vault takes a bearer token as it takes its own header.
    if (with_token) question.request.credentials.token_file = config_.token_file.path;
    result.push_back(std::move(question));
  };
  add("health", "/v1/sys/health", false);
  add("leader", "/v1/sys/leader", false);
  add("seal", "/v1/sys/seal-status", false);
  if (!config_.token_file.empty()) {
    // What is asked of the whole server is asked in the root namespace, which may refuse a token of another.
    add("autopilot", "/v1/sys/storage/raft/autopilot/state", true);
    add("ha", "/v1/sys/ha-status", true);
    add("token", "/v1/auth/token/lookup-self", true);
    if (!config_.name_space.empty()) {
      result.back().request.headers.emplace_back("X-Vault-Namespace", config_.name_space);
    }
  }
  return result;
}

std::string VaultObserver::judge(const Answers& answers, core::SteadyTime) {
  GaugeText text("watchkeeper_vault_");
  const VaultHealth health = vault_health_of(answers);
  text.verdict(health.reason);
  if (health.state != nullptr) {
    text.info("state", "What the status of sys/health says.", "state", health.state->name);
    text.flag("initialized", "1 if this Vault is initialised.", health.body->flag("initialized"));
    text.flag("sealed", "1 if this Vault is sealed.", health.body->flag("sealed"));
    text.flag("standby", "1 if this Vault stands by.", health.body->flag("standby"));
    if (const auto seconds = health.body->number("server_time_utc")) {
      text.gauge(
          "clock_offset_seconds", "How far this Vault's clock is ahead of this host's, to a second or two.",
          (static_cast<double>(*seconds) * 1000 - static_cast<double>(core::to_unix_ms(find(answers, "health")->at))) /
              1000);
    }
    if (const auto version = health.body->text("version")) {
      text.info("info", "The version of this Vault.", "version", label_text(*version));
    }
  }
  if (const auto seal = json_of(answers, "seal"); seal && health.state != nullptr) {
    text.count("unseal_progress", "Key shares that were given since the last unsealing began.",
               seal->number("progress"));
  }
  if (health.reason != Reason::kNone) return text.take();
  write_leader(text, answers);
  write_token(text, answers);
  return text.take();
}

void VaultObserver::write_leader(GaugeText& text, const Answers& answers) {
  const auto leader = json_of(answers, "leader");
  if (!leader) return;
  const auto ha = leader->flag("ha_enabled");
  text.flag("ha_enabled", "1 if this Vault is one of a cluster.", ha);
  if (ha != true) return;
  text.flag("leader", "1 if this Vault is the active one of its cluster.", leader->flag("is_self"));
  if (const auto address = leader->text("leader_address")) {
    text.flag("leader_known", "1 if this Vault knows the active one.", !address->empty());
  }
}

// {"nodes": [{"hostname": .., "active_node": true, ..}]}, in "data" too.
void VaultObserver::write_members(GaugeText& text, const Answers& answers) {
  const auto status = json_of(answers, "ha");
  if (!status) return;
  const auto members = status->items(status->has("data") ? "data/nodes" : "nodes");
  if (members.empty()) return;
  const auto active = std::ranges::count_if(members, [](const Json& each) { return each.flag("active_node") == true; });
  text.count("ha_members", "Members of the cluster that this Vault has heard of lately.", members.size());
  text.count("ha_active_members", "Of these, active ones: one is right.", static_cast<std::uint64_t>(active));
}

void VaultObserver::write_token(GaugeText& text, const Answers& answers) const {
  if (config_.token_file.empty()) return;
  if (const auto autopilot = json_of(answers, "autopilot")) {
    const auto state = [&](const char* key) { return autopilot->has("data") ? "data/" + std::string(key) : key; };
    text.flag("raft_autopilot_healthy", "1 if autopilot finds every member of the raft cluster healthy.",
              autopilot->flag(state("healthy")));
    text.count("raft_failure_tolerance", "Members that may fail before the raft cluster has no quorum.",
               autopilot->number(state("failure_tolerance")));
  }
  write_members(text, answers);
  const Answer* answer = find(answers, "token");
  if (answer == nullptr || !answer->response) return;
  const int status = answer->response->status;
  if (status != 200 && status != 403) return;
  text.flag("token_valid", "1 if this Vault takes the token.", status == 200);
  const auto token = json_of(answers, "token");
  const auto ttl = token ? token->number("data/ttl") : std::nullopt;
  if (!ttl) return;
  // A token without an end (a root token) shows 0, as one does that ends now; only the former has no time of expiry.
  const bool endless = *ttl == 0 && token->is_null("data/expire_time");
  text.gauge("token_ttl_seconds", "Seconds until the token expires; +Inf if it never does.",
             endless ? std::numeric_limits<double>::infinity() : static_cast<double>(*ttl));
}

}  // namespace collector::staking
