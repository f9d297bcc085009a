// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "collector/probe/dns_message.h"
#include "collector/probe/reason.h"
#include "core/task.h"

namespace collector::probe {
class Stream;
}

namespace collector::probe::dns {

// One question and its answer over a connection that stands: RFC 1035, section 4.2.2, two bytes of length first.
core::Task<Outcome<Message>> exchange_over(Stream& stream, Question question);

}  // namespace collector::probe::dns
