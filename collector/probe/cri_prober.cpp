// SPDX-License-Identifier: Apache-2.0
// The containers that a runtime of Kubernetes has running - containerd, CRI-O - and the digests of their images, by the
// Container Runtime Interface: runtime.v1 of k8s.io/cri-api, whose field numbers are named below.
#include <map>

#include "collector/probe/container_images.h"
#include "collector/probe/grpc_call.h"
#include "collector/probe/protobuf.h"

namespace collector::probe {
namespace {

using protobuf::FieldReader;

constexpr std::size_t kCriBytesMax = 4 << 20;  // as much as gRPC's own libraries take
constexpr std::size_t kCriContainersMax = 500;
constexpr std::size_t kImagesMax = 2000;

constexpr std::uint64_t kContainerRunning = 1;  // ContainerState

struct CriContainer {
  RunningContainer shown;
  std::vector<std::string> references;  // to its image
  bool running = false;
};

using ImagesByReference = std::map<std::string, ImageDigests, std::less<>>;

// ListContainersRequest{filter = 1: ContainerFilter{state = 2: ContainerStateValue{state = 1}}}
std::string running_containers_request() {
  std::string state;
  protobuf::put_number(state, 1, kContainerRunning);
  std::string filter;
  protobuf::put_bytes(filter, 2, state);
  std::string request;
  protobuf::put_bytes(request, 1, filter);
  return request;
}

tl::unexpected<Failure> broken(std::string_view what) {
  return failed(Reason::kProtocol, fmt::format("{}: the message is broken", what));
}

// One text field of a message that is not wanted otherwise.
bool read_text(std::string_view message, std::uint32_t field, std::string& text) {
  FieldReader reader(message);
  while (reader.next()) {
    if (reader.is_bytes(field)) text = reader.bytes();
  }
  return !reader.broken();
}

// An entry of labels: key = 1, value = 2.
bool read_label(std::string_view message, CriContainer& container) {
  std::string key;
  std::string value;
  if (!read_text(message, 1, key) || !read_text(message, 2, value)) return false;
  if (key == "io.kubernetes.pod.name") container.shown.pod = std::move(value);
  if (key == "io.kubernetes.pod.namespace") container.shown.name_space = std::move(value);
  return true;
}

// Container: metadata = 3 {name = 1}, image = 4 {image = 1, user_specified_image = 18}, image_ref = 5, state = 6,
// labels = 8, image_id = 10.
bool read_container(std::string_view message, CriContainer& container) {
  FieldReader reader(message);
  std::string image;
  std::string asked_for;
  bool whole = true;
  while (whole && reader.next()) {
    if (reader.is_bytes(3)) whole = read_text(reader.bytes(), 1, container.shown.name);
    if (reader.is_bytes(4)) whole = read_text(reader.bytes(), 1, image) && read_text(reader.bytes(), 18, asked_for);
    if (reader.is_bytes(5) || reader.is_bytes(10)) container.references.emplace_back(reader.bytes());
    if (reader.is_number(6)) container.running = reader.number() == kContainerRunning;
    if (reader.is_bytes(8)) whole = read_label(reader.bytes(), container);
  }
  container.shown.image = asked_for.empty() ? image : asked_for;
  container.references.push_back(std::move(image));
  return whole && !reader.broken();
}

// ListContainersResponse{containers = 1}
Outcome<std::vector<CriContainer>> containers_of(std::string_view message) {
  std::vector<CriContainer> containers;
  FieldReader reader(message);
  while (reader.next()) {
    if (!reader.is_bytes(1)) continue;
    CriContainer container;
    if (!read_container(reader.bytes(), container)) return broken("ListContainers");
    if (container.shown.name.empty()) return failed(Reason::kProtocol, "ListContainers: a container without a name");
    // The filter is a wish.
    if (!container.running) continue;
    if (containers.size() == kCriContainersMax) {
      return failed(Reason::kBodyTooLarge, fmt::format("more than {} containers", kCriContainersMax));
    }
    containers.push_back(std::move(container));
  }
  if (reader.broken()) return broken("ListContainers");
  return containers;
}

// ListImagesResponse{images = 1: Image{id = 1, repo_digests = 3}}. Tags are not looked at: they move.
Outcome<ImagesByReference> images_of(std::string_view message) {
  ImagesByReference images;
  std::size_t count = 0;
  FieldReader reader(message);
  while (reader.next()) {
    if (!reader.is_bytes(1)) continue;
    if (++count > kImagesMax) return failed(Reason::kBodyTooLarge, fmt::format("more than {} images", kImagesMax));
    ImageDigests digests;
    std::vector<std::string> references;
    FieldReader image(reader.bytes());
    while (image.next()) {
      if (!image.is_bytes(1) && !image.is_bytes(3)) continue;
      references.emplace_back(image.bytes());
      digests.add(image.bytes());
    }
    if (image.broken()) return broken("ListImages");
    for (std::string& reference : references) images.emplace(std::move(reference), digests);
    for (const std::string& own : digests.own) images.emplace(own, digests);
  }
  if (reader.broken()) return broken("ListImages");
  return images;
}

std::vector<RunningContainer> with_digests(std::vector<CriContainer> containers, const ImagesByReference& images) {
  std::vector<RunningContainer> running;
  for (CriContainer& container : containers) {
    ImageDigests& digests = container.shown.digests;
    digests.all_known = false;
    for (const std::string& reference : container.references) {
      digests.add(reference);
      const auto found = images.find(reference);
      if (found == images.end() || reference.empty()) continue;
      digests.own.insert(found->second.own.begin(), found->second.own.end());
      digests.of_registries.insert(found->second.of_registries.begin(), found->second.of_registries.end());
      digests.all_known = true;
    }
    running.push_back(std::move(container.shown));
  }
  return running;
}

core::Task<Outcome<std::vector<RunningContainer>>> ask_runtime(Attempt& attempt) {
  if (!attempt.target.starts_with('/')) {
    co_return failed(Reason::kBadTarget, fmt::format("expected the path of a socket, got \"{}\"", attempt.target));
  }
  auto listed = co_await grpc::call_over_socket(attempt, attempt.target, "runtime.v1.RuntimeService/ListContainers",
                                                running_containers_request(), kCriBytesMax);
  if (!listed) co_return failed(listed.error());
  auto containers = containers_of(*listed);
  if (!containers) co_return failed(containers.error());
  auto stored =
      co_await grpc::call_over_socket(attempt, attempt.target, "runtime.v1.ImageService/ListImages", "", kCriBytesMax);
  if (!stored) co_return failed(stored.error());
  auto images = images_of(*stored);
  if (!images) co_return failed(images.error());
  co_return with_digests(std::move(*containers), *images);
}

}  // namespace

core::Task<bool> probe_cri(Attempt& attempt) {
  attempt.report.evidence.address = attempt.target;
  const auto containers = co_await ask_runtime(attempt);
  judge_images(attempt.report, attempt.module.cri.pinned, containers);
  co_return true;
}

}  // namespace collector::probe
