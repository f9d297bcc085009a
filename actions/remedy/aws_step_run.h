// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>

#include "actions/remedy/aws_step.h"
#include "actions/remedy/step_surroundings.h"
#include "core/aws/aws_caller.h"

namespace actions::remedy {

core::aws::AwsOptions aws_options_of(const AwsAccount& account);

// An instance as EC2 and its Auto Scaling group show it.
struct AwsInstance {
  std::string state;  // pending, running, shutting-down, terminated, stopping, stopped
  std::string subnet;
  std::map<std::string, std::string> tags;
};
struct AwsGroupMember {
  std::string group;
  std::string lifecycle;  // InService, Terminating:Wait, ...
  std::string health;     // HEALTHY, UNHEALTHY
};
struct AwsSnapshot {
  std::string id;
  std::string state;  // pending, completed, error
};

// Carries out one aws step: looks at what it is about, refuses what is protected, asks EC2 whether it would be allowed
// (DryRun), asks for it, and looks until it is so. A refusal that says "later" is asked again; a call whose answer was
// lost is not: what came of it is looked for.
//
// Thread safety: confined to one thread, which blocks.
class AwsStepRun {
 public:
  AwsStepRun(const Surroundings& around, const AwsStep& step, Task task);

  StepFinished carry_out();
  // Whether it has happened. REQUIRES: the step is kVerifiable.
  StepSeen look();

 private:
  // What is said of a call that changes something.
  struct Taken {
    enum class Kind { kYes, kRefused, kUnclear };
    Kind kind = Kind::kYes;
    std::string text;
    core::aws::XmlElement answer;
  };

  core::Result<core::aws::AwsAnswer> ask(const std::string& service, const std::string& action,
                                         core::aws::AwsParameters parameters);
  // The answer of a call that only reads; a refusal is an error.
  core::Result<core::aws::XmlElement> read(const std::string& service, const std::string& action,
                                           core::aws::AwsParameters parameters);
  Taken change(const std::string& service, core::aws::AwsParameters parameters);
  Taken change_once(const std::string& service, const core::aws::AwsParameters& parameters);

  // None: there is no such instance (any more).
  core::Result<std::optional<AwsInstance>> instance(const std::string& id);
  core::Result<std::optional<AwsGroupMember>> member(const std::string& id);
  core::Result<core::aws::XmlElement> group(const std::string& name);
  // The one that carries this step's tag.
  core::Result<std::optional<AwsSnapshot>> snapshot();

  // Why the step must not be begun, or what makes it needless.
  std::optional<StepFinished> prepare();
  core::Result<void> check_protection(const AwsInstance& instance) const;
  core::Result<void> check_group_of(const AwsGroupMember& member);
  core::Result<void> try_dry(const core::aws::AwsParameters& parameters);
  core::aws::AwsParameters parameters() const;
  // Takes what the answer says is there now.
  void note_answer(const core::aws::XmlElement& answer);
  StepFinished prove();

  Sight see();
  Sight see_instance(const std::string& id, const std::string& wanted);
  Sight see_member();
  Sight see_snapshot();
  Sight see_group();
  // Of a verifiable step: whether anything shows that it was asked for.
  Verdict has_begun(std::string& why);

  const Surroundings around_;  // with the account's own time between two looks
  const AwsStep& step_;
  const Task task_;
  const core::SteadyTime deadline_;
  core::aws::AwsCaller caller_;
  std::string subnet_;    // of the instance that RunInstances replaces
  std::string launched_;  // by RunInstances
  std::string trace_;     // calls and answers, for people
};

}  // namespace actions::remedy
