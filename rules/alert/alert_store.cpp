// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/alert_store.h"

#include <array>
#include <limits>

#include <nlohmann/json.hpp>

namespace rules {
namespace {

using core::Result;
using core::WallTime;
using core::ring::Label;
using core::ring::Labels;
using core::store::Row;
using core::store::Statement;
using nlohmann::json;

// Times are nanoseconds since the Unix epoch: the slot arithmetic of `for` must come out the same after a restart.
constexpr std::array kMigrations = {core::store::Migration{"alerts", R"sql(
CREATE TABLE alert (
  file TEXT NOT NULL,
  rule_group TEXT NOT NULL,
  rule TEXT NOT NULL,
  rule_labels TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  labels TEXT NOT NULL,            -- JSON object
  annotations TEXT NOT NULL,       -- JSON object
  state TEXT NOT NULL CHECK (state IN ('inactive', 'pending', 'firing')),
  announced TEXT NOT NULL CHECK (announced IN ('inactive', 'pending', 'firing')),
  value_text TEXT NOT NULL,        -- as C's %a, so that infinities and NaN survive
  active_at_ns INTEGER NOT NULL,
  fired_at_ns INTEGER,
  keep_firing_since_ns INTEGER,
  resolved_at_ns INTEGER,
  last_sent_at_ns INTEGER,
  seen_at_ns INTEGER NOT NULL,
  generator_url TEXT NOT NULL,
  PRIMARY KEY (file, rule_group, rule, rule_labels, ordinal, labels)
) WITHOUT ROWID;
)sql"}};

constexpr std::string_view kPut = R"sql(
INSERT INTO alert (file, rule_group, rule, rule_labels, ordinal, labels, annotations, state, announced, value_text,
                   active_at_ns, fired_at_ns, keep_firing_since_ns, resolved_at_ns, last_sent_at_ns, seen_at_ns,
                   generator_url)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
ON CONFLICT DO UPDATE SET annotations = ?7, state = ?8, announced = ?9, value_text = ?10, active_at_ns = ?11,
  fired_at_ns = ?12, keep_firing_since_ns = ?13, resolved_at_ns = ?14, last_sent_at_ns = ?15, seen_at_ns = ?16,
  generator_url = ?17
)sql";

constexpr std::string_view kErase = R"sql(
DELETE FROM alert
WHERE file = ?1 AND rule_group = ?2 AND rule = ?3 AND rule_labels = ?4 AND ordinal = ?5 AND labels = ?6
)sql";

constexpr std::string_view kLoad = R"sql(
SELECT file, rule_group, rule, rule_labels, ordinal, labels, annotations, state, announced, value_text,
       active_at_ns, fired_at_ns, keep_firing_since_ns, resolved_at_ns, last_sent_at_ns, seen_at_ns, generator_url
FROM alert
)sql";

std::int64_t to_ns(WallTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

WallTime from_ns(std::int64_t ns) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(ns)));
}

void bind_time(Statement& statement, int parameter, const std::optional<WallTime>& time) {
  if (time) {
    statement.bind(parameter, to_ns(*time));
  } else {
    statement.bind_null(parameter);
  }
}

std::optional<WallTime> optional_time(const Row& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return from_ns(row.integer(column));
}

// Labels and annotations came from outside and may hold bytes that are not UTF-8; those are replaced.
std::string dump(const json& object) { return object.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string labels_text(const Labels& labels) {
  json object = json::object();
  for (const Label& label : labels) object[label.name] = label.value;
  return dump(object);
}

std::map<std::string, std::string> read_texts(const std::string& text) {
  std::map<std::string, std::string> texts;
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return texts;
  for (const auto& [name, value] : object.items()) {
    if (value.is_string()) texts.emplace(name, value.get<std::string>());
  }
  return texts;
}

AlertState state_of(std::string_view text) {
  if (text == "firing") return AlertState::kFiring;
  return text == "pending" ? AlertState::kPending : AlertState::kInactive;
}

Alert read_alert(const Row& row) {
  Alert alert;
  std::vector<Label> pairs;
  for (auto& [name, value] : read_texts(row.text(5))) pairs.push_back({name, value});
  alert.labels = Labels(std::move(pairs));
  alert.annotations = read_texts(row.text(6));
  alert.state = state_of(row.text(7));
  alert.announced = state_of(row.text(8));
  alert.value = std::strtod(row.text(9).c_str(), nullptr);
  alert.active_at = from_ns(row.integer(10));
  alert.fired_at = optional_time(row, 11);
  alert.keep_firing_since = optional_time(row, 12);
  alert.resolved_at = optional_time(row, 13);
  alert.last_sent_at = optional_time(row, 14);
  alert.seen_at = from_ns(row.integer(15));
  return alert;
}

void bind_rule(Statement& statement, const RuleKey& rule) {
  statement.bind(1, std::string_view(rule.file));
  statement.bind(2, std::string_view(rule.group));
  statement.bind(3, std::string_view(rule.name));
  statement.bind(4, std::string_view(rule.labels));
  statement.bind(5, static_cast<std::int64_t>(rule.ordinal));
}

}  // namespace

