// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "collector/probe/cel_expression.h"
#include "collector/probe/pattern.h"
#include "core/config/file_path.h"
#include "core/config/table.h"
#include "core/net/http_client_config.h"

namespace collector::probe {

enum class ProberKind {
  kHttp,
  kTcp,
  kTls,
  kDns,
  kIcmp,
  kNtp,
  kUnix,
  kGrpc,
  kCertificateFile,
  kEc2Metadata,
  kDocker,
  kCri,
  kKubernetes,
};

// A duration as Go writes one: 300ms, 1.5s, 1m30s, 2h. Nothing longer than an hour has a unit, and a bare number is
// none. A negative one counts as unset.
struct GoDuration {
  std::chrono::milliseconds value{0};
  auto operator<=>(const GoDuration&) const = default;
};

// Which address of a name is tried. Only "ip6" and nothing mean IPv6, as in blackbox_exporter.
struct IpChoice {
  std::string preferred_ip_protocol = "ip6";
  bool ip_protocol_fallback = true;

  bool prefers_v6() const { return preferred_ip_protocol.empty() || preferred_ip_protocol == "ip6"; }
  bool operator==(const IpChoice&) const = default;
  static const core::config::Table<IpChoice>& fields();
};

struct HeaderMatch {
  std::string header;
  Pattern regexp;
  bool allow_missing = false;

  bool operator==(const HeaderMatch&) const = default;
  static const core::config::Table<HeaderMatch>& fields();
};

struct HttpModule {
  IpChoice ip;
  std::vector<int> valid_status_codes;  // empty: 200 to 299
  std::vector<std::string> valid_http_versions;
  std::string method = "GET";
  std::map<std::string, std::string> headers;
  std::string body;
  core::config::FilePath body_file;
  std::string compression;
  core::config::ByteSize body_size_limit;
  std::optional<bool> no_follow_redirects;  // the older form of follow_redirects; wins
  bool fail_if_ssl = false;
  bool fail_if_not_ssl = false;
  std::vector<Pattern> fail_if_body_matches_regexp;
  std::vector<Pattern> fail_if_body_not_matches_regexp;
  CelExpression fail_if_body_json_matches_cel;
  CelExpression fail_if_body_json_not_matches_cel;
  std::vector<HeaderMatch> fail_if_header_matches;
  std::vector<HeaderMatch> fail_if_header_not_matches;
  bool enable_http3 = false;
  bool skip_resolve_phase_with_proxy = false;
  core::net::HttpClientConfig client;

  bool has_cel() const { return !fail_if_body_json_matches_cel.empty() || !fail_if_body_json_not_matches_cel.empty(); }
  // Whether there are rules that need the body itself.
  bool judges_body() const {
    return has_cel() || !fail_if_body_matches_regexp.empty() || !fail_if_body_not_matches_regexp.empty();
  }
  bool follows_redirects() const { return no_follow_redirects ? !*no_follow_redirects : client.follow_redirects; }
  bool operator==(const HttpModule&) const = default;
  static const core::config::Table<HttpModule>& fields();
};

struct ExpectLabel {
  std::string name;
  std::string value;

  bool operator==(const ExpectLabel&) const = default;
  static const core::config::Table<ExpectLabel>& fields();
};

// One step of a dialogue: expect, then send, then starttls.
struct QueryResponse {
  std::optional<Pattern> expect;
  std::string expect_bytes;
  std::vector<ExpectLabel> labels;
  std::string send;
  bool starttls = false;

  bool operator==(const QueryResponse&) const = default;
  static const core::config::Table<QueryResponse>& fields();
};

struct TcpModule {
  IpChoice ip;
  std::string source_ip_address;
  std::vector<QueryResponse> query_response;
  bool tls = false;
  core::net::TlsConfig tls_config;

  bool operator==(const TcpModule&) const = default;
  static const core::config::Table<TcpModule>& fields();
};

struct UnixModule {
  std::vector<QueryResponse> query_response;
  bool tls = false;
  core::net::TlsConfig tls_config;
  std::optional<HttpModule> http;  // HTTP over the socket, instead of a dialogue

  bool operator==(const UnixModule&) const = default;
  static const core::config::Table<UnixModule>& fields();
};

struct TlsModule {
  IpChoice ip;
  std::string source_ip_address;
  core::net::TlsConfig tls_config;
  GoDuration min_validity;  // fails when the chain ends sooner

  bool operator==(const TlsModule&) const = default;
  static const core::config::Table<TlsModule>& fields();
};

struct RecordRules {
  std::vector<Pattern> fail_if_matches_regexp;
  std::vector<Pattern> fail_if_all_match_regexp;
  std::vector<Pattern> fail_if_not_matches_regexp;
  std::vector<Pattern> fail_if_none_matches_regexp;

  bool operator==(const RecordRules&) const = default;
  static const core::config::Table<RecordRules>& fields();
};

struct DnsModule {
  IpChoice ip;
  std::string source_ip_address;
  std::string query_name;
  std::string query_type = "ANY";
  std::string query_class = "IN";
  bool recursion_desired = true;
  std::string transport_protocol = "udp";
  bool dns_over_tls = false;
  core::net::TlsConfig tls_config;
  std::optional<std::vector<std::string>> valid_rcodes;  // none: NOERROR
  RecordRules validate_answer_rrs;
  RecordRules validate_authority_rrs;
  RecordRules validate_additional_rrs;

