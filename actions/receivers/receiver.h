// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "actions/receivers/notification.h"
#include "core/net/http_client.h"
#include "core/net/retry_after.h"

namespace actions::receivers {

// What an answer means for the message and for those that wait behind it.
struct Verdict {
  enum class Kind {
    kDelivered,
    kRetry,   // not now: the same message may succeed later
    kReject,  // this message can never succeed: it becomes a dead letter
    kStop,    // the receiver refuses us (401, 403, 404): nothing can succeed until its configuration changes
  };
  Kind kind = Kind::kDelivered;
  // The receiver asks for silence this long, whatever becomes of this message (Retry-After, rate-limit headers).
  std::optional<core::Millis> pause;
  std::string why;  // for a person; empty when delivered
};

// How to talk to one kind of receiver. Pure: a message in, a request out; an answer in, a verdict out.
//
// Thread safety: immutable after construction.
class Receiver {
 public:
  virtual ~Receiver() = default;

  virtual std::string_view type() const = 0;  // "webhook"
  // Where it goes, as text that identifies the target and stays the same while the configuration does. May be secret.
  virtual std::string target() const = 0;
  virtual bool send_resolved() const = 0;

  // kFailed: a secret's file cannot be read now; kInvalid, kNotSupported: this message can never be built.
  virtual core::Result<core::net::Request> build(const Notification& notification) const = 0;
  // `now` for a Retry-After that is a date.
  virtual Verdict judge(const core::net::Response& response, core::WallTime now) const = 0;
};

// The parts of a verdict that receivers share: 2xx is delivered; 401, 403 and 404 stop; 408, 429 and 5xx are retried,
// after exactly Retry-After where it is given; every other status rejects the message.
Verdict judge_status(const core::net::Response& response, core::WallTime now);

using core::net::kRetryAfterMax;
using core::net::retry_after;

}  // namespace actions::receivers
