// SPDX-License-Identifier: Apache-2.0
// What each service accepts, from its public documentation: the webhook of Alertmanager (version 4), Discord's webhook
// resource, PagerDuty's Events API v2.
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/time/duration.h"
#include "test/simulators/receivers.h"

namespace simulators {

namespace {

using nlohmann::json;

std::size_t code_points(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

bool is_url(const json& value) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return text.starts_with("http://") || text.starts_with("https://");
}

bool is_time(const json& value) {
  // Year 1, "not ended", lies outside the range of the clock.
  return value.is_string() &&
         (value == "0001-01-01T00:00:00Z" || core::parse_rfc3339(value.get<std::string>()).has_value());
}

bool is_string_map(const json& value) {
  return value.is_object() &&
         std::all_of(value.begin(), value.end(), [](const json& item) { return item.is_string(); });
}

// The first thing wrong with a document, kept with its place.
class Verdict {
 public:
  void require(bool good, const std::string& place, const std::string& expected) {
    if (!good && !wrong_) wrong_ = {place, expected};
  }
  const std::optional<std::pair<std::string, std::string>>& wrong() const { return wrong_; }

 private:
  std::optional<std::pair<std::string, std::string>> wrong_;
};

// ---- webhook

std::string wrong_in_alert(const json& alert) {
  if (!alert.is_object()) return "not an object";
  const json status = alert.value("status", json());
  if (status != "firing" && status != "resolved") return "status is neither firing nor resolved";
  if (!is_string_map(alert.value("labels", json()))) return "labels is not a map of strings";
  if (!alert["labels"].contains("alertname")) return "no label alertname";
  if (!is_string_map(alert.value("annotations", json()))) return "annotations is not a map of strings";
  if (!is_time(alert.value("startsAt", json()))) return "startsAt is not RFC 3339";
  if (!is_time(alert.value("endsAt", json()))) return "endsAt is not RFC 3339";
  if (status == "firing" && alert["endsAt"] != "0001-01-01T00:00:00Z") return "a firing alert has an end";
  if (!alert.value("generatorURL", json()).is_string()) return "generatorURL is not a string";
  const std::string fingerprint =
      alert.value("fingerprint", json()).is_string() ? alert["fingerprint"].get<std::string>() : "";
  const bool hex = fingerprint.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (fingerprint.size() != 16 || !hex) return "fingerprint is not 16 hexadecimal digits";
  return {};
}

// ---- discord

struct TextLimit {
  const char* name;
  std::size_t limit;
};

std::size_t check_text(const json& object, const TextLimit& text, const std::string& place, Verdict& verdict) {
  if (!object.contains(text.name) || object[text.name].is_null()) return 0;
  const json& value = object[text.name];
  verdict.require(value.is_string(), place + text.name, "Could not interpret value as string.");
  if (!value.is_string()) return 0;
  const std::size_t length = code_points(value.get_ref<const std::string&>());
  verdict.require(length <= text.limit, place + text.name, fmt::format("Must be {} or fewer in length.", text.limit));
  return length;
}

std::size_t check_fields(const json& embed, const std::string& place, Verdict& verdict) {
  if (!embed.contains("fields")) return 0;
  const json& fields = embed["fields"];
  verdict.require(fields.is_array() && fields.size() <= 25, place + "fields", "Must be 25 or fewer in length.");
  if (!fields.is_array()) return 0;
  std::size_t sum = 0;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string here = fmt::format("{}fields.{}.", place, i);
    verdict.require(fields[i].is_object(), here, "Only dictionaries may be used in a DictType");
    if (!fields[i].is_object()) return sum;
    for (const TextLimit& part : {TextLimit{"name", 256}, TextLimit{"value", 1024}}) {
      const std::size_t length = check_text(fields[i], part, here, verdict);
      verdict.require(length > 0, here + part.name, "This field is required");
      sum += length;
    }
    const json in_line = fields[i].value("inline", json(true));
    verdict.require(in_line.is_boolean(), here + "inline", "Must be either true or false.");
  }
  return sum;
}

// The characters that count for the sum over all embeds.
std::size_t check_embed(const json& embed, const std::string& place, Verdict& verdict) {
  verdict.require(embed.is_object(), place, "Only dictionaries may be used in a DictType");
  if (!embed.is_object()) return 0;
  std::size_t sum = check_text(embed, {"title", 256}, place, verdict) +
                    check_text(embed, {"description", 4096}, place, verdict) + check_fields(embed, place, verdict);
  const auto nested = [&](const char* name, const TextLimit& text) {
    if (!embed.contains(name)) return;
    verdict.require(embed[name].is_object(), place + name, "Only dictionaries may be used in a DictType");
    if (embed[name].is_object()) sum += check_text(embed[name], text, place + name + ".", verdict);
  };
  nested("footer", {"text", 2048});
  nested("author", {"name", 256});
  if (embed.contains("color")) {
    const json& color = embed["color"];
    const bool good =
        color.is_number_integer() && color.get<std::int64_t>() >= 0 && color.get<std::int64_t>() <= 0xffffff;
    verdict.require(good, place + "color", "int value should be between 0 and 16777215.");
  }
  if (embed.contains("url")) verdict.require(is_url(embed["url"]), place + "url", "Not a well formed URL.");
  if (embed.contains("timestamp"))
    verdict.require(is_time(embed["timestamp"]), place + "timestamp", "Not a valid ISO8601 timestamp.");
  return sum;
}

Refusal discord_refusal(const std::string& place, const std::string& message) {
  // {"errors": {"embeds": {"0": {"title": {"_errors": [...]}}}}}
  json errors = {{"_errors", json::array({{{"code", "BASE_TYPE_INVALID"}, {"message", message}}})}};
  std::string rest = place;
  while (!rest.empty()) {
    if (rest.ends_with('.')) rest.pop_back();
    const std::size_t dot = rest.rfind('.');
    errors = json{{rest.substr(dot == std::string::npos ? 0 : dot + 1), errors}};
    rest = dot == std::string::npos ? "" : rest.substr(0, dot);
  }
  const json body = {{"message", "Invalid Form Body"}, {"code", 50035}, {"errors", errors}};
  return {400, place + ": " + message, body.dump()};
}

void check_discord_settings(const json& body, Verdict& verdict) {
  const std::size_t name = check_text(body, {"username", 80}, "", verdict);
  verdict.require(!body.contains("username") || name > 0, "username", "Must be between 1 and 80 in length.");
  if (body.contains("avatar_url") && !body["avatar_url"].is_null()) {
    verdict.require(is_url(body["avatar_url"]), "avatar_url", "Not a well formed URL.");
  }
  if (body.contains("tts")) verdict.require(body["tts"].is_boolean(), "tts", "Must be either true or false.");
  if (!body.contains("allowed_mentions")) return;
  const json& mentions = body["allowed_mentions"];
  verdict.require(mentions.is_object(), "allowed_mentions", "Only dictionaries may be used in a DictType");
  if (!mentions.is_object()) return;
  for (const json& kind : mentions.value("parse", json::array())) {
    verdict.require(kind == "roles" || kind == "users" || kind == "everyone", "allowed_mentions.parse",
                    "Value must be one of ('everyone', 'roles', 'users').");
  }
}

// ---- pagerduty

void check_links(const json& event, const char* list, const char* key, std::vector<std::string>& errors) {
  if (!event.contains(list)) return;
  if (!event[list].is_array()) return errors.push_back(fmt::format("'{}' must be an array", list));
  for (const json& item : event[list]) {
    if (!item.is_object() || !is_url(item.value(key, json()))) {
      errors.push_back(fmt::format("'{}' items need a '{}' that is a URL", list, key));
    }
  }
}

void check_payload(const json& event, std::vector<std::string>& errors) {
  const json payload = event.value("payload", json());
  if (!payload.is_object()) return errors.push_back("'payload' is missing or blank");
  for (const char* name : {"summary", "source", "severity"}) {
    const json value = payload.value(name, json());
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
      errors.push_back(fmt::format("'payload.{}' is missing or blank", name));
    }
  }
  const json summary = payload.value("summary", json());
  if (summary.is_string() && code_points(summary.get<std::string>()) > 1024) {
    errors.push_back("'payload.summary' is longer than 1024 characters");
  }
  static const std::array kSeverities = {"critical", "error", "warning", "info"};
  const json severity = payload.value("severity", json());
  const bool known =
      std::any_of(kSeverities.begin(), kSeverities.end(), [&](const char* one) { return severity == one; });
  if (severity.is_string() && !known)
    errors.push_back(
        "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')");
  if (payload.contains("timestamp") && !is_time(payload["timestamp"]))
    errors.push_back("'payload.timestamp' is not ISO 8601");
  for (const char* name : {"component", "group", "class"}) {
    if (payload.contains(name) && !payload[name].is_string())
      errors.push_back(fmt::format("'payload.{}' must be a string", name));
  }
  if (payload.contains("custom_details") && !payload["custom_details"].is_object()) {
    errors.push_back("'payload.custom_details' must be an object");
  }
}

}  // namespace

