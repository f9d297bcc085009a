// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/net/tls_context.h"

namespace collector::probe {

inline constexpr std::size_t kCertificateFilesMax = 100;
inline constexpr std::size_t kCertificatesMax = 200;  // of one pattern

// A file with certificates in PEM; keys and whatever else stands in it are passed over.
struct CertificateFile {
  std::string path;
  std::vector<core::net::Certificate> certificates;
  std::string problem;  // why none could be read
};

struct CertificateFiles {
  std::vector<CertificateFile> files;
  bool too_many = false;  // files or certificates; what is over is left out
};

// The files that a pattern of the shell matches. Blocks; any thread.
CertificateFiles read_certificate_files(const std::string& pattern);

}  // namespace collector::probe
