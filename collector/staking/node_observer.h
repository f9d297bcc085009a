// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "collector/staking/json.h"
#include "collector/staking/verdict.h"
#include "core/net/http_client.h"
#include "core/net/http_client_config.h"
#include "core/time/clock.h"

namespace collector::staking {

// One request of a round, and the name that its answer has there.
struct Question {
  std::string name;
  core::net::Request request;
  std::optional<core::Error> problem;  // why it cannot be asked: it is its answer
};

struct Answer {
  core::Result<core::net::Response> response;
  core::WallTime at;  // when it was there
};

using Answers = std::map<std::string, Answer, std::less<>>;

// Something that is asked once an interval: several questions at once, and a judgement over all answers.
//
// Thread safety: confined to the scheduler's thread.
class NodeObserver {
 public:
  virtual ~NodeObserver() = default;
  // The requests of the next round. Their timeout is the round's.
  virtual std::vector<Question> questions(core::SteadyTime now) = 0;
  // What the answers mean, as Prometheus text. There is one for each question.
  virtual std::string judge(const Answers& answers, core::SteadyTime now) = 0;
};

// The JSON of an answer with status 200, or why there is none.
tl::expected<Json, Reason> json_of(const Answers& answers, std::string_view name);
const Answer* find(const Answers& answers, std::string_view name);

// Adds what a node's http_config says.
void authorise(Question& question, const core::net::HttpClientConfig& http);

// Base URL and path, with one slash between them.
std::string join_url(std::string_view base, std::string_view path);

// Text that a node chose, fit for a label: printable, at most 128 bytes.
std::string label_text(std::string_view text);

// Writes the gauges of one kind of node as Prometheus text.
//
// Thread safety: confined to one thread.
class GaugeText {
 public:
  // `prefix` begins every name: watchkeeper_beacon_.
  explicit GaugeText(std::string_view prefix) : prefix_(prefix) {}

  // <prefix>up, or none if unknown; <prefix>unknown; <prefix>failure_reason{reason=..} unless it is up.
  void verdict(Reason reason) { verdict(reason, row_of(reason).grade); }
  // The same for who grades a reason otherwise.
  void verdict(Reason reason, Grade grade);
  // Nothing at all without a value: absent is not zero.
  void gauge(std::string_view name, std::string_view help, std::optional<double> value);
  void flag(std::string_view name, std::string_view help, std::optional<bool> value);
  void count(std::string_view name, std::string_view help, std::optional<std::uint64_t> value);
  // 1, with a label.
  void info(std::string_view name, std::string_view help, std::string_view label, std::string_view value);

  // One sample for each value of a label.
  void labelled(std::string_view name, std::string_view help, std::string_view label,
                const std::vector<std::pair<std::string, double>>& values);

  std::string take() { return std::move(text_); }

 private:
  void family(std::string_view name, std::string_view help);
  void sample(std::string_view name, std::string_view label, std::string_view label_value, double value);

  std::string prefix_;
  std::string text_;
};

}  // namespace collector::staking
