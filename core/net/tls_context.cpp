// SPDX-License-Identifier: Apache-2.0
#include "core/net/tls_context.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>

#include "core/check.h"
#include "core/net/certificate.h"

namespace core::net {
namespace {

struct StoreFree {
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
};
using Store = std::unique_ptr<X509_STORE, StoreFree>;

struct OpenSslFree {
  void operator()(BIO* text) const { BIO_free(text); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Text = std::unique_ptr<BIO, OpenSslFree>;
using Certificates = std::vector<std::unique_ptr<X509, OpenSslFree>>;
using Pkey = std::unique_ptr<EVP_PKEY, OpenSslFree>;

// A key that is encrypted is not one that can be used: nobody is there to be asked for its password.
int no_password(char*, int, int, void*) { return 0; }

// The certificates of a PEM text, in their order. None if there is none, or one is damaged: OpenSSL's queue says why.
Certificates read_certificates(const std::string& pem) {
  Certificates found;
  const Text text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  CHECK(text != nullptr, "OpenSSL has memory for a text");
  while (X509* certificate = PEM_read_bio_X509(text.get(), nullptr, no_password, nullptr)) {
    found.emplace_back(certificate);
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end) return {};
  if (!found.empty()) ERR_clear_error();
  return found;
}

// Whatever is named is trusted, also what is no root: as Go does, and as libcurl sets it.
Store make_store() {
  Store store(X509_STORE_new());
  CHECK(store != nullptr, "OpenSSL has memory for a store");
  X509_STORE_set_flags(store.get(), X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
  return store;
}

Result<Store> store_of(const std::string& pem) {
  const Certificates certificates = read_certificates(pem);
  if (certificates.empty()) return fail(Errc::kFailed, "unable to use the text of ca: {}", tls_error_text());
  Store store = make_store();
  for (const auto& certificate : certificates) X509_STORE_add_cert(store.get(), certificate.get());
  return store;
}

// The state of a file by which a change is noticed.
struct FileMark {
  timespec changed{};
  off_t size = -1;
  ino_t inode = 0;
  bool operator==(const FileMark& other) const {
    return changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec && size == other.size &&
           inode == other.inode;
  }
};

FileMark mark_of(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return {};
  return {found.st_mtim, found.st_size, found.st_ino};
}

// Debian's bundle of the system's authorities; elsewhere OpenSSL's own default places serve.
constexpr const char* kSystemBundle = "/etc/ssl/certs/ca-certificates.crt";
// Stores kept: a configuration names a few files of authorities.
constexpr std::size_t kStoresMax = 64;

// Trusted authorities by file. Reading the system's takes some ten milliseconds, which no handshake is to cost.
//
// Thread safety: any thread.
class TrustStores {
 public:
  // Adds one reference for the caller.
  Result<Store> get(const std::string& ca_file) {
    const std::string path = ca_file.empty() ? kSystemBundle : ca_file;
    const FileMark mark = mark_of(path);
    const std::lock_guard lock(mutex_);
    auto found = stores_.find(path);
    if (found == stores_.end() || !(found->second.mark == mark)) {
      auto loaded = load(ca_file, path, mark);
      if (!loaded) return fail(loaded.error());
      if (found == stores_.end() && stores_.size() >= kStoresMax) stores_.erase(stores_.begin());
      stores_[path] = {mark, std::move(*loaded)};
      found = stores_.find(path);
    }
    CHECK(X509_STORE_up_ref(found->second.store.get()) == 1, "a store can be shared");
    return Store(found->second.store.get());
  }

 private:
  struct Entry {
    FileMark mark;
    Store store;
  };

  static Result<Store> load(const std::string& ca_file, const std::string& path, const FileMark& mark) {
    Store store = make_store();
    if (ca_file.empty() && mark.size < 0) {
      X509_STORE_set_default_paths(store.get());
    } else if (X509_STORE_load_file(store.get(), path.c_str()) != 1) {
      return fail(Errc::kFailed, "unable to use CA file {}: {}", path, tls_error_text());
    }
    return store;
  }

  std::mutex mutex_;
  std::map<std::string, Entry> stores_;  // guarded by mutex_
};

TrustStores& trust_stores() {
  static TrustStores stores;
  return stores;
}

// Where a context keeps what is watched.
int watched_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

TlsSession* watched_by(const SSL* session) {
  return static_cast<TlsSession*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), watched_index()));
}

void describe_chain(const STACK_OF(X509) * chain, TlsSession& watched) {
  watched.presented.clear();
  const int count = std::min(chain == nullptr ? 0 : sk_X509_num(chain), static_cast<int>(kPresentedMax));
  for (int i = 0; i < count; ++i) watched.presented.push_back(describe_certificate(*sk_X509_value(chain, i)));
}

TlsFault fault_of(int verdict) {
  switch (verdict) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return TlsFault::kExpired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return TlsFault::kNotYetValid;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return TlsFault::kWrongName;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return TlsFault::kSelfSigned;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return TlsFault::kUnknownAuthority;
    default:
      return TlsFault::kOther;
  }
}

// Notes why a chain is refused; the verdict stays OpenSSL's.
int on_verify(int good, X509_STORE_CTX* check) {
  if (good == 1) return good;
  const auto* session =
      static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(check, SSL_get_ex_data_X509_STORE_CTX_idx()));
  TlsSession* const watched = session == nullptr ? nullptr : watched_by(session);
  if (watched == nullptr) return good;
  const int verdict = X509_STORE_CTX_get_error(check);
  watched->fault = fault_of(verdict);
  watched->fault_text = X509_verify_cert_error_string(verdict);
  describe_chain(X509_STORE_CTX_get0_untrusted(check), *watched);
  return good;
}

