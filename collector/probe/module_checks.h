// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "collector/probe/module_config.h"

namespace collector::probe {

// What the tables check beyond the types of their keys.
core::Result<void> check_http(const HttpModule& http, const core::config::Node& node);
core::Result<void> check_dns(const DnsModule& dns, const core::config::Node& node);
core::Result<void> check_grpc(const GrpcModule& grpc, const core::config::Node& node);
core::Result<void> check_pins(const ImagePins& pinned, const core::config::Node& node);
core::Result<void> check_pins_in_pods(const ImagePins& pinned, const core::config::Node& node);
core::Result<void> check_kubernetes(const KubernetesModule& kubernetes, const core::config::Node& node);

std::optional<GoDuration> parse_go_duration(std::string_view text);

// Bytes of an ICMP message that fit into the largest IPv4 packet: 65535 less two headers.
inline constexpr std::uint16_t kIcmpPayloadMax = 65535 - 20 - 8;

}  // namespace collector::probe
