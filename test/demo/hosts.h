// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "test/demo/configuration.h"

namespace demo {

// The act in which a host dies: the hosts of a simulated AWS account are found through EC2, and the one that is gone is
// replaced by its Auto Scaling group. The host with the validators is not.
inline constexpr int kGroupSize = 2;
inline constexpr int kHosts = kGroupSize + 2;  // with a beacon node, and one that holds validators
inline constexpr const char* kLostHost = "i-00000000000000001";
inline constexpr const char* kValidatorHost = "i-00000000000000004";
inline constexpr const char* kHostGroup = "geth-hosts";

// Its fault, rule and words; `backup` is what must be fresh.
const Act& host_act();

// Its parts of the configuration: an entry of scrape_configs, and the section `replace`.
std::string host_scrape_text(const nlohmann::json& ports);
std::string host_replace_text(const nlohmann::json& ports);

// The keys of the simulated account, where AWS_SHARED_CREDENTIALS_FILE will name them for the agent.
void use_account_keys(const std::filesystem::path& folder);

}  // namespace demo
