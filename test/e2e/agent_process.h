// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "test/support/background_process.h"

namespace e2e {

using nlohmann::json;
using std::chrono::seconds;

// A watchkeeper on a free port with a configuration and a data folder of its own.
class AgentProcess {
 public:
  AgentProcess(std::filesystem::path config, std::filesystem::path data)
      : port_(test_support::free_port()), config_(std::move(config)), data_(std::move(data)) {
    start();
  }

  void start() {
    process_ = std::make_unique<test_support::BackgroundProcess>(
        std::vector<std::string>{binary(), "run", "--config", config_.string(), "--data-dir", data_.string(),
                                 "--listen", "127.0.0.1:" + std::to_string(port_)},
        data_.string() + ".log");
  }

  bool ready(std::chrono::milliseconds limit = seconds(15)) const {
    return test_support::eventually(limit, [this] { return test_support::http_get(port_, "/-/ready").status == 200; });
  }

  static std::string binary() { return std::string(WATCHKEEPER_BINARY_DIR) + "/watchkeeper"; }

  int port() const { return port_; }
  test_support::BackgroundProcess& process() { return *process_; }

 private:
  int port_;
  std::filesystem::path config_;
  std::filesystem::path data_;
  std::unique_ptr<test_support::BackgroundProcess> process_;
};

// form-encodes one parameter's value.
inline std::string encode(const std::string& text) {
  std::string encoded;
  for (const char c : text) {
    constexpr char kHex[] = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '_' || c == '-' || c == '.') {
      encoded += c;
    } else {
      encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return encoded;
}

// `data` of the answer to a GET on Prometheus's API; null if it was not a success.
inline json api_get(int port, const std::string& path) {
  const auto answer = test_support::http_get(port, path);
  const json parsed = json::parse(answer.body, nullptr, false);
  if (parsed.is_discarded() || parsed.value("status", "") != "success") return nullptr;
  return parsed["data"];
}

}  // namespace e2e
