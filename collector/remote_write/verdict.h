// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/net/http_client.h"
#include "core/time/clock.h"

namespace collector::remote_write {

// Bytes of a receiver's answer that are quoted.
inline constexpr std::size_t kQuotedBodyBytesMax = 1024;

// What becomes of a request after its answer, or the want of one.
struct Verdict {
  enum class Kind {
    kDone,   // 2xx
    kRetry,  // 5xx, 429 if wanted, no complete answer: the same request is sent again, after a wait
    kDrop,   // everything else: the same request can never succeed
  };
  Kind kind = Kind::kDone;
  int status = 0;                        // 0: there was no answer
  std::string why;                       // server returned HTTP status 400 Bad Request: BODY
  std::optional<core::Duration> wait;    // Retry-After
  std::optional<std::uint64_t> written;  // samples that the receiver says it took
};

Verdict judge(const core::Result<core::net::Response>& answer, bool retry_on_http_429, core::WallTime now);

// The waits between attempts: doubling, between two bounds. Retry-After replaces one wait, whatever the upper bound;
// the next one is twice as long, within the bound.
//
// Thread safety: a value.
class Backoff {
 public:
  Backoff(core::Duration least, core::Duration most) : least_(least), most_(most), next_(least) {}

  core::Duration wait(std::optional<core::Duration> retry_after);
  void reset() { next_ = least_; }

 private:
  core::Duration least_;
  core::Duration most_;
  core::Duration next_;
};

}  // namespace collector::remote_write
