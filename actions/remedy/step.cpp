// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/step.h"

#include <algorithm>
#include <utility>

#include <fmt/ranges.h>

#include "core/time/duration.h"
#include "rules/template/template.h"

namespace actions::remedy {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::ring::Labels;

// In the order of StepAction.
constexpr std::string_view kKinds[] = {"backup", "exec", "http",       "systemd", "wait",
                                       "notify", "aws",  "kubernetes", "vault",   "restore-drill"};
static_assert(std::size(kKinds) == std::variant_size_v<StepAction>);

template <std::size_t... kIndex>
std::optional<StepAction> action_named(std::string_view kind, std::index_sequence<kIndex...>) {
  std::optional<StepAction> action;
  ((kind == kKinds[kIndex] ? static_cast<void>(action.emplace(std::in_place_index<kIndex>)) : void()), ...);
  return action;
}

// A word of a template action, with the character before it.
struct Word {
  char before = ' ';
  std::string_view text;
};

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::vector<Word> words_of_actions(std::string_view text) {
  std::vector<Word> words;
  std::size_t open = text.find("{{");
  while (open != std::string_view::npos) {
    const std::size_t close = std::min(text.find("}}", open), text.size());
    for (std::size_t i = open + 2; i < close;) {
      std::size_t end = i;
      while (end < close && is_word_character(text[end])) ++end;
      if (end > i) words.push_back({text[i - 1], text.substr(i, end - i)});
      i = std::max(end, i + 1);
    }
    open = close >= text.size() ? std::string_view::npos : text.find("{{", close);
  }
  return words;
}

bool is_labels(const Word& word) {
  return (word.before == '.' && word.text == "Labels") || (word.before == '$' && word.text == "labels");
}

// A plan must be the same whenever it is made, or nobody could approve it: so only labels, which are what makes the
// alert the alert it is.
Result<void> check_words(std::string_view text) {
  for (const Word& word : words_of_actions(text)) {
    const bool field = word.before == '.' && (word.text == "Value" || word.text.starts_with("External"));
    const bool variable = word.before == '$' && (word.text == "value" || word.text.starts_with("external"));
    const bool function = word.before != '.' && word.before != '$' && (word.text == "now" || word.text == "query");
    if (field || variable || function) {
      return fail(Errc::kInvalid, "\"{}\": a plan may depend on the alert's labels only, not on {}", text, word.text);
    }
  }
  return {};
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Result<std::string> expand(const std::string& text, const Labels& alert) {
  if (text.find("{{") == std::string::npos) return text;
  const std::vector<Word> words = words_of_actions(text);
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (!is_labels(words[i]) || words[i + 1].before != '.') continue;
    if (alert.get(words[i + 1].text).empty()) {
      return fail(Errc::kInvalid, "\"{}\": the alert has no label {}", text, words[i + 1].text);
    }
  }
  rules::templates::AlertContext context;
  context.labels = alert;
  rules::templates::Limits limits;
  limits.output_bytes = 16 << 10;
  return rules::templates::expand(text, context, "step", {}, limits);
}

// One argument, URL or name. Labels come from scraped hosts: what one of them says must not become another option,
// another line, or nothing.
Result<std::string> expand_word(const std::string& text, const Labels& alert) {
  Result<std::string> expanded = expand(text, alert);
  if (!expanded || *expanded == text) return expanded;
  if (expanded->empty()) return fail(Errc::kInvalid, "\"{}\" is empty for this alert", text);
  if (has_control_character(*expanded))
    return fail(Errc::kInvalid, "\"{}\" has control characters for this alert", text);
  if (expanded->front() == '-' && text.front() != '-') {
    return fail(Errc::kInvalid, "\"{}\" becomes an option for this alert: {}", text, *expanded);
  }
  return expanded;
}

template <class Words, class Change>
Result<void> each_word(const Words& words, const Change& change) {
  for (auto* word : words) {
    if (auto done = change(*word, true); !done) return done;
  }
  return {};
}

// Applies `expand` to every text of a step that may be a template; `word` tells which kind it is.
template <class StepType, class Change>
Result<void> each_template(StepType& step, const Change& change) {
  const auto one = [&](auto& text, bool word) -> Result<void> { return change(text, word); };
  if (auto* exec = std::get_if<ExecStep>(&step.action)) {
    for (auto* list : {&exec->argv, &exec->check}) {
      for (auto& argument : *list) {
        if (auto done = one(argument, true); !done) return done;
      }
    }
  } else if (auto* http = std::get_if<HttpStep>(&step.action)) {
    if (auto done = one(http->url, true); !done) return done;
    for (auto& [name, value] : http->headers) {
      if (auto done = one(value, true); !done) return done;
    }
    return one(http->body, false);
  } else if (auto* systemd = std::get_if<SystemdStep>(&step.action)) {
    return one(systemd->unit, true);
  } else if (auto* notify = std::get_if<NotifyStep>(&step.action)) {
    return one(notify->text, false);
  } else if (auto* aws = std::get_if<AwsStep>(&step.action)) {
    return each_word(aws->words(), change);
  } else if (auto* kubernetes = std::get_if<KubernetesStep>(&step.action)) {
    return each_word(kubernetes->words(), change);
  } else if (auto* vault = std::get_if<VaultStep>(&step.action)) {
    return each_word(vault->words(), change);
  }
  return {};
}

// Whether what a label became is what the service takes.
Result<void> check_rendered(const Step& step) {
  if (const auto* aws = std::get_if<AwsStep>(&step.action)) return aws->check_words();
  if (const auto* kubernetes = std::get_if<KubernetesStep>(&step.action)) return kubernetes->check_words();
  if (const auto* vault = std::get_if<VaultStep>(&step.action)) return vault->check_words();
  return {};
}

std::string quoted(const std::vector<std::string>& argv) {
  std::string text;
  for (const std::string& argument : argv) {
    const bool plain = !argument.empty() && argument.find_first_of(" \t\n\"'\\") == std::string::npos;
    text += " " + (plain ? argument : core::ring::go_quote(argument));
  }
  return text;
}

}  // namespace