std::optional<Refusal> judge_webhook(const std::string& content_type, const std::string& body) {
  const json document = json::parse(body, nullptr, false);
  Verdict verdict;
  verdict.require(content_type.starts_with("application/json"), "Content-Type", "expected application/json");
  verdict.require(document.is_object(), "body", "expected a JSON object");
  if (document.is_object()) {
    verdict.require(document.value("version", json()) == "4", "version", "expected \"4\"");
    const json status = document.value("status", json());
    verdict.require(status == "firing" || status == "resolved", "status", "expected firing or resolved");
    for (const char* name : {"groupKey", "receiver"}) {
      const json value = document.value(name, json());
      verdict.require(value.is_string() && !value.get<std::string>().empty(), name, "expected a string");
    }
    verdict.require(document.value("externalURL", json()).is_string(), "externalURL", "expected a string");
    verdict.require(document.value("truncatedAlerts", json()).is_number_unsigned(), "truncatedAlerts",
                    "expected a count");
    for (const char* name : {"groupLabels", "commonLabels", "commonAnnotations"}) {
      verdict.require(is_string_map(document.value(name, json())), name, "expected a map of strings");
    }
    const json alerts = document.value("alerts", json());
    verdict.require(alerts.is_array() && !alerts.empty(), "alerts", "expected at least one alert");
    for (std::size_t i = 0; alerts.is_array() && i < alerts.size(); ++i) {
      const std::string wrong = wrong_in_alert(alerts[i]);
      verdict.require(wrong.empty(), fmt::format("alerts[{}]", i), wrong);
    }
    const auto fires = [](const json& alert) { return alert.is_object() && alert.value("status", json()) == "firing"; };
    const bool any = alerts.is_array() && std::any_of(alerts.begin(), alerts.end(), fires);
    verdict.require((status == "firing") == any, "status", "expected firing while any alert fires, else resolved");
  }
  if (!verdict.wrong()) return std::nullopt;
  const std::string reason = verdict.wrong()->first + ": " + verdict.wrong()->second;
  return Refusal{400, reason, reason + "\n"};
}

