// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/keymanager_observer.h"

#include <algorithm>

namespace collector::staking {
namespace {

// As many keys as are read, with their derivation paths and the URLs of remote signers, are some 200 bytes each.
constexpr std::uint64_t kKeymanagerBytesMax = 128 << 20;

// What a failure says of the validator client itself: an error of its API or a silence is no proof, from one place,
// that it is down; a refusal of our token comes from a live one.
Grade grade_of(Reason keystores) {
  if (keystores == Reason::kUnauthorized) return Grade::kUp;
  return keystores == Reason::kRefused ? Grade::kDown : Grade::kUnknown;
}

}  // namespace

void ListedKeys::set_clients(std::set<std::string> clients) {
  clients_ = std::move(clients);
  std::erase_if(keys_, [&](const auto& each) { return !clients_.contains(each.first); });
}

std::optional<std::uint64_t> ListedKeys::elsewhere(const std::string& node, const std::vector<PublicKey>& keys) const {
  std::uint64_t count = 0;
  for (const PublicKey& key : keys) {
    count += std::ranges::any_of(
        keys_, [&](const auto& other) { return other.first != node && std::ranges::binary_search(other.second, key); });
  }
  const bool all_heard = std::ranges::all_of(
      clients_, [&](const std::string& client) { return client == node || keys_.contains(client); });
  if (count == 0 && !all_heard) return std::nullopt;
  return count;
}

std::vector<Question> KeymanagerObserver::questions(core::SteadyTime) {
  std::vector<Question> result;
  const auto add = [&](const char* name, const char* path, const char* field) {
    Question question;
    const auto reader = std::make_shared<KeyListReader>(field, kKeymanagerBytesMax);
    readers_[name] = reader;
    question.request.on_body = [reader](std::string_view piece) { return reader->feed(piece); };
    question.name = name;
    question.request.url = join_url(config_.keymanager->url, path);
    question.request.headers.emplace_back("Accept", "application/json");
    question.request.tls.ca_file = config_.keymanager->ca_file.path;
    question.request.credentials.token_file = config_.keymanager->token_file.path;
    result.push_back(std::move(question));
  };
  add("keystores", "/eth/v1/keystores", "validating_pubkey");
  add("remotekeys", "/eth/v1/remotekeys", "pubkey");
  return result;
}

std::string KeymanagerObserver::judge(const Answers& answers, core::SteadyTime) {
  GaugeText text("watchkeeper_keymanager_");
  auto local = readers_["keystores"]->finish(find(answers, "keystores"));
  auto remote = readers_["remotekeys"]->finish(find(answers, "remotekeys"));
  // A client without remote keys has no such endpoint.
  if (!remote && remote.error() == Reason::kNotOffered) remote = std::vector<PublicKey>();
  if (local) {
    text.verdict(Reason::kNone);
  } else {
    text.verdict(local.error(), grade_of(local.error()));
  }
  const bool known = local && remote;
  text.flag("keys_known", "1 if the client told all of its keys.", known);
  if (!known) {
    const Reason why = local ? remote.error() : local.error();
    text.info("keys_unknown_reason", "Why the client's keys are not known.", "reason", row_of(why).name);
    listed_->forget(config_.name);
    return text.take();
  }
  text.count("local_keys", "Keys that the client holds itself.", local->size());
  text.count("remote_keys", "Keys that the client has signed by a remote signer.", remote->size());
  std::vector<PublicKey> keys = std::move(*local);
  keys.insert(keys.end(), remote->begin(), remote->end());
  std::ranges::sort(keys);
  const auto doubles = std::ranges::unique(keys);
  keys.erase(doubles.begin(), doubles.end());
  text.count("keys", "Keys that the client lists.", keys.size());
  write_expected(text, keys);
  listed_->set(config_.name, keys);
  text.count("duplicates", "Keys that another validator client lists as well.", listed_->elsewhere(config_.name, keys));
  return text.take();
}

void KeymanagerObserver::write_expected(GaugeText& text, const std::vector<PublicKey>& keys) const {
  if (expected_->watched == nullptr) return;
  std::uint64_t missing = 0;
  for (const WatchedKey& watched : expected_->watched->keys) {
    const bool here =
        watched.validator_client.empty() ? expected_->only_client : watched.validator_client == config_.name;
    if (here && !std::ranges::binary_search(keys, watched.key)) ++missing;
  }
  std::uint64_t extra = 0;
  for (const PublicKey& key : keys) {
    const WatchedKey* watched = expected_->watched->find(key);
    if (watched == nullptr || (!watched->validator_client.empty() && watched->validator_client != config_.name))
      ++extra;
  }
  text.count("missing", "Keys of keys_file that the client should list and does not.", missing);
  text.count("extra", "Keys that the client lists and keys_file does not have, or has for another.", extra);
}

}  // namespace collector::staking
