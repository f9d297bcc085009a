// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/json_feed.h"

namespace collector::staking {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool ends_word(char c) { return is_space(c) || c == ',' || c == ']' || c == '}'; }

std::size_t digits(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end - at;
}

// RFC 8259, section 6.
bool is_number(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const std::size_t whole = digits(text, at);
  if (whole == 0 || (whole > 1 && text[at] == '0')) return false;
  at += whole;
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = digits(text, at + 1);
    if (fraction == 0) return false;
    at += 1 + fraction;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const std::size_t exponent = digits(text, at);
    if (exponent == 0) return false;
    at += exponent;
  }
  return at == text.size();
}

}  // namespace

bool JsonFeed::fail(std::string_view why) {
  if (state_ != State::kFailed) problem_ = why;
  state_ = State::kFailed;
  return false;
}

bool JsonFeed::feed(std::string_view piece) {
  while (!piece.empty() && state_ != State::kFailed) {
    std::size_t taken = 1;
    switch (state_) {
      case State::kText:
        taken = take_text(piece);
        break;
      case State::kWord:
        taken = take_word(piece);
        break;
      case State::kEscape:
        escape(piece.front());
        break;
      case State::kCode:
        code_digit(piece.front());
        break;
      default:
        structure(piece.front());
        break;
    }
    piece.remove_prefix(taken);
  }
  return state_ != State::kFailed;
}

core::Result<void> JsonFeed::finish() {
  // A number at the top has no end of its own.
  if (state_ == State::kWord && depth_ == 0) end_word(token_);
  if (state_ == State::kFailed) return core::fail(core::Errc::kInvalid, "{}", problem_);
  if (state_ != State::kDone) return core::fail(core::Errc::kInvalid, "not whole JSON");
  return {};
}

bool JsonFeed::structure(char c) {
  if (is_space(c)) return true;
  switch (state_) {
    case State::kFirstKey:
      if (c == '}') return close(true);
      [[fallthrough]];
    case State::kKey:
      if (c != '"') return fail("not whole JSON");
      is_key_ = true;
      state_ = State::kText;
      return true;
    case State::kColon:
      if (c != ':') return fail("not whole JSON");
      state_ = State::kValue;
      return true;
    case State::kNext:
      if (c == '}' || c == ']') return close(c == '}');
      if (c != ',') return fail("not whole JSON");
      state_ = (objects_ & 1U) != 0 ? State::kKey : State::kValue;
      return true;
    case State::kFirstValue:
      if (c == ']') return close(false);
      return begin_value(c);
    case State::kValue:
      return begin_value(c);
    default:
      return fail("not whole JSON");
  }
}

bool JsonFeed::begin_value(char c) {
  if (c == '{' || c == '[') return open(c == '{');
  if (c == '"') {
    is_key_ = false;
    state_ = State::kText;
    return true;
  }
  if (c != '-' && !is_digit(c) && c != 't' && c != 'f' && c != 'n') return fail("not whole JSON");
  token_.assign(1, c);
  state_ = State::kWord;
  return true;
}

bool JsonFeed::open(bool object) {
  if (depth_ == kDepthMax) return fail("nested too deep");
  ++depth_;
  objects_ = objects_ << 1U | (object ? 1U : 0U);
  state_ = object ? State::kFirstKey : State::kFirstValue;
  return events_.begin(object) || fail("another shape than expected");
}

bool JsonFeed::close(bool object) {
  if (((objects_ & 1U) != 0) != object) return fail("not whole JSON");
  objects_ >>= 1U;
  --depth_;
  if (!events_.end()) return fail("another shape than expected");
  return after_value();
}

bool JsonFeed::after_value() {
  state_ = depth_ == 0 ? State::kDone : State::kNext;
  return true;
}

void JsonFeed::append(std::string_view bytes) {
  buffered_ = true;
  if (too_long_ || bytes.size() > kTokenBytesMax - token_.size()) {
    too_long_ = true;
    token_.clear();
    return;
  }
  token_ += bytes;
}

