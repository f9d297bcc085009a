// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/result.h"
#include "rules/template/template.h"
#include "rules/template/value.h"

namespace rules::templates {

// A place in the template text, both from 1; the column in bytes.
struct Position {
  std::size_t line = 1;
  std::size_t column = 1;
};

struct Pipeline;
using PipelinePtr = std::shared_ptr<const Pipeline>;

// What a command is made of: one operand, with the fields taken from it.
struct Operand {
  enum class Kind { kDot, kNil, kConstant, kVariable, kFunction, kPipeline };
  Kind kind{};
  Value constant;                   // of kConstant
  std::string name;                 // of kVariable (with its $) and kFunction
  PipelinePtr pipeline;             // of kPipeline: what stands in parentheses
  std::vector<std::string> fields;  // .a.b after it; for kDot of dot itself
  Position position;
  std::string text;  // for messages
};

// A function or method with its arguments, or a single operand.
struct Command {
  std::vector<Operand> operands;  // never empty
  Position position;
};

enum class Binding { kNone, kDeclare, kAssign };

struct Pipeline {
  Binding binding = Binding::kNone;
  std::vector<std::string> variables;  // two only for range
  std::vector<Command> commands;       // never empty
  Position position;
};

struct Node;
using NodeList = std::vector<Node>;

struct TextNode {
  std::string text;
};
struct ActionNode {
  Pipeline pipeline;
};
enum class BranchKind { kIf, kWith, kRange };
struct BranchNode {
  BranchKind kind{};
  Pipeline pipeline;
  std::shared_ptr<const NodeList> body;
  std::shared_ptr<const NodeList> otherwise;  // null without {{else}}
};
struct CallNode {  // {{template "name" pipeline}}
  std::string name;
  std::optional<Pipeline> argument;
};
struct BreakNode {};
struct ContinueNode {};

struct Node {
  std::variant<TextNode, ActionNode, BranchNode, CallNode, BreakNode, ContinueNode> content;
  Position position;
};

// A parsed template with those it defines.
//
// Thread safety: immutable after parsing.
struct Template {
  std::string name;
  NodeList body;
  std::map<std::string, std::shared_ptr<const NodeList>> defined;
};

// Variables that exist before the first action of an alert's template.
inline constexpr std::string_view kPredeclared[] = {"$", "$labels", "$externalLabels", "$externalURL", "$value"};

// kInvalid `template: NAME:LINE: ...`.
core::Result<Template> parse_template(std::string_view text, std::string_view name, const Limits& limits);

}  // namespace rules::templates
