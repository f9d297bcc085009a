// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "collector/staking/key_list_reader.h"
#include "collector/staking/node_observer.h"
#include "collector/staking/staking_config.h"

namespace collector::staking {

// Which validator client lists which keys, as of each one's last answer; nothing of one that did not answer then.
//
// Thread safety: confined to the scheduler's thread.
class ListedKeys {
 public:
  // Who is to be heard; what others listed is forgotten.
  void set_clients(std::set<std::string> clients);
  // REQUIRES: sorted and without doubles.
  void set(const std::string& node, std::vector<PublicKey> keys) { keys_[node] = std::move(keys); }
  void forget(const std::string& node) { keys_.erase(node); }
  // How many of `keys` another than `node` lists as well. None if nobody is known to, and not everybody was heard.
  std::optional<std::uint64_t> elsewhere(const std::string& node, const std::vector<PublicKey>& keys) const;

 private:
  std::set<std::string> clients_;
  std::map<std::string, std::vector<PublicKey>> keys_;
};

// What the keys are compared with, replaced at a reload.
struct ExpectedKeys {
  std::shared_ptr<const WatchedKeys> watched;  // none: nothing is expected
  bool only_client = false;                    // then every key is expected there that names no client
};

// A validator client by its keymanager API, which is only read. A key that is listed need not sign, and one that is not
// may still: this says what is configured, not who signs.
//
// Thread safety: confined to the scheduler's thread.
class KeymanagerObserver final : public NodeObserver {
 public:
  KeymanagerObserver(ValidatorClientConfig config, std::shared_ptr<ListedKeys> listed,
                     std::shared_ptr<const ExpectedKeys> expected)
      : config_(std::move(config)), listed_(std::move(listed)), expected_(std::move(expected)) {}

  std::vector<Question> questions(core::SteadyTime now) override;
  std::string judge(const Answers& answers, core::SteadyTime now) override;

 private:
  void write_expected(GaugeText& text, const std::vector<PublicKey>& keys) const;

  ValidatorClientConfig config_;
  std::map<std::string, std::shared_ptr<KeyListReader>> readers_;  // of this round
  std::shared_ptr<ListedKeys> listed_;
  std::shared_ptr<const ExpectedKeys> expected_;
};

}  // namespace collector::staking
