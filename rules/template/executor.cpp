// SPDX-License-Identifier: Apache-2.0
#include "rules/template/executor.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/ring/labels.h"
#include "rules/template/time_methods.h"

namespace rules::templates {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::ring::go_quote;

enum class Flow { kNext, kBreak, kContinue };

// Reading a long string costs more than one step, so that copies of it are bounded too.
constexpr std::size_t kBytesPerStep = 256;

class Executor {
 public:
  Executor(const Template& parsed, FunctionContext& context)
      : template_(parsed), context_(context), limits_(context.limits), running_(parsed.name) {}

  Result<std::string> run() {
    const AlertContext& data = context_.data;
    Map root;
    root.kind = MapKind::kFields;
    root.entries.emplace("Labels", labels_value(data.labels));
    root.entries.emplace("ExternalLabels", labels_value(data.external_labels));
    root.entries.emplace("ExternalURL", Value(data.external_url));
    root.entries.emplace("Value", Value(data.value));
    const std::map<std::string, Value>& fields = root.entries;
    const Value dot(root);
    variables_ = {{"$", dot},
                  {"$labels", fields.at("Labels")},
                  {"$externalLabels", fields.at("ExternalLabels")},
                  {"$externalURL", fields.at("ExternalURL")},
                  {"$value", fields.at("Value")}};
    const auto done = list(template_.body, dot);
    if (!done) return fail(done.error());
    return std::move(output_);
  }

 private:
  struct Variable {
    std::string name;
    Value value;
  };

  // Names what is executed where, as Go does.
  tl::unexpected<core::Error> wrong(Position position, std::string_view text, std::string_view message,
                                    Errc code = Errc::kFailed) const {
    return fail(code, "template: {}:{}:{}: executing {} at <{}>: {}", template_.name, position.line, position.column,
                go_quote(running_), text, message);
  }

  Result<void> spend(std::size_t steps, Position position) {
    steps_ += steps;
    if (steps_ <= limits_.steps) return {};
    return wrong(position, "...", fmt::format("takes more than {} steps", limits_.steps), Errc::kLimitExceeded);
  }

  static std::size_t cost_of(const Value& value) {
    const auto* text = value.as<std::string>();
    return 1 + (text != nullptr ? text->size() / kBytesPerStep : 0);
  }

  Result<void> write(std::string_view text, Position position) {
    if (output_.size() + text.size() > limits_.output_bytes) {
      return wrong(position, "...", fmt::format("result is longer than {} bytes", limits_.output_bytes),
                   Errc::kLimitExceeded);
    }
    output_ += text;
    return {};
  }

  Result<Flow> list(const NodeList& nodes, const Value& dot) {
    if (depth_ >= limits_.nesting) {
      return wrong({}, "...", fmt::format("nested deeper than {} levels", limits_.nesting), Errc::kLimitExceeded);
    }
    ++depth_;
    const std::size_t mark = variables_.size();
    Flow flow = Flow::kNext;
    for (const Node& node : nodes) {
      if (auto spent = spend(1, node.position); !spent) return fail(spent.error());
      auto done = this->node(node, dot);
      if (!done) return done;
      flow = *done;
      if (flow != Flow::kNext) break;
    }
    variables_.resize(mark);
    --depth_;
    return flow;
  }

  Result<Flow> node(const Node& node, const Value& dot) {
    if (const auto* text = std::get_if<TextNode>(&node.content)) {
      if (auto done = write(text->text, node.position); !done) return fail(done.error());
    } else if (const auto* action = std::get_if<ActionNode>(&node.content)) {
      auto value = pipeline(action->pipeline, dot);
      if (!value) return fail(value.error());
      if (action->pipeline.binding != Binding::kNone) return Flow::kNext;
      if (auto done = write(text_of(*value), node.position); !done) return fail(done.error());
    } else if (const auto* branch = std::get_if<BranchNode>(&node.content)) {
      return branch->kind == BranchKind::kRange ? range(*branch, dot) : condition(*branch, dot);
    } else if (const auto* call = std::get_if<CallNode>(&node.content)) {
      return this->call(*call, dot, node.position);
    } else if (std::holds_alternative<BreakNode>(node.content)) {
      return Flow::kBreak;
    } else {
      return Flow::kContinue;
    }
    return Flow::kNext;
  }

  Result<Flow> condition(const BranchNode& node, const Value& dot) {
    const std::size_t mark = variables_.size();
    const auto value = pipeline(node.pipeline, dot);
    if (!value) return fail(value.error());
    Result<Flow> flow = Flow::kNext;
    if (truth(*value)) {
      flow = list(*node.body, node.kind == BranchKind::kWith ? *value : dot);
    } else if (node.otherwise) {
      flow = list(*node.otherwise, dot);
    }
    variables_.resize(std::min(mark, variables_.size()));
    return flow;
  }

