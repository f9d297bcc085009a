// SPDX-License-Identifier: Apache-2.0
// docs/probes.md, from the tables that the probers themselves use.
#include <algorithm>

#include "agent/config/documents.h"
#include "collector/probe/metric_table.h"
#include "collector/probe/module_config.h"
#include "collector/probe/reason.h"

namespace agent {
namespace {

using namespace collector::probe;

constexpr std::string_view kIntroduction = R"(# Probes

<!-- Generated from collector/probe; UPDATE_GOLDEN=1 rewrites it. -->

A probe is one attempt to one address, and one datum: no retries, no second address. Tolerance belongs into the rule.
Modules are those of blackbox_exporter, unchanged, in the section `modules`. They are used in three ways:

- `probes`: jobs that probe their targets once an interval. The samples go into the ring like a scrape's, with
  the labels `job`, `instance` (the target, unless relabelling says otherwise) and `module`. Targets are listed or
  discovered as those of scrapes (every `*_sd_configs`). `relabel_configs` mean what they mean for blackbox_exporter:
  what they leave in `__param_target` is probed, or `__address__` where they leave nothing there; `__param_module` and
  `__param_hostname` choose how. `/api/v1/targets` shows how each target's last probe ended.
- `GET /probe?module=M&target=T[&hostname=H][&debug=true]`: as blackbox_exporter answers it, in the text
  format, so that another Prometheus can scrape this agent instead.
- `watchkeeper probe MODULE TARGET [--config FILE]`: once, from the command line, with all that was seen.

The last results, and the evidence of the last failures (phases, address, status, the first bytes of the answer, the
certificates), are at `/api/watchkeeper/v1/probes`.

## Up, down, unknown

A failure has a reason, `probe_failure_reason{reason="..."} 1`. Most say that the target is *down*. Some say
that nobody can tell from here: the probe is *unknown* then, `probe_unknown` is 1, and `probe_success` is
absent: a rule on `probe_success == 0` does not fire, one on `probe_unknown == 1` does. Answers of `/probe`
have a `probe_success 0` even then, as blackbox_exporter's.
)";

constexpr std::string_view kDifferences = R"(
## What differs from blackbox_exporter

- Not there, and refused by name: the websocket prober, HTTP/3, proxies, OAuth 2.0 and secrets from a store
  (`*_ref`). Nothing below TLS 1.2 is spoken.
- CEL (`fail_if_body_json_*`) has the language's operators, macros (`has`, `all`, `exists`, `exists_one`, `filter`,
  `map`) and functions on what JSON has; times, bytes, messages, optional values and extensions are refused by name and
  column when the configuration is read, as are operands that can have no meaning (`1 + "a"`). An expression has at most
  4 KiB, a body 200,000 values in 64 levels, and an evaluation 200,000 steps; beyond that the rule fails. A module may
  have rules of CEL and regular expressions at once; blackbox_exporter fails every such probe.
- Paths of files are relative to the configuration file. Names are looked up in the hosts file and with the servers of
  `resolv.conf`, without nsswitch.
- The User-Agent is `Watchkeeper/VERSION`; help texts and the debug output are our own. `/`, `/logs` and
  `/config` are not there.
- grpc: `ip_protocol_fallback` is true without a `grpc` section too; the address that is shown is the one that
  is dialled, and the deadline is kept.
- tcp and unix: `expect_bytes` reads until it has as many bytes as it wants, those read before included; labels
  on a second step, or `starttls` on a connection that is secured, are refused when the configuration is read.
- A `dns` module without a `query_name` is refused. Bad regular expressions are refused when the configuration
  is read.
- icmp: `dont_fragment` needs no raw socket; an ICMP error ends the probe at once.
- Rules on a body are run on at most 4 MiB; a larger one fails with `body_too_large`. Without rules bytes are
  only counted.
- `tls`, `ntp`, `certificate_file`, `ec2_metadata`, `docker`, `cri`, `kubernetes` and HTTP over a Unix socket are ours,
  as are `probe_failure_reason` and `probe_unknown`. Metrics of certificate files are named as x509-certificate-exporter
  does.
)";

constexpr std::string_view kOwnHost = R"(
## What the host itself is told

These probers ask nobody outside, but for the API server of a cluster. Their alerts are in `rules/packs/machine.yml`.