std::optional<Refusal> judge_discord(const std::string& content_type, const std::string& body) {
  if (!content_type.starts_with("application/json")) {
    return discord_refusal("_misc", "Expected \"Content-Type\" header to be one of {'application/json'}.");
  }
  const json document = json::parse(body, nullptr, false);
  if (document.is_discarded()) {
    return Refusal{400, "not JSON",
                   json{{"message", "The request body contains invalid JSON."}, {"code", 50109}}.dump()};
  }
  if (!document.is_object()) return discord_refusal("", "Only dictionaries may be used in a DictType");
  Verdict verdict;
  const std::size_t content = check_text(document, {"content", 2000}, "", verdict);
  check_discord_settings(document, verdict);
  std::size_t sum = 0;
  const json embeds = document.contains("embeds") ? document["embeds"] : json::array();
  verdict.require(embeds.is_array() && embeds.size() <= 10, "embeds", "Must be 10 or fewer in length.");
  for (std::size_t i = 0; embeds.is_array() && i < embeds.size(); ++i) {
    sum += check_embed(embeds[i], fmt::format("embeds.{}.", i), verdict);
  }
  verdict.require(sum <= 6000, "embeds", "Embed size exceeds maximum size of 6000");
  if (verdict.wrong()) return discord_refusal(verdict.wrong()->first, verdict.wrong()->second);
  if (content == 0 && sum == 0) {
    return Refusal{400, "empty message", json{{"message", "Cannot send an empty message"}, {"code", 50006}}.dump()};
  }
  return std::nullopt;
}

std::optional<Refusal> judge_pagerduty(const std::string& content_type, const std::string& body) {
  constexpr std::size_t kEventBytesMax = 512 << 10;
  if (body.size() > kEventBytesMax) return Refusal{413, "larger than 512 KB", ""};
  std::vector<std::string> errors;
  const json event = json::parse(body, nullptr, false);
  if (!content_type.starts_with("application/json")) errors.push_back("Content-Type must be application/json");
  if (!event.is_object()) {
    errors.push_back("the body is not a JSON object");
  } else {
    const json key = event.value("routing_key", json());
    if (!key.is_string() || key.get_ref<const std::string&>().empty()) {
      errors.push_back("'routing_key' is missing or blank");
    } else if (key.get_ref<const std::string&>().size() != 32) {
      errors.push_back("Length of 'routing_key' is incorrect (should be 32 characters)");
    }
    const json action = event.value("event_action", json());
    if (action != "trigger" && action != "acknowledge" && action != "resolve") {
      errors.push_back("'event_action' is missing or blank (must be one of 'trigger', 'acknowledge' or 'resolve')");
    }
    const json dedup = event.value("dedup_key", json());
    const bool named = dedup.is_string() && !dedup.get_ref<const std::string&>().empty();
    if (named && dedup.get_ref<const std::string&>().size() > 255)
      errors.push_back("'dedup_key' is longer than 255 characters");
    if (!named && action != "trigger") errors.push_back("'dedup_key' is missing or blank");
    if (action == "trigger") check_payload(event, errors);
    check_links(event, "links", "href", errors);
    check_links(event, "images", "src", errors);
  }
  if (errors.empty()) return std::nullopt;
  const json reply = {{"status", "invalid event"}, {"message", "Event object is invalid"}, {"errors", errors}};
  return Refusal{400, errors.front(), reply.dump()};
}

}  // namespace simulators
