// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <curl/curl.h>

#include "core/net/answer_body.h"
#include "core/net/curl_client.h"
#include "core/net/exchange_errors.h"
#include "core/net/http_client.h"

namespace core::net {

struct Url;

struct CurlEasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using CurlEasy = std::unique_ptr<CURL, CurlEasyCleanup>;

struct CurlListCleanup {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// One request on one easy handle: sets it up, gathers the answer within its bounds, and says how it ended. Knows
// nothing of the multi handle that drives it.
//
// Thread safety: confined to the I/O thread.
// Invariants: never moves in memory once prepared (libcurl holds its address).
class CurlTransfer {
 public:
  CurlTransfer(TransferId id, CurlEasy easy, Request request, std::function<void(Result<Response>)> done);
  // Only connects.
  CurlTransfer(TransferId id, CurlEasy easy, Request request, std::function<void(Result<Dialled>)> dialled);
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  // Puts the request on the handle. Errors: what is wrong with the request itself.
  Result<void> prepare(const std::string& user_agent);

  // REQUIRES: the handle has left the multi handle with `code`.
  Result<Response> finish(CURLcode code);

  TransferId id() const { return id_; }
  CURL* easy() const { return easy_.get(); }
  // Gives the handle back, for the next request.
  CurlEasy take_easy() { return std::move(easy_); }
  // The error as the caller is to see it: `Get "URL": ` before the reason.
  Error described(Errc code, std::string_view reason) const { return request_error(request_, code, reason); }
  void complete(Result<Response> result);

  bool dials() const { return dialled_to_ != nullptr; }
  // The handle's connection stays, for who asked for it. REQUIRES: dials(), and the handle has not left the multi
  // handle.
  void keep_socket();

 private:
  static std::size_t on_header(char* bytes, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* self);
  static curl_socket_t on_open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);

  static CURLcode on_tls_context(CURL* easy, void* context, void* self);

  bool take_header_line(std::string_view line);
  bool take_body(std::string_view piece);

  void set_long(CURLoption option, long value);
  void set_text(CURLoption option, const std::string& value);
  Result<void> prepare_headers(const std::string& user_agent);
  Result<void> prepare_credentials();
  void prepare_method();
  void prepare_tls();
  void prepare_route();
  void prepare_signature(const AwsSignature& signature);
  void prepare_url(const Url& url);
  void prepare_observed(const Url& url);
  void prepare_callbacks();
  bool add_header(const std::string& line);

  bool ends_at_redirect();
  void observe(CURLcode code);

  std::string dialled() const { return address_text(dialled_); }
  Error failure(CURLcode code) const;
  Error connect_failure() const;
  Error tls_failure(CURLcode code) const;
  Error receive_failure(CURLcode code) const;
  Timings timings() const;

  enum class Stop { kNone, kHeaderLimit, kRedirect };  // why, if it is not for the body

  TransferId id_;
  CurlEasy easy_;
  Request request_;
  std::function<void(Result<Response>)> done_;
  std::function<void(Result<Dialled>)> dialled_to_;  // instead
  Dialled connection_;
  std::unique_ptr<curl_slist, CurlListCleanup> headers_;
  std::unique_ptr<curl_slist, CurlListCleanup> connect_to_;
  char error_text_[CURL_ERROR_SIZE] = {};

  Response response_;
  std::size_t header_bytes_ = 0;
  bool headers_done_ = false;  // the blank line of the final answer has been seen
  AnswerBody body_{request_, response_};
  Stop stop_ = Stop::kNone;
  sockaddr_storage dialled_{};  // the last connection attempt
  int open_error_ = 0;          // why there was no socket for it
  std::string verified_name_;   // of an observed request: what the certificate must name
};

}  // namespace core::net