Result<std::unique_ptr<AlertStore>> AlertStore::open(const std::string& path) {
  auto database = core::store::Database::open(path, kMigrations, core::store::Durability::kNormal);
  if (!database) return core::fail(database.error().with_context("opening the alert states"));
  return std::unique_ptr<AlertStore>(new AlertStore(std::move(*database)));
}

Result<std::map<RuleKey, StoredRule>> AlertStore::load() {
  const std::lock_guard lock(mutex_);
  std::map<RuleKey, StoredRule> rules;
  Result<Statement> statement = database_.prepare(kLoad);
  if (!statement) return core::fail(statement.error());
  const Result<void> read = statement->rows([&rules](const Row& row) {
    RuleKey key{row.text(0), row.text(1), row.text(2), row.text(3), static_cast<int>(row.integer(4))};
    StoredRule& rule = rules[std::move(key)];
    rule.generator_url = row.text(16);
    Alert alert = read_alert(row);
    core::ring::Labels labels = alert.labels;
    rule.alerts.emplace(std::move(labels), std::move(alert));
  });
  if (!read) return core::fail(read.error().with_context("reading the alert states"));
  return rules;
}

Result<AlertTable> AlertStore::save(const RuleKey& rule, const std::string& generator_url, const AlertTable& stored,
                                    const AlertTable& now) {
  std::vector<const Labels*> gone;
  std::vector<const Alert*> changed;
  for (const auto& [labels, alert] : stored) {
    if (!now.contains(labels)) gone.push_back(&labels);
  }
  for (const auto& [labels, alert] : now) {
    const auto before = stored.find(labels);
    if (before == stored.end() || worth_storing(before->second, alert)) changed.push_back(&alert);
  }
  if (gone.empty() && changed.empty()) return stored;

  const std::lock_guard lock(mutex_);
  const Result<void> written = database_.transaction([&]() -> Result<void> {
    for (const Labels* labels : gone) {
      if (auto done = erase(rule, *labels); !done) return done;
    }
    for (const Alert* alert : changed) {
      if (auto done = put(rule, generator_url, *alert); !done) return done;
    }
    return {};
  });
  if (!written) return core::fail(written.error().with_context("writing the alert states of {}", rule.name));
  AlertTable result = stored;
  for (const Labels* labels : gone) result.erase(*labels);
  for (const Alert* alert : changed) result.insert_or_assign(alert->labels, *alert);
  return result;
}

Result<void> AlertStore::put(const RuleKey& rule, const std::string& generator_url, const Alert& alert) {
  Result<Statement> statement = database_.prepare(kPut);
  if (!statement) return core::fail(statement.error());
  json annotations = json::object();
  for (const auto& [name, value] : alert.annotations) annotations[name] = value;
  const std::string labels = labels_text(alert.labels);
  const std::string annotations_text = dump(annotations);
  const std::string value = fmt::format("{:a}", alert.value);
  bind_rule(*statement, rule);
  statement->bind(6, std::string_view(labels));
  statement->bind(7, std::string_view(annotations_text));
  statement->bind(8, to_string(alert.state));
  statement->bind(9, to_string(alert.announced));
  statement->bind(10, std::string_view(value));
  statement->bind(11, to_ns(alert.active_at));
  bind_time(*statement, 12, alert.fired_at);
  bind_time(*statement, 13, alert.keep_firing_since);
  bind_time(*statement, 14, alert.resolved_at);
  bind_time(*statement, 15, alert.last_sent_at);
  statement->bind(16, to_ns(alert.seen_at));
  statement->bind(17, std::string_view(generator_url));
  return statement->run();
}

Result<void> AlertStore::erase(const RuleKey& rule, const Labels& labels) {
  Result<Statement> statement = database_.prepare(kErase);
  if (!statement) return core::fail(statement.error());
  const std::string text = labels_text(labels);
  bind_rule(*statement, rule);
  statement->bind(6, std::string_view(text));
  return statement->run();
}

}  // namespace rules