  // What range walks over: keys (or indices) with values.
  Result<std::vector<std::pair<Value, Value>>> elements(const Value& value, const BranchNode& node) {
    std::vector<std::pair<Value, Value>> pairs;
    if (const List* items = value.list()) {
      for (std::size_t i = 0; i < items->size(); ++i) pairs.emplace_back(static_cast<std::int64_t>(i), (*items)[i]);
    } else if (const Map* map = value.map(); map != nullptr && map->kind != MapKind::kFields) {
      for (const auto& [key, element] : map->entries) pairs.emplace_back(Value(key), element);
    } else if (const auto* count = value.as<std::int64_t>()) {
      if (*count > 0 && static_cast<std::uint64_t>(*count) > limits_.steps) {
        return wrong(node.pipeline.position, "range", fmt::format("takes more than {} steps", limits_.steps),
                     Errc::kLimitExceeded);
      }
      for (std::int64_t i = 0; i < *count; ++i) pairs.emplace_back(i, i);
    } else if (!value.is_nil()) {
      return wrong(node.pipeline.position, "range", fmt::format("range can't iterate over {}", text_of(value)));
    }
    return pairs;
  }

  Result<Flow> range(const BranchNode& node, const Value& dot) {
    const std::size_t mark = variables_.size();
    const auto value = pipeline_value(node.pipeline, dot);
    if (!value) return fail(value.error());
    const auto pairs = elements(*value, node);
    if (!pairs) return fail(pairs.error());
    if (pairs->empty()) return node.otherwise ? list(*node.otherwise, dot) : Result<Flow>(Flow::kNext);
    for (const auto& [key, element] : *pairs) {
      variables_.resize(mark);
      const auto& names = node.pipeline.variables;
      if (names.size() == 1) bind(node.pipeline.binding, names[0], element);
      if (names.size() == 2) {
        bind(node.pipeline.binding, names[0], key);
        bind(node.pipeline.binding, names[1], element);
      }
      if (auto spent = spend(1, node.pipeline.position); !spent) return fail(spent.error());
      const auto flow = list(*node.body, element);
      if (!flow) return flow;
      if (*flow == Flow::kBreak) break;
    }
    variables_.resize(mark);
    return Flow::kNext;
  }

  Result<Flow> call(const CallNode& node, const Value& dot, Position position) {
    const auto found = template_.defined.find(node.name);
    if (found == template_.defined.end()) {
      return wrong(position, "{{template " + go_quote(node.name) + "}}",
                   fmt::format("template {} not defined", go_quote(node.name)));
    }
    Value argument;
    if (node.argument) {
      auto value = pipeline(*node.argument, dot);
      if (!value) return fail(value.error());
      argument = std::move(*value);
    }
    std::vector<Variable> outside = std::exchange(variables_, {{"$", argument}});
    const std::string name = std::exchange(running_, node.name);
    auto flow = list(*found->second, argument);
    if (!flow) return flow;
    running_ = name;
    variables_ = std::move(outside);
    return Flow::kNext;
  }

  void bind(Binding binding, const std::string& name, const Value& value) {
    if (binding == Binding::kDeclare) {
      variables_.push_back({name, value});
      return;
    }
    for (std::size_t i = variables_.size(); i-- > 0;) {
      if (variables_[i].name == name) {
        variables_[i].value = value;
        return;
      }
    }
  }

  Result<Value> pipeline(const Pipeline& pipe, const Value& dot) {
    auto value = pipeline_value(pipe, dot);
    if (value && !pipe.variables.empty()) bind(pipe.binding, pipe.variables.front(), *value);
    return value;
  }

  Result<Value> pipeline_value(const Pipeline& pipe, const Value& dot) {
    std::optional<Value> piped;
    for (const Command& node : pipe.commands) {
      auto value = command(node, dot, piped);
      if (!value) return value;
      piped = std::move(*value);
    }
    CHECK(piped.has_value(), "a pipeline has commands");
    return std::move(*piped);
  }

  Result<Value> command(const Command& node, const Value& dot, const std::optional<Value>& piped) {
    const Operand& first = node.operands.front();
    if (first.kind == Operand::Kind::kFunction && first.fields.empty()) return function(node, dot, piped);
    if (is_method_call(node)) return method(node, dot);
    if (node.operands.size() > 1 || piped) {
      return wrong(first.position, first.text, fmt::format("can't give argument to non-function {}", first.text));
    }
    if (first.kind == Operand::Kind::kNil) return wrong(first.position, "nil", "nil is not a command");
    return operand(first, dot);
  }