  bool operator==(const DnsModule&) const = default;
  static const core::config::Table<DnsModule>& fields();
};

struct IcmpModule {
  IpChoice ip;
  std::string source_ip_address;
  std::uint16_t payload_size = 0;
  bool dont_fragment = false;
  std::uint8_t ttl = 64;

  bool operator==(const IcmpModule&) const = default;
  static const core::config::Table<IcmpModule>& fields();
};

struct NtpModule {
  IpChoice ip;
  std::string source_ip_address;
  GoDuration max_offset;
  GoDuration max_root_distance;
  std::uint8_t max_stratum = 15;

  bool operator==(const NtpModule&) const = default;
  static const core::config::Table<NtpModule>& fields();
};

struct GrpcModule {
  IpChoice ip;
  std::string service;
  bool tls = false;
  core::net::TlsConfig tls_config;
  std::map<std::string, std::vector<std::string>> metadata;

  bool operator==(const GrpcModule&) const = default;
  static const core::config::Table<GrpcModule>& fields();
};

// Not blackbox_exporter's: what is on this host, or told to it. Their targets are a pattern of files, the address of
// the metadata service, the path of a socket, and the URL of an API server.
struct CertificateFileModule {
  GoDuration min_validity;

  bool operator==(const CertificateFileModule&) const = default;
  static const core::config::Table<CertificateFileModule>& fields();
};

struct Ec2MetadataModule {
  std::string image_id;  // that the instance is to have; empty: any

  bool operator==(const Ec2MetadataModule&) const = default;
  static const core::config::Table<Ec2MetadataModule>& fields();
};

// Digests of images, by the name of the container that may run from them.
using ImagePins = std::map<std::string, std::vector<std::string>>;

struct DockerModule {
  ImagePins pinned;

  bool operator==(const DockerModule&) const = default;
  static const core::config::Table<DockerModule>& fields();
};

// Here and below names of pins may be NAMESPACE/CONTAINER.
struct CriModule {
  ImagePins pinned;

  bool operator==(const CriModule&) const = default;
  static const core::config::Table<CriModule>& fields();
};

struct KubernetesModule {
  ImagePins pinned;
  std::string name_space;  // empty: all
  std::string label_selector;
  core::net::HttpClientConfig client;

  bool operator==(const KubernetesModule&) const = default;
  static const core::config::Table<KubernetesModule>& fields();
};

// One entry of `modules`, as blackbox_exporter has it. The sections of other probers are checked and then ignored.
//
// Thread safety: a value.
struct Module {
  ProberKind prober = ProberKind::kHttp;
  GoDuration timeout;  // 0: the prober's caller alone sets one
  HttpModule http;
  TcpModule tcp;
  TlsModule tls;
  DnsModule dns;
  IcmpModule icmp;
  NtpModule ntp;
  UnixModule unix_socket;
  GrpcModule grpc;
  CertificateFileModule certificate_file;
  Ec2MetadataModule ec2_metadata;
  DockerModule docker;
  CriModule cri;
  KubernetesModule kubernetes;

  bool operator==(const Module&) const = default;
  static const core::config::Table<Module>& fields();
};

using Modules = std::map<std::string, Module>;

// What `/probe` uses where none is named, if the configuration has none of that name.
inline constexpr std::string_view kDefaultModule = "http_2xx";
// What `certificate_files` uses, likewise.
inline constexpr std::string_view kCertificateModule = "certificate_file";

// What loads and yet is probably not what was meant: "module x: preferred_ip_protocol \"ipv4\" means ip4".
std::vector<std::string> module_warnings(const Modules& modules);

inline constexpr core::config::EnumName<ProberKind> kProberNames[] = {
    {ProberKind::kHttp, "http"},
    {ProberKind::kTcp, "tcp"},
    {ProberKind::kTls, "tls"},
    {ProberKind::kDns, "dns"},
    {ProberKind::kIcmp, "icmp"},
    {ProberKind::kNtp, "ntp"},
    {ProberKind::kUnix, "unix"},
    {ProberKind::kGrpc, "grpc"},
    {ProberKind::kCertificateFile, "certificate_file"},
    {ProberKind::kEc2Metadata, "ec2_metadata"},
    {ProberKind::kDocker, "docker"},
    {ProberKind::kCri, "cri"},
    {ProberKind::kKubernetes, "kubernetes"},
};

}  // namespace collector::probe

namespace core::config {

template <>
struct Codec<collector::probe::ProberKind> : EnumCodec<collector::probe::ProberKind, collector::probe::kProberNames> {};

template <>
struct Codec<collector::probe::GoDuration> {
  static Result<collector::probe::GoDuration> read(const Node& node);
  static std::string print(collector::probe::GoDuration value) { return format_duration(value.value); }
  static TypeDescription describe() { return {"Go duration", {}}; }
};

}  // namespace core::config
