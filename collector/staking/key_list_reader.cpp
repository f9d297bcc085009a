// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/key_list_reader.h"

#include <utility>

namespace collector::staking {

bool KeyListReader::feed(std::string_view piece) {
  bytes_ += piece.size();
  if (bytes_ > bytes_max_) return refuse(Reason::kBodyTooLarge);
  return feed_.feed(piece);
}

tl::expected<std::vector<PublicKey>, Reason> KeyListReader::finish(const Answer* answer) {
  if (refused_ != Reason::kNone) return tl::unexpected(refused_);
  if (answer == nullptr) return tl::unexpected(Reason::kOther);
  // Ended by this reader, which does not refuse: it is no JSON.
  if (!answer->response && feed_.failed()) return tl::unexpected(Reason::kNotJson);
  if (!answer->response) return tl::unexpected(reason_of(answer->response.error()));
  if (answer->response->status != 200) return tl::unexpected(reason_of_status(answer->response->status));
  // A lone number ends with the text.
  const bool whole = feed_.finish().has_value();
  if (refused_ != Reason::kNone) return tl::unexpected(refused_);
  if (!whole) return tl::unexpected(Reason::kNotJson);
  if (!there_) return tl::unexpected(Reason::kBadAnswer);
  return std::move(keys_);
}

bool KeyListReader::refuse(Reason why) {
  refused_ = why;
  return false;
}

bool KeyListReader::at_list(bool object) const {
  return !object && !there_ && (field_.empty() ? depth_ == 0 : depth_ == 1 && list_is_next_);
}

bool KeyListReader::begin(bool object) {
  if (at_list(object)) {
    in_list_ = there_ = true;
  } else if (in_list_ && depth_ == list_depth()) {
    // An element.
    if (field_.empty() || !object) return refuse(Reason::kBadAnswer);
    found_ = false;
  } else if (depth_ == 0 && !object) {
    return refuse(Reason::kBadAnswer);
  } else if (depth_ == 1 && list_is_next_) {
    return refuse(Reason::kBadAnswer);
  } else if (in_list_ && depth_ == list_depth() + 1 && key_is_next_) {
    return refuse(Reason::kBadAnswer);
  }
  ++depth_;
  list_is_next_ = key_is_next_ = false;
  return true;
}

bool KeyListReader::end() {
  --depth_;
  if (!in_list_) return true;
  if (depth_ < list_depth()) {
    in_list_ = false;
  } else if (depth_ == list_depth() && !found_) {
    return refuse(Reason::kBadAnswer);
  }
  return true;
}

bool KeyListReader::key(std::string_view name) {
  list_is_next_ = depth_ == 1 && !field_.empty() && name == "data";
  key_is_next_ = in_list_ && depth_ == list_depth() + 1 && name == field_;
  return true;
}

bool KeyListReader::scalar(Scalar kind, std::string_view text) {
  if (std::exchange(list_is_next_, false) || depth_ == 0) return refuse(Reason::kBadAnswer);
  if (in_list_ && depth_ == list_depth()) return field_.empty() ? take(kind, text) : refuse(Reason::kBadAnswer);
  if (!std::exchange(key_is_next_, false)) return true;
  if (std::exchange(found_, true)) return refuse(Reason::kBadAnswer);
  return take(kind, text);
}

bool KeyListReader::take(Scalar kind, std::string_view text) {
  const auto parsed = kind == Scalar::kText ? parse_public_key(text) : std::nullopt;
  if (!parsed || keys_.size() >= kKeysMax) return refuse(Reason::kBadAnswer);
  keys_.push_back(*parsed);
  return true;
}

}  // namespace collector::staking
