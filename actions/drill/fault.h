// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actions/remedy/kubernetes_step.h"
#include "core/config/codec.h"
#include "core/config/file_path.h"
#include "core/config/table.h"
#include "core/time/clock.h"

namespace actions::drill {

enum class UnitFaultAction { kStop, kKill };

inline constexpr core::config::EnumName<UnitFaultAction> kUnitFaultActionNames[] = {{UnitFaultAction::kStop, "stop"},
                                                                                    {UnitFaultAction::kKill, "kill"}};

// Stops a unit as systemd would, or kills its main process (SIGKILL). Restored by starting what ran before.
struct UnitFault {
  std::string unit = {};
  UnitFaultAction action = UnitFaultAction::kStop;
  core::Millis timeout = std::chrono::seconds(90);

  static const core::config::Table<UnitFault>& fields();
  bool operator==(const UnitFault&) const = default;
};

// Runs a program, and another to restore. The second must do no harm where the first never ran, nor when it runs again.
struct ExecFault {
  std::vector<std::string> argv = {};
  std::vector<std::string> restore = {};
  core::Millis timeout = std::chrono::seconds(60);

  static const core::config::Table<ExecFault>& fields();
  bool operator==(const ExecFault&) const = default;
};

enum class Direction { kIn, kOut };

inline constexpr core::config::EnumName<Direction> kDirectionNames[] = {{Direction::kIn, "in"},
                                                                        {Direction::kOut, "out"}};

enum class BlockedAnswer { kDrop, kReset };

inline constexpr core::config::EnumName<BlockedAnswer> kBlockedAnswerNames[] = {{BlockedAnswer::kDrop, "drop"},
                                                                                {BlockedAnswer::kReset, "reset"}};

// Blocks a TCP port in a network namespace of `ip netns`, never in the host's own. The kernel lifts the block by itself
// a minute after the drill's max_duration, so that it ends even if nobody is left to restore.
struct PortFault {
  std::string network_namespace = {};
  std::uint16_t port = 0;
  Direction direction = Direction::kIn;         // packets to the port that come in, or that go out
  BlockedAnswer answer = BlockedAnswer::kDrop;  // silence, or a reset

  static const core::config::Table<PortFault>& fields();
  bool operator==(const PortFault&) const = default;
};

// Takes the room of a scratch disk: one file, of `size` or of all there is.
struct FillFault {
  core::config::FilePath folder = {};
  core::config::ByteSize size = {};

  static const core::config::Table<FillFault>& fields();
  bool operator==(const FillFault&) const = default;
};

// Kills a pod: deletes it, with less grace than it asks for where that is said. Restored when its controller has made
// another one that is ready.
struct PodFault {
  std::string name_space = {};
  std::string name = {};                          // of a StatefulSet, whose pods keep their names
  std::string selector = {};                      // or labels: of those that have them the first one that is ready
  std::optional<core::Millis> grace_period = {};  // none: the pod's own
  bool delete_emptydir_data = false;              // a pod with data that goes with it may be killed too
  core::Millis timeout = std::chrono::minutes(5);
  remedy::KubernetesCluster cluster = {};

  static const core::config::Table<PodFault>& fields();
  bool operator==(const PodFault&) const = default;
};

// What a drill does to its component: a map with one key, the kind.
//
// Thread safety: a value.
struct Fault {
  std::variant<UnitFault, ExecFault, PortFault, FillFault, PodFault> action = UnitFault{};

  std::string_view kind() const;  // "systemd", "exec", "port", "fill", "pod"
  std::string to_string() const;  // systemd stop geth.service
  std::string restoring() const;  // start geth.service
  // Every text in it that could name what it touches.
  std::vector<std::string> texts() const;
  bool operator==(const Fault&) const = default;
};

}  // namespace actions::drill

namespace core::config {

template <>
struct Codec<actions::drill::UnitFaultAction>
    : EnumCodec<actions::drill::UnitFaultAction, actions::drill::kUnitFaultActionNames> {};
template <>
struct Codec<actions::drill::Direction> : EnumCodec<actions::drill::Direction, actions::drill::kDirectionNames> {};
template <>
struct Codec<actions::drill::BlockedAnswer>
    : EnumCodec<actions::drill::BlockedAnswer, actions::drill::kBlockedAnswerNames> {};

template <>
struct Codec<actions::drill::Fault> {
  static Result<actions::drill::Fault> read(const Node& node);
  static std::string print(const actions::drill::Fault&) { return ""; }
  static TypeDescription describe();
};

}  // namespace core::config
