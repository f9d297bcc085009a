// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/net/decompressor.h"
#include "core/net/http_client.h"

namespace core {
class ByteHold;
}

namespace core::net {

// What becomes of an answer's body: where it goes to, what it may take, and when enough has come - whatever brings it.
//
// Thread safety: confined to the I/O thread.
class AnswerBody {
 public:
  enum class Stop { kNone, kCut, kBodyLimit, kBudget, kCorrupt, kByReceiver };

  // Both outlive this, and stay where they are.
  AnswerBody(Request& request, Response& response) : request_(request), response_(response) {}
  AnswerBody(const AnswerBody&) = delete;
  AnswerBody& operator=(const AnswerBody&) = delete;

  // Once the response has its status and headers. False, here and below: no more is wanted, and stop() says why.
  bool begin();
  bool begun() const { return begun_; }
  // The next bytes that came, in the order they came. Begins if need be.
  bool take(std::string_view piece);

  // Where the next bytes can be received to, so that take() need not copy them: as many as `coming` of them, or fewer.
  // Empty if they must be taken, or stop() is set. REQUIRES: begun, coming > 0.
  std::span<char> room(std::uint64_t coming);
  // So many of them have been received there.
  void filled(std::size_t bytes);

  Stop stop() const { return stop_; }
  // REQUIRES: stop() is an error, so neither kNone nor kCut.
  Error error() const;
  // Only the status of this answer is wanted.
  bool wants_status_only() const { return request_.only_ok_body && response_.status != 200; }
  // The body is so large that it counts against a budget, and should not come as fast as it can.
  bool is_large() const { return hold_ != nullptr; }
  // All has come: the response has its body. False if a packed one was cut.
  bool finish();

 private:
  enum class Use { kKept, kUnpacked, kHandedOn, kObserved, kDropped };

  bool stopped(Stop stop);
  bool has_room_for(std::uint64_t size);
  bool keep(std::string_view piece);
  bool observe(std::string_view piece);
  void grow_to(std::size_t size);

  Request& request_;
  Response& response_;
  bool begun_ = false;
  Use use_ = Use::kKept;
  Stop stop_ = Stop::kNone;
  Coding coding_ = Coding::kIdentity;  // of the answer, if it is one that was asked for
  std::unique_ptr<Decompressor> decompressor_;
  std::shared_ptr<ByteHold> hold_;
  // Of a kept body. It is shorter than the text it lies in, until the end: what a buffer of before holds need not be
  // cleared to be overwritten.
  std::size_t kept_bytes_ = 0;
};

}  // namespace core::net
