// SPDX-License-Identifier: Apache-2.0
#include "test/bench/full_node.h"

#include <charconv>
#include <memory>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

namespace bench {
namespace {

using nlohmann::json;

constexpr std::size_t kThreads = 32;  // each open connection has one
constexpr std::time_t kKeepAliveSeconds = 75;
constexpr std::size_t kRequestsOfAConnection = 1'000'000;
constexpr auto kLookForHead = std::chrono::milliseconds(50);

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// What stands after the last slash.
std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::vector<std::uint64_t> numbers(const json& list) {
  std::vector<std::uint64_t> result;
  for (const json& each : list) {
    if (const auto value = each.is_string() ? number(each.get_ref<const std::string&>()) : std::nullopt) {
      result.push_back(*value);
    }
  }
  return result;
}

}  // namespace

FullNode::FullNode(const FullNetwork& network) : network_(network) {
  const auto tell = [this](const Answer& answer, httplib::Response& response) {
    note(answer);
    if (answer.body.empty()) {
      response.status = 404;
      response.set_content(R"({"code":404,"message":"NOT_FOUND"})", "application/json");
    } else {
      response.set_content(answer.body, "application/json");
    }
  };
  server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server_.set_keep_alive_timeout(kKeepAliveSeconds);
  server_.set_keep_alive_max_count(kRequestsOfAConnection);
  server_.Get(".*", [this, tell](const httplib::Request& request, httplib::Response& response) {
    if (request.path == "/eth/v1/events") return stream(response);
    tell(get(request.path, request), response);
  });
  server_.Post(".*", [this, tell](const httplib::Request& request, httplib::Response& response) {
    tell(post(request.path, request.body), response);
  });
  port_ = server_.bind_to_any_port("127.0.0.1");
  thread_ = std::jthread([this] { server_.listen_after_bind(); });
}

FullNode::~FullNode() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  server_.stop();
}

void FullNode::note(const Answer& answer) {
  const std::lock_guard lock(mutex_);
  Traffic& traffic = traffic_[answer.body.empty() ? "refused" : answer.kind];
  ++traffic.requests;
  traffic.bytes += answer.body.size();
}

std::map<std::string, FullNode::Traffic> FullNode::traffic() const {
  const std::lock_guard lock(mutex_);
  return traffic_;
}

void FullNode::stream(httplib::Response& response) {
  auto told = std::make_shared<std::uint64_t>(network_.head_slot());
  response.set_chunked_content_provider("text/event-stream", [this, told](std::size_t, httplib::DataSink& sink) {
    std::unique_lock lock(mutex_);
    // Before the stream ends it is written: an empty piece would end it.
    while (!stopped_ && network_.head_slot() == *told) changed_.wait_for(lock, kLookForHead);
    if (stopped_) return false;
    lock.unlock();
    *told = network_.head_slot();
    const std::string text = network_.events_of(*told);
    return sink.write(text.data(), text.size());
  });
}

FullNode::Answer FullNode::get(const std::string& path, const httplib::Request& request) const {
  const auto starts = [&](const char* prefix) { return path.starts_with(prefix); };
  const std::uint64_t head = network_.head_slot();
  const std::uint64_t epoch = head / FullNetwork::kSlotsPerEpoch;
  if (path == "/eth/v1/node/syncing") return {"node", network_.syncing()};
  if (path == "/eth/v1/node/health") return {"node", "{}"};
  if (path == "/eth/v1/node/version")
    return {"node", R"({"data":{"version":"Lighthouse/v8.1.3-176cce5/x86_64-linux"}})"};
  if (path == "/eth/v1/node/peer_count") {
    return {"node", R"({"data":{"connected":"80","connecting":"0","disconnected":"412","disconnecting":"0"}})"};
  }
  if (path == "/eth/v1/config/fork_schedule") {
    return {"node", R"({"data":[{"previous_version":"0x00000000","current_version":"0x05000000","epoch":"0"}]})"};
  }
  if (path.ends_with("/fork")) {
    return {"node", R"({"data":{"previous_version":"0x00000000","current_version":"0x05000000","epoch":"0"}})"};
  }
  if (path == "/eth/v1/beacon/genesis") return {"node", network_.genesis()};
  if (path == "/eth/v1/config/spec") return {"node", network_.spec()};
  if (path.ends_with("/finality_checkpoints")) return {"node", network_.finality()};
  if (starts("/eth/v1/beacon/headers/")) {
    const auto slot = path.ends_with("/head") ? head : network_.slot_of(last_part(path));
    return {"headers", slot ? network_.header(*slot) : ""};
  }
  if (starts("/eth/v1/beacon/blinded_blocks/")) {
    const auto slot = network_.slot_of(last_part(path));
    return {"blocks", slot ? network_.block(*slot) : ""};
  }
  if (path.ends_with("/committees")) {
    const std::string state = path.substr(22, path.rfind('/') - 22);
    const auto slot = state == "head" ? head : number(state);
    const auto wanted = number(request.get_param_value("epoch"));
    const bool tells = slot && *slot <= head && wanted && *wanted <= *slot / FullNetwork::kSlotsPerEpoch + 1 &&
                       *wanted + 1 >= *slot / FullNetwork::kSlotsPerEpoch;
    return {"committees", tells ? network_.committees(*wanted) : ""};
  }
  if (starts("/eth/v1/validator/duties/proposer/")) {
    const auto wanted = number(last_part(path));
    return {"proposers", wanted && *wanted <= epoch + 1 ? network_.proposers(*wanted) : ""};
  }
  return {};
}

FullNode::Answer FullNode::post(const std::string& path, const std::string& body) const {
  const auto starts = [&](const char* prefix) { return path.starts_with(prefix); };
  const json asked = json::parse(body, nullptr, false);
  if (path == "/eth/v1/beacon/states/head/validators" && asked.is_object() && asked.contains("ids")) {
    std::vector<std::uint64_t> known;
    for (const json& each : asked["ids"]) {
      if (const auto validator = network_.validator_of(each.get<std::string>())) known.push_back(*validator);
    }
    return {"validators", network_.records(known)};
  }
  const auto epoch = number(last_part(path));
  if (!epoch || !asked.is_array()) return {};
  const std::uint64_t head = network_.head_slot();
  const std::vector<std::uint64_t> validators = numbers(asked);
  if (starts("/eth/v1/validator/duties/sync/")) return {"sync duties", network_.sync_duties(*epoch, validators)};
  if (starts("/eth/v1/validator/liveness/")) return {"liveness", network_.liveness(*epoch, validators)};
  if (starts("/eth/v1/beacon/rewards/attestations/")) {
    const bool over = (*epoch + 2) * FullNetwork::kSlotsPerEpoch <= head;
    return {"rewards", over ? network_.rewards(*epoch, validators) : ""};
  }
  return {};
}

}  // namespace bench
