// SPDX-License-Identifier: Apache-2.0
// What the loop asks, and what it makes of each answer.
#include "collector/staking/duty_requests.h"

#include <algorithm>

#include <fmt/format.h>

#include "collector/staking/duty_loop.h"
#include "collector/staking/node_observer.h"

namespace collector::staking {
namespace {

// Heads and the like are there at once; what loads a state may take long.
constexpr core::Duration kShort = std::chrono::seconds(2);
constexpr core::Duration kLong = std::chrono::seconds(60);
// Of answers that are read whole: a specification, a head.
constexpr std::uint64_t kSmallBodyMax = 1 << 20;
// Keys and indices of one request: larger ones are refused by some clients.
constexpr std::size_t kKeysPerPost = 1'000;
constexpr std::size_t kKeysPerGet = 30;
constexpr std::size_t kIndicesPerPost = 8'000;

// A status that says that there is no such endpoint, or not in this form.
bool is_not_offered(int status) {
  return status == 400 || status == 404 || status == 405 || status == 406 || status == 414 || status == 415 ||
         status == 501;
}

tl::expected<Json, std::string> json_of(const core::Result<core::net::Response>& response) {
  if (!response) return tl::unexpected(std::string(row_of(reason_of(response.error())).name));
  if (response->status != 200) return tl::unexpected(std::string(row_of(reason_of_status(response->status)).name));
  auto json = Json::parse(response->body);
  if (!json) return tl::unexpected(std::string(row_of(Reason::kNotJson).name));
  return std::move(*json);
}

}  // namespace

std::string json_list(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const std::string& item : items) {
    if (text.size() > 1) text += ',';
    text += '"';
    text += item;
    text += '"';
  }
  return text + "]";
}

core::net::Request DutyLoop::request_of(const Node& node, const std::string& path, core::Duration timeout) const {
  Question question;
  question.request.url = join_url(node.config.url, path);
  question.request.headers.emplace_back("Accept", "application/json");
  question.request.timeout = timeout;
  question.request.body_limit = kSmallBodyMax;
  if (node.config.http_config) authorise(question, *node.config.http_config);
  return std::move(question.request);
}

core::net::Request DutyLoop::post_of(const Node& node, const std::string& path, std::string body) const {
  core::net::Request request = request_of(node, path, kLong);
  request.method = "POST";
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = std::move(body);
  return request;
}

core::Task<int> DutyLoop::read(Node& node, core::net::Request request, AnswerReader& reader) {
  request.on_body = [&reader](std::string_view piece) { return reader.feed(piece); };
  HttpExchange exchange(http_, std::move(request));
  const auto response = co_await exchange;
  if (!response) {
    // The reader ends what it cannot use; else the node does not answer as it should.
    if (response.error().code == core::Errc::kCancelled) co_return 0;
    node.reason = row_of(reason_of(response.error())).name;
    co_return 0;
  }
  if (response->status != 200) co_return response->status;
  co_return reader.finish() ? 200 : 0;
}

core::RootTask DutyLoop::poll(Node& node) {
  node.reason = co_await look_at(node);
  polled();
}

core::Task<std::string> DutyLoop::look_at(Node& node) {
  if (!node.spec) {
    std::string problem = co_await learn(node);
    if (!problem.empty()) co_return problem;
  }
  HttpExchange syncing_exchange(http_, request_of(node, "/eth/v1/node/syncing", kShort));
  const auto syncing_answer = co_await syncing_exchange;
  const auto syncing = json_of(syncing_answer);
  if (!syncing) {
    // Who answers next time may be somebody else.
    node.spec.reset();
    co_return syncing.error();
  }
  HttpExchange head_exchange(http_, request_of(node, "/eth/v1/beacon/headers/head", kShort));
  const auto head_answer = co_await head_exchange;
  const auto head = json_of(head_answer);
  if (!head) co_return head.error();
  co_return grade_head(node, *syncing, *head);
}

