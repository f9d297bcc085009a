// SPDX-License-Identifier: Apache-2.0
#include "actions/receivers/go_json.h"

#include <nlohmann/json.hpp>

#include "core/time/duration.h"

namespace actions::receivers {

using nlohmann::ordered_json;

std::string go_dump(const ordered_json& value) {
  const std::string plain = value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  std::string escaped;
  escaped.reserve(plain.size() + plain.size() / 16);
  // <, > and & stand only inside JSON strings, so that replacing them anywhere is safe.
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const char c = plain[i];
    if (c == '<') {
      escaped += "\\u003c";
    } else if (c == '>') {
      escaped += "\\u003e";
    } else if (c == '&') {
      escaped += "\\u0026";
    } else if (plain.compare(i, 3, "\xe2\x80\xa8") == 0 || plain.compare(i, 3, "\xe2\x80\xa9") == 0) {
      escaped += plain[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      escaped += c;
    }
  }
  return escaped;
}

ordered_json go_map(const std::map<std::string, std::string>& map) {
  ordered_json object = ordered_json::object();
  for (const auto& [name, value] : map) object[name] = value;
  return object;
}

ordered_json alert_object(const Alert& alert) {
  ordered_json labels = ordered_json::object();
  for (const core::ring::Label& label : alert.labels) labels[label.name] = label.value;
  ordered_json object;
  object["status"] = alert.status();
  object["labels"] = std::move(labels);
  object["annotations"] = go_map(alert.annotations);
  object["startsAt"] = core::format_rfc3339(alert.starts_at);
  object["endsAt"] = alert.ends_at ? core::format_rfc3339(*alert.ends_at) : "0001-01-01T00:00:00Z";
  object["generatorURL"] = alert.generator_url;
  object["fingerprint"] = fmt::format("{:016x}", alert.labels.fingerprint());
  return object;
}

std::string escaped_receiver(const std::string& name) {
  std::string escaped;
  for (const char c : name) {
    // Go's regexp.QuoteMeta.
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace actions::receivers
