// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "collector/probe/module_config.h"
#include "collector/probe/report.h"

namespace collector::probe {

// The digests of an image: its own, and those that registries gave it, which say more to a person.
struct ImageDigests {
  std::set<std::string> own;
  std::set<std::string> of_registries;
  bool all_known = true;  // false: the image is gone or not told; it may have others

  bool contains(const std::string& digest) const { return own.contains(digest) || of_registries.contains(digest); }
  // Sorts in "sha256:..", 64 hex digits, "NAME@sha256:.." and "docker-pullable://NAME@sha256:.."; anything else is
  // none.
  void add(std::string_view reference);
};

struct RunningContainer {
  std::string name;
  std::string name_space;  // this and the pod are empty outside Kubernetes
  std::string pod;
  std::string image;  // as it was asked for: a repository with a tag or a digest
  ImageDigests digests;
};

// "sha256:" and 64 hex digits.
bool is_digest(std::string_view text);

// Tells of all containers that run, and of those that are pinned whether they run from a pinned image: of several with
// the same labels the worst. A container whose image is not known well enough is told by no value, and the report fails
// with kImageUnknown; where there is no list of containers it fails for that reason.
void judge_images(Report& report, const ImagePins& pinned, const Outcome<std::vector<RunningContainer>>& containers);

}  // namespace collector::probe
