// SPDX-License-Identifier: Apache-2.0
#include "core/net/answer_body.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/byte_budget.h"
#include "core/check.h"
#include "core/net/exchange_errors.h"
#include "core/net/observation.h"

namespace core::net {
namespace {

// Of a body that nobody wants.
constexpr std::uint64_t kErrorBodyBytesRead = 64 << 10;
// A header alone must not make us reserve more.
constexpr std::uint64_t kReserveMax = 1 << 20;
// Memory that is made ready for a body of which nothing has come; afterwards as much again as has come. Many that
// announce much and send nothing take no more than this each.
constexpr std::size_t kFirstRoom = 64 << 10;

}  // namespace

bool AnswerBody::stopped(Stop stop) {
  stop_ = stop;
  return false;
}

bool AnswerBody::begin() {
  begun_ = true;
  if (request_.on_body && response_.status == 200) {
    use_ = Use::kHandedOn;
  } else if (request_.observation != nullptr) {
    use_ = Use::kObserved;
  } else if (wants_status_only()) {
    use_ = Use::kDropped;
  }
  const std::string_view coding = find_header(response_.headers, "Content-Encoding");
  if (request_.accept_gzip && coding == "gzip") coding_ = Coding::kGzip;
  if (request_.accept_zstd && coding == "zstd") coding_ = Coding::kZstd;
  if (request_.unpack) {
    decompressor_ = make_decompressor(coding_, request_.body_limit);
    if (decompressor_ != nullptr && use_ == Use::kKept) use_ = Use::kUnpacked;
  } else {
    response_.coding = coding_;
  }
  if (use_ != Use::kKept && use_ != Use::kUnpacked) return true;
  response_.body = std::move(request_.buffer);
  if (use_ == Use::kUnpacked) response_.body.clear();
  std::uint64_t expected = 0;
  const std::string_view length = find_header(response_.headers, "Content-Length");
  std::from_chars(length.data(), length.data() + length.size(), expected);
  // It says itself that it will be too large: not one byte of it need come.
  if (!request_.cut_body && expected > request_.body_limit) return stopped(Stop::kBodyLimit);
  response_.body.reserve(std::min({expected, request_.body_limit, kReserveMax}));
  return true;
}

bool AnswerBody::take(std::string_view piece) {
  if (!begun_ && !begin()) return false;
  response_.wire_bytes += piece.size();
  switch (use_) {
    case Use::kHandedOn:
      return request_.on_body(piece) || stopped(Stop::kByReceiver);
    case Use::kObserved:
      return observe(piece);
    case Use::kDropped:
      // A little is read, so that the connection can be used again.
      return response_.wire_bytes <= kErrorBodyBytesRead;
    case Use::kKept:
      return keep(piece);
    case Use::kUnpacked:
      break;
  }
  const auto outcome = decompressor_->feed(piece, response_.body);
  if (outcome == Decompressor::Outcome::kOk) return has_room_for(response_.body.size());
  return stopped(outcome == Decompressor::Outcome::kTooBig ? Stop::kBodyLimit : Stop::kCorrupt);
}

// Whether the budget has room for a body of so many bytes. In steps, so that it is not asked for every piece.
bool AnswerBody::has_room_for(std::uint64_t size) {
  if (request_.budget == nullptr || size <= kBodyBytesFree) return true;
  if (hold_ == nullptr) hold_ = std::make_shared<ByteHold>(request_.budget);
  if (hold_->grow_to((size + kBodyBytesFree - 1) / kBodyBytesFree * kBodyBytesFree)) return true;
  return stopped(Stop::kBudget);
}

void AnswerBody::grow_to(std::size_t size) {
  if (response_.body.size() < size) response_.body.resize(size);
}

bool AnswerBody::keep(std::string_view piece) {
  const std::uint64_t room = request_.body_limit - kept_bytes_;
  const bool fits = piece.size() <= room;
  if (!fits && !request_.cut_body) return stopped(Stop::kBodyLimit);
  if (!fits) piece = piece.substr(0, room);
  if (!has_room_for(kept_bytes_ + piece.size())) return false;
  if (!piece.empty()) {
    grow_to(kept_bytes_ + piece.size());
    std::memcpy(response_.body.data() + kept_bytes_, piece.data(), piece.size());
    kept_bytes_ += piece.size();
  }
  return fits || stopped(Stop::kCut);
}

std::span<char> AnswerBody::room(std::uint64_t coming) {
  if (use_ != Use::kKept) return {};
  // Past the limit it is take() that ends it.
  coming = std::min(coming, request_.body_limit - kept_bytes_);
  std::size_t ready = std::max(response_.body.size() - kept_bytes_, std::max(kFirstRoom, kept_bytes_));
  // One that has grown a little since it last came is still read at once.
  if (coming <= ready + ready / 16) ready = coming;
  const auto size = static_cast<std::size_t>(std::min({coming, std::uint64_t{ready}, kBodyBytesFree}));
  if (size == 0 || !has_room_for(kept_bytes_ + size)) return {};
  grow_to(kept_bytes_ + size);
  return {response_.body.data() + kept_bytes_, size};
}

void AnswerBody::filled(std::size_t bytes) {
  kept_bytes_ += bytes;
  response_.wire_bytes += bytes;
}

// The part of a body that an observer keeps; the rest is counted.
bool AnswerBody::observe(std::string_view piece) {
  Observation& seen = *request_.observation;
  const std::uint64_t room = request_.body_limit - seen.body_bytes;
  const bool fits = piece.size() <= room;
  if (!fits) piece = piece.substr(0, room);
  seen.body_bytes += piece.size();
  if (seen.body.size() < seen.keep_body_bytes) {
    seen.body.append(piece.substr(0, seen.keep_body_bytes - seen.body.size()));
  }
  return fits || stopped(Stop::kBodyLimit);
}

Error AnswerBody::error() const {
  switch (stop_) {
    case Stop::kBodyLimit:
      return decompression_error(coding_, Decompressor::Outcome::kTooBig);
    case Stop::kCorrupt:
      return decompression_error(coding_, Decompressor::Outcome::kCorrupt);
    case Stop::kBudget:
      return core::error(Errc::kLimitExceeded, "{}the body: all that are received may take {} bytes", kNoMemoryLeft,
                         request_.budget->limit());
    case Stop::kByReceiver:
      return request_error(request_, Errc::kCancelled, "the receiver of the body ended the transfer");
    case Stop::kNone:
    case Stop::kCut:
      break;
  }
  CHECK(false, "a body that was not refused has no error");
  return {};
}

bool AnswerBody::finish() {
  if (!begun_) {
    // There was none. Who lent memory for it gets it back with the answer.
    response_.body = std::move(request_.buffer);
    response_.body.clear();
    return true;
  }
  if (use_ == Use::kKept) response_.body.resize(kept_bytes_);
  response_.hold = std::move(hold_);
  return stop_ == Stop::kCut || use_ != Use::kUnpacked || decompressor_->complete();
}

}  // namespace core::net
