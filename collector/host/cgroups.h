// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "collector/host/container_names.h"
#include "collector/host/exposition_writer.h"
#include "collector/host/host_config.h"
#include "collector/host/name_filter.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace collector::host {

// What the cgroups of version 2 use: containers, systemd's services and slices, under cAdvisor's names. They are walked
// from the root down, no deeper and no more than the options say, and no more often than `containers: interval`; in
// between the last reading is repeated.
//
// Thread safety: confined to one thread.
class Cgroups {
 public:
  // REQUIRES: the configuration has been checked, and outlives this as the clock does.
  Cgroups(const core::Clock& clock, const HostConfig& config);

  // kNotFound on a host without cgroups of version 2.
  core::Result<void> write(ExpositionWriter& out);

 private:
  struct Cgroup {
    std::string id;  // the path below the root; "/" is the root
    ContainerLabels labels;
    // By family; of those with further labels by family and these.
    std::map<std::string_view, std::vector<std::pair<std::string, double>>> values;
  };

  core::Result<void> walk(const std::string& root);
  void read(const std::string& folder, Cgroup& cgroup);
  void read_io(const std::string& folder, Cgroup& cgroup);
  const std::string& device_name(std::string_view number);
  void write_families(ExpositionWriter& out) const;

  const core::Clock& clock_;
  const HostPaths& paths_;
  const CgroupOptions& options_;
  NameFilter filter_;
  ContainerNames names_;
  std::vector<Cgroup> cgroups_;  // of the last walk
  std::size_t dropped_ = 0;
  std::map<std::string, std::string, std::less<>> devices_;  // names by major:minor, of the last walk
  std::string text_;
  core::Result<void> outcome_;
  core::SteadyTime next_walk_{};
};

}  // namespace collector::host