  static bool is_method_call(const Command& node) {
    const Operand& first = node.operands.front();
    return node.operands.size() > 1 && !first.fields.empty() && takes_arguments(first.fields.back());
  }

  // (toTime $value).Format "2006-01-02"
  Result<Value> method(const Command& node, const Value& dot) {
    Operand receiver = node.operands.front();
    const std::string name = receiver.fields.back();
    receiver.fields.pop_back();
    auto value = operand(receiver, dot);
    if (!value) return value;
    Arguments arguments;
    for (std::size_t i = 1; i < node.operands.size(); ++i) {
      auto argument = operand(node.operands[i], dot);
      if (!argument) return argument;
      arguments.push_back(std::move(*argument));
    }
    auto result = call_time_method(*value, name, arguments);
    if (!result) return wrong(receiver.position, node.operands.front().text, result.error().message);
    return result;
  }

  Result<Value> function(const Command& node, const Value& dot, const std::optional<Value>& piped) {
    const Operand& first = node.operands.front();
    const Function* found = find_function(first.name);
    CHECK(found != nullptr, "the parser has looked the function up");
    const std::size_t count = node.operands.size() - 1 + (piped ? 1 : 0);
    if (count < found->min_arguments || count > found->max_arguments) {
      return wrong(first.position, first.text,
                   fmt::format("wrong number of args for {}: want {}{} got {}", found->name,
                               found->max_arguments == kAnyNumber ? "at least " : "", found->min_arguments, count));
    }
    const bool any = first.name == "or";
    const bool lazy = any || first.name == "and";
    Arguments arguments;
    for (std::size_t i = 1; i < node.operands.size(); ++i) {
      auto argument = operand(node.operands[i], dot);
      if (!argument) return argument;
      if (lazy && truth(*argument) == any) return argument;
      arguments.push_back(std::move(*argument));
    }
    if (piped) arguments.push_back(*piped);
    if (lazy) return std::move(arguments.back());
    auto result = found->run(context_, arguments);
    if (!result) {
      return wrong(first.position, first.text, fmt::format("error calling {}: {}", found->name, result.error().message),
                   result.error().code);
    }
    const auto* text = result->as<std::string>();
    if (text != nullptr && text->size() > limits_.output_bytes) {
      return wrong(first.position, first.text, fmt::format("result is longer than {} bytes", limits_.output_bytes),
                   Errc::kLimitExceeded);
    }
    if (auto spent = spend(cost_of(*result), first.position); !spent) return fail(spent.error());
    return result;
  }

  Result<Value> operand(const Operand& node, const Value& dot) {
    auto value = base(node, dot);
    for (std::size_t i = 0; value && i < node.fields.size(); ++i) value = field(*value, node.fields[i], node);
    if (!value) return value;
    if (auto spent = spend(cost_of(*value), node.position); !spent) return fail(spent.error());
    return value;
  }

  Result<Value> base(const Operand& node, const Value& dot) {
    switch (node.kind) {
      case Operand::Kind::kDot:
        return dot;
      case Operand::Kind::kNil:
        return Value();
      case Operand::Kind::kConstant:
        return node.constant;
      case Operand::Kind::kVariable:
        for (std::size_t i = variables_.size(); i-- > 0;) {
          if (variables_[i].name == node.name) return variables_[i].value;
        }
        return wrong(node.position, node.text, "undefined variable: " + node.name);
      case Operand::Kind::kFunction: {
        Operand bare = node;
        bare.fields.clear();
        return function(Command{{std::move(bare)}, node.position}, dot, std::nullopt);
      }
      case Operand::Kind::kPipeline:
        return pipeline(*node.pipeline, dot);
    }
    CHECK(false, "not a kind of operand");
  }

  Result<Value> field(const Value& value, const std::string& name, const Operand& node) const {
    if (const Map* map = value.map()) {
      const auto found = map->entries.find(name);
      if (found != map->entries.end()) return found->second;
      if (map->kind == MapKind::kStrings) return Value(std::string());
      if (map->kind == MapKind::kAny) return Value();
    }
    if (value.is_nil()) return wrong(node.position, node.text, "nil data; no entry for key " + go_quote(name));
    if (auto member = time_member(value, name)) return std::move(*member);
    return wrong(node.position, node.text, fmt::format("can't evaluate field {} in type {}", name, type_name(value)));
  }

  const Template& template_;
  FunctionContext& context_;
  const Limits& limits_;
  std::string running_;  // the template whose nodes are executed
  std::vector<Variable> variables_;
  std::string output_;
  std::size_t steps_ = 0;
  std::size_t depth_ = 0;
};

}  // namespace

Result<std::string> execute(const Template& parsed, FunctionContext& context) {
  return Executor(parsed, context).run();
}

}  // namespace rules::templates