std::size_t JsonFeed::take_text(std::string_view rest) {
  std::size_t end = 0;
  while (end < rest.size() && rest[end] != '"' && rest[end] != '\\' && static_cast<unsigned char>(rest[end]) >= 0x20) {
    ++end;
  }
  if (end > 0 && high_surrogate_ != 0) return fail("not whole JSON"), end;
  const std::string_view part = rest.substr(0, end);
  if (end == rest.size()) return append(part), end;
  if (rest[end] == '"') {
    if (high_surrogate_ != 0) return fail("not whole JSON"), end;
    if (!buffered_ && part.size() <= kTokenBytesMax) {
      end_text(part);
    } else {
      append(part);
      end_text(token_);
    }
    return end + 1;
  }
  if (rest[end] != '\\') return fail("not whole JSON"), end;
  append(part);
  state_ = State::kEscape;
  return end + 1;
}

bool JsonFeed::end_text(std::string_view whole) {
  bool good = false;
  if (is_key_) {
    state_ = State::kColon;
    good = events_.key(too_long_ ? std::string_view() : whole);
  } else {
    after_value();
    good = events_.scalar(too_long_ ? JsonEvents::Scalar::kTooLong : JsonEvents::Scalar::kText,
                          too_long_ ? std::string_view() : whole);
  }
  token_.clear();
  buffered_ = too_long_ = false;
  return good || fail("another shape than expected");
}

bool JsonFeed::escape(char c) {
  static constexpr std::string_view kNames = "\"\\/bfnrt";
  static constexpr std::string_view kMeans = "\"\\/\b\f\n\r\t";
  if (c == 'u') {
    code_ = 0;
    code_digits_ = 0;
    state_ = State::kCode;
    return true;
  }
  const std::size_t which = kNames.find(c);
  if (which == std::string_view::npos || high_surrogate_ != 0) return fail("not whole JSON");
  append(kMeans.substr(which, 1));
  state_ = State::kText;
  return true;
}

bool JsonFeed::code_digit(char c) {
  const int digit = is_digit(c) ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
  if (digit < 0) return fail("not whole JSON");
  code_ = code_ * 16 + static_cast<std::uint32_t>(digit);
  if (++code_digits_ < 4) return true;
  state_ = State::kText;
  return append_code_point(code_);
}

// Beyond the first 65,536 a character stands as two codes (RFC 8259, section 7).
bool JsonFeed::append_code_point(std::uint32_t code) {
  const bool high = code >= 0xd800 && code < 0xdc00;
  const bool low = code >= 0xdc00 && code < 0xe000;
  if (low != (high_surrogate_ != 0)) return fail("not whole JSON");
  if (high) {
    high_surrogate_ = code;
    return true;
  }
  if (low) code = 0x10000 + ((high_surrogate_ - 0xd800) << 10U) + (code - 0xdc00);
  high_surrogate_ = 0;
  std::string bytes;
  if (code < 0x80) {
    bytes += static_cast<char>(code);
  } else {
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static constexpr unsigned kLead[] = {0, 0xc0, 0xe0, 0xf0};
    bytes += static_cast<char>(kLead[more] | code >> (6U * static_cast<unsigned>(more)));
    for (int i = more - 1; i >= 0; --i) {
      bytes += static_cast<char>(0x80U | (code >> (6U * static_cast<unsigned>(i)) & 0x3fU));
    }
  }
  append(bytes);
  return true;
}

std::size_t JsonFeed::take_word(std::string_view rest) {
  constexpr std::size_t kWordBytesMax = 400;  // the longest double, written out
  std::size_t end = 0;
  while (end < rest.size() && !ends_word(rest[end])) ++end;
  if (end > kWordBytesMax - token_.size()) return fail("not whole JSON"), end;
  token_ += rest.substr(0, end);
  if (end < rest.size()) end_word(token_);
  return end;
}

bool JsonFeed::end_word(std::string_view word) {
  using Scalar = JsonEvents::Scalar;
  Scalar kind = Scalar::kNumber;
  if (word == "true") {
    kind = Scalar::kTrue;
  } else if (word == "false") {
    kind = Scalar::kFalse;
  } else if (word == "null") {
    kind = Scalar::kNull;
  } else if (!is_number(word)) {
    return fail("not whole JSON");
  }
  after_value();
  const bool good = events_.scalar(kind, word);
  token_.clear();
  return good || fail("another shape than expected");
}

}  // namespace collector::staking
