// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "core/time/clock.h"

namespace collector::probe::ntp {

// An answer of a time server (RFC 5905, section 7.3).
struct Reply {
  int leap = 0;
  int version = 0;
  int stratum = 0;
  double root_delay_seconds = 0;
  double root_dispersion_seconds = 0;
  std::string reference_id;     // four bytes: an address, a source's name, or the code of a kiss of death
  std::uint64_t reference = 0;  // NTP timestamps: 32 bits of seconds since 1900, 32 of their fraction
  std::uint64_t received = 0;
  std::uint64_t transmitted = 0;
};

// A client's question. `token` stands for its transmit time, which is nobody's business (RFC 8633, section 3.2), and
// comes back in the answer.
std::string encode_request(std::uint64_t token);

// The error says why it is no answer to that question.
tl::expected<Reply, std::string> decode_reply(std::string_view bytes, std::uint64_t token);

// Seconds from wall time to an NTP timestamp: within 68 years of each other, whichever era of NTP it is.
double seconds_from(core::WallTime wall, std::uint64_t timestamp);

// A kiss code or a source's name, in letters; else in hex.
std::string reference_text(const Reply& reply);

}  // namespace collector::probe::ntp