core::Task<std::string> DutyLoop::learn(Node& node) {
  HttpExchange genesis_exchange(http_, request_of(node, "/eth/v1/beacon/genesis", kShort));
  const auto genesis_answer = co_await genesis_exchange;
  const auto genesis = json_of(genesis_answer);
  if (!genesis) co_return genesis.error();
  const auto root = genesis->text("data/genesis_validators_root");
  if (!root || normal_root(*root).empty()) co_return std::string(row_of(Reason::kNetworkUnverified).name);
  if (network_->check(*root) == Network::Match::kOther) co_return std::string(row_of(Reason::kWrongNetwork).name);
  HttpExchange spec_exchange(http_, request_of(node, "/eth/v1/config/spec", kShort));
  const auto spec_answer = co_await spec_exchange;
  const auto text = json_of(spec_answer);
  if (!text) co_return text.error();
  const auto spec = DutySpec::make(*text, *genesis);
  // Two nodes of one chain with different clocks: one of them is wrong, and the first was believed.
  if (!spec || (ledger_ != nullptr && spec->clock != ledger_->spec().clock)) co_return std::string("bad_spec");
  node.spec = *spec;
  if (ledger_ == nullptr) begin_books(*spec);
  co_return std::string();
}

std::string DutyLoop::grade_head(Node& node, const Json& syncing, const Json& head) const {
  const auto is_syncing = syncing.flag("data/is_syncing");
  const auto root_text = head.text("data/root");
  const auto root = root_text ? parse_root(*root_text) : std::nullopt;
  const auto slot = head.number("data/header/message/slot");
  if (!is_syncing || !root || !slot) return std::string(row_of(Reason::kBadAnswer).name);
  if (*is_syncing) return "syncing";
  if (syncing.flag("data/is_optimistic").value_or(false)) return "optimistic";
  const auto now = node.spec->clock.slot_at(clock_.wall_now());
  if (!now) return "before_genesis";
  // Its clock, or this host's, is wrong: then no slot can be judged.
  if (*slot > now->value + 1) return "clock_suspect";
  if (*slot + node.spec->clock.slots_per_epoch() < now->value) return "behind";
  node.head = *root;
  node.head_slot = *slot;
  return {};
}

core::Task<bool> DutyLoop::fetch(Node& node, Root root, Block& into) {
  const std::string id = to_string(root);
  const std::string forms[] = {"/eth/v1/beacon/blinded_blocks/" + id, "/eth/v2/beacon/blocks/" + id};
  for (; node.block_form < std::size(forms); ++node.block_form) {
    BlockReader reader;
    const int status = co_await read(node, request_of(node, forms[node.block_form], kLong), reader);
    if (status == 200) {
      into = std::move(reader.block);
      co_return true;
    }
    // A block that the node itself has named is there: it is the form that is not.
    if (!is_not_offered(status)) co_return false;
  }
  const bool there = co_await fetch_parts(node, id, into);
  // Neither form: the next block is tried in all of them again.
  if (!there) node.block_form = 0;
  co_return there;
}

core::Task<bool> DutyLoop::fetch_parts(Node& node, std::string id, Block& into) {
  HttpExchange header_exchange(http_, request_of(node, "/eth/v1/beacon/headers/" + id, kShort));
  const auto header_answer = co_await header_exchange;
  const auto header = json_of(header_answer);
  if (!header) co_return false;
  const auto slot = header->number("data/header/message/slot");
  const auto proposer = header->number("data/header/message/proposer_index");
  const auto parent_text = header->text("data/header/message/parent_root");
  const auto parent = parent_text ? parse_root(*parent_text) : std::nullopt;
  if (!slot || !proposer || !parent) co_return false;
  into.slot = *slot;
  into.proposer = *proposer;
  into.parent = *parent;
  BlockAttestationsReader reader;
  auto request = request_of(node, fmt::format("/eth/v2/beacon/blocks/{}/attestations", id), kLong);
  if (co_await read(node, std::move(request), reader) != 200) co_return false;
  into.attestations = std::move(reader.attestations);
  into.body_known = true;
  co_return true;
}

std::vector<std::string> DutyLoop::key_texts(std::size_t first, std::size_t most) const {
  std::vector<std::string> texts;
  for (std::size_t i = first; i < std::min(first + most, keys_->keys.size()); ++i) {
    texts.push_back(to_string(keys_->keys[i].key));
  }
  return texts;
}

std::vector<std::string> DutyLoop::index_texts(std::size_t first, std::size_t most) const {
  const auto& pairs = ledger_->indices().pairs();
  std::vector<std::string> texts;
  for (std::size_t i = first; i < std::min(first + most, pairs.size()); ++i) {
    texts.push_back(std::to_string(pairs[i].first));
  }
  return texts;
}

