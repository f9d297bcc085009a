// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/node_observer.h"

#include <algorithm>

#include <fmt/format.h>

namespace collector::staking {

const Answer* find(const Answers& answers, std::string_view name) {
  const auto found = answers.find(name);
  return found == answers.end() ? nullptr : &found->second;
}

tl::expected<Json, Reason> json_of(const Answers& answers, std::string_view name) {
  const Answer* answer = find(answers, name);
  if (answer == nullptr) return tl::unexpected(Reason::kOther);
  if (!answer->response) return tl::unexpected(reason_of(answer->response.error()));
  if (answer->response->status != 200) return tl::unexpected(reason_of_status(answer->response->status));
  auto json = Json::parse(answer->response->body);
  if (!json) return tl::unexpected(Reason::kNotJson);
  return std::move(*json);
}

void authorise(Question& question, const core::net::HttpClientConfig& http) {
  if (auto applied = http.apply(question.request); !applied) question.problem = applied.error();
  // Another host than the configured one is another node.
  question.request.follow_redirects = false;
}

std::string join_url(std::string_view base, std::string_view path) {
  while (base.ends_with('/')) base.remove_suffix(1);
  return std::string(base) + std::string(path);
}

std::string label_text(std::string_view text) {
  constexpr std::size_t kBytesMax = 128;
  std::string result;
  for (const char c : text.substr(0, kBytesMax)) result += c >= ' ' && c <= '~' ? c : '?';
  return result;
}

void GaugeText::family(std::string_view name, std::string_view help) {
  text_ += fmt::format("# HELP {0}{1} {2}\n# TYPE {0}{1} gauge\n", prefix_, name, help);
}

// Label values are reasons of ours, or went through label_text().
void GaugeText::sample(std::string_view name, std::string_view label, std::string_view label_value, double value) {
  text_ += fmt::format("{}{}", prefix_, name);
  if (!label.empty()) {
    text_ += fmt::format("{{{}=\"", label);
    for (const char c : label_value) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += "\"}";
  }
  text_ += fmt::format(" {}\n", value);
}

void GaugeText::verdict(Reason reason, Grade grade) {
  if (grade != Grade::kUnknown) {
    family("up", "1 if the node answers as it should, 0 if it is down; absent if nobody can tell.");
    sample("up", {}, {}, grade == Grade::kUp ? 1 : 0);
  }
  family("unknown", "1 if nobody can tell from here whether the node is up.");
  sample("unknown", {}, {}, grade == Grade::kUnknown ? 1 : 0);
  if (grade != Grade::kUp) {
    info("failure_reason", "Why the node is not known to be up.", "reason", row_of(reason).name);
  }
}

void GaugeText::gauge(std::string_view name, std::string_view help, std::optional<double> value) {
  if (!value) return;
  family(name, help);
  sample(name, {}, {}, *value);
}

void GaugeText::flag(std::string_view name, std::string_view help, std::optional<bool> value) {
  if (value) gauge(name, help, *value ? 1 : 0);
}

void GaugeText::count(std::string_view name, std::string_view help, std::optional<std::uint64_t> value) {
  if (value) gauge(name, help, static_cast<double>(*value));
}

void GaugeText::info(std::string_view name, std::string_view help, std::string_view label, std::string_view value) {
  family(name, help);
  sample(name, label, value, 1);
}

void GaugeText::labelled(std::string_view name, std::string_view help, std::string_view label,
                         const std::vector<std::pair<std::string, double>>& values) {
  family(name, help);
  for (const auto& [label_value, value] : values) sample(name, label, label_value, value);
}

}  // namespace collector::staking
