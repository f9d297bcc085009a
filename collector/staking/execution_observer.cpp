// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/execution_observer.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace collector::staking {
namespace {

struct Method {
  std::string_view name;  // in the replies
  std::string_view method;
  std::string_view params;
};

constexpr std::array<Method, 9> kMethods = {{
    {"syncing", "eth_syncing", "[]"},
    {"latest", "eth_getBlockByNumber", R"(["latest",false])"},
    {"safe", "eth_getBlockByNumber", R"(["safe",false])"},
    {"finalized", "eth_getBlockByNumber", R"(["finalized",false])"},
    {"chain_id", "eth_chainId", "[]"},
    {"peers", "net_peerCount", "[]"},
    {"txpool", "txpool_status", "[]"},
    {"version", "web3_clientVersion", "[]"},
    {"network_id", "net_version", "[]"},
}};

// Three blocks with the hashes of their transactions: of 100 million gas not 5,000 each, which is a megabyte. What is
// larger takes the loop too long to read, and is no answer of a chain that anybody stakes on.
constexpr std::uint64_t kBodyBytesMax = 2 << 20;

std::string call_text(std::size_t index) {
  const Method& method = kMethods.at(index);
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{}}})", index + 1, method.method,
                     method.params);
}

Question post(std::string name, const std::string& url, std::string body) {
  Question question;
  question.name = std::move(name);
  question.request.method = "POST";
  question.request.repeatable = true;  // it only asks
  question.request.url = url;
  question.request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  question.request.body = std::move(body);
  question.request.body_limit = kBodyBytesMax;
  return question;
}

}  // namespace

std::vector<Question> ExecutionObserver::questions(core::SteadyTime) {
  std::vector<Question> result;
  if (in_batches_) {
    std::string batch;
    for (std::size_t i = 0; i < kMethods.size(); ++i) batch += (batch.empty() ? "[" : ",") + call_text(i);
    result.push_back(post("batch", config_.url, batch + "]"));
  } else {
    for (std::size_t i = 0; i < kMethods.size(); ++i) {
      result.push_back(post(std::string(kMethods.at(i).name), config_.url, call_text(i)));
    }
  }
  if (config_.http_config) {
    for (Question& question : result) authorise(question, *config_.http_config);
  }
  // Without a token, on purpose.
  if (!config_.engine_url.empty()) result.push_back(post("engine", config_.engine_url, call_text(0)));
  return result;
}

tl::expected<ExecutionObserver::Replies, Reason> ExecutionObserver::batch_of(const Answers& answers) {
  const auto body = json_of(answers, "batch");
  if (!body) return tl::unexpected(body.error());
  if (!body->is_array()) {
    // One error for all of it: a node, or something before it, that takes no batches.
    if (!body->has("error")) return tl::unexpected(Reason::kBadAnswer);
    in_batches_ = false;
    return tl::unexpected(Reason::kRpcError);
  }
  Replies replies;
  for (const Json& reply : body->items()) {
    const auto id = reply.number("id");
    if (!id || *id == 0 || *id > kMethods.size()) return tl::unexpected(Reason::kBadAnswer);
    if (!replies.emplace(kMethods.at(*id - 1).name, reply).second) return tl::unexpected(Reason::kBadAnswer);
  }
  return replies;
}

tl::expected<ExecutionObserver::Replies, Reason> ExecutionObserver::replies_of(const Answers& answers) {
  if (find(answers, "batch") != nullptr) return batch_of(answers);
  Replies replies;
  for (const Method& method : kMethods) {
    auto reply = json_of(answers, method.name);
    if (reply) {
      replies.emplace(method.name, std::move(*reply));
    } else if (method.name == kMethods.front().name) {
      return tl::unexpected(reply.error());
    }
  }
  return replies;
}

ExecutionObserver::Verdict ExecutionObserver::assess(const tl::expected<Replies, Reason>& replies) const {
  if (!replies) return {replies.error(), {}};
  const auto syncing = replies->find("syncing");
  const auto latest = replies->find("latest");
  if (syncing == replies->end() || latest == replies->end()) return {Reason::kBadAnswer, {}};
  if (syncing->second.has("error") || latest->second.has("error")) return {Reason::kRpcError, {}};
  const bool tells = syncing->second.is_object("result") || syncing->second.flag("result") == false;
  if (!tells || !latest->second.quantity("result/number") || !latest->second.quantity("result/timestamp")) {
    return {Reason::kBadAnswer, {}};
  }
  const auto wanted = network_->chain_id();
  if (!wanted) return {};
  const auto reply = replies->find("chain_id");
  const auto chain_id = reply == replies->end() ? std::nullopt : reply->second.quantity("result");
  if (!chain_id) return {Reason::kNetworkUnverified, {}};
  if (*chain_id != *wanted) return {Reason::kWrongNetwork, true};
  return {Reason::kNone, false};
}

