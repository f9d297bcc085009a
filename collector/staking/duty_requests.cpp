// SPDX-License-Identifier: Apache-2.0
// What the loop asks, and what it makes of each answer.
#include "collector/staking/duty_requests.h"

#include <algorithm>

#include <fmt/format.h>

#include "collector/staking/duty_loop.h"
#include "collector/staking/node_observer.h"

namespace collector::staking {
namespace {

// What loads a state may take long.
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

}  // namespace

tl::expected<Json, std::string> json_of(const core::Result<core::net::Response>& response) {
  if (!response) return tl::unexpected(std::string(row_of(reason_of(response.error())).name));
  if (response->status != 200) return tl::unexpected(std::string(row_of(reason_of_status(response->status)).name));
  auto json = Json::parse(response->body);
  if (!json) return tl::unexpected(std::string(row_of(Reason::kNotJson).name));
  return std::move(*json);
}

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

core::net::Request get_request(const BeaconNodeConfig& node, const std::string& path, core::Duration timeout) {
  Question question;
  question.request.url = join_url(node.url, path);
  question.request.headers.emplace_back("Accept", "application/json");
  question.request.timeout = timeout;
  question.request.body_limit = kSmallBodyMax;
  if (node.http_config) authorise(question, *node.http_config);
  return std::move(question.request);
}

core::net::Request DutyLoop::post_of(const Node& node, const std::string& path, std::string body) const {
  core::net::Request request = get_request(node.config, path, kLong);
  request.method = "POST";
  request.repeatable = true;  // it only asks
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

core::Task<bool> DutyLoop::fetch(Node& node, Root root, Block& into) {
  const std::string id = to_string(root);
  const std::string forms[] = {"/eth/v1/beacon/blinded_blocks/" + id, "/eth/v2/beacon/blocks/" + id};
  for (; node.block_form < std::size(forms); ++node.block_form) {
    BlockReader reader;
    const int status = co_await read(node, get_request(node.config, forms[node.block_form], kLong), reader);
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
  HttpExchange header_exchange(http_, get_request(node.config, "/eth/v1/beacon/headers/" + id, kShortAnswer));
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
  auto request = get_request(node.config, fmt::format("/eth/v2/beacon/blocks/{}/attestations", id), kLong);
  if (co_await read(node, std::move(request), reader) != 200) co_return false;
  into.attestations = std::move(reader.attestations);
  into.body_known = true;
  co_return true;
}

std::vector<std::string> DutyLoop::key_texts(std::span<const std::uint32_t> watched, std::size_t first,
                                             std::size_t most) const {
  std::vector<std::string> texts;
  for (const std::uint32_t each : watched.subspan(first, std::min(most, watched.size() - first))) {
    texts.push_back(to_string(keys_->keys[each].key));
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
  const std::vector<std::uint32_t> asked = ledger_->untold(epoch);
  std::vector<ValidatorRecord> records;
  for (std::size_t at = 0; !node.validators_by_get && at < asked.size(); at += kKeysPerPost) {
    ValidatorsReader reader([this](const PublicKey& key) { return keys_->find(key) != nullptr; });
    const std::string body = "{\"ids\":" + json_list(key_texts(asked, at, kKeysPerPost)) + "}";
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
  for (std::size_t at = 0; node.validators_by_get && at < asked.size(); at += kKeysPerGet) {
    ValidatorsReader reader([this](const PublicKey& key) { return keys_->find(key) != nullptr; });
    // The parameter is repeated: Lodestar takes a list between commas for one key, which nobody has.
    const std::string path = fmt::format("/eth/v1/beacon/states/head/validators?id={}",
                                         fmt::join(key_texts(asked, at, kKeysPerGet), "&id="));
    if (co_await read(node, get_request(node.config, path, kLong), reader) != 200) {
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
  // A state tells of its own epoch, the one before and the next.
  const bool by_head = epoch + 1 >= ledger_->spec().epoch_of(node.head_slot);
  const std::string state = by_head ? "head" : std::to_string(ledger_->spec().first_slot(epoch + 1));
  auto request =
      get_request(node.config, fmt::format("/eth/v1/beacon/states/{}/committees?epoch={}", state, epoch), kLong);
  if (co_await read(node, std::move(request), reader) != 200) co_return false;
  ledger_->set_committees(std::move(reader.committees));
  co_return true;
}

core::Task<bool> DutyLoop::ask_proposers(Node& node, std::uint64_t epoch) {
  ProposersReader reader(ledger_->spec(), epoch);
  auto request = get_request(node.config, fmt::format("/eth/v1/validator/duties/proposer/{}", epoch), kLong);
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
