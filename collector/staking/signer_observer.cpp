// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/signer_observer.h"

#include <algorithm>

namespace collector::staking {
namespace {

constexpr std::uint64_t kSignerBytesMax = 1 << 20;
// As many keys as are read are 101 bytes each.
constexpr std::uint64_t kKeysBytesMax = 64 << 20;
constexpr std::size_t kChecksMax = 32;

// The check of the database is there only where slashing protection is on (Web3Signer's documentation, "healthcheck").
constexpr std::string_view kDatabaseCheck = "slashing-protection-db-health-check";

struct SignerHealth {
  bool up = false;
  std::vector<std::pair<std::string, bool>> checks;
};

// None: the signer does not tell.
std::optional<SignerHealth> health_of(const Answers& answers) {
  const Answer* answer = find(answers, "healthcheck");
  if (answer == nullptr || !answer->response) return std::nullopt;
  const int status = answer->response->status;
  if (status != 200 && status != 503) return std::nullopt;
  const auto body = Json::parse(answer->response->body);
  if (!body) return std::nullopt;
  const auto overall = body->text(body->has("outcome") ? "outcome" : "status");
  // What the status contradicts comes from a proxy.
  if (!overall || (*overall == "UP") != (status == 200)) return std::nullopt;
  SignerHealth health;
  health.up = status == 200;
  for (const Json& check : body->items("checks")) {
    const auto id = check.text("id");
    const auto state = check.text("status");
    if (!id || !state || health.checks.size() >= kChecksMax) return std::nullopt;
    health.checks.emplace_back(label_text(*id), *state == "UP");
  }
  return health;
}

Reason reason_of_upcheck(const Answers& answers) {
  const Answer* answer = find(answers, "upcheck");
  if (answer == nullptr) return Reason::kOther;
  if (!answer->response) return reason_of(answer->response.error());
  if (answer->response->status != 200) return reason_of_status(answer->response->status);
  std::string_view body = answer->response->body;
  while (body.ends_with('\n') || body.ends_with('\r')) body.remove_suffix(1);
  return body == "OK" ? Reason::kNone : Reason::kBadAnswer;
}

void write_health(GaugeText& text, const Answers& answers) {
  const auto health = health_of(answers);
  if (!health) return;
  text.flag("healthy", "1 if every part of the signer is well, as it says itself.", health->up);
  if (health->checks.empty()) return;
  std::vector<std::pair<std::string, double>> checks;
  bool has_database = false;
  for (const auto& [id, up] : health->checks) {
    checks.emplace_back(id, up ? 1 : 0);
    has_database = has_database || id == kDatabaseCheck;
  }
  text.labelled("check_up", "1 if this part of the signer is well.", "check", checks);
  text.flag("slashing_protection_enabled", "1 if the signer checks each signature against its database.", has_database);
}

// Up to where it signs: a limit that somebody set, {} without one.
void write_watermark(GaugeText& text, const Answers& answers) {
  const auto watermark = json_of(answers, "watermark");
  if (!watermark || !watermark->is_object()) return;
  const auto epoch = watermark->number("epoch");
  const auto slot = watermark->number("slot");
  if (!epoch && !slot && (watermark->has("epoch") || watermark->has("slot"))) return;
  text.flag("high_watermark_set", "1 if the signer is told to sign nothing from some slot on.", epoch || slot);
  text.count("high_watermark_epoch", "The epoch from which on it signs no attestation.", epoch);
  text.count("high_watermark_slot", "The slot from which on it signs no block.", slot);
}

}  // namespace

std::vector<Question> SignerObserver::questions(core::SteadyTime) {
  std::vector<Question> result;
  const auto add = [&](const char* name, const char* path) {
    Question question;
    question.name = name;
    question.request.url = join_url(config_.url, path);
    question.request.body_limit = kSignerBytesMax;
    if (config_.http_config) authorise(question, *config_.http_config);
    question.request.follow_redirects = false;
    result.push_back(std::move(question));
  };
  add("upcheck", "/upcheck");
  add("healthcheck", "/healthcheck");
  add("watermark", "/api/v1/eth2/highWatermark");
  add("keys", "/api/v1/eth2/publicKeys");
  reader_ = std::make_shared<KeyListReader>("", kKeysBytesMax);
  result.back().request.on_body = [reader = reader_](std::string_view piece) { return reader->feed(piece); };
  return result;
}

std::string SignerObserver::judge(const Answers& answers, core::SteadyTime) {
  GaugeText text("watchkeeper_signer_");
  const Reason reason = reason_of_upcheck(answers);
  text.verdict(reason);
  if (reason != Reason::kNone) return text.take();
  write_health(text, answers);
  write_watermark(text, answers);
  write_keys(text, answers);
  return text.take();
}

void SignerObserver::write_keys(GaugeText& text, const Answers& answers) const {
  auto keys = reader_->finish(find(answers, "keys"));
  text.flag("keys_known", "1 if the signer told all of its keys.", keys.has_value());
  if (!keys) return;
  std::ranges::sort(*keys);
  const auto doubles = std::ranges::unique(*keys);
  keys->erase(doubles.begin(), doubles.end());
  text.count("keys", "Keys that the signer has loaded.", keys->size());
  if (expected_->watched == nullptr) return;
  const auto extra =
      std::ranges::count_if(*keys, [this](const PublicKey& key) { return expected_->watched->find(key) == nullptr; });
  text.count("extra", "Keys that the signer has and keys_file does not.", static_cast<std::uint64_t>(extra));
  if (!config_.holds_all_keys) return;
  const auto missing = std::ranges::count_if(expected_->watched->keys, [&keys](const WatchedKey& watched) {
    return !std::ranges::binary_search(*keys, watched.key);
  });
  text.count("missing", "Keys of keys_file that the signer does not have.", static_cast<std::uint64_t>(missing));
}

}  // namespace collector::staking
