// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace collector::probe {

// One metric of a probe. The names are blackbox_exporter's where it has them.
struct MetricRow {
  std::string_view name;
  std::string_view probers;
  std::string_view labels;
  std::string_view help;
};

// Every metric that a probe may have, by name; docs/probes.md is made of it.
inline constexpr MetricRow kMetrics[] = {
    {"probe_container_image_pinned", "docker, cri, kubernetes", "container, namespace, pod",
     "Whether the container's image is one of the pinned ones; absent where that is not told."},
    {"probe_container_images_known", "docker, cri, kubernetes", "",
     "Whether it was told what runs, and from which images"},
    {"probe_container_info", "docker, cri, kubernetes", "container, digest, image, namespace, pod",
     "1, for each container that runs; of a cluster's, for those that are pinned."},
    {"probe_container_running", "docker, cri, kubernetes", "container, namespace",
     "Whether a container of the pinned ones runs."},
    {"probe_dns_additional_rrs", "dns", "", "Records in the additional section."},
    {"probe_dns_answer_rrs", "dns", "", "Records in the answer section."},
    {"probe_dns_authority_rrs", "dns", "", "Records in the authority section."},
    {"probe_dns_duration_seconds", "dns", "phase: resolve, connect, request", "How long each phase took."},
    {"probe_dns_lookup_time_seconds", "all but unix", "", "How long the look-up of the target's name took."},
    {"probe_dns_query_succeeded", "dns", "", "Whether an answer came."},
    {"probe_dns_serial", "dns, type SOA", "", "The zone's serial number."},
    {"probe_duration_seconds", "all", "", "How long the probe took."},
    {"probe_ec2_image_wanted", "ec2_metadata, with image_id", "", "Whether the instance's image is the wanted one."},
    {"probe_ec2_info", "ec2_metadata", "availability_zone, image_id, instance_id, life_cycle", "1."},
    {"probe_ec2_rebalance_recommended", "ec2_metadata", "", "Whether AWS recommends to move: the risk is raised."},
    {"probe_ec2_scheduled_event_timestamp_seconds", "ec2_metadata", "code, event_id",
     "When maintenance may begin (Unix seconds)."},
    {"probe_ec2_scheduled_events", "ec2_metadata", "", "Maintenance that is scheduled and not over."},
    {"probe_ec2_spot_interruption", "ec2_metadata", "", "Whether AWS has decided to interrupt the instance."},
    {"probe_ec2_spot_interruption_info", "ec2_metadata", "action: hibernate, stop, terminate", "1, with what follows."},
    {"probe_ec2_spot_interruption_timestamp_seconds", "ec2_metadata", "", "When it is interrupted (Unix seconds)."},
    {"probe_ec2_target_lifecycle_state", "ec2_metadata", "state: InService, Terminated, ...",
     "1, with where its Auto Scaling group takes the instance."},
    {"probe_expect_info", "tcp, unix", "as configured", "What was found in the line that was expected."},
    {"probe_failed_due_to_bytes", "tcp, unix", "", "Whether expect_bytes failed."},
    {"probe_failed_due_to_cel", "http, with a rule of CEL", "", "Whether the rule failed."},
    {"probe_failed_due_to_regex", "http, tcp, unix", "", "Whether a rule failed."},
    {"probe_failure_reason", "all, on failure", "reason", "1, with why the probe failed."},
    {"probe_grpc_duration_seconds", "grpc", "phase: resolve, check", "How long each phase took."},
    {"probe_grpc_healthcheck_response", "grpc", "serving_status", "1 for the status that was answered."},
    {"probe_grpc_ssl", "grpc", "", "Whether the answer came over TLS."},
    {"probe_grpc_status_code", "grpc", "", "The status that the call ended with."},
    {"probe_http_content_length", "http", "", "The Content-Length of the last answer; -1 if it has none."},
    {"probe_http_duration_seconds", "http", "phase: resolve, connect, tls, processing, transfer",
     "How long each phase took, over all redirects."},
    {"probe_http_last_modified_timestamp_seconds", "http", "", "The Last-Modified of the last answer."},
    {"probe_http_redirects", "http", "", "Redirects that were met."},
    {"probe_http_ssl", "http", "", "Whether the last answer came over TLS."},
    {"probe_http_status_code", "http", "", "The status of the last answer; 0 if there was none."},
    {"probe_http_uncompressed_body_length", "http", "", "Bytes of the last answer's body, decompressed."},
    {"probe_http_version", "http", "", "The HTTP version of the last answer."},
    {"probe_icmp_duration_seconds", "icmp", "phase: resolve, setup, rtt", "How long each phase took."},
    {"probe_icmp_reply_hop_limit", "icmp", "", "The hop limit of the reply (TTL)."},
    {"probe_ip_addr_hash", "all but unix", "", "A hash of the address that was tried: it tells of a change."},
    {"probe_ip_protocol", "all but unix", "", "4 or 6; 0 without an address."},
    {"probe_ntp_duration_seconds", "ntp", "phase: resolve, request", "How long each phase took."},
    {"probe_ntp_kiss_info", "ntp, on refusal", "code", "1, with the code of a kiss of death."},
    {"probe_ntp_leap", "ntp", "", "The leap indicator; 3: not synchronised."},
    {"probe_ntp_offset_seconds", "ntp", "", "The server's clock less this host's."},
    {"probe_ntp_reference_age_seconds", "ntp", "", "How long ago the server's clock was last set."},
    {"probe_ntp_root_delay_seconds", "ntp", "", "The round trip from the server to its reference clock."},
    {"probe_ntp_root_dispersion_seconds", "ntp", "", "How far the server thinks it may be off."},
    {"probe_ntp_round_trip_seconds", "ntp", "", "The round trip, less the server's own time."},
    {"probe_ntp_stratum", "ntp", "", "How many servers there are to a reference clock."},
    {"probe_ssl_earliest_cert_expiry", "http, tcp, tls, unix, grpc", "",
     "When the first of the certificates that were presented ends (Unix seconds)."},
    {"probe_ssl_last_chain_expiry_timestamp_seconds", "http, tcp, tls, unix", "",
     "When the chain that was verified ends (Unix seconds); -62135596800 if none was."},
    {"probe_ssl_last_chain_info", "http, tcp, tls, unix, grpc",
     "fingerprint_sha256, issuer, serialnumber, subject, subjectalternative", "1, with the leaf certificate."},
    {"probe_success", "all", "", "Whether the probe passed; absent where that is unknown."},
    {"probe_timeout_seconds", "all", "", "How long the probe was allowed to take."},
    {"probe_tls_cipher_info", "http, tls", "cipher", "1, with the cipher."},
    {"probe_tls_duration_seconds", "tls", "phase: resolve, connect, tls", "How long each phase took."},
    {"probe_tls_version_info", "http, tcp, tls, unix, grpc", "version", "1, with the TLS version."},
    {"probe_unknown", "all", "", "Whether nobody can say: the probe could not be tried from here."},
    {"x509_cert_expired", "certificate_file", "filename, filepath, issuer_CN, serial_number, subject_CN",
     "Whether the certificate has ended."},
    {"x509_cert_not_after", "certificate_file", "filename, filepath, issuer_CN, serial_number, subject_CN",
     "When the certificate ends (Unix seconds)."},
    {"x509_cert_not_before", "certificate_file", "filename, filepath, issuer_CN, serial_number, subject_CN",
     "When the certificate begins (Unix seconds)."},
    {"x509_read_errors", "certificate_file", "", "Files that could not be read; 1 if no file is there."},
};

namespace internal {
constexpr bool metrics_are_sorted() {
  for (std::size_t i = 1; i < std::size(kMetrics); ++i) {
    if (kMetrics[i - 1].name >= kMetrics[i].name) return false;
  }
  return true;
}
}  // namespace internal
static_assert(internal::metrics_are_sorted());

}  // namespace collector::probe
