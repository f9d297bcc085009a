// SPDX-License-Identifier: Apache-2.0
#include "core/config/document.h"

#include <algorithm>
#include <set>
#include <vector>

namespace core::config {
namespace {

constexpr std::string_view kListOf = "list of ";
constexpr std::string_view kMapOf = "map of string to ";
constexpr std::string_view kHidden = "<secret>";

// Every table that `root` leads to, itself first, in the order they are met.
std::vector<const TableDescription*> reachable(const TableDescription& root) {
  std::vector<const TableDescription*> tables = {&root};
  std::set<std::string> names = {root.name};
  for (std::size_t i = 0; i < tables.size(); ++i) {
    for (const FieldDescription& field : tables[i]->fields) {
      if (field.type.nested == nullptr) continue;
      const TableDescription* nested = field.type.nested();
      if (names.insert(nested->name).second) tables.push_back(nested);
    }
  }
  return tables;
}

// "list of object" is a "list of <scrape_config>".
std::string type_text(const TypeDescription& type, std::string_view before_name, std::string_view after_name) {
  std::string text = type.name;
  constexpr std::string_view kObject = "object";
  if (type.nested != nullptr && text.ends_with(kObject)) {
    text.resize(text.size() - kObject.size());
    text += fmt::format("{}{}{}", before_name, type.nested()->name, after_name);
  }
  if (type.name.ends_with("enum")) {
    text.resize(text.size() - std::string_view("enum").size());
    for (std::size_t i = 0; i < type.allowed.size(); ++i) text += (i == 0 ? "" : ", ") + type.allowed[i];
  }
  return text;
}

std::string markdown_cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|' || c == '<') cell += '\\';
    cell += c == '\n' ? ' ' : c;
  }
  return cell;
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string schema_of(const TypeDescription& type) {
  const std::string_view name = type.name;
  const auto inner = [&type](std::string_view prefix) {
    TypeDescription item = type;
    item.name = type.name.substr(prefix.size());
    return schema_of(item);
  };
  // An empty key is null, which keeps the default.
  if (name.starts_with(kListOf)) return fmt::format(R"({{"type": ["array", "null"], "items": {}}})", inner(kListOf));
  if (name.starts_with(kMapOf)) {
    return fmt::format(R"({{"type": ["object", "null"], "additionalProperties": {}}})", inner(kMapOf));
  }
  if (type.nested != nullptr) return fmt::format(R"({{"$ref": "#/$defs/{}"}})", type.nested()->name);
  if (name == "bool") return R"({"type": ["boolean", "null"]})";
  if (name == "int") return R"({"type": ["integer", "null"]})";
  if (name == "number") return R"({"type": ["number", "null"]})";
  if (name == "enum") {
    std::string allowed;
    for (const std::string& each : type.allowed) allowed += (allowed.empty() ? "" : ", ") + json_text(each);
    return fmt::format(R"({{"enum": [{}]}})", allowed);
  }
  if (name == "duration")
    return R"({"type": ["string", "integer", "null"], "pattern": "^([0-9]+(ms|[smhdwy]))+$|^0$"})";
  if (name == "size") return R"({"type": ["string", "integer", "null"], "pattern": "^([0-9]+([KMGTPE]i?)?B)+$|^0$"})";
  if (name == "string" || name == "secret" || name == "path") {
    return R"({"type": ["string", "number", "boolean", "null"]})";
  }
  return "{}";  // a form of its own: whatever it is, the agent's own reader says what is wrong with it
}

// Keys and defaults of a table as comment lines, those of nested maps below them.
void comment_fields(std::string& out, const TableDescription& table, std::size_t indent, int depth) {
  constexpr int kDepthMax = 4;  // deep enough for every table; a route holds routes without end
  for (const FieldDescription& field : table.fields) {
    const std::string margin(indent, ' ');
    const std::string value(field.options.example.empty() ? field.default_text : std::string(field.options.example));
    const bool is_map = field.type.nested != nullptr && field.type.name == "object";
    if (is_map && depth < kDepthMax) {
      out += fmt::format("#{}{}:  # {}\n", margin, field.key, field.options.help);
      comment_fields(out, *field.type.nested(), indent + 2, depth + 1);
    } else {
      out += fmt::format("#{}{}:{}{}  # {}\n", margin, field.key, value.empty() ? "" : " ", value, field.options.help);
    }
  }
}

bool is_plain(std::string_view text) {
  const auto is_safe = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '/' || c == '-';
  };
  return !text.empty() && text[0] != '-' && std::ranges::all_of(text, is_safe);
}

// Double quotes, so that any text stands on one line. Plain scalars stay plain where that cannot change their meaning.
std::string scalar_text(const Node& node) {
  const std::string& text = node.scalar();
  if (!node.is_quoted() && is_plain(text)) return text;
  return json_text(text);
}

// What is known of a value's type while it is printed; a key outside the description has none.
struct Shape {
  std::string name;
  const TableDescription* table = nullptr;

