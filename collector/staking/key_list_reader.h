// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "collector/staking/json_feed.h"
#include "collector/staking/node_observer.h"
#include "collector/staking/validator_keys.h"
#include "collector/staking/verdict.h"

namespace collector::staking {

// Public keys that a node lists, read as the answer comes: a list of as many keys as are read is long, and no other
// work waits for all of it at once. Takes the memory of the keys.
//
// Thread safety: confined to the scheduler's thread.
class KeyListReader final : public JsonEvents {
 public:
  // With a `field`: {"data": [{<field>: key, ...}, ...]}. Without: [key, ...]. More than `bytes_max` are too many.
  KeyListReader(std::string field, std::uint64_t bytes_max) : field_(std::move(field)), bytes_max_(bytes_max) {}
  KeyListReader(const KeyListReader&) = delete;
  KeyListReader& operator=(const KeyListReader&) = delete;

  // As core::net::Request::on_body wants it.
  bool feed(std::string_view piece);
  // The keys, once, if `answer` - whose body was fed - has nothing against it.
  tl::expected<std::vector<PublicKey>, Reason> finish(const Answer* answer);

  bool begin(bool object) override;
  bool end() override;
  bool key(std::string_view name) override;
  bool scalar(Scalar kind, std::string_view text) override;

 private:
  bool refuse(Reason why);
  bool take(Scalar kind, std::string_view text);
  std::size_t list_depth() const { return field_.empty() ? 1 : 2; }  // of what is open, inside of the list
  bool at_list(bool object) const;

  const std::string field_;  // "": the list is all there is
  const std::uint64_t bytes_max_;
  JsonFeed feed_{*this};
  std::uint64_t bytes_ = 0;
  std::size_t depth_ = 0;
  bool list_is_next_ = false;  // the key before was that of the list
  bool in_list_ = false;
  bool there_ = false;        // the list was
  bool key_is_next_ = false;  // the field of an element
  bool found_ = false;        // it, in this element
  std::vector<PublicKey> keys_;
  Reason refused_ = Reason::kNone;
};

}  // namespace collector::staking
