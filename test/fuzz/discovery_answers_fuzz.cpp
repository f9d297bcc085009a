// SPDX-License-Identifier: Apache-2.0
// What name servers, Kubernetes and AWS answer: whatever the bytes are, they are read to an end.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "collector/discovery/ec2_discovery.h"
#include "collector/discovery/kubernetes_groups.h"
#include "core/aws/xml.h"
#include "core/check.h"
#include "core/net/dns_message.h"

namespace {

using namespace collector::discovery;

void make_groups(const kubernetes::Object& object, KubernetesRole role) {
  const kubernetes::Surroundings alone{[&](KubernetesRole, const std::string&) { return nullptr; }, false};
  for (const LabelMap& target : build_group(object, role, alone).targets) {
    CHECK(target.contains("__address__"), "a target has an address");
  }
  static_cast<void>(references(object, true));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const auto role = static_cast<KubernetesRole>(bytes[0] / 4 % 4);
  switch (bytes[0] % 4) {
    case 0:
      static_cast<void>(core::net::parse_dns_reply(text));
      break;
    case 1:
      if (const auto root = core::aws::parse_xml(text)) {
        TargetGroup group;
        add_instances(*root, {}, group);
      }
      break;
    case 2:
      if (const auto list = kubernetes::parse_list(text, role)) {
        for (const auto& object : list->objects) make_groups(object, role);
      }
      break;
    default:
      if (const auto event = kubernetes::parse_event(text, role);
          event && event->type < kubernetes::EventType::kBookmark) {
        make_groups(event->object, role);
      }
      break;
  }
  return 0;
}