```yaml
certificate_files: [/etc/lighthouse/tls/*.pem, /etc/vault/tls/vault.crt]   # once a minute, as the job certificate_files
modules:
  ec2: {prober: ec2_metadata, ec2_metadata: {image_id: ami-0123456789abcdef0}}
  images:
    prober: docker
    docker:
      pinned:
        lighthouse: ["sha256:..."]   # the digest of the registry or of the image; several while an upgrade is under way
  pods:
    prober: cri
    cri: {pinned: {staking/lighthouse: ["sha256:..."], geth: ["sha256:..."]}}
  cluster:
    prober: kubernetes
    kubernetes: {namespace: staking, pinned: {lighthouse: ["sha256:..."]}}
probes:
  - {job_name: ec2, module: ec2, interval: 5s, timeout: 3s, static_configs: [{targets: [169.254.169.254]}]}
  - {job_name: containers, module: images, interval: 1m, static_configs: [{targets: [/run/docker.sock]}]}
  - {job_name: pods, module: pods, interval: 1m, static_configs: [{targets: [/run/containerd/containerd.sock]}]}
  - {job_name: cluster, module: cluster, interval: 1m, static_configs: [{targets: [in-cluster]}]}
```

`ec2_metadata` speaks version 2 of the service only; in a container it needs a hop limit of 2. AWS gives two minutes of
notice before it interrupts a spot instance, and wants to be asked every five seconds.

`docker` and `cri` want the right to use the socket, which is as good as root; of Docker's, a proxy that lets GET
through is safer. Nothing is ever changed by them: they list containers and images.

`cri` asks containerd or CRI-O (`/run/crio/crio.sock`) for Kubernetes' containers on this host; version v1 of the
interface is spoken, which containerd has since 1.6. What was started beside Kubernetes (`nerdctl`, `ctr`) is not seen
by it.

`kubernetes` needs `list` on `pods`, in its namespace or in all. It knows of an image what `imageID` of a container's
status says, one digest as a rule: that of the registry. Pin this one. A Role for `in-cluster`:

```yaml
rules: [{apiGroups: [""], resources: [pods], verbs: [list]}]
```

A container that may run from several images has several digests; one that is named alike in several namespaces has a
name with its namespace (`staking/lighthouse`). Where the digests of a pinned container's image are not told - the image
was deleted from under it - the probe is unknown (`image_unknown`), and `probe_container_image_pinned` is absent for it.
)";

std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c;
  }
  return result;
}

void append_options(std::string& out, std::string_view prober, const core::config::TableDescription& table) {
  out += fmt::format("\n### {}\n\n{}\n\n| key | type | default | |\n|---|---|---|---|\n", prober, table.help);
  for (const auto& field : table.fields) {
    const std::string value = field.default_text.empty() ? "" : "`" + field.default_text + "`";
    out += fmt::format("| `{}` | {} | {} | {} |\n", field.key, field.type.name, cell(value), cell(field.options.help));
  }
  for (const auto& [key, why] : table.refused) out += fmt::format("| `{}` | refused | | {} |\n", key, cell(why));
}

void append_all_options(std::string& out) {
  out += "\n## Options\n\nOf a module: `prober`, `timeout`, and a section with the prober's name.\n";
  append_options(out, "http", HttpModule::fields().description());
  append_options(out, "tcp", TcpModule::fields().description());
  append_options(out, "unix", UnixModule::fields().description());
  append_options(out, "One step of `query_response`", QueryResponse::fields().description());
  append_options(out, "tls", TlsModule::fields().description());
  append_options(out, "dns", DnsModule::fields().description());
  append_options(out, "`validate_*_rrs`", RecordRules::fields().description());
  append_options(out, "icmp", IcmpModule::fields().description());
  append_options(out, "ntp", NtpModule::fields().description());
  append_options(out, "grpc", GrpcModule::fields().description());
  append_options(out, "certificate_file", CertificateFileModule::fields().description());
  append_options(out, "ec2_metadata", Ec2MetadataModule::fields().description());
  append_options(out, "docker", DockerModule::fields().description());
  append_options(out, "cri", CriModule::fields().description());
  append_options(out, "kubernetes", KubernetesModule::fields().description());
}

}  // namespace

std::string probe_reference() {
  std::string out(kIntroduction);
  out += "\n| reason | verdict | |\n|---|---|---|\n";
  for (const ReasonRow& row : kReasons) {
    if (row.reason == Reason::kNone) continue;
    out += fmt::format("| `{}` | {} | {} |\n", row.name, row.blame == Blame::kTarget ? "down" : "unknown", row.help);
  }
  out += "\n## Metrics\n\nAll are gauges.\n\n| metric | probers | labels | |\n|---|---|---|---|\n";
  for (const MetricRow& row : kMetrics) {
    out += fmt::format("| `{}` | {} | {} | {} |\n", row.name, row.probers, row.labels, cell(row.help));
  }
  append_all_options(out);
  out += kOwnHost;
  out += kDifferences;
  return out;
}

}  // namespace agent
