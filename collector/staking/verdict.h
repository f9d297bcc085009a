// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/net/http_client.h"
#include "core/result.h"

namespace collector::staking {

// Why a node is not known to be up. The names are a contract: rules match on them.
enum class Reason : std::uint8_t {
  kNone,
  kRefused,
  kTimeout,
  kClosed,
  kServerError,
  kSealed,
  kNotInitialized,
  kRemoved,
  kNoAddress,
  kUnreachable,
  kTls,
  kUnauthorized,
  kNotOffered,
  kRedirected,
  kHttpStatus,
  kBodyTooLarge,
  kNotJson,
  kBadAnswer,
  kRpcError,
  kWrongNetwork,
  kNetworkUnverified,
  kLocalFile,
  kOverloaded,
  kOther,
};

// Whether a failure says that the node is down, or only that nobody can tell from here.
enum class Grade : std::uint8_t { kUp, kDown, kUnknown };

struct ReasonRow {
  Reason reason;
  std::string_view name;
  Grade grade;
  std::string_view help;
};

// One row a reason, in the order of the enumeration; docs/observers.md lists them.
inline constexpr ReasonRow kReasons[] = {
    {Reason::kNone, "none", Grade::kUp, "The node answers."},
    {Reason::kRefused, "refused", Grade::kDown, "Nobody listens on the port."},
    {Reason::kTimeout, "timeout", Grade::kDown, "The deadline passed without a whole answer."},
    {Reason::kClosed, "closed", Grade::kDown, "The connection was broken off, or ended too early."},
    {Reason::kServerError, "server_error", Grade::kDown, "An HTTP status of 500 or more."},
    {Reason::kSealed, "sealed", Grade::kDown, "Vault is sealed."},
    {Reason::kNotInitialized, "not_initialized", Grade::kDown, "Vault is not initialised."},
    {Reason::kRemoved, "removed", Grade::kDown, "This Vault was removed from its cluster."},
    {Reason::kNoAddress, "no_address", Grade::kUnknown, "The host's name could not be resolved."},
    {Reason::kUnreachable, "unreachable", Grade::kUnknown, "There is no way to the host from here."},
    {Reason::kTls, "tls", Grade::kUnknown, "TLS was not agreed on, or the certificate is not the node's."},
    {Reason::kUnauthorized, "unauthorized", Grade::kUnknown, "401 or 403: the credentials are not taken."},
    {Reason::kNotOffered, "not_offered", Grade::kUnknown, "404, 405 or 501: there is no such endpoint."},
    {Reason::kRedirected, "redirected", Grade::kUnknown, "The answer is a redirect; it is not followed."},
    {Reason::kHttpStatus, "http_status", Grade::kUnknown, "Another HTTP status than the interface has."},
    {Reason::kBodyTooLarge, "body_too_large", Grade::kUnknown, "The answer is larger than any right one."},
    {Reason::kNotJson, "not_json", Grade::kUnknown, "A page, or an answer that was cut off: somebody else answered."},
    {Reason::kBadAnswer, "bad_answer", Grade::kUnknown, "JSON, but not of the interface, or it contradicts itself."},
    {Reason::kRpcError, "rpc_error", Grade::kUnknown, "The node answers with a JSON-RPC error."},
    {Reason::kWrongNetwork, "wrong_network", Grade::kUnknown,
     "The node is on another network than the configured one."},
    {Reason::kNetworkUnverified, "network_unverified", Grade::kUnknown, "The node does not tell its network."},
    {Reason::kLocalFile, "local_file", Grade::kUnknown, "A file of ours (token, certificate) cannot be read."},
    {Reason::kOverloaded, "overloaded", Grade::kUnknown, "This agent has too many requests in flight."},
    {Reason::kOther, "other", Grade::kUnknown, "A failure of another kind."},
};

constexpr const ReasonRow& row_of(Reason reason) { return kReasons[static_cast<std::size_t>(reason)]; }

namespace internal {
constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < std::size(kReasons); ++i) {
    if (static_cast<std::size_t>(kReasons[i].reason) != i) return false;
  }
  return std::size(kReasons) == static_cast<std::size_t>(Reason::kOther) + 1;
}
}  // namespace internal
static_assert(internal::rows_are_in_order());

// What a request that got no answer came to.
Reason reason_of(const core::Error& error);
// What an HTTP status other than an expected one says.
Reason reason_of_status(int status);

}  // namespace collector::staking
