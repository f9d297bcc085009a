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
  bool of_reference = false;  // asked of a reference too
};

constexpr std::array<Method, 10> kMethods = {{
    {"syncing", "eth_syncing", "[]"},
    {"latest", "eth_getBlockByNumber", R"(["latest",false])", true},
    {"safe", "eth_getBlockByNumber", R"(["safe",false])"},
    {"finalized", "eth_getBlockByNumber", R"(["finalized",false])", true},
    {"chain_id", "eth_chainId", "[]", true},
    {"peers", "net_peerCount", "[]"},
    {"txpool", "txpool_status", "[]"},
    {"version", "web3_clientVersion", "[]"},
    {"network_id", "net_version", "[]"},
    {"compared", "eth_getBlockByNumber", {}, true},  // with a height, in rounds that have one
}};
constexpr std::size_t kCompared = kMethods.size() - 1;

// Four blocks with the hashes of their transactions: of 100 million gas not 5,000 each, which is over a megabyte. What
// is larger takes the loop too long to read, and is no answer of a chain that anybody stakes on.
constexpr std::uint64_t kExecutionBytesMax = 2 << 20;

Question post(std::string name, const std::string& url, std::string body) {
  Question question;
  question.name = std::move(name);
  question.request.method = "POST";
  question.request.repeatable = true;  // it only asks
  question.request.url = url;
  question.request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  question.request.body = std::move(body);
  question.request.body_limit = kExecutionBytesMax;
  return question;
}

std::optional<std::uint64_t> quantity(const std::map<std::string, Json, std::less<>>& replies, std::string_view name,
                                      std::string_view path) {
  const auto reply = replies.find(name);
  return reply == replies.end() ? std::nullopt : reply->second.quantity(path);
}

// In lower case; empty without one.
std::string hash_of(const std::map<std::string, Json, std::less<>>& replies, std::string_view name) {
  const auto reply = replies.find(name);
  const auto hash = reply == replies.end() ? std::nullopt : reply->second.text("result/hash");
  return hash ? normal_root(*hash) : std::string();
}

}  // namespace

bool ExecutionObserver::asks(std::size_t method) const {
  if (method == kCompared) return compared_height_.has_value();
  return kMethods.at(method).of_reference || !config_.reference;
}

std::string ExecutionObserver::call_text(std::size_t method) const {
  const Method& row = kMethods.at(method);
  const std::string params =
      method == kCompared ? fmt::format(R"(["{:#x}",false])", compared_height_.value_or(0)) : std::string(row.params);
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{}}})", method + 1, row.method, params);
}

