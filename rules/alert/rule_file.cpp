// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <set>
#include <span>
#include <utility>

#include "core/config/codec.h"
#include "core/ring/labels.h"
#include "rules/promql/parser.h"
#include "rules/promql/printer.h"
#include "rules/template/template.h"

namespace rules {
namespace {

using core::Errc;
using core::Error;
using core::Millis;
using core::config::Codec;
using core::config::Entry;
using core::config::Node;
using core::config::Position;

using Texts = std::map<std::string, std::string>;

constexpr std::array<std::string_view, 1> kFileKeys = {"groups"};
constexpr std::array<std::string_view, 6> kGroupKeys = {"name", "interval", "query_offset", "limit", "labels", "rules"};
constexpr std::array<std::string_view, 7> kRuleKeys = {"record", "alert",       "expr",           "for",
                                                       "labels", "annotations", "keep_firing_for"};

// "3:7: parse error: ..." taken apart.
struct PlacedMessage {
  int line = 0;
  int column = 0;
  bool placed = false;
};

PlacedMessage place_of_parse_error(std::string_view message) {
  PlacedMessage found;
  const char* const end = message.data() + message.size();
  const auto line = std::from_chars(message.data(), end, found.line);
  if (line.ec != std::errc() || line.ptr == end || *line.ptr != ':') return found;
  const auto column = std::from_chars(line.ptr + 1, end, found.column);
  found.placed = column.ec == std::errc() && column.ptr != end && *column.ptr == ':';
  return found;
}

bool is_label_name(std::string_view name) { return !name.empty() && core::ring::is_valid_utf8(name); }

// Reads one file, going on after each error.
class FileReader {
 public:
  std::vector<RuleGroupSpec> read(const Node& file);
  RuleErrors take_errors() { return std::move(errors_); }

 private:
  RuleGroupSpec read_group(const Node& node, const std::string& file);
  void read_rule(const Node& node, RuleGroupSpec& group, const Texts& group_labels, std::size_t number);
  void read_kind(const Node& node, RuleSpec& rule);
  void read_expression(const Node& node, RuleSpec& rule);
  void check_recording(const Node& node, const RuleSpec& rule);
  void check_annotations(const Node& annotations, const RuleSpec& rule);
  void check_labels(const Node& labels, const RuleSpec& rule);
  void check_template(const Node& text, const RuleSpec& rule, std::string_view what, std::string_view name);

  Texts read_texts(const Node& node);
  std::string read_text(const Node& node);
  template <class T>
  void read_value(const Node& node, T& target);
  void check_keys(const Node& node, std::span<const std::string_view> known, std::string_view what);

  void fail_at(const Position& position, std::string message) {
    errors_.push_back({Errc::kInvalid, position.to_string() + ": " + context_ + std::move(message)});
  }
  void fail_at(const Node& node, std::string message) { fail_at(node.position(), std::move(message)); }

