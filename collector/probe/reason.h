// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace collector::probe {

// Why a probe did not pass. The names are a contract: rules and remediations match on them.
enum class Reason : std::uint8_t {
  kNone,
  // The target is to blame, as far as one can see from here.
  kDnsNotFound,
  kDnsNoAddress,
  kRefused,
  kTimeout,
  kUnreachable,
  kReset,
  kClosed,
  kTlsVerify,
  kTlsExpired,
  kTlsNotYetValid,
  kTlsName,
  kTlsSelfSigned,
  kTlsHandshake,
  kProtocol,
  kHttpStatus,
  kHttpVersion,
  kHttpRedirects,
  kHttpSsl,
  kHttpNotSsl,
  kHttpEncoding,
  kHeaderMismatch,
  kBodyMismatch,
  kBodyTooLarge,
  kReplyMismatch,
  kDnsRcode,
  kDnsRecords,
  kNtpUnsynchronised,
  kNtpRefused,
  kNtpOffset,
  kGrpcStatus,
  kGrpcNotServing,
  // Nobody can say: it was never tried, or its failure lies on this side.
  kResolver,
  kNoRoute,
  kNoSourceAddress,
  kNoDescriptors,
  kForbidden,
  kOverloaded,
  kBadTarget,
  kLocalFile,
  kImageUnknown,
  kInternal,
};

// Whether a failure says something about the target.
enum class Blame : std::uint8_t { kTarget, kObserver };

struct ReasonRow {
  Reason reason;
  std::string_view name;
  Blame blame;
  std::string_view help;
};

