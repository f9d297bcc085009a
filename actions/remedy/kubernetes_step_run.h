// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "actions/remedy/kubernetes_step.h"
#include "actions/remedy/step_surroundings.h"
#include "core/kubernetes/api_server.h"
#include "core/kubernetes/objects.h"
#include "core/net/http_client.h"

namespace actions::remedy {

// How a cluster's API server is reached.
core::Result<core::kubernetes::ApiServer> api_server_of(const KubernetesCluster& cluster, const Surroundings& around);

// Carries out one kubernetes step. Refuses what is protected, names the very object it means (uid, resource version)
// in what it asks for, and looks until it is so.
//
// Thread safety: confined to one thread, which blocks.
class KubernetesStepRun {
 public:
  KubernetesStepRun(const Surroundings& around, const KubernetesStep& step, Task task);

  StepFinished carry_out();
  // Whether it has happened. REQUIRES: the step is kVerifiable.
  StepSeen look();

 private:
  using Pod = core::kubernetes::Pod;
  using Node = core::kubernetes::Node;
  using Workload = core::kubernetes::Workload;

  // What is asked of the API server.
  struct Call {
    std::string method = "GET";
    std::string path;
    std::string body = {};
    std::string type = {};  // of the body
  };

  core::Result<core::net::Response> send(const Call& call);
  // Waits where the server asks for it (429 of the API itself, 5xx) until the deadline.
  core::Result<core::net::Response> ask(const Call& call);
  // None: it is not there.
  template <class T>
  core::Result<std::optional<T>> get(const std::string& path, core::Result<T> (*read)(std::string_view));
  core::Result<std::optional<Pod>> pod(const std::string& name_space, const std::string& name);
  core::Result<Node> node();
  core::Result<std::vector<Pod>> pods_of_node();

  // --- kubernetes_node_run.cpp
  StepFinished set_schedulable(bool schedulable);
  StepFinished set_taint(bool there);
  StepFinished drain();
  StepFinished delete_node();
  core::Result<void> check_node_protection(const Node& node);
  core::Result<void> check_drainable(const Pod& pod) const;
  // One round over what is still there; done when nothing is.
  Sight evict_once(const std::vector<Pod>& pods);

  // --- kubernetes_pod_run.cpp
  StepFinished remove_pod();
  // Asks for one eviction; kDone: taken on, or gone already.
  Sight evict(const Pod& pod);
  Sight delete_pod(const Pod& pod);
  // kDone: it is gone, or another one has its name.
  Sight see_gone(const Pod& pod);
  core::Result<void> check_pod_protection(const Pod& pod) const;
  std::string deletion(const core::kubernetes::Metadata& meta, bool eviction) const;

  // --- kubernetes_workload_run.cpp
  StepFinished restart_workload();
  StepFinished scale_workload();
  core::Result<Workload> workload();
  core::Result<void> check_workload_protection(const Workload& workload) const;

  // Whether an object of that name that is there now was there before the step began.
  Verdict was_removed(const std::optional<core::kubernetes::Metadata>& there, std::string& why) const;
  StepFinished prove(const std::function<Sight()>& look);

  const Surroundings& around_;
  const KubernetesStep& step_;
  const Task task_;
  const core::SteadyTime deadline_;
  core::Result<core::kubernetes::ApiServer> server_;
  core::SteadyTime evictions_from_{};  // a Retry-After
  std::string trace_;
};

}  // namespace actions::remedy
