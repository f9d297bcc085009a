// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/event_parser.h"

namespace collector::staking {

bool EventParser::feed(std::string_view piece) {
  while (!piece.empty()) {
    // A line ends with CR, LF, or both.
    if (after_cr_) {
      after_cr_ = false;
      if (piece.front() == '\n') piece.remove_prefix(1);
      continue;
    }
    const std::size_t end = piece.find_first_of("\r\n");
    const std::string_view part = piece.substr(0, end);
    if (line_.size() + data_.size() + part.size() > kEventBytesMax) return false;
    if (end == std::string_view::npos) {
      line_ += part;
      return true;
    }
    after_cr_ = piece[end] == '\r';
    piece.remove_prefix(end + 1);
    if (line_.empty()) {
      take_line(part);
    } else {
      line_ += part;
      take_line(line_);
      line_.clear();
    }
  }
  return true;
}

void EventParser::take_line(std::string_view line) {
  if (line.empty()) {
    if (has_data_) listener_.event(name_, data_);
    name_.clear();
    data_.clear();
    has_data_ = false;
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == 0) return listener_.comment(line.substr(1));
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") name_ = value;
  if (field != "data") return;
  if (has_data_) data_ += '\n';
  data_ += value;
  has_data_ = true;
}

}  // namespace collector::staking
