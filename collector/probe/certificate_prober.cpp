// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "collector/probe/attempt.h"
#include "collector/probe/certificate_files.h"
#include "collector/probe/side_thread.h"

namespace collector::probe {
namespace {

// The common name in a name of RFC 2253; "" if it has none.
std::string common_name(std::string_view name) {
  std::size_t start = 0;
  while (start < name.size()) {
    std::size_t end = start;
    while (end < name.size() && name[end] != ',') end += name[end] == '\\' ? 2 : 1;
    end = std::min(end, name.size());
    if (name.substr(start, 3) == "CN=") return std::string(name.substr(start + 3, end - start - 3));
    start = end + 1;
  }
  return "";
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// As x509-certificate-exporter names them.
void set_certificate(Report& report, const std::string& path, const core::net::Certificate& certificate,
                     std::int64_t now) {
  const MetricLabels labels = {{"filename", file_name(path)},
                               {"filepath", path},
                               {"issuer_CN", common_name(certificate.issuer)},
                               {"serial_number", certificate.serial},
                               {"subject_CN", common_name(certificate.subject)}};
  report.set("x509_cert_not_before", static_cast<double>(certificate.not_before), labels);
  report.set("x509_cert_not_after", static_cast<double>(certificate.not_after), labels);
  report.set("x509_cert_expired", certificate.not_after <= now ? 1 : 0, labels);
}

}  // namespace

core::Task<bool> probe_certificate_file(Attempt& attempt) {
  Report& report = attempt.report;
  if (!attempt.target.starts_with('/')) {
    report.fail(Reason::kBadTarget, fmt::format("expected an absolute path, got \"{}\"", attempt.target));
    co_return true;
  }
  // Named, because g++ 12 destroys a closure twice that is made within a co_await.
  std::function<CertificateFiles()> read = [pattern = attempt.target] { return read_certificate_files(pattern); };
  auto reading = attempt.services.files.run<CertificateFiles>(attempt.deadline, std::move(read));
  const auto found = co_await reading;
  if (!found) {
    report.fail(Reason::kLocalFile, "the files could not be read in time");
    co_return true;
  }
  const std::int64_t now = attempt.services.clock.unix_ms() / 1000;
  const auto spared =
      std::chrono::duration_cast<std::chrono::seconds>(attempt.module.certificate_file.min_validity.value);
  std::size_t problems = found->files.empty() ? 1 : 0;
  std::string first_problem = found->files.empty() ? "no file is there" : "";
  for (const CertificateFile& file : found->files) {
    for (const auto& certificate : file.certificates) {
      attempt.trace("{}: {} ends {}", file.path, certificate.subject, certificate.not_after);
      set_certificate(report, file.path, certificate, now);
      if (certificate.not_after - now > spared.count()) continue;
      report.fail(Reason::kTlsExpired,
                  fmt::format("{}: {} ends in {} s", file.path, certificate.subject, certificate.not_after - now));
    }
    if (file.problem.empty()) continue;
    attempt.trace("{}: {}", file.path, file.problem);
    if (problems++ == 0) first_problem = file.path + ": " + file.problem;
  }
  if (found->too_many && problems++ == 0) {
    first_problem = fmt::format("more than {} files or {} certificates", kCertificateFilesMax, kCertificatesMax);
  }
  report.set("x509_read_errors", static_cast<double>(problems));
  if (problems > 0) report.fail(Reason::kLocalFile, std::move(first_problem));
  co_return true;
}

}  // namespace collector::probe
