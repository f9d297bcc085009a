// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/certificate_files.h"

#include <fcntl.h>
#include <glob.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "core/net/certificate.h"

namespace collector::probe {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

struct Content {
  std::string text;
  std::string problem;
};

// Only a regular file: to open a pipe would wait for who writes to it.
Content read_file(const std::string& path) {
  Content content;
  const int file = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) {
    content.problem = std::strerror(errno);
    return content;
  }
  struct stat status{};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    content.problem = "not a regular file";
  } else {
    content.text.resize(kFileBytesMax + 1);
    std::size_t size = 0;
    ssize_t count = 0;
    while (size < content.text.size() &&
           (count = ::read(file, content.text.data() + size, content.text.size() - size)) > 0) {
      size += static_cast<std::size_t>(count);
    }
    if (count < 0) content.problem = std::strerror(errno);
    if (size > kFileBytesMax) content.problem = "larger than 1 MiB";
    content.text.resize(size);
  }
  ::close(file);
  return content;
}

CertificateFile read_certificates(const std::string& path, std::size_t most) {
  CertificateFile file{path, {}, {}};
  Content content = read_file(path);
  file.problem = std::move(content.problem);
  if (!file.problem.empty()) return file;
  const std::unique_ptr<BIO, int (*)(BIO*)> bytes(
      BIO_new_mem_buf(content.text.data(), static_cast<int>(content.text.size())), BIO_free);
  // No callback for a passphrase: nothing that needs one is asked for.
  const auto no_passphrase = [](char*, int, int, void*) { return 0; };
  while (file.certificates.size() <= most) {
    const std::unique_ptr<X509, void (*)(X509*)> certificate(
        PEM_read_bio_X509(bytes.get(), nullptr, no_passphrase, nullptr), X509_free);
    if (!certificate) break;
    file.certificates.push_back(core::net::describe_certificate(*certificate));
  }
  const unsigned long error = ERR_peek_last_error();
  // The end of the text is no fault once there was a certificate.
  const bool ended = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (file.certificates.empty() && ended) {
    file.problem = "no certificate in PEM";
  } else if (!ended && file.certificates.size() <= most) {
    file.problem = "a certificate that cannot be read";
  }
  ERR_clear_error();
  return file;
}

}  // namespace

CertificateFiles read_certificate_files(const std::string& pattern) {
  CertificateFiles all;
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    std::size_t left = kCertificatesMax;
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      if (i >= kCertificateFilesMax) {
        all.too_many = true;
        break;
      }
      all.files.push_back(read_certificates(found.gl_pathv[i], left));
      auto& certificates = all.files.back().certificates;
      if (certificates.size() > left) {
        certificates.resize(left);
        all.too_many = true;
      }
      left -= certificates.size();
    }
  }
  ::globfree(&found);
  return all;
}

}  // namespace collector::probe