std::string ExecutionObserver::judge(const Answers& answers, core::SteadyTime) {
  GaugeText text("watchkeeper_execution_");
  const auto replies = replies_of(answers);
  const Verdict verdict = assess(replies);
  text.verdict(verdict.reason);
  text.flag("network_mismatch", "1 if the node is on another chain than the configured network's.",
            verdict.other_network);
  write_engine(text, answers);
  if (replies) {
    if (const auto reply = replies->find("chain_id"); reply != replies->end()) {
      text.count("chain_id", "The chain that the node is on.", reply->second.quantity("result"));
    }
  }
  if (verdict.reason != Reason::kNone) return text.take();
  const std::string_view asked = find(answers, "batch") != nullptr ? "batch" : "latest";
  write_head(text, *replies, find(answers, asked)->at);
  const auto result_of = [&](std::string_view name, std::string_view path) -> std::optional<std::uint64_t> {
    const auto reply = replies->find(name);
    return reply == replies->end() ? std::nullopt : reply->second.quantity(path);
  };
  text.count("peers", "Peers that are connected.", result_of("peers", "result"));
  if (const auto reply = replies->find("network_id"); reply != replies->end()) {
    text.count("network_id", "The network of the node's peers; most chains have the number of the chain.",
               reply->second.number("result"));
  }
  text.count("txpool_pending", "Transactions that can be put into a block.", result_of("txpool", "result/pending"));
  text.count("txpool_queued", "Transactions that wait for others.", result_of("txpool", "result/queued"));
  if (const auto reply = replies->find("version"); reply != replies->end()) {
    if (const auto name = reply->second.text("result")) {
      text.info("info", "The node's own name of itself.", "version", label_text(*name));
    }
  }
  return text.take();
}

void ExecutionObserver::write_head(GaugeText& text, const Replies& replies, core::WallTime at) {
  const Json& latest = replies.find("latest")->second;
  const Json& syncing = replies.find("syncing")->second;
  const std::uint64_t number = *latest.quantity("result/number");
  const std::uint64_t timestamp = *latest.quantity("result/timestamp");
  text.flag("syncing", "1 if the node says that it is syncing; some say no while they are.",
            syncing.is_object("result"));
  text.count("head_number", "The number of the latest block.", number);
  text.count("highest_number", "While syncing: the number of the block that it syncs to.",
             syncing.quantity("result/highestBlock"));
  const double age = (static_cast<double>(core::to_unix_ms(at)) - static_cast<double>(timestamp) * 1000) / 1000;
  const bool ahead = age * 1000 < -static_cast<double>(kClockDisparityMs);
  text.flag("clock_suspect", "1 if the latest block is from the future: its proposer's clock or this host's is wrong.",
            ahead);
  if (!ahead) text.gauge("head_age_seconds", "Seconds since the time of the latest block.", std::max(age, 0.0));
  // Null or an error before the first word of the beacon node: not known, never 0. One beyond the head is no answer.
  for (const auto& [tag, help] : {std::pair{"safe", "The number of the safe block."},
                                  std::pair{"finalized", "The number of the finalized block."}}) {
    const auto reply = replies.find(tag);
    if (reply == replies.end()) continue;
    const auto block = reply->second.quantity("result/number");
    if (block && *block <= number) text.count(fmt::format("{}_number", tag), help, block);
  }
}

void ExecutionObserver::write_engine(GaugeText& text, const Answers& answers) const {
  const Answer* answer = find(answers, "engine");
  if (answer == nullptr) return;
  if (!answer->response) {
    // Only what says that nobody serves the port; the rest leaves the series away.
    if (row_of(reason_of(answer->response.error())).grade == Grade::kDown) {
      text.flag("engine_up", "1 if the engine port answers.", false);
    }
    return;
  }
  const int status = answer->response->status;
  const bool refuses = status == 401 || status == 403;
  const bool serves = status == 200 && Json::parse(answer->response->body).has_value();
  if (!refuses && !serves) return;
  text.flag("engine_up", "1 if the engine port answers.", true);
  text.flag("engine_open", "1 if the engine port takes requests without a token.", serves);
}

}  // namespace collector::staking