  RuleErrors errors_;
  std::string context_;  // group "g", rule 2, "name":
};

void FileReader::check_keys(const Node& node, std::span<const std::string_view> known, std::string_view what) {
  for (const Entry& entry : node.entries()) {
    const std::string key = entry.key.is_scalar() ? entry.key.scalar() : entry.key.describe();
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    fail_at(entry.key,
            fmt::format("unknown key \"{}\" in a {}, expected one of {}", key, what, fmt::join(known, ", ")));
  }
}

std::string FileReader::read_text(const Node& node) {
  if (node.is_null()) return "";
  core::Result<std::string> text = Codec<std::string>::read(node);
  if (text) return std::move(*text);
  errors_.push_back(text.error());
  return "";
}

template <class T>
void FileReader::read_value(const Node& node, T& target) {
  if (node.is_null()) return;
  if (core::Result<T> value = Codec<T>::read(node)) {
    target = std::move(*value);
  } else {
    errors_.push_back(value.error());
  }
}

Texts FileReader::read_texts(const Node& node) {
  Texts texts;
  if (!node.is_map() && !node.is_null()) fail_at(node, fmt::format("expected a map, got {}", node.describe()));
  for (const Entry& entry : node.entries()) texts.emplace(read_text(entry.key), read_text(entry.value));
  return texts;
}

std::vector<RuleGroupSpec> FileReader::read(const Node& file) {
  std::vector<RuleGroupSpec> groups;
  if (file.is_null()) return groups;
  if (!file.is_map()) {
    fail_at(file, fmt::format("expected a map with the key \"groups\", got {}", file.describe()));
    return groups;
  }
  check_keys(file, kFileKeys, "rule file");
  const Node list = file.find("groups");
  if (!list.is_sequence() && !list.is_null()) {
    fail_at(list, fmt::format("groups: expected a list of groups, got {}", list.describe()));
  }
  std::set<std::string> names;
  for (const Node& node : list.items()) {
    RuleGroupSpec group = read_group(node, file.position().file);
    if (!group.name.empty() && !names.insert(group.name).second) {
      fail_at(node, fmt::format("groupname: \"{}\" is repeated in the same file", group.name));
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

RuleGroupSpec FileReader::read_group(const Node& node, const std::string& file) {
  RuleGroupSpec group;
  group.file = file;
  if (!node.is_map()) {
    fail_at(node, fmt::format("expected a group (a map with name and rules), got {}", node.describe()));
    return group;
  }
  check_keys(node, kGroupKeys, "group");
  group.name = read_text(node.find("name"));
  if (group.name.empty()) fail_at(node, "Groupname must not be empty");
  Millis interval{0};
  read_value(node.find("interval"), interval);
  if (interval > Millis::zero()) group.interval = interval;
  if (const Node offset = node.find("query_offset"); !offset.is_null())
    read_value(offset, group.query_offset.emplace());
  if (const Node limit = node.find("limit"); !limit.is_null()) {
    // Prometheus takes a negative limit for none.
    constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
    if (auto value = core::config::read_integer(limit, -kMost, kMost)) {
      group.limit = static_cast<std::size_t>(std::max<std::int64_t>(0, *value));
    } else {
      errors_.push_back(value.error());
    }
  }
  const Texts labels = read_texts(node.find("labels"));
  for (const auto& [name, value] : labels) {
    if (!is_label_name(name) || name == core::ring::kMetricName) {
      fail_at(node.find("labels"), fmt::format("invalid label name: {}", name));
    }
  }
  const Node rules = node.find("rules");
  if (!rules.is_sequence() && !rules.is_null()) {
    fail_at(rules, fmt::format("rules: expected a list of rules, got {}", rules.describe()));
  }
  std::size_t number = 0;
  for (const Node& rule : rules.items()) read_rule(rule, group, labels, ++number);
  return group;
}

void FileReader::read_rule(const Node& node, RuleGroupSpec& group, const Texts& group_labels, std::size_t number) {
  if (!node.is_map()) {
    fail_at(node, fmt::format("expected a rule (a map with record or alert, and expr), got {}", node.describe()));
    return;
  }
  RuleSpec rule;
  rule.position = node.position();
  rule.kind = node.find("alert").is_null() ? RuleKind::kRecording : RuleKind::kAlerting;
  rule.name = read_text(node.find(rule.kind == RuleKind::kAlerting ? "alert" : "record"));
  context_ = fmt::format("group \"{}\", rule {}, \"{}\": ", group.name, number, rule.name);
  check_keys(node, kRuleKeys, "rule");
  read_kind(node, rule);
  read_expression(node, rule);
  read_value(node.find("for"), rule.hold_for);
  read_value(node.find("keep_firing_for"), rule.keep_firing_for);
  rule.labels = read_texts(node.find("labels"));
  rule.annotations = read_texts(node.find("annotations"));
  if (rule.kind == RuleKind::kRecording) {
    check_recording(node, rule);
  } else {
    check_annotations(node.find("annotations"), rule);
  }
  check_labels(node.find("labels"), rule);
  rule.labels.insert(group_labels.begin(), group_labels.end());
  context_.clear();
  group.rules.push_back(std::move(rule));
}

void FileReader::read_kind(const Node& node, RuleSpec& rule) {
  const Node record = node.find("record");
  const Node alert = node.find("alert");
  if (!record.is_null() && !alert.is_null()) {
    const Position other = alert.position();
    fail_at(record, fmt::format("only one of 'record' and 'alert' must be set, alert stands at {}:{}", other.line,
                                other.column));
  } else if (rule.name.empty()) {
    fail_at(record.is_null() && alert.is_null() ? node : (alert.is_null() ? record : alert),
            "one of 'record' or 'alert' must be set");
  }
}

void FileReader::read_expression(const Node& node, RuleSpec& rule) {
  const Node expr = node.find("expr");
  const std::string query = read_text(expr);
  if (query.empty()) {
    fail_at(expr.is_null() ? node : expr, "field 'expr' must be set in rule");
    return;
  }
  core::Result<promql::ExprPtr> parsed = promql::parse(query);
  if (parsed) {
    rule.expr = std::move(*parsed);
    rule.query = promql::print(*rule.expr);
    return;
  }
  const std::string& message = parsed.error().message;
  const PlacedMessage placed = place_of_parse_error(message);
  fail_at(placed.placed ? place_in_scalar(expr, placed.line, placed.column) : expr.position(),
          "could not parse expression: " + message);
}

void FileReader::check_recording(const Node& node, const RuleSpec& rule) {
  for (const std::string_view key : {"annotations", "for", "keep_firing_for"}) {
    const Node given = node.find(key);
    const bool empty_map = given.is_map() && given.entries().empty();
    const bool zero = given.is_scalar() && (given.scalar() == "0" || given.scalar() == "0s");
    if (given.is_null() || empty_map || zero) continue;
    fail_at(given, fmt::format("invalid field '{}' in recording rule", key));
  }
  const Node record = node.find("record");
  if (record.is_null() || rule.name.empty()) return;
  if (!core::ring::is_valid_utf8(rule.name)) fail_at(record, "invalid recording rule name: " + rule.name);
  if (rule.name.find_first_of("{}") != std::string::npos) {
    fail_at(record, "braces present in the recording rule name; should it be in expr?: " + rule.name);
  }
}

void FileReader::check_annotations(const Node& annotations, const RuleSpec& rule) {
  for (const Entry& entry : annotations.entries()) {
    const std::string name = entry.key.is_scalar() ? entry.key.scalar() : "";
    if (!is_label_name(name)) fail_at(entry.key, "invalid annotation name: " + name);
    check_template(entry.value, rule, "annotation", name);
  }
}

void FileReader::check_labels(const Node& labels, const RuleSpec& rule) {
  for (const Entry& entry : labels.entries()) {
    const std::string name = entry.key.is_scalar() ? entry.key.scalar() : "";
    if (!is_label_name(name) || name == core::ring::kMetricName) fail_at(entry.key, "invalid label name: " + name);
    if (entry.value.is_scalar() && !core::ring::is_valid_utf8(entry.value.scalar())) {
      fail_at(entry.value, "invalid label value: " + core::ring::go_quote(entry.value.scalar()));
    }
    if (rule.kind == RuleKind::kAlerting) check_template(entry.value, rule, "label", name);
  }
}

void FileReader::check_template(const Node& text, const RuleSpec& rule, std::string_view what, std::string_view name) {
  if (!text.is_scalar()) return;
  if (auto valid = templates::check(text.scalar(), "__alert_" + rule.name); !valid) {
    fail_at(text, fmt::format("{} \"{}\": {}", what, name, valid.error().message));
  }
}

Checked<std::vector<RuleGroupSpec>> read_document(const core::Result<Node>& document) {
  if (!document) return tl::unexpected(RuleErrors{document.error()});
  FileReader reader;
  std::vector<RuleGroupSpec> groups = reader.read(*document);
  RuleErrors errors = reader.take_errors();
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  return groups;
}

}  // namespace

Checked<std::vector<RuleGroupSpec>> parse_rule_file(std::string_view text, const std::string& path) {
  return read_document(Node::parse(text, path));
}

Checked<std::vector<RuleGroupSpec>> read_rule_file(const std::string& path) {
  return read_document(Node::parse_file(path));
}

Checked<std::vector<RuleGroupSpec>> load_rule_files(const std::vector<std::string>& patterns) {
  core::Result<RuleFiles> files = find_rule_files(patterns);
  if (!files) return tl::unexpected(RuleErrors{files.error()});
  std::vector<RuleGroupSpec> all;
  RuleErrors errors;
  for (const std::string& path : files->paths) {
    auto groups = read_rule_file(path);
    if (groups) {
      std::move(groups->begin(), groups->end(), std::back_inserter(all));
    } else {
      std::move(groups.error().begin(), groups.error().end(), std::back_inserter(errors));
    }
  }
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  return all;
}

RuleFileCheck check_rule_file(const std::string& path) {
  RuleFileCheck check;
  auto groups = read_rule_file(path);
  if (!groups) {
    check.errors = std::move(groups.error());
    return check;
  }
  check.groups = groups->size();
  std::map<std::pair<std::string, Texts>, Position> seen;
  for (const RuleGroupSpec& group : *groups) {
    for (const RuleSpec& rule : group.rules) {
      ++(rule.kind == RuleKind::kAlerting ? check.alerting_rules : check.recording_rules);
      const auto [first, fresh] = seen.emplace(std::pair(rule.name, rule.labels), rule.position);
      if (fresh) continue;
      check.warnings.push_back(fmt::format("{}: \"{}\" has the same name and labels as the rule at {}:{}",
                                           rule.position.to_string(), rule.name, first->second.line,
                                           first->second.column));
    }
  }
  return check;
}

}  // namespace rules
