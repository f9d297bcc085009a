// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/container_images.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace collector::probe {
namespace {

constexpr std::string_view kAlgorithm = "sha256:";
constexpr std::size_t kHexDigits = 64;
constexpr std::size_t kLabelBytesMax = 256;

bool is_hash(std::string_view text) {
  return text.size() == kHexDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string label(std::string_view text) { return printable(text, kLabelBytesMax); }

MetricLabels labels_of(const RunningContainer& container) {
  MetricLabels labels = {{"container", label(container.name)}};
  if (!container.name_space.empty()) labels.emplace_back("namespace", label(container.name_space));
  if (!container.pod.empty()) labels.emplace_back("pod", label(container.pod));
  return labels;
}

void tell_of(Report& report, const RunningContainer& container) {
  const ImageDigests& digests = container.digests;
  const auto& shown = digests.of_registries.empty() ? digests.own : digests.of_registries;
  MetricLabels labels = labels_of(container);
  labels.insert(labels.begin() + 1,
                {{"digest", shown.empty() ? "" : label(*shown.begin())}, {"image", label(container.image)}});
  report.set("probe_container_info", 1, std::move(labels));
}

// A pin of the container in its namespace goes before one of its name alone.
ImagePins::const_iterator pin_of(const ImagePins& pinned, const RunningContainer& container) {
  const auto exact = pinned.find(container.name_space + "/" + container.name);
  return exact != pinned.end() ? exact : pinned.find(container.name);
}

MetricLabels labels_of(const std::string& pin) {
  const std::size_t slash = pin.find('/');
  if (slash == std::string::npos) return {{"container", label(pin)}};
  return {{"container", label(pin.substr(slash + 1))}, {"namespace", label(pin.substr(0, slash))}};
}

void judge(Report& report, const ImagePins& pinned, const std::vector<RunningContainer>& containers) {
  std::set<std::string> running;  // pins
  std::map<MetricLabels, bool> verdicts;
  for (const RunningContainer& container : containers) {
    tell_of(report, container);
    for (const std::string& name : {container.name, container.name_space + "/" + container.name}) {
      if (pinned.contains(name)) running.insert(name);
    }
    const auto pin = pin_of(pinned, container);
    if (pin == pinned.end()) continue;
    const bool right =
        std::ranges::any_of(pin->second, [&](const auto& digest) { return container.digests.contains(digest); });
    if (!right && !container.digests.all_known) {
      report.fail(Reason::kImageUnknown, fmt::format("container {}: the digests of its image {} are not told",
                                                     container.name, container.image));
      continue;
    }
    const auto [found, fresh] = verdicts.emplace(labels_of(container), right);
    if (!fresh) found->second = found->second && right;
  }
  for (const auto& [labels, right] : verdicts) report.set("probe_container_image_pinned", right ? 1 : 0, labels);
  for (const auto& [name, digests] : pinned) {
    report.set("probe_container_running", running.contains(name) ? 1 : 0, labels_of(name));
  }
}

}  // namespace

bool is_digest(std::string_view text) {
  return text.starts_with(kAlgorithm) && is_hash(text.substr(kAlgorithm.size()));
}

void ImageDigests::add(std::string_view reference) {
  const std::size_t at = reference.rfind('@');
  if (at != std::string_view::npos && is_digest(reference.substr(at + 1))) {
    of_registries.emplace(reference.substr(at + 1));
  } else if (is_digest(reference)) {
    own.emplace(reference);
  } else if (is_hash(reference)) {  // CRI-O and Podman leave the algorithm out
    own.insert(std::string(kAlgorithm).append(reference));
  }
}

void judge_images(Report& report, const ImagePins& pinned, const Outcome<std::vector<RunningContainer>>& containers) {
  if (containers) {
    judge(report, pinned, *containers);
  } else {
    report.fail(containers.error());
  }
  report.set("probe_container_images_known", report.failed() ? 0 : 1);
}

}  // namespace collector::probe