// One row a reason, in the order of the enumeration; docs/probes.md is made of it.
inline constexpr ReasonRow kReasons[] = {
    {Reason::kNone, "none", Blame::kTarget, "The probe passed."},
    {Reason::kDnsNotFound, "dns_not_found", Blame::kTarget, "The name does not exist (NXDOMAIN)."},
    {Reason::kDnsNoAddress, "dns_no_address", Blame::kTarget, "The name has no address of a family that is allowed."},
    {Reason::kRefused, "refused", Blame::kTarget, "Nobody listens on the port."},
    {Reason::kTimeout, "timeout", Blame::kTarget, "The deadline passed; the phases tell where."},
    {Reason::kUnreachable, "unreachable", Blame::kTarget,
     "A router or the neighbourhood says that the host is not there."},
    {Reason::kReset, "reset", Blame::kTarget, "The connection was broken off."},
    {Reason::kClosed, "closed", Blame::kTarget, "The other side ended the connection too early."},
    {Reason::kTlsVerify, "tls_verify", Blame::kTarget,
     "The certificate's chain leads to no trusted authority, or is wrong otherwise."},
    {Reason::kTlsExpired, "tls_expired", Blame::kTarget, "A certificate of the chain has expired."},
    {Reason::kTlsNotYetValid, "tls_not_yet_valid", Blame::kTarget, "A certificate of the chain is not valid yet."},
    {Reason::kTlsName, "tls_name", Blame::kTarget, "The certificate is for another name."},
    {Reason::kTlsSelfSigned, "tls_self_signed", Blame::kTarget, "The certificate is its own authority."},
    {Reason::kTlsHandshake, "tls_handshake", Blame::kTarget,
     "TLS could not be agreed on: versions, an alert, or no TLS at all."},
    {Reason::kProtocol, "protocol", Blame::kTarget, "The answer is not of the protocol."},
    {Reason::kHttpStatus, "http_status", Blame::kTarget, "The status is not a valid one."},
    {Reason::kHttpVersion, "http_version", Blame::kTarget, "The HTTP version is not a valid one."},
    {Reason::kHttpRedirects, "http_redirects", Blame::kTarget, "More than ten redirects."},
    {Reason::kHttpSsl, "http_ssl", Blame::kTarget, "The answer came over TLS, which fail_if_ssl forbids."},
    {Reason::kHttpNotSsl, "http_not_ssl", Blame::kTarget,
     "The answer came without TLS, which fail_if_not_ssl forbids."},
    {Reason::kHttpEncoding, "http_encoding", Blame::kTarget, "The body could not be decompressed."},
    {Reason::kHeaderMismatch, "header_mismatch", Blame::kTarget, "A rule on the headers failed."},
    {Reason::kBodyMismatch, "body_mismatch", Blame::kTarget, "A rule on the body failed."},
    {Reason::kBodyTooLarge, "body_too_large", Blame::kTarget,
     "The body is larger than body_size_limit, or than what rules are run on."},
    {Reason::kReplyMismatch, "reply_mismatch", Blame::kTarget, "What was sent is not what was expected."},
    {Reason::kDnsRcode, "dns_rcode", Blame::kTarget, "The answer's code is not a valid one."},
    {Reason::kDnsRecords, "dns_records", Blame::kTarget, "A rule on the records failed."},
    {Reason::kNtpUnsynchronised, "ntp_unsynchronised", Blame::kTarget, "The server itself does not know the time."},
    {Reason::kNtpRefused, "ntp_refused", Blame::kTarget, "A kiss of death: the server wants no requests from here."},
    {Reason::kNtpOffset, "ntp_offset", Blame::kTarget,
     "The clocks differ by more than max_offset, or the server is too far from a clock."},
    {Reason::kGrpcStatus, "grpc_status", Blame::kTarget, "The call ended with a status that is not OK."},
    {Reason::kGrpcNotServing, "grpc_not_serving", Blame::kTarget, "The service says that it is not serving."},
    {Reason::kResolver, "resolver", Blame::kObserver, "No name server answered, or they could not say (SERVFAIL)."},
    {Reason::kNoRoute, "no_route", Blame::kObserver, "This host has no route to the address: its own network is down."},
    {Reason::kNoSourceAddress, "no_source_address", Blame::kObserver,
     "source_ip_address is not this host's, or its ports are used up."},
    {Reason::kNoDescriptors, "no_descriptors", Blame::kObserver,
     "This process has no file descriptors or buffers left."},
    {Reason::kForbidden, "forbidden", Blame::kObserver,
     "The kernel does not let this process do it (ICMP without permission, a local firewall), or the API server does "
     "not."},
    {Reason::kOverloaded, "overloaded", Blame::kObserver, "Too many probes were under way, or bodies to be judged."},
    {Reason::kBadTarget, "bad_target", Blame::kObserver, "The target is not written as the prober needs it."},
    {Reason::kLocalFile, "local_file", Blame::kObserver, "A file that the module names cannot be used."},
    {Reason::kImageUnknown, "image_unknown", Blame::kObserver,
     "The digests of a pinned container's image are not told: the image is gone from the store."},
    {Reason::kInternal, "internal", Blame::kObserver, "A failure of the prober itself."},
};

constexpr const ReasonRow& row_of(Reason reason) { return kReasons[static_cast<std::size_t>(reason)]; }
constexpr std::string_view to_string(Reason reason) { return row_of(reason).name; }

namespace internal {
constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < std::size(kReasons); ++i) {
    if (static_cast<std::size_t>(kReasons[i].reason) != i) return false;
  }
  return std::size(kReasons) == static_cast<std::size_t>(Reason::kInternal) + 1;
}
}  // namespace internal
static_assert(internal::rows_are_in_order());

struct Failure {
  Reason reason = Reason::kInternal;
  std::string detail;  // for a person
};

template <class T>
using Outcome = tl::expected<T, Failure>;

inline tl::unexpected<Failure> failed(Reason reason, std::string detail) {
  return tl::unexpected<Failure>(Failure{reason, std::move(detail)});
}
inline tl::unexpected<Failure> failed(Failure failure) { return tl::unexpected<Failure>(std::move(failure)); }

}  // namespace collector::probe
