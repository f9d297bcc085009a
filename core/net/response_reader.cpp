// SPDX-License-Identifier: Apache-2.0
#include "core/net/response_reader.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "core/check.h"
#include "core/net/header_text.h"

namespace core::net {
namespace {

// Of a line with a chunk's size and its extensions, which nobody uses.
constexpr std::size_t kChunkLineBytesMax = 4096;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

// False until the line's end has come; then without it. `bytes` counts what came of it, up to `bytes_max`.
bool ResponseReader::take_line(std::string_view& input, std::string_view& line, std::size_t& bytes,
                               std::size_t bytes_max) {
  if (line_is_taken_) {
    line_.clear();
    line_is_taken_ = false;
  }
  const std::size_t end = input.find('\n');
  const std::size_t taken = std::min(end == std::string_view::npos ? input.size() : end + 1, bytes_max + 1 - bytes);
  const bool ends = end != std::string_view::npos && taken == end + 1;
  line = input.substr(0, taken);
  input.remove_prefix(taken);
  bytes += taken;
  if (!ends || !line_.empty()) {
    line_ += line;
    line = line_;
  }
  if (!ends) return false;
  line_is_taken_ = true;
  line.remove_suffix(line.ends_with("\r\n") ? 2 : 1);
  return true;
}

ResponseReader::Event ResponseReader::fail(Fault fault) {
  state_ = State::kFault;
  fault_ = fault;
  return Event::kFault;
}

ResponseReader::Event ResponseReader::next(std::string_view& input, std::string_view& piece) {
  std::string_view line;
  while (true) {
    Event event = Event::kNeedsMore;
    switch (state_) {
      case State::kStatusLine:
      case State::kHeaderLine:
      case State::kTrailerLine:
        if (!take_line(input, line, head_bytes_, kHeaderBytesMax)) {
          return head_bytes_ > kHeaderBytesMax ? fail(Fault::kHeadersTooLarge) : Event::kNeedsMore;
        }
        if (head_bytes_ > kHeaderBytesMax) return fail(Fault::kHeadersTooLarge);
        event = take_head_line(line);
        break;
      case State::kChunkSize:
        if (!take_line(input, line, chunk_line_bytes_, kChunkLineBytesMax)) {
          return chunk_line_bytes_ > kChunkLineBytesMax ? fail(Fault::kBadChunk) : Event::kNeedsMore;
        }
        event = take_chunk_size(line);
        break;
      case State::kLengthBody:
      case State::kCloseBody:
      case State::kChunk:
        return take_piece(input, piece);
      case State::kChunkEnd:
        if (input.empty()) return Event::kNeedsMore;
        event = take_chunk_end(input);
        break;
      case State::kEnd:
        return Event::kEnd;
      case State::kFault:
        return Event::kFault;
    }
    head_done_ = head_done_ || event == Event::kHead;
    if (event != Event::kNeedsMore) return event;
  }
}

// kNeedsMore: go on.
ResponseReader::Event ResponseReader::take_head_line(std::string_view line) {
  if (line.find('\0') != std::string_view::npos) return fail(Fault::kMalformed);
  if (state_ == State::kStatusLine) {
    if (!read_status(line)) return fail(Fault::kMalformed);
    state_ = State::kHeaderLine;
    return Event::kNeedsMore;
  }
  const bool in_trailer = state_ == State::kTrailerLine;
  if (trimmed(line).empty()) {
    if (!in_trailer) return end_head();
    state_ = State::kEnd;
    return Event::kNeedsMore;
  }
  Headers& headers = in_trailer ? trailers_ : headers_;
  if (line.front() == ' ' || line.front() == '\t') {
    // A line that goes on with the one before (obs-fold, RFC 9112, section 5.2).
    if (headers.empty()) return fail(Fault::kMalformed);
    headers.back().second += ' ';
    headers.back().second += trimmed(line);
    return Event::kNeedsMore;
  }
  // What has no colon says nothing, and hurts nobody.
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    if (headers_.size() + trailers_.size() >= kHeadersMax) return fail(Fault::kHeadersTooLarge);
    headers.emplace_back(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  }
  return Event::kNeedsMore;
}

// "HTTP/1.1 200 OK"; the words at its end may be missing, with the blank before them.
bool ResponseReader::read_status(std::string_view line) {
  constexpr std::string_view kName = "HTTP/1.";
  constexpr std::size_t kCodeAt = kName.size() + 2;
  constexpr std::size_t kCodeEnd = kCodeAt + 3;
  if (!line.starts_with(kName) || line.size() < kCodeEnd) return false;
  const char minor = line[kName.size()];
  if (!is_digit(minor) || line[kCodeAt - 1] != ' ') return false;
  if (!std::all_of(line.begin() + kCodeAt, line.begin() + kCodeEnd, is_digit)) return false;
  if (line.size() > kCodeEnd && line[kCodeEnd] != ' ') return false;
  minor_ = minor - '0';
  std::from_chars(line.data() + kCodeAt, line.data() + kCodeEnd, status_);
  reason_ = trimmed(line.substr(kCodeEnd));
  return status_ >= 100;
}

ResponseReader::Event ResponseReader::end_head() {
  if (status_ >= 200) return frame();
  // Nobody asked to switch protocols: what follows 101 is nothing that we could read.
  if (status_ == 101) return fail(Fault::kMalformed);
  headers_.clear();
  state_ = State::kStatusLine;
  return Event::kNeedsMore;
}

// How the body's end is told (RFC 9112, section 6.3).
ResponseReader::Event ResponseReader::frame() {
  bool closes = false;
  bool persists = false;
  std::string codings;
  for (const auto& [name, value] : headers_) {
    if (equals_ignoring_case(name, "Connection")) {
      closes = closes || lists_token(value, "close");
      persists = persists || lists_token(value, "keep-alive");
    } else if (equals_ignoring_case(name, "Transfer-Encoding")) {
      codings += codings.empty() ? "" : ",";
      codings += value;
    }
  }
  keeps_alive_ = !closes && (minor_ > 0 || persists);
  if (to_head_ || status_ == 204 || status_ == 304) {
    state_ = State::kEnd;
    return Event::kHead;
  }
  if (!codings.empty()) {
    // Packing that was not asked for cannot be undone here.
    if (!equals_ignoring_case(codings, "chunked")) return fail(Fault::kMalformed);
    // With a length beside it the next one on the way may see another end than we do.
    if (!find_header(headers_, "Content-Length").empty()) keeps_alive_ = false;
    state_ = State::kChunkSize;
    return Event::kHead;
  }
  if (!read_length()) return fail(Fault::kMalformed);
  if (!has_length_) {
    keeps_alive_ = false;
    state_ = State::kCloseBody;
  } else {
    state_ = left_ == 0 ? State::kEnd : State::kLengthBody;
  }
  return Event::kHead;
}

// False for what is no number, or two of them.
bool ResponseReader::read_length() {
  for (const auto& [name, value] : headers_) {
    if (!equals_ignoring_case(name, "Content-Length")) continue;
    std::uint64_t length = 0;
    const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), length);
    if (value.empty() || end != value.data() + value.size()) return false;
    // More than any limit.
    if (problem == std::errc::result_out_of_range) length = std::numeric_limits<std::uint64_t>::max();
    if (has_length_ && length != left_) return false;
    has_length_ = true;
    left_ = length;
  }
  return true;
}