core::Task<bool> DutyLoop::ask_records(Node& node, std::uint64_t epoch) {
  std::vector<ValidatorRecord> records;
  for (std::size_t at = 0; !node.validators_by_get && at < keys_->keys.size(); at += kKeysPerPost) {
    ValidatorsReader reader([this](const PublicKey& key) { return keys_->find(key) != nullptr; });
    const std::string body = "{\"ids\":" + json_list(key_texts(at, kKeysPerPost)) + "}";
    const int status = co_await read(node, post_of(node, "/eth/v1/beacon/states/head/validators", body), reader);
    if (is_not_offered(status)) {
      node.validators_by_get = true;
      records.clear();
    } else if (status != 200) {
      co_return false;
    } else {
      records.insert(records.end(), reader.records.begin(), reader.records.end());
    }
  }
  for (std::size_t at = 0; node.validators_by_get && at < keys_->keys.size(); at += kKeysPerGet) {
    ValidatorsReader reader([this](const PublicKey& key) { return keys_->find(key) != nullptr; });
    const std::string path =
        fmt::format("/eth/v1/beacon/states/head/validators?id={}", fmt::join(key_texts(at, kKeysPerGet), ","));
    if (co_await read(node, request_of(node, path, kLong), reader) != 200) {
      node.validators_by_get = false;
      co_return false;
    }
    records.insert(records.end(), reader.records.begin(), reader.records.end());
  }
  ledger_->set_records(epoch, records, clock_.unix_ms());
  co_return true;
}

core::Task<bool> DutyLoop::ask_committees(Node& node, std::uint64_t epoch) {
  CommitteesReader reader(ledger_->spec(), epoch, ledger_->indices());
  auto request = request_of(node, fmt::format("/eth/v1/beacon/states/head/committees?epoch={}", epoch), kLong);
  if (co_await read(node, std::move(request), reader) != 200) co_return false;
  ledger_->set_committees(std::move(reader.committees));
  co_return true;
}

core::Task<bool> DutyLoop::ask_proposers(Node& node, std::uint64_t epoch) {
  ProposersReader reader(ledger_->spec(), epoch);
  auto request = request_of(node, fmt::format("/eth/v1/validator/duties/proposer/{}", epoch), kLong);
  if (co_await read(node, std::move(request), reader) != 200) co_return false;
  // Of genesis nobody is the proposer: one slot may lack. An empty list is no list.
  if (reader.duties.size() + 1 < ledger_->spec().clock.slots_per_epoch()) co_return false;
  ledger_->set_proposers(epoch, std::move(reader.duties));
  co_return true;
}

core::Task<bool> DutyLoop::ask_sync_seats(Node& node, std::uint64_t epoch) {
  std::vector<SyncSeat> seats;
  for (std::size_t at = 0; at < ledger_->indices().pairs().size(); at += kIndicesPerPost) {
    const std::string body = json_list(index_texts(at, kIndicesPerPost));
    SyncDutiesReader reader(ledger_->spec(), ledger_->indices());
    auto request = post_of(node, fmt::format("/eth/v1/validator/duties/sync/{}", epoch), body);
    if (co_await read(node, std::move(request), reader) != 200) co_return false;
    seats.insert(seats.end(), reader.seats.begin(), reader.seats.end());
  }
  ledger_->set_sync_seats(epoch / ledger_->spec().epochs_per_sync_period, std::move(seats));
  co_return true;
}

core::Task<bool> DutyLoop::ask_rewards(Node& node, std::uint64_t epoch) {
  RewardAnswer whole;
  for (std::size_t at = 0; at < ledger_->indices().pairs().size(); at += kIndicesPerPost) {
    const std::string body = json_list(index_texts(at, kIndicesPerPost));
    RewardsReader reader;
    auto request = post_of(node, fmt::format("/eth/v1/beacon/rewards/attestations/{}", epoch), body);
    if (co_await read(node, std::move(request), reader) != 200) co_return false;
    if (whole.ideal.empty()) whole.ideal = std::move(reader.rewards.ideal);
    whole.total.insert(whole.total.end(), reader.rewards.total.begin(), reader.rewards.total.end());
  }
  ledger_->set_rewards(epoch, whole, clock_.unix_ms());
  co_return true;
}

}  // namespace collector::staking