  static Shape of(const TypeDescription& type) { return {type.name, type.nested == nullptr ? nullptr : type.nested()}; }
  // Of an item of a list, or a value of a map of strings.
  Shape item(std::string_view prefix) const {
    return name.starts_with(prefix) ? Shape{name.substr(prefix.size()), table} : Shape{};
  }
  Shape value(std::string_view key) const {
    if (name.starts_with(kMapOf)) return item(kMapOf);
    if (table == nullptr) return {};
    const auto field = std::ranges::find(table->fields, key, &FieldDescription::key);
    return field == table->fields.end() ? Shape{} : of(field->type);
  }
};

void print_value(std::string& out, const Node& node, const Shape& shape, std::size_t indent) {
  const std::string margin(indent, ' ');
  const std::vector<Node> items = node.items();
  const std::vector<Entry> entries = node.entries();
  for (std::size_t i = 0; i < items.size(); ++i) {
    out += (i == 0 ? "" : margin) + "- ";
    print_value(out, items[i], shape.item(kListOf), indent + 2);
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::string& key = entries[i].key.scalar();
    const Node& value = entries[i].value;
    const bool block = !value.items().empty() || !value.entries().empty();
    out += (i == 0 ? "" : margin) + (is_plain(key) ? key : json_text(key)) + ":";
    out += block ? "\n" + margin + "  " : " ";
    print_value(out, value, shape.value(key), indent + 2);
  }
  if (!items.empty() || !entries.empty()) return;
  if (node.is_scalar()) {
    out += shape.name == "secret" ? std::string(kHidden) : scalar_text(node);
  } else {
    out += node.is_map() ? "{}" : node.is_sequence() ? "[]" : "null";
  }
  out += '\n';
}

}  // namespace

std::string reference_markdown(const TableDescription& root, std::string_view introduction) {
  std::string out(introduction);
  for (const TableDescription* table : reachable(root)) {
    out += fmt::format("\n## {}\n\n{}\n\n", table->name, table->help);
    if (!table->fields.empty()) out += "| key | type | default | |\n| --- | --- | --- | --- |\n";
    for (const FieldDescription& field : table->fields) {
      std::string type = field.type.nested == nullptr ? markdown_cell(type_text(field.type, "", "")) : "";
      if (field.type.nested != nullptr) {
        const std::string& name = field.type.nested()->name;
        std::string anchor = name;
        std::ranges::replace(anchor, ' ', '-');
        type = type_text(field.type, "[", "](#" + anchor + ")");
      }
      const std::string shown = field.options.required       ? "required"
                                : field.default_text.empty() ? ""
                                                             : "`" + field.default_text + "`";
      out += fmt::format("| `{}` | {} | {} | {}{} |\n", field.key, type, shown, markdown_cell(field.options.help),
                         field.options.reloadable ? "" : " Takes effect at the next start.");
    }
    if (table->refused.empty()) continue;
    out += "\nKnown and refused:\n\n";
    for (const auto& [key, why] : table->refused) out += fmt::format("- `{}`: {}\n", key, why);
  }
  return out;
}

std::string json_schema(const TableDescription& root, std::string_view title) {
  std::string definitions;
  for (const TableDescription* table : reachable(root)) {
    std::string properties;
    std::string required;
    for (const FieldDescription& field : table->fields) {
      std::string schema = schema_of(field.type);
      const bool empty = schema == "{}";
      schema.insert(1, fmt::format("\"description\": {}{}", json_text(field.options.help), empty ? "" : ", "));
      properties += fmt::format("{}\n        {}: {}", properties.empty() ? "" : ",", json_text(field.key), schema);
      if (field.options.required) required += (required.empty() ? "" : ", ") + json_text(field.key);
    }
    definitions += fmt::format(
        "{}\n    {}: {{\n      \"description\": {},\n      \"type\": [\"object\", \"null\"],\n      "
        "\"additionalProperties\": false,\n      \"required\": [{}],\n      \"properties\": {{{}\n      }}\n    }}",
        definitions.empty() ? "" : ",", json_text(table->name), json_text(table->help), required, properties);
  }
  return fmt::format(
      "{{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n  \"title\": {},\n  \"$ref\": "
      "\"#/$defs/{}\",\n  \"$defs\": {{{}\n  }}\n}}\n",
      json_text(title), root.name, definitions);
}

std::string example_yaml(const TableDescription& root, std::string_view introduction) {
  std::string out(introduction);
  for (const FieldDescription& field : root.fields) {
    out += fmt::format("\n# {}\n", field.options.help);
    const std::string_view example = field.options.example;
    if (example.starts_with('\n')) {
      out += fmt::format("{}:{}", field.key, example);
    } else if (example.starts_with('#')) {
      out += example;
    } else if (!example.empty()) {
      out += fmt::format("{}: {}\n", field.key, example);
    } else if (field.type.nested != nullptr && field.type.name == "object") {
      out += fmt::format("#{}:\n", field.key);
      comment_fields(out, *field.type.nested(), 2, 1);
    } else {
      out += fmt::format("#{}: {}\n", field.key, field.default_text.empty() ? "[]" : field.default_text);
    }
  }
  return out;
}

std::string print_yaml(const Node& node, const TableDescription& description) {
  std::string out;
  print_value(out, node, {"object", &description}, 0);
  return out;
}

}  // namespace core::config
