// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/module_config.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "collector/probe/dns_message.h"
#include "collector/probe/module_checks.h"
#include "core/ring/labels.h"

namespace collector::probe {

using core::Result;
using core::config::Node;
using core::config::Table;

namespace {

constexpr std::string_view kSource = "The address of this host to send from; empty: the kernel's choice.";
constexpr std::string_view kPinsInPods =
    "Names of containers, or NAMESPACE/CONTAINER, and the digests (sha256:..) of the images that each may run.";

template <class T>
Table<T>& add_tls(Table<T>& table) {
  return table.field("tls_config", &T::tls_config, {.help = "How the server is verified and who we are to it."});
}

Result<void> check_query_response(const std::vector<QueryResponse>& steps, bool tls, const Node& node) {
  const auto with_labels = std::ranges::count_if(steps, [](const auto& step) { return !step.labels.empty(); });
  if (with_labels > 1) return core::fail(node.error("query_response: only one entry may have labels"));
  const auto starting = std::ranges::count_if(steps, &QueryResponse::starttls);
  if (starting > (tls ? 0 : 1)) {
    return core::fail(node.error("query_response: starttls: the connection is secured already"));
  }
  return {};
}

}  // namespace

const Table<IpChoice>& IpChoice::fields() {
  static const auto table =
      Table<IpChoice>("ip_choice", "Which address of a name is tried.")
          .field("preferred_ip_protocol", &IpChoice::preferred_ip_protocol,
                 {.help = "ip6 or ip4; anything else means ip4, as in blackbox_exporter, and is warned about."})
          .field("ip_protocol_fallback", &IpChoice::ip_protocol_fallback,
                 {.help = "Whether the other family serves where the preferred one has no address."});
  return table;
}

const Table<HeaderMatch>& HeaderMatch::fields() {
  static const auto table =
      Table<HeaderMatch>("header_match", "A rule on a header.")
          .field("header", &HeaderMatch::header, {.help = "The header's name.", .required = true})
          .field("regexp", &HeaderMatch::regexp, {.help = "What its value is compared with.", .required = true})
          .field("allow_missing", &HeaderMatch::allow_missing, {.help = "Whether the header may be absent."});
  return table;
}

const Table<HttpModule>& HttpModule::fields() {
  static const auto table = [] {
    Table<HttpModule> built("http_probe", "An HTTP request, and what its answer must be.");
    built.embed(&HttpModule::ip, IpChoice::fields())
        .field("valid_status_codes", &HttpModule::valid_status_codes, {.help = "Valid codes; empty: 200 to 299."})
        .field("valid_http_versions", &HttpModule::valid_http_versions,
               {.help = "Valid versions: HTTP/1.0, HTTP/1.1, HTTP/2.0; empty: all."})
        .field("method", &HttpModule::method, {.help = "The method."})
        .field("headers", &HttpModule::headers,
               {.help = "Headers of the request; Host is also the name of the certificate."})
        .field("body", &HttpModule::body, {.help = "The body of the request."})
        .field("body_file", &HttpModule::body_file, {.help = "A file with the body, read at every probe."})
        .field("compression", &HttpModule::compression,
               {.help = "How the answer is decompressed: gzip, deflate, br, identity. Nothing is asked for by it."})
        .field("body_size_limit", &HttpModule::body_size_limit,
               {.help = "A decompressed body larger than this fails the probe; 0: no limit."})
        .field("no_follow_redirects", &HttpModule::no_follow_redirects,
               {.help = "The older opposite of follow_redirects; wins where both stand."})
        .field("fail_if_ssl", &HttpModule::fail_if_ssl, {.help = "Fails if the last answer came over TLS."})
        .field("fail_if_not_ssl", &HttpModule::fail_if_not_ssl, {.help = "Fails if it did not."})
        .field("fail_if_body_matches_regexp", &HttpModule::fail_if_body_matches_regexp,
               {.help = "Fails if any is found in the body."})
        .field("fail_if_body_not_matches_regexp", &HttpModule::fail_if_body_not_matches_regexp,
               {.help = "Fails if any is not found in the body."})
        .field("fail_if_body_json_matches_cel", &HttpModule::fail_if_body_json_matches_cel,
               {.help = "Fails if it is true of the body, which must be JSON; CEL, with `body`."})
        .field("fail_if_body_json_not_matches_cel", &HttpModule::fail_if_body_json_not_matches_cel,
               {.help = "Fails unless it is true of the body, which must be JSON; CEL, with `body`."})
        .field("fail_if_header_matches", &HttpModule::fail_if_header_matches,
               {.help = "Fails if a header's value matches."})
        .field("fail_if_header_not_matches", &HttpModule::fail_if_header_not_matches,
               {.help = "Fails if no value of a header matches."})
        .field("enable_http3", &HttpModule::enable_http3, {.help = "Only false is supported."})
        .field("skip_resolve_phase_with_proxy", &HttpModule::skip_resolve_phase_with_proxy,
               {.help = "Probes go through no proxy; this changes nothing."})
        .embed(&HttpModule::client, core::net::HttpClientConfig::fields())
        .check(check_http);
    return built;
  }();
  return table;
}

const Table<ExpectLabel>& ExpectLabel::fields() {
  static const auto table =
      Table<ExpectLabel>("expect_label", "A label of probe_expect_info.")
          .field("name", &ExpectLabel::name, {.help = "Its name.", .required = true})
          .field("value", &ExpectLabel::value, {.help = "Its value; $1 and ${name} are groups of expect."})
          .check([](const ExpectLabel& label, const Node& node) -> Result<void> {
            if (core::ring::is_plain_label_name(label.name)) return {};
            return core::fail(node.error("\"{}\" is not a valid label name", label.name));
          });
  return table;
}

const Table<QueryResponse>& QueryResponse::fields() {
  static const auto table =
      Table<QueryResponse>("query_response", "One step of a dialogue: expect, then send, then starttls.")
          .field("expect", &QueryResponse::expect, {.help = "Lines are read until one matches."})
          .field("expect_bytes", &QueryResponse::expect_bytes, {.help = "The next bytes are these."})
          .field("labels", &QueryResponse::labels, {.help = "Labels of probe_expect_info, from groups of expect."})
          .field("send", &QueryResponse::send, {.help = "Sent with a line break; $1 and ${name} are groups of expect."})
          .field("starttls", &QueryResponse::starttls, {.help = "Begins TLS on the connection."})
          .check([](const QueryResponse& step, const Node& node) -> Result<void> {
            if (!step.expect || step.expect_bytes.empty()) return {};
            return core::fail(node.error("expect and expect_bytes exclude each other"));
          });
  return table;
}

const Table<TcpModule>& TcpModule::fields() {
  static const auto table = [] {
    Table<TcpModule> built("tcp_probe", "A TCP connection, and a dialogue on it.");
    built.embed(&TcpModule::ip, IpChoice::fields())
        .field("source_ip_address", &TcpModule::source_ip_address, {.help = kSource})
        .field("query_response", &TcpModule::query_response, {.help = "What is said and expected, step by step."})
        .field("tls", &TcpModule::tls, {.help = "Whether the connection begins with TLS."});
    return add_tls(built).check(
        [](const TcpModule& tcp, const Node& node) { return check_query_response(tcp.query_response, tcp.tls, node); });
  }();
  return table;
}

const Table<UnixModule>& UnixModule::fields() {
  static const auto table = [] {
    Table<UnixModule> built("unix_probe", "A connection to a Unix socket; the target is its path.");
    built.field("query_response", &UnixModule::query_response, {.help = "What is said and expected, step by step."})
        .field("tls", &UnixModule::tls, {.help = "Whether the connection begins with TLS."})
        .field(
            "http", &UnixModule::http,
            {.help = "An HTTP request over the socket instead of a dialogue; the target is PATH or PATH:/URL-PATH."});
    return add_tls(built).check([](const UnixModule& socket, const Node& node) -> Result<void> {
      if (socket.http && (!socket.query_response.empty() || socket.tls)) {
        return core::fail(node.error("http and query_response or tls exclude each other"));
      }
      const bool secured = socket.tls || std::ranges::any_of(socket.query_response, &QueryResponse::starttls);
      if (secured && socket.tls_config.server_name.empty() && !socket.tls_config.insecure_skip_verify) {
        return core::fail(
            node.error("a Unix socket has no name to verify: set server_name or insecure_skip_verify in tls_config"));
      }
      return check_query_response(socket.query_response, socket.tls, node);
    });
  }();
  return table;
}

const Table<TlsModule>& TlsModule::fields() {
  static const auto table = [] {
    Table<TlsModule> built("tls_probe", "A TLS handshake, and how long its certificates last.");
    built.embed(&TlsModule::ip, IpChoice::fields())
        .field("source_ip_address", &TlsModule::source_ip_address, {.help = kSource})
        .field(
            "min_validity", &TlsModule::min_validity,
            {.help = "Fails if a certificate that is presented ends sooner than this; 0: only an end that is over."});
    return add_tls(built);
  }();
  return table;
}

const Table<RecordRules>& RecordRules::fields() {
  static const auto table =
      Table<RecordRules>("record_rules",
                         "Rules on the records of a section: name, TTL, class, type and data, between tabs.")
          .field("fail_if_matches_regexp", &RecordRules::fail_if_matches_regexp,
                 {.help = "Fails if any record matches any."})
          .field(
              "fail_if_all_match_regexp", &RecordRules::fail_if_all_match_regexp,
              {.help = "Fails unless all records match all: not what the name says, but what blackbox_exporter does."})
          .field("fail_if_not_matches_regexp", &RecordRules::fail_if_not_matches_regexp,
                 {.help = "Fails if any record does not match one; also if there is no record."})
          .field("fail_if_none_matches_regexp", &RecordRules::fail_if_none_matches_regexp,
                 {.help = "Fails if no record matches any."});
  return table;
}

const Table<DnsModule>& DnsModule::fields() {
  static const auto table = [] {
    Table<DnsModule> built("dns_probe", "A question to a name server, and what its answer must be.");
    built.embed(&DnsModule::ip, IpChoice::fields())
        .field("source_ip_address", &DnsModule::source_ip_address, {.help = kSource})
        .field("query_name", &DnsModule::query_name, {.help = "The name to ask for."})
        .field("query_type", &DnsModule::query_type, {.help = "The type of record."})
        .field("query_class", &DnsModule::query_class, {.help = "The class."})
        .field("recursion_desired", &DnsModule::recursion_desired, {.help = "Whether the server is to ask others."})
        .field("transport_protocol", &DnsModule::transport_protocol, {.help = "udp or tcp."})
        .field("dns_over_tls", &DnsModule::dns_over_tls, {.help = "DNS over TLS; needs tcp."})
        .field("valid_rcodes", &DnsModule::valid_rcodes, {.help = "Valid answer codes; absent: NOERROR."})
        .field("validate_answer_rrs", &DnsModule::validate_answer_rrs, {.help = "Rules on the answer."})
        .field("validate_authority_rrs", &DnsModule::validate_authority_rrs,
               {.help = "Rules on the authority section."})
        .field("validate_additional_rrs", &DnsModule::validate_additional_rrs,
               {.help = "Rules on the additional section."});
    return add_tls(built).check(check_dns);
  }();
  return table;
}

const Table<IcmpModule>& IcmpModule::fields() {
  static const auto table = [] {
    Table<IcmpModule> built("icmp_probe", "An ICMP echo.");
    built.embed(&IcmpModule::ip, IpChoice::fields())
        .field("source_ip_address", &IcmpModule::source_ip_address, {.help = kSource})
        .field("payload_size", &IcmpModule::payload_size, {.help = "Bytes after the header; 0: 28."})
        .field("dont_fragment", &IcmpModule::dont_fragment, {.help = "Sets the don't-fragment bit (IPv4)."})
        .field("ttl", &IcmpModule::ttl, {.help = "The hop limit; 0: the system's."})
        .check([](const IcmpModule& icmp, const Node& node) -> Result<void> {
          if (icmp.payload_size <= kIcmpPayloadMax) return {};
          return core::fail(node.error("payload_size: expected at most {}", kIcmpPayloadMax));
        });
    return built;
  }();
  return table;
}

const Table<NtpModule>& NtpModule::fields() {
  static const auto table = [] {
    Table<NtpModule> built("ntp_probe", "A question to a time server: how far this host's clock is off.");
    built.embed(&NtpModule::ip, IpChoice::fields())
        .field("source_ip_address", &NtpModule::source_ip_address, {.help = kSource})
        .field("max_offset", &NtpModule::max_offset, {.help = "Fails if the clocks differ by more; 0: they may."})
        .field("max_root_distance", &NtpModule::max_root_distance,
               {.help = "Fails if the server is further than this from a reference clock; 0: it may."})
        .field("max_stratum", &NtpModule::max_stratum, {.help = "Fails if the server's stratum is higher."});
    return built;
  }();
  return table;
}

const Table<GrpcModule>& GrpcModule::fields() {
  static const auto table = [] {
    Table<GrpcModule> built("grpc_probe", "A call of grpc.health.v1.Health/Check.");
    built.embed(&GrpcModule::ip, IpChoice::fields())
        .field("service", &GrpcModule::service,
               {.help = "The service that is asked for; empty: the server as a whole."})
        .field("tls", &GrpcModule::tls, {.help = "Whether TLS is spoken."})
        .field("metadata", &GrpcModule::metadata, {.help = "Metadata of the call."});
    return add_tls(built).check(check_grpc);
  }();
  return table;
}

const Table<CertificateFileModule>& CertificateFileModule::fields() {
  static const auto table =
      Table<CertificateFileModule>("certificate_file_probe",
                                   "Files with certificates in PEM; the target is a path, * any text in its parts.")
          .field("min_validity", &CertificateFileModule::min_validity,
                 {.help = "Fails if a certificate ends sooner than this; 0: only an end that is over."});
  return table;
}

const Table<Ec2MetadataModule>& Ec2MetadataModule::fields() {
  static const auto table =
      Table<Ec2MetadataModule>(
          "ec2_metadata_probe",
          "What AWS tells the instance that this runs on (IMDSv2): interruptions, recommendations, "
          "maintenance, its image. The target is the service: 169.254.169.254.")
          .field("image_id", &Ec2MetadataModule::image_id,
                 {.help = "The image that the instance is to have; empty: any.", .example = "ami-0123456789abcdef0"});
  return table;
}

const Table<DockerModule>& DockerModule::fields() {
  static const auto table =
      Table<DockerModule>("docker_probe",
                          "The containers that run, and whether their images are the pinned ones, by the API of Docker "
                          "or Podman. The target is the path of its socket.")
          .field("pinned", &DockerModule::pinned,
                 {.help = "Names of containers, and the digests (sha256:..) of the images that each may run."})
          .check([](const DockerModule& docker, const Node& node) { return check_pins(docker.pinned, node); });
  return table;
}

const Table<CriModule>& CriModule::fields() {
  static const auto table =
      Table<CriModule>("cri_probe",
                       "The same of Kubernetes' containers on this host, by the Container Runtime Interface (v1) of "
                       "containerd or CRI-O. The target is the path of its socket.")
          .field("pinned", &CriModule::pinned, {.help = kPinsInPods})
          .check([](const CriModule& cri, const Node& node) { return check_pins_in_pods(cri.pinned, node); });
  return table;
}

const Table<KubernetesModule>& KubernetesModule::fields() {
  static const auto table =
      Table<KubernetesModule>("kubernetes_probe",
                              "The same of the pods of a cluster, as its API server has them. The target is the "
                              "server's URL, or `in-cluster` "
                              "for that of the cluster that this agent runs in, with its service account; only "
                              "containers that are pinned are "
                              "told of.")
          .field("pinned", &KubernetesModule::pinned, {.help = kPinsInPods})
          .field("namespace", &KubernetesModule::name_space, {.help = "Pods of this namespace only; empty: of all."})
          .field("label_selector", &KubernetesModule::label_selector,
                 {.help = "Pods with these labels only.", .example = "app=lighthouse"})
          .embed(&KubernetesModule::client, core::net::HttpClientConfig::fields())
          .check(check_kubernetes);
  return table;
}

const Table<Module>& Module::fields() {
  static const auto table =
      Table<Module>("module", "How something is probed, as in blackbox_exporter.")
          .field("prober", &Module::prober, {.help = "What kind of probe it is.", .required = true})
          .field("timeout", &Module::timeout, {.help = "The longest a probe may take, where its caller allows more."})
          .field("http", &Module::http, {.help = "Of the http prober."})
          .field("tcp", &Module::tcp, {.help = "Of the tcp prober."})
          .field("tls", &Module::tls, {.help = "Of the tls prober."})
          .field("dns", &Module::dns, {.help = "Of the dns prober."})
          .field("icmp", &Module::icmp, {.help = "Of the icmp prober."})
          .field("ntp", &Module::ntp, {.help = "Of the ntp prober."})
          .field("unix", &Module::unix_socket, {.help = "Of the unix prober."})
          .field("grpc", &Module::grpc, {.help = "Of the grpc prober."})
          .field("certificate_file", &Module::certificate_file, {.help = "Of the certificate_file prober."})
          .field("ec2_metadata", &Module::ec2_metadata, {.help = "Of the ec2_metadata prober."})
          .field("docker", &Module::docker, {.help = "Of the docker prober."})
          .field("cri", &Module::cri, {.help = "Of the cri prober."})
          .field("kubernetes", &Module::kubernetes, {.help = "Of the kubernetes prober."})
          .refuse("websocket", "the websocket prober is not part of this version")
          .check([](const Module& module, const Node& node) -> Result<void> {
            if (module.prober != ProberKind::kDns || !module.dns.query_name.empty()) return {};
            return core::fail(node.error("dns: query name must be set for DNS module"));
          });
  return table;
}

}  // namespace collector::probe

namespace core::config {

Result<collector::probe::GoDuration> Codec<collector::probe::GoDuration>::read(const Node& node) {
  if (node.is_scalar()) {
    if (const auto value = collector::probe::parse_go_duration(node.scalar())) return *value;
  }
  return fail(node.error("expected a duration such as 300ms, 1.5s or 1m30s, got {}", node.describe()));
}

}  // namespace core::config
