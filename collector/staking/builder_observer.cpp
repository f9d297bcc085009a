// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/builder_observer.h"

#include "core/net/url.h"

namespace collector::staking {
namespace {

constexpr std::uint64_t kBuilderBytesMax = 64 << 10;

// A MEV-Boost that finds no relay well says so with 503 and an error of the builder API (builder-specs, status).
bool says_no_relay(const Answers& answers) {
  const Answer* answer = find(answers, "status");
  if (answer == nullptr || !answer->response || answer->response->status != 503) return false;
  const auto body = Json::parse(answer->response->body);
  return body && body->has("code") && body->has("message");
}

Reason reason_of_status_answer(const Answers& answers) {
  const Answer* answer = find(answers, "status");
  if (answer == nullptr) return Reason::kOther;
  if (!answer->response) return reason_of(answer->response.error());
  return answer->response->status == 200 ? Reason::kNone : reason_of_status(answer->response->status);
}

}  // namespace

BuilderObserver::BuilderObserver(MevBoostConfig config) : is_relay_(false), config_(std::move(config)) {}

BuilderObserver::BuilderObserver(const RelayConfig& config) : is_relay_(true) {
  config_.name = config.name;
  config_.url = config.url;
  if (auto url = core::net::parse_url(config.url)) {
    url->userinfo.clear();
    config_.url = url->to_string();
  }
}

std::vector<Question> BuilderObserver::questions(core::SteadyTime now) {
  asked_ = now;
  Question question;
  question.name = "status";
  question.request.url = join_url(config_.url, "/eth/v1/builder/status");
  question.request.body_limit = kBuilderBytesMax;
  if (config_.http_config) authorise(question, *config_.http_config);
  question.request.follow_redirects = false;
  return {std::move(question)};
}

std::string BuilderObserver::judge(const Answers& answers, core::SteadyTime now) {
  GaugeText text(is_relay_ ? "watchkeeper_relay_" : "watchkeeper_mevboost_");
  const bool no_relay = !is_relay_ && says_no_relay(answers);
  const Reason reason = no_relay ? Reason::kNone : reason_of_status_answer(answers);
  text.verdict(reason);
  if (reason != Reason::kNone) return text.take();
  text.gauge("status_seconds", "How long the status took.", std::chrono::duration<double>(now - asked_).count());
  // Without -relay-check 200 says only that the process lives.
  if (no_relay || config_.relay_check) {
    text.flag("relay_available", "1 if at least one relay is well, 0 if none is.", !no_relay);
  }
  return text.take();
}

}  // namespace collector::staking
