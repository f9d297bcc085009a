// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/time/clock.h"

namespace core::kubernetes {

// What every object says of itself.
struct Metadata {
  std::string name;
  std::string name_space;
  std::string uid;
  std::string resource_version;
  std::int64_t generation = 0;
  std::optional<WallTime> created;
  bool deleting = false;  // it has a deletion timestamp
  std::vector<std::string> finalizers;
  std::map<std::string, std::string> labels;
  std::string controller_kind;  // of its owner that is a controller; empty: none makes it anew
  std::string controller;
};

// A container of a pod as it is: of any kind, those that start it too.
struct ContainerStatus {
  std::string name;
  std::string image;     // as the runtime has it: a repository with a tag, often
  std::string image_id;  // with a digest, often; empty: not told
  bool running = false;
};

struct Pod {
  Metadata meta;
  std::string node;
  std::string phase;
  bool ready = false;
  std::vector<std::string> programs;  // of its containers: names, images, commands, arguments
  bool mirror = false;                // of a static pod: the API server only shows it
  bool empty_dir = false;             // has data that goes with it
  std::vector<ContainerStatus> containers;
};

struct Taint {
  std::string key;
  std::string value;
  std::string effect;
  bool operator==(const Taint&) const = default;
};

struct Node {
  Metadata meta;
  bool unschedulable = false;
  bool ready = false;
  std::vector<Taint> taints;
  std::string operating_system;  // what its image calls itself
  std::string address;           // inside the cluster
};

// A Deployment, StatefulSet or DaemonSet.
struct Workload {
  Metadata meta;
  std::map<std::string, std::string> template_labels;
  std::map<std::string, std::string> template_annotations;
  std::vector<std::string> programs;
  std::string strategy;  // RollingUpdate, OnDelete, Recreate
  bool paused = false;
  std::int64_t observed_generation = 0;
  std::int64_t wanted = 0;     // replicas, or nodes of a DaemonSet
  std::int64_t present = 0;    // pods of any version
  std::int64_t updated = 0;    // pods of the newest version
  std::int64_t available = 0;  // pods that are ready
};

// A DNS subdomain (RFC 1123), as the names of these objects are: nothing of it means anything in a path.
bool is_object_name(std::string_view text);

// Each reads one object's JSON; kInvalid with what is missing.
Result<Pod> read_pod(std::string_view text);
Result<Node> read_node(std::string_view text);
Result<Workload> read_workload(std::string_view text);

struct PodPage {
  std::vector<Pod> pods;
  std::string next;  // continue token; empty: the last page
};
Result<PodPage> read_pod_page(std::string_view text);

struct NodePage {
  std::vector<Node> nodes;
  std::string next;
};
Result<NodePage> read_node_page(std::string_view text);

// The message of a Status object; "" if it is none.
std::string status_message(std::string_view text);

}  // namespace core::kubernetes