ResponseReader::Event ResponseReader::take_chunk_size(std::string_view line) {
  chunk_line_bytes_ = 0;
  line = trimmed(line.substr(0, line.find(';')));
  const auto [end, problem] = std::from_chars(line.data(), line.data() + line.size(), left_, 16);
  if (line.empty() || problem != std::errc() || end != line.data() + line.size()) return fail(Fault::kBadChunk);
  state_ = left_ == 0 ? State::kTrailerLine : State::kChunk;
  return Event::kNeedsMore;
}

ResponseReader::Event ResponseReader::take_piece(std::string_view& input, std::string_view& piece) {
  if (input.empty()) return Event::kNeedsMore;
  if (state_ == State::kCloseBody) {
    piece = std::exchange(input, {});
    return Event::kBody;
  }
  piece = input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size())));
  input.remove_prefix(piece.size());
  left_ -= piece.size();
  if (left_ == 0) state_ = state_ == State::kChunk ? State::kChunkEnd : State::kEnd;
  return Event::kBody;
}

ResponseReader::Event ResponseReader::take_chunk_end(std::string_view& input) {
  const char c = input.front();
  input.remove_prefix(1);
  if (c == '\n') {
    state_ = State::kChunkSize;
    chunk_line_bytes_ = 0;
    return Event::kNeedsMore;
  }
  // One CR before it; what came of it is counted in the next line's place, which begins anew.
  if (c != '\r' || chunk_line_bytes_++ > 0) return fail(Fault::kBadChunk);
  return Event::kNeedsMore;
}

void ResponseReader::skip(std::uint64_t bytes) {
  CHECK(bytes <= bytes_left(), "what is skipped is a part of the body");
  left_ -= bytes;
  if (left_ == 0) state_ = State::kEnd;
}

}  // namespace core::net