std::string_view to_string(Repeat repeat) {
  switch (repeat) {
    case Repeat::kIdempotent:
      return "idempotent";
    case Repeat::kVerifiable:
      return "verifiable";
    case Repeat::kNeedsPerson:
      return "needs-a-person";
  }
  return "needs-a-person";
}

Repeat Step::repeat() const {
  if (const auto* exec = std::get_if<ExecStep>(&action)) {
    if (exec->repeatable) return Repeat::kIdempotent;
    return exec->check.empty() ? Repeat::kNeedsPerson : Repeat::kVerifiable;
  }
  if (const auto* http = std::get_if<HttpStep>(&action)) {
    const bool changes_nothing = http->method == "GET" || http->method == "HEAD";
    return http->repeatable.value_or(changes_nothing) ? Repeat::kIdempotent : Repeat::kNeedsPerson;
  }
  if (const auto* systemd = std::get_if<SystemdStep>(&action)) {
    // Starting what runs and stopping what is stopped does nothing; a second restart is a second outage.
    return systemd->action == UnitAction::kRestart ? Repeat::kVerifiable : Repeat::kIdempotent;
  }
  if (const auto* aws = std::get_if<AwsStep>(&action)) return aws->repeat();
  if (const auto* kubernetes = std::get_if<KubernetesStep>(&action)) return kubernetes->repeat();
  if (const auto* vault = std::get_if<VaultStep>(&action)) return vault->repeat();
  return Repeat::kIdempotent;
}

std::string_view Step::kind() const { return kKinds[action.index()]; }

std::optional<StepAction> empty_action(std::string_view kind) {
  return action_named(kind, std::make_index_sequence<std::size(kKinds)>());
}

std::string kinds_of_steps() { return fmt::format("{}", fmt::join(kKinds, ", ")); }

std::string Step::to_string() const {
  std::string text(kind());
  if (const auto* backup = std::get_if<BackupStep>(&action)) return text + " " + backup->backup;
  if (const auto* exec = std::get_if<ExecStep>(&action)) return text + quoted(exec->argv);
  if (const auto* http = std::get_if<HttpStep>(&action)) return text + " " + http->method + " " + http->url;
  if (const auto* systemd = std::get_if<SystemdStep>(&action)) {
    return text + " " + core::config::Codec<UnitAction>::print(systemd->action) + " " + systemd->unit;
  }
  if (const auto* wait = std::get_if<WaitStep>(&action)) return text + " " + core::format_duration(wait->time);
  if (const auto* aws = std::get_if<AwsStep>(&action)) return text + " " + aws->to_string();
  if (const auto* kubernetes = std::get_if<KubernetesStep>(&action)) return text + " " + kubernetes->to_string();
  if (const auto* vault = std::get_if<VaultStep>(&action)) return text + " " + vault->to_string();
  if (const auto* drill = std::get_if<RestoreDrillStep>(&action)) return text + " " + drill->backup;
  return text + " " + core::ring::go_quote(std::get<NotifyStep>(action).text);
}

Result<Step> render(const Step& step, const Labels& alert) {
  Step rendered = step;
  const auto done = each_template(rendered, [&](std::string& text, bool word) -> Result<void> {
    Result<std::string> expanded = word ? expand_word(text, alert) : expand(text, alert);
    if (!expanded) return fail(expanded.error().with_context("{} step", step.kind()));
    text = std::move(*expanded);
    return {};
  });
  if (!done) return fail(done.error());
  if (auto right = check_rendered(rendered); !right) return fail(right.error());
  for (Step& undo : rendered.rollback) {
    Result<Step> each = render(undo, alert);
    if (!each) return each;
    undo = std::move(*each);
  }
  return rendered;
}

Result<void> check_templates(const Step& step) {
  return each_template(step, [&](const std::string& text, bool) -> Result<void> {
    if (text.find("{{") == std::string::npos) return {};
    if (auto words = check_words(text); !words) return words;
    return rules::templates::check(text, "step");
  });
}

}  // namespace actions::remedy