std::string cipher_name(const SSL* session) {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(session);
  const char* name = cipher == nullptr ? nullptr : SSL_CIPHER_standard_name(cipher);
  return name == nullptr ? "" : name;
}

std::string version_name(const SSL* session) {
  switch (SSL_version(session)) {
    case TLS1_VERSION:
      return "TLS 1.0";
    case TLS1_1_VERSION:
      return "TLS 1.1";
    case TLS1_2_VERSION:
      return "TLS 1.2";
    case TLS1_3_VERSION:
      return "TLS 1.3";
    default:
      return "unknown";
  }
}

// Called by OpenSSL at every step; a handshake's end also comes again later, after messages of TLS 1.3.
void on_step(const SSL* session, int where, int) {
  if ((where & SSL_CB_HANDSHAKE_DONE) == 0) return;
  TlsSession* const watched = watched_by(session);
  if (watched == nullptr || watched->established) return;
  watched->established = true;
  watched->version = version_name(session);
  watched->cipher = cipher_name(session);
  describe_chain(SSL_get_peer_cert_chain(session), *watched);
  const STACK_OF(X509)* verified = SSL_get0_verified_chain(session);
  if ((SSL_get_verify_mode(session) & SSL_VERIFY_PEER) == 0 || SSL_get_verify_result(session) != X509_V_OK) return;
  for (int i = 0; verified != nullptr && i < sk_X509_num(verified); ++i) {
    const std::int64_t end = unix_seconds(*X509_get0_notAfter(sk_X509_value(verified, i)));
    watched->verified_expiry = std::min(end, watched->verified_expiry.value_or(end));
  }
}

bool is_address(const std::string& name) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, name.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1;
}

Result<void> verify_peer(SSL_CTX& context, const TlsOptions& options, const std::string& peer_name) {
  auto store = options.ca.empty() ? trust_stores().get(options.ca_file) : store_of(options.ca);
  if (!store) return fail(store.error());
  SSL_CTX_set_cert_store(&context, store->release());
  X509_VERIFY_PARAM* const rules = SSL_CTX_get0_param(&context);
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (is_address(peer_name)) {
    X509_VERIFY_PARAM_set1_ip_asc(rules, peer_name.c_str());
  } else if (X509_VERIFY_PARAM_set1_host(rules, peer_name.data(), peer_name.size()) != 1) {
    return fail(Errc::kInvalid, "\"{}\" cannot be the name of a certificate", peer_name);
  }
  return {};
}

bool use_certificate(SSL_CTX& context, const TlsOptions& options) {
  if (options.cert.empty()) return SSL_CTX_use_certificate_chain_file(&context, options.cert_file.c_str()) == 1;
  const Certificates certificates = read_certificates(options.cert);
  if (certificates.empty() || SSL_CTX_use_certificate(&context, certificates.front().get()) != 1) return false;
  for (std::size_t i = 1; i < certificates.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(&context, certificates[i].get()) != 1) return false;
  }
  return true;
}

bool use_key(SSL_CTX& context, const TlsOptions& options) {
  if (options.key.empty())
    return SSL_CTX_use_PrivateKey_file(&context, options.key_file.c_str(), SSL_FILETYPE_PEM) == 1;
  const Text text(BIO_new_mem_buf(options.key.data(), static_cast<int>(options.key.size())));
  CHECK(text != nullptr, "OpenSSL has memory for a text");
  const Pkey key(PEM_read_bio_PrivateKey(text.get(), nullptr, no_password, nullptr));
  return key != nullptr && SSL_CTX_use_PrivateKey(&context, key.get()) == 1;
}

Result<void> present_certificate(SSL_CTX& context, const TlsOptions& options) {
  if (options.cert_file.empty() && options.cert.empty()) return {};
  if (!use_certificate(context, options) || !use_key(context, options) || SSL_CTX_check_private_key(&context) != 1) {
    return fail(Errc::kFailed, "unable to use client certificate {} with key {}: {}",
                options.cert.empty() ? options.cert_file : "of the configuration",
                options.key.empty() ? options.key_file : "of the configuration", tls_error_text());
  }
  return {};
}

int protocol_of(TlsVersion version) { return version == TlsVersion::kTls13 ? TLS1_3_VERSION : TLS1_2_VERSION; }

}  // namespace

Result<void> configure_tls(ssl_ctx_st& context, const TlsOptions& options, const std::string& peer_name,
                           TlsSession* watched) {
  ERR_clear_error();
  SSL_CTX_set_min_proto_version(&context, protocol_of(options.least));
  SSL_CTX_set_max_proto_version(&context, protocol_of(options.most));
  // A session that was taken up again would not show the certificates.
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_ex_data(&context, watched_index(), watched);
  SSL_CTX_set_info_callback(&context, on_step);
  SSL_CTX_set_verify(&context, options.insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, on_verify);
  if (!options.insecure_skip_verify) {
    if (auto done = verify_peer(context, options, peer_name); !done) return done;
  }
  return present_certificate(context, options);
}

std::string tls_error_text() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const char* const reason = ERR_reason_error_string(code);
  if (reason != nullptr) return reason;
  std::array<char, 256> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

void TlsContextFree::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

TlsContext make_client_tls_context() {
  TlsContext context(SSL_CTX_new(TLS_client_method()));
  CHECK(context != nullptr, "OpenSSL has memory for a context");
  return context;
}

}  // namespace core::net
