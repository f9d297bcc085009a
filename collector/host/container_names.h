// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "collector/host/host_config.h"

namespace collector::host {

// What a cgroup's path says: the pod and the container that it is, empty where it is none.
struct CgroupIdentity {
  std::string pod_uid;       // as Kubernetes writes it, with dashes
  std::string container_id;  // 64 hexadecimal digits
  bool operator==(const CgroupIdentity&) const = default;
};

// Understands the names that container runtimes give: those of systemd's driver
// (kubepods-burstable-pod<uid>.slice/cri-containerd-<id>.scope, docker-<id>.scope, crio-<id>.scope, libpod-<id>.scope)
// and those of cgroupfs (kubepods/burstable/pod<uid>/<id>, docker/<id>). A cgroup below a container is neither.
CgroupIdentity identify_cgroup(std::string_view path);

// The labels that cAdvisor gives, as far as they can be found out.
struct ContainerLabels {
  std::string container, image, name, name_space, pod;
};

// Finds the names of pods and containers where the kubelet and Docker leave them: the file names in /var/log/pods
// (<namespace>_<pod>_<uid>) and /var/log/containers (<pod>_<namespace>_<container>-<id>.log), which need no rights but
// reading, and Docker's /var/lib/docker/containers/<id>/config.v2.json, which root can read.
//
// Thread safety: confined to one thread.
class ContainerNames {
 public:
  explicit ContainerNames(const HostPaths& paths) : paths_(paths) {}

  // Before a walk: names of what is new are looked up once in it, names of what is gone are forgotten after it.
  void begin_walk();
  const ContainerLabels& labels(const CgroupIdentity& identity);
  void end_walk();

 private:
  struct Known {
    ContainerLabels labels;
    bool seen = false;
  };

  void list_names();
  ContainerLabels find(const CgroupIdentity& identity);

  const HostPaths& paths_;
  std::map<std::string, Known, std::less<>> known_;                 // by pod and container
  bool listed_ = false;                                             // in this walk
  std::map<std::string, ContainerLabels, std::less<>> pods_;        // by uid
  std::map<std::string, ContainerLabels, std::less<>> containers_;  // by id
};

}  // namespace collector::host
