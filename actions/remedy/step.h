// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actions/remedy/aws_step.h"
#include "actions/remedy/kubernetes_step.h"
#include "actions/remedy/vault_step.h"
#include "core/config/codec.h"
#include "core/config/file_path.h"
#include "core/config/table.h"
#include "core/ring/labels.h"
#include "core/time/clock.h"

namespace actions::remedy {

// What may be done with a step whose outcome a crash hid.
enum class Repeat {
  kIdempotent,   // carry it out again
  kVerifiable,   // look whether it happened; if it did not, carry it out
  kNeedsPerson,  // neither: a person must look
};

std::string_view to_string(Repeat repeat);

// Takes the backup of that name. A backup more does no harm.
struct BackupStep {
  std::string backup = {};
  bool operator==(const BackupStep&) const = default;
};

// Restores the newest snapshot of that backup into a scratch folder and looks at it. Another one does no harm.
struct RestoreDrillStep {
  std::string backup = {};
  bool operator==(const RestoreDrillStep&) const = default;
};

// Runs a program, never a shell. It learns of the alert from its arguments, which may be templates, and from its
// environment: WATCHKEEPER_ALERTNAME, WATCHKEEPER_REMEDIATION, WATCHKEEPER_RUN and WATCHKEEPER_LABEL_<name>.
struct ExecStep {
  std::vector<std::string> argv = {};
  core::Millis timeout = std::chrono::seconds(60);
  core::config::ByteSize output_limit{64 << 10};
  bool repeatable = false;              // whether it may run again when a crash hid whether it ran
  std::vector<std::string> check = {};  // says whether it happened: exit status 0 yes, 1 no, anything else unknown

  static const core::config::Table<ExecStep>& fields();
  bool operator==(const ExecStep&) const = default;
};

// Sends one request. All of it is in the journal, so secrets are files.
struct HttpStep {
  std::string method = "POST";
  std::string url = {};
  std::map<std::string, std::string> headers = {};
  std::string body = {};
  std::vector<std::uint16_t> expect_status = {};  // empty: any of 200 to 299
  core::Millis timeout = std::chrono::seconds(10);
  std::optional<bool> repeatable = {};  // none: as the method says (RFC 9110, 9.2.1: GET and HEAD change nothing)
  core::config::FilePath bearer_token_file = {};
  core::config::FilePath ca_file = {};

  static const core::config::Table<HttpStep>& fields();
  bool operator==(const HttpStep&) const = default;
};

enum class UnitAction { kStart, kStop, kRestart };

inline constexpr core::config::EnumName<UnitAction> kUnitActionNames[] = {
    {UnitAction::kStart, "start"}, {UnitAction::kStop, "stop"}, {UnitAction::kRestart, "restart"}};

// Asks systemd over D-Bus, and waits until the unit is in the state that was asked for.
struct SystemdStep {
  std::string unit = {};
  UnitAction action = UnitAction::kRestart;
  core::Millis timeout = std::chrono::seconds(90);

  static const core::config::Table<SystemdStep>& fields();
  bool operator==(const SystemdStep&) const = default;
};

inline constexpr core::Millis kWaitMax = std::chrono::hours(6);

struct WaitStep {
  core::Millis time{0};
  bool operator==(const WaitStep&) const = default;
};

// Tells people, through the routes of notifications.
struct NotifyStep {
  std::string text = {};
  bool operator==(const NotifyStep&) const = default;
};

using StepAction = std::variant<BackupStep, ExecStep, HttpStep, SystemdStep, WaitStep, NotifyStep, AwsStep,
                                KubernetesStep, VaultStep, RestoreDrillStep>;

// The kind's default, by its name in the configuration; none if there is no such kind.
std::optional<StepAction> empty_action(std::string_view kind);
// The names of all kinds, for messages: "backup, exec, ...".
std::string kinds_of_steps();

// One step of a plan: a map with one key, the kind; and perhaps what undoes it.
//
// Thread safety: a value.
struct Step {
  StepAction action;
  std::vector<Step> rollback;  // in order; they have none of their own

  Repeat repeat() const;
  std::string_view kind() const;  // "backup", "exec", ...
  std::string to_string() const;  // backup keys; exec /usr/local/bin/restart geth
  bool operator==(const Step&) const = default;
};

// The step for one alert: its templates expanded. kInvalid if a label that it names is not there or is empty, or if the
// result is not safe to hand on: control characters, an argument that a label turned into an option.
core::Result<Step> render(const Step& step, const core::ring::Labels& alert);

// Whether all templates of the step can be read.
core::Result<void> check_templates(const Step& step);

}  // namespace actions::remedy

namespace core::config {

template <>
struct Codec<actions::remedy::UnitAction> : EnumCodec<actions::remedy::UnitAction, actions::remedy::kUnitActionNames> {
};

template <>
struct Codec<actions::remedy::Step> {
  static Result<actions::remedy::Step> read(const Node& node);
  static std::string print(const actions::remedy::Step&) { return ""; }
  static TypeDescription describe();
};

}  // namespace core::config