std::vector<Question> ExecutionObserver::questions(core::SteadyTime now) {
  compared_height_ = comparison_->height_to_ask(config_.name, now);
  std::vector<Question> result;
  if (in_batches_) {
    std::string batch;
    for (std::size_t i = 0; i < kMethods.size(); ++i) {
      if (asks(i)) batch += (batch.empty() ? "[" : ",") + call_text(i);
    }
    result.push_back(post("batch", config_.url, batch + "]"));
  } else {
    for (std::size_t i = 0; i < kMethods.size(); ++i) {
      if (!asks(i)) continue;
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
  // Without the head there is nothing to tell, nor without the first answer of our own.
  const std::string_view needed = config_.reference ? "latest" : kMethods.front().name;
  Replies replies;
  for (const Method& method : kMethods) {
    auto reply = json_of(answers, method.name);
    if (reply) {
      replies.emplace(method.name, std::move(*reply));
    } else if (method.name == needed) {
      return tl::unexpected(reply.error());
    }
  }
  return replies;
}

ExecutionObserver::Verdict ExecutionObserver::assess(const tl::expected<Replies, Reason>& replies,
                                                     core::SteadyTime now) const {
  if (!replies) return {replies.error(), {}};
  const auto latest = replies->find("latest");
  if (latest == replies->end()) return {Reason::kBadAnswer, {}};
  if (latest->second.has("error")) return {Reason::kRpcError, {}};
  if (!config_.reference) {
    const auto syncing = replies->find("syncing");
    if (syncing == replies->end()) return {Reason::kBadAnswer, {}};
    if (syncing->second.has("error")) return {Reason::kRpcError, {}};
    const bool tells = syncing->second.is_object("result") || syncing->second.flag("result") == false;
    if (!tells) return {Reason::kBadAnswer, {}};
  }
  if (!latest->second.quantity("result/number") || !latest->second.quantity("result/timestamp")) {
    return {Reason::kBadAnswer, {}};
  }
  return assess_chain(*replies, now);
}

ExecutionObserver::Verdict ExecutionObserver::assess_chain(const Replies& replies, core::SteadyTime now) const {
  const auto wanted = network_->chain_id();
  const auto chain_id = quantity(replies, "chain_id", "result");
  if (!wanted && !config_.reference) return {};
  if (!chain_id) return {Reason::kNetworkUnverified, {}};
  // Where nothing says which chain is wanted, a reference has to be on one of ours.
  const bool other = wanted ? *chain_id != *wanted : comparison_->is_foreign(*chain_id, now);
  if (other) return {Reason::kWrongNetwork, true};
  return {Reason::kNone, false};
}

void ExecutionObserver::compare(GaugeText& text, const Replies& replies, core::SteadyTime now) {
  const auto chain_id = quantity(replies, "chain_id", "result");
  if (!chain_id) return comparison_->forget(config_.name);
  const std::uint64_t head = *quantity(replies, "latest", "result/number");
  auto finalized = quantity(replies, "finalized", "result/number");
  if (finalized && *finalized > head) finalized = std::nullopt;
  comparison_->note(config_.name, {config_.reference, *chain_id, head, finalized}, now);
  if (compared_height_) {
    const bool right = quantity(replies, "compared", "result/number") == compared_height_;
    comparison_->note_hash(config_.name, *compared_height_, right ? hash_of(replies, "compared") : "", now);
  }
  if (finalized) comparison_->note_hash(config_.name, *finalized, hash_of(replies, "finalized"), now);
  text.count("head_behind_blocks", "Blocks between the latest one and the highest that others have.",
             comparison_->behind(config_.name, now));
  text.flag("finalized_differs", "1 if others have another finalized block at the same height.",
            comparison_->differs(config_.name, now));
}

std::string ExecutionObserver::judge(const Answers& answers, core::SteadyTime now) {
  GaugeText text(config_.reference ? "watchkeeper_reference_" : "watchkeeper_execution_");
  const auto replies = replies_of(answers);
  const Verdict verdict = assess(replies, now);
  text.verdict(verdict.reason);
  if (!config_.reference) {
    text.flag("network_mismatch", "1 if the node is on another chain than the configured network's.",
              verdict.other_network);
  }
  write_engine(text, answers);
  if (replies) text.count("chain_id", "The chain that the node is on.", quantity(*replies, "chain_id", "result"));
  if (verdict.reason == Reason::kWrongNetwork) comparison_->forget(config_.name);
  if (verdict.reason != Reason::kNone) return text.take();
  const std::string_view asked = find(answers, "batch") != nullptr ? "batch" : "latest";
  write_head(text, *replies, find(answers, asked)->at);
  compare(text, *replies, now);
  text.count("peers", "Peers that are connected.", quantity(*replies, "peers", "result"));
  if (const auto reply = replies->find("network_id"); reply != replies->end()) {
    text.count("network_id", "The network of the node's peers; most chains have the number of the chain.",
               reply->second.number("result"));
  }
  text.count("txpool_pending", "Transactions that can be put into a block.",
             quantity(*replies, "txpool", "result/pending"));
  text.count("txpool_queued", "Transactions that wait for others.", quantity(*replies, "txpool", "result/queued"));
  if (const auto reply = replies->find("version"); reply != replies->end()) {
    if (const auto name = reply->second.text("result")) {
      text.info("info", "The node's own name of itself.", "version", label_text(*name));
    }
  }
  return text.take();
}

void ExecutionObserver::write_head(GaugeText& text, const Replies& replies, core::WallTime at) {
  const Json& latest = replies.find("latest")->second;
  const auto syncing = replies.find("syncing");
  const std::uint64_t number = *latest.quantity("result/number");
  const std::uint64_t timestamp = *latest.quantity("result/timestamp");
  if (syncing != replies.end()) {  // not asked of a reference
    text.flag("syncing", "1 if the node says that it is syncing; some say no while they are.",
              syncing->second.is_object("result"));
    text.count("highest_number", "While syncing: the number of the block that it syncs to.",
               syncing->second.quantity("result/highestBlock"));
  }
  text.count("head_number", "The number of the latest block.", number);
  const double age = (static_cast<double>(core::to_unix_ms(at)) - static_cast<double>(timestamp) * 1000) / 1000;
  const bool ahead = age * 1000 < -static_cast<double>(kClockDisparityMs);
  text.flag("clock_suspect", "1 if the latest block is from the future: its proposer's clock or this host's is wrong.",
            ahead);
  if (!ahead) text.gauge("head_age_seconds", "Seconds since the time of the latest block.", std::max(age, 0.0));
  // Null or an error before the first word of the beacon node: not known, never 0. One beyond the head is no answer.
  for (const auto& [tag, help] : {std::pair{"safe", "The number of the safe block."},
                                  std::pair{"finalized", "The number of the finalized block."}}) {
    const auto block = quantity(replies, tag, "result/number");
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
