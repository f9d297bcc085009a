// SPDX-License-Identifier: Apache-2.0
#include "core/net/certificate.h"

#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <array>
#include <span>

namespace core::net {
namespace {

// Names of one certificate that are kept: some hundred is usual with large hosters, thousands are not.
constexpr int kDnsNamesMax = 500;

std::string lower_hex(std::span<const unsigned char> bytes) {
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::string name_text(const X509_NAME* name) {
  BIO* const out = BIO_new(BIO_s_mem());
  // UTF-8 stays as it is; otherwise RFC 2253 with its order and escapes.
  X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string result(text, static_cast<std::size_t>(size));
  BIO_free(out);
  return result;
}

std::string serial_text(const X509& certificate) {
  const ASN1_INTEGER* serial = X509_get0_serialNumber(&certificate);
  return lower_hex({ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial))});
}

std::vector<std::string> dns_names(const X509& certificate) {
  std::vector<std::string> names;
  auto* const all = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all) && i < kDnsNamesMax; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all, i);
    if (name->type != GEN_DNS) continue;
    const ASN1_STRING* text = name->d.dNSName;
    names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                       static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  GENERAL_NAMES_free(all);
  return names;
}

}  // namespace

std::int64_t unix_seconds(const asn1_string_st& time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(&time, &parts) != 1) return 0;
  return static_cast<std::int64_t>(::timegm(&parts));
}

Certificate describe_certificate(const x509_st& certificate) {
  Certificate described;
  described.subject = name_text(X509_get_subject_name(&certificate));
  described.issuer = name_text(X509_get_issuer_name(&certificate));
  described.serial = serial_text(certificate);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (X509_digest(&certificate, EVP_sha256(), digest.data(), &size) == 1) {
    described.fingerprint_sha256 = lower_hex({digest.data(), size});
  }
  described.dns_names = dns_names(certificate);
  described.not_before = unix_seconds(*X509_get0_notBefore(&certificate));
  described.not_after = unix_seconds(*X509_get0_notAfter(&certificate));
  return described;
}

}  // namespace core::net
